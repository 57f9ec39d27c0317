//! Names of hosts and their addresses, as DNS tells them: kept for as long as DNS says and somebody asks, renewed before anybody
//! has to wait. While DNS does not answer, the last addresses that it told stay.

use std::{
    collections::HashMap,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use hickory_resolver::TokioResolver;
use model::workload::Name;
use tokio::{
    sync::watch,
    time::{sleep, timeout, timeout_at},
};
use tracing::{debug, warn};

/// How many names are known at once.
const MOST: usize = 4096;
/// How long DNS may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// For how long an answer counts, whatever it says itself.
const LIFE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// The first and the longest pause after a failure.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long a name is kept that nobody asks for.
const KEPT: Duration = Duration::from_secs(60);

/// What DNS says of a name: addresses and for how long they count, or why there are none.
pub type Answer = Result<(Vec<IpAddr>, Duration), String>;
/// Asks DNS.
pub type Look = Arc<dyn Fn(Name) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;
/// The addresses of a name, in the order of their numbers, or why there are none.
pub type Found = Result<Vec<IpAddr>, Name>;

/// What is known once: the same for as long as nothing changes.
#[derive(Clone, Debug, Default)]
pub struct Names(HashMap<Name, Arc<Found>>);

impl Names {
    /// Returns what is known of a name; none if nobody asked for it before.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Found>> {
        self.0.get(name)
    }
}

/// Knows the addresses of names. Copies share it.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    look: Look,
    names: ArcSwap<Names>,
    kept: Mutex<HashMap<Name, Arc<AtomicBool>>>,
    changed: watch::Sender<()>,
}

impl Default for Resolver {
    /// Asks as `/etc/resolv.conf` says.
    fn default() -> Self {
        Self::new(Arc::new(|name| Box::pin(ask(name))))
    }
}

impl Resolver {
    /// Makes one that knows nothing yet.
    #[must_use]
    pub fn new(look: Look) -> Self {
        let (names, kept) = (ArcSwap::default(), Mutex::default());
        Self(Arc::new(Inner { look, names, kept, changed: watch::Sender::new(()) }))
    }

    /// Returns what is known now.
    #[must_use]
    pub fn names(&self) -> Arc<Names> {
        self.0.names.load_full()
    }

    /// Keeps names that are known for longer.
    pub fn keep(&self, names: &[Name]) {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().filter_map(|name| kept.get(name)).for_each(|used| used.store(true, Ordering::Relaxed));
    }

    /// Waits until something is known of all of these names, but not for ever. Only within a runtime.
    pub async fn resolve(&self, names: &[Name]) {
        let mut changed = self.0.changed.subscribe();
        names.iter().for_each(|name| self.start(name));
        let end = tokio::time::Instant::now() + PATIENCE + LIFE.0;
        loop {
            let known = self.names();
            if names.iter().all(|name| known.get(name).is_some()) {
                return;
            }
            if !matches!(timeout_at(end, changed.changed()).await, Ok(Ok(()))) {
                return;
            }
        }
    }

    fn start(&self, name: &Name) {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.contains_key(name) {
            return;
        }
        if kept.len() >= MOST {
            return debug!(%name, "no more names can be known");
        }
        let used = Arc::new(AtomicBool::new(true));
        kept.insert(name.clone(), used.clone());
        tokio::spawn(self.clone().follow(name.clone(), used));
    }

    /// Asks for a name again and again, until nobody needs it.
    async fn follow(self, name: Name, used: Arc<AtomicBool>) {
        let mut again = AGAIN.0;
        let mut last_used = tokio::time::Instant::now();
        let mut good = false;
        loop {
            let answer = timeout(PATIENCE, (self.0.look)(name.clone())).await;
            let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")));
            let pause = match answer {
                Ok((mut addresses, life)) if !addresses.is_empty() => {
                    addresses.sort_unstable();
                    addresses.dedup();
                    self.put(&name, Some(Ok(addresses)));
                    (good, again) = (true, AGAIN.0);
                    life.clamp(LIFE.0, LIFE.1)
                }
                failed => {
                    let reason = failed.err().unwrap_or_else(|| "it has no address".to_owned());
                    if good {
                        warn!(%name, reason, "a name cannot be resolved, its last addresses stay");
                    } else {
                        self.put(&name, Some(Err(reason.into())));
                    }
                    let pause = again;
                    again = (again * 2).min(AGAIN.1);
                    pause
                }
            };
            sleep(pause).await;
            if used.swap(false, Ordering::Relaxed) {
                last_used = tokio::time::Instant::now();
            } else if last_used.elapsed() >= KEPT {
                break;
            }
        }
        self.put(&name, None);
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
    }

