//! One kind, watched: from the events of a watch to changes, none lost and none made up.

use std::{collections::HashSet, fmt::Debug};

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tracing::warn;

use crate::{Change, Kind, Object, ObjectKey};

/// How many objects a list gives at once.
const PAGE: u32 = 500;

/// Why a kind is followed no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The API does not serve it, or not any more.
    Absent,
    /// Nobody listens.
    Closed,
}

/// What was told of a kind, over all watches of it.
pub struct Follower {
    kind: Kind,
    changes: mpsc::Sender<Change>,
    known: HashSet<ObjectKey>,
    /// Whether all that was there at the start has been told.
    synced: bool,
}

impl Follower {
    /// Makes one that has told nothing yet.
    #[must_use]
    pub fn new(kind: Kind, changes: mpsc::Sender<Change>) -> Self {
        Self { kind, changes, known: HashSet::new(), synced: false }
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Tells that there are no objects, as the kind is not installed.
    pub async fn absent(&mut self) -> End {
        match self.list(HashSet::new()).await {
            Ok(()) => End::Absent,
            Err(end) => end,
        }
    }

    /// Tells all changes for as long as the API serves the kind and somebody listens.
    pub async fn run<K, F>(&mut self, api: Api<K>, slim: F) -> End
    where
        K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
        F: Fn(K) -> Option<Object>,
    {
        let mut events = Box::pin(watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff());
        let mut listed: HashSet<ObjectKey> = HashSet::new();
        while let Some(event) = events.next().await {
            let told = match event {
                Ok(Event::Init) => {
                    listed.clear();
                    Ok(())
                }
                Ok(Event::InitApply(object)) => {
                    listed.insert(key(object.meta()));
                    self.apply(object, &slim).await
                }
                Ok(Event::InitDone) => self.list(std::mem::take(&mut listed)).await,
                Ok(Event::Apply(object)) => self.apply(object, &slim).await,
                Ok(Event::Delete(object)) => {
                    let key = key(object.meta());
                    self.known.remove(&key);
                    self.tell(Change::Delete(self.kind, key)).await
                }
                Err(error) if is_absent(&error) => return End::Absent,
                Err(error) => {
                    warn!(kind = ?self.kind, %error, "watch failed, trying again");
                    Ok(())
                }
            };
            if let Err(end) = told {
                return end;
            }
        }
        End::Absent
    }

    async fn apply<K: Resource>(&mut self, object: K, slim: impl Fn(K) -> Option<Object>) -> Result<(), End> {
        let key = key(object.meta());
        self.known.insert(key.clone());
        self.tell(match slim(object) {
            Some(object) => Change::Apply(object),
            None => Change::Delete(self.kind, key),
        })
        .await
    }

    /// Takes in a complete list: what it no longer has was deleted while nobody watched.
    async fn list(&mut self, listed: HashSet<ObjectKey>) -> Result<(), End> {
        let gone: Vec<ObjectKey> = self.known.difference(&listed).cloned().collect();
        self.known = listed;
        for key in gone {
            self.tell(Change::Delete(self.kind, key)).await?;
        }
        if !std::mem::replace(&mut self.synced, true) {
            self.tell(Change::Synced(self.kind)).await?;
        }
        Ok(())
    }

    async fn tell(&self, change: Change) -> Result<(), End> {
        self.changes.send(change).await.map_err(|_| End::Closed)
    }
}

/// Tells whether an error says that the API does not know the kind.
fn is_absent(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(s))
        | watcher::Error::WatchStartFailed(kube::Error::Api(s)) => s.code == 404,
        _ => false,
    }
}

/// Returns the name of an object.
#[must_use]
pub fn key(meta: &ObjectMeta) -> ObjectKey {
    ObjectKey { namespace: meta.namespace.clone().unwrap_or_default(), name: meta.name.clone().unwrap_or_default() }
}
