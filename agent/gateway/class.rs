//! The class of waypoints: its object, and what its status says.

use serde_json::{Value, json};
use source::{Kind, object::Custom};

use crate::{
    gateway::{CLASS, CONTROLLER},
    status::Wanted,
};

/// Who writes classes and gateways.
pub const WRITER: &str = CONTROLLER;

/// Returns the features of the Gateway API that a waypoint has, in the order of the alphabet, as the API wants it.
///
/// The conformance suite reads its claims here: a feature belongs in this list when its tests pass, and not before.
#[must_use]
pub fn features() -> Vec<&'static str> {
    vec![]
}

/// Returns the object of the class, which is made where there is none.
#[must_use]
pub fn object() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": { "name": CLASS },
        "spec": {
            "controllerName": CONTROLLER,
            // At most 64 letters.
            "description": "Waypoints: layer-7 proxies of the ambient mesh",
        },
    })
}

/// Returns what the status of a class is to say; none for a class of others.
#[must_use]
pub fn status(class: &Custom) -> Option<Wanted> {
    if class.spec.get("controllerName").and_then(Value::as_str) != Some(CONTROLLER) {
        return None;
    }
    let parameters = class.spec.get("parametersRef").is_some_and(|p| !p.is_null());
    let (status, reason, message) = match parameters {
        false => ("True", "Accepted", "gateways of this class are waypoints"),
        true => (
            "False",
            "InvalidParameters",
            "parametersRef is not read: label a ConfigMap of the mesh's namespace with gateway.istio.io/defaults-for-class",
        ),
    };
    let condition = json!({
        "type": "Accepted", "status": status, "reason": reason, "message": message,
        "observedGeneration": class.generation,
    });
    let features: Vec<Value> = features().into_iter().map(|name| json!({ "name": name })).collect();
    Some(Wanted {
        kind: Kind::GatewayClass,
        key: class.key.clone(),
        served: class.served,
        version: class.version.clone(),
        writer: WRITER,
        status: json!({ "conditions": [condition], "supportedFeatures": features }),
        owns: &[],
        observed: class.status.clone(),
    })
}
