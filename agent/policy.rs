//! From the operator's policies to what ztunnel enforces.
//!
//! Whatever cannot be enforced at layer 4 never widens access: a permission that asks for more than layer 4 permits nothing, a
//! refusal keeps its layer-4 part. Both are told in the object's status.

use std::net::IpAddr;

use model::{
    policy::{Action, Block, Match, Policy, PolicyScope, ServiceAccountMatch, StringMatch},
    workload::Name,
};
use serde_json::{Map, Value};
use source::{labels, object::Custom};

/// The policy that refuses plaintext, bound to workloads that are strict.
pub const STRICT: &str = "istio_converted_static_strict";

/// What became of an authorization policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// What ztunnel enforces; nothing for a policy that concerns a waypoint.
    pub policy: Option<Policy>,
    /// The labels of the workloads it selects; empty for all.
    pub selector: Vec<(String, String)>,
    /// It names targets, and so is a waypoint's to enforce.
    pub targeted: bool,
    /// What is not enforced as written, for the status.
    pub unsupported: Vec<String>,
}

/// Converts an authorization policy.
#[must_use]
pub fn authorization(object: &Custom, root: &str) -> Converted {
    let mut unsupported = Vec::new();
    let spec = &object.spec;
    let targeted = spec.get("targetRef").is_some() || list(spec, "targetRefs").next().is_some();
    let action = spec.get("action").and_then(Value::as_str).unwrap_or("ALLOW");
    let selector = selector(spec);
    let action = match action {
        _ if targeted => {
            unsupported.push("no waypoint serves its target: it has no effect until one does".to_owned());
            return Converted { policy: None, selector, targeted, unsupported };
        }
        "ALLOW" => Action::Allow,
        "DENY" => Action::Deny,
        other => {
            unsupported.push(format!("action {other} is enforced by waypoints only, and has no effect here"));
            return Converted { policy: None, selector, targeted, unsupported };
        }
    };
    let rules: Result<Vec<Option<_>>, String> =
        list(spec, "rules").map(|r| rule(r, action, &object.key.namespace, &mut unsupported)).collect();
    let rules = match rules {
        Ok(rules) => rules.into_iter().flatten().collect(),
        Err(reason) => {
            unsupported.push(format!("{reason}; until it is mended, everything that the policy concerns is refused"));
            // No permission at all, or a refusal of everything: neither can let in what the operator meant to keep out.
            if action == Action::Allow { vec![] } else { vec![vec![]] }
        }
    };
    let scope = match (selector.is_empty(), object.key.namespace == root) {
        (false, _) => PolicyScope::WorkloadSelector,
        (true, true) => PolicyScope::Global,
        (true, false) => PolicyScope::Namespace,
    };
    let policy = Policy {
        name: (*object.key.name).into(),
        namespace: (*object.key.namespace).into(),
        scope,
        action,
        rules,
        dry_run: object.annotations.get(labels::DRY_RUN).is_some_and(|v| v == "true"),
    };
    Converted { policy: Some(policy), selector, targeted, unsupported }
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// Reads `spec.selector.matchLabels`.
#[must_use]
pub fn selector(spec: &Value) -> Vec<(String, String)> {
    let labels = spec.get("selector").and_then(|s| s.get("matchLabels")).and_then(Value::as_object);
    labels.into_iter().flatten().map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect()
}

type Rule = Vec<Vec<Match>>;

/// Converts a rule; none for a permission that layer 4 cannot check.
fn rule(rule: &Value, action: Action, namespace: &str, unsupported: &mut Vec<String>) -> Result<Option<Rule>, String> {
    let mut clauses = Vec::new();
    let mut lost = false;
    for (outer, inner) in [("from", "source"), ("to", "operation")] {
        let mut matches = Vec::new();
        let mut any = false;
        for alternative in list(rule, outer) {
            let Some(fields) = alternative.get(inner).and_then(Value::as_object).filter(|f| !f.is_empty()) else {
                return Err(format!("rules.{outer}.{inner} is empty"));
            };
            let (found, l7) = conditions(fields, namespace)?;
            for field in &l7 {
                lost = true;
                note(unsupported, field, action);
            }
            // A refusal whose alternative had only layer-7 conditions refuses whatever else holds.
            any |= found.is_empty();
            matches.push(found);
        }
        if !matches.is_empty() && !any {
            clauses.push(matches);
        }
    }
    for condition in list(rule, "when") {
        let key = condition.get("key").and_then(Value::as_str).ok_or("rules.when has no key")?;
        let field = match key {
            "source.ip" => "ipBlocks",
            "source.namespace" => "namespaces",
            "source.principal" => "principals",
            "destination.ip" => "destinationIpBlocks",
            "destination.port" => "ports",
            _ => {
                lost = true;
                note(unsupported, &format!("when {key}"), action);
                continue;
            }
        };
        let mut fields = Map::new();
        let not = format!("not{}{}", field[..1].to_uppercase(), &field[1..]);
        for (from, to) in [("values", field), ("notValues", &*not)] {
            if let Some(values) = condition.get(from) {
                fields.insert(to.to_owned(), values.clone());
            }
        }
        let (found, _) = conditions(&fields, namespace)?;
        if found.is_empty() {
            return Err(format!("rules.when {key} has neither values nor notValues"));
        }
        clauses.push(vec![found]);
    }
    Ok((!(lost && action == Action::Allow)).then_some(clauses))
}

fn note(unsupported: &mut Vec<String>, field: &str, action: Action) {
    let effect =
        if action == Action::Allow { "the rule never allows" } else { "the condition is left out, which refuses more" };
    unsupported.push(format!("{field} cannot be checked at layer 4: {effect}"));
}

/// Reads the conditions of one source or operation; also names those that only layer 7 can check.
fn conditions(fields: &Map<String, Value>, namespace: &str) -> Result<(Match, Vec<String>), String> {
    let mut found = Match::default();
    let mut l7 = Vec::new();
    for (field, values) in fields {
        let values: Vec<&str> = values
            .as_array()
            .and_then(|v| v.iter().map(Value::as_str).collect())
            .ok_or_else(|| format!("{field} is no list of texts"))?;
        if values.is_empty() {
            continue;
        }
        match &**field {
            "principals" => found.principals = principals(&values),
            "notPrincipals" => found.not_principals = principals(&values),
            "namespaces" => found.namespaces = texts(&values),
            "notNamespaces" => found.not_namespaces = texts(&values),
            "ipBlocks" => found.source_ips = blocks(field, &values)?,
            "notIpBlocks" => found.not_source_ips = blocks(field, &values)?,
            "destinationIpBlocks" => found.destination_ips = blocks(field, &values)?,
            "notDestinationIpBlocks" => found.not_destination_ips = blocks(field, &values)?,
            "ports" => found.destination_ports = ports(field, &values)?,
            "notPorts" => found.not_destination_ports = ports(field, &values)?,
            "serviceAccounts" => found.service_accounts = accounts(&values, namespace),
            "notServiceAccounts" => found.not_service_accounts = accounts(&values, namespace),
            "trustDomains" if fields.contains_key("principals") => {
                return Err("trustDomains and principals in one source cannot be combined: write the trust domain in the principal".into());
            }
            "trustDomains" => {
                found.principals = values.iter().map(|td| StringMatch::Prefix(format!("{td}/").into())).collect()
            }
            "notTrustDomains" => {
                found.not_principals.extend(values.iter().map(|td| StringMatch::Prefix(format!("{td}/").into())))
            }
            _ => l7.push(field.clone()),
        }
    }
    Ok((found, l7))
}

fn text(value: &str) -> StringMatch {
    match (value.strip_prefix('*'), value.strip_suffix('*')) {
        _ if value == "*" => StringMatch::Presence,
        (Some(suffix), _) => StringMatch::Suffix(suffix.into()),
        (_, Some(prefix)) => StringMatch::Prefix(prefix.into()),
        _ => StringMatch::Exact(value.into()),
    }
}

fn texts(values: &[&str]) -> Vec<StringMatch> {
    values.iter().map(|v| text(v)).collect()
}

fn principals(values: &[&str]) -> Vec<StringMatch> {
    values.iter().map(|v| text(v.strip_prefix("spiffe://").unwrap_or(v))).collect()
}

fn accounts(values: &[&str], namespace: &str) -> Vec<ServiceAccountMatch> {
    let split =
        |v: &str| v.split_once('/').map_or_else(|| (namespace.into(), v.into()), |(ns, sa)| (ns.into(), sa.into()));
    values
        .iter()
        .map(|v| split(v))
        .map(|(namespace, service_account): (Name, Name)| ServiceAccountMatch { namespace, service_account })
        .collect()
}

fn ports(field: &str, values: &[&str]) -> Result<Vec<u16>, String> {
    values
        .iter()
        .map(|v| v.parse().ok().filter(|p| *p != 0).ok_or_else(|| format!("{field}: {v:?} is no port")))
        .collect()
}

fn blocks(field: &str, values: &[&str]) -> Result<Vec<Block>, String> {
    let block = |v: &&str| {
        let invalid = || format!("{field}: {v:?} is no address block");
        let (address, length) = v.split_once('/').map_or((*v, None), |(a, l)| (a, Some(l)));
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Ok(whole), |l| l.parse::<u8>().ok().filter(|l| *l <= whole).ok_or_else(invalid))?;
        Ok(Block { address, length })
    };
    values.iter().map(block).collect()
}

