//! The node's side of the redirection: which pods' probes are rewritten. One owner, so that adding,
//! removing and reconciling do not undo each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use net::netns::Netns;
use net::redirect::{self, Check};
use tokio::sync::Mutex;

/// The enrolled pods' addresses on the node. Copies share them.
#[derive(Clone, Debug)]
pub struct Host {
    netns: Netns,
    pods: Arc<Mutex<BTreeMap<String, BTreeSet<IpAddr>>>>,
}

impl Host {
    /// Makes the register for the node's namespace; the kernel is not touched.
    pub fn new(netns: Netns) -> Self {
        Self { netns, pods: Arc::default() }
    }

    /// Notes a pod's addresses for the next [`Host::reconcile`].
    pub async fn note(&self, uid: &str, ips: impl IntoIterator<Item = IpAddr>) {
        self.pods.lock().await.insert(uid.to_owned(), ips.into_iter().collect());
    }

    /// Makes the kernel know exactly these addresses of a pod; none removes it.
    pub async fn set(&self, uid: &str, ips: BTreeSet<IpAddr>) -> Result<(), redirect::Error> {
        let mut pods = self.pods.lock().await;
        let old = pods.get(uid).cloned().unwrap_or_default();
        let others: BTreeSet<IpAddr> =
            pods.iter().filter(|(other, _)| *other != uid).flat_map(|(_, ips)| ips).copied().collect();
        let new: Vec<IpAddr> = ips.difference(&old).copied().collect();
        // An address may have passed to another pod already.
        let gone: Vec<IpAddr> = old.difference(&ips).filter(|ip| !others.contains(ip)).copied().collect();
        redirect::add_to_host(&self.netns, &new)?;
        redirect::delete_from_host(&self.netns, &gone)?;
        if ips.is_empty() {
            pods.remove(uid);
        } else {
            pods.insert(uid.to_owned(), ips);
        }
        Ok(())
    }

    /// Restores the node's table and set where they differ.
    pub async fn reconcile(&self) -> Result<Check, redirect::Error> {
        let pods = self.pods.lock().await;
        let all: Vec<IpAddr> = pods.values().flatten().copied().collect();
        redirect::reconcile_host(&self.netns, &all)
    }

    /// Removes the node's table.
    pub async fn remove(&self) -> Result<(), redirect::Error> {
        let mut pods = self.pods.lock().await;
        pods.clear();
        redirect::remove_host(&self.netns)
    }
}
