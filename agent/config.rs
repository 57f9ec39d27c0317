//! Settings, from environment variables; the names are istiod's where it has them.

use std::str::FromStr;

/// Settings of the control plane.
#[derive(Clone, Debug)]
pub struct Config {
    /// The system namespace, which is also the root namespace of mesh-wide policies.
    pub namespace: String,
    /// The trust domain of the mesh.
    pub trust_domain: String,
    /// The cluster's name.
    pub cluster: String,
    /// The domain of service names.
    pub domain: String,
    /// The network of this cluster; empty is the one network.
    pub network: String,
    /// Service accounts of node proxies, `namespace/name`: they may ask for certificates of their node's pods.
    pub trusted: Vec<String>,
    /// The port of discovery and certificates, in TLS.
    pub tls_port: u16,
    /// The port of metrics.
    pub monitoring_port: u16,
    /// The port of readiness.
    pub readiness_port: u16,
}

/// Tells which variable is wrong, and how.
#[derive(Debug, thiserror::Error)]
#[error("environment variable {name} has the invalid value {value:?}: want {wanted}")]
pub struct Invalid {
    name: &'static str,
    value: String,
    wanted: &'static str,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// A variable with a value that means nothing.
    pub fn from_env() -> Result<Self, Invalid> {
        let trusted = text("CA_TRUSTED_NODE_ACCOUNTS", "istio-system/ztunnel");
        let trusted: Vec<String> = trusted.split(',').map(|a| a.trim().to_owned()).filter(|a| !a.is_empty()).collect();
        if let Some(bad) = trusted.iter().find(|a| a.split('/').filter(|p| !p.is_empty()).count() != 2) {
            let wanted = "namespace/serviceaccount, separated by commas";
            return Err(Invalid { name: "CA_TRUSTED_NODE_ACCOUNTS", value: bad.clone(), wanted });
        }
        Ok(Self {
            namespace: text("POD_NAMESPACE", "istio-system"),
            trust_domain: text("TRUST_DOMAIN", "cluster.local"),
            cluster: text("CLUSTER_ID", "Kubernetes"),
            domain: text("CLUSTER_DOMAIN", "cluster.local"),
            network: text("NETWORK", ""),
            trusted,
            tls_port: number("TLS_PORT", 15012)?,
            monitoring_port: number("MONITORING_PORT", 15014)?,
            readiness_port: number("READINESS_PORT", 8080)?,
        })
    }
}

fn text(name: &str, default: &str) -> String {
    std::env::var(name).ok().filter(|v| !v.is_empty()).unwrap_or_else(|| default.to_owned())
}

fn number<N: FromStr>(name: &'static str, default: N) -> Result<N, Invalid> {
    match std::env::var(name).ok().filter(|v| !v.is_empty()) {
        None => Ok(default),
        Some(value) => value.parse().map_err(|_| Invalid { name, value, wanted: "a whole number in range" }),
    }
}
