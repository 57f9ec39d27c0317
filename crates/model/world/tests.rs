use std::collections::BTreeMap;

use super::*;
use crate::{
    service::{IpFamilies, LoadBalancer, TargetPort, Visibility, WeightedWaypoint},
    workload::{Destination, GatewayAddress},
};

fn pod(name: &str, last: u8, protocol: Protocol, services: &[&ServiceKey]) -> Workload {
    Workload {
        uid: format!("c//Pod/ns/{name}").into(),
        name: name.into(),
        namespace: "ns".into(),
        addresses: vec![[10, 0, 0, last].into()],
        protocol,
        service_account: name.into(),
        capacity: 1,
        services: services.iter().map(|k| ((*k).clone(), BTreeMap::from([(80, 8080)]))).collect(),
        ..Workload::default()
    }
}

fn service(name: &str, vip: u8) -> Service {
    Service {
        name: name.into(),
        key: ServiceKey { namespace: "ns".into(), hostname: format!("{name}.ns.svc.cluster.local").into() },
        vips: vec![NetworkAddress { network: "".into(), address: [10, 96, 0, vip].into() }],
        cidr_vips: vec![],
        ports: BTreeMap::from([(80, TargetPort { target_port: 8080, app_protocol: 0 })]),
        subject_alt_names: vec![],
        waypoint: None,
        weighted_waypoints: vec![],
        load_balancer: LoadBalancer::default(),
        ip_families: IpFamilies::Automatic,
        canonical: true,
        ingress_use_waypoint: false,
        visibility: Visibility::Public,
        guarded: false,
    }
}

#[test]
fn services_workloads_and_strangers_are_told_apart() {
    let mut world = World::default();
    let web = service("web", 1);
    let client = pod("client", 1, Protocol::Hbone, &[]);
    world.insert_service(web.clone());
    world.insert_service(service("empty", 2));
    world.insert_workload(client.clone());
    world.insert_workload(pod("server", 2, Protocol::Hbone, &[&web.key]));
    world.insert_workload(pod("plain", 3, Protocol::Tcp, &[]));
    let hop = |ip: [u8; 4], port| world.next_hop(&client, (ip, port).into(), 7);
    assert!(matches!(hop([10, 96, 0, 1], 80), NextHop::Tunnel { gateway, target, .. }
        if gateway == ([10, 0, 0, 2], 15008).into() && target == ([10, 0, 0, 2], 8080).into()));
    assert!(matches!(hop([10, 0, 0, 2], 9), NextHop::Tunnel { target, .. } if target == ([10, 0, 0, 2], 9).into()));
    assert!(matches!(hop([10, 0, 0, 3], 80), NextHop::Direct { workload: Some(_), .. }));
    assert!(matches!(hop([1, 1, 1, 1], 80), NextHop::Direct { workload: None, .. }));
    assert!(matches!(hop([10, 96, 0, 1], 81), NextHop::Refuse { reason: Refusal::NoSuchPort, .. }));
    assert!(matches!(hop([10, 96, 0, 2], 80), NextHop::Refuse { reason: Refusal::NoHealthyUpstream, .. }));
}

#[test]
fn new_connections_are_shared_among_waypoints_by_weight() {
    let gateway = |name: &str| GatewayAddress {
        destination: Destination::Hostname(service(name, 0).key),
        hbone_mtls_port: 15008,
    };
    let mut world = World::default();
    let share = |name: &str, weight: u32| WeightedWaypoint { destination: gateway(name), weight };
    let client = pod("client", 1, Protocol::Hbone, &[]);
    world.insert_workload(client.clone());
    for (name, vip) in [("first", 2), ("second", 3)] {
        world.insert_service(service(name, vip));
        world.insert_workload(pod(name, vip, Protocol::Tcp, &[&service(name, vip).key]));
    }
    let count = |world: &mut World, weights: Vec<WeightedWaypoint>| {
        let web = Service { waypoint: Some(gateway("first")), weighted_waypoints: weights, ..service("web", 1) };
        world.insert_service(web);
        let hop = |n: u64| match world.next_hop(&client, ([10, 96, 0, 1], 80).into(), n << 32) {
            NextHop::Waypoint { workload, .. } => workload.name.to_string(),
            other => panic!("{other:?}"),
        };
        (0..100).filter(|n| hop(*n) == "second").count()
    };
    assert_eq!(count(&mut world, vec![]), 0);
    assert_eq!(count(&mut world, vec![share("first", 0), share("second", 0)]), 0, "no share at all");
    assert_eq!(count(&mut world, vec![share("first", 95), share("second", 5)]), 5);
    assert_eq!(count(&mut world, vec![share("first", 0), share("second", 100)]), 100);
    world.remove_workload("c//Pod/ns/second");
    assert_eq!(count(&mut world, vec![share("first", 0), share("second", 100)]), 0, "it is only tried");
}

