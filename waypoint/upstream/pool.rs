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
use model::{
    Identity,
    workload::{Name, ServiceKey},
};
use tracing::debug;

use super::{
    Endpoint,
    balance::Load,
    dial::{self, Failure},
};
use crate::{Shared, requests::replay::Outgoing};

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

/// Which HTTP is spoken to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What makes two requests share a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    address: SocketAddr,
    version: Version,
    /// Who the endpoint must be; none in the clear.
    identity: Option<Identity>,
}

type Sender1 = http1::SendRequest<Outgoing>;
type Sender2 = http2::SendRequest<Outgoing>;

#[derive(Clone)]
struct Many {
    sender: Sender2,
    streams: Arc<AtomicUsize>,
    /// How many the endpoint takes.
    limit: Arc<AtomicUsize>,
    used: Instant,
}

#[derive(Default)]
struct Known {
    idle: HashMap<Key, Vec<(Sender1, Instant)>>,
    shared: HashMap<Key, Vec<Many>>,
    loads: HashMap<SocketAddr, Arc<Load>>,
    turns: HashMap<(Name, u16), usize>,
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
    streams: Option<Arc<AtomicUsize>>,
}

impl Checkout {
    /// Has the connection serve further requests.
    pub fn done(mut self) {
        let Some(mut sender) = self.sender.take() else { return };
        if sender.is_ready() {
            self.upstreams.keep(&self.key, sender);
        } else if !sender.is_closed() {
            // The answer may end before the request does.
            let (upstreams, key) = (self.upstreams.clone(), self.key.clone());
            tokio::spawn(async move {
                if matches!(tokio::time::timeout(Duration::from_secs(5), sender.ready()).await, Ok(Ok(()))) {
                    upstreams.keep(&key, sender);
                }
            });
        }
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        if let Some(streams) = &self.streams {
            streams.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Upstreams {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what an endpoint has to do.
    #[must_use]
    pub fn load(&self, address: SocketAddr) -> Arc<Load> {
        self.lock().loads.entry(address).or_default().clone()
    }

    /// Returns how many went before to a port of a service.
    pub fn turn(&self, service: &ServiceKey, port: u16) -> usize {
        let mut known = self.lock();
        let turn = known.turns.entry((service.hostname.clone(), port)).or_default();
        *turn = turn.wrapping_add(1);
        *turn
    }

    /// Lets go of connections that nobody used for a while, and of what is known of endpoints without any.
    pub fn sweep(&self) {
        let mut known = self.lock();
        let now = Instant::now();
        known.idle.retain(|_, idle| {
            idle.retain(|(sender, since)| !sender.is_closed() && now.duration_since(*since) < IDLE);
            !idle.is_empty()
        });
        known.shared.retain(|_, shared| {
            shared.retain(|many| {
                let busy = many.streams.load(Ordering::Relaxed) > 0;
                !many.sender.is_closed() && (busy || now.duration_since(many.used) < IDLE)
            });
            !shared.is_empty()
        });
        known.loads.retain(|_, load| Arc::strong_count(load) > 1);
    }

    fn keep(&self, key: &Key, sender: Sender1) {
        let mut known = self.lock();
        let idle = known.idle.entry(key.clone()).or_default();
        if idle.len() < MAX_IDLE {
            idle.push((sender, Instant::now()));
        }
    }

    fn idle(&self, key: &Key) -> Option<Sender1> {
        let mut known = self.lock();
        let idle = known.idle.get_mut(key)?;
        // The last one first: those that are not needed grow old.
        while let Some((sender, since)) = idle.pop() {
            if sender.is_ready() && !sender.is_closed() && since.elapsed() < IDLE {
                return Some(sender);
            }
        }
        None
    }

    fn many(&self, key: &Key) -> Option<(Sender2, Arc<AtomicUsize>)> {
        let mut known = self.lock();
        let shared = known.shared.get_mut(key)?;
        shared.retain(|many| !many.sender.is_closed());
        let freest = shared.iter_mut().min_by_key(|many| many.streams.load(Ordering::Relaxed))?;
        let room = STREAMS.min(freest.limit.load(Ordering::Relaxed).max(1));
        (freest.streams.load(Ordering::Relaxed) < room).then(|| {
            freest.used = Instant::now();
            freest.streams.fetch_add(1, Ordering::Relaxed);
            (freest.sender.clone(), freest.streams.clone())
        })
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
        let key = Key { address: endpoint.address, version, identity };
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
            let kept = self.idle(&key);
            let reused = kept.is_some();
            let mut sender = match kept {
                Some(sender) => sender,
                None => connect1(shared, endpoint).await?,
            };
            match sender.try_send_request(request).await {
                Ok(answer) => {
                    let checkout = Checkout { upstreams: self.clone(), key, sender: Some(sender), streams: None };
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
            let kept = self.many(&key);
            let reused = kept.is_some();
            let (mut sender, streams) = match kept {
                Some(kept) => kept,
                None => self.connect2(shared, endpoint, &key).await?,
            };
            // Counted until it is dropped, whatever comes of the request.
            let checkout = Checkout { upstreams: self.clone(), key: key.clone(), sender: None, streams: Some(streams) };
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
    ) -> Result<(Sender2, Arc<AtomicUsize>), SendError> {
        let io = TokioIo::new(dial::dial(shared, endpoint).await?);
        let handshake = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1)
            .keep_alive_interval(PING.0)
            .keep_alive_timeout(PING.1)
            .max_header_list_size(MAX_HEAD as u32)
            .handshake(io)
            .await;
        let (sender, connection) = handshake.map_err(|error| SendError::Refused(runtime::error::chain(&error)))?;
        let limit = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
        let told = limit.clone();
        tokio::spawn(async move {
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
        let many = Many { sender: sender.clone(), streams: streams.clone(), limit, used: Instant::now() };
        self.lock().shared.entry(key.clone()).or_default().push(many);
        Ok((sender, streams))
    }
}

async fn connect1(shared: &Arc<Shared>, endpoint: &Endpoint) -> Result<Sender1, SendError> {
    let io = TokioIo::new(dial::dial(shared, endpoint).await?);
    let handshake = http1::Builder::new().max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD).handshake(io).await;
    let (sender, connection) = handshake.map_err(|error| SendError::Refused(runtime::error::chain(&error)))?;
    tokio::spawn(async move {
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
