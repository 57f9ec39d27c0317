//! A node with a bridge, and pods on it, made as the sandbox makes them.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use net::links::{self, Prefix, Route, Veth};
use net::netns::Netns;
use net::sockets::{self, ConnectOptions, Family, ListenOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

pub const WAIT: Duration = Duration::from_secs(5);
const GATEWAY: [u8; 4] = [10, 244, 1, 1];

pub struct Node {
    pub netns: Netns,
    pods: AtomicUsize,
}

pub fn ip(s: &str) -> IpAddr {
    s.parse().unwrap()
}

impl Node {
    pub fn new() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "this test makes network namespaces: run it as root");
        let netns = Netns::create().unwrap();
        netns
            .enter(|| {
                links::set_loopback_up().unwrap();
                no_duplicates();
                links::add_bridge("br0").unwrap();
                links::add_address("br0", Prefix::new(GATEWAY, 24).unwrap()).unwrap();
                links::add_address("br0", Prefix::new(ip("fd01::1"), 64).unwrap()).unwrap();
                links::set_up("br0").unwrap();
                for (to, length) in [(ip("10.96.0.0"), 16), (ip("fd96::"), 64)] {
                    let to = Prefix::new(to, length).unwrap();
                    links::add_route(Route { to, via: None, device: "br0", onlink: false }).unwrap();
                }
                links::sysctl("ipv4/ip_forward", "1").unwrap();
                links::sysctl("ipv6/conf/all/forwarding", "1").unwrap();
                links::sysctl("ipv4/conf/all/send_redirects", "0").unwrap();
                links::sysctl("ipv4/conf/br0/send_redirects", "0").unwrap();
                for setting in ["bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables"] {
                    if let Err(error) = links::sysctl(setting, "0") {
                        assert_eq!(error.source.kind(), std::io::ErrorKind::NotFound, "{error}");
                    }
                }
            })
            .unwrap();
        Self { netns, pods: AtomicUsize::new(0) }
    }

    /// A pod that reaches everything through the node, as its address is alone in its network.
    pub fn pod(&self, v4: &str, v6: &str) -> Netns {
        let pod = Netns::create().unwrap();
        let name = format!("veth{}", self.pods.fetch_add(1, SeqCst));
        self.netns
            .enter(|| {
                links::add_veth(Veth { name: &name, peer: "eth0", peer_netns: &pod, mtu: 1400 }).unwrap();
                links::attach(&name, "br0").unwrap();
                links::set_up(&name).unwrap();
            })
            .unwrap();
        pod.enter(|| {
            links::set_loopback_up().unwrap();
            links::add_address("eth0", Prefix::host(ip(v4))).unwrap();
            links::add_address("eth0", Prefix::host(ip(v6))).unwrap();
            links::set_up("eth0").unwrap();
            for (any, via) in [("0.0.0.0", IpAddr::from(GATEWAY)), ("::", ip("fd01::1"))] {
                let to = Prefix::new(ip(any), 0).unwrap();
                links::add_route(Route { to, via: Some(via), device: "eth0", onlink: true }).unwrap();
            }
        })
        .unwrap();
        pod
    }
}

/// Until the detection of duplicates has an interface's own address, a node finds no neighbours for what it forwards.
fn no_duplicates() {
    links::sysctl("ipv6/conf/default/accept_dad", "0").unwrap();
    links::sysctl("ipv6/conf/all/accept_dad", "0").unwrap();
}

/// Tells each client the server's name and the address it came from.
pub fn serve(netns: &Netns, port: u16, name: &'static str) {
    let any = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port));
    let listener = sockets::listen(Some(netns), any, &ListenOptions::default()).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, peer)) = listener.accept().await {
            let line = format!("{name} {}", peer.ip().to_canonical());
            tokio::spawn(async move { stream.write_all(line.as_bytes()).await });
        }
    });
}

pub async fn connect(netns: &Netns, to: &str) -> std::io::Result<TcpStream> {
    let to: SocketAddr = to.parse().unwrap();
    let socket = sockets::tcp_socket(Some(netns), Family::from(to), &ConnectOptions::default()).unwrap();
    timeout(WAIT, sockets::connect(socket, to)).await.expect("connect timed out")
}

/// What the server says: its name, and the client's address.
pub async fn ask(netns: &Netns, to: &str) -> (String, IpAddr) {
    let mut text = String::new();
    let mut stream = connect(netns, to).await.unwrap();
    timeout(WAIT, stream.read_to_string(&mut text)).await.expect("the server said nothing").unwrap();
    let (name, address) = text.split_once(' ').unwrap();
    (name.to_owned(), address.parse().unwrap())
}
