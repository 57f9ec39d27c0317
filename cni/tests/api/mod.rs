//! The objects of one test: a folder, which answers as a Kubernetes API does.

use k8s_openapi::api::{
    apps::v1::DaemonSet,
    core::v1::{Namespace, Pod},
};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use source::folder::{Folder, Settings};

/// The objects, kept as long as the test.
pub struct Objects {
    client: Client,
    _state: tempfile::TempDir,
}

impl Objects {
    /// Starts with the mesh's namespace and its DaemonSet. Call it within a runtime.
    pub async fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let settings = Settings { state: state.path().into(), ..Settings::default() };
        let objects = Self { client: Folder::open(settings).unwrap().client(), _state: state };
        objects.namespace("istio-system", json!({})).await;
        let labels = json!({"app": "ambient-cni"});
        let set = json!({
            "metadata": {"name": "ambient-cni"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "cni"}]}},
            },
        });
        let set: DaemonSet = serde_json::from_value(set).unwrap();
        objects.sets().create(&PostParams::default(), &set).await.unwrap();
        objects
    }

    pub fn client(&self) -> Client {
        self.client.clone()
    }

    fn sets(&self) -> Api<DaemonSet> {
        Api::namespaced(self.client(), "istio-system")
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client(), "shop")
    }

    /// Gives a namespace these labels and no others.
    pub async fn namespace(&self, name: &str, labels: Value) {
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels},
        });
        let api: Api<Namespace> = Api::all(self.client());
        api.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&object)).await.unwrap();
    }

    /// Makes the pod `shop/a` on node `n1` and returns its unique name.
    pub async fn pod(&self) -> String {
        let object = json!({
            "metadata": {"name": "a"},
            "spec": {"containers": [{"name": "c", "image": "till"}], "nodeName": "n1", "serviceAccountName": "till"},
        });
        let pod: Pod = serde_json::from_value(object).unwrap();
        self.pods().create(&PostParams::default(), &pod).await.unwrap().metadata.uid.unwrap()
    }

    /// Gives the pod its address, as a kubelet does.
    pub async fn address(&self, ip: &str) {
        let status = Patch::Merge(json!({"status": {"podIPs": [{"ip": ip}]}}));
        self.pods().patch_status("a", &PatchParams::default(), &status).await.unwrap();
    }

    pub async fn redirection(&self) -> Option<String> {
        let pod = self.pods().get("a").await.unwrap();
        pod.metadata.annotations?.remove("ambient.istio.io/redirection")
    }

    pub async fn delete_daemon_set(&self) {
        self.sets().delete("ambient-cni", &DeleteParams::default()).await.unwrap();
    }
}
