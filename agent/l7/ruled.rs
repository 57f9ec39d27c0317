//! What waypoints have something to do about, of all that they are told: whoever it does not concern can do without them.

use std::collections::{BTreeSet, HashMap};

use model::{
    l7::{GatewayKey, Resource, Target, telemetry::Scope},
    workload::{Name, ServiceKey},
};

use crate::l7::Change;

/// Whose traffic a resource says something about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reach {
    /// All traffic through waypoints.
    Mesh,
    /// That of a waypoint or a service of a namespace.
    Namespace(Name),
    /// That through a waypoint.
    Waypoint(GatewayKey),
    /// That to a service.
    Service(ServiceKey),
}

/// What is said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Word {
    /// Anything at all.
    Anything,
    /// Who may ask for what.
    Guard,
}

/// All that resources say something about.
#[derive(Debug, Default)]
pub struct Ruled {
    reaches: HashMap<Name, BTreeSet<(Reach, Word)>>,
    counts: HashMap<(Reach, Word), usize>,
}

/// What is said something about since a change, or no more.
pub type Turned = Vec<((Reach, Word), bool)>;

impl Ruled {
    /// Takes in a change of a resource.
    pub fn apply(&mut self, change: &Change) -> Turned {
        let (key, new) = match change {
            Change::Put(resource) => (resource.key(), reaches(resource)),
            Change::Remove(key) => (key.clone(), BTreeSet::new()),
        };
        let old = self.reaches.remove(&key).unwrap_or_default();
        let mut turned = Vec::new();
        for reach in new.difference(&old) {
            let count = self.counts.entry(reach.clone()).or_default();
            *count += 1;
            if *count == 1 {
                turned.push((reach.clone(), true));
            }
        }
        for reach in old.difference(&new) {
            if let Some(count) = self.counts.get_mut(reach) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(reach);
                    turned.push((reach.clone(), false));
                }
            }
        }
        if !new.is_empty() {
            self.reaches.insert(key, new);
        }
        turned
    }
}

fn reaches(resource: &Resource) -> BTreeSet<(Reach, Word)> {
    let guards = matches!(resource, Resource::Authorization(_) | Resource::Authentication(_));
    let words = [Some(Word::Anything), guards.then_some(Word::Guard)];
    let reaches = about(resource);
    words.into_iter().flatten().flat_map(|word| reaches.iter().map(move |reach| (reach.clone(), word))).collect()
}

fn about(resource: &Resource) -> BTreeSet<Reach> {
    let targeted = |targets: &[Target]| {
        let one = |target: &Target| match target {
            Target::AnyWaypoint => Reach::Mesh,
            Target::Waypoint(waypoint) => Reach::Waypoint(waypoint.clone()),
            Target::Service(service) => Reach::Service(service.clone()),
        };
        targets.iter().map(one).collect()
    };
    match resource {
        Resource::HttpRule(rule) => [Reach::Service(rule.parent.service.clone())].into(),
        Resource::StreamRule(rule) => [Reach::Service(rule.parent.service.clone())].into(),
        Resource::Destination(policy) => [Reach::Service(policy.service.clone())].into(),
        Resource::Authorization(policy) => targeted(&policy.targets),
        Resource::Authentication(policy) => targeted(&policy.targets),
        Resource::RateLimit(limit) => targeted(&limit.targets),
        Resource::Telemetry(object) => match &object.scope {
            Scope::Mesh => [Reach::Mesh].into(),
            Scope::Namespace => [Reach::Namespace(object.namespace.clone())].into(),
            Scope::Targets(targets) => targeted(targets),
        },
        Resource::Labels(_) | Resource::Settings(_) | Resource::Secret(_) | Resource::Standby(_) => BTreeSet::new(),
    }
}
