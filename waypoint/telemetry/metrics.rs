//! Istio's metrics of requests, with the reporter `waypoint`.

use std::{
    borrow::Cow,
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use hbone::telemetry::Metrics as Connections;
use model::{
    l7::telemetry::{Effective, Metric},
    workload::Name,
};
use prometheus_client::{
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        histogram::Histogram,
    },
    registry::Registry,
};
use runtime::labels::Labels;

use crate::config::Measures;

/// How many sets of labels one connection keeps at hand.
const AT_HAND: usize = 16;
/// What the labels of a series say that stands for all beyond the limit.
const OVERFLOW: &str = "overflow";

/// The labels of a series: those of Istio, and what Telemetry objects make of them.
pub type LabelSet = Vec<(Cow<'static, str>, String)>;

/// Makes the labels of a request, before Telemetry objects change them.
#[must_use]
pub fn labels(common: Labels, status: u16, grpc: Option<u32>) -> LabelSet {
    let common = common.into_pairs().into_iter().map(|(name, value)| (Cow::Borrowed(name), value));
    let own = [
        (Cow::Borrowed("response_code"), status.to_string()),
        (Cow::Borrowed("grpc_response_status"), grpc.map(|s| s.to_string()).unwrap_or_default()),
    ];
    common.chain(own).collect()
}

/// What is counted under one set of labels; what Telemetry objects leave out is not there.
#[derive(Clone, Debug, Default)]
pub struct Series {
    requests: Option<Counter>,
    durations: Option<Histogram>,
    received: Option<Histogram>,
    sent: Option<Histogram>,
    requested: Option<Counter>,
    answered: Option<Counter>,
    overflow: Option<Counter>,
}

/// What is counted of one request.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// How long it took, milliseconds.
    pub duration: f64,
    /// Its body, bytes.
    pub received: u64,
    /// The answer's body, bytes.
    pub sent: u64,
    /// The messages of both in gRPC.
    pub messages: Option<(u64, u64)>,
}

impl Series {
    /// Counts a request.
    pub fn count(&self, counts: &Counts) {
        let histogram = |of: &Option<Histogram>, value: f64| of.iter().for_each(|h| h.observe(value));
        for counter in self.requests.iter().chain(&self.overflow) {
            counter.inc();
        }
        histogram(&self.durations, counts.duration);
        histogram(&self.received, counts.received as f64);
        histogram(&self.sent, counts.sent as f64);
        if let Some((requested, answered)) = counts.messages {
            for (counter, count) in [(&self.requested, requested), (&self.answered, answered)] {
                counter.iter().for_each(|c| _ = c.inc_by(count));
            }
        }
    }
}

/// The bounds of a histogram.
#[derive(Clone, Debug)]
struct Bounds(Arc<[f64]>);

impl MetricConstructor<Histogram> for Bounds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

type Histograms = Family<LabelSet, Histogram, Bounds>;
type Counters = Family<LabelSet, Counter>;

/// The metrics of the proxy.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Counters,
    durations: Histograms,
    received: Histograms,
    sent: Histograms,
    requested: Counters,
    answered: Counters,
    overflow: Counter,
    /// The sets of labels that there are: everything else that comes is one series.
    known: Arc<Mutex<HashSet<LabelSet>>>,
    limit: usize,
    /// Names that clients chose, and that were not looked for.
    pub names_refused: Counter,
    /// Those of connections that are passed on.
    pub connections: Connections,
}

