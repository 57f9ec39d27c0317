//! Asking somebody else whether a request may pass (Gateway API, `ExternalAuth`; Envoy's `ext_authz`).
//!
//! Who cannot be asked, or says nothing that makes sense, lets nothing pass.

mod grpc;
mod http;

use std::{sync::Arc, time::Duration};

use ::http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE},
    request::Parts,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Limited};
use model::l7::route::{AuthProtocol, BackendTarget, ExternalAuth};
use tokio::time::timeout;

use super::{
    headers::CLIENT_CERTIFICATE,
    refusal::Refusal,
    replay::{Outgoing, Replay},
};
use crate::{
    inbound::Inbound,
    upstream::{self, Endpoint, Hints, Version, Wanted},
};

/// How long the answer may take, and the client to send as much of its body as is told.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of a body is told at most, whatever a rule says, bytes.
const MAX_BODY: usize = 1 << 20;
/// The largest answer, bytes.
const MAX_ANSWER: usize = 1 << 20;
/// Headers that nobody but the proxy sets.
const OURS: [HeaderName; 8] =
    [CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, CLIENT_CERTIFICATE];

/// Headers, in their order.
pub type Headers = Vec<(HeaderName, HeaderValue)>;

/// A request, as it is told of.
pub struct Question<'q> {
    inbound: &'q Arc<Inbound>,
    parts: &'q Parts,
    authority: &'q str,
    /// The beginning of the body, and whether it is all; none if nothing is told of it.
    body: Option<(Bytes, bool)>,
}

/// What was said.
#[derive(Debug)]
enum Said {
    /// It may pass, changed like this.
    Allow(Changes),
    /// The client gets this instead.
    Deny(Box<Refusal>),
}

/// What changes of a request that may pass.
#[derive(Debug, Default)]
struct Changes {
    remove: Vec<HeaderName>,
    set: Headers,
    append: Headers,
    query: grpc::Query,
    /// Headers of the answer.
    answer: Headers,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Target(String),
    #[error(transparent)]
    Choose(#[from] upstream::Failure),
    #[error(transparent)]
    Send(#[from] upstream::SendError),
    #[error("its answer is none: {0}")]
    Answer(String),
    #[error("it said {0}")]
    Status(String),
}

/// Asks, and changes the request as the answer says; returns what the client's answer gets beside its own headers.
///
/// # Errors
/// The answer of a request that may not pass.
pub async fn ask(
    inbound: &Arc<Inbound>,
    auth: &ExternalAuth,
    parts: &mut Parts,
    authority: &str,
    replay: &Replay,
) -> Result<Headers, Refusal> {
    let asking = async {
        let body = match auth.max_body {
            Some(most @ 1..) => Some(replay.peek(MAX_BODY.min(most as usize)).await.map_err(|_| broken())?),
            _ => None,
        };
        let question = Question { inbound, parts, authority, body };
        let said = match &auth.protocol {
            AuthProtocol::Grpc { headers } => grpc::ask(&question, &auth.target, headers).await,
            AuthProtocol::Http { path, headers, response_headers } => {
                http::ask(&question, &auth.target, path, headers, response_headers).await
            }
        };
        said.map_err(|failure| denied(format!("the external authorization could not be asked: {failure}")))
    };
    let late = || Err(denied("the external authorization did not answer in time".to_owned()));
    match timeout(PATIENCE, asking).await.unwrap_or_else(|_| late())? {
        Said::Allow(changes) => Ok(changes.apply(parts)),
        Said::Deny(refusal) => Err(*refusal),
    }
}

fn broken() -> Refusal {
    Refusal::bad("the body broke off, or is none")
}

fn denied(reason: String) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "UAEX", "access denied\n", reason)
}

impl Changes {
    fn apply(self, parts: &mut Parts) -> Headers {
        let headers = &mut parts.headers;
        self.remove.iter().filter(|name| !OURS.contains(name)).for_each(|name| drop(headers.remove(name)));
        // The first of a name takes the place of what the client sent: several stand beside each other.
        let set: HeaderMap = self.set.into_iter().filter(|(name, _)| !OURS.contains(name)).collect();
        headers.extend(set);
        for (name, value) in self.append.into_iter().filter(|(name, _)| !OURS.contains(name)) {
            headers.append(name, value);
        }
        self.query.apply(parts);
        self.answer
    }
}

/// Finds whom to ask.
async fn endpoint(inbound: &Inbound, target: &BackendTarget) -> Result<Endpoint, Failure> {
    let wanted = Wanted::of_backend(target, inbound.target.port()).map_err(Failure::Target)?;
    Ok(upstream::choose(inbound, &wanted, &[], &mut Hints::default()).await?)
}

/// Sends a request and takes the whole answer.
async fn send(
    inbound: &Arc<Inbound>,
    endpoint: &Endpoint,
    version: Version,
    request: Request<Outgoing>,
) -> Result<Response<Collected<Bytes>>, Failure> {
    let _busy = endpoint.load.begin(None);
    let (answer, checkout) = inbound.shared.upstreams().send(&inbound.shared, endpoint, version, request).await?;
    let (parts, incoming) = answer.into_parts();
    let body =
        Limited::new(incoming, MAX_ANSWER).collect().await.map_err(|error| Failure::Answer(error.to_string()))?;
    checkout.done();
    Ok(Response::from_parts(parts, body))
}
