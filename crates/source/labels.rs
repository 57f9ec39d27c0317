//! The labels and annotations that operators and components of the mesh read and write.

/// On a namespace or pod: `ambient` enrols, `none` keeps out.
pub const DATAPLANE_MODE: &str = "istio.io/dataplane-mode";
/// On a pod, written by the cni agent: `enabled` or `pending`.
pub const REDIRECTION: &str = "ambient.istio.io/redirection";
/// On a pod: `http` when it speaks HBONE itself.
pub const TUNNEL: &str = "networking.istio.io/tunnel";
/// On a policy: reports instead of enforcing.
pub const DRY_RUN: &str = "istio.io/dry-run";
/// On a service or namespace: how near endpoints are to be.
pub const TRAFFIC_DISTRIBUTION: &str = "networking.istio.io/traffic-distribution";
/// On a node: its region.
pub const REGION: &str = "topology.kubernetes.io/region";
/// On a node: its zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// On a node: the part of its zone.
pub const SUBZONE: &str = "topology.istio.io/subzone";
/// On a service, pod or namespace: the name of its waypoint, or `none`.
pub const USE_WAYPOINT: &str = "istio.io/use-waypoint";
/// Beside it: the namespace of the waypoint, if it is another.
pub const USE_WAYPOINT_NAMESPACE: &str = "istio.io/use-waypoint-namespace";
/// On a service or namespace: the name of a second waypoint, which is tried with a part of new connections.
pub const USE_CANARY: &str = "istio.io/use-waypoint-canary";
/// Beside it: its namespace, if it is another.
pub const USE_CANARY_NAMESPACE: &str = "istio.io/use-waypoint-canary-namespace";
/// Beside it, an annotation: which part of a hundred.
pub const CANARY_WEIGHT: &str = "istio.io/use-waypoint-canary-weight";
/// On a service or namespace: `true` sends the traffic of ingress gateways through the waypoint as well.
pub const INGRESS_USE_WAYPOINT: &str = "istio.io/ingress-use-waypoint";
/// On a service or namespace: `auto` leaves waypoints out for as long as there is nothing for them to do.
pub const L7: &str = "ambient.io/l7";
/// On a ServiceEntry: `false` when its hosts are not to get addresses of the mesh.
pub const ALLOCATE: &str = "networking.istio.io/enable-autoallocate-ip";
/// On a gateway or its class: what a waypoint serves.
pub const WAYPOINT_FOR: &str = "istio.io/waypoint-for";
/// On what is made for a gateway: its name.
pub const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";
/// On what is made for a gateway: its class.
pub const GATEWAY_CLASS: &str = "gateway.networking.k8s.io/gateway-class-name";
/// On what is made for a gateway: by whom. What lacks it is never touched.
pub const MANAGED: &str = "gateway.istio.io/managed";
/// On a gateway: the name of what is made for it, if it is not the gateway's.
pub const NAME_OVERRIDE: &str = "gateway.istio.io/name-override";
/// On a gateway: a service account that is there already.
pub const GATEWAY_ACCOUNT: &str = "gateway.istio.io/service-account";
