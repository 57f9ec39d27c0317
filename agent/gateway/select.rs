//! Who may use a waypoint: its own namespace, all, or those whose labels are selected.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use source::{
    api::gateway::{AllowedNamespaces, FromNamespaces},
    object::Map,
};

/// Tells whether what is in a namespace may use a waypoint of another one, or of the same.
#[must_use]
pub fn allows(allowed: &AllowedNamespaces, is_same: bool, labels: &Map) -> bool {
    match allowed.from {
        FromNamespaces::Same => is_same,
        FromNamespaces::All => true,
        FromNamespaces::Selector => allowed.selector.as_ref().is_some_and(|selector| selects(selector, labels)),
    }
}

/// Tells whether a selector selects what has these labels; an empty one selects everything.
#[must_use]
pub fn selects(selector: &LabelSelector, labels: &Map) -> bool {
    selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
        && selector.match_expressions.iter().flatten().all(|wanted| meets(wanted, labels))
}

fn meets(wanted: &LabelSelectorRequirement, labels: &Map) -> bool {
    let value = labels.get(&wanted.key);
    let listed = |value: &String| wanted.values.iter().flatten().any(|listed| listed == value);
    match wanted.operator.as_str() {
        "In" => value.is_some_and(listed),
        "NotIn" => !value.is_some_and(listed),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_may_use_a_waypoint() {
        let labels = Map::from([("team".to_owned(), "web".to_owned())]);
        let expression = |operator: &str, values: &[&str]| {
            let expression = json!({"key": "team", "operator": operator, "values": values});
            json!({"from": "Selector", "selector": {"matchExpressions": [expression]}})
        };
        let rows = [
            (json!({}), true, true),
            (json!({}), false, false),
            (json!({"from": "Same"}), false, false),
            (json!({"from": "All"}), false, true),
            (json!({"from": "Selector"}), true, false),
            (json!({"from": "Selector", "selector": {}}), false, true),
            (json!({"from": "Selector", "selector": {"matchLabels": {"team": "web"}}}), false, true),
            (json!({"from": "Selector", "selector": {"matchLabels": {"team": "db"}}}), true, false),
            (expression("In", &["web", "db"]), false, true),
            (expression("In", &[]), false, false),
            (expression("NotIn", &["web"]), false, false),
            (expression("NotIn", &["db"]), false, true),
            (expression("Exists", &[]), false, true),
            (expression("DoesNotExist", &[]), false, false),
            (expression("Resembles", &["web"]), false, false),
        ];
        for (allowed, is_same, want) in rows {
            let read: AllowedNamespaces = serde_json::from_value(allowed.clone()).expect("readable");
            assert_eq!(allows(&read, is_same, &labels), want, "{allowed}");
        }
    }
}
