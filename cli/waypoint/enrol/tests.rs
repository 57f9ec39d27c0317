use serde_json::{Value, json};

use super::*;

fn key(name: &str) -> ObjectKey {
    ObjectKey { namespace: "shop".into(), name: name.into() }
}

fn labelled(labels: &Value) -> Labelled {
    let labels = serde_json::from_value(labels.clone()).expect("labels");
    Labelled { kind: Kind::Service, key: key("web"), labels, version: None }
}

#[test]
fn what_somebody_meant_is_not_changed_without_being_asked() {
    let (own, space) = (labels::USE_WAYPOINT, labels::USE_WAYPOINT_NAMESPACE);
    // labels → what is set or taken away; what is said without --overwrite
    let set = |more: &[&'static str]| {
        let name = (own, Some("waypoint".to_owned()));
        Some(std::iter::once(name).chain(more.iter().map(|label| (*label, None))).collect::<BTreeMap<_, _>>())
    };
    let rows = [
        (json!({}), set(&[]), None),
        (json!({own: ""}), set(&[]), None),
        (json!({own: "waypoint"}), None, None),
        (json!({own: "waypoint", space: "shop"}), None, None),
        (json!({own: "waypoint", space: "other"}), set(&[space]), Some("says istio.io/use-waypoint: other/waypoint")),
        (json!({own: "gate"}), set(&[]), Some("service shop/web says istio.io/use-waypoint: shop/gate already")),
        (json!({own: "none"}), set(&[]), Some("says istio.io/use-waypoint: none")),
        (json!({space: "other"}), set(&[space]), None),
    ];
    for (labels, wanted, refused) in rows {
        let object = labelled(&labels);
        let forced = enrol(&object, &key("waypoint"), true).expect("with --overwrite");
        assert_eq!(forced.map(|step| step.labels), wanted, "{labels}");
        match (enrol(&object, &key("waypoint"), false), refused) {
            (Ok(step), None) => assert_eq!(step.map(|step| step.labels), wanted, "{labels}"),
            (Err(error), Some(told)) => assert!(error.to_string().contains(told), "{error}"),
            (other, _) => panic!("{labels}: {other:?}"),
        }
    }
}

#[test]
fn only_what_names_the_waypoint_is_taken_away() {
    let (own, space) = (labels::USE_WAYPOINT, labels::USE_WAYPOINT_NAMESPACE);
    let (canary, canary_space) = (labels::USE_CANARY, labels::USE_CANARY_NAMESPACE);
    let rows = [
        (json!({}), vec![]),
        (json!({own: "gate"}), vec![]),
        (json!({own: "none"}), vec![]),
        (json!({own: "waypoint", space: "other"}), vec![]),
        (json!({own: "waypoint", "app": "web"}), vec![own]),
        (json!({own: "waypoint", space: "shop"}), vec![own, space]),
        (json!({own: "gate", canary: "waypoint", canary_space: "shop"}), vec![canary, canary_space]),
        (json!({own: "waypoint", canary: "next"}), vec![own]),
    ];
    for (labels, gone) in rows {
        let step = release(&labelled(&labels), &key("waypoint"));
        let wanted: BTreeMap<&str, Option<String>> = gone.into_iter().map(|label| (label, None)).collect();
        assert_eq!(step.map(|step| step.labels).unwrap_or_default(), wanted, "{labels}");
    }
}

fn pod(name: &str, account: Option<&str>, more: &Value) -> Pod {
    let mut pod = json!({
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
        "spec": {"containers": [], "serviceAccountName": account},
    });
    for (pointer, value) in more.as_object().into_iter().flatten() {
        pod[pointer] = value.clone();
    }
    serde_json::from_value(pod).expect("a pod")
}

fn service(name: &str, selector: &Value) -> Service {
    let service = json!({"metadata": {"name": name, "namespace": "shop"}, "spec": {"selector": selector}});
    serde_json::from_value(service).expect("a service")
}

#[test]
fn a_service_account_is_its_pods_and_the_services_of_them_alone() {
    let made = json!({"name": "till", "namespace": "shop", "labels": {"app": "till", "pod-template-hash": "7d9"},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "till-7d9", "uid": "u", "controller": true}]});
    let pods = [
        pod("web", Some("front"), &json!({})),
        pod("till", Some("front"), &json!({"metadata": made})),
        pod("done", Some("front"), &json!({"status": {"phase": "Succeeded"}})),
        pod("db", None, &json!({})),
    ];
    let services = [
        service("web", &json!({"app": "web"})),
        service("db", &json!({"app": "db"})),
        service("everything", &json!({})),
        service("none", &json!({"app": "nobody"})),
    ];
    let all = [&services[..], &[service("mixed", &json!({"tier": "all"}))]].concat();
    let tier = |mut pod: Pod| {
        pod.labels_mut().insert("tier".into(), "all".into());
        pod
    };
    let pods: Vec<Pod> = pods.into_iter().map(tier).collect();
    let rows = [
        ("front", Serves::All, "pod shop/web, pod shop/till, service shop/web", "mixed", "Deployment till"),
        ("front", Serves::Services, "service shop/web", "mixed", ""),
        ("front", Serves::Workloads, "pod shop/web, pod shop/till", "", "Deployment till"),
        ("front", Serves::Nothing, "", "", ""),
        ("default", Serves::All, "pod shop/db, service shop/db", "mixed", ""),
        ("nobody", Serves::All, "", "", ""),
    ];
    for (account, serves, objects, mixed, makers) in rows {
        let found = of_account(account, &pods, &all, serves);
        let names: Vec<String> = found.objects.iter().map(ToString::to_string).collect();
        assert_eq!(names.join(", "), objects, "{account} {serves:?}");
        assert_eq!(found.mixed.join(", "), mixed, "{account} {serves:?}");
        assert_eq!(found.makers.into_iter().collect::<Vec<_>>().join(", "), makers, "{account} {serves:?}");
    }
}
