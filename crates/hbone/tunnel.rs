//! The client's side of one HBONE connection.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use identity::{certificate::Certified, tls::Session};
use model::Identity;
use rustls::pki_types::ServerName;
use tokio::{
    io::BufReader,
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tracing::debug;

use crate::{
    CONNECTION_WINDOW, FRAME_SIZE, HANDSHAKE_TIMEOUT, PING, READ_BUFFER, STREAM_WINDOW, Socket, stream::Stream,
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

/// One HBONE connection to a peer. Copies share it.
#[derive(Clone)]
pub struct Tunnel {
    peer: SocketAddr,
    send: SendRequest<Bytes>,
    streams: Arc<AtomicUsize>,
    closed: Arc<AtomicBool>,
    session: Arc<Session>,
}

/// Counts a stream of a tunnel for as long as it lives.
pub struct StreamCount(Arc<AtomicUsize>);

impl Drop for StreamCount {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
        let connector = TlsConnector::from(own.client.clone());
        let socket: Socket = BufReader::with_capacity(READ_BUFFER, socket);
        let handshake = connector.connect(ServerName::IpAddress(peer.ip().into()), socket);
        let tls = timeout(HANDSHAKE_TIMEOUT, handshake)
            .await
            .map_err(|_| tls_error(format!("no answer within {HANDSHAKE_TIMEOUT:?}")))?
            .map_err(|e| tls_error(e.to_string()))?;
        let session = Arc::new(check(&tls, peer, wanted)?);
        let http_error = |reason: String| Error::Http { peer, reason };
        let handshake = client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_SIZE)
            .max_send_buffer_size(512 << 10)
            .max_header_list_size(16 << 10)
            .enable_push(false)
            .handshake(tls);
        let (send, mut connection) = timeout(HANDSHAKE_TIMEOUT, handshake)
            .await
            .map_err(|_| http_error(format!("no preface within {HANDSHAKE_TIMEOUT:?}")))?
            .map_err(|e| http_error(e.to_string()))?;
        let closed = Arc::new(AtomicBool::new(false));
        let ping = connection.ping_pong();
        let ended = closed.clone();
        tokio::spawn(async move {
            let alive = async {
                match ping {
                    Some(ping) => keep_alive(ping).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                result = connection => if let Err(error) = result { debug!(%peer, %error, "tunnel ended") },
                () = alive => debug!(%peer, "tunnel does not answer, dropped"),
            }
            ended.store(true, Ordering::Release);
        });
        Ok(Self { peer, send, streams: Arc::default(), closed, session })
    }

    /// Returns what the handshake agreed on, and the identity that the peer has proven.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Tells whether the tunnel can no longer be used.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Takes no further streams; those that are open go on.
    pub fn retire(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Returns how many streams are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// Opens a stream to `authority` (`address:port`) and waits until the peer has connected it.
    ///
    /// # Errors
    /// A tunnel that is full or broken, or a peer that refuses.
    pub async fn open(&self, authority: &str, headers: HeaderMap) -> Result<(Stream, HeaderMap, StreamCount), Error> {
        self.streams.fetch_add(1, Ordering::Relaxed);
        let count = StreamCount(self.streams.clone());
        let http_error = |reason: String| Error::Http { peer: self.peer, reason };
        let mut request = Request::new(());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = Uri::builder().authority(authority).build().map_err(|e| http_error(e.to_string()))?;
        *request.headers_mut() = headers;
        let exchange = async {
            let mut send = self.send.clone().ready().await.map_err(|e| http_error(e.to_string()))?;
            let (response, send) = send.send_request(request, false).map_err(|e| http_error(e.to_string()))?;
            let response = response.await.map_err(|e| http_error(e.to_string()))?;
            Ok((response, send))
        };
        let (response, send) = timeout(CONNECT_TIMEOUT, exchange).await.map_err(|_| Error::Connect {
            peer: self.peer,
            reason: silence(authority),
            timed_out: false,
        })??;
        if response.status() != StatusCode::OK {
            return Err(Error::Refused { peer: self.peer, status: response.status() });
        }
        let (parts, recv) = response.into_parts();
        Ok((Stream { send, recv }, parts.headers, count))
    }
}

fn check(tls: &TlsStream<Socket>, peer: SocketAddr, wanted: &[Identity]) -> Result<Session, Error> {
    match Session::of(tls.get_ref().1) {
        Some(found) if wanted.contains(&found.peer) => Ok(found),
        found => Err(Error::Identity {
            peer,
            found: found.map_or_else(|| "nobody of the mesh".to_owned(), |f| f.peer.to_string()),
            wanted: wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "),
        }),
    }
}

/// Ends when the peer no longer answers pings.
pub(crate) async fn keep_alive(mut ping: h2::PingPong) {
    loop {
        sleep(PING.0).await;
        if !matches!(timeout(PING.1, ping.ping(h2::Ping::opaque())).await, Ok(Ok(_))) {
            return;
        }
    }
}

/// Makes a header value of text that came from our own data; anything that no header can carry is left out.
#[must_use]
pub fn header(text: &str) -> Option<HeaderValue> {
    (!text.is_empty()).then(|| HeaderValue::from_str(text).ok()).flatten()
}
