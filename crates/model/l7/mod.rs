//! Layer 7 as plain data: what a waypoint is told, and the decisions over requests.
//!
//! The agent turns every API (VirtualService, DestinationRule, the routes of the Gateway API, policies) into these small keyed
//! resources, children naming their parent, so that one changed rule is one sent resource. They travel as JSON: one set of types
//! for agent, waypoint and command line; a field that the receiver does not know refuses that resource alone.

pub mod authentication;
pub mod authorization;
pub mod destination;
pub mod expression;
pub mod external_auth;
pub mod filter;
pub mod matching;
pub mod path;
pub mod rate_limit;
pub mod route;
pub mod router;
pub mod secret;
pub mod state;
pub mod telemetry;
pub mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

pub use self::{
    authentication::Authentication,
    authorization::Authorization,
    destination::DestinationPolicy,
    rate_limit::RateLimit,
    route::{HttpRule, StreamRule},
    router::{Router, StreamRouter},
    secret::Secret,
    state::State,
    telemetry::{Defaults, Provider, Telemetry},
};
use crate::workload::{Name, ServiceKey};

/// One resource of a waypoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Resource {
    /// How requests for a service are routed.
    HttpRule(HttpRule),
    /// How connections for a service are routed.
    StreamRule(StreamRule),
    /// How a service is reached.
    Destination(DestinationPolicy),
    /// Labels of a workload that a subset or a route asks for.
    Labels(WorkloadLabels),
    /// Who may ask what.
    Authorization(Authorization),
    /// Whose tokens are believed.
    Authentication(Authentication),
    /// How many requests may come.
    RateLimit(RateLimit),
    /// What is measured, logged and traced.
    Telemetry(Telemetry),
    /// What is shown to servers, or whom they have to be vouched for by.
    Secret(Secret),
    /// Who is served although nobody is sent here.
    Standby(Standby),
    /// What holds for the whole waypoint.
    Settings(Settings),
}

impl Resource {
    /// Returns the name that is its own among all resources of the mesh.
    #[must_use]
    pub fn key(&self) -> Name {
        match self {
            Self::HttpRule(rule) => format!("http/{}", rule.name).into(),
            Self::StreamRule(rule) => format!("stream/{}", rule.name).into(),
            Self::Destination(policy) => format!("destination/{}", policy.name).into(),
            Self::Labels(labels) => format!("labels/{}", labels.workload).into(),
            Self::Authorization(policy) => format!("authorization/{}/{}", policy.namespace, policy.name).into(),
            Self::Authentication(policy) => format!("authentication/{}/{}", policy.namespace, policy.name).into(),
            Self::RateLimit(limit) => format!("ratelimit/{}/{}", limit.namespace, limit.name).into(),
            Self::Telemetry(object) => format!("telemetry/{}/{}", object.namespace, object.name).into(),
            Self::Secret(secret) => Secret::key(&secret.namespace, &secret.name),
            Self::Standby(standby) => format!("standby/{}", standby.service).into(),
            Self::Settings(settings) => format!("settings/{}", settings.waypoint).into(),
        }
    }
}

/// Names a Gateway: `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GatewayKey {
    /// The namespace.
    pub namespace: Name,
    /// The name.
    pub name: Name,
}

impl fmt::Display for GatewayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl From<GatewayKey> for String {
    fn from(key: GatewayKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for GatewayKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
                Ok(Self { namespace: namespace.into(), name: name.into() })
            }
            _ => Err("want namespace/name"),
        }
    }
}

/// What a policy is attached to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// Everything that goes through this waypoint.
    Waypoint(GatewayKey),
    /// Everything that goes through any waypoint.
    AnyWaypoint,
    /// What goes to this service.
    Service(ServiceKey),
}

/// A service whose traffic goes past its waypoints while they have nothing to do, and which they serve whenever it comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Standby {
    /// The service.
    pub service: ServiceKey,
    /// Its waypoints.
    pub waypoints: BTreeSet<GatewayKey>,
}

/// The labels of a workload, only those that something asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadLabels {
    /// Its unique name.
    pub workload: Name,
    /// The labels.
    pub labels: BTreeMap<Name, Name>,
}

/// What holds for the whole waypoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Which waypoint.
    pub waypoint: GatewayKey,
    /// Whose traffic it takes.
    pub traffic: Traffic,
    /// The namespace of mesh-wide policies.
    pub root_namespace: Name,
    /// The trust domain, then its aliases: all count as one in policies.
    pub trust_domains: Vec<Name>,
    /// How paths are made comparable before they are matched.
    pub normalization: Normalization,
    /// Where what is told of requests may go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<Provider>,
    /// What counts where no Telemetry says anything.
    #[serde(default, skip_serializing_if = "Defaults::are_usual")]
    pub defaults: Defaults,
}

/// Whose traffic a waypoint takes (`istio.io/waypoint-for`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Traffic {
    /// Addressed to services.
    #[default]
    Service,
    /// Addressed to workloads.
    Workload,
    /// Both.
    All,
    /// None.
    None,
}

/// `MeshConfig.pathNormalization`: how a path is made comparable; each step includes the ones before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Normalization {
    /// As it came.
    None,
    /// `\` becomes `/`, dot segments are resolved (RFC 3986 6.2.2.3).
    #[default]
    Base,
    /// Repeated slashes become one.
    MergeSlashes,
    /// `%2F` and `%5C` become `/` first.
    DecodeAndMergeSlashes,
}
