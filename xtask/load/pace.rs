//! When requests are due, and what they took.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

/// How exact the timer is: who is later than this was kept by the request before.
const TICK: Duration = Duration::from_millis(2);

/// The times at which one connection sends.
pub struct Pace {
    every: Option<Duration>,
    due: Instant,
    end: Instant,
}

impl Pace {
    /// Makes that of the `index`th of `count` connections, which together send `rate` requests a second; without a rate, each as
    /// fast as it is answered.
    pub fn new(rate: Option<f64>, index: usize, count: usize, end: Instant) -> Self {
        let every = rate.map(|rate| Duration::from_secs_f64(count as f64 / rate));
        let offset = every.unwrap_or_default().mul_f64(index as f64 / count as f64);
        Self { every, due: Instant::now() + offset, end }
    }

    /// Waits until a request is due; returns when its time begins to count, none at the end. One that its predecessor kept counts
    /// from when it was due.
    pub async fn next(&mut self) -> Option<Instant> {
        let Some(every) = self.every else { return Some(Instant::now()).filter(|now| *now < self.end) };
        let due = self.due;
        self.due += every;
        if due >= self.end {
            return None;
        }
        sleep_until(due).await;
        let now = Instant::now();
        Some(if now > due + TICK { due } else { now })
    }
}

/// What came of the requests of one or more connections.
#[derive(Default)]
pub struct Outcome {
    /// What each answered one took.
    pub took: Vec<Duration>,
    /// What went wrong, and how often.
    pub failed: usize,
    /// The first thing that went wrong.
    pub error: Option<String>,
}

impl Outcome {
    /// Notes one that failed.
    pub fn fail(&mut self, error: String) {
        self.failed += 1;
        self.error.get_or_insert(error);
    }

    /// Takes another's in.
    pub fn join(&mut self, other: Self) {
        self.took.extend(other.took);
        self.failed += other.failed;
        if let Some(error) = other.error {
            self.error.get_or_insert(error);
        }
    }

    /// Tells it, times in microseconds.
    pub fn report(mut self, lasted: Duration) -> Value {
        self.took.sort_unstable();
        let at = |share: f64| {
            let place = (self.took.len() as f64 * share) as usize;
            self.took.get(place.min(self.took.len().saturating_sub(1))).map(|took| took.as_secs_f64() * 1e6)
        };
        json!({
            "requests": self.took.len(), "failed": self.failed, "error": self.error, "seconds": lasted.as_secs_f64(),
            "p50": at(0.5), "p99": at(0.99),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_kept_counts_from_when_he_was_due() {
        let begun = Instant::now();
        let mut pace = Pace::new(Some(100.0), 1, 2, begun + Duration::from_millis(50));
        let at = |ms| Some(begun + Duration::from_millis(ms));
        assert_eq!(pace.next().await, at(10));
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(pace.next().await, at(30));
        assert_eq!(pace.next().await, None);
    }

    #[test]
    fn the_middle_and_the_tail_are_told() {
        let mut outcome = Outcome { took: (1..=200).map(Duration::from_micros).collect(), ..Outcome::default() };
        outcome.fail("first".into());
        outcome.fail("second".into());
        let told = outcome.report(Duration::from_secs(2));
        assert_eq!((&told["p50"], &told["p99"]), (&json!(101.0), &json!(199.0)));
        assert_eq!((&told["failed"], &told["error"]), (&json!(2), &json!("first")));
    }
}
