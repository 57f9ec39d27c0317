//! The two policies of the mesh, as their definitions in `templates/crds/istio.yaml` describe them; a test compares both.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

/// Declares types of which only the form counts: nobody reads the fields.
macro_rules! form {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        #[expect(dead_code, reason = "only the form is checked")]
        pub struct $name { $(#[serde(default)] $field: $type,)* }
    )*};
}

type Texts = Option<Vec<String>>;

form! {
    /// Who may call whom.
    AuthorizationPolicy {
        api_version: String,
        kind: String,
        metadata: ObjectMeta,
        spec: Option<Policy>,
        status: Option<Value>,
    }
    /// Its specification.
    Policy {
        action: Option<Action>,
        provider: Option<Provider>,
        rules: Option<Vec<Rule>>,
        selector: Option<Selector>,
        target_ref: Option<Target>,
        target_refs: Option<Vec<Target>>,
    }
    /// Who decides instead.
    Provider { name: Option<String>, }
    /// Which pods are meant.
    Selector { match_labels: Option<BTreeMap<String, String>>, }
    /// Which object is meant.
    Target { group: Option<String>, kind: Option<String>, name: Option<String>, namespace: Option<String>, }
    /// One rule.
    Rule { from: Option<Vec<From>>, to: Option<Vec<To>>, when: Option<Vec<Condition>>, }
    /// Who calls.
    From { source: Option<Source>, }
    /// The caller.
    Source {
        ip_blocks: Texts, not_ip_blocks: Texts,
        namespaces: Texts, not_namespaces: Texts,
        principals: Texts, not_principals: Texts,
        remote_ip_blocks: Texts, not_remote_ip_blocks: Texts,
        request_principals: Texts, not_request_principals: Texts,
        service_accounts: Texts, not_service_accounts: Texts,
        trust_domains: Texts, not_trust_domains: Texts,
    }
    /// What is called.
    To { operation: Option<Operation>, }
    /// The call.
    Operation {
        hosts: Texts, not_hosts: Texts,
        methods: Texts, not_methods: Texts,
        paths: Texts, not_paths: Texts,
        ports: Texts, not_ports: Texts,
    }
    /// A further condition.
    Condition { key: String, values: Texts, not_values: Texts, }
    /// Whether plain text is taken.
    PeerAuthentication {
        api_version: String,
        kind: String,
        metadata: ObjectMeta,
        spec: Option<Peer>,
        status: Option<Value>,
    }
    /// Its specification.
    Peer { mtls: Option<Mtls>, port_level_mtls: Option<BTreeMap<String, Mtls>>, selector: Option<Selector>, }
    /// The mode, of all ports or of one.
    Mtls { mode: Option<Mode>, }
}

/// What a policy does.
#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Action {
    /// Only what matches passes.
    Allow,
    /// What matches does not pass.
    Deny,
    /// What matches is noted.
    Audit,
    /// Another decides.
    Custom,
}

/// How callers are taken.
#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Mode {
    /// As the wider policy says.
    Unset,
    /// Without mutual TLS.
    Disable,
    /// With and without.
    Permissive,
    /// With it only.
    Strict,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::folder::kinds::Kind;

    /// Makes a value with every field that a schema has.
    fn full(schema: &Value) -> Value {
        if let Some(first) = schema["enum"].get(0) {
            return first.clone();
        }
        match schema["type"].as_str() {
            Some("object") => match (schema["properties"].as_object(), schema["additionalProperties"].as_object()) {
                (Some(fields), _) => fields.iter().map(|(k, v)| (k.clone(), full(v))).collect(),
                (None, Some(of)) => json!({"80": full(&Value::Object(of.clone()))}),
                (None, None) => json!({}),
            },
            Some("array") => json!([full(&schema["items"])]),
            Some("string") => json!("x"),
            Some("integer") => json!(1),
            other => panic!("a schema of type {other:?}"),
        }
    }

    #[test]
    fn the_types_know_every_field_of_the_definitions() {
        let text = include_str!("../../../templates/crds/istio.yaml");
        let mut seen = 0;
        for document in serde_yaml::Deserializer::from_str(text) {
            let definition: Value = serde::Deserialize::deserialize(document).expect("YAML");
            let name = definition["spec"]["names"]["kind"].as_str().unwrap_or_default();
            if !["AuthorizationPolicy", "PeerAuthentication"].contains(&name) {
                continue;
            }
            for version in definition["spec"]["versions"].as_array().expect("versions") {
                let spec = full(&version["schema"]["openAPIV3Schema"]["properties"]["spec"]);
                let object = json!({"apiVersion": "security.istio.io/v1", "kind": name, "metadata": {}, "spec": spec});
                let found = (Kind::named(name).decode)(&object);
                assert!(found.is_empty(), "{name}: {found:?}");
                seen += 1;
            }
        }
        assert_eq!(seen, 4, "both kinds in both versions");
    }
}
