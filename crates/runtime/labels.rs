//! The labels of Istio's standard metrics.

use model::{Identity, Service, Workload};
use prometheus_client::encoding::EncodeLabelSet;

/// Which side of a connection reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reporter {
    /// The client's.
    Source,
    /// The server's.
    Destination,
    /// A waypoint between the two.
    Waypoint,
}

/// The labels that all of Istio's metrics have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Labels {
    reporter: String,
    source_workload: String,
    source_canonical_service: String,
    source_canonical_revision: String,
    source_workload_namespace: String,
    source_principal: String,
    source_app: String,
    source_version: String,
    source_cluster: String,
    destination_service: String,
    destination_service_namespace: String,
    destination_service_name: String,
    destination_workload: String,
    destination_canonical_service: String,
    destination_canonical_revision: String,
    destination_workload_namespace: String,
    destination_principal: String,
    destination_app: String,
    destination_version: String,
    destination_cluster: String,
    request_protocol: String,
    response_flags: String,
    connection_security_policy: String,
}

/// Who takes part in what is counted.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    /// Who reports.
    pub reporter: Reporter,
    /// The client, if known.
    pub source: Option<&'a Workload>,
    /// The client's identity, if proven.
    pub source_identity: Option<&'a Identity>,
    /// The server, if known.
    pub destination: Option<&'a Workload>,
    /// The server's identity, if proven.
    pub destination_identity: Option<&'a Identity>,
    /// The service that was addressed.
    pub service: Option<&'a Service>,
}

impl Labels {
    /// Makes labels; what is not known is `unknown`.
    #[must_use]
    pub fn new(sides: &Sides<'_>, protocol: &str, flags: &str) -> Self {
        let unknown = || "unknown".to_owned();
        let of = |w: Option<&Workload>, f: fn(&Workload) -> &str| {
            w.map(f).filter(|v| !v.is_empty()).map_or_else(unknown, ToOwned::to_owned)
        };
        let principal = |id: Option<&Identity>| id.map_or_else(unknown, ToString::to_string);
        let Sides { source, destination, .. } = *sides;
        let service = |f: fn(&Service) -> &str| sides.service.map(f).map_or_else(unknown, ToOwned::to_owned);
        let secured = sides.source_identity.is_some() && sides.destination_identity.is_some();
        let reporter = match sides.reporter {
            Reporter::Source => "source",
            Reporter::Destination => "destination",
            Reporter::Waypoint => "waypoint",
        };
        Self {
            reporter: reporter.to_owned(),
            source_workload: of(source, |w| &w.workload_name),
            source_canonical_service: of(source, |w| &w.canonical_name),
            source_canonical_revision: of(source, |w| &w.canonical_revision),
            source_workload_namespace: of(source, |w| &w.namespace),
            source_principal: principal(sides.source_identity),
            source_app: of(source, |w| &w.canonical_name),
            source_version: of(source, |w| &w.canonical_revision),
            source_cluster: of(source, |w| &w.cluster_id),
            destination_service: service(|s| &s.key.hostname),
            destination_service_namespace: service(|s| &s.key.namespace),
            destination_service_name: service(|s| &s.name),
            destination_workload: of(destination, |w| &w.workload_name),
            destination_canonical_service: of(destination, |w| &w.canonical_name),
            destination_canonical_revision: of(destination, |w| &w.canonical_revision),
            destination_workload_namespace: of(destination, |w| &w.namespace),
            destination_principal: principal(sides.destination_identity),
            destination_app: of(destination, |w| &w.canonical_name),
            destination_version: of(destination, |w| &w.canonical_revision),
            destination_cluster: of(destination, |w| &w.cluster_id),
            request_protocol: protocol.to_owned(),
            response_flags: flags.to_owned(),
            connection_security_policy: if secured { "mutual_tls" } else { "unknown" }.to_owned(),
        }
    }

    /// Returns their names and values, for whoever changes some.
    #[must_use]
    pub fn into_pairs(self) -> [(&'static str, String); 23] {
        [
            ("reporter", self.reporter),
            ("source_workload", self.source_workload),
            ("source_canonical_service", self.source_canonical_service),
            ("source_canonical_revision", self.source_canonical_revision),
            ("source_workload_namespace", self.source_workload_namespace),
            ("source_principal", self.source_principal),
            ("source_app", self.source_app),
            ("source_version", self.source_version),
            ("source_cluster", self.source_cluster),
            ("destination_service", self.destination_service),
            ("destination_service_namespace", self.destination_service_namespace),
            ("destination_service_name", self.destination_service_name),
            ("destination_workload", self.destination_workload),
            ("destination_canonical_service", self.destination_canonical_service),
            ("destination_canonical_revision", self.destination_canonical_revision),
            ("destination_workload_namespace", self.destination_workload_namespace),
            ("destination_principal", self.destination_principal),
            ("destination_app", self.destination_app),
            ("destination_version", self.destination_version),
            ("destination_cluster", self.destination_cluster),
            ("request_protocol", self.request_protocol),
            ("response_flags", self.response_flags),
            ("connection_security_policy", self.connection_security_policy),
        ]
    }
}
