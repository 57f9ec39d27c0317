//! The entry of the API among those of the cluster (APIService, Kubernetes' aggregation layer).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::{api::rbac::v1::ClusterRole, kube_aggregator::pkg::apis::apiregistration::v1::APIService};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::time::timeout;
use tracing::info;

use super::{Scale, api::GROUP, api::VERSION};

/// Who writes, for server-side apply.
const WRITER: &str = "ambient-agent";
/// The label of what is ours.
const OURS: (&str, &str) = ("app", "ambient-agent");
/// The port of the service.
const PORT: u16 = 443;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why autoscalers cannot ask.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is another server.
    #[error(
        "APIService {0} belongs to another server of custom metrics, so requests cannot be counted for autoscaling: scale by cpu, or remove it"
    )]
    Taken(String),
    /// The port.
    #[error("the server of custom metrics cannot start")]
    Serve(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The API refuses.
    #[error("custom metrics cannot be registered")]
    Api(#[from] kube::Error),
    /// No answer.
    #[error("custom metrics cannot be registered: the API server did not answer within {PATIENCE:?}")]
    Slow,
}

/// Registers the API, unless it is another's.
///
/// # Errors
/// It is another's, or the API server refuses.
pub async fn register(scale: &Scale) -> Result<(), Refusal> {
    let name = format!("{VERSION}.{GROUP}");
    let api: Api<APIService> = Api::all(scale.client.clone());
    let found = within(api.get_opt(&name)).await?;
    if found.as_ref().is_some_and(|found| found.labels().get(OURS.0).map(String::as_str) != Some(OURS.1)) {
        return Err(Refusal::Taken(name));
    }
    // It goes when the mesh is uninstalled: the role is a part of the installation, and there is one in a cluster.
    let roles: Api<ClusterRole> = Api::all(scale.client.clone());
    let role = within(roles.get_metadata_opt(WRITER)).await?.and_then(|role| role.uid());
    let owners: Vec<_> = { role.iter() }
        .map(|uid| json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": WRITER, "uid": uid}))
        .collect();
    let wanted = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": name, "labels": {OURS.0: OURS.1}, "ownerReferences": owners},
        "spec": {
            "group": GROUP, "version": VERSION, "groupPriorityMinimum": 100, "versionPriority": 100,
            "service": {"name": WRITER, "namespace": scale.settings.namespace, "port": PORT},
            "caBundle": STANDARD.encode(scale.authority.root_pem()),
        },
    });
    within(api.patch(&name, &PatchParams::apply(WRITER).force(), &Patch::Apply(&wanted))).await?;
    if found.is_none() {
        info!(name, "custom metrics are registered: waypoints scale by requests");
    }
    Ok(())
}

async fn within<T>(asked: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Refusal> {
    Ok(timeout(PATIENCE, asked).await.map_err(|_| Refusal::Slow)??)
}
