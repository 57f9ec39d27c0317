//! Names of hosts and their addresses, as DNS tells them: kept for as long as DNS says and somebody asks, renewed before anybody
//! has to wait. While DNS does not answer, the last addresses that it told stay.
//!
//! Names that configuration writes and names that clients choose have places of their own: however many names clients think of,
//! they take no place from the others. Among clients none keeps another one's new name waiting: see [`turns`].

mod system;
mod turns;

use std::{
    collections::HashMap,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use model::{Identity, workload::Name};
use tokio::{
    sync::Semaphore,
    task::AbortHandle,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::{
    system::System,
    turns::{Turn, Turns},
};

/// How long DNS may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// For how long an answer counts, whatever it says itself.
const LIFE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// The shortest and the longest pause after a failure, and for how long it counts that a name has no address (RFC 2308 5, 7).
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How many questions a resolver asks at once, and again as many for new names of clients: each takes sockets.
const AT_ONCE: usize = 256;
/// How many addresses of a name count.
const MOST_ADDRESSES: usize = 256;
/// Which part of the names goes when there is no place left: those that were not used for longest.
const EVICTED: usize = 8;

/// Addresses that DNS tells, and for how long they count; or why there are none.
pub type Answer = Result<(Vec<IpAddr>, Duration), Nothing>;
/// Asks DNS.
pub type Look = Arc<dyn Fn(Name) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;
/// The addresses of a name, in the order of their numbers, or why there are none.
pub type Found = Result<Vec<IpAddr>, Name>;

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nothing {
    /// The reason.
    pub reason: String,
    /// For how long DNS says that there are none; nothing where it did not answer.
    pub life: Option<Duration>,
}

impl<S: Into<String>> From<S> for Nothing {
    fn from(reason: S) -> Self {
        Self { reason: reason.into(), life: None }
    }
}

/// A client has as many new names asked for at once as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many new names are asked for at once")]
pub struct TooMany;

/// How much a resolver remembers.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// How many names.
    most: usize,
    /// How long a name is renewed that nobody uses.
    idle: Duration,
}

/// Of names that configuration writes.
const CONFIGURED: Bounds = Bounds { most: 4096, idle: Duration::from_secs(60) };
/// Of names that clients choose: each is renewed for its use alone, or clients could have DNS asked without end.
const REQUESTED: Bounds = Bounds { most: 4096, idle: Duration::ZERO };

/// All names of a process.
#[derive(Clone)]
pub struct Names {
    /// Those that configuration writes.
    pub configured: Resolver,
    /// Those that clients choose.
    pub requested: Resolver,
}

impl Names {
    /// Makes one that knows nothing yet.
    #[must_use]
    pub fn new(look: &Look) -> Self {
        let of = |bounds| Resolver::new(look.clone(), bounds);
        Self { configured: of(CONFIGURED), requested: of(REQUESTED) }
    }
}

impl Default for Names {
    /// Asks as `/etc/resolv.conf` says.
    fn default() -> Self {
        let system = Arc::new(System::default());
        Self::new(&(Arc::new(move |name| system.clone().ask(name)) as Look))
    }
}

/// Knows the addresses of names. Copies share it.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    look: Look,
    bounds: Bounds,
    begun: Instant,
    places: RwLock<Places>,
    asking: Semaphore,
    turns: Arc<Turns>,
}

type Places = HashMap<Name, Arc<Place>>;

/// What is known of one name.
///
/// ```text
///  start ──► asked ──► known ──┬─► asked again, while it is used
///            (found: none)     └─► given up (found: none, in the map no more): unused, or others take its place
/// ```
#[derive(Debug)]
struct Place {
    /// Written only while it is in the map.
    found: ArcSwapOption<Found>,
    /// When it was used last, in milliseconds of the resolver.
    used: AtomicU64,
    /// It was answered once, or given up.
    told: CancellationToken,
    task: OnceLock<AbortHandle>,
}

