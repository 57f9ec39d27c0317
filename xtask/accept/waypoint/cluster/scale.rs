//! A waypoint grows and shrinks with its load, by requests under way and by processor time, and nothing is lost.

use std::time::Duration;

use serde_json::json;

use super::{Load, SHOP, replicas, unharmed};
use crate::accept::{
    Report,
    lab::{Lab, until},
};

/// How long an autoscaler may take: it looks every 15 s, the metrics of processors are as old, and pods have to start.
const GROWS: Duration = Duration::from_secs(150);
/// It waits for a while before it takes pods away: 15 s here.
const SHRINKS: Duration = Duration::from_secs(180);
/// An autoscaler of Kubernetes waits for minutes before it takes a pod away, which a test cannot.
const HASTE: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: haste, namespace: shop}
data:
  horizontalPodAutoscaler: |
    spec: {behavior: {scaleDown: {stabilizationWindowSeconds: 15, policies: [{type: Pods, value: 4, periodSeconds: 15}]}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: shop}
spec:
  gatewayClassName: istio-waypoint
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
  infrastructure: {parametersRef: {group: \"\", kind: ConfigMap, name: haste}}
";

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    // 60 requests under way for 6 each would be 10 pods: 4 is the most.
    let waiting =
        json!({"to": "echo.shop:80", "parallel": 60, "headers": [["x-echo-delay", "400"]], "limit_ms": 10000});
    by(lab, report, "requests under way", "requests=6", waiting)?;
    let busy = json!({"to": "echo.shop:80", "parallel": 16, "limit_ms": 10000});
    by(lab, report, "processor time", "cpu=50", busy)
}

/// Runs a load that calls for more pods, beside a small one that goes on after it.
fn by(lab: &Lab, report: &mut Report, what: &str, load: &str, mut heavy: serde_json::Value) -> Result<(), String> {
    lab.apply(HASTE)?;
    let arguments = ["waypoint", "apply", "-n", SHOP, "--enroll-namespace", "--wait", "--timeout", "120s"];
    let made = lab.ambient(&[&arguments[..], &["--autoscale", "1-4", "--autoscale-on", load]].concat())?;
    if !made.ok() {
        return Err(format!("no waypoint: {}", made.all()));
    }
    let (small, _) = until(Duration::from_secs(120), || replicas(lab) == 1);
    report.holds(format!("{what}: one pod without load"), small, format!("{} ready", replicas(lab)));
    let seconds = GROWS.as_secs() + SHRINKS.as_secs();
    let light = json!({"to": "echo.shop:80", "parallel": 2, "pause_ms": 20, "seconds": seconds, "limit_ms": 10000});
    let light = Load::start(lab, &light)?;
    heavy["seconds"] = json!(GROWS.as_secs());
    let heavy = Load::start(lab, &heavy)?;
    let (grown, after) = until(GROWS, || replicas(lab) == 4);
    let seen = format!("{} ready after {:.0} s", replicas(lab), after.as_secs_f64());
    report.holds(format!("{what}: four pods under load"), grown, seen);
    unharmed(report, &format!("{what}: the load"), &heavy.wait()?, 1000);
    let (shrunk, after) = until(SHRINKS, || replicas(lab) == 1);
    let seen = format!("{} ready {:.0} s after it", replicas(lab), after.as_secs_f64());
    report.holds(format!("{what}: one pod when the load is gone"), shrunk, seen);
    unharmed(report, &format!("{what}: a client that stays"), &light.wait()?, 1000);
    Ok(())
}
