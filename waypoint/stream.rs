//! Connections that are passed on as they are: TCP, and TLS that ends elsewhere.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use hbone::{
    copy::Counts,
    telemetry::{Facts, Reporter},
};
use model::l7::{
    authorization::{Asked, Decision, custom, decide},
    matching::Client as Source,
    route::Backend,
    router::Connection,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::{InspectReader, InspectWriter};
use tracing::debug;

use crate::{
    inbound::Inbound,
    upstream::{self, Timed, Wanted},
};

/// Serves one connection to its end; a client of TLS may have asked for a server by its name.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(inbound: Arc<Inbound>, client: S, server_name: Option<String>) {
    let server_name = server_name.as_deref();
    debug!(client = %inbound.client.address, server_name, "a connection that is passed on");
    let mut facts = Facts {
        reporter: Reporter::Waypoint,
        source_address: inbound.client.address,
        source: inbound.client.workload.clone(),
        source_identity: Some(inbound.client.identity.clone()),
        destination_address: inbound.destination,
        hbone_address: None,
        destination: None,
        destination_identity: None,
        service: inbound.target.service().cloned(),
        begun: Instant::now(),
    };
    let metrics = &inbound.shared.metrics.connections;
    if let Err(refusal) = admit(&inbound, server_name) {
        return facts.failed(metrics, "DENY", &refusal);
    }
    let wanted = match wanted(&inbound, server_name) {
        Ok(wanted) => wanted,
        Err(reason) => return facts.failed(metrics, "NR", &reason),
    };
    let (mut server, endpoint) = match upstream::connect(&inbound, &wanted, server_name).await {
        Ok(connected) => connected,
        Err(error) => return facts.failed(metrics, error.flags(), &error.to_string()),
    };
    let _busy = endpoint.load.begin(None);
    facts.destination_address = endpoint.address;
    facts.destination_identity = endpoint.workload.as_ref().and_then(|w| w.identity().ok());
    facts.destination.clone_from(&endpoint.workload);
    let counts = Arc::new(Counts::default());
    let open = facts.opened(metrics, counts.clone());
    let add = |counter: &AtomicU64, bytes: &[u8]| {
        counter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    };
    let client = InspectReader::new(client, |bytes| add(&counts.sent, bytes));
    let client = InspectWriter::new(client, |bytes| add(&counts.received, bytes));
    // As the server's side: while that is at its end, or takes no more, only this one is looked at.
    let mut client = Timed::new(client, endpoint.silence(), None);
    let outcome = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    open.closed(outcome.err().map(|error| error.to_string()));
}

/// Decides over a connection by the policies that are attached.
fn admit(inbound: &Inbound, server_name: Option<&str>) -> Result<(), String> {
    let shared = &inbound.shared;
    let state = shared.store.l7();
    let asked = Asked {
        identity: Some(&inbound.client.identity),
        source: inbound.client.address.ip(),
        remote: inbound.client.address.ip(),
        destination: inbound.destination,
        server_name,
        request: None,
        claims: None,
        trust_domains: state.settings().map_or(&[], |s| &s.trust_domains),
    };
    let service = inbound.target.service().map(|s| &s.key);
    let policies = || state.authorizations(&shared.config.waypoint, service).map(|policy| &**policy);
    if let Some((policy, custom)) = custom(policies(), &asked).next() {
        // The protocols of asking are about requests.
        let (policy, provider) = (policy.key(), &custom.provider);
        return Err(format!("policy {policy} asks provider {provider}, which is asked about requests alone"));
    }
    match decide(policies(), &asked) {
        Decision::Allow(_) => Ok(()),
        Decision::DeniedBy(policy) => Err(format!("policy {policy} refuses it")),
        Decision::NotAllowed => Err("no policy allows it".to_owned()),
    }
}

/// Finds out where a connection goes.
fn wanted(inbound: &Inbound, server_name: Option<&str>) -> Result<Wanted, String> {
    let Some(service) = inbound.target.service() else { return Ok(Wanted::of(&inbound.target)) };
    let state = inbound.shared.store.l7();
    let Some(router) = state.streams(&service.key) else { return Ok(Wanted::of(&inbound.target)) };
    let source = Source {
        namespace: Some(inbound.client.identity.namespace()),
        labels: inbound.client.workload.as_ref().and_then(|w| state.labels(&w.uid)),
    };
    let port = inbound.target.port();
    let connection = Connection {
        server_name,
        destination: inbound.destination.ip(),
        source: Some(inbound.client.address.ip()),
        client: source,
        port,
    };
    match router.choose(&connection) {
        Some(rule) => {
            let backend = Backend::pick(&rule.backends, rand::random()).ok_or("its rule names no backend")?;
            Wanted::of_backend(&backend.target, port)
        }
        None if router.covers(&source, port) => Err("no rule matches it".to_owned()),
        None => Ok(Wanted::of(&inbound.target)),
    }
}
