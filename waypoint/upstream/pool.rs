//! Sending requests to endpoints: one at a time on connections of HTTP/1, many on those of HTTP/2.

use std::{
    future::{Future, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tracing::debug;

use super::{
    Endpoint,
    dial::{self, Failure},
    kept::{Key, Many, Sender1, Sender2, Stream2, Upstreams, Waiting},
    limits::{Kind, Permit},
    terms::Terms,
    tls::Inside,
};
use crate::{Shared, requests::replay::Outgoing};

/// How many requests a connection of HTTP/2 carries before another one is made.
const STREAMS: usize = 100;
/// The flow-control windows of a stream and of a connection of HTTP/2, bytes.
const WINDOWS: (u32, u32) = (512 << 10, 4 << 20);
/// The largest head of an answer, bytes.
const MAX_HEAD: usize = 64 << 10;
/// The most headers of an answer.
const MAX_HEADERS: usize = 256;
/// How often a silent connection of HTTP/2 is asked whether it lives, and how long it may take to say so.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// How long an endpoint may take to tell its settings.
const SETTINGS: Duration = Duration::from_millis(500);
/// How often it is looked for them meanwhile.
const LOOK: Duration = Duration::from_millis(2);
/// How many requests an endpoint is taken to allow at once until it tells: a number that none tells, so that it shows when its
/// settings came.
const UNTOLD: usize = 97;
/// The longest of both, whatever is asked for: moments too far off cannot be told.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// How long a request waits for a connection at most, where as many are open as may be.
const PATIENCE: Duration = Duration::from_secs(300);

/// Which HTTP is spoken to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Version {
    /// Returns what it is to TLS.
    #[must_use]
    pub fn inside(self) -> Inside {
        match self {
            Self::Http1 => Inside::Http1,
            Self::Http2 => Inside::Http2,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Nothing was sent: there is no connection.
    #[error(transparent)]
    Connect(#[from] Failure),
    /// Nothing was sent: the endpoint refused, or the connection had ended.
    #[error("the endpoint did not take the request: {0}")]
    Refused(String),
    /// The connection broke before the answer.
    #[error("the endpoint broke the connection: {0}")]
    Reset(String),
}

impl Key {
    fn of(endpoint: &Endpoint, version: Version) -> Result<Self, Failure> {
        let identity = endpoint.workload.as_ref().map(|w| w.identity()).transpose()?;
        let client = endpoint.traffic.proxy_protocol.map(|_| endpoint.client);
        let (address, connection, name) = (endpoint.address, endpoint.connection, endpoint.name.clone());
        Ok(Self { address, version, identity, connection, name, client })
    }
}

/// A connection that an answer comes from; given back at the end of the answer.
pub struct Checkout {
    upstreams: Upstreams,
    key: Key,
    sender: Option<Sender1>,
    streams: Option<Arc<AtomicUsize>>,
    terms: Terms,
}

impl Checkout {
    /// Returns the connection's place among those that may be open.
    #[must_use]
    pub fn permit(&self) -> Arc<Permit> {
        self.terms.permit.clone()
    }

    /// Has the connection serve further requests.
    pub fn done(mut self) {
        let Some(mut sender) = self.sender.take() else { return };
        if sender.is_ready() {
            self.upstreams.keep(&self.key, sender, self.terms.clone());
        } else if !sender.is_closed() {
            // The answer may end before the request does.
            let (upstreams, key, terms) = (self.upstreams.clone(), self.key.clone(), self.terms.clone());
            tokio::spawn(async move {
                if matches!(tokio::time::timeout(Duration::from_secs(5), sender.ready()).await, Ok(Ok(()))) {
                    upstreams.keep(&key, sender, terms);
                }
            });
        }
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        if let Some(streams) = &self.streams {
            streams.fetch_sub(1, Ordering::Relaxed);
            if self.terms.is_short() {
                self.terms.limits.freed.notify_waiters();
            }
        }
    }
}

// What is rare is in boxes: a request that finds a connection would carry room for it all the way, and be moved with it.
impl Upstreams {
    /// Waits for a connection, or for leave to make one.
    async fn wait<C>(
        &self,
        shared: &Shared,
        endpoint: &Endpoint,
        key: &Key,
        find: impl Fn(&Self, &Key) -> Option<C>,
    ) -> Result<Place<C>, Failure> {
        if let Some(found) = find(self, key) {
            return Ok(Place::Kept(found));
        }
        let (limits, pool) = (&endpoint.limits, &endpoint.traffic.pool);
        let pending = limits.wait(pool).ok_or_else(|| endpoint.overflow(Kind::Pending))?;
        if let Some(permit) = limits.connect(pool) {
            return Ok(Place::New(permit, pending));
        }
        Box::pin(self.queue(shared, endpoint, key, find, pending)).await
    }

    /// Waits where as many connections are open as may be.
    async fn queue<C>(
        &self,
        shared: &Shared,
        endpoint: &Endpoint,
        key: &Key,
        find: impl Fn(&Self, &Key) -> Option<C>,
        pending: Permit,
    ) -> Result<Place<C>, Failure> {
        let (limits, pool) = (&endpoint.limits, &endpoint.traffic.pool);
        let _waiting = Waiting::new(self, key);
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let freed = limits.freed.notified();
            tokio::pin!(freed);
            // From here on nothing is missed that is freed.
            freed.as_mut().enable();
            if let Some(found) = find(self, key) {
                return Ok(Place::Kept(found));
            }
            if let Some(permit) = limits.connect(pool) {
                return Ok(Place::New(permit, pending));
            }
            // One that another endpoint or thread does not need now.
            let _ = shared.upstreams.iter().any(|upstreams| upstreams.evict(limits));
            if tokio::time::timeout_at(until, freed).await.is_err() {
                return Err(endpoint.overflow(Kind::Connection));
            }
        }
    }

    /// Sends a request to an endpoint.
    ///
    /// # Errors
    /// No connection, or one that broke before the answer.
    pub async fn send(
        &self,
        shared: &Arc<Shared>,
        endpoint: &Endpoint,
        version: Version,
        request: Request<Outgoing>,
    ) -> Result<(Response<Incoming>, Checkout), SendError> {
        let key = Key::of(endpoint, version)?;
        match version {
            Version::Http1 => self.send1(shared, endpoint, key, request).await,
            Version::Http2 => self.send2(shared, endpoint, key, request).await,
        }
    }

    async fn send1(
        &self,
        shared: &Arc<Shared>,
        endpoint: &Endpoint,
        key: Key,
        mut request: Request<Outgoing>,
    ) -> Result<(Response<Incoming>, Checkout), SendError> {
        loop {
            let (mut sender, terms, reused) = match self.wait(shared, endpoint, &key, Self::idle).await? {
                Place::Kept((sender, terms)) => (sender, terms, true),
                Place::New(permit, _pending) => {
                    let terms = Terms::new(&endpoint.traffic.pool, &endpoint.limits, permit);
                    (Box::pin(connect1(shared, endpoint, terms.permit.clone())).await?, terms, false)
                }
            };
            match sender.try_send_request(request).await {
                Ok(answer) => {
                    let checkout =
                        Checkout { upstreams: self.clone(), key, sender: Some(sender), streams: None, terms };
                    return Ok((answer, checkout));
                }
                Err(mut error) => match error.take_message() {
                    // It had ended a moment ago, and nothing was sent.
                    Some(unsent) if reused => request = unsent,
                    Some(_) => return Err(SendError::Refused(runtime::error::chain(error.error()))),
                    None => return Err(SendError::Reset(runtime::error::chain(error.error()))),
                },
            }
        }
    }

    async fn send2(
        &self,
        shared: &Arc<Shared>,
        endpoint: &Endpoint,
        key: Key,
        mut request: Request<Outgoing>,
    ) -> Result<(Response<Incoming>, Checkout), SendError> {
        loop {
            let ((mut sender, streams, terms), reused) = match self.wait(shared, endpoint, &key, Self::many).await? {
                Place::Kept(kept) => (kept, true),
                Place::New(permit, _pending) => (Box::pin(self.connect2(shared, endpoint, &key, permit)).await?, false),
            };
            // Counted until it is dropped, whatever comes of the request.
            let (upstreams, key) = (self.clone(), key.clone());
            let checkout = Checkout { upstreams, key, sender: None, streams: Some(streams), terms };
            match sender.try_send_request(request).await {
                Ok(answer) => return Ok((answer, checkout)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if reused => request = unsent,
                    Some(_) => return Err(SendError::Refused(runtime::error::chain(error.error()))),
                    None => return Err(broken(error.error())),
                },
            }
        }
    }

    async fn connect2(
        &self,
        shared: &Arc<Shared>,
        endpoint: &Endpoint,
        key: &Key,
        permit: Permit,
    ) -> Result<Stream2, SendError> {
        let pool = &endpoint.traffic.pool;
        let terms = Terms::new(pool, &endpoint.limits, permit);
        let (sender, connection) = open2(shared, endpoint).await?;
        let limit = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
        tokio::spawn(drive(connection, limit.clone(), terms.permit.clone()));
        let streams = Arc::new(AtomicUsize::new(1));
        let wanted = pool.max_streams.map_or(STREAMS, |most| most as usize);
        let (ours, counted, used) = (sender.clone(), streams.clone(), Instant::now());
        self.share(key, Many { sender: ours, streams: counted, limit, wanted, used, terms: terms.clone() });
        Ok((sender, streams, terms))
    }

    /// Sends a CONNECT with a protocol, on a connection of its own; none if the endpoint does not know such requests.
    ///
    /// # Errors
    /// No connection, or one that broke before the answer.
    pub async fn send_extended(
        &self,
        shared: &Arc<Shared>,
        endpoint: &Endpoint,
        request: Request<Outgoing>,
    ) -> Result<Option<(Response<Incoming>, Checkout)>, SendError> {
        let key = Key::of(endpoint, Version::Http2)?;
        if self.is_plain(&key) {
            return Ok(None);
        }
        let none = |_: &Self, _: &Key| None::<std::convert::Infallible>;
        let (permit, _pending) = match self.wait(shared, endpoint, &key, none).await? {
            Place::New(permit, pending) => (permit, pending),
            Place::Kept(never) => match never {},
        };
        let terms = Terms::new(&endpoint.traffic.pool, &endpoint.limits, permit);
        let (mut sender, connection) = open2(shared, endpoint).await?;
        let connection = match extended(connection).await {
            Ok(connection) => connection,
            Err(Without::Said) => {
                self.note_plain(key);
                return Ok(None);
            }
            // The next one is asked again.
            Err(Without::Late) => return Ok(None),
        };
        tokio::spawn(drive(connection, Arc::default(), terms.permit.clone()));
        let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
        Ok(Some((answer, Checkout { upstreams: self.clone(), key, sender: None, streams: None, terms })))
    }
}

/// Why an endpoint is not asked for another protocol.
enum Without {
    /// It said that it takes no such requests.
    Said,
    /// It said nothing in time.
    Late,
}

/// Returns the connection if its endpoint takes CONNECT with a protocol (RFC 8441 3). Its settings are the first that it says
/// (RFC 9113 3.4), and may not be here yet; nobody tells when they come.
async fn extended(connection: Connection2) -> Result<Connection2, Without> {
    let end = Instant::now() + SETTINGS;
    loop {
        // First of all, for both come at once.
        let told = connection.current_max_send_streams() != UNTOLD;
        if connection.is_extended_connect_protocol_enabled() {
            return Ok(connection);
        }
        if told {
            return Err(Without::Said);
        }
        if Instant::now() > end {
            return Err(Without::Late);
        }
        tokio::time::sleep(LOOK).await;
    }
}

type Connection2 = http2::Connection<TokioIo<dial::Io>, Outgoing, TokioExecutor>;

/// Opens a connection of HTTP/2.
async fn open2(shared: &Arc<Shared>, endpoint: &Endpoint) -> Result<(Sender2, Connection2), SendError> {
    let (silence, patience) = endpoint.traffic.pool.ping.unwrap_or(PING);
    let io = TokioIo::new(dial::dial(shared, endpoint, Inside::Http2).await?);
    let handshake = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .initial_max_send_streams(UNTOLD)
        .keep_alive_interval(silence.min(LONGEST))
        .keep_alive_timeout(patience.min(LONGEST))
        .max_header_list_size(MAX_HEAD as u32)
        .handshake(io)
        .await;
    handshake.map_err(|error| SendError::Refused(runtime::error::chain(&error)))
}

/// Moves a connection for as long as it is used; notes how many requests the endpoint takes at the same time.
async fn drive(connection: Connection2, limit: Arc<AtomicUsize>, _held: Arc<Permit>) {
    let mut connection = Box::pin(connection);
    let driven = poll_fn(|context| {
        let ended = connection.as_mut().poll(context);
        limit.store(connection.current_max_send_streams(), Ordering::Relaxed);
        ended
    });
    if let Err(error) = driven.await {
        debug!(error = runtime::error::chain(&error), "a connection to an endpoint ended");
    }
}

/// Where a request goes.
enum Place<C> {
    /// On a connection that is there.
    Kept(C),
    /// On one that may be made; until then the request counts as one that waits.
    New(Permit, Permit),
}

async fn connect1(shared: &Arc<Shared>, endpoint: &Endpoint, permit: Arc<Permit>) -> Result<Sender1, SendError> {
    let io = TokioIo::new(dial::dial(shared, endpoint, Inside::Http1).await?);
    let handshake = http1::Builder::new().max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD).handshake(io).await;
    let (sender, connection) = handshake.map_err(|error| SendError::Refused(runtime::error::chain(&error)))?;
    tokio::spawn(async move {
        let _permit = permit;
        if let Err(error) = connection.with_upgrades().await {
            debug!(error = runtime::error::chain(&error), "a connection to an endpoint ended");
        }
    });
    Ok(sender)
}

/// Tells whether the endpoint looked at the request at all (RFC 9113 8.7).
fn broken(error: &hyper::Error) -> SendError {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(h2) = inner.downcast_ref::<h2::Error>()
            && h2.reason() == Some(h2::Reason::REFUSED_STREAM)
        {
            return SendError::Refused("REFUSED_STREAM".to_owned());
        }
        source = inner.source();
    }
    SendError::Reset(runtime::error::chain(error))
}
