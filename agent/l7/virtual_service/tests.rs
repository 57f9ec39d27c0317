use serde_json::{Value, json};

use crate::l7::{
    Sort,
    tests::{Mesh, assert_has},
};

const ORDERS: &str = "shop/orders.shop.svc.cluster.local";

/// Converts a virtual service of `shop` for `orders`.
fn of(fields: &Value) -> Mesh {
    let mut spec = json!({"hosts": ["orders"]});
    spec.as_object_mut().expect("fields").extend(fields.as_object().cloned().unwrap_or_default());
    let mut mesh = Mesh::new();
    mesh.put(Sort::VirtualService, "shop/v", spec);
    mesh
}

fn to(host: &str) -> Value {
    json!([{"destination": {"host": host}}])
}

fn told(mesh: &Mesh) -> String {
    mesh.told(Sort::VirtualService, "shop/v")
}

#[test]
fn routes_of_requests() {
    let seconds = |secs: u32| json!({"secs": secs, "nanos": 0});
    let rows = [
        (
            "a plain route",
            json!({"name": "n", "route": to("orders-v2")}),
            json!({
                "origin": {"kind": "VirtualService", "rule": "n", "index": 0},
                "parent": {"service": ORDERS},
                "consumer": null,
                "matches": null,
                // Its only port, whatever was asked for.
                "action": {"forward": [{"weight": 1, "target": {"service": {"service": "shop/orders-v2.shop.svc.cluster.local", "port": 80}}}]},
                "retry": {"attempts": 2},
            }),
        ),
        (
            "all conditions",
            json!({"route": to("orders"), "match": [
                {
                    "uri": {"prefix": "/a"}, "ignoreUriCase": true, "method": {"exact": "GET"}, "scheme": {"exact": "https"},
                    "authority": {"regex": "a.*"}, "port": 80, "sourceNamespace": "web", "sourceLabels": {"app": "x"},
                    "headers": {"X-A": {"exact": "1"}, "x-b": {}, "uri": {"exact": "no header"}},
                    "withoutHeaders": {"x-c": {"prefix": "c"}}, "queryParams": {"q": {"regex": "*"}},
                },
                {"uri": {"exact": "/b"}, "gateways": ["mesh", "other"]},
                {"uri": {"regex": "/c"}},
                {"uri": {"exact": "/never"}, "gateways": ["other"]},
            ]}),
            json!({"matches": [
                {
                    "path": {"prefix": "/a"}, "ignoreCase": true, "method": {"exact": "GET"}, "scheme": {"exact": "https"},
                    "authority": {"regex": "a.*"}, "port": 80, "source": {"namespace": "web", "labels": {"app": "x"}},
                    "headers": [{"name": "x-a", "value": {"exact": "1"}}, {"name": "x-b", "value": "present"}],
                    "withoutHeaders": [{"name": "x-c", "value": {"prefix": "c"}}], "query": [{"name": "q", "value": "present"}],
                },
                {"path": {"exact": "/b"}},
                {"path": {"regex": "/c"}},
            ]}),
        ),
        (
            "weights, subsets and headers",
            json!({
                "headers": {"request": {"set": {"A": "1"}}, "response": {"remove": ["b"]}},
                "route": [
                    {"destination": {"host": "orders.shop.svc.cluster.local", "subset": "v1", "port": {"number": 8080}}, "weight": 90},
                    {"destination": {"host": "orders"}, "weight": 10, "headers": {"request": {"add": {"c": "d"}}}},
                ],
            }),
            json!({
                "filters": [{"requestHeaders": {"set": [["a", "1"]]}}, {"responseHeaders": {"remove": ["b"]}}],
                "action": {"forward": [
                    {"weight": 90, "target": {"service": {"service": ORDERS, "port": 8080, "subset": "v1"}}},
                    {"weight": 10, "target": {"service": {"service": ORDERS, "port": null}}, "filters": [{"requestHeaders": {"add": [["c", "d"]]}}]},
                ]},
            }),
        ),
        (
            "a redirect",
            json!({"redirect": {"prefixRewrite": "/b", "authority": "h", "derivePort": "FROM_REQUEST_PORT", "scheme": "https", "redirectCode": 303}}),
            json!({
                "matches": [{"path": {"prefix": "/"}}],
                "action": {"redirect": {"path": {"prefix": "/b"}, "host": "h", "port": "request", "scheme": "https", "status": 303}},
            }),
        ),
        (
            "a plain redirect",
            json!({"redirect": {"uri": "/x"}}),
            json!({"matches": null, "action": {"redirect": {"path": {"full": "/x"}, "port": "implied", "status": 301}}}),
        ),
        (
            "an answer",
            json!({"directResponse": {"status": 503, "body": {"bytes": "aGk="}}}),
            json!({"action": {"respond": {"status": 503, "body": "hi"}}}),
        ),
        (
            "a rewrite",
            json!({"route": to("orders"), "match": [{"uri": {"exact": "/a"}}, {}], "rewrite": {"uri": "/b", "authority": "h"}}),
            json!({"matches": [{"path": {"exact": "/a"}}, {"path": {"prefix": "/"}}], "filters": [{"rewrite": {"authority": "h", "path": {"prefix": "/b"}}}]}),
        ),
        (
            "a rewrite by expression",
            json!({"route": to("orders"), "rewrite": {"uriRegexRewrite": {"match": "^/a/(.*)$", "rewrite": "/b/\\1"}}}),
            json!({"matches": null, "filters": [{"rewrite": {"path": {"regex": ["^/a/(.*)$", "/b/\\1"]}}}]}),
        ),
        (
            "times and retries",
            json!({"route": to("orders"), "timeout": "1.5s", "retries": {
                "attempts": 4, "perTryTimeout": "2s", "backoff": "10ms", "retryRemoteLocalities": true, "retryIgnorePreviousHosts": false,
                "retryOn": "5xx, gateway-error,reset,connect-failure,refused-stream,retriable-4xx,retriable-status-codes,429,unavailable",
            }}),
            json!({
                "timeout": {"secs": 1, "nanos": 500_000_000},
                "retry": {
                    "attempts": 4, "perTry": seconds(2), "backoff": {"nanos": 10_000_000}, "elsewhere": true, "sameEndpoint": true,
                    "on": ["serverError", "gatewayError", "reset", "connectFailure", "refusedStream", "retriableClientError", {"status": 429}, {"grpc": 14}],
                },
            }),
        ),
        (
            "no retries, and no time",
            json!({"route": to("orders"), "timeout": "0s", "retries": {"attempts": 0}}),
            json!({"retry": null, "timeout": null}),
        ),
        (
            "faults",
            json!({"route": to("orders"), "fault": {
                "delay": {"fixedDelay": "5s", "percentage": {"value": 0.1}}, "abort": {"grpcStatus": "UNAVAILABLE", "percentage": {"value": 50}},
            }}),
            json!({"fault": {"delay": [1000, seconds(5)], "abort": [500_000, {"grpc": 14}]}}),
        ),
        (
            "faults of nobody",
            json!({"route": to("orders"), "fault": {"delay": {"fixedDelay": "5s", "percent": 3}, "abort": {"httpStatus": 500}}}),
            json!({"fault": {"delay": [30_000, seconds(5)], "abort": [0, {"http": 500}]}}),
        ),
        (
            "mirrors",
            json!({
                "route": to("orders"), "mirror": {"host": "orders-v2"}, "mirror_percent": 7,
                "mirrors": [{"destination": {"host": "orders", "subset": "v3"}, "percentage": {"value": 1.5}}, {"destination": {"host": "orders-v2"}}],
            }),
            json!({"mirrors": [
                {"share": 70_000, "target": {"service": {"service": "shop/orders-v2.shop.svc.cluster.local"}}},
                {"share": 15_000, "target": {"service": {"subset": "v3"}}},
                {"share": 1_000_000},
            ]}),
        ),
        (
            "other origins",
            json!({"route": to("orders"), "corsPolicy": {
                "allowOrigin": ["*"], "allowOrigins": [{"exact": "https://a"}, {"regex": "b.*"}], "allowMethods": ["GET"], "allowHeaders": ["X-A"],
                "exposeHeaders": ["*"], "maxAge": "24h", "allowCredentials": true, "unmatchedPreflights": "IGNORE",
            }}),
            json!({"cors": {
                "allowOrigins": ["present", {"exact": "https://a"}, {"regex": "b.*"}], "allowMethods": ["GET"], "allowHeaders": ["x-a"],
                "exposeHeaders": ["*"], "maxAge": seconds(86_400), "allowCredentials": true, "forwardUnmatched": false,
            }}),
        ),
    ];
    for (what, route, wanted) in rows {
        let mesh = of(&json!({"http": [route]}));
        assert_eq!(told(&mesh), "WaypointAccepted=Accepted", "{what}");
        assert_has(mesh.of("http/VirtualService/shop/v/0/")[0], &wanted, what);
    }
}

