//! Asking by the same request: 200 lets it pass, any other answer goes to the client.

use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode, Version,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, LOCATION, SERVER, WWW_AUTHENTICATE},
    response::Parts,
    uri::PathAndQuery,
};
use model::l7::{external_auth::HttpAuth, route::BackendTarget, text::TextMatch};

use super::{Changes, Headers, OURS, Question, Said};
use crate::requests::{
    ask::{Failure, Rest, endpoint, head},
    forward, headers,
    refusal::Refusal,
    replay::Outgoing,
};

/// Tells that the body is only its beginning (Envoy, `ext_authz`).
const PARTIAL: HeaderName = HeaderName::from_static("x-envoy-auth-partial-body");

/// Asks.
pub async fn ask(question: &Question<'_>, target: &BackendTarget, how: &HttpAuth) -> Result<Said, Failure> {
    let endpoint = endpoint(question.inbound, target).await?;
    let mut parts = question.parts.clone();
    parts.version = Version::HTTP_11;
    parts.headers = headers(&question.parts.headers, how);
    if let Some((_, whole)) = &question.body {
        parts.headers.insert(PARTIAL, HeaderValue::from_static(if *whole { "false" } else { "true" }));
    }
    let path = question.parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let path = format!("{}{path}", how.path.trim_end_matches('/'));
    // The client's path made it so: no failure of whom to ask, which might let it pass.
    let Ok(path) = path.parse::<PathAndQuery>() else {
        return Ok(Said::Deny(Box::new(Refusal::bad("the path is too long for the external authorization")), None));
    };
    parts.uri = path.into();
    let body = question.body.as_ref().map(|(bytes, _)| bytes.clone()).unwrap_or_default();
    let version = forward::version(&parts, &endpoint);
    let request = forward::request(&parts, question.authority, &endpoint, version, Outgoing::own(body));
    let (parts, rest) = head(question.inbound, &endpoint, version, request).await?;
    read(parts, rest, how).await
}

/// Returns the headers that are told.
fn headers(all: &HeaderMap, how: &HttpAuth) -> HeaderMap {
    let is_told = |name: &HeaderName| !OURS.contains(name) && (name == AUTHORIZATION || any(&how.headers, name));
    let mut out = HeaderMap::new();
    for (name, value) in all.iter().filter(|(name, _)| is_told(name)) {
        out.append(name, value.clone());
    }
    let add = how.add.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
    for (name, value) in add.filter(|(name, _)| !OURS.contains(name)) {
        out.insert(name, value);
    }
    out
}

fn any(patterns: &[TextMatch], name: &HeaderName) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name.as_str()))
}

async fn read(mut parts: Parts, rest: Rest, how: &HttpAuth) -> Result<Said, Failure> {
    if how.errors_fail && parts.status.is_server_error() {
        return Err(Failure::Status(parts.status.to_string()));
    }
    headers::end_to_end(&mut parts.headers);
    let pairs = |taken: &dyn Fn(&HeaderName) -> bool| -> Headers {
        let all = parts.headers.iter().filter(|(name, _)| !OURS.contains(name) && taken(name));
        all.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    if parts.status == StatusCode::OK {
        // What describes the answer itself says nothing about the request.
        let is_own = |name: &HeaderName| [CONTENT_TYPE, DATE, SERVER].contains(name);
        let set = pairs(&|name| match &how.response_headers {
            Some(taken) => any(taken, name),
            None => !is_own(name),
        });
        let answer = pairs(&|name| any(&how.client_headers, name));
        rest.whole().await?;
        return Ok(Said::Allow(Changes { set, answer, ..Changes::default() }));
    }
    let mut refusal = Refusal::new(parts.status, "UAEX", "", "the external authorization refuses it");
    // Without these the answer would not be what it is (Envoy, `allowed_client_headers`).
    refusal.headers = pairs(&|name| match &how.refusal_headers {
        Some(taken) => [WWW_AUTHENTICATE, LOCATION].contains(name) || any(taken, name),
        None => true,
    });
    Ok(Said::Deny(Box::new(refusal), Some(rest)))
}
