//! The mesh, computed from the objects of the source: keyed and incremental, one change touches what depends on it.

mod canary;
mod entries;
mod pods;
mod policies;
mod publish;
mod services;
mod slices;
mod sparing;
mod waypoints;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

use model::{l7::GatewayKey, workload::ServiceKey};
use source::{
    Change, Kind, Object, labels,
    object::{self, Custom, Map, ObjectKey, Pod},
};
use xds::server;

use self::{
    entries::{Allotment, Claims, Entry, External, Selectors},
    waypoints::{State, User},
};
use crate::{
    gateway::Serves,
    l7::{Binding, Reach, Subject, Word},
    policy::{self, Converted},
    status::Wanted,
};

/// What is the same for the whole mesh.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace of mesh-wide policies.
    pub root: String,
    /// The cluster's name.
    pub cluster: String,
    /// The trust domain.
    pub trust_domain: String,
    /// The domain of service names.
    pub domain: String,
    /// The network of this cluster; empty is the one network.
    pub network: String,
    /// Whether waypoints are deployed here.
    pub deploys: bool,
}

#[derive(Default)]
struct InNamespace {
    labels: Map,
    annotations: Map,
    pods: BTreeMap<String, Pod>,
    services: BTreeMap<String, object::Service>,
    entries: BTreeMap<String, Entry>,
    /// What its entries select.
    selectors: Selectors,
    /// WorkloadEntries.
    externals: BTreeMap<String, External>,
    slices: BTreeMap<String, object::EndpointSlice>,
    peers: BTreeMap<String, Custom>,
    policies: BTreeMap<String, Converted>,
    gateways: BTreeMap<String, State>,
}

/// The mesh and all it was computed from.
pub struct Mesh {
    settings: Settings,
    namespaces: HashMap<String, InNamespace>,
    nodes: HashMap<String, Map>,
    classes: BTreeMap<String, Custom>,
    /// Who names a waypoint by a label of its own.
    users: HashMap<ObjectKey, BTreeSet<User>>,
    /// Who describes which host by a ServiceEntry; the first counts.
    hosts: HashMap<String, Claims>,
    /// Which ServiceEntries write which address.
    written: HashMap<IpAddr, BTreeSet<ObjectKey>>,
    /// The addresses of services of Kubernetes.
    vips: HashMap<IpAddr, ObjectKey>,
    allotment: Allotment,
    /// What waypoints have something to do about.
    ruled: HashSet<(Reach, Word)>,
    // What was published, so that a computation that yields nothing any more takes its resources back.
    endpoints: HashMap<ObjectKey, HashSet<String>>,
    converted: HashSet<String>,
}

/// What follows from a change.
#[derive(Debug, Default)]
pub struct Output {
    /// For the proxies.
    pub resources: Vec<server::Change>,
    /// For those who wrote the objects.
    pub statuses: Vec<Wanted>,
    /// For waypoints.
    pub waypoints: Waypoints,
}

/// What follows for waypoints.
#[derive(Debug, Default)]
pub struct Waypoints {
    /// Which of them are used by whom.
    pub bindings: Vec<(Subject, Binding)>,
    /// What each takes; none for what is no waypoint any more.
    pub served: Vec<(ObjectKey, Option<Serves>)>,
    /// Which are left out for a service while they have nothing to do, and take its traffic all the same; none any more for an
    /// empty list.
    pub sparing: Vec<(ServiceKey, BTreeSet<GatewayKey>)>,
}

