//! The pods that run now, for those who ask about them: forwarding, `exec`, `top`.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use net::netns::Netns;
use serde_json::{Value, json};

use crate::runner::Processes;

/// How long the use of processors is watched.
const SAMPLE: Duration = Duration::from_millis(500);

/// A pod that runs.
#[derive(Clone)]
pub struct Entry {
    /// Its network namespace.
    pub netns: Netns,
    /// The first process of its other namespaces, if it has its own.
    pub first: Option<u32>,
    /// The variables of its first container.
    pub env: BTreeMap<String, String>,
    /// The process groups of its programs, if they run beside the supervisor.
    pub processes: Processes,
}

/// All pods that run, by namespace and name.
#[derive(Default)]
pub struct Live(Mutex<BTreeMap<(String, String), Entry>>);

/// What a pod uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    /// Processor time since its start, ticks.
    ticks: u64,
    /// Memory, KiB: what it shares with others is shared out.
    memory: u64,
}

impl Live {
    /// Takes in a pod that runs.
    pub fn insert(&self, namespace: &str, name: &str, entry: Entry) {
        self.lock().insert((namespace.to_owned(), name.to_owned()), entry);
    }

    /// Forgets a pod.
    pub fn remove(&self, namespace: &str, name: &str) {
        self.lock().remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// Returns a pod.
    #[must_use]
    pub fn find(&self, namespace: &str, name: &str) -> Option<Entry> {
        self.lock().get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// Measures what each pod uses, as the API `metrics.k8s.io` tells it.
    pub async fn metrics(&self) -> Value {
        let before = self.usage();
        tokio::time::sleep(SAMPLE).await;
        let after = self.usage();
        // `sysconf(_SC_CLK_TCK)` is 100 on every Linux that this runs on (proc_pid_stat(5)).
        let nanocores = |ticks: u64| ticks * 10_000_000 * 1000 / u64::try_from(SAMPLE.as_millis()).unwrap_or(1);
        let items = after.iter().map(|(key, now)| {
            let ticks = before.get(key).map_or(0, |then| now.ticks.saturating_sub(then.ticks));
            json!({
                "metadata": { "namespace": key.0, "name": key.1 },
                "window": "500ms",
                "containers": [{ "name": "all", "usage": {
                    "cpu": format!("{}n", nanocores(ticks)),
                    "memory": format!("{}Ki", now.memory),
                }}],
            })
        });
        json!({
            "kind": "PodMetricsList",
            "apiVersion": "metrics.k8s.io/v1beta1",
            "metadata": {},
            "items": items.collect::<Vec<_>>(),
        })
    }

    /// Returns the memory of the supervisor itself, KiB.
    #[must_use]
    pub fn own_memory() -> u64 {
        memory("self")
    }

    fn usage(&self) -> BTreeMap<(String, String), Usage> {
        let pods = self.lock().clone();
        let mut by_namespace: BTreeMap<String, &(String, String)> = BTreeMap::new();
        let mut by_group: BTreeMap<i32, &(String, String)> = BTreeMap::new();
        for (key, entry) in &pods {
            if let Some(space) = entry.first.and_then(|pid| pid_namespace(&pid.to_string())) {
                by_namespace.insert(space, key);
            }
            let groups = entry.processes.lock().unwrap_or_else(PoisonError::into_inner);
            by_group.extend(groups.values().map(|group| (*group, key)));
        }
        let mut out: BTreeMap<(String, String), Usage> =
            pods.keys().map(|key| (key.clone(), Usage::default())).collect();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().filter(|n| n.bytes().all(|b| b.is_ascii_digit())) else { continue };
            let Some((group, ticks)) = stat(pid) else { continue };
            let key = by_group.get(&group).or_else(|| by_namespace.get(&pid_namespace(pid)?));
            if let Some(usage) = key.and_then(|key| out.get_mut(*key)) {
                usage.ticks += ticks;
                usage.memory += memory(pid);
            }
        }
        out
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pid_namespace(pid: &str) -> Option<String> {
    Some(fs::read_link(format!("/proc/{pid}/ns/pid")).ok()?.to_string_lossy().into_owned())
}

/// The process group, and the processor time of a process and of its children that ended: fields 5 and 14 to 17 of
/// proc_pid_stat(5).
fn stat(pid: &str) -> Option<(i32, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |n: usize| fields.get(n).and_then(|f| f.parse::<u64>().ok());
    Some((fields.get(2)?.parse().ok()?, number(11)? + number(12)? + number(13)? + number(14)?))
}

/// The proportional share of a process's memory, KiB: pages of the one binary are counted once in all.
fn memory(pid: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("Pss:"));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
