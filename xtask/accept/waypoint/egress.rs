//! Hosts outside of the mesh: in plain text and with TLS that the waypoint begins, by the names that clients use; who may go there;
//! and what becomes of Secrets.

use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};

use super::{
    ask::{self, Ask},
    scene::{self, ECHO, Scene},
};
use crate::accept::{Report, lab::until, sandbox::lab::Lab};

/// How long what was written may take to be in effect.
const EFFECT: Duration = Duration::from_secs(10);
/// The server in TLS, by its own name.
const SECURE: &str = "db.outside.test";

/// An authority with its key.
type Authority = CertifiedIssuer<'static, KeyPair>;

/// One step: what is written, what is asked then, and what is wanted of the answer.
struct Step<'s> {
    name: &'s str,
    write: String,
    ask: &'s str,
    want: &'s str,
}

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let (servers, clients, others) = (authority()?, authority()?, authority()?);
    let (chain, key) = issue(&servers, SECURE)?;
    let outside = outside(&[("--tls-certificate", &chain), ("--tls-key", &key), ("--tls-clients", &clients.pem())]);
    let scene = scene::up(lab, "egress", &outside)?;
    names(&scene, report)?;
    let secret = |of: &Authority| -> Result<String, String> {
        let (chain, key) = issue(of, "client.shop.test")?;
        Ok(object(
            "v1",
            "Secret",
            "client",
            &json!({"stringData": {"tls.crt": chain, "tls.key": key, "ca.crt": servers.pem()}}),
        ))
    };
    let steps = [
        Step {
            name: "a Secret that is not there refuses",
            write: rule("MUTUAL"),
            ask: "/",
            want: "503 body=could_not_be_reached",
        },
        Step {
            name: "MUTUAL shows the certificate of a Secret",
            write: secret(&clients)?,
            ask: "/a",
            want: "200 tls path=/a host=db.outside.test",
        },
        Step { name: "over HTTP/2", write: String::new(), ask: "h2 /b", want: "200 tls path=/b" },
        Step {
            name: "a Secret that changed counts for new connections",
            write: secret(&others)? + &rule("MUTUAL"),
            ask: "fresh /",
            want: "503",
        },
        Step { name: "and again", write: secret(&clients)?, ask: "fresh /", want: "200 tls" },
        Step {
            name: "SIMPLE shows none, which this server does not take",
            write: rule("SIMPLE"),
            ask: "/",
            want: "503",
        },
    ];
    for (number, step) in steps.iter().enumerate() {
        told(&scene, report, step)?;
        if number == 0 {
            let rule = || scene.sandbox.run(&["-n", "shop", "sandbox", "get", "destinationrule", "db", "-o", "json"]);
            let held = |text: &str| text.contains("there is no Secret client");
            until(EFFECT, || rule().is_ok_and(|rule| held(&rule.out)));
            report.holds("the rule's status says so", held(&rule()?.out), "there is no Secret client");
        }
    }
    hidden(&scene, report)?;
    scene.delete(&rule("SIMPLE"))?;
    backend_tls(&scene, report, &servers.pem())?;
    policies(&scene, report)?;
    routes(&scene, report)
}

/// A server that asks for no certificate, by a policy of the Gateway API.
fn backend_tls(scene: &Scene<'_>, report: &mut Report, roots: &str) -> Result<(), String> {
    let ca = object("v1", "ConfigMap", "servers", &json!({"data": {"ca.crt": roots}}));
    let policy = |hostname: &str| {
        let target = json!([{"group": "networking.istio.io", "kind": "ServiceEntry", "name": "open"}]);
        let references = json!([{"group": "", "kind": "ConfigMap", "name": "servers"}]);
        let spec = json!({"targetRefs": target, "validation": {"hostname": hostname, "caCertificateRefs": references}});
        object("gateway.networking.k8s.io/v1", "BackendTLSPolicy", "open", &json!({"spec": spec}))
    };
    for (name, text, wanted) in [
        ("BackendTLSPolicy on a ServiceEntry, before its ConfigMap is there", policy(SECURE), "503"),
        ("BackendTLSPolicy with the authorities of a ConfigMap", ca, "200 open path=/o host=open.outside.test"),
        ("BackendTLSPolicy with another name than the server's", policy("other.outside.test"), "503"),
    ] {
        scene.apply(&text)?;
        asked(scene, report, name, ("fresh /o", "open.outside.test"), wanted)?;
    }
    scene.delete(&policy(SECURE))
}