#[test]
fn what_is_wrong_takes_the_whole_object_out_and_the_last_good_one_stays() {
    let good = json!({"route": to("orders")});
    let rows = [
        (json!({}), "one of route, redirect"),
        (json!({"route": to("orders"), "redirect": {}}), "exclude each other"),
        (json!({"route": [{"destination": {"host": "a"}}, {"destination": {"host": "b"}}]}), "weights"),
        (json!({"route": to("orders"), "match": [{"uri": {"regex": "("}}]}), "match.uri: \\\"(\\\" is no regular"),
        (json!({"route": to("orders"), "match": [{"uri": {"exact": "/", "prefix": "/"}}]}), "more than one"),
        // For a gateway alone, and wrong all the same.
        (json!({"route": to("orders"), "match": [{"uri": {"regex": "("}, "gateways": ["g"]}]}), "no regular"),
        (json!({"route": to("orders"), "match": [{"port": 0}]}), "0 is no port"),
        (
            json!({"route": to("orders"), "match": [{"headers": {"@request.auth.claims.sub": {"exact": "a"}}}]}),
            "gateways alone",
        ),
        (json!({"route": to("orders"), "retries": {"attempts": 1, "retryOn": "sometimes"}}), "sometimes"),
        (json!({"route": to("orders"), "fault": {"delay": {"exponentialDelay": "1s"}}}), "fixedDelay"),
        (json!({"route": to("orders"), "fault": {"abort": {"http2Error": "x"}}}), "httpStatus and grpcStatus"),
        (json!({"route": to("orders"), "fault": {"abort": {"httpStatus": 999}}}), "999"),
        (json!({"route": to("orders"), "mirror": {"host": "a"}, "mirrorPercentage": {"value": 101}}), "101"),
        (json!({"redirect": {"redirectCode": 200}}), "200 is no redirect"),
        (json!({"redirect": {"scheme": "ftp"}}), "ftp"),
        (json!({"directResponse": {"status": 7}}), "7 is no status"),
        (json!({"directResponse": {"status": 200, "body": {"bytes": "_"}}}), "base64"),
        (json!({"route": to("orders"), "headers": {"request": {"set": {"a b": "c"}}}}), "a b"),
        (
            json!({"route": to("orders"), "rewrite": {"uri": "/", "uriRegexRewrite": {"match": "a", "rewrite": "b"}}}),
            "both uri",
        ),
        (json!({"route": to("orders"), "corsPolicy": {"allowOrigins": [{"regex": "["}]}}), "corsPolicy"),
        (json!({"delegate": {"name": "d"}, "route": to("orders")}), "delegate, route"),
        (json!({"route": 7}), "spec.http[0].route"),
    ];
    for (route, message) in rows {
        let mut mesh = of(&json!({"http": [route]}));
        assert_eq!((told(&mesh), mesh.keys().len()), ("WaypointAccepted!Invalid".to_owned(), 0), "{route}");
        let messages = mesh.messages(Sort::VirtualService, "shop/v");
        assert!(messages.contains(message) && messages.ends_with("it has no effect"), "{route}: {messages}");
        mesh.put(Sort::VirtualService, "shop/v", json!({"hosts": ["orders"], "http": [good]}));
        assert_eq!((told(&mesh), mesh.keys().len()), ("WaypointAccepted=Accepted".to_owned(), 1), "{route}");
        mesh.put(Sort::VirtualService, "shop/v", json!({"hosts": ["orders"], "http": [route]}));
        assert_eq!((told(&mesh), mesh.keys().len()), ("WaypointAccepted!Invalid".to_owned(), 1), "{route}");
        assert!(
            mesh.messages(Sort::VirtualService, "shop/v").ends_with("what generation 2 says stays in effect"),
            "{route}"
        );
    }
    for (fields, message) in [
        (json!({"tcp": [{"route": []}]}), "tcp[0]: route has to be there"),
        (json!({"tcp": [{"match": [{"sourceSubnet": "x"}], "route": to("orders")}]}), "x"),
        (json!({"tls": [{"match": [], "route": to("orders")}]}), "tls[0]: match has to be there"),
        (json!({"tls": [{"match": [{"sniHosts": []}], "route": to("orders")}]}), "sniHosts has to be there"),
    ] {
        let mesh = of(&fields);
        assert_eq!(told(&mesh), "WaypointAccepted!Invalid", "{fields}");
        assert!(mesh.messages(Sort::VirtualService, "shop/v").contains(message), "{fields}");
    }
}

