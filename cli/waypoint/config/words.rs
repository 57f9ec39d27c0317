//! Rules, backends and policies in short words, for the cells of tables.

use std::fmt::Write;

use model::{
    l7::{
        Resource, Target, Traffic, authorization,
        destination::{Balancer, DestinationPolicy, HashKey},
        filter::{PathRewrite, Redirect, RedirectPort},
        matching::{HttpMatch, NamedMatch, PathMatch, Source},
        route::{Action, Backend, BackendTarget, HttpRule, Origin, StreamMatch},
        text::TextMatch,
    },
    policy::Block,
};
use serde_json::Value;

use crate::{waypoint::config::dump::Resources, ztunnel_config::dump::text};

/// Returns what holds for the whole waypoint.
pub fn heading(data: &Value, resources: &Resources) -> String {
    let mut line = format!("waypoint {}", or_unknown(text(data, "waypoint")));
    for resource in &resources.known {
        if let Resource::Settings(settings) = resource {
            let traffic = match settings.traffic {
                Traffic::Service => "services",
                Traffic::Workload => "workloads",
                Traffic::All => "services and workloads",
                Traffic::None => "nothing",
            };
            let _ = write!(line, ", for {traffic}, trust domain {}", settings.trust_domains.join(", "));
        }
    }
    line
}

/// Returns the text, or says that there is none.
pub fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

/// Returns a port, or that it is any.
pub fn port(port: Option<u16>) -> String {
    port.map_or_else(|| "*".to_owned(), |port| port.to_string())
}

/// Returns where a rule was written.
pub fn origin(origin: &Origin) -> String {
    let rule = origin.rule.as_deref().map_or_else(|| format!("#{}", origin.index), str::to_owned);
    format!("{:?} {}/{} {rule}", origin.kind, origin.namespace, origin.name)
}

/// Returns the conditions over a request.
pub fn http_match(wanted: &HttpMatch) -> String {
    let mut words = Vec::new();
    words.extend(wanted.method.as_ref().map(pattern));
    words.extend(wanted.path.as_ref().map(path));
    if wanted.ignore_case {
        words.push("(any case)".to_owned());
    }
    words.extend(wanted.scheme.as_ref().map(|scheme| format!("scheme={}", pattern(scheme))));
    words.extend(wanted.authority.as_ref().map(|host| format!("host={}", pattern(host))));
    words.extend(wanted.headers.iter().map(|header| named("", header)));
    words.extend(wanted.without_headers.iter().map(|header| named("!", header)));
    words.extend(wanted.query.iter().map(|parameter| named("?", parameter)));
    words.extend(wanted.port.map(|port| format!("port={port}")));
    words.extend(source(&wanted.source));
    any_of(&words)
}

/// Returns the conditions over a connection.
pub fn stream_match(wanted: &StreamMatch) -> String {
    let mut words: Vec<String> = wanted.server_names.iter().map(|name| format!("sni={name}")).collect();
    words.extend(wanted.destinations.iter().map(|block| format!("to={}", cidr(block))));
    words.extend(wanted.port.map(|port| format!("port={port}")));
    words.extend(wanted.sources.iter().map(|block| format!("from={}", cidr(block))));
    words.extend(source(&wanted.source));
    any_of(&words)
}

fn any_of(words: &[String]) -> String {
    if words.is_empty() { "any".to_owned() } else { words.join(" ") }
}

fn cidr(block: &Block) -> String {
    format!("{}/{}", block.address, block.length)
}

fn path(path: &PathMatch) -> String {
    match path {
        PathMatch::Exact(exact) => (**exact).to_owned(),
        PathMatch::Segments(prefix) => format!("{prefix}/..."),
        PathMatch::Prefix(prefix) => format!("{prefix}*"),
        PathMatch::Regex(regex) => format!("~{}", regex.as_str()),
    }
}

fn pattern(pattern: &TextMatch) -> String {
    match pattern {
        TextMatch::Exact(exact) => (**exact).to_owned(),
        TextMatch::Prefix(prefix) => format!("{prefix}*"),
        TextMatch::Suffix(suffix) => format!("*{suffix}"),
        TextMatch::Regex(regex) => format!("~{}", regex.as_str()),
        TextMatch::Present => "*".to_owned(),
    }
}

fn named(mark: &str, wanted: &NamedMatch) -> String {
    format!("{mark}{}={}", wanted.name, pattern(&wanted.value))
}

/// Returns who may ask, if not anybody.
pub fn source(source: &Source) -> Option<String> {
    let mut words: Vec<String> = source.namespace.iter().map(|name| format!("from={name}")).collect();
    words.extend(source.labels.iter().map(|(key, value)| format!("from[{key}={value}]")));
    (!words.is_empty()).then(|| words.join(" "))
}

