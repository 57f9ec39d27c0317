//! `ambient waypoint config`: routes, backends and policies as the proxies of a waypoint have them.

mod dump;
mod tables;
mod words;

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::{
    args::{Format, Global},
    cluster::Cluster,
    error::Error,
    screen::{Screen, progress::Progress},
    waypoint::config::dump::Dump,
    ztunnel_config::dump as saved,
};

/// What stands below the flags.
pub const HELP: &str = "All pods of the waypoint are asked and the answers are merged; where they differ, that is said. ENDPOINTS is how many
are healthy, of how many.

Examples:
  ambient waypoint config routes -n shop
  ambient waypoint config gate policies -n shop
  ambient waypoint config waypoint-7d9f-x2x4q.shop all -o json > dump.json
  ambient waypoint config backends --file dump.json";

/// Show what the proxies have
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A waypoint, or one of its pods as pod or pod.namespace; the only one of the namespace without
    #[arg(value_name = "WAYPOINT|POD")]
    target: Option<String>,
    /// What to show [default: all]
    #[arg(value_enum)]
    topic: Option<Topic>,
    /// Read a saved dump instead; `-` is the standard input
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// How to write the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Topic {
    /// Where requests and connections go
    #[value(alias = "route")]
    Routes,
    /// How services are reached, and how their endpoints are
    #[value(alias = "backend")]
    Backends,
    /// Who may ask what, and whose tokens are believed
    #[value(alias = "policy")]
    Policies,
    /// Everything
    All,
}

/// Runs the command.
pub async fn run(args: &Args, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let (target, topic) = meant(args.target.as_deref(), args.topic);
    let progress = Progress::new(screen);
    let (dumps, failures) = match &args.file {
        Some(_) if target.is_some() => {
            return Err(Error::usage("a saved dump is of one waypoint: name none beside --file"));
        }
        Some(file) => (vec![Dump { pod: String::new(), data: saved::read(file)?.data }], Vec::new()),
        None => {
            let cluster = Cluster::connect(global).await?;
            let namespace = crate::waypoint::namespace(global, &cluster);
            let pods = dump::pods(&cluster, target, namespace).await?;
            dump::fetch(&cluster, &pods).await
        }
    };
    let Some(merged) = dump::merged(&dumps) else {
        return Err(failures.into_iter().next().unwrap_or_else(|| Error::internal("nobody was asked")));
    };
    let known = dump::resources(&merged);
    present(topic, args.output, &merged, &known, screen)?;
    let notes = dump::differences(&dumps).into_iter().chain(
        known
            .unknown
            .iter()
            .map(|(key, error)| format!("resource {key} cannot be read by this version of ambient: {error}")),
    );
    notes.for_each(|note| progress.note(&format!("! {note}")));
    // Below the table, where it is seen.
    failures.iter().for_each(Error::print);
    Ok(u8::from(!failures.is_empty()))
}

/// Tells the target from the topic: where there is one word, and it is that of a topic, a topic is meant.
fn meant(target: Option<&str>, topic: Option<Topic>) -> (Option<&str>, Topic) {
    match (target, topic) {
        (target, Some(topic)) => (target, topic),
        (Some(word), None) => match Topic::from_str(word, false) {
            Ok(topic) => (None, topic),
            Err(_) => (Some(word), Topic::All),
        },
        (None, None) => (None, Topic::All),
    }
}

fn present(topic: Topic, format: Format, data: &Value, known: &dump::Resources, screen: &Screen) -> Result<(), Error> {
    let of = |kinds: &[&str]| -> Vec<&Value> {
        let all = saved::items(data, "resources").into_iter();
        all.filter(|resource| kinds.iter().any(|kind| resource.get(kind).is_some())).collect()
    };
    let backends = saved::items(data, "backends");
    match (topic, format) {
        (Topic::Routes, Format::Table) => screen.text(&tables::routes(known).to_string()),
        (Topic::Backends, Format::Table) => {
            screen.text(&tables::backends(known, &backends).to_string())?;
            screen.text(&format!("\n{}", tables::endpoints(&backends)))
        }
        (Topic::Policies, Format::Table) => screen.text(&tables::policies(known).to_string()),
        (Topic::All, Format::Table) => {
            screen.line(words::heading(data, known))?;
            let parts = [
                tables::routes(known).to_string(),
                tables::backends(known, &backends).to_string(),
                tables::endpoints(&backends).to_string(),
                tables::policies(known).to_string(),
            ];
            parts.iter().try_for_each(|part| screen.text(&format!("\n{part}")))
        }
        (Topic::Routes, format) => screen.data(format, &of(&["httpRule", "streamRule"])),
        (Topic::Backends, format) => {
            screen.data(format, &json!({ "policies": of(&["destination"]), "backends": backends }))
        }
        (Topic::Policies, format) => screen.data(format, &of(&["authorization", "authentication"])),
        (Topic::All, format) => screen.data(format, data),
    }
}

#[cfg(test)]
mod tests;
