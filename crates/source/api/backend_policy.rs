//! BackendTLSPolicy, XBackendTrafficPolicy and XBackend of Gateway API.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Deserialize;

use crate::api::{
    Resource,
    duration::GatewayDuration,
    route::{LocalObjectReference, ParentReference, PolicyStatus, SessionPersistence},
};

/// How a backend is reached by TLS.
pub type BackendTlsPolicy = Resource<BackendTlsPolicySpec, PolicyStatus>;

/// Its specification.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendTlsPolicySpec {
    pub target_refs: Vec<TargetWithSection>,
    pub validation: BackendTlsValidation,
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// An object of the same namespace, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetWithSection {
    pub group: String,
    pub kind: String,
    pub name: String,
    pub section_name: Option<String>,
}

/// Whose certificate is believed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendTlsValidation {
    pub hostname: String,
    #[serde(default)]
    pub ca_certificate_refs: Vec<LocalObjectReference>,
    #[serde(rename = "wellKnownCACertificates")]
    pub well_known_ca_certificates: Option<String>,
    #[serde(default)]
    pub subject_alt_names: Vec<SubjectAltName>,
}

/// A name that a certificate may have.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SubjectAltName {
    #[serde(rename = "type")]
    pub kind: SubjectAltNameType,
    pub hostname: Option<String>,
    pub uri: Option<String>,
}

/// What kind of name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum SubjectAltNameType {
    Hostname,
    #[serde(rename = "URI")]
    Uri,
}

/// How a backend is spared.
pub type XBackendTrafficPolicy = Resource<XBackendTrafficPolicySpec, PolicyStatus>;

/// Its specification.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct XBackendTrafficPolicySpec {
    pub target_refs: Vec<LocalObjectReference>,
    pub retry_constraint: Option<RetryConstraint>,
    pub session_persistence: Option<SessionPersistence>,
}

/// How much of the load may be repetitions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryConstraint {
    pub budget: Budget,
    pub min_retry_rate: RequestRate,
}

/// A share of the requests of a while.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Budget {
    pub percent: u32,
    pub interval: GatewayDuration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { percent: 20, interval: GatewayDuration(std::time::Duration::from_secs(10)) }
    }
}

/// So many in a while.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RequestRate {
    pub count: u32,
    pub interval: GatewayDuration,
}

impl Default for RequestRate {
    fn default() -> Self {
        Self { count: 10, interval: GatewayDuration(std::time::Duration::from_secs(1)) }
    }
}

/// A backend that is no service.
pub type XBackend = Resource<XBackendSpec, XBackendStatus>;

/// Its specification.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct XBackendSpec {
    #[serde(rename = "type")]
    pub kind: XBackendType,
    pub external_hostname: Option<ExternalHostname>,
    pub port: XBackendPort,
    pub protocol: Option<XBackendProtocol>,
    pub tls: Option<XBackendTls>,
}

/// What kind of backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum XBackendType {
    ExternalHostname,
}

/// A host outside.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ExternalHostname {
    pub hostname: String,
}

/// Its port.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct XBackendPort {
    pub name: Option<String>,
    pub port: u16,
}

/// What it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum XBackendProtocol {
    Tcp,
    Http,
    Http2,
    Http11,
    H2c,
    Mcp,
}

/// How it is reached by TLS.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct XBackendTls {
    pub mode: XBackendTlsMode,
    pub client_certificate_ref: Option<SecretReference>,
    pub validation: Option<BackendTlsValidation>,
}

/// Who shows a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum XBackendTlsMode {
    None,
    ServerOnly,
    ClientAndServer,
}

/// A secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SecretReference {
    #[serde(default)]
    pub group: String,
    #[serde(default = "secret")]
    pub kind: String,
    pub name: String,
    pub namespace: Option<String>,
}

fn secret() -> String {
    "Secret".to_owned()
}

/// Its status.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct XBackendStatus {
    pub parents: Vec<XBackendParentStatus>,
}

/// What became of it at one parent.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct XBackendParentStatus {
    pub parent_ref: ParentReference,
    pub controller_name: String,
    #[serde(default)]
    pub conditions: Vec<Condition>,
}
