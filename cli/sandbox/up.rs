//! Starting and ending sandboxes, and showing which there are.

use std::{
    io::BufRead,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use ::sandbox::{
    client, enter,
    place::{DEFAULT, Place, Settings},
    supervisor::{LET_GO, NODES, Told},
};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::ListParams};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    args::{Format, Global},
    cluster::{Cluster, wait},
    error::Error,
    install::duration,
    sandbox::{absolute, new_name, of},
    screen::{Screen, progress::Progress, table::Table},
};

/// Start a sandbox
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Its name is that of --sandbox=NAME, or `default`. Manifests that are wrong are told with file, line
and column; the others are in force.

Examples:
  ambient sandbox up
  ambient sandbox up -f ./shop -f policies.yaml --nodes 3
  ambient --sandbox=second sandbox up"
)]
pub struct Up {
    /// Folder or file of manifests to keep to; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "DIR|FILE")]
    files: Vec<PathBuf>,
    /// Number of nodes
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=NODES as u64))]
    nodes: u64,
    /// Run in a user namespace although root could do without
    #[arg(long)]
    rootless: bool,
    /// Longest to wait until all is ready, such as 30s
    #[arg(long, default_value = "60s", value_parser = duration)]
    timeout: Duration,
}

/// Show which sandboxes run
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 0 when all that are shown run, their pods are ready and their manifests in force; 1 when not.

Examples:
  ambient sandbox status
  ambient sandbox status -o json | jq '.[].problems'"
)]
pub struct Status {
    /// How to write the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// End a sandbox
#[derive(Debug, clap::Args)]
pub struct Down {
    /// All of them
    #[arg(long)]
    all: bool,
}

/// What can be done when it takes too long.
const LATER: &str = "`ambient sandbox logs POD` shows what a pod wrote; the sandbox goes on trying";

/// A sandbox that this command started.
pub struct Started {
    /// Where it is.
    pub place: Place,
    /// While this is open, the sandbox lives; see [`Self::let_go`].
    leash: Option<ChildStdin>,
    /// How it is.
    pub mode: &'static str,
}

impl Started {
    /// Lets the sandbox go on without this command.
    pub fn let_go(&mut self) {
        use std::io::Write;
        // One that ended meanwhile needs no word.
        let _ = self.leash.take().map(|mut leash| leash.write_all(&[LET_GO]));
    }
}

/// Begins to hear of Ctrl-C, which from then on ends nothing by itself: before anything is made that would be left behind.
pub fn interrupts() -> Result<Signal, Error> {
    signal(SignalKind::interrupt()).map_err(|e| Error::internal("cannot hear of Ctrl-C").caused_by(&e))
}

/// How long a signal may be on its way to this process when another of its group has felt it.
const INTERRUPTED: Duration = Duration::from_millis(100);

/// Takes Ctrl-C for the reason of a failure, if there was one: a terminal sends it to all commands at once, and another may
/// have ended first.
pub async fn or_interrupted<T>(outcome: Result<T, Error>, interrupt: &mut Signal) -> Result<T, Error> {
    match outcome {
        Err(error) => tokio::select! {
            biased;
            _ = interrupt.recv() => Err(Error::interrupted()),
            () = tokio::time::sleep(INTERRUPTED) => Err(error),
        },
        done => done,
    }
}

/// Starts a sandbox and returns when its API answers. It ends with this command, unless it is let go.
pub fn start(settings: &Settings) -> Result<Started, Error> {
    let place = of(&settings.name)?;
    if place.is_running() {
        return Err(Error::user(format!("sandbox {} is running already", place.name)).hint(format!(
            "`ambient --sandbox={0} sandbox status` shows it, `ambient --sandbox={0} sandbox down` ends it",
            place.name
        )));
    }
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Error::user(format!("sandbox {} cannot start", place.name)).caused_by(error)
    };
    let lock = place.claim().map_err(|e| failed(&e))?;
    place.prepare(&lock, settings).map_err(|e| failed(&e))?;
    let number = lock.share().map_err(|e| failed(&e))?;
    let begun = launch(&place, number, settings);
    // From here on it is the sandbox's alone.
    drop(lock);
    if begun.is_err() {
        let _ = place.end();
    }
    begun
}

