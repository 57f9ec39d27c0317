//! Everything that a waypoint was told of layer 7.
//!
//! Like a [`World`](crate::World), a `State` is a set of persistent maps: a writer changes its copy and publishes it, readers hold
//! a snapshot. The rules of a service are put in order when they are first asked for, not with each change: a thousand rules
//! that come one by one are ordered once.

mod attached;
mod observed;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use imbl::{HashMap, HashSet, OrdMap};
use serde::Serialize;

use self::{attached::Attached, observed::Observed};
use super::{
    Authentication, Authorization, DestinationPolicy, GatewayKey, HttpRule, RateLimit, Resource, Secret, Settings,
    Standby, StreamRule, Telemetry, WorkloadLabels,
    router::{Router, StreamRouter},
    secret::redacted,
    telemetry::{Defaults, Effective},
};
use crate::workload::{Name, ServiceKey};

/// Everything a waypoint was told of layer 7: a snapshot once it is published, and cheap to copy.
#[derive(Clone, Debug, Default)]
pub struct State {
    resources: HashMap<Name, Held>,
    http: HashMap<ServiceKey, Table<HttpRule, Router>>,
    streams: HashMap<ServiceKey, Table<StreamRule, StreamRouter>>,
    destinations: HashMap<ServiceKey, OrdMap<Name, Arc<DestinationPolicy>>>,
    labels: HashMap<Name, Arc<WorkloadLabels>>,
    authorizations: Attached<Authorization>,
    authentications: Attached<Authentication>,
    rate_limits: Attached<RateLimit>,
    telemetry: Observed,
    settings: OrdMap<Name, Arc<Settings>>,
    // By name: a waypoint is told those of its own namespace alone.
    secrets: HashMap<Name, Arc<Secret>>,
    standby: HashSet<ServiceKey>,
    // Services whose rules changed since they were last put in order by `prepare`.
    changed: HashSet<ServiceKey>,
}

/// A resource as it is held: shared with what is made of it, and serialised as a [`Resource`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // the variants are those of `Resource`
pub enum Held {
    HttpRule(Arc<HttpRule>),
    StreamRule(Arc<StreamRule>),
    Destination(Arc<DestinationPolicy>),
    Labels(Arc<WorkloadLabels>),
    Authorization(Arc<Authorization>),
    Authentication(Arc<Authentication>),
    RateLimit(Arc<RateLimit>),
    Telemetry(Arc<Telemetry>),
    #[serde(serialize_with = "redacted")]
    Secret(Arc<Secret>),
    Standby(Arc<Standby>),
    Settings(Arc<Settings>),
}

impl From<Resource> for Held {
    fn from(resource: Resource) -> Self {
        match resource {
            Resource::HttpRule(rule) => Self::HttpRule(rule.into()),
            Resource::StreamRule(rule) => Self::StreamRule(rule.into()),
            Resource::Destination(policy) => Self::Destination(policy.into()),
            Resource::Labels(labels) => Self::Labels(labels.into()),
            Resource::Authorization(policy) => Self::Authorization(policy.into()),
            Resource::Authentication(policy) => Self::Authentication(policy.into()),
            Resource::RateLimit(limit) => Self::RateLimit(limit.into()),
            Resource::Telemetry(object) => Self::Telemetry(object.into()),
            Resource::Secret(secret) => Self::Secret(secret.into()),
            Resource::Standby(standby) => Self::Standby(standby.into()),
            Resource::Settings(settings) => Self::Settings(settings.into()),
        }
    }
}

/// The rules of a service, and what they come to once somebody asked.
#[derive(Debug)]
struct Table<Rule, Order> {
    rules: OrdMap<Name, Arc<Rule>>,
    order: OnceLock<Arc<Order>>,
}

// Derived, it would ask the shared parts to be `Clone` as well.
impl<Rule, Order> Clone for Table<Rule, Order> {
    fn clone(&self) -> Self {
        Self { rules: self.rules.clone(), order: self.order.clone() }
    }
}

impl<Rule, Order> Default for Table<Rule, Order> {
    fn default() -> Self {
        Self { rules: OrdMap::new(), order: OnceLock::new() }
    }
}

