//! Interfaces, addresses, routes and network settings: what a network of namespaces is made of. Called
//! by the sandbox, which has no other program to do it.
//!
//! Works on the calling thread's namespace: enter it first. What exists already is an error of which
//! [`Error::is_exists`] tells.

use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Component, Path};
use std::{fmt, fs, io};

use crate::netlink::{Error, Link, Message, attribute};
use crate::netns::Netns;

/// An address with the length of its network, `address/length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// Pairs an address and a length in bits; none if the family has fewer bits.
    pub fn new(address: impl Into<IpAddr>, length: u8) -> Option<Self> {
        let address = address.into();
        (length <= Self::host(address).length).then_some(Self { address, length })
    }

    /// The prefix of this address alone.
    pub fn host(address: impl Into<IpAddr>) -> Self {
        let address = address.into();
        Self { address, length: if address.is_ipv6() { 128 } else { 32 } }
    }

    /// The address, with the bits beyond the length.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The length in bits.
    pub fn length(&self) -> u8 {
        self.length
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// A pair of connected interfaces.
#[derive(Clone, Copy, Debug)]
pub struct Veth<'a> {
    /// The end in the calling thread's namespace; at most 15 bytes, as every name of an interface.
    pub name: &'a str,
    /// The other end.
    pub peer: &'a str,
    /// Where the other end is.
    pub peer_netns: &'a Netns,
    /// Largest packet of both ends.
    pub mtu: u32,
}

/// A route of the main table.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// Where to; bits beyond the length must be zero.
    pub to: Prefix,
    /// The next hop; without it the destination is on the link.
    pub via: Option<IpAddr>,
    /// The interface to leave by.
    pub device: &'a str,
    /// The next hop is on the link although no address of the interface says so.
    pub onlink: bool,
}

/// Makes a bridge, which is down.
///
/// Where the kernel's `br_netfilter` is loaded, bridged packets pass the rules as well; `net/bridge/bridge-nf-call-iptables`
/// (see [`sysctl`]) switches that off for a namespace.
pub fn add_bridge(name: &str) -> Result<(), Error> {
    let make = new_link(format!("bridge {name}")).text(libc::IFLA_IFNAME, name);
    request(make.nest(libc::IFLA_LINKINFO, |m| m.text(libc::IFLA_INFO_KIND, "bridge")))
}

/// Makes a pair of connected interfaces, which are down.
pub fn add_veth(veth: Veth<'_>) -> Result<(), Error> {
    let netns = veth.peer_netns.as_fd().as_raw_fd();
    let end = |m: Message, name| m.text(libc::IFLA_IFNAME, name).attr(libc::IFLA_MTU, &veth.mtu.to_ne_bytes());
    let make = end(new_link(format!("interfaces {} and {}", veth.name, veth.peer)), veth.name);
    request(make.nest(libc::IFLA_LINKINFO, |m| {
        m.text(libc::IFLA_INFO_KIND, "veth").nest(libc::IFLA_INFO_DATA, |m| {
            m.nest(VETH_INFO_PEER, |m| {
                end(m.body(&[0; LINK_BODY]), veth.peer).attr(libc::IFLA_NET_NS_FD, &netns.to_ne_bytes())
            })
        })
    }))
}

/// Makes an interface a port of a bridge.
pub fn attach(name: &str, bridge: &str) -> Result<(), Error> {
    let master = index(bridge)?;
    let what = format!("interface {name} as a port of {bridge}");
    let change = Message::new(what, libc::RTM_NEWLINK, 0).body(&[0; LINK_BODY]);
    request(change.text(libc::IFLA_IFNAME, name).attr(libc::IFLA_MASTER, &master.to_ne_bytes()))
}

/// Switches an interface on.
pub fn set_up(name: &str) -> Result<(), Error> {
    switch(name, true)
}

/// Switches an interface off.
pub fn set_down(name: &str) -> Result<(), Error> {
    switch(name, false)
}

/// Switches loopback on, which a new namespace has off.
pub fn set_loopback_up() -> Result<(), Error> {
    set_up("lo")
}

