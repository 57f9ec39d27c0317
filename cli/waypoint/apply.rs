//! `ambient waypoint apply`: judge everything, on the server too, then apply the Gateway, then set the labels, then wait.

use std::time::{Duration, Instant};

use kube::{ResourceExt, api::DynamicObject};
use serde_json::{Value, json};
use source::{ObjectKey, labels, object::Map};

use crate::{
    args::{Format, Global},
    cluster::Cluster,
    error::Error,
    install::duration,
    screen::{Screen, diff, progress::Progress},
    waypoint::{
        enrol::Whom,
        plan::{Asked, Plan, plan},
        wait,
        wish::Wish,
        write::{self, How},
    },
};

/// What stands below the flags.
pub const HELP: &str = "What is not asked for stays as it was asked for before. Nothing is changed when anything of it is refused. Fields and
labels that somebody else set are left alone without --overwrite.

A service account's pods are labelled where they run: what makes them needs the label in its pod template.

Examples:
  ambient waypoint apply -n shop --enroll-namespace --wait
  ambient waypoint apply -n shop --enroll-service web --enroll-service till
  ambient waypoint apply -n shop --enroll-service-account checkout --name checkout
  ambient waypoint apply -n shop --for all --autoscale 2-6 --cpu 250m --memory 128Mi
  ambient waypoint apply -n shop --autoscale 2-6 --autoscale-on cpu=70,requests=100
  ambient waypoint apply -n shop --replicas 3 --dry-run -o yaml";

/// Make a waypoint, or change one
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    wish: Wish,
    #[command(flatten)]
    whom: Whom,
    /// Take over what somebody else set, and put behind it what names another waypoint
    #[arg(long)]
    overwrite: bool,
    /// Wait until it takes traffic, and whom you name is behind it
    #[arg(long, short)]
    wait: bool,
    /// Longest to wait, such as 90s or 5m
    #[arg(long, visible_alias = "waypoint-timeout", default_value = "90s", value_parser = duration)]
    timeout: Duration,
    /// Show what would change, as the server computes it, and keep nothing
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: the difference as a table, or the objects as they would be
    #[arg(long, short, value_enum, default_value_t, requires = "dry_run")]
    output: Format,
}

/// Runs the command.
pub async fn run(args: Args, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let cluster = Cluster::connect(global).await?;
    let namespace = super::namespace(global, &cluster).to_owned();
    let started = Instant::now();
    let asked = Asked { wish: &args.wish, whom: &args.whom, overwrite: args.overwrite };
    let plan = plan(&cluster, asked, &namespace).await?;
    // All or none: what the server would refuse is found before the first is changed.
    let mut labelled = Vec::new();
    for step in &plan.steps {
        labelled.push(write::label(&cluster, step, true).await?);
    }
    if args.dry_run {
        show(&plan, labelled, args.output, screen)?;
        tell(&plan.notes, screen);
        return Ok(0);
    }
    let applied = write::gateway(&cluster, &plan.gateway, How { dry_run: false, overwrite: args.overwrite }).await?;
    let key = ObjectKey { namespace, name: args.wish.name.clone() };
    let title = format!("{}/{}", key.namespace, key.name);
    let verb = match &plan.live {
        None => "created",
        Some(live) if diff::meant(&value(live)) == diff::meant(&value(&applied)) => "is as asked for",
        Some(_) => "changed",
    };
    screen.say(format!("{} waypoint {title} {verb}", screen.mark(true)));
    for step in &plan.steps {
        write::label(&cluster, step, false).await?;
        screen.say(format!("{} {} labelled {}: {}", screen.mark(true), step.object, labels::USE_WAYPOINT, key.name));
    }
    tell(&plan.notes, screen);
    if args.wait {
        let report = wait::until_ready(&cluster, &key, &plan.objects, args.timeout, screen).await?;
        let seconds = started.elapsed().as_secs_f64();
        let (services, pods) = (report.services(), report.bound_pods.len());
        let mark = screen.mark(true);
        screen.say(format!(
            "{mark} waypoint {title} is ready after {seconds:.1} s: {} pods; {services} services and {pods} pods are behind it",
            report.count()
        ));
    }
    Ok(0)
}

fn value(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

fn tell(notes: &[String], screen: &Screen) {
    // Not on the standard output, which may hold objects.
    let progress = Progress::new(screen);
    notes.iter().for_each(|note| progress.note(&format!("! {note}")));
}

/// Shows what would be.
fn show(plan: &Plan, labelled: Vec<Option<Value>>, format: Format, screen: &Screen) -> Result<(), Error> {
    let gateway = value(&plan.judged);
    if format != Format::Table {
        let objects: Vec<Value> =
            std::iter::once(gateway).chain(labelled.into_iter().flatten()).map(|object| diff::meant(&object)).collect();
        return match (format, &*objects) {
            (_, [only]) => screen.data(format, only),
            (Format::Yaml, all) => all.iter().try_for_each(|object| {
                screen.line("---")?;
                screen.data(format, object)
            }),
            (_, all) => screen.data(format, &json!({ "apiVersion": "v1", "kind": "List", "items": all })),
        };
    }
    let name = format!("Gateway {}/{}", plan.gateway.namespace().unwrap_or_default(), plan.gateway.name_any());
    let before = plan.live.as_ref().map(value);
    screen.text(&diff::painted(screen, &diff::unified(&name, before.as_ref(), Some(&gateway))))?;
    for step in &plan.steps {
        let labelled = |labels: &Map| json!({ "metadata": { "labels": labels } });
        let mut after = step.object.labels.clone();
        for (label, value) in &step.labels {
            match value {
                Some(value) => drop(after.insert((*label).to_owned(), value.clone())),
                None => drop(after.remove(*label)),
            }
        }
        let (before, after) = (labelled(&step.object.labels), labelled(&after));
        screen.text(&diff::painted(screen, &diff::unified(&step.object.to_string(), Some(&before), Some(&after))))?;
    }
    let changes = usize::from(before.as_ref().map(diff::meant) != Some(diff::meant(&gateway))) + plan.steps.len();
    screen.line(format!("dry run: {changes} objects would change"))
}
