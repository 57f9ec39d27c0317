//! The node agent's heart: one task per pod, told what is desired whenever the cluster changes, and
//! the answers to the plugin. Called by `run`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1 as core;
use kube::Api;
use net::netns::Netns;
use net::redirect::{self, Check};
use net::zds::{Connection, Listener};
use runtime::Drain;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::{debug, error, info, warn};

use crate::cluster::{Cluster, slim};
use crate::enrol::{Decision, Pod, Reason};
use crate::pod::{Desired, Sandbox, Shared, Task, find, info_of};
use crate::question::{Answer, Question, Record};

/// How long the plugin waits for one pod; less than its own patience.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// A pod that the plugin announced appears in the watch within this time, or not at all.
const APPEARS_WITHIN: Duration = Duration::from_secs(60);

/// The agent. Copies share it.
#[derive(Clone, Debug)]
pub struct Agent {
    shared: Shared,
    cluster: watch::Receiver<Cluster>,
    tasks: Arc<Mutex<HashMap<String, Handle>>>,
}

#[derive(Debug)]
struct Handle {
    desired: watch::Sender<(Pod, Desired)>,
    sandboxes: mpsc::Sender<Sandbox>,
    task: JoinHandle<()>,
    born: Instant,
    /// Whether the watch has shown the pod.
    seen: bool,
}

impl Agent {
    /// Makes the agent; nothing runs yet.
    pub fn new(shared: Shared, cluster: watch::Receiver<Cluster>) -> Self {
        Self { shared, cluster, tasks: Arc::default() }
    }

    /// Waits for the first lists and takes over what a predecessor left: afterwards the register of
    /// pods is complete, so that a ztunnel which dials drops nobody.
    pub async fn take_over(&mut self) -> Result<(), watch::error::RecvError> {
        let cluster = self.cluster.wait_for(Cluster::is_known).await?.clone();
        for pod in cluster.pods.values().filter(|p| !p.host_network && !p.finished) {
            let decision = cluster.selection.decide(pod);
            let netns = find(&self.shared.discovery, pod).await;
            let enrolled = matches!(decision, Decision::In { .. });
            let left = match netns.clone() {
                Some(ns) => has_rules(ns).await,
                None => false,
            };
            // Also pods that are to leave: their streams go on until they are drained.
            if left || (enrolled && pod.redirection.is_some()) {
                self.shared.ztunnels.register(&pod.uid, info_of(pod), netns.clone());
                self.shared.host.note(&pod.uid, pod.ips.iter().copied()).await;
            }
            self.start(pod, desired(decision), netns, true).await;
        }
        self.shared.host.reconcile().await.map_or_else(
            |e| error!(error = %runtime::error::chain(&e), "cannot write the node's rules"),
            |check| debug!(?check, "node's rules in place"),
        );
        Ok(())
    }

    /// Follows the cluster until the stop.
    pub async fn follow(&mut self, drain: Drain) {
        let mut tick = tokio::time::interval(self.shared.config.verify_every);
        loop {
            tokio::select! {
                () = drain.draining() => return,
                changed = self.cluster.changed() => if changed.is_err() { return },
                _ = tick.tick() => self.verify_host().await,
            }
            self.update().await;
        }
    }

    /// Tells each task what is desired now; starts tasks for new pods and ends those of gone ones.
    async fn update(&mut self) {
        let cluster = self.cluster.borrow_and_update().clone();
        let mut present = HashSet::new();
        for pod in cluster.pods.values() {
            present.insert(pod.uid.as_str());
            let want = desired(cluster.selection.decide(pod));
            self.start(pod, want, None, true).await;
        }
        let mut tasks = self.tasks.lock().await;
        tasks.retain(|uid, handle| {
            let expected = !handle.seen && handle.born.elapsed() < APPEARS_WITHIN;
            if !present.contains(uid.as_str()) && !expected {
                handle.desired.send_modify(|(_, want)| *want = Desired::Gone);
            }
            !handle.task.is_finished()
        });
        drop(tasks);
        self.write_record(&cluster);
    }

