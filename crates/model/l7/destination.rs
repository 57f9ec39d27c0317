//! How a service is reached: what a DestinationRule or a BackendTLSPolicy says, made whole for each port and subset.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::workload::{Name, ServiceKey};

/// The policy of one service, port and subset. The most exact one counts alone: subset and port, subset, port, neither.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DestinationPolicy {
    /// Its own name: kind, namespace and name of its origin, and what it is for.
    pub name: Name,
    /// The service.
    pub service: ServiceKey,
    /// One of its ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// A part of its endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<Subset>,
    /// How it is reached.
    #[serde(default)]
    pub traffic: TrafficPolicy,
}

/// A part of the endpoints of a service: those with these labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subset {
    /// Its name.
    pub name: Name,
    /// The labels.
    pub labels: BTreeMap<Name, Name>,
}

/// How a service is reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrafficPolicy {
    /// How an endpoint is chosen.
    pub balancer: Balancer,
    /// How long a new endpoint takes to get its whole share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Warmup>,
    /// Which endpoints come first by where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<Locality>,
    /// How much may be open or wait.
    pub pool: Pool,
    /// When an endpoint is left alone for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outliers: Option<Outliers>,
    /// Whether connections begin with TLS of our own making.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTls>,
    /// The version of the PROXY protocol that connections begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<u8>,
    /// How much of the load may be repetitions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_budget: Option<RetryBudget>,
}

/// How an endpoint is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Balancer {
    /// Of two chosen at random, the one with fewer requests under way.
    #[default]
    LeastRequest,
    /// One after the other.
    RoundRobin,
    /// At random.
    Random,
    /// The address that was asked for.
    Passthrough,
    /// The same for the same key, on a ring or by Maglev's table.
    Hash(HashPolicy),
}

/// Which key, and how it finds an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HashPolicy {
    /// The key.
    pub key: HashKey,
    /// How many points a ring has at least; without, Maglev's table is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<u64>,
    /// The size of Maglev's table, a prime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u64>,
}

/// What the key is taken of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HashKey {
    /// A header.
    Header(Name),
    /// A parameter of the query.
    Query(Name),
    /// The client's address.
    Source,
    /// A cookie; made if it is not there and may live.
    Cookie {
        /// The name.
        name: Name,
        /// The path.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<Name>,
        /// How long it lives; without, none is made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ttl: Option<Duration>,
    },
}

/// How a new endpoint comes to its share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Warmup {
    /// How long it takes.
    pub duration: Duration,
    /// The share in percent that it begins with.
    pub minimum_percent: f64,
    /// How fast the share grows: 1 is linear.
    pub aggression: f64,
}

/// Which endpoints come first by where they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Locality {
    /// The nearest that are well; then, by region, these: `(from, to)`.
    Failover(Vec<(Name, Name)>),
    /// The ones that agree with the client in most of these labels, in this order.
    Priority(Vec<Name>),
    /// Shares by `region/zone/subzone` (`*` for any): `from`, and `to` with percent.
    Distribute(Vec<(Name, BTreeMap<Name, u32>)>),
    /// No preference at all.
    Disabled,
}

/// How much may be open or wait; without a number there is no bound but the proxy's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pool {
    /// Connections to all endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
    /// How long a connection may take to open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Duration>,
    /// How long a TCP connection may be without traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_idle: Option<Duration>,
    /// How long a connection may live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// When the kernel asks whether the peer is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<Keepalive>,
    /// Requests that wait for a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_pending: Option<u32>,
    /// Requests under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_requests: Option<u32>,
    /// Requests that one connection serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_connection: Option<u32>,
    /// Repetitions under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// How long a connection may be without requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_idle: Option<Duration>,
    /// Which HTTP is spoken to endpoints.
    pub upgrade: Upgrade,
    /// How many streams one HTTP/2 connection carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_streams: Option<u32>,
}

/// When the kernel asks whether a peer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Keepalive {
    /// How often before it gives up.
    pub probes: u32,
    /// After how much silence.
    pub time: Duration,
    /// How far apart.
    pub interval: Duration,
}

/// Which HTTP is spoken to endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Upgrade {
    /// What the port's protocol says.
    #[default]
    ByPort,
    /// HTTP/2.
    Http2,
    /// HTTP/1.1.
    Http1,
    /// What the client spoke.
    AsClient,
}

/// When an endpoint is left alone for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outliers {
    /// Answers from 500 on, or broken connections, in a row; 0 for never.
    pub consecutive_5xx: u32,
    /// Answers 502, 503, 504, or broken connections, in a row; 0 for never.
    pub consecutive_gateway: u32,
    /// Broken connections in a row, counted apart from answers; 0 for not apart.
    pub consecutive_local: u32,
    /// How often it is looked at.
    pub interval: Duration,
    /// How long the first time; each further time as much longer.
    pub ejection: Duration,
    /// How many percent of the endpoints may be left alone at once.
    pub max_percent: u8,
    /// Below how many percent of healthy endpoints all are asked again.
    pub min_health_percent: u8,
}

/// TLS of our own making, inside the mesh's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientTls {
    /// The name that is asked for (RFC 6066 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<Name>,
    /// The names of which the certificate must show one; the asked name without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subject_alt_names: Vec<Name>,
    /// Whose certificates are believed.
    pub roots: Roots,
    /// The certificate and key that we show: the name of a Secret of the waypoint's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Name>,
}

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Roots {
    /// Those that the public believes.
    System,
    /// These, PEM.
    Pem(Name),
    /// Anybody's: what was written asks for no check (`insecureSkipVerify`).
    Unchecked,
    /// Nobody's: what was written cannot be used, for this reason.
    Invalid(Name),
}

/// How much of the load may be repetitions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetryBudget {
    /// In percent of the requests under way.
    pub percent: f64,
    /// How many always may.
    pub minimum: u32,
}
