//! `ambient uninstall`: un-enrol, let the nodes clean up, delete; nothing of the mesh stays. What the operator said for himself,
//! the label `none`, is not the mesh's and stays.

use std::{
    collections::BTreeSet,
    pin::pin,
    time::{Duration, Instant},
};

use cni::enrol::MODE_LABEL;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams},
    runtime::{
        WatchStreamExt,
        watcher::{Config, Event, watcher},
    },
};

use crate::{
    args::Global,
    cluster::{
        Cluster, EverySecond, apply,
        enrolment::{self, Modes},
        objects::{kind, resource, resource_of, title},
        rights::{self, Right},
        wait::Workload,
    },
    error::Error,
    install::duration,
    namespace::{label, labels::Step, some_of},
    screen::{Screen, Tone, confirm::confirmed, progress::Progress},
};

/// Take the mesh out of the cluster again
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ambient uninstall                shows the plan and asks
  ambient uninstall -y --purge     no question; the resource definitions and all policies go too

Labels `none` stay as they are. Interrupted, it may be run again: it goes on from what is there.")]
pub struct Args {
    /// Delete the resource definitions too (Istio's, and RateLimit), and with them all objects of these kinds
    #[arg(long)]
    purge: bool,
    /// Do not ask
    #[arg(long, short = 'y', visible_alias = "skip-confirmation")]
    yes: bool,
    /// Go on where pods are not released; these have no network until they are restarted
    #[arg(long)]
    force: bool,
    /// Show the plan and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Longest to wait for each step, such as 90s or 5m
    #[arg(long, default_value = "120s", value_parser = duration)]
    timeout: Duration,
}

/// What `--force` means, for hints.
const FORCE: &str = "give --force: their traffic goes nowhere until they are restarted";
const ROOT_CERT: &str = "istio-ca-root-cert";
const CA_SECRET: &str = "istio-ca-secret";

/// What is there to be taken away.
struct Plan {
    /// Labels `ambient` to be taken away.
    labels: Vec<Step>,
    /// Running pods that are captured.
    captured: Vec<String>,
    /// What install made, but for definitions that stay.
    objects: Vec<DynamicObject>,
    /// Namespaces with a copy of the trust bundle.
    bundles: Vec<String>,
    /// Whether the mesh's own root key is there.
    root: bool,
}

/// Runs the command.
pub async fn run(args: Args, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let cluster = Cluster::connect(global).await?;
    cluster.unless_sandbox("uninstall")?;
    apply::not_elsewhere(&cluster).await?;
    let plan = plan(&cluster, args.purge).await?;
    if plan.objects.is_empty() && plan.labels.is_empty() && plan.bundles.is_empty() && !plan.root {
        screen.say("nothing to uninstall: the mesh is not in this cluster");
        return Ok(0);
    }
    show(&plan, args.purge, screen);
    if args.dry_run {
        return Ok(0);
    }
    if find(&plan, "DaemonSet", Workload::Cni.name()).is_none() && !plan.captured.is_empty() && !args.force {
        let count = plan.captured.len();
        return Err(Error::user(format!("{count} pods are captured, and no node agent is there to release them"))
            .hint(format!("`ambient install` brings it back; or {FORCE}")));
    }
    if !rights::unlimited(&cluster).await? {
        let missing = rights::refused(&cluster, needed(&plan, &cluster.system)).await?;
        rights::lack(&missing, "uninstall", "uninstall as a cluster administrator, or have these rights granted")?;
    }
    if !args.yes && !confirmed().await? {
        return Err(Error::user("cancelled: nothing was changed"));
    }
    let started = Instant::now();
    execute(&cluster, &plan, &args, screen).await?;
    let left = enrolment::running_pods(&cluster).await?.iter().filter(|pod| enrolment::captured(pod)).count();
    let seconds = started.elapsed().as_secs_f64();
    screen.say(format!("{} uninstalled after {seconds:.1} s: {left} pods captured", screen.mark(left == 0)));
    if left > 0 {
        screen.say("  restart these pods: what redirects their traffic is still there, and nobody takes it");
    }
    Ok(u8::from(left != 0))
}

