//! One request: what becomes of it.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, StatusCode, header::LOCATION, request::Parts};
use hyper::body::Incoming;
use model::l7::{
    Normalization,
    authorization::{Asked, Decision, decide, trial},
    filter::{Abort, Redirect, RedirectPort},
    matching::Client as Source,
    path,
    route::{Action, Backend, HttpRule},
    state::State,
};
use tokio::time::Instant;
use tracing::info;

use super::{
    body::{Answer, Replay},
    forward::{self, Plan},
    headers,
    refusal::Refusal,
    upgrade,
    view::{self, View},
};
use crate::{inbound::Inbound, telemetry::Record, upstream::Wanted};

/// Answers one request.
pub async fn answer(inbound: Arc<Inbound>, mut request: Request<Incoming>) -> Response<Answer> {
    let client = upgrade::Client::take(&mut request);
    let (mut parts, incoming) = request.into_parts();
    let is_grpc = parts.headers.get(http::header::CONTENT_TYPE).is_some_and(|value| is_grpc(value.as_bytes()));
    let mut record = Record::new(&inbound, &parts, is_grpc);
    match decide_over(&inbound, &mut parts, &mut record).await {
        Err(refusal) => {
            record.body(Replay::new(incoming, false));
            refusal.answer(is_grpc, record)
        }
        Ok(mut plan) => {
            plan.upgrade = client;
            forward::forward(&inbound, parts, incoming, plan, record, is_grpc).await
        }
    }
}

/// Tells whether a content type is one of gRPC.
fn is_grpc(content_type: &[u8]) -> bool {
    let base = b"application/grpc";
    content_type.starts_with(base) && matches!(content_type.get(base.len()), None | Some(b'+' | b';' | b' '))
}

