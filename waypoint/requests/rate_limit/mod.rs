//! How many requests may come: the limits of RateLimit objects, those that are kept here and those that a server keeps.
//!
//! They come after tokens and policies, so that nobody spends what he has no right to, and before faults and retries: a request
//! counts once. Which rule it follows is known by then, for limits are of rules, too; one that follows none counts as well.

mod bucket;
mod global;
mod running;

use std::{fmt::Write, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode, header::RETRY_AFTER, request::Parts};
use model::l7::{
    authorization::Asked,
    rate_limit::{LocalLimit, RateLimit, Told, value},
    route::HttpRule,
    state::State,
};

pub use self::running::Limits;
use self::{
    bucket::{Left, Taken},
    running::{Outcome, Running},
};
use super::{
    exchange,
    external_auth::{Granted, Headers},
    refusal::Refusal,
    view::View,
};
use crate::{inbound::Inbound, rate_limit_proto::RateLimitRequest, tokens::Believed};

/// Says that a limit refused, as Envoy does.
const LIMITED: HeaderName = HeaderName::from_static("x-envoy-ratelimited");
/// The gRPC status of something that is used up.
const RESOURCE_EXHAUSTED: u32 = 8;

/// What limits look at beside the request itself.
#[derive(Clone, Copy)]
pub struct About<'r> {
    /// The authority.
    pub authority: &'r str,
    /// What the waypoint was told.
    pub state: &'r State,
    /// The token that was believed.
    pub token: Option<&'r Believed>,
    /// The rule that it follows.
    pub rule: Option<&'r HttpRule>,
}

/// What a client is told of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    limit: u64,
    per: Duration,
    remaining: u64,
    reset: Duration,
}

/// A question for a server.
struct Question {
    running: Arc<Running>,
    request: RateLimitRequest,
}

/// Takes a request's tokens, and asks the servers; returns what its answer says of what is left.
///
/// # Errors
/// The answer of a request that is too many.
pub async fn check(inbound: &Arc<Inbound>, parts: &mut Parts, about: About<'_>) -> Result<Granted, Refusal> {
    let (mut windows, questions) = take(inbound, parts, about)?;
    let mut granted = Granted::default();
    for question in questions {
        // In a box: most requests ask nobody.
        windows.extend(Box::pin(global::ask(inbound, question, parts, &mut granted, &windows)).await?);
    }
    if let Some(nearest) = windows.iter().min_by_key(|window| window.remaining) {
        granted.headers.extend(nearest.told(&windows));
    }
    Ok(granted)
}

/// Takes a request's tokens, and returns what its answer says of what is left, and the questions for servers.
fn take(inbound: &Inbound, parts: &Parts, about: About<'_>) -> Result<(Vec<Window>, Vec<Question>), Refusal> {
    let service = inbound.target.service().map(|s| &s.key);
    let origin = about.rule.map(|rule| &rule.origin);
    let limits = &inbound.shared.limits;
    let all = about.state.rate_limits(&inbound.shared.config.waypoint, service);
    let all: Vec<Arc<Running>> = all.filter(|limit| limit.covers(origin)).map(|limit| limits.of(limit)).collect();
    if all.is_empty() {
        return Ok((vec![], vec![]));
    }
    let view = View::new(parts, about.authority);
    let asked = exchange::asked(inbound, &view, about.state, about.token);
    let windows = local(&all, &asked, limits.now())?;
    let question = |running: &Arc<Running>| {
        let request = global::question(running.limit.global.as_ref()?, &asked)?;
        Some(Question { running: running.clone(), request })
    };
    Ok((windows, all.iter().filter_map(question).collect()))
}

/// A local limit without a token for a request.
struct Spent<'r> {
    limit: &'r RateLimit,
    at: usize,
    window: Window,
}

