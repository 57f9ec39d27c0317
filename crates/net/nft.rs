//! Writes a [`Table`] into the kernel's nftables in one transaction, and reads back whether it is there.
//!
//! Expressions as `nft --debug=netlink` shows them; numbers from `linux/netfilter/nf_tables.h`.
//! Every function works on the calling thread's namespace: enter it first.

use std::net::IpAddr;

use crate::netlink::{Error, Link, Message, attribute};
use crate::rules::{Action, Chain, Hook, Kind, MARK_MASK, Match, Rule, Set, Table};

const SUBSYSTEM: u16 = libc::NFNL_SUBSYS_NFTABLES as u16;
const INET: u8 = libc::NFPROTO_INET as u8;
/// Elements in one message: the length of an attribute has 16 bits.
const ELEMENTS: usize = 1000;
/// `NFTNL_UDATA_RULE_COMMENT`: what nft shows as `comment "..."`.
const UDATA_COMMENT: u8 = 0;

/// Replaces the table, whatever it was, by this one: all or nothing, and no packet sees a gap.
pub fn replace(table: &Table) -> Result<(), Error> {
    let mut batch = vec![new_table(table.name), delete_table(table.name), new_table(table.name)];
    batch.extend(table.sets.iter().map(|set| new_set(table, set)));
    for chain in &table.chains {
        batch.push(new_chain(table, chain));
        batch.extend(chain.rules.iter().enumerate().map(|(i, r)| new_rule(table, chain, i, r)));
    }
    transact(batch)
}

/// Removes the table; one that is not there is no error.
pub fn remove(name: &str) -> Result<(), Error> {
    transact(vec![new_table(name), delete_table(name)])
}

/// Whether the table is in the kernel with every chain and rule in its place.
pub fn is_intact(table: &Table) -> Result<bool, Error> {
    let expected: Vec<(String, String)> = table
        .chains
        .iter()
        .flat_map(|c| c.rules.iter().enumerate().map(|(i, r)| (c.name.into(), comment(i, r))))
        .collect();
    let mut link = Link::open(libc::NETLINK_NETFILTER)?;
    // One by one: a listing would hold every chain of the namespace, and kube-proxy makes thousands.
    for chain in &table.chains {
        let ask =
            message("chain", libc::NFT_MSG_GETCHAIN, 0).text(CHAIN_TABLE, table.name).text(CHAIN_NAME, chain.name);
        match link.get(ask) {
            Ok(found) if found.get(4..).is_some_and(|b| attribute(b, CHAIN_HOOK).is_some()) => {}
            Ok(_) => return Ok(false),
            Err(e) if e.is_not_found() => return Ok(false),
            Err(e) => return Err(e),
        }
    }
    let list = message("list rules", libc::NFT_MSG_GETRULE, 0).text(RULE_TABLE, table.name);
    let found: Vec<(String, String)> = link
        .dump(list)?
        .iter()
        .filter(|rule| rule.first() == Some(&INET))
        .filter_map(|rule| rule.get(4..))
        .filter(|b| attribute(b, RULE_TABLE).is_some_and(|v| is_text(v, table.name)))
        .map(|b| {
            let comment = attribute(b, RULE_USERDATA).and_then(|u| u.get(2..)).map(text);
            (attribute(b, RULE_CHAIN).map(text).unwrap_or_default(), comment.unwrap_or_default())
        })
        .collect();
    Ok(found == expected)
}

/// Whether a table of this name is in the kernel.
pub fn exists(name: &str) -> Result<bool, Error> {
    let mut link = Link::open(libc::NETLINK_NETFILTER)?;
    match link.get(message("table", libc::NFT_MSG_GETTABLE, 0).text(1, name)) {
        Ok(_) => Ok(true),
        Err(e) if e.is_not_found() => Ok(false),
        Err(e) => Err(e),
    }
}

