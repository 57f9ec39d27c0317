//! The settings of a DestinationRule, each on its own.

use std::time::Duration;

use model::{
    l7::destination::{
        Balancer, ClientTls, HashKey, HashPolicy, Keepalive, Locality, Outliers, Pool, RetryBudget, Roots, Tunnel,
        Upgrade, Warmup,
    },
    workload::Name,
};
use source::api::{
    destination_rule::{self as rule, ConnectionPool, H2UpgradePolicy, OutlierDetection, TlsMode},
    load_balancer::{self, ConsistentHash, Failover, LoadBalancer, Simple},
};

/// How many points a ring has at least when nothing is said.
const RING: u64 = 1024;
/// The size of Maglev's table when nothing is said.
const TABLE: u64 = 65_537;
/// The largest that is built of either: memory is not an operator's to spend by a number.
const MOST: u64 = 5_000_011;

type Result<T> = std::result::Result<T, String>;

fn text(text: Option<&str>) -> Option<Name> {
    text.filter(|t| !t.is_empty()).map(Into::into)
}

/// How endpoints are chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// The way.
    pub balancer: Balancer,
    /// How new ones come to their share.
    pub warmup: Option<Warmup>,
    /// Which come first by where they are.
    pub locality: Option<Locality>,
}

/// Converts how endpoints are chosen.
///
/// # Errors
/// A setting contradicts another, or is out of its range.
pub fn choice(written: &LoadBalancer) -> Result<Choice> {
    let balancer = match (written.simple, &written.consistent_hash) {
        (Some(_), Some(_)) => return Err("loadBalancer has both simple and consistentHash".to_owned()),
        (_, Some(hash)) => Balancer::Hash(hashed(hash)?),
        (Some(Simple::RoundRobin), None) => Balancer::RoundRobin,
        (Some(Simple::Random), None) => Balancer::Random,
        (Some(Simple::Passthrough), None) => Balancer::Passthrough,
        (Some(Simple::Unspecified | Simple::LeastConn | Simple::LeastRequest) | None, None) => Balancer::LeastRequest,
    };
    let old = written.warmup_duration_secs.map(|d| (d.0, None, None));
    let new = written.warmup.as_ref().map(|w| (w.duration.0, w.minimum_percent, w.aggression));
    let warmup = new.or(old).map(|(duration, least, aggression)| Warmup {
        duration,
        minimum_percent: least.unwrap_or(10.0).clamp(0.0, 100.0),
        aggression: aggression.unwrap_or(1.0),
    });
    if warmup.is_some_and(|w| !(w.aggression >= 1.0 && w.aggression.is_finite())) {
        return Err("loadBalancer.warmup.aggression has to be at least 1".to_owned());
    }
    Ok(Choice { balancer, warmup, locality: locality(written)? })
}

fn hashed(written: &ConsistentHash) -> Result<HashPolicy> {
    let header = text(written.http_header_name.as_deref()).map(|h| HashKey::Header(h.to_ascii_lowercase().into()));
    let query = text(written.http_query_parameter_name.as_deref()).map(HashKey::Query);
    let source = (written.use_source_ip == Some(true)).then_some(HashKey::Source);
    let cookie = written.http_cookie.as_ref().map(|c| HashKey::Cookie {
        name: (*c.name).into(),
        path: text(c.path.as_deref()),
        ttl: c.ttl.map(|t| t.0),
        attributes: c.attributes.iter().map(|a| ((*a.name).into(), a.value.as_deref().unwrap_or("").into())).collect(),
    });
    let mut keys = [header, query, source, cookie].into_iter().flatten();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        let names = "httpHeaderName, httpCookie, useSourceIp and httpQueryParameterName";
        return Err(format!("loadBalancer.consistentHash: one of {names} has to be there"));
    };
    let least = written.ring_hash.and_then(|r| r.minimum_ring_size).or(written.minimum_ring_size);
    let (ring, table) = match written.maglev {
        Some(_) if written.ring_hash.is_some() => {
            return Err("loadBalancer.consistentHash has both ringHash and maglev".to_owned());
        }
        Some(maglev) => (None, Some(maglev.table_size.unwrap_or(TABLE))),
        None => (Some(least.unwrap_or(RING)), None),
    };
    if table.is_some_and(|t| !is_prime(t)) {
        return Err("loadBalancer.consistentHash.maglev.tableSize has to be a prime".to_owned());
    }
    if ring.or(table).is_some_and(|size| size > MOST) {
        return Err(format!("loadBalancer.consistentHash: the size is above {MOST}"));
    }
    Ok(HashPolicy { key, ring, table })
}

