//! HTTPRoute.

use std::time::Duration;

use model::{
    l7::{
        filter::Session,
        matching::{HttpMatch, PathMatch},
        route::{Action, Backend, BackendTarget, HttpRule, Retry, RetryOn},
        text::TextMatch,
    },
    workload::Name,
};
use source::{
    api::{
        duration::GatewayDuration,
        http_route::{
            HttpMethod, HttpPathMatch, HttpRouteMatch, HttpRouteRetry, HttpRouteRule, HttpRouteSpec, PathMatchType,
        },
        route::{CookieLifetimeType, SessionPersistence, SessionPersistenceType},
    },
    object::ObjectKey,
};

use crate::l7::{
    route::{
        Bound, Converted, Faults, Place, backend, convert,
        filter::{self, Filters, Refusal},
    },
    text::{named, pattern},
};

/// Converts a route.
#[must_use]
pub fn http(place: Place<'_>, spec: &HttpRouteSpec) -> Converted<HttpRule> {
    // The definition fills in one rule for all requests, which leads nowhere.
    let filled = [HttpRouteRule::default()];
    let rules = spec.rules.as_deref().unwrap_or(&filled);
    convert(place, &spec.parent_refs, |place, bound, faults| {
        rules.iter().enumerate().filter_map(|(index, r)| rule(place, bound, (index, r), faults)).collect()
    })
}

/// Makes the rule of a place for a service, without anything to do yet.
pub(in crate::l7) fn empty(place: Place<'_>, bound: &Bound, index: usize, name: Option<&str>) -> HttpRule {
    HttpRule {
        name: place.name(index, bound),
        parent: bound.parent.clone(),
        consumer: bound.consumer.clone(),
        origin: place.origin(index, name),
        matches: vec![],
        filters: vec![],
        action: Action::Forward(vec![]),
        timeout: None,
        backend_timeout: None,
        retry: None,
        mirrors: vec![],
        fault: None,
        cors: None,
        session: None,
        external_auth: None,
    }
}

/// Answers the requests of a rule with an error, and says why.
pub(super) fn broken(reason: &str) -> Action {
    Action::Forward(vec![Backend { target: BackendTarget::Invalid(reason.into()), weight: 1, filters: vec![] }])
}

/// Notes why the filters of a rule cannot be applied; returns what its requests come to.
pub(super) fn refused(refusal: Refusal, index: usize, faults: &Faults) -> Action {
    let message = match refusal {
        Refusal::Value(message) => {
            faults.rule(index, format!("its requests are answered with an error: {message}"));
            message
        }
        Refusal::Kind(message) => {
            faults.reference("InvalidKind", message.clone());
            message
        }
        Refusal::Incompatible(message) => {
            faults.route("IncompatibleFilters", format!("rule {index}: {message}"));
            message
        }
    };
    broken(&message)
}

fn rule(
    place: Place<'_>,
    bound: &Bound,
    (index, written): (usize, &HttpRouteRule),
    faults: &Faults,
) -> Option<HttpRule> {
    let mut rule = empty(place, bound, index, written.name.as_deref());
    match matches(&written.matches) {
        Ok(matches) => rule.matches = matches,
        // Which requests it is about cannot be known.
        Err(message) => {
            faults.rule(index, message);
            return None;
        }
    }
    match body(place, written, index, faults) {
        Ok(body) => {
            rule.filters = body.filters.changes;
            rule.mirrors = body.filters.mirrors;
            rule.cors = body.filters.cors;
            rule.external_auth = body.filters.external_auth;
            rule.action = body.filters.redirect.map_or(Action::Forward(body.backends), Action::Redirect);
            rule.session = body.session;
            let timeouts = written.timeouts.clone().unwrap_or_default();
            rule.timeout = limit(timeouts.request);
            rule.backend_timeout = limit(timeouts.backend_request);
            rule.retry = Some(written.retry.as_ref().map_or_else(Retry::default, retry));
        }
        Err(refusal) => rule.action = refused(refusal, index, faults),
    }
    Some(rule)
}

/// What a rule does with its requests.
struct Body {
    filters: Filters,
    backends: Vec<Backend>,
    session: Option<Session>,
}

