//! The redirection of one pod, start to end: apply, check, drain, remove; and its counterpart on the
//! node. The cni agent calls this and nothing below it.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use crate::conntrack::Conntrack;
use crate::netlink;
use crate::netns::{self, Netns};
use crate::rules::{HOST_TABLE, Mode, POD_TABLE, host_table, pod_table};
use crate::streams::Stream;
use crate::{conntrack, nft, route, streams};

/// A change that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The namespace cannot be entered.
    #[error("cannot read or change the redirection")]
    Netns(#[from] netns::Error),
    /// The kernel refused.
    #[error("cannot read or change the redirection")]
    Netlink(#[from] netlink::Error),
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// As it should be.
    Intact,
    /// Something was missing or changed; the rules were written again.
    Repaired,
}

/// Puts the rules and routes of `mode` into the pod, replacing whatever we had there.
///
/// Routes come first: no packet may meet a mark that leads nowhere.
pub fn apply(pod: &Netns, mode: Mode) -> Result<(), Error> {
    inside(pod, || {
        route::add()?;
        nft::replace(&pod_table(mode))
    })
}

/// Checks that the rules of `mode` are in force, and restores them otherwise.
pub fn verify(pod: &Netns, mode: Mode) -> Result<Check, Error> {
    inside(pod, || {
        let routes = route::is_intact()?;
        let table = pod_table(mode);
        if routes && nft::is_intact(&table)? {
            return Ok(Check::Intact);
        }
        route::add()?;
        nft::replace(&table)?;
        Ok(Check::Repaired)
    })
}

/// Whether the pod carries rules of ours, of whatever mode.
pub fn is_present(pod: &Netns) -> Result<bool, Error> {
    inside(pod, || nft::exists(POD_TABLE))
}

/// The number of live streams that run through ztunnel in this pod.
pub fn served_streams(pod: &Netns) -> Result<usize, Error> {
    inside(pod, || Ok(streams::list()?.iter().filter(|s| s.is_served_by_ztunnel()).count()))
}

/// The streams that leave this enrolled pod without ztunnel: those older than its enrolment.
pub fn bypassing_streams(pod: &Netns) -> Result<Vec<Stream>, Error> {
    inside(pod, streams::bypassing)
}

/// Cuts the streams that leave this enrolled pod without ztunnel, so that applications open them again, through it.
/// Returns how many there were.
pub fn cut_bypassing_streams(pod: &Netns) -> Result<usize, Error> {
    let bypassing = bypassing_streams(pod)?;
    inside(pod, || {
        let mut conntrack = Conntrack::open()?;
        bypassing.iter().try_for_each(|stream| {
            streams::destroy(stream)?;
            // For ten seconds after a reset the kernel would take who comes back from the same port for the same connection.
            conntrack.forget(stream.local, stream.remote)
        })
    })?;
    Ok(bypassing.len())
}

/// The address by which ztunnel knows a connection of the pod: its own, unless the kernel had to give it another port on the way there.
/// None if it was not redirected.
pub fn address_at_proxy(pod: &Netns, local: SocketAddr, remote: SocketAddr) -> Result<Option<SocketAddr>, Error> {
    inside(pod, || Ok(Conntrack::open()?.get(local, remote)?.and_then(|tracked| tracked.at_proxy)))
}

/// Removes every trace. Streams that still run through ztunnel are cut: drain first.
pub fn remove(pod: &Netns) -> Result<(), Error> {
    inside(pod, || {
        let enrolled = nft::exists(POD_TABLE)?;
        nft::remove(POD_TABLE)?;
        route::remove()?;
        if enrolled { conntrack::forget_untranslated() } else { Ok(()) }
    })
}

/// Puts the node's table in place with exactly these pod addresses, if it is not so already.
pub fn reconcile_host(host: &Netns, pods: &[IpAddr]) -> Result<Check, Error> {
    inside(host, || {
        let table = host_table();
        if !nft::is_intact(&table)? {
            nft::replace(&table)?;
            nft::add_elements(&table, pods)?;
            return Ok(Check::Repaired);
        }
        let present: HashSet<IpAddr> = nft::list_elements(&table)?.into_iter().collect();
        let wanted: HashSet<IpAddr> = pods.iter().copied().collect();
        let missing: Vec<IpAddr> = wanted.difference(&present).copied().collect();
        let extra: Vec<IpAddr> = present.difference(&wanted).copied().collect();
        nft::add_elements(&table, &missing)?;
        nft::delete_elements(&table, &extra)?;
        Ok(if missing.is_empty() && extra.is_empty() { Check::Intact } else { Check::Repaired })
    })
}

/// Lets probes of the node reach these pods.
pub fn add_to_host(host: &Netns, pods: &[IpAddr]) -> Result<(), Error> {
    inside(host, || nft::add_elements(&host_table(), pods))
}

/// Forgets these pods on the node.
pub fn delete_from_host(host: &Netns, pods: &[IpAddr]) -> Result<(), Error> {
    inside(host, || nft::delete_elements(&host_table(), pods))
}

/// Removes the node's table.
pub fn remove_host(host: &Netns) -> Result<(), Error> {
    inside(host, || nft::remove(HOST_TABLE))
}

/// Netlink calls wait for the kernel only, never for another party, so they may run on this thread.
fn inside<T>(netns: &Netns, work: impl FnOnce() -> Result<T, netlink::Error>) -> Result<T, Error> {
    Ok(netns.enter(work)??)
}
