//! The objects of waypoints that are there: only what tells whether they are as they should be.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use futures::StreamExt;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind},
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use source::{
    labels,
    object::{Custom, ObjectKey},
};
use tokio::sync::watch;
use tracing::warn;

use crate::deploy::{
    objects::{Kind, MANAGED_BY, RENDERED, Wanted},
    queue::Queue,
};

/// One object, as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The gateway that it says it belongs to.
    pub gateway: String,
    /// The unique name of its owner, if it has one.
    pub owner: Option<String>,
    /// From what it was rendered.
    pub hash: Option<String>,
    /// Changes when somebody changes what it is to be; kinds without a generation have their version here.
    pub generation: String,
}

/// What is to be done for a gateway.
#[derive(Debug, Default)]
pub struct Plan {
    /// Objects to apply, and whether each was there.
    pub apply: Vec<(Wanted, bool)>,
    /// Objects that are wanted no longer.
    pub delete: Vec<(Kind, String)>,
    /// An object that belongs to another gateway.
    pub foreign: Option<(Kind, String)>,
}

impl Plan {
    /// Tells whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.apply.is_empty() && self.delete.is_empty() && self.foreign.is_none()
    }
}

type Id = (Kind, ObjectKey);

/// The objects that are there, kept up by watches.
pub struct Live {
    seen: Arc<Mutex<HashMap<Id, Seen>>>,
    /// The generation at which an object was as we rendered it.
    right: BTreeMap<Id, (String, String)>,
    complete: Vec<watch::Receiver<bool>>,
}

/// Returns the API resource of a kind.
#[must_use]
pub fn resource(kind: Kind) -> ApiResource {
    let (group, version, plural) = kind.place();
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, &format!("{kind:?}")), plural)
}

impl Live {
    /// Begins to watch; whatever changes puts its gateway into the queue. Only within a runtime.
    #[must_use]
    pub fn watch(client: &Client, queue: &Queue) -> Self {
        let seen: Arc<Mutex<HashMap<Id, Seen>>> = Arc::default();
        let mut complete = Vec::new();
        for kind in Kind::ALL {
            let (told, is_complete) = watch::channel(false);
            complete.push(is_complete);
            tokio::spawn(follow(client.clone(), kind, seen.clone(), queue.clone(), told));
        }
        Self { seen, right: BTreeMap::new(), complete }
    }

    /// Waits until all that is there is known.
    pub async fn complete(&mut self) {
        for complete in &mut self.complete {
            // Its watch ends with the process alone.
            let _ = complete.wait_for(|complete| *complete).await;
        }
    }

    /// Takes in that an object was applied and is right; tells whether that changed it.
    pub fn applied(&mut self, kind: Kind, key: ObjectKey, seen: Seen) -> bool {
        let id = (kind, key);
        self.right.insert(id.clone(), (seen.hash.clone().unwrap_or_default(), seen.generation.clone()));
        let before = self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(id, seen.clone());
        before != Some(seen)
    }

    /// Compares what is there with what is wanted. `first` is the first look of this process at the gateway, which repairs what
    /// was changed before; `new` tells that something else is wanted than at the last look.
    pub fn plan(&mut self, gateway: &Custom, wanted: &[Wanted], first: bool, new: bool) -> Plan {
        let all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut plan = Plan::default();
        for object in wanted {
            let key = ObjectKey { namespace: gateway.key.namespace.clone(), name: object.name.clone() };
            let id = (object.kind, key);
            let Some(seen) = all.get(&id) else {
                plan.apply.push((object.clone(), false));
                continue;
            };
            if seen.owner.as_ref().is_some_and(|owner| *owner != gateway.uid) {
                plan.foreign = Some((object.kind, object.name.clone()));
                continue;
            }
            let is_ours = seen.hash.as_ref() == Some(&object.hash);
            let right = self.right.get(&id) == Some(&(object.hash.clone(), seen.generation.clone()));
            match (is_ours, right) {
                (true, true) => {}
                // Another replica was faster: what it applied is what we would.
                (true, false) if new && !first => {
                    self.right.insert(id, (object.hash.clone(), seen.generation.clone()));
                }
                (true, false) => plan.apply.push((object.clone(), true)),
                (false, _) if new => plan.apply.push((object.clone(), true)),
                // Rendered by another, which has its turn.
                (false, _) => {}
            }
        }
        let old = all.iter().filter(|((kind, key), seen)| {
            let is_wanted = wanted.iter().any(|w| w.kind == *kind && w.name == key.name);
            key.namespace == gateway.key.namespace && seen.owner.as_ref() == Some(&gateway.uid) && !is_wanted
        });
        plan.delete.extend(old.filter(|_| new).map(|((kind, key), _)| (*kind, key.name.clone())));
        self.right.retain(|id, _| all.contains_key(id));
        plan
    }
}

