//! Which rule a connection follows.

use std::{cmp::Reverse, net::IpAddr, ops::Range, sync::Arc};

use super::{
    group::{Alternative, Groups},
    index::{Asks, Index},
};
use crate::{
    l7::{
        matching::{Client, Source},
        route::{OriginKind, StreamMatch, StreamRule},
    },
    policy::Block,
    service::contains,
    workload::Name,
};

/// A connection, as far as rules look at it.
#[derive(Clone, Copy, Debug)]
pub struct Connection<'c> {
    /// The server name that a TLS client asks for (RFC 6066 3).
    pub server_name: Option<&'c str>,
    /// The address that was asked for.
    pub destination: IpAddr,
    /// The client's address, if it is known.
    pub source: Option<IpAddr>,
    /// Who asks.
    pub client: Client<'c>,
    /// The port of the service.
    pub port: u16,
}

/// The rules of one service for connections.
#[derive(Debug)]
pub struct StreamRouter {
    rules: Vec<Arc<StreamRule>>,
    groups: Groups<Group>,
}

impl StreamRouter {
    /// Puts rules in order, whatever order they come in.
    #[must_use]
    pub fn new<'r>(rules: impl IntoIterator<Item = &'r Arc<StreamRule>>) -> Self {
        let rules: Vec<Arc<StreamRule>> = rules.into_iter().cloned().collect();
        let groups = Groups::new(rules.iter().flat_map(Entry::of), Group::new);
        Self { rules, groups }
    }

    /// Returns the rule that a connection follows.
    ///
    /// Without one, [`Self::covers`] tells whether the connection goes to the service itself, or nowhere.
    #[must_use]
    pub fn choose(&self, connection: &Connection<'_>) -> Option<&Arc<StreamRule>> {
        self.groups.first(&connection.client, connection.port)?.choose(connection)
    }

    /// Tells whether any rule is for a client and port: then connections that no rule matches are closed, and otherwise they go
    /// to the service itself.
    #[must_use]
    pub fn covers(&self, client: &Client<'_>, port: u16) -> bool {
        self.groups.first(client, port).is_some()
    }

    /// Returns all rules.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<StreamRule>> {
        self.rules.iter()
    }
}

/// Alternatives in the order in which they are tried.
#[derive(Debug)]
struct Group {
    entries: Vec<Entry>,
    // By their server names, read from the end: all names of a domain begin alike then.
    index: Index,
}

impl Group {
    fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.rank().cmp(&b.rank()));
        let mut index = Index::default();
        for (order, entry) in entries.iter().enumerate() {
            for name in entry.names() {
                match name.strip_prefix('*') {
                    Some(domain) => index.insert(order, Asks::Beginning, domain.bytes().rev()),
                    None => index.insert(order, Asks::Whole, name.bytes().rev()),
                }
            }
            if entry.names().is_empty() {
                index.insert_rest(order);
            }
        }
        Self { entries, index: index.sorted() }
    }

    fn choose(&self, connection: &Connection<'_>) -> Option<&Arc<StreamRule>> {
        let name = connection.server_name.unwrap_or_default();
        let first = self.index.first(name.bytes().rev(), |order| self.entries[order].matches(connection));
        first.map(|order| &self.entries[order].rule)
    }
}

/// One of the matches of a rule, and the server names of it that are meant.
#[derive(Debug)]
struct Entry {
    rule: Arc<StreamRule>,
    index: Option<usize>,
    names: Range<usize>,
}

impl Entry {
    /// Takes a rule apart; one of a TLSRoute by its names as well, since of several that match the most exact counts.
    fn of(rule: &Arc<StreamRule>) -> impl Iterator<Item = Self> {
        let all = rule.matches.is_empty().then_some((None, 0..0));
        let each = rule.matches.iter().enumerate().flat_map(|(index, matched)| {
            let names = matched.server_names.len();
            let by_name = rule.origin.kind == OriginKind::TLSRoute && names > 0;
            let parts = if by_name { names } else { 1 };
            (0..parts).map(move |part| (Some(index), if by_name { part..part + 1 } else { 0..names }))
        });
        all.into_iter().chain(each).map(|(index, names)| Self { rule: rule.clone(), index, names })
    }

    fn matched(&self) -> Option<&StreamMatch> {
        self.index.and_then(|index| self.rule.matches.get(index))
    }

    fn names(&self) -> &[Name] {
        self.matched().and_then(|matched| matched.server_names.get(self.names.clone())).unwrap_or_default()
    }

    /// Returns its place among others: the longest name first, and one that is written out before all of one domain. Those of
    /// a VirtualService are tried as they are written, but of all its objects those with names first.
    fn rank(&self) -> impl Ord {
        let as_written = self.rule.origin.kind == OriginKind::VirtualService;
        let exact = |name: &Name| if as_written { (false, 0) } else { (!name.starts_with('*'), name.len()) };
        let exactness = self.names().first().map(exact);
        (Reverse(exactness), &self.rule.origin, &self.rule.name, self.index)
    }

    fn matches(&self, connection: &Connection<'_>) -> bool {
        let Some(matched) = self.matched() else { return self.is_for(connection.port) };
        let names = self.names();
        let inside = |blocks: &[Block], ip: Option<IpAddr>| {
            let has = |ip| blocks.iter().any(|block| contains(block.address, block.length, ip));
            blocks.is_empty() || ip.is_some_and(has)
        };
        self.is_for(connection.port)
            && (names.is_empty() || connection.server_name.is_some_and(|name| names.iter().any(|n| meant(n, name))))
            && inside(&matched.destinations, Some(connection.destination))
            && inside(&matched.sources, connection.source)
            && matched.source.matches(&connection.client)
    }

    fn is_for(&self, port: u16) -> bool {
        self.ports().into_iter().flatten().all(|own| own == port)
    }
}

/// Tells whether a server name is one of a pattern: `*.` stands for one label or more (Gateway API, `Hostname`).
fn meant(pattern: &str, name: &str) -> bool {
    let (name, all) = (name.as_bytes(), pattern.as_bytes());
    match all.strip_prefix(b"*") {
        Some(rest) => {
            let begin = name.len().checked_sub(rest.len());
            begin.is_some_and(|begin| begin > 0 && name[begin..].eq_ignore_ascii_case(rest))
        }
        None => name.eq_ignore_ascii_case(all),
    }
}

impl Alternative for Entry {
    fn consumer(&self) -> Option<&Name> {
        self.rule.consumer.as_ref()
    }

    fn kind(&self) -> OriginKind {
        self.rule.origin.kind
    }

    fn ports(&self) -> [Option<u16>; 2] {
        [self.rule.parent.port, self.matched().and_then(|matched| matched.port)]
    }

    fn source(&self) -> Option<&Source> {
        self.matched().map(|matched| &matched.source)
    }
}

#[cfg(test)]
#[path = "stream/tests.rs"]
mod tests;
