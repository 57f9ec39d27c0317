//! What a write makes of an object, by the rules of Kubernetes.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    folder::{
        delete::{collect, finish_home, finish_space},
        disk::{Origin, Stored},
        kinds::{Key, Kind},
        refusal::Refusal,
        rules::{
            SYSTEM, Strict, admit, encode_secret, expect, finalizers, identify, is_going, now, preconditions, stamp,
            suffix, uid, validate,
        },
        store::{Entry, Transaction},
    },
    merge,
};

/// Which part of an object a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All but the status.
    Whole,
    /// The status.
    Status,
}

/// A change of an object.
pub enum Patch {
    /// JSON merge patch (RFC 7386).
    Merge(Value),
    /// As merge patch, with some lists merged by item.
    Strategic(Value),
    /// Server-side apply.
    Apply {
        /// Who applies.
        manager: String,
        /// What is to be so.
        wanted: Value,
        /// The manifest that wants it.
        origin: Option<String>,
    },
}

/// Makes an object.
///
/// # Errors
/// It is there already, is not valid, or its namespace is not there.
pub fn create(
    tx: &Transaction<'_>,
    kind: &'static Kind,
    namespace: &str,
    mut object: Value,
    strict: Strict,
) -> Result<Arc<Entry>, Refusal> {
    expect(kind, namespace, None, &object)?;
    let meta = &object["metadata"];
    let name = match (meta["name"].as_str().unwrap_or_default(), meta["generateName"].as_str()) {
        ("", Some(prefix)) => format!("{prefix}{}", suffix()),
        (name, _) => name.to_owned(),
    };
    if let Some(want) = kind.bad_name(&name) {
        return Err(Refusal::invalid(kind.name, &name, &format!("metadata.name: {name:?} is no name: {want}")));
    }
    let key = Key::new(kind, namespace, &name);
    home(tx, &key)?;
    if tx.read(&key).is_some() {
        return Err(Refusal::exists(&key));
    }
    // Those who make pods and nodes know their state at once.
    if kind.has_status && !matches!(kind.name, "Pod" | "Node") {
        merge::object(&mut object).remove("status");
    }
    born(tx, &key, Stored { object, ..Stored::default() }, strict)
}

/// Gives a new object what only the cluster gives, and writes it.
fn born(tx: &Transaction<'_>, key: &Key, mut stored: Stored, strict: Strict) -> Result<Arc<Entry>, Refusal> {
    if tx.is_unreadable(key) {
        return Err(Refusal::internal(format!("the file of {key} is there and cannot be read: see the problems")));
    }
    let object = &mut stored.object;
    identify(key, object);
    admit(key.kind, object);
    let has_spec = !object["spec"].is_null();
    let meta = merge::object(merge::object(object).entry("metadata").or_insert(Value::Null));
    SYSTEM.iter().filter(|f| !["name", "namespace"].contains(f)).for_each(|field| drop(meta.remove(*field)));
    meta.remove("resourceVersion");
    meta.insert("uid".to_owned(), uid().into());
    meta.insert("creationTimestamp".to_owned(), stamp(now()));
    if has_spec {
        meta.insert("generation".to_owned(), 1.into());
    }
    validate(key, &stored.object, strict)?;
    let entry = tx.put(key, stored)?;
    if key.kind.name == "Namespace" && !tx.is_dry() {
        let account = Key::new(Kind::named("ServiceAccount"), &key.name, "default");
        if tx.read(&account).is_none() {
            born(tx, &account, Stored { object: json!({}), ..Stored::default() }, false)?;
        }
    }
    Ok(entry)
}

/// Puts another object in the place of one.
///
/// # Errors
/// It is not there, is of another version than the new one says, or the new one is not valid.
pub fn replace(
    tx: &Transaction<'_>,
    key: &Key,
    part: Part,
    object: Value,
    strict: Strict,
) -> Result<Arc<Entry>, Refusal> {
    expect(key.kind, &key.namespace, Some(&key.name), &object)?;
    let old = tx.read(key).ok_or_else(|| Refusal::absent(key))?;
    preconditions(key, &old, &object["metadata"])?;
    let stored = Stored { object, ..old.stored.clone() };
    settle(tx, key, part, &old, stored, strict)
}

/// Changes an object; tells whether it was made by it.
///
/// # Errors
/// It is not there (other than for an apply), is another than the patch says, or the result is not valid.
pub fn patch(
    tx: &Transaction<'_>,
    key: &Key,
    part: Part,
    patch: Patch,
    strict: Strict,
) -> Result<(Arc<Entry>, bool), Refusal> {
    let body = match &patch {
        Patch::Merge(body) | Patch::Strategic(body) | Patch::Apply { wanted: body, .. } => body,
    };
    expect(key.kind, &key.namespace, Some(&key.name), body)?;
    let old = tx.read(key);
    if let Some(old) = &old {
        preconditions(key, old, &body["metadata"])?;
    }
    match (patch, old) {
        (Patch::Apply { manager, wanted, origin }, old) => apply(tx, key, part, old, (manager, wanted, origin), strict),
        (_, None) => Err(Refusal::absent(key)),
        (Patch::Merge(body), Some(old)) => {
            let mut stored = old.stored.clone();
            merge::merge(&mut stored.object, &body);
            Ok((settle(tx, key, part, &old, stored, strict)?, false))
        }
        (Patch::Strategic(body), Some(old)) => {
            let mut stored = old.stored.clone();
            merge::strategic(&mut stored.object, &body);
            Ok((settle(tx, key, part, &old, stored, strict)?, false))
        }
    }
}

