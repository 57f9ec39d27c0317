//! `ambient namespace`: enrol namespaces, single pods or the whole mesh, and take them out; nothing is restarted.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use hyper::Method;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    args::{Format, Global},
    cluster::{
        Cluster,
        apply::FIELD_MANAGER,
        enrolment::{self, MODE, Modes},
        forward,
    },
    error::Error,
    install::duration,
    screen::{Screen, Tone, progress::Progress, table::Table},
    ztunnel_config::dump::{self, ADMIN_PORT, text},
};

/// Enrol namespaces and pods, or take them out
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Enrol: all pods are captured, running ones too
    #[command(after_help = "Examples:
  ambient namespace add shop payments
  ambient namespace add shop --cut-existing   close older connections, so that all are secured
  ambient namespace add --pod shop/web-0      one pod only
  ambient namespace add --mesh                every namespace that does not say `none`")]
    Add(Add),
    /// Take out: traffic flows as if there were no mesh
    #[command(after_help = "Examples:
  ambient namespace remove shop
  ambient namespace remove --pod shop/web-0   keep one pod out of an enrolled namespace")]
    Remove(Change),
    /// List the namespaces and how many of their pods are captured
    List(List),
}

#[derive(Debug, clap::Args)]
struct Add {
    #[command(flatten)]
    change: Change,
    /// Close connections that are older than the enrolment, so that applications open them again through the mesh
    #[arg(long)]
    cut_existing: bool,
}

#[derive(Debug, clap::Args)]
struct Change {
    /// Namespaces
    #[arg(value_name = "NAMESPACE")]
    names: Vec<String>,
    /// A pod, as namespace/name, or a name in the namespace of -n; may be repeated
    #[arg(long, value_name = "POD", conflicts_with_all = ["names", "mesh"])]
    pod: Vec<String>,
    /// The whole mesh: the default of every namespace
    #[arg(long, visible_alias = "all-mesh", conflicts_with = "names")]
    mesh: bool,
    /// Wait until every running pod is captured, or released
    #[arg(long, default_value_t = true, default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    wait: bool,
    /// Longest to wait, such as 90s or 5m
    #[arg(long, default_value = "120s", value_parser = duration)]
    timeout: Duration,
}

