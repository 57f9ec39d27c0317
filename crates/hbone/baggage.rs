//! What the two sides of a tunnel tell of themselves: the `baggage` header (W3C Baggage, with OpenTelemetry's names).

use model::Workload;

/// The workload at the other end, as it says; for telemetry only, never for access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baggage {
    /// The cluster.
    pub cluster: String,
    /// The namespace.
    pub namespace: String,
    /// The workload's name.
    pub workload: String,
    /// The canonical service name.
    pub service: String,
    /// The canonical revision.
    pub version: String,
}

/// The longest header that is read, bytes.
const MAX_LENGTH: usize = 4096;

/// Writes the header for a workload.
#[must_use]
pub fn write(workload: &Workload) -> String {
    let kind = workload.workload_type.word();
    let members = [
        ("k8s.cluster.name", &workload.cluster_id),
        ("k8s.namespace.name", &workload.namespace),
        (&*format!("k8s.{kind}.name"), &workload.workload_name),
        ("service.name", &workload.canonical_name),
        ("service.version", &workload.canonical_revision),
        ("cloud.region", &workload.locality.region),
        ("cloud.availability_zone", &workload.locality.zone),
    ];
    // W3C Baggage 3.3.1: a value is visible ASCII without space, quote, comma, semicolon and backslash; what Kubernetes names
    // never hold is left out instead of escaped.
    let plain = |v: &str| !v.is_empty() && v.bytes().all(|b| b.is_ascii_graphic() && !b"\",;\\=".contains(&b));
    members.iter().filter(|(_, v)| plain(v)).map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")
}

/// Reads the header; what is malformed or unknown is passed over.
#[must_use]
pub fn read(header: &str) -> Baggage {
    let mut baggage = Baggage::default();
    if header.len() > MAX_LENGTH {
        return baggage;
    }
    for member in header.split(',') {
        let Some((key, value)) = member.split(';').next().and_then(|m| m.split_once('=')) else { continue };
        let field = match key.trim() {
            "k8s.cluster.name" => &mut baggage.cluster,
            "k8s.namespace.name" => &mut baggage.namespace,
            "k8s.deployment.name" | "k8s.pod.name" | "k8s.job.name" | "k8s.cronjob.name" => &mut baggage.workload,
            "service.name" => &mut baggage.service,
            "service.version" => &mut baggage.version,
            _ => continue,
        };
        value.trim().clone_into(field);
    }
    baggage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn baggage_round_trips_and_survives_nonsense() {
        let workload = Workload {
            namespace: "shop".into(),
            workload_name: "cart".into(),
            canonical_name: "cart,v1".into(),
            ..Workload::default()
        };
        let header = write(&workload);
        assert_eq!(header, "k8s.namespace.name=shop,k8s.deployment.name=cart");
        let read_back = read(&header);
        assert_eq!((read_back.namespace.as_str(), read_back.workload.as_str()), ("shop", "cart"));
        for nonsense in ["", ",,,", "=", "a=b;c=d,=x", "k8s.namespace.name", &"k=v,".repeat(5000)] {
            let _ = read(nonsense);
        }
    }
}
