//! `ambient waypoint delete`: show who is behind the waypoints, ask, delete them, and take away the labels that name them.

use std::collections::BTreeSet;

use kube::api::DynamicObject;

use crate::{
    args::Global,
    cluster::{Cluster, apply},
    error::Error,
    screen::{Screen, confirm::confirmed},
    waypoint::{
        enrol::{self, Step},
        report::{self, Report},
        view::{self, View},
        wish::{REVISION, api},
        write,
    },
};

/// What stands below the flags.
pub const HELP: &str =
    "From the moment of the deletion traffic goes direct, without the waypoint's policies. The labels that name it are
taken away as well, whoever set them; --keep-labels leaves them, and a waypoint of the same name binds again.

Examples:
  ambient waypoint delete waypoint -n shop       shows the plan and asks
  ambient waypoint delete gate web -n shop -y
  ambient waypoint delete --all -n shop --dry-run";

/// Delete waypoints
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names
    #[arg(value_name = "NAME", conflicts_with_all = ["all", "revision"])]
    names: Vec<String>,
    /// All waypoints of the namespace
    #[arg(long)]
    all: bool,
    /// All waypoints of the namespace that are labelled for this revision
    #[arg(long, short)]
    revision: Option<String>,
    /// Leave the labels that name them
    #[arg(long)]
    keep_labels: bool,
    /// Do not ask
    #[arg(long, short = 'y', visible_alias = "skip-confirmation")]
    yes: bool,
    /// Show the plan, have the server judge it, and keep everything
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub async fn run(args: Args, global: &Global, screen: &Screen) -> Result<u8, Error> {
    if args.names.is_empty() && !args.all && args.revision.is_none() {
        return Err(Error::usage("no waypoint is named").hint("name some, or give --all or --revision"));
    }
    let cluster = Cluster::connect(global).await?;
    let namespace = super::namespace(global, &cluster).to_owned();
    let view = view::view(&cluster, Some(&namespace)).await?;
    let (chosen, missing) = choose(&args, &view);
    for name in &missing {
        let other = view.others.iter().any(|key| key.name == *name);
        let what = if other { "is a Gateway and no waypoint: it is left alone" } else { "not found" };
        screen.say(format!("waypoint {namespace}/{name} {what}"));
    }
    if chosen.is_empty() {
        if missing.is_empty() {
            screen.say("No waypoints found.");
        }
        return Ok(0);
    }
    let steps = labels(&chosen, &view);
    super::show::partial(&view, screen);
    show(&chosen, &steps, &args, &view, screen);
    if !args.dry_run && !args.yes && !confirmed().await? {
        return Err(Error::user("cancelled: nothing was changed"));
    }
    let steps = if args.keep_labels { &[][..] } else { &steps };
    execute(&cluster, &chosen, steps, args.dry_run, screen).await?;
    if args.dry_run {
        screen.say("dry run: the server would take all of it");
    }
    Ok(0)
}

/// Returns the waypoints that are meant, and the names of those that are not there.
fn choose(args: &Args, view: &View) -> (Vec<Report>, BTreeSet<String>) {
    let mut reports = report::reports(view);
    if args.all || args.revision.is_some() {
        // Of other controllers there are gateways between networks that listen as waypoints do: these are deleted by name alone.
        reports.retain(|report| report.ours && (args.revision.is_none() || report.revision == args.revision));
        return (reports, BTreeSet::new());
    }
    let names: BTreeSet<String> = args.names.iter().cloned().collect();
    reports.retain(|report| names.contains(&report.name));
    let there: BTreeSet<String> = reports.iter().map(|report| report.name.clone()).collect();
    (reports, names.difference(&there).cloned().collect())
}

/// Returns what takes away the labels that name these waypoints: one step an object, whichever of them it names.
fn labels(chosen: &[Report], view: &View) -> Vec<Step> {
    let keys: Vec<_> = view.proxies.iter().map(|proxy| &proxy.gateway.key).collect();
    let keys = keys.into_iter().filter(|key| chosen.iter().any(|r| r.namespace == key.namespace && r.name == key.name));
    let keys: Vec<_> = keys.collect();
    let objects = view.spaces.iter().chain(view.members.iter().map(|member| &member.object));
    let merged = objects.filter_map(|object| {
        let found = keys.iter().filter_map(|key| enrol::release(object, key));
        found.reduce(|mut all, more| {
            all.labels.extend(more.labels);
            all
        })
    });
    merged.collect()
}

fn show(chosen: &[Report], steps: &[Step], args: &Args, view: &View, screen: &Screen) {
    screen.say("This will:");
    for report in chosen {
        let (services, pods) = (report.services(), report.bound_pods.len());
        let behind = match services + pods {
            0 => "nothing is behind it".to_owned(),
            _ => format!("traffic to {services} services and {pods} pods goes direct then, without its policies"),
        };
        let revision = report.revision.as_ref().map_or_else(String::new, |name| format!(", {REVISION}: {name}"));
        screen.say(format!("  delete waypoint {}{revision}: {behind}", report.title()));
    }
    for step in steps {
        let labels: Vec<&str> = step.labels.keys().copied().collect();
        let verb = if args.keep_labels { "keep" } else { "take away" };
        screen.say(format!("  {verb} {} of {}", labels.join(", "), step.object));
    }
    if view.partial {
        screen.say("  leave labels in other namespaces, which may not be looked at");
    }
}

/// The Gateway first: it ends the binding at once and for all, and labels that stay behind by accident name nothing.
async fn execute(
    cluster: &Cluster,
    chosen: &[Report],
    steps: &[Step],
    dry_run: bool,
    screen: &Screen,
) -> Result<(), Error> {
    let say = |text: String| {
        if !dry_run {
            screen.say(format!("{} {text}", screen.mark(true)));
        }
    };
    for report in chosen {
        let mut gateway = DynamicObject::new(&report.name, &api());
        gateway.metadata.namespace = Some(report.namespace.clone());
        apply::delete(cluster, &gateway, dry_run).await?;
        say(format!("waypoint {} deleted", report.title()));
    }
    let mut failed: Option<Error> = None;
    for step in steps {
        // One that may not be written keeps nobody from the others.
        match write::label(cluster, step, dry_run).await {
            Ok(_) => say(format!("{} does not name it any more", step.object)),
            Err(error) => {
                if let Some(before) = failed.replace(error) {
                    before.print();
                }
            }
        }
    }
    failed.map_or(Ok(()), Err)
}
