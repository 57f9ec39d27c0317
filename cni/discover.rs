//! Finds the network namespaces of running pods, without asking the container runtime: where it names them by UID, or in
//! the node's `/proc`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use net::netns::{Netns, NetnsId};
use tracing::debug;

/// One scan serves all pods that ask within this time.
const FRESH: Duration = Duration::from_millis(500);

/// A scanner of the node's processes. Copies share the last scan.
#[derive(Clone, Debug)]
pub struct Discovery {
    proc_dir: PathBuf,
    netns_dir: Option<PathBuf>,
    host: NetnsId,
    last: Arc<Mutex<Option<Scan>>>,
}

type Scan = (Instant, Arc<HashMap<String, Vec<Process>>>);

/// A process of a pod outside the node's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    pid: u32,
    started: u64,
}

impl Discovery {
    /// Looks into `netns_dir`, then scans `proc_dir`; processes in the `host` namespace are nobody's.
    pub fn new(proc_dir: PathBuf, netns_dir: Option<PathBuf>, host: NetnsId) -> Self {
        Self { proc_dir, netns_dir, host, last: Arc::default() }
    }

    /// The namespace of a pod: that of its oldest process which holds one of the pod's addresses.
    ///
    /// Reads files; call it where blocking is allowed.
    pub fn find(&self, uid: &str, ips: &[IpAddr]) -> Option<Netns> {
        if let Some(named) = self.named(uid).and_then(|path| self.right(uid, &path, ips)) {
            return Some(named);
        }
        let scan = self.scan();
        scan.get(uid)?
            .iter()
            .find_map(|process| self.right(uid, &self.proc_dir.join(process.pid.to_string()).join("ns/net"), ips))
    }

    /// The path under the UID, which comes from outside and must not lead elsewhere.
    fn named(&self, uid: &str) -> Option<PathBuf> {
        let plain = !uid.is_empty() && uid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        Some(self.netns_dir.as_ref().filter(|_| plain)?.join(uid))
    }

    /// A pod may run processes elsewhere (a nested runtime), and names may be stale: the address tells.
    fn right(&self, uid: &str, path: &Path, ips: &[IpAddr]) -> Option<Netns> {
        let netns = Netns::open(path).ok()?;
        let holds = addresses(&netns);
        let right = netns.id() != self.host && holds.iter().any(|a| ips.contains(a));
        if !right {
            debug!(uid, path = %path.display(), ?holds, "not the pod's namespace");
        }
        right.then_some(netns)
    }

    fn scan(&self) -> Arc<HashMap<String, Vec<Process>>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((when, scan)) if when.elapsed() < FRESH => scan.clone(),
            _ => {
                let scan = Arc::new(scan(&self.proc_dir));
                *last = Some((Instant::now(), scan.clone()));
                scan
            }
        }
    }
}

fn scan(proc_dir: &Path) -> HashMap<String, Vec<Process>> {
    let mut found: HashMap<String, Vec<Process>> = HashMap::new();
    for entry in std::fs::read_dir(proc_dir).into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        // A process may end at any moment; then it is not there.
        let read = |file| std::fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        if let Some(uid) = read("cgroup").lines().find_map(pod_uid) {
            let started = start_time(&read("stat")).unwrap_or(u64::MAX);
            found.entry(uid).or_default().push(Process { pid, started });
        }
    }
    for processes in found.values_mut() {
        processes.sort_by_key(|p| p.started);
    }
    found
}

/// The pod's UID in a line of `/proc/PID/cgroup`: `pod` and 32 hexadecimal digits, parted by dashes
/// (cgroupfs driver), by underscores (systemd driver) or not at all (static pods).
fn pod_uid(line: &str) -> Option<String> {
    line.match_indices("pod").find_map(|(at, _)| {
        let rest = &line[at + 3..];
        let end = rest.find(|c: char| !c.is_ascii_hexdigit() && c != '-' && c != '_');
        let uid = rest[..end.unwrap_or(rest.len())].replace('_', "-");
        let dashed = uid.len() == 36 && uid.matches('-').count() == 4;
        let plain = uid.len() == 32 && !uid.contains('-');
        (dashed || plain).then_some(uid)
    })
}

