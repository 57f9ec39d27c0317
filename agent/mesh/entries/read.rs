//! ServiceEntries as they are kept.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

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
    object::{Custom, Map},
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
    /// When it was made.
    pub(super) created: String,
    hosts: Vec<String>,
    /// The addresses and ranges that are written in it, with the length of each prefix.
    pub(super) blocks: Vec<(IpAddr, u8)>,
    /// The addresses that were allotted to its hosts, as its status tells.
    pub(super) told: HashMap<String, Vec<IpAddr>>,
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
        let blocks = spec.iter().flat_map(|s| &s.addresses).filter_map(|text| block(text)).collect();
        let told = ServiceEntryStatus::deserialize(&custom.status).map(|status| status.addresses).unwrap_or_default();
        Self {
            labels: custom.labels,
            annotations: custom.annotations,
            spec,
            version: custom.version,
            served: custom.served,
            status: custom.status,
            created: custom.created,
            hosts,
            blocks,
            told: by_host(&told),
        }
    }

    /// Returns its hosts, without those that it cannot serve.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &String> {
        self.hosts.iter()
    }

    /// Returns the single addresses that are written in it.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.blocks.iter().filter(|(address, length)| *length == whole(*address)).map(|(address, _)| *address)
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

    /// Returns what it selects by; none if it selects nothing.
    pub(super) fn selector(&self) -> Option<&Map> {
        let selector = &self.spec.as_ref()?.workload_selector.as_ref()?.labels;
        (!selector.is_empty()).then_some(selector)
    }

    /// Tells whether it selects what has these labels.
    pub(super) fn selects(&self, labels: &Map) -> bool {
        self.selector().is_some_and(|s| s.iter().all(|(k, v)| labels.get(k) == Some(v)))
    }

    /// Tells whether what another version of it selects is told the same.
    pub(super) fn selects_as(&self, other: &Self) -> bool {
        (&self.created, &self.hosts, &self.spec) == (&other.created, &other.hosts, &other.spec)
    }

    /// Returns its ports on something that it selects; an entry may name others of its own.
    pub(super) fn ports_on(&self, own: &BTreeMap<String, u16>) -> Ports {
        let ports = self.spec.iter().flat_map(|s| &s.ports);
        ports.map(|p| (p.number, own.get(&p.name).copied().unwrap_or_else(|| target(p)))).collect()
    }
}

/// Sorts addresses by their hosts.
pub(super) fn by_host(told: &[AllottedAddress]) -> HashMap<String, Vec<IpAddr>> {
    let mut found: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for AllottedAddress { host, value } in told {
        if let Ok(address) = value.parse() {
            found.entry(host.clone()).or_default().push(address);
        }
    }
    found
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
