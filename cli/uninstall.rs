//! `ambient uninstall`: un-enrol, let the nodes clean up, delete; nothing of the mesh stays.

use std::{
    io::{BufRead, IsTerminal, Write},
    pin::pin,
    time::{Duration, Instant},
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams},
    runtime::watcher::{Config, Event, watcher},
};

use crate::{
    args::Global,
    cluster::{
        Cluster, apply,
        enrolment::{self, MODE, Modes},
        objects::{resource, title},
        wait::Workload,
    },
    error::Error,
    install::duration,
    namespace::{label_namespace, label_pod},
    screen::{Screen, Tone, progress::Progress},
};

/// Take the mesh out of the cluster again
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ambient uninstall                shows the plan and asks
  ambient uninstall -y --purge     no question; Istio's definitions and all policies go too")]
pub struct Args {
    /// Delete Istio's resource definitions too, and with them all objects of these kinds
    #[arg(long)]
    purge: bool,
    /// Do not ask
    #[arg(long, short = 'y', visible_alias = "skip-confirmation")]
    yes: bool,
    /// Show the plan and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Longest to wait for each step, such as 90s or 5m
    #[arg(long, default_value = "120s", value_parser = duration)]
    timeout: Duration,
}

const ROOT_CERT: &str = "istio-ca-root-cert";
const CA_SECRET: &str = "istio-ca-secret";

/// What is there to be taken away.
struct Plan {
    /// Namespaces with the label.
    namespaces: Vec<String>,
    /// Pods with the label of their own.
    pods: Vec<(String, String)>,
    /// Running pods that are captured.
    captured: usize,
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
    let plan = plan(&cluster, args.purge).await?;
    if plan.objects.is_empty() && plan.namespaces.is_empty() && plan.bundles.is_empty() && !plan.root {
        screen.line("nothing to uninstall: the mesh is not in this cluster")?;
        return Ok(0);
    }
    show(&plan, args.purge, screen)?;
    if args.dry_run {
        return Ok(0);
    }
    if !args.yes && !confirmed()? {
        return Err(Error::user("cancelled: nothing was changed"));
    }
    let started = Instant::now();
    execute(&cluster, &plan, args.timeout, screen).await?;
    let left = enrolment::running_pods(&cluster).await?.iter().filter(|pod| enrolment::captured(pod)).count();
    let seconds = started.elapsed().as_secs_f64();
    screen.line(format!("{} uninstalled after {seconds:.1} s: {left} pods captured", screen.mark(left == 0)))?;
    Ok(u8::from(left != 0))
}

async fn plan(cluster: &Cluster, purge: bool) -> Result<Plan, Error> {
    let client = &cluster.client;
    let labelled = ListParams::default().labels(MODE);
    let all_pods: Api<Pod> = Api::all(client.clone());
    let maps: Api<ConfigMap> = Api::all(client.clone());
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &cluster.system);
    let named = ListParams::default().fields(&format!("metadata.name={ROOT_CERT}"));
    let (modes, running, mut objects) =
        tokio::try_join!(Modes::read(cluster), enrolment::running_pods(cluster), apply::made_by_install(cluster))?;
    objects.retain(|object| purge || !is(object, "CustomResourceDefinition"));
    let pods = all_pods.list_metadata(&labelled).await.map_err(|error| cluster.failed("list pods", &error))?;
    let bundles = maps.list_metadata(&named).await.map_err(|error| cluster.failed("list configmaps", &error))?;
    let root =
        secrets.get_metadata_opt(CA_SECRET).await.map_err(|error| cluster.failed("read the CA's secret", &error))?;
    Ok(Plan {
        namespaces: modes.iter().filter(|(_, mode)| *mode == "ambient").map(|(name, _)| name.to_owned()).collect(),
        pods: pods
            .items
            .iter()
            // Ours carry `none`, and go anyway.
            .filter(|pod| pod.namespace().as_deref() != Some(cluster.system.as_str()))
            .map(|pod| (pod.namespace().unwrap_or_default(), pod.name_any()))
            .collect(),
        captured: running.iter().filter(|pod| enrolment::captured(pod)).count(),
        objects,
        bundles: bundles.items.iter().filter_map(ResourceExt::namespace).collect(),
        root: root.is_some(),
    })
}

