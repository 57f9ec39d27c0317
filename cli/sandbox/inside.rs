//! Looking into a sandbox's pods: `logs`, `exec`, `top`.

use ::sandbox::client::{self, Inside};
use futures::{AsyncBufRead, AsyncBufReadExt, Stream, StreamExt, TryStreamExt, stream};
use http::Request;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{ListParams, LogParams},
};
use serde::{Deserialize, Serialize};

use crate::{
    args::{Format, Global},
    cluster::{Cluster, wait::Workload},
    error::Error,
    sandbox::{block_on, place},
    screen::{Screen, table::Table},
};

/// Show what a pod, or a component of the mesh, has written
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A pod is named as namespace/name, or name in the namespace of -n; the name of its Deployment does as
well. A component is agent, ztunnel or cni: those of all nodes.

Examples:
  ambient sandbox logs shop/web
  ambient sandbox logs ztunnel --tail 20
  ambient sandbox logs -f agent"
)]
pub struct Logs {
    /// Pod, or component of the mesh
    #[arg(value_name = "POD|ROLE")]
    target: String,
    /// Container of the pod
    #[arg(long)]
    container: Option<String>,
    /// Go on with what comes
    #[arg(long, short)]
    follow: bool,
    /// The last lines alone
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(i64).range(0..))]
    tail: Option<i64>,
}

/// Run a program in a pod
#[derive(Debug, clap::Args)]
#[command(after_help = "The exit code is that of the program; 127 when it cannot be run.

Examples:
  ambient sandbox exec shop/web -- curl -s http://orders
  ambient -n shop sandbox exec web -- sh")]
pub struct Exec {
    /// Pod, as namespace/name, or a name in the namespace of -n
    pod: String,
    /// Program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Show what pods use
#[derive(Debug, clap::Args)]
pub struct Top {
    /// How to write the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// Finds the pods that a text names: a pod, those of a Deployment, or those of a component.
pub async fn pods(cluster: &Cluster, target: &str, namespace: Option<&str>) -> Result<Vec<Pod>, Error> {
    let role = match target {
        "agent" => Some(Workload::Agent),
        "ztunnel" => Some(Workload::Ztunnel),
        "cni" => Some(Workload::Cni),
        _ => None,
    };
    let failed = |e: kube::Error| cluster.failed("list pods", &e);
    if let Some(role) = role {
        let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.system);
        let list = api.list(&ListParams::default().labels(role.selector())).await.map_err(failed)?;
        return Ok(list.items);
    }
    let (namespace, name) = target.split_once('/').unwrap_or((namespace.unwrap_or("default"), target));
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let all = api.list(&ListParams::default()).await.map_err(failed)?.items;
    let exact: Vec<Pod> = all.iter().filter(|p| p.name_any() == name).cloned().collect();
    if !exact.is_empty() {
        return Ok(exact);
    }
    let of_deployment = |pod: &Pod| {
        // The owner's name is the Deployment's and a hash.
        let owner = pod.owner_references().first();
        owner.is_some_and(|o| o.name.rsplit_once('-').is_some_and(|(deployment, _)| deployment == name))
    };
    let alive = |pod: &Pod| pod.metadata.deletion_timestamp.is_none();
    let found: Vec<Pod> = all.into_iter().filter(|p| of_deployment(p) && alive(p)).collect();
    if found.is_empty() {
        let hint = format!("`ambient -n {namespace} sandbox get pods` lists them");
        return Err(Error::user(format!("no pod {name} in namespace {namespace}")).hint(hint));
    }
    Ok(found)
}

fn first_container(pod: &Pod) -> Option<String> {
    pod.spec.as_ref()?.containers.first().map(|c| c.name.clone())
}

/// The lines of a log, whatever bytes it has; what would move the cursor of a terminal is shown and not done.
fn lines_of(reader: impl AsyncBufRead + Unpin) -> impl Stream<Item = std::io::Result<String>> {
    stream::try_unfold(reader, |mut reader| async move {
        let mut bytes = Vec::new();
        if reader.read_until(b'\n', &mut bytes).await? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&bytes);
        let shown = |c: char| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
        Ok(Some((text.trim_end_matches(['\n', '\r']).chars().map(shown).collect(), reader)))
    })
}

