//! What a conversion may look up, and the record of what it looked up: so a change finds all that depends on it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use model::{
    l7::route::OriginKind,
    workload::{Name, ServiceKey},
};
use source::{
    api::{
        reference::{ReferenceGrantFrom, ReferenceGrantSpec},
        virtual_service::VirtualServiceSpec,
    },
    object::ObjectKey,
};

use crate::l7::{
    binding::{Binding, Subject},
    hosts::{Audience, above},
    providers::Providers,
};

/// Something that can be looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// The services of a host.
    Host(Name),
    /// A service and its waypoints: of those of one host, whoever asks for one asks for no other.
    Service(ServiceKey),
    /// All hosts below a domain.
    Below(Name),
    /// The services of a ServiceEntry.
    Entry(ObjectKey),
    /// The ReferenceGrants of a namespace.
    Grants(String),
    /// A VirtualService, as a delegate.
    Delegate(ObjectKey),
    /// The authorities of a ConfigMap.
    Authorities(ObjectKey),
    /// The GRPCRoutes of a service.
    Grpc(ServiceKey),
    /// A route.
    Route(OriginKind, ObjectKey),
    /// Whether a Secret can be used.
    Secret(ObjectKey),
    /// The providers.
    Providers,
}

/// A route, as far as policies and other routes ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The services that it is for, and where at each.
    pub at: BTreeSet<(ServiceKey, Attachment)>,
    /// The names of its rules.
    pub rules: BTreeSet<Name>,
}

impl Route {
    /// Returns the services that it is for.
    #[must_use]
    pub fn services(&self) -> BTreeSet<ServiceKey> {
        self.at.iter().map(|(service, _)| service.clone()).collect()
    }
}

/// Where a route is attached: a port or all, and the namespace of the clients if only those of one are meant.
pub type Attachment = (Option<u16>, Option<Name>);

/// A service of the mesh, as far as routes ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// When its object was made.
    pub created: String,
    /// Its ports and their names.
    pub ports: BTreeMap<u16, String>,
    /// Whether Kubernetes knows it.
    pub native: bool,
    /// Whose clients see it.
    pub audience: Audience,
}

/// Everything that is known.
#[derive(Debug, Default)]
pub struct Known {
    domain: String,
    root: String,
    providers: Providers,
    // Several objects of a namespace may describe one host: the first counts.
    hosts: BTreeMap<Name, BTreeMap<ServiceKey, BTreeMap<Claim, Service>>>,
    entries: HashMap<ObjectKey, (Claim, Vec<ServiceKey>)>,
    bindings: HashMap<Subject, Binding>,
    grants: HashMap<String, BTreeMap<String, ReferenceGrantSpec>>,
    delegates: HashMap<ObjectKey, Arc<VirtualServiceSpec>>,
    authorities: HashMap<ObjectKey, Name>,
    /// The GRPCRoutes among them, by their services.
    grpc: HashMap<ServiceKey, BTreeSet<ObjectKey>>,
    routes: HashMap<(OriginKind, ObjectKey), Route>,
    /// Why Secrets cannot be used; of those that can nothing is kept but that.
    secrets: HashMap<ObjectKey, Option<Name>>,
}

type Touched = BTreeSet<Topic>;

/// Who describes a service. A service of Kubernetes comes first, then the oldest ServiceEntry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// When the entry was made; none for a service of Kubernetes.
    pub entry: Option<String>,
    /// The name of the object.
    pub key: ObjectKey,
}

impl Claim {
    /// Returns the object as one that uses waypoints.
    fn subject(&self) -> Subject {
        let key = self.key.clone();
        if self.entry.is_some() { Subject::Entry(key) } else { Subject::Service(key) }
    }
}

impl Known {
    /// Makes one that knows nothing, of a mesh with a domain of service names, a namespace of mesh-wide policies, and providers.
    #[must_use]
    pub fn new(domain: String, root: String, providers: Providers) -> Self {
        Self { domain, root, providers, ..Self::default() }
    }

    /// Returns the key of a service of Kubernetes.
    #[must_use]
    pub fn service_key(&self, key: &ObjectKey) -> ServiceKey {
        let hostname = format!("{}.{}.svc.{}", key.name, key.namespace, self.domain);
        ServiceKey { namespace: (*key.namespace).into(), hostname: hostname.into() }
    }

