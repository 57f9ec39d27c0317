//! The Secrets that waypoints need for TLS of their own making: each is watched by its name for as long as a rule names it, and no
//! other is ever read. What is in one is told to the waypoints of its namespace whose services it is for; a log never has it.
//!
//! An operator may leave the control plane without the right to read Secrets, everywhere or but for some namespaces. Then rules that
//! name one say so, and nothing else depends on it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    pin::pin,
    time::Duration,
};

use futures::{Stream, StreamExt};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use model::{
    l7::secret::{Content, Hidden, Pair},
    workload::Name,
};
use rustls::{
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use source::object::ObjectKey;
use tokio::{sync::mpsc, task::JoinHandle, time::sleep};
use tracing::{info, warn};

/// How many Secrets are watched at most.
const MOST: usize = 512;
/// What ends the name of a Secret that holds the authorities of another one (Istio, `credentialName`).
const AUTHORITIES: &str = "-cacert";
/// The keys of a Secret: those of Kubernetes, and the older ones of Istio.
const CHAIN: [&str; 2] = ["tls.crt", "cert"];
const KEY: [&str; 2] = ["tls.key", "key"];
const ROOTS: [&str; 2] = ["ca.crt", "cacert"];

/// How often in a row the right must be refused before a Secret that was read counts as one that may not be: an API server that has just
/// started may not know its roles yet.
const REFUSALS: u32 = 5;
/// How long it is not asked again until then.
const SOON: Duration = Duration::from_secs(2);
/// How long it is not asked again where it may not: a right that is granted is found by that.
const PAUSE: Duration = Duration::from_secs(20);

/// What is in a Secret, or why it cannot be used.
pub type Found = Result<Content, Name>;
/// The Secrets that are others than they were; none for those that nobody needs any more.
pub type Changed = Vec<(ObjectKey, Option<Found>)>;

type Data = BTreeMap<String, ByteString>;

/// Which of both Secrets of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Own,
    Authorities,
}

/// Why a Secret is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Unread {
    /// The right is missing.
    Forbidden,
    /// Anything else.
    Failed(String),
}

/// What is in a Secret, nothing where there is none.
type Read = Result<Option<Data>, Unread>;

/// What a watch tells.
pub struct News {
    key: ObjectKey,
    part: Part,
    found: Read,
}

struct Watch {
    tasks: Vec<JoinHandle<()>>,
    own: Option<Read>,
    authorities: Option<Read>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// The watches, by the Secret that is named.
pub struct Secrets {
    client: Client,
    sender: mpsc::Sender<News>,
    watches: HashMap<ObjectKey, Watch>,
    /// Those for which there is no place.
    refused: BTreeSet<ObjectKey>,
    /// The namespaces in which a Secret may not be read: what is told of one in the log is not told of each Secret.
    forbidden: BTreeSet<String>,
}

impl Secrets {
    /// Makes one that watches nothing yet.
    #[must_use]
    pub fn new(client: Client, sender: mpsc::Sender<News>) -> Self {
        Self { client, sender, watches: HashMap::new(), refused: BTreeSet::new(), forbidden: BTreeSet::new() }
    }

    /// Watches these and no others. Only within a runtime.
    pub fn follow(&mut self, wanted: &BTreeSet<ObjectKey>) -> Changed {
        let gone = self.watches.extract_if(|key, _| !wanted.contains(key));
        let mut changed: Changed = gone.map(|(key, _)| (key, None)).collect();
        changed.extend(self.refused.extract_if(.., |key| !wanted.contains(key)).map(|key| (key, None)));
        for key in wanted {
            if self.watches.contains_key(key) {
                continue;
            }
            if self.watches.len() >= MOST {
                if self.refused.insert(key.clone()) {
                    let why = format!("more than {MOST} Secrets are named by rules: {} is not read", key.name);
                    changed.push((key.clone(), Some(Err(why.into()))));
                }
                continue;
            }
            // There may be a place since.
            self.refused.remove(key);
            let start = |part| {
                let api = Api::namespaced(self.client.clone(), &key.namespace);
                tokio::spawn(follow(api, key.clone(), part, self.sender.clone()))
            };
            let tasks = vec![start(Part::Own), start(Part::Authorities)];
            self.watches.insert(key.clone(), Watch { tasks, own: None, authorities: None });
        }
        self.forbidden.retain(|namespace| wanted.iter().any(|key| key.namespace == *namespace));
        changed
    }

