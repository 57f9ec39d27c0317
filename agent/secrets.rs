//! The Secrets that waypoints need for TLS of their own making: each is watched by its name for as long as a rule names it, and no
//! other is ever read. What is in one is told to the waypoints of its namespace whose services it is for; a log never has it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::StreamExt;
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
use tokio::{sync::mpsc, task::JoinHandle};
use tracing::warn;

/// How many Secrets are watched at most.
const MOST: usize = 512;
/// What ends the name of a Secret that holds the authorities of another one (Istio, `credentialName`).
const AUTHORITIES: &str = "-cacert";
/// The keys of a Secret: those of Kubernetes, and the older ones of Istio.
const CHAIN: [&str; 2] = ["tls.crt", "cert"];
const KEY: [&str; 2] = ["tls.key", "key"];
const ROOTS: [&str; 2] = ["ca.crt", "cacert"];

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

/// What a watch tells.
pub struct News {
    key: ObjectKey,
    part: Part,
    found: Result<Option<Data>, Name>,
}

struct Watch {
    tasks: Vec<JoinHandle<()>>,
    own: Option<Result<Option<Data>, Name>>,
    authorities: Option<Result<Option<Data>, Name>>,
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
}

impl Secrets {
    /// Makes one that watches nothing yet.
    #[must_use]
    pub fn new(client: Client, sender: mpsc::Sender<News>) -> Self {
        Self { client, sender, watches: HashMap::new(), refused: BTreeSet::new() }
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
        changed
    }

    /// Takes in what a watch tells; of one that was stopped it says nothing any more.
    pub fn hear(&mut self, news: News) -> Changed {
        let Some(watch) = self.watches.get_mut(&news.key) else { return vec![] };
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

fn judge(key: &ObjectKey, own: &Result<Option<Data>, Name>, authorities: &Result<Option<Data>, Name>) -> Found {
    let ObjectKey { namespace, name } = key;
    let empty = Data::new();
    let (own, others) = match (own, authorities) {
        (Err(why), _) => return Err(why.clone()),
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

async fn follow(api: Api<Secret>, key: ObjectKey, part: Part, sender: mpsc::Sender<News>) {
    let name = match part {
        Part::Own => key.name.clone(),
        Part::Authorities => format!("{}{AUTHORITIES}", key.name),
    };
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut events = Box::pin(watcher::watcher(api, config).default_backoff());
    let mut listed = None;
    let mut known = false;
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
            Err(error) => {
                warn!(namespace = key.namespace, name, %error, "watch of a Secret failed, trying again");
                // The last good one stays; who never had one is told why.
                if known {
                    continue;
                }
                Err(format!("Secret {}/{name} cannot be read: {error}", key.namespace).into())
            }
        };
        known = found.is_ok();
        if sender.send(News { key: key.clone(), part, found }).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is the test's result
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> Data {
        pairs.iter().map(|(key, text)| ((*key).to_owned(), ByteString((*text).into()))).collect()
    }

    #[test]
    fn what_cannot_be_used_says_why_and_not_what() {
        let made = |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let (one, other) = (made("one"), made("other"));
        let (chain, key, wrong) = (one.cert.pem(), one.signing_key.serialize_pem(), other.signing_key.serialize_pem());
        let key_of = ObjectKey { namespace: "shop".into(), name: "client".into() };
        let there = |pairs: &[(&str, &str)]| Ok(Some(data(pairs)));
        let rows = [
            (Ok(None), Ok(None), "there is no Secret client"),
            (Ok(None), there(&[("ca.crt", &chain)]), ""),
            (there(&[("tls.crt", &chain), ("tls.key", &key)]), Ok(None), ""),
            (there(&[("cert", &chain), ("key", &key), ("cacert", &chain)]), Ok(None), ""),
            (there(&[("tls.crt", &chain), ("tls.key", &wrong)]), Ok(None), "tls.key is not the key"),
            (there(&[("tls.crt", &chain)]), Ok(None), "without its key"),
            (there(&[("tls.key", &key)]), Ok(None), "without its certificate"),
            (there(&[("tls.crt", &chain), ("tls.key", "PRIVATE")]), Ok(None), "tls.key holds no key"),
            (there(&[("tls.crt", "x"), ("tls.key", &key)]), Ok(None), "tls.crt holds no certificates"),
            (there(&[("ca.crt", "x")]), Ok(None), "ca.crt holds no certificates"),
            (there(&[("password", "x")]), Ok(None), "neither tls.crt"),
            (Err("Secret shop/client cannot be read: no".into()), Ok(None), "cannot be read"),
        ];
        for (own, others, want) in rows {
            let found = judge(&key_of, &own, &others);
            match found {
                Ok(_) => assert_eq!(want, ""),
                Err(why) => {
                    assert!(!want.is_empty() && why.contains(want), "{why}");
                    assert!(!why.contains("PRIVATE"), "{why}");
                }
            }
        }
    }
}
