//! Kinds that do not come with Kubernetes: which of them a cluster serves, and in which version. One task a group asks for all
//! that are absent, ever less often, so that a cluster without them is left in peace; what is installed later is found.

use std::{collections::BTreeMap, time::Duration};

use kube::{Api, Client, api::DynamicObject};
use tokio::{sync::mpsc, task::JoinSet, time::sleep};
use tracing::{debug, info, warn};

use crate::{
    Change, Kind, Object,
    follow::{End, Follower, key},
    kubernetes::resource,
    object::{Custom, Map},
};

/// First and longest pause before what is absent is looked for again.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// The annotation in which `kubectl apply` keeps the whole object once more.
const COPY: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Watches the kinds of a group, each from when it is installed.
pub async fn watch(client: Client, group: &'static str, kinds: Vec<Kind>, changes: mpsc::Sender<Change>) {
    let mut absent: BTreeMap<Kind, Follower> =
        kinds.into_iter().map(|kind| (kind, Follower::new(kind, changes.clone()))).collect();
    let mut watched: JoinSet<(Follower, End)> = JoinSet::new();
    let mut pause = PAUSE.0;
    loop {
        match served(&client, group, absent.keys().copied()).await {
            Ok(found) => {
                for (kind, version) in found {
                    let Some(follower) = absent.remove(&kind) else { continue };
                    debug!(?kind, version, "the kind is installed");
                    if changes.send(Change::Served(kind, version)).await.is_err() {
                        return;
                    }
                    watched.spawn(follow(client.clone(), follower, version));
                }
                for follower in absent.values_mut() {
                    if follower.absent().await == End::Closed {
                        return;
                    }
                }
            }
            Err(error) => warn!(group, %error, "cannot find out which kinds are installed, trying again"),
        }
        tokio::select! {
            Some(ended) = watched.join_next() => match ended {
                Ok((_, End::Closed)) => return,
                Ok((follower, End::Absent)) => {
                    info!(kind = ?follower.kind(), "the kind is served no longer in its version");
                    absent.insert(follower.kind(), follower);
                    pause = PAUSE.0;
                }
                // A follower that panicked: without its kind the mesh would be wrong in silence.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            () = sleep(pause), if !absent.is_empty() => pause = (pause * 2).min(PAUSE.1),
            // Nothing is absent, and nothing watched.
            else => return,
        }
    }
}

async fn follow(client: Client, mut follower: Follower, version: &'static str) -> (Follower, End) {
    let kind = follower.kind();
    let api = Api::<DynamicObject>::all_with(client, &resource(kind, version));
    let end = follower.run(api, |object| Some(Object::Custom(kind, custom(object, version)))).await;
    (follower, end)
}

/// Finds the best version of each kind that the cluster serves; kinds that it does not serve are left out.
async fn served(
    client: &Client,
    group: &str,
    kinds: impl Iterator<Item = Kind>,
) -> kube::Result<BTreeMap<Kind, &'static str>> {
    let kinds: Vec<Kind> = kinds.collect();
    let mut asked: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for kind in kinds {
        let place = kind.place();
        for version in place.versions {
            if !asked.contains_key(version) {
                let plurals = match client.list_api_group_resources(&format!("{group}/{version}")).await {
                    Ok(list) => list.resources.into_iter().map(|r| r.name).collect(),
                    Err(kube::Error::Api(refusal)) if refusal.code == 404 => vec![],
                    Err(error) => return Err(error),
                };
                asked.insert(version, plurals);
            }
            if asked[version].iter().any(|plural| plural == place.plural) {
                found.insert(kind, *version);
                break;
            }
        }
    }
    Ok(found)
}

/// Returns an object as it is kept; `served` is the version of the API in which it was read.
#[must_use]
pub fn custom(object: DynamicObject, served: &'static str) -> Custom {
    let meta = object.metadata;
    let mut annotations: Map = meta.annotations.clone().unwrap_or_default();
    annotations.remove(COPY);
    let mut data = object.data;
    Custom {
        key: key(&meta),
        uid: meta.uid.unwrap_or_default(),
        labels: meta.labels.unwrap_or_default(),
        annotations,
        created: meta.creation_timestamp.map(|t| t.0.to_string()).unwrap_or_default(),
        generation: meta.generation.unwrap_or_default(),
        version: meta.resource_version.unwrap_or_default(),
        served,
        deleting: meta.deletion_timestamp.is_some(),
        spec: data.get_mut("spec").map(serde_json::Value::take).unwrap_or_default(),
        status: data.get_mut("status").map(serde_json::Value::take).unwrap_or_default(),
    }
}
