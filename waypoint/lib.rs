//! The proxy for layer 7: takes tunnels from the proxies of nodes, decides over requests, and passes them on through tunnels.
//!
//! Started by `ambient --role waypoint`, for one Gateway.
//!
//! ```text
//!  tunnel ──► listen ──► inbound ──► requests ─────► policy, route, filters ──► upstream ──► tunnel
//!                           └──► stream (TCP, TLS that passes through) ──────────────┘
//! ```

mod admin;
pub mod config;
mod inbound;
mod listen;
mod requests;
mod sniff;
mod stream;
mod telemetry;
mod tokens;
mod upstream;

use std::{sync::Arc, time::Duration};

use hbone::pool::Pool;
use identity::{
    channel::{self, ControlPlane},
    client::{Asking, RemoteAuthority},
    manager::Manager,
};
use model::{Identity, identity::InvalidIdentity};
use runtime::{Drain, Readiness, Shards, drain::stop_signal};
use tracing::{info, warn};

pub use crate::config::Config;

/// The task of readiness that the first certificate completes.
const CERTIFICATE: &str = "certificate";
/// How long what is known of requests may take to be told at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How often tunnels without streams are looked at.
const SWEEP: Duration = Duration::from_secs(30);

/// Tells why the proxy could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of the control plane is unusable.
    #[error("invalid address of the control plane")]
    ControlPlane(#[from] channel::Error),
    /// The settings make no identity.
    #[error("the settings name no valid identity")]
    Identity(#[from] InvalidIdentity),
    /// A port is taken or may not be used.
    #[error("cannot listen on {0}")]
    Listen(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// The threads of the data path cannot be started.
    #[error("cannot start the threads of the data path")]
    Threads(#[source] std::io::Error),
    /// Signals cannot be received.
    #[error("cannot receive signals")]
    Signal(#[source] std::io::Error),
}

/// What all of the proxy shares.
struct Shared {
    config: Config,
    identity: Identity,
    store: xds::client::Store,
    certificates: Manager,
    metrics: telemetry::Metrics,
    exporters: telemetry::Exporters,
    tokens: Arc<tokens::Tokens>,
    shards: Shards,
    spread: listen::Spread,
    // Of each shard: what a shard made stays on it.
    tunnels: Vec<Pool>,
    upstreams: Vec<upstream::Upstreams>,
}

impl Shared {
    /// Returns the tunnels of the calling thread's shard.
    fn tunnels(&self) -> &Pool {
        &self.tunnels[runtime::shards::current()]
    }

    /// Returns the connections to endpoints of the calling thread's shard.
    fn upstreams(&self) -> &upstream::Upstreams {
        &self.upstreams[runtime::shards::current()]
    }
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
    let readiness = Readiness::pending([xds::client::READY, CERTIFICATE]);
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
    let authority = RemoteAuthority::new(ca, Asking::ForItself)?;
    let (metrics, mut registry) = telemetry::Metrics::new(&config.measures);
    let exporters = telemetry::Exporters::new(&mut registry);
    let shards = Shards::start("waypoint", config.workers, || {}).map_err(Error::Threads)?;
    let shared = Arc::new(Shared {
        identity: config.identity()?,
        store: xds::client::Store::default(),
        certificates: Manager::new(Arc::new(authority), config.certificate_lifetime),
        metrics,
        exporters,
        tokens: Arc::new(tokens::Tokens::new(tokens::Fetcher::new(tokens::public_roots))),
        tunnels: (0..shards.count()).map(|_| Pool::default()).collect(),
        upstreams: (0..shards.count()).map(|_| upstream::Upstreams::default()).collect(),
        spread: listen::Spread::new(shards.count()),
        shards,
        config,
    });

    admin::serve(&shared, registry, readiness.clone(), drain.clone()).await?;
    let channel = discovery.channel()?;
    let bearer = move || {
        let discovery = discovery.clone();
        async move { discovery.bearer().await }
    };
    let (node, store) = (shared.config.node(), shared.store.clone());
    let types = xds::client::OF_WAYPOINT;
    tokio::spawn(xds::client::run(node, channel, types, bearer, store, readiness.clone(), drain.clone()));
    tokio::spawn(shared.tokens.clone().follow(shared.store.clone(), drain.clone()));
    if let Some(runtime) = shared.shards.runtimes().next() {
        runtime.spawn(telemetry::follow(shared.clone(), drain.clone()));
    }
    // Held for as long as the proxy runs.
    let _certificate = shared.certificates.hold(shared.identity.clone());
    let (waiting, ready) = (shared.clone(), readiness.clone());
    tokio::spawn(async move {
        while waiting.certificates.certificate(&waiting.identity).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        ready.done(CERTIFICATE);
    });
    listen::start(&shared, &drain)?;
    tokio::spawn(sweep(shared.clone()));
    let waypoint = shared.config.waypoint.to_string();
    info!(waypoint, identity = %shared.identity, version = env!("CARGO_PKG_VERSION"), "waypoint started");

    stop_signal().await.map_err(Error::Signal)?;
    readiness.lost("stopping");
    // No listening ends before those in front have heard that this pod is leaving.
    let ended = drain.finish(shared.config.grace).await;
    shared.exporters.finish(LAST_WORDS).await;
    info!(all_streams_ended = ended, "waypoint stopped");
    Ok(())
}

async fn sweep(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        shared.tunnels.iter().for_each(Pool::sweep);
        shared.upstreams.iter().for_each(upstream::Upstreams::sweep);
    }
}
