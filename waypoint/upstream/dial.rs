//! Opening a connection to an endpoint: through a tunnel of its node's proxy, or in the clear where it has none; and what it
//! begins with, where a policy says so.
//!
//! ```text
//!   TCP or a stream of a tunnel ──► PROXY header ──► TLS ──► what is spoken
//! ```

use std::{
    io::{self, IoSlice},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hbone::{
    pool::Key,
    stream::Stream,
    tunnel::{self, Tunnel},
};
use http::HeaderMap;
use identity::tls::Session;
use model::{
    Identity, Workload,
    workload::{Name, Protocol},
};
use net::sockets::{self, ConnectOptions, Family, Keepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tracing::debug;

use super::{
    Endpoint, lead,
    limits::Kind,
    proxy_protocol,
    tls::{self, Inside},
};
use crate::{Config, Shared};

/// How many tunnels are tried for one stream.
const TRIES: usize = 3;
/// Where tunnels to endpoints end.
const HBONE_PORT: u16 = 15008;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No such service.
    #[error("service {0} is not known")]
    UnknownService(Name),
    /// No such part of a service.
    #[error("service {0} has no subset {1}")]
    UnknownSubset(Name, Name),
    /// No such port.
    #[error("service {0} has no port {1}")]
    NoSuchPort(Name, u16),
    /// Nobody who takes traffic.
    #[error("service {0} has no endpoint that takes traffic on port {1}")]
    NoEndpoint(Name, u16),
    /// Names of endpoints whose addresses nobody asked for yet.
    #[error("{} is being resolved", .0.join(", "))]
    Unresolved(Vec<Name>),
    /// A name that a client chose, for whose addresses nobody asked yet.
    #[error("{0} is being resolved")]
    Unheard(Name),
    /// A name that a client chose beside too many others.
    #[error("host {0} is not looked for: {1} has too many new hosts looked for at once")]
    TooManyNames(Name, Name),
    /// A name without addresses.
    #[error("host {0} cannot be resolved: {1}")]
    Resolve(Name, Name),
    /// A name that is none of a wildcard.
    #[error("host {0:?} is none of {1}")]
    NotCovered(String, Name),
    /// A name that a client chose, and that leads where no client may lead.
    #[error("host {0} leads to {1}: {2}")]
    Astray(Name, IpAddr, &'static str),
    /// The proxy's own ports.
    #[error("{0} is the waypoint itself")]
    Itself(SocketAddr),
    /// A policy of the endpoint's own.
    #[error("policy {0} refuses it")]
    Denied(Name),
    /// A tunnel.
    #[error(transparent)]
    Tunnel(#[from] tunnel::Error),
    /// Our own certificate.
    #[error(transparent)]
    Certificate(#[from] identity::manager::Error),
    /// The endpoint's identity.
    #[error("the destination has no valid identity: {0}")]
    Identity(#[from] model::identity::InvalidIdentity),
    /// A connection in the clear.
    #[error("no connection to {0}: {1}")]
    Connect(SocketAddr, io::Error),
    /// TLS of our own making.
    #[error("no TLS with {0}: {1}")]
    Tls(SocketAddr, tls::Error),
    /// A proxy that should lead on.
    #[error("{0} does not lead on: {1}")]
    Lead(SocketAddr, lead::Error),
    /// More than is allowed at once.
    #[error("there are too many {0:?}s at once for service {1}")]
    Overflow(Kind, Name),
}

impl Failure {
    /// Returns the response flag.
    #[must_use]
    pub fn flags(&self) -> &'static str {
        match self {
            Self::UnknownService(_) | Self::UnknownSubset(..) | Self::NoSuchPort(..) => "NC",
            Self::NoEndpoint(..) => "UH",
            Self::Unresolved(_) | Self::Unheard(_) | Self::Resolve(..) => "DF",
            Self::NotCovered(..) | Self::Astray(..) | Self::Itself(_) => "NR",
            Self::Denied(_) => "DENY",
            Self::Overflow(..) | Self::TooManyNames(..) => "UO",
            Self::Tunnel(_)
            | Self::Certificate(_)
            | Self::Identity(_)
            | Self::Connect(..)
            | Self::Tls(..)
            | Self::Lead(..) => "UF",
        }
    }

    /// Tells whether it was not tried because there is too much to do already.
    #[must_use]
    pub fn is_overflow(&self) -> bool {
        matches!(self, Self::Overflow(..) | Self::TooManyNames(..))
    }

    /// Tells whether another endpoint may do better.
    #[must_use]
    pub fn is_of_connection(&self) -> bool {
        match self {
            Self::Tunnel(_) | Self::Connect(..) | Self::Lead(..) => true,
            Self::Tls(_, error) => error.is_of_endpoint(),
            _ => false,
        }
    }
}

/// Both directions of a connection.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// A connection to an endpoint.
pub enum Io {
    /// Through a tunnel.
    Tunnel(Stream),
    /// In the clear.
    Plain(TcpStream),
    /// In something else.
    Inside(Box<dyn Duplex>),
}

/// Opens a connection, and begins it as its policy says.
///
/// # Errors
/// An endpoint that cannot be reached, or is somebody else than it should be; or a policy that cannot be kept.
pub async fn dial(shared: &Arc<Shared>, endpoint: &Endpoint, inside: Inside) -> Result<Io, Failure> {
    let mut io = reach(shared, endpoint).await?;
    let traffic = &endpoint.traffic;
    if traffic.tls.is_none() && traffic.proxy_protocol.is_none() {
        return Ok(io);
    }
    let address = endpoint.address;
    let begin = async {
        if let Some(version) = traffic.proxy_protocol {
            let header = proxy_protocol::header(version, endpoint.client, endpoint.asked);
            io.write_all(&header).await.map_err(|error| Failure::Connect(address, error))?;
        }
        let Some(tls) = &traffic.tls else { return Ok(io) };
        let state = shared.store.l7();
        let wish = tls::Wish { tls, inside, name: endpoint.name.as_ref(), address: address.ip(), state: &state };
        let stream = endpoint.tls().start(io, wish).await;
        Ok(Io::Inside(Box::new(stream.map_err(|error| Failure::Tls(address, error))?)))
    };
    let late = || Err(Failure::Connect(address, io::ErrorKind::TimedOut.into()));
    timeout(endpoint.connect_timeout(), begin).await.unwrap_or_else(|_| late())
}

async fn reach(shared: &Arc<Shared>, endpoint: &Endpoint) -> Result<Io, Failure> {
    let tunnelled = endpoint.workload.as_ref().filter(|w| w.protocol == Protocol::Hbone);
    let Some(workload) = tunnelled else {
        if is_own(&shared.config, endpoint.address) {
            return Err(Failure::Itself(endpoint.address));
        }
        let socket = plain(endpoint.address, endpoint).await;
        return socket.map(Io::Plain).map_err(|error| Failure::Connect(endpoint.address, error));
    };
    // Nobody else is believed: an address may have changed hands.
    let identity = workload.identity()?;
    let gateway = SocketAddr::new(endpoint.address.ip(), HBONE_PORT);
    let mut left = TRIES;
    loop {
        let tunnel = tunnel(shared, endpoint, gateway, &identity).await?;
        match tunnel.open(&endpoint.address.to_string(), HeaderMap::new()).await {
            Ok((stream, _)) => return Ok(Io::Tunnel(stream)),
            // Others were faster: there is nothing wrong with the tunnel, and another one is found or made.
            Err(tunnel::Error::Full(_)) if tunnel.streams() > 0 => {}
            Err(error @ tunnel::Error::Http { .. }) if left > 1 => {
                left -= 1;
                debug!(%gateway, %error, "the tunnel has ended, another one is made");
                tunnel.retire();
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Tells whether an address is a port of this proxy that is meant for its own pod: who may ask the proxy must not get there by it,
/// whatever DNS or an object says of a host.
fn is_own(config: &Config, address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let own = [config.admin, config.stats, config.readiness, config.hbone];
    (ip.is_loopback() || ip.is_unspecified()) && own.iter().any(|own| own.port() == address.port())
}

/// Opens a connection to a workload through a tunnel that nobody else uses.
///
/// # Errors
/// A workload without a tunnel, or one that cannot be reached, or is somebody else than it should be.
pub async fn probe(
    shared: &Arc<Shared>,
    workload: &Workload,
    address: SocketAddr,
) -> Result<(Arc<Session>, Stream), Failure> {
    if workload.protocol != Protocol::Hbone {
        let clear = io::Error::new(io::ErrorKind::Unsupported, "it is reached in the clear");
        return Err(Failure::Connect(address, clear));
    }
    let own = shared.certificates.certificate(&shared.identity).await?;
    let peer = SocketAddr::new(address.ip(), HBONE_PORT);
    let socket = open(peer, super::CONNECT_TIMEOUT, Keepalive::default())
        .await
        .map_err(|error| Failure::Connect(peer, error))?;
    let tunnel = Tunnel::start(socket, peer, &own, &[workload.identity()?]).await?;
    let (stream, _) = tunnel.open(&address.to_string(), HeaderMap::new()).await?;
    Ok((tunnel.session().clone(), stream))
}

async fn tunnel(
    shared: &Arc<Shared>,
    endpoint: &Endpoint,
    peer: SocketAddr,
    identity: &Identity,
) -> Result<Tunnel, Failure> {
    let own = shared.certificates.certificate(&shared.identity).await?;
    let key = Key { source: shared.identity.clone(), peer, identities: vec![identity.clone()] };
    let limit = endpoint.connect_timeout();
    let connect = || {
        let (own, wanted) = (own.clone(), key.identities.clone());
        async move {
            let socket = open(peer, limit, Keepalive::default()).await.map_err(|error| {
                let timed_out = error.kind() == io::ErrorKind::TimedOut;
                tunnel::Error::Connect { peer, reason: error.to_string(), timed_out }
            })?;
            Tunnel::start(socket, peer, &own, &wanted).await
        }
    };
    Ok(shared.tunnels().tunnel(&key, connect).await?)
}

async fn plain(to: SocketAddr, endpoint: &Endpoint) -> io::Result<TcpStream> {
    let keepalive = endpoint.traffic.pool.keepalive.map_or_else(Keepalive::default, |wanted| Keepalive {
        time: wanted.time,
        interval: wanted.interval,
        retries: wanted.probes,
    });
    open(to, endpoint.connect_timeout(), keepalive).await
}

async fn open(to: SocketAddr, limit: std::time::Duration, keepalive: Keepalive) -> io::Result<TcpStream> {
    let options = ConnectOptions { nodelay: true, keepalive: Some(keepalive), ..ConnectOptions::default() };
    let socket = sockets::tcp_socket(None, Family::from(to), &options).map_err(io::Error::other)?;
    let late = || io::Error::from(io::ErrorKind::TimedOut);
    timeout(limit, sockets::connect(socket, to)).await.unwrap_or_else(|_| Err(late()))
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tunnel(stream) => Pin::new(stream).poll_read(context, into),
            Self::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Self::Inside(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tunnel(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Inside(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tunnel(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
            Self::Inside(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tunnel(_) | Self::Plain(_) => true,
            Self::Inside(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tunnel(stream) => Pin::new(stream).poll_flush(context),
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Inside(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tunnel(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Inside(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
