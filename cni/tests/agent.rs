//! The node agent as a whole: real namespaces and rules, a stand-in ztunnel on its socket, the plugin's
//! own code, and a folder as the API. Needs root.
#![allow(clippy::unwrap_used)] // a failed step is the test's result

mod api;

use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::Objects;
use cni::Config;
use net::links::{self, Prefix};
use net::netns::Netns;
use net::redirect;
use net::rules::{self, Mode};
use net::zds::{Connection, Request};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const CONFLIST: &str =
    "{\n  \"cniVersion\": \"1.0.0\",\n  \"name\": \"k\",\n  \"plugins\": [ {\"type\": \"ptp\"} ]\n}\n";
const CAPTURE: Mode = Mode::Capture { inbound: true };

/// A node: its directories, its namespace, one pod.
struct Node {
    dir: tempfile::TempDir,
    host: Netns,
    pod: Netns,
    api: Objects,
    uid: String,
    heard: Arc<Mutex<Vec<String>>>,
}

struct Running {
    stop: oneshot::Sender<()>,
    agent: JoinHandle<()>,
}

fn fresh_netns(address: [u8; 4]) -> Netns {
    let netns = Netns::create().expect("this test makes network namespaces: run it as root");
    let set_up = || {
        links::set_loopback_up()?;
        links::add_address("lo", Prefix::host(address))
    };
    netns.enter(set_up).unwrap().unwrap();
    netns
}

fn ruleset(netns: &Netns) -> String {
    let list = || std::process::Command::new("nft").args(["list", "ruleset"]).output().unwrap().stdout;
    String::from_utf8(netns.run(list).unwrap()).unwrap()
}

impl Node {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for sub in ["net.d", "bin", "run", "proc"] {
            std::fs::create_dir(dir.path().join(sub)).unwrap();
        }
        std::fs::write(dir.path().join("net.d/10-k.conflist"), CONFLIST).unwrap();
        let api = Objects::new().await;
        for namespace in ["kube-system", "shop"] {
            api.namespace(namespace, json!({})).await;
        }
        let uid = api.pod().await;
        let (host, pod) = (fresh_netns([10, 2, 0, 1]), fresh_netns([10, 2, 0, 7]));
        Self { dir, host, pod, api, uid, heard: Arc::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config(&self) -> Config {
        let mut config = Config::from_env(|n| (n == "NODE_NAME").then(|| "n1".into())).unwrap();
        (config.net_dir, config.bin_dir) = (self.path("net.d"), self.path("bin"));
        (config.run_dir, config.proc_dir) = (self.path("run"), self.path("proc"));
        config.zds_socket = self.path("ztunnel.sock");
        config.port = 0;
        config.verify_every = Duration::from_millis(200);
        config.settle = Duration::from_millis(100);
        config
    }

    /// Makes the pod visible as a running process.
    async fn run_pod(&self) {
        let process = self.path("proc/77");
        std::fs::create_dir_all(process.join("ns")).unwrap();
        std::fs::write(process.join("cgroup"), format!("0::/kubepods/pod{}/c", self.uid)).unwrap();
        let ns = format!("/proc/{}/fd/{}", std::process::id(), self.pod.as_fd().as_raw_fd());
        std::os::unix::fs::symlink(ns, process.join("ns/net")).unwrap();
        self.api.address("10.2.0.7").await;
    }

    fn start(&self) -> Running {
        let (stop, stopped) = oneshot::channel();
        let (config, client, host) = (self.config(), self.api.client(), self.host.clone());
        // All threads of the agent live in the node's namespace, as with hostNetwork.
        let agent = tokio::task::spawn_blocking(move || {
            let run = || {
                let runtime =
                    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
                let stop = async {
                    let _ = stopped.await;
                    Ok(())
                };
                runtime.block_on(cni::run_with(config, client, stop)).unwrap();
            };
            host.run(run).unwrap();
        });
        Running { stop, agent }
    }

    /// A ztunnel that accepts everything and writes down what it hears.
    fn ztunnel(&self) -> JoinHandle<()> {
        let (path, heard) = (self.path("ztunnel.sock"), self.heard.clone());
        tokio::spawn(async move {
            loop {
                let Ok(c) = Connection::connect(&path).await else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                };
                c.send_hello().await.unwrap();
                while let Ok(request) = c.next_request().await {
                    let text = match request {
                        Request::Add { info, netns, .. } => {
                            format!("add {}/{} {}", info.namespace, info.name, netns.id().inode)
                        }
                        Request::Keep { uid } => format!("keep {uid}"),
                        Request::Del { .. } => "del".into(),
                        Request::SnapshotSent => "snapshot".into(),
                    };
                    heard.lock().unwrap().push(text);
                    if c.send_ack(None).await.is_err() {
                        break;
                    }
                }
            }
        })
    }

