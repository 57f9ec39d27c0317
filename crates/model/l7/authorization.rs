//! Who may ask what: authorization policies over requests, and the one function that decides.
//!
//! Rules are alternatives; of a rule one `from`, one `to` and every `when` must hold; all fields of one `from` or `to` must hold;
//! values of a field are alternatives; of a `not` field none may hold. A condition over what a connection does not have (a method
//! of plain TCP) never holds in a permission and always holds in a refusal, so that nothing is let in by a lack.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Target, external_auth::ExternalAuth, matching::Request, text::TextMatch};
use crate::{
    identity::Identity,
    policy::{Block, ServiceAccountMatch},
    service::contains,
    workload::Name,
};

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Authorization {
    /// The namespace.
    pub namespace: Name,
    /// The name.
    pub name: Name,
    /// What it is attached to.
    pub targets: Vec<Target>,
    /// What it does.
    pub action: Action,
    /// When; without any it never matches.
    pub rules: Vec<Rule>,
    /// Only reports what it would do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// What a policy does with what it matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Lets it in; where an allow policy applies, what none allows is refused.
    Allow,
    /// Refuses it, whatever allows it.
    Deny,
    /// Notes it.
    Audit,
    /// Asks somebody, before all others.
    Custom(Box<Custom>),
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Custom {
    /// The name of the provider.
    pub provider: Name,
    /// How it is asked; none if it cannot be, and then nothing passes that it was to be asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<ExternalAuth>,
}

/// One alternative.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rule {
    /// Who asks; none for anybody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<Vec<Condition>>,
    /// What is asked; none for anything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<Vec<Condition>>,
    /// Further conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<Condition>,
}

/// One condition: what is looked at, and what it may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// What is looked at.
    pub attribute: Attribute,
    /// What it may be; any of them, and none for anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Wanted>,
    /// What it may not be; none of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_values: Vec<Wanted>,
}

/// What a condition looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Attribute {
    /// The client's identity, without `spiffe://`.
    Principal,
    /// The client's namespace.
    Namespace,
    /// The client's service account.
    ServiceAccount,
    /// The client's trust domain.
    TrustDomain,
    /// The address of the connection.
    SourceIp,
    /// The client's address, as proxies in front tell it (`x-forwarded-for`).
    RemoteIp,
    /// The address that was asked for.
    DestinationIp,
    /// The port of the workload or service that was asked for.
    DestinationPort,
    /// `Host` or `:authority`; without regard to case, and a port that is not written is not compared.
    Host,
    /// The method.
    Method,
    /// The path, without the query; `{*}` for one segment, `{**}` for any.
    Path,
    /// Issuer and subject of the token, `iss/sub`.
    RequestPrincipal,
    /// The token's audiences.
    RequestAudience,
    /// The token's authorised presenter (`azp`).
    RequestPresenter,
    /// A claim of the token, by its path of names.
    Claim(Vec<Name>),
    /// A header of the request, in lower case.
    Header(Name),
    /// The server name of a TLS client.
    ServerName,
}

impl Attribute {
    /// Tells whether it needs a request: a plain connection does not have it.
    #[must_use]
    pub fn is_of_request(&self) -> bool {
        !matches!(
            self,
            Self::Principal
                | Self::Namespace
                | Self::ServiceAccount
                | Self::TrustDomain
                | Self::SourceIp
                | Self::DestinationIp
                | Self::DestinationPort
                | Self::ServerName
        )
    }
}

/// What an attribute may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Wanted {
    /// A text.
    Text(TextMatch),
    /// A path with `{*}` and `{**}` (Istio's URI templates).
    Template(Name),
    /// An address.
    Block(Block),
    /// A port.
    Port(u16),
    /// A service account.
    Account(ServiceAccountMatch),
}

/// What is known of a request or connection when policies are asked.
pub struct Asked<'a> {
    /// The client's proven identity.
    pub identity: Option<&'a Identity>,
    /// The address of the connection.
    pub source: IpAddr,
    /// The client's address, as trusted proxies in front tell it.
    pub remote: IpAddr,
    /// The address and port that were asked for.
    pub destination: SocketAddr,
    /// The server name of a TLS client.
    pub server_name: Option<&'a str>,
    /// The request; none for a plain connection.
    pub request: Option<&'a dyn Request>,
    /// The claims of the token that was believed.
    pub claims: Option<&'a Value>,
    /// The trust domain and its aliases: all count as one.
    pub trust_domains: &'a [Name],
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may pass; the policy that allows it, if one had to.
    Allow(Option<Name>),
    /// This policy refuses it.
    DeniedBy(Name),
    /// Policies that allow are attached, and none allows it.
    NotAllowed,
}