fn authority() -> Result<Authority, String> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().map_err(|e| e.to_string())?;
    CertifiedIssuer::self_signed(params, key).map_err(|e| e.to_string())
}

/// Makes a certificate of a name; returns it and its key, PEM.
fn issue(of: &Authority, name: &str) -> Result<(String, String), String> {
    let key = KeyPair::generate().map_err(|e| e.to_string())?;
    let params = CertificateParams::new(vec![name.to_owned()]).map_err(|e| e.to_string())?;
    let certificate = params.signed_by(&key, of).map_err(|e| e.to_string())?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Writes an object of the shop.
fn object(version: &str, kind: &str, name: &str, more: &Value) -> String {
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "shop"}});
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more.clone()) {
        object.extend(more);
    }
    format!("---\n{object}\n")
}

fn entry(name: &str, host: &str, spec: &Value) -> String {
    let port = json!({"number": 80, "name": "http", "protocol": "HTTP"});
    let mut whole = json!({"hosts": [host], "ports": [port]});
    if let (Some(whole), Value::Object(spec)) = (whole.as_object_mut(), spec.clone()) {
        whole.extend(spec);
    }
    object("networking.istio.io/v1", "ServiceEntry", name, &json!({"spec": whole}))
}

/// The namespace outside of the mesh with its servers, and the entries of the shop that lead there.
fn outside(tls: &[(&str, &str)]) -> String {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "outside"}});
    let mut text = format!("---\n{namespace}\n");
    let server = |name: &str, arguments: &[&str], port: u16, target: u16| {
        let labels = json!({"app": name});
        let meta = json!({"name": name, "namespace": "outside", "labels": labels});
        let command = [&[ECHO, "serve", "--name", name][..], arguments].concat();
        let probe = json!({"tcpSocket": {"port": target}, "periodSeconds": 1});
        let container = json!({"name": "echo", "command": command, "readinessProbe": probe});
        let spec = json!({"terminationGracePeriodSeconds": 1, "containers": [container]});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec});
        let ports = json!([{"name": "main", "port": port, "targetPort": target}]);
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": labels, "ports": ports}});
        format!("---\n{pod}\n---\n{service}\n")
    };
    text += &server("plain", &["--http", "8080"], 8080, 8080);
    text += &server("bytes", &["--tcp", "9090"], 9090, 9090);
    let secure: Vec<String> = tls.iter().map(|(name, pem)| format!("{name}={pem}")).collect();
    let secure: Vec<&str> = secure.iter().map(String::as_str).collect();
    let open: Vec<&str> = secure.iter().copied().filter(|argument| !argument.starts_with("--tls-clients")).collect();
    text += &server("open", &[&["--tls", "8443"][..], &open].concat(), 8443, 8443);
    let at_open = json!([{"address": "open.outside.svc.cluster.local"}]);
    let port = json!([{"number": 80, "targetPort": 8443, "name": "http", "protocol": "HTTP"}]);
    text += &entry("open", "open.outside.test", &json!({"resolution": "DNS", "endpoints": at_open, "ports": port}));
    text += &server("tls", &[&["--tls", "8443"][..], &secure].concat(), 8443, 8443);
    let at = |host: &str| json!([{"address": format!("{host}.outside.svc.cluster.local")}]);
    let ports = |number: u16, target: u16, protocol: &str| json!([{"number": number, "targetPort": target, "name": protocol.to_lowercase(), "protocol": protocol}]);
    let web = json!({"resolution": "DNS", "endpoints": at("plain"), "ports": ports(80, 8080, "HTTP")});
    text += &entry("api", "api.outside.test", &web);
    let bytes = json!({"resolution": "DNS", "endpoints": at("bytes"), "ports": ports(5432, 9090, "TCP")});
    text += &entry("bytes", "bytes.outside.test", &bytes);
    let secure = json!({"resolution": "DNS", "endpoints": at("tls"), "ports": ports(80, 8443, "HTTP")});
    text += &entry("db", SECURE, &secure);
    text += &entry(
        "wild",
        "*.outside.svc.cluster.local",
        &json!({"resolution": "DYNAMIC_DNS", "ports": ports(80, 8080, "HTTP")}),
    );
    // The host itself is what is resolved, and no waypoint stands before it: the node's proxy does it.
    let own = json!({"resolution": "DNS", "ports": ports(80, 8080, "HTTP")});
    let mut direct = entry("direct", "plain.outside.svc.cluster.local", &own);
    direct = direct.replace("\"namespace\":\"shop\"", "\"namespace\":\"guest\"");
    text + &direct
}

