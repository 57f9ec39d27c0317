//! One pod from its creation to its end: network, programs, checks, status. What a kubelet does, for one pod.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1 as core;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use net::netns::Netns;
use nix::sys::signal::Signal;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{debug, info, warn};

use crate::{
    cni::Attachment,
    files::View,
    host::{self, Host, Node},
    live::Entry,
    pause::{News, Program},
    probe::{Check, Event, Prober},
    runner::{Beside, Runner},
    spec::{self, Facts, Restart, Spec},
    status::{self, Phase, State},
};

/// First and longest pause before a container that ended is started again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// A container that ran this long may fail again without waiting longer.
const STABLE: Duration = Duration::from_secs(10);
/// First and longest pause before a pod that could not be made, or was lost, is tried again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// How often the removal of a pod's object is tried, and the pause between.
const REMOVALS: u32 = 20;
const REMOVAL: Duration = Duration::from_secs(1);

/// The task of one pod.
pub struct Task {
    host: Arc<Host>,
    node: Arc<Node>,
    pod: core::Pod,
    wanted: watch::Receiver<Option<core::Pod>>,
    news: (mpsc::Sender<News>, mpsc::Receiver<News>),
    events: (mpsc::Sender<Event>, mpsc::Receiver<Event>),
    /// What the status was last.
    told: serde_json::Value,
    /// How often each container was started again, also in earlier lives of the pod.
    restarts: BTreeMap<String, u32>,
}

/// A pod that runs.
struct Running {
    spec: Spec,
    runner: Runner,
    states: Vec<State>,
    upkeep: Vec<Upkeep>,
    executed: HashMap<String, oneshot::Sender<bool>>,
    addresses: Vec<std::net::IpAddr>,
}

/// What is done for a container while its pod runs.
struct Upkeep {
    checks: Vec<JoinHandle<()>>,
    /// When it is started again, if it ended.
    due: Option<Instant>,
    /// The pause before it is started again the next time.
    backoff: Duration,
}

impl Upkeep {
    fn new() -> Self {
        Self { checks: Vec::new(), due: None, backoff: BACKOFF.0 }
    }

    fn again(&mut self) {
        self.due = Some(Instant::now() + self.backoff);
        self.backoff = (self.backoff * 2).min(BACKOFF.1);
    }

    fn stop_checks(&mut self) {
        for check in self.checks.drain(..) {
            check.abort();
        }
    }
}

/// Why a pod stops.
enum Stop {
    /// It is to be deleted.
    Deleted,
    /// Its specification changed.
    Changed,
    /// Its processes are gone.
    Lost(String),
}

impl Task {
    /// Makes the task of a pod on its node.
    #[must_use]
    pub fn new(host: Arc<Host>, node: Arc<Node>, pod: core::Pod, wanted: watch::Receiver<Option<core::Pod>>) -> Self {
        Self {
            host,
            node,
            pod,
            wanted,
            news: mpsc::channel(64),
            events: mpsc::channel(64),
            told: serde_json::Value::Null,
            restarts: BTreeMap::new(),
        }
    }