async fn plan(cluster: &Cluster, purge: bool) -> Result<Plan, Error> {
    let client = &cluster.client;
    let labelled = ListParams::default().labels(&format!("{MODE_LABEL}=ambient"));
    let all_pods: Api<Pod> = Api::all(client.clone());
    let maps: Api<ConfigMap> = Api::all(client.clone());
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &cluster.system);
    let named = ListParams::default().fields(&format!("metadata.name={ROOT_CERT}"));
    let (modes, running, mut objects) =
        tokio::try_join!(Modes::read(cluster), enrolment::running_pods(cluster), apply::made_by_install(cluster))?;
    objects.retain(|object| purge || kind(object) != "CustomResourceDefinition");
    let pods = all_pods.list_metadata(&labelled).await.map_err(|error| cluster.failed("list pods", &error))?;
    let bundles = maps.list_metadata(&named).await.map_err(|error| cluster.failed("list configmaps", &error))?;
    let root =
        secrets.get_metadata_opt(CA_SECRET).await.map_err(|error| cluster.failed("read the CA's secret", &error))?;
    let namespaces = modes.iter().filter(|(_, label)| *label == Some("ambient"));
    let namespaces = namespaces.map(|(name, _)| Step { namespace: name.to_owned(), pod: None, mode: None });
    let pods = pods.items.iter().map(|pod| Step {
        namespace: pod.namespace().unwrap_or_default(),
        pod: Some(pod.name_any()),
        mode: None,
    });
    let captured = running.iter().filter(|pod| enrolment::captured(pod));
    let captured = captured.map(|pod| format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any()));
    Ok(Plan {
        labels: namespaces.chain(pods).collect(),
        captured: captured.collect(),
        objects,
        bundles: bundles.items.iter().filter_map(ResourceExt::namespace).collect(),
        root: root.is_some(),
    })
}

/// Returns what the plan needs beside having been read.
fn needed(plan: &Plan, system: &str) -> BTreeSet<Right> {
    let mut needed = BTreeSet::new();
    for step in &plan.labels {
        needed.insert(match &step.pod {
            None => Right::new("patch", "", "namespaces", None),
            Some(_) => Right::new("patch", "", "pods", Some(&step.namespace)),
        });
    }
    for object in &plan.objects {
        needed.insert(Right::on("delete", &resource_of(object), object.metadata.namespace.as_deref()));
        if kind(object) == "Namespace" {
            // Whether somebody else's things are in it.
            let looked = ["pods", "services", "configmaps", "secrets"];
            needed.extend(looked.map(|resource| Right::new("list", "", resource, Some(system))));
            needed.extend(["list", "watch"].map(|verb| Right::new(verb, "", "namespaces", None)));
        }
    }
    if !plan.captured.is_empty() {
        needed.insert(Right::new("watch", "", "pods", None));
    }
    needed.extend(["list", "watch", "delete"].map(|verb| Right::new(verb, "", "pods", Some(system))));
    needed.extend(plan.bundles.iter().map(|place| Right::new("delete", "", "configmaps", Some(place))));
    if plan.root {
        needed.insert(Right::new("delete", "", "secrets", Some(system)));
    }
    needed
}

fn show(plan: &Plan, purge: bool, screen: &Screen) {
    screen.say(screen.paint(Tone::Strong, "Plan:"));
    for label in &plan.labels {
        screen.say(format!("  take the label `ambient` off {label}"));
    }
    if !plan.captured.is_empty() {
        screen.say(format!("  release {} captured pods: {}", plan.captured.len(), some_of(&plan.captured)));
    }
    screen.say("  clean the nodes: rules, routes, plugin, its configuration");
    for object in &plan.objects {
        screen.say(format!("  delete {}", title(object)));
    }
    if !plan.bundles.is_empty() {
        screen.say(format!("  delete ConfigMap {ROOT_CERT} in {} namespaces", plan.bundles.len()));
    }
    if plan.root {
        screen.say(format!("  delete Secret {CA_SECRET}: a later installation makes a new root"));
    }
    if !purge {
        screen.say("  keep the resource definitions and their objects (--purge deletes them)");
    }
}

/// The order matters: the node agent needs its rights and its proxy while it lets pods go, the agent would write new
/// bundles while it lives.
async fn execute(cluster: &Cluster, plan: &Plan, args: &Args, screen: &Screen) -> Result<(), Error> {
    let limit = args.timeout;
    for step in &plan.labels {
        label(cluster, step, false).await?;
    }
    let modes = Modes::read(cluster).await?;
    if modes.agent && !plan.captured.is_empty() {
        let progress = Progress::new(screen);
        match enrolment::settle(cluster, &modes, |_: &Pod| true, limit, &progress).await {
            Err(error) if args.force => {
                screen.say(screen.paint(Tone::Warn, &format!("! {}; going on", error.one_line())));
            }
            Err(error) => {
                return Err(error.hint(format!("see whether the node agent runs on their nodes; or {FORCE}")));
            }
            Ok(_) => {}
        }
    }
    for workload in [Workload::Cni, Workload::Ztunnel, Workload::Agent] {
        let kind = if workload == Workload::Agent { "Deployment" } else { "DaemonSet" };
        if let Some(object) = find(plan, kind, workload.name()) {
            apply::delete(cluster, object, false).await?;
        }
        match gone(cluster, workload, limit, screen).await {
            Err(error) if args.force => {
                screen.say(screen.paint(Tone::Warn, &format!("! {}; going on", error.one_line())));
            }
            ended => ended?,
        }
    }
    for object in plan.objects.iter().filter(|object| kind(object) != "Namespace") {
        apply::delete(cluster, object, false).await?;
    }
    for namespace in &plan.bundles {
        let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), namespace);
        ignore_missing(maps.delete(ROOT_CERT, &DeleteParams::default()).await)
            .map_err(|error| cluster.failed(&format!("delete ConfigMap {namespace}/{ROOT_CERT}"), &error))?;
    }
    if plan.root {
        let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), &cluster.system);
        ignore_missing(secrets.delete(CA_SECRET, &DeleteParams::default()).await)
            .map_err(|error| cluster.failed(&format!("delete Secret {CA_SECRET}"), &error))?;
    }
    if let Some(namespace) = find(plan, "Namespace", &cluster.system) {
        match strangers(cluster).await? {
            Some(stranger) => {
                screen.say(format!("namespace {} stays: it holds {stranger}, which is not ours", cluster.system))
            }
            None => namespace_away(cluster, namespace, limit).await?,
        }
    }
    Ok(())
}

