//! Waiting for workloads to be ready, by watch; and when time is up, saying which pod is in the way and why.

use std::{
    collections::{BTreeSet, HashSet},
    mem,
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, future::try_join_all};
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment},
    core::v1::{Event, Pod},
};
use kube::{
    Api,
    api::{ListParams, LogParams},
    runtime::{WatchStreamExt, watcher::watch_object},
};

use crate::{
    cluster::{
        Cluster, EverySecond,
        trouble::{self, Trouble},
    },
    error::Error,
    screen::progress::Progress,
};

/// A workload of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Control plane.
    Agent,
    /// Node agent.
    Cni,
    /// Node proxy.
    Ztunnel,
}

impl Workload {
    /// All of them, in the order in which they depend on one another.
    pub const ALL: [Self; 3] = [Self::Agent, Self::Cni, Self::Ztunnel];

    /// Returns the name of the Deployment or DaemonSet.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "ambient-agent",
            Self::Cni => "ambient-cni",
            Self::Ztunnel => "ztunnel",
        }
    }

    /// Returns the selector of its pods.
    pub fn selector(self) -> &'static str {
        match self {
            Self::Agent => "app.kubernetes.io/name=ambient-agent",
            Self::Cni => "app=ambient-cni",
            Self::Ztunnel => "app=ztunnel",
        }
    }
}

/// How far a workload is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Pods that are ready and of the newest form.
    pub ready: usize,
    /// Pods there should be.
    pub wanted: usize,
    /// Whether the numbers speak of the newest form.
    pub current: bool,
}

impl Count {
    /// Returns whether nothing is left to wait for. A mesh without pods serves nobody, so that no pod is wanted is no end:
    /// the nodes may still be to come.
    pub fn complete(self) -> bool {
        self.current && self.wanted > 0 && self.ready >= self.wanted
    }
}

/// Waits until all workloads are ready; tells meanwhile what will not heal by itself.
pub async fn ready(cluster: &Cluster, limit: Duration, progress: &Progress) -> Result<(), Error> {
    let all = try_join_all(Workload::ALL.map(|workload| one(cluster, workload, progress)));
    let waiting = async {
        tokio::select! {
            done = all => done.map(drop),
            () = tell_troubles(cluster, progress) => Ok(()),
        }
    };
    let result = tokio::time::timeout(limit, waiting).await;
    progress.clear();
    match result {
        Ok(done) => done,
        Err(_) => Err(overdue(cluster, limit).await),
    }
}

