//! One enrolled pod: its listeners, its certificate, its tunnels, its open connections.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hbone::pool::Pool;
use identity::manager::Hold;
use model::{Decision, Identity, Peer, Workload, World};
use net::{
    netns::Netns,
    sockets::{self, ListenOptions},
    zds::WorkloadInfo,
};
use runtime::Drain;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::Semaphore,
    time::timeout,
};
use tracing::{debug, info, warn};

use crate::{
    Shared,
    connections::{Connections, Refusals},
    inbound, outbound,
};

/// The port that redirected outgoing connections arrive at.
pub const OUTBOUND: u16 = 15001;
/// The port that redirected incoming plaintext arrives at.
pub const PLAINTEXT: u16 = 15006;
/// The port that HBONE arrives at.
pub const HBONE: u16 = 15008;
/// The mark of the proxy's own packets, which the redirection passes over.
pub const MARK: u32 = 1337;
/// The most connections one pod may have open through the proxy: one pod must not starve the others of its node.
const MAX_CONNECTIONS: usize = 20_000;
/// How long a connection waits for discovery to tell of its pod.
const WORKLOAD_WAIT: Duration = Duration::from_secs(5);

/// How often tunnels without streams are looked for.
const SWEEP: Duration = Duration::from_secs(30);
/// How long a connection waits for a policy that its pod names.
const POLICY_WAIT: Duration = Duration::from_secs(2);

