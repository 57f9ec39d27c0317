//! The order in which alternatives of one group are tried.

use std::cmp::Reverse;

use crate::{
    l7::{
        matching::{HttpMatch, PathMatch},
        route::{HttpRule, Origin, OriginKind},
    },
    workload::Name,
};

/// The place of an alternative: the fields say in this order which comes first.
///
/// Those of a VirtualService are tried as they are written, and the oldest object first. Those of Gateway API by how exact they
/// are (`HTTPRouteRule.matches`, `GRPCRouteRule.matches`), and then likewise.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank<'r> {
    path: Path,
    length: Reverse<usize>,
    method: Reverse<bool>,
    headers: Reverse<usize>,
    query: Reverse<usize>,
    origin: &'r Origin,
    // The same object may be attached to the service twice, with a port and without.
    name: &'r Name,
    index: Option<usize>,
}

/// The ranks of paths. Where a pattern stands is left to implementations by the API: behind every prefix, as Istio has it, but
/// before what is for all requests without any condition, or beside such a rule it could never match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Path {
    Exact,
    Prefix,
    Pattern,
    Any,
}

impl<'r> Rank<'r> {
    /// Returns the place of a match of a rule.
    pub(super) fn new(rule: &'r HttpRule, matched: Option<&HttpMatch>, index: Option<usize>) -> Self {
        let written = Self {
            path: Path::Any,
            length: Reverse(0),
            method: Reverse(false),
            headers: Reverse(0),
            query: Reverse(0),
            origin: &rule.origin,
            name: &rule.name,
            index,
        };
        let Some(matched) = matched.filter(|_| rule.origin.kind != OriginKind::VirtualService) else { return written };
        let conditions = matched.method.is_some() || !matched.headers.is_empty() || !matched.query.is_empty();
        let (path, length) = match &matched.path {
            Some(PathMatch::Exact(exact)) => (Path::Exact, exact.len()),
            Some(PathMatch::Segments(prefix) | PathMatch::Prefix(prefix)) if !prefix.is_empty() => {
                (Path::Prefix, prefix.len())
            }
            Some(PathMatch::Regex(pattern)) => (Path::Pattern, pattern.as_str().len()),
            // A call's service and method count more than its headers: a pattern for one of them is before what has neither.
            _ if conditions && rule.origin.kind != OriginKind::GRPCRoute => (Path::Prefix, 0),
            _ => (Path::Any, 0),
        };
        Self {
            path,
            length: Reverse(length),
            method: Reverse(matched.method.is_some()),
            headers: Reverse(matched.headers.len()),
            query: Reverse(matched.query.len()),
            ..written
        }
    }
}
