//! What the sandbox answers on its socket: the Kubernetes API of its folder, what a kubelet adds to that (logs, port
//! forwarding, metrics), and a few pages of its own below `/sandbox/v1/`.
//!
//! Only the owner of the socket can connect, and the owner could do all of it otherwise.

use std::{collections::HashMap, convert::Infallible, os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use net::{capture::Capture, netns::Netns};
use serde_json::{Value, json};
use source::folder::Folder;
use tokio::net::UnixListener;
use tracing::{debug, warn};

use crate::{
    forward::{self, Part},
    host::Host,
    live::Live,
    place::Place,
    services,
};

type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// How long a request's head may take.
const HEAD: Duration = Duration::from_secs(10);
/// The largest request that is read: more than any object may have.
const LARGEST: usize = 4 << 20;

/// The API of one sandbox.
pub struct Api {
    /// The machine that it plays.
    pub host: Arc<Host>,
    /// The objects.
    pub folder: Folder,
}

/// Makes the socket, for its owner alone.
///
/// # Errors
/// It cannot be made.
pub fn listen(place: &Place) -> std::io::Result<UnixListener> {
    let path = place.socket();
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves for ever.
pub async fn serve(listener: UnixListener, api: Arc<Api>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let api = api.clone();
        let service = service_fn(move |request| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.answer(request).await) }
        });
        tokio::spawn(async move {
            let server = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            if let Err(error) = server.await {
                debug!(%error, "a connection to the API ended");
            }
        });
    }
}

