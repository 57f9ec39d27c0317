//! Who may ask what: authorization policies over requests.
//!
//! Rules are alternatives; of a rule one `from`, one `to` and every `when` must hold; all fields of one `from` or `to` must hold;
//! values of a field are alternatives; of a `not` field none may hold. A condition over what a connection does not have (a method
//! of plain TCP) never holds in a permission and always holds in a refusal, so that nothing is let in by a lack.

use serde::{Deserialize, Serialize};

use super::{Target, text::TextMatch};
use crate::{
    policy::{Block, ServiceAccountMatch},
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
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Lets it in; where an allow policy applies, what none allows is refused.
    Allow,
    /// Refuses it, whatever allows it.
    Deny,
    /// Notes it.
    Audit,
    /// Asks this provider, before all others.
    Custom(Name),
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
    pub values: Vec<Value_>,
    /// What it may not be; none of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_values: Vec<Value_>,
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
pub enum Value_ {
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
