//! What is done to requests and answers on their way.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::text::{Pattern, TextMatch};
use crate::workload::Name;

/// A share of all requests, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Share(pub u32);

impl Share {
    /// All of them.
    pub const ALL: Self = Self(1_000_000);

    /// Makes one of a percentage, bounded by 0 and 100.
    #[must_use]
    pub fn percent(percent: f64) -> Self {
        Self((percent.clamp(0.0, 100.0) * 10_000.0).round() as u32)
    }

    /// Makes one of a fraction; none for a denominator of 0.
    #[must_use]
    pub fn fraction(numerator: u64, denominator: u64) -> Option<Self> {
        let millionths = numerator.min(denominator).checked_mul(1_000_000)?.checked_div(denominator)?;
        Some(Self(millionths as u32))
    }

    /// Tells whether a request is one of them; `random` is uniform over all numbers.
    #[must_use]
    pub fn hits(self, random: u32) -> bool {
        u64::from(random) * 1_000_000 < u64::from(self.0) << 32
    }
}

/// A change of requests or answers; applied in the order in which they stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Filter {
    /// Headers of the request.
    RequestHeaders(HeaderChange),
    /// Headers of the answer.
    ResponseHeaders(HeaderChange),
    /// Where the request goes, as the backend sees it.
    Rewrite(Rewrite),
}

/// A change of headers: those to remove go first, then those to set, then those to add.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HeaderChange {
    /// In place of what is there; names in lower case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<(Name, Name)>,
    /// Beside what is there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<(Name, Name)>,
    /// Away with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Name>,
}

impl HeaderChange {
    /// Tells whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A new authority or path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rewrite {
    /// The new authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<Name>,
    /// The new path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathRewrite>,
}

/// A new path; the query stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PathRewrite {
    /// The whole path.
    Full(Name),
    /// What the match's prefix matched; the whole path if it matched as a whole.
    Prefix(Name),
    /// What a pattern finds.
    Regex(Pattern, Name),
}

impl PathRewrite {
    /// Returns the new path; `matched` is how many bytes of the path the prefix of the match took, if it has one.
    #[must_use]
    pub fn apply(&self, path: &str, matched: Option<usize>) -> String {
        let rooted = |path: String| if path.starts_with('/') { path } else { format!("/{path}") };
        match self {
            Self::Full(full) => rooted((**full).to_owned()),
            Self::Prefix(prefix) => {
                let rest = matched.and_then(|length| path.get(length..)).unwrap_or_default();
                // Gateway API, ReplacePrefixMatch: one slash stands between the two, and an empty path is the root.
                match rest.strip_prefix('/') {
                    Some(rest) => rooted(format!("{}/{rest}", prefix.trim_end_matches('/'))),
                    None => rooted(format!("{prefix}{rest}")),
                }
            }
            Self::Regex(pattern, with) => rooted(pattern.replace(path, with)),
        }
    }
}

/// An answer that sends the client elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redirect {
    /// The new scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Name>,
    /// The new host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Name>,
    /// The new port.
    #[serde(default)]
    pub port: RedirectPort,
    /// The new path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathRewrite>,
    /// The status: 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// The port of a redirect; one that the scheme implies is never written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RedirectPort {
    /// That of the scheme if one is given, else the one that was asked (Gateway API).
    #[default]
    Implied,
    /// This one.
    Number(u16),
    /// The one that was asked.
    Request,
    /// That of the scheme.
    Scheme,
}

/// An answer without asking anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DirectResponse {
    /// The status.
    pub status: u16,
    /// The body.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub body: Name,
}

/// A fault that is made on purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Fault {
    /// How many requests wait how long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<(Share, Duration)>,
    /// How many requests are answered so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort: Option<(Share, Abort)>,
}

/// How a request is refused on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Abort {
    /// With an HTTP status.
    Http(u16),
    /// With a gRPC status.
    Grpc(u32),
}

/// Cross-origin requests, as the Fetch standard has them (3.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Cors {
    /// Origins that may ask.
    pub allow_origins: Vec<TextMatch>,
    /// Methods that they may use; `*` for all.
    pub allow_methods: Vec<Name>,
    /// Headers that they may send; `*` for all.
    pub allow_headers: Vec<Name>,
    /// Headers of the answer that they may read.
    pub expose_headers: Vec<Name>,
    /// Whether they may send credentials.
    pub allow_credentials: bool,
    /// How long a preflight's answer holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// Whether preflights of other origins go on to the backend (Istio's `FORWARD`) instead of being answered.
    pub forward_unmatched: bool,
}

/// Whether a client stays with the endpoint it began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Session {
    /// The name of the cookie or header.
    pub name: Name,
    /// By a header instead of a cookie.
    #[serde(default)]
    pub header: bool,
    /// How long it lasts at most; without, a cookie ends with the client's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_hit_as_often_as_they_say() {
        assert!(!Share(0).hits(0) && Share::ALL.hits(u32::MAX));
        let of = |share: Share| (0..1_000_u32).filter(|i| share.hits(((u64::from(*i) << 32) / 1_000) as u32)).count();
        assert_eq!(of(Share::percent(25.0)), 250);
        assert_eq!(Share::percent(0.1), Share(1_000));
        assert_eq!(
            (Share::fraction(1, 3), Share::fraction(5, 2), Share::fraction(1, 0)),
            (Some(Share(333_333)), Some(Share::ALL), None)
        );
    }

    #[test]
    fn prefixes_are_replaced_as_gateway_api_says() {
        let replace =
            |with: &str, path: &str, matched: usize| PathRewrite::Prefix(with.into()).apply(path, Some(matched));
        assert_eq!(replace("/one", "/prefix/one/two", 7), "/one/one/two");
        assert_eq!(replace("/", "/prefix/two", 7), "/two");
        assert_eq!(replace("/", "/prefix", 7), "/");
        assert_eq!(replace("/xyz/", "/foo/bar", 4), "/xyz/bar");
        assert_eq!(replace("/xyz", "/foobar", 4), "/xyzbar", "a prefix of text, not of segments");
        assert_eq!(PathRewrite::Prefix("/all".into()).apply("/x", None), "/all");
        assert_eq!(PathRewrite::Full("all".into()).apply("/x", None), "/all");
    }
}
