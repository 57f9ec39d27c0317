//! Which streams run through the proxy, which are older than it, and that each goes on or is cut as it should.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use net::redirect::{self, Check};
use net::rules::{self, Mode};
use net::sockets::{self, ConnectOptions};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::{CAPTURE, Stream, WAIT, World, assert_no_trace, dial_from, ip, run_in};

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
