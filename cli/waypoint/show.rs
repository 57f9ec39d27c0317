//! `ambient waypoint list` and `status`: how waypoints are, from what their Gateways say and from what runs.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    args::{Format, Global},
    cluster::Cluster,
    error::Error,
    install::duration,
    namespace::some_of,
    screen::{Screen, Tone, progress::Progress, table::Table},
    waypoint::{
        report::{self, Report, State},
        view::{self, View},
        wait,
    },
};

/// What stands below the flags of `status`.
pub const STATUS_HELP: &str = "Exit code 0 when all are ready and all who name them are behind them; 1 when one is not ready or not there, or refuses
somebody; 2 when the control plane has not said yet, or there is no waypoint; 3 when that could not be asked.

Examples:
  ambient waypoint status -n shop
  ambient waypoint status gate -n shop --wait --timeout 60s
  ambient waypoint status -A -o json";

/// List the waypoints
#[derive(Debug, clap::Args)]
pub struct List {
    /// Those of all namespaces
    #[arg(long, short = 'A', conflicts_with = "namespace")]
    all_namespaces: bool,
    /// How to write the list
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// Show whether waypoints are ready
#[derive(Debug, clap::Args)]
pub struct Status {
    /// Names; all of the namespace without
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Those of all namespaces
    #[arg(long, short = 'A', conflicts_with_all = ["namespace", "names"])]
    all_namespaces: bool,
    /// Wait until all is well
    #[arg(long, short)]
    wait: bool,
    /// Longest to wait, such as 90s or 5m
    #[arg(long, visible_alias = "waypoint-timeout", default_value = "90s", value_parser = duration)]
    timeout: Duration,
    /// How to write the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// Lists.
pub async fn list(args: &List, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let cluster = Cluster::connect(global).await?;
    let scope = (!args.all_namespaces).then(|| super::namespace(global, &cluster));
    let view = view::view(&cluster, scope).await?;
    partial(&view, screen);
    let reports = report::reports(&view);
    match (args.output, reports.is_empty()) {
        (Format::Table, true) => screen.line("No waypoints found.")?,
        (Format::Table, false) => screen.text(&table(&reports, args.all_namespaces).to_string())?,
        (format, _) => screen.data(format, &reports)?,
    }
    Ok(0)
}

/// Says that who names a waypoint in other namespaces is not known, or which kind of objects.
pub fn partial(view: &View, screen: &Screen) {
    if view.hidden {
        Progress::new(screen).note("! ServiceEntries may not be looked at: those that name waypoints are not counted");
    }
    if view.partial {
        let text = "! only this namespace may be looked at: who names its waypoints in others is not counted";
        Progress::new(screen).note(text);
    }
}

/// Returns istioctl's columns with what really counts, then ours.
fn table(reports: &[Report], with_namespace: bool) -> Table {
    let heading =
        ["NAMESPACE", "NAME", "REVISION", "TRAFFIC TYPE", "PROGRAMMED", "READY", "SERVICES", "PODS", "REFUSED"];
    let skipped = usize::from(!with_namespace);
    let mut table = Table::new(5, &heading[skipped..]);
    for report in reports {
        let programmed = match (report.state, report.condition("Programmed")) {
            (State::Ready, _) => "True",
            (State::NotReady, Some(_)) => "False",
            _ => "Unknown",
        };
        let cells = [
            report.namespace.clone(),
            report.name.clone(),
            report.revision.clone().unwrap_or_else(|| "-".to_owned()),
            report.traffic.to_owned(),
            programmed.to_owned(),
            report.count(),
            services(report),
            report.bound_pods.len().to_string(),
            report.refused.iter().filter(|refused| !refused.pending).count().to_string(),
        ];
        table.row(cells.into_iter().skip(skipped));
    }
    table
}

/// Returns how many services are behind a waypoint, those outside of the mesh among them, and of how many the traffic goes direct all the same.
fn services(report: &Report) -> String {
    let bound = report.services();
    match report.spared.len() {
        0 => bound.to_string(),
        spared => format!("{bound} ({spared} direct)"),
    }
}

/// The answer of `status`.
#[derive(Serialize)]
struct Answer<'a> {
    /// Whether all is well.
    healthy: bool,
    waypoints: &'a [Report],
    /// Waypoints that were asked for and are not there.
    missing: &'a BTreeSet<String>,
}

/// What was found of those that were asked for.
struct Found {
    view: View,
    reports: Vec<Report>,
    missing: BTreeSet<String>,
}

impl Found {
    /// Returns the exit code: what is wrong weighs more than what is not known.
    fn code(&self) -> u8 {
        code(&self.reports, self.missing.is_empty())
    }
}

fn code(reports: &[Report], all_there: bool) -> u8 {
    let bad = |report: &Report| report.state == State::NotReady || report.refused.iter().any(|r| !r.pending);
    let open = |report: &Report| report.state == State::Unknown || !report.refused.is_empty();
    match () {
        () if !all_there || reports.iter().any(bad) => 1,
        () if reports.is_empty() || reports.iter().any(open) => 2,
        () => 0,
    }
}

/// Shows how they are.
pub async fn status(args: Status, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let cluster = Cluster::connect(global).await?;
    let scope = (!args.all_namespaces).then(|| super::namespace(global, &cluster));
    let end = Instant::now() + args.timeout;
    let found = loop {
        let found = look(&cluster, scope, &args.names).await;
        let well = found.as_ref().is_ok_and(|found| found.code() == 0);
        // Failures of the cluster are waited out as well. Not one watch but many sources, as in `ambient status`.
        if !args.wait || well || Instant::now() + Duration::from_secs(1) >= end {
            break found?;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    partial(&found.view, screen);
    let code = found.code();
    let shown = match args.output {
        Format::Table => show(&cluster, &found, args.all_namespaces, screen).await,
        format => {
            let answer = Answer { healthy: code == 0, waypoints: &found.reports, missing: &found.missing };
            screen.data(format, &answer)
        }
    };
    screen.answered(shown, code)
}

async fn look(cluster: &Cluster, scope: Option<&str>, names: &[String]) -> Result<Found, Error> {
    let view = view::view(cluster, scope).await?;
    let mut reports = report::reports(&view);
    reports.retain(|report| names.is_empty() || names.contains(&report.name));
    let there: BTreeSet<&String> = reports.iter().map(|report| &report.name).collect();
    let missing = names.iter().filter(|name| !there.contains(name)).cloned().collect();
    Ok(Found { view, reports, missing })
}

async fn show(cluster: &Cluster, found: &Found, with_namespace: bool, screen: &Screen) -> Result<(), Error> {
    if found.reports.is_empty() && found.missing.is_empty() {
        return screen.line("No waypoints found.");
    }
    if !found.reports.is_empty() {
        screen.text(&conditions(&found.reports, with_namespace).to_string())?;
    }
    for report in &found.reports {
        let good = report.state == State::Ready && report.refused.is_empty();
        let mark = match report.state {
            State::Unknown => screen.paint(Tone::Warn, "?"),
            _ => screen.mark(good),
        };
        screen.line(format!("\n{mark} {}", summary(report)))?;
        for runner in &report.pods {
            let state = if runner.ready { "ready" } else { "not ready" };
            let node = if runner.node.is_empty() { "no node" } else { &runner.node };
            screen.line(format!("  {} pod {} on {node}: {state}", screen.mark(runner.ready), runner.name))?;
        }
        for (what, names) in [
            ("services behind it", &report.bound_services),
            ("ServiceEntries behind it", &report.bound_service_entries),
            ("of them direct while there is nothing for it to do", &report.spared),
            ("pods behind it", &report.bound_pods),
        ] {
            if !names.is_empty() {
                screen.line(format!("  {what}: {}", some_of(names)))?;
            }
        }
        let mut wrong = if report.state == State::Unknown { wait::reasons(report) } else { Vec::new() };
        if let Some(proxy) = found
            .view
            .proxies
            .iter()
            .find(|proxy| proxy.gateway.key.name == report.name && proxy.gateway.key.namespace == report.namespace)
        {
            wrong.extend(wait::troubles(cluster, proxy, report).await);
        }
        wrong.extend(report.refused.iter().map(wait::line));
        for text in wrong {
            screen.line(format!("  {}", screen.paint(Tone::Bad, &text.replace('\n', "\n    "))))?;
        }
    }
    for name in &found.missing {
        let other = found.view.others.iter().any(|key| key.name == *name);
        let what = if other { "is a Gateway and no waypoint" } else { "is not there" };
        screen.line(format!("{} {name} {what}", screen.mark(false)))?;
    }
    Ok(())
}

/// Returns istioctl's columns.
fn conditions(reports: &[Report], with_namespace: bool) -> Table {
    let heading = ["NAMESPACE", "NAME", "STATUS", "TYPE", "REASON", "MESSAGE"];
    let skipped = usize::from(!with_namespace);
    let mut table = Table::new(5, &heading[skipped..]);
    for report in reports {
        let mut row = |cells: [&str; 4]| {
            let names = [report.namespace.as_str(), report.name.as_str()];
            table.row(names.into_iter().chain(cells).skip(skipped));
        };
        if report.conditions.is_empty() {
            row(["Unknown", "Programmed", "Unknown", "the control plane has said nothing yet"]);
        }
        for condition in &report.conditions {
            row([&condition.status, &condition.kind, &condition.reason, &condition.message]);
        }
    }
    table
}

/// Says in a line what a waypoint takes and who is behind it.
fn summary(report: &Report) -> String {
    let traffic = match report.traffic {
        "service" => "traffic to services",
        "workload" => "traffic to the addresses of pods",
        "all" => "traffic to services and to the addresses of pods",
        _ => "no traffic",
    };
    let state = match report.state {
        State::Ready => "ready",
        State::NotReady if report.deleting => "being deleted",
        State::NotReady => "not ready",
        State::Unknown => "not known",
    };
    let mut text = format!("{}: {state}, {} pods ready, takes {traffic}", report.title(), report.count());
    let (services, pods) = (report.bound_services.len(), report.bound_pods.len());
    let entries = report.bound_service_entries.len();
    text += &format!("; behind it: {services} services, {pods} pods");
    if entries > 0 {
        text += &format!(", {entries} ServiceEntries");
    }
    if report.namespaces.is_empty() && services + entries + pods + report.refused.len() == 0 {
        text += "; nothing names it";
    }
    text
}

#[cfg(test)]
mod tests;
