//! Spans and log records as OpenTelemetry's protocol has them (opentelemetry-proto, `trace/v1` and `logs/v1`): the part of its
//! messages that is written here, with the numbers of their fields.

use std::{
    fmt::Debug,
    time::{SystemTime, UNIX_EPOCH},
};

use prost::Message;

use super::{export::Entry, span::Span};

/// `Span.SPAN_KIND_SERVER`
const SERVER: i32 = 2;
/// `Status.STATUS_CODE_ERROR`
const ERROR: i32 = 2;
/// `SEVERITY_NUMBER_INFO`
const INFO: i32 = 9;

#[derive(Clone, PartialEq, Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Text>,
}

#[derive(Clone, PartialEq, Message)]
struct Attributes {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct WireSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start: u64,
    #[prost(fixed64, tag = "8")]
    end: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(fixed64, tag = "1")]
    time: u64,
    #[prost(int32, tag = "2")]
    severity: i32,
    #[prost(message, optional, tag = "5")]
    body: Option<Text>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<KeyValue>,
    #[prost(bytes = "vec", tag = "9")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    span_id: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Scoped<M: Message + Default + Debug> {
    #[prost(message, repeated, tag = "2")]
    items: Vec<M>,
}

#[derive(Clone, PartialEq, Message)]
struct OfResource<M: Message + Default + Debug> {
    #[prost(message, optional, tag = "1")]
    resource: Option<Attributes>,
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<Scoped<M>>,
}

/// `ExportTraceServiceRequest` and `ExportLogsServiceRequest`, which have one form.
#[derive(Clone, PartialEq, Message)]
struct Request<M: Message + Default + Debug> {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<OfResource<M>>,
}

fn pair(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(Text { text: value.to_owned() }) }
}

fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).ok().and_then(|d| u64::try_from(d.as_nanos()).ok()).unwrap_or_default()
}

fn request<M: Message + Default + Debug>(resource: &[(&str, &str)], items: Vec<M>) -> Vec<u8> {
    let attributes = resource.iter().map(|(key, value)| pair(key, value)).collect();
    let of = OfResource { resource: Some(Attributes { attributes }), scopes: vec![Scoped { items }] };
    Request { resources: vec![of] }.encode_to_vec()
}

/// Writes spans of a service.
#[must_use]
pub fn spans(service: &str, spans: &[Span]) -> Vec<u8> {
    let one = |span: &Span| WireSpan {
        trace_id: span.context.trace.to_be_bytes().to_vec(),
        span_id: span.context.span.to_be_bytes().to_vec(),
        parent_span_id: span.context.parent.map(|p| p.to_be_bytes().to_vec()).unwrap_or_default(),
        name: span.name.clone(),
        kind: SERVER,
        start: nanoseconds(span.start),
        end: nanoseconds(span.start + span.duration),
        attributes: span.tags.iter().map(|(key, value)| pair(key, value)).collect(),
        status: span.failed.then_some(Status { code: ERROR }),
    };
    request(&[("service.name", service)], spans.iter().map(one).collect())
}

/// Writes entries of a log.
#[must_use]
pub fn records(service: &str, log: &str, entries: &[Entry]) -> Vec<u8> {
    let one = |entry: &Entry| Record {
        time: nanoseconds(entry.time),
        severity: INFO,
        body: Some(Text { text: entry.line.clone() }),
        attributes: entry.labels.iter().map(|(key, value)| pair(key, value)).collect(),
        trace_id: entry.trace.map(|(trace, _)| trace.to_be_bytes().to_vec()).unwrap_or_default(),
        span_id: entry.trace.map(|(_, span)| span.to_be_bytes().to_vec()).unwrap_or_default(),
    };
    request(&[("service.name", service), ("log_name", log)], entries.iter().map(one).collect())
}
