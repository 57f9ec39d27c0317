//! Requests from other origins (Fetch 3.2): preflights are answered here, other answers say who may read them.

use http::{
    HeaderMap, HeaderValue, Method,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderName, ORIGIN, SET_COOKIE, VARY,
    },
};
use model::{l7::filter::Cors, workload::Name};

const TRUE: HeaderValue = HeaderValue::from_static("true");

/// What becomes of a request.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// It goes on; its answer says so much.
    Pass(Grant),
    /// It is a preflight, answered with these headers; none for an origin that may not ask.
    Preflight(Vec<(HeaderName, HeaderValue)>),
}

/// What an answer says about who may read it.
#[derive(Debug, Default, PartialEq)]
pub struct Grant {
    // None for no origin, or one that may not ask: then what the endpoint says stands.
    origin: Option<HeaderValue>,
    credentials: bool,
    expose: Vec<Name>,
}

/// Decides over a request.
#[must_use]
pub fn judge(cors: &Cors, method: &Method, headers: &HeaderMap) -> Verdict {
    let Some(origin) = headers.get(ORIGIN) else { return Verdict::Pass(Grant::default()) };
    let wanted = headers.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|method| !method.is_empty());
    let allowed = origin.to_str().is_ok_and(|origin| cors.allow_origins.iter().any(|allowed| allowed.matches(origin)));
    match wanted.filter(|_| method == Method::OPTIONS) {
        Some(_) if !allowed && cors.forward_unmatched => Verdict::Pass(Grant::default()),
        Some(_) if !allowed => Verdict::Preflight(vec![(VARY, HeaderValue::from_static("origin"))]),
        Some(wanted) => {
            Verdict::Preflight(preflight(cors, origin, wanted, headers.get(ACCESS_CONTROL_REQUEST_HEADERS)))
        }
        None if !allowed => Verdict::Pass(Grant::default()),
        None => Verdict::Pass(Grant {
            origin: Some(origin.clone()),
            credentials: cors.allow_credentials,
            expose: cors.expose_headers.clone(),
        }),
    }
}

fn preflight(
    cors: &Cors,
    origin: &HeaderValue,
    method: &HeaderValue,
    names: Option<&HeaderValue>,
) -> Vec<(HeaderName, HeaderValue)> {
    // Where credentials may come, `*` has no meaning for a browser (Fetch 3.2.5): then what is asked for is named.
    let list = |allowed: &[Name], asked: Option<&HeaderValue>| {
        let named = cors.allow_credentials && allowed.iter().any(|name| &**name == "*");
        if named { asked.cloned() } else { join(allowed) }
    };
    let credentials = cors.allow_credentials.then_some(TRUE);
    let age = cors.max_age.map(|age| HeaderValue::from(age.as_secs()));
    let all = [
        (ACCESS_CONTROL_ALLOW_ORIGIN, Some(origin.clone())),
        (ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials),
        (ACCESS_CONTROL_ALLOW_METHODS, list(&cors.allow_methods, Some(method))),
        (ACCESS_CONTROL_ALLOW_HEADERS, list(&cors.allow_headers, names)),
        (ACCESS_CONTROL_MAX_AGE, age),
        (VARY, Some(HeaderValue::from_static("origin"))),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn join(names: &[Name]) -> Option<HeaderValue> {
    HeaderValue::from_str(&names.join(", ")).ok().filter(|value| !value.is_empty())
}

impl Grant {
    /// Says it in an answer, in place of what the endpoint says.
    pub fn apply(&self, headers: &mut HeaderMap) {
        // A cache must not give one origin what was meant for another, or for none (Fetch 3.2.6).
        let varies = |value: &HeaderValue| {
            value
                .to_str()
                .is_ok_and(|v| v.split(',').any(|v| matches!(v.trim(), "*") || v.trim().eq_ignore_ascii_case("origin")))
        };
        if !headers.get_all(VARY).iter().any(varies) {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        let Some(origin) = &self.origin else { return };
        for name in [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_EXPOSE_HEADERS] {
            headers.remove(name);
        }
        // With credentials, all headers have to be named.
        let named = self.credentials && self.expose.iter().any(|name| &**name == "*");
        let exposed = if named {
            let readable = headers.keys().filter(|name| **name != SET_COOKIE && **name != VARY);
            join(&readable.map(|name| name.as_str().into()).collect::<Vec<_>>())
        } else {
            join(&self.expose)
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
        if let Some(exposed) = exposed {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
}

#[cfg(test)]
#[path = "cors/tests.rs"]
mod tests;
