//! The redirection in the real kernel: namespaces made here, traffic through a stand-in proxy.
//! Needs root; without it every test fails and says so.
#![allow(clippy::unwrap_used)] // a failed step is the test's result

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use net::netns::Netns;
use net::redirect::{self, Check};
use net::rules::{self, Mode, Protocol};
use net::services::{self, ServicePort};
use net::sockets::{self, ConnectOptions, Family, ListenOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
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

async fn streams_survive(node_ip: &str, pod_ip: &str) {
    let at = |ip: &str, port: u16| SocketAddr::new(ip.parse().unwrap(), port).to_string();
    let (out, inward) = (at(node_ip, 9000), at(pod_ip, 8000));
    let w = World::new();
    w.serve(&w.node, 9000);
    w.serve(&w.pod, 8000);
    let mut old = Vec::new();
    for _ in 0..20 {
        old.push(w.dial(&w.pod, &out).await);
        old.push(w.dial(&w.node, &inward).await);
    }
    w.start_proxy();
    redirect::apply(&w.pod, CAPTURE).unwrap();
    assert_eq!(redirect::verify(&w.pod, CAPTURE).unwrap(), Check::Intact);

    // What is older goes on; what is new goes through the proxy, with the client's address kept.
    for stream in &mut old {
        stream.echo().await;
    }
    assert_eq!(w.proxied(), 0);
    let mut new = vec![w.dial(&w.pod, &out).await];
    assert_eq!((w.proxied(), new[0].seen), (1, ip(pod_ip)));
    new.push(w.dial(&w.node, &inward).await);
    assert_eq!((w.proxied(), new[1].seen), (2, ip(node_ip)));
    for stream in &mut new {
        stream.echo().await;
    }
    // Loopback, and a pod that calls itself, are left alone.
    let loopback = if ip(pod_ip).is_ipv4() { "127.0.0.1:8000" } else { "[::1]:8000" };
    w.dial(&w.pod, loopback).await.echo().await;
    w.dial(&w.pod, &inward).await.echo().await;
    assert_eq!(w.proxied(), 2);
    assert!(redirect::served_streams(&w.pod).unwrap() >= 4);
    assert_eq!(redirect::bypassing_streams(&w.pod).unwrap().len(), old.len());

    // Draining: both kinds go on, nothing new is redirected.
    redirect::apply(&w.pod, Mode::Draining).unwrap();
    assert_eq!(redirect::verify(&w.pod, Mode::Draining).unwrap(), Check::Intact);
    for stream in old.iter_mut().chain(&mut new) {
        stream.echo().await;
    }
    w.dial(&w.pod, &out).await.echo().await;
    w.dial(&w.node, &inward).await.echo().await;
    assert_eq!(w.proxied(), 2);

    drop(new);
    let quiet = async {
        while redirect::served_streams(&w.pod).unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(WAIT, quiet).await.expect("streams are left over");
    redirect::remove(&w.pod).unwrap();
    redirect::remove(&w.pod).unwrap();
    for stream in &mut old {
        stream.echo().await;
    }
    w.dial(&w.pod, &out).await.echo().await;
    assert_eq!(w.proxied(), 2);
    assert_no_trace(&w.pod);
}

fn assert_no_trace(netns: &Netns) {
    assert_eq!(run_in(netns, "nft list ruleset"), "");
    for family in ["-4", "-6"] {
        assert!(!run_in(netns, &format!("ip {family} rule")).contains("0x111"));
        let routes = run_in(netns, &format!("ip {family} route show table 100 2>/dev/null || true"));
        assert_eq!(routes, "");
    }
}

#[tokio::test]
async fn streams_survive_enrolment_and_unenrolment_ipv4() {
    streams_survive("10.1.0.1", "10.1.0.2").await;
}

#[tokio::test]
async fn streams_survive_enrolment_and_unenrolment_ipv6() {
    streams_survive("fd01::1", "fd01::2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_come_and_go_are_not_taken_for_older_ones() {
    let w = World::new();
    w.serve(&w.node, 9000);
    w.start_proxy();
    redirect::apply(&w.pod, CAPTURE).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let (pod, stop) = (w.pod.clone(), stop.clone());
            std::thread::spawn(move || {
                while !stop.load(SeqCst) {
                    let mut stream = pod.run(|| std::net::TcpStream::connect("10.1.0.1:9000").unwrap()).unwrap();
                    let _ = std::io::Read::read(&mut stream, &mut [0; 64]).unwrap();
                }
            })
        })
        .collect();
    let pod = w.pod.clone();
    let looks = move || (0..300).map(|_| redirect::bypassing_streams(&pod).unwrap().len()).sum::<usize>();
    let found = tokio::task::spawn_blocking(looks).await.unwrap();
    stop.store(true, SeqCst);
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert!(w.proxied() > 100, "{} streams are no load", w.proxied());
    assert_eq!(found, 0);
}

/// What the kernel keeps of a socket that was closed first, until the peer closes too, carries no mark any more.
async fn what_ztunnel_closed_is_no_older_stream(node_ip: &str, pod_ip: &str) {
    let w = World::new();
    redirect::apply(&w.pod, CAPTURE).unwrap();
    let at = |ip: &str, port| SocketAddr::new(ip.parse().unwrap(), port);
    // Towards a peer, as a tunnel; and towards the application of the pod, with the client's address.
    let cases = [
        (&w.node, at(node_ip, rules::HBONE_PORT), None, false),
        (&w.node, at(node_ip, 9001), None, false),
        (&w.pod, at(pod_ip, 8001), Some(at(node_ip, 0)), true),
    ];
    for (there, to, bind, local) in cases {
        let listener = w.listener(there, &to.to_string());
        let options = ConnectOptions {
            mark: Some(rules::ZTUNNEL_MARK),
            transparent: bind.is_some(),
            bind,
            local,
            ..ConnectOptions::default()
        };
        let socket = sockets::tcp_socket(Some(&w.pod), to.into(), &options).unwrap();
        let stream = timeout(WAIT, sockets::connect(socket, to)).await.expect("connect timed out").unwrap();
        let (mut held, _) = timeout(WAIT, listener.accept()).await.expect("nobody came").unwrap();
        drop(stream);
        assert_eq!(timeout(WAIT, held.read(&mut [0; 1])).await.expect("no end").unwrap(), 0);
        assert_eq!(redirect::bypassing_streams(&w.pod).unwrap(), [], "{to}");
    }
}

#[tokio::test]
async fn what_ztunnel_closed_is_no_older_stream_ipv4() {
    what_ztunnel_closed_is_no_older_stream("10.1.0.1", "10.1.0.2").await;
}

#[tokio::test]
async fn what_ztunnel_closed_is_no_older_stream_ipv6() {
    what_ztunnel_closed_is_no_older_stream("fd01::1", "fd01::2").await;
}

/// Opens a connection from a chosen port, which others may have towards other peers.
async fn dial_from(netns: &Netns, from: SocketAddr, to: SocketAddr, mark: Option<u32>) -> Stream {
    let options = ConnectOptions { mark, ..ConnectOptions::default() };
    let socket = sockets::tcp_socket(Some(netns), to.into(), &options).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&from.into()).unwrap();
    Stream::new(timeout(WAIT, sockets::connect(socket, to)).await.expect("connect timed out").unwrap()).await
}

