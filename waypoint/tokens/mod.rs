//! Tokens of requests: found, proven with the keys of their issuers, and handed on to policies and backends.
//!
//! ```text
//!  rules ──► follow ──► remote ──► fetch ──► keys
//!                                             │
//!  request ──► locate ──► cache ── new ──► verify ──► claims
//! ```
//!
//! A request without a token passes: policies decide over it. One with a token passes if one rule believes all tokens that
//! it finds at its places, in the order of issuers, as with Istio.

mod cache;
mod fetch;
mod keys;
mod locate;
mod remote;
mod verify;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use http::request::Parts;
use model::{
    l7::{
        authentication::{Authentication, JwtRule, Keys},
        state::State,
    },
    workload::Name,
};
use runtime::Drain;
use tracing::warn;
use xds::client::Store;

use self::{
    cache::{Cache, Digest},
    keys::KeySet,
    remote::{Place, Remotes},
};
pub use self::{
    fetch::{Fetcher, public_roots, resolve},
    verify::{Believed, Fault},
};

/// How often tokens that have expired are forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// The tokens of all requests.
pub struct Tokens {
    inline: ArcSwap<HashMap<Name, Arc<KeySet>>>,
    remotes: Remotes,
    believed: Cache,
    no_keys: Arc<KeySet>,
}

/// Why no token of a request is believed, and who may know better by now.
struct Refused {
    fault: Fault,
    ask: Option<Place>,
}

impl Tokens {
    /// Makes it, with no keys yet.
    #[must_use]
    pub fn new(fetcher: Fetcher) -> Self {
        Self {
            inline: ArcSwap::default(),
            remotes: Remotes::new(fetcher),
            believed: Cache::default(),
            no_keys: Arc::new(KeySet::none()),
        }
    }

