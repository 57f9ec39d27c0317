//! Where requests and connections go: which endpoint, over which connection.
//!
//! ```text
//!  choose ──► group ─────────────► plan ────────────► view ─────────────► draw
//!             what all threads     the endpoints of   who takes traffic   balancer, key
//!             know together        one snapshot       now, how much
//!
//!  send ────► connections kept ──► dial ────────────► PROXY header, TLS
//! ```

mod balance;
mod dial;
mod group;
mod hash;
mod hints;
mod kept;
mod lead;
mod limits;
mod locality;
mod named;
mod outlier;
mod plan;
mod pool;
mod proxy_protocol;
mod seen;
mod terms;
mod timed;
mod tls;

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use model::{
    Service, Workload, World,
    l7::{
        destination::{Balancer, DestinationPolicy, TrafficPolicy},
        matching::Client as Source,
        route::BackendTarget,
    },
    service::LoadBalancerMode,
    workload::{Name, ServiceKey},
    world::Refusal,
};
use tokio::time::Instant;

pub use self::{
    balance::Busy,
    dial::{Failure, Io, probe},
    group::Groups,
    hints::Hints,
    kept::Upstreams,
    limits::Permit,
    outlier::Outcome,
    pool::{Checkout, SendError, Version},
    timed::Timed,
};
use self::{
    balance::{Draw, Load},
    group::Group,
    limits::{Kind, Limits},
    outlier::Host,
    seen::Inputs,
    tls::Inside,
};
use crate::{
    Shared,
    inbound::{Inbound, Target},
};

/// How long a connection to an endpoint may take to open, where nothing else is said.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection that is passed on may be silent, where nothing else is said.
const IDLE: Duration = Duration::from_secs(3600);

/// What a request or a connection is to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Some endpoint of a service.
    Service {
        /// Which service.
        key: ServiceKey,
        /// Which of its ports.
        port: u16,
        /// Which part of its endpoints.
        subset: Option<Name>,
    },
    /// This workload.
    Workload(Arc<Workload>, SocketAddr),
}

impl Wanted {
    /// Returns what was asked for, where no rule says more.
    #[must_use]
    pub fn of(target: &Target) -> Self {
        match target {
            Target::Service(service, port) => Self::Service { key: service.key.clone(), port: *port, subset: None },
            Target::Workload(workload, address) => Self::Workload(workload.clone(), *address),
        }
    }

    /// Returns what a rule names; `port` is the one that was asked for.
    ///
    /// # Errors
    /// Why what the rule names cannot be used.
    pub fn of_backend(target: &BackendTarget, port: u16) -> Result<Self, String> {
        match target {
            BackendTarget::Service { service, port: own, subset } => {
                Ok(Self::Service { key: service.clone(), port: own.unwrap_or(port), subset: subset.clone() })
            }
            BackendTarget::Invalid(reason) => Err((**reason).to_owned()),
        }
    }
}

/// One endpoint that was chosen.
#[derive(Debug)]
pub struct Endpoint {
    /// Its workload; none for an address outside of the mesh.
    pub workload: Option<Arc<Workload>>,
    /// Its address.
    pub address: SocketAddr,
    /// The service that it was chosen of.
    pub service: Option<Arc<Service>>,
    /// What its port is declared as.
    pub protocol: i32,
    /// The server, where the client named it: its service stands for many.
    pub name: Option<Name>,
    /// How it is reached.
    pub traffic: Arc<TrafficPolicy>,
    /// What it has to do.
    pub load: Arc<Load>,
    /// Who asks.
    client: SocketAddr,
    /// What was asked for.
    asked: SocketAddr,
    limits: Arc<Limits>,
    group: Option<Arc<Group>>,
    host: Option<Arc<Host>>,
    /// What connections have in common that begin the same way.
    connection: u64,
    permit: Option<Permit>,
}

impl Endpoint {
    /// Makes one of an address that nobody chose.
    fn new(inbound: &Inbound, address: SocketAddr) -> Self {
        Self::of(inbound.client.address, inbound.destination, address)
    }

    fn of(client: SocketAddr, asked: SocketAddr, address: SocketAddr) -> Self {
        Self {
            workload: None,
            address,
            service: None,
            protocol: 0,
            name: None,
            traffic: Arc::default(),
            load: Arc::default(),
            client,
            asked,
            limits: Arc::default(),
            group: None,
            host: None,
            connection: 0,
            permit: None,
        }
    }

    /// Returns how long a connection to it may take.
    fn connect_timeout(&self) -> Duration {
        self.traffic.pool.connect_timeout.unwrap_or(CONNECT_TIMEOUT)
    }

    /// Returns how long a connection to it that is passed on may be silent, where there is a bound: no time at all stands for none.
    #[must_use]
    pub fn silence(&self) -> Option<Duration> {
        Some(self.traffic.pool.tcp_idle.unwrap_or(IDLE)).filter(|idle| !idle.is_zero())
    }

