//! What operators ask the proxy: its state, its metrics, its readiness, its log level.

use std::{collections::BTreeMap, sync::Arc};

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use identity::{certificate::describe, manager::State};
use model::{Service, World, world::Endpoint};
use prometheus_client::registry::Registry;
use runtime::{
    Drain, Readiness,
    http::{self as server, Answer, text, with_type},
    operators::{self, Addresses},
};
use serde_json::{Value, json};

use crate::{Error, Shared, evidence, pod::Pod};

/// Starts the three servers.
///
/// # Errors
/// A port that is taken.
pub async fn serve(shared: &Arc<Shared>, registry: Registry, readiness: Readiness, drain: Drain) -> Result<(), Error> {
    let config = &shared.config;
    let addresses = Addresses { stats: config.stats, readiness: config.readiness, admin: config.admin };
    let (state, stop) = (shared.clone(), drain.clone());
    let admin = move |request: Request<Incoming>| {
        let (state, stop) = (state.clone(), stop.clone());
        async move { answer(&state, &stop, &request).await }
    };
    Ok(operators::serve(addresses, registry, readiness, &drain, admin).await?)
}

/// What there is to ask.
const PAGES: &str = "GET /config_dump[?keys=KEY,...]
POST /logging?level=LEVEL|scope:LEVEL,...
POST /logging?reset
POST /quitquitquit
GET /older[?uid=UID]                                  connections older than their pod's enrolment
POST /older/cut?uid=UID                               cut these
POST /probe?uid=UID&to=ADDRESS:PORT&way=mesh|plaintext[&hold=SECONDS]
GET /plaintext?uid=UID&port=PORT&source=ADDRESS       what the policies say to a client in the clear
";

async fn answer(shared: &Arc<Shared>, drain: &Drain, request: &Request<Incoming>) -> Answer {
    let query = request.uri().query().unwrap_or_default();
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => text(StatusCode::OK, PAGES),
        (&Method::GET, "/config_dump") => with_type(
            StatusCode::OK,
            "application/json",
            serde_json::to_vec_pretty(&dump(shared, query)).unwrap_or_default(),
        ),
        (&Method::POST, "/logging") => server::log_level(query),
        (&Method::GET, "/older") => evidence::older(shared, query).await,
        (&Method::POST, "/older/cut") => evidence::cut_older(shared, query).await,
        (&Method::POST, "/probe") => evidence::probe(shared, query).await,
        (&Method::GET, "/plaintext") => evidence::plaintext(shared, query).await,
        (&Method::POST, "/quitquitquit") => {
            drain.start();
            // The main task waits for a signal; sending it to ourselves takes the one way to stop.
            let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM);
            text(StatusCode::OK, "stopping\n")
        }
        (_, "/logging" | "/quitquitquit" | "/older/cut" | "/probe") => {
            text(StatusCode::METHOD_NOT_ALLOWED, "want POST\n")
        }
        _ => text(StatusCode::NOT_FOUND, "not found; GET / lists what there is\n"),
    }
}

/// The state of the proxy with the keys of Istio's ztunnel; `keys=a,b` limits it to these, since the world may be large.
fn dump(shared: &Shared, query: &str) -> Value {
    let keys = server::parameter(query, "keys");
    let wanted = |key: &str| keys.as_ref().is_none_or(|keys| keys.split(',').any(|wanted| wanted == key));
    let world = shared.store.world();
    let mut dump = serde_json::Map::new();
    let mut add = |key: &str, value: &dyn Fn() -> Value| {
        if wanted(key) {
            dump.insert(key.to_owned(), value());
        }
    };
    add("workloads", &|| json!(world.workloads.values().collect::<Vec<_>>()));
    add("services", &|| world.services.values().map(|s| service(&world, s)).collect());
    add("policies", &|| json!(world.policies.values().collect::<Vec<_>>()));
    add("certificates", &|| certificates(shared).into());
    add("workloadState", &|| shared.pods.all().iter().map(|pod| (pod.uid.clone(), show(pod))).collect());
    add("config", &|| json!(shared.config));
    add("version", &|| json!({ "version": env!("CARGO_PKG_VERSION"), "component": "ambient" }));
    Value::Object(dump)
}

fn service(world: &World, service: &Service) -> Value {
    let endpoint = |e: &Endpoint| {
        let ports: BTreeMap<String, u16> = e.ports.iter().map(|(s, t)| (s.to_string(), *t)).collect();
        let shown = json!({
            "workloadUid": e.workload.uid, "service": service.key, "status": e.workload.status, "port": ports,
            "address": e.workload.addresses.iter().map(|a| format!("{}/{a}", e.workload.network)).collect::<Vec<_>>(),
        });
        (e.workload.uid.to_string(), shown)
    };
    let mut shown = json!({
        "name": service.name, "namespace": service.key.namespace, "hostname": service.key.hostname,
        "vips": service.vips, "cidrVips": service.cidr_vips, "loadBalancer": service.load_balancer,
        "ports": service.ports.iter().map(|(port, t)| (port.to_string(), t.target_port)).collect::<BTreeMap<_, _>>(),
        "waypoint": service.waypoint, "subjectAltNames": service.subject_alt_names,
        "endpoints": world.endpoints(&service.key).map(endpoint).collect::<BTreeMap<_, _>>(),
        "ipFamilies": service.ip_families, "canonical": service.canonical,
    });
    if !service.weighted_waypoints.is_empty() {
        shown["weightedWaypoints"] = json!(service.weighted_waypoints);
    }
    shown
}

fn show(pod: &Pod) -> Value {
    json!({
        "state": if pod.drain.is_draining() { "Draining" } else { "Up" },
        "connections": { "inbound": pod.inbound.shown(), "outbound": pod.outbound.shown() },
        "info": {
            "name": pod.info.name, "namespace": pod.info.namespace, "serviceAccount": pod.info.service_account,
            "trustDomain": pod.identity.trust_domain(),
        },
    })
}

fn certificates(shared: &Shared) -> Vec<Value> {
    let show = |(identity, state)| match state {
        State::Valid(certified) => json!({
            "identity": identity, "state": "Available",
            "certChain": certified.chain.iter().filter_map(describe).collect::<Vec<_>>(),
            "rootCerts": certified.roots.iter().filter_map(describe).collect::<Vec<_>>(),
        }),
        State::Waiting => json!({ "identity": identity, "state": "Initializing", "certChain": [], "rootCerts": [] }),
        State::Failed(reason) => {
            json!({ "identity": identity, "state": "Unavailable", "reason": &*reason, "certChain": [], "rootCerts": [] })
        }
    };
    shared.certificates.states().into_iter().map(show).collect()
}
