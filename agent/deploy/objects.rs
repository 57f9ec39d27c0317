//! The objects that run a waypoint: a function of its gateway, the settings of the mesh, and what ConfigMaps lay over.

use std::collections::{BTreeMap, HashSet};

use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
};
use minijinja::{Environment, UndefinedBehavior, context};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use source::{
    api::gateway::GatewaySpec,
    labels, merge,
    object::{Custom, Map},
};

use crate::{
    config::Waypoints,
    deploy::{
        Problem,
        overlays::{Overlay, Overlays},
        sizes,
    },
    gateway::{PROTOCOL, is_label, made_name},
};

const TEMPLATE: &str = include_str!("../../templates/waypoint.yaml");
/// The value of the label of what is made here; without it nothing is ours.
pub const MANAGED_BY: &str = "istio.io-mesh-controller";
/// The annotation that says from what an object was rendered.
pub const RENDERED: &str = "ambient.istio.io/rendered";
/// The annotation of a gateway that says of which type its service is.
const SERVICE_TYPE: &str = "networking.istio.io/service-type";
/// How many pods a waypoint has if nothing else is said: one may go at any time.
const REPLICAS: u32 = 2;

/// The kinds of the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are those of the API
pub enum Kind {
    ServiceAccount,
    Service,
    Deployment,
    PodDisruptionBudget,
    HorizontalPodAutoscaler,
}

impl Kind {
    /// All of them, in the order in which they are applied.
    pub const ALL: [Self; 5] = [
        Self::ServiceAccount,
        Self::Service,
        Self::PodDisruptionBudget,
        Self::Deployment,
        Self::HorizontalPodAutoscaler,
    ];

    /// Returns the key of a ConfigMap by which an object is laid over.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::ServiceAccount => "serviceAccount",
            Self::Service => "service",
            Self::Deployment => "deployment",
            Self::PodDisruptionBudget => "podDisruptionBudget",
            Self::HorizontalPodAutoscaler => "horizontalPodAutoscaler",
        }
    }

    /// Returns group and version, and the name in paths.
    #[must_use]
    pub fn place(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::ServiceAccount => ("", "v1", "serviceaccounts"),
            Self::Service => ("", "v1", "services"),
            Self::Deployment => ("apps", "v1", "deployments"),
            Self::PodDisruptionBudget => ("policy", "v1", "poddisruptionbudgets"),
            Self::HorizontalPodAutoscaler => ("autoscaling", "v2", "horizontalpodautoscalers"),
        }
    }

    /// Says why an object is none of its kind, if it is none.
    fn fault(self, object: &Value) -> Option<String> {
        fn read<T: DeserializeOwned>(object: &Value) -> Option<String> {
            T::deserialize(object).err().map(|error| error.to_string())
        }
        match self {
            Self::ServiceAccount => read::<ServiceAccount>(object),
            Self::Service => read::<Service>(object),
            Self::Deployment => read::<Deployment>(object),
            Self::PodDisruptionBudget => read::<PodDisruptionBudget>(object),
            Self::HorizontalPodAutoscaler => read::<HorizontalPodAutoscaler>(object),
        }
    }
}

/// One object that is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The kind.
    pub kind: Kind,
    /// The name; the namespace is the gateway's.
    pub name: String,
    /// What it is rendered from, in short.
    pub hash: String,
    /// The object.
    pub object: Value,
}

/// What the objects of a gateway are made from.
pub struct Input<'a> {
    /// The gateway.
    pub gateway: &'a Custom,
    /// Settings of the mesh.
    pub settings: &'a Waypoints,
    /// What is laid over.
    pub overlays: &'a Overlays,
}

