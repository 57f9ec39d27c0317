//! The HTTP connections to endpoints: one request at a time on those of HTTP/1, many on those of HTTP/2.
//!
//! Each thread of the data path has its own, so that a request never waits for another thread.

use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
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
use model::{Identity, l7::destination::Pool};
use tracing::debug;

use super::{
    Endpoint,
    dial::{self, Failure},
    limits::{Kind, Limits, Permit},
    tls::Inside,
};
use crate::{Shared, requests::body::Outgoing};

/// How long a connection without requests is kept, where nothing else is said.
const IDLE: Duration = Duration::from_secs(300);
/// How many connections without requests are kept for one endpoint.
const MAX_IDLE: usize = 256;
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

/// What makes two requests share a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    address: SocketAddr,
    version: Version,
    /// Who the endpoint must be; none in the clear.
    identity: Option<Identity>,
    /// How the connection begins, and whose limits it counts to.
    connection: u64,
    /// Whose it is, where the connection says so.
    client: Option<SocketAddr>,
}

type Sender1 = http1::SendRequest<Outgoing>;
type Sender2 = http2::SendRequest<Outgoing>;

/// How long and how often a connection may be used.
#[derive(Clone)]
struct Terms {
    made: Instant,
    /// How many requests it had.
    served: u32,
    idle: Duration,
    age: Duration,
    requests: u32,
    most: u32,
    limits: Arc<Limits>,
}

impl Terms {
    fn new(pool: &Pool, limits: &Arc<Limits>) -> Self {
        // No time at all stands for no bound.
        let bounded = |time: Option<Duration>, otherwise| match time {
            Some(Duration::ZERO) => Duration::MAX,
            Some(time) => time,
            None => otherwise,
        };
        Self {
            made: Instant::now(),
            served: 1,
            idle: bounded(pool.http_idle, IDLE),
            age: bounded(pool.max_age, Duration::MAX),
            requests: pool.requests_per_connection.unwrap_or(u32::MAX),
            most: pool.max_connections.unwrap_or(u32::MAX),
            limits: limits.clone(),
        }
    }

    /// Tells whether it may have another request.
    fn allow(&self, used: Instant) -> bool {
        self.served < self.requests && used.elapsed() < self.idle && self.made.elapsed() < self.age
    }

    /// Tells whether somebody waits because there are as many connections as may be.
    fn is_short(&self) -> bool {
        self.limits.now(Kind::Pending) > 0 && self.limits.now(Kind::Connection) >= self.most
    }
}

struct Idle {
    sender: Sender1,
    since: Instant,
    terms: Terms,
}

struct Many {
    sender: Sender2,
    streams: Arc<AtomicUsize>,
    /// How many the endpoint takes.
    limit: Arc<AtomicUsize>,
    /// How many are wanted at most.
    wanted: usize,
    used: Instant,
    terms: Terms,
    permit: Arc<Permit>,
}

#[derive(Default)]
struct Known {
    idle: HashMap<Key, Vec<Idle>>,
    shared: HashMap<Key, Vec<Many>>,
    /// How many requests wait for a connection.
    waiting: HashMap<Key, usize>,
}

/// The connections of one thread. Copies share them.
#[derive(Clone, Default)]
pub struct Upstreams(Arc<Mutex<Known>>);

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

/// A connection that an answer comes from; given back at the end of the answer.
pub struct Checkout {
    upstreams: Upstreams,
    key: Key,
    sender: Option<Sender1>,
    streams: Option<(Arc<AtomicUsize>, Arc<Permit>)>,
    terms: Terms,
}

impl Checkout {
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
        if let Some((streams, _)) = &self.streams {
            streams.fetch_sub(1, Ordering::Relaxed);
            if self.terms.is_short() {
                self.terms.limits.freed.notify_waiters();
            }
        }
    }
}

impl Upstreams {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of connections that nobody used for a while.
    pub fn sweep(&self) {
        let mut known = self.lock();
        known.idle.retain(|_, idle| {
            idle.retain(|idle| !idle.sender.is_closed() && idle.terms.allow(idle.since));
            !idle.is_empty()
        });
        known.shared.retain(|_, shared| {
            shared.retain(|many| {
                let busy = many.streams.load(Ordering::Relaxed) > 0;
                !many.sender.is_closed() && (busy || many.terms.allow(many.used))
            });
            !shared.is_empty()
        });
    }

    fn keep(&self, key: &Key, sender: Sender1, terms: Terms) {
        let now = Instant::now();
        if !terms.allow(now) {
            return;
        }
        let mut known = self.lock();
        let short = terms.is_short();
        // Those who wait are on another thread, or want another endpoint: they can have its place, not itself.
        if short && !known.waiting.contains_key(key) {
            return;
        }
        let limits = short.then(|| terms.limits.clone());
        let idle = known.idle.entry(key.clone()).or_default();
        if idle.len() < MAX_IDLE {
            idle.push(Idle { sender, since: now, terms });
        }
        drop(known);
        if let Some(limits) = limits {
            limits.freed.notify_waiters();
        }
    }

