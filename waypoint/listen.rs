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
use runtime::Drain;
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
            let ends = inbound::Ends { peer, session };
            tokio::select! { () = inbound::serve(shared, connect, ends, cut.clone()) => {}, () = cut.cutting() => {} }
        }
    });
    if let Err(error) = served.await {
        debug!(%peer, %error, "tunnel ended");
    }
}
