//! Between the wire and the model: resources of `istio.workload` and `istio.security` as plain data, and back.
//!
//! Reading is strict: a resource that cannot be understood whole is refused by name and reason, so that a condition that was
//! lost can never widen access.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use model::{
    policy::{Action, Block, Match, Policy, PolicyScope, ServiceAccountMatch, StringMatch},
    service::{
        Cidr, IpFamilies, LoadBalancer, LoadBalancerMode, Scope, Service, TargetPort, Visibility, WeightedWaypoint,
    },
    workload::{
        Destination, GatewayAddress, Health, Locality, Name, NetworkAddress, NetworkMode, Ports, Protocol, ServiceKey,
        Workload, WorkloadType,
    },
};

use crate::proto::{security, workload as wire};

/// The extension of a service that says that connections past its waypoint have to end. Proxies that do not know it leave them.
const GUARDED: &str = "ambient.io/guarded";

/// Tells what is wrong with a resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A field that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field has a value that means nothing.
    #[error("{field} has the invalid value {value:?}")]
    Value {
        /// The field.
        field: &'static str,
        /// The value.
        value: String,
    },
}

fn invalid(field: &'static str, value: impl ToString) -> Invalid {
    Invalid::Value { field, value: value.to_string() }
}

fn address(bytes: &[u8]) -> Result<IpAddr, Invalid> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Ok(Ipv4Addr::from(v4).into());
    }
    <[u8; 16]>::try_from(bytes)
        .map(|v6| Ipv6Addr::from(v6).into())
        .map_err(|_| invalid("address", format!("{bytes:02x?}")))
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn port(field: &'static str, value: u32) -> Result<u16, Invalid> {
    u16::try_from(value).map_err(|_| invalid(field, value))
}

fn network_address(wire: &wire::NetworkAddress) -> Result<NetworkAddress, Invalid> {
    Ok(NetworkAddress { network: (*wire.network).into(), address: address(&wire.address)? })
}

fn gateway(wire: &wire::GatewayAddress) -> Result<GatewayAddress, Invalid> {
    use wire::gateway_address::Destination as Wire;
    let destination = match wire.destination.as_ref().ok_or(Invalid::Missing("gateway destination"))? {
        Wire::Hostname(name) => {
            Destination::Hostname(ServiceKey { namespace: (*name.namespace).into(), hostname: (*name.hostname).into() })
        }
        Wire::Address(address) => Destination::Address(network_address(address)?),
    };
    Ok(GatewayAddress { destination, hbone_mtls_port: port("hbone_mtls_port", wire.hbone_mtls_port)? })
}

fn gateway_to_wire(gateway: &GatewayAddress) -> wire::GatewayAddress {
    use wire::gateway_address::Destination as Wire;
    let destination = match &gateway.destination {
        Destination::Hostname(key) => Wire::Hostname(wire::NamespacedHostname {
            namespace: key.namespace.to_string(),
            hostname: key.hostname.to_string(),
        }),
        Destination::Address(a) => Wire::Address(network_address_to_wire(a)),
    };
    wire::GatewayAddress { destination: Some(destination), hbone_mtls_port: gateway.hbone_mtls_port.into() }
}

fn network_address_to_wire(address: &NetworkAddress) -> wire::NetworkAddress {
    wire::NetworkAddress { network: address.network.to_string(), address: octets(address.address), length: None }
}

