//! Where requests and connections go: which endpoint, over which connection.

mod balance;
mod dial;
mod pool;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use model::{
    Service, Workload,
    l7::{
        destination::{DestinationPolicy, TrafficPolicy},
        matching::Client as Source,
        route::BackendTarget,
    },
    service::LoadBalancerMode,
    workload::{Name, ServiceKey},
    world::Refusal,
};

pub use self::{
    balance::{Busy, Load},
    dial::{Failure, Io, dial, probe},
    pool::{Checkout, SendError, Upstreams, Version},
};
use crate::{
    Shared,
    inbound::{Inbound, Target},
};

/// How long a connection to an endpoint may take to open, where nothing else is said.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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
    /// How it is reached.
    pub traffic: TrafficPolicy,
    /// What it has to do.
    pub load: Arc<Load>,
}

impl Endpoint {
    /// Returns how long a connection to it may take.
    fn connect_timeout(&self) -> Duration {
        self.traffic.pool.connect_timeout.unwrap_or(CONNECT_TIMEOUT)
    }
}

/// Chooses an endpoint; those that were tried come last.
///
/// # Errors
/// Nobody who could take it.
pub fn choose(inbound: &Inbound, wanted: &Wanted, tried: &[SocketAddr]) -> Result<Endpoint, Failure> {
    let shared = &inbound.shared;
    let upstreams = shared.upstreams();
    let world = shared.store.world();
    let (key, port, subset) = match wanted {
        Wanted::Service { key, port, subset } => (key, *port, subset.as_deref()),
        Wanted::Workload(workload, address) => {
            return Ok(Endpoint {
                workload: Some(workload.clone()),
                address: *address,
                service: None,
                protocol: 0,
                traffic: TrafficPolicy::default(),
                load: upstreams.load(*address),
            });
        }
    };
    let service = world.services.get(key).ok_or_else(|| Failure::UnknownService(key.hostname.clone()))?.clone();
    let state = shared.store.l7();
    let source = Source {
        namespace: Some(inbound.client.identity.namespace()),
        labels: inbound.client.workload.as_ref().and_then(|w| state.labels(&w.uid)),
    };
    let policy = DestinationPolicy::choose(state.destinations(key), &source, port, subset);
    if let (None, Some(subset)) = (policy, subset) {
        return Err(Failure::UnknownSubset(key.hostname.clone(), subset.into()));
    }
    let traffic = policy.map(|p| p.traffic.clone()).unwrap_or_default();
    let protocol = service.ports.get(&port).map_or(0, |p| p.app_protocol);
    let near = crate::inbound::own(shared, &world).unwrap_or_default();
    let mut candidates = match world.candidates(&service, &near, port, None) {
        Ok(candidates) => candidates,
        Err(_) if service.load_balancer.mode == LoadBalancerMode::Passthrough => {
            let address = inbound.destination;
            let load = upstreams.load(address);
            return Ok(Endpoint { workload: None, address, service: Some(service), protocol, traffic, load });
        }
        Err(Refusal::NoSuchPort) => return Err(Failure::NoSuchPort(key.hostname.clone(), port)),
        Err(_) => return Err(Failure::NoEndpoint(key.hostname.clone(), port)),
    };
    if let Some(subset) = policy.and_then(|p| p.subset.as_ref()) {
        candidates.retain(|(endpoint, _)| {
            let labels = state.labels(&endpoint.workload.uid);
            subset.labels.iter().all(|(key, value)| labels.is_some_and(|l| l.get(key) == Some(value)))
        });
    }
    let mut found: Vec<(SocketAddr, &Arc<Workload>)> = candidates
        .iter()
        .filter_map(|(endpoint, port)| {
            Some((SocketAddr::new(*endpoint.workload.addresses.first()?, *port), &endpoint.workload))
        })
        .collect();
    let fresh = found.iter().any(|(address, _)| !tried.contains(address));
    found.retain(|(address, _)| !fresh || !tried.contains(address));
    let chosen = balance::choose(&found, &traffic.balancer, upstreams, key, port);
    let (address, workload) = chosen.ok_or_else(|| Failure::NoEndpoint(key.hostname.clone(), port))?;
    let load = upstreams.load(address);
    Ok(Endpoint { workload: Some(workload.clone()), address, service: Some(service), protocol, traffic, load })
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
    let (traffic, load) = (TrafficPolicy::default(), shared.upstreams().load(address));
    Ok(Endpoint { workload: Some(workload), address, service: Some(service), protocol: 0, traffic, load })
}

/// Opens a connection for a client that is passed on as it is.
///
/// # Errors
/// Nobody who could take it, or nobody who did.
pub async fn connect(inbound: &Inbound, wanted: &Wanted) -> Result<(Io, Arc<Endpoint>), Failure> {
    let endpoint = choose(inbound, wanted, &[])?;
    if let Some(policy) = inbound.refused_at(&endpoint) {
        return Err(Failure::Denied(policy));
    }
    let io = dial::dial(&inbound.shared, &endpoint).await?;
    Ok((io, Arc::new(endpoint)))
}
