//! What the process knows of the state directory, and who is told of changes.
//!
//! Three locks, always taken in this order: that of the directory, to write; `turn`, held while files are read or
//! written, so that an older reading never replaces a newer one; and `memory`, held for moments.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tokio::sync::{Notify, mpsc, watch};
use tracing::warn;

use crate::folder::{
    disk::{Disk, Lock, Stamp, Stored},
    kinds::{Key, Kind},
    problem::Problem,
    refusal::Refusal,
};

/// How many events are remembered for watches that begin in the past.
const HISTORY: usize = 4096;
/// How many events wait for a reader before its watch is ended.
const QUEUE: usize = 1024;

/// An object as it is known.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The object, and what belongs to it.
    pub stored: Stored,
    /// When it changed last, in the count of this process.
    pub version: u64,
    /// None until the file is surely told from another.
    stamp: Option<Stamp>,
}

/// One change.
#[derive(Clone, Debug)]
pub struct Event {
    /// What changed.
    pub key: Key,
    /// The object before.
    pub old: Option<Arc<Entry>>,
    /// The object after.
    pub new: Option<Arc<Entry>>,
    /// When, in the count of this process.
    pub version: u64,
}

/// The beginning of a watch: what is known, then what changes.
pub struct Subscription {
    /// What is there, if it was asked for.
    pub present: Vec<Arc<Entry>>,
    /// What changed since the version that was asked for.
    pub past: Vec<Arc<Event>>,
    /// The count of the process.
    pub version: u64,
    /// What changes from now on; ends when the reader is too slow.
    pub events: mpsc::Receiver<Arc<Event>>,
}

#[derive(Default)]
struct Memory {
    objects: BTreeMap<Key, Arc<Entry>>,
    version: u64,
    /// The version before the first event of the history.
    floor: u64,
    history: VecDeque<Arc<Event>>,
    readers: Vec<(&'static str, &'static str, mpsc::Sender<Arc<Event>>)>,
}

/// The objects.
pub struct Store {
    disk: Disk,
    /// Whether somebody runs pods, and removes them when their programs have ended.
    pub kubelet: bool,
    turn: Mutex<()>,
    memory: Mutex<Memory>,
    /// What is wrong with files of the state, by path.
    broken: Mutex<BTreeMap<String, Problem>>,
    /// What is wrong with manifests.
    refused: Mutex<Vec<Problem>>,
    told: watch::Sender<Vec<Problem>>,
    /// Wakes who imports manifests: something changed that may let in what was refused.
    pub nudge: Notify,
}

fn take<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns an object with its version, in one of the versions of its kind.
#[must_use]
pub fn render(object: &Value, count: u64, kind: &Kind, version: &str) -> Value {
    let mut object = object.clone();
    if version != kind.versions[0] {
        object["apiVersion"] = kind.api_version(version).into();
    }
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.insert("resourceVersion".to_owned(), count.to_string().into());
    }
    object
}

impl Store {
    /// Reads the whole directory.
    #[must_use]
    pub fn open(disk: Disk, kubelet: bool) -> Self {
        // A count that begins with the clock is above all of a process before, so a watch from its time is told that it
        // is too old, and lists again.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let version = u64::try_from(now.as_millis()).unwrap_or(u64::MAX / 2) * 1000;
        let memory = Memory { version, floor: version, ..Memory::default() };
        let store = Self {
            disk,
            kubelet,
            turn: Mutex::default(),
            memory: Mutex::new(memory),
            broken: Mutex::default(),
            refused: Mutex::default(),
            told: watch::Sender::default(),
            nudge: Notify::new(),
        };
        store.rescan();
        store
    }

    /// Returns the directory.
    #[must_use]
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Returns the objects of a kind, of one namespace or of all, and the count of the process.
    #[must_use]
    pub fn list(&self, kind: &'static Kind, namespace: Option<&str>) -> (Vec<Arc<Entry>>, u64) {
        let memory = take(&self.memory);
        (memory.list(kind, namespace), memory.version)
    }

    /// Returns all objects.
    #[must_use]
    pub fn all(&self) -> Vec<(Key, Arc<Entry>)> {
        take(&self.memory).objects.iter().map(|(key, entry)| (key.clone(), entry.clone())).collect()
    }

    /// Returns an object as its file is now: others may have written it a moment ago.
    #[must_use]
    pub fn read(&self, key: &Key) -> Option<Arc<Entry>> {
        let _turn = take(&self.turn);
        self.refresh(key)
    }

