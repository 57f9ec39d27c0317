//! How objects go: at once, or when their finalizers, their kubelet or their contents are done.

use std::sync::Arc;

use serde_json::json;

use crate::{
    folder::{
        kinds::Key,
        refusal::Refusal,
        rules::{finalizers, is_going, now, preconditions, stamp},
        store::{Entry, Transaction},
    },
    merge,
};

/// What a deletion asks for.
#[derive(Clone, Debug, Default)]
pub struct Deletion {
    /// How long a pod may take to end.
    pub grace: Option<i64>,
    /// The unique name that the object must have.
    pub uid: Option<String>,
    /// The version that the object must have.
    pub version: Option<String>,
}

/// The outcome of a deletion.
pub enum Deleted {
    /// The object is gone.
    Gone(Arc<Entry>),
    /// The object will go when its finalizers, its kubelet or its contents are done.
    Going(Arc<Entry>),
}

/// How long a pod may take to end if nothing else is said.
const GRACE: i64 = 30;

/// Refuses to delete, or to apply otherwise, what a manifest says: it would be as before at once, or at its next edit.
///
/// # Errors
/// A manifest says it.
pub fn unless_held(tx: &Transaction<'_>, key: &Key, what: &str) -> Result<(), Refusal> {
    let Some(entry) = tx.read(key).filter(|e| !is_going(&e.stored.object)) else { return Ok(()) };
    match entry.stored.manifest.as_ref().filter(|origin| !origin.adopted) {
        Some(origin) => Err(Refusal::conflict(key, &format!("it stands in {}: {what} it there", origin.file))),
        None => Ok(()),
    }
}

/// Deletes an object, or lets it begin to go.
///
/// # Errors
/// It is not there, or another than the request says.
pub fn delete(tx: &Transaction<'_>, key: &Key, how: &Deletion) -> Result<Deleted, Refusal> {
    let old = tx.read(key).ok_or_else(|| Refusal::absent(key))?;
    preconditions(key, &old, &json!({"uid": how.uid, "resourceVersion": how.version}))?;
    let object = &old.stored.object;
    let grace = match key.kind.name {
        // Nobody runs it.
        "Pod" if !tx.has_kubelet() => 0,
        "Pod" if object["spec"]["nodeName"].as_str().is_none_or(str::is_empty) => 0,
        "Pod" => {
            let asked = how.grace.or_else(|| object["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(GRACE);
            // A second deletion shortens the time, never lengthens it.
            let running = object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(i64::MAX);
            asked.clamp(0, 3600 * 24 * 365).min(running)
        }
        _ => 0,
    };
    let is_space = key.kind.name == "Namespace";
    if grace == 0 && finalizers(object) == 0 && !is_space {
        tx.remove(key)?;
        collect(tx, key, &old)?;
        finish_home(tx, key)?;
        return Ok(Deleted::Gone(old));
    }
    let mut stored = old.stored.clone();
    let meta = &object["metadata"];
    let shortened = key.kind.name == "Pod" && meta["deletionGracePeriodSeconds"].as_i64() != Some(grace);
    if meta["deletionTimestamp"].is_null() || shortened {
        let ends = stamp(now() + time::Duration::seconds(grace));
        let going = match is_space {
            true => json!({"metadata": {"deletionTimestamp": ends}, "status": {"phase": "Terminating"}}),
            false => json!({"metadata": {"deletionTimestamp": ends, "deletionGracePeriodSeconds": grace}}),
        };
        merge::merge(&mut stored.object, &going);
    }
    let entry = tx.put(key, stored)?;
    if is_space && !tx.is_dry() {
        for (key, _) in tx.contents(&key.name) {
            match delete(tx, &key, &Deletion::default()) {
                Ok(_) => {}
                // Gone with another of them.
                Err(refusal) if refusal.code == 404 => {}
                Err(refusal) => return Err(refusal),
            }
        }
        finish_space(tx, key)?;
        if tx.read(key).is_none() {
            return Ok(Deleted::Gone(entry));
        }
    }
    Ok(Deleted::Going(entry))
}

/// Deletes what belonged to an object that went, as the garbage collector of Kubernetes does; of gateways alone, since whoever
/// plays the controllers of pods sees to those.
///
/// # Errors
/// Those of the file system.
pub fn collect(tx: &Transaction<'_>, key: &Key, gone: &Entry) -> Result<(), Refusal> {
    if key.kind.name != "Gateway" || tx.is_dry() {
        return Ok(());
    }
    let uid = &gone.stored.object["metadata"]["uid"];
    for (key, entry) in tx.contents(&key.namespace) {
        let owners = entry.stored.object["metadata"]["ownerReferences"].as_array();
        if owners.is_some_and(|owners| !owners.is_empty() && owners.iter().all(|owner| owner["uid"] == *uid)) {
            delete(tx, &key, &Deletion::default())?;
        }
    }
    Ok(())
}

/// Removes the namespace of an object that went, if it was the last in one that is to go.
///
/// # Errors
/// Those of the file system.
pub fn finish_home(tx: &Transaction<'_>, key: &Key) -> Result<(), Refusal> {
    if tx.is_dry() {
        return Ok(());
    }
    key.home().map_or(Ok(()), |home| finish_space(tx, &home))
}

/// Removes a namespace that is to go and is empty.
///
/// # Errors
/// Those of the file system.
pub fn finish_space(tx: &Transaction<'_>, key: &Key) -> Result<(), Refusal> {
    let Some(space) = tx.read(key).filter(|s| is_going(&s.stored.object)) else { return Ok(()) };
    if finalizers(&space.stored.object) == 0 && tx.contents(&key.name).is_empty() {
        tx.remove(key)?;
    }
    Ok(())
}
