//! A real Kubernetes on one machine, without Docker: for acceptance tests, and for `cargo xtask cluster`.
//!
//! Everything of a cluster lives in namespaces of its own. The host has one link into its network, to reach the API
//! server, and a folder of state under the cache, from which any later process can find the cluster and take it down.

pub(crate) mod command;
pub(crate) mod components;
mod control;
pub(crate) mod go;
mod groups;
mod host;
mod network;
mod node;
mod objects;
mod packages;
mod pki;
mod plan;
mod process;
mod snapshot;
#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

pub use self::{
    command::Error as CommandError,
    node::Node,
    pki::Error as PkiError,
    plan::{Family, Options},
    snapshot::Snapshot,
};
use self::{
    command::{finish, write},
    components::{Components, lock},
    control::Control,
    node::Starter,
    pki::Pki,
    plan::Plan,
    process::Records,
};
use crate::cache::cache_dir;

/// How long nodes and DNS may take to be ready.
const READY: Duration = Duration::from_secs(120);

/// What goes wrong with a cluster.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Options that cannot be met.
    #[error("{0}")]
    Options(String),
    /// A caller that may not make namespaces.
    #[error("a cluster needs root: its nodes have network, mount and PID namespaces of their own")]
    NotRoot,
    /// A cluster that is not there.
    #[error("no cluster {0} is up: `cargo xtask cluster up` makes one")]
    Absent(String),
    /// A cluster of which only a part is there.
    #[error("cluster {name} is not whole, {reason}: `cargo xtask cluster up` makes it anew")]
    Broken {
        /// Its name.
        name: String,
        /// What is missing.
        reason: String,
    },
    /// A cluster of the same name that differs.
    #[error(
        "cluster {name} is up with {nodes} nodes and {family:?} addresses: take it down first, or give another name"
    )]
    Different {
        /// Its name.
        name: String,
        /// How many nodes it has.
        nodes: usize,
        /// Which addresses it has.
        family: Family,
    },
    /// More clusters than there are networks for.
    #[error("no free network 172.30.x.0/24 is left on this machine")]
    Full,
    /// A step that failed.
    #[error(transparent)]
    Step(#[from] command::Error),
    /// Certificates that cannot be made.
    #[error(transparent)]
    Pki(#[from] pki::Error),
}

/// A cluster that is up.
#[derive(Debug)]
pub struct Cluster {
    plan: Plan,
    state: PathBuf,
    kubeconfig: PathBuf,
    nodes: Vec<Node>,
}

/// What is known of a cluster between processes.
#[derive(Serialize, Deserialize)]
struct Saved {
    plan: Plan,
    boot: String,
    ready: bool,
}

impl Cluster {
    /// Brings a cluster up, unless it is up already; what an earlier run left of it is taken down first.
    ///
    /// It prints a line on the standard error for each slow step. The first call on a machine builds Kubernetes, which
    /// takes minutes.
    ///
    /// # Errors
    /// A caller that is not root, a cluster of the same name with other options, or a step that fails: its error has
    /// the end of the log that tells why. What was started then stays, to be looked at; `up` and `remove` end it.
    pub fn up(options: &Options) -> Result<Self, Error> {
        if let Some(complaint) = options.complaint() {
            return Err(Error::Options(complaint));
        }
        if !host::is_root() {
            return Err(Error::NotRoot);
        }
        let components = Components::ready()?;
        let _lock = lock(&clusters().join(".lock"), "clusters of this machine")?;
        match Self::find(&options.name) {
            Ok(cluster) if cluster.plan.options == *options => return Ok(cluster),
            Ok(Self { plan: Plan { options: Options { name, nodes, family }, .. }, .. }) => {
                return Err(Error::Different { name, nodes, family });
            }
            Err(error) => {
                if matches!(error, Error::Broken { .. }) {
                    eprintln!("{error}");
                }
                remove(&options.name)?
            }
        };
        let plan = Plan { options: options.clone(), index: free_network().ok_or(Error::Full)? };
        let start = Instant::now();
        let cluster = Self::make(plan, &components)?;
        eprintln!("cluster {} is ready after {:.1} s", options.name, start.elapsed().as_secs_f64());
        Ok(cluster)
    }

    /// Returns a cluster that is up.
    ///
    /// # Errors
    /// A cluster that is not there, or is not whole.
    pub fn find(name: &str) -> Result<Self, Error> {
        let broken = |reason: String| Error::Broken { name: name.to_owned(), reason };
        let state = clusters().join(name);
        let saved = Saved::read(&state).ok_or_else(|| Error::Absent(name.to_owned()))?;
        if saved.boot != host::boot() {
            return Err(broken("the machine has started again since".to_owned()));
        }
        if !saved.ready {
            return Err(broken("its start did not end".to_owned()));
        }
        let records = records(&state);
        if let Some((process, _)) = records.all().iter().find(|(_, process)| !process.alive()) {
            return Err(broken(format!("{process} has ended")));
        }
        let init = |node| Some(records.named(&format!("{}-init", plan::node_name(node)))?.pid);
        let nodes = (0..saved.plan.options.nodes).map(|node| Node::of(&saved.plan, &state, node, init(node)?));
        let nodes =
            nodes.collect::<Option<Vec<_>>>().ok_or_else(|| broken("a node has no first process".to_owned()))?;
        let cluster = Self { plan: saved.plan, kubeconfig: kubeconfig(&state), state, nodes };
        // More than once: a busy machine may be late with one answer, and that is no reason to make it all anew.
        let alive = || finish(kubectl(&cluster.kubeconfig).args(["get", "--raw=/livez"]), &[], command::QUICK).ok();
        let log = control::log(&cluster.state, "apiserver");
        match command::wait("answer of the API server", Duration::from_secs(30), &log, alive) {
            Ok(_) => Ok(cluster),
            Err(error) => Err(broken(error.to_string())),
        }
    }

    /// Takes the cluster down, and leaves nothing of it.
    ///
    /// # Errors
    /// Something that does not go away in time.
    pub fn down(self) -> Result<(), Error> {
        Self::remove(&self.plan.options.name).map(drop)
    }

    /// Takes down what there is of a cluster, whole or not, and returns whether there was anything.
    ///
    /// # Errors
    /// Something that does not go away in time.
    pub fn remove(name: &str) -> Result<bool, Error> {
        let named = Options { name: name.to_owned(), ..Options::default() };
        if let Some(complaint) = named.complaint() {
            return Err(Error::Options(complaint));
        }
        if !host::is_root() {
            return Err(Error::NotRoot);
        }
        let _lock = lock(&clusters().join(".lock"), "clusters of this machine")?;
        remove(name)
    }

    /// Returns the options it was made with.
    pub fn options(&self) -> &Options {
        &self.plan.options
    }

    /// Returns the kubeconfig of its administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Returns its nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns the folder of its state, with `log/` of the control plane.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Returns a `kubectl` that talks to it.
    pub fn kubectl(&self) -> Command {
        direct(command::command(Components::kubectl(), &["--kubeconfig", &self.kubeconfig.display().to_string()]))
    }

    /// Imports an image file into all nodes.
    ///
    /// # Errors
    /// A file that cannot be read, or that is no image.
    pub fn load(&self, image: &Path) -> Result<(), Error> {
        Ok(together(&self.nodes, |node| node.load(image)).map(drop)?)
    }

    /// Runs a program in the network, mount and PID namespace of a node, for five minutes at most.
    ///
    /// # Errors
    /// A program that does not start or does not end; its status is in the output.
    pub fn exec_on_node(&self, node: &Node, program: &[&str]) -> Result<Output, Error> {
        Ok(node.output(program)?)
    }

    /// Returns the recorded processes: name, number, and whether each lives.
    pub fn processes(&self) -> Vec<(String, u32, bool)> {
        records(&self.state).all().into_iter().map(|(name, process)| (name, process.pid, process.alive())).collect()
    }

    fn make(plan: Plan, components: &Components) -> Result<Self, Error> {
        let state = clusters().join(&plan.options.name);
        let mut saved = Saved { plan, boot: host::boot(), ready: false };
        saved.write(&state)?;
        let plan = &saved.plan;
        let (pki, records) = (Pki::new(state.join("pki")), records(&state));
        pki.make(plan)?;
        network::make(plan)?;
        groups::make(plan)?;
        host::make_folders(&clusters().join(".folders"), &node::MOUNTED.map(Path::new))?;

        let kubeconfig = kubeconfig(&state);
        let control = Control { plan, pki: &pki, records: &records, programs: &components.kubernetes, state: &state };
        let starter = Starter { plan, pki: &pki, records: &records, components, state: &state };
        eprintln!("starting the control plane and {} nodes", plan.options.nodes);
        control.start()?;
        let indexes: Vec<usize> = (0..plan.options.nodes).collect();
        let nodes = together(&indexes, |node| starter.start(*node))?;
        control.wait(|| kubectl(&kubeconfig))?;
        control.start_controllers()?;
        let apply = ["apply", "--server-side", "--validate=false", "-f", "-"];
        finish(kubectl(&kubeconfig).args(apply), objects::manifest(plan).as_bytes(), command::QUICK)?;
        eprintln!("waiting for the nodes and for DNS");
        together(&indexes, |node| starter.join(*node))?;
        let cluster = Self { plan: plan.clone(), state, kubeconfig, nodes };
        cluster.wait()?;
        saved.ready = true;
        saved.write(&cluster.state)?;
        Ok(cluster)
    }

    fn wait(&self) -> Result<(), Error> {
        let limit = format!("--timeout={}s", READY.as_secs());
        let margin = READY + Duration::from_secs(10);
        for node in &self.nodes {
            let mut ready = kubectl(&self.kubeconfig);
            ready.args(["wait", "--for=condition=Ready", &format!("node/{}", node.name), &limit]);
            finish(&mut ready, &[], margin).map_err(|error| {
                explained(error, &format!("{} is not ready", node.name), &node.logs.join("kubelet.log"))
            })?;
        }
        let mut ready = kubectl(&self.kubeconfig);
        ready.args(["--namespace=kube-system", "rollout", "status", "deployment/coredns", &limit]);
        let Err(error) = finish(&mut ready, &[], margin) else { return Ok(()) };
        let events = finish(
            kubectl(&self.kubeconfig).args(["--namespace=kube-system", "describe", "pods"]),
            &[],
            command::QUICK,
        );
        let log = self.state.join("log/dns.log");
        write(&log, events.unwrap_or_default())?;
        Err(explained(error, "the cluster's DNS is not ready", &log).into())
    }
}

impl Saved {
    fn read(state: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(state.join("cluster.json")).ok()?).ok()
    }

    fn write(&self, state: &Path) -> Result<(), command::Error> {
        let text = serde_json::to_string_pretty(self).expect("plain data has a JSON form");
        // Renamed into place: a half-written state would hide what there is to take down.
        let (unfinished, path) = (state.join("cluster.json.new"), state.join("cluster.json"));
        write(&unfinished, text)?;
        fs::rename(&unfinished, &path).map_err(|source| command::Error::File { path, action: "written", source })
    }
}

