use serde_json::{Value, json};

use crate::l7::{
    Sort,
    tests::{Mesh, assert_has},
};

fn orders() -> Value {
    json!([{"group": "", "kind": "Service", "name": "orders"}])
}

fn to(name: &str) -> Value {
    json!([{"name": name, "port": 80}])
}

fn backend(host: &str) -> Value {
    json!({"target": {"service": {"service": host, "port": 80}}, "weight": 1})
}

/// Converts the rules of a HTTPRoute for `orders`.
fn http(rules: &Value) -> (Mesh, Vec<Value>) {
    let mut mesh = Mesh::new();
    mesh.put(Sort::HTTPRoute, "shop/r", json!({"parentRefs": orders(), "rules": rules}));
    let rules = mesh.of("http/HTTPRoute/shop/r/").into_iter().cloned().collect();
    (mesh, rules)
}

const GOOD: &str = "Accepted=Accepted ResolvedRefs=ResolvedRefs ResolvedWaypoints=ResolvedWaypoints";

#[test]
fn rules_of_http_routes() {
    let default_retry = json!({"attempts": 2, "on": ["connectFailure", "refusedStream", {"grpc": 14}, {"grpc": 1}]});
    let rows = [
        (
            "without a match or backend",
            json!({}),
            json!({"matches": null, "action": {"forward": []}, "retry": default_retry, "consumer": null}),
        ),
        (
            "all matches",
            json!({"name": "one", "backendRefs": to("orders-v2"), "matches": [
                {"path": {"value": "/a/"}, "method": "GET", "headers": [
                    {"name": "X-A", "value": "1"}, {"name": "x-a", "value": "2"},
                    {"name": "x-b", "type": "RegularExpression", "value": "b+"},
                ]},
                {"path": {"type": "Exact", "value": "/b"}, "queryParams": [{"name": "Q", "value": "1"}]},
                {"path": {"type": "RegularExpression", "value": "/c.*"}},
            ]}),
            json!({
                "origin": {"kind": "HTTPRoute", "namespace": "shop", "name": "r", "index": 0, "rule": "one"},
                "parent": {"service": "shop/orders.shop.svc.cluster.local"},
                "matches": [
                    {"path": {"segments": "/a"}, "method": {"exact": "GET"}, "headers": [
                        {"name": "x-a", "value": {"exact": "1"}}, {"name": "x-b", "value": {"regex": "b+"}},
                    ]},
                    {"path": {"exact": "/b"}, "query": [{"name": "Q", "value": {"exact": "1"}}]},
                    {"path": {"regex": "/c.*"}},
                ],
                "action": {"forward": [backend("shop/orders-v2.shop.svc.cluster.local")]},
            }),
        ),
        (
            "headers, mirrors and rewrite",
            json!({"backendRefs": to("orders"), "filters": [
                {"type": "RequestHeaderModifier", "requestHeaderModifier": {
                    "set": [{"name": "A", "value": "1"}], "add": [{"name": "b", "value": "2"}], "remove": ["C"],
                }},
                {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["d"]}},
                {"type": "URLRewrite", "urlRewrite": {
                    "hostname": "h", "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"},
                }},
                {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "orders-v2", "port": 80}, "percent": 42}},
                {"type": "RequestMirror", "requestMirror": {
                    "backendRef": {"name": "orders-v2", "port": 80}, "fraction": {"numerator": 1, "denominator": 3},
                }},
                {"type": "CORS", "cors": {"allowOrigins": ["https://*.a.b"], "allowMethods": ["*"], "allowHeaders": ["X-H"]}},
            ]}),
            json!({
                "filters": [
                    {"requestHeaders": {"set": [["a", "1"]], "add": [["b", "2"]], "remove": ["c"]}},
                    {"responseHeaders": {"remove": ["d"]}},
                    {"rewrite": {"authority": "h", "path": {"prefix": "/new"}}},
                ],
                "mirrors": [{"share": 420_000}, {"share": 333_333}],
                "cors": {
                    "allowOrigins": [{"regex": "https\\:\\/\\/[^/:@]+\\.a\\.b"}],
                    "allowMethods": ["*"], "allowHeaders": ["x-h"], "allowCredentials": false,
                    "maxAge": {"secs": 5, "nanos": 0}, "forwardUnmatched": false,
                },
            }),
        ),
        (
            "a redirect",
            json!({"filters": [{"type": "RequestRedirect", "requestRedirect": {
                "scheme": "https", "hostname": "h", "port": 8443, "statusCode": 308,
                "path": {"type": "ReplaceFullPath", "replaceFullPath": "/x"},
            }}]}),
            json!({"action": {"redirect": {
                "scheme": "https", "host": "h", "port": {"number": 8443}, "path": {"full": "/x"}, "status": 308,
            }}}),
        ),
        (
            "times, retries and sessions",
            json!({
                "backendRefs": to("orders"),
                "timeouts": {"request": "10s", "backendRequest": "2s"},
                "retry": {"attempts": 3, "codes": [500, 503], "backoff": "100ms"},
                "sessionPersistence": {
                    "sessionName": "s", "absoluteTimeout": "1h", "cookieConfig": {"lifetimeType": "Permanent"},
                },
            }),
            json!({
                "timeout": {"secs": 10, "nanos": 0},
                "backendTimeout": {"secs": 2, "nanos": 0},
                "retry": {
                    "attempts": 3, "backoff": {"secs": 0, "nanos": 100_000_000},
                    "on": ["connectFailure", "refusedStream", "reset", {"status": 500}, {"status": 503}],
                },
                "session": {"name": "s", "header": false, "lifetime": {"secs": 3600, "nanos": 0}},
            }),
        ),
        (
            "no time, and a session of the client's",
            json!({"timeouts": {"request": "0s"}, "sessionPersistence": {"absoluteTimeout": "1h"}}),
            json!({"timeout": null, "session": {"name": "session-shop-r-0", "lifetime": null}}),
        ),
        (
            "somebody who is asked",
            json!({"backendRefs": to("orders"), "filters": [{"type": "ExternalAuth", "externalAuth": {
                "protocol": "HTTP", "backendRef": {"name": "orders-v2", "port": 80},
                "http": {"path": "/check", "allowedHeaders": ["X-A"]}, "forwardBody": {"maxSize": 100},
            }}]}),
            json!({"externalAuth": {
                "target": {"service": {"service": "shop/orders-v2.shop.svc.cluster.local", "port": 80}},
                "protocol": {"http": {"path": "/check", "headers": [{"exact": "x-a"}]}}, "maxBody": 100,
            }}),
        ),
        (
            "weights, and filters of backends",
            json!({"backendRefs": [
                {"name": "orders", "port": 8080, "weight": 9},
                {"name": "orders-v2", "port": 80, "weight": 0, "filters": [
                    {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "host", "value": "v2"}]}},
                ]},
            ]}),
            json!({"action": {"forward": [
                {"weight": 9, "target": {"service": {"port": 8080}}},
                {"weight": 0, "filters": [{"rewrite": {"authority": "v2"}}]},
            ]}}),
        ),
    ];
    for (what, rule, wanted) in rows {
        let (mesh, rules) = http(&json!([rule]));
        assert_eq!(mesh.told(Sort::HTTPRoute, "shop/r"), GOOD, "{what}");
        assert_has(&rules[0], &wanted, what);
    }
    assert_eq!(http(&Value::Null).1.len(), 1, "no list of rules is one for all requests");
}

