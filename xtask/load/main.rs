//! Client and server of `cargo xtask bench l7`: in a tunnel of the mesh, or in the clear. Built for speed, and a process of its own,
//! so that what they cost is not counted as the proxy's.

mod drive;
mod http1;
mod http2;
mod pace;
mod serve;
mod watch;
mod wire;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Client and server of benchmarks
#[derive(Parser)]
struct Load {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Answer requests in tunnels and in the clear
    Serve(serve::Args),
    /// Send requests, and print as JSON what came of them
    Run(drive::Args),
    /// Tell each change of a header, and whether a stream that is open meanwhile lives on
    Watch(watch::Args),
}

fn main() -> ExitCode {
    let part = Load::parse().part;
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match part {
            Part::Serve(args) => serve::run(args).await,
            Part::Run(args) => drive::run(args).await,
            Part::Watch(args) => watch::run(args).await,
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
