//! Server-side apply: many objects at once, and what came of each.

use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};

use crate::{
    cluster::{
        Cluster,
        objects::{self, api_of, title},
    },
    error::Error,
};

/// Owner of the fields we set.
pub const FIELD_MANAGER: &str = "ambient";
/// Requests that are under way at once: enough to hide the round trip, few enough for the server's fairness queues.
const AT_ONCE: usize = 24;

/// What applying one object did, or would do.
#[derive(Debug)]
pub struct Outcome {
    /// The object's name for messages.
    pub title: String,
    /// How it ended.
    pub change: Change,
    /// The object before, if a difference is wanted.
    pub before: Option<serde_json::Value>,
    /// The object after.
    pub after: Option<serde_json::Value>,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was other than rendered.
    Changed,
    /// It was not there.
    Created,
    /// It is rendered no longer.
    Pruned,
    /// It was as rendered.
    Unchanged,
}

/// Applies the objects, all at once; with `dry_run` the server computes the result and keeps nothing.
pub async fn apply(cluster: &Cluster, objects: &[DynamicObject], dry_run: bool) -> Result<Vec<Outcome>, Error> {
    let work = objects.iter().map(|object| apply_one(cluster, object, dry_run));
    stream::iter(work).buffered(AT_ONCE).try_collect().await
}

async fn apply_one(cluster: &Cluster, object: &DynamicObject, dry_run: bool) -> Result<Outcome, Error> {
    let api = api_of(cluster, object);
    let name = object.name_any();
    let title = title(object);
    let failed = |error: kube::Error| cluster.failed(&format!("apply {title}"), &error);
    let before = api.get_opt(&name).await.map_err(failed)?;
    let mut params = PatchParams::apply(FIELD_MANAGER).force();
    params.dry_run = dry_run;
    let after = match api.patch(&name, &params, &Patch::Apply(object)).await {
        Ok(after) => after,
        // A namespace that a dry run did not make: the server cannot look further.
        Err(kube::Error::Api(status)) if dry_run && status.code == 404 => object.clone(),
        Err(error) => return Err(failed(error)),
    };
    let change = match &before {
        None => Change::Created,
        // Not by resource version: a controller's write to the status between the two requests would count as ours.
        Some(before) if same(before, &after) => Change::Unchanged,
        Some(_) => Change::Changed,
    };
    let keep =
        |object: Option<DynamicObject>| if dry_run { object.and_then(|o| serde_json::to_value(o).ok()) } else { None };
    Ok(Outcome { title, change, before: keep(before), after: keep(Some(after)) })
}

/// Compares but for what every write changes, were it only in name.
fn same(before: &DynamicObject, after: &DynamicObject) -> bool {
    let strip = |object: &DynamicObject| {
        let mut object = object.clone();
        object.metadata.managed_fields = None;
        object.metadata.resource_version = None;
        object.metadata.generation = None;
        if let Some(fields) = object.data.as_object_mut() {
            fields.remove("status");
        }
        object
    };
    strip(before) == strip(after)
}

/// Deletes what `install` made once and renders no longer. Definitions and the namespace stay: they hold what is not ours.
pub async fn prune(cluster: &Cluster, rendered: &[DynamicObject], dry_run: bool) -> Result<Vec<Outcome>, Error> {
    let wanted: Vec<String> = rendered.iter().map(title).collect();
    let mut stale = made_by_install(cluster).await?;
    stale.retain(|object| {
        let kind = object.types.as_ref().map_or("", |types| &types.kind);
        !matches!(kind, "Namespace" | "CustomResourceDefinition") && !wanted.contains(&title(object))
    });
    let work = stale.iter().map(async |object| {
        delete(cluster, object, dry_run).await?;
        let before = serde_json::to_value(object).ok();
        Ok(Outcome { title: title(object), change: Change::Pruned, before, after: None })
    });
    stream::iter(work).buffered(AT_ONCE).try_collect().await
}

/// Returns everything that carries the labels of `install`, of the kinds it makes.
pub async fn made_by_install(cluster: &Cluster) -> Result<Vec<DynamicObject>, Error> {
    let params = ListParams::default().labels(&objects::ours());
    let work = objects::KINDS.iter().map(async |(group, version, kind)| {
        let resource = objects::resource(group, version, kind);
        let api: kube::Api<DynamicObject> = kube::Api::all_with(cluster.client.clone(), &resource);
        let list = api
            .list_metadata(&params)
            .await
            .map_err(|error| cluster.failed(&format!("list {}", resource.plural), &error))?;
        let objects = list.items.into_iter().map(|item| {
            let mut object = DynamicObject::new(&item.name_any(), &resource);
            object.metadata = item.metadata;
            object
        });
        Ok::<Vec<DynamicObject>, Error>(objects.collect())
    });
    let lists: Vec<Vec<DynamicObject>> = stream::iter(work).buffered(AT_ONCE).try_collect().await?;
    Ok(lists.into_iter().flatten().collect())
}

/// Deletes one object; that it is gone already is no failure.
pub async fn delete(cluster: &Cluster, object: &DynamicObject, dry_run: bool) -> Result<(), Error> {
    let mut params = DeleteParams::background();
    params.dry_run = dry_run;
    match api_of(cluster, object).delete(&object.name_any(), &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(cluster.failed(&format!("delete {}", title(object)), &error)),
    }
}

/// Returns `3 created, 1 changed, 0 pruned, 20 unchanged`, or `0 changes`.
pub fn summary(outcomes: &[Outcome]) -> String {
    let count = |change: Change| outcomes.iter().filter(|outcome| outcome.change == change).count();
    let (created, changed, pruned) = (count(Change::Created), count(Change::Changed), count(Change::Pruned));
    let unchanged = count(Change::Unchanged);
    if created + changed + pruned == 0 {
        return format!("0 changes ({unchanged} objects as they should be)");
    }
    format!("{created} created, {changed} changed, {pruned} pruned, {unchanged} unchanged")
}
