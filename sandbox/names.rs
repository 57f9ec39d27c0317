//! What names mean in the sandbox, and where services lead: both from the same objects that the mesh is computed from.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use source::{
    Change, Kind, Object,
    object::{ObjectKey, Pod, Service, ServicePort, Target},
};

use crate::host::DOMAIN;

/// The answer to a question about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These addresses.
    Addresses(Vec<IpAddr>),
    /// These ports on this name.
    Ports(Vec<(u16, String)>),
    /// The name exists, but has nothing of the kind that was asked for.
    Nothing,
    /// There is no such name.
    Unknown,
    /// It is not a name of the sandbox.
    Foreign,
}

/// Services and pods, as the source told them.
#[derive(Clone, Debug, Default)]
pub struct Names {
    services: BTreeMap<ObjectKey, Service>,
    pods: BTreeMap<ObjectKey, Pod>,
}

impl Names {
    /// Takes a change in.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Apply(Object::Service(service)) => drop(self.services.insert(service.key.clone(), service)),
            Change::Apply(Object::Pod(pod)) => drop(self.pods.insert(pod.key.clone(), pod)),
            Change::Delete(Kind::Service, key) => drop(self.services.remove(&key)),
            Change::Delete(Kind::Pod, key) => drop(self.pods.remove(&key)),
            _ => {}
        }
    }

    /// Answers for a name without its closing dot, in lower case.
    ///
    /// Follows the DNS specification of Kubernetes 1.1: services, headless services with their pods, named ports.
    #[must_use]
    pub fn look_up(&self, name: &str) -> Answer {
        let Some(labels) = name.strip_suffix(DOMAIN).and_then(|n| n.strip_suffix('.')) else {
            return if name == DOMAIN { Answer::Nothing } else { Answer::Foreign };
        };
        let labels: Vec<&str> = labels.split('.').collect();
        match labels[..] {
            ["svc"] | ["pod"] => Answer::Nothing,
            [namespace, "svc"] => match self.services.keys().any(|k| k.namespace == namespace) {
                true => Answer::Nothing,
                false => Answer::Unknown,
            },
            [service, namespace, "svc"] => self.service(namespace, service),
            [port, protocol @ ("_tcp" | "_udp"), service, namespace, "svc"] => {
                self.port(namespace, service, port.trim_start_matches('_'), protocol)
            }
            [host, service, namespace, "svc"] => self.host(namespace, service, host),
            [address, _, "pod"] => {
                address.replace('-', ".").parse().map_or(Answer::Unknown, |ip| Answer::Addresses(vec![ip]))
            }
            _ => Answer::Unknown,
        }
    }

    fn find(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.services.get(&ObjectKey { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    fn service(&self, namespace: &str, name: &str) -> Answer {
        let Some(service) = self.find(namespace, name) else { return Answer::Unknown };
        if !service.addresses.is_empty() {
            return Answer::Addresses(service.addresses.clone());
        }
        Answer::Addresses(self.endpoints(service).filter_map(|p| p.addresses.first().copied()).collect())
    }

    fn port(&self, namespace: &str, name: &str, port: &str, protocol: &str) -> Answer {
        let Some(service) = self.find(namespace, name) else { return Answer::Unknown };
        let target = format!("{name}.{namespace}.svc.{DOMAIN}.");
        match service.ports.iter().find(|p| p.name == port && protocol == "_tcp") {
            Some(port) => Answer::Ports(vec![(port.port, target)]),
            None => Answer::Unknown,
        }
    }

    /// One pod of a headless service, by its host name.
    fn host(&self, namespace: &str, service: &str, host: &str) -> Answer {
        let Some(service) = self.find(namespace, service).filter(|s| s.addresses.is_empty()) else {
            return Answer::Unknown;
        };
        let pod = self.endpoints(service).find(|p| p.key.name == host);
        pod.map_or(Answer::Unknown, |p| Answer::Addresses(p.addresses.clone()))
    }

    /// The pods behind a service that take traffic.
    fn endpoints<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a Pod> {
        let selects = |pod: &Pod| {
            pod.key.namespace == service.key.namespace
                && !service.selector.is_empty()
                && service.selector.iter().all(|(k, v)| pod.labels.get(k) == Some(v))
        };
        self.pods.values().filter(move |pod| {
            let open = service.publish_not_ready || (pod.ready && !pod.deleting);
            !pod.ended && open && selects(pod)
        })
    }

    /// Lists where each port of each service leads for clients on a node.
    #[must_use]
    pub fn ports(&self, node: &str) -> Vec<(IpAddr, u16, Vec<SocketAddr>)> {
        let mut out = Vec::new();
        for service in self.services.values() {
            for address in &service.addresses {
                for port in &service.ports {
                    let near = |pod: &&Pod| !service.local_only || pod.node == node;
                    let to = self.endpoints(service).filter(near).filter_map(|pod| {
                        let same = |a: &&IpAddr| a.is_ipv4() == address.is_ipv4();
                        Some(SocketAddr::new(*pod.addresses.iter().find(same)?, target(port, pod)?))
                    });
                    out.push((*address, port.port, to.collect()));
                }
            }
        }
        out
    }
}

fn target(port: &ServicePort, pod: &Pod) -> Option<u16> {
    match &port.target {
        Target::Number(number) => Some(*number),
        Target::Name(name) => pod.ports.get(name).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey { namespace: "shop".into(), name: name.into() }
    }

    fn names() -> Names {
        let mut names = Names::default();
        let port = |target| ServicePort { name: "http".into(), port: 80, target, app_protocol: None };
        let service = |name: &str, addresses: Vec<IpAddr>| Service {
            key: key(name),
            selector: [("app".to_owned(), "web".to_owned())].into(),
            addresses,
            ports: vec![port(Target::Name("web".into()))],
            ..Service::default()
        };
        names.apply(Change::Apply(Object::Service(service("web", vec![[10, 96, 0, 9].into()]))));
        names.apply(Change::Apply(Object::Service(service("peers", vec![]))));
        for (name, last, ready) in [("web-1", 1, true), ("web-2", 2, true), ("web-3", 3, false)] {
            names.apply(Change::Apply(Object::Pod(Pod {
                key: key(name),
                labels: [("app".to_owned(), "web".to_owned())].into(),
                addresses: vec![[10, 244, 1, last].into()],
                ports: [("web".to_owned(), 8080)].into(),
                ready,
                ..Pod::default()
            })));
        }
        names
    }

    #[test]
    fn names_of_services_pods_and_ports() {
        let names = names();
        let addresses = |last: &[u8]| Answer::Addresses(last.iter().map(|n| [10, 244, 1, *n].into()).collect());
        for (name, answer) in [
            ("web.shop.svc.cluster.local", Answer::Addresses(vec![[10, 96, 0, 9].into()])),
            ("peers.shop.svc.cluster.local", addresses(&[1, 2])),
            ("web-2.peers.shop.svc.cluster.local", addresses(&[2])),
            ("web-3.peers.shop.svc.cluster.local", Answer::Unknown),
            ("_http._tcp.web.shop.svc.cluster.local", Answer::Ports(vec![(80, "web.shop.svc.cluster.local.".into())])),
            ("10-244-1-7.shop.pod.cluster.local", addresses(&[7])),
            ("shop.svc.cluster.local", Answer::Nothing),
            ("web.other.svc.cluster.local", Answer::Unknown),
            ("cluster.local", Answer::Nothing),
            ("web", Answer::Foreign),
            ("example.com", Answer::Foreign),
        ] {
            assert_eq!(names.look_up(name), answer, "{name}");
        }
    }

    #[test]
    fn services_lead_to_ready_pods() {
        let mut names = names();
        let to = |names: &Names| names.ports("one").into_iter().map(|(_, _, to)| to.len()).collect::<Vec<_>>();
        assert_eq!(names.ports("one")[0].2[0], "10.244.1.1:8080".parse().expect("an address"));
        assert_eq!(to(&names), [2]);
        names.apply(Change::Delete(Kind::Pod, key("web-1")));
        assert_eq!(to(&names), [1]);
        let web = names.services.get_mut(&key("web")).expect("there");
        web.local_only = true;
        assert_eq!(to(&names), [0], "the pods are on another node");
    }
}
