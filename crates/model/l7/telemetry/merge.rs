//! From the objects above a service to what is in effect for it.

use std::collections::BTreeMap;

use super::{BUILT_IN, Metric, Tag, Telemetry};
use crate::{l7::expression::Expression, workload::Name};

/// What is in effect for a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective {
    /// Where requests are logged.
    pub logging: Vec<Logging>,
    /// How they are traced.
    pub tracing: Tracing,
    /// What is different about metrics.
    pub metrics: BTreeMap<Metric, Changes>,
}

/// One place where requests are logged.
#[derive(Clone, Debug, PartialEq)]
pub struct Logging {
    /// The provider.
    pub provider: Name,
    /// Which requests; none for all.
    pub filter: Option<Expression>,
}

/// How requests are traced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tracing {
    /// Where spans go.
    pub provider: Option<Name>,
    /// How many of the requests that nobody decided over are sampled, per cent.
    pub sampling: Option<f64>,
    /// Whether no spans are reported.
    pub disabled: bool,
    /// Whether the headers of a trace are left as they came.
    pub silent: bool,
    /// Whether spans lack the tags that tell who asks whom.
    pub plain: bool,
    /// More tags.
    pub tags: BTreeMap<Name, Tag>,
}

/// What is different about one metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// It is left out.
    pub disabled: bool,
    /// What its labels are; one without is left out.
    pub tags: BTreeMap<Name, Option<Expression>>,
}

impl Default for Effective {
    fn default() -> Self {
        Self::of(&[])
    }
}

impl Effective {
    /// Adds up objects, from the widest to the narrowest.
    #[must_use]
    pub fn of(objects: &[&Telemetry]) -> Self {
        Self { logging: logging(objects), tracing: tracing(objects), metrics: metrics(objects) }
    }
}

fn metrics(objects: &[&Telemetry]) -> BTreeMap<Metric, Changes> {
    let mut all: BTreeMap<Metric, Changes> = BTreeMap::new();
    for rule in objects.iter().flat_map(|o| &o.metrics) {
        let one = rule.metric.map(|metric| [metric]);
        for metric in one.as_ref().map_or(&Metric::ALL[..], |one| one) {
            let changes = all.entry(*metric).or_default();
            changes.disabled = rule.disabled.unwrap_or(changes.disabled);
            changes.tags.extend(rule.tags.iter().map(|(name, tag)| (name.clone(), tag.clone())));
        }
    }
    all.retain(|_, changes| *changes != Changes::default());
    all
}

fn logging(objects: &[&Telemetry]) -> Vec<Logging> {
    // The narrowest object that names providers says which there are; the wider ones say more about these alone.
    let mut named: Vec<Name> = vec![BUILT_IN.into()];
    for object in objects {
        let own: Vec<Name> = object.logging.iter().flat_map(|rule| &rule.providers).cloned().collect();
        if !own.is_empty() {
            named = own;
        }
    }
    let mut all: BTreeMap<Name, Option<Expression>> = BTreeMap::new();
    // Those that a rule without providers is about: of the object above.
    let mut above: Vec<Name> = vec![BUILT_IN.into()];
    if objects.iter().all(|object| object.logging.is_empty()) {
        all.insert(BUILT_IN.into(), None);
    }
    for rule in objects.iter().flat_map(|o| &o.logging) {
        if !rule.providers.is_empty() {
            above.clone_from(&rule.providers);
        }
        for provider in above.iter().filter(|provider| named.contains(provider)) {
            if rule.disabled {
                all.remove(provider);
            } else {
                all.insert(provider.clone(), rule.filter.clone());
            }
        }
    }
    all.into_iter().map(|(provider, filter)| Logging { provider, filter }).collect()
}

fn tracing(objects: &[&Telemetry]) -> Tracing {
    let mut all = Tracing::default();
    for rule in objects.iter().flat_map(|o| &o.tracing) {
        if rule.provider.is_some() {
            all.provider.clone_from(&rule.provider);
        }
        all.sampling = rule.sampling.or(all.sampling);
        all.disabled = rule.disabled.unwrap_or(all.disabled);
        all.silent = rule.silent.unwrap_or(all.silent);
        all.plain = rule.istio_tags.map_or(all.plain, |tags| !tags);
        all.tags.extend(rule.tags.iter().map(|(name, tag)| (name.clone(), tag.clone())));
    }
    all
}