/// Returns what comes of a request, and what is done to it on the way.
pub fn action(rule: &HttpRule) -> String {
    let mut words = match &rule.action {
        Action::Forward(all) => backends(all),
        Action::Redirect(redirect) => format!("{} to {}", redirect.status, location(redirect)),
        Action::Respond(response) => format!("answer {}", response.status),
    };
    let more = [
        (!rule.filters.is_empty()).then(|| "changed".to_owned()),
        rule.timeout.map(|limit| format!("timeout {limit:?}")),
        rule.backend_timeout.map(|limit| format!("try {limit:?}")),
        rule.retry.as_ref().map(|retry| format!("{} retries", retry.attempts)),
        (!rule.mirrors.is_empty()).then(|| {
            let all: Vec<String> = rule.mirrors.iter().map(|mirror| target(&mirror.target)).collect();
            format!("mirrored to {}", all.join(", "))
        }),
        rule.fault.as_ref().map(|_| "faults".to_owned()),
        rule.cors.as_ref().map(|_| "CORS".to_owned()),
        rule.session.as_ref().map(|_| "sticky".to_owned()),
        rule.external_auth.as_ref().map(|auth| format!("asks {}", target(&auth.target))),
    ];
    let more: Vec<String> = more.into_iter().flatten().collect();
    if !more.is_empty() {
        let _ = write!(words, " ({})", more.join("; "));
    }
    words
}

/// Returns who gets requests, with their parts of a hundred.
pub fn backends(all: &[Backend]) -> String {
    let sum: u64 = all.iter().map(|backend| u64::from(backend.weight)).sum();
    match all {
        [] => "answer 500 (no backend)".to_owned(),
        _ if sum == 0 => "answer 500 (no backend has a weight)".to_owned(),
        [only] => target(&only.target),
        all => {
            let part = |backend: &Backend| {
                format!("{} {}%", target(&backend.target), u64::from(backend.weight).saturating_mul(100) / sum)
            };
            all.iter().map(part).collect::<Vec<_>>().join(", ")
        }
    }
}

fn target(target: &BackendTarget) -> String {
    match target {
        BackendTarget::Service { service, port, subset } => {
            let port = port.map_or_else(String::new, |port| format!(":{port}"));
            let subset = subset.as_ref().map_or_else(String::new, |subset| format!("[{subset}]"));
            format!("{}{port}{subset}", service.hostname)
        }
        BackendTarget::Invalid(reason) => format!("answer 500 ({reason})"),
    }
}

fn location(redirect: &Redirect) -> String {
    let scheme = redirect.scheme.as_deref().map_or_else(String::new, |scheme| format!("{scheme}:"));
    let host = redirect.host.as_deref().map_or_else(String::new, |host| format!("//{host}"));
    let port = match redirect.port {
        RedirectPort::Number(port) => format!(":{port}"),
        RedirectPort::Implied | RedirectPort::Request | RedirectPort::Scheme => String::new(),
    };
    let path = match &redirect.path {
        Some(PathRewrite::Full(path)) => (**path).to_owned(),
        Some(PathRewrite::Prefix(prefix)) => format!("{prefix}/..."),
        Some(PathRewrite::Regex(regex, with)) => format!("~{} -> {with}", regex.as_str()),
        None => String::new(),
    };
    match format!("{scheme}{host}{port}{path}") {
        empty if empty.is_empty() => "the same".to_owned(),
        location => location,
    }
}

/// Returns how an endpoint is chosen.
pub fn balancer(policy: &DestinationPolicy) -> String {
    match &policy.traffic.balancer {
        Balancer::LeastRequest => "least request".to_owned(),
        Balancer::RoundRobin => "round robin".to_owned(),
        Balancer::Random => "random".to_owned(),
        Balancer::Passthrough => "passthrough".to_owned(),
        Balancer::Hash(hash) => match &hash.key {
            HashKey::Header(name) => format!("hash of header {name}"),
            HashKey::Query(name) => format!("hash of parameter {name}"),
            HashKey::Source => "hash of address".to_owned(),
            HashKey::Cookie { name, .. } => format!("hash of cookie {name}"),
        },
    }
}

/// Returns which further settings a policy has.
pub fn settings(policy: &DestinationPolicy) -> String {
    let traffic = &policy.traffic;
    let parts = [
        ("limits", traffic.pool != model::l7::destination::Pool::default()),
        ("outliers", traffic.outliers.is_some()),
        ("locality", traffic.locality.is_some()),
        ("warmup", traffic.warmup.is_some()),
        ("TLS", traffic.tls.is_some()),
        ("PROXY", traffic.proxy_protocol.is_some()),
        ("retry budget", traffic.retry_budget.is_some()),
        ("sticky", traffic.session.is_some()),
        ("tunnel", traffic.tunnel.is_some()),
    ];
    let set: Vec<&str> = parts.into_iter().filter(|(_, set)| *set).map(|(name, _)| name).collect();
    if set.is_empty() { "-".to_owned() } else { set.join(", ") }
}

/// Returns what a policy is attached to.
pub fn targets(targets: &[Target]) -> String {
    let one = |target: &Target| match target {
        Target::Waypoint(key) => format!("waypoint {key}"),
        Target::AnyWaypoint => "every waypoint".to_owned(),
        Target::Service(key) => format!("service {}", key.hostname),
    };
    if targets.is_empty() { "nothing".to_owned() } else { targets.iter().map(one).collect::<Vec<_>>().join(", ") }
}

/// Returns what a policy does.
pub fn policy_action(action: &authorization::Action) -> String {
    match action {
        authorization::Action::Allow => "ALLOW".to_owned(),
        authorization::Action::Deny => "DENY".to_owned(),
        authorization::Action::Audit => "AUDIT".to_owned(),
        authorization::Action::Custom(custom) => format!("CUSTOM {}", custom.provider),
    }
}
