//! Which policies say something about a service, the oldest of which counts.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
};

use source::object::ObjectKey;

/// Names a policy by its age.
pub type Owner = (String, ObjectKey);

/// What policies say, by what they say it about.
#[derive(Debug)]
pub struct Registry<Target, Word> {
    by_target: HashMap<Target, BTreeMap<Owner, Word>>,
    by_owner: HashMap<ObjectKey, (Owner, BTreeSet<Target>)>,
}

impl<Target, Word> Default for Registry<Target, Word> {
    fn default() -> Self {
        Self { by_target: HashMap::new(), by_owner: HashMap::new() }
    }
}

/// What a change touches.
#[derive(Debug)]
pub struct Touched<Target> {
    /// The targets about which something else is said.
    pub targets: BTreeSet<Target>,
    /// The other policies that say something about them.
    pub others: BTreeSet<ObjectKey>,
}

impl<Target: Clone + Eq + Hash + Ord, Word: PartialEq> Registry<Target, Word> {
    /// Takes in what a policy says, in place of what it said before.
    pub fn put(&mut self, key: &ObjectKey, created: &str, words: Vec<(Target, Word)>) -> Touched<Target> {
        let owner: Owner = (created.to_owned(), key.clone());
        let mut touched = Touched { targets: BTreeSet::new(), others: BTreeSet::new() };
        let new: BTreeSet<Target> = words.iter().map(|(target, _)| target.clone()).collect();
        if let Some((old_owner, old)) = self.by_owner.remove(key) {
            for target in old.into_iter().filter(|target| old_owner != owner || !new.contains(target)) {
                if let Some(said) = self.by_target.get_mut(&target) {
                    said.remove(&old_owner);
                    if said.is_empty() {
                        self.by_target.remove(&target);
                    }
                }
                touched.targets.insert(target);
            }
        }
        for (target, word) in words {
            let said = self.by_target.entry(target.clone()).or_default();
            if said.get(&owner) != Some(&word) {
                said.insert(owner.clone(), word);
                touched.targets.insert(target);
            }
        }
        if !new.is_empty() {
            self.by_owner.insert(key.clone(), (owner, new));
        }
        let owners = touched.targets.iter().filter_map(|t| self.by_target.get(t)).flat_map(BTreeMap::keys);
        touched.others = owners.map(|(_, other)| other).filter(|other| *other != key).cloned().collect();
        touched
    }

    /// Returns what counts about a target, and whose word it is.
    #[must_use]
    pub fn first(&self, target: &Target) -> Option<(&ObjectKey, &Word)> {
        self.by_target.get(target)?.first_key_value().map(|((_, key), word)| (key, word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_word_counts() {
        let key = |name: &str| ObjectKey { namespace: "shop".into(), name: name.into() };
        let mut registry = Registry::<&str, u8>::default();
        let others = |touched: Touched<&str>| -> Vec<String> { touched.others.into_iter().map(|k| k.name).collect() };
        assert!(others(registry.put(&key("young"), "2", vec![("a", 1), ("b", 1)])).is_empty());
        assert_eq!(others(registry.put(&key("old"), "1", vec![("a", 2)])), ["young"]);
        assert_eq!(registry.first(&"a"), Some((&key("old"), &2)));
        assert_eq!(registry.first(&"b"), Some((&key("young"), &1)));
        let same = registry.put(&key("old"), "1", vec![("a", 2)]);
        assert!(same.targets.is_empty() && same.others.is_empty(), "nothing changed");
        assert_eq!(others(registry.put(&key("old"), "1", vec![])), ["young"]);
        assert_eq!(registry.first(&"a"), Some((&key("young"), &1)));
        registry.put(&key("young"), "2", vec![]);
        assert!(registry.by_target.is_empty() && registry.by_owner.is_empty());
    }
}
