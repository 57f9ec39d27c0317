//! `cargo xtask accept NAME`: an issue's requirements, checked on the real thing and printed one row each.

pub mod lab;
mod report;
mod sandbox;
mod spine;
pub mod stage;
mod waypoint;

use std::path::PathBuf;

use clap::ValueEnum;

pub use self::{
    lab::{Ended, Lab},
    lab::{chain, ended},
    report::Report,
};

/// What is accepted, one name each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// Install on a real Kubernetes, enrol without restart, mTLS between nodes
    Spine,
    /// The mesh on one machine, without Kubernetes: the story, faults, and nothing left
    Sandbox,
    /// Layer 7: on sandboxes every field of the objects, protocols, identity, telemetry, egress, limits and faults; on a cluster how waypoints roll and scale
    Waypoint,
}

/// How it is run.
#[derive(clap::Args)]
pub struct Args {
    /// What to accept
    #[arg(value_enum)]
    name: Name,
    /// Run only these sections; a wrong name lists them
    #[arg(long, visible_alias = "section", value_name = "SECTION", value_delimiter = ',')]
    only: Vec<String>,
    /// Name of the test cluster
    #[arg(long, default_value = "accept")]
    cluster: String,
    /// Leave the cluster up; of the sandboxes, the machine that they ran on
    #[arg(long)]
    keep: bool,
    /// Show speed and memory without counting them, where others use the machine as well
    #[arg(long)]
    untimed: bool,
    /// Build profile of the image
    #[arg(long, default_value = "ship")]
    profile: String,
    /// Also build programs with a fault each, and see the sandbox's story fail at the right step; takes long
    #[arg(long)]
    mutants: bool,
    /// The program under test, when the machine of its own is there already
    #[arg(long, hide = true)]
    within: Option<PathBuf>,
}

impl Args {
    /// Tells whether a section is asked for.
    fn wants(&self, section: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == section)
    }

    /// Everything that is built, on a cluster of its own; the machine may be busy with other things.
    pub fn check(name: Name) -> Self {
        Self {
            name,
            only: Vec::new(),
            cluster: "check".to_owned(),
            keep: false,
            untimed: true,
            profile: "release".to_owned(),
            mutants: false,
            within: None,
        }
    }
}

/// Runs it; an error when a row does not hold.
pub fn run(args: &Args) -> Result<(), String> {
    match args.name {
        Name::Spine => spine::run(args),
        Name::Sandbox => sandbox::run(args),
        Name::Waypoint => waypoint::run(args),
    }
}
