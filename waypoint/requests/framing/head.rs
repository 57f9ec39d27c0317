//! The heads of requests, line by line.

use super::{Body, Fault, Head};
use crate::requests::check::MAX_HEAD;

/// How long a head may become before it is no longer followed, bytes: the parser refuses it long before.
const TOO_LONG: usize = 4 * MAX_HEAD;

/// What came of some bytes of a head.
#[derive(Debug)]
pub enum Found {
    /// It goes on.
    Nothing,
    /// It ended.
    Head(Head, Body),
    /// It has no end.
    TooLong,
}

/// A head under way.
#[derive(Debug, Default)]
pub struct Scan {
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// How much came.
    length: usize,
    /// The line of the request came.
    begun: bool,
    is_old: bool,
    is_connect: bool,
    fault: Option<Fault>,
    size: Option<Result<u64, ()>>,
    coding: Option<Result<(), ()>>,
}

impl Scan {
    /// Follows bytes to the end of the head; returns how many are of it.
    pub fn follow(&mut self, bytes: &[u8]) -> (usize, Found) {
        let mut used = 0;
        while let Some(end) = memchr::memchr(b'\n', &bytes[used..]) {
            let line = &bytes[used..used + end];
            used += end + 1;
            let whole = if self.line.is_empty() {
                self.line(line)
            } else {
                let mut first = std::mem::take(&mut self.line);
                first.extend_from_slice(line);
                self.line(&first)
            };
            if whole {
                let (head, body) = self.judge();
                *self = Self::default();
                return (used, Found::Head(head, body));
            }
        }
        self.length += bytes.len();
        if self.length > TOO_LONG {
            return (bytes.len(), Found::TooLong);
        }
        self.line.extend_from_slice(&bytes[used..]);
        (bytes.len(), Found::Nothing)
    }

    /// Takes note of a line without its LF; tells whether it ends the head.
    fn line(&mut self, line: &[u8]) -> bool {
        let line = match line.split_last() {
            Some((b'\r', line)) => line,
            _ => {
                self.fault = Some(Fault::BareLineFeed);
                line
            }
        };
        if line.is_empty() {
            // Before a request empty lines count for nothing (RFC 9112 2.2).
            return self.begun;
        }
        if self.begun {
            self.field(line);
        } else {
            self.begun = true;
            self.is_old = !line.ends_with(b"HTTP/1.1");
            self.is_connect = line.starts_with(b"CONNECT ");
        }
        false
    }

    fn field(&mut self, line: &[u8]) {
        // Longer than any name that matters: most lines are left at their first letter.
        if !matches!(line[0] | 0x20, b'c' | b't') {
            return;
        }
        let Some(colon) = memchr::memchr(b':', line) else { return };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let size = size(value).ok_or(());
            let same = self.size.is_none_or(|before| before == size);
            self.size = Some(if same { size } else { Err(()) });
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let chunked = self.coding.is_none() && value.eq_ignore_ascii_case(b"chunked");
            self.coding = Some(if chunked { Ok(()) } else { Err(()) });
        }
    }

    fn judge(&self) -> (Head, Body) {
        let both = (self.size.is_some() && self.coding.is_some()).then_some(Fault::LengthAndCoding);
        let body = match (self.coding, self.size) {
            // What follows is of the tunnel, and there is none.
            _ if self.is_connect => Body::Unknown,
            (Some(Ok(())), None) if !self.is_old => Body::Chunked,
            (None, Some(Ok(size))) => Body::Sized(size),
            (None, None) => Body::Sized(0),
            _ => Body::Unknown,
        };
        (Head { fault: self.fault.or(both), is_old: self.is_old }, body)
    }
}

/// Reads a length: digits and nothing else (RFC 9110 8.6).
fn size(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()
}
