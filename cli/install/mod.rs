//! `ambient install`: check, render, apply, prune, wait.

mod preflight;
pub mod render;
mod rights;
pub mod values;

use std::{path::PathBuf, time::Duration};

use kube::api::DynamicObject;

use crate::{
    args::Global,
    cluster::{
        Cluster,
        apply::{self, Applied, Change},
        objects, wait,
    },
    error::Error,
    manifest,
    screen::{Screen, Tone, diff, progress::Progress},
};
use render::render;
use values::Values;

/// Install the mesh, or bring it up to date
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ambient install
  ambient install --dry-run                     show what would change, as the server computes it
  ambient install --set agent.replicas=2 --set trustDomain=example.org
  ambient install -f values.yaml --timeout 60s")]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Show what would change and keep nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the manifests instead of applying them
    #[arg(long, conflicts_with = "dry_run")]
    print: bool,
    /// Wait until all components are ready
    #[arg(long, default_value_t = true, default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    wait: bool,
    /// Longest to wait, such as 90s or 5m
    #[arg(long, default_value = "300s", value_parser = duration)]
    timeout: Duration,
}

/// What decides the manifests.
#[derive(Debug, clap::Args)]
pub struct Settings {
    /// Overlay file with settings; may be repeated, later ones win
    #[arg(long, short = 'f', value_name = "FILE")]
    pub filename: Vec<PathBuf>,
    /// One setting, such as image.tag=dev; may be repeated, wins over files
    #[arg(long, short = 's', value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Reads a duration such as `90s`, `5m` or `1h`; a number alone is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let number: u64 = digits.parse().map_err(|_| "want a number and a unit, such as 90s".to_owned())?;
    let factor = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        unit => return Err(format!("unknown unit {unit:?}: want s, m or h")),
    };
    // A moment that far away is none that the clock has.
    const LONGEST: u64 = 365 * 24 * 3600;
    match number.saturating_mul(factor) {
        seconds if seconds <= LONGEST => Ok(Duration::from_secs(seconds)),
        _ => Err("want a year at most".to_owned()),
    }
}

/// Runs the command.
pub async fn run(args: Args, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let values = Values::read(&args.settings.filename, &args.settings.set)?;
    let objects = render(&values, &global.istio_namespace)?;
    if args.print {
        return manifest::print(&objects, screen);
    }
    let started = std::time::Instant::now();
    let cluster = Cluster::connect(global).await?;
    cluster.unless_sandbox("install")?;
    preflight::check(&cluster, &objects, args.wait && !args.dry_run).await?;
    if args.dry_run {
        return show_plan(&cluster, &objects, screen).await;
    }
    let mut applied = apply_in_order(&cluster, &objects).await;
    if applied.is_complete() {
        applied.extend(apply::prune(&cluster, &objects, false).await);
    }
    for outcome in applied.outcomes.iter().filter(|outcome| outcome.change != Change::Unchanged) {
        let verb = match outcome.change {
            Change::Created => "created",
            Change::Changed => "changed",
            Change::Pruned => "pruned",
            Change::Unchanged => continue,
        };
        screen.say(format!("{verb} {}", outcome.title));
    }
    screen.say(apply::summary(&applied.into_result()?));
    if args.wait {
        wait::ready(&cluster, args.timeout, &Progress::new(screen)).await?;
        let mark = screen.mark(true);
        screen.say(format!("{mark} the mesh is ready after {:.1} s", started.elapsed().as_secs_f64()));
    }
    Ok(0)
}

/// Applies what holds others, then what may act, then what runs and what it may do. Before all that, the server judges what
/// runs: settings that it refuses change nothing but that the namespace is there. Definitions go beside: a server takes a second for them, nothing here is of
/// their kinds, and the agent finds them when they are there.
async fn apply_in_order(cluster: &Cluster, objects: &[DynamicObject]) -> Applied {
    let of = |kinds: &[&str]| {
        objects.iter().filter(|object| kinds.contains(&objects::kind(object))).collect::<Vec<&DynamicObject>>()
    };
    let definitions = of(&["CustomResourceDefinition"]);
    let namespace = of(&["Namespace"]);
    let runs = of(&["Deployment", "DaemonSet"]);
    // A role must be there before it is bound.
    let bindings = of(&["ClusterRoleBinding", "RoleBinding"]);
    let others: Vec<&DynamicObject> = objects
        .iter()
        .filter(|object| [&definitions, &namespace, &runs, &bindings].iter().all(|part| !part.contains(object)))
        .collect();

    let mut applied = apply::apply(cluster, &namespace, false).await;
    if !applied.is_complete() {
        return applied;
    }
    let judged = apply::apply(cluster, &runs, true).await;
    if !judged.is_complete() {
        applied.extend(judged.failed());
        return applied;
    }
    let in_turn = async {
        let mut applied = apply::apply(cluster, &others, false).await;
        if applied.is_complete() {
            applied.extend(apply::apply(cluster, &[bindings, runs].concat(), false).await);
        }
        applied
    };
    let (in_turn, definitions) = tokio::join!(in_turn, apply::apply(cluster, &definitions, false));
    applied.extend(in_turn);
    applied.extend(definitions);
    applied
}

/// Prints the difference that the server computed, and the count.
async fn show_plan(cluster: &Cluster, objects: &[DynamicObject], screen: &Screen) -> Result<u8, Error> {
    let mut applied = apply::apply(cluster, &objects.iter().collect::<Vec<_>>(), true).await;
    applied.extend(apply::prune(cluster, objects, true).await);
    let outcomes = applied.into_result()?;
    for outcome in outcomes.iter().filter(|outcome| outcome.change != Change::Unchanged) {
        // A definition that is new is 10,000 lines that nobody wrote.
        if outcome.change == Change::Created && outcome.title.starts_with("CustomResourceDefinition") {
            screen.line(screen.paint(Tone::Good, &format!("+ {}", outcome.title)))?;
            continue;
        }
        let text = diff::unified(&outcome.title, outcome.before.as_ref(), outcome.after.as_ref());
        screen.text(&diff::painted(screen, &text))?;
    }
    screen.line(format!("dry run: {}", apply::summary(&outcomes)))?;
    Ok(0)
}
