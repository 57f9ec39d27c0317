//! From nothing to a mesh that is ready, and again without a change.

use std::time::Duration;

use crate::accept::{Lab, Report, lab::until};

const OTHER: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: other-istio}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: istiod, namespace: other-istio, labels: {app: istiod}}
spec:
  replicas: 0
  selector: {matchLabels: {app: istiod}}
  template:
    metadata: {labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "localhost/none:1"}]}
"#;

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    lab.apply(OTHER)?;
    let beside = lab.install(&[])?;
    let explains = beside.err.contains("another Istio") && beside.err.contains("Deployment other-istio/istiod");
    report.row(
        "install beside another istiod refuses and explains",
        beside.err,
        "names it, exit 1",
        beside.code == 1 && explains,
    );
    report.holds("and leaves nothing behind", lab.kubectl(&["get", "namespace", "istio-system"]).is_err(), "");
    lab.delete(OTHER)?;

    super::leave::remember(lab)?;
    let plan = lab.install(&["--dry-run"])?;
    let all = lab.ambient(&["manifest"])?.out.lines().filter(|line| line.starts_with("kind: ")).count();
    report.row(
        "dry run shows the server's difference",
        plan.out.lines().last().unwrap_or_default(),
        format!("{all} created, as many as the manifests have"),
        plan.ok() && all > 0 && plan.out.contains(&format!("dry run: {all} created")),
    );
    report.holds("and keeps nothing", lab.kubectl(&["get", "namespace", "istio-system"]).is_err(), "");

    let first = lab.install(&[])?;
    let progress = first.err.contains("ztunnel 2/2") && first.err.contains("ambient-cni 2/2");
    report.row(
        "install shows progress",
        format!("{} lines", first.err.lines().count()),
        "each component's count",
        progress,
    );
    let seconds = first.took.as_secs_f64();
    report.figure(
        "install until all ready",
        format!("{seconds:.1} s"),
        "≤ 6 s (Istio: 9 to 17 s)",
        first.ok(),
        seconds <= 6.0,
    );
    if !first.ok() {
        return Err(first.all());
    }
    let second = lab.install(&[])?;
    report.row(
        "a second install",
        second.out.lines().next().unwrap_or_default(),
        "0 changes",
        second.ok() && second.out.contains("0 changes"),
    );
    let (well, after) = until(Duration::from_secs(20), || lab.ambient(&["status"]).is_ok_and(|s| s.ok()));
    report.holds("status says that all is well", well, format!("after {:.1} s", after.as_secs_f64()));
    Ok(())
}
