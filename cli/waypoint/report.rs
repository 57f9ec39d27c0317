//! How waypoints are: what their Gateways say, how many pods are ready, who is behind them, and who is not and why. A function of
//! what was found.

use agent::{
    binding::{self, Asker, Candidate, Whose},
    gateway::Serves,
};
use kube::ResourceExt;
use serde::Serialize;
use serde_json::Value;
use source::{ObjectKey, labels, object::Map};

use crate::{
    cluster::wait,
    waypoint::{
        enrol::{Kind, Labelled},
        view::{Member, Proxy, View},
        wish::REVISION,
    },
};

/// The control plane's word for a service that is bound, and to its canary if it has one.
const ACCEPTED: &str = "WaypointAccepted";
/// Its word for a waypoint that is not there, or was not ready yet.
const NOT_READY: &str = "WaypointIsNotReady";
/// Ours, where it says nothing.
const UNKNOWN: &str = "Unknown";

/// How a waypoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It takes traffic.
    Ready,
    /// The control plane has not said yet how it is.
    Unknown,
    /// It does not.
    NotReady,
}

/// A condition of the Gateway.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// A word.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// Somebody who names a waypoint and is not behind it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// What it is.
    pub kind: Kind,
    /// Its namespace and name.
    pub name: String,
    /// A word.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// Whether it passes by itself, once the waypoint is ready.
    pub pending: bool,
}

/// A pod that runs a waypoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Runner {
    /// Its name.
    pub name: String,
    /// Its node.
    pub node: String,
    /// Whether it is ready.
    pub ready: bool,
}

/// All about one waypoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it is of ambient's own class.
    #[serde(skip)]
    pub ours: bool,
    /// The class of its Gateway.
    pub class: String,
    /// The revision that the Gateway is labelled for.
    pub revision: Option<String>,
    /// Which traffic it takes.
    pub traffic: &'static str,
    /// How it is.
    pub state: State,
    /// Whether its Gateway is being deleted.
    pub deleting: bool,
    /// What the Gateway says.
    pub conditions: Vec<Condition>,
    /// How many pods are ready.
    pub ready: usize,
    /// How many there should be, if something says so.
    pub wanted: Option<usize>,
    /// Its pods.
    pub pods: Vec<Runner>,
    /// The namespaces that name it.
    pub namespaces: Vec<String>,
    /// The services behind it.
    pub bound_services: Vec<String>,
    /// The ServiceEntries behind it.
    pub bound_service_entries: Vec<String>,
    /// The services and ServiceEntries among these whose traffic goes direct, as there is nothing for it to do.
    pub spared: Vec<String>,
    /// The pods behind it.
    pub bound_pods: Vec<String>,
    /// Who names it and is not behind it.
    pub refused: Vec<Refused>,
}

impl Report {
    /// Returns the name with the namespace.
    pub fn title(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Returns how many services are behind it, those outside of the mesh among them.
    pub fn services(&self) -> usize {
        self.bound_services.len() + self.bound_service_entries.len()
    }

    /// Returns a condition.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Returns the number of pods that are ready, of how many.
    pub fn count(&self) -> String {
        self.wanted.map_or_else(|| self.ready.to_string(), |wanted| format!("{}/{wanted}", self.ready))
    }
}

/// Reports on all waypoints.
pub fn reports(view: &View) -> Vec<Report> {
    view.proxies.iter().map(|proxy| report(proxy, view)).collect()
}

fn report(proxy: &Proxy, view: &View) -> Report {
    let (gateway, key) = (&proxy.gateway, &proxy.gateway.key);
    let conditions = conditions(&gateway.status);
    let pods: Vec<Runner> = proxy
        .pods
        .iter()
        .map(|pod| Runner {
            name: pod.name_any(),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default(),
            ready: wait::is_ready(pod),
        })
        .collect();
    let mut report = Report {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        ours: proxy.waypoint.ours,
        class: gateway.spec.get("gatewayClassName").and_then(Value::as_str).unwrap_or_default().to_owned(),
        revision: gateway.labels.get(REVISION).cloned(),
        traffic: traffic(proxy.waypoint.serves),
        state: state(proxy, &conditions),
        deleting: gateway.deleting,
        conditions: conditions.into_iter().map(|(condition, _)| condition).collect(),
        ready: pods.iter().filter(|pod| pod.ready).count(),
        wanted: proxy.wanted,
        pods,
        namespaces: Vec::new(),
        bound_services: Vec::new(),
        bound_service_entries: Vec::new(),
        spared: Vec::new(),
        bound_pods: Vec::new(),
        refused: Vec::new(),
    };
    let names = |space: &&Labelled| binding::all_named(Some(&space.labels), &space.key.namespace).contains(key);
    report.namespaces = view.spaces.iter().filter(names).map(|space| space.key.name.clone()).collect();
    for member in &view.members {
        judge(member, proxy, view, &mut report);
    }
    report
}

/// Returns the word of the label.
pub fn traffic(serves: Serves) -> &'static str {
    match serves {
        Serves::Services => "service",
        Serves::Workloads => "workload",
        Serves::All => "all",
        Serves::Nothing => "none",
    }
}