fn launch(place: &Place, lock: i32, settings: &Settings) -> Result<Started, Error> {
    let internal = |what: &str, error: &(dyn std::error::Error + 'static)| Error::internal(what).caused_by(error);
    let program = std::env::current_exe().map_err(|e| internal("cannot find this program", &e))?;
    let log = std::fs::File::create(place.log()).map_err(|e| internal("cannot write the sandbox's log", &e))?;
    let mut command = Command::new(program);
    command.arg(enter::ENTER).arg(&place.dir).arg(lock.to_string()).stdout(Stdio::piped()).stderr(log);
    // Until it is let go it ends with this command, however that ends.
    command.stdin(Stdio::piped());
    let mut child: Child = command.spawn().map_err(|e| internal("cannot start the sandbox", &e))?;
    let leash = child.stdin.take();
    let Some(out) = child.stdout.take() else { return Err(Error::internal("the sandbox has no output")) };
    let mut line = String::new();
    let read = std::io::BufReader::new(out).read_line(&mut line);
    let _ = child.wait();
    match (read, serde_json::from_str(&line)) {
        (Ok(_), Ok(Told::Up)) => {
            let root = nix::unistd::geteuid().is_root() && !settings.rootless;
            let mode = if root { "as root" } else { "rootless, in a user namespace" };
            Ok(Started { place: place.clone(), leash, mode })
        }
        (Ok(_), Ok(Told::Failed { message, hint })) => {
            let error = Error::user(format!("sandbox {} cannot start", place.name)).because(message);
            Err(match hint {
                Some(hint) => error.hint(hint),
                None => error,
            })
        }
        _ => {
            let log = std::fs::read_to_string(place.log()).unwrap_or_default();
            let last = log.lines().last().unwrap_or("it said nothing").to_owned();
            Err(Error::user(format!("sandbox {} ended at once", place.name)).because(last))
        }
    }
}

/// Waits until the mesh and all pods are ready.
pub async fn until_ready(cluster: &Cluster, limit: Duration, progress: &Progress) -> Result<usize, Error> {
    let end = Instant::now() + limit;
    let ready = wait::ready(cluster, limit, progress).await;
    ready.map_err(|error| error.hint(LATER))?;
    loop {
        let pods = pods(cluster).await?;
        let ready = pods.iter().filter(|p| is_ready(p)).count();
        progress.set("pods", ready, pods.len());
        // Controllers make the last pod in milliseconds; a set that is still empty is seen at its status.
        if ready == pods.len() && settled(cluster).await? {
            progress.clear();
            let way: serde_json::Value = client::page(&cluster.client, "settled")
                .await
                .map_err(|e| cluster.failed("ask for the way to services", &e))?;
            return match way["settled"].as_bool() {
                Some(true) => Ok(ready),
                _ => Err(Error::user("services cannot be reached on every node")
                    .hint("the sandbox's own log, sandbox.log in its directory, says why")),
            };
        }
        if Instant::now() > end {
            progress.clear();
            let mut error = Error::user(format!("not ready within {} s", limit.as_secs()));
            for pod in pods.iter().filter(|p| !is_ready(p)) {
                let name = format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
                error = error.because(format!("pod {name}: {}", state(pod)));
            }
            return Err(error.hint(LATER));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn settled(cluster: &Cluster) -> Result<bool, Error> {
    use k8s_openapi::api::apps::v1::Deployment;
    let api: Api<Deployment> = Api::all(cluster.client.clone());
    let all = api.list(&ListParams::default()).await.map_err(|e| cluster.failed("list deployments", &e))?;
    Ok(all.items.iter().all(|d| {
        let wanted = d.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1);
        let status = d.status.clone().unwrap_or_default();
        status.observed_generation == d.metadata.generation && status.ready_replicas.unwrap_or(0) >= wanted
    }))
}

async fn pods(cluster: &Cluster) -> Result<Vec<Pod>, Error> {
    let api: Api<Pod> = Api::all(cluster.client.clone());
    let list = api.list(&ListParams::default()).await.map_err(|e| cluster.failed("list pods", &e))?;
    Ok(list.items)
}

/// Whether a pod takes traffic, or ended as it should.
fn is_ready(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|s| s.conditions.as_ref()).into_iter().flatten();
    status.and_then(|s| s.phase.as_deref()) == Some("Succeeded")
        || conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

/// Says in a word, or a sentence, how a pod is.
pub fn state(pod: &Pod) -> String {
    if pod.metadata.deletion_timestamp.is_some() {
        return "Terminating".to_owned();
    }
    let status = pod.status.clone().unwrap_or_default();
    if let Some(reason) = status.reason {
        return format!("{reason}: {}", status.message.unwrap_or_default());
    }
    let containers = status.container_statuses.unwrap_or_default();
    for container in &containers {
        let state = container.state.clone().unwrap_or_default();
        if let Some(waiting) = state.waiting {
            let message = waiting.message.filter(|m| !m.is_empty()).map(|m| format!(": {m}")).unwrap_or_default();
            return format!("{}{message}", waiting.reason.unwrap_or_default());
        }
        if let Some(ended) = state.terminated.filter(|ended| ended.exit_code != 0) {
            let failed = if status.phase.as_deref() == Some("Failed") { "Failed: " } else { "" };
            return format!("{failed}ended with {}", ended.exit_code);
        }
    }
    status.phase.unwrap_or_else(|| "Pending".to_owned())
}

/// Runs `up`.
pub async fn up(args: Up, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let begun = Instant::now();
    let settings = Settings {
        name: new_name(global, DEFAULT),
        nodes: usize::try_from(args.nodes).unwrap_or(2),
        manifests: args.files.iter().map(absolute).collect::<Result<_, _>>()?,
        rootless: args.rootless,
    };
    let mut interrupt = interrupts()?;
    let mut started = or_interrupted(start(&settings), &mut interrupt).await?;
    let cluster = Cluster::sandbox(&started.place, global).await?;
    let progress = Progress::new(screen);
    let ready = tokio::select! {
        ready = until_ready(&cluster, args.timeout, &progress) => ready,
        _ = interrupt.recv() => {
            progress.clear();
            let _ = started.place.end();
            return Err(Error::interrupted().hint("the sandbox was ended"));
        }
    };
    // Also one that is not well goes on: its user wants to see why.
    started.let_go();
    let page: Page = page(&cluster).await?;
    for problem in &page.problems {
        screen.say(format!("{} {problem}", screen.mark(false)));
    }
    let pods = ready?;
    screen.say(format!(
        "sandbox {} is up {}: {}, {pods} pods, {:.1} s",
        settings.name,
        started.mode,
        match page.nodes.len() {
            1 => "1 node".to_owned(),
            nodes => format!("{nodes} nodes"),
        },
        begun.elapsed().as_secs_f64()
    ));
    if !page.problems.is_empty() {
        let count = page.problems.len();
        return Err(Error::user(format!("{count} manifests are not in force")).hint("mend the files: they are watched"));
    }
    Ok(0)
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Page {
    name: String,
    directory: PathBuf,
    manifests: Vec<PathBuf>,
    nodes: Vec<NodeLine>,
    problems: Vec<String>,
    supervisor_memory: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct NodeLine {
    name: String,
    address: String,
}

async fn page(cluster: &Cluster) -> Result<Page, Error> {
    client::page(&cluster.client, "status").await.map_err(|e| cluster.failed("ask for the sandbox's state", &e))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(flatten)]
    page: Page,
    running: bool,
    pods: Vec<PodLine>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodLine {
    namespace: String,
    name: String,
    node: String,
    address: String,
    ready: bool,
    state: String,
    restarts: i32,
}

/// Runs `status`: exit code 0 when all sandboxes are well, 1 when not.
pub async fn status(args: Status, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let places = match global.sandbox.as_deref().filter(|n| !n.is_empty()) {
        Some(name) if !of(name)?.dir.exists() => {
            return Err(Error::user(format!("there is no sandbox {name}")).hint("`ambient sandbox up` starts one"));
        }
        Some(name) => vec![of(name)?],
        None => every()?,
    };
    let mut all = Vec::new();
    for place in &places {
        all.push(look(place, global).await?);
    }
    let well = all.iter().all(|s| s.running && s.page.problems.is_empty() && s.pods.iter().all(|p| p.ready));
    if args.output != Format::Table {
        let shown = screen.data(args.output, &all);
        return screen.answered(shown, u8::from(!well));
    }
    if all.is_empty() {
        screen.line("no sandbox")?;
    }
    for sandbox in &all {
        show(sandbox, screen)?;
    }
    Ok(u8::from(!well))
}

async fn look(place: &Place, global: &Global) -> Result<Shown, Error> {
    if !place.is_running() {
        let page = Page { name: place.name.clone(), directory: place.dir.clone(), ..Page::default() };
        return Ok(Shown { page, running: false, pods: vec![] });
    }
    let cluster = Cluster::sandbox(place, global).await?;
    let pods = pods(&cluster).await?;
    let line = |pod: &Pod| {
        let status = pod.status.clone().unwrap_or_default();
        PodLine {
            namespace: pod.namespace().unwrap_or_default(),
            name: pod.name_any(),
            node: pod.spec.as_ref().and_then(|s| s.node_name.clone()).unwrap_or_default(),
            address: status.pod_ip.unwrap_or_default(),
            ready: is_ready(pod),
            state: state(pod),
            restarts: status.container_statuses.iter().flatten().map(|c| c.restart_count).sum(),
        }
    };
    Ok(Shown { page: page(&cluster).await?, running: true, pods: pods.iter().map(line).collect() })
}

fn show(sandbox: &Shown, screen: &Screen) -> Result<(), Error> {
    let page = &sandbox.page;
    if !sandbox.running {
        return screen.line(format!(
            "sandbox {}: not running; what it left in {} goes with `ambient --sandbox={0} sandbox down`",
            page.name,
            page.directory.display()
        ));
    }
    screen.line(format!("sandbox {} in {}", page.name, page.directory.display()))?;
    for folder in &page.manifests {
        screen.line(format!("  keeps to {}", folder.display()))?;
    }
    let mut table = Table::new(3, &["NAMESPACE", "POD", "NODE", "ADDRESS", "RESTARTS", "STATE"]);
    for pod in &sandbox.pods {
        let state = if pod.ready || pod.state != "Running" { pod.state.clone() } else { "not ready".to_owned() };
        let cells = [&pod.namespace, &pod.name, &pod.node, &pod.address, &pod.restarts.to_string(), &state];
        table.row(cells.map(String::as_str));
    }
    screen.text(&table.to_string())?;
    for problem in &page.problems {
        screen.line(format!("{} {problem}", screen.mark(false)))?;
    }
    Ok(())
}

fn every() -> Result<Vec<Place>, Error> {
    Place::all().map_err(|error| Error::user("cannot look for sandboxes").caused_by(&error))
}

/// Runs `down`.
pub fn down(args: &Down, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let places = match (args.all, global.sandbox.as_deref().filter(|n| !n.is_empty())) {
        (true, Some(_)) => return Err(Error::usage("--all and --sandbox=NAME exclude each other")),
        (true, None) => every()?,
        (false, Some(name)) => vec![of(name)?],
        (false, None) => {
            let all = every()?;
            if all.len() > 1 {
                let names: Vec<&str> = all.iter().map(|p| p.name.as_str()).collect();
                return Err(Error::usage("there are several sandboxes")
                    .hint(format!("name one with --sandbox=NAME, or --all: {}", names.join(", "))));
            }
            all
        }
    };
    let mut any = false;
    for place in places {
        let ended = place.end();
        let ended = ended.map_err(|e| Error::user(format!("cannot end sandbox {}", place.name)).caused_by(&e))?;
        if ended {
            any = true;
            screen.say(format!("sandbox {} is down; nothing is left of it", place.name));
        }
    }
    if !any {
        screen.say("no sandbox to end");
    }
    Ok(0)
}
