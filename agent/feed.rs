//! Layer 7 in the agent's loop: from changes of objects to what waypoints are told and to what statuses say.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use model::{
    l7::{Normalization, Resource, Secret, Standby, Traffic},
    workload::Name,
};
use serde_json::Value;
use source::{
    Change, Kind, Object,
    object::{Custom, ObjectKey},
};
use xds::{
    L7_TYPE,
    server::{self, Audience},
};

use crate::{
    gateway::{self, Serves},
    l7::{
        self, L7, Output, Providers, Ruled, Sort, Turned,
        audience::{Audiences, Told},
        defaults::Defaults,
        status::{Body, OF_ISTIO, Status},
    },
    mesh,
    secrets::Found,
    status::Wanted,
};

/// Who writes statuses of Istio's kinds.
const WRITER: &str = "istio-ambient-waypoint-policy";
/// Conditions of routes that go when they are not wanted, in our entries: those of others are wanted as they are.
const OF_ROUTES: &[&str] = &["Accepted", "PartiallyInvalid", "ResolvedRefs", "ResolvedWaypoints"];

/// What is the same for all waypoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Common {
    /// The trust domain and its aliases.
    pub trust_domains: Vec<String>,
    /// How paths are made comparable.
    pub normalization: Normalization,
    /// Where what is told of requests may go.
    pub providers: Providers,
    /// What is told of requests of which no object says anything.
    pub defaults: Defaults,
}

/// What follows from a change.
#[derive(Debug, Default)]
pub struct Fed {
    /// For the waypoints.
    pub resources: Vec<server::Change>,
    /// For those who wrote the objects.
    pub statuses: Vec<Wanted>,
    /// What there is for waypoints to do since, or no more.
    pub turned: Turned,
}

impl Fed {
    fn extend(&mut self, other: Self) {
        self.resources.extend(other.resources);
        self.statuses.extend(other.statuses);
        self.turned.extend(other.turned);
    }
}

/// An object as it was last seen, as far as writing its status asks.
struct Seen {
    version: String,
    served: &'static str,
    status: Value,
}

/// Layer 7, and who is told of it.
pub struct Feed {
    l7: L7,
    audiences: Audiences,
    ruled: Ruled,
    seen: HashMap<(Sort, ObjectKey), Seen>,
    /// The waypoints and whom each serves.
    served: HashMap<ObjectKey, Serves>,
    root: String,
    common: Common,
}

impl Feed {
    /// Makes one without objects.
    #[must_use]
    pub fn new(mesh: &mesh::Settings, common: Common) -> Self {
        let settings = l7::Settings {
            cluster: mesh.cluster.clone(),
            domain: mesh.domain.clone(),
            root: mesh.root.clone(),
            providers: common.providers.clone(),
        };
        let (audiences, ruled, seen) = (Audiences::default(), Ruled::default(), HashMap::new());
        let served = HashMap::new();
        Self { l7: L7::new(settings), audiences, ruled, seen, served, root: mesh.root.clone(), common }
    }

    /// Takes in a change of an object.
    pub fn apply(&mut self, change: &Change) -> Fed {
        let (kind, key, object) = match change {
            Change::Synced(_) | Change::Served(..) => return Fed::default(),
            Change::Apply(object) => (object.kind(), object.key(), Some(object)),
            Change::Delete(kind, key) => (*kind, key.clone(), None),
        };
        let custom = match object {
            Some(Object::Custom(_, custom)) => Some(custom),
            _ => None,
        };
        if let Some(sort) = Sort::of(kind) {
            self.see(sort, &key, custom);
            let out = self.l7.object(sort, &key, custom);
            return self.told(out);
        }
        let out = match (kind, object) {
            (Kind::Service, Some(Object::Service(service))) => self.l7.service(&key, Some(service)),
            (Kind::Service, _) => self.l7.service(&key, None),
            (Kind::Pod, Some(Object::Pod(pod))) => self.l7.pod(&key, Some(pod)),
            (Kind::Pod, _) => self.l7.pod(&key, None),
            (Kind::WorkloadEntry, _) => self.l7.workload_entry(&key, custom),
            (Kind::ServiceEntry, _) => self.l7.service_entry(&key, custom),
            (Kind::ReferenceGrant, _) => self.l7.reference_grant(&key, custom),
            _ => return Fed::default(),
        };
        self.told(out)
    }

    /// Takes in the authorities of a ConfigMap, PEM.
    pub fn authorities(&mut self, key: &ObjectKey, pem: Option<Name>) -> Fed {
        let out = self.l7.authorities(key, pem);
        self.told(out)
    }

    /// Takes in what is in a Secret, or why it cannot be used; none if nobody needs it.
    pub fn secret(&mut self, key: &ObjectKey, found: Option<Found>) -> Fed {
        let fault = found.as_ref().map(|found| found.as_ref().err().cloned());
        let out = self.l7.secret(key, fault);
        let mut fed = self.told(out);
        let change = match found {
            Some(content) => {
                let (namespace, name) = ((*key.namespace).into(), (*key.name).into());
                l7::Change::Put(Resource::Secret(Secret { namespace, name, content }).into())
            }
            None => l7::Change::Remove(Secret::key(&key.namespace, &key.name)),
        };
        fed.resources.extend(self.audiences.apply(change).into_iter().map(published));
        fed
    }

