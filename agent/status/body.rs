//! Whether a status says what it should, and when its conditions became what they are. Functions of data only.

use serde_json::{Map, Value};

/// Fields of a condition that do not count when two are compared.
const TIME: &str = "lastTransitionTime";

/// Tells whether a status that was read says what is wanted.
///
/// Of objects only the fields that are wanted count; conditions of others may stand beside ours, but none that `owns` names
/// and nobody wants. Other lists have to be the same.
#[must_use]
pub fn says(observed: &Value, wanted: &Value, owns: &[&str]) -> bool {
    match (observed, wanted) {
        (Value::Object(observed), Value::Object(wanted)) => {
            wanted.iter().filter(|(k, _)| *k != TIME).all(|(key, wanted)| {
                let observed = observed.get(key).unwrap_or(&Value::Null);
                match key.as_str() {
                    "conditions" => conditions(items(observed), items(wanted), owns),
                    _ => says(observed, wanted, owns),
                }
            })
        }
        (Value::Array(observed), Value::Array(wanted)) => {
            observed.len() == wanted.len() && observed.iter().zip(wanted).all(|(o, w)| says(o, w, owns))
        }
        // What is not there is an empty list.
        (Value::Null, Value::Array(wanted)) => wanted.is_empty(),
        (Value::Null, Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| says(&Value::Null, wanted, owns) && key != TIME)
        }
        (observed, wanted) => observed == wanted,
    }
}

fn conditions(observed: &[Value], wanted: &[Value], owns: &[&str]) -> bool {
    let named = |kind: &Value, list: &[Value]| list.iter().position(|c| c["type"] == *kind);
    let there = |w: &Value| named(&w["type"], observed).is_some_and(|at| says(&observed[at], w, owns));
    let stale =
        |o: &Value| o["type"].as_str().is_some_and(|kind| owns.contains(&kind)) && named(&o["type"], wanted).is_none();
    wanted.iter().all(there) && !observed.iter().any(stale)
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Returns a status with the time at which each of its conditions became what it is: that of before if it was so before.
#[must_use]
pub fn dated(wanted: &Value, observed: &Value, now: &str) -> Value {
    match wanted {
        Value::Object(fields) => {
            let mut dated: Map<String, Value> = Map::new();
            for (key, value) in fields {
                let before = observed.get(key).unwrap_or(&Value::Null);
                dated.insert(key.clone(), dated_field(key, value, before, now));
            }
            Value::Object(dated)
        }
        other => other.clone(),
    }
}

fn dated_field(key: &str, wanted: &Value, observed: &Value, now: &str) -> Value {
    let Value::Array(list) = wanted else { return dated(wanted, observed, now) };
    // Items of a list are told apart by type or name, or by what they refer to and who says it, else by their place.
    let before = |at: usize, item: &Value| {
        let same = |other: &&Value| {
            let by = |field: &str| item.get(field).is_some_and(|v| other.get(field) == Some(v));
            let refers = ["parentRef", "ancestorRef"].into_iter().any(by) && by("controllerName");
            refers || ["type", "name"].into_iter().any(by)
        };
        items(observed).iter().find(same).or_else(|| items(observed).get(at)).cloned().unwrap_or_default()
    };
    let item = |(at, item): (usize, &Value)| {
        let before = before(at, item);
        let mut item = dated(item, &before, now);
        if key == "conditions" {
            let same = before["status"] == item["status"] && before["type"] == item["type"];
            let time = before.get(TIME).filter(|_| same).cloned();
            item[TIME] = time.unwrap_or_else(|| now.into());
        }
        item
    };
    list.iter().enumerate().map(item).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(kind: &str, status: &str, time: Option<&str>) -> Value {
        let mut condition = json!({"type": kind, "status": status});
        if let Some(time) = time {
            condition[TIME] = time.into();
        }
        condition
    }

    #[test]
    fn a_status_says_what_is_wanted_whatever_others_wrote() {
        let (a, b, ours) = (condition("A", "True", None), condition("B", "True", None), ["A", "Old"]);
        let rows = [
            (json!(null), json!({"conditions": []}), true),
            (json!(null), json!({"conditions": [a]}), false),
            (json!({"conditions": [condition("A", "True", Some("t"))], "more": 1}), json!({"conditions": [a]}), true),
            (json!({"conditions": [b, a]}), json!({"conditions": [a]}), true),
            (json!({"conditions": [condition("A", "False", None)]}), json!({"conditions": [a]}), false),
            (json!({"conditions": [a]}), json!({"conditions": []}), false),
            (json!({"conditions": [b]}), json!({"conditions": []}), true),
            (json!({"conditions": [a, condition("Old", "True", None)]}), json!({"conditions": [a]}), false),
            (json!({"addresses": [1, 2]}), json!({"addresses": [1]}), false),
            (json!({"addresses": [1]}), json!({"addresses": [1]}), true),
            (json!({}), json!({"addresses": []}), true),
            (
                json!({"listeners": [{"name": "m", "conditions": [condition("C", "True", None), b], "x": 1}]}),
                json!({"listeners": [{"name": "m", "conditions": [b]}]}),
                true,
            ),
            (json!({"listeners": [{"name": "m"}]}), json!({"listeners": [{"name": "m", "conditions": [b]}]}), false),
            (json!({"listeners": [{"name": "m"}, {"name": "n"}]}), json!({"listeners": [{"name": "m"}]}), false),
        ];
        for (observed, wanted, want) in rows {
            assert_eq!(says(&observed, &wanted, &ours), want, "{observed} {wanted}");
        }
    }

    #[test]
    fn a_condition_keeps_its_time_while_it_is_the_same() {
        let observed = json!({
            "conditions": [condition("A", "True", Some("old")), condition("B", "True", Some("old"))],
            "listeners": [{"name": "n", "conditions": [condition("A", "True", Some("older"))]}],
        });
        let wanted = json!({
            "conditions": [condition("B", "False", None), condition("A", "True", None), condition("C", "True", None)],
            "listeners": [{"name": "m", "conditions": []}, {"name": "n", "conditions": [condition("A", "True", None)]}],
        });
        let told = dated(&wanted, &observed, "now");
        let entry = |name: &str, time| json!({"parentRef": {"name": name}, "controllerName": "c", "conditions": [condition("A", "True", time)]});
        let parents = json!({"parents": [entry("gone", Some("old")), entry("stays", Some("older"))]});
        let moved = dated(&json!({"parents": [entry("stays", None)]}), &parents, "now");
        assert_eq!(moved, json!({"parents": [entry("stays", Some("older"))]}));
        assert_eq!(
            told["conditions"],
            json!([
                condition("B", "False", Some("now")),
                condition("A", "True", Some("old")),
                condition("C", "True", Some("now")),
            ])
        );
        assert_eq!(told["listeners"][1]["conditions"][0][TIME], "older");
        assert!(says(&told, &wanted, &[]));
    }
}