fn is(object: &DynamicObject, kind: &str) -> bool {
    object.types.as_ref().is_some_and(|types| types.kind == kind)
}

fn show(plan: &Plan, purge: bool, screen: &Screen) -> Result<(), Error> {
    screen.line(screen.paint(Tone::Strong, "Plan:"))?;
    screen.line(format!(
        "  release {} namespaces ({}), {} captured pods",
        plan.namespaces.len(),
        plan.namespaces.join(", "),
        plan.captured
    ))?;
    screen.line("  clean the nodes: rules, routes, plugin, its configuration")?;
    for object in &plan.objects {
        screen.line(format!("  delete {}", title(object)))?;
    }
    screen.line(format!("  delete ConfigMap {ROOT_CERT} in {} namespaces", plan.bundles.len()))?;
    if plan.root {
        screen.line(format!("  delete Secret {CA_SECRET}: a later installation makes a new root"))?;
    }
    if !purge {
        screen.line("  keep Istio's resource definitions and their objects (--purge deletes them)")?;
    }
    Ok(())
}

fn confirmed() -> Result<bool, Error> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::usage("nobody is here to confirm the plan").hint("give -y to go ahead"));
    }
    eprint!("Proceed? (y/N) ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The order matters: the node agent needs its rights and its proxy while it lets pods go, the agent would write new
/// bundles while it lives.
async fn execute(cluster: &Cluster, plan: &Plan, limit: Duration, screen: &Screen) -> Result<(), Error> {
    for namespace in &plan.namespaces {
        label_namespace(cluster, namespace, None).await?;
    }
    for (namespace, pod) in &plan.pods {
        label_pod(cluster, namespace, pod, None).await?;
    }
    let modes = Modes::read(cluster).await?;
    let cni = find(plan, "DaemonSet", Workload::Cni.name());
    if cni.is_some() && plan.captured > 0 {
        let progress = Progress::new(screen);
        enrolment::settle(cluster, &modes, |_: &Pod| true, limit, &progress).await?;
    }
    for workload in [Workload::Cni, Workload::Ztunnel, Workload::Agent] {
        let kind = if workload == Workload::Agent { "Deployment" } else { "DaemonSet" };
        if let Some(object) = find(plan, kind, workload.name()) {
            apply::delete(cluster, object, false).await?;
        }
        gone(cluster, workload, limit, screen).await?;
    }
    for object in plan.objects.iter().filter(|object| !is(object, "Namespace")) {
        apply::delete(cluster, object, false).await?;
    }
    for namespace in &plan.bundles {
        let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), namespace);
        ignore_missing(maps.delete(ROOT_CERT, &DeleteParams::default()).await)
            .map_err(|error| cluster.failed(&format!("delete ConfigMap {namespace}/{ROOT_CERT}"), &error))?;
    }
    let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), &cluster.system);
    ignore_missing(secrets.delete(CA_SECRET, &DeleteParams::default()).await)
        .map_err(|error| cluster.failed(&format!("delete Secret {CA_SECRET}"), &error))?;
    if let Some(namespace) = find(plan, "Namespace", &cluster.system) {
        match strangers(cluster).await? {
            Some(stranger) => {
                screen.line(format!("namespace {} stays: it holds {stranger}, which is not ours", cluster.system))?
            }
            None => namespace_away(cluster, namespace, limit).await?,
        }
    }
    Ok(())
}

fn find<'a>(plan: &'a Plan, kind: &str, name: &str) -> Option<&'a DynamicObject> {
    plan.objects.iter().find(|object| is(object, kind) && object.name_any() == name)
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
        screen.line(format!("pod {} still runs after {} s: cut short", pod.name_any(), limit.as_secs()))?;
        ignore_missing(pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(1)).await)
            .map_err(|error| cluster.failed("delete a pod", &error))?;
    }
    tokio::time::timeout(limit, none_left(&pods, workload))
        .await
        .map_err(|_| Error::user(format!("pods of {} do not end", workload.name())).hint("is their node up?"))
}

async fn none_left(pods: &Api<Pod>, workload: Workload) {
    let mut events = pin!(watcher(pods.clone(), Config::default().labels(workload.selector())));
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
            .hint("`kubectl get namespace -o yaml` tells what it waits for")),
    }
}
