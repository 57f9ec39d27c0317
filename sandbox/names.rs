//! What names mean in the sandbox, and where services lead: both from the same objects that the mesh is computed from.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use source::{
    Change, Kind, Object,
    api::{
        self,
        service_entry::{AllottedAddress, ServiceEntrySpec, ServiceEntryStatus},
    },
    labels,
    object::{Custom, ObjectKey, Pod, Service, ServicePort, Target},
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

/// Services, their entries, and pods, as the source told them.
#[derive(Clone, Debug, Default)]
pub struct Names {
    services: BTreeMap<ObjectKey, Service>,
    entries: BTreeMap<ObjectKey, Entry>,
    pods: BTreeMap<ObjectKey, Pod>,
    by_address: BTreeMap<IpAddr, ObjectKey>,
}

/// A ServiceEntry, as far as it is about names.
#[derive(Clone, Debug)]
struct Entry {
    created: String,
    hosts: Vec<String>,
    export_to: Vec<String>,
    written: Vec<IpAddr>,
    allotted: Vec<AllottedAddress>,
}

impl Entry {
    fn read(custom: &Custom) -> Option<Self> {
        let spec = api::read::<ServiceEntrySpec>(&custom.spec).spec?;
        let status = serde_json::from_value::<ServiceEntryStatus>(custom.status.clone()).unwrap_or_default();
        Some(Self {
            created: custom.created.clone(),
            hosts: spec.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            export_to: spec.export_to,
            written: spec.addresses.iter().filter_map(|text| text.parse().ok()).collect(),
            allotted: status.addresses,
        })
    }

    /// Tells whether pods of a namespace see it.
    fn is_for(&self, own: &str, namespace: &str) -> bool {
        let names = |export: &String| export == "*" || export == namespace || (export == "." && own == namespace);
        self.export_to.is_empty() || self.export_to.iter().any(names)
    }

    /// Returns the host of it that covers a name, and how much of the name it says.
    fn host(&self, name: &str) -> Option<(usize, &str)> {
        let covers = |host: &&String| match host.strip_prefix('*') {
            Some(domain) => name.strip_suffix(domain).is_some_and(|label| !label.is_empty()),
            None => *host == name,
        };
        let all = self.hosts.iter().filter(covers);
        all.map(|host| (if host.starts_with('*') { host.len() } else { usize::MAX }, &**host)).max()
    }

    fn addresses(&self, host: &str) -> Vec<IpAddr> {
        let allotted = self.allotted.iter().filter(|a| a.host == host).filter_map(|a| a.value.parse().ok());
        if self.written.is_empty() { allotted.collect() } else { self.written.clone() }
    }
}

