//! The ConfigMaps that lay over the objects of waypoints: those that gateways name, and those that are for a whole class.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use serde::Deserialize;
use source::{
    api::gateway::GatewaySpec,
    object::{Custom, ObjectKey},
};
use tokio::{sync::watch, task::JoinHandle};
use tracing::warn;

use crate::deploy::{
    Problem,
    overlays::{self, Overlays},
    queue::Queue,
};

/// The label of a ConfigMap of the mesh's namespace, with the name of a class.
const DEFAULTS: &str = "gateway.istio.io/defaults-for-class";

type Data = BTreeMap<String, String>;

/// The ConfigMaps of one watch, by name, with labels and data; none until they are known.
type Maps = Arc<Mutex<Option<BTreeMap<String, (Data, Data)>>>>;

/// One ConfigMap that a gateway names, and its watch.
struct Named {
    key: ObjectKey,
    maps: Maps,
    watch: JoinHandle<()>,
}

impl Drop for Named {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// All that is laid over.
pub struct Parameters {
    client: Client,
    queue: Queue,
    system: String,
    of_classes: Maps,
    complete: watch::Receiver<bool>,
    /// By gateway.
    named: HashMap<ObjectKey, Named>,
}

impl Parameters {
    /// Begins to watch what is for classes. Only within a runtime.
    #[must_use]
    pub fn watch(client: &Client, system: &str, queue: &Queue) -> Self {
        let (told, complete) = watch::channel(false);
        let of_classes = Maps::default();
        let maps = of_classes.clone();
        let api = Api::<ConfigMap>::namespaced(client.clone(), system);
        let all = queue.clone();
        let changed = move || {
            // Which gateways are of a class is the deployer's to find.
            told.send_replace(true);
            all.add(&every_gateway());
        };
        tokio::spawn(follow(api, watcher::Config::default().labels(DEFAULTS), maps, changed));
        let (client, queue, system) = (client.clone(), queue.clone(), system.to_owned());
        Self { client, queue, system, of_classes, complete, named: HashMap::new() }
    }

    /// Waits until what is for classes is known.
    pub async fn complete(&mut self) {
        let _ = self.complete.wait_for(|complete| *complete).await;
    }

    /// Returns what is laid over for a gateway: for its class, and for itself; none while that is not known yet, and the
    /// gateway comes into the queue when it is.
    ///
    /// # Errors
    /// What is named is not there, or of no use.
    pub fn of(&mut self, gateway: &Custom) -> Result<Option<Overlays>, Problem> {
        let spec = GatewaySpec::deserialize(&gateway.spec).map_err(|e| Problem::invalid(format!("spec: {e}")))?;
        let mut of_class = Vec::new();
        for (name, (labels, data)) in lock(&self.of_classes).iter().flatten() {
            if labels.get(DEFAULTS) == Some(&spec.gateway_class_name) {
                of_class.push(overlays::read(format!("ConfigMap {}/{name}", self.system), data)?);
            }
        }
        let Some(reference) = spec.infrastructure.and_then(|i| i.parameters_ref) else {
            self.named.remove(&gateway.key);
            return Ok(Some(Overlays { of_class, own: None }));
        };
        if !reference.group.is_empty() || reference.kind != "ConfigMap" {
            let of = format!("{} of group {:?}", reference.kind, reference.group);
            return Err(Problem::parameters(format!("infrastructure.parametersRef names a {of}: want a ConfigMap")));
        }
        let key = ObjectKey { namespace: gateway.key.namespace.clone(), name: reference.name };
        let maps = self.named(gateway, &key);
        let maps = lock(&maps);
        let Some(known) = maps.as_ref() else { return Ok(None) };
        let source = format!("ConfigMap {}/{}", key.namespace, key.name);
        match known.get(&key.name) {
            Some((_, data)) => Ok(Some(Overlays { of_class, own: Some(overlays::read(source, data)?) })),
            None => Err(Problem::parameters(format!("infrastructure.parametersRef: there is no {source}"))),
        }
    }

    /// Takes in that a gateway is there no longer.
    pub fn forget(&mut self, gateway: &ObjectKey) {
        self.named.remove(gateway);
    }

    fn named(&mut self, gateway: &Custom, key: &ObjectKey) -> Maps {
        if let Some(named) = self.named.get(&gateway.key).filter(|named| named.key == *key) {
            return named.maps.clone();
        }
        let maps = Maps::default();
        let api = Api::<ConfigMap>::namespaced(self.client.clone(), &key.namespace);
        let (queue, user) = (self.queue.clone(), gateway.key.clone());
        let one = watcher::Config::default().fields(&format!("metadata.name={}", key.name));
        let watch = tokio::spawn(follow(api, one, maps.clone(), move || queue.add(&user)));
        let named = Named { key: key.clone(), maps: maps.clone(), watch };
        self.named.insert(gateway.key.clone(), named);
        maps
    }
}

/// Stands in the queue for all gateways: no gateway has no name.
#[must_use]
pub fn every_gateway() -> ObjectKey {
    ObjectKey::default()
}

fn lock(maps: &Maps) -> std::sync::MutexGuard<'_, Option<BTreeMap<String, (Data, Data)>>> {
    maps.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn follow(api: Api<ConfigMap>, which: watcher::Config, maps: Maps, changed: impl Fn()) {
    let mut events = Box::pin(watcher::watcher(api, which).default_backoff());
    let mut listed = BTreeMap::new();
    while let Some(event) = events.next().await {
        let parts =
            |map: ConfigMap| (map.name_any(), (map.metadata.labels.unwrap_or_default(), map.data.unwrap_or_default()));
        let mut known = lock(&maps);
        match event {
            Ok(Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(Event::InitApply(map)) => {
                let (name, map) = parts(map);
                listed.insert(name, map);
                continue;
            }
            Ok(Event::InitDone) => *known = Some(std::mem::take(&mut listed)),
            Ok(Event::Apply(map)) => {
                let (name, map) = parts(map);
                known.get_or_insert_default().insert(name, map);
            }
            Ok(Event::Delete(map)) => drop(known.get_or_insert_default().remove(&map.name_any())),
            Err(error) => {
                warn!(%error, "watch of parameters failed, trying again");
                continue;
            }
        }
        drop(known);
        changed();
    }
}
