//! How services are reached: DestinationRules, and the policies of Gateway API for backends, made whole for each service.

pub mod backend_tls;
mod layers;
mod traffic;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use model::{
    l7::{
        destination::{ClientTls, DestinationPolicy, RetryBudget, Subset},
        filter::Session,
        matching::Source,
    },
    workload::{Name, ServiceKey},
};
use source::{
    api::destination_rule::{self as rule, DestinationRuleSpec, TrafficPolicy},
    object::ObjectKey,
};

use crate::l7::{
    destination::layers::Layers,
    hosts::{Audience, above, full, wildcard},
};

/// A DestinationRule that is right as such.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name.
    pub key: ObjectKey,
    /// When it was made.
    pub created: String,
    /// The whole name of its host, or a pattern of hosts.
    pub host: String,
    /// What it says.
    pub spec: Arc<DestinationRuleSpec>,
}

impl Rule {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, one message each.
    pub fn read(
        key: &ObjectKey,
        created: &str,
        spec: Arc<DestinationRuleSpec>,
        domain: &str,
    ) -> Result<Self, Vec<String>> {
        let host = full(&spec.host, &key.namespace, domain);
        let mut faults = Vec::new();
        let mut look = |policy: Option<&TrafficPolicy>, place: &str| {
            let Some(policy) = policy else { return };
            let wrong = Layers::of(policy).whole(&host).err();
            faults.extend(wrong.map(|why| format!("{place}: {why}")));
            for (index, port) in policy.port_level_settings.iter().enumerate() {
                let place = format!("{place}.portLevelSettings[{index}]");
                match port.port.map(|p| p.number) {
                    None | Some(0) => faults.push(format!("{place}: port.number has to be there")),
                    Some(_) => {
                        faults.extend(Layers::of_port(port).whole(&host).err().map(|why| format!("{place}: {why}")))
                    }
                }
            }
        };
        look(spec.traffic_policy.as_ref(), "trafficPolicy");
        for (index, subset) in spec.subsets.iter().enumerate() {
            look(subset.traffic_policy.as_ref(), &format!("subsets[{index}].trafficPolicy"));
        }
        if host.is_empty() {
            faults.push("host is empty".to_owned());
        }
        if faults.is_empty() {
            Ok(Self { key: key.clone(), created: created.to_owned(), host, spec })
        } else {
            Err(faults)
        }
    }

    fn audience(&self) -> Audience {
        Audience::of(&self.spec.export_to, &self.key.namespace)
    }

    fn age(&self) -> (&str, &ObjectKey) {
        (&self.created, &self.key)
    }
}

/// The rules by the hosts that they name.
#[derive(Debug, Default)]
pub struct Rules(BTreeMap<String, BTreeMap<ObjectKey, Rule>>);

impl Rules {
    /// Takes in a rule.
    pub fn insert(&mut self, rule: Rule) {
        self.0.entry(rule.host.clone()).or_default().insert(rule.key.clone(), rule);
    }

    /// Takes out a rule of a host.
    pub fn remove(&mut self, host: &str, key: &ObjectKey) {
        if let Some(of_host) = self.0.get_mut(host) {
            of_host.remove(key);
            if of_host.is_empty() {
                self.0.remove(host);
            }
        }
    }

    /// Returns the rules of a host, those that name it most exactly first.
    fn of(&self, host: &str) -> impl Iterator<Item = &Rule> {
        let patterns = above(host).map(|domain| if domain.is_empty() { "*".to_owned() } else { format!("*.{domain}") });
        let mut names: Vec<String> = std::iter::once(host.to_owned()).chain(patterns).collect();
        // A host that is a pattern itself is there twice.
        names.dedup();
        names.into_iter().filter_map(|name| self.0.get(&name)).flat_map(BTreeMap::values)
    }
}

