//! Our side: a control plane on a folder of manifests, and a waypoint.

use std::{
    fs,
    net::IpAddr,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    bed::{Bed, Core, Process, SERVER, SPACE, WAYPOINT, shown},
    case::{CASES, Case, Issuer, PORTS, Port},
};
use crate::accept::{chain, ended};

/// The port of the waypoint's tunnels: it listens on all addresses, and the server has the usual one on its own.
pub const HBONE: u16 = 15018;
/// The directory of the state that holds routes, and that of pods.
const ROUTES: &str = "httproutes.gateway.networking.k8s.io";
const PODS: &str = "pods";
/// The most rules of one route, by the Gateway API.
const RULES: usize = 16;
/// How long a role takes until it has let go of what only starting took.
const SETTLED: Duration = Duration::from_secs(20);
/// What is deployed as waypoint in a cluster.
const TEMPLATE: &str = include_str!("../../../templates/waypoint.yaml");
/// How memory is kept and given back.
const ALLOCATOR: &str = "_RJEM_MALLOC_CONF";
/// How long the control plane may take to start.
const START: Duration = Duration::from_secs(20);

/// What runs of ours.
pub struct Mesh {
    _agent: Process,
    /// The waypoint.
    pub waypoint: Process,
    started: Instant,
}

impl Mesh {
    /// Starts both, and returns when the waypoint has been let in.
    pub fn start(bed: &Bed, ambient: &Path, issuer: &Issuer) -> Result<Self, String> {
        let mut objects = mesh(bed);
        objects.extend(CASES.into_iter().flat_map(|case| service(case, issuer)));
        let documents: Vec<String> = objects.iter().map(Value::to_string).collect();
        bed.write("manifests/mesh.yaml", &documents.join("\n---\n"))?;
        let mut agent = role(ambient, "agent");
        agent.env("SOURCE_MANIFESTS", bed.path("manifests")).env("SOURCE_STATE", bed.path("state"));
        // The usual one is the server's.
        agent.env("READINESS_PORT", "15041");
        let agent = bed.start("agent", Core::Server, &mut agent)?;
        let gateway = json!({ "app": "waypoint", "gateway.networking.k8s.io/gateway-name": "waypoint" });
        keep(bed, PODS, &pod("waypoint-1", "waypoint", WAYPOINT, &gateway))?;
        keep(bed, PODS, &pod("web-1", "web", SERVER, &json!({ "app": "web" })))?;
        change(bed, "0")?;
        let identity = shown(&bed.path("identity"));
        let begun = Instant::now();
        loop {
            let state = shown(&bed.path("state"));
            let arguments = ["-n", SPACE, "token", "waypoint-1", "--state", &state, "--write", &identity];
            let told = ended(Command::new(ambient).args(arguments))?;
            if told.ok() {
                break;
            }
            if begun.elapsed() > START {
                return Err(format!("no token: {}\n{}", told.all(), agent.said()));
            }
            thread::sleep(Duration::from_millis(100));
        }
        let mut waypoint = role(ambient, "waypoint");
        let root = format!("{identity}/root-cert.pem");
        for (name, value) in [
            ("XDS_ADDRESS", "localhost:15012"),
            ("XDS_ROOT_CA", &root),
            ("CA_ROOT_CA", &root),
            ("AUTH_TOKEN", &format!("{identity}/token")),
            ("POD_NAME", "waypoint-1"),
            ("POD_NAMESPACE", SPACE),
            ("GATEWAY_NAME", "waypoint"),
            ("SERVICE_ACCOUNT", "waypoint"),
            ("INSTANCE_IP", &WAYPOINT.to_string()),
            ("NODE_NAME", "host"),
            ("HBONE_PORT", &HBONE.to_string()),
            ("WAYPOINT_WORKER_THREADS", "1"),
            (ALLOCATOR, installed(ALLOCATOR)?),
        ] {
            waypoint.env(name, value);
        }
        let waypoint = bed.start("waypoint", Core::Proxy, &mut waypoint)?;
        Ok(Self { _agent: agent, waypoint, started: Instant::now() })
    }

    /// Waits until what only starting took is no longer there.
    pub fn settle(&self) {
        thread::sleep(SETTLED.saturating_sub(self.started.elapsed()));
    }
}

/// Changes the value that a header of answers gets: in the state, as any client of the API changes an object. What comes from
/// manifests waits until editors have done with them.
pub fn change(bed: &Bed, value: &str) -> Result<(), String> {
    keep(bed, ROUTES, &changing(value))
}

/// Puts an object into the state beside what the control plane writes, and in one step, as it wants it.
fn keep(bed: &Bed, kind: &str, object: &Value) -> Result<(), String> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let place = bed.path(&format!("state/{kind}/{SPACE}"));
    fs::create_dir_all(&place).map_err(chain)?;
    let file = bed.write("object", &json!({ "object": object }).to_string())?;
    fs::rename(file, place.join(format!("{name}.yaml"))).map_err(chain)
}

/// Returns the value of a variable that every waypoint gets which is installed.
fn installed(name: &str) -> Result<&'static str, String> {
    let variable = format!("{{name: {name}, value: \"");
    let value = TEMPLATE.split_once(&variable).and_then(|(_, rest)| rest.split_once('"'));
    value.map(|(value, _)| value).ok_or_else(|| format!("the template of waypoints says nothing of {name}"))
}

fn role(ambient: &Path, name: &str) -> Command {
    let mut command = Command::new(ambient);
    command.args(["--role", name]).env_remove("RUST_LOG");
    command
}

