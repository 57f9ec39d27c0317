//! How a service is reached: what a DestinationRule or a BackendTLSPolicy says, made whole for each port and subset.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    filter::Session,
    matching::{Client, Source},
};
use crate::workload::{Name, ServiceKey};

/// The policy of one service, port and subset, for some clients or all. The most exact one counts alone: that of the subset before
/// one of none, then that of the client's labels before one of its namespace before one for anybody, then that of the port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DestinationPolicy {
    /// Its own name: kind, namespace and name of its origin, and what it is for.
    pub name: Name,
    /// The service.
    pub service: ServiceKey,
    /// Whose requests it is for.
    #[serde(default, skip_serializing_if = "Source::is_anybody")]
    pub source: Source,
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

impl DestinationPolicy {
    /// Returns how exactly it is for a client that asks for a port, of a subset or of none; none if it is for others.
    fn exactness(&self, client: &Client<'_>, port: u16, subset: Option<&str>) -> Option<(bool, usize, bool)> {
        let of_subset = self.subset.as_ref().is_none_or(|own| subset == Some(&*own.name));
        let of_port = self.port.is_none_or(|own| own == port);
        let meant = of_subset && of_port && self.source.matches(client);
        let source = usize::from(!self.source.labels.is_empty()) * 2 + usize::from(self.source.namespace.is_some());
        meant.then_some((self.subset.is_some(), source, self.port.is_some()))
    }

    /// Returns the one that counts among those of a service.
    ///
    /// A subset that nobody describes has none of its own, and no endpoints: that of the whole says nothing about it.
    pub fn choose<'p>(
        policies: impl IntoIterator<Item = &'p Self>,
        client: &Client<'_>,
        port: u16,
        subset: Option<&str>,
    ) -> Option<&'p Self> {
        let meant = policies.into_iter().filter_map(|p| Some((p.exactness(client, port, subset)?, p)));
        // Of two that are as exact the one of the first name, so that every proxy takes the same.
        let best = meant.max_by(|(a, one), (b, other)| a.cmp(b).then_with(|| other.name.cmp(&one.name)));
        best.map(|(_, policy)| policy).filter(|policy| subset.is_none() || policy.subset.is_some())
    }
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
    /// Whether a client stays with its endpoint, where its rule says nothing about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// The endpoints are proxies, through which connections are led to somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Tunnel>,
}

/// Where a connection is led by a proxy (RFC 9110 9.3.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tunnel {
    /// The host.
    pub host: Name,
    /// The port.
    pub port: u16,
    /// Asked for by POST instead of CONNECT.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub post: bool,
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
        /// Further attributes of one that is made (RFC 6265 5.2), with their values.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attributes: Vec<(Name, Name)>,
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
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Locality {
    /// The nearest that are well; then, by region, these: `(from, to)`.
    Failover(Vec<(Name, Name)>),
    /// The ones that agree with the client in most of these labels, in this order.
    Priority(Vec<Name>),
    /// Shares by `region/zone/subzone` (`*` for any): `from`, and `to` with percent.
    Distribute(Vec<(Name, BTreeMap<Name, u32>)>),
    /// The share of the own zone goes to its endpoints, as far as they are enough for it; the rest to other zones.
    ZoneAware {
        /// Below how many endpoints there is no preference.
        min_endpoints: u32,
        /// By region, where to go when none of the own is well: `(from, to)`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        failover: Vec<(Name, Name)>,
        /// The labels in which endpoints should agree with the client, in this order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        priority: Vec<Name>,
    },
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
    /// When an HTTP/2 connection is pinged: after how much silence, and how long it may take to answer (RFC 9113 6.7).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping: Option<(Duration, Duration)>,
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
    /// The statuses that count as failures; those from 500 on without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<u16>,
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

impl ClientTls {
    /// Returns the names of the Secrets that it needs, each of the waypoint's namespace.
    pub fn secrets(&self) -> impl Iterator<Item = &Name> {
        let roots = match &self.roots {
            Roots::Secret(name) => Some(name),
            _ => None,
        };
        self.credential.iter().chain(roots.filter(|name| self.credential.as_ref() != Some(name)))
    }
}

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Roots {
    /// Those that the public believes.
    System,
    /// These, PEM.
    Pem(Name),
    /// Those of this Secret of the waypoint's namespace.
    Secret(Name),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_exact_policy_counts() {
        let labels = BTreeMap::from([(Name::from("app"), Name::from("x"))]);
        let policy =
            |name: &str, subset: Option<&str>, (namespace, labelled): (Option<&str>, bool), port: Option<u16>| {
                let labels = if labelled { labels.clone() } else { BTreeMap::new() };
                DestinationPolicy {
                    name: name.into(),
                    service: ServiceKey { namespace: "shop".into(), hostname: "a".into() },
                    source: Source { namespace: namespace.map(Into::into), labels },
                    port,
                    subset: subset.map(|s| Subset { name: s.into(), labels: BTreeMap::new() }),
                    traffic: TrafficPolicy::default(),
                }
            };
        let all = [
            policy("all", None, (None, false), None),
            policy("all-80", None, (None, false), Some(80)),
            policy("web", None, (Some("web"), false), None),
            policy("web-x", None, (Some("web"), true), None),
            policy("v1", Some("v1"), (None, false), None),
            policy("v1-80", Some("v1"), (None, false), Some(80)),
        ];
        let rows = [
            (None, false, 80, None, Some("all-80")),
            (None, false, 81, None, Some("all")),
            (Some("other"), true, 81, None, Some("all")),
            (Some("web"), false, 80, None, Some("web")),
            (Some("web"), true, 80, None, Some("web-x")),
            (Some("web"), true, 80, Some("v1"), Some("v1-80")),
            (Some("web"), true, 81, Some("v1"), Some("v1")),
            (None, false, 80, Some("v2"), None),
        ];
        for (namespace, labelled, port, subset, wanted) in rows {
            let client = Client { namespace, labels: labelled.then_some(&labels) };
            let found = DestinationPolicy::choose(&all, &client, port, subset).map(|p| &*p.name);
            assert_eq!(found, wanted, "{namespace:?} {labelled} {port} {subset:?}");
            let turned = DestinationPolicy::choose(all.iter().rev(), &client, port, subset).map(|p| &*p.name);
            assert_eq!(turned, wanted, "in any order");
        }
    }
}
