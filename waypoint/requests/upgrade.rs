//! Going over to another protocol (RFC 9110 7.8): WebSocket, and whatever else both ends agree on.

use std::sync::Mutex;

use http::{
    HeaderMap, HeaderValue, Request, Response,
    header::{CONNECTION, UPGRADE},
};
use hyper::{
    body::{Body, Incoming},
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use tracing::debug;

use super::{body::Answer, headers, replay::Outgoing};
use crate::{telemetry::Record, upstream::Version};

/// A client that wants to go over to another protocol.
pub struct Client {
    protocol: HeaderValue,
    // Taken by the one answer that goes over.
    going: Mutex<Option<OnUpgrade>>,
}

impl Client {
    /// Looks whether a request asks for another protocol.
    #[must_use]
    pub fn take(request: &mut Request<Incoming>) -> Option<Self> {
        let protocol = headers::upgrade(request.headers())?;
        // HTTP/2 without TLS is asked for by its preface only: RFC 9113 3.1 has done away with the other way.
        if protocol.as_bytes().eq_ignore_ascii_case(b"h2c") || !request.body().is_end_stream() {
            return None;
        }
        let going = hyper::upgrade::on(request);
        Some(Self { protocol, going: Mutex::new(Some(going)) })
    }

    /// Asks an endpoint for the protocol.
    pub fn ask(&self, request: &mut Request<Outgoing>, version: Version) {
        if version == Version::Http1 {
            request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
            request.headers_mut().insert(UPGRADE, self.protocol.clone());
        }
    }

    /// Joins the client with an endpoint that agreed.
    #[must_use]
    pub fn join(
        &self,
        mut parts: http::response::Parts,
        told: &HeaderMap,
        incoming: Incoming,
        mut record: Record,
    ) -> Response<Answer> {
        parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = told.get(UPGRADE) {
            parts.headers.insert(UPGRADE, protocol.clone());
        }
        let mut server = Response::new(incoming);
        std::mem::swap(server.extensions_mut(), &mut parts.extensions);
        let going = self.going.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let server = hyper::upgrade::on(&mut server);
        if let Some(client) = going {
            tokio::spawn(async move {
                let (client, server) = match tokio::try_join!(client, server) {
                    Ok(both) => both,
                    Err(error) => {
                        record.failed("UC", &runtime::error::chain(&error));
                        return;
                    }
                };
                let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
                match tokio::io::copy_bidirectional(&mut client, &mut server).await {
                    Ok((_, received)) => {
                        record.count(received as usize);
                        record.complete();
                    }
                    Err(error) => {
                        debug!(%error, "an upgraded connection broke");
                        record.failed("UC", &error.to_string());
                    }
                }
            });
        }
        Response::from_parts(parts, Answer::head())
    }
}
