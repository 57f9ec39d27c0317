//! What is made of the mesh and a policy once, so that no request has to look at all endpoints.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use model::{
    Service, Workload, World,
    l7::destination::{Balancer, Locality, TrafficPolicy},
    service::LoadBalancerMode,
    workload::{Name, Protocol},
    world::Refusal,
};
use runtime::resolve::Known;
use tokio::time::Instant;

use super::{
    balance::{self, Draw, Set},
    hash::Member,
    locality::{self, Labelled},
    outlier::{Host, Hosts},
    seen::{self, Inputs},
};

/// How often the shares of new endpoints are looked at: this part of the time that they take, but not more often than that.
const WARMUP: (u32, Duration) = (50, Duration::from_millis(200));

/// One endpoint of a plan.
#[derive(Debug)]
pub struct Candidate {
    /// What is known of it.
    pub host: Arc<Host>,
    /// Its workload.
    pub workload: Arc<Workload>,
}

/// The endpoints of one distance: groups, each with its share of what comes.
type Tier = Vec<(f64, Vec<u32>)>;

/// How the endpoints of a service are chosen.
#[derive(Debug)]
pub struct Plan {
    /// How they are reached.
    pub traffic: Arc<TrafficPolicy>,
    /// What the port is declared as.
    pub protocol: i32,
    /// A number that connections have in common which begin the same way.
    pub connection: u64,
    /// Why there are none, if there are none.
    pub refusal: Option<Refusal>,
    /// The names that endpoints are behind, and what was known of them.
    pub names: BTreeMap<Name, Option<Known>>,
    candidates: Vec<Candidate>,
    tiers: Vec<Tier>,
    view: ArcSwapOption<View>,
    looking: Mutex<()>,
}

