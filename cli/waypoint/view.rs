//! What the cluster says of waypoints: their Gateways, what runs them, and who names them. Only what can name one of them is asked
//! for: a cluster may have a hundred thousand pods.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Debug,
    sync::atomic::{AtomicBool, Ordering},
};

use agent::{
    binding,
    gateway::{self, Names, Waypoint},
};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        core::v1::{Namespace, Pod, Service},
    },
};
use kube::{
    Api, Resource, ResourceExt,
    api::{DynamicObject, ListParams, PartialObjectMeta},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use source::{
    ObjectKey, labels,
    object::{Custom, Map},
};

use crate::{
    cluster::Cluster,
    error::Error,
    waypoint::{
        enrol::{Kind, Labelled},
        wish::{VERSION, api, class_api, entry_api},
    },
};

/// Requests that are under way at once.
const AT_ONCE: usize = 16;

/// What the control plane says of the binding of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Whether it is bound.
    pub holds: bool,
    /// The word for it.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// What may stand behind a waypoint.
#[derive(Clone, Debug)]
pub struct Member {
    /// The object.
    pub object: Labelled,
    /// What the control plane says of it, if it is a service, of the mesh or outside of it.
    pub told: Option<Told>,
}

/// A gateway that is a waypoint, and what runs it.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// The Gateway.
    pub gateway: Custom,
    /// The Gateway, as the control plane reads it.
    pub waypoint: Waypoint,
    /// Its pods.
    pub pods: Vec<Pod>,
    /// How many pods there should be, if something says so.
    pub wanted: Option<usize>,
}

/// All that was found.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The waypoints, in the order of their names.
    pub proxies: Vec<Proxy>,
    /// Gateways that are no waypoints.
    pub others: BTreeSet<ObjectKey>,
    /// The labels of namespaces.
    pub namespaces: BTreeMap<String, Map>,
    /// Namespaces that name a waypoint by their own labels.
    pub spaces: Vec<Labelled>,
    /// Services and pods that may be behind one.
    pub members: Vec<Member>,
    /// Whether only the waypoints' own namespace could be looked at.
    pub partial: bool,
    /// Whether ServiceEntries could not be looked at.
    pub hidden: bool,
}

/// Looks at the waypoints of a namespace, or of all.
pub async fn view(cluster: &Cluster, namespace: Option<&str>) -> Result<View, Error> {
    let (gateways, classes, (spaces, partial)) =
        tokio::try_join!(gateways(cluster, namespace), classes(cluster), namespaces(cluster, namespace))?;
    let mut view = View { partial, ..View::default() };
    for object in gateways {
        let gateway = source::custom(object, VERSION);
        match read(&gateway, &classes) {
            Some(waypoint) => view.proxies.push(Proxy { gateway, waypoint, pods: Vec::new(), wanted: None }),
            None => drop(view.others.insert(gateway.key)),
        }
    }
    view.proxies.sort_by(|a, b| a.gateway.key.cmp(&b.gateway.key));
    let known: BTreeMap<&ObjectKey, &Waypoint> = view.proxies.iter().map(|p| (&p.gateway.key, &p.waypoint)).collect();
    let naming = |space: &Labelled| -> Vec<&Waypoint> {
        let named = binding::all_named(Some(&space.labels), &space.key.namespace);
        named.iter().filter_map(|key| known.get(key).copied()).collect()
    };
    let naming: Vec<(&Labelled, Vec<&Waypoint>)> = spaces.iter().map(|s| (s, naming(s))).collect();
    let naming: Vec<_> = naming.into_iter().filter(|(_, named)| !named.is_empty()).collect();
    let silent = |of_workloads: bool| {
        let all = naming.iter().filter(|(_, named)| !of_workloads || named.iter().any(|w| w.serves.workloads()));
        all.map(|(space, _)| space.key.name.clone()).collect::<Vec<String>>()
    };
    let ask = Ask { cluster, namespace, partial, hidden: AtomicBool::new(false) };
    let (members, runners) = tokio::try_join!(ask.members(silent(false), silent(true)), ask.runners())?;
    view.hidden = ask.hidden.load(Ordering::Relaxed);
    view.spaces = naming.into_iter().map(|(space, _)| space.clone()).collect();
    view.namespaces = spaces.into_iter().map(|space| (space.key.name, space.labels)).collect();
    view.members = members;
    let (pods, mut wanted) = runners;
    for pod in pods {
        let owner = |p: &&mut Proxy| {
            p.gateway.key.namespace == pod.namespace().unwrap_or_default()
                && pod.labels().get(labels::GATEWAY_NAME) == Some(&p.gateway.key.name)
        };
        view.proxies.iter_mut().filter(owner).for_each(|p| p.pods.push(pod.clone()));
    }
    for proxy in &mut view.proxies {
        proxy.wanted = wanted.remove(&proxy.gateway.key);
        proxy.pods.sort_by_key(ResourceExt::name_any);
    }
    Ok(view)
}

