//! Readiness: a process is ready when every task that was named has been done.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// The tasks that are still to be done. Copies share them.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeSet<&'static str>>>);

impl Readiness {
    /// Makes a readiness that waits for these tasks.
    #[must_use]
    pub fn pending(tasks: impl IntoIterator<Item = &'static str>) -> Self {
        Self(Arc::new(Mutex::new(tasks.into_iter().collect())))
    }

    /// Marks a task as done.
    pub fn done(&self, task: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(task);
    }

    /// Marks a task as to be done again.
    pub fn lost(&self, task: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(task);
    }

    /// Returns what is still to be done.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}
