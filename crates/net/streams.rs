//! Which TCP streams of a pod run through ztunnel, asked of the kernel (`sock_diag`).
//!
//! Un-enrolment waits for the last of them. Works on the calling thread's namespace: enter it first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::conntrack::{Conntrack, Tracked};
use crate::netlink::{Error, Link, Message, attribute};
use crate::rules::{
    HBONE_PORT, INBOUND_PLAINTEXT_PORT, MARK_MASK, OUTBOUND_PORT, PROBE_SOURCE_V4, PROBE_SOURCE_V6, ZTUNNEL_MARK,
};

/// `SOCK_DIAG_BY_FAMILY` of linux/sock_diag.h.
const BY_FAMILY: u16 = 20;
/// `SOCK_DESTROY` of linux/sock_diag.h.
const DESTROY: u16 = 21;
/// `INET_DIAG_MARK` of linux/inet_diag.h.
const MARK: u16 = 15;
/// `TCP_ESTABLISHED` of net/tcp_states.h.
const ESTABLISHED: u8 = 1;
/// TCP states as bits: ESTABLISHED 1, SYN_SENT 2, SYN_RECV 3, FIN_WAIT1 4, FIN_WAIT2 5, CLOSE_WAIT 8,
/// LAST_ACK 9, CLOSING 11. Not TIME_WAIT (6), CLOSE (7), LISTEN (10): they carry nothing.
const LIVE: u32 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11;

/// One TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its own end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// `SO_MARK`. Older kernels do not tell that of a socket which its program has closed, and which waits for the peer to close
    /// too (FIN_WAIT2 kept as a time-wait socket).
    pub mark: Option<u32>,
    /// Where it is in its life, as `tcp_states.h` of Linux numbers it.
    state: u8,
    /// What the kernel tells it from others by: the interface that it is bound to, and a number that no other socket ever has.
    id: [u8; 12],
}

impl Stream {
    /// Whether this is a leg of a redirected or tunnelled stream.
    ///
    /// HBONE connections themselves do not count: they are pooled, and stay open without streams.
    pub fn is_served_by_ztunnel(&self) -> bool {
        let redirected = [OUTBOUND_PORT, INBOUND_PLAINTEXT_PORT].contains(&self.local.port());
        let ours = self.mark.is_some_and(is_ours);
        let tunnel = self.local.port() == HBONE_PORT || self.remote.port() == HBONE_PORT;
        redirected || (ours && !tunnel)
    }

    /// Whether ztunnel has no part in the stream of this application's socket.
    fn bypasses(&self, tracked: Option<Tracked>) -> bool {
        match tracked {
            Some(tracked) => tracked.at_proxy.is_none() && !tracked.by_ztunnel,
            // Idle since before the enrolment; or half of a stream whose other half is gone, and which is forgotten. That leaks out of
            // many programs, carries nothing, and is tracked as soon as it does.
            None => self.state == ESTABLISHED,
        }
    }
}

fn is_ours(mark: u32) -> bool {
    mark & MARK_MASK == ZTUNNEL_MARK
}

/// The streams of a pod that leave it without ztunnel: those older than its enrolment. Probes of the
/// node do not count.
pub fn bypassing() -> Result<Vec<Stream>, Error> {
    let mut conntrack = Conntrack::open()?;
    // The application's end of a served stream looks like any other; connection tracking knows what became of it.
    let mut check = |stream: Stream| {
        let tracked = conntrack.get(stream.local, stream.remote)?;
        Ok(stream.bypasses(tracked).then_some(stream))
    };
    list()?.into_iter().filter(may_bypass).filter_map(|stream| check(stream).transpose()).collect()
}

/// Whether a socket may belong to a stream that leaves the pod without ztunnel, as far as the socket alone tells. One of which no mark
/// is told has no program any more: it may have been ztunnel's, and nothing runs through it past ztunnel.
fn may_bypass(socket: &Stream) -> bool {
    let inside = socket.remote.ip().is_loopback() || socket.remote.ip() == socket.local.ip();
    !socket.mark.is_none_or(is_ours)
        && !inside
        && ![OUTBOUND_PORT, INBOUND_PLAINTEXT_PORT, HBONE_PORT].contains(&socket.local.port())
        && ![IpAddr::from(PROBE_SOURCE_V4), IpAddr::from(PROBE_SOURCE_V6)].contains(&socket.remote.ip())
}

/// All TCP sockets of the namespace that carry something.
pub fn list() -> Result<Vec<Stream>, Error> {
    let mut link = Link::open(libc::NETLINK_SOCK_DIAG)?;
    let mut out = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        // struct inet_diag_req_v2: family, protocol, extensions, pad, states, id (48 bytes).
        let mut body = [0u8; 56];
        body[0] = family as u8;
        body[1] = libc::IPPROTO_TCP as u8;
        body[4..8].copy_from_slice(&LIVE.to_ne_bytes());
        let ask = Message::new("the list of sockets", BY_FAMILY, 0).body(&body);
        out.extend(link.dump(ask)?.iter().filter_map(|answer| stream(answer)));
    }
    Ok(out)
}

