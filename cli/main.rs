//! The binary: a call of the container runtime, a role, or a command of the operator.

mod args;
mod cluster;
mod completion;
mod error;
mod install;
mod manifest;
mod namespace;
mod roles;
mod sandbox;
mod screen;
mod status;
mod token;
mod uninstall;
mod verify;
mod version;
mod waypoint;
mod ztunnel_config;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::{
    args::{Cli, Command, Global},
    error::{Error, INCONCLUSIVE},
    screen::Screen,
};

/// The data path asks for a buffer for each read: an allocator that keeps them at hand halves what that costs, and one that
/// gives memory back keeps the proxy small after a peak.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // First: these parts need the process's only thread, and nothing that is set up below.
    if let Some(code) = ::sandbox::stage() {
        return ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX));
    }
    // Fails only if it was done before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    if let Some(code) = roles::plugin() {
        return ExitCode::from(code);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is the only way for this to fail.
            let _ = error.print();
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return ExitCode::from(if code > 0 && asks_for_a_verdict() { INCONCLUSIVE } else { code });
        }
    };
    let result = match (cli.role, cli.command) {
        (Some(role), None) => roles::run(role),
        (None, Some(command)) => run(command, &cli.global),
        (Some(_), Some(_)) => Err(Error::usage("--role starts a component and takes no command")),
        (None, None) => Err(Error::usage("no command given").hint("`ambient --help` lists them")),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            error.print();
            ExitCode::from(error.exit_code())
        }
    }
}

/// Tells whether arguments that cannot be read were for `verify` or `waypoint status`, whose codes speak of what was found.
fn asks_for_a_verdict() -> bool {
    let lenient = Cli::command().ignore_errors(true).try_get_matches();
    lenient.is_ok_and(|matches| match matches.subcommand() {
        Some(("verify", _)) => true,
        Some(("waypoint", matches)) => matches.subcommand_name() == Some("status"),
        _ => false,
    })
}

fn run(command: Command, global: &Global) -> Result<u8, Error> {
    let screen = Screen::new(global.color);
    let command = match command {
        Command::Sandbox(args) => return sandbox::run(args, global, &screen),
        other => other,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal("cannot start the runtime").caused_by(&error))?;
    let result = runtime.block_on(async {
        match command {
            Command::Install(args) => unless_interrupted(install::run(args, global, &screen)).await,
            Command::Manifest(args) => manifest::run(&args, global, &screen),
            Command::Uninstall(args) => unless_interrupted(uninstall::run(args, global, &screen)).await,
            Command::Namespace(args) => unless_interrupted(namespace::run(args, global, &screen)).await,
            Command::Waypoint(args) => waypoint::run(args, global, &screen).await,
            Command::Status(args) => status::run(args, global, &screen).await,
            Command::ZtunnelConfig(args) => ztunnel_config::run(args, global, &screen).await,
            Command::Verify(args) => verify::run(args, global, &screen).await.map_err(Error::without_verdict),
            Command::Token(args) => token::run(args, global, &screen).await,
            Command::Version(args) => version::run(args, global, &screen).await,
            Command::Completion(args) => completion::run(&args, &screen),
            Command::Sandbox(_) => Err(Error::internal("a sandbox's command came here")),
        }
    });
    // Forwarded connections may still be open on the other side: do not wait for them.
    runtime.shutdown_background();
    result
}

/// Runs a command that changes the cluster; on Ctrl-C it says that this may be half done.
async fn unless_interrupted(command: impl Future<Output = Result<u8, Error>>) -> Result<u8, Error> {
    tokio::select! {
        result = command => result,
        Ok(()) = tokio::signal::ctrl_c() => {
            Err(Error::interrupted().hint("run the same command again: it goes on from what is there"))
        }
    }
}
