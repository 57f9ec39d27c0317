//! The tables of `waypoint config`.

use model::l7::{DestinationPolicy, Resource, matching::HttpMatch, route::Origin};
use serde_json::Value;

use crate::{
    screen::table::Table,
    waypoint::config::{dump::Resources, words},
    ztunnel_config::dump::{items, text},
};

/// Returns the rules, a line for each alternative of their conditions.
pub fn routes(resources: &Resources) -> Table {
    type Place<'a> = (String, bool, Option<u16>, bool, &'a Origin, usize);
    let mut rows: Vec<(Place<'_>, [String; 6])> = Vec::new();
    for resource in &resources.known {
        let (parent, consumer, origin, matches, action) = match resource {
            Resource::HttpRule(rule) => {
                let any = [HttpMatch::default()];
                let matches = if rule.matches.is_empty() { &any[..] } else { &rule.matches };
                let matches = matches.iter().map(words::http_match).collect();
                (&rule.parent, &rule.consumer, &rule.origin, matches, words::action(rule))
            }
            Resource::StreamRule(rule) => {
                let matches: Vec<String> = rule.matches.iter().map(words::stream_match).collect();
                let matches = if matches.is_empty() { vec!["any connection".to_owned()] } else { matches };
                (&rule.parent, &rule.consumer, &rule.origin, matches, words::backends(&rule.backends))
            }
            _ => continue,
        };
        let service = parent.service.to_string();
        for (index, wanted) in matches.into_iter().enumerate() {
            // A consumer's rules come before the service's own.
            let place = (service.clone(), parent.port.is_none(), parent.port, consumer.is_none(), origin, index);
            let from = consumer.as_deref().unwrap_or("*").to_owned();
            let cells =
                [service.clone(), words::port(parent.port), from, wanted, action.clone(), words::origin(origin)];
            rows.push((place, cells));
        }
    }
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut table = Table::new(3, &["SERVICE", "PORT", "FROM", "MATCH", "ACTION", "ORIGIN"]);
    rows.into_iter().for_each(|(_, cells)| table.row(cells));
    table
}

/// Returns how services are reached: a line for each policy and port that it is for, and for each port without one.
pub fn backends(resources: &Resources, backends: &[&Value]) -> Table {
    let policies: Vec<&DestinationPolicy> = resources
        .known
        .iter()
        .filter_map(|resource| match resource {
            Resource::Destination(policy) => Some(policy),
            _ => None,
        })
        .collect();
    let mut rows: Vec<[String; 8]> = Vec::new();
    let mut lonely: Vec<&Value> = backends.to_vec();
    for policy in policies {
        let service = policy.service.to_string();
        let is_for = |backend: &&&Value| {
            text(backend, "service") == service
                && policy.port.is_none_or(|own| port_of(backend) == Some(u64::from(own)))
        };
        let found: Vec<&Value> = backends.iter().filter(is_for).copied().collect();
        lonely.retain(|backend| !is_for(&backend) || policy.subset.is_some() || !policy.source.is_anybody());
        let mut row = |backend: Option<&Value>| {
            // How many of a subset are healthy, the dump does not say.
            let (healthy, active) = backend.filter(|_| policy.subset.is_none()).map_or_else(unknown, counts);
            let port = backend.and_then(port_of).map_or_else(|| words::port(policy.port), |port| port.to_string());
            rows.push([
                service.clone(),
                port,
                policy.subset.as_ref().map_or("-", |subset| &subset.name).to_owned(),
                words::source(&policy.source).map_or_else(|| "*".to_owned(), |from| from.replace("from=", "")),
                words::balancer(policy),
                words::settings(policy),
                healthy,
                active,
            ]);
        };
        match found.is_empty() {
            true => row(None),
            false => found.into_iter().for_each(|backend| row(Some(backend))),
        }
    }
    for backend in lonely {
        let (healthy, active) = counts(backend);
        let port = port_of(backend).map_or_else(|| "?".to_owned(), |port| port.to_string());
        let service = words::or_unknown(text(backend, "service")).to_owned();
        let default = || "-".to_owned();
        rows.push([service, port, default(), "*".to_owned(), "default".to_owned(), default(), healthy, active]);
    }
    rows.sort();
    let heading = ["SERVICE", "PORT", "SUBSET", "FROM", "BALANCER", "SETTINGS", "ENDPOINTS", "ACTIVE"];
    let mut table = Table::new(3, &heading);
    rows.into_iter().for_each(|row| table.row(row));
    table
}