/// Clients use a port towards several peers at once. The proxy's address is one, so the kernel gives a connection another port there:
/// a port tells neither which connection this is nor whether it was redirected.
async fn a_port_is_no_connection(node_ip: &str, pod_ip: &str) {
    let at = |ip: &str, port: u16| SocketAddr::new(ip.parse().unwrap(), port);
    let from = at(pod_ip, 45678);
    let peers = [9000, 9001, 9002].map(|port| at(node_ip, port));
    let w = World::new();
    peers.iter().for_each(|to| w.serve(&w.node, to.port()));
    let mut streams = vec![dial_from(&w.pod, from, peers[0], None).await];
    w.start_proxy();
    redirect::apply(&w.pod, CAPTURE).unwrap();
    for to in &peers[1..] {
        streams.push(dial_from(&w.pod, from, *to, None).await);
    }
    for stream in &mut streams {
        stream.echo().await;
    }
    assert_eq!(w.proxied(), 2);
    let sockets = w.pod.enter(|| net::streams::list().unwrap()).unwrap();
    let seen: Vec<SocketAddr> =
        sockets.iter().filter(|s| s.local.port() == rules::OUTBOUND_PORT).map(|s| s.remote).collect();
    assert!(seen.len() == 2 && seen.contains(&from) && seen.iter().any(|at| *at != from), "{seen:?}");
    // Each is told from the others all the same, and the older one is cut alone.
    let at_proxy = peers.map(|to| redirect::address_at_proxy(&w.pod, from, to).unwrap());
    assert_eq!(at_proxy[0], None);
    assert!(at_proxy[1] != at_proxy[2] && at_proxy[1..].iter().all(|at| at.is_some_and(|at| seen.contains(&at))));
    let older = redirect::bypassing_streams(&w.pod).unwrap();
    assert_eq!(older.iter().map(|s| (s.local, s.remote)).collect::<Vec<_>>(), [(from, peers[0])]);
    assert_eq!(redirect::cut_bypassing_streams(&w.pod).unwrap(), 1);
    assert!(timeout(WAIT, streams[0].stream.read(&mut [0; 1])).await.expect("not cut").is_err());
    for stream in &mut streams[1..] {
        stream.echo().await;
    }
}

#[tokio::test]
async fn a_port_is_no_connection_ipv4() {
    a_port_is_no_connection("10.1.0.1", "10.1.0.2").await;
}

#[tokio::test]
async fn a_port_is_no_connection_ipv6() {
    a_port_is_no_connection("fd01::1", "fd01::2").await;
}