    /// Makes sure that a task cares for the pod and knows what is desired; returns its door.
    async fn start(&self, pod: &Pod, want: Desired, netns: Option<Netns>, seen: bool) -> mpsc::Sender<Sandbox> {
        let mut tasks = self.tasks.lock().await;
        let handle = tasks.entry(pod.uid.clone()).or_insert_with(|| {
            let (desired, desires) = watch::channel((pod.clone(), want.clone()));
            let (sandboxes, announced) = mpsc::channel(4);
            let task = Task::new(self.shared.clone(), pod.clone(), netns);
            let task = tokio::spawn(task.run(desires, announced));
            Handle { desired, sandboxes, task, born: Instant::now(), seen }
        });
        handle.seen |= seen;
        handle.desired.send_if_modified(|current| {
            // Between the plugin's direct read and the watch, the watch may be older: what it has not
            // seen yet stays.
            let new = (pod.clone(), want.clone());
            let changed = *current != new;
            *current = new;
            changed
        });
        handle.sandboxes.clone()
    }

    async fn verify_host(&self) {
        match self.shared.host.reconcile().await {
            Ok(Check::Intact) => {}
            Ok(Check::Repaired) => {
                self.shared.metrics.repaired.inc();
                warn!("the node's rules were lost and are restored");
            }
            Err(e) => error!(error = %runtime::error::chain(&e), "cannot check the node's rules"),
        }
    }

    fn write_record(&self, cluster: &Cluster) {
        let record = record(cluster);
        let path = self.shared.config.record();
        let Ok(text) = serde_json::to_vec(&record) else {
            return;
        };
        if std::fs::read(&path).is_ok_and(|old| old == text) {
            return;
        }
        if let Err(e) = crate::installer::replace(&path, &text, 0o600) {
            warn!(error = %runtime::error::chain(&e), "cannot write what the plugin goes by while we are away");
        }
    }

