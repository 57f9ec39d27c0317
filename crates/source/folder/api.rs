//! The Kubernetes API in process: requests in, answers out, no socket.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::folder::{
    delete::{self, Deleted, Deletion},
    kinds::{self, Key, Kind},
    manifests::yaml,
    refusal::Refusal,
    resources,
    select::Selector,
    store::Store,
    tokens,
    watching::{self, Course, View},
    write::{self, Part, Patch},
};

/// The body of an answer: one text, or the lines of a watch.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The longest body of a request, as that of Kubernetes.
const LONGEST: usize = 3 << 20;
/// How long a request may take to send its body.
const BODY_WAIT: Duration = Duration::from_secs(30);

/// Answers a request.
pub async fn handle<B>(store: &Arc<Store>, request: Request<B>) -> Response<Body>
where
    B: BodyExt<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match answer(store, request).await {
        Ok(answer) => answer,
        Err(refusal) => json_answer(refusal.code, &refusal.status()),
    }
}

fn json_answer(code: u16, value: &Value) -> Response<Body> {
    let mut answer = Response::new(Full::new(Bytes::from(value.to_string())).boxed_unsync());
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    answer
}

/// What a path is about.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    Version,
    Kinds(Value),
    TokenReview,
    AccessReview,
    Token { namespace: String, account: String },
    Objects { kind: &'static Kind, version: String, namespace: Option<String>, name: Option<String>, part: Part },
}

/// Reads a path. Names in it are checked here, so that nothing behind it can leave the directory.
fn place(path: &str) -> Result<Place, Refusal> {
    let unknown = || Refusal::unknown(path);
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, version, rest) = match parts[..] {
        ["version"] => return Ok(Place::Version),
        ["api", version] => return resources::of_version("", version).map(Place::Kinds).ok_or_else(unknown),
        ["apis", group, version] => return resources::of_version(group, version).map(Place::Kinds).ok_or_else(unknown),
        ["apis", "authentication.k8s.io", "v1", "tokenreviews"] => return Ok(Place::TokenReview),
        ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] => return Ok(Place::AccessReview),
        ["api", version, ref rest @ ..] => ("", version, rest),
        ["apis", group, version, ref rest @ ..] => (group, version, rest),
        _ => return Err(unknown()),
    };
    // `namespaces/NAME/status` is a part of a namespace, `namespaces/NAME/pods` are objects in one.
    let (namespace, rest) = match rest {
        ["namespaces", name, plural, rest @ ..] if !(group.is_empty() && *plural == "status" && rest.is_empty()) => {
            if !kinds::is_label(name) {
                return Err(Refusal::bad(format!("{name:?} is no name of a namespace")));
            }
            (Some(*name), [&[*plural], rest].concat())
        }
        _ => (None, rest.to_vec()),
    };
    let (plural, name, sub) = match rest[..] {
        [plural] => (plural, None, None),
        [plural, name] => (plural, Some(name), None),
        [plural, name, sub] => (plural, Some(name), Some(sub)),
        _ => return Err(unknown()),
    };
    let kind = Kind::of_path(group, version, plural).ok_or_else(unknown)?;
    // A kind without namespaces has none in its path; an object of another kind has one.
    if kind.namespaced != namespace.is_some() && (!kind.namespaced || name.is_some()) {
        return Err(unknown());
    }
    if let Some(want) = name.and_then(|name| kind.bad_name(name)) {
        return Err(Refusal::bad(format!("{:?} is no name of a {}: {want}", name.unwrap_or_default(), kind.name)));
    }
    let part = match (sub, kind.name, namespace, name) {
        (None, ..) => Part::Whole,
        (Some("status"), ..) if kind.has_status => Part::Status,
        (Some("token"), "ServiceAccount", Some(namespace), Some(account)) => {
            return Ok(Place::Token { namespace: namespace.to_owned(), account: account.to_owned() });
        }
        _ => return Err(unknown()),
    };
    let (namespace, name) = (namespace.map(str::to_owned), name.map(str::to_owned));
    Ok(Place::Objects { kind, version: version.to_owned(), namespace, name, part })
}

/// A request after its path was read.
struct Ask {
    method: Method,
    view: View,
    name: Option<String>,
    part: Part,
    query: HashMap<String, String>,
    media: String,
    body: Bytes,
}

