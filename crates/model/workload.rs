//! Workloads: the things that send and receive in the mesh. Serialised with the keys of ztunnel's `config_dump`.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::identity::{DEFAULT_TRUST_DOMAIN, Identity, InvalidIdentity};

/// A shared, immutable name.
pub type Name = Arc<str>;

/// An address on a network; the empty network is the default one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NetworkAddress {
    /// The network's name, empty for the only one.
    pub network: Name,
    /// The address in it.
    pub address: IpAddr,
}

impl std::fmt::Display for NetworkAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.network, self.address)
    }
}

impl Serialize for NetworkAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The key of a service: `namespace/hostname`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey {
    /// The namespace.
    pub namespace: Name,
    /// The fully qualified host name.
    pub hostname: Name,
}

impl ServiceKey {
    /// Parses `namespace/hostname`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, hostname) = text.split_once('/')?;
        (!namespace.is_empty() && !hostname.is_empty())
            .then(|| Self { namespace: namespace.into(), hostname: hostname.into() })
    }
}

impl std::fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.hostname)
    }
}

impl<'de> Deserialize<'de> for ServiceKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("want namespace/hostname"))
    }
}

impl Serialize for ServiceKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where a waypoint or a network gateway is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Destination {
    /// A fixed address.
    Address(NetworkAddress),
    /// A service of the mesh.
    Hostname(ServiceKey),
}

/// A waypoint or network gateway, reached by HBONE.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayAddress {
    /// Where it is.
    pub destination: Destination,
    /// Its HBONE port, usually 15008.
    pub hbone_mtls_port: u16,
}

/// How a workload receives traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Protocol {
    /// In the clear: the workload is not in the mesh.
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    /// Through HBONE.
    #[serde(rename = "HBONE")]
    Hbone,
}

/// Whether a workload takes traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Health {
    /// It does.
    #[default]
    Healthy,
    /// It does not, or not yet.
    Unhealthy,
}

/// Whether a workload has addresses of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum NetworkMode {
    /// It has.
    #[default]
    Standard,
    /// It shares its node's.
    HostNetwork,
}

/// What kind of object a workload belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkloadType {
    /// A Deployment.
    #[default]
    Deployment,
    /// A CronJob.
    CronJob,
    /// A bare pod.
    Pod,
    /// A Job.
    Job,
}

impl WorkloadType {
    /// Returns the word that the `baggage` header uses (`k8s.<word>.name`).
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::CronJob => "cronjob",
            Self::Pod => "pod",
            Self::Job => "job",
        }
    }
}

/// A region, a zone in it and a part of that zone; empty where unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Locality {
    /// The region.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub region: Name,
    /// The zone.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub zone: Name,
    /// The part of the zone.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub subzone: Name,
}

impl Locality {
    fn is_empty(&self) -> bool {
        self.region.is_empty() && self.zone.is_empty() && self.subzone.is_empty()
    }
}

/// Service port to target port; a target of 0 stands for a port that this workload does not name.
pub type Ports = BTreeMap<u16, u16>;

/// One workload of the mesh: a pod, or another endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// The unique name, `<cluster>//Pod/<namespace>/<name>` for a pod.
    pub uid: Name,
    /// The pod's name.
    pub name: Name,
    /// The namespace.
    pub namespace: Name,
    /// The addresses; a host-network workload shares its node's.
    #[serde(rename = "workloadIps")]
    pub addresses: Vec<IpAddr>,
    /// The network of the addresses.
    pub network: Name,
    /// How it receives traffic.
    pub protocol: Protocol,
    /// The trust domain, empty for the default.
    #[serde(serialize_with = "trust_domain_or_default")]
    pub trust_domain: Name,
    /// The service account.
    pub service_account: Name,
    /// Its own waypoint, for traffic by workload address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waypoint: Option<GatewayAddress>,
    /// The gateway of its network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_gateway: Option<GatewayAddress>,
    /// The node it runs on.
    pub node: Name,
    /// The canonical service name, for telemetry.
    pub canonical_name: Name,
    /// The canonical revision, for telemetry.
    pub canonical_revision: Name,
    /// The kind of its owner.
    pub workload_type: WorkloadType,
    /// The name of its owner.
    pub workload_name: Name,
    /// Speaks HBONE itself, without a node proxy.
    pub native_tunnel: bool,
    /// The policies that select this workload, `namespace/name`.
    pub authorization_policies: Vec<Name>,
    /// Whether it takes traffic.
    pub status: Health,
    /// The cluster it runs in.
    pub cluster_id: Name,
    /// A host name to resolve, where no address is known.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub hostname: Name,
    /// The services that it is an endpoint of, with its ports.
    #[serde(skip)]
    pub services: BTreeMap<ServiceKey, Ports>,
    /// Where it runs.
    #[serde(skip_serializing_if = "Locality::is_empty")]
    pub locality: Locality,
    /// Whether its addresses are its own.
    pub network_mode: NetworkMode,
    /// Its share in weighted balancing; 0 takes no traffic.
    pub capacity: u32,
}

fn trust_domain_or_default<S: Serializer>(value: &Name, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if value.is_empty() { DEFAULT_TRUST_DOMAIN } else { value })
}

impl Workload {
    /// Tells whether it is a pod, by its unique name: what is written by hand is none.
    #[must_use]
    pub fn is_pod(&self) -> bool {
        self.uid.contains("//Pod/")
    }

    /// Returns the identity it acts under.
    ///
    /// # Errors
    /// When its namespace or service account is no valid SPIFFE path segment.
    pub fn identity(&self) -> Result<Identity, InvalidIdentity> {
        Identity::new(&self.trust_domain, &self.namespace, &self.service_account)
    }
}
