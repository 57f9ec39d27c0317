//! WorkloadEntries, and what they have in common with endpoints of ServiceEntries: workloads that are no pods.

use std::{collections::BTreeMap, net::IpAddr};

use model::{
    Workload,
    workload::{Health, Ports, Protocol, ServiceKey, WorkloadType},
};
use serde_json::{Value, json};
use source::{
    Kind, Object,
    api::service_entry::WorkloadEntrySpec,
    labels,
    object::{Map, ObjectKey},
};
use xds::ADDRESS_TYPE;

use super::{others, read::locality};
use crate::{
    mesh::{
        Mesh, Output, User, publish,
        services::matches,
        waypoints::{BOUND, WRITER},
    },
    status::Wanted,
};

/// A WorkloadEntry.
#[derive(Clone, Debug)]
pub(in crate::mesh) struct External {
    /// Namespace and name.
    pub(in crate::mesh) key: ObjectKey,
    /// Its labels: those of the object, and over them those that it writes for the workload.
    pub(in crate::mesh) labels: Map,
    own: Map,
    spec: Option<WorkloadEntrySpec>,
    version: String,
    served: &'static str,
    status: Value,
}

/// What is known of a workload that is no pod.
pub(super) struct Facts<'a> {
    /// Its unique name.
    pub(super) uid: &'a str,
    /// The object that describes it.
    pub(super) key: &'a ObjectKey,
    /// What it says.
    pub(super) spec: &'a WorkloadEntrySpec,
    /// Its labels.
    pub(super) labels: &'a Map,
    /// What it is an endpoint of.
    pub(super) services: BTreeMap<ServiceKey, Ports>,
}

impl Mesh {
    /// Takes in a WorkloadEntry.
    pub(in crate::mesh) fn workload_entry(&mut self, key: &ObjectKey, object: Option<Object>, out: &mut Output) {
        let new = match object {
            Some(Object::Custom(_, custom)) => {
                let spec = source::api::read::<WorkloadEntrySpec>(&custom.spec).spec;
                let mut labels = custom.labels.clone();
                labels.extend(spec.iter().flat_map(|s| s.labels.clone()));
                let (key, own, version) = (custom.key, custom.labels, custom.version);
                Some(External { key, labels, own, spec, version, served: custom.served, status: custom.status })
            }
            _ => None,
        };
        let space = self.namespaces.entry(key.namespace.clone()).or_default();
        let old = match new.clone() {
            Some(new) => space.externals.insert(key.name.clone(), new),
            None => space.externals.remove(&key.name),
        };
        let labels = [old.as_ref(), new.as_ref()].map(|e| e.map(|e| &e.own));
        self.refer(User::External(key.clone()), labels, &key.namespace);
        match &new {
            Some(new) => self.publish_external(new, out),
            None => out.resources.push(publish::remove(ADDRESS_TYPE, &self.external_uid(key))),
        }
    }

    fn external_uid(&self, key: &ObjectKey) -> String {
        format!("{}/networking.istio.io/WorkloadEntry/{}/{}", self.settings.cluster, key.namespace, key.name)
    }

    pub(in crate::mesh) fn publish_external(&self, entry: &External, out: &mut Output) {
        let (key, uid) = (&entry.key, self.external_uid(&entry.key));
        let namespace = &key.namespace;
        let mut conditions = others(&entry.status, &[BOUND]);
        conditions.extend(self.workload_condition(&entry.own, namespace));
        out.statuses.push(Wanted {
            kind: Kind::WorkloadEntry,
            key: key.clone(),
            served: entry.served,
            version: entry.version.clone(),
            writer: WRITER,
            status: json!({ "conditions": conditions }),
            owns: &[BOUND],
            observed: entry.status.clone(),
        });
        let workload = entry.spec.as_ref().and_then(|spec| {
            let services = self.services_of(entry, spec);
            self.external(Facts { uid: &uid, key, spec, labels: &entry.labels, services })
        });
        out.resources.push(match workload {
            Some(workload) => {
                let waypoint = self.bind_workload(&entry.own, namespace, "workload");
                publish::workload(&Workload { waypoint, ..workload })
            }
            None => publish::remove(ADDRESS_TYPE, &uid),
        });
    }

    /// Returns the services that select a WorkloadEntry, with its ports.
    fn services_of(&self, entry: &External, spec: &WorkloadEntrySpec) -> BTreeMap<ServiceKey, Ports> {
        let namespace = &entry.key.namespace;
        let mut found = self.selected_by_entries(namespace, &entry.labels, &spec.ports);
        let services = self.namespaces.get(namespace).into_iter().flat_map(|s| s.services.values());
        for service in services.filter(|s| matches(&s.selector, &entry.labels)) {
            let port = |p: &source::object::ServicePort| {
                let target = match &p.target {
                    // A number may be written for the port's name, too.
                    source::object::Target::Number(number) => spec.ports.get(&p.name).copied().or(Some(*number)),
                    source::object::Target::Name(name) => spec.ports.get(name).copied(),
                };
                Some((p.port, target?))
            };
            found.insert(self.service_key(&service.key), service.ports.iter().filter_map(port).collect());
        }
        found
    }

    /// Makes a workload of what is written; none if it has no address that a proxy could reach.
    pub(super) fn external(&self, facts: Facts<'_>) -> Option<Workload> {
        let Facts { uid, key, spec, labels, services } = facts;
        let (addresses, hostname) = match spec.address.parse::<IpAddr>() {
            Ok(address) => (vec![address], ""),
            Err(_) if is_host(&spec.address) => (vec![], &*spec.address),
            Err(_) => return None,
        };
        let tunnel = labels.get(labels::TUNNEL).is_some_and(|value| value == "http");
        let label = |names: &[&str]| names.iter().find_map(|n| labels.get(*n)).map(String::as_str);
        let canonical = label(&["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]);
        let revision = label(&["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"]);
        let domain = &self.settings.trust_domain;
        let network = if spec.network.is_empty() { self.network() } else { (*spec.network).into() };
        let account = if spec.service_account.is_empty() { "default" } else { &spec.service_account };
        Some(Workload {
            uid: uid.into(),
            name: (*key.name).into(),
            namespace: (*key.namespace).into(),
            addresses,
            hostname: hostname.to_ascii_lowercase().into(),
            network,
            protocol: if tunnel { Protocol::Hbone } else { Protocol::Tcp },
            native_tunnel: tunnel,
            trust_domain: if domain == model::identity::DEFAULT_TRUST_DOMAIN { "".into() } else { (**domain).into() },
            service_account: account.into(),
            canonical_name: canonical.unwrap_or(&key.name).into(),
            canonical_revision: revision.unwrap_or("latest").into(),
            workload_type: WorkloadType::Pod,
            workload_name: (*key.name).into(),
            authorization_policies: self.policies_of(&key.namespace, labels),
            status: Health::Healthy,
            cluster_id: (*self.settings.cluster).into(),
            services,
            locality: locality(&spec.locality),
            capacity: spec.weight.filter(|weight| *weight > 0).unwrap_or(1),
            ..Workload::default()
        })
    }
}

/// Tells whether a text is the name of a host (RFC 1123 2.1), and neither empty nor the path of a socket.
fn is_host(text: &str) -> bool {
    let label =
        |l: &str| (1..=63).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    text.len() <= 253 && text.trim_end_matches('.').split('.').all(label)
}
