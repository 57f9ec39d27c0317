//! Reading and writing objects with a real client.

use k8s_openapi::api::{
    apps::v1::Deployment,
    authorization::v1::SelfSubjectAccessReview,
    core::v1::{ConfigMap, Namespace, Pod, Secret, Service, ServiceAccount},
};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams},
    core::PartialObjectMeta,
};
use serde_json::{Value, json};
use source::{Kind, kubernetes::resource};

use crate::{Here, code, make};

fn map(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data})
}

#[tokio::test]
async fn the_version_and_the_rights_are_told() {
    let here = Here::new();
    let version = here.client.apiserver_version().await.expect("a version");
    assert_eq!((version.minor.as_str(), version.git_version.as_str()), ("34", "v1.34.0-folder"));
    let review = Api::<SelfSubjectAccessReview>::all(here.client.clone());
    let answer = review.create(&PostParams::default(), &SelfSubjectAccessReview::default()).await.expect("an answer");
    assert!(answer.status.expect("a status").allowed);
}

#[tokio::test]
async fn objects_are_made_read_replaced_and_deleted() {
    let here = Here::new();
    here.namespace("shop").await;
    let accounts = Api::<ServiceAccount>::namespaced(here.client.clone(), "shop");
    assert!(accounts.get("default").await.expect("made with the namespace").uid().is_some());
    let space = Api::<Namespace>::all(here.client.clone()).get("shop").await.expect("there");
    assert_eq!(space.labels()["kubernetes.io/metadata.name"], "shop");

    let maps = Api::<ConfigMap>::namespaced(here.client.clone(), "shop");
    let made: ConfigMap = make(&here.client, Some("shop"), &map(&json!({"a": "1"}))).await;
    assert!(made.metadata.uid.is_some() && made.metadata.creation_timestamp.is_some());
    assert_eq!(code(maps.create(&PostParams::default(), &made.clone()).await).1, "AlreadyExists");

    let mut next = made.clone();
    next.data.get_or_insert_default().insert("a".into(), "2".into());
    let replaced = maps.replace("m", &PostParams::default(), &next).await.expect("replaced");
    assert_ne!(replaced.resource_version(), made.resource_version());
    assert_eq!(code(maps.replace("m", &PostParams::default(), &next).await).1, "Conflict", "an old version");
    next.metadata.resource_version = None;
    let same = maps.replace("m", &PostParams::default(), &next).await.expect("replaced");
    assert_eq!(same.resource_version(), replaced.resource_version(), "nothing changed");

    let other = DeleteParams::default()
        .preconditions(kube::api::Preconditions { uid: Some("another".into()), resource_version: None });
    assert_eq!(code(maps.delete("m", &other).await).0, 409);
    assert!(maps.delete("m", &DeleteParams::default()).await.expect("deleted").right().is_some());
    assert_eq!(code(maps.get("m").await), (404, "NotFound".into(), "configmaps \"m\" not found".into()));
    assert_eq!(code(maps.delete("m", &DeleteParams::default()).await).0, 404);
}

#[tokio::test]
async fn names_are_made_up_and_checked() {
    let here = Here::new();
    here.namespace("shop").await;
    let maps = Api::<ConfigMap>::namespaced(here.client.clone(), "shop");
    let begun: ConfigMap = make(&here.client, Some("shop"), &json!({"metadata": {"generateName": "web-"}})).await;
    assert!(begun.name_any().starts_with("web-") && begun.name_any().len() == 9);
    for name in ["", "..", "a/b", "../../x", ".lock", "A", "a_b", "-a", &"a".repeat(250)] {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        let refused = code(maps.create(&PostParams::default(), &object).await);
        assert_eq!(refused.0, 422, "{name:?}: {refused:?}");
    }
    for path in ["/api/v1/namespaces/shop/configmaps/..%2f..%2fx", "/api/v1/namespaces/..%2fshop/configmaps/x"] {
        let request = http::Request::get(path).body(Vec::new()).expect("a request");
        assert_eq!(code(here.client.request::<Value>(request).await).0, 400, "{path}");
    }
    let absent = Api::<ConfigMap>::namespaced(here.client.clone(), "nowhere");
    let refused =
        code(absent.create(&PostParams::default(), &serde_json::from_value(map(&json!({}))).expect("one")).await);
    assert_eq!((refused.0, refused.2.as_str()), (404, "namespaces \"nowhere\" not found"));
}

