//! RateLimit, the mesh's own: what it limits, and what is wrong with it.

use std::time::Duration;

use model::{
    l7::{
        Target,
        authorization::{Attribute, Rule},
        rate_limit::{Descriptor, Entry, GlobalLimit, LocalLimit, Override, RateLimit, RouteRef, SHORTEST, Told, Unit},
        route::{BackendTarget, OriginKind},
    },
    workload::Name,
};
use source::{
    api::{
        authorization as conditions,
        backend_policy::TargetWithSection,
        istio::TargetReference,
        rate_limit::{self as written, RateLimitSpec},
        route::{GROUP, ParentReference},
    },
    object::ObjectKey,
};

use super::{Attachment, Targeted, authorization};
use crate::l7::{
    hosts::full,
    known::Lookup,
    providers::external_auth::{Named, Unusable},
    status::{Condition, joined},
};

/// How long a server may take where nothing is said. Envoy's 20 ms are too short for the first question through a new tunnel.
const TIMEOUT: Duration = Duration::from_millis(250);
/// How long it may take at most: a request waits for it.
const MOST: Duration = Duration::from_secs(30);

/// What becomes of one of the targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Attached {
    reference: ParentReference,
    attachment: Attachment,
}

/// What a specification comes to.
#[derive(Debug, PartialEq)]
pub struct Converted {
    /// What waypoints are told; none without targets.
    pub limit: Option<RateLimit>,
    /// What became of each target.
    pub targets: Vec<Attached>,
    /// Why the server cannot be asked.
    pub unresolved: Option<Unusable>,
    /// It has a server.
    pub global: bool,
}

/// Converts a specification.
///
/// # Errors
/// All that is wrong with it.
pub fn convert(key: &ObjectKey, spec: &RateLimitSpec, lookup: &Lookup<'_>) -> Result<Converted, Vec<String>> {
    let mut faults = Vec::new();
    let targets = attach(key, &spec.target_refs, lookup);
    let routes: Vec<RouteRef> = spec.target_refs.iter().filter_map(route).collect();
    if !routes.is_empty() && routes.len() < targets.len() {
        faults.push("targetRefs: routes and other targets are two objects".to_owned());
    }
    for target in spec.target_refs.iter().filter(|t| t.section_name.is_some() && route(t).is_none()) {
        faults.push(format!("targetRefs: {} {} has no sections: rules of routes have", target.kind, target.name));
    }
    if spec.local.is_empty() && spec.global.is_none() {
        faults.push("one of local and global has to be there".to_owned());
    }
    let mut local = Vec::new();
    for (at, limit) in spec.local.iter().enumerate() {
        match self::local(limit, &key.namespace) {
            Ok(limit) => local.push(limit),
            Err(why) => faults.push(format!("local[{at}]: {why}")),
        }
    }
    let mut unresolved = None;
    let global = spec.global.as_ref().map(|global| self::global(key, global, lookup, &mut unresolved)).transpose();
    let global = global.unwrap_or_else(|why| {
        faults.push(format!("global: {why}"));
        None
    });
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut all: Vec<Target> = Vec::new();
    for target in targets.iter().flat_map(|t| &t.attachment.targets) {
        if !all.contains(target) {
            all.push(target.clone());
        }
    }
    let has_global = global.is_some();
    let limit = RateLimit {
        namespace: (*key.namespace).into(),
        name: (*key.name).into(),
        targets: all,
        routes,
        local,
        global,
        headers: match spec.headers {
            written::Headers::OnLimit => Told::OnLimit,
            written::Headers::Always => Told::Always,
            written::Headers::Never => Told::Never,
        },
        resource_exhausted: spec.rate_limited_as_resource_exhausted,
        dry_run: spec.dry_run,
    };
    let limit = (!limit.targets.is_empty()).then_some(limit);
    Ok(Converted { limit, targets, unresolved, global: has_global })
}

impl Converted {
    /// Says what is wrong with the object although it can be read: a server that is not its to ask.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        match &self.unresolved {
            Some(why @ Unusable::Hidden(..)) => Some(format!("global: {why}")),
            Some(Unusable::Missing(_)) | None => None,
        }
    }
}

