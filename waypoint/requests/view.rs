//! A request as rules and policies read it.

use std::borrow::Cow;

use http::{HeaderMap, header::HOST, request::Parts};
use model::l7::matching;

use super::{check, refusal::Refusal};

/// A request as rules and policies read it.
pub struct View<'r> {
    method: &'r str,
    path: &'r str,
    query: Option<&'r str>,
    authority: &'r str,
    headers: &'r HeaderMap,
}

impl<'r> View<'r> {
    /// Looks at a request of this authority, whose path is comparable already.
    #[must_use]
    pub fn new(parts: &'r Parts, authority: &'r str) -> Self {
        Self {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query(),
            authority,
            headers: &parts.headers,
        }
    }
}

/// Returns the authority of a request: of its target, or else of its one `Host` (RFC 9112 3.2, RFC 9113 8.3.1).
///
/// # Errors
/// None at all, or several, or one that is none: others might take another one.
pub fn authority(parts: &Parts) -> Result<String, Refusal> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (host, None) => host.map(|h| h.to_str().map_err(|_| Refusal::bad("the Host is no text"))).transpose()?,
        _ => return Err(Refusal::bad("there is more than one Host")),
    };
    let target = parts.uri.authority().map(http::uri::Authority::as_str);
    // RFC 9113 8.3.1; of HTTP/1 the target alone counts (RFC 9112 3.2.2).
    let differ = target.zip(host).is_some_and(|(target, host)| !target.eq_ignore_ascii_case(host));
    if differ && parts.version == http::Version::HTTP_2 {
        return Err(Refusal::bad("the Host is another one than the authority"));
    }
    let authority = target.or(host).ok_or_else(|| Refusal::bad("there is no Host"))?;
    check::authority(authority)?;
    Ok(authority.to_owned())
}

impl matching::Request for View<'_> {
    fn path(&self) -> &str {
        self.path
    }

    fn method(&self) -> &str {
        self.method
    }

    fn scheme(&self) -> &str {
        // TLS of a client's own ends at its destination: what is read here came without.
        "http"
    }

    fn authority(&self) -> &str {
        self.authority
    }

    fn header(&self, name: &str, holds: &mut dyn FnMut(&str) -> bool) -> bool {
        if name == "host" {
            return holds(self.authority);
        }
        let mut values = self.headers.get_all(name).iter();
        let Some(first) = values.next() else { return false };
        let text = |value: &'_ http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        match values.next() {
            None => match first.to_str() {
                Ok(value) => holds(value),
                Err(_) => holds(&text(first)),
            },
            Some(second) => {
                let mut all = format!("{},{}", text(first), text(second));
                for value in values {
                    all.push(',');
                    all.push_str(&text(value));
                }
                holds(&all)
            }
        }
    }

    fn query(&self, name: &str, holds: &mut dyn FnMut(&str) -> bool) -> bool {
        let query = self.query.unwrap_or_default();
        let first = form_urlencoded::parse(query.as_bytes()).find(|(found, _): &(Cow<'_, str>, _)| found == name);
        first.is_some_and(|(_, value)| holds(&value))
    }
}