    /// Keeps the keys of the issuers that rules name, as these change.
    pub async fn follow(self: Arc<Self>, store: Store, drain: Drain) {
        let mut changes = store.changes();
        let mut seen: Option<Arc<State>> = None;
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            let state = store.l7();
            // Most changes are those of workloads.
            if !seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &state)) {
                self.sync(state.all_authentications());
                seen = Some(state);
            }
            tokio::select! {
                () = drain.cutting() => return,
                changed = changes.changed() => if changed.is_err() { return },
                _ = sweep.tick() => self.believed.sweep(now()),
            }
        }
    }

    fn sync<'p>(&self, policies: impl Iterator<Item = &'p Authentication>) {
        let rules: Vec<&JwtRule> = policies.flat_map(|policy| &policy.rules).collect();
        let old = self.inline.load();
        let texts = rules.iter().filter_map(|rule| match &rule.keys {
            Keys::Inline(text) => Some(text),
            Keys::Uri(_) | Keys::Discovery => None,
        });
        let known = |text: &Name| old.get(text).cloned().unwrap_or_else(|| inline(text));
        self.inline.store(Arc::new(texts.map(|text| (text.clone(), known(text))).collect()));
        self.remotes.sync(rules.into_iter());
    }

    /// Lets a request pass, or not; returns what its token says. What only proxies may say of tokens is removed from the request,
    /// and set anew for its own.
    ///
    /// # Errors
    /// Why its token is not believed.
    pub async fn admit(&self, rules: &[&JwtRule], parts: &mut Parts) -> Result<Option<Arc<Believed>>, Fault> {
        let mut judged = self.judge(rules, parts, now());
        if let Err(Refused { ask: Some(place), .. }) = &judged
            && Box::pin(self.remotes.refresh(place)).await
        {
            judged = self.judge(rules, parts, now());
        }
        let believed = judged.map_err(|refused| refused.fault)?;
        if let Some((rule, _)) = &believed
            && !rule.forward
        {
            locate::take(rule, parts);
        }
        rules.iter().for_each(|rule| locate::clear(rule, &mut parts.headers));
        Ok(believed.map(|(rule, believed)| {
            locate::tell(rule, &believed, &mut parts.headers);
            believed
        }))
    }

    /// Judges by what is known now.
    fn judge<'r>(
        &self,
        rules: &[&'r JwtRule],
        parts: &Parts,
        now: i64,
    ) -> Result<Option<(&'r JwtRule, Arc<Believed>)>, Refused> {
        let mut refused: Option<Refused> = None;
        for rule in rules {
            match self.judge_by(rule, parts, now) {
                Ok(Some(believed)) => return Ok(Some((rule, believed))),
                Ok(None) => {}
                // That of the rule that knows the issuer says more than that of others.
                Err(fault) if refused.as_ref().is_none_or(|r| matches!(r.fault, Fault::Issuer(_))) => {
                    let ask =
                        matches!(fault, Fault::NoSuchKey(_) | Fault::NoKeys(..)).then(|| Place::of(rule)).flatten();
                    refused = Some(Refused { fault, ask });
                }
                Err(_) => {}
            }
        }
        refused.map_or(Ok(None), Err)
    }

    fn judge_by(&self, rule: &JwtRule, parts: &Parts, now: i64) -> Result<Option<Arc<Believed>>, Fault> {
        let tokens = locate::find(rule, parts);
        if tokens.len() > locate::MOST {
            return Err(Fault::Malformed("there are too many"));
        }
        let mut believed = None;
        for token in tokens {
            let of_this = self.believe(rule, &token, now)?;
            believed.get_or_insert(of_this);
        }
        Ok(believed)
    }

    fn believe(&self, rule: &JwtRule, token: &str, now: i64) -> Result<Arc<Believed>, Fault> {
        let place = Place::of(rule);
        let keys = match (&place, &rule.keys) {
            (Some(place), _) => self.remotes.keys(place),
            (None, Keys::Inline(text)) => Some(self.inline(text)),
            (None, _) => None,
        };
        let (has_keys, keys) = (keys.is_some(), keys.as_ref().unwrap_or(&self.no_keys));
        let digest = Digest::of(token);
        if let Some(known) = self.believed.find(&digest) {
            // What it says is the same for every rule; only whether it is proven depends on the keys.
            known.hold(rule, now)?;
            if known.is_of(keys, rule) {
                return Ok(known);
            }
        }
        let believed = Arc::new(verify::verify(token, rule, keys, now).map_err(|fault| match (fault, place) {
            (Fault::NoSuchKey(_), Some(place)) if !has_keys => Fault::NoKeys(rule.issuer.clone(), place.to_string()),
            (fault, _) => fault,
        })?);
        self.believed.keep(digest, token, believed.clone());
        Ok(believed)
    }

    /// Returns the keys that a rule brings along. Those of a rule that is brand-new are read for each request until
    /// `follow` has seen it.
    fn inline(&self, text: &Name) -> Arc<KeySet> {
        self.inline.load().get(text).cloned().unwrap_or_else(|| inline(text))
    }
}

fn inline(text: &str) -> Arc<KeySet> {
    let keys = KeySet::parse(text.as_bytes()).unwrap_or_else(|error| {
        let error = runtime::error::chain(&error);
        warn!(error, "the keys of a rule cannot be read: no token is believed by it");
        KeySet::none()
    });
    Arc::new(keys)
}

/// Returns the rules of policies in the order in which they are tried, which is that of their issuers.
#[must_use]
pub fn rules<'p>(policies: impl Iterator<Item = &'p Arc<Authentication>>) -> Vec<&'p JwtRule> {
    let mut rules: Vec<&JwtRule> = policies.flat_map(|policy| &policy.rules).collect();
    rules.sort_by(|a, b| a.issuer.cmp(&b.issuer));
    rules
}

/// Returns the path and query of a request for logs, where its own would tell a token.
#[must_use]
pub fn hidden(rules: &[&JwtRule], parts: &Parts) -> Option<String> {
    locate::hidden(rules.iter().copied(), parts)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
