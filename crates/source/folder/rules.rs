//! What every write obeys: what an object is called, what is filled in, what must be so.

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    folder::{
        kinds::{Key, Kind},
        manifests,
        refusal::Refusal,
        store::Entry,
    },
    merge,
};

/// Whether unknown fields are a fault (`fieldValidation=Strict`).
pub type Strict = bool;

/// What clients cannot write in `metadata`.
pub const SYSTEM: [&str; 9] = [
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
    "managedFields",
];

/// Returns the time.
#[must_use]
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Returns a time as objects hold it.
#[must_use]
pub fn stamp(time: OffsetDateTime) -> Value {
    // Whole seconds, as Kubernetes writes them; the calendar of four-digit years always has a form.
    time.replace_nanosecond(0).ok().and_then(|t| t.format(&Rfc3339).ok()).unwrap_or_default().into()
}

/// Returns a unique name (RFC 9562 5.4).
#[must_use]
pub fn uid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Writes what an object is called: the path says it, the body need not.
pub fn identify(key: &Key, object: &mut Value) {
    let fields = merge::object(object);
    fields.insert("apiVersion".to_owned(), key.kind.api_version(key.kind.versions[0]).into());
    fields.insert("kind".to_owned(), key.kind.name.into());
    let meta = merge::object(fields.entry("metadata").or_insert(Value::Null));
    meta.insert("name".to_owned(), key.name.clone().into());
    if key.kind.namespaced {
        meta.insert("namespace".to_owned(), key.namespace.clone().into());
    }
}

/// Fills in what Kubernetes fills in, as far as somebody here reads it.
pub fn admit(kind: &Kind, object: &mut Value) {
    encode_secret(kind, object);
    let set = |object: &mut Value, pointer: &str, patch: Value| {
        if object.pointer(pointer).is_none_or(Value::is_null) {
            merge::merge(object, &patch);
        }
    };
    match kind.name {
        "Pod" => {
            set(object, "/spec/serviceAccountName", json!({"spec": {"serviceAccountName": "default"}}));
            set(object, "/status/phase", json!({"status": {"phase": "Pending"}}));
        }
        "Namespace" => {
            let label = json!({"kubernetes.io/metadata.name": object["metadata"]["name"]});
            merge::merge(object, &json!({"metadata": {"labels": label}}));
            set(object, "/status/phase", json!({"status": {"phase": "Active"}}));
        }
        "Secret" => set(object, "/type", json!({"type": "Opaque"})),
        _ => {}
    }
}

/// Writes the plain entries of a secret as the others are written.
pub fn encode_secret(kind: &Kind, object: &mut Value) {
    if kind.name != "Secret" {
        return;
    }
    let Some(Value::Object(plain)) = object.as_object_mut().and_then(|o| o.remove("stringData")) else { return };
    let encoded = plain.into_iter().filter_map(|(key, value)| {
        let bytes = k8s_openapi::ByteString(value.as_str()?.as_bytes().to_vec());
        Some((key, serde_json::to_value(bytes).ok()?))
    });
    let data: Value = encoded.collect();
    merge::merge(object, &json!({ "data": data }));
}

/// Checks that a body is about the object of the path.
///
/// # Errors
/// It is about another, or is no object.
pub fn expect(kind: &Kind, namespace: &str, name: Option<&str>, body: &Value) -> Result<(), Refusal> {
    if !body.is_object() {
        return Err(Refusal::bad("the body is no object"));
    }
    let meta = &body["metadata"];
    if !meta.is_null() && !meta.is_object() {
        return Err(Refusal::bad("metadata is no object"));
    }
    let versions: Vec<String> = kind.versions.iter().map(|v| kind.api_version(v)).collect();
    let differs = |value: &Value, wanted: &str| !value.is_null() && *value != "" && *value != wanted;
    if differs(&body["kind"], kind.name) {
        return Err(Refusal::bad(format!("the body is of kind {}, not {}", body["kind"], kind.name)));
    }
    if versions.iter().all(|version| differs(&body["apiVersion"], version)) {
        return Err(Refusal::bad(format!("the body is of version {}, not {}", body["apiVersion"], versions[0])));
    }
    if kind.namespaced && differs(&meta["namespace"], namespace) {
        return Err(Refusal::bad(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if name.is_some_and(|name| differs(&meta["name"], name)) {
        return Err(Refusal::bad("the name of the object does not match the name on the URL"));
    }
    Ok(())
}

/// Checks that an object is the one that a request supposes.
///
/// # Errors
/// It has another unique name or version.
pub fn preconditions(key: &Key, old: &Entry, meta: &Value) -> Result<(), Refusal> {
    if let Some(wanted) = meta["uid"].as_str()
        && old.stored.object["metadata"]["uid"] != wanted
    {
        return Err(Refusal::conflict(
            key,
            &format!("the UID in the precondition ({wanted}) is not that of the object"),
        ));
    }
    match meta["resourceVersion"].as_str() {
        Some(version) if !version.is_empty() && version != old.version.to_string() => {
            Err(Refusal::conflict(key, "the object has been modified; please apply your changes to the latest version"))
        }
        _ => Ok(()),
    }
}

/// Checks that an object is one of its kind.
///
/// # Errors
/// It is not: names the fields.
pub fn validate(key: &Key, object: &Value, strict: Strict) -> Result<(), Refusal> {
    let found = manifests::findings(key.kind, object);
    let told: Vec<String> = found.iter().filter(|f| strict || !f.unknown).take(10).map(ToString::to_string).collect();
    if told.is_empty() { Ok(()) } else { Err(Refusal::invalid(key.kind.name, &key.name, &told.join("; "))) }
}

/// Whether an object is to go.
#[must_use]
pub fn is_going(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// Returns how many must agree before an object goes.
#[must_use]
pub fn finalizers(object: &Value) -> usize {
    object["metadata"]["finalizers"].as_array().map_or(0, Vec::len)
}

/// Returns five letters that do not spell words, as Kubernetes adds them to a name that is only begun.
#[must_use]
pub fn suffix() -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let bytes: [u8; 5] = rand::random();
    bytes.iter().map(|b| char::from(LETTERS[usize::from(*b) % LETTERS.len()])).collect()
}
