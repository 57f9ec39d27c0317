//! Copies of requests for others, whose answers nobody gets.
//!
//! A copy never holds its original up and never changes what becomes of it. Its `Host` is the original's: Envoy's `-shadow`
//! behind it is off in Istio since 1.28, and Gateway API knows no such thing. It is counted as a request of the client to the
//! mirror; Istio's proxies count none, for Envoy sends copies past its filters.

use std::{sync::Arc, time::Duration};

use http::{Request, StatusCode, request::Parts};
use http_body_util::BodyExt;
use model::l7::route::HttpRule;
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::{
    body::Answer,
    forward,
    replay::{Outgoing, Replay},
};
use crate::{
    inbound::Inbound,
    telemetry::Record,
    upstream::{self, Hints, Wanted},
};

/// How many copies may be under way; further ones are not made.
pub const MIRRORS: usize = 512;
/// How long one may take, where its rule sets no limit.
const LONG: Duration = Duration::from_secs(60);

/// Sends the copies that a rule asks for.
pub fn start(
    inbound: &Arc<Inbound>,
    rule: Option<&HttpRule>,
    parts: &Parts,
    authority: &str,
    replay: &Replay,
    is_grpc: bool,
) {
    let Some(rule) = rule else { return };
    for mirror in rule.mirrors.iter().filter(|mirror| mirror.share.hits(rand::random())) {
        let wanted = match Wanted::of_backend(&mirror.target, inbound.target.port()) {
            Ok(wanted) => wanted,
            Err(reason) => {
                debug!(rule = &*rule.name, reason, "a copy has nowhere to go");
                continue;
            }
        };
        let Ok(permit) = inbound.shared.mirrors.clone().try_acquire_owned() else {
            debug!(rule = &*rule.name, limit = MIRRORS, "too many copies are under way");
            continue;
        };
        let mut request = Request::new(replay.copy());
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = parts.uri.clone();
        *request.version_mut() = parts.version;
        *request.headers_mut() = parts.headers.clone();
        let (inbound, authority) = (inbound.clone(), authority.to_owned());
        let mut record = Record::new(&inbound, parts, is_grpc).mirrored();
        record.authority(&authority);
        let limit = rule.timeout.filter(|limit| !limit.is_zero()).unwrap_or(LONG);
        tokio::spawn(async move {
            let _permit = permit;
            // Cut short, its record tells so.
            let _ = timeout(limit, send(&inbound, &wanted, request, &authority, record)).await;
        });
    }
}

async fn send(
    inbound: &Arc<Inbound>,
    wanted: &Wanted,
    request: Request<Outgoing>,
    authority: &str,
    mut record: Record,
) {
    let failed = |flags, reason: String, mut record: Record| {
        record.answered(StatusCode::SERVICE_UNAVAILABLE, flags);
        record.failed(flags, &reason);
    };
    let mut hints = Hints::named(Some(authority));
    let mut endpoint = match upstream::choose(inbound, wanted, &[], &mut hints).await {
        Ok(endpoint) => endpoint,
        Err(failure) => return failed(failure.flags(), failure.to_string(), record),
    };
    record.busy(endpoint.begin());
    record.endpoint(&endpoint);
    let (parts, body) = request.into_parts();
    let version = forward::version(&parts, &endpoint);
    let request = forward::request(&parts, authority, &endpoint, version, body);
    let upstreams = inbound.shared.upstreams();
    match upstreams.send(&inbound.shared, &endpoint, version, request).await {
        Ok((answer, checkout)) => {
            let (parts, incoming) = answer.into_parts();
            record.answered(parts.status, "-");
            record.trailers(&parts.headers);
            let mut answer = Answer::passed(incoming, checkout, None::<Instant>, record);
            while let Some(Ok(_)) = answer.frame().await {}
        }
        Err(error) => failed("UF", error.to_string(), record),
    }
}
