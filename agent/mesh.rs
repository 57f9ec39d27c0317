//! The mesh, computed from the objects of the source: keyed and incremental, one change touches what depends on it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use model::{
    Policy, Service, Workload,
    service::{IpFamilies, LoadBalancer, LoadBalancerMode, Scope, TargetPort},
    workload::{Health, Locality, NetworkAddress, NetworkMode, Ports, Protocol, ServiceKey, WorkloadType},
};
use prost::Message;
use source::{
    Change, Kind, Object, labels,
    object::{self, Custom, Map, ObjectKey, Pod, Target},
};
use xds::{
    ADDRESS_TYPE, AUTHORIZATION_TYPE,
    convert::{policy_to_wire, service_to_wire, workload_to_wire},
    proto::workload::{Address, address::Type},
    server,
};

use crate::policy::{self, Converted, Mode};

/// What is the same for the whole mesh.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace of mesh-wide policies.
    pub root: String,
    /// The cluster's name.
    pub cluster: String,
    /// The trust domain.
    pub trust_domain: String,
    /// The domain of service names.
    pub domain: String,
    /// The network of this cluster; empty is the one network.
    pub network: String,
}

#[derive(Default)]
struct InNamespace {
    labels: Map,
    annotations: Map,
    pods: BTreeMap<String, Pod>,
    services: BTreeMap<String, object::Service>,
    slices: BTreeMap<String, object::EndpointSlice>,
    peers: BTreeMap<String, Custom>,
    policies: BTreeMap<String, Converted>,
}

/// The mesh and all it was computed from.
pub struct Mesh {
    settings: Settings,
    namespaces: HashMap<String, InNamespace>,
    nodes: HashMap<String, Map>,
    // What was published, so that a computation that yields nothing any more takes its resources back.
    endpoints: HashMap<ObjectKey, HashSet<String>>,
    converted: HashSet<String>,
}

/// A new status of an authorization policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Which policy.
    pub key: ObjectKey,
    /// The generation that was read.
    pub generation: i64,
    /// Whose policy it is: a waypoint's, or ztunnel's.
    pub targeted: bool,
    /// What is not enforced as written.
    pub unsupported: Vec<String>,
}

