//! The cni role: enrols the pods of a node without restart. A node agent (one per node, DaemonSet
//! `ambient-cni`) and the chained CNI plugin that asks it for each new sandbox; one binary for both.
//!
//! [`run`] is the agent, [`plugin_main`] the plugin.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use k8s_openapi::api::apps::v1::DaemonSet;
use kube::{Api, Client};
use net::netns::{self, Netns};
use net::zds::{self, Listener};
use prometheus_client::registry::Registry;
use runtime::{Drain, Readiness};
use tracing::{info, warn};

mod agent;
mod cluster;
pub mod config;
mod conflist;
mod discover;
pub mod enrol;
mod host;
mod installer;
mod metrics;
mod plugin;
mod pod;
mod question;
mod ztunnels;

pub use config::Config;
pub use plugin::{plugin, plugin_main};

/// Whatever is left after this is left; Kubernetes kills after 30 s.
const LEAVE_WITHIN: Duration = Duration::from_secs(15);

/// Why the node agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A directory or socket.
    #[error("cannot prepare {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is nobody to ask for objects.
    #[error("no way to the mesh's objects")]
    Source(#[source] source::ConnectError),
    /// The port of metrics and readiness.
    #[error("cannot listen on port {0} (metrics and readiness)")]
    Port(u16, #[source] io::Error),
    /// The agent's own network namespace.
    #[error("cannot use the node's network namespace")]
    Netns(#[from] netns::Error),
    /// The sockets of ztunnel and of the plugin.
    #[error("cannot serve on {}", path.display())]
    Socket {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: zds::Error,
    },
    /// Signals.
    #[error("cannot wait for the stop signal")]
    Signal(#[source] io::Error),
}

/// Runs the node agent until SIGTERM or SIGINT.
///
/// On the stop the plugin and the rules stay (an upgrade must not let pods start outside the mesh)
/// unless the agent's own DaemonSet is gone: then every trace is removed.
pub async fn run(config: Config) -> Result<(), Error> {
    let client = source::connect().await.map_err(Error::Source)?;
    run_with(config, client, runtime::drain::stop_signal()).await
}

/// Like [`run`], with a client and a stop of the caller's choice.
pub async fn run_with(
    config: Config,
    client: Client,
    stopping: impl Future<Output = io::Result<()>>,
) -> Result<(), Error> {
    let config = Arc::new(config);
    let drain = Drain::new();
    let readiness = Readiness::pending(["install", "watch"]);
    let metrics = metrics::Metrics::default();
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    serve_operators(config.port, registry, readiness.clone(), &drain).await?;

    let host_netns = Netns::current()?;
    let shared = pod::Shared {
        config: config.clone(),
        api: pod::Apis(client.clone()),
        ztunnels: ztunnels::Ztunnels::new(config.zds_timeout, metrics.clone()),
        discovery: discover::Discovery::new(config.proc_dir.clone(), config.netns_dir.clone(), host_netns.id()),
        host: host::Host::new(host_netns),
        metrics: metrics.clone(),
    };
    let mut agent = agent::Agent::new(shared.clone(), cluster::follow(&client, &config));

    // The plugin may ask as soon as it is installed; it is answered once the cluster is known.
    let questions = listen(&config.plugin_socket())?;
    let (answering, stop) = (agent.clone(), drain.clone());
    drain.spawn(async move { answering.answer(questions, stop).await });
    let (ready, stop) = (readiness.clone(), drain.clone());
    let keeping = installer::keep((*config).clone(), move |outcome| match outcome {
        Ok(outcome) => {
            if outcome == installer::Outcome::Written {
                metrics.install("SUCCESS");
            }
            metrics.install_ready.set(1);
            ready.done("install");
        }
        Err(_) => {
            metrics.install("FAILURE");
            metrics.install_ready.set(0);
            ready.lost("install");
        }
    });
    let keeper = tokio::spawn(async move {
        // Never another round once the stop has begun.
        tokio::select! { biased; () = stop.draining() => {}, () = keeping => {} }
    });

    tokio::pin!(stopping);
    let taken = tokio::select! {
        signal = &mut stopping => { signal.map_err(Error::Signal)?; false }
        taken = agent.take_over() => taken.is_ok(),
    };
    if taken {
        // Only now: a ztunnel that dialled before would have dropped pods it serves.
        let zds = listen(&config.zds_socket)?;
        let (ztunnels, stop) = (shared.ztunnels.clone(), drain.clone());
        drain.spawn(async move { ztunnels.serve(zds, stop).await });
        readiness.done("watch");
        info!(node = config.node_name, "watching");
        let mut following = agent.clone();
        let stop = drain.clone();
        drain.spawn(async move { following.follow(stop).await });
        stopping.await.map_err(Error::Signal)?;
    }

    // New sandboxes are no longer announced, the files no longer kept; ztunnel stays connected.
    drain.start();
    // Or it would put back what is taken out.
    let _ = keeper.await;
    if is_uninstalled(&client, &config).await {
        leave(&config, &agent).await;
    } else {
        info!("the plugin and the rules stay for the successor");
    }
    drain.finish(Duration::from_secs(2)).await;
    Ok(())
}

async fn leave(config: &Config, agent: &agent::Agent) {
    info!("the mesh leaves this node");
    // First, so that no further pod is announced.
    if let Err(e) = installer::uninstall(config) {
        warn!(error = %runtime::error::chain(&e), "the plugin could not be removed");
    }
    agent.leave(LEAVE_WITHIN).await;
    for path in [config.plugin_socket(), config.record(), config.zds_socket.clone()] {
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            warn!(path = %path.display(), %error, "left behind");
        }
    }
}

/// Whether the DaemonSet is gone, or going. When that cannot be told everything stays: a restart is
/// far more frequent, and it must not open the mesh.
async fn is_uninstalled(client: &Client, config: &Config) -> bool {
    let api: Api<DaemonSet> = Api::namespaced(client.clone(), &config.system_namespace);
    let asked = tokio::time::timeout(Duration::from_secs(5), api.get_opt(config::NAME)).await;
    match asked {
        Ok(Ok(None)) => true,
        Ok(Ok(Some(set))) => set.metadata.deletion_timestamp.is_some(),
        Ok(Err(e)) => {
            warn!(error = %runtime::error::chain(&e), "cannot tell an uninstallation from a restart");
            false
        }
        Err(_) => false,
    }
}

fn listen(path: &Path) -> Result<Listener, Error> {
    let file = |source| Error::File { path: path.to_owned(), source };
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(file)?;
    }
    let listener = Listener::bind(path).map_err(|source| Error::Socket { path: path.to_owned(), source })?;
    // Who can connect can have any pod's traffic.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(file)?;
    Ok(listener)
}

async fn serve_operators(port: u16, registry: Registry, readiness: Readiness, drain: &Drain) -> Result<(), Error> {
    // Both families; only IPv4 where the kernel has no IPv6.
    let options = net::sockets::ListenOptions::default();
    let listener = net::sockets::listen(None, (Ipv6Addr::UNSPECIFIED, port).into(), &options)
        .or_else(|_| net::sockets::listen(None, SocketAddr::from(([0, 0, 0, 0], port)), &options))
        .map_err(|e| Error::Port(port, io::Error::other(e)))?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(|e| Error::Port(port, e))?;
    let registry = Arc::new(registry);
    let stop = drain.clone();
    drain.spawn(runtime::http::serve(listener, stop, move |request| {
        let answer = match request.uri().path() {
            "/readyz" | "/healthz/ready" => runtime::http::readiness(&readiness),
            "/healthz" => runtime::http::text(StatusCode::OK, "ok\n"),
            "/metrics" | "/stats/prometheus" => runtime::http::metrics(&registry),
            _ => runtime::http::text(StatusCode::NOT_FOUND, "try /metrics, /readyz or /healthz\n"),
        };
        async move { answer }
    }));
    Ok(())
}