/// How strictly a workload takes only mutual TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Plaintext is refused.
    Strict,
    /// Plaintext is let in.
    Permissive,
}

/// Reads a mode; none for one that is inherited. `DISABLE` is permissive: the proxy of the node always offers TLS.
#[must_use]
pub fn mode(mtls: Option<&Value>) -> Option<Mode> {
    match mtls?.get("mode")?.as_str()? {
        "STRICT" => Some(Mode::Strict),
        "PERMISSIVE" | "DISABLE" => Some(Mode::Permissive),
        _ => None,
    }
}

fn no_identity() -> Match {
    Match { not_principals: vec![StringMatch::Presence], ..Match::default() }
}

fn deny(namespace: &str, name: &str, rules: Vec<Rule>) -> Policy {
    Policy {
        name: name.into(),
        namespace: namespace.into(),
        scope: PolicyScope::WorkloadSelector,
        action: Action::Deny,
        rules,
        dry_run: false,
    }
}

/// The policy that refuses plaintext everywhere it is bound.
#[must_use]
pub fn strict(root: &str) -> Policy {
    deny(root, STRICT, vec![vec![vec![no_identity()]]])
}

/// Returns the name that the policy of a peer authentication with port settings has.
#[must_use]
pub fn converted_name(name: &str) -> String {
    format!("converted_peer_authentication_{name}")
}

