//! What a route is attached to in the mesh: services, and hosts of ServiceEntries.

use model::{
    l7::route::{OriginKind, Parent},
    workload::ServiceKey,
};
use source::api::route::ParentReference;

use crate::l7::{
    known::{Attachment, Lookup, Service},
    route::{Bound, Place},
    status::Condition,
};

/// A parent of the mesh.
#[derive(Clone, Debug)]
pub struct Attached<'a> {
    /// The reference.
    pub reference: &'a ParentReference,
    /// The services; none if it is refused.
    pub bound: Vec<Bound>,
    /// Why it is refused: a word of the API, and a sentence.
    pub refused: Option<(&'static str, String)>,
    /// Whether a waypoint looks at the route.
    pub waypoint: Option<Condition>,
}

/// Attaches a route to those of its parents that are of the mesh; gateways have others to look after them.
#[must_use]
pub fn attach<'a>(place: Place<'_>, parents: &'a [ParentReference]) -> Vec<Attached<'a>> {
    parents.iter().filter_map(|reference| one(place, reference)).collect()
}

fn one<'a>(place: Place<'_>, reference: &'a ParentReference) -> Option<Attached<'a>> {
    let lookup = place.lookup;
    let namespace = reference.namespace.as_deref().unwrap_or(&place.key.namespace);
    let services: Vec<ServiceKey> = match (&*reference.group, &*reference.kind) {
        ("" | "core", "Service") => vec![lookup.service_key(namespace, &reference.name)],
        ("networking.istio.io", "ServiceEntry") => lookup.entry(namespace, &reference.name).to_vec(),
        _ => return None,
    };
    // Whoever writes a route into another namespace than the service's writes it for its own clients (GEP-1294).
    let consumer = (namespace != place.key.namespace).then(|| (*place.key.namespace).into());
    let mut bound = Vec::new();
    let unmatched = |message| Some(("NoMatchingParent", message));
    let mut refused = None;
    if services.is_empty() {
        refused = unmatched(absent(reference, namespace));
    }
    for service in services {
        // What is not shown to the namespace is not there for it.
        let found = lookup.service(&service).filter(|found| found.audience.has(&place.key.namespace));
        match found.map(|found| port(found, reference)) {
            Some(Ok(port)) => match conflicting(place, &service, &(port, consumer.clone())) {
                Some(message) => refused = Some(("Conflicted", message)),
                None => bound.push(Bound { parent: Parent { service, port }, consumer: consumer.clone() }),
            },
            Some(Err(message)) => refused = unmatched(message),
            None => refused = unmatched(absent(reference, namespace)),
        }
    }
    let waypoint = bound.first().map(|bound| waypoint(lookup, &bound.parent.service));
    Some(Attached { reference, refused: refused.filter(|_| bound.is_empty()), bound, waypoint })
}

/// Says why a route of HTTP does not count at a service: one of gRPC is there.
fn conflicting(place: Place<'_>, service: &ServiceKey, at: &Attachment) -> Option<String> {
    let route = { place.kind == OriginKind::HTTPRoute }.then(|| place.lookup.grpc(service, at)).flatten()?;
    Some(format!(
        "GRPCRoute {}/{} is attached to the same service, and beside it a route of HTTP does not count: attach them to different ports",
        route.namespace, route.name
    ))
}

fn absent(reference: &ParentReference, namespace: &str) -> String {
    format!("there is no {} {namespace}/{}", reference.kind, reference.name)
}

/// Returns the port that is meant; a section of a service is one of its ports, by name.
fn port(service: &Service, reference: &ParentReference) -> Result<Option<u16>, String> {
    let named = |wanted: &str| service.ports.iter().find(|(_, name)| *name == wanted).map(|(port, _)| *port);
    let all = || {
        let ports: Vec<String> =
            service.ports.iter().map(|(port, name)| format!("{port} {name}").trim().to_owned()).collect();
        ports.join(", ")
    };
    let section = match &reference.section_name {
        Some(name) => {
            Some(named(name).ok_or_else(|| format!("sectionName: no port is named {name:?}; there are: {}", all()))?)
        }
        None => None,
    };
    match (reference.port, section) {
        (Some(port), _) if !service.ports.contains_key(&port) => {
            Err(format!("port: there is no port {port}; there are: {}", all()))
        }
        (Some(port), Some(section)) if port != section => Err(format!("port {port} and sectionName name two ports")),
        (port, section) => Ok(port.or(section)),
    }
}

fn waypoint(lookup: &Lookup<'_>, service: &ServiceKey) -> Condition {
    let binding = lookup.binding(service);
    match (binding.and_then(|b| b.refusal.as_ref()), binding.and_then(|b| b.waypoint.as_ref())) {
        (Some(refusal), _) => {
            let message = format!("nobody applies the route: {}", refusal.message);
            Condition::fails("ResolvedWaypoints", refusal.reason, message)
        }
        (None, Some(waypoint)) => {
            let message = format!("waypoint {}/{} applies the route", waypoint.namespace, waypoint.name);
            Condition::holds("ResolvedWaypoints", "ResolvedWaypoints", message)
        }
        (None, None) => Condition::fails(
            "ResolvedWaypoints",
            "MissingUseWaypointLabel",
            "nobody applies the route: label the service or its namespace with istio.io/use-waypoint",
        ),
    }
}
