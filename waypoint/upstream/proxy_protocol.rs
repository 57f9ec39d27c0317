//! The header that tells an endpoint whose connection it is (HAProxy, "The PROXY protocol", versions 1 and 2).

use std::net::{IpAddr, SocketAddr};

/// What version 2 begins with (2.2).
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, and a connection for somebody else (2.2).
const PROXY: u8 = 0x21;

/// Returns the header for a connection of a client to what it asked for.
#[must_use]
pub fn header(version: u8, client: SocketAddr, asked: SocketAddr) -> Vec<u8> {
    let (from, to) = (client.ip().to_canonical(), asked.ip().to_canonical());
    let (from, to) = if from.is_ipv4() == to.is_ipv4() { (from, to) } else { (mapped(from), mapped(to)) };
    let is_4 = from.is_ipv4();
    if version != 2 {
        let family = if is_4 { "TCP4" } else { "TCP6" };
        return format!("PROXY {family} {from} {to} {} {}\r\n", client.port(), asked.port()).into_bytes();
    }
    let mut header = SIGNATURE.to_vec();
    // The family, with a stream; then the length of what follows.
    header.extend([PROXY, if is_4 { 0x11 } else { 0x21 }]);
    header.extend((if is_4 { 12_u16 } else { 36 }).to_be_bytes());
    for address in [from, to] {
        match address {
            IpAddr::V4(address) => header.extend(address.octets()),
            IpAddr::V6(address) => header.extend(address.octets()),
        }
    }
    header.extend(client.port().to_be_bytes());
    header.extend(asked.port().to_be_bytes());
    header
}

/// Returns an address as one of version 6: both of a header are of one family.
fn mapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().into(),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is the test's result
mod tests {
    use super::*;

    #[test]
    fn headers_are_as_specified() {
        let rows: [(u8, &str, &str, &[u8]); 6] = [
            (1, "10.0.0.1:4000", "10.9.0.1:80", b"PROXY TCP4 10.0.0.1 10.9.0.1 4000 80\r\n"),
            (1, "[fd00::1]:4000", "[fd00::2]:80", b"PROXY TCP6 fd00::1 fd00::2 4000 80\r\n"),
            (1, "[::ffff:10.0.0.1]:4000", "10.9.0.1:80", b"PROXY TCP4 10.0.0.1 10.9.0.1 4000 80\r\n"),
            (1, "10.0.0.1:4000", "[fd00::2]:80", b"PROXY TCP6 ::ffff:10.0.0.1 fd00::2 4000 80\r\n"),
            (
                2,
                "10.0.0.1:4000",
                "10.9.0.1:80",
                b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x0a\x00\x00\x01\x0a\x09\x00\x01\x0f\xa0\x00\x50",
            ),
            (
                2,
                "[fd00::1]:4000",
                "10.9.0.1:80",
                b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\
                  \0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x09\x00\x01\x0f\xa0\x00\x50",
            ),
        ];
        for (version, client, asked, wanted) in rows {
            let found = header(version, client.parse().unwrap(), asked.parse().unwrap());
            assert_eq!(found, wanted, "version {version}, {client} to {asked}");
        }
    }
}