fn find<'a>(plan: &'a Plan, of: &str, name: &str) -> Option<&'a DynamicObject> {
    plan.objects.iter().find(|object| kind(object) == of && object.name_any() == name)
}

fn ignore_missing<T>(result: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match result {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}

/// Waits until no pod of the workload is left; a proxy that still serves old streams at the limit is cut short.
async fn gone(cluster: &Cluster, workload: Workload, limit: Duration, screen: &Screen) -> Result<(), Error> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.system);
    if tokio::time::timeout(limit, none_left(&pods, workload)).await.is_ok() {
        return Ok(());
    }
    let list = pods.list_metadata(&ListParams::default().labels(workload.selector())).await;
    for pod in list.map_err(|error| cluster.failed("list pods", &error))?.items {
        screen.say(format!("pod {} still runs after {} s: cut short", pod.name_any(), limit.as_secs()));
        ignore_missing(pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(1)).await)
            .map_err(|error| cluster.failed("delete a pod", &error))?;
    }
    tokio::time::timeout(limit, none_left(&pods, workload))
        .await
        .map_err(|_| Error::user(format!("pods of {} do not end", workload.name())).hint("is their node up?"))
}

async fn none_left(pods: &Api<Pod>, workload: Workload) {
    let config = Config::default().labels(workload.selector());
    let mut events = pin!(watcher(pods.clone(), config).backoff(EverySecond));
    let mut known = std::collections::HashSet::new();
    let mut complete = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(pod) | Event::InitApply(pod)) => {
                known.insert(pod.name_any());
            }
            Ok(Event::Delete(pod)) => {
                known.remove(&pod.name_any());
            }
            Ok(Event::Init) => {
                complete = false;
                known.clear();
            }
            Ok(Event::InitDone) => complete = true,
            Err(_) => {}
        }
        if complete && known.is_empty() {
            return;
        }
    }
}

/// Returns something in the mesh's namespace that neither we nor Kubernetes itself put there.
async fn strangers(cluster: &Cluster) -> Result<Option<String>, Error> {
    let (client, system) = (&cluster.client, cluster.system.as_str());
    let params = ListParams::default();
    let failed = |error: kube::Error| cluster.failed(&format!("look into namespace {system}"), &error);
    let pods = Api::<Pod>::namespaced(client.clone(), system).list_metadata(&params).await.map_err(failed)?;
    if let Some(pod) = pods.items.iter().find(|pod| pod.metadata.deletion_timestamp.is_none()) {
        return Ok(Some(format!("Pod {}", pod.name_any())));
    }
    let services = Api::<Service>::namespaced(client.clone(), system).list_metadata(&params).await.map_err(failed)?;
    if let Some(service) = services.items.first() {
        return Ok(Some(format!("Service {}", service.name_any())));
    }
    let maps = Api::<ConfigMap>::namespaced(client.clone(), system).list_metadata(&params).await.map_err(failed)?;
    let known = ["kube-root-ca.crt", ROOT_CERT];
    if let Some(map) = maps.items.iter().find(|map| !known.contains(&map.name_any().as_str())) {
        return Ok(Some(format!("ConfigMap {}", map.name_any())));
    }
    let secrets = Api::<Secret>::namespaced(client.clone(), system).list_metadata(&params).await.map_err(failed)?;
    if let Some(secret) = secrets.items.first() {
        return Ok(Some(format!("Secret {}", secret.name_any())));
    }
    for kind in ["AuthorizationPolicy", "PeerAuthentication"] {
        let api: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), system, &resource("security.istio.io", "v1", kind));
        // The definition may be gone already.
        if let Ok(list) = api.list_metadata(&params).await
            && let Some(policy) = list.items.first()
        {
            return Ok(Some(format!("{kind} {}", policy.name_any())));
        }
    }
    Ok(None)
}

async fn namespace_away(cluster: &Cluster, namespace: &DynamicObject, limit: Duration) -> Result<(), Error> {
    apply::delete(cluster, namespace, false).await?;
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let gone =
        kube::runtime::wait::await_condition(api, &cluster.system, |object: Option<&Namespace>| object.is_none());
    match tokio::time::timeout(limit, gone).await {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::user(format!("namespace {} does not end within {} s", cluster.system, limit.as_secs()))
            .hint(format!("`kubectl get namespace {} -o yaml` tells what it waits for", cluster.system))),
    }
}
