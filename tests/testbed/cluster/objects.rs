//! The objects that a cluster starts with: its nodes, with the ranges of their pods, and its DNS.

use serde_json::json;

use crate::cluster::{
    components::COREDNS_IMAGE,
    plan::{Plan, node_name},
};

/// Returns the manifest of all objects.
pub fn manifest(plan: &Plan) -> String {
    (0..plan.options.nodes).map(|index| node(plan, index)).chain([dns(plan)]).collect()
}

fn node(plan: &Plan, node: usize) -> String {
    let ranges: Vec<String> = plan.node_pods(node).iter().map(ToString::to_string).collect();
    let spec = json!({ "podCIDR": ranges.first(), "podCIDRs": ranges });
    // Not all JSON: kubectl would take the whole for a stream of JSON, and stumble over the first YAML in it.
    format!("apiVersion: v1\nkind: Node\nmetadata: {{name: {}}}\nspec: {spec}\n---\n", node_name(node))
}

fn dns(plan: &Plan) -> String {
    let addresses = plan.dns();
    let first = addresses.first().map(|address| json!(address)).unwrap_or_default();
    // Quoted, or an IPv6 address would be a map in YAML. The longer word comes first: it holds the shorter.
    include_str!("coredns.yaml")
        .replace("COREDNS_IMAGE", COREDNS_IMAGE)
        .replace("FIRST_ADDRESS", &first.to_string())
        .replace("ADDRESSES", &json!(addresses).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::plan::{Family, Options};

    #[test]
    fn every_document_is_an_object() {
        for family in [Family::Ipv4, Family::Ipv6, Family::Dual] {
            let text = manifest(&Plan { options: Options { family, ..Options::default() }, index: 0 });
            let kinds: Vec<String> = text
                .split("\n---\n")
                .map(|document| serde_yaml::from_str::<serde_json::Value>(document).expect("YAML")["kind"].to_string())
                .collect();
            assert_eq!(kinds.len(), 8, "{kinds:?}");
        }
    }
}
