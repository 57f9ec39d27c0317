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
    world::Membership,
};

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
        ptr::eq(self.world.as_ptr(), Arc::as_ptr(inputs.world))
            && ptr::eq(self.state.as_ptr(), Arc::as_ptr(inputs.state))
    }

    /// Makes one; the last plan stays if nothing changed that it was made of.
    #[must_use]
    pub fn new(inputs: &Inputs<'_>, last: Option<&Self>, hosts: &Hosts) -> Self {
        let sources = Sources::new(inputs);
        let plan = match last {
            Some(last) if last.sources.is_same(&sources) => last.plan.clone(),
            _ => {
                let own = sources.own.as_deref().unwrap_or(&*UNKNOWN);
                Arc::new(Plan::new(inputs, own, last.map(|last| &*last.plan), hosts))
            }
        };
        Self { world: Arc::downgrade(inputs.world), state: Arc::downgrade(inputs.state), sources, plan }
    }
}

/// What a plan was made of.
#[derive(Debug)]
struct Sources {
    service: Arc<Service>,
    membership: Membership,
    policy: Option<DestinationPolicy>,
    own: Option<Arc<Workload>>,
    /// It depends on labels, or on other services: another snapshot may make another plan.
    wide: bool,
}

impl Sources {
    fn new(inputs: &Inputs<'_>) -> Self {
        let wide = inputs.policy.is_some_and(|p| {
            let locality = p.traffic.locality.as_ref();
            p.subset.is_some() || matches!(locality, Some(Locality::Priority(_) | Locality::ZoneAware { .. }))
        });
        Self {
            service: inputs.service.clone(),
            membership: inputs.world.membership(&inputs.service.key),
            policy: inputs.policy.cloned(),
            own: (inputs.own)(),
            wide,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        let same_own = match (&self.own, &other.own) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        !self.wide
            && !other.wide
            && same_own
            && Arc::ptr_eq(&self.service, &other.service)
            && self.membership.is_same(&other.membership)
            && self.policy == other.policy
    }
}