impl State {
    /// Puts a resource in, in place of the one with its key.
    pub fn insert(&mut self, resource: Resource) {
        let key = resource.key();
        let held = Held::from(resource);
        // Told again, as after a reconnection: what was made of it stays.
        if self.resources.get(&key) == Some(&held) {
            return;
        }
        self.remove(&key);
        match &held {
            Held::HttpRule(rule) => {
                let service = rule.parent.service.clone();
                self.changed.insert(service.clone());
                self.http.entry(service).or_default().change(|rules| rules.insert(key.clone(), rule.clone()));
            }
            Held::StreamRule(rule) => {
                let service = rule.parent.service.clone();
                self.changed.insert(service.clone());
                self.streams.entry(service).or_default().change(|rules| rules.insert(key.clone(), rule.clone()));
            }
            Held::Destination(policy) => {
                self.destinations.entry(policy.service.clone()).or_default().insert(key.clone(), policy.clone());
            }
            Held::Labels(labels) => {
                self.labels.insert(labels.workload.clone(), labels.clone());
            }
            Held::Authorization(policy) => self.authorizations.insert(&key, policy),
            Held::Authentication(policy) => self.authentications.insert(&key, policy),
            Held::RateLimit(limit) => self.rate_limits.insert(&key, limit),
            Held::Telemetry(object) => self.telemetry.insert(&key, object),
            Held::Secret(secret) => {
                self.secrets.insert(secret.name.clone(), secret.clone());
            }
            Held::Standby(standby) => {
                self.standby.insert(standby.service.clone());
            }
            Held::Settings(settings) => {
                self.settings.insert(key.clone(), settings.clone());
                self.telemetry.default_to(self.defaults());
            }
        }
        self.resources.insert(key, held);
    }