impl Metrics {
    /// Makes the metrics and the registry that serves them.
    pub fn new(measures: &Measures) -> (Self, Registry) {
        let (connections, mut registry) = Connections::new("waypoint");
        let (durations, sizes) = (Bounds(measures.durations.clone()), Bounds(measures.sizes.clone()));
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(durations),
            received: Family::new_with_constructor(sizes.clone()),
            sent: Family::new_with_constructor(sizes),
            requested: Family::default(),
            answered: Family::default(),
            overflow: Counter::default(),
            known: Arc::default(),
            limit: measures.series,
            names_refused: Counter::default(),
            connections,
        };
        let overflow = "Requests whose labels were too many: they are counted in one series, with labels overflow";
        registry.register("ambient_metrics_overflow", overflow, metrics.overflow.clone());
        let refused = "New hosts of wildcards that were not looked for: their client had too many looked for at once";
        registry.register("ambient_names_refused", refused, metrics.names_refused.clone());
        let istio = registry.sub_registry_with_prefix("istio");
        istio.register("requests", "Requests", metrics.requests.clone());
        istio.register("request_duration_milliseconds", "How long requests took", metrics.durations.clone());
        istio.register("request_bytes", "Bodies of requests", metrics.received.clone());
        istio.register("response_bytes", "Bodies of answers", metrics.sent.clone());
        istio.register("request_messages", "gRPC messages of clients", metrics.requested.clone());
        istio.register("response_messages", "gRPC messages of servers", metrics.answered.clone());
        (metrics, registry)
    }

    /// Finds what a request is counted under: `tag` gives the values of labels that Telemetry objects set.
    pub fn series(&self, base: &LabelSet, changes: &Effective, tags: &Tags, is_grpc: bool) -> Series {
        let mut series = Series::default();
        let mut overflow = false;
        for metric in Metric::ALL {
            let messages = matches!(metric, Metric::RequestMessages | Metric::ResponseMessages);
            if changes.metrics.get(&metric).is_some_and(|c| c.disabled) || messages && !is_grpc {
                continue;
            }
            let (labels, over) = self.admit(tags.apply(metric, base));
            overflow |= over;
            match metric {
                Metric::RequestCount => series.requests = Some(self.requests.get_or_create_owned(&labels)),
                Metric::RequestDuration => series.durations = Some(self.durations.get_or_create_owned(&labels)),
                Metric::RequestSize => series.received = Some(self.received.get_or_create_owned(&labels)),
                Metric::ResponseSize => series.sent = Some(self.sent.get_or_create_owned(&labels)),
                Metric::RequestMessages => series.requested = Some(self.requested.get_or_create_owned(&labels)),
                Metric::ResponseMessages => series.answered = Some(self.answered.get_or_create_owned(&labels)),
            }
        }
        series.overflow = overflow.then(|| self.overflow.clone());
        series
    }

    /// Lets a set of labels be, or gives the one that stands for all beyond the limit.
    fn admit(&self, labels: LabelSet) -> (LabelSet, bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&labels) {
            return (labels, false);
        }
        if known.len() < self.limit {
            known.insert(labels.clone());
            return (labels, false);
        }
        let value = |name: &str| if name == "reporter" { "waypoint" } else { OVERFLOW }.to_owned();
        // Names alone are not bounded by requests, only by objects.
        (labels.into_iter().map(|(name, _)| (name.clone(), value(&name))).collect(), true)
    }
}

/// The values of labels that Telemetry objects set, for one request: by metric, none for a label that is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(pub Vec<(Metric, Name, Option<String>)>);

impl Tags {
    fn apply(&self, metric: Metric, base: &LabelSet) -> LabelSet {
        let mut labels = base.clone();
        for (_, name, value) in self.0.iter().filter(|(of, ..)| *of == metric) {
            let at = labels.iter().position(|(known, _)| known == &**name);
            match (at, value) {
                (Some(at), Some(value)) => labels[at].1.clone_from(value),
                (Some(at), None) => drop(labels.remove(at)),
                (None, Some(value)) => labels.push((Cow::Owned(name.to_string()), value.clone())),
                (None, None) => {}
            }
        }
        labels
    }
}

/// What sets requests of one client's connection apart in metrics.
#[derive(Clone, Debug)]
pub struct Apart {
    /// The workload.
    pub destination: Option<Name>,
    /// The service.
    pub service: Option<Name>,
    /// The status.
    pub status: u16,
    /// That of gRPC.
    pub grpc: Option<u32>,
    /// The response flags.
    pub flags: String,
    /// Whether it is gRPC.
    pub is_grpc: bool,
    /// What Telemetry objects say.
    pub effective: Arc<Effective>,
    /// What they come to.
    pub tags: Tags,
}

