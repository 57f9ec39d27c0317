//! The node proxy: serves every enrolled pod of its node from listeners inside the pod's own network namespace.
//!
//! Started by `ambient --role ztunnel`.

mod admin;
pub mod config;
mod connections;
mod evidence;
mod inbound;
mod inpod;
mod outbound;
mod pod;
mod probe;

use std::{sync::Arc, time::Duration};

use hbone::telemetry;
use identity::{
    channel::{self, ControlPlane},
    client::{Asking, RemoteAuthority},
    manager::Manager,
};
use runtime::{Drain, Readiness, Shards, drain::stop_signal, operators::Taken, resolve::Names};
use tracing::{info, warn};

pub use crate::config::Config;

/// Tells why the proxy could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of the control plane is unusable.
    #[error("invalid address of the control plane")]
    ControlPlane(#[from] channel::Error),
    /// A port is taken or may not be used.
    #[error(transparent)]
    Listen(#[from] Taken),
    /// The threads of the data path cannot be started.
    #[error("cannot start the threads of the data path")]
    Threads(#[source] std::io::Error),
    /// Signals cannot be received.
    #[error("cannot receive signals")]
    Signal(#[source] std::io::Error),
}

/// What all pods of the node share.
struct Shared {
    config: Config,
    store: xds::client::Store,
    certificates: Manager,
    metrics: telemetry::Metrics,
    pods: pod::Pods,
    names: Names,
    shards: Shards,
}

/// Runs the proxy until SIGTERM, then lets its streams end within the grace period.
///
/// # Errors
/// Ports that are taken, or an unusable configuration; trouble with peers is retried, not returned.
pub async fn run(config: Config) -> Result<(), Error> {
    match net::sockets::raise_open_files() {
        Ok(limit) => info!(limit, "open files"),
        Err(error) => warn!(%error, "the limit of open files stays as it is"),
    }
    let drain = Drain::new();
    let readiness = Readiness::pending([xds::client::READY, inpod::READY]);
    let (host, port) = ControlPlane::parse_address(&config.ca_address)?;
    let ca = ControlPlane {
        host,
        port,
        roots: config.ca_roots.clone(),
        token: config.token.clone(),
        cluster: config.cluster_id.clone(),
    };
    let (host, port) = ControlPlane::parse_address(&config.xds_address)?;
    let discovery = ControlPlane { host, port, roots: config.xds_roots.clone(), ..ca.clone() };
    let certificates = Manager::new(Arc::new(RemoteAuthority::new(ca, Asking::ForPods)?), config.certificate_lifetime);
    let (metrics, registry) = telemetry::Metrics::new("ztunnel");
    let shared = Arc::new(Shared {
        config: config.clone(),
        store: xds::client::Store::default(),
        certificates,
        metrics,
        pods: pod::Pods::default(),
        names: Names::default(),
        shards: Shards::start("ztunnel", config.workers, batch).map_err(Error::Threads)?,
    });

    admin::serve(&shared, registry, readiness.clone(), drain.clone()).await?;
    let channel = discovery.channel()?;
    let bearer = move || {
        let discovery = discovery.clone();
        async move { discovery.bearer().await }
    };
    tokio::spawn(xds::client::run(
        config.node(),
        channel,
        xds::client::OF_ZTUNNEL,
        bearer,
        shared.store.clone(),
        readiness.clone(),
        drain.clone(),
    ));
    tokio::spawn(inpod::run(shared.clone(), readiness.clone(), drain.clone()));
    tokio::spawn(connections::enforce(shared.clone(), drain.clone()));
    info!(node = config.node_name, version = env!("CARGO_PKG_VERSION"), "ztunnel started");

    stop_signal().await.map_err(Error::Signal)?;
    readiness.lost("stopping");
    drain.start();
    let ended = shared.pods.drain_all(config.grace).await;
    drain.finish(Duration::from_secs(1)).await;
    info!(all_streams_ended = ended, "ztunnel stopped");
    Ok(())
}

/// Twice the requests per second on a busy node: docs/benchmarks.md.
fn batch() {
    if let Err(error) = net::threads::batch() {
        warn!(%error, "this thread is not scheduled in batches: many small requests will cost more");
    }
}