    fn idle(&self, key: &Key) -> Option<(Sender1, Terms)> {
        let mut known = self.lock();
        let idle = known.idle.get_mut(key)?;
        // The last one first: those that are not needed grow old.
        while let Some(Idle { sender, since, mut terms }) = idle.pop() {
            if sender.is_ready() && !sender.is_closed() && terms.allow(since) {
                terms.served += 1;
                return Some((sender, terms));
            }
        }
        None
    }

    fn many(&self, key: &Key) -> Option<Stream2> {
        let mut known = self.lock();
        let shared = known.shared.get_mut(key)?;
        // One that may have no more requests ends with those that it has.
        shared.retain(|many| {
            let since = if many.streams.load(Ordering::Relaxed) > 0 { Instant::now() } else { many.used };
            !many.sender.is_closed() && many.terms.allow(since)
        });
        let freest = shared.iter_mut().min_by_key(|many| many.streams.load(Ordering::Relaxed))?;
        let room = freest.wanted.min(freest.limit.load(Ordering::Relaxed).max(1));
        (freest.streams.load(Ordering::Relaxed) < room).then(|| {
            freest.used = Instant::now();
            freest.terms.served += 1;
            freest.streams.fetch_add(1, Ordering::Relaxed);
            let counted = (freest.streams.clone(), freest.permit.clone());
            (freest.sender.clone(), counted, freest.terms.clone())
        })
    }

    /// Lets go of a connection without requests that counts to these limits; tells whether there was one.
    fn evict(&self, limits: &Arc<Limits>) -> bool {
        let mut known = self.lock();
        for idle in known.idle.values_mut() {
            if let Some(place) = idle.iter().position(|idle| Arc::ptr_eq(&idle.terms.limits, limits)) {
                idle.remove(place);
                return true;
            }
        }
        for shared in known.shared.values_mut() {
            let free =
                |many: &Many| many.streams.load(Ordering::Relaxed) == 0 && Arc::ptr_eq(&many.terms.limits, limits);
            if let Some(place) = shared.iter().position(free) {
                shared.remove(place);
                return true;
            }
        }
        false
    }

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
        let identity = endpoint.workload.as_ref().map(|w| w.identity()).transpose().map_err(Failure::from)?;
        let client = endpoint.traffic.proxy_protocol.map(|_| endpoint.client);
        let key = Key { address: endpoint.address, version, identity, connection: endpoint.connection, client };
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
                    let terms = Terms::new(&endpoint.traffic.pool, &endpoint.limits);
                    (connect1(shared, endpoint, permit).await?, terms, false)
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
                Place::New(permit, _pending) => (self.connect2(shared, endpoint, &key, permit).await?, false),
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
        let ping = pool.ping.unwrap_or(PING);
        let io = TokioIo::new(dial::dial(shared, endpoint, Inside::Http2).await?);
        let handshake = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1)
            .keep_alive_interval(ping.0)
            .keep_alive_timeout(ping.1)
            .max_header_list_size(MAX_HEAD as u32)
            .handshake(io)
            .await;
        let (sender, connection) = handshake.map_err(|error| SendError::Refused(runtime::error::chain(&error)))?;
        let limit = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
        let told = limit.clone();
        let permit = Arc::new(permit);
        let held = permit.clone();
        tokio::spawn(async move {
            let _held = held;
            let mut connection = Box::pin(connection);
            let driven = poll_fn(|context| {
                let ended = connection.as_mut().poll(context);
                told.store(connection.current_max_send_streams(), Ordering::Relaxed);
                ended
            });
            if let Err(error) = driven.await {
                debug!(error = runtime::error::chain(&error), "a connection to an endpoint ended");
            }
        });
        let streams = Arc::new(AtomicUsize::new(1));
        let terms = Terms::new(pool, &endpoint.limits);
        let counted = (streams.clone(), permit.clone());
        let wanted = pool.max_streams.map_or(STREAMS, |most| most as usize);
        let (sender2, terms2, used) = (sender.clone(), terms.clone(), Instant::now());
        let many = Many { sender: sender2, streams, limit, wanted, used, terms: terms2, permit };
        self.lock().shared.entry(key.clone()).or_default().push(many);
        if terms.is_short() {
            terms.limits.freed.notify_waiters();
        }
        Ok((sender, counted, terms))
    }
}

/// A place for one request on a connection of HTTP/2.
type Stream2 = (Sender2, (Arc<AtomicUsize>, Arc<Permit>), Terms);

/// Where a request goes.
enum Place<C> {
    /// On a connection that is there.
    Kept(C),
    /// On one that may be made; until then the request counts as one that waits.
    New(Permit, Permit),
}

/// A request that waits for a connection of its thread.
struct Waiting<'u> {
    upstreams: &'u Upstreams,
    key: &'u Key,
}

impl<'u> Waiting<'u> {
    fn new(upstreams: &'u Upstreams, key: &'u Key) -> Self {
        *upstreams.lock().waiting.entry(key.clone()).or_default() += 1;
        Self { upstreams, key }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut known = self.upstreams.lock();
        if let Some(count) = known.waiting.get_mut(self.key) {
            *count -= 1;
            if *count == 0 {
                known.waiting.remove(self.key);
            }
        }
    }
}

async fn connect1(shared: &Arc<Shared>, endpoint: &Endpoint, permit: Permit) -> Result<Sender1, SendError> {
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
