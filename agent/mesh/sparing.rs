//! Waypoints that are left out for as long as nothing is written that they would do (label `ambient.io/l7: auto`).
//!
//! Only who asks for it is spared, and only where no rule, policy or telemetry concerns the service, its waypoint, the namespace of
//! either, or all waypoints. The proxies of nodes are told no waypoint then; the waypoint is told all the same, and serves whoever
//! comes: so nothing is lost when the first rule appears or the last one goes.

use std::collections::BTreeSet;

use model::{
    l7::GatewayKey,
    workload::{Name, ServiceKey},
};
use serde_json::Value;
use source::{
    labels,
    object::{Map, ObjectKey},
};

use crate::{
    l7::{Reach, Turned, Word},
    mesh::{
        Mesh, Output,
        waypoints::{BoundTo, Labelled},
    },
};

impl Mesh {
    /// Tells whether an object's own label, else that of its namespace, asks for no more than there is to do.
    pub(super) fn is_automatic(&self, object: Labelled<'_>) -> bool {
        let around = self.namespaces.get(object.namespace).map(|s| &s.labels);
        let said = |labels: &Map| labels.get(labels::L7).map(|value| value == "auto");
        said(object.labels).or_else(|| said(around?)).unwrap_or(false)
    }

    /// Leaves the waypoint of a service out if that is asked for and it has nothing to do, and tells waypoints of it.
    pub(super) fn spare(&self, bound: BoundTo, service: &ServiceKey, out: &mut Output) -> BoundTo {
        let standing_by = if bound.spares(service) { bound.binding.waypoints() } else { BTreeSet::new() };
        out.waypoints.sparing.push((service.clone(), standing_by));
        let guarded = bound.spares(service) && self.says(Word::Guard, service, &bound.binding.waypoints());
        self.spared(&bound, service).unwrap_or(BoundTo { guarded, ..bound })
    }

    /// Leaves the waypoint of a service out; none unless that is asked for and it has nothing to do.
    pub(super) fn spared(&self, bound: &BoundTo, service: &ServiceKey) -> Option<BoundTo> {
        if !bound.spares(service) || self.says(Word::Anything, service, &bound.binding.waypoints()) {
            return None;
        }
        let mut spared = BoundTo { waypoint: None, weighted_waypoints: vec![], ..bound.clone() };
        if let Some(Value::String(message)) = spared.condition.as_mut().and_then(|c| c.get_mut("message")) {
            message.push_str("; there is nothing for it to do, so traffic goes direct (label ambient.io/l7)");
        }
        Some(spared)
    }

    /// Tells whether such a word is said about a service, its waypoints, or what is around them.
    fn says(&self, word: Word, service: &ServiceKey, waypoints: &BTreeSet<GatewayKey>) -> bool {
        let said = |reach: Reach| self.ruled.contains(&(reach, word));
        let namespace = |name: &Name| said(Reach::Namespace(name.clone()));
        said(Reach::Mesh)
            || said(Reach::Service(service.clone()))
            || namespace(&service.namespace)
            || waypoints.iter().any(|w| namespace(&w.namespace) || said(Reach::Waypoint(w.clone())))
    }

    /// Takes in what there is something to do about, and no more.
    pub fn turned(&mut self, turned: Turned) -> Output {
        let mut out = Output::default();
        for (reach, there) in &turned {
            if *there {
                self.ruled.insert(reach.clone());
            } else {
                self.ruled.remove(reach);
            }
        }
        let single = turned.iter().map(|((reach, _), _)| match reach {
            Reach::Service(service) => Some(service),
            _ => None,
        });
        if let Some(single) = single.collect::<Option<BTreeSet<&ServiceKey>>>() {
            single.into_iter().for_each(|service| self.look_at(service, &mut out));
        } else {
            self.look_at_all(&mut out);
        }
        out
    }

    fn look_at(&self, service: &ServiceKey, out: &mut Output) {
        if let Some(native) = self.native(&service.hostname).filter(|key| *key.namespace == *service.namespace) {
            let found = self.namespaces.get(&native.namespace).and_then(|s| s.services.get(&native.name));
            let automatic = |s: &&source::object::Service| {
                self.is_automatic(Labelled {
                    namespace: &native.namespace,
                    labels: &s.labels,
                    annotations: &s.annotations,
                })
            };
            found.filter(automatic).into_iter().for_each(|service| self.publish_service(service, out));
            return;
        }
        let Some(key) = self.describer(&service.hostname, &service.namespace) else { return };
        let Some(entry) = self.entry_of(key) else { return };
        let object = Labelled { namespace: &key.namespace, labels: &entry.labels, annotations: &entry.annotations };
        if self.is_automatic(object) {
            self.publish_entry(key, out);
        }
    }

    /// Looks at all who ask for it: what concerns a namespace or a waypoint changes seldom.
    fn look_at_all(&self, out: &mut Output) {
        for (name, space) in &self.namespaces {
            for key in space.services.keys() {
                let key = ObjectKey { namespace: name.clone(), name: key.clone() };
                self.look_at(&self.service_key(&key), out);
            }
            for key in space.entries.keys() {
                let key = ObjectKey { namespace: name.clone(), name: key.clone() };
                let Some(entry) = self.entry_of(&key) else { continue };
                let object = Labelled { namespace: name, labels: &entry.labels, annotations: &entry.annotations };
                if self.is_automatic(object) {
                    self.publish_entry(&key, out);
                }
            }
        }
    }
}

impl BoundTo {
    /// Tells whether the waypoint of a service is left out while it has nothing to do. Only a waypoint knows what a wildcard stands
    /// for.
    fn spares(&self, service: &ServiceKey) -> bool {
        self.automatic && self.waypoint.is_some() && !service.hostname.starts_with('*')
    }
}