/// Takes down what there is of a cluster. The order matters: nothing goes away that a process still uses.
fn remove(name: &str) -> Result<bool, Error> {
    let state = clusters().join(name);
    if !state.exists() {
        return Ok(false);
    }
    if let Some(saved) = Saved::read(&state) {
        eprintln!("taking down what is there of cluster {name}");
        if saved.boot == host::boot() {
            end_processes(&saved.plan, &state)?;
        }
        network::remove(&saved.plan)?;
        groups::remove(&saved.plan)?;
    }
    if !network::any() {
        host::remove_folders(&clusters().join(".folders"));
    }
    fs::remove_dir_all(&state).map_err(|source| command::Error::File { path: state, action: "removed", source })?;
    Ok(true)
}

/// Ends all processes of a cluster, by their records.
///
/// A start that was killed may have left one that is about to write its record, and a person may have put one of their
/// own into a namespace: they get a moment to be recorded or to end, and are then named, not killed.
fn end_processes(plan: &Plan, state: &Path) -> Result<(), command::Error> {
    let records = records(state);
    let mut left = None;
    let limit = Duration::from_secs(10);
    command::wait_until(limit, || {
        let ended = records.end();
        left = network::inhabitant(plan);
        (ended.is_err() || left.is_none()).then_some(ended)
    })
    .unwrap_or_else(|| {
        let (pid, name) = left.unwrap_or_default();
        let what = format!("process {pid} ({name}), which is not of the cluster, does not leave its network");
        Err(command::Error::Late { what, seconds: limit.as_secs(), log: String::new() })
    })
}

