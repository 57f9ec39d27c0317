//! Writes a [`Table`] into the kernel's nftables in one transaction, and reads back whether it is there.
//!
//! Numbers from `linux/netfilter/nf_tables.h`. Every function works on the calling thread's namespace: enter it first.

use std::net::{IpAddr, SocketAddr};

use crate::expressions::{DATA_VALUE, LIST_ELEMENT, PAIRS, SHARES, act, host, matches, octets};
use crate::netlink::{Error, Link, Message, attribute};
use crate::rules::{Action, Chain, Kind, Match, Rule, Set, Table};

const SUBSYSTEM: u16 = libc::NFNL_SUBSYS_NFTABLES as u16;
const INET: u8 = libc::NFPROTO_INET as u8;
/// Elements in one message: the length of an attribute has 16 bits.
const ELEMENTS: usize = 1000;
/// `NFTNL_UDATA_RULE_COMMENT`: what nft shows as `comment "..."`.
const UDATA_COMMENT: u8 = 0;

/// Replaces the table, whatever it was, by this one: all or nothing, and no packet sees a gap.
///
/// A transaction is one packet of netlink. Without privileges over the whole machine it has at most twice
/// `net.core.wmem_max` bytes, which are 400 KiB unless configured, or about 400 rules with a choice of endpoints.
pub fn replace(table: &Table) -> Result<(), Error> {
    let mut batch = vec![new_table(table.name), delete_table(table.name), new_table(table.name)];
    batch.extend(table.sets.iter().map(|set| new_set(table, set)));
    for chain in &table.chains {
        batch.push(new_chain(table, chain));
        for (i, rule) in chain.rules.iter().enumerate() {
            // The place in the batch is a number that no other rule's set has.
            let id = batch.len() as u32;
            batch.extend(unnamed_set(table, rule, id));
            batch.push(new_rule(table, chain, i, rule, id));
        }
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
            Ok(found) if found.get(4..).map(place) == Some(chain.base.map(|b| (b.hook as u32, b.priority as u32))) => {}
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

/// Where packets meet a chain: hook and priority.
fn place(chain: &[u8]) -> Option<(u32, u32)> {
    let hook = attribute(chain, CHAIN_HOOK)?;
    let number = |which| Some(u32::from_be_bytes(*attribute(hook, which)?.first_chunk()?));
    Some((number(1)?, number(2)?))
}

fn new_chain(table: &Table, chain: &Chain) -> Message {
    let new = message(format!("chain {}", chain.name), libc::NFT_MSG_NEWCHAIN, libc::NLM_F_CREATE)
        .text(CHAIN_TABLE, table.name)
        .text(CHAIN_NAME, chain.name);
    let Some(base) = chain.base else { return new };
    let kind = match base.kind {
        Kind::Filter => "filter",
        Kind::Nat => "nat",
        Kind::Route => "route",
    };
    new.nest(CHAIN_HOOK, |m| m.be32(1, base.hook as u32).be32(2, base.priority as u32))
        .be32(5, libc::NF_ACCEPT as u32)
        .text(7, kind)
}

fn new_set(table: &Table, set: &Set) -> Message {
    let (kind, length) = address_type(set.v6);
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

/// nft's own number of a type, for listings, and the length, at which the kernel looks.
fn address_type(v6: bool) -> (u32, u32) {
    if v6 { (8, 16) } else { (7, 4) }
}

/// nft's number of a type that joins two.
fn joined_type(first: u32, second: u32) -> u32 {
    first << 6 | second
}

/// `inet_service`, which takes 4 bytes where it is joined to another.
const PORT_TYPE: (u32, u32) = (13, 4);
/// `integer`, of 4 bytes.
const NUMBER_TYPE: (u32, u32) = (4, 4);
const SET_ID: u16 = 10;
const SET_USERDATA: u16 = 13;
/// `NFTNL_UDATA_SET_KEYBYTEORDER`: nft shows the keys of a set in this order, here the host's.
const UDATA_HOST_ORDER: [u8; 6] = {
    let [a, b, c, d] = 1u32.to_ne_bytes();
    [0, 4, a, b, c, d]
};

/// The set that a rule of ours refers to, with its elements; it lives as long as the rule.
fn unnamed_set(table: &Table, rule: &Rule, id: u32) -> Vec<Message> {
    let from_itself = rule.when.iter().find_map(|m| match m {
        Match::FromItself { v6, addresses } => Some((*v6, addresses)),
        _ => None,
    });
    match (from_itself, &rule.then) {
        (Some((v6, addresses)), _) => {
            let (kind, length) = address_type(v6);
            let describe = |m: Message| m.be32(4, joined_type(kind, kind)).be32(5, 2 * length);
            let element = |m: Message, address: &IpAddr| m.nest(1, |m| m.attr(DATA_VALUE, &octets(*address).repeat(2)));
            filled_set((table, rule, id), (PAIRS, 0), describe, addresses, element)
        }
        (None, Action::Dnat(to)) if to.len() > 1 => {
            let (kind, length) = address_type(to[0].is_ipv6());
            let describe = |m: Message| {
                m.be32(4, NUMBER_TYPE.0)
                    .be32(5, NUMBER_TYPE.1)
                    .be32(6, joined_type(kind, PORT_TYPE.0))
                    .be32(7, length + PORT_TYPE.1)
                    .attr(SET_USERDATA, &UDATA_HOST_ORDER)
            };
            let numbered: Vec<(u32, &SocketAddr)> = (0..).zip(to).collect();
            let element = |m: Message, (number, to): &(u32, &SocketAddr)| {
                let value = [&octets(to.ip())[..], &to.port().to_be_bytes(), &[0; 2]].concat();
                m.nest(1, |m| m.attr(DATA_VALUE, &host(*number))).nest(2, |m| m.attr(DATA_VALUE, &value))
            };
            filled_set((table, rule, id), (SHARES, libc::NFT_SET_MAP), describe, &numbered, element)
        }
        _ => vec![],
    }
}

/// Makes a set of a rule, with its name and kind, and fills it.
fn filled_set<T>(
    (table, rule, id): (&Table, &Rule, u32),
    (name, kind): (&str, i32),
    describe: impl FnOnce(Message) -> Message,
    elements: &[T],
    element: impl Fn(Message, &T) -> Message,
) -> Vec<Message> {
    let start = |what: &str, message_kind| {
        let what = format!("{what} of rule `{}`", shortened(rule));
        message(what, message_kind, libc::NLM_F_CREATE).text(1, table.name).text(2, name)
    };
    let flags = libc::NFT_SET_ANONYMOUS | libc::NFT_SET_CONSTANT | kind;
    let set = start("the set", libc::NFT_MSG_NEWSET).be32(3, flags as u32).be32(SET_ID, id);
    let mut out = vec![describe(set)];
    for some in elements.chunks(ELEMENTS) {
        let fill = start("elements", libc::NFT_MSG_NEWSETELEM).be32(4, id);
        out.push(fill.nest(3, |m| some.iter().fold(m, |m, one| m.nest(LIST_ELEMENT, |m| element(m, one)))));
    }
    out
}

/// The beginning of a rule, for messages: it may have thousands of addresses.
fn shortened(rule: &Rule) -> String {
    rule.to_string().chars().take(200).collect()
}

const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const RULE_USERDATA: u16 = 7;

fn new_rule(table: &Table, chain: &Chain, index: usize, rule: &Rule, id: u32) -> Message {
    let comment = comment(index, rule);
    let mut userdata = vec![UDATA_COMMENT, comment.len() as u8 + 1];
    userdata.extend_from_slice(comment.as_bytes());
    userdata.push(0);
    let flags = libc::NLM_F_CREATE | libc::NLM_F_APPEND;
    message(format!("rule `{}`", shortened(rule)), libc::NFT_MSG_NEWRULE, flags)
        .text(RULE_TABLE, table.name)
        .text(RULE_CHAIN, chain.name)
        .nest(RULE_EXPRESSIONS, |m| {
            let m = rule.when.iter().fold(m, |m, condition| matches(m, condition, id));
            act(m, &rule.then, id)
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

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()
}

fn is_text(value: &[u8], expected: &str) -> bool {
    value.strip_suffix(b"\0").unwrap_or(value) == expected.as_bytes()
}
