//! Several processes on one state directory, as far as one process can play them: each folder opens its own files.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    runtime::watcher::{self, Event, watcher},
};
use serde_json::json;
use source::folder::{Folder, Settings};

use crate::{Here, code, make};

fn second(here: &Here) -> (Folder, Client) {
    let settings = Settings { state: here.path("state"), kubelet: true, ..Settings::default() };
    let folder = Folder::open(settings).expect("opens");
    let client = folder.client();
    (folder, client)
}

#[tokio::test]
async fn writes_of_one_process_are_events_of_another() {
    let here = Here::new();
    let (_folder, other) = second(&here);
    let mut events = std::pin::pin!(watcher(Api::<Pod>::all(other.clone()), watcher::Config::default()));
    while !matches!(events.try_next().await.expect("no error"), Some(Event::InitDone)) {}
    // A namespace that is new has directories that nobody watches yet.
    here.namespace("shop").await;
    let began = Instant::now();
    here.pod("shop", "web").await;
    let event = tokio::time::timeout(Duration::from_secs(1), events.try_next()).await.expect("in time");
    assert!(matches!(event, Ok(Some(Event::Apply(pod))) if pod.name_any() == "web"));
    let patch = json!({"metadata": {"labels": {"a": "b"}}});
    let pods = Api::<Pod>::namespaced(here.client.clone(), "shop");
    pods.patch("web", &PatchParams::default(), &Patch::Merge(&patch)).await.expect("patched");
    let event = tokio::time::timeout(Duration::from_secs(1), events.try_next()).await.expect("in time");
    assert!(matches!(event, Ok(Some(Event::Apply(pod))) if pod.labels().contains_key("a")));
    pods.delete("web", &kube::api::DeleteParams::default().grace_period(0)).await.expect("deleted");
    let event = tokio::time::timeout(Duration::from_secs(1), events.try_next()).await.expect("in time");
    assert!(matches!(event, Ok(Some(Event::Delete(_)))));
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn what_one_process_wrote_another_reads_at_once() {
    let here = Here::new();
    here.namespace("default").await;
    let (_folder, other) = second(&here);
    for number in 0..50 {
        let name = format!("m{number}");
        let made: ConfigMap = {
            let metadata = json!({"metadata": {"name": name}});
            make(&here.client, Some("default"), &metadata).await
        };
        let maps = Api::<ConfigMap>::namespaced(other.clone(), "default");
        assert_eq!(maps.get(&name).await.expect("there").uid(), made.uid());
        assert_eq!(code(maps.create(&PostParams::default(), &made).await).1, "AlreadyExists");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_update_is_lost_among_writers() {
    const EACH: usize = 40;
    let here = Here::new();
    here.namespace("default").await;
    let (_folder, other) = second(&here);
    let _: ConfigMap =
        make(&here.client, Some("default"), &json!({"metadata": {"name": "m"}, "data": {"n": "0"}})).await;
    let mut writers = Vec::new();
    for (number, client) in [&here.client, &other, &here.client, &other].into_iter().enumerate() {
        let maps = Api::<ConfigMap>::namespaced(client.clone(), "default");
        writers.push(tokio::spawn(async move {
            for round in 0..EACH {
                let patch = json!({"data": {format!("w{number}-{round}"): "x"}});
                maps.patch("m", &PatchParams::default(), &Patch::Merge(&patch)).await.expect("patched");
                // A counter that is read and written in two requests needs the version that was read.
                loop {
                    let mut map = maps.get("m").await.expect("there");
                    let data = map.data.get_or_insert_default();
                    let count: usize = data["n"].parse().expect("a number");
                    data.insert("n".into(), (count + 1).to_string());
                    match maps.replace("m", &PostParams::default(), &map).await {
                        Ok(_) => break,
                        Err(kube::Error::Api(status)) if status.code == 409 => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }));
    }
    for writer in writers {
        writer.await.expect("ends well");
    }
    for client in [&here.client, &other] {
        let data = Api::<ConfigMap>::namespaced(client.clone(), "default").get("m").await.expect("there").data;
        let data = data.expect("data");
        assert_eq!(data.len(), 4 * EACH + 1);
        assert_eq!(data["n"], (4 * EACH).to_string());
    }
    assert_eq!(here.folder.problems(), []);
}

#[tokio::test]
async fn a_broken_file_of_the_state_keeps_the_object() {
    let here = Here::new();
    here.namespace("default").await;
    let _: ConfigMap =
        make(&here.client, Some("default"), &json!({"metadata": {"name": "m"}, "data": {"n": "1"}})).await;
    let path = here.path("state/configmaps/default/m.yaml");
    let good = std::fs::read_to_string(&path).expect("there");
    let maps = Api::<ConfigMap>::namespaced(here.client.clone(), "default");
    for bad in ["object: [", "", "object: {kind: ConfigMap, metadata: {name: other}}", "\u{0}", "5"] {
        std::fs::write(&path, bad).expect("written");
        here.until("a problem", async |here| here.folder.problems().len() == 1).await;
        assert_eq!(maps.get("m").await.expect("still there").data.expect("data")["n"], "1");
    }
    // An operator may mend it, or write another value.
    std::fs::write(&path, good.replace("n: '1'", "n: '2'")).expect("written");
    here.until("no problem", async |here| here.folder.problems().is_empty()).await;
    here.until("the new value", async |_| maps.get("m").await.is_ok_and(|m| m.data.is_some_and(|d| d["n"] == "2")))
        .await;
    std::fs::remove_file(&path).expect("removed");
    here.until("the object is gone", async |_| maps.get_opt("m").await.is_ok_and(|m| m.is_none())).await;
    // One that was broken from the start is not written over.
    std::fs::create_dir_all(here.path("state/configmaps/default")).expect("made");
    std::fs::write(here.path("state/configmaps/default/n.yaml"), "object: [").expect("written");
    let mut map = ConfigMap::default();
    map.metadata.name = Some("n".into());
    assert_eq!(code(maps.create(&PostParams::default(), &map).await).0, 500);
}

#[tokio::test]
async fn a_folder_that_is_dropped_is_no_longer_followed() {
    let here = Here::new();
    // The kernel gives a user no more than a few hundred places to be told from.
    for _ in 0..300 {
        let (folder, client) = second(&here);
        client.apiserver_version().await.expect("answers");
        drop((folder, client));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_lock_that_stays_is_told() {
    let here = Here::new();
    here.namespace("default").await;
    let file = std::fs::File::open(here.path("state/.lock")).expect("there");
    file.lock().expect("locked");
    let spaces = Api::<Namespace>::all(here.client.clone());
    let mut space = Namespace::default();
    space.metadata.name = Some("shop".into());
    assert_eq!(code(spaces.create(&PostParams::default(), &space).await).0, 503);
    file.unlock().expect("unlocked");
    spaces.create(&PostParams::default(), &space).await.expect("created");
}