/// Reads a workload.
///
/// # Errors
/// A field that is missing or has a value without meaning.
pub fn workload_from_wire(wire: wire::Workload) -> Result<Workload, Invalid> {
    if wire.uid.is_empty() {
        return Err(Invalid::Missing("uid"));
    }
    let mut services = BTreeMap::new();
    for (key, list) in &wire.services {
        let key = ServiceKey::parse(key).ok_or_else(|| invalid("services", key))?;
        let mut ports = Ports::new();
        for p in &list.ports {
            ports.insert(port("service_port", p.service_port)?, port("target_port", p.target_port)?);
        }
        services.insert(key, ports);
    }
    let locality = wire.locality.unwrap_or_default();
    Ok(Workload {
        uid: wire.uid.into(),
        name: wire.name.into(),
        namespace: wire.namespace.into(),
        addresses: wire.addresses.iter().map(|a| address(a)).collect::<Result<_, _>>()?,
        network: wire.network.into(),
        protocol: match wire.tunnel_protocol {
            // The legacy mutual TLS of sidecars is not a tunnel: their own redirection accepts plain traffic.
            0 | 2 => Protocol::Tcp,
            1 => Protocol::Hbone,
            other => return Err(invalid("tunnel_protocol", other)),
        },
        trust_domain: wire.trust_domain.into(),
        service_account: if wire.service_account.is_empty() { "default".into() } else { wire.service_account.into() },
        waypoint: wire.waypoint.as_ref().map(gateway).transpose()?,
        network_gateway: wire.network_gateway.as_ref().map(gateway).transpose()?,
        node: wire.node.into(),
        canonical_name: wire.canonical_name.into(),
        canonical_revision: wire.canonical_revision.into(),
        workload_type: match wire.workload_type {
            1 => WorkloadType::CronJob,
            2 => WorkloadType::Pod,
            3 => WorkloadType::Job,
            _ => WorkloadType::Deployment,
        },
        workload_name: wire.workload_name.into(),
        native_tunnel: wire.native_tunnel,
        authorization_policies: wire.authorization_policies.into_iter().map(Name::from).collect(),
        status: if wire.status == 0 { Health::Healthy } else { Health::Unhealthy },
        cluster_id: wire.cluster_id.into(),
        hostname: wire.hostname.into(),
        services,
        locality: Locality {
            region: locality.region.into(),
            zone: locality.zone.into(),
            subzone: locality.subzone.into(),
        },
        network_mode: if wire.network_mode == 1 { NetworkMode::HostNetwork } else { NetworkMode::Standard },
        capacity: wire.capacity.unwrap_or(1),
    })
}

/// Writes a workload.
#[must_use]
pub fn workload_to_wire(workload: &Workload) -> wire::Workload {
    let ports = |ports: &Ports| wire::PortList {
        ports: ports
            .iter()
            .map(|(service, target)| wire::Port {
                service_port: (*service).into(),
                target_port: (*target).into(),
                app_protocol: 0,
            })
            .collect(),
    };
    let locality = &workload.locality;
    wire::Workload {
        name: workload.name.to_string(),
        namespace: workload.namespace.to_string(),
        addresses: workload.addresses.iter().map(|a| octets(*a)).collect(),
        network: workload.network.to_string(),
        tunnel_protocol: i32::from(workload.protocol == Protocol::Hbone),
        trust_domain: workload.trust_domain.to_string(),
        service_account: workload.service_account.to_string(),
        waypoint: workload.waypoint.as_ref().map(gateway_to_wire),
        node: workload.node.to_string(),
        canonical_name: workload.canonical_name.to_string(),
        canonical_revision: workload.canonical_revision.to_string(),
        workload_type: match workload.workload_type {
            WorkloadType::Deployment => 0,
            WorkloadType::CronJob => 1,
            WorkloadType::Pod => 2,
            WorkloadType::Job => 3,
        },
        workload_name: workload.workload_name.to_string(),
        native_tunnel: workload.native_tunnel,
        authorization_policies: workload.authorization_policies.iter().map(ToString::to_string).collect(),
        status: i32::from(workload.status == Health::Unhealthy),
        cluster_id: workload.cluster_id.to_string(),
        network_gateway: workload.network_gateway.as_ref().map(gateway_to_wire),
        uid: workload.uid.to_string(),
        hostname: workload.hostname.to_string(),
        services: workload.services.iter().map(|(key, p)| (key.to_string(), ports(p))).collect(),
        application_tunnel: None,
        locality: (locality != &Locality::default()).then(|| wire::Locality {
            region: locality.region.to_string(),
            zone: locality.zone.to_string(),
            subzone: locality.subzone.to_string(),
        }),
        network_mode: i32::from(workload.network_mode == NetworkMode::HostNetwork),
        extensions: vec![],
        capacity: (workload.capacity != 1).then_some(workload.capacity),
    }
}

