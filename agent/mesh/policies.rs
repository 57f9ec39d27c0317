//! Policies at layer 4, and the workloads that they concern.

use std::{collections::HashMap, sync::Arc};

use model::Policy;
use serde_json::json;
use source::{
    Kind, Object,
    object::{Custom, Map, ObjectKey, Pod},
};
use xds::AUTHORIZATION_TYPE;

use crate::{
    mesh::{Mesh, Output, publish},
    policy::{self, Converted, Mode},
    status::Wanted,
};

impl Mesh {
    pub(super) fn authorization(&mut self, key: &ObjectKey, object: Option<Object>, out: &mut Output) {
        let name = format!("{}/{}", key.namespace, key.name);
        let new = match object {
            Some(Object::Custom(_, custom)) => {
                let converted = policy::authorization(&custom, &self.settings.root);
                // One with targets is a waypoint's, and so is its status.
                out.statuses.extend((!converted.targeted).then(|| status(&custom, &converted)));
                Some(converted)
            }
            _ => None,
        };
        out.resources.push(match new.as_ref().and_then(|c| c.policy.as_ref()) {
            Some(policy) => publish::policy(policy),
            None => publish::remove(AUTHORIZATION_TYPE, &name),
        });
        let space = self.namespaces.entry(key.namespace.clone()).or_default();
        let old = match &new {
            Some(converted) => space.policies.insert(key.name.clone(), converted.clone()),
            None => space.policies.remove(&key.name),
        };
        let bound = |c: &&Converted| c.policy.is_some() && !c.selector.is_empty();
        let concerns = |c: &Option<Converted>| c.as_ref().filter(bound).map(|c| c.selector.clone());
        let (old, new) = (concerns(&old), concerns(&new));
        // The workloads name the policy, and not what it says: only others that it selects are told.
        if old != new {
            let hit = |p: &&Pod| old.iter().chain(&new).any(|s| matches(s, &p.labels));
            self.pods_under(&key.namespace).filter(hit).for_each(|pod| self.publish_pod(pod, out));
            let hit = |labels: &Map| old.iter().chain(&new).any(|s| matches(s, labels));
            self.publish_others(&key.namespace, Some(&hit), out);
        }
    }

    pub(super) fn peer_authentication(&mut self, key: &ObjectKey, object: Option<Object>, out: &mut Output) {
        let space = self.namespaces.entry(key.namespace.clone()).or_default();
        match object {
            Some(Object::Custom(_, custom)) => space.peers.insert(key.name.clone(), custom),
            _ => space.peers.remove(&key.name),
        };
        // The mode of the mesh or a namespace is the base of the ones below it.
        let root = key.namespace == self.settings.root;
        let spaces: Vec<String> =
            if root { self.namespaces.keys().cloned().collect() } else { vec![key.namespace.clone()] };
        for name in &spaces {
            let base = self.base_mode(name);
            let space = &self.namespaces[name];
            let converted: HashMap<String, Option<Policy>> = space
                .peers
                .values()
                .filter(|p| !policy::selector(&p.spec).is_empty())
                .map(|p| {
                    let own = policy::mode(p.spec.get("mtls")).unwrap_or(base);
                    (format!("{name}/{}", policy::converted_name(&p.key.name)), policy::peer_authentication(p, own))
                })
                .collect();
            for (converted_key, found) in &converted {
                if let Some(policy) = found {
                    self.converted.insert(converted_key.clone());
                    out.resources.push(publish::policy(policy));
                }
            }
            let gone: Vec<String> = self
                .converted
                .iter()
                .filter(|k| k.starts_with(&format!("{name}/")) && converted.get(*k).is_none_or(Option::is_none))
                .cloned()
                .collect();
            for converted_key in gone {
                self.converted.remove(&converted_key);
                out.resources.push(publish::remove(AUTHORIZATION_TYPE, &converted_key));
            }
        }
        out.resources.push(publish::policy(&policy::strict(&self.settings.root)));
        for name in &spaces {
            self.namespaces[name].pods.values().for_each(|pod| self.publish_pod(pod, out));
        }
        self.publish_others(&key.namespace, None, out);
    }

