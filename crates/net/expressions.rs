//! Conditions and actions of a [`crate::rules::Rule`] as the kernel's expressions, for `nft`.
//!
//! Expressions as `nft --debug=netlink` shows them; numbers from `linux/netfilter/nf_tables.h`.

use std::net::{IpAddr, SocketAddr};

use crate::netlink::Message;
use crate::rules::{Action, MARK_MASK, Match, Protocol};

/// `NFTA_LIST_ELEM`.
pub(crate) const LIST_ELEMENT: u16 = 1;
/// `NFTA_DATA_VALUE`.
pub(crate) const DATA_VALUE: u16 = 1;
/// Name under which the kernel numbers the sets that belong to rules.
pub(crate) const PAIRS: &str = "__set%d";
/// The same of maps.
pub(crate) const SHARES: &str = "__map%d";
const REGISTER: u32 = libc::NFT_REG_1 as u32;

/// Writes a condition; `id` is that of the set of the rule.
pub(crate) fn matches(m: Message, condition: &Match, id: u32) -> Message {
    match *condition {
        Match::Tcp => transport(m, Protocol::Tcp),
        Match::Port(protocol, port) => {
            compare(payload(transport(m, protocol), TRANSPORT, 2, 2), EQUAL, &port.to_be_bytes())
        }
        Match::Syn => {
            // Byte 13 of the TCP header: fin 1, syn 2, rst 4, ack 16 (RFC 9293 3.1).
            let m = payload(m, TRANSPORT, 13, 1);
            compare(bitwise(m, &[0x17], &[0]), EQUAL, &[0x02])
        }
        Match::NotPort(port) => compare(payload(m, TRANSPORT, 2, 2), NOT_EQUAL, &port.to_be_bytes()),
        Match::Mark(mark) => compare(masked(meta(m, libc::NFT_META_MARK)), EQUAL, &host(mark)),
        Match::NotMark(mark) => compare(masked(meta(m, libc::NFT_META_MARK)), NOT_EQUAL, &host(mark)),
        Match::ConnectionMark(mark) => compare(masked(load_ct_mark(m)), EQUAL, &host(mark)),
        Match::Source(address) => {
            let (m, offset) = network(m, address.is_ipv6(), true);
            let value = octets(address);
            compare(payload(m, NETWORK, offset, value.len() as u32), EQUAL, &value)
        }
        Match::Destination(address) => {
            let (m, offset) = network(m, address.is_ipv6(), false);
            let value = octets(address);
            compare(payload(m, NETWORK, offset, value.len() as u32), EQUAL, &value)
        }
        Match::NotLoopback { v6: false } => {
            let (m, offset) = network(m, false, false);
            // A prefix on a byte border is a shorter load.
            compare(payload(m, NETWORK, offset, 1), NOT_EQUAL, &[127])
        }
        Match::NotLoopback { v6: true } => {
            let (m, offset) = network(m, true, false);
            let value = std::net::Ipv6Addr::LOCALHOST.octets();
            compare(payload(m, NETWORK, offset, 16), NOT_EQUAL, &value)
        }
        // Loopback has index 1 in every namespace.
        Match::ToLoopback => compare(meta(m, libc::NFT_META_OIF), EQUAL, &host(1)),
        Match::FromLoopback => compare(meta(m, libc::NFT_META_IIF), EQUAL, &host(1)),
        // Loading the owner ends the rule for packets without a socket of this namespace.
        Match::HasSocket => compare(meta(m, libc::NFT_META_SKUID), GREATER_OR_EQUAL, &0u32.to_be_bytes()),
        Match::InSet(set, v6) => {
            let (m, offset) = network(m, v6, false);
            let m = payload(m, NETWORK, offset, if v6 { 16 } else { 4 });
            expression(m, "lookup", |m| m.text(1, set).be32(2, REGISTER))
        }
        Match::Translated => {
            let m = expression(m, "ct", |m| m.be32(2, libc::NFT_CT_STATUS as u32).be32(1, REGISTER));
            compare(bitwise(m, &host(IPS_DST_NAT), &host(0)), NOT_EQUAL, &host(0))
        }
        Match::FromItself { v6, .. } => {
            let (m, source) = network(m, v6, true);
            let (destination, length) = if v6 { (24, 16) } else { (16, 4) };
            let m = payload(m, NETWORK, source, length);
            let m = payload_to(m, after_address(v6), NETWORK, destination, length);
            expression(m, "lookup", |m| m.text(1, PAIRS).be32(2, REGISTER).be32(4, id))
        }
    }
}

