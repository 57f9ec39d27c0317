//! Which endpoints come first by where they are, and how much goes to those behind them.

use std::collections::BTreeMap;

use model::{
    Workload,
    l7::destination::Locality,
    service::Scope,
    workload::{Locality as Place, Name},
    world::nearness,
};

/// How much more than the healthy part of a tier is believed to be enough for its load, in percent (Envoy's overprovisioning
/// factor).
const OVERPROVISIONED: u64 = 140;

/// The labels that tell where a workload is, which Istio gives to all endpoints.
fn topology<'w>(workload: &'w Workload, label: &str) -> Option<&'w str> {
    Some(match label {
        "topology.kubernetes.io/region" => &workload.locality.region,
        "topology.kubernetes.io/zone" => &workload.locality.zone,
        "topology.istio.io/subzone" => &workload.locality.subzone,
        "topology.istio.io/network" => &workload.network,
        "topology.istio.io/cluster" => &workload.cluster_id,
        "kubernetes.io/hostname" => &workload.node,
        _ => return None,
    })
}

/// A workload and its labels.
#[derive(Clone, Copy)]
pub struct Labelled<'w> {
    /// The workload.
    pub workload: &'w Workload,
    /// Its labels.
    pub labels: Option<&'w BTreeMap<Name, Name>>,
}

impl<'w> Labelled<'w> {
    fn label(&self, label: &str) -> &'w str {
        let own = || self.labels.and_then(|labels| labels.get(label)).map(|value| &**value);
        topology(self.workload, label).filter(|value| !value.is_empty()).or_else(own).unwrap_or_default()
    }
}

/// Returns how far away an endpoint is, 0 for those that come first.
#[must_use]
pub fn tier(locality: &Locality, own: Labelled<'_>, endpoint: Labelled<'_>) -> usize {
    match locality {
        Locality::Failover(regions) => by_region(regions, &own.workload.locality, &endpoint.workload.locality),
        Locality::Priority(labels) => by_labels(labels, own, endpoint),
        Locality::ZoneAware { failover, priority, .. } if !priority.is_empty() || !failover.is_empty() => {
            // Within a region the zones are shared among as their sizes want it.
            let far = by_region(failover, &own.workload.locality, &endpoint.workload.locality).saturating_sub(2);
            let far = if failover.is_empty() { 0 } else { far };
            far * (priority.len() + 1) + by_labels(priority, own, endpoint)
        }
        Locality::Distribute(_) | Locality::ZoneAware { .. } | Locality::Disabled => 0,
    }
}

/// Returns how far away an endpoint is by the service's own preference.
#[must_use]
pub fn tier_by_scopes(scopes: &[Scope], own: &Workload, endpoint: &Workload) -> usize {
    scopes.len() - nearness(scopes, own, endpoint)
}

fn by_region(regions: &[(Name, Name)], own: &Place, endpoint: &Place) -> usize {
    if own.region != endpoint.region {
        let named = regions.iter().find(|(from, _)| *from == own.region);
        return if named.is_none_or(|(_, to)| *to == endpoint.region) { 3 } else { 4 };
    }
    match (own.zone == endpoint.zone, own.subzone == endpoint.subzone) {
        (true, true) => 0,
        (true, false) => 1,
        (false, _) => 2,
    }
}

fn by_labels(labels: &[Name], own: Labelled<'_>, endpoint: Labelled<'_>) -> usize {
    let agrees = |label: &&Name| match label.split_once('=') {
        // A value of its own stands for the client's.
        Some((label, value)) => endpoint.label(label) == value,
        None => endpoint.label(label) == own.label(label),
    };
    labels.len() - labels.iter().take_while(agrees).count()
}

/// Tells whether a place is one of those that `region/zone/subzone` means, and how exactly.
fn matches(place: &Place, rule: &str) -> Option<usize> {
    let mut parts = rule.split('/');
    let mut exact = 0;
    for own in [&place.region, &place.zone, &place.subzone] {
        match parts.next() {
            None | Some("" | "*") => {}
            Some(part) if part == &**own => exact += 1,
            Some(_) => return None,
        }
    }
    Some(exact)
}

/// Returns the shares that go to groups of endpoints, by `region/zone/subzone`, for a client at a place; none if no entry is for
/// that place.
#[must_use]
pub fn shares<'l>(locality: &'l Locality, own: &Place) -> Option<&'l BTreeMap<Name, u32>> {
    let Locality::Distribute(entries) = locality else { return None };
    entries.iter().find(|(from, _)| matches(own, from).is_some()).map(|(_, to)| to)
}

/// Returns which of some shares an endpoint belongs to: the most exact one.
#[must_use]
pub fn share_of(shares: &BTreeMap<Name, u32>, endpoint: &Place) -> Option<usize> {
    let found = shares.keys().enumerate().filter_map(|(index, to)| Some((matches(endpoint, to)?, index)));
    found.max_by_key(|(exact, index)| (*exact, std::cmp::Reverse(*index))).map(|(_, index)| index)
}