/// Returns the names of the Secrets that a rule names for TLS of our own making.
#[must_use]
pub fn credentials(spec: &DestinationRuleSpec) -> BTreeSet<&str> {
    let subsets = spec.subsets.iter().filter_map(|s| s.traffic_policy.as_ref());
    let policies = spec.traffic_policy.iter().chain(subsets);
    let settings = policies.flat_map(|policy| {
        let ports = policy.port_level_settings.iter().map(|port| port.tls.as_ref());
        std::iter::once(policy.tls.as_ref()).chain(ports)
    });
    let used = settings.flatten().filter(|tls| matches!(tls.mode, rule::TlsMode::Simple | rule::TlsMode::Mutual));
    used.filter_map(|tls| tls.credential_name.as_deref()).filter(|name| !name.is_empty()).collect()
}

/// Tells whether a host is one of a pattern.
#[must_use]
pub fn covers(pattern: &str, host: &str) -> bool {
    pattern == host || wildcard(pattern).is_some_and(|domain| above(host).any(|d| d == domain))
}

/// What else is said about a service, beside DestinationRules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extras {
    /// TLS of a BackendTLSPolicy, by port, or for all.
    pub tls: BTreeMap<Option<u16>, ClientTls>,
    /// How much of the load may be repetitions.
    pub retry_budget: Option<RetryBudget>,
    /// Whether a client stays with its endpoint.
    pub session: Option<Session>,
}

/// Where a service stands among namespaces.
#[derive(Clone, Copy, Debug)]
pub struct Stand<'a> {
    /// The service.
    pub service: &'a ServiceKey,
    /// The namespace of its waypoint.
    pub waypoint: Option<&'a str>,
    /// The namespace of mesh-wide policies.
    pub root: &'a str,
}

/// Returns the policies of a service.
///
/// Rules of a client's own namespace come before those of the waypoint's, those before the service's, and those before the
/// mesh's; of one namespace those that name the host most exactly count. `exportTo` and `workloadSelector` say for which clients
/// they are.
#[must_use]
pub fn policies(rules: &Rules, stand: Stand<'_>, extras: &Extras) -> Vec<DestinationPolicy> {
    let mut out = Vec::new();
    let mut bases = 0;
    for (source, group) in groups(rules, stand) {
        bases += usize::from(source.is_anybody());
        out.extend(whole(&group, stand.service, &source, extras));
    }
    if bases == 0 && *extras != Extras::default() {
        out.extend(whole(&[], stand.service, &Source::default(), extras));
    }
    out
}

/// Parts the rules of a service by the clients that they are for; no client is named twice.
fn groups<'r>(rules: &'r Rules, stand: Stand<'_>) -> Vec<(Source, Vec<&'r Rule>)> {
    let service = stand.service;
    let mut by_namespace: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    let mut selecting = Vec::new();
    for rule in rules.of(&service.hostname) {
        match rule.spec.workload_selector.as_ref().filter(|s| !s.match_labels.is_empty()) {
            Some(selector) => {
                let labels = selector.match_labels.iter().map(|(k, v)| ((**k).into(), (**v).into())).collect();
                selecting.push((Source { namespace: Some((*rule.key.namespace).into()), labels }, rule));
            }
            None => {
                let same = by_namespace.entry(&rule.key.namespace).or_default();
                // They come from the most exact on.
                if same.first().is_none_or(|first| first.host == rule.host) {
                    same.push(rule);
                }
            }
        }
    }
    let mut out: Vec<(Source, Vec<&Rule>)> = Vec::new();
    let mut add = |source: Source, rules: Vec<&'r Rule>| {
        if !out.iter().any(|(known, _)| *known == source) {
            out.push((source, rules));
        }
    };
    selecting.sort_by_key(|(_, rule)| rule.age());
    selecting.into_iter().for_each(|(source, rule)| add(source, vec![rule]));
    let common: Vec<&str> = {
        let mut all: Vec<&str> = stand.waypoint.into_iter().chain([&*service.namespace, stand.root]).collect();
        all.dedup();
        all
    };
    for (namespace, rules) in &by_namespace {
        let mut own: Vec<&Rule> = rules.iter().copied().filter(|r| r.audience().has(namespace)).collect();
        own.sort_by_key(|rule| rule.age());
        if !own.is_empty() && !common.contains(namespace) {
            add(Source { namespace: Some((*namespace).into()), labels: BTreeMap::new() }, own);
        }
    }
    for namespace in common {
        let mut rules = by_namespace.remove(namespace).unwrap_or_default();
        rules.sort_by_key(|rule| rule.age());
        // Those for the same clients are one; the oldest first.
        while let Some(audience) = rules.first().map(|rule| rule.audience()) {
            let (same, rest): (Vec<&Rule>, Vec<&Rule>) = rules.into_iter().partition(|r| r.audience() == audience);
            match audience {
                Audience::Everybody => add(Source::default(), same),
                Audience::Namespaces(names) => names.iter().for_each(|name| {
                    add(Source { namespace: Some((**name).into()), labels: BTreeMap::new() }, same.clone());
                }),
            }
            rules = rest;
        }
    }
    out
}

