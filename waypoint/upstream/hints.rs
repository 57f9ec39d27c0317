//! What a request says about the endpoint that it wants.

use std::{fmt::Write as _, net::SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header::SET_COOKIE};
use model::l7::destination::{HashKey, HashPolicy};

use super::hash::hash;
use crate::requests::{cookie, session::Keeper};

/// What a request says about the endpoint that it wants. A connection that is passed on says nothing but where it comes from.
#[derive(Default)]
pub struct Hints<'r> {
    request: Option<(&'r HeaderMap, &'r Uri)>,
    /// The server, as the client names it.
    pub name: Option<&'r str>,
    /// Who keeps the client with the endpoint that it began with.
    pub keeper: Option<&'r Keeper<'r>>,
    key: Option<u64>,
    cookie: Option<HeaderValue>,
}

impl<'r> Hints<'r> {
    /// Knows the server that is named, and nothing else.
    #[must_use]
    pub fn named(name: Option<&'r str>) -> Self {
        Self { name, ..Self::default() }
    }

    /// Looks at a request.
    #[must_use]
    pub fn new(headers: &'r HeaderMap, uri: &'r Uri, keeper: Option<&'r Keeper<'r>>) -> Self {
        Self { request: Some((headers, uri)), keeper, ..Self::default() }
    }

    /// Returns the hash of the key that a policy asks for; none if there is no such key. The same each time it is asked.
    pub fn key(&mut self, policy: &HashPolicy, client: SocketAddr) -> Option<u64> {
        if self.key.is_none() {
            self.key = self.find(policy, client);
        }
        self.key
    }

    fn find(&mut self, policy: &HashPolicy, client: SocketAddr) -> Option<u64> {
        let (headers, uri) = match (&policy.key, self.request) {
            (HashKey::Source, _) => {
                return Some(match client.ip().to_canonical() {
                    std::net::IpAddr::V4(address) => hash(&address.octets()),
                    std::net::IpAddr::V6(address) => hash(&address.octets()),
                });
            }
            (_, Some(request)) => request,
            (_, None) => return None,
        };
        match &policy.key {
            HashKey::Header(name) => {
                let mut values = headers.get_all(&**name).iter();
                let first = values.next()?;
                match values.next() {
                    None => Some(hash(first.as_bytes())),
                    Some(_) => {
                        // In whichever order they came.
                        let mut all: Vec<&[u8]> = headers.get_all(&**name).iter().map(HeaderValue::as_bytes).collect();
                        all.sort_unstable();
                        Some(hash(&all.join(&b',')))
                    }
                }
            }
            HashKey::Query(name) => {
                let query = uri.query().unwrap_or_default();
                let found = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| *key == **name);
                found.map(|(_, value)| hash(value.as_bytes()))
            }
            HashKey::Cookie { name, path, ttl, attributes } => {
                if let Some(value) = cookie::find(headers, name) {
                    return Some(hash(value.as_bytes()));
                }
                let ttl = (*ttl)?;
                let value = format!("{:016x}", rand::random::<u64>());
                let mut text = format!("{name}={value}");
                // Without a time it ends with the client's session.
                if !ttl.is_zero() {
                    let _ = write!(text, "; Max-Age={}", ttl.as_secs());
                }
                if let Some(path) = path {
                    let _ = write!(text, "; Path={path}");
                }
                for (name, value) in attributes {
                    let _ = if value.is_empty() { write!(text, "; {name}") } else { write!(text, "; {name}={value}") };
                }
                text.push_str("; HttpOnly");
                self.cookie = HeaderValue::from_str(&text).ok();
                Some(hash(value.as_bytes()))
            }
            HashKey::Source => None,
        }
    }

    /// Returns what the client is told with the answer.
    pub fn answer(self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        self.cookie.map(|cookie| (SET_COOKIE, cookie)).into_iter()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is the test's result
mod tests {
    use std::time::Duration;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))).collect()
    }

    fn made(ttl: Option<u64>) -> HashKey {
        let attributes = vec![("SameSite".into(), "Lax".into()), ("Secure".into(), "".into())];
        HashKey::Cookie { name: "c".into(), path: Some("/a".into()), ttl: ttl.map(Duration::from_secs), attributes }
    }

    #[test]
    fn keys_are_found_where_they_are_said_to_be() {
        let header = HashKey::Header("x-user".into());
        let query = HashKey::Query("user".into());
        let rows = [
            (&header, headers(&[("x-user", "anna")]), "/", Some("anna")),
            (&header, headers(&[("x-user", "b"), ("x-user", "a")]), "/", Some("a,b")),
            (&header, headers(&[]), "/", None),
            (&query, headers(&[]), "/p?user=a%20b&user=c", Some("a b")),
            (&query, headers(&[]), "/p", None),
            (&made(None), headers(&[("cookie", "a=1; c=anna; d=2")]), "/", Some("anna")),
            (&made(Some(5)), headers(&[("cookie", "a=1"), ("cookie", "c=\"anna\"")]), "/", Some("anna")),
            (&made(None), headers(&[("cookie", "cc=anna")]), "/", None),
        ];
        for (key, headers, uri, wanted) in rows {
            let (policy, uri) = (HashPolicy { key: key.clone(), ring: None, table: None }, uri.parse().unwrap());
            let mut hints = Hints::new(&headers, &uri, None);
            let found = hints.key(&policy, ([10, 0, 0, 1], 1).into());
            assert_eq!(found, wanted.map(|w| hash(w.as_bytes())), "{key:?}");
            assert_eq!(hints.answer().next(), None);
        }
    }

    #[test]
    fn a_cookie_is_made_once() {
        for (ttl, wanted) in [
            (60, "; Max-Age=60; Path=/a; SameSite=Lax; Secure; HttpOnly"),
            (0, "; Path=/a; SameSite=Lax; Secure; HttpOnly"),
        ] {
            let (headers, uri) = (HeaderMap::new(), Uri::from_static("/"));
            let policy = HashPolicy { key: made(Some(ttl)), ring: Some(1024), table: None };
            let mut hints = Hints::new(&headers, &uri, None);
            let key = hints.key(&policy, ([10, 0, 0, 1], 1).into());
            assert_eq!(hints.key(&policy, ([10, 0, 0, 1], 1).into()), key, "a repetition goes to the same");
            let (_, cookie) = hints.answer().next().unwrap();
            let text = cookie.to_str().unwrap();
            let (value, rest) = text.split_at(text.find(';').unwrap());
            assert_eq!(rest, wanted);
            assert_eq!(
                key,
                value.strip_prefix("c=").map(|value| hash(value.as_bytes())),
                "what comes back is the same key"
            );
        }
    }

    #[test]
    fn the_source_is_an_address_without_its_port() {
        let policy = HashPolicy { key: HashKey::Source, ring: None, table: Some(65_537) };
        let key = |address: &str| Hints::default().key(&policy, address.parse().unwrap());
        assert_eq!(key("10.0.0.1:1000"), key("10.0.0.1:2000"));
        assert_eq!(key("10.0.0.1:1000"), key("[::ffff:10.0.0.1]:2000"));
        assert_ne!(key("10.0.0.1:1000"), key("10.0.0.2:1000"));
    }
}
