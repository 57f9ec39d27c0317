//! Many requests in one run: an array of JSON on standard input, one result for each of its parts.

use std::{
    collections::BTreeMap,
    io::Read,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header::HOST, uri::Scheme};
use http_body_util::{BodyExt, Full};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{task::JoinSet, time::timeout};

use super::{ClientError, Report, http::Sender, json_or_text, millis};
use crate::wire::Target;

/// How much of the last answer's body is kept for the report.
const BODY: usize = 4 << 20;
/// An answer that took at least this long is counted as slow.
const SLOW: Duration = Duration::from_millis(150);
/// How many kinds of failures, servers, statuses are told apart.
const KINDS: usize = 100;

/// One part of the batch: a request, and how often.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Part {
    /// HOST:PORT to connect to.
    to: String,
    method: String,
    /// The path with its query.
    path: String,
    /// A `host` replaces that of the address; a value with `{n}` has the request's number there.
    headers: Vec<(String, String)>,
    body: String,
    http2: bool,
    /// A new connection for each request.
    fresh: bool,
    times: u64,
    /// As long as this instead of so many times.
    seconds: f64,
    /// How many do it beside each other; each has its share of `times`.
    parallel: u64,
    /// How long to wait after each.
    pause_ms: u64,
    /// How long one request may take.
    limit_ms: u64,
}

impl Default for Part {
    fn default() -> Self {
        Self {
            to: String::new(),
            method: "GET".to_owned(),
            path: "/".to_owned(),
            headers: Vec::new(),
            body: String::new(),
            http2: false,
            fresh: false,
            times: 1,
            seconds: 0.0,
            parallel: 1,
            pause_ms: 0,
            limit_ms: 10_000,
        }
    }
}

/// What came of a part; heads and bodies are those of the last answer.
#[derive(Default, Serialize)]
struct Outcome {
    total: u64,
    failed: u64,
    statuses: BTreeMap<String, u64>,
    /// By name, of `x-echo-name`.
    servers: BTreeMap<String, u64>,
    /// By machine, of `x-echo-host`.
    hosts: BTreeMap<String, u64>,
    grpc: BTreeMap<String, u64>,
    errors: BTreeMap<String, u64>,
    example: Option<String>,
    slow: u64,
    ms: f64,
    slowest_ms: f64,
    /// When, after the start, a request first and last failed or was answered with 5xx.
    first_failure_ms: Option<f64>,
    last_failure_ms: Option<f64>,
    version: String,
    headers: BTreeMap<String, String>,
    trailers: BTreeMap<String, String>,
    body: Value,
    body_bytes: usize,
}

/// What one answer was.
struct Answer {
    status: u16,
    version: http::Version,
    headers: HeaderMap,
    trailers: HeaderMap,
    body: Bytes,
}

/// Reads the batch and does its parts one after the other; succeeds if all of them could be asked.
pub async fn run(report: &mut Report) -> Result<bool, ClientError> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|e| ClientError::Io("reading the batch", e))?;
    let parts: Vec<Part> = serde_json::from_str(&text).map_err(|e| ClientError::Usage(e.to_string()))?;
    let mut results = Vec::new();
    for part in parts {
        results.push(whole(part).await?);
    }
    report.set("results", results);
    Ok(true)
}