    /// Takes a resource out, by [`Resource::key`]; tells whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        let Some(held) = self.resources.remove(key) else { return false };
        match &held {
            Held::HttpRule(rule) => {
                self.changed.insert(rule.parent.service.clone());
                drop_from(&mut self.http, &rule.parent.service, |table| {
                    table.change(|rules| rules.remove(key));
                    table.rules.is_empty()
                });
            }
            Held::StreamRule(rule) => {
                self.changed.insert(rule.parent.service.clone());
                drop_from(&mut self.streams, &rule.parent.service, |table| {
                    table.change(|rules| rules.remove(key));
                    table.rules.is_empty()
                });
            }
            Held::Destination(policy) => drop_from(&mut self.destinations, &policy.service, |policies| {
                policies.remove(key);
                policies.is_empty()
            }),
            Held::Labels(labels) => {
                self.labels.remove(&labels.workload);
            }
            Held::Authorization(policy) => self.authorizations.remove(key, policy),
            Held::Authentication(policy) => self.authentications.remove(key, policy),
            Held::RateLimit(limit) => self.rate_limits.remove(key, limit),
            Held::Telemetry(object) => self.telemetry.remove(key, object),
            Held::Secret(secret) => {
                self.secrets.remove(&secret.name);
            }
            Held::Standby(standby) => {
                self.standby.remove(&standby.service);
            }
            Held::Settings(_) => {
                self.settings.remove(key);
                self.telemetry.default_to(self.defaults());
            }
        }
        true
    }

    /// Puts the rules of all services that changed in order, so that no request has to wait for it.
    ///
    /// For a writer before it publishes; without it the first reader does the same.
    pub fn prepare(&mut self) {
        for service in std::mem::take(&mut self.changed) {
            let _ = (self.http(&service), self.streams(&service));
        }
    }

    /// Returns how many resources there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// Tells whether there is a resource, by [`Resource::key`].
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.resources.contains_key(key)
    }

    /// Returns all resources with their keys, in no order.
    pub fn resources(&self) -> impl Iterator<Item = (&Name, &Held)> {
        self.resources.iter()
    }

    /// Returns what holds for the whole waypoint; a waypoint is told its own alone.
    #[must_use]
    pub fn settings(&self) -> Option<&Settings> {
        self.settings.values().next().map(|settings| &**settings)
    }

    fn defaults(&self) -> Defaults {
        self.settings().map(|settings| settings.defaults.clone()).unwrap_or_default()
    }

    /// Returns the rules of a service for requests; none if there are none.
    #[must_use]
    pub fn http(&self, service: &ServiceKey) -> Option<&Arc<Router>> {
        self.http.get(service).map(|table| table.order(|rules| Router::new(rules.values())))
    }

    /// Returns the rules of a service for connections; none if there are none.
    #[must_use]
    pub fn streams(&self, service: &ServiceKey) -> Option<&Arc<StreamRouter>> {
        self.streams.get(service).map(|table| table.order(|rules| StreamRouter::new(rules.values())))
    }

    /// Returns what is said about how a service is reached.
    pub fn destinations(&self, service: &ServiceKey) -> impl Iterator<Item = &DestinationPolicy> {
        self.destinations.get(service).into_iter().flat_map(OrdMap::values).map(|policy| &**policy)
    }

    /// Returns a Secret of the waypoint's namespace.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<&Arc<Secret>> {
        self.secrets.get(name)
    }

    /// Tells whether a service is served although its traffic is not sent here.
    #[must_use]
    pub fn stands_by(&self, service: &ServiceKey) -> bool {
        self.standby.contains(service)
    }

    /// Returns the labels of a workload that something asks for, by its unique name.
    #[must_use]
    pub fn labels(&self, workload: &str) -> Option<&BTreeMap<Name, Name>> {
        self.labels.get(workload).map(|labels| &labels.labels)
    }

    /// Returns the policies that are attached to a waypoint, to any waypoint, or to a service; each once.
    pub fn authorizations(
        &self,
        waypoint: &GatewayKey,
        service: Option<&ServiceKey>,
    ) -> impl Iterator<Item = &Arc<Authorization>> {
        self.authorizations.to(waypoint, service)
    }

    /// Returns the rules for tokens that are attached to a waypoint, to any waypoint, or to a service; each once.
    pub fn authentications(
        &self,
        waypoint: &GatewayKey,
        service: Option<&ServiceKey>,
    ) -> impl Iterator<Item = &Arc<Authentication>> {
        self.authentications.to(waypoint, service)
    }

    /// Returns the limits that are attached to a waypoint, to any waypoint, or to a service; each once.
    pub fn rate_limits(
        &self,
        waypoint: &GatewayKey,
        service: Option<&ServiceKey>,
    ) -> impl Iterator<Item = &Arc<RateLimit>> {
        self.rate_limits.to(waypoint, service)
    }

    /// Returns what is measured, logged and traced of requests for a service, or for what is none. What came out is remembered
    /// until the next change of it.
    #[must_use]
    pub fn telemetry(&self, waypoint: &GatewayKey, service: Option<&ServiceKey>) -> Arc<Effective> {
        self.telemetry.to(waypoint, service)
    }

    /// Returns all rules for tokens, whatever they are attached to.
    pub fn all_authentications(&self) -> impl Iterator<Item = &Authentication> {
        self.resources.values().filter_map(|held| match held {
            Held::Authentication(policy) => Some(&**policy),
            _ => None,
        })
    }
}

impl<Rule, Order> Table<Rule, Order> {
    fn change<T>(&mut self, change: impl FnOnce(&mut OrdMap<Name, Arc<Rule>>) -> T) {
        change(&mut self.rules);
        self.order = OnceLock::new();
    }

    fn order(&self, make: impl FnOnce(&OrdMap<Name, Arc<Rule>>) -> Order) -> &Arc<Order> {
        self.order.get_or_init(|| Arc::new(make(&self.rules)))
    }
}

/// Takes something out of what a map holds, and with the last of it the holder; `take` tells whether it was the last.
fn drop_from<K: Clone + Eq + std::hash::Hash, V: Clone>(
    map: &mut HashMap<K, V>,
    key: &K,
    take: impl FnOnce(&mut V) -> bool,
) {
    if map.get_mut(key).is_some_and(take) {
        map.remove(key);
    }
}

#[cfg(test)]
mod tests;
