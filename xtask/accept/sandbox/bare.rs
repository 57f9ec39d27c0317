//! One command on a machine that has nothing: the whole story, told within seconds, exit code 0.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::Duration,
};

use super::{lab::Lab, traces::Traces};
use crate::accept::{
    Ended, Report,
    lab::ended,
    stage::{self, OWN},
};

/// How long the story may take, seconds.
const STORY: f64 = 15.0;
/// Somebody without rights.
const NOBODY: &str = "65534";
/// Lets nobody make a namespace of users, and tells the story without root's rights.
const NO_NAMESPACES: &str = "echo 0 >/proc/sys/user/max_user_namespaces && exec \"$0\" sandbox --rootless";
/// The number of steps of the story.
const STEPS: usize = 12;

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let empty = lab.folder("empty")?;
    let runtime = lab.folder("runtime")?;
    nix::unistd::chown(&runtime, Some(nix::unistd::Uid::from_raw(65534)), None).map_err(|e| e.to_string())?;
    for open in [OWN, &format!("{OWN}/work")] {
        fs::set_permissions(open, Permissions::from_mode(0o755)).map_err(|e| format!("{open}: {e}"))?;
    }
    let linked = if lab.linked { &["--linked"][..] } else { &[] };
    report.row(
        "the program needs no file but itself",
        if lab.linked { "it is linked with the machine's C library" } else { "no" },
        "shown only",
        true,
    );
    let root = format!("{OWN}/work/root");
    let here = |arguments: &[&str]| {
        let mut command = Command::new(&lab.ambient);
        command.env_clear().env("PATH", &empty).args(arguments);
        command
    };
    let staged = |options: &[&str], rootless: bool| {
        let mut command = stage::command();
        command.env_clear().arg("bare").args(options).args(linked.iter().filter(|_| options.contains(&"--root")));
        command.args(["--", "sandbox"]).args(rootless.then_some("--rootless"));
        command.env("PATH", "/nowhere");
        command
    };
    let mut home = staged(&["--uid", NOBODY], false);
    home.env("HOME", &runtime).env("XDG_RUNTIME_DIR", &runtime);
    let mut homeless = staged(&["--root", &root, "--uid", NOBODY], false);
    homeless.env("HOME", "/home");
    for (what, rootless, command) in [
        ("PATH without a program, as root", false, here(&["sandbox"])),
        ("PATH without a program, as root in a user namespace", true, here(&["sandbox", "--rootless"])),
        ("PATH without a program, as another user", true, home),
        ("a root with the program alone, as root", false, staged(&["--root", &root], false)),
        ("the same with a resolv.conf", false, staged(&["--root", &root, "--resolv"], false)),
        ("the same, as root in a user namespace", true, staged(&["--root", &root], true)),
        ("the same, as another user", true, homeless),
    ] {
        one(what, rootless, command, report)?;
    }
    // So that "nothing but the program" is no empty word.
    let mut look = stage::command();
    look.arg("bare").args(["--root", &root]).args(linked).args(["--", "sandbox", "status"]);
    let other = ended(look.env_clear().env("PATH", "/usr/bin:/bin"))?;
    report.row("the bare root starts the program at all", other.all(), "no sandbox", other.out.trim() == "no sandbox");
    nowhere(lab, report)
}

/// A machine that gives no namespaces is told so, and what to do. The limit is that of a user namespace of the test's own.
fn nowhere(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", NO_NAMESPACES]).arg(&lab.ambient);
    let told = ended(&mut command)?;
    let words = ["gives no namespaces", "run it as root", "--privileged", "user.max_user_namespaces"];
    let good = told.code == 1 && words.iter().all(|word| told.err.contains(word));
    report.row("where there are no namespaces", told.err.trim(), format!("exit 1, {}", words.join(", ")), good);
    Ok(())
}

fn one(what: &str, rootless: bool, mut command: Command, report: &mut Report) -> Result<(), String> {
    let before = Traces::take();
    let told = ended(&mut command)?;
    let fault = judge(&told, rootless);
    report.row(
        format!("the story, {what}"),
        fault.clone().unwrap_or_else(|| format!("{STEPS} steps")),
        "told whole, exit 0",
        fault.is_none(),
    );
    let seconds = told.took.as_secs_f64();
    report.figure(
        format!("its time, {what}"),
        format!("{seconds:.1} s"),
        format!("< {STORY} s"),
        told.ok(),
        seconds < STORY,
    );
    let left = before.left_after(Duration::from_secs(5));
    report.row(format!("left behind, {what}"), left.join(", "), "nothing", left.is_empty());
    let _ = fs::remove_dir_all(Path::new(OWN).join("work/root"));
    Ok(())
}

/// Says what is wrong with a story that should have been told.
fn judge(told: &Ended, rootless: bool) -> Option<String> {
    if !told.ok() {
        return Some(format!("exit {}: {}", told.code, told.err.trim()));
    }
    let step = |n: usize| told.out.lines().any(|line| line.starts_with(&format!("{n}  ")));
    let missing = (1..=STEPS).find(|n| !step(*n));
    let words = ["every byte is encrypted", "is refused", "no pod was started anew", "the log says why", "all is well"];
    let unsaid = words.iter().find(|word| !told.out.contains(*word));
    let mode = if rootless { "rootless, in a user namespace" } else { "as root" };
    match (missing, unsaid) {
        (Some(n), _) => Some(format!("step {n} is missing")),
        (_, Some(word)) => Some(format!("{word:?} is not said")),
        _ if told.out.contains('✘') => Some("a step failed".to_owned()),
        _ if !told.out.contains(mode) => Some(format!("not run {mode}")),
        _ => None,
    }
}
