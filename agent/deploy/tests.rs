//! The control plane's work on a folder, which answers as a Kubernetes API does.

use std::collections::BTreeMap;

use kube::{
    Api, ResourceExt,
    api::{DeleteParams, DynamicObject, PostParams},
};
use serde_json::{Value, json};

use super::*;
use crate::here::{Here, resource};

const KINDS: [&str; 4] = ["ServiceAccount", "Service", "Deployment", "PodDisruptionBudget"];

#[tokio::test]
async fn a_gateway_becomes_a_waypoint_and_goes_without_a_trace() {
    let mut here = Here::new().await;
    here.put("Service", "web", json!({"spec": {"ports": [{"port": 80}]}})).await;
    here.replica("one");
    here.until_condition("GatewayClass", "istio-waypoint", "Accepted", "Accepted", "").await;
    let bound = "istio.io/WaypointBound";
    here.until_condition("Service", "web", bound, "WaypointIsNotReady", "there is no Gateway shop/waypoint").await;

    here.gateway("waypoint", json!({}), Value::Null).await;
    here.until_is("Deployment", "waypoint", "/spec/replicas", json!(2)).await;
    here.until_condition("Gateway", "waypoint", "Programmed", "Pending", "goes direct").await;
    here.until_condition("Service", "web", bound, "WaypointIsNotReady", "was not ready yet").await;
    let uid = here.find("Gateway", "waypoint").await.and_then(|g| g.uid());
    for kind in KINDS {
        let object = here.find(kind, "waypoint").await.expect(kind);
        assert_eq!(object.owner_references().first().map(|o| &o.uid), uid.as_ref(), "{kind}");
    }

    here.pod("w-0", "waypoint", true).await;
    here.until_condition("Gateway", "waypoint", "Programmed", "Programmed", "").await;
    here.until_condition("Service", "web", bound, "WaypointAccepted", "shop/waypoint").await;
    let address = json!({"type": "Hostname", "value": "waypoint.shop.svc.cluster.local"});
    here.until_is("Gateway", "waypoint", "/status/addresses/0", address).await;
    here.until_is("Gateway", "waypoint", "/status/listeners/0/conditions/0/reason", json!("Accepted")).await;
    here.pod("w-0", "waypoint", false).await;
    here.until_condition("Gateway", "waypoint", "Programmed", "NoResources", "is refused").await;

    here.api("Gateway").delete("waypoint", &DeleteParams::default()).await.expect("deleted");
    here.until_condition("Service", "web", bound, "WaypointIsNotReady", "there is no Gateway").await;
    for kind in KINDS {
        here.until(kind, async |here| here.find(kind, "waypoint").await.map_or(Ok(()), Err)).await;
    }
    sleep(Duration::from_millis(500)).await;
    assert!(here.find("Deployment", "waypoint").await.is_none(), "nobody makes it again");

    here.api("GatewayClass").delete("istio-waypoint", &DeleteParams::default()).await.expect("deleted");
    here.until_condition("GatewayClass", "istio-waypoint", "Accepted", "Accepted", "").await;
}

#[tokio::test]
async fn sizes_follow_the_annotations_and_what_is_wrong_changes_nothing() {
    let mut here = Here::new().await;
    here.replica("one");
    here.gateway("waypoint", json!({sizes::REPLICAS: "3"}), Value::Null).await;
    here.until_is("Deployment", "waypoint", "/spec/replicas", json!(3)).await;
    let before = here.find("Deployment", "waypoint").await;

    here.gateway("waypoint", json!({sizes::REPLICAS: "many"}), Value::Null).await;
    here.until_condition("Gateway", "waypoint", "Accepted", "Invalid", "want a number from 1 to").await;
    here.until_condition("Gateway", "waypoint", "Programmed", "Invalid", "stays as it is").await;
    assert_eq!(here.find("Deployment", "waypoint").await, before);

    here.gateway("waypoint", json!({sizes::AUTOSCALE: "3-6", sizes::MEMORY: "256Mi"}), Value::Null).await;
    here.until_is("HorizontalPodAutoscaler", "waypoint", "/spec/maxReplicas", json!(6)).await;
    let requests = "/spec/template/spec/containers/0/resources/requests/memory";
    here.until_is("Deployment", "waypoint", requests, json!("256Mi")).await;
    // We say it no longer, and it is not gone: one pod would be left.
    here.until_is("Deployment", "waypoint", "/spec/replicas", json!(3)).await;
    here.until_condition("Gateway", "waypoint", "Accepted", "Accepted", "").await;

    here.gateway("waypoint", json!({sizes::REPLICAS: "4"}), Value::Null).await;
    here.until_is("Deployment", "waypoint", "/spec/replicas", json!(4)).await;
    let gone = async |here: &Here| here.find("HorizontalPodAutoscaler", "waypoint").await.map_or(Ok(()), Err);
    here.until("the autoscaler goes", gone).await;
}

