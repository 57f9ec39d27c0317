//! What a question is about: the pairs that are examined, and the namespaces that must hold nothing in the clear.

use std::collections::BTreeSet;

use crate::{
    cluster::enrolment::Modes,
    error::Error,
    verify::{
        evidence::Mesh,
        target::{self, Destination, Endpoint, PodRef},
    },
};

/// Who connects where.
pub struct Pair {
    /// The client.
    pub source: PodRef,
    /// What it connects to.
    pub destination: Destination,
}

/// Returns each source with each destination.
pub fn named(mesh: &Mesh, source: &str, destination: &str, namespace: Option<&str>) -> Result<Vec<Pair>, Error> {
    let sources = target::pods(mesh, source, namespace)?;
    let destinations = target::destinations(mesh, destination, namespace)?;
    let pair =
        |source: &PodRef, destination: &Destination| Pair { source: source.clone(), destination: destination.clone() };
    Ok(sources.iter().flat_map(|s| destinations.iter().map(move |d| pair(s, d))).collect())
}

/// Returns, for every captured pod of a namespace, a client that asks each port it declares: of the same namespace if there is
/// one, and of another node if there is one, since that is where a wire is crossed.
pub fn within(mesh: &Mesh, namespace: Option<&str>) -> Vec<Pair> {
    let captured: Vec<&PodRef> = mesh.pods.iter().filter(|pod| mesh.serves(pod)).collect();
    let concerned = captured.iter().filter(|pod| namespace.is_none_or(|only| only == pod.namespace));
    let mut pairs = Vec::new();
    for pod in concerned {
        let others = captured.iter().filter(|other| other.uid != pod.uid);
        let nearness = |other: &&&PodRef| (other.namespace == pod.namespace, other.node != pod.node);
        let Some(client) = others.max_by_key(nearness) else { continue };
        for port in &pod.tcp_ports {
            let endpoint = Endpoint { pod: (*pod).clone(), port: *port };
            let destination =
                Destination { name: format!("{}:{port}", pod.title()), through: None, endpoints: vec![endpoint] };
            pairs.push(Pair { source: (*client).clone(), destination });
        }
    }
    pairs
}

/// Returns the namespaces that are looked at when none is named: those that are enrolled, and those with a pod that is
/// captured or should be. Labels are no evidence here: they only add to what must be secured.
pub fn concerned<'m>(modes: &'m Modes, pods: &'m [PodRef], captured: impl Fn(&PodRef) -> bool) -> BTreeSet<&'m str> {
    let enrolled = modes.iter().map(|(name, _)| name).filter(|name| modes.namespace(name).is_ok());
    let pods = pods.iter().filter(|pod| pod.wanted || captured(pod));
    enrolled.chain(pods.map(|pod| pod.namespace.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(namespace: &str, name: &str, wanted: bool) -> PodRef {
        let pod = serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": namespace, "uid": name},
            "spec": {"nodeName": "n", "containers": []},
            "status": {"podIPs": [{"ip": "10.0.0.1"}]},
        }));
        PodRef::of(&pod.expect("a pod"), wanted).expect("a running pod")
    }

    #[test]
    fn all_namespaces_are_those_with_something_to_secure() {
        let modes = Modes::of("istio-system", BTreeSet::from(["kube-system".to_owned()]))
            .with("istio-system", None)
            .with("kube-system", Some("ambient"))
            .with("labelled", Some("ambient"))
            .with("out", Some("none"))
            .with("plain", None);
        let pods = [
            pod("plain", "a", false),
            pod("out", "b", true),
            pod("other", "captured", false),
            pod("kube-system", "c", false),
        ];
        let found = concerned(&modes, &pods, |pod| pod.name == "captured");
        // Also `labelled`, whose pods nobody serves: else they would not be missed.
        assert_eq!(found, BTreeSet::from(["labelled", "other", "out"]));

        let mesh = modes.with("istio-system", Some("ambient"));
        let found = concerned(&mesh, &pods, |_| false);
        assert_eq!(found, BTreeSet::from(["labelled", "out", "plain"]));
    }
}
