//! The figures of reference/baseline.md: time to capture, memory, sizes.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use testbed::apps::{self, App, Deployment, Place};

use super::scene::NEAR;
use crate::accept::{Lab, Report, lab::megabytes};

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let mut times = Vec::new();
    for _ in 0..5 {
        times.push(capture_time(lab)?);
    }
    times.sort();
    report.figure(
        "label set → captured (annotation written), median of 5",
        format!("{} ms", times[2].as_millis()),
        "≤ 50 ms (Istio: 164 ms)",
        true,
        times[2] <= Duration::from_millis(50),
    );
    for (role, idle, istio) in [("agent", 25.0, "134"), ("cni", 15.0, "78"), ("ztunnel", 20.0, "27 to 33 after load")] {
        let sizes: Vec<f64> = lab.cluster.nodes().iter().filter_map(|node| lab.resident(node, role)).collect();
        let largest = sizes.iter().copied().reduce(f64::max);
        report.figure(
            format!("{role}, resident"),
            format!("{sizes:.1?} MB"),
            format!("≤ {idle} MB (Istio: {istio} MB)"),
            largest.is_some(),
            largest.is_some_and(|mb| mb <= idle),
        );
    }
    let (binary, image) = (megabytes(&lab.ambient), megabytes(&crate::root().join("target/image/ambient.tar")));
    // As speed and memory it speaks of what is shipped, and is not counted of a build that is quicker to make.
    report.figure(
        "the binary, which is the image",
        format!("{binary:.1} MB, image {image:.1} MB"),
        "≤ 40 MB (Istio: 420 MB)",
        image > 0.0 && binary > 0.0,
        image <= 40.0 && binary <= 40.0,
    );
    Ok(())
}

/// Label on a namespace until the annotation on its pod, both as a watcher sees them.
fn capture_time(lab: &Lab) -> Result<Duration, String> {
    let space = "figures";
    let mut objects = vec![apps::namespace(space, &[])];
    let deployment = Deployment { place: Place::Node(NEAR), ..Deployment::new(App::Echo, space) };
    objects.extend(deployment.objects().ok_or("no such probe")?);
    lab.apply(&apps::list(objects).to_string())?;
    lab.ready(space, Duration::from_secs(60))?;
    let label = watch(
        lab,
        &["get", "namespace", space, "-w", "-o", r"jsonpath={.metadata.labels.istio\.io/dataplane-mode}{'\n'}"],
        "ambient",
    )?;
    let annotation = watch(
        lab,
        &[
            "get",
            "pod",
            "-n",
            space,
            "-w",
            "-o",
            r"jsonpath={.metadata.annotations.ambient\.istio\.io/redirection}{'\n'}",
        ],
        "enabled",
    )?;
    thread::sleep(Duration::from_millis(800));
    lab.kubectl(&["label", "namespace", space, "istio.io/dataplane-mode=ambient"])?;
    let limit = Duration::from_secs(20);
    let (labelled, captured) = (label.recv_timeout(limit), annotation.recv_timeout(limit));
    lab.ambient(&["namespace", "remove", space])?;
    lab.kubectl(&["delete", "namespace", space, "--wait=true"])?;
    match (labelled, captured) {
        (Ok(labelled), Ok(captured)) => Ok(captured.saturating_duration_since(labelled)),
        _ => Err("the pod was not captured within 20 s".to_owned()),
    }
}

#[expect(clippy::disallowed_types, reason = "this tool has threads and no tasks")]
/// Runs a watch until a line has the text; sends the moment.
fn watch(lab: &Lab, arguments: &[&str], text: &'static str) -> Result<mpsc::Receiver<Instant>, String> {
    let mut command = lab.cluster.kubectl();
    let mut child =
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(|e| e.to_string())?;
    let out = child.stdout.take().ok_or("no output")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        if BufReader::new(out).lines().map_while(Result::ok).any(|line| line.contains(text)) {
            // The reader may have given up.
            let _ = sender.send(Instant::now());
        }
        let _ = child.kill();
        let _ = child.wait();
    });
    Ok(receiver)
}
