//! VirtualService.

mod action;
mod delegate;
mod matches;
mod stream;

use std::collections::BTreeSet;

use model::{
    l7::{
        filter::Filter,
        matching::{HttpMatch, PathMatch, Source},
        route::{Action, Backend, BackendTarget, HttpRule, Mirror, Parent, StreamRule},
    },
    workload::ServiceKey,
};
use source::api::virtual_service::{self, Destination, HttpRoute, HttpRouteDestination, VirtualServiceSpec};

use crate::l7::{
    hosts::{Audience, full, wildcard},
    route::{Bound, Place, http::empty},
    status::joined,
    text::Headers,
};

/// The gateway that stands for the mesh itself.
const MESH: &str = "mesh";

/// What a virtual service becomes.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// For requests.
    pub http: Vec<HttpRule>,
    /// For connections.
    pub streams: Vec<StreamRule>,
    /// What does not do what it says.
    pub notes: BTreeSet<String>,
    /// The services that it is for.
    pub services: BTreeSet<ServiceKey>,
}

/// Tells whether gateways of an object or of a match are, or have among them, the mesh.
fn of_mesh(gateways: &[String]) -> bool {
    gateways.is_empty() || gateways.iter().any(|g| g == MESH)
}

/// Tells whether a virtual service is for the mesh: others are for gateways alone, or parts of such that delegate to them.
#[must_use]
pub fn concerns_mesh(spec: &VirtualServiceSpec) -> bool {
    of_mesh(&spec.gateways) && !spec.hosts.is_empty()
}

/// Converts a virtual service for all services that its hosts name.
///
/// In the service's namespace, or that of its waypoint, it is for all clients, as far as `exportTo` shows it to them; in
/// another one for the clients of that namespace.
///
/// # Errors
/// Something is wrong with it as such, whatever it refers to: all of it, one message each.
pub fn virtual_service(place: Place<'_>, spec: &VirtualServiceSpec) -> Result<Outcome, Vec<String>> {
    let mut out = Outcome::default();
    if !concerns_mesh(spec) {
        return Ok(out);
    }
    let (routes, mut faults) = delegate::expand(place, spec, &mut out.notes);
    let audience = Audience::of(&spec.export_to, &place.key.namespace);
    // What is wrong as such is told even where no service is meant, and once.
    let nobody = Parent { service: ServiceKey { namespace: "".into(), hostname: "".into() }, port: None };
    let probe = Bound { parent: nobody, consumer: None };
    let mut scratch = BTreeSet::new();
    for (index, route) in routes.iter().enumerate() {
        let made = rule(place, &probe, (index, route), &Audience::Everybody, &mut scratch);
        faults.extend(made.err().map(|why| format!("http[{}]: {why}", label(index, &route.name))));
    }
    faults.extend(stream::check(spec));
    if !faults.is_empty() {
        return Err(faults);
    }
    for bound in bound(place, spec, &audience) {
        // Whose rules they are, clients of one namespace alone see.
        let audience = if bound.consumer.is_some() { &Audience::Everybody } else { &audience };
        for (index, route) in routes.iter().enumerate() {
            out.http.extend(rule(place, &bound, (index, route), audience, &mut out.notes).ok().flatten());
        }
        out.streams.extend(stream::rules(place, &bound, spec, audience, &mut out.notes));
        out.services.insert(bound.parent.service);
    }
    Ok(out)
}

fn label(index: usize, name: &str) -> String {
    if name.is_empty() { index.to_string() } else { format!("{index} {name:?}") }
}

/// Returns the services that hosts name, and whose clients are meant.
fn bound(place: Place<'_>, spec: &VirtualServiceSpec, audience: &Audience) -> Vec<Bound> {
    let (lookup, own) = (place.lookup, &*place.key.namespace);
    let mut keys: BTreeSet<&ServiceKey> = BTreeSet::new();
    for host in &spec.hosts {
        let host = full(host, own, lookup.domain());
        let mut add = |host: &str| keys.extend(lookup.host(host).filter(|(_, s)| s.audience.has(own)).map(|(k, _)| k));
        add(&host);
        if let Some(domain) = wildcard(&host) {
            lookup.below(domain).for_each(|host| add(host));
        }
    }
    let one = |key: &ServiceKey| {
        let producer = &*key.namespace == own || lookup.waypoint(key).is_some_and(|w| w.namespace == own);
        let consumer = (!producer).then(|| own.into());
        (producer || audience.has(own)).then(|| Bound { parent: Parent { service: key.clone(), port: None }, consumer })
    };
    keys.into_iter().filter_map(one).collect()
}

/// Limits a condition over clients to an audience: one condition for each namespace of it.
fn shown(source: Source, audience: &Audience) -> Vec<Source> {
    match (audience, &source.namespace) {
        (Audience::Everybody, _) => vec![source],
        (Audience::Namespaces(names), Some(own)) => {
            if names.contains(&**own) {
                vec![source]
            } else {
                vec![]
            }
        }
        (Audience::Namespaces(names), None) => {
            names.iter().map(|name| Source { namespace: Some((**name).into()), ..source.clone() }).collect()
        }
    }
}