    /// Returns the Secrets that waypoints need.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<ObjectKey> {
        self.audiences.secrets()
    }

    /// Returns the namespaces in which authorities are named.
    pub fn namespaces(&self) -> impl Iterator<Item = &String> {
        self.l7.authorities_named()
    }

    /// Takes in other settings for all waypoints.
    pub fn configure(&mut self, common: Common) -> Fed {
        let out = self.l7.provide(common.providers.clone());
        self.common = common;
        let settings: Vec<_> = self.served.iter().map(|(key, serves)| self.settings(key, *serves)).collect();
        // First what they are told of providers, then what names those.
        let mut fed = Fed::default();
        for settings in settings {
            fed.resources.extend(self.audiences.apply(l7::Change::Put(settings.into())).into_iter().map(published));
        }
        fed.extend(self.told(out));
        fed
    }

    /// Takes in what the mesh decided about waypoints.
    pub fn decided(&mut self, decided: mesh::Waypoints) -> Fed {
        let mut fed = Fed::default();
        for (subject, binding) in decided.bindings {
            let out = self.l7.bind(subject, binding);
            fed.extend(self.told(out));
        }
        for (service, waypoints) in decided.sparing {
            let resource = Resource::Standby(Standby { service, waypoints: waypoints.clone() });
            let key = resource.key();
            // Most services do not ask for it.
            let change = match waypoints.is_empty() {
                false => l7::Change::Put(resource.into()),
                true if self.audiences.has(&key) => l7::Change::Remove(key),
                true => continue,
            };
            fed.resources.extend(self.audiences.apply(change).into_iter().map(published));
        }
        for (key, serves) in decided.served {
            let settings = self.settings(&key, serves.unwrap_or(Serves::Nothing));
            let change = match serves {
                Some(serves) => {
                    self.served.insert(key, serves);
                    l7::Change::Put(settings.into())
                }
                None => {
                    self.served.remove(&key);
                    l7::Change::Remove(settings.key())
                }
            };
            fed.resources.extend(self.audiences.apply(change).into_iter().map(published));
        }
        fed
    }

    fn settings(&self, gateway: &ObjectKey, serves: Serves) -> Resource {
        let (providers, defaults) = self.common.defaults.with(&self.common.providers);
        Resource::Settings(model::l7::Settings {
            waypoint: l7::gateway(gateway),
            traffic: match serves {
                Serves::Services => Traffic::Service,
                Serves::Workloads => Traffic::Workload,
                Serves::All => Traffic::All,
                Serves::Nothing => Traffic::None,
            },
            root_namespace: (*self.root).into(),
            trust_domains: self.common.trust_domains.iter().map(|domain| (**domain).into()).collect(),
            normalization: self.common.normalization,
            providers,
            defaults,
        })
    }

    fn see(&mut self, sort: Sort, key: &ObjectKey, custom: Option<&Custom>) {
        let name = (sort, key.clone());
        match custom {
            Some(c) => {
                let seen = Seen { version: c.version.clone(), served: c.served, status: c.status.clone() };
                self.seen.insert(name, seen);
            }
            None => drop(self.seen.remove(&name)),
        }
    }

    fn told(&mut self, out: Output) -> Fed {
        let mut fed = Fed::default();
        for (service, waypoints) in out.bound {
            fed.resources.extend(self.audiences.bind(&service, waypoints).into_iter().map(published));
        }
        for change in out.resources {
            fed.turned.extend(self.ruled.apply(&change));
            fed.resources.extend(self.audiences.apply(change).into_iter().map(published));
        }
        fed.statuses = out.statuses.iter().filter_map(|(sort, status)| self.wanted(*sort, status)).collect();
        fed
    }

    /// Returns what the status of an object is to say; none if it is not ours to say, or the object is gone.
    fn wanted(&self, sort: Sort, status: &Status) -> Option<Wanted> {
        let seen = self.seen.get(&(sort, status.key.clone()))?;
        let (writer, owns) = match &status.body {
            // What has no targets is ztunnel's.
            Body::Conditions(conditions) if sort == Sort::AuthorizationPolicy && conditions.is_empty() => return None,
            Body::Conditions(_) => (WRITER, OF_ISTIO),
            Body::Route(_) | Body::Policy(_) => (gateway::CONTROLLER, OF_ROUTES),
        };
        Some(Wanted {
            kind: sort.kind(),
            key: status.key.clone(),
            served: seen.served,
            version: seen.version.clone(),
            writer,
            status: status.to_json(gateway::CONTROLLER, &seen.status),
            owns,
            observed: seen.status.clone(),
        })
    }
}

fn published(told: Told) -> server::Change {
    let (value, audience) = match told.resource {
        Some((resource, audience)) => {
            let json = serde_json::to_vec(&*resource).expect("all its keys are texts, and nothing in it refuses");
            (Some(Bytes::from(json)), audience)
        }
        None => (None, Audience::default()),
    };
    server::Change { type_url: L7_TYPE, name: told.key, value, aliases: vec![], audience }
}

#[cfg(test)]
mod tests;
