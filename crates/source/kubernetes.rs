//! Objects from a Kubernetes API, watched for as long as the process lives.

use std::{collections::BTreeMap, fmt::Debug, net::IpAddr, time::Duration};

use k8s_openapi::{
    api::{core::v1 as core, discovery::v1 as discovery},
    apimachinery::pkg::{apis::meta::v1::Condition, util::intstr::IntOrString},
};
use kube::{
    Api, Client, Resource,
    api::{ApiResource, GroupVersionKind},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::debug;

use crate::{
    Change, Kind, custom,
    follow::{End, Follower, key},
    object::{Endpoint, EndpointSlice, Map, Namespace, Node, Object, Pod, Service, ServicePort, Target},
};

/// How many changes wait for the reader before the watches pause.
const QUEUE: usize = 1024;
/// How long to wait before a kind of Kubernetes itself is looked for again.
const AGAIN: Duration = Duration::from_secs(1);

/// Watches every kind and tells all changes on one channel.
#[must_use]
pub fn watch(client: &Client) -> mpsc::Receiver<Change> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let start = |kind: Kind| Follower::new(kind, sender.clone());
    tokio::spawn(follow(Api::<core::Namespace>::all(client.clone()), start(Kind::Namespace), namespace));
    tokio::spawn(follow(Api::<core::Node>::all(client.clone()), start(Kind::Node), node));
    tokio::spawn(follow(Api::<core::Pod>::all(client.clone()), start(Kind::Pod), pod));
    tokio::spawn(follow(Api::<core::Service>::all(client.clone()), start(Kind::Service), service));
    tokio::spawn(follow(Api::<discovery::EndpointSlice>::all(client.clone()), start(Kind::EndpointSlice), slice));
    let mut groups: BTreeMap<&'static str, Vec<Kind>> = BTreeMap::new();
    for kind in Kind::ALL.into_iter().filter(|kind| !kind.is_native()) {
        groups.entry(kind.place().group).or_default().push(kind);
    }
    for (group, kinds) in groups {
        tokio::spawn(custom::watch(client.clone(), group, kinds, sender.clone()));
    }
    receiver
}

/// Returns the API resource of a kind in one of its versions; in the best one if none is named.
#[must_use]
pub fn resource(kind: Kind, version: &str) -> ApiResource {
    let place = kind.place();
    let version = if version.is_empty() { place.versions[0] } else { version };
    let named = GroupVersionKind::gvk(place.group, version, &format!("{kind:?}"));
    ApiResource::from_gvk_with_plural(&named, place.plural)
}

async fn follow<K, F>(api: Api<K>, mut follower: Follower, slim: F)
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    F: Fn(K) -> Option<Object>,
{
    while follower.run(api.clone(), &slim).await == End::Absent && follower.absent().await == End::Absent {
        debug!(kind = ?follower.kind(), "the kind is not served");
        tokio::time::sleep(AGAIN).await;
    }
}

fn namespace(object: core::Namespace) -> Option<Object> {
    let meta = object.metadata;
    Some(Object::Namespace(Namespace {
        name: meta.name?,
        labels: meta.labels.unwrap_or_default(),
        annotations: ours(meta.annotations),
        deleting: meta.deletion_timestamp.is_some(),
    }))
}

fn node(object: core::Node) -> Option<Object> {
    Some(Object::Node(Node { name: object.metadata.name?, labels: object.metadata.labels.unwrap_or_default() }))
}

/// Keeps the annotations of the mesh: others may be large, and nothing here reads them.
fn ours(annotations: Option<Map>) -> Map {
    annotations.unwrap_or_default().into_iter().filter(|(k, _)| k.contains("istio.io/")).collect()
}

