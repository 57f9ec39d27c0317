//! Roles are killed without a word, and a node is drained, while clients of all kinds go on.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Load, SHOP, ran, replicas, unharmed};
use crate::accept::{
    Report,
    lab::{Lab, until},
};

/// How long the loads go on before something happens.
const BEFORE: Duration = Duration::from_secs(4);
/// How long they go on in all.
const SECONDS: u64 = 24;
/// How long after a kill the last request may fail: what restarts a container is the node's kubelet.
const RECOVERED: Duration = Duration::from_secs(8);
/// How long a drain, and a role's return, may take.
const LIMIT: Duration = Duration::from_secs(60);
/// The clients: what they are called, whether each request has a connection of its own, whether it is HTTP/2.
const LOADS: [(&str, bool, bool); 3] =
    [("keep-alive", false, false), ("new connections", true, false), ("HTTP/2", false, true)];

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    ran(lab, &["waypoint", "apply", "-n", SHOP, "--enroll-namespace", "--wait", "--timeout", "60s"])?;
    let node = node_of_a_waypoint(lab)?;
    killed(lab, report, "waypoint", &node)?;
    killed(lab, report, "agent", &node_of(lab, "istio-system", "app=istiod")?)?;
    // The client's node: every request of it begins there.
    killed(lab, report, "ztunnel", "node0")?;
    drained(lab, report)?;
    ran(lab, &["waypoint", "delete", "waypoint", "-n", SHOP, "--yes"])
}

fn node_of(lab: &Lab, namespace: &str, selector: &str) -> Result<String, String> {
    let pods = lab.get(&["pods", "-n", namespace, "-l", selector])?;
    pods["items"][0]["spec"]["nodeName"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("no pod of {selector} has a node"))
}

fn node_of_a_waypoint(lab: &Lab) -> Result<String, String> {
    node_of(lab, SHOP, "gateway.networking.k8s.io/gateway-name=waypoint")
}

/// Runs all loads while something happens, and returns how long after the loads' start it did.
fn during(lab: &Lab, event: impl FnOnce() -> Result<(), String>) -> Result<(Vec<Value>, Duration), String> {
    let part = |fresh: bool, http2: bool| json!({"to": "echo.shop:80", "parallel": 4, "pause_ms": 5, "seconds": SECONDS, "fresh": fresh, "http2": http2, "limit_ms": 5000});
    let begun = Instant::now();
    let loads: Result<Vec<Load>, String> =
        LOADS.iter().map(|(_, fresh, http2)| Load::start(lab, &part(*fresh, *http2))).collect();
    let loads = loads?;
    thread::sleep(BEFORE);
    let at = begun.elapsed();
    let done = event();
    let results: Result<Vec<Value>, String> = loads.into_iter().map(Load::wait).collect();
    done.and(results).map(|results| (results, at))
}

/// Kills the processes of a role on one node.
fn killed(lab: &Lab, report: &mut Report, role: &str, node: &str) -> Result<(), String> {
    let (results, at) = during(lab, || {
        let victims = lab.kill(lab.node(node)?, role)?;
        if victims > 0 { Ok(()) } else { Err(format!("no {role} runs on {node}")) }
    })?;
    for ((load, ..), result) in LOADS.iter().zip(&results) {
        let what = format!("kill -9 of a {role}, {load}");
        if role == "agent" {
            unharmed(report, &what, result, 500);
            continue;
        }
        let last = Duration::from_secs_f64(result["last_failure_ms"].as_f64().unwrap_or_default() / 1e3);
        let late = last.saturating_sub(at);
        let total = result["total"].as_u64().unwrap_or_default();
        let measured = format!(
            "{} of {total} failed, the last after {:.1} s {} {}",
            result["failed"],
            late.as_secs_f64(),
            result["errors"],
            result["example"]
        );
        report.row(
            what,
            measured,
            format!("none fails {} s later", RECOVERED.as_secs()),
            total >= 300 && late <= RECOVERED,
        );
    }
    lab.ready("istio-system", LIMIT)?;
    let (back, after) = until(LIMIT, || replicas(lab) == 2);
    report.holds(
        format!("after the kill of a {role} all is ready again"),
        back,
        format!("after {:.1} s", after.as_secs_f64()),
    );
    Ok(())
}

/// A node is emptied of its waypoints, as before an update of the node.
fn drained(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let node = node_of_a_waypoint(lab)?;
    let limit = format!("--timeout={}s", LIMIT.as_secs());
    let begun = Instant::now();
    let drain = || {
        let only = "--pod-selector=gateway.networking.k8s.io/gateway-name=waypoint";
        lab.kubectl(&["drain", &node, only, "--delete-emptydir-data", "--ignore-daemonsets", &limit]).map(drop)
    };
    let outcome = during(lab, drain);
    let left = lab.kubectl(&[
        "get",
        "pods",
        "-n",
        SHOP,
        "-l",
        "gateway.networking.k8s.io/gateway-name=waypoint",
        "-o",
        "wide",
    ]);
    lab.kubectl(&["uncordon", &node])?;
    let (results, _) = outcome?;
    let gone = left.is_ok_and(|pods| !pods.contains(&node));
    report.holds(
        "a node is drained of its waypoints",
        gone,
        format!("after {:.1} s with its loads", begun.elapsed().as_secs_f64()),
    );
    for ((load, ..), result) in LOADS.iter().zip(&results) {
        unharmed(report, &format!("a node is drained, {load}"), result, 500);
    }
    Ok(())
}
