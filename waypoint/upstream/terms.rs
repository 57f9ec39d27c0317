//! How long and how often a connection may be used.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use model::l7::destination::Pool;

use super::limits::{Kind, Limits, Permit};

/// How long a connection without requests is kept, where nothing else is said.
const IDLE: Duration = Duration::from_secs(300);

/// How long and how often a connection may be used.
#[derive(Clone)]
pub struct Terms {
    made: Instant,
    /// How many requests it had.
    pub served: u32,
    idle: Duration,
    age: Duration,
    requests: u32,
    most: u32,
    /// What it counts to.
    pub limits: Arc<Limits>,
    /// Held for as long as anybody uses it.
    pub permit: Arc<Permit>,
}

impl Terms {
    /// Returns those of a policy, for a connection that has its first request.
    #[must_use]
    pub fn new(pool: &Pool, limits: &Arc<Limits>, permit: Permit) -> Self {
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
            permit: Arc::new(permit),
        }
    }

    /// Tells whether it may have another request.
    #[must_use]
    pub fn allow(&self, used: Instant) -> bool {
        self.served < self.requests && used.elapsed() < self.idle && self.made.elapsed() < self.age
    }

    /// Tells whether somebody waits because there are as many connections as may be.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.limits.now(Kind::Pending) > 0 && self.limits.now(Kind::Connection) >= self.most
    }
}
