use OriginKind::{TCPRoute, TLSRoute, VirtualService};
use proptest::prelude::*;

use super::*;
use crate::{
    l7::route::{Origin, Parent},
    workload::ServiceKey,
};

fn rule(kind: OriginKind, name: &str, matches: Vec<StreamMatch>) -> StreamRule {
    StreamRule {
        name: name.into(),
        parent: Parent { service: ServiceKey { namespace: "shop".into(), hostname: "a".into() }, port: None },
        consumer: None,
        origin: Origin { created: "".into(), namespace: "shop".into(), name: name.into(), index: 0, kind, rule: None },
        matches,
        backends: vec![],
    }
}

fn names(names: &[&str]) -> StreamMatch {
    StreamMatch { server_names: names.iter().map(|name| (*name).into()).collect(), ..StreamMatch::default() }
}

fn connection(server_name: Option<&str>) -> Connection<'_> {
    Connection {
        server_name,
        destination: [10, 0, 0, 1].into(),
        source: Some([10, 1, 0, 1].into()),
        client: Client { namespace: Some("web"), labels: None },
        port: 443,
    }
}

fn chosen(rules: &[StreamRule], connection: &Connection<'_>) -> Option<String> {
    let rules: Vec<Arc<StreamRule>> = rules.iter().cloned().map(Arc::new).collect();
    let (router, turned) = (StreamRouter::new(&rules), StreamRouter::new(rules.iter().rev()));
    let name = |router: &StreamRouter| router.choose(connection).map(|rule| rule.name.to_string());
    assert_eq!(name(&router), name(&turned), "in any order");
    assert_eq!(router.rules().count(), rules.len());
    name(&router)
}

#[test]
fn the_most_exact_server_name_comes_first() {
    let rules = [
        rule(TLSRoute, "a", vec![names(&["*.example.com", "plain.example.com"])]),
        rule(TLSRoute, "b", vec![names(&["x.example.com", "*.deep.example.com"])]),
        rule(TLSRoute, "c", vec![]),
    ];
    let rows = [
        (Some("x.example.com"), "b"),
        (Some("X.Example.COM"), "b"),
        (Some("plain.example.com"), "a"),
        (Some("y.example.com"), "a"),
        (Some("y.deep.example.com"), "b"),
        (Some("example.com"), "c"),
        (Some(".example.com"), "c"),
        (Some("xexample.com"), "c"),
        (None, "c"),
    ];
    for (server_name, wanted) in rows {
        assert_eq!(chosen(&rules, &connection(server_name)).as_deref(), Some(wanted), "{server_name:?}");
    }
}

#[test]
fn a_virtual_service_is_tried_as_it_is_written() {
    let at = |index: u32, matches| {
        let mut rule = rule(VirtualService, &index.to_string(), matches);
        rule.origin = Origin { name: "v".into(), index, ..rule.origin };
        rule
    };
    let rules =
        [at(0, vec![names(&["*.example.com", "*.org"])]), at(1, vec![names(&["x.example.com"])]), at(2, vec![])];
    for (server_name, wanted) in [(Some("x.example.com"), "0"), (Some("a.b.org"), "0"), (Some("com"), "2"), (None, "2")]
    {
        assert_eq!(chosen(&rules, &connection(server_name)).as_deref(), Some(wanted), "{server_name:?}");
    }
}

#[test]
fn names_of_a_younger_virtual_service_come_before_what_an_older_one_does_with_all() {
    let at = |created: &str, matches| {
        let mut rule = rule(VirtualService, created, matches);
        rule.origin.created = created.into();
        rule
    };
    let rules = [at("1", vec![]), at("2", vec![names(&["*.example.com"])]), at("3", vec![names(&["x.example.com"])])];
    for (server_name, wanted) in [(Some("x.example.com"), "2"), (Some("org"), "1"), (None, "1")] {
        assert_eq!(chosen(&rules, &connection(server_name)).as_deref(), Some(wanted), "{server_name:?}");
    }
}

#[test]
fn all_conditions_of_a_match_hold() {
    let block = |ip: [u8; 4], length| Block { address: ip.into(), length };
    let all = StreamMatch {
        destinations: vec![block([10, 0, 0, 0], 24)],
        sources: vec![block([10, 9, 0, 0], 16), block([10, 1, 0, 0], 16)],
        port: Some(443),
        source: Source { namespace: Some("web".into()), ..Source::default() },
        ..StreamMatch::default()
    };
    let meant = connection(None);
    let rows = [
        (meant, true),
        (Connection { destination: [10, 0, 1, 1].into(), ..meant }, false),
        (Connection { source: Some([10, 2, 0, 1].into()), ..meant }, false),
        (Connection { source: None, ..meant }, false),
        (Connection { port: 80, ..meant }, false),
        (Connection { client: Client::default(), ..meant }, false),
    ];
    for (connection, wanted) in rows {
        let rules = [rule(VirtualService, "v", vec![all.clone()])];
        assert_eq!(chosen(&rules, &connection).is_some(), wanted, "{connection:?}");
        let router = StreamRouter::new(&rules.map(Arc::new));
        let covered = connection.port == 443 && connection.client.namespace == Some("web");
        assert_eq!(router.covers(&connection.client, connection.port), covered, "{connection:?}");
    }
}