fn rule(mode: &str) -> String {
    let tls = json!({"mode": mode, "credentialName": "client", "sni": SECURE, "subjectAltNames": [SECURE]});
    let spec = json!({"host": SECURE, "trafficPolicy": {"tls": tls}});
    object("networking.istio.io/v1", "DestinationRule", "db", &json!({"spec": spec}))
}

/// Writes, then asks the server in TLS until the answer is as wanted.
fn told(scene: &Scene<'_>, report: &mut Report, step: &Step<'_>) -> Result<(), String> {
    if !step.write.is_empty() {
        scene.apply(&step.write)?;
    }
    asked(scene, report, step.name, (step.ask, SECURE), step.want)
}

fn asked(
    scene: &Scene<'_>,
    report: &mut Report,
    name: &str,
    (line, host): (&str, &str),
    wanted: &str,
) -> Result<(), String> {
    let ask = Ask::read(line, host)?;
    let begun = Instant::now();
    let fault = loop {
        let result = scene.batch(&ask.pod, std::slice::from_ref(&ask.part))?.pop().unwrap_or_default();
        let fault = ask::fault(&result, wanted);
        if fault.is_ok() || begun.elapsed() > EFFECT {
            break fault;
        }
        std::thread::sleep(Duration::from_millis(300));
    };
    report.row(name, fault.as_ref().err().map_or("so", String::as_str), format!("{line} → {wanted}"), fault.is_ok());
    Ok(())
}

fn found(scene: &Scene<'_>, namespace: &str, entry: &str) -> Result<Value, String> {
    scene.sandbox.json(&["-n", namespace, "sandbox", "get", "serviceentry", entry, "-o", "json"])
}

/// Returns the first address of an entry.
fn allotted(scene: &Scene<'_>, namespace: &str, entry: &str) -> Result<String, String> {
    let found = found(scene, namespace, entry)?;
    let address = found["status"]["addresses"][0]["value"].as_str();
    address.map(str::to_owned).ok_or_else(|| format!("{namespace}/{entry} has no address: {}", found["status"]))
}

/// Hosts are found by their names, and lead to where they are.
fn names(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    let entry = || found(scene, "shop", "api");
    until(EFFECT, || entry().is_ok_and(|entry| entry["status"]["addresses"].as_array().is_some_and(|a| a.len() == 2)));
    let told = entry()?["status"]["addresses"].to_string();
    let good = told.contains("\"240.240.") && told.contains("\"2001:2:");
    report.row("a host gets addresses of the mesh", told, "240.240.x.y 2001:2::z", good);
    let bound = entry()?["status"]["conditions"].clone();
    let good = bound.as_array().into_iter().flatten().any(|c| c["reason"] == "WaypointAccepted");
    report.row("its status tells of its waypoint", bound.to_string(), "WaypointAccepted", good);
    asked(scene, report, "HTTP through the waypoint", ("/a", "api.outside.test"), "200 plain path=/a")?;
    asked(scene, report, "over HTTP/2", ("h2 /b", "api.outside.test"), "200 plain path=/b")?;
    let wild = allotted(scene, "shop", "wild")?;
    for (name, host, want) in [
        ("a wildcard leads to who is named", "plain.outside.svc.cluster.local", "200 plain path=/w"),
        ("another host than one of the wildcard is refused", "api.outside.test", "503"),
    ] {
        asked(scene, report, name, (&format!("/w to={wild}:80 host:{host}"), ""), want)?;
    }
    let direct = allotted(scene, "guest", "direct")?;
    let name = "without a waypoint the node's proxy resolves the host";
    asked(scene, report, name, (&format!("@guest/guest /g to={direct}:80"), ""), "200 plain path=/g")?;
    let tcp = || scene.echo(scene::CLIENT, &["tcp", "bytes.outside.test:5432"]);
    until(EFFECT, || tcp().is_ok_and(|ended| ended.ok()));
    let ended = tcp()?;
    report.row("TCP through the waypoint", ended.all(), "the same text back", ended.ok());
    Ok(())
}

