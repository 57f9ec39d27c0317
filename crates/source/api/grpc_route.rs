//! GRPCRoute of Gateway API.

use serde::Deserialize;

use crate::api::{
    Resource,
    route::{
        FilteredBackendRef, GatewayDefaultScope, HeaderFilter, LocalObjectReference, MatchType, NamedMatch,
        ParentReference, RequestMirrorFilter, RouteStatus, SessionPersistence,
    },
};

/// A route for gRPC calls.
pub type GrpcRoute = Resource<Option<GrpcRouteSpec>, RouteStatus>;

/// Its specification.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GrpcRouteSpec {
    pub parent_refs: Vec<ParentReference>,
    pub use_default_gateways: Option<GatewayDefaultScope>,
    pub hostnames: Vec<String>,
    pub rules: Vec<GrpcRouteRule>,
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GrpcRouteRule {
    pub name: Option<String>,
    pub matches: Vec<GrpcRouteMatch>,
    pub filters: Vec<GrpcRouteFilter>,
    pub backend_refs: Vec<FilteredBackendRef<GrpcRouteFilter>>,
    pub session_persistence: Option<SessionPersistence>,
}

/// Conditions over a call.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct GrpcRouteMatch {
    pub method: Option<GrpcMethodMatch>,
    pub headers: Vec<NamedMatch>,
}

/// A condition over service and method.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct GrpcMethodMatch {
    #[serde(rename = "type")]
    pub kind: MatchType,
    pub service: Option<String>,
    pub method: Option<String>,
}

/// One thing that is done to a call or its answer: what the type says is there, the others are not.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrpcRouteFilter {
    #[serde(rename = "type")]
    pub kind: GrpcRouteFilterType,
    pub request_header_modifier: Option<HeaderFilter>,
    pub response_header_modifier: Option<HeaderFilter>,
    pub request_mirror: Option<RequestMirrorFilter>,
    pub extension_ref: Option<LocalObjectReference>,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum GrpcRouteFilterType {
    ResponseHeaderModifier,
    RequestHeaderModifier,
    RequestMirror,
    ExtensionRef,
}
