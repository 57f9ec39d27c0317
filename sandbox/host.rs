//! The machine that the sandbox plays: a switch, nodes on it, and pods on the nodes, each a network namespace.
//!
//! The supervisor's own namespace is the switch. Nodes have one link to it; a pod has one to its node, as a route: there is
//! no bridge on a node, so all of a pod's packets pass the node's rules, as in most clusters.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1 as core;
use kube::Client;
use net::{
    links::{self, Ipv4Setting, Prefix, Route, Veth},
    netns::{self, Netns},
};
use sha2::{Digest, Sha256};
use source::identity;
use tokio::sync::watch;
use tracing::warn;

use crate::{
    cni::Directories,
    files::Shown,
    live::Live,
    place::Place,
    services::Told,
    spec::{self, Spec},
};

/// The switch's own address: name server of all pods.
pub const SWITCH: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
/// The name of the switch's bridge.
const BRIDGE: &str = "switch";
/// The domain of names in the sandbox.
pub const DOMAIN: &str = "cluster.local";
/// What a link carries at once: Ethernet's, so that nothing is hidden that a real network would show.
const MTU: u32 = 1500;
/// What pods send everything to; the node answers for it, and for every other address.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// How long a pod waits for the mesh's root certificate.
const ROOT: Duration = Duration::from_secs(10);
/// How long tokens hold, seconds; they are renewed long before.
const TOKEN: u64 = 12 * 3600;

