//! Leaving: the cluster and the nodes are as before.

use std::{collections::BTreeSet, path::PathBuf, thread, time::Duration};

use super::scene::{CLIENT, SHOP, pod};
use crate::accept::{Lab, Report};

/// Kinds whose objects come and go by themselves.
const RESTLESS: [&str; 8] = [
    "events",
    "leases",
    "endpointslices",
    "endpoints",
    "pods",
    "replicasets",
    "componentstatuses",
    "controllerrevisions",
];

fn file(lab: &Lab) -> PathBuf {
    lab.cluster.state().join("before-install.txt")
}

/// Writes down how everything is before the mesh comes.
pub fn remember(lab: &Lab) -> Result<(), String> {
    let lines: Vec<String> = state(lab)?.into_iter().collect();
    std::fs::write(file(lab), lines.join("\n")).map_err(|e| e.to_string())
}

/// Objects of the cluster; of each node the network configuration, plugins, sockets, rules and routes, of its own and of each
/// pod's namespace.
fn state(lab: &Lab) -> Result<BTreeSet<String>, String> {
    let mut all = BTreeSet::new();
    let kinds = lab.kubectl(&["api-resources", "--verbs=list", "-o", "name"])?;
    for kind in kinds.lines().filter(|kind| !RESTLESS.contains(&kind.split('.').next().unwrap_or_default())) {
        // A kind may go away while they are listed.
        let names = lab
            .kubectl(&[
                "get",
                kind,
                "-A",
                "--ignore-not-found",
                "-o",
                r"jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {.metadata.labels}{'\n'}{end}",
            ])
            .unwrap_or_default();
        all.extend(names.lines().filter(|l| !l.is_empty()).map(|line| format!("object {kind} {line}")));
    }
    let annotations = lab.kubectl(&["get", "pods", "-A", "-o", r"jsonpath={range .items[*]}{.metadata.namespace} {.metadata.annotations.ambient\.istio\.io/redirection}{'\n'}{end}"])?;
    all.extend(annotations.lines().filter(|l| l.contains("enabled")).map(|l| format!("annotation {l}")));
    let script = r#"
for d in /etc/cni/net.d /opt/cni/bin /var/run/ztunnel /var/run/ambient-cni /run/ztunnel /run/ambient-cni; do
  [ -e $d ] && find $d -type f -exec sha256sum {} + -o -type s -print 2>/dev/null | sed 's/^/file /'; done
nft list tables | grep -i -e ambient -e istio | sed 's/^/host table /'
ip rule | grep -v -e 'lookup local' -e 'lookup main' -e 'lookup default' | sed 's/^/host rule /'
for n in /run/netns/*; do
  nsenter --net=$n nft list ruleset 2>/dev/null | grep -i -e '^table' | sed "s/^/pod /"
  nsenter --net=$n ip rule 2>/dev/null | grep -e 'lookup 100' | sed "s/^/pod rule /"
  nsenter --net=$n ip route show table 100 2>/dev/null | sed "s/^/pod route /"
  nsenter --net=$n ss -Hltn 2>/dev/null | grep -e ':15001' -e ':15006' -e ':15008' | sed "s/^/pod listener /"
done
true"#;
    for node in lab.cluster.nodes() {
        let found = lab.on_node(node, script)?;
        all.extend(
            found
                .out
                .lines()
                .map(|line| format!("{} {}", node.name, line.split_whitespace().collect::<Vec<_>>().join(" "))),
        );
    }
    Ok(all)
}

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    // As an operator would who forgot to take the namespace out first.
    let added = lab.ambient(&["namespace", "add", SHOP])?;
    if !added.ok() {
        return Err(added.all());
    }
    let gone = lab.ambient(&["uninstall", "-y", "--purge"])?;
    report.row(
        "uninstall",
        gone.out.lines().last().unwrap_or_default(),
        "0 pods captured",
        gone.ok() && gone.out.contains("0 pods captured"),
    );
    thread::sleep(Duration::from_secs(2));
    let before =
        std::fs::read_to_string(file(lab)).map_err(|e| format!("the section `install` must run first: {e}"))?;
    let before: BTreeSet<String> = before.lines().map(ToOwned::to_owned).collect();
    let after = state(lab)?;
    let more: Vec<&String> = after.difference(&before).collect();
    let less: Vec<&String> = before.difference(&after).collect();
    report.row("what is there that was not before", format!("{more:?}"), "nothing", more.is_empty());
    report.row("what was there and is gone", format!("{less:?}"), "nothing", less.is_empty());
    let client = pod(lab, CLIENT)?;
    for to in ["near:7000", "far:7000"] {
        let works = lab.exec(SHOP, &client, &["echo", "tcp", to])?.ok();
        report.holds(format!("applications still reach each other: {to}"), works, "");
    }
    let again = lab.ambient(&["uninstall", "-y"])?;
    report.row(
        "a second uninstall",
        again.out.lines().last().unwrap_or_default(),
        "nothing to uninstall",
        again.ok() && again.out.contains("nothing to uninstall"),
    );
    Ok(())
}
