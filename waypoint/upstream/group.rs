//! What all threads know together of one port and subset of a service, under one policy.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use arc_swap::{ArcSwap, ArcSwapOption};
use model::{
    l7::destination::DestinationPolicy,
    workload::{Name, ServiceKey},
};

use super::{
    limits::Limits,
    outlier::Hosts,
    plan::Plan,
    seen::{Inputs, Seen},
    tls,
};

/// After how many looks nobody needs a group any more.
const FORGOTTEN: u32 = 20;

/// One port and subset of a service, under one policy.
#[derive(Debug, Default)]
pub struct Group {
    port: u16,
    subset: Option<Name>,
    policy: Option<Name>,
    /// Its endpoints.
    pub hosts: Hosts,
    /// What is open.
    pub limits: Arc<Limits>,
    /// Settings of TLS of our own making.
    pub tls: tls::Cache,
    turn: AtomicU64,
    seen: ArcSwapOption<Seen>,
    building: Mutex<()>,
    unused: AtomicU32,
}

impl Group {
    fn is(&self, port: u16, subset: Option<&str>, policy: Option<&DestinationPolicy>) -> bool {
        let named = policy.map(|p| &p.name);
        self.port == port && self.subset.as_deref() == subset && self.policy.as_ref() == named
    }

    /// Returns how many draws went before.
    pub fn turn(&self) -> u64 {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the plan for what is known now: the last one, as long as nothing has changed that it depends on.
    pub fn plan(&self, inputs: &Inputs<'_>) -> Arc<Plan> {
        if self.unused.load(Ordering::Relaxed) != 0 {
            self.unused.store(0, Ordering::Relaxed);
        }
        if let Some(seen) = &*self.seen.load()
            && seen.is_of(inputs)
        {
            return seen.plan.clone();
        }
        // One makes it, the others would make the same.
        let _building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.seen.load_full();
        if let Some(seen) = last.as_ref().filter(|seen| seen.is_of(inputs)) {
            return seen.plan.clone();
        }
        let seen = Arc::new(Seen::new(inputs, last.as_deref(), &self.hosts));
        self.seen.store(Some(seen.clone()));
        seen.plan.clone()
    }
}

type Known = HashMap<ServiceKey, Vec<Arc<Group>>>;

/// All groups of the process. Readers never wait.
#[derive(Debug, Default)]
pub struct Groups {
    known: ArcSwap<Known>,
    writing: Mutex<()>,
}

impl Groups {
    /// Returns the group of a port and subset of a service, under a policy.
    pub fn group(
        &self,
        service: &ServiceKey,
        port: u16,
        subset: Option<&str>,
        policy: Option<&DestinationPolicy>,
    ) -> Arc<Group> {
        let find = |known: &Known| known.get(service)?.iter().find(|g| g.is(port, subset, policy)).cloned();
        if let Some(group) = find(&self.known.load()) {
            return group;
        }
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = Known::clone(&self.known.load());
        if let Some(group) = find(&known) {
            return group;
        }
        let (subset, policy) = (subset.map(Name::from), policy.map(|p| p.name.clone()));
        let group = Arc::new(Group { port, subset, policy, ..Group::default() });
        known.entry(service.clone()).or_default().push(group.clone());
        self.known.store(Arc::new(known));
        group
    }

    /// Tells of an endpoint of a service's port whether it is asked under all policies, and how much it has to do.
    #[must_use]
    pub fn look(&self, service: &ServiceKey, port: u16, address: SocketAddr) -> (bool, u32) {
        let known = self.known.load();
        let groups = known.get(service).into_iter().flatten().filter(|group| group.port == port);
        let hosts = groups.filter_map(|group| group.hosts.find(address));
        hosts.fold((true, 0), |(well, active), host| (well && !host.is_ejected(), active + host.load.active()))
    }

    /// Forgets groups that nobody asked for in a while.
    pub fn sweep(&self) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.known.load();
        let needed = |group: &&Arc<Group>| {
            // Its connections and requests hold it as well.
            group.unused.fetch_add(1, Ordering::Relaxed) < FORGOTTEN || Arc::strong_count(group) > 1
        };
        let mut known = Known::new();
        for (service, groups) in &**old {
            let kept: Vec<Arc<Group>> = groups.iter().filter(needed).cloned().collect();
            if !kept.is_empty() {
                known.insert(service.clone(), kept);
            }
        }
        if known.values().map(Vec::len).sum::<usize>() < old.values().map(Vec::len).sum() {
            self.known.store(Arc::new(known));
        }
    }
}
