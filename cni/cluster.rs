//! What the agent knows of Kubernetes: the pods of its node and the namespaces' labels, kept by watches.

use std::collections::BTreeMap;
use std::fmt::Debug;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1 as core;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tracing::warn;

use crate::config::Config;
use crate::enrol::{BYPASS_INBOUND_ANNOTATION, MODE_LABEL, Pod, REDIRECTION_ANNOTATION, SIDECAR_ANNOTATION, Selection};

/// The known part of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Pods of this node, by namespace and name.
    pub pods: BTreeMap<(String, String), Pod>,
    /// Whom to enrol.
    pub selection: Selection,
    pods_known: bool,
    namespaces_known: bool,
}

impl Cluster {
    /// Whether both lists were read once.
    pub fn is_known(&self) -> bool {
        self.pods_known && self.namespaces_known
    }
}

/// Watches until the receiver is dropped; the connection heals itself.
pub fn follow(client: &Client, config: &Config) -> watch::Receiver<Cluster> {
    let (sender, receiver) = watch::channel(Cluster {
        selection: Selection {
            system_namespace: config.system_namespace.clone(),
            excluded: config.excluded.clone(),
            ..Selection::default()
        },
        ..Cluster::default()
    });
    let node = format!("spec.nodeName={}", config.node_name);
    let pods = follow_one(
        Api::<core::Pod>::all(client.clone()),
        watcher::Config::default().fields(&node),
        sender.clone(),
        |pod| {
            let pod = slim(pod);
            ((pod.namespace.clone(), pod.name.clone()), pod)
        },
        |cluster| &mut cluster.pods,
        |cluster| &mut cluster.pods_known,
    );
    let namespaces = follow_one(
        Api::<core::Namespace>::all(client.clone()),
        watcher::Config::default(),
        sender,
        |namespace| (namespace.name_any(), namespace.labels().get(MODE_LABEL).cloned()),
        |cluster| &mut cluster.selection.namespaces,
        |cluster| &mut cluster.namespaces_known,
    );
    tokio::spawn(pods);
    tokio::spawn(namespaces);
    receiver
}

async fn follow_one<K, Key, Value>(
    api: Api<K>,
    config: watcher::Config,
    sender: watch::Sender<Cluster>,
    read: impl Fn(&K) -> (Key, Value),
    part: impl Fn(&mut Cluster) -> &mut BTreeMap<Key, Value>,
    known: impl Fn(&mut Cluster) -> &mut bool,
) where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    Key: Ord,
    Value: PartialEq,
{
    let mut listing = BTreeMap::new();
    let mut events = std::pin::pin!(watcher(api, config).default_backoff());
    while !sender.is_closed() {
        match events.try_next().await {
            Ok(None) => return,
            Err(error) => warn!(error = %runtime::error::chain(&error), "a watch failed; trying again"),
            Ok(Some(Event::Init)) => listing.clear(),
            Ok(Some(Event::InitApply(object))) => {
                let (key, value) = read(&object);
                listing.insert(key, value);
            }
            Ok(Some(Event::InitDone)) => {
                let all = std::mem::take(&mut listing);
                sender.send_modify(|cluster| {
                    *part(cluster) = all;
                    *known(cluster) = true;
                });
            }
            Ok(Some(Event::Apply(object))) => {
                let (key, value) = read(&object);
                sender.send_if_modified(|cluster| {
                    let part = part(cluster);
                    // Most updates of a pod concern nothing of ours.
                    let same = part.get(&key) == Some(&value);
                    part.insert(key, value);
                    !same
                });
            }
            Ok(Some(Event::Delete(object))) => {
                let (key, _) = read(&object);
                sender.send_modify(|cluster| drop(part(cluster).remove(&key)));
            }
        }
    }
}

/// Keeps what the decision needs.
pub fn slim(pod: &core::Pod) -> Pod {
    let annotation = |name| pod.annotations().get(name).cloned();
    let spec = pod.spec.as_ref();
    let status = pod.status.as_ref();
    let ips = status.and_then(|s| s.pod_ips.as_ref()).into_iter().flatten();
    let phase = status.and_then(|s| s.phase.as_deref());
    Pod {
        uid: pod.uid().unwrap_or_default(),
        name: pod.name_any(),
        namespace: pod.namespace().unwrap_or_default(),
        service_account: spec.and_then(|s| s.service_account_name.clone()).unwrap_or_else(|| "default".into()),
        mode: pod.labels().get(MODE_LABEL).cloned(),
        redirection: annotation(REDIRECTION_ANNOTATION),
        sidecar: annotation(SIDECAR_ANNOTATION).is_some(),
        bypass_inbound: annotation(BYPASS_INBOUND_ANNOTATION).as_deref() == Some("true"),
        host_network: spec.and_then(|s| s.host_network).unwrap_or(false),
        finished: matches!(phase, Some("Succeeded" | "Failed")),
        ips: ips.filter_map(|ip| ip.ip.parse().ok()).collect(),
        mirror_uid: annotation("kubernetes.io/config.mirror"),
    }
}
