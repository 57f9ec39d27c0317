//! Settings, from environment variables; the names are istiod's where it has them.

use std::collections::BTreeMap;

use model::l7::Normalization;
use runtime::settings::{Invalid, number, text};

use crate::l7::Providers;

/// Settings of the control plane.
#[derive(Clone, Debug)]
pub struct Config {
    /// The system namespace, which is also the root namespace of mesh-wide policies.
    pub namespace: String,
    /// The trust domain of the mesh.
    pub trust_domain: String,
    /// Other names of the trust domain, as policies may have them.
    pub trust_aliases: Vec<String>,
    /// How waypoints make paths comparable.
    pub normalization: Normalization,
    /// Where waypoints may tell of requests: `MeshConfig.extensionProviders`.
    pub providers: Providers,
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
    /// The port of the metric that autoscalers ask for, in TLS.
    pub scaling_port: u16,
    /// What waypoints are made from; none where nobody said which image.
    pub waypoints: Option<Waypoints>,
}

/// What is the same for all waypoints that are deployed.
#[derive(Clone, Debug, Default)]
pub struct Waypoints {
    /// The namespace of the mesh, where defaults of classes are.
    pub namespace: String,
    /// The image.
    pub image: String,
    /// When it is pulled.
    pub pull_policy: String,
    /// Names of the Secrets to pull it with, which have to be in the waypoint's namespace.
    pub pull_secrets: Vec<String>,
    /// Where discovery and the authority are, for waypoints.
    pub control_plane: String,
    /// The cluster's name.
    pub cluster: String,
    /// The trust domain of the mesh.
    pub trust_domain: String,
    /// The network of this cluster.
    pub network: String,
    /// The level of its log.
    pub log_level: String,
    /// `text` or `json`.
    pub log_format: String,
    /// How long a waypoint that stops may serve its streams, in seconds.
    pub grace: u32,
    /// More environment variables.
    pub env: BTreeMap<String, String>,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// A variable with a value that means nothing.
    pub fn from_env() -> Result<Self, Invalid> {
        let trusted = text("CA_TRUSTED_NODE_ACCOUNTS", "istio-system/ztunnel");
        let trusted = list(&trusted);
        if let Some(bad) = trusted.iter().find(|a| a.split('/').filter(|p| !p.is_empty()).count() != 2) {
            let wanted = "namespace/serviceaccount, separated by commas";
            return Err(Invalid::new("CA_TRUSTED_NODE_ACCOUNTS", bad.clone(), wanted));
        }
        Ok(Self {
            namespace: text("POD_NAMESPACE", "istio-system"),
            trust_domain: text("TRUST_DOMAIN", "cluster.local"),
            trust_aliases: list(&text("TRUST_DOMAIN_ALIASES", "")),
            normalization: path_normalization()?,
            providers: providers()?,
            cluster: text("CLUSTER_ID", "Kubernetes"),
            domain: text("CLUSTER_DOMAIN", "cluster.local"),
            network: text("NETWORK", ""),
            trusted,
            tls_port: number("TLS_PORT", 15012)?,
            monitoring_port: number("MONITORING_PORT", 15014)?,
            readiness_port: number("READINESS_PORT", 8080)?,
            scaling_port: number("SCALING_PORT", 15017)?,
            waypoints: waypoints()?,
        })
    }
}

fn waypoints() -> Result<Option<Waypoints>, Invalid> {
    let image = text("WAYPOINT_IMAGE", "");
    if image.is_empty() {
        return Ok(None);
    }
    let pull_policy = text("WAYPOINT_PULL_POLICY", "IfNotPresent");
    if !["Always", "IfNotPresent", "Never"].contains(&&*pull_policy) {
        let wanted = "Always, IfNotPresent or Never";
        return Err(Invalid::new("WAYPOINT_PULL_POLICY", pull_policy, wanted));
    }
    let env = text("WAYPOINT_ENV", "{}");
    let env =
        serde_json::from_str(&env).map_err(|_| Invalid::new("WAYPOINT_ENV", env, "an object of texts, in JSON"))?;
    let namespace = text("POD_NAMESPACE", "istio-system");
    let secrets = text("WAYPOINT_PULL_SECRETS", "");
    Ok(Some(Waypoints {
        control_plane: format!("istiod.{namespace}.svc:15012"),
        namespace,
        image,
        pull_policy,
        pull_secrets: list(&secrets),
        cluster: text("CLUSTER_ID", "Kubernetes"),
        trust_domain: text("TRUST_DOMAIN", "cluster.local"),
        network: text("NETWORK", ""),
        log_level: text("WAYPOINT_LOG_LEVEL", "info"),
        log_format: text("LOG_FORMAT", "text"),
        grace: number("WAYPOINT_GRACE_SECONDS", 300)?,
        env,
    }))
}

/// The words of `MeshConfig.pathNormalization`.
pub mod normalization {
    use model::l7::Normalization;

    /// All of them, for messages.
    pub const WORDS: &str = "NONE, BASE, MERGE_SLASHES or DECODE_AND_MERGE_SLASHES";

    /// Returns what a word means.
    #[must_use]
    pub fn of(word: &str) -> Option<Normalization> {
        Some(match word {
            "NONE" => Normalization::None,
            "BASE" => Normalization::Base,
            "MERGE_SLASHES" => Normalization::MergeSlashes,
            "DECODE_AND_MERGE_SLASHES" => Normalization::DecodeAndMergeSlashes,
            _ => return None,
        })
    }
}

fn path_normalization() -> Result<Normalization, Invalid> {
    let value = text("PATH_NORMALIZATION", "BASE");
    normalization::of(&value).ok_or_else(|| Invalid::new("PATH_NORMALIZATION", value, normalization::WORDS))
}

/// Reads `MeshConfig.extensionProviders`, in JSON.
fn providers() -> Result<Providers, Invalid> {
    let value = text("EXTENSION_PROVIDERS", "[]");
    let wanted = "a list of objects with a name, in JSON";
    let read = serde_json::from_str(&value).and_then(Providers::read);
    read.map_err(|_| Invalid::new("EXTENSION_PROVIDERS", value, wanted))
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}
