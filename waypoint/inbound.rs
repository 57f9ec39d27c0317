//! One stream of a tunnel: who asks, what is asked for, and what is spoken.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hbone::{baggage, forwarded, server::Connect, tunnel::header};
use http::{HeaderMap, HeaderValue, StatusCode};
use identity::tls::Session;
use model::{
    Identity, Peer, Policy, Service, Workload, World,
    policy::refuses_through,
    workload::{GatewayAddress, Name, Protocol},
};
use runtime::Drain;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use crate::{
    Shared, requests,
    sniff::{self, Spoken},
    stream,
    telemetry::AtHand,
    upstream::Endpoint,
};

/// How long a client may be silent on a port whose protocol is not declared before it counts as one that waits for the server.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long a stream waits for discovery to tell of what it is for.
const CATCH_UP: Duration = Duration::from_secs(2);
/// How long a client may take for its first message in TLS.
const TLS_PATIENCE: Duration = Duration::from_secs(10);
/// How long a client of a port that is declared as HTTP or TLS may be silent.
const HTTP_PATIENCE: Duration = Duration::from_secs(3600);

/// The other end of a tunnel.
pub struct Ends {
    /// The client's proxy.
    pub peer: SocketAddr,
    /// The handshake.
    pub session: Arc<Session>,
}

/// Who asks.
pub struct Client {
    /// Its address.
    pub address: SocketAddr,
    /// Its proven identity.
    pub identity: Identity,
    /// Its workload, if it is known.
    pub workload: Option<Arc<Workload>>,
}

/// What is asked for.
#[derive(Clone)]
pub enum Target {
    /// A port of a service.
    Service(Arc<Service>, u16),
    /// A port of a workload, asked for by its own address.
    Workload(Arc<Workload>, SocketAddr),
}

/// One client's connection.
pub struct Inbound {
    /// Everything else.
    pub shared: Arc<Shared>,
    /// Who asks.
    pub client: Client,
    /// What is asked for.
    pub target: Target,
    /// The address that was asked for.
    pub destination: SocketAddr,
    /// What its requests are counted under.
    pub at_hand: AtHand,
    /// What its requests tell backends of who asks: the same for all of them.
    pub introduction: OnceLock<Option<HeaderValue>>,
}

/// Why a stream is not served.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0:?} is no address and port")]
    Address(String),
    #[error("{0} is nothing that this waypoint knows")]
    Unknown(SocketAddr),
    #[error("{0} does not use this waypoint")]
    NotOurs(Name),
    #[error("service {0} has no port {1}")]
    NoSuchPort(Name, u16),
}

impl Inbound {
    /// Returns what tells a backend who asks.
    pub fn introduction(&self) -> Option<&HeaderValue> {
        let made = || requests::introduction(&self.shared.identity, &self.client.identity);
        self.introduction.get_or_init(made).as_ref()
    }

    /// Returns the policy of an endpoint's own that refuses this client. The endpoint's proxy, which sees this waypoint as who
    /// asks, cannot know.
    pub fn refused_at(&self, endpoint: &Endpoint) -> Option<Name> {
        let world = self.shared.store.world();
        // What is no pod and has no proxy is outside of the mesh: policies of namespaces are not about it.
        let workload = endpoint.workload.as_ref().filter(|w| w.is_pod() || w.protocol == Protocol::Hbone)?;
        let (identity, source) = (Some(&self.client.identity), self.client.address.ip());
        let peer = Peer { identity, source, destination: endpoint.address };
        refuses_through(world.policies_for(workload), &peer, &self.shared.identity).map(Policy::key)
    }
}

impl Target {
    /// Returns the service, if one was asked for.
    #[must_use]
    pub fn service(&self) -> Option<&Arc<Service>> {
        match self {
            Self::Service(service, _) => Some(service),
            Self::Workload(..) => None,
        }
    }

    /// Returns the port that was asked for.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Service(_, port) => *port,
            Self::Workload(_, address) => address.port(),
        }
    }

    fn protocol(&self) -> Declared {
        let Self::Service(service, port) = self else { return Declared::Unknown };
        // istio.workload.AppProtocol
        match service.ports.get(port).map(|p| p.app_protocol) {
            Some(1..=3) => Declared::Http,
            Some(4) => Declared::Stream,
            Some(5) => Declared::Tls,
            _ => Declared::Unknown,
        }
    }
}

/// What a port is declared as.
enum Declared {
    Http,
    Stream,
    Tls,
    Unknown,
}

