//! TCP segments out of Ethernet frames, for `capture`. Pure; what is malformed or something else is no segment.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;

/// A TCP segment as it was on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Who sent it.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// Number of the first byte, or of the SYN.
    pub sequence: u32,
    /// What it says besides.
    pub flags: Flags,
    /// What it carries.
    pub payload: Bytes,
}

/// The control bits (RFC 9293 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// No more will come.
    pub fn fin(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// The connection begins.
    pub fn syn(self) -> bool {
        self.0 & 0x02 != 0
    }

    /// The connection is cut.
    pub fn rst(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// Something is acknowledged.
    pub fn ack(self) -> bool {
        self.0 & 0x10 != 0
    }
}

/// Reads a frame of IPv4 or IPv6 with a whole TCP segment; none for anything else, fragments and VLANs included.
///
/// Checksums are not looked at: between interfaces of one machine nobody computes them.
pub fn parse(frame: &[u8]) -> Option<Segment> {
    let kind = u16::from_be_bytes(*frame.get(12..)?.first_chunk()?);
    let packet = frame.get(14..)?;
    let (source, destination, transport) = match i32::from(kind) {
        libc::ETH_P_IP => v4(packet)?,
        libc::ETH_P_IPV6 => v6(packet)?,
        _ => return None,
    };
    tcp(source, destination, transport)
}

type Packet<'a> = (IpAddr, IpAddr, &'a [u8]);

/// RFC 791 3.1.
fn v4(packet: &[u8]) -> Option<Packet<'_>> {
    let header = packet.first_chunk::<20>()?;
    let (version, header_length) = (header[0] >> 4, usize::from(header[0] & 0xf) * 4);
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    // More fragments, or not the first one.
    let is_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
    if version != 4 || header_length < 20 || is_fragment || i32::from(header[9]) != libc::IPPROTO_TCP {
        return None;
    }
    let source = Ipv4Addr::from(*packet.get(12..)?.first_chunk::<4>()?);
    let destination = Ipv4Addr::from(*packet.get(16..)?.first_chunk::<4>()?);
    // A short frame is filled up behind the packet.
    Some((source.into(), destination.into(), packet.get(header_length..length)?))
}

/// Extension headers that are looked behind; more are no traffic of ours.
const EXTENSIONS: usize = 4;

/// RFC 8200 3 and 4.
fn v6(packet: &[u8]) -> Option<Packet<'_>> {
    let header = packet.first_chunk::<40>()?;
    if header[0] >> 4 != 6 {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let source = Ipv6Addr::from(*packet.get(8..)?.first_chunk::<16>()?);
    let destination = Ipv6Addr::from(*packet.get(24..)?.first_chunk::<16>()?);
    let mut next = i32::from(header[6]);
    let mut rest = packet.get(40..40 + length)?;
    for _ in 0..EXTENSIONS {
        if ![libc::IPPROTO_HOPOPTS, libc::IPPROTO_ROUTING, libc::IPPROTO_DSTOPTS].contains(&next) {
            break;
        }
        next = i32::from(*rest.first()?);
        let length = 8 + 8 * usize::from(*rest.get(1)?);
        rest = rest.get(length..)?;
    }
    (next == libc::IPPROTO_TCP).then_some((source.into(), destination.into(), rest))
}

/// RFC 9293 3.1.
fn tcp(source: IpAddr, destination: IpAddr, transport: &[u8]) -> Option<Segment> {
    let header = transport.first_chunk::<20>()?;
    let header_length = usize::from(header[12] >> 4) * 4;
    if header_length < 20 {
        return None;
    }
    Some(Segment {
        source: SocketAddr::new(source, u16::from_be_bytes([header[0], header[1]])),
        destination: SocketAddr::new(destination, u16::from_be_bytes([header[2], header[3]])),
        sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        flags: Flags(header[13]),
        payload: Bytes::copy_from_slice(transport.get(header_length..)?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Ports 4096 and 80, sequence 7, PSH and ACK, four bytes of options.
    const TCP: [u8; 28] =
        *b"\x10\x00\x00\x50\x00\x00\x00\x07\x00\x00\x00\x00\x60\x18\x00\x40\x00\x00\x00\x00\x01\x01\x01\x01ping";

    fn frame_v4(fragment: [u8; 2]) -> Vec<u8> {
        let mut out = [&[0; 12][..], &[8, 0]].concat();
        out.extend([0x45, 0, 0, 48, 0, 0, fragment[0], fragment[1], 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        out.extend(TCP);
        out.extend([0; 6]);
        out
    }

    fn frame_v6(extension: &[u8]) -> Vec<u8> {
        let next = if extension.is_empty() { 6 } else { 0 };
        let mut out = [&[0; 12][..], &[0x86, 0xdd]].concat();
        out.extend([0x60, 0, 0, 0, 0, 28 + extension.len() as u8, next, 64]);
        out.extend(Ipv6Addr::LOCALHOST.octets());
        out.extend(Ipv6Addr::LOCALHOST.octets());
        out.extend(extension);
        out.extend(TCP);
        out
    }

    #[test]
    fn a_segment_of_each_family() {
        let v4 = parse(&frame_v4([0x40, 0])).expect("a segment");
        assert_eq!(v4.source, SocketAddr::from(([10, 0, 0, 1], 4096)));
        assert_eq!(v4.destination, SocketAddr::from(([10, 0, 0, 2], 80)));
        assert_eq!((v4.sequence, &v4.payload[..]), (7, &b"ping"[..]));
        let Flags(bits) = v4.flags;
        assert_eq!(
            (bits, v4.flags.ack(), v4.flags.syn(), v4.flags.fin(), v4.flags.rst()),
            (0x18, true, false, false, false)
        );
        for extension in [&[][..], &[6, 0, 0, 0, 0, 0, 0, 0]] {
            let v6 = parse(&frame_v6(extension)).expect("a segment");
            assert_eq!(v6.source, SocketAddr::from((Ipv6Addr::LOCALHOST, 4096)));
            assert_eq!(&v6.payload[..], b"ping");
        }
    }

    #[test]
    fn everything_else_is_none() {
        assert_eq!(parse(&frame_v4([0x20, 0])), None, "more fragments");
        assert_eq!(parse(&frame_v4([0, 1])), None, "a later fragment");
        assert_eq!(parse(&frame_v6(&[17, 0, 0, 0, 0, 0, 0, 0])), None, "UDP");
        for whole in [frame_v4([0, 0]), frame_v6(&[])] {
            let frame = if whole[12] == 8 { &whole[..whole.len() - 6] } else { &whole[..] };
            for length in 0..frame.len() {
                assert_eq!(parse(&frame[..length]), None, "cut at {length}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_frame_makes_it_panic(random in proptest::collection::vec(any::<u8>(), 0..128), at in 0..100usize, byte: u8) {
            let _ = parse(&random);
            for mut frame in [frame_v4([0, 0]), frame_v6(&[6, 0, 0, 0, 0, 0, 0, 0])] {
                let at = at % frame.len();
                frame[at] = byte;
                let _ = parse(&frame);
                frame.splice(14.., random.iter().copied());
                let _ = parse(&frame);
            }
        }
    }
}
