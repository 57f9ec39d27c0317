//! Watches, as kube's runtime and our own source use them.

use std::{collections::BTreeSet, time::Duration};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, WatchEvent, WatchParams},
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde_json::{Value, json};
use source::{Change, Kind, Object};

use crate::{Here, code, make};

#[tokio::test]
async fn a_watcher_hears_of_what_it_selects() {
    let here = Here::new();
    here.namespace("shop").await;
    here.pod("shop", "first").await;
    let pods = Api::<Pod>::namespaced(here.client.clone(), "shop");
    let mut events =
        std::pin::pin!(watcher(Api::<Pod>::all(here.client.clone()), watcher::Config::default().labels("app=a")));
    let mut next = async || {
        tokio::time::timeout(Duration::from_secs(5), events.try_next())
            .await
            .expect("in time")
            .expect("no error")
            .expect("more")
    };
    assert!(matches!(next().await, Event::Init));
    assert!(matches!(next().await, Event::InitDone));
    let label = async |value: Option<&str>| {
        let patch = json!({"metadata": {"labels": {"app": value}}});
        pods.patch("first", &PatchParams::default(), &Patch::Merge(&patch)).await.expect("patched");
    };
    label(Some("a")).await;
    assert!(matches!(next().await, Event::Apply(pod) if pod.name_any() == "first"));
    pods.patch("first", &PatchParams::default(), &Patch::Merge(&json!({"metadata": {"labels": {"b": "c"}}})))
        .await
        .expect("patched");
    assert!(matches!(next().await, Event::Apply(pod) if pod.labels().contains_key("b")));
    label(None).await;
    assert!(matches!(next().await, Event::Delete(pod) if pod.name_any() == "first"));
}

#[tokio::test]
async fn a_watch_begins_where_it_is_told_to() {
    let here = Here::new();
    here.namespace("shop").await;
    let maps = Api::<ConfigMap>::namespaced(here.client.clone(), "shop");
    let first: ConfigMap = make(&here.client, Some("shop"), &json!({"metadata": {"name": "a"}})).await;
    let _: ConfigMap = make(&here.client, Some("shop"), &json!({"metadata": {"name": "b"}})).await;
    let since = first.resource_version().expect("a version");
    let mut events = std::pin::pin!(maps.watch(&WatchParams::default(), &since).await.expect("watches"));
    assert!(matches!(events.try_next().await, Ok(Some(WatchEvent::Added(map))) if map.name_any() == "b"));
    let all = maps.watch(&WatchParams::default().timeout(1), "0").await.expect("watches");
    assert_eq!(all.count().await, 2, "all that is there, then the end of its time");
    for old in ["1", "99999999999999999999", "18446744073709551615"] {
        let watch = maps.watch(&WatchParams::default(), old).await;
        match watch {
            Err(_) => assert_eq!(code(watch.map(|_| ())).0, 400, "{old} is no number of ours"),
            Ok(events) => {
                let events: Vec<_> = events.collect().await;
                assert!(matches!(&events[..], [Ok(WatchEvent::Error(status))] if status.code == 410), "{old}");
            }
        }
    }
}

#[tokio::test]
async fn history_is_bounded() {
    let here = Here::new();
    here.namespace("shop").await;
    let maps = Api::<ConfigMap>::namespaced(here.client.clone(), "shop");
    let first: ConfigMap = make(&here.client, Some("shop"), &json!({"metadata": {"name": "a"}})).await;
    // A reader that never reads: its stream ends once its queue is full.
    let idle = maps.watch(&WatchParams::default(), "0").await.expect("watches");
    for number in 0..4100 {
        let patch = json!({"data": {"n": number.to_string()}});
        maps.patch("a", &PatchParams::default(), &Patch::Merge(&patch)).await.expect("patched");
    }
    let since = first.resource_version().expect("a version");
    let events: Vec<_> = maps.watch(&WatchParams::default(), &since).await.expect("watches").collect().await;
    assert!(matches!(&events[..], [Ok(WatchEvent::Error(status))] if status.code == 410), "{events:?}");
    let read = tokio::time::timeout(Duration::from_secs(5), idle.count()).await.expect("it ends");
    assert!(read < 1100, "{read} events in a queue of 1024");
}

#[tokio::test]
async fn metadata_is_watched_alone() {
    let here = Here::new();
    here.namespace("shop").await;
    let _: ConfigMap = make(&here.client, Some("shop"), &json!({"metadata": {"name": "a"}, "data": {"x": "y"}})).await;
    let maps = Api::<PartialObjectMeta<ConfigMap>>::all(here.client.clone());
    let mut events = std::pin::pin!(watcher(maps, watcher::Config::default()).applied_objects());
    let object = events.try_next().await.expect("no error").expect("one");
    assert_eq!(object.name_any(), "a");
    // Kubernetes can be asked to send what is there as events: then the end of it is marked.
    let streaming = watcher::Config::default().streaming_lists();
    let mut events = std::pin::pin!(watcher(Api::<ConfigMap>::all(here.client.clone()), streaming));
    let mut seen = Vec::new();
    while let Some(event) = events.try_next().await.expect("no error") {
        match event {
            Event::InitApply(map) => seen.push(map.name_any()),
            Event::InitDone => break,
            _ => {}
        }
    }
    assert_eq!(seen, ["a"]);
}

