//! `cargo xtask cluster`: a real Kubernetes on this machine, up and down by hand.

use std::{error::Error, os::unix::process::CommandExt, path::PathBuf, process::Command};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use testbed::cluster::{Cluster, Family, Options};

use crate::accept::lab::causes;

/// What to do with a cluster
#[derive(Subcommand)]
pub enum Action {
    /// Bring a cluster up; the first time, this builds Kubernetes
    Up {
        #[command(flatten)]
        name: Name,
        /// How many nodes it has
        #[arg(long, default_value_t = 2)]
        nodes: usize,
        /// Give it IPv6 addresses alone
        #[arg(long, conflicts_with = "dual")]
        ipv6: bool,
        /// Give it IPv4 and IPv6 addresses
        #[arg(long)]
        dual: bool,
    },
    /// Show whether a cluster is up, its nodes and its processes
    Status {
        #[command(flatten)]
        name: Name,
        /// How to show it
        #[arg(short, long, value_enum, default_value_t = Format::Text)]
        output: Format,
    },
    /// Import image files into all nodes
    Load {
        #[command(flatten)]
        name: Name,
        /// Image files, as `docker save` and `cargo xtask image` write them
        #[arg(required = true)]
        images: Vec<PathBuf>,
    },
    /// Run a command in a node
    Exec {
        #[command(flatten)]
        name: Name,
        /// The node
        #[arg(long, default_value = "node0")]
        node: String,
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Print the path of the kubeconfig
    Kubeconfig {
        #[command(flatten)]
        name: Name,
    },
    /// Take a cluster down, and leave nothing of it
    Down {
        #[command(flatten)]
        name: Name,
    },
}

/// Which cluster
#[derive(Args)]
pub struct Name {
    /// The name of the cluster
    #[arg(long, default_value = "default")]
    name: String,
}

/// How output looks
#[derive(Clone, Copy, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Does one action; the error is all its causes in a line.
pub fn act(action: Action) -> Result<(), String> {
    perform(action).map_err(|error| causes(&*error))
}

fn perform(action: Action) -> Result<(), Box<dyn Error>> {
    match action {
        Action::Up { name, nodes, ipv6, dual } => {
            let family = match (ipv6, dual) {
                (true, _) => Family::Ipv6,
                (_, true) => Family::Dual,
                _ => Family::Ipv4,
            };
            let cluster = Cluster::up(&Options { name: name.name, nodes, family })?;
            println!("cluster {} is up: export KUBECONFIG={}", cluster.options().name, cluster.kubeconfig().display());
        }
        Action::Status { name, output } => status(&Cluster::find(&name.name)?, output)?,
        Action::Load { name, images } => {
            let cluster = Cluster::find(&name.name)?;
            for image in images {
                cluster.load(&image)?;
                println!("{} is in {} nodes", image.display(), cluster.nodes().len());
            }
        }
        Action::Exec { name, node, command } => return exec(&Cluster::find(&name.name)?, &node, &command),
        Action::Kubeconfig { name } => println!("{}", Cluster::find(&name.name)?.kubeconfig().display()),
        Action::Down { name } => {
            let what = if Cluster::remove(&name.name)? { "down" } else { "not there" };
            println!("cluster {} is {what}", name.name);
        }
    }
    Ok(())
}

fn status(cluster: &Cluster, format: Format) -> Result<(), Box<dyn Error>> {
    let ready = ready_nodes(cluster)?;
    let processes = cluster.processes();
    if matches!(format, Format::Json) {
        let processes: Vec<_> =
            processes.iter().map(|(name, pid, alive)| json!({ "name": name, "pid": pid, "alive": alive })).collect();
        let status = json!({
            "options": cluster.options(), "kubeconfig": cluster.kubeconfig(), "state": cluster.state(),
            "nodes": cluster.nodes(), "ready": ready, "processes": processes,
        });
        println!("{status:#}");
        return Ok(());
    }
    println!("cluster {}: kubeconfig {}", cluster.options().name, cluster.kubeconfig().display());
    for node in cluster.nodes() {
        let ready = if ready.contains(&node.name) { "ready" } else { "not ready" };
        let addresses: Vec<String> = node.ips.iter().map(ToString::to_string).collect();
        println!("{}  {ready}  {}  init {}", node.name, addresses.join(" "), node.init);
    }
    let running: Vec<&str> =
        processes.iter().filter(|(_, _, alive)| *alive).map(|(name, _, _)| name.as_str()).collect();
    println!("running: {}", running.join(", "));
    Ok(())
}

fn ready_nodes(cluster: &Cluster) -> Result<Vec<String>, Box<dyn Error>> {
    let output = cluster.kubectl().args(["get", "nodes", "-o", "json", "--request-timeout=10s"]).output()?;
    let list: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let is_ready = |node: &&serde_json::Value| {
        let conditions = node["status"]["conditions"].as_array();
        conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
    };
    let nodes = list["items"].as_array().into_iter().flatten().filter(is_ready);
    Ok(nodes.filter_map(|node| node["metadata"]["name"].as_str().map(str::to_owned)).collect())
}

/// Becomes the command, so that a terminal and a status pass through.
fn exec(cluster: &Cluster, node: &str, command: &[String]) -> Result<(), Box<dyn Error>> {
    let node = cluster.nodes().iter().find(|one| one.name == node).ok_or_else(|| format!("there is no node {node}"))?;
    let mut program: Command = node.command(command);
    Err(Box::new(program.exec()))
}