/// `IPS_DST_NAT` of linux/netfilter/nf_conntrack_common.h.
const IPS_DST_NAT: u32 = 1 << 5;

/// Writes an action; `id` is that of the set of the rule.
pub(crate) fn act(m: Message, action: &Action, id: u32) -> Message {
    let verdict = |m, code: i32, chain: Option<&str>| {
        expression(m, "immediate", |m| {
            m.be32(1, libc::NFT_REG_VERDICT as u32).nest(2, |m| {
                m.nest(2, |m| {
                    let m = m.be32(1, code as u32);
                    if let Some(chain) = chain { m.text(2, chain) } else { m }
                })
            })
        })
    };
    match *action {
        Action::Accept => verdict(m, libc::NF_ACCEPT, None),
        Action::Drop => verdict(m, libc::NF_DROP, None),
        Action::SetOriginalZone(zone) => expression(immediate(m, &zone.to_ne_bytes()), "ct", |m| {
            // NFTA_CT_KEY, NFTA_CT_DIRECTION (IP_CT_DIR_ORIGINAL), NFTA_CT_SREG.
            m.be32(2, libc::NFT_CT_ZONE as u32).attr(3, &[0]).be32(4, REGISTER)
        }),
        Action::Jump(chain) => verdict(m, libc::NFT_JUMP, Some(chain)),
        Action::Dnat(ref to) => dnat(m, to, id),
        Action::Masquerade => expression(m, "masq", |m| m),
        Action::Reject(Protocol::Tcp) => {
            expression(m, "reject", |m| m.be32(1, libc::NFT_REJECT_TCP_RST as u32).attr(2, &[0]))
        }
        Action::Reject(Protocol::Udp) => expression(m, "reject", |m| {
            m.be32(1, libc::NFT_REJECT_ICMPX_UNREACH as u32).attr(2, &[libc::NFT_REJECT_ICMPX_PORT_UNREACH as u8])
        }),
        Action::Redirect(port) => {
            let m = immediate(m, &port.to_be_bytes());
            expression(m, "redir", |m| m.be32(1, REGISTER).be32(3, RANGE_PROTO_SPECIFIED))
        }
        Action::Snat(to) => {
            let family = if to.is_ipv6() { libc::NFPROTO_IPV6 } else { libc::NFPROTO_IPV4 };
            let m = immediate(m, &octets(to));
            expression(m, "nat", |m| m.be32(1, libc::NFT_NAT_SNAT as u32).be32(2, family as u32).be32(3, REGISTER))
        }
        Action::SetConnectionMark(mark) => {
            let m = bitwise(load_ct_mark(m), &host(!MARK_MASK), &host(mark));
            expression(m, "ct", |m| m.be32(2, libc::NFT_CT_MARK as u32).be32(4, REGISTER))
        }
        Action::RestoreMark => {
            expression(load_ct_mark(m), "meta", |m| m.be32(2, libc::NFT_META_MARK as u32).be32(3, REGISTER))
        }
    }
}

fn dnat(m: Message, to: &[SocketAddr], id: u32) -> Message {
    let v6 = to.iter().any(SocketAddr::is_ipv6);
    let family = if v6 { libc::NFPROTO_IPV6 } else { libc::NFPROTO_IPV4 };
    let port = after_address(v6);
    let m = if let [one] = to {
        let m = immediate(m, &octets(one.ip()));
        expression(m, "immediate", |m| m.be32(1, port).nest(2, |m| m.attr(DATA_VALUE, &one.port().to_be_bytes())))
    } else {
        let m = expression(m, "numgen", |m| {
            m.be32(1, REGISTER).be32(2, to.len() as u32).be32(3, libc::NFT_NG_RANDOM as u32).be32(4, 0)
        });
        expression(m, "lookup", |m| m.text(1, SHARES).be32(2, REGISTER).be32(3, REGISTER).be32(4, id))
    };
    expression(m, "nat", |m| {
        let m = m.be32(1, libc::NFT_NAT_DNAT as u32).be32(2, family as u32).be32(3, REGISTER).be32(5, port);
        // nft says this for a port that is written out only, and lists no other form.
        if to.len() == 1 { m.be32(7, RANGE_PROTO_SPECIFIED) } else { m }
    })
}

