//! The serving end of ZDS: which pods ztunnel has to know, and the connections on which it learns of
//! them. Called by `pod` for each change; a ztunnel that dials gets all that is registered.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use net::netns::Netns;
use net::zds::proto::{AddWorkload, DelWorkload, KeepWorkload, Payload, SnapshotSent};
use net::zds::{self, Connection, Listener, WorkloadInfo};
use runtime::Drain;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

use crate::metrics::Metrics;

/// A pod that ztunnel did not take over.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No ztunnel is connected.
    #[error("no ztunnel is connected on this node")]
    NoZtunnel,
    /// It did not answer in time, or went away.
    #[error("ztunnel did not answer")]
    NoAnswer,
    /// It answered with an error.
    #[error("ztunnel refused the pod: {0}")]
    Refused(String),
}

/// All ztunnels of the node. Copies share them.
#[derive(Clone, Debug)]
pub struct Ztunnels {
    state: Arc<Mutex<State>>,
    arrivals: watch::Sender<u64>,
    timeout: Duration,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct State {
    pods: BTreeMap<String, Entry>,
    /// Oldest first.
    connections: Vec<(u64, mpsc::Sender<Command>)>,
}

#[derive(Clone, Debug)]
struct Entry {
    info: WorkloadInfo,
    /// Unknown for a pod whose processes were not found yet.
    netns: Option<Netns>,
}

#[derive(Debug)]
struct Command {
    payload: Payload,
    netns: Option<Netns>,
    answer: oneshot::Sender<Result<(), Error>>,
}

impl Ztunnels {
    /// Makes the register; nobody is connected.
    pub fn new(timeout: Duration, metrics: Metrics) -> Self {
        Self { state: Arc::default(), arrivals: watch::channel(0).0, timeout, metrics }
    }

    /// Notes a pod for the next snapshot without telling the connected ztunnels.
    pub fn register(&self, uid: &str, info: WorkloadInfo, netns: Option<Netns>) {
        self.lock().pods.insert(uid.to_owned(), Entry { info, netns });
    }

    /// Hands a pod to the newest ztunnel and waits until it serves it.
    pub async fn add(&self, uid: &str, info: WorkloadInfo, netns: Netns) -> Result<(), Error> {
        let newest = {
            let mut state = self.lock();
            let entry = Entry { info: info.clone(), netns: Some(netns.clone()) };
            state.pods.insert(uid.to_owned(), entry);
            state.connections.last().map(|(_, queue)| queue.clone())
        };
        let queue = newest.ok_or(Error::NoZtunnel)?;
        let add = AddWorkload { uid: uid.to_owned(), workload_info: Some(info) };
        self.ask(&queue, Payload::Add(add), Some(netns)).await
    }

    /// Takes a pod from every ztunnel; those that do not answer will learn from a snapshot.
    ///
    /// Nothing happens for a pod that was never added.
    pub async fn del(&self, uid: &str) {
        let queues: Vec<_> = {
            let mut state = self.lock();
            if state.pods.remove(uid).is_none() {
                return;
            }
            state.connections.iter().map(|(_, queue)| queue.clone()).collect()
        };
        let asks = queues.iter().map(|queue| {
            let del = DelWorkload { uid: uid.to_owned() };
            self.ask(queue, Payload::Del(del), None)
        });
        for result in futures::future::join_all(asks).await {
            if let Err(error) = result {
                warn!(uid, %error, "a ztunnel did not confirm the removal");
            }
        }
    }

    /// Changes with every ztunnel that connects.
    pub fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }

    /// Serves connections until the stop.
    pub async fn serve(&self, listener: Listener, drain: Drain) {
        for id in 1.. {
            let accepted = tokio::select! {
                () = drain.draining() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(connection) => {
                    let (this, drain) = (self.clone(), drain.clone());
                    tokio::spawn(async move {
                        tokio::select! {
                            () = drain.cutting() => {}
                            () = this.attend(id, connection) => {}
                        }
                    });
                }
                Err(e) => {
                    warn!(error = %runtime::error::chain(&e), "cannot accept a ztunnel");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    async fn attend(&self, id: u64, connection: Connection) {
        match tokio::time::timeout(self.timeout, connection.recv_hello()).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => {
                return warn!(id, error = %runtime::error::chain(&e), "a ztunnel did not say hello");
            }
            Err(_) => return warn!(id, "a ztunnel did not say hello in time"),
        }
        let (queue, commands) = mpsc::channel(256);
        // In one step: what was registered before is in the snapshot, what comes later in the queue.
        let snapshot = {
            let mut state = self.lock();
            state.connections.push((id, queue));
            state.pods.clone()
        };
        self.metrics.ztunnel_connected.inc();
        info!(id, pods = snapshot.len(), "ztunnel connected");
        let outcome = self.converse(&connection, snapshot, commands).await;
        self.lock().connections.retain(|(other, _)| *other != id);
        self.metrics.ztunnel_connected.dec();
        warn!(id, reason = %runtime::error::chain(&outcome), "ztunnel disconnected");
    }

    /// Returns why the conversation ended.
    async fn converse(
        &self,
        connection: &Connection,
        snapshot: BTreeMap<String, Entry>,
        mut commands: mpsc::Receiver<Command>,
    ) -> zds::Error {
        for (uid, entry) in snapshot {
            let payload = match &entry.netns {
                Some(_) => {
                    let workload_info = Some(entry.info);
                    Payload::Add(AddWorkload { uid: uid.clone(), workload_info })
                }
                None => Payload::Keep(KeepWorkload { uid: uid.clone() }),
            };
            match self.request(connection, payload, entry.netns.as_ref()).await {
                Ok(()) => {}
                // It tries again by itself, and is not ready meanwhile.
                Err(zds::Error::Refused(why)) => warn!(uid, why, "ztunnel refused a pod"),
                Err(e) => return e,
            }
        }
        let end = Payload::SnapshotSent(SnapshotSent {});
        match self.request(connection, end, None).await {
            Ok(()) | Err(zds::Error::Refused(_)) => {}
            Err(e) => return e,
        }
        self.arrivals.send_modify(|n| *n += 1);
        loop {
            let command = tokio::select! {
                gone = connection.closed() => return gone,
                command = commands.recv() => command,
            };
            // The register holds a sender as long as this runs.
            let Some(Command { payload, netns, answer }) = command else {
                return zds::Error::Closed;
            };
            let (told, ended) = match self.request(connection, payload, netns.as_ref()).await {
                Ok(()) => (Ok(()), None),
                Err(zds::Error::Refused(why)) => (Err(Error::Refused(why)), None),
                Err(e) => (Err(Error::NoAnswer), Some(e)),
            };
            // Who asked may have stopped waiting.
            let _ = answer.send(told);
            if let Some(e) = ended {
                return e;
            }
        }
    }

    async fn request(
        &self,
        connection: &Connection,
        payload: Payload,
        netns: Option<&Netns>,
    ) -> Result<(), zds::Error> {
        let request = connection.request(payload, netns.map(|n| n.as_fd()));
        match tokio::time::timeout(self.timeout, request).await {
            Ok(outcome) => outcome,
            Err(_) => Err(zds::Error::Protocol("no acknowledgement in time")),
        }
    }

    async fn ask(&self, queue: &mpsc::Sender<Command>, payload: Payload, netns: Option<Netns>) -> Result<(), Error> {
        let (answer, told) = oneshot::channel();
        let exchange = async {
            let command = Command { payload, netns, answer };
            queue.send(command).await.map_err(|_| Error::NoZtunnel)?;
            told.await.map_err(|_| Error::NoAnswer)?
        };
        // A snapshot of a full node may be under way first.
        let patience = self.timeout * 2;
        tokio::time::timeout(patience, exchange).await.unwrap_or(Err(Error::NoAnswer))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use net::zds::Request;

    use super::*;

    fn info(name: &str) -> WorkloadInfo {
        let (namespace, service_account) = ("shop".into(), "default".into());
        WorkloadInfo { name: name.into(), namespace, service_account }
    }

    /// A ztunnel that answers everything, and tells what it heard.
    async fn ztunnel(path: &std::path::Path, heard: mpsc::UnboundedSender<String>) {
        let c = Connection::connect(path).await.expect("dial");
        c.send_hello().await.expect("hello");
        while let Ok(request) = c.next_request().await {
            let (text, error) = match request {
                Request::Add { uid, .. } if uid == "bad" => ("add bad".into(), Some("no")),
                Request::Add { uid, .. } => (format!("add {uid}"), None),
                Request::Keep { uid } => (format!("keep {uid}"), None),
                Request::Del { uid } => (format!("del {uid}"), None),
                Request::SnapshotSent => ("snapshot".into(), None),
            };
            if heard.send(text).is_err() || c.send_ack(error).await.is_err() {
                return;
            }
        }
    }

    #[tokio::test]
    async fn snapshot_then_changes_adds_to_the_newest_dels_to_all() {
        let dir = tempfile::tempdir().expect("tmp");
        let path = dir.path().join("z");
        let ztunnels = Ztunnels::new(Duration::from_secs(2), Metrics::default());
        let here = Netns::current().expect("there");
        let add = |uid: &'static str| ztunnels.add(uid, info(uid), here.clone());
        assert!(matches!(add("a").await, Err(Error::NoZtunnel)));
        ztunnels.register("lost", info("lost"), None);
        let listener = Listener::bind(&path).expect("bind");
        let drain = Drain::new();
        let serving = ztunnels.clone();
        let stop = drain.clone();
        tokio::spawn(async move { serving.serve(listener, stop).await });
        let mut arrivals = ztunnels.arrivals();
        let (tell, mut old) = mpsc::unbounded_channel();
        let first = tokio::spawn({
            let path = path.clone();
            async move { ztunnel(&path, tell).await }
        });
        arrivals.changed().await.expect("connected");
        assert_eq!(old.recv().await.as_deref(), Some("add a"));
        assert_eq!(old.recv().await.as_deref(), Some("keep lost"));
        assert_eq!(old.recv().await.as_deref(), Some("snapshot"));
        add("b").await.expect("served");
        assert!(matches!(add("bad").await, Err(Error::Refused(why)) if why == "no"));
        assert_eq!(old.recv().await.as_deref(), Some("add b"));
        assert_eq!(old.recv().await.as_deref(), Some("add bad"));
        ztunnels.del("bad").await;
        assert_eq!(old.recv().await.as_deref(), Some("del bad"));

        let (tell, mut new) = mpsc::unbounded_channel();
        tokio::spawn(async move { ztunnel(&path, tell).await });
        arrivals.changed().await.expect("connected");
        add("c").await.expect("served");
        ztunnels.del("a").await;
        let mut heard = Vec::new();
        while let Ok(text) = new.try_recv() {
            heard.push(text);
        }
        assert_eq!(heard, ["add a", "add b", "keep lost", "snapshot", "add c", "del a"]);
        assert_eq!(old.recv().await.as_deref(), Some("del a"));
        // The old one goes: the new one goes on.
        first.abort();
        add("d").await.expect("served");
        drain.cut();
    }
}