/// A port that ztunnel had towards a peer is given to the application, and the other way round, while the kernel still knows what it had
/// been used for: a connection that the peer has reset.
async fn ports_change_hands(node_ip: &str, pod_ip: &str) {
    let at = |ip: &str, port: u16| SocketAddr::new(ip.parse().unwrap(), port);
    let to = at(node_ip, 9000);
    let w = World::new();
    w.serve(&w.node, to.port());
    w.start_proxy();
    redirect::apply(&w.pod, CAPTURE).unwrap();
    let (ztunnel, application) = (Some(rules::ZTUNNEL_MARK), None);
    for (first, then, proxied) in [(ztunnel, application, 1), (application, ztunnel, 2)] {
        let from = at(pod_ip, 45678 + proxied);
        drop((dial_from(&w.pod, from, to, first).await, reset(&w.node, to.port())));
        let left = async {
            let ends = |s: &net::streams::Stream| [s.local.port(), s.remote.port()].contains(&from.port());
            while w.pod.enter(|| net::streams::list().unwrap().iter().any(ends)).unwrap() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(WAIT, left).await.expect("not reset");
        let begun = Instant::now();
        dial_from(&w.pod, from, to, then).await.echo().await;
        assert!(begun.elapsed() < Duration::from_millis(700), "the first packet was lost");
        assert_eq!(w.proxied(), usize::from(proxied), "{first:?} {then:?}");
    }
}

/// Cuts what comes to a port.
fn reset(netns: &Netns, port: u16) {
    let cut = |s: &net::streams::Stream| net::streams::destroy(s).unwrap();
    netns.enter(|| net::streams::list().unwrap().iter().filter(|s| s.local.port() == port).for_each(cut)).unwrap();
}

#[tokio::test]
async fn ports_change_hands_ipv4() {
    ports_change_hands("10.1.0.1", "10.1.0.2").await;
}

#[tokio::test]
async fn ports_change_hands_ipv6() {
    ports_change_hands("fd01::1", "fd01::2").await;
}

/// What the kernel still knows of connections that ended unseen, while the pod was not enrolled, must not stop those of a later enrolment.
async fn an_end_that_nobody_saw_stops_nothing(node_ip: &str, pod_ip: &str) {
    let at = |ip: &str, port: u16| SocketAddr::new(ip.parse().unwrap(), port);
    let w = World::new();
    w.serve(&w.node, 9000);
    w.serve(&w.pod, 8000);
    w.start_proxy();
    redirect::apply(&w.pod, CAPTURE).unwrap();
    redirect::apply(&w.pod, Mode::Draining).unwrap();
    let connections = [
        (&w.node, at(node_ip, 45678), at(pod_ip, 8000)),
        (&w.pod, at(pod_ip, 45678), at(node_ip, 9000)),
        // One of ztunnel's own, which are in another zone.
        (&w.pod, at(pod_ip, 45679), at(node_ip, 9000)),
    ];
    let mut open = Vec::new();
    for ((netns, from, to), mark) in connections.into_iter().zip([None, None, Some(rules::ZTUNNEL_MARK)]) {
        open.push(dial_from(netns, from, to, mark).await);
    }
    redirect::remove(&w.pod).unwrap();
    for stream in open {
        stream.stream.set_zero_linger().unwrap();
    }
    redirect::apply(&w.pod, CAPTURE).unwrap();
    for ((netns, from, to), proxied) in connections.into_iter().zip(1..) {
        dial_from(netns, from, to, None).await.echo().await;
        assert_eq!(w.proxied(), proxied, "{from} {to}");
    }
}

#[tokio::test]
async fn an_end_that_nobody_saw_stops_nothing_ipv4() {
    an_end_that_nobody_saw_stops_nothing("10.1.0.1", "10.1.0.2").await;
}

#[tokio::test]
async fn an_end_that_nobody_saw_stops_nothing_ipv6() {
    an_end_that_nobody_saw_stops_nothing("fd01::1", "fd01::2").await;
}

/// The sum of RFC 1071, over the pseudo header (RFC 9293 3.1) and a segment.
fn checksum(from: IpAddr, to: IpAddr, segment: &[u8]) -> u16 {
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let pseudo = [octets(from), octets(to), vec![0, 6], (segment.len() as u16).to_be_bytes().to_vec()].concat();
    let words = pseudo.chunks(2).chain(segment.chunks(2));
    let sum: u32 = words.map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    !((sum & 0xffff) as u16 + (sum >> 16) as u16)
}

/// Sends a segment that belongs to no connection: an acknowledgement.
fn stray(from: SocketAddr, to: SocketAddr) {
    use nix::sys::socket::{
        AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, sendto, socket,
    };
    use std::os::fd::AsRawFd;
    let family = if from.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let raw = socket(family, SockType::Raw, SockFlag::empty(), SockProtocol::Tcp).unwrap();
    let ports = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    // Sequence and acknowledgement, length of the header, ACK, window, checksum, urgent.
    let rest = [0, 0, 0x12, 0x34, 0, 0, 0x56, 0x78, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0];
    let mut segment = [ports, rest.to_vec()].concat();
    let sum = checksum(from.ip(), to.ip(), &segment);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    let there = SockaddrStorage::from(SocketAddr::new(to.ip(), 0));
    assert_eq!(sendto(raw.as_raw_fd(), &segment, &there, MsgFlags::empty()).unwrap(), segment.len());
}

/// Connection tracking takes a segment that belongs to nothing for a connection that it has missed, and a new connection with the same two
/// ends for more of it: translation does not see that one. It must not get past the proxy all the same, whoever sends what.
async fn no_connection_gets_past(node_ip: &str, pod_ip: &str) {
    let at = |ip: &str, port: u16| SocketAddr::new(ip.parse().unwrap(), port);
    let (inward, out) = (at(pod_ip, 8000), at(node_ip, 9000));
    for (netns, from, to) in [("node", at(node_ip, 45678), inward), ("pod", at(pod_ip, 45678), out)] {
        let w = World::new();
        w.serve(&w.node, 9000);
        w.serve(&w.pod, 8000);
        w.start_proxy();
        redirect::apply(&w.pod, CAPTURE).unwrap();
        let netns = if netns == "node" { w.node.clone() } else { w.pod.clone() };
        // A reset as the only answer would have the kernel forget it; senders know segments that get none.
        let silent = "table inet silent { chain out { type filter hook output priority -400; tcp flags rst drop; }; }";
        for side in [&w.node, &w.pod] {
            run_in(side, &format!("echo '{silent}' | nft -f -"));
        }
        run_in(&w.pod, "echo 3 > /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established");
        netns.run(|| stray(from, to)).unwrap();
        let socket = netns.enter(|| if from.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap());
        let socket = socket.unwrap();
        socket.bind(from).unwrap();
        let mut connecting = pin!(socket.connect(to));
        let connected = timeout(Duration::from_millis(700), &mut connecting).await;
        assert_eq!((w.proxied(), connected.is_ok()), (0, false), "{to}: past the proxy, or never in question");
        // The first packet again, once that is forgotten.
        let stream = timeout(2 * WAIT, connecting).await.expect("never came through").unwrap();
        Stream::new(stream).await.echo().await;
        assert_eq!(w.proxied(), 1, "{to}");
    }
}

#[tokio::test]
async fn no_connection_gets_past_ipv4() {
    no_connection_gets_past("10.1.0.1", "10.1.0.2").await;
}

#[tokio::test]
async fn no_connection_gets_past_ipv6() {
    no_connection_gets_past("fd01::1", "fd01::2").await;
}

/// A pod may translate addresses by rules of its own. Whoever comes or goes that way does so through the proxy all the same, or not at all.
async fn a_translation_of_the_pod_leads_not_past_the_proxy(node_ip: &str, pod_ip: &str) {
    let at = |ip: &str, port: u16| SocketAddr::new(ip.parse().unwrap(), port).to_string();
    let w = World::new();
    w.serve(&w.pod, 8000);
    w.serve(&w.node, 9000);
    w.start_proxy();
    redirect::apply(&w.pod, CAPTURE).unwrap();
    let add = |priority: i32, come: &str, go: &str| {
        let chain =
            |hook: &str, rule: &str| format!("chain {hook} {{ type nat hook {hook} priority {priority}; {rule}; }}");
        let chains = [chain("prerouting", come), chain("output", go)].join("; ");
        run_in(
            &w.pod,
            &format!("echo 'table inet other; delete table inet other; table inet other {{ {chains}; }}' | nft -f -"),
        );
    };
    let there = |port: u16| {
        if ip(node_ip).is_ipv4() { format!("ip to {node_ip}:{port}") } else { format!("ip6 to [{node_ip}]:{port}") }
    };
    // At the place where it is usual, and later than ours: a container that runs before the others makes such rules.
    add(-100, "tcp dport 8000 redirect to :9999", &format!("tcp dport 90 dnat {}", there(9000)));
    let mut streams = [w.dial(&w.node, &at(pod_ip, 8000)).await, w.dial(&w.pod, &at(node_ip, 90)).await];
    for stream in &mut streams {
        stream.echo().await;
    }
    assert_eq!((w.proxied(), streams[0].seen), (2, ip(node_ip)));
    // Before ours.
    add(-150, "tcp dport 80 redirect to :8000", &format!("tcp dport 90 dnat {}", there(9000)));
    let past = [(&w.node, at(pod_ip, 80)), (&w.pod, at(node_ip, 90))];
    for (netns, to) in &past {
        let to: SocketAddr = to.parse().unwrap();
        let socket = sockets::tcp_socket(Some(netns), to.into(), &ConnectOptions::default()).unwrap();
        let connected = timeout(Duration::from_millis(300), sockets::connect(socket, to)).await;
        assert!(connected.is_err(), "{to}: past the proxy, or never in question: {connected:?}");
    }
    redirect::apply(&w.pod, Mode::Draining).unwrap();
    for (netns, to) in &past {
        w.dial(netns, to).await.echo().await;
    }
}

#[tokio::test]
async fn a_translation_of_the_pod_leads_not_past_the_proxy_ipv4() {
    a_translation_of_the_pod_leads_not_past_the_proxy("10.1.0.1", "10.1.0.2").await;
}

#[tokio::test]
async fn a_translation_of_the_pod_leads_not_past_the_proxy_ipv6() {
    a_translation_of_the_pod_leads_not_past_the_proxy("fd01::1", "fd01::2").await;
}

/// A pod may take packets for its loopback addresses from outside; the kernel does not, unless told to.
#[tokio::test]
async fn nobody_outside_reaches_a_loopback_address() {
    let w = World::new();
    w.serve(&w.pod, 8000);
    w.start_proxy();
    for netns in [&w.node, &w.pod] {
        run_in(netns, "sysctl -qw net.ipv4.conf.all.route_localnet=1");
    }
    // The node sends there what it has for its own loopback: looked up before its own addresses.
    let there = "ip rule add pref 1 to 127.0.0.9 lookup 7 && ip route add 127.0.0.9 via 10.1.0.2 dev veth0 src 10.1.0.1 table 7 &&
        ip rule add pref 2 lookup local && ip rule del pref 0";
    run_in(&w.node, there);
    w.dial(&w.node, "127.0.0.9:8000").await.echo().await;
    redirect::apply(&w.pod, CAPTURE).unwrap();
    let to: SocketAddr = "127.0.0.9:8000".parse().unwrap();
    let socket = sockets::tcp_socket(Some(&w.node), to.into(), &ConnectOptions::default()).unwrap();
    let connected = timeout(Duration::from_millis(300), sockets::connect(socket, to)).await;
    assert!(connected.is_err(), "{connected:?}");
    w.dial(&w.pod, "127.0.0.9:8000").await.echo().await;
    assert_eq!(w.proxied(), 0);
}

async fn older_streams_are_cut(node_ip: &str, pod_ip: &str) {
    let at = |ip: &str, port: u16| SocketAddr::new(ip.parse().unwrap(), port).to_string();
    let (out, inward) = (at(node_ip, 9000), at(pod_ip, 8000));
    let w = World::new();
    w.serve(&w.node, 9000);
    w.serve(&w.pod, 8000);
    let mut old = vec![w.dial(&w.pod, &out).await, w.dial(&w.node, &inward).await];
    w.start_proxy();
    redirect::apply(&w.pod, CAPTURE).unwrap();
    let mut new = vec![w.dial(&w.pod, &out).await, w.dial(&w.node, &inward).await];
    assert_eq!(redirect::cut_bypassing_streams(&w.pod).unwrap(), 2);
    for stream in &mut old {
        assert!(timeout(WAIT, stream.stream.read(&mut [0; 1])).await.expect("not cut").is_err());
    }
    for stream in &mut new {
        stream.echo().await;
    }
    assert_eq!(redirect::bypassing_streams(&w.pod).unwrap(), []);
    let (local, remote) = (new[0].stream.local_addr().unwrap(), new[0].stream.peer_addr().unwrap());
    assert_eq!(redirect::address_at_proxy(&w.pod, local, remote).unwrap(), Some(local));
}

#[tokio::test]
async fn older_streams_are_cut_on_demand_ipv4() {
    older_streams_are_cut("10.1.0.1", "10.1.0.2").await;
}

#[tokio::test]
async fn older_streams_are_cut_on_demand_ipv6() {
    older_streams_are_cut("fd01::1", "fd01::2").await;
}

/// Who was cut comes back at once, also from the same port.
async fn who_was_cut_comes_back(node_ip: &str, pod_ip: &str) {
    let at = |ip: &str, port: u16| SocketAddr::new(ip.parse().unwrap(), port);
    let w = World::new();
    w.serve(&w.node, 9000);
    w.serve(&w.pod, 8000);
    w.start_proxy();
    let connections = [(&w.node, at(node_ip, 45678), at(pod_ip, 8000)), (&w.pod, at(pod_ip, 45678), at(node_ip, 9000))];
    let mut old = Vec::new();
    for (netns, from, to) in connections {
        old.push(dial_from(netns, from, to, None).await);
    }
    redirect::apply(&w.pod, CAPTURE).unwrap();
    for stream in &mut old {
        stream.echo().await;
    }
    assert_eq!(redirect::cut_bypassing_streams(&w.pod).unwrap(), 2);
    for stream in &mut old {
        assert!(timeout(WAIT, stream.stream.read(&mut [0; 1])).await.expect("not cut").is_err());
    }
    drop(old);
    for ((netns, from, to), proxied) in connections.into_iter().zip(1..) {
        let begun = Instant::now();
        dial_from(netns, from, to, None).await.echo().await;
        assert!(begun.elapsed() < Duration::from_millis(700), "the first packet was lost");
        assert_eq!(w.proxied(), proxied, "{from} {to}");
    }
}

#[tokio::test]
async fn who_was_cut_comes_back_ipv4() {
    who_was_cut_comes_back("10.1.0.1", "10.1.0.2").await;
}

#[tokio::test]
async fn who_was_cut_comes_back_ipv6() {
    who_was_cut_comes_back("fd01::1", "fd01::2").await;
}

/// A program may bind a socket to an interface; what is counted as cut is cut.
#[tokio::test]
async fn a_stream_that_is_bound_to_an_interface_is_cut() {
    let w = World::new();
    w.serve(&w.node, 9000);
    let mut bound = Vec::new();
    for to in ["10.1.0.1:9000", "[fd01::1]:9000"].map(|to| to.parse::<SocketAddr>().unwrap()) {
        let socket = sockets::tcp_socket(Some(&w.pod), to.into(), &ConnectOptions::default()).unwrap();
        socket.bind_device(Some(b"eth0")).unwrap();
        bound.push(Stream::new(timeout(WAIT, sockets::connect(socket, to)).await.expect("timed out").unwrap()).await);
    }
    redirect::apply(&w.pod, CAPTURE).unwrap();
    assert_eq!(redirect::cut_bypassing_streams(&w.pod).unwrap(), 2);
    for stream in &mut bound {
        assert!(timeout(WAIT, stream.stream.read(&mut [0; 1])).await.expect("not cut").is_err());
    }
}

/// Between a look and what follows from it, others may get the same two ends.
#[tokio::test]
async fn a_stream_with_the_same_ends_is_not_cut_for_another() {
    let w = World::new();
    w.serve(&w.node, 9000);
    let (from, to) = ("10.1.0.2:45678".parse().unwrap(), "10.1.0.1:9000".parse().unwrap());
    let old = dial_from(&w.pod, from, to, None).await;
    redirect::apply(&w.pod, CAPTURE).unwrap();
    let older = redirect::bypassing_streams(&w.pod).unwrap();
    old.stream.set_zero_linger().unwrap();
    drop(old);
    w.start_proxy();
    let mut new = dial_from(&w.pod, from, to, None).await;
    w.pod.enter(|| older.iter().for_each(|stream| net::streams::destroy(stream).unwrap())).unwrap();
    new.echo().await;
    assert_eq!((older.len(), w.proxied()), (1, 1));
}

/// A connection under a client's address must not have the same two ends as one of the client's own.
#[tokio::test]
async fn a_new_connection_does_not_take_an_older_one_over() {
    let w = World::new();
    w.serve(&w.pod, 8000);
    let to: SocketAddr = "10.1.0.2:8000".parse().unwrap();
    // What is left to clients, and to the kernel's choice inside the pod, is one port.
    run_in(&w.pod, "echo '40000 40001' > /proc/sys/net/ipv4/ip_local_port_range");
    run_in(&w.node, "echo '40000 40001' > /proc/sys/net/ipv4/ip_local_port_range");
    let mut old = w.dial(&w.node, &to.to_string()).await;
    w.start_proxy();
    redirect::apply(&w.pod, CAPTURE).unwrap();
    run_in(&w.node, "echo '50000 60000' > /proc/sys/net/ipv4/ip_local_port_range");
    for _ in 0..20 {
        w.dial(&w.node, &to.to_string()).await.echo().await;
        old.echo().await;
    }
    assert_eq!(w.proxied(), 20);
}

#[tokio::test]
async fn probes_of_the_node_bypass_the_proxy() {
    let w = World::new();
    w.serve(&w.pod, 8000);
    w.start_proxy();
    redirect::apply(&w.pod, CAPTURE).unwrap();
    let pods = [ip("10.1.0.2"), ip("fd01::2")];
    assert_eq!(redirect::reconcile_host(&w.node, &pods).unwrap(), Check::Repaired);
    assert_eq!(redirect::reconcile_host(&w.node, &pods).unwrap(), Check::Intact);
    // The answers to the probe source go to the node, as with any bridge or veth CNI.
    let mut v4 = w.dial(&w.node, "10.1.0.2:8000").await;
    v4.echo().await;
    assert_eq!(v4.seen, IpAddr::from(rules::PROBE_SOURCE_V4));
    let mut v6 = w.dial(&w.node, "[fd01::2]:8000").await;
    v6.echo().await;
    assert_eq!(v6.seen, IpAddr::from(rules::PROBE_SOURCE_V6));
    assert_eq!(w.proxied(), 0);
    // Without the set entry the same connection is captured.
    redirect::delete_from_host(&w.node, &pods).unwrap();
    redirect::delete_from_host(&w.node, &pods).unwrap();
    w.dial(&w.node, "10.1.0.2:8000").await.echo().await;
    assert_eq!(w.proxied(), 1);
    redirect::add_to_host(&w.node, &pods).unwrap();
    redirect::add_to_host(&w.node, &pods).unwrap();
    // A pod that went away leaves the set when the node reconciles.
    assert_eq!(redirect::reconcile_host(&w.node, &pods[..1]).unwrap(), Check::Repaired);
    assert!(!run_in(&w.node, "nft list ruleset").contains("fd01::2"));
    redirect::remove_host(&w.node).unwrap();
    assert_no_trace(&w.node);
}

/// Whoever else on a node's networks shows the source of probes, and sees the answers, must not get past the proxy.
async fn nobody_else_is_the_node(source: &str, pod_ip: &str) {
    use std::os::fd::{AsFd, AsRawFd};
    let (w, other) = (World::new(), fresh_netns());
    w.serve(&w.pod, 8000);
    w.start_proxy();
    redirect::apply(&w.pod, CAPTURE).unwrap();
    let path = format!("/proc/{}/fd/{}", std::process::id(), other.as_fd().as_raw_fd());
    run_in(
        &w.node,
        &format!(
            "ip link add veth1 type veth peer name eth0 netns {path} && ip link set veth1 up &&
             sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 &&
             ip addr add 10.2.0.1/24 dev veth1 && ip -6 addr add fd02::1/64 dev veth1 nodad &&
             ip route add 169.254.7.127 dev veth1 && ip -6 route add fd16:9254:7127:1337:ffff:ffff:ffff:ffff dev veth1"
        ),
    );
    run_in(
        &other,
        "ip link set eth0 up && ip addr add 169.254.7.127/32 dev eth0 &&
         ip -6 addr add fd16:9254:7127:1337:ffff:ffff:ffff:ffff/128 dev eth0 nodad &&
         ip route add 10.0.0.0/8 dev eth0 && ip -6 route add fd02::/64 dev eth0 && ip -6 route add fd01::/64 via fd02::1 &&
         ip route replace 10.1.0.0/24 via 10.2.0.1",
    );
    let to = SocketAddr::new(ip(pod_ip), 8000);
    assert_eq!(w.dial(&other, &to.to_string()).await.seen, ip(source), "the test's network does not work");
    redirect::reconcile_host(&w.node, &[ip(pod_ip)]).unwrap();
    let socket = sockets::tcp_socket(Some(&other), to.into(), &ConnectOptions::default()).unwrap();
    let connected = timeout(Duration::from_millis(300), sockets::connect(socket, to)).await;
    assert!(connected.is_err(), "past the proxy, or never in question: {connected:?}");
    assert_eq!(w.dial(&w.node, &to.to_string()).await.seen, ip(source));
    assert_eq!(w.proxied(), 0);
}

#[tokio::test]
async fn nobody_else_is_the_node_ipv4() {
    nobody_else_is_the_node("169.254.7.127", "10.1.0.2").await;
}

#[tokio::test]
async fn nobody_else_is_the_node_ipv6() {
    nobody_else_is_the_node("fd16:9254:7127:1337:ffff:ffff:ffff:ffff", "fd01::2").await;
}

#[test]
fn the_kernel_holds_what_the_text_says() {
    let netns = fresh_netns();
    // nft elides what follows from the rest, and our comments are not part of the rule.
    let plain = |s: &str| {
        let s = without_comments(s);
        let s = s.replace("meta l4proto tcp tcp", "tcp").replace("meta l4proto tcp ", "").replace("l4proto tcp ", "");
        s.lines().map(with_sorted_elements).collect::<Vec<_>>()
    };
    let service = |protocol, at: &str, endpoints: &[&str]| {
        let at: SocketAddr = at.parse().unwrap();
        let endpoints = endpoints.iter().map(|e| e.parse().unwrap()).collect();
        ServicePort { protocol, address: at.ip(), port: at.port(), endpoints }
    };
    let services = [
        service(Protocol::Tcp, "10.96.0.1:80", &["10.244.1.2:8080", "10.244.2.2:8080", "10.244.3.2:8080"]),
        service(Protocol::Udp, "10.96.0.10:53", &["10.244.1.3:5353"]),
        service(Protocol::Tcp, "[fd96::1]:80", &["[fd00::2]:8080", "[fd00::3]:8080"]),
        service(Protocol::Udp, "[fd96::1]:53", &["[fd00::2]:5353"]),
        service(Protocol::Tcp, "10.96.0.2:80", &[]),
        service(Protocol::Udp, "[fd96::2]:53", &[]),
    ];
    for table in [
        rules::pod_table(CAPTURE),
        rules::pod_table(Mode::Capture { inbound: false }),
        rules::pod_table(Mode::Draining),
        rules::host_table(),
        services::table(&services),
        services::table(&[]),
    ] {
        netns.run(|| net::nft::replace(&table)).unwrap().unwrap();
        assert!(netns.run(|| net::nft::is_intact(&table)).unwrap().unwrap());
        let shown = run_in(&netns, &format!("nft list table inet {}", table.name));
        assert_eq!(plain(&shown), plain(&table.to_string()), "\n{shown}");
    }
}

/// The kernel lists the elements of a set in the order of their hashes.
fn with_sorted_elements(line: &str) -> String {
    let Some((before, rest)) = line.split_once("{ ") else { return line.to_owned() };
    let (elements, after) = rest.split_once(" }").unwrap();
    let mut elements: Vec<&str> = elements.split(", ").collect();
    elements.sort_unstable();
    format!("{before}{{ {} }}{after}", elements.join(", "))
}

/// Cuts ` comment "..."` out of each line.
fn without_comments(listing: &str) -> String {
    listing.lines().map(|l| l.split(" comment \"").next().unwrap_or_default().to_owned() + "\n").collect()
}

#[test]
fn what_is_lost_is_noticed_and_restored() {
    let netns = fresh_netns();
    redirect::apply(&netns, CAPTURE).unwrap();
    for damage in [
        "nft flush ruleset",
        "nft flush chain inet ambient output-nat",
        "nft delete chain inet ambient prerouting-nat",
        "nft insert rule inet ambient output-nat accept",
        "nft add rule inet ambient prerouting-nat accept",
        "ip rule del fwmark 0x111/0xfff lookup 100",
        "ip route flush table 100",
    ] {
        run_in(&netns, damage);
        assert_eq!(redirect::verify(&netns, CAPTURE).unwrap(), Check::Repaired, "after `{damage}`");
        assert_eq!(redirect::verify(&netns, CAPTURE).unwrap(), Check::Intact, "after `{damage}`");
    }
    // The same rules at another place: as an earlier version may have had them.
    let mut moved = rules::pod_table(CAPTURE);
    moved.chains.iter_mut().filter_map(|chain| chain.base.as_mut()).for_each(|base| base.priority += 1);
    netns.run(|| net::nft::replace(&moved)).unwrap().unwrap();
    assert_eq!(redirect::verify(&netns, CAPTURE).unwrap(), Check::Repaired);
    // Somebody else's table is none of our business.
    run_in(&netns, "nft add table inet other");
    assert_eq!(redirect::verify(&netns, CAPTURE).unwrap(), Check::Intact);
    redirect::remove(&netns).unwrap();
    assert!(!redirect::is_present(&netns).unwrap());
    assert_eq!(run_in(&netns, "nft list ruleset").trim(), "table inet other {\n}");
}

#[test]
fn a_namespace_without_ipv6_is_no_obstacle() {
    let netns = fresh_netns();
    run_in(&netns, "sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
    redirect::apply(&netns, CAPTURE).unwrap();
    assert_eq!(redirect::verify(&netns, CAPTURE).unwrap(), Check::Intact);
    let any = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 15006));
    sockets::listen(Some(&netns), any, &ListenOptions::default()).unwrap();
    redirect::remove(&netns).unwrap();
    assert_no_trace(&netns);
}

