//! What is told of requests: one access-log line each, and Istio's metrics with the reporter `waypoint`.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use hbone::telemetry::Metrics as Connections;
use http::{HeaderMap, StatusCode, Version, request::Parts};
use model::{
    Service, Workload,
    l7::{authorization::Authorization, route::HttpRule},
    workload::Name,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};
use runtime::labels::{Labels, Reporter, Sides};
use tracing::info;

use crate::{
    inbound::Inbound,
    requests::{REQUEST_ID, Replay},
    upstream::{Busy, Endpoint},
};

/// The bounds of durations, milliseconds.
const DURATIONS: [f64; 19] =
    [0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 1.8e6, 3.6e6];
/// The bounds of sizes, bytes.
const SIZES: [f64; 10] = [64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 1.678e7, 2.684e8];
/// How many sets of labels one connection keeps at hand.
const AT_HAND: usize = 16;

/// The labels of Istio's HTTP metrics.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpLabels {
    #[prometheus(flatten)]
    common: Labels,
    response_code: u16,
    grpc_response_status: String,
}

/// What is counted under one set of labels.
#[derive(Clone, Debug)]
struct Series {
    requests: Counter,
    durations: Histogram,
    received: Histogram,
    sent: Histogram,
}

/// The metrics of the proxy.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<HttpLabels, Counter>,
    durations: Family<HttpLabels, Histogram, fn() -> Histogram>,
    received: Family<HttpLabels, Histogram, fn() -> Histogram>,
    sent: Family<HttpLabels, Histogram, fn() -> Histogram>,
    /// Those of connections that are passed on.
    pub connections: Connections,
}

impl Metrics {
    /// Makes the metrics and the registry that serves them.
    pub fn new() -> (Self, Registry) {
        let (connections, mut registry) = Connections::new("waypoint");
        let sizes: fn() -> Histogram = || Histogram::new(SIZES);
        let durations: fn() -> Histogram = || Histogram::new(DURATIONS);
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(durations),
            received: Family::new_with_constructor(sizes),
            sent: Family::new_with_constructor(sizes),
            connections,
        };
        let istio = registry.sub_registry_with_prefix("istio");
        istio.register("requests", "Requests", metrics.requests.clone());
        istio.register("request_duration_milliseconds", "How long requests took", metrics.durations.clone());
        istio.register("request_bytes", "Bodies of requests", metrics.received.clone());
        istio.register("response_bytes", "Bodies of answers", metrics.sent.clone());
        (metrics, registry)
    }

    fn series(&self, labels: &HttpLabels) -> Series {
        Series {
            requests: self.requests.get_or_create_owned(labels),
            durations: self.durations.get_or_create_owned(labels),
            received: self.received.get_or_create_owned(labels),
            sent: self.sent.get_or_create_owned(labels),
        }
    }
}

/// What sets requests of one client's connection apart in metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Apart {
    destination: Option<Name>,
    service: Option<Name>,
    status: u16,
    grpc: Option<u32>,
    flags: String,
    protocol: &'static str,
}

/// The series that a client's connection has at hand: the labels are made once for many requests.
#[derive(Debug, Default)]
pub struct AtHand(Mutex<Vec<(Apart, Series)>>);

impl AtHand {
    fn find(&self, apart: Apart, make: impl FnOnce() -> Series) -> Series {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, series)) = known.iter().find(|(known, _)| *known == apart) {
            return series.clone();
        }
        let series = make();
        if known.len() >= AT_HAND {
            known.remove(0);
        }
        known.push((apart, series.clone()));
        series
    }
}

/// What is told of one request. Dropped, it is told; if it was not complete by then, as one that the client gave up.
pub struct Record {
    inbound: Arc<Inbound>,
    begun: Instant,
    method: http::Method,
    path: String,
    authority: String,
    id: Option<http::HeaderValue>,
    version: Version,
    is_grpc: bool,
    status: u16,
    grpc: Option<u32>,
    flags: String,
    reason: Option<String>,
    audits: String,
    mirrored: bool,
    rule: Option<Arc<HttpRule>>,
    destination: Option<Arc<Workload>>,
    service: Option<Arc<Service>>,
    address: Option<SocketAddr>,
    body: Option<Arc<Replay>>,
    sent: u64,
    busy: Option<Busy>,
    complete: bool,
}

impl Record {
    /// Begins with a request.
    #[must_use]
    pub fn new(inbound: &Arc<Inbound>, parts: &Parts, is_grpc: bool) -> Self {
        let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
        Self {
            inbound: inbound.clone(),
            begun: Instant::now(),
            method: parts.method.clone(),
            path,
            authority: String::new(),
            id: parts.headers.get(&REQUEST_ID).cloned(),
            version: parts.version,
            is_grpc,
            status: 0,
            grpc: None,
            flags: String::new(),
            reason: None,
            audits: String::new(),
            mirrored: false,
            rule: None,
            destination: None,
            service: inbound.target.service().cloned(),
            address: None,
            body: None,
            sent: 0,
            busy: None,
            complete: false,
        }
    }

    /// Tells that it is a copy: what it copies has a record of its own, and whom that one asks is not asked by this.
    #[must_use]
    pub fn mirrored(mut self) -> Self {
        self.service = None;
        self.mirrored = true;
        self
    }

    /// Tells which authority was asked.
    pub fn authority(&mut self, authority: &str) {
        authority.clone_into(&mut self.authority);
    }

    /// Tells what to call the path where its own has secrets in it.
    pub fn path(&mut self, path: String) {
        self.path = path;
    }