/// Returns how much goes to each zone, such that every zone gets as much as it can carry and as much as possible stays (Envoy,
/// "Zone aware routing"): `clients` is how many proxies such as ours each zone has, `endpoints` how many endpoints.
///
/// None if there is nothing to prefer: a zone that is ours alone, or without endpoints.
#[must_use]
pub fn by_zone<K: Ord + Clone>(
    own: &K,
    clients: &BTreeMap<K, u64>,
    endpoints: &BTreeMap<K, u64>,
) -> Option<BTreeMap<K, f64>> {
    let total = |counts: &BTreeMap<K, u64>| counts.values().sum::<u64>() as f64;
    let part =
        |counts: &BTreeMap<K, u64>, zone: &K| counts.get(zone).copied().unwrap_or_default() as f64 / total(counts);
    if total(clients) == 0.0 || part(clients, own) == 0.0 || part(endpoints, own).is_nan() {
        return None;
    }
    let stays = (part(endpoints, own) / part(clients, own)).min(1.0);
    if stays >= 1.0 {
        return Some(BTreeMap::from([(own.clone(), 1.0)]));
    }
    if stays <= 0.0 {
        return None;
    }
    let room = |zone: &K| (part(endpoints, zone) - part(clients, zone)).max(0.0);
    let others = || endpoints.keys().filter(|zone| *zone != own);
    let all: f64 = others().map(room).sum();
    if all <= 0.0 {
        return None;
    }
    let mut parts: BTreeMap<K, f64> = others().map(|z| (z.clone(), (1.0 - stays) * room(z) / all)).collect();
    parts.insert(own.clone(), stays);
    Some(parts)
}

/// What a tier gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Percent of the load.
    pub percent: u64,
    /// Whether all of its endpoints are asked, also those that are left alone otherwise.
    pub panic: bool,
}

