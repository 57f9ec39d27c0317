//! From one object to its resources and its status.

use std::collections::BTreeSet;

use model::{
    l7::{
        HttpRule, Resource, StreamRule, destination::RetryBudget, filter::Session, matching::Source, route::OriginKind,
    },
    workload::ServiceKey,
};
use source::{
    api::{
        authorization::AuthorizationPolicySpec,
        backend_policy::{BackendTlsPolicySpec, XBackendTrafficPolicySpec},
        destination_rule::DestinationRuleSpec,
        rate_limit::RateLimitSpec,
        request_authentication::RequestAuthenticationSpec,
        route::ParentReference,
        telemetry::TelemetrySpec,
        virtual_service::VirtualServiceSpec,
    },
    object::ObjectKey,
};

use crate::l7::{
    destination::{
        self,
        backend_tls::{self, BackendTls},
    },
    hosts::{full, wildcard},
    known::Lookup,
    labels::Asked,
    object::{Object, Spec, Versions},
    policy::{self, ACCEPTED, Targeted, authentication, authorization, rate_limit},
    route::{self, Converted, Place, http::session},
    status::{Body, Condition, RouteStatus, joined},
    telemetry,
    virtual_service::{self, told, virtual_service},
};

/// What an object comes to.
#[derive(Debug, Default)]
pub struct Made {
    /// The resources.
    pub resources: Vec<Resource>,
    /// What its status says; nothing, if that is not the mesh's to say, is said as well: there may be older words of ours.
    pub status: Option<Body>,
    /// The labels that its resources ask for.
    pub asked: BTreeSet<Asked>,
    /// What it says about how services are reached by TLS.
    pub tls: Option<BackendTls>,
    /// What it says about how services are spared.
    pub sparing: Vec<Sparing>,
}

/// What an XBackendTrafficPolicy says about a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Sparing {
    /// The service.
    pub service: ServiceKey,
    /// How much of the load may be repetitions.
    pub retry_budget: Option<RetryBudget>,
    /// Whether a client stays with its endpoint.
    pub session: Option<Session>,
}

/// Converts an object.
pub fn convert(key: &ObjectKey, object: &mut Object, lookup: &Lookup<'_>) -> Made {
    let generation = object.generation;
    let place = |kind| Place { kind, key, created: &object.created, lookup, parents: &[] };
    match &mut object.spec {
        Spec::HTTPRoute(versions) => {
            let place = place(OriginKind::HTTPRoute);
            http(routed(versions, generation, |spec| route::http::http(place, spec)))
        }
        Spec::GRPCRoute(versions) => {
            let place = place(OriginKind::GRPCRoute);
            http(routed(versions, generation, |spec| route::grpc::grpc(place, spec)))
        }
        Spec::TLSRoute(versions) => {
            let place = place(OriginKind::TLSRoute);
            streams(routed(versions, generation, |spec| route::stream::tls(place, spec)))
        }
        Spec::TCPRoute(versions) => {
            let place = place(OriginKind::TCPRoute);
            streams(routed(versions, generation, |spec| route::stream::tcp(place, spec)))
        }
        Spec::VirtualService(versions) => services(versions, generation, place(OriginKind::VirtualService)),
        Spec::DestinationRule(versions) => destination_rule(key, versions, lookup),
        Spec::BackendTLSPolicy(versions) => backend_tls_policy(key, versions, generation, lookup),
        Spec::XBackendTrafficPolicy(versions) => traffic_policy(key, versions, generation, lookup),
        Spec::AuthorizationPolicy { versions, targeted, dry_run } => {
            authorization_policy(key, (versions, targeted, *dry_run), lookup)
        }
        Spec::RequestAuthentication { versions, targeted } => request_authentication(key, (versions, targeted), lookup),
        Spec::RateLimit(versions) => rate_limit(key, versions, generation, lookup),
        Spec::Telemetry { versions, targeted } => {
            let about = telemetry::About { key, created: &object.created, generation };
            telemetry(about, (versions, targeted), lookup)
        }
    }
}