/// Gives an interface an address, which is usable at once, and the route to its network.
pub fn add_address(name: &str, prefix: Prefix) -> Result<(), Error> {
    let (family, octets) = octets(prefix.address);
    let mut body = [family, prefix.length, 0, 0, 0, 0, 0, 0]; // struct ifaddrmsg: family, length, flags, scope, index
    body[4..].copy_from_slice(&index(name)?.to_ne_bytes());
    let change = Message::new(format!("address {prefix} of {name}"), libc::RTM_NEWADDR, CREATE).body(&body);
    let change = change.attr(libc::IFA_LOCAL, &octets).attr(libc::IFA_ADDRESS, &octets);
    // Detection of duplicates (RFC 4862 5.4) would keep an IPv6 address unusable for a second.
    request(match prefix.address {
        IpAddr::V4(_) => change,
        IpAddr::V6(_) => change.attr(libc::IFA_FLAGS, &libc::IFA_F_NODAD.to_ne_bytes()),
    })
}

/// Adds a route.
pub fn add_route(route: Route<'_>) -> Result<(), Error> {
    let (family, to) = octets(route.to.address);
    let scope = if route.via.is_some() { libc::RT_SCOPE_UNIVERSE } else { libc::RT_SCOPE_LINK };
    let flags = if route.onlink { RTNH_F_ONLINK } else { 0 };
    let (table, protocol) = (libc::RT_TABLE_MAIN, libc::RTPROT_STATIC);
    // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags (u32).
    let mut body = [family, route.to.length, 0, 0, table, protocol, scope, libc::RTN_UNICAST, 0, 0, 0, 0];
    body[8..].copy_from_slice(&flags.to_ne_bytes());
    let what = format!("route to {} through {}", route.to, route.device);
    let mut change = Message::new(what, libc::RTM_NEWROUTE, CREATE).body(&body);
    if route.to.length > 0 {
        change = change.attr(libc::RTA_DST, &to);
    }
    if let Some(via) = route.via {
        change = change.attr(libc::RTA_GATEWAY, &octets(via).1);
    }
    request(change.attr(libc::RTA_OIF, &index(route.device)?.to_ne_bytes()))
}

/// Deletes an interface, and with one end of a pair the other; one that is not there is no error.
pub fn delete(name: &str) -> Result<(), Error> {
    let change = Message::new(format!("deletion of interface {name}"), libc::RTM_DELLINK, 0).body(&[0; LINK_BODY]);
    match request(change.text(libc::IFLA_IFNAME, name)) {
        Err(e) if e.is_not_found() => Ok(()),
        other => other,
    }
}

/// The number of an interface.
pub fn index(name: &str) -> Result<u32, Error> {
    let ask = Message::new(format!("interface {name}"), libc::RTM_GETLINK, 0).body(&[0; LINK_BODY]);
    let answer = Link::open(libc::NETLINK_ROUTE)?.get(ask.text(libc::IFLA_IFNAME, name))?;
    let index = answer.get(4..).and_then(|b| b.first_chunk::<4>()).ok_or(Error::Malformed)?;
    Ok(u32::from_ne_bytes(*index))
}

/// The names of all interfaces.
pub fn list() -> Result<Vec<String>, Error> {
    let ask = Message::new("the list of interfaces", libc::RTM_GETLINK, 0).body(&[0; LINK_BODY]);
    let answers = Link::open(libc::NETLINK_ROUTE)?.dump(ask)?;
    let name = |answer: &Vec<u8>| {
        let name = attribute(answer.get(LINK_BODY..)?, libc::IFLA_IFNAME)?;
        Some(String::from_utf8_lossy(name.strip_suffix(b"\0").unwrap_or(name)).into_owned())
    };
    Ok(answers.iter().filter_map(name).collect())
}

/// Settings of an interface for IPv4, with the kernel's numbers (`IPV4_DEVCONF_*` of linux/ip.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv4Setting {
    /// What arrives here is forwarded.
    Forwarding = 1,
    /// Answers for addresses that are routed to another interface.
    ProxyArp = 3,
    /// Believes a router that a shorter way exists.
    AcceptRedirects = 4,
    /// Tells senders that a shorter way exists.
    SendRedirects = 6,
    /// Drops what comes from where its source is not routed to (1), or from a source that is not routed at all (2).
    ReversePathFilter = 8,
}

