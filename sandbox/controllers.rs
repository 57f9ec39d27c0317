//! What a cluster's controllers and its scheduler do, as far as a sandbox needs it: pods of Deployments and DaemonSets,
//! nodes for pods, addresses for Services. One pure plan from all objects, made anew whenever one of them changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::Ipv4Addr,
};

use k8s_openapi::{
    api::{apps::v1 as apps, core::v1 as core},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tracing::warn;

/// The label by which pods of one template are told from those of another.
const TEMPLATE: &str = "pod-template-hash";

/// The most pods of a Deployment that are made in one round.
const BURST: usize = 25;

/// All that the controllers look at.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Deployments.
    pub deployments: Vec<apps::Deployment>,
    /// DaemonSets.
    pub daemon_sets: Vec<apps::DaemonSet>,
    /// Pods.
    pub pods: Vec<core::Pod>,
    /// Services.
    pub services: Vec<core::Service>,
    /// Names and labels of nodes.
    pub nodes: BTreeMap<String, BTreeMap<String, String>>,
}

/// One change.
#[expect(clippy::large_enum_variant, reason = "a handful exists at a time")]
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Make a pod.
    Create(core::Pod),
    /// Delete the pod of this namespace, name and unique name.
    Delete(String, String, String),
    /// Put a pod on a node.
    Bind(String, String, String),
    /// Give a service its address.
    Address(String, String, Ipv4Addr),
    /// Write a status: kind, namespace, name.
    Status(&'static str, String, String, Value),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(pod) => write!(f, "create pod {}/{}", pod.namespace().unwrap_or_default(), pod.name_any()),
            Self::Delete(namespace, name, _) => write!(f, "delete pod {namespace}/{name}"),
            Self::Bind(namespace, name, node) => write!(f, "put pod {namespace}/{name} on {node}"),
            Self::Address(namespace, name, address) => write!(f, "give service {namespace}/{name} {address}"),
            Self::Status(kind, namespace, name, _) => write!(f, "write the status of {kind} {namespace}/{name}"),
        }
    }
}

/// Plans what to do next; the API makes the ends of pods' names.
pub fn plan(view: &View) -> Vec<Step> {
    let mut steps = addresses(view);
    for deployment in &view.deployments {
        steps.extend(self::deployment(view, deployment));
    }
    for set in &view.daemon_sets {
        steps.extend(daemon_set(view, set));
    }
    steps.extend(orphans(view));
    steps.extend(schedule(view));
    steps
}

fn addresses(view: &View) -> Vec<Step> {
    let given = |s: &core::Service| s.spec.as_ref().and_then(|s| s.cluster_ip.clone()).filter(|ip| !ip.is_empty());
    let mut taken: BTreeSet<String> = view.services.iter().filter_map(given).collect();
    let mut steps = Vec::new();
    for service in view.services.iter().filter(|s| given(s).is_none()) {
        // The first one is kept free, as clusters have it for their API.
        let free = (2..65_000_u16).map(|n| Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 96, 0, 0)) + u32::from(n)));
        let Some(free) = free.into_iter().find(|ip| !taken.contains(&ip.to_string())) else { break };
        taken.insert(free.to_string());
        steps.push(Step::Address(service.namespace().unwrap_or_default(), service.name_any(), free));
    }
    steps
}

fn owned<'a>(view: &'a View, uid: &str) -> Vec<&'a core::Pod> {
    let by = |pod: &&core::Pod| pod.owner_references().iter().any(|o| o.uid == uid && o.controller == Some(true));
    view.pods.iter().filter(by).collect()
}

