//! Which rule a request or a connection to a service follows.
//!
//! Rules stand in groups: those that a consumer wrote for itself before those for everybody, and within both by the kind of their
//! object. Of the groups that have a rule for the client and port, the first alone counts (GEP-1294: consumer and producer routes
//! are not merged, and of several kinds one is applied); what no rule of it matches goes nowhere.

mod entry;
mod group;
mod index;
mod rank;
mod stream;

use std::sync::Arc;

pub use self::stream::{Connection, StreamRouter};
use self::{
    entry::Entry,
    group::{Alternative, Groups},
    index::{Asks, Index},
};
use super::{
    matching::{Client, PathMatch, Request},
    route::HttpRule,
};

/// The rules of one service for requests.
#[derive(Debug)]
pub struct Router {
    rules: Vec<Arc<HttpRule>>,
    groups: Groups<Group>,
}

/// Alternatives in the order in which they are tried.
#[derive(Debug)]
struct Group {
    entries: Vec<Entry>,
    index: Index,
}

/// The rule that a request follows.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'r> {
    /// The rule.
    pub rule: &'r Arc<HttpRule>,
    /// The place of the match in the rule; none if the rule is for all requests.
    pub index: Option<usize>,
    /// How many bytes of the path the prefix of the match took; none if the path matched as a whole. Where nothing is said of
    /// the path, the prefix of all paths took nothing of it (Gateway API, `HTTPRouteMatch.path`).
    pub prefix: Option<usize>,
}

impl Router {
    /// Puts rules in order, whatever order they come in.
    #[must_use]
    pub fn new<'r>(rules: impl IntoIterator<Item = &'r Arc<HttpRule>>) -> Self {
        let rules: Vec<Arc<HttpRule>> = rules.into_iter().cloned().collect();
        let groups = Groups::new(rules.iter().flat_map(Entry::of), Group::new);
        Self { rules, groups }
    }

    /// Returns the rule that a request of a client to a port of the service follows.
    ///
    /// Without one, [`Self::covers`] tells whether the request goes to the service itself, or nowhere (404).
    #[must_use]
    pub fn choose<R: Request + ?Sized>(&self, request: &R, client: &Client<'_>, port: u16) -> Option<Chosen<'_>> {
        self.groups.first(client, port)?.choose(request, client, port)
    }

    /// Tells whether any rule is for a client and port, whatever it asks for: then requests that no rule matches are answered
    /// with 404, and otherwise they go to the service itself.
    #[must_use]
    pub fn covers(&self, client: &Client<'_>, port: u16) -> bool {
        self.groups.first(client, port).is_some()
    }

    /// Returns all rules.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<HttpRule>> {
        self.rules.iter()
    }
}

impl Group {
    fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.rank().cmp(&b.rank()));
        let mut index = Index::default();
        for (order, entry) in entries.iter().enumerate() {
            match entry.path() {
                Some(PathMatch::Exact(exact)) => index.insert(order, Asks::Whole, exact.bytes()),
                Some(PathMatch::Segments(prefix)) => index.insert(order, Asks::Segments, prefix.bytes()),
                Some(PathMatch::Prefix(prefix)) => index.insert(order, Asks::Beginning, prefix.bytes()),
                Some(PathMatch::Regex(pattern)) => {
                    index.insert(order, Asks::Beginning, pattern.beginning().iter().copied());
                }
                None => index.insert_rest(order),
            }
        }
        Self { entries, index: index.sorted() }
    }

    fn choose<R: Request + ?Sized>(&self, request: &R, client: &Client<'_>, port: u16) -> Option<Chosen<'_>> {
        let holds = |order: usize| self.entries[order].matches(request, client, port);
        self.index.first(request.path().bytes(), holds).map(|order| self.entries[order].chosen())
    }
}

#[cfg(test)]
mod tests;