#[test]
fn what_is_wrong_with_a_rule_is_answered_with_an_error_and_told() {
    let redirect = json!({"type": "RequestRedirect", "requestRedirect": {}});
    let rewrite = json!({"type": "URLRewrite", "urlRewrite": {"hostname": "h"}});
    let prefix = json!({"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}});
    let partly = "Accepted=Accepted ResolvedRefs=ResolvedRefs ResolvedWaypoints=ResolvedWaypoints PartiallyInvalid=UnsupportedValue";
    let kind = "Accepted=Accepted ResolvedRefs!InvalidKind ResolvedWaypoints=ResolvedWaypoints";
    let rows = [
        (json!({"filters": [{"type": "URLRewrite"}]}), partly, 1, "a filter lacks urlRewrite"),
        (json!({"filters": [redirect], "backendRefs": to("orders")}), partly, 1, "exclude each other"),
        (
            json!({"filters": [{"type": "RequestRedirect", "requestRedirect": {"statusCode": 404}}]}),
            partly,
            1,
            "404 is no redirect",
        ),
        (json!({"filters": [prefix], "matches": [{"path": {"type": "Exact", "value": "/"}}]}), partly, 1, "PathPrefix"),
        (
            json!({"filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["a b"]}}]}),
            partly,
            1,
            "a b",
        ),
        (json!({"timeouts": {"request": "1s", "backendRequest": "2s"}}), partly, 1, "backendRequest is longer"),
        (json!({"sessionPersistence": {"cookieConfig": {"lifetimeType": "Permanent"}}}), partly, 1, "absoluteTimeout"),
        (
            json!({"filters": [{"type": "ExtensionRef", "extensionRef": {"group": "g", "kind": "K", "name": "n"}}]}),
            kind,
            1,
            "K.g n is no filter",
        ),
        (
            json!({"matches": [{"path": {"type": "RegularExpression", "value": "("}}]}),
            partly,
            0,
            "no regular expression",
        ),
        (json!({"matches": [{"path": {"value": "a"}}]}), partly, 0, "does not begin with a slash"),
        (
            json!({"filters": [redirect, rewrite]}),
            "Accepted!IncompatibleFilters ResolvedRefs=ResolvedRefs ResolvedWaypoints=ResolvedWaypoints",
            0,
            "it has no effect",
        ),
    ];
    for (rule, told, left, message) in rows {
        let (mesh, rules) = http(&json!([rule]));
        assert_eq!(mesh.told(Sort::HTTPRoute, "shop/r"), told, "{rule}");
        assert_eq!(rules.len(), left, "{rule}");
        let messages = mesh.messages(Sort::HTTPRoute, "shop/r");
        assert!(messages.contains(message), "{rule}: {messages}");
        for rule in &rules {
            let invalid = &rule["action"]["forward"][0]["target"]["invalid"];
            assert!(invalid.is_string(), "its requests are answered with an error: {rule}");
        }
    }
}

#[test]
fn references_lead_to_what_is_there_and_permitted() {
    let bad = |reason: &str| format!("Accepted=Accepted ResolvedRefs!{reason} ResolvedWaypoints=ResolvedWaypoints");
    let rows = [
        (json!({"name": "orders-v2", "port": 80}), GOOD.to_owned(), ""),
        (json!({"name": "none", "port": 80}), bad("BackendNotFound"), "Service shop/none is not there"),
        (json!({"name": "orders"}), bad("BackendNotFound"), "names no port"),
        (json!({"name": "orders", "port": 81}), bad("BackendNotFound"), "has no port 81; it has 80, 8080"),
        (json!({"name": "far", "namespace": "other", "port": 80}), bad("RefNotPermitted"), "no ReferenceGrant there"),
        (json!({"name": "none", "namespace": "other", "port": 80}), bad("RefNotPermitted"), "no ReferenceGrant there"),
        (json!({"name": "a", "kind": "Secret", "port": 80}), bad("InvalidKind"), "Secret cannot be a backend"),
        (json!({"name": "a", "kind": "K", "group": "g", "port": 80}), bad("InvalidKind"), "K.g cannot be a backend"),
        (
            json!({"name": "x.com", "kind": "Hostname", "group": "networking.istio.io", "port": 80}),
            bad("BackendNotFound"),
            "host x.com",
        ),
        (
            json!({"name": "e", "kind": "ServiceEntry", "group": "networking.istio.io", "port": 80}),
            bad("BackendNotFound"),
            "shop/e",
        ),
    ];
    for (reference, told, message) in rows {
        let (mesh, rules) = http(&json!([{"backendRefs": [reference]}]));
        assert_eq!(mesh.told(Sort::HTTPRoute, "shop/r"), told, "{reference}");
        let target = &rules[0]["action"]["forward"][0]["target"];
        assert_eq!(target["invalid"].is_string(), !message.is_empty(), "{reference}: {target}");
        assert!(mesh.messages(Sort::HTTPRoute, "shop/r").contains(message), "{reference}");
    }
}

#[test]
fn a_grant_counts_from_when_it_is_there_until_it_is_gone() {
    let (mut mesh, _) = http(&json!([{"backendRefs": [{"name": "far", "namespace": "other", "port": 80}]}]));
    let invalid = |mesh: &Mesh| mesh.of("http/")[0]["action"]["forward"][0]["target"]["invalid"].is_string();
    let from = json!([{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "shop"}]);
    assert!(invalid(&mesh));
    for (name, spec, good) in [
        ("other/g", json!({"from": from, "to": [{"group": "", "kind": "Service"}]}), true),
        ("other/g", json!({"from": from, "to": [{"group": "", "kind": "Service", "name": "far"}]}), true),
        ("other/g", json!({"from": from, "to": [{"group": "", "kind": "Service", "name": "near"}]}), false),
        ("other/g", json!({"from": from, "to": [{"group": "", "kind": "Secret"}]}), false),
        (
            "other/g",
            json!({"from": [{"group": "gateway.networking.k8s.io", "kind": "GRPCRoute", "namespace": "shop"}], "to": [{"group": "", "kind": "Service"}]}),
            false,
        ),
        ("shop/g", json!({"from": from, "to": [{"group": "", "kind": "Service"}]}), false),
        ("other/h", json!({"from": from, "to": [{"group": "", "kind": "Service"}]}), true),
    ] {
        mesh.grant(name, spec.clone());
        assert_eq!(invalid(&mesh), !good, "{name} {spec}");
    }
    let out = mesh.l7.reference_grant(&crate::l7::tests::key("other/h"), None);
    mesh.take(out);
    assert!(invalid(&mesh));
}

#[test]
fn parents_are_services_of_the_mesh() {
    let port = |port: u16| json!({"group": "", "kind": "Service", "name": "orders", "port": port});
    let rows = [
        ("a port", json!([port(80)]), vec!["80"], GOOD.to_owned()),
        ("two ports", json!([port(80), port(8080)]), vec!["80", "8080"], format!("{GOOD} {GOOD}")),
        (
            "a port by name",
            json!([{"group": "", "kind": "Service", "name": "orders", "sectionName": "p8080"}]),
            vec!["8080"],
            GOOD.to_owned(),
        ),
        ("no such port", json!([port(81)]), vec![], "Accepted!NoMatchingParent ResolvedRefs=ResolvedRefs".to_owned()),
        (
            "no such service",
            json!([{"group": "", "kind": "Service", "name": "none"}]),
            vec![],
            "Accepted!NoMatchingParent ResolvedRefs=ResolvedRefs".to_owned(),
        ),
        ("a gateway", json!([{"name": "g"}]), vec![], String::new()),
        ("a gateway and a service", json!([{"name": "g"}, port(80)]), vec!["80"], GOOD.to_owned()),
    ];
    for (what, parents, ports, told) in rows {
        let mut mesh = Mesh::new();
        mesh.put(Sort::HTTPRoute, "shop/r", json!({"parentRefs": parents, "rules": [{}]}));
        let keys: Vec<String> =
            ports.iter().map(|p| format!("http/HTTPRoute/shop/r/0/shop/orders.shop.svc.cluster.local:{p}")).collect();
        assert_eq!(mesh.keys(), keys, "{what}");
        assert_eq!(mesh.told(Sort::HTTPRoute, "shop/r"), told, "{what}");
    }
    let mut mesh = Mesh::new();
    mesh.put(Sort::HTTPRoute, "other/r", json!({"parentRefs": [{"group": "", "kind": "Service", "name": "far"}]}));
    assert!(mesh.told(Sort::HTTPRoute, "other/r").contains("ResolvedWaypoints!MissingUseWaypointLabel"));
    mesh.namespace("other", &[("istio.io/use-waypoint", "w")]);
    assert!(mesh.told(Sort::HTTPRoute, "other/r").contains("ResolvedWaypoints=ResolvedWaypoints"));
}

#[test]
fn a_route_of_another_namespace_is_for_its_own_clients() {
    let mut mesh = Mesh::new();
    let parents = json!([{"group": "", "kind": "Service", "name": "orders", "namespace": "shop"}]);
    mesh.put(Sort::HTTPRoute, "web/r", json!({"parentRefs": parents, "rules": [{"backendRefs": to("front")}]}));
    let wanted = json!({
        "consumer": "web",
        "parent": {"service": "shop/orders.shop.svc.cluster.local"},
        "action": {"forward": [backend("web/front.web.svc.cluster.local")]},
    });
    assert_has(mesh.of("http/HTTPRoute/web/r/0/")[0], &wanted, "a consumer's route");
    // To the service itself, as without the route; to another one only with its owner's permission.
    for (name, told) in [("orders", "ResolvedRefs=ResolvedRefs"), ("orders-v2", "ResolvedRefs!RefNotPermitted")] {
        let backends = json!([{"name": name, "namespace": "shop", "port": 80}]);
        mesh.put(Sort::HTTPRoute, "web/r", json!({"parentRefs": parents, "rules": [{"backendRefs": backends}]}));
        assert!(mesh.told(Sort::HTTPRoute, "web/r").contains(told), "{name}");
    }
}

#[test]
fn calls_of_grpc_are_paths() {
    let rows = [
        (json!({}), json!({"path": null})),
        (json!({"method": {"service": "a.B", "method": "C"}}), json!({"path": {"exact": "/a.B/C"}})),
        (json!({"method": {"service": "a.B"}}), json!({"path": {"prefix": "/a.B/"}})),
        (json!({"method": {"method": "C"}}), json!({"path": {"regex": "/[^/]+/C"}})),
        (
            json!({"method": {"type": "RegularExpression", "service": "a|b"}}),
            json!({"path": {"regex": "/(?:a|b)/(?:[^/]+)"}}),
        ),
        (
            json!({"headers": [{"name": "V", "value": "1"}]}),
            json!({"headers": [{"name": "v", "value": {"exact": "1"}}]}),
        ),
    ];
    for (matched, wanted) in rows {
        let mut mesh = Mesh::new();
        let rules = json!([{"matches": [matched], "backendRefs": to("orders-v2"), "filters": [
            {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "orders", "port": 80}}},
        ]}]);
        mesh.put(Sort::GRPCRoute, "shop/r", json!({"parentRefs": orders(), "rules": rules}));
        assert_eq!(mesh.told(Sort::GRPCRoute, "shop/r"), GOOD);
        let rule = mesh.of("http/GRPCRoute/shop/r/0/")[0];
        assert_has(&rule["matches"][0], &wanted, &matched.to_string());
        assert_has(rule, &json!({"mirrors": [{"share": 1_000_000}], "origin": {"kind": "GRPCRoute"}}), "mirrors");
    }
    for matched in [json!({"service": "a)(b", "type": "RegularExpression"}), json!({"service": "a/b"})] {
        let mut mesh = Mesh::new();
        mesh.put(
            Sort::GRPCRoute,
            "shop/r",
            json!({"parentRefs": orders(), "rules": [{"matches": [{"method": matched}]}]}),
        );
        assert!(mesh.keys().is_empty(), "{matched}");
        assert!(mesh.told(Sort::GRPCRoute, "shop/r").contains("PartiallyInvalid=UnsupportedValue"), "{matched}");
    }
}

#[test]
fn streams_go_where_their_routes_say() {
    let mut mesh = Mesh::new();
    let backends = json!([{"name": "orders", "port": 80, "weight": 3}, {"name": "none", "port": 80}]);
    mesh.put(Sort::TCPRoute, "shop/t", json!({"parentRefs": orders(), "rules": [{"backendRefs": backends}]}));
    mesh.put(Sort::TLSRoute, "shop/s", json!({"parentRefs": orders(), "hostnames": ["A.example.com", "*.b.c"], "rules": [{"backendRefs": to("orders")}]}));
    let tcp = mesh.of("stream/TCPRoute/shop/t/0/")[0];
    assert_has(
        tcp,
        &json!({"matches": null, "backends": [{"weight": 3}, {"weight": 1, "target": {"invalid": "Service shop/none is not there"}}]}),
        "TCP",
    );
    let tls = mesh.of("stream/TLSRoute/shop/s/0/")[0];
    assert_has(
        tls,
        &json!({"matches": [{"serverNames": ["a.example.com", "*.b.c"]}], "origin": {"kind": "TLSRoute"}}),
        "TLS",
    );
    assert!(mesh.told(Sort::TCPRoute, "shop/t").contains("ResolvedRefs!BackendNotFound"));
    mesh.service("shop/none", &[80]);
    assert_eq!(mesh.told(Sort::TCPRoute, "shop/t"), GOOD);
}

#[test]
fn hosts_of_service_entries_are_parents_and_backends_where_they_are_shown() {
    let entry = |export: &str| json!({"hosts": ["a.com", "b.com"], "ports": [{"number": 80, "name": "http"}], "exportTo": [export]});
    let parents = |namespace: &str| json!([{"group": "networking.istio.io", "kind": "ServiceEntry", "name": "e", "namespace": namespace}]);
    let host = json!([{"group": "networking.istio.io", "kind": "Hostname", "name": "b.com", "port": 80}]);
    let mut mesh = Mesh::new();
    mesh.entry("shop/e", entry("*"));
    mesh.put(Sort::HTTPRoute, "shop/r", json!({"parentRefs": parents("shop"), "rules": [{"backendRefs": host}]}));
    mesh.put(Sort::HTTPRoute, "web/r", json!({"parentRefs": parents("shop"), "rules": [{"backendRefs": host}]}));
    let keys = [
        "http/HTTPRoute/shop/r/0/shop/a.com",
        "http/HTTPRoute/shop/r/0/shop/b.com",
        "http/HTTPRoute/web/r/0/shop/a.com",
        "http/HTTPRoute/web/r/0/shop/b.com",
    ];
    assert_eq!(mesh.keys(), keys);
    for rule in mesh.of("http/") {
        let wanted = json!({"action": {"forward": [{"target": {"service": {"service": "shop/b.com", "port": 80}}}]}});
        assert_has(rule, &wanted, "a host");
    }
    mesh.entry("shop/e", entry("."));
    assert_eq!(mesh.keys(), keys[..2]);
    assert!(mesh.told(Sort::HTTPRoute, "web/r").starts_with("Accepted!NoMatchingParent ResolvedRefs"));
    assert_eq!(mesh.told(Sort::HTTPRoute, "shop/r"), GOOD);
}
