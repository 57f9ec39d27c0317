//! The names and addresses of a cluster: functions of its options, so that any process can work them out again.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde::{Deserialize, Serialize};

/// Which addresses a cluster has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4 alone.
    #[default]
    Ipv4,
    /// IPv6 alone: no node, pod or service has an IPv4 address.
    Ipv6,
    /// Both, IPv4 first.
    Dual,
}

/// What a cluster shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Its name: small letters, digits and hyphens, at most 20.
    pub name: String,
    /// How many nodes it has, 1 to 50.
    pub nodes: usize,
    /// Which addresses it has.
    pub family: Family,
}

impl Default for Options {
    fn default() -> Self {
        Self { name: "default".to_owned(), nodes: 2, family: Family::Ipv4 }
    }
}

impl Options {
    /// Returns what is wrong with the options.
    pub fn complaint(&self) -> Option<String> {
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > 20 || !self.name.chars().all(letter) || self.name.starts_with('-')
        {
            return Some(format!("a cluster cannot be named {:?}: 1 to 20 of a-z, 0-9 and -", self.name));
        }
        (self.nodes == 0 || self.nodes > 50).then(|| format!("a cluster has 1 to 50 nodes, not {}", self.nodes))
    }
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Its first address.
    pub first: IpAddr,
    /// The bits that all its addresses share.
    pub bits: u8,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// The names and addresses of one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What it shall be.
    pub options: Options,
    /// What sets its node network apart from those of other clusters on this machine.
    pub index: u8,
}

impl Plan {
    /// Returns the name of the network namespace of the control plane, which is also that of its groups.
    pub fn space(&self) -> String {
        format!("ambient-{}", self.options.name)
    }

    /// Returns the name of the network namespace of a node.
    pub fn node_space(&self, node: usize) -> String {
        format!("{}-{}", self.space(), node_name(node))
    }

    /// Returns the name of the link on the host, at most the 15 letters of an interface.
    pub fn host_link(&self) -> String {
        format!("ambient{}", self.index)
    }

    /// Returns the range of the nodes and of the control plane, for each address family.
    pub fn node_ranges(&self) -> Vec<Range> {
        self.ranges(
            Range { first: IpAddr::V4(self.v4(0)), bits: 24 },
            Range { first: IpAddr::V6(self.v6(0)), bits: 64 },
        )
    }

    /// Returns the addresses of the API server.
    pub fn control(&self) -> Vec<IpAddr> {
        self.addresses(1)
    }

    /// Returns the addresses of the host in the network of the nodes.
    pub fn host(&self) -> Vec<IpAddr> {
        self.addresses(254)
    }

    /// Returns the addresses of a node.
    pub fn node(&self, node: usize) -> Vec<IpAddr> {
        self.addresses(10 + octet(node))
    }

    /// Returns the ranges of all pods.
    pub fn pods(&self) -> Vec<Range> {
        let v6 = Ipv6Addr::new(0xfd44, 0, 0, 0, 0, 0, 0, 0);
        self.ranges(
            Range { first: Ipv4Addr::new(10, 244, 0, 0).into(), bits: 16 },
            Range { first: v6.into(), bits: 56 },
        )
    }

    /// Returns the ranges of the pods of a node.
    pub fn node_pods(&self, node: usize) -> Vec<Range> {
        let v6 = Ipv6Addr::new(0xfd44, 0, 0, u16::from(octet(node)), 0, 0, 0, 0);
        self.ranges(
            Range { first: Ipv4Addr::new(10, 244, octet(node), 0).into(), bits: 24 },
            Range { first: v6.into(), bits: 64 },
        )
    }

    /// Returns the ranges of the services.
    pub fn services(&self) -> Vec<Range> {
        self.ranges(Range { first: service_v4(0).into(), bits: 16 }, Range { first: service_v6(0).into(), bits: 112 })
    }

    /// Returns the addresses of the service `kubernetes`: by rule the first of each range.
    pub fn kubernetes(&self) -> Vec<IpAddr> {
        self.pick(service_v4(1), service_v6(1))
    }

    /// Returns the addresses of the cluster's DNS.
    pub fn dns(&self) -> Vec<IpAddr> {
        self.pick(service_v4(10), service_v6(10))
    }

    /// Returns the URL of the API server.
    pub fn url(&self) -> String {
        match self.control().first() {
            Some(IpAddr::V6(address)) => format!("https://[{address}]:6443"),
            Some(IpAddr::V4(address)) => format!("https://{address}:6443"),
            None => String::new(),
        }
    }

    fn v4(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(172, 30, self.index, last)
    }

    fn v6(&self, last: u8) -> Ipv6Addr {
        Ipv6Addr::new(0xfd30, 0, 0, u16::from(self.index), 0, 0, 0, u16::from(last))
    }

    fn addresses(&self, last: u8) -> Vec<IpAddr> {
        self.pick(self.v4(last), self.v6(last))
    }

    fn pick(&self, v4: Ipv4Addr, v6: Ipv6Addr) -> Vec<IpAddr> {
        self.choose(v4.into(), v6.into())
    }

    fn ranges(&self, v4: Range, v6: Range) -> Vec<Range> {
        self.choose(v4, v6)
    }

    fn choose<T>(&self, v4: T, v6: T) -> Vec<T> {
        match self.options.family {
            Family::Ipv4 => vec![v4],
            Family::Ipv6 => vec![v6],
            Family::Dual => vec![v4, v6],
        }
    }
}

/// Returns the name of a node.
pub fn node_name(node: usize) -> String {
    format!("node{node}")
}

/// Returns values as Kubernetes' flags take them.
pub fn joined(values: &[impl ToString]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn service_v4(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 96, 0, last)
}

fn service_v6(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd96, 0, 0, 0, 0, 0, 0, last)
}

/// There are at most 50 nodes, see `Options::complaint`.
fn octet(node: usize) -> u8 {
    u8::try_from(node).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_the_family() {
        let plan = |family| Plan { options: Options { family, ..Options::default() }, index: 3 };
        assert_eq!(joined(&plan(Family::Ipv4).node(1)), "172.30.3.11");
        assert_eq!(joined(&plan(Family::Ipv6).node(1)), "fd30:0:0:3::b");
        assert_eq!(joined(&plan(Family::Dual).services()), "10.96.0.0/16,fd96::/112");
        assert_eq!(joined(&plan(Family::Dual).dns()), "10.96.0.10,fd96::a");
        assert_eq!(joined(&plan(Family::Dual).node_pods(1)), "10.244.1.0/24,fd44:0:0:1::/64");
        assert_eq!(plan(Family::Ipv6).url(), "https://[fd30:0:0:3::1]:6443");
    }

    #[test]
    fn names_that_would_break_paths_or_links_are_refused() {
        let named = |name: &str| Options { name: name.to_owned(), ..Options::default() }.complaint();
        assert!(named("check-1").is_none());
        assert!(named("a/b").is_some() && named("").is_some() && named("-x").is_some());
        assert!(Options { nodes: 0, ..Options::default() }.complaint().is_some());
    }
}
