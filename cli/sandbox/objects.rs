//! Manifests and objects of a sandbox: `apply`, `delete`, `get`.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use ::sandbox::refuse;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
    core::GroupVersionKind,
};
use serde_json::Value;
use source::folder::{
    KINDS, Kind, Problem,
    manifests::{self, Manifest},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    args::{Format, Global},
    cluster::{
        Cluster,
        objects::{api_of, title},
    },
    error::Error,
    sandbox::{place, up},
    screen::{Screen, table::Table},
};

/// Who applies.
const MANAGER: &str = "ambient-sandbox-apply";
/// The largest file that is read.
const LARGEST: u64 = 16 << 20;

/// Apply manifests
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nothing is changed when one of the manifests is wrong; each fault is told with file, line and column.
Folders are read with all that is below them.

Examples:
  ambient sandbox apply -f policy.yaml
  ambient sandbox apply -f ./shop
  generate | ambient sandbox apply -f -"
)]
pub struct Apply {
    /// File or folder of manifests, or `-` for the standard input; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR", required = true)]
    files: Vec<PathBuf>,
}

/// Delete what manifests name
#[derive(Debug, clap::Args)]
#[command(after_help = "Kind and name are enough. What a watched file holds is refused: it is deleted in that file.

Examples:
  ambient sandbox delete -f policy.yaml
  ambient sandbox delete -f ./shop")]
pub struct Delete {
    /// File or folder of manifests, or `-` for the standard input; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR", required = true)]
    files: Vec<PathBuf>,
}

/// List objects
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ambient sandbox get pods -A
  ambient -n shop sandbox get authorizationpolicies
  ambient -n shop sandbox get service orders -o yaml")]
pub struct Get {
    /// Kind of the objects, such as pods, services or authorizationpolicies
    kind: String,
    /// Name of one object
    name: Option<String>,
    /// All namespaces, also when -n is given
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// How to write the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// Short names that are no beginning of the whole one, as kubectl has them.
const SHORT: [(&str, &str); 18] = [
    ("ap", "AuthorizationPolicy"),
    ("btlspolicy", "BackendTLSPolicy"),
    ("cm", "ConfigMap"),
    ("deploy", "Deployment"),
    ("dr", "DestinationRule"),
    ("ds", "DaemonSet"),
    ("ev", "Event"),
    ("no", "Node"),
    ("ns", "Namespace"),
    ("pa", "PeerAuthentication"),
    ("po", "Pod"),
    ("ra", "RequestAuthentication"),
    ("refgrant", "ReferenceGrant"),
    ("sa", "ServiceAccount"),
    ("se", "ServiceEntry"),
    ("svc", "Service"),
    ("vs", "VirtualService"),
    ("we", "WorkloadEntry"),
];

/// Finds the kind that a text names: by its plural, its name or its short name, in any case.
fn kind_of(text: &str) -> Option<&'static Kind> {
    let text = text.to_lowercase();
    let long = SHORT.iter().find(|(short, _)| *short == text).map_or(text.as_str(), |(_, name)| name);
    KINDS.iter().find(|k| k.plural == long || k.name.eq_ignore_ascii_case(long))
}

/// Runs `apply`.
pub async fn apply(args: Apply, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let manifests = read(&args.files)?;
    let cluster = Cluster::sandbox(&place(global)?, global).await?;
    for manifest in in_order(manifests) {
        let object = dynamic(manifest.object)?;
        let what = apply_one(&cluster, &object).await?;
        screen.say(format!("{} {what}", title(&object)));
    }
    Ok(0)
}

/// Applies one object and says what that did.
async fn apply_one(cluster: &Cluster, object: &DynamicObject) -> Result<&'static str, Error> {
    let (title, api, name) = (title(object), api_of(cluster, object), object.name_any());
    let before = api.get_opt(&name).await.map_err(|e| cluster.failed(&format!("read {title}"), &e))?;
    // Without force: what a watched manifest says is that manifest's.
    let how = PatchParams::apply(MANAGER);
    let after = api.patch(&name, &how, &Patch::Apply(object)).await;
    let after = after.map_err(|e| cluster.failed(&format!("apply {title}"), &e))?;
    Ok(match before {
        None => "created",
        Some(before) if before.metadata.resource_version == after.metadata.resource_version => "unchanged",
        Some(_) => "changed",
    })
}

