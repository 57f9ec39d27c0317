//! The admin pages behind `ambient verify` and `namespace add --cut-existing`: probes, decisions, and older connections.

use std::{str::FromStr, sync::Arc, time::Duration};

use http::StatusCode;
use net::redirect;
use runtime::{
    error::chain,
    http::{Answer, parameter, text, with_type},
};
use serde::Serialize;
use serde_json::json;

use crate::{
    Shared,
    pod::Pod,
    probe::{self, Way},
};

/// How long a probe is held open, if nothing is said.
const HOLD: Duration = Duration::from_secs(3);

/// Probes a target from a pod: `uid`, `to`, `way`, `hold`.
pub async fn probe(shared: &Arc<Shared>, query: &str) -> Answer {
    let asked = || {
        let way = match parameter(query, "way").as_deref().unwrap_or("mesh") {
            "mesh" => Way::Mesh,
            "plaintext" => Way::Plaintext,
            other => return Err(Refused::bad(format!("way={other}: want mesh or plaintext"))),
        };
        let hold = if parameter(query, "hold").is_some() { Duration::from_secs(parsed(query, "hold")?) } else { HOLD };
        Ok((pod(shared, query)?, parsed(query, "to")?, way, hold))
    };
    match asked() {
        Ok((pod, to, way, hold)) => shown(&probe::probe(&pod, to, way, hold).await),
        Err(refused) => refused.answer(),
    }
}

/// Tells what the policies of a pod say to a client in the clear: `uid`, `port`, `source`.
pub async fn plaintext(shared: &Arc<Shared>, query: &str) -> Answer {
    let asked = || Ok::<_, Refused>((pod(shared, query)?, parsed(query, "source")?, parsed(query, "port")?));
    match asked() {
        Ok((pod, source, port)) => match probe::plaintext_decision(&pod, source, port).await {
            Some(decision) => shown(&json!({ "allowed": decision.is_allowed(), "decision": decision.to_string() })),
            None => text(StatusCode::SERVICE_UNAVAILABLE, "discovery does not know this pod yet\n"),
        },
        Err(refused) => refused.answer(),
    }
}

/// Lists connections that are older than their pod's enrolment, of one pod or of all.
pub async fn older(shared: &Arc<Shared>, query: &str) -> Answer {
    let pods = match parameter(query, "uid").as_deref() {
        Some(_) => match pod(shared, query) {
            Ok(pod) => vec![pod],
            Err(refused) => return refused.answer(),
        },
        None => shared.pods.all(),
    };
    // A look that fails must not read as "none": whoever asks would take the pod for secured.
    let look = move || -> Result<Vec<serde_json::Value>, redirect::Error> {
        let mut list = Vec::new();
        for pod in pods {
            let found = redirect::bypassing_streams(&pod.netns)?;
            list.extend(found.iter().map(|s| json!({ "uid": pod.uid, "local": s.local, "remote": s.remote })));
        }
        Ok(list)
    };
    answered(tokio::task::spawn_blocking(look).await)
}

/// Cuts connections that are older than their pod's enrolment.
pub async fn cut_older(shared: &Arc<Shared>, query: &str) -> Answer {
    let pod = match pod(shared, query) {
        Ok(pod) => pod,
        Err(refused) => return refused.answer(),
    };
    let cut = move || redirect::cut_bypassing_streams(&pod.netns).map(|cut| json!({ "cut": cut }));
    answered(tokio::task::spawn_blocking(cut).await)
}

/// Shows what the kernel said, or why it did not.
fn answered<T: Serialize>(outcome: Result<Result<T, redirect::Error>, tokio::task::JoinError>) -> Answer {
    match outcome {
        Ok(Ok(value)) => shown(&value),
        Ok(Err(error)) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{}\n", chain(&error))),
        Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    }
}

fn shown<T: Serialize>(value: &T) -> Answer {
    with_type(StatusCode::OK, "application/json", serde_json::to_vec(value).unwrap_or_default())
}

/// A question that has no answer: its status and why.
struct Refused(StatusCode, String);

impl Refused {
    fn bad(reason: String) -> Self {
        Self(StatusCode::BAD_REQUEST, reason)
    }

    fn answer(self) -> Answer {
        text(self.0, format!("{}\n", self.1))
    }
}

fn parsed<T: FromStr>(query: &str, name: &str) -> Result<T, Refused> {
    let value = parameter(query, name).ok_or_else(|| Refused::bad(format!("{name} is missing")))?;
    value.parse().map_err(|_| Refused::bad(format!("{name}={value} cannot be read")))
}

fn pod(shared: &Shared, query: &str) -> Result<Arc<Pod>, Refused> {
    let uid: String = parsed(query, "uid")?;
    shared.pods.get(&uid).ok_or_else(|| Refused(StatusCode::NOT_FOUND, format!("pod {uid} is not served here")))
}
