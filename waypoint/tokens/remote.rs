//! Keys that are elsewhere: fetched in the background by one task for each place, for as long as a rule names it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use futures::FutureExt;
use model::{
    l7::authentication::{JwtRule, Keys},
    workload::Name,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, info, info_span, warn};

use super::{
    fetch::{Error, Fetcher},
    keys::KeySet,
};

/// How often keys are fetched anew.
const REFRESH: Duration = Duration::from_secs(20 * 60);
/// The first and the longest pause after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How long one fetch may take where its rules do not say.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How soon after a fetch a token with an unknown key may cause the next: anybody can make up such tokens.
const ASKED_EVERY: Duration = Duration::from_secs(10);
/// How long a request waits for keys at most.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a request waits for a rule that is so new that nobody fetches its keys yet.
const NEW_RULE: Duration = Duration::from_secs(1);

/// Where keys are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// At this address.
    Uri(Name),
    /// Where the configuration of this issuer says.
    Discovery(Name),
}

impl Place {
    /// Returns where the keys of a rule are; none if the rule has them.
    #[must_use]
    pub fn of(rule: &JwtRule) -> Option<Self> {
        match &rule.keys {
            Keys::Inline(_) => None,
            Keys::Uri(uri) => Some(Self::Uri(uri.clone())),
            Keys::Discovery => Some(Self::Discovery(rule.issuer.clone())),
        }
    }
}

/// Shown without a user, whose password may be written beside the name, and without a query.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Uri(text) | Self::Discovery(text)) = self;
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        write!(f, "{scheme}://{host}{}", path.split('?').next().unwrap_or_default())?;
        if matches!(self, Self::Discovery(_)) { f.write_str(" (OpenID configuration)") } else { Ok(()) }
    }
}

/// All keys that are elsewhere.
pub struct Remotes {
    fetcher: Arc<Fetcher>,
    kept: ArcSwap<HashMap<Place, Kept>>,
    synced: watch::Sender<()>,
}

/// A place whose keys are kept; its task ends with it.
#[derive(Clone)]
struct Kept {
    remote: Arc<Remote>,
    _task: Arc<AbortOnDropHandle<()>>,
}

/// The keys of one place.
struct Remote {
    place: Place,
    keys: ArcSwapOption<KeySet>,
    progress: Mutex<Progress>,
    asked: Notify,
    tried: watch::Sender<()>,
}

struct Progress {
    fetching: bool,
    last: Option<Instant>,
    timeout: Duration,
}

impl Remotes {
    /// Makes it, with no keys yet.
    #[must_use]
    pub fn new(fetcher: Fetcher) -> Self {
        Self { fetcher: Arc::new(fetcher), kept: ArcSwap::default(), synced: watch::Sender::new(()) }
    }

    /// Returns the keys of a place; none while there never were any.
    #[must_use]
    pub fn keys(&self, place: &Place) -> Option<Arc<KeySet>> {
        self.kept.load().get(place)?.remote.keys.load_full()
    }

    /// Begins to fetch what rules name and is not fetched yet, and ends what none names any more. Has one caller at a time,
    /// whose runtime fetches.
    pub fn sync<'r>(&self, rules: impl Iterator<Item = &'r JwtRule>) {
        let mut wanted: HashMap<Place, Duration> = HashMap::new();
        for rule in rules {
            let Some(place) = Place::of(rule) else { continue };
            let limit = rule.timeout.unwrap_or(TIMEOUT);
            wanted.entry(place).and_modify(|known| *known = limit.max(*known)).or_insert(limit);
        }
        let old = self.kept.load_full();
        let keep = |(place, limit): (Place, Duration)| {
            let kept = match old.get(&place) {
                Some(kept) => kept.clone(),
                None => self.start(&place, limit),
            };
            kept.remote.progress().timeout = limit;
            (place, kept)
        };
        self.kept.store(Arc::new(wanted.into_iter().map(keep).collect()));
        self.synced.send_replace(());
    }

    fn start(&self, place: &Place, timeout: Duration) -> Kept {
        let remote = Arc::new(Remote {
            place: place.clone(),
            keys: ArcSwapOption::empty(),
            progress: Mutex::new(Progress { fetching: true, last: None, timeout }),
            asked: Notify::new(),
            tried: watch::Sender::new(()),
        });
        let span = info_span!("keys", %place);
        let task = tokio::spawn(keep(remote.clone(), self.fetcher.clone()).instrument(span));
        Kept { remote, _task: Arc::new(AbortOnDropHandle::new(task)) }
    }

    /// Has the keys of a place fetched now, or joins a fetch under way, and waits for it; tells whether there may be other keys
    /// than before.
    pub async fn refresh(&self, place: &Place) -> bool {
        let mut synced = self.synced.subscribe();
        let find = || self.kept.load().get(place).map(|kept| kept.remote.clone());
        let remote = match find() {
            Some(remote) => Some(remote),
            None => timeout(NEW_RULE, synced.changed()).await.ok().and_then(|_| find()),
        };
        match remote {
            Some(remote) => remote.refresh().await,
            None => false,
        }
    }
}

impl Remote {
    async fn refresh(&self) -> bool {
        let mut tried = self.tried.subscribe();
        let limit = {
            let mut progress = self.progress();
            if !progress.fetching {
                if progress.last.is_some_and(|last| last.elapsed() < ASKED_EVERY) {
                    return false;
                }
                progress.fetching = true;
                self.asked.notify_one();
            }
            progress.timeout.min(PATIENCE)
        };
        timeout(limit, tried.changed()).await.is_ok()
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes new keys in; those that are known already stay, and what they proved with them.
    fn learn(&self, text: Bytes, known: &mut Option<Bytes>) -> Result<(), Error> {
        if known.as_ref() == Some(&text) {
            return Ok(());
        }
        let keys = KeySet::parse(&text)?;
        // Not a reason to forget those that there are.
        if keys.is_empty() {
            return Err(Error::NoKey);
        }
        self.keys.store(Some(Arc::new(keys)));
        *known = Some(text);
        info!("the issuer's keys are new");
        Ok(())
    }
}

/// Fetches the keys of a place again and again.
async fn keep(remote: Arc<Remote>, fetcher: Arc<Fetcher>) {
    let (mut known, mut backoff) = (None, BACKOFF.0);
    loop {
        let limit = {
            let mut progress = remote.progress();
            progress.fetching = true;
            progress.timeout
        };
        // Whoever asked until now is answered by this fetch.
        remote.asked.notified().now_or_never();
        let fetched = timeout(limit, fetcher.keys(&remote.place)).await.unwrap_or(Err(Error::Slow(limit)));
        let pause = match fetched.and_then(|text| remote.learn(text, &mut known)) {
            Ok(()) => {
                backoff = BACKOFF.0;
                REFRESH
            }
            Err(error) => {
                let error = runtime::error::chain(&error);
                warn!(error, again_in = ?backoff, has_keys = known.is_some(), "the keys of an issuer cannot be fetched");
                let pause = backoff;
                backoff = (backoff * 2).min(BACKOFF.1);
                pause
            }
        };
        {
            let mut progress = remote.progress();
            progress.fetching = false;
            progress.last = Some(Instant::now());
        }
        remote.tried.send_replace(());
        tokio::select! { () = sleep(pause) => {}, () = remote.asked.notified() => {} }
    }
}
