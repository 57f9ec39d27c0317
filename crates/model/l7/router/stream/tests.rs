use OriginKind::{TCPRoute, TLSRoute, VirtualService};

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
