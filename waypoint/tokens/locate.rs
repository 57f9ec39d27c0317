//! Where tokens are in a request: found, taken out, and what they say put in.

use std::borrow::Cow;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, COOKIE},
    request::Parts,
    uri::PathAndQuery,
};
use model::l7::authentication::JwtRule;

use super::verify::Believed;
use crate::requests::cookie;

/// How many tokens of a request are looked at for one rule. More come from nobody who means well.
pub const MOST: usize = 8;

/// Where a token is looked for when a rule does not say (Istio, `jwtRules`; RFC 6750 2.1 and 2.3).
const DEFAULT_HEADER: (&str, &str) = ("authorization", "Bearer ");
/// The same, in the query.
const DEFAULT_PARAM: &str = "access_token";

/// Finds the tokens of a request at the places of a rule, at most one more than [`MOST`].
#[must_use]
pub fn find<'r>(rule: &JwtRule, parts: &'r Parts) -> Vec<Cow<'r, str>> {
    let headers = headers(rule).flat_map(|(name, prefix)| {
        let values = parts.headers.get_all(name).iter();
        values.filter_map(move |value| in_header(name, prefix, value))
    });
    let query = parts.uri.query().unwrap_or_default();
    let params = params(rule).flat_map(|wanted| {
        form_urlencoded::parse(query.as_bytes()).filter(move |(name, _)| name == wanted).map(|(_, value)| value)
    });
    let cookies = rule.from_cookies.iter().flat_map(|wanted| {
        cookie::all(&parts.headers).filter(move |(name, _)| *name == wanted.as_bytes()).map(|(_, value)| text(value))
    });
    headers.chain(params).chain(cookies).take(MOST + 1).collect()
}

fn says_where(rule: &JwtRule) -> bool {
    !(rule.from_headers.is_empty() && rule.from_params.is_empty() && rule.from_cookies.is_empty())
}

/// Returns the headers of a rule, and what stands before a token there.
fn headers(rule: &JwtRule) -> impl Iterator<Item = (&str, &str)> {
    let named = rule.from_headers.iter().map(|(name, prefix)| (&**name, &**prefix));
    named.chain((!says_where(rule)).then_some(DEFAULT_HEADER))
}

/// Returns the parameters of a rule.
fn params(rule: &JwtRule) -> impl Iterator<Item = &str> {
    rule.from_params.iter().map(|name| &**name).chain((!says_where(rule)).then_some(DEFAULT_PARAM))
}

/// Returns the token in the value of a header; none if it does not begin as it should.
fn in_header<'r>(name: &str, prefix: &str, value: &'r HeaderValue) -> Option<Cow<'r, str>> {
    let value = value.as_bytes();
    let (begin, rest) = value.split_at_checked(prefix.len())?;
    // The name of a scheme is without regard to case (RFC 9110 11.1).
    let begins = match name.eq_ignore_ascii_case(AUTHORIZATION.as_str()) {
        true => begin.eq_ignore_ascii_case(prefix.as_bytes()),
        false => begin == prefix.as_bytes(),
    };
    begins.then(|| text(rest.trim_ascii()))
}

fn text(value: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(value)
}

/// Takes the tokens out of a request that are at the places of a rule.
pub fn take(rule: &JwtRule, parts: &mut Parts) {
    for (name, prefix) in headers(rule) {
        let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        keep(&mut parts.headers, &header, |value| match in_header(name, prefix, value) {
            Some(_) => None,
            None => Some(value.clone()),
        });
    }
    if !rule.from_cookies.is_empty() {
        let is_token = |cookie: &[u8]| {
            cookie::pair(cookie)
                .is_some_and(|(name, _)| rule.from_cookies.iter().any(|wanted| wanted.as_bytes() == name))
        };
        keep(&mut parts.headers, &COOKIE, |value| {
            if !cookie::split(value).any(is_token) {
                return Some(value.clone());
            }
            let left: Vec<&[u8]> =
                cookie::split(value).filter(|cookie| !is_token(cookie)).map(<[u8]>::trim_ascii).collect();
            let left = left.join(&b"; "[..]);
            HeaderValue::from_bytes(&left).ok().filter(|_| !left.is_empty())
        });
    }
    if let Some(query) = parts.uri.query() {
        let all = query.split('&').count();
        let left: Vec<&str> = query.split('&').filter(|pair| !is_param(rule, pair)).collect();
        if left.len() < all {
            let query = (!left.is_empty()).then(|| left.join("&"));
            set_query(parts, query.as_deref());
        }
    }
}

/// Returns the path and query of a request with nothing in it that could be used as a token, if there is any.
#[must_use]
pub fn hidden<'a>(rules: impl Iterator<Item = &'a JwtRule> + Clone, parts: &Parts) -> Option<String> {
    let query = parts.uri.query()?;
    let is_token = |pair: &str| rules.clone().any(|rule| is_param(rule, pair));
    if !query.split('&').any(is_token) {
        return None;
    }
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_token(pair) => format!("{name}=***"),
        _ => pair.to_owned(),
    });
    Some(format!("{}?{}", parts.uri.path(), pairs.collect::<Vec<_>>().join("&")))
}

/// Tells whether a pair of a query is one of those that hold tokens.
fn is_param(rule: &JwtRule, pair: &str) -> bool {
    form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| params(rule).any(|param| name == param))
}

fn set_query(parts: &mut Parts, query: Option<&str>) {
    let path = parts.uri.path();
    let text = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    // Parts of what was valid: it cannot fail, and if it did no token may stay.
    let new = text.parse().unwrap_or_else(|_| PathAndQuery::from_static("/"));
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.path_and_query = Some(new);
    parts.uri = uri.try_into().unwrap_or_default();
}

/// Changes the values of a header, of which `None` is taken out.
fn keep(headers: &mut HeaderMap, name: &HeaderName, change: impl Fn(&HeaderValue) -> Option<HeaderValue>) {
    let Some(old) = headers.get(name).map(|_| headers.get_all(name).iter().map(change).collect::<Vec<_>>()) else {
        return;
    };
    headers.remove(name);
    for value in old.into_iter().flatten() {
        headers.append(name, value);
    }
}

/// Removes what only proxies may say of tokens, so that nobody else can.
pub fn clear(rule: &JwtRule, headers: &mut HeaderMap) {
    for name in rule.payload_header.iter().chain(rule.claim_headers.iter().map(|(header, _)| header)) {
        headers.remove(&**name);
    }
}

/// Tells the backend what a token says.
pub fn tell(rule: &JwtRule, believed: &Believed, headers: &mut HeaderMap) {
    let claims = rule.claim_headers.iter().filter_map(|(header, claim)| Some((header, believed.claim(claim)?)));
    let payload = rule.payload_header.iter().map(|header| (header, believed.payload.clone()));
    for (name, value) in payload.chain(claims) {
        // A claim that no header can hold, as one with a line break, is not told.
        let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(&value).ok());
        if let Some((name, value)) = pair {
            headers.insert(name, value);
        }
    }
}