/// Reads a service.
///
/// # Errors
/// A field that is missing or has a value without meaning.
pub fn service_from_wire(wire: wire::Service) -> Result<Service, Invalid> {
    if wire.hostname.is_empty() || wire.namespace.is_empty() {
        return Err(Invalid::Missing("namespace or hostname"));
    }
    let mut vips = Vec::new();
    let mut cidr_vips = Vec::new();
    for a in &wire.addresses {
        let found = network_address(a)?;
        let whole = if found.address.is_ipv4() { 32 } else { 128 };
        match a.length {
            None => vips.push(found),
            Some(length) if length == whole => vips.push(found),
            Some(length) if length < whole => {
                cidr_vips.push(Cidr { network: found.network, address: found.address, length: length as u8 });
            }
            Some(length) => return Err(invalid("length", length)),
        }
    }
    let mut ports = BTreeMap::new();
    for p in &wire.ports {
        let target = TargetPort { target_port: port("target_port", p.target_port)?, app_protocol: p.app_protocol };
        ports.insert(port("service_port", p.service_port)?, target);
    }
    let balancing = wire.load_balancing.unwrap_or_default();
    let scope = |s: &i32| {
        Ok(Some(match s {
            0 => return Ok(None),
            1 => Scope::Region,
            2 => Scope::Zone,
            3 => Scope::Subzone,
            4 => Scope::Node,
            5 => Scope::Cluster,
            6 => Scope::Network,
            other => return Err(invalid("routing_preference", other)),
        }))
    };
    Ok(Service {
        name: wire.name.into(),
        key: ServiceKey { namespace: wire.namespace.into(), hostname: wire.hostname.into() },
        vips,
        cidr_vips,
        ports,
        subject_alt_names: wire.subject_alt_names.into_iter().map(Name::from).collect(),
        waypoint: wire.waypoint.as_ref().map(gateway).transpose()?,
        weighted_waypoints: wire.weighted_waypoints.iter().map(weighted).collect::<Result<_, _>>()?,
        load_balancer: LoadBalancer {
            mode: match balancing.mode {
                0 => LoadBalancerMode::Standard,
                1 => LoadBalancerMode::Strict,
                2 => LoadBalancerMode::Failover,
                3 => LoadBalancerMode::Passthrough,
                other => return Err(invalid("load balancing mode", other)),
            },
            routing_preferences: balancing
                .routing_preference
                .iter()
                .filter_map(|s| scope(s).transpose())
                .collect::<Result<_, _>>()?,
            allow_unhealthy: balancing.health_policy == 1,
        },
        ip_families: match wire.ip_families {
            1 => IpFamilies::Ipv4Only,
            2 => IpFamilies::Ipv6Only,
            3 => IpFamilies::Dual,
            _ => IpFamilies::Automatic,
        },
        canonical: wire.canonical,
        ingress_use_waypoint: wire.ingress_use_waypoint,
        guarded: wire.extensions.iter().any(|extension| extension.name == GUARDED),
        visibility: match wire.visibility {
            0 => Visibility::Public,
            1 => Visibility::Namespace,
            other => return Err(invalid("visibility", other)),
        },
    })
}

fn weighted(wire: &wire::WeightedWaypoint) -> Result<WeightedWaypoint, Invalid> {
    let destination = wire.destination.as_ref().ok_or(Invalid::Missing("destination"))?;
    Ok(WeightedWaypoint { destination: gateway(destination)?, weight: wire.weight })
}

