//! Which pods are enrolled: a function of labels and a few facts, without I/O. Called by `agent` for
//! every pod of the node and every question of the plugin.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The label that chooses, on a pod, a namespace, or (for the whole mesh) the system namespace.
pub const MODE_LABEL: &str = "istio.io/dataplane-mode";
/// Present on pods with a sidecar of their own.
pub const SIDECAR_ANNOTATION: &str = "sidecar.istio.io/status";
/// Set to `true` by ingress gateways that terminate traffic themselves.
pub const BYPASS_INBOUND_ANNOTATION: &str = "ambient.istio.io/bypass-inbound-capture";
/// Where the outcome is written.
pub const REDIRECTION_ANNOTATION: &str = "ambient.istio.io/redirection";

/// What the decision needs to know of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// UID.
    pub uid: String,
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Service account.
    pub service_account: String,
    /// Value of [`MODE_LABEL`].
    pub mode: Option<String>,
    /// Value of [`REDIRECTION_ANNOTATION`].
    pub redirection: Option<String>,
    /// Whether a sidecar serves it.
    pub sidecar: bool,
    /// Whether incoming connections stay alone.
    pub bypass_inbound: bool,
    /// Whether it lives in the node's namespace.
    pub host_network: bool,
    /// Whether all its containers ended for good.
    pub finished: bool,
    /// Its addresses.
    pub ips: Vec<IpAddr>,
    /// UID under which the kubelet knows a static pod.
    pub mirror_uid: Option<String>,
}

impl Pod {
    /// Whether the kubelet means this pod by `uid`.
    pub fn has_uid(&self, uid: &str) -> bool {
        self.uid == uid || self.mirror_uid.as_deref() == Some(uid)
    }
}

/// What the decision needs to know of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// [`MODE_LABEL`] of each namespace that exists.
    pub namespaces: BTreeMap<String, Option<String>>,
    /// The mesh's own namespace: never enrolled; its label is the default of the mesh.
    pub system_namespace: String,
    /// Never enrolled either.
    pub excluded: BTreeSet<String>,
}

/// The decision, with its reason when it is no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Enrolled.
    In {
        /// Whether incoming connections are redirected as well.
        inbound: bool,
    },
    /// Not enrolled.
    Out(Reason),
}

/// Why a pod is not enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Neither pod, namespace nor mesh asks for it.
    NotSelected,
    /// The pod says `none`.
    PodOptsOut,
    /// The namespace says `none`.
    NamespaceOptsOut,
    /// The namespace is excluded.
    ExcludedNamespace,
    /// The pod lives in the node's namespace.
    HostNetwork,
    /// A sidecar serves it.
    Sidecar,
    /// The pod is over.
    Finished,
}

impl Selection {
    /// Whether pods of this namespace are enrolled unless they object.
    pub fn namespace(&self, name: &str) -> Result<(), Reason> {
        if self.is_excluded(name) {
            return Err(Reason::ExcludedNamespace);
        }
        let label = |n: &str| self.namespaces.get(n).and_then(|l| l.as_deref());
        match label(name) {
            Some("ambient") => Ok(()),
            Some("none") => Err(Reason::NamespaceOptsOut),
            _ if label(&self.system_namespace) == Some("ambient") => Ok(()),
            _ => Err(Reason::NotSelected),
        }
    }

    /// Whether pods of this namespace are never enrolled, whatever the labels.
    pub fn is_excluded(&self, name: &str) -> bool {
        name == self.system_namespace || self.excluded.contains(name)
    }

    /// Decides on a pod.
    pub fn decide(&self, pod: &Pod) -> Decision {
        let selected = match pod.mode.as_deref() {
            _ if self.is_excluded(&pod.namespace) => Err(Reason::ExcludedNamespace),
            Some("ambient") => Ok(()),
            Some("none") => Err(Reason::PodOptsOut),
            _ => self.namespace(&pod.namespace),
        };
        match selected {
            Err(reason) => Decision::Out(reason),
            Ok(()) if pod.host_network => Decision::Out(Reason::HostNetwork),
            Ok(()) if pod.sidecar => Decision::Out(Reason::Sidecar),
            Ok(()) if pod.finished => Decision::Out(Reason::Finished),
            Ok(()) => Decision::In { inbound: !pod.bypass_inbound },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_facts() {
        use Decision::{In, Out};
        const IN: Decision = In { inbound: true };
        let plain = Pod::default();
        let host = Pod { host_network: true, ..plain.clone() };
        let sidecar = Pod { sidecar: true, ..plain.clone() };
        let over = Pod { finished: true, ..plain.clone() };
        let gateway = Pod { bypass_inbound: true, ..plain.clone() };
        // pod, its namespace, pod label, namespace label, mesh label → decision
        let table = [
            (&plain, "shop", None, None, None, Out(Reason::NotSelected)),
            (&plain, "shop", None, Some("ambient"), None, IN),
            (&plain, "shop", None, None, Some("ambient"), IN),
            (&plain, "shop", None, Some("none"), Some("ambient"), Out(Reason::NamespaceOptsOut)),
            (&plain, "shop", Some("ambient"), None, None, IN),
            (&plain, "shop", Some("ambient"), Some("none"), None, IN),
            (&plain, "shop", Some("none"), Some("ambient"), None, Out(Reason::PodOptsOut)),
            (&plain, "shop", Some("nonsense"), Some("ambient"), None, IN),
            (&plain, "shop", None, Some("nonsense"), None, Out(Reason::NotSelected)),
            (&plain, "kube-system", Some("ambient"), None, None, Out(Reason::ExcludedNamespace)),
            (&plain, "istio-system", None, None, Some("ambient"), Out(Reason::ExcludedNamespace)),
            (&host, "shop", None, Some("ambient"), None, Out(Reason::HostNetwork)),
            (&sidecar, "shop", Some("ambient"), None, None, Out(Reason::Sidecar)),
            (&over, "shop", None, Some("ambient"), None, Out(Reason::Finished)),
            (&gateway, "shop", None, Some("ambient"), None, In { inbound: false }),
        ];
        for (pod, namespace, mode, of_namespace, of_mesh, expected) in table {
            let owned = |l: Option<&str>| l.map(str::to_owned);
            let mut namespaces = BTreeMap::from([("istio-system".to_owned(), owned(of_mesh))]);
            if namespace != "istio-system" {
                namespaces.insert(namespace.to_owned(), owned(of_namespace));
            }
            let selection = Selection {
                namespaces,
                system_namespace: "istio-system".into(),
                excluded: BTreeSet::from(["kube-system".to_owned()]),
            };
            let namespace = namespace.to_owned();
            let pod = Pod { namespace, mode: owned(mode), ..pod.clone() };
            assert_eq!(selection.decide(&pod), expected, "{pod:?} {of_namespace:?} {of_mesh:?}");
        }
    }
}
