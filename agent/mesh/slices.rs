//! Endpoints that are no pods, or that a service without a selector names.

use std::collections::{BTreeMap, HashSet};

use model::{
    Workload,
    workload::{Health, NetworkMode},
};
use source::{
    Object,
    object::{self, EndpointSlice, ObjectKey},
};
use xds::ADDRESS_TYPE;

use crate::mesh::{Mesh, Output, publish};

impl Mesh {
    pub(super) fn slice(&mut self, key: ObjectKey, object: Option<Object>, out: &mut Output) {
        let space = self.namespaces.entry(key.namespace.clone()).or_default();
        let old = match object {
            Some(Object::EndpointSlice(slice)) => space.slices.insert(key.name.clone(), slice),
            _ => space.slices.remove(&key.name),
        };
        let space = &self.namespaces[&key.namespace];
        let new = space.slices.get(&key.name);
        // Slices of a service with a selector say what the selector says already.
        let own = |s: &&EndpointSlice| space.services.get(&s.service).is_none_or(|s| s.selector.is_empty());
        let named: HashSet<&str> = [old.as_ref(), new].into_iter().flatten().filter(own).flat_map(pods_of).collect();
        named.iter().filter_map(|name| space.pods.get(*name)).for_each(|pod| self.publish_pod(pod, out));
        self.publish_slice(&key, out);
    }

    /// Publishes the endpoints of a slice that are no pods, for a service without selector.
    pub(super) fn publish_slice(&mut self, key: &ObjectKey, out: &mut Output) {
        let mut now = HashSet::new();
        let space = self.namespaces.get(&key.namespace);
        let slice = space.and_then(|s| s.slices.get(&key.name));
        let service = slice.and_then(|slice| space?.services.get(&slice.service)).filter(|s| s.selector.is_empty());
        if let (Some(slice), Some(service)) = (slice, service) {
            for endpoint in slice.endpoints.iter().filter(|e| e.pod.is_none()) {
                let Some(address) = endpoint.address else { continue };
                let uid = format!(
                    "{}/discovery.k8s.io/EndpointSlice/{}/{}/{address}",
                    self.settings.cluster, key.namespace, key.name
                );
                let target =
                    |p: &object::ServicePort| slice.ports.iter().find(|(n, _)| *n == p.name).map(|(_, t)| (p.port, *t));
                let workload = Workload {
                    uid: (*uid).into(),
                    name: (*slice.service).into(),
                    namespace: (*key.namespace).into(),
                    addresses: vec![address],
                    network: self.network(),
                    service_account: "default".into(),
                    status: if endpoint.ready { Health::Healthy } else { Health::Unhealthy },
                    cluster_id: (*self.settings.cluster).into(),
                    services: BTreeMap::from([(
                        self.service_key(&service.key),
                        service.ports.iter().filter_map(target).collect(),
                    )]),
                    // The address may be a node's or another service's: it names no workload.
                    network_mode: NetworkMode::HostNetwork,
                    capacity: 1,
                    ..Workload::default()
                };
                out.resources.push(publish::workload(&workload));
                now.insert(uid);
            }
        }
        let before =
            if now.is_empty() { self.endpoints.remove(key) } else { self.endpoints.insert(key.clone(), now.clone()) };
        let gone = before.unwrap_or_default();
        out.resources.extend(gone.difference(&now).map(|uid| publish::remove(ADDRESS_TYPE, uid)));
    }
}

/// Returns the names of the pods that a slice names.
pub(super) fn pods_of(slice: &EndpointSlice) -> impl Iterator<Item = &str> {
    slice.endpoints.iter().filter_map(|e| e.pod.as_deref())
}
