//! The mesh as one party sees it: keyed data, cheap to copy, and the question where a connection goes.
//!
//! A `World` is a set of persistent maps: a copy shares all that did not change. A writer changes its copy and publishes it;
//! readers hold an immutable snapshot and never wait.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use imbl::{HashMap, OrdMap};
use serde::Serialize;

use crate::{
    policy::{Decision, Peer, Policy, PolicyScope, decide, trial},
    service::{Cidr, LoadBalancerMode, Scope, Service},
    workload::{
        Destination, GatewayAddress, Health, Name, NetworkAddress, NetworkMode, Ports, Protocol, ServiceKey, Workload,
    },
};

/// One workload behind a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The workload.
    pub workload: Arc<Workload>,
    /// Its ports for this service.
    pub ports: Ports,
}

/// The endpoints that a service had once.
#[derive(Clone, Debug, Default)]
pub struct Membership(OrdMap<Name, Endpoint>);

impl Membership {
    /// Tells whether nothing changed in between, without looking at single endpoints; what was told again counts as changed.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.ptr_eq(&other.0)
    }
}

/// Why a connection is refused before it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub enum Refusal {
    /// The service exists, but nothing takes its traffic.
    #[error("no healthy upstream: the service has no endpoint that takes traffic on this port")]
    NoHealthyUpstream,
    /// The service has no such port.
    #[error("the service has no such port")]
    NoSuchPort,
    /// The waypoint that must be used is unknown.
    #[error("the waypoint of the destination is not known")]
    UnknownWaypoint,
    /// The destination has no address.
    #[error("the destination has no address")]
    NoAddress,
    /// The destination is on another network, whose gateway is unknown.
    #[error("the gateway of the destination's network is not known")]
    UnknownGateway,
}

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// To this address in the clear; the workload is known when it is of the mesh's cluster.
    Direct {
        /// The address.
        address: SocketAddr,
        /// Whom it belongs to.
        workload: Option<Arc<Workload>>,
        /// The service that was addressed.
        service: Option<Arc<Service>>,
    },
    /// To the workload, through HBONE at its own address.
    Tunnel {
        /// Where the tunnel ends.
        gateway: SocketAddr,
        /// What the tunnel carries to.
        target: SocketAddr,
        /// Whom it belongs to; its identity must be proven.
        workload: Arc<Workload>,
        /// The service that was addressed.
        service: Option<Arc<Service>>,
    },
    /// To a waypoint, through HBONE, which carries on to the target.
    Waypoint {
        /// Where the tunnel ends.
        gateway: SocketAddr,
        /// The address the application asked for.
        target: SocketAddr,
        /// The waypoint; its identity must be proven.
        workload: Arc<Workload>,
        /// The service that was addressed.
        service: Option<Arc<Service>>,
    },
    /// To an address of a host outside of the mesh, in the clear: its name has to be resolved first.
    Named {
        /// The host.
        host: Name,
        /// The port.
        port: u16,
        /// Whom it stands for.
        workload: Arc<Workload>,
        /// The service that was addressed.
        service: Option<Arc<Service>>,
    },
    /// Nowhere.
    Refuse {
        /// Why.
        reason: Refusal,
        /// The service that was addressed.
        service: Option<Arc<Service>>,
    },
}

/// Everything that is known of the mesh.
#[derive(Clone, Default, Debug)]
pub struct World {
    /// Workloads by unique name.
    pub workloads: HashMap<Name, Arc<Workload>>,
    /// Services by namespace and host name.
    pub services: HashMap<ServiceKey, Arc<Service>>,
    /// Policies by `namespace/name`.
    pub policies: HashMap<Name, Arc<Policy>>,
    by_address: HashMap<NetworkAddress, Arc<Workload>>,
    // Workloads with an address that is another's already.
    shadowed: HashMap<NetworkAddress, OrdMap<Name, Arc<Workload>>>,
    by_vip: HashMap<NetworkAddress, OrdMap<ServiceKey, Arc<Service>>>,
    by_cidr: OrdMap<ServiceKey, Arc<Service>>,
    endpoints: HashMap<ServiceKey, OrdMap<Name, Endpoint>>,
    // Policies that concern more than single workloads: by namespace, mesh-wide ones under the empty name.
    wide_policies: HashMap<Name, OrdMap<Name, Arc<Policy>>>,
}

