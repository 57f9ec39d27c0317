//! What operators ask the proxy: its state, its metrics, its readiness, its log level.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use identity::{certificate::describe, manager::State};
use prometheus_client::registry::Registry;
use runtime::{
    Drain, Readiness,
    http::{self as server, Answer, text, with_type},
    operators::{self, Addresses},
};
use serde_json::{Value, json};

use crate::{Error, Shared, upstream};

/// How long a probe is held open, if nothing is said, and the longest.
const HOLD: Duration = Duration::from_secs(3);
const HOLD_MAX: Duration = Duration::from_secs(30);

/// Starts the three servers.
///
/// # Errors
/// A port that is taken.
pub async fn serve(shared: &Arc<Shared>, registry: Registry, readiness: Readiness, drain: Drain) -> Result<(), Error> {
    let config = &shared.config;
    let addresses = Addresses { stats: config.stats, readiness: config.readiness, admin: config.admin };
    let state = shared.clone();
    let admin = move |request: Request<Incoming>| {
        let state = state.clone();
        async move { answer(&state, &request).await }
    };
    Ok(operators::serve(addresses, registry, readiness, &drain, admin).await?)
}

/// What there is to ask.
const PAGES: &str = "GET /config_dump
POST /probe?to=ADDRESS:PORT[&hold=SECONDS]            a connection to a pod, as a request would have it
POST /logging?level=LEVEL|scope:LEVEL,...
POST /logging?reset
";

async fn answer(shared: &Arc<Shared>, request: &Request<Incoming>) -> Answer {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => text(StatusCode::OK, PAGES),
        (&Method::GET, "/config_dump") => {
            let dump = serde_json::to_vec_pretty(&dump(shared)).unwrap_or_default();
            with_type(StatusCode::OK, "application/json", dump)
        }
        (&Method::POST, "/logging") => server::log_level(request.uri().query().unwrap_or_default()),
        (&Method::POST, "/probe") => probe(shared, request.uri().query().unwrap_or_default()).await,
        (_, "/logging" | "/probe") => text(StatusCode::METHOD_NOT_ALLOWED, "want POST\n"),
        _ => text(StatusCode::NOT_FOUND, "not found; GET / lists what there is\n"),
    }
}

/// Opens a connection to a pod through a tunnel of its own, as evidence for `ambient verify`; no byte is sent to the application.
async fn probe(shared: &Arc<Shared>, query: &str) -> Answer {
    let bad = |reason: &str| text(StatusCode::BAD_REQUEST, format!("{reason}\n"));
    let Some(to) = server::parameter(query, "to").and_then(|to| to.parse::<SocketAddr>().ok()) else {
        return bad("to is missing or no address and port");
    };
    let hold = match server::parameter(query, "hold").map(|hold| hold.parse::<u64>()) {
        None => HOLD,
        Some(Ok(seconds)) => Duration::from_secs(seconds).min(HOLD_MAX),
        Some(Err(_)) => return bad("hold is no number of seconds"),
    };
    let network = shared.config.network.as_str().into();
    let Some(workload) = shared.store.world().workload_at(&network, to.ip()).cloned() else {
        return bad(&format!("{to} is nothing that this waypoint knows"));
    };
    let found = match upstream::probe(shared, &workload, to).await {
        Ok((session, stream)) => {
            tokio::spawn(async move {
                tokio::time::sleep(hold).await;
                drop(stream);
            });
            json!({"outcome": "open", "connection": {
                "protocol": "HBONE", "actualDst": to, "dstIdentity": session.peer.to_string(), "tls": *session,
            }})
        }
        Err(failure) => json!({"outcome": "failed", "reason": failure.to_string()}),
    };
    with_type(StatusCode::OK, "application/json", found.to_string())
}

fn dump(shared: &Shared) -> Value {
    let world = shared.store.world();
    let state = shared.store.l7();
    let certificates: Vec<Value> = shared.certificates.states().into_iter().map(certificate).collect();
    let mut resources: Vec<_> = state.resources().collect();
    resources.sort_by(|a, b| a.0.cmp(b.0));
    let mut services: Vec<_> = world.services.keys().map(ToString::to_string).collect();
    services.sort();
    json!({
        "waypoint": shared.config.waypoint.to_string(),
        "version": env!("CARGO_PKG_VERSION"),
        "config": shared.config,
        "certificates": certificates,
        "resources": resources.into_iter().map(|(_, resource)| resource).collect::<Vec<_>>(),
        "services": services,
        "workloads": world.workloads.len(),
        "backends": backends(shared),
    })
}

fn certificate((identity, state): (model::Identity, State)) -> Value {
    let (word, chain) = match &state {
        State::Waiting => ("Initializing", vec![]),
        State::Valid(certified) => ("Available", certified.chain.iter().filter_map(describe).collect()),
        State::Failed(_) => ("Unavailable", vec![]),
    };
    json!({"identity": identity.to_string(), "state": word, "certChain": chain})
}

/// Returns the endpoints of the services that use this waypoint.
fn backends(shared: &Shared) -> Vec<Value> {
    let world = shared.store.world();
    let Some(own) = crate::inbound::own(shared, &world) else { return vec![] };
    let ours = world
        .services
        .values()
        .filter(|service| service.waypoint.as_ref().is_some_and(|waypoint| world.is_behind(waypoint, &own)));
    let mut found = Vec::new();
    for service in ours {
        for service_port in service.ports.keys() {
            let candidates = world.candidates(service, &own, *service_port, None).unwrap_or_default();
            let endpoints: Vec<Value> = candidates
                .iter()
                .filter_map(|(endpoint, port)| {
                    let address = SocketAddr::new(*endpoint.workload.addresses.first()?, *port);
                    let (healthy, active) = shared.groups.look(&service.key, *service_port, address);
                    let name = &endpoint.workload.name;
                    Some(json!({"workload": name, "address": address, "healthy": healthy, "active": active}))
                })
                .collect();
            found.push(json!({"service": service.key.to_string(), "port": service_port, "endpoints": endpoints}));
        }
    }
    found
}