#[tokio::test]
async fn the_source_tells_the_objects() {
    let here = Here::new();
    here.write("all.yaml", include_str!("mesh.yaml"));
    let mut changes = source::kubernetes::watch(&here.client);
    let (mut names, mut synced) = (BTreeSet::new(), BTreeSet::new());
    let all = async {
        while names.len() < 5 || synced.len() < Kind::ALL.len() {
            match changes.recv().await.expect("more") {
                Change::Apply(object) => match &object {
                    Object::Namespace(_)
                    | Object::Service(_)
                    | Object::Pod(_)
                    | Object::Custom(Kind::PeerAuthentication | Kind::AuthorizationPolicy, _) => {
                        names.insert(object.key().name);
                    }
                    other => panic!("{other:?}"),
                },
                Change::Delete(..) | Change::Served(..) => {}
                Change::Synced(kind) => drop(synced.insert(kind)),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), all).await.expect("in time");
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["deny", "shop", "strict", "web", "web-0"]);
    assert!(synced.contains(&Kind::Node));
    std::fs::remove_file(here.path("manifests/all.yaml")).expect("removed");
    let gone = async {
        while !matches!(changes.recv().await, Some(Change::Delete(Kind::Namespace, key)) if key.name == "shop") {}
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("in time");
}

/// A cluster whose definitions are installed, and replaced by those of another version, while it is watched.
struct Installed {
    versions: tokio::sync::watch::Sender<Vec<&'static str>>,
    asked: std::sync::atomic::AtomicUsize,
}

impl Installed {
    fn answer(&self, path: &str) -> (u16, Value) {
        let absent = (404, json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}));
        let versions = self.versions.borrow().clone();
        let Some(rest) = path.strip_prefix("/apis/gateway.networking.k8s.io/") else { return absent };
        let (version, plural) = rest.split_once('/').unwrap_or((rest, ""));
        let resource =
            json!({"name": "tcproutes", "singularName": "", "namespaced": true, "kind": "TCPRoute", "verbs": []});
        match (versions.contains(&version), plural) {
            (_, "") => {
                self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let resources = if versions.contains(&version) { vec![resource] } else { vec![] };
                let list = json!({"kind": "APIResourceList", "groupVersion": "", "resources": resources});
                if versions.contains(&version) { (200, list) } else { absent }
            }
            (true, "tcproutes") => {
                let item = json!({
                    "apiVersion": format!("gateway.networking.k8s.io/{version}"), "kind": "TCPRoute",
                    "metadata": {"name": "db", "namespace": "shop", "resourceVersion": "1"},
                });
                let list = json!({"kind": "List", "metadata": {"resourceVersion": "1"}, "items": [item]});
                (200, list)
            }
            _ => absent,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn kinds_are_found_when_they_are_installed_and_asked_for_ever_less_often() {
    let cluster = std::sync::Arc::new(Installed {
        versions: tokio::sync::watch::Sender::new(vec![]),
        asked: std::sync::atomic::AtomicUsize::new(0),
    });
    let server = cluster.clone();
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let server = server.clone();
        async move {
            let answer = |(code, body): (u16, Value)| {
                let body = kube::client::Body::from(body.to_string().into_bytes());
                http::Response::builder().status(code).body(body).expect("a response")
            };
            if request.uri().query().is_some_and(|q| q.contains("watch=")) {
                // The watch lasts until what is installed changes.
                let _ = server.versions.subscribe().changed().await;
            }
            Ok::<_, std::convert::Infallible>(answer(server.answer(request.uri().path())))
        }
    });
    let mut changes = source::kubernetes::watch(&kube::Client::new(service, "default"));
    let mut served = async |apply: bool| loop {
        match changes.recv().await.expect("more") {
            Change::Apply(Object::Custom(Kind::TCPRoute, route)) if apply => return route.served,
            Change::Delete(Kind::TCPRoute, _) if !apply => return "",
            Change::Apply(Object::Custom(Kind::TCPRoute, _)) | Change::Delete(Kind::TCPRoute, _) => panic!("unasked"),
            _ => {}
        }
    };
    tokio::time::timeout(Duration::from_secs(600), served(true)).await.expect_err("nothing is installed");
    let asked = cluster.asked.load(std::sync::atomic::Ordering::Relaxed);
    assert!(asked < 400, "{asked} questions in ten minutes, six at a time");
    cluster.versions.send_replace(vec!["v1alpha2"]);
    assert_eq!(served(true).await, "v1alpha2");
    cluster.versions.send_replace(vec!["v1", "v1alpha2"]);
    cluster.versions.send_replace(vec!["v1"]);
    assert_eq!(served(true).await, "v1", "the object is the same, and never seemed to be gone");
    cluster.versions.send_replace(vec![]);
    served(false).await;
}
