//! Writes the objects of waypoints: all or, if the API refuses one, none.

use std::{fmt, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions},
    core::params::ValidationDirective,
};
use serde_json::{Value, json};
use source::{
    Kind as Source, kubernetes, labels,
    object::{Custom, ObjectKey},
};
use tracing::info;

use crate::{
    deploy::{
        Problem, WRITER,
        live::{self, Live, Plan},
        objects::{Kind, MANAGED_BY, Wanted},
    },
    gateway::class,
    scale,
};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// The most letters of an answer that are told.
const LONGEST: usize = 2000;
/// Who keeps the number of pods while an autoscaler takes it over.
const KEEPER: &str = "ambient-replicas";

/// Why the objects of a gateway could not be written.
#[derive(Debug)]
pub enum Refusal {
    /// Something that was written for it.
    Problem(Problem),
    /// The API takes it not.
    Refused(String),
    /// It will pass by itself.
    Waits(String),
    /// The API does not answer.
    Api(kube::Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem(problem) => f.write_str(&problem.message),
            Self::Refused(message) | Self::Waits(message) => f.write_str(message),
            Self::Api(kube::Error::Api(answer)) => f.write_str(&answer.message),
            Self::Api(error) => error.fmt(f),
        }
    }
}

impl From<scale::Refusal> for Refusal {
    fn from(refusal: scale::Refusal) -> Self {
        let told = runtime::error::chain(&refusal);
        match refusal {
            scale::Refusal::Taken(_) => Self::Refused(told),
            scale::Refusal::Api(kube::Error::Api(answer)) if (400..500).contains(&answer.code) => Self::Refused(told),
            scale::Refusal::Api(_) | scale::Refusal::Slow | scale::Refusal::Serve(_) => Self::Waits(told),
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Makes the class of waypoints, if it is not there. What is there is never changed: it is its writer's.
///
/// # Errors
/// The API refuses, or does not answer.
pub async fn make_class(client: &Client) -> Result<(), Refusal> {
    let api = Api::<DynamicObject>::all_with(client.clone(), &kubernetes::resource(Source::GatewayClass, ""));
    let object: DynamicObject = serde_json::from_value(class::object())
        .map_err(|error| Refusal::Problem(Problem::internal(error.to_string())))?;
    match within(api.create(&PostParams::default(), &object)).await {
        Ok(_) => {
            info!(class = object.name_any(), "the class of waypoints was made");
            Ok(())
        }
        // It is there, or its definition is gone again.
        Err(Refusal::Api(kube::Error::Api(answer))) if matches!(answer.code, 404 | 409) => Ok(()),
        Err(refusal) => Err(refusal),
    }
}

/// Carries a plan out.
///
/// # Errors
/// What the API refuses; then it was asked before anything was changed.
pub async fn carry_out(client: &Client, gateway: &Custom, plan: &Plan, live: &mut Live) -> Result<(), Refusal> {
    let at = |kind: Kind| {
        Api::<DynamicObject>::namespaced_with(client.clone(), &gateway.key.namespace, &live::resource(kind))
    };
    if let Some((kind, name)) = &plan.foreign {
        return Err(Refusal::Waits(format!("{kind:?} {name} still belongs to another Gateway, which is going")));
    }
    for (wanted, _) in plan.apply.iter().filter(|(_, there)| !there) {
        unclaimed(&at(wanted.kind), wanted).await?;
    }
    let how = PatchParams { field_validation: Some(ValidationDirective::Strict), ..PatchParams::apply(WRITER).force() };
    let judged = how.clone().dry_run();
    for (wanted, _) in &plan.apply {
        let api = at(wanted.kind);
        let answer = within(api.patch(&wanted.name, &judged, &Patch::Apply(&wanted.object))).await;
        answer.map_err(|refusal| judge(refusal, wanted))?;
    }
    for (wanted, there) in &plan.apply {
        let api = at(wanted.kind);
        if wanted.kind == Kind::Deployment && *there && wanted.object["spec"]["replicas"].is_null() {
            hand_over(&api, &wanted.name).await?;
        }
        let answer = within(api.patch(&wanted.name, &how, &Patch::Apply(&wanted.object))).await;
        let applied = answer.map_err(|refusal| judge(refusal, wanted))?;
        let key = ObjectKey { namespace: gateway.key.namespace.clone(), name: wanted.name.clone() };
        if live.applied(wanted.kind, key, live::seen(&applied)) {
            info!(kind = ?wanted.kind, namespace = gateway.key.namespace, name = wanted.name, "applied for a waypoint");
        }
    }
    for (kind, name) in &plan.delete {
        let api = at(*kind);
        let Some(found) = within(api.get_metadata_opt(name)).await? else { continue };
        let uid = found.metadata.uid.clone();
        // The very object that was looked at, and only if it is still ours.
        if found.labels().get(labels::MANAGED).map(String::as_str) != Some(MANAGED_BY) {
            continue;
        }
        let how = DeleteParams {
            preconditions: Some(Preconditions { uid, resource_version: found.resource_version() }),
            ..DeleteParams::default()
        };
        match within(api.delete(name, &how)).await {
            Ok(_) => info!(?kind, namespace = gateway.key.namespace, name, "a waypoint needs it no longer"),
            Err(Refusal::Api(kube::Error::Api(answer))) if matches!(answer.code, 404 | 409) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(())
}

/// Checks that an object that we know nothing of is not somebody else's.
async fn unclaimed(api: &Api<DynamicObject>, wanted: &Wanted) -> Result<(), Refusal> {
    let found = within(api.get_metadata_opt(&wanted.name)).await?;
    match found.filter(|object| object.labels().get(labels::MANAGED).map(String::as_str) != Some(MANAGED_BY)) {
        None => Ok(()),
        Some(object) => Err(Refusal::Refused(format!(
            "{:?} {} is there and has no label {}: {MANAGED_BY}, so it is not touched: remove it, or name what is made for the gateway otherwise by annotation {}",
            wanted.kind,
            object.name_any(),
            labels::MANAGED,
            labels::NAME_OVERRIDE,
        ))),
    }
}

/// Keeps the number of pods as it is while we say it no longer, and the autoscaler not yet: a field that nobody holds goes back
/// to its default, which is one pod.
async fn hand_over(api: &Api<DynamicObject>, name: &str) -> Result<(), Refusal> {
    let Some(now) = within(api.get_opt(name)).await? else { return Ok(()) };
    let ours = |f: &ManagedFieldsEntry| {
        let field = f.fields_v1.as_ref().and_then(|fields| fields.0.pointer("/f:spec/f:replicas"));
        f.manager.as_deref() == Some(WRITER) && field.is_some()
    };
    // Who does not tell who holds what may be asked to keep it once too often.
    if !now.managed_fields().is_empty() && !now.managed_fields().iter().any(ours) {
        return Ok(());
    }
    let Some(replicas) = now.data.pointer("/spec/replicas").and_then(Value::as_i64) else { return Ok(()) };
    let kept = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": replicas},
    });
    within(api.patch(name, &PatchParams::apply(KEEPER).force(), &Patch::Apply(&kept))).await.map(drop)
}

/// Tells what the API refuses for good from what passes.
fn judge(refusal: Refusal, wanted: &Wanted) -> Refusal {
    match refusal {
        Refusal::Api(kube::Error::Api(answer)) if answer.message.contains("being terminated") => {
            Refusal::Waits(format!("the namespace is going: {}", answer.message))
        }
        Refusal::Api(kube::Error::Api(answer)) if (400..500).contains(&answer.code) && answer.code != 429 => {
            // It goes into a status, which has its bounds.
            let message: String = answer.message.chars().take(LONGEST).collect();
            Refusal::Refused(format!("{:?} {} is refused: {message}", wanted.kind, wanted.name))
        }
        other => other,
    }
}

async fn within<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Refusal> {
    match tokio::time::timeout(PATIENCE, request).await {
        Ok(answer) => answer.map_err(Refusal::Api),
        Err(_) => Err(Refusal::Waits("the API takes too long to answer".to_owned())),
    }
}