#[test]
fn destinations_that_are_not_there_are_answered_with_an_error() {
    let rows = [
        (json!({"host": "none"}), "there is no service of host none.shop.svc.cluster.local"),
        (json!({"host": "orders", "port": {"number": 9}}), "has no port 9"),
    ];
    for (destination, message) in rows {
        let mut mesh = of(&json!({"http": [{"route": [{"destination": destination}]}]}));
        assert_eq!(told(&mesh), "WaypointAccepted!PartiallyInvalid");
        assert!(mesh.messages(Sort::VirtualService, "shop/v").contains(message), "{destination}");
        let target = |mesh: &Mesh| mesh.of("http/")[0]["action"]["forward"][0]["target"]["invalid"].is_string();
        assert!(target(&mesh));
        mesh.service("shop/none", &[80]);
        mesh.service("shop/orders", &[80, 9]);
        assert!(!target(&mesh), "{destination}");
        assert_eq!(told(&mesh), "WaypointAccepted=Accepted");
    }
}

/// Which services and clients the rules of a virtual service are for: `HOST < consumer [source namespaces]`.
fn for_whom(mesh: &Mesh) -> Vec<String> {
    let one = |rule: &&Value| {
        let text = |v: &Value| v.as_str().unwrap_or("-").to_owned();
        let sources = rule["matches"].as_array().into_iter().flatten().map(|m| text(&m["source"]["namespace"]));
        let parent = text(&rule["parent"]["service"]);
        let host = parent.trim_end_matches(".svc.cluster.local").to_owned();
        format!("{host} < {} {:?}", text(&rule["consumer"]), sources.collect::<Vec<_>>())
    };
    mesh.of("http/").iter().map(one).collect()
}

