//! Services of Kubernetes.

use std::collections::{BTreeSet, HashSet};

use model::{
    Service,
    service::{IpFamilies, LoadBalancer, LoadBalancerMode, Scope, TargetPort, Visibility},
    workload::NetworkAddress,
};
use serde_json::json;
use source::{
    Kind, Object, labels,
    object::{self, Map, ObjectKey, Pod, ServicePort, Target},
};
use xds::ADDRESS_TYPE;

use crate::{
    l7::{Binding, Subject},
    mesh::{
        Mesh, Output, User, publish,
        slices::pods_of,
        waypoints::{BOUND, BoundTo, Labelled, WRITER},
    },
    status::Wanted,
};

impl Mesh {
    pub(super) fn service(&mut self, key: ObjectKey, object: Option<Object>, out: &mut Output) {
        let space = self.namespaces.entry(key.namespace.clone()).or_default();
        let new = match object {
            Some(Object::Service(service)) if !service.external_name => Some(service),
            _ => None,
        };
        let old = match &new {
            Some(service) => space.services.insert(key.name.clone(), service.clone()),
            None => space.services.remove(&key.name),
        };
        self.refer(
            User::Service(key.clone()),
            [old.as_ref().map(|o| &o.labels), new.as_ref().map(|n| &n.labels)],
            &key.namespace,
        );
        match &new {
            Some(service) => self.publish_service(service, out),
            None => {
                out.resources.push(publish::remove(ADDRESS_TYPE, &self.service_key(&key).to_string()));
                out.waypoints.bindings.push((Subject::Service(key.clone()), Binding::default()));
                out.waypoints.sparing.push((self.service_key(&key), BTreeSet::new()));
            }
        }
        // What does not change which pods are endpoints, and by which ports, does not touch them.
        let concerns = |s: &object::Service| (s.selector.clone(), s.ports.clone());
        if old.as_ref().map(concerns) != new.as_ref().map(concerns) {
            let space = &self.namespaces[&key.namespace];
            let by_slice: HashSet<&str> =
                space.slices.values().filter(|s| s.service == key.name).flat_map(pods_of).collect();
            let hit = |p: &&Pod| {
                [&old, &new].into_iter().flatten().any(|s| selects(&s.selector, p)) || by_slice.contains(&*p.key.name)
            };
            space.pods.values().filter(hit).for_each(|pod| self.publish_pod(pod, out));
            let hit = |labels: &Map| [&old, &new].into_iter().flatten().any(|s| matches(&s.selector, labels));
            let externals = space.externals.values().filter(|e| hit(&e.labels));
            externals.for_each(|external| self.publish_external(external, out));
            let slices: Vec<ObjectKey> =
                space.slices.values().filter(|s| s.service == key.name).map(|s| s.key.clone()).collect();
            for slice in slices {
                self.publish_slice(&slice, out);
            }
        }
        let concerns = |s: &object::Service| (s.selector.clone(), s.addresses.clone());
        if old.as_ref().map(concerns) != new.as_ref().map(concerns) {
            self.served_by(&key, out);
        }
        self.stands_before_entries(&key, [old.as_ref(), new.as_ref()], out);
    }

    /// Looks again at ServiceEntries that say something of the same name or of the same addresses.
    fn stands_before_entries(&mut self, key: &ObjectKey, [old, new]: [Option<&object::Service>; 2], out: &mut Output) {
        if old.is_some() != new.is_some() {
            let host = self.service_key(key).hostname;
            if self.hosts.contains_key(&*host) {
                self.publish_named(&host, &key.namespace, out);
            }
        }
        let addresses = |s: Option<&object::Service>| s.map(|s| s.addresses.clone()).unwrap_or_default();
        let (old, new) = (addresses(old), addresses(new));
        for gone in old.iter().filter(|a| !new.contains(a)) {
            if self.vips.get(gone) == Some(key) {
                self.vips.remove(gone);
            }
            self.publish_writers(*gone, out);
        }
        for address in new.iter().filter(|a| !old.contains(a)) {
            self.vips.insert(*address, key.clone());
            self.publish_writers(*address, out);
        }
    }

