//! The dumps of ztunnels: fetching them from the nodes, reading one from a file, and seeing several as one.

use std::{
    collections::{BTreeMap, HashSet},
    io::Read,
    path::Path,
};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::{Map, Value, json};

use crate::{
    cluster::{
        Cluster, forward,
        wait::{self, Workload},
    },
    error::Error,
};

/// Port of a ztunnel's admin server, on its loopback.
pub const ADMIN_PORT: u16 = 15000;
/// Nodes asked at once.
const AT_ONCE: usize = 16;

/// A ztunnel, and the node whose traffic it carries.
#[derive(Clone, Debug)]
pub struct Ztunnel {
    /// Name of its pod.
    pub pod: String,
    /// Name of its node.
    pub node: String,
}

/// What one ztunnel knows.
#[derive(Clone, Debug)]
pub struct Dump {
    /// Node that it speaks for; empty for a file.
    pub node: String,
    /// The answer of `/config_dump`.
    pub data: Value,
}

/// Lists the running ztunnels, on one node or on all; that there is none is a failure.
pub async fn ztunnels(cluster: &Cluster, node: Option<&str>) -> Result<Vec<Ztunnel>, Error> {
    let running = running(cluster, node).await?;
    if running.is_empty() {
        let place = node.map_or_else(String::new, |node| format!(" on node {node}"));
        return Err(Error::user(format!("no ztunnel of namespace {} runs{place}", cluster.system))
            .hint("`ambient status` tells what is missing; -i names the mesh's namespace"));
    }
    Ok(running)
}

/// Lists the running ztunnels; of several on a node the newest that is ready, which takes new connections.
pub async fn running(cluster: &Cluster, node: Option<&str>) -> Result<Vec<Ztunnel>, Error> {
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.system);
    let mut params = ListParams::default().labels(Workload::Ztunnel.selector());
    if let Some(node) = node {
        params = params.fields(&format!("spec.nodeName={node}"));
    }
    let mut pods = api.list(&params).await.map_err(|error| cluster.failed("list ztunnel pods", &error))?.items;
    pods.retain(|pod| pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running")));
    pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
    pods.sort_by_key(|pod| (wait::is_ready(pod), pod.metadata.creation_timestamp.clone()));
    let by_node: BTreeMap<String, String> = pods
        .iter()
        .map(|pod| (pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default(), pod.name_any()))
        .collect();
    Ok(by_node.into_iter().map(|(node, pod)| Ztunnel { pod, node }).collect())
}

/// Asks the ztunnels for their dumps. One that does not answer keeps nobody from hearing the others.
pub async fn fetch(cluster: &Cluster, ztunnels: &[Ztunnel]) -> (Vec<Dump>, Vec<Error>) {
    let work = ztunnels.iter().map(async |ztunnel| {
        let text =
            forward::get(cluster, &ztunnel.pod, ADMIN_PORT, "/config_dump").await.map_err(|e| silent(ztunnel, &e))?;
        let data = serde_json::from_str(&text)
            .map_err(|error| silent(ztunnel, &Error::user("its dump is no JSON").caused_by(&error)))?;
        Ok(Dump { node: ztunnel.node.clone(), data })
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

/// Says which ztunnel does not answer.
pub fn silent(ztunnel: &Ztunnel, error: &Error) -> Error {
    Error::user(format!("the ztunnel on {} ({}) cannot be asked", ztunnel.node, ztunnel.pod)).because(error.one_line())
}

/// Reads a dump that was saved; `-` is the standard input.
pub fn read(path: &Path) -> Result<Dump, Error> {
    let typed = path.display().to_string();
    let name = if typed == "-" { "the standard input".to_owned() } else { typed };
    let mut text = String::new();
    let outcome = if path == Path::new("-") {
        std::io::stdin().lock().read_to_string(&mut text).map(|_| ())
    } else {
        std::fs::read_to_string(path).map(|read| text = read)
    };
    outcome.map_err(|error| Error::user(format!("cannot read dump {name}")).caused_by(&error))?;
    let data: Value =
        serde_json::from_str(&text).map_err(|error| Error::user(format!("{name} is no JSON")).caused_by(&error))?;
    if !data.is_object() {
        return Err(Error::user(format!("{name} is no dump of a ztunnel"))
            .hint("save one with `ambient ztunnel-config all -o json`"));
    }
    Ok(Dump { node: String::new(), data })
}

/// Returns one dump with what all of them know, each thing once.
pub fn merged(dumps: &[Dump]) -> Value {
    if let [only] = dumps {
        return only.data.clone();
    }
    let mut states = Map::new();
    for dump in dumps {
        states.extend(dump.data.get("workloadState").and_then(Value::as_object).cloned().unwrap_or_default());
    }
    json!({
        "workloads": once(dumps, "workloads", |item| text(item, "uid").to_owned()),
        "services": once(dumps, "services", |item| format!("{}/{}", text(item, "namespace"), text(item, "hostname"))),
        "policies": once(dumps, "policies", |item| format!("{}/{}", text(item, "namespace"), text(item, "name"))),
        "certificates": once(dumps, "certificates", ToString::to_string),
        "workloadState": states,
    })
}

fn once(dumps: &[Dump], key: &str, identity: impl Fn(&Value) -> String) -> Vec<Value> {
    let mut seen = HashSet::new();
    let all = dumps.iter().flat_map(|dump| items(&dump.data, key));
    all.filter(|item| seen.insert(identity(item))).cloned().collect()
}

/// Returns the elements of a list in a dump: older ztunnels write some lists as maps.
pub fn items<'a>(data: &'a Value, key: &str) -> Vec<&'a Value> {
    match data.get(key) {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(Value::Object(map)) => map.values().collect(),
        _ => Vec::new(),
    }
}

/// Returns a text field, empty where there is none.
pub fn text<'a>(item: &'a Value, key: &str) -> &'a str {
    item.get(key).and_then(Value::as_str).unwrap_or_default()
}
