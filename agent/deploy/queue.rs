//! Gateways that are to be looked at, each once, at once or later.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use source::object::ObjectKey;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// A queue of names. Copies share it; one reader takes from it.
#[derive(Clone, Default)]
pub struct Queue {
    due: Arc<Mutex<BTreeMap<ObjectKey, Instant>>>,
    added: Arc<Notify>,
}

impl Queue {
    /// Adds a name.
    pub fn add(&self, key: &ObjectKey) {
        self.add_later(key, Instant::now());
    }

    /// Adds several.
    pub fn extend<'a>(&self, keys: impl Iterator<Item = &'a ObjectKey>) {
        keys.for_each(|key| self.add(key));
    }

    /// Adds a name for later, unless it is to be looked at sooner in any case.
    pub fn add_later(&self, key: &ObjectKey, at: Instant) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.entry(key.clone()).and_modify(|old| *old = at.min(*old)).or_insert(at);
        drop(due);
        self.added.notify_one();
    }

    /// Waits for the first name that is due, and takes it. Nothing is lost if the wait is given up.
    pub async fn next(&self) -> ObjectKey {
        loop {
            let first = {
                let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
                let first = due.iter().min_by_key(|(_, at)| **at).map(|(key, at)| (key.clone(), *at));
                match first {
                    Some((key, at)) if at <= Instant::now() => {
                        due.remove(&key);
                        return key;
                    }
                    other => other.map(|(_, at)| at),
                }
            };
            tokio::select! {
                () = self.added.notified() => {}
                () = sleep_until(first.unwrap_or_else(Instant::now)), if first.is_some() => {}
            }
        }
    }
}
