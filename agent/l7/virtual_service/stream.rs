//! The routes of a virtual service for connections.

use std::collections::BTreeSet;

use model::{
    l7::{
        matching::Source,
        route::{Backend, StreamMatch, StreamRule},
    },
    policy::Block,
    workload::Name,
};
use source::api::virtual_service::{L4MatchAttributes, RouteDestination, TlsMatchAttributes, VirtualServiceSpec};

use crate::l7::{
    hosts::Audience,
    route::{Bound, Place},
    text::block,
    virtual_service::{matches::source, of_mesh, shown, target, weights},
};

/// Tells what is wrong with the routes as such.
#[must_use]
pub fn check(spec: &VirtualServiceSpec) -> Vec<String> {
    let all = Audience::Everybody;
    let tls = spec.tls.iter().enumerate().flat_map(|(index, route)| {
        let empty = route.matches.is_empty().then(|| "match has to be there".to_owned());
        let names = route.matches.iter().any(|m| m.sni_hosts.is_empty()).then(|| "sniHosts has to be there".to_owned());
        let matches = route.matches.iter().filter_map(|m| tls_match(m, &all).err());
        let faults = matches.chain(destinations(&route.route)).chain(empty).chain(names);
        faults.map(move |why| format!("tls[{index}]: {why}"))
    });
    let tcp = spec.tcp.iter().enumerate().flat_map(|(index, route)| {
        let matches = route.matches.iter().filter_map(|m| tcp_match(m, &all).err());
        matches.chain(destinations(&route.route)).map(move |why| format!("tcp[{index}]: {why}"))
    });
    tls.chain(tcp).collect()
}

fn destinations(written: &[RouteDestination]) -> Option<String> {
    if written.is_empty() {
        return Some("route has to be there".to_owned());
    }
    weights(written.iter().map(|r| r.weight)).err()
}

/// Converts the routes for a service; those for TLS stand before those for any connection, whose order they would not change.
#[must_use]
pub fn rules(
    place: Place<'_>,
    bound: &Bound,
    spec: &VirtualServiceSpec,
    audience: &Audience,
    notes: &mut BTreeSet<String>,
) -> Vec<StreamRule> {
    let tls = spec.tls.iter().map(|route| {
        let written = route.matches.iter().filter(|m| of_mesh(&m.gateways));
        (written.flat_map(|m| tls_match(m, audience).unwrap_or_default()).collect::<Vec<_>>(), true, &route.route)
    });
    let tcp = spec.tcp.iter().map(|route| {
        let all = [L4MatchAttributes::default()];
        let written = if route.matches.is_empty() { &all } else { &*route.matches };
        let open = route.matches.is_empty() && *audience == Audience::Everybody;
        let written = written.iter().filter(|m| of_mesh(&m.gateways));
        let matches: Vec<StreamMatch> = written.flat_map(|m| tcp_match(m, audience).unwrap_or_default()).collect();
        (if open { vec![] } else { matches }, !open, &route.route)
    });
    let mut out = Vec::new();
    for (index, (matches, conditional, routes)) in tls.chain(tcp).enumerate() {
        // All its conditions are for others: it is not for everything then.
        if conditional && matches.is_empty() {
            continue;
        }
        let weights = weights(routes.iter().map(|r| r.weight)).unwrap_or_default();
        let one = |(route, weight): (&RouteDestination, u32)| Backend {
            target: target(place, &route.destination, notes),
            weight,
            filters: vec![],
        };
        out.push(StreamRule {
            // Requests and connections are counted apart: the names of their rules are of two kinds.
            name: place.name(index, bound),
            parent: bound.parent.clone(),
            consumer: bound.consumer.clone(),
            origin: place.origin(index, None),
            matches,
            backends: routes.iter().zip(weights).map(one).collect(),
        });
    }
    out
}

fn tls_match(written: &TlsMatchAttributes, audience: &Audience) -> Result<Vec<StreamMatch>, String> {
    let names = written.sni_hosts.iter().map(|h| h.to_ascii_lowercase().into()).collect();
    let source = source(&written.source_namespace, &written.source_labels);
    stream_match(names, (&written.destination_subnets, &[]), written.port, source, audience)
}

fn tcp_match(written: &L4MatchAttributes, audience: &Audience) -> Result<Vec<StreamMatch>, String> {
    let sources: Vec<String> = Some(written.source_subnet.clone()).filter(|s| !s.is_empty()).into_iter().collect();
    let source = source(&written.source_namespace, &written.source_labels);
    stream_match(vec![], (&written.destination_subnets, &sources), written.port, source, audience)
}

fn stream_match(
    server_names: Vec<Name>,
    (destinations, sources): (&[String], &[String]),
    port: Option<u16>,
    source: Source,
    audience: &Audience,
) -> Result<Vec<StreamMatch>, String> {
    if port == Some(0) {
        return Err("match.port: 0 is no port".to_owned());
    }
    let whole = StreamMatch {
        server_names,
        destinations: blocks(destinations)?,
        port,
        sources: blocks(sources)?,
        source: Source::default(),
    };
    Ok(shown(source, audience).into_iter().map(|source| StreamMatch { source, ..whole.clone() }).collect())
}

fn blocks(written: &[String]) -> Result<Vec<Block>, String> {
    written.iter().map(|text| block(text).ok_or_else(|| format!("match: {text:?} is no address block"))).collect()
}
