//! The roles that one binary plays in the cluster. The only file that knows them.

use std::{future::Future, time::Duration};

use clap::ValueEnum;

use crate::error::Error;

/// A component of the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Control plane: discovery and certificates
    Agent,
    /// Node proxy
    Ztunnel,
    /// Proxy for layer 7, of a Gateway
    Waypoint,
    /// Node agent that enrols pods
    Cni,
}

/// Runs a role until it is told to stop.
pub fn run(role: Role) -> Result<u8, Error> {
    let filter = std::env::var("RUST_LOG").ok().filter(|f| !f.is_empty()).unwrap_or_else(|| "info".to_owned());
    let _flush = runtime::logging::init(&filter).map_err(|e| Error::usage("RUST_LOG is invalid").caused_by(&e))?;
    settle();
    match role {
        Role::Agent => block_on(2, agent::run(agent::Config::from_env().map_err(settings)?)),
        // The data path has threads of its own.
        Role::Ztunnel => block_on(1, ztunnel::run(ztunnel::Config::from_env().map_err(settings)?)),
        Role::Waypoint => block_on(1, waypoint::run(waypoint::Config::from_env().map_err(settings)?)),
        Role::Cni => {
            let config = cni::Config::from_env(|name| std::env::var(name).ok()).map_err(settings)?;
            block_on(2, cni::run(config))
        }
    }
}

/// When a role counts as started.
const STARTED: Duration = Duration::from_secs(15);

/// Lets go, once, of the code that only starting took: of a role's memory it would be the largest part.
fn settle() {
    std::thread::spawn(|| {
        std::thread::sleep(STARTED);
        if let Err(error) = net::memory::release_code() {
            tracing::debug!(%error, "code that is no longer needed stays mapped");
        }
    });
}

/// Answers a call of the container runtime, if this is one: the plugin is this binary under the name `ambient-cni`.
pub fn plugin() -> Option<u8> {
    let name = std::env::args_os().next().map(std::path::PathBuf::from);
    let named = name.as_deref().and_then(|p| p.file_name()).is_some_and(|n| n == "ambient-cni");
    let called = std::env::args_os().len() == 1 && std::env::var_os("CNI_COMMAND").is_some();
    (named || called).then(|| u8::try_from(cni::plugin_main()).unwrap_or(u8::MAX))
}

fn settings(error: impl std::error::Error + 'static) -> Error {
    Error::usage("the role's settings are invalid").caused_by(&error)
}

fn block_on<E: std::error::Error + 'static>(
    threads: usize,
    work: impl Future<Output = Result<(), E>>,
) -> Result<u8, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(|e| Error::internal("no runtime").caused_by(&e))?;
    runtime.block_on(work).map(|()| 0).map_err(|e| Error::user("the role ended").caused_by(&e))
}
