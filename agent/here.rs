//! For tests: the control plane's work on a folder, which answers as a Kubernetes API does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use identity::ca::Authority;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams},
};
use model::l7::Normalization;
use runtime::{Drain, Readiness};
use serde_json::{Value, json};
use source::folder::{Folder, Settings};
use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use xds::server::Resources;

use crate::{
    config::Waypoints,
    feed, issue, mesh, proof,
    scale::{self, Scale},
    work::Work,
};

/// A folder, and replicas of the control plane that work on it.
pub struct Here {
    pub client: Client,
    /// What replicas work with, which may have fewer rights.
    limited: Client,
    replicas: Vec<JoinHandle<()>>,
    _state: TempDir,
}

/// What is shared with the loop of a replica.
pub struct Replica {
    pub resources: Resources,
    pub proof: proof::Waypoints,
}

impl Drop for Here {
    fn drop(&mut self) {
        self.replicas.iter().for_each(JoinHandle::abort);
    }
}

/// Returns where objects of a kind are.
pub fn resource(kind: &str) -> ApiResource {
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
        "DestinationRule" => ("networking.istio.io", "v1", "destinationrules"),
        "HTTPRoute" => ("gateway.networking.k8s.io", "v1", "httproutes"),
        "BackendTLSPolicy" => ("gateway.networking.k8s.io", "v1", "backendtlspolicies"),
        "AuthorizationPolicy" => ("security.istio.io", "v1", "authorizationpolicies"),
        other => panic!("no kind {other}"),
    };
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

impl Here {
    pub async fn new() -> Self {
        let state = tempfile::tempdir().expect("a directory");
        let settings = Settings { state: state.path().into(), ..Settings::default() };
        let client = Folder::open(settings).expect("opens").client();
        let here = Self { limited: client.clone(), client, replicas: Vec::new(), _state: state };
        here.put("Namespace", "istio-system", json!({})).await;
        here.put("Namespace", "shop", json!({"metadata": {"labels": {"istio.io/use-waypoint": "waypoint"}}})).await;
        here
    }

    /// Takes the right to read Secrets from replicas that start later; returns how often they ask all the same.
    pub fn without_secrets(&mut self) -> Arc<AtomicUsize> {
        let asked = Arc::<AtomicUsize>::default();
        let (client, counted) = (self.client.clone(), asked.clone());
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let (client, counted) = (client.clone(), counted.clone());
            async move {
                if !request.uri().path().ends_with("/secrets") {
                    return client.send(request).await;
                }
                counted.fetch_add(1, Ordering::Relaxed);
                let refusal = json!({
                    "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "reason": "Forbidden",
                    "message": "secrets is forbidden: the account cannot list resource \"secrets\"",
                });
                let mut answer = http::Response::new(kube::client::Body::from(refusal.to_string().into_bytes()));
                *answer.status_mut() = http::StatusCode::FORBIDDEN;
                Ok(answer)
            }
        });
        self.limited = Client::new(service, "default");
        asked
    }

    /// Starts a replica that deploys this image.
    pub fn replica(&mut self, image: &str) -> Replica {
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
        let replica = Replica { resources: Resources::new(), proof: proof::Waypoints::default() };
        let authority = Arc::new(Authority::self_signed("cluster.local").expect("an authority").0);
        let scaling = scale::Settings { namespace: "istio-system".into(), names: Vec::new(), port: 0 };
        let work = Work {
            client: self.limited.clone(),
            settings,
            common: feed::Common {
                trust_domains: vec!["cluster.local".into()],
                normalization: Normalization::Base,
                providers: crate::l7::Providers::default(),
                defaults: crate::l7::defaults::Defaults::default(),
            },
            waypoints: Some(waypoints),
            scale: Scale::new(self.limited.clone(), authority, scaling, Drain::new()),
            placement: issue::Placement::default(),
            proof: replica.proof.clone(),
            resources: replica.resources.clone(),
            readiness: Readiness::pending([]),
        };
        self.replicas.push(tokio::spawn(work.run()));
        replica
    }

    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        match kind {
            "Namespace" | "GatewayClass" => Api::all_with(self.client.clone(), &resource(kind)),
            _ => Api::namespaced_with(self.client.clone(), "shop", &resource(kind)),
        }
    }

    /// Applies an object as an operator does.
    pub async fn put(&self, kind: &str, name: &str, mut object: Value) {
        let resource = resource(kind);
        object["apiVersion"] = resource.api_version.into();
        object["kind"] = kind.into();
        object["metadata"]["name"] = name.into();
        let how = PatchParams::apply("operator").force();
        self.api(kind).patch(name, &how, &Patch::Apply(&object)).await.expect("applied");
    }

    pub async fn gateway(&self, name: &str, annotations: Value, infrastructure: Value) {
        let listener = json!({"name": "mesh", "port": 15008, "protocol": "HBONE"});
        let spec = json!({
            "gatewayClassName": "istio-waypoint", "listeners": [listener], "infrastructure": infrastructure,
        });
        self.put("Gateway", name, json!({"metadata": {"annotations": annotations}, "spec": spec})).await;
    }

    pub async fn find(&self, kind: &str, name: &str) -> Option<DynamicObject> {
        self.api(kind).get_opt(name).await.expect("an answer")
    }

    /// Returns a part of an object; null where it is not.
    pub async fn part(&self, kind: &str, name: &str, pointer: &str) -> Value {
        let found = self.find(kind, name).await;
        found.and_then(|o| o.data.pointer(pointer).cloned()).unwrap_or_default()
    }

    /// Returns status, reason and message of a condition.
    pub async fn condition(&self, kind: &str, name: &str, condition: &str) -> (String, String, String) {
        let all = self.part(kind, name, "/status/conditions").await;
        let found = all.as_array().into_iter().flatten().find(|c| c["type"] == condition).cloned().unwrap_or_default();
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"), text("message"))
    }

    /// Waits until something is so, and says what was seen if it never is.
    pub async fn until<T: std::fmt::Debug>(&self, what: &str, look: impl AsyncFn(&Self) -> Result<(), T>) {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            match look(self).await {
                Ok(()) => return,
                Err(seen) if Instant::now() > end => panic!("never: {what}: {seen:?}"),
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    }

    pub async fn until_is(&self, kind: &str, name: &str, pointer: &str, want: Value) {
        let what = format!("{pointer} of {kind} {name} is {want}");
        self.until(&what, async |here| match here.part(kind, name, pointer).await {
            found if found == want => Ok(()),
            found => Err(found),
        })
        .await;
    }

    pub async fn until_condition(&self, kind: &str, name: &str, condition: &str, reason: &str, words: &str) {
        let what = format!("{condition} of {kind} {name} is {reason}");
        self.until(&what, async |here| match here.condition(kind, name, condition).await {
            found if found.1 == reason && found.2.contains(words) => Ok(()),
            found => Err(found),
        })
        .await;
    }

    /// Plays the kubelet: a pod of the waypoint becomes ready, or is not any more.
    pub async fn pod(&self, name: &str, gateway: &str, ready: bool) {
        let labels = json!({"gateway.networking.k8s.io/gateway-name": gateway, "gateway.istio.io/managed": "x"});
        let spec = json!({"containers": [{"name": "c"}], "nodeName": "n", "serviceAccountName": gateway});
        self.put("Pod", name, json!({"metadata": {"labels": labels}, "spec": spec})).await;
        let condition = json!({"type": "Ready", "status": if ready { "True" } else { "False" }});
        let status = json!({"status": {"podIPs": [{"ip": "10.0.0.1"}], "conditions": [condition]}});
        self.api("Pod").patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.expect("told");
    }
}
