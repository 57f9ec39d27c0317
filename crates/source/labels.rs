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
/// On a service, workload or namespace: its waypoint, or `none`.
pub const USE_WAYPOINT: &str = "istio.io/use-waypoint";
/// Beside it: the waypoint's namespace, if it is another.
pub const USE_WAYPOINT_NAMESPACE: &str = "istio.io/use-waypoint-namespace";
