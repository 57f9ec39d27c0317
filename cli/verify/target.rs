//! What SRC and DST of the command line mean: pods, and ways to reach them.

use std::{collections::BTreeMap, net::IpAddr};

use k8s_openapi::{
    api::core::v1::{Pod, Service},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::ResourceExt;

use crate::{error::Error, verify::evidence::Mesh};

/// A running pod, as far as evidence needs it.
#[derive(Clone, Debug)]
pub struct PodRef {
    /// Unique name.
    pub uid: String,
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Service account.
    pub service_account: String,
    /// Node.
    pub node: String,
    /// Addresses.
    pub ips: Vec<IpAddr>,
    /// TCP ports that its containers declare.
    pub tcp_ports: Vec<u16>,
    named_ports: BTreeMap<String, u16>,
    labels: BTreeMap<String, String>,
    owner: Option<String>,
    /// Whether it lives in its node's own network.
    pub host_network: bool,
    /// Whether it should be captured, by label.
    pub wanted: bool,
}

impl PodRef {
    /// Tells whether it is one of a waypoint's, or of another gateway of the mesh.
    pub fn is_waypoint(&self) -> bool {
        agent::binding::is_gateways(&self.labels)
    }

    /// Reads a pod; none for one that has no address or node.
    pub fn of(pod: &Pod, wanted: bool) -> Option<Self> {
        let spec = pod.spec.as_ref()?;
        let status = pod.status.as_ref()?;
        let ips = status.pod_ips.iter().flatten().filter_map(|ip| ip.ip.parse().ok()).collect::<Vec<_>>();
        let declared = || spec.containers.iter().flat_map(|c| c.ports.iter().flatten());
        let tcp = || declared().filter(|p| p.protocol.as_deref().unwrap_or("TCP") == "TCP");
        let number = |p: i32| u16::try_from(p).ok();
        if ips.is_empty() {
            return None;
        }
        Some(Self {
            uid: pod.uid()?,
            name: pod.name_any(),
            namespace: pod.namespace()?,
            service_account: spec.service_account_name.clone().unwrap_or_else(|| "default".to_owned()),
            node: spec.node_name.clone()?,
            ips,
            tcp_ports: tcp().filter_map(|p| number(p.container_port)).collect(),
            named_ports: tcp().filter_map(|p| Some((p.name.clone()?, number(p.container_port)?))).collect(),
            labels: pod.labels().clone(),
            owner: pod.owner_references().iter().find(|o| o.controller == Some(true)).map(|o| o.name.clone()),
            host_network: spec.host_network.unwrap_or(false),
            wanted,
        })
    }

    /// Returns name and namespace as istioctl writes them.
    pub fn title(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }

    fn is_of_deployment(&self, name: &str) -> bool {
        let hash = self.labels.get("pod-template-hash");
        let owner = self.owner.as_deref().unwrap_or_default();
        hash.is_some_and(|hash| owner == format!("{name}-{hash}")) || owner == name
    }

    fn is_selected(&self, service: &Service) -> bool {
        let selector = service.spec.as_ref().and_then(|s| s.selector.as_ref()).filter(|s| !s.is_empty());
        service.namespace().as_deref() == Some(&self.namespace)
            && selector.is_some_and(|s| s.iter().all(|(k, v)| self.labels.get(k) == Some(v)))
    }
}

/// One pod and the port it listens on.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The pod.
    pub pod: PodRef,
    /// Its port.
    pub port: u16,
}

/// Something to connect to.
#[derive(Clone, Debug)]
pub struct Destination {
    /// As shown.
    pub name: String,
    /// The service's address and port, when it goes through one.
    pub through: Option<(IpAddr, u16)>,
    /// The pods behind it.
    pub endpoints: Vec<Endpoint>,
}

/// `[kind/]name[.namespace]`, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Name<'a> {
    kind: Option<&'a str>,
    name: &'a str,
    namespace: &'a str,
}

fn parse<'a>(text: &'a str, namespace: Option<&'a str>) -> Result<Name<'a>, Error> {
    let (kind, rest) = match text.split_once('/') {
        Some((kind, rest)) => (Some(kind), rest),
        None => (None, text),
    };
    let kind = match kind {
        None => None,
        Some("pod" | "pods" | "po") => Some("pod"),
        Some("deploy" | "deployment" | "deployments") => Some("deployment"),
        Some("svc" | "service" | "services") => Some("service"),
        Some(other) => {
            return Err(Error::usage(format!("{text:?}: kind {other:?} is not known"))
                .hint("want pod/, deploy/ or svc/, or a name alone"));
        }
    };
    // The names of pods hold no dot here: what follows the first one says where it is.
    let (name, place) = rest.split_once('.').unwrap_or((rest, namespace.unwrap_or("default")));
    let place = place.split('.').next().unwrap_or_default();
    if name.is_empty() || place.is_empty() {
        return Err(Error::usage(format!("{text:?} names nothing")).hint("want NAME.NAMESPACE, such as web-0.shop"));
    }
    Ok(Name { kind, name, namespace: place })
}

/// Splits `name:port`.
fn split_port(text: &str) -> Result<(&str, Option<u16>), Error> {
    match text.rsplit_once(':') {
        None => Ok((text, None)),
        Some((name, port)) => match port.parse() {
            Ok(port) if port > 0 => Ok((name, Some(port))),
            _ => Err(Error::usage(format!("{text:?}: {port:?} is no port")).hint("want a number from 1 to 65535")),
        },
    }
}

