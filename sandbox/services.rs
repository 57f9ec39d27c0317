//! The way to services on every node, kept up to date; what kube-proxy does in a cluster.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use k8s_openapi::api::core::v1 as core;
use kube::{Api, Client, api::ListParams};
use net::{
    rules::Protocol,
    services::{self, ServicePort},
};
use source::Change;
use tokio::time::Instant;
use tracing::error;

use crate::{host::Host, names::Names};

/// How often to look without being told, for what the kernel did not take.
const LOOK: Duration = Duration::from_secs(5);
/// How long a caller waits for the way to services.
const SETTLE: Duration = Duration::from_secs(5);

/// What each node's kernel was told last.
pub type Told = BTreeMap<String, Vec<ServicePort>>;

/// Keeps names and the way to services up to date.
pub async fn follow(client: Client, names: Arc<RwLock<Names>>, host: Arc<Host>) {
    let mut changes = source::kubernetes::watch(&client);
    let mut batch = Vec::new();
    loop {
        if let Ok(0) = tokio::time::timeout(LOOK, changes.recv_many(&mut batch, 256)).await {
            return;
        }
        {
            let mut names = names.write().unwrap_or_else(PoisonError::into_inner);
            batch.drain(..).for_each(|change| names.apply(change));
        }
        for node in host.nodes.values() {
            let ports = ports(&names.read().unwrap_or_else(PoisonError::into_inner), &node.name);
            if host.services.borrow().get(&node.name) == Some(&ports) {
                continue;
            }
            let (netns, set) = (node.netns.clone(), ports.clone());
            match tokio::task::spawn_blocking(move || services::set(&netns, &set)).await {
                Ok(Ok(())) => host.services.send_modify(|told| drop(told.insert(node.name.clone(), ports))),
                Ok(Err(error)) => {
                    error!(node = node.name, error = %runtime::error::chain(&error), "services are not reachable");
                }
                Err(_) => return,
            }
        }
    }
}

fn ports(names: &Names, node: &str) -> Vec<ServicePort> {
    let port = |(address, port, endpoints)| ServicePort { protocol: Protocol::Tcp, address, port, endpoints };
    names.ports(node).into_iter().map(port).collect()
}

/// Waits until every node leads to the services as they are now; tells whether that came.
///
/// A pod is ready a moment before the way to it: who asks for it at once, because it is ready, would be refused.
///
/// # Errors
/// The objects cannot be read.
pub async fn settled(host: &Host) -> kube::Result<bool> {
    let mut told = host.services.subscribe();
    let end = Instant::now() + SETTLE;
    loop {
        let mut names = Names::default();
        let all = ListParams::default();
        let pods = Api::<core::Pod>::all(host.client.clone()).list(&all).await?.items;
        let services = Api::<core::Service>::all(host.client.clone()).list(&all).await?.items;
        let objects = pods.into_iter().filter_map(source::kubernetes::pod);
        let objects = objects.chain(services.into_iter().filter_map(source::kubernetes::service));
        objects.for_each(|object| names.apply(Change::Apply(object)));
        let is_so = {
            let told = told.borrow_and_update();
            host.nodes.keys().all(|node| told.get(node) == Some(&ports(&names, node)))
        };
        if is_so || tokio::time::timeout_at(end, told.changed()).await.is_err() {
            return Ok(is_so);
        }
    }
}
