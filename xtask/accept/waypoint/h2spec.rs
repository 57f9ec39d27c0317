//! The waypoint's HTTP/2, by a test that others wrote: h2spec, run in a pod against a service behind the waypoint.

use std::path::Path;

use super::scene::{self, CLIENT, Scene};
use crate::accept::{Report, sandbox::lab::Lab};

/// The program, as pods see it.
const H2SPEC: &str = "/srv/h2spec";
/// A service whose port is declared as HTTP/2 without TLS.
const SERVICE: &str = "---\napiVersion: v1\nkind: Service\nmetadata: {name: two, namespace: shop}\nspec:\n  \
    selector: {version: one}\n  ports: [{name: http2, port: 80, targetPort: 8080, appProtocol: kubernetes.io/h2c}]\n";

/// What it tests, how many tests that are at least, and which of them fail with the reason why.
struct Group(&'static str, &'static str, usize, &'static [(&'static str, &'static str)]);

const GROUPS: [Group; 9] = [
    Group("generic", "what every server does", 40, &[]),
    Group(
        "http2/3",
        "the preface",
        2,
        &[(
            "Sends invalid connection preface",
            "what is no preface is taken for HTTP/1.1, answered with 400 and closed",
        )],
    ),
    Group("http2/4", "frames, their sizes, header blocks", 6, &[]),
    Group("http2/5", "streams, their states, concurrency, errors", 20, &[]),
    Group("http2/6", "each frame, settings, flow control", 40, &[]),
    Group("http2/7", "error codes", 2, &[]),
    Group("http2/8", "requests, pseudo-headers, what is malformed", 15, &[]),
    Group("hpack", "compression of headers", 7, &[]),
    Group("http2/5.1.2", "as many streams as are allowed, and one more", 1, &[]),
];

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    if !Path::new(H2SPEC).is_file() {
        return Err("h2spec could not be had: see the beginning of the output".to_owned());
    }
    let scene = scene::up(lab, "h2spec", SERVICE)?;
    for group in GROUPS {
        run(&scene, report, &group)?;
    }
    Ok(())
}

fn run(scene: &Scene<'_>, report: &mut Report, group: &Group) -> Result<(), String> {
    let Group(name, what, least, known) = group;
    let arguments = [H2SPEC, name, "--host", "two.shop", "--port", "80", "--timeout", "3"];
    let ended = scene.sandbox.exec(CLIENT, &arguments)?;
    let counts = counts(&ended.out);
    let failures = failures(&ended.out);
    let unknown: Vec<&String> = failures.iter().filter(|f| !known.iter().any(|(test, _)| f.contains(test))).collect();
    let reasons: Vec<String> = known.iter().map(|(test, why)| format!("{test}: {why}")).collect();
    let measured = match counts {
        Some([all, passed, skipped, failed]) => {
            format!(
                "{all} tests, {passed} passed, {skipped} skipped, {failed} failed {failures:?} {}",
                reasons.join("; ")
            )
        }
        None => ended.all(),
    };
    let good = counts.is_some_and(|[all, passed, _, failed]| {
        all >= *least && passed + known.len() >= all && failed == failures.len()
    });
    report.row(
        format!("{name}: {what}"),
        measured,
        format!("at least {least}, none fails"),
        good && unknown.is_empty(),
    );
    Ok(())
}

/// Reads the last line: `94 tests, 94 passed, 0 skipped, 0 failed`.
fn counts(out: &str) -> Option<[usize; 4]> {
    let line = out.lines().rev().find(|line| line.contains(" tests, "))?;
    let numbers: Vec<usize> = line.split(", ").filter_map(|part| part.trim().split(' ').next()?.parse().ok()).collect();
    numbers.try_into().ok()
}

/// Lists the tests that failed, with what came instead, as the summary has them.
fn failures(out: &str) -> Vec<String> {
    let summary = out.split_once("Failures:").map_or("", |(_, rest)| rest);
    let mut all: Vec<String> = Vec::new();
    for line in summary.lines().map(str::trim) {
        if let Some(test) = line.strip_prefix('×') {
            all.push(test.trim().to_owned());
        } else if let (Some(actual), Some(test)) = (line.strip_prefix("Actual:"), all.last_mut()) {
            *test += &format!(" (came: {})", actual.trim());
        }
    }
    all
}