/// The register of 4 bytes behind an address in [`REGISTER`], where the second part of a joined value begins.
fn after_address(v6: bool) -> u32 {
    libc::NFT_REG32_00 as u32 + if v6 { 4 } else { 1 }
}

fn transport(m: Message, protocol: Protocol) -> Message {
    let number = match protocol {
        Protocol::Tcp => libc::IPPROTO_TCP,
        Protocol::Udp => libc::IPPROTO_UDP,
    };
    compare(meta(m, libc::NFT_META_L4PROTO), EQUAL, &[number as u8])
}

/// Checks the family and gives the offset of an address in its header (RFC 791 3.1, RFC 8200 3).
fn network(m: Message, v6: bool, source: bool) -> (Message, u32) {
    let family = if v6 { libc::NFPROTO_IPV6 } else { libc::NFPROTO_IPV4 } as u8;
    let offset = match (v6, source) {
        (false, true) => 12,
        (false, false) => 16,
        (true, true) => 8,
        (true, false) => 24,
    };
    (compare(meta(m, libc::NFT_META_NFPROTO), EQUAL, &[family]), offset)
}

/// `NF_NAT_RANGE_PROTO_SPECIFIED` of linux/netfilter/nf_nat.h.
const RANGE_PROTO_SPECIFIED: u32 = 2;
const NETWORK: u32 = libc::NFT_PAYLOAD_NETWORK_HEADER as u32;
const TRANSPORT: u32 = libc::NFT_PAYLOAD_TRANSPORT_HEADER as u32;
const EQUAL: u32 = libc::NFT_CMP_EQ as u32;
const NOT_EQUAL: u32 = libc::NFT_CMP_NEQ as u32;
const GREATER_OR_EQUAL: u32 = libc::NFT_CMP_GTE as u32;

fn expression(m: Message, name: &str, data: impl FnOnce(Message) -> Message) -> Message {
    m.nest(LIST_ELEMENT, |m| m.text(1, name).nest(2, data))
}

fn meta(m: Message, key: i32) -> Message {
    expression(m, "meta", |m| m.be32(2, key as u32).be32(1, REGISTER))
}

fn load_ct_mark(m: Message) -> Message {
    expression(m, "ct", |m| m.be32(2, libc::NFT_CT_MARK as u32).be32(1, REGISTER))
}

fn payload(m: Message, base: u32, offset: u32, length: u32) -> Message {
    payload_to(m, REGISTER, base, offset, length)
}

fn payload_to(m: Message, register: u32, base: u32, offset: u32, length: u32) -> Message {
    expression(m, "payload", |m| m.be32(1, register).be32(2, base).be32(3, offset).be32(4, length))
}

fn compare(m: Message, operator: u32, value: &[u8]) -> Message {
    expression(m, "cmp", |m| m.be32(1, REGISTER).be32(2, operator).nest(3, |m| m.attr(DATA_VALUE, value)))
}

/// `(register & mask) ^ xor`.
fn bitwise(m: Message, mask: &[u8], xor: &[u8]) -> Message {
    expression(m, "bitwise", |m| {
        m.be32(1, REGISTER)
            .be32(2, REGISTER)
            .be32(3, mask.len() as u32)
            .nest(4, |m| m.attr(DATA_VALUE, mask))
            .nest(5, |m| m.attr(DATA_VALUE, xor))
    })
}

fn masked(m: Message) -> Message {
    bitwise(m, &host(MARK_MASK), &host(0))
}

fn immediate(m: Message, value: &[u8]) -> Message {
    expression(m, "immediate", |m| m.be32(1, REGISTER).nest(2, |m| m.attr(DATA_VALUE, value)))
}

/// Marks and interface numbers are in the host's byte order.
pub(crate) fn host(value: u32) -> [u8; 4] {
    value.to_ne_bytes()
}

/// An address as it stands in a packet.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}
