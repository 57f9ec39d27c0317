//! What is answered: the API of custom metrics (`custom.metrics.k8s.io/v1beta2`), for pods of waypoints.

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use runtime::http::{Answer, parameter, with_type};
use serde_json::{Value, json};

use super::{METRIC, Scale, load};

/// The group of the API.
pub const GROUP: &str = "custom.metrics.k8s.io";
/// The version that is spoken.
pub const VERSION: &str = "v1beta2";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    /// Which group there is.
    Group,
    /// Which metrics there are.
    Metrics,
    /// The metric of pods: those that a selector finds, or one.
    Pods { namespace: String, name: Option<String> },
}

/// Answers a request.
pub async fn answer(scale: &Scale, request: &Request<Incoming>) -> Answer {
    if request.method() != Method::GET {
        return refused(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "want GET");
    }
    let query = request.uri().query().unwrap_or_default();
    match asked(request.uri().path()) {
        None => refused(StatusCode::NOT_FOUND, "NotFound", &format!("there is {METRIC} of pods, and nothing else")),
        Some(Asked::Group) => {
            let version = json!({"groupVersion": format!("{GROUP}/{VERSION}"), "version": VERSION});
            told(&json!({
                "kind": "APIGroup", "apiVersion": "v1", "name": GROUP, "versions": [version], "preferredVersion": version,
            }))
        }
        Some(Asked::Metrics) => {
            let metric = json!({
                "name": format!("pods/{METRIC}"), "singularName": "", "namespaced": true, "kind": "MetricValueList", "verbs": ["get"],
            });
            told(&json!({
                "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{GROUP}/{VERSION}"), "resources": [metric],
            }))
        }
        Some(Asked::Pods { namespace, name }) => {
            let selector = parameter(query, "labelSelector").unwrap_or_default();
            match load::of(scale, &namespace, name.as_deref(), &selector).await {
                Ok(loads) => told(&list(&namespace, &loads)),
                Err(error) => {
                    let why = runtime::error::chain(&error);
                    refused(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", &why)
                }
            }
        }
    }
}

/// Reads a path.
fn asked(path: &str) -> Option<Asked> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["apis", GROUP] => Some(Asked::Group),
        ["apis", GROUP, VERSION] => Some(Asked::Metrics),
        ["apis", GROUP, VERSION, "namespaces", namespace, "pods", name, METRIC] => {
            // Names of pods have nothing that would be escaped, and the star may be.
            let all = matches!(*name, "*" | "%2A" | "%2a");
            Some(Asked::Pods { namespace: (*namespace).to_owned(), name: (!all).then(|| (*name).to_owned()) })
        }
        _ => None,
    }
}

fn list(namespace: &str, loads: &[load::Load]) -> Value {
    let items: Vec<Value> = { loads.iter() }
        .map(|load| {
            json!({
                "describedObject": {"kind": "Pod", "namespace": namespace, "name": load.pod, "apiVersion": "/v1"},
                "metric": {"name": METRIC, "selector": null},
                "timestamp": load.time, "value": load.requests.to_string(),
            })
        })
        .collect();
    json!({"kind": "MetricValueList", "apiVersion": format!("{GROUP}/{VERSION}"), "metadata": {}, "items": items})
}

fn told(object: &Value) -> Answer {
    with_type(StatusCode::OK, "application/json", object.to_string())
}

fn refused(status: StatusCode, reason: &str, message: &str) -> Answer {
    let object = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason,
        "code": status.as_u16(),
    });
    with_type(status, "application/json", object.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let pods =
            |name: Option<&str>| Some(Asked::Pods { namespace: "shop".to_owned(), name: name.map(str::to_owned) });
        let rows = [
            ("/apis/custom.metrics.k8s.io", Some(Asked::Group)),
            ("/apis/custom.metrics.k8s.io/v1beta2", Some(Asked::Metrics)),
            ("/apis/custom.metrics.k8s.io/v1beta2/", Some(Asked::Metrics)),
            ("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/ambient_requests_in_flight", pods(None)),
            ("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/%2A/ambient_requests_in_flight", pods(None)),
            ("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/a/ambient_requests_in_flight", pods(Some("a"))),
            ("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/another", None),
            ("/apis/custom.metrics.k8s.io/v1beta1", None),
            ("/", None),
        ];
        for (path, wanted) in rows {
            assert_eq!(asked(path), wanted, "{path}");
        }
    }
}
