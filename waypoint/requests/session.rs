//! Clients that stay with the endpoint they began with (GEP-1619): a cookie or header names it.
//!
//! What it holds is a digest of the endpoint's unique name and the time it was given: every replica can compare it with the
//! endpoints at hand, and none has to trust it. Who makes one up comes to an endpoint of the service that it may ask anyway.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, header::SET_COOKIE};
use model::{
    Workload, World,
    l7::{
        destination::TrafficPolicy,
        filter::Session,
        matching::PathMatch,
        route::{Backend, BackendTarget, HttpRule},
    },
    workload::{Health, ServiceKey},
};
use sha2::{Digest, Sha256};

use super::cookie;

/// How far the clocks of two replicas may be apart, seconds.
const SKEW: u64 = 60;
/// How much of a digest is told, bytes: enough that no two endpoints have the same.
const DIGEST: usize = 16;

/// What a client carries along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token {
    /// When it was given, seconds since 1970: a client need not forget it when it should.
    given: u64,
    endpoint: [u8; DIGEST],
}

impl Token {
    fn new(endpoint: &Workload, given: u64) -> Self {
        Self { given, endpoint: digest(endpoint) }
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (given, endpoint) = bytes.split_first_chunk()?;
        Some(Self { given: u64::from_be_bytes(*given), endpoint: endpoint.try_into().ok()? })
    }

    fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode([&self.given.to_be_bytes()[..], &self.endpoint].concat())
    }

    fn holds(&self, session: &Session, now: u64) -> bool {
        let lasts = session.lifetime.is_none_or(|lifetime| now < self.given.saturating_add(lifetime.as_secs()));
        lasts && self.given <= now.saturating_add(SKEW)
    }
}

fn digest(endpoint: &Workload) -> [u8; DIGEST] {
    let whole = Sha256::new().chain_update("session\0").chain_update(&*endpoint.uid).finalize();
    let mut part = [0; DIGEST];
    part.copy_from_slice(&whole[..DIGEST]);
    part
}

/// What one request says about its endpoint, and its answer should.
pub struct Keeper<'r> {
    rule: Option<&'r HttpRule>,
    path: &'r str,
    headers: &'r HeaderMap,
    now: u64,
}

impl<'r> Keeper<'r> {
    /// Looks at a request that follows a rule; `path` is what its cookie is for.
    #[must_use]
    pub fn new(rule: Option<&'r HttpRule>, path: &'r str, headers: &'r HeaderMap) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { rule, path, headers, now }
    }

    fn session<'s>(&'s self, traffic: &'s TrafficPolicy) -> Option<&'s Session> {
        self.rule.and_then(|rule| rule.session.as_ref()).or(traffic.session.as_ref())
    }

    fn token(&self, session: &Session) -> Option<Token> {
        let value = if session.header {
            self.headers.get(&*session.name)?.to_str().ok()?
        } else {
            cookie::find(self.headers, &session.name)?
        };
        Token::parse(value).filter(|token| token.holds(session, self.now))
    }

    /// Returns the place of the endpoint that the client began with, if it is one of these.
    pub fn find<'w>(
        &self,
        traffic: &TrafficPolicy,
        mut candidates: impl Iterator<Item = &'w Workload>,
    ) -> Option<usize> {
        let token = self.token(self.session(traffic)?)?;
        candidates.position(|endpoint| digest(endpoint) == token.endpoint)
    }

    /// Returns the backend whose endpoint the client began with: a client stays whatever the others' shares are. One without a
    /// share takes nobody, those that it had neither.
    pub fn backend<'b>(&self, backends: &'b [Backend], world: &World) -> Option<&'b Backend> {
        let session = self.rule?.session.as_ref().filter(|_| backends.len() > 1)?;
        let token = self.token(session)?;
        let is_of = |service: &ServiceKey| {
            let mut healthy = world.endpoints(service).filter(|endpoint| endpoint.workload.status == Health::Healthy);
            healthy.any(|endpoint| digest(&endpoint.workload) == token.endpoint)
        };
        backends.iter().filter(|backend| backend.weight > 0).find(|backend| match &backend.target {
            BackendTarget::Service { service, .. } => is_of(service),
            BackendTarget::Invalid(_) => false,
        })
    }

    /// Tells the client which endpoint answered, unless it came with just that.
    pub fn tell(&self, traffic: &TrafficPolicy, endpoint: &Workload, answer: &mut HeaderMap) {
        let Some(session) = self.session(traffic) else { return };
        let token = Token::new(endpoint, self.now);
        if self.token(session).is_some_and(|known| known.endpoint == token.endpoint) {
            return;
        }
        let text = token.write();
        if session.header {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(session.name.as_bytes()), HeaderValue::from_str(&text))
            {
                answer.insert(name, value);
            }
            return;
        }
        let age = session.lifetime.map(|lifetime| format!("; Max-Age={}", lifetime.as_secs())).unwrap_or_default();
        let cookie = format!("{}={text}; Path={}{age}; HttpOnly", session.name, self.path);
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            answer.append(SET_COOKIE, value);
        }
    }
}

/// Returns the path that a cookie of a rule is for: the one that the match asks for, as far as a client compares it (RFC 6265
/// 5.1.4: whole segments, with regard to case).
#[must_use]
pub fn path(rule: &HttpRule, path: &str) -> String {
    let matched = rule.matches.iter().find(|m| m.path.as_ref().is_some_and(|p| p.matches(path, m.ignore_case)));
    let wanted = match matched.filter(|m| !m.ignore_case).and_then(|m| m.path.as_ref()) {
        Some(PathMatch::Exact(path) | PathMatch::Segments(path)) => path,
        Some(PathMatch::Prefix(prefix)) => prefix.rsplit_once('/').map_or("", |(whole, _)| whole),
        Some(PathMatch::Regex(_)) | None => "",
    };
    // These would end the attribute (RFC 6265 5.2).
    let is_plain = wanted.starts_with('/') && wanted.bytes().all(|b| b.is_ascii_graphic() && b != b';');
    if is_plain { wanted.to_owned() } else { "/".to_owned() }
}

#[cfg(test)]
#[path = "session/tests.rs"]
mod tests;
