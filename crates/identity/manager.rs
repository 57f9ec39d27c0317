//! The certificates of a node's workloads: asked for once per identity, renewed at half of their lifetime, kept while valid.
//!
//! ```text
//! Waiting ──signed──▶ Valid ──half of the lifetime──▶ (asks again, stays Valid)
//!    │                  └──expired──▶ Failed
//!    └──refused──▶ Failed ──back-off, or somebody waits──▶ (asks again)
//! ```

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use model::Identity;
use rand::Rng;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, SanType};
use time::OffsetDateTime;
use tokio::sync::{Notify, Semaphore, watch};
use tracing::{debug, warn};

use crate::{
    certificate::{self, Certified},
    client::{self, Authority},
};

/// How many requests to the authority run at once.
const PARALLEL: usize = 16;
/// How long a connection waits for a certificate that is being asked for.
const WAIT: Duration = Duration::from_secs(10);
/// The first and the longest pause after a refusal.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// Tells why there is no certificate.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The authority gave none.
    #[error("no certificate for {identity}: {reason}")]
    Unavailable {
        /// Whose.
        identity: Identity,
        /// Why, with all causes.
        reason: Arc<str>,
    },
    /// No workload of this node has the identity.
    #[error("{0} is no identity of this node")]
    Unknown(Identity),
    /// The authority has not answered yet.
    #[error("no certificate for {0} yet: the authority has not answered")]
    Timeout(Identity),
}

/// How a certificate stands.
#[derive(Clone, Debug)]
pub enum State {
    /// Asked for.
    Waiting,
    /// There.
    Valid(Arc<Certified>),
    /// Refused; tried again.
    Failed(Arc<str>),
}

struct Entry {
    holders: usize,
    state: watch::Receiver<State>,
    // Somebody waits for this certificate: asks again without the rest of the back-off.
    wanted: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    authority: Arc<dyn Authority>,
    lifetime: Duration,
    slots: Semaphore,
    entries: Mutex<HashMap<Identity, Entry>>,
}

/// The certificates of a node. Copies share them.
#[derive(Clone)]
pub struct Manager(Arc<Shared>);

/// Keeps an identity's certificate alive; dropped, it is forgotten with its last holder.
pub struct Hold {
    manager: Manager,
    identity: Identity,
}

impl Manager {
    /// Makes a manager that asks `authority` for certificates of `lifetime`.
    #[must_use]
    pub fn new(authority: Arc<dyn Authority>, lifetime: Duration) -> Self {
        Self(Arc::new(Shared { authority, lifetime, slots: Semaphore::new(PARALLEL), entries: Mutex::default() }))
    }

    /// Asks for an identity's certificate and keeps it until the hold is dropped.
    #[must_use]
    pub fn hold(&self, identity: Identity) -> Hold {
        let mut entries = self.0.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry(identity.clone()).or_insert_with(|| {
            let (sender, state) = watch::channel(State::Waiting);
            let wanted = Arc::new(Notify::new());
            let task = tokio::spawn(keep(Arc::clone(&self.0), identity.clone(), sender, wanted.clone()));
            Entry { holders: 0, state, wanted, task }
        });
        entry.holders += 1;
        Hold { manager: self.clone(), identity }
    }

    /// Returns the certificate of an identity, waiting a bounded time for one that is being asked for.
    ///
    /// # Errors
    /// The authority's refusal, its silence, or an identity that nobody holds.
    pub async fn certificate(&self, identity: &Identity) -> Result<Arc<Certified>, Error> {
        let (mut state, wanted) = {
            let entries = self.0.entries.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = entries.get(identity).ok_or_else(|| Error::Unknown(identity.clone()))?;
            (entry.state.clone(), entry.wanted.clone())
        };
        if let State::Valid(certified) = &*state.borrow_and_update()
            && !certified.left(OffsetDateTime::now_utc()).is_zero()
        {
            return Ok(certified.clone());
        }
        wanted.notify_one();
        let failed = |reason: &Arc<str>| Error::Unavailable { identity: identity.clone(), reason: reason.clone() };
        let answer = async {
            // A refusal from before is not the answer to this call: the next one is.
            loop {
                if state.changed().await.is_err() {
                    return Err(Error::Unknown(identity.clone()));
                }
                match &*state.borrow_and_update() {
                    State::Valid(certified) => return Ok(certified.clone()),
                    State::Failed(reason) => return Err(failed(reason)),
                    State::Waiting => {}
                }
            }
        };
        tokio::time::timeout(WAIT, answer).await.unwrap_or_else(|_| Err(Error::Timeout(identity.clone())))
    }

    /// Returns how all certificates stand, for operators.
    #[must_use]
    pub fn states(&self) -> Vec<(Identity, State)> {
        let entries = self.0.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut states: Vec<_> = entries.iter().map(|(id, e)| (id.clone(), e.state.borrow().clone())).collect();
        states.sort_by(|a, b| a.0.cmp(&b.0));
        states
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut entries = self.manager.0.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let last = entries.get_mut(&self.identity).is_some_and(|entry| {
            entry.holders -= 1;
            entry.holders == 0
        });
        if last && let Some(entry) = entries.remove(&self.identity) {
            entry.task.abort();
        }
    }
}

/// Asks for a certificate, and again before it ends, until its last holder is gone.
async fn keep(shared: Arc<Shared>, identity: Identity, state: watch::Sender<State>, wanted: Arc<Notify>) {
    let mut pause = BACKOFF.0;
    loop {
        let outcome = {
            let _slot = shared.slots.acquire().await;
            ask(&*shared.authority, &identity, shared.lifetime).await
        };
        let now = OffsetDateTime::now_utc();
        match outcome {
            Ok(certified) => {
                debug!(%identity, not_after = %certified.not_after, "certificate signed");
                pause = BACKOFF.0;
                // Spread: certificates of one start must not all be renewed in one moment.
                let wait =
                    certified.renew_in(now).mul_f64(rand::rng().random_range(0.9..1.0)).max(Duration::from_secs(1));
                state.send_replace(State::Valid(Arc::new(certified)));
                tokio::time::sleep(wait).await;
            }
            Err(error) => {
                let reason = runtime::error::chain(&error);
                warn!(%identity, error = reason, retry_in = ?pause, "no certificate");
                let valid = matches!(&*state.borrow(), State::Valid(c) if !c.left(now).is_zero());
                if valid {
                    tokio::time::sleep(pause).await;
                } else {
                    state.send_replace(State::Failed(reason.into()));
                    // Whoever waits shortens the pause, but not below the first one: a broken authority is not hammered.
                    tokio::time::sleep(BACKOFF.0.min(pause)).await;
                    tokio::select! { () = tokio::time::sleep(pause) => {}, () = wanted.notified() => {} }
                }
                pause = (pause * 2).min(BACKOFF.1);
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("no key and request could be made")]
    Request(#[from] rcgen::Error),
    #[error(transparent)]
    Authority(#[from] client::Error),
    #[error("the authority's answer is unusable")]
    Certificate(#[from] certificate::Error),
}

async fn ask(authority: &dyn Authority, identity: &Identity, lifetime: Duration) -> Result<Certified, AskError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![SanType::URI(identity.to_string().try_into()?)];
    let csr = params.serialize_request(&key)?.pem()?;
    let chain = authority.sign(identity, csr, lifetime).await?;
    Ok(Certified::new(identity, &key.serialize_der(), &chain)?)
}