/// Runs `delete`.
pub async fn delete(args: Delete, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let named = names(&texts(&args.files)?)?;
    let cluster = Cluster::sandbox(&place(global)?, global).await?;
    for object in named.into_iter().rev() {
        let object = dynamic(object)?;
        let (title, api, name) = (title(&object), api_of(&cluster, &object), object.name_any());
        match api.delete(&name, &DeleteParams::default()).await {
            Ok(_) => screen.say(format!("{title} deleted")),
            Err(kube::Error::Api(status)) if status.code == 404 => screen.say(format!("{title} was not there")),
            Err(error) => return Err(cluster.failed(&format!("delete {title}"), &error)),
        }
    }
    Ok(0)
}

/// Namespaces come before what is in them; accounts, services and policies before the pods that they concern.
fn in_order(mut manifests: Vec<Manifest>) -> Vec<Manifest> {
    manifests.sort_by_key(|m| rank(&m.object));
    manifests
}

fn rank(object: &Value) -> u8 {
    match object["kind"].as_str() {
        Some("Namespace") => 0,
        Some("ServiceAccount" | "ConfigMap" | "Secret") => 1,
        Some("Pod" | "Deployment") => 3,
        _ => 2,
    }
}

/// Reads manifests; all are right, or none is returned.
fn read(files: &[PathBuf]) -> Result<Vec<Manifest>, Error> {
    parse(&texts(files)?)
}

/// Returns the objects that manifests name, right or not, namespaces first: to delete one, its name is enough.
fn names(files: &[(String, String)]) -> Result<Vec<Value>, Error> {
    let mut named = Vec::new();
    for (file, text) in files {
        let parsed = manifests::parse(file, text, None);
        if parsed.unclear {
            let mut error = Error::user(format!("it cannot be told which objects {file} names"));
            for problem in parsed.problems {
                error = error.because(problem.to_string());
            }
            return Err(error.hint("nothing was changed"));
        }
        let keys = parsed.objects.into_iter().map(|m| m.key).chain(parsed.invalid);
        named.extend(keys.map(|key| {
            let namespace = (!key.namespace.is_empty()).then_some(key.namespace);
            serde_json::json!({
                "apiVersion": key.kind.api_version(key.kind.versions[0]),
                "kind": key.kind.name,
                "metadata": { "name": key.name, "namespace": namespace },
            })
        }));
    }
    named.sort_by_key(rank);
    Ok(named)
}

/// Reads the files that are named, with those in folders: name and text.
fn texts(files: &[PathBuf]) -> Result<Vec<(String, String)>, Error> {
    let mut found = Vec::new();
    for file in files {
        if file.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin()
                .take(LARGEST)
                .read_to_string(&mut text)
                .map_err(|e| Error::user("cannot read the standard input").caused_by(&e))?;
            found.push(("-".to_owned(), text));
        } else {
            collect(file, true, &mut found)?;
        }
    }
    Ok(found)
}

/// Judges the text of manifests, each with the name of its file; all are right, or none is returned.
fn parse(files: &[(String, String)]) -> Result<Vec<Manifest>, Error> {
    let (mut objects, mut problems): (Vec<Manifest>, Vec<Problem>) = (vec![], vec![]);
    for (file, text) in files {
        let parsed = manifests::parse(file, text, Some(refuse::refusals));
        objects.extend(parsed.objects);
        problems.extend(parsed.problems);
    }
    if problems.is_empty() {
        if objects.is_empty() {
            return Err(Error::user("there is no manifest in what was given"));
        }
        return Ok(objects);
    }
    let count = problems.len();
    let mut error = Error::user(match count {
        1 => "the manifests have a fault".to_owned(),
        count => format!("the manifests have {count} faults"),
    });
    for problem in problems {
        error = error.because(problem.to_string());
    }
    Err(error.hint("nothing was changed"))
}

fn collect(path: &Path, named: bool, out: &mut Vec<(String, String)>) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::user(format!("cannot read {}", path.display())).caused_by(&e);
    let meta = std::fs::metadata(path).map_err(failed)?;
    if meta.is_dir() {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(path).map_err(failed)?.flatten().map(|e| e.path()).collect();
        entries.sort();
        for entry in entries {
            let hidden = entry.file_name().and_then(|n| n.to_str()).is_none_or(|n| n.starts_with('.'));
            if !hidden {
                collect(&entry, false, out)?;
            }
        }
        return Ok(());
    }
    let manifest = path.extension().is_some_and(|e| ["yaml", "yml", "json"].iter().any(|known| e == *known));
    if named || manifest {
        if meta.len() > LARGEST {
            return Err(Error::user(format!("{} is larger than {} MiB", path.display(), LARGEST >> 20)));
        }
        out.push((path.display().to_string(), std::fs::read_to_string(path).map_err(failed)?));
    }
    Ok(())
}

fn dynamic(object: Value) -> Result<DynamicObject, Error> {
    serde_json::from_value(object).map_err(|error| Error::internal("a manifest is no object").caused_by(&error))
}

