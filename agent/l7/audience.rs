//! Which waypoints are told of which resource: each of what it does itself, and of nothing that others do.
//!
//! | resource | is for |
//! |---|---|
//! | rules | the waypoints of the service that they are for |
//! | how a service is reached | the service's own waypoints, and those whose rules and policies lead to it |
//! | policies | the waypoints that they name, and those of the services that they name |
//! | telemetry | the same; without targets those of its namespace, or all |
//! | labels of workloads | all |
//! | secrets | the waypoints of their namespace that are told of something that names them, and no other: each takes a name for a Secret of its own namespace, wherever the rule stands (Istio, `ClientTLSSettings.credentialName`) |
//! | who is served although nobody is sent | the waypoints that it names |
//! | settings | the waypoint that they are of |

mod namespaces;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use model::{
    l7::{
        GatewayKey, Resource, Secret, Target, authorization,
        destination::ClientTls,
        route::{Action, Backend, BackendTarget, HttpRule},
        telemetry::Scope,
    },
    workload::{Name, ServiceKey},
};
use source::object::ObjectKey;
use xds::server::Audience;

use self::namespaces::Namespaces;
use crate::l7::Change;

/// A resource is new, another, or for others than it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Its key.
    pub key: Name,
    /// The resource, and who is told; none if nobody is any more.
    pub resource: Option<(Arc<Resource>, Audience)>,
}

struct Held {
    resource: Arc<Resource>,
    /// Who was told.
    audience: Audience,
}

/// All resources, and who is told of each.
#[derive(Default)]
pub struct Audiences {
    /// The waypoints of services.
    waypoints: HashMap<ServiceKey, BTreeSet<GatewayKey>>,
    held: HashMap<Name, Held>,
    /// The resources that say something of a service: rules that it has, policies over it, how it is reached.
    about: HashMap<ServiceKey, BTreeSet<Name>>,
    /// The rules that lead to a service.
    leading: HashMap<ServiceKey, BTreeSet<Name>>,
    /// The waypoints that have to do with a namespace.
    namespaces: Namespaces,
    /// All waypoints, by their namespace.
    there: HashMap<Name, BTreeSet<GatewayKey>>,
    /// The resources that are about a namespace.
    within: HashMap<Name, BTreeSet<Name>>,
    /// The resources that name a Secret, by its name.
    credentials: HashMap<Name, BTreeSet<Name>>,
}

impl Audiences {
    /// Takes in the waypoints of a service.
    pub fn bind(&mut self, service: &ServiceKey, waypoints: BTreeSet<GatewayKey>) -> Vec<Told> {
        let namespace = &service.namespace;
        let before = self.waypoints.remove(service).unwrap_or_default();
        let mut others = false;
        for waypoint in waypoints.difference(&before) {
            others |= self.namespaces.add(namespace, waypoint);
        }
        for waypoint in before.difference(&waypoints) {
            others |= self.namespaces.take(namespace, waypoint);
        }
        let within = self.within.get(namespace).filter(|_| others).cloned().unwrap_or_default();
        if !waypoints.is_empty() {
            self.waypoints.insert(service.clone(), waypoints);
        }
        let own = self.about.get(service).cloned().unwrap_or_default();
        let rules = own.iter().filter_map(|name| self.held.get(name));
        let reached: BTreeSet<ServiceKey> = rules.flat_map(|held| leads_to(&held.resource)).cloned().collect();
        let touched = own.into_iter().chain(self.ways(&reached)).chain(within).collect();
        self.tell(touched)
    }

