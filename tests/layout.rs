//! Which crate may import which: arrows point down, and a role never imports a role.

use std::collections::{BTreeMap, BTreeSet};

/// Every crate with all of ours that it may import.
const ALLOWED: [(&str, &[&str]); 15] = [
    ("model", &[]),
    ("net", &["model"]),
    ("runtime", &["model"]),
    ("source", &["model"]),
    ("xds", &["model", "runtime"]),
    ("identity", &["model", "runtime"]),
    ("hbone", &["identity", "model", "net", "runtime"]),
    ("agent", &["identity", "model", "runtime", "source", "xds"]),
    ("ztunnel", &["hbone", "identity", "model", "net", "runtime", "xds"]),
    ("waypoint", &["hbone", "identity", "model", "net", "runtime", "xds"]),
    ("cni", &["model", "net", "runtime", "source"]),
    // It starts the roles as processes, and imports none.
    ("sandbox", &["net", "runtime", "source"]),
    ("ambient", &["agent", "cni", "identity", "model", "net", "runtime", "sandbox", "source", "waypoint", "ztunnel"]),
    ("testbed", &[]),
    // A tool on top of all: acceptances speak to the control plane as a hostile client would, benchmarks through tunnels.
    ("xtask", &["hbone", "identity", "model", "runtime", "testbed", "xds"]),
];

#[test]
fn crates_import_only_what_lies_below_them() {
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec().expect("cargo describes the workspace");
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let may = allowed.get(name).unwrap_or_else(|| panic!("crate {name} has no place in the layout"));
        let normal = package.dependencies.iter().filter(|d| d.kind == cargo_metadata::DependencyKind::Normal);
        wrong.extend(
            normal
                .filter(|d| ours.contains(&*d.name) && !may.contains(&&*d.name))
                .map(|d| format!("{name} -> {}", d.name)),
        );
    }
    assert!(wrong.is_empty(), "not allowed: {wrong:?}");
}
