//! Endpoints that are only known by name: hosts outside of the mesh, which DNS knows.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use model::{
    Service, World,
    workload::{Name, Protocol},
};
use runtime::resolve::{Found, Known, Resolver};

use super::{Endpoint, Failure, group::Group, plan::Plan};
use crate::{Shared, inbound::Inbound};

/// Waits for names of whose addresses nothing is known yet.
///
/// # Errors
/// What failed, if it was something else; or its client has too many names asked for already.
pub async fn learn(inbound: &Inbound, failure: Failure) -> Result<(), Failure> {
    let (shared, client) = (&inbound.shared, &inbound.client.identity);
    match failure {
        Failure::Unresolved(names) => shared.names.configured.resolve(&names).await,
        Failure::Unheard(name) => {
            if shared.names.requested.resolve_for(client, &name).await.is_err() {
                shared.metrics.names_refused.inc();
                return Err(Failure::TooManyNames(name, client.to_string().into()));
            }
        }
        other => return Err(other),
    }
    Ok(())
}

/// Tells whether the names of a plan's endpoints are resolved, at least one of them.
///
/// # Errors
/// Nobody asked for one of them yet; or none of them has an address, and there is no other endpoint.
pub fn resolved(names: &Resolver, plan: &Plan) -> Result<(), Failure> {
    if plan.names.is_empty() {
        return Ok(());
    }
    names.keep(plan.names.values().flatten());
    let unknown: Vec<Name> =
        plan.names.iter().filter(|(_, known)| known.is_none()).map(|(name, _)| name.clone()).collect();
    if !unknown.is_empty() {
        return Err(Failure::Unresolved(unknown));
    }
    let why = |known: &Option<Known>| known.as_ref()?.found().as_ref().err().cloned();
    let failed = plan.names.iter().find_map(|(name, known)| Some((name.clone(), why(known)?)));
    match failed {
        Some((name, why)) if plan.refusal.is_some() => Err(Failure::Resolve(name, why)),
        _ => Ok(()),
    }
}

/// Finds the endpoint of a service that stands for all hosts of a domain: the one that the client names, and no other. DNS is asked
/// only where nothing else is in the way.
///
/// # Errors
/// It names none, or none of that domain, or one without an address, or one that leads where no client may lead.
pub fn find(
    inbound: &Inbound,
    world: &World,
    mut endpoint: Endpoint,
    (service, port, group): (&Service, u16, Arc<Group>),
    (tried, named): (&[SocketAddr], Option<&str>),
) -> Result<Endpoint, Failure> {
    let pattern = &service.key.hostname;
    let port = service.ports.get(&port).ok_or_else(|| Failure::NoSuchPort(pattern.clone(), port))?.target_port;
    let name = host(named.unwrap_or_default());
    if !covers(pattern, &name) {
        return Err(Failure::NotCovered(name, pattern.clone()));
    }
    let name = Name::from(name);
    let known = inbound.shared.names.requested.find(&name).ok_or_else(|| Failure::Unheard(name.clone()))?;
    let addresses = match known.found() {
        Found::Ok(addresses) => addresses,
        Found::Err(why) => return Err(Failure::Resolve(name, why.clone())),
    };
    let mut astray = None;
    let mut may = |address: &IpAddr| {
        let why = special(*address).or_else(|| inside(&inbound.shared, world, *address));
        astray = astray.or(why.map(|why| (*address, why)));
        why.is_none()
    };
    let addresses: Vec<IpAddr> = addresses.iter().copied().filter(&mut may).collect();
    let fresh: Vec<IpAddr> =
        addresses.iter().copied().filter(|a| !tried.contains(&SocketAddr::new(*a, port))).collect();
    let of = if fresh.is_empty() { &addresses } else { &fresh };
    let Some(chosen) = of.get(rand::random_range(0..of.len().max(1))) else {
        return Err(match astray {
            Some((address, why)) => Failure::Astray(name, address, why),
            None => Failure::NoEndpoint(pattern.clone(), port),
        });
    };
    endpoint.address = SocketAddr::new(*chosen, port);
    endpoint.name = Some(name);
    endpoint.group = Some(group);
    Ok(endpoint)
}

