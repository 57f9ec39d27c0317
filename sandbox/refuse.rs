//! What a sandbox cannot do, each with its name and the reason: a manifest that asks for it is refused, not half obeyed.

use serde_json::Value;
use source::folder::FieldPath;

/// What is refused.
type Refusals = Vec<(FieldPath, String)>;

/// The most pods of a Deployment.
const REPLICAS: u64 = 200;
/// Fields of a pod's specification that a sandbox obeys.
const POD: [&str; 10] = [
    "automountServiceAccountToken",
    "containers",
    "enableServiceLinks",
    "hostNetwork",
    "hostname",
    "nodeName",
    "nodeSelector",
    "restartPolicy",
    "serviceAccountName",
    "terminationGracePeriodSeconds",
];
/// Fields of a container that it obeys.
const CONTAINER: [&str; 9] =
    ["args", "command", "env", "livenessProbe", "name", "ports", "readinessProbe", "startupProbe", "workingDir"];
/// Fields of a container's port that it obeys.
const PORT: [&str; 3] = ["containerPort", "name", "protocol"];
/// Fields of a service's port that it obeys.
const SERVICE_PORT: [&str; 5] = ["appProtocol", "name", "port", "protocol", "targetPort"];
/// Fields of a Deployment that it obeys.
const DEPLOYMENT: [&str; 4] = ["replicas", "selector", "strategy", "template"];
/// Fields of a service that it obeys.
const SERVICE: [&str; 11] = [
    "clusterIP",
    "clusterIPs",
    "internalTrafficPolicy",
    "ipFamilies",
    "ipFamilyPolicy",
    "ports",
    "publishNotReadyAddresses",
    "selector",
    "sessionAffinity",
    "trafficDistribution",
    "type",
];
/// Why not, where there is more to say than that it cannot.
const REASONS: [(&str, &str); 13] = [
    ("hostPID", "a sandbox keeps the machine's own view for the mesh's components"),
    ("hostPort", "a sandbox has no way in from outside"),
    ("image", "a sandbox pulls no images: `command` names a program of this machine"),
    ("imagePullPolicy", "a sandbox pulls no images"),
    ("imagePullSecrets", "a sandbox pulls no images"),
    ("initContainers", "a sandbox runs no init containers: let the command do what has to come first"),
    ("volumes", "a sandbox has no volumes: pods read the machine's files, and write to memory of their own"),
    ("volumeMounts", "a sandbox has no volumes: pods read the machine's files, and write to memory of their own"),
    ("resources", "a sandbox neither reserves nor limits resources"),
    ("securityContext", "a sandbox runs programs as the user that started it"),
    ("envFrom", "a sandbox sets variables from `env` alone"),
    ("lifecycle", "a sandbox has no hooks: the program gets SIGTERM and its grace period"),
    ("grpc", "a sandbox probes with httpGet, tcpSocket and exec"),
];

/// Lists the fields of an object that a sandbox cannot obey, each with the reason.
#[must_use]
pub fn refusals(object: &Value) -> Vec<(FieldPath, String)> {
    let spec = FieldPath::of(&["spec"]);
    let mut out = Vec::new();
    match object["kind"].as_str() {
        Some("Pod") => pod(&object["spec"], &spec, &mut out),
        Some("Deployment") => {
            unknown(&object["spec"], &spec, &DEPLOYMENT, &mut out);
            let strategy = &object["spec"]["strategy"];
            if strategy["type"].as_str().is_some_and(|kind| kind != "RollingUpdate") {
                let reason = "a sandbox makes new pods before old ones go: want RollingUpdate".to_owned();
                out.push((spec.key("strategy").key("type"), reason));
            }
            unknown(strategy, &spec.key("strategy"), &["type"], &mut out);
            let policy = &object["spec"]["template"]["spec"]["restartPolicy"];
            if policy.as_str().is_some_and(|policy| policy != "Always") {
                let at = spec.key("template").key("spec").key("restartPolicy");
                out.push((at, "the pods of a Deployment always go on: want Always".to_owned()));
            }
            if object["spec"]["replicas"].as_u64().is_some_and(|replicas| replicas > REPLICAS) {
                let reason = format!("a sandbox has no room for more than {REPLICAS} pods of one Deployment");
                out.push((spec.key("replicas"), reason));
            }
            pod(&object["spec"]["template"]["spec"], &spec.key("template").key("spec"), &mut out);
        }
        Some("Service") => {
            unknown(&object["spec"], &spec, &SERVICE, &mut out);
            for (index, port) in object["spec"]["ports"].as_array().into_iter().flatten().enumerate() {
                unknown(port, &spec.key("ports").item(index), &SERVICE_PORT, &mut out);
                if let Some(protocol) = port["protocol"].as_str().filter(|p| *p != "TCP") {
                    let at = spec.key("ports").item(index).key("protocol");
                    out.push((at, format!("a sandbox leads TCP alone to services, not {protocol}")));
                }
            }
            if let Some(kind @ ("NodePort" | "LoadBalancer" | "ExternalName")) = object["spec"]["type"].as_str() {
                let reason =
                    format!("a sandbox has no way in from outside and none out: {kind} cannot be; want ClusterIP");
                out.push((spec.key("type"), reason));
            }
            for (index, family) in object["spec"]["ipFamilies"].as_array().into_iter().flatten().enumerate() {
                if family != "IPv4" {
                    let reason = "a sandbox speaks IPv4 alone".to_owned();
                    out.push((spec.key("ipFamilies").item(index), reason));
                }
            }
            if let Some(address) = object["spec"]["clusterIP"].as_str().filter(|a| !is_service_address(a)) {
                let reason =
                    format!("a sandbox's services are in 10.96.0.0/16, or have `None`: {address:?} is neither");
                out.push((spec.key("clusterIP"), reason));
            }
            if object["spec"]["sessionAffinity"] == "ClientIP" {
                let reason = "a sandbox has no session affinity: want None".to_owned();
                out.push((spec.key("sessionAffinity"), reason));
            }
        }
        _ => {}
    }
    out
}

