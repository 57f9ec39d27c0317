//! Policies with the action CUSTOM: those whom they name are asked before everything else.

use std::sync::Arc;

use http::request::Parts;
use model::l7::{
    authorization::{Authorization, Custom, custom},
    state::State,
};

use super::{Granted, ask};
use crate::{
    inbound::Inbound,
    requests::{exchange, refusal::Refusal, replay::Replay, view::View},
};

/// Asks all whom the policies over a request name, each once; the request is changed as they say.
///
/// Tokens are not read yet: who is asked may be the one that puts one in (Istio has its filters in this order, too).
///
/// # Errors
/// The answer of a request that may not pass, or that somebody unknown was to be asked about.
pub async fn ask_all(
    inbound: &Arc<Inbound>,
    parts: &mut Parts,
    authority: &str,
    state: &State,
    replay: &Replay,
) -> Result<Granted, Refusal> {
    let mut granted = Granted::default();
    for (policy, custom) in asked(inbound, parts, authority, state) {
        let Some(auth) = &custom.ask else {
            let (policy, provider) = (policy.key(), &custom.provider);
            return Err(Refusal::denied(format!("policy {policy} asks provider {provider}, which cannot be asked")));
        };
        // In a box: most requests ask nobody.
        let one = Box::pin(ask(inbound, auth, parts, authority, replay)).await;
        let one = one.map_err(|refusal| Refusal {
            reason: format!("policy {} asks provider {}: {}", policy.key(), custom.provider, refusal.reason),
            ..refusal
        })?;
        granted.headers.extend(one.headers);
        granted.failure = granted.failure.or(one.failure);
    }
    Ok(granted)
}

/// Returns whom the policies over a request name, with the first of them that does.
fn asked<'s>(
    inbound: &Inbound,
    parts: &Parts,
    authority: &str,
    state: &'s State,
) -> Vec<(&'s Authorization, &'s Custom)> {
    let service = inbound.target.service().map(|s| &s.key);
    let policies = || state.authorizations(&inbound.shared.config.waypoint, service).map(|policy| &**policy);
    let mut all: Vec<(&Authorization, &Custom)> = Vec::new();
    if policies().next().is_none() {
        return all;
    }
    let view = View::new(parts, authority);
    let asked = exchange::asked(inbound, &view, state, None);
    for (policy, found) in custom(policies(), &asked) {
        if !all.iter().any(|(_, known)| *known == found) {
            all.push((policy, found));
        }
    }
    all
}