/// Converts a peer authentication with settings of single ports; none if those do not change what `base` says.
#[must_use]
pub fn peer_authentication(object: &Custom, base: Mode) -> Option<Policy> {
    let ports = object.spec.get("portLevelMtls").and_then(Value::as_object)?;
    let of = |wanted: Mode| -> Vec<u16> {
        ports.iter().filter(|(_, m)| mode(Some(m)) == Some(wanted)).filter_map(|(p, _)| p.parse().ok()).collect()
    };
    let port_match = match base {
        Mode::Strict => Match { not_destination_ports: of(Mode::Permissive), ..Match::default() },
        Mode::Permissive => Match { destination_ports: of(Mode::Strict), ..Match::default() },
    };
    if port_match.is_empty() {
        return None;
    }
    Some(deny(
        &object.key.namespace,
        &converted_name(&object.key.name),
        vec![vec![vec![no_identity()], vec![port_match]]],
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use source::object::ObjectKey;

    use super::*;

    fn object(spec: Value) -> Custom {
        Custom { key: ObjectKey { namespace: "shop".into(), name: "p".into() }, spec, ..Custom::default() }
    }

    #[test]
    fn what_layer_4_cannot_check_never_widens_access() {
        let rules = |spec| authorization(&object(spec), "istio-system").policy.map(|p| p.rules.len());
        let l7 = json!([{ "to": [{ "operation": { "paths": ["/admin"] } }] }]);
        assert_eq!(rules(json!({ "rules": l7 })), Some(0), "a permission by path permits nothing");
        let denied = authorization(&object(json!({ "action": "DENY", "rules": l7 })), "istio-system");
        assert_eq!(denied.policy.map(|p| p.rules), Some(vec![vec![]]), "a refusal by path refuses everything");
        assert_eq!(denied.unsupported.len(), 1);
        let bad = json!([{ "from": [{ "source": { "ipBlocks": ["10.0.0.0/64"] } }] }]);
        assert_eq!(rules(json!({ "rules": bad })), Some(0));
        assert_eq!(rules(json!({ "action": "DENY", "rules": bad })), Some(1));
        assert_eq!(rules(json!({ "rules": [{}] })), Some(1), "an empty rule allows everything");
        assert_eq!(rules(json!({})), Some(0), "no rule allows nothing");
        assert_eq!(rules(json!({ "targetRefs": [{ "kind": "Service", "name": "x" }], "rules": [{}] })), None);
    }

    #[test]
    fn ports_may_be_exceptions_from_the_mode() {
        let spec = json!({ "mtls": { "mode": "STRICT" }, "portLevelMtls": { "8080": { "mode": "PERMISSIVE" } } });
        let policy = peer_authentication(&object(spec), Mode::Strict).expect("an exception");
        assert_eq!(policy.rules[0][1][0].not_destination_ports, vec![8080]);
        assert_eq!(peer_authentication(&object(json!({ "mtls": { "mode": "STRICT" } })), Mode::Strict), None);
    }
}
