//! The control plane: watches the cluster, computes the mesh, serves discovery, signs certificates.
//!
//! Started by `ambient --role agent`. Replicas share nothing: all serve, and what they write is the same.

mod auth;
mod authorities;
pub mod binding;
pub mod config;
mod deploy;
mod feed;
pub mod gateway;
#[cfg(test)]
mod here;
mod issue;
pub mod l7;
mod mesh;
mod mesh_config;
mod policy;
mod proof;
mod roots;
mod scale;
mod secrets;
mod secured;
mod serve;
mod status;
mod work;

use std::{sync::Arc, time::Duration};

use runtime::{Drain, Readiness, drain::stop_signal};
use tracing::info;
use xds::server::{Resources, Server};

use crate::work::Work;
pub use crate::{config::Config, deploy::sizes, mesh_config::check as check_mesh_config};

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
    let readiness = Readiness::pending([work::OBJECTS]);
    let client = source::connect().await.map_err(Error::Source)?;
    let authority = Arc::new(roots::authority(&client, &config.namespace, &config.trust_domain).await?);
    let resources = Resources::new();
    let (placement, proof) = (issue::Placement::default(), proof::Waypoints::default());
    let authenticator = Arc::new(auth::Authenticator::new(client.clone()));
    let issuer = issue::Issuer {
        authority: authority.clone(),
        authenticator: authenticator.clone(),
        placement: placement.clone(),
        trust_domain: config.trust_domain.clone(),
        trusted: config.trusted.clone(),
    };
    let gate = auth::Gate { authenticator, waypoints: proof.clone() };
    let discovery = Server::new(resources.clone(), gate, drain.clone());
    serve::start(&config, discovery, issuer, &readiness, &drain).await?;

    let scaling = scale::Settings {
        namespace: config.namespace.clone(),
        names: serve::names(&config),
        port: config.scaling_port,
    };
    let scale = scale::Scale::new(client.clone(), authority.clone(), scaling, drain.clone());
    tokio::spawn(roots::distribute(client.clone(), authority.root_pem().to_owned()));
    let settings = mesh::Settings {
        root: config.namespace.clone(),
        cluster: config.cluster.clone(),
        trust_domain: config.trust_domain.clone(),
        domain: config.domain.clone(),
        network: config.network.clone(),
        deploys: config.waypoints.is_some(),
    };
    let trust_domains = [config.trust_domain.clone()].into_iter().chain(config.trust_aliases).collect();
    let (normalization, providers) = (config.normalization, config.providers);
    // The environment says nothing of them.
    let defaults = l7::defaults::Defaults::default();
    let common = feed::Common { trust_domains, normalization, providers, defaults };
    let (waypoints, readiness_of_work) = (config.waypoints, readiness.clone());
    let work =
        Work { client, settings, common, waypoints, scale, placement, proof, resources, readiness: readiness_of_work };
    tokio::spawn(work.run());
    info!(version = env!("CARGO_PKG_VERSION"), trust_domain = config.trust_domain, "agent started");

    stop_signal().await.map_err(Error::Signal)?;
    readiness.lost("stopping");
    drain.finish(GRACE).await;
    info!("agent stopped");
    Ok(())
}
