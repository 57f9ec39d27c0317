//! Which labels enrol what was named, or take it out: a function of the labels that are there.

use std::fmt;

use cni::enrol::{Decision, Reason};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::{
    cluster::enrolment::{Modes, why},
    error::Error,
};

/// What is to be enrolled or taken out.
#[derive(Debug)]
pub enum Target {
    /// These namespaces.
    Namespaces(Vec<String>),
    /// These pods.
    Pods(Vec<Pod>),
    /// The whole mesh.
    Mesh,
}

/// One label to set, or to take away.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// The namespace of the pod, or the namespace itself.
    pub namespace: String,
    /// The pod, if it is one.
    pub pod: Option<String>,
    /// The value; none takes the label away.
    pub mode: Option<&'static str>,
}

impl Target {
    /// Returns whether the pod is what is meant, or in it.
    pub fn concerns(&self, pod: &Pod) -> bool {
        match self {
            Self::Namespaces(names) => pod.namespace().is_some_and(|namespace| names.contains(&namespace)),
            Self::Pods(pods) => {
                pods.iter().any(|one| one.namespace() == pod.namespace() && one.name_any() == pod.name_any())
            }
            Self::Mesh => true,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pod {
            None => write!(f, "namespace {}", self.namespace),
            Some(pod) => write!(f, "pod {}/{pod}", self.namespace),
        }
    }
}

/// Returns the labels that enrol the target. Refuses what would have no effect, before anything is changed.
pub fn enrol(target: &Target, modes: &Modes, system: &str) -> Result<Vec<Step>, Error> {
    const AMBIENT: Option<&str> = Some("ambient");
    match target {
        Target::Mesh => Ok(vec![Step { namespace: system.to_owned(), pod: None, mode: AMBIENT }]),
        Target::Namespaces(names) => names
            .iter()
            .map(|name| {
                known(modes, name)?;
                if modes.excludes(name) {
                    return Err(Error::user(format!(
                        "namespace {name} cannot be enrolled: it is excluded from the mesh"
                    ))
                    .hint("the setting cni.excludeNamespaces of `ambient install` says which are"));
                }
                Ok(Step { namespace: name.clone(), pod: None, mode: AMBIENT })
            })
            .collect(),
        Target::Pods(pods) => pods
            .iter()
            .map(|pod| {
                let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
                match modes.decide_with(pod, AMBIENT.map(str::to_owned)) {
                    Decision::In { .. } => Ok(Step { namespace, pod: Some(name), mode: AMBIENT }),
                    Decision::Out(reason) => {
                        Err(Error::user(format!("pod {namespace}/{name} cannot be enrolled: it {}", why(reason))))
                    }
                }
            })
            .collect(),
    }
}

/// Returns the labels that take the target out: no label is the cleaner state, `none` where something above enrols.
pub fn release(target: &Target, modes: &Modes, system: &str) -> Result<Vec<Step>, Error> {
    match target {
        Target::Mesh => Ok(vec![Step { namespace: system.to_owned(), pod: None, mode: None }]),
        Target::Namespaces(names) => names
            .iter()
            .map(|name| {
                known(modes, name)?;
                let says_none = modes.label(name) == Some("none");
                let goes_on = modes.clone().with(name, None).namespace(name).is_ok();
                let mode = (says_none || goes_on).then_some("none");
                Ok(Step { namespace: name.clone(), pod: None, mode })
            })
            .collect(),
        Target::Pods(pods) => Ok(pods
            .iter()
            .map(|pod| {
                let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
                let without = modes.decide_with(pod, None);
                let says_none = modes.decide(pod) == Decision::Out(Reason::PodOptsOut);
                let mode = (says_none || matches!(without, Decision::In { .. })).then_some("none");
                Step { namespace, pod: Some(name), mode }
            })
            .collect()),
    }
}

fn known(modes: &Modes, name: &str) -> Result<(), Error> {
    if !modes.knows(name) {
        return Err(Error::user(format!("there is no namespace {name}")).hint("`ambient namespace list` lists them"));
    }
    if modes.is_ending(name) {
        return Err(Error::user(format!("namespace {name} is being deleted")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn namespaces(names: &[&str]) -> Target {
        Target::Namespaces(names.iter().map(|&name| name.to_owned()).collect())
    }

    fn pod(namespace: &str, label: Option<&str>, host_network: bool) -> Target {
        let labels = label.map(|label| json!({"istio.io/dataplane-mode": label}));
        let pod = json!({
            "metadata": {"name": "p", "namespace": namespace, "labels": labels},
            "spec": {"containers": [], "hostNetwork": host_network},
        });
        Target::Pods(vec![serde_json::from_value(pod).expect("a pod")])
    }

    fn modes(mesh: bool) -> Modes {
        Modes::of("istio-system", BTreeSet::from(["kube-system".to_owned()]))
            .with("istio-system", mesh.then_some("ambient"))
            .with("kube-system", None)
            .with("plain", None)
            .with("in", Some("ambient"))
            .with("out", Some("none"))
    }

    #[test]
    fn releasing_beats_what_enrols_from_above() {
        // what is released, whether the mesh is enrolled → the label that stays
        let table = [
            (namespaces(&["in"]), false, None),
            (namespaces(&["in"]), true, Some("none")),
            (namespaces(&["plain"]), true, Some("none")),
            (namespaces(&["plain"]), false, None),
            // The operator's own word.
            (namespaces(&["out"]), false, Some("none")),
            // Never enrolled anyway.
            (namespaces(&["kube-system"]), true, None),
            (pod("in", None, false), false, Some("none")),
            (pod("plain", Some("ambient"), false), false, None),
            (pod("plain", Some("ambient"), false), true, Some("none")),
            (pod("plain", Some("none"), false), false, Some("none")),
            (pod("out", Some("ambient"), false), true, None),
            (pod("in", None, true), false, None),
            (Target::Mesh, true, None),
        ];
        for (target, mesh, expected) in table {
            let steps = release(&target, &modes(mesh), "istio-system").expect("possible");
            assert_eq!(steps[0].mode, expected, "{target:?} {mesh}");
        }
    }

    #[test]
    fn enrolling_undoes_releasing_and_refuses_what_has_no_effect() {
        for target in [namespaces(&["out"]), namespaces(&["plain"]), pod("out", Some("none"), false), Target::Mesh] {
            let steps = enrol(&target, &modes(true), "istio-system").expect("possible");
            assert_eq!(steps[0].mode, Some("ambient"), "{target:?}");
        }
        let table = [
            (namespaces(&["nowhere"]), "there is no namespace nowhere"),
            (namespaces(&["plain", "kube-system"]), "namespace kube-system cannot be enrolled: it is excluded"),
            (pod("kube-system", None, false), "it is in a namespace that is never enrolled"),
            (pod("istio-system", None, false), "it is in a namespace that is never enrolled"),
            (pod("plain", None, true), "it lives in its node's own network"),
        ];
        for (target, expected) in table {
            let error = enrol(&target, &modes(false), "istio-system").expect_err("refused").to_string();
            assert!(error.contains(expected), "{target:?}: {error}");
        }
    }
}