/// Converts a route; of one that is wrong the last version that was right stays, and its status says both.
fn routed<S, Rule>(
    versions: &mut Versions<S>,
    generation: i64,
    make: impl Fn(&S) -> Converted<Rule>,
) -> (Vec<Rule>, RouteStatus) {
    let now = versions.now.as_deref().map(&make);
    if let Some(Converted { rules, status, refused: false }) = now {
        versions.approve(generation);
        return (rules, status);
    }
    let good = versions.good.as_ref().map(|(_, spec)| make(spec));
    let mut rules = vec![];
    let mut status = now.map(|n| n.status);
    if let Some(good) = good {
        rules = good.rules;
        status.get_or_insert(good.status);
    }
    let mut status = status.unwrap_or_default();
    for condition in status.parents.iter_mut().flat_map(|(_, conditions)| conditions).filter(|c| c.kind == "Accepted") {
        if condition.holds {
            let faults = joined(versions.faults.iter().map(String::as_str));
            *condition = Condition::fails("Accepted", "UnsupportedValue", faults);
        }
        condition.message = format!("{}; {}", condition.message, versions.stays());
    }
    (rules, status)
}

fn http((rules, status): (Vec<HttpRule>, RouteStatus)) -> Made {
    let status = Some(Body::Route(status));
    Made { resources: rules.into_iter().map(Resource::HttpRule).collect(), status, ..Made::default() }
}

fn streams((rules, status): (Vec<StreamRule>, RouteStatus)) -> Made {
    let status = Some(Body::Route(status));
    Made { resources: rules.into_iter().map(Resource::StreamRule).collect(), status, ..Made::default() }
}

/// Says that an object is not as it should be, and what comes of that.
fn invalid(faults: &[String], effect: &str) -> Option<Body> {
    let message = format!("{}; {effect}", joined(faults.iter().map(String::as_str)));
    Some(Body::Conditions(vec![Condition::fails(ACCEPTED, "Invalid", message)]))
}

fn services(versions: &mut Versions<VirtualServiceSpec>, generation: i64, place: Place<'_>) -> Made {
    let outcome = match &versions.now {
        Some(spec) => virtual_service(place, spec),
        None => Err(versions.faults.clone()),
    };
    let (outcome, status) = match outcome {
        Ok(outcome) => {
            versions.approve(generation);
            let concerned = versions.now.as_deref().is_some_and(virtual_service::concerns_mesh);
            let condition = concerned.then(|| bound(&outcome, place.lookup));
            (outcome, Some(Body::Conditions(condition.into_iter().collect())))
        }
        Err(faults) => {
            let good = versions.good.as_ref().and_then(|(_, spec)| virtual_service(place, spec).ok());
            (good.unwrap_or_default(), invalid(&faults, &versions.stays()))
        }
    };
    let sources = outcome.http.iter().flat_map(|r| &r.matches).map(|m| &m.source);
    let sources = sources.chain(outcome.streams.iter().flat_map(|r| &r.matches).map(|m| &m.source));
    let asked = sources.flat_map(asked).collect();
    let resources = outcome.http.into_iter().map(Resource::HttpRule);
    let resources = resources.chain(outcome.streams.into_iter().map(Resource::StreamRule)).collect();
    Made { resources, status, asked, ..Made::default() }
}

/// Returns the labels that a condition over clients asks for.
pub fn asked(source: &Source) -> impl Iterator<Item = Asked> {
    source.labels.keys().map(|label| Asked { namespace: source.namespace.clone(), label: label.clone() })
}

fn bound(outcome: &virtual_service::Outcome, lookup: &Lookup<'_>) -> Condition {
    if outcome.services.is_empty() {
        return Condition::fails(ACCEPTED, "TargetNotFound", "no service of the mesh has one of its hosts");
    }
    let without: Vec<String> =
        outcome.services.iter().filter(|s| lookup.waypoint(s).is_none()).map(|s| s.hostname.to_string()).collect();
    if !outcome.notes.is_empty() {
        Condition::fails(ACCEPTED, "PartiallyInvalid", told(&outcome.notes))
    } else if without.len() == outcome.services.len() {
        Condition::fails(ACCEPTED, "AncestorNotBound", unbound(&without))
    } else {
        Condition::holds(ACCEPTED, "Accepted", "waypoints apply it")
    }
}

fn unbound(hosts: &[String]) -> String {
    format!("nobody applies it: label {} or the namespace with istio.io/use-waypoint", hosts.join(", "))
}

