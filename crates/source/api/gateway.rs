//! Gateways and their classes (Gateway API v1), as far as a waypoint has them; the rest is only known by name.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Deserialize;
use serde_json::Value;

use crate::object::Map;

/// Which controller a class belongs to.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClass {
    /// Group and version.
    pub api_version: String,
    /// `GatewayClass`.
    pub kind: String,
    /// The name and more.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: GatewayClassSpec,
    /// What became of it.
    pub status: Option<Value>,
}

/// The specification of a class.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassSpec {
    /// Who sees to gateways of the class.
    pub controller_name: String,
    /// For people.
    pub description: Option<String>,
    /// Settings of all gateways of the class.
    pub parameters_ref: Option<Value>,
}

/// A gateway; of the class of waypoints, a waypoint.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    /// Group and version.
    pub api_version: String,
    /// `Gateway`.
    pub kind: String,
    /// The name and more.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: GatewaySpec,
    /// What became of it.
    pub status: Option<Value>,
}

/// The specification of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    /// Where it is to be: then nothing is deployed for it.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// Who may add listeners.
    pub allowed_listeners: Option<Value>,
    /// For which routes it is the default.
    pub default_scope: Option<String>,
    /// The class.
    pub gateway_class_name: String,
    /// What is made for it.
    pub infrastructure: Option<Infrastructure>,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Certificates.
    pub tls: Option<Value>,
}

/// An address of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// `IPAddress` if nothing is said, or `Hostname`.
    pub r#type: Option<String>,
    /// The address; empty for any.
    #[serde(default)]
    pub value: String,
}

/// What the objects that are made for a gateway are like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Infrastructure {
    /// Annotations of each.
    #[serde(default)]
    pub annotations: Map,
    /// Labels of each.
    #[serde(default)]
    pub labels: Map,
    /// An object with more settings.
    pub parameters_ref: Option<ParametersRef>,
}

/// Names an object of the gateway's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParametersRef {
    /// The group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
}

/// One port of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Whose routes it takes; for a waypoint, who may use it.
    pub allowed_routes: Option<AllowedRoutes>,
    /// The host names.
    pub hostname: Option<String>,
    /// The name.
    pub name: String,
    /// The number.
    pub port: u16,
    /// The protocol: `HBONE` for a waypoint.
    pub protocol: String,
    /// Certificates.
    pub tls: Option<ListenerTls>,
}

/// How a listener ends TLS.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerTls {
    /// The certificates.
    pub certificate_refs: Option<Value>,
    /// `Terminate` or `Passthrough`.
    pub mode: Option<String>,
    /// More, by implementation.
    pub options: Option<BTreeMap<String, String>>,
}

/// Whose routes a listener takes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedRoutes {
    /// Of which kinds.
    pub kinds: Option<Value>,
    /// From where.
    pub namespaces: Option<AllowedNamespaces>,
}

/// From which namespaces.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedNamespaces {
    /// `Same` if nothing is said, `All` or `Selector`.
    pub from: Option<String>,
    /// Those with these labels.
    pub selector: Option<LabelSelector>,
}
