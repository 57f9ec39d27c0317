//! Waypoints that are left out while they have nothing to do, and are there when the first rule is.

use std::{thread, time::Duration};

use serde_json::{Value, json};

use super::{
    ask::number,
    scene::{self, CLIENT, Scene},
};
use crate::accept::{Report, lab::until, sandbox::lab::Lab};

/// How long what was written may take to be in effect.
const EFFECT: Duration = Duration::from_secs(10);
/// How long what is not to change is looked at.
const STAYS: Duration = Duration::from_secs(2);
/// How long requests go on, seconds, and when something is written meanwhile.
const LOAD: (f64, Duration) = (8.0, Duration::from_secs(2));

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let scene = scene::up(lab, "skipped", "")?;
    let service = scene::service("shop", "auto", "version: one");
    let label = |value: &str| {
        service.replace("namespace: shop}", &format!("namespace: shop, labels: {{ambient.io/l7: {value}}}}}"))
    };
    let rows = [
        ("nobody is spared who does not ask for it", service.clone(), "", true),
        ("who asks for it is spared", label("auto"), "", false),
        ("a rule of the service", route("auto"), "HTTPRoute", true),
        ("a rule of another service", route("one"), "HTTPRoute", false),
        (
            "a policy of the waypoint",
            policy("shop", &json!([gateway("Gateway", "waypoint")])),
            "AuthorizationPolicy",
            true,
        ),
        (
            "a policy of the class",
            policy("istio-system", &json!([gateway("GatewayClass", "istio-waypoint")])),
            "AuthorizationPolicy",
            true,
        ),
        ("telemetry of the namespace", telemetry(), "Telemetry", true),
        ("always", label("always"), "", true),
    ];
    for (name, text, kind, through) in rows {
        // Rules begin where the service is spared.
        let before = (!kind.is_empty()).then_some(false);
        let is_so = || is_through(&scene).is_ok_and(|found| found == through);
        let (was_so, _) = until(EFFECT, || before.is_none_or(|before| is_through(&scene).is_ok_and(|f| f == before)));
        scene.apply(&text)?;
        // What is to stay as it was must do so for longer than a change takes.
        let held = match before == Some(through) {
            true => was_so && !until(STAYS, || !is_so()).0,
            false => until(EFFECT, is_so).0,
        };
        let word = |through: bool| if through { "through the waypoint" } else { "direct" };
        report.row(name, word(is_through(&scene)?), word(through), held);
        if !kind.is_empty() {
            scene.delete(&text)?;
        }
    }
    scene.apply(&label("auto"))?;
    until(EFFECT, || is_through(&scene).is_ok_and(|through| !through));
    let message = scene.sandbox.json(&["-n", "shop", "sandbox", "get", "service", "auto", "-o", "json"])?;
    let conditions = message["status"]["conditions"].to_string();
    report.row(
        "the status of the service tells it",
        &conditions,
        "traffic goes direct",
        conditions.contains("goes direct"),
    );
    let listed = scene.sandbox.json(&["-n", "shop", "waypoint", "status", "-o", "json"])?;
    let spared = listed["waypoints"][0]["spared"].clone();
    report.row("waypoint status tells it too", spared.to_string(), "shop/auto", spared == json!(["shop/auto"]));
    change(&scene, report)?;
    guarded(&scene, report)
}

