//! Where tunnels arrive: one listener for each thread of the data path, and the streams of one tunnel spread over all of them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hbone::server;
use net::sockets::{self, ListenOptions};
use runtime::{Drain, shards};
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use crate::{Error, Shared, inbound};

/// How many connections one thread holds at most.
const CONNECTIONS: usize = 16 << 10;

/// Starts the listeners.
///
/// # Errors
/// A port that is taken.
pub fn start(shared: &Arc<Shared>, drain: &Drain) -> Result<(), Error> {
    let options = ListenOptions { reuse_port: true, ..ListenOptions::default() };
    let address = shared.config.hbone;
    for runtime in shared.shards.runtimes() {
        let failed = |error: sockets::Error| Error::Listen(address.to_string(), error.into());
        // A kernel without IPv6 has the other family alone.
        let v4 = SocketAddr::from(([0, 0, 0, 0], address.port()));
        let _inside = runtime.enter();
        let listener = sockets::listen(None, address, &options).or_else(|_| sockets::listen(None, v4, &options));
        let listener = listener.map_err(failed)?;
        let listener = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
        let listener = listener.map_err(|error| Error::Listen(address.to_string(), error.into()))?;
        drain.spawn_on(accept(shared.clone(), listener, drain.clone()), runtime);
    }
    Ok(())
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, drain: Drain) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let accepted = tokio::select! { () = drain.draining() => return, accepted = listener.accept() => accepted };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, usually: without a pause this loop would spin.
                warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if open.load(Ordering::Relaxed) >= CONNECTIONS {
            warn!(%peer, limit = CONNECTIONS, "too many connections, refused");
            continue;
        }
        open.fetch_add(1, Ordering::Relaxed);
        let (shared, serving, open) = (shared.clone(), drain.clone(), open.clone());
        drain.spawn(async move {
            tunnel(shared, socket, peer, serving).await;
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

async fn tunnel(shared: Arc<Shared>, socket: TcpStream, peer: SocketAddr, drain: Drain) {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let _ = socket.set_nodelay(true);
    let own = match shared.certificates.certificate(&shared.identity).await {
        Ok(own) => own,
        Err(error) => return warn!(%peer, %error, "a tunnel was refused: there is no certificate"),
    };
    let (tls, session) = match server::handshake(socket, &own).await {
        Ok(done) => done,
        Err(error) => return debug!(%peer, %error, "no tunnel"),
    };
    let session = Arc::new(session);
    let cutting = drain.clone();
    let served = server::serve(tls, peer, drain, |connect| {
        let (shared, session, cut) = (shared.clone(), session.clone(), cutting.clone());
        async move {
            let busy = shared.spread.least();
            let elsewhere =
                (busy.shard != shards::current()).then(|| shared.shards.runtimes().nth(busy.shard)).flatten();
            let elsewhere = elsewhere.cloned();
            let serving = async move {
                let ends = inbound::Ends { peer, session };
                tokio::select! { () = inbound::serve(shared, connect, ends, cut.clone()) => {}, () = cut.cutting() => {} }
                drop(busy);
            };
            match elsewhere {
                // An end without an outcome is a panic, which was told of.
                Some(runtime) => drop(runtime.spawn(serving).await),
                None => serving.await,
            }
        }
    });
    if let Err(error) = served.await {
        debug!(%peer, %error, "tunnel ended");
    }
}

/// How many streams each thread of the data path serves. One tunnel carries all that a node's pods of one identity send: on one
/// thread alone they would wait for each other.
pub struct Spread(Vec<Arc<AtomicUsize>>);

/// One stream that a thread serves; dropped, it is done.
struct Busy {
    shard: usize,
    streams: Arc<AtomicUsize>,
}

impl Spread {
    /// Makes one of this many threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| Arc::default()).collect())
    }

    /// Gives a stream to the thread with the fewest; to the calling one, which reads its tunnel, where that is no worse.
    fn least(&self) -> Busy {
        let count = |shard: usize| self.0[shard].load(Ordering::Relaxed);
        let own = shards::current();
        let least = (0..self.0.len()).min_by_key(|shard| count(*shard)).unwrap_or(own);
        let shard = if count(own) > count(least) { least } else { own };
        let streams = self.0[shard].clone();
        streams.fetch_add(1, Ordering::Relaxed);
        Busy { shard, streams }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_spread_over_all_threads() {
        let spread = Spread::new(3);
        let streams: Vec<Busy> = (0..9).map(|_| spread.least()).collect();
        let counts: Vec<usize> = spread.0.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        assert_eq!(counts, [3, 3, 3]);
        // The calling thread is the first: with nothing to choose between, a stream stays there.
        assert_eq!((streams[0].shard, spread.least().shard), (0, 0));
        drop(streams);
        assert!(spread.0.iter().all(|count| count.load(Ordering::Relaxed) == 0));
    }
}
