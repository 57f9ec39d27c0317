use proptest::prelude::*;

use super::*;
use crate::l7::{
    Target,
    authorization::Action,
    destination::TrafficPolicy,
    matching::{Client, HttpMatch, PathMatch, Source, tests::Plain},
    route::{self, Origin, OriginKind, Parent},
};

fn service(name: &str) -> ServiceKey {
    ServiceKey { namespace: "shop".into(), hostname: name.into() }
}

fn rule(name: &str, service: ServiceKey, path: &str) -> Resource {
    let matched = HttpMatch { path: Some(PathMatch::segments(path)), ..HttpMatch::default() };
    Resource::HttpRule(HttpRule {
        name: name.into(),
        parent: Parent { service, port: None },
        consumer: None,
        origin: origin(name, OriginKind::HTTPRoute),
        matches: vec![matched],
        filters: vec![],
        action: route::Action::Forward(vec![]),
        timeout: None,
        backend_timeout: None,
        retry: None,
        mirrors: vec![],
        fault: None,
        cors: None,
        session: None,
        external_auth: None,
    })
}

fn origin(name: &str, kind: OriginKind) -> Origin {
    Origin { created: "".into(), namespace: "shop".into(), name: name.into(), index: 0, kind, rule: None }
}

fn stream(name: &str, service: ServiceKey) -> Resource {
    Resource::StreamRule(StreamRule {
        name: name.into(),
        parent: Parent { service, port: None },
        consumer: None,
        origin: origin(name, OriginKind::TCPRoute),
        matches: vec![],
        backends: vec![],
    })
}

fn destination(name: &str, service: &ServiceKey) -> Resource {
    Resource::Destination(DestinationPolicy {
        name: name.into(),
        service: service.clone(),
        source: Source::default(),
        port: None,
        subset: None,
        traffic: TrafficPolicy::default(),
    })
}

fn authorization(name: &str, targets: Vec<Target>) -> Resource {
    let (namespace, name) = ("shop".into(), name.into());
    Resource::Authorization(Authorization {
        namespace,
        name,
        targets,
        action: Action::Allow,
        rules: vec![],
        dry_run: false,
    })
}

fn gateway(name: &str) -> GatewayKey {
    GatewayKey { namespace: "shop".into(), name: name.into() }
}

fn chosen(state: &State, service: &ServiceKey, path: &str) -> Option<String> {
    let router = state.http(service)?;
    let chosen = router.choose(&Plain::new("GET", "a", path), &Client::default(), 80)?;
    Some(chosen.rule.name.to_string())
}

#[test]
fn rules_follow_their_changes_and_snapshots_do_not() {
    let mut state = State::default();
    let (a, b) = (service("a"), service("b"));
    state.insert(rule("all", a.clone(), "/"));
    state.insert(rule("x", a.clone(), "/x"));
    let before = state.clone();
    assert_eq!(chosen(&state, &a, "/x").as_deref(), Some("x"));
    state.insert(rule("x", a.clone(), "/y"));
    assert_eq!(chosen(&state, &a, "/x").as_deref(), Some("all"));
    assert_eq!(chosen(&state, &a, "/y").as_deref(), Some("x"));
    assert_eq!(chosen(&before, &a, "/x").as_deref(), Some("x"));
    state.insert(rule("x", b.clone(), "/y"));
    assert_eq!(chosen(&state, &a, "/y").as_deref(), Some("all"), "it moved");
    assert_eq!(chosen(&state, &b, "/y").as_deref(), Some("x"));
    assert_eq!((state.len(), before.len()), (2, 2));
    assert!(state.remove("http/x") && !state.remove("http/x"));
    assert!(state.http(&b).is_none(), "a service without rules has no router");
}

#[test]
fn what_is_told_again_is_not_put_in_order_again() {
    let mut state = State::default();
    let (a, b) = (service("a"), service("b"));
    state.insert(rule("x", a.clone(), "/x"));
    state.insert(rule("y", b.clone(), "/y"));
    state.prepare();
    assert!(state.changed.is_empty() && state.http[&a].order.get().is_some());
    let (router, other) = (state.http(&a).cloned(), state.http(&b).cloned());
    state.insert(rule("x", a.clone(), "/x"));
    assert!(Arc::ptr_eq(&router.expect("there"), state.http(&a).expect("there")));
    state.insert(rule("x", a.clone(), "/z"));
    assert!(state.http[&a].order.get().is_none());
    assert!(Arc::ptr_eq(&other.expect("there"), state.http(&b).expect("there")), "others stay as they are");
}