/// Where clouds tell their machines who they are, beside addresses of the link: with what is told there, whoever asks is the machine.
const METADATA: [IpAddr; 4] = [
    // Amazon's, Google's, Alibaba's, and Azure's.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

/// Tells why no name that a client chose may lead to an address, whoever has it: its owner in DNS may say what he likes, and what
/// this pod reaches there is not what the client would reach (IANA's registries of special-purpose addresses, RFC 6890).
fn special(address: IpAddr) -> Option<&'static str> {
    let address = match address.to_canonical() {
        // What a translator makes an address of version 4 of is as good as that (RFC 6052 2.1, RFC 3056 2, RFC 4291 2.5.5.1).
        IpAddr::V6(v6) => match v6.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => v4(high, low),
            // Where the translator's own prefix begins is not known: nobody needs it here (RFC 8215).
            [0x64, 0xff9b, 1, ..] => return Some("that is no address of a host"),
            [0, 0, 0, 0, 0, 0, high, low] if high != 0 => v4(high, low),
            _ => IpAddr::V6(v6),
        },
        v4 => v4,
    };
    if METADATA.contains(&address) {
        return Some("that is what a cloud tells its machines");
    }
    if address.is_loopback() || address.is_unspecified() {
        return Some("that is the waypoint itself");
    }
    let (local, shared) = match address {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets()[0] == 0 || v4.octets()[0] >= 224),
        // Of 2001:2::/48 are the mesh's own addresses of hosts, as of 240.0.0.0/4.
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), v6.is_multicast() || v6.segments().starts_with(&[0x2001, 2, 0])),
    };
    match (local, shared) {
        (true, _) => Some("that is on the waypoint's own link"),
        (_, true) => Some("that is no address of a host"),
        _ => None,
    }
}

fn v4(high: u16, low: u16) -> IpAddr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    IpAddr::from([a, b, c, d])
}

/// Tells why no name that a client chose may lead to an address of the mesh: what is enrolled would take the waypoint's connection
/// as one of nobody's, and who is refused there by name would get in.
fn inside(shared: &Shared, world: &World, address: IpAddr) -> Option<&'static str> {
    if shared.config.instance_ip.parse() == Ok(address) {
        return Some("that is the waypoint itself");
    }
    let network = Name::from(shared.config.network.as_str());
    if world.workload_at(&network, address).is_some_and(|workload| workload.protocol == Protocol::Hbone) {
        return Some("that is a workload of the mesh");
    }
    let service = world.service_at(&network, address, &shared.config.waypoint.namespace)?;
    let enrolled = world.endpoints(&service.key).any(|endpoint| endpoint.workload.protocol == Protocol::Hbone);
    enrolled.then_some("that is a service of the mesh")
}

/// Returns the host of an authority, in lower case.
fn host(authority: &str) -> String {
    let host = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    host.map_or(authority, |(host, _)| host).trim_end_matches('.').to_ascii_lowercase()
}

/// Tells whether a host is below the domain of a pattern, and the name of one at all.
fn covers(pattern: &str, host: &str) -> bool {
    // A single label would be looked for in the domains of this pod. What is too long is no name (RFC 1035 2.3.4).
    let fits = host.len() <= 253 && host.split('.').all(|label| (1..=63).contains(&label.len()));
    let is_host = fits && host.contains('.') && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let is_address = host.parse::<IpAddr>().is_ok();
    let below = match pattern.strip_prefix('*') {
        Some("") => true,
        Some(domain) => host.strip_suffix(domain).is_some_and(|label| !label.is_empty()),
        None => false,
    };
    is_host && !is_address && below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_client_leads_to_what_is_not_for_clients() {
        for (address, refused) in [
            ("192.0.2.1", false),
            ("10.0.0.1", false),
            ("fd00::1", false),
            ("127.0.0.2", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("::127.0.0.1", true),
            ("0.0.0.0", true),
            ("169.254.169.254", true),
            ("64:ff9b::a9fe:a9fe", true),
            ("64:ff9b:1::a9fe:a9fe", true),
            ("2002:a9fe:a9fe::1", true),
            ("fe80::1", true),
            ("fd00:ec2::254", true),
            ("fd20:ce::254", true),
            ("100.100.100.200", true),
            ("168.63.129.16", true),
            ("224.0.0.1", true),
            ("240.240.0.1", true),
            ("2001:2::1", true),
            ("ff02::1", true),
        ] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(special(address).is_some(), refused, "{address}");
        }
    }

    #[test]
    fn what_is_too_long_is_no_name() {
        let label = "a".repeat(63);
        let long = format!("{label}.{label}.{label}.wild.test");
        assert!(covers("*.wild.test", &long) && !covers("*.wild.test", &format!("{label}.{label}.{long}")));
        assert!(!covers("*.wild.test", &format!("a{label}.wild.test")) && !covers("*.wild.test", "a..wild.test"));
    }

    #[test]
    fn only_hosts_of_the_domain_are_covered() {
        for (pattern, authority, want) in [
            ("*.wild.test", "a.wild.test", true),
            ("*.wild.test", "A.b.Wild.test.:8080", true),
            ("*.wild.test", "wild.test", false),
            ("*.wild.test", ".wild.test", false),
            ("*.wild.test", "evil.test", false),
            ("*.wild.test", "awild.test", false),
            ("*.wild.test", "x@a.wild.test", false),
            ("*.wild.test", "", false),
            ("*", "a.test", true),
            ("*", "kubernetes", false),
            ("*", "192.0.2.1:80", false),
            ("*", "[2001:db8::1]:80", false),
            ("a.test", "a.test", false),
        ] {
            assert_eq!(covers(pattern, &host(authority)), want, "{pattern} {authority}");
        }
    }
}