    /// Tells whether there is a resource.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.held.contains_key(key)
    }

    /// Takes in a change of a resource.
    pub fn apply(&mut self, change: Change) -> Vec<Told> {
        let (key, new) = match change {
            Change::Put(resource) => (resource.key(), Some(resource)),
            Change::Remove(key) => (key, None),
        };
        let old = self.held.remove(&key);
        let within = self.settle(old.as_ref().map(|old| &*old.resource), new.as_deref());
        let mut reached = BTreeSet::new();
        let mut secrets = BTreeSet::new();
        if let Some(old) = &old {
            reached.extend(leads_to(&old.resource).cloned());
            self.link(&key, &old.resource, false);
            secrets.extend(self.named_by(&old.resource, &old.audience));
        }
        let mut told = Vec::new();
        if let Some(resource) = new {
            reached.extend(leads_to(&resource).cloned());
            self.link(&key, &resource, true);
            let audience = self.audience(&resource);
            told.push(said(&key, &resource, &audience));
            secrets.extend(self.named_by(&resource, &audience));
            self.held.insert(key, Held { resource, audience });
        } else if old.is_some() {
            told.push(Told { key, resource: None });
        }
        let ways = self.ways(&reached).chain(within).chain(secrets).collect();
        told.extend(self.tell(ways));
        told
    }

    /// Notes that a waypoint is there, or no more; returns the resources about its namespace if that changed, and the Secrets that it
    /// has with all waypoints.
    fn settle(&mut self, old: Option<&Resource>, new: Option<&Resource>) -> BTreeSet<Name> {
        let of = |resource: Option<&Resource>| match resource {
            Some(Resource::Settings(settings)) => Some(settings.waypoint.clone()),
            _ => None,
        };
        let (waypoint, others) = match (of(old), of(new)) {
            (None, Some(waypoint)) => {
                self.there.entry(waypoint.namespace.clone()).or_default().insert(waypoint.clone());
                let others = self.namespaces.add(&waypoint.namespace, &waypoint);
                (waypoint, others)
            }
            (Some(waypoint), None) => {
                if let Some(own) = self.there.get_mut(&waypoint.namespace) {
                    own.remove(&waypoint);
                    if own.is_empty() {
                        self.there.remove(&waypoint.namespace);
                    }
                }
                let others = self.namespaces.take(&waypoint.namespace, &waypoint);
                (waypoint, others)
            }
            _ => return BTreeSet::new(),
        };
        let space = &waypoint.namespace;
        let within = self.within.get(space).filter(|_| others).into_iter().flatten().cloned();
        within.chain(self.credentials.keys().map(|name| Secret::key(space, name))).collect()
    }

    /// Returns the resources that say how services are reached.
    fn ways(&self, services: &BTreeSet<ServiceKey>) -> impl Iterator<Item = Name> {
        let names = services.iter().filter_map(|service| self.about.get(service)).flatten();
        names
            .filter(|name| matches!(self.held.get(*name).map(|h| &*h.resource), Some(Resource::Destination(_))))
            .cloned()
    }

    /// Tells of those resources that are for others than they were.
    fn tell(&mut self, mut names: BTreeSet<Name>) -> Vec<Told> {
        let mut told = Vec::new();
        // What a Secret is needed for comes before it, by the order of their keys.
        while let Some(name) = names.pop_first() {
            let Some(resource) = self.held.get(&name).map(|held| held.resource.clone()) else { continue };
            let audience = self.audience(&resource);
            let Some(held) = self.held.get_mut(&name).filter(|held| held.audience != audience) else { continue };
            told.push(said(&name, &resource, &audience));
            let before = std::mem::replace(&mut held.audience, audience.clone());
            names.extend(self.named_by(&resource, &before));
            names.extend(self.named_by(&resource, &audience));
        }
        told
    }

    fn audience(&self, resource: &Resource) -> Audience {
        let of = |service: &ServiceKey| self.waypoints.get(service).into_iter().flatten().cloned();
        match resource {
            Resource::HttpRule(rule) => Audience::These(of(&rule.parent.service).collect()),
            Resource::StreamRule(rule) => Audience::These(of(&rule.parent.service).collect()),
            Resource::Destination(policy) => {
                let mut these: BTreeSet<GatewayKey> = of(&policy.service).collect();
                for name in self.leading.get(&policy.service).into_iter().flatten() {
                    let Some(held) = self.held.get(name) else { continue };
                    match self.audience(&held.resource) {
                        Audience::These(those) => these.extend(those),
                        all => return all,
                    }
                }
                Audience::These(these)
            }
            Resource::Labels(_) => Audience::Waypoints,
            Resource::Authorization(policy) => self.targeted(&policy.targets),
            Resource::Authentication(policy) => self.targeted(&policy.targets),
            Resource::RateLimit(limit) => self.targeted(&limit.targets),
            Resource::Telemetry(object) => match &object.scope {
                Scope::Mesh => Audience::Waypoints,
                Scope::Namespace => Audience::These(self.namespaces.of(&object.namespace)),
                Scope::Targets(targets) => self.targeted(targets),
            },
            Resource::Secret(secret) => Audience::These(self.users(secret)),
            Resource::Standby(standby) => Audience::These(standby.waypoints.clone()),
            Resource::Settings(settings) => Audience::These([settings.waypoint.clone()].into()),
        }
    }

    /// Returns the Secrets that waypoints are to be told.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<ObjectKey> {
        let naming = self.credentials.values().flatten().filter_map(|key| self.held.get(key));
        let named = naming.flat_map(|held| {
            let spaces = self.namespaces_of(&held.audience);
            let named = credentials(&held.resource).cloned().collect::<Vec<_>>();
            spaces.into_iter().flat_map(move |space| {
                let key = |name: &Name| ObjectKey { namespace: space.to_string(), name: name.to_string() };
                named.iter().map(key).collect::<Vec<_>>()
            })
        });
        named.collect()
    }

    /// Returns the waypoints of a namespace that are told of something that names a Secret of theirs.
    fn users(&self, secret: &Secret) -> BTreeSet<GatewayKey> {
        let own = self.there.get(&secret.namespace);
        let naming = self.credentials.get(&secret.name).into_iter().flatten();
        let audiences = naming.filter_map(|key| Some(&self.held.get(key)?.audience));
        let waypoints = audiences.flat_map(|audience| match audience {
            Audience::These(these) => these.iter(),
            Audience::Everybody | Audience::Waypoints => own.map(BTreeSet::iter).unwrap_or_default(),
        });
        waypoints.filter(|waypoint| waypoint.namespace == secret.namespace).cloned().collect()
    }

    /// Returns the keys of the Secrets that a resource names to its audience.
    fn named_by(&self, resource: &Resource, audience: &Audience) -> Vec<Name> {
        let mut named = credentials(resource).peekable();
        if named.peek().is_none() {
            return vec![];
        }
        let spaces = self.namespaces_of(audience);
        named.flat_map(|name| spaces.iter().map(move |space| Secret::key(space, name))).collect()
    }

    /// Returns the namespaces of those that are told of something.
    fn namespaces_of(&self, audience: &Audience) -> BTreeSet<Name> {
        match audience {
            Audience::These(these) => these.iter().map(|waypoint| waypoint.namespace.clone()).collect(),
            Audience::Everybody | Audience::Waypoints => self.there.keys().cloned().collect(),
        }
    }

    fn targeted(&self, targets: &[Target]) -> Audience {
        if targets.contains(&Target::AnyWaypoint) {
            return Audience::Waypoints;
        }
        let mut these = BTreeSet::new();
        for target in targets {
            match target {
                Target::Waypoint(waypoint) => drop(these.insert(waypoint.clone())),
                Target::Service(service) => these.extend(self.waypoints.get(service).into_iter().flatten().cloned()),
                Target::AnyWaypoint => {}
            }
        }
        Audience::These(these)
    }

    /// Notes which services a resource is about and leads to, or that it does so no more.
    fn link(&mut self, key: &Name, resource: &Resource, there: bool) {
        about(resource).into_iter().for_each(|service| note(&mut self.about, service, key, there));
        leads_to(resource).for_each(|service| note(&mut self.leading, service, key, there));
        credentials(resource).for_each(|name| note(&mut self.credentials, name, key, there));
        if let Resource::Telemetry(object) = resource
            && object.scope == Scope::Namespace
        {
            note(&mut self.within, &object.namespace, key, there);
        }
    }
}

