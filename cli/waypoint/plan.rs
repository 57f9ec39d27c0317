//! What `waypoint apply` is to write: decided, and judged by the server, before anything is changed.

use agent::gateway::{Serves, Waypoint};
use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, ListParams},
};
use source::{ObjectKey, labels, object::Map};

use crate::{
    cluster::{Cluster, enrolment::Modes},
    error::Error,
    namespace::some_of,
    waypoint::{
        enrol::{self, Kind, Labelled, OfAccount, Step, Whom},
        report::traffic,
        view,
        wish::{Traffic, VERSION, Wish},
        write::{self, How},
    },
};

/// What was asked for.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// What the waypoint is to be like.
    pub wish: &'a Wish,
    /// Who is to be behind it.
    pub whom: &'a Whom,
    /// Whether what others set is taken over.
    pub overwrite: bool,
}

/// What is to be done.
pub struct Plan {
    /// The Gateway to apply.
    pub gateway: DynamicObject,
    /// It as the server would have it then.
    pub judged: DynamicObject,
    /// The Gateway that is there.
    pub live: Option<DynamicObject>,
    /// Who is to be behind it.
    pub objects: Vec<Labelled>,
    /// The labels that are missing for that.
    pub steps: Vec<Step>,
    /// What is to be said of it.
    pub notes: Vec<String>,
}

/// Looks at what is there and decides what is to be written.
pub async fn plan(cluster: &Cluster, asked: Asked<'_>, namespace: &str) -> Result<Plan, Error> {
    let key = ObjectKey { namespace: namespace.to_owned(), name: asked.wish.name.clone() };
    let (gateways, classes, space) = tokio::try_join!(
        view::gateways(cluster, Some(namespace)),
        view::classes(cluster),
        space(cluster, namespace, asked.whom.enroll_namespace),
    )?;
    let read = |gateway: &DynamicObject| view::read(&source::custom(gateway.clone(), VERSION), &classes);
    let live = gateways.into_iter().find(|gateway| gateway.name_any() == key.name);
    let title = format!("{}/{}", key.namespace, key.name);
    match &live {
        Some(live) if live.metadata.deletion_timestamp.is_some() => {
            return Err(
                Error::user(format!("Gateway {title} is being deleted")).hint("wait until it is gone, then try again")
            );
        }
        Some(live) if read(live).is_none() => {
            return Err(Error::user(format!("Gateway {title} is there and is no waypoint"))
                .hint("give the waypoint another --name"));
        }
        _ => {}
    }
    let mut wish = asked.wish.clone();
    if live.is_none() && wish.traffic.is_none() && !asked.whom.enroll_service_account.is_empty() {
        wish.traffic = Some(Traffic::All);
    }
    let gateway = wish.gateway(Some(namespace), live.as_ref());
    let judged = write::gateway(cluster, &gateway, How { dry_run: true, overwrite: asked.overwrite }).await?;
    let waypoint = sound(&judged, read(&judged))?;
    let mut plan = Plan { gateway, judged, live, objects: Vec::new(), steps: Vec::new(), notes: Vec::new() };
    enrol_all(cluster, asked, &space, &waypoint, &mut plan).await?;
    Ok(plan)
}

/// Reads the namespace, or, where that is not allowed and not needed, goes by its name.
async fn space(cluster: &Cluster, name: &str, needed: bool) -> Result<Labelled, Error> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    match api.get_metadata_opt(name).await {
        Ok(Some(space)) => Ok(Labelled::of(Kind::Namespace, &space)),
        Ok(None) => Err(Error::user(format!("there is no namespace {name}"))
            .hint("-n names another; `ambient namespace list` lists them")),
        Err(kube::Error::Api(status)) if status.code == 403 && !needed => {
            let key = ObjectKey { namespace: name.to_owned(), name: name.to_owned() };
            Ok(Labelled { kind: Kind::Namespace, key, labels: Map::new(), version: None })
        }
        Err(error) => Err(cluster.failed(&format!("read namespace {name}"), &error)),
    }
}

/// Refuses what the control plane would not accept.
fn sound(gateway: &DynamicObject, waypoint: Option<Waypoint>) -> Result<Waypoint, Error> {
    let title = format!("{}/{}", gateway.namespace().unwrap_or_default(), gateway.name_any());
    let Some(waypoint) = waypoint else {
        return Err(Error::internal(format!("Gateway {title} would be no waypoint")));
    };
    if !waypoint.ours {
        return Ok(waypoint);
    }
    let sizes = agent::sizes::read(gateway.annotations()).err().unwrap_or_default();
    let faults = waypoint.faults.iter().map(|fault| match &fault.listener {
        Some(listener) => format!("listener {listener}: {}", fault.message),
        None => fault.message.clone(),
    });
    let faults: Vec<String> = faults.chain(sizes).collect();
    if faults.is_empty() {
        return Ok(waypoint);
    }
    let error = Error::user(format!("Gateway {title} would not be accepted; nothing was changed"));
    let error = faults.into_iter().fold(error, Error::because);
    Err(error.hint("what you did not ask for was set by somebody else: mend it, or name another waypoint"))
}

