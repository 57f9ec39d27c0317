//! Asking somebody else whether a request may pass (Gateway API, `ExternalAuth`; Istio's action CUSTOM; Envoy's `ext_authz`).
//!
//! Who cannot be asked, or says nothing that makes sense, lets nothing pass, unless a provider is told to fail open.

pub mod custom;
mod grpc;
mod http;

use std::{sync::Arc, time::Duration};

use ::http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE},
    request::Parts,
};
use bytes::Bytes;
use model::l7::external_auth::{AuthProtocol, ExternalAuth};
use tokio::time::timeout;

use super::{ask::Rest, headers::CLIENT_CERTIFICATE, refusal::Refusal, replay::Replay};
use crate::inbound::Inbound;

/// How long the answer may take where nothing is said.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the page of a refusal may take behind its head.
const PAGE: Duration = Duration::from_secs(2);
/// How long the client may take to send as much of its body as is told.
const BODY: Duration = Duration::from_secs(60);
/// How much of a body is told at most, whatever a rule says, bytes.
const MAX_BODY: usize = 1 << 20;
/// Headers that nobody but the proxy sets.
pub const OURS: [HeaderName; 8] =
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
enum Said {
    /// It may pass, changed like this.
    Allow(Changes),
    /// The client gets this instead, with the rest of the answer as its body if there is one.
    Deny(Box<Refusal>, Option<Rest>),
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

/// What comes of a request that may pass.
#[derive(Debug, Default)]
pub struct Granted {
    /// What the client's answer gets beside its own headers.
    pub headers: Headers,
    /// Why nobody could be asked, if it passes all the same.
    pub failure: Option<String>,
}

/// Asks, and changes the request as the answer says.
///
/// # Errors
/// The answer of a request that may not pass.
pub async fn ask(
    inbound: &Arc<Inbound>,
    auth: &ExternalAuth,
    parts: &mut Parts,
    authority: &str,
    replay: &Replay,
) -> Result<Granted, Refusal> {
    let body = match auth.max_body {
        Some(most @ 1..) => Some(body(replay, most, auth.whole_body).await?),
        _ => None,
    };
    let question = Question { inbound, parts, authority, body };
    let asking = async {
        match &auth.protocol {
            AuthProtocol::Grpc { headers, raw_body } => {
                grpc::ask(&question, &auth.target, grpc::How { told: headers, raw: *raw_body }).await
            }
            AuthProtocol::Http(how) => http::ask(&question, &auth.target, how).await,
        }
    };
    let failure = match timeout(auth.timeout.unwrap_or(PATIENCE), asking).await {
        Ok(Ok(Said::Allow(changes))) => return Ok(Granted { headers: changes.apply(parts)?, failure: None }),
        // A no is a no, whatever becomes of the page that explains it.
        Ok(Ok(Said::Deny(mut refusal, rest))) => {
            if let Some(rest) = rest
                && let Ok(Ok(body)) = timeout(PAGE, rest.whole()).await
            {
                refusal.body = body.to_bytes();
            }
            return Err(*refusal);
        }
        Ok(Err(failure)) => format!("the external authorization could not be asked: {failure}"),
        Err(_) => "the external authorization did not answer in time".to_owned(),
    };
    if auth.fail_open {
        return Ok(Granted { failure: Some(failure), ..Granted::default() });
    }
    let status = auth.status_on_error.and_then(|status| StatusCode::from_u16(status).ok());
    Err(Refusal { status: status.unwrap_or(StatusCode::FORBIDDEN), ..denied(failure) })
}

/// Reads the beginning of a body, and whether it is all. A client that is slow or breaks off here is no failure of whom to ask:
/// it must not pass where failures do.
async fn body(replay: &Replay, most: u32, whole: bool) -> Result<(Bytes, bool), Refusal> {
    let late = || Refusal::new(StatusCode::REQUEST_TIMEOUT, "-", "request timeout\n", "the body did not come in time");
    let read = timeout(BODY, replay.peek(MAX_BODY.min(most as usize))).await.map_err(|_| late())?;
    let (bytes, is_all) = read.map_err(|_| broken())?;
    if whole && !is_all {
        let reason = "the body is larger than what the external authorization is told";
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "-", "payload too large\n", reason));
    }
    Ok((bytes, is_all))
}

fn broken() -> Refusal {
    Refusal::bad("the body broke off, or is none")
}

fn denied(reason: String) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "UAEX", "access denied\n", reason)
}

impl Changes {
    fn apply(self, parts: &mut Parts) -> Result<Headers, Refusal> {
        let headers = &mut parts.headers;
        self.remove.iter().filter(|name| !OURS.contains(name)).for_each(|name| drop(headers.remove(name)));
        // The first of a name takes the place of what the client sent: several stand beside each other.
        let set: HeaderMap = self.set.into_iter().filter(|(name, _)| !OURS.contains(name)).collect();
        headers.extend(set);
        for (name, value) in self.append.into_iter().filter(|(name, _)| !OURS.contains(name)) {
            headers.append(name, value);
        }
        self.query.apply(parts)?;
        Ok(self.answer)
    }
}
