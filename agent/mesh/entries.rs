//! ServiceEntries, as far as they use waypoints.

use source::{Object, object::ObjectKey};

use crate::{
    l7::Subject,
    mesh::{Mesh, Output, User},
};

impl Mesh {
    pub(super) fn entry(&mut self, key: &ObjectKey, object: Option<Object>, out: &mut Output) {
        let space = self.namespaces.entry(key.namespace.clone()).or_default();
        let new = match object {
            Some(Object::Custom(_, entry)) => Some(entry.labels),
            _ => None,
        };
        let old = match new.clone() {
            Some(labels) => space.entries.insert(key.name.clone(), labels),
            None => space.entries.remove(&key.name),
        };
        self.refer(User::Entry(key.clone()), [old.as_ref(), new.as_ref()], &key.namespace);
        self.publish_entry(key, out);
    }

    pub(super) fn publish_entry(&self, key: &ObjectKey, out: &mut Output) {
        let labels = self.namespaces.get(&key.namespace).and_then(|s| s.entries.get(&key.name));
        let binding = labels.map(|labels| self.bind_entry(labels, &key.namespace)).unwrap_or_default();
        out.waypoints.bindings.push((Subject::Entry(key.clone()), binding));
    }
}