fn is_prime(number: u64) -> bool {
    // Large ones are refused all the same: no need to look for their divisors.
    number > MOST || (number > 1 && (2..).take_while(|d| d * d <= number).all(|d| !number.is_multiple_of(d)))
}

fn pairs(written: &[Failover]) -> Vec<(Name, Name)> {
    written.iter().map(|f| ((*f.from).into(), (*f.to).into())).collect()
}

fn names(written: &[String]) -> Vec<Name> {
    written.iter().map(|text| (**text).into()).collect()
}

fn locality(written: &LoadBalancer) -> Result<Option<Locality>> {
    if let Some(zone) = &written.zone_aware_lb_setting {
        return Ok(Some(match zone.enabled {
            Some(false) => Locality::Disabled,
            _ => Locality::ZoneAware {
                min_endpoints: zone.min_cluster_size.unwrap_or(6),
                failover: pairs(&zone.failover),
                priority: names(&zone.failover_priority),
            },
        }));
    }
    let Some(setting) = &written.locality_lb_setting else { return Ok(None) };
    if setting.enabled == Some(false) {
        return Ok(Some(Locality::Disabled));
    }
    match (&*setting.distribute, &*setting.failover, &*setting.failover_priority) {
        ([], failover, []) => Ok(Some(Locality::Failover(pairs(failover)))),
        ([], [], priority) => Ok(Some(Locality::Priority(names(priority)))),
        (distribute, [], []) => shares(distribute).map(Some),
        _ => Err("localityLbSetting: distribute, failover and failoverPriority exclude each other".to_owned()),
    }
}

fn shares(written: &[load_balancer::Distribute]) -> Result<Locality> {
    for entry in written {
        let sum: u64 = entry.to.values().copied().map(u64::from).sum();
        if sum != 100 {
            return Err(format!("localityLbSetting.distribute from {:?}: the shares make {sum}, not 100", entry.from));
        }
    }
    let to = |entry: &load_balancer::Distribute| entry.to.iter().map(|(k, v)| ((**k).into(), *v)).collect();
    Ok(Locality::Distribute(written.iter().map(|e| ((*e.from).into(), to(e))).collect()))
}

/// Converts how much may be open or wait.
///
/// # Errors
/// A number is less than none.
pub fn pool(written: &ConnectionPool) -> Result<Pool> {
    let number = |what: &str, number: Option<i32>| match number.map(u32::try_from) {
        // Nothing could go through: it is what is not said.
        None | Some(Ok(0)) => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(format!("connectionPool: {what} is less than none")),
    };
    let (tcp, http) = (written.tcp.clone().unwrap_or_default(), written.http.clone().unwrap_or_default());
    let upgrade = match (http.use_client_protocol, http.h2_upgrade_policy) {
        (Some(true), _) => Upgrade::AsClient,
        (_, Some(H2UpgradePolicy::Upgrade)) => Upgrade::Http2,
        // What the port says is not changed.
        (_, Some(H2UpgradePolicy::Default | H2UpgradePolicy::DoNotUpgrade) | None) => Upgrade::ByPort,
    };
    let keepalive = tcp.tcp_keepalive.map(|k| Keepalive {
        // What Linux does when nothing is said (tcp(7)).
        probes: k.probes.filter(|p| *p > 0).unwrap_or(9),
        time: k.time.map_or(Duration::from_secs(7200), |t| t.0),
        interval: k.interval.map_or(Duration::from_secs(75), |i| i.0),
    });
    let ping =
        http.http2_keep_alive.and_then(|k| Some((k.interval?.0, k.timeout.map_or(Duration::from_secs(10), |t| t.0))));
    Ok(Pool {
        max_connections: number("maxConnections", tcp.max_connections)?,
        connect_timeout: tcp.connect_timeout.map(|t| t.0).filter(|t| !t.is_zero()),
        tcp_idle: tcp.idle_timeout.map(|t| t.0),
        max_age: tcp.max_connection_duration.map(|t| t.0),
        keepalive,
        max_pending: number("http1MaxPendingRequests", http.http1_max_pending_requests)?,
        max_requests: number("http2MaxRequests", http.http2_max_requests)?,
        requests_per_connection: number("maxRequestsPerConnection", http.max_requests_per_connection)?,
        max_retries: number("maxRetries", http.max_retries)?,
        http_idle: http.idle_timeout.map(|t| t.0),
        upgrade,
        max_streams: number("maxConcurrentStreams", http.max_concurrent_streams)?,
        ping,
    })
}

