//! What a request says about the endpoint that it wants.

use std::{fmt::Write as _, net::SocketAddr};

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{COOKIE, SET_COOKIE},
};
use model::l7::{
    destination::{HashKey, HashPolicy},
    filter::Session,
};

use super::hash::hash;

/// What a request says about the endpoint that it wants. A connection that is passed on says nothing but where it comes from.
#[derive(Debug, Default)]
pub struct Hints<'r> {
    request: Option<(&'r HeaderMap, &'r Uri)>,
    session: Option<&'r Session>,
    key: Option<u64>,
    cookie: Option<HeaderValue>,
    stays: Option<(HeaderName, HeaderValue)>,
}

impl<'r> Hints<'r> {
    /// Looks at a request, whose rule may say how its client stays with an endpoint.
    #[must_use]
    pub fn new(headers: &'r HeaderMap, uri: &'r Uri, session: Option<&'r Session>) -> Self {
        Self { request: Some((headers, uri)), session, ..Self::default() }
    }

    /// Returns how the client stays with an endpoint: as its rule says, or else as a policy does.
    #[must_use]
    pub fn session<'s>(&self, policy: Option<&'s Session>) -> Option<&'s Session>
    where
        'r: 's,
    {
        self.request.and(self.session.or(policy))
    }

    /// Returns the token of the endpoint that the client began with, if it shows one.
    #[must_use]
    pub fn token(&self, session: &Session) -> Option<u64> {
        let (headers, _) = self.request?;
        let value = match session.header {
            true => headers.get(&*session.name)?.to_str().ok()?,
            false => cookie(headers, &session.name)?,
        };
        u64::from_str_radix(value, 16).ok()
    }

    /// Has the client told with which endpoint it stays, by a token that says nothing else about it.
    pub fn stay(&mut self, session: &Session, token: u64) {
        self.stays = None;
        if session.header {
            let name = HeaderName::from_bytes(session.name.as_bytes()).ok();
            self.stays = name.zip(HeaderValue::from_str(&format!("{token:016x}")).ok());
        } else if self.token(session) != Some(token) {
            let age = session.lifetime.map(|lifetime| format!("; Max-Age={}", lifetime.as_secs())).unwrap_or_default();
            let text = format!("{}={token:016x}{age}; Path=/; HttpOnly", session.name);
            self.stays = HeaderValue::from_str(&text).ok().map(|value| (SET_COOKIE, value));
        }
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
                if let Some(value) = cookie(headers, name) {
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
        self.cookie.map(|cookie| (SET_COOKIE, cookie)).into_iter().chain(self.stays)
    }
}

/// Returns the value of a cookie (RFC 6265 4.2).
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    all.filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
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
    fn clients_are_told_where_they_stay() {
        let session = |header, lifetime: Option<u64>| Session {
            name: "x-stay".into(),
            header,
            lifetime: lifetime.map(Duration::from_secs),
        };
        type Row = (bool, Option<u64>, (&'static str, &'static str), Option<u64>, Option<(&'static str, &'static str)>);
        let rows: [Row; 6] = [
            (false, None, ("a", "b"), None, Some(("set-cookie", "x-stay=00000000000000ff; Path=/; HttpOnly"))),
            (
                false,
                Some(9),
                ("a", "b"),
                None,
                Some(("set-cookie", "x-stay=00000000000000ff; Max-Age=9; Path=/; HttpOnly")),
            ),
            (false, None, ("cookie", "x-stay=00000000000000ff"), Some(255), None),
            (
                false,
                None,
                ("cookie", "x-stay=nonsense"),
                None,
                Some(("set-cookie", "x-stay=00000000000000ff; Path=/; HttpOnly")),
            ),
            (true, None, ("x-stay", "00000000000000fe"), Some(254), Some(("x-stay", "00000000000000ff"))),
            (true, None, ("cookie", "x-stay=00000000000000ff"), None, Some(("x-stay", "00000000000000ff"))),
        ];
        for (header, lifetime, sent, token, told) in rows {
            let (session, headers, uri) = (session(header, lifetime), headers(&[sent]), Uri::from_static("/"));
            let mut hints = Hints::new(&headers, &uri, Some(&session));
            assert_eq!(hints.token(&session), token, "{sent:?}");
            hints.stay(&session, 255);
            let found: Vec<_> = hints.answer().collect();
            let found: Vec<_> = found.iter().map(|(k, v)| (k.as_str(), v.to_str().unwrap())).collect();
            assert_eq!(found, told.into_iter().collect::<Vec<_>>(), "{sent:?}");
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