#[test]
fn many_pods_fit_in_the_set() {
    let netns = fresh_netns();
    let pods: Vec<IpAddr> = (0..3000u32).map(|i| std::net::Ipv4Addr::from(0x0a00_0001 + i).into()).collect();
    redirect::reconcile_host(&netns, &pods).unwrap();
    // A set that is just growing may be listed incompletely: the kernel moves its elements meanwhile.
    let grown = || redirect::reconcile_host(&netns, &pods).unwrap() == Check::Intact;
    assert!((0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        grown()
    }));
    let listed = netns.run(|| net::nft::list_elements(&rules::host_table())).unwrap().unwrap();
    assert_eq!(listed.len(), pods.len());
}

#[test]
fn a_thread_comes_home_also_after_a_panic() {
    let (home, away) = (Netns::current().unwrap(), fresh_netns());
    assert_ne!(home, away);
    assert_eq!(away.enter(|| Netns::current().unwrap()).unwrap(), away);
    let panicked = std::panic::catch_unwind(|| away.enter(|| panic!("expected by the test")));
    assert!(panicked.is_err());
    assert_eq!(Netns::current().unwrap(), home);
    assert_eq!(away.run(|| Netns::current().unwrap()).unwrap(), away);
    let started = std::time::Instant::now();
    for _ in 0..1000 {
        sockets::tcp_socket(Some(&away), Family::V4, &ConnectOptions::default()).unwrap();
    }
    println!("a socket in another namespace costs {:?}", started.elapsed() / 1000);
}

#[test]
fn only_a_network_namespace_is_one() {
    let file = std::fs::File::open("/proc/self/ns/mnt").unwrap();
    assert!(Netns::from_fd(file.into()).is_err());
    assert!(Netns::from_fd(std::fs::File::open("/dev/null").unwrap().into()).is_err());
    assert!(Netns::open("/nonexistent").is_err());
}