#[tokio::test]
async fn bodies_that_make_no_sense_are_refused() {
    let here = Here::new();
    here.namespace("shop").await;
    let rows: &[(&str, &str, &str, &str, u16)] = &[
        ("POST", "/api/v1/namespaces/shop/configmaps", "application/json", "{", 400),
        ("POST", "/api/v1/namespaces/shop/configmaps", "application/json", "[]", 400),
        ("POST", "/api/v1/namespaces/shop/configmaps", "application/json", r#"{"metadata":1}"#, 400),
        (
            "POST",
            "/api/v1/namespaces/shop/configmaps",
            "application/json",
            r#"{"kind":"Secret","metadata":{"name":"x"}}"#,
            400,
        ),
        (
            "POST",
            "/api/v1/namespaces/shop/configmaps",
            "application/json",
            r#"{"metadata":{"name":"x"},"data":{"a":1}}"#,
            422,
        ),
        (
            "POST",
            "/api/v1/namespaces/shop/services",
            "application/json",
            r#"{"metadata":{"name":"x"},"spec":{"ports":[{"port":99999}]}}"#,
            422,
        ),
        ("POST", "/api/v1/namespaces/shop/configmaps", "application/vnd.kubernetes.protobuf", "k8s", 415),
        ("POST", "/api/v1/configmaps", "application/json", r#"{"metadata":{"name":"x"}}"#, 405),
        ("PATCH", "/api/v1/namespaces/shop", "application/json-patch+json", "[]", 415),
        ("PATCH", "/api/v1/namespaces/shop?fieldManager=", "application/apply-patch+yaml", "{}", 400),
        ("PATCH", "/api/v1/namespaces/shop", "application/merge-patch+json", r#"{"metadata":{"name":"other"}}"#, 400),
        ("OPTIONS", "/api/v1/namespaces/shop", "", "", 405),
        ("GET", "/api/v1/widgets", "", "", 404),
        ("GET", "/api/v1/pods?labelSelector=%28", "", "", 400),
        ("GET", "/api/v1/pods?fieldSelector=spec.x%3D1", "", "", 400),
    ];
    for (method, path, media, body, want) in rows {
        let request = http::Request::builder().method(*method).uri(*path).header("content-type", *media);
        let request = request.body(body.as_bytes().to_vec()).expect("a request");
        let refused = code(here.client.request::<Value>(request).await);
        assert_eq!(refused.0, *want, "{method} {path} {body}: {refused:?}");
    }
    let long = http::Request::post("/api/v1/namespaces").body(vec![b' '; (3 << 20) + 1]).expect("a request");
    assert_eq!(code(here.client.request::<Value>(long).await).0, 413);
    let field = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"replicas": "two", "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}}}});
    let request = http::Request::post("/apis/apps/v1/namespaces/shop/deployments").body(field.to_string().into_bytes());
    let refused = code(here.client.request::<Value>(request.expect("a request")).await);
    assert_eq!(refused.0, 422);
    assert!(refused.2.contains("spec.replicas: wrong type"), "{refused:?}");
}

#[tokio::test]
async fn status_and_the_rest_are_written_apart() {
    let here = Here::new();
    here.namespace("shop").await;
    let pod = here.pod("shop", "web").await;
    assert_eq!(pod.status.and_then(|s| s.phase).as_deref(), Some("Pending"));
    let pods = Api::<Pod>::namespaced(here.client.clone(), "shop");
    let how = PatchParams::default();
    // As the node agent annotates.
    let uid = pod.metadata.uid.clone();
    let patch = json!({"metadata": {"uid": uid, "annotations": {"ambient.istio.io/redirection": "enabled"}}});
    let pod = pods.patch_status("web", &how, &Patch::Merge(&patch)).await.expect("patched");
    assert_eq!(pod.annotations()["ambient.istio.io/redirection"], "enabled");
    let patch = json!({"metadata": {"uid": uid, "annotations": {"ambient.istio.io/redirection": null}}});
    let pod = pods.patch_status("web", &how, &Patch::Merge(&patch)).await.expect("patched");
    assert!(pod.annotations().is_empty());
    let other = json!({"metadata": {"uid": "another", "annotations": {"a": "b"}}});
    assert_eq!(code(pods.patch_status("web", &how, &Patch::Merge(&other)).await).0, 409);

    let both = json!({"spec": {"nodeName": "n2"}, "status": {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]}});
    let pod = pods.patch_status("web", &how, &Patch::Merge(&both)).await.expect("patched");
    assert_eq!(pod.spec.expect("a spec").node_name.as_deref(), Some("n1"));
    assert_eq!(pod.status.expect("a status").phase.as_deref(), Some("Running"));
    let both = json!({"metadata": {"labels": {"a": "b"}}, "status": {"phase": "Failed"}});
    let pod = pods.patch("web", &how, &Patch::Merge(&both)).await.expect("patched");
    assert_eq!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Running"));
    assert_eq!(pod.labels()["a"], "b");

    // Conditions are merged by their type.
    for (kind, status) in [("Ready", "False"), ("Initialized", "True"), ("Ready", "True")] {
        let patch = json!({"status": {"conditions": [{"type": kind, "status": status}]}});
        pods.patch_status("web", &how, &Patch::Strategic(&patch)).await.expect("patched");
    }
    let pod = pods.get_status("web").await.expect("there");
    let conditions = pod.status.and_then(|s| s.conditions).expect("conditions");
    let told: Vec<_> = conditions.iter().map(|c| (c.type_.as_str(), c.status.as_str())).collect();
    assert_eq!(told, [("Ready", "True"), ("Initialized", "True")]);
}

#[tokio::test]
async fn policies_have_two_versions_a_generation_and_a_status() {
    let here = Here::new();
    here.namespace("shop").await;
    let kind = resource(Kind::AuthorizationPolicy, "");
    let policies = Api::<DynamicObject>::namespaced_with(here.client.clone(), "shop", &kind);
    let policy = |action| json!({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "p"}, "spec": {"action": action}});
    let apply = PatchParams::apply("me").force();
    let made = policies.patch("p", &apply, &Patch::Apply(policy("ALLOW"))).await.expect("applied");
    assert_eq!(made.metadata.generation, Some(1));
    let status = json!({"status": {"conditions": [{"type": "ZtunnelAccepted", "observedGeneration": "1"}]}});
    policies.patch_status("p", &PatchParams::default(), &Patch::Merge(&status)).await.expect("written");
    let next = policies.patch("p", &apply, &Patch::Apply(policy("DENY"))).await.expect("applied");
    assert_eq!(next.metadata.generation, Some(2));
    assert_eq!(next.data["status"], status["status"], "kept");

    let beta = ApiResource::from_gvk(&GroupVersionKind::gvk("security.istio.io", "v1beta1", "AuthorizationPolicy"));
    let beta = Api::<DynamicObject>::namespaced_with(here.client.clone(), "shop", &beta);
    let shown = beta.get("p").await.expect("there");
    assert_eq!(shown.types.expect("types").api_version, "security.istio.io/v1beta1");
    let refused = code(policies.patch("p", &apply, &Patch::Apply(policy("DENNY"))).await);
    assert_eq!(refused.0, 422);
    assert!(
        refused.2.contains("spec.action: unknown value \"DENNY\": want one of ALLOW, DENY, AUDIT, CUSTOM"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn apply_removes_what_its_manager_applies_no_longer() {
    let here = Here::new();
    here.namespace("shop").await;
    let maps = Api::<ConfigMap>::namespaced(here.client.clone(), "shop");
    let apply = |manager: &str, data| {
        let (maps, how) = (maps.clone(), PatchParams::apply(manager).force());
        async move { maps.patch("m", &how, &Patch::Apply(map(&data))).await.expect("applied") }
    };
    let data = |map: ConfigMap| serde_json::to_value(map.data).expect("JSON");
    apply("a", json!({"x": "1", "y": "1", "shared": "1"})).await;
    apply("b", json!({"z": "2", "shared": "1"})).await;
    let after = apply("a", json!({"x": "3"})).await;
    assert_eq!(data(after), json!({"x": "3", "z": "2", "shared": "1"}));
    let before = maps.get("m").await.expect("there").resource_version();
    assert_eq!(apply("a", json!({"x": "3"})).await.resource_version(), before, "the same again is no change");
    let how = PatchParams { dry_run: true, ..PatchParams::apply("a") };
    let dry = maps.patch("m", &how, &Patch::Apply(map(&json!({})))).await;
    assert_eq!(data(dry.expect("computed")), json!({"z": "2", "shared": "1"}));
    assert_eq!(data(maps.get("m").await.expect("there"))["x"], "3", "a dry run writes nothing");
}

#[tokio::test]
async fn lists_select_and_slim() {
    let here = Here::new();
    for space in ["shop", "shop-2"] {
        here.namespace(space).await;
        for name in ["a", "b"] {
            here.pod(space, name).await;
        }
    }
    let pods = Api::<Pod>::all(here.client.clone());
    let patch = json!({"metadata": {"labels": {"app": "a"}}});
    let one = Api::<Pod>::namespaced(here.client.clone(), "shop");
    one.patch("a", &PatchParams::default(), &Patch::Merge(&patch)).await.expect("patched");
    let count = async |params: ListParams| pods.list(&params).await.expect("listed").items.len();
    assert_eq!(count(ListParams::default()).await, 4);
    assert_eq!(count(ListParams::default().labels("app in (a, c)")).await, 1);
    assert_eq!(count(ListParams::default().labels("!app")).await, 3);
    assert_eq!(count(ListParams::default().fields("metadata.namespace=shop,spec.nodeName=n1")).await, 2);
    assert_eq!(count(ListParams::default().fields("status.phase!=Pending")).await, 0);
    assert_eq!(one.list(&ListParams::default()).await.expect("listed").items.len(), 2, "not those of shop-2");
    let slim = pods.list_metadata(&ListParams::default()).await.expect("listed");
    assert_eq!(slim.items.len(), 4);
    let slim: PartialObjectMeta<Pod> = one.get_metadata("a").await.expect("there");
    assert_eq!(slim.labels()["app"], "a");
}

#[tokio::test]
async fn secrets_are_encoded_and_files_private() {
    use std::os::unix::fs::PermissionsExt;
    let here = Here::new();
    here.namespace("shop").await;
    let secret: Secret =
        make(&here.client, Some("shop"), &json!({"metadata": {"name": "s"}, "stringData": {"k": "v"}})).await;
    assert_eq!(secret.data.expect("data")["k"].0, b"v");
    let mode = |path: &str| std::fs::metadata(here.path(path)).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode("state/secrets/shop/s.yaml"), 0o600);
    assert_eq!(mode("state/secrets/shop"), 0o700);
    assert_eq!(mode("state"), 0o700);
    // What looks like another type to YAML comes back as the text that it is.
    let odd = json!({"a": "1", "b": "yes", "c": "null", "d": "0x1F", "e": "1e3", "f": " x\n\ty ", "g": "~", "h": "", "i": "2001-01-01", "j": "\u{0}\u{85}\u{feff}"});
    let _: ConfigMap = make(&here.client, Some("shop"), &map(&odd)).await;
    let here = here.reopen();
    let read = Api::<ConfigMap>::namespaced(here.client.clone(), "shop").get("m").await.expect("read");
    assert_eq!(serde_json::to_value(read.data).expect("JSON"), odd);
}

#[tokio::test]
async fn other_kinds_are_kept_too() {
    let here = Here::new();
    here.namespace("shop").await;
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let spec = json!({"selector": {"matchLabels": {"a": "b"}}, "template": template});
    let made: Deployment = make(&here.client, Some("shop"), &json!({"metadata": {"name": "d"}, "spec": spec})).await;
    assert_eq!(made.metadata.generation, Some(1));
    let ports = json!([{"port": 80, "targetPort": "web"}]);
    let _: Service =
        make(&here.client, Some("shop"), &json!({"metadata": {"name": "s"}, "spec": {"ports": ports}})).await;
    let all = Api::<Deployment>::namespaced(here.client.clone(), "shop");
    all.delete_collection(&DeleteParams::default(), &ListParams::default()).await.expect("deleted");
    assert!(all.list(&ListParams::default()).await.expect("listed").items.is_empty());
}