async fn answer<B>(store: &Arc<Store>, request: Request<B>) -> Result<Response<Body>, Refusal>
where
    B: BodyExt<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let place = place(head.uri.path())?;
    let body = match head.method {
        Method::GET => Bytes::new(),
        _ => collect(body).await?,
    };
    let text = |name| head.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    match place {
        Place::Version if head.method == Method::GET => Ok(json_answer(200, &version())),
        Place::Kinds(kinds) if head.method == Method::GET => Ok(json_answer(200, &kinds)),
        Place::Version | Place::Kinds(_) => Err(Refusal::method()),
        Place::TokenReview => review(store, &head.method, &body, tokens::review).await,
        Place::AccessReview => review(store, &head.method, &body, allow).await,
        Place::Token { namespace, account } if head.method == Method::POST => {
            let asked = read_json(&body)?;
            let now = OffsetDateTime::now_utc();
            let token = move |store: &Store| tokens::request(store, &namespace, &account, &asked, now);
            Ok(json_answer(201, &blocking(store, token).await?))
        }
        Place::Token { .. } => Err(Refusal::method()),
        Place::Objects { kind, version, namespace, name, part } => {
            let query: HashMap<String, String> =
                form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
            let selected = |name| query.get(name).map_or("", String::as_str);
            let selector =
                Selector::parse(selected("labelSelector"), selected("fieldSelector")).map_err(Refusal::bad)?;
            let metadata_only = text(header::ACCEPT).contains("as=PartialObjectMetadata");
            let view = View { kind, version, namespace, selector, metadata_only };
            let media = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_owned();
            objects(store, Ask { method: head.method, view, name, part, query, media, body }).await
        }
    }
}

/// Answers a question that is asked by making an object which nobody keeps.
async fn review(
    store: &Arc<Store>,
    method: &Method,
    body: &[u8],
    answer: fn(&Store, &Value, OffsetDateTime) -> Result<Value, Refusal>,
) -> Result<Response<Body>, Refusal> {
    if *method != Method::POST {
        return Err(Refusal::method());
    }
    let asked = read_json(body)?;
    let answer = blocking(store, move |store| answer(store, &asked, OffsetDateTime::now_utc())).await?;
    Ok(json_answer(201, &answer))
}

async fn collect<B>(body: B) -> Result<Bytes, Refusal>
where
    B: BodyExt<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let limited = Limited::new(body, LONGEST).collect();
    let collected =
        tokio::time::timeout(BODY_WAIT, limited).await.map_err(|_| Refusal::bad("the body takes too long"))?;
    collected.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            Refusal::too_large(LONGEST)
        } else {
            Refusal::bad(format!("the body cannot be read: {error}"))
        }
    })
}

fn read_json(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::bad(format!("the body is no JSON: {error}")))
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "34", "gitVersion": "v1.34.0-folder", "gitCommit": "", "gitTreeState": "", "buildDate": "",
        "goVersion": "", "compiler": "rustc", "platform": "linux",
    })
}

/// Whoever can reach the folder may do everything: the file system has decided.
fn allow(_: &Store, asked: &Value, _: OffsetDateTime) -> Result<Value, Refusal> {
    let spec = &asked["spec"];
    let spec = if spec.is_null() { json!({}) } else { spec.clone() };
    Ok(json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {}, "spec": spec,
        "status": {"allowed": true},
    }))
}

/// Files are read and written, and locks waited for, where that holds no worker.
async fn blocking<T: Send + 'static>(
    store: &Arc<Store>,
    work: impl FnOnce(&Store) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let store = store.clone();
    let done = tokio::task::spawn_blocking(move || work(&store)).await;
    done.map_err(|error| Refusal::internal(format!("the request was given up: {error}")))?
}

async fn objects(store: &Arc<Store>, ask: Ask) -> Result<Response<Body>, Refusal> {
    let is_set = |name: &str| ask.query.get(name).is_some_and(|v| v == "true" || v == "1");
    match (ask.method.as_str(), &ask.name) {
        ("GET", None) if is_set("watch") => watch(store, &ask),
        ("GET", None) => Ok(json_answer(200, &list(store, &ask.view))),
        ("GET", Some(name)) => {
            let key = ask.key(name);
            let entry = blocking(store, move |store| store.read(&key).ok_or_else(|| Refusal::absent(&key))).await?;
            Ok(json_answer(200, &ask.view.show(&entry)))
        }
        ("POST" | "PUT" | "PATCH" | "DELETE", _) => {
            let (code, answer) = blocking(store, move |store| change(store, ask)).await?;
            Ok(json_answer(code, &answer))
        }
        _ => Err(Refusal::method()),
    }
}

fn list(store: &Store, view: &View) -> Value {
    let (entries, count) = store.list(view.kind, view.namespace.as_deref());
    let items: Vec<Value> = entries.iter().filter(|e| view.meant(e)).map(|e| view.show(e)).collect();
    let (kind, api_version) = match view.metadata_only {
        true => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned()),
        false => (format!("{}List", view.kind.name), view.kind.api_version(&view.version)),
    };
    json!({
        "kind": kind, "apiVersion": api_version, "metadata": {"resourceVersion": count.to_string()}, "items": items,
    })
}