    /// Runs until the pod is deleted, or gone.
    pub async fn run(mut self) {
        let mut pause = AGAIN.0;
        while !self.leaving() {
            let made = self.create().await;
            let reason = match made {
                Err(reason) => reason,
                Ok(mut running) => {
                    let begun = Instant::now();
                    let stop = self.serve(&mut running).await;
                    for state in &running.states {
                        self.restarts.insert(state.name.clone(), state.restarts + 1);
                    }
                    self.destroy(running, &stop).await;
                    if begun.elapsed() > STABLE {
                        pause = AGAIN.0;
                    }
                    match stop {
                        Stop::Deleted => break,
                        Stop::Changed => {
                            info!(pod = self.name(), "the specification changed: started anew");
                            continue;
                        }
                        Stop::Lost(reason) => reason,
                    }
                }
            };
            warn!(pod = self.name(), namespace = self.namespace(), reason, "the pod does not run");
            self.tell(status::pending(&self.pod, "CannotRun", &reason)).await;
            self.wait(pause).await;
            pause = (pause * 2).min(AGAIN.1);
        }
        let api: Api<core::Pod> = Api::namespaced(self.host.client.clone(), self.namespace());
        let uid = self.pod.metadata.uid.clone();
        let how = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(kube::api::Preconditions { uid, resource_version: None }),
            ..DeleteParams::default()
        };
        // As with Kubernetes, what a pod wrote goes with it.
        let _ = std::fs::remove_dir_all(self.host.place.logs().join(self.namespace()).join(self.name()));
        for _ in 0..REMOVALS {
            match api.delete(self.name(), &how).await {
                Ok(_) => return,
                // Gone already, or replaced by another of the same name.
                Err(kube::Error::Api(refusal)) if matches!(refusal.code, 404 | 409) => return,
                Err(error) => warn!(pod = self.name(), %error, "the pod's object cannot be removed, trying again"),
            }
            sleep(REMOVAL).await;
        }
    }

    /// Waits before another try, unless the pod is to go or to be another.
    async fn wait(&mut self, time: Duration) {
        let (end, spec) = (Instant::now() + time, self.pod.spec.clone());
        while let Ok(Ok(())) = tokio::time::timeout_at(end, self.wanted.changed()).await {
            if self.leaving() || self.pod.spec != spec {
                return;
            }
        }
    }

    fn name(&self) -> &str {
        self.pod.metadata.name.as_deref().unwrap_or_default()
    }

    fn namespace(&self) -> &str {
        self.pod.metadata.namespace.as_deref().unwrap_or_default()
    }

    fn uid(&self) -> &str {
        self.pod.metadata.uid.as_deref().unwrap_or_default()
    }

    /// Takes in what is wanted; tells whether the pod is to go.
    fn leaving(&mut self) -> bool {
        let wanted = self.wanted.borrow_and_update().clone();
        match wanted {
            Some(pod) => {
                self.pod = pod;
                self.pod.metadata.deletion_timestamp.is_some()
            }
            None => true,
        }
    }

    async fn create(&mut self) -> Result<Running, String> {
        // News of an earlier life concern nobody.
        (self.news, self.events) = (mpsc::channel(64), mpsc::channel(64));
        let host_network = self.pod.spec.as_ref().and_then(|s| s.host_network).unwrap_or_default();
        let address = match host_network {
            true => self.node.address,
            false => self.node.addresses.take(self.uid())?,
        };
        let made = self.create_at(address, host_network).await;
        if made.is_err() {
            self.host.live.remove(self.namespace(), self.name());
            self.release(host_network).await;
        }
        made
    }

    async fn create_at(&mut self, address: std::net::IpAddr, host_network: bool) -> Result<Running, String> {
        let facts = Facts {
            addresses: vec![address.to_string()],
            node_address: self.node.address.to_string(),
            env: self.host.variables(&self.pod, &self.node).await?,
        };
        let spec = spec::read(&self.pod, &facts)?;
        let logs = self.logs()?;
        let netns = match host_network {
            true => self.node.netns.clone(),
            false => self.attach(address).await?,
        };
        let mut runner = match spec.host_pid {
            true => {
                let beside = Beside::new(netns.clone(), &logs, self.news.0.clone());
                Runner::Beside(beside.map_err(|e| format!("{}: {e}", logs.display()))?)
            }
            false => {
                let view = View {
                    hostname: spec.hostname.clone(),
                    resolv: host::resolv(Some(self.namespace())),
                    hosts: format!("127.0.0.1\tlocalhost\n::1\tlocalhost\n{address}\t{}\n", spec.hostname),
                    directory: self.host.pod_directory(self.uid()).map_err(|e| e.to_string())?,
                    logs: logs.clone(),
                    program: self.host.program.clone(),
                    shown: self.host.shown(&self.pod, &spec).await?,
                };
                let (netns, program, news) = (netns.clone(), self.host.program.clone(), self.news.0.clone());
                let made = tokio::task::spawn_blocking(move || Runner::apart(&netns, &program, view, news));
                let runner = made.await.map_err(|e| e.to_string())?.map_err(|e| runtime::error::chain(&e))?;
                match timeout(Duration::from_secs(10), self.news.1.recv()).await {
                    Ok(Some(News::Ready)) => {}
                    Ok(Some(News::Failed(reason))) => return Err(reason),
                    _ => return Err("the pod's first process does not answer".to_owned()),
                }
                runner
            }
        };
        let live = Entry {
            netns: netns.clone(),
            first: runner.first(),
            env: spec.containers.first().map(|c| c.program.env.clone()).unwrap_or_default(),
            processes: runner.processes(),
        };
        self.host.live.insert(self.namespace(), self.name(), live);
        for container in &spec.containers {
            runner.start(&container.name, container.program.clone()).map_err(|e| runtime::error::chain(&e))?;
        }
        Ok(Running {
            states: spec
                .containers
                .iter()
                .map(|c| State::new(c, self.restarts.get(&c.name).copied().unwrap_or(0)))
                .collect(),
            upkeep: spec.containers.iter().map(|_| Upkeep::new()).collect(),
            spec,
            runner,
            executed: HashMap::new(),
            addresses: vec![address],
        })
    }

    fn logs(&self) -> Result<PathBuf, String> {
        let directory = self.host.place.logs().join(self.namespace()).join(self.name());
        self.host.place.make(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
        Ok(directory)
    }

    /// Makes the pod's network, and tells the node's plugins.
    async fn attach(&self, address: std::net::IpAddr) -> Result<Netns, String> {
        let (node, uid) = (self.node.clone(), self.uid().to_owned());
        let made = tokio::task::spawn_blocking(move || node.attach(&uid, address));
        let netns = made.await.map_err(|e| e.to_string())?.map_err(|e| runtime::error::chain(&e))?;
        let path = self.node.announce(self.uid(), &netns).map_err(|e| e.to_string())?;
        let attachment =
            Attachment { name: self.name(), namespace: self.namespace(), uid: self.uid(), netns: &path, address };
        self.node.cni.add(&attachment).await?;
        Ok(netns)
    }

    async fn release(&self, host_network: bool) {
        if !host_network {
            let (node, uid) = (self.node.clone(), self.uid().to_owned());
            // Only a supervisor that ends does not get there.
            let _ = tokio::task::spawn_blocking(move || node.detach(&uid)).await;
        }
        self.host.forget_pod(self.uid());
    }

    async fn serve(&mut self, running: &mut Running) -> Stop {
        loop {
            let phase = status::of(&self.pod, &running.states, running.spec.restart, &running.addresses, &self.node);
            self.tell(phase).await;
            let due = running.upkeep.iter().filter_map(|u| u.due).min();
            tokio::select! {
                changed = self.wanted.changed() => {
                    let before = self.pod.spec.clone();
                    if changed.is_err() || self.leaving() {
                        return Stop::Deleted;
                    }
                    if self.pod.spec != before {
                        return Stop::Changed;
                    }
                }
                Some(news) = self.news.1.recv() => {
                    if let Some(stop) = self.hear(news, running) {
                        return stop;
                    }
                }
                Some(event) = self.events.1.recv() => self.react(event, running),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    if let Err(error) = self.restart_due(running) {
                        return Stop::Lost(error);
                    }
                }
            }
        }
    }

    fn hear(&self, news: News, running: &mut Running) -> Option<Stop> {
        let index = |name: &str, running: &Running| running.spec.containers.iter().position(|c| c.name == name);
        match news {
            News::Ready => {}
            News::Failed(reason) => return Some(Stop::Lost(reason)),
            News::Started(name) => {
                if let Some(i) = index(&name, running) {
                    running.states[i].started();
                    self.watch(i, running);
                }
            }
            News::NotStarted(name, reason) => match index(&name, running) {
                Some(i) => {
                    running.states[i].phase = Phase::Waiting { reason: "CannotRun", message: reason };
                    running.upkeep[i].again();
                }
                None => drop(running.executed.remove(&name).map(|reply| reply.send(false))),
            },
            News::Ended(name, code) => match index(&name, running) {
                Some(i) => {
                    running.upkeep[i].stop_checks();
                    let ran = running.states[i].ended(code);
                    let log = self.host.place.logs();
                    debug!(pod = self.name(), container = name, code, log = %log.display(), "ended");
                    let again = match running.spec.restart {
                        Restart::Always => true,
                        Restart::OnFailure => code != 0,
                        Restart::Never => false,
                    };
                    if again {
                        if ran >= STABLE {
                            running.upkeep[i].backoff = BACKOFF.0;
                        }
                        running.upkeep[i].again();
                    }
                }
                None => drop(running.executed.remove(&name).map(|reply| reply.send(code == 0))),
            },
        }
        None
    }

    fn restart_due(&self, running: &mut Running) -> Result<(), String> {
        for (i, upkeep) in running.upkeep.iter_mut().enumerate() {
            if upkeep.due.take_if(|due| *due <= Instant::now()).is_some() {
                running.states[i].restarts += 1;
                let container = &running.spec.containers[i];
                running
                    .runner
                    .start(&container.name, container.program.clone())
                    .map_err(|e| runtime::error::chain(&e))?;
            }
        }
        Ok(())
    }

    /// Starts the checks of a container that has started.
    fn watch(&self, i: usize, running: &mut Running) {
        let container = &running.spec.containers[i];
        let state = &mut running.states[i];
        let through = state.startup || container.startup.is_none();
        state.startup = through;
        state.ready = container.readiness.is_none();
        // The others wait until it is through with starting.
        let all = match through {
            false => [(Check::Startup, &container.startup), (Check::Startup, &None)],
            true => [(Check::Readiness, &container.readiness), (Check::Liveness, &container.liveness)],
        };
        for (check, probe) in all.into_iter().filter_map(|(c, p)| Some((c, p.clone()?))) {
            let name = format!("{}/{check:?}", container.name);
            let prober = Prober {
                netns: self.node.netns.clone(),
                address: running.addresses[0],
                events: self.events.0.clone(),
                container: i,
                life: running.states[i].restarts,
                check,
                name,
                probe,
            };
            running.upkeep[i].checks.push(tokio::spawn(prober.run()));
        }
    }

    fn react(&self, event: Event, running: &mut Running) {
        match event {
            // Of an earlier life of the container.
            Event::Verdict(i, life, ..) if running.states[i].restarts != life => {}
            Event::Verdict(i, _, check, good) => match (check, good) {
                (Check::Readiness, good) => running.states[i].ready = good,
                (Check::Startup, true) => {
                    running.states[i].startup = true;
                    self.watch(i, running);
                }
                (Check::Liveness, true) => {}
                (Check::Startup | Check::Liveness, false) => {
                    let name = &running.spec.containers[i].name;
                    warn!(pod = self.name(), container = name, ?check, "failed: the container is started anew");
                    running.runner.signal(name, Signal::SIGKILL);
                }
            },
            Event::Exec(name, i, argv, reply) => {
                let program = Program { argv, logged: false, ..running.spec.containers[i].program.clone() };
                match running.runner.start(&name, program) {
                    Ok(()) => drop(running.executed.insert(name, reply)),
                    Err(_) => drop(reply.send(false)),
                }
            }
            Event::Kill(name) => running.runner.signal(&name, Signal::SIGKILL),
        }
    }

    /// Ends the programs, gently first, and gives everything back.
    async fn destroy(&mut self, mut running: Running, why: &Stop) {
        // First of all, so that nobody is sent there any more.
        for state in &mut running.states {
            state.ready = false;
        }
        let last = status::of(&self.pod, &running.states, running.spec.restart, &running.addresses, &self.node);
        self.tell(last).await;
        self.host.live.remove(self.namespace(), self.name());
        running.upkeep.iter_mut().for_each(Upkeep::stop_checks);
        let mut left: Vec<String> = running
            .spec
            .containers
            .iter()
            .zip(&running.states)
            .filter(|(_, s)| matches!(s.phase, Phase::Running { .. }))
            .map(|(c, _)| c.name.clone())
            .collect();
        if matches!(why, Stop::Lost(_)) {
            // Who would tell of their end is gone.
            left.clear();
        }
        for name in &left {
            running.runner.signal(name, Signal::SIGTERM);
        }
        let begun = Instant::now();
        while !left.is_empty() {
            // It may be shortened meanwhile.
            let grace = self.pod.metadata.deletion_grace_period_seconds.and_then(|s| u64::try_from(s).ok());
            let end = begun + grace.map_or(running.spec.grace, Duration::from_secs);
            tokio::select! {
                news = tokio::time::timeout_at(end, self.news.1.recv()) => match news {
                    Ok(Some(News::Ended(name, _))) => left.retain(|n| *n != name),
                    Ok(Some(News::Failed(_)) | None) | Err(_) => break,
                    Ok(Some(_)) => {}
                },
                Ok(()) = self.wanted.changed() => drop(self.leaving()),
            }
        }
        let host_network = running.spec.host_network;
        drop(running);
        self.release(host_network).await;
    }

    /// Writes the status, if it is new.
    async fn tell(&mut self, status: serde_json::Value) {
        if self.told == status {
            return;
        }
        let api: Api<core::Pod> = Api::namespaced(self.host.client.clone(), self.namespace());
        let patch = serde_json::json!({ "metadata": { "uid": self.uid() }, "status": status });
        match api.patch_status(self.name(), &PatchParams::default(), &Patch::Merge(&patch)).await {
            Ok(_) => self.told = status,
            // Gone; the watch says so as well.
            Err(kube::Error::Api(refusal)) if matches!(refusal.code, 404 | 409) => self.told = status,
            Err(error) => warn!(pod = self.name(), %error, "the status cannot be written"),
        }
    }
}

/// The tasks of all pods of the sandbox.
#[derive(Default)]
pub struct Pods {
    tasks: BTreeMap<String, watch::Sender<Option<core::Pod>>>,
}

impl Pods {
    /// Takes in a pod as it is now; the first time it has a node, its task starts.
    pub fn apply(&mut self, host: &Arc<Host>, pod: core::Pod) {
        let Some(uid) = pod.metadata.uid.clone() else { return };
        if let Some(task) = self.tasks.get(&uid) {
            task.send_replace(Some(pod));
            return;
        }
        let node = pod.spec.as_ref().and_then(|s| s.node_name.as_ref()).and_then(|n| host.nodes.get(n));
        let Some(node) = node else { return };
        let (sender, receiver) = watch::channel(Some(pod.clone()));
        self.tasks.insert(uid, sender);
        tokio::spawn(Task::new(host.clone(), node.clone(), pod, receiver).run());
    }

    /// Takes in that pods are gone: all but those that this says yes to.
    pub fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        for (_, task) in self.tasks.extract_if(.., |uid, _| !is_there(uid)) {
            task.send_replace(None);
        }
    }
}
