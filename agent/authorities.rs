//! The authorities that policies name: ConfigMaps. There may be many and large ones in a cluster, so they are watched only in
//! namespaces where a policy names one: a policy names those of its own.

use std::collections::{BTreeSet, HashMap};

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use model::workload::Name;
use source::object::ObjectKey;
use tokio::{sync::mpsc, task::JoinHandle};
use tracing::warn;

/// The key under which a ConfigMap has certificates, PEM (Gateway API, `caCertificateRefs`).
const KEY: &str = "ca.crt";

/// What a watch tells.
#[derive(Debug)]
pub enum News {
    /// The certificates of a ConfigMap; none if it has none, or is gone.
    Map(ObjectKey, Option<Name>),
    /// These are all of a namespace.
    Complete(String, BTreeSet<String>),
}

struct Watch {
    task: JoinHandle<()>,
    complete: bool,
    known: BTreeSet<String>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The watches, by namespace.
pub struct Authorities {
    client: Client,
    sender: mpsc::Sender<News>,
    watches: HashMap<String, Watch>,
}

/// The authorities of ConfigMaps that are others than they were.
pub type Changed = Vec<(ObjectKey, Option<Name>)>;

impl Authorities {
    /// Makes one that watches nothing yet.
    #[must_use]
    pub fn new(client: Client, sender: mpsc::Sender<News>) -> Self {
        Self { client, sender, watches: HashMap::new() }
    }

    /// Watches these namespaces and no others. Only within a runtime.
    pub fn follow<'n>(&mut self, namespaces: impl Iterator<Item = &'n String>) -> Changed {
        let wanted: BTreeSet<&String> = namespaces.collect();
        let gone = self.watches.extract_if(|namespace, _| !wanted.contains(namespace));
        let forgotten = gone.flat_map(|(namespace, watch)| {
            watch.known.iter().map(|name| (key(&namespace, name), None)).collect::<Vec<_>>()
        });
        let forgotten = forgotten.collect();
        for namespace in wanted {
            if !self.watches.contains_key(namespace) {
                let api = Api::namespaced(self.client.clone(), namespace);
                let task = tokio::spawn(watch(api, namespace.clone(), self.sender.clone()));
                let watch = Watch { task, complete: false, known: BTreeSet::new() };
                self.watches.insert(namespace.clone(), watch);
            }
        }
        forgotten
    }

    /// Takes in what a watch tells; of one that was stopped it says nothing any more.
    pub fn hear(&mut self, news: News) -> Changed {
        match news {
            News::Map(of, pem) => {
                let Some(watch) = self.watches.get_mut(&of.namespace) else { return vec![] };
                if pem.is_some() {
                    watch.known.insert(of.name.clone());
                } else {
                    watch.known.remove(&of.name);
                }
                vec![(of, pem)]
            }
            News::Complete(namespace, listed) => {
                let Some(watch) = self.watches.get_mut(&namespace) else { return vec![] };
                watch.complete = true;
                let gone = watch.known.extract_if(.., |name| !listed.contains(name));
                gone.map(|name| (key(&namespace, &name), None)).collect()
            }
        }
    }

    /// Tells whether all that is there is known.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.watches.values().all(|watch| watch.complete)
    }
}

fn key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey { namespace: namespace.to_owned(), name: name.to_owned() }
}

async fn watch(api: Api<ConfigMap>, namespace: String, sender: mpsc::Sender<News>) {
    let mut events = Box::pin(watcher::watcher(api, watcher::Config::default()).default_backoff());
    let mut listed = BTreeSet::new();
    let map = |map: ConfigMap| {
        let key = key(&namespace, &map.name_any());
        News::Map(key, map.data.and_then(|mut data| data.remove(KEY)).map(Into::into))
    };
    while let Some(event) = events.next().await {
        let news = match event {
            Ok(Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(Event::InitApply(object)) => {
                listed.insert(object.name_any());
                map(object)
            }
            Ok(Event::InitDone) => News::Complete(namespace.clone(), std::mem::take(&mut listed)),
            Ok(Event::Apply(object)) => map(object),
            Ok(Event::Delete(object)) => News::Map(key(&namespace, &object.name_any()), None),
            Err(error) => {
                warn!(namespace, %error, "watch of ConfigMaps failed, trying again");
                continue;
            }
        };
        if sender.send(news).await.is_err() {
            return;
        }
    }
}