/// Adds addresses to the sets of a table, each to that of its family; present ones are no error.
pub fn add_elements(table: &Table, addresses: &[IpAddr]) -> Result<(), Error> {
    let mut batch = Vec::new();
    for set in &table.sets {
        let ours: Vec<IpAddr> = of_family(addresses, set);
        for some in ours.chunks(ELEMENTS) {
            batch.push(elements(table, set, libc::NFT_MSG_NEWSETELEM, some));
        }
    }
    transact(batch)
}

/// Takes addresses out of the sets of a table; absent ones are no error.
pub fn delete_elements(table: &Table, addresses: &[IpAddr]) -> Result<(), Error> {
    for set in &table.sets {
        for address in of_family(addresses, set) {
            // Adding first makes the deletion succeed in either case, within one transaction.
            let one = [address];
            transact(vec![
                elements(table, set, libc::NFT_MSG_NEWSETELEM, &one),
                elements(table, set, libc::NFT_MSG_DELSETELEM, &one),
            ])?;
        }
    }
    Ok(())
}

/// The addresses in the sets of a table; none where the table is missing.
pub fn list_elements(table: &Table) -> Result<Vec<IpAddr>, Error> {
    let mut link = Link::open(libc::NETLINK_NETFILTER)?;
    let mut out = Vec::new();
    for set in &table.sets {
        let ask = message("list set elements", libc::NFT_MSG_GETSETELEM, 0).text(1, table.name).text(2, set.name);
        let answers = match link.dump(ask) {
            Err(e) if e.is_not_found() => continue,
            other => other?,
        };
        for answer in &answers {
            let list = answer.get(4..).and_then(|b| attribute(b, 3)).unwrap_or(&[]);
            for (_, element) in crate::netlink::attributes(list) {
                let key = attribute(element, 1).and_then(|k| attribute(k, DATA_VALUE));
                if let Some(v4) = key.and_then(|k| <[u8; 4]>::try_from(k).ok()) {
                    out.push(IpAddr::from(v4));
                } else if let Some(v6) = key.and_then(|k| <[u8; 16]>::try_from(k).ok()) {
                    out.push(IpAddr::from(v6));
                }
            }
        }
    }
    Ok(out)
}

fn of_family(addresses: &[IpAddr], set: &Set) -> Vec<IpAddr> {
    addresses.iter().copied().filter(|a| a.is_ipv6() == set.v6).collect()
}

fn transact(changes: Vec<Message>) -> Result<(), Error> {
    if changes.is_empty() {
        return Ok(());
    }
    // The markers name the subsystem in network order (linux/netfilter/nfnetlink.h).
    let mut marker = [0u8; 4];
    marker[2..4].copy_from_slice(&SUBSYSTEM.to_be_bytes());
    let mut batch = vec![Message::new("begin", libc::NFNL_MSG_BATCH_BEGIN as u16, 0).body(&marker)];
    batch.extend(changes);
    batch.push(Message::new("end", libc::NFNL_MSG_BATCH_END as u16, 0).body(&marker));
    Link::open(libc::NETLINK_NETFILTER)?.batch(batch)
}

fn message(what: impl Into<String>, kind: i32, flags: i32) -> Message {
    Message::new(what, (SUBSYSTEM << 8) | kind as u16, flags).body(&[INET, 0, 0, 0])
}

fn new_table(name: &str) -> Message {
    message(format!("table {name}"), libc::NFT_MSG_NEWTABLE, libc::NLM_F_CREATE).text(1, name).be32(2, 0)
}

fn delete_table(name: &str) -> Message {
    message(format!("deletion of table {name}"), libc::NFT_MSG_DELTABLE, 0).text(1, name)
}

const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;

fn new_chain(table: &Table, chain: &Chain) -> Message {
    let kind = match chain.kind {
        Kind::Filter => "filter",
        Kind::Nat => "nat",
        Kind::Route => "route",
    };
    let hook: Hook = chain.hook;
    message(format!("chain {}", chain.name), libc::NFT_MSG_NEWCHAIN, libc::NLM_F_CREATE)
        .text(CHAIN_TABLE, table.name)
        .text(CHAIN_NAME, chain.name)
        .nest(CHAIN_HOOK, |m| m.be32(1, hook as u32).be32(2, chain.priority as u32))
        .be32(5, libc::NF_ACCEPT as u32)
        .text(7, kind)
}

