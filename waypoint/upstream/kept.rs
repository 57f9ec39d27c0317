//! Connections to endpoints that are kept for further requests.
//!
//! Each thread of the data path has its own, so that a request never waits for another thread.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::client::conn::{http1, http2};
use model::{Identity, workload::Name};

use super::{limits::Limits, pool::Version, terms::Terms};
use crate::requests::replay::Outgoing;

/// How many connections without requests are kept for one endpoint.
const MAX_IDLE: usize = 256;
/// How long it is remembered that an endpoint takes no CONNECT with a protocol, and of how many.
const PLAIN: (Duration, usize) = (Duration::from_secs(300), 4096);

/// What makes two requests share a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Where it goes.
    pub address: SocketAddr,
    /// What is spoken.
    pub version: Version,
    /// Who the endpoint must be; none in the clear.
    pub identity: Option<Identity>,
    /// How the connection begins, and whose limits it counts to.
    pub connection: u64,
    /// The server, where the client named it: others may have the same address.
    pub name: Option<Name>,
    /// Whose it is, where the connection says so.
    pub client: Option<SocketAddr>,
}

/// The texts of the identity are left out: it belongs to the address nearly always, and each request asks by this key.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.address, self.version, self.connection, self.client).hash(state);
    }
}

/// Sends requests on a connection of HTTP/1.
pub type Sender1 = http1::SendRequest<Outgoing>;
/// Sends requests on a connection of HTTP/2.
pub type Sender2 = http2::SendRequest<Outgoing>;

/// The connections of one thread. Copies share them.
#[derive(Clone)]
pub struct Upstreams(Arc<Mutex<Known>>);

/// A connection of HTTP/1 without a request.
struct Idle {
    sender: Sender1,
    since: Instant,
    terms: Terms,
}

/// A connection of HTTP/2.
pub struct Many {
    /// Sends requests.
    pub sender: Sender2,
    /// How many are under way.
    pub streams: Arc<AtomicUsize>,
    /// How many the endpoint takes.
    pub limit: Arc<AtomicUsize>,
    /// How many are wanted at most.
    pub wanted: usize,
    /// When the last one began.
    pub used: Instant,
    /// How it may be used.
    pub terms: Terms,
}

/// What is kept.
#[derive(Default)]
struct Known {
    /// How many connections are kept, and how many more may be until they are counted again.
    most: usize,
    room: usize,
    idle: HashMap<Key, Vec<Idle>>,
    shared: HashMap<Key, Vec<Many>>,
    /// How many requests wait for a connection.
    waiting: HashMap<Key, usize>,
    /// Who takes no CONNECT with a protocol, and since when that is known.
    plain: HashMap<Key, Instant>,
}

/// A place for one request on a connection of HTTP/2.
pub type Stream2 = (Sender2, Arc<AtomicUsize>, Terms);

impl Many {
    fn is_busy(&self) -> bool {
        self.streams.load(Ordering::Relaxed) > 0
    }
}

impl Known {
    /// Takes note of one more; closes those that nobody used for longest if there are too many. They are counted once in a while
    /// only, and an eighth of them is closed at once: what one more costs does not grow with how many there are.
    fn added(&mut self) {
        self.room = self.room.saturating_sub(1);
        if self.room > 0 {
            return;
        }
        let eighth = (self.most / 8).max(1);
        let open = self.count();
        let open = if open < self.most { open } else { open - self.close(open - self.most + eighth) };
        // Those that are busy stay: it would be in vain to look at them each time.
        self.room = self.most.saturating_sub(open).max(eighth);
    }

    fn count(&self) -> usize {
        self.idle.values().map(Vec::len).sum::<usize>() + self.shared.values().map(Vec::len).sum::<usize>()
    }

    /// Closes so many of those that nobody uses, the longest unused first; returns how many.
    fn close(&mut self, count: usize) -> usize {
        let idle = self.idle.values().flatten().map(|idle| idle.since);
        let shared = self.shared.values().flatten().filter(|many| !many.is_busy()).map(|many| many.used);
        let mut unused: Vec<Instant> = idle.chain(shared).collect();
        let before = self.count();
        let Some(last) = count.min(unused.len()).checked_sub(1) else { return 0 };
        let last = *unused.select_nth_unstable(last).1;
        self.idle.retain(|_, idle| {
            idle.retain(|idle| idle.since > last);
            !idle.is_empty()
        });
        self.shared.retain(|_, shared| {
            shared.retain(|many| many.is_busy() || many.used > last);
            !shared.is_empty()
        });
        before - self.count()
    }
}

