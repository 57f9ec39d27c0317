//! The server's side of HBONE connections.

use std::{future::Future, net::SocketAddr};

use bytes::Bytes;
use h2::{
    Reason,
    server::{self, SendResponse},
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use identity::{certificate::Certified, tls::Session};
use runtime::Drain;
use tokio::{io::BufReader, net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::debug;

use crate::{
    CONNECTION_WINDOW, FRAME_SIZE, HANDSHAKE_TIMEOUT, MAX_STREAMS, READ_BUFFER, STREAM_WINDOW, Socket, stream::Stream,
    tunnel::keep_alive,
};

/// Tells why a peer got no tunnel.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The TLS handshake failed.
    #[error("TLS handshake failed: {0}")]
    Tls(String),
    /// The peer has no identity of the mesh.
    #[error("the client's certificate has no SPIFFE identity")]
    NoIdentity,
    /// HTTP/2 failed.
    #[error("the tunnel failed: {0}")]
    Http(#[from] h2::Error),
}

/// One CONNECT of a peer, not answered yet.
pub struct Connect {
    /// The `:authority`: where the stream is to go.
    pub authority: String,
    /// The headers.
    pub headers: HeaderMap,
    body: h2::RecvStream,
    respond: SendResponse<Bytes>,
}

impl Connect {
    /// Answers 200 with these headers, and gives the stream.
    ///
    /// # Errors
    /// A peer that is gone.
    pub fn accept(mut self, headers: HeaderMap) -> Result<Stream, h2::Error> {
        let mut response = Response::new(());
        *response.headers_mut() = headers;
        let send = self.respond.send_response(response, false)?;
        Ok(Stream { send, recv: self.body })
    }

    /// Answers with a refusal.
    pub fn refuse(mut self, status: StatusCode) {
        let mut response = Response::new(());
        *response.status_mut() = status;
        if let Err(error) = self.respond.send_response(response, true) {
            debug!(%error, "a refusal could not be sent");
        }
    }
}

/// Does the TLS handshake with a client; returns the connection and what it has proven.
///
/// # Errors
/// A client that fails it, takes too long, or shows no identity.
pub async fn handshake(socket: TcpStream, own: &Certified) -> Result<(TlsStream<Socket>, Session), Error> {
    let acceptor = TlsAcceptor::from(own.server.clone());
    let accepting = acceptor.accept(BufReader::with_capacity(READ_BUFFER, socket));
    let tls = timeout(HANDSHAKE_TIMEOUT, accepting)
        .await
        .map_err(|_| Error::Tls(format!("not finished within {HANDSHAKE_TIMEOUT:?}")))?
        .map_err(|e| Error::Tls(e.to_string()))?;
    let session = Session::of(tls.get_ref().1).ok_or(Error::NoIdentity)?;
    Ok((tls, session))
}

/// Serves a client's CONNECTs, each in a task of its own, until the client leaves; a stop asks the client to leave (GOAWAY)
/// and lets its streams end.
///
/// # Errors
/// A broken connection.
pub async fn serve<H, F>(tls: TlsStream<Socket>, peer: SocketAddr, drain: Drain, handler: H) -> Result<(), Error>
where
    H: Fn(Connect) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let handshake = server::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_SIZE)
        .max_header_list_size(64 << 10)
        .max_send_buffer_size(512 << 10)
        .max_concurrent_streams(MAX_STREAMS)
        .handshake(tls);
    let late = || Error::Tls(format!("no HTTP/2 preface within {HANDSHAKE_TIMEOUT:?}"));
    let mut connection: server::Connection<_, Bytes> =
        timeout(HANDSHAKE_TIMEOUT, handshake).await.map_err(|_| late())??;
    let ping = connection.ping_pong();
    let mut alive = Box::pin(async {
        match ping {
            Some(ping) => keep_alive(ping).await,
            None => std::future::pending().await,
        }
    });
    let mut draining = false;
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = drain.draining(), if !draining => {
                draining = true;
                connection.graceful_shutdown();
                continue;
            }
            () = drain.cutting() => {
                connection.abrupt_shutdown(Reason::NO_ERROR);
                return Ok(());
            }
            () = &mut alive => {
                debug!(%peer, "tunnel does not answer, dropped");
                connection.abrupt_shutdown(Reason::NO_ERROR);
                return Ok(());
            }
        };
        let Some(request) = accepted else { return Ok(()) };
        let (request, respond) = request?;
        if let Some(connect) = connect(request, respond) {
            drain.spawn(handler(connect));
        }
    }
}

fn connect(request: Request<h2::RecvStream>, respond: SendResponse<Bytes>) -> Option<Connect> {
    let (parts, body) = request.into_parts();
    let authority = parts.uri.authority().map(ToString::to_string).unwrap_or_default();
    let connect = Connect { authority, headers: parts.headers, body, respond };
    // RFC 9113 8.5: a CONNECT has an authority and neither scheme nor path.
    if parts.method != Method::CONNECT || connect.authority.is_empty() {
        connect.refuse(StatusCode::BAD_REQUEST);
        return None;
    }
    Some(connect)
}
