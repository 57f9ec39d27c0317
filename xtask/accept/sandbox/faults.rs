//! Parts of the sandbox that are killed or hang: each comes back, and the application goes on.

use std::{
    collections::BTreeMap,
    io::Read,
    process::Stdio,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{
    lab::{Lab, Process, Sandbox, end_of, pause, signal},
    load::Load,
    scene::{self, CLIENT, SHOP, STRANGER, WEB},
};
use crate::accept::{Report, lab::until};

/// How long a part may take to come back, seconds.
const BACK: f64 = 15.0;
/// How many random kills.
const RANDOM: usize = 10;
/// How long the control plane hangs.
const HANGS: Duration = Duration::from_secs(30);
/// The parts.
const ROLES: [&str; 3] = ["agent", "cni", "ztunnel"];

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let (sandbox, _) = scene::up(lab, "faults", 2)?;
    scene::fault(&sandbox)?;
    let lives = lives(&sandbox)?;
    for role in ROLES {
        for number in 0..sandbox.role(role).len() {
            let Some(victim) = sandbox.role(role).into_iter().nth(number) else { continue };
            let back = kill(&sandbox, &[victim])?;
            told(report, &format!("{role} {} is killed", number + 1), back);
        }
    }
    let all: Vec<Process> = ROLES.iter().flat_map(|role| sandbox.role(role)).collect();
    let back = kill(&sandbox, &all)?;
    told(report, "all of them are killed at once", back);
    random(&sandbox, report)?;
    let now = self::lives(&sandbox)?;
    report.row(
        "pods of the application that were started anew by all that",
        format!("{} of {}", lives.iter().filter(|(pod, life)| now.get(*pod) != Some(life)).count(), lives.len()),
        format!("0 of {}", lives.len()),
        now == lives,
    );
    container(&sandbox, report)?;
    first_of_a_pod(&sandbox, report)?;
    hanging(&sandbox, report)
}

fn told(report: &mut Report, what: &str, back: Result<Duration, String>) {
    let seconds = back.as_ref().map_or(f64::MAX, Duration::as_secs_f64);
    let said = back.as_ref().map_or_else(ToString::to_string, |_| format!("well after {seconds:.1} s"));
    report.row(what, said, format!("restarted, well, mTLS within {BACK} s"), seconds <= BACK);
}

/// What makes a pod of the application the one that it was: its address and its restarts.
fn lives(sandbox: &Sandbox<'_>) -> Result<BTreeMap<String, (String, i64)>, String> {
    let life = |p: &Value| {
        let text = |name: &str| p[name].as_str().unwrap_or_default().to_owned();
        (text("name"), (text("address"), p["restarts"].as_i64().unwrap_or(-1)))
    };
    let pods = [sandbox.pods(SHOP)?, sandbox.pods("outside")?].concat();
    Ok(pods.iter().map(life).collect())
}

fn counts(sandbox: &Sandbox<'_>) -> Vec<usize> {
    ROLES.iter().map(|role| sandbox.role(role).len()).collect()
}

/// Kills processes and waits until all is well; the inner error says what is not.
fn kill(sandbox: &Sandbox<'_>, victims: &[Process]) -> Result<Result<Duration, String>, String> {
    let wanted = counts(sandbox);
    if victims.is_empty() {
        return Err("there is no such process".to_owned());
    }
    let begun = Instant::now();
    signal(victims, Signal::SIGKILL);
    let mut fault = String::new();
    let (well, _) = until(Duration::from_secs_f64(BACK * 2.0), || {
        let all = sandbox.processes();
        fault = match () {
            () if victims.iter().any(|v| all.contains(v)) => "it lives on".to_owned(),
            () if counts(sandbox) != wanted => "it is not restarted".to_owned(),
            () => match well(sandbox) {
                Ok(()) => return true,
                Err(error) => error,
            },
        };
        false
    });
    Ok(if well { Ok(begun.elapsed()) } else { Err(fault) })
}

fn well(sandbox: &Sandbox<'_>) -> Result<(), String> {
    let status = sandbox.run(&["status"])?;
    if !status.ok() {
        return Err(format!("status: exit {}: {}", status.code, status.all()));
    }
    scene::fault(sandbox)
}

