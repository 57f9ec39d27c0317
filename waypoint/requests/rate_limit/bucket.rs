//! Tokens: how many requests may come now, and when the next one may.
//!
//! A bucket is one number: when it would be full again (the generic cell rate algorithm). Full buckets need no memory, so those of
//! many keys are few numbers.

use std::{
    borrow::Cow,
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use model::l7::rate_limit::LocalLimit;
use prometheus_client::metrics::counter::Counter;

/// How many parts the buckets of many keys have, each with a lock of its own.
const PARTS: usize = 16;
/// How many keys one limit remembers at most: beyond them, those that were not seen for longest are forgotten.
pub const MAX_KEYS: usize = 1 << 16;
/// How many keys a part has of those that were seen lately, before it forgets the others.
const LATELY: usize = MAX_KEYS / PARTS / 2;

/// What is left after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// How many more may come at once.
    pub remaining: u64,
    /// When all may come again.
    pub reset: Duration,
}

/// A request is too many; when one may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late(pub Duration);

/// How fast tokens come back, and how many there may be; in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Pace {
    interval: u64,
    whole: u64,
}

impl Pace {
    /// Takes a token of a bucket that is full again at `due`; returns when it is full after that.
    fn take(self, due: u64, now: u64) -> Result<(u64, Left), Late> {
        let next = due.max(now).saturating_add(self.interval);
        let owed = next - now;
        match self.whole.checked_sub(owed) {
            Some(left) => Ok((next, Left { remaining: left / self.interval, reset: Duration::from_nanos(owed) })),
            None => Err(Late(Duration::from_nanos(owed - self.whole))),
        }
    }
}

/// What stands for the values of a key: two hashes, whose secrets no client knows.
type Key = (u64, u64);

/// The tokens of one limit.
pub struct Bucket {
    pace: Pace,
    tokens: Tokens,
    forgotten: Counter,
}

enum Tokens {
    One(AtomicU64),
    Each { parts: Box<[Mutex<Part>; PARTS]>, secrets: [RandomState; 2] },
}

/// The buckets of some keys, by when they were seen: two generations, of which the older one is forgotten as a whole.
#[derive(Default)]
struct Part {
    lately: HashMap<Key, u64>,
    before: HashMap<Key, u64>,
}

/// A token that was taken, to be given back if the request does not pass after all.
pub struct Taken<'b>(&'b Bucket, Option<Key>);

impl Bucket {
    /// Makes the full bucket of a limit; keys that are forgotten before their buckets are full are counted.
    #[must_use]
    pub fn new(limit: &LocalLimit, forgotten: Counter) -> Self {
        let interval = u64::try_from(limit.interval().as_nanos()).unwrap_or(u64::MAX);
        let pace = Pace { interval, whole: interval.saturating_mul(u64::from(limit.burst.max(1))) };
        let tokens = if limit.key.is_empty() {
            Tokens::One(AtomicU64::new(0))
        } else {
            Tokens::Each { parts: Box::default(), secrets: [RandomState::new(), RandomState::new()] }
        };
        Self { pace, tokens, forgotten }
    }

    /// Takes a token, at a moment in nanoseconds since some other; `values` are those of the limit's key.
    ///
    /// # Errors
    /// There is none.
    pub fn take(&self, values: &[Option<Cow<'_, str>>], now: u64) -> Result<(Left, Taken<'_>), Late> {
        match &self.tokens {
            Tokens::One(due) => {
                let mut known = due.load(Ordering::Relaxed);
                loop {
                    let (next, left) = self.pace.take(known, now)?;
                    match due.compare_exchange_weak(known, next, Ordering::Relaxed, Ordering::Relaxed) {
                        Ok(_) => return Ok((left, Taken(self, None))),
                        Err(other) => known = other,
                    }
                }
            }
            Tokens::Each { parts, secrets } => {
                let key = (secrets[0].hash_one(values), secrets[1].hash_one(values));
                let mut part = part(parts, key).lock().unwrap_or_else(PoisonError::into_inner);
                let known = part.find(key);
                let taken = self.pace.take(known, now);
                let due = taken.as_ref().map_or(known, |(next, _)| *next);
                self.forgotten.inc_by(part.keep(key, due, now));
                taken.map(|(_, left)| (left, Taken(self, Some(key))))
            }
        }
    }
}

impl Taken<'_> {
    /// Gives it back.
    pub fn give_back(self) {
        let Self(bucket, key) = self;
        let back = |due: u64| due.saturating_sub(bucket.pace.interval);
        match (&bucket.tokens, key) {
            (Tokens::One(due), _) => {
                let _ = due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| Some(back(due)));
            }
            (Tokens::Each { parts, .. }, Some(key)) => {
                let mut part = part(parts, key).lock().unwrap_or_else(PoisonError::into_inner);
                part.lately.entry(key).and_modify(|due| *due = back(*due));
            }
            (Tokens::Each { .. }, None) => {}
        }
    }
}

