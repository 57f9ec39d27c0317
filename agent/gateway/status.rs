//! What the status of a waypoint's gateway says: a function of the gateway and of what runs it.

use std::net::IpAddr;

use model::workload::Destination;
use serde_json::{Value, json};
use source::{
    Kind,
    api::gateway::{GatewaySpec, Listener},
    object::Custom,
};

use crate::{
    deploy::Problem,
    gateway::{Fault, Waypoint, class::WRITER},
    status::Wanted,
};

/// What is known of what runs a waypoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether a pod is ready.
    pub ready: bool,
    /// Whether one was, once.
    pub was_ready: bool,
    /// The addresses of its service.
    pub addresses: Vec<IpAddr>,
    /// Why what runs it is not as it should be.
    pub problem: Option<Problem>,
}

struct Condition {
    kind: &'static str,
    holds: bool,
    reason: &'static str,
    message: String,
}

impl Condition {
    fn new(kind: &'static str, holds: bool, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, holds, reason, message: message.into() }
    }

    fn json(&self, generation: i64) -> Value {
        json!({
            "type": self.kind,
            "status": if self.holds { "True" } else { "False" },
            "reason": self.reason,
            "message": self.message,
            "observedGeneration": generation,
        })
    }
}

/// Returns what the status is to say.
#[must_use]
pub fn wanted(gateway: &Custom, waypoint: &Waypoint, facts: &Facts) -> Wanted {
    let conditions = [accepted(waypoint, facts), programmed(waypoint, facts)].map(|c| c.json(gateway.generation));
    let listeners: Vec<Value> = serde_json::from_value::<GatewaySpec>(gateway.spec.clone())
        .map(|spec| spec.listeners.iter().map(|l| listener(gateway, l, waypoint, facts)).collect())
        .unwrap_or_default();
    Wanted {
        kind: Kind::Gateway,
        key: gateway.key.clone(),
        served: gateway.served,
        version: gateway.version.clone(),
        writer: WRITER,
        status: json!({
            "addresses": addresses(waypoint, facts),
            "conditions": conditions,
            "listeners": listeners,
        }),
        owns: &[],
        observed: gateway.status.clone(),
    }
}

fn accepted(waypoint: &Waypoint, facts: &Facts) -> Condition {
    let blocking: Vec<&Fault> = waypoint.faults.iter().filter(|f| f.blocks).collect();
    let written = facts.problem.as_ref().filter(|problem| problem.is_written);
    match (blocking.first(), written) {
        (None, Some(problem)) => Condition::new("Accepted", false, problem.reason, problem.message.clone()),
        (None, None) => Condition::new("Accepted", true, "Accepted", "the gateway is a waypoint"),
        (Some(first), _) => {
            let reason = if first.listener.is_some() { "ListenersNotValid" } else { first.reason };
            let all: Vec<String> = blocking.iter().map(|f| told(f)).collect();
            Condition::new("Accepted", false, reason, all.join("; "))
        }
    }
}

fn told(fault: &Fault) -> String {
    match &fault.listener {
        Some(listener) => format!("listener {listener}: {}", fault.message),
        None => fault.message.clone(),
    }
}

fn programmed(waypoint: &Waypoint, facts: &Facts) -> Condition {
    let of = |holds, reason, message: String| Condition::new("Programmed", holds, reason, message);
    let traffic = match (facts.ready, facts.was_ready) {
        (true, _) => "the waypoint is ready",
        (false, true) => {
            "no pod of the waypoint is ready: traffic to what is bound to it is refused until one is (see its Deployment)"
        }
        (false, false) => {
            "no pod of the waypoint was ready yet: traffic to what names it goes direct until one is (see its Deployment)"
        }
    };
    let stays = "what runs the waypoint stays as it is until that is mended";
    match &facts.problem {
        _ if waypoint.faults.iter().any(|f| f.blocks) => {
            of(false, "Invalid", format!("the gateway is not accepted, and {stays}; {traffic}"))
        }
        Some(problem) if problem.is_written => {
            of(false, "Invalid", format!("the gateway is not accepted, and {stays}; {traffic}"))
        }
        Some(problem) => of(false, problem.reason, format!("{}; {stays}; {traffic}", problem.message)),
        None => match (facts.ready, facts.was_ready) {
            (true, _) => of(true, "Programmed", traffic.to_owned()),
            (false, true) => of(false, "NoResources", traffic.to_owned()),
            (false, false) => of(false, "Pending", traffic.to_owned()),
        },
    }
}

/// Returns where the waypoint is: by name, and by number. Once told they stay, whatever becomes of the pods: by them the mesh
/// knows after a restart that traffic is bound.
fn addresses(waypoint: &Waypoint, facts: &Facts) -> Vec<Value> {
    if !facts.was_ready && !facts.ready {
        return vec![];
    }
    let named = waypoint.address.iter().map(|address| match &address.destination {
        Destination::Hostname(key) => json!({ "type": "Hostname", "value": &*key.hostname }),
        Destination::Address(address) => json!({ "type": "IPAddress", "value": address.address.to_string() }),
    });
    let numbered = facts.addresses.iter().map(|a| json!({ "type": "IPAddress", "value": a.to_string() }));
    named.chain(numbered).collect()
}

fn listener(gateway: &Custom, listener: &Listener, waypoint: &Waypoint, facts: &Facts) -> Value {
    let own = |f: &&Fault| f.listener.as_ref() == Some(&listener.name);
    let fault = waypoint.faults.iter().find(own);
    let conflict = fault.filter(|f| f.reason == "ProtocolConflict");
    let judged = |fault: Option<&Fault>, kind, good, bad: bool| match fault {
        Some(fault) => Condition::new(kind, bad, fault.reason, fault.message.clone()),
        None => Condition::new(kind, !bad, good, ""),
    };
    let runs = programmed(waypoint, facts);
    let programmed = match fault {
        Some(_) => Condition::new("Programmed", false, "Invalid", "the listener is not valid"),
        None if runs.holds => Condition::new("Programmed", true, "Programmed", ""),
        None => Condition::new("Programmed", false, "Pending", runs.message),
    };
    let conditions = [
        judged(fault, "Accepted", "Accepted", false),
        judged(conflict, "Conflicted", "NoConflicts", true),
        Condition::new("ResolvedRefs", true, "ResolvedRefs", ""),
        programmed,
    ];
    // Routes of a mesh attach to services and not to the waypoint in front of them.
    json!({
        "name": listener.name,
        "supportedKinds": [],
        "attachedRoutes": 0,
        "conditions": conditions.map(|c| c.json(gateway.generation)),
    })
}
