//! The kinds of objects that the mesh is computed from, and where each is found in a Kubernetes API.

use crate::api::rate_limit;

/// A kind of objects.
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
    RequestAuthentication,
    Telemetry,
    VirtualService,
    DestinationRule,
    ServiceEntry,
    WorkloadEntry,
    GatewayClass,
    Gateway,
    HTTPRoute,
    GRPCRoute,
    TLSRoute,
    TCPRoute,
    ReferenceGrant,
    BackendTLSPolicy,
    XBackendTrafficPolicy,
    RateLimit,
}

/// Where the objects of a kind are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The group; empty for the first of Kubernetes.
    pub group: &'static str,
    /// The versions that are understood, the best first.
    pub versions: &'static [&'static str],
    /// The name in paths.
    pub plural: &'static str,
}

const GATEWAY: &str = "gateway.networking.k8s.io";
const EXPERIMENTAL: &str = "gateway.networking.x-k8s.io";
const NETWORKING: &str = "networking.istio.io";
const SECURITY: &str = "security.istio.io";
/// The versions of one form in which Istio's definitions come; older ones lack the first.
const ISTIO: &[&str] = &["v1", "v1beta1"];

impl Kind {
    /// All kinds, each of which is watched.
    pub const ALL: [Self; 23] = [
        Self::Namespace,
        Self::Node,
        Self::Pod,
        Self::Service,
        Self::EndpointSlice,
        Self::PeerAuthentication,
        Self::AuthorizationPolicy,
        Self::RequestAuthentication,
        Self::Telemetry,
        Self::VirtualService,
        Self::DestinationRule,
        Self::ServiceEntry,
        Self::WorkloadEntry,
        Self::GatewayClass,
        Self::Gateway,
        Self::HTTPRoute,
        Self::GRPCRoute,
        Self::TLSRoute,
        Self::TCPRoute,
        Self::ReferenceGrant,
        Self::BackendTLSPolicy,
        Self::XBackendTrafficPolicy,
        Self::RateLimit,
    ];

    /// Returns where the objects are found.
    #[must_use]
    pub fn place(self) -> Place {
        let at = |group, versions, plural| Place { group, versions, plural };
        match self {
            Self::Namespace => at("", &["v1"], "namespaces"),
            Self::Node => at("", &["v1"], "nodes"),
            Self::Pod => at("", &["v1"], "pods"),
            Self::Service => at("", &["v1"], "services"),
            Self::EndpointSlice => at("discovery.k8s.io", &["v1"], "endpointslices"),
            Self::PeerAuthentication => at(SECURITY, ISTIO, "peerauthentications"),
            Self::AuthorizationPolicy => at(SECURITY, ISTIO, "authorizationpolicies"),
            Self::RequestAuthentication => at(SECURITY, ISTIO, "requestauthentications"),
            Self::Telemetry => at("telemetry.istio.io", &["v1", "v1alpha1"], "telemetries"),
            Self::VirtualService => at(NETWORKING, ISTIO, "virtualservices"),
            Self::DestinationRule => at(NETWORKING, ISTIO, "destinationrules"),
            Self::ServiceEntry => at(NETWORKING, ISTIO, "serviceentries"),
            Self::WorkloadEntry => at(NETWORKING, ISTIO, "workloadentries"),
            Self::GatewayClass => at(GATEWAY, &["v1", "v1beta1"], "gatewayclasses"),
            Self::Gateway => at(GATEWAY, &["v1", "v1beta1"], "gateways"),
            Self::HTTPRoute => at(GATEWAY, &["v1", "v1beta1"], "httproutes"),
            Self::GRPCRoute => at(GATEWAY, &["v1"], "grpcroutes"),
            Self::TLSRoute => at(GATEWAY, &["v1", "v1alpha3", "v1alpha2"], "tlsroutes"),
            Self::TCPRoute => at(GATEWAY, &["v1", "v1alpha2"], "tcproutes"),
            Self::ReferenceGrant => at(GATEWAY, &["v1", "v1beta1"], "referencegrants"),
            Self::BackendTLSPolicy => at(GATEWAY, &["v1", "v1alpha3"], "backendtlspolicies"),
            Self::XBackendTrafficPolicy => at(EXPERIMENTAL, &["v1alpha1"], "xbackendtrafficpolicies"),
            Self::RateLimit => at(rate_limit::GROUP, &["v1alpha1"], "ratelimits"),
        }
    }

    /// Tells whether the kind comes with Kubernetes itself: others may not be installed, or in another version.
    #[must_use]
    pub fn is_native(self) -> bool {
        matches!(self, Self::Namespace | Self::Node | Self::Pod | Self::Service | Self::EndpointSlice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_are_listed_once_and_in_order() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index, "{kind:?}");
        }
    }
}