/// Cuts a stream: both ends see a reset. One that has ended by itself meanwhile is no error, and one that has its ends since is left alone.
///
/// Needs a kernel with `CONFIG_INET_DIAG_DESTROY`, as all distributions build it; without it the kernel refuses.
pub fn destroy(stream: &Stream) -> Result<(), Error> {
    let family = if stream.local.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // struct inet_diag_req_v2 {family, protocol, extensions, pad, states, id}, where id is
    // {sport, dport, src[16], dst[16], interface, cookie[8]}.
    let mut body = [0u8; 56];
    body[0] = family as u8;
    body[1] = libc::IPPROTO_TCP as u8;
    body[4..8].copy_from_slice(&LIVE.to_ne_bytes());
    body[8..10].copy_from_slice(&stream.local.port().to_be_bytes());
    body[10..12].copy_from_slice(&stream.remote.port().to_be_bytes());
    for (at, ip) in [(12, stream.local.ip()), (28, stream.remote.ip())] {
        match ip {
            IpAddr::V4(ip) => body[at..at + 4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => body[at..at + 16].copy_from_slice(&ip.octets()),
        }
    }
    body[44..56].copy_from_slice(&stream.id);
    let mut link = Link::open(libc::NETLINK_SOCK_DIAG)?;
    match link.request(Message::new("to cut a connection", DESTROY, 0).body(&body)) {
        Err(e) if e.is_not_found() => Ok(()),
        other => other,
    }
}

/// struct inet_diag_msg: family, state, timer, retransmits, id {sport, dport, src[16], dst[16], interface, cookie[8]},
/// expires, queues, uid, inode: 72 bytes, then attributes.
fn stream(answer: &[u8]) -> Option<Stream> {
    let port = |at: usize| Some(u16::from_be_bytes([*answer.get(at)?, *answer.get(at + 1)?]));
    let v6 = i32::from(*answer.first()?) == libc::AF_INET6;
    let address = |at: usize| -> Option<IpAddr> {
        Some(if v6 {
            Ipv6Addr::from(*answer.get(at..)?.first_chunk::<16>()?).to_canonical()
        } else {
            Ipv4Addr::from(*answer.get(at..)?.first_chunk::<4>()?).into()
        })
    };
    let (state, id) = (*answer.get(1)?, *answer.get(40..)?.first_chunk()?);
    let mark = answer.get(72..).and_then(|b| attribute(b, MARK)).and_then(|v| v.first_chunk::<4>());
    Some(Stream {
        local: SocketAddr::new(address(8)?, port(4)?),
        remote: SocketAddr::new(address(24)?, port(6)?),
        mark: mark.map(|m| u32::from_ne_bytes(*m)),
        state,
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACKED: Tracked = Tracked { at_proxy: None, by_ztunnel: false };

    fn of(local: &str, remote: &str, mark: Option<u32>, state: u8) -> Stream {
        let address = |text: &str| text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        Stream { local: address(local), remote: address(remote), mark, state, id: [0; 12] }
    }

    #[test]
    fn a_socket_without_a_program_is_no_older_stream() {
        for (socket, want) in [
            (of("10.0.0.1:4000", "10.0.0.2:80", Some(0), ESTABLISHED), true),
            (of("10.0.0.1:4001", "10.0.0.2:15008", Some(ZTUNNEL_MARK), ESTABLISHED), false),
            (of("10.0.0.1:4001", "10.0.0.2:15008", None, 5), false),
            (of("10.0.0.1:15008", "10.0.0.2:4000", Some(0), ESTABLISHED), false),
            (of("10.0.0.1:80", "169.254.7.127:4000", Some(0), ESTABLISHED), false),
            (of("10.0.0.1:80", "10.0.0.1:4000", Some(0), ESTABLISHED), false),
        ] {
            assert_eq!(may_bypass(&socket), want, "{socket:?}");
        }
    }

    #[test]
    fn connection_tracking_decides_which_stream_is_older() {
        let at_proxy = Some(SocketAddr::from(([10, 0, 0, 1], 4000)));
        for (state, tracked, want) in [
            (ESTABLISHED, None, true),
            (8, None, false),
            (5, None, false),
            (8, Some(TRACKED), true),
            (ESTABLISHED, Some(TRACKED), true),
            (ESTABLISHED, Some(Tracked { at_proxy, ..TRACKED }), false),
            (ESTABLISHED, Some(Tracked { by_ztunnel: true, ..TRACKED }), false),
        ] {
            let stream = of("10.0.0.1:4000", "10.0.0.2:80", Some(0), state);
            assert_eq!(stream.bypasses(tracked), want, "{state} {tracked:?}");
        }
    }
}