/// Decides over a request; returns where it goes.
async fn decide_over(inbound: &Arc<Inbound>, parts: &mut Parts, record: &mut Record) -> Result<Plan, Refusal> {
    let state = inbound.shared.store.l7();
    let mut authority = view::authority(parts)?;
    record.authority(&authority);
    normalize(parts, state.settings().map(|s| s.normalization).unwrap_or_default())?;
    authorize(inbound, parts, &authority, &state)?;
    let (rule, prefix) = route(inbound, parts, &authority, &state)?;
    let begun = Instant::now();
    let Some(rule) = rule else {
        return Ok(Plan::new(Wanted::of(&inbound.target), authority, None, begun));
    };
    record.rule(&rule);
    if let Some(fault) = &rule.fault {
        if let Some((share, delay)) = fault.delay
            && share.hits(rand::random())
        {
            record.flag("DI");
            tokio::time::sleep(delay).await;
        }
        if let Some((share, abort)) = fault.abort
            && share.hits(rand::random())
        {
            return Err(aborted(abort));
        }
    }
    match &rule.action {
        Action::Redirect(redirect) => {
            Err(redirected(parts, &authority, inbound.target.port(), redirect, prefix).changed(&rule.filters))
        }
        Action::Respond(respond) => {
            let status = StatusCode::from_u16(respond.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut refusal = Refusal::new(status, "-", "", "");
            refusal.body = respond.body.as_bytes().to_vec().into();
            Err(refusal.changed(&rule.filters))
        }
        Action::Forward(backends) => {
            let broken = Refusal::without_backend;
            let backend =
                Backend::pick(backends, rand::random()).ok_or_else(|| broken("its rule has no backend".to_owned()))?;
            let wanted = Wanted::of_backend(&backend.target, inbound.target.port()).map_err(broken)?;
            headers::request(parts, &mut authority, &rule.filters, prefix);
            headers::request(parts, &mut authority, &backend.filters, prefix);
            let filters = backend.filters.clone();
            let mut plan = Plan::new(wanted, authority, Some(rule), begun);
            plan.backend_filters = filters;
            Ok(plan)
        }
    }
}

/// Makes the path what policies, rules and the backend all see.
fn normalize(parts: &mut Parts, how: Normalization) -> Result<(), Refusal> {
    let path = parts.uri.path();
    if path.is_empty() {
        return Ok(());
    }
    let normal = match path::normalize(path, how) {
        Ok(std::borrow::Cow::Borrowed(_)) => return Ok(()),
        Ok(std::borrow::Cow::Owned(normal)) => normal,
        Err(error) => return Err(Refusal { reason: error.to_string(), ..Refusal::bad("") }),
    };
    headers::set_path(parts, &normal);
    if parts.uri.path() == normal { Ok(()) } else { Err(Refusal::bad("the path is none")) }
}

/// Decides by the policies that are attached.
fn authorize(inbound: &Inbound, parts: &Parts, authority: &str, state: &State) -> Result<(), Refusal> {
    let shared = &inbound.shared;
    let service = inbound.target.service().map(|s| &s.key);
    let policies = || state.authorizations(&shared.config.waypoint, service).map(|policy| &**policy);
    if policies().next().is_none() {
        return Ok(());
    }
    let view = View::new(parts, authority);
    let source = inbound.client.address.ip();
    let asked = Asked {
        identity: Some(&inbound.client.identity),
        source,
        remote: source,
        destination: inbound.destination,
        server_name: None,
        request: Some(&view),
        claims: None,
        trust_domains: state.settings().map_or(&[], |s| &s.trust_domains),
    };
    let decision = decide(policies(), &asked);
    if policies().any(|policy| policy.dry_run) {
        let tried = trial(policies(), &asked);
        if tried.is_allowed() != decision.is_allowed() {
            info!(target: "access", path = parts.uri.path(), identity = %inbound.client.identity, decision = ?tried, "dry-run policies would decide otherwise");
        }
    }
    match decision {
        Decision::Allow(_) => Ok(()),
        Decision::DeniedBy(policy) => Err(Refusal::denied(format!("policy {policy} refuses it"))),
        Decision::NotAllowed => Err(Refusal::denied("no policy allows it".to_owned())),
    }
}

/// Finds the rule of a request, and how much of the path its match took; none if it goes to the service itself.
fn route(
    inbound: &Inbound,
    parts: &Parts,
    authority: &str,
    state: &State,
) -> Result<(Option<Arc<HttpRule>>, Option<usize>), Refusal> {
    let Some(router) = inbound.target.service().and_then(|service| state.http(&service.key)) else {
        return Ok((None, None));
    };
    let source = Source {
        namespace: Some(inbound.client.identity.namespace()),
        labels: inbound.client.workload.as_ref().and_then(|w| state.labels(&w.uid)),
    };
    let port = inbound.target.port();
    match router.choose(&View::new(parts, authority), &source, port) {
        Some(chosen) => Ok((Some(chosen.rule.clone()), chosen.prefix)),
        None if router.covers(&source, port) => {
            Err(Refusal::new(StatusCode::NOT_FOUND, "NR", "no route\n", "no rule matches it"))
        }
        None => Ok((None, None)),
    }
}

fn aborted(abort: Abort) -> Refusal {
    let made = |status| Refusal::new(status, "FI", "fault filter abort\n", "a fault that is made on purpose");
    match abort {
        Abort::Http(status) => made(StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)),
        Abort::Grpc(status) => Refusal { grpc: Some(status), ..made(StatusCode::OK) },
    }
}

fn redirected(parts: &Parts, authority: &str, asked: u16, redirect: &Redirect, prefix: Option<usize>) -> Refusal {
    let (host, own_port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => (host, port.parse().ok()),
        _ => (authority, None),
    };
    let scheme = redirect.scheme.as_deref().unwrap_or("http");
    let implied = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let port = match redirect.port {
        RedirectPort::Number(port) => Some(port),
        RedirectPort::Request => own_port.or(Some(asked)),
        RedirectPort::Scheme => None,
        RedirectPort::Implied if redirect.scheme.is_some() => None,
        RedirectPort::Implied => own_port.or(Some(asked)),
    };
    let port = port.filter(|port| Some(*port) != implied).map(|port| format!(":{port}")).unwrap_or_default();
    let host = redirect.host.as_deref().unwrap_or(host);
    let path = redirect.path.as_ref().map(|path| path.apply(parts.uri.path(), prefix));
    let path = path.as_deref().unwrap_or(parts.uri.path());
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let status = StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::FOUND);
    let mut refusal = Refusal::new(status, "-", "", "");
    if let Ok(location) = HeaderValue::from_str(&format!("{scheme}://{host}{port}{path}{query}")) {
        refusal.headers.push((LOCATION, location));
    }
    refusal
}

/// Returns the earlier of two moments, of which either may be missing.
#[must_use]
pub fn earlier(begun: Instant, limits: [Option<Duration>; 2]) -> Option<Instant> {
    limits.into_iter().flatten().filter(|limit| !limit.is_zero()).min().map(|limit| begun + limit)
}
