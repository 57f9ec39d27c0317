//! What is said in several places about one port of one subset, laid upon each other.

use model::l7::destination as model;
use source::api::{
    destination_rule::{
        ClientTls, ConnectionPool, OutlierDetection, PortTrafficPolicy, ProxyProtocol, ProxyProtocolVersion,
        RetryBudget, TrafficPolicy, Tunnel,
    },
    load_balancer::LoadBalancer,
};

use crate::l7::destination::traffic;

/// The settings that count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layers<'a> {
    balancer: Option<&'a LoadBalancer>,
    pool: Option<&'a ConnectionPool>,
    outliers: Option<&'a OutlierDetection>,
    tls: Option<&'a ClientTls>,
    tunnel: Option<&'a Tunnel>,
    proxy_protocol: Option<&'a ProxyProtocol>,
    retry_budget: Option<&'a RetryBudget>,
}

impl<'a> Layers<'a> {
    /// Takes the settings of a policy without those of ports.
    #[must_use]
    pub fn of(policy: &'a TrafficPolicy) -> Self {
        let mut layers = Self::default();
        layers.put(Some(policy), None);
        layers
    }

    /// Takes the settings of a port.
    #[must_use]
    pub fn of_port(policy: &'a PortTrafficPolicy) -> Self {
        let mut layers = Self::default();
        layers.put_port(policy);
        layers
    }

    /// Lays a policy upon what there is: each of its settings in place of the one below; then those of the port.
    pub fn put(&mut self, policy: Option<&'a TrafficPolicy>, port: Option<u16>) {
        let Some(policy) = policy else { return };
        self.balancer = policy.load_balancer.as_ref().or(self.balancer);
        self.pool = policy.connection_pool.as_ref().or(self.pool);
        self.outliers = policy.outlier_detection.as_ref().or(self.outliers);
        self.tls = policy.tls.as_ref().or(self.tls);
        self.tunnel = policy.tunnel.as_ref().or(self.tunnel);
        self.proxy_protocol = policy.proxy_protocol.as_ref().or(self.proxy_protocol);
        self.retry_budget = policy.retry_budget.as_ref().or(self.retry_budget);
        let of_port = |p: &&PortTrafficPolicy| port.is_some() && p.port.map(|p| p.number) == port;
        if let Some(settings) = policy.port_level_settings.iter().find(of_port) {
            self.put_port(settings);
        }
    }

    /// Settings of a port inherit nothing: what they do not say is as if nobody had said it.
    fn put_port(&mut self, settings: &'a PortTrafficPolicy) {
        self.balancer = settings.load_balancer.as_ref();
        self.pool = settings.connection_pool.as_ref();
        self.outliers = settings.outlier_detection.as_ref();
        self.tls = settings.tls.as_ref();
    }

    /// Converts them, for endpoints of a host.
    ///
    /// # Errors
    /// A setting is wrong.
    pub fn whole(&self, hostname: &str) -> Result<model::TrafficPolicy, String> {
        let choice = self.balancer.map(traffic::choice).transpose()?.unwrap_or_default();
        Ok(model::TrafficPolicy {
            balancer: choice.balancer,
            warmup: choice.warmup,
            locality: choice.locality,
            pool: self.pool.map(traffic::pool).transpose()?.unwrap_or_default(),
            outliers: self.outliers.map(traffic::outliers).transpose()?,
            tls: self.tls.and_then(|tls| traffic::tls(tls, hostname)),
            proxy_protocol: self.proxy_protocol.map(|p| match p.version {
                ProxyProtocolVersion::V1 => 1,
                ProxyProtocolVersion::V2 => 2,
            }),
            retry_budget: self.retry_budget.map(traffic::retry_budget),
            session: None,
            tunnel: self.tunnel.map(traffic::tunnel).transpose()?,
        })
    }
}
