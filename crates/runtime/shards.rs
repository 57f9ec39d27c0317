//! The threads of the data path. Each has a runtime, listeners and tunnels of its own, so that a connection stays on the thread
//! that accepted it: nothing is handed to another core, no lock is shared, no idle thread is woken to look for work.
//!
//! Administration, discovery and certificates run on another thread and cannot hold connections up.

use std::{cell::Cell, io, thread};

use tokio::{runtime, sync::oneshot};

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// The threads of the data path; dropped, they end with what runs on them.
pub struct Shards(Vec<Shard>);

struct Shard {
    runtime: runtime::Handle,
    // Its end tells the thread to stop.
    _stop: oneshot::Sender<()>,
}

impl Shards {
    /// Starts this many threads, one at least, named after a role; each does `prepare` first.
    ///
    /// # Errors
    /// Threads or descriptors that cannot be had.
    pub fn start(role: &str, count: usize, prepare: fn()) -> io::Result<Self> {
        (0..count.max(1)).map(|index| shard(role, index, prepare)).collect::<io::Result<_>>().map(Self)
    }

    /// Returns how many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the runtime of each.
    pub fn runtimes(&self) -> impl Iterator<Item = &runtime::Handle> {
        self.0.iter().map(|shard| &shard.runtime)
    }
}

/// Returns which shard the calling thread is; 0 for any other thread.
#[must_use]
pub fn current() -> usize {
    CURRENT.get()
}

fn shard(role: &str, index: usize, prepare: fn()) -> io::Result<Shard> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        // Sockets are looked at after this many tasks at the latest: bulk streams must not make others wait.
        .event_interval(31)
        .build()?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel();
    thread::Builder::new().name(format!("{role}-{index}")).spawn(move || {
        CURRENT.set(index);
        prepare();
        // An error is the end of the sender, which is what is waited for.
        let _ = runtime.block_on(stopped);
    })?;
    Ok(Shard { runtime: handle, _stop: stop })
}
