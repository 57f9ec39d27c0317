//! The mesh as one party sees it: keyed data, cheap to copy, and (in `hop`) the question where a connection goes.
//!
//! A `World` is a set of persistent maps: a copy shares all that did not change. A writer changes its copy and publishes it;
//! readers hold an immutable snapshot and never wait.

mod hop;

use std::{net::IpAddr, sync::Arc};

use imbl::{HashMap, OrdMap};

pub use self::hop::{HBONE_PORT, NextHop, Refusal, nearness};

use crate::{
    policy::{Decision, Peer, Policy, PolicyScope, decide, trial},
    service::{Cidr, Service},
    workload::{Health, Name, NetworkAddress, NetworkMode, Ports, Protocol, ServiceKey, Workload},
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

fn wide_holder(policy: &Policy) -> Option<Name> {
    match policy.scope {
        PolicyScope::Global => Some("".into()),
        PolicyScope::Namespace => Some(policy.namespace.clone()),
        PolicyScope::WorkloadSelector => None,
    }
}

#[cfg(test)]
mod tests;
