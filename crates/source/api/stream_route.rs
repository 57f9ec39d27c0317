//! TCPRoute and TLSRoute of Gateway API.

use serde::Deserialize;

use crate::api::{
    Resource,
    route::{BackendRef, GatewayDefaultScope, ParentReference, RouteStatus},
};

/// A route for TCP connections.
pub type TcpRoute = Resource<TcpRouteSpec, RouteStatus>;

/// Its specification.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TcpRouteSpec {
    #[serde(default)]
    pub parent_refs: Vec<ParentReference>,
    pub use_default_gateways: Option<GatewayDefaultScope>,
    pub rules: Vec<StreamRouteRule>,
}

/// A route for TLS connections that are passed on as they are.
pub type TlsRoute = Resource<TlsRouteSpec, RouteStatus>;

/// Its specification.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsRouteSpec {
    #[serde(default)]
    pub parent_refs: Vec<ParentReference>,
    pub use_default_gateways: Option<GatewayDefaultScope>,
    pub hostnames: Vec<String>,
    pub rules: Vec<StreamRouteRule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamRouteRule {
    pub name: Option<String>,
    pub backend_refs: Vec<BackendRef>,
}
