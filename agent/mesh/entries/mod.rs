//! ServiceEntries: services that Kubernetes does not know, one for each of their hosts.
//!
//! Several may describe one host. In a namespace the Service of Kubernetes of that name counts, else the oldest entry; of several
//! namespaces the same order says whose is canonical.

mod addresses;
mod claims;
mod endpoints;
mod external;
mod read;
mod selectors;

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Service,
    service::{IpFamilies, LoadBalancer, LoadBalancerMode},
    workload::ServiceKey,
};
use serde_json::{Value, json};
use source::{Kind, Object, labels, object::ObjectKey};
use xds::ADDRESS_TYPE;

pub(super) use self::{addresses::Allotment, claims::Claims, external::External, read::Entry, selectors::Selectors};
use self::{claims::First, read::ports};
use crate::{
    l7::{Binding, Subject},
    mesh::{
        Mesh, Output, User, publish,
        waypoints::{BOUND, BoundTo, Labelled, WRITER},
    },
    status::Wanted,
};

/// The condition of an entry that is nothing without a waypoint.
const MISSING: &str = "istio.io/WaypointMissing";

impl Mesh {
    /// Takes in a ServiceEntry.
    pub(super) fn entry(&mut self, key: &ObjectKey, object: Option<Object>, out: &mut Output) {
        let new = match object {
            Some(Object::Custom(_, entry)) => Some(Entry::read(entry)),
            _ => None,
        };
        let space = self.namespaces.entry(key.namespace.clone()).or_default();
        let old = match new.clone() {
            Some(entry) => space.entries.insert(key.name.clone(), entry),
            None => space.entries.remove(&key.name),
        };
        let (old, new) = (old.as_ref(), new.as_ref());
        space.selectors.set(&key.name, new.and_then(Entry::selector));
        self.refer(User::Entry(key.clone()), [old, new].map(|e| e.map(|e| &e.labels)), &key.namespace);
        let hosts: BTreeSet<&String> = [old, new].into_iter().flatten().flat_map(Entry::hosts).collect();
        let before: BTreeMap<&String, First> =
            hosts.into_iter().map(|host| (host, self.first(host, &key.namespace))).collect();
        self.claim(key, old, new);
        self.allot(key);
        let mut others = BTreeSet::new();
        for (host, before) in before {
            let now = self.first(host, &key.namespace);
            if before.own != now.own {
                others.extend([before.own.clone(), now.own.clone()].into_iter().flatten());
            }
            self.publish_host(host, &self.concerned(host, &key.namespace, [&before, &now]), out);
        }
        self.publish_endpoints(key, out);
        self.tell_entry(key, out);
        self.remove_endpoints(key, [old, new], out);
        if !old.zip(new).is_some_and(|(old, new)| old.selects_as(new)) {
            self.select([old, new], &key.namespace, out);
        }
        // Those that describe a host since, or no more.
        others.remove(key);
        others.iter().for_each(|other| self.publish_behind(other, out));
    }