/// Writes a service.
#[must_use]
pub fn service_to_wire(service: &Service) -> wire::Service {
    let cidr = |c: &Cidr| wire::NetworkAddress {
        network: c.network.to_string(),
        address: octets(c.address),
        length: Some(c.length.into()),
    };
    let balancer = &service.load_balancer;
    wire::Service {
        name: service.name.to_string(),
        namespace: service.key.namespace.to_string(),
        hostname: service.key.hostname.to_string(),
        addresses: service.vips.iter().map(network_address_to_wire).chain(service.cidr_vips.iter().map(cidr)).collect(),
        ports: service
            .ports
            .iter()
            .map(|(port, t)| wire::Port {
                service_port: (*port).into(),
                target_port: t.target_port.into(),
                app_protocol: t.app_protocol,
            })
            .collect(),
        subject_alt_names: service.subject_alt_names.iter().map(ToString::to_string).collect(),
        waypoint: service.waypoint.as_ref().map(gateway_to_wire),
        load_balancing: (*balancer != LoadBalancer::default()).then(|| wire::LoadBalancing {
            routing_preference: balancer.routing_preferences.iter().map(|s| *s as i32 + 1).collect(),
            mode: balancer.mode as i32,
            health_policy: balancer.allow_unhealthy.into(),
        }),
        ip_families: service.ip_families as i32,
        extensions: service
            .guarded
            .then(|| wire::Extension { name: GUARDED.to_owned(), config: None })
            .into_iter()
            .collect(),
        canonical: service.canonical,
        ingress_use_waypoint: service.ingress_use_waypoint,
        weighted_waypoints: service
            .weighted_waypoints
            .iter()
            .map(|w| wire::WeightedWaypoint { destination: Some(gateway_to_wire(&w.destination)), weight: w.weight })
            .collect(),
        visibility: i32::from(service.visibility == Visibility::Namespace),
    }
}

/// Reads a policy; any condition that cannot be understood refuses it whole.
///
/// # Errors
/// A field that is missing or has a value without meaning.
pub fn policy_from_wire(wire: security::Authorization) -> Result<Policy, Invalid> {
    if wire.name.is_empty() {
        return Err(Invalid::Missing("name"));
    }
    let rule = |r: &security::Rule| r.clauses.iter().map(|c| c.matches.iter().map(match_from_wire).collect()).collect();
    Ok(Policy {
        name: wire.name.into(),
        namespace: wire.namespace.into(),
        scope: match wire.scope {
            0 => PolicyScope::Global,
            1 => PolicyScope::Namespace,
            2 => PolicyScope::WorkloadSelector,
            other => return Err(invalid("scope", other)),
        },
        action: match wire.action {
            0 => Action::Allow,
            1 => Action::Deny,
            other => return Err(invalid("action", other)),
        },
        rules: wire.rules.iter().map(rule).collect::<Result<_, Invalid>>()?,
        dry_run: wire.dry_run,
    })
}

fn match_from_wire(wire: &security::Match) -> Result<Match, Invalid> {
    if !wire.extensions.is_empty() {
        return Err(invalid("extensions", &wire.extensions[0].name));
    }
    let texts = |list: &[security::StringMatch]| list.iter().map(text_from_wire).collect::<Result<Vec<_>, _>>();
    let blocks = |list: &[security::Address]| {
        list.iter()
            .map(|a| {
                let address = address(&a.address)?;
                let whole = if address.is_ipv4() { 32 } else { 128 };
                let length =
                    u8::try_from(a.length).ok().filter(|l| *l <= whole).ok_or_else(|| invalid("length", a.length))?;
                Ok(Block { address, length })
            })
            .collect::<Result<Vec<_>, Invalid>>()
    };
    let ports = |list: &[u32]| list.iter().map(|p| port("port", *p)).collect::<Result<Vec<_>, _>>();
    let accounts = |list: &[security::ServiceAccountMatch]| {
        list.iter()
            .map(|a| ServiceAccountMatch {
                namespace: (*a.namespace).into(),
                service_account: (*a.service_account).into(),
            })
            .collect()
    };
    Ok(Match {
        namespaces: texts(&wire.namespaces)?,
        not_namespaces: texts(&wire.not_namespaces)?,
        principals: texts(&wire.principals)?,
        not_principals: texts(&wire.not_principals)?,
        service_accounts: accounts(&wire.service_accounts),
        not_service_accounts: accounts(&wire.not_service_accounts),
        source_ips: blocks(&wire.source_ips)?,
        not_source_ips: blocks(&wire.not_source_ips)?,
        destination_ips: blocks(&wire.destination_ips)?,
        not_destination_ips: blocks(&wire.not_destination_ips)?,
        destination_ports: ports(&wire.destination_ports)?,
        not_destination_ports: ports(&wire.not_destination_ports)?,
    })
}

