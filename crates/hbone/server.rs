//! The server's side of HBONE connections.

use std::{future::Future, future::poll_fn, net::SocketAddr, sync::Arc, task::Poll};

use http::{HeaderMap, StatusCode};
use identity::{certificate::Certified, tls::Session};
use runtime::Drain;
use tokio::{net::TcpStream, time::timeout};
use tracing::debug;

use crate::{
    HANDSHAKE_TIMEOUT,
    fields::Fields,
    frame::code,
    link::{self, Broken, Cut, Link, Shaken},
    protocol::Role,
    stream::Stream,
    tls::Tls,
    tunnel::silence_of,
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
    /// The connection failed.
    #[error("the tunnel failed")]
    Broken(#[from] Broken),
}

/// One CONNECT of a peer, not answered yet.
pub struct Connect {
    /// The `:authority`: where the stream is to go.
    pub authority: String,
    /// The headers.
    pub headers: HeaderMap,
    stream: Stream,
}

impl Connect {
    /// Answers 200 with these headers, and gives the stream.
    ///
    /// # Errors
    /// A peer that is gone.
    pub fn accept(self, headers: HeaderMap) -> Result<Stream, Cut> {
        let Stream { link, id } = &self.stream;
        let cut = link.with(|protocol| {
            protocol.answer(*id, StatusCode::OK, &headers, false);
            match protocol.flows.get(id) {
                Some(flow) => flow.local_ended.then(|| Cut(flow.cut_code())),
                None => Some(Cut(code::CANCEL)),
            }
        });
        cut.map_or(Ok(self.stream), Err)
    }

    /// Answers with a refusal.
    pub fn refuse(self, status: StatusCode) {
        let Stream { link, id } = &self.stream;
        link.with(|protocol| protocol.answer(*id, status, &HeaderMap::new(), true));
    }
}

/// Does the TLS handshake with a client; returns the connection and what it has proven.
///
/// # Errors
/// A client that fails it, takes too long, or shows no identity.
pub async fn handshake(socket: TcpStream, own: &Certified) -> Result<(Shaken, Session), Error> {
    let tls = Tls::server(&own.server).map_err(|error| Error::Tls(error.to_string()))?;
    let shaken = link::handshake(socket, tls).await.map_err(|error| Error::Tls(runtime::error::chain(&error)))?;
    let session = Session::of(shaken.tls.common()).ok_or(Error::NoIdentity)?;
    Ok((shaken, session))
}

/// Serves a client's CONNECTs, each in a task of its own, until the client leaves; a stop asks the client to leave (GOAWAY)
/// and lets its streams end.
///
/// # Errors
/// A broken connection.
pub async fn serve<H, F>(shaken: Shaken, peer: SocketAddr, drain: Drain, handler: H) -> Result<(), Error>
where
    H: Fn(Connect) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let link = shaken.link(peer, Role::Server)?;
    let serving = async {
        loop {
            let next = poll_fn(|context| {
                // The end counts first: it ends the streams that nobody took by then as well.
                match link.poll(context) {
                    Poll::Ready(ended) => Poll::Ready(ended.map(|()| None)),
                    Poll::Pending => {
                        link.take_accepted().map_or(Poll::Pending, |accepted| Poll::Ready(Ok(Some(accepted))))
                    }
                }
            });
            let Some((id, fields)) = next.await? else { return Ok(()) };
            if let Some(connect) = connect(&link, id, fields) {
                drain.spawn(handler(connect));
            }
        }
    };
    let settled = async {
        let settled = poll_fn(|context| link.poll_settled(context));
        if timeout(HANDSHAKE_TIMEOUT, settled).await.is_err() {
            return;
        }
        std::future::pending().await
    };
    let stopping = async {
        drain.draining().await;
        link.with(crate::protocol::Protocol::stop);
        std::future::pending().await
    };
    let why = tokio::select! {
        ended = serving => return ended,
        () = settled => "no HTTP/2 preface in time",
        () = stopping => "stopped",
        () = drain.cutting() => "cut",
        () = silence_of(&link) => "it does not answer",
    };
    debug!(%peer, why, "tunnel dropped");
    link.abort();
    Ok(())
}

fn connect(link: &Arc<Link>, id: u32, fields: Fields) -> Option<Connect> {
    let is_connect = fields.method.as_deref() == Some("CONNECT") && !fields.other_pseudo && fields.status.is_none();
    let stream = Stream { link: link.clone(), id };
    let authority = fields.authority.unwrap_or_default();
    let connect = Connect { authority, headers: fields.headers, stream };
    // RFC 9113 8.5: a CONNECT has an authority and neither scheme nor path.
    if !is_connect || connect.authority.is_empty() {
        connect.refuse(StatusCode::BAD_REQUEST);
        return None;
    }
    Some(connect)
}
