use proptest::prelude::*;
use source::object::ObjectKey;

use super::*;
use crate::deploy::overlays;

fn gateway(annotations: &[(&str, &str)], infrastructure: Value) -> Custom {
    let listener = json!({"name": "mesh", "port": 15008, "protocol": "HBONE"});
    Custom {
        key: ObjectKey { namespace: "shop".into(), name: "waypoint".into() },
        uid: "u1".into(),
        annotations: annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        spec: json!({
            "gatewayClassName": "istio-waypoint", "listeners": [listener], "infrastructure": infrastructure,
        }),
        ..Custom::default()
    }
}

fn settings() -> Waypoints {
    Waypoints {
        image: "registry.example/ambient:1".into(),
        pull_policy: "IfNotPresent".into(),
        pull_secrets: vec!["key".into()],
        control_plane: "istiod.istio-system.svc:15012".into(),
        network: "west".into(),
        grace: 300,
        env: BTreeMap::from([("RUST_LOG".into(), "trace".into())]),
        ..Waypoints::default()
    }
}

fn overlay(key: &str, text: &str) -> Overlay {
    overlays::read("ConfigMap p".into(), &BTreeMap::from([(key.into(), text.into())])).expect("readable")
}

fn rendered(gateway: &Custom, of_class: &[Overlay], own: Option<&Overlay>) -> Result<BTreeMap<Kind, Value>, Problem> {
    let overlays = Overlays { of_class: of_class.to_vec(), own: own.cloned() };
    let wanted = render(&Input { gateway, settings: &settings(), overlays: &overlays })?;
    Ok(wanted.into_iter().map(|w| (w.kind, w.object)).collect())
}

#[test]
fn a_waypoint_is_two_pods_on_two_nodes_that_never_go_at_once() {
    let objects = rendered(&gateway(&[], Value::Null), &[], None).expect("renders");
    assert!(!objects.contains_key(&Kind::HorizontalPodAutoscaler), "nobody asked for one");
    for (kind, object) in &objects {
        let meta = &object["metadata"];
        assert_eq!((&meta["name"], &meta["namespace"]), (&json!("waypoint"), &json!("shop")), "{kind:?}");
        assert_eq!(meta["ownerReferences"][0]["uid"], "u1", "{kind:?}");
        assert_eq!(meta["labels"][labels::MANAGED], MANAGED_BY, "{kind:?}");
        assert_eq!(kind.fault(object), None, "{kind:?}");
    }
    let spec = &objects[&Kind::Deployment]["spec"];
    let pod = &spec["template"]["spec"];
    assert_eq!(spec["replicas"], 2);
    assert_eq!(spec["strategy"]["rollingUpdate"], json!({"maxSurge": 1, "maxUnavailable": 0}));
    assert_eq!(pod["topologySpreadConstraints"][0]["whenUnsatisfiable"], "ScheduleAnyway");
    assert_eq!(objects[&Kind::PodDisruptionBudget]["spec"]["maxUnavailable"], 1);
    let container = &pod["containers"][0];
    assert_eq!((&container["name"], &container["args"]), (&json!("istio-proxy"), &json!(["--role", "waypoint"])));
    assert_eq!(container["image"], "registry.example/ambient:1");
    let variables = container["env"].as_array().expect("a list");
    let of = |name: &str| variables.iter().filter(|v| v["name"] == name).map(|v| &v["value"]).collect::<Vec<_>>();
    assert_eq!(of("GATEWAY_NAME"), [&json!("waypoint")]);
    assert_eq!(of("XDS_ADDRESS"), [&json!("istiod.istio-system.svc:15012")]);
    assert_eq!(of("NETWORK"), [&json!("west")]);
    assert_eq!(of("RUST_LOG"), [&json!("trace")], "the operator's, and only that");
    assert_eq!(spec["template"]["metadata"]["labels"]["istio.io/dataplane-mode"], "none");
    let ports: Vec<_> = objects[&Kind::Service]["spec"]["ports"].as_array().expect("ports").iter().collect();
    assert_eq!(ports.iter().map(|p| &p["port"]).collect::<Vec<_>>(), [&json!(15021), &json!(15008)]);
}

