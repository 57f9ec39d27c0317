//! How many requests may come: limits that a waypoint keeps itself, and those that it asks a server about.
//!
//! What a limit is about is written with the conditions of authorization policies, and what its requests are told apart by with
//! their attributes: one language for who asks what.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Target,
    authorization::{Asked, Attribute, Rule},
    route::{BackendTarget, Origin, OriginKind},
};
use crate::workload::Name;

/// The shortest time in which a token may come back: shorter ones could not be told apart.
pub const SHORTEST: Duration = Duration::from_micros(1);

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// The namespace.
    pub namespace: Name,
    /// The name.
    pub name: Name,
    /// What it is attached to.
    pub targets: Vec<Target>,
    /// Only requests that follow one of these; all at its targets without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteRef>,
    /// The limits that a waypoint keeps itself: all that match have to let a request pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub local: Vec<LocalLimit>,
    /// The server that is asked beside them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global: Option<GlobalLimit>,
    /// Which answers say what is left.
    #[serde(default)]
    pub headers: Told,
    /// Whether a client of gRPC hears RESOURCE_EXHAUSTED, not UNAVAILABLE.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resource_exhausted: bool,
    /// Only counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// A route, or one of its rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteRef {
    /// Its kind.
    pub kind: OriginKind,
    /// Its name, in the namespace of who refers to it.
    pub name: Name,
    /// The name of the rule; all of them without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Name>,
}

/// Which answers say what is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Told {
    /// Those to requests that are too many.
    #[default]
    OnLimit,
    /// All.
    Always,
    /// None.
    Never,
}

/// A limit that a waypoint keeps itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalLimit {
    /// The requests that it is about; any of them, and none for all.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<Rule>,
    /// What requests are told apart by: each set of values has a limit of its own. One for all without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<Attribute>,
    /// How many.
    pub requests: u32,
    /// In what time.
    pub per: Duration,
    /// How many at once.
    pub burst: u32,
}

/// A server that is asked (`envoy.service.ratelimit.v3.RateLimitService`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GlobalLimit {
    /// Who it is.
    pub target: BackendTarget,
    /// The domain of its own configuration.
    pub domain: Name,
    /// How long the answer may take.
    pub timeout: Duration,
    /// Whether a request passes if it could not be asked.
    pub fail_open: bool,
    /// What it is asked about.
    pub descriptors: Vec<Descriptor>,
}

/// What a server is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Descriptor {
    /// The requests that it is about; any of them, and none for all.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<Rule>,
    /// Its pairs. Where one has no value, the server is not asked about this (as Envoy).
    pub entries: Vec<Entry>,
    /// A limit in place of the server's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Override>,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    /// The key.
    pub key: Name,
    /// What the value is of; none if it is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Attribute>,
    /// The value, or what stands for one that is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Name>,
}

/// A limit in place of a server's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// How many.
    pub requests: u32,
    /// In what time.
    pub unit: Unit,
}

/// A time that servers know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // the names say all
pub enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Year,
}

impl RateLimit {
    /// Returns `namespace/name`.
    #[must_use]
    pub fn key(&self) -> Name {
        format!("{}/{}", self.namespace, self.name).into()
    }

    /// Tells whether it is about requests that follow a rule, or none.
    #[must_use]
    pub fn covers(&self, rule: Option<&Origin>) -> bool {
        let is = |route: &RouteRef, origin: &Origin| {
            (route.kind, &*route.name, &*self.namespace) == (origin.kind, &*origin.name, &*origin.namespace)
                && (route.rule.is_none() || route.rule == origin.rule)
        };
        self.routes.is_empty() || rule.is_some_and(|origin| self.routes.iter().any(|route| is(route, origin)))
    }
}

impl LocalLimit {
    /// Returns in what time one token comes back.
    #[must_use]
    pub fn interval(&self) -> Duration {
        (self.per / self.requests.max(1)).max(SHORTEST)
    }

    /// Tells whether it is about a request.
    #[must_use]
    pub fn matches(&self, asked: &Asked<'_>) -> bool {
        matches(&self.matches, asked)
    }
}

impl Descriptor {
    /// Returns the pairs for a request; none if it is not about it, or one of them has no value.
    #[must_use]
    pub fn of(&self, asked: &Asked<'_>) -> Option<Vec<(Name, String)>> {
        let pair = |entry: &Entry| {
            let found = entry.of.as_ref().and_then(|attribute| value(attribute, asked));
            let value = found.or_else(|| entry.value.as_deref().map(Cow::Borrowed))?;
            Some((entry.key.clone(), value.into_owned()))
        };
        matches(&self.matches, asked).then(|| self.entries.iter().map(pair).collect())?
    }
}

fn matches(rules: &[Rule], asked: &Asked<'_>) -> bool {
    rules.is_empty() || rules.iter().any(|rule| rule.holds(asked, false))
}

/// Returns the value of an attribute of a request; none if it has none.
#[must_use]
pub fn value<'a>(attribute: &Attribute, asked: &Asked<'a>) -> Option<Cow<'a, str>> {
    let identity = asked.identity;
    let claims = asked.claims;
    let claim = |path: &[&str]| {
        let found = path.iter().try_fold(claims?, |value, name| value.get(name))?;
        match found {
            Value::String(text) => Some(Cow::Borrowed(&**text)),
            Value::Null => None,
            other => Some(Cow::Owned(other.to_string())),
        }
    };
    match attribute {
        Attribute::Principal => {
            let of = |id: &crate::Identity| {
                format!("{}/ns/{}/sa/{}", id.trust_domain(), id.namespace(), id.service_account())
            };
            identity.map(|id| Cow::Owned(of(id)))
        }
        Attribute::Namespace => identity.map(|id| Cow::Borrowed(id.namespace())),
        Attribute::ServiceAccount => {
            identity.map(|id| Cow::Owned(format!("{}/{}", id.namespace(), id.service_account())))
        }
        Attribute::TrustDomain => identity.map(|id| Cow::Borrowed(id.trust_domain())),
        Attribute::SourceIp => Some(Cow::Owned(asked.source.to_string())),
        Attribute::RemoteIp => Some(Cow::Owned(asked.remote.to_string())),
        Attribute::DestinationIp => Some(Cow::Owned(asked.destination.ip().to_string())),
        Attribute::DestinationPort => Some(Cow::Owned(asked.destination.port().to_string())),
        // In any case it is one host.
        Attribute::Host => asked.request.map(|request| Cow::Owned(request.authority().to_ascii_lowercase())),
        Attribute::Method => asked.request.map(|request| Cow::Borrowed(request.method())),
        Attribute::Path => asked.request.map(|request| Cow::Borrowed(request.path())),
        Attribute::RequestPrincipal => Some(Cow::Owned(format!("{}/{}", claim(&["iss"])?, claim(&["sub"])?))),
        Attribute::RequestAudience => claim(&["aud"]),
        Attribute::RequestPresenter => claim(&["azp"]),
        Attribute::Claim(path) => claim(&path.iter().map(|name| &**name).collect::<Vec<_>>()),
        Attribute::Header(name) => {
            let mut found = None;
            asked.request?.header(name, &mut |value| {
                found = Some(value.to_owned());
                true
            });
            found.map(Cow::Owned)
        }
        Attribute::ServerName => asked.server_name.map(Cow::Borrowed),
    }
}

#[cfg(test)]
#[path = "rate_limit/tests.rs"]
mod tests;
