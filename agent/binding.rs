//! What labels say of waypoints, and who may use which: functions of objects alone. The mesh binds by them, and the command line
//! explains by them.

use std::collections::BTreeSet;

use model::workload::GatewayAddress;
use source::{
    labels,
    object::{Map, ObjectKey},
};

use crate::gateway::{Serves, Waypoint, select};

/// What a label says.
pub enum Choice {
    /// Nothing: what is around decides.
    Unsaid,
    /// No waypoint.
    Never,
    /// This one.
    Named(ObjectKey),
}

/// Whose label it is that names a waypoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The object's own.
    Own,
    /// That of its namespace.
    Namespace,
}

/// Who asks for a waypoint.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// What it is, in a word.
    pub what: &'static str,
    /// Whether a waypoint takes its traffic.
    pub serves: fn(Serves) -> bool,
}

/// The word for a waypoint that will be used as soon as it is there and ready.
pub const NOT_READY: &str = "WaypointIsNotReady";

/// Why a service or workload has no waypoint although a label names one.
pub struct Unbound {
    /// The word for it in a status.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

/// A gateway that somebody names.
#[derive(Clone, Copy)]
pub struct Candidate<'a> {
    /// None if it is no waypoint.
    pub waypoint: Option<&'a Waypoint>,
    /// Whether a pod of it was ready once.
    pub was_ready: bool,
}

/// Returns where the waypoint of this name is, if it may be used by who asks: its namespace has these labels, and `named_by` says
/// what names the waypoint. There is no candidate where there is no such gateway.
///
/// # Errors
/// Why it may not be used.
pub fn usable(
    key: &ObjectKey,
    candidate: Option<Candidate<'_>>,
    asker: Asker<'_>,
    around: &Map,
    named_by: &str,
) -> Result<GatewayAddress, Unbound> {
    let name = format!("{}/{}", key.namespace, key.name);
    let refuse = |reason, message| Err(Unbound { reason, message });
    let Some(candidate) = candidate else {
        let message = format!(
            "there is no Gateway {name}, which {named_by} names: make it with `ambient waypoint apply`, or mend the label"
        );
        return refuse(NOT_READY, message);
    };
    let Some(waypoint) = candidate.waypoint else {
        let message = format!("Gateway {name} is no waypoint: it has no listener of protocol HBONE");
        return refuse("AttachmentDenied", message);
    };
    let namespace = asker.namespace;
    if !select::allows(&waypoint.allowed, key.namespace == namespace, around) {
        let message = format!(
            "Gateway {name} does not allow namespace {namespace}: see allowedRoutes.namespaces of its listener"
        );
        return refuse("AttachmentDenied", message);
    }
    if !(asker.serves)(waypoint.serves) {
        let (what, label) = (asker.what, labels::WAYPOINT_FOR);
        let message = format!(
            "waypoint {name} takes no traffic to {what}s: see label {label} of Gateway {name} and of its class"
        );
        return refuse("UnsupportedTrafficType", message);
    }
    match &waypoint.address {
        Some(address) if candidate.was_ready => Ok(address.clone()),
        _ => {
            let message = format!("waypoint {name} was not ready yet: see the status of Gateway {name}");
            refuse(NOT_READY, message)
        }
    }
}

/// Reads the label that names a waypoint.
#[must_use]
pub fn choice(labels: &Map, namespace: &str) -> Choice {
    match labels.get(labels::USE_WAYPOINT).map(String::as_str) {
        None | Some("") => Choice::Unsaid,
        Some("none") => Choice::Never,
        Some(name) => Choice::Named(named(name, labels.get(labels::USE_WAYPOINT_NAMESPACE), namespace)),
    }
}

/// Returns the waypoint that an object's own labels name, else those around it, and whose labels did; none if they name none.
#[must_use]
pub fn first(own: &Map, around: Option<&Map>, namespace: &str) -> Option<(Whose, ObjectKey)> {
    let (whose, choice) = match choice(own, namespace) {
        Choice::Unsaid => (Whose::Namespace, choice(around?, namespace)),
        own => (Whose::Own, own),
    };
    match choice {
        Choice::Named(key) if !is_gateways(own) => Some((whose, key)),
        _ => None,
    }
}

/// Returns the name of a waypoint, which is in the namespace that is told, or in that of who names it.
#[must_use]
pub fn named(name: &str, elsewhere: Option<&String>, namespace: &str) -> ObjectKey {
    let namespace = elsewhere.filter(|n| !n.is_empty()).map_or(namespace, String::as_str).to_owned();
    ObjectKey { namespace, name: name.to_owned() }
}

/// Returns all waypoints that labels name.
#[must_use]
pub fn all_named(labels: Option<&Map>, namespace: &str) -> BTreeSet<ObjectKey> {
    let Some(labels) = labels else { return BTreeSet::new() };
    let first = match choice(labels, namespace) {
        Choice::Named(waypoint) => Some(waypoint),
        Choice::Unsaid | Choice::Never => None,
    };
    first.into_iter().chain(canary(labels, namespace)).collect()
}

/// Tells whether an object is part of a waypoint or another gateway, which has none before it.
#[must_use]
pub fn is_gateways(labels: &Map) -> bool {
    labels.contains_key(labels::GATEWAY_NAME) && labels.contains_key(labels::MANAGED)
}

/// Returns the waypoint that labels name to be tried.
#[must_use]
pub fn canary(labels: &Map, namespace: &str) -> Option<ObjectKey> {
    let name = labels.get(labels::USE_CANARY).filter(|name| !name.is_empty())?;
    Some(named(name, labels.get(labels::USE_CANARY_NAMESPACE), namespace))
}
