//! Services on a node, a small kube-proxy: what is sent to a service's address arrives at one of its
//! endpoints. Called by the sandbox, which has no kube-proxy.
//!
//! A node needs a route to the service addresses, whatever it says: the kernel looks for one before it
//! translates what the node itself sends. Answers must come back through the node, so pods of one node
//! reach each other through it and not over a bridge.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crate::netns::Netns;
use crate::nft;
use crate::redirect::Error;
use crate::rules::{Action, Base, Chain, Hook, Kind, Match, Protocol, Rule, Table};

/// Our table's name.
pub const TABLE: &str = "ambient-services";

/// One port of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServicePort {
    /// The protocol.
    pub protocol: Protocol,
    /// The service's address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// Where it leads; those of another family than the address do not count. Without any a connection is refused.
    pub endpoints: Vec<SocketAddr>,
}

impl ServicePort {
    fn reachable(&self) -> Vec<SocketAddr> {
        self.endpoints.iter().copied().filter(|e| e.is_ipv6() == self.address.is_ipv6()).collect()
    }

    fn rule(&self, then: Action) -> Rule {
        Rule { when: vec![Match::Destination(self.address), Match::Port(self.protocol, self.port)], then }
    }
}

/// The rules of these services.
pub fn table(services: &[ServicePort]) -> Table {
    let (mut led, mut refused) = (Vec::new(), Vec::new());
    for service in services {
        let endpoints = service.reachable();
        if endpoints.is_empty() {
            refused.push(service.rule(Action::Reject(service.protocol)));
        } else {
            led.push(service.rule(Action::Dnat(endpoints)));
        }
    }
    let base = |name, kind, hook, priority, rules| Chain { name, base: Some(Base { kind, hook, priority }), rules };
    let jump = |to| vec![Rule { when: vec![], then: Action::Jump(to) }];
    Table {
        name: TABLE,
        sets: vec![],
        chains: vec![
            Chain { name: "services", base: None, rules: led },
            Chain { name: "no-endpoints", base: None, rules: refused },
            base("prerouting-nat", Kind::Nat, Hook::Prerouting, -100, jump("services")),
            base("output-nat", Kind::Nat, Hook::Output, -100, jump("services")),
            base("postrouting-nat", Kind::Nat, Hook::Postrouting, 100, hairpin(services)),
            // Before routing, as a packet to a service may have no route; the kernel can since Linux 5.9.
            base("prerouting-filter", Kind::Filter, Hook::Prerouting, 0, jump("no-endpoints")),
            base("output-filter", Kind::Filter, Hook::Output, 0, jump("no-endpoints")),
        ],
    }
}

/// Makes the node serve these services and no others, in one transaction; connections that exist stay where they are.
pub fn set(node: &Netns, services: &[ServicePort]) -> Result<(), Error> {
    Ok(node.enter(|| nft::replace(&table(services)))??)
}

/// Whether the node serves these services and no others.
pub fn is_intact(node: &Netns, services: &[ServicePort]) -> Result<bool, Error> {
    Ok(node.enter(|| nft::is_intact(&table(services)))??)
}

/// Removes every service from the node; none there is no error.
pub fn remove(node: &Netns) -> Result<(), Error> {
    Ok(node.enter(|| nft::remove(TABLE))??)
}

/// A pod that is led to itself would drop packets from its own address, and would answer itself without the way
/// back through the translation: such a packet gets the node's address.
fn hairpin(services: &[ServicePort]) -> Vec<Rule> {
    let endpoints: BTreeSet<IpAddr> =
        services.iter().flat_map(ServicePort::reachable).map(|endpoint| endpoint.ip()).collect();
    let (v6, v4): (Vec<IpAddr>, Vec<IpAddr>) = endpoints.into_iter().partition(IpAddr::is_ipv6);
    [(false, v4), (true, v6)]
        .into_iter()
        .filter(|(_, addresses)| !addresses.is_empty())
        .map(|(v6, addresses)| Rule {
            when: vec![Match::Translated, Match::FromItself { v6, addresses }],
            then: Action::Masquerade,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(protocol: Protocol, at: &str, endpoints: &[&str]) -> ServicePort {
        let at: SocketAddr = at.parse().expect("an address");
        let endpoints = endpoints.iter().map(|e| e.parse().expect("an address")).collect();
        ServicePort { protocol, address: at.ip(), port: at.port(), endpoints }
    }

    #[test]
    fn services_as_nft_shows_them() {
        let services = [
            service(Protocol::Tcp, "10.96.0.1:80", &["10.244.1.2:8080", "10.244.2.2:8080", "[fd00::2]:8080"]),
            service(Protocol::Udp, "10.96.0.10:53", &["10.244.1.3:5353"]),
            service(Protocol::Tcp, "[fd96::1]:80", &["[fd00::2]:8080", "[fd00::3]:8080"]),
            service(Protocol::Tcp, "10.96.0.2:80", &[]),
            service(Protocol::Udp, "[fd96::2]:53", &["10.244.1.3:5353"]),
        ];
        let expected = "\
table inet ambient-services {
	chain services {
		ip daddr 10.96.0.1 tcp dport 80 dnat ip to numgen random mod 2 map { 0 : 10.244.1.2 . 8080, 1 : 10.244.2.2 . 8080 }
		ip daddr 10.96.0.10 udp dport 53 dnat ip to 10.244.1.3:5353
		ip6 daddr fd96::1 tcp dport 80 dnat ip6 to numgen random mod 2 map { 0 : fd00::2 . 8080, 1 : fd00::3 . 8080 }
	}

	chain no-endpoints {
		ip daddr 10.96.0.2 tcp dport 80 reject with tcp reset
		ip6 daddr fd96::2 udp dport 53 reject
	}

	chain prerouting-nat {
		type nat hook prerouting priority dstnat; policy accept;
		jump services
	}

	chain output-nat {
		type nat hook output priority -100; policy accept;
		jump services
	}

	chain postrouting-nat {
		type nat hook postrouting priority srcnat; policy accept;
		ct status dnat ip saddr . ip daddr { 10.244.1.2 . 10.244.1.2, 10.244.1.3 . 10.244.1.3, 10.244.2.2 . 10.244.2.2 } masquerade
		ct status dnat ip6 saddr . ip6 daddr { fd00::2 . fd00::2, fd00::3 . fd00::3 } masquerade
	}

	chain prerouting-filter {
		type filter hook prerouting priority filter; policy accept;
		jump no-endpoints
	}

	chain output-filter {
		type filter hook output priority filter; policy accept;
		jump no-endpoints
	}
}
";
        assert_eq!(table(&services).to_string(), expected);
    }
}