#[test]
fn one_kind_counts_and_consumers_come_first() {
    let tls = rule(TLSRoute, "tls", vec![names(&["x"])]);
    let tcp = rule(TCPRoute, "tcp", vec![]);
    let own = StreamRule { consumer: Some("web".into()), ..rule(TCPRoute, "own", vec![]) };
    let elsewhere = StreamRule { consumer: Some("web".into()), ..rule(TCPRoute, "elsewhere", vec![]) };
    let elsewhere = StreamRule { parent: Parent { port: Some(80), ..elsewhere.parent }, ..elsewhere };
    let rows = [
        (vec![tls.clone(), tcp.clone()], Some("x"), Some("tls")),
        (vec![tls.clone(), tcp.clone()], None, None),
        (vec![tls.clone(), own], Some("x"), Some("own")),
        (vec![tls, elsewhere], Some("x"), Some("tls")),
        (vec![tcp, rule(VirtualService, "v", vec![])], None, Some("tcp")),
    ];
    for (rules, server_name, wanted) in rows {
        assert_eq!(chosen(&rules, &connection(server_name)).as_deref(), wanted);
    }
}

/// Looks at every rule: the groups one after the other, and in the one that counts every alternative.
fn slow<'r>(rules: &'r [Arc<StreamRule>], connection: &Connection<'_>) -> (Option<&'r Arc<StreamRule>>, bool) {
    let of = |own: bool, kind: OriginKind| {
        let consumer = connection.client.namespace.filter(|_| own);
        let meant = rules.iter().filter(move |r| r.consumer.as_deref() == consumer && r.origin.kind == kind);
        meant.flat_map(Entry::of).collect::<Vec<_>>()
    };
    for (own, kind) in [true, false].into_iter().flat_map(|own| [TLSRoute, TCPRoute, VirtualService].map(|k| (own, k)))
    {
        if own && connection.client.namespace.is_none() {
            continue;
        }
        let mut entries = of(own, kind);
        let covers =
            |e: &Entry| e.is_for(connection.port) && e.source().is_none_or(|source| source.matches(&connection.client));
        if entries.iter().any(covers) {
            entries.sort_by(|a, b| a.rank().cmp(&b.rank()));
            let found = entries.iter().find(|entry| entry.matches(connection));
            return (found.and_then(|found| rules.iter().find(|rule| Arc::ptr_eq(rule, &found.rule))), true);
        }
    }
    (None, false)
}

fn any_name() -> impl Strategy<Value = String> {
    let label = || prop::sample::select(vec!["a", "b", "A", "ab", "é"]);
    let name = prop::collection::vec(label(), 1..4).prop_map(|labels| labels.join("."));
    (prop::sample::select(vec!["", "", "*.", "*", "."]), name).prop_map(|(front, name)| format!("{front}{name}"))
}

prop_compose! {
    fn any_match()(
        server_names in prop::collection::vec(any_name(), 0..3),
        port in prop::option::weighted(0.2, 443..445u16),
        namespace in prop::option::weighted(0.2, prop::sample::select(vec!["web", "other"])),
        source in prop::option::weighted(0.2, 0..2u8),
    ) -> StreamMatch {
        StreamMatch {
            server_names: server_names.into_iter().map(Into::into).collect(),
            port,
            sources: source.map(|net| Block { address: [10, net, 0, 0].into(), length: 16 }).into_iter().collect(),
            source: Source { namespace: namespace.map(Into::into), ..Source::default() },
            ..StreamMatch::default()
        }
    }
}

prop_compose! {
    fn any_rule()(
        kind in prop::sample::select(vec![TLSRoute, TLSRoute, TCPRoute, VirtualService]),
        consumer in prop::option::weighted(0.2, prop::sample::select(vec!["web", "other"])),
        port in prop::option::weighted(0.3, 443..445u16),
        matches in prop::collection::vec(any_match(), 0..3),
        (created, index) in (0..3u8, 0..3u32),
    ) -> StreamRule {
        let rule = rule(kind, "", matches);
        StreamRule {
            consumer: consumer.map(Into::into),
            parent: Parent { port, ..rule.parent },
            origin: Origin { created: created.to_string().into(), index, ..rule.origin },
            ..rule
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_finds_what_looking_at_every_rule_finds(
        rules in prop::collection::vec(any_rule(), 0..12),
        asked in prop::collection::vec((prop::option::weighted(0.9, any_name()), 443..445u16, 0..3u8, 0..4usize), 8),
    ) {
        let named = rules.into_iter().enumerate();
        let rules: Vec<_> = named.map(|(n, r)| Arc::new(StreamRule { name: n.to_string().into(), ..r })).collect();
        let router = StreamRouter::new(&rules);
        for (server_name, port, net, namespace) in asked {
            let connection = Connection {
                server_name: server_name.as_deref(),
                destination: [10, 0, 0, 1].into(),
                source: (net < 2).then(|| [10, net, 0, 1].into()),
                client: Client { namespace: ["web", "other", "third"].get(namespace).copied(), labels: None },
                port,
            };
            let found = router.choose(&connection).map(|rule| &*rule.name);
            let (wanted, covered) = slow(&rules, &connection);
            prop_assert_eq!(found, wanted.map(|rule| &*rule.name), "{:?}", connection);
            prop_assert_eq!(router.covers(&connection.client, port), covered);
        }
    }
}