    /// Takes in what somebody says a service is, or that it says so no more.
    pub fn set_service(&mut self, key: &ServiceKey, claim: &Claim, service: Option<Service>, touched: &mut Touched) {
        let host = self.hosts.entry(key.hostname.clone()).or_default();
        let was_empty = host.is_empty();
        let claims = host.entry(key.clone()).or_default();
        let same = claims.get(claim) == service.as_ref();
        match service {
            Some(service) => drop(claims.insert(claim.clone(), service)),
            None => drop(claims.remove(claim)),
        }
        if claims.is_empty() {
            host.remove(key);
        }
        let is_empty = host.is_empty();
        if is_empty {
            self.hosts.remove(&key.hostname);
        }
        if !same {
            touched.insert(Topic::Host(key.hostname.clone()));
            touched.insert(Topic::Service(key.clone()));
        }
        if was_empty != is_empty {
            touched.extend(above(&key.hostname).map(|domain| Topic::Below(domain.into())));
        }
    }

    /// Takes in the services of a ServiceEntry.
    pub fn set_entry(
        &mut self,
        key: &ObjectKey,
        created: &str,
        services: Vec<(ServiceKey, Service)>,
        touched: &mut Touched,
    ) {
        let claim = Claim { entry: Some(created.to_owned()), key: key.clone() };
        let keys: Vec<ServiceKey> = services.iter().map(|(key, _)| key.clone()).collect();
        let stay: BTreeSet<&ServiceKey> = keys.iter().collect();
        let (old_claim, old) = self.entries.remove(key).unwrap_or_else(|| (claim.clone(), vec![]));
        if old != keys {
            touched.insert(Topic::Entry(key.clone()));
        }
        for gone in old.iter().filter(|k| old_claim != claim || !stay.contains(k)) {
            self.set_service(gone, &old_claim, None, touched);
        }
        for (key, service) in services {
            self.set_service(&key, &claim, Some(service), touched);
        }
        if !keys.is_empty() {
            self.entries.insert(key.clone(), (claim, keys));
        }
    }

    /// Takes in which waypoints an object uses; none by default.
    pub fn set_binding(&mut self, subject: Subject, binding: Binding, touched: &mut Touched) {
        if self.bindings.get(&subject).cloned().unwrap_or_default() == binding {
            return;
        }
        match &subject {
            Subject::Service(key) => drop(touched.insert(Topic::Service(self.service_key(key)))),
            Subject::Entry(key) => {
                let services = self.entries.get(key).into_iter().flat_map(|(_, services)| services);
                touched.extend(services.cloned().map(Topic::Service));
            }
        }
        if binding == Binding::default() {
            self.bindings.remove(&subject);
        } else {
            self.bindings.insert(subject, binding);
        }
    }

    /// Takes in a ReferenceGrant.
    pub fn set_grant(&mut self, key: &ObjectKey, grant: Option<ReferenceGrantSpec>, touched: &mut Touched) {
        let grants = self.grants.entry(key.namespace.clone()).or_default();
        match grant {
            Some(grant) => drop(grants.insert(key.name.clone(), grant)),
            None => drop(grants.remove(&key.name)),
        }
        touched.insert(Topic::Grants(key.namespace.clone()));
    }

    /// Takes in a VirtualService that others may delegate to.
    pub fn set_delegate(&mut self, key: &ObjectKey, spec: Option<Arc<VirtualServiceSpec>>, touched: &mut Touched) {
        match spec {
            Some(spec) => drop(self.delegates.insert(key.clone(), spec)),
            None => drop(self.delegates.remove(key)),
        }
        touched.insert(Topic::Delegate(key.clone()));
    }

    /// Takes in the authorities of a ConfigMap, PEM.
    pub fn set_authorities(&mut self, key: &ObjectKey, pem: Option<Name>, touched: &mut Touched) {
        if self.authorities.get(key) == pem.as_ref() {
            return;
        }
        match pem {
            Some(pem) => drop(self.authorities.insert(key.clone(), pem)),
            None => drop(self.authorities.remove(key)),
        }
        touched.insert(Topic::Authorities(key.clone()));
    }

    /// Takes in other providers.
    pub fn set_providers(&mut self, providers: Providers, touched: &mut Touched) {
        if self.providers != providers {
            self.providers = providers;
            touched.insert(Topic::Providers);
        }
    }

