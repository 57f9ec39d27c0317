//! Endpoints that are only known by name: hosts outside of the mesh, which DNS knows.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use model::{Service, workload::Name};
use runtime::resolve::{Found, Names};

use super::{Endpoint, Failure, Hints, group::Group, plan::Plan};
use crate::{Shared, inbound::Inbound};

/// Tells whether the names of a plan's endpoints are resolved, at least one of them.
///
/// # Errors
/// Nobody asked for one of them yet; or none of them has an address, and there is no other endpoint.
pub fn resolved(shared: &Shared, known: &Names, plan: &Plan) -> Result<(), Failure> {
    if plan.names.is_empty() {
        return Ok(());
    }
    shared.names.keep(&plan.names);
    let unknown: Vec<Name> = plan.names.iter().filter(|name| known.get(name).is_none()).cloned().collect();
    if !unknown.is_empty() {
        return Err(Failure::Unresolved(unknown));
    }
    let failed = plan.names.iter().find_map(|name| Some((name, known.get(name)?.as_ref().as_ref().err()?)));
    match failed {
        Some((name, why)) if plan.refusal.is_some() => Err(Failure::Resolve(name.clone(), why.clone())),
        _ => Ok(()),
    }
}

/// Finds the endpoint of a service that stands for all hosts of a domain: the one that the client names, and no other.
///
/// # Errors
/// It names none, or none of that domain, or one without an address.
pub fn find(
    inbound: &Inbound,
    mut endpoint: Endpoint,
    (service, port, group): (&Service, u16, Arc<Group>),
    tried: &[SocketAddr],
    hints: &Hints<'_>,
) -> Result<Endpoint, Failure> {
    let pattern = &service.key.hostname;
    let name = host(hints.name.unwrap_or_default());
    if !covers(pattern, &name) {
        return Err(Failure::NotCovered(name, pattern.clone()));
    }
    let name = Name::from(name);
    let names = &inbound.shared.names;
    names.keep(std::slice::from_ref(&name));
    let found = names.names().get(&name).cloned().ok_or_else(|| Failure::Unresolved(vec![name.clone()]))?;
    let addresses = match &*found {
        Found::Ok(addresses) => addresses,
        Found::Err(why) => return Err(Failure::Resolve(name, why.clone())),
    };
    let port = service.ports.get(&port).ok_or_else(|| Failure::NoSuchPort(pattern.clone(), port))?.target_port;
    let fresh: Vec<IpAddr> =
        addresses.iter().copied().filter(|a| !tried.contains(&SocketAddr::new(*a, port))).collect();
    let of = if fresh.is_empty() { addresses } else { &fresh };
    let chosen = of.get(rand::random_range(0..of.len().max(1)));
    let chosen = chosen.ok_or_else(|| Failure::NoEndpoint(pattern.clone(), port))?;
    endpoint.address = SocketAddr::new(*chosen, port);
    endpoint.name = Some(name);
    endpoint.group = Some(group);
    Ok(endpoint)
}

/// Returns the host of an authority, in lower case.
fn host(authority: &str) -> String {
    let host = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    host.map_or(authority, |(host, _)| host).trim_end_matches('.').to_ascii_lowercase()
}

/// Tells whether a host is below the domain of a pattern, and the name of one at all.
fn covers(pattern: &str, host: &str) -> bool {
    let is_host = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
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
            ("*", "192.0.2.1:80", false),
            ("*", "[2001:db8::1]:80", false),
            ("a.test", "a.test", false),
        ] {
            assert_eq!(covers(pattern, &host(authority)), want, "{pattern} {authority}");
        }
    }
}
