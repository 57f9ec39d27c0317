//! `cargo xtask bench NAME`: figures side by side in one run, medians of several rounds.

mod l4;
mod l7;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use clap::ValueEnum;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// Bulk, requests and new connections through ztunnel, beside none
    L4,
    /// Requests through a waypoint, beside Envoy and nginx; and all three hops, beside none and layer 4 alone
    L7,
}

/// How it is run.
#[derive(clap::Args)]
pub struct Args {
    /// What to measure
    #[arg(value_enum)]
    name: Name,
    /// How many rounds; the medians are shown
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that each single measurement takes
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// Of layer 7 these parts alone
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["rates", "latency", "change"])]
    only: Vec<l7::Section>,
    /// Of layer 7 the rates of work with these words in its name alone
    #[arg(long, value_name = "WORDS", default_value = "")]
    work: String,
    /// Name of the test cluster, which is brought up if it is not there
    #[arg(long, default_value = "bench")]
    cluster: String,
    /// Leave the cluster up
    #[arg(long)]
    keep: bool,
    /// Build profile of the program
    #[arg(long, default_value = "ship")]
    profile: String,
    /// Also write the figures as JSON into this file
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Measures.
pub fn run(args: &Args) -> Result<(), String> {
    match args.name {
        Name::L4 => l4::run(args),
        Name::L7 => l7::run(args),
    }
}

impl Args {
    /// Writes the figures, if they are wanted as JSON.
    fn write(&self, report: &serde_json::Value) -> Result<(), String> {
        let Some(path) = &self.json else { return Ok(()) };
        std::fs::write(path, report.to_string()).map_err(|e| format!("{} cannot be written: {e}", path.display()))
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Tells what machine the figures are from.
fn machine() -> String {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let model = read(Path::new("/proc/cpuinfo"));
    let model =
        model.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':')).map_or("unknown", |(_, m)| m.trim());
    let kernel = Command::new("uname").arg("-r").output().map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores ({model}), kernel {}", kernel.unwrap_or_default())
}