/// Runs `get`.
pub async fn get(args: Get, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let Some(Kind { name: kind, group, versions, plural, namespaced, .. }) = kind_of(&args.kind) else {
        let known: Vec<&str> = KINDS.iter().map(|k| k.plural).collect();
        return Err(
            Error::usage(format!("a sandbox has no {:?}", args.kind)).hint(format!("want {}", known.join(", ")))
        );
    };
    let cluster = Cluster::sandbox(&place(global)?, global).await?;
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, versions[0], kind), plural);
    let namespace = global.namespace.clone().filter(|_| *namespaced && !args.all_namespaces);
    let api: Api<DynamicObject> = match &namespace {
        Some(namespace) => Api::namespaced_with(cluster.client.clone(), namespace, &resource),
        None => Api::all_with(cluster.client.clone(), &resource),
    };
    let list = api.list(&ListParams::default()).await.map_err(|e| cluster.failed(&format!("list {plural}"), &e))?;
    let mut objects: Vec<DynamicObject> =
        list.items.into_iter().filter(|o| args.name.as_ref().is_none_or(|n| *n == o.name_any())).collect();
    objects.sort_by_key(|o| (o.namespace(), o.name_any()));
    if let (Some(name), true) = (&args.name, objects.is_empty()) {
        return Err(Error::user(format!("there is no {kind} {name}")));
    }
    for object in &mut objects {
        object.types.get_or_insert_with(|| kube::core::TypeMeta {
            api_version: resource.api_version.clone(),
            kind: (*kind).to_owned(),
        });
    }
    if args.output != Format::Table {
        match (args.name.is_some(), objects.len()) {
            (true, 1) => screen.data(args.output, &objects[0])?,
            _ => screen
                .data(args.output, &serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": objects }))?,
        }
        return Ok(0);
    }
    let mut table = Table::new(3, &["NAMESPACE", "NAME", "STATE", "AGE"]);
    for object in &objects {
        table.row([object.namespace().unwrap_or_default(), object.name_any(), state(kind, object), age(object)]);
    }
    screen.text(&table.to_string())?;
    Ok(0)
}

fn state(kind: &str, object: &DynamicObject) -> String {
    let data = &object.data;
    let number = |v: &Value| v.as_i64().unwrap_or(0);
    match kind {
        "Pod" => {
            let pod = serde_json::to_value(object).and_then(serde_json::from_value::<Pod>);
            pod.map(|p| up::state(&p)).unwrap_or_default()
        }
        "Deployment" => {
            let wanted = data["spec"]["replicas"].as_i64().unwrap_or(1);
            format!("{}/{wanted} ready", number(&data["status"]["readyReplicas"]))
        }
        "DaemonSet" => {
            let status = &data["status"];
            format!("{}/{} ready", number(&status["numberReady"]), number(&status["desiredNumberScheduled"]))
        }
        "Service" => data["spec"]["clusterIP"].as_str().unwrap_or("-").to_owned(),
        "Namespace" => {
            let label = object.labels().get(cni::enrol::MODE_LABEL);
            label.map_or_else(|| "-".to_owned(), |mode| format!("{}={mode}", cni::enrol::MODE_LABEL))
        }
        "Gateway" | "GatewayClass" => conditions(data),
        "AuthorizationPolicy" => data["spec"]["action"].as_str().unwrap_or("ALLOW").to_owned(),
        "PeerAuthentication" => data["spec"]["mtls"]["mode"].as_str().unwrap_or("-").to_owned(),
        _ => "-".to_owned(),
    }
}

/// Returns the conditions that hold, or the reason of the first that does not.
fn conditions(data: &Value) -> String {
    let all = data["status"]["conditions"].as_array().into_iter().flatten();
    let (held, failed): (Vec<&Value>, Vec<&Value>) = all.partition(|c| c["status"] == "True");
    let text = |c: &&Value, field: &str| c[field].as_str().unwrap_or("-").to_owned();
    match (failed.first(), held.last()) {
        (Some(failed), _) => text(failed, "reason"),
        (None, Some(held)) => text(held, "type"),
        (None, None) => "-".to_owned(),
    }
}

fn age(object: &DynamicObject) -> String {
    let made = object.metadata.creation_timestamp.as_ref().map(|t| t.0.to_string()).unwrap_or_default();
    let Ok(made) = OffsetDateTime::parse(&made, &Rfc3339) else { return "-".to_owned() };
    let seconds = (OffsetDateTime::now_utc() - made).whole_seconds().max(0);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        _ => format!("{}h", seconds / 3600),
    }
}
