//! Bytes on their way: appended behind, taken in front. Storage is shared by the connections of a thread, so that one at rest
//! has none.

use std::cell::RefCell;

/// How much a buffer holds before it grows, bytes: a read of 64 KiB behind the rest of a TLS record (RFC 8446 5.2).
pub const BLOCK: usize = (64 << 10) + (18 << 10);
/// How many blocks a thread keeps for those who need one next.
const SPARE: usize = 4;

thread_local! {
    static BLOCKS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A queue of bytes.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// Returns how many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Returns the bytes.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Returns the bytes, to be changed in place.
    pub fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Returns room for at least so many bytes behind; [`Self::grow`] tells how many were written.
    pub fn room(&mut self, least: usize) -> &mut [u8] {
        if self.bytes.is_empty() {
            self.bytes = BLOCKS.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; BLOCK]);
        }
        if self.bytes.len() - self.end < least && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.bytes.len() - self.end < least {
            self.bytes.resize(self.end + least, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// Takes in what was written into the room.
    pub fn grow(&mut self, count: usize) {
        self.end += count;
        debug_assert!(self.end <= self.bytes.len(), "no more than the room holds");
    }

    /// Lets go of bytes in front; of the storage with the last of them.
    pub fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end, "no more than there are");
        if self.start >= self.end {
            self.release();
        }
    }

    /// Gives the storage back if there are no bytes.
    pub fn release(&mut self) {
        if !self.is_empty() || self.bytes.is_empty() {
            return;
        }
        (self.start, self.end) = (0, 0);
        let block = std::mem::take(&mut self.bytes);
        // One that grew is not kept: it would make every later one as large.
        if block.len() == BLOCK {
            BLOCKS.with_borrow_mut(|blocks| {
                if blocks.len() < SPARE {
                    blocks.push(block);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let mut buffer = Buffer::default();
        let mut out = Vec::new();
        for round in 0..200_u8 {
            let room = buffer.room(1000);
            room[..1000].fill(round);
            buffer.grow(1000);
            let take = buffer.len().min(700);
            out.extend_from_slice(&buffer.filled()[..take]);
            buffer.consume(take);
        }
        out.extend_from_slice(buffer.filled());
        buffer.consume(buffer.len());
        assert!(buffer.bytes.is_empty(), "nothing is held at rest");
        assert!(out.chunks(1000).enumerate().all(|(round, chunk)| chunk.iter().all(|b| usize::from(*b) == round)));
    }
}
