//! Addresses that the mesh allots to hosts that have none, so that a client's connection says which host it is for.
//!
//! They stand in the status of the ServiceEntry, which alone counts: what is not written yet is told to nobody. Replicas of the
//! control plane come to the same, as a host's address follows from its name unless another host has it already.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use model::{service::Cidr, workload::NetworkAddress};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use source::object::ObjectKey;

use super::read::{Entry, whole};
use crate::mesh::Mesh;

/// How many addresses there are: 240.240.0.0/16 without its first and last one; of 2001:2::/48 the same parts are used.
const MOST: u32 = (1 << 16) - 2;

/// The addresses of a host.
type Pair = [IpAddr; 2];

/// Who has which address.
#[derive(Debug, Default)]
pub(in crate::mesh) struct Allotment {
    holders: HashMap<IpAddr, (ObjectKey, String)>,
    by_entry: HashMap<ObjectKey, BTreeMap<String, Pair>>,
    /// All entries are known, and with them what is taken.
    complete: bool,
}

fn pair(part: u32) -> Pair {
    let [.., high, low] = (part + 1).to_be_bytes();
    let last = u16::from_be_bytes([high, low]);
    [Ipv4Addr::new(240, 240, high, low).into(), Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, last).into()]
}

/// Returns which part of the range an address is.
fn part(address: IpAddr) -> Option<u32> {
    let last = match address {
        IpAddr::V4(v4) => match v4.octets() {
            [240, 240, high, low] => u16::from_be_bytes([high, low]),
            _ => return None,
        },
        IpAddr::V6(v6) => match v6.segments() {
            [0x2001, 2, 0, 0, 0, 0, 0, last] => last,
            _ => return None,
        },
    };
    u32::from(last).checked_sub(1).filter(|part| *part < MOST)
}

impl Allotment {
    /// Settles which addresses the hosts of an entry have: those that they were told, unless another has them.
    fn settle(
        &mut self,
        key: &ObjectKey,
        hosts: &BTreeSet<&String>,
        told: &HashMap<String, Vec<IpAddr>>,
        is_written: impl Fn(IpAddr) -> bool,
    ) {
        let mut mine = self.by_entry.remove(key).unwrap_or_default();
        for (_, gone) in mine.extract_if(.., |host, _| !hosts.contains(host)) {
            gone.iter().for_each(|address| drop(self.holders.remove(address)));
        }
        for host in hosts {
            if mine.contains_key(*host) {
                continue;
            }
            let own = (key.clone(), (*host).clone());
            let is_free = |pair: &Pair| pair.iter().all(|a| !self.holders.contains_key(a) && !is_written(*a));
            let before = told.get(*host).into_iter().flatten().find_map(|address| part(*address));
            let before = before.map(pair).filter(|pair| is_free(pair));
            let found = before.or_else(|| {
                if !self.complete {
                    return None;
                }
                let name = format!("{}/{}/{host}", key.namespace, key.name);
                let hash = Sha256::digest(name.as_bytes());
                let first = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % MOST;
                let mut all = (0..MOST).map(|step| pair((first + step) % MOST));
                all.find(|pair| is_free(pair))
            });
            if let Some(found) = found {
                found.iter().for_each(|address| drop(self.holders.insert(*address, own.clone())));
                mine.insert((*host).clone(), found);
            }
        }
        if !mine.is_empty() {
            self.by_entry.insert(key.clone(), mine);
        }
    }
}

impl Mesh {
    /// Settles the addresses of an entry.
    pub(super) fn allot(&mut self, key: &ObjectKey) {
        let entry = self.namespaces.get(&key.namespace).and_then(|s| s.entries.get(&key.name));
        let hosts: BTreeSet<&String> = entry.into_iter().flat_map(Entry::wants_addresses).collect();
        let nothing = HashMap::new();
        let told = entry.map_or(&nothing, |entry| &entry.told);
        self.allotment.settle(key, &hosts, told, |address| self.written.contains_key(&address));
    }

    /// Takes in that all entries are known: from now on addresses are found for those that have none.
    pub(in crate::mesh) fn allot_all(&mut self, out: &mut crate::mesh::Output) {
        self.allotment.complete = true;
        let key = |space: &String, name: &String| ObjectKey { namespace: space.clone(), name: name.clone() };
        let spaces = self.namespaces.iter();
        let all: BTreeSet<ObjectKey> =
            spaces.flat_map(|(space, s)| s.entries.keys().map(|name| key(space, name))).collect();
        for entry in all {
            self.allot(&entry);
            self.publish_entry(&entry, out);
        }
    }

