mod properties;

use std::collections::BTreeMap;

use super::*;
use crate::{
    l7::{
        matching::{HttpMatch, NamedMatch, PathMatch, Source, tests::Plain},
        route::{Action, Origin, OriginKind, Parent},
        text::TextMatch,
    },
    workload::ServiceKey,
};

fn rule(kind: OriginKind, name: &str, matches: Vec<HttpMatch>) -> HttpRule {
    HttpRule {
        name: name.into(),
        parent: Parent { service: ServiceKey { namespace: "shop".into(), hostname: "a".into() }, port: None },
        consumer: None,
        origin: Origin {
            created: "2026-01-01T00:00:00Z".into(),
            namespace: "shop".into(),
            name: name.into(),
            index: 0,
            kind,
            rule: None,
        },
        matches,
        filters: vec![],
        action: Action::Forward(vec![]),
        timeout: None,
        backend_timeout: None,
        retry: None,
        mirrors: vec![],
        fault: None,
        cors: None,
        session: None,
        external_auth: None,
    }
}

fn path(path: PathMatch) -> HttpMatch {
    HttpMatch { path: Some(path), ..HttpMatch::default() }
}

fn exact(text: &str) -> HttpMatch {
    path(PathMatch::Exact(text.into()))
}

fn segments(text: &str) -> HttpMatch {
    path(PathMatch::segments(text))
}

fn prefix(text: &str) -> HttpMatch {
    path(PathMatch::Prefix(text.into()))
}

fn regex(text: &str) -> HttpMatch {
    path(PathMatch::Regex(text.parse().expect("valid")))
}

fn get(matched: HttpMatch) -> HttpMatch {
    HttpMatch { method: Some(TextMatch::Exact("GET".into())), ..matched }
}

fn present(names: &[&str]) -> Vec<NamedMatch> {
    names.iter().map(|name| NamedMatch { name: (*name).into(), value: TextMatch::Present }).collect()
}

/// Asks for the name of the rule in a router of rules in this order and in the other.
fn name(rules: &[HttpRule], request: &Plain, client: &Client<'_>, port: u16) -> (Option<String>, bool) {
    let rules: Vec<Arc<HttpRule>> = rules.iter().cloned().map(Arc::new).collect();
    let (router, turned) = (Router::new(&rules), Router::new(rules.iter().rev()));
    let name = |router: &Router| router.choose(request, client, port).map(|chosen| chosen.rule.name.to_string());
    assert_eq!(name(&router), name(&turned), "in any order");
    (name(&router), router.covers(client, port))
}

#[test]
fn the_most_exact_match_of_gateway_api_comes_first() {
    use OriginKind::{GRPCRoute, HTTPRoute};
    let mut request = Plain::new("GET", "a", "/a/b");
    request.headers = vec![("x", "1"), ("y", "1")];
    request.query = vec![("p", "1"), ("q", "1")];
    let headers = |names: &[&str], matched| HttpMatch { headers: present(names), ..matched };
    let query = |names: &[&str], matched| HttpMatch { query: present(names), ..matched };
    // Of two matches the first is more exact; the names would say the opposite.
    let rows = [
        (HTTPRoute, exact("/a/b"), get(headers(&["x"], segments("/a/b")))),
        (HTTPRoute, segments("/a/b"), get(headers(&["x", "y"], segments("/a")))),
        (HTTPRoute, segments("/a"), get(headers(&["x"], segments("/")))),
        (HTTPRoute, segments("/a"), regex("/a/.*")),
        (HTTPRoute, get(segments("/")), regex("/a/.*")),
        (HTTPRoute, regex("/a/.*"), segments("/")),
        (HTTPRoute, regex("/a/.*"), regex("/a.*")),
        (HTTPRoute, get(segments("/a")), headers(&["x", "y"], segments("/a"))),
        (HTTPRoute, headers(&["x", "y"], segments("/a")), query(&["p", "q"], headers(&["x"], segments("/a")))),
        (HTTPRoute, query(&["p", "q"], segments("/a")), query(&["p"], segments("/a"))),
        (HTTPRoute, headers(&["x"], segments("/")), segments("/")),
        (GRPCRoute, exact("/a/b"), headers(&["x"], prefix("/a/"))),
        (GRPCRoute, prefix("/a/"), headers(&["x"], regex("/[^/]+/b"))),
        (GRPCRoute, regex("/[^/]+/b"), headers(&["x"], HttpMatch::default())),
        (GRPCRoute, headers(&["x", "y"], HttpMatch::default()), headers(&["x"], HttpMatch::default())),
    ];
    for (kind, first, second) in rows {
        let all = HttpMatch::default();
        let rules = [
            rule(kind, "c", vec![first.clone()]),
            rule(kind, "b", vec![second.clone()]),
            rule(kind, "d", vec![all, exact("/other")]),
        ];
        let found = name(&rules, &request, &Client::default(), 80);
        assert_eq!(found, (Some("c".into()), true), "{kind:?} {first:?} {second:?}");
    }
}