/// Reads a Gateway as the control plane does; the domain is of no matter for what is shown.
pub fn read(gateway: &Custom, classes: &HashMap<String, Custom>) -> Option<Waypoint> {
    let class = gateway.spec.get("gatewayClassName").and_then(|name| classes.get(name.as_str()?));
    gateway::read(gateway, class, Names { domain: "cluster.local", network: "" })
}

/// Returns all Gateways, waypoints or not.
pub async fn gateways(cluster: &Cluster, namespace: Option<&str>) -> Result<Vec<DynamicObject>, Error> {
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(cluster.client.clone(), namespace, &api()),
        None => Api::all_with(cluster.client.clone(), &api()),
    };
    match api.list(&ListParams::default()).await {
        Ok(list) => Ok(list.items),
        Err(kube::Error::Api(status)) if status.code == 404 => {
            Err(Error::user(format!("the Gateway API is not installed in the cluster at {}", cluster.url)).hint(
                "a waypoint is a Gateway: install the definitions first, see https://gateway-api.sigs.k8s.io/guides/",
            ))
        }
        Err(error) => Err(cluster.failed("list Gateways", &error)),
    }
}

/// Returns the classes by name; none where they may not be seen, as ours are known by name, too.
pub async fn classes(cluster: &Cluster) -> Result<HashMap<String, Custom>, Error> {
    let api: Api<DynamicObject> = Api::all_with(cluster.client.clone(), &class_api());
    match api.list(&ListParams::default()).await {
        Ok(list) => Ok(list.items.into_iter().map(|o| (o.name_any(), source::custom(o, VERSION))).collect()),
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Ok(HashMap::new()),
        Err(error) => Err(cluster.failed("list GatewayClasses", &error)),
    }
}

/// Returns all namespaces, or the one where the others may not be seen; and whether that is so.
async fn namespaces(cluster: &Cluster, only: Option<&str>) -> Result<(Vec<Labelled>, bool), Error> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    match (api.list_metadata(&ListParams::default()).await, only) {
        (Ok(list), _) => Ok((list.items.iter().map(|space| Labelled::of(Kind::Namespace, space)).collect(), false)),
        (Err(kube::Error::Api(status)), Some(only)) if status.code == 403 => {
            let space = api.get_metadata_opt(only).await;
            let space = space.map_err(|error| cluster.failed(&format!("read namespace {only}"), &error))?;
            Ok((space.iter().map(|space| Labelled::of(Kind::Namespace, space)).collect(), true))
        }
        (Err(error), _) => Err(cluster.failed("list namespaces", &error)),
    }
}

struct Ask<'a> {
    cluster: &'a Cluster,
    namespace: Option<&'a str>,
    partial: bool,
    /// Whether ServiceEntries may not be seen.
    hidden: AtomicBool,
}

