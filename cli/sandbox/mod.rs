//! `ambient sandbox`: the whole mesh on this machine, without Kubernetes.

mod app;
mod demo;
mod impostor;
mod inside;
mod objects;
mod up;
mod wire;

use std::path::PathBuf;

use ::sandbox::place::Place;

use crate::{args::Global, error::Error, screen::Screen};

/// Run the whole mesh on this machine, without Kubernetes
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nodes and pods are network namespaces, containers are programs of this machine, objects are a folder of
manifests; the mesh's own components are the same as in a cluster. Nothing of the machine's network or files is changed.
Runs as root, or in a user namespace where the kernel allows that.

Examples:
  ambient sandbox                                    see what the mesh does, step by step
  ambient sandbox up -f ./manifests                  start one, and keep to a folder: edit a file, and it is in force
  ambient sandbox apply -f policy.yaml
  ambient sandbox exec shop/web -- curl http://orders
  ambient --sandbox verify web.shop orders.shop:80   status, verify, namespace, ztunnel-config and version work on it
  ambient sandbox down"
)]
pub struct Args {
    #[command(flatten)]
    demo: demo::Demo,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show what the mesh does, step by step, on a sandbox of its own (also without a command)
    Demo(demo::Demo),
    /// Start a sandbox
    Up(up::Up),
    /// Show which sandboxes run, their pods and what is wrong with their manifests
    Status(up::Status),
    /// Apply manifests
    Apply(objects::Apply),
    /// Delete what manifests name
    Delete(objects::Delete),
    /// List objects
    Get(objects::Get),
    /// Show what a pod, or a component of the mesh, has written
    Logs(inside::Logs),
    /// Run a program in a pod
    Exec(inside::Exec),
    /// Show what pods use
    Top(inside::Top),
    /// End a sandbox; nothing is left of it
    Down(up::Down),
    /// Small programs for manifests: a server that tells who asked, and clients
    App(app::Args),
}

/// Runs the command; must be called while the process has one thread.
pub fn run(args: Args, global: &Global, screen: &Screen) -> Result<u8, Error> {
    if args.action.is_some() && args.demo != demo::Demo::default() {
        return Err(Error::usage("--pause, --keep and --rootless before a command are those of the demo")
            .hint("put them behind the command that they are for"));
    }
    match args.action {
        // Enters other namespaces, and has to be done with threads before.
        Some(Action::Exec(args)) => inside::exec(&args, global),
        Some(Action::Down(args)) => up::down(&args, global, screen),
        Some(Action::App(args)) => block_on(app::run(args)),
        Some(Action::Up(args)) => block_on(up::up(args, global, screen)),
        Some(Action::Status(args)) => block_on(up::status(args, global, screen)),
        Some(Action::Apply(args)) => block_on(objects::apply(args, global, screen)),
        Some(Action::Delete(args)) => block_on(objects::delete(args, global, screen)),
        Some(Action::Get(args)) => block_on(objects::get(args, global, screen)),
        Some(Action::Logs(args)) => block_on(inside::logs(args, global, screen)),
        Some(Action::Top(args)) => block_on(inside::top(args, global, screen)),
        Some(Action::Demo(args)) => block_on(demo::run(args, global, screen)),
        None => block_on(demo::run(args.demo, global, screen)),
    }
}

/// Runs a future to its end, on this thread alone: what follows may need the process to have no other.
fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal("cannot start the runtime").caused_by(&error))?;
    runtime.block_on(work)
}

/// Finds the sandbox that a command is about: the one that is named, or the only one that runs.
fn place(global: &Global) -> Result<Place, Error> {
    named(global.sandbox.as_deref())
}

/// Finds a sandbox that runs, by the name that `--sandbox` gave.
pub fn named(name: Option<&str>) -> Result<Place, Error> {
    if let Some(name) = name.filter(|n| !n.is_empty()) {
        let place = of(name)?;
        return match place.is_running() {
            true => Ok(place),
            false => Err(not_running(&format!("sandbox {name} is not running"))),
        };
    }
    let mut running = Place::running().map_err(|error| Error::user("cannot look for sandboxes").caused_by(&error))?;
    match running.len() {
        0 => Err(not_running("no sandbox is running")),
        1 => Ok(running.remove(0)),
        _ => {
            let names: Vec<&str> = running.iter().map(|p| p.name.as_str()).collect();
            Err(Error::usage("several sandboxes are running")
                .hint(format!("name one with --sandbox=NAME: {}", names.join(", "))))
        }
    }
}

fn not_running(what: &str) -> Error {
    Error::user(what).hint("`ambient sandbox up` starts one, `ambient sandbox status` lists them")
}

fn of(name: &str) -> Result<Place, Error> {
    Place::of(name).map_err(|error| Error::usage(error.to_string()))
}

/// The name that a new sandbox gets.
fn new_name(global: &Global, default: &str) -> String {
    global.sandbox.clone().filter(|n| !n.is_empty()).unwrap_or_else(|| default.to_owned())
}

fn absolute(path: &PathBuf) -> Result<PathBuf, Error> {
    std::fs::canonicalize(path)
        .map_err(|error| Error::usage(format!("there is no {}", path.display())).caused_by(&error))
}
