//! What is told of connections: one access-log line each, and Istio's TCP metrics.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use hbone::copy::Counts;
use model::{Identity, Service, Workload};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use tracing::{error, info};

/// Which side of a connection reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reporter {
    /// The client's.
    Source,
    /// The server's.
    Destination,
}

/// The labels of Istio's TCP metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Labels {
    reporter: String,
    source_workload: String,
    source_canonical_service: String,
    source_canonical_revision: String,
    source_workload_namespace: String,
    source_principal: String,
    source_app: String,
    source_version: String,
    source_cluster: String,
    destination_service: String,
    destination_service_namespace: String,
    destination_service_name: String,
    destination_workload: String,
    destination_canonical_service: String,
    destination_canonical_revision: String,
    destination_workload_namespace: String,
    destination_principal: String,
    destination_app: String,
    destination_version: String,
    destination_cluster: String,
    request_protocol: String,
    response_flags: String,
    connection_security_policy: String,
}

/// The metrics of the proxy.
#[derive(Clone, Default)]
pub struct Metrics {
    opened: Family<Labels, Counter>,
    closed: Family<Labels, Counter>,
    failed: Family<Labels, Counter>,
    received: Family<Labels, Counter>,
    sent: Family<Labels, Counter>,
}

impl Metrics {
    /// Makes the metrics and the registry that serves them.
    pub fn new() -> (Self, Registry) {
        let metrics = Self::default();
        let mut registry = Registry::default();
        // A gauge that is always 1, as Istio's: an OpenMetrics info would be called istio_build_info.
        let build = Family::<[(&str, &str); 2], Gauge>::default();
        build.get_or_create(&[("component", "ztunnel"), ("tag", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.register("istio_build", "The version that runs", build);
        let tcp = registry.sub_registry_with_prefix("istio_tcp");
        tcp.register("connections_opened", "TCP connections opened", metrics.opened.clone());
        tcp.register("connections_closed", "TCP connections closed", metrics.closed.clone());
        tcp.register("connections_failed", "TCP connections that never opened", metrics.failed.clone());
        tcp.register("received_bytes", "Bytes received from clients", metrics.received.clone());
        tcp.register("sent_bytes", "Bytes sent to clients", metrics.sent.clone());
        (metrics, registry)
    }
}

/// Everything that is known of a connection when it opens or fails.
pub struct Facts {
    /// Who reports.
    pub reporter: Reporter,
    /// The client's address.
    pub source_address: SocketAddr,
    /// The client, if known.
    pub source: Option<Arc<Workload>>,
    /// The client's identity, if proven.
    pub source_identity: Option<Identity>,
    /// The server's address.
    pub destination_address: SocketAddr,
    /// Where the tunnel ended, if one was used.
    pub hbone_address: Option<SocketAddr>,
    /// The server, if known.
    pub destination: Option<Arc<Workload>>,
    /// The server's identity, if proven.
    pub destination_identity: Option<Identity>,
    /// The service that was addressed.
    pub service: Option<Arc<Service>>,
    /// When it began.
    pub begun: Instant,
}

impl Facts {
    fn labels(&self, flags: &str) -> Labels {
        let unknown = || "unknown".to_owned();
        let of = |w: &Option<Arc<Workload>>, f: fn(&Workload) -> &str| {
            w.as_deref().map(f).filter(|v| !v.is_empty()).map_or_else(unknown, ToOwned::to_owned)
        };
        let principal = |id: &Option<Identity>| id.as_ref().map_or_else(unknown, ToString::to_string);
        let (source, destination) = (&self.source, &self.destination);
        let service = |f: fn(&Service) -> &str| self.service.as_deref().map(f).map_or_else(unknown, ToOwned::to_owned);
        let secured = self.source_identity.is_some() && self.destination_identity.is_some();
        Labels {
            reporter: if self.reporter == Reporter::Source { "source" } else { "destination" }.to_owned(),
            source_workload: of(source, |w| &w.workload_name),
            source_canonical_service: of(source, |w| &w.canonical_name),
            source_canonical_revision: of(source, |w| &w.canonical_revision),
            source_workload_namespace: of(source, |w| &w.namespace),
            source_principal: principal(&self.source_identity),
            source_app: of(source, |w| &w.canonical_name),
            source_version: of(source, |w| &w.canonical_revision),
            source_cluster: of(source, |w| &w.cluster_id),
            destination_service: service(|s| &s.key.hostname),
            destination_service_namespace: service(|s| &s.key.namespace),
            destination_service_name: service(|s| &s.name),
            destination_workload: of(destination, |w| &w.workload_name),
            destination_canonical_service: of(destination, |w| &w.canonical_name),
            destination_canonical_revision: of(destination, |w| &w.canonical_revision),
            destination_workload_namespace: of(destination, |w| &w.namespace),
            destination_principal: principal(&self.destination_identity),
            destination_app: of(destination, |w| &w.canonical_name),
            destination_version: of(destination, |w| &w.canonical_revision),
            destination_cluster: of(destination, |w| &w.cluster_id),
            request_protocol: "tcp".to_owned(),
            response_flags: flags.to_owned(),
            connection_security_policy: if secured { "mutual_tls" } else { "unknown" }.to_owned(),
        }
    }

    /// Tells of a connection that opened; the guard tells of its end.
    pub fn opened(self, metrics: &Metrics) -> Open {
        let labels = self.labels("-");
        metrics.opened.get_or_create(&labels).inc();
        Open { facts: self, labels, metrics: metrics.clone() }
    }

    /// Tells of a connection that never opened.
    pub fn failed(&self, metrics: &Metrics, flags: &str, reason: &str) {
        metrics.failed.get_or_create(&self.labels(flags)).inc();
        self.log(0, 0, Some(reason));
    }

    fn log(&self, sent: u64, received: u64, failure: Option<&str>) {
        let name = |w: &Option<Arc<Workload>>| w.as_ref().map(|w| w.name.clone());
        let namespace = |w: &Option<Arc<Workload>>| w.as_ref().map(|w| w.namespace.clone());
        let (src_workload, src_namespace) = (name(&self.source), namespace(&self.source));
        let (dst_workload, dst_namespace) = (name(&self.destination), namespace(&self.destination));
        let src_identity = self.source_identity.as_ref().map(tracing::field::display);
        let dst_identity = self.destination_identity.as_ref().map(tracing::field::display);
        let hbone = self.hbone_address.map(tracing::field::display);
        let service = self.service.as_ref().map(|s| s.key.hostname.clone());
        let direction = if self.reporter == Reporter::Source { "outbound" } else { "inbound" };
        let duration = format!("{}ms", self.begun.elapsed().as_millis());
        macro_rules! line {
            ($level:ident, $message:literal $(, $field:ident)?) => {
                $level!(target: "access", {
                    src.addr = %self.source_address, src.workload = src_workload.as_deref(),
                    src.namespace = src_namespace.as_deref(), src.identity = src_identity,
                    dst.addr = %self.destination_address, dst.hbone_addr = hbone, dst.service = service.as_deref(),
                    dst.workload = dst_workload.as_deref(), dst.namespace = dst_namespace.as_deref(),
                    dst.identity = dst_identity, direction, bytes_sent = sent, bytes_recv = received, duration
                    $(, $field)? }, $message)
            };
        }
        match failure {
            None => line!(info, "connection complete"),
            Some(error) => line!(error, "connection complete", error),
        }
    }
}

/// An open connection that is to be told of.
pub struct Open {
    facts: Facts,
    labels: Labels,
    metrics: Metrics,
}

impl Open {
    /// Tells of the end.
    pub fn closed(self, counts: &Counts, failure: Option<&str>) {
        let (sent, received) = (counts.sent.load(Ordering::Relaxed), counts.received.load(Ordering::Relaxed));
        self.metrics.closed.get_or_create(&self.labels).inc();
        // Istio counts from the client's view on both sides: what the client sends is received.
        self.metrics.received.get_or_create(&self.labels).inc_by(sent);
        self.metrics.sent.get_or_create(&self.labels).inc_by(received);
        // The log counts from the view of the side that reports.
        match self.facts.reporter {
            Reporter::Source => self.facts.log(sent, received, failure),
            Reporter::Destination => self.facts.log(received, sent, failure),
        }
    }
}
