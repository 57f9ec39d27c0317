//! The agent's metrics; names as Istio's dashboards know them, and a few of ours (`ambient_cni_*`).

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Label = [(&'static str, &'static str); 1];

/// All metrics of the process. Copies share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    events: Family<Label, Counter>,
    requests: Family<Label, Counter>,
    installs: Family<Label, Counter>,
    pods: Family<Label, Gauge>,
    bypassing: Family<[(&'static str, String); 2], Gauge>,
    /// Whether the plugin is in place.
    pub install_ready: Gauge,
    /// Connections of ztunnels.
    pub ztunnel_connected: Gauge,
    /// Pods whose rules were found missing or changed, and restored.
    pub repaired: Counter,
}

impl Metrics {
    /// Registers the metrics.
    pub fn register(&self, registry: &mut Registry) {
        let (events, requests) = (self.events.clone(), self.requests.clone());
        registry.register("nodeagent_reconcile_events", "Enrolments and un-enrolments", events);
        registry.register("istio_cni_plugin_requests", "Questions of the plugin", requests);
        registry.register("istio_cni_installs", "Installations of the plugin", self.installs.clone());
        let ready = self.install_ready.clone();
        registry.register("istio_cni_install_ready", "Whether the plugin is in place", ready);
        let connected = self.ztunnel_connected.clone();
        registry.register("ztunnel_connected", "Connections of ztunnels", connected);
        let repaired = self.repaired.clone();
        registry.register("ambient_cni_rules_repaired", "Pods whose lost rules were restored", repaired);
        registry.register("ambient_cni_pods", "Pods of the node by state", self.pods.clone());
        registry.register(
            "ambient_cni_bypassing_streams",
            "Connections of an enrolled pod that are older than its enrolment",
            self.bypassing.clone(),
        );
    }

    /// Counts an event: `add`, `remove`, `retry`.
    pub fn event(&self, kind: &'static str) {
        self.events.get_or_create(&[("type", kind)]).inc();
    }

    /// Counts an answer to the plugin.
    pub fn request(&self, response_code: &'static str) {
        self.requests.get_or_create(&[("response_code", response_code)]).inc();
    }

    /// Counts an installation.
    pub fn install(&self, result: &'static str) {
        self.installs.get_or_create(&[("result", result)]).inc();
    }

    /// Sets the number of an enrolled pod's connections that do not run through ztunnel, or forgets it.
    pub fn bypassing(&self, namespace: &str, pod: &str, streams: Option<usize>) {
        let labels = [("namespace", namespace.to_owned()), ("pod", pod.to_owned())];
        match streams {
            Some(n) => {
                self.bypassing.get_or_create(&labels).set(n as i64);
            }
            None => {
                self.bypassing.remove(&labels);
            }
        }
    }

    /// Moves a pod from one state to another.
    pub fn moved(&self, from: Option<&'static str>, to: Option<&'static str>) {
        if let Some(from) = from {
            self.pods.get_or_create(&[("state", from)]).dec();
        }
        if let Some(to) = to {
            self.pods.get_or_create(&[("state", to)]).inc();
        }
    }
}