fn random(sandbox: &Sandbox<'_>, report: &mut Report) -> Result<(), String> {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.subsec_nanos().into());
    let mut state: u64 = seed;
    let mut next = |below: usize| {
        // Knuth's generator: enough to choose victims, and told below so that a run can be had again.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % below.max(1)
    };
    let (mut worst, mut faults) = (Duration::ZERO, Vec::new());
    for round in 0..RANDOM {
        let role = ROLES[next(ROLES.len())];
        let all = sandbox.role(role);
        let victim = all.get(next(all.len())).cloned().ok_or_else(|| format!("no {role} runs"))?;
        // Any moment: also that of a start, as the one before has just been seen well.
        pause(u64::try_from(next(700)).unwrap_or(0));
        match kill(sandbox, &[victim])? {
            Ok(took) => worst = worst.max(took),
            Err(fault) => faults.push(format!("round {round}, {role}: {fault}")),
        }
    }
    report.row(
        format!("{RANDOM} random kills (seed {seed})"),
        format!("worst {:.1} s {}", worst.as_secs_f64(), faults.join("; ")),
        format!("well within {BACK} s each"),
        faults.is_empty() && worst.as_secs_f64() <= BACK,
    );
    Ok(())
}

fn container(sandbox: &Sandbox<'_>, report: &mut Report) -> Result<(), String> {
    let restarts = |sandbox: &Sandbox<'_>| -> Vec<i64> {
        let pods = sandbox.pods(SHOP).unwrap_or_default();
        let web = pods.iter().filter(|p| p["name"].as_str().is_some_and(|n| n.starts_with("web-")));
        web.map(|p| p["restarts"].as_i64().unwrap_or(-1)).collect()
    };
    let victim = sandbox.ending_with("app serve --name web").into_iter().take(1).collect::<Vec<_>>();
    signal(&victim, Signal::SIGKILL);
    let (shown, after) = until(Duration::from_secs(10), || restarts(sandbox).iter().sum::<i64>() == 1);
    report.row(
        "a container of the application is killed",
        format!("restarts {:?} after {:.1} s", restarts(sandbox), after.as_secs_f64()),
        "started again, counted once",
        shown && !victim.is_empty(),
    );
    let (well, after) = until(Duration::from_secs(10), || well(sandbox).is_ok());
    report.holds("and all is well again", well, format!("after {:.1} s", after.as_secs_f64()));
    Ok(())
}

fn first_of_a_pod(sandbox: &Sandbox<'_>, report: &mut Report) -> Result<(), String> {
    let all = sandbox.processes();
    let program = all.iter().find(|p| p.line.ends_with("app serve --name web")).ok_or("no container runs")?;
    let first: Vec<Process> = all.iter().filter(|p| p.pid == program.parent).cloned().collect();
    signal(&first, Signal::SIGKILL);
    let (well, after) = until(Duration::from_secs(20), || {
        let now = sandbox.ending_with("app serve --name web");
        now.len() == 2 && !now.contains(program) && well(sandbox).is_ok()
    });
    report.holds(
        "a pod's first process is killed: the pod comes back",
        well,
        format!("after {:.1} s", after.as_secs_f64()),
    );
    Ok(())
}

/// A connection that is held, and new ones, while the control plane hangs.
fn hanging(sandbox: &Sandbox<'_>, report: &mut Report) -> Result<(), String> {
    let mut command =
        sandbox.command(&["sandbox", "exec", CLIENT, "--", "ambient", "sandbox", "app", "hold", "web:80"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut held = command.spawn().map_err(|e| format!("no connection is held: {e}"))?;
    pause(500);
    let load = Load::start(sandbox, CLIENT, WEB, 1)?;
    let stopped = super::lab::stop_agent(sandbox)?;
    std::thread::sleep(HANGS);
    let refused = sandbox.ask(STRANGER, WEB).is_err();
    drop(stopped);
    let asked = load.stop()?;
    drop(held.stdin.take());
    let out = held.stdout.take();
    let code = end_of(held, Duration::from_secs(10));
    let mut said = String::new();
    if let Some(mut out) = out {
        let _ = out.read_to_string(&mut said);
    }
    let bytes = said.lines().find_map(|l| l.split_once(" bytes came back")?.0.parse::<u64>().ok()).unwrap_or(0);
    let hangs = HANGS.as_secs();
    report.row(
        format!("the control plane hangs for {hangs} s: new connections"),
        asked.told(),
        "0 failed of many",
        asked.failures.is_empty() && asked.count >= 100,
    );
    report.row(
        "a connection that was open",
        format!("{bytes} bytes came back, {code:?}"),
        "goes on",
        // One byte each 20 ms, on a machine that others use as well.
        code == Ok(0) && bytes > hangs * 10,
    );
    report.holds("a stranger is still refused", refused, "");
    let (well, after) = until(Duration::from_secs(30), || well(sandbox).is_ok());
    report.holds("and all is well when it goes on", well, format!("after {:.1} s", after.as_secs_f64()));
    Ok(())
}