impl Decision {
    /// Tells whether it may pass.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow(_))
    }
}

/// Decides by policies that are attached: refusals first, then permissions. Custom, audit and dry-run policies say nothing here.
pub fn decide<'p>(policies: impl IntoIterator<Item = &'p Authorization>, asked: &Asked<'_>) -> Decision {
    judge(policies.into_iter().filter(|policy| !policy.dry_run), asked)
}

/// Returns the policies that ask somebody over this, and whom: the ones that decide before all others.
///
/// Who cannot ask the provider must refuse.
pub fn custom<'p>(
    policies: impl IntoIterator<Item = &'p Authorization>,
    asked: &Asked<'_>,
) -> impl Iterator<Item = (&'p Authorization, &'p Custom)> {
    policies.into_iter().filter(|policy| !policy.dry_run).filter_map(|policy| match &policy.action {
        Action::Custom(custom) if policy.matches(asked) => Some((policy, &**custom)),
        _ => None,
    })
}

/// Returns the policies that want this noted; those that are only tried too, for a note is all that they ask for.
pub fn audits<'p>(
    policies: impl IntoIterator<Item = &'p Authorization>,
    asked: &Asked<'_>,
) -> impl Iterator<Item = &'p Authorization> {
    policies.into_iter().filter(|policy| policy.action == Action::Audit && policy.matches(asked))
}

/// Decides as if the policies that are only tried were in force.
pub fn trial<'p>(policies: impl IntoIterator<Item = &'p Authorization>, asked: &Asked<'_>) -> Decision {
    judge(policies.into_iter(), asked)
}

fn judge<'p>(policies: impl Iterator<Item = &'p Authorization>, asked: &Asked<'_>) -> Decision {
    let mut allowed = Decision::Allow(None);
    for policy in policies {
        match &policy.action {
            Action::Deny if policy.matches(asked) => return Decision::DeniedBy(policy.key()),
            Action::Allow if matches!(allowed, Decision::Allow(Some(_))) => {}
            Action::Allow if policy.matches(asked) => allowed = Decision::Allow(Some(policy.key())),
            Action::Allow => allowed = Decision::NotAllowed,
            Action::Deny | Action::Audit | Action::Custom(_) => {}
        }
    }
    allowed
}

impl Authorization {
    /// Returns `namespace/name`.
    #[must_use]
    pub fn key(&self) -> Name {
        format!("{}/{}", self.namespace, self.name).into()
    }

    /// Tells whether one of its rules matches.
    #[must_use]
    pub fn matches(&self, asked: &Asked<'_>) -> bool {
        // Asking a provider refuses, if the provider says so: on a plain connection too the rule counts as matched.
        let lacking = matches!(self.action, Action::Deny | Action::Custom(_));
        self.rules.iter().any(|rule| rule.holds(asked, lacking))
    }
}

impl Rule {
    /// Tells whether it holds; `lacking` is the answer where a connection has no such attribute at all.
    #[must_use]
    pub fn holds(&self, asked: &Asked<'_>, lacking: bool) -> bool {
        let all = |conditions: &Vec<Condition>| conditions.iter().all(|c| c.holds(asked, lacking));
        let any = |alternatives: &[Vec<Condition>]| alternatives.is_empty() || alternatives.iter().any(all);
        any(&self.from) && any(&self.to) && all(&self.when)
    }
}

impl Condition {
    /// Tells whether it holds; `lacking` is the answer where a connection has no such attribute at all.
    fn holds(&self, asked: &Asked<'_>, lacking: bool) -> bool {
        if asked.request.is_none() && self.attribute.is_of_request() {
            return lacking;
        }
        let is = |wanted: &Wanted| self.attribute.is(wanted, asked);
        (self.values.is_empty() || self.values.iter().any(is)) && !self.not_values.iter().any(is)
    }
}

