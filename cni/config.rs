//! Settings of the node agent, read from the environment of its DaemonSet.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Name of the plugin, of its executable and of the DaemonSet.
pub const NAME: &str = "ambient-cni";

/// A setting that is missing or wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Required and not set.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// Set to something that cannot be read.
    #[error("{name} is not {expected}: {value:?}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        value: String,
    },
}

/// Settings of the node agent.
#[derive(Clone, Debug)]
pub struct Config {
    /// `NODE_NAME`: the node this agent serves. Required.
    pub node_name: String,
    /// `POD_NAMESPACE`: the mesh's own namespace.
    pub system_namespace: String,
    /// `CNI_NET_DIR`: where the container runtime reads its network configuration.
    pub net_dir: PathBuf,
    /// `CNI_BIN_DIR`: where it finds plugins.
    pub bin_dir: PathBuf,
    /// `CNI_AGENT_RUN_DIR`: sockets and state, under the same path on the node.
    pub run_dir: PathBuf,
    /// `ZTUNNEL_UDS_ADDRESS`: where ztunnel dials.
    pub zds_socket: PathBuf,
    /// `HOST_PROC`: the node's `/proc`.
    pub proc_dir: PathBuf,
    /// `NETNS_DIR`: where the runtime names pods' network namespaces by UID, if it does; looked at before `/proc`.
    pub netns_dir: Option<PathBuf>,
    /// `EXCLUDE_NAMESPACES`: comma-separated, never enrolled.
    pub excluded: BTreeSet<String>,
    /// `MONITORING_PORT`: metrics and readiness.
    pub port: u16,
    /// `VERIFY_SECONDS`: how often each pod's rules are checked.
    pub verify_every: Duration,
    /// `DRAIN_SECONDS`: how long an un-enrolled pod's streams may go on.
    pub drain_max: Duration,
    /// `SETTLE_SECONDS`: how long peers have to learn of an un-enrolment.
    pub settle: Duration,
    /// How long ztunnel has for one answer.
    pub zds_timeout: Duration,
}

impl Config {
    /// Reads the settings with `var`, usually [`std::env::var`].
    pub fn from_env(var: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let set = |name| var(name).filter(|v| !v.is_empty());
        let text = |name, default: &str| set(name).unwrap_or_else(|| default.to_owned());
        let number = |name, default: u64| match set(name) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| Error::Invalid { name, expected: "a number", value }),
        };
        let port = number("MONITORING_PORT", 15014)?;
        // Set and empty means none.
        let excluded = var("EXCLUDE_NAMESPACES").unwrap_or_else(|| "kube-system".to_owned());
        Ok(Self {
            node_name: set("NODE_NAME").ok_or(Error::Missing("NODE_NAME"))?,
            system_namespace: text("POD_NAMESPACE", "istio-system"),
            net_dir: text("CNI_NET_DIR", "/host/etc/cni/net.d").into(),
            bin_dir: text("CNI_BIN_DIR", "/host/opt/cni/bin").into(),
            run_dir: text("CNI_AGENT_RUN_DIR", "/var/run/ambient-cni").into(),
            zds_socket: text("ZTUNNEL_UDS_ADDRESS", "/var/run/ztunnel/ztunnel.sock").into(),
            proc_dir: text("HOST_PROC", "/host/proc").into(),
            netns_dir: set("NETNS_DIR").map(PathBuf::from),
            excluded: excluded.split(',').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect(),
            port: u16::try_from(port).map_err(|_| Error::Invalid {
                name: "MONITORING_PORT",
                expected: "a port",
                value: port.to_string(),
            })?,
            // Bounded: a pod that silently lost its rules must be found within ten seconds.
            verify_every: Duration::from_secs(number("VERIFY_SECONDS", 5)?.clamp(1, 10)),
            drain_max: Duration::from_secs(number("DRAIN_SECONDS", 6 * 3600)?),
            settle: Duration::from_secs(number("SETTLE_SECONDS", 2)?),
            zds_timeout: Duration::from_secs(5),
        })
    }

    /// Where the plugin asks.
    pub fn plugin_socket(&self) -> PathBuf {
        self.run_dir.join("plugin.sock")
    }

    /// What the plugin goes by while the agent is away.
    pub fn record(&self) -> PathBuf {
        self.run_dir.join("namespaces.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_errors() {
        let read = |pairs: &'static [(&str, &str)]| {
            Config::from_env(|n| pairs.iter().find(|(k, _)| *k == n).map(|(_, v)| (*v).to_owned()))
        };
        let config = read(&[("NODE_NAME", "n1"), ("VERIFY_SECONDS", "60")]).expect("valid");
        assert_eq!(config.verify_every, Duration::from_secs(10));
        assert_eq!(config.plugin_socket(), PathBuf::from("/var/run/ambient-cni/plugin.sock"));
        assert!(config.excluded.contains("kube-system"));
        let none = read(&[("NODE_NAME", "n1"), ("EXCLUDE_NAMESPACES", "")]).expect("valid");
        assert!(none.excluded.is_empty());
        assert_eq!(read(&[]).expect_err("no node").to_string(), "NODE_NAME is not set");
        let wrong = read(&[("NODE_NAME", "n"), ("MONITORING_PORT", "x")]);
        let text = wrong.expect_err("no number").to_string();
        assert_eq!(text, "MONITORING_PORT is not a number: \"x\"");
        assert!(read(&[("NODE_NAME", "n"), ("MONITORING_PORT", "70000")]).is_err());
    }
}