    fn put(&self, name: &Name, found: Option<Found>) {
        // One after the other, or one would undo the other's.
        let _writing = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.0.names.load();
        if old.get(name).map(|found| &**found) == found.as_ref() {
            return;
        }
        let mut names = Names::clone(&old);
        match found {
            Some(found) => drop(names.0.insert(name.clone(), Arc::new(found))),
            None => drop(names.0.remove(name)),
        }
        self.0.names.store(Arc::new(names));
        self.0.changed.send_replace(());
    }
}

async fn ask(name: Name) -> Answer {
    // Not the C library's resolver: in a static binary it would need files that the image does not have.
    let resolver = TokioResolver::builder_tokio().and_then(|builder| builder.build());
    let resolver = resolver.map_err(|error| format!("no name server: {error}"))?;
    // A whole name is not looked for in domains of this pod.
    let whole = if name.contains('.') && !name.ends_with('.') { format!("{name}.") } else { name.to_string() };
    let found = resolver.lookup_ip(whole).await.map_err(|error| error.to_string())?;
    Ok((found.iter().collect(), found.valid_until().saturating_duration_since(Instant::now())))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// A name server whose answers are set, and which counts questions.
    #[derive(Clone, Default)]
    struct Scripted(Arc<Mutex<Option<Answer>>>, Arc<AtomicUsize>);

    impl Scripted {
        fn says(&self, answer: Option<Answer>) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = answer;
        }

        fn resolver(&self) -> Resolver {
            let this = self.clone();
            Resolver::new(Arc::new(move |_| {
                this.1.fetch_add(1, Ordering::Relaxed);
                let answer = this.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Box::pin(async move {
                    match answer {
                        Some(answer) => answer,
                        None => std::future::pending().await,
                    }
                })
            }))
        }
    }

    fn addresses(last: &[u8], life: u64) -> Option<Answer> {
        Some(Ok((last.iter().map(|n| [192, 0, 2, *n].into()).collect(), Duration::from_secs(life))))
    }

    fn told(resolver: &Resolver) -> Option<String> {
        let names = resolver.names();
        Some(match &**names.get("a.test")? {
            Ok(addresses) => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Err(reason) => format!("error: {reason}"),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_renewed_when_its_answer_ends_and_the_last_good_one_stays() {
        let server = Scripted::default();
        let resolver = server.resolver();
        let names: [Name; 1] = ["a.test".into()];
        server.says(addresses(&[2, 1, 2], 20));
        resolver.resolve(&names).await;
        assert_eq!(told(&resolver).as_deref(), Some("192.0.2.1 192.0.2.2"));
        let first = resolver.names();
        resolver.resolve(&names).await;
        assert_eq!(server.1.load(Ordering::Relaxed), 1, "it is known");
        sleep(Duration::from_secs(21)).await;
        assert!(Arc::ptr_eq(&first, &resolver.names()), "the same answer changes nothing");
        assert_eq!(server.1.load(Ordering::Relaxed), 2);
        resolver.keep(&names);
        server.says(addresses(&[3], 20));
        sleep(Duration::from_secs(20)).await;
        assert_eq!(told(&resolver).as_deref(), Some("192.0.2.3"));
        for bad in [None, Some(Err("NXDOMAIN".to_owned())), addresses(&[], 20)] {
            server.says(bad);
            resolver.keep(&names);
            sleep(Duration::from_secs(26)).await;
            assert_eq!(told(&resolver).as_deref(), Some("192.0.2.3"));
        }
        server.says(addresses(&[4], 20));
        resolver.keep(&names);
        sleep(Duration::from_secs(36)).await;
        assert_eq!(told(&resolver).as_deref(), Some("192.0.2.4"));
        sleep(KEPT + Duration::from_secs(41)).await;
        assert_eq!(told(&resolver), None, "nobody asks for it any more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_without_addresses_says_why_and_is_asked_for_again() {
        let server = Scripted::default();
        let resolver = server.resolver();
        let names: [Name; 1] = ["a.test".into()];
        let begun = tokio::time::Instant::now();
        resolver.resolve(&names).await;
        assert_eq!(told(&resolver).as_deref(), Some("error: no answer within 5s"));
        assert!(begun.elapsed() <= PATIENCE + LIFE.0);
        server.says(addresses(&[1], 3600));
        sleep(Duration::from_secs(2)).await;
        assert_eq!(told(&resolver).as_deref(), Some("192.0.2.1"));
        resolver.keep(&names);
        server.says(addresses(&[2], 3600));
        sleep(LIFE.1 + Duration::from_secs(1)).await;
        assert_eq!(told(&resolver).as_deref(), Some("192.0.2.2"), "an hour is too long");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_names_are_known_than_may_be() {
        let server = Scripted::default();
        server.says(addresses(&[1], 300));
        let resolver = server.resolver();
        let names: Vec<Name> = (0..=MOST).map(|n| format!("{n}.test").into()).collect();
        resolver.resolve(&names[..MOST]).await;
        resolver.resolve(&names[MOST..]).await;
        assert_eq!(resolver.names().0.len(), MOST);
    }
}
