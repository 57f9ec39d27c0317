//! `ambient namespace`: enrol namespaces, single pods or the whole mesh, and take them out; nothing is restarted.

pub mod labels;
mod older;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use cni::enrol::{Decision, MODE_LABEL, Reason};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    args::{Format, Global},
    cluster::{
        Cluster,
        apply::FIELD_MANAGER,
        enrolment::{self, Modes, Standing, why},
    },
    error::Error,
    install::duration,
    screen::{Screen, progress::Progress, table::Table},
};
use labels::{Step, Target};

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
  ambient namespace add --mesh                every namespace that does not say `none`

A namespace that was taken out of an enrolled mesh is taken in again. Nothing is changed when one of
the names cannot be enrolled.")]
    Add(Add),
    /// Take out: traffic flows as if there were no mesh
    #[command(after_help = "Examples:
  ambient namespace remove shop
  ambient namespace remove --pod shop/web-0   keep one pod out of an enrolled namespace
  ambient namespace remove --mesh             only namespaces that say `ambient` stay

The label is taken away; where the mesh or the namespace above is enrolled, `none` is set instead.")]
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

/// Which way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Into the mesh; and whether connections that are older are cut.
    In { cut: bool },
    /// Out of it.
    Out,
}

/// Runs the command.
pub async fn run(args: Args, global: &Global, screen: &Screen) -> Result<u8, Error> {
    match args.action {
        Action::Add(add) => set(&add.change, Way::In { cut: add.cut_existing }, global, screen).await,
        Action::Remove(change) => set(&change, Way::Out, global, screen).await,
        Action::List(list) => show(&list, global, screen).await,
    }
}

/// Sets the labels, waits, and tells what came of it.
async fn set(change: &Change, way: Way, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let typed = typed(change, global)?;
    if way == (Way::In { cut: true }) && !change.wait {
        return Err(Error::usage(
            "--cut-existing needs --wait: what is to be cut is known only when the pods are captured",
        ));
    }
    let cluster = Cluster::connect(global).await?;
    let started = Instant::now();
    let modes = Modes::read(&cluster).await?;
    let target = found(typed, &cluster).await?;
    let steps = match way {
        Way::In { .. } => labels::enrol(&target, &modes, &cluster.system)?,
        Way::Out => labels::release(&target, &modes, &cluster.system)?,
    };
    if way != Way::Out && change.wait && !modes.agent {
        return Err(Error::user(format!("the mesh is not installed in namespace {}", cluster.system))
            .hint("`ambient install` first, name its namespace with -i, or give --wait=false to set the label alone"));
    }
    // All or none: what the server would refuse is found before the first is changed.
    for step in steps.iter().filter(|_| steps.len() > 1) {
        label(&cluster, step, true).await?;
    }
    for step in &steps {
        label(&cluster, step, false).await?;
    }
    let changed = |modes: Modes, step: &Step| match &step.pod {
        None => modes.with(&step.namespace, step.mode),
        Some(_) => modes,
    };
    let modes = steps.iter().fold(modes, changed);
    let what = title(&target);
    let verb = if way == Way::Out { "released" } else { "enrolled" };
    if !change.wait {
        screen.say(format!("{what} {verb}"));
        return Ok(0);
    }
    let concerns = |pod: &Pod| target.concerns(pod);
    let progress = Progress::new(screen);
    let standings = enrolment::settle(&cluster, &modes, concerns, change.timeout, &progress).await?;
    let captured = standings.values().filter(|standing| standing.captured).count();
    let wanted = standings.values().filter(|standing| standing.wanted()).count();
    let seconds = started.elapsed().as_secs_f64();
    screen.say(format!("{} {what} {verb}: {captured}/{wanted} pods captured after {seconds:.1} s", screen.mark(true)));
    for note in notes(&target, way, &steps, &modes, &standings) {
        screen.say(format!("- {note}"));
    }
    match way {
        Way::In { cut } if captured > 0 => older::tell(&cluster, concerns, cut, screen).await,
        _ => Ok(0),
    }
}

/// Says what the labels that were set do not reach, and which were set to hold something back.
fn notes(
    target: &Target,
    way: Way,
    steps: &[Step],
    modes: &Modes,
    standings: &BTreeMap<String, Standing>,
) -> Vec<String> {
    let pods = |those: &dyn Fn(Decision) -> bool| {
        let those = standings.iter().filter(|(_, standing)| those(standing.decision));
        those.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let namespaces = |mode: &str| {
        let those = modes.iter().filter(|(name, label)| *label == Some(mode) && !modes.excludes(name));
        those.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
    };
    let held = steps.iter().filter(|step| step.mode == Some("none")).map(ToString::to_string).collect();
    let out = |reason| (format!("these pods stay out, as each {}", why(reason)), pods(&|d| d == Decision::Out(reason)));
    let mut notes: Vec<(String, Vec<String>)> = Vec::new();
    match (way, target) {
        (Way::Out, Target::Mesh) => {
            notes.push(("these namespaces stay enrolled, as each says `ambient`".into(), namespaces("ambient")));
        }
        (Way::Out, _) => {
            notes.push(("labelled `none`, whatever is enrolled above".into(), held));
            let still = pods(&|decision| matches!(decision, Decision::In { .. }));
            notes.push(("these pods stay enrolled, as each says `ambient`".into(), still));
        }
        (Way::In { .. }, _) => {
            if matches!(target, Target::Mesh) {
                notes.push(("these namespaces stay out, as each says `none`".into(), namespaces("none")));
            }
            notes.extend([Reason::PodOptsOut, Reason::HostNetwork, Reason::Sidecar].map(out));
        }
    }
    let told = notes.into_iter().filter(|(_, names)| !names.is_empty());
    told.map(|(text, names)| format!("{text}: {}", some_of(&names))).collect()
}

/// Joins names, but not hundreds of them.
pub fn some_of(names: &[impl AsRef<str>]) -> String {
    const NAMED: usize = 8;
    let mut text = names.iter().take(NAMED).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text += &format!(" and {} more", names.len() - NAMED);
    }
    text
}

