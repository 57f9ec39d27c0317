//! Policies that a waypoint enforces: what they are attached to, and what they become.

pub mod authentication;
pub mod authorization;
pub mod rate_limit;

use model::{
    l7::{GatewayKey, Target},
    workload::ServiceKey,
};
use serde::Deserialize;
use serde_json::Value;
use source::{
    api::{istio::TargetReference, route::GROUP},
    object::ObjectKey,
};

use crate::l7::{known::Lookup, status::Condition};

/// The class of waypoints.
const CLASS: &str = "istio-waypoint";

/// The condition that says what became of a policy.
pub const ACCEPTED: &str = "WaypointAccepted";

/// The targets of a policy, which can be read even where the rest of it cannot.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Targeted {
    target_ref: Option<TargetReference>,
    target_refs: Vec<TargetReference>,
}

/// What a policy is attached to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attachment {
    /// The targets.
    pub targets: Vec<Target>,
    /// References that lead nowhere, and why.
    pub lost: Vec<String>,
    /// Targets that no waypoint stands before.
    pub unbound: Vec<String>,
}

impl Targeted {
    /// Reads the targets of a specification; none if it names none, or cannot be read.
    #[must_use]
    pub fn read(spec: &Value) -> Self {
        // Each list on its own: a fault in the other says nothing about it.
        let field = |name: &str| spec.get(name).filter(|v| !v.is_null()).cloned();
        Self {
            target_ref: field("targetRef").and_then(|v| serde_json::from_value(v).ok()),
            target_refs: field("targetRefs").and_then(|v| serde_json::from_value(v).ok()).unwrap_or_default(),
        }
    }

    /// Makes one of a single target.
    #[must_use]
    pub fn to(reference: TargetReference) -> Self {
        Self { target_ref: Some(reference), target_refs: vec![] }
    }

    /// Tells whether there is any: a policy without is no waypoint's.
    #[must_use]
    pub fn any(&self) -> bool {
        self.target_ref.is_some() || !self.target_refs.is_empty()
    }

    /// Attaches a policy.
    ///
    /// A service that is not there yet is a target all the same: it is guarded from its first request on.
    #[must_use]
    pub fn attach(&self, key: &ObjectKey, lookup: &Lookup<'_>) -> Attachment {
        let mut out = Attachment::default();
        for reference in self.target_ref.iter().chain(&self.target_refs) {
            if let Err(why) = one(reference, key, lookup, &mut out) {
                out.lost.push(format!("{} {}: {why}", reference.kind, reference.name));
            }
        }
        out
    }
}

fn one(reference: &TargetReference, key: &ObjectKey, lookup: &Lookup<'_>, out: &mut Attachment) -> Result<(), String> {
    let own = &*key.namespace;
    let TargetReference { group, kind, name, namespace } = reference;
    if namespace.as_deref().is_some_and(|n| !n.is_empty() && n != own) {
        return Err("a target is of the policy's own namespace".to_owned());
    }
    let mut service = |service: ServiceKey| {
        if lookup.service(&service).is_none() {
            out.lost.push(format!("{kind} {name} is not there"));
        } else if lookup.waypoint(&service).is_none() {
            let label = "istio.io/use-waypoint";
            out.unbound.push(format!("{kind} {name} has no waypoint: label it or its namespace with {label}"));
        }
        out.targets.push(Target::Service(service));
    };
    match (&**group, &**kind) {
        ("" | "core", "Service") => service(lookup.service_key(own, name)),
        ("networking.istio.io", "ServiceEntry") => {
            let hosts = lookup.entry(own, name);
            if hosts.is_empty() {
                return Err("it is not there".to_owned());
            }
            hosts.iter().cloned().for_each(service);
        }
        (GROUP, "Gateway") => {
            out.targets.push(Target::Waypoint(GatewayKey { namespace: own.into(), name: (**name).into() }));
        }
        (GROUP, "GatewayClass") if own != lookup.root() => {
            return Err(format!("only policies of namespace {} have a GatewayClass as their target", lookup.root()));
        }
        (GROUP, "GatewayClass") if name != CLASS => return Err(format!("only {CLASS} is a class of waypoints")),
        (GROUP, "GatewayClass") => out.targets.push(Target::AnyWaypoint),
        _ => return Err("no kind of a target: Service, ServiceEntry, Gateway and GatewayClass are".to_owned()),
    }
    Ok(())
}

/// Says what became of a policy: `faults` are what is wrong with it, and `effect` what comes of that.
#[must_use]
pub fn accepted(attachment: &Attachment, faults: &[String], effect: &str) -> Condition {
    let joined = |list: &[String]| crate::l7::status::joined(list.iter().map(String::as_str));
    if !faults.is_empty() {
        return Condition::fails(ACCEPTED, "Invalid", format!("{}; {effect}", joined(faults)));
    }
    match (attachment.targets.is_empty(), attachment.lost.is_empty(), attachment.unbound.is_empty()) {
        (_, false, _) => Condition::fails(ACCEPTED, "TargetNotFound", joined(&attachment.lost)),
        (_, true, false) => Condition::fails(ACCEPTED, "AncestorNotBound", joined(&attachment.unbound)),
        (_, true, true) => Condition::holds(ACCEPTED, "Accepted", "waypoints enforce it"),
    }
}

#[cfg(test)]
mod tests;