/// Returns how much goes to each tier, of which so many endpoints are healthy of so many (Envoy, "Priority levels"): what the
/// first cannot carry goes to the second, and so on. Below `least` percent of healthy ones all of a tier are asked.
#[must_use]
pub fn spill(tiers: &[(u64, u64)], least: u64) -> Vec<Part> {
    let health = |(healthy, all): &(u64, u64)| (OVERPROVISIONED * healthy).checked_div(*all).unwrap_or(0).min(100);
    let sum: u64 = tiers.iter().map(health).sum::<u64>().min(100);
    let frightened = |(healthy, all): &(u64, u64)| *all > 0 && healthy * 100 < least * all;
    // One tier alone has nobody to carry its load: only what is said counts.
    let panic = |tier: &(u64, u64)| (tiers.len() == 1 || sum < 100) && frightened(tier);
    if sum == 0 {
        let all: u64 = tiers.iter().filter(|t| panic(t)).map(|t| t.1).sum();
        let percent = |t: &(u64, u64)| if panic(t) { (t.1 * 100).checked_div(all).unwrap_or(0) } else { 0 };
        return tiers.iter().map(|t| Part { percent: percent(t), panic: panic(t) }).collect();
    }
    let mut left = 100;
    let parts = tiers.iter().map(|tier| {
        let percent = (health(tier) * 100 / sum).min(left);
        left -= percent;
        Part { percent, panic: panic(tier) }
    });
    let mut parts: Vec<Part> = parts.collect();
    // What rounding left over.
    if let Some(first) = parts.iter_mut().find(|part| part.percent > 0) {
        first.percent += left;
    }
    parts
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is the test's result
mod tests {
    use super::*;

    fn at(place: &str) -> Workload {
        let mut parts = place.split('/').map(Name::from);
        let mut next = || parts.next().unwrap_or_default();
        let locality = Place { region: next(), zone: next(), subzone: next() };
        Workload { locality, node: "n".into(), ..Workload::default() }
    }

    #[test]
    fn tiers_are_by_distance() {
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect::<Vec<_>>();
        let plain = Locality::Failover(vec![]);
        let named = Locality::Failover(pairs(&[("eu", "us")]));
        let priority = Locality::Priority(vec!["topology.kubernetes.io/region".into(), "version".into()]);
        let fixed = Locality::Priority(vec!["version=v2".into()]);
        let zones = |failover: &[(&str, &str)]| Locality::ZoneAware {
            min_endpoints: 6,
            failover: pairs(failover),
            priority: vec![],
        };
        let rows = [
            (&plain, "eu/a/1", 0),
            (&plain, "eu/a/2", 1),
            (&plain, "eu/b/1", 2),
            (&plain, "us/a/1", 3),
            (&named, "us/a/1", 3),
            (&named, "asia/a/1", 4),
            (&priority, "eu/b/1", 0),
            (&priority, "us/a/1", 2),
            (&fixed, "us/a/1", 1),
            (&zones(&[]), "us/a/1", 0),
            (&zones(&[("eu", "us")]), "eu/b/1", 0),
            (&zones(&[("eu", "us")]), "us/b/1", 1),
            (&zones(&[("eu", "us")]), "asia/b/1", 2),
            (&Locality::Disabled, "us/a/1", 0),
        ];
        let labels = BTreeMap::from([(Name::from("version"), Name::from("v1"))]);
        let own = at("eu/a/1");
        for (locality, place, wanted) in rows {
            let endpoint = at(place);
            let labelled = |workload| Labelled { workload, labels: Some(&labels) };
            assert_eq!(tier(locality, labelled(&own), labelled(&endpoint)), wanted, "{locality:?} {place}");
        }
        let other = BTreeMap::from([(Name::from("version"), Name::from("v2"))]);
        let (one, two) =
            (Labelled { workload: &own, labels: Some(&labels) }, Labelled { workload: &own, labels: Some(&other) });
        assert_eq!((tier(&priority, one, two), tier(&fixed, one, two)), (1, 0));
    }

    #[test]
    fn shares_go_where_they_are_said_to() {
        let to = |pairs: &[(&str, u32)]| pairs.iter().map(|(k, v)| ((*k).into(), *v)).collect::<BTreeMap<Name, _>>();
        let locality = Locality::Distribute(vec![
            ("eu/a/*".into(), to(&[("eu/a/*", 70), ("eu/b/*", 20), ("us", 10)])),
            ("us/*".into(), to(&[("*", 100)])),
        ]);
        let place = |place| at(place).locality;
        assert_eq!(shares(&locality, &place("eu/b/1")), None);
        assert_eq!(shares(&locality, &place("us/b/1")).map(BTreeMap::len), Some(1));
        let shares = shares(&locality, &place("eu/a/1")).unwrap();
        let of = |p| share_of(shares, &place(p)).and_then(|index| shares.values().nth(index)).copied();
        assert_eq!([of("eu/a/9"), of("eu/b/1"), of("us/x/y"), of("eu/c/1")], [Some(70), Some(20), Some(10), None]);
        let nested = to(&[("*", 10), ("eu/*", 20), ("eu/a/1", 70)]);
        let of = |p| share_of(&nested, &place(p)).and_then(|index| nested.values().nth(index)).copied();
        assert_eq!([of("eu/a/1"), of("eu/a/2"), of("us/a/1")], [Some(70), Some(20), Some(10)]);
    }

    #[test]
    fn zones_carry_what_they_can() {
        let counts = |pairs: &[(&'static str, u64)]| pairs.iter().copied().collect::<BTreeMap<_, _>>();
        type Row =
            (&'static [(&'static str, u64)], &'static [(&'static str, u64)], Option<&'static [(&'static str, f64)]>);
        let rows: [Row; 6] = [
            // As many endpoints as clients: all stays.
            (&[("a", 1), ("b", 1)], &[("a", 5), ("b", 5)], Some(&[("a", 1.0)])),
            (&[("a", 1), ("b", 1)], &[("a", 8), ("b", 2)], Some(&[("a", 1.0)])),
            // Half as much as its clients need: the other half goes to who has room.
            (&[("a", 1), ("b", 1)], &[("a", 1), ("b", 3)], Some(&[("a", 0.5), ("b", 0.5)])),
            (
                &[("a", 2), ("b", 1), ("c", 1)],
                &[("a", 1), ("b", 2), ("c", 1)],
                Some(&[("a", 0.5), ("b", 0.5), ("c", 0.0)]),
            ),
            (&[("a", 1), ("b", 1)], &[("b", 4)], None),
            (&[], &[("a", 4)], None),
        ];
        for (clients, endpoints, wanted) in rows {
            let found = by_zone(&"a", &counts(clients), &counts(endpoints));
            assert_eq!(found, wanted.map(|w| w.iter().copied().collect()), "{clients:?} {endpoints:?}");
        }
    }

    #[test]
    fn load_spills_over_when_health_is_lost() {
        let part = |percent, panic| Part { percent, panic };
        type Row = (&'static [(u64, u64)], u64, &'static [(u64, bool)]);
        let rows: [Row; 11] = [
            (&[(10, 10)], 0, &[(100, false)]),
            (&[(1, 10)], 0, &[(100, false)]),
            (&[(4, 10)], 50, &[(100, true)]),
            (&[(0, 10)], 0, &[(0, false)]),
            (&[(0, 10)], 50, &[(100, true)]),
            // The table of Envoy's documentation.
            (&[(100, 100), (100, 100)], 0, &[(100, false), (0, false)]),
            (&[(72, 100), (72, 100)], 0, &[(100, false), (0, false)]),
            (&[(50, 100), (60, 100)], 0, &[(70, false), (30, false)]),
            (&[(0, 100), (100, 100)], 0, &[(0, false), (100, false)]),
            (&[(25, 100), (25, 100)], 50, &[(50, true), (50, true)]),
            (&[(0, 10), (0, 30)], 50, &[(25, true), (75, true)]),
        ];
        for (tiers, least, wanted) in rows {
            let wanted: Vec<Part> = wanted.iter().map(|(percent, panic)| part(*percent, *panic)).collect();
            assert_eq!(spill(tiers, least), wanted, "{tiers:?} {least}");
        }
    }
}
