//! Endpoints that fail are left alone for a while (Envoy, "Outlier detection"). What one thread sees counts for all.
//!
//! ```text
//!   asked ── so many failures in a row ──► left alone ── its time is over ──► asked
//! ```

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use model::l7::destination::Outliers;
use tokio::time::Instant;

use super::balance::Load;

/// The longest that an endpoint is left alone, unless its first time is longer already.
const LONGEST: Duration = Duration::from_secs(300);

/// What came of a request or a connection, as far as its endpoint is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered with this status.
    Status(u16),
    /// It took a connection that is passed on.
    Connected,
    /// It could not be reached, broke the connection, or took too long.
    Broken,
}

impl Outcome {
    /// Returns what an answer says that is a status of gRPC alone (Envoy, "grpc_to_http_status").
    #[must_use]
    pub fn of_grpc(status: u32) -> Self {
        Self::Status(match status {
            0 => 200,
            1 => 499,
            3 | 9 | 11 => 400,
            4 => 504,
            5 => 404,
            6 | 10 => 409,
            7 => 403,
            8 => 429,
            12 => 501,
            14 => 503,
            16 => 401,
            _ => 500,
        })
    }
}

/// One endpoint, as all threads know it.
#[derive(Debug)]
pub struct Host {
    /// Its address.
    pub address: SocketAddr,
    /// When it was first seen.
    pub since: Instant,
    /// What it has to do.
    pub load: Arc<Load>,
    in_a_row: Counts,
    /// Until when it is left alone, in milliseconds of its hosts' clock; 0 for not at all.
    until: AtomicU64,
    times: AtomicU32,
    /// When it was asked again the last time.
    back: AtomicU64,
}

#[derive(Debug, Default)]
struct Counts {
    failures: AtomicU32,
    gateway: AtomicU32,
    local: AtomicU32,
}

impl Counts {
    /// Counts an outcome; tells whether it was one too many.
    fn note(&self, outcome: Outcome, outliers: &Outliers) -> bool {
        let apart = outliers.consecutive_local > 0;
        let count = |counter: &AtomicU32, failed: bool, most: u32| {
            if failed {
                counter.fetch_add(1, Ordering::Relaxed) + 1 >= most && most > 0
            } else {
                // Rarely anything else: a line that is only read stays with every core.
                if counter.load(Ordering::Relaxed) != 0 {
                    counter.store(0, Ordering::Relaxed);
                }
                false
            }
        };
        match outcome {
            Outcome::Broken if apart => count(&self.local, true, outliers.consecutive_local),
            Outcome::Broken => {
                let failures = count(&self.failures, true, outliers.consecutive_5xx);
                count(&self.gateway, true, outliers.consecutive_gateway) || failures
            }
            Outcome::Connected if apart => count(&self.local, false, 0),
            Outcome::Connected => count(&self.failures, false, 0) | count(&self.gateway, false, 0),
            Outcome::Status(status) => {
                count(&self.local, false, 0);
                let failed = match &*outliers.statuses {
                    [] => status >= 500,
                    statuses => statuses.contains(&status),
                };
                let failures = count(&self.failures, failed, outliers.consecutive_5xx);
                let gateway = (502..=504).contains(&status);
                count(&self.gateway, gateway, outliers.consecutive_gateway) || failures
            }
        }
    }

    fn reset(&self) {
        [&self.failures, &self.gateway, &self.local].into_iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }
}

impl Host {
    /// Tells whether it is left alone.
    #[must_use]
    pub fn is_ejected(&self) -> bool {
        self.until.load(Ordering::Relaxed) != 0
    }
}

fn in_milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The endpoints of a service, and which of them are left alone.
#[derive(Debug)]
pub struct Hosts {
    begun: Instant,
    known: Mutex<HashMap<SocketAddr, Arc<Host>>>,
    /// Changes with each endpoint that is left alone or asked again.
    version: AtomicU64,
    /// When the first one is to be asked again, in milliseconds; `u64::MAX` for none.
    next: AtomicU64,
}

