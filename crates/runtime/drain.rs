//! Stopping in order: first nothing new is begun, then what runs may end, then what is left is cut.

use std::{future::Future, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::info;

/// Tells tasks to stop and waits for them. Copies speak of the same stop; a child stops with its parent, or alone.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    draining: CancellationToken,
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Drain {
    /// Makes a stop that nobody asked for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a stop of a part: it begins with the whole's, or by itself.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { draining: self.draining.child_token(), cut: self.cut.child_token(), tasks: TaskTracker::new() }
    }

    /// Runs a task that is waited for.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task);
    }

    /// Runs a task that is waited for, on another runtime.
    pub fn spawn_on<F>(&self, task: F, runtime: &tokio::runtime::Handle)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn_on(task, runtime);
    }

    /// Asks for the stop: nothing new is begun.
    pub fn start(&self) {
        self.draining.cancel();
    }

    /// Cuts what is left.
    pub fn cut(&self) {
        self.draining.cancel();
        self.cut.cancel();
    }

    /// Tells whether the stop was asked for.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Waits until the stop is asked for.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }

    /// Waits until what is left must end at once.
    pub async fn cutting(&self) {
        self.cut.cancelled().await;
    }

    /// Asks for the stop, gives running tasks `grace`, then cuts them; tells whether all ended by themselves.
    pub async fn finish(&self, grace: Duration) -> bool {
        self.start();
        self.tasks.close();
        let ended = tokio::time::timeout(grace, self.tasks.wait()).await.is_ok();
        self.cut();
        if !ended {
            // Cut tasks end at their next await; a stuck one must not hold the process.
            let _ = tokio::time::timeout(Duration::from_secs(2), self.tasks.wait()).await;
        }
        ended
    }
}

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
/// When the signal handlers cannot be set up.
pub async fn stop_signal() -> std::io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let name = tokio::select! { _ = term.recv() => "SIGTERM", _ = interrupt.recv() => "SIGINT" };
    info!(signal = name, "stopping");
    Ok(())
}
