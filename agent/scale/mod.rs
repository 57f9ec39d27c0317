//! Waypoints by the requests that they have under way: tells autoscalers what the processor's load does not say.
//!
//! ```text
//!  autoscaler ──► API server ──(aggregation)──► here ──► each pod's metrics
//! ```
//!
//! It is the API of custom metrics for pods (`custom.metrics.k8s.io`), with the one metric of waypoints. A cluster has one server of it:
//! where another one is, it stays, and the Gateway that asks for this is told.

mod api;
mod front;
mod load;
mod registration;

use std::{sync::Arc, time::Duration};

use identity::ca::Authority;
use kube::Client;
use runtime::Drain;
use tokio::time::Instant;

pub use self::registration::Refusal;

/// The name of the metric, as waypoints and autoscalers have it.
pub const METRIC: &str = "ambient_requests_in_flight";
/// How often the API's registration is looked at.
const AGAIN: Duration = Duration::from_secs(60);

/// The settings of the server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace of the mesh.
    pub namespace: String,
    /// The names of the control plane, for its certificate.
    pub names: Vec<String>,
    /// The port.
    pub port: u16,
}

/// What the server of the metric needs. Copies share it.
#[derive(Clone)]
pub struct Scale {
    client: Client,
    authority: Arc<Authority>,
    settings: Arc<Settings>,
    drain: Drain,
}

impl Scale {
    /// Names it; nothing is done yet.
    #[must_use]
    pub fn new(client: Client, authority: Arc<Authority>, settings: Settings, drain: Drain) -> Self {
        Self { client, authority, settings: Arc::new(settings), drain }
    }
}

/// Starts the server when the first waypoint asks for it, and keeps it registered.
pub struct Registrar {
    scale: Scale,
    serves: bool,
    looked: Option<Instant>,
}

impl Registrar {
    /// Makes one that does nothing yet.
    #[must_use]
    pub fn new(scale: Scale) -> Self {
        Self { scale, serves: false, looked: None }
    }

    /// Sees to it that autoscalers can ask for the metric.
    ///
    /// # Errors
    /// Another server has the API, or this one cannot have it.
    pub async fn ensure(&mut self) -> Result<(), Refusal> {
        if self.looked.is_some_and(|looked| looked.elapsed() < AGAIN) {
            return Ok(());
        }
        if !self.serves {
            front::serve(&self.scale).await?;
            self.serves = true;
        }
        registration::register(&self.scale).await?;
        self.looked = Some(Instant::now());
        Ok(())
    }
}
