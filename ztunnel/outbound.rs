//! Connections that a pod makes: where they were to go, how they go there.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use hbone::{
    baggage,
    copy::{self, Side},
    pool::Key,
    stream::Stream,
    telemetry::{Facts, Reporter},
    tunnel::{self, Tunnel, header},
};
use http::HeaderMap;
use identity::tls::Session;
use model::{Identity, NextHop, Service, Workload, workload::Name};
use net::sockets::{self, ConnectOptions, Family, Keepalive};
use runtime::resolve::Known;
use tokio::{net::TcpStream, time::timeout};
use tracing::debug;

use crate::{
    connections::Live,
    inbound,
    pod::{MARK, Pod},
};

/// How many tunnels are tried for one stream.
const TRIES: usize = 3;
/// Why a connection is cut that was made past a waypoint.
const PAST: &str = "its service is behind a waypoint that has a policy now: connect again";
/// How long a connection to a pod may take to open.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves one redirected connection.
pub async fn serve(pod: Arc<Pod>, stream: TcpStream, client: SocketAddr) {
    let begun = Instant::now();
    let destination = match sockets::original_dst(&stream) {
        Ok(destination) => SocketAddr::new(destination.ip().to_canonical(), destination.port()),
        Err(error) => {
            debug!(%client, %error, "a connection that was not redirected is dropped");
            return;
        }
    };
    let own = stream.local_addr().map(|a| SocketAddr::new(a.ip().to_canonical(), a.port()));
    if pod.is_loop(destination) || own.is_ok_and(|own| own == destination) {
        debug!(%client, %destination, "a connection to the proxy itself is dropped");
        return;
    }
    let mut facts = Facts {
        reporter: Reporter::Source,
        source_address: client,
        source: None,
        source_identity: Some(pod.identity.clone()),
        destination_address: destination,
        hbone_address: None,
        destination: None,
        destination_identity: None,
        service: None,
        begun,
    };
    let Some(source) = pod.workload().await else {
        return refuse(&pod, &stream, &facts, "CONNECT", "discovery does not know this pod yet");
    };
    facts.source = Some(source.clone());
    match pod.shared.store.world().next_hop(&source, destination, rand::random()) {
        NextHop::Refuse { reason, service } => {
            facts.service = service;
            refuse(&pod, &stream, &facts, "CONNECT", &reason.to_string());
        }
        NextHop::Named { host, port, workload, service } => {
            facts.destination = Some(workload);
            facts.service = service;
            match addresses(&pod, &host).await {
                Ok(addresses) => named(&pod, stream, facts, destination, (addresses, port)).await,
                Err(reason) => {
                    refuse(&pod, &stream, &facts, "CONNECT", &format!("{host} cannot be resolved: {reason}"))
                }
            }
        }
        NextHop::Direct { address, workload, service } => {
            facts.destination_address = address;
            facts.destination = workload;
            facts.service = service;
            direct(&pod, stream, facts, destination).await;
        }
        NextHop::Tunnel { gateway, target, workload, service } => {
            facts.destination_address = target;
            facts.destination = Some(workload.clone());
            facts.service = service.clone();
            let local = pod.shared.config.local_direct && *workload.node == pod.shared.config.node_name;
            match local.then(|| pod.shared.pods.of(&workload)).flatten() {
                Some(server) if !server.drain.is_draining() => joined(&pod, &server, stream, facts, destination).await,
                _ => {
                    let hop = Hop { gateway, target, workload, service, is_waypoint: false };
                    through(&pod, stream, facts, destination, hop).await;
                }
            }
        }
        NextHop::Waypoint { gateway, target, workload, service } => {
            facts.service = service;
            facts.destination = Some(workload.clone());
            // The names of the addressed service are for its endpoints, not for the waypoint in front of it.
            let hop = Hop { gateway, target, workload, service: None, is_waypoint: true };
            through(&pod, stream, facts, destination, hop).await;
        }
    }
}

/// Returns the addresses of a host outside of the mesh.
async fn addresses(pod: &Pod, host: &Name) -> Result<Vec<IpAddr>, String> {
    let resolver = &pod.shared.names.configured;
    let mut known = resolver.find(host);
    if known.is_none() {
        resolver.resolve(std::slice::from_ref(host)).await;
        known = resolver.find(host);
    }
    match known.as_ref().map(Known::found) {
        Some(Ok(addresses)) => Ok(addresses.clone()),
        Some(Err(reason)) => Err(reason.to_string()),
        None => Err("too many names are asked for".to_owned()),
    }
}

/// Goes to one of the addresses of a host: of the family that was asked for, if there is one.
async fn named(
    pod: &Pod,
    stream: TcpStream,
    mut facts: Facts,
    original: SocketAddr,
    (addresses, port): (Vec<IpAddr>, u16),
) {
    let same: Vec<IpAddr> = addresses.iter().copied().filter(|a| a.is_ipv4() == original.is_ipv4()).collect();
    let of = if same.is_empty() { &addresses } else { &same };
    if let Some(address) = of.get(rand::random_range(0..of.len().max(1))) {
        facts.destination_address = SocketAddr::new(*address, port);
        direct(pod, stream, facts, original).await;
    }
}

