//! What a host has that a cluster might leave behind, to compare before and after.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    cache::cache_dir,
    cluster::{command, node},
};

/// Settings of the whole machine that programs of Kubernetes are known to change.
const SETTINGS: [&str; 9] = [
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/netfilter/nf_conntrack_max",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// The state of a host: processes, mounts, network namespaces, control groups, links, routes, rules and settings.
///
/// Of processes it has those that live in other namespaces than the caller, or that run a program of the cache. What
/// goes on inside of a cluster does not show: of a PID namespace only the first process is listed, whose end is the
/// end of all in it, and of a group named `ambient-...` only the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot(BTreeSet<String>);

impl Snapshot {
    /// Takes the state of this host.
    pub fn take() -> Self {
        let mut found = BTreeSet::new();
        processes(&mut found);
        found.extend(lines("/proc/self/mountinfo").iter().map(|line| format!("mount {}", mount(line))));
        for link in entries(Path::new("/sys/class/net")) {
            found.insert(format!("link {}", link.display()));
        }
        for route in ["-4", "-6"]
            .map(|family| command::run("ip", &[family, "route", "show", "table", "all"]).unwrap_or_default())
        {
            found.extend(
                route.lines().map(|line| format!("route {}", line.split(" expires ").next().unwrap_or(line).trim())),
            );
        }
        let rules = command::run("nft", &["list", "ruleset"]).unwrap_or_default();
        found.extend(rules.lines().filter(|line| line.starts_with("table ")).map(|line| format!("rules {line}")));
        groups(Path::new("/sys/fs/cgroup"), &mut found);
        for setting in SETTINGS {
            found.insert(format!("setting {setting} = {}", lines(&format!("/proc/sys/{setting}")).join(" ")));
        }
        let folders =
            node::MOUNTED.iter().flat_map(|folder| Path::new(folder).ancestors()).filter(|folder| folder.exists());
        found.extend(folders.map(|folder| format!("folder {}", folder.display())));
        Self(found)
    }

    /// Returns what a later state has that this one has not.
    pub fn added(&self, later: &Self) -> Vec<String> {
        later.0.difference(&self.0).cloned().collect()
    }

    /// Returns what is there now that was not there then, after a time for what is about to go.
    ///
    /// The kernel takes namespaces and groups apart after the last process has ended, and other programs of the
    /// machine come and go.
    pub fn left_after(&self, limit: Duration) -> Vec<String> {
        let mut left = Vec::new();
        let _all_gone = command::wait_until(limit, || {
            left = self.added(&Self::take());
            left.is_empty().then_some(())
        });
        left
    }
}

fn processes(found: &mut BTreeSet<String>) {
    let own = namespaces(Path::new("/proc/self"));
    let cache = cache_dir();
    for process in entries(Path::new("/proc")) {
        let Some(pid) = process.file_name().and_then(|name| name.to_str()).filter(|name| name.parse::<u32>().is_ok())
        else {
            continue;
        };
        let of_cache = fs::read_link(process.join("exe")).is_ok_and(|program| program.starts_with(&cache));
        let theirs = namespaces(&process);
        // A process without readable namespaces is a thread of the kernel or has just ended.
        let apart = !theirs.is_empty() && theirs != own;
        let within = lines(&format!("/proc/{pid}/status"));
        let numbers = within.iter().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default().split_whitespace();
        let shown = matches!(numbers.collect::<Vec<_>>()[..], [_] | [_, "1"]);
        if shown && (of_cache || apart) {
            let name = lines(&format!("/proc/{pid}/comm")).join(" ");
            found.insert(format!("process {pid} {name}"));
            found.extend(
                theirs.iter().filter(|space| space.starts_with("net:")).map(|space| format!("namespace {space}")),
            );
        }
    }
}

fn namespaces(process: &Path) -> Vec<String> {
    let link = |name| Some(fs::read_link(process.join("ns").join(name)).ok()?.to_string_lossy().into_owned());
    ["mnt", "net", "pid"].into_iter().filter_map(link).collect()
}

/// Returns the number of a mount, its place and its kind (proc(5), mountinfo): a mount that comes back has a new number.
fn mount(line: &str) -> String {
    let fields: Vec<&str> = line.split(' ').collect();
    let kind = fields.iter().skip_while(|field| **field != "-").nth(1).copied().unwrap_or_default();
    format!("{} {} {kind}", fields.first().copied().unwrap_or_default(), fields.get(4).copied().unwrap_or_default())
}

fn groups(folder: &Path, found: &mut BTreeSet<String>) {
    for group in entries(folder).into_iter().filter(|path| path.is_dir() && !path.is_symlink()) {
        found.insert(format!("group {}", group.display()));
        if !group.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ambient-")) {
            groups(&group, found);
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn lines(file: &str) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_what_was_left() {
        let state = |items: &[&str]| Snapshot(items.iter().map(|item| (*item).to_owned()).collect());
        let (before, after) = (state(&["link lo", "link eth0"]), state(&["link lo", "link ambient0"]));
        assert_eq!(before.added(&after), ["link ambient0"]);
        assert!(Snapshot::take().0.contains("link /sys/class/net/lo"));
    }

    #[test]
    fn a_mount_is_told_by_number_place_and_kind() {
        let line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        assert_eq!(mount(line), "36 /mnt2 ext3");
    }
}