impl PartialEq for Apart {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.effective, &other.effective)
            && (self.status, self.grpc, self.is_grpc) == (other.status, other.grpc, other.is_grpc)
            && (&self.destination, &self.service, &self.flags, &self.tags)
                == (&other.destination, &other.service, &other.flags, &other.tags)
    }
}

/// The series that a client's connection has at hand: the labels are made once for many requests.
#[derive(Debug, Default)]
pub struct AtHand(Mutex<Vec<(Apart, Series)>>);

impl AtHand {
    /// Finds what is counted, or makes it.
    pub fn find(&self, apart: Apart, make: impl FnOnce(&Apart) -> Series) -> Series {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, series)) = known.iter().find(|(known, _)| *known == apart) {
            return series.clone();
        }
        let series = make(&apart);
        if known.len() >= AT_HAND {
            known.remove(0);
        }
        known.push((apart, series.clone()));
        series
    }
}

#[cfg(test)]
mod tests {
    use model::l7::telemetry::Defaults;
    use prometheus_client::encoding::text::encode;

    use super::*;

    fn measures(series: usize) -> Measures {
        Measures { durations: [1.0, 10.0].into(), sizes: [64.0].into(), series }
    }

    fn scraped(registry: &Registry) -> String {
        let mut text = String::new();
        encode(&mut text, registry).expect("encodes");
        text
    }

    const COUNTS: Counts = Counts { duration: 5.0, received: 10, sent: 100, messages: Some((2, 3)) };

    #[test]
    fn telemetry_changes_labels_and_leaves_metrics_out() {
        let object = serde_json::json!({
            "namespace": "a", "name": "b", "created": "", "scope": "mesh",
            "metrics": [{"tags": {"x": "'1'"}}, {"metric": "requestSize", "disabled": true}],
        });
        let effective = Effective::of(&Defaults::default(), &[&serde_json::from_value(object).expect("right")]);
        let tags = Tags(vec![
            (Metric::RequestCount, "x".into(), Some("1".to_owned())),
            (Metric::RequestCount, "reporter".into(), None),
            (Metric::RequestCount, "response_code".into(), Some("5xx".to_owned())),
            (Metric::ResponseSize, "none".into(), None),
        ]);
        let (metrics, registry) = Metrics::new(&measures(10));
        let base: LabelSet =
            [("reporter", "waypoint"), ("response_code", "503")].map(|(n, v)| (n.into(), v.to_owned())).to_vec();
        metrics.series(&base, &effective, &tags, true).count(&COUNTS);
        metrics.series(&base, &effective, &tags, false).count(&COUNTS);
        let text = scraped(&registry);
        let labels = "{reporter=\"waypoint\",response_code=\"503\"}";
        for line in [
            "istio_requests_total{response_code=\"5xx\",x=\"1\"} 2".to_owned(),
            format!("istio_request_messages_total{labels} 2"),
            format!("istio_response_messages_total{labels} 3"),
            format!("istio_request_duration_milliseconds_sum{labels} 10.0"),
            "istio_request_duration_milliseconds_bucket{le=\"10.0\",reporter=\"waypoint\",response_code=\"503\"} 2"
                .to_owned(),
            format!("istio_response_bytes_count{labels} 2"),
            "ambient_metrics_overflow_total 0".to_owned(),
        ] {
            assert!(text.contains(&line), "{line}\n{text}");
        }
        assert!(!text.contains("istio_request_bytes_count"), "{text}");
    }

    #[test]
    fn series_are_bounded() {
        let (metrics, registry) = Metrics::new(&measures(2));
        let effective = Effective::default();
        for code in ["1", "2", "3", "4", "1"] {
            let base: LabelSet =
                [("reporter", "waypoint"), ("response_code", code)].map(|(n, v)| (n.into(), v.to_owned())).to_vec();
            metrics.series(&base, &effective, &Tags::default(), false).count(&COUNTS);
        }
        let text = scraped(&registry);
        for line in [
            "istio_requests_total{reporter=\"waypoint\",response_code=\"1\"} 2",
            "istio_requests_total{reporter=\"waypoint\",response_code=\"2\"} 1",
            "istio_requests_total{reporter=\"waypoint\",response_code=\"overflow\"} 2",
            "ambient_metrics_overflow_total 2",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("response_code=\"3\""));
    }
}
