//! What is told of requests: metrics, access logs and traces, as Telemetry objects say.
//!
//! ```text
//!  request ──► record ──► metrics ──────────────────► scraped
//!                │  └───► log ──► format ──┐
//!                └──────► span ────────────┴► export (queues, batches) ──► collect ──► collectors, files
//! ```

mod collect;
mod context;
mod export;
mod facts;
mod flight;
mod log;
mod messages;
mod metrics;
mod otlp;
mod record;
mod span;

use std::sync::Arc;

use model::l7::{state::State, telemetry::Provider};
use runtime::Drain;

pub use self::{
    export::Exporters,
    flight::InFlight,
    messages::Messages,
    metrics::{AtHand, Metrics},
    record::Record,
};
use crate::Shared;

/// Starts what tells providers, and keeps to those that the settings name. It runs on a thread of the data path, for the
/// tunnels through which collectors are reached are one's.
pub async fn follow(shared: Arc<Shared>, drain: Drain) {
    let mut changes = shared.store.changes();
    let (mut seen, mut told): (Option<Arc<State>>, Vec<Provider>) = (None, Vec::new());
    // As Istio's proxies are called: `WORKLOAD.NAMESPACE`.
    let service = format!("{}.{}", shared.config.waypoint.name, shared.config.waypoint.namespace);
    let mesh = collect::Mesh(shared.clone());
    loop {
        let state = shared.store.l7();
        if !seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &state)) {
            let providers = state.settings().map_or(&[][..], |settings| &settings.providers);
            if providers != told {
                shared.exporters.sync(providers, &service, &mesh);
                told = providers.to_vec();
            }
            seen = Some(state);
        }
        tokio::select! {
            () = drain.cutting() => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

#[cfg(test)]
mod tests;
