//! Gateways and their classes (Gateway API v1).

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, ObjectMeta};
use serde::Deserialize;

use crate::{
    api::route::{GatewayDefaultScope, LocalObjectReference, gateway_group},
    object::Map,
};

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
    pub status: Option<GatewayClassStatus>,
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
    pub parameters_ref: Option<ClassParametersRef>,
}

/// Names an object, of any namespace or of none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ClassParametersRef {
    /// The group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The namespace.
    pub namespace: Option<String>,
}

/// The status of a class.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayClassStatus {
    /// What became of it.
    pub conditions: Vec<Condition>,
    /// What its gateways can do.
    pub supported_features: Vec<SupportedFeature>,
}

/// Something that the gateways of a class can do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SupportedFeature {
    /// The name that Gateway API gave it.
    pub name: String,
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
    pub status: Option<GatewayStatus>,
}

/// The specification of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    /// Where it is to be: then nothing is deployed for it.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// Who may add listeners.
    pub allowed_listeners: Option<AllowedListeners>,
    /// For which routes it is the default.
    pub default_scope: Option<GatewayDefaultScope>,
    /// The class.
    pub gateway_class_name: String,
    /// What is made for it.
    pub infrastructure: Option<Infrastructure>,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Certificates.
    pub tls: Option<GatewayTls>,
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
    pub parameters_ref: Option<LocalObjectReference>,
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
    #[serde(default)]
    pub certificate_refs: Vec<CertificateRef>,
    /// What is done to it.
    #[serde(default)]
    pub mode: TlsMode,
    /// More, by implementation.
    pub options: Option<BTreeMap<String, String>>,
}

/// Whose routes a listener takes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedRoutes {
    /// Of which kinds.
    #[serde(default)]
    pub kinds: Vec<RouteGroupKind>,
    /// From where.
    pub namespaces: Option<AllowedNamespaces>,
}

/// From which namespaces.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedNamespaces {
    /// Which.
    #[serde(default)]
    pub from: FromNamespaces,
    /// Those with these labels.
    pub selector: Option<LabelSelector>,
}

/// Which namespaces routes may come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum FromNamespaces {
    /// Every one.
    All,
    /// Those with certain labels.
    Selector,
    /// The gateway's own.
    #[default]
    Same,
}

/// A kind of routes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RouteGroupKind {
    /// The group.
    #[serde(default = "gateway_group")]
    pub group: String,
    /// The kind.
    pub kind: String,
}

/// Who may add listeners.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct AllowedListeners {
    /// From where.
    pub namespaces: Option<ListenerNamespaces>,
}

/// From which namespaces listeners may come.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct ListenerNamespaces {
    /// Which.
    #[serde(default)]
    pub from: ListenersFrom,
    /// Those with these labels.
    pub selector: Option<LabelSelector>,
}

/// Which namespaces listeners may come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ListenersFrom {
    /// Every one.
    All,
    /// Those with certain labels.
    Selector,
    /// The gateway's own.
    Same,
    /// None.
    #[default]
    None,
}

/// What is done to the TLS of a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum TlsMode {
    /// It ends at the gateway.
    #[default]
    Terminate,
    /// It goes on to the backend.
    Passthrough,
}

/// Names what holds a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CertificateRef {
    /// The group.
    #[serde(default)]
    pub group: String,
    /// The kind.
    #[serde(default = "secret_kind")]
    pub kind: String,
    /// The name.
    pub name: String,
    /// The namespace.
    pub namespace: Option<String>,
}

fn secret_kind() -> String {
    "Secret".to_owned()
}

/// Certificates of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct GatewayTls {
    /// Those it shows to backends.
    pub backend: Option<BackendCertificate>,
    /// Those that clients show to it.
    pub frontend: Option<FrontendTls>,
}

/// What a gateway shows to backends.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendCertificate {
    /// The certificate.
    pub client_certificate_ref: Option<CertificateRef>,
}

/// How clients prove themselves.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontendTls {
    /// On every port that has none of its own.
    pub default: FrontendTlsConfig,
    /// On single ports.
    #[serde(default)]
    pub per_port: Vec<PortTls>,
}

/// How clients of one port prove themselves.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PortTls {
    /// The port.
    pub port: u16,
    /// How.
    pub tls: FrontendTlsConfig,
}

/// How clients prove themselves.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct FrontendTlsConfig {
    /// Whose certificates are believed.
    pub validation: Option<FrontendValidation>,
}

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontendValidation {
    /// The authorities.
    pub ca_certificate_refs: Vec<AuthorityRef>,
    /// What becomes of others.
    #[serde(default)]
    pub mode: FrontendMode,
}

/// What becomes of clients without a certificate that is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum FrontendMode {
    /// They are refused.
    #[default]
    AllowValidOnly,
    /// They are let in.
    AllowInsecureFallback,
}

/// Names what holds the certificate of an authority.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AuthorityRef {
    /// The group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The namespace.
    pub namespace: Option<String>,
}

/// The status of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayStatus {
    /// Where it is.
    pub addresses: Vec<StatusAddress>,
    /// How many sets of further listeners it has.
    pub attached_listener_sets: Option<u32>,
    /// What became of it.
    pub conditions: Vec<Condition>,
    /// What became of its listeners.
    pub listeners: Vec<ListenerStatus>,
}

/// Where a gateway is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StatusAddress {
    /// `IPAddress` if nothing is said, or `Hostname`.
    pub r#type: Option<String>,
    /// The address.
    pub value: String,
}

/// What became of a listener.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// How many routes are attached.
    pub attached_routes: u32,
    /// What became of it.
    pub conditions: Vec<Condition>,
    /// Its name.
    pub name: String,
    /// The kinds of routes that it takes.
    #[serde(default)]
    pub supported_kinds: Vec<RouteGroupKind>,
}