fn body(place: Place<'_>, written: &HttpRouteRule, index: usize, faults: &Faults) -> Result<Body, Refusal> {
    let filters = filter::http(place, &written.filters, faults)?;
    let prefixes = !written.matches.is_empty() && written.matches.iter().all(is_prefix);
    if filter::replaces_prefix(&filters) && !(prefixes || written.matches.is_empty()) {
        return Err("replacePrefixMatch wants matches of type PathPrefix".to_owned().into());
    }
    if filters.redirect.is_some() && !written.backend_refs.is_empty() {
        return Err("RequestRedirect and backendRefs exclude each other".to_owned().into());
    }
    let timeouts = written.timeouts.clone().unwrap_or_default();
    if let (Some(whole), Some(one)) = (limit(timeouts.request), limit(timeouts.backend_request))
        && one > whole
    {
        return Err("timeouts: backendRequest is longer than request".to_owned().into());
    }
    let session = written.session_persistence.as_ref().map(|s| session(place.key, index, s)).transpose()?;
    let mut backends = Vec::new();
    for reference in &written.backend_refs {
        let own = filter::http(place, &reference.filters, faults);
        let target = match own {
            Ok(Filters { changes, mirrors, redirect: None, cors: None, external_auth: None }) if mirrors.is_empty() => {
                let target = backend::target(place, &reference.object(), faults);
                backends.push(Backend { target, weight: reference.weight, filters: changes });
                continue;
            }
            Ok(_) => "filters of a backendRef can change headers and rewrite, and nothing else".to_owned(),
            Err(Refusal::Kind(message)) => {
                faults.reference("InvalidKind", message.clone());
                message
            }
            Err(Refusal::Value(message) | Refusal::Incompatible(message)) => message,
        };
        faults.rule(index, format!("the share of backend {} is answered with an error: {target}", reference.name));
        let target = BackendTarget::Invalid(target.into());
        backends.push(Backend { target, weight: reference.weight, filters: vec![] });
    }
    Ok(Body { filters, backends, session })
}

fn is_prefix(written: &HttpRouteMatch) -> bool {
    written.path.as_ref().is_none_or(|p| p.kind == PathMatchType::PathPrefix)
}

fn matches(written: &[HttpRouteMatch]) -> Result<Vec<HttpMatch>, String> {
    let one = |m: &HttpRouteMatch| -> Result<HttpMatch, String> {
        let method = match m.method {
            Some(HttpMethod::Any) => return Err("method: * is none".to_owned()),
            method => method.map(|m| TextMatch::Exact(m.as_str().into())),
        };
        Ok(HttpMatch {
            path: path(m.path.as_ref())?,
            method,
            headers: named(&m.headers, true)?,
            query: named(&m.query_params, false)?,
            ..HttpMatch::default()
        })
    };
    written.iter().map(one).collect()
}

/// Converts a condition over the path; without any, and for all paths, the prefix of all is kept where the API has it: it takes
/// part in rewrites.
fn path(written: Option<&HttpPathMatch>) -> Result<Option<PathMatch>, String> {
    let all = HttpPathMatch::default();
    let HttpPathMatch { kind, value } = written.unwrap_or(&all);
    match kind {
        PathMatchType::RegularExpression => Ok(Some(PathMatch::Regex(pattern(value)?))),
        _ if !value.starts_with('/') => Err(format!("path: {value:?} does not begin with a slash")),
        PathMatchType::Exact => Ok(Some(PathMatch::Exact((**value).into()))),
        PathMatchType::PathPrefix => Ok(Some(PathMatch::segments(value))),
    }
}

/// Returns a limit of time; 0 stands for none (Gateway API, `timeouts`).
fn limit(duration: Option<GatewayDuration>) -> Option<Duration> {
    duration.map(|d| d.0).filter(|d| !d.is_zero())
}

/// What is tried again beside the codes that are asked for: what failed on the way (GEP-1731).
const ON_THE_WAY: [RetryOn; 3] = [RetryOn::ConnectFailure, RetryOn::RefusedStream, RetryOn::Reset];

fn retry(written: &HttpRouteRetry) -> Retry {
    let default = Retry::default();
    let on = ON_THE_WAY.into_iter().chain(written.codes.iter().map(|code| RetryOn::Status(*code)));
    Retry {
        attempts: written.attempts.unwrap_or(default.attempts),
        backoff: limit(written.backoff),
        on: on.collect(),
        ..default
    }
}

/// Converts a session; the name that the API leaves to us is that of the rule.
///
/// # Errors
/// A cookie that is to stay has no time.
pub(in crate::l7) fn session(key: &ObjectKey, index: usize, written: &SessionPersistence) -> Result<Session, String> {
    let permanent = written.cookie_config.is_some_and(|c| c.lifetime_type == CookieLifetimeType::Permanent);
    let lifetime = limit(written.absolute_timeout);
    if permanent && lifetime.is_none() {
        return Err("sessionPersistence: a Permanent cookie wants an absoluteTimeout".to_owned());
    }
    let header = written.kind == SessionPersistenceType::Header;
    let own = || -> Name { format!("session-{}-{}-{index}", key.namespace, key.name).into() };
    let name = written.session_name.as_deref().filter(|n| !n.is_empty()).map_or_else(own, Into::into);
    // A cookie of the client's session ends with that, whatever the time.
    Ok(Session { name, header, lifetime: lifetime.filter(|_| header || permanent) })
}
