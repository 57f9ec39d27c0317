//! The folder, seen as its users see it: a real client, real watches, real files.

mod any;
mod api;
mod importing;
mod lifetimes;
mod positions;
mod shared;
mod socket;
mod tokens;
mod watches;

use std::{path::Path, time::Duration};

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api, Client,
    api::{DynamicObject, PostParams},
};
use serde_json::{Value, json};
use source::folder::{Folder, Settings};
use tempfile::TempDir;

/// A folder with its directory, which holds `state` and `manifests`.
struct Here {
    directory: TempDir,
    folder: Folder,
    client: Client,
}

impl Here {
    /// Opens an empty one.
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("manifests")).expect("a directory");
        Self::open(directory)
    }

    /// Opens one, with what its directory has.
    fn open(directory: TempDir) -> Self {
        let folder = Folder::open(settings(directory.path())).expect("opens");
        let client = folder.client();
        Self { directory, folder, client }
    }

    /// Opens it once more, as a process does that is started again.
    fn reopen(self) -> Self {
        let Self { directory, folder, client } = self;
        drop((folder, client));
        Self::open(directory)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path("manifests").join(name), text).expect("written");
    }

    async fn namespace(&self, name: &str) {
        make::<Namespace>(&self.client, None, &json!({"metadata": {"name": name}})).await;
    }

    async fn pod(&self, namespace: &str, name: &str) -> Pod {
        let containers = json!([{"name": "app"}]);
        let pod = json!({"metadata": {"name": name}, "spec": {"containers": containers, "nodeName": "n1"}});
        make(&self.client, Some(namespace), &pod).await
    }

    /// Waits until a check holds, and says what did not come if it never does.
    async fn until(&self, what: &str, check: impl AsyncFn(&Self) -> bool) {
        for _ in 0..300 {
            if check(self).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("within 3 s never: {what}; problems: {:#?}", self.problems());
    }

    fn problems(&self) -> Vec<String> {
        let from = format!("{}/manifests/", self.directory.path().display());
        self.folder.problems().iter().map(|p| p.to_string().replace(&from, "")).collect()
    }
}

fn settings(directory: &Path) -> Settings {
    Settings {
        state: directory.join("state"),
        manifests: vec![directory.join("manifests")],
        import: true,
        kubelet: true,
        check: None,
    }
}

async fn make<K>(client: &Client, namespace: Option<&str>, object: &Value) -> K
where
    K: kube::Resource<DynamicType = ()> + serde::de::DeserializeOwned + serde::Serialize + Clone + std::fmt::Debug,
{
    let kind = kube::api::ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind),
        None => Api::all_with(client.clone(), &kind),
    };
    let mut object = object.clone();
    object["apiVersion"] = kind.api_version.clone().into();
    object["kind"] = kind.kind.clone().into();
    let object: DynamicObject = serde_json::from_value(object).expect("an object");
    let made = api.create(&PostParams::default(), &object).await.expect("created");
    made.try_parse().expect("of its kind")
}

fn code<T: std::fmt::Debug>(outcome: Result<T, kube::Error>) -> (u16, String, String) {
    match outcome {
        Err(kube::Error::Api(status)) => (status.code, status.reason.clone(), status.message.clone()),
        other => panic!("no refusal: {other:?}"),
    }
}
