//! Server-side apply: many objects at once, and what came of each.

use std::{fmt::Debug, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use serde::de::DeserializeOwned;

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

/// What came of many objects: one that fails does not keep the others from being told.
#[derive(Debug, Default)]
pub struct Applied {
    /// Those that went well.
    pub outcomes: Vec<Outcome>,
    failures: Vec<Error>,
}

impl Applied {
    /// Adds what came of more.
    pub fn extend(&mut self, more: Self) {
        self.outcomes.extend(more.outcomes);
        self.failures.extend(more.failures);
    }

    /// Returns what failed alone.
    #[must_use]
    pub fn failed(self) -> Self {
        Self { outcomes: Vec::new(), ..self }
    }

    /// Returns whether all went well.
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty()
    }

    /// Returns what came of all, or the failure of those that failed.
    pub fn into_result(mut self) -> Result<Vec<Outcome>, Error> {
        const NAMED: usize = 10;
        if self.failures.len() < 2 {
            return self.failures.pop().map_or(Ok(self.outcomes), Err);
        }
        let count = self.failures.len();
        let mut error = Error::user(format!("{count} objects could not be applied"));
        if self.failures.iter().all(|failure| failure.causes() == self.failures[0].causes()) {
            error = self.failures[0].causes().iter().fold(error, |error, cause| error.because(cause));
        } else {
            error = self.failures.iter().take(NAMED).fold(error, |error, failure| error.because(failure.one_line()));
            if count > NAMED {
                error = error.because(format!("and {} more", count - NAMED));
            }
        }
        Err(error.hint("run it again: it goes on from what is there"))
    }
}

impl FromIterator<Result<Outcome, Error>> for Applied {
    fn from_iter<I: IntoIterator<Item = Result<Outcome, Error>>>(results: I) -> Self {
        let mut applied = Self::default();
        for result in results {
            match result {
                Ok(outcome) => applied.outcomes.push(outcome),
                Err(error) => applied.failures.push(error),
            }
        }
        applied
    }
}

/// Applies the objects, all at once; with `dry_run` the server computes the result and keeps nothing.
pub async fn apply(cluster: &Cluster, objects: &[&DynamicObject], dry_run: bool) -> Applied {
    let work = stream::iter(objects.iter().map(|object| apply_one(cluster, object, dry_run)));
    work.buffered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
}

async fn apply_one(cluster: &Cluster, object: &DynamicObject, dry_run: bool) -> Result<Outcome, Error> {
    let api = api_of(cluster, object);
    let name = object.name_any();
    let title = title(object);
    let failed = |error: kube::Error| cluster.failed(&format!("apply {title}"), &error);
    let before = api.get_opt(&name).await.map_err(failed)?;
    let mut params = PatchParams::apply(FIELD_MANAGER).force();
    params.dry_run = dry_run;
    let after = match patch(&api, &name, &params, object).await {
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

/// Applies one object; again if somebody else made or changed it at the same moment, such as a second `install`.
async fn patch(
    api: &Api<DynamicObject>,
    name: &str,
    params: &PatchParams,
    object: &DynamicObject,
) -> Result<DynamicObject, kube::Error> {
    const TRIES: u32 = 5;
    let mut tried = 1;
    loop {
        match api.patch(name, params, &Patch::Apply(object)).await {
            Err(kube::Error::Api(status)) if status.code == 409 && tried < TRIES => {
                tokio::time::sleep(Duration::from_millis(100) * tried).await;
                tried += 1;
            }
            result => return result,
        }
    }
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

/// Deletes what `install` made once and renders no longer.
pub async fn prune(cluster: &Cluster, rendered: &[DynamicObject], dry_run: bool) -> Applied {
    let wanted: Vec<String> = rendered.iter().map(title).collect();
    let mut stale = match made_by_install(cluster).await {
        Ok(made) => made,
        Err(error) => return std::iter::once(Err(error)).collect(),
    };
    stale.retain(|object| {
        let pruned = objects::KINDS.iter().any(|kind| kind.name == objects::kind(object) && kind.is_pruned());
        pruned && !wanted.contains(&title(object))
    });
    let work = stale.iter().map(async |object| {
        delete(cluster, object, dry_run).await?;
        let before = serde_json::to_value(object).ok();
        Ok(Outcome { title: title(object), change: Change::Pruned, before, after: None })
    });
    stream::iter(work).buffered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
}

/// Returns everything that carries the labels of `install`, of the kinds it makes: in the mesh's namespace and in none.
pub async fn made_by_install(cluster: &Cluster) -> Result<Vec<DynamicObject>, Error> {
    let params = ListParams::default().labels(&objects::ours());
    let work = objects::KINDS.iter().map(async |kind| {
        let resource = kind.resource();
        let client = cluster.client.clone();
        let api: Api<DynamicObject> = match kind.namespaced {
            true => Api::namespaced_with(client, &cluster.system, &resource),
            false => Api::all_with(client, &resource),
        };
        let list = api
            .list_metadata(&params)
            .await
            .map_err(|error| cluster.failed(&format!("list {}", resource.plural), &error))?;
        let objects = list.items.into_iter().map(|item| {
            let mut object = DynamicObject::new(&item.name_any(), &resource);
            object.metadata = item.metadata;
            object
        });
        // That of a mesh elsewhere is not ours to touch.
        let mine = |object: &DynamicObject| kind.name != "Namespace" || object.name_any() == cluster.system;
        Ok::<Vec<DynamicObject>, Error>(objects.filter(mine).collect())
    });
    let lists: Vec<Vec<DynamicObject>> = stream::iter(work).buffered(AT_ONCE).try_collect().await?;
    Ok(lists.into_iter().flatten().collect())
}

/// Refuses where the mesh is in another namespace: there is one in a cluster, and its roles have no namespace.
pub async fn not_elsewhere(cluster: &Cluster) -> Result<(), Error> {
    let (deployments, sets) = tokio::try_join!(homes::<Deployment>(cluster), homes::<DaemonSet>(cluster))?;
    match deployments.into_iter().chain(sets).find(|namespace| *namespace != cluster.system) {
        None => Ok(()),
        Some(other) => Err(Error::user(format!("the mesh is in namespace {other}, not in {}", cluster.system))
            .hint(format!("give -i {other}; a cluster holds one mesh"))),
    }
}

/// Returns the namespaces of what `install` made; none where that may not be seen.
async fn homes<K>(cluster: &Cluster) -> Result<Vec<String>, Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::all(cluster.client.clone());
    match api.list_metadata(&ListParams::default().labels(&objects::ours())).await {
        Ok(list) => Ok(list.items.iter().filter_map(ResourceExt::namespace).collect()),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(Vec::new()),
        Err(error) => Err(cluster.failed(&format!("list {}", K::plural(&())), &error)),
    }
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