impl Default for Hosts {
    fn default() -> Self {
        let (version, next) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
        Self { begun: Instant::now(), known: Mutex::default(), version, next }
    }
}

impl Hosts {
    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Arc<Host>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        // Never 0, which stands for not left alone.
        in_milliseconds(now.saturating_duration_since(self.begun)).saturating_add(1)
    }

    /// Returns the endpoints of these addresses; what is known of others is forgotten.
    pub fn keep(&self, addresses: &[SocketAddr], now: Instant) -> Vec<Arc<Host>> {
        let mut known = self.lock();
        let mut old = std::mem::take(&mut *known);
        addresses
            .iter()
            .map(|address| {
                let make = || {
                    let (until, back) = (AtomicU64::new(0), AtomicU64::new(0));
                    let (load, in_a_row) = (Arc::default(), Counts::default());
                    let times = AtomicU32::new(0);
                    Arc::new(Host { address: *address, since: now, load, in_a_row, until, times, back })
                };
                known.entry(*address).or_insert_with(|| old.remove(address).unwrap_or_else(make)).clone()
            })
            .collect()
    }

    /// Returns what is known of an endpoint.
    #[must_use]
    pub fn find(&self, address: SocketAddr) -> Option<Arc<Host>> {
        self.lock().get(&address).cloned()
    }

    /// Returns a number that changes with each endpoint that is left alone or asked again.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Counts an outcome of an endpoint, and leaves it alone if it failed too often.
    pub fn note(&self, host: &Arc<Host>, outcome: Outcome, outliers: &Outliers, now: impl FnOnce() -> Instant) {
        if host.is_ejected() || !host.in_a_row.note(outcome, outliers) {
            return;
        }
        host.in_a_row.reset();
        let known = self.lock();
        // What is an endpoint no more has nobody who would ask it again.
        if !known.get(&host.address).is_some_and(|found| Arc::ptr_eq(found, host)) || host.is_ejected() {
            return;
        }
        // One may always be left alone, of however few: what counts is how many are already.
        let ejected = known.values().filter(|h| h.is_ejected()).count();
        if ejected * 100 >= usize::from(outliers.max_percent) * known.len() {
            return;
        }
        let now = self.milliseconds(now());
        // Each interval in which it was well makes the next time shorter again.
        let interval = in_milliseconds(outliers.interval).max(1);
        let well = now.saturating_sub(host.back.load(Ordering::Relaxed)) / interval;
        let before = host.times.load(Ordering::Relaxed).saturating_sub(u32::try_from(well).unwrap_or(u32::MAX));
        host.times.store(before.saturating_add(1), Ordering::Relaxed);
        let alone = outliers.ejection.saturating_mul(before.saturating_add(1)).min(LONGEST.max(outliers.ejection));
        let until = now.saturating_add(in_milliseconds(alone).max(1)).min(u64::MAX - 1);
        host.until.store(until, Ordering::Relaxed);
        self.next.fetch_min(until, Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Has those asked again whose time is over.
    pub fn revive(&self, now: impl FnOnce() -> Instant) {
        let next = self.next.load(Ordering::Relaxed);
        if next == u64::MAX {
            return;
        }
        let now = self.milliseconds(now());
        if now < next {
            return;
        }
        let known = self.lock();
        let mut next = u64::MAX;
        for host in known.values() {
            match host.until.load(Ordering::Relaxed) {
                0 => {}
                until if until <= now => {
                    host.until.store(0, Ordering::Relaxed);
                    host.back.store(now, Ordering::Relaxed);
                    self.version.fetch_add(1, Ordering::Release);
                }
                until => next = next.min(until),
            }
        }
        self.next.store(next, Ordering::Relaxed);
    }

    /// Has all asked again: nobody says any more that any should be left alone.
    pub fn forgive(&self) {
        if self.next.load(Ordering::Relaxed) == u64::MAX {
            return;
        }
        let known = self.lock();
        known.values().for_each(|host| host.until.store(0, Ordering::Relaxed));
        self.next.store(u64::MAX, Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is the test's result
mod tests;