impl World {
    /// Puts a workload in, in place of the one with its unique name.
    pub fn insert_workload(&mut self, workload: Workload) {
        self.remove_workload(&workload.uid.clone());
        let workload = Arc::new(workload);
        // Host-network workloads share their node's address: it names none of them.
        if workload.network_mode == NetworkMode::Standard {
            for address in &workload.addresses {
                let key = NetworkAddress { network: workload.network.clone(), address: *address };
                let beside = match self.by_address.get(&key) {
                    Some(holder) if holds_against(holder, &workload) => Some(workload.clone()),
                    _ => self.by_address.insert(key.clone(), workload.clone()),
                };
                if let Some(beside) = beside {
                    self.shadowed.entry(key).or_default().insert(beside.uid.clone(), beside);
                }
            }
        }
        for (service, ports) in &workload.services {
            let endpoint = Endpoint { workload: workload.clone(), ports: ports.clone() };
            self.endpoints.entry(service.clone()).or_default().insert(workload.uid.clone(), endpoint);
        }
        self.workloads.insert(workload.uid.clone(), workload);
    }

    /// Takes a workload out; tells whether it was there.
    pub fn remove_workload(&mut self, uid: &str) -> bool {
        let Some(workload) = self.workloads.remove(uid) else { return false };
        for address in &workload.addresses {
            let key = NetworkAddress { network: workload.network.clone(), address: *address };
            if self.by_address.get(&key).is_some_and(|found| found.uid == workload.uid) {
                self.by_address.remove(&key);
                self.uncover(&key);
            } else if let Some(beside) = self.shadowed.get_mut(&key) {
                beside.remove(uid);
                if beside.is_empty() {
                    self.shadowed.remove(&key);
                }
            }
        }
        for service in workload.services.keys() {
            if let Some(endpoints) = self.endpoints.get_mut(service) {
                endpoints.remove(&workload.uid);
                if endpoints.is_empty() {
                    self.endpoints.remove(service);
                }
            }
        }
        true
    }

    /// Gives an address to one of those that had it beside the one that is gone.
    fn uncover(&mut self, key: &NetworkAddress) {
        let Some(mut beside) = self.shadowed.remove(key) else { return };
        let best = beside.values().reduce(|best, other| if holds_against(best, other) { best } else { other });
        let Some(best) = best.cloned() else { return };
        beside.remove(&best.uid);
        self.by_address.insert(key.clone(), best);
        if !beside.is_empty() {
            self.shadowed.insert(key.clone(), beside);
        }
    }

    /// Puts a service in, in place of the one with its key.
    pub fn insert_service(&mut self, service: Service) {
        self.remove_service(&service.key.clone());
        let service = Arc::new(service);
        for vip in &service.vips {
            self.by_vip.entry(vip.clone()).or_default().insert(service.key.clone(), service.clone());
        }
        if !service.cidr_vips.is_empty() {
            self.by_cidr.insert(service.key.clone(), service.clone());
        }
        self.services.insert(service.key.clone(), service);
    }

    /// Takes a service out; tells whether it was there.
    pub fn remove_service(&mut self, key: &ServiceKey) -> bool {
        let Some(service) = self.services.remove(key) else { return false };
        for vip in &service.vips {
            if let Some(holders) = self.by_vip.get_mut(vip) {
                holders.remove(key);
                if holders.is_empty() {
                    self.by_vip.remove(vip);
                }
            }
        }
        self.by_cidr.remove(key);
        true
    }

