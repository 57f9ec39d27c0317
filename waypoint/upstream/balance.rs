//! Which of several endpoints: the draw itself, over members that are known to take traffic.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use model::l7::destination::{Balancer, Warmup};

use super::{
    hash::{Member, Table},
    limits::Permit,
};

/// How often a draw is repeated to get round members that were tried already, before all of them are looked at.
const DRAWS: usize = 8;
/// The golden ratio's fraction: its multiples are spread evenly over any interval, whatever the weights.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What an endpoint has to do.
#[derive(Debug, Default)]
pub struct Load {
    active: AtomicU32,
}

/// One request or connection under way; dropped, it is done.
#[derive(Debug)]
pub struct Busy {
    load: Arc<Load>,
    _permit: Option<Permit>,
    connection: Option<Arc<Permit>>,
}

impl Busy {
    /// Keeps a place for a connection as well, which goes over to another protocol.
    pub fn keep(&mut self, connection: Arc<Permit>) {
        self.connection = Some(connection);
    }
}

impl Load {
    /// Counts one more, which may be one of what is bounded as well.
    #[must_use]
    pub fn begin(self: &Arc<Self>, permit: Option<Permit>) -> Busy {
        self.active.fetch_add(1, Ordering::Relaxed);
        Busy { load: self.clone(), _permit: permit, connection: None }
    }

