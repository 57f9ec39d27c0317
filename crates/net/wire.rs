//! What bytes on the wire are: the stream of one direction put together from segments, and whether it is
//! TLS, of which version. Pure; lets the sandbox show from outside that nothing leaves a pod in clear text.

use std::fmt;

use bytes::Bytes;

use crate::segment::Segment;

/// Segments held until one before them comes.
const HELD: usize = 256;

/// The bytes of one direction of a connection, as far as they came without a gap.
#[derive(Clone, Debug)]
pub struct Stream {
    limit: usize,
    bytes: Vec<u8>,
    /// The number of the next byte, once a segment was seen.
    next: Option<u32>,
    held: Vec<(u32, Bytes)>,
    is_cut: bool,
}

impl Stream {
    /// Begins a stream of which at most `limit` bytes are kept.
    pub fn new(limit: usize) -> Self {
        Self { limit, bytes: Vec::new(), next: None, held: Vec::new(), is_cut: false }
    }

    /// Takes a segment; of what was seen before nothing is taken again.
    ///
    /// A stream seen from the middle begins with its first segment. All segments must be of one direction of one connection.
    pub fn push(&mut self, segment: &Segment) {
        let at = segment.sequence.wrapping_add(u32::from(segment.flags.syn()));
        self.next.get_or_insert(at);
        if !segment.payload.is_empty() {
            self.take(at, segment.payload.clone());
        }
        while let Some(i) = self.held.iter().position(|(at, _)| self.distance(*at) <= 0) {
            let (at, payload) = self.held.swap_remove(i);
            self.take(at, payload);
        }
    }

    /// What came, from the beginning to the first gap.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether these are all the bytes that came.
    pub fn is_whole(&self) -> bool {
        !self.is_cut && self.held.is_empty()
    }

    /// How far ahead of the next byte, or behind; numbers wrap (RFC 9293 3.4).
    fn distance(&self, at: u32) -> i32 {
        at.wrapping_sub(self.next.unwrap_or(at)) as i32
    }

    fn take(&mut self, at: u32, payload: Bytes) {
        let distance = self.distance(at);
        if distance > 0 {
            let held: usize = self.held.iter().map(|(_, payload)| payload.len()).sum();
            if self.held.len() < HELD && held + payload.len() <= self.limit {
                self.held.push((at, payload));
            } else {
                self.is_cut = true;
            }
            return;
        }
        let Some(new) = payload.get(distance.unsigned_abs() as usize..) else { return };
        let kept = new.len().min(self.limit - self.bytes.len());
        self.bytes.extend_from_slice(&new[..kept]);
        self.is_cut |= kept < new.len();
        self.next = self.next.map(|next| next.wrapping_add(new.len() as u32));
    }
}

/// What a stream of TLS shows to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The server's choice; none from a client, or while it has not come.
    pub server_hello: Option<ServerHello>,
    /// Records, with the last one although it may have come in part.
    pub records: usize,
    /// Bytes behind the last record that are none: anything but 0 is clear text in a stream that began as TLS.
    pub outside: usize,
}

/// The parameters that a server chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerHello {
    /// The version.
    pub version: Version,
    /// The cipher suite.
    pub cipher: CipherSuite,
}

/// A version of TLS, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u16);

/// A cipher suite, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CipherSuite(pub u16);

impl fmt::Display for ServerHello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.version, self.cipher)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0x0300 => write!(f, "SSL 3.0"),
            minor @ 0x0301..=0x0304 => write!(f, "TLS 1.{}", minor - 0x0301),
            other => write!(f, "TLS version {other:#06x}"),
        }
    }
}

impl fmt::Display for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RFC 8446 B.4, and RFC 5289 and 7905 for TLS 1.2: all that our TLS knows.
        f.write_str(match self.0 {
            0x1301 => "TLS_AES_128_GCM_SHA256",
            0x1302 => "TLS_AES_256_GCM_SHA384",
            0x1303 => "TLS_CHACHA20_POLY1305_SHA256",
            0xc02b => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            0xc02c => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            0xc02f => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            0xc030 => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            0xcca8 => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            0xcca9 => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            other => return write!(f, "cipher suite {other:#06x}"),
        })
    }
}

const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const SUPPORTED_VERSIONS: u16 = 43;
/// Length of a record's header (RFC 8446 5.1).
const HEADER: usize = 5;
/// Longest record: RFC 5246 6.2.3 allows more than RFC 8446 5.2.
const LONGEST: usize = (1 << 14) + 2048;

/// Looks at one direction of a stream from its beginning; none if it does not begin as TLS does, with a handshake.
pub fn tls(bytes: &[u8]) -> Option<Tls> {
    if bytes.first() != Some(&HANDSHAKE) || !may_be_header(bytes) {
        return None;
    }
    let mut handshake = Vec::new();
    let (mut rest, mut records) = (bytes, 0);
    let mut in_handshake = true;
    while !rest.is_empty() && may_be_header(rest) {
        records += 1;
        let Some(header) = rest.first_chunk::<HEADER>() else {
            rest = &[];
            break;
        };
        let end = (HEADER + record_length(header)).min(rest.len());
        in_handshake &= header[0] == HANDSHAKE;
        if in_handshake {
            handshake.extend_from_slice(&rest[HEADER..end]);
        }
        rest = &rest[end..];
    }
    Some(Tls { server_hello: server_hello(&handshake), records, outside: rest.len() })
}

/// Whether this is a record's header, or may become one: type, version, length (RFC 8446 5.1).
fn may_be_header(bytes: &[u8]) -> bool {
    let is = |at: usize, valid: fn(u8) -> bool| bytes.get(at).is_none_or(|byte| valid(*byte));
    let length_fits = bytes.first_chunk().is_none_or(|header| (1..=LONGEST).contains(&record_length(header)));
    is(0, |kind| (20..=23).contains(&kind)) && is(1, |major| major == 3) && is(2, |minor| minor <= 4) && length_fits
}

fn record_length(header: &[u8; HEADER]) -> usize {
    usize::from(u16::from_be_bytes([header[3], header[4]]))
}

/// RFC 8446 4 and 4.1.3; a request to try again (4.1.4) has the same form, and the same choice in it.
fn server_hello(handshake: &[u8]) -> Option<ServerHello> {
    let mut rest = handshake;
    if number(&mut rest, 1)? != usize::from(SERVER_HELLO) {
        return None;
    }
    let length = number(&mut rest, 3)?;
    let mut hello = take(&mut rest, length)?;
    let mut version = number(&mut hello, 2)?;
    take(&mut hello, 32)?; // random
    let session = number(&mut hello, 1)?;
    take(&mut hello, session)?;
    let cipher = number(&mut hello, 2)?;
    take(&mut hello, 1)?; // compression
    // TLS 1.2 may have no extensions.
    let mut extensions = number(&mut hello, 2).and_then(|length| take(&mut hello, length)).unwrap_or(&[]);
    while !extensions.is_empty() {
        let kind = number(&mut extensions, 2)?;
        let length = number(&mut extensions, 2)?;
        let mut data = take(&mut extensions, length)?;
        // The version in the old place stays at that of TLS 1.2 (RFC 8446 4.2.1).
        if kind == usize::from(SUPPORTED_VERSIONS) {
            version = number(&mut data, 2)?;
        }
    }
    Some(ServerHello { version: Version(version as u16), cipher: CipherSuite(cipher as u16) })
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn number(rest: &mut &[u8], length: usize) -> Option<usize> {
    Some(take(rest, length)?.iter().fold(0, |n, byte| n << 8 | usize::from(*byte)))
}

#[cfg(test)]
mod tests;
