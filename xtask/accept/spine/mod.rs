//! Acceptance of the spine: install on a real two-node Kubernetes, enrol without restart, mTLS between nodes, proven.

mod authority;
mod bad_input;
mod capture;
mod enrol;
mod faults;
mod figures;
mod install;
mod leave;
mod policy;
mod scene;
mod traffic;

use super::{Args, Lab, Report};

/// A part of the acceptance, which adds rows; an error is a step that could not be done.
type Section = fn(&Lab, &mut Report) -> Result<(), String>;

/// In the order in which an operator would meet them; the mesh is there from `install` to `leave`.
const SECTIONS: [(&str, Section); 10] = [
    ("bad input", bad_input::check),
    ("install", install::check),
    ("enrol", enrol::check),
    ("traffic", traffic::check),
    ("policy", policy::check),
    ("authority", authority::check),
    ("faults", faults::check),
    ("figures", figures::check),
    ("enrol again", enrol::again),
    ("leave", leave::check),
];

/// Runs it on a cluster of its own.
pub fn run(args: &Args) -> Result<(), String> {
    if let Some(unknown) = args.only.iter().find(|only| !SECTIONS.iter().any(|(name, _)| name == only)) {
        let known: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no section {unknown:?}: want one of {}", known.join(", ")));
    }
    let lab = Lab::up(&args.cluster, 2, &args.profile)?;
    lab.load_apps()?;
    scene::prepare(&lab)?;
    let mut report = Report::new(!args.untimed);
    for (name, section) in
        SECTIONS.iter().filter(|(name, _)| args.only.is_empty() || args.only.iter().any(|o| o == name))
    {
        report.section(name);
        if let Err(error) = section(&lab, &mut report) {
            report.failed("a step could not be done", &error);
        }
    }
    if !args.keep {
        lab.cluster.down().map_err(super::lab::chain)?;
    }
    report.finish()
}