fn going(pod: &core::Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

fn ready(pod: &core::Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    !going(pod) && conditions.into_iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True")
}

fn ended(pod: &core::Pod) -> bool {
    matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"))
}

fn delete(pod: &core::Pod) -> Step {
    Step::Delete(pod.namespace().unwrap_or_default(), pod.name_any(), pod.uid().unwrap_or_default())
}

fn deployment(view: &View, deployment: &apps::Deployment) -> Vec<Step> {
    let (Some(spec), Some(uid)) = (&deployment.spec, deployment.uid()) else { return vec![] };
    if deployment.metadata.deletion_timestamp.is_some() {
        return vec![];
    }
    let hash = hash(&spec.template);
    let wanted = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);
    let pods: Vec<&core::Pod> = owned(view, &uid).into_iter().filter(|p| !going(p)).collect();
    let of_now = |p: &&core::Pod| p.labels().get(TEMPLATE) == Some(&hash);
    let (current, mut old): (Vec<&core::Pod>, Vec<&core::Pod>) = pods.iter().copied().partition(of_now);
    let (dead, mut current): (Vec<&core::Pod>, Vec<&core::Pod>) = current.into_iter().partition(|p| ended(p));
    let mut steps: Vec<Step> = dead.into_iter().map(delete).collect();
    let set = format!("{}-{hash}", deployment.name_any());
    // A few at a time: the next round makes more.
    for _ in current.len()..wanted.min(current.len() + BURST) {
        // The owner is named as a ReplicaSet, which is how the mesh finds the Deployment's name.
        let made = pod(&spec.template, deployment, ("ReplicaSet", &set, &uid), &hash);
        steps.push(Step::Create(made));
    }
    // The newest that are not ready go first.
    current.sort_by_key(|p| (ready(p), std::cmp::Reverse(p.metadata.creation_timestamp.clone())));
    let surplus = current.len().saturating_sub(wanted);
    steps.extend(current.iter().take(surplus).map(|p| delete(p)));
    // Make before break: an old one goes for each new one that takes traffic.
    let new = current.iter().skip(surplus).filter(|p| ready(p)).count();
    old.sort_by_key(|p| ready(p));
    let broken = old.iter().filter(|p| !ready(p)).count();
    let keep = wanted.saturating_sub(new);
    let removed = old.len().saturating_sub(keep).max(broken.min(old.len()));
    steps.extend(old.iter().take(removed).map(|p| delete(p)));

    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let all_ready = count(pods.iter().filter(|p| ready(p)).count());
    let available = usize::try_from(all_ready).unwrap_or(0) >= wanted;
    let status = json!({
        "observedGeneration": deployment.metadata.generation,
        "replicas": pods.len(),
        "updatedReplicas": current.len(),
        "readyReplicas": all_ready,
        "availableReplicas": all_ready,
        "unavailableReplicas": wanted.saturating_sub(usize::try_from(all_ready).unwrap_or(0)),
        "conditions": [{
            "type": "Available",
            "status": if available { "True" } else { "False" },
            "reason": if available { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" },
        }],
    });
    steps.extend(told("Deployment", deployment, deployment.status.as_ref(), status));
    steps
}

fn daemon_set(view: &View, set: &apps::DaemonSet) -> Vec<Step> {
    let (Some(spec), Some(uid)) = (&set.spec, set.uid()) else { return vec![] };
    if set.metadata.deletion_timestamp.is_some() {
        return vec![];
    }
    let hash = hash(&spec.template);
    let pods = owned(view, &uid);
    let mut steps = Vec::new();
    let (mut up_to_date, mut all_ready) = (0, 0);
    for node in view.nodes.keys() {
        let here = pods.iter().filter(|p| p.spec.as_ref().and_then(|s| s.node_name.as_ref()) == Some(node));
        let here: Vec<&&core::Pod> = here.collect();
        all_ready += here.iter().filter(|p| ready(p)).count();
        up_to_date += here.iter().filter(|p| !going(p) && p.labels().get(TEMPLATE) == Some(&hash)).count();
        let outdated = here.iter().filter(|p| !going(p) && (p.labels().get(TEMPLATE) != Some(&hash) || ended(p)));
        steps.extend(outdated.map(|p| delete(p)));
        // One at a time on a node: two would fight for its sockets.
        if here.is_empty() {
            let mut made = pod(&spec.template, set, ("DaemonSet", &set.name_any(), &uid), &hash);
            made.spec.get_or_insert_default().node_name = Some(node.clone());
            steps.push(Step::Create(made));
        }
    }
    let status = json!({
        "observedGeneration": set.metadata.generation,
        "desiredNumberScheduled": view.nodes.len(),
        "currentNumberScheduled": pods.iter().filter(|p| !going(p)).count(),
        "updatedNumberScheduled": up_to_date,
        "numberReady": all_ready,
        "numberAvailable": all_ready,
        "numberMisscheduled": 0,
    });
    steps.extend(told("DaemonSet", set, set.status.as_ref(), status));
    steps
}

/// A status that says something new.
fn told<K: ResourceExt, S: Serialize>(kind: &'static str, object: &K, now: Option<&S>, wanted: Value) -> Option<Step> {
    let now = now.and_then(|s| serde_json::to_value(s).ok()).unwrap_or_default();
    let same = wanted.as_object().into_iter().flatten().all(|(key, value)| now.get(key).unwrap_or(&json!(0)) == value);
    (!same).then(|| Step::Status(kind, object.namespace().unwrap_or_default(), object.name_any(), wanted))
}

/// Pods whose owner is gone.
fn orphans(view: &View) -> Vec<Step> {
    let gone = |d: &ObjectMeta| d.deletion_timestamp.is_some();
    let owners: BTreeSet<&str> = view
        .deployments
        .iter()
        .map(|d| &d.metadata)
        .chain(view.daemon_sets.iter().map(|d| &d.metadata))
        .filter(|m| !gone(m))
        .filter_map(|m| m.uid.as_deref())
        .collect();
    let orphan = |pod: &&core::Pod| {
        let mut owner = pod.owner_references().iter().filter(|o| o.controller == Some(true));
        !going(pod) && owner.any(|o| matches!(o.kind.as_str(), "ReplicaSet" | "DaemonSet") && !owners.contains(&*o.uid))
    };
    view.pods.iter().filter(orphan).map(delete).collect()
}

/// Gives pods without a node the one that has the fewest of their owner, and of all.
fn schedule(view: &View) -> Vec<Step> {
    let owner = |pod: &core::Pod| pod.owner_references().first().map(|o| o.uid.clone());
    let mut placed: Vec<(String, Option<String>)> = view
        .pods
        .iter()
        .filter(|p| !ended(p))
        .filter_map(|p| Some((p.spec.as_ref()?.node_name.clone()?, owner(p))))
        .collect();
    let mut steps = Vec::new();
    let lost = |pod: &&core::Pod| {
        let node = pod.spec.as_ref().and_then(|s| s.node_name.as_ref());
        !going(pod) && node.is_some_and(|node| !view.nodes.contains_key(node))
    };
    for pod in view.pods.iter().filter(lost) {
        let node = pod.spec.as_ref().and_then(|s| s.node_name.clone()).unwrap_or_default();
        steps.extend(unscheduled(pod, format!("there is no node {node}")));
    }
    let homeless = view.pods.iter().filter(|p| !going(p) && p.spec.as_ref().is_some_and(|s| s.node_name.is_none()));
    for pod in homeless {
        let selector = pod.spec.as_ref().and_then(|s| s.node_selector.clone()).unwrap_or_default();
        let fits = |labels: &BTreeMap<String, String>| selector.iter().all(|(k, v)| labels.get(k) == Some(v));
        let of = owner(pod);
        let best = view.nodes.iter().filter(|(_, labels)| fits(labels)).min_by_key(|(node, _)| {
            let here = placed.iter().filter(|(n, _)| n == *node);
            let siblings = here.clone().filter(|(_, o)| of.is_some() && *o == of).count();
            (siblings, here.count())
        });
        match best {
            Some((node, _)) => {
                placed.push((node.clone(), of));
                steps.push(Step::Bind(pod.namespace().unwrap_or_default(), pod.name_any(), node.clone()));
            }
            None => {
                let wanted: Vec<String> = selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
                steps
                    .extend(unscheduled(pod, format!("no node has the labels of nodeSelector: {}", wanted.join(", "))));
            }
        }
    }
    steps
}

fn unscheduled(pod: &core::Pod, message: String) -> Option<Step> {
    let status = json!({ "phase": "Pending", "reason": "Unschedulable", "message": message });
    told("Pod", pod, pod.status.as_ref(), status)
}

fn pod<K: ResourceExt>(
    template: &core::PodTemplateSpec,
    parent: &K,
    (kind, owner, uid): (&str, &str, &str),
    hash: &str,
) -> core::Pod {
    let meta = template.metadata.clone().unwrap_or_default();
    let mut labels = meta.labels.unwrap_or_default();
    labels.insert(TEMPLATE.to_owned(), hash.to_owned());
    core::Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{owner}-")),
            namespace: parent.namespace(),
            labels: Some(labels),
            annotations: meta.annotations,
            owner_references: Some(vec![OwnerReference {
                api_version: "apps/v1".to_owned(),
                kind: kind.to_owned(),
                name: owner.to_owned(),
                uid: uid.to_owned(),
                controller: Some(true),
                block_owner_deletion: None,
            }]),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: None,
    }
}

