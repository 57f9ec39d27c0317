//! The control plane: watches the cluster, computes the mesh, serves discovery, signs certificates.
//!
//! Started by `ambient --role agent`. Replicas share nothing: all serve, and what they write is the same.

mod auth;
pub mod config;
mod issue;
pub mod l7;
mod mesh;
mod policy;
mod roots;
mod secured;
mod serve;
mod status;

use std::{collections::HashSet, sync::Arc, time::Duration};

use runtime::{Drain, Readiness, drain::stop_signal};
use source::Change;
use tokio::sync::mpsc;
use tracing::info;
use xds::server::Resources;

pub use crate::config::Config;

/// How many kinds the source tells.
const KINDS: usize = 7;
/// How long streams may take to end after a stop.
const GRACE: Duration = Duration::from_secs(10);

/// Tells why the control plane could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nobody to ask for objects.
    #[error("no way to the mesh's objects")]
    Source(#[source] source::ConnectError),
    /// There is no authority.
    #[error("no certificate authority")]
    Roots(#[from] roots::Error),
    /// The servers cannot start.
    #[error("the servers cannot start")]
    Serve(#[from] serve::Error),
    /// Signals cannot be received.
    #[error("cannot receive signals")]
    Signal(#[source] std::io::Error),
}

/// Runs the control plane until SIGTERM.
///
/// # Errors
/// No objects, no authority, or ports that are taken.
pub async fn run(config: Config) -> Result<(), Error> {
    let drain = Drain::new();
    let readiness = Readiness::pending(["the cluster's objects"]);
    let client = source::connect().await.map_err(Error::Source)?;
    let authority = Arc::new(roots::authority(&client, &config.namespace, &config.trust_domain).await?);
    let resources = Resources::new();
    let placement = issue::Placement::default();
    let authenticator = Arc::new(auth::Authenticator::new(client.clone()));
    let issuer = issue::Issuer {
        authority: authority.clone(),
        authenticator: authenticator.clone(),
        placement: placement.clone(),
        trust_domain: config.trust_domain.clone(),
        trusted: config.trusted.clone(),
    };
    serve::start(&config, &resources, issuer, &readiness, &drain).await?;

    tokio::spawn(roots::distribute(client.clone(), authority.root_pem().to_owned()));
    let (statuses, written) = mpsc::channel(1024);
    tokio::spawn(status::write(client.clone(), written));
    let settings = mesh::Settings {
        root: config.namespace.clone(),
        cluster: config.cluster.clone(),
        trust_domain: config.trust_domain.clone(),
        domain: config.domain.clone(),
        network: config.network.clone(),
    };
    let mut changes = source::kubernetes::watch(&client);
    let publishing = resources.clone();
    let ready = readiness.clone();
    tokio::spawn(async move {
        let mut mesh = mesh::Mesh::new(settings);
        let mut synced = HashSet::new();
        let mut batch = Vec::new();
        // What waits is taken at once, so that a burst is one publication and an idle source is told without delay.
        while changes.recv_many(&mut batch, 256).await > 0 {
            let mut out = Vec::new();
            for change in batch.drain(..) {
                placement.apply(&change);
                if let Change::Synced(kind) = &change {
                    synced.insert(*kind);
                }
                let (found, status) = mesh.apply(change);
                out.extend(found);
                if let Some(status) = status {
                    // A full queue loses a status, never a policy: the next change tells it again.
                    let _ = statuses.try_send(status);
                }
            }
            publishing.publish(out);
            if synced.len() == KINDS && !publishing.is_synced() {
                publishing.synced();
                ready.done("the cluster's objects");
                info!("the cluster's objects are known, discovery is served");
            }
        }
    });
    info!(version = env!("CARGO_PKG_VERSION"), trust_domain = config.trust_domain, "agent started");

    stop_signal().await.map_err(Error::Signal)?;
    readiness.lost("stopping");
    drain.finish(GRACE).await;
    info!("agent stopped");
    Ok(())
}
