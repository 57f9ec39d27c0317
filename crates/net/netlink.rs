//! Netlink messages: building, sending, reading answers. The ground of `links`, `nft`, `route` and `streams`.
//!
//! One small writer serves the subsystems: each needs a handful of messages, and the crates for
//! routes bring no nftables, those for nftables no licence we can take.

use std::io;

use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

/// A failed exchange with the kernel.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket failed, or the kernel did not answer within five seconds.
    #[error("cannot talk netlink")]
    Socket(#[source] io::Error),
    /// The packet exceeds the send buffer, which needs privileges over the whole machine to grow further.
    #[error("a change of {length} bytes exceeds net.core.wmem_max")]
    TooLarge {
        /// The packet's length.
        length: usize,
        /// The errno.
        #[source]
        source: io::Error,
    },
    /// The kernel refused a message; the source is its errno.
    #[error("the kernel refused {what}")]
    Refused {
        /// What was asked.
        what: String,
        /// The errno.
        #[source]
        source: io::Error,
    },
    /// The answer is shorter than its own headers say.
    #[error("malformed netlink answer")]
    Malformed,
}

impl Error {
    /// Whether the kernel said that the thing does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self.errno(), Some(libc::ENOENT | libc::ESRCH | libc::ENODEV))
    }

    /// Whether the kernel said that the thing exists already.
    pub fn is_exists(&self) -> bool {
        self.errno() == Some(libc::EEXIST)
    }

    /// The kernel's error number, if it refused.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::Refused { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

const HEADER: usize = 16;

/// A message being written.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    bytes: Vec<u8>,
    /// For the error text.
    what: String,
}

impl Message {
    pub(crate) fn new(what: impl Into<String>, kind: u16, flags: i32) -> Self {
        let mut bytes = vec![0u8; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&((flags | libc::NLM_F_REQUEST) as u16).to_ne_bytes());
        Self { bytes, what: what.into() }
    }

    /// Appends the fixed part after the header.
    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.bytes.extend_from_slice(body);
        self.pad();
        self
    }

    pub(crate) fn attr(mut self, kind: u16, value: &[u8]) -> Self {
        self.put(kind, value);
        self
    }

    /// A string with its closing zero.
    pub(crate) fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attr(kind, &bytes)
    }

    /// Network byte order, as nftables wants its numbers.
    pub(crate) fn be32(self, kind: u16, value: u32) -> Self {
        self.attr(kind, &value.to_be_bytes())
    }

    pub(crate) fn nest(mut self, kind: u16, inner: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        self.put(kind | libc::NLA_F_NESTED as u16, &[]);
        self = inner(self);
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    fn put(&mut self, kind: u16, value: &[u8]) {
        let length = (4 + value.len()) as u16;
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn add_flags(&mut self, flags: i32) {
        let old = u16::from_ne_bytes([self.bytes[6], self.bytes[7]]);
        self.bytes[6..8].copy_from_slice(&(old | flags as u16).to_ne_bytes());
    }

    fn finish(&mut self, sequence: u32) {
        let length = self.bytes.len() as u32;
        self.bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
    }
}

/// What the kernel keeps of a send buffer for itself, with room to spare (`netlink_sendmsg`).
const BUFFER_OVERHEAD: usize = 4096;

/// A netlink socket of the namespace in which it was opened.
pub(crate) struct Link {
    socket: Socket,
    sequence: u32,
}

impl Link {
    pub(crate) fn open(protocol: i32) -> Result<Self, Error> {
        let open = || {
            let mut socket = Socket::new(protocol as isize)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(5))?;
            // A refused batch of many elements answers with as many errors.
            setsockopt(&socket, sockopt::RcvBuf, &(1 << 20))?;
            Ok(socket)
        };
        Ok(Self { socket: open().map_err(Error::Socket)?, sequence: 0 })
    }

    /// Sends one message and waits for its acknowledgement.
    pub(crate) fn request(&mut self, message: Message) -> Result<(), Error> {
        self.batch(vec![message])
    }

    /// Sends all messages in one packet and waits for the last one's acknowledgement, or the first error.
    ///
    /// The last message with a change must ask for the acknowledgement itself if an end marker follows
    /// it; see [`crate::nft`].
    pub(crate) fn batch(&mut self, mut messages: Vec<Message>) -> Result<(), Error> {
        // nftables' markers (types 16 and 17) are never acknowledged by older kernels.
        let marker = |m: &Message| matches!(u16::from_ne_bytes([m.bytes[4], m.bytes[5]]), 0x10 | 0x11);
        let batched = messages.first().is_some_and(marker) && messages.len() > 1;
        let last = messages.iter().rposition(|m| !(batched && marker(m)));
        let Some(last) = last else { return Ok(()) };
        messages[last].add_flags(libc::NLM_F_ACK);
        let first = self.sequence + 1;
        let mut packet = Vec::new();
        for message in &mut messages {
            self.sequence += 1;
            message.finish(self.sequence);
            packet.extend_from_slice(&message.bytes);
        }
        self.make_room(packet.len()).map_err(Error::Socket)?;
        self.socket.send(&packet, 0).map_err(|source| match source.raw_os_error() {
            Some(libc::EMSGSIZE) => Error::TooLarge { length: packet.len(), source },
            _ => Error::Socket(source),
        })?;
        loop {
            let (bytes, _) = self.socket.recv_from_full().map_err(Error::Socket)?;
            for answer in answers(&bytes) {
                let (kind, sequence, payload) = answer?;
                if i32::from(kind) != libc::NLMSG_ERROR || sequence < first {
                    continue;
                }
                let index = (sequence - first) as usize;
                let code = payload.first_chunk::<4>().ok_or(Error::Malformed)?;
                match i32::from_ne_bytes(*code) {
                    0 if index == last => return Ok(()),
                    0 => {}
                    code => {
                        let what = messages.get(index).map(|m| m.what.clone()).unwrap_or_default();
                        let source = io::Error::from_raw_os_error(code.saturating_neg());
                        return Err(Error::Refused { what, source });
                    }
                }
            }
        }
    }

    /// Lets a packet of this length leave: the kernel refuses one that exceeds the send buffer (`EMSGSIZE`).
    fn make_room(&self, length: usize) -> io::Result<()> {
        let wanted = length + BUFFER_OVERHEAD;
        if getsockopt(&self.socket, sockopt::SndBuf)? >= wanted {
            return Ok(());
        }
        // Beyond the machine's limit only with privileges over the machine; the kernel doubles what it is given.
        match setsockopt(&self.socket, sockopt::SndBufForce, &wanted) {
            Err(nix::Error::EPERM) => Ok(setsockopt(&self.socket, sockopt::SndBuf, &wanted)?),
            other => Ok(other?),
        }
    }

    /// Asks for one object and returns the answer's payload.
    pub(crate) fn get(&mut self, message: Message) -> Result<Vec<u8>, Error> {
        Ok(self.ask(message, true)?.pop().unwrap_or_default())
    }

    /// Asks for a listing and returns each answer's payload.
    pub(crate) fn dump(&mut self, mut message: Message) -> Result<Vec<Vec<u8>>, Error> {
        message.add_flags(libc::NLM_F_DUMP);
        self.ask(message, false)
    }

    fn ask(&mut self, mut message: Message, one: bool) -> Result<Vec<Vec<u8>>, Error> {
        self.sequence += 1;
        message.finish(self.sequence);
        self.socket.send(&message.bytes, 0).map_err(Error::Socket)?;
        let mut out = Vec::new();
        loop {
            let (bytes, _) = self.socket.recv_from_full().map_err(Error::Socket)?;
            for answer in answers(&bytes) {
                let (kind, sequence, payload) = answer?;
                if sequence != self.sequence {
                    continue;
                }
                match i32::from(kind) {
                    libc::NLMSG_DONE => return Ok(out),
                    libc::NLMSG_ERROR => {
                        let code = payload.first_chunk::<4>().ok_or(Error::Malformed)?;
                        let code = i32::from_ne_bytes(*code).saturating_neg();
                        let source = io::Error::from_raw_os_error(code);
                        return Err(Error::Refused { what: message.what, source });
                    }
                    _ => out.push(payload.to_vec()),
                }
                if one {
                    return Ok(out);
                }
            }
        }
    }
}

