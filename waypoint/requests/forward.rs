//! Passing a request on, again if it is worth it.

use std::{
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use http::{HeaderValue, Request, Response, StatusCode, Uri, request::Parts, uri::Scheme};
use hyper::body::Incoming;
use model::l7::{
    destination::Upgrade,
    filter::Filter,
    route::{HttpRule, Retry, RetryOn},
};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    body::{Answer, LATE},
    exchange::earlier,
    grpc_timeout, headers, mirror,
    refusal::{DEADLINE_EXCEEDED, Refusal, grpc_status},
    replay::{Outgoing, Replay},
    session::Keeper,
    upgrade,
};
use crate::{
    inbound::Inbound,
    telemetry::Record,
    upstream::{self, Endpoint, Failure, Hints, Outcome, SendError, Version, Wanted},
};

/// The first pause before a request is tried again, doubled each time, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(250));

/// Where a request goes, and how.
pub struct Plan {
    wanted: Wanted,
    authority: String,
    rule: Option<Arc<HttpRule>>,
    begun: Instant,
    /// It is a request of gRPC.
    pub is_grpc: bool,
    /// How long the client waits, if it says so.
    pub patience: Option<Duration>,
    /// What is done for this backend alone.
    pub backend_filters: Vec<Filter>,
    /// What the cookie of its session is for.
    pub cookie_path: String,
    /// The client's side of a change of protocol.
    pub upgrade: Option<upgrade::Client>,
}

impl Plan {
    /// Makes one.
    #[must_use]
    pub fn new(wanted: Wanted, authority: String, rule: Option<Arc<HttpRule>>, begun: Instant) -> Self {
        let (backend_filters, cookie_path) = (Vec::new(), "/".to_owned());
        Self {
            wanted,
            authority,
            rule,
            begun,
            is_grpc: false,
            patience: None,
            backend_filters,
            cookie_path,
            upgrade: None,
        }
    }
}

/// What came of one try.
enum Tried {
    Answered(Box<(Response<Incoming>, upstream::Checkout)>),
    Failed(SendError),
    TimedOut,
}