    /// Returns the namespaces whose service of a host is another now: that of the change, and those that are canonical since or were.
    fn concerned<'a>(&'a self, host: &str, namespace: &'a str, [old, new]: [&'a First; 2]) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::from([namespace]);
        match (&old.public, &new.public) {
            (old, new) if old == new => {}
            (Some(old), Some(new)) => found.extend([&*old.namespace, &*new.namespace]),
            // Where nobody's is everybody's, each is canonical for those who see it.
            _ => found.extend(self.namespaces_of(host)),
        }
        found
    }

    fn namespaces_of(&self, host: &str) -> impl Iterator<Item = &str> {
        self.hosts.get(host).into_iter().flat_map(Claims::namespaces).map(String::as_str)
    }

    /// Publishes the services of a host in some namespaces anew.
    fn publish_host(&self, host: &str, namespaces: &BTreeSet<&str>, out: &mut Output) {
        for namespace in namespaces {
            let is_native = self.native(host).is_some_and(|service| service.namespace == *namespace);
            match self.describer(host, namespace).and_then(|first| self.service_of(first, host, out)) {
                None if is_native => {}
                Some(service) => out.resources.push(publish::service(&service)),
                None => {
                    let key = ServiceKey { namespace: (*namespace).into(), hostname: host.into() };
                    out.resources.push(publish::remove(ADDRESS_TYPE, &key.to_string()));
                    out.waypoints.sparing.push((key, BTreeSet::new()));
                }
            }
        }
    }

    /// Looks again at a host since Kubernetes has a Service of its name, in a namespace, or has it no more.
    pub(super) fn publish_named(&self, host: &str, namespace: &str, out: &mut Output) {
        let mut namespaces: BTreeSet<&str> = self.namespaces_of(host).collect();
        namespaces.insert(namespace);
        self.publish_host(host, &namespaces, out);
        let first = self.hosts.get(host).and_then(|claims| claims.first_in(namespace));
        first.into_iter().for_each(|first| self.publish_behind(first, out));
    }

    /// Publishes what stands behind an entry anew.
    fn publish_behind(&self, key: &ObjectKey, out: &mut Output) {
        self.publish_endpoints(key, out);
        self.select([self.entry_of(key), None], &key.namespace, out);
    }

    /// Publishes the services of an entry anew, and tells of its waypoint.
    pub(super) fn publish_entry(&self, key: &ObjectKey, out: &mut Output) {
        let Some(entry) = self.entry_of(key) else { return };
        for host in entry.hosts().filter(|host| self.describes(key, host)) {
            let service = self.service_of(key, host, out);
            out.resources.extend(service.as_ref().map(publish::service));
        }
        self.publish_endpoints(key, out);
        self.tell_entry(key, out);
    }

    /// Tells what became of an entry.
    fn tell_entry(&self, key: &ObjectKey, out: &mut Output) {
        let Some(entry) = self.entry_of(key) else {
            return out.waypoints.bindings.push((Subject::Entry(key.clone()), Binding::default()));
        };
        let mut bound = self.bind_entry(key, entry);
        out.waypoints.bindings.push((Subject::Entry(key.clone()), bound.binding.clone()));
        // Spared is an entry of whose hosts all are.
        let hosts = entry.hosts().map(|host| service_key(key, host));
        let spared: Option<Vec<BoundTo>> = hosts.map(|host| self.spared(&bound, &host)).collect();
        if let Some(spared) = spared.and_then(|all| all.into_iter().next()) {
            bound.condition = spared.condition;
        }
        out.statuses.push(self.entry_status(key, entry, &bound));
    }

    /// Publishes those again that wrote an address which became one of Kubernetes, or is none any more.
    pub(super) fn publish_writers(&self, address: std::net::IpAddr, out: &mut Output) {
        self.written.get(&address).into_iter().flatten().for_each(|entry| self.publish_entry(entry, out));
    }

    pub(super) fn entry_of(&self, key: &ObjectKey) -> Option<&Entry> {
        self.namespaces.get(&key.namespace)?.entries.get(&key.name)
    }

    /// Returns the service of Kubernetes that a host is the name of.
    pub(super) fn native(&self, host: &str) -> Option<ObjectKey> {
        let name = host.strip_suffix(&*self.settings.domain)?.strip_suffix(".svc.")?;
        let (name, namespace) = name.split_once('.')?;
        self.namespaces.get(namespace)?.services.get(name).map(|service| service.key.clone())
    }

    fn bind_entry(&self, key: &ObjectKey, entry: &Entry) -> BoundTo {
        self.bind_object(Labelled { namespace: &key.namespace, labels: &entry.labels, annotations: &entry.annotations })
    }

    /// Makes the service of a host of an entry; none if nobody is to see it.
    fn service_of(&self, key: &ObjectKey, host: &str, out: &mut Output) -> Option<Service> {
        let entry = self.entry_of(key)?;
        let spec = entry.spec.as_ref()?;
        let visibility = entry.visibility(&key.namespace)?;
        let name = service_key(key, host);
        let bound = self.bind_entry(key, entry);
        let bound = self.spare(bound, &name, out);
        let (vips, cidr_vips) = self.addresses_of(key, entry, host);
        // Others take an address of Kubernetes for the service that has it.
        let borrowed = vips.iter().any(|vip| self.vips.contains_key(&vip.address));
        let passes = entry.passes();
        let ingress = entry.labels.get(labels::INGRESS_USE_WAYPOINT);
        let around = self.namespaces.get(&key.namespace).map(|s| &s.labels);
        let ingress = ingress.or_else(|| around.and_then(|l| l.get(labels::INGRESS_USE_WAYPOINT)));
        Some(Service {
            name: (*key.name).into(),
            canonical: !borrowed && self.native(host).is_none() && self.is_first(key, host),
            key: name,
            vips,
            cidr_vips,
            ports: ports(spec),
            subject_alt_names: spec.subject_alt_names.iter().map(|name| (**name).into()).collect(),
            ingress_use_waypoint: bound.waypoint.is_some() && ingress.is_some_and(|value| value == "true"),
            waypoint: bound.waypoint,
            weighted_waypoints: bound.weighted_waypoints,
            load_balancer: LoadBalancer {
                mode: if passes { LoadBalancerMode::Passthrough } else { LoadBalancerMode::Standard },
                routing_preferences: vec![],
                allow_unhealthy: passes,
            },
            ip_families: IpFamilies::Automatic,
            guarded: bound.guarded,
            visibility,
        })
    }

    fn entry_status(&self, key: &ObjectKey, entry: &Entry, bound: &BoundTo) -> Wanted {
        let mut conditions = others(&entry.status, &[BOUND, MISSING]);
        conditions.extend(bound.condition.iter().cloned());
        if entry.hosts().any(|host| host.starts_with('*')) && bound.waypoint.is_none() {
            let message =
                "hosts with a wildcard are served by waypoints alone: name one by label istio.io/use-waypoint";
            conditions.push(json!({
                "type": MISSING, "status": "True", "reason": "NoWaypointForWildcardService", "message": message,
            }));
        }
        let mut status = json!({ "conditions": conditions });
        if let Some(allotted) = self.allotted_to(key) {
            status["addresses"] = allotted;
        }
        Wanted {
            kind: Kind::ServiceEntry,
            key: key.clone(),
            served: entry.served,
            version: entry.version.clone(),
            writer: WRITER,
            status,
            owns: &[BOUND, MISSING],
            observed: entry.status.clone(),
        }
    }
}

fn service_key(key: &ObjectKey, host: &str) -> ServiceKey {
    ServiceKey { namespace: (*key.namespace).into(), hostname: host.into() }
}

/// Returns the conditions of others: to the API server all conditions of an object of Istio are one.
fn others(status: &Value, own: &[&str]) -> Vec<Value> {
    let all = status["conditions"].as_array().into_iter().flatten();
    all.filter(|c| !own.iter().any(|own| c["type"] == *own)).cloned().collect()
}
