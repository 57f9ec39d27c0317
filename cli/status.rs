//! `ambient status`: one screen that says whether the mesh is well, from what runs and not from what was asked for.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::ListParams};
use serde::Serialize;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    args::{Format, Global},
    cluster::{
        Cluster,
        enrolment::{self, Modes},
        forward,
        wait::{self, Workload},
    },
    error::Error,
    install::duration,
    screen::{Screen, Tone},
    ztunnel_config::{
        dump::{self, Dump, items, text},
        tables::valid,
    },
};

/// Show whether the mesh is well
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code 0 when all is well, 1 when not.

Examples:
  ambient status
  ambient status --wait --timeout 60s
  ambient status -o json | jq .podsCaptured")]
pub struct Args {
    /// Wait until all is well
    #[arg(long, short)]
    wait: bool,
    /// Longest to wait, such as 90s or 5m
    #[arg(long, default_value = "120s", value_parser = duration)]
    timeout: Duration,
    /// How to write the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// Port of the node agent's metrics.
const CNI_METRICS: u16 = 15014;
/// Metric of connections that are older than their pod's enrolment.
const OLDER: &str = "ambient_cni_bypassing_streams";

/// Parts that are as they should be, of all.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Part {
    ready: usize,
    wanted: usize,
}

impl Part {
    fn complete(self) -> bool {
        self.ready >= self.wanted
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.ready, self.wanted)
    }
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    healthy: bool,
    control_plane: Part,
    cni: Part,
    ztunnel: Part,
    pods_captured: Part,
    /// Nodes whose ztunnel knows every captured pod.
    configuration: Part,
    certificates: Certificates,
    /// Connections older than their pod's enrolment: they go on in the clear.
    older_connections: usize,
    errors: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Certificates {
    valid: usize,
    wanted: usize,
    earliest_expiry: Option<String>,
}

/// Runs the command.
pub async fn run(args: Args, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let cluster = Cluster::connect(global).await?;
    let started = Instant::now();
    let status = loop {
        let status = look(&cluster).await?;
        if status.healthy || !args.wait || started.elapsed() >= args.timeout {
            break status;
        }
        // Not one watch but many sources: a second is short for a person and long for a cluster.
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    match args.output {
        Format::Table => show(&status, screen)?,
        format => screen.data(format, &status)?,
    }
    Ok(u8::from(!status.healthy))
}

async fn look(cluster: &Cluster) -> Result<Status, Error> {
    let mut status = Status::default();
    for workload in Workload::ALL {
        let count = wait::count(cluster, workload).await?;
        let part = count.map_or_else(Part::default, |count| Part { ready: count.ready, wanted: count.wanted });
        match count {
            None => status.errors.push(format!("{} is not installed", workload.name())),
            Some(count) if !count.complete() => status.errors.extend(wait::obstacles(cluster, workload).await),
            Some(_) => {}
        }
        match workload {
            Workload::Agent => status.control_plane = part,
            Workload::Cni => status.cni = part,
            Workload::Ztunnel => status.ztunnel = part,
        }
    }
    let (modes, pods) = tokio::try_join!(Modes::read(cluster), enrolment::running_pods(cluster))?;
    let wanted: Vec<&Pod> = pods.iter().filter(|pod| modes.wants(pod)).collect();
    let captured: Vec<&Pod> = wanted.iter().copied().filter(|pod| enrolment::captured(pod)).collect();
    status.pods_captured = Part { ready: captured.len(), wanted: wanted.len() };
    for pod in wanted.iter().filter(|pod| !enrolment::captured(pod)).take(10) {
        status.errors.push(format!("pod {}/{} is not captured", pod.namespace().unwrap_or_default(), pod.name_any()));
    }
    if status.ztunnel.ready > 0 {
        let dumps = dumps(cluster, &mut status.errors).await;
        status.configuration = configuration(&dumps, &captured, &mut status.errors);
        status.certificates = certificates(&dumps, &mut status.errors);
    }
    if status.cni.ready > 0 {
        status.older_connections = older_connections(cluster).await;
    }
    let parts = [status.control_plane, status.cni, status.ztunnel, status.pods_captured, status.configuration];
    let certain = status.certificates.valid == status.certificates.wanted;
    status.healthy = status.errors.is_empty() && certain && parts.into_iter().all(Part::complete);
    Ok(status)
}

async fn dumps(cluster: &Cluster, errors: &mut Vec<String>) -> Vec<Dump> {
    let ztunnels = match dump::ztunnels(cluster, None).await {
        Ok(ztunnels) => ztunnels,
        Err(error) => {
            errors.push(one_line(&error));
            return Vec::new();
        }
    };
    let mut dumps = Vec::new();
    let mut answers = stream::iter(ztunnels).map(async |ztunnel| dump::fetch(cluster, &[ztunnel]).await).buffered(16);
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(one) => dumps.extend(one),
            Err(error) => errors.push(one_line(&error)),
        }
    }
    dumps
}

