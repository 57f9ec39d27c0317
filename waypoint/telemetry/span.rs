//! One span: what a trace is told of a request.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::context::Context;

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
