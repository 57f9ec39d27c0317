//! What is measured, logged and traced: what Telemetry objects say, and what they come to for a service.

mod format;
mod merge;
mod provider;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::{
    format::{Field, Format, InvalidFormat, Line, Operator, Part, Piece},
    merge::{Changes, Defaults, Effective, Logging, Tracing},
    provider::{BUILT_IN, Collector, Provider, ProviderKind},
};
use super::{Target, expression::Expression};
use crate::workload::Name;

/// A Telemetry object. Those above a service count in this order, later ones over earlier ones: of the mesh, of the waypoint's
/// namespace, of the service's namespace, with targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Telemetry {
    /// The namespace.
    pub namespace: Name,
    /// The name.
    pub name: Name,
    /// When it was made: of several in one place the oldest counts.
    pub created: Name,
    /// What it is about.
    pub scope: Scope,
    /// What is different about metrics, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricRule>,
    /// Whether it names who is told of metrics.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub measured: bool,
    /// What is logged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logging: Vec<LogRule>,
    /// How requests are traced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracing: Vec<TraceRule>,
}

/// What an object is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Everything.
    Mesh,
    /// The waypoints and the services of its namespace.
    Namespace,
    /// These.
    Targets(Vec<Target>),
}

/// A metric of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // the names are those of the API
pub enum Metric {
    RequestCount,
    RequestDuration,
    RequestSize,
    ResponseSize,
    RequestMessages,
    ResponseMessages,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::RequestCount,
        Self::RequestDuration,
        Self::RequestSize,
        Self::ResponseSize,
        Self::RequestMessages,
        Self::ResponseMessages,
    ];
}

/// What is different about a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricRule {
    /// Which; none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
    /// Whether it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// What its labels are; one without is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<Name, Option<Expression>>,
}

/// Where and which requests are logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogRule {
    /// The providers; none for those that are in effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<Name>,
    /// Whether they get none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// Which requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Expression>,
}

/// How requests are traced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TraceRule {
    /// Where spans go; none for where they go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Name>,
    /// How many of the requests that nobody decided over are sampled, per cent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<f64>,
    /// Whether no spans are reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Whether the headers of a trace are left as they came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<bool>,
    /// Whether spans have the tags that tell who asks whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub istio_tags: Option<bool>,
    /// More tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<Name, Tag>,
}

/// Where the value of a tag comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tag {
    /// Here.
    Literal(Name),
    /// A header of the request, and what counts without it.
    Header(Name, Name),
    /// A variable of the waypoint's environment, and what counts without it.
    Environment(Name, Name),
}

#[cfg(test)]
mod tests;