    /// Takes in what a watch tells; of one that was stopped it says nothing any more.
    pub fn hear(&mut self, news: News) -> Changed {
        let Some(watch) = self.watches.get_mut(&news.key) else { return vec![] };
        let namespace = &news.key.namespace;
        match &news.found {
            Err(Unread::Forbidden) if self.forbidden.insert(namespace.clone()) => {
                warn!(
                    namespace,
                    "Secrets may not be read, which rules name by credentialName: those connections are refused"
                );
            }
            Ok(_) if self.forbidden.remove(namespace) => info!(namespace, "Secrets may be read"),
            _ => {}
        }
        match news.part {
            Part::Own => watch.own = Some(news.found),
            Part::Authorities => watch.authorities = Some(news.found),
        }
        let (Some(own), Some(authorities)) = (&watch.own, &watch.authorities) else { return vec![] };
        let found = judge(&news.key, own, authorities);
        vec![(news.key, Some(found))]
    }

    /// Tells whether of all it is known whether they are there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.watches.values().all(|watch| watch.own.is_some() && watch.authorities.is_some())
    }
}

fn judge(key: &ObjectKey, own: &Read, authorities: &Read) -> Found {
    let ObjectKey { namespace, name } = key;
    let empty = Data::new();
    let (own, others) = match (own, authorities) {
        (Err(why), _) => return Err(unread(key, why)),
        (Ok(None), Ok(None) | Err(_)) => {
            return Err(format!("there is no Secret {name} in the waypoint's namespace {namespace}").into());
        }
        (Ok(own), others) => (own.as_ref(), others.as_ref().ok().and_then(Option::as_ref)),
    };
    let own = own.unwrap_or(&empty);
    let wrong = |what: &str| Name::from(format!("Secret {namespace}/{name}: {what}"));
    let text = |data: &Data, keys: [&str; 2]| -> Result<Option<Name>, Name> {
        let Some((key, bytes)) = keys.iter().find_map(|key| Some((key, data.get(*key)?))) else { return Ok(None) };
        let text = std::str::from_utf8(&bytes.0).map_err(|_| wrong(&format!("{key} is no text")))?;
        Ok(Some(text.into()))
    };
    let pair = match (text(own, CHAIN)?, text(own, KEY)?) {
        (Some(chain), Some(key)) => {
            let pair = Pair { chain, key: Hidden::new(key) };
            fits(&pair).map_err(wrong)?;
            Some(pair)
        }
        (None, None) => None,
        (Some(_), None) => return Err(wrong("it has a certificate (tls.crt) without its key (tls.key)")),
        (None, Some(_)) => return Err(wrong("it has a key (tls.key) without its certificate (tls.crt)")),
    };
    let roots = match text(own, ROOTS)? {
        None => text(others.unwrap_or(&empty), ROOTS)?,
        roots => roots,
    };
    if let Some(pem) = &roots {
        certificates(pem).map_err(|()| wrong("ca.crt holds no certificates, PEM"))?;
    }
    if pair.is_none() && roots.is_none() {
        return Err(wrong("it has neither tls.crt and tls.key nor ca.crt"));
    }
    Ok(Content { pair, roots })
}

/// Says why a Secret is not read, and what to do where somebody can do something.
fn unread(ObjectKey { namespace, name }: &ObjectKey, why: &Unread) -> Name {
    match why {
        Unread::Forbidden => format!(
            "Secret {namespace}/{name} may not be read: the control plane lacks the right to get, list and watch secrets in namespace \
             {namespace}. Install with agent.readSecrets=true, or bind a Role with that right in the namespace to its service account"
        ),
        Unread::Failed(error) => format!("Secret {namespace}/{name} cannot be read: {error}"),
    }
    .into()
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, ()> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(|_| ())?;
    if all.is_empty() { Err(()) } else { Ok(all) }
}