    pub(super) fn publish_service(&self, service: &object::Service, out: &mut Output) {
        let space = self.namespaces.get(&service.key.namespace);
        let distribution = service
            .traffic_distribution
            .as_ref()
            .or_else(|| service.annotations.get(labels::TRAFFIC_DISTRIBUTION))
            .or_else(|| space.and_then(|s| s.annotations.get(labels::TRAFFIC_DISTRIBUTION)));
        let near = [Scope::Network, Scope::Region, Scope::Zone];
        let (mode, scopes) = match distribution.map(String::as_str) {
            _ if service.local_only => (LoadBalancerMode::Strict, vec![Scope::Node]),
            Some("PreferClose" | "PreferSameZone") => (LoadBalancerMode::Failover, near.to_vec()),
            Some("PreferSameNode") => {
                (LoadBalancerMode::Failover, [&near[..], &[Scope::Subzone, Scope::Node]].concat())
            }
            _ => (LoadBalancerMode::Standard, vec![]),
        };
        let port = |p: &ServicePort| {
            let target_port = match &p.target {
                Target::Number(number) => *number,
                Target::Name(_) => 0,
            };
            (p.port, TargetPort { target_port, app_protocol: app_protocol(p) })
        };
        let has = |family: &str| service.families.iter().any(|f| f == family);
        let bound = self.bind_object(Labelled {
            namespace: &service.key.namespace,
            labels: &service.labels,
            annotations: &service.annotations,
        });
        out.waypoints.bindings.push((Subject::Service(service.key.clone()), bound.binding.clone()));
        let bound = self.spare(bound, &self.service_key(&service.key), out);
        let BoundTo { waypoint, weighted_waypoints, condition, guarded, .. } = bound;
        out.statuses.push(Wanted {
            kind: Kind::Service,
            key: service.key.clone(),
            served: "",
            version: service.version.clone(),
            writer: WRITER,
            status: json!({ "conditions": condition.into_iter().collect::<Vec<_>>() }),
            owns: &[BOUND],
            observed: service.status.clone(),
        });
        let ingress = service.labels.get(labels::INGRESS_USE_WAYPOINT);
        let ingress = ingress.or_else(|| space.and_then(|s| s.labels.get(labels::INGRESS_USE_WAYPOINT)));
        let resource = Service {
            name: (*service.key.name).into(),
            vips: service.addresses.iter().map(|a| NetworkAddress { network: self.network(), address: *a }).collect(),
            cidr_vips: vec![],
            ports: service.ports.iter().map(port).collect(),
            subject_alt_names: vec![],
            ingress_use_waypoint: waypoint.is_some() && ingress.is_some_and(|value| value == "true"),
            waypoint,
            weighted_waypoints,
            load_balancer: LoadBalancer {
                mode,
                routing_preferences: scopes,
                allow_unhealthy: service.publish_not_ready,
            },
            ip_families: match (has("IPv4"), has("IPv6")) {
                (true, true) => IpFamilies::Dual,
                (true, false) => IpFamilies::Ipv4Only,
                (false, true) => IpFamilies::Ipv6Only,
                (false, false) => IpFamilies::Automatic,
            },
            canonical: true,
            visibility: Visibility::Public,
            guarded,
            key: self.service_key(&service.key),
        };
        out.resources.push(publish::service(&resource));
    }
}

/// Tells whether a service's selector selects a pod; an empty one selects none.
pub(super) fn selects(selector: &Map, pod: &Pod) -> bool {
    matches(selector, &pod.labels)
}

/// Tells whether a service's selector selects what has these labels; an empty one selects nothing.
pub(super) fn matches(selector: &Map, labels: &Map) -> bool {
    !selector.is_empty() && selector.iter().all(|(k, v)| labels.get(k) == Some(v))
}

fn app_protocol(port: &ServicePort) -> i32 {
    let word = port.app_protocol.as_deref().unwrap_or_else(|| port.name.split('-').next().unwrap_or_default());
    match word.to_ascii_lowercase().as_str() {
        "http" => 1,
        "http2" | "kubernetes.io/h2c" => 2,
        "grpc" | "grpc-web" => 3,
        "tcp" => 4,
        "tls" => 5,
        _ => 0,
    }
}