    /// Tells which rule it follows.
    pub fn rule(&mut self, rule: &Arc<HttpRule>) {
        self.rule = Some(rule.clone());
    }

    /// Tells where its body is.
    pub fn body(&mut self, body: Arc<Replay>) {
        self.body = Some(body);
    }

    /// Tells where it goes.
    pub fn endpoint(&mut self, endpoint: &Endpoint) {
        self.destination.clone_from(&endpoint.workload);
        self.address = Some(endpoint.address);
        if endpoint.service.is_some() {
            self.service.clone_from(&endpoint.service);
        }
    }

    /// Keeps its endpoint busy for as long as it lasts.
    pub fn busy(&mut self, busy: Busy) {
        self.busy = Some(busy);
    }

    /// Tells of the answer's head.
    pub fn answered(&mut self, status: StatusCode, flags: &'static str) {
        self.status = status.as_u16();
        self.flag(flags);
    }

    /// Adds a response flag.
    pub fn flag(&mut self, flags: &'static str) {
        if flags == "-" || self.flags.split(',').any(|known| known == flags) {
            return;
        }
        if !self.flags.is_empty() {
            self.flags.push(',');
        }
        self.flags.push_str(flags);
    }

    /// Tells why it came so.
    pub fn note(&mut self, reason: &str) {
        self.reason = Some(reason.to_owned());
    }

    /// Tells of a policy that wants it noted.
    pub fn audited(&mut self, policy: &Authorization) {
        if !self.audits.is_empty() {
            self.audits.push(',');
        }
        self.audits.push_str(&policy.key());
        if policy.dry_run {
            self.audits.push_str(" (dry run)");
        }
    }

    /// Tells of a gRPC status.
    pub fn grpc(&mut self, status: u32) {
        self.grpc = Some(status);
    }

    /// Reads the gRPC status of trailers, or of a head that is all there is.
    pub fn trailers(&mut self, trailers: &HeaderMap) {
        if self.is_grpc
            && let Some(status) = trailers.get("grpc-status").and_then(|v| v.to_str().ok()?.parse().ok())
        {
            self.grpc = Some(status);
        }
    }

    /// Counts bytes of the answer.
    pub fn count(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// Tells that the answer is whole.
    pub fn complete(&mut self) {
        self.complete = true;
    }

    /// Tells that the answer broke.
    pub fn failed(&mut self, flags: &'static str, reason: &str) {
        self.flag(flags);
        self.note(reason);
        self.complete = true;
    }

    fn labels(&self, protocol: &str, flags: &str) -> HttpLabels {
        let client = &self.inbound.client;
        let identity = self.destination.as_ref().and_then(|w| w.identity().ok());
        let sides = Sides {
            reporter: Reporter::Waypoint,
            source: client.workload.as_deref(),
            source_identity: Some(&client.identity),
            destination: self.destination.as_deref(),
            destination_identity: identity.as_ref(),
            service: self.service.as_deref(),
        };
        HttpLabels {
            common: Labels::new(&sides, protocol, flags),
            response_code: self.status,
            grpc_response_status: self.grpc.map(|s| s.to_string()).unwrap_or_default(),
        }
    }

    fn log(&self, flags: &str, received: u64) {
        let client = &self.inbound.client;
        let workload = client.workload.as_ref();
        let rule = self.rule.as_ref();
        let route = rule.map(|r| r.origin.rule.clone().unwrap_or_else(|| r.name.clone()));
        let duration = format!("{}ms", self.begun.elapsed().as_millis());
        let identity = self.destination.as_ref().and_then(|w| w.identity().ok());
        let audits = Some(&*self.audits).filter(|audits| !audits.is_empty());
        info!(target: "access", {
            src.addr = %client.address, src.workload = workload.map(|w| &*w.name),
            src.namespace = workload.map(|w| &*w.namespace), src.identity = %client.identity,
            dst.addr = self.address.map(tracing::field::display), dst.service = self.service.as_ref().map(|s| &*s.key.hostname),
            dst.workload = self.destination.as_ref().map(|w| &*w.name),
            dst.namespace = self.destination.as_ref().map(|w| &*w.namespace),
            dst.identity = identity.as_ref().map(tracing::field::display),
            request_id = self.id.as_ref().and_then(|id| id.to_str().ok()),
            method = %self.method, path = %self.path, authority = %self.authority, protocol = ?self.version,
            response_code = self.status, response_flags = flags, grpc_status = self.grpc, route = route.as_deref(),
            bytes_sent = self.sent, bytes_recv = received, duration, reason = self.reason.as_deref(), audits,
            mirrored = self.mirrored.then_some(true),
        }, "request complete");
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        drop(self.busy.take());
        if !self.complete {
            self.flag("DC");
        }
        let received = self.body.as_ref().map_or(0, |body| body.bytes());
        let flags = if self.flags.is_empty() { "-".to_owned() } else { std::mem::take(&mut self.flags) };
        let protocol = if self.is_grpc { "grpc" } else { "http" };
        let apart = Apart {
            destination: self.destination.as_ref().map(|w| w.uid.clone()),
            service: self.service.as_ref().map(|s| s.key.hostname.clone()),
            status: self.status,
            grpc: self.grpc,
            flags: flags.clone(),
            protocol,
        };
        let metrics = &self.inbound.shared.metrics;
        let series = self.inbound.at_hand.find(apart, || metrics.series(&self.labels(protocol, &flags)));
        series.requests.inc();
        series.durations.observe(self.begun.elapsed().as_secs_f64() * 1e3);
        series.received.observe(received as f64);
        series.sent.observe(self.sent as f64);
        self.log(&flags, received);
    }
}