/// Renders the objects of a gateway.
///
/// # Errors
/// Something that was written for it is not valid.
pub fn render(input: &Input<'_>) -> Result<Vec<Wanted>, Problem> {
    let gateway = input.gateway;
    let spec = GatewaySpec::deserialize(&gateway.spec).map_err(|e| Problem::invalid(format!("spec: {e}")))?;
    let sizes = sizes::read(&gateway.annotations).map_err(|faults| Problem::invalid(faults.join("; ")))?;
    let mut objects = template(input, &spec, &sizes)?;
    let mut overlays: Vec<&Overlay> = input.overlays.of_class.iter().collect();
    // What is said of one gateway weighs more than what is said of all.
    let sized = Overlay { source: "the annotations".to_owned(), parts: of_sizes(&sizes) };
    overlays.push(&sized);
    overlays.extend(&input.overlays.own);
    let scaled = overlays.iter().any(|o| o.parts.contains_key(Kind::HorizontalPodAutoscaler.key()));
    if !scaled {
        objects.remove(&Kind::HorizontalPodAutoscaler);
    }
    let mut wanted = Vec::new();
    for kind in Kind::ALL {
        let Some(mut object) = objects.remove(&kind) else { continue };
        let fixed = json!({ "spec": {"selector": object["spec"]["selector"], "scaleTargetRef": object["spec"]["scaleTargetRef"]} });
        let mut last = None;
        for overlay in &overlays {
            let Some(part) = overlay.parts.get(kind.key()) else { continue };
            last = Some(&overlay.source);
            if kind == Kind::PodDisruptionBudget && !part["spec"]["minAvailable"].is_null() {
                // The API takes one of both.
                merge::object(&mut object["spec"]).remove("maxUnavailable");
            }
            merge::strategic(&mut object, part);
        }
        if scaled && kind == Kind::Deployment {
            // The autoscaler says how many.
            merge::object(&mut object["spec"]).remove("replicas");
        }
        claim(&mut object, kind, gateway, &spec, &fixed);
        if let (Some(fault), Some(source)) = (kind.fault(&object), last) {
            return Err(Problem::parameters(format!("{source}: key {}: {fault}", kind.key())));
        }
        let hash: String = Sha256::digest(object.to_string()).iter().take(8).map(|b| format!("{b:02x}")).collect();
        object["metadata"]["annotations"][RENDERED] = hash.clone().into();
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        wanted.push(Wanted { kind, name, hash, object });
    }
    Ok(wanted)
}

fn template(input: &Input<'_>, spec: &GatewaySpec, sizes: &sizes::Sizes) -> Result<BTreeMap<Kind, Value>, Problem> {
    let (gateway, settings) = (input.gateway, input.settings);
    let name = made_name(gateway);
    let listener = spec.listeners.iter().find(|l| l.protocol == PROTOCOL).map(|l| l.name.as_str());
    // A name of a listener may be longer than that of a port.
    let listener = listener.filter(|name| is_label(name) && *name != "status-port").unwrap_or("mesh");
    let service_type = gateway.annotations.get(SERVICE_TYPE).map_or("ClusterIP", String::as_str);
    if !["ClusterIP", "NodePort", "LoadBalancer"].contains(&service_type) {
        let want = "want ClusterIP, NodePort or LoadBalancer";
        return Err(Problem::invalid(format!("annotation {SERVICE_TYPE} is {service_type:?}: {want}")));
    }
    let secrets: Vec<Value> = settings.pull_secrets.iter().map(|name| json!({ "name": name })).collect();
    let replicas = sizes.replicas.unwrap_or(REPLICAS);
    let (least, most) = sizes.autoscale.unwrap_or((replicas, replicas));
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let text = environment.render_named_str(
        "waypoint",
        TEMPLATE,
        context! {
            name, listener, service_type, replicas, least, most,
            gateway => gateway.key.name,
            account => gateway.annotations.get(labels::GATEWAY_ACCOUNT).map_or(name, String::as_str),
            autoscale => sizes.autoscale.is_some(),
            pull_secrets => secrets,
            pull_policy => settings.pull_policy,
            image => settings.image,
            grace => settings.grace,
            control_plane => settings.control_plane,
            cluster => settings.cluster,
            trust_domain => settings.trust_domain,
            network => settings.network,
            log_level => settings.log_level,
            log_format => settings.log_format,
            env => settings.env,
        },
    );
    let text = text.map_err(|error| Problem::internal(format!("the template of waypoints: {error}")))?;
    let mut objects = BTreeMap::new();
    for document in serde_yaml::Deserializer::from_str(&text) {
        let object = Value::deserialize(document);
        let object = object.map_err(|error| Problem::internal(format!("the template of waypoints: {error}")))?;
        if let Some(kind) = Kind::ALL.into_iter().find(|kind| object["kind"] == format!("{kind:?}")) {
            objects.insert(kind, object);
        }
    }
    if let Some(variables) = objects.get_mut(&Kind::Deployment).and_then(variables) {
        // The operator's come last, and the server takes one of each name.
        let mut seen = HashSet::new();
        variables.reverse();
        variables.retain(|variable| seen.insert(variable["name"].clone()));
        variables.reverse();
    }
    Ok(objects)
}