/// Names a template: ten letters, as Kubernetes has it.
fn hash(template: &core::PodTemplateSpec) -> String {
    let text = serde_json::to_vec(template).unwrap_or_default();
    let letters = b"bcdfghjklmnpqrstvwxz2456789";
    let letter = |b: &u8| char::from(letters[usize::from(*b) % letters.len()]);
    Sha256::digest(&text).iter().take(10).map(letter).collect()
}

/// Reads all objects, plans, and does what is planned; returns whether there was anything to do.
///
/// # Errors
/// The objects cannot be read.
pub async fn reconcile(client: &Client, nodes: &BTreeMap<String, BTreeMap<String, String>>) -> kube::Result<bool> {
    let all = ListParams::default();
    let (deployments, daemon_sets, pods, services) = (
        Api::all(client.clone()).list(&all).await?.items,
        Api::all(client.clone()).list(&all).await?.items,
        Api::all(client.clone()).list(&all).await?.items,
        Api::all(client.clone()).list(&all).await?.items,
    );
    let view = View { deployments, daemon_sets, pods, services, nodes: nodes.clone() };
    let steps = plan(&view);
    let any = !steps.is_empty();
    for step in steps {
        if let Err(error) = apply(client, &step).await {
            match error {
                // Changed or gone meanwhile: the next plan knows.
                kube::Error::Api(refusal) if matches!(refusal.code, 404 | 409) => {}
                error => warn!(%step, %error, "a controller's step failed"),
            }
        }
    }
    Ok(any)
}