/// Where a tunnel ends and what it carries to.
struct Hop {
    gateway: SocketAddr,
    target: SocketAddr,
    workload: Arc<Workload>,
    service: Option<Arc<Service>>,
    is_waypoint: bool,
}

/// Ends a connection that could not be opened, and tells why.
fn refuse(pod: &Pod, stream: &TcpStream, facts: &Facts, flags: &str, reason: &str) {
    pod.refusals.note(facts.source_address, reason);
    facts.failed(&pod.shared.metrics, flags, reason);
    reset(stream);
}

/// Closes with a reset: a refusal must not look like an empty answer.
pub fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

/// Opens a connection out of the pod, passed over by its redirection.
async fn connect(pod: &Pod, to: SocketAddr) -> std::io::Result<TcpStream> {
    let options = ConnectOptions {
        mark: Some(MARK),
        nodelay: true,
        keepalive: Some(Keepalive::default()),
        ..ConnectOptions::default()
    };
    let socket = sockets::tcp_socket(Some(&pod.netns), Family::from(to), &options).map_err(std::io::Error::other)?;
    let late = || std::io::Error::from(std::io::ErrorKind::TimedOut);
    timeout(CONNECT_TIMEOUT, sockets::connect(socket, to)).await.unwrap_or_else(|_| Err(late()))
}

async fn direct(pod: &Pod, stream: TcpStream, facts: Facts, original: SocketAddr) {
    let server = match connect(pod, facts.destination_address).await {
        Ok(server) => server,
        Err(error) => {
            let reason = format!("no connection to {}: {error}", facts.destination_address);
            return refuse(pod, &stream, &facts, "CONNECT", &reason);
        }
    };
    let listed = pod.outbound.list(Live {
        source: facts.source_address,
        original,
        actual: facts.destination_address,
        protocol: "TCP",
        source_identity: None,
        destination_identity: None,
        session: None,
        counts: Arc::default(),
        to_waypoint: false,
        cut: Default::default(),
        leaving: Default::default(),
    });
    let open = facts.opened(&pod.shared.metrics, listed.live.counts.clone());
    let outcome = tokio::select! {
        outcome = copy::sockets(stream, server, &listed.live.counts) => ending(&outcome),
        () = listed.live.cut.cancelled() => Some(PAST.to_owned()),
    };
    open.closed(outcome);
}

/// Joins two pods of this node in this process: both identities are known from the namespaces they were enrolled with, and
/// the bytes never leave the node's kernel.
async fn joined(pod: &Pod, server: &Arc<Pod>, stream: TcpStream, mut facts: Facts, original: SocketAddr) {
    facts.destination_identity = Some(server.identity.clone());
    let target = facts.destination_address;
    let request = inbound::Request {
        source: facts.source_address,
        identity: Some(pod.identity.clone()),
        session: None,
        target,
        service: facts.service.clone(),
        protocol: "LOCAL",
        hbone_address: None,
    };
    let accepted = match inbound::admit(server, request).await {
        Ok(accepted) => accepted,
        Err(refusal) => return refuse(pod, &stream, &facts, refusal.flags(), &refusal.to_string()),
    };
    let listed = pod.outbound.list(Live {
        source: facts.source_address,
        original,
        actual: target,
        protocol: "LOCAL",
        source_identity: facts.source_identity.clone(),
        destination_identity: facts.destination_identity.clone(),
        session: None,
        counts: accepted.listed.live.counts.clone(),
        to_waypoint: false,
        cut: Default::default(),
        leaving: Default::default(),
    });
    let open = facts.opened(&pod.shared.metrics, listed.live.counts.clone());
    let inbound::Accepted { socket, listed: there, open: open_there } = accepted;
    let outcome = tokio::select! {
        outcome = copy::sockets(stream, socket, &listed.live.counts) => ending(&outcome),
        () = there.live.cut.cancelled() => Some(inbound::CUT.to_owned()),
        () = listed.live.cut.cancelled() => Some(PAST.to_owned()),
        () = server.drain.cutting() => Some("the server's proxy was stopped".to_owned()),
    };
    open.closed(outcome.clone());
    open_there.closed(outcome);
}

