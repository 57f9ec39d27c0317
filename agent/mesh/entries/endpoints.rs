//! What stands behind a ServiceEntry: endpoints that it writes itself, hosts to be resolved, and what it selects.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Workload,
    workload::{Ports, ServiceKey},
};
use source::{
    api::service_entry::WorkloadEntrySpec,
    object::{Map, ObjectKey, Pod},
};
use xds::ADDRESS_TYPE;

use super::{external::Facts, read::Entry, service_key};
use crate::mesh::{Mesh, Output, publish};

impl Mesh {
    /// Publishes the endpoints that an entry writes, or the hosts that stand for them.
    pub(in crate::mesh) fn publish_endpoints(&self, key: &ObjectKey, out: &mut Output) {
        let Some(entry) = self.entry_of(key) else { return };
        let waypoint = self.bind_workload(&entry.labels, &key.namespace, "endpoint");
        let described: Vec<&String> = entry.hosts().filter(|host| self.describes(key, host)).collect();
        let mut told = BTreeSet::new();
        for written in entry.endpoints() {
            let uid = self.endpoint_uid(key, &written.address);
            let services = behind(key, entry, &described, &written);
            let facts = Facts { uid: &uid, key, spec: &written, labels: &written.labels, services };
            if let Some(workload) = self.external(facts).filter(|_| !told.contains(&uid)) {
                out.resources.push(publish::workload(&Workload { waypoint: waypoint.clone(), ..workload }));
                told.insert(uid);
            }
        }
    }

    /// Takes back the endpoints that an entry wrote and writes no more.
    pub(super) fn remove_endpoints(&self, key: &ObjectKey, [old, new]: [Option<&Entry>; 2], out: &mut Output) {
        let addresses = |entry: Option<&Entry>| -> BTreeSet<String> {
            entry.into_iter().flat_map(Entry::endpoints).map(|endpoint| endpoint.address).collect()
        };
        for gone in addresses(old).difference(&addresses(new)) {
            out.resources.push(publish::remove(ADDRESS_TYPE, &self.endpoint_uid(key, gone)));
        }
    }

    fn endpoint_uid(&self, key: &ObjectKey, address: &str) -> String {
        let cluster = &self.settings.cluster;
        format!("{cluster}/networking.istio.io/ServiceEntry/{}/{}/{address}", key.namespace, key.name)
    }

    /// Returns the services of entries that select something of a namespace, with its ports; it may have others of its own.
    pub(in crate::mesh) fn selected_by_entries(
        &self,
        namespace: &str,
        labels: &Map,
        own: &BTreeMap<String, u16>,
    ) -> BTreeMap<ServiceKey, Ports> {
        let mut found = BTreeMap::new();
        let Some(space) = self.namespaces.get(namespace) else { return found };
        let candidates = space.selectors.candidates(labels).into_iter();
        let entries = candidates.filter_map(|name| Some((name, space.entries.get(name)?)));
        for (name, entry) in entries.filter(|(_, entry)| entry.selects(labels)) {
            let key = ObjectKey { namespace: namespace.to_owned(), name: name.clone() };
            let ports = entry.ports_on(own);
            let hosts = entry.hosts().filter(|host| self.describes(&key, host));
            found.extend(hosts.map(|host| (service_key(&key, host), ports.clone())));
        }
        found
    }

    /// Publishes what an entry selects, or selected.
    pub(super) fn select(&self, entries: [Option<&Entry>; 2], namespace: &str, out: &mut Output) {
        if entries.iter().flatten().all(|entry| entry.selector().is_none()) {
            return;
        }
        let hit = |labels: &Map| entries.iter().flatten().any(|entry| entry.selects(labels));
        let Some(space) = self.namespaces.get(namespace) else { return };
        let pod = |pod: &&Pod| hit(&pod.labels);
        space.pods.values().filter(pod).for_each(|pod| self.publish_pod(pod, out));
        let external = space.externals.values().filter(|e| hit(&e.labels));
        external.for_each(|external| self.publish_external(external, out));
    }
}

/// Returns the services that an endpoint of an entry is one of, with its ports, of the hosts that the entry describes, in order.
fn behind(
    key: &ObjectKey,
    entry: &Entry,
    described: &[&String],
    endpoint: &WorkloadEntrySpec,
) -> BTreeMap<ServiceKey, Ports> {
    let ports = entry.ports_on(&endpoint.ports);
    // A host that stands for itself is the endpoint of no other one.
    let hosts = if entry.stands_for_itself() {
        described.binary_search(&&endpoint.address).map_or(&[][..], |at| &described[at..=at])
    } else {
        described
    };
    hosts.iter().map(|host| (service_key(key, host), ports.clone())).collect()
}
