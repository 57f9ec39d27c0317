//! `ambient ztunnel-config`: what the ztunnels know, of one node or of all, in istioctl's tables.

pub mod dump;
pub mod tables;

use std::path::PathBuf;

use hyper::Method;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    args::{Format, Global},
    cluster::{Cluster, forward},
    error::Error,
    screen::Screen,
};
use dump::{ADMIN_PORT, items, text};
use tables::Direction;

/// Show what the ztunnels know: workloads, services, policies, certificates, connections
#[derive(Debug, clap::Args)]
#[command(after_help = "Without --node or a pod, all nodes are asked and the answers are merged.

Examples:
  ambient ztunnel-config workload --workload-namespace shop
  ambient ztunnel-config certificate web-0.shop
  ambient ztunnel-config connections --node worker-1 --direction inbound
  ambient ztunnel-config all -o json > dump.json
  ambient ztunnel-config service --file dump.json
  ambient ztunnel-config log --level access=debug,info")]
pub struct Args {
    #[command(subcommand)]
    topic: Topic,
}

#[derive(Debug, clap::Subcommand)]
enum Topic {
    /// Show the workloads
    #[command(visible_aliases = ["w", "workloads"])]
    Workload {
        #[command(flatten)]
        source: Source,
        /// Only the workload with this address
        #[arg(long)]
        address: Option<String>,
        /// Only workloads of this namespace
        #[arg(long)]
        workload_namespace: Option<String>,
        /// Only workloads on this node
        #[arg(long)]
        workload_node: Option<String>,
    },
    /// Show the services and their endpoints
    #[command(visible_aliases = ["services", "s", "svc"])]
    Service {
        #[command(flatten)]
        source: Source,
        /// Only services of this namespace
        #[arg(long)]
        service_namespace: Option<String>,
    },
    /// Show the authorization policies
    #[command(visible_aliases = ["policies", "p", "pol"])]
    Policy {
        #[command(flatten)]
        source: Source,
        /// Only policies of this namespace
        #[arg(long)]
        policy_namespace: Option<String>,
    },
    /// Show the certificates
    #[command(visible_aliases = ["certificates", "certs", "cert"])]
    Certificate {
        #[command(flatten)]
        source: Source,
    },
    /// Show the open connections
    #[command(visible_alias = "cons")]
    Connections {
        #[command(flatten)]
        source: Source,
        /// Only connections in this direction
        #[arg(long, value_enum)]
        direction: Option<Direction>,
        /// Show addresses instead of names
        #[arg(long)]
        raw: bool,
        /// Only connections of workloads in this namespace
        #[arg(long)]
        workload_namespace: Option<String>,
    },
    /// Show everything
    #[command(visible_alias = "a")]
    All {
        #[command(flatten)]
        source: Source,
        /// Put a heading over each table
        #[arg(long)]
        with_headers: bool,
    },
    /// Show or change the log level
    #[command(visible_alias = "o")]
    Log {
        /// Pod of a ztunnel; all without one
        pod: Option<String>,
        /// Only the ztunnel of this node
        #[arg(long, conflicts_with = "pod")]
        node: Option<String>,
        /// New level, such as debug or access=debug,info
        #[arg(long)]
        level: Option<String>,
        /// Go back to the level at the start
        #[arg(long, short, conflicts_with = "level")]
        reset: bool,
    },
}

