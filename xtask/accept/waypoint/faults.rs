//! Parts that are killed, hang or go while requests are under way; and objects that are wrong.

use std::{thread, time::Duration};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{
    ask::{Ask, number},
    scene::{self, CLIENT, Scene},
};
use crate::accept::{
    Report,
    lab::until,
    sandbox::lab::{Lab, Process, signal, stop_agent},
};

/// How long the load goes on before something happens.
const BEFORE: Duration = Duration::from_secs(2);
/// How long the control plane hangs.
const HANGS: Duration = Duration::from_secs(20);
/// How long requests may fail after a process was killed, milliseconds.
const RECOVERED: f64 = 5000.0;

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let more = scene::service("shop", "good", "version: v1") + &scene::service("shop", "bad", "version: v1");
    let scene = scene::up(lab, "faults", &more)?;
    killed(&scene, report, "waypoint", 1)?;
    killed(&scene, report, "agent", 1)?;
    killed(&scene, report, "ztunnel", 1)?;
    hanging(&scene, report)?;
    rolled(&scene, report)?;
    wrong(&scene, report)
}

/// What a load is like: name, what is added to each part.
const LOADS: [(&str, bool); 2] = [("keep-alive", false), ("new connections", true)];

/// Runs both loads for so many seconds while something happens.
fn during(scene: &Scene<'_>, seconds: f64, event: impl FnOnce() -> Result<(), String>) -> Result<Vec<Value>, String> {
    thread::scope(|scope| {
        let loads = LOADS.map(|(_, fresh)| {
            let part = json!({ "to": "all.shop:80", "seconds": seconds, "parallel": 4, "pause_ms": 5, "fresh": fresh, "limit_ms": 5000 });
            scope.spawn(move || scene.batch(CLIENT, &[part]))
        });
        thread::sleep(BEFORE);
        event()?;
        let ended = loads.map(|load| load.join().unwrap_or_else(|_| Err("a load broke".to_owned())));
        ended.into_iter().map(|results| results.map(|mut all| all.pop().unwrap_or_default())).collect()
    })
}

fn told(result: &Value) -> String {
    let (first, last) = (result["first_failure_ms"].as_f64(), result["last_failure_ms"].as_f64());
    let span = last.unwrap_or_default() - first.unwrap_or_default();
    format!(
        "{} of {} failed, over {span:.0} ms, {} {} {}",
        result["failed"], result["total"], result["statuses"], result["errors"], result["example"]
    )
}

/// Kills the first process of a role.
fn killed(scene: &Scene<'_>, report: &mut Report, role: &str, number_of: usize) -> Result<(), String> {
    let before = scene.sandbox.role(role).len();
    let victims: Vec<Process> = scene.sandbox.role(role).into_iter().take(number_of).collect();
    if victims.is_empty() {
        return Err(format!("no {role} runs"));
    }
    let results = during(scene, 12.0, || {
        signal(&victims, Signal::SIGKILL);
        Ok(())
    })?;
    for ((load, _), result) in LOADS.iter().zip(&results) {
        let last = result["last_failure_ms"].as_f64().unwrap_or_default();
        let late = last - BEFORE.as_secs_f64() * 1e3;
        let many = number(result, "total") >= 200;
        let good = if role == "agent" { number(result, "failed") == 0 } else { late <= RECOVERED };
        let required = if role == "agent" { "0 failed".to_owned() } else { format!("none fails {RECOVERED} ms later") };
        report.row(format!("kill -9 of a {role}, {load}"), told(result), required, many && good);
    }
    let (back, after) = until(Duration::from_secs(20), || scene.sandbox.role(role).len() == before);
    report.holds(format!("the {role} is started again"), back, format!("after {:.1} s", after.as_secs_f64()));
    Ok(())
}

fn hanging(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    let results = during(scene, HANGS.as_secs_f64() + 4.0, || {
        let stopped = stop_agent(&scene.sandbox)?;
        thread::sleep(HANGS);
        drop(stopped);
        Ok(())
    })?;
    for ((load, _), result) in LOADS.iter().zip(&results) {
        let good = number(result, "failed") == 0 && number(result, "total") >= 500;
        report.row(
            format!("the control plane hangs for {} s, {load}", HANGS.as_secs()),
            told(result),
            "0 failed",
            good,
        );
    }
    Ok(())
}