/// Tells what is wrong with a certificate and its key; never with what is in them.
fn fits(pair: &Pair) -> Result<(), &'static str> {
    let chain = certificates(&pair.chain).map_err(|()| "tls.crt holds no certificates, PEM")?;
    let key = PrivateKeyDer::from_pem_slice(pair.key.reveal().as_bytes()).map_err(|_| "tls.key holds no key, PEM")?;
    let key = any_supported_type(&key).map_err(|_| "tls.key is of no kind that is known")?;
    CertifiedKey::new(chain, key).keys_match().map_err(|_| "tls.key is not the key of tls.crt")
}

/// Why a watch of a Secret is not read on.
enum End {
    /// The right is missing.
    Forbidden,
    /// Nobody listens.
    Closed,
}

/// What was told of a Secret, over all watches of it.
struct Follower {
    key: ObjectKey,
    part: Part,
    sender: mpsc::Sender<News>,
    /// What is there was told.
    known: bool,
    /// That it may not be read was told.
    is_forbidden: bool,
    /// How often in a row the right was refused.
    refusals: u32,
}

async fn follow(api: Api<Secret>, key: ObjectKey, part: Part, sender: mpsc::Sender<News>) {
    let name = match part {
        Part::Own => key.name.clone(),
        Part::Authorities => format!("{}{AUTHORITIES}", key.name),
    };
    let mut follower = Follower { key, part, sender, known: false, is_forbidden: false, refusals: 0 };
    loop {
        // Begun anew after a refusal: a watch would go on where it was, without a word.
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let events = pin!(watcher::watcher(api.clone(), config).default_backoff());
        let End::Forbidden = follower.run(events, &name).await else { return };
        let Some(pause) = follower.refused().await else { return };
        sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
    }
}

impl Follower {
    async fn run(&mut self, mut events: impl Stream<Item = watcher::Result<Event<Secret>>> + Unpin, name: &str) -> End {
        let mut listed = None;
        let data = |secret: Secret| secret.data.unwrap_or_default();
        while let Some(event) = events.next().await {
            let found = match event {
                Ok(Event::Init) => {
                    listed = None;
                    continue;
                }
                Ok(Event::InitApply(secret)) => {
                    listed = Some(data(secret));
                    continue;
                }
                Ok(Event::InitDone) => Ok(listed.take()),
                Ok(Event::Apply(secret)) => Ok(Some(data(secret))),
                Ok(Event::Delete(_)) => Ok(None),
                Err(error) if is_forbidden(&error) => return End::Forbidden,
                Err(error) => {
                    warn!(namespace = self.key.namespace, name, %error, "watch of a Secret failed, trying again");
                    // The last good one stays; who never had one is told why.
                    if self.known {
                        continue;
                    }
                    Err(Unread::Failed(error.to_string()))
                }
            };
            if !self.tell(found).await {
                return End::Closed;
            }
        }
        End::Closed
    }

    /// Takes in that the right was refused; returns when to ask again, if somebody listens.
    async fn refused(&mut self) -> Option<Duration> {
        self.refusals += 1;
        if self.known && self.refusals < REFUSALS {
            return Some(SOON);
        }
        self.tell(Err(Unread::Forbidden)).await.then_some(PAUSE)
    }

    /// Tells what was found, a missing right once; and whether somebody listens.
    async fn tell(&mut self, found: Read) -> bool {
        self.known = found.is_ok();
        if self.known {
            self.refusals = 0;
        }
        let forbidden = found == Err(Unread::Forbidden);
        if std::mem::replace(&mut self.is_forbidden, forbidden) && forbidden {
            return !self.sender.is_closed();
        }
        let news = News { key: self.key.clone(), part: self.part, found };
        self.sender.send(news).await.is_ok()
    }
}

/// Tells whether the API server refuses for want of a right.
fn is_forbidden(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.code == 403,
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is the test's result
mod tests;