/// Serves one stream to its end.
pub async fn serve(shared: Arc<Shared>, connect: Connect, ends: Ends, drain: Drain) {
    let found = awaited(&shared, &connect.authority, ends.session.peer.namespace()).await;
    let world = shared.store.world();
    let (target, destination) = match found {
        Ok(found) => found,
        Err(refusal) => {
            warn!(peer = %ends.peer, identity = %ends.session.peer, %refusal, "a stream was refused");
            return connect.refuse(match refusal {
                Refusal::Address(_) => StatusCode::BAD_REQUEST,
                _ => StatusCode::NOT_FOUND,
            });
        }
    };
    let client = client(&shared, &world, &connect, &ends);
    let mut headers = HeaderMap::new();
    let own = own(&shared, &world);
    if let Some(value) = own.as_deref().map(baggage::write).as_deref().and_then(header) {
        headers.insert("baggage", value);
    }
    let stream = match connect.accept(headers) {
        Ok(stream) => stream,
        Err(error) => return debug!(peer = %ends.peer, %error, "the client left"),
    };
    let declared = target.protocol();
    let inbound = Arc::new(Inbound {
        shared,
        client,
        target,
        destination,
        at_hand: AtHand::default(),
        introduction: OnceLock::new(),
    });
    let patience = match declared {
        Declared::Stream => return stream::serve(inbound, stream, None).await,
        Declared::Http | Declared::Tls => HTTP_PATIENCE,
        Declared::Unknown => PATIENCE,
    };
    let watch = Some(stream.watch());
    match sniff::sniff(stream, patience).await {
        Ok((Spoken::Http1 | Spoken::Http2 | Spoken::Other, stream)) if matches!(declared, Declared::Tls) => {
            stream::serve(inbound, stream, None).await;
        }
        Ok((spoken @ (Spoken::Http1 | Spoken::Http2), stream)) => {
            requests::serve(inbound, stream, watch, spoken, drain).await;
        }
        // It answers what is no HTTP as a server of HTTP would.
        Ok((Spoken::Other, stream)) if matches!(declared, Declared::Http) => {
            requests::serve(inbound, stream, watch, Spoken::Http1, drain).await;
        }
        Ok((Spoken::Tls, mut stream)) => match sniff::server_name(&mut stream, TLS_PATIENCE).await {
            Ok(name) => stream::serve(inbound, stream, name).await,
            Err(error) => debug!(peer = %ends.peer, %error, "the client left before it said which server it wants"),
        },
        Ok((_, stream)) => stream::serve(inbound, stream, None).await,
        Err(error) => debug!(peer = %ends.peer, %error, "the client left before it said anything"),
    }
}

/// Finds what a stream is for, and waits a little where it is not known to be ours: the client's proxy may have been told first.
async fn awaited(shared: &Shared, authority: &str, from: &str) -> Result<(Target, SocketAddr), Refusal> {
    let mut changes = shared.store.changes();
    let end = Instant::now() + CATCH_UP;
    loop {
        changes.mark_unchanged();
        let found = find(shared, &shared.store.world(), authority, from);
        let late = matches!(found, Err(Refusal::Unknown(_) | Refusal::NotOurs(_) | Refusal::NoSuchPort(..)));
        if !late || !matches!(timeout_at(end, changes.changed()).await, Ok(Ok(()))) {
            return found;
        }
    }
}

/// Returns the workload that this process is.
pub fn own(shared: &Shared, world: &World) -> Option<Arc<Workload>> {
    let address = shared.config.instance_ip.parse().ok()?;
    world.workload_at(&shared.config.network.as_str().into(), address).cloned()
}

/// Finds what a stream is for, to who asks from a namespace: the client's proxy sees services as that does. Only what uses this
/// waypoint is served: another's traffic has another's policies.
fn find(shared: &Shared, world: &World, authority: &str, from: &str) -> Result<(Target, SocketAddr), Refusal> {
    let address = authority.parse::<SocketAddr>().map_err(|_| Refusal::Address(authority.to_owned()))?;
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let network: Name = shared.config.network.as_str().into();
    let own = own(shared, world);
    let ours = |waypoint: &GatewayAddress| own.as_ref().is_some_and(|own| world.is_behind(waypoint, own));
    if let Some(service) = world.service_at(&network, address.ip(), from) {
        let all = service.waypoint.iter().chain(service.weighted_waypoints.iter().map(|w| &w.destination));
        // A proxy may have been told a moment ago that there is something to do here, or not yet that there is nothing any more.
        let stands_by = || shared.store.l7().stands_by(&service.key);
        if !all.into_iter().any(ours) && !stands_by() {
            return Err(Refusal::NotOurs(service.key.hostname.clone()));
        }
        if !service.ports.contains_key(&address.port()) {
            return Err(Refusal::NoSuchPort(service.key.hostname.clone(), address.port()));
        }
        return Ok((Target::Service(service.clone(), address.port()), address));
    }
    let workload = world.workload_at(&network, address.ip()).ok_or(Refusal::Unknown(address))?;
    if !workload.waypoint.as_ref().is_some_and(ours) {
        return Err(Refusal::NotOurs(workload.name.clone()));
    }
    Ok((Target::Workload(workload.clone(), address), address))
}

/// Finds out who asks: the handshake proves the identity, and what is told beside it must agree.
fn client(shared: &Shared, world: &World, connect: &Connect, ends: &Ends) -> Client {
    let address = forwarded::client(&connect.headers, ends.peer);
    let workload = world.workload_at(&shared.config.network.as_str().into(), address.ip());
    let identity = ends.session.peer.clone();
    let workload = workload.filter(|w| w.identity().as_ref() == Ok(&identity)).cloned();
    Client { address, identity, workload }
}