/// A pod of the waypoint is deleted, and another takes its place.
fn rolled(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    let names = || -> Result<Vec<String>, String> {
        let pods = scene.sandbox.pods("shop")?;
        let own = pods.iter().filter(|p| p["ready"] == true).filter_map(|p| p["name"].as_str());
        Ok(own.filter(|name| name.starts_with("waypoint-")).map(str::to_owned).collect())
    };
    until(Duration::from_secs(30), || names().is_ok_and(|names| names.len() == 2));
    let victim = names()?.into_iter().next().ok_or("no waypoint is ready")?;
    let results = during(scene, 15.0, || {
        scene.delete(&format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {victim}, namespace: shop}}\n"))
    })?;
    for ((load, _), result) in LOADS.iter().zip(&results) {
        let good = number(result, "failed") == 0 && number(result, "total") >= 200;
        report.row(format!("one of two waypoints goes, {load}"), told(result), "0 failed", good);
    }
    let (back, after) = until(Duration::from_secs(30), || names().is_ok_and(|n| n.len() == 2 && !n.contains(&victim)));
    report.holds("another takes its place", back, format!("after {:.1} s", after.as_secs_f64()));
    Ok(())
}

/// Objects that are wrong, beside others of their kind that are right.
const WRONG: [(&str, &str, &str, &str); 3] = [
    (
        "VirtualService",
        "networking.istio.io/v1",
        "hosts: [good], http: [{headers: {response: {set: {x-by: vs}}}, route: [{destination: {host: v2}}]}]",
        "hosts: [bad], http: [{match: [{uri: {regex: \"(\"}}], route: [{destination: {host: v2}}]}]",
    ),
    (
        "HTTPRoute",
        "gateway.networking.k8s.io/v1",
        "parentRefs: [{group: \"\", kind: Service, name: good}], rules: [{backendRefs: [{name: v2, port: 80}]}]",
        "parentRefs: [{group: \"\", kind: Service, name: bad}], rules: [{matches: [{path: {type: RegularExpression, value: \"(\"}}], \
         backendRefs: [{name: v2, port: 80}]}]",
    ),
    (
        "AuthorizationPolicy",
        "security.istio.io/v1",
        "targetRefs: [{group: \"\", kind: Service, name: good}], action: ALLOW, rules: [{to: [{operation: {methods: [GET]}}]}]",
        "targetRefs: [{group: \"\", kind: Service, name: bad}], action: ALLOW, rules: [{from: [{source: {ipBlocks: [\"no address\"]}}]}]",
    ),
];

fn wrong(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    let object = |kind: &str, group: &str, name: &str, spec: &str| {
        format!(
            "---\napiVersion: {group}\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{{spec}}}\n"
        )
    };
    for (kind, group, good, bad) in WRONG {
        let (good, bad) = (object(kind, group, "good", good), object(kind, group, "bad", bad));
        scene.apply(&good)?;
        thread::sleep(Duration::from_secs(1));
        // What the definitions refuse never gets as far.
        if let Err(reason) = scene.apply(&bad) {
            report.row(format!("a wrong {kind}"), format!("refused: {reason}"), "told why", !reason.is_empty());
        } else {
            let mut status = String::new();
            let (said, _) = until(Duration::from_secs(5), || {
                let read = scene.sandbox.json(&["-n", "shop", "sandbox", "get", kind, "bad", "-o", "json"]);
                status = read.map(|object| conditions(&object["status"])).unwrap_or_default();
                status.contains("regular expression")
            });
            report.row(format!("a wrong {kind}: its status"), status, "what is wrong", said);
        }
        let results =
            scene.batch(CLIENT, &[Ask::read("x20 /", "good.shop")?.part, Ask::read("x20 /", "v1.shop")?.part])?;
        let all = results.iter().all(|r| r["statuses"]["200"] == 20);
        let said: Vec<String> = results.iter().map(told).collect();
        report.row(format!("others beside a wrong {kind}"), said.join("; "), "all answered", all);
        scene.delete(&(good + &bad)).ok();
    }
    Ok(())
}

/// Returns the conditions of a status, wherever in it they are.
fn conditions(status: &Value) -> String {
    let parents = status["parents"].as_array().into_iter().flatten().map(|parent| &parent["conditions"]);
    let all = parents.chain([&status["conditions"]]).filter_map(Value::as_array).flatten();
    let told: Vec<String> =
        all.map(|c| format!("{}={} {}: {}", c["type"], c["status"], c["reason"], c["message"])).collect();
    told.join("; ")
}
