//! Figures: how long it takes, and what it uses.

use std::fs;

use serde_json::Value;

use super::{
    cycles::median,
    lab::{Lab, Process, write},
    scene,
};
use crate::accept::Report;

/// How often is measured.
const ROUNDS: usize = 3;
/// How many pods the application has.
const PODS: usize = 10;

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    // With the client and the stranger these are all.
    let folder = scene::folder(lab, "figures", PODS - 2)?;
    let sandbox = lab.sandbox("figures");
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        times.push(sandbox.up_well(&folder)?.took);
        if round + 1 < ROUNDS {
            sandbox.down()?;
        }
    }
    let (middle, worst) = median(times);
    report.figure(
        format!("up of 2 nodes with {PODS} pods of the application"),
        format!("median {middle:.2} s, worst {worst:.2} s"),
        "≤ 10 s",
        true,
        worst <= 10.0,
    );
    scene::fault(&sandbox)?;
    let parts = memory(&sandbox.processes());
    let all: u64 = parts.iter().map(|(_, kib)| kib).sum();
    let mebibytes = |kib: u64| kib as f64 / 1024.0;
    let each: Vec<String> = parts.iter().map(|(part, kib)| format!("{part} {:.1}", mebibytes(*kib))).collect();
    report.figure(
        "memory of all its processes, shared pages counted once",
        format!("{:.1} MiB ({})", mebibytes(all), each.join(", ")),
        "≤ 300 MiB",
        all > 0,
        mebibytes(all) <= 300.0,
    );
    let top = sandbox.json(&["sandbox", "top", "-o", "json"])?;
    let lines = top.as_array().cloned().unwrap_or_default();
    let own = sandbox.json(&["sandbox", "status", "-o", "json"])?;
    let own = own[0]["supervisorMemory"].as_str().and_then(|t| t.strip_suffix("Ki")?.parse::<u64>().ok()).unwrap_or(0);
    let told = lines.iter().filter_map(|l| l["memoryKib"].as_u64()).sum::<u64>() + own;
    report.row(
        "`top` and the supervisor's own tell the same",
        format!("{:.1} MiB of {} pods", mebibytes(told), lines.len()),
        format!("{:.1} MiB ± 15 %, {} pods", mebibytes(all), PODS + 5),
        told.abs_diff(all) * 100 <= all * 15 && lines.len() == PODS + 5,
    );
    scaled(&sandbox, &folder, &lines, report)?;
    for round in 0..ROUNDS {
        let demo = lab.sandbox("figures-demo").run(&["sandbox", "demo"])?;
        let seconds = demo.took.as_secs_f64();
        let required = "< 15 s";
        report.figure(
            format!("the story, round {}", round + 1),
            format!("{seconds:.1} s"),
            required,
            demo.ok(),
            seconds < 15.0,
        );
    }
    Ok(())
}

/// What a program of a pod uses shows in `top`.
fn scaled(
    sandbox: &super::lab::Sandbox<'_>,
    folder: &std::path::Path,
    before: &[Value],
    report: &mut Report,
) -> Result<(), String> {
    let busy = "\
apiVersion: v1
kind: Pod
metadata: {name: busy, namespace: outside}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - {name: busy, command: [sh, -c, \"while :; do :; done\"]}
";
    write(&folder.join("busy.yaml"), busy)?;
    let (shown, _) = crate::accept::lab::until(std::time::Duration::from_secs(10), || {
        let top = sandbox.json(&["sandbox", "top", "-o", "json"]).unwrap_or_default();
        top.as_array()
            .is_some_and(|lines| lines.iter().any(|l| l["pod"] == "busy" && l["millicores"].as_u64() > Some(100)))
    });
    let idle = before.iter().filter(|l| l["millicores"].as_u64() > Some(500)).count();
    report.row("a busy pod shows in `top`", format!("{shown}, {idle} before"), "yes, none before", shown && idle == 0);
    Ok(())
}

/// Sums up the proportional shares of memory by part, KiB.
fn memory(processes: &[Process]) -> Vec<(&'static str, u64)> {
    let part = |line: &str| match () {
        () if line.contains("__sandbox-supervise") => "supervisor",
        () if line.contains("__sandbox-pod") => "pods' first processes",
        () if line.ends_with("--role agent") => "agent",
        () if line.ends_with("--role ztunnel") => "ztunnels",
        () if line.ends_with("--role cni") => "cnis",
        () => "application",
    };
    let mut parts: Vec<(&'static str, u64)> = Vec::new();
    for process in processes {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid)).unwrap_or_default();
        let share = text.lines().find_map(|l| l.strip_prefix("Pss:")?.split_whitespace().next()?.parse().ok());
        let part = part(&process.line);
        match parts.iter_mut().find(|(name, _)| *name == part) {
            Some((_, sum)) => *sum += share.unwrap_or(0),
            None => parts.push((part, share.unwrap_or(0))),
        }
    }
    parts
}