    /// Puts a policy in, in place of the one with its key.
    pub fn insert_policy(&mut self, policy: Policy) {
        let key = policy.key();
        self.remove_policy(&key);
        let policy = Arc::new(policy);
        if let Some(holder) = wide_holder(&policy) {
            self.wide_policies.entry(holder).or_default().insert(key.clone(), policy.clone());
        }
        self.policies.insert(key, policy);
    }

    /// Takes a policy out; tells whether it was there.
    pub fn remove_policy(&mut self, key: &str) -> bool {
        let Some(policy) = self.policies.remove(key) else { return false };
        if let Some(holder) = wide_holder(&policy)
            && let Some(policies) = self.wide_policies.get_mut(&holder)
        {
            policies.remove(key);
            if policies.is_empty() {
                self.wide_policies.remove(&holder);
            }
        }
        true
    }

    /// Finds the workload that owns an address.
    #[must_use]
    pub fn workload_at(&self, network: &Name, address: IpAddr) -> Option<&Arc<Workload>> {
        self.by_address.get(&NetworkAddress { network: network.clone(), address: address.to_canonical() })
    }

    /// Finds the service behind a virtual address, preferring the client's namespace, then the canonical one, then the
    /// longest prefix. What is a pod's is no service's.
    #[must_use]
    pub fn service_at(&self, network: &Name, address: IpAddr, client_namespace: &str) -> Option<&Arc<Service>> {
        let address = address.to_canonical();
        // Somebody's address or range would take the pods of others away.
        if self.workload_at(network, address).is_some_and(|w| w.is_pod()) {
            return None;
        }
        let rank = |s: &Arc<Service>| (&*s.key.namespace == client_namespace, s.canonical);
        if let Some(holders) = self.by_vip.get(&NetworkAddress { network: network.clone(), address }) {
            let seen = holders.values().filter(|s| s.is_seen_from(client_namespace));
            if let Some(found) = seen.max_by_key(|s| rank(s)) {
                return Some(found);
            }
        }
        let length = |s: &Arc<Service>| {
            let hit = |c: &&Cidr| c.network == *network && c.contains(address);
            s.cidr_vips.iter().filter(hit).map(|c| c.length).max()
        };
        self.by_cidr
            .values()
            .filter(|s| s.is_seen_from(client_namespace))
            .filter_map(|s| Some((rank(s).0, length(s)?, s.canonical, s)))
            .max_by_key(|c| (c.0, c.1, c.2))
            .map(|c| c.3)
    }