/// Passes a request on and returns the answer.
pub async fn forward(
    inbound: &Arc<Inbound>,
    parts: &mut Parts,
    replay: Arc<Replay>,
    plan: &Plan,
    mut record: Record,
) -> Response<Answer> {
    let (rule, is_grpc) = (plan.rule.as_deref(), plan.is_grpc);
    let default = Retry::default();
    let retry = rule.map_or(Some(&default), |rule| rule.retry.as_ref().or(Some(&default))).filter(|r| r.attempts > 0);
    if retry.is_none() {
        replay.do_not_keep();
    }
    record.body(replay.clone());
    headers::end_to_end(&mut parts.headers);
    record.id(&mut parts.headers);
    if plan.upgrade.is_none() {
        mirror::start(inbound, rule, parts, &plan.authority, &replay, is_grpc);
    }
    let whole = earlier(plan.begun, [rule.and_then(|r| r.timeout), plan.patience]);
    let per_try = [rule.and_then(|r| r.backend_timeout), retry.and_then(|r| r.per_try)];
    let mut tried: Vec<SocketAddr> = Vec::new();
    let mut left = retry.map_or(0, |r| r.attempts);
    let keeper = Keeper::new(rule, &plan.cookie_path, &parts.headers);
    let mut hints = Hints::new(&parts.headers, &parts.uri, Some(&keeper));
    hints.name = Some(&plan.authority);
    // Held for as long as a repetition is under way.
    let mut _repeating = None;
    loop {
        // A name may have to be found first.
        let chosen = within(whole, pin!(upstream::choose(inbound, &plan.wanted, &tried, &mut hints))).await;
        let mut endpoint = match chosen {
            None => return late().answer(is_grpc, record),
            Some(Ok(endpoint)) => endpoint,
            Some(Err(failure)) => {
                let body = match failure {
                    Failure::TooManyNames(..) => "too many new hosts at once\n",
                    _ => "no healthy upstream\n",
                };
                return unavailable(&failure, body).answer(is_grpc, record);
            }
        };
        if let Some(policy) = inbound.refused_at(&endpoint) {
            record.endpoint(&endpoint);
            return Refusal::denied(format!("policy {policy} refuses it")).answer(is_grpc, record);
        }
        let busy = endpoint.begin();
        record.endpoint(&endpoint);
        let now = Instant::now();
        let own = earlier(now, per_try);
        let deadline = [whole, own].into_iter().flatten().min();
        let outcome = attempt(inbound, parts, plan, &endpoint, &replay, deadline).await;
        if let Some(seen) = seen(&outcome, is_grpc) {
            endpoint.report(seen);
        }
        let again = whole.is_none_or(|whole| Instant::now() < whole)
            && replay.is_whole()
            && retry.is_some_and(|retry| is_worth(&outcome, retry, is_grpc));
        let permit = if again && left > 0 { endpoint.retry() } else { None };
        if let Some(permit) = permit {
            _repeating = Some(permit);
            // It is no request under way while it waits.
            drop(busy);
            tried.push(endpoint.address);
            let round = retry.map_or(0, |r| r.attempts) - left;
            left -= 1;
            if within(whole, pin!(pause(retry.and_then(|r| r.backoff), round))).await.is_none() {
                return late().answer(is_grpc, record);
            }
            continue;
        }
        if again {
            // As Envoy has it: no try is left, or too many repetitions are under way.
            record.flag(if left == 0 { "URX" } else { "UO" });
        }
        return match outcome {
            Tried::Answered(answered) => {
                let (answer, checkout) = *answered;
                let upgraded = match upgrade::agreed(plan.upgrade.as_ref(), &answer) {
                    Ok(upgraded) => upgraded,
                    Err(reason) => {
                        let status = StatusCode::BAD_GATEWAY;
                        return Refusal::new(status, "UPE", "bad gateway\n", reason).answer(is_grpc, record);
                    }
                };
                let mut answer =
                    passed(answer, checkout, busy, plan, upgraded.then(|| endpoint.silence()), deadline, record);
                answer.headers_mut().extend(hints.answer());
                if let Some(workload) = &endpoint.workload {
                    keeper.tell(&endpoint.traffic, workload, answer.headers_mut());
                }
                answer
            }
            Tried::TimedOut => late().answer(is_grpc, record),
            // It is not for the endpoint that it ended so.
            Tried::Failed(_) if replay.is_broken() => {
                Refusal::bad("the body broke off, or is none").answer(is_grpc, record)
            }
            Tried::Failed(error) => {
                let body = "the upstream could not be reached\n";
                let flags = match &error {
                    SendError::Connect(failure) => return unavailable(failure, body).answer(is_grpc, record),
                    SendError::Refused(_) => "UF",
                    SendError::Reset(_) => "UC",
                };
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, flags, body, error.to_string()).answer(is_grpc, record)
            }
        };
    }
}

/// Makes the answer to a request that no endpoint gets.
fn unavailable(failure: &Failure, body: &'static str) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, failure.flags(), body, failure.to_string());
    if failure.is_overflow() {
        refusal.headers.push((headers::OVERLOADED, HeaderValue::from_static("true")));
    }
    refusal
}

/// Returns what a try says about its endpoint, if it says anything.
fn seen(outcome: &Tried, is_grpc: bool) -> Option<Outcome> {
    match outcome {
        Tried::Answered(answered) => {
            let answer = &answered.0;
            let status = || answer.headers().get("grpc-status")?.to_str().ok()?.parse().ok();
            let grpc = is_grpc.then(status).flatten();
            Some(grpc.map_or(Outcome::Status(answer.status().as_u16()), Outcome::of_grpc))
        }
        // What is our own fault says nothing.
        Tried::Failed(SendError::Connect(failure)) => failure.is_of_connection().then_some(Outcome::Broken),
        Tried::Failed(_) | Tried::TimedOut => Some(Outcome::Broken),
    }
}