/// Tells why a pod cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pod's service account makes no identity.
    #[error("the pod has no valid identity")]
    Identity(#[from] model::identity::InvalidIdentity),
    /// A listener cannot be made.
    #[error("no listener in the pod's namespace")]
    Listen(#[from] sockets::Error),
    /// A listener cannot be used.
    #[error("the listener cannot be used")]
    Register(#[from] std::io::Error),
}

/// One enrolled pod.
pub struct Pod {
    /// The unique name that Kubernetes gave it.
    pub uid: String,
    /// Its name, namespace and service account.
    pub info: WorkloadInfo,
    /// Its identity.
    pub identity: Identity,
    /// Its network namespace.
    pub netns: Netns,
    /// Tunnels to other nodes, by its own certificate; those of each shard apart.
    pools: Vec<Pool>,
    /// Incoming connections.
    pub inbound: Arc<Connections>,
    /// Outgoing connections.
    pub outbound: Arc<Connections>,
    /// Why its last outgoing connections did not open.
    pub refusals: Refusals,
    /// Stops it.
    pub drain: Drain,
    /// What all pods share.
    pub shared: Arc<Shared>,
    slots: Arc<Semaphore>,
    _certificate: Hold,
}

/// The pods of the node, by their unique name.
#[derive(Default)]
pub struct Pods(Mutex<HashMap<String, Arc<Pod>>>);

impl Pods {
    /// Serves a pod; one that is served already in the same namespace goes on as it is.
    ///
    /// # Errors
    /// An identity that is none, or listeners that cannot be made.
    pub fn add(&self, shared: &Arc<Shared>, uid: String, info: WorkloadInfo, netns: Netns) -> Result<(), Error> {
        let old = self.get(&uid);
        if old.as_ref().is_some_and(|pod| pod.netns.id() == netns.id() && pod.info == info && !pod.drain.is_draining())
        {
            return Ok(());
        }
        let identity = Identity::new(&shared.config.trust_domain, &info.namespace, &info.service_account)?;
        let pod = Arc::new(Pod {
            uid: uid.clone(),
            identity: identity.clone(),
            netns,
            pools: (0..shared.shards.count()).map(|_| Pool::default()).collect(),
            inbound: Arc::default(),
            outbound: Arc::default(),
            refusals: Refusals::default(),
            drain: Drain::new(),
            shared: shared.clone(),
            slots: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            _certificate: shared.certificates.hold(identity),
            info,
        });
        pod.start()?;
        info!(uid, name = pod.info.name, namespace = pod.info.namespace, "pod is served");
        let mut pods = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = pods.insert(uid, pod) {
            old.leave();
        }
        Ok(())
    }

    /// Stops serving a pod: nothing new is accepted, what is open goes on to its end.
    pub fn remove(&self, uid: &str) {
        let pod = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        if let Some(pod) = pod {
            info!(uid, name = pod.info.name, namespace = pod.info.namespace, "pod is no longer served");
            pod.leave();
        }
    }

    /// Stops serving all pods but these.
    pub fn retain(&self, uids: &std::collections::HashSet<String>) {
        for pod in self.all() {
            if !uids.contains(&pod.uid) {
                self.remove(&pod.uid);
            }
        }
    }

    /// Finds a pod.
    pub fn get(&self, uid: &str) -> Option<Arc<Pod>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(uid).cloned()
    }

    /// Finds the pod that a workload is.
    pub fn of(&self, workload: &Workload) -> Option<Arc<Pod>> {
        let pods = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pods.values().find(|pod| pod.is(workload)).cloned()
    }

    /// Returns all pods.
    pub fn all(&self) -> Vec<Arc<Pod>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Lets the streams of all pods end; tells whether they did within `grace`.
    pub async fn drain_all(&self, grace: Duration) -> bool {
        let endings = self.all().into_iter().map(|pod| async move { pod.drain.finish(grace).await });
        futures::future::join_all(endings).await.into_iter().all(|ended| ended)
    }
}

impl Pod {
    fn start(self: &Arc<Self>) -> Result<(), Error> {
        // All or nothing: the listeners are made before any of them serves.
        let mut ready = Vec::new();
        for runtime in self.shared.shards.runtimes() {
            let listen = |port, transparent| self.listen(runtime, port, transparent);
            ready.push((runtime, listen(OUTBOUND, false)?, listen(PLAINTEXT, true)?, listen(HBONE, true)?));
        }
        for (runtime, outbound, plaintext, hbone) in ready {
            self.serve(runtime, outbound, outbound::serve);
            self.serve(runtime, plaintext, inbound::plaintext);
            self.serve(runtime, hbone, inbound::hbone);
        }
        let pod = self.clone();
        self.drain.spawn(async move {
            loop {
                tokio::select! {
                    () = pod.drain.draining() => break,
                    () = tokio::time::sleep(SWEEP) => pod.pools.iter().for_each(Pool::sweep),
                }
            }
            pod.pools.iter().for_each(Pool::clear);
        });
        Ok(())
    }

    /// Returns the tunnels of the calling thread's shard.
    pub fn pool(&self) -> &Pool {
        &self.pools[runtime::shards::current()]
    }

    fn listen(&self, runtime: &Handle, port: u16, transparent: bool) -> Result<TcpListener, Error> {
        let local = port == OUTBOUND;
        let options = ListenOptions { transparent, reuse_port: true, mark: Some(MARK), local, backlog: 1024 };
        let both = SocketAddr::from(([0_u16; 8], port));
        let listener = sockets::listen(Some(&self.netns), both, &options).or_else(|error| {
            debug!(%error, port, "no IPv6 in the pod, IPv4 alone");
            sockets::listen(Some(&self.netns), ([0, 0, 0, 0], port).into(), &options)
        })?;
        let _on = runtime.enter();
        Ok(TcpListener::from_std(listener)?)
    }

    fn serve<H, F>(self: &Arc<Self>, runtime: &Handle, listener: TcpListener, handle: H)
    where
        H: Fn(Arc<Pod>, TcpStream, SocketAddr) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let pod = self.clone();
        let accepting = async move {
            loop {
                let slot = tokio::select! { () = pod.drain.draining() => return, slot = pod.slots.clone().acquire_owned() => slot };
                let accepted =
                    tokio::select! { () = pod.drain.draining() => return, accepted = listener.accept() => accepted };
                match accepted {
                    Ok((stream, peer)) => {
                        let _ = stream.set_nodelay(true);
                        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                        let served = handle(pod.clone(), stream, peer);
                        let cut = pod.drain.clone();
                        pod.drain.spawn(async move {
                            tokio::select! { () = served => {}, () = cut.cutting() => {} }
                            drop(slot);
                        });
                    }
                    Err(error) => {
                        // Out of descriptors, usually: without a pause this loop would spin.
                        warn!(%error, "accept failed");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        };
        self.drain.spawn_on(accepting, runtime);
    }

    fn leave(self: &Arc<Self>) {
        let pod = self.clone();
        let grace = self.shared.config.grace.max(Duration::from_secs(3600));
        tokio::spawn(async move { pod.drain.finish(grace).await });
    }

    /// Tells whether a workload is this pod.
    pub fn is(&self, workload: &Workload) -> bool {
        *workload.name == self.info.name
            && *workload.namespace == self.info.namespace
            && *workload.service_account == self.info.service_account
    }

    /// Finds the pod in a world.
    pub fn workload_in(&self, world: &World) -> Option<Arc<Workload>> {
        let uid = format!("{}//Pod/{}/{}", self.shared.config.cluster_id, self.info.namespace, self.info.name);
        let found = world.workloads.get(&*uid)?;
        // The name may be a predecessor's: the identity decides.
        self.is(found).then(|| found.clone())
    }

    /// Finds the pod in the world as discovery tells it, waiting a bounded time for a pod that is new.
    pub async fn workload(&self) -> Option<Arc<Workload>> {
        if let Some(workload) = self.workload_in(&self.shared.store.world()) {
            return Some(workload);
        }
        let mut changes = self.shared.store.changes();
        let told = async {
            loop {
                if let Some(workload) = self.workload_in(&self.shared.store.world()) {
                    return Some(workload);
                }
                changes.changed().await.ok()?;
            }
        };
        timeout(WORKLOAD_WAIT, told).await.ok().flatten()
    }

    /// Decides over a connection to the pod, waiting a bounded time for a policy that discovery is about to tell.
    pub async fn decide(&self, workload: &Workload, peer: &Peer<'_>) -> Decision {
        let mut changes = self.shared.store.changes();
        let decided = async {
            loop {
                match self.shared.store.world().decide(workload, peer) {
                    Decision::Unknown(_) if changes.changed().await.is_ok() => {}
                    decision => return decision,
                }
            }
        };
        let decided = timeout(POLICY_WAIT, decided).await;
        decided.unwrap_or_else(|_| self.shared.store.world().decide(workload, peer))
    }

    /// Tells whether a connection to this address and port would come back to the proxy itself.
    pub fn is_loop(&self, to: SocketAddr) -> bool {
        let own_ports = [OUTBOUND, PLAINTEXT, HBONE];
        let is_local = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
        own_ports.contains(&to.port()) && is_local(to.ip())
    }
}