/// Makes the rule of a route; none if no request of the mesh can be meant.
fn rule(
    place: Place<'_>,
    bound: &Bound,
    (index, route): (usize, &HttpRoute),
    audience: &Audience,
    notes: &mut BTreeSet<String>,
) -> Result<Option<HttpRule>, String> {
    let mut rule = empty(place, bound, index, Some(&route.name));
    let Some(mut matches) = matches::http(&route.matches, audience)? else { return Ok(None) };
    let replaces = route.rewrite.as_ref().is_some_and(|r| r.uri.is_some())
        || route.redirect.as_ref().is_some_and(|r| r.prefix_rewrite.is_some());
    if replaces {
        // Where no path is told it is that of all, of which the slash is replaced.
        if matches.is_empty() {
            matches.push(HttpMatch::default());
        }
        for matched in matches.iter_mut().filter(|m| m.path.is_none()) {
            matched.path = Some(PathMatch::Prefix("/".into()));
        }
    }
    rule.matches = matches;
    rule.filters = filters(route)?;
    rule.action = match (&route.redirect, &route.direct_response, &*route.route) {
        (Some(redirect), None, []) => Action::Redirect(action::redirect(redirect)?),
        (None, Some(response), []) => Action::Respond(action::respond(response)?),
        (None, None, [_, ..]) => Action::Forward(forward(place, &route.route, notes)?),
        (None, None, []) => {
            return Err("one of route, redirect, directResponse and delegate has to be there".to_owned());
        }
        _ => return Err("route, redirect and directResponse exclude each other".to_owned()),
    };
    rule.timeout = route.timeout.map(|t| t.0).filter(|t| !t.is_zero());
    rule.retry = action::retry(route.retries.as_ref())?;
    rule.fault = route.fault.as_ref().map(action::fault).transpose()?;
    rule.cors = route.cors_policy.as_ref().map(action::cors).transpose()?;
    for (destination, share) in action::mirrors(route)? {
        let target = target(place, destination, notes);
        rule.mirrors.push(Mirror { target, share });
    }
    Ok(Some(rule))
}

fn filters(route: &HttpRoute) -> Result<Vec<Filter>, String> {
    let mut filters = headers(route.headers.as_ref())?;
    if let Some(rewrite) = &route.rewrite {
        filters.push(Filter::Rewrite(action::rewrite(rewrite)?));
    }
    Ok(filters)
}

fn headers(headers: Option<&virtual_service::Headers>) -> Result<Vec<Filter>, String> {
    let Some(headers) = headers else { return Ok(vec![]) };
    let mut filters = Vec::new();
    if let Some(request) = &headers.request {
        filters.extend(read(request).request_filters()?);
    }
    if let Some(response) = &headers.response {
        let change = read(response).change()?;
        filters.extend((!change.is_empty()).then_some(Filter::ResponseHeaders(change)));
    }
    Ok(filters)
}

fn read(operations: &virtual_service::HeaderOperations) -> Headers<'_> {
    Headers {
        set: operations.set.iter().map(|(k, v)| (&**k, &**v)).collect(),
        add: operations.add.iter().map(|(k, v)| (&**k, &**v)).collect(),
        remove: operations.remove.iter().map(String::as_str).collect(),
    }
}

fn forward(
    place: Place<'_>,
    routes: &[HttpRouteDestination],
    notes: &mut BTreeSet<String>,
) -> Result<Vec<Backend>, String> {
    let weights = weights(routes.iter().map(|r| r.weight))?;
    let one = |(route, weight): (&HttpRouteDestination, u32)| {
        let filters = headers(route.headers.as_ref())?;
        Ok(Backend { target: target(place, &route.destination, notes), weight, filters })
    };
    routes.iter().zip(weights).map(one).collect()
}

/// Returns the weights of destinations: a single one has all, whatever it says.
fn weights(written: impl ExactSizeIterator<Item = Option<u32>>) -> Result<Vec<u32>, String> {
    if written.len() == 1 {
        return Ok(vec![1]);
    }
    let weights: Vec<u32> = written.map(Option::unwrap_or_default).collect();
    if weights.iter().all(|w| *w == 0) { Err("the weights of all destinations are 0".to_owned()) } else { Ok(weights) }
}

/// Returns what a destination leads to; where that is nowhere, its share is answered with an error.
fn target(place: Place<'_>, destination: &Destination, notes: &mut BTreeSet<String>) -> BackendTarget {
    let own = &*place.key.namespace;
    let host = full(&destination.host, own, place.lookup.domain());
    let mut nowhere = |message: String| {
        notes.insert(message.clone());
        BackendTarget::Invalid(message.into())
    };
    let Some((key, service)) = place.lookup.meant(&host, own) else {
        return nowhere(format!("there is no service of host {host}"));
    };
    let wanted = destination.port.map(|p| p.number);
    let port = match (wanted, service.ports.len()) {
        (Some(port), _) if !service.ports.contains_key(&port) => {
            return nowhere(format!("{host} has no port {port}"));
        }
        (None, 1) => service.ports.keys().next().copied(),
        (port, _) => port,
    };
    let subset = destination.subset.as_deref().filter(|s| !s.is_empty()).map(Into::into);
    BackendTarget::Service { service: key.clone(), port, subset }
}

/// Says in one text what does not do what it says.
#[must_use]
pub fn told(notes: &BTreeSet<String>) -> String {
    joined(notes.iter().map(String::as_str))
}

#[cfg(test)]
mod tests;
