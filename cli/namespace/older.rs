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
    let mut failures = Vec::new();
    match dump::ztunnels(cluster, None).await {
        Ok(ztunnels) => {
            for ztunnel in ztunnels {
                match of_node(cluster, &ztunnel, &ours, cut).await {
                    Ok(here) => count += here,
                    Err(error) => failures.push(dump::silent(&ztunnel, &error)),
                }
            }
        }
        Err(error) => failures.push(error),
    }
    for failure in &failures {
        let done = if cut { "cut" } else { "counted" };
        let text = format!("! older connections could not be {done}: {}", failure.one_line());
        screen.say(screen.paint(Tone::Warn, &text));
    }
    match (count, cut) {
        (0, _) => {}
        (_, true) => screen.say(format!("{} {count} older connections cut", screen.mark(true))),
        (_, false) => screen.say(screen.paint(
            Tone::Warn,
            &format!(
                "! {count} connections are older than the enrolment and go on in the clear; --cut-existing closes them"
            ),
        )),
    }
    Ok(u8::from(cut && !failures.is_empty()))
}

/// Counts those of a node, and cuts them if that is wanted.
async fn of_node(cluster: &Cluster, ztunnel: &Ztunnel, ours: &HashSet<String>, cut: bool) -> Result<usize, Error> {
    let list = forward::get(cluster, &ztunnel.pod, ADMIN_PORT, "/older").await?;
    let list: Vec<Value> =
        serde_json::from_str(&list).map_err(|error| Error::user("its answer is no list").caused_by(&error))?;
    let here: Vec<&str> = list.iter().map(|older| text(older, "uid")).filter(|uid| ours.contains(*uid)).collect();
    for uid in here.iter().collect::<HashSet<_>>().into_iter().filter(|_| cut) {
        let path = format!("/older/cut?uid={uid}");
        let answer = forward::ask(cluster, &ztunnel.pod, ADMIN_PORT, Method::POST, &path).await?;
        if answer.status != 200 {
            return Err(Error::user("it cannot cut connections").because(answer.body.trim().to_owned()));
        }
    }
    Ok(here.len())
}