/// Changes a setting of an interface, also where `/proc/sys` is read-only, as in containers.
///
/// For redirects and the filter the kernel looks at the setting of all interfaces as well, which only [`sysctl`] changes.
pub fn configure(name: &str, setting: Ipv4Setting, value: u32) -> Result<(), Error> {
    let what = format!("setting {setting:?} of interface {name}");
    let change = Message::new(what, libc::RTM_NEWLINK, 0).body(&[0; LINK_BODY]).text(libc::IFLA_IFNAME, name);
    request(change.nest(libc::IFLA_AF_SPEC, |m| {
        m.nest(libc::AF_INET as u16, |m| m.nest(IFLA_INET_CONF, |m| m.attr(setting as u16, &value.to_ne_bytes())))
    }))
}

/// A network setting that the kernel or the sandbox around us did not take.
#[derive(Debug, thiserror::Error)]
#[error("cannot set net/{path} to {value}")]
pub struct SysctlError {
    /// The setting, below `/proc/sys/net`.
    pub path: String,
    /// The value.
    pub value: String,
    /// Why; `NotFound` if this kernel has no such setting.
    #[source]
    pub source: io::Error,
}

/// Writes a setting below `/proc/sys/net`, such as `ipv4/ip_forward`.
///
/// Settings that belong to the whole machine (`core/wmem_max`) are refused in a user namespace, and all are in a container
/// whose `/proc/sys` is read-only.
pub fn sysctl(path: &str, value: &str) -> Result<(), SysctlError> {
    let error = |source| SysctlError { path: path.into(), value: value.into(), source };
    let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    if !inside {
        return Err(error(io::ErrorKind::InvalidInput.into()));
    }
    fs::write(Path::new("/proc/sys/net").join(path), value).map_err(error)
}

/// Size of struct ifinfomsg: family, type, index, flags, change.
const LINK_BODY: usize = 16;
const CREATE: i32 = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
/// `VETH_INFO_PEER` of linux/veth.h.
const VETH_INFO_PEER: u16 = 1;
/// `IFLA_INET_CONF` of linux/if_link.h.
const IFLA_INET_CONF: u16 = 1;
/// `RTNH_F_ONLINK` of linux/rtnetlink.h.
const RTNH_F_ONLINK: u32 = 4;

fn new_link(what: String) -> Message {
    Message::new(what, libc::RTM_NEWLINK, CREATE).body(&[0; LINK_BODY])
}

fn switch(name: &str, up: bool) -> Result<(), Error> {
    let up_flag = libc::IFF_UP as u32;
    let mut body = [0; LINK_BODY];
    body[8..12].copy_from_slice(&(if up { up_flag } else { 0 }).to_ne_bytes());
    body[12..16].copy_from_slice(&up_flag.to_ne_bytes());
    let what = format!("interface {name} {}", if up { "up" } else { "down" });
    request(Message::new(what, libc::RTM_NEWLINK, 0).body(&body).text(libc::IFLA_IFNAME, name))
}

fn request(message: Message) -> Result<(), Error> {
    Link::open(libc::NETLINK_ROUTE)?.request(message)
}

fn octets(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(a) => (libc::AF_INET as u8, a.octets().to_vec()),
        IpAddr::V6(a) => (libc::AF_INET6 as u8, a.octets().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_at_most_the_bits_of_its_family() {
        let [v4, v6]: [IpAddr; 2] = [[10, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into()];
        assert_eq!(Prefix::new(v4, 24).map(|p| p.to_string()).as_deref(), Some("10.0.0.1/24"));
        assert_eq!(Prefix::new(v4, 32), Some(Prefix::host(v4)));
        assert_eq!(Prefix::new(v4, 33), None);
        assert_eq!(Prefix::new(v6, 128), Some(Prefix::host(v6)));
        assert_eq!(Prefix::new(v6, 129), None);
    }

    #[test]
    fn a_setting_lies_below_net() {
        for outside in ["../kernel/hostname", "/etc/hostname", "ipv4/../../kernel/hostname"] {
            assert_eq!(
                sysctl(outside, "x").map_err(|e| e.source.kind()),
                Err(io::ErrorKind::InvalidInput),
                "{outside}"
            );
        }
    }
}