impl Place {
    fn touch(&self, now: u64) {
        // Threads that use it at once need not write it in turns.
        if self.used.load(Ordering::Relaxed) != now {
            self.used.store(now, Ordering::Relaxed);
        }
    }

    fn give_up(&self) {
        // Who holds it sees that it is nothing any more.
        self.found.store(None);
        self.told.cancel();
    }
}

/// What is known of a name, as it was when somebody looked.
#[derive(Clone, Debug)]
pub struct Known {
    place: Arc<Place>,
    found: Arc<Found>,
}

impl Known {
    /// Returns what was found.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Tells whether nothing changed since.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.place.found.load().as_ref().is_some_and(|now| Arc::ptr_eq(now, &self.found))
    }
}

impl Resolver {
    fn new(look: Look, bounds: Bounds) -> Self {
        let (places, asking, turns) = (RwLock::default(), Semaphore::new(AT_ONCE), Turns::new(AT_ONCE));
        Self(Arc::new(Inner { look, bounds, begun: Instant::now(), places, asking, turns }))
    }

    /// Returns what is known of a name, and uses it; none if nobody asked for it before.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Known> {
        let place = self.read().get(name)?.clone();
        place.touch(self.now());
        let found = place.found.load_full()?;
        Some(Known { place, found })
    }

    /// Uses names, so that they stay known.
    pub fn keep<'k>(&self, names: impl IntoIterator<Item = &'k Known>) {
        let now = self.now();
        names.into_iter().for_each(|known| known.place.touch(now));
    }

    /// Waits until something is known of all of these names, but not for ever. Only within a runtime.
    pub async fn resolve(&self, names: &[Name]) {
        let end = Instant::now() + 2 * PATIENCE + LIFE.0;
        // Without a client there is nothing that it could have too many of.
        let places: Vec<Arc<Place>> = names.iter().filter_map(|name| self.start(name, None).ok()).collect();
        for place in places {
            if timeout_at(end, place.told.cancelled()).await.is_err() {
                return;
            }
        }
    }

    /// Waits until something is known of a name that a client chose, but not for ever. Only within a runtime.
    ///
    /// # Errors
    /// Nobody asks for it yet, and the client has as many names asked for as it may: see [`turns`].
    pub async fn resolve_for(&self, client: &Identity, name: &Name) -> Result<(), TooMany> {
        let place = self.start(name, Some(client))?;
        // It has its turn already.
        let _ = timeout(PATIENCE + LIFE.0, place.told.cancelled()).await;
        Ok(())
    }

    fn now(&self) -> u64 {
        Instant::now().saturating_duration_since(self.0.begun).as_millis() as u64
    }

    fn read(&self) -> RwLockReadGuard<'_, Places> {
        self.0.places.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Places> {
        self.0.places.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, name: &Name, client: Option<&Identity>) -> Result<Arc<Place>, TooMany> {
        let mut places = self.write();
        if let Some(place) = places.get(name) {
            place.touch(self.now());
            return Ok(place.clone());
        }
        let turn = client.map(|client| self.0.turns.take(client).ok_or(TooMany)).transpose()?;
        if places.len() >= self.0.bounds.most {
            evict(&mut places);
        }
        let place = Arc::new(Place {
            found: ArcSwapOption::empty(),
            used: AtomicU64::new(self.now()),
            told: CancellationToken::new(),
            task: OnceLock::new(),
        });
        places.insert(name.clone(), place.clone());
        let task = tokio::spawn(self.clone().follow(name.clone(), place.clone(), client.cloned().zip(turn)));
        place.task.get_or_init(|| task.abort_handle());
        Ok(place)
    }

    /// Asks for a name again and again, until nobody needs it.
    async fn follow(self, name: Name, place: Arc<Place>, first: Option<(Identity, Turn)>) {
        let mut again = AGAIN.0;
        let mut good = false;
        let (client, mut turn) = first.unzip();
        loop {
            let pause = match self.ask(&name, turn.take()).await {
                Ok((addresses, life)) if !addresses.is_empty() => {
                    self.put(&name, &place, Ok(tidy(addresses)));
                    (good, again) = (true, AGAIN.0);
                    life.clamp(LIFE.0, LIFE.1)
                }
                failed => {
                    let nothing = failed.err().unwrap_or_else(|| "it has no address".into());
                    if !good {
                        self.put(&name, &place, Err(nothing.reason.into()));
                    } else if again == AGAIN.0 {
                        warn!(%name, nothing.reason, "a name cannot be resolved, its last addresses stay");
                    }
                    let pause = nothing.life.unwrap_or(again).clamp(AGAIN.0, AGAIN.1);
                    again = (again * 2).min(AGAIN.1);
                    pause
                }
            };
            sleep(pause).await;
            if self.end(&name, &place, pause) {
                return;
            }
            // What was never found is asked for on the account of who began it, or bad names that are used would be without bound.
            if let Some(client) = client.as_ref().filter(|_| !good) {
                turn = self.0.turns.take(client);
                if turn.is_none() {
                    // Who uses it next begins anew.
                    return self.remove(&name, &place);
                }
            }
        }
    }

    /// Asks once; in its turn, or else when there is room.
    async fn ask(&self, name: &Name, turn: Option<Turn>) -> Answer {
        let _turn = match turn {
            Some(turn) => (Some(turn), None),
            None => match timeout(PATIENCE, self.0.asking.acquire()).await {
                Ok(room) => (None, Some(room)),
                Err(_) => return Err("too many other names are being asked for".into()),
            },
        };
        let answer = timeout(PATIENCE, (self.0.look)(name.clone())).await;
        answer.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}").into()))
    }

    /// Notes what was found, unless others have taken the place meanwhile.
    fn put(&self, name: &Name, place: &Arc<Place>, found: Found) {
        let places = self.read();
        if !is_in(&places, name, place) {
            return;
        }
        // The same answer is the same thing: what was made of it stays.
        if place.found.load().as_deref() != Some(&found) {
            place.found.store(Some(Arc::new(found)));
        }
        place.told.cancel();
    }

    /// Ends a place if it was not used in the later half of the pause. Looking at it and taking it away are one step: who comes
    /// before has used it, and who comes after begins anew.
    fn end(&self, name: &Name, place: &Arc<Place>, pause: Duration) -> bool {
        let most = self.0.bounds.idle.max(pause / 2).as_millis() as u64;
        let is_used = || self.now().saturating_sub(place.used.load(Ordering::Relaxed)) <= most;
        if is_used() {
            return false;
        }
        let mut places = self.write();
        if is_used() {
            return false;
        }
        take_away(&mut places, name, place);
        true
    }

    fn remove(&self, name: &Name, place: &Arc<Place>) {
        take_away(&mut self.write(), name, place);
    }
}

fn is_in(places: &Places, name: &Name, place: &Arc<Place>) -> bool {
    places.get(name).is_some_and(|other| Arc::ptr_eq(other, place))
}

fn take_away(places: &mut Places, name: &Name, place: &Arc<Place>) {
    if is_in(places, name, place) {
        places.remove(name);
    }
    place.give_up();
}

/// Makes places free: many at once, as all have to be looked at for it.
fn evict(places: &mut Places) {
    let mut ages: Vec<(u64, Name)> =
        places.iter().map(|(name, place)| (place.used.load(Ordering::Relaxed), name.clone())).collect();
    let count = (ages.len() / EVICTED).max(1);
    if count < ages.len() {
        ages.select_nth_unstable(count);
    }
    debug!(count, "too many names are known, the least recently used ones are forgotten");
    for (_, name) in ages.into_iter().take(count) {
        let Some(place) = places.remove(&name) else { continue };
        place.give_up();
        if let Some(task) = place.task.get() {
            task.abort();
        }
    }
}

/// Puts addresses in order, so that the same ones are equal, and the same ones remain of too many.
fn tidy(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(MOST_ADDRESSES);
    addresses
}

#[cfg(test)]
mod tests;