fn route(target: &TargetWithSection) -> Option<RouteRef> {
    let kind = match (&*target.group, &*target.kind) {
        (GROUP, "HTTPRoute") => OriginKind::HTTPRoute,
        (GROUP, "GRPCRoute") => OriginKind::GRPCRoute,
        _ => return None,
    };
    Some(RouteRef { kind, name: (*target.name).into(), rule: target.section_name.as_deref().map(Into::into) })
}

/// Looks up the targets.
#[must_use]
pub fn attach(key: &ObjectKey, references: &[TargetWithSection], lookup: &Lookup<'_>) -> Vec<Attached> {
    let one = |target: &TargetWithSection| {
        let attachment = match route(target) {
            Some(route) => attach_route(key, &route, lookup),
            None => Targeted::to(TargetReference {
                group: target.group.clone(),
                kind: target.kind.clone(),
                name: target.name.clone(),
                namespace: None,
            })
            .attach(key, lookup),
        };
        let reference = ParentReference {
            group: target.group.clone(),
            kind: target.kind.clone(),
            namespace: Some(key.namespace.clone()),
            name: target.name.clone(),
            section_name: target.section_name.clone(),
            port: None,
        };
        Attached { reference, attachment }
    };
    references.iter().map(one).collect()
}

fn attach_route(key: &ObjectKey, route: &RouteRef, lookup: &Lookup<'_>) -> Attachment {
    let mut out = Attachment::default();
    let object = ObjectKey { namespace: key.namespace.clone(), name: route.name.to_string() };
    let Some(found) = lookup.route(route.kind, &object) else {
        out.lost.push(format!("{:?} {} is not there", route.kind, route.name));
        return out;
    };
    if let Some(rule) = route.rule.as_ref().filter(|rule| !found.rules.contains(*rule)) {
        out.lost.push(format!("{:?} {} has no rule of the name {rule}", route.kind, route.name));
        return out;
    }
    let services = found.services();
    if services.is_empty() {
        out.lost.push(format!("{:?} {} has no service of the mesh as its parent", route.kind, route.name));
    }
    for service in &services {
        if lookup.waypoint(service).is_none() {
            out.unbound.push(format!(
                "{} has no waypoint: label it or its namespace with istio.io/use-waypoint",
                service.hostname
            ));
        }
        out.targets.push(Target::Service(service.clone()));
    }
    out
}

fn rules(rules: &[conditions::Rule], namespace: &str) -> Result<Vec<Rule>, String> {
    let one = |(at, rule)| authorization::rule(rule, namespace).map_err(|why| format!("match[{at}]: {why}"));
    rules.iter().enumerate().map(one).collect()
}

fn local(limit: &written::Local, namespace: &str) -> Result<LocalLimit, String> {
    let requests = limit.requests.get();
    if limit.per.0 / requests < SHORTEST {
        return Err(format!("requests: {requests} are more than a million per second"));
    }
    Ok(LocalLimit {
        matches: rules(&limit.matches, namespace)?,
        key: limit.key.iter().map(|key| attribute("key", key)).collect::<Result<_, _>>()?,
        requests,
        per: limit.per.0,
        burst: limit.burst.map_or(requests, std::num::NonZeroU32::get),
    })
}

/// Reads the name of an attribute: those of conditions, and those that a condition writes in `to`.
fn attribute(field: &str, name: &str) -> Result<Attribute, String> {
    match name {
        "request.method" => Ok(Attribute::Method),
        "request.path" => Ok(Attribute::Path),
        "request.host" => Ok(Attribute::Host),
        _ => authorization::named(name).map_err(|why| format!("{field}: {why}")),
    }
}