    /// Compares all files with what is known.
    pub fn rescan(&self) {
        let _turn = take(&self.turn);
        let known: Vec<Key> = take(&self.memory).objects.keys().cloned().collect();
        let there = self.disk.keys(None);
        // Those that went, too.
        for key in known.iter().chain(&there) {
            self.refresh(key);
        }
        self.forget_mended();
    }

    /// Looks at one file, of which the kernel told.
    pub fn look(&self, path: &Path) {
        if let Some(key) = self.disk.key(path) {
            let _ = self.read(&key);
        }
    }

    /// Runs a piece of work that may write, alone among all processes.
    ///
    /// # Errors
    /// Those of the work, or the directory cannot be locked.
    pub fn transact<T>(
        &self,
        dry: bool,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        // First, so that readers never wait for another process.
        let lock = self.disk.lock()?;
        let _turn = take(&self.turn);
        work(&Transaction { store: self, lock, dry })
    }

    /// Begins a watch: after a version, or with all that is there.
    ///
    /// # Errors
    /// The version is too old, or of another process.
    pub fn subscribe(
        &self,
        kind: &'static Kind,
        namespace: Option<&str>,
        after: Option<u64>,
    ) -> Result<Subscription, Refusal> {
        let mut memory = take(&self.memory);
        let (version, floor) = (memory.version, memory.floor);
        let (mut present, mut past) = (Vec::new(), Vec::new());
        match after {
            Some(after) if after < floor || after > version => return Err(Refusal::gone(after, floor)),
            Some(after) => {
                past.extend(memory.history.iter().filter(|e| e.version > after && e.key.kind == kind).cloned())
            }
            None => present = memory.list(kind, namespace),
        }
        let (sender, events) = mpsc::channel(QUEUE);
        memory.readers.retain(|(_, _, reader)| !reader.is_closed());
        memory.readers.push((kind.group, kind.plural, sender));
        Ok(Subscription { present, past, version, events })
    }

    /// Returns what is wrong with files.
    #[must_use]
    pub fn problems(&self) -> watch::Receiver<Vec<Problem>> {
        self.told.subscribe()
    }

    /// Takes what is wrong with the manifests.
    pub fn refuse(&self, problems: Vec<Problem>) {
        {
            let mut refused = take(&self.refused);
            problems
                .iter()
                .filter(|p| !refused.contains(p))
                .for_each(|problem| warn!(%problem, "a manifest is not in force"));
            *refused = problems;
        }
        self.tell_problems();
    }

    fn tell_problems(&self) {
        let all: Vec<Problem> = take(&self.broken).values().chain(take(&self.refused).iter()).cloned().collect();
        self.told.send_if_modified(|told| {
            let other = *told != all;
            *told = all;
            other
        });
    }

    /// Reads a file if it is another than the known one. Only in turn.
    fn refresh(&self, key: &Key) -> Option<Arc<Entry>> {
        let known = take(&self.memory).objects.get(key).cloned();
        let stamp = self.disk.stamp(key);
        if stamp.is_some() && known.as_ref().and_then(|k| k.stamp) == stamp {
            self.mended(key);
            return known;
        }
        match self.disk.read(key) {
            Ok(new) => {
                self.mended(key);
                if known.is_none() && new.is_none() {
                    return None;
                }
                take(&self.memory).learn(key, new, &self.nudge)
            }
            Err(message) => {
                let path = self.disk.path(key).display().to_string();
                let problem = Problem { object: Some(key.to_string()), ..Problem::of_file(&path, message) };
                if take(&self.broken).insert(path, problem.clone()).as_ref() != Some(&problem) {
                    warn!(%problem, "a file of the state is of no use: what was known before stays");
                    self.tell_problems();
                }
                known
            }
        }
    }

    fn mended(&self, key: &Key) {
        let gone = {
            let mut broken = take(&self.broken);
            !broken.is_empty() && broken.remove(&self.disk.path(key).display().to_string()).is_some()
        };
        if gone {
            self.tell_problems();
        }
    }

    /// Files that were broken, never known, and are gone have no object that would be looked at.
    fn forget_mended(&self) {
        take(&self.broken).retain(|path, _| Path::new(path).exists());
        self.tell_problems();
    }
}

impl Memory {
    fn list(&self, kind: &'static Kind, namespace: Option<&str>) -> Vec<Arc<Entry>> {
        let from = Key::new(kind, namespace.unwrap_or_default(), "");
        let range = self.objects.range((Bound::Included(from), Bound::Unbounded));
        let ours = range.take_while(|(key, _)| key.kind == kind && namespace.is_none_or(|n| key.namespace == n));
        ours.map(|(_, entry)| entry.clone()).collect()
    }

