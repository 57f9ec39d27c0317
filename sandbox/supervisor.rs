//! The sandbox itself: the first process of its namespaces. Makes the network, keeps the objects, runs the pods, and takes
//! everything along when it ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write},
    net::SocketAddr,
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::api::{apps::v1 as apps, core::v1 as core};
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::{GroupVersionKind, PartialObjectMeta},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use nix::{
    sys::signal::{Signal, kill},
    sys::wait::{WaitPidFlag, waitpid},
    unistd::Pid,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use source::folder::{self, Folder};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Notify,
    task::JoinSet,
};
use tracing::{error, info, warn};

use crate::{
    api, controllers, dns, enter, files,
    host::{self, Host, Node},
    names::Names,
    place::{self, PROGRAM, Place, Settings},
    pod::Pods,
    refuse, services,
};

/// What every sandbox begins with.
const SYSTEM: &str = include_str!("system.yaml");
/// Who writes it.
const MANAGER: &str = "sandbox";
/// How often tokens and roots are written anew.
const RENEW: Duration = Duration::from_secs(600);
/// Pause between two rounds of the controllers.
const STEP: Duration = Duration::from_millis(10);
/// How often orphans are looked for.
const TIDY: Duration = Duration::from_secs(5);
/// The size at which the sandbox's own log begins anew, bytes.
const LOG: u64 = 16 << 20;
/// What the command writes to the standard input of a sandbox that is to go on without it; the end of the input without this is
/// the end of the sandbox.
pub const LET_GO: u8 = b'+';
/// The most nodes: their numbers are parts of addresses.
pub const NODES: usize = 9;

/// What the command that starts a sandbox is told, one line of JSON on standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// The API is served; pods start.
    Up,
    /// It cannot be.
    Failed {
        /// What failed, and why.
        message: String,
        /// What can be done.
        hint: Option<String>,
    },
}