/// Converts when an endpoint is left alone.
///
/// # Errors
/// A status is none, or a percentage none.
pub fn outliers(written: &OutlierDetection) -> Result<Outliers> {
    let percent = |what: &str, percent: Option<i32>, default: u8| match percent.map(u8::try_from) {
        None => Ok(default),
        Some(Ok(percent)) if percent <= 100 => Ok(percent),
        _ => Err(format!("outlierDetection.{what} is no percentage")),
    };
    if let Some(status) = written.outlier_detection_http_error_codes.iter().find(|s| !(100..=599).contains(*s)) {
        return Err(format!("outlierDetection.outlierDetectionHttpErrorCodes: {status} is no status"));
    }
    // The oldest form counted what a gateway answers.
    let old = written.consecutive_errors.and_then(|n| u32::try_from(n).ok());
    let gateway = written.consecutive_gateway_errors.or(old.filter(|_| written.consecutive_5xx_errors.is_none()));
    let apart = written.split_external_local_origin_errors;
    Ok(Outliers {
        consecutive_5xx: written.consecutive_5xx_errors.unwrap_or(5),
        consecutive_gateway: gateway.unwrap_or(0),
        consecutive_local: if apart { written.consecutive_local_origin_failures.unwrap_or(5) } else { 0 },
        statuses: written.outlier_detection_http_error_codes.clone(),
        interval: written.interval.map_or(Duration::from_secs(10), |i| i.0),
        ejection: written.base_ejection_time.map_or(Duration::from_secs(30), |t| t.0),
        max_percent: percent("maxEjectionPercent", written.max_ejection_percent, 10)?,
        min_health_percent: percent("minHealthPercent", written.min_health_percent, 0)?,
    })
}

/// Converts TLS of our own making; none where the mesh's is meant, or none at all. What cannot be done as written lets nothing
/// through: neither in plain text, nor to somebody whose certificate nobody looked at.
#[must_use]
pub fn tls(written: &rule::ClientTls, hostname: &str) -> Option<ClientTls> {
    let credential = text(written.credential_name.as_deref());
    let files = [&written.client_certificate, &written.private_key].iter().any(|f| text(f.as_deref()).is_some());
    let authorities = text(written.ca_certificates.as_deref());
    let mutual = match written.mode {
        TlsMode::Disable | TlsMode::IstioMutual => return None,
        TlsMode::Simple => false,
        TlsMode::Mutual => true,
    };
    let no_file =
        |what: &str| Roots::Invalid(format!("tls.{what} names a file of the proxy: use credentialName").into());
    let roots = match (&credential, authorities.as_deref()) {
        _ if text(written.ca_crl.as_deref()).is_some() => no_file("caCrl"),
        _ if mutual && credential.is_none() && files => no_file("clientCertificate"),
        _ if mutual && credential.is_none() => Roots::Invalid("tls: mode MUTUAL wants a credentialName".into()),
        _ if written.insecure_skip_verify == Some(true) => Roots::Unchecked,
        (Some(secret), None) => Roots::Secret(secret.clone()),
        (None, None | Some("system")) => Roots::System,
        (Some(_), Some(_)) => Roots::Invalid("tls has both credentialName and caCertificates".into()),
        (None, Some(_)) => no_file("caCertificates"),
    };
    let asked = text(written.sni.as_deref()).or_else(|| (!hostname.contains('*')).then(|| hostname.into()));
    Some(ClientTls {
        server_name: asked,
        subject_alt_names: names(&written.subject_alt_names),
        roots,
        credential: credential.filter(|_| mutual),
    })
}

/// Converts a way through a proxy.
///
/// # Errors
/// It is asked for in no known way.
pub fn tunnel(written: &rule::Tunnel) -> Result<Tunnel> {
    let post = match written.protocol.as_deref() {
        None | Some("" | "CONNECT") => false,
        Some("POST") => true,
        Some(other) => return Err(format!("tunnel.protocol: {other:?} is neither CONNECT nor POST")),
    };
    if written.target_port == 0 || written.target_host.is_empty() {
        return Err("tunnel wants a targetHost and a targetPort".to_owned());
    }
    Ok(Tunnel { host: (*written.target_host).into(), port: written.target_port, post })
}

/// Converts how much of the load may be repetitions.
#[must_use]
pub fn retry_budget(written: &rule::RetryBudget) -> RetryBudget {
    RetryBudget {
        percent: written.percent.unwrap_or(20.0).clamp(0.0, 100.0),
        minimum: written.min_retry_concurrency.unwrap_or(3),
    }
}
