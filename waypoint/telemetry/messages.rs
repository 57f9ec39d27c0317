//! Counting the messages of a gRPC body (gRPC over HTTP/2, Length-Prefixed-Message), however they are cut into pieces.

/// The prefix of a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// The messages that a body has had so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Messages {
    count: u64,
    /// What is left of the message that is under way.
    left: u32,
    prefix: [u8; PREFIX],
    /// How much of the next prefix has come.
    known: usize,
}

impl Messages {
    /// Looks at a piece.
    pub fn add(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let rest = usize::try_from(self.left).unwrap_or(usize::MAX).min(piece.len());
            piece = &piece[rest..];
            self.left = self.left.saturating_sub(u32::try_from(rest).unwrap_or(u32::MAX));
            let taken = (PREFIX - self.known).min(piece.len());
            self.prefix[self.known..self.known + taken].copy_from_slice(&piece[..taken]);
            self.known += taken;
            piece = &piece[taken..];
            if self.known == PREFIX {
                let [_, length @ ..] = self.prefix;
                (self.left, self.known) = (u32::from_be_bytes(length), 0);
                self.count += 1;
            }
        }
    }

    /// Returns how many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let message = |length: u32| {
            let mut bytes = vec![0];
            bytes.extend(length.to_be_bytes());
            bytes.extend(vec![1; length as usize]);
            bytes
        };
        let body = [message(0), message(3), message(300), message(0)].concat();
        for size in 1..body.len() {
            let mut messages = Messages::default();
            body.chunks(size).for_each(|piece| messages.add(piece));
            assert_eq!(messages.count(), 4, "pieces of {size}");
        }
        let mut cut = Messages::default();
        cut.add(&[]);
        cut.add(&[0, 0, 0]);
        assert_eq!(cut.count(), 0);
        cut.add(&[0xff; 100]);
        assert_eq!(cut.count(), 1);
    }
}