fn variables(deployment: &mut Value) -> Option<&mut Vec<Value>> {
    deployment.pointer_mut("/spec/template/spec/containers/0/env").and_then(Value::as_array_mut)
}

/// Returns what sizes lay over.
fn of_sizes(sizes: &sizes::Sizes) -> BTreeMap<String, Value> {
    let mut parts = BTreeMap::new();
    let mut requests = serde_json::Map::new();
    for (name, value) in [("cpu", &sizes.cpu), ("memory", &sizes.memory)] {
        requests.extend(value.as_ref().map(|value| (name.to_owned(), value.clone().into())));
    }
    let mut deployment = json!({});
    if !requests.is_empty() {
        let container = json!({"name": "istio-proxy", "resources": {"requests": requests}});
        merge::merge(&mut deployment, &json!({"spec": {"template": {"spec": {"containers": [container]}}}}));
    }
    if let Some(replicas) = sizes.replicas {
        merge::merge(&mut deployment, &json!({"spec": {"replicas": replicas}}));
    }
    if deployment != json!({}) {
        parts.insert(Kind::Deployment.key().to_owned(), deployment);
    }
    if let Some((least, most)) = sizes.autoscale {
        let scale = json!({"spec": {"minReplicas": least, "maxReplicas": most}});
        parts.insert(Kind::HorizontalPodAutoscaler.key().to_owned(), scale);
    }
    parts
}

/// Says whose an object is, whatever was laid over it.
fn claim(object: &mut Value, kind: Kind, gateway: &Custom, spec: &GatewaySpec, fixed: &Value) {
    let infrastructure = spec.infrastructure.clone().unwrap_or_default();
    let own = Map::from([
        (labels::GATEWAY_NAME.to_owned(), gateway.key.name.clone()),
        (labels::GATEWAY_CLASS.to_owned(), spec.gateway_class_name.clone()),
        (labels::MANAGED.to_owned(), MANAGED_BY.to_owned()),
    ]);
    let (group, version, _) = kind.place();
    object["apiVersion"] = if group.is_empty() { version.into() } else { format!("{group}/{version}").into() };
    object["kind"] = format!("{kind:?}").into();
    let owner = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": gateway.key.name,
        "uid": gateway.uid, "controller": true, "blockOwnerDeletion": false,
    });
    let metadata = json!({
        "name": made_name(gateway),
        "namespace": gateway.key.namespace,
        "labels": over(&infrastructure.labels, &own),
        "annotations": infrastructure.annotations,
    });
    merge::merge(&mut object["metadata"], &metadata);
    object["metadata"]["ownerReferences"] = json!([owner]);
    for field in ["generateName", "uid", "resourceVersion", "finalizers", "managedFields"] {
        merge::object(&mut object["metadata"]).remove(field);
    }
    merge::object(object).remove("status");
    // What says which pods are meant cannot be another.
    for (field, value) in fixed["spec"].as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        object["spec"][field.as_str()] = value.clone();
    }
    if kind == Kind::Deployment {
        let template = json!({"labels": over(&infrastructure.labels, &own), "annotations": infrastructure.annotations});
        merge::merge(&mut object["spec"]["template"]["metadata"], &template);
    }
}

fn over(under: &Map, over: &Map) -> Map {
    let mut map = under.clone();
    map.extend(over.clone());
    map
}

#[cfg(test)]
mod tests {
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

    fn rendered(
        gateway: &Custom,
        of_class: &[Overlay],
        own: Option<&Overlay>,
    ) -> Result<BTreeMap<Kind, Value>, Problem> {
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
}
