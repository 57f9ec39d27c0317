//! The redirection in the real kernel: namespaces made here, traffic through a stand-in proxy.
//! Needs root; without it every test fails and says so.
#![allow(clippy::unwrap_used)] // a failed step is the test's result

mod past;
mod streams;
mod table;

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use net::netns::Netns;
use net::rules::{self, Mode};
use net::sockets::{self, ConnectOptions, Family, ListenOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const CAPTURE: Mode = Mode::Capture { inbound: true };
const WAIT: Duration = Duration::from_secs(5);

/// A node (which also plays the rest of the world) and one pod behind a veth pair.
struct World {
    node: Netns,
    pod: Netns,
    proxied: Arc<AtomicUsize>,
}

fn fresh_netns() -> Netns {
    assert!(nix::unistd::geteuid().is_root(), "this test makes network namespaces: run it as root");
    std::thread::spawn(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        run("ip link set lo up");
        Netns::current().unwrap()
    })
    .join()
    .unwrap()
}

fn run(command: &str) -> String {
    let out = Command::new("sh").args(["-c", command]).output().unwrap();
    let error = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "`{command}` failed: {error}");
    String::from_utf8(out.stdout).unwrap()
}

fn run_in(netns: &Netns, command: &str) -> String {
    netns.run(|| run(command)).unwrap()
}

impl World {
    fn new() -> Self {
        use std::os::fd::{AsFd, AsRawFd};
        let (node, pod) = (fresh_netns(), fresh_netns());
        let pod_path = format!("/proc/{}/fd/{}", std::process::id(), pod.as_fd().as_raw_fd());
        run_in(
            &node,
            &format!(
                "ip link add veth0 type veth peer name eth0 netns {pod_path} &&
                 ip addr add 10.1.0.1/24 dev veth0 && ip -6 addr add fd01::1/64 dev veth0 nodad &&
                 ip link set veth0 up"
            ),
        );
        run_in(
            &pod,
            "ip addr add 10.1.0.2/24 dev eth0 && ip -6 addr add fd01::2/64 dev eth0 nodad &&
             ip link set eth0 up && ip route add default via 10.1.0.1 &&
             ip -6 route add default via fd01::1",
        );
        Self { node, pod, proxied: Arc::default() }
    }

    fn listener(&self, netns: &Netns, address: &str) -> TcpListener {
        let options = ListenOptions::default();
        let listener = sockets::listen(Some(netns), address.parse().unwrap(), &options);
        TcpListener::from_std(listener.unwrap()).unwrap()
    }

    /// Tells each client its address as the server sees it, then echoes.
    fn serve(&self, netns: &Netns, port: u16) {
        let listener = self.listener(netns, &format!("[::]:{port}"));
        tokio::spawn(async move {
            while let Ok((mut stream, peer)) = listener.accept().await {
                tokio::spawn(async move {
                    let line = format!("{}\n", peer.ip().to_canonical());
                    stream.write_all(line.as_bytes()).await?;
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
    }

    /// What ztunnel does with plaintext, and nothing else.
    fn start_proxy(&self) {
        for port in [rules::OUTBOUND_PORT, rules::INBOUND_PLAINTEXT_PORT] {
            let options = ListenOptions { mark: Some(rules::ZTUNNEL_MARK), reuse_port: true, ..Default::default() };
            let address = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port));
            let listener = sockets::listen(Some(&self.pod), address, &options).unwrap();
            let listener = TcpListener::from_std(listener).unwrap();
            let (pod, proxied) = (self.pod.clone(), self.proxied.clone());
            tokio::spawn(async move {
                while let Ok((stream, peer)) = listener.accept().await {
                    proxied.fetch_add(1, SeqCst);
                    let inbound = port == rules::INBOUND_PLAINTEXT_PORT;
                    tokio::spawn(forward(pod.clone(), stream, peer, inbound));
                }
            });
        }
    }

    async fn dial(&self, netns: &Netns, to: &str) -> Stream {
        let to: SocketAddr = to.parse().unwrap();
        let socket = sockets::tcp_socket(Some(netns), Family::from(to), &ConnectOptions::default());
        let stream = timeout(WAIT, sockets::connect(socket.unwrap(), to)).await;
        Stream::new(stream.expect("connect timed out").unwrap()).await
    }

    fn proxied(&self) -> usize {
        self.proxied.load(SeqCst)
    }
}

async fn forward(pod: Netns, mut client: TcpStream, peer: SocketAddr, inbound: bool) {
    let to = sockets::original_dst(&client).unwrap();
    let source = SocketAddr::new(peer.ip().to_canonical(), 0);
    let options = ConnectOptions {
        mark: Some(rules::ZTUNNEL_MARK),
        transparent: inbound,
        bind: inbound.then_some(source),
        nodelay: true,
        keepalive: Some(sockets::Keepalive::default()),
        local: inbound,
    };
    let socket = sockets::tcp_socket(Some(&pod), to.into(), &options).unwrap();
    let mut server = sockets::connect(socket, to).await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

/// A connection whose server said how it sees the client.
struct Stream {
    stream: TcpStream,
    seen: IpAddr,
}

impl Stream {
    async fn new(mut stream: TcpStream) -> Self {
        let mut line = Vec::new();
        loop {
            match timeout(WAIT, stream.read_u8()).await.expect("the server said nothing").unwrap() {
                b'\n' => break,
                byte => line.push(byte),
            }
        }
        Self { stream, seen: String::from_utf8(line).unwrap().parse().unwrap() }
    }

    async fn echo(&mut self) {
        self.stream.write_all(b"ping").await.unwrap();
        let mut answer = [0; 4];
        timeout(WAIT, self.stream.read_exact(&mut answer)).await.expect("no echo").unwrap();
        assert_eq!(&answer, b"ping");
    }
}

fn ip(s: &str) -> IpAddr {
    s.parse().unwrap()
}

fn assert_no_trace(netns: &Netns) {
    assert_eq!(run_in(netns, "nft list ruleset"), "");
    for family in ["-4", "-6"] {
        assert!(!run_in(netns, &format!("ip {family} rule")).contains("0x111"));
        let routes = run_in(netns, &format!("ip {family} route show table 100 2>/dev/null || true"));
        assert_eq!(routes, "");
    }
}

/// Opens a connection from a chosen port, which others may have towards other peers.
async fn dial_from(netns: &Netns, from: SocketAddr, to: SocketAddr, mark: Option<u32>) -> Stream {
    let options = ConnectOptions { mark, ..ConnectOptions::default() };
    let socket = sockets::tcp_socket(Some(netns), to.into(), &options).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&from.into()).unwrap();
    Stream::new(timeout(WAIT, sockets::connect(socket, to)).await.expect("connect timed out").unwrap()).await
}
