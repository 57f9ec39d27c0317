//! Somebody who is asked whether a request may pass (Gateway API, `ExternalAuth`; Istio, `AuthorizationPolicy` with the action CUSTOM).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{route::BackendTarget, text::TextMatch};
use crate::workload::Name;

/// Somebody who is asked whether a request may pass; who cannot be asked lets nothing pass, unless it is told otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalAuth {
    /// Who it is.
    pub target: BackendTarget,
    /// How it is asked.
    pub protocol: AuthProtocol,
    /// How many bytes of the body it is told at most; none of the body without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body: Option<u32>,
    /// Whether a longer body is refused, instead of being told of in part.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole_body: bool,
    /// How long the answer may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Whether a request passes if nobody could be asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fail_open: bool,
    /// The status if nobody could be asked; 403 without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_on_error: Option<u16>,
}

/// How somebody is asked whether a request may pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum AuthProtocol {
    /// By `envoy.service.auth.v3.Authorization`.
    Grpc {
        /// The headers that it is told, in lower case; all of them without any.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        headers: Vec<Name>,
        /// Whether the body is told as bytes, not as a text.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        raw_body: bool,
    },
    /// By the same request: 200 lets it pass, any other answer goes to the client.
    Http(HttpAuth),
}

/// How somebody is asked by the same request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpAuth {
    /// What stands before the path of the request.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub path: Name,
    /// The headers that it is told beside `host`, method, path, `content-length` and `authorization`; their names in lower case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<TextMatch>,
    /// Headers that it is told beside those, in place of what the client says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<(Name, Name)>,
    /// The headers of its answer that the backend sees; all of them without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_headers: Option<Vec<TextMatch>>,
    /// The headers of its answer that the client sees of a request that may pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client_headers: Vec<TextMatch>,
    /// The headers of its answer that the client sees of a request that may not pass; all of them without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal_headers: Option<Vec<TextMatch>>,
    /// Whether an answer from 500 on says that it failed, not that it refuses (as Envoy's `ext_authz` has it).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub errors_fail: bool,
}