/// Decides about all labels.
async fn enrol_all(
    cluster: &Cluster,
    asked: Asked<'_>,
    space: &Labelled,
    waypoint: &Waypoint,
    plan: &mut Plan,
) -> Result<(), Error> {
    let whom = asked.whom;
    let anybody = whom.enroll_namespace || !whom.enroll_service.is_empty() || !whom.enroll_service_account.is_empty();
    if !anybody {
        return Ok(());
    }
    let takes = |what: &str, holds: bool| match holds {
        true => Ok(()),
        false => Err(Error::user(format!(
            "waypoint {}/{} is for {}: it takes no traffic to {what}; nothing was changed",
            waypoint.key.namespace,
            waypoint.key.name,
            traffic(waypoint.serves)
        ))
        .hint("give --for all, or another --name")),
    };
    takes("anything", waypoint.serves != Serves::Nothing)?;
    let namespace = space.key.name.as_str();
    let (services, pods) = tokio::try_join!(services(cluster, namespace), async {
        match whom.enroll_service_account.is_empty() {
            true => Ok(Vec::new()),
            false => pods(cluster, namespace).await,
        }
    })?;
    let mut objects = Vec::new();
    if whom.enroll_namespace {
        objects.push(space.clone());
        plan.notes.extend(silent(&services, waypoint));
    }
    for name in &whom.enroll_service {
        takes("services", waypoint.serves.services())?;
        let service = services.iter().find(|service| service.name_any() == *name).ok_or_else(|| {
            Error::user(format!("there is no service {name} in namespace {namespace}; nothing was changed"))
        })?;
        if service.spec.as_ref().and_then(|spec| spec.type_.as_deref()) == Some("ExternalName") {
            return Err(Error::user(format!(
                "service {namespace}/{name} is another name for a host, which no waypoint stands before; nothing was changed"
            )));
        }
        objects.push(Labelled::of(Kind::Service, service));
    }
    for account in &whom.enroll_service_account {
        let found = enrol::of_account(account, &pods, &services, waypoint.serves);
        objects.extend(of_account(account, namespace, found, &mut plan.notes)?);
    }
    objects.sort_by(|a, b| (a.kind, &a.key).cmp(&(b.kind, &b.key)));
    objects.dedup_by(|a, b| (a.kind, &a.key) == (b.kind, &b.key));
    for object in &objects {
        plan.steps.extend(enrol::enrol(object, &waypoint.key, asked.overwrite)?);
    }
    plan.objects = objects;
    plan.notes.extend(outside(cluster, space).await);
    Ok(())
}

fn of_account(
    account: &str,
    namespace: &str,
    found: OfAccount,
    notes: &mut Vec<String>,
) -> Result<Vec<Labelled>, Error> {
    let OfAccount { objects, mixed, makers } = found;
    if !mixed.is_empty() {
        let names = some_of(&mixed);
        notes.push(format!(
            "these services select pods of other accounts than {account} as well, and were left: {names}"
        ));
    }
    if !makers.is_empty() {
        let (label, names) = (labels::USE_WAYPOINT, some_of(&makers.into_iter().collect::<Vec<_>>()));
        notes.push(format!("new pods come without label {label} until the pod template has it, of {names}"));
    }
    if objects.is_empty() {
        return Err(Error::user(format!(
            "no pod of namespace {namespace} runs as service account {account} alone behind a service, or by itself, that the waypoint could take; nothing was changed"
        ))
        .hint("labels of pods and services are what binds: name the services, or start the pods first"));
    }
    Ok(objects)
}

/// Names the services that say something else than their namespace.
fn silent(services: &[Service], waypoint: &Waypoint) -> Option<String> {
    let own = |service: &&Service| {
        let said = service.labels().get(labels::USE_WAYPOINT).filter(|said| !said.is_empty());
        said.is_some_and(|said| *said != waypoint.key.name)
    };
    let names: Vec<String> = services.iter().filter(own).map(ResourceExt::name_any).collect();
    let label = labels::USE_WAYPOINT;
    (!names.is_empty())
        .then(|| format!("these services stay as they are, as each has its own {label}: {}", some_of(&names)))
}

/// Says that what is not in the mesh has no waypoint before it.
async fn outside(cluster: &Cluster, space: &Labelled) -> Option<String> {
    let name = &space.key.name;
    // Who may not see all namespaces is not told about them.
    let modes = Modes::read(cluster).await.ok()?;
    let text = format!("namespace {name} is not in the mesh: `ambient namespace add {name}` enrols its pods");
    modes.namespace(name).is_err().then_some(text)
}

async fn services(cluster: &Cluster, namespace: &str) -> Result<Vec<Service>, Error> {
    let api: Api<Service> = Api::namespaced(cluster.client.clone(), namespace);
    Ok(api.list(&ListParams::default()).await.map_err(|error| cluster.failed("list services", &error))?.items)
}

async fn pods(cluster: &Cluster, namespace: &str) -> Result<Vec<Pod>, Error> {
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    Ok(api.list(&ListParams::default()).await.map_err(|error| cluster.failed("list pods", &error))?.items)
}
