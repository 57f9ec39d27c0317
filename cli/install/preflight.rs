//! What must hold before anything is touched: version, rights, and no other control plane.

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{
    admissionregistration::v1::MutatingWebhookConfiguration,
    apps::v1::{DaemonSet, Deployment},
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
};
use kube::{
    Api, Resource, ResourceExt,
    api::{DynamicObject, ListParams, PostParams},
};

use crate::{
    cluster::{
        Cluster,
        objects::{PART_OF, resource_of},
    },
    error::Error,
};

/// Oldest Kubernetes that we work with: its API servers know every field that the manifests use.
const OLDEST: (u32, u32) = (1, 29);

/// Checks all, the cheapest first.
pub async fn check(cluster: &Cluster, objects: &[DynamicObject]) -> Result<(), Error> {
    version(cluster)?;
    tokio::try_join!(rights(cluster, objects), alone(cluster))?;
    Ok(())
}

fn version(cluster: &Cluster) -> Result<(), Error> {
    let found = &cluster.version;
    if (found.major, found.minor) >= OLDEST {
        return Ok(());
    }
    let message = format!("Kubernetes {} is too old: {}.{} or newer is required", found.full, OLDEST.0, OLDEST.1);
    Err(Error::user(message).hint("upgrade the cluster first"))
}

/// Names every right that is missing at once, so that the operator asks for them once.
async fn rights(cluster: &Cluster, objects: &[DynamicObject]) -> Result<(), Error> {
    let mut needed: Vec<ResourceAttributes> = Vec::new();
    for object in objects {
        let resource = resource_of(object);
        for verb in ["create", "get", "patch"] {
            let right = ResourceAttributes {
                group: Some(resource.group.clone()),
                resource: Some(resource.plural.clone()),
                verb: Some(verb.to_owned()),
                namespace: object.namespace(),
                ..ResourceAttributes::default()
            };
            if !needed.contains(&right) {
                needed.push(right);
            }
        }
    }
    let api: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let reviews = needed.into_iter().map(|right| {
        let api = api.clone();
        async move {
            let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(right.clone()), ..Default::default() };
            let review = SelfSubjectAccessReview { spec, ..Default::default() };
            let answer = api.create(&PostParams::default(), &review).await;
            let answer = answer.map_err(|error| cluster.failed("ask for my rights", &error))?;
            Ok::<_, Error>((!answer.status.is_some_and(|status| status.allowed)).then_some(right))
        }
    });
    let missing: Vec<ResourceAttributes> =
        stream::iter(reviews).buffered(24).try_filter_map(async |right| Ok(right)).try_collect().await?;
    if missing.is_empty() {
        return Ok(());
    }
    let mut error = Error::user(format!("{} rights are missing to install", missing.len()));
    for right in missing {
        error = error.because(in_words(&right));
    }
    Err(error.hint("install as a cluster administrator, or have these rights granted"))
}

fn in_words(right: &ResourceAttributes) -> String {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let group = text(&right.group);
    let dot = if group.is_empty() { "" } else { "." };
    let place = right.namespace.as_ref().map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
    format!("may not {} {}{dot}{group}{place}", text(&right.verb), text(&right.resource))
}

/// Refuses where another control plane of Istio runs: two would write the same trust bundle, and answer the same Service.
async fn alone(cluster: &Cluster) -> Result<(), Error> {
    let mut others = foreign::<Deployment>(cluster, "Deployment", "app=istiod", |_| true).await?;
    others.extend(foreign::<Deployment>(cluster, "Deployment", "", |name| name == "istiod").await?);
    others.extend(
        foreign::<DaemonSet>(cluster, "DaemonSet", "", |name| matches!(name, "istio-cni-node" | "ztunnel")).await?,
    );
    others.extend(
        foreign::<MutatingWebhookConfiguration>(
            cluster,
            "MutatingWebhookConfiguration",
            "app=sidecar-injector",
            |_| true,
        )
        .await?,
    );
    others.dedup();
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

/// Returns the objects of a kind that match and are not ours.
async fn foreign<K>(cluster: &Cluster, kind: &str, labels: &str, named: fn(&str) -> bool) -> Result<Vec<String>, Error>
where
    K: Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let api: Api<K> = Api::all(cluster.client.clone());
    let list = match api.list_metadata(&ListParams::default().labels(labels)).await {
        Ok(list) => list,
        // What may not be seen cannot be judged; the rights that install needs are checked by name.
        Err(kube::Error::Api(status)) if status.code == 403 => return Ok(Vec::new()),
        Err(error) => return Err(cluster.failed(&format!("list {kind}s"), &error)),
    };
    let foreign = list
        .items
        .iter()
        .filter(|item| item.labels().get(PART_OF.0).map(String::as_str) != Some(PART_OF.1) && named(&item.name_any()));
    Ok(foreign
        .map(|item| match item.namespace() {
            Some(namespace) => format!("{kind} {namespace}/{}", item.name_any()),
            None => format!("{kind} {}", item.name_any()),
        })
        .collect())
}
