//! The dumps of a waypoint's pods: finding the pods, fetching, and seeing several as one.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::ListParams};
use model::l7::Resource;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use source::labels;

use crate::{
    cluster::{
        Cluster,
        forward::{self, Door},
    },
    error::Error,
    namespace::some_of,
    ztunnel_config::dump::{ADMIN_PORT, items, text},
};

/// Pods asked at once.
const AT_ONCE: usize = 16;

/// What one pod has.
#[derive(Clone, Debug)]
pub struct Dump {
    /// Its name; empty for a file.
    pub pod: String,
    /// The answer of `/config_dump`.
    pub data: Value,
}

/// Namespace and name of a pod.
type Place = (String, String);

/// Finds the pods that are meant: those of a waypoint, or one.
pub async fn pods(cluster: &Cluster, target: Option<&str>, namespace: &str) -> Result<Vec<Place>, Error> {
    let (name, space) = match target.map(|name| name.trim_start_matches("pod/")) {
        // Neither pods of waypoints nor these have dots in their names.
        Some(name) => match name.rsplit_once('.') {
            Some((name, space)) => (Some(name), space),
            None => (Some(name), namespace),
        },
        None => (None, namespace),
    };
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), space);
    let list = api.list(&ListParams::default().labels(labels::GATEWAY_NAME)).await;
    let all = list.map_err(|error| cluster.failed("list pods", &error))?.items;
    let of = |pod: &Pod| pod.labels().get(labels::GATEWAY_NAME).cloned().unwrap_or_default();
    let there: BTreeSet<String> = all.iter().map(of).collect();
    let running: Vec<&Pod> = all.iter().filter(|pod| crate::cluster::enrolment::running(pod)).collect();
    let place = |pod: &Pod| (space.to_owned(), pod.name_any());
    let waypoint = match (name, there.len()) {
        (Some(name), _) if there.contains(name) => name.to_owned(),
        (Some(name), _) => {
            // What runs a waypoint elsewhere has no label.
            let pod =
                api.get_opt(name).await.map_err(|error| cluster.failed(&format!("read pod {space}/{name}"), &error))?;
            let found = pod.ok_or_else(|| {
                Error::user(format!("no waypoint {name} of namespace {space} has pods, and there is no such pod"))
                    .hint(format!("`ambient waypoint status -n {space}` tells what is there"))
            })?;
            return Ok(vec![place(&found)]);
        }
        (None, 1) => there.into_iter().next().unwrap_or_default(),
        (None, 0) => {
            return Err(Error::user(format!("no waypoint of namespace {space} has pods"))
                .hint("-n names another namespace; `ambient waypoint list -A` lists all"));
        }
        (None, _) => {
            let names = some_of(&there.into_iter().collect::<Vec<_>>());
            return Err(
                Error::usage(format!("namespace {space} has several waypoints")).hint(format!("name one: {names}"))
            );
        }
    };
    let chosen: Vec<Place> = running.into_iter().filter(|pod| of(pod) == waypoint).map(place).collect();
    if chosen.is_empty() {
        return Err(Error::user(format!("no pod of waypoint {space}/{waypoint} runs"))
            .hint(format!("`ambient waypoint status {waypoint} -n {space}` tells why")));
    }
    Ok(chosen)
}

/// Asks the pods for their dumps. One that does not answer keeps nobody from hearing the others.
pub async fn fetch(cluster: &Cluster, pods: &[Place]) -> (Vec<Dump>, Vec<Error>) {
    let work = pods.iter().map(async |(namespace, pod)| {
        let silent =
            |error: &Error| Error::user(format!("pod {namespace}/{pod} cannot be asked")).because(error.one_line());
        let door = Door { namespace, pod, port: ADMIN_PORT };
        let text = forward::get_at(cluster, door, "/config_dump").await.map_err(|error| silent(&error))?;
        let data: Value = serde_json::from_str(&text)
            .map_err(|error| silent(&Error::user("its dump is no JSON").caused_by(&error)))?;
        Ok(Dump { pod: pod.clone(), data })
    });
    let answers: Vec<Result<Dump, Error>> = stream::iter(work).buffered(AT_ONCE).collect().await;
    let (mut dumps, mut failures) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer {
            Ok(dump) => dumps.push(dump),
            Err(error) => failures.push(error),
        }
    }
    (dumps, failures)
}