/// Finds the pods that a source means.
pub fn pods(mesh: &Mesh, text: &str, namespace: Option<&str>) -> Result<Vec<PodRef>, Error> {
    let found = matching(mesh, &parse(text, namespace)?);
    if found.is_empty() { Err(missing(text)) } else { Ok(found) }
}

fn matching(mesh: &Mesh, wanted: &Name<'_>) -> Vec<PodRef> {
    let here = || mesh.pods.iter().filter(|pod| pod.namespace == wanted.namespace);
    let pod = || here().filter(|pod| pod.name == wanted.name).cloned().collect::<Vec<_>>();
    let deployment = || here().filter(|pod| pod.is_of_deployment(wanted.name)).cloned().collect::<Vec<_>>();
    let service = || match service(mesh, wanted) {
        Some(service) => here().filter(|pod| pod.is_selected(service)).cloned().collect::<Vec<_>>(),
        None => Vec::new(),
    };
    match wanted.kind {
        Some("pod") => pod(),
        Some("deployment") => deployment(),
        Some(_) => service(),
        None => [pod(), deployment(), service()].into_iter().find(|found| !found.is_empty()).unwrap_or_default(),
    }
}

fn missing(text: &str) -> Error {
    Error::user(format!("no running pod is meant by {text:?}"))
        .hint("name it as NAME.NAMESPACE, deploy/NAME.NAMESPACE or svc/NAME.NAMESPACE")
}

fn service<'m>(mesh: &'m Mesh, wanted: &Name<'_>) -> Option<&'m Service> {
    let is = |s: &&Service| s.name_any() == wanted.name && s.namespace().as_deref() == Some(wanted.namespace);
    mesh.services.iter().find(is)
}

/// Finds what a destination means: a service with its endpoints, or pods with their ports.
pub fn destinations(mesh: &Mesh, text: &str, namespace: Option<&str>) -> Result<Vec<Destination>, Error> {
    let (text, port) = split_port(text)?;
    let wanted = parse(text, namespace)?;
    // A pod of that very name is meant first, then a service, then a deployment.
    let a_pod = mesh.pods.iter().any(|p| p.name == wanted.name && p.namespace == wanted.namespace);
    let found = match (wanted.kind, service(mesh, &wanted)) {
        (Some("service"), Some(service)) => of_service(mesh, service, port),
        (None, Some(service)) if !a_pod => of_service(mesh, service, port),
        _ => {
            let pods = matching(mesh, &wanted);
            if pods.is_empty() {
                return Err(missing(text));
            }
            pods.iter().flat_map(|pod| of_pod(pod, port)).collect()
        }
    };
    if found.is_empty() {
        return Err(match port {
            None => Error::user(format!("{text} declares no TCP port")).hint("give the port as DST:PORT"),
            Some(port) => Error::user(format!("{text} has no TCP port {port}"))
                .hint("without a port, every port that it declares is meant"),
        });
    }
    Ok(found)
}

fn of_pod(pod: &PodRef, port: Option<u16>) -> Vec<Destination> {
    let ports = port.map_or_else(|| pod.tcp_ports.clone(), |port| vec![port]);
    let one = |port| Destination {
        name: format!("{}:{port}", pod.title()),
        through: None,
        endpoints: vec![Endpoint { pod: pod.clone(), port }],
    };
    ports.into_iter().map(one).collect()
}

fn of_service(mesh: &Mesh, service: &Service, port: Option<u16>) -> Vec<Destination> {
    let spec = service.spec.clone().unwrap_or_default();
    let address: Option<IpAddr> = spec.cluster_ip.as_deref().and_then(|ip| ip.parse().ok());
    let (name, namespace) = (service.name_any(), service.namespace().unwrap_or_default());
    let pods: Vec<&PodRef> = mesh.pods.iter().filter(|pod| pod.is_selected(service)).collect();
    let ports = spec.ports.unwrap_or_default();
    let tcp = ports.iter().filter(|p| p.protocol.as_deref().unwrap_or("TCP") == "TCP");
    tcp.filter_map(|p| {
        let number = u16::try_from(p.port).ok().filter(|number| port.is_none_or(|port| port == *number))?;
        let target = |pod: &PodRef| match &p.target_port {
            Some(IntOrString::Int(target)) => u16::try_from(*target).ok(),
            Some(IntOrString::String(name)) => pod.named_ports.get(name).copied(),
            None => Some(number),
        };
        let endpoint = |pod: &&PodRef| Some(Endpoint { port: target(pod)?, pod: (*pod).clone() });
        Some(Destination {
            name: format!("{name}.{namespace}:{number}"),
            through: address.map(|address| (address, number)),
            endpoints: pods.iter().filter_map(endpoint).collect(),
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ports() {
        let name = |text| parse(text, Some("here")).expect("valid");
        assert_eq!(name("web"), Name { kind: None, name: "web", namespace: "here" });
        assert_eq!(name("svc/web.shop"), Name { kind: Some("service"), name: "web", namespace: "shop" });
        assert_eq!(name("web.shop.svc.cluster.local"), Name { kind: None, name: "web", namespace: "shop" });
        for bad in ["", "/", "pod/", ".shop", "ingress/web", "web."] {
            assert!(parse(bad, None).is_err(), "{bad}");
        }
        assert_eq!(split_port("web.shop:80").expect("valid"), ("web.shop", Some(80)));
        for bad in ["web:", "web:0", "web:x", "web:70000"] {
            assert!(split_port(bad).is_err(), "{bad}");
        }
    }
}
