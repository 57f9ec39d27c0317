//! PeerAuthentication and AuthorizationPolicy: each enforced, and how fast a change takes effect.

use std::time::{Duration, Instant};

use super::scene::{CLIENT, INTRUDER, OUT, SHOP, pod};
use crate::accept::{Lab, Report, lab::until};

/// Longest that a change may take to take effect on new connections.
const EFFECT: Duration = Duration::from_secs(1);

/// Who connects to whom.
struct Ways {
    client: String,
    intruder: String,
    outside: String,
}

impl Ways {
    fn may(&self, lab: &Lab, who: &str, to: &str) -> bool {
        let (namespace, pod) = match who {
            "client" => (SHOP, &self.client),
            "intruder" => (SHOP, &self.intruder),
            _ => (OUT, &self.outside),
        };
        lab.exec(namespace, pod, &["echo", "tcp", to, "--timeout", "3"]).is_ok_and(|e| e.ok())
    }
}

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let ways =
        Ways { client: pod(lab, CLIENT)?, intruder: pod(lab, INTRUDER)?, outside: lab.pod(OUT, "app=client", None)? };
    let far = format!("far.{SHOP}:7000");
    let near = format!("near.{SHOP}:7000");
    report.holds("PERMISSIVE: a client outside the mesh gets in", ways.may(lab, "outside", &far), "");
    strict(lab, report, &ways)?;
    for (name, policy, expected) in policies(lab)? {
        let manifest = format!(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: accept, namespace: {SHOP}}}\nspec: {policy}\n"
        );
        lab.apply(&manifest)?;
        let begun = Instant::now();
        let mut wrong = Vec::new();
        for (who, to, allowed) in expected {
            let to = if to == "far" { &far } else { &near };
            let (so, _) = until(EFFECT * 3, || ways.may(lab, who, to) == allowed);
            if !so {
                wrong.push(format!("{who} to {to} {}", if allowed { "is refused" } else { "gets in" }));
            }
        }
        report.row(
            name,
            if wrong.is_empty() {
                format!("as written, all seen within {} ms", begun.elapsed().as_millis())
            } else {
                wrong.join(", ")
            },
            "enforced",
            wrong.is_empty(),
        );
        lab.delete(&manifest)?;
        let (open, _) = until(EFFECT * 5, || ways.may(lab, "client", &far) && ways.may(lab, "intruder", &near));
        if !open {
            report.failed(format!("{name}: its end"), "traffic stays refused");
        }
    }
    effect(lab, report, &ways, &far)
}

fn peer(name: &str, namespace: &str, spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"
    )
}

fn strict(lab: &Lab, report: &mut Report, ways: &Ways) -> Result<(), String> {
    let far = format!("far.{SHOP}:7000");
    let near = format!("near.{SHOP}:7000");
    let cases = [
        ("mesh", peer("default", "istio-system", "{mtls: {mode: STRICT}}"), vec![(&far, false), (&near, false)]),
        ("namespace", peer("default", SHOP, "{mtls: {mode: STRICT}}"), vec![(&far, false), (&near, false)]),
        (
            "workload",
            peer("far", SHOP, "{selector: {matchLabels: {app: far}}, mtls: {mode: STRICT}}"),
            vec![(&far, false), (&near, true)],
        ),
        (
            "port",
            peer(
                "far",
                SHOP,
                "{selector: {matchLabels: {app: far}}, mtls: {mode: PERMISSIVE}, portLevelMtls: {9000: {mode: STRICT}}}",
            ),
            vec![(&far, false), (&near, true)],
        ),
    ];
    for (scope, manifest, expected) in cases {
        let readiness = super::enrol::readiness(lab)?;
        lab.apply(&manifest)?;
        let mut wrong = Vec::new();
        for (to, allowed) in expected {
            if !until(EFFECT * 3, || ways.may(lab, "outside", to) == allowed).0 {
                wrong.push(format!("a client outside {} {to}", if allowed { "does not reach" } else { "reaches" }));
            }
            if !ways.may(lab, "client", to) {
                wrong.push(format!("a client inside does not reach {to}"));
            }
        }
        report.row(
            format!("STRICT for a {scope}"),
            wrong.join(", "),
            "plaintext refused, mesh served",
            wrong.is_empty(),
        );
        if scope == "port" {
            let other = format!("http://far.{SHOP}/");
            let open = lab.exec(OUT, &ways.outside, &["echo", "http", &other]).is_ok_and(|e| e.ok());
            report.holds("its other ports still take plaintext", open, "");
        }
        if scope == "mesh" {
            std::thread::sleep(Duration::from_secs(6));
            report.holds("probes stay green under STRICT", super::enrol::readiness(lab)? == readiness, "");
            let verify = lab.ambient(&["verify", "deploy/client", "svc/far:7000", "-n", SHOP])?;
            report.row(
                "verify under STRICT: plaintext is refused",
                verify.verdict(),
                "exit 0, with that evidence",
                verify.ok() && verify.out.contains("plaintext is refused"),
            );
        }
        lab.delete(&manifest)?;
        until(EFFECT * 5, || ways.may(lab, "outside", &far));
    }
    Ok(())
}