impl Mesh {
    /// Makes a mesh without objects.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            namespaces: HashMap::new(),
            nodes: HashMap::new(),
            endpoints: HashMap::new(),
            converted: HashSet::new(),
        }
    }

    /// Takes a change in and returns what changes for the proxies, and for the status of a policy.
    pub fn apply(&mut self, change: Change) -> (Vec<server::Change>, Option<Status>) {
        let mut out = Vec::new();
        let mut status = None;
        let (kind, key, object) = match change {
            Change::Synced(_) => return (vec![publish_policy(&policy::strict(&self.settings.root))], None),
            Change::Apply(object) => (object.kind(), object.key(), Some(object)),
            Change::Delete(kind, key) => (kind, key, None),
        };
        match kind {
            Kind::Node => self.node(key, object, &mut out),
            Kind::Namespace => self.namespace(key, object, &mut out),
            Kind::Pod => self.pod(key, object, &mut out),
            Kind::Service => self.service(key, object, &mut out),
            Kind::EndpointSlice => self.slice(key, object, &mut out),
            Kind::PeerAuthentication => self.peer_authentication(key, object, &mut out),
            Kind::AuthorizationPolicy => status = self.authorization(key, object, &mut out),
        }
        (out, status)
    }

    fn node(&mut self, key: ObjectKey, object: Option<Object>, out: &mut Vec<server::Change>) {
        let new = match object {
            Some(Object::Node(node)) => node.labels,
            _ => Map::new(),
        };
        let old = self.nodes.insert(key.name.clone(), new.clone()).unwrap_or_default();
        let same = [labels::REGION, labels::ZONE, labels::SUBZONE].iter().all(|l| old.get(*l) == new.get(*l));
        if !same {
            let pods = self.namespaces.values().flat_map(|n| n.pods.values()).filter(|p| p.node == key.name);
            out.extend(pods.map(|p| self.publish_pod(p)));
        }
    }

    fn namespace(&mut self, key: ObjectKey, object: Option<Object>, out: &mut Vec<server::Change>) {
        let space = self.namespaces.entry(key.name.clone()).or_default();
        let (labels, annotations) = match object {
            Some(Object::Namespace(n)) => (n.labels, n.annotations),
            _ => (Map::new(), Map::new()),
        };
        let distribution = labels::TRAFFIC_DISTRIBUTION;
        let changed = space.annotations.get(distribution) != annotations.get(distribution);
        (space.labels, space.annotations) = (labels, annotations);
        if changed {
            let space = &self.namespaces[&key.name];
            out.extend(space.services.values().map(|s| self.publish_service(s)));
        }
    }

    fn pod(&mut self, key: ObjectKey, object: Option<Object>, out: &mut Vec<server::Change>) {
        let space = self.namespaces.entry(key.namespace.clone()).or_default();
        match object {
            Some(Object::Pod(pod)) => {
                space.pods.insert(key.name.clone(), pod);
                let pod = &self.namespaces[&key.namespace].pods[&key.name];
                out.push(self.publish_pod(pod));
            }
            _ => {
                space.pods.remove(&key.name);
                out.push(remove(ADDRESS_TYPE, &self.pod_uid(&key)));
            }
        }
    }

    fn service(&mut self, key: ObjectKey, object: Option<Object>, out: &mut Vec<server::Change>) {
        let space = self.namespaces.entry(key.namespace.clone()).or_default();
        let new = match object {
            Some(Object::Service(service)) if !service.external_name => Some(service),
            _ => None,
        };
        let old = match &new {
            Some(service) => space.services.insert(key.name.clone(), service.clone()),
            None => space.services.remove(&key.name),
        };
        match &new {
            Some(service) => out.push(self.publish_service(service)),
            None => out.push(remove(ADDRESS_TYPE, &self.service_key(&key).to_string())),
        }
        // What does not change which pods are endpoints, and by which ports, does not touch them.
        let concerns = |s: &object::Service| (s.selector.clone(), s.ports.clone());
        if old.as_ref().map(concerns) != new.as_ref().map(concerns) {
            let space = &self.namespaces[&key.namespace];
            let by_slice: HashSet<&str> =
                space.slices.values().filter(|s| s.service == key.name).flat_map(pods_of).collect();
            let hit = |p: &&Pod| {
                [&old, &new].into_iter().flatten().any(|s| selects(&s.selector, p)) || by_slice.contains(&*p.key.name)
            };
            out.extend(space.pods.values().filter(hit).map(|p| self.publish_pod(p)));
            let slices: Vec<ObjectKey> =
                space.slices.values().filter(|s| s.service == key.name).map(|s| s.key.clone()).collect();
            for slice in slices {
                self.publish_slice(&slice, out);
            }
        }
    }

    fn slice(&mut self, key: ObjectKey, object: Option<Object>, out: &mut Vec<server::Change>) {
        let space = self.namespaces.entry(key.namespace.clone()).or_default();
        let old = match object {
            Some(Object::EndpointSlice(slice)) => space.slices.insert(key.name.clone(), slice),
            _ => space.slices.remove(&key.name),
        };
        let space = &self.namespaces[&key.namespace];
        let new = space.slices.get(&key.name);
        // Slices of a service with a selector say what the selector says already.
        let own = |s: &&object::EndpointSlice| space.services.get(&s.service).is_none_or(|s| s.selector.is_empty());
        let named: HashSet<&str> = [old.as_ref(), new].into_iter().flatten().filter(own).flat_map(pods_of).collect();
        out.extend(named.iter().filter_map(|name| space.pods.get(*name)).map(|p| self.publish_pod(p)));
        self.publish_slice(&key, out);
    }

    fn authorization(
        &mut self,
        key: ObjectKey,
        object: Option<Object>,
        out: &mut Vec<server::Change>,
    ) -> Option<Status> {
        let name = format!("{}/{}", key.namespace, key.name);
        let new = match object {
            Some(Object::AuthorizationPolicy(custom)) => {
                Some((policy::authorization(&custom, &self.settings.root), custom.generation))
            }
            _ => None,
        };
        match new.as_ref().and_then(|(c, _)| c.policy.as_ref()) {
            Some(policy) => out.push(publish_policy(policy)),
            None => out.push(remove(AUTHORIZATION_TYPE, &name)),
        }
        let space = self.namespaces.entry(key.namespace.clone()).or_default();
        let old = match &new {
            Some((converted, _)) => space.policies.insert(key.name.clone(), converted.clone()),
            None => space.policies.remove(&key.name),
        };
        let selectors: Vec<_> = [old.as_ref(), new.as_ref().map(|(c, _)| c)].into_iter().flatten().collect();
        let bound = |c: &&&Converted| c.policy.is_some() && !c.selector.is_empty();
        let selectors: Vec<_> = selectors.iter().filter(bound).map(|c| c.selector.clone()).collect();
        if !selectors.is_empty() {
            let pods: Vec<&Pod> = self.pods_under(&key.namespace).collect();
            let hit = |p: &&&Pod| selectors.iter().any(|s| matches(s, &p.labels));
            out.extend(pods.iter().filter(hit).map(|p| self.publish_pod(p)));
        }
        let (converted, generation) = new?;
        Some(Status { key, generation, targeted: converted.targeted, unsupported: converted.unsupported })
    }

    fn peer_authentication(&mut self, key: ObjectKey, object: Option<Object>, out: &mut Vec<server::Change>) {
        let space = self.namespaces.entry(key.namespace.clone()).or_default();
        match object {
            Some(Object::PeerAuthentication(custom)) => space.peers.insert(key.name.clone(), custom),
            _ => space.peers.remove(&key.name),
        };
        // The mode of the mesh or a namespace is the base of the ones below it.
        let root = key.namespace == self.settings.root;
        let spaces: Vec<String> =
            if root { self.namespaces.keys().cloned().collect() } else { vec![key.namespace.clone()] };
        for name in &spaces {
            let base = self.base_mode(name);
            let space = &self.namespaces[name];
            let converted: HashMap<String, Option<Policy>> = space
                .peers
                .values()
                .filter(|p| !policy::selector(&p.spec).is_empty())
                .map(|p| {
                    let own = policy::mode(p.spec.get("mtls")).unwrap_or(base);
                    (format!("{name}/{}", policy::converted_name(&p.key.name)), policy::peer_authentication(p, own))
                })
                .collect();
            for (converted_key, found) in &converted {
                if let Some(policy) = found {
                    self.converted.insert(converted_key.clone());
                    out.push(publish_policy(policy));
                }
            }
            let gone: Vec<String> = self
                .converted
                .iter()
                .filter(|k| k.starts_with(&format!("{name}/")) && converted.get(*k).is_none_or(Option::is_none))
                .cloned()
                .collect();
            for converted_key in gone {
                self.converted.remove(&converted_key);
                out.push(remove(AUTHORIZATION_TYPE, &converted_key));
            }
        }
        out.push(publish_policy(&policy::strict(&self.settings.root)));
        for name in &spaces {
            out.extend(self.namespaces[name].pods.values().map(|p| self.publish_pod(p)));
        }
    }

    fn pods_under(&self, namespace: &str) -> impl Iterator<Item = &Pod> {
        let root = namespace == self.settings.root;
        self.namespaces.iter().filter(move |(n, _)| root || *n == namespace).flat_map(|(_, s)| s.pods.values())
    }

    /// Returns the mode of a namespace: its own oldest setting, else the mesh's, else permissive.
    fn base_mode(&self, namespace: &str) -> Mode {
        let of = |name: &str| {
            let peers = self.namespaces.get(name)?.peers.values().filter(|p| policy::selector(&p.spec).is_empty());
            policy::mode(
                peers.min_by(|a, b| (&a.created, &a.key.name).cmp(&(&b.created, &b.key.name)))?.spec.get("mtls"),
            )
        };
        of(namespace).or_else(|| of(&self.settings.root)).unwrap_or(Mode::Permissive)
    }

    fn policies_of(&self, pod: &Pod) -> Vec<Arc<str>> {
        let root = &self.settings.root;
        let spaces = [Some(&pod.key.namespace), (pod.key.namespace != *root).then_some(root)];
        let mut keys: Vec<Arc<str>> = Vec::new();
        for name in spaces.into_iter().flatten() {
            let Some(space) = self.namespaces.get(name) else { continue };
            let bound =
                |c: &Converted| c.policy.is_some() && !c.selector.is_empty() && matches(&c.selector, &pod.labels);
            keys.extend(space.policies.iter().filter(|(_, c)| bound(c)).map(|(n, _)| format!("{name}/{n}").into()));
        }
        keys.sort();
        let peers = self.namespaces.get(&pod.key.namespace).into_iter().flat_map(|s| s.peers.values());
        let own = peers
            .filter(|p| {
                let selector = policy::selector(&p.spec);
                !selector.is_empty() && matches(&selector, &pod.labels)
            })
            .min_by(|a, b| (&a.created, &a.key.name).cmp(&(&b.created, &b.key.name)));
        let base = self.base_mode(&pod.key.namespace);
        let mode = own.and_then(|p| policy::mode(p.spec.get("mtls"))).unwrap_or(base);
        match own.filter(|p| policy::peer_authentication(p, mode).is_some()) {
            Some(own) => keys.push(format!("{}/{}", pod.key.namespace, policy::converted_name(&own.key.name)).into()),
            None if mode == Mode::Strict => keys.push(format!("{root}/{}", policy::STRICT).into()),
            None => {}
        }
        keys
    }

    fn network(&self) -> Arc<str> {
        (*self.settings.network).into()
    }

    fn pod_uid(&self, key: &ObjectKey) -> String {
        format!("{}//Pod/{}/{}", self.settings.cluster, key.namespace, key.name)
    }

    fn service_key(&self, key: &ObjectKey) -> ServiceKey {
        let hostname = format!("{}.{}.svc.{}", key.name, key.namespace, self.settings.domain);
        ServiceKey { namespace: (*key.namespace).into(), hostname: hostname.into() }
    }

    fn publish_pod(&self, pod: &Pod) -> server::Change {
        match self.workload(pod) {
            Some(workload) => publish_workload(&workload),
            None => remove(ADDRESS_TYPE, &self.pod_uid(&pod.key)),
        }
    }

    fn publish_service(&self, service: &object::Service) -> server::Change {
        let space = self.namespaces.get(&service.key.namespace);
        let distribution = service
            .traffic_distribution
            .as_ref()
            .or_else(|| service.annotations.get(labels::TRAFFIC_DISTRIBUTION))
            .or_else(|| space.and_then(|s| s.annotations.get(labels::TRAFFIC_DISTRIBUTION)));
        let near = [Scope::Network, Scope::Region, Scope::Zone];
        let (mode, scopes) = match distribution.map(String::as_str) {
            _ if service.local_only => (LoadBalancerMode::Strict, vec![Scope::Node]),
            Some("PreferClose" | "PreferSameZone") => (LoadBalancerMode::Failover, near.to_vec()),
            Some("PreferSameNode") => {
                (LoadBalancerMode::Failover, [&near[..], &[Scope::Subzone, Scope::Node]].concat())
            }
            _ => (LoadBalancerMode::Standard, vec![]),
        };
        let port = |p: &object::ServicePort| {
            let target_port = match &p.target {
                Target::Number(number) => *number,
                Target::Name(_) => 0,
            };
            (p.port, TargetPort { target_port, app_protocol: app_protocol(p) })
        };
        let has = |family: &str| service.families.iter().any(|f| f == family);
        let key = self.service_key(&service.key);
        let resource = Service {
            name: (*service.key.name).into(),
            vips: service.addresses.iter().map(|a| NetworkAddress { network: self.network(), address: *a }).collect(),
            cidr_vips: vec![],
            ports: service.ports.iter().map(port).collect(),
            subject_alt_names: vec![],
            waypoint: None,
            load_balancer: LoadBalancer {
                mode,
                routing_preferences: scopes,
                allow_unhealthy: service.publish_not_ready,
            },
            ip_families: match (has("IPv4"), has("IPv6")) {
                (true, true) => IpFamilies::Dual,
                (true, false) => IpFamilies::Ipv4Only,
                (false, true) => IpFamilies::Ipv6Only,
                (false, false) => IpFamilies::Automatic,
            },
            canonical: true,
            ingress_use_waypoint: false,
            key: key.clone(),
        };
        let bytes = Address { r#type: Some(Type::Service(service_to_wire(&resource))) }.encode_to_vec();
        let aliases = service.addresses.iter().map(|a| format!("{}/{a}", self.settings.network)).collect();
        server::Change {
            type_url: ADDRESS_TYPE,
            name: key.to_string().into(),
            value: Some(Bytes::from(bytes)),
            aliases,
        }
    }

    fn workload(&self, pod: &Pod) -> Option<Workload> {
        if pod.ended || pod.addresses.is_empty() {
            return None;
        }
        let space = self.namespaces.get(&pod.key.namespace)?;
        let native = pod.labels.get(labels::TUNNEL).is_some_and(|v| v == "http");
        let captured = pod.annotations.get(labels::REDIRECTION).is_some_and(|v| v == "enabled");
        let mut services: BTreeMap<ServiceKey, Ports> = BTreeMap::new();
        for service in space.services.values() {
            let named = || {
                space.slices.values().any(|s| s.service == service.key.name && pods_of(s).any(|n| n == pod.key.name))
            };
            if selects(&service.selector, pod) || (service.selector.is_empty() && named()) {
                services.insert(self.service_key(&service.key), ports(service, pod));
            }
        }
        let (workload_name, _) = owner(pod);
        let label = |names: &[&str]| names.iter().find_map(|n| pod.labels.get(*n)).map(String::as_str);
        let canonical =
            label(&["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]).unwrap_or(&workload_name);
        let revision =
            label(&["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"]).unwrap_or("latest");
        let domain = &self.settings.trust_domain;
        Some(Workload {
            uid: self.pod_uid(&pod.key).into(),
            name: (*pod.key.name).into(),
            namespace: (*pod.key.namespace).into(),
            addresses: pod.addresses.clone(),
            network: self.network(),
            protocol: if native || captured { Protocol::Hbone } else { Protocol::Tcp },
            trust_domain: if domain == model::identity::DEFAULT_TRUST_DOMAIN { "".into() } else { (**domain).into() },
            service_account: (*pod.service_account).into(),
            node: (*pod.node).into(),
            canonical_name: canonical.into(),
            canonical_revision: revision.into(),
            workload_type: WorkloadType::Pod,
            workload_name: workload_name.into(),
            native_tunnel: native,
            authorization_policies: self.policies_of(pod),
            status: if pod.ready && !pod.deleting { Health::Healthy } else { Health::Unhealthy },
            cluster_id: (*self.settings.cluster).into(),
            services,
            locality: self.locality(&pod.node),
            network_mode: if pod.host_network { NetworkMode::HostNetwork } else { NetworkMode::Standard },
            capacity: 1,
            ..Workload::default()
        })
    }

    fn locality(&self, node: &str) -> Locality {
        let Some(labels) = self.nodes.get(node) else { return Locality::default() };
        let of = |label: &str| labels.get(label).map(|v| (**v).into()).unwrap_or_default();
        Locality { region: of(labels::REGION), zone: of(labels::ZONE), subzone: of(labels::SUBZONE) }
    }

    /// Publishes the endpoints of a slice that are no pods, for a service without selector.
    fn publish_slice(&mut self, key: &ObjectKey, out: &mut Vec<server::Change>) {
        let mut now = HashSet::new();
        let space = self.namespaces.get(&key.namespace);
        let slice = space.and_then(|s| s.slices.get(&key.name));
        let service = slice.and_then(|slice| space?.services.get(&slice.service)).filter(|s| s.selector.is_empty());
        if let (Some(slice), Some(service)) = (slice, service) {
            for endpoint in slice.endpoints.iter().filter(|e| e.pod.is_none()) {
                let Some(address) = endpoint.address else { continue };
                let uid = format!(
                    "{}/discovery.k8s.io/EndpointSlice/{}/{}/{address}",
                    self.settings.cluster, key.namespace, key.name
                );
                let target =
                    |p: &object::ServicePort| slice.ports.iter().find(|(n, _)| *n == p.name).map(|(_, t)| (p.port, *t));
                let workload = Workload {
                    uid: (*uid).into(),
                    name: (*slice.service).into(),
                    namespace: (*key.namespace).into(),
                    addresses: vec![address],
                    network: self.network(),
                    service_account: "default".into(),
                    status: if endpoint.ready { Health::Healthy } else { Health::Unhealthy },
                    cluster_id: (*self.settings.cluster).into(),
                    services: BTreeMap::from([(
                        self.service_key(&service.key),
                        service.ports.iter().filter_map(target).collect(),
                    )]),
                    // The address may be a node's or another service's: it names no workload.
                    network_mode: NetworkMode::HostNetwork,
                    capacity: 1,
                    ..Workload::default()
                };
                out.push(publish_workload(&workload));
                now.insert(uid);
            }
        }
        let before =
            if now.is_empty() { self.endpoints.remove(key) } else { self.endpoints.insert(key.clone(), now.clone()) };
        out.extend(before.unwrap_or_default().difference(&now).map(|uid| remove(ADDRESS_TYPE, uid)));
    }
}

fn publish_policy(policy: &Policy) -> server::Change {
    let bytes = policy_to_wire(policy).encode_to_vec();
    server::Change {
        type_url: AUTHORIZATION_TYPE,
        name: policy.key(),
        value: Some(Bytes::from(bytes)),
        aliases: vec![],
    }
}

fn publish_workload(workload: &Workload) -> server::Change {
    let bytes = Address { r#type: Some(Type::Workload(workload_to_wire(workload))) }.encode_to_vec();
    let own = workload.network_mode == NetworkMode::Standard;
    let aliases = workload.addresses.iter().filter(|_| own).map(|a| format!("{}/{a}", workload.network)).collect();
    server::Change { type_url: ADDRESS_TYPE, name: workload.uid.clone(), value: Some(Bytes::from(bytes)), aliases }
}

fn remove(type_url: &'static str, name: &str) -> server::Change {
    server::Change { type_url, name: name.into(), value: None, aliases: vec![] }
}

fn pods_of(slice: &object::EndpointSlice) -> impl Iterator<Item = &str> {
    slice.endpoints.iter().filter_map(|e| e.pod.as_deref())
}

fn selects(selector: &Map, pod: &Pod) -> bool {
    !selector.is_empty() && selector.iter().all(|(k, v)| pod.labels.get(k) == Some(v))
}

fn matches(selector: &[(String, String)], labels: &Map) -> bool {
    selector.iter().all(|(k, v)| labels.get(k) == Some(v))
}

/// Resolves the ports of a service on a pod; a name that the pod does not have is left out.
fn ports(service: &object::Service, pod: &Pod) -> Ports {
    let resolve = |target: &Target| match target {
        Target::Number(number) => Some(*number),
        Target::Name(name) => pod.ports.get(name).copied(),
    };
    service.ports.iter().filter_map(|p| Some((p.port, resolve(&p.target)?))).collect()
}

fn app_protocol(port: &object::ServicePort) -> i32 {
    let word = port.app_protocol.as_deref().unwrap_or_else(|| port.name.split('-').next().unwrap_or_default());
    match word.to_ascii_lowercase().as_str() {
        "http" => 1,
        "http2" | "kubernetes.io/h2c" => 2,
        "grpc" | "grpc-web" => 3,
        "tcp" => 4,
        "tls" => 5,
        _ => 0,
    }
}

/// Returns the name and kind of what a pod belongs to: the Deployment behind a ReplicaSet, the CronJob behind a Job.
fn owner(pod: &Pod) -> (String, String) {
    match &pod.owner {
        Some((kind, name)) if kind == "ReplicaSet" => {
            let hash = pod.labels.get("pod-template-hash");
            let deployment = hash.and_then(|h| name.strip_suffix(h.as_str())).and_then(|n| n.strip_suffix('-'));
            (deployment.unwrap_or(name).to_owned(), kind.clone())
        }
        Some((kind, name)) => (name.clone(), kind.clone()),
        None => (pod.key.name.clone(), "Pod".to_owned()),
    }
}
