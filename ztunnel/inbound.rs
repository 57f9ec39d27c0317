//! Connections to a pod: through HBONE, in the clear, or from a pod of the same node.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use hbone::{
    baggage,
    copy::{self, Side},
    forwarded,
    server::{self, Connect},
    telemetry::{Facts, Open, Reporter},
    tunnel::header,
};
use http::{HeaderMap, StatusCode};
use identity::tls::Session;
use model::{Decision, Identity, Peer, Service, Workload};
use net::sockets::{self, ConnectOptions, Family};
use tokio::{net::TcpStream, time::timeout};
use tracing::{debug, info, warn};

use crate::{
    connections::{Listed, Live},
    outbound::{CONNECT_TIMEOUT, ending, reset},
    pod::{HBONE, MARK, OUTBOUND, PLAINTEXT, Pod},
};

/// How many source ports are tried for one connection to the application.
const CONNECT_TRIES: usize = 8;
/// What is told of a connection that a changed policy ended.
pub const CUT: &str = "policy rejection: a changed policy no longer allows it";

/// A connection that wants in.
pub struct Request {
    /// The client's address.
    pub source: SocketAddr,
    /// The client's proven identity.
    pub identity: Option<Identity>,
    /// The handshake that proved it.
    pub session: Option<Arc<Session>>,
    /// The pod's address and port.
    pub target: SocketAddr,
    /// The service that was addressed, if known.
    pub service: Option<Arc<Service>>,
    /// How it goes on the wire.
    pub protocol: &'static str,
    /// The tunnel's own address.
    pub hbone_address: Option<SocketAddr>,
}

/// A connection that was let in.
pub struct Accepted {
    /// To the application.
    pub socket: TcpStream,
    /// Its entry among the pod's connections.
    pub listed: Listed,
    /// What will tell of its end.
    pub open: Open,
}

/// Why a connection was not let in.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Discovery has not told of the pod.
    #[error("discovery does not know this pod yet")]
    UnknownWorkload,
    /// A policy refuses it.
    #[error("{0}")]
    Policy(Decision),
    /// The target is one of the proxy's own ports.
    #[error("the target is the proxy itself")]
    Proxy,
    /// The application does not take it.
    #[error("the application did not accept the connection: {0}")]
    Connect(std::io::Error),
}

impl Refusal {
    /// Returns Istio's response flag.
    pub fn flags(&self) -> &'static str {
        if matches!(self, Self::Policy(_)) { "DENY" } else { "CONNECT" }
    }

    fn status(&self) -> StatusCode {
        if matches!(self, Self::Policy(_)) { StatusCode::UNAUTHORIZED } else { StatusCode::SERVICE_UNAVAILABLE }
    }
}

/// Decides over a connection and opens it to the application under the client's own address.
///
/// # Errors
/// A refusal, which has been told of already.
pub async fn admit(pod: &Arc<Pod>, request: Request) -> Result<Accepted, Refusal> {
    let begun = Instant::now();
    let world = pod.shared.store.world();
    let source = world.workload_at(&pod.shared.config.network.as_str().into(), request.source.ip()).cloned();
    let destination = pod.workload().await;
    let facts = Facts {
        reporter: Reporter::Destination,
        source_address: request.source,
        // An address alone proves nothing: with an identity at hand, what is told of the client must agree with it.
        source: source.filter(|s| request.identity.as_ref().is_none_or(|id| s.identity().as_ref() == Ok(id))),
        source_identity: request.identity.clone(),
        destination_address: request.target,
        hbone_address: request.hbone_address,
        destination: destination.clone(),
        destination_identity: request.identity.as_ref().map(|_| pod.identity.clone()),
        service: request.service.clone(),
        begun,
    };
    let socket = match open(pod, destination.as_deref(), &request).await {
        Ok(socket) => socket,
        Err(refusal) => {
            facts.failed(&pod.shared.metrics, refusal.flags(), &refusal.to_string());
            return Err(refusal);
        }
    };
    let listed = pod.inbound.list(Live {
        source: request.source,
        original: request.target,
        actual: request.target,
        protocol: request.protocol,
        source_identity: facts.source_identity.clone(),
        destination_identity: facts.destination_identity.clone(),
        session: request.session,
        counts: Arc::default(),
        to_waypoint: false,
        cut: Default::default(),
        leaving: Default::default(),
    });
    let open = facts.opened(&pod.shared.metrics, listed.live.counts.clone());
    Ok(Accepted { socket, listed, open })
}

async fn open(pod: &Pod, destination: Option<&Workload>, request: &Request) -> Result<TcpStream, Refusal> {
    let destination = destination.ok_or(Refusal::UnknownWorkload)?;
    if [OUTBOUND, PLAINTEXT, HBONE].contains(&request.target.port()) {
        return Err(Refusal::Proxy);
    }
    let peer = Peer { identity: request.identity.as_ref(), source: request.source.ip(), destination: request.target };
    let decision = pod.decide(destination, &peer).await;
    let tried = pod.shared.store.world().trial(destination, &peer);
    if let Some(tried) = tried.filter(|tried| tried.is_allowed() != decision.is_allowed()) {
        let src_identity = request.identity.as_ref().map(tracing::field::display);
        info!(target: "access", { src.addr = %request.source, src.identity = src_identity, dst.addr = %request.target, decision = %tried }, "dry-run policies would decide otherwise");
    }
    if !decision.is_allowed() {
        return Err(Refusal::Policy(decision));
    }
    // A client of the other family (dual-stack tunnels) has no address that this socket could show.
    let source = SocketAddr::new(request.source.ip(), 0);
    let same_family = source.is_ipv4() == request.target.is_ipv4();
    let options = ConnectOptions {
        mark: Some(MARK),
        transparent: same_family,
        bind: same_family.then_some(source),
        nodelay: true,
        keepalive: None,
        local: true,
    };
    let connecting = async {
        let mut left = CONNECT_TRIES;
        loop {
            let socket = sockets::tcp_socket(Some(&pod.netns), Family::from(request.target), &options);
            let outcome = sockets::connect(socket.map_err(std::io::Error::other)?, request.target).await;
            left -= 1;
            match outcome {
                // Another connection has the same two ends: another source port may do.
                Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable && left > 0 => {}
                outcome => return outcome,
            }
        }
    };
    let late = || std::io::Error::from(std::io::ErrorKind::TimedOut);
    timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_| Err(late())).map_err(Refusal::Connect)
}

