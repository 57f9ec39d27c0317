//! What proxies ask over gRPC about requests of others: Envoy's external authorization and rate limits, as far as tests use them.

use std::{collections::HashMap, time::Duration};

use prost::Message;

use super::web::Counts;

/// The path of a question whether a request may pass.
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
/// The path of a question whether there are too many.
const LIMIT: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
/// What stands before a message of gRPC: not compressed, and its length.
const PREFIX: usize = 5;
/// How many pass where the question names no other limit.
const USUAL: u32 = 2;
/// The domain whose questions are answered late, and how late.
const LATE: (&str, Duration) = ("late", Duration::from_secs(3));

#[derive(Clone, PartialEq, Message)]
struct Check {
    #[prost(message, optional, tag = "1")]
    attributes: Option<Attributes>,
}

#[derive(Clone, PartialEq, Message)]
struct Attributes {
    #[prost(message, optional, tag = "4")]
    request: Option<Request>,
}

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, optional, tag = "2")]
    http: Option<Http>,
}

#[derive(Clone, PartialEq, Message)]
struct Http {
    #[prost(map = "string, string", tag = "3")]
    headers: HashMap<String, String>,
    #[prost(string, tag = "11")]
    body: String,
    #[prost(bytes = "vec", tag = "12")]
    raw_body: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Checked {
    #[prost(message, optional, tag = "1")]
    status: Option<Code>,
    #[prost(message, optional, tag = "2")]
    denied: Option<Denied>,
    #[prost(message, optional, tag = "3")]
    allowed: Option<Allowed>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Code {
    #[prost(int32, tag = "1")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Denied {
    #[prost(message, optional, tag = "1")]
    status: Option<Code>,
    #[prost(message, repeated, tag = "2")]
    headers: Vec<Added>,
    #[prost(string, tag = "3")]
    body: String,
}

#[derive(Clone, PartialEq, Message)]
struct Allowed {
    #[prost(message, repeated, tag = "2")]
    headers: Vec<Added>,
    #[prost(message, repeated, tag = "6")]
    answer_headers: Vec<Added>,
}

#[derive(Clone, PartialEq, Message)]
struct Added {
    #[prost(message, optional, tag = "1")]
    header: Option<Pair>,
}

/// A header, or an entry of a descriptor.
#[derive(Clone, PartialEq, Message)]
struct Pair {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Limit {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(message, repeated, tag = "2")]
    descriptors: Vec<Descriptor>,
}

#[derive(Clone, PartialEq, Message)]
struct Descriptor {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Pair>,
    #[prost(message, optional, tag = "2")]
    limit: Option<Rate>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Rate {
    #[prost(uint32, tag = "1")]
    requests: u32,
    #[prost(int32, tag = "2")]
    unit: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Limited {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(message, repeated, tag = "2")]
    statuses: Vec<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(message, optional, tag = "2")]
    limit: Option<Rate>,
    #[prost(uint32, tag = "3")]
    remaining: u32,
}

/// Tells whether a path is that of such a question.
pub fn is_question(path: &str) -> bool {
    path == CHECK || path == LIMIT
}

/// Answers a question, both as messages of gRPC; none for what is no message of it.
pub async fn answer(path: &str, question: &[u8], counts: &Counts) -> Option<Vec<u8>> {
    let question = question.get(PREFIX..)?;
    let message = if path == CHECK {
        checked(Check::decode(question).ok()?).encode_to_vec()
    } else {
        let question = Limit::decode(question).ok()?;
        if question.domain == LATE.0 {
            tokio::time::sleep(LATE.1).await;
        }
        limited(&question, counts).encode_to_vec()
    };
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).ok()?.to_be_bytes());
    framed.extend(message);
    Some(framed)
}

/// Decides as the header `x-auth` of the request says; without a word of it nothing passes.
fn checked(question: Check) -> Checked {
    let http = question.attributes.and_then(|a| a.request).and_then(|r| r.http).unwrap_or_default();
    let add = |key: &str, value: String| Added { header: Some(Pair { key: key.to_owned(), value }) };
    let code = |code| Some(Code { code });
    let length = http.body.len() + http.raw_body.len();
    match http.headers.get("x-auth").map(String::as_str) {
        Some("allow") => {
            let headers = vec![add("x-user", "alice".to_owned()), add("x-told", length.to_string())];
            let allowed = Allowed { headers, answer_headers: vec![add("x-answer", "1".to_owned())] };
            Checked { status: code(0), denied: None, allowed: Some(allowed) }
        }
        Some("deny") => {
            let headers = vec![add("x-why", "no".to_owned())];
            let denied = Denied { status: code(401), headers, body: "not you".to_owned() };
            Checked { status: code(7), denied: Some(denied), allowed: None }
        }
        _ => Checked { status: code(7), denied: None, allowed: None },
    }
}

/// Counts each descriptor for as long as this server lives.
fn limited(question: &Limit, counts: &Counts) -> Limited {
    let (ok, over) = (1, 2);
    let one = |descriptor: &Descriptor| {
        let entries = descriptor.entries.iter().map(|e| format!("{}={}", e.key, e.value)).collect::<Vec<_>>();
        let count = counts.next(&format!("limit {} {}", question.domain, entries.join(",")));
        let limit = descriptor.limit.unwrap_or(Rate { requests: USUAL, unit: 3 });
        let remaining = u64::from(limit.requests).saturating_sub(count);
        let code = if count > limit.requests.into() { over } else { ok };
        Status { code, limit: Some(limit), remaining: u32::try_from(remaining).unwrap_or(u32::MAX) }
    };
    let statuses: Vec<Status> = question.descriptors.iter().map(one).collect();
    let code = if statuses.iter().any(|status| status.code == over) { over } else { ok };
    Limited { code, statuses }
}