#[derive(Debug, clap::Args)]
struct List {
    /// How to write the list
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// What is to be labelled.
enum Target {
    Namespaces(Vec<String>),
    Pods(Vec<(String, String)>),
    Mesh,
}

/// Runs the command.
pub async fn run(args: Args, global: &Global, screen: &Screen) -> Result<u8, Error> {
    match args.action {
        Action::Add(add) => set(&add.change, Some(add.cut_existing), global, screen).await,
        Action::Remove(change) => set(&change, None, global, screen).await,
        Action::List(list) => show(&list, global, screen).await,
    }
}

/// Sets the labels; `enrol` tells to enrol, and whether to cut connections that are older.
async fn set(change: &Change, enrol: Option<bool>, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let target = target(change, global)?;
    let (enrol, cut) = (enrol.is_some(), enrol.unwrap_or(false));
    if cut && !change.wait {
        return Err(Error::usage(
            "--cut-existing needs --wait: what is to be cut is known only when the pods are captured",
        ));
    }
    let cluster = Cluster::connect(global).await?;
    let started = Instant::now();
    let before = Modes::read(&cluster).await?;
    match &target {
        Target::Namespaces(names) => {
            if let Some(name) = names.iter().find(|name| !before.knows(name)) {
                return Err(
                    Error::user(format!("there is no namespace {name}")).hint("`ambient namespace list` lists them")
                );
            }
            for name in names {
                label_namespace(&cluster, name, enrol.then_some("ambient")).await?;
            }
        }
        Target::Pods(pods) => {
            for (namespace, name) in pods {
                // Out of an enrolled namespace only `none` keeps a pod; elsewhere no label is the cleaner state.
                let mode = if enrol { Some("ambient") } else { before.enrolled(namespace).then_some("none") };
                label_pod(&cluster, namespace, name, mode).await?;
            }
        }
        Target::Mesh => label_namespace(&cluster, &cluster.system, enrol.then_some("ambient")).await?,
    }
    let verb = if enrol { "enrolled" } else { "released" };
    let what = match &target {
        Target::Namespaces(names) => format!("namespace {}", names.join(", ")),
        Target::Pods(pods) => {
            format!("pod {}", pods.iter().map(|(ns, name)| format!("{ns}/{name}")).collect::<Vec<_>>().join(", "))
        }
        Target::Mesh => "the mesh".to_owned(),
    };
    if !change.wait {
        screen.line(format!("{what} {verb}"))?;
        return Ok(0);
    }
    let modes = Modes::read(&cluster).await?;
    let concerns = |pod: &Pod| {
        let namespace = pod.namespace().unwrap_or_default();
        match &target {
            Target::Namespaces(names) => names.contains(&namespace),
            Target::Pods(pods) => pods.contains(&(namespace, pod.name_any())),
            Target::Mesh => true,
        }
    };
    let progress = Progress::new(screen);
    let (captured, wanted) = enrolment::settle(&cluster, &modes, concerns, change.timeout, &progress).await?;
    let seconds = started.elapsed().as_secs_f64();
    screen
        .line(format!("{} {what} {verb}: {captured}/{wanted} pods captured after {seconds:.1} s", screen.mark(true)))?;
    if enrol {
        older(&cluster, concerns, cut, screen).await?;
    }
    Ok(0)
}

/// Counts the connections that are older than the enrolment, which go on in the clear, or cuts them.
async fn older(cluster: &Cluster, concerns: impl Fn(&Pod) -> bool, cut: bool, screen: &Screen) -> Result<(), Error> {
    let pods = enrolment::running_pods(cluster).await?;
    let ours: HashSet<String> = pods.iter().filter(|pod| concerns(pod)).filter_map(ResourceExt::uid).collect();
    let mut count = 0;
    for ztunnel in dump::ztunnels(cluster, None).await? {
        let list = forward::get(cluster, &ztunnel.pod, ADMIN_PORT, "/older").await?;
        let list: Vec<Value> = serde_json::from_str(&list).unwrap_or_default();
        let here: Vec<&str> = list.iter().map(|o| text(o, "uid")).filter(|uid| ours.contains(*uid)).collect();
        count += here.len();
        for uid in here.iter().collect::<HashSet<_>>().into_iter().filter(|_| cut) {
            let answer =
                forward::ask(cluster, &ztunnel.pod, ADMIN_PORT, Method::POST, &format!("/older/cut?uid={uid}")).await?;
            if answer.status != 200 {
                return Err(Error::user(format!("{} cannot cut connections", ztunnel.pod))
                    .because(answer.body.trim().to_owned()));
            }
        }
    }
    match (count, cut) {
        (0, _) => Ok(()),
        (_, true) => screen.line(format!("{} {count} older connections cut", screen.mark(true))),
        (_, false) => screen.line(screen.paint(
            Tone::Warn,
            &format!(
                "! {count} connections are older than the enrolment and go on in the clear; --cut-existing closes them"
            ),
        )),
    }
}

fn target(change: &Change, global: &Global) -> Result<Target, Error> {
    if change.mesh {
        return Ok(Target::Mesh);
    }
    if change.pod.is_empty() {
        let mut names = change.names.clone();
        names.extend(global.namespace.clone().filter(|_| change.names.is_empty()));
        if names.is_empty() {
            return Err(Error::usage("nothing to enrol or release").hint("name namespaces, or give --pod or --mesh"));
        }
        return Ok(Target::Namespaces(names));
    }
    let namespace = global.namespace.clone().unwrap_or_else(|| "default".into());
    let pods = change.pod.iter().map(|text| match text.split_once('/') {
        Some((namespace, name)) => (namespace.to_owned(), name.to_owned()),
        None => (namespace.clone(), text.clone()),
    });
    Ok(Target::Pods(pods.collect()))
}

/// Sets the label of a namespace, or takes it away.
pub async fn label_namespace(cluster: &Cluster, name: &str, mode: Option<&str>) -> Result<(), Error> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let patch = serde_json::json!({ "metadata": { "labels": { MODE: mode } } });
    api.patch_metadata(name, &manager(), &Patch::Merge(patch))
        .await
        .map_err(|error| cluster.failed(&format!("label namespace {name}"), &error))?;
    Ok(())
}

/// Sets the label of a pod, or takes it away.
pub async fn label_pod(cluster: &Cluster, namespace: &str, name: &str, mode: Option<&str>) -> Result<(), Error> {
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let patch = serde_json::json!({ "metadata": { "labels": { MODE: mode } } });
    api.patch_metadata(name, &manager(), &Patch::Merge(patch))
        .await
        .map_err(|error| cluster.failed(&format!("label pod {namespace}/{name}"), &error))?;
    Ok(())
}

fn manager() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() }
}

/// A line of the list.
#[derive(Serialize)]
struct Row {
    namespace: String,
    mode: String,
    pods: usize,
    captured: usize,
    eligible: usize,
}

async fn show(list: &List, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let cluster = Cluster::connect(global).await?;
    let (modes, pods) = tokio::try_join!(Modes::read(&cluster), enrolment::running_pods(&cluster))?;
    let rows: Vec<Row> = modes
        .iter()
        .filter(|(name, _)| global.namespace.as_deref().is_none_or(|only| only == *name))
        .map(|(name, mode)| {
            let here: Vec<&Pod> = pods.iter().filter(|pod| pod.namespace().as_deref() == Some(name)).collect();
            let mode = match mode {
                "" if modes.enrolled(name) => "ambient (mesh)",
                "" => "-",
                mode => mode,
            };
            Row {
                namespace: name.to_owned(),
                mode: mode.to_owned(),
                pods: here.len(),
                captured: here.iter().filter(|pod| enrolment::captured(pod)).count(),
                eligible: here.iter().filter(|pod| modes.wants(pod)).count(),
            }
        })
        .collect();
    if list.output != Format::Table {
        screen.data(list.output, &rows)?;
        return Ok(0);
    }
    let mut table = Table::new(3, &["NAMESPACE", "MODE", "PODS", "CAPTURED"]);
    for row in rows {
        table.row([row.namespace, row.mode, row.pods.to_string(), format!("{}/{}", row.captured, row.eligible)]);
    }
    screen.text(&table.to_string())?;
    Ok(0)
}
