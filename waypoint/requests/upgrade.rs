//! Going over to another protocol: WebSocket, and whatever else both ends agree on.
//!
//! HTTP/1.1 asks with `Upgrade` and is answered 101 (RFC 9110 7.8), HTTP/2 with CONNECT and `:protocol` and is answered 200
//! (RFC 8441). Either client reaches either endpoint; to rules and policies both look like the former, as with Envoy.

use std::{io, sync::Mutex, time::Duration};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version as Spoken,
    header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE},
};
use hyper::{
    body::{Body, Incoming},
    ext::Protocol,
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tracing::debug;

use super::{body::Answer, headers, refusal::Refusal, replay::Outgoing};
use crate::{
    telemetry::Record,
    upstream::{Timed, Version},
};

/// How long both sides may take to go over, once both have agreed.
const GO_OVER: Duration = Duration::from_secs(10);
/// What a server puts behind the key that it shows it has read (RFC 6455 1.3).
const WEBSOCKET: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Tells whether a client takes a status for the beginning of the other protocol (RFC 9110 9.3.6 and 15.2.2, RFC 8441 5).
#[must_use]
pub fn opens(status: StatusCode, is_extended: bool) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS || is_extended && status.is_success()
}

/// Tells whether an endpoint agreed to what a client wants, if it wants anything.
///
/// # Errors
/// Why its answer is none to this client.
pub fn agreed(client: Option<&Client>, answer: &Response<Incoming>) -> Result<bool, &'static str> {
    match client {
        Some(client) => client.agreed(answer),
        None if opens(answer.status(), false) => Err("the endpoint went over to a protocol that nobody asked for"),
        None => Ok(false),
    }
}

/// A client that wants to go over to another protocol.
pub struct Client {
    protocol: HeaderValue,
    /// It speaks HTTP/2.
    is_2: bool,
    /// What a server of WebSocket over HTTP/1.1 shows that it has read.
    key: Option<HeaderValue>,
    // Taken by the one answer that goes over.
    going: Mutex<Option<OnUpgrade>>,
}

impl Client {
    /// Looks whether a request asks for another protocol; makes it one of HTTP/1.1, whichever it was.
    ///
    /// # Errors
    /// The answer to a CONNECT with a protocol that nobody goes over to: as a plain request it would be answered 200, and its
    /// client would take that for the other protocol.
    pub fn take(request: &mut Request<Incoming>) -> Result<Option<Self>, Refusal> {
        let extended = request.extensions_mut().remove::<Protocol>();
        let is_2 = extended.is_some();
        if let Some(protocol) = extended {
            *request.method_mut() = Method::GET;
            let protocol = HeaderValue::from_bytes(protocol.as_ref()).map_err(|_| Refusal::unopened())?;
            request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
            request.headers_mut().insert(UPGRADE, protocol);
        }
        let Some(protocol) = headers::upgrade(request.headers()) else { return Ok(None) };
        // HTTP/2 without TLS is asked for by its preface only: RFC 9113 3.1 has done away with the other way.
        if protocol.as_bytes().eq_ignore_ascii_case(b"h2c") || !request.body().is_end_stream() {
            return if is_2 { Err(Refusal::unopened()) } else { Ok(None) };
        }
        let is_websocket = protocol.as_bytes().eq_ignore_ascii_case(b"websocket");
        let key = match is_2 {
            // HTTP/2 has none (RFC 8441 5).
            true => HeaderValue::from_str(&BASE64_STANDARD.encode(rand::random::<[u8; 16]>())).ok(),
            false => request.headers().get(SEC_WEBSOCKET_KEY).cloned(),
        };
        let going = Mutex::new(Some(hyper::upgrade::on(request)));
        Ok(Some(Self { protocol, is_2, key: key.filter(|_| is_websocket), going }))
    }

    /// Asks an endpoint for the protocol.
    pub fn ask(&self, request: &mut Request<Outgoing>, version: Version) {
        match version {
            Version::Http1 => {
                let headers = request.headers_mut();
                headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
                headers.insert(UPGRADE, self.protocol.clone());
                if let (true, Some(key)) = (self.is_2, &self.key) {
                    headers.insert(SEC_WEBSOCKET_KEY, key.clone());
                }
            }
            Version::Http2 => {
                let Ok(protocol) = self.protocol.to_str() else { return };
                request.extensions_mut().insert(Protocol::from(protocol));
                *request.method_mut() = Method::CONNECT;
                request.headers_mut().remove(SEC_WEBSOCKET_KEY);
            }
        }
    }

