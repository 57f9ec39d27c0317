//! What became of the operator's policies, written into their status.

use std::collections::HashMap;

use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::json;
use source::{Kind, kubernetes::resource, object::ObjectKey};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::mpsc;
use tracing::warn;

use crate::mesh::Status;

/// Writes each status that is new.
pub async fn write(client: Client, mut statuses: mpsc::Receiver<Status>) {
    let mut written: HashMap<ObjectKey, Status> = HashMap::new();
    while let Some(status) = statuses.recv().await {
        if written.get(&status.key) == Some(&status) {
            continue;
        }
        let api = Api::<DynamicObject>::namespaced_with(
            client.clone(),
            &status.key.namespace,
            &resource(Kind::AuthorizationPolicy),
        );
        let accepted = status.unsupported.is_empty();
        let (kind, refused) = if status.targeted {
            ("WaypointAccepted", "AncestorNotBound")
        } else {
            ("ZtunnelAccepted", "UnsupportedValue")
        };
        let condition = json!({
            "type": kind,
            "status": if accepted { "True" } else { "False" },
            "reason": if accepted { "Accepted" } else { refused },
            "message": if accepted { "attached to ztunnel".to_owned() } else { status.unsupported.join("; ") },
            "observedGeneration": status.generation.to_string(),
            "lastTransitionTime": OffsetDateTime::now_utc().replace_nanosecond(0).ok().and_then(|t| t.format(&Rfc3339).ok()),
        });
        let patch = json!({ "status": { "conditions": [condition] } });
        match api.patch_status(&status.key.name, &PatchParams::default(), &Patch::Merge(&patch)).await {
            Ok(_) => drop(written.insert(status.key.clone(), status)),
            Err(kube::Error::Api(refusal)) if refusal.code == 404 => drop(written.remove(&status.key)),
            Err(error) => {
                warn!(policy = status.key.name, namespace = status.key.namespace, %error, "status cannot be written")
            }
        }
    }
}
