//! Writing Gateways and labels: never a field that somebody else set, unless he says so.

use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    cluster::{
        Cluster,
        apply::FIELD_MANAGER,
        objects::{api_of, title},
    },
    error::Error,
    waypoint::{
        enrol::{Kind, Step},
        wish::entry_api,
    },
};

/// How to write.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Whether the server only computes what would be.
    pub dry_run: bool,
    /// Whether what others set is taken over.
    pub overwrite: bool,
}

/// Applies a Gateway; returns it as it is then.
pub async fn gateway(cluster: &Cluster, gateway: &DynamicObject, how: How) -> Result<DynamicObject, Error> {
    let params = PatchParams {
        dry_run: how.dry_run,
        force: how.overwrite,
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let name = gateway.metadata.name.as_deref().unwrap_or_default();
    let applied = api_of(cluster, gateway).patch(name, &params, &Patch::Apply(gateway)).await;
    applied.map_err(|error| {
        let failed = cluster.failed(&format!("apply {}", title(gateway)), &error);
        match error {
            kube::Error::Api(status) if status.code == 409 => {
                failed.hint("somebody else set these fields: give --overwrite to take them over, or leave them to him")
            }
            _ => failed,
        }
    })
}

/// Sets or takes away labels; returns the object as it is then, none if it is gone and nothing was to be set.
///
/// An object that changed since it was looked at is not touched: somebody may have put it behind another waypoint.
pub async fn label(cluster: &Cluster, step: &Step, dry_run: bool) -> Result<Option<Value>, Error> {
    let client = cluster.client.clone();
    let namespace = &step.object.key.namespace;
    match step.object.kind {
        Kind::Namespace => patch(cluster, &Api::<Namespace>::all(client), step, dry_run).await,
        Kind::Service => patch(cluster, &Api::<Service>::namespaced(client, namespace), step, dry_run).await,
        Kind::ServiceEntry => {
            let api = Api::<DynamicObject>::namespaced_with(client, namespace, &entry_api());
            patch(cluster, &api, step, dry_run).await
        }
        Kind::Pod => patch(cluster, &Api::<Pod>::namespaced(client, namespace), step, dry_run).await,
    }
}

async fn patch<K>(cluster: &Cluster, api: &Api<K>, step: &Step, dry_run: bool) -> Result<Option<Value>, Error>
where
    K: Clone + DeserializeOwned + Serialize + std::fmt::Debug,
{
    const TRIES: usize = 5;
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), dry_run, ..PatchParams::default() };
    let name = &step.object.key.name;
    let failed = |error: &kube::Error| cluster.failed(&format!("label {}", step.object), error);
    let mut version = step.object.version.clone();
    for _ in 0..TRIES {
        let mut body = json!({ "metadata": { "labels": step.labels } });
        if let Some(version) = &version {
            body["metadata"]["resourceVersion"] = version.as_str().into();
        }
        match api.patch(name, &params, &Patch::Merge(body)).await {
            Ok(object) => return Ok(serde_json::to_value(&object).ok()),
            Err(kube::Error::Api(status)) if status.code == 404 && step.labels.values().all(Option::is_none) => {
                return Ok(None);
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let now = api.get_metadata(name).await.map_err(|error| failed(&error))?;
                let labels = now.metadata.labels.unwrap_or_default();
                let same = |label: &&'static str| labels.get(*label) == step.object.labels.get(*label);
                // A status that was written meanwhile is of no matter.
                if !step.labels.keys().all(same) {
                    return Err(Error::user(format!("the labels of {} changed at this moment", step.object))
                        .hint("run it again: it looks at what is there"));
                }
                version = now.metadata.resource_version;
            }
            Err(error) => return Err(failed(&error)),
        }
    }
    Err(Error::user(format!("{} changes all the time", step.object)).hint("run it again"))
}

#[cfg(test)]
mod tests;
