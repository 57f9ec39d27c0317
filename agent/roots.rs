//! The mesh's root: kept in a Secret, made once, and told in a ConfigMap of every namespace.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    time::Duration,
};

use futures::{StreamExt, stream};
use identity::ca::{self, Authority};
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Namespace, Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tracing::{info, warn};

/// The Secret with the authority that this mesh made for itself.
const OWN: &str = "istio-ca-secret";
/// The Secret with an authority that the operator brought.
const BROUGHT: &str = "cacerts";
/// The ConfigMap with the root.
pub const ROOT: &str = "istio-ca-root-cert";
/// The key in it.
const KEY: &str = "root-cert.pem";
/// How long to wait before missing roots are written, again if need be.
const PAUSE: Duration = Duration::from_millis(50);
/// How many are written at once.
const WRITES: usize = 8;
/// Who writes, for server-side apply.
const MANAGER: &str = "ambient-agent";

/// Tells why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The namespace of the mesh is not there.
    #[error("namespace {0} does not exist: the authority is kept there, so it has to be made first")]
    Namespace(String),
    /// Kubernetes does not give or take the Secret.
    #[error("secret {0} cannot be read or written")]
    Kubernetes(&'static str, #[source] kube::Error),
    /// The Secret is incomplete.
    #[error("secret {secret} has no usable {key}")]
    Key {
        /// The Secret.
        secret: &'static str,
        /// The key in it.
        key: &'static str,
    },
    /// The authority is unusable.
    #[error("secret {0} holds no usable authority")]
    Authority(&'static str, #[source] ca::Error),
}

/// Loads the operator's authority, or this mesh's own, which is made if there is none.
///
/// # Errors
/// A Secret that cannot be read, or holds no usable authority: nothing is made in its place.
pub async fn authority(client: &Client, namespace: &str, trust_domain: &str) -> Result<Authority, Error> {
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    let read = |name| {
        let secrets = secrets.clone();
        async move { secrets.get_opt(name).await.map_err(|e| Error::Kubernetes(name, e)) }
    };
    if let Some(secret) = read(BROUGHT).await? {
        return load(BROUGHT, &secret);
    }
    if let Some(secret) = read(OWN).await? {
        return load(OWN, &secret);
    }
    let (_, pem) = Authority::self_signed(trust_domain).map_err(|e| Error::Authority(OWN, e))?;
    let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
    let secret = Secret {
        metadata: ObjectMeta { name: Some(OWN.to_owned()), ..ObjectMeta::default() },
        type_: Some("istio.io/ca-root".to_owned()),
        data: Some(BTreeMap::from([
            ("ca-cert.pem".to_owned(), bytes(&pem.certificate)),
            ("ca-key.pem".to_owned(), bytes(&pem.key)),
            ("root-cert.pem".to_owned(), bytes(&pem.certificate)),
        ])),
        ..Secret::default()
    };
    match secrets.create(&PostParams::default(), &secret).await {
        Ok(_) => info!(secret = OWN, "a root certificate was made"),
        // Another replica was first: its root is the mesh's.
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        Err(kube::Error::Api(status)) if status.code == 404 => return Err(Error::Namespace(namespace.to_owned())),
        Err(error) => return Err(Error::Kubernetes(OWN, error)),
    }
    load(OWN, &read(OWN).await?.unwrap_or(secret))
}

fn load(name: &'static str, secret: &Secret) -> Result<Authority, Error> {
    let text = |key: &'static str| {
        let bytes = secret.data.as_ref().and_then(|d| d.get(key)).filter(|b| !b.0.is_empty());
        bytes.map(|b| String::from_utf8(b.0.clone()).map_err(|_| Error::Key { secret: name, key })).transpose()
    };
    let need = |key| text(key)?.ok_or(Error::Key { secret: name, key });
    let (root, chain) = (text("root-cert.pem")?, text("cert-chain.pem")?);
    Authority::load(&need("ca-cert.pem")?, &need("ca-key.pem")?, root.as_deref(), chain.as_deref())
        .map_err(|e| Error::Authority(name, e))
}

/// Keeps the root in every namespace: where it is missing, or is another, it is written.
///
/// Watches for itself, so that a slow API server never holds the mesh's own changes up.
pub async fn distribute(client: Client, root: String) {
    let spaces = Api::<PartialObjectMeta<Namespace>>::all(client.clone());
    let spaces = watcher::watcher(spaces, watcher::Config::default());
    let named = watcher::Config::default().fields(&format!("metadata.name={ROOT}"));
    let maps = watcher::watcher(Api::<ConfigMap>::all(client.clone()), named);
    let (mut spaces, mut maps) = (pin!(spaces.default_backoff()), pin!(maps.default_backoff()));
    let (mut wanted, mut right) = (Known::default(), Known::default());
    let is_right = |map: &ConfigMap| map.data.as_ref().and_then(|d| d.get(KEY)) == Some(&root);
    loop {
        let missing = wanted.complete && right.complete && !wanted.names.is_subset(&right.names);
        tokio::select! {
            Some(event) = spaces.next() => wanted.apply(event, |space| {
                let alive = space.metadata.deletion_timestamp.is_none();
                (space.metadata.name.clone().unwrap_or_default(), alive)
            }),
            Some(event) = maps.next() => right.apply(event, |map| {
                (map.metadata.namespace.clone().unwrap_or_default(), is_right(map))
            }),
            // Not at once: a burst of new namespaces is told first, and a refusal is not repeated without a pause.
            () = tokio::time::sleep(PAUSE), if missing => {
                let lacking: Vec<String> = wanted.names.difference(&right.names).cloned().collect();
                stream::iter(lacking).for_each_concurrent(WRITES, |name| write(&client, name, &root)).await;
            }
        }
    }
}

/// Names that a watch told, of those that count.
#[derive(Default)]
struct Known {
    names: BTreeSet<String>,
    complete: bool,
}

impl Known {
    fn apply<K>(&mut self, event: Result<Event<K>, watcher::Error>, judge: impl Fn(&K) -> (String, bool)) {
        match event {
            Ok(Event::Init) => {
                self.names.clear();
                self.complete = false;
            }
            Ok(Event::InitDone) => self.complete = true,
            Ok(Event::Apply(object) | Event::InitApply(object)) => match judge(&object) {
                (name, true) => drop(self.names.insert(name)),
                (name, false) => drop(self.names.remove(&name)),
            },
            Ok(Event::Delete(object)) => drop(self.names.remove(&judge(&object).0)),
            Err(error) => warn!(%error, "watch failed, trying again"),
        }
    }
}

async fn write(client: &Client, namespace: String, root: &str) {
    let object = ConfigMap {
        metadata: ObjectMeta {
            name: Some(ROOT.to_owned()),
            labels: Some(BTreeMap::from([("istio.io/config".to_owned(), "true".to_owned())])),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(KEY.to_owned(), root.to_owned())])),
        ..ConfigMap::default()
    };
    let api = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
    match api.patch(ROOT, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&object)).await {
        Ok(_) => {}
        // The namespace is gone, or going.
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {}
        Err(error) => warn!(namespace, %error, "the root certificate cannot be written"),
    }
}
