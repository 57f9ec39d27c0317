//! One span: what a trace is told of a request.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use model::l7::{
    expression::{PeerField, Side},
    telemetry::{Tag, Tracing},
};
use serde_json::{Value, json};

use super::{
    context::Context,
    facts::{Facts, protocol},
};

/// The longest value of a tag, characters (as Envoy's `max_path_tag_length`).
pub const MAX_TAG: usize = 256;

/// A span.
#[derive(Clone, Debug)]
pub struct Span {
    /// Where it is.
    pub context: Context,
    /// What it is called.
    pub name: String,
    /// When it began.
    pub start: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// The request failed by our or the server's fault.
    pub failed: bool,
    /// What it says.
    pub tags: Vec<(String, String)>,
}

impl Span {
    /// Adds a tag, cut to what it may have.
    pub fn tag(&mut self, name: &str, value: &str) {
        let end = value.char_indices().nth(MAX_TAG).map_or(value.len(), |(at, _)| at);
        self.tags.push((name.to_owned(), value[..end].to_owned()));
    }
}

/// Makes the span of a request, with the tags that Envoy and Istio give theirs.
#[must_use]
pub fn of(facts: &Facts, context: &Context, tracing: &Tracing) -> Span {
    let service = facts.service.as_ref().map_or(facts.authority.as_str(), |s| &*s.key.hostname);
    let mut span = Span {
        context: context.clone(),
        name: format!("{service}:{}/*", facts.asked.port()),
        start: facts.time,
        duration: facts.duration,
        failed: facts.status == 0 || facts.status >= 500 || facts.grpc.is_some_and(|status| status != 0),
        tags: Vec::new(),
    };
    span.tag("component", "proxy");
    span.tag("http.method", facts.method.as_str());
    span.tag("http.url", &format!("http://{}{}", facts.authority, facts.path));
    span.tag("http.protocol", protocol(facts.version));
    span.tag("http.status_code", &facts.status.to_string());
    span.tag("response_flags", facts.told_flags());
    span.tag("request_size", &facts.received.to_string());
    span.tag("response_size", &facts.sent.to_string());
    span.tag("peer.address", &facts.client.ip().to_string());
    if let Some(id) = facts.id.as_ref().and_then(|id| id.to_str().ok()) {
        span.tag("guid:x-request-id", id);
    }
    if let Some(agent) = facts.header("user-agent") {
        span.tag("user_agent", &agent);
    }
    if let Some(status) = facts.grpc {
        span.tag("grpc.status_code", &status.to_string());
    }
    if let Some(address) = facts.address {
        span.tag("upstream_address", &address.to_string());
    }
    if !tracing.plain {
        istio(facts, &mut span);
    }
    for (name, tag) in &tracing.tags {
        let value = match tag {
            Tag::Literal(value) => Some(value.to_string()),
            Tag::Header(header, fallback) => {
                facts.header(header).map(Cow::into_owned).or_else(|| Some(fallback.to_string()))
            }
            Tag::Environment(variable, fallback) => {
                std::env::var(&**variable).ok().or_else(|| Some(fallback.to_string()))
            }
        };
        // Istio leaves out what has no value.
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            span.tag(name, &value);
        }
    }
    span
}

fn istio(facts: &Facts, span: &mut Span) {
    let fields = [
        ("workload", PeerField::Workload),
        ("namespace", PeerField::Namespace),
        ("canonical_service", PeerField::CanonicalService),
        ("canonical_revision", PeerField::CanonicalRevision),
        ("principal", PeerField::Principal),
        ("cluster_id", PeerField::Cluster),
        ("service", PeerField::Service),
    ];
    for (side, word) in [(Side::Source, "source"), (Side::Destination, "destination")] {
        for (name, field) in fields {
            if let Some(value) = facts.peer(side, field) {
                span.tag(&format!("istio.{word}_{name}"), &value.to_string());
            }
        }
    }
}

/// Writes spans of a service as Zipkin has them (its API, v2).
#[must_use]
pub fn zipkin(service: &str, spans: &[Span]) -> Vec<u8> {
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let one = |span: &Span| {
        let mut tags: serde_json::Map<String, Value> =
            span.tags.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
        if span.failed {
            tags.insert("error".to_owned(), "true".into());
        }
        let mut whole = json!({
            "traceId": format!("{:032x}", span.context.trace),
            "id": format!("{:016x}", span.context.span),
            "kind": "SERVER",
            "name": span.name,
            "timestamp": micros(span.start.duration_since(UNIX_EPOCH).unwrap_or_default()),
            "duration": micros(span.duration).max(1),
            "localEndpoint": {"serviceName": service},
            "tags": tags,
        });
        if let Some(parent) = span.context.parent {
            whole["parentId"] = format!("{parent:016x}").into();
        }
        whole
    };
    Value::from_iter(spans.iter().map(one)).to_string().into_bytes()
}
