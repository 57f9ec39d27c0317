//! RequestAuthentication of Istio's API.

use serde::Deserialize;

use crate::api::{
    Resource,
    duration::Duration,
    istio::{Selector, TargetReference},
};

/// Whose tokens are believed.
pub type RequestAuthentication = Resource<Option<RequestAuthenticationSpec>>;

/// Its specification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestAuthenticationSpec {
    pub selector: Option<Selector>,
    pub target_ref: Option<TargetReference>,
    pub target_refs: Vec<TargetReference>,
    pub jwt_rules: Vec<JwtRule>,
}

/// Tokens of one issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JwtRule {
    pub issuer: String,
    pub audiences: Vec<String>,
    pub jwks_uri: Option<String>,
    /// An older spelling of `jwksUri`.
    #[serde(rename = "jwks_uri")]
    pub jwks_uri_old: Option<String>,
    pub jwks: Option<String>,
    pub from_headers: Vec<JwtHeader>,
    pub from_params: Vec<String>,
    pub from_cookies: Vec<String>,
    pub output_payload_to_header: Option<String>,
    pub output_claim_to_headers: Vec<ClaimToHeader>,
    pub forward_original_token: bool,
    pub space_delimited_claims: Vec<String>,
    pub timeout: Option<Duration>,
}

/// A header that holds a token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct JwtHeader {
    pub name: String,
    #[serde(default)]
    pub prefix: String,
}

/// A header that gets a claim.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ClaimToHeader {
    pub header: String,
    pub claim: String,
}
