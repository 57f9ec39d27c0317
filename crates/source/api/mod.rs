//! The public APIs as Rust types: Gateway API v1.6 with its experimental channel, Istio's, and what is the mesh's own.
//!
//! Every field of an API is here, so that a manifest with another one is refused (`folder`), and the agent reads what it
//! needs of a typed object. The types say what the definitions say; what fields mean together is the agent's to judge.
//! Tests compare them with the definitions: those of Istio here, those of Gateway API in `tests/testbed`.
#![allow(missing_docs)] // names and meaning of the fields are those of the APIs; what is ours is documented

pub mod authorization;
pub mod backend_policy;
pub mod destination_rule;
pub mod duration;
pub mod gateway;
pub mod grpc_route;
pub mod http_route;
pub mod istio;
pub mod load_balancer;
pub mod peer_authentication;
pub mod rate_limit;
pub mod reference;
pub mod request_authentication;
pub mod route;
pub mod service_entry;
pub mod stream_route;
pub mod telemetry;
pub mod virtual_service;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::folder::{FieldPath, decode};

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

/// What was read of a specification.
#[derive(Clone, Debug, PartialEq)]
pub struct Read<Spec> {
    /// The specification, without the fields that its type does not know; none if a value does not fit.
    pub spec: Option<Spec>,
    /// What is wrong, each with its place in the object.
    pub faults: Vec<String>,
}

/// Reads the specification of an object; one that is not there is empty.
///
/// An API server drops fields that its definitions do not have. Those that ours lack are from a later version, and whoever
/// must not miss a word finds them among the faults.
#[must_use]
pub fn read<Spec: DeserializeOwned>(spec: &Value) -> Read<Spec> {
    let empty = Value::Object(serde_json::Map::new());
    let (spec, found) = decode::typed(if spec.is_null() { &empty } else { spec }, FieldPath::of(&["spec"]));
    Read { spec, faults: found.iter().map(ToString::to_string).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::authorization::AuthorizationPolicySpec;

    #[test]
    fn what_is_wrong_is_told_and_the_rest_is_read() {
        let good = read::<AuthorizationPolicySpec>(&Value::Null);
        assert_eq!(good, Read { spec: Some(AuthorizationPolicySpec::default()), faults: vec![] });
        let later = read::<AuthorizationPolicySpec>(&json!({"rule": [], "rules": [{}], "selector": null}));
        assert_eq!(later.faults, ["spec.rule: unknown field, did you mean rules?"]);
        assert_eq!(later.spec.map(|s| s.rules.len()), Some(1));
        let wrong = read::<AuthorizationPolicySpec>(&json!({"rules": [{"when": [{"values": []}]}]}));
        assert_eq!(
            (wrong.spec, &*wrong.faults),
            (None, &["spec.rules[0].when[0].key: required field is missing".to_owned()][..])
        );
    }
}
