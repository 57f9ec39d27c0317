//! Which requests a rule is about.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::text::{Pattern, TextMatch};
use crate::workload::Name;

/// A set of conditions; all of them must hold, and no condition holds always.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpMatch {
    /// The path, without the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathMatch>,
    /// Whether the case of the path's letters is ignored.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
    /// The method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<TextMatch>,
    /// The scheme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<TextMatch>,
    /// The `Host` or `:authority`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<TextMatch>,
    /// Headers that must be there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<NamedMatch>,
    /// Headers that must not be there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without_headers: Vec<NamedMatch>,
    /// Parameters of the query.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<NamedMatch>,
    /// The port of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Who asks.
    #[serde(skip_serializing_if = "Source::is_anybody")]
    pub source: Source,
}

/// A pattern for a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PathMatch {
    /// Equal to.
    Exact(Name),
    /// Begins with these segments (Gateway API's `PathPrefix`): `/a` is for `/a` and `/a/b`, not for `/ab`. Kept without a
    /// slash at the end.
    Segments(Name),
    /// Begins with this text, wherever it ends (VirtualService's `prefix`).
    Prefix(Name),
    /// Matches as a whole.
    Regex(Pattern),
}

impl PathMatch {
    /// Makes a match of whole segments.
    #[must_use]
    pub fn segments(path: &str) -> Self {
        Self::Segments(path.trim_end_matches('/').into())
    }

    /// Tells whether a path matches.
    #[must_use]
    pub fn matches(&self, path: &str, ignore_case: bool) -> bool {
        let begins = |prefix: &str| {
            path.len() >= prefix.len() && {
                let start = &path.as_bytes()[..prefix.len()];
                if ignore_case { start.eq_ignore_ascii_case(prefix.as_bytes()) } else { start == prefix.as_bytes() }
            }
        };
        match self {
            Self::Exact(exact) => path.len() == exact.len() && begins(exact),
            Self::Segments(prefix) => begins(prefix) && matches!(path.as_bytes().get(prefix.len()), None | Some(b'/')),
            Self::Prefix(prefix) => begins(prefix),
            Self::Regex(pattern) => pattern.matches(path),
        }
    }
}

/// A pattern for the value of a header or a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamedMatch {
    /// The name; of a header in lower case.
    pub name: Name,
    /// The value.
    pub value: TextMatch,
}

/// Who asks, as far as a route may tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Source {
    /// The namespace of the client's proven identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Name>,
    /// Labels of the client's workload.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Name, Name>,
}

impl Source {
    /// Tells whether it may be anybody.
    #[must_use]
    pub fn is_anybody(&self) -> bool {
        self.namespace.is_none() && self.labels.is_empty()
    }

    /// Tells whether a client is meant.
    #[must_use]
    pub fn matches(&self, client: &Client<'_>) -> bool {
        let labelled = |(key, value): (&Name, &Name)| client.labels.is_some_and(|l| l.get(key) == Some(value));
        self.namespace.as_deref().is_none_or(|wanted| client.namespace == Some(wanted))
            && self.labels.iter().all(labelled)
    }
}

/// What is known of who asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Client<'c> {
    /// The namespace of its proven identity.
    pub namespace: Option<&'c str>,
    /// The labels of its workload that rules ask for.
    pub labels: Option<&'c BTreeMap<Name, Name>>,
}

/// A request, as far as rules read it.
pub trait Request {
    /// Returns the path, without the query, normalised.
    fn path(&self) -> &str;
    /// Returns the method.
    fn method(&self) -> &str;
    /// Returns the scheme.
    fn scheme(&self) -> &str;
    /// Returns the `Host` or `:authority`.
    fn authority(&self) -> &str;
    /// Tells whether a header, its values joined by commas (RFC 9110 5.3), satisfies a condition; false if it is not there.
    fn header(&self, name: &str, holds: &mut dyn FnMut(&str) -> bool) -> bool;
    /// Tells whether the first parameter of this name satisfies a condition; false if there is none.
    fn query(&self, name: &str, holds: &mut dyn FnMut(&str) -> bool) -> bool;
}

impl HttpMatch {
    /// Tells whether a request of a client to a port of the service is meant.
    #[must_use]
    pub fn matches<R: Request + ?Sized>(&self, request: &R, client: &Client<'_>, port: u16) -> bool {
        let text = |wanted: &Option<TextMatch>, found: &str| wanted.as_ref().is_none_or(|w| w.matches(found));
        let header = |wanted: &NamedMatch| request.header(&wanted.name, &mut |value| wanted.value.matches(value));
        self.port.is_none_or(|wanted| wanted == port)
            && self.path.as_ref().is_none_or(|path| path.matches(request.path(), self.ignore_case))
            && text(&self.method, request.method())
            && text(&self.scheme, request.scheme())
            && text(&self.authority, request.authority())
            && self.source.matches(client)
            && self.headers.iter().all(header)
            && !self.without_headers.iter().any(header)
            && self.query.iter().all(|wanted| request.query(&wanted.name, &mut |value| wanted.value.matches(value)))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A request of plain texts.
    pub(crate) struct Plain {
        texts: [String; 3],
        pub(crate) headers: Vec<(&'static str, &'static str)>,
        pub(crate) query: Vec<(&'static str, &'static str)>,
    }

    impl Plain {
        pub(crate) fn new(method: &str, authority: &str, path: &str) -> Self {
            Self { texts: [method, authority, path].map(str::to_owned), headers: vec![], query: vec![] }
        }
    }

    fn first(of: &[(&str, &str)], name: &str, holds: &mut dyn FnMut(&str) -> bool) -> bool {
        of.iter().find(|(n, _)| *n == name).is_some_and(|(_, value)| holds(value))
    }

    impl Request for Plain {
        fn path(&self) -> &str {
            &self.texts[2]
        }
        fn method(&self) -> &str {
            &self.texts[0]
        }
        fn scheme(&self) -> &str {
            "http"
        }
        fn authority(&self) -> &str {
            &self.texts[1]
        }
        fn header(&self, name: &str, holds: &mut dyn FnMut(&str) -> bool) -> bool {
            first(&self.headers, name, holds)
        }
        fn query(&self, name: &str, holds: &mut dyn FnMut(&str) -> bool) -> bool {
            first(&self.query, name, holds)
        }
    }

    #[test]
    fn paths_match_by_segments_or_by_text() {
        let cases = [
            (PathMatch::Exact("/a".into()), "/a", true),
            (PathMatch::Exact("/a".into()), "/a/", false),
            (PathMatch::segments("/a"), "/a", true),
            (PathMatch::segments("/a"), "/a/b", true),
            (PathMatch::segments("/a/"), "/a", true),
            (PathMatch::segments("/a"), "/ab", false),
            (PathMatch::segments("/"), "/anything", true),
            (PathMatch::Prefix("/a".into()), "/ab", true),
            (PathMatch::Prefix("/ab".into()), "/a", false),
            (PathMatch::Regex("/a.".parse().expect("valid")), "/ab", true),
            (PathMatch::Regex("/a.".parse().expect("valid")), "/abc", false),
        ];
        for (pattern, path, wanted) in cases {
            assert_eq!(pattern.matches(path, false), wanted, "{pattern:?} {path}");
        }
        assert!(PathMatch::segments("/Ab").matches("/aB/c", true));
        assert!(PathMatch::Prefix("/é".into()).matches("/éa", false), "no cut inside a letter");
        assert!(!PathMatch::Prefix("/é".into()).matches("/ê", false));
    }
}
