//! The pods of the node as the cni agent tells them (ZDS), with their network namespaces.

use std::{collections::HashSet, sync::Arc, time::Duration};

use net::zds::{Connection, Error, Request};
use runtime::{Drain, Readiness, error::chain};
use tracing::{info, warn};

use crate::Shared;

/// The task of readiness that the first snapshot completes.
pub const READY: &str = "pods of the node";
/// The first and the longest pause between attempts.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));

/// Follows the cni agent until the stop; while it is away, pods are served as they were.
pub async fn run(shared: Arc<Shared>, readiness: Readiness, drain: Drain) {
    let mut pause = BACKOFF.0;
    loop {
        let outcome = tokio::select! {
            () = drain.draining() => return,
            outcome = follow(&shared, &readiness, &mut pause) => outcome,
        };
        if let Err(error) = outcome {
            warn!(error = chain(&error), retry_in = ?pause, "the cni agent is away");
        }
        tokio::select! { () = drain.draining() => return, () = tokio::time::sleep(pause) => {} }
        pause = (pause * 2).min(BACKOFF.1);
    }
}

async fn follow(shared: &Arc<Shared>, readiness: &Readiness, pause: &mut Duration) -> Result<(), Error> {
    let connection = Connection::connect(&shared.config.zds_socket).await?;
    connection.send_hello().await?;
    // The pods of the snapshot, until it is complete.
    let mut snapshot = Some(HashSet::new());
    loop {
        let request = connection.next_request().await?;
        *pause = BACKOFF.0;
        let failure = match request {
            Request::Add { uid, info, netns } => {
                if let Some(named) = &mut snapshot {
                    named.insert(uid.clone());
                }
                let added = shared.pods.add(shared, uid, info, netns);
                added.err().map(|e| chain(&e))
            }
            Request::Keep { uid } => match &mut snapshot {
                Some(named) => {
                    named.insert(uid.clone());
                    shared.pods.get(&uid).is_none().then(|| format!("pod {uid} is not known here"))
                }
                None => Some("keep is only valid in the snapshot".to_owned()),
            },
            Request::Del { uid } => {
                shared.pods.remove(&uid);
                None
            }
            Request::SnapshotSent => {
                if let Some(named) = snapshot.take() {
                    info!(pods = named.len(), "the cni agent has told of all pods");
                    shared.pods.retain(&named);
                    readiness.done(READY);
                }
                None
            }
        };
        if let Some(failure) = &failure {
            warn!(failure, "a pod is not served");
        }
        connection.send_ack(failure.as_deref()).await?;
    }
}
