//! Rules: which requests and connections go where.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    external_auth::ExternalAuth,
    filter::{Cors, DirectResponse, Fault, Filter, Redirect, Session, Share},
    matching::{HttpMatch, Source},
};
use crate::{
    policy::Block,
    workload::{Name, ServiceKey},
};

/// The service that a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parent {
    /// The service.
    pub service: ServiceKey,
    /// One of its ports; all of them without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// The kind of the object that a rule was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are those of the API
pub enum OriginKind {
    HTTPRoute,
    GRPCRoute,
    TLSRoute,
    TCPRoute,
    VirtualService,
}

/// Where a rule was written. Rules of one rank are tried in this order: the oldest object first (Gateway API, conflicts).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Origin {
    /// When the object was made, RFC 3339: text of one form, so its order is that of time.
    pub created: Name,
    /// The namespace.
    pub namespace: Name,
    /// The name.
    pub name: Name,
    /// The place of the rule in the object.
    pub index: u32,
    /// The kind.
    pub kind: OriginKind,
    /// The name of the rule itself, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Name>,
}

/// A rule for requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpRule {
    /// Its own name: kind, namespace, name and place of its origin, and its parent.
    pub name: Name,
    /// The service that it is for.
    pub parent: Parent,
    /// Only for clients of this namespace: a route that a consumer wrote for itself (GEP-1294). Such rules come before those of
    /// the service's own namespace, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<Name>,
    /// Where it was written.
    pub origin: Origin,
    /// The requests that it is about; any of them, and none stands for all requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<HttpMatch>,
    /// What is done to request and answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    /// What comes of the request.
    pub action: Action,
    /// How long the whole request may take, with all that is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How long one try may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_timeout: Option<Duration>,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Who else gets the request, and is not listened to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<Mirror>,
    /// What goes wrong on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Who may ask from another origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// Whether a client stays with its endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// Who is asked before whether the request may pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_auth: Option<ExternalAuth>,
}

/// What comes of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It goes to one of these, by weight; without any it is answered with 500.
    Forward(Vec<Backend>),
    /// The client is sent elsewhere.
    Redirect(Redirect),
    /// It is answered here.
    Respond(DirectResponse),
}

/// One of those that a request may go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backend {
    /// Who it is.
    pub target: BackendTarget,
    /// Its share among the others.
    pub weight: u32,
    /// What is done to its requests and answers alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
}

impl Backend {
    /// Chooses one by weight; none if all weigh nothing.
    #[must_use]
    pub fn pick(all: &[Self], random: u64) -> Option<&Self> {
        let sum: u64 = all.iter().map(|backend| u64::from(backend.weight)).sum();
        let mut left = random.checked_rem(sum)?;
        all.iter().find(|backend| {
            let weight = u64::from(backend.weight);
            let hit = left < weight;
            left = left.saturating_sub(weight);
            hit
        })
    }
}

/// Who a request may go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BackendTarget {
    /// A service.
    Service {
        /// Which.
        service: ServiceKey,
        /// Which of its ports; the one that was asked for without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        /// Which of its subsets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subset: Option<Name>,
    },
    /// Nobody: what was written cannot be used, for this reason; its share is answered with 500 (Gateway API, `backendRefs`).
    Invalid(Name),
}

/// A copy of requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mirror {
    /// Who gets it.
    pub target: BackendTarget,
    /// How many requests are copied.
    pub share: Share,
}

/// When a request is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// How often at most, the first try not counted.
    pub attempts: u32,
    /// How long one try may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_try: Option<Duration>,
    /// After what.
    pub on: Vec<RetryOn>,
    /// How long to wait before the first repetition; doubled with each further one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Duration>,
    /// Whether endpoints elsewhere come into question once those near failed (Istio's `retryRemoteLocalities`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// Whether an endpoint that failed is asked again (Istio's `retryIgnorePreviousHosts: false`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub same_endpoint: bool,
}

impl Default for Retry {
    /// Istio's default: two repetitions of what certainly did nothing, or is said to pass.
    fn default() -> Self {
        let on = vec![RetryOn::ConnectFailure, RetryOn::RefusedStream, RetryOn::Grpc(14), RetryOn::Grpc(1)];
        Self { attempts: 2, per_try: None, on, backoff: None, elsewhere: false, same_endpoint: false }
    }
}

/// What a request is tried again after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RetryOn {
    /// No connection.
    ConnectFailure,
    /// The endpoint did not look at the request (RFC 9113 8.7).
    RefusedStream,
    /// The connection broke, or a try took too long.
    Reset,
    /// The connection broke before anything of the request was sent.
    ResetBeforeRequest,
    /// 502, 503 or 504.
    GatewayError,
    /// Any status from 500 on.
    ServerError,
    /// 409.
    RetriableClientError,
    /// This status.
    Status(u16),
    /// This gRPC status, in an answer without messages.
    Grpc(u32),
}

/// A rule for connections: TCP, or TLS that is passed on as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamRule {
    /// Its own name.
    pub name: Name,
    /// The service that it is for.
    pub parent: Parent,
    /// Only for clients of this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<Name>,
    /// Where it was written.
    pub origin: Origin,
    /// The connections that it is about; any of them, and none stands for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<StreamMatch>,
    /// Who gets them, by weight.
    pub backends: Vec<Backend>,
}

/// Conditions over a connection; all must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StreamMatch {
    /// The server names of a TLS client (RFC 6066 3), `*.` for any label in front; with one the rule is for TLS alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub server_names: Vec<Name>,
    /// Where the address that was asked for lies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<Block>,
    /// The port of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Where the client's address lies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Block>,
    /// Who asks.
    #[serde(skip_serializing_if = "Source::is_anybody")]
    pub source: Source,
}