/// Where the answer comes from.
#[derive(Debug, clap::Args)]
struct Source {
    /// Pod of a ztunnel, or a workload's pod: name or name.namespace
    pod: Option<String>,
    /// Only the ztunnel of this node
    #[arg(long, conflicts_with_all = ["pod", "file"])]
    node: Option<String>,
    /// Read a saved dump instead; `-` is the standard input
    #[arg(long, short, conflicts_with = "pod", value_name = "FILE")]
    file: Option<PathBuf>,
    /// How to write the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// A pod that the answer is narrowed to: name and namespace.
type Only = Option<(String, String)>;

/// What there is to be shown.
struct Known {
    data: Value,
    only: Only,
    /// Ztunnels that did not answer.
    failures: Vec<Error>,
}

/// Runs the command.
pub async fn run(args: Args, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let source = match &args.topic {
        Topic::Log { pod, node, level, reset } => {
            return log(global, screen, pod.as_deref(), node.as_deref(), level.as_deref(), *reset).await;
        }
        Topic::Workload { source, .. }
        | Topic::Service { source, .. }
        | Topic::Policy { source, .. }
        | Topic::Certificate { source }
        | Topic::Connections { source, .. }
        | Topic::All { source, .. } => source,
    };
    let known = load(source, global).await?;
    present(&args.topic, &known.data, &known.only, screen)?;
    // Below the table, where it is seen.
    known.failures.iter().for_each(Error::print);
    Ok(u8::from(!known.failures.is_empty()))
}

fn present(topic: &Topic, data: &Value, only: &Only, screen: &Screen) -> Result<(), Error> {
    let same = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    match topic {
        Topic::Workload { source, address, workload_namespace, workload_node } => {
            let chosen: Vec<&Value> = items(data, "workloads")
                .into_iter()
                .filter(|item| is_pod(item, only))
                .filter(|item| {
                    same(workload_namespace, text(item, "namespace")) && same(workload_node, text(item, "node"))
                })
                .filter(|item| {
                    let mut ips = items(item, "workloadIps").into_iter().filter_map(Value::as_str);
                    address.as_deref().is_none_or(|wanted| ips.any(|ip| ip == wanted))
                })
                .collect();
            show(screen, source, &chosen, || tables::workloads(data, &chosen).to_string())
        }
        Topic::Service { source, service_namespace } => {
            let all = items(data, "services").into_iter();
            let chosen: Vec<&Value> = all.filter(|item| same(service_namespace, text(item, "namespace"))).collect();
            show(screen, source, &chosen, || tables::services(data, &chosen).to_string())
        }
        Topic::Policy { source, policy_namespace } => {
            let all = items(data, "policies").into_iter();
            let chosen: Vec<&Value> = all.filter(|item| same(policy_namespace, text(item, "namespace"))).collect();
            show(screen, source, &chosen, || tables::policies(&chosen).to_string())
        }
        Topic::Certificate { source } => {
            let owner =
                only.as_ref().and_then(|_| items(data, "workloads").into_iter().find(|item| is_pod(item, only)));
            let suffix =
                owner.map(|item| format!("/ns/{}/sa/{}", text(item, "namespace"), text(item, "serviceAccount")));
            let all = items(data, "certificates").into_iter();
            let chosen: Vec<&Value> = all
                .filter(|item| suffix.as_ref().is_none_or(|suffix| text(item, "identity").ends_with(suffix)))
                .collect();
            show(screen, source, &chosen, || tables::certificates(&chosen, OffsetDateTime::now_utc()).to_string())
        }
        Topic::Connections { source, direction, raw, workload_namespace } => {
            let mut chosen =
                states(data, |info| is_pod(info, only) && same(workload_namespace, text(info, "namespace")));
            for state in &mut chosen {
                keep_direction(state, *direction);
            }
            let chosen: Vec<&Value> = chosen.iter().collect();
            show(screen, source, &chosen, || tables::connections(data, &chosen, *direction, *raw).to_string())
        }
        Topic::All { source, with_headers } => {
            if source.output != Format::Table {
                return screen.data(source.output, data);
            }
            everything(screen, data, *with_headers)
        }
        Topic::Log { .. } => Ok(()),
    }
}

fn show(screen: &Screen, source: &Source, chosen: &[&Value], table: impl FnOnce() -> String) -> Result<(), Error> {
    match source.output {
        Format::Table => screen.text(&table()),
        format => screen.data(format, &chosen),
    }
}

fn everything(screen: &Screen, data: &Value, with_headers: bool) -> Result<(), Error> {
    let states = states(data, |_| true);
    let states: Vec<&Value> = states.iter().collect();
    let now = OffsetDateTime::now_utc();
    let parts = [
        ("WORKLOAD", tables::workloads(data, &items(data, "workloads"))),
        ("SERVICE", tables::services(data, &items(data, "services"))),
        ("POLICY", tables::policies(&items(data, "policies"))),
        ("CERTIFICATE", tables::certificates(&items(data, "certificates"), now)),
        ("CONNECTION", tables::connections(data, &states, None, false)),
    ];
    for (index, (name, table)) in parts.iter().enumerate() {
        if index > 0 {
            screen.line("")?;
        }
        if with_headers {
            screen.line(format!("------ {name} INFO ------"))?;
        }
        screen.text(&table.to_string())?;
    }
    Ok(())
}

/// Returns the states of workloads whose info is wanted, each with its key as `uid`.
fn states(data: &Value, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let all = data.get("workloadState").and_then(Value::as_object).into_iter().flatten();
    let wanted = all.filter(|(_, state)| wanted(state.get("info").unwrap_or(&Value::Null)));
    wanted
        .map(|(uid, state)| {
            let mut state = state.clone();
            if let Some(fields) = state.as_object_mut() {
                fields.insert("uid".into(), uid.clone().into());
            }
            state
        })
        .collect()
}

fn keep_direction(state: &mut Value, direction: Option<Direction>) {
    let unwanted = match direction {
        None => return,
        Some(Direction::Inbound) => "outbound",
        Some(Direction::Outbound) => "inbound",
    };
    if let Some(connections) = state.get_mut("connections").and_then(Value::as_object_mut) {
        connections.remove(unwanted);
    }
}

fn is_pod(item: &Value, only: &Only) -> bool {
    only.as_ref().is_none_or(|(name, namespace)| text(item, "name") == name && text(item, "namespace") == namespace)
}

/// Gets the merged dump, and the pod to narrow it to.
async fn load(source: &Source, global: &Global) -> Result<Known, Error> {
    if let Some(file) = &source.file {
        return Ok(Known { data: dump::read(file)?.data, only: None, failures: Vec::new() });
    }
    let cluster = Cluster::connect(global).await?;
    let (ztunnels, only) = match &source.pod {
        Some(pod) => of_pod(&cluster, pod, global.namespace.as_deref()).await?,
        None => (dump::ztunnels(&cluster, source.node.as_deref()).await?, None),
    };
    let (dumps, mut failures) = dump::fetch(&cluster, &ztunnels).await;
    match failures.pop() {
        Some(failure) if dumps.is_empty() => Err(failure),
        failure => {
            failures.extend(failure);
            Ok(Known { data: dump::merged(&dumps), only, failures })
        }
    }
}

/// Finds the ztunnel that a pod names: itself, or the one of the workload's node. A dot splits off the namespace.
async fn of_pod(cluster: &Cluster, pod: &str, namespace: Option<&str>) -> Result<(Vec<dump::Ztunnel>, Only), Error> {
    if matches!(pod, "ds/ztunnel" | "daemonset/ztunnel") {
        return Ok((dump::ztunnels(cluster, None).await?, None));
    }
    let pod = pod.trim_start_matches("pod/");
    let (name, place) = match (pod.rsplit_once('.'), namespace) {
        (Some((name, namespace)), _) => (name, namespace),
        (None, Some(namespace)) => (pod, namespace),
        (None, None) => (pod, cluster.system.as_str()),
    };
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), place);
    let found = api.get_opt(name).await.map_err(|error| cluster.failed(&format!("read pod {place}/{name}"), &error))?;
    let found = found.ok_or_else(|| {
        Error::user(format!("there is no pod {name} in namespace {place}")).hint("name it as pod.namespace, or give -n")
    })?;
    let node = found.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let node = node.ok_or_else(|| Error::user(format!("pod {name} is on no node yet")))?;
    let is_ztunnel = place == cluster.system
        && found.metadata.labels.as_ref().is_some_and(|l| l.get("app").is_some_and(|a| a == "ztunnel"));
    if is_ztunnel {
        return Ok((vec![dump::Ztunnel { pod: name.to_owned(), node }], None));
    }
    Ok((dump::ztunnels(cluster, Some(&node)).await?, Some((name.to_owned(), place.to_owned()))))
}