async fn pause(first: Option<Duration>, round: u32) {
    let first = first.unwrap_or(BACKOFF.0);
    let longest = first.saturating_mul(10).max(BACKOFF.1);
    let pause = first.saturating_mul(1 << round.min(10)).min(longest);
    // Spread: those that failed together must not come again together.
    sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
}

/// Tells whether a request is tried again after this.
fn is_worth(outcome: &Tried, retry: &Retry, is_grpc: bool) -> bool {
    let asked = |wanted: &[RetryOn]| retry.on.iter().any(|on| wanted.contains(on));
    match outcome {
        Tried::TimedOut => asked(&[RetryOn::Reset, RetryOn::GatewayError, RetryOn::ServerError]),
        Tried::Failed(SendError::Connect(failure)) => {
            failure.is_of_connection()
                && asked(&[
                    RetryOn::ConnectFailure,
                    RetryOn::Reset,
                    RetryOn::ResetBeforeRequest,
                    RetryOn::GatewayError,
                    RetryOn::ServerError,
                ])
        }
        Tried::Failed(SendError::Refused(_)) => asked(&[
            RetryOn::RefusedStream,
            RetryOn::ConnectFailure,
            RetryOn::Reset,
            RetryOn::ResetBeforeRequest,
            RetryOn::GatewayError,
            RetryOn::ServerError,
        ]),
        Tried::Failed(SendError::Reset(_)) => asked(&[RetryOn::Reset, RetryOn::GatewayError, RetryOn::ServerError]),
        Tried::Answered(answered) => {
            let answer = &answered.0;
            let status = answer.status().as_u16();
            let grpc = is_grpc
                .then(|| answer.headers().get("grpc-status")?.to_str().ok()?.parse::<u32>().ok())
                .flatten()
                .or_else(|| (is_grpc && status != 200).then(|| grpc_status(answer.status())));
            retry.on.iter().any(|on| match on {
                RetryOn::GatewayError => (502..=504).contains(&status),
                RetryOn::ServerError => status >= 500,
                RetryOn::RetriableClientError => status == 409,
                RetryOn::Status(wanted) => *wanted == status,
                RetryOn::Grpc(wanted) => grpc == Some(*wanted),
                _ => false,
            })
        }
    }
}

async fn attempt(
    inbound: &Arc<Inbound>,
    parts: &Parts,
    plan: &Plan,
    endpoint: &Endpoint,
    replay: &Arc<Replay>,
    deadline: Option<Instant>,
) -> Tried {
    let version = version(parts, endpoint);
    let make = |version| {
        let mut request = request(parts, &plan.authority, endpoint, version, replay.attempt());
        if let Some(deadline) = deadline.filter(|_| plan.is_grpc) {
            // What is left for this try: nobody should work on what nobody waits for (as Envoy does it for Istio).
            grpc_timeout::write(request.headers_mut(), deadline.saturating_duration_since(Instant::now()));
        }
        if let Some(client) = &plan.upgrade {
            client.ask(&mut request, version);
        }
        request
    };
    let (shared, upstreams) = (&inbound.shared, inbound.shared.upstreams());
    let sending = async {
        if plan.upgrade.is_some() && version == Version::Http2 {
            // In a box, as all that is rare: each request would carry room for it.
            let extended = Box::pin(upstreams.send_extended(shared, endpoint, make(version))).await?;
            if let Some(answered) = extended {
                return Ok(answered);
            }
            // Who knows HTTP/2 only as far as that may know the way of HTTP/1.1.
            return Box::pin(upstreams.send(shared, endpoint, Version::Http1, make(Version::Http1))).await;
        }
        upstreams.send(shared, endpoint, version, make(version)).await
    };
    match within(deadline, pin!(sending)).await {
        None => Tried::TimedOut,
        Some(Ok(answered)) => Tried::Answered(Box::new(answered)),
        Some(Err(error)) => Tried::Failed(error),
    }
}

