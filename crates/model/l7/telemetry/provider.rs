//! Where what is told goes: the providers of the mesh's configuration (`MeshConfig.extensionProviders`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Format, Line};
use crate::workload::Name;

/// The provider that is always there: the access log of the proxy itself, as Istio's is called.
pub const BUILT_IN: &str = "envoy";

/// Where what is told goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provider {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub kind: ProviderKind,
}

/// What a provider is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProviderKind {
    /// Spans, over OTLP.
    OpenTelemetry(Collector),
    /// Spans, as JSON of Zipkin's version 2.
    Zipkin(Collector),
    /// A log, as lines of a file.
    File {
        /// The file.
        path: Name,
        /// What a line says.
        format: Format,
    },
    /// A log, over OTLP.
    Records {
        /// Where to.
        collector: Collector,
        /// What it is called.
        name: Name,
        /// What an entry says: its body.
        format: Format,
        /// What an entry says beside it.
        labels: BTreeMap<Name, Line>,
    },
}

impl ProviderKind {
    /// Tells whether it takes spans; the others take logs.
    #[must_use]
    pub fn traces(&self) -> bool {
        matches!(self, Self::OpenTelemetry(_) | Self::Zipkin(_))
    }
}

/// A server that is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Collector {
    /// Its host: a service of the mesh, or any other.
    pub host: Name,
    /// Its port.
    pub port: u16,
    /// The path, over HTTP; none for gRPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Name>,
    /// More headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<Name, Name>,
}
