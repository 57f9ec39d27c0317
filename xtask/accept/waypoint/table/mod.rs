//! What manifests can say, one row for each: objects for a service of its own, requests, and what is wanted of the answers.

mod authorization;
mod destination_rule;
mod grpc_route;
mod http_action;
mod http_match;
mod virtual_action;
mod virtual_match;

use std::{
    fmt::Write,
    thread,
    time::{Duration, Instant},
};

use super::{
    ask::{self, Ask},
    scene::{self, Scene},
};
use crate::accept::{Report, sandbox::lab::Lab};

/// How long the objects of a row may take to be in effect.
const EFFECT: Duration = Duration::from_secs(6);
/// How many rows are checked beside each other.
const BESIDE: usize = 3;

/// One row. `$S` in all of it stands for the row's own service, `$T` for a word that is new each time it is tried; `$v2` and
/// `$one` for a route of a VirtualService to that version, `$b2` and `$g2` for the backend of a route of the Gateway API.
pub struct Row {
    /// What is meant.
    pub name: &'static str,
    /// The labels of the pods of its service.
    pub selects: &'static str,
    /// Its objects: `[NAMESPACE/]KIND[#SUFFIX] [ANNOTATION=VALUE]`, and their specification.
    pub objects: &'static [(&'static str, &'static str)],
    /// What is asked, and what is wanted of the answer.
    pub asks: &'static [(&'static str, &'static str)],
}

/// The pods of version 1.
pub const V1: &str = "version: v1";
/// Those of all versions.
pub const ALL: &str = "app: echo";
/// One pod alone.
pub const ONE: &str = "version: one";

const TABLES: [(&str, &[Row]); 7] = [
    ("VirtualService", virtual_match::ROWS),
    ("VirtualService", virtual_action::ROWS),
    ("DestinationRule", destination_rule::ROWS),
    ("HTTPRoute", http_match::ROWS),
    ("HTTPRoute", http_action::ROWS),
    ("GRPCRoute", grpc_route::ROWS),
    ("AuthorizationPolicy", authorization::ROWS),
];

/// Checks all rows.
pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    check_tables(lab, report, ("table", &[]), &TABLES).map(drop)
}

/// Checks the rows of tables by kind, on a sandbox of this name and with these variables; the scene goes on.
pub fn check_tables<'l>(
    lab: &'l Lab,
    report: &mut Report,
    (sandbox, variables): (&str, &[(&str, &str)]),
    tables: &[(&'static str, &'static [Row])],
) -> Result<Scene<'l>, String> {
    let mut rows = Vec::new();
    for (kind, table) in tables {
        let short: String = kind.chars().filter(char::is_ascii_uppercase).collect::<String>().to_lowercase();
        let first = rows.len() + 1;
        rows.extend(table.iter().enumerate().map(|(n, row)| (*kind, format!("{short}-{}", first + n), row)));
    }
    let services = rows.iter().map(|(_, name, row)| scene::service("shop", name, row.selects)).collect::<String>();
    let scene = scene::up_with(lab, sandbox, &services, variables)?;
    let mut refused = vec![None; rows.len()];
    for (number, (_, name, row)) in rows.iter().enumerate() {
        refused[number] = scene.apply(&objects(name, row)).err();
    }
    let faults = all(&scene, &rows.iter().map(|(_, name, row)| (name.as_str(), *row)).collect::<Vec<_>>());
    let mut good = 0;
    for (((kind, _, row), fault), refused) in rows.iter().zip(faults).zip(refused) {
        let fault = refused.map(|reason| format!("an object is refused: {reason}")).or(fault);
        good += usize::from(fault.is_none());
        let wanted: Vec<String> = row.asks.iter().map(|(ask, want)| format!("{ask} → {want}")).collect();
        report.row(
            format!("{kind}: {}", row.name),
            fault.as_deref().unwrap_or("so"),
            wanted.join("; "),
            fault.is_none(),
        );
    }
    println!("{sandbox}: {good} of {}", rows.len());
    Ok(scene)
}

/// Checks rows, a few beside each other; says for each what does not hold.
fn all(scene: &Scene<'_>, rows: &[(&str, &Row)]) -> Vec<Option<String>> {
    let mut faults = vec![None; rows.len()];
    thread::scope(|scope| {
        let share = rows.len().div_ceil(BESIDE).max(1);
        for (rows, faults) in rows.chunks(share).zip(faults.chunks_mut(share)) {
            scope.spawn(move || {
                for ((name, row), fault) in rows.iter().zip(faults) {
                    *fault = checked(scene, name, row).err();
                }
            });
        }
    });
    faults
}

