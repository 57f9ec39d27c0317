//! Which service and which workload has which waypoint.
//!
//! A label on the object, else on its namespace, names the waypoint. What is bound stays bound for as long as the waypoint exists:
//! traffic that was let through its policies does not pass by them because no pod of it is ready. A waypoint that was never ready
//! is not used yet, so that nothing is lost before it can carry on; the object's status says so.

use model::{service::WeightedWaypoint, workload::GatewayAddress};
use serde_json::{Value, json};
use source::{
    Kind, Object, labels,
    object::{Custom, Map, ObjectKey, Pod, Service},
};

use crate::{
    binding::{Asker, Candidate, Choice, NOT_READY, Unbound, Whose, all_named, choice, first, is_gateways, usable},
    deploy::{Deployed, Problem},
    gateway::{self, Names, Serves, Waypoint, status::Facts},
    l7::{Binding, Refusal},
    mesh::{Mesh, Output, pods::serves, services::selects},
    status::Wanted,
};

/// The condition that says what became of a label.
pub(super) const BOUND: &str = "istio.io/WaypointBound";
/// Who writes it.
pub(super) const WRITER: &str = "istio-ambient-service";

/// A waypoint that is bound, and where it is.
pub(super) type Bound = (ObjectKey, GatewayAddress);

/// What the labels of an object and its namespace come to.
pub(super) struct Found {
    /// Whose label names the waypoint.
    whose: Whose,
    /// The waypoint.
    key: ObjectKey,
    /// Where it is, if it may be used.
    address: Result<GatewayAddress, Unbound>,
}

/// What of an object decides about its waypoint.
#[derive(Clone, Copy)]
pub(super) struct Labelled<'a> {
    /// Its namespace.
    pub(super) namespace: &'a str,
    /// Its labels.
    pub(super) labels: &'a Map,
    /// Its annotations.
    pub(super) annotations: &'a Map,
}

/// What a service or an entry is bound to.
#[derive(Clone)]
pub(super) struct BoundTo {
    /// Its waypoint.
    pub(super) waypoint: Option<GatewayAddress>,
    /// The shares of its waypoints, if there are two.
    pub(super) weighted_waypoints: Vec<WeightedWaypoint>,
    /// What its status is to say.
    pub(super) condition: Option<Value>,
    /// Its waypoints, for layer 7.
    pub(super) binding: Binding,
    /// Whether they are left out while they have nothing to do.
    pub(super) automatic: bool,
    /// Whether they decide who may ask for what, so that nothing may go past them any more.
    pub(super) guarded: bool,
}

/// Who names a waypoint by a label of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum User {
    /// A namespace, for all that is in it and says nothing itself.
    Namespace(String),
    /// A service.
    Service(ObjectKey),
    /// A ServiceEntry.
    Entry(ObjectKey),
    /// A WorkloadEntry.
    External(ObjectKey),
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

impl State {
    fn serves_workloads(&self) -> bool {
        self.waypoint.as_ref().is_some_and(|w| w.serves.workloads())
    }
}

impl Mesh {
    /// Takes in which labels somebody had and has.
    pub(super) fn refer(&mut self, user: User, [old, new]: [Option<&Map>; 2], namespace: &str) {
        let (old, new) = (all_named(old, namespace), all_named(new, namespace));
        for waypoint in old.difference(&new) {
            if let Some(users) = self.users.get_mut(waypoint) {
                users.remove(&user);
                if users.is_empty() {
                    self.users.remove(waypoint);
                }
            }
        }
        for waypoint in new.difference(&old) {
            self.users.entry(waypoint.clone()).or_default().insert(user.clone());
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
        let deleting = matches!(&object, Some(Object::Custom(_, gateway)) if gateway.deleting);
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
            let now = space.gateways.get(&key.name);
            let workloads = old.iter().chain(now).any(State::serves_workloads);
            self.rebind(key, workloads, out);
        }
        // Its pods serve the streams that they have until they are gone.
        if !deleting {
            let state = self.namespaces.get(&key.namespace).and_then(|s| s.gateways.get(&key.name));
            out.waypoints.served.push((key.clone(), state.and_then(|s| s.waypoint.as_ref()).map(|w| w.serves)));
        }
        out.statuses.extend(self.gateway_status(key));
    }

