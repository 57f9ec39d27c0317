//! The client's side of one HBONE connection.

use std::{future::poll_fn, net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, StatusCode};
use identity::{certificate::Certified, tls::Session};
use model::Identity;
use rustls::pki_types::ServerName;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tracing::debug;

use crate::{
    CHECK, HANDSHAKE_TIMEOUT,
    link::{Link, handshake},
    protocol::{Protocol, Role},
    stream::Stream,
    tls::Tls,
};

/// How long the peer may take to answer a CONNECT.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Tells why a tunnel could not be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No TCP connection.
    #[error("no connection to {peer}: {reason}{}", hint(*.timed_out))]
    Connect {
        /// The peer.
        peer: SocketAddr,
        /// Why.
        reason: String,
        /// Nothing came back at all.
        timed_out: bool,
    },
    /// The TLS handshake failed.
    #[error("TLS handshake with {peer} failed: {reason}")]
    Tls {
        /// The peer.
        peer: SocketAddr,
        /// Why.
        reason: String,
    },
    /// The peer is somebody else.
    #[error("{peer} proved to be {found}, not {wanted}")]
    Identity {
        /// The peer.
        peer: SocketAddr,
        /// Who it is.
        found: String,
        /// Who it should be.
        wanted: String,
    },
    /// HTTP/2 failed.
    #[error("the tunnel to {peer} failed: {reason}")]
    Http {
        /// The peer.
        peer: SocketAddr,
        /// Why.
        reason: String,
    },
    /// The peer refused the stream.
    #[error("{peer} refused the connection with {status}{}", refusal(*.status))]
    Refused {
        /// The peer.
        peer: SocketAddr,
        /// The HTTP status.
        status: StatusCode,
    },
    /// The tunnel has as many streams as it may have.
    #[error("the tunnel to {0} is full")]
    Full(SocketAddr),
}

fn silence(authority: &str) -> String {
    format!("no answer to CONNECT {authority} within {CONNECT_TIMEOUT:?}")
}

fn hint(timed_out: bool) -> &'static str {
    if timed_out { " (does a NetworkPolicy block HBONE port 15008?)" } else { "" }
}

fn refusal(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ": a policy of the destination refuses it",
        StatusCode::SERVICE_UNAVAILABLE => ": the destination could not be reached",
        _ => "",
    }
}

/// One HBONE connection to a peer. Copies share it; with the last of them it takes no further streams.
#[derive(Clone)]
pub struct Tunnel(Arc<Shared>);

struct Shared {
    link: Arc<Link>,
    session: Arc<Session>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.link.retire();
    }
}

impl Tunnel {
    /// Makes TLS and HTTP/2 over a connection to a peer that must prove one of the identities.
    ///
    /// # Errors
    /// A handshake that fails or takes too long, or a peer that is somebody else.
    pub async fn start(
        socket: TcpStream,
        peer: SocketAddr,
        own: &Certified,
        wanted: &[Identity],
    ) -> Result<Self, Error> {
        let tls_error = |reason: String| Error::Tls { peer, reason };
        let tls = Tls::client(&own.client, ServerName::IpAddress(peer.ip().into()))
            .map_err(|error| tls_error(error.to_string()))?;
        let shaken = handshake(socket, tls).await.map_err(|error| tls_error(runtime::error::chain(&error)))?;
        let session = Arc::new(check(shaken.tls.common(), peer, wanted)?);
        let http_error = |reason: String| Error::Http { peer, reason };
        let link = shaken.link(peer, Role::Client).map_err(|error| http_error(error.to_string()))?;
        tokio::spawn(drive(link.clone()));
        let tunnel = Self(Arc::new(Shared { link, session }));
        // What the peer takes is known from here on.
        let settled = poll_fn(|context| tunnel.0.link.poll_settled(context));
        match timeout(HANDSHAKE_TIMEOUT, settled).await {
            Ok(true) => Ok(tunnel),
            Ok(false) => Err(http_error("it closed the connection at once".to_owned())),
            Err(_) => Err(http_error(format!("no preface within {HANDSHAKE_TIMEOUT:?}"))),
        }
    }

    /// Returns what the handshake agreed on, and the identity that the peer has proven.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.0.session
    }

    /// Tells whether the tunnel can no longer be used.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.link.is_closed()
    }

    /// Takes no further streams; those that are open go on.
    pub fn retire(&self) {
        self.0.link.retire();
    }

    /// Returns how many streams are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.0.link.streams()
    }

    /// Tells whether one more stream can be opened.
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.is_closed() && self.0.link.has_room()
    }

    /// Opens a stream to `authority` (`address:port`) and waits until the peer has connected it.
    ///
    /// # Errors
    /// A tunnel that is full or broken, or a peer that refuses.
    pub async fn open(&self, authority: &str, headers: HeaderMap) -> Result<(Stream, HeaderMap), Error> {
        let link = &self.0.link;
        let peer = link.peer;
        let http_error = |reason: String| Error::Http { peer, reason };
        let opened = link.with(|protocol| protocol.open(authority, &headers));
        let id = opened
            .ok_or_else(|| if link.is_closed() { http_error("it has ended".to_owned()) } else { Error::Full(peer) })?;
        let stream = Stream { link: link.clone(), id };
        let answer = poll_fn(|context| link.poll_head(id, context));
        let silent = |_| Error::Connect { peer, reason: silence(authority), timed_out: false };
        let answer = timeout(CONNECT_TIMEOUT, answer).await.map_err(silent)?;
        let fields = answer.map_err(|cut| http_error(cut.to_string()))?;
        match fields.status {
            Some(StatusCode::OK) => Ok((stream, fields.headers)),
            status => Err(Error::Refused { peer, status: status.unwrap_or(StatusCode::BAD_GATEWAY) }),
        }
    }
}

fn check(connection: &rustls::CommonState, peer: SocketAddr, wanted: &[Identity]) -> Result<Session, Error> {
    match Session::of(connection) {
        Some(found) if wanted.contains(&found.peer) => Ok(found),
        found => Err(Error::Identity {
            peer,
            found: found.map_or_else(|| "nobody of the mesh".to_owned(), |f| f.peer.to_string()),
            wanted: wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "),
        }),
    }
}

/// Moves a connection on until it ends, or its peer no longer answers.
async fn drive(link: Arc<Link>) {
    let peer = link.peer;
    tokio::select! {
        ended = poll_fn(|context| link.poll(context)) => if let Err(error) = ended {
            debug!(%peer, error = runtime::error::chain(&error), "tunnel ended");
        },
        () = silence_of(&link) => {
            debug!(%peer, "tunnel does not answer, dropped");
            link.abort();
        }
    }
}

/// Ends when the peer no longer answers.
pub(crate) async fn silence_of(link: &Link) {
    loop {
        sleep(CHECK).await;
        if !link.with(Protocol::check) {
            return;
        }
    }
}

/// Makes a header value of text that came from our own data; anything that no header can carry is left out.
#[must_use]
pub fn header(text: &str) -> Option<HeaderValue> {
    (!text.is_empty()).then(|| HeaderValue::from_str(text).ok()).flatten()
}
