//! `ambient status`: one screen that says whether the mesh is well, from what runs and not from what was asked for.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use futures::{StreamExt, future::try_join_all, stream};
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
#[command(
    after_help = "Exit code 0 when all is well, 1 when not, or when that cannot be told. What cannot be asked is named and
counts as not well; the rest is shown. With --wait, failures of the cluster are waited out as well.

Examples:
  ambient status
  ambient status --wait --timeout 60s
  ambient status -o json | jq .podsCaptured"
)]
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

/// How often `--wait` looks.
const EVERY: Duration = Duration::from_secs(1);
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
    let status = if args.wait { until_well(&cluster, args.timeout).await? } else { look(&cluster).await? };
    let shown = match args.output {
        Format::Table => show(&status, screen),
        format => screen.data(format, &status),
    };
    screen.answered(shown, u8::from(!status.healthy))
}

/// Looks again and again until all is well or time is up; returns what was seen last.
async fn until_well(cluster: &Cluster, limit: Duration) -> Result<Status, Error> {
    let end = Instant::now() + limit;
    let mut last = Err(Error::user(format!("no answer from the cluster within {} s", limit.as_secs())));
    while let Ok(seen) = tokio::time::timeout_at(end.into(), look(cluster)).await {
        let well = seen.as_ref().is_ok_and(|status| status.healthy);
        last = seen;
        // Not one watch but many sources: a second is short for a person and long for a cluster.
        if well || Instant::now() + EVERY >= end {
            break;
        }
        tokio::time::sleep(EVERY).await;
    }
    last
}

async fn look(cluster: &Cluster) -> Result<Status, Error> {
    let mut status = Status::default();
    let (counts, modes, pods) = tokio::try_join!(
        try_join_all(Workload::ALL.map(|workload| wait::count(cluster, workload))),
        Modes::read(cluster),
        enrolment::running_pods(cluster),
    )?;
    for (workload, count) in Workload::ALL.into_iter().zip(counts) {
        let part = count.map_or_else(Part::default, |count| Part { ready: count.ready, wanted: count.wanted });
        match count {
            None => {
                status.errors.push(format!("{} is not installed in namespace {}", workload.name(), cluster.system));
            }
            Some(count) if !count.complete() => status.errors.extend(wait::obstacles(cluster, workload).await),
            Some(_) => {}
        }
        match workload {
            Workload::Agent => status.control_plane = part,
            Workload::Cni => status.cni = part,
            Workload::Ztunnel => status.ztunnel = part,
        }
    }
    let wanted: Vec<&Pod> = pods.iter().filter(|pod| modes.wants(pod)).collect();
    let captured: Vec<&Pod> = wanted.iter().copied().filter(|pod| enrolment::captured(pod)).collect();
    status.pods_captured = Part { ready: captured.len(), wanted: wanted.len() };
    status.errors.extend(uncaptured(&wanted));
    let ((dumps, silent), (older, untold)) = tokio::join!(dumps(cluster), older_connections(cluster));
    status.configuration = configuration(&dumps, &captured, &mut status.errors);
    // One that says nothing is not known to be in sync.
    status.configuration.wanted += silent.len();
    status.certificates = certificates(&dumps, &mut status.errors);
    status.older_connections = older;
    status.errors.extend(silent.into_iter().chain(untold));
    let parts = [status.control_plane, status.cni, status.ztunnel, status.pods_captured, status.configuration];
    let certain = status.certificates.valid == status.certificates.wanted;
    status.healthy = status.errors.is_empty() && certain && parts.into_iter().all(Part::complete);
    Ok(status)
}

fn uncaptured(wanted: &[&Pod]) -> Vec<String> {
    /// A node agent that is away leaves out hundreds.
    const NAMED: usize = 10;
    let missing: Vec<_> = wanted.iter().filter(|pod| !enrolment::captured(pod)).collect();
    let name = |pod: &&&Pod| format!("pod {}/{} is not captured", pod.namespace().unwrap_or_default(), pod.name_any());
    let mut told: Vec<String> = missing.iter().take(NAMED).map(name).collect();
    if missing.len() > NAMED {
        told.push(format!("{} more pods are not captured", missing.len() - NAMED));
    }
    told
}

/// Asks all ztunnels; of those that do not answer, says so. That none is there is told elsewhere.
async fn dumps(cluster: &Cluster) -> (Vec<Dump>, Vec<String>) {
    match dump::running(cluster, None).await {
        Ok(ztunnels) => {
            let (dumps, failures) = dump::fetch(cluster, &ztunnels).await;
            (dumps, failures.iter().map(Error::one_line).collect())
        }
        Err(error) => (Vec::new(), vec![error.one_line()]),
    }
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

/// Sums over the nodes; of those that do not answer, says so: their number is not known.
async fn older_connections(cluster: &Cluster) -> (usize, Vec<String>) {
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.system);
    let list = match api.list(&ListParams::default().labels(Workload::Cni.selector())).await {
        Ok(list) => list,
        Err(error) => return (0, vec![cluster.failed("list pods of the node agent", &error).one_line()]),
    };
    // Those that are not ready are told of elsewhere.
    let pods = list.items.into_iter().filter(|pod| enrolment::running(pod) && wait::is_ready(pod));
    let ask = async |pod: Pod| {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
        let answer = forward::get(cluster, &pod.name_any(), CNI_METRICS, "/metrics").await;
        answer.map_err(|error| format!("the node agent on {node} cannot be asked: {}", error.one_line()))
    };
    let answers: Vec<_> = stream::iter(pods).map(ask).buffered(16).collect().await;
    let (mut sum, mut silent) = (0.0, Vec::new());
    for answer in answers {
        match answer {
            Ok(text) => {
                let lines = text.lines().filter(|line| line.starts_with(OLDER));
                sum += lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>();
            }
            Err(error) => silent.push(error),
        }
    }
    (sum as usize, silent)
}

fn show(status: &Status, screen: &Screen) -> Result<(), Error> {
    let line = |good: bool, name: &str, text: String| screen.line(format!("{} {name:<14} {text}", screen.mark(good)));
    let part =
        |name: &str, part: Part, unit: &str| line(part.complete() && part.wanted > 0, name, format!("{part} {unit}"));
    part("control plane", status.control_plane, "ready")?;
    part("cni", status.cni, "nodes")?;
    part("ztunnel", status.ztunnel, "nodes")?;
    line(status.pods_captured.complete(), "pods captured", status.pods_captured.to_string())?;
    part("configuration", status.configuration, "nodes in sync")?;
    let certificates = &status.certificates;
    let expiry =
        certificates.earliest_expiry.as_ref().map_or_else(String::new, |moment| format!(", the first ends {moment}"));
    line(
        certificates.valid == certificates.wanted && status.configuration.wanted > 0,
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
