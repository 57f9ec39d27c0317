//! A waypoint comes, is replaced, grows, shrinks and goes, while clients of all kinds go on.

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

/// How long one event may take.
const LIMIT: Duration = Duration::from_secs(40);
/// How long the loads go on before and after an event: what a drained pod still does is seen.
const AROUND: Duration = Duration::from_secs(5);

/// What happens to a waypoint, and how it is known to be over.
type Event = (&'static str, fn(&Lab) -> Result<(), String>);

const EVENTS: [Event; 5] = [
    ("a waypoint is added", added),
    ("all its pods are replaced", replaced),
    ("it grows from two to four", |lab| scaled(lab, 4)),
    ("it shrinks from four to two", |lab| scaled(lab, 2)),
    ("it is removed", removed),
];

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    for (what, event) in EVENTS {
        let loads = [("keep-alive", false, false), ("new connections", true, false), ("HTTP/2", false, true)];
        let part = |fresh: bool, http2: bool| -> Value {
            json!({"to": "echo.shop:80", "parallel": 4, "pause_ms": 5, "seconds": (LIMIT + 2 * AROUND).as_secs(), "fresh": fresh, "http2": http2})
        };
        let started: Result<Vec<Load>, String> =
            loads.iter().map(|(_, fresh, http2)| Load::start(lab, &part(*fresh, *http2))).collect();
        thread::sleep(AROUND);
        let begun = Instant::now();
        let done = event(lab);
        let took = begun.elapsed();
        let told = done.as_ref().err().cloned().unwrap_or_else(|| format!("done after {:.1} s", took.as_secs_f64()));
        // Longer, and the loads would have ended before it.
        report.row(what, told, format!("done within {} s", LIMIT.as_secs()), done.is_ok() && took < LIMIT);
        for ((name, ..), load) in loads.iter().zip(started?) {
            unharmed(report, &format!("{what}, {name}"), &load.wait()?, 500);
        }
    }
    Ok(())
}

fn added(lab: &Lab) -> Result<(), String> {
    ran(lab, &["waypoint", "apply", "-n", SHOP, "--enroll-namespace", "--wait", "--timeout", "40s"])
}

fn replaced(lab: &Lab) -> Result<(), String> {
    lab.kubectl(&["rollout", "restart", "-n", SHOP, "deployment/waypoint"])?;
    lab.kubectl(&["rollout", "status", "-n", SHOP, "deployment/waypoint", "--timeout=40s"]).map(drop)
}

fn scaled(lab: &Lab, to: u64) -> Result<(), String> {
    ran(lab, &["waypoint", "apply", "-n", SHOP, "--replicas", &to.to_string(), "--wait", "--timeout", "40s"])?;
    let (done, _) = until(LIMIT, || replicas(lab) == to);
    if done { Ok(()) } else { Err(format!("{} ready, not {to}", replicas(lab))) }
}

fn removed(lab: &Lab) -> Result<(), String> {
    ran(lab, &["waypoint", "delete", "waypoint", "-n", SHOP, "--yes"])
}