#[test]
fn the_gateway_says_names_labels_and_sizes() {
    let annotations = [
        (labels::NAME_OVERRIDE, "other"),
        (labels::GATEWAY_ACCOUNT, "own"),
        (sizes::REPLICAS, "5"),
        (sizes::CPU, "250m"),
        (SERVICE_TYPE, "LoadBalancer"),
    ];
    let infrastructure = json!({
        "labels": {"team": "web", labels::MANAGED: "stolen", "istio.io/dataplane-mode": "ambient"},
        "annotations": {"note": "x"},
    });
    let objects = rendered(&gateway(&annotations, infrastructure), &[], None).expect("renders");
    assert!(!objects.contains_key(&Kind::ServiceAccount), "it is there already");
    let deployment = &objects[&Kind::Deployment];
    assert_eq!(deployment["metadata"]["name"], "other");
    assert_eq!(deployment["spec"]["selector"]["matchLabels"][labels::GATEWAY_NAME], "waypoint");
    assert_eq!(deployment["spec"]["template"]["spec"]["serviceAccountName"], "own");
    assert_eq!(deployment["spec"]["replicas"], 5);
    let requests = &deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"];
    assert_eq!(*requests, json!({"cpu": "250m", "memory": "64Mi"}));
    assert_eq!(objects[&Kind::Service]["spec"]["type"], "LoadBalancer");
    for meta in [&deployment["metadata"], &deployment["spec"]["template"]["metadata"]] {
        assert_eq!(meta["labels"]["team"], "web");
        assert_eq!(meta["labels"][labels::MANAGED], MANAGED_BY);
        assert_eq!(meta["annotations"]["note"], "x");
    }
}

#[test]
fn overlays_weigh_by_how_near_they_are_to_the_gateway() {
    let replicas = |n: u32| overlay("deployment", &format!("spec: {{replicas: {n}}}"));
    let of = |annotations: &[(&str, &str)], class: &[Overlay], own: Option<&Overlay>| {
        let objects = rendered(&gateway(annotations, Value::Null), class, own).expect("renders");
        objects[&Kind::Deployment]["spec"]["replicas"].clone()
    };
    assert_eq!(of(&[], &[replicas(3)], None), 3);
    assert_eq!(of(&[(sizes::REPLICAS, "4")], &[replicas(3)], None), 4);
    assert_eq!(of(&[(sizes::REPLICAS, "4")], &[replicas(3)], Some(&replicas(5))), 5);
}

#[test]
fn an_autoscaler_says_how_many_instead() {
    let objects = rendered(&gateway(&[(sizes::AUTOSCALE, "3-9")], Value::Null), &[], None).expect("renders");
    let scale = &objects[&Kind::HorizontalPodAutoscaler]["spec"];
    assert_eq!((&scale["minReplicas"], &scale["maxReplicas"]), (&json!(3), &json!(9)));
    assert!(objects[&Kind::Deployment]["spec"]["replicas"].is_null());
    let own = overlay("horizontalPodAutoscaler", "spec: {maxReplicas: 7}");
    let objects = rendered(&gateway(&[], Value::Null), &[], Some(&own)).expect("renders");
    let scale = &objects[&Kind::HorizontalPodAutoscaler]["spec"];
    assert_eq!((&scale["minReplicas"], &scale["maxReplicas"]), (&json!(2), &json!(7)));
    assert_eq!(scale["scaleTargetRef"]["name"], "waypoint");
    assert!(objects[&Kind::Deployment]["spec"]["replicas"].is_null());
}

#[test]
fn an_overlay_changes_what_it_names_and_never_whose_an_object_is() {
    let own = overlay(
        "deployment",
        "
metadata: {name: stolen, namespace: other, labels: {gateway.istio.io/managed: no, more: x}, ownerReferences: []}
spec:
  selector: {matchLabels: {app: other}}
  template:
    metadata: {labels: {gateway.networking.k8s.io/gateway-name: other}}
    spec:
      tolerations: [{key: gpu, operator: Exists}]
      containers:
        - {name: istio-proxy, image: mine, env: [{name: RUST_LOG, value: debug}]}
        - {name: beside, image: busybox}
",
    );
    let objects = rendered(&gateway(&[], Value::Null), &[], Some(&own)).expect("renders");
    let deployment = &objects[&Kind::Deployment];
    let meta = &deployment["metadata"];
    assert_eq!((&meta["name"], &meta["namespace"]), (&json!("waypoint"), &json!("shop")));
    assert_eq!((&meta["labels"][labels::MANAGED], &meta["labels"]["more"]), (&json!(MANAGED_BY), &json!("x")));
    assert_eq!(meta["ownerReferences"][0]["uid"], "u1");
    let selector = json!({"matchLabels": {labels::GATEWAY_NAME: "waypoint"}});
    assert_eq!(deployment["spec"]["selector"], selector);
    assert_eq!(deployment["spec"]["template"]["metadata"]["labels"][labels::GATEWAY_NAME], "waypoint");
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["tolerations"][0]["key"], "gpu");
    let names: Vec<_> = pod["containers"].as_array().expect("a list").iter().map(|c| &c["name"]).collect();
    assert_eq!(names, [&json!("istio-proxy"), &json!("beside")]);
    assert_eq!(pod["containers"][0]["image"], "mine");
    assert_eq!(pod["containers"][0]["args"], json!(["--role", "waypoint"]), "what it does not name stays");
    let budget = overlay("podDisruptionBudget", "spec: {minAvailable: 1}");
    let objects = rendered(&gateway(&[], Value::Null), &[], Some(&budget)).expect("renders");
    let spec = &objects[&Kind::PodDisruptionBudget]["spec"];
    assert_eq!((&spec["minAvailable"], &spec["maxUnavailable"]), (&json!(1), &Value::Null));
}