async fn whole(part: Part) -> Result<Outcome, ClientError> {
    let target: Target = part.to.parse().map_err(ClientError::Usage)?;
    let (outcome, started) = (Arc::new(Mutex::new(Outcome::default())), Instant::now());
    let part = Arc::new(part);
    let mut workers = JoinSet::new();
    for worker in 0..part.parallel.max(1) {
        workers.spawn(work(part.clone(), target.clone(), worker, started, outcome.clone()));
    }
    while let Some(ended) = workers.join_next().await {
        ended.map_err(|e| ClientError::Unexpected(e.to_string()))??;
    }
    let outcome = std::mem::take(&mut *outcome.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(outcome)
}

async fn work(
    part: Arc<Part>,
    target: Target,
    worker: u64,
    started: Instant,
    outcome: Arc<Mutex<Outcome>>,
) -> Result<(), ClientError> {
    let workers = part.parallel.max(1);
    let share = part.times / workers + u64::from(worker < part.times % workers);
    let end = (part.seconds > 0.0).then(|| started + Duration::from_secs_f64(part.seconds));
    let mut sender = None;
    let mut done = 0;
    while end.map_or(done < share, |end| Instant::now() < end) {
        let begun = Instant::now();
        let request = request(&part, done * workers + worker)?;
        let asked = ask(&part, &target, &mut sender, request);
        let limit = Duration::from_millis(part.limit_ms);
        let answer = timeout(limit, asked).await.unwrap_or(Err(ClientError::Timeout(limit)));
        if answer.is_err() || part.fresh {
            sender = None;
        }
        note(&mut outcome.lock().unwrap_or_else(PoisonError::into_inner), answer, begun, started);
        done += 1;
        if part.pause_ms > 0 {
            tokio::time::sleep(Duration::from_millis(part.pause_ms)).await;
        }
    }
    Ok(())
}

async fn ask(
    part: &Part,
    target: &Target,
    sender: &mut Option<Sender>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, ClientError> {
    // A server may end a connection between two requests, and says so.
    if let Some(open) = sender
        && !open.is_open().await
    {
        *sender = None;
    }
    let is_used = sender.is_some();
    let answer = match connected(part, target, sender).await?.send(request.clone()).await {
        // The server ended the connection meanwhile, and the request never left: every client sends it again (RFC 9113 6.8).
        Err(ClientError::Http(_, error)) if is_used && error.is_canceled() => {
            *sender = None;
            connected(part, target, sender).await?.send(request).await?
        }
        answer => answer?,
    };
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(|e| ClientError::Http("the answer's body", e))?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    Ok(Answer {
        status: head.status.as_u16(),
        version: head.version,
        headers: head.headers,
        trailers,
        body: body.to_bytes(),
    })
}

/// Returns the connection that is open, or a new one.
async fn connected<'s>(
    part: &Part,
    target: &Target,
    sender: &'s mut Option<Sender>,
) -> Result<&'s mut Sender, ClientError> {
    match sender {
        Some(open) => Ok(open),
        None => Ok(sender.insert(Sender::open(target, part.http2, &mut Report::default()).await?)),
    }
}

fn note(outcome: &mut Outcome, answer: Result<Answer, ClientError>, begun: Instant, started: Instant) {
    fn count(all: &mut BTreeMap<String, u64>, key: &str) {
        if all.len() < KINDS || all.contains_key(key) {
            *all.entry(key.to_owned()).or_default() += 1;
        }
    }
    let took = begun.elapsed();
    outcome.total += 1;
    outcome.slow += u64::from(took >= SLOW);
    outcome.ms = millis(took);
    outcome.slowest_ms = outcome.slowest_ms.max(outcome.ms);
    if answer.as_ref().map_or(true, |answer| answer.status >= 500) {
        outcome.failed += 1;
        let now = millis(started.elapsed());
        outcome.first_failure_ms.get_or_insert(now);
        outcome.last_failure_ms = Some(now);
    }
    match answer {
        Ok(answer) => {
            let text = |name: &str| {
                let value = answer.headers.get(name).or_else(|| answer.trailers.get(name));
                value.map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
            };
            count(&mut outcome.statuses, &answer.status.to_string());
            for (all, name) in [
                (&mut outcome.servers, "x-echo-name"),
                (&mut outcome.hosts, "x-echo-host"),
                (&mut outcome.grpc, "grpc-status"),
            ] {
                if let Some(value) = text(name) {
                    count(all, &value);
                }
            }
            outcome.version = format!("{:?}", answer.version);
            outcome.headers = joined(&answer.headers);
            outcome.trailers = joined(&answer.trailers);
            outcome.body_bytes = answer.body.len();
            outcome.body = json_or_text(&String::from_utf8_lossy(&answer.body[..answer.body.len().min(BODY)]));
        }
        Err(error) => {
            count(&mut outcome.errors, error.how());
            outcome.example.get_or_insert(error.chain());
        }
    }
}

fn joined(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        all.entry(name.to_string()).and_modify(|all| *all += &format!(", {value}")).or_insert(value.into());
    }
    all
}

/// HTTP/1.1 sends the path and a Host header, HTTP/2 the whole URI.
fn request(part: &Part, number: u64) -> Result<Request<Full<Bytes>>, ClientError> {
    let usage = |e: http::Error| ClientError::Usage(e.to_string());
    let own = part.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")).map(|(_, host)| host);
    let authority = own.unwrap_or(&part.to);
    let mut request = Request::builder().method(&*part.method);
    request = if part.http2 {
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(&**authority).path_and_query(&*part.path).build();
        request.uri(uri.map_err(usage)?)
    } else {
        request.uri(&*part.path).header(HOST, authority.trim_end_matches(":80"))
    };
    for (name, value) in part.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
        let wrong = |what: &str| ClientError::Usage(format!("{name}: {value:?} is no header: {what}"));
        let name: HeaderName = name.parse().map_err(|_| wrong("its name"))?;
        let value =
            HeaderValue::from_str(&value.replace("{n}", &number.to_string())).map_err(|_| wrong("its value"))?;
        request = request.header(name, value);
    }
    request.body(Full::from(part.body.clone())).map_err(usage)
}