    /// Returns the endpoints of a service.
    pub fn endpoints(&self, key: &ServiceKey) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.get(key).into_iter().flat_map(|e| e.values())
    }

    /// Returns the set of endpoints of a service, to compare with what it is later.
    #[must_use]
    pub fn membership(&self, key: &ServiceKey) -> Membership {
        Membership(self.endpoints.get(key).cloned().unwrap_or_default())
    }

    /// Returns the known policies that apply to a workload: mesh-wide, of its namespace, and those it names.
    pub fn policies_for<'a>(&'a self, workload: &'a Workload) -> impl Iterator<Item = &'a Policy> {
        let wide =
            ["", &*workload.namespace].into_iter().filter_map(|h| self.wide_policies.get(h)).flat_map(|p| p.values());
        let own = workload.authorization_policies.iter().filter_map(|key| self.policies.get(key));
        wide.chain(own).map(|p| &**p)
    }

    /// Decides over a connection to a workload. A policy that it names and that is not known refuses: nothing is let in because
    /// a policy is late, or was not understood.
    #[must_use]
    pub fn decide(&self, workload: &Workload, peer: &Peer<'_>) -> Decision {
        if let Some(unknown) = workload.authorization_policies.iter().find(|key| !self.policies.contains_key(*key)) {
            return Decision::Unknown(unknown.clone());
        }
        decide(self.policies_for(workload), peer)
    }

    /// Tells what the policies that are only tried would make of a connection; none if there are none.
    #[must_use]
    pub fn trial(&self, workload: &Workload, peer: &Peer<'_>) -> Option<Decision> {
        trial(|| self.policies_for(workload), peer)
    }

    /// Tells where a connection of `source` to `destination` goes; `random` chooses between equal endpoints.
    #[must_use]
    pub fn next_hop(&self, source: &Workload, destination: SocketAddr, random: u64) -> NextHop {
        let network = &source.network;
        let destination = SocketAddr::new(destination.ip().to_canonical(), destination.port());
        if let Some(service) = self.service_at(network, destination.ip(), &source.namespace) {
            let service = service.clone();
            if let Some(waypoint) = &service.waypoint {
                // Other bits than those that choose an endpoint, or the same endpoints would always be behind one.
                let chosen = service.choose_waypoint(random >> 32).unwrap_or(waypoint);
                let hop = self.to_waypoint(source, chosen, destination, Some(service.clone()), random);
                // One that is only tried is not needed: the first enforces the same of the service.
                return match hop {
                    NextHop::Refuse { .. } if chosen != waypoint => {
                        self.to_waypoint(source, waypoint, destination, Some(service.clone()), random)
                    }
                    hop => hop,
                };
            }
            return match self.choose(&service, source, destination.port(), None, random) {
                Ok((endpoint, port)) => self.to_workload(source, &endpoint.workload, port, Some(service)),
                Err(_) if service.load_balancer.mode == LoadBalancerMode::Passthrough => {
                    NextHop::Direct { address: destination, workload: None, service: Some(service) }
                }
                Err(reason) => NextHop::Refuse { reason, service: Some(service) },
            };
        }
        let Some(workload) = self.workload_at(network, destination.ip()) else {
            return NextHop::Direct { address: destination, workload: None, service: None };
        };
        let is_own = |waypoint: &GatewayAddress| self.is_behind(waypoint, source);
        match &workload.waypoint {
            Some(waypoint) if !is_own(waypoint) => self.to_waypoint(source, waypoint, destination, None, random),
            _ => to_address(workload.clone(), destination, None),
        }
    }

    fn to_workload(
        &self,
        source: &Workload,
        workload: &Arc<Workload>,
        port: u16,
        service: Option<Arc<Service>>,
    ) -> NextHop {
        if workload.network != source.network {
            // Several networks need tunnels in tunnels through gateways; until a gateway can be used, refusing is the safe answer.
            return NextHop::Refuse { reason: Refusal::UnknownGateway, service };
        }
        match workload.addresses.first() {
            Some(address) => to_address(workload.clone(), SocketAddr::new(*address, port), service),
            // Of a tunnel the other end has to be a workload with an address.
            None if !workload.hostname.is_empty() && workload.protocol == Protocol::Tcp => {
                NextHop::Named { host: workload.hostname.clone(), port, workload: workload.clone(), service }
            }
            None => NextHop::Refuse { reason: Refusal::NoAddress, service },
        }
    }

    /// Tells whether a workload is one of those behind a waypoint's address.
    #[must_use]
    pub fn is_behind(&self, waypoint: &GatewayAddress, workload: &Workload) -> bool {
        match &waypoint.destination {
            Destination::Hostname(key) => workload.services.contains_key(key),
            Destination::Address(a) => {
                workload.addresses.contains(&a.address)
                    || self
                        .by_vip
                        .get(a)
                        .is_some_and(|holders| holders.keys().any(|key| workload.services.contains_key(key)))
            }
        }
    }

    fn to_waypoint(
        &self,
        source: &Workload,
        waypoint: &GatewayAddress,
        target: SocketAddr,
        service: Option<Arc<Service>>,
        random: u64,
    ) -> NextHop {
        let port = waypoint.hbone_mtls_port;
        let found = match &waypoint.destination {
            Destination::Hostname(key) => self.services.get(key),
            Destination::Address(a) => self.service_at(&a.network, a.address, &source.namespace),
        };
        let hop = match (found, &waypoint.destination) {
            (Some(gateway), _) => {
                self.choose(gateway, source, port, Some(port), random).ok().and_then(|(endpoint, port)| {
                    Some((SocketAddr::new(*endpoint.workload.addresses.first()?, port), endpoint.workload.clone()))
                })
            }
            (None, Destination::Address(a)) => {
                self.workload_at(&a.network, a.address).map(|w| (SocketAddr::new(a.address, port), w.clone()))
            }
            (None, Destination::Hostname(_)) => None,
        };
        match hop {
            Some((gateway, workload)) => NextHop::Waypoint { gateway, target, workload, service },
            None => NextHop::Refuse { reason: Refusal::UnknownWaypoint, service },
        }
    }

    /// Returns the endpoints of a service that come into question for a client, with the port of each: those that take traffic
    /// and are as near as the service wants, best ones alone where nearness is a preference.
    ///
    /// # Errors
    /// A port that the service does not have (and no other one to fall back on), or nobody who takes its traffic.
    pub fn candidates(
        &self,
        service: &Service,
        source: &Workload,
        port: u16,
        fallback: Option<u16>,
    ) -> Result<Vec<(&Endpoint, u16)>, Refusal> {
        let target = service.ports.get(&port).map(|p| p.target_port);
        if target.is_none() && fallback.is_none() {
            return Err(Refusal::NoSuchPort);
        }
        let resolve = |endpoint: &Endpoint| {
            let own = endpoint.ports.get(&port).copied().filter(|p| *p != 0);
            own.or(target.filter(|t| *t != 0)).or(fallback)
        };
        let balancer = &service.load_balancer;
        let mut best = (0, Vec::new());
        for endpoint in self.endpoints(&service.key) {
            let workload = &endpoint.workload;
            let serves = balancer.allow_unhealthy || workload.status == Health::Healthy;
            let Some(port) = resolve(endpoint).filter(|_| serves && workload.capacity > 0) else { continue };
            let rank = nearness(&balancer.routing_preferences, source, workload);
            match balancer.mode {
                LoadBalancerMode::Strict if rank < balancer.routing_preferences.len() => continue,
                LoadBalancerMode::Failover if rank < best.0 => continue,
                LoadBalancerMode::Failover if rank > best.0 => best = (rank, Vec::new()),
                _ => {}
            }
            best.1.push((endpoint, port));
        }
        if best.1.is_empty() { Err(Refusal::NoHealthyUpstream) } else { Ok(best.1) }
    }

    /// Chooses an endpoint of a service for a client and resolves the port on it.
    fn choose(
        &self,
        service: &Service,
        source: &Workload,
        port: u16,
        fallback: Option<u16>,
        random: u64,
    ) -> Result<(Endpoint, u16), Refusal> {
        let candidates = self.candidates(service, source, port, fallback)?;
        let capacity = |endpoint: &Endpoint| u64::from(endpoint.workload.capacity);
        let mut left = random.checked_rem(candidates.iter().map(|(e, _)| capacity(e)).sum()).unwrap_or_default();
        for (endpoint, port) in candidates {
            if left < capacity(endpoint) {
                return Ok((endpoint.clone(), port));
            }
            left -= capacity(endpoint);
        }
        Err(Refusal::NoHealthyUpstream)
    }
}

