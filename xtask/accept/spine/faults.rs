//! Parts of the mesh that go away and come back.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::scene::{CLIENT, FAR, SHOP, pod};
use crate::accept::{
    Lab, Report,
    lab::{Running, until},
};

fn load(lab: &Lab) -> Result<Running, String> {
    let client = pod(lab, CLIENT)?;
    lab.start(
        SHOP,
        &client,
        &[
            "echo",
            "stream",
            "far:7000",
            "--streams",
            "20",
            "--seconds",
            "600",
            "--connect",
            "far:7000",
            "--connect-every-ms",
            "50",
        ],
    )
}

fn reaches(lab: &Lab, to: &str) -> bool {
    pod(lab, CLIENT)
        .and_then(|client| lab.exec(SHOP, &client, &["echo", "tcp", to, "--timeout", "3"]))
        .is_ok_and(|e| e.ok())
}

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    agent_away(lab, report)?;
    for (what, selector) in [("ztunnel", "app=ztunnel"), ("cni", "app=ambient-cni")] {
        lab.kubectl(&["delete", "pod", "-n", "istio-system", "-l", selector, "--wait=false"])?;
        thread::sleep(Duration::from_secs(1));
        lab.ready("istio-system", Duration::from_secs(90))?;
        let (works, after) = until(Duration::from_secs(30), || reaches(lab, "far:7000") && reaches(lab, "near:7000"));
        report.holds(format!("{what} restarted: traffic works"), works, format!("after {:.1} s", after.as_secs_f64()));
        let verify = lab.ambient(&["verify", "deploy/client", "svc/far:7000", "-n", SHOP])?;
        report.row(format!("{what} restarted: verify"), verify.verdict(), "exit 0", verify.ok());
    }
    killed(lab, report)?;
    let names =
        lab.kubectl(&["get", "pods", "-n", SHOP, "-o", "name", &format!("--field-selector=spec.nodeName={FAR}")])?;
    let mut arguments = vec!["delete", "-n", SHOP, "--wait=true", "--timeout=60s"];
    arguments.extend(names.lines());
    lab.kubectl(&arguments)?;
    lab.ready(SHOP, Duration::from_secs(90))?;
    let (works, after) = until(Duration::from_secs(30), || reaches(lab, "far:7000"));
    report.holds("a node's pods restarted: traffic works", works, format!("after {:.1} s", after.as_secs_f64()));
    Ok(())
}

fn agent_away(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let running = load(lab)?;
    thread::sleep(Duration::from_secs(1));
    lab.kubectl(&["scale", "deployment", "-n", "istio-system", "ambient-agent", "--replicas=0"])?;
    lab.kubectl(&["wait", "pod", "-n", "istio-system", "-l", "app=istiod", "--for=delete", "--timeout=60s"])?;
    let away = Instant::now();
    thread::sleep(Duration::from_secs(60));
    let ended = running.stop()?.json();
    report.row(
        format!("agent away for {} s: streams lost, new connections failed", away.elapsed().as_secs()),
        format!("{} of 20, {} of {}", ended["streams_lost"], ended["connects"]["failed"], ended["connects"]["total"]),
        "0 and 0",
        ended["streams_lost"] == 0
            && ended["connects"]["failed"] == 0
            && ended["connects"]["total"].as_u64() > Some(500),
    );
    lab.kubectl(&["delete", "pod", "-n", SHOP, "-l", "app=near", "--wait=true"])?;
    lab.kubectl(&["scale", "deployment", "-n", "istio-system", "ambient-agent", "--replicas=1"])?;
    lab.ready("istio-system", Duration::from_secs(90))?;
    lab.ready(SHOP, Duration::from_secs(90))?;
    let (works, after) = until(Duration::from_secs(30), || reaches(lab, "near:7000"));
    report.holds(
        "on its return everything converges (a pod was replaced meanwhile)",
        works,
        format!("after {:.1} s", after.as_secs_f64()),
    );
    let (well, after) = until(Duration::from_secs(30), || lab.ambient(&["status"]).is_ok_and(|s| s.ok()));
    report.holds("and status says so", well, format!("after {:.1} s", after.as_secs_f64()));
    Ok(())
}

/// Both node proxies killed at once, without a word.
fn killed(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let client = pod(lab, CLIENT)?;
    let running = lab.start(
        SHOP,
        &client,
        &[
            "echo",
            "stream",
            "far:7000",
            "--streams",
            "0",
            "--seconds",
            "60",
            "--connect",
            "far:7000",
            "--connect-every-ms",
            "20",
        ],
    )?;
    thread::sleep(Duration::from_secs(2));
    for node in lab.cluster.nodes() {
        lab.kill(node, "ztunnel")?;
    }
    let (works, after) = until(Duration::from_secs(60), || reaches(lab, "far:7000"));
    thread::sleep(Duration::from_secs(2));
    let ended = running.stop()?.json();
    report.row(
        "both ztunnels killed: traffic recovers by itself",
        format!(
            "after {:.1} s, {} of {} new connections failed",
            after.as_secs_f64(),
            ended["connects"]["failed"],
            ended["connects"]["total"]
        ),
        "recovers (Istio: 44 of 1,240)",
        works,
    );
    lab.ready("istio-system", Duration::from_secs(90))
}