    /// Returns why there is no more than there is already.
    fn overflow(&self, kind: Kind) -> Failure {
        Failure::Overflow(kind, self.service.as_ref().map_or_else(Name::default, |s| s.key.hostname.clone()))
    }

    /// Returns the settings of TLS that were made before.
    fn tls(&self) -> &tls::Cache {
        static NONE: LazyLock<tls::Cache> = LazyLock::new(tls::Cache::default);
        self.group.as_ref().map_or(&*NONE, |group| &group.tls)
    }

    /// Keeps it busy with the request that it was chosen for.
    #[must_use]
    pub fn begin(&mut self) -> Busy {
        self.load.begin(self.permit.take())
    }

    /// Returns leave to try again, if there are not too many repetitions under way.
    #[must_use]
    pub fn retry(&self) -> Option<Permit> {
        self.limits.retry(&self.traffic.pool, self.traffic.retry_budget)
    }

    /// Tells what came of it: who fails too often is left alone for a while.
    pub fn report(&self, outcome: Outcome) {
        if let (Some(outliers), Some(group), Some(host)) = (&self.traffic.outliers, &self.group, &self.host) {
            group.hosts.note(host, outcome, outliers, Instant::now);
        }
    }
}

/// Chooses an endpoint.
///
/// # Errors
/// Nobody who could take it, or too many requests already.
pub async fn choose(
    inbound: &Inbound,
    wanted: &Wanted,
    tried: &[SocketAddr],
    hints: &mut Hints<'_>,
) -> Result<Endpoint, Failure> {
    resolved(inbound, || choose_known(inbound, wanted, tried, hints)).await
}

/// Finds something, a second time where a name had to be resolved first.
async fn resolved<T>(inbound: &Inbound, mut find: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    match find() {
        Err(failure) => {
            // In a box: most names are known.
            Box::pin(named::learn(inbound, failure)).await?;
            find()
        }
        found => found,
    }
}

/// Chooses an endpoint among those whose addresses are known.
fn choose_known(
    inbound: &Inbound,
    wanted: &Wanted,
    tried: &[SocketAddr],
    hints: &mut Hints<'_>,
) -> Result<Endpoint, Failure> {
    let mut endpoint = find(inbound, wanted, tried, hints)?;
    let (most, budget) = (endpoint.traffic.pool.max_requests, endpoint.traffic.retry_budget);
    if most.is_some() || budget.is_some() {
        let permit = endpoint.limits.take(Kind::Request, most.unwrap_or(u32::MAX));
        endpoint.permit = Some(permit.ok_or_else(|| endpoint.overflow(Kind::Request))?);
    }
    Ok(endpoint)
}

fn find(inbound: &Inbound, wanted: &Wanted, tried: &[SocketAddr], hints: &mut Hints<'_>) -> Result<Endpoint, Failure> {
    let shared = &inbound.shared;
    let world = shared.store.world();
    let (key, port, subset) = match wanted {
        Wanted::Service { key, port, subset } => (key, *port, subset.as_deref()),
        Wanted::Workload(workload, address) => {
            return Ok(Endpoint { workload: Some(workload.clone()), ..Endpoint::new(inbound, *address) });
        }
    };
    let service = world.services.get(key).ok_or_else(|| Failure::UnknownService(key.hostname.clone()))?;
    let state = shared.store.l7();
    let source = Source {
        namespace: Some(inbound.client.identity.namespace()),
        labels: inbound.client.workload.as_ref().and_then(|w| state.labels(&w.uid)),
    };
    let policy = DestinationPolicy::choose(state.destinations(key), &source, port, subset);
    if let (None, Some(subset)) = (policy, subset) {
        return Err(Failure::UnknownSubset(key.hostname.clone(), subset.into()));
    }
    let group = shared.groups.group(key, port, subset, policy);
    let own = || crate::inbound::own(shared, &world);
    let names = &shared.names.configured;
    let plan = group.plan(&Inputs { world: &world, state: &state, service, port, policy, names, own: &own });
    let mut endpoint = Endpoint {
        service: Some(service.clone()),
        protocol: plan.protocol,
        traffic: plan.traffic.clone(),
        limits: group.limits.clone(),
        connection: plan.connection,
        ..Endpoint::new(inbound, inbound.destination)
    };
    if service.key.hostname.starts_with('*') {
        return named::find(inbound, &world, endpoint, (service, port, group), (tried, hints.name));
    }
    named::resolved(names, &plan)?;
    let passes = service.load_balancer.mode == LoadBalancerMode::Passthrough && plan.refusal.is_some();
    if passes || plan.traffic.balancer == Balancer::Passthrough {
        endpoint.workload = original(inbound, &world);
        endpoint.group = Some(group);
        return Ok(endpoint);
    }
    if plan.refusal == Some(Refusal::NoSuchPort) {
        return Err(Failure::NoSuchPort(key.hostname.clone(), port));
    }
    let stays = hints.keeper.and_then(|keeper| plan.candidate(keeper.find(&plan.traffic, plan.workloads())? as u32));
    let stays = stays.filter(|c| !c.host.is_ejected() && !tried.contains(&c.host.address));
    let hashed = match &plan.traffic.balancer {
        Balancer::Hash(policy) => hints.key(policy, inbound.client.address),
        _ => None,
    };
    let draw = Draw {
        random: hashed.unwrap_or_else(rand::random),
        keyed: hashed.is_some(),
        turn: if plan.traffic.balancer == Balancer::RoundRobin { group.turn() } else { 0 },
        tried: &|index| plan.candidate(index).is_none_or(|c| tried.contains(&c.host.address)),
        load: &|index| plan.candidate(index).map_or(0, |c| c.host.load.active()),
    };
    group.hosts.revive(Instant::now);
    let chosen = stays.or_else(|| plan.draw(&group.hosts, &draw));
    let chosen = chosen.ok_or_else(|| Failure::NoEndpoint(key.hostname.clone(), port))?;
    endpoint.address = chosen.host.address;
    endpoint.workload = Some(chosen.workload.clone());
    endpoint.load = chosen.host.load.clone();
    endpoint.host = Some(chosen.host.clone());
    endpoint.group = Some(group);
    Ok(endpoint)
}