fn to_address(workload: Arc<Workload>, target: SocketAddr, service: Option<Arc<Service>>) -> NextHop {
    match workload.protocol {
        Protocol::Hbone => {
            NextHop::Tunnel { gateway: SocketAddr::new(target.ip(), HBONE_PORT), target, workload, service }
        }
        Protocol::Tcp => NextHop::Direct { address: target, workload: Some(workload), service },
    }
}

/// Tells whether the holder of an address keeps it, although another has it too. Nobody takes a pod's by writing it down. And a pod
/// that ended may keep its address for a moment beside its successor: what takes traffic wins.
fn holds_against(holder: &Workload, other: &Workload) -> bool {
    match (holder.is_pod(), other.is_pod()) {
        (true, false) => true,
        (false, true) => false,
        _ => {
            holder.status == Health::Healthy && holder.protocol == Protocol::Hbone && other.status == Health::Unhealthy
        }
    }
}

/// The port on which every workload of the mesh takes HBONE.
pub const HBONE_PORT: u16 = 15008;

fn wide_holder(policy: &Policy) -> Option<Name> {
    match policy.scope {
        PolicyScope::Global => Some("".into()),
        PolicyScope::Namespace => Some(policy.namespace.clone()),
        PolicyScope::WorkloadSelector => None,
    }
}