/// Reads the conditions of a status, each with the generation that it speaks of.
fn conditions(status: &Value) -> Vec<(Condition, Option<i64>)> {
    let all = status.get("conditions").and_then(Value::as_array).into_iter().flatten();
    let text = |condition: &Value, key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    all.map(|condition| {
        let read = Condition {
            kind: text(condition, "type"),
            status: text(condition, "status"),
            reason: text(condition, "reason"),
            message: text(condition, "message"),
        };
        (read, condition.get("observedGeneration").and_then(Value::as_i64))
    })
    .collect()
}

/// What the Gateway says of another generation than the one that is there says nothing.
fn state(proxy: &Proxy, conditions: &[(Condition, Option<i64>)]) -> State {
    let programmed = conditions.iter().find(|(condition, _)| condition.kind == "Programmed");
    match programmed {
        _ if proxy.gateway.deleting => State::NotReady,
        Some((_, Some(generation))) if *generation < proxy.gateway.generation => State::Unknown,
        Some((condition, _)) if condition.status == "True" => State::Ready,
        Some((condition, _)) if condition.status == "False" => State::NotReady,
        _ => State::Unknown,
    }
}

/// Adds what is to be said of one who may be behind the waypoint.
fn judge(member: &Member, proxy: &Proxy, view: &View, report: &mut Report) {
    let (object, key) = (&member.object, &proxy.gateway.key);
    let namespace = object.key.namespace.as_str();
    let around = view.namespaces.get(namespace);
    let Some((whose, first)) = binding::first(&object.labels, around, namespace) else { return };
    let deciding = match whose {
        Whose::Own => Some(&object.labels),
        Whose::Namespace => around,
    };
    let canary = deciding.and_then(|labels| binding::canary(labels, namespace));
    let (is_first, is_canary) = (first == *key, canary.as_ref() == Some(key));
    let (what, serves): (_, fn(Serves) -> bool) = match object.kind {
        Kind::Service | Kind::ServiceEntry => ("service", Serves::services),
        // Nothing is shared between waypoints of traffic to pods.
        Kind::Pod if is_first => ("pod", Serves::workloads),
        Kind::Pod | Kind::Namespace => return,
    };
    if !is_first && !is_canary {
        return;
    }
    // That a namespace's waypoint leaves services or pods alone is what its Gateway says, and no refusal.
    if whose == Whose::Namespace && !serves(proxy.waypoint.serves) {
        return;
    }
    let candidate = Candidate { waypoint: Some(&proxy.waypoint), was_ready: proxy.waypoint.told_ready };
    // What is to go takes nothing new.
    let candidate = Some(candidate).filter(|_| !proxy.gateway.deleting);
    let label = if is_first { labels::USE_WAYPOINT } else { labels::USE_CANARY };
    let asker = Asker { namespace, what, serves };
    let empty = Map::new();
    let own = binding::usable(key, candidate, asker, around.unwrap_or(&empty), &format!("label {label}"));
    let name = format!("{namespace}/{}", object.key.name);
    let verdict = match (own, object.kind) {
        (own, Kind::Service | Kind::ServiceEntry) => of_service(member, key, is_first, own.err()),
        (Ok(_), _) => Verdict::Bound,
        (Err(unbound), _) => Verdict::Refused(unbound.reason.to_owned(), unbound.message),
    };
    match (verdict, object.kind) {
        (Verdict::Bound, Kind::Service | Kind::ServiceEntry) => {
            // The control plane names the label where it counts.
            if member.told.as_ref().is_some_and(|told| told.message.contains(labels::L7)) {
                report.spared.push(name.clone());
            }
            let bound = match object.kind {
                Kind::ServiceEntry => &mut report.bound_service_entries,
                _ => &mut report.bound_services,
            };
            bound.push(name);
        }
        (Verdict::Bound, _) => report.bound_pods.push(name),
        (Verdict::Refused(reason, message), kind) => {
            let pending = matches!(&*reason, NOT_READY | UNKNOWN);
            report.refused.push(Refused { kind, name, reason, message, pending });
        }
    }
}

enum Verdict {
    Bound,
    Refused(String, String),
}

/// What the control plane says of a service counts, as long as it speaks of this waypoint; else what it would say.
fn of_service(member: &Member, key: &ObjectKey, is_first: bool, own: Option<binding::Unbound>) -> Verdict {
    let name = format!("{}/{}", key.namespace, key.name);
    match (&member.told, own) {
        (Some(told), None) if told.holds && told.message.contains(&name) => {
            // Of a canary that is not used it says so beside the first waypoint, which is.
            match is_first || told.reason == ACCEPTED {
                true => Verdict::Bound,
                false => Verdict::Refused(told.reason.clone(), told.message.clone()),
            }
        }
        (Some(told), _) if !told.holds => Verdict::Refused(told.reason.clone(), told.message.clone()),
        (_, Some(own)) => Verdict::Refused(own.reason.to_owned(), own.message),
        (_, None) => Verdict::Refused(UNKNOWN.to_owned(), "the control plane has said nothing of it yet".to_owned()),
    }
}

#[cfg(test)]
mod tests;