#[test]
fn among_equals_the_oldest_object_and_the_first_rule_come_first() {
    let at = |created: &str, name: &str, index: u32| {
        let mut rule = rule(OriginKind::HTTPRoute, &format!("{created} {name} {index}"), vec![segments("/a")]);
        rule.origin = Origin { created: created.into(), name: name.into(), index, ..rule.origin };
        rule
    };
    let mut rules = vec![at("2026", "a", 0), at("2025", "z", 1), at("2025", "z", 0), at("2025", "y", 7)];
    for wanted in ["2025 y 7", "2025 z 0", "2025 z 1", "2026 a 0"] {
        let found = name(&rules, &Plain::new("GET", "a", "/a"), &Client::default(), 80).0;
        assert_eq!(found.as_deref(), Some(wanted));
        rules.retain(|rule| &*rule.name != wanted);
    }
}

#[test]
fn a_virtual_service_is_tried_as_it_is_written() {
    let at = |index: u32, matches| {
        let mut rule = rule(OriginKind::VirtualService, &index.to_string(), matches);
        rule.origin = Origin { name: "v".into(), index, ..rule.origin };
        rule
    };
    let rules = [at(0, vec![get(prefix("/x")), prefix("/a")]), at(1, vec![exact("/a/b")]), at(2, vec![])];
    let rows = [("POST", "/a/b", "0"), ("GET", "/xy", "0"), ("POST", "/xy", "2")];
    for (method, path, wanted) in rows {
        let found = name(&rules, &Plain::new(method, "a", path), &Client::default(), 80).0;
        assert_eq!(found.as_deref(), Some(wanted), "{method} {path}");
    }
}

