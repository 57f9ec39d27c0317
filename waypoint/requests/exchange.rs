//! One request: what becomes of it.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header::LOCATION, request::Parts};
use hyper::{body::Incoming, ext::Protocol};
use model::l7::{
    Normalization,
    authorization::{Asked, Decision, audits, decide, trial},
    filter::{Abort, Redirect, RedirectPort},
    matching::Client as Source,
    path,
    route::{Action, Backend, HttpRule},
    state::State,
};
use tokio::time::Instant;
use tracing::info;

use super::{
    body::Answer,
    check::check,
    cors::{self, Verdict},
    external_auth::{self, custom},
    forward::{self, Plan},
    grpc_timeout, headers, rate_limit,
    refusal::Refusal,
    replay::Replay,
    session, upgrade,
    view::{self, View},
};
use crate::{
    inbound::Inbound,
    telemetry::Record,
    tokens::{self, Believed},
    upstream::Wanted,
};

/// What is done to the answer, whoever gives it.
#[derive(Default)]
struct After {
    grant: Option<cors::Grant>,
    headers: external_auth::Headers,
}

impl After {
    fn granted(&mut self, granted: external_auth::Granted, record: &mut Record) {
        self.headers.extend(granted.headers);
        if let Some(failure) = granted.failure {
            record.note(&failure);
        }
    }
}

/// Answers one request.
pub async fn answer(inbound: Arc<Inbound>, mut request: Request<Incoming>) -> Response<Answer> {
    let is_extended = request.extensions().get::<Protocol>().is_some();
    let client = upgrade::Client::take(&mut request);
    let (mut parts, incoming) = request.into_parts();
    let replay = Replay::new(incoming);
    // Before anything looks: what a client says about itself, or about headers of ours, counts for nobody.
    headers::drop_named(&mut parts.headers);
    headers::introduce(&mut parts.headers, inbound.introduction());
    let is_grpc = parts.headers.get(http::header::CONTENT_TYPE).is_some_and(|value| is_grpc(value.as_bytes()));
    // In gRPC a refusal is a 200, which would open what is refused.
    let is_grpc = is_grpc && !is_extended;
    // Over HTTP/1 the server leaves the body out by itself.
    let is_bare = parts.method == Method::HEAD && parts.version == Version::HTTP_2;
    let mut record = Record::new(&inbound, &parts, is_grpc);
    let mut after = After::default();
    let decided = decide_over(&inbound, &mut parts, &replay, &mut record, &mut after).await;
    let mut answer = match decided.and_then(|plan| Ok((plan, client?))) {
        Err(refusal) => {
            record.body(replay);
            refusal.not_opening(is_extended).answer(is_grpc, record)
        }
        Ok((mut plan, client)) => {
            (plan.upgrade, plan.is_grpc) = (client, is_grpc);
            forward::forward(&inbound, &mut parts, replay, &plan, record).await
        }
    };
    if let Some(grant) = after.grant {
        grant.apply(answer.headers_mut());
    }
    for (name, value) in after.headers {
        answer.headers_mut().append(name, value);
    }
    if is_bare { answer.map(Answer::bare) } else { answer }
}

/// Tells whether a content type is one of gRPC.
fn is_grpc(content_type: &[u8]) -> bool {
    let base = b"application/grpc";
    content_type.starts_with(base) && matches!(content_type.get(base.len()), None | Some(b'+' | b';' | b' '))
}

