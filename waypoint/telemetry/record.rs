//! The record of one request: it gathers what is known, and its end is what is told.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderMap, StatusCode, request::Parts};
use model::l7::{
    authorization::Authorization,
    route::HttpRule,
    telemetry::{BUILT_IN, Effective, Tracing},
};
use runtime::labels::{Labels, Reporter, Sides};
use tracing::info;

use super::{
    context::{Context, Forms},
    export::{Exporters, Sink},
    facts::Facts,
    flight::Flight,
    log,
    messages::Messages,
    metrics::{self, Apart, Counts, LabelSet, Tags},
    span,
};
use crate::{
    inbound::Inbound,
    requests::{REQUEST_ID, Replay},
    upstream::{Busy, Endpoint},
};

/// How many of the requests that nobody decided over are sampled where nothing is said, per cent (as Istio).
const SAMPLING: f64 = 1.0;
/// What a label says whose expression comes to nothing (as Istio).
const UNKNOWN: &str = "unknown";

/// What is told of one request. Dropped, it is told; if it was not complete by then, as one that the client gave up.
pub struct Record {
    inbound: Arc<Inbound>,
    effective: Arc<Effective>,
    begun: Instant,
    // In a box: a record moves with its request from hand to hand.
    facts: Box<Facts>,
    body: Option<Arc<Replay>>,
    messages: Messages,
    busy: Option<Busy>,
    _flight: Flight,
    audits: String,
    mirrored: bool,
    complete: bool,
}

impl Record {
    /// Begins with a request.
    #[must_use]
    pub fn new(inbound: &Arc<Inbound>, parts: &Parts, is_grpc: bool) -> Self {
        let shared = &inbound.shared;
        let service = inbound.target.service();
        let effective = shared.store.l7().telemetry(&shared.config.waypoint, service.map(|s| &s.key));
        let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
        let facts = Box::new(Facts {
            time: SystemTime::now(),
            duration: Duration::ZERO,
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
            rule: None,
            client: inbound.client.address,
            identity: inbound.client.identity.clone(),
            source: inbound.client.workload.clone(),
            asked: inbound.destination,
            destination: None,
            service: service.cloned(),
            address: None,
            received: 0,
            sent: 0,
            // Copied only where somebody may ask for one.
            headers: looks(&effective, &shared.exporters).then(|| parts.headers.clone()),
            answered: None,
            context: context(inbound, &effective.tracing, &parts.headers),
        });
        let (body, busy) = (None, None);
        let (inbound, flight) = (inbound.clone(), shared.flights.begin());
        let messages = Messages::default();
        let (audits, mirrored, complete) = (String::new(), false, false);
        Self {
            inbound,
            effective,
            begun: Instant::now(),
            facts,
            body,
            messages,
            busy,
            _flight: flight,
            audits,
            mirrored,
            complete,
        }
    }

    /// Tells that it is a copy: what it copies has a record of its own, and whom that one asks is not asked by this.
    #[must_use]
    pub fn mirrored(mut self) -> Self {
        self.facts.service = None;
        self.mirrored = true;
        self
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

    /// Tells how it is named in all logs, and writes its trace where the next one reads it.
    pub fn id(&mut self, headers: &mut HeaderMap) {
        self.facts.id = headers.get(&REQUEST_ID).cloned();
        if let Some(context) = self.facts.context.as_ref().filter(|_| !self.effective.tracing.silent) {
            context.write(headers);
        }
    }

    /// Tells which authority was asked.
    pub fn authority(&mut self, authority: &str) {
        authority.clone_into(&mut self.facts.authority);
    }

    /// Tells what to call the path where its own has secrets in it.
    pub fn path(&mut self, path: String) {
        self.facts.path = path;
    }

    /// Tells which rule it follows.
    pub fn rule(&mut self, rule: &Arc<HttpRule>) {
        self.facts.rule = Some(rule.clone());
    }

    /// Tells where its body is.
    pub fn body(&mut self, body: Arc<Replay>) {
        self.body = Some(body);
    }

    /// Tells where it goes.
    pub fn endpoint(&mut self, endpoint: &Endpoint) {
        self.facts.destination.clone_from(&endpoint.workload);
        self.facts.address = Some(endpoint.address);
        if endpoint.service.is_some() {
            self.facts.service.clone_from(&endpoint.service);
        }
    }

    /// Keeps its endpoint busy for as long as it lasts.
    pub fn busy(&mut self, busy: Busy) {
        self.busy = Some(busy);
    }

    /// Tells of the answer's head.
    pub fn answered(&mut self, status: StatusCode, flags: &'static str) {
        self.facts.status = status.as_u16();
        self.flag(flags);
    }

    /// Adds a response flag.
    pub fn flag(&mut self, flags: &'static str) {
        let all = &mut self.facts.flags;
        if flags == "-" || all.split(',').any(|known| known == flags) {
            return;
        }
        if !all.is_empty() {
            all.push(',');
        }
        all.push_str(flags);
    }

    /// Tells why it came so.
    pub fn note(&mut self, reason: &str) {
        self.facts.reason = Some(reason.to_owned());
    }

    /// Tells whether its request is one of gRPC.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        self.facts.is_grpc
    }

