//! What a machine has that a sandbox might leave behind, or change: compared before and after.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::lab::{pause, processes};
use crate::accept::{lab::ended, stage};

/// Where files are looked for: everywhere that a sandbox may write.
const FOLDERS: [&str; 4] = ["/run", "/tmp", "/dev/shm", "/var/lib"];
/// Settings of the machine that a network changes.
const SETTINGS: [&str; 8] = [
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/default/rp_filter",
    "net/ipv6/conf/all/forwarding",
    "net/netfilter/nf_conntrack_max",
    "kernel/hostname",
    "user/max_user_namespaces",
    "fs/inotify/max_user_instances",
];

/// The state of this machine, a line for each thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traces(BTreeSet<String>);

impl Traces {
    /// Takes all of it.
    pub fn take() -> Self {
        let mut found = Self::network().0;
        let own = std::process::id().cast_signed();
        for process in processes().into_iter().filter(|p| p.pid != own) {
            found.insert(format!("process {} {}", process.pid, process.line));
        }
        for kind in ["net", "mnt", "pid", "user", "uts", "ipc"] {
            // Of every process, zombies too: a namespace lives as long as anybody is in it.
            let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
            let spaces = entries.filter_map(|e| fs::read_link(e.path().join("ns").join(kind)).ok());
            found.extend(spaces.map(|space| format!("namespace {}", space.display())));
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        found.extend(
            mounts.lines().map(|line| format!("mount {}", line.split(' ').skip(2).collect::<Vec<_>>().join(" "))),
        );
        for folder in FOLDERS {
            files(Path::new(folder), &mut found);
        }
        let sockets = fs::read_to_string("/proc/net/unix").unwrap_or_default();
        found.extend(sockets.lines().filter_map(|l| Some(format!("socket {}", l.split_once('@')?.1))));
        Self(found)
    }

    /// Takes what the machine's network is.
    pub fn network() -> Self {
        let mut found = BTreeSet::new();
        for (what, program, arguments) in [
            ("address", "ip", &["-o", "address", "show"][..]),
            ("link", "ip", &["-o", "link", "show"]),
            ("route", "ip", &["-4", "route", "show", "table", "all"]),
            ("route", "ip", &["-6", "route", "show", "table", "all"]),
            ("routing rule", "ip", &["rule", "show"]),
            ("rule", "nft", &["list", "ruleset"]),
        ] {
            let text = ended(std::process::Command::new(program).args(arguments)).map(|e| e.out).unwrap_or_default();
            found.extend(text.lines().map(|line| format!("{what} {}", line.trim())));
        }
        for setting in SETTINGS {
            let value = fs::read_to_string(Path::new("/proc/sys").join(setting)).unwrap_or_default();
            found.insert(format!("setting {setting} = {}", value.trim()));
        }
        Self(found)
    }

    /// Says what is there now and was not, and what was and is no longer.
    pub fn changes(&self, later: &Self) -> Vec<String> {
        let more = later.0.difference(&self.0).map(|line| format!("+ {line}"));
        let less = self.0.difference(&later.0).map(|line| format!("- {line}"));
        more.chain(less).collect()
    }

    /// Says what has changed, after a time for what is about to go: the kernel takes namespaces apart on its own time.
    pub fn left_after(&self, limit: Duration) -> Vec<String> {
        let mut left = Vec::new();
        for _ in 0..=limit.as_millis() / 20 {
            left = self.changes(&Self::take());
            if left.is_empty() {
                break;
            }
            pause(20);
        }
        left
    }
}

fn files(folder: &Path, found: &mut BTreeSet<String>) {
    let entries: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    for path in entries.into_iter().filter(|path| path != Path::new(stage::OWN)) {
        found.insert(format!("file {}", path.display()));
        if path.is_dir() && !path.is_symlink() {
            files(&path, found);
        }
    }
}
