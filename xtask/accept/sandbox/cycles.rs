//! Sandboxes that come and go, in good order and not: nothing of them is left.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use super::{
    lab::{Lab, Sandbox, end_of, pause},
    scene,
    traces::Traces,
};
use crate::accept::{Report, lab::until};

/// How often it comes and goes.
const CYCLES: usize = 20;
/// How long the kernel and the commands may take to clear up.
const CLEAR: Duration = Duration::from_secs(10);

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let folder = scene::folder(lab, "cycles", 2)?;
    let before = Traces::take();
    let (mut ups, mut downs, mut left) = (Vec::new(), Vec::new(), Vec::new());
    let sandbox = lab.sandbox("cycles");
    for cycle in 1..=CYCLES {
        ups.push(sandbox.up_well(&folder)?.took);
        let down = sandbox.down()?;
        if !down.ok() {
            return Err(format!("down {cycle}: {}", down.all()));
        }
        downs.push(down.took);
        // The kernel takes the last processes and their namespaces apart when nobody waits for that.
        left.extend(before.left_after(Duration::from_secs(1)).into_iter().map(|line| format!("cycle {cycle}: {line}")));
    }
    report.row(format!("left behind by {CYCLES} times up and down"), left.join(", "), "nothing", left.is_empty());
    for (what, times, longest) in [("up, 4 pods of the application", ups, 10.0), ("down", downs, 5.0)] {
        let (median, worst) = median(times);
        let said = format!("median {median:.2} s, worst {worst:.2} s");
        report.figure(what, said, format!("worst ≤ {longest} s"), true, worst <= longest);
    }
    interrupted(lab, &before, report)?;
    killed(lab, &before, report)
}

/// Returns the median and the worst, seconds.
pub fn median(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    (middle.as_secs_f64(), times.last().copied().unwrap_or_default().as_secs_f64())
}

/// Starts a command as a terminal does: in a group of its own, to which Ctrl-C goes.
fn start(sandbox: &Sandbox<'_>, arguments: &[&str]) -> Result<Child, String> {
    let typed = sandbox.command(arguments);
    // Whoever starts this in the background has it ignore Ctrl-C, and all that it starts.
    let mut command = Command::new("env");
    command.arg("--default-signal=INT").arg(typed.get_program()).args(typed.get_args());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command.spawn().map_err(|e| format!("{}: {e}", arguments.join(" ")))
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

fn interrupted(lab: &Lab, before: &Traces, report: &mut Report) -> Result<(), String> {
    let folder = scene::folder(lab, "cycles", 2)?.display().to_string();
    let up = ["sandbox", "up", "-f", &folder];
    for (what, arguments, moments) in
        [("the story", &["sandbox", "demo"][..], [5, 30, 200, 600, 1100]), ("up", &up[..], [3, 10, 25, 100, 250])]
    {
        let (mut faults, mut early, mut worst) = (Vec::new(), 0, Duration::ZERO);
        for moment in moments {
            let sandbox = lab.sandbox("interrupted");
            let child = start(&sandbox, arguments)?;
            pause(moment);
            let _ = killpg(pid(&child), Signal::SIGINT);
            let begun = Instant::now();
            let code = end_of(child, Duration::from_secs(30));
            worst = worst.max(begun.elapsed());
            let left = before.left_after(Duration::from_secs(1));
            match code {
                // It was done before it could be interrupted, and what it made is wanted.
                Ok(0) => early += 1,
                // Before the program can know about signals, the signal itself ends it.
                Ok(130 | 255) if left.is_empty() => {}
                code => faults.push(format!("after {moment} ms: {code:?}{}", told(&left))),
            }
            sandbox.down()?;
        }
        let well = format!("ended within {:.1} s, {early} were done before", worst.as_secs_f64());
        report.row(
            format!("Ctrl-C during {what}, after {moments:?} ms"),
            if faults.is_empty() { well } else { faults.join("; ") },
            "exit 130, nothing left",
            faults.is_empty() && early < moments.len() - 1,
        );
    }
    Ok(())
}

fn told(left: &[String]) -> String {
    let count = |what: &str| left.iter().filter(|line| line.starts_with(what)).count();
    let (processes, files) = (count("+ process"), count("+ file"));
    match left.len() {
        0 => String::new(),
        all => format!(", left {processes} processes, {files} files, {} others", all - processes - files),
    }
}

fn killed(lab: &Lab, before: &Traces, report: &mut Report) -> Result<(), String> {
    let folder = scene::folder(lab, "cycles", 2)?;
    let text = folder.display().to_string();
    let sandbox = lab.sandbox("killed");
    for (what, arguments, moment) in [
        ("the story", vec!["sandbox", "demo"], 700),
        ("the story as it starts", vec!["sandbox", "demo"], 60),
        ("up as it starts", vec!["sandbox", "up", "-f", &text], 60),
    ] {
        let mut child = start(&sandbox, &arguments)?;
        pause(moment);
        let _ = child.kill();
        let _ = child.wait();
        if what.starts_with("the story") {
            let (ended, after) = until(CLEAR, || sandbox.processes().is_empty());
            report.holds(
                format!("SIGKILL of {what}: its sandbox ends by itself"),
                ended,
                format!("after {:.1} s", after.as_secs_f64()),
            );
        }
        let down = sandbox.down()?;
        let left = before.left_after(CLEAR);
        report.row(
            format!("SIGKILL of {what}, then down: left behind"),
            format!("exit {} {}", down.code, left.join(", ")),
            "exit 0, nothing",
            down.ok() && left.is_empty(),
        );
    }
    for next in ["down", "up"] {
        sandbox.up_well(&folder)?;
        let first = sandbox.processes().first().map(|p| Pid::from_raw(p.pid)).ok_or("no first process")?;
        kill(first, Signal::SIGKILL).map_err(|e| e.to_string())?;
        // What is on its way out still holds the lock for a moment.
        let mut status = String::new();
        let (ended, _) = until(CLEAR, || {
            status = sandbox.run(&["sandbox", "status"]).map_or_else(|e| e, |e| e.out);
            status.contains("not running")
        });
        let done = if next == "up" { sandbox.up(&folder)? } else { sandbox.down()? };
        let fault = if next == "up" { scene::fault(&sandbox).err() } else { None };
        sandbox.down()?;
        let left = before.left_after(CLEAR);
        report.row(
            format!("SIGKILL of the sandbox's first process, then {next}"),
            format!(
                "{}; {next}: exit {} {}{}",
                status.trim(),
                done.code,
                fault.clone().unwrap_or_default(),
                left.join(", ")
            ),
            "not running; exit 0, works, nothing left",
            ended && done.ok() && fault.is_none() && left.is_empty(),
        );
    }
    Ok(())
}
