//! Enrolment and un-enrolment under load, with the wire watched.

use std::{collections::BTreeMap, thread, time::Duration};

use serde_json::Value;

use super::{
    capture::Capture,
    scene::{CLIENT, FAR, NEAR, OUT, SHOP, pod},
};
use crate::accept::{Lab, Report, lab::Running};

/// Uid, start time and restart count of each pod.
fn lives(lab: &Lab) -> Result<BTreeMap<String, String>, String> {
    let list = lab.get(&["pods", "-n", SHOP])?;
    let of = |pod: &Value| {
        let status = &pod["status"];
        let restarts: Vec<String> = status["containerStatuses"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|c| c["restartCount"].to_string())
            .collect();
        let life = format!("{} {} {}", pod["metadata"]["uid"], status["startTime"], restarts.join(","));
        (pod["metadata"]["name"].as_str().unwrap_or_default().to_owned(), life)
    };
    Ok(list["items"].as_array().into_iter().flatten().map(of).collect())
}

/// When each pod's readiness last changed.
pub fn readiness(lab: &Lab) -> Result<BTreeMap<String, String>, String> {
    let list = lab.get(&["pods", "-n", SHOP])?;
    let of = |pod: &Value| {
        let ready = pod["status"]["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == "Ready");
        let text = ready.map(|c| format!("{} since {}", c["status"], c["lastTransitionTime"])).unwrap_or_default();
        (pod["metadata"]["name"].as_str().unwrap_or_default().to_owned(), text)
    };
    Ok(list["items"].as_array().into_iter().flatten().map(of).collect())
}

/// Twenty streams and a new connection each 20 ms, across nodes.
fn load(lab: &Lab, seconds: u32) -> Result<Running, String> {
    let client = pod(lab, CLIENT)?;
    let seconds = seconds.to_string();
    let program = [
        "echo",
        "stream",
        "far:7000",
        "--streams",
        "20",
        "--every-ms",
        "100",
        "--seconds",
        &seconds,
        "--connect",
        "far:7000",
        "--connect-every-ms",
        "20",
    ];
    lab.start(SHOP, &client, &program)
}

fn loss(report: &mut Report, what: &str, running: Running) -> Result<(), String> {
    let ended = running.stop()?.json();
    let (lost, total) = (&ended["streams_lost"], &ended["connects"]["total"]);
    let how = if ended["streams_lost"] == 0 { String::new() } else { ended["lost"].to_string() };
    report.row(
        format!("long streams lost at {what}"),
        format!("{lost} of {} {how}", ended["streams"]),
        "0 of 20 (Istio: 20 of 20)",
        ended["streams_lost"] == 0 && ended["streams"] == 20,
    );
    let slowest = ended["connects"]["slowest_ms"].as_f64().unwrap_or_default();
    report.row(
        format!("new connections failed at {what}"),
        format!("{} of {total}, slowest {slowest:.0} ms {}", ended["connects"]["failed"], ended["connects"]["example"]),
        "0",
        ended["connects"]["failed"] == 0 && total.as_u64() > Some(100),
    );
    Ok(())
}

fn say(lab: &Lab, namespace: &str, client: &str, to: &str, marker: &str) -> Result<bool, String> {
    let text = format!("{marker}\\n");
    Ok(lab.exec(namespace, client, &["echo", "tcp", to, "--send", &text])?.ok())
}

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let client = pod(lab, CLIENT)?;
    let capture = Capture::start(lab, NEAR)?;
    let said = say(lab, SHOP, &client, "far:7000", "marker-before-enrolment")?;
    let wire = capture.stop()?;
    report.holds("before enrolment the wire shows the payload", said && wire.shows("marker-before-enrolment"), "");

    let (before, ready) = (lives(lab)?, readiness(lab)?);
    let running = load(lab, 600)?;
    thread::sleep(Duration::from_secs(2));
    let added = lab.ambient(&["namespace", "add", SHOP])?;
    report.row(
        "namespace add",
        added.out.lines().next().unwrap_or_default(),
        "all pods captured",
        added.ok() && added.out.contains("9/9 pods captured"),
    );
    report.row(
        "it tells of connections that are older",
        added.out.lines().nth(1).unwrap_or_default(),
        "counted",
        added.out.contains("older than the enrolment"),
    );
    thread::sleep(Duration::from_secs(2));
    let capture = Capture::start(lab, NEAR)?;
    let said = say(lab, SHOP, &client, "far:7000", "marker-after-enrolment")?;
    let wire = capture.stop()?;
    report.row(
        "after enrolment the payload of a new connection is on the wire",
        format!("{} in {} bytes", wire.shows("marker-after-enrolment"), wire.len()),
        "never",
        said && !wire.shows("marker-after-enrolment") && wire.len() > 1000,
    );

    // The streams that are older go on in the clear, and everybody says so.
    let verify = lab.ambient(&["verify", "deploy/client", "svc/far:7000", "-n", SHOP])?;
    report.row(
        "verify with older connections open",
        verify.verdict(),
        "not secured, exit 1",
        verify.code == 1 && verify.out.contains("older than the enrolment"),
    );
    let (counted, _) = crate::accept::lab::until(Duration::from_secs(15), || {
        lab.ambient(&["status"]).is_ok_and(|s| s.out.contains("older than their pod's enrolment"))
    });
    report.holds("status counts them", counted, "");
    loss(report, "enrolment", running)?;
    report.holds("pod UIDs, start times and restart counts are unchanged", lives(lab)? == before, "");
    report.holds("probes (HTTP, TCP, gRPC, exec) stayed green", readiness(lab)? == ready, "");

    let (client_ip, server_ip) = (lab.pod_ip(SHOP, &client)?, lab.pod_ip(SHOP, &pod(lab, "far")?)?);
    // A tunnel that is open already carries new streams without a new connection: have it made anew under the capture.
    let capture = Capture::start(lab, NEAR)?;
    lab.kubectl(&["delete", "pod", "-n", SHOP, "-l", "app=far", "--wait=true"])?;
    lab.ready(SHOP, Duration::from_secs(60))?;
    let fresh_ip = lab.pod_ip(SHOP, &pod(lab, "far")?)?;
    let said = say(lab, SHOP, &client, "far:7000", "marker-from-first-packet")?;
    let wire = capture.stop()?;
    let ports = wire.opened(&client_ip, &fresh_ip);
    report.row(
        "ports opened between the two pods",
        format!("{ports:?}"),
        "15008 only",
        said && !ports.is_empty() && ports.iter().all(|p| *p == 15008),
    );
    report.holds("and what is spoken there is TLS", wire.is_tls(15008), "");
    report.holds(
        "a new pod is captured from its first packet",
        said && !wire.shows("marker-from-first-packet"),
        format!("{server_ip} became {fresh_ip}"),
    );

    let who = lab.exec(SHOP, &client, &["echo", "tcp", "far:7000", "--who"])?;
    let peer = who.json()["server"]["peer"].as_str().unwrap_or_default().to_owned();
    report.row(
        "the server sees the client pod's address",
        &peer,
        &client_ip,
        peer.starts_with(&format!("{client_ip}:")),
    );

    let verify = lab.ambient(&["verify", "deploy/client", "svc/far:7000", "-n", SHOP])?;
    report.row(
        "verify with no older connection",
        format!("{} {}", verify.verdict(), last(&verify.out)),
        "secured, exit 0",
        verify.ok(),
    );
    for (side, node) in [("client", NEAR), ("server", FAR)] {
        let ztunnel = lab.pod("istio-system", "app=ztunnel", Some(node))?;
        let log = lab.kubectl(&["logs", "-n", "istio-system", &ztunnel, "--since=120s"])?;
        let both = log
            .lines()
            .any(|l| l.contains(&format!("ns/{SHOP}/sa/client")) && l.contains(&format!("ns/{SHOP}/sa/far")));
        report.holds(format!("the access log of the {side}'s ztunnel names both identities"), both, "");
    }
    cut(lab, report)
}

