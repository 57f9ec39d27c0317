//! What is told of connections: one access-log line each, and Istio's TCP metrics.

use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use model::{Identity, Service, Workload};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::Gauge,
    },
    registry::Registry,
};
pub use runtime::labels::Reporter;
use runtime::labels::{Labels, Sides};
use tracing::{error, info};

use crate::copy::Counts;

/// What is counted under one set of labels.
#[derive(Debug, Default)]
struct Series {
    opened: AtomicU64,
    closed: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    /// The connections that are open: what went through them since it was last added up.
    meters: Mutex<HashMap<usize, Arc<Meter>>>,
}

/// One open connection's share in its series.
#[derive(Debug)]
struct Meter {
    counts: Arc<Counts>,
    /// How much of it the series has already.
    told: Counts,
}

impl Meter {
    /// Its address: no other that is alive has it.
    fn id(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }

    fn settle(&self, series: &Series) {
        // Istio counts from the client's view on both sides: what the client sends is received.
        for (now, told, total) in [
            (&self.counts.sent, &self.told.sent, &series.received),
            (&self.counts.received, &self.told.received, &series.sent),
        ] {
            let now = now.load(Ordering::Relaxed);
            // The largest wins, so that the end of a connection and a scrape may meet here.
            let before = told.fetch_max(now, Ordering::Relaxed);
            total.fetch_add(now.saturating_sub(before), Ordering::Relaxed);
        }
    }
}

/// The metrics of the proxy. Copies share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    series: Arc<RwLock<HashMap<Labels, Arc<Series>>>>,
    failed: Family<Labels, Counter>,
}

impl Metrics {
    /// Makes the metrics of a component, and the registry that serves them.
    #[must_use]
    pub fn new(component: &'static str) -> (Self, Registry) {
        let metrics = Self::default();
        let mut registry = Registry::default();
        // A gauge that is always 1, as Istio's: an OpenMetrics info would be called istio_build_info.
        let build = Family::<[(&str, &str); 2], Gauge>::default();
        build.get_or_create(&[("component", component), ("tag", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.register("istio_build", "The version that runs", build);
        let tcp = registry.sub_registry_with_prefix("istio_tcp");
        tcp.register("connections_failed", "TCP connections that never opened", metrics.failed.clone());
        tcp.register_collector(Box::new(metrics.clone()));
        (metrics, registry)
    }

    /// Finds the series of these labels: once for a connection, for twenty texts are hashed.
    fn series(&self, labels: Labels) -> Arc<Series> {
        let known = self.series.read().unwrap_or_else(PoisonError::into_inner).get(&labels).cloned();
        known.unwrap_or_else(|| {
            self.series.write().unwrap_or_else(PoisonError::into_inner).entry(labels).or_default().clone()
        })
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all = self.series.read().unwrap_or_else(PoisonError::into_inner).clone();
        for series in all.values() {
            let meters = series.meters.lock().unwrap_or_else(PoisonError::into_inner);
            meters.values().for_each(|meter| meter.settle(series));
        }
        let mut family = |name, help, value: fn(&Series) -> &AtomicU64| -> fmt::Result {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            all.iter().try_for_each(|(labels, series)| {
                ConstCounter::new(value(series).load(Ordering::Relaxed)).encode(family.encode_family(labels)?)
            })
        };
        family("connections_opened", "TCP connections opened", |s| &s.opened)?;
        family("connections_closed", "TCP connections closed", |s| &s.closed)?;
        family("received_bytes", "Bytes received from clients", |s| &s.received)?;
        family("sent_bytes", "Bytes sent to clients", |s| &s.sent)
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
        let sides = Sides {
            reporter: self.reporter,
            source: self.source.as_deref(),
            source_identity: self.source_identity.as_ref(),
            destination: self.destination.as_deref(),
            destination_identity: self.destination_identity.as_ref(),
            service: self.service.as_deref(),
        };
        Labels::new(&sides, "tcp", flags)
    }

    /// Tells of a connection that opened; the guard tells of its end.
    pub fn opened(self, metrics: &Metrics, counts: Arc<Counts>) -> Open {
        let series = metrics.series(self.labels("-"));
        series.opened.fetch_add(1, Ordering::Relaxed);
        let meter = Arc::new(Meter { counts, told: Counts::default() });
        series.meters.lock().unwrap_or_else(PoisonError::into_inner).insert(meter.id(), meter.clone());
        Open { facts: self, series, meter, failure: Some("the proxy ended it".to_owned()) }
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

/// An open connection that is to be told of. Dropped, it is told of as one that the proxy itself ended.
pub struct Open {
    facts: Facts,
    series: Arc<Series>,
    meter: Arc<Meter>,
    failure: Option<String>,
}

impl Open {
    /// Tells of the end.
    pub fn closed(mut self, failure: Option<String>) {
        self.failure = failure;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.meter.settle(&self.series);
        self.series.meters.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.meter.id());
        self.series.closed.fetch_add(1, Ordering::Relaxed);
        let Counts { sent, received } = &*self.meter.counts;
        let (sent, received) = (sent.load(Ordering::Relaxed), received.load(Ordering::Relaxed));
        // The log counts from the view of the side that reports.
        let (sent, received) = match self.facts.reporter {
            Reporter::Source => (sent, received),
            Reporter::Destination | Reporter::Waypoint => (received, sent),
        };
        self.facts.log(sent, received, self.failure.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;

    use super::*;

    fn facts() -> Facts {
        Facts {
            reporter: Reporter::Source,
            source_address: "10.0.0.1:40000".parse().expect("valid"),
            source: None,
            source_identity: None,
            destination_address: "10.0.0.2:80".parse().expect("valid"),
            hbone_address: None,
            destination: None,
            destination_identity: None,
            service: None,
            begun: Instant::now(),
        }
    }

    #[test]
    fn bytes_are_told_while_a_connection_is_open_and_no_byte_twice() {
        let (metrics, registry) = Metrics::new("test");
        let told = |name: &str| {
            let mut out = String::new();
            text::encode(&mut out, &registry).expect("encodes");
            let line = out.lines().find(|l| l.starts_with(&format!("istio_tcp_{name}_total{{"))).map(str::to_owned);
            line.and_then(|l| l.rsplit_once(' ')?.1.parse::<u64>().ok())
        };
        let counts = Arc::new(Counts::default());
        let open = facts().opened(&metrics, counts.clone());
        counts.sent.fetch_add(5, Ordering::Relaxed);
        assert_eq!((told("received_bytes"), told("sent_bytes")), (Some(5), Some(0)));
        counts.sent.fetch_add(2, Ordering::Relaxed);
        counts.received.fetch_add(1, Ordering::Relaxed);
        open.closed(None);
        assert_eq!((told("received_bytes"), told("sent_bytes")), (Some(7), Some(1)));
        drop(facts().opened(&metrics, Arc::default()));
        assert_eq!((told("connections_opened"), told("connections_closed")), (Some(2), Some(2)));
    }
}
