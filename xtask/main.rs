//! The project's own tasks: `cargo xtask test`, `cargo xtask image`, `cargo xtask cluster`, `cargo xtask accept`,
//! `cargo xtask bench`, `cargo xtask conformance`.

mod accept;
mod bench;
mod cluster;
mod conformance;
mod image;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use clap::{Parser, Subcommand};

/// Tasks of the project
#[derive(Parser)]
struct Tasks {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check form, lints, all tests and the mesh on a real Kubernetes, as continuous integration does
    Test,
    /// Build the image: scratch and the one static binary
    Image {
        /// The profile of the build
        #[arg(long, default_value = "ship")]
        profile: String,
        /// The name of the image
        #[arg(long, default_value = image::TAG)]
        tag: String,
    },
    /// Check an issue's requirements on the real thing, one row each
    Accept(accept::Args),
    /// Measure, plain and mesh side by side
    Bench(bench::Args),
    /// Run the conformance suite of Gateway API against the mesh on a real Kubernetes
    Conformance(conformance::Args),
    /// A real Kubernetes on this machine, without Docker
    Cluster {
        #[command(subcommand)]
        action: cluster::Action,
    },
    /// Take a part that needs a process of its own; nobody types it
    #[command(hide = true)]
    Stage(accept::stage::Args),
}

fn main() -> ExitCode {
    let done = match Tasks::parse().task {
        Task::Test => test(),
        Task::Accept(args) => install_needed().and_then(|()| accept::run(&args)),
        Task::Bench(args) => bench::run(&args),
        Task::Conformance(args) => conformance::run(&args),
        Task::Image { profile, tag } => image::act(&profile, &tag),
        Task::Cluster { action } => cluster::act(action),
        Task::Stage(args) => accept::stage::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the folder of the checkout that cargo runs this in; what was compiled in may be another's that shares the build folder.
fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&own).parent().unwrap_or(Path::new(".")).to_owned()
}

fn run(command: &mut Command) -> Result<(), String> {
    eprintln!("+ {command:?}");
    let status = command.current_dir(root()).status().map_err(|e| format!("{command:?} does not start: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed: {status}")) }
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Programs that the tests run, with the packages that bring them.
const NEEDED: [(&str, &str); 4] =
    [("ip", "iproute2"), ("nft", "nftables"), ("openssl", "openssl"), ("tcpdump", "tcpdump")];

/// Installs what the tests need and the machine lacks.
fn install_needed() -> Result<(), String> {
    let there =
        |program: &str| ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].iter().any(|d| Path::new(d).join(program).exists());
    let missing: Vec<&str> =
        NEEDED.iter().filter(|(program, _)| !there(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    run(Command::new("apt-get").arg("update").arg("-qq"))?;
    run(Command::new("apt-get").args(["install", "-y", "-qq", "--no-install-recommends"]).args(missing))
}

fn test() -> Result<(), String> {
    install_needed()?;
    run(&mut cargo(&["fmt", "--check"]))?;
    run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    run(&mut cargo(&["test", "--workspace"]))?;
    // Then the same on a real Kubernetes; its components are built the first time, into a cache outside the tree.
    run(&mut cargo(&["test", "--package", "testbed", "--", "--ignored"]))?;
    accept::run(&accept::Args::check(accept::Name::Spine))
}