type Answer<'a> = (u16, u32, &'a [u8]);

/// Splits a packet into messages; what does not fit its own length is an error, never a panic.
fn answers(mut bytes: &[u8]) -> impl Iterator<Item = Result<Answer<'_>, Error>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let Some(header) = bytes.first_chunk::<HEADER>() else {
            bytes = &[];
            return Some(Err(Error::Malformed));
        };
        let number = |i: usize| u32::from_ne_bytes([header[i], header[i + 1], header[i + 2], header[i + 3]]);
        let length = number(0) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let sequence = number(8);
        if length < HEADER || length > bytes.len() {
            bytes = &[];
            return Some(Err(Error::Malformed));
        }
        let payload = &bytes[HEADER..length];
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(Ok((kind, sequence, payload)))
    })
}

/// The attributes of a payload; stops at the first malformed one.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let head = bytes.first_chunk::<4>()?;
        let length = u16::from_ne_bytes([head[0], head[1]]) as usize;
        let kind = u16::from_ne_bytes([head[2], head[3]]) & libc::NLA_TYPE_MASK as u16;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

/// The attribute of this kind.
pub(crate) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(k, _)| *k == kind).map(|(_, v)| v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_answers_end_and_do_not_panic() {
        assert_eq!(answers(&[]).count(), 0);
        assert!(answers(&[1, 2, 3]).all(|a| a.is_err()));
        let mut short = vec![0u8; 16];
        short[0] = 4;
        assert!(answers(&short).all(|a| a.is_err()));
        short[0] = 200;
        assert!(answers(&short).all(|a| a.is_err()));
        assert_eq!(attributes(&[3, 0, 0, 0, 9]).count(), 0);
        assert_eq!(attributes(&[255, 255, 0, 0]).count(), 0);
        assert_eq!(attributes(&[5, 0, 7, 0, 1]).collect::<Vec<_>>(), [(7, &[1u8][..])]);
    }
}