fn new_set(table: &Table, set: &Set) -> Message {
    // The type numbers are nft's own, for listings; the kernel looks at the length.
    let (kind, length) = if set.v6 { (8, 16) } else { (7, 4) };
    message(format!("set {}", set.name), libc::NFT_MSG_NEWSET, libc::NLM_F_CREATE)
        .text(1, table.name)
        .text(2, set.name)
        .be32(3, 0)
        .be32(4, kind)
        .be32(5, length)
        .be32(10, 1 + u32::from(set.v6))
}

fn elements(table: &Table, set: &Set, kind: i32, addresses: &[IpAddr]) -> Message {
    let what = format!("elements of set {}", set.name);
    let start = message(what, kind, libc::NLM_F_CREATE).text(1, table.name).text(2, set.name);
    start.nest(3, |m| {
        addresses
            .iter()
            .fold(m, |m, address| m.nest(LIST_ELEMENT, |m| m.nest(1, |m| m.attr(DATA_VALUE, &octets(*address)))))
    })
}

const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const RULE_USERDATA: u16 = 7;

fn new_rule(table: &Table, chain: &Chain, index: usize, rule: &Rule) -> Message {
    let comment = comment(index, rule);
    let mut userdata = vec![UDATA_COMMENT, comment.len() as u8 + 1];
    userdata.extend_from_slice(comment.as_bytes());
    userdata.push(0);
    let flags = libc::NLM_F_CREATE | libc::NLM_F_APPEND;
    message(format!("rule `{rule}`"), libc::NFT_MSG_NEWRULE, flags)
        .text(RULE_TABLE, table.name)
        .text(RULE_CHAIN, chain.name)
        .nest(RULE_EXPRESSIONS, |m| {
            let m = rule.when.iter().fold(m, matches);
            act(m, rule.then)
        })
        .attr(RULE_USERDATA, &userdata)
}

/// Names a rule by place and content, so that reading back finds a missing, moved or older one.
fn comment(index: usize, rule: &Rule) -> String {
    // FNV-1a: the same on every node and version, unlike the standard library's hasher.
    let hash = rule
        .to_string()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("ambient {index} {hash:016x}")
}

const LIST_ELEMENT: u16 = 1;
const DATA_VALUE: u16 = 1;
const REGISTER: u32 = libc::NFT_REG_1 as u32;

fn matches(m: Message, condition: &Match) -> Message {
    match *condition {
        Match::Tcp => compare(meta(m, libc::NFT_META_L4PROTO), EQUAL, &[libc::IPPROTO_TCP as u8]),
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
        // Loading the owner ends the rule for packets without a socket of this namespace.
        Match::HasSocket => compare(meta(m, libc::NFT_META_SKUID), GREATER_OR_EQUAL, &0u32.to_be_bytes()),
        Match::InSet(set, v6) => {
            let (m, offset) = network(m, v6, false);
            let m = payload(m, NETWORK, offset, if v6 { 16 } else { 4 });
            expression(m, "lookup", |m| m.text(1, set).be32(2, REGISTER))
        }
    }
}

fn act(m: Message, action: Action) -> Message {
    match action {
        Action::Accept => expression(m, "immediate", |m| {
            m.be32(1, libc::NFT_REG_VERDICT as u32).nest(2, |m| m.nest(2, |m| m.be32(1, libc::NF_ACCEPT as u32)))
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
    expression(m, "payload", |m| m.be32(1, REGISTER).be32(2, base).be32(3, offset).be32(4, length))
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
fn host(value: u32) -> [u8; 4] {
    value.to_ne_bytes()
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()
}

fn is_text(value: &[u8], expected: &str) -> bool {
    value.strip_suffix(b"\0").unwrap_or(value) == expected.as_bytes()
}
