//! Telemetry for waypoints: what of it they can do, and what is refused.

use std::collections::BTreeMap;

use model::{
    l7::telemetry::{LogRule, Metric, MetricRule, Scope, Tag, Telemetry, TraceRule},
    workload::Name,
};
use source::{
    api::telemetry::{self as written, Side, TagOperation, TelemetrySpec},
    object::ObjectKey,
};

use crate::l7::{known::Lookup, policy::Attachment, providers::Providers, text::header_name};

/// Which object.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Its name.
    pub key: &'a ObjectKey,
    /// When it was made.
    pub created: &'a str,
    /// The generation of its specification.
    pub generation: i64,
}

/// Returns what an object is about; `attachment` is what its targets are, if it has any.
#[must_use]
pub fn scope(key: &ObjectKey, attachment: Option<&Attachment>, lookup: &Lookup<'_>) -> Scope {
    match attachment {
        Some(attachment) => Scope::Targets(attachment.targets.clone()),
        None if key.namespace == lookup.root() => Scope::Mesh,
        None => Scope::Namespace,
    }
}

/// Converts an object.
///
/// # Errors
/// All that is wrong with it.
pub fn convert(
    about: About<'_>,
    spec: &TelemetrySpec,
    scope: Scope,
    lookup: &Lookup<'_>,
) -> Result<Telemetry, Vec<String>> {
    let mut reader = Reader { providers: lookup.providers(), faults: Vec::new() };
    if spec.selector.as_ref().is_some_and(|selector| !selector.match_labels.is_empty()) {
        let why =
            "selector picks pods, before which no proxy of layer 7 stands: name a Service or a Gateway in targetRefs";
        reader.faults.push(why.to_owned());
    }
    let metrics = spec.metrics.iter().enumerate().flat_map(|(at, metrics)| reader.metrics(at, metrics)).collect();
    let logging = spec.access_logging.iter().enumerate().filter_map(|(at, log)| reader.logging(at, log)).collect();
    let tracing = spec.tracing.iter().enumerate().filter_map(|(at, tracing)| reader.tracing(at, tracing)).collect();
    if !reader.faults.is_empty() {
        return Err(reader.faults);
    }
    let (namespace, name) = ((*about.key.namespace).into(), (*about.key.name).into());
    let measured = spec.metrics.iter().any(|metrics| !metrics.providers.is_empty());
    Ok(Telemetry { namespace, name, created: about.created.into(), scope, metrics, measured, logging, tracing })
}

struct Reader<'p> {
    providers: &'p Providers,
    faults: Vec<String>,
}

/// Tells whether something is for waypoints: they speak for the server, as Istio's do.
fn ours(side: Side) -> bool {
    matches!(side, Side::ClientAndServer | Side::Server)
}

