//! An API server for one test: lists, watches and patches of pods and namespaces, in memory.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The server. Copies share its objects.
#[derive(Clone)]
pub struct ApiServer(Arc<Mutex<State>>);

struct State {
    /// By kind (`pods`, `namespaces`), then name.
    objects: BTreeMap<&'static str, BTreeMap<String, Value>>,
    version: u64,
    events: broadcast::Sender<(&'static str, String)>,
    daemon_set: bool,
}

impl ApiServer {
    pub fn new() -> Self {
        let events = broadcast::channel(1000).0;
        let state = State { objects: BTreeMap::new(), version: 1, events, daemon_set: true };
        Self(Arc::new(Mutex::new(state)))
    }

    pub fn client(&self) -> kube::Client {
        let this = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let this = this.clone();
            async move { Ok::<_, Infallible>(this.answer(request).await) }
        });
        kube::Client::new(service, "default")
    }

    pub fn namespace(&self, name: &str, labels: Value) {
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels},
        });
        self.put("namespaces", name, object);
    }

    pub fn pod(&self, uid: &str, name: &str, namespace: &str, labels: Value, ip: &str) {
        let ips = if ip.is_empty() { json!([]) } else { json!([{"ip": ip}]) };
        let old = self.redirection(namespace, name);
        let object = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "namespace": namespace, "uid": uid, "labels": labels,
                "annotations": old.map(|v| json!({"ambient.istio.io/redirection": v})),
            },
            "spec": {"containers": [], "nodeName": "n1", "serviceAccountName": "till"},
            "status": {"podIPs": ips},
        });
        self.put("pods", name, object);
    }

    pub fn redirection(&self, _namespace: &str, name: &str) -> Option<String> {
        let state = self.0.lock().unwrap();
        let pod = state.objects.get("pods")?.get(name)?;
        let value = &pod["metadata"]["annotations"]["ambient.istio.io/redirection"];
        value.as_str().map(str::to_owned)
    }

    pub fn delete_daemon_set(&self) {
        self.0.lock().unwrap().daemon_set = false;
    }

    fn put(&self, kind: &'static str, name: &str, mut object: Value) {
        let mut state = self.0.lock().unwrap();
        state.version += 1;
        object["metadata"]["resourceVersion"] = state.version.to_string().into();
        let known = state.objects.entry(kind).or_default().insert(name.into(), object.clone());
        let event = if known.is_some() { "MODIFIED" } else { "ADDED" };
        let line = json!({"type": event, "object": object}).to_string() + "\n";
        let _ = state.events.send((kind, line));
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let (head, body) = request.into_parts();
        let path: Vec<&str> = head.uri.path().trim_matches('/').split('/').collect();
        let watch = head.uri.query().is_some_and(|q| q.contains("watch=true"));
        match (head.method.as_str(), path.as_slice()) {
            ("GET", ["api", "v1", "pods"]) => self.list("pods", "PodList", watch),
            ("GET", ["api", "v1", "namespaces"]) => self.list("namespaces", "NamespaceList", watch),
            ("GET", ["api", "v1", "namespaces", _, "pods", name]) => {
                let pod = self.0.lock().unwrap().objects["pods"].get(*name).cloned();
                pod.map_or_else(|| missing(name), |pod| reply(StatusCode::OK, &pod))
            }
            ("PATCH", ["api", "v1", "namespaces", _, "pods", name, "status"]) => {
                let patch = body.collect().await.unwrap().to_bytes();
                let patch: Value = serde_json::from_slice(&patch).unwrap();
                let pod = self.0.lock().unwrap().objects["pods"].get(*name).cloned();
                let Some(mut pod) = pod else {
                    return missing(name);
                };
                assert_eq!(patch["metadata"]["uid"], pod["metadata"]["uid"]);
                let changes = patch["metadata"]["annotations"].as_object().unwrap();
                if !pod["metadata"]["annotations"].is_object() {
                    pod["metadata"]["annotations"] = json!({});
                }
                let annotations = pod["metadata"]["annotations"].as_object_mut().unwrap();
                for (key, value) in changes {
                    match value {
                        Value::Null => drop(annotations.remove(key)),
                        value => drop(annotations.insert(key.clone(), value.clone())),
                    }
                }
                self.put("pods", name, pod.clone());
                reply(StatusCode::OK, &pod)
            }
            ("GET", ["apis", "apps", "v1", "namespaces", _, "daemonsets", name]) => {
                let present = self.0.lock().unwrap().daemon_set;
                let set = json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
                    "metadata": {"name": name}});
                if present { reply(StatusCode::OK, &set) } else { missing(name) }
            }
            other => panic!("unexpected request {other:?}"),
        }
    }

    fn list(&self, kind: &'static str, list_kind: &str, watch: bool) -> Answer {
        let state = self.0.lock().unwrap();
        if watch {
            // Nothing is lost between list and watch: all that is known comes again as a change.
            let known: Vec<String> = state
                .objects
                .get(kind)
                .into_iter()
                .flat_map(BTreeMap::values)
                .map(|o| json!({"type": "MODIFIED", "object": o}).to_string() + "\n")
                .collect();
            let live = BroadcastStream::new(state.events.subscribe())
                .filter_map(move |e| async move { e.ok().filter(|(k, _)| *k == kind).map(|(_, line)| line) });
            let lines = futures::stream::iter(known).chain(live);
            let frames = lines.map(|l| Ok(hyper::body::Frame::data(Bytes::from(l))));
            return Response::new(BodyExt::boxed_unsync(StreamBody::new(frames)));
        }
        let items: Vec<&Value> = state.objects.get(kind).into_iter().flat_map(BTreeMap::values).collect();
        let list = json!({
            "apiVersion": "v1", "kind": list_kind,
            "metadata": {"resourceVersion": state.version.to_string()}, "items": items,
        });
        reply(StatusCode::OK, &list)
    }
}

fn reply(status: StatusCode, value: &Value) -> Answer {
    let body = Full::new(Bytes::from(value.to_string()));
    let mut answer = Response::new(BodyExt::boxed_unsync(body));
    *answer.status_mut() = status;
    answer
}

fn missing(name: &str) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
        "code": 404, "message": format!("{name} not found"),
    });
    reply(StatusCode::NOT_FOUND, &status)
}