    fn added(&self) -> String {
        format!("add shop/a {}", self.pod.id().inode)
    }

    async fn cni(&self, command: &str) -> (serde_json::Value, i32) {
        let list = std::fs::read_to_string(self.path("net.d/10-k.conflist")).unwrap();
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        let mut input = list["plugins"].as_array().unwrap().last().unwrap().clone();
        input["cniVersion"] = "1.0.0".into();
        input["name"] = "k".into();
        input["prevResult"] = json!({"cniVersion": "1.0.0", "ips": [{"address": "10.2.0.7/24"}], "x": [1]});
        let netns = format!("/proc/{}/fd/{}", std::process::id(), self.pod.as_fd().as_raw_fd());
        let (command, uid) = (command.to_owned(), self.uid.clone());
        let run = move || {
            let var = |name: &str| match name {
                "CNI_COMMAND" => Some(command.clone()),
                "CNI_NETNS" => Some(netns.clone()),
                "CNI_ARGS" => Some(format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=a;K8S_POD_UID={uid}")),
                _ => None,
            };
            cni::plugin(&var, &input.to_string())
        };
        let (text, code) = tokio::task::spawn_blocking(run).await.unwrap();
        (serde_json::from_str(&text).unwrap_or(serde_json::Value::Null), code)
    }

    fn intact(&self, mode: Mode) -> bool {
        let table = rules::pod_table(mode);
        self.pod.run(|| net::nft::is_intact(&table)).unwrap().unwrap()
    }
}

async fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    eventually_so(what, async || check()).await;
}

async fn eventually_so(what: &str, mut check: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if check().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never happened: {what}");
}