fn part(parts: &[Mutex<Part>; PARTS], key: Key) -> &Mutex<Part> {
    &parts[(key.0 % PARTS as u64) as usize]
}

impl Part {
    fn find(&mut self, key: Key) -> u64 {
        // Found, it is one that was seen lately from now on.
        self.lately.get(&key).copied().or_else(|| self.before.remove(&key)).unwrap_or(0)
    }

    /// Keeps a bucket; returns how many were forgotten that are not full.
    fn keep(&mut self, key: Key, due: u64, now: u64) -> u64 {
        if self.lately.len() < LATELY || self.lately.contains_key(&key) {
            self.lately.insert(key, due);
            return 0;
        }
        let forgotten = std::mem::replace(&mut self.before, std::mem::take(&mut self.lately));
        self.lately.insert(key, due);
        forgotten.values().filter(|due| **due > now).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn bucket(requests: u32, burst: u32, keyed: bool) -> Bucket {
        let key = if keyed { vec![model::l7::authorization::Attribute::Path] } else { vec![] };
        let limit = LocalLimit { matches: vec![], key, requests, per: Duration::from_secs(1), burst };
        Bucket::new(&limit, Counter::default())
    }

    fn value(text: &str) -> [Option<Cow<'_, str>>; 1] {
        [Some(Cow::Borrowed(text))]
    }

    #[test]
    fn so_many_pass_at_once_and_then_one_by_one() {
        for keyed in [false, true] {
            let bucket = bucket(2, 3, keyed);
            let take = |now: u64| bucket.take(&value("a"), now).map(|(left, _)| left.remaining).map_err(|late| late.0);
            let half = Duration::from_millis(500);
            let rows = [
                (0, Ok(2)),
                (0, Ok(1)),
                (0, Ok(0)),
                (0, Err(half)),
                (SECOND / 4, Err(half / 2)),
                (SECOND / 2, Ok(0)),
                (SECOND / 2, Err(half)),
                (10 * SECOND, Ok(2)),
            ];
            for (now, wanted) in rows {
                assert_eq!(take(now), wanted, "{now} {keyed}");
            }
        }
    }

    #[test]
    fn what_is_given_back_is_there_again_and_keys_do_not_share() {
        for keyed in [false, true] {
            let bucket = bucket(1, 1, keyed);
            let (left, taken) = bucket.take(&value("a"), 0).unwrap_or_else(|_| panic!("there is one"));
            assert_eq!(left, Left { remaining: 0, reset: Duration::from_secs(1) });
            assert!(bucket.take(&value("a"), 0).is_err());
            assert_eq!(bucket.take(&value("b"), 0).is_ok(), keyed);
            assert_eq!(bucket.take(&[None], 0).is_ok(), keyed, "who has no value has a limit too");
            taken.give_back();
            assert!(bucket.take(&value("a"), 0).is_ok());
        }
    }

    #[test]
    fn keys_are_bounded_and_those_that_come_again_are_remembered() {
        let bucket = bucket(1, 1, true);
        assert!(bucket.take(&value("a"), 0).is_ok());
        for round in 0..4 * MAX_KEYS {
            let _ = bucket.take(&value(&round.to_string()), 0);
            assert!(bucket.take(&value("a"), 0).is_err(), "it is seen all the time");
        }
        let Tokens::Each { parts, .. } = &bucket.tokens else { panic!("it has keys") };
        let kept: usize = parts.iter().map(|part| part.lock().map_or(0, |p| p.lately.len() + p.before.len())).sum();
        assert!(kept <= MAX_KEYS && bucket.forgotten.get() > 0, "{kept}");
        assert!(bucket.take(&value("0"), 0).is_ok(), "it was forgotten");
    }

    proptest! {
        #[test]
        fn never_more_pass_than_allowed(requests in 1_u32..1000, burst in 1_u32..100, mut times in prop::collection::vec(0_u64..10 * SECOND, 1..300)) {
            times.sort_unstable();
            let bucket = bucket(requests, burst, false);
            let passed: Vec<u64> = times.iter().copied().filter(|now| bucket.take(&[], *now).is_ok()).collect();
            for (at, from) in passed.iter().enumerate() {
                for (count, to) in passed[at..].iter().enumerate() {
                    let most = u64::from(burst) + (to - from) * u64::from(requests) / SECOND + 1;
                    prop_assert!(count as u64 <= most, "{count} in {}", to - from);
                }
            }
        }
    }
}