type Expected = Vec<(&'static str, &'static str, bool)>;

fn policies(lab: &Lab) -> Result<Vec<(&'static str, String, Expected)>, String> {
    let intruder = lab.pod_ip(SHOP, &pod(lab, INTRUDER)?)?;
    let everybody = |client, intruder, outside| {
        vec![("client", "far", client), ("intruder", "far", intruder), ("outside", "far", outside)]
    };
    let only = |what: &str| format!("{{selector: {{matchLabels: {{app: far}}}}, {what}}}");
    Ok(vec![
        (
            "ALLOW by principal",
            only(&format!(
                "action: ALLOW, rules: [{{from: [{{source: {{principals: [cluster.local/ns/{SHOP}/sa/client]}}}}]}}]"
            )),
            everybody(true, false, false),
        ),
        (
            "DENY by principal",
            only(&format!(
                "action: DENY, rules: [{{from: [{{source: {{principals: [cluster.local/ns/{SHOP}/sa/intruder]}}}}]}}]"
            )),
            everybody(true, false, true),
        ),
        (
            "ALLOW by namespace",
            only(&format!("action: ALLOW, rules: [{{from: [{{source: {{namespaces: [{SHOP}]}}}}]}}]")),
            everybody(true, true, false),
        ),
        (
            "DENY by namespace",
            only(&format!("action: DENY, rules: [{{from: [{{source: {{namespaces: [{SHOP}]}}}}]}}]")),
            everybody(false, false, true),
        ),
        (
            "DENY by IP block",
            only(&format!("action: DENY, rules: [{{from: [{{source: {{ipBlocks: [{intruder}/32]}}}}]}}]")),
            everybody(true, false, true),
        ),
        (
            "ALLOW by IP block",
            only(&format!("action: ALLOW, rules: [{{from: [{{source: {{ipBlocks: [{intruder}/32]}}}}]}}]")),
            everybody(false, true, false),
        ),
        (
            "DENY by port",
            only("action: DENY, rules: [{to: [{operation: {ports: [\"9000\"]}}]}]"),
            everybody(false, false, false),
        ),
        (
            "DENY by another port",
            only("action: DENY, rules: [{to: [{operation: {ports: [\"9\"]}}]}]"),
            everybody(true, true, true),
        ),
        (
            "default deny of a namespace",
            "{}".to_owned(),
            vec![("client", "far", false), ("client", "near", false), ("outside", "near", false)],
        ),
        (
            "a selector spares others",
            only("action: DENY, rules: [{}]"),
            vec![("client", "far", false), ("client", "near", true)],
        ),
    ])
}

/// How long a change takes: in the client's pod new connections are opened all the time, here the policy is written.
fn effect(lab: &Lab, report: &mut Report, ways: &Ways, far: &str) -> Result<(), String> {
    let deny = format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: effect, namespace: {SHOP}}}\nspec: {{selector: {{matchLabels: {{app: far}}}}, action: DENY, rules: [{{}}]}}\n"
    );
    let mut figures = Vec::new();
    for _ in 0..3 {
        let running = lab.start(
            SHOP,
            &ways.client,
            &["echo", "stream", far, "--streams", "0", "--seconds", "30", "--connect", far, "--connect-every-ms", "10"],
        )?;
        std::thread::sleep(Duration::from_millis(1500));
        lab.apply(&deny)?;
        std::thread::sleep(EFFECT);
        let ended = running.stop()?;
        // It ended this long after the policy was there; what came after the first refusal is the rest.
        let last = ended.json()["connects"]["last_failure_ms"].as_f64();
        let first = ended.json()["connects"]["first_failure_ms"].as_f64();
        if let (Some(first), Some(last)) = (first, last) {
            figures.push(EFFECT.as_secs_f64() * 1e3 - (last - first));
        }
        lab.delete(&deny)?;
        until(EFFECT * 5, || ways.may(lab, "client", far));
    }
    figures.sort_by(f64::total_cmp);
    let median = figures.get(figures.len() / 2).copied();
    report.figure(
        "a change of policy takes effect on new connections",
        median.map_or("never".to_owned(), |ms| match ms {
            ms if ms <= 0.0 => format!("before kubectl returned (median of {})", figures.len()),
            ms => format!("{ms:.0} ms after kubectl returned (median of {})", figures.len()),
        }),
        "≤ 1 s",
        figures.len() == 3,
        median.is_some_and(|ms| ms <= 1000.0),
    );
    Ok(())
}