async fn through(pod: &Arc<Pod>, stream: TcpStream, mut facts: Facts, original: SocketAddr, hop: Hop) {
    facts.hbone_address = Some(hop.gateway);
    let (session, tunnelled) = match open(pod, &facts, &hop).await {
        Ok(opened) => opened,
        Err(error) => return refuse(pod, &stream, &facts, error.flags(), &error.to_string()),
    };
    facts.destination_identity = Some(session.peer.clone());
    let listed = pod.outbound.list(Live {
        source: facts.source_address,
        original,
        actual: hop.gateway,
        protocol: "HBONE",
        source_identity: facts.source_identity.clone(),
        destination_identity: facts.destination_identity.clone(),
        session: Some(session),
        counts: Arc::default(),
        to_waypoint: hop.is_waypoint,
        cut: Default::default(),
        leaving: Default::default(),
    });
    let open = facts.opened(&pod.shared.metrics, listed.live.counts.clone());
    let outcome = tokio::select! {
        outcome = copy::tunnel(stream, tunnelled, &listed.live.counts, Side::Client) => ending(&outcome),
        () = listed.live.cut.cancelled() => Some(PAST.to_owned()),
    };
    open.closed(outcome);
}

/// Opens a stream to the target. A pooled tunnel may have come to its end a moment ago (its peer is being replaced): nothing
/// was sent yet, so another one is tried.
async fn open(pod: &Arc<Pod>, facts: &Facts, hop: &Hop) -> Result<Opened, TunnelError> {
    let mut left = TRIES;
    loop {
        let tunnel = tunnel(pod, hop).await?;
        match tunnel.open(&hop.target.to_string(), headers(facts, hop)).await {
            Ok((stream, _)) => return Ok((tunnel.session().clone(), stream)),
            // Others were faster: there is nothing wrong with the tunnel, and another one is found or made.
            Err(tunnel::Error::Full(_)) if tunnel.streams() > 0 => {}
            Err(error @ tunnel::Error::Http { .. }) if left > 1 => {
                left -= 1;
                debug!(gateway = %hop.gateway, %error, "the tunnel has ended, another one is made");
                tunnel.retire();
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The handshake of a tunnel, and a stream in it.
type Opened = (Arc<Session>, Stream);

#[derive(Debug, thiserror::Error)]
enum TunnelError {
    #[error(transparent)]
    Tunnel(#[from] tunnel::Error),
    #[error(transparent)]
    Certificate(#[from] identity::manager::Error),
    #[error("the destination has no valid identity: {0}")]
    Identity(#[from] model::identity::InvalidIdentity),
}

impl TunnelError {
    fn flags(&self) -> &'static str {
        match self {
            Self::Tunnel(tunnel::Error::Tls { .. }) => "TLS_FAILURE",
            Self::Tunnel(tunnel::Error::Connect { timed_out: true, .. }) => "NETWORK_POLICY",
            Self::Tunnel(tunnel::Error::Refused { status, .. }) if *status == http::StatusCode::UNAUTHORIZED => "DENY",
            Self::Tunnel(tunnel::Error::Http { .. }) => "H2_HANDSHAKE_FAILURE",
            Self::Tunnel(tunnel::Error::Identity { .. }) | Self::Certificate(_) | Self::Identity(_) => "IDENTITY_ERROR",
            Self::Tunnel(_) => "CONNECT",
        }
    }
}

async fn tunnel(pod: &Arc<Pod>, hop: &Hop) -> Result<Tunnel, TunnelError> {
    let mut identities = vec![hop.workload.identity()?];
    // A service may name further identities that its endpoints show; only well-formed ones count.
    let named = hop.service.iter().flat_map(|s| &s.subject_alt_names).filter_map(|name| name.parse::<Identity>().ok());
    identities.extend(named);
    let own = pod.shared.certificates.certificate(&pod.identity).await?;
    let key = Key { source: pod.identity.clone(), peer: hop.gateway, identities };
    let (peer, wanted) = (hop.gateway, key.identities.clone());
    let connect = || {
        let (connecting, own, wanted) = (pod.clone(), own.clone(), wanted.clone());
        async move {
            let socket = connect(&connecting, peer).await.map_err(|error| {
                let timed_out = error.kind() == std::io::ErrorKind::TimedOut;
                tunnel::Error::Connect { peer, reason: error.to_string(), timed_out }
            })?;
            Tunnel::start(socket, peer, &own, &wanted).await
        }
    };
    Ok(pod.pool().tunnel(&key, connect).await?)
}

fn headers(facts: &Facts, hop: &Hop) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name: &'static str, text: &str| {
        if let Some(value) = header(text) {
            headers.insert(name, value);
        }
    };
    if let Some(source) = &facts.source {
        add("baggage", &baggage::write(source));
    }
    let host = facts.service.as_ref().map_or_else(String::new, |s| format!(";host={}", s.key.hostname));
    add("forwarded", &format!("for=\"{}\"{host}", facts.source_address));
    let (trace, span): (u128, u64) = (rand::random(), rand::random());
    add("traceparent", &format!("00-{trace:032x}-{span:016x}-00"));
    debug!(gateway = %hop.gateway, target = %hop.target, "connection through a tunnel");
    headers
}

/// Tells how a copy ended, if not by an ordinary close.
pub fn ending(outcome: &Result<(), copy::Error>) -> Option<String> {
    outcome.as_ref().err().map(|error| runtime::error::chain(error))
}
