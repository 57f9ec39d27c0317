//! The control plane's work on a folder, which answers as a Kubernetes API does.

use std::collections::BTreeMap;

use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use model::l7::Normalization;
use runtime::Readiness;
use serde_json::{Value, json};
use source::folder::{Folder, Settings};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::{Work, feed, issue, mesh, proof};

/// A folder, and replicas of the control plane that work on it.
struct Here {
    client: Client,
    replicas: Vec<JoinHandle<()>>,
    _state: TempDir,
}

impl Drop for Here {
    fn drop(&mut self) {
        self.replicas.iter().for_each(JoinHandle::abort);
    }
}

fn resource(kind: &str) -> ApiResource {
    let (group, version, plural) = match kind {
        "Namespace" => ("", "v1", "namespaces"),
        "Pod" => ("", "v1", "pods"),
        "Service" => ("", "v1", "services"),
        "ServiceAccount" => ("", "v1", "serviceaccounts"),
        "ConfigMap" => ("", "v1", "configmaps"),
        "Deployment" => ("apps", "v1", "deployments"),
        "PodDisruptionBudget" => ("policy", "v1", "poddisruptionbudgets"),
        "HorizontalPodAutoscaler" => ("autoscaling", "v2", "horizontalpodautoscalers"),
        "GatewayClass" => ("gateway.networking.k8s.io", "v1", "gatewayclasses"),
        "Gateway" => ("gateway.networking.k8s.io", "v1", "gateways"),
        other => panic!("no kind {other}"),
    };
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

impl Here {
    async fn new() -> Self {
        let state = tempfile::tempdir().expect("a directory");
        let settings = Settings { state: state.path().into(), ..Settings::default() };
        let client = Folder::open(settings).expect("opens").client();
        let here = Self { client, replicas: Vec::new(), _state: state };
        here.put("Namespace", "istio-system", json!({})).await;
        here.put("Namespace", "shop", json!({"metadata": {"labels": {"istio.io/use-waypoint": "waypoint"}}})).await;
        here
    }

    /// Starts a replica that deploys this image.
    fn replica(&mut self, image: &str) {
        let settings = mesh::Settings {
            root: "istio-system".into(),
            cluster: "Kubernetes".into(),
            trust_domain: "cluster.local".into(),
            domain: "cluster.local".into(),
            network: String::new(),
            deploys: true,
        };
        let waypoints = Waypoints {
            namespace: "istio-system".into(),
            image: image.into(),
            pull_policy: "Never".into(),
            grace: 10,
            ..Waypoints::default()
        };
        let work = Work {
            client: self.client.clone(),
            settings,
            common: feed::Common { trust_domains: vec!["cluster.local".into()], normalization: Normalization::Base },
            waypoints: Some(waypoints),
            placement: issue::Placement::default(),
            proof: proof::Waypoints::default(),
            resources: xds::server::Resources::new(),
            readiness: Readiness::pending([]),
        };
        self.replicas.push(tokio::spawn(work.run()));
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        match kind {
            "Namespace" | "GatewayClass" => Api::all_with(self.client.clone(), &resource(kind)),
            _ => Api::namespaced_with(self.client.clone(), "shop", &resource(kind)),
        }
    }

    /// Applies an object as an operator does.
    async fn put(&self, kind: &str, name: &str, mut object: Value) {
        let resource = resource(kind);
        object["apiVersion"] = resource.api_version.into();
        object["kind"] = kind.into();
        object["metadata"]["name"] = name.into();
        let how = PatchParams::apply("operator").force();
        self.api(kind).patch(name, &how, &Patch::Apply(&object)).await.expect("applied");
    }

    async fn gateway(&self, name: &str, annotations: Value, infrastructure: Value) {
        let listener = json!({"name": "mesh", "port": 15008, "protocol": "HBONE"});
        let spec = json!({
            "gatewayClassName": "istio-waypoint", "listeners": [listener], "infrastructure": infrastructure,
        });
        self.put("Gateway", name, json!({"metadata": {"annotations": annotations}, "spec": spec})).await;
    }

    async fn find(&self, kind: &str, name: &str) -> Option<DynamicObject> {
        self.api(kind).get_opt(name).await.expect("an answer")
    }

    /// Returns a part of an object; null where it is not.
    async fn part(&self, kind: &str, name: &str, pointer: &str) -> Value {
        let found = self.find(kind, name).await;
        found.and_then(|o| o.data.pointer(pointer).cloned()).unwrap_or_default()
    }

    /// Returns status, reason and message of a condition.
    async fn condition(&self, kind: &str, name: &str, condition: &str) -> (String, String, String) {
        let all = self.part(kind, name, "/status/conditions").await;
        let found = all.as_array().into_iter().flatten().find(|c| c["type"] == condition).cloned().unwrap_or_default();
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"), text("message"))
    }

    /// Waits until something is so, and says what was seen if it never is.
    async fn until<T: std::fmt::Debug>(&self, what: &str, look: impl AsyncFn(&Self) -> Result<(), T>) {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            match look(self).await {
                Ok(()) => return,
                Err(seen) if Instant::now() > end => panic!("never: {what}: {seen:?}"),
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    }

    async fn until_is(&self, kind: &str, name: &str, pointer: &str, want: Value) {
        let what = format!("{pointer} of {kind} {name} is {want}");
        self.until(&what, async |here| match here.part(kind, name, pointer).await {
            found if found == want => Ok(()),
            found => Err(found),
        })
        .await;
    }

    async fn until_condition(&self, kind: &str, name: &str, condition: &str, reason: &str, words: &str) {
        let what = format!("{condition} of {kind} {name} is {reason}");
        self.until(&what, async |here| match here.condition(kind, name, condition).await {
            found if found.1 == reason && found.2.contains(words) => Ok(()),
            found => Err(found),
        })
        .await;
    }

    /// Plays the kubelet: a pod of the waypoint becomes ready, or is not any more.
    async fn pod(&self, name: &str, gateway: &str, ready: bool) {
        let labels = json!({"gateway.networking.k8s.io/gateway-name": gateway, "gateway.istio.io/managed": "x"});
        let spec = json!({"containers": [{"name": "c"}], "nodeName": "n"});
        self.put("Pod", name, json!({"metadata": {"labels": labels}, "spec": spec})).await;
        let condition = json!({"type": "Ready", "status": if ready { "True" } else { "False" }});
        let status = json!({"status": {"podIPs": [{"ip": "10.0.0.1"}], "conditions": [condition]}});
        self.api("Pod").patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.expect("told");
    }
}

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