fn title(target: &Target) -> String {
    match target {
        Target::Namespaces(names) => format!("namespace {}", names.join(", ")),
        Target::Pods(pods) => {
            let names = pods.iter().map(|pod| format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any()));
            format!("pod {}", names.collect::<Vec<_>>().join(", "))
        }
        Target::Mesh => "the mesh".to_owned(),
    }
}

/// What was named, before anybody looked whether it is there.
enum Typed {
    Namespaces(BTreeSet<String>),
    Pods(BTreeSet<(String, String)>),
    Mesh,
}

fn typed(change: &Change, global: &Global) -> Result<Typed, Error> {
    if change.mesh {
        return Ok(Typed::Mesh);
    }
    if change.pod.is_empty() {
        let mut names: BTreeSet<String> = change.names.iter().cloned().collect();
        names.extend(global.namespace.clone().filter(|_| change.names.is_empty()));
        if names.is_empty() {
            return Err(Error::usage("nothing to enrol or release").hint("name namespaces, or give --pod or --mesh"));
        }
        if let Some(system) = names.get(&global.istio_namespace) {
            return Err(Error::usage(format!(
                "{system} is the mesh's own namespace: its label speaks for the whole mesh"
            ))
            .hint("give --mesh if that is meant"));
        }
        return Ok(Typed::Namespaces(names));
    }
    let namespace = global.namespace.clone().unwrap_or_else(|| "default".into());
    let pods = change.pod.iter().map(|text| match text.split_once('/') {
        Some((namespace, name)) => (namespace.to_owned(), name.to_owned()),
        None => (namespace.clone(), text.clone()),
    });
    Ok(Typed::Pods(pods.collect()))
}

async fn found(typed: Typed, cluster: &Cluster) -> Result<Target, Error> {
    let names = match typed {
        Typed::Mesh => return Ok(Target::Mesh),
        Typed::Namespaces(names) => return Ok(Target::Namespaces(names.into_iter().collect())),
        Typed::Pods(names) => names,
    };
    let mut pods = Vec::new();
    for (namespace, name) in names {
        let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &namespace);
        let pod = api.get_opt(&name).await;
        let pod = pod.map_err(|error| cluster.failed(&format!("read pod {namespace}/{name}"), &error))?;
        pods.push(pod.ok_or_else(|| {
            Error::user(format!("there is no pod {name} in namespace {namespace}"))
                .hint("name it as namespace/name, or give -n")
        })?);
    }
    Ok(Target::Pods(pods))
}

/// Sets one label, or takes it away; what is gone needs none taken.
pub async fn label(cluster: &Cluster, step: &Step, dry_run: bool) -> Result<(), Error> {
    let client = cluster.client.clone();
    let result = match &step.pod {
        None => patch(Api::<Namespace>::all(client), &step.namespace, step, dry_run).await,
        Some(pod) => patch(Api::<Pod>::namespaced(client, &step.namespace), pod, step, dry_run).await,
    };
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 && step.mode.is_none() => Ok(()),
        result => result.map_err(|error| cluster.failed(&format!("label {step}"), &error)),
    }
}

async fn patch<K>(api: Api<K>, name: &str, step: &Step, dry_run: bool) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), dry_run, ..PatchParams::default() };
    let patch = serde_json::json!({ "metadata": { "labels": { MODE_LABEL: step.mode } } });
    api.patch_metadata(name, &params, &Patch::Merge(patch)).await.map(drop)
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
    if let Some(name) = global.namespace.as_deref().filter(|name| !modes.knows(name)) {
        return Err(Error::user(format!("there is no namespace {name}")));
    }
    if !modes.agent {
        Progress::new(screen).note(&format!("! the mesh is not installed in namespace {}", cluster.system));
    }
    let rows: Vec<Row> = modes
        .iter()
        .filter(|(name, _)| global.namespace.as_deref().is_none_or(|only| only == *name))
        .map(|(name, label)| {
            let here: Vec<&Pod> = pods.iter().filter(|pod| pod.namespace().as_deref() == Some(name)).collect();
            Row {
                namespace: name.to_owned(),
                mode: mode(&modes, name, label, &cluster.system).to_owned(),
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

/// Says how the pods of a namespace fare, as the node agent decides it.
fn mode(modes: &Modes, name: &str, label: Option<&str>, system: &str) -> &'static str {
    match modes.namespace(name) {
        _ if name == system && modes.mesh() => "excluded (mesh: ambient)",
        Ok(()) if label == Some("ambient") => "ambient",
        Ok(()) => "ambient (mesh)",
        Err(Reason::ExcludedNamespace) => "excluded",
        Err(Reason::NamespaceOptsOut) => "none",
        Err(_) => "-",
    }
}
