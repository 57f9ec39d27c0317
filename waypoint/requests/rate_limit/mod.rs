//! How many requests may come: the limits of RateLimit objects, those that are kept here and those that a server keeps.
//!
//! They come after tokens and policies, so that nobody spends what he has no right to, and before faults and retries: a request
//! counts once. Which rule it follows is known by then, for limits are of rules, too; one that follows none counts as well.

mod bucket;
mod global;
mod running;

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode, request::Parts};
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

/// What a client is told of a limit (draft-ietf-httpapi-ratelimit-headers-03).
#[derive(Clone, Copy, Debug)]
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
    let (window, questions) = take(inbound, parts, about)?;
    let mut granted = Granted { headers: window.map(|window| window.headers(None)).unwrap_or_default(), failure: None };
    for question in questions {
        global::ask(inbound, question, parts, &mut granted).await?;
    }
    Ok(granted)
}

/// Takes a request's tokens, and returns what is left and the questions for servers.
fn take(inbound: &Inbound, parts: &Parts, about: About<'_>) -> Result<(Option<Window>, Vec<Question>), Refusal> {
    let service = inbound.target.service().map(|s| &s.key);
    let origin = about.rule.map(|rule| &rule.origin);
    let limits = &inbound.shared.limits;
    let all = about.state.rate_limits(&inbound.shared.config.waypoint, service);
    let all: Vec<Arc<Running>> = all.filter(|limit| limit.covers(origin)).map(|limit| limits.of(limit)).collect();
    if all.is_empty() {
        return Ok((None, vec![]));
    }
    let view = View::new(parts, about.authority);
    let asked = exchange::asked(inbound, &view, about.state, about.token);
    let window = local(&all, &asked, limits.now())?;
    let question = |running: &Arc<Running>| {
        let request = global::question(running.limit.global.as_ref()?, &asked)?;
        Some(Question { running: running.clone(), request })
    };
    Ok((window, all.iter().filter_map(question).collect()))
}

/// Takes a token of each limit that is about a request. If one has none, the others get theirs back.
fn local(all: &[Arc<Running>], asked: &Asked<'_>, now: u64) -> Result<Option<Window>, Refusal> {
    let mut taken: Vec<Taken<'_>> = Vec::new();
    let mut counted: Vec<&Running> = Vec::new();
    let mut nearest: Option<Window> = None;
    for running in all {
        let limit = &running.limit;
        let mut outcome = None;
        for (at, (wanted, bucket)) in limit.local.iter().zip(&running.local).enumerate() {
            if !wanted.matches(asked) {
                continue;
            }
            let values: Vec<_> = wanted.key.iter().map(|key| value(key, asked)).collect();
            match bucket.take(&values, now) {
                Ok((left, token)) => {
                    taken.push(token);
                    outcome = outcome.or(Some(Outcome::Allowed));
                    let window = Window::of(wanted, left);
                    let nearer = nearest.is_none_or(|known| window.remaining < known.remaining);
                    if limit.headers == Told::Always && !limit.dry_run && nearer {
                        nearest = Some(window);
                    }
                }
                Err(_) if limit.dry_run => outcome = Some(Outcome::Limited),
                Err(late) => {
                    taken.into_iter().for_each(Taken::give_back);
                    running.count(false, Outcome::Limited);
                    let left = Left { remaining: 0, reset: late.0 };
                    let reason = format!("policy {}: local[{at}] is used up", limit.key());
                    return Err(refusal(limit, Some(Window::of(wanted, left)), "local_rate_limited", reason));
                }
            }
        }
        match outcome {
            Some(Outcome::Allowed) => counted.push(running),
            Some(outcome) => running.count(false, outcome),
            None => {}
        }
    }
    counted.into_iter().for_each(|running| running.count(false, Outcome::Allowed));
    Ok(nearest)
}

/// Makes the answer of a request that is too many.
fn refusal(limit: &RateLimit, window: Option<Window>, body: &'static str, reason: String) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "RL", body, reason);
    refusal.headers.push((LIMITED, HeaderValue::from_static("true")));
    if let Some(window) = window.filter(|_| limit.headers != Told::Never) {
        refusal.headers.extend(window.headers(Some(window.reset)));
    }
    refusal.grpc = limit.resource_exhausted.then_some(RESOURCE_EXHAUSTED);
    refusal
}

impl Window {
    fn of(limit: &LocalLimit, left: Left) -> Self {
        Self { limit: limit.requests.into(), per: limit.per, remaining: left.remaining, reset: left.reset }
    }

    fn headers(self, retry_after: Option<Duration>) -> Headers {
        // Whole seconds are all that there is, and who comes too early comes in vain.
        let seconds = |span: Duration| span.as_nanos().div_ceil(1_000_000_000);
        let mut headers = vec![
            ("ratelimit-limit", format!("{0}, {0};w={1}", self.limit, seconds(self.per))),
            ("ratelimit-remaining", self.remaining.to_string()),
            ("ratelimit-reset", seconds(self.reset).to_string()),
        ];
        headers.extend(retry_after.map(|after| ("retry-after", seconds(after).max(1).to_string())));
        let made = headers
            .into_iter()
            .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?)));
        made.collect()
    }
}
