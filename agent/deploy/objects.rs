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
    gateway::{PROTOCOL, account, is_label, made_name},
    scale,
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

impl Wanted {
    /// Tells whether it is an autoscaler that goes by requests.
    #[must_use]
    pub fn asks_for_requests(&self) -> bool {
        let metrics = self.object["spec"]["metrics"].as_array().into_iter().flatten();
        self.kind == Kind::HorizontalPodAutoscaler
            && metrics.into_iter().any(|metric| metric["pods"]["metric"]["name"] == scale::METRIC)
    }
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
        let fixed = json!({
            "selector": object["spec"]["selector"], "scaleTargetRef": object["spec"]["scaleTargetRef"],
        });
        let mut last = None;
        for overlay in &overlays {
            let Some(part) = overlay.parts.get(kind.key()) else { continue };
            last = Some(&overlay.source);
            if kind == Kind::PodDisruptionBudget && !part["spec"]["minAvailable"].is_null() {
                // The API takes one of both.
                take(&mut object, &["spec", "maxUnavailable"]);
            }
            merge::strategic(&mut object, part);
        }
        if scaled && kind == Kind::Deployment {
            // The autoscaler says how many.
            take(&mut object, &["spec", "replicas"]);
        }
        claim(&mut object, kind, gateway, &spec, &fixed);
        if let (Some(fault), Some(source)) = (kind.fault(&object), last) {
            return Err(Problem::parameters(format!("{source}: key {}: {fault}", kind.key())));
        }
        let hash: String = Sha256::digest(object.to_string()).iter().take(8).map(|b| format!("{b:02x}")).collect();
        put(&mut object, &["metadata", "annotations", RENDERED], hash.clone().into());
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
            account => account(gateway),
            autoscale => sizes.autoscale.is_some(),
            cpu_load => sizes.load.cpu,
            requests_load => sizes.load.requests,
            requests_metric => scale::METRIC,
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
    let owner = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": gateway.key.name,
        "uid": gateway.uid, "controller": true, "blockOwnerDeletion": false,
    });
    let meta = json!({"labels": over(&infrastructure.labels, &own), "annotations": infrastructure.annotations});
    // Null removes: what only the server writes, and what is a deletion that never ends.
    let mut patch = json!({
        "apiVersion": if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") },
        "kind": format!("{kind:?}"),
        "metadata": {
            "name": made_name(gateway), "namespace": gateway.key.namespace, "ownerReferences": [owner],
            "generateName": null, "uid": null, "resourceVersion": null, "finalizers": null, "managedFields": null,
        },
        "status": null,
    });
    merge::merge(&mut patch["metadata"], &meta);
    merge::merge(object, &patch);
    if kind == Kind::Deployment {
        merge::merge(object, &json!({"spec": {"template": {"metadata": meta}}}));
    }
    // What says which pods are meant cannot be another.
    for (field, value) in fixed.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        put(object, &["spec", field], value.clone());
    }
}

/// Puts a value into an object, whatever is in its place or on the way to it.
fn put(object: &mut Value, path: &[&str], value: Value) {
    match path {
        [] => *object = value,
        [first, rest @ ..] => {
            let field = merge::object(object).entry((*first).to_owned()).or_insert(Value::Null);
            put(field, rest, value);
        }
    }
}

/// Takes a value out of an object.
fn take(object: &mut Value, path: &[&str]) {
    match path {
        [] => {}
        [last] => drop(object.as_object_mut().and_then(|fields| fields.remove(*last))),
        [first, rest @ ..] => object.get_mut(*first).into_iter().for_each(|field| take(field, rest)),
    }
}

fn over(under: &Map, over: &Map) -> Map {
    let mut map = under.clone();
    map.extend(over.clone());
    map
}

#[cfg(test)]
mod tests;
