//! Whatever rules and requests: the router finds what looking at every rule finds.

use OriginKind::{GRPCRoute, HTTPRoute, VirtualService};
use proptest::{
    prelude::*,
    sample::{Index, select},
};

use super::*;

const NAMESPACES: [&str; 3] = ["web", "other", "third"];

/// Looks at every rule: the groups one after the other, and in the one that counts every alternative.
fn slow(rules: &[Arc<HttpRule>], request: &Plain, client: &Client<'_>, port: u16) -> (Option<(String, Choice)>, bool) {
    let groups = [client.namespace, None].into_iter().enumerate().flat_map(|(n, consumer)| {
        let skip = n == 0 && consumer.is_none();
        [GRPCRoute, HTTPRoute, VirtualService].into_iter().filter(move |_| !skip).map(move |kind| (consumer, kind))
    });
    for (consumer, kind) in groups {
        let of_group = rules.iter().filter(|r| r.consumer.as_deref() == consumer && r.origin.kind == kind);
        let mut entries: Vec<Entry> = of_group.flat_map(Entry::of).collect();
        let covers = |entry: &Entry| {
            entry.ports().into_iter().flatten().all(|own| own == port)
                && entry.source().is_none_or(|source| source.matches(client))
        };
        if entries.iter().any(covers) {
            entries.sort_by(|a, b| a.rank().cmp(&b.rank()));
            let found = entries.iter().find(|entry| entry.matches(request, client, port)).map(Entry::chosen);
            return (found.as_ref().map(told), true);
        }
    }
    (None, false)
}

type Choice = (Option<usize>, Option<usize>);

fn told(chosen: &Chosen<'_>) -> (String, Choice) {
    (chosen.rule.name.to_string(), (chosen.index, chosen.prefix))
}

/// Few letters, so that many paths are beginnings of others, or are equal but for their case.
fn any_path() -> impl Strategy<Value = String> {
    let segment = || select(vec!["a", "a", "b", "A", "ab", "é", ""]);
    let path = prop::collection::vec(segment(), 0..5).prop_map(|segments| format!("/{}", segments.join("/")));
    prop_oneof![20 => path, 1 => Just("*".to_owned()), 1 => Just(String::new())]
}

fn any_path_match() -> impl Strategy<Value = PathMatch> {
    let cut = (any_path(), any::<Index>()).prop_map(|(path, at)| {
        let ends: Vec<usize> = path.char_indices().map(|(at, _)| at).chain([path.len()]).collect();
        path[..*at.get(&ends)].to_owned()
    });
    prop_oneof![
        3 => any_path().prop_map(|path| PathMatch::Exact(path.into())),
        3 => any_path().prop_map(|path| PathMatch::segments(&path)),
        1 => any_path().prop_map(|path| PathMatch::Segments(path.into())),
        3 => cut.prop_map(|path| PathMatch::Prefix(path.into())),
        1 => select(vec!["/a.*", "/[^/]+/b", "(?i)/ab?", ".*", "/a/b?", "/(a|ab)/?", "/é.*", "/[éa]", "|/b.*"])
            .prop_map(|pattern| PathMatch::Regex(pattern.parse().expect("valid"))),
    ]
}

fn any_names() -> impl Strategy<Value = Vec<NamedMatch>> {
    prop::collection::vec(select(vec!["x", "y", "z"]), 0..2).prop_map(|names| present(&names))
}

fn any_source() -> impl Strategy<Value = Source> {
    let namespace = prop::option::weighted(0.15, select(NAMESPACES.to_vec()));
    let label = prop::option::weighted(0.1, select(vec!["1", "2"]));
    (namespace, label).prop_map(|(namespace, label)| Source {
        namespace: namespace.map(Into::into),
        labels: label.map(|value| ("app".into(), value.into())).into_iter().collect(),
    })
}

prop_compose! {
    fn any_match()(
        path in prop::option::weighted(0.8, any_path_match()),
        ignore_case: bool,
        method in prop::option::weighted(0.2, select(vec!["GET", "POST"])),
        (headers, without_headers, query) in (any_names(), any_names(), any_names()),
        port in prop::option::weighted(0.1, 80..82u16),
        source in any_source(),
    ) -> HttpMatch {
        HttpMatch {
            path,
            ignore_case,
            method: method.map(|method| TextMatch::Exact(method.into())),
            headers,
            without_headers,
            query,
            port,
            source,
            ..HttpMatch::default()
        }
    }
}

prop_compose! {
    fn any_rule()(
        kind in select(vec![HTTPRoute, HTTPRoute, GRPCRoute, VirtualService]),
        consumer in prop::option::weighted(0.2, select(NAMESPACES.to_vec())),
        port in prop::option::weighted(0.3, 80..82u16),
        matches in prop::collection::vec(any_match(), 0..4),
        (created, index) in (0..3u8, 0..3u32),
    ) -> HttpRule {
        let mut rule = rule(kind, "", matches);
        rule.consumer = consumer.map(Into::into);
        rule.parent.port = port;
        rule.origin = Origin { created: created.to_string().into(), index, ..rule.origin };
        rule
    }
}

fn of_all(kind: OriginKind, matches: Vec<HttpMatch>) -> HttpRule {
    rule(kind, "", matches.into_iter().map(|m| HttpMatch { port: None, source: Source::default(), ..m }).collect())
}

prop_compose! {
    /// One large group: what the index is for.
    fn many_rules()(
        kind in select(vec![HTTPRoute, VirtualService]),
        matches in prop::collection::vec(prop::collection::vec(any_match(), 1..3), 0..60),
    ) -> Vec<HttpRule> {
        matches.into_iter().map(|matches| of_all(kind, matches)).collect()
    }
}

prop_compose! {
    fn any_request()(
        method in select(vec!["GET", "POST"]),
        path in any_path(),
        headers in prop::sample::subsequence(vec![("x", "1"), ("y", "1"), ("z", "1")], 0..4),
        query in prop::sample::subsequence(vec![("x", "1"), ("y", "1"), ("z", "1")], 0..4),
    ) -> (&'static str, String, [Vec<(&'static str, &'static str)>; 2]) {
        (method, path, [headers, query])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_router_finds_what_looking_at_every_rule_finds(
        rules in prop_oneof![prop::collection::vec(any_rule(), 0..12), many_rules()],
        requests in prop::collection::vec((any_request(), 0..4usize, 80..82u16, 0..3usize), 8),
    ) {
        let named = rules.into_iter().enumerate();
        let rules: Vec<_> = named.map(|(n, r)| Arc::new(HttpRule { name: n.to_string().into(), ..r })).collect();
        let router = Router::new(&rules);
        for ((method, path, [headers, query]), namespace, port, label) in requests {
            let mut request = Plain::new(method, "a", &path);
            (request.headers, request.query) = (headers, query);
            let labels = BTreeMap::from([("app".into(), label.to_string().into())]);
            let client =
                Client { namespace: NAMESPACES.get(namespace).copied(), labels: (label > 0).then_some(&labels) };
            let found = router.choose(&request, &client, port).as_ref().map(told);
            let wanted = slow(&rules, &request, &client, port);
            prop_assert_eq!((found, router.covers(&client, port)), wanted, "{} {} {:?}:{}", method, path, client, port);
        }
    }
}
