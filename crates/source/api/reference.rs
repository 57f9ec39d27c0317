//! ReferenceGrant of Gateway API.

use serde::Deserialize;

use crate::api::Resource;

/// A permission to refer to objects of its namespace from another one.
pub type ReferenceGrant = Resource<ReferenceGrantSpec>;

/// Its specification.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ReferenceGrantSpec {
    pub from: Vec<ReferenceGrantFrom>,
    pub to: Vec<ReferenceGrantTo>,
}

/// Who may refer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct ReferenceGrantFrom {
    pub group: String,
    pub kind: String,
    pub namespace: String,
}

/// What may be referred to; without a name all of the kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct ReferenceGrantTo {
    pub group: String,
    pub kind: String,
    pub name: Option<String>,
}