#[test]
fn policies_are_found_by_what_they_are_attached_to_and_once() {
    let mut state = State::default();
    let (a, b) = (service("a"), service("b"));
    let (waypoint, other) = (gateway("waypoint"), gateway("other"));
    let to = |waypoint: &GatewayKey| Target::Waypoint(waypoint.clone());
    state.insert(authorization("own", vec![to(&waypoint)]));
    state.insert(authorization("other", vec![to(&other)]));
    state.insert(authorization("any", vec![Target::AnyWaypoint]));
    state.insert(authorization("a", vec![Target::Service(a.clone())]));
    state.insert(authorization("all", vec![Target::Service(a.clone()), to(&waypoint), Target::AnyWaypoint]));
    let names = |state: &State, service: Option<&ServiceKey>| -> Vec<String> {
        state.authorizations(&waypoint, service).map(|policy| policy.name.to_string()).collect()
    };
    assert_eq!(names(&state, None), ["all", "own", "any"]);
    assert_eq!(names(&state, Some(&a)), ["all", "own", "any", "a"]);
    assert_eq!(names(&state, Some(&b)), ["all", "own", "any"]);
    state.insert(authorization("own", vec![Target::Service(b.clone())]));
    assert_eq!(names(&state, Some(&b)), ["all", "any", "own"]);
    assert!(state.remove("authorization/shop/all"));
    assert_eq!(names(&state, Some(&a)), ["any", "a"]);
    for name in ["own", "other", "any", "a"] {
        assert!(state.remove(&format!("authorization/shop/{name}")));
    }
    let nothing = format!("{:?}", Attached::<Authorization>::default());
    assert_eq!(format!("{:?}", state.authorizations), nothing, "nothing is left of them");
}

#[test]
fn everything_else_is_found_by_its_name() {
    let mut state = State::default();
    let a = service("a");
    state.insert(destination("d", &a));
    state.insert(destination("e", &a));
    state.insert(stream("s", a.clone()));
    let labels = BTreeMap::from([(Name::from("app"), Name::from("x"))]);
    state.insert(Resource::Labels(WorkloadLabels { workload: "uid".into(), labels: labels.clone() }));
    let settings = Settings {
        waypoint: gateway("waypoint"),
        traffic: crate::l7::Traffic::Service,
        root_namespace: "istio-system".into(),
        trust_domains: vec![],
        normalization: crate::l7::Normalization::Base,
        providers: vec![],
        defaults: Defaults { logging: vec!["mesh".into()], ..Defaults::default() },
    };
    let logged = |state: &State| state.telemetry(&gateway("waypoint"), Some(&service("a"))).logging[0].provider.clone();
    assert_eq!(&*logged(&state), "envoy");
    state.insert(Resource::Settings(settings.clone()));
    assert_eq!(&*logged(&state), "mesh");
    let authentication = Authentication {
        namespace: "shop".into(),
        name: "jwt".into(),
        targets: vec![Target::Service(a.clone())],
        rules: vec![],
    };
    state.insert(Resource::Authentication(authentication));
    assert_eq!(state.destinations(&a).map(|p| &*p.name).collect::<Vec<_>>(), ["d", "e"]);
    assert_eq!(state.streams(&a).expect("there").rules().count(), 1);
    assert_eq!(state.labels("uid"), Some(&labels));
    assert_eq!(state.settings(), Some(&settings));
    assert_eq!(state.authentications(&gateway("waypoint"), Some(&a)).count(), 1);
    for (key, held) in state.clone().resources() {
        let json = serde_json::to_string(held).expect("serialises");
        let read: Resource = serde_json::from_str(&json).expect("it is a resource");
        assert_eq!((&read.key(), Held::from(read.clone())), (key, held.clone()));
        assert!(state.remove(key), "{key}");
    }
    assert!(state.is_empty() && state.settings().is_none() && state.labels("uid").is_none());
    assert!(state.streams(&a).is_none() && state.destinations(&a).count() == 0);
    assert_eq!(&*logged(&state), "envoy");
}

/// What readers see of a state, whatever way it came about.
fn seen(state: &State) -> Vec<String> {
    let mut out = vec![format!("{} {:?}", state.len(), state.settings().map(|s| s.normalization))];
    let keys: std::collections::BTreeSet<&Name> = state.resources().map(|(key, _)| key).collect();
    out.extend(keys.into_iter().map(|key| format!("{key} {:?}", state.resources[key])));
    for service in ["a", "b"].map(service) {
        let rules = state.http(&service).map(|router| router.rules().cloned().collect::<Vec<_>>());
        let paths = ["/x", "/y"].map(|path| chosen(state, &service, path));
        let streams = state.streams(&service).map(|router| router.rules().cloned().collect::<Vec<_>>());
        let destinations: Vec<_> = state.destinations(&service).collect();
        out.push(format!("{service} {rules:?} {paths:?} {streams:?} {destinations:?}"));
        for waypoint in ["a", "b"].map(gateway) {
            let policies: Vec<_> = state.authorizations(&waypoint, Some(&service)).map(|policy| &policy.name).collect();
            out.push(format!("{waypoint} {policies:?}"));
        }
    }
    out
}

