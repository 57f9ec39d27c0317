//! Every command that makes sense on a sandbox, with its exit code and what it prints.

use std::{
    io::Write,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    lab::{Lab, Sandbox, end_of, pause},
    scene::{self, CLIENT, SHOP, STRANGER, WEB},
};
use crate::accept::{Report, lab::until};

/// A command, its exit code, and what its output has.
struct Said(&'static [&'static str], i32, &'static [&'static str]);

const SAID: [Said; 21] = [
    Said(&["status"], 0, &["ztunnel", "2/2"]),
    Said(&["version"], 0, &["agent", "ztunnel"]),
    // By a tunnel between nodes or within one, as the open connection happens to go.
    Said(&["verify", "client.shop", "web.shop:80"], 0, &["✔", " yes ", "secured"]),
    Said(&["verify", "stranger.outside", "web.shop:80"], 1, &["✘"]),
    Said(&["ztunnel-config", "all"], 0, &["client", "web"]),
    Said(&["ztunnel-config", "workloads"], 0, &["HBONE", "client"]),
    Said(&["ztunnel-config", "services"], 0, &["web"]),
    Said(&["ztunnel-config", "certificates"], 0, &["spiffe://cluster.local/ns/shop/sa/client"]),
    Said(&["ztunnel-config", "policies"], 0, &["istio_converted_static_strict", "Deny"]),
    Said(&["namespace", "list"], 0, &["shop", "outside"]),
    Said(&["sandbox", "get", "pods"], 0, &["client", "Running"]),
    Said(&["sandbox", "get", "deploy"], 0, &["web", "2/2 ready"]),
    Said(&["sandbox", "get", "ds"], 0, &["ztunnel", "2/2 ready"]),
    Said(&["sandbox", "get", "pa", "-A"], 0, &["STRICT"]),
    Said(&["sandbox", "get", "ns"], 0, &["istio.io/dataplane-mode=ambient"]),
    Said(&["sandbox", "get", "nodes"], 0, &["node-1", "node-2"]),
    Said(&["sandbox", "get", "pods", "nobody"], 1, &["there is no Pod nobody"]),
    Said(&["sandbox", "get", "unicorns"], 2, &["unicorns", "want", "pods", "authorizationpolicies"]),
    Said(&["sandbox", "logs", "ztunnel", "--tail", "3"], 0, &["ztunnel-"]),
    Said(&["sandbox", "logs", "shop/nobody"], 1, &["no pod nobody in namespace shop"]),
    Said(&["sandbox", "top"], 0, &["MEMORY", "ambient-agent", "all"]),
];

/// From a namespace without a waypoint to one without it again.
const WAYPOINT: [Said; 6] = [
    Said(&["waypoint", "apply", "-n", SHOP, "--enroll-namespace", "--wait", "--timeout", "40s"], 0, &["waypoint"]),
    Said(&["waypoint", "list", "-n", SHOP], 0, &["waypoint", "service", "True", "2/2"]),
    Said(&["waypoint", "status", "-n", SHOP], 0, &["ready", "shop/web"]),
    Said(&["waypoint", "config", "backends", "-n", SHOP], 0, &["web.shop.svc.cluster.local"]),
    Said(&["verify", "client.shop", "web.shop:80"], 0, &["✔", " yes ", "secured"]),
    Said(&["waypoint", "delete", "waypoint", "-n", SHOP, "--yes"], 0, &["waypoint"]),
];

/// Of the story's own sandbox, which stays.
const KEPT: [Said; 3] = [
    Said(&["sandbox", "status"], 0, &["frontend-", "waypoint-", "Running"]),
    Said(&["verify", "-n", SHOP], 0, &["secured"]),
    Said(&["sandbox", "down"], 0, &["nothing is left of it"]),
];

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let (sandbox, _) = scene::up(lab, "commands", 2)?;
    let (fine, _) = until(Duration::from_secs(10), || scene::fault(&sandbox).is_ok());
    report.holds("the scene is well", fine, "");
    said(&sandbox, &SAID, report)?;
    enrolled(&sandbox, report)?;
    json(&sandbox, report)?;
    exec(&sandbox, report)?;
    said(&sandbox, &WAYPOINT, report)?;
    target(lab, report)?;
    let kept = lab.sandbox("kept");
    said(&kept, &[Said(&["sandbox", "demo", "--keep"], 0, &["goes on", "sandbox down"])], report)?;
    said(&kept, &KEPT, report)?;
    three_nodes(lab, report)?;
    paused(lab, report)
}