#[tokio::test]
async fn config_maps_lay_over_and_are_followed() {
    let mut here = Here::new().await;
    here.replica("one");
    let named = json!({"parametersRef": {"group": "", "kind": "ConfigMap", "name": "sizes"}});
    here.gateway("waypoint", json!({}), named).await;
    here.until_condition("Gateway", "waypoint", "Accepted", "InvalidParameters", "there is no ConfigMap shop/sizes")
        .await;
    assert!(here.find("Deployment", "waypoint").await.is_none());
    here.put("ConfigMap", "sizes", json!({"data": {"deployment": "spec: {replicas: 4}"}})).await;
    here.until_is("Deployment", "waypoint", "/spec/replicas", json!(4)).await;
    here.until_condition("Gateway", "waypoint", "Accepted", "Accepted", "").await;
    here.put("ConfigMap", "sizes", json!({"data": {"deployment": "spec: {replicas: 5}"}})).await;
    here.until_is("Deployment", "waypoint", "/spec/replicas", json!(5)).await;
    here.put("ConfigMap", "sizes", json!({"data": {"deploymnt": "spec: {replicas: 6}"}})).await;
    here.until_condition("Gateway", "waypoint", "Accepted", "InvalidParameters", "unknown key deploymnt").await;
    here.until_is("Deployment", "waypoint", "/spec/replicas", json!(5)).await;
    // What only the server can judge: then nothing at all is applied.
    let both = json!({"data": {"deployment": "spec: {replicas: 7}", "service": "spec: {prots: []}"}});
    here.put("ConfigMap", "sizes", both).await;
    here.until_condition("Gateway", "waypoint", "Programmed", "Invalid", "prots").await;
    here.until_is("Deployment", "waypoint", "/spec/replicas", json!(5)).await;

    let maps: Api<DynamicObject> = Api::namespaced_with(here.client.clone(), "istio-system", &resource("ConfigMap"));
    let defaults = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "d", "labels": {"gateway.istio.io/defaults-for-class": "istio-waypoint"}},
        "data": {"deployment": "spec: {replicas: 8}"},
    });
    let defaults: DynamicObject = serde_json::from_value(defaults).expect("an object");
    maps.create(&PostParams::default(), &defaults).await.expect("made");
    here.gateway("waypoint", json!({}), Value::Null).await;
    here.until_is("Deployment", "waypoint", "/spec/replicas", json!(8)).await;
    maps.delete("d", &DeleteParams::default()).await.expect("deleted");
    here.until_is("Deployment", "waypoint", "/spec/replicas", json!(2)).await;
}

#[tokio::test]
async fn what_was_changed_by_hand_is_put_right_and_what_is_of_others_is_left() {
    let mut here = Here::new().await;
    let ports = json!([{"port": 80}]);
    here.put("Service", "other", json!({"spec": {"ports": ports}})).await;
    here.replica("one");
    here.gateway("waypoint", json!({}), Value::Null).await;
    here.gateway("other", json!({}), Value::Null).await;
    here.until_condition("Gateway", "other", "Programmed", "Invalid", "Service other is there and has no label").await;
    assert_eq!(here.part("Service", "other", "/spec/ports").await, ports);
    assert!(here.find("Deployment", "other").await.is_none(), "all or nothing");

    here.until_is("Deployment", "waypoint", "/spec/replicas", json!(2)).await;
    here.put("Deployment", "waypoint", json!({"spec": {"replicas": 9, "minReadySeconds": 7}})).await;
    here.until_is("Deployment", "waypoint", "/spec/replicas", json!(2)).await;
    assert_eq!(here.part("Deployment", "waypoint", "/spec/minReadySeconds").await, 7, "we say nothing of it");
    here.api("Service").delete("waypoint", &DeleteParams::default()).await.expect("deleted");
    here.until_is("Service", "waypoint", "/spec/ports/1/port", json!(15008)).await;

    // The one in the way is gone.
    here.api("Service").delete("other", &DeleteParams::default()).await.expect("deleted");
    here.until_is("Deployment", "other", "/spec/replicas", json!(2)).await;
    here.until_condition("Gateway", "other", "Programmed", "Pending", "").await;
}

#[tokio::test]
async fn replicas_that_differ_do_not_take_turns() {
    let mut here = Here::new().await;
    here.gateway("waypoint", json!({}), Value::Null).await;
    for number in 0..5 {
        let name = format!("s{number}");
        here.put("Service", &name, json!({"spec": {"ports": [{"port": 80}]}})).await;
    }
    here.replica("old");
    let image = "/spec/template/spec/containers/0/image";
    here.until_is("Deployment", "waypoint", image, json!("old")).await;
    // As when one version follows another: the new one deploys its own, the old one still runs.
    here.replica("new");
    here.until_is("Deployment", "waypoint", image, json!("new")).await;
    here.replica("new");
    here.pod("w-0", "waypoint", true).await;
    here.until_condition("Service", "s4", "istio.io/WaypointBound", "WaypointAccepted", "").await;
    here.until_condition("Gateway", "waypoint", "Programmed", "Programmed", "").await;
    let versions = async || {
        let mut versions = BTreeMap::new();
        for (kind, name) in
            [("Deployment", "waypoint"), ("Gateway", "waypoint"), ("GatewayClass", "istio-waypoint"), ("Service", "s0")]
        {
            versions.insert(kind, here.find(kind, name).await.and_then(|o| o.resource_version()));
        }
        versions
    };
    sleep(Duration::from_secs(1)).await;
    let before = versions().await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(versions().await, before, "all is said and done");
    here.until_is("Deployment", "waypoint", image, json!("new")).await;
}