fn any_resource() -> impl Strategy<Value = Resource> {
    let name = || prop::sample::select(vec!["a", "b"]);
    let named = || (name(), name().prop_map(service));
    let target = prop_oneof![
        Just(Target::AnyWaypoint),
        name().prop_map(|name| Target::Service(service(name))),
        name().prop_map(|name| Target::Waypoint(gateway(name))),
    ];
    prop_oneof![
        3 => (named(), prop::sample::select(vec!["/x", "/y", "/"])).prop_map(|((n, s), path)| rule(n, s, path)),
        1 => named().prop_map(|(name, service)| stream(name, service)),
        1 => named().prop_map(|(name, service)| destination(name, &service)),
        2 => (name(), prop::collection::vec(target, 0..4)).prop_map(|(name, targets)| authorization(name, targets)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_seen_is_what_is_there_whatever_was_before(
        changes in prop::collection::vec((any_resource(), prop::bool::weighted(0.7), any::<bool>()), 0..24),
    ) {
        let mut state = State::default();
        let mut there = BTreeMap::new();
        for (resource, put, look) in changes {
            let key = resource.key();
            let before = state.clone();
            let was = look.then(|| seen(&before));
            if put {
                there.insert(key, resource.clone());
                state.insert(resource);
            } else {
                prop_assert_eq!(state.remove(&key), there.remove(&key).is_some());
            }
            let mut fresh = State::default();
            there.values().rev().cloned().for_each(|resource| fresh.insert(resource));
            prop_assert_eq!(seen(&state), seen(&fresh));
            prop_assert!(was.is_none_or(|was| was == seen(&before)), "a snapshot changed");
        }
        there.keys().for_each(|key| assert!(state.remove(key)));
        state.prepare();
        prop_assert_eq!(format!("{state:?}"), format!("{:?}", State::default()), "something is left");
    }
}

#[test]
fn telemetry_counts_from_the_widest_to_the_narrowest() {
    let w = GatewayKey { namespace: "infra".into(), name: "w".into() };
    let orders = ServiceKey { namespace: "shop".into(), hostname: "orders".into() };
    let object = |namespace: &str, name: &str, scope: serde_json::Value| -> Resource {
        let made = serde_json::json!({"telemetry": {
            "namespace": namespace, "name": name, "created": name, "scope": scope,
            "tracing": [{"provider": format!("{namespace}/{name}")}],
        }});
        serde_json::from_value(made).expect("right")
    };
    let found = |state: &State, service: Option<&ServiceKey>| {
        state.telemetry(&w, service).tracing.provider.as_deref().unwrap_or("-").to_owned()
    };
    let target = |target: serde_json::Value| serde_json::json!({"targets": [target]});
    // Each is narrower than those before it; the younger one of a place counts for nothing.
    let steps = [
        (object("root", "b", "mesh".into()), "root/b", "root/b"),
        (object("root", "c", "mesh".into()), "root/b", "root/b"),
        (object("other", "a", "namespace".into()), "root/b", "root/b"),
        (object("infra", "a", "namespace".into()), "infra/a", "infra/a"),
        (object("shop", "b", "namespace".into()), "shop/b", "infra/a"),
        (object("shop", "c", "namespace".into()), "shop/b", "infra/a"),
        (object("root", "d", target("anyWaypoint".into())), "root/d", "root/d"),
        (object("infra", "d", target(serde_json::json!({"waypoint": "infra/w"}))), "infra/d", "infra/d"),
        (object("infra", "e", target(serde_json::json!({"waypoint": "infra/x"}))), "infra/d", "infra/d"),
        (object("shop", "d", target(serde_json::json!({"service": "shop/orders"}))), "shop/d", "infra/d"),
    ];
    let mut state = State::default();
    assert_eq!(found(&state, Some(&orders)), "-");
    let mut keys = Vec::new();
    for (resource, of_service, of_others) in &steps {
        let before = state.clone();
        keys.push(resource.key());
        state.insert(resource.clone());
        assert_eq!(found(&state, Some(&orders)), *of_service, "{}", resource.key());
        assert_eq!(found(&state, None), *of_others, "{}", resource.key());
        // What was merged is remembered, and snapshots stay as they are.
        assert!(Arc::ptr_eq(&state.telemetry(&w, None), &state.clone().telemetry(&w, None)));
        assert!(!Arc::ptr_eq(&before.telemetry(&w, None), &state.telemetry(&w, None)));
    }
    for key in &keys {
        assert!(state.remove(key));
    }
    assert_eq!(found(&state, Some(&orders)), "-");
}
