//! Finds the first of many alternatives by the text that they ask for, without trying each.
//!
//! Alternatives are numbered in the order in which they are tried. Each stands under the hash of its text; of the text that is
//! looked up, the hash of every beginning that somebody asks for is at hand while it is read once. What is found still has to
//! match as a whole: the hash only says who may, and does not regard the case of letters, since some do not.

/// What an alternative asks of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// That it is this one.
    Whole,
    /// That it begins with this one.
    Beginning,
    /// That it begins with this one, at the end of which it ends or a slash follows.
    Segments,
}

/// Alternatives by their texts.
#[derive(Debug, Default)]
pub(super) struct Index {
    // Sorted: those of one hash stand together, in their order.
    wholes: Vec<(u64, usize)>,
    beginnings: Vec<(u64, usize)>,
    lengths: Vec<Length>,
    // Those that do not ask for a text that could be looked up.
    rest: Vec<usize>,
}

/// A length that beginnings have.
#[derive(Debug)]
struct Length {
    bytes: usize,
    // Whether one of them may end in the middle of a segment.
    anywhere: bool,
}

impl Index {
    /// Puts an alternative in that asks for a text.
    pub(super) fn insert(&mut self, order: usize, asks: Asks, text: impl Iterator<Item = u8>) {
        let mut hash = Hash::new();
        let mut bytes = 0;
        text.for_each(|byte| {
            hash.read(byte);
            bytes += 1;
        });
        if asks == Asks::Whole {
            return self.wholes.push((hash.0, order));
        }
        self.beginnings.push((hash.0, order));
        let anywhere = asks == Asks::Beginning;
        match self.lengths.binary_search_by_key(&bytes, |length| length.bytes) {
            Ok(at) => self.lengths[at].anywhere |= anywhere,
            Err(at) => self.lengths.insert(at, Length { bytes, anywhere }),
        }
    }

    /// Puts an alternative in that may match whatever the text.
    pub(super) fn insert_rest(&mut self, order: usize) {
        self.rest.push(order);
    }

    /// Makes it ready to be asked, once everything is in.
    pub(super) fn sorted(mut self) -> Self {
        self.wholes.sort_unstable();
        self.beginnings.sort_unstable();
        self.rest.sort_unstable();
        self
    }

    /// Returns the first alternative that holds, of all those that may match a text.
    pub(super) fn first(&self, text: impl Iterator<Item = u8>, holds: impl FnMut(usize) -> bool) -> Option<usize> {
        let mut first = First { best: None, holds };
        let mut text = text.peekable();
        let mut hash = Hash::new();
        let mut read = 0;
        for length in &self.lengths {
            while read < length.bytes
                && let Some(byte) = text.next()
            {
                hash.read(byte);
                read += 1;
            }
            if read < length.bytes {
                break;
            }
            if length.anywhere || matches!(text.peek(), None | Some(b'/')) {
                first.of(under(&self.beginnings, hash));
            }
        }
        if !self.wholes.is_empty() {
            text.for_each(|byte| hash.read(byte));
            first.of(under(&self.wholes, hash));
        }
        first.of(self.rest.iter().copied());
        first.best
    }
}

/// Returns those that stand under a hash.
fn under(all: &[(u64, usize)], Hash(hash): Hash) -> impl Iterator<Item = usize> {
    let begin = all.partition_point(|(other, _)| *other < hash);
    all[begin..].iter().take_while(move |(other, _)| *other == hash).map(|(_, order)| *order)
}

/// The search for the first that holds.
struct First<H> {
    best: Option<usize>,
    holds: H,
}

impl<H: FnMut(usize) -> bool> First<H> {
    /// Looks for a better one among these, which are in order.
    fn of(&mut self, orders: impl Iterator<Item = usize>) {
        let best = self.best;
        let mut better = orders.take_while(|order| best.is_none_or(|best| *order < best));
        self.best = better.find(|order| (self.holds)(*order)).or(best);
    }
}

/// FNV-1a of letters without case: a hash that can be told after each byte. Who sends texts does not choose those that are kept,
/// so that he cannot make them collide.
#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn read(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_are_tried_that_may_match_and_may_be_first() {
        let mut index = Index::default();
        let all = [
            (Asks::Beginning, "/a/b"),
            (Asks::Whole, "/A"),
            (Asks::Segments, "/a"),
            (Asks::Segments, ""),
            (Asks::Whole, "/a/b/c"),
            (Asks::Segments, "/a/bc"),
        ];
        for (order, (asks, text)) in all.into_iter().enumerate() {
            index.insert(order, asks, text.bytes());
        }
        index.insert_rest(all.len());
        let index = index.sorted();
        let rows: [(&str, &[usize]); 7] = [
            ("/a/b/c", &[3, 2, 0]),
            ("/a", &[3, 2, 1]),
            ("/ab", &[3]),
            ("/a/bcd", &[3, 2, 0]),
            ("/x/", &[3]),
            ("", &[3]),
            ("*", &[6]),
        ];
        for (text, wanted) in rows {
            let mut tried = Vec::new();
            let first = index.first(text.bytes(), |order| {
                tried.push(order);
                true
            });
            assert_eq!((&*tried, first), (wanted, wanted.last().copied()), "{text}");
        }
        let mut tried = 0;
        let none = index.first("/a/b/c".bytes(), |_| {
            tried += 1;
            false
        });
        assert_eq!((none, tried), (None, 5));
    }
}
