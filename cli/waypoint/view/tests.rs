use serde_json::{Value, json};

use super::*;
use crate::waypoint::{report, scripted::server};

const DENIED: u16 = 403;

fn refused(code: u16) -> (u16, Value) {
    (code, json!({"kind": "Status", "status": "Failure", "code": code, "message": "no", "reason": "no"}))
}

fn list(items: &Value) -> (u16, Value) {
    (200, json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}))
}

/// A cluster with a waypoint in `shop`, whose operator may look at that namespace alone.
fn answer(path: &str) -> (u16, Value) {
    let place = path.split('?').next().unwrap_or_default();
    let labels = json!({"istio.io/use-waypoint": "waypoint"});
    match place {
        "/api/v1/namespaces/shop" => (
            200,
            json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                "metadata": {"name": "shop", "labels": labels}}),
        ),
        "/apis/gateway.networking.k8s.io/v1/namespaces/shop/gateways" => {
            let gateway = |name: &str, class: &str, protocol: &str| {
                json!({"metadata": {"name": name, "namespace": "shop"},
                    "spec": {"gatewayClassName": class, "listeners": [{"name": "a", "port": 15008, "protocol": protocol}]}})
            };
            list(&json!([gateway("waypoint", "istio-waypoint", "HBONE"), gateway("web", "nginx", "HTTP")]))
        }
        "/api/v1/namespaces/shop/services" => {
            let service = |name: &str, kind: &str, labels: &Value| json!({"metadata": {"name": name, "namespace": "shop", "labels": labels}, "spec": {"type": kind}});
            let gateways = json!({"gateway.networking.k8s.io/gateway-name": "waypoint",
                "gateway.istio.io/managed": "istio.io-mesh-controller"});
            list(&json!([
                service("cart", "ClusterIP", &json!({})),
                service("alias", "ExternalName", &json!({})),
                service("waypoint", "ClusterIP", &gateways),
            ]))
        }
        "/apis/networking.istio.io/v1/namespaces/shop/serviceentries" => list(&json!([{
            "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": "pay", "namespace": "shop"},
            "status": {"conditions": [{"type": "istio.io/WaypointBound", "status": "True", "reason": "WaypointAccepted",
                "message": "bound to waypoint shop/waypoint"}]},
        }])),
        "/api/v1/namespaces/shop/pods" => {
            let made = json!({"gateway.networking.k8s.io/gateway-name": "waypoint"});
            let pod = json!({"metadata": {"name": "waypoint-0", "namespace": "shop", "labels": made}});
            list(&if path.contains("gateway-name") { json!([pod]) } else { json!([]) })
        }
        "/apis/apps/v1/namespaces/shop/deployments" => {
            list(&json!([{"metadata": {"name": "waypoint", "namespace": "shop",
            "labels": {"gateway.networking.k8s.io/gateway-name": "waypoint"}}, "spec": {"replicas": 3,
            "selector": {}, "template": {}}}]))
        }
        _ => refused(DENIED),
    }
}

#[tokio::test]
async fn who_may_see_one_namespace_sees_its_waypoints() {
    let (cluster, heard) = server(|_, path| answer(path)).await;
    let view = view(&cluster, Some("shop")).await.expect("a view");
    assert!(view.partial);
    let reports = report::reports(&view);
    let counts: Vec<_> = reports.iter().map(|r| (r.title(), r.count(), r.refused.len())).collect();
    assert_eq!(counts, [("shop/waypoint".to_owned(), "0/3".to_owned(), 2)]);
    let refused: Vec<_> = reports[0].refused.iter().map(|r| (r.kind, r.name.as_str())).collect();
    let wanted = [(Kind::Service, "shop/cart"), (Kind::ServiceEntry, "shop/pay")];
    assert_eq!(refused, wanted, "another name for a host, and the waypoint itself, have none");
    assert!(view.members[1].told.as_ref().is_some_and(|told| told.holds && told.reason == "WaypointAccepted"));
    assert_eq!(view.others.len(), 1, "a Gateway that is no waypoint");
    let heard = heard.lock().expect("not poisoned");
    let pods = heard.iter().filter(|(_, path, _)| path.contains("/pods"));
    assert!(pods.clone().all(|(_, path, _)| path.contains("labelSelector")), "no list of all pods: {pods:?}");
}

#[tokio::test]
async fn a_cluster_without_the_gateway_api_is_told_so() {
    let (cluster, _) = server(|_, _| refused(404)).await;
    let error = gateways(&cluster, None).await.expect_err("there are no Gateways").to_string();
    assert!(error.contains("the Gateway API is not installed in the cluster at http://127.0.0.1"), "{error}");
    assert!(classes(&cluster).await.expect("none").is_empty());
}