fn watch(store: &Store, ask: &Ask) -> Result<Response<Body>, Refusal> {
    let text = |name: &str| ask.query.get(name).map_or("", String::as_str);
    let after = match text("resourceVersion") {
        "" | "0" => None,
        version => Some(version.parse().map_err(|_| Refusal::bad(format!("invalid resource version {version:?}")))?),
    };
    let after = if text("sendInitialEvents") == "true" { None } else { after };
    let course = Course {
        bookmarks: text("allowWatchBookmarks") == "true",
        marks_start: text("sendInitialEvents") == "true",
        lasts: text("timeoutSeconds").parse().ok().map(Duration::from_secs),
    };
    let body = match store.subscribe(ask.view.kind, ask.view.namespace.as_deref(), after) {
        Ok(from) => {
            let lines = watching::lines(ask.view.clone(), course, from);
            StreamBody::new(lines.map(|line| line.map(Frame::data))).boxed_unsync()
        }
        // As Kubernetes tells it: the watch begins, and its first event says why it ends.
        Err(refusal) => Full::new(watching::refused(&refusal)).boxed_unsync(),
    };
    let mut answer = Response::new(body);
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(answer)
}

impl Ask {
    fn key(&self, name: &str) -> Key {
        Key::new(self.view.kind, self.view.namespace.as_deref().unwrap_or_default(), name)
    }

    fn body(&self) -> Result<Value, Refusal> {
        match self.media.as_str() {
            "" | "application/json" => read_json(&self.body),
            other => Err(Refusal::media_type(format!("the body is {other}: want application/json"))),
        }
    }

    fn patch(&self) -> Result<Patch, Refusal> {
        Ok(match self.media.as_str() {
            "application/merge-patch+json" => Patch::Merge(read_json(&self.body)?),
            "application/strategic-merge-patch+json" => Patch::Strategic(read_json(&self.body)?),
            "application/apply-patch+yaml" => {
                let manager = self.query.get("fieldManager").filter(|m| !m.is_empty()).cloned();
                let manager =
                    manager.ok_or_else(|| Refusal::bad("PatchOptions: fieldManager is required for apply"))?;
                Patch::Apply { manager, wanted: self.applied()?, origin: None }
            }
            other => {
                let want = "application/merge-patch+json, application/strategic-merge-patch+json or application/apply-patch+yaml";
                return Err(Refusal::media_type(format!("a patch of type {other:?} is not supported: want {want}")));
            }
        })
    }

    fn applied(&self) -> Result<Value, Refusal> {
        if let Ok(value) = serde_json::from_slice(&self.body) {
            return Ok(value);
        }
        let text = std::str::from_utf8(&self.body).map_err(|_| Refusal::bad("the body is not UTF-8"))?;
        let documents =
            yaml::read(text).map_err(|broken| Refusal::bad(format!("the body is no YAML: {}", broken.message)))?;
        documents.into_iter().next().ok_or_else(|| Refusal::bad("the body is empty"))
    }

    /// Reads how to delete, from the body and, as kubectl writes it, from the query.
    fn deletion(&self) -> Result<(Deletion, bool), Refusal> {
        let options = if self.body.is_empty() { Value::Null } else { read_json(&self.body)? };
        let asked = self.query.get("gracePeriodSeconds").and_then(|s| s.parse().ok());
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let conditions = &options["preconditions"];
        let dry = options["dryRun"].as_array().is_some_and(|d| d.iter().any(|d| d == "All"));
        let deletion = Deletion {
            grace: options["gracePeriodSeconds"].as_i64().or(asked),
            uid: text(&conditions["uid"]),
            version: text(&conditions["resourceVersion"]),
        };
        Ok((deletion, dry))
    }
}

