//! How a patch changes an object: merge patch, strategic merge patch, server-side apply. Functions of data only.

use serde_json::{Map, Value};

/// Lists that a strategic merge patch merges by a key of their items; all others are replaced.
const MERGED: [(&str, &[&str]); 12] = [
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("volumes", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    ("imagePullSecrets", &["name"]),
    ("hostAliases", &["ip"]),
    ("topologySpreadConstraints", &["topologyKey"]),
    ("env", &["name"]),
    // Of a container, then of a service.
    ("ports", &["containerPort", "port"]),
    ("conditions", &["type"]),
    ("ownerReferences", &["uid"]),
];

/// Merges a patch into a value (RFC 7386): null removes, objects are merged, all else replaces.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    let target = object(target);
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Merges a strategic merge patch: as [`merge`], with some lists merged item by item.
pub fn strategic(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if patch.get("$patch").and_then(Value::as_str) == Some("replace") {
        let mut new = patch.clone();
        new.remove("$patch");
        *target = Value::Object(new);
        return;
    }
    let target = object(target);
    for (key, value) in patch.iter().filter(|(k, _)| !k.starts_with('$')) {
        let keys = MERGED.iter().find(|(list, _)| list == key).map(|(_, keys)| *keys);
        match (value, keys) {
            (Value::Null, _) => drop(target.remove(key)),
            (Value::Array(items), Some(keys)) => {
                let list = target.entry(key.clone()).or_insert_with(|| Value::Array(Vec::new()));
                if !list.is_array() {
                    *list = Value::Array(Vec::new());
                }
                if let Value::Array(list) = list {
                    items.iter().for_each(|item| merge_item(list, item, keys));
                }
            }
            _ => strategic(target.entry(key.clone()).or_insert(Value::Null), value),
        }
    }
}

fn merge_item(list: &mut Vec<Value>, item: &Value, keys: &[&str]) {
    let same = |other: &Value| keys.iter().any(|k| item.get(k).is_some_and(|v| other.get(k) == Some(v)));
    let at = list.iter().position(same);
    match (at, item.get("$patch").and_then(Value::as_str)) {
        (Some(at), Some("delete")) => drop(list.remove(at)),
        (None, Some("delete")) => {}
        (Some(at), _) => strategic(&mut list[at], item),
        (None, _) => list.push(item.clone()),
    }
}

/// Applies what a manager wants: what it applied before and wants no longer goes, unless others want it.
///
/// Lists are one value, and nobody is told of conflicts: the last one who applies wins.
pub fn apply(target: &mut Value, before: Option<&Value>, wanted: &Value, others: &[&Value]) {
    if let Some(before) = before {
        withdraw(target, before, Some(wanted), others);
    }
    overlay(target, wanted);
}

fn withdraw(target: &mut Value, before: &Value, wanted: Option<&Value>, others: &[&Value]) {
    let (Some(target), Value::Object(before)) = (target.as_object_mut(), before) else { return };
    for (key, old) in before {
        let wanted = wanted.and_then(|w| w.get(key));
        let others: Vec<&Value> = others.iter().filter_map(|o| o.get(key)).collect();
        let Some(present) = target.get_mut(key) else { continue };
        if old.is_object() && present.is_object() && wanted.is_none_or(Value::is_object) {
            withdraw(present, old, wanted, &others);
            // A map that only these fields held goes with them.
            let empty = present.as_object().is_some_and(Map::is_empty);
            if empty && wanted.is_none() && others.is_empty() {
                target.remove(key);
            }
        } else if wanted.is_none() && others.is_empty() {
            target.remove(key);
        }
    }
}

/// Lays a value over another: objects are merged, all else replaces.
fn overlay(target: &mut Value, wanted: &Value) {
    match wanted {
        Value::Object(fields) => {
            let target = object(target);
            for (key, value) in fields {
                overlay(target.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        _ => *target = wanted.clone(),
    }
}

/// Returns the fields of a value, which becomes an object if it is none.
pub fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(fields) => fields,
        _ => unreachable!("made an object just now"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merge_patch_follows_rfc_7386() {
        // Appendix A of the RFC, in part.
        let rows = [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ];
        for (mut target, patch, want) in rows {
            merge(&mut target, &patch);
            assert_eq!(target, want, "{patch}");
        }
    }

    #[test]
    fn strategic_merge_merges_lists_by_key() {
        let mut pod = json!({"spec": {"containers": [{"name": "a", "image": "x", "args": ["1"]}, {"name": "b"}]}});
        strategic(
            &mut pod,
            &json!({"spec": {"containers": [{"name": "a", "args": ["2"]}, {"name": "c"}, {"name": "b", "$patch": "delete"}]}}),
        );
        assert_eq!(pod, json!({"spec": {"containers": [{"name": "a", "image": "x", "args": ["2"]}, {"name": "c"}]}}));
    }

    #[test]
    fn apply_removes_what_is_no_longer_applied() {
        let before = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"list": [1, 2], "x": 1}});
        let other = json!({"metadata": {"labels": {"b": "2"}}});
        let wanted = json!({"spec": {"list": [3]}});
        let mut target = before.clone();
        target["metadata"]["labels"]["c"] = json!("3");
        apply(&mut target, Some(&before), &wanted, &[&other]);
        assert_eq!(target, json!({"metadata": {"labels": {"b": "2", "c": "3"}}, "spec": {"list": [3]}}));
    }
}