    /// Takes in why a Secret cannot be used, if it cannot; none at all if nobody needs it.
    pub fn set_secret(&mut self, key: &ObjectKey, fault: Option<Option<Name>>, touched: &mut Touched) {
        if self.secrets.get(key) == fault.as_ref() {
            return;
        }
        match fault {
            Some(fault) => drop(self.secrets.insert(key.clone(), fault)),
            None => drop(self.secrets.remove(key)),
        }
        touched.insert(Topic::Secret(key.clone()));
    }

    /// Takes in what a route came to.
    pub fn set_route(&mut self, kind: OriginKind, key: &ObjectKey, route: Option<Route>, touched: &mut Touched) {
        let name = (kind, key.clone());
        if self.routes.get(&name) == route.as_ref() {
            return;
        }
        let old = match &route {
            Some(route) => self.routes.insert(name, route.clone()),
            None => self.routes.remove(&name),
        };
        if kind == OriginKind::GRPCRoute {
            let services = |route: &Option<Route>| route.as_ref().map(Route::services).unwrap_or_default();
            let (old, new) = (services(&old), services(&route));
            for service in old.union(&new) {
                let routes = self.grpc.entry(service.clone()).or_default();
                if new.contains(service) {
                    routes.insert(key.clone())
                } else {
                    routes.remove(key)
                };
                if routes.is_empty() {
                    self.grpc.remove(service);
                }
                touched.insert(Topic::Grpc(service.clone()));
            }
        }
        touched.insert(Topic::Route(kind, key.clone()));
    }
}

/// One conversion's way to what is known.
#[derive(Debug)]
pub struct Lookup<'k> {
    known: &'k Known,
    asked: RefCell<Touched>,
}

/// Who refers to something.
#[derive(Clone, Copy, Debug)]
pub struct Referrer<'a> {
    /// The group of its kind.
    pub group: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
}

impl<'k> Lookup<'k> {
    /// Makes one that asked nothing yet.
    #[must_use]
    pub fn new(known: &'k Known) -> Self {
        Self { known, asked: RefCell::default() }
    }

    /// Returns what was asked.
    #[must_use]
    pub fn asked(self) -> BTreeSet<Topic> {
        self.asked.into_inner()
    }

    fn ask(&self, topic: Topic) {
        self.asked.borrow_mut().insert(topic);
    }

