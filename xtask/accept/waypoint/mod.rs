//! Acceptance of layer 7: what manifests can say, protocols, identity, telemetry and faults, each on a sandbox of its own, and on a
//! cluster what only a real Kubernetes shows.
//!
//! The sandboxes run on a machine of their own ([`crate::accept::stage`]), as that of the sandbox does.

mod ask;
mod cluster;
mod egress;
mod external;
mod faults;
mod fuzz;
mod h2spec;
mod identity;
mod limits;
mod mesh_config;
mod protocols;
mod scene;
mod skipped;
mod table;
mod telemetry;

use std::{ffi::OsString, path::Path};

use super::{Args, Report, sandbox::lab::Lab, stage};

/// A part of the acceptance, which adds rows; an error is a step that could not be done.
type Section = fn(&Lab, &mut Report) -> Result<(), String>;

const SECTIONS: [(&str, Section); 11] = [
    ("table", table::check),
    ("protocols", protocols::check),
    ("h2spec", h2spec::check),
    ("fuzz", fuzz::check),
    ("identity", identity::check),
    ("telemetry", telemetry::check),
    ("egress", egress::check),
    ("skipped", skipped::check),
    ("faults", faults::check),
    ("external", external::check),
    ("limits", limits::check),
];

/// Runs it on a machine of its own.
pub fn run(args: &Args) -> Result<(), String> {
    let known = SECTIONS.iter().map(|(name, _)| *name).chain(cluster::SECTIONS.iter().map(|(name, _)| *name));
    let known: Vec<&str> = known.collect();
    if let Some(unknown) = args.only.iter().find(|only| !known.contains(&only.as_str())) {
        return Err(format!("no section {unknown:?}: want one of {}", known.join(", ")));
    }
    match &args.within {
        None => outside(args),
        Some(program) => inside(args, program),
    }
}

fn outside(args: &Args) -> Result<(), String> {
    crate::install_needed()?;
    let mut passed = Ok(());
    // First: once the machine below is gone, this process can start no others.
    if cluster::SECTIONS.iter().any(|(name, _)| args.wants(name)) {
        let mut report = Report::new(!args.untimed);
        cluster::check(args, &mut report)?;
        passed = report.finish();
    }
    if !SECTIONS.iter().any(|(name, _)| args.wants(name)) {
        return passed;
    }
    let program = crate::image::binary(&args.profile)?;
    let echo = crate::image::program("testbed", "echo", &args.profile)?;
    let mut others = vec![echo];
    if args.wants("fuzz") {
        others.push(crate::image::tests("waypoint", &args.profile)?);
    }
    if args.wants("h2spec") {
        // Without it the section says what is missing; the others need it not.
        match testbed::h2spec::ready() {
            Ok(program) => others.push(program),
            Err(error) => eprintln!("no h2spec: {}", super::lab::chain(error)),
        }
    }
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    arguments.extend(["--within".into(), stage::PROGRAM.into()]);
    match stage::apart(&program, &others, &arguments)?.success() {
        true => passed,
        false => Err("the acceptance did not pass: see above".to_owned()),
    }
}

fn inside(args: &Args, program: &Path) -> Result<(), String> {
    let lab = Lab::new(program)?;
    let mut report = Report::new(!args.untimed);
    for (name, section) in SECTIONS.iter().filter(|(name, _)| args.wants(name)) {
        report.section(name);
        if let Err(error) = section(&lab, &mut report) {
            report.failed("a step could not be done", &error);
        }
        lab.clear();
    }
    report.finish()
}
