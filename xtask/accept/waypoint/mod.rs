//! Acceptance of layer 7: what manifests can say, protocols, identity, telemetry and faults, each on a sandbox of its own.
//!
//! It runs on a machine of its own ([`crate::accept::stage`]), as that of the sandbox does.

mod ask;
mod egress;
mod faults;
mod identity;
mod protocols;
mod scene;
mod skipped;
mod table;
mod telemetry;

use std::{ffi::OsString, path::Path};

use super::{Args, Report, sandbox::lab::Lab, stage};

/// A part of the acceptance, which adds rows; an error is a step that could not be done.
type Section = fn(&Lab, &mut Report) -> Result<(), String>;

const SECTIONS: [(&str, Section); 7] = [
    ("table", table::check),
    ("protocols", protocols::check),
    ("identity", identity::check),
    ("telemetry", telemetry::check),
    ("egress", egress::check),
    ("skipped", skipped::check),
    ("faults", faults::check),
];

/// Runs it on a machine of its own.
pub fn run(args: &Args) -> Result<(), String> {
    if let Some(unknown) = args.only.iter().find(|o| !SECTIONS.iter().any(|(name, _)| name == o)) {
        let known: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no section {unknown:?}: want one of {}", known.join(", ")));
    }
    match &args.within {
        None => outside(args),
        Some(program) => inside(args, program),
    }
}

fn outside(args: &Args) -> Result<(), String> {
    crate::install_needed()?;
    let program = crate::image::binary(&args.profile)?;
    let echo = crate::image::program("testbed", "echo", &args.profile)?;
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    arguments.extend(["--within".into(), stage::PROGRAM.into()]);
    match stage::apart(&program, &[echo], &arguments)?.success() {
        true => Ok(()),
        false => Err("the acceptance did not pass: see above".to_owned()),
    }
}

fn inside(args: &Args, program: &Path) -> Result<(), String> {
    let lab = Lab::new(program)?;
    let mut report = Report::new(!args.untimed);
    for (name, section) in
        SECTIONS.iter().filter(|(name, _)| args.only.is_empty() || args.only.iter().any(|o| o == name))
    {
        report.section(name);
        if let Err(error) = section(&lab, &mut report) {
            report.failed("a step could not be done", &error);
        }
        lab.clear();
    }
    report.finish()
}