impl Ask<'_> {
    fn api<K>(&self, namespace: Option<&str>) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match namespace {
            Some(namespace) => Api::namespaced(self.cluster.client.clone(), namespace),
            None => Api::all(self.cluster.client.clone()),
        }
    }

    /// Where to look for what has a label of its own: it may be anywhere, if that may be seen.
    fn anywhere(&self) -> Option<&str> {
        self.namespace.filter(|_| self.partial)
    }

    async fn services(&self, namespace: Option<&str>, params: ListParams) -> Result<Vec<Member>, Error> {
        let list = self.api::<Service>(namespace).list(&params).await;
        let list = list.map_err(|error| self.cluster.failed("list services", &error))?;
        // What is only another name for a host has no waypoint.
        let named = |service: &&Service| service.spec.as_ref().and_then(|s| s.type_.as_deref()) == Some("ExternalName");
        Ok(list.items.iter().filter(|service| !named(service)).map(service).collect())
    }

    /// Returns ServiceEntries; none where there are no such objects. That they may not be seen is noted.
    async fn entries(&self, namespace: Option<&str>, params: ListParams) -> Result<Vec<Member>, Error> {
        let (client, resource) = (self.cluster.client.clone(), entry_api());
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        match api.list(&params).await {
            Ok(list) => Ok(list.items.iter().map(entry).collect()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
            Err(kube::Error::Api(status)) if status.code == 403 => {
                self.hidden.store(true, Ordering::Relaxed);
                Ok(Vec::new())
            }
            Err(error) => Err(self.cluster.failed("list ServiceEntries", &error)),
        }
    }

    async fn pods(&self, namespace: Option<&str>, params: ListParams) -> Result<Vec<Member>, Error> {
        let params = params.fields("status.phase=Running");
        let list = self.api::<Pod>(namespace).list_metadata(&params).await;
        let list = list.map_err(|error| self.cluster.failed("list pods", &error))?;
        let member = |pod: &PartialObjectMeta<Pod>| Member { object: Labelled::of(Kind::Pod, pod), told: None };
        Ok(list.items.iter().map(member).collect())
    }

    /// Returns what has a label of its own, and the services and pods of namespaces that have one.
    async fn members(&self, services: Vec<String>, pods: Vec<String>) -> Result<Vec<Member>, Error> {
        let labelled = || ListParams::default().labels(labels::USE_WAYPOINT);
        let all = ListParams::default;
        let (own_services, own_entries, own_pods, services, entries, pods) = tokio::try_join!(
            self.services(self.anywhere(), labelled()),
            self.entries(self.anywhere(), labelled()),
            self.pods(self.anywhere(), labelled()),
            stream::iter(services.iter().map(|space| self.services(Some(space), all())))
                .buffered(AT_ONCE)
                .try_collect::<Vec<_>>(),
            stream::iter(services.iter().map(|space| self.entries(Some(space), all())))
                .buffered(AT_ONCE)
                .try_collect::<Vec<_>>(),
            stream::iter(pods.iter().map(|space| self.pods(Some(space), all())))
                .buffered(AT_ONCE)
                .try_collect::<Vec<_>>(),
        )?;
        let own = own_services.into_iter().chain(own_entries).chain(own_pods);
        let found = own.chain(services.into_iter().chain(entries).chain(pods).flatten());
        let by_name: BTreeMap<_, Member> =
            found.map(|member| ((member.object.kind, member.object.key.clone()), member)).collect();
        Ok(by_name.into_values().filter(|member| !binding::is_gateways(&member.object.labels)).collect())
    }

    /// Returns the pods of waypoints, and how many there should be of each.
    async fn runners(&self) -> Result<(Vec<Pod>, BTreeMap<ObjectKey, usize>), Error> {
        let (pods, deployments) =
            tokio::try_join!(self.made::<Pod>("list pods"), self.made::<Deployment>("list Deployments"))?;
        let count = |deployment: &Deployment| {
            let name = deployment.labels().get(labels::GATEWAY_NAME)?.clone();
            let key = ObjectKey { namespace: deployment.namespace()?, name };
            let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
            Some((key, usize::try_from(wanted).unwrap_or(0)))
        };
        let pods = pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect();
        Ok((pods, deployments.iter().filter_map(count).collect()))
    }

    async fn made<K>(&self, what: &str) -> Result<Vec<K>, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        let list = self.api::<K>(self.namespace).list(&ListParams::default().labels(labels::GATEWAY_NAME)).await;
        Ok(list.map_err(|error| self.cluster.failed(what, &error))?.items)
    }
}

/// What the control plane says of who is behind a waypoint.
const BOUND: &str = "istio.io/WaypointBound";

/// Reads a service with what the control plane says of it.
fn service(service: &Service) -> Member {
    let conditions = service.status.as_ref().and_then(|status| status.conditions.as_ref());
    let told = conditions.into_iter().flatten().find(|condition| condition.type_ == BOUND);
    let told = told.map(|condition| Told {
        holds: condition.status == "True",
        reason: condition.reason.clone(),
        message: condition.message.clone(),
    });
    Member { object: Labelled::of(Kind::Service, service), told }
}

/// Reads a ServiceEntry with what the control plane says of it.
fn entry(entry: &DynamicObject) -> Member {
    let conditions = entry.data.pointer("/status/conditions").and_then(Value::as_array);
    let told = conditions.into_iter().flatten().find(|condition| condition["type"] == BOUND);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = told.map(|condition| Told {
        holds: condition["status"] == "True",
        reason: text(&condition["reason"]),
        message: text(&condition["message"]),
    });
    Member { object: Labelled::of(Kind::ServiceEntry, entry), told }
}

#[cfg(test)]
mod tests;
