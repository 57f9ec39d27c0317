//! The index: which objects there are, what each came to, and who is to be looked at again after a change.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use model::{
    l7::{GatewayKey, Resource, WorkloadLabels, destination::ClientTls, route::OriginKind},
    workload::{Name, ServiceKey},
};
use source::{
    api::{
        reference::ReferenceGrantSpec,
        service_entry::{ServiceEntrySpec, WorkloadEntrySpec},
    },
    object::{self, Custom, Map, ObjectKey, Pod},
};

use crate::l7::{
    binding::{Binding, Subject},
    convert::{Made, Sparing, asked, convert},
    destination::{self, Extras, Rule, Rules, Stand, covers},
    hosts::{Audience, full, wildcard},
    known::{Claim, Known, Lookup, Route, Service, Topic},
    labels::{Asked, Labels, Told},
    object::{Object, Sort, Spec},
    providers::Providers,
    registry::Registry,
    status::{Body, Status},
};

/// What is the same for the whole mesh.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The name of the cluster.
    pub cluster: String,
    /// The domain of service names.
    pub domain: String,
    /// The namespace of mesh-wide policies.
    pub root: String,
    /// Where what is told of requests may go.
    pub providers: Providers,
}

/// One change for waypoints.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A resource is new, or other than it was.
    Put(Arc<Resource>),
    /// The resource of this key is gone.
    Remove(Name),
}

/// What follows from a change of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// For waypoints.
    pub resources: Vec<Change>,
    /// For those who wrote the objects.
    pub statuses: Vec<(Sort, Status)>,
    /// The waypoints of services, where they are others than they were; none for a service that is gone.
    pub bound: Vec<(ServiceKey, BTreeSet<GatewayKey>)>,
}

/// What is computed as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Unit {
    /// Of an object.
    Object(Sort, ObjectKey),
    /// How a service is reached.
    Destination(ServiceKey),
}

/// Everything about layer 7.
#[derive(Debug, Default)]
pub struct L7 {
    cluster: String,
    known: Known,
    objects: HashMap<(Sort, ObjectKey), Object>,
    rules: Rules,
    tls: Registry<(ServiceKey, Option<u16>), ClientTls>,
    sparing: Registry<ServiceKey, Sparing>,
    labels: Labels<Unit>,
    entries: HashMap<ObjectKey, BTreeSet<Name>>,
    watching: HashMap<Topic, BTreeSet<Unit>>,
    watched: HashMap<Unit, BTreeSet<Topic>>,
    /// How many ConfigMaps of a namespace are asked for.
    certifying: BTreeMap<String, usize>,
    published: HashMap<Unit, BTreeMap<Name, Arc<Resource>>>,
    statuses: HashMap<(Sort, ObjectKey), Status>,
    bound: HashMap<ServiceKey, BTreeSet<GatewayKey>>,
    dirty: BTreeSet<Unit>,
    out: Output,
}