impl Api {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (request.method(), &parts[..]) {
            (&Method::GET, ["api", "v1", "namespaces", namespace, "pods", name, "portforward"]) => {
                self.forward(request, namespace, name)
            }
            (&Method::GET, ["api", "v1", "namespaces", namespace, "pods", name, "log"]) => {
                self.log(&query(&request), namespace, name).await
            }
            (&Method::GET, ["apis", "metrics.k8s.io", "v1beta1", "pods"]) => {
                json_answer(&self.host.live.metrics().await)
            }
            (&Method::GET, ["sandbox", "v1", "status"]) => json_answer(&self.status()),
            (&Method::GET, ["sandbox", "v1", "settled"]) => match services::settled(&self.host).await {
                Ok(settled) => json_answer(&json!({ "settled": settled })),
                Err(error) => {
                    refused(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &runtime::error::chain(&error))
                }
            },
            (&Method::GET, ["sandbox", "v1", "pods", namespace, name]) => self.pod(namespace, name),
            (&Method::GET, ["sandbox", "v1", "wire"]) => self.wire(&query(&request)),
            _ => self.objects(request).await,
        }
    }

    async fn objects(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = match http_body_util::Limited::new(body, LARGEST).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return refused(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &error.to_string()),
        };
        let request = Request::from_parts(head, kube::client::Body::from(body.to_vec()));
        self.folder.handle(request).await.map(|body| body.map_err(Into::into).boxed_unsync())
    }

    fn forward(&self, mut request: Request<Incoming>, namespace: &str, name: &str) -> Response<Body> {
        let Some(pod) = self.host.live.find(namespace, name) else { return no_pod(namespace, name) };
        let query = query(&request);
        let Some(port) = query.get("ports").and_then(|p| p.parse().ok()) else {
            return refused(StatusCode::BAD_REQUEST, "BadRequest", "want `ports`, one port");
        };
        match forward::accept(request.headers()) {
            Ok(response) => {
                tokio::spawn(forward::serve(hyper::upgrade::on(&mut request), pod.netns, port));
                response.map(|()| full(Bytes::new()))
            }
            Err((status, reason)) => refused(status, "BadRequest", &reason),
        }
    }

    async fn log(&self, query: &HashMap<String, String>, namespace: &str, name: &str) -> Response<Body> {
        // Names become parts of a path.
        let good = |text: &str| !text.is_empty() && !text.contains('/') && !text.starts_with('.');
        if !good(namespace) || !good(name) || query.get("container").is_some_and(|c| !good(c)) {
            return refused(StatusCode::BAD_REQUEST, "BadRequest", "the name is none");
        }
        let directory = self.host.place.logs().join(namespace).join(name);
        let file = match query.get("container") {
            Some(container) => Some(directory.join(format!("{container}.log"))),
            None => {
                let mut files: Vec<_> =
                    std::fs::read_dir(&directory).into_iter().flatten().flatten().map(|e| e.path()).collect();
                files.sort();
                files.into_iter().find(|f| f.extension().is_some_and(|e| e == "log"))
            }
        };
        let Some(file) = file else { return no_pod(namespace, name) };
        let part = Part {
            tail: query.get("tailLines").and_then(|n| n.parse().ok()),
            follow: query.get("follow").is_some_and(|f| f == "true"),
        };
        match forward::log(&file, part).await {
            Ok(pieces) => stream("text/plain", pieces.map(|p| p.map_err(Into::into))),
            Err(_) => refused(StatusCode::NOT_FOUND, "NotFound", "the container has written nothing, or is none"),
        }
    }

    fn pod(&self, namespace: &str, name: &str) -> Response<Body> {
        let Some(pod) = self.host.live.find(namespace, name) else { return no_pod(namespace, name) };
        use std::os::fd::{AsFd, AsRawFd};
        json_answer(&json!({
            "first": pod.first,
            "netns": format!("/proc/1/fd/{}", pod.netns.as_fd().as_raw_fd()),
            "env": pod.env,
        }))
    }

    fn status(&self) -> Value {
        let problems: Vec<String> = self.folder.problems().iter().map(ToString::to_string).collect();
        let settings = self.host.place.settings().ok();
        json!({
            "name": self.host.place.name,
            "directory": self.host.place.dir,
            "manifests": settings.as_ref().map(|s| &s.manifests),
            "nodes": self.host.nodes.values().map(|n| json!({ "name": n.name, "address": n.address })).collect::<Vec<_>>(),
            "problems": problems,
            "supervisorMemory": format!("{}Ki", Live::own_memory()),
        })
    }

    /// Tells every TCP segment that passes the link of a node, as lines of JSON, for as long as the client listens.
    fn wire(&self, query: &HashMap<String, String>) -> Response<Body> {
        let node = query.get("node").filter(|n| self.host.nodes.contains_key(*n));
        let Some(node) = node else {
            let nodes: Vec<&str> = self.host.nodes.keys().map(String::as_str).collect();
            let want = format!("want `node`, one of {}", nodes.join(", "));
            return refused(StatusCode::BAD_REQUEST, "BadRequest", &want);
        };
        // The switch's end of the node's link bears the node's name.
        let opened = Netns::current()
            .map_err(|e| runtime::error::chain(&e))
            .and_then(|switch| Capture::open(&switch, node).map_err(|e| runtime::error::chain(&e)));
        let capture = match opened {
            Ok(capture) => capture,
            Err(reason) => return refused(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &reason),
        };
        let lines = futures::stream::unfold(capture, |mut capture| async move {
            use base64::Engine;
            let segment = capture.next().await.ok()?;
            let mut line = json!({
                "source": segment.source,
                "destination": segment.destination,
                "sequence": segment.sequence,
                "flags": segment.flags.0,
                "payload": base64::engine::general_purpose::STANDARD.encode(&segment.payload),
            })
            .to_string();
            line.push('\n');
            Some((Ok(Bytes::from(line)), capture))
        });
        stream("application/x-ndjson", lines)
    }
}

fn query(request: &Request<Incoming>) -> HashMap<String, String> {
    form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect()
}

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

fn stream<S>(kind: &'static str, pieces: S) -> Response<Body>
where
    S: Stream<Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let mut response = Response::new(StreamBody::new(pieces.map(|p| p.map(Frame::data))).boxed_unsync());
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

fn json_answer(value: &Value) -> Response<Body> {
    let mut response = Response::new(full(value.to_string()));
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

fn no_pod(namespace: &str, name: &str) -> Response<Body> {
    refused(StatusCode::NOT_FOUND, "NotFound", &format!("no pod {name} runs in namespace {namespace}"))
}

/// Refuses as a Kubernetes API does.
fn refused(status: StatusCode, reason: &str, message: &str) -> Response<Body> {
    let mut response = json_answer(&json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": status.as_u16(),
    }));
    *response.status_mut() = status;
    response
}
