//! Generated input, for longer than the tests of the crate do it: the same generators, begun anew each time.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use crate::accept::{Ended, Report, lab::chain, sandbox::lab::Lab, stage};

/// How many cases each generator makes.
const CASES: u32 = 200_000;
/// What the names of such tests have in common.
const FILTER: &str = "fuzz";
/// How many of them there are at least.
const LEAST: usize = 10;

pub fn check(_: &Lab, report: &mut Report) -> Result<(), String> {
    let program = program()?;
    let listed = run(&program, &["--list", "--format", "terse", FILTER], 1)?;
    let tests: Vec<&str> = listed.out.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    report.row("generators", tests.len().to_string(), format!("at least {LEAST}"), tests.len() >= LEAST);
    let (mut all, mut took) = (0, Duration::ZERO);
    for test in tests {
        let ended = run(&program, &["--exact", test], CASES)?;
        let seconds = ended.took.as_secs_f64();
        let measured = if ended.ok() { format!("{CASES} cases, {seconds:.1} s, 0 panics") } else { ended.all() };
        report.row(test, measured, format!("{CASES} cases, 0 panics"), ended.ok());
        all += CASES;
        took += ended.took;
    }
    report.row("all of them", format!("{all} cases, {:.0} s", took.as_secs_f64()), "no fewer", all > 0);
    Ok(())
}

/// Finds the tests of the crate, which are a program.
fn program() -> Result<PathBuf, String> {
    let shown = fs::read_dir(stage::SHOWN).map_err(|e| format!("{}: {e}", stage::SHOWN))?;
    let own = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("waypoint-"));
    shown.flatten().map(|file| file.path()).find(own).ok_or_else(|| "the tests of the crate are not there".to_owned())
}

fn run(program: &PathBuf, arguments: &[&str], cases: u32) -> Result<Ended, String> {
    let begun = Instant::now();
    let mut command = Command::new(program);
    command.args(arguments).env("PROPTEST_CASES", cases.to_string());
    Ok(Ended::of(&command.output().map_err(chain)?, begun.elapsed()))
}