/// Returns the names of the Secrets that a resource names.
fn credentials(resource: &Resource) -> impl Iterator<Item = &Name> {
    let tls = match resource {
        Resource::Destination(policy) => policy.traffic.tls.as_ref(),
        _ => None,
    };
    tls.into_iter().flat_map(ClientTls::secrets)
}

fn note<K: Clone + Eq + std::hash::Hash>(all: &mut HashMap<K, BTreeSet<Name>>, of: &K, key: &Name, there: bool) {
    let names = all.entry(of.clone()).or_default();
    if there {
        names.insert(key.clone());
    } else {
        names.remove(key);
    }
    if names.is_empty() {
        all.remove(of);
    }
}

fn said(key: &Name, resource: &Arc<Resource>, audience: &Audience) -> Told {
    let nobody = matches!(audience, Audience::These(these) if these.is_empty());
    Told { key: key.clone(), resource: (!nobody).then(|| (resource.clone(), audience.clone())) }
}

fn parent(resource: &Resource) -> Option<&ServiceKey> {
    match resource {
        Resource::HttpRule(rule) => Some(&rule.parent.service),
        Resource::StreamRule(rule) => Some(&rule.parent.service),
        _ => None,
    }
}

/// Returns the services whose waypoints a resource is for.
fn about(resource: &Resource) -> Vec<&ServiceKey> {
    match resource {
        Resource::Destination(policy) => vec![&policy.service],
        Resource::Authorization(policy) => targets(&policy.targets),
        Resource::Authentication(policy) => targets(&policy.targets),
        Resource::RateLimit(limit) => targets(&limit.targets),
        Resource::Telemetry(object) => match &object.scope {
            Scope::Targets(all) => targets(all),
            Scope::Mesh | Scope::Namespace => vec![],
        },
        rule => parent(rule).into_iter().collect(),
    }
}