    /// Tells whether its client hears of a gRPC status in trailers: over HTTP/1.1 they may be lost (RFC 9110 6.5.1), and what is left
    /// would look whole.
    #[must_use]
    pub fn hears_trailers(&self) -> bool {
        self.facts.is_grpc && self.facts.version == http::Version::HTTP_2
    }

    /// Tells of a gRPC status.
    pub fn grpc(&mut self, status: u32) {
        self.facts.grpc = Some(status);
    }

    /// Reads the answer's headers.
    pub fn headers(&mut self, headers: &HeaderMap) {
        self.trailers(headers);
        if self.facts.headers.is_some() {
            self.facts.answered = Some(headers.clone());
        }
    }

    /// Reads the gRPC status of trailers, or of a head that is all there is.
    pub fn trailers(&mut self, trailers: &HeaderMap) {
        if self.facts.is_grpc
            && let Some(status) = trailers.get("grpc-status").and_then(|v| v.to_str().ok()?.parse().ok())
        {
            self.facts.grpc = Some(status);
        }
    }

    /// Has nothing more of its request sent: nobody waits for the answer.
    pub fn stop(&self) {
        if let Some(body) = &self.body {
            body.stop();
        }
    }

    /// Counts bytes of the answer.
    pub fn count(&mut self, bytes: usize) {
        self.facts.sent += bytes as u64;
    }

