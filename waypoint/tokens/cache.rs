//! Tokens that were proven lately: told again, they cost no check of a signature.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use super::verify::Believed;

/// How many parts the cache has, each with a lock of its own.
const PARTS: usize = 16;
/// How many bytes of tokens a part remembers; what is made of a token takes a few times as much.
const PART_SIZE: usize = 256 << 10;
/// The longest token that is remembered, bytes.
const LONGEST: usize = 8 << 10;

/// What stands for a token: whoever could find another token for it could also forge signatures.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; SHA256_OUTPUT_LEN]);

impl Digest {
    /// Makes it.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let mut made = [0; SHA256_OUTPUT_LEN];
        made.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(made)
    }
}

/// Tokens that were proven. The oldest make room for new ones.
#[derive(Default)]
pub struct Cache([Mutex<Part>; PARTS]);

#[derive(Default)]
struct Part {
    known: HashMap<Digest, Arc<Believed>>,
    // In the order in which they came; one that was replaced or dropped since is passed over.
    order: VecDeque<(Digest, usize)>,
    size: usize,
}

impl Cache {
    /// Returns what is known of a token.
    #[must_use]
    pub fn find(&self, digest: &Digest) -> Option<Arc<Believed>> {
        self.part(digest).lock().unwrap_or_else(PoisonError::into_inner).known.get(digest).cloned()
    }

    /// Remembers a token.
    pub fn keep(&self, digest: Digest, token: &str, believed: Arc<Believed>) {
        if token.len() > LONGEST {
            return;
        }
        let mut part = self.part(&digest).lock().unwrap_or_else(PoisonError::into_inner);
        if part.known.insert(digest, believed).is_some() {
            return;
        }
        part.order.push_back((digest, token.len()));
        part.size += token.len();
        while part.size > PART_SIZE
            && let Some((oldest, size)) = part.order.pop_front()
        {
            part.known.remove(&oldest);
            part.size -= size;
        }
    }

    /// Forgets tokens that will never be valid again.
    pub fn sweep(&self, now: i64) {
        for part in &self.0 {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            let Part { known, order, size } = &mut *part;
            known.retain(|_, believed| !believed.is_over(now));
            order.retain(|(digest, _)| known.contains_key(digest));
            *size = order.iter().map(|(_, size)| size).sum();
        }
    }

    fn part(&self, digest: &Digest) -> &Mutex<Part> {
        &self.0[usize::from(digest.0[0]) % PARTS]
    }
}

#[cfg(test)]
impl Cache {
    /// Returns how many tokens are remembered, and their size.
    pub fn size(&self) -> (usize, usize) {
        let parts = self.0.iter().map(|part| {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            assert_eq!(part.known.len(), part.order.len());
            (part.known.len(), part.size)
        });
        parts.fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
    }
}
