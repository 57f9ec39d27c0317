//! Interfaces, addresses, routes.

use net::links::{self, Prefix, Route, Veth};
use net::netns::Netns;

use crate::pods::{Node, ask, ip, serve};

#[tokio::test]
async fn two_pods_on_a_bridge_reach_each_other() {
    let node = Node::new();
    let (one, two) = (node.pod("10.244.1.2", "fd01::2"), node.pod("10.244.1.3", "fd01::3"));
    serve(&two, 8080, "two");
    serve(&node.netns, 9000, "node");
    assert_eq!(ask(&one, "10.244.1.3:8080").await, ("two".into(), ip("10.244.1.2")));
    assert_eq!(ask(&one, "[fd01::3]:8080").await, ("two".into(), ip("fd01::2")));
    assert_eq!(ask(&one, "10.244.1.1:9000").await, ("node".into(), ip("10.244.1.2")));
    assert_eq!(ask(&node.netns, "10.244.1.3:8080").await, ("two".into(), ip("10.244.1.1")));
}

#[test]
fn links_are_made_once_and_deleted_with_their_peers() {
    let (here, there) = (Netns::create().unwrap(), Netns::create().unwrap());
    assert_ne!(here, there);
    let names = |netns: &Netns| netns.enter(|| links::list().unwrap()).unwrap();
    here.enter(|| {
        links::add_bridge("br0").unwrap();
        assert!(links::add_bridge("br0").unwrap_err().is_exists());
        let veth = Veth { name: "a", peer: "eth0", peer_netns: &there, mtu: 1400 };
        links::add_veth(veth).unwrap();
        assert!(links::add_veth(veth).unwrap_err().is_exists());
        assert!(links::add_veth(Veth { name: "sixteen-bytes-it", ..veth }).is_err());
        assert!(links::attach("a", "none").unwrap_err().is_not_found());
        assert_ne!(links::index("a").unwrap(), links::index("br0").unwrap());
        assert!(links::index("none").unwrap_err().is_not_found());
        assert_eq!(links::index("lo").unwrap(), 1);
        links::set_up("a").unwrap();
        links::set_down("a").unwrap();
        assert!(links::set_up("none").unwrap_err().is_not_found());
        let address = Prefix::new(ip("10.0.0.1"), 24).unwrap();
        links::add_address("a", address).unwrap();
        assert!(links::add_address("a", address).unwrap_err().is_exists());
    })
    .unwrap();
    let name = |n: &str| n.to_owned();
    assert_eq!(names(&here), [name("lo"), name("br0"), name("a")]);
    assert_eq!(names(&there), [name("lo"), name("eth0")]);
    here.enter(|| {
        links::delete("a").unwrap();
        links::delete("a").unwrap();
    })
    .unwrap();
    assert_eq!(names(&there), ["lo"]);
}

#[test]
fn a_route_needs_a_next_hop_on_the_link_unless_told_otherwise() {
    let netns = Netns::create().unwrap();
    netns
        .enter(|| {
            links::add_bridge("br0").unwrap();
            links::set_up("br0").unwrap();
            links::add_address("br0", Prefix::host(ip("10.244.1.2"))).unwrap();
            let to = Prefix::new(ip("0.0.0.0"), 0).unwrap();
            let route = Route { to, via: Some(ip("10.244.1.1")), device: "br0", onlink: false };
            assert_eq!(links::add_route(route).unwrap_err().errno(), Some(libc::ENETUNREACH));
            links::add_route(Route { onlink: true, ..route }).unwrap();
            assert!(links::add_route(Route { onlink: true, ..route }).unwrap_err().is_exists());
            let to = Prefix::new(ip("10.0.0.0"), 8).unwrap();
            links::add_route(Route { to, via: None, ..route }).unwrap();
        })
        .unwrap();
}

#[test]
fn settings_are_those_of_the_namespace() {
    let (one, other) = (Netns::create().unwrap(), Netns::create().unwrap());
    let read = |netns: &Netns| netns.run(|| std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap()).unwrap();
    one.enter(|| links::sysctl("ipv4/ip_forward", "1").unwrap()).unwrap();
    assert_eq!((read(&one).trim(), read(&other).trim()), ("1", "0"));
    let error = one.enter(|| links::sysctl("ipv4/none", "1").unwrap_err()).unwrap();
    assert_eq!(error.to_string(), "cannot set net/ipv4/none to 1");
}