/// Says at once what only the operator can mend; an image that is loaded meanwhile lets the installation go on. Never ends.
async fn tell_troubles(cluster: &Cluster, progress: &Progress) {
    // An installation that goes well is over by then.
    const FIRST: Duration = Duration::from_secs(3);
    const EVERY: Duration = Duration::from_secs(2);
    // Of a hundred pods in one trouble, the first is told of.
    let mut told = HashSet::new();
    tokio::time::sleep(FIRST).await;
    loop {
        for workload in Workload::ALL {
            // What cannot be asked now is asked again.
            for pod in pods(cluster, workload).await.unwrap_or_default() {
                if let Some(trouble) = Trouble::of(&pod)
                    && told.insert((workload.name(), mem::discriminant(&trouble)))
                {
                    progress.note(&format!("! {trouble}"));
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn overdue(cluster: &Cluster, limit: Duration) -> Error {
    let mut error = Error::user(format!("not ready within {} s", limit.as_secs()));
    let mut images = BTreeSet::new();
    for workload in Workload::ALL {
        for reason in obstacles(cluster, workload).await {
            error = error.because(reason);
        }
        let pods = pods(cluster, workload).await.unwrap_or_default();
        images.extend(
            pods.iter().filter_map(Trouble::of).filter_map(|trouble| trouble.missing_image().map(str::to_owned)),
        );
    }
    error.hint(match images.first() {
        Some(image) => trouble::how_to_load(image),
        None => format!("`ambient install` may be run again; `kubectl -n {} describe pod` tells more", cluster.system),
    })
}

async fn pods(cluster: &Cluster, workload: Workload) -> Result<Vec<Pod>, Error> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.system);
    let list = pods.list(&ListParams::default().labels(workload.selector())).await;
    Ok(list.map_err(|error| cluster.failed("list pods", &error))?.items)
}

/// Counts the pods of a workload as they are now.
pub async fn count(cluster: &Cluster, workload: Workload) -> Result<Option<Count>, Error> {
    let failed = |error: kube::Error| cluster.failed(&format!("read {}", workload.name()), &error);
    let client = cluster.client.clone();
    Ok(match workload {
        Workload::Agent => {
            let api: Api<Deployment> = Api::namespaced(client, &cluster.system);
            api.get_opt(workload.name()).await.map_err(failed)?.as_ref().map(of_deployment)
        }
        Workload::Cni | Workload::Ztunnel => {
            let api: Api<DaemonSet> = Api::namespaced(client, &cluster.system);
            api.get_opt(workload.name()).await.map_err(failed)?.as_ref().map(of_daemon_set)
        }
    })
}

async fn one(cluster: &Cluster, workload: Workload, progress: &Progress) -> Result<(), Error> {
    let client = cluster.client.clone();
    let (name, system) = (workload.name(), &cluster.system);
    let mut counts = match workload {
        Workload::Agent => watch_object(Api::namespaced(client, system), name)
            .backoff(EverySecond)
            .map_ok(|object: Option<Deployment>| object.as_ref().map(of_deployment))
            .boxed(),
        Workload::Cni | Workload::Ztunnel => watch_object(Api::namespaced(client, system), name)
            .backoff(EverySecond)
            .map_ok(|object: Option<DaemonSet>| object.as_ref().map(of_daemon_set))
            .boxed(),
    };
    while let Some(next) = counts.next().await {
        let count = match next {
            Ok(Some(count)) => count,
            // Deleted while we wait for it: somebody else may make it again, and the time-out above bounds it.
            Ok(None) => continue,
            Err(error) => {
                cluster.watch_again(&format!("watch {name}"), &error, progress)?;
                continue;
            }
        };
        progress.set(name, count.ready, count.wanted);
        if count.complete() {
            return Ok(());
        }
    }
    Err(Error::internal(format!("the watch of {name} ended")))
}

fn of_deployment(object: &Deployment) -> Count {
    let wanted = object.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let status = object.status.clone().unwrap_or_default();
    let updated = status.updated_replicas.unwrap_or(0);
    // Old pods may still be ready beside new ones that are not: count what is both.
    let old = status.replicas.unwrap_or(0) - updated;
    let ready = (status.available_replicas.unwrap_or(0) - old).min(updated).max(0);
    Count {
        ready: number(ready),
        wanted: number(wanted),
        current: status.observed_generation >= object.metadata.generation,
    }
}

fn of_daemon_set(object: &DaemonSet) -> Count {
    let status = object.status.clone().unwrap_or_default();
    let ready = status.number_ready.min(status.updated_number_scheduled.unwrap_or(0));
    Count {
        ready: number(ready),
        wanted: number(status.desired_number_scheduled),
        current: status.observed_generation >= object.metadata.generation,
    }
}

fn number(count: i32) -> usize {
    usize::try_from(count).unwrap_or(0)
}

/// Says of a workload that is not complete what is in the way: of each pod that is not ready where it is, what it waits for,
/// its last event and its last words.
pub async fn obstacles(cluster: &Cluster, workload: Workload) -> Vec<String> {
    let name = workload.name();
    let count = match count(cluster, workload).await {
        Ok(Some(count)) if count.complete() => return Vec::new(),
        Ok(Some(count)) => count,
        Ok(None) => return vec![format!("{name} is not installed")],
        Err(error) => return vec![error.one_line()],
    };
    if count.current && count.wanted == 0 {
        return vec![format!("{name}: no pod is wanted, on no node")];
    }
    let pods = match pods(cluster, workload).await {
        Ok(pods) => pods,
        Err(error) => return vec![error.one_line()],
    };
    let mut found = obstacles_of(cluster, (&cluster.system, name), &pods).await;
    if found.is_empty() {
        found.push(format!("{name}: {} of {} pods are ready and of the newest form", count.ready, count.wanted));
    }
    found
}

/// Says of the pods of a workload, by its namespace and name, what each that is not ready waits for; or why there is none.
pub async fn obstacles_of(cluster: &Cluster, (namespace, name): (&str, &str), pods: &[Pod]) -> Vec<String> {
    /// A cluster of a hundred nodes fails for one reason, not for a hundred.
    const TOLD: usize = 5;
    if pods.is_empty() {
        let of_it = |object: &str| object == name || object.starts_with(&format!("{name}-"));
        let event = last_event(cluster, namespace, of_it).await;
        let event = event.map_or_else(String::new, |(reason, text)| format!("\nlast event: {reason}: {text}"));
        return vec![format!("{name}: no pod was made{event}")];
    }
    let waiting: Vec<&Pod> = pods.iter().filter(|pod| !is_ready(pod)).collect();
    let mut found = Vec::new();
    for pod in waiting.iter().take(TOLD) {
        found.push(obstacle(cluster, namespace, pod).await);
    }
    if waiting.len() > TOLD {
        found.push(format!("{name}: {} more pods are not ready", waiting.len() - TOLD));
    }
    found
}

async fn obstacle(cluster: &Cluster, namespace: &str, pod: &Pod) -> String {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_else(|| "no node".into());
    let mut text = format!("pod {name} on {node}: {}", waiting_reason(pod));
    if matches!(Trouble::of(pod), Some(Trouble::Image(_))) {
        // Its events say the same at length, and it has said nothing itself.
        return text;
    }
    // It often says in its own words what the state says already.
    if let Some((reason, message)) = last_event(cluster, namespace, |object| object == name).await
        && !text.contains(&message)
    {
        text += &format!("\nlast event: {reason}: {message}");
    }
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let params = LogParams { tail_lines: Some(5), ..LogParams::default() };
    if let Ok(log) = pods.logs(&name, &params).await
        && !log.trim().is_empty()
    {
        text += &format!("\nlast log lines:\n  {}", log.trim_end().replace('\n', "\n  "));
    }
    text
}

/// Returns whether the pod reports itself ready.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
}

fn waiting_reason(pod: &Pod) -> String {
    let Some(status) = &pod.status else { return "no status yet".into() };
    for container in status.container_statuses.iter().flatten() {
        let state = container.state.clone().unwrap_or_default();
        if let Some(waiting) = state.waiting {
            let reason = waiting.reason.unwrap_or_else(|| "waiting".into());
            return waiting.message.map_or_else(|| reason.clone(), |message| format!("{reason}: {message}"));
        }
        if let Some(ended) = state.terminated {
            return format!("ended with code {} ({})", ended.exit_code, ended.reason.unwrap_or_default());
        }
        if !container.ready {
            return "running, but its readiness probe fails".into();
        }
    }
    let unmet = status.conditions.iter().flatten().find(|condition| condition.status != "True");
    let message = unmet.and_then(|condition| condition.message.clone());
    message.unwrap_or_else(|| status.phase.clone().unwrap_or_else(|| "no phase yet".into()))
}

/// Returns reason and message of the last event of the objects of these names, if events may be read.
async fn last_event(cluster: &Cluster, namespace: &str, named: impl Fn(&str) -> bool) -> Option<(String, String)> {
    let events: Api<Event> = Api::namespaced(cluster.client.clone(), namespace);
    let mut list = events.list(&ListParams::default()).await.ok()?.items;
    list.retain(|event| event.involved_object.name.as_deref().is_some_and(&named));
    list.sort_by_key(|event| event.last_timestamp.clone());
    // A warning says more than the routine around it.
    let warning = list.iter().rev().find(|event| event.type_.as_deref() == Some("Warning"));
    let event = warning.or(list.last())?;
    Some((event.reason.clone().unwrap_or_default(), event.message.clone().unwrap_or_default()))
}
