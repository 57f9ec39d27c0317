//! The kinds that a folder knows: one line each, so that a further kind is one more line.

use std::fmt;

use k8s_openapi::api::{
    apps::v1 as apps, autoscaling::v2 as autoscaling, core::v1 as core, discovery::v1 as discovery,
    policy::v1 as policy,
};
use serde_json::Value;

use crate::{
    api::{
        authorization::AuthorizationPolicy,
        backend_policy::{BackendTlsPolicy, XBackend, XBackendTrafficPolicy},
        destination_rule::DestinationRule,
        gateway::{Gateway, GatewayClass},
        grpc_route::GrpcRoute,
        http_route::HttpRoute,
        peer_authentication::PeerAuthentication,
        rate_limit::{self, RateLimit},
        reference::ReferenceGrant,
        request_authentication::RequestAuthentication,
        service_entry::{ServiceEntry, WorkloadEntry},
        stream_route::{TcpRoute, TlsRoute},
        telemetry::Telemetry,
        virtual_service::VirtualService,
    },
    folder::decode::{self, Findings},
};

/// One kind of objects.
pub struct Kind {
    /// The group; empty for the first of Kubernetes.
    pub group: &'static str,
    /// The versions that are served, all of one form; the first is the one that is kept.
    pub versions: &'static [&'static str],
    /// The name, as in `kind`.
    pub name: &'static str,
    /// The name in paths.
    pub plural: &'static str,
    /// Whether its objects are in a namespace.
    pub namespaced: bool,
    /// Whether its status is written on its own.
    pub has_status: bool,
    /// Whether its names are those of DNS with dots, or one label of it.
    pub dotted: bool,
    /// Whether an operator may write it into a manifest.
    pub written: bool,
    /// Reads an object as its type, and tells all that is wrong.
    pub decode: fn(&Value) -> Findings,
}

/// What sets a kind apart from others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trait {
    /// In no namespace.
    Cluster,
    /// With a status of its own.
    Status,
    /// With names of one label.
    Label,
    /// Written by operators.
    Written,
}
use Trait::{Cluster, Label, Status, Written};

const fn kind(
    group: &'static str,
    name: &'static str,
    plural: &'static str,
    traits: &[Trait],
    decode: fn(&Value) -> Findings,
) -> Kind {
    let mut kind = Kind {
        group,
        versions: &["v1"],
        name,
        plural,
        namespaced: true,
        has_status: false,
        dotted: true,
        written: false,
        decode,
    };
    let mut at = 0;
    while at < traits.len() {
        match traits[at] {
            Cluster => kind.namespaced = false,
            Status => kind.has_status = true,
            Label => kind.dotted = false,
            Written => kind.written = true,
        }
        at += 1;
    }
    kind
}

type Decode = fn(&Value) -> Findings;

/// A kind of Gateway API or Istio: in a namespace, with a status, written by operators.
const fn custom(
    group: &'static str,
    versions: &'static [&'static str],
    (name, plural): (&'static str, &'static str),
    decode: Decode,
) -> Kind {
    Kind { versions, ..kind(group, name, plural, &[Status, Written], decode) }
}

const fn gateway(versions: &'static [&'static str], names: (&'static str, &'static str), decode: Decode) -> Kind {
    custom("gateway.networking.k8s.io", versions, names, decode)
}

const fn experimental(names: (&'static str, &'static str), decode: Decode) -> Kind {
    custom("gateway.networking.x-k8s.io", &["v1alpha1"], names, decode)
}

const fn networking(names: (&'static str, &'static str), decode: Decode) -> Kind {
    custom("networking.istio.io", &["v1", "v1beta1", "v1alpha3"], names, decode)
}

const fn security(names: (&'static str, &'static str), decode: Decode) -> Kind {
    custom("security.istio.io", &["v1", "v1beta1"], names, decode)
}