/// Makes the policies of rules for the same clients: of several the oldest that says something about the whole counts, and the
/// oldest of each subset.
fn whole(rules: &[&Rule], service: &ServiceKey, source: &Source, extras: &Extras) -> Vec<DestinationPolicy> {
    let top = rules.iter().find_map(|rule| rule.spec.traffic_policy.as_ref());
    let mut subsets: Vec<&rule::Subset> = Vec::new();
    for subset in rules.iter().flat_map(|rule| &rule.spec.subsets) {
        if !subsets.iter().any(|known| known.name == subset.name) {
            subsets.push(subset);
        }
    }
    let mut out = Vec::new();
    for subset in std::iter::once(None).chain(subsets.into_iter().map(Some)) {
        let own = subset.and_then(|s| s.traffic_policy.as_ref());
        let of = |policy: Option<&TrafficPolicy>| -> Vec<u16> {
            policy.into_iter().flat_map(|p| &p.port_level_settings).filter_map(|p| Some(p.port?.number)).collect()
        };
        let mut ports: Vec<Option<u16>> = of(top).into_iter().chain(of(own)).map(Some).collect();
        ports.extend(extras.tls.keys());
        ports.push(None);
        ports.sort_unstable();
        ports.dedup();
        for port in ports {
            let mut layers = Layers::default();
            layers.put(top, port);
            layers.put(own, port);
            // They were looked at when they were read.
            let Ok(mut traffic) = layers.whole(&service.hostname) else { continue };
            if let Some(tls) = extras.tls.get(&port).or_else(|| extras.tls.get(&None)) {
                traffic.tls = Some(tls.clone());
            }
            traffic.retry_budget = extras.retry_budget.or(traffic.retry_budget);
            traffic.session.clone_from(&extras.session);
            out.push(DestinationPolicy {
                name: name(service, source, subset, port),
                service: service.clone(),
                source: source.clone(),
                port,
                subset: subset.map(|s| Subset {
                    name: (*s.name).into(),
                    labels: s.labels.iter().map(|(k, v)| ((**k).into(), (**v).into())).collect(),
                }),
                traffic,
            });
        }
    }
    out
}

fn name(service: &ServiceKey, source: &Source, subset: Option<&rule::Subset>, port: Option<u16>) -> Name {
    let mut name = service.to_string();
    if let Some(namespace) = &source.namespace {
        name.push_str(&format!("/from={namespace}"));
    }
    for (label, value) in &source.labels {
        name.push_str(&format!("/label={label}={value}"));
    }
    if let Some(subset) = subset {
        name.push_str(&format!("/subset={}", subset.name));
    }
    if let Some(port) = port {
        name.push_str(&format!("/port={port}"));
    }
    name.into()
}

#[cfg(test)]
mod tests;
