//! Which kinds the folder knows, as a Kubernetes API tells it to clients that look before they ask.

use serde_json::{Value, json};

use crate::folder::kinds::{KINDS, Kind};

/// What can be done with the objects of every kind.
const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// Returns the kinds of a version of a group; none if there are none.
#[must_use]
pub fn of_version(group: &str, version: &str) -> Option<Value> {
    let here = |kind: &&Kind| kind.group == group && kind.versions.contains(&version);
    let resources: Vec<Value> = KINDS.iter().filter(here).flat_map(resources).collect();
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!resources.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources,
        })
    })
}

fn resources(kind: &'static Kind) -> Vec<Value> {
    let entry = |name: String, verbs: &[&str]| {
        json!({
            "name": name, "singularName": kind.name.to_lowercase(), "namespaced": kind.namespaced, "kind": kind.name,
            "verbs": verbs,
        })
    };
    let mut all = vec![entry(kind.plural.to_owned(), &VERBS)];
    if kind.has_status {
        all.push(entry(format!("{}/status", kind.plural), &["get", "patch", "update"]));
    }
    all
}
