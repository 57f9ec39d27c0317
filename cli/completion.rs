//! `ambient completion`: the completion script of a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{args::Cli, error::Error, screen::Screen};

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  source <(ambient completion bash)
  ambient completion zsh > \"${fpath[1]}/_ambient\"
  ambient completion fish > ~/.config/fish/completions/ambient.fish
  ambient completion powershell | Out-String | Invoke-Expression")]
pub struct Args {
    /// Shell to complete in
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command.
pub fn run(args: &Args, screen: &Screen) -> Result<u8, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ambient", &mut script);
    screen.text(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
