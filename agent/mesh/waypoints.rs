//! Which service and which workload has which waypoint.
//!
//! A label on the object, else on its namespace, names the waypoint. What is bound stays bound for as long as the waypoint exists:
//! traffic that was let through its policies does not pass by them because no pod of it is ready. A waypoint that was never ready
//! is not used yet, so that nothing is lost before it can carry on; the object's status says so.

use model::workload::GatewayAddress;
use serde_json::{Value, json};
use source::{
    Kind, Object, labels,
    object::{Custom, Map, ObjectKey, Pod, Service},
};

use crate::{
    deploy::{Deployed, Problem},
    gateway::{self, Names, Waypoint, select, status::Facts},
    mesh::{InNamespace, Mesh, Output, pods::serves, services::selects},
    status::Wanted,
};

/// The condition that says what became of a label.
const BOUND: &str = "istio.io/WaypointBound";
/// Who writes it.
const WRITER: &str = "istio-ambient-service";

/// Who names a waypoint by a label of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum User {
    /// A namespace, for all that is in it and says nothing itself.
    Namespace(String),
    /// A service.
    Service(ObjectKey),
    /// A pod.
    Pod(ObjectKey),
}

/// What is known of a gateway.
pub(super) struct State {
    gateway: Custom,
    /// None if it is no waypoint.
    waypoint: Option<Waypoint>,
    /// It was ready once, since this process runs or as its status tells.
    was_ready: bool,
    /// Why what runs it is not as it should be.
    problem: Option<Problem>,
}

/// What a label says.
enum Choice<'a> {
    /// Nothing: what is around decides.
    Unsaid,
    /// No waypoint.
    Never,
    /// This one.
    Named(ObjectKey, &'a str),
}

/// Why a service or workload has no waypoint although a label names one.
struct Unbound {
    reason: &'static str,
    message: String,
}

fn choice<'a>(labels: &Map, namespace: &str, whose: &'a str) -> Choice<'a> {
    match labels.get(labels::USE_WAYPOINT).map(String::as_str) {
        None | Some("") => Choice::Unsaid,
        Some("none") => Choice::Never,
        Some(name) => {
            let elsewhere = labels.get(labels::USE_WAYPOINT_NAMESPACE).filter(|n| !n.is_empty());
            let namespace = elsewhere.map_or(namespace, String::as_str).to_owned();
            Choice::Named(ObjectKey { namespace, name: name.to_owned() }, whose)
        }
    }
}

/// Tells whether an object is part of a waypoint or another gateway, which has none before it.
fn is_gateways(labels: &Map) -> bool {
    labels.contains_key(labels::GATEWAY_NAME) && labels.contains_key(labels::MANAGED)
}

impl Mesh {
    /// Takes in which labels somebody had and has.
    pub(super) fn refer(&mut self, user: User, [old, new]: [Option<&Map>; 2], namespace: &str) {
        let named = |labels: Option<&Map>| match choice(labels?, namespace, "") {
            Choice::Named(waypoint, _) => Some(waypoint),
            Choice::Unsaid | Choice::Never => None,
        };
        let (old, new) = (named(old), named(new));
        if old == new {
            return;
        }
        if let Some(old) = old
            && let Some(users) = self.users.get_mut(&old)
        {
            users.remove(&user);
            if users.is_empty() {
                self.users.remove(&old);
            }
        }
        if let Some(new) = new {
            self.users.entry(new).or_default().insert(user);
        }
    }

    pub(super) fn class(&mut self, key: ObjectKey, object: Option<Object>, out: &mut Output) {
        match object {
            Some(Object::Custom(_, class)) => {
                out.statuses.extend(gateway::class::status(&class));
                self.classes.insert(key.name.clone(), class);
            }
            _ => drop(self.classes.remove(&key.name)),
        }
        let of_class = |gateway: &Custom| gateway.spec.get("gatewayClassName") == Some(&Value::from(&*key.name));
        let gateways = self.namespaces.values().flat_map(|s| s.gateways.values());
        let gateways: Vec<Custom> = gateways.filter(|s| of_class(&s.gateway)).map(|s| s.gateway.clone()).collect();
        for gateway in gateways {
            self.gateway(&gateway.key.clone(), Some(Object::Custom(Kind::Gateway, gateway)), out);
        }
    }

