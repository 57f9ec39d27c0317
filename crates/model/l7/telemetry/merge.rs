//! From the objects above a service to what is in effect for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BUILT_IN, Metric, Tag, Telemetry};
use crate::{l7::expression::Expression, workload::Name};

/// What counts where no object says anything: what the configuration of the mesh says (Istio, MeshConfig).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Defaults {
    /// Where requests are logged.
    pub logging: Vec<Name>,
    /// Where spans go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Name>,
    /// How many of the requests that nobody decided over are sampled, per cent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<f64>,
    /// Whether requests are not counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unmeasured: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { logging: vec![BUILT_IN.into()], tracing: None, sampling: None, unmeasured: false }
    }
}

impl Defaults {
    /// Tells whether they are those of a mesh that says nothing.
    #[must_use]
    pub fn are_usual(&self) -> bool {
        *self == Self::default()
    }
}

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
        Self::of(&Defaults::default(), &[])
    }
}

impl Effective {
    /// Adds up objects, from the widest to the narrowest, over the defaults.
    #[must_use]
    pub fn of(defaults: &Defaults, objects: &[&Telemetry]) -> Self {
        Self {
            logging: logging(defaults, objects),
            tracing: tracing(defaults, objects),
            metrics: metrics(defaults, objects),
        }
    }
}

fn metrics(defaults: &Defaults, objects: &[&Telemetry]) -> BTreeMap<Metric, Changes> {
    if defaults.unmeasured && !objects.iter().any(|object| object.measured) {
        let disabled = Changes { disabled: true, tags: BTreeMap::new() };
        return Metric::ALL.into_iter().map(|metric| (metric, disabled.clone())).collect();
    }
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

fn logging(defaults: &Defaults, objects: &[&Telemetry]) -> Vec<Logging> {
    // The narrowest object that names providers says which there are; the wider ones say more about these alone.
    let mut named = defaults.logging.clone();
    for object in objects {
        let own: Vec<Name> = object.logging.iter().flat_map(|rule| &rule.providers).cloned().collect();
        if !own.is_empty() {
            named = own;
        }
    }
    let mut all: BTreeMap<Name, Option<Expression>> = BTreeMap::new();
    // Those that a rule without providers is about: of the object above.
    let mut above = defaults.logging.clone();
    if objects.iter().all(|object| object.logging.is_empty()) {
        all.extend(defaults.logging.iter().map(|provider| (provider.clone(), None)));
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

fn tracing(defaults: &Defaults, objects: &[&Telemetry]) -> Tracing {
    let mut all = Tracing { provider: defaults.tracing.clone(), sampling: defaults.sampling, ..Tracing::default() };
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
