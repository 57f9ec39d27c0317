//! Which labels put whom behind a waypoint, or take him away from one: functions of the objects that are there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use agent::{
    binding::{self, Choice},
    gateway::Serves,
};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;
use serde::Serialize;
use source::{ObjectKey, labels, object::Map};

use crate::error::Error;

/// Who is to be put behind a waypoint.
#[derive(Debug, Default, clap::Args)]
pub struct Whom {
    /// Put the namespace behind it: all services and pods that say nothing else themselves
    #[arg(long)]
    pub enroll_namespace: bool,
    /// Put a service of the namespace behind it; may be repeated
    #[arg(long, value_name = "SERVICE")]
    pub enroll_service: Vec<String>,
    /// Put the pods that run as a service account behind it, and the services that select only such; may be repeated. A new
    /// waypoint is then one for `all`, if --for says nothing
    #[arg(long, value_name = "ACCOUNT")]
    pub enroll_service_account: Vec<String>,
}

/// What carries labels that name a waypoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A namespace.
    Namespace,
    /// A service.
    Service,
    /// A service outside of the mesh.
    ServiceEntry,
    /// A pod.
    Pod,
}

impl Kind {
    /// Returns its name in a sentence.
    pub fn word(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Service => "service",
            Self::ServiceEntry => "ServiceEntry",
            Self::Pod => "pod",
        }
    }
}

/// An object with the labels that it has; a namespace is its own namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub key: ObjectKey,
    /// Its labels.
    pub labels: Map,
    /// Its resource version.
    pub version: Option<String>,
}

impl Labelled {
    /// Reads an object; `key` is its name.
    pub fn of(kind: Kind, object: &impl ResourceExt) -> Self {
        let namespace =
            if kind == Kind::Namespace { object.name_any() } else { object.namespace().unwrap_or_default() };
        let key = ObjectKey { namespace, name: object.name_any() };
        Self { kind, key, labels: object.labels().clone(), version: object.resource_version() }
    }
}

impl fmt::Display for Labelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Namespace => write!(f, "namespace {}", self.key.name),
            kind => write!(f, "{} {}/{}", kind.word(), self.key.namespace, self.key.name),
        }
    }
}

/// Labels of one object to set, or to take away where there is no value.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The object as it was looked at.
    pub object: Labelled,
    /// The labels.
    pub labels: BTreeMap<&'static str, Option<String>>,
}

/// Returns the step that puts an object behind a waypoint of its own namespace; none if it is there.
///
/// What names another one, or says `none`, somebody meant: it is changed only with `overwrite`.
pub fn enrol(object: &Labelled, waypoint: &ObjectKey, overwrite: bool) -> Result<Option<Step>, Error> {
    let other = match binding::choice(&object.labels, &object.key.namespace) {
        Choice::Named(named) if named == *waypoint => return Ok(None),
        Choice::Unsaid => None,
        Choice::Never => Some("none".to_owned()),
        Choice::Named(named) => Some(format!("{}/{}", named.namespace, named.name)),
    };
    if let Some(other) = other.filter(|_| !overwrite) {
        let label = labels::USE_WAYPOINT;
        return Err(Error::user(format!("{object} says {label}: {other} already; nothing was changed"))
            .hint("give --overwrite to put it behind this waypoint instead"));
    }
    let elsewhere = object.labels.contains_key(labels::USE_WAYPOINT_NAMESPACE);
    let name = (labels::USE_WAYPOINT, Some(waypoint.name.clone()));
    let labels = std::iter::once(name).chain(elsewhere.then_some((labels::USE_WAYPOINT_NAMESPACE, None)));
    Ok(Some(Step { object: object.clone(), labels: labels.collect() }))
}

/// Returns the step that takes all labels away by which an object names a waypoint; none if it names it not.
pub fn release(object: &Labelled, waypoint: &ObjectKey) -> Option<Step> {
    let namespace = &object.key.namespace;
    let mut gone = BTreeSet::new();
    if matches!(binding::choice(&object.labels, namespace), Choice::Named(named) if named == *waypoint) {
        gone.extend([labels::USE_WAYPOINT, labels::USE_WAYPOINT_NAMESPACE]);
    }
    if binding::canary(&object.labels, namespace).is_some_and(|named| named == *waypoint) {
        gone.extend([labels::USE_CANARY, labels::USE_CANARY_NAMESPACE]);
    }
    gone.retain(|label| object.labels.contains_key(*label));
    let labels: BTreeMap<_, _> = gone.into_iter().map(|label| (label, None)).collect();
    (!labels.is_empty()).then(|| Step { object: object.clone(), labels })
}

/// What belongs to a service account.
#[derive(Debug, Default, PartialEq)]
pub struct OfAccount {
    /// What is to be labelled.
    pub objects: Vec<Labelled>,
    /// Services that select other pods as well: names.
    pub mixed: Vec<String>,
    /// What makes the pods, which makes new ones without the label.
    pub makers: BTreeSet<String>,
}

/// Finds what is to be labelled for a service account: nothing but labels of services and of pods binds to a waypoint, so these
/// stand for it, as far as the waypoint takes their traffic.
pub fn of_account(account: &str, pods: &[Pod], services: &[Service], serves: Serves) -> OfAccount {
    let runs = |pod: &&Pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        !matches!(phase, Some("Succeeded" | "Failed")) && pod.metadata.deletion_timestamp.is_none()
    };
    let of = |pod: &Pod| {
        let spec = pod.spec.as_ref();
        spec.and_then(|spec| spec.service_account_name.as_deref()).filter(|name| !name.is_empty()).unwrap_or("default")
            == account
    };
    let running: Vec<&Pod> = pods.iter().filter(runs).filter(|pod| !binding::is_gateways(pod.labels())).collect();
    let mut found = OfAccount::default();
    if serves.workloads() {
        for pod in running.iter().filter(|pod| of(pod)) {
            found.objects.push(Labelled::of(Kind::Pod, *pod));
            found.makers.extend(maker(pod).filter(|_| !pod.labels().contains_key(labels::USE_WAYPOINT)));
        }
    }
    for service in services.iter().filter(|service| serves.services() && !binding::is_gateways(service.labels())) {
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        let Some(selector) = selector.filter(|selector| !selector.is_empty()) else { continue };
        let selected = |pod: &&&Pod| selector.iter().all(|(key, value)| pod.labels().get(key) == Some(value));
        let (own, others): (Vec<&Pod>, Vec<&Pod>) = running.iter().filter(selected).partition(|pod| of(pod));
        match (own.is_empty(), others.is_empty()) {
            (true, _) => {}
            (false, true) => found.objects.push(Labelled::of(Kind::Service, service)),
            (false, false) => found.mixed.push(service.name_any()),
        }
    }
    found
}

/// Returns what makes a pod: a Deployment instead of the ReplicaSet between them.
fn maker(pod: &Pod) -> Option<String> {
    let owner = pod.owner_references().iter().find(|owner| owner.controller == Some(true))?;
    let hash = pod.labels().get("pod-template-hash").filter(|_| owner.kind == "ReplicaSet");
    match hash.and_then(|hash| owner.name.strip_suffix(hash)?.strip_suffix('-')) {
        Some(deployment) => Some(format!("Deployment {deployment}")),
        None => Some(format!("{} {}", owner.kind, owner.name)),
    }
}

#[cfg(test)]
mod tests;