/// Asks until all is as wanted, or the time is over.
fn checked(scene: &Scene<'_>, name: &str, row: &Row) -> Result<(), String> {
    let begun = Instant::now();
    for number in 1.. {
        let outcome = once(scene, name, row, number);
        if outcome.is_ok() || begun.elapsed() > EFFECT {
            return outcome;
        }
        thread::sleep(Duration::from_millis(300));
    }
    Ok(())
}

fn once(scene: &Scene<'_>, name: &str, row: &Row, number: usize) -> Result<(), String> {
    let filled = |text: &str| text.replace("$T", &format!("{name}-{number}")).replace("$S", name);
    let mut asks = Vec::new();
    for (line, want) in row.asks {
        asks.push((Ask::read(&filled(line), &format!("{name}.shop"))?, filled(want), *line));
    }
    // In their order, and those of one pod that follow each other in one go.
    let mut rest = asks.as_slice();
    while let Some((first, ..)) = rest.first() {
        let same = rest.iter().take_while(|(ask, ..)| ask.pod == first.pod).count();
        let parts: Vec<_> = rest[..same].iter().map(|(ask, ..)| ask.part.clone()).collect();
        let results = scene.batch(&first.pod, &parts)?;
        for ((_, want, line), result) in rest[..same].iter().zip(&results) {
            ask::fault(result, want).map_err(|fault| format!("{line}: {fault}"))?;
        }
        rest = &rest[same..];
    }
    Ok(())
}

/// Writes the objects of a row.
fn objects(name: &str, row: &Row) -> String {
    let mut text = String::new();
    for (head, spec) in row.objects {
        let (kind, annotation) = head.split_once(' ').map_or((*head, None), |(kind, more)| (kind, Some(more)));
        let (kind, suffix) = kind.split_once('#').unwrap_or((kind, ""));
        let (namespace, kind) = kind.split_once('/').unwrap_or(("shop", kind));
        let annotation =
            annotation.and_then(|a| a.split_once('=')).map(|(k, v)| format!(", annotations: {{{k}: \"{v}\"}}"));
        let (group, default) = match kind {
            "VirtualService" => ("networking.istio.io/v1", ("hosts", "hosts: [$S.shop.svc.cluster.local]")),
            "DestinationRule" => ("networking.istio.io/v1", ("host", "host: $S.shop.svc.cluster.local")),
            "HTTPRoute" | "GRPCRoute" => {
                ("gateway.networking.k8s.io/v1", ("parentRefs", "parentRefs: [{group: \"\", kind: Service, name: $S}]"))
            }
            "ReferenceGrant" => ("gateway.networking.k8s.io/v1beta1", ("", "")),
            "AuthorizationPolicy" => {
                ("security.istio.io/v1", ("targetRefs", "targetRefs: [{group: \"\", kind: Service, name: $S}]"))
            }
            "RateLimit" => {
                ("policy.ambient.io/v1alpha1", ("targetRefs", "targetRefs: [{group: \"\", kind: Service, name: $S}]"))
            }
            _ => ("v1", ("", "")),
        };
        let _ = write!(
            text,
            "---\napiVersion: {group}\nkind: {kind}\nmetadata: {{name: $S{suffix}, namespace: {namespace}{}}}\nspec: {{{}{}{spec}}}\n",
            annotation.unwrap_or_default(),
            if spec.contains(&format!("{}:", default.0)) { "" } else { default.1 },
            if spec.contains(&format!("{}:", default.0)) || spec.is_empty() || default.1.is_empty() {
                ""
            } else {
                ", "
            },
        );
    }
    // The commonest parts are written short.
    for version in ["v1", "v2", "v3", "one"] {
        let number = version.trim_start_matches('v');
        text = text.replace(
            &format!("${version}"),
            &format!("route: [{{destination: {{host: {version}.shop.svc.cluster.local}}}}]"),
        );
        text = text.replace(&format!("$b{number}"), &format!("backendRefs: [{{name: {version}, port: 80}}]"));
        text = text.replace(&format!("$g{number}"), &format!("backendRefs: [{{name: {version}, port: 82}}]"));
    }
    text.replace("$S", name)
}