    /// Returns how many are under way.
    #[must_use]
    pub fn active(&self) -> u32 {
        self.active.load(Ordering::Relaxed)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.load.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns which part of its share an endpoint gets that is this old, in seconds (Envoy, "Slow start").
#[must_use]
pub fn warmth(warmup: &Warmup, age: f64) -> f64 {
    let least = (warmup.minimum_percent / 100.0).clamp(0.0, 1.0);
    let whole = warmup.duration.as_secs_f64();
    if age >= whole {
        return 1.0;
    }
    // A share of nothing would never be warm.
    (age.max(0.001) / whole).powf(1.0 / warmup.aggression.max(1.0)).max(least).clamp(0.001, 1.0)
}

/// What a draw depends on besides the members.
pub struct Draw<'d> {
    /// A random number, or the hash of the request's key.
    pub random: u64,
    /// Whether that number is a key.
    pub keyed: bool,
    /// How many draws went before.
    pub turn: u64,
    /// Tells whether a member was tried already.
    pub tried: &'d dyn Fn(u32) -> bool,
    /// Tells how much a member has to do.
    pub load: &'d dyn Fn(u32) -> u32,
}

/// Members that take traffic, made ready for draws.
#[derive(Debug)]
pub struct Set {
    members: Vec<u32>,
    weights: Weights,
    table: Option<Table>,
}

#[derive(Debug)]
enum Weights {
    Equal,
    /// The sum up to each.
    Sums(Vec<u64>),
}

impl Set {
    /// Makes one of members with weights.
    #[must_use]
    pub fn new(members: &[Member<'_>], balancer: &Balancer) -> Self {
        let first = members.first().map_or(1.0, |m| m.2);
        let equal = members.iter().all(|m| (m.2 - first).abs() < f64::EPSILON);
        let mut sum = 0;
        let sums = members.iter().map(|m| {
            sum += ((m.2 * 1024.0) as u64).max(1);
            sum
        });
        let weights = if equal { Weights::Equal } else { Weights::Sums(sums.collect()) };
        let table = match balancer {
            Balancer::Hash(policy) => Some(match (policy.ring, policy.table) {
                (_, Some(size)) => Table::maglev(members, size),
                (ring, None) => Table::ring(members, ring.unwrap_or(1024)),
            }),
            _ => None,
        };
        Self { members: members.iter().map(|m| m.0).collect(), weights, table }
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Draws one; those that were tried come last. None if there are none.
    #[must_use]
    pub fn draw(&self, balancer: &Balancer, draw: &Draw<'_>) -> Option<u32> {
        if self.members.len() <= 1 {
            return self.members.first().copied();
        }
        if let (Some(table), true) = (&self.table, draw.keyed) {
            let fresh = table.find(draw.random).find(|member| !(draw.tried)(*member));
            return fresh.or_else(|| table.find(draw.random).next());
        }
        let mut random = draw.random;
        for round in 0..DRAWS {
            let one = match balancer {
                Balancer::RoundRobin => self.in_turn(draw.turn.wrapping_add(round as u64)),
                Balancer::LeastRequest => self.lighter(random, draw),
                Balancer::Random | Balancer::Passthrough | Balancer::Hash(_) => self.at(random),
            }?;
            if !(draw.tried)(one) {
                return Some(one);
            }
            random = mix(random);
        }
        let start = draw.random as usize % self.members.len();
        let (before, after) = self.members.split_at(start);
        let fresh = after.iter().chain(before).find(|member| !(draw.tried)(**member));
        fresh.copied().or_else(|| self.at(random))
    }

    /// Draws two and takes the one with less to do for its weight.
    fn lighter(&self, random: u64, draw: &Draw<'_>) -> Option<u32> {
        let count = self.members.len() as u64;
        let (one, other) = match &self.weights {
            Weights::Equal => {
                // Two different ones: the same twice would be no choice.
                let one = scaled(random, count);
                (one, (one + 1 + scaled(mix(random), count - 1)) % count)
            }
            Weights::Sums(sums) => (position(sums, random) as u64, position(sums, mix(random)) as u64),
        };
        let load = |place: u64| {
            let member = self.members.get(place as usize).copied()?;
            let weight = match &self.weights {
                Weights::Equal => 1,
                Weights::Sums(sums) => weight(sums, place as usize),
            };
            Some(((u64::from((draw.load)(member)) << 16) / weight.max(1), member))
        };
        let (one, other) = (load(one)?, load(other)?);
        Some(if one.0 <= other.0 { one.1 } else { other.1 })
    }

    fn in_turn(&self, turn: u64) -> Option<u32> {
        match &self.weights {
            Weights::Equal => self.members.get(turn as usize % self.members.len()).copied(),
            // Evenly spread, so that a heavy member has no run of turns.
            Weights::Sums(sums) => self.members.get(position(sums, turn.wrapping_mul(GOLDEN))).copied(),
        }
    }

    fn at(&self, random: u64) -> Option<u32> {
        let place = match &self.weights {
            Weights::Equal => scaled(random, self.members.len() as u64) as usize,
            Weights::Sums(sums) => position(sums, random),
        };
        self.members.get(place).copied()
    }
}

/// Returns a number below `count`, as far into it as `random` is into all numbers.
#[must_use]
pub fn scaled(random: u64, count: u64) -> u64 {
    ((u128::from(random) * u128::from(count)) >> 64) as u64
}

/// Makes another random number of one (SplitMix64).
#[must_use]
pub fn mix(random: u64) -> u64 {
    let mut mixed = random.wrapping_add(GOLDEN);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn position(sums: &[u64], random: u64) -> usize {
    let point = scaled(random, sums.last().copied().unwrap_or_default());
    sums.partition_point(|sum| *sum <= point)
}

fn weight(sums: &[u64], place: usize) -> u64 {
    let before = place.checked_sub(1).and_then(|p| sums.get(p)).copied().unwrap_or_default();
    sums.get(place).copied().unwrap_or_default() - before
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is the test's result
mod tests {
    use std::time::Duration;

    use super::*;

    fn draws(set: &Set, balancer: &Balancer, loads: &[u32], tried: &[u32], count: u64) -> Vec<f64> {
        let mut counts = vec![0.0; loads.len()];
        for turn in 0..count {
            let draw = Draw {
                random: mix(turn),
                keyed: false,
                turn,
                tried: &|member| tried.contains(&member),
                load: &|member| loads[member as usize],
            };
            counts[set.draw(balancer, &draw).unwrap() as usize] += 1.0 / count as f64;
        }
        counts
    }

    #[test]
    fn shares_are_as_wanted() {
        let names = ["a", "b", "c"];
        let set = |weights: [f64; 3], balancer: &Balancer| {
            let members: Vec<Member<'_>> = (0..3).map(|n| (n as u32, names[n], weights[n])).collect();
            Set::new(&members, balancer)
        };
        use Balancer::{LeastRequest, Random, RoundRobin};
        type Row = (Balancer, [f64; 3], [u32; 3], &'static [u32], [f64; 3]);
        let third = 1.0 / 3.0;
        let rows: [Row; 9] = [
            (Random, [1.0; 3], [0; 3], &[], [third; 3]),
            (Random, [1.0, 1.0, 2.0], [0; 3], &[], [0.25, 0.25, 0.5]),
            (RoundRobin, [1.0; 3], [9, 0, 0], &[], [third; 3]),
            (RoundRobin, [100.0, 100.0, 200.0], [0; 3], &[], [0.25, 0.25, 0.5]),
            (LeastRequest, [1.0; 3], [0; 3], &[], [third; 3]),
            // The busiest is never the lighter of two.
            (LeastRequest, [1.0; 3], [5, 1, 1], &[], [0.0, 0.5, 0.5]),
            (LeastRequest, [1.0; 3], [0; 3], &[0, 1], [0.0, 0.0, 1.0]),
            (RoundRobin, [1.0; 3], [0; 3], &[0], [0.0, 0.5, 0.5]),
            (Random, [1.0; 3], [0; 3], &[0, 1, 2], [third; 3]),
        ];
        for (balancer, weights, loads, tried, wanted) in rows {
            let found = draws(&set(weights, &balancer), &balancer, &loads, tried, 6_000);
            for (found, wanted) in found.iter().zip(wanted) {
                let near = if tried == [0] { 0.2 } else { 0.03 };
                assert!((found - wanted).abs() < near, "{balancer:?} {weights:?} {tried:?}: {found}, wanted {wanted}");
            }
        }
    }

    #[test]
    fn new_endpoints_come_to_their_share() {
        let warmup =
            |percent, aggression| Warmup { duration: Duration::from_secs(100), minimum_percent: percent, aggression };
        let rows = [
            (warmup(10.0, 1.0), 0.0, 0.1),
            (warmup(10.0, 1.0), 50.0, 0.5),
            (warmup(10.0, 1.0), 100.0, 1.0),
            (warmup(10.0, 2.0), 25.0, 0.5),
            (warmup(0.0, 1.0), 0.0, 0.001),
            (warmup(60.0, 1.0), 50.0, 0.6),
        ];
        for (warmup, age, wanted) in rows {
            let found = warmth(&warmup, age);
            assert!((found - wanted).abs() < 1e-9, "{warmup:?} {age}: {found}");
        }
    }

    #[test]
    fn one_and_none_are_drawn_without_a_choice() {
        let draw = Draw { random: 7, keyed: false, turn: 0, tried: &|_| true, load: &|_| 0 };
        assert_eq!(Set::new(&[], &Balancer::Random).draw(&Balancer::Random, &draw), None);
        assert_eq!(Set::new(&[(4, "a", 0.0)], &Balancer::LeastRequest).draw(&Balancer::LeastRequest, &draw), Some(4));
    }
}
