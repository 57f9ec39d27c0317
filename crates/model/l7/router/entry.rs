//! One alternative of a rule for requests.

use std::sync::Arc;

use super::{Alternative, Chosen, rank::Rank};
use crate::{
    l7::{
        matching::{Client, HttpMatch, PathMatch, Request, Source},
        route::{HttpRule, OriginKind},
    },
    workload::Name,
};

/// One of the matches of a rule; a rule without any is one alternative for all requests.
#[derive(Debug)]
pub(super) struct Entry {
    rule: Arc<HttpRule>,
    index: Option<usize>,
}

impl Entry {
    /// Takes a rule apart.
    pub(super) fn of(rule: &Arc<HttpRule>) -> impl Iterator<Item = Self> {
        let all = rule.matches.is_empty().then_some(None);
        let each = (0..rule.matches.len()).map(Some);
        all.into_iter().chain(each).map(|index| Self { rule: rule.clone(), index })
    }

    fn matched(&self) -> Option<&HttpMatch> {
        self.index.and_then(|index| self.rule.matches.get(index))
    }

    /// Returns what it asks of the path.
    pub(super) fn path(&self) -> Option<&PathMatch> {
        self.matched()?.path.as_ref()
    }

    /// Returns its place among others.
    pub(super) fn rank(&self) -> Rank<'_> {
        Rank::new(&self.rule, self.matched(), self.index)
    }

    /// Tells whether it is for a request.
    pub(super) fn matches<R: Request + ?Sized>(&self, request: &R, client: &Client<'_>, port: u16) -> bool {
        self.rule.parent.port.is_none_or(|own| own == port)
            && self.matched().is_none_or(|matched| matched.matches(request, client, port))
    }

    /// Returns what follows of it.
    pub(super) fn chosen(&self) -> Chosen<'_> {
        let prefix = match self.path() {
            Some(PathMatch::Exact(_) | PathMatch::Regex(_)) => None,
            Some(PathMatch::Segments(prefix) | PathMatch::Prefix(prefix)) => Some(prefix.len()),
            None => Some(0),
        };
        Chosen { rule: &self.rule, index: self.index, prefix }
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