#[test]
fn what_is_not_valid_is_told_with_its_place() {
    let annotated = |name: &str, value: &str| rendered(&gateway(&[(name, value)], Value::Null), &[], None);
    let overlaid = |key: &str, text: &str| rendered(&gateway(&[], Value::Null), &[], Some(&overlay(key, text)));
    let rows = [
        (annotated(sizes::REPLICAS, "none"), "Invalid", sizes::REPLICAS),
        (annotated(SERVICE_TYPE, "External"), "Invalid", SERVICE_TYPE),
        (overlaid("deployment", "spec: {replicas: many}"), "InvalidParameters", "ConfigMap p: key deployment: "),
        (overlaid("service", "spec: {ports: 80}"), "InvalidParameters", "ConfigMap p: key service: "),
    ];
    for (outcome, reason, words) in rows {
        let problem = outcome.expect_err(words);
        assert_eq!(problem.reason, reason, "{}", problem.message);
        assert!(problem.message.contains(words), "{}", problem.message);
    }
}

#[test]
fn the_hash_tells_renderings_apart_and_nothing_else() {
    let hashes = |gateway: &Custom| {
        let overlays = Overlays::default();
        let wanted = render(&Input { gateway, settings: &settings(), overlays: &overlays }).expect("renders");
        wanted.into_iter().map(|w| w.hash).collect::<Vec<_>>()
    };
    let first = gateway(&[], Value::Null);
    assert_eq!(hashes(&first), hashes(&first.clone()));
    let renamed = Custom { version: "2".into(), status: json!({"x": 1}), ..first.clone() };
    assert_eq!(hashes(&first), hashes(&renamed), "a status is no reason to deploy");
    let more = gateway(&[(sizes::REPLICAS, "3")], Value::Null);
    let differ: Vec<bool> = hashes(&first).iter().zip(hashes(&more)).map(|(a, b)| *a != b).collect();
    assert_eq!(differ, [false, false, false, true], "the Deployment alone");
}

/// Any value whose names are those that rendering looks at.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z0-9-]{0,4}".prop_map(Value::from),
    ];
    let names = "spec|metadata|labels|annotations|template|selector|matchLabels|containers|env|name|replicas|minAvailable|scaleTargetRef|ports|ownerReferences|status|finalizers|listeners|protocol|infrastructure|parametersRef|gatewayClassName|addresses|\\$patch";
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::hash_map(names, inner, 0..4).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_laid_over_an_object_is_ours_in_the_end(parts in proptest::collection::vec(anything(), 5)) {
        let parts = Kind::ALL.iter().zip(parts).filter(|(_, part)| part.is_object());
        let parts = parts.map(|(kind, part)| (kind.key().to_owned(), part)).collect();
        let own = Overlay { source: "ConfigMap p".into(), parts };
        // Of what is refused nothing is applied.
        for (kind, object) in rendered(&gateway(&[], Value::Null), &[], Some(&own)).unwrap_or_default() {
            let meta = &object["metadata"];
            prop_assert_eq!((&meta["name"], &meta["namespace"]), (&json!("waypoint"), &json!("shop")), "{:?}", kind);
            prop_assert_eq!(&meta["labels"][labels::MANAGED], MANAGED_BY, "{:?}", kind);
            prop_assert_eq!(&meta["ownerReferences"][0]["uid"], "u1", "{:?}", kind);
            prop_assert_eq!(kind.fault(&object), None, "{:?}", kind);
        }
    }

    #[test]
    fn any_gateway_is_read(spec in anything(), status in anything(), value in "[a-z0-9.,-]{0,8}") {
        let mut any = gateway(&[(sizes::REPLICAS, &value), (sizes::CPU, &value), (labels::NAME_OVERRIDE, &value)], Value::Null);
        for spec in [spec.clone(), json!({"gatewayClassName": "istio-waypoint", "listeners": spec["listeners"], "infrastructure": spec})] {
            (any.spec, any.status) = (spec, status.clone());
            let names = crate::gateway::Names { domain: "cluster.local", network: "" };
            if let Some(waypoint) = crate::gateway::read(&any, None, names) {
                let facts = crate::gateway::status::Facts::default();
                let wanted = crate::gateway::status::wanted(&any, &waypoint, &facts);
                let _ = wanted.is_said();
            }
            let _ = rendered(&any, &[], None);
        }
    }
}
