//! Whatever is published, and whenever a client accepts: it ends with what is for it, and never has what is guarded without its guard.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::l7::GatewayKey;
use proptest::prelude::*;

use super::*;
use crate::{ADDRESS_TYPE, L7_TYPE};

#[derive(Clone, Debug)]
enum Step {
    /// A resource with a value and an audience.
    Put(u8, u8, u8),
    /// A resource is gone.
    Remove(u8),
    /// A service and what guards it, both at once: there for an audience, or gone.
    Guarded(u8, u8, Option<u8>),
    /// The client accepts its oldest answer.
    Accept,
    /// The client comes again, with what it has.
    Reconnect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3u8, 0..3u8, 0..4u8).prop_map(|(n, v, a)| Step::Put(n, v, a)),
        (0..3u8).prop_map(Step::Remove),
        (0..3u8, 0..3u8, prop::option::of(0..2u8)).prop_map(|(n, v, a)| Step::Guarded(n, v, a)),
        Just(Step::Accept),
        Just(Step::Accept),
        Just(Step::Reconnect),
    ]
}

fn waypoint(name: &str) -> GatewayKey {
    GatewayKey { namespace: "shop".into(), name: name.into() }
}

fn audience(number: u8) -> Audience {
    match number {
        0 => Audience::Waypoints,
        1 => Audience::These([waypoint("a"), waypoint("b")].into()),
        2 => Audience::These([waypoint("b")].into()),
        _ => Audience::Everybody,
    }
}

fn change(type_url: &'static str, name: &str, value: Option<(u8, Audience)>) -> Change {
    let (value, audience) = match value {
        Some((value, audience)) => (Some(Bytes::from(vec![value])), audience),
        None => (None, Audience::Everybody),
    };
    Change { type_url, name: name.into(), value, aliases: vec![], audience }
}

fn changes(step: &Step) -> Vec<Change> {
    match step {
        Step::Put(n, v, a) => vec![change(L7_TYPE, &format!("r{n}"), Some((*v, audience(*a))))],
        Step::Remove(n) => vec![change(L7_TYPE, &format!("r{n}"), None)],
        Step::Guarded(n, v, there) => {
            let of = |everybody: bool| {
                let told = |a: u8| if everybody { Audience::Everybody } else { audience(a) };
                there.map(|a| (*v, told(a)))
            };
            vec![change(ADDRESS_TYPE, &format!("s{n}"), of(true)), change(L7_TYPE, &format!("g{n}"), of(false))]
        }
        Step::Accept | Step::Reconnect => vec![],
    }
}

type View = BTreeMap<(String, String), String>;

/// Waypoint `a`, and what it has.
struct Peer {
    client: Client,
    answers: mpsc::Receiver<Result<DeltaDiscoveryResponse, Status>>,
    has: View,
    unaccepted: Vec<DeltaDiscoveryResponse>,
}

impl Peer {
    fn connect(resources: &Resources, has: View) -> Self {
        let (answers, incoming) = mpsc::channel(64);
        let mut client = Client {
            node: String::new(),
            reader: Reader::Waypoint(waypoint("a")),
            resources: resources.clone(),
            sequence: resources.changes(),
            types: HashMap::new(),
            answers,
            nonce: 0,
        };
        for type_url in [L7_TYPE, ADDRESS_TYPE] {
            let known = has.iter().filter(|((of, _), _)| of == type_url);
            client.request(DeltaDiscoveryRequest {
                type_url: type_url.to_owned(),
                initial_resource_versions: known.map(|((_, n), v)| (n.clone(), v.clone())).collect(),
                ..DeltaDiscoveryRequest::default()
            });
        }
        Self { client, answers: incoming, has, unaccepted: vec![] }
    }

    /// Lets the server send what it may, and takes it.
    async fn hear(&mut self) {
        assert!(self.client.push().await);
        while let Ok(answer) = self.answers.try_recv() {
            let answer = answer.expect("an answer");
            for name in &answer.removed_resources {
                assert!(self.has.remove(&(answer.type_url.clone(), name.clone())).is_some(), "{name} was there");
            }
            for resource in &answer.resources {
                let name = (answer.type_url.clone(), resource.name.clone());
                assert_ne!(self.has.get(&name), Some(&resource.version), "{} is told again", resource.name);
                self.has.insert(name, resource.version.clone());
            }
            for n in 0..3 {
                let (service, guard) =
                    ((ADDRESS_TYPE.to_owned(), format!("s{n}")), (L7_TYPE.to_owned(), format!("g{n}")));
                assert!(!self.has.contains_key(&service) || self.has.contains_key(&guard), "s{n} without its guard");
            }
            self.unaccepted.push(answer);
        }
    }

    fn accept(&mut self) -> bool {
        if self.unaccepted.is_empty() {
            return false;
        }
        let DeltaDiscoveryResponse { type_url, nonce: response_nonce, .. } = self.unaccepted.remove(0);
        self.client.request(DeltaDiscoveryRequest { type_url, response_nonce, ..DeltaDiscoveryRequest::default() });
        true
    }
}

proptest! {
    // A file of failures would be taken for a crate of its own.
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_client_ends_with_what_is_for_it(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let resources = Resources::new();
            let mut peer = Peer::connect(&resources, View::new());
            for step in &steps {
                match step {
                    Step::Accept => drop(peer.accept()),
                    Step::Reconnect => peer = Peer::connect(&resources, std::mem::take(&mut peer.has)),
                    change => resources.publish(changes(change)),
                }
                peer.hear().await;
            }
            while peer.accept() {
                peer.hear().await;
            }
            let all = resources.look(|_| Some(0));
            let visible = all.iter().flat_map(|view| {
                let mine = view.entries.iter().filter(|(_, entry)| entry.audience.has(&peer.client.reader));
                mine.map(|(name, entry)| ((view.type_url.to_owned(), name.to_string()), entry.version.clone()))
            });
            assert_eq!(peer.has, visible.collect::<View>());
        });
    }
}
