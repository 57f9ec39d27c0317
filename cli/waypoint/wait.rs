//! Waiting until a waypoint takes traffic and those who were put behind it are; when time is up, saying which pod is in the way.

use std::time::{Duration, Instant};

use source::ObjectKey;

use crate::{
    cluster::{Cluster, trouble::Trouble, wait::obstacles_of},
    error::Error,
    screen::{Screen, progress::Progress},
    waypoint::{
        enrol::{Kind, Labelled},
        report::{self, Refused, Report, State},
        view::{self, Proxy, View},
    },
};

/// How often to look.
const EVERY: Duration = Duration::from_secs(1);
/// A waypoint whose start goes well is ready by then.
const FIRST: Duration = Duration::from_secs(3);

/// Waits until a waypoint is ready, and these objects, as far as they are services, are behind it.
pub async fn until_ready(
    cluster: &Cluster,
    key: &ObjectKey,
    enrolled: &[Labelled],
    limit: Duration,
    screen: &Screen,
) -> Result<Report, Error> {
    let progress = Progress::new(screen);
    let end = Instant::now() + limit;
    let begun = Instant::now();
    let mut last: Option<(View, Report)> = None;
    while let Ok(seen) = tokio::time::timeout_at(end.into(), view::view(cluster, Some(&key.namespace))).await {
        let seen = match (seen, &last) {
            (Ok(seen), _) => seen,
            (Err(error), None) => return Err(error),
            // It answered before: it may again.
            (Err(error), Some(_)) => {
                progress.note(&format!("! {}; trying again", error.one_line()));
                tokio::time::sleep(EVERY).await;
                continue;
            }
        };
        let report = report::reports(&seen).into_iter().find(|report| report.name == key.name);
        let report = report
            .ok_or_else(|| Error::user(format!("Gateway {}/{} was deleted meanwhile", key.namespace, key.name)))?;
        progress.set(&format!("waypoint {}", report.title()), report.ready, report.wanted.unwrap_or(0));
        let open: Vec<&Refused> = report.refused.iter().filter(|refused| is_of(refused, enrolled)).collect();
        if report.state == State::Ready {
            if let Some(refused) = open.iter().find(|refused| !refused.pending) {
                progress.clear();
                return Err(Error::user(format!(
                    "{} {} is not behind the waypoint",
                    refused.kind.word(),
                    refused.name
                ))
                .because(format!("{}: {}", refused.reason, refused.message)));
            }
            if open.is_empty() {
                progress.clear();
                return Ok(report);
            }
        }
        if begun.elapsed() >= FIRST {
            let proxy = seen.proxies.iter().find(|proxy| proxy.gateway.key == *key);
            let troubles = proxy.into_iter().flat_map(|proxy| &proxy.pods).filter_map(Trouble::of);
            troubles.for_each(|trouble| progress.note(&format!("! {trouble}")));
        }
        last = Some((seen, report));
        if Instant::now() + EVERY >= end {
            break;
        }
        // Not one watch but many sources, as in `status`.
        tokio::time::sleep(EVERY).await;
    }
    progress.clear();
    Err(overdue(cluster, key, last, enrolled, limit).await)
}

/// Tells whether one who is not behind the waypoint is, or is in, what was put behind it.
fn is_of(refused: &Refused, enrolled: &[Labelled]) -> bool {
    enrolled.iter().any(|object| match object.kind {
        Kind::Namespace => refused.name.split_once('/').is_some_and(|(namespace, _)| namespace == object.key.name),
        kind => kind == refused.kind && refused.name == format!("{}/{}", object.key.namespace, object.key.name),
    })
}

async fn overdue(
    cluster: &Cluster,
    key: &ObjectKey,
    last: Option<(View, Report)>,
    enrolled: &[Labelled],
    limit: Duration,
) -> Error {
    let title = format!("waypoint {}/{}", key.namespace, key.name);
    let seconds = limit.as_secs();
    let Some((seen, report)) = last else {
        return Error::user(format!("no answer from the cluster within {seconds} s"));
    };
    if report.state == State::Ready {
        let error = Error::user(format!("{title} is ready, and not all are behind it after {seconds} s"));
        let open = report.refused.iter().filter(|refused| is_of(refused, enrolled)).take(10);
        return open.fold(error, |error, refused| error.because(line(refused)));
    }
    let mut error = Error::user(format!("{title} is not ready after {seconds} s"));
    for reason in reasons(&report) {
        error = error.because(reason);
    }
    if let Some(proxy) = seen.proxies.iter().find(|proxy| proxy.gateway.key == *key) {
        for reason in troubles(cluster, proxy, &report).await {
            error = error.because(reason);
        }
    }
    let (namespace, name) = (&key.namespace, &key.name);
    error.hint(format!(
        "it goes on by itself when that is mended: `ambient waypoint status {name} -n {namespace} --wait` waits on"
    ))
}

/// Returns who is not behind a waypoint and why, in a line.
pub fn line(refused: &Refused) -> String {
    let yet = if refused.pending { " yet" } else { "" };
    let (kind, Refused { name, reason, message, .. }) = (refused.kind.word(), refused);
    format!("{kind} {name} is not behind it{yet}: {reason}: {message}")
}

/// Returns what a waypoint's Gateway says of why it is not ready.
pub fn reasons(report: &Report) -> Vec<String> {
    let failed = report.conditions.iter().filter(|condition| condition.status != "True");
    let failed = failed.map(|c| format!("{} is {}: {}: {}", c.kind, c.status, c.reason, c.message));
    let told: Vec<String> = failed.collect();
    match report.state {
        State::Unknown => vec![format!(
            "the control plane has not looked at Gateway {}: does it run (`ambient status`), and is class {} its own?",
            report.title(),
            report.class
        )],
        _ if report.deleting => vec![format!("Gateway {} is being deleted", report.title())],
        _ => told,
    }
}

/// Returns what keeps the pods of a waypoint from being ready; nothing where nothing says that there should be any.
pub async fn troubles(cluster: &Cluster, proxy: &Proxy, report: &Report) -> Vec<String> {
    if proxy.wanted.is_none() || (report.wanted.is_some_and(|wanted| report.ready >= wanted)) {
        return Vec::new();
    }
    let key = &proxy.gateway.key;
    obstacles_of(cluster, (&key.namespace, agent::gateway::made_name(&proxy.gateway)), &proxy.pods).await
}
