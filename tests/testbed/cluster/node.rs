//! A node: its own network, mount and PID namespace with containerd, the kubelet and kube-proxy in it.

use std::{
    fs::{self, File},
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};
use serde_json::json;

use crate::cluster::{
    command::{self, Error, wait},
    components::{CNI_PLUGINS, Components, PAUSE_IMAGE},
    groups, network,
    pki::Pki,
    plan::{Plan, joined, node_name},
    process::{self, Records},
};

/// Folders of a node that replace those of the machine, see node.sh.
pub const MOUNTED: [&str; 6] =
    ["/etc/cni/net.d", "/opt/cni/bin", "/var/lib/cni", "/var/lib/kubelet", "/var/log/pods", "/var/log/containers"];

/// A node, as its host sees it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Node {
    /// Its name in the cluster.
    pub name: String,
    /// Its first address.
    pub ip: IpAddr,
    /// All its addresses.
    pub ips: Vec<IpAddr>,
    /// The file of its network namespace.
    pub netns: PathBuf,
    /// The process that is the first one in its PID namespace.
    pub init: u32,
    /// Its `/etc/cni/net.d`.
    pub cni_config: PathBuf,
    /// Its `/opt/cni/bin`.
    pub cni_bin: PathBuf,
    /// The logs of its containerd, kubelet and kube-proxy.
    pub logs: PathBuf,
}

impl Node {
    /// Returns a node whose init process is known.
    pub fn of(plan: &Plan, state: &Path, node: usize, init: u32) -> Option<Self> {
        let (folder, ips) = (folder(state, node), plan.node(node));
        Some(Self {
            name: node_name(node),
            ip: *ips.first()?,
            ips,
            netns: network::namespace(&plan.node_space(node)),
            init,
            cni_config: folder.join("cni"),
            cni_bin: folder.join("cni-bin"),
            logs: folder.join("log"),
        })
    }

    /// Returns a command that runs in the network, mount and PID namespace of the node.
    pub fn command(&self, program: &[impl AsRef<std::ffi::OsStr>]) -> Command {
        let mut command =
            command::command("nsenter", &["--target", &self.init.to_string(), "--mount", "--net", "--pid", "--"]);
        command.args(program);
        command
    }

    /// Imports an image file.
    pub fn load(&self, image: &Path) -> Result<(), Error> {
        // Through a pipe: the file may be in a folder that the node sees another one in place of.
        let file =
            File::open(image).map_err(|source| Error::File { path: image.to_owned(), action: "read", source })?;
        let mut import = self.command(&["ctr", "--namespace", "k8s.io", "images", "import", "-"]);
        command::finish_from(&mut import, file, Duration::from_secs(300)).map(drop)
    }

    /// Runs a program in the node to its end.
    pub fn output(&self, program: &[&str]) -> Result<Output, Error> {
        command::output(&mut self.command(program), &[], Duration::from_secs(300))
    }
}

/// What it takes to start nodes.
pub struct Starter<'a> {
    /// The names and addresses.
    pub plan: &'a Plan,
    /// The certificates.
    pub pki: &'a Pki,
    /// The records of processes.
    pub records: &'a Records,
    /// The programs and images.
    pub components: &'a Components,
    /// The folder of the cluster's state.
    pub state: &'a Path,
}

