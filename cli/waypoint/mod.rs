//! `ambient waypoint`: make waypoints, put namespaces, services and service accounts behind them, see how they are and what they
//! know, and delete them.

mod apply;
mod config;
mod delete;
mod enrol;
mod plan;
mod report;
#[cfg(test)]
mod scripted;
mod show;
mod view;
mod wait;
mod wish;
mod write;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::{
    args::{Format, Global},
    cluster::Cluster,
    error::Error,
    screen::Screen,
};
use wish::Wish;

/// Give a namespace, a service or a service account a proxy at layer 7
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a waypoint, or change one, and put whom you name behind it
    #[command(after_help = apply::HELP)]
    Apply(apply::Args),
    /// Print the Gateway that apply makes, without a cluster
    #[command(after_help = "Examples:
  ambient waypoint generate -n shop > waypoint.yaml
  ambient waypoint generate --name gate --for all --replicas 3")]
    Generate(Generate),
    /// List the waypoints: what they take, whether they run, how many are behind them
    #[command(
        after_help = "SERVICES and PODS are how many are behind it, REFUSED how many name it and are not: `ambient waypoint status`
says why.

Examples:
  ambient waypoint list -A
  ambient waypoint list -n shop -o json"
    )]
    List(show::List),
    /// Show whether waypoints are ready, and who is not behind them and why
    #[command(after_help = show::STATUS_HELP)]
    Status(show::Status),
    /// Delete waypoints, and the labels that name them
    #[command(after_help = delete::HELP)]
    Delete(delete::Args),
    /// Show the routes, backends and policies as the proxies have them
    #[command(after_help = config::HELP)]
    Config(config::Args),
}

#[derive(Debug, clap::Args)]
struct Generate {
    #[command(flatten)]
    wish: Wish,
    /// How to write it
    #[arg(long, short, default_value = "yaml", value_parser = written())]
    output: Format,
}

/// Takes the forms that an object has.
fn written() -> impl TypedValueParser<Value = Format> {
    let forms = PossibleValuesParser::new(["yaml", "json"]);
    forms.map(|form| if form == "json" { Format::Json } else { Format::Yaml })
}

/// Runs the command.
pub async fn run(args: Args, global: &Global, screen: &Screen) -> Result<u8, Error> {
    match args.action {
        Action::Apply(args) => crate::unless_interrupted(apply::run(args, global, screen)).await,
        Action::Generate(args) => {
            let gateway = args.wish.gateway(global.namespace.as_deref(), None);
            screen.data(args.output, &gateway)?;
            Ok(0)
        }
        Action::List(args) => show::list(&args, global, screen).await,
        Action::Status(args) => show::status(args, global, screen).await.map_err(Error::without_verdict),
        Action::Delete(args) => crate::unless_interrupted(delete::run(args, global, screen)).await,
        Action::Config(args) => config::run(&args, global, screen).await,
    }
}

/// Returns the namespace that a command is about: what was asked for, else that of the kubeconfig's context.
fn namespace<'a>(global: &'a Global, cluster: &'a Cluster) -> &'a str {
    global.namespace.as_deref().unwrap_or_else(|| cluster.client.default_namespace())
}