/// Carries out a write; returns the code and the object of the answer.
fn change(store: &Store, ask: Ask) -> Result<(u16, Value), Refusal> {
    let dry = match ask.query.get("dryRun").map_or("", String::as_str) {
        "" => false,
        "All" => true,
        other => return Err(Refusal::bad(format!("dryRun: unknown value {other:?}: want All"))),
    };
    let strict = ask.query.get("fieldValidation").is_some_and(|v| v == "Strict");
    let (kind, part) = (ask.view.kind, ask.part);
    match (ask.method.as_str(), &ask.name) {
        ("POST", None) if kind.namespaced == ask.view.namespace.is_some() => {
            let object = ask.body()?;
            let namespace = ask.view.namespace.as_deref().unwrap_or_default();
            let entry = store.transact(dry, |tx| write::create(tx, kind, namespace, object, strict))?;
            Ok((201, ask.view.show(&entry)))
        }
        ("PUT", Some(name)) => {
            let (key, object) = (ask.key(name), ask.body()?);
            let entry = store.transact(dry, |tx| write::replace(tx, &key, part, object, strict))?;
            Ok((200, ask.view.show(&entry)))
        }
        ("PATCH", Some(name)) => {
            let (key, patch) = (ask.key(name), ask.patch()?);
            let forced = ask.query.get("force").is_some_and(|force| force == "true");
            let yields = matches!(patch, Patch::Apply { .. }) && part == Part::Whole && !forced;
            let (entry, made) = store.transact(dry, |tx| {
                if yields {
                    delete::unless_held(tx, &key, "edit")?;
                }
                write::patch(tx, &key, part, patch, strict)
            })?;
            Ok((if made { 201 } else { 200 }, ask.view.show(&entry)))
        }
        ("DELETE", Some(name)) if part == Part::Whole => {
            let (how, dry_too) = ask.deletion()?;
            let key = ask.key(name);
            Ok((
                200,
                match store.transact(dry || dry_too, |tx| {
                    delete::unless_held(tx, &key, "delete")?;
                    delete::delete(tx, &key, &how)
                })? {
                    Deleted::Going(entry) => ask.view.show(&entry),
                    Deleted::Gone(entry) => json!({
                        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                        "details": {"name": name, "kind": kind.plural, "uid": entry.stored.object["metadata"]["uid"]},
                    }),
                },
            ))
        }
        ("DELETE", None) if kind.namespaced == ask.view.namespace.is_some() => {
            let (how, dry_too) = ask.deletion()?;
            let before = list(store, &ask.view);
            let (entries, _) = store.list(kind, ask.view.namespace.as_deref());
            store.transact(dry || dry_too, |tx| {
                for entry in entries.iter().filter(|e| ask.view.meant(e)) {
                    let name = entry.stored.object["metadata"]["name"].as_str().unwrap_or_default();
                    let key = ask.key(name);
                    match delete::unless_held(tx, &key, "delete").and_then(|()| delete::delete(tx, &key, &how)) {
                        // Somebody else was faster.
                        Err(refusal) if refusal.code == 404 => {}
                        outcome => drop(outcome?),
                    }
                }
                Ok(())
            })?;
            Ok((200, before))
        }
        _ => Err(Refusal::method()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_objects_and_never_leave_the_folder() {
        let known = [
            ("/api/v1/namespaces", "Namespace", None, None, Part::Whole),
            ("/api/v1/namespaces/shop", "Namespace", None, Some("shop"), Part::Whole),
            ("/api/v1/namespaces/shop/status", "Namespace", None, Some("shop"), Part::Status),
            ("/api/v1/pods", "Pod", None, None, Part::Whole),
            ("/api/v1/namespaces/shop/pods/web/status", "Pod", Some("shop"), Some("web"), Part::Status),
            ("/api/v1/namespaces/status/pods", "Pod", Some("status"), None, Part::Whole),
            ("/apis/apps/v1/namespaces/shop/deployments", "Deployment", Some("shop"), None, Part::Whole),
            ("/apis/security.istio.io/v1beta1/peerauthentications", "PeerAuthentication", None, None, Part::Whole),
        ];
        for (path, kind, namespace, name, part) in known {
            let Ok(Place::Objects { kind: k, namespace: ns, name: n, part: p, .. }) = place(path) else {
                panic!("{path} is not known")
            };
            assert_eq!((k.name, ns.as_deref(), n.as_deref(), p), (kind, namespace, name, part), "{path}");
        }
        let refused = [
            "/",
            "/api",
            "/api/v1/widgets",
            "/api/v2/pods",
            "/api/v1/namespaces/shop/nodes/n1",
            "/api/v1/pods/web",
            "/api/v1/namespaces/shop/pods/web/exec",
            "/api/v1/namespaces/shop/configmaps/x/status",
            "/api/v1/namespaces/../pods/web",
            "/api/v1/namespaces/shop/pods/..",
            "/api/v1/namespaces/shop/pods/.lock",
            "/api/v1/namespaces/shop/pods/a/../../b",
            "/api/v1/namespaces/shop/pods/%2e%2e",
            "/api/v1/namespaces/_/pods/web",
            "/api/v1/namespaces//pods/web",
            "/api/v1/namespaces/shop/pods/a\\b",
            "/api/v1/namespaces/shop/pods/a\0b",
        ];
        for path in refused {
            assert!(place(path).is_err(), "{path:?}");
        }
    }
}