/// Returns the workload at the address that was asked for.
fn original(inbound: &Inbound, world: &World) -> Option<Arc<Workload>> {
    let network: Name = inbound.shared.config.network.as_str().into();
    world.workload_at(&network, inbound.destination.ip()).cloned()
}

/// Chooses an endpoint of a service that this proxy itself speaks to.
///
/// # Errors
/// Nobody who could take it.
pub fn of_service(shared: &Shared, key: &ServiceKey, port: u16) -> Result<Endpoint, Failure> {
    let world = shared.store.world();
    let service = world.services.get(key).ok_or_else(|| Failure::UnknownService(key.hostname.clone()))?.clone();
    let near = crate::inbound::own(shared, &world).unwrap_or_default();
    let nobody = || Failure::NoEndpoint(key.hostname.clone(), port);
    let candidates = world.candidates(&service, &near, port, None).map_err(|_| nobody())?;
    let found = candidates.get(rand::random_range(0..candidates.len().max(1))).ok_or_else(nobody)?;
    let workload = found.0.workload.clone();
    let address = SocketAddr::new(*workload.addresses.first().ok_or_else(nobody)?, found.1);
    let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
    Ok(Endpoint { workload: Some(workload), service: Some(service), ..Endpoint::of(nobody, address, address) })
}

/// Opens a connection of this proxy's own.
///
/// # Errors
/// An endpoint that cannot be reached, or is somebody else than it should be.
pub async fn dial(shared: &Arc<Shared>, endpoint: &Endpoint) -> Result<Io, Failure> {
    dial::dial(shared, endpoint, Inside::Anything).await
}

/// Opens a connection for a client that is passed on as it is.
///
/// # Errors
/// Nobody who could take it, or nobody who did; or too many connections already.
pub async fn connect(
    inbound: &Inbound,
    wanted: &Wanted,
    server_name: Option<&str>,
) -> Result<(Io, Arc<Endpoint>), Failure> {
    let mut hints = Hints::named(server_name);
    let mut endpoint = resolved(inbound, || find(inbound, wanted, &[], &mut hints)).await?;
    if let Some(policy) = inbound.refused_at(&endpoint) {
        return Err(Failure::Denied(policy));
    }
    let permit = endpoint.limits.connect(&endpoint.traffic.pool);
    endpoint.permit = Some(permit.ok_or_else(|| endpoint.overflow(Kind::Connection))?);
    let io = match dial_through(inbound, &endpoint).await {
        Ok(io) => io,
        Err(failure) => {
            if failure.is_of_connection() {
                endpoint.report(Outcome::Broken);
            }
            return Err(failure);
        }
    };
    endpoint.report(Outcome::Connected);
    // No time at all stands for no bound.
    let age = endpoint.traffic.pool.max_age.filter(|age| !age.is_zero());
    let io = Io::Inside(Box::new(Timed::new(io, endpoint.silence(), age)));
    Ok((io, Arc::new(endpoint)))
}

async fn dial_through(inbound: &Inbound, endpoint: &Endpoint) -> Result<Io, Failure> {
    let Some(tunnel) = &endpoint.traffic.tunnel else {
        return dial::dial(&inbound.shared, endpoint, Inside::Anything).await;
    };
    let version = match endpoint.traffic.pool.upgrade {
        model::l7::destination::Upgrade::Http2 => Version::Http2,
        _ => Version::Http1,
    };
    let io = dial::dial(&inbound.shared, endpoint, version.inside()).await?;
    let led = tokio::time::timeout(endpoint.connect_timeout(), lead::lead(io, version, tunnel)).await;
    let late = |_| Err(Failure::Connect(endpoint.address, std::io::ErrorKind::TimedOut.into()));
    led.map_or_else(late, |led| led.map_err(|error| Failure::Lead(endpoint.address, error))).map(Io::Inside)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is the test's result
mod tests;
