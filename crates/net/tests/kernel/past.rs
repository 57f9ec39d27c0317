//! Nothing new gets past the proxy, whoever tries and by whatever chance; and what has to get past it does.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::{Duration, Instant};

use net::netns::Netns;
use net::redirect::{self, Check};
use net::rules::{self, Mode};
use net::sockets::{self, ConnectOptions};
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;
use tokio::time::timeout;

use crate::{CAPTURE, Stream, WAIT, World, assert_no_trace, dial_from, fresh_netns, ip, run_in};

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