/// As many nodes as are asked for; and a pod with variables of its own.
fn three_nodes(lab: &Lab, report: &mut Report) -> Result<(), String> {
    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: own, namespace: default}\nspec:\n  containers:\n  - name: c\n    \
        command: [sleep]\n    args: ['600']\n    env:\n    - {name: COLOUR, value: blue}\n    \
        - {name: ME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}\n";
    let sandbox = lab.sandbox("three");
    let up = sandbox.run(&["sandbox", "up", "--nodes", "3"])?;
    let nodes = sandbox.run(&["sandbox", "get", "nodes"])?;
    let there = (1..=3).all(|number| nodes.out.contains(&format!("node-{number}"))) && !nodes.out.contains("node-4");
    report.row("sandbox up --nodes 3", nodes.all(), "node-1, node-2, node-3", up.ok() && there);
    let applied = sandbox.feed("apply", POD)?;
    let mut told = String::new();
    let (runs, _) = until(Duration::from_secs(10), || {
        let asked = sandbox
            .exec("default/own", &["sh", "-c", "echo $COLOUR $ME $(hostname); grep nameserver /etc/resolv.conf"]);
        told = asked.map_or_else(|why| why, |ended| ended.all());
        told.starts_with("blue own own") && told.contains("nameserver")
    });
    report.row(
        "a pod's variables, its host name and its resolv.conf",
        told,
        "blue own own, nameserver",
        applied.ok() && runs,
    );
    sandbox.down().map(drop)
}

/// The story waits for Enter before each step but the first.
fn paused(lab: &Lab, report: &mut Report) -> Result<(), String> {
    const WAITS: &str = "(Enter goes on)";
    let sandbox = lab.sandbox("paused");
    let told = lab.folder("paused")?.join("story");
    let out = std::fs::File::create(&told).map_err(|e| format!("{}: {e}", told.display()))?;
    let mut story = sandbox.command(&["sandbox", "demo", "--pause"]);
    let mut story =
        story.stdin(Stdio::piped()).stdout(out).spawn().map_err(|e| format!("the story does not start: {e}"))?;
    let waits = || std::fs::read_to_string(&told).unwrap_or_default().matches(WAITS).count();
    let (first, _) = until(Duration::from_secs(10), || waits() == 1);
    pause(2000);
    report.row(
        "demo --pause: nobody presses Enter",
        format!("waits {} times", waits()),
        "waits once",
        first && waits() == 1,
    );
    let mut keys = story.stdin.take().ok_or("the story has no standard input")?;
    let mut pressed = 0;
    let begun = Instant::now();
    while story.try_wait().map_err(|e| e.to_string())?.is_none() && begun.elapsed() < Duration::from_secs(60) {
        if waits() > pressed {
            // It may be over.
            let _ = keys.write_all(b"\n");
            pressed += 1;
        }
        pause(20);
    }
    let code = end_of(story, Duration::from_secs(5))?;
    report.row(
        "demo --pause: Enter at each of them",
        format!("exit {code} after {pressed}"),
        "exit 0 after 11",
        code == 0 && pressed == 11,
    );
    Ok(())
}

fn said(sandbox: &Sandbox<'_>, rows: &[Said], report: &mut Report) -> Result<(), String> {
    for &Said(arguments, code, words) in rows {
        let ended = sandbox.run(arguments)?;
        let all = ended.all();
        let missing: Vec<&&str> = words.iter().filter(|w| !all.contains(**w)).collect();
        let good = ended.code == code && missing.is_empty();
        let said = if good { format!("exit {code}") } else { format!("exit {}: {all}", ended.code) };
        report.row(arguments.join(" "), said, format!("exit {code}, {}", words.join(" ")), good);
    }
    Ok(())
}

/// A namespace that is taken in and let go again.
fn enrolled(sandbox: &Sandbox<'_>, report: &mut Report) -> Result<(), String> {
    let added = sandbox.run(&["namespace", "add", "outside"])?;
    let answer = sandbox.ask(STRANGER, WEB);
    report.row(
        "namespace add",
        format!("exit {}: {} {}", added.code, added.all(), answer.as_ref().err().cloned().unwrap_or_default()),
        "exit 0, and who was refused is answered",
        added.ok() && answer.is_ok(),
    );
    let removed = sandbox.run(&["namespace", "remove", "outside"])?;
    let answer = sandbox.ask(STRANGER, WEB);
    report.row(
        "namespace remove",
        format!("exit {}: {}", removed.code, removed.all()),
        "exit 0, and is refused again",
        removed.ok() && answer.is_err(),
    );
    Ok(())
}

