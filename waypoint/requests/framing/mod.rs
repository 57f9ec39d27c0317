//! Where messages of HTTP/1 begin and end, by their bytes alone (RFC 9112 6).
//!
//! The parser behind takes what RFC 9112 leaves to a recipient: lines that end in LF, a length beside a coding. Others on the way
//! read such bytes differently, and what one takes for a body is the next one's request. Here only one reading is known; whoever
//! sends anything else is heard no further.

mod chunks;
mod head;

use self::{chunks::Chunks, head::Scan};

/// What is wrong with a head that the parser behind would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A line ends in LF alone.
    BareLineFeed,
    /// It has both a length and a coding (RFC 9112 6.3).
    LengthAndCoding,
}

impl Fault {
    /// Says it in words.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::BareLineFeed => "a line ends in LF alone",
            Self::LengthAndCoding => "it has a length and a transfer coding",
        }
    }
}

/// A head that came whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// What is wrong with it.
    pub fault: Option<Fault>,
    /// It is of HTTP/1.0, or older.
    pub is_old: bool,
}

/// Follows one direction of a connection.
///
/// ```text
///              ┌──────────────── end of message ────────────────┐
///              ▼                                                │
///  ──────►   Head ──┬── no body ────────────────────────────────┤
///              │    ├── a length ──► Sized ─────────────────────┤
///              │    └── chunked ───► Chunked ───────────────────┘
///              │                        │
///              └──► Cut ◄───────────────┘   what has no end, or another one for others
/// ```
#[derive(Debug)]
pub struct Framing {
    state: State,
    scan: Scan,
}

#[derive(Debug)]
enum State {
    Head,
    Sized(u64),
    Chunked(Chunks),
    Cut,
}

/// What became of some bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// How many are of the message under way: none after them is looked at, if it ended.
    pub used: usize,
    /// The head that ended in them.
    pub head: Option<Head>,
}

/// How the body of a message is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Sized(u64),
    Chunked,
    /// Nobody should guess: the parser refuses it, or we do.
    Unknown,
}

impl Default for Framing {
    fn default() -> Self {
        Self { state: State::Head, scan: Scan::default() }
    }
}

impl Framing {
    /// Tells whether nothing more is heard of the sender.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        matches!(self.state, State::Cut)
    }

    /// Follows these bytes to their end, or to that of the message under way.
    pub fn follow(&mut self, bytes: &[u8]) -> Step {
        let mut step = Step::default();
        while step.used < bytes.len() {
            let rest = &bytes[step.used..];
            let ended = match &mut self.state {
                State::Cut => return step,
                State::Head => {
                    let (used, found) = self.scan.follow(rest);
                    step.used += used;
                    match found {
                        head::Found::Nothing => false,
                        head::Found::TooLong => {
                            self.state = State::Cut;
                            return step;
                        }
                        head::Found::Head(head, body) => {
                            step.head = Some(head);
                            self.state = match body {
                                Body::Unknown => State::Cut,
                                _ if head.fault.is_some() => State::Cut,
                                Body::Sized(length) => State::Sized(length),
                                Body::Chunked => State::Chunked(Chunks::default()),
                            };
                            matches!(self.state, State::Sized(0))
                        }
                    }
                }
                State::Sized(left) => {
                    let used = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= used as u64;
                    step.used += used;
                    *left == 0
                }
                State::Chunked(chunks) => {
                    let (used, end) = chunks.follow(rest);
                    step.used += used;
                    if end == chunks::End::Broken {
                        self.state = State::Cut;
                        return step;
                    }
                    end == chunks::End::Whole
                }
            };
            if ended {
                self.state = State::Head;
                return step;
            }
        }
        step
    }
}

#[cfg(test)]
mod tests;
