//! The rules themselves: that the kernel holds them, and namespaces of all kinds.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use net::netns::Netns;
use net::redirect::{self, Check};
use net::rules::{self, Mode, Protocol};
use net::services::{self, ServicePort};
use net::sockets::{self, ConnectOptions, Family, ListenOptions};

use crate::{CAPTURE, assert_no_trace, fresh_netns, run_in};

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
