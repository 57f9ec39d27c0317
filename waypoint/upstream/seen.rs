//! What a plan was made of: it stays as long as nothing of that changes.

use std::{
    ptr,
    sync::{Arc, LazyLock, Weak},
};

use model::{
    Service, Workload, World,
    l7::{
        State,
        destination::{DestinationPolicy, Locality},
    },
    workload::ServiceKey,
    world::Membership,
};
use runtime::resolve::Resolver;

use super::{outlier::Hosts, plan::Plan};

/// Who we are while nobody says.
static UNKNOWN: LazyLock<Workload> = LazyLock::new(Workload::default);

/// What a plan is made of.
pub struct Inputs<'i> {
    /// The mesh.
    pub world: &'i Arc<World>,
    /// What is told of layer 7.
    pub state: &'i Arc<State>,
    /// The service.
    pub service: &'i Arc<Service>,
    /// Which of its ports.
    pub port: u16,
    /// The policy.
    pub policy: Option<&'i DestinationPolicy>,
    /// The addresses of names.
    pub names: &'i Resolver,
    /// Finds the workload that we are.
    pub own: &'i dyn Fn() -> Option<Arc<Workload>>,
}

/// A plan, and the snapshots for which it is known to be right.
#[derive(Debug)]
pub struct Seen {
    // Not held: old snapshots would stay for as long as nobody asks.
    world: Weak<World>,
    state: Weak<State>,
    sources: Sources,
    /// The plan.
    pub plan: Arc<Plan>,
}

impl Seen {
    /// Tells whether it is for these snapshots.
    #[must_use]
    pub fn is_of(&self, inputs: &Inputs<'_>) -> bool {
        ptr::eq(self.world.as_ptr(), Arc::as_ptr(inputs.world)) && self.knows(inputs.state) && self.names(inputs.names)
    }

    /// Tells whether its own names have the same addresses; those of others do not matter.
    fn names(&self, names: &Resolver) -> bool {
        self.plan.names.iter().all(|(name, known)| match known {
            Some(known) => known.is_current(),
            None => names.find(name).is_none(),
        })
    }

    fn knows(&self, state: &Arc<State>) -> bool {
        ptr::eq(self.state.as_ptr(), Arc::as_ptr(state))
    }

    /// Makes one; the last plan stays if nothing changed that it was made of.
    #[must_use]
    pub fn new(inputs: &Inputs<'_>, last: Option<&Self>, hosts: &Hosts) -> Self {
        let sources = Sources::new(inputs);
        let plan = match last {
            Some(last)
                if last.sources.is_same(&sources)
                    && (!sources.labels || last.knows(inputs.state))
                    && last.names(inputs.names) =>
            {
                last.plan.clone()
            }
            _ => {
                let own = sources.own.as_deref().unwrap_or(&*UNKNOWN);
                Arc::new(Plan::new(inputs, own, last.map(|last| &*last.plan), hosts))
            }
        };
        let (world, state) = (Arc::downgrade(inputs.world), Arc::downgrade(inputs.state));
        Self { world, state, sources, plan }
    }
}

/// What a plan was made of.
#[derive(Debug)]
struct Sources {
    service: Arc<Service>,
    membership: Membership,
    policy: Option<DestinationPolicy>,
    own: Option<Arc<Workload>>,
    /// The others of our own Gateway, where the plan depends on them.
    peers: Option<Membership>,
    /// It depends on labels.
    labels: bool,
}

impl Sources {
    fn new(inputs: &Inputs<'_>) -> Self {
        let own = (inputs.own)();
        let locality = inputs.policy.and_then(|policy| policy.traffic.locality.as_ref());
        let peers = own.as_deref().filter(|_| matches!(locality, Some(Locality::ZoneAware { .. })));
        let ranked = match locality {
            Some(Locality::Priority(_)) => true,
            Some(Locality::ZoneAware { priority, .. }) => !priority.is_empty(),
            _ => false,
        };
        Self {
            service: inputs.service.clone(),
            membership: inputs.world.membership(&inputs.service.key),
            policy: inputs.policy.cloned(),
            peers: peers.and_then(gateway).map(|gateway| inputs.world.membership(gateway)),
            labels: ranked || inputs.policy.is_some_and(|policy| policy.subset.is_some()),
            own,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        let same_peers = match (&self.peers, &other.peers) {
            (Some(one), Some(other)) => one.is_same(other),
            (None, None) => true,
            _ => false,
        };
        same_peers
            && self.membership.is_same(&other.membership)
            && self.service == other.service
            && self.own == other.own
            && self.policy == other.policy
    }
}

/// Returns the service of our own Gateway.
#[must_use]
pub fn gateway(own: &Workload) -> Option<&ServiceKey> {
    own.services.keys().next()
}