    pub(super) fn gateway(&mut self, key: &ObjectKey, object: Option<Object>, out: &mut Output) {
        let new = match object {
            // What is to go takes nothing new, and its pods may go first.
            Some(Object::Custom(_, gateway)) if !gateway.deleting => Some(self.state(gateway)),
            _ => None,
        };
        let space = self.namespaces.entry(key.namespace.clone()).or_default();
        let mut new = new;
        if let (Some(new), Some(old)) = (&mut new, space.gateways.get(&key.name))
            && old.gateway.uid == new.gateway.uid
        {
            new.was_ready |= old.was_ready;
            new.problem = old.problem.clone();
        }
        let concerns = |state: &State| (state.waypoint.as_ref().map(binding), state.was_ready);
        let after = new.as_ref().map(concerns);
        let old = match new {
            Some(new) => space.gateways.insert(key.name.clone(), new),
            None => space.gateways.remove(&key.name),
        };
        if old.as_ref().map(concerns) != after {
            self.rebind(key, out);
        }
        out.statuses.extend(self.gateway_status(key));
    }

    fn names(&self) -> Names<'_> {
        Names { domain: &self.settings.domain, network: &self.settings.network }
    }

    fn state(&self, gateway: Custom) -> State {
        let class = gateway.spec.get("gatewayClassName").and_then(Value::as_str);
        let waypoint = gateway::read(&gateway, class.and_then(|c| self.classes.get(c)), self.names());
        let was_ready = waypoint.as_ref().is_some_and(|w| w.told_ready || (w.ours && self.count(w).0 > 0));
        let problem = waypoint.as_ref().filter(|w| w.deployed && !self.settings.deploys).map(|_| Problem::no_image());
        State { gateway, waypoint, was_ready, problem }
    }

    /// Takes in what became of the objects that run a waypoint.
    pub fn deployed(&mut self, deployed: Deployed) -> Output {
        let mut out = Output::default();
        let key = deployed.key;
        let state = self.namespaces.get_mut(&key.namespace).and_then(|s| s.gateways.get_mut(&key.name));
        // Another of the same name has an outcome of its own.
        if let Some(state) = state.filter(|state| state.gateway.uid == deployed.uid) {
            state.problem = deployed.problem;
            out.statuses.extend(self.gateway_status(&key));
        }
        out
    }

    /// Counts the pods behind a waypoint: those that are ready, and all.
    fn count(&self, waypoint: &Waypoint) -> (usize, usize) {
        let service = waypoint.service.as_ref();
        let space = service.and_then(|s| self.namespaces.get(&s.namespace));
        let found = space.and_then(|s| Some((s, s.services.get(&service?.name)?)));
        // One of the same name that was there before is none of ours, whatever stands behind it.
        let is_made =
            |s: &Service| is_gateways(&s.labels) && s.labels.get(labels::GATEWAY_NAME) == Some(&waypoint.key.name);
        let Some((space, service)) = found.filter(|(_, service)| !waypoint.deployed || is_made(service)) else {
            return (0, 0);
        };
        let behind = space.pods.values().filter(|pod| selects(&service.selector, pod) && !pod.ended);
        behind.fold((0, 0), |(ready, all), pod| (ready + usize::from(serves(pod)), all + 1))
    }

    /// Looks again at waypoints behind a service that changed.
    pub(super) fn served_by(&mut self, service: &ObjectKey, out: &mut Output) {
        let behind =
            |state: &&State| state.waypoint.as_ref().is_some_and(|w| w.ours && w.service.as_ref() == Some(service));
        // A gateway may name a service of another namespace; such ones are few.
        let all = self.namespaces.values().flat_map(|s| s.gateways.values());
        let gateways: Vec<ObjectKey> = all.filter(behind).map(|s| s.gateway.key.clone()).collect();
        gateways.iter().for_each(|gateway| self.look_again(gateway, out));
    }

    /// Looks again at waypoints that pods belong to which changed.
    pub(super) fn runs<'a>(&mut self, namespace: &str, pods: impl Iterator<Item = &'a Pod>, out: &mut Output) {
        let Some(space) = self.namespaces.get(namespace) else { return };
        let pods: Vec<&Pod> = pods.collect();
        // Pods of deployed waypoints say whose they are; others are found by the service that a gateway names.
        let of = |state: &&State| {
            let service = state.waypoint.as_ref().filter(|w| w.ours).and_then(|w| w.service.as_ref());
            let service = service.filter(|s| s.namespace == namespace).and_then(|s| space.services.get(&s.name));
            service.is_some_and(|service| pods.iter().any(|pod| selects(&service.selector, pod)))
        };
        let gateways: Vec<ObjectKey> = space.gateways.values().filter(of).map(|s| s.gateway.key.clone()).collect();
        gateways.iter().for_each(|gateway| self.look_again(gateway, out));
    }

    /// Takes in that a waypoint may be ready now, or no longer.
    fn look_again(&mut self, key: &ObjectKey, out: &mut Output) {
        let state = self.namespaces.get(&key.namespace).and_then(|s| s.gateways.get(&key.name));
        let ready = state.and_then(|s| s.waypoint.as_ref()).is_some_and(|w| self.count(w).0 > 0);
        let state = self.namespaces.get_mut(&key.namespace).and_then(|s| s.gateways.get_mut(&key.name));
        if let Some(state) = state.filter(|state| ready && !state.was_ready) {
            state.was_ready = true;
            self.rebind(key, out);
        }
        out.statuses.extend(self.gateway_status(key));
    }

    /// Binds all that names a waypoint anew.
    fn rebind(&self, waypoint: &ObjectKey, out: &mut Output) {
        for user in self.users.get(waypoint).into_iter().flatten() {
            match user {
                User::Namespace(name) => {
                    let Some(space) = self.namespaces.get(name) else { continue };
                    let silent = |labels: &Map| matches!(choice(labels, name, ""), Choice::Unsaid);
                    space.services.values().filter(|s| silent(&s.labels)).for_each(|s| self.publish_service(s, out));
                    space.pods.values().filter(|p| silent(&p.labels)).for_each(|p| self.publish_pod(p, out));
                }
                User::Service(key) => {
                    let service = self.namespaces.get(&key.namespace).and_then(|s| s.services.get(&key.name));
                    service.into_iter().for_each(|service| self.publish_service(service, out));
                }
                User::Pod(key) => {
                    let pod = self.namespaces.get(&key.namespace).and_then(|s| s.pods.get(&key.name));
                    pod.into_iter().for_each(|pod| self.publish_pod(pod, out));
                }
            }
        }
    }

    fn gateway_status(&self, key: &ObjectKey) -> Option<Wanted> {
        let state = self.namespaces.get(&key.namespace)?.gateways.get(&key.name)?;
        let waypoint = state.waypoint.as_ref().filter(|w| w.ours)?;
        let service = waypoint.service.as_ref();
        let service = service.and_then(|s| self.namespaces.get(&s.namespace)?.services.get(&s.name));
        let (ready, _) = self.count(waypoint);
        let facts = Facts {
            ready: ready > 0,
            was_ready: state.was_ready,
            addresses: service.map(|s| s.addresses.clone()).unwrap_or_default(),
            problem: state.problem.clone(),
        };
        Some(gateway::status::wanted(&state.gateway, waypoint, &facts))
    }

    /// Finds the waypoint of a service, and returns what its status is to say.
    pub(super) fn bind_service(&self, service: &Service) -> (Option<GatewayAddress>, Wanted) {
        let found = self.bind(&service.labels, &service.key.namespace, "service", |w| w.serves.services());
        let (waypoint, condition) = match found {
            None => (None, None),
            Some(Ok((waypoint, address))) => {
                let message = format!("bound to waypoint {}/{}", waypoint.namespace, waypoint.name);
                (Some(address), Some(("True", "WaypointAccepted", message)))
            }
            Some(Err(unbound)) => (None, Some(("False", unbound.reason, unbound.message))),
        };
        let condition = condition.map(|(status, reason, message)| {
            json!({ "type": BOUND, "status": status, "reason": reason, "message": message })
        });
        let wanted = Wanted {
            kind: Kind::Service,
            key: service.key.clone(),
            served: "",
            version: service.version.clone(),
            writer: WRITER,
            status: json!({ "conditions": condition.into_iter().collect::<Vec<_>>() }),
            owns: &[BOUND],
            observed: service.status.clone(),
        };
        (waypoint, wanted)
    }

    /// Finds the waypoint of a pod, for traffic to its own address. Pods have no status for such things: `lint` tells.
    pub(super) fn bind_pod(&self, pod: &Pod) -> Option<GatewayAddress> {
        let found = self.bind(&pod.labels, &pod.key.namespace, "pod", |w| w.serves.workloads())?;
        found.ok().map(|(_, address)| address)
    }

    /// Decides by the labels of an object and its namespace; none if they name no waypoint.
    fn bind(
        &self,
        own: &Map,
        namespace: &str,
        what: &str,
        serves: impl Fn(&Waypoint) -> bool,
    ) -> Option<Result<(ObjectKey, GatewayAddress), Unbound>> {
        let around = self.namespaces.get(namespace);
        let around_labels = around.map(|s| &s.labels);
        let choice = match choice(own, namespace, what) {
            Choice::Unsaid => choice(around_labels?, namespace, "namespace"),
            own => own,
        };
        let Choice::Named(key, whose) = choice else { return None };
        if is_gateways(own) {
            return None;
        }
        let name = format!("{}/{}", key.namespace, key.name);
        let label = labels::USE_WAYPOINT;
        let refuse = |reason, message| Some(Err(Unbound { reason, message }));
        let state = self.namespaces.get(&key.namespace).and_then(|s: &InNamespace| s.gateways.get(&key.name));
        let Some(state) = state else {
            return refuse(
                "WaypointIsNotReady",
                format!(
                    "there is no Gateway {name}, which label {label} of the {whose} names: traffic goes direct; make it with `ambient waypoint apply`, or mend the label"
                ),
            );
        };
        let Some(waypoint) = &state.waypoint else {
            return refuse(
                "AttachmentDenied",
                format!("Gateway {name} is no waypoint: it has no listener of protocol HBONE; traffic goes direct"),
            );
        };
        let is_same = key.namespace == namespace;
        if !select::allows(&waypoint.allowed, is_same, around_labels.unwrap_or(&Map::new())) {
            return refuse(
                "AttachmentDenied",
                format!(
                    "Gateway {name} does not allow namespace {namespace}: traffic goes direct; see allowedRoutes.namespaces of its listener"
                ),
            );
        }
        if !serves(waypoint) {
            let label = labels::WAYPOINT_FOR;
            return refuse(
                "UnsupportedTrafficType",
                format!(
                    "waypoint {name} takes no traffic to {what}s: traffic goes direct; see label {label} of Gateway {name} and of its class"
                ),
            );
        }
        match &waypoint.address {
            Some(address) if state.was_ready => Some(Ok((key, address.clone()))),
            _ => refuse(
                "WaypointIsNotReady",
                format!(
                    "waypoint {name} was not ready yet: traffic goes direct until it is; see the status of Gateway {name}"
                ),
            ),
        }
    }
}

/// What of a waypoint decides about those who name it.
fn binding(waypoint: &Waypoint) -> impl PartialEq + use<> {
    (waypoint.serves, waypoint.allowed.clone(), waypoint.address.clone())
}
