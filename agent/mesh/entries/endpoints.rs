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

use super::{external::Facts, read::Entry};
use crate::mesh::{Mesh, Output, publish};

impl Mesh {
    /// Publishes the endpoints that an entry writes, or the hosts that stand for them.
    pub(in crate::mesh) fn publish_endpoints(&self, key: &ObjectKey, out: &mut Output) {
        let Some(entry) = self.entry_of(key) else { return };
        let waypoint = self.bind_workload(&entry.labels, &key.namespace, "endpoint");
        let mut told = BTreeSet::new();
        for written in entry.endpoints() {
            let uid = self.endpoint_uid(key, &written.address);
            let services = self.services_behind(key, entry, &written);
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

    /// Returns the services that an endpoint of an entry is one of, with its ports.
    fn services_behind(
        &self,
        key: &ObjectKey,
        entry: &Entry,
        endpoint: &WorkloadEntrySpec,
    ) -> BTreeMap<ServiceKey, Ports> {
        let stands_for_itself = entry.stands_for_itself();
        let hosts = entry.hosts().filter(|host| self.describes(key, host));
        let hosts = hosts.filter(|host| !stands_for_itself || **host == endpoint.address);
        let service = |host: &String| ServiceKey { namespace: (*key.namespace).into(), hostname: (**host).into() };
        hosts.map(|host| (service(host), entry.ports_on(&endpoint.ports))).collect()
    }

    /// Returns the services of entries that select something of a namespace, with its ports; it may have others of its own.
    pub(in crate::mesh) fn selected_by_entries(
        &self,
        namespace: &str,
        labels: &Map,
        own: &BTreeMap<String, u16>,
    ) -> BTreeMap<ServiceKey, Ports> {
        let entries = self.namespaces.get(namespace).into_iter().flat_map(|s| &s.entries);
        let mut found = BTreeMap::new();
        for (name, entry) in entries.filter(|(_, entry)| entry.selects(labels)) {
            let key = ObjectKey { namespace: namespace.to_owned(), name: name.clone() };
            for host in entry.hosts().filter(|host| self.describes(&key, host)) {
                let service = ServiceKey { namespace: namespace.into(), hostname: (**host).into() };
                found.insert(service, entry.ports_on(own));
            }
        }
        found
    }

    /// Publishes what an entry selects, or selected.
    pub(super) fn select(&self, entries: [Option<&Entry>; 2], namespace: &str, out: &mut Output) {
        let hit = |labels: &Map| entries.iter().flatten().any(|entry| entry.selects(labels));
        let Some(space) = self.namespaces.get(namespace) else { return };
        let pod = |pod: &&Pod| hit(&pod.labels);
        space.pods.values().filter(pod).for_each(|pod| self.publish_pod(pod, out));
        let external = space.externals.values().filter(|e| hit(&e.labels));
        external.for_each(|external| self.publish_external(external, out));
    }
}