/// All kinds.
pub static KINDS: [Kind; 32] = [
    kind("", "Namespace", "namespaces", &[Cluster, Status, Label, Written], decode::read::<core::Namespace>),
    kind("", "Node", "nodes", &[Cluster, Status], decode::read::<core::Node>),
    kind("", "ServiceAccount", "serviceaccounts", &[Written], decode::read::<core::ServiceAccount>),
    kind("", "ConfigMap", "configmaps", &[Written], decode::read::<core::ConfigMap>),
    kind("", "Secret", "secrets", &[Written], decode::read::<core::Secret>),
    kind("", "Service", "services", &[Status, Label, Written], decode::read::<core::Service>),
    kind("", "Pod", "pods", &[Status, Written], decode::read::<core::Pod>),
    kind("", "Event", "events", &[], decode::read::<core::Event>),
    kind("apps", "Deployment", "deployments", &[Status, Written], decode::read::<apps::Deployment>),
    kind("apps", "DaemonSet", "daemonsets", &[Status], decode::read::<apps::DaemonSet>),
    kind(
        "autoscaling",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        &[Status],
        decode::read::<autoscaling::HorizontalPodAutoscaler>,
    )
    .of_version(&["v2"]),
    kind(
        "policy",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        &[Status],
        decode::read::<policy::PodDisruptionBudget>,
    ),
    kind("discovery.k8s.io", "EndpointSlice", "endpointslices", &[], decode::read::<discovery::EndpointSlice>),
    Kind {
        namespaced: false,
        ..gateway(&["v1", "v1beta1"], ("GatewayClass", "gatewayclasses"), decode::read::<GatewayClass>)
    },
    gateway(&["v1", "v1beta1"], ("Gateway", "gateways"), decode::read::<Gateway>),
    gateway(&["v1", "v1beta1"], ("HTTPRoute", "httproutes"), decode::read::<HttpRoute>),
    gateway(&["v1"], ("GRPCRoute", "grpcroutes"), decode::read::<GrpcRoute>),
    gateway(&["v1", "v1alpha3", "v1alpha2"], ("TLSRoute", "tlsroutes"), decode::read::<TlsRoute>),
    gateway(&["v1", "v1alpha2"], ("TCPRoute", "tcproutes"), decode::read::<TcpRoute>),
    gateway(&["v1", "v1beta1"], ("ReferenceGrant", "referencegrants"), decode::read::<ReferenceGrant>),
    gateway(&["v1", "v1alpha3"], ("BackendTLSPolicy", "backendtlspolicies"), decode::read::<BackendTlsPolicy>),
    experimental(("XBackendTrafficPolicy", "xbackendtrafficpolicies"), decode::read::<XBackendTrafficPolicy>),
    experimental(("XBackend", "xbackends"), decode::read::<XBackend>),
    networking(("VirtualService", "virtualservices"), decode::read::<VirtualService>),
    networking(("DestinationRule", "destinationrules"), decode::read::<DestinationRule>),
    networking(("ServiceEntry", "serviceentries"), decode::read::<ServiceEntry>),
    networking(("WorkloadEntry", "workloadentries"), decode::read::<WorkloadEntry>),
    security(("PeerAuthentication", "peerauthentications"), decode::read::<PeerAuthentication>),
    security(("AuthorizationPolicy", "authorizationpolicies"), decode::read::<AuthorizationPolicy>),
    security(("RequestAuthentication", "requestauthentications"), decode::read::<RequestAuthentication>),
    custom("telemetry.istio.io", &["v1", "v1alpha1"], ("Telemetry", "telemetries"), decode::read::<Telemetry>),
    custom(rate_limit::GROUP, &["v1alpha1"], ("RateLimit", "ratelimits"), decode::read::<RateLimit>),
];

impl Kind {
    const fn of_version(self, versions: &'static [&'static str]) -> Self {
        Self { versions, ..self }
    }

    /// Finds the kind of a path.
    #[must_use]
    pub fn of_path(group: &str, version: &str, plural: &str) -> Option<&'static Self> {
        KINDS.iter().find(|k| k.group == group && k.plural == plural && k.versions.contains(&version))
    }

    /// Finds the kind of an object.
    #[must_use]
    pub fn of_object(api_version: &str, name: &str) -> Option<&'static Self> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        KINDS.iter().find(|k| k.group == group && k.name == name && k.versions.contains(&version))
    }

    /// Finds a kind by its name alone.
    #[must_use]
    pub fn named(name: &str) -> &'static Self {
        KINDS.iter().find(|k| k.name == name).expect("only names of the table are asked for")
    }

    /// Returns `v1` or `group/v1`.
    #[must_use]
    pub fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// Returns `plural` or `plural.group`, as messages and the folder name it.
    #[must_use]
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Says what is wrong with a name, if something is.
    ///
    /// A name that passes is safe as that of a file: it has neither a slash nor a leading dot.
    #[must_use]
    pub fn bad_name(&self, name: &str) -> Option<&'static str> {
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let label = |l: &str| l.starts_with(letter) && l.ends_with(letter) && l.chars().all(|c| letter(c) || c == '-');
        if self.dotted {
            // Ten letters less than RFC 1123 allows: with its suffix the name is that of a file.
            let good = name.len() <= 243 && name.split('.').all(label);
            (!good).then_some("want lower-case letters, digits, '-' and '.', at most 243")
        } else {
            (!is_label(name)).then_some("want lower-case letters, digits and '-', at most 63")
        }
    }
}

/// Whether a text is one label of DNS (RFC 1123), as names of namespaces are.
#[must_use]
pub fn is_label(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 63
        && name.starts_with(letter)
        && name.ends_with(letter)
        && name.chars().all(|c| letter(c) || c == '-')
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        (self.group, self.plural) == (other.group, other.plural)
    }
}
impl Eq for Kind {}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.group, self.plural).cmp(&(other.group, other.plural))
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Names one object of the folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The kind.
    pub kind: &'static Kind,
    /// The namespace; empty for one of the whole cluster.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// Makes one.
    #[must_use]
    pub fn new(kind: &'static Kind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// Returns that of a namespace.
    #[must_use]
    pub fn of_namespace(name: &str) -> Self {
        Self::new(Kind::named("Namespace"), "", name)
    }

    /// Returns the namespace that the object needs, if any.
    #[must_use]
    pub fn home(&self) -> Option<Self> {
        self.kind.namespaced.then(|| Self::of_namespace(&self.namespace))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind.namespaced {
            true => write!(f, "{} {}/{}", self.kind.name, self.namespace, self.name),
            false => write!(f, "{} {}", self.kind.name, self.name),
        }
    }
}
