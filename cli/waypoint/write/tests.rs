//! What is made of a server's refusals: of one that follows a script, since a sandbox has no owners of fields.

use std::collections::{BTreeMap, VecDeque};

use hyper::Method;
use source::{ObjectKey, labels, object::Map};

use super::*;
use crate::waypoint::{
    enrol::Labelled,
    scripted::{Heard, server},
};

/// Starts a server that gives these answers in turn.
async fn in_turn(answers: Vec<(u16, Value)>) -> (Cluster, Heard) {
    let mut answers = VecDeque::from(answers);
    server(move |_, _| answers.pop_front().expect("an answer")).await
}

fn refusal(code: u16, message: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message, "reason": "Conflict"}),
    )
}

fn space(version: &str, labels: &Value) -> (u16, Value) {
    (
        200,
        json!({"kind": "Namespace", "apiVersion": "v1",
        "metadata": {"name": "shop", "resourceVersion": version, "labels": labels}}),
    )
}

fn step(value: Option<&str>) -> Step {
    let key = ObjectKey { namespace: "shop".into(), name: "shop".into() };
    let object = Labelled { kind: Kind::Namespace, key, labels: Map::new(), version: Some("1".into()) };
    Step { object, labels: BTreeMap::from([(labels::USE_WAYPOINT, value.map(str::to_owned))]) }
}

#[tokio::test]
async fn fields_of_others_are_not_taken_over_unless_that_is_asked_for() {
    let told = "Apply failed with 1 conflict: conflict with \"kubectl\": .spec.gatewayClassName";
    let gateway = DynamicObject::new("waypoint", &crate::waypoint::wish::api()).within("shop");
    let there = (200, serde_json::to_value(&gateway).expect("JSON"));
    let (cluster, asked) = in_turn(vec![refusal(409, told), there]).await;
    let how = How { dry_run: false, overwrite: false };
    let error = super::gateway(&cluster, &gateway, how).await.expect_err("a conflict").to_string();
    assert!(
        error.contains(told) && error.contains("hint: somebody else set these fields: give --overwrite"),
        "{error}"
    );
    super::gateway(&cluster, &gateway, How { dry_run: true, overwrite: true }).await.expect("taken over");
    let paths: Vec<String> = asked.lock().expect("not poisoned").iter().map(|(_, path, _)| path.clone()).collect();
    let place = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/gateways/waypoint?";
    assert!(paths.iter().all(|path| path.starts_with(place) && path.contains("fieldManager=ambient")), "{paths:?}");
    assert!(!paths[0].contains("force=true") && !paths[0].contains("dryRun"), "{paths:?}");
    assert!(paths[1].contains("force=true") && paths[1].contains("dryRun=All"), "{paths:?}");
}

#[tokio::test]
async fn a_label_that_changed_meanwhile_is_left_and_another_change_is_not_in_the_way() {
    let conflict = || refusal(409, "the object has been modified");
    let (cluster, asked) = in_turn(vec![conflict(), space("2", &json!({"team": "web"})), space("3", &json!({}))]).await;
    assert!(label(&cluster, &step(Some("waypoint")), false).await.expect("labelled").is_some());
    let requests = asked.lock().expect("not poisoned").clone();
    let patches: Vec<&Value> = requests.iter().filter(|(m, ..)| m == Method::PATCH).map(|(.., body)| body).collect();
    let patch =
        |version: &str| json!({"metadata": {"labels": {labels::USE_WAYPOINT: "waypoint"}, "resourceVersion": version}});
    assert_eq!(patches, [&patch("1"), &patch("2")]);

    let (cluster, _) = in_turn(vec![conflict(), space("2", &json!({labels::USE_WAYPOINT: "gate"}))]).await;
    let error = label(&cluster, &step(Some("waypoint")), false).await.expect_err("it changed").to_string();
    assert!(error.contains("the labels of namespace shop changed at this moment"), "{error}");

    let gone = || refusal(404, "namespaces \"shop\" not found");
    let (cluster, _) = in_turn(vec![gone(), gone()]).await;
    assert_eq!(label(&cluster, &step(None), false).await.expect("nothing to take away"), None);
    label(&cluster, &step(Some("waypoint")), false).await.expect_err("nothing to label");
}