    /// Publishes workloads that are no pods, of a namespace or of all if it is that of the mesh.
    fn publish_others(&self, namespace: &str, hit: Option<&dyn Fn(&Map) -> bool>, out: &mut Output) {
        let root = namespace == self.settings.root;
        for (name, space) in self.namespaces.iter().filter(|(name, _)| root || *name == namespace) {
            let externals = space.externals.values().filter(|e| hit.is_none_or(|hit| hit(&e.labels)));
            externals.for_each(|external| self.publish_external(external, out));
            for entry in space.entries.keys() {
                self.publish_endpoints(&ObjectKey { namespace: name.clone(), name: entry.clone() }, out);
            }
        }
    }

    fn pods_under(&self, namespace: &str) -> impl Iterator<Item = &Pod> {
        let root = namespace == self.settings.root;
        self.namespaces.iter().filter(move |(n, _)| root || *n == namespace).flat_map(|(_, s)| s.pods.values())
    }

    /// Returns the mode of a namespace: its own oldest setting, else the mesh's, else permissive.
    fn base_mode(&self, namespace: &str) -> Mode {
        let of = |name: &str| {
            let peers = self.namespaces.get(name)?.peers.values().filter(|p| policy::selector(&p.spec).is_empty());
            policy::mode(
                peers.min_by(|a, b| (&a.created, &a.key.name).cmp(&(&b.created, &b.key.name)))?.spec.get("mtls"),
            )
        };
        of(namespace).or_else(|| of(&self.settings.root)).unwrap_or(Mode::Permissive)
    }

    /// Returns the policies that select a workload of a namespace by its labels.
    pub(super) fn policies_of(&self, namespace: &str, labels: &Map) -> Vec<Arc<str>> {
        let root = &*self.settings.root;
        let spaces = [Some(namespace), (namespace != root).then_some(root)];
        let mut keys: Vec<Arc<str>> = Vec::new();
        for name in spaces.into_iter().flatten() {
            let Some(space) = self.namespaces.get(name) else { continue };
            let bound = |c: &Converted| c.policy.is_some() && !c.selector.is_empty() && matches(&c.selector, labels);
            keys.extend(space.policies.iter().filter(|(_, c)| bound(c)).map(|(n, _)| format!("{name}/{n}").into()));
        }
        keys.sort();
        let peers = self.namespaces.get(namespace).into_iter().flat_map(|s| s.peers.values());
        let own = peers
            .filter(|p| {
                let selector = policy::selector(&p.spec);
                !selector.is_empty() && matches(&selector, labels)
            })
            .min_by(|a, b| (&a.created, &a.key.name).cmp(&(&b.created, &b.key.name)));
        let base = self.base_mode(namespace);
        let mode = own.and_then(|p| policy::mode(p.spec.get("mtls"))).unwrap_or(base);
        match own.filter(|p| policy::peer_authentication(p, mode).is_some()) {
            Some(own) => keys.push(format!("{namespace}/{}", policy::converted_name(&own.key.name)).into()),
            None if mode == Mode::Strict => keys.push(format!("{root}/{}", policy::STRICT).into()),
            None => {}
        }
        keys
    }
}

/// Returns what the status of an authorization policy at layer 4 says.
fn status(object: &Custom, converted: &Converted) -> Wanted {
    let accepted = converted.unsupported.is_empty();
    let condition = json!({
        "type": "ZtunnelAccepted",
        "status": if accepted { "True" } else { "False" },
        "reason": if accepted { "Accepted" } else { "UnsupportedValue" },
        "message": if accepted { "attached to ztunnel".to_owned() } else { converted.unsupported.join("; ") },
        // A text, as Istio's definitions have it.
        "observedGeneration": object.generation.to_string(),
    });
    Wanted {
        kind: Kind::AuthorizationPolicy,
        key: object.key.clone(),
        served: object.served,
        version: object.version.clone(),
        writer: "istio-ambient-ztunnel-policy",
        status: json!({ "conditions": [condition] }),
        owns: &["WaypointAccepted", "ZtunnelAccepted"],
        observed: object.status.clone(),
    }
}

fn matches(selector: &[(String, String)], labels: &Map) -> bool {
    selector.iter().all(|(k, v)| labels.get(k) == Some(v))
}