fn one_line(error: &Error) -> String {
    let text = error.to_string();
    text.lines().map(|line| line.trim().trim_start_matches("error: ")).collect::<Vec<_>>().join("; ")
}

/// A node is in sync if its ztunnel knows each captured pod, and that it is to be reached by HBONE.
fn configuration(dumps: &[Dump], captured: &[&Pod], errors: &mut Vec<String>) -> Part {
    let mut ready = 0;
    for dump in dumps {
        let meshed = items(&dump.data, "workloads").into_iter().filter(|item| text(item, "protocol") == "HBONE");
        let known: HashSet<(&str, &str)> = meshed.map(|item| (text(item, "namespace"), text(item, "name"))).collect();
        let missing = captured.iter().filter(|pod| {
            let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
            !known.contains(&(namespace.as_str(), name.as_str()))
        });
        match missing.count() {
            0 => ready += 1,
            count => errors.push(format!("the ztunnel on {} does not know {count} captured pods", dump.node)),
        }
    }
    Part { ready, wanted: dumps.len() }
}

fn certificates(dumps: &[Dump], errors: &mut Vec<String>) -> Certificates {
    let now = OffsetDateTime::now_utc();
    let mut found = Certificates::default();
    let mut earliest: Option<OffsetDateTime> = None;
    for (node, certificate) in
        dumps.iter().flat_map(|dump| items(&dump.data, "certificates").into_iter().map(|item| (&dump.node, item)))
    {
        found.wanted += 1;
        let leaf = items(certificate, "certChain").first().copied().unwrap_or(&Value::Null);
        let until = text(leaf, "expirationTime");
        if !valid(text(leaf, "validFrom"), until, now) {
            errors.push(format!(
                "no valid certificate for {} on {node}: {}",
                text(certificate, "identity"),
                text(certificate, "state")
            ));
            continue;
        }
        found.valid += 1;
        if let Ok(until) = OffsetDateTime::parse(until, &Rfc3339) {
            earliest = Some(earliest.map_or(until, |earliest| earliest.min(until)));
        }
    }
    found.earliest_expiry = earliest.and_then(|moment| moment.format(&Rfc3339).ok());
    found
}

/// Sums over the nodes; a node agent that does not tell counts as none, since its health is judged elsewhere.
async fn older_connections(cluster: &Cluster) -> usize {
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.system);
    let Ok(list) = api.list_metadata(&ListParams::default().labels(Workload::Cni.selector())).await else { return 0 };
    let names: Vec<String> = list.items.iter().map(ResourceExt::name_any).collect();
    let answers =
        stream::iter(names).map(async |name| forward::get(cluster, &name, CNI_METRICS, "/metrics").await).buffered(16);
    let sum = |text: String| -> f64 {
        let lines = text.lines().filter(|line| line.starts_with(OLDER));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let total: f64 = answers.map(|answer| answer.map_or(0.0, sum)).collect::<Vec<f64>>().await.into_iter().sum();
    total as usize
}

fn show(status: &Status, screen: &Screen) -> Result<(), Error> {
    let line = |good: bool, name: &str, text: String| screen.line(format!("{} {name:<14} {text}", screen.mark(good)));
    let part =
        |name: &str, part: Part, unit: &str| line(part.complete() && part.wanted > 0, name, format!("{part} {unit}"));
    part("control plane", status.control_plane, "ready")?;
    part("cni", status.cni, "nodes")?;
    part("ztunnel", status.ztunnel, "nodes")?;
    line(status.pods_captured.complete(), "pods captured", status.pods_captured.to_string())?;
    line(status.configuration.complete(), "configuration", format!("{} nodes in sync", status.configuration))?;
    let certificates = &status.certificates;
    let expiry =
        certificates.earliest_expiry.as_ref().map_or_else(String::new, |moment| format!(", the first ends {moment}"));
    line(
        certificates.valid == certificates.wanted,
        "certificates",
        format!("{}/{} valid{expiry}", certificates.valid, certificates.wanted),
    )?;
    if status.older_connections > 0 {
        let text =
            format!("! {} connections are older than their pod's enrolment: not secured", status.older_connections);
        screen.line(screen.paint(Tone::Warn, &text))?;
    }
    for error in &status.errors {
        screen.line(format!("  {}", screen.paint(Tone::Bad, &error.replace('\n', "\n    "))))?;
    }
    Ok(())
}
