//! What is served: encoded once, shared by all clients, with a log of what changed.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use model::l7::GatewayKey;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::{ADDRESS_TYPE, AUTHORIZATION_TYPE, Any, L7_TYPE};

/// The types that are served, in the order in which changes go out: policies before the workloads and services that they guard.
pub const TYPES: [&str; 3] = [AUTHORIZATION_TYPE, L7_TYPE, ADDRESS_TYPE];
/// How many changes are remembered; a client that lags behind further is compared with the whole store.
const LOG: usize = 1 << 16;

/// Who a client is, as it was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A proxy that is no waypoint.
    Proxy,
    /// The waypoint of this gateway.
    Waypoint(GatewayKey),
}

/// Who is told of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Every client.
    #[default]
    Everybody,
    /// Every waypoint.
    Waypoints,
    /// These waypoints.
    These(BTreeSet<GatewayKey>),
}

impl Audience {
    /// Tells whether a client is told.
    #[must_use]
    pub fn has(&self, reader: &Reader) -> bool {
        match (self, reader) {
            (Self::Everybody, _) | (Self::Waypoints, Reader::Waypoint(_)) => true,
            (Self::These(waypoints), Reader::Waypoint(waypoint)) => waypoints.contains(waypoint),
            (Self::Waypoints | Self::These(_), Reader::Proxy) => false,
        }
    }
}

/// One resource: encoded once, shared by all clients.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// A digest of what it says.
    pub version: String,
    /// What it says.
    pub any: Any,
    /// Other names that clients may ask for.
    pub aliases: Vec<String>,
    /// Who is told.
    pub audience: Audience,
}

/// One change of the store.
#[derive(Clone, Debug)]
pub struct Change {
    /// The type of the resource.
    pub type_url: &'static str,
    /// Its name.
    pub name: Arc<str>,
    /// The encoded resource; none when it is gone.
    pub value: Option<Bytes>,
    /// Other names that clients may ask for.
    pub aliases: Vec<String>,
    /// Who is told.
    pub audience: Audience,
}

#[derive(Default)]
struct OfType {
    entries: imbl::HashMap<Arc<str>, Arc<Entry>>,
    // Changed names with the sequence number of the change; older ones than `since` are forgotten.
    log: VecDeque<(u64, Arc<str>)>,
    forgotten: u64,
}

struct Shared {
    types: Mutex<HashMap<&'static str, OfType>>,
    sequence: watch::Sender<u64>,
    synced: AtomicBool,
}

/// All resources that are served. Copies share them.
#[derive(Clone)]
pub struct Resources(Arc<Shared>);

impl Default for Resources {
    fn default() -> Self {
        Self::new()
    }
}

impl Resources {
    /// Makes a store without resources, which is not served yet.
    #[must_use]
    pub fn new() -> Self {
        let types = TYPES.iter().map(|t| (*t, OfType::default())).collect();
        Self(Arc::new(Shared {
            types: Mutex::new(types),
            // Changes have the numbers after it: who was told of the empty store was told of something, and of none of them.
            sequence: watch::Sender::new(1),
            synced: AtomicBool::new(false),
        }))
    }

    /// Takes changes in and tells all clients of what is really new.
    pub fn publish(&self, changes: Vec<Change>) {
        let mut types = self.0.types.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sequence = *self.0.sequence.borrow();
        for change in changes {
            let Some(of) = types.get_mut(change.type_url) else { continue };
            let new = change.value.map(|value| {
                let digest = Sha256::digest(&value);
                let version = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
                let any = Any { type_url: change.type_url.to_owned(), value };
                Entry { version, any, aliases: change.aliases, audience: change.audience }
            });
            let same = match (&new, of.entries.get(&change.name)) {
                (Some(new), Some(old)) => *new == **old,
                (None, None) => true,
                _ => false,
            };
            if same {
                continue;
            }
            sequence += 1;
            match new {
                Some(new) => drop(of.entries.insert(change.name.clone(), Arc::new(new))),
                None => drop(of.entries.remove(&change.name)),
            }
            of.log.push_back((sequence, change.name));
            if of.log.len() > LOG
                && let Some((gone, _)) = of.log.pop_front()
            {
                of.forgotten = gone;
            }
        }
        drop(types);
        // Only readers of a later number have something to do.
        self.0.sequence.send_if_modified(|current| std::mem::replace(current, sequence) != sequence);
    }

    /// Looks at all types at one moment, for a client that was told of each up to a change; none for what it did not ask for.
    pub(super) fn look(&self, told: impl Fn(&'static str) -> Option<u64>) -> Vec<View> {
        let types = self.0.types.lock().unwrap_or_else(PoisonError::into_inner);
        let sequence = *self.0.sequence.borrow();
        let view = |type_url| {
            let (told, of) = (told(type_url)?, types.get(type_url)?);
            let known = told > 0 && told >= of.forgotten;
            let news = of.log.iter().rev().take_while(|(s, _)| *s > told).map(|(_, name)| name.clone());
            let changed = known.then(|| news.collect());
            // A copy of the persistent map: the lock is not held while an answer is made.
            Some(View { type_url, entries: of.entries.clone(), changed, sequence })
        };
        TYPES.into_iter().filter_map(view).collect()
    }

    /// Returns a receiver of the number of the last change.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.0.sequence.subscribe()
    }

    /// Begins to serve.
    pub fn synced(&self) {
        self.0.synced.store(true, Ordering::Release);
    }

    /// Tells whether clients are served.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.0.synced.load(Ordering::Acquire)
    }
}

/// The resources of a type at one moment.
pub struct View {
    /// The type.
    pub type_url: &'static str,
    /// All of them.
    pub entries: imbl::HashMap<Arc<str>, Arc<Entry>>,
    /// The names that changed since the client was told; none if everything is to be compared.
    pub changed: Option<HashSet<Arc<str>>>,
    /// The number of the last change.
    pub sequence: u64,
}
