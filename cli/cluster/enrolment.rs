//! Which pods should be captured, by the node agent's own decision, and which are, by the annotation that it writes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    pin::pin,
    time::Duration,
};

use cni::enrol::{Decision, MODE_LABEL, REDIRECTION_ANNOTATION, Reason, SIDECAR_ANNOTATION, Selection};
use futures::StreamExt;
use k8s_openapi::api::{
    apps::v1::DaemonSet,
    core::v1::{Namespace, Pod},
};
use kube::{
    Api, ResourceExt,
    api::ListParams,
    runtime::{
        WatchStreamExt,
        watcher::{Config, Event, watcher},
    },
};

use crate::{
    cluster::{Cluster, EverySecond, wait::Workload},
    error::Error,
    screen::progress::Progress,
};

/// The labels of all namespaces, and what the node agent that is installed never enrols.
#[derive(Clone, Debug, Default)]
pub struct Modes {
    selection: Selection,
    /// Namespaces that are being deleted.
    ending: BTreeSet<String>,
    /// Whether there is a node agent at all.
    pub agent: bool,
}

impl Modes {
    /// Starts with no namespace and no node agent. `system` and `excluded` are namespaces that are never enrolled.
    pub fn of(system: &str, excluded: BTreeSet<String>) -> Self {
        let selection = Selection { system_namespace: system.to_owned(), excluded, ..Selection::default() };
        Self { selection, ..Self::default() }
    }

    /// Reads the labels of all namespaces, and the settings of the node agent.
    pub async fn read(cluster: &Cluster) -> Result<Self, Error> {
        let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
        let agents: Api<DaemonSet> = Api::namespaced(cluster.client.clone(), &cluster.system);
        let name = Workload::Cni.name();
        let (list, agent) = tokio::try_join!(
            async {
                let list = namespaces.list_metadata(&ListParams::default()).await;
                list.map_err(|error| cluster.failed("list namespaces", &error))
            },
            async {
                let agent = agents.get_opt(name).await;
                agent.map_err(|error| cluster.failed(&format!("read DaemonSet {name}"), &error))
            },
        )?;
        let ending = list.items.iter().filter(|item| item.metadata.deletion_timestamp.is_some());
        let labels = list.items.iter().map(|item| (item.name_any(), item.labels().get(MODE_LABEL).cloned()));
        let mut modes = Self::of(&cluster.system, excluded(agent.as_ref()));
        modes.ending = ending.map(ResourceExt::name_any).collect();
        modes.agent = agent.is_some();
        modes.selection.namespaces = labels.collect();
        Ok(modes)
    }

    /// Returns each namespace with its label.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.selection.namespaces.iter().map(|(name, mode)| (name.as_str(), mode.as_deref()))
    }

    /// Returns the label of a namespace.
    pub fn label(&self, namespace: &str) -> Option<&str> {
        self.selection.namespaces.get(namespace)?.as_deref()
    }

    /// Returns whether a namespace of this name exists.
    pub fn knows(&self, namespace: &str) -> bool {
        self.selection.namespaces.contains_key(namespace)
    }

    /// Returns whether the namespace is being deleted.
    pub fn is_ending(&self, namespace: &str) -> bool {
        self.ending.contains(namespace)
    }

    /// Returns whether the whole mesh is enrolled.
    pub fn mesh(&self) -> bool {
        self.label(&self.selection.system_namespace) == Some("ambient")
    }

    /// Returns whether pods of the namespace are never enrolled.
    pub fn excludes(&self, namespace: &str) -> bool {
        self.selection.is_excluded(namespace)
    }

    /// Returns whether pods of this namespace are enrolled unless they object.
    pub fn namespace(&self, name: &str) -> Result<(), Reason> {
        self.selection.namespace(name)
    }

    /// Says whether the pod should be captured, or why not.
    pub fn decide(&self, pod: &Pod) -> Decision {
        self.decide_with(pod, pod.labels().get(MODE_LABEL).cloned())
    }

    /// Like [`Self::decide`], as if the pod had another label.
    pub fn decide_with(&self, pod: &Pod, mode: Option<String>) -> Decision {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        self.selection.decide(&cni::enrol::Pod {
            namespace: pod.namespace().unwrap_or_default(),
            mode,
            sidecar: pod.annotations().contains_key(SIDECAR_ANNOTATION),
            host_network: pod.spec.as_ref().and_then(|spec| spec.host_network).unwrap_or(false),
            finished: matches!(phase, Some("Succeeded" | "Failed")),
            ..cni::enrol::Pod::default()
        })
    }

    /// Returns whether this pod should be captured.
    pub fn wants(&self, pod: &Pod) -> bool {
        matches!(self.decide(pod), Decision::In { .. })
    }

    /// Returns the same with another label on one namespace.
    #[must_use]
    pub fn with(mut self, namespace: &str, mode: Option<&str>) -> Self {
        self.selection.namespaces.insert(namespace.to_owned(), mode.map(str::to_owned));
        self
    }
}