/// Connections that are older, closed on demand.
fn cut(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let client = lab.pod(OUT, "app=client", None)?;
    let running = lab.start(OUT, &client, &["echo", "stream", "echo:7000", "--streams", "5", "--seconds", "60"])?;
    thread::sleep(Duration::from_secs(1));
    let added = lab.ambient(&["namespace", "add", OUT, "--cut-existing"])?;
    // A stream notices at its next exchange, a tenth of a second later.
    thread::sleep(Duration::from_millis(500));
    let ended = running.stop()?.json();
    report.row(
        "namespace add --cut-existing",
        format!("{} {} streams cut", last(&added.out), ended["streams_lost"]),
        "all 5 cut",
        added.ok() && ended["streams_lost"] == 5,
    );
    let verify = lab.ambient(&["verify", "deploy/client", "svc/echo:7000", "-n", OUT])?;
    report.row("verify after the cut", verify.verdict(), "exit 0", verify.ok());
    let removed = lab.ambient(&["namespace", "remove", OUT])?;
    report.row("namespace remove", last(&removed.out), "released", removed.ok());
    let verify = lab.ambient(&["verify", "deploy/client", "svc/echo:7000", "-n", OUT])?;
    report.row("verify of pods outside the mesh", verify.verdict(), "exit 1", verify.code == 1);
    let nothing = lab.ambient(&["verify", "--passive", "deploy/intruder", "svc/near:7000", "-n", SHOP])?;
    report.row("verify without any connection to look at", nothing.verdict(), "exit 2", nothing.code == 2);
    Ok(())
}

/// Takes the namespace out under load and puts it in again.
pub fn again(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let running = load(lab, 600)?;
    thread::sleep(Duration::from_secs(2));
    let removed = lab.ambient(&["namespace", "remove", SHOP])?;
    report.row("namespace remove under load", last(&removed.out), "released", removed.ok());
    thread::sleep(Duration::from_secs(8));
    loss(report, "un-enrolment", running)?;
    let client = pod(lab, CLIENT)?;
    let capture = Capture::start(lab, NEAR)?;
    let said = say(lab, SHOP, &client, "far:7000", "marker-after-removal")?;
    let wire = capture.stop()?;
    report.holds("after removal traffic flows as without a mesh", said && wire.shows("marker-after-removal"), "");
    Ok(())
}

fn last(text: &str) -> String {
    text.lines().last().unwrap_or_default().to_owned()
}