    fn agreed(&self, answer: &Response<Incoming>) -> Result<bool, &'static str> {
        let went_as_2 = answer.version() == Spoken::HTTP_2;
        let agreed = if went_as_2 { StatusCode::OK } else { StatusCode::SWITCHING_PROTOCOLS };
        if answer.status() != agreed {
            return if opens(answer.status(), self.is_2) {
                Err("the endpoint did not go over to the other protocol")
            } else {
                Ok(false)
            };
        }
        if went_as_2 {
            return Ok(true);
        }
        let shown = || answer.headers().get(SEC_WEBSOCKET_ACCEPT);
        // A client of HTTP/1.1 looks for itself.
        match &self.key {
            Some(key) if self.is_2 && shown() != Some(&accept(key)) => Err("the endpoint did not read the key"),
            _ => Ok(true),
        }
    }

    /// Returns what the client is answered when an endpoint agreed.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        if self.is_2 { StatusCode::OK } else { StatusCode::SWITCHING_PROTOCOLS }
    }

    /// Writes the answer of an endpoint that agreed, and had these headers, as the client reads it.
    fn answer(&self, parts: &mut http::response::Parts, told: &HeaderMap) {
        let went_as_2 = parts.version == Spoken::HTTP_2;
        parts.status = self.status();
        if self.is_2 {
            parts.headers.remove(SEC_WEBSOCKET_ACCEPT);
            return;
        }
        parts.version = Spoken::HTTP_11;
        parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        let protocol = told.get(UPGRADE).cloned().or_else(|| went_as_2.then(|| self.protocol.clone()));
        parts.headers.extend(protocol.map(|protocol| (UPGRADE, protocol)));
        if let (true, Some(key)) = (went_as_2, &self.key) {
            parts.headers.insert(SEC_WEBSOCKET_ACCEPT, accept(key));
        }
    }

    /// Joins the client with an endpoint that agreed, for as long as they are not silent for too long.
    #[must_use]
    pub fn join(
        &self,
        mut parts: http::response::Parts,
        told: &HeaderMap,
        incoming: Incoming,
        silence: Option<Duration>,
        record: Record,
    ) -> Response<Answer> {
        self.answer(&mut parts, told);
        let mut server = Response::new(incoming);
        std::mem::swap(server.extensions_mut(), &mut parts.extensions);
        let going = self.going.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let server = hyper::upgrade::on(&mut server);
        if let Some(client) = going {
            tokio::spawn(copy(client, server, silence, record));
        }
        Response::from_parts(parts, Answer::head())
    }
}

/// Copies both directions of what went over.
async fn copy(client: OnUpgrade, server: OnUpgrade, silence: Option<Duration>, mut record: Record) {
    let (client, server) = match timeout(GO_OVER, async { tokio::try_join!(client, server) }).await {
        Ok(Ok(both)) => both,
        Ok(Err(error)) => return record.failed("UC", &runtime::error::chain(&error)),
        Err(_) => return record.failed("UC", "it did not go over in time"),
    };
    // Both: while one of them is at its end, or takes no more, only the other one is looked at.
    let timed = |io| Timed::new(TokioIo::new(io), silence, None);
    let (mut client, mut server) = (timed(client), timed(server));
    match tokio::io::copy_bidirectional(&mut client, &mut server).await {
        Ok((_, received)) => {
            record.count(received as usize);
            record.complete();
        }
        Err(error) => {
            debug!(%error, "an upgraded connection broke");
            let flags = if error.kind() == io::ErrorKind::TimedOut { "SI" } else { "UC" };
            record.failed(flags, &error.to_string());
        }
    }
}

/// Returns what shows that a key was read (RFC 6455 4.2.2).
fn accept(key: &HeaderValue) -> HeaderValue {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), WEBSOCKET].concat());
    HeaderValue::from_str(&BASE64_STANDARD.encode(hash)).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_as_the_specification_does() {
        // RFC 6455 1.3
        assert_eq!(accept(&HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==")), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