impl Plan {
    /// Makes one for a workload that we are; the last one tells whether connections begin as before.
    #[must_use]
    pub fn new(inputs: &Inputs<'_>, own: &Workload, last: Option<&Self>, hosts: &Hosts) -> Self {
        let traffic = Arc::new(inputs.policy.map(|p| p.traffic.clone()).unwrap_or_default());
        let begins_as =
            |last: &&Self| last.traffic.tls == traffic.tls && last.traffic.proxy_protocol == traffic.proxy_protocol;
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let connection = last.filter(begins_as).map(|last| last.connection);
        let connection = connection.unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed));
        let mut names = BTreeMap::new();
        let (found, refusal) = match found(inputs, &traffic, own, &mut names) {
            Ok(found) => (found, None),
            Err(refusal) => (Vec::new(), Some(refusal)),
        };
        let addresses: Vec<_> = found.iter().map(|(address, _, _)| *address).collect();
        let known = hosts.keep(&addresses, Instant::now());
        if traffic.outliers.is_none() {
            hosts.forgive();
        }
        let mut by_tier = BTreeMap::<usize, Vec<u32>>::new();
        for (index, (_, tier, _)) in found.iter().enumerate() {
            by_tier.entry(*tier).or_default().push(index as u32);
        }
        let candidates: Vec<Candidate> =
            found.into_iter().zip(known).map(|((_, _, workload), host)| Candidate { host, workload }).collect();
        let divide = |(place, members): (usize, Vec<u32>)| match &traffic.locality {
            Some(locality) => divided(locality, inputs.world, own, &candidates, members, place == 0),
            None => vec![(1.0, members)],
        };
        let tiers = by_tier.into_values().enumerate().map(divide).collect();
        let protocol = inputs.service.ports.get(&inputs.port).map_or(0, |p| p.app_protocol);
        let (view, looking) = (ArcSwapOption::empty(), Mutex::default());
        Self { traffic, protocol, connection, refusal, names, candidates, tiers, view, looking }
    }

    /// Returns an endpoint by its place.
    #[must_use]
    pub fn candidate(&self, index: u32) -> Option<&Candidate> {
        self.candidates.get(index as usize)
    }

    /// Returns the workloads of all endpoints, in the order of their places.
    pub fn workloads(&self) -> impl Iterator<Item = &Workload> {
        self.candidates.iter().map(|candidate| &*candidate.workload)
    }

    /// Draws an endpoint; none if nobody takes traffic now. Whose time to be left alone is over has to be asked again before.
    #[must_use]
    pub fn draw(&self, hosts: &Hosts, draw: &Draw<'_>) -> Option<&Candidate> {
        let version = hosts.version();
        let current = self.view.load();
        let fits = |view: &&Arc<View>| view.version == version && view.until.is_none_or(|until| Instant::now() < until);
        let view = match current.as_ref().filter(fits) {
            Some(view) => view.clone(),
            None => {
                // One looks, the others would see the same: a table for keys takes its time.
                let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
                let current = self.view.load_full();
                current.filter(|view| fits(&view)).unwrap_or_else(|| {
                    let view = Arc::new(self.view(version, Instant::now()));
                    self.view.store(Some(view.clone()));
                    view
                })
            }
        };
        self.candidate(view.draw(&self.traffic.balancer, draw)?)
    }

    /// Looks at who takes traffic, and how much.
    fn view(&self, version: u64, now: Instant) -> View {
        let ejected = |index: u32| self.candidate(index).is_none_or(|c| c.host.is_ejected());
        let counted = |members: &[u32]| {
            let well = members.iter().filter(|index| !ejected(**index)).count();
            (well as u64, members.len() as u64)
        };
        let health: Vec<(u64, u64)> = self
            .tiers
            .iter()
            .map(|tier| tier.iter().map(|(_, m)| counted(m)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)))
            .collect();
        let least = self.traffic.outliers.as_ref().map_or(0, |outliers| u64::from(outliers.min_health_percent));
        let mut view = View { version, until: None, parts: Vec::new() };
        let mut sum = 0.0;
        for (tier, part) in self.tiers.iter().zip(locality::spill(&health, least)) {
            for (share, members) in tier {
                let (well, all) = counted(members);
                // What a group cannot carry goes to the others of its tier.
                let able = if part.panic { 1.0 } else { (1.4 * well as f64 / all.max(1) as f64).min(1.0) };
                let weight = part.percent as f64 * share * able;
                if weight <= 0.0 {
                    continue;
                }
                let taking = members.iter().copied().filter(|index| part.panic || !ejected(*index));
                let set = self.set(taking, now, &mut view.until);
                if set.len() > 0 {
                    sum += weight;
                    view.parts.push((sum, set));
                }
            }
        }
        view
    }

    fn set(&self, taking: impl Iterator<Item = u32>, now: Instant, until: &mut Option<Instant>) -> Set {
        let hashed = matches!(self.traffic.balancer, Balancer::Hash(_));
        // A key does not move because its endpoint is new, and what is drawn at random is drawn so (Envoy, "Slow start").
        let warmup = self.traffic.warmup.as_ref();
        let warmup = warmup.filter(|_| matches!(self.traffic.balancer, Balancer::LeastRequest | Balancer::RoundRobin));
        let mut members: Vec<(u32, String, f64)> = Vec::new();
        for index in taking {
            let Some(candidate) = self.candidate(index) else { continue };
            let mut weight = f64::from(candidate.workload.capacity.max(1));
            if let Some(warmup) = warmup {
                let age = now.saturating_duration_since(candidate.host.since);
                if age < warmup.duration {
                    weight *= balance::warmth(warmup, age.as_secs_f64());
                    *until = now.checked_add((warmup.duration / WARMUP.0).max(WARMUP.1));
                }
            }
            let name = if hashed { candidate.host.address.to_string() } else { String::new() };
            members.push((index, name, weight));
        }
        let members: Vec<Member<'_>> = members.iter().map(|(index, name, weight)| (*index, &**name, *weight)).collect();
        Set::new(&members, &self.traffic.balancer)
    }
}

/// Who takes traffic now, and how much.
#[derive(Debug)]
struct View {
    version: u64,
    /// When it has to be looked at again, if that is known.
    until: Option<Instant>,
    /// Groups, with the sum of the weights up to each.
    parts: Vec<(f64, Set)>,
}

impl View {
    fn draw(&self, balancer: &Balancer, draw: &Draw<'_>) -> Option<u32> {
        let (sum, last) = self.parts.last()?;
        if self.parts.len() == 1 {
            return last.draw(balancer, draw);
        }
        // Other bits than those that choose within the group.
        let point = balance::mix(!draw.random) as f64 / u64::MAX as f64 * sum;
        let first = self.parts.partition_point(|(to, _)| *to <= point).min(self.parts.len() - 1);
        let (before, after) = self.parts.split_at(first);
        let mut chosen = None;
        for (_, set) in after.iter().chain(before) {
            let found = set.draw(balancer, draw);
            if found.is_some_and(|member| !(draw.tried)(member)) {
                return found;
            }
            chosen = chosen.or(found);
        }
        chosen
    }
}

type Found = (SocketAddr, usize, Arc<Workload>);

