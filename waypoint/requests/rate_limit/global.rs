//! Asking a server by `envoy.service.ratelimit.v3.RateLimitService`.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode, request::Parts};
use model::l7::{
    authorization::Asked,
    rate_limit::{Descriptor, GlobalLimit, Override, RateLimit, Told, Unit},
};
use tokio::time::timeout;

use super::{Outcome, Question, Window, refusal};
use crate::{
    inbound::Inbound,
    rate_limit_proto::{
        HeaderValue as Header, RateLimitDescriptor, RateLimitRequest, RateLimitResponse, RateLimitUnit,
        rate_limit_descriptor::{Entry, RateLimitOverride},
        rate_limit_response::{Code, DescriptorStatus, rate_limit},
        rate_limit_service_client::RateLimitServiceClient,
    },
    requests::{
        ask::{Failure, grpc},
        external_auth::{Granted, Headers, OURS},
        refusal::Refusal,
    },
};

/// Makes the question about a request; none if nothing of it is asked about.
pub fn question(limit: &GlobalLimit, asked: &Asked<'_>) -> Option<RateLimitRequest> {
    let one = |descriptor: &Descriptor| {
        let pairs = descriptor.of(asked)?;
        let entries = pairs.into_iter().map(|(key, value)| Entry { key: (*key).to_owned(), value });
        Some(RateLimitDescriptor { entries: entries.collect(), limit: descriptor.limit.map(instead) })
    };
    let descriptors: Vec<RateLimitDescriptor> = limit.descriptors.iter().filter_map(one).collect();
    let domain = (*limit.domain).to_owned();
    (!descriptors.is_empty()).then_some(RateLimitRequest { domain, descriptors, hits_addend: 1 })
}

fn instead(limit: Override) -> RateLimitOverride {
    let unit = match limit.unit {
        Unit::Second => RateLimitUnit::Second,
        Unit::Minute => RateLimitUnit::Minute,
        Unit::Hour => RateLimitUnit::Hour,
        Unit::Day => RateLimitUnit::Day,
        Unit::Month => RateLimitUnit::Month,
        Unit::Year => RateLimitUnit::Year,
    };
    RateLimitOverride { requests_per_unit: limit.requests, unit: unit.into() }
}

/// Asks; what the server says is done to the request, and left in `granted` for its answer. Returns what the answer says of what is
/// left, beside the windows that are `known` already.
///
/// # Errors
/// The answer of a request that is too many, or that nobody could be asked about, if that is to count as too many.
pub async fn ask(
    inbound: &Arc<Inbound>,
    question: Question,
    parts: &mut Parts,
    granted: &mut Granted,
    known: &[Window],
) -> Result<Vec<Window>, Refusal> {
    let Question { running, request } = question;
    let limit = &running.limit;
    let Some(global) = &limit.global else { return Ok(vec![]) };
    let asking = async {
        let (service, origin) = grpc(inbound, &global.target).await?;
        Ok::<_, Failure>(RateLimitServiceClient::with_origin(service, origin).should_rate_limit(request).await?)
    };
    let failure = match timeout(global.timeout, asking).await {
        Ok(Ok(answer)) => {
            let answer = answer.into_inner();
            let is_over = answer.overall_code() == Code::OverLimit;
            running.count(true, if is_over { Outcome::Limited } else { Outcome::Allowed });
            if limit.dry_run {
                return Ok(vec![]);
            }
            if is_over {
                let reason = format!("policy {}: its rate limit service says that it is too many", limit.key());
                return Err(over(limit, answer, known, reason));
            }
            let windows = if limit.headers == Told::Always { windows(&answer) } else { vec![] };
            pass(answer, parts, granted);
            return Ok(windows.into_iter().map(|(_, window)| window).collect());
        }
        Ok(Err(failure)) => format!("policy {}: its rate limit service could not be asked: {failure}", limit.key()),
        Err(_) => format!("policy {}: its rate limit service did not answer in time", limit.key()),
    };
    running.count(true, Outcome::Failed);
    if !global.fail_open && !limit.dry_run {
        return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "RLSE", "rate limiter error\n", failure));
    }
    granted.failure.get_or_insert(failure);
    Ok(vec![])
}

fn pass(answer: RateLimitResponse, parts: &mut Parts, granted: &mut Granted) {
    for (name, value) in headers(answer.request_headers_to_add) {
        parts.headers.append(name, value);
    }
    granted.headers.extend(headers(answer.response_headers_to_add));
}

fn over(limit: &RateLimit, mut answer: RateLimitResponse, known: &[Window], reason: String) -> Refusal {
    let told = if limit.headers == Told::Never { vec![] } else { windows(&answer) };
    let all: Vec<Window> = known.iter().copied().chain(told.iter().map(|(_, window)| *window)).collect();
    // Over first, and of those the one that takes longest; a server may say of none that it is over.
    let longest = told.iter().max_by_key(|(is_over, window)| (*is_over, window.reset)).map(|(_, window)| *window);
    let mut refusal = refusal(longest, &all, limit.resource_exhausted, reason);
    refusal.headers.extend(headers(std::mem::take(&mut answer.response_headers_to_add)));
    refusal.body = answer.raw_body.into();
    refusal
}

fn headers(all: Vec<Header>) -> Headers {
    let one = |header: Header| {
        let value = if header.raw_value.is_empty() { header.value.into_bytes() } else { header.raw_value };
        // A pseudo-header is no name: nobody but a rule says where a request goes.
        let name: HeaderName = header.key.parse().ok()?;
        (!OURS.contains(&name)).then_some((name, HeaderValue::from_bytes(&value).ok()?))
    };
    all.into_iter().filter_map(one).collect()
}

/// Returns what is left of each limit, and whether it is one that refuses.
fn windows(answer: &RateLimitResponse) -> Vec<(bool, Window)> {
    let one = |status: &DescriptorStatus| {
        let limit = status.current_limit.as_ref()?;
        let per = match limit.unit() {
            rate_limit::Unit::Unknown => return None,
            rate_limit::Unit::Second => 1,
            rate_limit::Unit::Minute => 60,
            rate_limit::Unit::Hour => 3600,
            rate_limit::Unit::Day => 86_400,
            rate_limit::Unit::Week => 7 * 86_400,
            rate_limit::Unit::Month => 30 * 86_400,
            rate_limit::Unit::Year => 365 * 86_400,
        };
        let reset = status.duration_until_reset.and_then(|span| Duration::try_from(span).ok());
        let (limit, remaining) = (limit.requests_per_unit.into(), status.limit_remaining.into());
        let per = Duration::from_secs(per);
        Some((status.code() == Code::OverLimit, Window { limit, per, remaining, reset: reset.unwrap_or(per) }))
    };
    answer.statuses.iter().filter_map(one).collect()
}