/// What a rule says is made part of its services elsewhere: here is only its status.
fn destination_rule(key: &ObjectKey, versions: &Versions<DestinationRuleSpec>, lookup: &Lookup<'_>) -> Made {
    if !versions.faults.is_empty() {
        return Made { status: invalid(&versions.faults, &versions.stays()), ..Made::default() };
    }
    let Some(spec) = &versions.now else { return Made::default() };
    let host = full(&spec.host, &key.namespace, lookup.domain());
    let named = lookup.host(&host).map(|(service, _)| service);
    let below = wildcard(&host).into_iter().flat_map(|domain| lookup.below(domain)).flat_map(|host| lookup.host(host));
    let services: Vec<&ServiceKey> = named.chain(below.map(|(service, _)| service)).collect();
    let without: Vec<String> =
        services.iter().filter(|s| lookup.waypoint(s).is_none()).map(|s| s.hostname.to_string()).collect();
    let condition = if services.is_empty() {
        Condition::fails(ACCEPTED, "TargetNotFound", format!("no service of the mesh has the host {host}"))
    } else if without.len() == services.len() {
        Condition::fails(ACCEPTED, "AncestorNotBound", unbound(&without))
    } else if let Some(why) = no_secret(spec, &services, lookup) {
        Condition::fails(ACCEPTED, "PartiallyInvalid", format!("connections are refused: {why}"))
    } else {
        Condition::holds(ACCEPTED, "Accepted", "waypoints apply it")
    };
    Made { status: Some(Body::Conditions(vec![condition])), ..Made::default() }
}

/// Says why a Secret that a rule names cannot be used by a waypoint of its services.
fn no_secret(spec: &DestinationRuleSpec, services: &[&ServiceKey], lookup: &Lookup<'_>) -> Option<String> {
    let names = destination::credentials(spec);
    let spaces: BTreeSet<&str> = services.iter().filter_map(|s| Some(&*lookup.waypoint(s)?.namespace)).collect();
    let keys = names.iter().flat_map(|name| {
        spaces.iter().map(move |space| ObjectKey { namespace: (*space).to_owned(), name: (*name).to_owned() })
    });
    let faults: Vec<&str> = keys.filter_map(|key| lookup.secret_fault(key)).map(|fault| &**fault).collect();
    (!faults.is_empty()).then(|| joined(faults))
}

fn backend_tls_policy(
    key: &ObjectKey,
    versions: &mut Versions<BackendTlsPolicySpec>,
    generation: i64,
    lookup: &Lookup<'_>,
) -> Made {
    if versions.now.is_some() {
        versions.approve(generation);
    }
    let tls = versions.good.as_ref().map(|(_, spec)| backend_tls::convert(key, spec, lookup));
    Made { tls, ..Made::default() }
}

fn traffic_policy(
    key: &ObjectKey,
    versions: &mut Versions<XBackendTrafficPolicySpec>,
    generation: i64,
    lookup: &Lookup<'_>,
) -> Made {
    if versions.now.is_some() {
        versions.approve(generation);
    }
    let Some((_, spec)) = &versions.good else {
        return Made { status: Some(Body::Policy(vec![])), ..Made::default() };
    };
    let budget = spec.retry_constraint.as_ref().map(|constraint| RetryBudget {
        percent: constraint.budget.percent.into(),
        minimum: constraint.min_retry_rate.count,
    });
    let session = spec.session_persistence.as_ref().map(|s| session(key, 0, s)).transpose();
    let (mut sparing, mut ancestors) = (Vec::new(), Vec::new());
    for target in &spec.target_refs {
        let services = match (&*target.group, &*target.kind) {
            ("" | "core", "Service") => vec![lookup.service_key(&key.namespace, &target.name)],
            ("networking.istio.io", "ServiceEntry") => lookup.entry(&key.namespace, &target.name).to_vec(),
            _ => vec![],
        };
        let found = services.iter().any(|service| lookup.service(service).is_some());
        let condition = match (&session, found, versions.faults.is_empty()) {
            (_, false, _) => {
                let message = format!("{} {} is not there, or no target of this policy", target.kind, target.name);
                Condition::fails("Accepted", "TargetNotFound", message)
            }
            (Err(why), true, _) => Condition::fails("Accepted", "Invalid", format!("it has no effect: {why}")),
            (Ok(_), true, false) => {
                let faults = joined(versions.faults.iter().map(String::as_str));
                Condition::fails("Accepted", "Invalid", format!("{faults}; {}", versions.stays()))
            }
            (Ok(_), true, true) => Condition::holds("Accepted", "Accepted", "waypoints apply it"),
        };
        let reference = ParentReference {
            group: target.group.clone(),
            kind: target.kind.clone(),
            namespace: Some(key.namespace.clone()),
            name: target.name.clone(),
            section_name: None,
            port: None,
        };
        ancestors.push((reference, vec![condition]));
        if let Ok(session) = &session {
            let one = |service| Sparing { service, retry_budget: budget, session: session.clone() };
            sparing.extend(services.into_iter().map(one));
        }
    }
    Made { status: Some(Body::Policy(ancestors)), sparing, ..Made::default() }
}

