//! What the kernel's connection tracking knows of one TCP connection (`ctnetlink`): whether it was redirected, and by which address
//! the proxy knows it.
//!
//! A port does not tell. All redirected connections go to one address of the proxy, so the kernel gives one of two connections with
//! the same port towards different peers another port there; and an older connection may have the port of a redirected one.
//!
//! Works on the calling thread's namespace: enter it first. Needs `nf_conntrack_netlink`, as kube-proxy does; the kernel loads it by itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::netlink::{Error, Link, Message, attribute};
use crate::rules::{MARK_MASK, OUTBOUND_PORT, REPLY_MARK};

/// `IPCTNL_MSG_CT_GET` of linux/netfilter/nfnetlink_conntrack.h, under its subsystem.
const GET: u16 = (libc::NFNL_SUBSYS_CTNETLINK as u16) << 8 | 1;
/// `IPCTNL_MSG_CT_DELETE`, under the same.
const DELETE: u16 = (libc::NFNL_SUBSYS_CTNETLINK as u16) << 8 | 2;
/// `CTA_TUPLE_ORIG`: the connection as its first packet had it.
const ORIGINAL: u16 = 1;
/// `CTA_TUPLE_REPLY`: the same as its answers have it, after translation.
const REPLY: u16 = 2;
/// `CTA_STATUS`.
const STATUS: u16 = 3;
/// `CTA_ID`.
const ID: u16 = 12;
/// `CTA_ZONE`; absent where a connection has none, or one direction alone has it: then its ends tell.
const ZONE: u16 = 18;
/// `IPS_SRC_NAT` and `IPS_DST_NAT` of linux/netfilter/nf_conntrack_common.h.
const TRANSLATED: u32 = 1 << 4 | 1 << 5;
/// `CTA_MARK`; absent where it is zero.
const MARK: u16 = 8;
/// `CTA_TUPLE_IP`.
const IP: u16 = 1;
/// `CTA_TUPLE_PROTO`.
const PROTOCOL: u16 = 2;
/// `CTA_IP_V4_SRC`.
const SOURCE: u16 = 1;
/// `CTA_IP_V4_DST`.
const DESTINATION: u16 = 2;
/// From an attribute of an IPv4 address to that of an IPv6 address.
const V6: u16 = 2;

/// What is known of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// For one that was redirected on its way out: its address as the proxy sees it.
    pub at_proxy: Option<SocketAddr>,
    /// Whether ztunnel opened it, towards the application and under a client's address.
    pub by_ztunnel: bool,
}

/// A socket for such questions.
pub struct Conntrack(Link);

impl Conntrack {
    /// Opens it in the calling thread's namespace.
    pub fn open() -> Result<Self, Error> {
        Link::open(libc::NETLINK_NETFILTER).map(Self)
    }

    /// Asks for the connection with these ends, whichever of them began it. None if it is not tracked: it has carried nothing since tracking
    /// began, or is over.
    pub fn get(&mut self, from: SocketAddr, to: SocketAddr) -> Result<Option<Tracked>, Error> {
        self.ask(from, to)?.map(|answer| tracked(&answer).ok_or(Error::Malformed)).transpose()
    }

    /// Lets the kernel forget the connection with these ends, unless it translates it.
    pub fn forget(&mut self, from: SocketAddr, to: SocketAddr) -> Result<(), Error> {
        let message = self.ask(from, to)?.and_then(|answer| to_forget(&answer));
        message.map_or(Ok(()), |message| forget(&mut self.0, message))
    }

    fn ask(&mut self, from: SocketAddr, to: SocketAddr) -> Result<Option<Vec<u8>>, Error> {
        match self.0.get(question(from, to)) {
            Err(error) if error.is_not_found() => Ok(None),
            answer => answer.map(Some),
        }
    }
}

/// Lets the kernel forget the connections that it does not translate; one that goes on is tracked anew by its next packet.
///
/// With the last rule that needs it, the kernel stops tracking and sees no end any more, but keeps what it knew: for five days, of a
/// connection that was open. Enrolled again within these, a pod could have no new connection with the same two ends.
pub fn forget_untranslated() -> Result<(), Error> {
    let mut link = Link::open(libc::NETLINK_NETFILTER)?;
    let known = match link.dump(Message::new("the tracked connections", GET, 0).body(&[0; 4])) {
        // Without nf_conntrack_netlink nobody can be told to forget.
        Err(error) if error.errno().is_some() => return Ok(()),
        known => known?,
    };
    known.iter().filter_map(|answer| to_forget(answer)).try_for_each(|message| forget(&mut link, message))
}