/// Counts how many leading scopes two workloads share.
#[must_use]
pub fn nearness(scopes: &[Scope], a: &Workload, b: &Workload) -> usize {
    let same = |scope: &Scope| match scope {
        Scope::Region => a.locality.region == b.locality.region,
        Scope::Zone => a.locality.zone == b.locality.zone,
        Scope::Subzone => a.locality.subzone == b.locality.subzone,
        Scope::Node => a.node == b.node,
        Scope::Cluster => a.cluster_id == b.cluster_id,
        Scope::Network => a.network == b.network,
    };
    scopes.iter().take_while(|s| same(s)).count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::service::{IpFamilies, LoadBalancer, TargetPort, Visibility, WeightedWaypoint};

    fn pod(name: &str, last: u8, protocol: Protocol, services: &[&ServiceKey]) -> Workload {
        Workload {
            uid: format!("c//Pod/ns/{name}").into(),
            name: name.into(),
            namespace: "ns".into(),
            addresses: vec![[10, 0, 0, last].into()],
            protocol,
            service_account: name.into(),
            capacity: 1,
            services: services.iter().map(|k| ((*k).clone(), BTreeMap::from([(80, 8080)]))).collect(),
            ..Workload::default()
        }
    }

    fn service(name: &str, vip: u8) -> Service {
        Service {
            name: name.into(),
            key: ServiceKey { namespace: "ns".into(), hostname: format!("{name}.ns.svc.cluster.local").into() },
            vips: vec![NetworkAddress { network: "".into(), address: [10, 96, 0, vip].into() }],
            cidr_vips: vec![],
            ports: BTreeMap::from([(80, TargetPort { target_port: 8080, app_protocol: 0 })]),
            subject_alt_names: vec![],
            waypoint: None,
            weighted_waypoints: vec![],
            load_balancer: LoadBalancer::default(),
            ip_families: IpFamilies::Automatic,
            canonical: true,
            ingress_use_waypoint: false,
            visibility: Visibility::Public,
            guarded: false,
        }
    }

    #[test]
    fn services_workloads_and_strangers_are_told_apart() {
        let mut world = World::default();
        let web = service("web", 1);
        let client = pod("client", 1, Protocol::Hbone, &[]);
        world.insert_service(web.clone());
        world.insert_service(service("empty", 2));
        world.insert_workload(client.clone());
        world.insert_workload(pod("server", 2, Protocol::Hbone, &[&web.key]));
        world.insert_workload(pod("plain", 3, Protocol::Tcp, &[]));
        let hop = |ip: [u8; 4], port| world.next_hop(&client, (ip, port).into(), 7);
        assert!(matches!(hop([10, 96, 0, 1], 80), NextHop::Tunnel { gateway, target, .. }
            if gateway == ([10, 0, 0, 2], 15008).into() && target == ([10, 0, 0, 2], 8080).into()));
        assert!(matches!(hop([10, 0, 0, 2], 9), NextHop::Tunnel { target, .. } if target == ([10, 0, 0, 2], 9).into()));
        assert!(matches!(hop([10, 0, 0, 3], 80), NextHop::Direct { workload: Some(_), .. }));
        assert!(matches!(hop([1, 1, 1, 1], 80), NextHop::Direct { workload: None, .. }));
        assert!(matches!(hop([10, 96, 0, 1], 81), NextHop::Refuse { reason: Refusal::NoSuchPort, .. }));
        assert!(matches!(hop([10, 96, 0, 2], 80), NextHop::Refuse { reason: Refusal::NoHealthyUpstream, .. }));
    }

    #[test]
    fn new_connections_are_shared_among_waypoints_by_weight() {
        let gateway = |name: &str| GatewayAddress {
            destination: Destination::Hostname(service(name, 0).key),
            hbone_mtls_port: 15008,
        };
        let mut world = World::default();
        let share = |name: &str, weight: u32| WeightedWaypoint { destination: gateway(name), weight };
        let client = pod("client", 1, Protocol::Hbone, &[]);
        world.insert_workload(client.clone());
        for (name, vip) in [("first", 2), ("second", 3)] {
            world.insert_service(service(name, vip));
            world.insert_workload(pod(name, vip, Protocol::Tcp, &[&service(name, vip).key]));
        }
        let count = |world: &mut World, weights: Vec<WeightedWaypoint>| {
            let web = Service { waypoint: Some(gateway("first")), weighted_waypoints: weights, ..service("web", 1) };
            world.insert_service(web);
            let hop = |n: u64| match world.next_hop(&client, ([10, 96, 0, 1], 80).into(), n << 32) {
                NextHop::Waypoint { workload, .. } => workload.name.to_string(),
                other => panic!("{other:?}"),
            };
            (0..100).filter(|n| hop(*n) == "second").count()
        };
        assert_eq!(count(&mut world, vec![]), 0);
        assert_eq!(count(&mut world, vec![share("first", 0), share("second", 0)]), 0, "no share at all");
        assert_eq!(count(&mut world, vec![share("first", 95), share("second", 5)]), 5);
        assert_eq!(count(&mut world, vec![share("first", 0), share("second", 100)]), 100);
        world.remove_workload("c//Pod/ns/second");
        assert_eq!(count(&mut world, vec![share("first", 0), share("second", 100)]), 0, "it is only tried");
    }

    #[test]
    fn a_policy_that_is_not_known_lets_nobody_in() {
        let mut world = World::default();
        let server =
            Workload { authorization_policies: vec!["ns/late".into()], ..pod("server", 2, Protocol::Hbone, &[]) };
        let peer = Peer { identity: None, source: [10, 0, 0, 1].into(), destination: ([10, 0, 0, 2], 80).into() };
        assert_eq!(world.decide(&server, &peer), Decision::Unknown("ns/late".into()));
        world.insert_policy(Policy {
            name: "late".into(),
            namespace: "ns".into(),
            scope: crate::policy::PolicyScope::WorkloadSelector,
            action: crate::policy::Action::Deny,
            rules: vec![],
            dry_run: false,
        });
        assert_eq!(world.decide(&server, &peer), Decision::Allow(None));
    }

    #[test]
    fn a_membership_tells_whether_endpoints_changed() {
        let mut world = World::default();
        let (web, other) = (service("web", 1).key, service("other", 2).key);
        world.insert_workload(pod("server", 2, Protocol::Hbone, &[&web]));
        let before = world.membership(&web);
        world.insert_workload(pod("stranger", 3, Protocol::Hbone, &[&other]));
        world.insert_service(service("other", 2));
        assert!(before.is_same(&world.membership(&web)));
        world.insert_workload(pod("second", 4, Protocol::Hbone, &[&web]));
        let after = world.membership(&web);
        assert!(!before.is_same(&after));
        world.remove_workload("c//Pod/ns/server");
        assert!(!after.is_same(&world.membership(&web)));
    }

    #[test]
    fn nobody_takes_a_pods_address_by_writing_it_down() {
        let mut world = World::default();
        let written = |uid: &str| Workload { uid: uid.into(), ..pod("vm", 2, Protocol::Tcp, &[]) };
        let at = |world: &World| world.workload_at(&"".into(), [10, 0, 0, 2].into()).map(|w| w.uid.to_string());
        world.insert_workload(written("c/networking.istio.io/ServiceEntry/ns/e/10.0.0.2"));
        world.insert_workload(pod("server", 2, Protocol::Hbone, &[]));
        world.insert_workload(written("c/networking.istio.io/WorkloadEntry/ns/vm"));
        assert_eq!(at(&world).as_deref(), Some("c//Pod/ns/server"));
        // Nor as a service's, nor by a range that it lies in; what is no pod's is the range's.
        let mut taker = service("taker", 1);
        taker.vips = vec![NetworkAddress { network: "".into(), address: [10, 0, 0, 2].into() }];
        world.insert_service(taker);
        assert!(world.service_at(&"".into(), [10, 0, 0, 2].into(), "ns").is_none());
        let mut range = service("range", 1);
        range.vips.clear();
        range.cidr_vips = vec![Cidr { network: "".into(), address: [10, 0, 0, 0].into(), length: 8 }];
        world.insert_service(range);
        let found = |last: u8| world.service_at(&"".into(), [10, 0, 0, last].into(), "ns").is_some();
        assert_eq!((found(2), found(3)), (false, true));
        world.remove_workload("c/networking.istio.io/WorkloadEntry/ns/vm");
        assert!(world.remove_workload("c//Pod/ns/server"));
        assert_eq!(at(&world).as_deref(), Some("c/networking.istio.io/ServiceEntry/ns/e/10.0.0.2"));
        world.remove_workload("c/networking.istio.io/ServiceEntry/ns/e/10.0.0.2");
        assert!(at(&world).is_none() && world.shadowed.is_empty() && world.by_address.is_empty());
    }

    #[test]
    fn a_service_of_one_namespace_is_seen_by_nobody_else() {
        let mut world = World::default();
        world.insert_service(Service { visibility: Visibility::Namespace, ..service("own", 1) });
        let seen = |from: &str| world.service_at(&"".into(), [10, 96, 0, 1].into(), from).is_some();
        assert_eq!((seen("ns"), seen("other")), (true, false));
    }

    #[test]
    fn a_host_is_resolved_where_no_address_is_known() {
        let mut world = World::default();
        let (web, client) = (service("web", 1), pod("client", 1, Protocol::Hbone, &[]));
        world.insert_service(web.clone());
        let out =
            Workload { hostname: "out.test".into(), addresses: vec![], ..pod("out", 2, Protocol::Tcp, &[&web.key]) };
        world.insert_workload(out.clone());
        let hop = |world: &World| world.next_hop(&client, ([10, 96, 0, 1], 80).into(), 7);
        assert!(matches!(hop(&world), NextHop::Named { host, port: 8080, .. } if &*host == "out.test"));
        world.insert_workload(Workload { protocol: Protocol::Hbone, ..out });
        assert!(matches!(hop(&world), NextHop::Refuse { reason: Refusal::NoAddress, .. }));
    }

    #[test]
    fn a_removed_or_changed_workload_leaves_no_trace() {
        let mut world = World::default();
        let web = service("web", 1);
        world.insert_service(web.clone());
        world.insert_workload(pod("server", 2, Protocol::Hbone, &[&web.key]));
        world.insert_workload(Workload {
            addresses: vec![[10, 0, 0, 9].into()],
            ..pod("server", 2, Protocol::Hbone, &[&web.key])
        });
        assert!(world.workload_at(&"".into(), [10, 0, 0, 2].into()).is_none());
        assert_eq!(world.endpoints(&web.key).count(), 1);
        assert!(world.remove_workload("c//Pod/ns/server"));
        assert!(world.by_address.is_empty() && world.endpoints.is_empty());
        assert!(world.remove_service(&web.key));
        assert!(world.by_vip.is_empty() && world.services.is_empty());
    }
}
