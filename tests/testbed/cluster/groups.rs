//! The control groups of a cluster: one for the cluster, and in it one for each node, which its kubelet takes as root.
//!
//! Version 1 has a tree for each controller, version 2 has one tree.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::cluster::{
    command::{self, Error, wait},
    plan::{Plan, node_name},
};

const ROOT: &str = "/sys/fs/cgroup";

/// The controllers that a kubelet asks for in version 2.
const NEEDED: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];

/// Makes the groups of a cluster and of its nodes.
pub fn make(plan: &Plan) -> Result<(), Error> {
    for tree in trees() {
        let cluster = tree.join(plan.space());
        make_group(&tree, &cluster)?;
        for node in 0..plan.options.nodes {
            make_group(&cluster, &cluster.join(node_name(node)))?;
        }
    }
    Ok(())
}

/// Removes the groups of a cluster and all below them; their processes must have ended.
pub fn remove(plan: &Plan) -> Result<(), Error> {
    for tree in trees() {
        let cluster = tree.join(plan.space());
        // A group is busy until the kernel has taken its last process apart.
        let what = format!("removal of the group {}", cluster.display());
        wait(&what, Duration::from_secs(20), Path::new(""), || {
            (remove_tree(&cluster).is_ok() || !cluster.exists()).then_some(())
        })?;
    }
    Ok(())
}

/// Returns the group of a node as its kubelet names it.
pub fn kubelet_root(plan: &Plan, node: usize) -> String {
    format!("/{}/{}", plan.space(), node_name(node))
}

/// Returns whether the machine has version 2 alone.
fn unified() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

fn trees() -> Vec<PathBuf> {
    if unified() {
        return vec![PathBuf::from(ROOT)];
    }
    // `cpu,cpuacct` is one tree with links for its parts: only real folders are trees.
    let entries = fs::read_dir(ROOT).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

fn make_group(parent: &Path, group: &Path) -> Result<(), Error> {
    command::folder(group)?;
    if unified() {
        return hand_down(parent).and_then(|()| hand_down(group));
    }
    // A new group has no processors and no memory of its own, and then no process may enter it.
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let (above, own) = (parent.join(file), group.join(file));
        if above.exists() {
            command::write(&own, read(&above)?.trim())?;
        }
    }
    Ok(())
}

/// Gives the groups in a group its controllers: without them a kubelet does not start in one.
fn hand_down(group: &Path) -> Result<(), Error> {
    let control = group.join("cgroup.subtree_control");
    for controller in read(&group.join("cgroup.controllers"))?.split_whitespace() {
        // One by one, because one that cannot be handed down here would take the others with it. A group with
        // processes of its own hands down none, which is what a container without a group of its own has as root.
        let done = command::write(&control, format!("+{controller}"));
        if NEEDED.contains(&controller) {
            done?;
        }
    }
    Ok(())
}

fn remove_tree(group: &Path) -> io::Result<()> {
    for entry in fs::read_dir(group)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), action: "read", source })
}
