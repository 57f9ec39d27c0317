//! What the references of a route lead to.

use model::l7::route::BackendTarget;
use source::{
    api::route::{BackendObjectReference, GROUP},
    object::ObjectKey,
};

use crate::l7::{
    known::Referrer,
    route::{Faults, Place},
};

/// Returns what a reference leads to. One that leads nowhere is noted, and its share is answered with an error.
#[must_use]
pub fn target(place: Place<'_>, reference: &BackendObjectReference, faults: &Faults) -> BackendTarget {
    resolve(place, reference).unwrap_or_else(|(reason, message)| {
        faults.reference(reason, message.clone());
        BackendTarget::Invalid(message.into())
    })
}

type Refusal = (&'static str, String);

fn resolve(place: Place<'_>, reference: &BackendObjectReference) -> Result<BackendTarget, Refusal> {
    let BackendObjectReference { group, kind, name, namespace, port } = reference;
    let own = &*place.key.namespace;
    let namespace = namespace.as_deref().unwrap_or(own);
    let not_found = |what: &str| ("BackendNotFound", format!("{what} is not there"));
    let key = match (&**group, &**kind) {
        ("" | "core", "Service") => place.lookup.service_key(namespace, name),
        ("networking.istio.io", "ServiceEntry") => {
            let found = place.lookup.entry(namespace, name).first();
            found.ok_or_else(|| not_found(&format!("ServiceEntry {namespace}/{name}")))?.clone()
        }
        // A host wherever it is described; who may see it, its object says.
        ("networking.istio.io", "Hostname") => {
            let found = place.lookup.meant(name, own).map(|(key, _)| key);
            found.ok_or_else(|| not_found(&format!("host {name}")))?.clone()
        }
        _ => {
            let kind = if group.is_empty() { kind.clone() } else { format!("{kind}.{group}") };
            return Err((
                "InvalidKind",
                format!("{kind} cannot be a backend; a Service, ServiceEntry or Hostname can"),
            ));
        }
    };
    let referrer = Referrer { group: GROUP, kind: &format!("{:?}", place.kind), namespace: own };
    let group = if group == "core" { "" } else { group };
    let to = ObjectKey { namespace: namespace.to_owned(), name: name.clone() };
    // The service that the route is attached to is where its requests go anyway (GEP-1294). Another one of another namespace is
    // reached with the waypoint's identity, and its owner has to agree. A missing permission is told before a missing object:
    // who may not refer does not learn what is there.
    let permitted = kind == "Hostname" || place.parents.contains(&key);
    if !permitted && !place.lookup.granted(referrer, group, kind, &to) {
        let message =
            format!("{kind} {namespace}/{name} is of another namespace, and no ReferenceGrant there permits it");
        return Err(("RefNotPermitted", message));
    }
    let service = place.lookup.service(&key).ok_or_else(|| not_found(&format!("{kind} {namespace}/{name}")))?;
    let Some(port) = *port else {
        return Err(("BackendNotFound", format!("the reference to {kind} {name} names no port")));
    };
    if !service.ports.contains_key(&port) {
        let ports: Vec<String> = service.ports.keys().map(u16::to_string).collect();
        let message = format!("{kind} {namespace}/{name} has no port {port}; it has {}", ports.join(", "));
        return Err(("BackendNotFound", message));
    }
    Ok(BackendTarget::Service { service: key, port: Some(port), subset: None })
}
