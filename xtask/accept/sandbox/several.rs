//! Sandboxes beside each other: none disturbs another, or the machine.

use super::{
    lab::{Lab, pause},
    load::Load,
    scene::{self, CLIENT, WEB},
    traces::Traces,
};
use crate::accept::Report;

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let before = Traces::network();
    let (first, folder) = scene::up(lab, "first", 2)?;
    let changes = before.changes(&Traces::network());
    report.row("changed of the machine's network by one", changes.join(", "), "nothing", changes.is_empty());
    let load = Load::start(&first, CLIENT, WEB, 2)?;
    let second = lab.sandbox("second");
    second.up_well(&folder)?;
    // A user namespace of its own, with the same manifests.
    let third = lab.sandbox("third");
    let rootless = third.run(&["sandbox", "up", "--rootless", "-f", &folder.display().to_string()])?;
    let faults: Vec<String> = [&first, &second, &third]
        .iter()
        .filter_map(|s| scene::fault(s).err().map(|fault| format!("{}: {fault}", s.name)))
        .collect();
    report.row(
        "three with the same manifests, the third without root's rights",
        format!("exit {} {}", rootless.code, faults.join("; ")),
        "each works",
        rootless.ok() && faults.is_empty(),
    );
    let changes = before.changes(&Traces::network());
    report.row("changed of the machine's network by three", changes.join(", "), "nothing", changes.is_empty());
    let again = first.up(&folder)?;
    report.row(
        "a second one of the same name",
        format!("exit {}: {}", again.code, again.err.trim()),
        "exit 1: is running already",
        again.code == 1 && again.err.contains("is running already"),
    );
    let which = lab.run(&["sandbox", "get", "pods"])?;
    report.row(
        "a command that could mean each of them",
        format!("exit {}: {}", which.code, which.err.trim()),
        "exit 2, with their names",
        which.code == 2 && ["first", "second", "third"].iter().all(|name| which.err.contains(name)),
    );
    second.feed("delete", &scene::web(2, "first"))?;
    pause(500);
    let down = second.down()?;
    let status = lab.run(&["sandbox", "status", "-o", "json"])?;
    pause(500);
    let asked = load.stop()?;
    report.row(
        "one loses its servers and ends: requests in another",
        format!("{}, down: exit {}", asked.told(), down.code),
        "0 failed of many",
        down.ok() && asked.failures.is_empty() && asked.count >= 20,
    );
    let faults: Vec<String> = [&first, &third].iter().filter_map(|s| scene::fault(s).err()).collect();
    report.row(
        "the others work, and status shows them alone",
        format!("exit {} {}", status.code, faults.join("; ")),
        "yes",
        status.ok() && faults.is_empty() && !status.out.contains("\"second\""),
    );
    let all = lab.run(&["sandbox", "down", "--all"])?;
    report.row("down --all", all.out.trim(), "both", all.ok() && all.out.lines().count() == 2);
    let changes = before.changes(&Traces::network());
    report.row("changed of the machine's network in the end", changes.join(", "), "nothing", changes.is_empty());
    Ok(())
}