fn forget(link: &mut Link, message: Message) -> Result<(), Error> {
    match link.request(message) {
        Err(error) if error.is_not_found() => Ok(()),
        done => done,
    }
}

fn to_forget(answer: &[u8]) -> Option<Message> {
    let (family, attributes) = (*answer.first()?, answer.get(4..)?);
    let original = attribute(attributes, ORIGINAL)?;
    // CTA_PROTO_NUM.
    let protocol = *attribute(attribute(original, PROTOCOL)?, 1)?.first()?;
    let status = u32::from_be_bytes(*attribute(attributes, STATUS)?.first_chunk()?);
    if i32::from(protocol) != libc::IPPROTO_TCP || status & TRANSLATED != 0 {
        return None;
    }
    // By number too: another one may have the same ends by now.
    let m = Message::new("to forget a connection", DELETE, 0).body(&[family, 0, 0, 0]);
    let m = m.attr(ORIGINAL | libc::NLA_F_NESTED as u16, original).attr(ID, attribute(attributes, ID)?);
    Some(if let Some(zone) = attribute(attributes, ZONE) { m.attr(ZONE, zone) } else { m })
}

fn question(from: SocketAddr, to: SocketAddr) -> Message {
    let family = if from.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // struct nfgenmsg: family, version, resource.
    Message::new("the tracked state of a connection", GET, 0).body(&[family as u8, 0, 0, 0]).nest(ORIGINAL, |m| {
        m.nest(IP, |m| address(address(m, SOURCE, from.ip()), DESTINATION, to.ip())).nest(PROTOCOL, |m| {
            // CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT.
            let m = m.attr(1, &[libc::IPPROTO_TCP as u8]);
            m.attr(2, &from.port().to_be_bytes()).attr(3, &to.port().to_be_bytes())
        })
    })
}

fn address(m: Message, which: u16, ip: IpAddr) -> Message {
    match ip {
        IpAddr::V4(ip) => m.attr(which, &ip.octets()),
        IpAddr::V6(ip) => m.attr(which + V6, &ip.octets()),
    }
}

/// struct nfgenmsg (4 bytes), then attributes.
fn tracked(answer: &[u8]) -> Option<Tracked> {
    let attributes = answer.get(4..)?;
    let (source, destination) = ends(attribute(attributes, REPLY)?)?;
    let mark = attribute(attributes, MARK).and_then(|v| v.first_chunk()).map_or(0, |v| u32::from_be_bytes(*v));
    let redirected = source.ip().is_loopback() && source.port() == OUTBOUND_PORT && !destination.ip().is_loopback();
    Some(Tracked { at_proxy: redirected.then_some(destination), by_ztunnel: mark & MARK_MASK == REPLY_MARK })
}

fn ends(tuple: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (ips, ports) = (attribute(tuple, IP)?, attribute(tuple, PROTOCOL)?);
    let ip = |which| -> Option<IpAddr> {
        match attribute(ips, which) {
            Some(v4) => Some(Ipv4Addr::from(*v4.first_chunk()?).into()),
            None => Some(Ipv6Addr::from(*attribute(ips, which + V6)?.first_chunk()?).into()),
        }
    };
    let port = |which| Some(u16::from_be_bytes(*attribute(ports, which)?.first_chunk()?));
    Some((SocketAddr::new(ip(SOURCE)?, port(2)?), SocketAddr::new(ip(DESTINATION)?, port(3)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_answer_is_no_answer() {
        for answer in [&[][..], &[2, 0, 0], &[2, 0, 0, 0], &[2, 0, 0, 0, 8, 0, 2, 0, 1, 2, 3, 4], &[255; 64]] {
            assert_eq!(tracked(answer), None, "{answer:?}");
            assert!(to_forget(answer).is_none(), "{answer:?}");
        }
    }
}
