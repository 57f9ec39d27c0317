//! A sandbox: the whole mesh on one machine, without Kubernetes. Nodes and pods are network namespaces, containers are
//! programs of the machine, objects are a folder of manifests, and the mesh's roles are the same binary as in a cluster.
//!
//! Called by the command line, which starts it ([`stage`]), finds it ([`place`]) and speaks to it over a socket ([`api`]).

pub mod api;
pub mod client;
mod cni;
mod controllers;
mod dns;
pub mod enter;
mod files;
mod forward;
mod host;
mod live;
mod log;
mod names;
mod pause;
pub mod place;
mod pod;
mod probe;
pub mod refuse;
mod runner;
mod services;
mod spec;
mod status;
pub mod supervisor;

use std::path::Path;

/// Plays the part that the arguments name, if they name one of the sandbox's own; returns the exit code.
///
/// Must be called first of all: each part needs a process with one thread.
#[must_use]
pub fn stage() -> Option<i32> {
    let mut arguments = std::env::args_os().skip(1);
    let part = arguments.next()?;
    match part.to_str()? {
        pause::PAUSE => Some(pause::run()),
        enter::ENTER => Some(match enter::enter(Path::new(&arguments.next()?), number(arguments.next())?) {
            Ok(()) => 0,
            Err(error) => {
                supervisor::fail(&error, error.hint());
                1
            }
        }),
        client::EXEC => Some(client::exec(&arguments.collect::<Vec<_>>())),
        enter::SUPERVISE => Some(supervisor::run(Path::new(&arguments.next()?), number(arguments.next())?)),
        _ => None,
    }
}

fn number(argument: Option<std::ffi::OsString>) -> Option<i32> {
    argument?.to_str()?.parse().ok()
}
