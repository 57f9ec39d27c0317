//! What operators lay over the objects of a waypoint: entries of a ConfigMap, each a part of an object in YAML.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::deploy::{Problem, objects::Kind};

/// What one ConfigMap lays over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overlay {
    /// Where it is from, for messages.
    pub source: String,
    /// Parts of objects by key.
    pub parts: BTreeMap<String, Value>,
}

/// All that is laid over the objects of one gateway.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overlays {
    /// For all gateways of its class.
    pub of_class: Vec<Overlay>,
    /// For itself.
    pub own: Option<Overlay>,
}

/// Reads a ConfigMap.
///
/// # Errors
/// A key that is none, or an entry that is no part of an object.
pub fn read(source: String, data: &BTreeMap<String, String>) -> Result<Overlay, Problem> {
    let mut parts = BTreeMap::new();
    let mut faults = Vec::new();
    for (key, text) in data {
        if !Kind::ALL.iter().any(|kind| kind.key() == key) {
            let keys: Vec<&str> = Kind::ALL.iter().map(|kind| kind.key()).collect();
            faults.push(format!("{source}: unknown key {key}: want {}", keys.join(", ")));
            continue;
        }
        match serde_yaml::from_str::<Value>(text) {
            Ok(Value::Null) => {}
            Ok(part) if part.is_object() => drop(parts.insert(key.clone(), part)),
            Ok(_) => faults.push(format!("{source}: key {key}: want fields of an object, such as spec")),
            Err(error) => faults.push(format!("{source}: key {key}: not YAML: {error}")),
        }
    }
    if faults.is_empty() { Ok(Overlay { source, parts }) } else { Err(Problem::parameters(faults.join("; "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_parts_of_objects() {
        let read = |key: &str, text: &str| {
            read("ConfigMap p".to_owned(), &BTreeMap::from([(key.to_owned(), text.to_owned())]))
        };
        let good = read("deployment", "spec: {replicas: 3}").expect("good");
        assert_eq!(good.parts["deployment"]["spec"]["replicas"], 3);
        assert!(read("deployment", "").expect("nothing").parts.is_empty());
        for (key, text, want) in [
            ("deploymnt", "spec: {}", "ConfigMap p: unknown key deploymnt: want serviceAccount,"),
            ("deployment", "3", "ConfigMap p: key deployment: want fields of an object"),
            ("service", "[1]", "key service: want fields"),
            ("service", "a: [", "key service: not YAML: "),
        ] {
            let problem = read(key, text).expect_err(text);
            assert!(problem.message.contains(want), "{}", problem.message);
            assert_eq!(problem.reason, "InvalidParameters");
        }
    }
}
