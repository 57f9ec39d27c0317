//! Services of Kubernetes.

use std::collections::HashSet;

use model::{
    Service,
    service::{IpFamilies, LoadBalancer, LoadBalancerMode, Scope, TargetPort},
    workload::NetworkAddress,
};
use source::{
    Object, labels,
    object::{self, Map, ObjectKey, Pod, ServicePort, Target},
};
use xds::ADDRESS_TYPE;

use crate::{
    l7::{Binding, Subject},
    mesh::{Mesh, Output, User, publish, slices::pods_of, waypoints::BoundService},
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
        let BoundService { waypoint, weighted_waypoints, status, binding } = self.bind_service(service);
        out.statuses.push(status);
        out.waypoints.bindings.push((Subject::Service(service.key.clone()), binding));
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
            key: self.service_key(&service.key),
        };
        out.resources.push(publish::service(&resource));
    }
}

/// Tells whether a service's selector selects a pod; an empty one selects none.
pub(super) fn selects(selector: &Map, pod: &Pod) -> bool {
    !selector.is_empty() && selector.iter().all(|(k, v)| pod.labels.get(k) == Some(v))
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