fn global(
    key: &ObjectKey,
    global: &written::Global,
    lookup: &Lookup<'_>,
    unresolved: &mut Option<Unusable>,
) -> Result<GlobalLimit, String> {
    if global.domain.is_empty() {
        return Err("domain is empty".to_owned());
    }
    if global.descriptors.is_empty() {
        return Err("descriptors is empty".to_owned());
    }
    let timeout = global.timeout.map_or(TIMEOUT, |timeout| timeout.0);
    if timeout.is_zero() || timeout > MOST {
        return Err(format!("timeout has to be more than 0, and at most {}s", MOST.as_secs()));
    }
    let (namespace, host) = match global.service.split_once('/') {
        Some((namespace, host)) => (Some(namespace), host),
        None => (None, &*global.service),
    };
    let host = full(host, namespace.unwrap_or(&key.namespace), lookup.domain());
    let one = |(at, descriptor)| {
        self::descriptor(descriptor, &key.namespace).map_err(|why| format!("descriptors[{at}]: {why}"))
    };
    let descriptors = global.descriptors.iter().enumerate().map(one).collect::<Result<_, _>>()?;
    // A service that is not there yet is no fault of the object: what stands beside it has its effect.
    let named = Named { namespace, host: &host, port: global.port.get() };
    let target = named.find(&key.namespace, lookup).unwrap_or_else(|why| {
        let target = BackendTarget::Invalid(why.to_string().into());
        *unresolved = Some(why);
        target
    });
    Ok(GlobalLimit {
        target,
        domain: (*global.domain).into(),
        timeout,
        fail_open: global.fail_open.unwrap_or(true),
        descriptors,
    })
}

fn descriptor(descriptor: &written::Descriptor, namespace: &str) -> Result<Descriptor, String> {
    if descriptor.entries.is_empty() {
        return Err("entries is empty".to_owned());
    }
    let entry = |entry: &written::Entry| {
        if entry.key.is_empty() {
            return Err("a key of entries is empty".to_owned());
        }
        if entry.from.is_none() && entry.value.is_none() {
            return Err(format!("entry {}: one of from and value has to be there", entry.key));
        }
        let of = entry.from.as_deref().map(|from| attribute(&format!("entry {}", entry.key), from)).transpose()?;
        Ok(Entry { key: (*entry.key).into(), of, value: entry.value.as_deref().map(Name::from) })
    };
    let limit = descriptor.limit.map(|limit| Override {
        requests: limit.requests,
        unit: match limit.unit {
            written::Unit::Second => Unit::Second,
            written::Unit::Minute => Unit::Minute,
            written::Unit::Hour => Unit::Hour,
            written::Unit::Day => Unit::Day,
            written::Unit::Month => Unit::Month,
            written::Unit::Year => Unit::Year,
        },
    });
    let entries = descriptor.entries.iter().map(entry).collect::<Result<_, _>>()?;
    Ok(Descriptor { matches: rules(&descriptor.matches, namespace)?, entries, limit })
}

/// Says what became of an object at each of its targets: `faults` are what is wrong with it, and `effect` what comes of that.
#[must_use]
pub fn status(
    targets: &[Attached],
    faults: &[String],
    effect: &str,
    global: Option<Option<&Unusable>>,
) -> Vec<(ParentReference, Vec<Condition>)> {
    let one = |target: &Attached| {
        let attachment = &target.attachment;
        let told = |list: &[String]| joined(list.iter().map(String::as_str));
        let accepted = if !faults.is_empty() {
            Condition::fails("Accepted", "Invalid", format!("{}; {effect}", told(faults)))
        } else if !attachment.lost.is_empty() {
            Condition::fails("Accepted", "TargetNotFound", told(&attachment.lost))
        } else if !attachment.unbound.is_empty() {
            Condition::fails("Accepted", "AncestorNotBound", told(&attachment.unbound))
        } else {
            Condition::holds("Accepted", "Accepted", "waypoints enforce it")
        };
        let resolved = global.map(|unresolved| match unresolved {
            Some(why @ Unusable::Missing(_)) => {
                Condition::fails("ResolvedRefs", "BackendNotFound", format!("global: {why}"))
            }
            // Gateway API, RouteReasonRefNotPermitted: a reference to what is there, and is not to be used from here.
            Some(why @ Unusable::Hidden(..)) => {
                Condition::fails("ResolvedRefs", "RefNotPermitted", format!("global: {why}"))
            }
            None => Condition::holds("ResolvedRefs", "ResolvedRefs", "the rate limit service is there"),
        });
        (target.reference.clone(), [accepted].into_iter().chain(resolved).collect())
    };
    targets.iter().map(one).collect()
}

#[cfg(test)]
#[path = "rate_limit/tests.rs"]
mod tests;
