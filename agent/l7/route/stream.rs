//! TCPRoute and TLSRoute.

use model::l7::route::{Backend, StreamMatch, StreamRule};
use source::api::{
    route::ParentReference,
    stream_route::{StreamRouteRule, TcpRouteSpec, TlsRouteSpec},
};

use crate::l7::route::{Bound, Converted, Faults, Place, backend, convert};

/// Converts a route of connections.
#[must_use]
pub fn tcp(place: Place<'_>, spec: &TcpRouteSpec) -> Converted<StreamRule> {
    streams(place, &spec.parent_refs, &spec.rules, &[])
}

/// Converts a route of TLS connections, by the names that their clients ask for.
#[must_use]
pub fn tls(place: Place<'_>, spec: &TlsRouteSpec) -> Converted<StreamRule> {
    let matched = StreamMatch {
        server_names: spec.hostnames.iter().map(|h| h.to_ascii_lowercase().into()).collect(),
        ..StreamMatch::default()
    };
    streams(place, &spec.parent_refs, &spec.rules, &[matched])
}

fn streams(
    place: Place<'_>,
    parents: &[ParentReference],
    rules: &[StreamRouteRule],
    matches: &[StreamMatch],
) -> Converted<StreamRule> {
    convert(place, parents, |place: Place<'_>, bound: &Bound, faults: &Faults| {
        let one = |(index, written): (usize, &StreamRouteRule)| StreamRule {
            name: place.name(index, bound),
            parent: bound.parent.clone(),
            consumer: bound.consumer.clone(),
            origin: place.origin(index, written.name.as_deref()),
            matches: matches.to_vec(),
            backends: written
                .backend_refs
                .iter()
                .map(|reference| Backend {
                    target: backend::target(place, &reference.object(), faults),
                    weight: reference.weight,
                    filters: vec![],
                })
                .collect(),
        };
        rules.iter().enumerate().map(one).collect()
    })
}
