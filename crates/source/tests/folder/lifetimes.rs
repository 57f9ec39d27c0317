//! How objects go.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::{Here, code, make};

#[tokio::test]
async fn pods_go_when_their_kubelet_says_so() {
    let here = Here::new();
    here.namespace("shop").await;
    here.pod("shop", "web").await;
    let pods = Api::<Pod>::namespaced(here.client.clone(), "shop");
    let going = pods.delete("web", &DeleteParams::default()).await.expect("deleted").left().expect("still there");
    assert_eq!(going.metadata.deletion_grace_period_seconds, Some(30));
    assert!(going.metadata.deletion_timestamp.is_some());
    let again = pods.delete("web", &DeleteParams::default()).await.expect("deleted").left().expect("still there");
    assert_eq!(again.resource_version(), going.resource_version(), "once is enough");
    assert!(pods.delete("web", &DeleteParams::default().grace_period(0)).await.expect("deleted").is_right());
    assert!(pods.get_opt("web").await.expect("asked").is_none());
    let unplaced = json!({"metadata": {"name": "x"}, "spec": {"containers": [{"name": "c"}]}});
    let _: Pod = make(&here.client, Some("shop"), &unplaced).await;
    assert!(pods.delete("x", &DeleteParams::default()).await.expect("deleted").is_right(), "nobody runs it");
}

#[tokio::test]
async fn without_a_kubelet_pods_go_at_once() {
    let here = Here::new();
    here.namespace("shop").await;
    here.pod("shop", "web").await;
    let Here { directory, folder, client } = here;
    drop((folder, client));
    let settings = source::folder::Settings { kubelet: false, ..crate::settings(directory.path()) };
    let folder = source::folder::Folder::open(settings).expect("opens");
    let pods = Api::<Pod>::namespaced(folder.client(), "shop");
    assert!(pods.delete("web", &DeleteParams::default()).await.expect("deleted").is_right());
}

#[tokio::test]
async fn finalizers_are_respected() {
    let here = Here::new();
    here.namespace("shop").await;
    let meta = json!({"metadata": {"name": "m", "finalizers": ["example.com/a", "example.com/b"]}});
    let _: ConfigMap = make(&here.client, Some("shop"), &meta).await;
    let maps = Api::<ConfigMap>::namespaced(here.client.clone(), "shop");
    let going = maps.delete("m", &DeleteParams::default()).await.expect("deleted").left().expect("still there");
    assert!(going.metadata.deletion_timestamp.is_some());
    for (left, there) in [(json!(["example.com/b"]), true), (json!([]), false)] {
        let patch = json!({"metadata": {"finalizers": left}});
        maps.patch("m", &PatchParams::default(), &Patch::Merge(&patch)).await.expect("patched");
        assert_eq!(maps.get_opt("m").await.expect("asked").is_some(), there);
    }
}

#[tokio::test]
async fn a_namespace_goes_after_what_is_in_it() {
    let here = Here::new();
    here.namespace("shop").await;
    here.pod("shop", "web").await;
    let _: ConfigMap = make(&here.client, Some("shop"), &json!({"metadata": {"name": "m"}})).await;
    let spaces = Api::<Namespace>::all(here.client.clone());
    let going = spaces.delete("shop", &DeleteParams::default()).await.expect("deleted").left().expect("still there");
    assert!(going.metadata.deletion_timestamp.is_some());
    assert_eq!(going.status.and_then(|s| s.phase).as_deref(), Some("Terminating"));
    let maps = Api::<ConfigMap>::namespaced(here.client.clone(), "shop");
    assert!(maps.get_opt("m").await.expect("asked").is_none());
    let mut map = ConfigMap::default();
    map.metadata.name = Some("n".into());
    let refused = code(maps.create(&PostParams::default(), &map).await);
    assert_eq!(refused.0, 403);
    assert!(refused.2.contains("being terminated"), "{refused:?}");
    let pods = Api::<Pod>::namespaced(here.client.clone(), "shop");
    assert!(pods.get("web").await.expect("still there").metadata.deletion_timestamp.is_some());
    pods.delete("web", &DeleteParams::default().grace_period(0)).await.expect("deleted");
    assert!(spaces.get_opt("shop").await.expect("asked").is_none());
    assert!(!here.path("state/pods/shop").exists(), "nothing is left of it");
    here.namespace("shop").await;
    spaces.delete("shop", &DeleteParams::default()).await.expect("deleted").right().expect("empty, so gone at once");
}

#[tokio::test]
async fn all_is_there_after_a_restart_and_old_versions_are_too_old() {
    let here = Here::new();
    here.namespace("shop").await;
    let pod = here.pod("shop", "web").await;
    let here = here.reopen();
    let pods = Api::<Pod>::namespaced(here.client.clone(), "shop");
    let again = pods.get("web").await.expect("there");
    assert_eq!(again.uid(), pod.uid());
    assert_ne!(again.resource_version(), pod.resource_version());
    assert_eq!(code(pods.replace("web", &PostParams::default(), &pod).await).0, 409);
}

#[tokio::test]
async fn what_is_made_for_a_gateway_goes_with_it() {
    let here = Here::new();
    here.namespace("shop").await;
    let kind = source::kubernetes::resource(source::Kind::Gateway, "");
    let gateways = Api::<DynamicObject>::namespaced_with(here.client.clone(), "shop", &kind);
    let listeners = json!([{"name": "mesh", "port": 15008, "protocol": "HBONE"}]);
    let spec = json!({"gatewayClassName": "istio-waypoint", "listeners": listeners});
    let gateway = DynamicObject::new("waypoint", &kind).data(json!({ "spec": spec }));
    let gateway = gateways.create(&PostParams::default(), &gateway).await.expect("made");
    let owner = |uid: &str| json!({"apiVersion": kind.api_version, "kind": "Gateway", "name": "waypoint", "uid": uid});
    let ours = owner(gateway.metadata.uid.as_deref().expect("an UID"));
    for (name, owners) in [("own", json!([ours])), ("shared", json!([ours, owner("another")])), ("free", json!([]))] {
        let meta = json!({"metadata": {"name": name, "ownerReferences": owners}});
        let _: ConfigMap = make(&here.client, Some("shop"), &meta).await;
    }
    gateways.delete("waypoint", &DeleteParams::default()).await.expect("deleted");
    let left =
        Api::<ConfigMap>::namespaced(here.client.clone(), "shop").list(&Default::default()).await.expect("listed");
    assert_eq!(left.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["free", "shared"]);
}

/// Who removes a state removes it under the hands of those who still write.
#[tokio::test]
async fn a_state_that_was_removed_is_not_made_anew_by_a_write() {
    let here = Here::new();
    here.namespace("shop").await;
    std::fs::remove_dir_all(here.path("state/pods")).expect("removed");
    here.pod("shop", "web-1").await;
    std::fs::remove_dir_all(here.path("state")).expect("removed");
    let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "later" } });
    let object: Namespace = serde_json::from_value(object).expect("a namespace");
    let made = Api::all(here.client.clone()).create(&PostParams::default(), &object).await;
    assert!(made.is_err() && !here.path("state").exists(), "{made:?}");
}