/// Decides over a request; returns where it goes. What is done to its answer is left in `after`.
async fn decide_over(
    inbound: &Arc<Inbound>,
    parts: &mut Parts,
    replay: &Replay,
    record: &mut Record,
    after: &mut After,
) -> Result<Plan, Refusal> {
    let state = inbound.shared.store.l7();
    let shared = &inbound.shared;
    let service = inbound.target.service().map(|s| &s.key);
    let rules = tokens::rules(state.authentications(&shared.config.waypoint, service));
    // Before anything else: whatever becomes of it, it is logged.
    if let Some(path) = tokens::hidden(&rules, parts) {
        record.path(path);
    }
    check(parts)?;
    let mut authority = view::authority(parts)?;
    record.authority(&authority);
    normalize(parts, state.settings().map(|s| s.normalization).unwrap_or_default())?;
    // Before tokens, of which it may be the giver.
    let granted = custom::ask_all(inbound, parts, &authority, &state, replay).await?;
    after.granted(granted, record);
    let token = shared.tokens.admit(&rules, parts).await.map_err(|fault| Refusal::unauthorized(&fault))?;
    authorize(inbound, parts, &authority, &state, token.as_deref(), record)?;
    let routed = route(inbound, parts, &authority, &state);
    let rule = routed.as_ref().ok().and_then(|(rule, _)| rule.clone());
    if let Some(rule) = &rule {
        record.rule(rule);
    }
    let about =
        rate_limit::About { authority: &authority, state: &state, token: token.as_deref(), rule: rule.as_deref() };
    after.granted(rate_limit::check(inbound, parts, about).await?, record);
    let (rule, prefix) = routed?;
    let begun = Instant::now();
    // As the client says it, whatever a rule makes of its headers.
    let patience = record.is_grpc().then(|| grpc_timeout::read(&parts.headers)).flatten();
    let Some(rule) = rule else {
        let mut plan = Plan::new(Wanted::of(&inbound.target), authority, None, begun);
        plan.patience = patience;
        return Ok(plan);
    };
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
    match rule.cors.as_ref().map(|cors| cors::judge(cors, &parts.method, &parts.headers)) {
        Some(Verdict::Preflight(headers)) => {
            return Err(Refusal { headers, ..Refusal::new(StatusCode::OK, "-", "", "") });
        }
        Some(Verdict::Pass(grant)) => after.grant = Some(grant),
        None => {}
    }
    if let Some(auth) = &rule.external_auth {
        // In a box: most requests ask nobody, and would carry room for it.
        let granted = Box::pin(external_auth::ask(inbound, auth, parts, &authority, replay)).await?;
        after.granted(granted, record);
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
            let keeper = session::Keeper::new(Some(&rule), "/", &parts.headers);
            let kept = keeper.backend(backends, &inbound.shared.store.world());
            let backend = kept.or_else(|| Backend::pick(backends, rand::random()));
            let backend = backend.ok_or_else(|| broken("its rule has no backend".to_owned()))?;
            let wanted = Wanted::of_backend(&backend.target, inbound.target.port()).map_err(broken)?;
            let cookie_path = session::path(&rule, parts.uri.path());
            headers::request(parts, &mut authority, &rule.filters, prefix)?;
            headers::request(parts, &mut authority, &backend.filters, prefix)?;
            let filters = backend.filters.clone();
            let mut plan = Plan::new(wanted, authority, Some(rule), begun);
            plan.patience = patience;
            plan.backend_filters = filters;
            plan.cookie_path = cookie_path;
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
    let query = parts.uri.query().map(str::to_owned);
    headers::set_target(parts, &normal, query.as_deref())?;
    if parts.uri.path() == normal { Ok(()) } else { Err(Refusal::bad("the path is none")) }
}

/// Decides by the policies that are attached.
fn authorize(
    inbound: &Inbound,
    parts: &Parts,
    authority: &str,
    state: &State,
    token: Option<&Believed>,
    record: &mut Record,
) -> Result<(), Refusal> {
    let shared = &inbound.shared;
    let service = inbound.target.service().map(|s| &s.key);
    let policies = || state.authorizations(&shared.config.waypoint, service).map(|policy| &**policy);
    if policies().next().is_none() {
        return Ok(());
    }
    let view = View::new(parts, authority);
    let asked = asked(inbound, &view, state, token);
    audits(policies(), &asked).for_each(|policy| record.audited(policy));
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

/// Returns what policies look at of a request.
pub fn asked<'r>(inbound: &'r Inbound, view: &'r View<'_>, state: &'r State, token: Option<&'r Believed>) -> Asked<'r> {
    let source = inbound.client.address.ip();
    Asked {
        identity: Some(&inbound.client.identity),
        source,
        remote: source,
        destination: inbound.destination,
        server_name: None,
        request: Some(view),
        claims: token.map(Believed::claims),
        trust_domains: state.settings().map_or(&[], |s| &s.trust_domains),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F: Future>(_: impl Fn(Arc<Inbound>, Request<Incoming>) -> F) -> usize {
        size_of::<F>()
    }

    /// Each request under way has this much beside what it holds. What grows it is rare, most likely, and belongs in a box.
    #[test]
    fn a_request_is_small() {
        let size = size(answer);
        assert!(size <= 5632, "{size} bytes");
    }
}