/// Returns one dump with what all of them have, each thing once; none without dumps.
pub fn merged(dumps: &[Dump]) -> Option<Value> {
    let first = match dumps {
        [] => return None,
        [only] => return Some(only.data.clone()),
        [first, ..] => first,
    };
    let mut merged: Map<String, Value> = first.data.as_object().cloned().unwrap_or_default();
    for list in ["resources", "services", "workloads", "certificates"] {
        let mut seen = BTreeSet::new();
        let all = dumps.iter().flat_map(|dump| items(&dump.data, list));
        let once: Vec<Value> = all.filter(|item| seen.insert(identity(list, item))).cloned().collect();
        merged.insert(list.to_owned(), once.into());
    }
    merged.insert("backends".to_owned(), backends(dumps).into());
    Some(Value::Object(merged))
}

/// Returns what makes two things of a list the same.
fn identity(list: &str, item: &Value) -> String {
    match list {
        "services" => format!("{}/{}", text(item, "namespace"), text(item, "hostname")),
        "workloads" => text(item, "uid").to_owned(),
        _ => item.to_string(),
    }
}

/// Adds up what the pods say of the same endpoint: it is healthy if all say so, and what is under way is the sum.
fn backends(dumps: &[Dump]) -> Vec<Value> {
    let mut all: BTreeMap<(String, u64), BTreeMap<String, Value>> = BTreeMap::new();
    for backend in dumps.iter().flat_map(|dump| items(&dump.data, "backends")) {
        let port = backend.get("port").and_then(Value::as_u64).unwrap_or_default();
        let endpoints = all.entry((text(backend, "service").to_owned(), port)).or_default();
        for endpoint in items(backend, "endpoints") {
            let name = format!("{} {}", text(endpoint, "workload"), text(endpoint, "address"));
            let Some(known) = endpoints.get_mut(&name) else {
                endpoints.insert(name, endpoint.clone());
                continue;
            };
            let both = |key: &str| (known.get(key).cloned(), endpoint.get(key).cloned());
            let (healthy, active) = (both("healthy"), both("active"));
            if let (Some(one), Some(other)) = (healthy.0.and_then(|v| v.as_bool()), healthy.1.and_then(|v| v.as_bool()))
            {
                known["healthy"] = (one && other).into();
            }
            if let (Some(one), Some(other)) = (active.0.and_then(|v| v.as_u64()), active.1.and_then(|v| v.as_u64())) {
                known["active"] = one.saturating_add(other).into();
            }
        }
    }
    let object = |((service, port), endpoints): ((String, u64), BTreeMap<String, Value>)| json!({ "service": service, "port": port, "endpoints": endpoints.into_values().collect::<Vec<_>>() });
    all.into_iter().map(object).collect()
}

/// Says which pods lack something that another has: they have not heard all yet.
pub fn differences(dumps: &[Dump]) -> Vec<String> {
    let own = |dump: &Dump| items(&dump.data, "resources").iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let each: Vec<(&str, BTreeSet<String>)> = dumps.iter().map(|dump| (dump.pod.as_str(), own(dump))).collect();
    let all: BTreeSet<&String> = each.iter().flat_map(|(_, own)| own).collect();
    let behind = each.iter().filter(|(_, own)| own.len() < all.len());
    behind
        .map(|(pod, own)| format!("pod {pod} has {} of the {} resources that are shown", own.len(), all.len()))
        .collect()
}

/// The resources of a dump, read.
#[derive(Debug, Default)]
pub struct Resources {
    /// Those that are understood.
    pub known: Vec<Resource>,
    /// The names of those that are not, and why.
    pub unknown: Vec<(String, String)>,
}

/// Reads the resources of a dump; one of a later version is told, and hides no other.
pub fn resources(data: &Value) -> Resources {
    let mut read = Resources::default();
    for item in items(data, "resources") {
        match Resource::deserialize(item) {
            Ok(resource) => read.known.push(resource),
            Err(error) => {
                let kind = item.as_object().and_then(|fields| fields.iter().next());
                let name = kind.map(|(kind, fields)| format!("{kind} {}", text(fields, "name")));
                read.unknown.push((name.unwrap_or_else(|| "without a kind".to_owned()), error.to_string()));
            }
        }
    }
    read
}
