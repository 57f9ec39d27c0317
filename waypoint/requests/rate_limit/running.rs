//! The limits that are in effect, with their tokens: an object that changes keeps those of its limits that did not.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use model::l7::{rate_limit::RateLimit, state::State};
use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use tokio::time::Instant;

use super::bucket::Bucket;

type LabelSet = Vec<(Cow<'static, str>, String)>;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It may pass.
    Allowed,
    /// It is too many.
    Limited,
    /// Nobody could be asked.
    Failed,
}

/// Objects in effect, by where they are in memory: nothing else is there for as long as they are in effect, and no name has to be
/// read for each request.
type Known = HashMap<usize, Arc<Running>>;

fn place(limit: &Arc<RateLimit>) -> usize {
    Arc::as_ptr(limit).addr()
}

/// All limits that are in effect. Readers never wait.
pub struct Limits {
    begun: Instant,
    running: ArcSwap<Known>,
    binding: Mutex<()>,
    requests: Family<LabelSet, Counter>,
    forgotten: Counter,
}

/// One object in effect.
pub struct Running {
    /// What it says.
    pub limit: Arc<RateLimit>,
    /// The tokens of its local limits.
    pub local: Vec<Arc<Bucket>>,
    counted: [[Counter; 3]; 2],
}

impl Limits {
    /// Makes one without limits, and registers what it counts.
    #[must_use]
    pub fn new(registry: &mut Registry) -> Self {
        let (requests, forgotten) = (Family::default(), Counter::default());
        registry.register("ambient_rate_limit_requests", "Requests that a RateLimit was about", requests.clone());
        let help =
            "Keys of local limits that were forgotten, for there were too many, while they had tokens to wait for";
        registry.register("ambient_rate_limit_keys_forgotten", help, forgotten.clone());
        Self { begun: Instant::now(), running: ArcSwap::default(), binding: Mutex::default(), requests, forgotten }
    }

    /// Returns the time, as tokens have it.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Returns an object with its tokens, which are bound to it once, when it is told or has changed.
    #[must_use]
    pub fn of(&self, limit: &Arc<RateLimit>) -> Arc<Running> {
        match self.running.load().get(&place(limit)) {
            Some(known) => known.clone(),
            None => self.bind(limit),
        }
    }

    #[cold]
    fn bind(&self, limit: &Arc<RateLimit>) -> Arc<Running> {
        let _binding = self.binding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = Known::clone(&self.running.load());
        if let Some(known) = running.get(&place(limit)) {
            return known.clone();
        }
        let is_same =
            |known: &&Arc<Running>| (&known.limit.namespace, &known.limit.name) == (&limit.namespace, &limit.name);
        let before = running.values().find(is_same).cloned();
        let made = Arc::new(self.run(limit, before.as_deref()));
        if let Some(before) = before {
            running.remove(&place(&before.limit));
        }
        running.insert(place(limit), made.clone());
        self.running.store(Arc::new(running));
        made
    }

    fn run(&self, limit: &Arc<RateLimit>, before: Option<&Running>) -> Running {
        let mut old: Vec<_> = before.into_iter().flat_map(|b| b.limit.local.iter().zip(&b.local)).collect();
        let bucket = |wanted| match old.iter().position(|(known, _)| *known == wanted) {
            Some(at) => old.remove(at).1.clone(),
            None => Arc::new(Bucket::new(wanted, self.forgotten.clone())),
        };
        let local = limit.local.iter().map(bucket).collect();
        let counter = |labels: &LabelSet| self.requests.get_or_create_owned(labels);
        let counted = labels(&limit.key(), limit.dry_run).map(|kind| kind.each_ref().map(counter));
        Running { limit: limit.clone(), local, counted }
    }

    /// Forgets what is no longer told.
    pub fn sweep(&self, state: &State) {
        let _binding = self.binding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = Known::clone(&self.running.load());
        let before = running.len();
        running.retain(|_, known| {
            let key = known.limit.key();
            let there = state.contains(&format!("ratelimit/{key}"));
            if !there {
                for set in labels(&key, known.limit.dry_run).as_flattened() {
                    self.requests.remove(set);
                }
            }
            there
        });
        if running.len() < before {
            self.running.store(Arc::new(running));
        }
    }
}

impl Running {
    /// Counts a request that one of its local limits was about, or its global one.
    pub fn count(&self, global: bool, outcome: Outcome) {
        self.counted[usize::from(global)][outcome as usize].inc();
    }
}

/// Returns the labels of what is counted of an object: by local and global, then by outcome.
fn labels(key: &str, dry_run: bool) -> [[LabelSet; 3]; 2] {
    ["local", "global"].map(|kind| {
        ["allowed", "limited", "error"].map(|result| {
            let pair = |name, value: &str| (Cow::Borrowed(name), value.to_owned());
            let dry_run = if dry_run { "true" } else { "false" };
            vec![pair("policy", key), pair("limit", kind), pair("result", result), pair("dry_run", dry_run)]
        })
    })
}