/// Reads which namespaces the node agent was told to leave alone, as the agent itself reads it: by default if there is none.
fn excluded(agent: Option<&DaemonSet>) -> BTreeSet<String> {
    let pod = agent.and_then(|set| set.spec.as_ref()?.template.spec.as_ref());
    let variables =
        pod.into_iter().flat_map(|pod| &pod.containers).flat_map(|container| container.env.iter().flatten());
    // An empty value is left out of the object, and set all the same.
    let set: BTreeMap<&str, &str> =
        variables.map(|variable| (variable.name.as_str(), variable.value.as_deref().unwrap_or_default())).collect();
    let read = |name: &str| match name {
        "NODE_NAME" => Some("any".to_owned()),
        "EXCLUDE_NAMESPACES" => set.get(name).map(|&value| value.to_owned()),
        _ => None,
    };
    cni::Config::from_env(read).map(|config| config.excluded).unwrap_or_default()
}

/// Says why a pod is not enrolled, as the rest of a sentence that begins with the pod.
pub fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::NotSelected => "is not selected by any label",
        Reason::PodOptsOut => "says `none` itself",
        Reason::NamespaceOptsOut => "is in a namespace that says `none`",
        Reason::ExcludedNamespace => "is in a namespace that is never enrolled",
        Reason::HostNetwork => "lives in its node's own network",
        Reason::Sidecar => "is served by a sidecar",
        Reason::Finished => "has ended",
    }
}

/// Returns whether the node agent says that the pod is captured.
pub fn captured(pod: &Pod) -> bool {
    redirection(pod) == Some("enabled")
}

fn redirection(pod: &Pod) -> Option<&str> {
    pod.annotations().get(REDIRECTION_ANNOTATION).map(String::as_str)
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

/// Where a running pod stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Whether it should be captured.
    pub decision: Decision,
    /// Whether it is.
    pub captured: bool,
    /// Where it runs, and how far it is, for people.
    place: String,
}

impl Standing {
    fn of(pod: &Pod, modes: &Modes) -> Self {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or("no node");
        let state = redirection(pod).unwrap_or("not captured").replace("enabled", "still captured");
        Self { decision: modes.decide(pod), captured: captured(pod), place: format!("on {node}: {state}") }
    }

    /// Returns whether it should be captured.
    pub fn wanted(&self) -> bool {
        matches!(self.decision, Decision::In { .. })
    }

    fn settled(&self) -> bool {
        self.wanted() == self.captured
    }
}

/// Waits until every running pod that `concerns` us is as `modes` wants it. Returns where each of them stands, by
/// `namespace/name`.
pub async fn settle(
    cluster: &Cluster,
    modes: &Modes,
    concerns: impl Fn(&Pod) -> bool,
    limit: Duration,
    progress: &Progress,
) -> Result<BTreeMap<String, Standing>, Error> {
    let mut known: HashMap<String, Standing> = HashMap::new();
    let watching = async {
        let pods = watcher(Api::<Pod>::all(cluster.client.clone()), Config::default()).backoff(EverySecond);
        let mut events = pin!(pods);
        let mut complete = false;
        while let Some(event) = events.next().await {
            let key = |pod: &Pod| format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
            match event {
                Ok(Event::Apply(pod) | Event::InitApply(pod)) if concerns(&pod) && running(&pod) => {
                    known.insert(key(&pod), Standing::of(&pod, modes));
                }
                Ok(Event::Apply(pod) | Event::InitApply(pod) | Event::Delete(pod)) => {
                    known.remove(&key(&pod));
                }
                Ok(Event::Init) => {
                    complete = false;
                    known.clear();
                }
                Ok(Event::InitDone) => complete = true,
                Err(error) => cluster.watch_again("watch pods", &error, progress)?,
            }
            let done = known.values().filter(|standing| standing.settled()).count();
            if complete {
                progress.set("pods", done, known.len());
                if done == known.len() {
                    break;
                }
            }
        }
        Ok(())
    };
    let ended = tokio::time::timeout(limit, watching).await;
    progress.clear();
    match ended {
        Ok(Ok(())) => Ok(known.into_iter().collect()),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(late(known.into_iter().collect(), limit)),
    }
}

