//! Asking a pod's admin port, through the API server's port forwarding: no route to the pod is needed.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Method, Request, body::Bytes};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use crate::{cluster::Cluster, error::Error};

/// Longest until an answer begins: a probe of `verify` takes some seconds.
const FIRST: Duration = Duration::from_secs(15);
/// Longest until it is there.
const LIMIT: Duration = Duration::from_secs(60);
/// Largest answer that is read: a dump of a hundred thousand workloads is some 100 MB.
const LARGEST: usize = 1 << 30;

/// An answer of a pod.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body as text.
    pub body: String,
}

/// A port of a pod.
#[derive(Clone, Copy, Debug)]
pub struct Door<'a> {
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// Its name.
    pub pod: &'a str,
    /// The port.
    pub port: u16,
}

/// Sends one request to a port of a pod of the mesh, as if from inside the pod. An error does not name the pod: the caller
/// says whose answer is missing.
pub async fn ask(cluster: &Cluster, pod: &str, port: u16, method: Method, path: &str) -> Result<Answer, Error> {
    ask_at(cluster, Door { namespace: &cluster.system, pod, port }, method, path).await
}

/// Sends one request to a port of a pod of any namespace.
pub async fn ask_at(cluster: &Cluster, door: Door<'_>, method: Method, path: &str) -> Result<Answer, Error> {
    tokio::time::timeout(LIMIT, exchange(cluster, door, method, path)).await.unwrap_or_else(|_| Err(late(LIMIT)))
}

fn late(limit: Duration) -> Error {
    Error::user(format!("no answer within {} s", limit.as_secs()))
}

/// Asks a pod of the mesh for a page, and takes nothing but success for an answer.
pub async fn get(cluster: &Cluster, pod: &str, port: u16, path: &str) -> Result<String, Error> {
    get_at(cluster, Door { namespace: &cluster.system, pod, port }, path).await
}

/// Asks any pod for a page, and takes nothing but success for an answer.
pub async fn get_at(cluster: &Cluster, door: Door<'_>, path: &str) -> Result<String, Error> {
    let answer = ask_at(cluster, door, Method::GET, path).await?;
    if answer.status == 200 {
        return Ok(answer.body);
    }
    Err(Error::user(format!("{path} answered {}", answer.status)).because(answer.body.trim()))
}

async fn exchange(cluster: &Cluster, door: Door<'_>, method: Method, path: &str) -> Result<Answer, Error> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), door.namespace);
    let forward = pods.portforward(door.pod, &[door.port]).await;
    let mut forward = forward.map_err(|error| cluster.failed("forward a port", &error))?;
    let stream = forward.take_stream(door.port).ok_or_else(|| Error::internal("no stream for the forwarded port"))?;
    let http = |error: hyper::Error| Error::user("the connection broke").caused_by(&error);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    let driver = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Error::internal("cannot build the request").caused_by(&error))?;
    let response =
        tokio::time::timeout(FIRST, sender.send_request(request)).await.map_err(|_| late(FIRST))?.map_err(http)?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    driver.abort();
    forward.abort();
    let body = body.map_err(|error| Error::user("the answer broke off").caused_by(error.as_ref()))?.to_bytes();
    Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
}