fn targets(targets: &[Target]) -> Vec<&ServiceKey> {
    let services = targets.iter().filter_map(|target| match target {
        Target::Service(service) => Some(service),
        Target::Waypoint(_) | Target::AnyWaypoint => None,
    });
    services.collect()
}

/// Returns the services that a waypoint connects to because of a rule or a policy.
fn leads_to(resource: &Resource) -> impl Iterator<Item = &ServiceKey> {
    let targets: Vec<&BackendTarget> = match resource {
        Resource::HttpRule(rule) => reached(rule),
        Resource::StreamRule(rule) => rule.backends.iter().map(|b| &b.target).collect(),
        Resource::Authorization(policy) => match &policy.action {
            authorization::Action::Custom(custom) => custom.ask.iter().map(|ask| &ask.target).collect(),
            _ => vec![],
        },
        Resource::RateLimit(limit) => limit.global.iter().map(|global| &global.target).collect(),
        _ => vec![],
    };
    targets.into_iter().filter_map(|target| match target {
        BackendTarget::Service { service, .. } => Some(service),
        BackendTarget::Invalid(_) => None,
    })
}

fn reached(rule: &HttpRule) -> Vec<&BackendTarget> {
    let backends: &[Backend] = match &rule.action {
        Action::Forward(backends) => backends,
        Action::Redirect(_) | Action::Respond(_) => &[],
    };
    let others = rule.mirrors.iter().map(|m| &m.target).chain(rule.external_auth.iter().map(|a| &a.target));
    backends.iter().map(|b| &b.target).chain(others).collect()
}

#[cfg(test)]
mod tests;
