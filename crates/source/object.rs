//! The objects of the source, with only the fields that the mesh reads.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Deserialize;
use serde_json::Value;

/// Labels or annotations.
pub type Map = BTreeMap<String, String>;

/// Names an object of a kind; the namespace is empty for one of the whole cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// The kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are those of the API
pub enum Kind {
    Namespace,
    Node,
    Pod,
    Service,
    EndpointSlice,
    PeerAuthentication,
    AuthorizationPolicy,
}

/// One object.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the names are those of the API
pub enum Object {
    Namespace(Namespace),
    Node(Node),
    Pod(Pod),
    Service(Service),
    EndpointSlice(EndpointSlice),
    PeerAuthentication(Custom),
    AuthorizationPolicy(Custom),
}

/// A namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// The name.
    pub name: String,
    /// The labels.
    pub labels: Map,
    /// The annotations.
    pub annotations: Map,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// The name.
    pub name: String,
    /// The labels.
    pub labels: Map,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Namespace and name.
    pub key: ObjectKey,
    /// The unique name.
    pub uid: String,
    /// The labels.
    pub labels: Map,
    /// The annotations of the mesh.
    pub annotations: Map,
    /// The node, empty until it is scheduled.
    pub node: String,
    /// The service account.
    pub service_account: String,
    /// Whether it shares its node's network.
    pub host_network: bool,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether it is ready for traffic.
    pub ready: bool,
    /// Whether it has ended.
    pub ended: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Kind and name of what controls it.
    pub owner: Option<(String, String)>,
    /// Its named TCP ports.
    pub ports: BTreeMap<String, u16>,
}

/// One port of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePort {
    /// The name.
    pub name: String,
    /// The number.
    pub port: u16,
    /// The number on the pods, or the name of their port.
    pub target: Target,
    /// The application protocol, if told.
    pub app_protocol: Option<String>,
}

/// A port on a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// By number.
    Number(u16),
    /// By name.
    Name(String),
}

impl Default for Target {
    fn default() -> Self {
        Self::Number(0)
    }
}

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Namespace and name.
    pub key: ObjectKey,
    /// The labels.
    pub labels: Map,
    /// The annotations.
    pub annotations: Map,
    /// Which pods stand behind it; empty for one with endpoints of its own.
    pub selector: Map,
    /// Its virtual addresses.
    pub addresses: Vec<IpAddr>,
    /// Its TCP ports.
    pub ports: Vec<ServicePort>,
    /// `spec.trafficDistribution`.
    pub traffic_distribution: Option<String>,
    /// Whether only endpoints of the client's node count.
    pub local_only: bool,
    /// Whether pods that are not ready count.
    pub publish_not_ready: bool,
    /// Whether it is only an alias of another name.
    pub external_name: bool,
    /// Its address families, `IPv4` or `IPv6`.
    pub families: Vec<String>,
}

/// A slice of endpoints that was written by hand or by another controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointSlice {
    /// Namespace and name.
    pub key: ObjectKey,
    /// The service.
    pub service: String,
    /// Port names and numbers.
    pub ports: Vec<(String, u16)>,
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint of a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub address: Option<IpAddr>,
    /// The pod, if it is one.
    pub pod: Option<String>,
    /// Whether it takes traffic.
    pub ready: bool,
}

/// An object of a custom kind, with its specification as it was written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Custom {
    /// Namespace and name.
    #[serde(skip)]
    pub key: ObjectKey,
    /// The labels.
    #[serde(skip)]
    pub labels: Map,
    /// The annotations.
    #[serde(skip)]
    pub annotations: Map,
    /// When it was made, as RFC 3339: text of one form, so its order is that of time.
    #[serde(skip)]
    pub created: String,
    /// The generation of the specification.
    #[serde(skip)]
    pub generation: i64,
    /// The specification.
    #[serde(default)]
    pub spec: Value,
}

impl Object {
    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Namespace(_) => Kind::Namespace,
            Self::Node(_) => Kind::Node,
            Self::Pod(_) => Kind::Pod,
            Self::Service(_) => Kind::Service,
            Self::EndpointSlice(_) => Kind::EndpointSlice,
            Self::PeerAuthentication(_) => Kind::PeerAuthentication,
            Self::AuthorizationPolicy(_) => Kind::AuthorizationPolicy,
        }
    }

    /// Returns the name.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        let cluster = |name: &String| ObjectKey { namespace: String::new(), name: name.clone() };
        match self {
            Self::Namespace(n) => cluster(&n.name),
            Self::Node(n) => cluster(&n.name),
            Self::Pod(p) => p.key.clone(),
            Self::Service(s) => s.key.clone(),
            Self::EndpointSlice(s) => s.key.clone(),
            Self::PeerAuthentication(c) | Self::AuthorizationPolicy(c) => c.key.clone(),
        }
    }
}