impl Starter<'_> {
    /// Starts a node as far as it can be without the API server.
    pub fn start(&self, node: usize) -> Result<Node, Error> {
        let folder = folder(self.state, node);
        self.prepare(node, &folder)?;
        let (name, path) = (node_name(node), |path: &Path| path.display().to_string());
        let script = folder.join("node.sh");
        command::write(&script, include_str!("node.sh"))?;
        let space = format!("--net={}", path(&network::namespace(&self.plan.node_space(node))));
        let settings = [
            format!("NODE={}", path(&folder)),
            format!("NAME={name}"),
            format!("ADDRESSES={}", joined(&self.plan.node(node))),
            format!("PODS={}", joined(&self.plan.pods())),
            format!("PROGRAMS={}", path(&self.components.kubernetes)),
            format!("PROXY={}", self.pki.file("proxy.conf")),
        ];
        let script = path(&script);
        // A CNI agent finds the network of its node through /proc/1/ns/net: hence the PID namespace, whose first
        // process takes all others of the node with it when it ends.
        let mut words =
            vec!["nsenter", &space, "--", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
        words.extend(["--propagation", "private", "env"]);
        words.extend(settings.iter().map(String::as_str));
        words.extend(["bash", &script]);
        let log = folder.join("log/node.log");
        let outer = self.records.start(&name, &log, &words)?;
        let init = wait(&format!("first process of {name}"), Duration::from_secs(10), &log, || {
            process::first_inside(outer.pid)
        })?;
        self.records.add(&format!("{name}-init"), init)?;
        Node::of(self.plan, self.state, node, init).ok_or_else(|| Error::Late {
            what: format!("no address of {name}"),
            seconds: 0,
            log: String::new(),
        })
    }

    /// Lets the kubelet of a node start, once its images are there.
    pub fn join(&self, node: usize) -> Result<(), Error> {
        let (folder, name) = (folder(self.state, node), node_name(node));
        command::write(&folder.join("join"), "")?;
        let alive = || self.records.named(&format!("{name}-init")).is_some_and(|process| process.alive());
        let loaded = || folder.join("loaded").exists().then_some(true).or_else(|| (!alive()).then_some(false));
        let log = folder.join("log/node.log");
        if wait(&format!("images in {name}"), Duration::from_secs(120), &log, loaded)? {
            return Ok(());
        }
        wait(&format!("life in {name}"), Duration::ZERO, &log, || None)
    }

    fn prepare(&self, node: usize, folder: &Path) -> Result<(), Error> {
        for name in ["cni", "cni-bin", "cni-state", "kubelet", "pods", "containers", "containerd", "images", "log"] {
            command::folder(&folder.join(name))?;
        }
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::File { path, action: "copied", source }
        };
        for plugin in fs::read_dir(CNI_PLUGINS).map_err(failed(Path::new(CNI_PLUGINS)))?.flatten() {
            fs::copy(plugin.path(), folder.join("cni-bin").join(plugin.file_name())).map_err(failed(&plugin.path()))?;
        }
        for image in self.components.image_files() {
            let to = folder.join("images").join(image.file_name().unwrap_or_default());
            // No copy: the cache is on the same disk, except when somebody linked it away.
            fs::hard_link(&image, &to).or_else(|_| fs::copy(&image, &to).map(drop)).map_err(failed(&image))?;
        }
        command::write(&folder.join("cni/10-pods.conflist"), format!("{:#}\n", network_config(self.plan, node)))?;
        command::write(&folder.join("containerd.toml"), containerd_config(folder))?;
        command::write(&folder.join("resolv.conf"), resolver(self.plan))?;
        command::write(
            &folder.join("kubelet.json"),
            format!("{:#}\n", kubelet_config(self.plan, self.pki, node, folder)),
        )?;
        let kubeconfig = self.pki.path(&format!("{}.conf", node_name(node)));
        fs::copy(&kubeconfig, folder.join("kubelet.conf")).map_err(failed(&kubeconfig)).map(drop)
    }
}

fn folder(state: &Path, node: usize) -> PathBuf {
    state.join("nodes").join(node_name(node))
}

/// The node's configuration of the pod network, which a chained plugin is added to.
fn network_config(plan: &Plan, node: usize) -> serde_json::Value {
    let ranges: Vec<_> = plan.node_pods(node).iter().map(|range| json!([{ "subnet": range.to_string() }])).collect();
    let default = |address: &IpAddr| if address.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
    let routes: Vec<_> = plan.node(node).iter().map(|address| json!({ "dst": default(address) })).collect();
    json!({
        "cniVersion": "0.4.0", "name": "pods", "plugins": [
            { "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
              "ipam": { "type": "host-local", "ranges": ranges, "routes": routes } },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ]
    })
}

/// Version 2 is what both containerd 1.6 and 2 read.
fn containerd_config(folder: &Path) -> String {
    // An overlay cannot lie on an overlay, which is what a harness inside of a container has.
    let overlay = statfs(folder).is_ok_and(|found| found.filesystem_type() == OVERLAYFS_SUPER_MAGIC);
    let snapshotter = if overlay { "native" } else { "overlayfs" };
    let folder = folder.display();
    // Without CAP_SYS_RESOURCE a score below that of this process is refused, and with it every container.
    format!(
        "version = 2\nroot = \"{folder}/containerd\"\nstate = \"/run/containerd/state\"\n\
         [plugins.\"io.containerd.internal.v1.opt\"]\n  path = \"{folder}/containerd/opt\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = \"{PAUSE_IMAGE}\"\n  restrict_oom_score_adj = true\n  \
         disable_apparmor = true\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd]\n  snapshotter = \"{snapshotter}\"\n"
    )
}

/// What pods with the node's own DNS use: the cluster's, since a node reaches no other server.
fn resolver(plan: &Plan) -> String {
    plan.dns().iter().map(|address| format!("nameserver {address}\n")).collect()
}

fn kubelet_config(plan: &Plan, pki: &Pki, node: usize, folder: &Path) -> serde_json::Value {
    let name = node_name(node);
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "authentication": { "anonymous": { "enabled": false }, "webhook": { "enabled": true }, "x509": { "clientCAFile": pki.file("ca.crt") } },
        "authorization": { "mode": "Webhook" },
        "tlsCertFile": pki.file(&format!("{name}.crt")), "tlsPrivateKeyFile": pki.file(&format!("{name}.key")),
        "clusterDNS": plan.dns(), "clusterDomain": "cluster.local", "resolvConf": folder.join("resolv.conf"),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs", "cgroupRoot": groups::kubelet_root(plan, node), "enforceNodeAllocatable": [],
        "failSwapOn": false, "failCgroupV1": false, "localStorageCapacityIsolation": false,
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        // An image that is collected cannot come back, and the disk is that of the whole machine.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": { "imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.inodesFree": "0%" },
    })
}