#[test]
fn hosts_gateways_and_audiences_say_for_whom() {
    let all = json!(["orders"]);
    let rows = [
        ("shop/v", json!({"hosts": all}), vec!["shop/orders.shop < - []"]),
        ("shop/v", json!({"hosts": ["orders", "orders.shop.svc.cluster.local"]}), vec!["shop/orders.shop < - []"]),
        (
            "shop/v",
            json!({"hosts": ["*.shop.svc.cluster.local"]}),
            vec!["shop/orders-v2.shop < - []", "shop/orders.shop < - []"],
        ),
        ("shop/v", json!({"hosts": all, "gateways": ["mesh"]}), vec!["shop/orders.shop < - []"]),
        ("shop/v", json!({"hosts": all, "gateways": ["g"]}), vec![]),
        ("shop/v", json!({"hosts": all, "exportTo": ["*"]}), vec!["shop/orders.shop < - []"]),
        ("shop/v", json!({"hosts": all, "exportTo": ["."]}), vec![r#"shop/orders.shop < - ["shop"]"#]),
        ("shop/v", json!({"hosts": all, "exportTo": ["web", "."]}), vec![r#"shop/orders.shop < - ["shop", "web"]"#]),
        // Of another namespace: for its own clients.
        ("web/v", json!({"hosts": ["orders.shop.svc.cluster.local"]}), vec!["shop/orders.shop < web []"]),
        ("web/v", json!({"hosts": ["orders.shop.svc.cluster.local"], "exportTo": ["shop"]}), vec![]),
        // Of the namespace of the waypoint.
        ("infra/v", json!({"hosts": ["front.web.svc.cluster.local"]}), vec!["web/front.web < - []"]),
        (
            "infra/v",
            json!({"hosts": ["*"]}),
            vec![
                "other/far.other < infra []",
                "shop/orders-v2.shop < infra []",
                "shop/orders.shop < infra []",
                "web/front.web < - []",
            ],
        ),
    ];
    for (name, fields, wanted) in rows {
        let mut mesh = Mesh::new();
        let mut spec = json!({"http": [{"route": to("orders.shop.svc.cluster.local")}]});
        spec.as_object_mut().expect("fields").extend(fields.as_object().cloned().unwrap_or_default());
        mesh.put(Sort::VirtualService, name, spec);
        assert_eq!(for_whom(&mesh), wanted, "{name} {fields}");
    }
    // A condition over the namespace meets the audience.
    let mesh = of(&json!({"exportTo": ["web"], "http": [
        {"match": [{"sourceNamespace": "web"}, {"sourceNamespace": "other"}], "route": to("orders")},
        {"match": [{"sourceNamespace": "other"}], "route": to("orders")},
    ]}));
    assert_eq!(for_whom(&mesh), [r#"shop/orders.shop < - ["web"]"#], "nobody of other is shown it");
}

#[test]
fn hosts_of_service_entries_are_services_too() {
    let mut mesh = of(&json!({"hosts": ["api.example.com"], "http": [{"route": to("api.example.com")}]}));
    assert_eq!(told(&mesh), "WaypointAccepted!TargetNotFound");
    mesh.entry(
        "shop/e",
        json!({"hosts": ["api.example.com"], "ports": [{"number": 443, "name": "tls", "protocol": "TLS"}]}),
    );
    assert_eq!(told(&mesh), "WaypointAccepted=Accepted");
    let wanted = json!({
        "parent": {"service": "shop/api.example.com"},
        "action": {"forward": [{"target": {"service": {"service": "shop/api.example.com", "port": 443}}}]},
    });
    assert_has(mesh.of("http/")[0], &wanted, "a host outside");
    mesh.entry("shop/e", json!({"hosts": ["other.example.com"]}));
    assert_eq!((told(&mesh), mesh.keys().len()), ("WaypointAccepted!TargetNotFound".to_owned(), 0));
}

#[test]
fn a_delegate_says_more_within_what_is_delegated() {
    let root = |matches: Value| json!({"http": [{"name": "r", "match": matches, "delegate": {"name": "d", "namespace": "web"}, "timeout": "7s", "retries": {"attempts": 1}}]});
    let rows = [
        (json!([]), json!([]), json!([{"matches": null}])),
        (json!([{"uri": {"prefix": "/a"}}]), json!([]), json!([{"matches": [{"path": {"prefix": "/a"}}]}])),
        (json!([]), json!([{"uri": {"exact": "/b"}}]), json!([{"matches": [{"path": {"exact": "/b"}}]}])),
        (
            json!([{"uri": {"prefix": "/a"}}]),
            json!([{"uri": {"prefix": "/a/b"}}]),
            json!([{"matches": [{"path": {"prefix": "/a/b"}}]}]),
        ),
        (
            json!([{"uri": {"prefix": "/a"}}]),
            json!([{"uri": {"exact": "/a/b"}}]),
            json!([{"matches": [{"path": {"exact": "/a/b"}}]}]),
        ),
        (json!([{"uri": {"prefix": "/a"}}]), json!([{"uri": {"prefix": "/b"}}]), json!([])),
        (json!([{"uri": {"exact": "/a"}}]), json!([{"uri": {"prefix": "/a"}}]), json!([])),
        (json!([{"uri": {"regex": "/a"}}]), json!([{"uri": {"exact": "/a"}}]), json!([])),
        (
            json!([{"uri": {"prefix": "/a"}}, {"headers": {"h": {"exact": "1"}}}]),
            json!([{"uri": {"exact": "/a"}, "headers": {"h": {"exact": "2"}}}]),
            json!([{"matches": [{"path": {"exact": "/a"}, "headers": [{"name": "h", "value": {"exact": "2"}}]}]}]),
        ),
        (
            json!([{"sourceNamespace": "web", "port": 80}]),
            json!([{"sourceLabels": {"a": "b"}, "port": 80}, {"port": 8080}, {"sourceNamespace": "shop"}]),
            json!([{"matches": [{"port": 80, "source": {"namespace": "web", "labels": {"a": "b"}}}]}]),
        ),
    ];
    for (outer, inner, wanted) in rows {
        let mut mesh = of(&root(outer.clone()));
        assert_eq!(
            (told(&mesh), mesh.keys().len()),
            ("WaypointAccepted!PartiallyInvalid".to_owned(), 0),
            "it is not there yet"
        );
        let route = json!([{"name": "d", "match": inner, "route": to("orders.shop.svc.cluster.local"), "retries": {"attempts": 5}}]);
        mesh.put(Sort::VirtualService, "web/d", json!({"http": route}));
        assert_eq!(told(&mesh), "WaypointAccepted=Accepted", "{outer} {inner}");
        assert_eq!(mesh.told(Sort::VirtualService, "web/d"), "", "a part has no status of its own");
        assert_has(&json!(mesh.of("http/")), &wanted, &format!("{outer} {inner}"));
        for rule in mesh.of("http/") {
            let wanted = json!({"timeout": {"secs": 7}, "retry": {"attempts": 5}, "origin": {"rule": "r-d", "name": "v"}, "consumer": null});
            assert_has(rule, &wanted, "what the delegate does not say");
        }
        mesh.put(Sort::VirtualService, "web/d", json!({"exportTo": ["."], "http": route}));
        assert_eq!(
            (told(&mesh), mesh.keys().len()),
            ("WaypointAccepted!PartiallyInvalid".to_owned(), 0),
            "it is not shown"
        );
    }
}

#[test]
fn streams() {
    let mesh = of(&json!({
        "exportTo": ["web"],
        "tls": [{"match": [{"sniHosts": ["A.b", "*.c"], "port": 443, "sourceLabels": {"a": "b"}}, {"sniHosts": ["x"], "gateways": ["g"]}], "route": to("orders")}],
        "tcp": [
            {"match": [{"destinationSubnets": ["10.0.0.0/8"], "port": 80, "sourceSubnet": "10.1.0.0/16"}], "route": to("orders-v2")},
            {"match": [{"gateways": ["g"]}], "route": to("orders")},
            {"route": to("orders")},
        ],
    }));
    let block = |address: &str, length: u8| json!([{"address": address, "length": length}]);
    let wanted = json!([
        {"matches": [{"serverNames": ["a.b", "*.c"], "port": 443, "source": {"namespace": "web", "labels": {"a": "b"}}}]},
        {"matches": [{"destinations": block("10.0.0.0", 8), "port": 80, "sources": block("10.1.0.0", 16), "source": {"namespace": "web"}}]},
        {"matches": [{"source": {"namespace": "web"}}], "backends": [{"weight": 1, "target": {"service": {"service": ORDERS}}}]},
    ]);
    assert_has(&json!(mesh.of("stream/VirtualService/shop/v/")), &wanted, "streams");
    let open = of(&json!({"tcp": [{"route": to("orders")}]}));
    assert_has(open.of("stream/")[0], &json!({"matches": null}), "for everything");
}

#[test]
fn labels_of_clients_are_told_when_a_route_asks_for_them() {
    let mut mesh = of(
        &json!({"http": [{"match": [{"sourceLabels": {"app": "x"}, "sourceNamespace": "web"}], "route": to("orders")}]}),
    );
    let pod = |labels: &[(&str, &str)]| source::object::Pod {
        labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        ..Default::default()
    };
    for name in ["web/p", "shop/p"] {
        let out = mesh.l7.pod(&crate::l7::tests::key(name), Some(&pod(&[("app", "x"), ("secret", "y")])));
        mesh.take(out);
    }
    assert_eq!(mesh.of("labels/"), [&json!({"workload": "c//Pod/web/p", "labels": {"app": "x"}})]);
    mesh.delete(Sort::VirtualService, "shop/v");
    assert!(mesh.keys().is_empty(), "{:?}", mesh.keys());
}