impl Reader<'_> {
    fn fault(&mut self, at: &str, why: impl std::fmt::Display) {
        self.faults.push(format!("{at}: {why}"));
    }

    fn metrics(&mut self, at: usize, metrics: &written::Metrics) -> Vec<MetricRule> {
        let at = format!("metrics[{at}]");
        for provider in metrics.providers.iter().filter(|p| !self.providers.measures(&p.name)).collect::<Vec<_>>() {
            self.fault(
                &at,
                format!("provider {} is none for metrics: waypoints are scraped by Prometheus", provider.name),
            );
        }
        if metrics.reporting_interval.is_some() {
            self.fault(&at, "reportingInterval is not supported: counts are always up to date");
        }
        let rules = metrics.overrides.iter().enumerate();
        rules.filter_map(|(index, rule)| self.rule(&format!("{at}.overrides[{index}]"), rule)).collect()
    }

    fn rule(&mut self, at: &str, rule: &written::MetricsOverride) -> Option<MetricRule> {
        let matched = rule.matched.clone().unwrap_or_default();
        if matched.custom_metric.as_deref().is_some_and(|name| !name.is_empty()) {
            self.fault(at, "customMetric is not supported: waypoints have Istio's standard metrics");
        }
        let metric = match matched.metric {
            None | Some(written::Metric::AllMetrics) => None,
            Some(metric) => {
                let known = self::metric(metric);
                if known.is_none() && ours(matched.mode) {
                    self.fault(at, "metrics of connections cannot be changed at waypoints");
                }
                known
            }
        };
        let mut tags = BTreeMap::new();
        for (name, tag) in &rule.tag_overrides {
            match self::tag(name, tag) {
                Ok(value) => drop(tags.insert(Name::from(&**name), value)),
                Err(why) => self.fault(&format!("{at}.tagOverrides.{name}"), why),
            }
        }
        ours(matched.mode).then_some(MetricRule { metric, disabled: rule.disabled, tags })
    }

    fn logging(&mut self, at: usize, log: &written::AccessLogging) -> Option<LogRule> {
        let at = format!("accessLogging[{at}]");
        let mut providers = Vec::new();
        for provider in &log.providers {
            match self.providers.named(&provider.name, false) {
                Ok(name) => providers.push(name),
                Err(why) => self.fault(&at, why),
            }
        }
        let filter = log.filter.as_ref().map(|f| &*f.expression).filter(|text| !text.trim().is_empty());
        let filter = filter.and_then(|text| match text.parse() {
            Ok(filter) => Some(filter),
            Err(why) => {
                self.fault(&format!("{at}.filter"), format!("{text:?}: {why}"));
                None
            }
        });
        let side = log.matched.unwrap_or_default().mode;
        ours(side).then_some(LogRule { providers, disabled: log.disabled == Some(true), filter })
    }

    fn tracing(&mut self, at: usize, tracing: &written::Tracing) -> Option<TraceRule> {
        let at = format!("tracing[{at}]");
        let mut provider = None;
        match &*tracing.providers {
            [] => {}
            [one] => match self.providers.named(&one.name, true) {
                Ok(name) => provider = Some(name),
                Err(why) => self.fault(&at, why),
            },
            _ => self.fault(&at, "only one provider is supported"),
        }
        let sampling = tracing.random_sampling_percentage;
        if sampling.is_some_and(|share| !(0.0..=100.0).contains(&share)) {
            self.fault(&at, "randomSamplingPercentage has to be from 0 to 100");
        }
        if tracing.use_request_id_for_trace_sampling == Some(true) {
            self.fault(&at, "useRequestIdForTraceSampling is not supported: a trace's own headers carry the decision");
        }
        let mut tags = BTreeMap::new();
        for (name, tag) in &tracing.custom_tags {
            match custom(tag) {
                Ok(tag) => drop(tags.insert(Name::from(&**name), tag)),
                Err(why) => self.fault(&format!("{at}.customTags.{name}"), why),
            }
        }
        ours(tracing.matched.unwrap_or_default().mode).then_some(TraceRule {
            provider,
            sampling,
            disabled: tracing.disable_span_reporting,
            silent: tracing.disable_context_propagation,
            istio_tags: tracing.enable_istio_tags,
            tags,
        })
    }
}

fn metric(metric: written::Metric) -> Option<Metric> {
    Some(match metric {
        written::Metric::RequestCount => Metric::RequestCount,
        written::Metric::RequestDuration => Metric::RequestDuration,
        written::Metric::RequestSize => Metric::RequestSize,
        written::Metric::ResponseSize => Metric::ResponseSize,
        written::Metric::GrpcRequestMessages => Metric::RequestMessages,
        written::Metric::GrpcResponseMessages => Metric::ResponseMessages,
        _ => return None,
    })
}

fn tag(name: &str, tag: &written::TagOverride) -> Result<Option<model::l7::expression::Expression>, String> {
    // A label's name (Prometheus, Data model); `le` is the bound of a histogram.
    let right = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if !name.bytes().all(right) || name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() || name == "le" {
        return Err(format!("{name:?} is no name of a label"));
    }
    match (tag.operation, tag.value.as_deref().filter(|value| !value.is_empty())) {
        (TagOperation::Remove, _) => Ok(None),
        (TagOperation::Upsert, None) => Err("value has to be there".to_owned()),
        (TagOperation::Upsert, Some(value)) => value.parse().map(Some).map_err(|why| format!("{value:?}: {why}")),
    }
}

fn custom(tag: &written::CustomTag) -> Result<Tag, String> {
    let fallback = |named: &written::Named| Name::from(&*named.default_value);
    match tag {
        written::CustomTag { literal: Some(literal), header: None, environment: None, formatter: None } => {
            Ok(Tag::Literal((*literal.value).into()))
        }
        written::CustomTag { literal: None, header: Some(header), environment: None, formatter: None } => {
            Ok(Tag::Header(header_name(&header.name)?, fallback(header)))
        }
        written::CustomTag { literal: None, header: None, environment: Some(variable), formatter: None } => {
            Ok(Tag::Environment((*variable.name).into(), fallback(variable)))
        }
        _ => {
            Err("exactly one of literal, header and environment has to be there; formatter is not supported".to_owned())
        }
    }
}

#[cfg(test)]
mod tests;
