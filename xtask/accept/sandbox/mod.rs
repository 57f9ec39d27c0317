//! Acceptance of the sandbox: the story on a bare machine, claims that fail when they do not hold, faults, and nothing left.
//!
//! It runs on a machine of its own ([`crate::accept::stage`]), which ends with all that is on it.

mod bare;
mod claims;
mod commands;
mod cycles;
mod faults;
mod figures;
pub mod lab;
mod load;
mod manifests;
mod mutants;
pub mod names;
mod rolling;
mod scene;
mod several;
mod story;
mod traces;

use std::{ffi::OsString, path::Path, process::Command};

use self::lab::Lab;
use super::{Args, Report, stage};

/// A part of the acceptance, which adds rows; an error is a step that could not be done.
type Section = fn(&Lab, &mut Report) -> Result<(), String>;

/// In the order in which an operator would meet them.
const SECTIONS: [(&str, Section); 10] = [
    ("bare", bare::check),
    ("claims", claims::check),
    ("manifests", manifests::check),
    ("commands", commands::check),
    ("names", names::check),
    ("rolling", rolling::check),
    ("faults", faults::check),
    ("several", several::check),
    ("cycles", cycles::check),
    ("figures", figures::check),
];
/// The section that is checked only when it is asked for, as it builds programs.
const MUTANTS: &str = "mutants";

/// Runs it on a machine of its own.
pub fn run(args: &Args) -> Result<(), String> {
    if let Some(unknown) = args.only.iter().find(|o| *o != MUTANTS && !SECTIONS.iter().any(|(name, _)| name == o)) {
        let known: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no section {unknown:?}: want one of {}, or {MUTANTS} with --mutants", known.join(", ")));
    }
    if args.only.iter().any(|only| only == MUTANTS) && !args.mutants {
        return Err(format!("{MUTANTS} builds programs: add --mutants"));
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
    if args.mutants {
        let programs = mutants::build()?;
        let mut report = Report::new(!args.untimed);
        report.section(MUTANTS);
        mutants::check(&programs, &mut report)?;
        passed = report.finish();
    }
    if args.only.is_empty() || args.only.iter().any(|only| only != MUTANTS) {
        let program = crate::image::binary(&args.profile)?;
        let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
        arguments.extend(["--within".into(), stage::PROGRAM.into()]);
        if !stage::apart(&program, &[], &arguments)?.success() {
            passed = Err("the acceptance did not pass: see above".to_owned());
        }
    }
    passed
}

fn inside(args: &Args, program: &Path) -> Result<(), String> {
    let lab = Lab::new(program)?;
    let mut report = Report::new(!args.untimed);
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|o| o == name);
    for (name, section) in SECTIONS.iter().filter(|(name, _)| wanted(name)) {
        report.section(name);
        if let Err(error) = section(&lab, &mut report) {
            report.failed("a step could not be done", &error);
        }
        // What a section leaves must not be the next one's trouble.
        lab.clear();
    }
    if args.keep {
        println!("the machine stays; Ctrl-C ends it");
        // Whoever enters it finds the program and may go on from there.
        let _ = Command::new(stage::PROGRAM).args(["sandbox", "up"]).status();
        std::thread::park();
    }
    report.finish()
}