/// Serves one plaintext connection.
pub async fn plaintext(pod: Arc<Pod>, stream: TcpStream, source: SocketAddr) {
    let target = match sockets::original_dst(&stream) {
        Ok(target) => SocketAddr::new(target.ip().to_canonical(), target.port()),
        Err(error) => {
            debug!(%source, %error, "a connection that was not redirected is dropped");
            return;
        }
    };
    let request =
        Request { source, identity: None, session: None, target, service: None, protocol: "TCP", hbone_address: None };
    let Ok(accepted) = admit(&pod, request).await else {
        reset(&stream);
        return;
    };
    let Accepted { socket, listed, open } = accepted;
    let outcome = tokio::select! {
        outcome = copy::sockets(stream, socket, &listed.live.counts) => ending(&outcome),
        () = listed.live.cut.cancelled() => Some(CUT.to_owned()),
    };
    open.closed(outcome);
}

/// Serves one HBONE connection: a handshake, then as many streams as the peer opens.
pub async fn hbone(pod: Arc<Pod>, stream: TcpStream, peer: SocketAddr) {
    let local = match stream.local_addr() {
        Ok(local) => SocketAddr::new(local.ip().to_canonical(), local.port()),
        Err(error) => {
            debug!(%peer, %error, "connection lost");
            return;
        }
    };
    let own = match pod.shared.certificates.certificate(&pod.identity).await {
        Ok(own) => own,
        Err(error) => {
            warn!(%peer, %error, "a tunnel was refused");
            return;
        }
    };
    let (tls, session) = match server::handshake(stream, &own).await {
        Ok(accepted) => accepted,
        Err(error) => {
            warn!(%peer, identity = %pod.identity, %error, "a tunnel was refused");
            return;
        }
    };
    let drain = pod.drain.clone();
    let session = Arc::new(session);
    let served = server::serve(tls, peer, drain, |connect| {
        let (pod, session) = (pod.clone(), session.clone());
        async move {
            let cut = pod.drain.clone();
            tokio::select! { () = tunnelled(pod, connect, peer, local, session) => {}, () = cut.cutting() => {} }
        }
    });
    if let Err(error) = served.await {
        debug!(%peer, %error, "tunnel ended");
    }
}

async fn tunnelled(pod: Arc<Pod>, connect: Connect, peer: SocketAddr, local: SocketAddr, session: Arc<Session>) {
    // Only what the tunnel's own address says may be reached: a tunnel to one pod must not carry to another.
    let target = match connect.authority.parse::<SocketAddr>() {
        Ok(target) if target.ip().to_canonical() == local.ip() => SocketAddr::new(local.ip(), target.port()),
        Ok(target) => {
            warn!(%peer, %target, pod = pod.info.name, "a stream to another address was refused");
            return connect.refuse(StatusCode::BAD_REQUEST);
        }
        Err(_) => match named(&pod, &connect.authority, local).await {
            Some(target) => target,
            None => {
                warn!(%peer, authority = connect.authority, pod = pod.info.name, "a stream to an unknown name was refused");
                return connect.refuse(StatusCode::BAD_REQUEST);
            }
        },
    };
    let request = Request {
        source: forwarded::client(&connect.headers, peer),
        identity: Some(session.peer.clone()),
        session: Some(session),
        target,
        service: None,
        protocol: "HBONE",
        hbone_address: Some(local),
    };
    let accepted = match admit(&pod, request).await {
        Ok(accepted) => accepted,
        Err(refusal) => return connect.refuse(refusal.status()),
    };
    let Accepted { socket, listed, open } = accepted;
    let mut headers = HeaderMap::new();
    let own = pod.workload_in(&pod.shared.store.world()).map(|w| baggage::write(&w));
    if let Some(value) = own.as_deref().and_then(header) {
        headers.insert("baggage", value);
    }
    let outcome = match connect.accept(headers) {
        Ok(stream) => tokio::select! {
            outcome = copy::tunnel(socket, stream, &listed.live.counts, Side::Server) => ending(&outcome),
            () = listed.live.cut.cancelled() => Some(CUT.to_owned()),
        },
        Err(error) => Some(format!("the client left: {error}")),
    };
    open.closed(outcome);
}

/// Resolves `host:port` of a service that this pod is an endpoint of.
async fn named(pod: &Pod, authority: &str, local: SocketAddr) -> Option<SocketAddr> {
    let (host, port) = authority.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let workload = pod.workload().await?;
    let (key, ports) = workload.services.iter().find(|(key, _)| &*key.hostname == host)?;
    let world = pod.shared.store.world();
    let declared = world.services.get(key).and_then(|s| s.ports.get(&port)).map(|p| p.target_port);
    let target = ports.get(&port).copied().or(declared).filter(|p| *p != 0)?;
    Some(SocketAddr::new(local.ip(), target))
}