    /// Returns the domain of service names.
    #[must_use]
    pub fn domain(&self) -> &'k str {
        &self.known.domain
    }

    /// Returns the namespace of mesh-wide policies.
    #[must_use]
    pub fn root(&self) -> &'k str {
        &self.known.root
    }

    /// Returns where what is told of requests may go.
    #[must_use]
    pub fn providers(&self) -> &'k Providers {
        self.ask(Topic::Providers);
        &self.known.providers
    }

    /// Returns the GRPCRoute beside which a route of HTTP does not count (Gateway API, GEP-1426, route types): one that is attached to
    /// the same service, at least where the other is, and for the same clients.
    #[must_use]
    pub fn grpc(&self, service: &ServiceKey, (port, consumer): &Attachment) -> Option<&'k ObjectKey> {
        self.ask(Topic::Grpc(service.clone()));
        let all = self.known.grpc.get(service)?;
        let covers = |(of, (theirs, clients)): &(ServiceKey, Attachment)| {
            of == service && clients == consumer && (theirs.is_none() || theirs == port)
        };
        let route = |key: &ObjectKey| self.known.routes.get(&(OriginKind::GRPCRoute, key.clone()));
        all.iter().find(|key| route(key).is_some_and(|route| route.at.iter().any(covers)))
    }

    /// Returns the key of a service of Kubernetes, whether it is there or not.
    #[must_use]
    pub fn service_key(&self, namespace: &str, name: &str) -> ServiceKey {
        self.known.service_key(&ObjectKey { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// Returns the service of a key.
    #[must_use]
    pub fn service(&self, key: &ServiceKey) -> Option<&'k Service> {
        self.ask(Topic::Service(key.clone()));
        self.known.hosts.get(&key.hostname)?.get(key)?.values().next()
    }

    /// Returns all services of a host.
    pub fn host(&self, host: &str) -> impl Iterator<Item = (&'k ServiceKey, &'k Service)> + use<'k> {
        self.ask(Topic::Host(host.into()));
        let services = self.known.hosts.get(host).into_iter().flatten();
        services.filter_map(|(key, claims)| Some((key, claims.values().next()?)))
    }

    /// Returns the service that a host means to those of a namespace: their own, else one of Kubernetes, else the oldest.
    #[must_use]
    pub fn meant(&self, host: &str, namespace: &str) -> Option<(&'k ServiceKey, &'k Service)> {
        let seen = self.host(host).filter(|(_, service)| service.audience.has(namespace));
        seen.min_by_key(|(key, service)| (&*key.namespace != namespace, !service.native, &service.created, *key))
    }

    /// Returns the hosts below a domain.
    pub fn below(&self, domain: &str) -> impl Iterator<Item = &'k Name> + use<'k> {
        self.ask(Topic::Below(domain.into()));
        let domain = domain.to_owned();
        self.known.hosts.keys().filter(move |host| above(host).any(|d| d == domain))
    }

    /// Returns the services of a ServiceEntry.
    #[must_use]
    pub fn entry(&self, namespace: &str, name: &str) -> &'k [ServiceKey] {
        let key = ObjectKey { namespace: namespace.to_owned(), name: name.to_owned() };
        let found = self.known.entries.get(&key);
        self.ask(Topic::Entry(key));
        found.map_or(&[], |(_, services)| services.as_slice())
    }

    /// Returns what a service is bound to, if a label names a waypoint.
    #[must_use]
    pub fn binding(&self, key: &ServiceKey) -> Option<&'k Binding> {
        self.ask(Topic::Service(key.clone()));
        let (claim, _) = self.known.hosts.get(&key.hostname)?.get(key)?.first_key_value()?;
        self.known.bindings.get(&claim.subject())
    }

    /// Returns the waypoint that a service uses, or will when it is ready.
    #[must_use]
    pub fn waypoint(&self, key: &ServiceKey) -> Option<&'k ObjectKey> {
        self.binding(key)?.waypoint.as_ref()
    }

    /// Tells whether a reference into another namespace is permitted there (Gateway API, ReferenceGrant).
    #[must_use]
    pub fn granted(&self, from: Referrer<'_>, group: &str, kind: &str, to: &ObjectKey) -> bool {
        if from.namespace == to.namespace {
            return true;
        }
        self.ask(Topic::Grants(to.namespace.clone()));
        let referrer =
            |f: &ReferenceGrantFrom| (&*f.group, &*f.kind, &*f.namespace) == (from.group, from.kind, from.namespace);
        let grants = self.known.grants.get(&to.namespace).into_iter().flat_map(BTreeMap::values);
        grants.filter(|g| g.from.iter().any(referrer)).flat_map(|g| &g.to).any(|t| {
            let name = t.name.as_deref().is_none_or(|name| name.is_empty() || name == to.name);
            name && (&*t.group, &*t.kind) == (group, kind)
        })
    }

    /// Returns a VirtualService that is delegated to.
    #[must_use]
    pub fn delegate(&self, key: &ObjectKey) -> Option<&'k Arc<VirtualServiceSpec>> {
        self.ask(Topic::Delegate(key.clone()));
        self.known.delegates.get(key)
    }

    /// Returns a route.
    #[must_use]
    pub fn route(&self, kind: OriginKind, key: &ObjectKey) -> Option<&'k Route> {
        self.ask(Topic::Route(kind, key.clone()));
        self.known.routes.get(&(kind, key.clone()))
    }

    /// Returns the authorities of a ConfigMap, PEM.
    #[must_use]
    pub fn authorities(&self, namespace: &str, name: &str) -> Option<&'k Name> {
        let key = ObjectKey { namespace: namespace.to_owned(), name: name.to_owned() };
        let found = self.known.authorities.get(&key);
        self.ask(Topic::Authorities(key));
        found
    }

    /// Returns why a Secret cannot be used; none if it can, or nobody looked for it yet.
    #[must_use]
    pub fn secret_fault(&self, key: ObjectKey) -> Option<&'k Name> {
        let found = self.known.secrets.get(&key);
        self.ask(Topic::Secret(key));
        found?.as_ref()
    }
}