fn object(version: &str, kind: &str, (namespace, name): (&str, &str), spec: &Value) -> String {
    let meta = json!({"name": name, "namespace": namespace});
    format!("---\n{}\n", json!({"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec}))
}

fn gateway(kind: &str, name: &str) -> Value {
    json!({"group": "gateway.networking.k8s.io", "kind": kind, "name": name})
}

fn route(service: &str) -> String {
    let set = json!([{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-set", "value": "yes"}]}}]);
    let rules = json!([{"filters": set, "backendRefs": [{"name": service, "port": 80}]}]);
    let spec = json!({"parentRefs": [{"group": "", "kind": "Service", "name": service}], "rules": rules});
    object("gateway.networking.k8s.io/v1", "HTTPRoute", ("shop", "spared"), &spec)
}

fn policy(namespace: &str, targets: &Value) -> String {
    let spec = json!({"targetRefs": targets, "action": "ALLOW", "rules": [{}]});
    object("security.istio.io/v1", "AuthorizationPolicy", (namespace, "spared"), &spec)
}

fn telemetry() -> String {
    let spec = json!({"accessLogging": [{"disabled": true}]});
    object("telemetry.istio.io/v1", "Telemetry", ("shop", "spared"), &spec)
}

/// Tells whether a new connection goes through the waypoint, which says so to the server.
fn is_through(scene: &Scene<'_>) -> Result<bool, String> {
    let part = json!({"to": "auto.shop:80", "fresh": true});
    let result = scene.batch(CLIENT, &[part])?.pop().unwrap_or_default();
    if number(&result, "failed") > 0 {
        return Err(result.to_string());
    }
    Ok(!result["body"]["headers"]["x-forwarded-client-cert"].is_null())
}

/// The first policy counts for connections that were made before it.
fn guarded(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    let target = json!([{"group": "", "kind": "Service", "name": "auto"}]);
    let spec = json!({"targetRefs": target, "action": "DENY", "rules": [{"to": [{"operation": {"paths": ["/"]}}]}]});
    let policy = object("security.istio.io/v1", "AuthorizationPolicy", ("shop", "guard"), &spec);
    let results = thread::scope(|scope| {
        // One that never pauses, and one that does between its requests.
        let loads = [0, 1000].map(|pause| {
            let part = json!({"to": "auto.shop:80", "seconds": LOAD.0 + 4.0, "parallel": 2, "pause_ms": pause, "limit_ms": 5000});
            scope.spawn(move || scene.batch(CLIENT, &[part]))
        });
        thread::sleep(LOAD.1);
        scene.apply(&policy)?;
        let ended = loads.map(|load| load.join().unwrap_or_else(|_| Err("a load broke".to_owned())));
        ended
            .into_iter()
            .map(|results| results.map(|mut all| all.pop().unwrap_or_default()))
            .collect::<Result<Vec<_>, _>>()
    })?;
    for (load, result) in ["a busy connection", "a quiet connection"].iter().zip(results) {
        let refused = result["statuses"]["403"].as_u64().unwrap_or_default();
        let told = format!("{} {}", result["statuses"], result["errors"]);
        let lost = result["errors"].as_object().map_or(0, serde_json::Map::len);
        let good = refused > 0 && (*load != "a quiet connection" || lost == 0);
        report.row(format!("the first policy, {load}"), told, "403 at last; none lost that was quiet", good);
    }
    scene.delete(&policy)
}

/// Something that is written or deleted.
type Change = fn(&Scene<'_>) -> Result<(), String>;

/// Rules come and go while requests are under way.
fn change(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    let changes: [(&str, Change); 2] = [
        ("the first rule appears", |scene| scene.apply(&route("auto"))),
        ("the last rule goes", |scene| scene.delete(&route("auto"))),
    ];
    for (name, change) in changes {
        let results = thread::scope(|scope| {
            let loads = [false, true].map(|fresh| {
                let part = json!({"to": "auto.shop:80", "seconds": LOAD.0, "parallel": 4, "pause_ms": 5, "fresh": fresh, "limit_ms": 5000});
                scope.spawn(move || scene.batch(CLIENT, &[part]))
            });
            thread::sleep(LOAD.1);
            change(scene)?;
            let ended = loads.map(|load| load.join().unwrap_or_else(|_| Err("a load broke".to_owned())));
            ended
                .into_iter()
                .map(|results| results.map(|mut all| all.pop().unwrap_or_default()))
                .collect::<Result<Vec<_>, _>>()
        })?;
        for (load, result) in ["kept connections", "new connections"].iter().zip(results) {
            let good = number(&result, "failed") == 0 && number(&result, "total") >= 200;
            let told = format!(
                "{} of {} failed {} {}",
                result["failed"], result["total"], result["statuses"], result["errors"]
            );
            report.row(format!("{name}, {load}"), told, "0 failed", good);
        }
    }
    Ok(())
}