/// Waits for something until a moment, if there is one; none if it is not there by then. It stays where it is: handed over, there
/// would be room for it here as well.
async fn within<T>(deadline: Option<Instant>, work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, work).await.ok(),
        None => Some(work.await),
    }
}

fn late() -> Refusal {
    let body = "upstream request timeout\n";
    // To a client of gRPC, UNAVAILABLE, for which 504 stands, would say that it should try again.
    let grpc = Some(DEADLINE_EXCEEDED);
    Refusal { grpc, ..Refusal::new(StatusCode::GATEWAY_TIMEOUT, "UT", body, LATE) }
}

/// Makes a request as it goes to an endpoint.
#[must_use]
pub fn request(
    parts: &Parts,
    authority: &str,
    endpoint: &Endpoint,
    version: Version,
    body: Outgoing,
) -> Request<Outgoing> {
    let scheme = if endpoint.traffic.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
    let mut request = Request::new(body);
    *request.method_mut() = parts.method.clone();
    *request.headers_mut() = parts.headers.clone();
    *request.uri_mut() = target(parts, authority, version, scheme);
    match version {
        Version::Http1 => headers::set_host(request.headers_mut(), authority),
        Version::Http2 => drop(request.headers_mut().remove(http::header::HOST)),
    }
    request
}

/// Tells which HTTP an endpoint is spoken to with.
#[must_use]
pub fn version(parts: &Parts, endpoint: &Endpoint) -> Version {
    let as_client = if parts.version == http::Version::HTTP_2 { Version::Http2 } else { Version::Http1 };
    match endpoint.traffic.pool.upgrade {
        Upgrade::Http2 => Version::Http2,
        Upgrade::Http1 => Version::Http1,
        Upgrade::AsClient => as_client,
        // istio.workload.AppProtocol
        Upgrade::ByPort => match endpoint.protocol {
            1 => Version::Http1,
            2 | 3 => Version::Http2,
            _ => as_client,
        },
    }
}

/// Returns the target of a request, in the form that its version has (RFC 9112 3.2.1, RFC 9113 8.3.1).
fn target(parts: &Parts, authority: &str, version: Version, scheme: Scheme) -> Uri {
    let path = parts.uri.path_and_query().cloned();
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = path.or_else(|| Some(http::uri::PathAndQuery::from_static("/")));
    if version == Version::Http2 {
        uri.scheme = Some(scheme);
        uri.authority = authority.parse().ok();
        if uri.authority.is_none() {
            uri.scheme = None;
        }
    }
    Uri::from_parts(uri).unwrap_or_default()
}

fn passed(
    answer: Response<Incoming>,
    checkout: upstream::Checkout,
    mut busy: upstream::Busy,
    plan: &Plan,
    // How long it may be silent if it went over.
    upgraded: Option<Option<Duration>>,
    deadline: Option<Instant>,
    mut record: Record,
) -> Response<Answer> {
    let (mut parts, incoming) = answer.into_parts();
    let status = plan.upgrade.as_ref().filter(|_| upgraded.is_some()).map_or(parts.status, upgrade::Client::status);
    record.answered(status, "-");
    if upgraded.is_some() {
        busy.keep(checkout.permit());
    }
    record.busy(busy);
    record.headers(&parts.headers);
    let kept = upgraded.map(|silence| (silence, parts.headers.clone()));
    headers::end_to_end(&mut parts.headers);
    if let Some(rule) = &plan.rule {
        headers::answer(&mut parts.headers, &rule.filters);
    }
    headers::answer(&mut parts.headers, &plan.backend_filters);
    if let (Some((silence, told)), Some(client)) = (kept, &plan.upgrade) {
        return client.join(parts, &told, incoming, silence, record);
    }
    Response::from_parts(parts, Answer::passed(incoming, checkout, deadline, record))
}