fn text_from_wire(wire: &security::StringMatch) -> Result<StringMatch, Invalid> {
    use security::string_match::MatchType;
    Ok(match wire.match_type.as_ref().ok_or(Invalid::Missing("match_type"))? {
        MatchType::Exact(text) => StringMatch::Exact((**text).into()),
        MatchType::Prefix(text) => StringMatch::Prefix((**text).into()),
        MatchType::Suffix(text) => StringMatch::Suffix((**text).into()),
        MatchType::Presence(()) => StringMatch::Presence,
    })
}

/// Writes a policy.
#[must_use]
pub fn policy_to_wire(policy: &Policy) -> security::Authorization {
    let rule = |clauses: &Vec<Vec<Match>>| security::Rule {
        clauses: clauses.iter().map(|c| security::Clause { matches: c.iter().map(match_to_wire).collect() }).collect(),
    };
    security::Authorization {
        name: policy.name.to_string(),
        namespace: policy.namespace.to_string(),
        scope: policy.scope as i32,
        action: policy.action as i32,
        rules: policy.rules.iter().map(rule).collect(),
        dry_run: policy.dry_run,
        extensions: vec![],
    }
}

fn match_to_wire(m: &Match) -> security::Match {
    use security::string_match::MatchType;
    let texts = |list: &[StringMatch]| {
        let text = |t: &StringMatch| security::StringMatch {
            match_type: Some(match t {
                StringMatch::Exact(text) => MatchType::Exact(text.to_string()),
                StringMatch::Prefix(text) => MatchType::Prefix(text.to_string()),
                StringMatch::Suffix(text) => MatchType::Suffix(text.to_string()),
                StringMatch::Presence => MatchType::Presence(()),
            }),
        };
        list.iter().map(text).collect()
    };
    let blocks = |list: &[Block]| {
        list.iter().map(|b| security::Address { address: octets(b.address), length: b.length.into() }).collect()
    };
    let ports = |list: &[u16]| list.iter().map(|p| u32::from(*p)).collect();
    let accounts = |list: &[ServiceAccountMatch]| {
        list.iter()
            .map(|a| security::ServiceAccountMatch {
                namespace: a.namespace.to_string(),
                service_account: a.service_account.to_string(),
            })
            .collect()
    };
    security::Match {
        namespaces: texts(&m.namespaces),
        not_namespaces: texts(&m.not_namespaces),
        principals: texts(&m.principals),
        not_principals: texts(&m.not_principals),
        source_ips: blocks(&m.source_ips),
        not_source_ips: blocks(&m.not_source_ips),
        destination_ips: blocks(&m.destination_ips),
        not_destination_ips: blocks(&m.not_destination_ips),
        destination_ports: ports(&m.destination_ports),
        not_destination_ports: ports(&m.not_destination_ports),
        service_accounts: accounts(&m.service_accounts),
        not_service_accounts: accounts(&m.not_service_accounts),
        extensions: vec![],
    }
}
