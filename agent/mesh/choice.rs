//! What labels say of waypoints: functions of labels alone.

use std::collections::BTreeSet;

use source::{
    labels,
    object::{Map, ObjectKey},
};

use crate::gateway::Serves;

/// What a label says.
pub(super) enum Choice {
    /// Nothing: what is around decides.
    Unsaid,
    /// No waypoint.
    Never,
    /// This one.
    Named(ObjectKey),
}

/// Whose label it is that names a waypoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The object's own.
    Own,
    /// That of its namespace.
    Namespace,
}

/// Who asks for a waypoint.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    /// Its namespace.
    pub(super) namespace: &'a str,
    /// What it is, in a word.
    pub(super) what: &'static str,
    /// Whether a waypoint takes its traffic.
    pub(super) serves: fn(Serves) -> bool,
}

/// The word for a waypoint that will be used as soon as it is there and ready.
pub(super) const NOT_READY: &str = "WaypointIsNotReady";

/// Why a service or workload has no waypoint although a label names one.
pub(super) struct Unbound {
    /// The word for it in a status.
    pub(super) reason: &'static str,
    /// A sentence.
    pub(super) message: String,
}

/// Reads the label that names a waypoint.
pub(super) fn choice(labels: &Map, namespace: &str) -> Choice {
    match labels.get(labels::USE_WAYPOINT).map(String::as_str) {
        None | Some("") => Choice::Unsaid,
        Some("none") => Choice::Never,
        Some(name) => Choice::Named(named(name, labels.get(labels::USE_WAYPOINT_NAMESPACE), namespace)),
    }
}

/// Returns the name of a waypoint, which is in the namespace that is told, or in that of who names it.
pub(super) fn named(name: &str, elsewhere: Option<&String>, namespace: &str) -> ObjectKey {
    let namespace = elsewhere.filter(|n| !n.is_empty()).map_or(namespace, String::as_str).to_owned();
    ObjectKey { namespace, name: name.to_owned() }
}

/// Returns all waypoints that labels name.
pub(super) fn all_named(labels: Option<&Map>, namespace: &str) -> BTreeSet<ObjectKey> {
    let Some(labels) = labels else { return BTreeSet::new() };
    let first = match choice(labels, namespace) {
        Choice::Named(waypoint) => Some(waypoint),
        Choice::Unsaid | Choice::Never => None,
    };
    first.into_iter().chain(canary(labels, namespace)).collect()
}

/// Tells whether an object is part of a waypoint or another gateway, which has none before it.
pub(super) fn is_gateways(labels: &Map) -> bool {
    labels.contains_key(labels::GATEWAY_NAME) && labels.contains_key(labels::MANAGED)
}

/// Returns the waypoint that labels name to be tried.
pub(super) fn canary(labels: &Map, namespace: &str) -> Option<ObjectKey> {
    let name = labels.get(labels::USE_CANARY).filter(|name| !name.is_empty())?;
    Some(named(name, labels.get(labels::USE_CANARY_NAMESPACE), namespace))
}
