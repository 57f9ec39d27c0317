//! Settings, from environment variables; the names are ztunnel's where it has them.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use model::{
    Identity,
    identity::{DEFAULT_TRUST_DOMAIN, InvalidIdentity},
    l7::GatewayKey,
};
use runtime::settings::{Invalid, grace, lifetime, number, text};
use serde::Serialize;
use xds::proto::discovery::Node;

/// Settings of the proxy for layer 7.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// Which waypoint it is of: the Gateway's namespace and name.
    pub waypoint: GatewayKey,
    /// The name of its pod.
    pub pod_name: String,
    /// Its service account.
    pub service_account: String,
    /// Its address.
    pub instance_ip: String,
    /// The node that it runs on.
    pub node_name: String,
    /// The cluster's name.
    pub cluster_id: String,
    /// The network's name.
    pub network: String,
    /// The trust domain.
    pub trust_domain: String,
    /// Where discovery is.
    pub xds_address: String,
    /// Where the certificate authority is.
    pub ca_address: String,
    /// The roots that discovery is checked against.
    pub xds_roots: PathBuf,
    /// The roots that the authority is checked against.
    pub ca_roots: PathBuf,
    /// The file with the proxy's token.
    pub token: PathBuf,
    /// How long certificates are asked for.
    pub certificate_lifetime: Duration,
    /// How long streams may go on after a stop.
    pub grace: Duration,
    /// How many threads the data path has.
    pub workers: usize,
    /// How requests are measured.
    pub measures: Measures,
    /// Where tunnels arrive.
    pub hbone: SocketAddr,
    /// The admin server.
    pub admin: SocketAddr,
    /// The metrics server.
    pub stats: SocketAddr,
    /// The readiness server.
    pub readiness: SocketAddr,
}

/// How requests are measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measures {
    /// The bounds of durations, milliseconds.
    pub durations: Arc<[f64]>,
    /// The bounds of sizes, bytes.
    pub sizes: Arc<[f64]>,
    /// The most sets of labels.
    pub series: usize,
}

/// The bounds of durations where nothing else is said: Istio's.
const DURATIONS: &[f64] =
    &[0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 1.8e6, 3.6e6];
/// The bounds of sizes.
const SIZES: &[f64] = &[64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 1.678e7, 2.684e8];
/// The most bounds of a histogram: each is a number in every series.
const MAX_BOUNDS: usize = 64;

/// The most sets of labels where nothing else is said.
const SERIES: usize = 10_000;

impl Default for Measures {
    fn default() -> Self {
        Self { durations: DURATIONS.into(), sizes: SIZES.into(), series: SERIES }
    }
}

impl Measures {
    fn from_env() -> Result<Self, Invalid> {
        Ok(Self {
            durations: bounds("METRICS_DURATION_BUCKETS", DURATIONS)?,
            sizes: bounds("METRICS_SIZE_BUCKETS", SIZES)?,
            series: number("METRICS_MAX_SERIES", SERIES)?,
        })
    }
}

fn bounds(name: &'static str, default: &[f64]) -> Result<Arc<[f64]>, Invalid> {
    let value = text(name, "");
    if value.is_empty() {
        return Ok(default.into());
    }
    rising(&value).ok_or_else(|| Invalid::new(name, value, "at most 64 numbers above 0 that rise, separated by commas"))
}

