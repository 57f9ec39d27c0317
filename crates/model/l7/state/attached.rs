//! Policies by what they are attached to.

use std::sync::Arc;

use imbl::{HashMap, OrdMap};

use super::drop_from;
use crate::{
    l7::{Authentication, Authorization, GatewayKey, RateLimit, Target},
    workload::{Name, ServiceKey},
};

/// Something that is attached to targets.
pub(super) trait Targeted {
    /// Returns the targets.
    fn targets(&self) -> &[Target];
}

impl Targeted for Authorization {
    fn targets(&self) -> &[Target] {
        &self.targets
    }
}

impl Targeted for Authentication {
    fn targets(&self) -> &[Target] {
        &self.targets
    }
}

impl Targeted for RateLimit {
    fn targets(&self) -> &[Target] {
        &self.targets
    }
}

type Policies<P> = OrdMap<Name, Arc<P>>;

/// Policies of one kind, under each of their targets.
#[derive(Clone, Debug)]
pub(super) struct Attached<P> {
    waypoints: HashMap<GatewayKey, Policies<P>>,
    any: Policies<P>,
    services: HashMap<ServiceKey, Policies<P>>,
}

impl<P> Default for Attached<P> {
    fn default() -> Self {
        Self { waypoints: HashMap::new(), any: OrdMap::new(), services: HashMap::new() }
    }
}

impl<P: Targeted> Attached<P> {
    pub(super) fn insert(&mut self, key: &Name, policy: &Arc<P>) {
        for target in policy.targets() {
            let policies = match target {
                Target::Waypoint(waypoint) => self.waypoints.entry(waypoint.clone()).or_default(),
                Target::AnyWaypoint => &mut self.any,
                Target::Service(service) => self.services.entry(service.clone()).or_default(),
            };
            policies.insert(key.clone(), policy.clone());
        }
    }

    pub(super) fn remove(&mut self, key: &str, policy: &P) {
        let take = |policies: &mut Policies<P>| {
            policies.remove(key);
            policies.is_empty()
        };
        for target in policy.targets() {
            match target {
                Target::Waypoint(waypoint) => drop_from(&mut self.waypoints, waypoint, take),
                Target::AnyWaypoint => {
                    take(&mut self.any);
                }
                Target::Service(service) => drop_from(&mut self.services, service, take),
            }
        }
    }

    /// Returns those attached to a waypoint, to any, or to a service. What is attached to several of these is returned once.
    pub(super) fn to(&self, waypoint: &GatewayKey, service: Option<&ServiceKey>) -> impl Iterator<Item = &Arc<P>> {
        let own = self.waypoints.get(waypoint);
        let of_service = service.and_then(|service| self.services.get(service));
        let met = move |key: &Name| own.is_some_and(|own| own.contains_key(key));
        let any = self.any.iter().filter(move |(key, _)| !met(key));
        let of_service = of_service.into_iter().flat_map(OrdMap::iter);
        let of_service = of_service.filter(move |(key, _)| !met(key) && !self.any.contains_key(*key));
        own.into_iter().flat_map(OrdMap::iter).chain(any).chain(of_service).map(|(_, policy)| policy)
    }
}