impl Mesh {
    /// Makes a mesh without objects.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            namespaces: HashMap::new(),
            nodes: HashMap::new(),
            classes: BTreeMap::new(),
            users: HashMap::new(),
            hosts: HashMap::new(),
            written: HashMap::new(),
            vips: HashMap::new(),
            allotment: Allotment::default(),
            ruled: HashSet::new(),
            endpoints: HashMap::new(),
            converted: HashSet::new(),
        }
    }

    /// Takes a change in and returns what follows from it.
    pub fn apply(&mut self, change: Change) -> Output {
        let mut out = Output::default();
        let (kind, key, object) = match change {
            Change::Synced(kind) => {
                if kind == Kind::ServiceEntry {
                    self.allot_all(&mut out);
                }
                out.resources.push(publish::policy(&policy::strict(&self.settings.root)));
                return out;
            }
            Change::Served(..) => return out,
            Change::Apply(object) => (object.kind(), object.key(), Some(object)),
            Change::Delete(kind, key) => (kind, key, None),
        };
        match kind {
            Kind::Node => self.node(&key, object, &mut out),
            Kind::Namespace => self.namespace(&key, object, &mut out),
            Kind::Pod => self.pod(key, object, &mut out),
            Kind::Service => self.service(key, object, &mut out),
            Kind::EndpointSlice => self.slice(key, object, &mut out),
            Kind::PeerAuthentication => self.peer_authentication(&key, object, &mut out),
            Kind::AuthorizationPolicy => self.authorization(&key, object, &mut out),
            Kind::GatewayClass => self.class(key, object, &mut out),
            Kind::Gateway => self.gateway(&key, object, &mut out),
            Kind::ServiceEntry => self.entry(&key, object, &mut out),
            Kind::WorkloadEntry => self.workload_entry(&key, object, &mut out),
            Kind::RequestAuthentication
            | Kind::Telemetry
            | Kind::VirtualService
            | Kind::DestinationRule
            | Kind::HTTPRoute
            | Kind::GRPCRoute
            | Kind::TLSRoute
            | Kind::TCPRoute
            | Kind::ReferenceGrant
            | Kind::BackendTLSPolicy
            | Kind::XBackendTrafficPolicy
            | Kind::RateLimit => {}
        }
        out
    }

    fn namespace(&mut self, key: &ObjectKey, object: Option<Object>, out: &mut Output) {
        let space = self.namespaces.entry(key.name.clone()).or_default();
        let (labels, annotations) = match object {
            Some(Object::Namespace(n)) => (n.labels, n.annotations),
            _ => (Map::new(), Map::new()),
        };
        // Those that count for services.
        let differs = |annotation: &str| space.annotations.get(annotation) != annotations.get(annotation);
        let other_annotations = differs(labels::TRAFFIC_DISTRIBUTION) || differs(labels::CANARY_WEIGHT);
        let other_labels = space.labels != labels;
        let old = std::mem::replace(&mut space.labels, labels.clone());
        space.annotations = annotations;
        self.refer(User::Namespace(key.name.clone()), [Some(&old), Some(&labels)], &key.name);
        // The labels name a waypoint, and may be what another waypoint selects its users by.
        let space = &self.namespaces[&key.name];
        if other_labels {
            space.pods.values().for_each(|pod| self.publish_pod(pod, out));
            space.externals.values().for_each(|external| self.publish_external(external, out));
        }
        if other_labels || other_annotations {
            let entry = |name: &String| ObjectKey { namespace: key.name.clone(), name: name.clone() };
            space.entries.keys().for_each(|name| self.publish_entry(&entry(name), out));
        }
        if other_labels || other_annotations {
            space.services.values().for_each(|service| self.publish_service(service, out));
        }
    }

    fn network(&self) -> Arc<str> {
        (*self.settings.network).into()
    }

    fn pod_uid(&self, key: &ObjectKey) -> String {
        format!("{}//Pod/{}/{}", self.settings.cluster, key.namespace, key.name)
    }

    fn service_key(&self, key: &ObjectKey) -> ServiceKey {
        let hostname = format!("{}.{}.svc.{}", key.name, key.namespace, self.settings.domain);
        ServiceKey { namespace: (*key.namespace).into(), hostname: hostname.into() }
    }
}

#[cfg(test)]
mod tests;