/// Nothing of a key is shown to whoever asks a waypoint for all that it knows, or reads what it says.
fn hidden(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    let dump = scene.sandbox.run(&["-n", "shop", "waypoint", "config", "all", "-o", "json"])?;
    let told = dump.out.contains("redacted") && !dump.out.contains("PRIVATE KEY");
    report.row("a dump has no key", format!("{} bytes", dump.out.len()), "redacted", told);
    let pods = scene.sandbox.pods("shop")?;
    let names = pods.iter().filter_map(|p| p["name"].as_str()).filter(|name| name.starts_with("waypoint-"));
    let names: Vec<&str> = names.collect();
    report.row("pods of the waypoint whose logs are read", names.len().to_string(), "2", names.len() == 2);
    for name in names {
        let logs = scene.sandbox.run(&["-n", "shop", "sandbox", "logs", name])?;
        let clean = logs.ok() && !logs.out.is_empty() && !logs.all().contains("PRIVATE KEY");
        report.row(format!("nor has the log of {name}"), format!("{} bytes", logs.out.len()), "no key", clean);
    }
    Ok(())
}

/// Who may go out is said of the ServiceEntry.
fn policies(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    let target = json!([{"group": "networking.istio.io", "kind": "ServiceEntry", "name": "api"}]);
    let spec = json!({"targetRefs": target, "action": "ALLOW", "rules": [{
        "from": [{"source": {"principals": ["cluster.local/ns/shop/sa/client"]}}],
        "to": [{"operation": {"paths": ["/allowed"]}}],
    }]});
    let policy = object("security.istio.io/v1", "AuthorizationPolicy", "out", &json!({"spec": spec}));
    scene.apply(&policy)?;
    for (name, line, wanted) in [
        ("another path than a policy allows", "/a", "403"),
        ("the path that it allows", "/allowed", "200 plain"),
        ("another client", "@shop/other /allowed", "403"),
        ("from another namespace", "@guest/guest /allowed", "403"),
    ] {
        asked(scene, report, name, (line, "api.outside.test"), wanted)?;
    }
    scene.delete(&policy)
}

/// Routes have hosts outside as parents and as backends.
fn routes(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    let istio = "networking.istio.io";
    let hostname = json!({"group": istio, "kind": "Hostname", "name": "api.outside.test", "port": 80});
    let matched = json!([{"path": {"type": "PathPrefix", "value": "/out"}}]);
    let out = json!({"spec": {
        "parentRefs": [{"group": "", "kind": "Service", "name": "one"}],
        "rules": [{"matches": matched, "backendRefs": [hostname]}, {"backendRefs": [{"name": "one", "port": 80}]}],
    }});
    let set = json!([{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-set", "value": "yes"}]}}]);
    let of_entry = json!({"spec": {
        "parentRefs": [{"group": istio, "kind": "ServiceEntry", "name": "api"}],
        "rules": [{"filters": set, "backendRefs": [hostname]}],
    }});
    let route = |name: &str, spec: &Value| object("gateway.networking.k8s.io/v1", "HTTPRoute", name, spec);
    let service = json!({"spec": {"hosts": ["bytes2.outside.test"], "http": [{"route": [{"destination": {"host": "api.outside.test"}}]}]}});
    let more = entry(
        "bytes2",
        "bytes2.outside.test",
        &json!({"resolution": "STATIC", "endpoints": [{"address": "192.0.2.1"}]}),
    );
    scene.apply(
        &[
            route("out", &out),
            route("api", &of_entry),
            more,
            object("networking.istio.io/v1", "VirtualService", "bytes2", &service),
        ]
        .concat(),
    )?;
    asked(scene, report, "HTTPRoute with a Hostname as backend", ("/out", "one.shop"), "200 plain path=/out")?;
    asked(scene, report, "its other rule", ("/in", "one.shop"), "200 one path=/in")?;
    asked(scene, report, "HTTPRoute of a ServiceEntry", ("/r", "api.outside.test"), "200 plain req.x-set=yes")?;
    asked(scene, report, "VirtualService of a ServiceEntry's host", ("/v", "bytes2.outside.test"), "200 plain path=/v")
}