/// Tells why a network cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A namespace.
    #[error(transparent)]
    Netns(#[from] netns::Error),
    /// A link, address or route.
    #[error("cannot make the network")]
    Link(#[from] net::netlink::Error),
    /// A setting of the kernel.
    #[error("cannot make the network")]
    Sysctl(#[from] links::SysctlError),
    /// A directory.
    #[error("cannot make the node's directories")]
    Files(#[from] io::Error),
}

/// What all pods share.
pub struct Host {
    /// Where the sandbox lives.
    pub place: Place,
    /// The objects.
    pub client: Client,
    /// The nodes by name.
    pub nodes: BTreeMap<String, std::sync::Arc<Node>>,
    /// This program.
    pub program: PathBuf,
    /// The pods that run.
    pub live: Live,
    /// The way to services that each node has.
    pub services: watch::Sender<Told>,
    /// Files with tokens, to be renewed: directory to namespace, account and pod.
    identities: Mutex<BTreeMap<String, core::Pod>>,
}

/// A node.
pub struct Node {
    /// The name.
    pub name: String,
    /// Its network namespace.
    pub netns: Netns,
    /// Its address on the switch.
    pub address: IpAddr,
    /// The addresses of its pods.
    pub addresses: Addresses,
    /// Where its plugins are.
    pub cni: Directories,
    directory: PathBuf,
}

/// The addresses that a node gives to pods.
pub struct Addresses {
    network: Ipv4Addr,
    taken: Mutex<BTreeMap<String, IpAddr>>,
}

impl Addresses {
    fn new(network: Ipv4Addr) -> Self {
        Self { network, taken: Mutex::default() }
    }

    /// Takes the lowest address that is free.
    ///
    /// # Errors
    /// There is none.
    pub fn take(&self, uid: &str) -> Result<IpAddr, String> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let [a, b, c, _] = self.network.octets();
        let free = (2..=254).map(|d| IpAddr::from([a, b, c, d])).find(|ip| !taken.values().any(|t| t == ip));
        let free = free.ok_or_else(|| format!("all addresses of {}/24 are taken", self.network))?;
        taken.insert(uid.to_owned(), free);
        Ok(free)
    }

    fn give(&self, uid: &str) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

/// Returns how names are looked up: short ones in a namespace, if one is given.
#[must_use]
pub fn resolv(namespace: Option<&str>) -> String {
    let search = namespace.map(|namespace| format!("{namespace}.svc.{DOMAIN} svc.{DOMAIN} ")).unwrap_or_default();
    format!("nameserver {SWITCH}\nsearch {search}{DOMAIN}\noptions ndots:5 timeout:1 attempts:3\n")
}

/// Makes the switch in the calling thread's namespace.
///
/// # Errors
/// The kernel refuses.
pub fn make_switch() -> Result<(), Error> {
    links::set_loopback_up()?;
    links::add_bridge(BRIDGE)?;
    links::add_address(BRIDGE, network(SWITCH))?;
    links::set_up(BRIDGE)?;
    Ok(())
}

impl Node {
    /// Makes the node of this number, from 1, and its link to the switch; the calling thread must be in the switch.
    ///
    /// # Errors
    /// The kernel refuses, or the node's directories cannot be made.
    pub fn make(number: u8, place: &Place, program: &Path) -> Result<Self, Error> {
        let name = format!("node-{number}");
        let directory = place.dir.join("nodes").join(&name);
        let cni = Directories { net: directory.join("cni/net.d"), bin: directory.join("cni/bin") };
        fs::create_dir_all(directory.join("netns"))?;
        cni.prepare(program)?;
        let (address, pods) = (Ipv4Addr::new(10, 88, 0, 10 + number), Ipv4Addr::new(10, 244, number, 0));
        let netns = Netns::create()?;
        links::add_veth(Veth { name: &name, peer: "eth0", peer_netns: &netns, mtu: MTU })?;
        links::attach(&name, BRIDGE)?;
        links::set_up(&name)?;
        netns.run(|| {
            links::set_loopback_up()?;
            links::add_address("eth0", network(address))?;
            links::set_up("eth0")?;
            links::add_route(Route { via: Some(SWITCH.into()), ..default_route("eth0") })?;
            for (setting, value) in
                [("ipv4/ip_forward", "1"), ("ipv4/conf/all/rp_filter", "0"), ("ipv4/conf/default/rp_filter", "0")]
            {
                links::sysctl(setting, value)?;
            }
            Ok::<(), Error>(())
        })??;
        links::add_route(Route { to: network(pods), via: Some(address.into()), ..default_route(BRIDGE) })?;
        Ok(Self { name, netns, address: address.into(), addresses: Addresses::new(pods), cni, directory })
    }

    /// Adds the way to another node's pods.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn knows(&self, other: &Self) -> Result<(), Error> {
        let pods = network(other.addresses.network);
        self.netns
            .run(|| links::add_route(Route { to: pods, via: Some(other.address), ..default_route("eth0") }))??;
        Ok(())
    }

    /// Makes a pod's namespace, linked to this node.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn attach(&self, uid: &str, address: IpAddr) -> Result<Netns, Error> {
        let netns = Netns::create()?;
        let link = link_name(uid);
        self.netns.run(|| {
            // What a task of this pod left that was cut short.
            links::delete(&link)?;
            links::add_veth(Veth { name: &link, peer: "eth0", peer_netns: &netns, mtu: MTU })?;
            links::configure(&link, Ipv4Setting::ProxyArp, 1)?;
            links::sysctl(&format!("ipv4/neigh/{link}/proxy_delay"), "0")?;
            links::set_up(&link)?;
            links::add_route(Route { to: Prefix::host(address), ..default_route(&link) })?;
            Ok::<(), Error>(())
        })??;
        netns.run(|| {
            links::set_loopback_up()?;
            links::add_address("eth0", Prefix::host(address))?;
            links::set_up("eth0")?;
            links::add_route(Route { via: Some(GATEWAY.into()), onlink: true, ..default_route("eth0") })?;
            Ok::<(), Error>(())
        })??;
        Ok(netns)
    }

    /// Gives back what a pod had.
    pub fn detach(&self, uid: &str) {
        let link = link_name(uid);
        // Before the address: another pod may get it, while somebody still holds this namespace.
        if let Err(error) = self.netns.run(|| links::delete(&link)) {
            warn!(%error, link, "left behind");
        }
        let _ = fs::remove_file(self.netns_path(uid));
        self.addresses.give(uid);
    }

    /// Makes a pod's namespace known under its unique name, for plugins and the node agent; returns the path.
    ///
    /// # Errors
    /// The link cannot be written.
    pub fn announce(&self, uid: &str, netns: &Netns) -> io::Result<PathBuf> {
        let path = self.netns_path(uid);
        let _ = fs::remove_file(&path);
        // The descriptor is this process's own, which is the first of the sandbox's PID namespace.
        std::os::unix::fs::symlink(format!("/proc/1/fd/{}", netns.as_fd().as_raw_fd()), &path)?;
        Ok(path)
    }

    fn netns_path(&self, uid: &str) -> PathBuf {
        self.directory.join("netns").join(uid)
    }
}

/// An address with the length of all networks here, or such a network.
fn network(address: Ipv4Addr) -> Prefix {
    Prefix::new(address, 24).expect("24 is at most 32")
}

fn default_route(link: &str) -> Route<'_> {
    let all = Prefix::new(Ipv4Addr::UNSPECIFIED, 0).expect("0 is at most 32");
    Route { to: all, via: None, device: link, onlink: false }
}

/// The node's end of a pod's link: names have at most 15 bytes.
fn link_name(uid: &str) -> String {
    let hash = Sha256::digest(uid.as_bytes());
    format!("pod{}", hash.iter().take(5).map(|b| format!("{b:02x}")).collect::<String>())
}

impl Host {
    /// Makes what pods share.
    #[must_use]
    pub fn new(place: Place, client: Client, nodes: BTreeMap<String, std::sync::Arc<Node>>, program: PathBuf) -> Self {
        Self {
            place,
            client,
            nodes,
            program,
            live: Live::default(),
            services: watch::Sender::default(),
            identities: Mutex::default(),
        }
    }

