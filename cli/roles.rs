//! The roles that one binary plays in the cluster. The only file that knows them.

use clap::ValueEnum;

use crate::error::Error;

/// A component of the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Control plane: discovery and certificates
    Agent,
    /// Node proxy
    Ztunnel,
    /// Node agent that enrols pods
    Cni,
}

/// Runs a role until it is told to stop.
pub fn run(role: Role) -> Result<u8, Error> {
    // To be wired: agent::run, ztunnel::run, cni::run.
    Err(Error::internal(format!("role {role:?} is not part of this build")))
}

/// Answers a call of the container runtime, if this is one: the plugin is this binary under the name `ambient-cni`.
pub fn plugin() -> Option<u8> {
    // To be wired: cni::plugin_main().
    None
}