/// Returns what the mesh reads of a pod.
#[must_use]
pub fn pod(object: core::Pod) -> Option<Object> {
    let key = key(&object.metadata);
    let meta = object.metadata;
    let spec = object.spec.unwrap_or_default();
    let status = object.status.unwrap_or_default();
    let mut addresses: Vec<IpAddr> =
        status.pod_ips.unwrap_or_default().iter().filter_map(|a| a.ip.parse().ok()).collect();
    if addresses.is_empty() {
        addresses.extend(status.pod_ip.and_then(|ip| ip.parse::<IpAddr>().ok()));
    }
    // A sidecar that restarts is a container like others; an init container that ends is not.
    let sidecars =
        spec.init_containers.unwrap_or_default().into_iter().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let ports = spec.containers.into_iter().chain(sidecars).flat_map(|c| c.ports.unwrap_or_default());
    let tcp = ports.filter(|p| p.protocol.as_deref().is_none_or(|p| p == "TCP"));
    let named = tcp.filter_map(|p| Some((p.name?, u16::try_from(p.container_port).ok()?)));
    Some(Object::Pod(Pod {
        key,
        uid: meta.uid.unwrap_or_default(),
        labels: meta.labels.unwrap_or_default(),
        annotations: ours(meta.annotations),
        node: spec.node_name.unwrap_or_default(),
        service_account: spec.service_account_name.unwrap_or_else(|| "default".to_owned()),
        host_network: spec.host_network.unwrap_or_default(),
        addresses,
        ready: status.conditions.unwrap_or_default().iter().any(|c| c.type_ == "Ready" && c.status == "True"),
        ended: matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")),
        deleting: meta.deletion_timestamp.is_some(),
        owner: meta
            .owner_references
            .unwrap_or_default()
            .into_iter()
            .find(|o| o.controller == Some(true))
            .map(|o| (o.kind, o.name)),
        ports: named.collect(),
    }))
}

/// Returns what the mesh reads of a service.
#[must_use]
pub fn service(object: core::Service) -> Option<Object> {
    let key = key(&object.metadata);
    let spec = object.spec.unwrap_or_default();
    // A Kubernetes API fills in the one from the other; a manifest may have only the first.
    let addresses = spec.cluster_ips.unwrap_or_else(|| spec.cluster_ip.into_iter().collect());
    let number = |n: i32| u16::try_from(n).ok();
    let tcp = spec.ports.unwrap_or_default().into_iter().filter(|p| p.protocol.as_deref().is_none_or(|p| p == "TCP"));
    let ports = tcp.filter_map(|p| {
        let port = number(p.port)?;
        let target = match p.target_port {
            Some(IntOrString::Int(n)) => Target::Number(number(n)?),
            Some(IntOrString::String(name)) => Target::Name(name),
            None => Target::Number(port),
        };
        Some(ServicePort { name: p.name.unwrap_or_default(), port, target, app_protocol: p.app_protocol })
    });
    Some(Object::Service(Service {
        key,
        labels: object.metadata.labels.unwrap_or_default(),
        annotations: ours(object.metadata.annotations),
        selector: spec.selector.unwrap_or_default(),
        addresses: addresses.iter().filter_map(|a| a.parse().ok()).collect(),
        ports: ports.collect(),
        traffic_distribution: spec.traffic_distribution,
        local_only: spec.internal_traffic_policy.as_deref() == Some("Local"),
        publish_not_ready: spec.publish_not_ready_addresses.unwrap_or_default(),
        external_name: spec.type_.as_deref() == Some("ExternalName"),
        families: spec.ip_families.unwrap_or_default(),
        version: object.metadata.resource_version.unwrap_or_default(),
        status: object.status.map_or(Value::Null, |status| conditions(status.conditions.unwrap_or_default())),
    }))
}

/// Returns a status that has only the conditions of the mesh, which are few: a load balancer's and others' are not read.
fn conditions(all: Vec<Condition>) -> Value {
    let ours: Vec<Condition> = all.into_iter().filter(|c| c.type_.starts_with("istio.io/")).collect();
    if ours.is_empty() { Value::Null } else { json!({ "conditions": ours }) }
}

fn slice(object: discovery::EndpointSlice) -> Option<Object> {
    let key = key(&object.metadata);
    let service = object.metadata.labels?.remove("kubernetes.io/service-name")?;
    let ports =
        object.ports.unwrap_or_default().into_iter().filter(|p| p.protocol.as_deref().is_none_or(|p| p == "TCP"));
    let endpoints = object.endpoints.into_iter().map(|e| Endpoint {
        address: e.addresses.first().and_then(|a| a.parse().ok()),
        pod: e.target_ref.filter(|t| t.kind.as_deref() == Some("Pod")).and_then(|t| t.name),
        ready: e.conditions.is_none_or(|c| c.ready.unwrap_or(true)),
    });
    Some(Object::EndpointSlice(EndpointSlice {
        key,
        service,
        ports: ports.filter_map(|p| Some((p.name.unwrap_or_default(), u16::try_from(p.port?).ok()?))).collect(),
        endpoints: endpoints.collect(),
    }))
}