/// Tells why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The namespaces.
    #[error(transparent)]
    Enter(#[from] enter::Error),
    /// The directory.
    #[error(transparent)]
    Place(#[from] place::Error),
    /// A file of the sandbox.
    #[error("cannot prepare {}", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// This program, for the pods.
    #[error("cannot give this program to the pods")]
    Program(#[from] files::Error),
    /// No threads.
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    /// The network.
    #[error(transparent)]
    Network(#[from] host::Error),
    /// The objects.
    #[error(transparent)]
    Folder(#[from] folder::Error),
    /// What every sandbox begins with cannot be written.
    #[error("cannot write {0}")]
    System(String, #[source] kube::Error),
    /// The name server.
    #[error("cannot serve names")]
    Dns(#[source] io::Error),
    /// The API.
    #[error("cannot serve the API")]
    Api(#[source] io::Error),
}

/// Runs the sandbox in this directory; returns the exit code.
///
/// Must be called in the first process of the namespaces that [`enter::enter`] made, while it has one thread.
pub fn run(dir: &Path, lock: i32) -> i32 {
    match start(dir, lock) {
        Ok(()) => 0,
        Err(error) => {
            let hint = match &error {
                Error::Enter(e) => e.hint(),
                _ => None,
            };
            fail(&error, hint);
            1
        }
    }
}

/// Tells the command that there will be no sandbox.
pub fn fail(error: &(dyn std::error::Error + 'static), hint: Option<&str>) {
    tell(&Told::Failed { message: runtime::error::chain(error), hint: hint.map(str::to_owned) });
}

fn tell(told: &Told) {
    let line = serde_json::to_string(told).unwrap_or_default();
    // Nobody listens when the command was killed; that is noticed elsewhere.
    let _ = writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush());
}

fn start(dir: &Path, lock: i32) -> Result<(), Error> {
    // Held until the end, and by no other process.
    net::process::close_on_exec(lock).map_err(Error::Runtime)?;
    enter::settle()?;
    let place = Place::at(dir);
    let settings = place.settings()?;
    let _ = net::sockets::raise_open_files();
    for path in [place.state(), place.logs(), place.dir.join("bin")] {
        fs::create_dir_all(&path).map_err(|e| Error::File(path, e))?;
    }
    let program = own_program(&place)?;
    files::resolve_with(&place.dir, &host::resolv(None))?;
    log_to(&place)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(Error::Runtime)?;
    let abandoned = runtime.block_on(async {
        // First, or a signal that comes meanwhile is lost: to the first process the default is to ignore it.
        let mut stop = signal(SignalKind::terminate()).map_err(Error::Runtime)?;
        let (_names, mut parts) = make(&place, &settings, program).await?;
        tell(&Told::Up);
        info!(sandbox = place.name, "up");
        tokio::select! {
            _ = stop.recv() => info!("ends"),
            () = abandoned() => {
                info!("the command that started it is gone");
                return Ok(true);
            }
            // None ends by itself: half a sandbox would only puzzle its user.
            Some(part) = parts.join_next() => error!(?part, "a part of the sandbox ended, and the rest with it"),
        }
        Ok::<bool, Error>(false)
    })?;
    // Nobody is to write any more. To the first process of a PID namespace, all are all others of it.
    runtime.shutdown_background();
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    if abandoned {
        // The command that would do it may have been killed.
        place.empty();
    }
    // Mounts, links and rules end with this process, by the kernel's hand.
    Ok(())
}

/// Shows this program under a path of the sandbox, so that one that is built anew meanwhile changes nothing here.
fn own_program(place: &Place) -> Result<PathBuf, Error> {
    let path = place.dir.join(PROGRAM);
    let at = |e| Error::File(path.clone(), e);
    fs::write(&path, "").map_err(at)?;
    // By its path, which is of this mount namespace; what runs may be of the one before.
    let own = fs::read_link("/proc/self/exe").and_then(fs::File::open).map_err(at)?;
    net::mounts::bind(&own, &path).map_err(at)?;
    Ok(path)
}

fn log_to(place: &Place) -> Result<(), Error> {
    let path = place.log();
    let file = fs::OpenOptions::new().create(true).append(true).open(&path).map_err(|e| Error::File(path, e))?;
    // Also what a pod's first process says when it fails.
    let _ = nix::unistd::dup2_stderr(file.as_fd());
    let filter = tracing_subscriber::EnvFilter::try_from_env("RUST_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,hickory_server=warn"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(io::stderr).try_init();
    Ok(())
}

/// Makes all of it; returns the name server and the tasks, which go on for as long as the sandbox lives.
async fn make(
    place: &Place,
    settings: &Settings,
    program: PathBuf,
) -> Result<(hickory_server::Server<impl hickory_server::server::RequestHandler + use<>>, JoinSet<()>), Error> {
    host::make_switch()?;
    let mut nodes: BTreeMap<String, Arc<Node>> = BTreeMap::new();
    for number in 1..=settings.nodes.clamp(1, NODES) {
        let node = Node::make(u8::try_from(number).unwrap_or(1), place, &program)?;
        nodes.insert(node.name.clone(), Arc::new(node));
    }
    for node in nodes.values() {
        for other in nodes.values().filter(|o| o.name != node.name) {
            node.knows(other)?;
        }
    }
    let folder = Folder::open(folder::Settings {
        state: place.state(),
        manifests: settings.manifests.clone(),
        import: true,
        kubelet: true,
        check: Some(refuse::refusals),
    })?;
    let client = folder.client();
    for node in nodes.values() {
        apply(&client, node_object(node)).await?;
    }
    // As who started the sandbox has it: a text of JSON is one of YAML.
    let providers = std::env::var("EXTENSION_PROVIDERS").unwrap_or_else(|_| "[]".to_owned());
    let system = SYSTEM
        .replace("VERSION", env!("CARGO_PKG_VERSION"))
        .replace("value: PROVIDERS", &format!("value: {}", serde_json::Value::from(providers)));
    for object in serde_yaml::Deserializer::from_str(&system) {
        if let Ok(object) = DynamicObject::deserialize(object) {
            apply(&client, object).await?;
        }
    }
    let names = Arc::new(RwLock::new(Names::default()));
    let server = dns::serve(SocketAddr::from((host::SWITCH, 53)), names.clone()).await.map_err(Error::Dns)?;
    let host = Arc::new(Host::new(place.clone(), client.clone(), nodes, program));
    let mut parts = JoinSet::new();
    parts.spawn(services::follow(client.clone(), names, host.clone()));
    parts.spawn(run_pods(client.clone(), host.clone()));
    parts.spawn(control(client, host.clone()));
    parts.spawn(tidy(host.clone()));
    let listener = api::listen(place).map_err(Error::Api)?;
    parts.spawn(api::serve(listener, Arc::new(api::Api { host, folder })));
    Ok((server, parts))
}

async fn apply(client: &Client, object: DynamicObject) -> Result<(), Error> {
    let types = object.types.clone().unwrap_or_default();
    let (group, version) = types.api_version.split_once('/').unwrap_or(("", &types.api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &types.kind));
    let name = object.metadata.name.clone().unwrap_or_default();
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let how = PatchParams::apply(MANAGER).force();
    let failed = |e| Error::System(format!("{} {name}", types.kind), e);
    api.patch(&name, &how, &Patch::Apply(&object)).await.map_err(failed)?;
    if let Some(status) = object.data.get("status") {
        let patch = Patch::Merge(json!({ "status": status }));
        api.patch_status(&name, &PatchParams::default(), &patch).await.map_err(failed)?;
    }
    Ok(())
}

fn node_object(node: &Node) -> DynamicObject {
    let object = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": node.name, "labels": labels(&node.name) },
        "spec": {},
        "status": {
            "addresses": [{ "type": "InternalIP", "address": node.address }, { "type": "Hostname", "address": node.name }],
            "conditions": [{ "type": "Ready", "status": "True", "reason": "Sandbox" }],
        },
    });
    serde_json::from_value(object)
        .unwrap_or_else(|_| DynamicObject::new(&node.name, &ApiResource::erase::<core::Node>(&())))
}

fn labels(node: &str) -> BTreeMap<String, String> {
    [("kubernetes.io/hostname", node), ("kubernetes.io/os", "linux")].map(|(k, v)| (k.into(), v.into())).into()
}

/// Runs a task for each pod that has a node.
async fn run_pods(client: Client, host: Arc<Host>) {
    let mut pods = Pods::default();
    let mut listed: BTreeSet<String> = BTreeSet::new();
    let events = watcher(Api::<core::Pod>::all(client), watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(pod)) => {
                listed.extend(pod.metadata.uid.clone());
                pods.apply(&host, pod);
            }
            Ok(Event::InitDone) => pods.retain(|uid| listed.contains(uid)),
            Ok(Event::Apply(pod)) => pods.apply(&host, pod),
            Ok(Event::Delete(pod)) => pods.retain(|uid| pod.metadata.uid.as_deref() != Some(uid)),
            Err(error) => warn!(%error, "the watch of pods failed, trying again"),
        }
    }
}

/// Runs the controllers whenever something changes.
async fn control(client: Client, host: Arc<Host>) {
    let changed = Arc::new(Notify::new());
    notify::<core::Pod>(&client, &changed);
    notify::<core::Service>(&client, &changed);
    notify::<apps::Deployment>(&client, &changed);
    notify::<apps::DaemonSet>(&client, &changed);
    let nodes: BTreeMap<String, BTreeMap<String, String>> =
        host.nodes.keys().map(|name| (name.clone(), labels(name))).collect();
    loop {
        match controllers::reconcile(&client, &nodes).await {
            // What was done changes what is to be done; a moment between two keeps a pod that ends at once from being all
            // that happens.
            Ok(true) => {
                tokio::time::sleep(STEP).await;
                continue;
            }
            Ok(false) => {}
            Err(error) => warn!(%error, "the controllers cannot read"),
        }
        // Now and then also without being told.
        let _ = tokio::time::timeout(Duration::from_secs(5), changed.notified()).await;
    }
}

fn notify<K>(client: &Client, changed: &Arc<Notify>)
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + std::fmt::Debug + Send + 'static,
{
    let api: Api<PartialObjectMeta<K>> = Api::all(client.clone());
    let changed = changed.clone();
    tokio::spawn(async move {
        let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
        // A watch that failed is begun again by itself.
        while events.next().await.is_some() {
            changed.notify_one();
        }
    });
}

/// Does what has no other owner: renews tokens, ends orphans, cuts the log.
async fn tidy(host: Arc<Host>) {
    let mut seen: BTreeSet<i32> = BTreeSet::new();
    let mut renewed = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(TIDY).await;
        seen = reap(&seen);
        // Its own log has no reader that would mind.
        if fs::metadata(host.place.log()).is_ok_and(|meta| meta.len() > LOG) {
            let _ = fs::OpenOptions::new().write(true).open(host.place.log()).and_then(|log| log.set_len(0));
        }
        if renewed.elapsed() > RENEW {
            renewed = tokio::time::Instant::now();
            host.renew().await;
        }
    }
}

/// Ends the zombies whose parents are gone. Those that this process started are waited for by their own threads at once, so
/// what is still there at a second look is nobody's.
fn reap(seen: &BTreeSet<i32>) -> BTreeSet<i32> {
    let zombie = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        (fields.next() == Some("Z") && fields.next() == Some("1")).then_some(pid)
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let now: BTreeSet<i32> = entries.filter_map(|e| zombie(e.file_name().to_str()?.parse().ok()?)).collect();
    for pid in now.intersection(seen) {
        let _ = waitpid(Pid::from_raw(*pid), Some(WaitPidFlag::WNOHANG));
    }
    now
}

/// Waits for the end of the command that started the sandbox, unless it lets go before.
async fn abandoned() {
    let mut word = [0; 1];
    match tokio::io::AsyncReadExt::read(&mut tokio::io::stdin(), &mut word).await {
        Ok(1..) if word[0] == LET_GO => std::future::pending().await,
        _ => {}
    }
}