fn object(version: &str, kind: &str, name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name, "namespace": SPACE }, "spec": spec })
}

fn mesh(bed: &Bed) -> Vec<Value> {
    let text = |text: &str| STANDARD.encode(text);
    let authority = json!({
        "ca-cert.pem": text(&bed.pem.certificate), "ca-key.pem": text(&bed.pem.key),
        "root-cert.pem": text(&bed.pem.certificate), "cert-chain.pem": text(&bed.pem.certificate),
    });
    let account = |name: &str| json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name, "namespace": SPACE } });
    vec![
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "istio-system" } }),
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "cacerts", "namespace": "istio-system" }, "data": authority }),
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": SPACE, "labels": { "istio.io/dataplane-mode": "ambient" } } }),
        account("waypoint"),
        account("web"),
        object(
            "gateway.networking.k8s.io/v1",
            "Gateway",
            "waypoint",
            &json!({
                "gatewayClassName": "istio-waypoint",
                "addresses": [{ "type": "Hostname", "value": format!("waypoint.{SPACE}.svc.cluster.local") }],
                "listeners": [{ "name": "mesh", "port": 15008, "protocol": "HBONE" }],
            }),
        ),
        object(
            "v1",
            "Service",
            "waypoint",
            &json!({
                "clusterIP": "10.77.1.1", "clusterIPs": ["10.77.1.1"], "selector": { "app": "waypoint" },
                "ports": [{ "name": "mesh", "port": 15008 }],
            }),
        ),
        // As Istio is installed: without access logs.
        object("telemetry.istio.io/v1", "Telemetry", "quiet", &json!({ "accessLogging": [{ "disabled": true }] })),
    ]
}

fn service(case: Case, issuer: &Issuer) -> Vec<Value> {
    let Case { name, policy, token, logged, .. } = case;
    let ports = PORTS.map(|port| json!({ "name": port.name, "port": port.number, "targetPort": port.target }));
    let vip = case.vip().to_string();
    let spec = json!({ "clusterIP": vip, "clusterIPs": [vip], "selector": { "app": "web" }, "ports": ports });
    let mut service = object("v1", "Service", name, &spec);
    service["metadata"]["labels"] = json!({ "istio.io/use-waypoint": "waypoint" });
    let mut all = vec![service];
    for port in case.ports() {
        for (index, prefixes) in case.prefixes().chunks(RULES).enumerate() {
            let rules: Vec<Value> = prefixes.iter().map(|prefix| rule(name, port, prefix)).collect();
            all.push(route(name, port, &format!("{name}-{}-{index}", port.name), &rules));
        }
    }
    let target = json!([{ "group": "", "kind": "Service", "name": name }]);
    let security = "security.istio.io/v1";
    if policy {
        all.push(object(
            security,
            "AuthorizationPolicy",
            name,
            &json!({
                "targetRefs": target, "action": "ALLOW", "rules": [{
                    "from": [{ "source": { "principals": [format!("cluster.local/ns/{SPACE}/sa/client")] } }],
                    "to": [{ "operation": { "methods": ["GET"], "paths": ["/1k*"] } }],
                }],
            }),
        ));
    }
    if token {
        all.push(object(
            security,
            "RequestAuthentication",
            name,
            &json!({
                "targetRefs": target, "jwtRules": [{ "issuer": issuer.name, "jwks": issuer.keys }],
            }),
        ));
        all.push(object(
            security,
            "AuthorizationPolicy",
            name,
            &json!({
                "targetRefs": target, "action": "ALLOW",
                "rules": [{ "from": [{ "source": { "requestPrincipals": [format!("{}/client", issuer.name)] } }] }],
            }),
        ));
    }
    if logged {
        all.push(object(
            "telemetry.istio.io/v1",
            "Telemetry",
            name,
            &json!({
                "targetRefs": target, "accessLogging": [{ "disabled": false }],
            }),
        ));
    }
    all
}

fn route(service: &str, port: &Port, name: &str, rules: &[Value]) -> Value {
    let parents = json!([{ "group": "", "kind": "Service", "name": service, "port": port.number }]);
    object("gateway.networking.k8s.io/v1", "HTTPRoute", name, &json!({ "parentRefs": parents, "rules": rules }))
}

fn rule(service: &str, port: &Port, prefix: &str) -> Value {
    json!({
        "matches": [{ "path": { "type": "PathPrefix", "value": prefix } }],
        "backendRefs": [{ "name": service, "port": port.number }],
    })
}

/// The name of the service whose route changes.
pub const CHANGED: &str = "hundred";
/// The header that says which route answered.
pub const HEADER: &str = "x-version";

fn changing(value: &str) -> Value {
    let mut rule = rule(CHANGED, &PORTS[0], "/");
    let set = json!({ "set": [{ "name": HEADER, "value": value }] });
    rule["filters"] = json!([{ "type": "ResponseHeaderModifier", "responseHeaderModifier": set }]);
    let mut route = route(CHANGED, &PORTS[0], "changing", &[rule]);
    route["metadata"]["uid"] = "uid-of-changing".into();
    route["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
    route
}

fn pod(name: &str, account: &str, address: IpAddr, labels: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": SPACE, "uid": format!("uid-of-{name}"), "labels": labels,
            "annotations": { "ambient.istio.io/redirection": "enabled" },
        },
        "spec": { "nodeName": "host", "serviceAccountName": account, "containers": [{ "name": "main" }] },
        "status": {
            "phase": "Running", "podIPs": [{ "ip": address }], "conditions": [{ "type": "Ready", "status": "True" }],
        },
    })
}
