//! Services: a choice of endpoints, a pod that reaches itself, no endpoint at all.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use net::netns::Netns;
use net::rules::Protocol;
use net::services::{self, ServicePort};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::pods::{Node, WAIT, ask, connect, ip, serve};

fn service(protocol: Protocol, at: &str, endpoints: &[&str]) -> ServicePort {
    let at: SocketAddr = at.parse().unwrap();
    let endpoints = endpoints.iter().map(|e| e.parse().unwrap()).collect();
    ServicePort { protocol, address: at.ip(), port: at.port(), endpoints }
}

async fn spread(at: &str, endpoints: &[&str; 2], sources: [&str; 3]) {
    let node = Node::new();
    let (one, two) = (node.pod("10.244.1.2", "fd01::2"), node.pod("10.244.1.3", "fd01::3"));
    let client = node.pod("10.244.1.4", "fd01::4");
    serve(&one, 8080, "one");
    serve(&two, 8081, "two");
    let wanted = [service(Protocol::Tcp, at, endpoints)];
    services::set(&node.netns, &wanted).unwrap();
    assert!(services::is_intact(&node.netns, &wanted).unwrap());
    // A pod, the node, and a pod that is an endpoint itself: with 40 tries a fair choice misses one of two in 1 of 10^11.
    for (netns, source) in [(&client, sources[0]), (&node.netns, sources[1])] {
        let mut seen = BTreeSet::new();
        for _ in 0..40 {
            let (name, from) = ask(netns, at).await;
            assert_eq!(from, ip(source));
            seen.insert(name);
        }
        assert_eq!(seen, BTreeSet::from(["one".into(), "two".into()]));
    }
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        let (name, from) = ask(&one, at).await;
        let itself = name == "one";
        assert_eq!(from, ip(if itself { sources[1] } else { sources[2] }));
        seen.insert(name);
    }
    assert_eq!(seen.len(), 2);

    // One is left, then none.
    services::set(&node.netns, &[service(Protocol::Tcp, at, &endpoints[..1])]).unwrap();
    assert!(!services::is_intact(&node.netns, &wanted).unwrap());
    assert_eq!(ask(&client, at).await.0, "one");
    services::set(&node.netns, &[service(Protocol::Tcp, at, &[])]).unwrap();
    for netns in [&client, &node.netns] {
        let started = Instant::now();
        let error = connect(netns, at).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        assert!(started.elapsed() < Duration::from_secs(1));
    }
    services::remove(&node.netns).unwrap();
    services::remove(&node.netns).unwrap();
    assert!(!services::is_intact(&node.netns, &[]).unwrap());
}

#[tokio::test]
async fn a_service_leads_to_each_endpoint_and_is_refused_without_ipv4() {
    let endpoints = ["10.244.1.2:8080", "10.244.1.3:8081"];
    spread("10.96.0.1:80", &endpoints, ["10.244.1.4", "10.244.1.1", "10.244.1.2"]).await;
}

#[tokio::test]
async fn a_service_leads_to_each_endpoint_and_is_refused_without_ipv6() {
    spread("[fd96::1]:80", &["[fd01::2]:8080", "[fd01::3]:8081"], ["fd01::4", "fd01::1", "fd01::2"]).await;
}

#[tokio::test]
async fn a_service_of_udp() {
    let node = Node::new();
    let (server, client) = (node.pod("10.244.1.2", "fd01::2"), node.pod("10.244.1.3", "fd01::3"));
    let bind = |netns: &Netns, at: &str| {
        let socket = netns.enter(|| std::net::UdpSocket::bind(at).unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        UdpSocket::from_std(socket).unwrap()
    };
    let (server, client) = (bind(&server, "10.244.1.2:5353"), bind(&client, "0.0.0.0:0"));
    let to = "10.96.0.10:53";
    services::set(&node.netns, &[service(Protocol::Udp, to, &["10.244.1.2:5353"])]).unwrap();
    client.connect(to).await.unwrap();
    client.send(b"ask").await.unwrap();
    let mut bytes = [0; 8];
    let (length, from) = timeout(WAIT, server.recv_from(&mut bytes)).await.unwrap().unwrap();
    assert_eq!((&bytes[..length], from.ip()), (&b"ask"[..], ip("10.244.1.3")));
    server.send_to(b"answer", from).await.unwrap();
    let length = timeout(WAIT, client.recv(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(&bytes[..length], b"answer");

    let refused = "10.96.0.11:53";
    services::set(&node.netns, &[service(Protocol::Udp, refused, &[])]).unwrap();
    client.connect(refused).await.unwrap();
    client.send(b"ask").await.unwrap();
    let error = timeout(WAIT, client.recv(&mut bytes)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

/// Many endpoints exceed one message, many services the send buffer as it is.
#[test]
fn many_services_fit_in_one_transaction() {
    let netns = Netns::create().unwrap();
    let endpoint = |i: u32| SocketAddr::from((Ipv4Addr::from(0x0af4_0000 + i), 8080));
    let service = |i: u32, endpoints| ServicePort {
        protocol: Protocol::Tcp,
        address: Ipv4Addr::from(0x0a60_0000 + i).into(),
        port: 80,
        endpoints,
    };
    let rootless = std::env::var_os("AMBIENT_TEST_ROOTLESS").is_some();
    let services = |number: u32| -> Vec<ServicePort> {
        (0..number).map(|i| service(i, (0..3).map(|j| endpoint(i * 3 + j)).collect())).collect()
    };
    let wanted = services(if rootless { 380 } else { 2000 });
    services::set(&netns, &wanted).unwrap();
    assert!(services::is_intact(&netns, &wanted).unwrap());
    let one = [service(1, (0..5000).map(endpoint).collect())];
    services::set(&netns, &one).unwrap();
    assert!(services::is_intact(&netns, &one).unwrap());
    // What does not fit says so, and leaves what is there. (A machine may be set to take more than 10 MiB.)
    if rootless && let Err(error) = services::set(&netns, &services(12_000)) {
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("exceeds net.core.wmem_max"), "{cause}");
        assert!(services::is_intact(&netns, &one).unwrap());
    }
}