async fn follow(
    client: Client,
    kind: Kind,
    seen: Arc<Mutex<HashMap<Id, Seen>>>,
    queue: Queue,
    complete: watch::Sender<bool>,
) {
    let resource = resource(kind);
    let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client, &resource);
    let ours = watcher::Config::default().labels(&format!("{}={MANAGED_BY}", labels::MANAGED));
    let mut events = Box::pin(watcher::watcher(api, ours).default_backoff());
    let mut listed: HashMap<ObjectKey, Seen> = HashMap::new();
    while let Some(event) = events.next().await {
        let mut all = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut take = |key: ObjectKey, new: Option<Seen>| {
            let id = (kind, key);
            let old = match &new {
                Some(new) => all.insert(id.clone(), new.clone()),
                None => all.remove(&id),
            };
            if old != new {
                let gateways = [old, new].into_iter().flatten().map(|seen| seen.gateway);
                gateways.for_each(|name| queue.add(&ObjectKey { namespace: id.1.namespace.clone(), name }));
            }
        };
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                let (key, object) = read(&object);
                listed.insert(key, object);
            }
            Ok(Event::InitDone) => {
                let new = std::mem::take(&mut listed);
                for (key, object) in &new {
                    take(key.clone(), Some(object.clone()));
                }
                let gone: Vec<Id> =
                    all.keys().filter(|(k, key)| *k == kind && !new.contains_key(key)).cloned().collect();
                for (_, key) in gone {
                    let old = all.remove(&(kind, key.clone()));
                    old.into_iter()
                        .for_each(|s| queue.add(&ObjectKey { namespace: key.namespace.clone(), name: s.gateway }));
                }
                drop(all);
                complete.send_replace(true);
            }
            Ok(Event::Apply(object)) => {
                let (key, object) = read(&object);
                take(key, Some(object));
            }
            Ok(Event::Delete(object)) => take(read(&object).0, None),
            Err(error) => {
                drop(all);
                warn!(?kind, %error, "watch failed, trying again");
            }
        }
    }
}

fn read(object: &PartialObjectMeta<DynamicObject>) -> (ObjectKey, Seen) {
    (key(object), seen(object))
}

fn key(object: &impl ResourceExt) -> ObjectKey {
    ObjectKey { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}

/// Returns what counts of an object.
#[must_use]
pub fn seen(object: &impl ResourceExt) -> Seen {
    // Not all kinds count generations; then who last changed what besides the status tells as much.
    let by_hand = || {
        let fields = object.managed_fields().iter().filter(|f| f.subresource.as_deref() != Some("status"));
        let fields: Vec<_> =
            fields.map(|f| (&f.manager, &f.operation, f.time.as_ref().map(|t| t.0.to_string()))).collect();
        (!fields.is_empty()).then(|| format!("{fields:?}"))
    };
    let generation = object.meta().generation.map(|g| g.to_string()).or_else(by_hand);
    Seen {
        gateway: object.labels().get(labels::GATEWAY_NAME).cloned().unwrap_or_default(),
        owner: object.owner_references().iter().find(|o| o.controller == Some(true)).map(|o| o.uid.clone()),
        hash: object.annotations().get(RENDERED).cloned(),
        generation: generation.or_else(|| object.resource_version()).unwrap_or_default(),
    }
}