/// Finds the endpoints, and how far away each is; notes the names that some are behind.
fn found(
    inputs: &Inputs<'_>,
    traffic: &TrafficPolicy,
    own: &Workload,
    names: &mut BTreeMap<Name, Option<Known>>,
) -> Result<Vec<Found>, Refusal> {
    // Nobody can tell who is well without outlier detection: then these are without effect (localityLbSetting).
    let locality = traffic.locality.as_ref().filter(|locality| match locality {
        Locality::Failover(_) | Locality::Priority(_) => traffic.outliers.is_some(),
        Locality::Distribute(_) => locality::shares(locality, &own.locality).is_some(),
        Locality::ZoneAware { .. } | Locality::Disabled => true,
    });
    let preferred = inputs.service.load_balancer.mode == LoadBalancerMode::Failover;
    let mut flat = None;
    if preferred && (locality.is_some() || traffic.outliers.is_some()) {
        // Those further away are needed as well, for what the near ones cannot carry.
        let mut service = Service::clone(inputs.service);
        service.load_balancer.mode = LoadBalancerMode::Standard;
        flat = Some(service);
    }
    let service = flat.as_ref().unwrap_or(inputs.service);
    let candidates = inputs.world.candidates(service, own, inputs.port, None)?;
    let labels = |workload: &Workload| inputs.state.labels(&workload.uid);
    let subset = inputs.policy.and_then(|p| p.subset.as_ref());
    let in_subset = |workload: &Workload| {
        let has = |(key, value): (&Name, &Name)| labels(workload).is_some_and(|l| l.get(key) == Some(value));
        subset.is_none_or(|subset| subset.labels.iter().all(has))
    };
    let tier = |workload: &Workload| match locality {
        Some(locality) => {
            let (client, endpoint) =
                (Labelled { workload: own, labels: labels(own) }, Labelled { workload, labels: labels(workload) });
            locality::tier(locality, client, endpoint)
        }
        None if flat.is_some() => {
            locality::tier_by_scopes(&inputs.service.load_balancer.routing_preferences, own, workload)
        }
        None => 0,
    };
    let found: Vec<Found> = candidates
        .into_iter()
        .filter(|(endpoint, _)| in_subset(&endpoint.workload))
        .flat_map(|(endpoint, port)| {
            let workload = &endpoint.workload;
            let all: Vec<IpAddr> = match workload.addresses.first() {
                Some(address) => vec![*address],
                None if !workload.hostname.is_empty() && workload.protocol == Protocol::Tcp => {
                    let name = &workload.hostname;
                    let known = names.entry(name.clone()).or_insert_with(|| inputs.names.find(name));
                    known.as_ref().and_then(|known| known.found().clone().ok()).unwrap_or_default()
                }
                None => vec![],
            };
            let one = move |address| (SocketAddr::new(address, port), tier(workload), workload.clone());
            all.into_iter().map(one).collect::<Vec<_>>()
        })
        .collect();
    if found.is_empty() { Err(Refusal::NoHealthyUpstream) } else { Ok(found) }
}

/// Divides the endpoints of one distance into groups with shares.
fn divided(
    locality: &Locality,
    world: &World,
    own: &Workload,
    candidates: &[Candidate],
    members: Vec<u32>,
    nearest: bool,
) -> Tier {
    let place = |index: u32| candidates.get(index as usize).map(|c| &c.workload.locality);
    if let Some(shares) = locality::shares(locality, &own.locality) {
        let mut groups: Vec<(f64, Vec<u32>)> =
            shares.values().map(|percent| (f64::from(*percent), Vec::new())).collect();
        for index in members {
            let share = place(index).and_then(|place| locality::share_of(shares, place));
            if let Some(group) = share.and_then(|share| groups.get_mut(share)) {
                group.1.push(index);
            }
        }
        return groups;
    }
    let Locality::ZoneAware { min_endpoints, .. } = locality else { return vec![(1.0, members)] };
    if !nearest || members.len() < *min_endpoints as usize {
        return vec![(1.0, members)];
    }
    let zone = |workload: &Workload| (workload.locality.region.clone(), workload.locality.zone.clone());
    let mut clients = BTreeMap::new();
    for peer in seen::gateway(own).into_iter().flat_map(|service| world.endpoints(service)) {
        *clients.entry(zone(&peer.workload)).or_insert(0) += 1;
    }
    let mut zones = BTreeMap::<_, Vec<u32>>::new();
    for index in &members {
        if let Some(candidate) = candidates.get(*index as usize) {
            zones.entry(zone(&candidate.workload)).or_default().push(*index);
        }
    }
    let endpoints = zones.iter().map(|(zone, members)| (zone.clone(), members.len() as u64)).collect();
    match locality::by_zone(&zone(own), &clients, &endpoints) {
        Some(shares) => zones.into_iter().filter_map(|(z, m)| Some((*shares.get(&z)?, m))).collect(),
        None => vec![(1.0, members)],
    }
}