    /// Takes in what an object is now, and tells it if it is another than before.
    fn learn(&mut self, key: &Key, new: Option<(Stored, Option<Stamp>)>, nudge: &Notify) -> Option<Arc<Entry>> {
        let old = self.objects.get(key).cloned();
        let Some((stored, stamp)) = new else {
            if let Some(old) = old {
                // A manifest may want it back, or have waited for it to go.
                if old.stored.manifest.is_some() || key.kind.name == "Namespace" {
                    nudge.notify_one();
                }
                self.objects.remove(key);
                self.tell(key, Some(old), None);
            }
            return None;
        };
        let same = old.as_ref().filter(|old| old.stored.object == stored.object).map(|old| old.version);
        if let Some(version) = same {
            let entry = Arc::new(Entry { stored, version, stamp });
            self.objects.insert(key.clone(), entry.clone());
            return Some(entry);
        }
        if key.kind.name == "Namespace" {
            nudge.notify_one();
        }
        let uid = |stored: &Stored| stored.object["metadata"]["uid"].clone();
        let other = old.as_ref().is_some_and(|old| uid(&old.stored) != uid(&stored));
        let old = if other {
            // Deleted and made again while nobody looked.
            self.tell(key, old, None);
            None
        } else {
            old
        };
        let entry = Arc::new(Entry { stored, version: self.version + 1, stamp });
        self.objects.insert(key.clone(), entry.clone());
        self.tell(key, old, Some(entry.clone()));
        Some(entry)
    }

    fn tell(&mut self, key: &Key, old: Option<Arc<Entry>>, new: Option<Arc<Entry>>) {
        self.version += 1;
        let event = Arc::new(Event { key: key.clone(), old, new, version: self.version });
        if self.history.len() == HISTORY
            && let Some(first) = self.history.pop_front()
        {
            self.floor = first.version;
        }
        self.history.push_back(event.clone());
        self.readers.retain(|(group, plural, reader)| {
            // A reader with a full queue is dropped: its stream ends, and it lists again.
            (*group, *plural) != (key.kind.group, key.kind.plural) || reader.try_send(event.clone()).is_ok()
        });
    }
}

/// A piece of work that may write. While it lasts no other process writes.
pub struct Transaction<'a> {
    store: &'a Store,
    lock: Lock,
    dry: bool,
}

impl Transaction<'_> {
    /// Returns an object as its file is now.
    #[must_use]
    pub fn read(&self, key: &Key) -> Option<Arc<Entry>> {
        self.store.refresh(key)
    }

    /// Writes an object; in a dry run it is only returned.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn put(&self, key: &Key, stored: Stored) -> Result<Arc<Entry>, Refusal> {
        let known = take(&self.store.memory).objects.get(key).cloned();
        if self.dry {
            let (version, stamp) = known.map_or_else(Default::default, |k| (k.version, k.stamp));
            return Ok(Arc::new(Entry { stored, version, stamp }));
        }
        if let Some(known) = known.filter(|k| k.stored == stored) {
            return Ok(known);
        }
        self.store.disk.write(&self.lock, key, &stored)?;
        self.store.mended(key);
        let learned = take(&self.store.memory).learn(key, Some((stored, None)), &self.store.nudge);
        learned.ok_or_else(|| Refusal::internal(format!("{key} is gone at once")))
    }

    /// Removes an object.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove(&self, key: &Key) -> Result<(), Refusal> {
        if !self.dry {
            self.store.disk.remove(&self.lock, key)?;
            take(&self.store.memory).learn(key, None, &self.store.nudge);
        }
        Ok(())
    }

    /// Returns all objects in a namespace.
    #[must_use]
    pub fn contents(&self, namespace: &str) -> Vec<(Key, Arc<Entry>)> {
        let keys = self.store.disk.keys(Some(namespace));
        keys.into_iter().filter_map(|key| self.read(&key).map(|entry| (key, entry))).collect()
    }

    /// Whether an object's file is there and cannot be read: then it is not to be made anew over it.
    #[must_use]
    pub fn is_unreadable(&self, key: &Key) -> bool {
        self.read(key).is_none() && self.store.disk.stamp(key).is_some()
    }

    /// Whether somebody runs pods.
    #[must_use]
    pub fn has_kubelet(&self) -> bool {
        self.store.kubelet
    }

    /// Whether nothing is to be written.
    #[must_use]
    pub fn is_dry(&self) -> bool {
        self.dry
    }
}
