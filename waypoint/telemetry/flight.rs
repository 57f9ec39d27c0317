//! The requests that are under way: what autoscalers go by.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::gauge::ConstGauge,
};
use runtime::shards;

/// The name of the gauge; the control plane reads it.
pub const REQUESTS_IN_FLIGHT: &str = "ambient_requests_in_flight";

/// A count that one thread writes most of the time, on a line of the processor's cache of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Count(AtomicI64);

/// Counts requests, each thread for itself: its count, and the number of those who hold it, are on its own line.
#[derive(Clone, Debug)]
pub struct InFlight(Arc<[Arc<Count>]>);

/// One request; dropped, it has ended.
#[derive(Debug)]
pub struct Flight(Arc<Count>);

impl InFlight {
    /// Makes counts for this many threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self((0..threads.max(1)).map(|_| Arc::default()).collect())
    }

    /// Begins a request.
    #[must_use]
    pub fn begin(&self) -> Flight {
        let count = &self.0[shards::current() % self.0.len()];
        count.0.fetch_add(1, Ordering::Relaxed);
        Flight(count.clone())
    }

    /// Returns how many are under way.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.0.iter().map(|count| count.0.load(Ordering::Relaxed)).sum()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // Where it began: a request may end on another thread.
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Collector for InFlight {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let gauge = ConstGauge::new(self.count());
        let told = "Requests under way: begun, and their answers not yet whole";
        gauge.encode(encoder.encode_descriptor(REQUESTS_IN_FLIGHT, told, None, gauge.metric_type())?)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text, registry::Registry};

    use super::*;

    #[test]
    fn what_has_begun_is_under_way_until_it_ends() {
        let flights = InFlight::new(2);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(flights.clone()));
        let page = || {
            let mut page = String::new();
            text::encode(&mut page, &registry).expect("encodes");
            page
        };
        let (first, second) = (flights.begin(), flights.begin());
        assert!(page().contains("\nambient_requests_in_flight 2\n"), "{}", page());
        drop(first);
        std::thread::spawn(move || drop(second)).join().expect("ends");
        assert!(page().contains("\nambient_requests_in_flight 0\n"), "{}", page());
    }
}
