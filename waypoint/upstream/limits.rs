//! How much may be open or wait at once, for all threads of the process together.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use model::l7::destination::{Pool, RetryBudget};
use tokio::sync::Notify;

/// How many requests may wait for a connection, where nothing is said.
const PENDING: u32 = 65_536;

/// What is open or waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Connections.
    Connection,
    /// Requests that wait for a connection.
    Pending,
    /// Requests under way.
    Request,
    /// Repetitions under way.
    Retry,
}

/// How much of a service is open or waits.
#[derive(Debug, Default)]
pub struct Limits {
    counts: [AtomicU32; 4],
    /// A connection has ended, or has room again.
    pub freed: Notify,
}

/// One of what is counted; dropped, it counts no more.
#[derive(Debug)]
pub struct Permit {
    limits: Arc<Limits>,
    kind: Kind,
}

impl Limits {
    fn count(&self, kind: Kind) -> &AtomicU32 {
        match kind {
            Kind::Connection => &self.counts[0],
            Kind::Pending => &self.counts[1],
            Kind::Request => &self.counts[2],
            Kind::Retry => &self.counts[3],
        }
    }

    /// Returns how many there are.
    #[must_use]
    pub fn now(&self, kind: Kind) -> u32 {
        self.count(kind).load(Ordering::Relaxed)
    }

    /// Takes one more, if there are fewer than `most`.
    #[must_use]
    pub fn take(self: &Arc<Self>, kind: Kind, most: u32) -> Option<Permit> {
        let more = |now| (now < most).then_some(now + 1);
        self.count(kind).fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Permit { limits: self.clone(), kind })
    }

    /// Takes a place among those that wait.
    #[must_use]
    pub fn wait(self: &Arc<Self>, pool: &Pool) -> Option<Permit> {
        self.take(Kind::Pending, pool.max_pending.unwrap_or(PENDING))
    }

    /// Takes a connection.
    #[must_use]
    pub fn connect(self: &Arc<Self>, pool: &Pool) -> Option<Permit> {
        self.take(Kind::Connection, pool.max_connections.unwrap_or(u32::MAX))
    }

    /// Takes a repetition: as many as are allowed at once, or as a budget allows for what is under way.
    #[must_use]
    pub fn retry(self: &Arc<Self>, pool: &Pool, budget: Option<RetryBudget>) -> Option<Permit> {
        let most = match budget {
            Some(budget) => {
                let load = f64::from(self.now(Kind::Request)) + f64::from(self.now(Kind::Pending));
                budget.minimum.max((load * budget.percent / 100.0) as u32)
            }
            None => pool.max_retries.unwrap_or(u32::MAX),
        };
        self.take(Kind::Retry, most)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limits.count(self.kind).fetch_sub(1, Ordering::Relaxed);
        if self.kind == Kind::Connection && self.limits.now(Kind::Pending) > 0 {
            self.limits.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is the test's result
mod tests {
    use super::*;

    #[test]
    fn no_more_than_allowed() {
        let limits = Arc::new(Limits::default());
        let one = limits.take(Kind::Request, 1).unwrap();
        assert!(limits.take(Kind::Request, 1).is_none());
        assert!(limits.take(Kind::Connection, 1).is_some(), "each is counted apart, and given back");
        drop(one);
        assert!(limits.take(Kind::Request, 1).is_some());
        assert_eq!(limits.now(Kind::Request), 0);
        assert!(limits.take(Kind::Retry, 0).is_none());
    }

    #[test]
    fn retries_stay_in_their_budget() {
        let limits = Arc::new(Limits::default());
        let pool = |most| Pool { max_retries: most, ..Pool::default() };
        let budget = |percent, minimum| Some(RetryBudget { percent, minimum });
        let _requests: Vec<_> = (0..50).filter_map(|_| limits.take(Kind::Request, 100)).collect();
        let rows = [
            (pool(Some(2)), None, 2),
            (pool(Some(2)), budget(20.0, 3), 10),
            (pool(None), budget(1.0, 3), 3),
            (pool(None), budget(0.0, 0), 0),
            (pool(None), None, 64),
        ];
        for (pool, budget, wanted) in rows {
            let taken: Vec<_> = (0..64).filter_map(|_| limits.retry(&pool, budget)).collect();
            assert_eq!(taken.len(), wanted, "{pool:?} {budget:?}");
        }
    }
}
