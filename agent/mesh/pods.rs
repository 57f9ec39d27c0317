//! Pods, as workloads.

use std::collections::BTreeMap;

use model::{
    Workload,
    workload::{Health, Locality, NetworkMode, Ports, Protocol, ServiceKey, WorkloadType},
};
use source::{
    Object, labels,
    object::{self, Map, ObjectKey, Pod, Target},
};
use xds::ADDRESS_TYPE;

use crate::mesh::{Mesh, Output, User, publish, services::selects, slices::pods_of};

impl Mesh {
    pub(super) fn pod(&mut self, key: ObjectKey, object: Option<Object>, out: &mut Output) {
        let space = self.namespaces.entry(key.namespace.clone()).or_default();
        let new = match object {
            Some(Object::Pod(pod)) => Some(pod),
            _ => None,
        };
        let old = match &new {
            Some(pod) => space.pods.insert(key.name.clone(), pod.clone()),
            None => space.pods.remove(&key.name),
        };
        self.refer(
            User::Pod(key.clone()),
            [old.as_ref().map(|o| &o.labels), new.as_ref().map(|n| &n.labels)],
            &key.namespace,
        );
        match &new {
            Some(pod) => self.publish_pod(pod, out),
            None => out.resources.push(publish::remove(ADDRESS_TYPE, &self.pod_uid(&key))),
        }
        let concerns = |p: &Pod| (p.labels.clone(), serves(p));
        if old.as_ref().map(concerns) != new.as_ref().map(concerns) {
            self.runs(&key.namespace, [old.as_ref(), new.as_ref()].into_iter().flatten(), out);
        }
    }

    pub(super) fn publish_pod(&self, pod: &Pod, out: &mut Output) {
        out.resources.push(match self.workload(pod) {
            Some(workload) => publish::workload(&workload),
            None => publish::remove(ADDRESS_TYPE, &self.pod_uid(&pod.key)),
        });
    }

    fn workload(&self, pod: &Pod) -> Option<Workload> {
        if pod.ended || pod.addresses.is_empty() {
            return None;
        }
        let space = self.namespaces.get(&pod.key.namespace)?;
        let native = pod.labels.get(labels::TUNNEL).is_some_and(|v| v == "http");
        let captured = pod.annotations.get(labels::REDIRECTION).is_some_and(|v| v == "enabled");
        let mut services: BTreeMap<ServiceKey, Ports> = BTreeMap::new();
        for service in space.services.values() {
            let named = || {
                space.slices.values().any(|s| s.service == service.key.name && pods_of(s).any(|n| n == pod.key.name))
            };
            if selects(&service.selector, pod) || (service.selector.is_empty() && named()) {
                services.insert(self.service_key(&service.key), ports(service, pod));
            }
        }
        services.extend(self.selected_by_entries(&pod.key.namespace, &pod.labels, &BTreeMap::new()));
        let workload_name = owner(pod);
        let label = |names: &[&str]| names.iter().find_map(|n| pod.labels.get(*n)).map(String::as_str);
        let canonical =
            label(&["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]).unwrap_or(&workload_name);
        let revision =
            label(&["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"]).unwrap_or("latest");
        let domain = &self.settings.trust_domain;
        Some(Workload {
            uid: self.pod_uid(&pod.key).into(),
            name: (*pod.key.name).into(),
            namespace: (*pod.key.namespace).into(),
            addresses: pod.addresses.clone(),
            network: self.network(),
            protocol: if native || captured { Protocol::Hbone } else { Protocol::Tcp },
            trust_domain: if domain == model::identity::DEFAULT_TRUST_DOMAIN { "".into() } else { (**domain).into() },
            service_account: (*pod.service_account).into(),
            waypoint: self.bind_workload(&pod.labels, &pod.key.namespace, "pod"),
            node: (*pod.node).into(),
            canonical_name: canonical.into(),
            canonical_revision: revision.into(),
            workload_type: WorkloadType::Pod,
            workload_name: workload_name.as_str().into(),
            native_tunnel: native,
            authorization_policies: self.policies_of(&pod.key.namespace, &pod.labels),
            status: if serves(pod) { Health::Healthy } else { Health::Unhealthy },
            cluster_id: (*self.settings.cluster).into(),
            services,
            locality: self.locality(&pod.node),
            network_mode: if pod.host_network { NetworkMode::HostNetwork } else { NetworkMode::Standard },
            capacity: 1,
            ..Workload::default()
        })
    }

    fn locality(&self, node: &str) -> Locality {
        let Some(labels) = self.nodes.get(node) else { return Locality::default() };
        let of = |label: &str| labels.get(label).map(|v| (**v).into()).unwrap_or_default();
        Locality { region: of(labels::REGION), zone: of(labels::ZONE), subzone: of(labels::SUBZONE) }
    }

    pub(super) fn node(&mut self, key: &ObjectKey, object: Option<Object>, out: &mut Output) {
        let new = match object {
            Some(Object::Node(node)) => node.labels,
            _ => Map::new(),
        };
        let old = self.nodes.insert(key.name.clone(), new.clone()).unwrap_or_default();
        let same = [labels::REGION, labels::ZONE, labels::SUBZONE].iter().all(|l| old.get(*l) == new.get(*l));
        if !same {
            let pods = self.namespaces.values().flat_map(|n| n.pods.values()).filter(|p| p.node == key.name);
            pods.for_each(|pod| self.publish_pod(pod, out));
        }
    }
}

/// Tells whether a pod takes traffic.
pub(super) fn serves(pod: &Pod) -> bool {
    pod.ready && !pod.deleting && !pod.ended
}

/// Resolves the ports of a service on a pod; a name that the pod does not have is left out.
fn ports(service: &object::Service, pod: &Pod) -> Ports {
    let resolve = |target: &Target| match target {
        Target::Number(number) => Some(*number),
        Target::Name(name) => pod.ports.get(name).copied(),
    };
    service.ports.iter().filter_map(|p| Some((p.port, resolve(&p.target)?))).collect()
}

/// Returns the name of what a pod belongs to: the Deployment behind a ReplicaSet, the CronJob behind a Job.
fn owner(pod: &Pod) -> String {
    match &pod.owner {
        Some((kind, name)) if kind == "ReplicaSet" => {
            let hash = pod.labels.get("pod-template-hash");
            let deployment = hash.and_then(|h| name.strip_suffix(h.as_str())).and_then(|n| n.strip_suffix('-'));
            deployment.unwrap_or(name).to_owned()
        }
        Some((_, name)) => name.clone(),
        None => pod.key.name.clone(),
    }
}
