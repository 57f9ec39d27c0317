//! The connections that are open: shown to operators, and held to the policies as these change.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use hbone::copy::Counts;
use identity::tls::Session;
use model::{Decision, Identity, Peer, Workload, World};
use runtime::Drain;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{Shared, pod::Pod};

/// One open connection.
#[derive(Debug)]
pub struct Live {
    /// Where it comes from.
    pub source: SocketAddr,
    /// What the application asked for.
    pub original: SocketAddr,
    /// Where it really goes.
    pub actual: SocketAddr,
    /// How it goes on the wire.
    pub protocol: &'static str,
    /// The client's identity, if proven.
    pub source_identity: Option<Identity>,
    /// The server's identity, if proven.
    pub destination_identity: Option<Identity>,
    /// The handshake of its tunnel, if it has one.
    pub session: Option<Arc<Session>>,
    /// Whether it goes to a waypoint.
    pub to_waypoint: bool,
    /// What went through.
    pub counts: Arc<Counts>,
    /// Cuts it.
    pub cut: CancellationToken,
    /// It is to be cut when it is quiet.
    pub leaving: AtomicBool,
}

impl Live {
    /// Returns the connection for operators.
    pub fn shown(&self) -> Shown {
        Shown {
            src: self.source,
            original_dst: self.original,
            actual_dst: self.actual,
            protocol: self.protocol,
            src_identity: self.source_identity.clone(),
            dst_identity: self.destination_identity.clone(),
            tls: self.session.clone(),
            bytes_sent: self.counts.sent.load(Ordering::Relaxed),
            bytes_received: self.counts.received.load(Ordering::Relaxed),
        }
    }
}

/// One connection as operators see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    src: SocketAddr,
    original_dst: SocketAddr,
    actual_dst: SocketAddr,
    protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_identity: Option<Identity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dst_identity: Option<Identity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<Arc<Session>>,
    bytes_sent: u64,
    bytes_received: u64,
}

/// The open connections of a pod in one direction.
#[derive(Default)]
pub struct Connections {
    next: AtomicU64,
    live: Mutex<HashMap<u64, Arc<Live>>>,
}

/// How many refusals of a pod's connections are remembered.
const REFUSALS: usize = 64;

/// Why the last connections of a pod did not open, for those who ask at once.
#[derive(Default)]
pub struct Refusals(Mutex<VecDeque<(SocketAddr, String)>>);

impl Refusals {
    /// Remembers one, and forgets the oldest.
    pub fn note(&self, source: SocketAddr, reason: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == REFUSALS {
            all.pop_front();
        }
        all.push_back((source, reason.to_owned()));
    }

    /// Returns why the connection from this address did not open.
    pub fn of(&self, source: SocketAddr) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().rev().find(|(from, _)| *from == source).map(|(_, reason)| reason.clone())
    }
}

/// Keeps a connection listed for as long as it lives.
pub struct Listed {
    connections: Arc<Connections>,
    id: u64,
    /// The connection.
    pub live: Arc<Live>,
}

impl Connections {
    /// Lists a connection.
    pub fn list(self: &Arc<Self>, live: Live) -> Listed {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let live = Arc::new(live);
        self.live.lock().unwrap_or_else(PoisonError::into_inner).insert(id, live.clone());
        Listed { connections: self.clone(), id, live }
    }

    /// Returns all connections.
    pub fn all(&self) -> Vec<Arc<Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Returns all connections for operators.
    pub fn shown(&self) -> Vec<Shown> {
        self.all().into_iter().map(|live| live.shown()).collect()
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.connections.live.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// How long a connection is silent before it counts as quiet, and how long one that never is may go on.
const QUIET: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(5));

/// Cuts a connection at a moment when nothing is under way, as far as can be told, or at the end of its time.
async fn leave(live: Arc<Live>) {
    let end = tokio::time::Instant::now() + QUIET.1;
    let moved = || live.counts.sent.load(Ordering::Relaxed) + live.counts.received.load(Ordering::Relaxed);
    let mut before = moved();
    while tokio::time::Instant::now() < end {
        tokio::time::sleep(QUIET.0).await;
        let now = moved();
        if now == before {
            break;
        }
        before = now;
    }
    info!(target: "access", { src.addr = %live.source, dst.addr = %live.original }, "connection cut: it goes past a waypoint that has a policy now");
    live.cut.cancel();
}

/// Has connections of a pod leave that were made past a waypoint while that had nothing to do, and has a policy now.
fn leave_where_guarded(pod: &Pod, world: &World, workload: &Workload) {
    for live in pod.outbound.all().into_iter().filter(|live| !live.to_waypoint) {
        let service = world.service_at(&workload.network, live.original.ip(), &workload.namespace);
        let guarded = service.is_some_and(|s| s.guarded && s.waypoint.is_some());
        if guarded && !live.leaving.swap(true, Ordering::Relaxed) {
            tokio::spawn(leave(live));
        }
    }
}

/// Cuts connections that a changed policy, or a policy newly bound to the workload, no longer lets in.
pub async fn enforce(shared: Arc<Shared>, drain: Drain) {
    let mut changes = shared.store.changes();
    loop {
        tokio::select! { () = drain.cutting() => return, changed = changes.changed() => if changed.is_err() { return } }
        let world = shared.store.world();
        for pod in shared.pods.all() {
            let Some(workload) = pod.workload_in(&world) else { continue };
            leave_where_guarded(&pod, &world, &workload);
            for live in pod.inbound.all() {
                let peer = Peer {
                    identity: live.source_identity.as_ref(),
                    source: live.source.ip(),
                    destination: live.original,
                };
                let decision = world.decide(&workload, &peer);
                // A policy that is still to come says nothing against what was let in before.
                let stays = matches!(decision, Decision::Allow(_) | Decision::Unknown(_));
                if !stays && !live.cut.is_cancelled() {
                    info!(target: "access", { src.addr = %live.source, dst.addr = %live.original, %decision }, "connection cut by policy");
                    live.cut.cancel();
                }
            }
        }
        // A burst of changes is one check.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