/// Whether a service can have this address; none, and `None`, are fine.
fn is_service_address(text: &str) -> bool {
    let given = text.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.octets()[..2] == [10, 96]);
    text.is_empty() || text == "None" || given
}

fn pod(spec: &Value, at: &FieldPath, out: &mut Refusals) {
    unknown(spec, at, &POD, out);
    for (index, container) in spec["containers"].as_array().into_iter().flatten().enumerate() {
        let at = at.key("containers").item(index);
        unknown(container, &at, &CONTAINER, out);
        if container["command"].as_array().is_none_or(Vec::is_empty) {
            out.push((at.clone(), "`command` is missing: a sandbox has no image to take one from".to_owned()));
        }
        for (index, port) in container["ports"].as_array().into_iter().flatten().enumerate() {
            unknown(port, &at.key("ports").item(index), &PORT, out);
        }
        for (index, variable) in container["env"].as_array().into_iter().flatten().enumerate() {
            let from = variable["valueFrom"].as_object().into_iter().flatten().map(|(k, _)| k);
            for kind in from.filter(|k| *k != "fieldRef") {
                let at = at.key("env").item(index).key("valueFrom").key(kind);
                out.push((at, format!("a sandbox fills variables from fieldRef alone, not from {kind}")));
            }
        }
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            let at = at.key(probe);
            for field in ["grpc", "terminationGracePeriodSeconds"] {
                if !container[probe][field].is_null() {
                    refuse(&at, field, out);
                }
            }
            if container[probe]["httpGet"]["scheme"] == "HTTPS" {
                out.push((at.key("httpGet").key("scheme"), "a sandbox probes by HTTP alone".to_owned()));
            }
        }
    }
}

fn unknown(object: &Value, at: &FieldPath, obeyed: &[&str], out: &mut Refusals) {
    for (field, value) in object.as_object().into_iter().flatten() {
        if !obeyed.contains(&field.as_str()) && !value.is_null() {
            refuse(at, field, out);
        }
    }
}

fn refuse(at: &FieldPath, field: &str, out: &mut Refusals) {
    let reason = REASONS.iter().find(|(name, _)| *name == field).map(|(_, reason)| (*reason).to_owned());
    out.push((at.key(field), reason.unwrap_or_else(|| format!("a sandbox has no {field}"))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_named() {
        let deployment = serde_json::json!({ "kind": "Deployment", "spec": { "template": { "spec": {
            "volumes": [], "tolerations": [],
            "containers": [
                { "name": "a", "command": ["x"], "image": "nginx", "readinessProbe": { "grpc": { "port": 1 } } },
                { "name": "b", "env": [{ "name": "A", "valueFrom": { "secretKeyRef": {} } }] },
            ],
        }}}});
        let found: Vec<String> = refusals(&deployment).into_iter().map(|(path, _)| path.to_string()).collect();
        let base = "spec.template.spec";
        assert_eq!(
            found,
            [
                format!("{base}.tolerations"),
                format!("{base}.volumes"),
                format!("{base}.containers[0].image"),
                format!("{base}.containers[0].readinessProbe.grpc"),
                format!("{base}.containers[1]"),
                format!("{base}.containers[1].env[0].valueFrom.secretKeyRef"),
            ]
        );
        let service = serde_json::json!({ "kind": "Service", "spec": { "type": "NodePort", "ports": [] } });
        assert_eq!(refusals(&service).len(), 1);
        let good = serde_json::json!({ "kind": "Pod", "spec": { "containers": [{ "name": "a", "command": ["x"] }] } });
        assert!(refusals(&good).is_empty());
    }
}
