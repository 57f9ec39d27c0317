//! Interfaces, addresses, routes.

use net::links::{self, Ipv4Setting, Prefix, Route, Veth};
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

#[test]
fn settings_of_an_interface_need_no_writable_proc() {
    let netns = Netns::create().unwrap();
    let settings = [
        (Ipv4Setting::Forwarding, "forwarding", 1),
        (Ipv4Setting::ProxyArp, "proxy_arp", 1),
        (Ipv4Setting::AcceptRedirects, "accept_redirects", 0),
        (Ipv4Setting::SendRedirects, "send_redirects", 0),
        (Ipv4Setting::ReversePathFilter, "rp_filter", 2),
    ];
    netns
        .run(|| {
            links::add_bridge("br0").unwrap();
            for (setting, name, value) in settings {
                links::configure("br0", setting, value).unwrap();
                let path = format!("/proc/sys/net/ipv4/conf/br0/{name}");
                assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), value.to_string(), "{path}");
            }
        })
        .unwrap();
}

/// Every pod on a link of its own, the gateway on each of them: no bridge, no setting outside the interfaces.
#[tokio::test]
async fn pods_reach_each_other_without_a_bridge() {
    let node = Netns::create().unwrap();
    let gateway = ip("10.244.1.1");
    let pods = ["10.244.1.2", "10.244.1.3"].map(|address| {
        let (pod, name) = (Netns::create().unwrap(), format!("veth{}", address.replace('.', "-").split_off(7)));
        let any = Prefix::new(ip("0.0.0.0"), 0).unwrap();
        node.enter(|| {
            links::add_veth(Veth { name: &name, peer: "eth0", peer_netns: &pod, mtu: 1500 }).unwrap();
            links::add_address(&name, Prefix::host(gateway)).unwrap();
            links::set_up(&name).unwrap();
            links::configure(&name, Ipv4Setting::Forwarding, 1).unwrap();
            let to = Prefix::host(ip(address));
            links::add_route(Route { to, via: None, device: &name, onlink: false }).unwrap();
        })
        .unwrap();
        pod.enter(|| {
            links::add_address("eth0", Prefix::host(ip(address))).unwrap();
            links::set_up("eth0").unwrap();
            links::add_route(Route { to: any, via: Some(gateway), device: "eth0", onlink: true }).unwrap();
        })
        .unwrap();
        pod
    });
    serve(&pods[1], 8080, "two");
    assert_eq!(ask(&pods[0], "10.244.1.3:8080").await, ("two".into(), ip("10.244.1.2")));
    assert_eq!(ask(&node, "10.244.1.3:8080").await, ("two".into(), gateway));
}