fn apply(
    tx: &Transaction<'_>,
    key: &Key,
    part: Part,
    old: Option<Arc<Entry>>,
    (manager, mut wanted, origin): (String, Value, Option<String>),
    strict: Strict,
) -> Result<(Arc<Entry>, bool), Refusal> {
    prepare(key.kind, &mut wanted, part);
    let slot = match part {
        Part::Whole => manager,
        Part::Status => format!("{manager}/status"),
    };
    let mut stored = match &old {
        Some(old) => old.stored.clone(),
        None if part == Part::Status => return Err(Refusal::absent(key)),
        None => {
            home(tx, key)?;
            Stored { object: json!({}), ..Stored::default() }
        }
    };
    let before = stored.applied.insert(slot.clone(), wanted.clone());
    let others: Vec<&Value> = stored.applied.iter().filter(|(m, _)| **m != slot).map(|(_, v)| v).collect();
    merge::apply(&mut stored.object, before.as_ref(), &wanted, &others);
    if let Some(file) = origin {
        let adopted = stored.manifest.as_ref().map_or(old.is_some(), |origin| origin.adopted);
        stored.manifest = Some(Origin { file, adopted });
    }
    match old {
        Some(old) => Ok((settle(tx, key, part, &old, stored, strict)?, false)),
        None => Ok((born(tx, key, stored, strict)?, true)),
    }
}

/// Returns what is noted of an object that is applied whole.
#[must_use]
pub fn applied(kind: &Kind, mut wanted: Value) -> Value {
    prepare(kind, &mut wanted, Part::Whole);
    wanted
}

fn prepare(kind: &Kind, wanted: &mut Value, part: Part) {
    encode_secret(kind, wanted);
    clean(wanted, part);
}

/// Takes what a manager applied from an object, and the manifest that wanted it.
///
/// # Errors
/// Those of the file system, or what is left is not valid.
pub fn withdraw(tx: &Transaction<'_>, key: &Key, manager: &str) -> Result<(), Refusal> {
    let Some(old) = tx.read(key) else { return Ok(()) };
    let mut stored = old.stored.clone();
    stored.manifest = None;
    let before = stored.applied.remove(manager);
    let others: Vec<&Value> = stored.applied.values().collect();
    merge::apply(&mut stored.object, before.as_ref(), &json!({}), &others);
    settle(tx, key, Part::Whole, &old, stored, false).map(drop)
}

/// Writes what is to become of an object, after what may not change was put back.
fn settle(
    tx: &Transaction<'_>,
    key: &Key,
    part: Part,
    old: &Arc<Entry>,
    mut stored: Stored,
    strict: Strict,
) -> Result<Arc<Entry>, Refusal> {
    let before = &old.stored.object;
    let mut object = std::mem::take(&mut stored.object);
    match part {
        Part::Whole if key.kind.has_status => put_back(&mut object, before, "status"),
        Part::Whole => {}
        Part::Status => {
            let new = std::mem::replace(&mut object, before.clone());
            put_back(&mut object, &new, "status");
            // Kubernetes lets those who report a pod's state annotate it as well, and no other kind's.
            if key.kind.name == "Pod" {
                ["annotations", "labels"].iter().for_each(|field| {
                    put_back(&mut object["metadata"], &new["metadata"], field);
                });
            }
        }
    }
    identify(key, &mut object);
    let meta = merge::object(&mut object["metadata"]);
    meta.remove("resourceVersion");
    for field in SYSTEM {
        match before["metadata"].get(field) {
            Some(value) => drop(meta.insert(field.to_owned(), value.clone())),
            None => drop(meta.remove(field)),
        }
    }
    admit(key.kind, &mut object);
    if object["spec"] != before["spec"] {
        let generation = before["metadata"]["generation"].as_i64().unwrap_or(0);
        object["metadata"]["generation"] = generation.saturating_add(1).into();
    }
    if object != *before {
        validate(key, &object, strict)?;
    }
    let ends = is_going(&object)
        && finalizers(&object) == 0
        && finalizers(before) > 0
        && object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0;
    stored.object = object;
    let entry = tx.put(key, stored)?;
    if ends && !tx.is_dry() {
        if key.kind.name == "Namespace" {
            finish_space(tx, key)?;
        } else {
            tx.remove(key)?;
            collect(tx, key, &entry)?;
            finish_home(tx, key)?;
        }
    }
    Ok(entry)
}

fn put_back(object: &mut Value, from: &Value, field: &str) {
    let fields = merge::object(object);
    match from.get(field) {
        Some(value) => drop(fields.insert(field.to_owned(), value.clone())),
        None => drop(fields.remove(field)),
    }
}

/// Takes from what is applied what nobody applies.
fn clean(wanted: &mut Value, part: Part) {
    let fields = merge::object(wanted);
    fields.retain(|field, _| match part {
        Part::Whole => !["apiVersion", "kind", "status"].contains(&field.as_str()),
        Part::Status => ["status", "metadata"].contains(&field.as_str()),
    });
    if let Some(meta) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.retain(|field, value| !SYSTEM.contains(&field.as_str()) && field != "resourceVersion" && !value.is_null());
        if meta.is_empty() {
            fields.remove("metadata");
        }
    }
}

fn home(tx: &Transaction<'_>, key: &Key) -> Result<(), Refusal> {
    let Some(home) = key.home() else { return Ok(()) };
    let space = tx.read(&home).ok_or_else(|| Refusal::absent(&home))?;
    if is_going(&space.stored.object) {
        return Err(Refusal::forbidden(format!(
            "{} \"{}\" is forbidden: unable to create new content in namespace {} because it is being terminated",
            key.kind.qualified(),
            key.name,
            key.namespace
        )));
    }
    Ok(())
}
