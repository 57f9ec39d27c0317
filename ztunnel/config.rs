//! Settings, from the environment variables that Istio's ztunnel has.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use runtime::settings::{Invalid, grace, lifetime, number, text};
use serde::Serialize;
use xds::proto::discovery::Node;

/// Settings of the node proxy.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The node's name.
    pub node_name: String,
    /// The name of the pod that runs the proxy.
    pub pod_name: String,
    /// Its namespace.
    pub pod_namespace: String,
    /// Its address.
    pub instance_ip: String,
    /// The cluster's name.
    pub cluster_id: String,
    /// The network's name.
    pub network: String,
    /// The trust domain, empty for the default.
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
    /// The socket of the cni agent.
    pub zds_socket: PathBuf,
    /// How long certificates are asked for.
    pub certificate_lifetime: Duration,
    /// How long streams may go on after a stop.
    pub grace: Duration,
    /// How many threads the data path has.
    pub workers: usize,
    /// Whether two pods of this node are joined in this process instead of through a tunnel.
    pub local_direct: bool,
    /// The admin server.
    pub admin: SocketAddr,
    /// The metrics server.
    pub stats: SocketAddr,
    /// The readiness server.
    pub readiness: SocketAddr,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// A variable with a value that means nothing.
    pub fn from_env() -> Result<Self, Invalid> {
        let xds_address = text("XDS_ADDRESS", "istiod.istio-system.svc:15012");
        let local = text("LOCAL_TRANSPORT", "direct");
        let address = |port| SocketAddr::from(([0_u16; 8], port));
        Ok(Self {
            node_name: text("NODE_NAME", ""),
            pod_name: text("POD_NAME", "ztunnel"),
            pod_namespace: text("POD_NAMESPACE", "istio-system"),
            instance_ip: text("INSTANCE_IP", "1.1.1.1"),
            cluster_id: text("CLUSTER_ID", &text("ISTIO_META_CLUSTER_ID", "Kubernetes")),
            network: text("NETWORK", ""),
            trust_domain: text("TRUST_DOMAIN", ""),
            ca_address: text("CA_ADDRESS", &xds_address),
            xds_address,
            xds_roots: text("XDS_ROOT_CA", "/var/run/secrets/istio/root-cert.pem").into(),
            ca_roots: text("CA_ROOT_CA", "/var/run/secrets/istio/root-cert.pem").into(),
            token: text("AUTH_TOKEN", "/var/run/secrets/tokens/istio-token").into(),
            zds_socket: text("INPOD_UDS", "/var/run/ztunnel/ztunnel.sock").into(),
            certificate_lifetime: lifetime("SECRET_TTL", Duration::from_secs(24 * 3600))?,
            grace: grace("TERMINATION_GRACE_PERIOD_SECONDS", 30)?,
            workers: match number("ZTUNNEL_WORKER_THREADS", 0)? {
                0 => std::thread::available_parallelism().map_or(2, |cores| cores.get().div_ceil(4)).max(2),
                workers => workers,
            },
            local_direct: match &*local {
                "direct" => true,
                "hbone" => false,
                _ => return Err(Invalid::new("LOCAL_TRANSPORT", local, "direct or hbone")),
            },
            admin: SocketAddr::from(([127, 0, 0, 1], number("ADMIN_PORT", 15000)?)),
            stats: address(number("STATS_PORT", 15020)?),
            readiness: address(number("READINESS_PORT", 15021)?),
        })
    }

    /// Returns who this proxy is to the control plane.
    #[must_use]
    pub fn node(&self) -> Node {
        let string = |s: &str| prost_types::Value { kind: Some(prost_types::value::Kind::StringValue(s.to_owned())) };
        let fields = [
            ("NAME", &self.pod_name),
            ("NAMESPACE", &self.pod_namespace),
            ("INSTANCE_IPS", &self.instance_ip),
            ("NODE_NAME", &self.node_name),
            ("CLUSTER_ID", &self.cluster_id),
        ];
        let fields: BTreeMap<String, prost_types::Value> =
            fields.iter().map(|(k, v)| ((*k).to_owned(), string(v))).collect();
        let (ip, pod, namespace) = (&self.instance_ip, &self.pod_name, &self.pod_namespace);
        Node {
            id: format!("ztunnel~{ip}~{pod}.{namespace}~{namespace}.svc.cluster.local"),
            metadata: Some(prost_types::Struct { fields }),
            ..Node::default()
        }
    }
}