fn json(sandbox: &Sandbox<'_>, report: &mut Report) -> Result<(), String> {
    let full =
        |value: &Value| value.as_array().map_or_else(|| value.as_object().map_or(0, serde_json::Map::len), Vec::len);
    for arguments in [
        &["sandbox", "status", "-o", "json"][..],
        &["sandbox", "get", "pods", "-o", "json"],
        &["-n", SHOP, "sandbox", "get", "service", "web", "-o", "json"],
        &["sandbox", "top", "-o", "json"],
        &["status", "-o", "json"],
        &["version", "-o", "json"],
        &["namespace", "list", "-o", "json"],
        &["ztunnel-config", "all", "-o", "json"],
        &["verify", "client.shop", "web.shop:80", "-o", "json"],
    ] {
        let read = sandbox.json(arguments);
        let said = read.as_ref().map_or_else(ToString::to_string, |v| format!("{} parts", full(v)));
        report.row(arguments.join(" "), said, "JSON", read.is_ok_and(|v| full(&v) > 0));
    }
    Ok(())
}

fn exec(sandbox: &Sandbox<'_>, report: &mut Report) -> Result<(), String> {
    for (what, pod, program, code, out) in [
        ("an exit code", CLIENT, &["sh", "-c", "exit 42"][..], 42, ""),
        ("a signal as a shell tells it", CLIENT, &["sh", "-c", "kill -9 $$"], 137, ""),
        ("a program that is not there", CLIENT, &["no-such-program"], 127, ""),
        (
            "arguments as they are",
            CLIENT,
            &["printf", "%s|", "a b", "$HOME", "*", "", "'q\"", "-n"],
            0,
            "a b|$HOME|*||'q\"|-n|",
        ),
        ("the pod's own host name", CLIENT, &["cat", "/proc/sys/kernel/hostname"], 0, "client\n"),
        (
            "the pod's own processes",
            CLIENT,
            &["sh", "-c", "test $(ls -d /proc/[0-9]* | wc -l) -lt 9 && echo few"],
            0,
            "few\n",
        ),
        ("a pod by its Deployment", "shop/web", &["sh", "-c", "echo $MARK"], 0, "first\n"),
    ] {
        let ended = sandbox.exec(pod, program)?;
        let said = format!("exit {}: {:?} {}", ended.code, ended.out, ended.err.trim());
        report.row(
            format!("exec: {what}"),
            said,
            format!("exit {code}: {out:?}"),
            ended.code == code && ended.out == out,
        );
    }
    let gone = sandbox.exec("shop/nobody", &["true"])?;
    report.row(
        "exec: no such pod",
        gone.all(),
        "exit 1, no pod nobody",
        gone.code == 1 && gone.err.contains("no pod nobody"),
    );
    let mut command = sandbox.command(&["-n", SHOP, "sandbox", "exec", "client", "--", "sha256sum"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|e| e.to_string())?;
    let (Some(mut input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("exec has no streams".to_owned());
    };
    input.write_all(&vec![0; 1 << 20]).map_err(|e| e.to_string())?;
    drop(input);
    let code = end_of(child, std::time::Duration::from_secs(10));
    let mut sum = String::new();
    std::io::Read::read_to_string(&mut output, &mut sum).map_err(|e| e.to_string())?;
    report.row(
        "exec: a megabyte of standard input",
        sum.trim(),
        "its hash, exit 0",
        // Of 1 MiB of zeros.
        code == Ok(0) && sum.starts_with("30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58"),
    );
    Ok(())
}

/// Without a kubeconfig the one sandbox that runs is meant, and that is said.
fn target(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let status = lab.run(&["status"])?;
    let said = "target: sandbox commands (no kubeconfig is set)";
    report.row("status without a target", status.err.trim(), said, status.ok() && status.err.contains(said));
    let other = crate::accept::lab::ended(
        std::process::Command::new(&lab.ambient).args(["status"]).env("KUBECONFIG", "/nonexistent/kubeconfig"),
    )?;
    report.row(
        "with a kubeconfig that cannot be read",
        format!("exit {}: {}", other.code, other.err.trim()),
        "an error, not the sandbox",
        !other.ok() && !other.all().contains("target: sandbox"),
    );
    let nobody = lab.run(&["--sandbox=nobody", "status"])?;
    let said = "sandbox nobody is not running";
    report.row("a sandbox that does not run", nobody.err.trim(), said, nobody.code == 1 && nobody.err.contains(said));
    for name in ["Big", "-x", "a/b", "..", "a23456789012345678901234567890123"] {
        let wrong = lab.run(&[&format!("--sandbox={name}"), "sandbox", "up"])?;
        let good = wrong.code == 2 && wrong.err.contains("cannot name a sandbox");
        report.row(format!("a sandbox named {name:?}"), wrong.err.lines().next().unwrap_or_default(), "exit 2", good);
    }
    Ok(())
}