impl Attribute {
    fn is(&self, wanted: &Wanted, asked: &Asked<'_>) -> bool {
        let text = |found: Option<&str>| match wanted {
            Wanted::Text(pattern) => found.is_some_and(|found| pattern.matches(found)),
            _ => false,
        };
        let block =
            |found: IpAddr| matches!(wanted, Wanted::Block(block) if contains(block.address, block.length, found));
        let claim = |path: &[&str]| asked.claims.is_some_and(|claims| claim_is(claims, path, wanted));
        let identity = asked.identity;
        match self {
            Self::Principal => identity.is_some_and(|id| principal_is(id, wanted, asked.trust_domains)),
            Self::Namespace => text(identity.map(Identity::namespace)),
            Self::TrustDomain => identity.is_some_and(|id| {
                let own = asked.trust_domains.iter().any(|d| **d == *id.trust_domain());
                let aliases = asked.trust_domains.iter().filter(|_| own).map(|d| &**d);
                [id.trust_domain()].into_iter().chain(aliases).any(|domain| text(Some(domain)))
            }),
            Self::ServiceAccount => match wanted {
                Wanted::Account(account) => identity.is_some_and(|id| {
                    id.namespace() == &*account.namespace && id.service_account() == &*account.service_account
                }),
                _ => text(identity.map(Identity::service_account)),
            },
            Self::SourceIp => block(asked.source),
            Self::RemoteIp => block(asked.remote),
            Self::DestinationIp => block(asked.destination.ip()),
            Self::DestinationPort => matches!(wanted, Wanted::Port(port) if *port == asked.destination.port()),
            Self::Host => asked.request.is_some_and(|request| host_is(request.authority(), wanted)),
            Self::Method => text(asked.request.map(|request| request.method())),
            Self::Path => asked.request.is_some_and(|request| match wanted {
                Wanted::Template(template) => template_matches(template, request.path()),
                _ => text(Some(request.path())),
            }),
            Self::RequestPrincipal => asked.claims.is_some_and(|claims| {
                let of = |name: &str| claims.get(name).and_then(Value::as_str);
                of("iss").zip(of("sub")).is_some_and(|(issuer, subject)| text(Some(&format!("{issuer}/{subject}"))))
            }),
            Self::RequestAudience => claim(&["aud"]),
            Self::RequestPresenter => claim(&["azp"]),
            Self::Claim(path) => claim(&path.iter().map(|name| &**name).collect::<Vec<_>>()),
            Self::Header(name) => asked.request.is_some_and(|request| match wanted {
                Wanted::Text(pattern) => request.header(name, &mut |value| pattern.matches(value)),
                _ => false,
            }),
            Self::ServerName => text(asked.server_name),
        }
    }
}

/// Compares an identity under its own trust domain and, if that is the mesh's or an alias of it, under all of those.
fn principal_is(identity: &Identity, wanted: &Wanted, trust_domains: &[Name]) -> bool {
    let Wanted::Text(pattern) = wanted else { return false };
    let own = identity.trust_domain();
    let aliased = trust_domains.iter().any(|domain| **domain == *own);
    let others = trust_domains.iter().filter(|domain| aliased && ***domain != *own).map(|domain| &**domain);
    [own].into_iter().chain(others).any(|domain| {
        pattern.matches(&format!("{domain}/ns/{}/sa/{}", identity.namespace(), identity.service_account()))
    })
}

/// Compares a host without regard to case, with its port and without: `shop.example` is for `shop.example:8080` as well.
fn host_is(authority: &str, wanted: &Wanted) -> bool {
    let Wanted::Text(pattern) = wanted else { return false };
    let port = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let bare = port.map_or(authority, |(host, _)| host);
    pattern.matches_ignoring_case(authority) || pattern.matches_ignoring_case(bare)
}

/// Compares a claim: a list with any of its texts. A text counts as a whole: which ones are lists parted by spaces is known
/// where tokens are read, and a user who chooses his name must not be able to put words in.
fn claim_is(claims: &Value, path: &[&str], wanted: &Wanted) -> bool {
    let Wanted::Text(pattern) = wanted else { return false };
    let found = path.iter().try_fold(claims, |value, name| value.get(name));
    match found {
        Some(Value::String(text)) => pattern.matches(text),
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).any(|text| pattern.matches(text)),
        Some(Value::Bool(truth)) => pattern.matches(if *truth { "true" } else { "false" }),
        Some(Value::Number(number)) => pattern.matches(&number.to_string()),
        Some(Value::Null | Value::Object(_)) | None => false,
    }
}

/// Matches a path with a template: `{*}` stands for one segment that is not empty, `{**}` for any number of them.
#[must_use]
pub fn template_matches(template: &str, path: &str) -> bool {
    let wanted: Vec<&str> = template.split('/').collect();
    let found: Vec<&str> = path.split('/').collect();
    let segment = |(wanted, found): (&&str, &&str)| wanted == found || *wanted == "{*}" && !found.is_empty();
    // One `{**}` only, as Istio allows: what is behind it has to be the end of the path.
    match wanted.iter().position(|segment| *segment == "{**}") {
        Some(at) => {
            let (head, tail) = (&wanted[..at], &wanted[at + 1..]);
            found.len() >= head.len() + tail.len()
                && head.iter().zip(&found).all(segment)
                && tail.iter().zip(&found[found.len() - tail.len()..]).all(segment)
        }
        None => wanted.len() == found.len() && wanted.iter().zip(&found).all(segment),
    }
}

#[cfg(test)]
#[path = "authorization/tests.rs"]
mod tests;
