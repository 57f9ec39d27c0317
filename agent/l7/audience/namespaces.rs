//! The waypoints that have to do with a namespace: those in it, and those of its services.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{l7::GatewayKey, workload::Name};

/// How often each waypoint has to do with each namespace: once if it is there, and once for each service.
#[derive(Default)]
pub(super) struct Namespaces(HashMap<Name, BTreeMap<GatewayKey, usize>>);

impl Namespaces {
    /// Takes in that a waypoint has to do with a namespace once more; tells whether it had not before.
    pub(super) fn add(&mut self, namespace: &Name, waypoint: &GatewayKey) -> bool {
        let count = self.0.entry(namespace.clone()).or_default().entry(waypoint.clone()).or_default();
        *count += 1;
        *count == 1
    }

    /// Takes in that it has so once less; tells whether that was the last.
    pub(super) fn take(&mut self, namespace: &Name, waypoint: &GatewayKey) -> bool {
        let Some(waypoints) = self.0.get_mut(namespace) else { return false };
        let Some(count) = waypoints.get_mut(waypoint) else { return false };
        *count -= 1;
        let last = *count == 0;
        if last {
            waypoints.remove(waypoint);
        }
        if waypoints.is_empty() {
            self.0.remove(namespace);
        }
        last
    }

    /// Returns the waypoints of a namespace.
    pub(super) fn of(&self, namespace: &Name) -> BTreeSet<GatewayKey> {
        self.0.get(namespace).into_iter().flat_map(BTreeMap::keys).cloned().collect()
    }
}