    fn names(&self) -> Names<'_> {
        Names { domain: &self.settings.domain, network: &self.settings.network }
    }

    fn state(&self, gateway: Custom) -> State {
        let class = gateway.spec.get("gatewayClassName").and_then(Value::as_str);
        let waypoint = gateway::read(&gateway, class.and_then(|c| self.classes.get(c)), self.names());
        let was_ready = waypoint.as_ref().is_some_and(|w| w.told_ready || self.is_ready(w));
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

    /// Tells whether a pod of a waypoint is ready. One of ours that is somewhere else is believed to be, as its gateway says so; one
    /// of another controller is ready when its status says so.
    fn is_ready(&self, waypoint: &Waypoint) -> bool {
        let Some(service) = &waypoint.service else { return waypoint.ours && waypoint.address.is_some() };
        let found = self.namespaces.get(&service.namespace).and_then(|s| Some((s, s.services.get(&service.name)?)));
        // One of the same name that was there before is none of ours, whatever stands behind it.
        let is_made =
            |s: &Service| is_gateways(&s.labels) && s.labels.get(labels::GATEWAY_NAME) == Some(&waypoint.key.name);
        waypoint.ours
            && found.is_some_and(|(space, service)| {
                let mut behind = space.pods.values().filter(|pod| selects(&service.selector, pod));
                (!waypoint.deployed || is_made(service)) && behind.any(serves)
            })
    }

    /// Looks again at waypoints behind a service that changed.
    pub(super) fn served_by(&mut self, service: &ObjectKey, out: &mut Output) {
        let behind =
            |state: &&State| state.waypoint.as_ref().is_some_and(|w| w.ours && w.service.as_ref() == Some(service));
        let all = self.namespaces.get(&service.namespace).into_iter().flat_map(|s| s.gateways.values());
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
        let ready = state.and_then(|s| s.waypoint.as_ref()).is_some_and(|w| self.is_ready(w));
        let state = self.namespaces.get_mut(&key.namespace).and_then(|s| s.gateways.get_mut(&key.name));
        if let Some(state) = state.filter(|state| ready && !state.was_ready) {
            state.was_ready = true;
            let workloads = state.serves_workloads();
            self.rebind(key, workloads, out);
        }
        out.statuses.extend(self.gateway_status(key));
    }

    /// Binds all that names a waypoint anew: services in any case, since their status says why not, and workloads if it takes
    /// or took their traffic.
    fn rebind(&self, waypoint: &ObjectKey, workloads: bool, out: &mut Output) {
        for user in self.users.get(waypoint).into_iter().flatten() {
            match user {
                User::Namespace(name) => {
                    let Some(space) = self.namespaces.get(name) else { continue };
                    let silent = |labels: &Map| matches!(choice(labels, name), Choice::Unsaid);
                    space.services.values().filter(|s| silent(&s.labels)).for_each(|s| self.publish_service(s, out));
                    let entries = space.entries.iter().filter(|(_, e)| silent(&e.labels)).map(|(entry, _)| entry);
                    let entry = |entry: &String| ObjectKey { namespace: name.clone(), name: entry.clone() };
                    entries.for_each(|e| self.publish_entry(&entry(e), out));
                    let pods = space.pods.values().filter(|p| workloads && silent(&p.labels));
                    pods.for_each(|p| self.publish_pod(p, out));
                    let externals = space.externals.values().filter(|e| silent(&e.labels));
                    externals.for_each(|e| self.publish_external(e, out));
                }
                User::Service(key) => {
                    let service = self.namespaces.get(&key.namespace).and_then(|s| s.services.get(&key.name));
                    service.into_iter().for_each(|service| self.publish_service(service, out));
                }
                User::Entry(key) => self.publish_entry(key, out),
                User::External(key) => {
                    let external = self.namespaces.get(&key.namespace).and_then(|s| s.externals.get(&key.name));
                    external.into_iter().for_each(|external| self.publish_external(external, out));
                }
                User::Pod(key) => {
                    let pod = self.namespaces.get(&key.namespace).and_then(|s| s.pods.get(&key.name));
                    pod.filter(|_| workloads).into_iter().for_each(|pod| self.publish_pod(pod, out));
                }
            }
        }
    }

    fn gateway_status(&self, key: &ObjectKey) -> Option<Wanted> {
        let state = self.namespaces.get(&key.namespace)?.gateways.get(&key.name)?;
        let waypoint = state.waypoint.as_ref().filter(|w| w.ours)?;
        let service = waypoint.service.as_ref();
        let service = service.and_then(|s| self.namespaces.get(&s.namespace)?.services.get(&s.name));
        let facts = Facts {
            ready: self.is_ready(waypoint),
            was_ready: state.was_ready,
            addresses: service.map(|s| s.addresses.clone()).unwrap_or_default(),
            problem: state.problem.clone(),
        };
        Some(gateway::status::wanted(&state.gateway, waypoint, &facts))
    }

    /// Finds the waypoints of a service or an entry, and returns what its status is to say.
    pub(super) fn bind_object(&self, object: Labelled<'_>) -> BoundTo {
        let asker = Asker { namespace: object.namespace, what: "service", serves: Serves::services };
        let (mut waypoint, mut shares, mut condition) = (None, Vec::new(), None);
        let found = self.bind(object.labels, asker);
        let mut binding = found.as_ref().map(binding_of).unwrap_or_default();
        if let Some(found) = found.as_ref().filter(|_| binding.waypoint.is_some()) {
            let second = self.second(object, found.whose).filter(|key| *key != found.key);
            binding.canary = second.filter(|key| match self.usable(key, asker, "") {
                Ok(_) => true,
                Err(unbound) => unbound.reason == NOT_READY,
            });
        }
        match found {
            None => {}
            Some(Found { whose, key, address: Ok(address) }) => {
                let first = (key, address);
                let bound = format!("bound to waypoint {}/{}", first.0.namespace, first.0.name);
                condition = match self.canary(object, whose, &first, asker) {
                    None => Some(("True", "WaypointAccepted", bound)),
                    Some(Ok((told, found))) => {
                        shares = found;
                        Some(("True", "WaypointAccepted", format!("{bound}, {told}")))
                    }
                    Some(Err(unbound)) => {
                        Some(("True", unbound.reason, format!("{bound} alone, and to no canary: {}", unbound.message)))
                    }
                };
                waypoint = Some(first.1);
            }
            Some(Found { address: Err(unbound), .. }) => condition = Some(refused(&unbound)),
        }
        let condition = condition.map(told);
        let automatic = self.is_automatic(object);
        BoundTo { waypoint, weighted_waypoints: shares, condition, binding, automatic, guarded: false }
    }

    /// Finds the waypoint of a workload, for traffic to its own address. Pods have no status for such things: `lint` tells.
    pub(super) fn bind_workload(&self, own: &Map, namespace: &str, what: &'static str) -> Option<GatewayAddress> {
        self.bind(own, Asker { namespace, what, serves: Serves::workloads })?.address.ok()
    }

    /// Returns what the status of a workload is to say of its waypoint.
    pub(super) fn workload_condition(&self, own: &Map, namespace: &str) -> Option<Value> {
        let found = self.bind(own, Asker { namespace, what: "workload", serves: Serves::workloads })?;
        Some(told(match &found.address {
            Ok(_) => {
                let bound = format!("bound to waypoint {}/{}", found.key.namespace, found.key.name);
                ("True", "WaypointAccepted", bound)
            }
            Err(unbound) => refused(unbound),
        }))
    }

    /// Decides by the labels of an object and its namespace; none if they name no waypoint.
    fn bind(&self, own: &Map, asker: Asker<'_>) -> Option<Found> {
        let around = self.namespaces.get(asker.namespace).map(|s| &s.labels);
        let (whose, key) = first(own, around, asker.namespace)?;
        let address = self.usable(&key, asker, &format!("label {}", labels::USE_WAYPOINT));
        Some(Found { whose, key, address })
    }

    /// Returns where a waypoint is, if it may be used; `named_by` says what names it.
    pub(super) fn usable(&self, key: &ObjectKey, asker: Asker<'_>, named_by: &str) -> Result<GatewayAddress, Unbound> {
        let state = self.namespaces.get(&key.namespace).and_then(|s| s.gateways.get(&key.name));
        let candidate = state.map(|s| Candidate { waypoint: s.waypoint.as_ref(), was_ready: s.was_ready });
        let labels = self.namespaces.get(asker.namespace).map(|s| s.labels.clone()).unwrap_or_default();
        usable(key, candidate, asker, &labels, named_by)
    }
}

/// A condition: whether it holds, the word for it, and a sentence.
type Condition = (&'static str, &'static str, String);

fn refused(unbound: &Unbound) -> Condition {
    ("False", unbound.reason, format!("{}; traffic goes direct", unbound.message))
}

fn told((status, reason, message): Condition) -> Value {
    json!({ "type": BOUND, "status": status, "reason": reason, "message": message })
}

/// Says who is to know what an object is bound to: one that is not ready is told all the same, so that it is when traffic comes.
fn binding_of(found: &Found) -> Binding {
    let refusal = found.address.as_ref().err();
    let told = refusal.is_none_or(|unbound| unbound.reason == NOT_READY);
    Binding {
        waypoint: told.then(|| found.key.clone()),
        canary: None,
        refusal: refusal.map(|u| Refusal { reason: u.reason, message: u.message.clone() }),
    }
}

/// What of a waypoint decides about those who name it.
fn binding(waypoint: &Waypoint) -> impl PartialEq + use<> {
    (waypoint.serves, waypoint.allowed.clone(), waypoint.address.clone())
}
