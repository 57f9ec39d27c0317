//! The routes of Gateway API, and what those of the mesh have in common.

pub mod backend;
pub mod filter;
pub mod grpc;
pub mod http;
pub mod parent;
pub mod stream;

use std::cell::RefCell;

use model::{
    l7::route::{Origin, OriginKind, Parent},
    workload::{Name, ServiceKey},
};
use source::{api::route::ParentReference, object::ObjectKey};

use crate::l7::{
    known::Lookup,
    route::parent::Attached,
    status::{Condition, RouteStatus, joined},
};

/// The object that is converted.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its kind.
    pub kind: OriginKind,
    /// Its name.
    pub key: &'a ObjectKey,
    /// When it was made.
    pub created: &'a str,
    /// The way to what is known.
    pub lookup: &'a Lookup<'a>,
    /// The services that it is attached to.
    pub parents: &'a [ServiceKey],
}

/// The service that rules of an object are for, and whose clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The service.
    pub parent: Parent,
    /// The namespace of the clients, if only those of one are meant.
    pub consumer: Option<Name>,
}

impl Place<'_> {
    /// Says where a rule of the object stands.
    #[must_use]
    pub fn origin(&self, index: usize, rule: Option<&str>) -> Origin {
        Origin {
            created: self.created.into(),
            namespace: (*self.key.namespace).into(),
            name: (*self.key.name).into(),
            index: u32::try_from(index).unwrap_or(u32::MAX),
            kind: self.kind,
            rule: rule.filter(|r| !r.is_empty()).map(Into::into),
        }
    }

    /// Names a rule of the object for a service.
    #[must_use]
    pub fn name(&self, index: usize, bound: &Bound) -> Name {
        let Self { kind, key, .. } = self;
        let port = bound.parent.port.map(|p| format!(":{p}")).unwrap_or_default();
        format!("{kind:?}/{}/{}/{index}/{}{port}", key.namespace, key.name, bound.parent.service).into()
    }
}

/// What is wrong with a route, gathered while it is converted.
#[derive(Debug, Default)]
pub struct Faults {
    /// References that lead nowhere, by the words of the API.
    references: RefCell<Vec<(&'static str, String)>>,
    /// Rules that are not as written: their places and why.
    rules: RefCell<Vec<(usize, String)>>,
    /// Why the whole route is not taken.
    route: RefCell<Option<(&'static str, String)>>,
}

impl Faults {
    /// Notes a reference that leads nowhere.
    pub fn reference(&self, reason: &'static str, message: String) {
        self.references.borrow_mut().push((reason, message));
    }

    /// Notes a rule that is not as written.
    pub fn rule(&self, index: usize, message: String) {
        self.rules.borrow_mut().push((index, message));
    }

    /// Notes why the whole route is not taken; the first reason counts.
    pub fn route(&self, reason: &'static str, message: String) {
        self.route.borrow_mut().get_or_insert((reason, message));
    }

    /// Tells whether the whole route is not taken.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.route.borrow().is_some()
    }
}

/// What a route becomes.
#[derive(Debug)]
pub struct Converted<Rule> {
    /// The rules.
    pub rules: Vec<Rule>,
    /// The status.
    pub status: RouteStatus,
    /// Whether the route as such is wrong, whatever it refers to.
    pub refused: bool,
}

/// Converts the rules of a route for each service that it is attached to; `one` makes those for one.
pub fn convert<Rule>(
    place: Place<'_>,
    parents: &[ParentReference],
    one: impl Fn(Place<'_>, &Bound, &Faults) -> Vec<Rule>,
) -> Converted<Rule> {
    let attached = parent::attach(place, parents);
    let faults = Faults::default();
    let bound: Vec<&Bound> = attached.iter().flat_map(|a| &a.bound).collect();
    let services: Vec<ServiceKey> = bound.iter().map(|b| b.parent.service.clone()).collect();
    let place = Place { parents: &services, ..place };
    let rules: Vec<Rule> = bound.into_iter().flat_map(|bound| one(place, bound, &faults)).collect();
    let refused = faults.refused();
    let status =
        RouteStatus { parents: attached.iter().map(|a| (a.reference.clone(), conditions(a, &faults))).collect() };
    Converted { rules: if refused { vec![] } else { rules }, status, refused }
}

fn conditions(attached: &Attached<'_>, faults: &Faults) -> Vec<Condition> {
    let mut told = Vec::new();
    told.push(match (&attached.refused, &*faults.route.borrow()) {
        (Some((reason, message)), _) => Condition::fails("Accepted", reason, message),
        (None, Some((reason, message))) => Condition::fails("Accepted", reason, message),
        (None, None) => Condition::holds("Accepted", "Accepted", "the mesh has the route"),
    });
    let references = faults.references.borrow();
    told.push(match references.first() {
        Some((reason, _)) => {
            Condition::fails("ResolvedRefs", reason, joined(references.iter().map(|(_, m)| m.as_str())))
        }
        None => Condition::holds("ResolvedRefs", "ResolvedRefs", "all references lead to something"),
    });
    if attached.refused.is_none() {
        told.extend(attached.waypoint.clone());
    }
    let rules = faults.rules.borrow();
    if !rules.is_empty() && !faults.refused() {
        let messages: Vec<String> = rules.iter().map(|(index, why)| format!("rule {index}: {why}")).collect();
        // The words that Gateway API asks for.
        let message = format!("Dropped Rule(s): {}", joined(messages.iter().map(String::as_str)));
        told.push(Condition::holds("PartiallyInvalid", "UnsupportedValue", message));
    }
    told
}

#[cfg(test)]
mod tests;