fn port_of(backend: &Value) -> Option<u64> {
    backend.get("port").and_then(Value::as_u64)
}

fn unknown() -> (String, String) {
    ("-".to_owned(), "-".to_owned())
}

/// Counts the endpoints that are healthy, of how many, and the requests under way.
fn counts(backend: &Value) -> (String, String) {
    let endpoints = items(backend, "endpoints");
    let healthy = endpoints.iter().filter(|endpoint| endpoint.get("healthy") == Some(&Value::Bool(true))).count();
    let active = endpoints.iter().filter_map(|endpoint| endpoint.get("active").and_then(Value::as_u64));
    (format!("{healthy}/{}", endpoints.len()), active.fold(0, u64::saturating_add).to_string())
}

/// Returns the endpoints one by one.
pub fn endpoints(backends: &[&Value]) -> Table {
    let mut rows = Vec::new();
    for backend in backends {
        let port = port_of(backend).map_or_else(|| "?".to_owned(), |port| port.to_string());
        for endpoint in items(backend, "endpoints") {
            let healthy = match endpoint.get("healthy").and_then(Value::as_bool) {
                Some(true) => "yes",
                Some(false) => "no",
                None => "unknown",
            };
            let active = endpoint.get("active").and_then(Value::as_u64);
            rows.push([
                words::or_unknown(text(backend, "service")).to_owned(),
                port.clone(),
                words::or_unknown(text(endpoint, "workload")).to_owned(),
                words::or_unknown(text(endpoint, "address")).to_owned(),
                healthy.to_owned(),
                active.map_or_else(|| "unknown".to_owned(), |active| active.to_string()),
            ]);
        }
    }
    rows.sort();
    let mut table = Table::new(3, &["SERVICE", "PORT", "WORKLOAD", "ADDRESS", "HEALTHY", "ACTIVE"]);
    rows.into_iter().for_each(|row| table.row(row));
    table
}

/// Returns the policies.
pub fn policies(resources: &Resources) -> Table {
    let mut rows: Vec<[String; 7]> = Vec::new();
    for resource in &resources.known {
        let row = match resource {
            Resource::Authorization(policy) => [
                "AuthorizationPolicy".to_owned(),
                (*policy.namespace).to_owned(),
                (*policy.name).to_owned(),
                words::policy_action(&policy.action),
                words::targets(&policy.targets),
                policy.rules.len().to_string(),
                if policy.dry_run { "yes" } else { "no" }.to_owned(),
            ],
            Resource::Authentication(policy) => [
                "RequestAuthentication".to_owned(),
                (*policy.namespace).to_owned(),
                (*policy.name).to_owned(),
                "-".to_owned(),
                words::targets(&policy.targets),
                policy.rules.len().to_string(),
                "-".to_owned(),
            ],
            Resource::RateLimit(limit) => [
                "RateLimit".to_owned(),
                (*limit.namespace).to_owned(),
                (*limit.name).to_owned(),
                "-".to_owned(),
                words::targets(&limit.targets),
                (limit.local.len() + usize::from(limit.global.is_some())).to_string(),
                if limit.dry_run { "yes" } else { "no" }.to_owned(),
            ],
            _ => continue,
        };
        rows.push(row);
    }
    rows.sort();
    let mut table = Table::new(3, &["KIND", "NAMESPACE", "NAME", "ACTION", "TARGET", "RULES", "DRY RUN"]);
    rows.into_iter().for_each(|row| table.row(row));
    table
}