async fn apply(client: &Client, step: &Step) -> kube::Result<()> {
    let merge = PatchParams::default();
    match step {
        Step::Create(pod) => {
            let namespace = pod.namespace().unwrap_or_default();
            Api::namespaced(client.clone(), &namespace).create(&PostParams::default(), pod).await.map(drop)
        }
        Step::Delete(namespace, name, uid) => {
            let only = Preconditions { uid: Some(uid.clone()), resource_version: None };
            let how = DeleteParams { preconditions: Some(only), ..DeleteParams::default() };
            Api::<core::Pod>::namespaced(client.clone(), namespace).delete(name, &how).await.map(drop)
        }
        Step::Bind(namespace, name, node) => {
            let patch = Patch::Merge(json!({ "spec": { "nodeName": node } }));
            Api::<core::Pod>::namespaced(client.clone(), namespace).patch(name, &merge, &patch).await.map(drop)
        }
        Step::Address(namespace, name, address) => {
            let address = address.to_string();
            let patch = Patch::Merge(json!({
                "spec": { "clusterIP": address, "clusterIPs": [address], "ipFamilies": ["IPv4"] }
            }));
            Api::<core::Service>::namespaced(client.clone(), namespace).patch(name, &merge, &patch).await.map(drop)
        }
        Step::Status("Deployment", namespace, name, status) => {
            write::<apps::Deployment>(client, namespace, name, status).await
        }
        Step::Status("Pod", namespace, name, status) => write::<core::Pod>(client, namespace, name, status).await,
        Step::Status(_, namespace, name, status) => write::<apps::DaemonSet>(client, namespace, name, status).await,
    }
}

async fn write<K>(client: &Client, namespace: &str, name: &str, status: &Value) -> kube::Result<()>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()> + DeserializeOwned,
{
    let patch = Patch::Merge(json!({ "status": status }));
    let api = Api::<K>::namespaced(client.clone(), namespace);
    api.patch_status(name, &PatchParams::default(), &patch).await.map(drop)
}

#[cfg(test)]
mod tests;
