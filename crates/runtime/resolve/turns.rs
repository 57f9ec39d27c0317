//! Whose turn it is to ask DNS for a name that nobody knows: no client keeps others from theirs.
//!
//! Nobody may have more questions under way than there are turns left. So one client alone gets half of all, two a third each,
//! whoever they are, and there is a turn left for who has none yet.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use model::Identity;

/// How many questions are under way, and whose.
#[derive(Debug)]
pub(super) struct Turns {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Of those who have any: there are never more of them than turns.
    by: HashMap<Identity, usize>,
}

/// Leave to ask, for as long as it is held.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    by: Identity,
}

impl Turns {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// Takes one, if its client may have another.
    pub(super) fn take(self: &Arc<Self>, by: &Identity) -> Option<Turn> {
        let mut taken = self.lock();
        let own = taken.by.get(by).copied().unwrap_or(0);
        if own >= self.most - taken.all {
            return None;
        }
        taken.all += 1;
        taken.by.insert(by.clone(), own + 1);
        Some(Turn { turns: self.clone(), by: by.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut taken = self.turns.lock();
        taken.all -= 1;
        let Entry::Occupied(mut own) = taken.by.entry(self.by.clone()) else { return };
        *own.get_mut() -= 1;
        if *own.get() == 0 {
            own.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(n: usize) -> Identity {
        format!("spiffe://cluster.local/ns/shop/sa/client-{n}").parse().expect("valid")
    }

    /// Takes as many as a client may have.
    fn all(turns: &Arc<Turns>, by: usize) -> Vec<Turn> {
        std::iter::from_fn(|| turns.take(&client(by))).collect()
    }

    #[test]
    fn who_takes_all_leaves_a_share_to_others() {
        let turns = Turns::new(16);
        let first = all(&turns, 0);
        let (second, third) = (all(&turns, 1), all(&turns, 2));
        assert_eq!([first.len(), second.len(), third.len()], [8, 4, 2]);
        drop(first);
        assert_eq!(all(&turns, 2).len(), 4, "what is free is free for all");
        drop((second, third));
        let taken = turns.lock();
        assert_eq!((taken.all, taken.by.len()), (0, 0), "nothing is kept of who asks no more");
    }

    #[test]
    fn there_are_no_more_than_there_are() {
        let turns = Turns::new(8);
        let held: Vec<Turn> = (0..20).filter_map(|n| turns.take(&client(n))).collect();
        assert_eq!(held.len(), 8);
        assert!(turns.take(&client(0)).is_none() && turns.take(&client(30)).is_none());
    }
}
