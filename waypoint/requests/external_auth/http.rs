//! Asking by the same request: 200 lets it pass, any other answer goes to the client.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Response, StatusCode, Version,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, SERVER},
    uri::PathAndQuery,
};
use http_body_util::Collected;
use model::{l7::route::BackendTarget, workload::Name};

use super::{Changes, Failure, Headers, OURS, Question, Said, endpoint, send};
use crate::requests::{forward, headers, refusal::Refusal, replay::Outgoing};

/// Asks.
pub async fn ask(
    question: &Question<'_>,
    target: &BackendTarget,
    prefix: &str,
    told: &[Name],
    taken: &[Name],
) -> Result<Said, Failure> {
    let endpoint = endpoint(question.inbound, target).await?;
    let mut parts = question.parts.clone();
    parts.version = Version::HTTP_11;
    parts.headers = headers(&question.parts.headers, told);
    let path = question.parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let path = format!("{}{path}", prefix.trim_end_matches('/'));
    let path =
        path.parse::<PathAndQuery>().map_err(|error| Failure::Target(format!("{path:?} is no path: {error}")))?;
    parts.uri = path.into();
    let body = question.body.as_ref().map(|(bytes, _)| bytes.clone()).unwrap_or_default();
    let version = forward::version(&parts, &endpoint, false);
    let request = forward::request(&parts, question.authority, &endpoint, version, Outgoing::own(body));
    let answer = send(question.inbound, &endpoint, version, request).await?;
    Ok(read(answer, taken))
}

/// Returns the headers that are told.
fn headers(all: &HeaderMap, told: &[Name]) -> HeaderMap {
    let is_told = |name: &HeaderName| {
        !OURS.contains(name) && (name == AUTHORIZATION || told.iter().any(|told| **told == *name.as_str()))
    };
    let mut out = HeaderMap::new();
    for (name, value) in all.iter().filter(|(name, _)| is_told(name)) {
        out.append(name, value.clone());
    }
    out
}

fn read(answer: Response<Collected<Bytes>>, taken: &[Name]) -> Said {
    let (mut parts, body) = answer.into_parts();
    headers::end_to_end(&mut parts.headers);
    let pairs = |headers: &HeaderMap| -> Headers {
        let all = headers.iter().filter(|(name, _)| !OURS.contains(name));
        all.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    if parts.status == StatusCode::OK {
        // What describes the answer itself says nothing about the request.
        let mut set = pairs(&parts.headers);
        let is_own = |name: &HeaderName| [CONTENT_TYPE, DATE, SERVER].contains(name);
        let is_taken = |name: &HeaderName| taken.iter().any(|taken| **taken == *name.as_str());
        set.retain(|(name, _)| if taken.is_empty() { !is_own(name) } else { is_taken(name) });
        return Said::Allow(Changes { set, ..Changes::default() });
    }
    let mut refusal = Refusal::new(parts.status, "UAEX", "", "the external authorization refuses it");
    refusal.body = body.to_bytes();
    refusal.headers = pairs(&parts.headers);
    Said::Deny(Box::new(refusal))
}
