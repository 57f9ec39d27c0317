//! Which of several endpoints.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use model::{Workload, l7::destination::Balancer, workload::ServiceKey};

use super::pool::Upstreams;

/// What an endpoint has to do, as far as this thread gave it.
#[derive(Debug, Default)]
pub struct Load {
    active: AtomicU32,
}

/// One request or connection under way; dropped, it is done.
#[derive(Debug)]
pub struct Busy(Arc<Load>);

impl Load {
    /// Counts one more.
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> Busy {
        self.active.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Returns how many are under way.
    #[must_use]
    pub fn active(&self) -> u32 {
        self.active.load(Ordering::Relaxed)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

type Candidate<'a> = (SocketAddr, &'a Arc<Workload>);

/// Chooses one.
pub fn choose<'a>(
    candidates: &[Candidate<'a>],
    balancer: &Balancer,
    upstreams: &Upstreams,
    service: &ServiceKey,
    port: u16,
) -> Option<Candidate<'a>> {
    if candidates.len() <= 1 {
        return candidates.first().copied();
    }
    match balancer {
        Balancer::RoundRobin => {
            let turn = upstreams.turn(service, port);
            candidates.get(turn % candidates.len()).copied()
        }
        Balancer::LeastRequest => {
            let (one, other) = (weighted(candidates)?, weighted(candidates)?);
            let load = |candidate: &Candidate<'_>| {
                // An endpoint with twice the capacity may have twice as much to do.
                let capacity = u64::from(candidate.1.capacity.max(1));
                u64::from(upstreams.load(candidate.0).active()) * (1 << 16) / capacity
            };
            Some(if load(&one) <= load(&other) { one } else { other })
        }
        Balancer::Random | Balancer::Passthrough | Balancer::Hash(_) => weighted(candidates),
    }
}

/// Chooses at random, by capacity.
fn weighted<'a>(candidates: &[Candidate<'a>]) -> Option<Candidate<'a>> {
    let capacity = |candidate: &Candidate<'_>| u64::from(candidate.1.capacity);
    let sum: u64 = candidates.iter().map(capacity).sum();
    let mut left = rand::random::<u64>().checked_rem(sum)?;
    candidates.iter().copied().find(|candidate| {
        let hit = left < capacity(candidate);
        left = left.saturating_sub(capacity(candidate));
        hit
    })
}