    /// Returns the directory of a pod, which is made if need be.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn pod_directory(&self, uid: &str) -> io::Result<PathBuf> {
        let directory = self.place.dir.join("pods").join(uid);
        self.place.make(&directory)?;
        Ok(directory)
    }

    /// Removes what a pod had while it ran.
    pub fn forget_pod(&self, uid: &str) {
        self.identities.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        let directory = self.place.dir.join("pods").join(uid);
        if let Err(error) = fs::remove_dir_all(&directory)
            && error.kind() != io::ErrorKind::NotFound
        {
            warn!(%error, path = %directory.display(), "left behind");
        }
    }

    /// Returns the variables of a pod beyond those of its manifest: for those that see the sandbox as it is, where things are.
    ///
    /// # Errors
    /// The pod needs an identity, and there is none yet.
    pub async fn variables(&self, pod: &core::Pod, node: &Node) -> Result<BTreeMap<String, String>, String> {
        let Some(spec) = pod.spec.as_ref().filter(|s| s.host_pid.unwrap_or_default()) else {
            return Ok(BTreeMap::new());
        };
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        let directory = self.pod_directory(&uid).map_err(|e| e.to_string())?;
        let values = spec.containers.iter().flat_map(|c| c.env.iter().flatten()).filter_map(|e| e.value.as_deref());
        if values.into_iter().any(|v| v.contains("$(SANDBOX_IDENTITY)")) {
            self.identify(pod, ROOT).await?;
            self.identities.lock().unwrap_or_else(PoisonError::into_inner).insert(uid, pod.clone());
        }
        let text = |path: &Path| path.display().to_string();
        Ok(BTreeMap::from([
            ("SANDBOX_IDENTITY".to_owned(), text(&directory)),
            ("SANDBOX_NODE".to_owned(), text(&node.directory)),
            ("SANDBOX_STATE".to_owned(), text(&self.place.state())),
            ("PATH".to_owned(), self.path()),
        ]))
    }

    /// Gives a pod of the mesh its identity, and returns where it sees it.
    ///
    /// # Errors
    /// There is none yet.
    pub async fn shown(&self, pod: &core::Pod, spec: &Spec) -> Result<Vec<Shown>, String> {
        if spec.identity.is_empty() {
            return Ok(Vec::new());
        }
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        self.identify(pod, ROOT).await?;
        self.identities.lock().unwrap_or_else(PoisonError::into_inner).insert(uid, pod.clone());
        let directory = self.identity_directory(pod).map_err(|e| e.to_string())?;
        let shown = |at: &PathBuf| Shown { directory: directory.clone(), at: at.clone() };
        Ok(spec.identity.iter().map(shown).collect())
    }

    /// Returns where a pod's identity is: for one that sees only that, apart from the rest of what it has.
    fn identity_directory(&self, pod: &core::Pod) -> io::Result<PathBuf> {
        let directory = self.pod_directory(pod.metadata.uid.as_deref().unwrap_or_default())?;
        Ok(if spec::is_of_the_mesh(pod) { directory.join("identity") } else { directory })
    }

    /// Returns where pods that see the machine's files as they are find programs, this one first.
    fn path(&self) -> String {
        let own = self.program.parent().map(|p| p.display().to_string()).unwrap_or_default();
        format!("{own}:{}", crate::files::PATH)
    }

    /// Renews the tokens and roots of all pods that have an identity.
    pub async fn renew(&self) {
        let all: Vec<core::Pod> =
            self.identities.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for pod in all {
            if let Err(reason) = self.identify(&pod, Duration::ZERO).await {
                warn!(pod = pod.metadata.name, reason, "the token is not renewed");
            }
        }
    }

    /// Writes a pod's token and the mesh's root beside each other, as a kubelet mounts them.
    async fn identify(&self, pod: &core::Pod, patience: Duration) -> Result<(), String> {
        let directory = self.identity_directory(pod).map_err(|e| e.to_string())?;
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let end = tokio::time::Instant::now() + patience;
        let root = loop {
            match identity::root(&self.client, namespace).await.map_err(|e| e.to_string())? {
                Some(root) => break root,
                None if tokio::time::Instant::now() < end => tokio::time::sleep(Duration::from_millis(10)).await,
                None => return Err("the control plane has written no root certificate yet".to_owned()),
            }
        };
        let token = identity::token(&self.client, pod, TOKEN).await.map_err(|e| e.to_string())?;
        identity::write(&directory, &token, &root).map_err(|e| format!("{}: {e}", directory.display()))?;
        // As the manifests of a cluster name it.
        match std::os::unix::fs::symlink("token", directory.join("istio-token")) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(format!("{}: {error}", directory.display()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_given_once_and_taken_back() {
        let pool = Addresses::new(Ipv4Addr::new(10, 244, 3, 0));
        let first = pool.take("a").expect("free");
        assert_eq!(first, IpAddr::from([10, 244, 3, 2]));
        assert_eq!(pool.take("b").expect("free"), IpAddr::from([10, 244, 3, 3]));
        pool.give("a");
        assert_eq!(pool.take("c").expect("free"), first);
        for n in 0..251 {
            pool.take(&n.to_string()).expect("free");
        }
        assert!(pool.take("one too many").is_err());
    }

    #[test]
    fn names_of_links_fit() {
        assert!(link_name("0f8b1c2d-1111-2222-3333-444455556666").len() <= 15);
    }
}