fn clusters() -> PathBuf {
    cache_dir().join("clusters")
}

fn records(state: &Path) -> Records {
    Records::new(state.join("processes"))
}

fn kubeconfig(state: &Path) -> PathBuf {
    state.join("pki/admin.conf")
}

/// Returns a `kubectl` for this module's own waits.
fn kubectl(kubeconfig: &Path) -> Command {
    direct(command::tied(Components::kubectl(), &["--kubeconfig", &kubeconfig.display().to_string()]))
}

/// Takes the proxies of the caller away: none of them knows a way into the namespace.
fn direct(mut command: Command) -> Command {
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(proxy);
    }
    command
}

fn free_network() -> Option<u8> {
    let used: Vec<u8> = fs::read_dir(clusters())
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some(Saved::read(&entry.path())?.plan.index))
        .collect();
    (0..=u8::MAX).find(|index| !used.contains(index) && !network::taken(*index))
}

/// Does a step for all at once.
fn together<T: Sync, R: Send>(
    all: &[T],
    step: impl Fn(&T) -> Result<R, command::Error> + Sync,
) -> Result<Vec<R>, command::Error> {
    let step = &step;
    thread::scope(|scope| {
        let threads: Vec<_> = all.iter().map(|one| scope.spawn(move || step(one))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Adds the end of a log to what `kubectl wait` says, which is only that it waited.
fn explained(error: command::Error, what: &str, log: &Path) -> command::Error {
    match command::wait::<()>(what, Duration::ZERO, log, || None) {
        Err(command::Error::Late { log, .. }) => {
            command::Error::Late { what: format!("{what}: {error}"), seconds: READY.as_secs(), log }
        }
        _ => error,
    }
}