impl Names {
    /// Takes a change in.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Apply(Object::Service(service)) => drop(self.services.insert(service.key.clone(), service)),
            Change::Apply(Object::Pod(pod)) => {
                self.forget_addresses(&pod.key);
                let own = pod.addresses.iter().filter(|_| !pod.host_network && !pod.ended);
                self.by_address.extend(own.map(|address| (*address, pod.key.clone())));
                self.pods.insert(pod.key.clone(), pod);
            }
            Change::Apply(Object::Custom(Kind::ServiceEntry, custom)) => match Entry::read(&custom) {
                Some(entry) => drop(self.entries.insert(custom.key, entry)),
                None => drop(self.entries.remove(&custom.key)),
            },
            Change::Delete(Kind::Service, key) => drop(self.services.remove(&key)),
            Change::Delete(Kind::ServiceEntry, key) => drop(self.entries.remove(&key)),
            Change::Delete(Kind::Pod, key) => {
                self.forget_addresses(&key);
                self.pods.remove(&key);
            }
            _ => {}
        }
    }

    fn forget_addresses(&mut self, pod: &ObjectKey) {
        let Some(old) = self.pods.get(pod) else { return };
        for address in &old.addresses {
            if self.by_address.get(address) == Some(pod) {
                self.by_address.remove(address);
            }
        }
    }

    /// Answers a pod, or whoever else has an address, for a name without its closing dot, in lower case.
    ///
    /// A pod of the mesh finds hosts of ServiceEntries, as ztunnel's DNS proxy has it; others, and so waypoints and the proxies of
    /// nodes, find what the hosts are outside of the mesh.
    #[must_use]
    pub fn answer(&self, name: &str, asker: IpAddr) -> Answer {
        let found = self.look_up(name);
        let pod = self.by_address.get(&asker).and_then(|key| self.pods.get(key));
        let enrolled = |pod: &&Pod| pod.annotations.get(labels::REDIRECTION).is_some_and(|v| v == "enabled");
        match (&found, pod.filter(enrolled)) {
            (Answer::Foreign | Answer::Unknown, Some(pod)) => self.entry(name, &pod.key.namespace).unwrap_or(found),
            _ => found,
        }
    }

    /// Answers for a host of a ServiceEntry: the most exact one, then one of the client's namespace, then the oldest.
    fn entry(&self, name: &str, namespace: &str) -> Option<Answer> {
        let seen = self.entries.iter().filter(|(key, entry)| entry.is_for(&key.namespace, namespace));
        let named = seen.filter_map(|(key, entry)| Some((entry.host(name)?, key, entry)));
        let rank = |((exact, _), key, entry): &((usize, &str), &ObjectKey, &Entry)| {
            (std::cmp::Reverse(*exact), key.namespace != namespace, entry.created.clone(), (*key).clone())
        };
        let ((_, host), _, entry) = named.min_by_key(rank)?;
        let addresses = entry.addresses(host);
        (!addresses.is_empty()).then_some(Answer::Addresses(addresses))
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
    fn hosts_of_entries_are_for_pods_of_the_mesh() {
        let mut names = names();
        let entry = |namespace: &str, name: &str, spec: serde_json::Value, status: serde_json::Value| {
            let key = ObjectKey { namespace: namespace.into(), name: name.into() };
            Change::Apply(Object::Custom(Kind::ServiceEntry, Custom { key, spec, status, ..Custom::default() }))
        };
        let allotted = |host: &str, value: &str| serde_json::json!({"addresses": [{"host": host, "value": value}]});
        let spec = |host: &str| serde_json::json!({"hosts": [host], "resolution": "DNS"});
        names.apply(entry("shop", "a", spec("API.test"), allotted("api.test", "240.240.0.1")));
        names.apply(entry("shop", "w", spec("*.test"), allotted("*.test", "240.240.0.2")));
        let own = serde_json::json!({"hosts": ["own.example"], "addresses": ["192.0.2.1", "192.0.2.0/24"], "exportTo": ["."]});
        names.apply(entry("other", "o", own.clone(), serde_json::Value::Null));
        names.apply(entry("shop", "o", own, serde_json::Value::Null));
        names.apply(entry("shop", "none", spec("none.example"), serde_json::Value::Null));
        for (last, namespace, enrolled) in [(7, "shop", true), (8, "guest", true), (9, "shop", false)] {
            let key = ObjectKey { namespace: namespace.into(), name: format!("client-{last}") };
            let annotation = enrolled.then(|| (labels::REDIRECTION.to_owned(), "enabled".to_owned()));
            let (addresses, annotations) = (vec![[10, 244, 2, last].into()], annotation.into_iter().collect());
            names.apply(Change::Apply(Object::Pod(Pod { key, addresses, annotations, ..Pod::default() })));
        }
        let is = |address: [u8; 4]| Answer::Addresses(vec![address.into()]);
        for (name, asker, want) in [
            ("api.test", 7, is([240, 240, 0, 1])),
            ("api.test", 8, is([240, 240, 0, 1])),
            ("api.test", 9, Answer::Foreign),
            ("api.test", 1, Answer::Foreign),
            ("other.test", 7, is([240, 240, 0, 2])),
            ("test", 7, Answer::Foreign),
            ("own.example", 7, is([192, 0, 2, 1])),
            ("own.example", 8, Answer::Foreign),
            ("none.example", 7, Answer::Foreign),
            ("web.shop.svc.cluster.local", 7, is([10, 96, 0, 9])),
            ("none.shop.svc.cluster.local", 7, Answer::Unknown),
        ] {
            assert_eq!(names.answer(name, [10, 244, 2, asker].into()), want, "{name} {asker}");
        }
        names.apply(Change::Delete(Kind::ServiceEntry, key("a")));
        assert_eq!(names.answer("api.test", [10, 244, 2, 7].into()), is([240, 240, 0, 2]));
        names.apply(Change::Delete(Kind::Pod, key("client-7")));
        assert_eq!(names.answer("api.test", [10, 244, 2, 7].into()), Answer::Foreign);
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