async fn log(
    global: &Global,
    screen: &Screen,
    pod: Option<&str>,
    node: Option<&str>,
    level: Option<&str>,
    reset: bool,
) -> Result<u8, Error> {
    let cluster = Cluster::connect(global).await?;
    let ztunnels = match pod {
        Some(pod) => {
            let (ztunnels, workload) = of_pod(&cluster, pod, global.namespace.as_deref()).await?;
            if workload.is_some() {
                return Err(Error::usage(format!("pod {pod} is no ztunnel")).hint("name a ztunnel pod, or give --node"));
            }
            ztunnels
        }
        None => dump::ztunnels(&cluster, node).await?,
    };
    let path = match level {
        Some(level) => format!("/logging?level={}", percent_encoded(level)),
        None if reset => "/logging?reset".to_owned(),
        None => "/logging".to_owned(),
    };
    let mut failed = false;
    for ztunnel in &ztunnels {
        let answer = forward::ask(&cluster, &ztunnel.pod, ADMIN_PORT, Method::POST, &path).await;
        let outcome = match answer {
            Ok(answer) if answer.status == 200 => Ok(answer.body),
            Ok(answer) => Err(Error::user(format!("{} refuses the level", ztunnel.pod)).because(answer.body.trim())),
            Err(error) => Err(dump::silent(ztunnel, &error)),
        };
        match outcome {
            Ok(text) => screen.line(format!("{}.{}:\n{}", ztunnel.pod, cluster.system, text.trim_end()))?,
            // The others are told all the same.
            Err(error) => {
                failed = true;
                error.print();
            }
        }
    }
    Ok(u8::from(failed))
}

/// Writes a text so that it can stand in a query (RFC 3986 2.1).
fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_can_stand_in_a_query() {
        assert_eq!(percent_encoded("access=debug,x::y:info"), "access%3Ddebug%2Cx%3A%3Ay%3Ainfo");
        assert_eq!(percent_encoded("a b&c"), "a%20b%26c");
    }
}
