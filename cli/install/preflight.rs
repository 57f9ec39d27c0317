//! What must hold before anything is touched: version, rights, a namespace that lives, and no other control plane.

use k8s_openapi::api::{
    admissionregistration::v1::MutatingWebhookConfiguration,
    apps::v1::{DaemonSet, Deployment},
    core::v1::Namespace,
};
use kube::{
    Api, Resource, ResourceExt,
    api::{DynamicObject, ListParams},
};

use crate::{
    cluster::{Cluster, Version, apply, objects::PART_OF},
    error::Error,
    install::rights,
};

/// Oldest Kubernetes that we work with: its API servers know every field that the manifests use. The youngest of them is
/// `appArmorProfile`.
const OLDEST: (u32, u32) = (1, 30);

/// Checks all, the cheapest first. `waits` tells whether the installation is waited for.
pub async fn check(cluster: &Cluster, objects: &[DynamicObject], waits: bool) -> Result<(), Error> {
    version(&cluster.version)?;
    tokio::try_join!(
        rights::check(cluster, objects, waits),
        alone(cluster),
        apply::not_elsewhere(cluster),
        lives(cluster)
    )?;
    Ok(())
}

fn version(found: &Version) -> Result<(), Error> {
    if (found.major, found.minor) >= OLDEST {
        return Ok(());
    }
    let message = format!("Kubernetes {} is too old: {}.{} or newer is required", found.full, OLDEST.0, OLDEST.1);
    Err(Error::user(message).hint("upgrade the cluster first"))
}

/// Nothing can be made in a namespace that is on its way out.
async fn lives(cluster: &Cluster) -> Result<(), Error> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    match api.get_metadata_opt(&cluster.system).await {
        Ok(Some(namespace)) if namespace.metadata.deletion_timestamp.is_some() => {
            Err(Error::user(format!("namespace {} is being deleted", cluster.system)).hint(format!(
                "wait until it is gone; `kubectl get namespace {} -o yaml` tells what it waits for",
                cluster.system
            )))
        }
        // What may not be seen cannot be judged; the rights that install needs are checked by name.
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(()),
        Err(error) => Err(cluster.failed(&format!("read namespace {}", cluster.system), &error)),
    }
}

/// Refuses where another control plane of Istio runs: two would write the same trust bundle, and answer the same Service.
async fn alone(cluster: &Cluster) -> Result<(), Error> {
    let (deployments, sets, hooks) = tokio::try_join!(
        foreign::<Deployment>(cluster, "Deployment", |name, app| name == "istiod" || app == "istiod"),
        foreign::<DaemonSet>(cluster, "DaemonSet", |name, _| matches!(name, "istio-cni-node" | "ztunnel")),
        foreign::<MutatingWebhookConfiguration>(cluster, "MutatingWebhookConfiguration", |_, app| {
            app == "sidecar-injector"
        }),
    )?;
    let others: Vec<String> = [deployments, sets, hooks].concat();
    if others.is_empty() {
        return Ok(());
    }
    let mut error =
        Error::user("another Istio is installed in this cluster, and two control planes would fight over its objects");
    for other in others {
        error = error.because(format!("found {other}"));
    }
    Err(error.hint("uninstall it first (`istioctl uninstall --purge`), or use another cluster"))
}

/// Returns the objects of a kind that are not ours and whose name and label `app` match.
async fn foreign<K>(cluster: &Cluster, kind: &str, matches: fn(&str, &str) -> bool) -> Result<Vec<String>, Error>
where
    K: Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let api: Api<K> = Api::all(cluster.client.clone());
    let list = match api.list_metadata(&ListParams::default()).await {
        Ok(list) => list,
        Err(kube::Error::Api(status)) if status.code == 403 => return Ok(Vec::new()),
        Err(error) => return Err(cluster.failed(&format!("list {kind}s"), &error)),
    };
    let foreign = list.items.iter().filter(|item| {
        let label = |key: &str| item.labels().get(key).map_or("", String::as_str);
        label(PART_OF.0) != PART_OF.1 && matches(&item.name_any(), label("app"))
    });
    Ok(foreign
        .map(|item| match item.namespace() {
            Some(namespace) => format!("{kind} {namespace}/{}", item.name_any()),
            None => format!("{kind} {}", item.name_any()),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_version_that_knows_every_field_is_accepted() {
        for (major, minor, accepted) in [(1, 29, false), (1, 30, true), (1, 34, true), (2, 0, true), (0, 0, false)] {
            let found = Version { major, minor, full: format!("v{major}.{minor}.0") };
            assert_eq!(version(&found).is_ok(), accepted, "{found:?}");
        }
    }
}