    /// Counts a piece of an answer that is passed on.
    pub fn piece(&mut self, piece: &[u8]) {
        self.count(piece.len());
        if self.facts.is_grpc {
            self.messages.add(piece);
        }
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

    fn measure(&self) {
        let (facts, effective) = (&self.facts, &self.effective);
        let mut tags = Tags::default();
        for (metric, changes) in &effective.metrics {
            let value = |e: &model::l7::expression::Expression| {
                e.value(&**facts).map_or_else(|_| UNKNOWN.to_owned(), |value| value.to_string())
            };
            tags.0.extend(changes.tags.iter().map(|(name, tag)| (*metric, name.clone(), tag.as_ref().map(value))));
        }
        let apart = Apart {
            destination: facts.destination.as_ref().map(|w| w.uid.clone()),
            service: facts.service.as_ref().map(|s| s.key.hostname.clone()),
            status: facts.status,
            grpc: facts.grpc,
            flags: facts.told_flags().to_owned(),
            is_grpc: facts.is_grpc,
            effective: effective.clone(),
            tags,
        };
        let metrics = &self.inbound.shared.metrics;
        let make = |apart: &Apart| metrics.series(&self.labels(), effective, &apart.tags, facts.is_grpc);
        let requested = self.body.as_ref().map_or(0, |body| body.messages());
        self.inbound.at_hand.find(apart, make).count(&Counts {
            duration: facts.duration.as_secs_f64() * 1e3,
            received: facts.received,
            sent: facts.sent,
            messages: facts.is_grpc.then(|| (requested, self.messages.count())),
        });
    }

    fn labels(&self) -> LabelSet {
        let facts = &self.facts;
        let identity = facts.destination.as_ref().and_then(|w| w.identity().ok());
        let sides = Sides {
            reporter: Reporter::Waypoint,
            source: facts.source.as_deref(),
            source_identity: Some(&facts.identity),
            destination: facts.destination.as_deref(),
            destination_identity: identity.as_ref(),
            service: facts.service.as_deref(),
        };
        let protocol = if facts.is_grpc { "grpc" } else { "http" };
        metrics::labels(Labels::new(&sides, protocol, facts.told_flags()), facts.status, facts.grpc)
    }

    fn log(&self) {
        let exporters = &self.inbound.shared.exporters;
        for logging in &self.effective.logging {
            if logging.filter.as_ref().is_some_and(|filter| !filter.holds(&*self.facts)) {
                continue;
            }
            match exporters.sink(&logging.provider).as_deref() {
                Some(Sink::Log { format, labels, queue }) => {
                    exporters.entry(&logging.provider, queue, log::entry(&self.facts, format, labels));
                }
                // Not even where the mesh has a provider of this name.
                None if &*logging.provider == BUILT_IN => self.usual(),
                Some(Sink::Spans { .. }) | None => {}
            }
        }
    }

    /// Tells the proxy's own log.
    fn usual(&self) {
        let facts = &self.facts;
        let workload = facts.source.as_ref();
        let duration = format!("{}ms", facts.duration.as_millis());
        let identity = facts.destination.as_ref().and_then(|w| w.identity().ok());
        let audits = Some(&*self.audits).filter(|audits| !audits.is_empty());
        info!(target: "access", {
            src.addr = %facts.client, src.workload = workload.map(|w| &*w.name),
            src.namespace = workload.map(|w| &*w.namespace), src.identity = %facts.identity,
            dst.addr = facts.address.map(tracing::field::display), dst.service = facts.service.as_ref().map(|s| &*s.key.hostname),
            dst.workload = facts.destination.as_ref().map(|w| &*w.name),
            dst.namespace = facts.destination.as_ref().map(|w| &*w.namespace),
            dst.identity = identity.as_ref().map(tracing::field::display),
            request_id = facts.id.as_ref().and_then(|id| id.to_str().ok()),
            trace_id = facts.context.as_ref().map(|context| format!("{:032x}", context.trace)),
            method = %facts.method, path = %facts.path, authority = %facts.authority, protocol = ?facts.version,
            response_code = facts.status, response_flags = facts.told_flags(), grpc_status = facts.grpc, route = facts.route(),
            bytes_sent = facts.sent, bytes_recv = facts.received, duration, reason = facts.reason.as_deref(), audits,
            mirrored = self.mirrored.then_some(true),
        }, "request complete");
    }

    fn trace(&self) {
        let (Some(provider), Some(context)) = (&self.effective.tracing.provider, &self.facts.context) else { return };
        if context.sampled {
            let span = span::of(&self.facts, context, &self.effective.tracing);
            self.inbound.shared.exporters.span(provider, span);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        drop(self.busy.take());
        if !self.complete {
            self.flag("DC");
        }
        self.facts.received = self.body.as_ref().map_or(0, |body| body.bytes());
        self.facts.duration = self.begun.elapsed();
        self.measure();
        self.log();
        self.trace();
    }
}

/// Tells whether something may ask for headers.
fn looks(effective: &Effective, exporters: &Exporters) -> bool {
    // Where the mesh says what a line of the built-in provider says, it may be anything.
    let usual = |logging: &model::l7::telemetry::Logging| {
        &*logging.provider == BUILT_IN && logging.filter.is_none() && !exporters.has(BUILT_IN)
    };
    effective.tracing.provider.is_some()
        || !effective.metrics.is_empty()
        || !effective.logging.iter().all(usual)
        || effective.logging.len() > 1
}

/// Begins our span. Where no span is reported, the headers of a trace stay as they came: a span that nobody hears of would cut
/// the trace in two, and a decision against sampling would keep applications from theirs.
fn context(inbound: &Inbound, tracing: &Tracing, headers: &HeaderMap) -> Option<Context> {
    let provider = tracing.provider.as_ref().filter(|_| !tracing.disabled)?;
    let sink = inbound.shared.exporters.sink(provider)?;
    let Sink::Spans { zipkin, .. } = &*sink else { return None };
    let share = tracing.sampling.unwrap_or(SAMPLING);
    Some(Context::of(headers, Forms::of_new(*zipkin), || rand::random::<f64>() * 100.0 < share))
}
