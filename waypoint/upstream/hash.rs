//! Consistent hashing: the same key finds the same endpoint, and few keys move when endpoints come or go.

use std::hash::{DefaultHasher, Hasher};

/// The most points that a ring has, so that weights far apart cannot make it grow without end.
const MOST_POINTS: f64 = 8_388_608.0;
/// The largest table, whatever is asked for: memory is not for a policy to spend.
const MOST_PLACES: u64 = 5_000_011;

/// Hashes bytes; the same in every process that runs this program, so that all replicas of a waypoint agree.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    // With its fixed keys: what clients send decides over their own endpoint at most.
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

fn numbered(name: &str, number: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name.as_bytes());
    hasher.write_u64(number);
    hasher.finish()
}

/// Which of several members a key belongs to.
#[derive(Debug)]
pub enum Table {
    /// Points on a ring, sorted; a key belongs to the next one.
    Ring(Vec<(u64, u32)>),
    /// Maglev's table (Eisenbud et al., NSDI 2016, 3.4); a key belongs to the place that it divides to.
    Maglev(Vec<u32>),
}

/// One member: its index, its name and its weight.
pub type Member<'n> = (u32, &'n str, f64);

impl Table {
    /// Makes a ring with this many points at least; each member has a share of them by its weight.
    #[must_use]
    pub fn ring(members: &[Member<'_>], least: u64) -> Self {
        if members.is_empty() {
            return Self::Ring(Vec::new());
        }
        let sum: f64 = members.iter().map(|m| m.2).sum();
        let smallest = members.iter().map(|m| m.2 / sum).fold(1.0, f64::min);
        // So that the member of the smallest weight has a whole number of points. The points of the others are the first ones of
        // what they would be with fewer members: when one leaves, few keys move that were not its own.
        let scale = ((smallest * least as f64).ceil() / smallest).min(MOST_POINTS);
        let mut points = Vec::with_capacity(scale as usize + members.len());
        for (index, name, weight) in members {
            let count = ((weight / sum * scale).round() as u64).max(1);
            points.extend((0..count).map(|number| (numbered(name, number), *index)));
        }
        points.sort_unstable();
        Self::Ring(points)
    }

    /// Makes Maglev's table of a size, which has to be a prime.
    #[must_use]
    pub fn maglev(members: &[Member<'_>], size: u64) -> Self {
        let size = size.clamp(2, MOST_PLACES);
        let mut table = vec![u32::MAX; size as usize];
        let largest = members.iter().map(|m| m.2).fold(0.0, f64::max);
        let mut left = table.len();
        // Where each member looks for its next place, how far it goes on, and how much of its weight it has had.
        let mut turns: Vec<(u64, u64, f64)> = members
            .iter()
            .map(|(_, name, _)| (numbered(name, 0) % size, numbered(name, 1) % (size - 1) + 1, 0.0))
            .collect();
        while left > 0 && largest > 0.0 {
            for ((index, _, weight), (place, step, had)) in members.iter().zip(&mut turns) {
                *had += weight / largest;
                if *had < 1.0 || left == 0 {
                    continue;
                }
                *had -= 1.0;
                let mut looked = 0;
                while table[*place as usize] != u32::MAX {
                    looked += 1;
                    // Without a prime the steps may never come to the places that are left.
                    if looked > size {
                        *step = 1;
                    }
                    *place = (*place + *step) % size;
                }
                table[*place as usize] = *index;
                left -= 1;
            }
        }
        Self::Maglev(table)
    }

    /// Returns the members that a key belongs to, best first; the same one may come several times.
    pub fn find(&self, key: u64) -> impl Iterator<Item = u32> {
        let (length, first) = match self {
            Self::Ring(points) => (points.len(), points.partition_point(|point| point.0 < key)),
            Self::Maglev(table) => (table.len(), key.checked_rem(table.len() as u64).unwrap_or_default() as usize),
        };
        (0..length).filter_map(move |offset| {
            let place = (first + offset) % length;
            match self {
                Self::Ring(points) => points.get(place).map(|point| point.1),
                Self::Maglev(table) => table.get(place).copied().filter(|index| *index != u32::MAX),
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is the test's result
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEYS: u64 = 4_000;

    fn owners(table: &Table) -> Vec<u32> {
        (0..KEYS).map(|key| table.find(hash(&key.to_le_bytes())).next().unwrap()).collect()
    }

    fn members(names: &[String]) -> Vec<Member<'_>> {
        names.iter().enumerate().map(|(index, name)| (index as u32, &**name, 1.0)).collect()
    }

    fn both(members: &[Member<'_>]) -> [Table; 2] {
        [Table::ring(members, 4096), Table::maglev(members, 5003)]
    }

    #[test]
    fn shares_follow_weights() {
        let members: Vec<Member<'_>> = vec![(0, "10.0.0.1:80", 1.0), (1, "10.0.0.2:80", 2.0), (2, "10.0.0.3:80", 5.0)];
        for table in both(&members) {
            let owners = owners(&table);
            for (index, _, weight) in &members {
                let share = owners.iter().filter(|o| *o == index).count() as f64 / KEYS as f64;
                let wanted = weight / 8.0;
                assert!((share - wanted).abs() < 0.04, "{index}: {share}, wanted {wanted}");
            }
        }
    }

    #[test]
    fn sizes_are_as_asked() {
        let names: Vec<String> = (0..7).map(|n| format!("10.0.0.{n}:80")).collect();
        let Table::Ring(points) = Table::ring(&members(&names), 1024) else { panic!("a ring") };
        assert_eq!(points.len(), 7 * 147);
        let Table::Maglev(table) = Table::maglev(&members(&names), 65_537) else { panic!("a table") };
        let counts: Vec<usize> = (0..7).map(|n| table.iter().filter(|i| **i == n).count()).collect();
        assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
    }

    #[test]
    fn odd_sizes_and_nobody_do_no_harm() {
        assert_eq!(Table::ring(&[], 1024).find(7).next(), None);
        assert_eq!(Table::maglev(&[], 65_537).find(7).next(), None);
        assert_eq!(Table::maglev(&[(3, "a", 1.0)], u64::MAX).find(7).next(), Some(3));
        for size in 0..64 {
            // A size that is no prime makes uneven shares, and nothing worse.
            let members = [(1, "10.0.0.1:80", 1.0), (2, "10.0.0.2:80", 3.0), (3, "10.0.0.3:80", 1.0)];
            let Table::Maglev(table) = Table::maglev(&members, size) else { panic!("a table") };
            assert!(table.iter().all(|index| (1..4).contains(index)), "{size}");
        }
        // More members than places: some have none, and nothing fails.
        let names: Vec<String> = (0..9).map(|n| format!("10.0.0.{n}:80")).collect();
        assert!(Table::maglev(&members(&names), 5).find(7).next().is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

        #[test]
        fn little_moves_when_one_leaves(count in 3_usize..20, gone in 0_usize..20, seed: u16) {
            let names: Vec<String> = (0..count).map(|n| format!("10.{}.{}.{n}:80", seed >> 8, seed & 0xff)).collect();
            let gone = gone % count;
            let all = members(&names);
            let rest: Vec<Member<'_>> = all.iter().copied().filter(|m| m.0 as usize != gone).collect();
            for (index, (before, after)) in both(&all).iter().zip(&both(&rest)).enumerate() {
                let (before, after) = (owners(before), owners(after));
                prop_assert!(after.iter().all(|owner| *owner as usize != gone));
                let moved = before.iter().zip(&after).filter(|(b, a)| **b as usize != gone && a != b).count();
                // What is not moved by need: points that the others get in its stead, or places in Maglev's table.
                let most = if index == 0 { KEYS as usize * 3 / (2 * count) } else { KEYS as usize / 5 };
                prop_assert!(moved <= most, "{moved} of {KEYS} moved");
            }
        }

        #[test]
        fn order_does_not_matter_on_a_ring(count in 2_usize..12) {
            let names: Vec<String> = (0..count).map(|n| format!("10.0.0.{n}:80")).collect();
            let all = members(&names);
            let turned: Vec<Member<'_>> = all.iter().rev().copied().collect();
            prop_assert_eq!(owners(&Table::ring(&all, 256)), owners(&Table::ring(&turned, 256)));
        }
    }
}