fn rising(text: &str) -> Option<Arc<[f64]>> {
    let all = text.split(',').map(|bound| bound.trim().parse().ok().filter(|b: &f64| b.is_finite() && *b > 0.0));
    let all: Arc<[f64]> = all.collect::<Option<_>>()?;
    (all.len() <= MAX_BOUNDS && all.is_sorted_by(|a, b| a < b)).then_some(all)
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// A variable with a value that means nothing.
    pub fn from_env() -> Result<Self, Invalid> {
        let xds_address = text("XDS_ADDRESS", "istiod.istio-system.svc:15012");
        let gateway = format!("{}/{}", text("POD_NAMESPACE", ""), text("GATEWAY_NAME", ""));
        let any = |port| SocketAddr::from(([0_u16; 8], port));
        Ok(Self {
            waypoint: GatewayKey::try_from(gateway.clone()).map_err(|_| {
                Invalid::new("GATEWAY_NAME", gateway, "the Gateway's name, and its namespace in POD_NAMESPACE")
            })?,
            pod_name: text("POD_NAME", "waypoint"),
            service_account: text("SERVICE_ACCOUNT", "default"),
            instance_ip: text("INSTANCE_IP", "1.1.1.1"),
            node_name: text("NODE_NAME", ""),
            cluster_id: text("CLUSTER_ID", "Kubernetes"),
            network: text("NETWORK", ""),
            trust_domain: text("TRUST_DOMAIN", DEFAULT_TRUST_DOMAIN),
            ca_address: text("CA_ADDRESS", &xds_address),
            xds_address,
            xds_roots: text("XDS_ROOT_CA", "/var/run/secrets/istio/root-cert.pem").into(),
            ca_roots: text("CA_ROOT_CA", "/var/run/secrets/istio/root-cert.pem").into(),
            token: text("AUTH_TOKEN", "/var/run/secrets/tokens/istio-token").into(),
            certificate_lifetime: lifetime("SECRET_TTL", Duration::from_secs(24 * 3600))?,
            grace: grace("TERMINATION_GRACE_PERIOD_SECONDS", 30)?,
            workers: match number("WAYPOINT_WORKER_THREADS", 0)? {
                // All cores that it may use: what else runs in its pod is idle.
                0 => std::thread::available_parallelism().map_or(2, usize::from),
                workers => workers,
            },
            measures: Measures::from_env()?,
            hbone: any(number("HBONE_PORT", 15008)?),
            admin: SocketAddr::from(([127, 0, 0, 1], number("ADMIN_PORT", 15000)?)),
            stats: any(number("STATS_PORT", 15020)?),
            readiness: any(number("READINESS_PORT", 15021)?),
        })
    }

    /// Returns the identity that its token proves.
    ///
    /// # Errors
    /// Names that no identity may have.
    pub fn identity(&self) -> Result<Identity, InvalidIdentity> {
        Identity::new(&self.trust_domain, &self.waypoint.namespace, &self.service_account)
    }

    /// Returns who this proxy is to the control plane.
    #[must_use]
    pub fn node(&self) -> Node {
        let string = |s: &str| prost_types::Value { kind: Some(prost_types::value::Kind::StringValue(s.to_owned())) };
        let namespace = &self.waypoint.namespace;
        let fields = [
            ("NAME", &*self.pod_name),
            ("NAMESPACE", namespace),
            ("GATEWAY_NAME", &self.waypoint.name),
            ("SERVICE_ACCOUNT", &self.service_account),
            ("INSTANCE_IPS", &self.instance_ip),
            ("NODE_NAME", &self.node_name),
            ("CLUSTER_ID", &self.cluster_id),
        ];
        let fields: BTreeMap<String, prost_types::Value> =
            fields.into_iter().map(|(key, value)| (key.to_owned(), string(value))).collect();
        let (ip, pod) = (&self.instance_ip, &self.pod_name);
        Node {
            id: format!("waypoint~{ip}~{pod}.{namespace}~{namespace}.svc.cluster.local"),
            metadata: Some(prost_types::Struct { fields }),
            ..Node::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_rise() {
        let many = (1..=65).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        let rows = [
            ("1, 2.5,10", Some(3)),
            ("5", Some(1)),
            ("2,1", None),
            ("1,1", None),
            ("0", None),
            ("x", None),
            (&*many, None),
        ];
        for (text, wanted) in rows {
            assert_eq!(rising(text).map(|all| all.len()), wanted, "{text}");
        }
    }
}