impl L7 {
    /// Makes an index without objects.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let known = Known::new(settings.domain, settings.root, settings.providers);
        Self { cluster: settings.cluster, known, ..Self::default() }
    }

    /// Takes in which waypoints an object uses; none by default.
    pub fn bind(&mut self, subject: Subject, binding: Binding) -> Output {
        self.change(|known, touched| known.set_binding(subject, binding, touched))
    }

    /// Takes in a service.
    pub fn service(&mut self, key: &ObjectKey, service: Option<&object::Service>) -> Output {
        let service = service.filter(|s| !s.external_name).map(|s| Service {
            created: String::new(),
            ports: s.ports.iter().map(|p| (p.port, p.name.clone())).collect(),
            native: true,
            audience: Audience::Everybody,
        });
        let claim = Claim { entry: None, key: key.clone() };
        let key = self.known.service_key(key);
        self.dirty.insert(Unit::Destination(key.clone()));
        self.change(|known, touched| known.set_service(&key, &claim, service, touched))
    }

    /// Takes in a pod.
    pub fn pod(&mut self, key: &ObjectKey, pod: Option<&Pod>) -> Output {
        let workload = format!("{}//Pod/{}/{}", self.cluster, key.namespace, key.name).into();
        let labels = pod.filter(|p| !p.ended).map(|p| &p.labels);
        let told = self.labels.set(&key.namespace, &workload, labels);
        self.tell_labels(told);
        self.settle()
    }

    /// Takes in a WorkloadEntry.
    pub fn workload_entry(&mut self, key: &ObjectKey, entry: Option<&Custom>) -> Output {
        let workload =
            format!("{}/networking.istio.io/WorkloadEntry/{}/{}", self.cluster, key.namespace, key.name).into();
        let spec = entry.and_then(|e| source::api::read::<WorkloadEntrySpec>(&e.spec).spec);
        let told = self.labels.set(&key.namespace, &workload, spec.as_ref().map(|s| &s.labels));
        self.tell_labels(told);
        self.settle()
    }

    /// Takes in a ServiceEntry.
    pub fn service_entry(&mut self, key: &ObjectKey, entry: Option<&Custom>) -> Output {
        let spec = entry.and_then(|e| source::api::read::<ServiceEntrySpec>(&e.spec).spec);
        let endpoints = spec.iter().flat_map(|s| &s.endpoints);
        let prefix = format!("{}/networking.istio.io/ServiceEntry/{}/{}", self.cluster, key.namespace, key.name);
        let endpoints: Vec<(Name, &Map)> =
            endpoints.map(|e| (format!("{prefix}/{}", e.address).into(), &e.labels)).collect();
        let names: BTreeSet<Name> = endpoints.iter().map(|(name, _)| name.clone()).collect();
        let old = self.entries.insert(key.clone(), names.clone()).unwrap_or_default();
        if names.is_empty() {
            self.entries.remove(key);
        }
        for gone in old.difference(&names) {
            let told = self.labels.set(&key.namespace, gone, None);
            self.tell_labels(told);
        }
        for (name, labels) in endpoints {
            let told = self.labels.set(&key.namespace, &name, Some(labels));
            self.tell_labels(told);
        }
        let services = entry.zip(spec.as_ref()).map(|(entry, spec)| services(key, entry, spec)).unwrap_or_default();
        let created = entry.map(|e| e.created.clone()).unwrap_or_default();
        self.change(|known, touched| known.set_entry(key, &created, services, touched))
    }

    /// Takes in a ReferenceGrant.
    pub fn reference_grant(&mut self, key: &ObjectKey, grant: Option<&Custom>) -> Output {
        let spec = grant.and_then(|g| source::api::read::<ReferenceGrantSpec>(&g.spec).spec);
        self.change(|known, touched| known.set_grant(key, spec, touched))
    }

    /// Takes in the authorities of a ConfigMap: what stands under `ca.crt`, PEM.
    pub fn authorities(&mut self, key: &ObjectKey, pem: Option<Name>) -> Output {
        self.change(|known, touched| known.set_authorities(key, pem, touched))
    }

    /// Takes in other providers.
    pub fn provide(&mut self, providers: Providers) -> Output {
        self.change(|known, touched| known.set_providers(providers, touched))
    }

    /// Takes in why a Secret cannot be used, if it cannot; none at all if nobody needs it.
    pub fn secret(&mut self, key: &ObjectKey, fault: Option<Option<Name>>) -> Output {
        self.change(|known, touched| known.set_secret(key, fault, touched))
    }

    /// Returns the namespaces in which something asks for authorities, whether they are there or not.
    pub fn authorities_named(&self) -> impl Iterator<Item = &String> {
        self.certifying.keys()
    }

    /// Takes in an object of one of the other kinds.
    pub fn object(&mut self, sort: Sort, key: &ObjectKey, custom: Option<&Custom>) -> Output {
        let name = (sort, key.clone());
        let before = self.objects.remove(&name);
        // Told again, even if it is the same: somebody else may have written it.
        self.statuses.remove(&name);
        if sort == Sort::DestinationRule {
            self.forget_rule(key, before.as_ref());
        }
        if let Some(custom) = custom {
            let mut object = Object::read(sort, custom, before);
            if let Spec::DestinationRule(_) = object.spec {
                self.take_rule(key, &mut object);
            }
            self.objects.insert(name, object);
        }
        self.dirty.insert(Unit::Object(sort, key.clone()));
        let delegate = match self.objects.get(&(sort, key.clone())).map(|o| &o.spec) {
            Some(Spec::VirtualService(versions)) => {
                versions.now.clone().or(versions.good.clone().map(|(_, spec)| spec))
            }
            _ => None,
        };
        self.change(|known, touched| {
            if sort == Sort::VirtualService {
                known.set_delegate(key, delegate, touched);
            }
        })
    }

    /// Tells whether there is an object.
    #[must_use]
    pub fn has(&self, sort: Sort, key: &ObjectKey) -> bool {
        self.objects.contains_key(&(sort, key.clone()))
    }

    fn change(&mut self, change: impl FnOnce(&mut Known, &mut BTreeSet<Topic>)) -> Output {
        let mut touched = BTreeSet::new();
        change(&mut self.known, &mut touched);
        self.touch(touched);
        self.settle()
    }

    /// Marks all that asked about something.
    fn touch(&mut self, touched: BTreeSet<Topic>) {
        for topic in touched {
            self.dirty.extend(self.watching.get(&topic).into_iter().flatten().cloned());
            if let Topic::Service(service) = topic {
                self.dirty.insert(Unit::Destination(service));
            }
        }
    }

    /// Notes what a route came to, for the policies over it and the routes beside it.
    fn note_route(&mut self, kind: OriginKind, key: &ObjectKey, there: bool, resources: &[Resource]) {
        let rules = || {
            resources.iter().filter_map(|resource| match resource {
                Resource::HttpRule(rule) => Some(rule),
                _ => None,
            })
        };
        let route = there.then(|| Route {
            at: rules().map(|rule| (rule.parent.service.clone(), (rule.parent.port, rule.consumer.clone()))).collect(),
            rules: rules().filter_map(|rule| rule.origin.rule.clone()).collect(),
        });
        let mut touched = BTreeSet::new();
        self.known.set_route(kind, key, route, &mut touched);
        self.touch(touched);
    }

    /// Looks at all units that a change touched, and returns what came of it.
    fn settle(&mut self) -> Output {
        while let Some(unit) = self.dirty.pop_first() {
            match &unit {
                Unit::Object(sort, key) => self.look_at(*sort, key),
                Unit::Destination(service) => self.reach(service),
            }
        }
        std::mem::take(&mut self.out)
    }

    fn look_at(&mut self, sort: Sort, key: &ObjectKey) {
        let unit = Unit::Object(sort, key.clone());
        let lookup = Lookup::new(&self.known);
        let object = self.objects.get_mut(&(sort, key.clone()));
        let (created, generation) = object.as_ref().map_or((String::new(), 0), |o| (o.created.clone(), o.generation));
        let mut made = object.map_or_else(Made::default, |object| convert(key, object, &lookup));
        let asked = lookup.asked();
        self.watch(&unit, asked);
        if let Some(tls) = &made.tls {
            // Registered first: its status tells whose word counts.
            self.secure(key, &created, Some(tls));
            let registry = &self.tls;
            let body = tls.status(|target| {
                let mut first = target.services.iter().filter_map(|s| registry.first(&(s.clone(), target.port)));
                first.find(|(first, _)| *first != key).map(|(first, _)| first.clone())
            });
            made.status = Some(Body::Policy(body));
        } else if sort == Sort::BackendTLSPolicy {
            self.secure(key, &created, None);
            made.status = self.has(sort, key).then_some(Body::Policy(vec![]));
        }
        if sort == Sort::XBackendTrafficPolicy {
            let words = made.sparing.into_iter().map(|s| (s.service.clone(), s)).collect();
            let touched = self.sparing.put(key, &created, words);
            self.dirty.extend(touched.targets.into_iter().map(Unit::Destination));
        }
        let kind = match sort {
            Sort::HTTPRoute => Some(OriginKind::HTTPRoute),
            Sort::GRPCRoute => Some(OriginKind::GRPCRoute),
            _ => None,
        };
        if let Some(kind) = kind {
            self.note_route(kind, key, self.has(sort, key), &made.resources);
        }
        self.publish(&unit, made.resources);
        self.ask(&unit, made.asked);
        let name = (sort, key.clone());
        let status = made.status.map(|body| Status { key: key.clone(), generation, body });
        match status {
            Some(status) if self.statuses.get(&name) != Some(&status) => {
                self.statuses.insert(name, status.clone());
                self.out.statuses.push((sort, status));
            }
            Some(_) => {}
            None => drop(self.statuses.remove(&name)),
        }
    }

    fn secure(&mut self, key: &ObjectKey, created: &str, tls: Option<&destination::backend_tls::BackendTls>) {
        let words = tls.into_iter().flat_map(|t| {
            let services = t.targets.iter().flat_map(|target| target.services.iter().map(|s| (s.clone(), target.port)));
            services.map(|target| (target, t.tls.clone()))
        });
        let touched = self.tls.put(key, created, words.collect());
        self.dirty.extend(touched.targets.into_iter().map(|(service, _)| Unit::Destination(service)));
        self.dirty.extend(touched.others.into_iter().map(|other| Unit::Object(Sort::BackendTLSPolicy, other)));
    }

    /// Computes how a service is reached.
    fn reach(&mut self, service: &ServiceKey) {
        let unit = Unit::Destination(service.clone());
        let lookup = Lookup::new(&self.known);
        let waypoints = lookup.binding(service).map(Binding::waypoints).unwrap_or_default();
        if self.bound.get(service).unwrap_or(&BTreeSet::new()) != &waypoints {
            self.out.bound.push((service.clone(), waypoints.clone()));
            if waypoints.is_empty() {
                self.bound.remove(service);
            } else {
                self.bound.insert(service.clone(), waypoints);
            }
        }
        let there = lookup.service(service);
        let waypoint = lookup.waypoint(service).map(|w| &*w.namespace);
        let policies = there.map(|found| {
            let ports = std::iter::once(None).chain(found.ports.keys().copied().map(Some));
            let tls = ports.filter_map(|port| Some((port, self.tls.first(&(service.clone(), port))?.1.clone())));
            let sparing = self.sparing.first(service).map(|(_, s)| s);
            let extras = Extras {
                tls: tls.collect(),
                retry_budget: sparing.and_then(|s| s.retry_budget),
                session: sparing.and_then(|s| s.session.clone()),
            };
            destination::policies(&self.rules, Stand { service, waypoint, root: lookup.root() }, &extras)
        });
        let policies = policies.unwrap_or_default();
        let looked = lookup.asked();
        // A service without any needs no watch: it is looked at when its rules or itself change.
        self.watch(&unit, if policies.is_empty() { BTreeSet::new() } else { looked });
        let subsets = policies.iter().filter_map(|p| p.subset.as_ref()).flat_map(|s| s.labels.keys());
        let subsets = subsets.map(|label| Asked { namespace: Some(service.namespace.clone()), label: label.clone() });
        let clients = policies.iter().flat_map(|p| asked(&p.source));
        let wanted = subsets.chain(clients).collect();
        self.publish(&unit, policies.into_iter().map(Resource::Destination).collect());
        self.ask(&unit, wanted);
    }

    fn forget_rule(&mut self, key: &ObjectKey, before: Option<&Object>) {
        let Some(Spec::DestinationRule(versions)) = before.map(|o| &o.spec) else { return };
        if let Some((_, spec)) = &versions.good {
            let host = full(&spec.host, &key.namespace, Lookup::new(&self.known).domain());
            self.rules.remove(&host, key);
            self.touch_host(&host);
        }
    }

    fn take_rule(&mut self, key: &ObjectKey, object: &mut Object) {
        let Spec::DestinationRule(versions) = &mut object.spec else { return };
        let domain = Lookup::new(&self.known).domain();
        let read = |spec| Rule::read(key, &object.created, spec, domain);
        match versions.now.clone().map(read) {
            Some(Ok(_)) => {
                // What its type does not know changes nothing about the rest.
                versions.faults.clear();
                versions.approve(object.generation);
            }
            Some(Err(faults)) => versions.faults = faults,
            None => {}
        }
        let good = versions.good.as_ref().and_then(|(_, spec)| read(spec.clone()).ok());
        if let Some(rule) = good {
            let host = rule.host.clone();
            self.rules.insert(rule);
            self.touch_host(&host);
        }
    }

    /// Marks the services of a host, or of a pattern of hosts.
    fn touch_host(&mut self, pattern: &str) {
        let lookup = Lookup::new(&self.known);
        let below = wildcard(pattern).into_iter().flat_map(|domain| lookup.below(domain)).map(|host| &**host);
        let hosts: BTreeSet<&str> = below.chain([pattern]).filter(|host| covers(pattern, host)).collect();
        let services: Vec<Unit> = hosts
            .into_iter()
            .flat_map(|host| lookup.host(host))
            .map(|(service, _)| Unit::Destination(service.clone()))
            .collect();
        self.dirty.extend(services);
    }

    fn watch(&mut self, unit: &Unit, topics: BTreeSet<Topic>) {
        let old = self.watched.remove(unit).unwrap_or_default();
        for gone in old.difference(&topics) {
            if let Some(units) = self.watching.get_mut(gone) {
                units.remove(unit);
                if units.is_empty() {
                    self.watching.remove(gone);
                    self.certify(gone, false);
                }
            }
        }
        for new in topics.difference(&old) {
            if !self.watching.contains_key(new) {
                self.certify(new, true);
            }
            self.watching.entry(new.clone()).or_default().insert(unit.clone());
        }
        if !topics.is_empty() {
            self.watched.insert(unit.clone(), topics);
        }
    }

    /// Notes that a topic is asked for, or no more.
    fn certify(&mut self, topic: &Topic, asked: bool) {
        let Topic::Authorities(key) = topic else { return };
        let count = self.certifying.entry(key.namespace.clone()).or_default();
        *count = if asked { *count + 1 } else { count.saturating_sub(1) };
        if *count == 0 {
            self.certifying.remove(&key.namespace);
        }
    }

    fn publish(&mut self, unit: &Unit, resources: Vec<Resource>) {
        let mut old = self.published.remove(unit).unwrap_or_default();
        let mut new = BTreeMap::new();
        for resource in resources {
            let key = resource.key();
            let kept = match old.remove(&key) {
                Some(same) if *same == resource => same,
                _ => {
                    let resource = Arc::new(resource);
                    self.out.resources.push(Change::Put(resource.clone()));
                    resource
                }
            };
            new.insert(key, kept);
        }
        self.out.resources.extend(old.into_keys().map(Change::Remove));
        if !new.is_empty() {
            self.published.insert(unit.clone(), new);
        }
    }

    fn ask(&mut self, unit: &Unit, wanted: BTreeSet<Asked>) {
        let told = self.labels.ask(unit, wanted);
        self.tell_labels(told);
    }

    fn tell_labels(&mut self, told: impl IntoIterator<Item = Told>) {
        let change = |(workload, labels): Told| match labels {
            Some(labels) => Change::Put(Arc::new(Resource::Labels(labels))),
            None => Change::Remove(Resource::Labels(WorkloadLabels { workload, labels: BTreeMap::new() }).key()),
        };
        self.out.resources.extend(told.into_iter().map(change));
    }
}

/// Returns the services of a ServiceEntry: one for each host.
fn services(key: &ObjectKey, entry: &Custom, spec: &ServiceEntrySpec) -> Vec<(ServiceKey, Service)> {
    let ports: BTreeMap<u16, String> = spec.ports.iter().map(|p| (p.number, p.name.clone())).collect();
    let hosts: BTreeSet<String> = spec.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
    let one = |host: String| {
        let service = Service {
            created: entry.created.clone(),
            ports: ports.clone(),
            native: false,
            audience: Audience::of(&spec.export_to, &key.namespace),
        };
        (ServiceKey { namespace: (*key.namespace).into(), hostname: host.into() }, service)
    };
    hosts.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests;
