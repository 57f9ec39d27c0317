//! Telemetry by what it is about, and what it comes to for each service that was asked for.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use imbl::OrdMap;

use super::attached::{Attached, Targeted};
use crate::{
    l7::{
        GatewayKey, Target, Telemetry,
        telemetry::{Defaults, Effective, Scope},
    },
    workload::{Name, ServiceKey},
};

impl Targeted for Telemetry {
    fn targets(&self) -> &[Target] {
        match &self.scope {
            Scope::Targets(targets) => targets,
            Scope::Mesh | Scope::Namespace => &[],
        }
    }
}

type Merged = HashMap<(GatewayKey, Option<ServiceKey>), Arc<Effective>>;

/// All telemetry. Copies share what was merged, until one of them changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    defaults: Defaults,
    mesh: OrdMap<Name, Arc<Telemetry>>,
    namespaces: OrdMap<Name, Arc<Telemetry>>,
    attached: Attached<Telemetry>,
    merged: Arc<RwLock<Merged>>,
}

impl Observed {
    /// Takes in what counts where no object says anything.
    pub(super) fn default_to(&mut self, defaults: Defaults) {
        if self.defaults != defaults {
            self.merged = Arc::default();
            self.defaults = defaults;
        }
    }

    pub(super) fn insert(&mut self, key: &Name, object: &Arc<Telemetry>) {
        self.merged = Arc::default();
        match &object.scope {
            Scope::Mesh => drop(self.mesh.insert(key.clone(), object.clone())),
            Scope::Namespace => drop(self.namespaces.insert(key.clone(), object.clone())),
            Scope::Targets(_) => self.attached.insert(key, object),
        }
    }

    pub(super) fn remove(&mut self, key: &str, object: &Telemetry) {
        self.merged = Arc::default();
        match &object.scope {
            Scope::Mesh => drop(self.mesh.remove(key)),
            Scope::Namespace => drop(self.namespaces.remove(key)),
            Scope::Targets(_) => self.attached.remove(key, object),
        }
    }

    pub(super) fn to(&self, waypoint: &GatewayKey, service: Option<&ServiceKey>) -> Arc<Effective> {
        let name = (waypoint.clone(), service.cloned());
        if let Some(known) = self.merged.read().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return known.clone();
        }
        let made = Arc::new(self.merge(waypoint, service));
        self.merged.write().unwrap_or_else(PoisonError::into_inner).insert(name, made.clone());
        made
    }

    fn merge(&self, waypoint: &GatewayKey, service: Option<&ServiceKey>) -> Effective {
        let own = |namespace: &Name| {
            oldest(self.namespaces.values().filter(|object| object.namespace == *namespace).map(|object| &**object))
        };
        let elsewhere = service.map(|s| &s.namespace).filter(|namespace| **namespace != waypoint.namespace);
        let with = |is: &dyn Fn(&Target) -> bool| {
            let all = self.attached.to(waypoint, service).map(|object| &**object);
            oldest(all.filter(|object| object.targets().iter().any(is)))
        };
        let mut all = vec![oldest(self.mesh.values().map(|object| &**object)), own(&waypoint.namespace)];
        all.push(elsewhere.and_then(own));
        all.push(with(&|target| *target == Target::AnyWaypoint));
        all.push(with(&|target| matches!(target, Target::Waypoint(key) if key == waypoint)));
        all.push(with(&|target| matches!(target, Target::Service(key) if Some(key) == service)));
        let mut found: Vec<&Telemetry> = Vec::new();
        for object in all.into_iter().flatten() {
            // One with several targets counts where it is narrowest.
            found.retain(|known| !std::ptr::eq(*known, object));
            found.push(object);
        }
        Effective::of(&self.defaults, &found)
    }
}

/// Returns the one of several that counts in one place.
fn oldest<'t>(objects: impl Iterator<Item = &'t Telemetry>) -> Option<&'t Telemetry> {
    objects.min_by_key(|object| (&object.created, &object.namespace, &object.name))
}
