//! Learns of what other processes and operators write: the kernel tells, and every few seconds all is looked at anyway.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use inotify::{EventMask, EventStream, Inotify, WatchDescriptor, WatchMask};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval_at, sleep_until},
};
use tracing::warn;

use crate::folder::{
    disk::SETTLED,
    import::{Importer, Unsettled},
    store::Store,
};

/// How often all files are looked at.
const EVERY: Duration = Duration::from_secs(10);
/// How long manifests may settle: editors write, rename and delete in one go.
const SETTLE: Duration = Duration::from_millis(50);
/// Room for what the kernel tells at once.
const BUFFER: usize = 64 << 10;

/// Follows the directories of a store, and of manifests if they are imported.
pub struct Follower {
    store: Arc<Store>,
    importer: Option<Importer>,
    events: EventStream<Vec<u8>>,
    watched: HashMap<WatchDescriptor, PathBuf>,
}

/// What the kernel told.
#[derive(Default)]
struct Told {
    files: BTreeSet<PathBuf>,
    /// Directories that are new, or events were lost.
    everything: bool,
    manifests: bool,
}

impl Follower {
    /// Begins to be told. Only within a runtime.
    ///
    /// # Errors
    /// The kernel has no room for further watches.
    pub fn new(store: Arc<Store>, importer: Option<Importer>) -> io::Result<Self> {
        let events = Inotify::init()?.into_event_stream(vec![0; BUFFER])?;
        let mut follower = Self { store, importer, events, watched: HashMap::new() };
        follower.watch()?;
        Ok(follower)
    }

    /// Imports the manifests now; tells whether some are to be looked at again soon.
    pub fn import(&mut self, unsettled: Unsettled) -> bool {
        self.importer.as_mut().is_some_and(|importer| importer.run(&self.store, unsettled))
    }

    /// Watches every directory that is not watched yet.
    fn watch(&mut self) -> io::Result<()> {
        let mask = WatchMask::CREATE
            | WatchMask::CLOSE_WRITE
            | WatchMask::MOVE
            | WatchMask::DELETE
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR;
        let manifests = self.importer.as_ref().map(|i| i.directories(&self.store)).unwrap_or_default();
        for path in self.store.disk().directories().into_iter().chain(manifests) {
            match self.events.watches().add(&path, mask) {
                // The same directory is the same watch; its newest name counts.
                Ok(watch) => drop(self.watched.insert(watch, path)),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Follows until the other end of `open` is dropped.
    pub async fn run(mut self, mut open: watch::Receiver<()>) {
        let mut looks = interval_at(Instant::now() + EVERY, EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut import_at: Option<Instant> = None;
        let store = self.store.clone();
        loop {
            let due = import_at.unwrap_or_else(Instant::now);
            tokio::select! {
                _ = open.changed() => return,
                told = self.told() => {
                    if told.manifests {
                        import_at.get_or_insert(Instant::now() + SETTLE);
                    }
                    let Some(this) = self.take_in(told).await else { return };
                    self = this;
                }
                () = store.nudge.notified(), if self.importer.is_some() => {
                    import_at.get_or_insert(Instant::now() + SETTLE);
                }
                () = sleep_until(due), if import_at.is_some() => {
                    let Some((this, again)) = self.look(false).await else { return };
                    self = this;
                    import_at = again.then(|| Instant::now() + SETTLED);
                }
                _ = looks.tick() => {
                    let Some((this, again)) = self.look(true).await else { return };
                    self = this;
                    import_at = again.then(|| Instant::now() + SETTLED);
                }
            }
        }
    }

    /// Waits for the kernel, and takes all that it has to tell at once. Loses nothing when it is given up.
    async fn told(&mut self) -> Told {
        let mut told = Told::default();
        let Some(first) = self.events.next().await else { return std::future::pending().await };
        let mut next = Some(first);
        while let Some(event) = next {
            match event {
                Ok(event) => {
                    let root = self.store.disk().root();
                    if event.mask.contains(EventMask::Q_OVERFLOW) {
                        (told.everything, told.manifests) = (true, true);
                    } else if event.mask.contains(EventMask::IGNORED) {
                        self.watched.remove(&event.wd);
                    } else if let Some(directory) = self.watched.get(&event.wd) {
                        let path = event.name.as_ref().map_or_else(|| directory.clone(), |name| directory.join(name));
                        let is_directory = event.mask.contains(EventMask::ISDIR);
                        match (path.starts_with(root), is_directory) {
                            (true, true) => told.everything = true,
                            (true, false) => drop(told.files.insert(path)),
                            (false, _) => told.manifests = true,
                        }
                    }
                }
                Err(error) => {
                    warn!(%error, "cannot be told of changed files; they are looked at every few seconds");
                    // An error that stays must not become a busy loop.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    told.everything = true;
                }
            }
            next = futures::FutureExt::now_or_never(self.events.next()).flatten();
        }
        told
    }

    /// Looks at what the kernel told of. None if the runtime ends.
    async fn take_in(mut self, told: Told) -> Option<Self> {
        tokio::task::spawn_blocking(move || {
            if told.everything {
                self.watch_again();
                self.store.rescan();
            }
            told.files.iter().for_each(|path: &PathBuf| self.store.look(Path::new(path)));
            self
        })
        .await
        .ok()
    }

    /// Looks at the manifests, and at the state as well if it is time. None if the runtime ends.
    async fn look(mut self, state: bool) -> Option<(Self, bool)> {
        tokio::task::spawn_blocking(move || {
            self.watch_again();
            if state {
                self.store.rescan();
            }
            let again = self.import(Unsettled::Wait);
            (self, again)
        })
        .await
        .ok()
    }

    fn watch_again(&mut self) {
        if let Err(error) = self.watch() {
            warn!(%error, "cannot be told of changed files; they are looked at every few seconds");
        }
    }
}
