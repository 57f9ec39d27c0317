//! What the kinds of Istio's API have in common.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Labels.
pub type Labels = BTreeMap<String, String>;

/// Which pods are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    pub match_labels: Labels,
}

/// Which object is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct TargetReference {
    #[serde(default)]
    pub group: String,
    pub kind: String,
    pub name: String,
    pub namespace: Option<String>,
}