/// Names the pods that are not as they should be.
fn late(known: BTreeMap<String, Standing>, limit: Duration) -> Error {
    const NAMED: usize = 10;
    let late: Vec<_> = known.iter().filter(|(_, standing)| !standing.settled()).collect();
    let mut error = match (late.len(), known.len()) {
        (0, _) => Error::user(format!("the pods are not known after {} s", limit.as_secs())),
        (late, all) => Error::user(format!("{late} of {all} pods are not as wanted after {} s", limit.as_secs())),
    };
    for (name, standing) in late.iter().take(NAMED) {
        error = error.because(format!("pod {name} {}", standing.place));
    }
    if late.len() > NAMED {
        error = error.because(format!("and {} more", late.len() - NAMED));
    }
    error.hint("`ambient status` tells whether the node agent runs on every node")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn agent(env: serde_json::Value) -> DaemonSet {
        let container = json!({"name": "cni", "env": env});
        serde_json::from_value(json!({
            "metadata": {"name": "ambient-cni"},
            "spec": {"selector": {}, "template": {"spec": {"containers": [container]}}},
        }))
        .expect("a DaemonSet")
    }

    #[test]
    fn exclusions_are_read_as_the_node_agent_reads_them() {
        let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<BTreeSet<String>>();
        let table = [
            (json!([]), names(&["kube-system"])),
            (json!([{"name": "EXCLUDE_NAMESPACES", "value": "a, b"}]), names(&["a", "b"])),
            (json!([{"name": "EXCLUDE_NAMESPACES", "value": ""}]), names(&[])),
            // As the API server keeps an empty value.
            (json!([{"name": "EXCLUDE_NAMESPACES"}]), names(&[])),
        ];
        for (env, expected) in table {
            assert_eq!(excluded(Some(&agent(env.clone()))), expected, "{env}");
        }
        assert_eq!(excluded(None), names(&["kube-system"]));
    }

    #[test]
    fn pods_are_read_as_the_node_agent_reads_them() {
        let modes = Modes::of("istio-system", BTreeSet::from(["data".to_owned()]))
            .with("shop", Some("ambient"))
            .with("odd", Some("nonsense"))
            .with("istio-system", Some("ambient"));
        let out = Decision::Out;
        let enrolled = Decision::In { inbound: true };
        let table = [
            ("shop", json!({}), enrolled),
            ("odd", json!({}), enrolled),
            ("elsewhere", json!({}), enrolled),
            ("data", json!({"metadata": {"labels": {MODE_LABEL: "ambient"}}}), out(Reason::ExcludedNamespace)),
            ("istio-system", json!({}), out(Reason::ExcludedNamespace)),
            ("shop", json!({"metadata": {"labels": {MODE_LABEL: "none"}}}), out(Reason::PodOptsOut)),
            ("shop", json!({"metadata": {"annotations": {SIDECAR_ANNOTATION: "{}"}}}), out(Reason::Sidecar)),
            ("shop", json!({"spec": {"hostNetwork": true, "containers": []}}), out(Reason::HostNetwork)),
            ("shop", json!({"status": {"phase": "Succeeded"}}), out(Reason::Finished)),
            ("shop", json!({"status": {"phase": "Failed"}}), out(Reason::Finished)),
        ];
        for (namespace, pod, expected) in table {
            let mut read: Pod = serde_json::from_value(pod.clone()).expect("a pod");
            read.metadata.namespace = Some(namespace.to_owned());
            assert_eq!(modes.decide(&read), expected, "{namespace} {pod}");
        }
    }
}
