//! The tunnels that a client has open: shared by its connections, made once however many ask, several per peer under load.

use std::{
    collections::HashMap,
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use model::Identity;
use tokio::sync::watch;

use crate::tunnel::{Error, Tunnel};

/// How many streams a tunnel carries before another one is made, and the most it ever carries.
const STREAMS: (usize, usize) = (64, 180);
/// How many tunnels to one peer there are before streams are packed closer.
const TUNNELS: usize = 4;
/// How long a failed attempt answers for those who ask right after it.
const FAILURE_KEPT: Duration = Duration::from_millis(100);
/// How long a tunnel without streams is kept.
const IDLE: Duration = Duration::from_secs(300);

/// What makes two connections share a tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Whose certificate is shown.
    pub source: Identity,
    /// Where the tunnel ends.
    pub peer: SocketAddr,
    /// Who the peer must be.
    pub identities: Vec<Identity>,
}

type Outcome = Option<Result<Tunnel, Error>>;

#[derive(Default)]
struct Peer {
    tunnels: Vec<(Tunnel, Instant)>,
    // The attempt under way: everybody else waits for its outcome instead of making another.
    attempt: Option<watch::Receiver<Outcome>>,
    failed: Option<(Instant, Error)>,
}

/// The tunnels of one client. Copies share them.
#[derive(Clone, Default)]
pub struct Pool(Arc<Mutex<HashMap<Key, Peer>>>);

enum Found {
    Tunnel(Tunnel),
    Failed(Error),
    Wait(watch::Receiver<Outcome>),
    Connect(watch::Sender<Outcome>),
}

impl Pool {
    /// Returns a tunnel to a peer, made by `connect` if there is none with room.
    ///
    /// # Errors
    /// What `connect` fails with; the failure also answers those who waited, and those who ask within a tenth of a second.
    pub async fn tunnel<C, F>(&self, key: &Key, connect: C) -> Result<Tunnel, Error>
    where
        C: Fn() -> F,
        F: Future<Output = Result<Tunnel, Error>> + Send + 'static,
    {
        let lost = || Error::Http { peer: key.peer, reason: "the attempt to connect was given up".to_owned() };
        loop {
            let mut attempt = match self.find(key) {
                Found::Tunnel(tunnel) => return Ok(tunnel),
                Found::Failed(error) => return Err(error),
                Found::Wait(attempt) => attempt,
                Found::Connect(sender) => {
                    let attempt = sender.subscribe();
                    let (pool, key, connecting) = (self.clone(), key.clone(), connect());
                    // On its own: the attempt is for all who wait, and goes on when the one who asked first has left.
                    tokio::spawn(async move {
                        let outcome = connecting.await;
                        pool.finish(&key, &outcome);
                        sender.send_replace(Some(outcome));
                    });
                    attempt
                }
            };
            let outcome = attempt.wait_for(Option::is_some).await.map_err(|_| lost())?;
            match outcome.clone().unwrap_or_else(|| Err(lost())) {
                // More waited than it carries: who comes too late looks for another. One that carries nothing at all is no help.
                Ok(tunnel) if !tunnel.has_room() && tunnel.streams() > 0 => {}
                outcome => return outcome,
            }
        }
    }

    fn find(&self, key: &Key) -> Found {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = peers.entry(key.clone()).or_default();
        let now = Instant::now();
        peer.tunnels.retain(|(tunnel, _)| !tunnel.is_closed());
        if peer.attempt.as_ref().is_some_and(|attempt| attempt.has_changed().is_err()) {
            // Its task is gone without an outcome.
            peer.attempt = None;
        }
        let count = peer.tunnels.len();
        let with_room = peer.tunnels.iter_mut().filter(|(tunnel, _)| tunnel.has_room());
        let freest = with_room.min_by_key(|(tunnel, _)| tunnel.streams());
        if let Some((tunnel, used)) = freest {
            let limit = if count < TUNNELS { STREAMS.0 } else { STREAMS.1 };
            // While another tunnel is being made, the ones there are serve beyond their mark.
            let room = if peer.attempt.is_some() { STREAMS.1 } else { limit };
            if tunnel.streams() < room {
                *used = now;
                return Found::Tunnel(tunnel.clone());
            }
        }
        if let Some(attempt) = &peer.attempt {
            return Found::Wait(attempt.clone());
        }
        if let Some((_, error)) = peer.failed.as_ref().filter(|(when, _)| now.duration_since(*when) < FAILURE_KEPT) {
            return Found::Failed(error.clone());
        }
        let (sender, receiver) = watch::channel(None);
        peer.attempt = Some(receiver);
        Found::Connect(sender)
    }

    fn finish(&self, key: &Key, outcome: &Result<Tunnel, Error>) {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = peers.entry(key.clone()).or_default();
        peer.attempt = None;
        match outcome {
            Ok(tunnel) => {
                peer.failed = None;
                peer.tunnels.push((tunnel.clone(), Instant::now()));
            }
            Err(error) => peer.failed = Some((Instant::now(), error.clone())),
        }
    }

    /// Lets go of tunnels that nobody used for a while, and of what is known of peers without any.
    pub fn sweep(&self) {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        peers.retain(|_, peer| {
            peer.tunnels
                .retain(|(tunnel, used)| !tunnel.is_closed() && (tunnel.streams() > 0 || used.elapsed() < IDLE));
            !peer.tunnels.is_empty()
                || peer.attempt.is_some()
                || peer.failed.as_ref().is_some_and(|(when, _)| when.elapsed() < IDLE)
        });
    }

    /// Lets go of all tunnels; streams in them go on to their end.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
