//! `ambient status`: to come.

use crate::{args::Global, error::Error, screen::Screen};

/// To come
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub async fn run(_args: Args, _global: &Global, _screen: &Screen) -> Result<u8, Error> {
    Err(Error::internal("not built yet"))
}
