//! Objects from a Kubernetes API, watched for as long as the process lives.

use std::{collections::HashSet, fmt::Debug, net::IpAddr, time::Duration};

use futures::StreamExt;
use k8s_openapi::{
    api::{core::v1 as core, discovery::v1 as discovery},
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use crate::{
    Change,
    object::{
        Custom, Endpoint, EndpointSlice, Kind, Map, Namespace, Node, Object, ObjectKey, Pod, Service, ServicePort,
        Target,
    },
};

/// How many changes wait for the reader before the watches pause.
const QUEUE: usize = 1024;

/// Watches every kind and tells all changes on one channel.
#[must_use]
pub fn watch(client: &Client) -> mpsc::Receiver<Change> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let start = |kind: Kind| (kind, sender.clone());
    tokio::spawn(follow(Api::<core::Namespace>::all(client.clone()), start(Kind::Namespace), namespace));
    tokio::spawn(follow(Api::<core::Node>::all(client.clone()), start(Kind::Node), node));
    tokio::spawn(follow(Api::<core::Pod>::all(client.clone()), start(Kind::Pod), pod));
    tokio::spawn(follow(Api::<core::Service>::all(client.clone()), start(Kind::Service), service));
    tokio::spawn(follow(Api::<discovery::EndpointSlice>::all(client.clone()), start(Kind::EndpointSlice), slice));
    for (kind, wrap) in [
        (Kind::PeerAuthentication, Object::PeerAuthentication as fn(Custom) -> Object),
        (Kind::AuthorizationPolicy, Object::AuthorizationPolicy),
    ] {
        let api = Api::<DynamicObject>::all_with(client.clone(), &resource(kind));
        tokio::spawn(follow(api, start(kind), move |object| Some(wrap(custom(object)))));
    }
    receiver
}

/// Returns the API resource of a custom kind.
#[must_use]
pub fn resource(kind: Kind) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("security.istio.io", "v1", &format!("{kind:?}")))
}

async fn follow<K, F>(api: Api<K>, (kind, changes): (Kind, mpsc::Sender<Change>), slim: F)
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    F: Fn(K) -> Option<Object>,
{
    let config = watcher::Config::default().page_size(500);
    let mut events = Box::pin(watcher(api, config).default_backoff());
    let mut known: HashSet<ObjectKey> = HashSet::new();
    let mut listed: HashSet<ObjectKey> = HashSet::new();
    let mut told = false;
    while let Some(event) = events.next().await {
        let apply = |object: K, known: &mut HashSet<ObjectKey>| {
            let key = key(object.meta());
            known.insert(key.clone());
            match slim(object) {
                Some(object) => Change::Apply(object),
                None => Change::Delete(kind, key),
            }
        };
        let out = match event {
            Ok(watcher::Event::Init) => {
                listed.clear();
                vec![]
            }
            Ok(watcher::Event::InitApply(object)) => {
                listed.insert(key(object.meta()));
                vec![apply(object, &mut known)]
            }
            Ok(watcher::Event::InitDone) => {
                // What the new list no longer has was deleted while nobody watched.
                let mut out: Vec<Change> = known.difference(&listed).map(|k| Change::Delete(kind, k.clone())).collect();
                known = std::mem::take(&mut listed);
                if !std::mem::replace(&mut told, true) {
                    out.push(Change::Synced(kind));
                }
                out
            }
            Ok(watcher::Event::Apply(object)) => vec![apply(object, &mut known)],
            Ok(watcher::Event::Delete(object)) => {
                let key = key(object.meta());
                known.remove(&key);
                vec![Change::Delete(kind, key)]
            }
            Err(error) => {
                // A kind that is not installed has no objects; it is looked for again.
                let absent = matches!(&error, watcher::Error::InitialListFailed(kube::Error::Api(s)) if s.code == 404);
                if absent {
                    debug!(?kind, "the kind is not installed");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                } else {
                    warn!(?kind, %error, "watch failed, trying again");
                }
                if absent && !std::mem::replace(&mut told, true) { vec![Change::Synced(kind)] } else { vec![] }
            }
        };
        for change in out {
            if changes.send(change).await.is_err() {
                return;
            }
        }
    }
}

fn key(meta: &ObjectMeta) -> ObjectKey {
    ObjectKey { namespace: meta.namespace.clone().unwrap_or_default(), name: meta.name.clone().unwrap_or_default() }
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
    }))
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

fn custom(object: DynamicObject) -> Custom {
    Custom {
        key: key(&object.metadata),
        labels: object.metadata.labels.unwrap_or_default(),
        annotations: object.metadata.annotations.unwrap_or_default(),
        created: object.metadata.creation_timestamp.map(|t| t.0.to_string()).unwrap_or_default(),
        generation: object.metadata.generation.unwrap_or_default(),
        spec: object.data.get("spec").cloned().unwrap_or_default(),
    }
}
