//! Services: the names and virtual addresses that workloads stand behind.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Serialize;

use crate::workload::{GatewayAddress, Name, NetworkAddress, ServiceKey};

/// A range of addresses of a service, `address/length`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Cidr {
    /// The network's name.
    pub network: Name,
    /// The first address.
    pub address: IpAddr,
    /// The prefix length in bits.
    pub length: u8,
}

impl Cidr {
    /// Tells whether an address lies in the range.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        contains(self.address, self.length, ip)
    }
}

/// Tells whether `ip` lies in `address/length`; addresses of different families never match.
#[must_use]
pub fn contains(address: IpAddr, length: u8, ip: IpAddr) -> bool {
    match (address, ip.to_canonical()) {
        (IpAddr::V4(net), IpAddr::V4(ip)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            u32::from(net) & mask == u32::from(ip) & mask
        }
        (IpAddr::V6(net), IpAddr::V6(ip)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
            u128::from(net) & mask == u128::from(ip) & mask
        }
        _ => false,
    }
}

/// How near an endpoint must be, one step of a preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Scope {
    /// Same region.
    Region,
    /// Same zone.
    Zone,
    /// Same part of the zone.
    Subzone,
    /// Same node.
    Node,
    /// Same cluster.
    Cluster,
    /// Same network.
    Network,
}

/// How strictly the preference holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum LoadBalancerMode {
    /// All endpoints are equal.
    #[default]
    Standard,
    /// Only endpoints that match every scope.
    Strict,
    /// The endpoints that match most leading scopes.
    Failover,
    /// The original destination, whatever the endpoints.
    Passthrough,
}

/// How endpoints of a service are chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancer {
    /// The mode.
    pub mode: LoadBalancerMode,
    /// The scopes, most important first.
    pub routing_preferences: Vec<Scope>,
    /// Whether unhealthy endpoints take traffic too.
    pub allow_unhealthy: bool,
}

/// The target of a service port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetPort {
    /// The number, 0 for a named port: each endpoint knows its own.
    pub target_port: u16,
    /// The application protocol's number of `istio.workload.AppProtocol`.
    pub app_protocol: i32,
}

/// Which address families a service has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum IpFamilies {
    /// Not told.
    #[default]
    Automatic,
    /// Version 4 only.
    Ipv4Only,
    /// Version 6 only.
    Ipv6Only,
    /// Both.
    Dual,
}

/// Whose clients find a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Visibility {
    /// Everybody's.
    #[default]
    Public,
    /// Those of its own namespace.
    Namespace,
}

/// One of several waypoints, and its share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WeightedWaypoint {
    /// The waypoint.
    pub destination: GatewayAddress,
    /// Its part of the sum of all weights.
    pub weight: u32,
}

/// One service of the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its short name.
    pub name: Name,
    /// Namespace and host name.
    pub key: ServiceKey,
    /// Its virtual addresses; none for a headless service.
    pub vips: Vec<NetworkAddress>,
    /// Ranges of virtual addresses.
    pub cidr_vips: Vec<Cidr>,
    /// Its ports.
    pub ports: BTreeMap<u16, TargetPort>,
    /// Further identities that endpoints may show.
    pub subject_alt_names: Vec<Name>,
    /// The waypoint in front of it.
    pub waypoint: Option<GatewayAddress>,
    /// How new connections are shared among several waypoints, of which that is one; empty for one alone.
    pub weighted_waypoints: Vec<WeightedWaypoint>,
    /// How endpoints are chosen.
    pub load_balancer: LoadBalancer,
    /// Its address families.
    pub ip_families: IpFamilies,
    /// The one that counts where several share a host name.
    pub canonical: bool,
    /// Whether ingress gateways use the waypoint as well.
    pub ingress_use_waypoint: bool,
    /// Whose clients find it.
    pub visibility: Visibility,
    /// Whether connections that were made past its waypoint, while that had nothing to do, have to end.
    pub guarded: bool,
}

impl Service {
    /// Tells whether clients of a namespace find it.
    #[must_use]
    pub fn is_seen_from(&self, namespace: &str) -> bool {
        self.visibility == Visibility::Public || &*self.key.namespace == namespace
    }

    /// Chooses the waypoint of a new connection; `random` decides between several.
    #[must_use]
    pub fn choose_waypoint(&self, random: u64) -> Option<&GatewayAddress> {
        let sum: u64 = self.weighted_waypoints.iter().map(|w| u64::from(w.weight)).sum();
        let Some(mut left) = random.checked_rem(sum) else { return self.waypoint.as_ref() };
        let chosen = self.weighted_waypoints.iter().find(|w| {
            let weight = u64::from(w.weight);
            let hit = left < weight;
            left = left.saturating_sub(weight);
            hit
        });
        chosen.map(|w| &w.destination)
    }
}
