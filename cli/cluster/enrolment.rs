//! Which pods should be captured, and which are: by label and annotation, as the node agent reads and writes them.

use std::{
    collections::{BTreeMap, HashMap},
    pin::pin,
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api, ResourceExt,
    api::ListParams,
    runtime::watcher::{Config, Event, watcher},
};

use crate::{cluster::Cluster, error::Error, screen::progress::Progress};

/// Label on a namespace or a pod that says how its traffic flows.
pub const MODE: &str = "istio.io/dataplane-mode";
/// Annotation that the node agent sets on a captured pod.
pub const REDIRECTION: &str = "ambient.istio.io/redirection";
/// Never enrolled: their pods must run before the mesh does.
const EXCLUDED: [&str; 1] = ["kube-system"];

/// The mode of each namespace, and of the whole mesh.
#[derive(Clone, Debug, Default)]
pub struct Modes {
    by_namespace: BTreeMap<String, String>,
    mesh: bool,
}

impl Modes {
    /// Reads the labels of all namespaces.
    pub async fn read(cluster: &Cluster) -> Result<Self, Error> {
        let api: Api<Namespace> = Api::all(cluster.client.clone());
        let list = api
            .list_metadata(&ListParams::default())
            .await
            .map_err(|error| cluster.failed("list namespaces", &error))?;
        let mode = |labels: &BTreeMap<String, String>| labels.get(MODE).cloned().unwrap_or_default();
        let by_namespace: BTreeMap<_, _> =
            list.items.iter().map(|item| (item.name_any(), mode(item.labels()))).collect();
        let mesh = by_namespace.get(&cluster.system).is_some_and(|mode| mode == "ambient");
        Ok(Self { by_namespace, mesh })
    }

    /// Returns each namespace with its label, empty where there is none.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_namespace.iter().map(|(name, mode)| (name.as_str(), mode.as_str()))
    }

    /// Returns whether a namespace of this name exists.
    pub fn knows(&self, namespace: &str) -> bool {
        self.by_namespace.contains_key(namespace)
    }

    /// Returns whether pods of this namespace are enrolled unless they say otherwise.
    pub fn enrolled(&self, namespace: &str) -> bool {
        match self.by_namespace.get(namespace).map_or("", String::as_str) {
            _ if EXCLUDED.contains(&namespace) => false,
            "" => self.mesh,
            mode => mode == "ambient",
        }
    }

    /// Returns whether this pod should be captured: the pod's label wins over the namespace's, that over the mesh's.
    pub fn wants(&self, pod: &Pod) -> bool {
        let namespace = pod.namespace().unwrap_or_default();
        let host = pod.spec.as_ref().and_then(|spec| spec.host_network).unwrap_or(false);
        let sidecar = pod.annotations().contains_key("sidecar.istio.io/status");
        if host || sidecar || EXCLUDED.contains(&namespace.as_str()) {
            return false;
        }
        match pod.labels().get(MODE).map(String::as_str) {
            Some("ambient") => true,
            Some("none") => false,
            _ => self.enrolled(&namespace),
        }
    }
}

/// Returns whether the node agent says that the pod is captured.
pub fn captured(pod: &Pod) -> bool {
    pod.annotations().get(REDIRECTION).is_some_and(|value| value == "enabled")
}

/// Returns whether the pod runs: others are captured when they start, so nobody waits for them.
pub fn running(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
}

/// Returns all running pods.
pub async fn running_pods(cluster: &Cluster) -> Result<Vec<Pod>, Error> {
    let api: Api<Pod> = Api::all(cluster.client.clone());
    let params = ListParams::default().fields("status.phase=Running");
    let list = api.list(&params).await.map_err(|error| cluster.failed("list pods", &error))?;
    Ok(list.items.into_iter().filter(running).collect())
}

/// Waits until every running pod that `concerns` us is as `modes` wants it. Returns how many are captured, and of how many.
pub async fn settle(
    cluster: &Cluster,
    modes: &Modes,
    concerns: impl Fn(&Pod) -> bool,
    limit: Duration,
    progress: &Progress,
) -> Result<(usize, usize), Error> {
    let mut known: HashMap<String, (bool, bool)> = HashMap::new();
    let watching = async {
        let mut events = pin!(watcher(Api::<Pod>::all(cluster.client.clone()), Config::default()));
        let mut complete = false;
        while let Some(event) = events.next().await {
            let key = |pod: &Pod| format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
            match event {
                Ok(Event::Apply(pod) | Event::InitApply(pod)) if concerns(&pod) && running(&pod) => {
                    known.insert(key(&pod), (modes.wants(&pod), captured(&pod)));
                }
                Ok(Event::Apply(pod) | Event::InitApply(pod) | Event::Delete(pod)) => {
                    known.remove(&key(&pod));
                }
                Ok(Event::Init) => {
                    complete = false;
                    known.clear();
                }
                Ok(Event::InitDone) => complete = true,
                // The watch begins again by itself.
                Err(_) => {}
            }
            let done = known.values().filter(|(wanted, is)| wanted == is).count();
            if complete {
                progress.set("pods", done, known.len());
                if done == known.len() {
                    return;
                }
            }
        }
    };
    let in_time = tokio::time::timeout(limit, watching).await.is_ok();
    progress.clear();
    if in_time {
        let captured = known.values().filter(|(_, is)| *is).count();
        let wanted = known.values().filter(|(wanted, _)| *wanted).count();
        return Ok((captured, wanted));
    }
    let late: Vec<&String> = known.iter().filter(|(_, (wanted, is))| wanted != is).map(|(name, _)| name).collect();
    let mut error =
        Error::user(format!("{} of {} pods are not as wanted after {} s", late.len(), known.len(), limit.as_secs()));
    for name in late.iter().take(10) {
        error = error.because(format!("pod {name}"));
    }
    Err(error.hint("`ambient status` tells whether the node agent runs on every node"))
}