    /// Answers plugins until the stop.
    pub async fn answer(&self, listener: Listener, drain: Drain) {
        loop {
            let accepted = tokio::select! {
                () = drain.draining() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(connection) => {
                    let this = self.clone();
                    tokio::spawn(async move {
                        let exchange = this.answer_one(connection);
                        if tokio::time::timeout(ANSWER_WITHIN * 2, exchange).await.is_err() {
                            warn!("a plugin did not say what it wants");
                        }
                    });
                }
                Err(e) => {
                    warn!(error = %runtime::error::chain(&e), "cannot accept a plugin");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    async fn answer_one(&self, connection: Connection) {
        // STATUS connects and says nothing.
        let Ok(packet) = connection.recv().await else {
            return;
        };
        let answer = match (serde_json::from_slice::<Question>(&packet.bytes), packet.fd) {
            (Ok(question), Some(fd)) => match Netns::from_fd(fd) {
                Ok(netns) => {
                    let outcome = self.decide(&question, netns);
                    let refused = |why: &str| Answer::Refused(why.to_owned());
                    let outcome = tokio::time::timeout(ANSWER_WITHIN, outcome).await;
                    let answer = outcome.unwrap_or_else(|_| refused("the pod could not be enrolled in time"));
                    let (name, namespace) = (&question.name, &question.namespace);
                    info!(name, namespace, ?answer, "sandbox");
                    answer
                }
                Err(e) => Answer::Refused(runtime::error::chain(&e)),
            },
            (Ok(_), None) => Answer::Refused("the question came without a namespace".into()),
            (Err(e), _) => Answer::Refused(format!("the question is malformed: {e}")),
        };
        let answer = match answer {
            // What fits a packet says enough.
            Answer::Refused(why) => Answer::Refused(why.chars().take(200).collect()),
            other => other,
        };
        self.shared.metrics.request(match &answer {
            Answer::Refused(_) => "503",
            _ => "200",
        });
        if let Ok(text) = serde_json::to_vec(&answer)
            && let Err(e) = connection.send(&text, None).await
        {
            debug!(error = %runtime::error::chain(&e), "the plugin is gone");
        }
    }

    async fn decide(&self, question: &Question, netns: Netns) -> Answer {
        let mut cluster = self.cluster.clone();
        let known = match cluster.wait_for(Cluster::is_known).await {
            Ok(cluster) => cluster.clone(),
            Err(_) => return Answer::Refused("the agent is stopping".into()),
        };
        if known.selection.is_excluded(&question.namespace) {
            return Answer::Plain;
        }
        if !known.selection.namespaces.contains_key(&question.namespace) {
            return Answer::Refused("the namespace is not known yet".into());
        }
        let right = |pod: &Pod| question.uid.as_deref().is_none_or(|uid| pod.has_uid(uid));
        let key = (question.namespace.clone(), question.name.clone());
        let pod = match known.pods.get(&key).filter(|p| right(p)) {
            Some(pod) => pod.clone(),
            None => {
                let client = self.shared.api.0.clone();
                let api: Api<core::Pod> = Api::namespaced(client, &question.namespace);
                match api.get_opt(&question.name).await {
                    Ok(Some(pod)) if right(&slim(&pod)) => slim(&pod),
                    // A static pod before its mirror exists, or one that is gone already.
                    Ok(_) => {
                        return match known.selection.namespace(&question.namespace) {
                            Ok(()) => Answer::Refused("the pod is not known yet".into()),
                            Err(_) => Answer::Plain,
                        };
                    }
                    Err(e) => return Answer::Refused(runtime::error::chain(&e)),
                }
            }
        };
        let want = desired(known.selection.decide(&pod));
        if want == Desired::Out {
            return Answer::Plain;
        }
        let seen = known.pods.contains_key(&key);
        let door = self.start(&pod, want, None, seen).await;
        let (outcome, told) = oneshot::channel();
        let sandbox = Sandbox { netns, ips: question.ips.clone(), outcome };
        if door.send(sandbox).await.is_err() {
            return Answer::Refused("the pod is just being removed".into());
        }
        match told.await {
            Ok(Ok(())) => Answer::Enrolled,
            Ok(Err(why)) => Answer::Refused(why),
            Err(_) => Answer::Refused("the pod is just being removed".into()),
        }
    }

    /// Takes every pod out and removes the node's rules, within `limit`.
    pub async fn leave(&self, limit: Duration) {
        let mut tasks = self.tasks.lock().await;
        let handles: Vec<Handle> = tasks.drain().map(|(_, handle)| handle).collect();
        drop(tasks);
        for handle in &handles {
            handle.desired.send_modify(|(_, want)| *want = Desired::Leave);
        }
        let (mut all, mut doors) = (Vec::new(), Vec::new());
        for handle in handles {
            all.push(handle.task);
            doors.push(handle.desired);
        }
        if tokio::time::timeout(limit, futures::future::join_all(all)).await.is_err() {
            warn!("some pods still carry rules");
        }
        drop(doors);
        if let Err(e) = self.shared.host.remove().await {
            warn!(error = %runtime::error::chain(&e), "cannot remove the node's rules");
        }
    }
}

fn desired(decision: Decision) -> Desired {
    match decision {
        Decision::In { inbound } => Desired::In { inbound },
        Decision::Out(_) => Desired::Out,
    }
}

/// A namespace is plain when neither a label nor a pod of this node points to the mesh.
fn record(cluster: &Cluster) -> Record {
    let labelled = |name: &String| {
        let of_pod = |pod: &Pod| &pod.namespace == name && pod.mode.as_deref() == Some("ambient");
        cluster.pods.values().any(of_pod)
    };
    let needs = |name: &String| match cluster.selection.namespace(name) {
        Ok(()) => true,
        Err(Reason::ExcludedNamespace) => false,
        Err(_) => labelled(name),
    };
    let namespaces: BTreeMap<String, bool> =
        cluster.selection.namespaces.keys().map(|n| (n.clone(), needs(n))).collect();
    Record { namespaces }
}

async fn has_rules(netns: Netns) -> bool {
    let look = move || redirect::is_present(&netns).unwrap_or(false);
    tokio::task::spawn_blocking(look).await.unwrap_or(false)
}
