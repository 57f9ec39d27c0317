//! Who describes which host: in a namespace the first of those that do, and of all namespaces the first that everybody may see.

use std::collections::{BTreeMap, BTreeSet};

use model::service::Visibility;
use source::object::ObjectKey;

use super::read::Entry;
use crate::mesh::Mesh;

/// Who describes a host: of several the first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::mesh) struct Claim {
    created: String,
    key: ObjectKey,
}

/// All who describe a host.
#[derive(Debug, Default)]
pub(in crate::mesh) struct Claims {
    by_namespace: BTreeMap<String, BTreeSet<Claim>>,
    /// Those that everybody may see.
    public: BTreeSet<Claim>,
}

/// Who counts, of those who describe a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct First {
    /// In a namespace.
    pub(super) own: Option<ObjectKey>,
    /// Of those that everybody may see.
    pub(super) public: Option<ObjectKey>,
}

impl Claims {
    fn insert(&mut self, claim: Claim, public: bool) {
        if public {
            self.public.insert(claim.clone());
        }
        self.by_namespace.entry(claim.key.namespace.clone()).or_default().insert(claim);
    }

    fn remove(&mut self, claim: &Claim) {
        self.public.remove(claim);
        if let Some(own) = self.by_namespace.get_mut(&claim.key.namespace) {
            own.remove(claim);
            if own.is_empty() {
                self.by_namespace.remove(&claim.key.namespace);
            }
        }
    }

    /// Returns the first of a namespace.
    pub(super) fn first_in(&self, namespace: &str) -> Option<&ObjectKey> {
        self.by_namespace.get(namespace)?.first().map(|claim| &claim.key)
    }

    /// Returns the namespaces.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = &String> {
        self.by_namespace.keys()
    }
}

impl Mesh {
    /// Notes which hosts and addresses an entry describes.
    pub(super) fn claim(&mut self, key: &ObjectKey, old: Option<&Entry>, new: Option<&Entry>) {
        let claim = |entry: &Entry| Claim { created: entry.created.clone(), key: key.clone() };
        if let Some(old) = old {
            let claim = claim(old);
            for host in old.hosts() {
                if let Some(claims) = self.hosts.get_mut(host) {
                    claims.remove(&claim);
                    if claims.by_namespace.is_empty() {
                        self.hosts.remove(host);
                    }
                }
            }
            for address in old.addresses() {
                if let Some(entries) = self.written.get_mut(&address) {
                    entries.remove(key);
                    if entries.is_empty() {
                        self.written.remove(&address);
                    }
                }
            }
        }
        if let Some(new) = new {
            let public = new.visibility(&key.namespace) == Some(Visibility::Public);
            for host in new.hosts() {
                self.hosts.entry(host.clone()).or_default().insert(claim(new), public);
            }
            for address in new.addresses() {
                self.written.entry(address).or_default().insert(key.clone());
            }
        }
    }

    /// Tells who counts for a host, in a namespace and among those that everybody may see.
    pub(super) fn first(&self, host: &str, namespace: &str) -> First {
        let Some(claims) = self.hosts.get(host) else { return First::default() };
        First { own: claims.first_in(namespace).cloned(), public: claims.public.first().map(|claim| claim.key.clone()) }
    }

    /// Returns the entry that describes a host in a namespace, where no Service of Kubernetes does.
    pub(in crate::mesh) fn describer(&self, host: &str, namespace: &str) -> Option<&ObjectKey> {
        let first = self.hosts.get(host)?.first_in(namespace)?;
        let is_native = self.native(host).is_some_and(|service| service.namespace == namespace);
        (!is_native).then_some(first)
    }

    /// Tells whether an entry is the one that describes a host in its namespace.
    pub(super) fn describes(&self, key: &ObjectKey, host: &str) -> bool {
        self.describer(host, &key.namespace) == Some(key)
    }

    /// Tells whether an entry is the first of all namespaces that describes a host to everybody.
    pub(super) fn is_first(&self, key: &ObjectKey, host: &str) -> bool {
        let first = self.hosts.get(host).and_then(|claims| claims.public.first());
        first.is_none_or(|first| first.key == *key)
    }
}