#[test]
fn one_group_counts_for_a_client_and_port() {
    use OriginKind::{GRPCRoute, HTTPRoute, VirtualService};
    let with = |kind, name: &str, consumer: Option<&str>, port: Option<u16>| {
        let mut rule = rule(kind, name, vec![segments(&format!("/{name}"))]);
        rule.consumer = consumer.map(Into::into);
        rule.parent.port = port;
        rule
    };
    let from = |name: &str, namespace: &str, port: Option<u16>| {
        let mut rule = rule(VirtualService, name, vec![prefix(&format!("/{name}"))]);
        rule.matches[0].source.namespace = Some(namespace.into());
        rule.matches[0].port = port;
        rule
    };
    let http = |name: &str| with(HTTPRoute, name, None, None);
    // Rules, the client's namespace, the port, the path; which rule, and whether the port is covered.
    let rows = [
        (vec![], "web", 80, "/h", (None, false)),
        (vec![http("h")], "web", 80, "/h", (Some("h"), true)),
        (vec![http("h")], "web", 80, "/x", (None, true)),
        (vec![with(HTTPRoute, "h", None, Some(80))], "web", 81, "/h", (None, false)),
        (vec![with(HTTPRoute, "h", None, Some(80)), http("x")], "web", 81, "/h", (None, true)),
        (vec![http("h"), with(HTTPRoute, "c", Some("web"), None)], "web", 80, "/h", (None, true)),
        (vec![http("h"), with(HTTPRoute, "c", Some("web"), None)], "web", 80, "/c", (Some("c"), true)),
        (vec![http("h"), with(HTTPRoute, "c", Some("web"), None)], "other", 80, "/h", (Some("h"), true)),
        (vec![http("h"), with(HTTPRoute, "c", Some("web"), Some(81))], "web", 80, "/h", (Some("h"), true)),
        (vec![with(HTTPRoute, "c", Some("web"), None)], "other", 80, "/c", (None, false)),
        (vec![http("h"), with(VirtualService, "v", Some("web"), None)], "web", 80, "/h", (None, true)),
        (vec![http("h"), with(GRPCRoute, "g", None, None)], "web", 80, "/h", (None, true)),
        (vec![http("h"), with(GRPCRoute, "g", None, Some(81))], "web", 80, "/h", (Some("h"), true)),
        (vec![http("h"), with(VirtualService, "v", None, None)], "web", 80, "/v", (None, true)),
        (vec![with(HTTPRoute, "h", None, Some(81)), from("v", "web", None)], "web", 80, "/v", (Some("v"), true)),
        (vec![from("v", "web", None)], "other", 80, "/v", (None, false)),
        (vec![from("v", "web", Some(80))], "web", 81, "/v", (None, false)),
    ];
    for (rules, namespace, port, path, (wanted, covered)) in rows {
        let client = Client { namespace: Some(namespace), labels: None };
        let found = name(&rules, &Plain::new("GET", "a", path), &client, port);
        let names: Vec<_> = rules.iter().map(|rule| (&rule.name, &rule.consumer, rule.parent.port)).collect();
        assert_eq!(found, (wanted.map(str::to_owned), covered), "{names:?} {namespace}:{port}{path}");
    }
}

#[test]
fn two_ports_that_differ_are_no_port() {
    let mut rule = rule(OriginKind::VirtualService, "v", vec![HttpMatch { port: Some(81), ..prefix("/") }]);
    rule.parent.port = Some(80);
    for port in [80, 81] {
        let found = name(&[rule.clone()], &Plain::new("GET", "a", "/"), &Client::default(), port);
        assert_eq!(found, (None, false));
    }
}

#[test]
fn labels_of_the_client_choose_as_well() {
    let labels = BTreeMap::from([("app".into(), "x".into())]);
    let mut rule = rule(OriginKind::VirtualService, "v", vec![HttpMatch::default()]);
    rule.matches[0].source = Source { namespace: None, labels: labels.clone() };
    let rows = [(None, (None, false)), (Some(&labels), (Some("v".to_owned()), true))];
    for (labels, wanted) in rows {
        let client = Client { namespace: None, labels };
        assert_eq!(name(&[rule.clone()], &Plain::new("GET", "a", "/"), &client, 80), wanted);
    }
}

#[test]
fn it_is_told_what_the_prefix_took() {
    let rows = [
        (vec![], "/a/b", (None, Some(0))),
        (vec![HttpMatch::default()], "/a/b", (Some(0), Some(0))),
        (vec![exact("/x"), exact("/a/b")], "/a/b", (Some(1), None)),
        (vec![segments("/a/")], "/a/b", (Some(0), Some(2))),
        (vec![segments("/")], "/a/b", (Some(0), Some(0))),
        (vec![prefix("/a/")], "/a/b", (Some(0), Some(3))),
        (vec![regex("/a/.*")], "/a/b", (Some(0), None)),
    ];
    for (matches, path, wanted) in rows {
        let router = Router::new(&[Arc::new(rule(OriginKind::HTTPRoute, "r", matches.clone()))]);
        let request = Plain::new("GET", "a", path);
        let chosen = router.choose(&request, &Client::default(), 80).expect("it matches");
        assert_eq!((chosen.index, chosen.prefix), wanted, "{matches:?}");
        assert_eq!(router.rules().count(), 1);
    }
}