/// Field 22 of `/proc/PID/stat`; the second is in brackets and may contain anything.
fn start_time(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn addresses(netns: &Netns) -> Vec<IpAddr> {
    let list = || {
        let interfaces = nix::ifaddrs::getifaddrs().ok()?;
        Some(interfaces.filter_map(|i| i.address.as_ref().and_then(ip)).collect())
    };
    netns.enter(list).ok().flatten().unwrap_or_default()
}

fn ip(address: &nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|a| IpAddr::from(a.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::from(a.ip())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_in_cgroups() {
        let uid = "0f8b1c2d-1111-2222-3333-444455556666";
        let under = uid.replace('-', "_");
        let table = [
            (format!("0::/kubepods/burstable/pod{uid}/0123abc"), Some(uid.to_owned())),
            (
                format!(
                    "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{under}.slice/cri-containerd-ab.scope"
                ),
                Some(uid.to_owned()),
            ),
            (format!("0::/../../kubepods-pod{under}.slice/crio-ab"), Some(uid.to_owned())),
            (format!("11:memory:/kubepods/pod{}/x", "a".repeat(32)), Some("a".repeat(32))),
            ("0::/system.slice/podman.service".into(), None),
            ("0::/kubepods/pod".into(), None),
            ("0::/".into(), None),
        ];
        for (line, expected) in table {
            assert_eq!(pod_uid(&line), expected, "{line}");
        }
    }

    #[test]
    fn the_oldest_process_with_the_address_wins() {
        let dir = tempfile::tempdir().expect("tmp");
        let uid = "0f8b1c2d-1111-2222-3333-444455556666";
        for (pid, started) in [(7, 90), (5, 100)] {
            let process = dir.path().join(pid.to_string());
            std::fs::create_dir_all(process.join("ns")).expect("fresh");
            std::fs::write(process.join("cgroup"), format!("0::/kubepods/pod{uid}/c")).expect("w");
            let stat = format!("{pid} (a) b) S {}{started} 0", "0 ".repeat(18));
            std::fs::write(process.join("stat"), stat).expect("w");
            std::os::unix::fs::symlink("/proc/self/ns/net", process.join("ns/net")).expect("w");
        }
        let pids: Vec<u32> = scan(dir.path())[uid].iter().map(|p| p.pid).collect();
        assert_eq!(pids, [7, 5]);
        let here = Netns::current().expect("there");
        let nobody = NetnsId { dev: 0, inode: 0 };
        let local = [IpAddr::from([127, 0, 0, 1])];
        let found = Discovery::new(dir.path().into(), None, nobody).find(uid, &local);
        assert_eq!(found.as_ref().map(Netns::id), Some(here.id()));
        let foreign = [IpAddr::from([192, 0, 2, 1])];
        assert!(Discovery::new(dir.path().into(), None, nobody).find(uid, &foreign).is_none());
        assert!(Discovery::new(dir.path().into(), None, here.id()).find(uid, &local).is_none());
    }

    #[test]
    fn a_runtime_may_name_namespaces_by_uid() {
        let (proc, names) = (tempfile::tempdir().expect("tmp"), tempfile::tempdir().expect("tmp"));
        std::os::unix::fs::symlink("/proc/self/ns/net", names.path().join("uid-1")).expect("w");
        let here = Netns::current().expect("there");
        let nobody = NetnsId { dev: 0, inode: 0 };
        let discovery = Discovery::new(proc.path().into(), Some(names.path().into()), nobody);
        let local = [IpAddr::from([127, 0, 0, 1])];
        assert_eq!(discovery.find("uid-1", &local).as_ref().map(Netns::id), Some(here.id()));
        for uid in ["uid-2", "../uid-1", ""] {
            assert!(discovery.find(uid, &local).is_none(), "{uid}");
        }
    }
}
