//! The ServiceEntries of a namespace that select workloads, by what they select.

use std::collections::{BTreeMap, BTreeSet};

use source::object::Map;

/// A label and its value.
type Pair = (String, String);

/// Each entry stands under one pair of its selector: what does not have that pair is not selected, and most workloads do not.
#[derive(Debug, Default)]
pub(in crate::mesh) struct Selectors {
    entries: BTreeMap<Pair, BTreeSet<String>>,
    pairs: BTreeMap<String, Pair>,
}

impl Selectors {
    /// Takes in what an entry selects; nothing if there is nothing to be found in it.
    pub(super) fn set(&mut self, entry: &str, selector: Option<&Map>) {
        if let Some(pair) = self.pairs.remove(entry)
            && let Some(entries) = self.entries.get_mut(&pair)
        {
            entries.remove(entry);
            if entries.is_empty() {
                self.entries.remove(&pair);
            }
        }
        // The rarest: a label that all selectors have tells nothing apart.
        let pairs = selector.into_iter().flatten().map(|(label, value)| (label.clone(), value.clone()));
        let rarest = pairs.min_by_key(|pair| self.entries.get(pair).map_or(0, BTreeSet::len));
        if let Some(pair) = rarest {
            self.entries.entry(pair.clone()).or_default().insert(entry.to_owned());
            self.pairs.insert(entry.to_owned(), pair);
        }
    }

    /// Returns the entries that may select what has these labels, in order: no other does.
    pub(super) fn candidates(&self, labels: &Map) -> BTreeSet<&String> {
        let pairs = labels.iter().filter_map(|(label, value)| self.entries.get(&(label.clone(), value.clone())));
        pairs.flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_by_its_rarest_label() {
        let map = |pairs: &[(&str, &str)]| -> Map {
            pairs.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
        };
        let mut all = Selectors::default();
        for (entry, selector) in [
            ("a", &[("app", "a"), ("all", "x")]),
            ("b", &[("app", "b"), ("all", "x")]),
            ("c", &[("app", "b"), ("all", "x")]),
        ] {
            all.set(entry, Some(&map(selector)));
        }
        all.set("none", Some(&map(&[])));
        all.set("none", None);
        let found = |labels: &[(&str, &str)]| {
            all.candidates(&map(labels)).into_iter().map(String::as_str).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found(&[("app", "a"), ("all", "x")]), "a c");
        assert_eq!(found(&[("app", "b"), ("all", "x")]), "a b c");
        assert_eq!(found(&[("app", "b")]), "b");
        assert_eq!(found(&[]), "");
        for entry in ["a", "b", "c"] {
            all.set(entry, None);
        }
        assert!(all.entries.is_empty() && all.pairs.is_empty(), "{all:?}");
    }
}
