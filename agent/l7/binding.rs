//! Which waypoints a service uses. The mesh decides it, as it tells proxies of it too; here it is only looked up.

use std::collections::BTreeSet;

use model::l7::GatewayKey;
use source::object::ObjectKey;

/// What uses waypoints: an object that describes services.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A service of Kubernetes.
    Service(ObjectKey),
    /// A ServiceEntry.
    Entry(ObjectKey),
}

/// Why traffic does not go through the waypoint that a label names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// As a word of the API.
    pub reason: &'static str,
    /// As a sentence, with what to do.
    pub message: String,
}

/// The waypoints of a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// The one that takes its traffic, or will when it is ready: it is told before the first connection comes.
    pub waypoint: Option<ObjectKey>,
    /// One that takes a part of it.
    pub canary: Option<ObjectKey>,
    /// Why none takes it now, although a label names one.
    pub refusal: Option<Refusal>,
}

impl Binding {
    /// Returns those that take traffic, now or later.
    #[must_use]
    pub fn waypoints(&self) -> BTreeSet<GatewayKey> {
        self.waypoint.iter().chain(&self.canary).map(gateway).collect()
    }
}

/// Names a gateway.
#[must_use]
pub fn gateway(key: &ObjectKey) -> GatewayKey {
    GatewayKey { namespace: (*key.namespace).into(), name: (*key.name).into() }
}
