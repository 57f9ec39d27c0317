//! The public APIs as Rust types: Gateway API v1.6 with its experimental channel, and Istio's.
//!
//! Every field of an API is here, so that a manifest with another one is refused (`folder`), and the agent reads what it
//! needs of a typed object. The types say what the definitions say; what fields mean together is the agent's to judge.
//! Tests compare them with the definitions: those of Istio here, those of Gateway API in `tests/testbed`.
#![allow(missing_docs)] // names and meaning of the fields are those of the APIs; what is ours is documented

pub mod authorization;
pub mod backend_policy;
pub mod destination_rule;
pub mod duration;
pub mod grpc_route;
pub mod http_route;
pub mod istio;
pub mod load_balancer;
pub mod peer_authentication;
pub mod reference;
pub mod request_authentication;
pub mod route;
pub mod service_entry;
pub mod stream_route;
pub mod telemetry;
pub mod virtual_service;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

/// An object: its specification, and the status of its kind. Kinds whose definition leaves the status open take any.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource<Spec, Status = Value> {
    pub api_version: String,
    pub kind: String,
    pub metadata: ObjectMeta,
    pub spec: Spec,
    pub status: Option<Status>,
}
