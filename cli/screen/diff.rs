//! The difference between two objects, as unified YAML.

use serde_json::Value;
use similar::TextDiff;

use crate::screen::{Screen, Tone};

/// Fields that the server keeps for itself: never a difference the operator made.
const SERVER_FIELDS: [&str; 7] = [
    "managedFields",
    "resourceVersion",
    "generation",
    "uid",
    "creationTimestamp",
    "selfLink",
    "deletionGracePeriodSeconds",
];

/// Returns the lines that differ, with three lines around them; empty if the objects mean the same.
pub fn unified(name: &str, before: Option<&Value>, after: Option<&Value>) -> String {
    let old = before.map(text).unwrap_or_default();
    let new = after.map(text).unwrap_or_default();
    if old == new {
        return String::new();
    }
    let from = if before.is_some() { format!("a/{name}") } else { "/dev/null".to_owned() };
    let to = if after.is_some() { format!("b/{name}") } else { "/dev/null".to_owned() };
    TextDiff::from_lines(&old, &new).unified_diff().context_radius(3).header(&from, &to).to_string()
}

/// Colours a unified diff.
pub fn painted(screen: &Screen, diff: &str) -> String {
    let line = |line: &str| match line.as_bytes().first() {
        Some(b'+') => screen.paint(Tone::Good, line),
        Some(b'-') => screen.paint(Tone::Bad, line),
        _ => line.to_owned(),
    };
    diff.lines().map(|text| line(text) + "\n").collect()
}

/// Annotations that count what was written.
const SERVER_ANNOTATIONS: [&str; 2] = ["deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation"];

fn text(object: &Value) -> String {
    serde_yaml::to_string(&meant(object)).unwrap_or_default()
}

/// Returns an object without what the server keeps for itself: it can be applied again, and be compared.
pub fn meant(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in SERVER_FIELDS {
                metadata.remove(field);
            }
            if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.retain(|key, _| !SERVER_ANNOTATIONS.contains(&key.as_str()));
            }
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_of_the_server_are_no_difference() {
        let counted = |n: &str| json!({"deprecated.daemonset.template.generation": n, "mine": "x"});
        let before =
            json!({"metadata": {"name": "a", "resourceVersion": "1", "annotations": counted("1")}, "status": {"x": 1}});
        let after = json!({"metadata": {"name": "a", "resourceVersion": "2", "annotations": counted("2")}});
        assert_eq!(unified("a", Some(&before), Some(&after)), "");
    }

    #[test]
    fn a_changed_field_shows_both_values() {
        let diff = unified("a", Some(&json!({"spec": {"n": 1}})), Some(&json!({"spec": {"n": 2}})));
        assert_eq!(diff, "--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n spec:\n-  n: 1\n+  n: 2\n");
    }
}
