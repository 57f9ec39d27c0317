//! The frames of HTTP/2 (RFC 9113 4 and 6), as far as tunnels need them.

/// The length of a frame's head, bytes (RFC 9113 4.1).
pub const HEAD: usize = 9;
/// What a client begins with (RFC 9113 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The largest window there is (RFC 9113 6.9.1).
pub const MAX_WINDOW: i64 = (1 << 31) - 1;
/// The window that every stream and connection begins with (RFC 9113 6.9.2).
pub const FIRST_WINDOW: i64 = 65_535;
/// The largest frame that every peer takes (RFC 9113 6.5.2).
pub const FIRST_FRAME: usize = 16_384;

/// Kinds of frames (RFC 9113 6).
pub mod kind {
    /// Bytes of a stream.
    pub const DATA: u8 = 0;
    /// The head or the trailers of a stream.
    pub const HEADERS: u8 = 1;
    /// The end of a stream in disorder.
    pub const RST_STREAM: u8 = 3;
    /// Settings of the sender.
    pub const SETTINGS: u8 = 4;
    /// A stream that the server opens: never, here.
    pub const PUSH_PROMISE: u8 = 5;
    /// Are you there.
    pub const PING: u8 = 6;
    /// No further streams.
    pub const GOAWAY: u8 = 7;
    /// More may be sent.
    pub const WINDOW_UPDATE: u8 = 8;
    /// More of a head.
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames (RFC 9113 6).
pub mod flag {
    /// The answer to SETTINGS or PING.
    pub const ACK: u8 = 0x1;
    /// The stream's last frame.
    pub const END_STREAM: u8 = 0x1;
    /// The head's last frame.
    pub const END_HEADERS: u8 = 0x4;
    /// With a length of padding in front and padding behind.
    pub const PADDED: u8 = 0x8;
    /// With a priority in front.
    pub const PRIORITY: u8 = 0x20;
}

/// Error codes (RFC 9113 7).
pub mod code {
    /// All is well.
    pub const NO_ERROR: u32 = 0;
    /// Against the protocol.
    pub const PROTOCOL_ERROR: u32 = 1;
    /// More than the window allows.
    pub const FLOW_CONTROL_ERROR: u32 = 3;
    /// For a stream that has ended.
    pub const STREAM_CLOSED: u32 = 5;
    /// Too long, or too short for its kind.
    pub const FRAME_SIZE_ERROR: u32 = 6;
    /// Nothing was done: it may be tried again.
    pub const REFUSED_STREAM: u32 = 7;
    /// No longer wanted.
    pub const CANCEL: u32 = 8;
    /// The header compression is out of step.
    pub const COMPRESSION_ERROR: u32 = 9;
    /// Too much of it.
    pub const ENHANCE_YOUR_CALM: u32 = 11;
}

/// Names of settings (RFC 9113 6.5.2).
pub mod setting {
    /// How large a table of fields the peer keeps.
    pub const HEADER_TABLE_SIZE: u16 = 1;
    /// Whether the server may push.
    pub const ENABLE_PUSH: u16 = 2;
    /// How many streams the peer may have open.
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    /// The window that streams begin with.
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    /// The largest frame that is taken.
    pub const MAX_FRAME_SIZE: u16 = 5;
    /// How long a head may be.
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// A peer that breaks the protocol: the whole connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer broke the protocol: {reason}")]
pub struct Violation {
    /// What is told to it.
    pub code: u32,
    /// What it did.
    pub reason: &'static str,
}

impl Violation {
    /// Makes a breach of the protocol without a code of its own.
    #[must_use]
    pub fn protocol(reason: &'static str) -> Self {
        Self { code: code::PROTOCOL_ERROR, reason }
    }

    /// Makes a breach by the size of a frame.
    #[must_use]
    pub fn size(reason: &'static str) -> Self {
        Self { code: code::FRAME_SIZE_ERROR, reason }
    }
}

/// The head of a frame (RFC 9113 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How long its payload is, bytes.
    pub length: usize,
    /// Its kind.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0 for the connection.
    pub stream: u32,
}

impl Head {
    /// Reads a head.
    #[must_use]
    pub fn read(bytes: &[u8; HEAD]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = *bytes;
        Self {
            length: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            // The first bit is reserved and ignored.
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
        }
    }

    /// Writes the head.
    #[must_use]
    pub fn bytes(&self) -> [u8; HEAD] {
        let [_, a, b, c] = (self.length as u32).to_be_bytes();
        let [s, t, u, v] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, s, t, u, v]
    }

    /// Tells whether a flag is set.
    #[must_use]
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Writes a frame.
pub fn write(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&Head { length: payload.len(), kind, flags, stream }.bytes());
    out.extend_from_slice(payload);
}

/// Writes SETTINGS.
pub fn write_settings(out: &mut Vec<u8>, settings: &[(u16, u32)]) {
    let mut payload = Vec::with_capacity(settings.len() * 6);
    for (name, value) in settings {
        payload.extend_from_slice(&name.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    write(out, kind::SETTINGS, 0, 0, &payload);
}

/// Reads the payload of SETTINGS.
///
/// # Errors
/// A length that is no multiple of six.
pub fn read_settings(payload: &[u8]) -> Result<impl Iterator<Item = (u16, u32)>, Violation> {
    let (settings, rest) = payload.as_chunks::<6>();
    if !rest.is_empty() {
        return Err(Violation::size("SETTINGS of a broken length"));
    }
    Ok(settings.iter().map(|[a, b, value @ ..]| (u16::from_be_bytes([*a, *b]), u32::from_be_bytes(*value))))
}

/// Takes priority and padding off the payload of HEADERS (RFC 9113 6.2).
///
/// # Errors
/// Padding that is longer than what is there.
pub fn unpad<'p>(head: &Head, mut payload: &'p [u8]) -> Result<&'p [u8], Violation> {
    let short = Violation::protocol("padding is longer than the frame");
    let mut padding = 0;
    if head.has(flag::PADDED) {
        let (length, rest) = payload.split_first().ok_or(short)?;
        (padding, payload) = (usize::from(*length), rest);
    }
    if head.has(flag::PRIORITY) {
        payload = payload.get(5..).ok_or(short)?;
    }
    payload.len().checked_sub(padding).and_then(|end| payload.get(..end)).ok_or(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_round_trip() {
        let head = Head { length: 0x01_02_03, kind: kind::HEADERS, flags: flag::PADDED, stream: 0x7fff_fffe };
        assert_eq!(Head::read(&head.bytes()), head);
        assert_eq!(Head::read(&[0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]).stream, 0x7fff_ffff);
    }

    #[test]
    fn padding_and_priority_come_off() {
        let of = |flags, payload| unpad(&Head { length: 0, kind: 1, flags, stream: 1 }, payload).map(<[u8]>::to_vec);
        assert_eq!(of(0, b"abc".as_slice()), Ok(b"abc".to_vec()));
        assert_eq!(of(flag::PADDED, &[2, b'a', 0, 0]), Ok(b"a".to_vec()));
        assert_eq!(of(flag::PADDED | flag::PRIORITY, &[1, 0, 0, 0, 0, 9, b'a', 0]), Ok(b"a".to_vec()));
        for (flags, payload) in [(flag::PADDED, &[][..]), (flag::PADDED, &[3, 0, 0]), (flag::PRIORITY, &[0; 4])] {
            assert!(of(flags, payload).is_err(), "{flags} {payload:?}");
        }
    }
}
