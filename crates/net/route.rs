//! The policy route that brings the answers of applications back to ztunnel: packets with the reply
//! mark are delivered locally although their destination is the client.
//!
//! Works on the calling thread's namespace: enter it first.

use crate::netlink::{Error, Link, Message};
use crate::rules::{MARK_MASK, REPLY_MARK, REPLY_PREFERENCE, REPLY_TABLE};

const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
/// `FR_ACT_TO_TBL` of linux/fib_rules.h.
const TO_TABLE: u8 = 1;
/// Loopback has index 1 in every namespace.
const LOOPBACK: u32 = 1;

/// Adds the rule and the routes for both families; present ones are no error.
pub fn add() -> Result<(), Error> {
    each(true)
}

/// Removes the rule and the routes; absent ones are no error.
pub fn remove() -> Result<(), Error> {
    each(false)
}

/// Whether the rule and the route are there (IPv4; IPv6 may be switched off on the node).
pub fn is_intact() -> Result<bool, Error> {
    let mut link = Link::open(libc::NETLINK_ROUTE)?;
    // Adding it again exclusively tells whether it is there, without parsing a listing.
    for message in messages(true, libc::AF_INET) {
        match link.request(message) {
            Err(e) if e.is_exists() => {}
            Ok(()) => return Ok(false), // it was missing, and is there now
            Err(e) => return Err(e),
        }
    }
    Ok(true)
}

fn each(add: bool) -> Result<(), Error> {
    let mut link = Link::open(libc::NETLINK_ROUTE)?;
    for family in [libc::AF_INET, libc::AF_INET6] {
        for message in messages(add, family) {
            match link.request(message) {
                Ok(()) => {}
                Err(e) if add && e.is_exists() => {}
                Err(e) if !add && e.is_not_found() => {}
                // No IPv6 in this kernel or namespace: nothing to route there either.
                Err(_) if family == libc::AF_INET6 && !has_ipv6() => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(())
}

fn has_ipv6() -> bool {
    // A namespace's own view: /proc/net follows the process, thread-self the calling thread.
    std::fs::read_to_string("/proc/thread-self/net/if_inet6").is_ok_and(|s| !s.is_empty())
}

fn messages(add: bool, family: i32) -> [Message; 2] {
    let create = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    let (rule, route, flags) =
        if add { (libc::RTM_NEWRULE, libc::RTM_NEWROUTE, create) } else { (libc::RTM_DELRULE, libc::RTM_DELROUTE, 0) };
    // struct fib_rule_hdr: family, dst_len, src_len, tos, table, res1, res2, action, flags (u32).
    let rule = Message::new("the policy rule", rule, flags)
        .body(&[family as u8, 0, 0, 0, REPLY_TABLE, 0, 0, TO_TABLE, 0, 0, 0, 0])
        .attr(FRA_PRIORITY, &REPLY_PREFERENCE.to_ne_bytes())
        .attr(FRA_FWMARK, &REPLY_MARK.to_ne_bytes())
        .attr(FRA_FWMASK, &MARK_MASK.to_ne_bytes())
        .attr(FRA_TABLE, &u32::from(REPLY_TABLE).to_ne_bytes());
    // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags (u32).
    let (protocol, scope) = (libc::RTPROT_STATIC, libc::RT_SCOPE_HOST);
    let route = Message::new("the local route", route, flags)
        .body(&[family as u8, 0, 0, 0, REPLY_TABLE, protocol, scope, libc::RTN_LOCAL, 0, 0, 0, 0])
        .attr(libc::RTA_OIF, &LOOPBACK.to_ne_bytes())
        .attr(libc::RTA_TABLE, &u32::from(REPLY_TABLE).to_ne_bytes());
    [rule, route]
}