/// Runs `logs`.
pub async fn logs(args: Logs, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let cluster = Cluster::sandbox(&place(global)?, global).await?;
    let pods = pods(&cluster, &args.target, global.namespace.as_deref()).await?;
    let several = pods.len() > 1;
    let mut lines = Vec::new();
    for pod in &pods {
        let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &pod.namespace().unwrap_or_default());
        let how = LogParams {
            container: args.container.clone().or_else(|| first_container(pod)),
            follow: args.follow,
            tail_lines: args.tail,
            ..LogParams::default()
        };
        let name = pod.name_any();
        let reader = api.log_stream(&name, &how).await;
        let reader = reader.map_err(|e| cluster.failed(&format!("read the log of {name}"), &e))?;
        let prefix = if several { format!("{name}: ") } else { String::new() };
        lines.push(lines_of(reader).map_ok(move |line| format!("{prefix}{line}")).boxed());
    }
    // Followed, they come as they are written; otherwise one pod after the other.
    let mut all = match args.follow {
        true => stream::select_all(lines).boxed(),
        false => stream::iter(lines).flatten().boxed(),
    };
    while let Some(line) = all.next().await {
        screen.line(line.map_err(|e| Error::user("the log broke off").caused_by(&e))?)?;
    }
    Ok(0)
}

/// Runs `exec`; the process must have one thread.
pub fn exec(args: &Exec, global: &Global) -> Result<u8, Error> {
    let place = place(global)?;
    let pod = block_on(async {
        let cluster = Cluster::sandbox(&place, global).await?;
        let pods = pods(&cluster, &args.pod, global.namespace.as_deref()).await?;
        let pod = &pods[0];
        let path = format!("pods/{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
        client::page::<Inside>(&cluster.client, &path).await.map_err(|e| cluster.failed("enter the pod", &e))
    })?;
    let code = client::run_inside(&place, &pod, &args.command);
    let code = code.map_err(|e| Error::user("the program cannot be run in the pod").caused_by(&e))?;
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

#[derive(Deserialize)]
struct Metrics {
    items: Vec<Measured>,
}

#[derive(Deserialize)]
struct Measured {
    metadata: kube::core::ObjectMeta,
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    usage: Usage,
}

#[derive(Deserialize)]
struct Usage {
    cpu: String,
    memory: String,
}

/// What a pod uses.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    namespace: String,
    pod: String,
    /// Thousandths of a processor.
    millicores: u64,
    /// KiB; what processes share is shared out.
    pub memory_kib: u64,
}

/// Measures what the pods of a sandbox use.
pub async fn usage(cluster: &Cluster) -> Result<Vec<Line>, Error> {
    let request = Request::get("/apis/metrics.k8s.io/v1beta1/pods").body(Vec::new());
    let request = request.map_err(|e| Error::internal("cannot build the request").caused_by(&e))?;
    let metrics: Metrics = cluster.client.request(request).await.map_err(|e| cluster.failed("measure pods", &e))?;
    let number = |text: &str, unit: &str| text.trim_end_matches(unit).parse::<u64>().unwrap_or(0);
    let line = |m: Measured| Line {
        namespace: m.metadata.namespace.unwrap_or_default(),
        pod: m.metadata.name.unwrap_or_default(),
        millicores: m.containers.iter().map(|c| number(&c.usage.cpu, "n") / 1_000_000).sum(),
        memory_kib: m.containers.iter().map(|c| number(&c.usage.memory, "Ki")).sum(),
    };
    Ok(metrics.items.into_iter().map(line).collect())
}

/// Runs `top`.
pub async fn top(args: Top, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let cluster = Cluster::sandbox(&place(global)?, global).await?;
    let lines = usage(&cluster).await?;
    if args.output != Format::Table {
        screen.data(args.output, &lines)?;
        return Ok(0);
    }
    let mebibytes = |kib: u64| format!("{:.1} MiB", kib as f64 / 1024.0);
    let mut table = Table::new(3, &["NAMESPACE", "POD", "CPU", "MEMORY"]);
    for line in &lines {
        let cpu = format!("{}m", line.millicores);
        table.row([line.namespace.clone(), line.pod.clone(), cpu, mebibytes(line.memory_kib)]);
    }
    let (cpu, memory) = lines.iter().fold((0, 0), |(c, m), l| (c + l.millicores, m + l.memory_kib));
    table.row([String::new(), "all".to_owned(), format!("{cpu}m"), mebibytes(memory)]);
    screen.text(&table.to_string())?;
    Ok(0)
}