    /// Returns the addresses that the status of an entry is to tell; none if it gets none.
    pub(super) fn allotted_to(&self, key: &ObjectKey) -> Option<Value> {
        let hosts = self.allotment.by_entry.get(key)?;
        let one = |(host, pair): (&String, &Pair)| pair.map(|a| json!({"host": host, "value": a.to_string()}));
        Some(hosts.iter().flat_map(one).collect())
    }

    /// Returns the addresses and ranges of a host of an entry.
    pub(super) fn addresses_of(&self, key: &ObjectKey, entry: &Entry, host: &str) -> (Vec<NetworkAddress>, Vec<Cidr>) {
        let network = self.network();
        let (mut vips, mut ranges) = (Vec::new(), Vec::new());
        for &(address, length) in &entry.blocks {
            let network = network.clone();
            if length == whole(address) {
                vips.push(NetworkAddress { network, address });
            } else {
                ranges.push(Cidr { network, address, length });
            }
        }
        let mine = self.allotment.by_entry.get(key).and_then(|hosts| hosts.get(host)).into_iter().flatten();
        let told = entry.told.get(host);
        let is_told = |address: &&IpAddr| told.is_some_and(|told| told.contains(address));
        vips.extend(mine.filter(is_told).map(|address| NetworkAddress { network: network.clone(), address: *address }));
        (vips, ranges)
    }
}

#[cfg(test)]
mod tests {
    use source::api::service_entry::AllottedAddress;

    use super::{super::read::by_host, *};

    fn key(name: &str) -> ObjectKey {
        ObjectKey { namespace: "shop".into(), name: name.into() }
    }

    fn told(pairs: &[(&str, &str)]) -> HashMap<String, Vec<IpAddr>> {
        let one = |(host, value): &(&str, &str)| AllottedAddress { host: (*host).into(), value: (*value).into() };
        by_host(&pairs.iter().map(one).collect::<Vec<_>>())
    }

    #[test]
    fn parts_are_those_of_both_ranges() {
        for (text, want) in [
            ("240.240.0.1", Some(0)),
            ("240.240.255.254", Some(MOST - 1)),
            ("240.240.255.255", None),
            ("240.240.0.0", None),
            ("240.241.0.1", None),
            ("2001:2::1", Some(0)),
            ("2001:2::fffe", Some(MOST - 1)),
            ("2001:2:0:1::1", None),
        ] {
            let address: IpAddr = text.parse().expect("an address");
            assert_eq!(part(address), want, "{text}");
            assert!(want.is_none_or(|want| pair(want).contains(&address)), "{text}");
        }
    }

    #[test]
    fn an_address_stays_and_is_nobody_elses() {
        let (a, b) = ("a.test".to_owned(), "b.test".to_owned());
        let mut all = Allotment::default();
        let free = |_: IpAddr| false;
        all.settle(&key("one"), &[&a].into(), &told(&[]), free);
        assert!(all.by_entry.is_empty(), "what is taken is not known yet");
        all.settle(&key("one"), &[&a].into(), &told(&[("a.test", "240.240.0.7"), ("a.test", "2001:2::7")]), free);
        assert_eq!(all.by_entry[&key("one")][&a], pair(6), "what was told stays");
        all.complete = true;
        all.settle(&key("two"), &[&b].into(), &told(&[("b.test", "240.240.0.7")]), free);
        let second = all.by_entry[&key("two")][&b];
        assert_ne!(second, pair(6), "another has it");
        // The same name leads to the same address, or to the next free one.
        let mut other = Allotment { complete: true, ..Allotment::default() };
        other.settle(&key("two"), &[&b].into(), &told(&[]), free);
        assert_eq!(other.by_entry[&key("two")][&b], second);
        let mut third = Allotment { complete: true, ..Allotment::default() };
        third.settle(&key("two"), &[&b].into(), &told(&[]), |address| second.contains(&address));
        assert_eq!(part(third.by_entry[&key("two")][&b][0]), part(second[0]).map(|p| (p + 1) % MOST));
        all.settle(&key("two"), &BTreeSet::new(), &told(&[]), free);
        assert_eq!(all.holders.len(), 2, "and what nobody wants is free");
    }
}