impl Upstreams {
    /// Makes one that keeps at most so many connections that nobody uses.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Known { most, room: 1, ..Known::default() })))
    }

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
            shared.retain(|many| !many.sender.is_closed() && (many.is_busy() || many.terms.allow(many.used)));
            !shared.is_empty()
        });
        known.plain.retain(|_, since| since.elapsed() < PLAIN.0);
    }

    /// Tells whether an endpoint was found not to take CONNECT with a protocol.
    #[must_use]
    pub fn is_plain(&self, key: &Key) -> bool {
        self.lock().plain.get(key).is_some_and(|since| since.elapsed() < PLAIN.0)
    }

    /// Remembers that an endpoint takes no CONNECT with a protocol.
    pub fn note_plain(&self, key: Key) {
        let plain = &mut self.lock().plain;
        if plain.len() < PLAIN.1 {
            plain.insert(key, Instant::now());
        }
    }

    /// Keeps a connection of HTTP/1 for further requests, if it may have any.
    pub fn keep(&self, key: &Key, sender: Sender1, terms: Terms) {
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
            known.added();
        }
        drop(known);
        if let Some(limits) = limits {
            limits.freed.notify_waiters();
        }
    }

    /// Takes a connection of HTTP/1 for a request.
    #[must_use]
    pub fn idle(&self, key: &Key) -> Option<(Sender1, Terms)> {
        let mut known = self.lock();
        let idle = known.idle.get_mut(key)?;
        // The last one first: those that are not needed grow old.
        while let Some(Idle { sender, since, mut terms }) = idle.pop() {
            if sender.is_ready() && !sender.is_closed() && terms.allow(since) {
                terms.served += 1;
                return Some((sender, terms));
            }
        }
        // Of hosts that clients choose there may be any number.
        known.idle.remove(key);
        None
    }

    /// Takes a place on a connection of HTTP/2 for a request.
    #[must_use]
    pub fn many(&self, key: &Key) -> Option<Stream2> {
        let mut known = self.lock();
        let shared = known.shared.get_mut(key)?;
        // One that may have no more requests ends with those that it has.
        shared.retain(|many| {
            let since = if many.is_busy() { Instant::now() } else { many.used };
            !many.sender.is_closed() && many.terms.allow(since)
        });
        let freest = shared.iter_mut().min_by_key(|many| many.streams.load(Ordering::Relaxed))?;
        let room = freest.wanted.min(freest.limit.load(Ordering::Relaxed).max(1));
        (freest.streams.load(Ordering::Relaxed) < room).then(|| {
            freest.used = Instant::now();
            freest.terms.served += 1;
            freest.streams.fetch_add(1, Ordering::Relaxed);
            (freest.sender.clone(), freest.streams.clone(), freest.terms.clone())
        })
    }

    /// Keeps a connection of HTTP/2, which others may use at the same time.
    pub fn share(&self, key: &Key, many: Many) {
        let limits = many.terms.is_short().then(|| many.terms.limits.clone());
        let mut known = self.lock();
        known.shared.entry(key.clone()).or_default().push(many);
        known.added();
        drop(known);
        if let Some(limits) = limits {
            limits.freed.notify_waiters();
        }
    }

    /// Lets go of a connection without requests that counts to these limits; tells whether there was one.
    pub fn evict(&self, limits: &Arc<Limits>) -> bool {
        let mut known = self.lock();
        for idle in known.idle.values_mut() {
            if let Some(place) = idle.iter().position(|idle| Arc::ptr_eq(&idle.terms.limits, limits)) {
                idle.remove(place);
                return true;
            }
        }
        for shared in known.shared.values_mut() {
            let free = |many: &Many| !many.is_busy() && Arc::ptr_eq(&many.terms.limits, limits);
            if let Some(place) = shared.iter().position(free) {
                shared.remove(place);
                return true;
            }
        }
        false
    }
}

/// A request that waits for a connection of its thread.
pub struct Waiting<'u> {
    upstreams: &'u Upstreams,
    key: &'u Key,
}

impl<'u> Waiting<'u> {
    /// Counts one more.
    #[must_use]
    pub fn new(upstreams: &'u Upstreams, key: &'u Key) -> Self {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is the test's result
mod tests;
