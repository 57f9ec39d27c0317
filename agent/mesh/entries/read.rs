//! ServiceEntries as they are kept.

use std::{collections::BTreeMap, net::IpAddr};

use model::{
    service::{TargetPort, Visibility},
    workload::{Name, Ports},
};
use serde::Deserialize;
use serde_json::Value;
use source::{
    api::service_entry::{
        AllottedAddress, Resolution, ServiceEntrySpec, ServiceEntryStatus, ServicePort, WorkloadEntrySpec,
    },
    labels,
    object::{Custom, Map, ObjectKey},
};

use crate::l7::Exported;

/// A ServiceEntry.
#[derive(Clone, Debug)]
pub(in crate::mesh) struct Entry {
    /// Its labels.
    pub(in crate::mesh) labels: Map,
    /// Its annotations.
    pub(in crate::mesh) annotations: Map,
    /// What it says; none if it cannot be read.
    pub(super) spec: Option<ServiceEntrySpec>,
    /// Its resource version.
    pub(super) version: String,
    /// The version of the API that it was read in.
    pub(super) served: &'static str,
    /// Its status.
    pub(super) status: Value,
    created: String,
    hosts: Vec<String>,
}

/// Who describes a host: of several the first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::mesh) struct Claim {
    created: String,
    /// The entry.
    pub(in crate::mesh) key: ObjectKey,
}

impl Entry {
    /// Reads one.
    pub(super) fn read(custom: Custom) -> Self {
        let spec = source::api::read::<ServiceEntrySpec>(&custom.spec).spec;
        let is_dynamic = spec.as_ref().is_some_and(|s| s.resolution == Resolution::DynamicDns);
        let hosts = spec.iter().flat_map(|s| &s.hosts).map(|host| host.to_ascii_lowercase());
        // Only who asks for a name of its own tells what a wildcard stands for.
        let mut hosts: Vec<String> = hosts.filter(|host| is_dynamic || !host.starts_with('*')).collect();
        hosts.sort();
        hosts.dedup();
        Self {
            labels: custom.labels,
            annotations: custom.annotations,
            spec,
            version: custom.version,
            served: custom.served,
            status: custom.status,
            created: custom.created,
            hosts,
        }
    }

    /// Returns its hosts, without those that it cannot serve.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &String> {
        self.hosts.iter()
    }

    pub(super) fn claim(&self, key: &ObjectKey) -> Claim {
        Claim { created: self.created.clone(), key: key.clone() }
    }

    /// Returns the single addresses that are written in it.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.spec.iter().flat_map(|s| &s.addresses).filter_map(|text| match block(text)? {
            (address, length) if length == whole(address) => Some(address),
            _ => None,
        })
    }

    /// Returns the addresses that were allotted, as its status tells.
    pub(super) fn told(&self) -> Vec<AllottedAddress> {
        ServiceEntryStatus::deserialize(&self.status).map(|status| status.addresses).unwrap_or_default()
    }

    /// Tells whether connections go to the address that was asked for.
    pub(super) fn passes(&self) -> bool {
        self.spec.as_ref().is_some_and(|s| s.resolution == Resolution::None)
    }

    /// Tells whether its hosts are what is resolved, as nothing else is said of endpoints.
    pub(super) fn stands_for_itself(&self) -> bool {
        self.spec.as_ref().is_some_and(|s| {
            let by_name = matches!(s.resolution, Resolution::Dns | Resolution::DnsRoundRobin | Resolution::DynamicDns);
            s.endpoints.is_empty() && s.workload_selector.is_none() && by_name
        })
    }

    /// Returns the endpoints that it writes, or the hosts that stand for them.
    pub(super) fn endpoints(&self) -> Vec<WorkloadEntrySpec> {
        if self.stands_for_itself() {
            let named = self.hosts.iter().filter(|host| !host.starts_with('*'));
            return named.map(|host| WorkloadEntrySpec { address: host.clone(), ..Default::default() }).collect();
        }
        let written = self.spec.iter().filter(|_| !self.passes()).flat_map(|s| &s.endpoints);
        written.cloned().collect()
    }

    /// Returns the hosts that get an address of the mesh: those without one of their own, if connections can be led on.
    pub(super) fn wants_addresses(&self) -> impl Iterator<Item = &String> {
        let refused = self.labels.get(labels::ALLOCATE).is_some_and(|value| value.eq_ignore_ascii_case("false"));
        let lacking = self.spec.as_ref().is_some_and(|s| s.addresses.is_empty()) && !self.passes();
        self.hosts.iter().filter(move |_| lacking && !refused)
    }

    /// Tells whose clients see it; none if it is nobody's. Which of several other namespaces may, proxies of nodes cannot be told:
    /// to them it is everybody's.
    pub(super) fn visibility(&self, namespace: &str) -> Option<Visibility> {
        match Exported::of(&self.spec.as_ref()?.export_to, namespace) {
            Exported::Everybody => Some(Visibility::Public),
            Exported::Namespaces(names) if names.is_empty() => None,
            Exported::Namespaces(names) if names.iter().eq([namespace]) => Some(Visibility::Namespace),
            Exported::Namespaces(_) => Some(Visibility::Public),
        }
    }

    /// Tells whether it selects what has these labels.
    pub(super) fn selects(&self, labels: &Map) -> bool {
        let selector = self.spec.as_ref().and_then(|s| s.workload_selector.as_ref()).map(|s| &s.labels);
        selector.is_some_and(|s| !s.is_empty() && s.iter().all(|(k, v)| labels.get(k) == Some(v)))
    }

    /// Returns its ports on something that it selects; an entry may name others of its own.
    pub(super) fn ports_on(&self, own: &BTreeMap<String, u16>) -> Ports {
        let ports = self.spec.iter().flat_map(|s| &s.ports);
        ports.map(|p| (p.number, own.get(&p.name).copied().unwrap_or_else(|| target(p)))).collect()
    }
}

fn target(port: &ServicePort) -> u16 {
    port.target_port.filter(|target| *target != 0).unwrap_or(port.number)
}

/// Returns the ports of an entry.
pub(super) fn ports(spec: &ServiceEntrySpec) -> BTreeMap<u16, TargetPort> {
    let one = |p: &ServicePort| {
        let protocol = if p.protocol.is_empty() { p.name.split('-').next().unwrap_or_default() } else { &p.protocol };
        // istio.workload.AppProtocol
        let app_protocol = match protocol.to_ascii_lowercase().as_str() {
            "http" => 1,
            "http2" => 2,
            "grpc" | "grpc-web" => 3,
            "tcp" | "mongo" | "redis" | "mysql" => 4,
            "tls" | "https" => 5,
            _ => 0,
        };
        (p.number, TargetPort { target_port: target(p), app_protocol })
    };
    spec.ports.iter().map(one).collect()
}

/// Reads an address, or a range of them, with the length of its prefix.
pub(super) fn block(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address.parse::<IpAddr>().ok()?, Some(length.parse::<u8>().ok()?)),
        None => (text.parse::<IpAddr>().ok()?, None),
    };
    let most = whole(address);
    let length = length.unwrap_or(most);
    (length <= most).then_some((address, length))
}

/// Returns the length of a whole address, bits.
pub(super) fn whole(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Returns the words of a locality.
pub(super) fn locality(text: &str) -> model::workload::Locality {
    let mut parts = text.split('/').map(Name::from);
    let mut next = || parts.next().unwrap_or_default();
    model::workload::Locality { region: next(), zone: next(), subzone: next() }
}
