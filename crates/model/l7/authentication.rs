//! Whose tokens are believed: what a RequestAuthentication says.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Target;
use crate::workload::Name;

/// Rules for tokens. A request without a token passes; one whose token is not valid is answered with 401.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Authentication {
    /// The namespace.
    pub namespace: Name,
    /// The name.
    pub name: Name,
    /// What it is attached to.
    pub targets: Vec<Target>,
    /// Whose tokens.
    pub rules: Vec<JwtRule>,
}

/// Whose tokens, and where they are found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JwtRule {
    /// The issuer (RFC 7519 4.1.1).
    pub issuer: Name,
    /// The audiences of which one must be named (RFC 7519 4.1.3); none for any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<Name>,
    /// Where the keys are.
    pub keys: Keys,
    /// Headers that hold the token, with what stands before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_headers: Vec<(Name, Name)>,
    /// Parameters of the query that hold it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_params: Vec<Name>,
    /// Cookies that hold it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_cookies: Vec<Name>,
    /// The header that gets the payload, in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_header: Option<Name>,
    /// Headers that get claims: header and claim, `.` between nested ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claim_headers: Vec<(Name, Name)>,
    /// Claims whose text is a list parted by spaces, as `scope` is (RFC 8693 4.2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub space_delimited: Vec<Name>,
    /// Whether the backend sees the token too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forward: bool,
    /// How long fetching the keys may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// Where keys are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Keys {
    /// Here, a JWK set (RFC 7517 5).
    Inline(Name),
    /// At this address.
    Uri(Name),
    /// Where the issuer's OpenID configuration says.
    Discovery,
}