/// Takes a token of each limit that is about a request; returns what its answer says of what is left. If one has none, the others
/// get theirs back; all are looked at all the same, for the client has to wait for the last of them.
fn local(all: &[Arc<Running>], asked: &Asked<'_>, now: u64) -> Result<Vec<Window>, Refusal> {
    let mut taken: Vec<Taken<'_>> = Vec::new();
    let mut outcomes: Vec<(&Running, Outcome)> = Vec::new();
    let mut windows: Vec<(Told, Window)> = Vec::new();
    let mut spent: Vec<Spent<'_>> = Vec::new();
    for running in all {
        let limit = &*running.limit;
        let mut outcome = None;
        for (at, (wanted, bucket)) in limit.local.iter().zip(&running.local).enumerate() {
            if !wanted.matches(asked) {
                continue;
            }
            let values: Vec<_> = wanted.key.iter().map(|key| value(key, asked)).collect();
            let left = match bucket.take(&values, now) {
                Ok((left, token)) => {
                    taken.push(token);
                    outcome = outcome.or(Some(Outcome::Allowed));
                    left
                }
                Err(late) => {
                    outcome = Some(Outcome::Limited);
                    let left = Left { remaining: 0, reset: late.0 };
                    if !limit.dry_run {
                        spent.push(Spent { limit, at, window: Window::of(wanted, left) });
                    }
                    left
                }
            };
            if !limit.dry_run {
                windows.push((limit.headers, Window::of(wanted, left)));
            }
        }
        outcomes.extend(outcome.map(|outcome| (&**running, outcome)));
    }
    let passes = spent.is_empty();
    let counts = |outcome: &Outcome| passes || *outcome == Outcome::Limited;
    outcomes
        .iter()
        .filter(|(_, outcome)| counts(outcome))
        .for_each(|(running, outcome)| running.count(false, *outcome));
    if passes {
        return Ok(windows.into_iter().filter(|(told, _)| *told == Told::Always).map(|(_, window)| window).collect());
    }
    taken.into_iter().for_each(Taken::give_back);
    let windows: Vec<Window> =
        windows.into_iter().filter(|(told, _)| *told != Told::Never).map(|(_, window)| window).collect();
    Err(too_many(&spent, &windows))
}

/// Makes the answer of a request for which local limits have no token.
fn too_many(spent: &[Spent<'_>], windows: &[Window]) -> Refusal {
    let reason = |spent: &Spent<'_>| format!("policy {}: local[{}] is used up", spent.limit.key(), spent.at);
    let reason = spent.iter().map(reason).collect::<Vec<_>>().join("; ");
    let told = spent.iter().filter(|spent| spent.limit.headers != Told::Never);
    let longest = told.map(|spent| spent.window).max_by_key(|window| window.reset);
    let exhausted = spent.iter().any(|spent| spent.limit.resource_exhausted);
    refusal(longest, windows, exhausted, reason).saying("local_rate_limited")
}

/// Makes the answer of a request that is too many. The client is told of the window that it has to wait for longest, if of any.
fn refusal(longest: Option<Window>, windows: &[Window], exhausted: bool, reason: String) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "RL", "", reason);
    refusal.headers.push((LIMITED, HeaderValue::from_static("true")));
    if let Some(window) = longest {
        refusal.headers.extend(window.told(windows));
        refusal.headers.push((RETRY_AFTER, HeaderValue::from(seconds(window.reset).max(1))));
    }
    refusal.grpc = exhausted.then_some(RESOURCE_EXHAUSTED);
    refusal
}

impl Window {
    fn of(limit: &LocalLimit, left: Left) -> Self {
        Self { limit: limit.requests.into(), per: limit.per, remaining: left.remaining, reset: left.reset }
    }

    /// Returns what tells a client of this window, and how all are made (draft-ietf-httpapi-ratelimit-headers-03).
    fn told(&self, all: &[Self]) -> Headers {
        let mut limits = self.limit.to_string();
        for (at, window) in all.iter().enumerate() {
            let is_same = |other: &Self| (other.limit, other.per) == (window.limit, window.per);
            if !all[..at].iter().any(is_same) {
                let _ = write!(limits, ", {};w={}", window.limit, seconds(window.per));
            }
        }
        let limits = HeaderValue::try_from(limits).ok();
        let all = [
            ("ratelimit-limit", limits),
            ("ratelimit-remaining", Some(HeaderValue::from(self.remaining))),
            ("ratelimit-reset", Some(HeaderValue::from(seconds(self.reset)))),
        ];
        all.into_iter().filter_map(|(name, value)| Some((HeaderName::from_static(name), value?))).collect()
    }
}

/// Returns whole seconds: they are all that can be told, and who comes too early comes in vain.
fn seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}
