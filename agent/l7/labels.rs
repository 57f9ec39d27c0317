//! The labels of workloads that subsets and routes ask for: no others leave the control plane.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use model::{l7::WorkloadLabels, workload::Name};
use source::object::Map;

/// A label that is asked for, of the workloads of one namespace or of all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Asked {
    /// The namespace.
    pub namespace: Option<Name>,
    /// The label.
    pub label: Name,
}

/// The workloads with their labels, and who asks for which.
#[derive(Debug)]
pub struct Labels<Asker> {
    workloads: HashMap<Name, HashMap<Name, Arc<Map>>>,
    // Pods of one template have the same labels, and there are many of them.
    shared: HashSet<Arc<Map>>,
    asked: BTreeMap<Asked, HashSet<Asker>>,
    askers: HashMap<Asker, BTreeSet<Asked>>,
    published: HashMap<Name, WorkloadLabels>,
}

impl<Asker> Default for Labels<Asker> {
    fn default() -> Self {
        Self {
            workloads: HashMap::new(),
            shared: HashSet::new(),
            asked: BTreeMap::new(),
            askers: HashMap::new(),
            published: HashMap::new(),
        }
    }
}

/// A workload whose labels are to be told anew: all that are asked for, or none any more.
pub type Told = (Name, Option<WorkloadLabels>);

impl<Asker: Clone + Eq + std::hash::Hash> Labels<Asker> {
    /// Takes in the labels of a workload of a namespace.
    pub fn set(&mut self, namespace: &str, workload: &Name, labels: Option<&Map>) -> Option<Told> {
        let all = self.workloads.entry(namespace.into()).or_default();
        let old = match labels {
            Some(labels) => {
                let shared = match self.shared.get(labels) {
                    Some(shared) => shared.clone(),
                    None => {
                        let new = Arc::new(labels.clone());
                        self.shared.insert(new.clone());
                        new
                    }
                };
                all.insert(workload.clone(), shared)
            }
            None => all.remove(workload),
        };
        if all.is_empty() {
            self.workloads.remove(namespace);
        }
        // Two hold the labels that no workload has any more.
        if let Some(old) = old.filter(|old| Arc::strong_count(old) == 2) {
            self.shared.remove(&old);
        }
        self.publish(namespace, workload)
    }

    /// Takes in what somebody asks for, in place of what it asked for before.
    pub fn ask(&mut self, asker: &Asker, wanted: BTreeSet<Asked>) -> Vec<Told> {
        let old = self.askers.get(asker).cloned().unwrap_or_default();
        if old == wanted {
            return vec![];
        }
        let mut changed = BTreeSet::new();
        for gone in old.difference(&wanted) {
            if let Some(askers) = self.asked.get_mut(gone) {
                askers.remove(asker);
                if askers.is_empty() {
                    self.asked.remove(gone);
                    changed.insert(gone.namespace.clone());
                }
            }
        }
        for new in wanted.difference(&old) {
            let askers = self.asked.entry(new.clone()).or_default();
            if askers.is_empty() {
                changed.insert(new.namespace.clone());
            }
            askers.insert(asker.clone());
        }
        if wanted.is_empty() {
            self.askers.remove(asker);
        } else {
            self.askers.insert(asker.clone(), wanted);
        }
        let everywhere = changed.contains(&None);
        let touched = self.workloads.iter().filter(|(name, _)| everywhere || changed.contains(&Some((*name).clone())));
        let touched: Vec<(Name, Name)> =
            touched.flat_map(|(namespace, all)| all.keys().map(|w| (namespace.clone(), w.clone()))).collect();
        touched.iter().filter_map(|(namespace, workload)| self.publish(namespace, workload)).collect()
    }

    fn publish(&mut self, namespace: &str, workload: &Name) -> Option<Told> {
        let labels = self.workloads.get(namespace).and_then(|all| all.get(workload));
        let of = |wanted: Option<Name>| {
            let first = Asked { namespace: wanted.clone(), label: "".into() };
            self.asked
                .range(first..)
                .take_while(move |(asked, _)| asked.namespace == wanted)
                .map(|(asked, _)| &asked.label)
        };
        let wanted = of(None).chain(of(Some(namespace.into())));
        let found: BTreeMap<Name, Name> =
            wanted.filter_map(|label| Some((label.clone(), (**labels?.get(&**label)?).into()))).collect();
        let new = (!found.is_empty()).then(|| WorkloadLabels { workload: workload.clone(), labels: found });
        if self.published.get(workload) == new.as_ref() {
            return None;
        }
        match &new {
            Some(new) => drop(self.published.insert(workload.clone(), new.clone())),
            None => drop(self.published.remove(workload)),
        }
        Some((workload.clone(), new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(namespace: Option<&str>, label: &str) -> Asked {
        Asked { namespace: namespace.map(Into::into), label: label.into() }
    }

    fn told(told: impl IntoIterator<Item = Told>) -> Vec<String> {
        let one = |(workload, labels): Told| match labels {
            Some(l) => format!("{workload} {:?}", l.labels),
            None => format!("{workload} -"),
        };
        let mut all: Vec<String> = told.into_iter().map(one).collect();
        all.sort();
        all
    }

    #[test]
    fn only_labels_that_somebody_asks_for_are_told() {
        let mut labels = Labels::<u8>::default();
        let of =
            |version: &str| Map::from([("version".to_owned(), version.to_owned()), ("app".to_owned(), "a".to_owned())]);
        assert_eq!(labels.set("shop", &"a".into(), Some(&of("v1"))), None);
        assert_eq!(labels.set("web", &"b".into(), Some(&of("v1"))), None);
        assert_eq!(labels.shared.len(), 1, "the same labels are there once");
        let first = labels.ask(&1, [asked(Some("shop"), "version")].into());
        assert_eq!(told(first), [r#"a {"version": "v1"}"#]);
        assert!(labels.ask(&2, [asked(Some("shop"), "version")].into()).is_empty(), "it is told already");
        assert_eq!(
            told(labels.ask(&3, [asked(None, "app")].into())),
            [r#"a {"app": "a", "version": "v1"}"#, r#"b {"app": "a"}"#]
        );
        assert_eq!(told(labels.set("shop", &"a".into(), Some(&of("v2")))), [r#"a {"app": "a", "version": "v2"}"#]);
        assert!(labels.ask(&1, [].into()).is_empty(), "another asks still");
        assert_eq!(told(labels.ask(&2, [].into())), [r#"a {"app": "a"}"#]);
        assert_eq!(told(labels.set("web", &"b".into(), None)), ["b -"]);
        assert_eq!(told(labels.ask(&3, [].into())), ["a -"]);
        assert!(labels.set("shop", &"a".into(), None).is_none());
        assert!(labels.shared.is_empty() && labels.asked.is_empty() && labels.workloads.is_empty());
    }
}
