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
use prometheus_client::registry::Registry;
use runtime::{Drain, Readiness, Shards, drain::stop_signal, operators::Taken, resolve::Names};
use tokio::sync::Semaphore;
use tracing::{info, warn};

pub use crate::config::Config;

/// Code generated from the file in `proto/`, compared with it by a test of `xds`.
#[allow(missing_docs, dead_code, clippy::all, clippy::pedantic)]
mod proto {
    include!("gen/envoy.service.auth.v3.rs");
}

/// The same of the other file.
#[allow(missing_docs, dead_code, clippy::all, clippy::pedantic)]
mod rate_limit_proto {
    include!("gen/envoy.service.ratelimit.v3.rs");
}

/// The task of readiness that the first certificate completes.
const CERTIFICATE: &str = "certificate";
/// How long a proxy that was told to stop goes on as before.
const LINGER: Duration = Duration::from_secs(3);
/// How long what is known of requests may take to be told at the end.
const FLUSH: Duration = Duration::from_secs(2);
/// How many connections to endpoints are kept without requests at most, whoever they are of: a client may name many hosts of a domain
/// that one service stands for. No more than a quarter of the files that may be open, for the same reason.
const UNUSED: usize = 8192;
/// How many files may be open at least, where nobody says.
const OPEN_FILES: u64 = 1024;
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
    /// A port for operators is taken.
    #[error(transparent)]
    Operators(#[from] Taken),
    /// The port of tunnels is taken or may not be used.
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
    flights: telemetry::InFlight,
    tokens: Arc<tokens::Tokens>,
    limits: requests::Limits,
    shards: Shards,
    spread: listen::Spread,
    // As many copies may be under way.
    mirrors: Arc<Semaphore>,
    // Of each shard: what a shard made stays on it.
    tunnels: Vec<Pool>,
    upstreams: Vec<upstream::Upstreams>,
    // Of all shards: an endpoint that fails fails for all, and limits are of the process.
    groups: upstream::Groups,
    names: Names,
}

impl Shared {
    /// Starts the threads of the data path, and makes what they share and the registry of its metrics.
    fn new(config: Config, identity: Identity, certificates: Manager) -> std::io::Result<(Self, Registry)> {
        let (metrics, mut registry) = telemetry::Metrics::new(&config.measures);
        let exporters = telemetry::Exporters::new(&mut registry);
        let limits = requests::Limits::new(&mut registry);
        let shards = Shards::start("waypoint", config.workers, || {})?;
        let flights = telemetry::InFlight::new(shards.count());
        registry.register_collector(Box::new(flights.clone()));
        let unused = usize::try_from(open_files() / 4).unwrap_or(UNUSED).min(UNUSED);
        let shared = Self {
            identity,
            store: xds::client::Store::default(),
            certificates,
            metrics,
            exporters,
            flights,
            limits,
            tokens: Arc::new(tokens::Tokens::new(tokens::Fetcher::new(tokens::public_roots))),
            mirrors: Arc::new(Semaphore::new(requests::MIRRORS)),
            tunnels: (0..shards.count()).map(|_| Pool::default()).collect(),
            upstreams: (0..shards.count()).map(|_| upstream::Upstreams::new(unused / shards.count())).collect(),
            spread: listen::Spread::new(shards.count()),
            groups: upstream::Groups::default(),
            names: Names::default(),
            shards,
            config,
        };
        Ok((shared, registry))
    }

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
    let identity = config.identity()?;
    let certificates = Manager::new(Arc::new(authority), config.certificate_lifetime);
    let (shared, registry) = Shared::new(config, identity, certificates).map_err(Error::Threads)?;
    let shared = Arc::new(shared);

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
    // Those in front hear that this pod leaves within moments; until then they send, and are served.
    let linger = LINGER.min(shared.config.grace / 4);
    tokio::time::sleep(linger).await;
    let ended = drain.finish(shared.config.grace - linger).await;
    shared.exporters.finish(FLUSH).await;
    info!(all_streams_ended = ended, "waypoint stopped");
    Ok(())
}

/// Raises the number of files that may be open as far as it goes, and returns it.
fn open_files() -> u64 {
    match net::sockets::raise_open_files() {
        Ok(limit) => {
            info!(limit, "open files");
            limit
        }
        Err(error) => {
            warn!(%error, "the limit of open files stays as it is");
            OPEN_FILES
        }
    }
}

async fn sweep(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        shared.tunnels.iter().for_each(Pool::sweep);
        shared.upstreams.iter().for_each(upstream::Upstreams::sweep);
        shared.groups.sweep();
        shared.limits.sweep(&shared.store.l7());
    }
}
