//! PeerAuthentication of Istio's API.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::api::{Resource, istio::Selector};

/// Whether plain text is taken.
pub type PeerAuthentication = Resource<Option<PeerAuthenticationSpec>>;

/// Its specification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PeerAuthenticationSpec {
    pub selector: Option<Selector>,
    pub mtls: Option<MutualTls>,
    /// By port.
    pub port_level_mtls: BTreeMap<String, MutualTls>,
}

/// The mode, of all ports or of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MutualTls {
    pub mode: Mode,
}

/// How callers are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Mode {
    /// As the wider policy says.
    #[default]
    Unset,
    Disable,
    Permissive,
    Strict,
}
