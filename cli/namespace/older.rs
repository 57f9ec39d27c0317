//! Connections that are older than their pod's enrolment: counted, or cut.

use std::collections::HashSet;

use hyper::Method;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::Value;

use crate::{
    cluster::{Cluster, enrolment, forward},
    error::Error,
    screen::{Screen, Tone},
    ztunnel_config::dump::{self, ADMIN_PORT, Ztunnel, text},
};

/// Says how many there are, or cuts them. A ztunnel that cannot be asked is named; the exit code counts it only where
/// something was to be cut.
pub async fn tell(cluster: &Cluster, concerns: impl Fn(&Pod) -> bool, cut: bool, screen: &Screen) -> Result<u8, Error> {
    let pods = enrolment::running_pods(cluster).await?;
    let ours: HashSet<String> = pods.iter().filter(|pod| concerns(pod)).filter_map(ResourceExt::uid).collect();
    let mut count = 0;
    let mut failed = 0;
    for ztunnel in dump::ztunnels(cluster, None).await? {
        match of_node(cluster, &ztunnel, &ours, cut).await {
            Ok(here) => count += here,
            Err(error) => {
                failed += 1;
                let verb = if cut { "cut" } else { "counted" };
                let text = format!("! older connections on {} could not be {verb}: {}", ztunnel.node, error.one_line());
                screen.line(screen.paint(Tone::Warn, &text))?;
            }
        }
    }
    match (count, cut) {
        (0, _) => {}
        (_, true) => screen.line(format!("{} {count} older connections cut", screen.mark(true)))?,
        (_, false) => screen.line(screen.paint(
            Tone::Warn,
            &format!(
                "! {count} connections are older than the enrolment and go on in the clear; --cut-existing closes them"
            ),
        ))?,
    }
    Ok(u8::from(cut && failed > 0))
}

/// Counts those of a node, and cuts them if that is wanted.
async fn of_node(cluster: &Cluster, ztunnel: &Ztunnel, ours: &HashSet<String>, cut: bool) -> Result<usize, Error> {
    let list = forward::get(cluster, &ztunnel.pod, ADMIN_PORT, "/older").await?;
    let list: Vec<Value> = serde_json::from_str(&list)
        .map_err(|error| Error::user(format!("the answer of {} is no list", ztunnel.pod)).caused_by(&error))?;
    let here: Vec<&str> = list.iter().map(|older| text(older, "uid")).filter(|uid| ours.contains(*uid)).collect();
    for uid in here.iter().collect::<HashSet<_>>().into_iter().filter(|_| cut) {
        let path = format!("/older/cut?uid={uid}");
        let answer = forward::ask(cluster, &ztunnel.pod, ADMIN_PORT, Method::POST, &path).await?;
        if answer.status != 200 {
            return Err(
                Error::user(format!("{} cannot cut connections", ztunnel.pod)).because(answer.body.trim().to_owned())
            );
        }
    }
    Ok(here.len())
}