fn authorization_policy(
    key: &ObjectKey,
    (versions, targeted, dry_run): (&Versions<AuthorizationPolicySpec>, &Targeted, bool),
    lookup: &Lookup<'_>,
) -> Made {
    if !targeted.any() {
        return Made { status: Some(Body::Conditions(vec![])), ..Made::default() };
    }
    let attachment = targeted.attach(key, lookup);
    let spec = versions.now.as_deref();
    let made = authorization::convert(key, (spec, versions.faults.clone()), &attachment, dry_run, lookup);
    let condition = policy::accepted(&attachment, &made.faults, made.effect);
    Made {
        resources: made.policy.map(Resource::Authorization).into_iter().collect(),
        status: Some(Body::Conditions(vec![condition])),
        ..Made::default()
    }
}

fn request_authentication(
    key: &ObjectKey,
    (versions, targeted): (&Versions<RequestAuthenticationSpec>, &Targeted),
    lookup: &Lookup<'_>,
) -> Made {
    if !targeted.any() {
        return Made { status: Some(Body::Conditions(vec![])), ..Made::default() };
    }
    let attachment = targeted.attach(key, lookup);
    let (policy, faults) =
        authentication::convert(key, (versions.now.as_deref(), versions.faults.clone()), &attachment);
    let condition = policy::accepted(&attachment, &faults, "until it is mended, tokens of what is wrong are refused");
    Made {
        resources: policy.map(Resource::Authentication).into_iter().collect(),
        status: Some(Body::Conditions(vec![condition])),
        ..Made::default()
    }
}

/// Converts a limit; of one that is wrong the last version that was right stays.
fn rate_limit(key: &ObjectKey, versions: &mut Versions<RateLimitSpec>, generation: i64, lookup: &Lookup<'_>) -> Made {
    let read = |spec: &RateLimitSpec| rate_limit::convert(key, spec, lookup);
    let mut faults = versions.faults.clone();
    let mut made = None;
    match versions.now.as_deref().map(read) {
        Some(Ok(converted)) if faults.is_empty() => match converted.refused() {
            None => {
                versions.approve(generation);
                made = Some(converted);
            }
            Some(why) => faults.push(why),
        },
        Some(Err(wrong)) => faults.extend(wrong),
        _ => {}
    }
    // The version that stays asks nobody either that is not its to ask, and all else of it has its effect.
    let made = made.or_else(|| versions.good.as_ref().and_then(|(_, spec)| read(spec).ok()));
    // What cannot be read at all has the targets of the version that stays.
    let targets = match (&versions.now, &made) {
        (Some(spec), _) => rate_limit::attach(key, &spec.target_refs, lookup),
        (None, Some(made)) => made.targets.clone(),
        (None, None) => vec![],
    };
    let global = made.as_ref().filter(|made| made.global).map(|made| made.unresolved.as_ref());
    let status = rate_limit::status(&targets, &faults, &versions.stays(), global);
    Made {
        resources: made.and_then(|made| made.limit).map(Resource::RateLimit).into_iter().collect(),
        status: Some(Body::Policy(status)),
        ..Made::default()
    }
}

fn telemetry(
    about: telemetry::About<'_>,
    (versions, targeted): (&mut Versions<TelemetrySpec>, &Targeted),
    lookup: &Lookup<'_>,
) -> Made {
    let attachment = if targeted.any() { targeted.attach(about.key, lookup) } else { policy::Attachment::default() };
    let scope = telemetry::scope(about.key, targeted.any().then_some(&attachment), lookup);
    let mut faults = versions.faults.clone();
    let read = |spec: &TelemetrySpec| telemetry::convert(about, spec, scope.clone(), lookup);
    let mut resource = match versions.now.as_deref().map(read) {
        Some(Ok(resource)) if faults.is_empty() => {
            versions.approve(about.generation);
            Some(resource)
        }
        Some(Err(wrong)) => {
            faults.extend(wrong);
            None
        }
        _ => None,
    };
    if resource.is_none() {
        resource = versions.good.as_ref().and_then(|(_, spec)| read(spec).ok());
    }
    let condition = policy::accepted(&attachment, &faults, &versions.stays());
    let nothing = targeted.any() && attachment.targets.is_empty();
    Made {
        resources: resource.filter(|_| !nothing).map(Resource::Telemetry).into_iter().collect(),
        status: Some(Body::Conditions(vec![condition])),
        ..Made::default()
    }
}