fn installed(dir: &Path) -> bool {
    let list = std::fs::read_to_string(dir.join("net.d/10-k.conflist")).unwrap();
    list.contains("ambient-cni") && dir.join("bin/ambient-cni").exists()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_pod_is_enrolled_repaired_and_unenrolled() {
    let node = Node::new().await;
    node.run_pod().await;
    let agent = node.start();
    eventually("installed", || installed(node.dir.path())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(ruleset(&node.pod), "");

    // Labelled without a ztunnel: pending, and not cut off.
    node.api.namespace("shop", json!({"istio.io/dataplane-mode": "ambient"})).await;
    let annotated = async |v: Option<&str>| node.api.redirection().await.as_deref() == v;
    eventually_so("pending", async || annotated(Some("pending")).await).await;
    assert_eq!(ruleset(&node.pod), "");
    let ztunnel = node.ztunnel();
    eventually_so("enabled", async || annotated(Some("enabled")).await).await;
    assert!(node.heard.lock().unwrap().contains(&node.added()));
    assert!(node.intact(CAPTURE));
    assert!(ruleset(&node.host).contains("10.2.0.7"));

    // Whatever is lost comes back.
    let flush = || std::process::Command::new("nft").args(["flush", "ruleset"]).status().unwrap();
    node.pod.run(flush).unwrap();
    eventually("rules restored", || node.intact(CAPTURE)).await;
    node.host.run(flush).unwrap();
    eventually("node's rules restored", || ruleset(&node.host).contains("10.2.0.7")).await;
    std::fs::write(node.path("net.d/10-k.conflist"), CONFLIST).unwrap();
    eventually("plugin restored", || installed(node.dir.path())).await;

    // A ztunnel that comes anew is told everything.
    node.heard.lock().unwrap().clear();
    ztunnel.abort();
    let _ztunnel = node.ztunnel();
    let snapshot = [node.added(), "snapshot".into()];
    eventually("snapshot", || *node.heard.lock().unwrap() == snapshot).await;

    node.api.namespace("shop", json!({})).await;
    eventually_so("un-enrolled", async || annotated(None).await).await;
    eventually("no rules", || ruleset(&node.pod).is_empty()).await;
    assert_eq!(node.heard.lock().unwrap().last().map(String::as_str), Some("del"));
    eventually("set empty", || !ruleset(&node.host).contains("10.2.0.7")).await;

    agent.stop.send(()).unwrap();
    agent.agent.await.unwrap();
    assert!(installed(node.dir.path()), "a restart leaves the plugin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_pod_waits_for_its_rules_and_an_uninstallation_leaves_nothing() {
    let node = Node::new().await;
    node.api.namespace("shop", json!({"istio.io/dataplane-mode": "ambient"})).await;
    // The pod is known, without an address; no process runs yet.
    let agent = node.start();
    eventually("installed", || installed(node.dir.path())).await;
    assert_eq!(node.cni("STATUS").await.1, 0);

    // Without a ztunnel the pod must not start.
    let (error, code) = node.cni("ADD").await;
    assert_eq!((code, &error["code"]), (1, &json!(11)), "{error}");
    assert!(error["msg"].as_str().unwrap().contains("no ztunnel is connected"), "{error}");
    let _ztunnel = node.ztunnel();
    eventually("ztunnel", || !node.heard.lock().unwrap().is_empty()).await;
    let (result, code) = node.cni("ADD").await;
    assert_eq!(code, 0, "{result}");
    assert_eq!(result["x"], json!([1]), "prevResult is handed on");
    assert!(node.intact(CAPTURE));
    assert!(node.heard.lock().unwrap().contains(&node.added()));
    assert!(ruleset(&node.host).contains("10.2.0.7"));
    let enabled = async || node.api.redirection().await.as_deref() == Some("enabled");
    eventually_so("annotated", enabled).await;

    // The agent is away for a moment: the rules stay, a pod of the mesh waits, and one of a plain
    // namespace starts.
    agent.stop.send(()).unwrap();
    agent.agent.await.unwrap();
    assert!(node.intact(CAPTURE));
    let (error, code) = node.cni("ADD").await;
    assert_eq!((code, &error["code"]), (1, &json!(11)), "{error}");
    let record = std::fs::read_to_string(node.path("run/namespaces.json")).unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&record).unwrap(),
        json!({"namespaces": {"istio-system": false, "kube-system": false, "shop": true}})
    );

    // The successor takes over without a gap; then the DaemonSet goes.
    node.run_pod().await;
    node.heard.lock().unwrap().clear();
    let agent = node.start();
    let taken_over = [node.added(), "snapshot".into()];
    eventually("taken over", || node.heard.lock().unwrap().starts_with(&taken_over)).await;
    eventually_so("annotated", enabled).await;
    node.api.delete_daemon_set().await;
    agent.stop.send(()).unwrap();
    agent.agent.await.unwrap();
    assert_eq!(ruleset(&node.pod), "");
    assert_eq!(ruleset(&node.host), "");
    assert!(!node.pod.run(|| redirect::is_present(&node.pod)).unwrap().unwrap());
    assert_eq!(node.api.redirection().await, None);
    let list = std::fs::read_to_string(node.path("net.d/10-k.conflist")).unwrap();
    assert_eq!(list, CONFLIST);
    for dir in ["bin", "run"] {
        assert_eq!(std::fs::read_dir(node.path(dir)).unwrap().count(), 0, "{dir}");
    }
    assert!(!node.path("ztunnel.sock").exists());
}

#[tokio::test]
async fn the_plugin_speaks_the_specification() {
    let run = |command: &str, input: &str| {
        let command = command.to_owned();
        let (text, code) = cni::plugin(&|n| (n == "CNI_COMMAND").then(|| command.clone()), input);
        (serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default(), code)
    };
    let (version, code) = run("VERSION", r#"{"cniVersion":"1.0.0"}"#);
    assert_eq!((version["cniVersion"].as_str(), code), (Some("1.0.0"), 0));
    assert!(version["supportedVersions"].as_array().unwrap().contains(&json!("1.1.0")));
    let entry = r#""type":"ambient-cni","agent_socket":"/x","record":"/y","exclude_namespaces":[]"#;
    let table = [
        ("", "{}", 4),
        ("ADD", "{", 6),
        ("ADD", r#"{"cniVersion":"9.0.0"}"#, 1),
        ("ADD", r#"{"cniVersion":"1.0.0"}"#, 7),
        ("ADD", &format!("{{{entry}}}"), 7),
        ("ADD", &format!("{{{entry},\"prevResult\":{{}}}}"), 4),
        ("NONSENSE", &format!("{{{entry}}}"), 4),
    ];
    for (command, input, expected) in table {
        let (error, code) = run(command, input);
        assert_eq!((error["code"].as_u64(), code), (Some(expected), 1), "{command} {input}: {error}");
    }
    for command in ["DEL", "CHECK", "GC"] {
        assert_eq!(run(command, &format!("{{{entry}}}")).1, 0);
    }
}