#[test]
fn a_policy_that_is_not_known_lets_nobody_in() {
    let mut world = World::default();
    let server = Workload { authorization_policies: vec!["ns/late".into()], ..pod("server", 2, Protocol::Hbone, &[]) };
    let peer = Peer { identity: None, source: [10, 0, 0, 1].into(), destination: ([10, 0, 0, 2], 80).into() };
    assert_eq!(world.decide(&server, &peer), Decision::Unknown("ns/late".into()));
    world.insert_policy(Policy {
        name: "late".into(),
        namespace: "ns".into(),
        scope: crate::policy::PolicyScope::WorkloadSelector,
        action: crate::policy::Action::Deny,
        rules: vec![],
        dry_run: false,
    });
    assert_eq!(world.decide(&server, &peer), Decision::Allow(None));
}

#[test]
fn a_membership_tells_whether_endpoints_changed() {
    let mut world = World::default();
    let (web, other) = (service("web", 1).key, service("other", 2).key);
    world.insert_workload(pod("server", 2, Protocol::Hbone, &[&web]));
    let before = world.membership(&web);
    world.insert_workload(pod("stranger", 3, Protocol::Hbone, &[&other]));
    world.insert_service(service("other", 2));
    assert!(before.is_same(&world.membership(&web)));
    world.insert_workload(pod("second", 4, Protocol::Hbone, &[&web]));
    let after = world.membership(&web);
    assert!(!before.is_same(&after));
    world.remove_workload("c//Pod/ns/server");
    assert!(!after.is_same(&world.membership(&web)));
}

#[test]
fn nobody_takes_a_pods_address_by_writing_it_down() {
    let mut world = World::default();
    let written = |uid: &str| Workload { uid: uid.into(), ..pod("vm", 2, Protocol::Tcp, &[]) };
    let at = |world: &World| world.workload_at(&"".into(), [10, 0, 0, 2].into()).map(|w| w.uid.to_string());
    world.insert_workload(written("c/networking.istio.io/ServiceEntry/ns/e/10.0.0.2"));
    world.insert_workload(pod("server", 2, Protocol::Hbone, &[]));
    world.insert_workload(written("c/networking.istio.io/WorkloadEntry/ns/vm"));
    assert_eq!(at(&world).as_deref(), Some("c//Pod/ns/server"));
    // Nor as a service's, nor by a range that it lies in; what is no pod's is the range's.
    let mut taker = service("taker", 1);
    taker.vips = vec![NetworkAddress { network: "".into(), address: [10, 0, 0, 2].into() }];
    world.insert_service(taker);
    assert!(world.service_at(&"".into(), [10, 0, 0, 2].into(), "ns").is_none());
    let mut range = service("range", 1);
    range.vips.clear();
    range.cidr_vips = vec![Cidr { network: "".into(), address: [10, 0, 0, 0].into(), length: 8 }];
    world.insert_service(range);
    let found = |last: u8| world.service_at(&"".into(), [10, 0, 0, last].into(), "ns").is_some();
    assert_eq!((found(2), found(3)), (false, true));
    world.remove_workload("c/networking.istio.io/WorkloadEntry/ns/vm");
    assert!(world.remove_workload("c//Pod/ns/server"));
    assert_eq!(at(&world).as_deref(), Some("c/networking.istio.io/ServiceEntry/ns/e/10.0.0.2"));
    world.remove_workload("c/networking.istio.io/ServiceEntry/ns/e/10.0.0.2");
    assert!(at(&world).is_none() && world.shadowed.is_empty() && world.by_address.is_empty());
}

#[test]
fn a_service_of_one_namespace_is_seen_by_nobody_else() {
    let mut world = World::default();
    world.insert_service(Service { visibility: Visibility::Namespace, ..service("own", 1) });
    let seen = |from: &str| world.service_at(&"".into(), [10, 96, 0, 1].into(), from).is_some();
    assert_eq!((seen("ns"), seen("other")), (true, false));
}

#[test]
fn a_host_is_resolved_where_no_address_is_known() {
    let mut world = World::default();
    let (web, client) = (service("web", 1), pod("client", 1, Protocol::Hbone, &[]));
    world.insert_service(web.clone());
    let out = Workload { hostname: "out.test".into(), addresses: vec![], ..pod("out", 2, Protocol::Tcp, &[&web.key]) };
    world.insert_workload(out.clone());
    let hop = |world: &World| world.next_hop(&client, ([10, 96, 0, 1], 80).into(), 7);
    assert!(matches!(hop(&world), NextHop::Named { host, port: 8080, .. } if &*host == "out.test"));
    world.insert_workload(Workload { protocol: Protocol::Hbone, ..out });
    assert!(matches!(hop(&world), NextHop::Refuse { reason: Refusal::NoAddress, .. }));
}

#[test]
fn a_removed_or_changed_workload_leaves_no_trace() {
    let mut world = World::default();
    let web = service("web", 1);
    world.insert_service(web.clone());
    world.insert_workload(pod("server", 2, Protocol::Hbone, &[&web.key]));
    world.insert_workload(Workload {
        addresses: vec![[10, 0, 0, 9].into()],
        ..pod("server", 2, Protocol::Hbone, &[&web.key])
    });
    assert!(world.workload_at(&"".into(), [10, 0, 0, 2].into()).is_none());
    assert_eq!(world.endpoints(&web.key).count(), 1);
    assert!(world.remove_workload("c//Pod/ns/server"));
    assert!(world.by_address.is_empty() && world.endpoints.is_empty());
    assert!(world.remove_service(&web.key));
    assert!(world.by_vip.is_empty() && world.services.is_empty());
}
