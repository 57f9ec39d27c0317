//! Where a connection goes: to a workload, to a waypoint, to a host outside of the mesh, or nowhere.

use std::{net::SocketAddr, sync::Arc};

use serde::Serialize;

use super::{Endpoint, World};
use crate::{
    service::{LoadBalancerMode, Scope, Service},
    workload::{Destination, GatewayAddress, Health, Name, Protocol, Workload},
};

/// The port on which every workload of the mesh takes HBONE.
pub const HBONE_PORT: u16 = 15008;

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

impl World {
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
