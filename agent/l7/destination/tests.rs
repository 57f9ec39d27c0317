use serde_json::{Value, json};

use crate::l7::{
    Sort,
    destination::covers,
    tests::{Mesh, assert_has, key},
};

const ORDERS: &str = "destination/shop/orders.shop.svc.cluster.local";

fn rule(fields: &Value) -> Mesh {
    let mut spec = json!({"host": "orders"});
    spec.as_object_mut().expect("fields").extend(fields.as_object().cloned().unwrap_or_default());
    let mut mesh = Mesh::new();
    mesh.put(Sort::DestinationRule, "shop/d", spec);
    mesh
}

fn told(mesh: &Mesh) -> String {
    mesh.told(Sort::DestinationRule, "shop/d")
}

#[test]
fn settings_of_traffic() {
    let seconds = |secs: u32| json!({"secs": secs, "nanos": 0});
    let hash = |fields: Value| json!({"loadBalancer": {"consistentHash": fields}});
    let rows = [
        (json!({}), json!({"balancer": "leastRequest", "tls": null, "outliers": null})),
        (json!({"loadBalancer": {"simple": "ROUND_ROBIN"}}), json!({"balancer": "roundRobin"})),
        (json!({"loadBalancer": {"simple": "LEAST_CONN"}}), json!({"balancer": "leastRequest"})),
        (json!({"loadBalancer": {"simple": "PASSTHROUGH"}}), json!({"balancer": "passthrough"})),
        (
            hash(json!({"httpHeaderName": "X-A"})),
            json!({"balancer": {"hash": {"key": {"header": "x-a"}, "ring": 1024, "table": null}}}),
        ),
        (
            hash(json!({"useSourceIp": true, "minimumRingSize": 5})),
            json!({"balancer": {"hash": {"key": "source", "ring": 5}}}),
        ),
        (
            hash(json!({"httpQueryParameterName": "q", "maglev": {}})),
            json!({"balancer": {"hash": {"key": {"query": "q"}, "ring": null, "table": 65_537}}}),
        ),
        (
            hash(
                json!({"httpCookie": {"name": "c", "path": "/", "ttl": "1h", "attributes": [{"name": "Secure"}]}, "ringHash": {"minimumRingSize": 7}}),
            ),
            json!({"balancer": {"hash": {"ring": 7, "key": {"cookie": {"name": "c", "path": "/", "ttl": seconds(3600), "attributes": [["Secure", ""]]}}}}}),
        ),
        (
            json!({"loadBalancer": {"warmupDurationSecs": "60s"}}),
            json!({"warmup": {"duration": seconds(60), "minimumPercent": 10.0, "aggression": 1.0}}),
        ),
        (
            json!({"loadBalancer": {"warmup": {"duration": "1m", "minimumPercent": 5, "aggression": 2}}}),
            json!({"warmup": {"minimumPercent": 5.0, "aggression": 2.0}}),
        ),
        (json!({"loadBalancer": {"localityLbSetting": {"enabled": false}}}), json!({"locality": "disabled"})),
        (
            json!({"loadBalancer": {"localityLbSetting": {"failover": [{"from": "a", "to": "b"}]}}}),
            json!({"locality": {"failover": [["a", "b"]]}}),
        ),
        (
            json!({"loadBalancer": {"localityLbSetting": {"failoverPriority": ["x", "y=1"]}}}),
            json!({"locality": {"priority": ["x", "y=1"]}}),
        ),
        (
            json!({"loadBalancer": {"localityLbSetting": {"distribute": [{"from": "a/*", "to": {"a/b": 80, "c": 20}}]}}}),
            json!({"locality": {"distribute": [["a/*", {"a/b": 80, "c": 20}]]}}),
        ),
        (
            json!({"loadBalancer": {"zoneAwareLbSetting": {"minClusterSize": 3}}}),
            json!({"locality": {"zoneAware": {"minEndpoints": 3}}}),
        ),
        (
            json!({"connectionPool": {
                "tcp": {"maxConnections": 5, "connectTimeout": "1s", "idleTimeout": "2s", "maxConnectionDuration": "3s", "tcpKeepalive": {"time": "4s"}},
                "http": {
                    "http1MaxPendingRequests": 6, "http2MaxRequests": 0, "maxRequestsPerConnection": 7, "maxRetries": 8, "idleTimeout": "9s",
                    "h2UpgradePolicy": "UPGRADE", "maxConcurrentStreams": 10, "http2KeepAlive": {"interval": "11s", "timeout": "12s"},
                },
            }}),
            json!({"pool": {
                "maxConnections": 5, "connectTimeout": seconds(1), "tcpIdle": seconds(2), "maxAge": seconds(3),
                "keepalive": {"probes": 9, "time": seconds(4), "interval": seconds(75)},
                "maxPending": 6, "maxRequests": null, "requestsPerConnection": 7, "maxRetries": 8, "httpIdle": seconds(9),
                "upgrade": "http2", "maxStreams": 10, "ping": [seconds(11), seconds(12)],
            }}),
        ),
        (json!({"connectionPool": {"http": {"useClientProtocol": true}}}), json!({"pool": {"upgrade": "asClient"}})),
        (
            json!({"outlierDetection": {}}),
            json!({"outliers": {"consecutive5xx": 5, "consecutiveGateway": 0, "consecutiveLocal": 0, "interval": seconds(10), "ejection": seconds(30), "maxPercent": 10, "minHealthPercent": 0}}),
        ),
        (
            json!({"outlierDetection": {"consecutive5xxErrors": 0, "consecutiveGatewayErrors": 3, "splitExternalLocalOriginErrors": true, "outlierDetectionHttpErrorCodes": [429], "maxEjectionPercent": 100}}),
            json!({"outliers": {"consecutive5xx": 0, "consecutiveGateway": 3, "consecutiveLocal": 5, "statuses": [429], "maxPercent": 100}}),
        ),
        (json!({"tls": {"mode": "ISTIO_MUTUAL"}}), json!({"tls": null})),
        (
            json!({"tls": {"mode": "SIMPLE", "subjectAltNames": ["a"]}}),
            json!({"tls": {"serverName": "orders.shop.svc.cluster.local", "subjectAltNames": ["a"], "roots": "system", "credential": null}}),
        ),
        (
            json!({"tls": {"mode": "MUTUAL", "sni": "s", "credentialName": "c"}}),
            json!({"tls": {"serverName": "s", "roots": {"secret": "c"}, "credential": "c"}}),
        ),
        (
            json!({"tls": {"mode": "SIMPLE", "credentialName": "c"}}),
            json!({"tls": {"roots": {"secret": "c"}, "credential": null}}),
        ),
        (json!({"tls": {"mode": "SIMPLE", "insecureSkipVerify": true}}), json!({"tls": {"roots": "unchecked"}})),
        // What cannot be done as written is done not at all.
        (
            json!({"tls": {"mode": "MUTUAL", "clientCertificate": "/c", "privateKey": "/k", "caCertificates": "/a"}}),
            json!({"tls": {"roots": {"invalid": "tls.clientCertificate names a file of the proxy: use credentialName"}}}),
        ),
        (
            json!({"tls": {"mode": "SIMPLE", "caCertificates": "/a"}}),
            json!({"tls": {"roots": {"invalid": "tls.caCertificates names a file of the proxy: use credentialName"}}}),
        ),
        (
            json!({"proxyProtocol": {"version": "V2"}, "retryBudget": {"percent": 5}, "tunnel": {"targetHost": "h", "targetPort": 1, "protocol": "POST"}}),
            json!({
                "proxyProtocol": 2, "retryBudget": {"percent": 5.0, "minimum": 3}, "tunnel": {"host": "h", "port": 1, "post": true},
            }),
        ),
    ];
    for (policy, wanted) in rows {
        let mesh = rule(&json!({"trafficPolicy": policy}));
        assert_eq!(told(&mesh), "WaypointAccepted=Accepted", "{policy}");
        assert_eq!(mesh.keys(), [ORDERS], "{policy}");
        assert_has(&mesh.of(ORDERS)[0]["traffic"], &wanted, &policy.to_string());
    }
}

#[test]
fn what_is_wrong_leaves_the_last_good_rule() {
    let rows = [
        (json!({"loadBalancer": {"simple": "RANDOM", "consistentHash": {"useSourceIp": true}}}), "both simple"),
        (json!({"loadBalancer": {"consistentHash": {}}}), "one of httpHeaderName"),
        (
            json!({"loadBalancer": {"consistentHash": {"useSourceIp": true, "httpHeaderName": "a"}}}),
            "one of httpHeaderName",
        ),
        (json!({"loadBalancer": {"consistentHash": {"useSourceIp": true, "maglev": {"tableSize": 10}}}}), "prime"),
        (
            json!({"loadBalancer": {"consistentHash": {"useSourceIp": true, "minimumRingSize": 100_000_000_000u64}}}),
            "above",
        ),
        (json!({"loadBalancer": {"localityLbSetting": {"distribute": [{"from": "a", "to": {"a": 99}}]}}}), "make 99"),
        (json!({"loadBalancer": {"localityLbSetting": {"failover": [{}], "failoverPriority": ["a"]}}}), "exclude"),
        (json!({"loadBalancer": {"warmup": {"duration": "1s", "aggression": 0}}}), "aggression"),
        (json!({"connectionPool": {"tcp": {"maxConnections": -1}}}), "maxConnections"),
        (json!({"outlierDetection": {"maxEjectionPercent": 101}}), "maxEjectionPercent"),
        (json!({"outlierDetection": {"outlierDetectionHttpErrorCodes": [7]}}), "7 is no status"),
        (json!({"tunnel": {"targetHost": "h", "targetPort": 0}}), "targetPort"),
        (json!({"portLevelSettings": [{}]}), "port.number"),
        (
            json!({"portLevelSettings": [{"port": {"number": 1}, "connectionPool": {"tcp": {"maxConnections": -1}}}]}),
            "portLevelSettings[0]: connectionPool",
        ),
        (json!({"tls": "SIMPLE"}), "spec.trafficPolicy.tls"),
    ];
    for (policy, message) in rows {
        let mut mesh = rule(&json!({"trafficPolicy": policy}));
        assert_eq!((told(&mesh), mesh.keys().len()), ("WaypointAccepted!Invalid".to_owned(), 0), "{policy}");
        let messages = mesh.messages(Sort::DestinationRule, "shop/d");
        assert!(messages.contains(message), "{policy}: {messages}");
        let good = json!({"host": "orders", "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}});
        mesh.put(Sort::DestinationRule, "shop/d", good);
        mesh.put(Sort::DestinationRule, "shop/d", json!({"host": "orders", "trafficPolicy": policy}));
        assert_eq!(told(&mesh), "WaypointAccepted!Invalid");
        assert_has(mesh.of(ORDERS)[0], &json!({"traffic": {"balancer": "random"}}), "the last good one");
        assert!(mesh.messages(Sort::DestinationRule, "shop/d").ends_with("what generation 2 says stays in effect"));
        mesh.delete(Sort::DestinationRule, "shop/d");
        assert!(mesh.keys().is_empty(), "a rule that is gone is gone");
    }
}

#[test]
fn ports_and_subsets_are_made_whole() {
    let lb = |simple: &str| json!({"simple": simple});
    let pool = json!({"tcp": {"maxConnections": 1}});
    let mesh = rule(&json!({
        "trafficPolicy": {
            "loadBalancer": lb("RANDOM"), "connectionPool": pool, "retryBudget": {},
            "portLevelSettings": [{"port": {"number": 80}, "loadBalancer": lb("ROUND_ROBIN")}],
        },
        "subsets": [
            {"name": "v1", "labels": {"version": "v1"}},
            {"name": "v2", "labels": {"version": "v2"}, "trafficPolicy": {
                "loadBalancer": lb("PASSTHROUGH"),
                "portLevelSettings": [{"port": {"number": 8080}, "connectionPool": pool}],
            }},
        ],
    }));
    let short: Vec<String> = mesh
        .of(ORDERS)
        .iter()
        .map(|p| {
            let traffic = &p["traffic"];
            let text = |v: &Value| v.as_str().unwrap_or("-").to_owned();
            format!(
                "{} {} {} {} {}",
                text(&p["subset"]["name"]),
                p["port"].as_u64().map_or("-".to_owned(), |n| n.to_string()),
                text(&traffic["balancer"]),
                traffic["pool"]["maxConnections"].is_number(),
                traffic["retryBudget"].is_object(),
            )
        })
        .collect();
    assert_eq!(
        short,
        [
            "- - random true true",
            // Those of a port inherit nothing that ports can have.
            "- 80 roundRobin false true",
            "v1 - random true true",
            "v1 80 roundRobin false true",
            "v2 - passthrough true true",
            "v2 80 passthrough false true",
            "v2 8080 leastRequest true true",
        ]
    );
    assert_eq!(mesh.of(ORDERS)[2]["subset"]["labels"], json!({"version": "v1"}));
}

/// Whose rule counts for whom: `SOURCE: balancer`.
fn chosen(mesh: &Mesh) -> Vec<String> {
    let one = |p: &&Value| {
        let text = |v: &Value| v.as_str().unwrap_or("*").to_owned();
        let labels = p["source"]["labels"]
            .as_object()
            .map(|l| format!("{:?}", l.keys().collect::<Vec<_>>()))
            .unwrap_or_default();
        format!("{}{labels}: {}", text(&p["source"]["namespace"]), text(&p["traffic"]["balancer"]))
    };
    mesh.of(ORDERS).iter().map(one).collect()
}

#[test]
fn rules_of_several_namespaces_are_for_their_clients() {
    let of = |host: &str, simple: &str, more: Value| {
        let mut spec = json!({"host": host, "trafficPolicy": {"loadBalancer": {"simple": simple}}});
        spec.as_object_mut().expect("fields").extend(more.as_object().cloned().unwrap_or_default());
        spec
    };
    let host = "orders.shop.svc.cluster.local";
    let mut mesh = Mesh::new();
    mesh.put(Sort::DestinationRule, "istio-system/d", of("*.cluster.local", "RANDOM", json!({})));
    assert_eq!(chosen(&mesh), ["*: random"]);
    mesh.put(Sort::DestinationRule, "shop/d", of("orders", "ROUND_ROBIN", json!({})));
    assert_eq!(chosen(&mesh), ["*: roundRobin"]);
    // One that names the host less exactly does not count beside it.
    mesh.put(Sort::DestinationRule, "shop/a", of("*.shop.svc.cluster.local", "PASSTHROUGH", json!({})));
    assert_eq!(chosen(&mesh), ["*: roundRobin"]);
    mesh.put(Sort::DestinationRule, "web/d", of(host, "PASSTHROUGH", json!({})));
    assert_eq!(chosen(&mesh), ["*: roundRobin", "web: passthrough"]);
    mesh.put(Sort::DestinationRule, "web/d", of(host, "PASSTHROUGH", json!({"exportTo": ["shop"]})));
    assert_eq!(chosen(&mesh), ["*: roundRobin"], "a rule that is not even for its own namespace");
    mesh.put(
        Sort::DestinationRule,
        "web/d",
        of(host, "PASSTHROUGH", json!({"workloadSelector": {"matchLabels": {"app": "x"}}})),
    );
    assert_eq!(chosen(&mesh), ["*: roundRobin", "web[\"app\"]: passthrough"]);
    mesh.put(Sort::DestinationRule, "shop/d", of("orders", "ROUND_ROBIN", json!({"exportTo": [".", "other"]})));
    assert_eq!(
        chosen(&mesh),
        ["*: random", "other: roundRobin", "shop: roundRobin", "web[\"app\"]: passthrough"],
        "others get the mesh's"
    );
    // The waypoint's namespace comes before the service's.
    mesh.namespace("shop", &[("istio.io/use-waypoint", "w"), ("istio.io/use-waypoint-namespace", "infra")]);
    mesh.put(Sort::DestinationRule, "infra/d", of(host, "LEAST_REQUEST", json!({})));
    assert_eq!(
        chosen(&mesh),
        ["*: leastRequest", "other: roundRobin", "shop: roundRobin", "web[\"app\"]: passthrough"]
    );
}

#[test]
fn rules_for_the_same_clients_are_one() {
    let mut mesh = Mesh::new();
    mesh.put(Sort::DestinationRule, "shop/b", json!({"host": "orders", "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}, "subsets": [{"name": "v1", "labels": {"a": "b"}}]}));
    // The oldest: by the order of the alphabet here.
    mesh.put(
        Sort::DestinationRule,
        "shop/a",
        json!({"host": "orders", "subsets": [{"name": "v1", "labels": {"a": "a"}}, {"name": "v2", "labels": {}}]}),
    );
    let subsets: Vec<&Value> = mesh.of(ORDERS).into_iter().map(|p| &p["subset"]).collect();
    assert_eq!(subsets.len(), 3);
    assert_eq!(subsets[1]["labels"], json!({"a": "a"}));
    assert_has(
        mesh.of(ORDERS)[0],
        &json!({"traffic": {"balancer": "random"}}),
        "the only one that says something about the whole",
    );
}

#[test]
fn labels_of_subsets_are_told() {
    let mut mesh = rule(&json!({"subsets": [{"name": "v1", "labels": {"version": "v1"}}]}));
    for (name, version) in [("shop/p", "v1"), ("web/p", "v1")] {
        let labels = [("version".to_owned(), version.to_owned()), ("app".to_owned(), "a".to_owned())].into();
        let out = mesh.l7.pod(&key(name), Some(&source::object::Pod { labels, ..Default::default() }));
        mesh.take(out);
    }
    assert_eq!(mesh.of("labels/"), [&json!({"workload": "c//Pod/shop/p", "labels": {"version": "v1"}})]);
    mesh.no_service("shop/orders");
    assert!(mesh.keys().is_empty(), "nothing of a service that is gone: {:?}", mesh.keys());
    assert_eq!(told(&mesh), "WaypointAccepted!TargetNotFound");
    mesh.service("shop/orders", &[80]);
    assert_eq!(mesh.keys().len(), 3);
}

#[test]
fn backends_are_reached_by_tls() {
    let policy = |fields: Value| {
        json!({
            "targetRefs": [{"group": "", "kind": "Service", "name": "orders", "sectionName": fields["section"]}],
            "validation": {
                "hostname": "h", "caCertificateRefs": fields["refs"], "wellKnownCACertificates": fields["known"],
                "subjectAltNames": [{"type": "URI", "uri": "spiffe://x"}, {"type": "Hostname", "hostname": "y"}],
            },
        })
    };
    let ca = json!([{"group": "", "kind": "ConfigMap", "name": "ca"}]);
    let good = "Accepted=Accepted ResolvedRefs=ResolvedRefs";
    let rows = [
        (json!({"known": "System"}), json!("system"), good),
        (
            json!({"known": "Other"}),
            json!({"invalid": "wellKnownCACertificates: \"Other\" is not known, System is"}),
            "Accepted!NoValidCACertificate ResolvedRefs=ResolvedRefs",
        ),
        (
            json!({}),
            json!({"invalid": "one of caCertificateRefs and wellKnownCACertificates has to be there"}),
            "Accepted!NoValidCACertificate ResolvedRefs=ResolvedRefs",
        ),
        (
            json!({"refs": ca}),
            json!({"invalid": "caCertificateRefs: ConfigMap ca is not there, or has no certificates under ca.crt"}),
            "Accepted!NoValidCACertificate ResolvedRefs!InvalidCACertificateRef",
        ),
        (
            json!({"refs": [{"group": "", "kind": "Secret", "name": "ca"}]}),
            json!({"invalid": "caCertificateRefs: Secret ca is no ConfigMap"}),
            "Accepted!NoValidCACertificate ResolvedRefs!InvalidKind",
        ),
    ];
    for (fields, roots, told) in rows {
        let mut mesh = Mesh::new();
        mesh.put(Sort::BackendTLSPolicy, "shop/t", policy(fields.clone()));
        assert_eq!(mesh.told(Sort::BackendTLSPolicy, "shop/t"), told, "{fields}");
        let wanted =
            json!({"traffic": {"tls": {"serverName": "h", "subjectAltNames": ["spiffe://x", "y"], "roots": roots}}});
        assert_has(mesh.of(ORDERS)[0], &wanted, &fields.to_string());
    }
    let mut mesh = rule(&json!({"trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}, "tls": {"mode": "SIMPLE"}}}));
    mesh.put(Sort::BackendTLSPolicy, "shop/t", policy(json!({"refs": ca, "section": "p8080"})));
    let out = mesh.l7.authorities(&key("shop/ca"), Some("PEM".into()));
    mesh.take(out);
    assert_eq!(mesh.told(Sort::BackendTLSPolicy, "shop/t"), good);
    let of = |mesh: &Mesh| -> Vec<Value> {
        mesh.of(ORDERS)
            .iter()
            .map(|p| json!([p["port"], p["traffic"]["balancer"], p["traffic"]["tls"]["roots"]]))
            .collect()
    };
    assert_eq!(of(&mesh), [json!([null, "random", "system"]), json!([8080, "random", {"pem": "PEM"}])]);
    // A younger one for the same port has no effect, until the older one is gone.
    mesh.put(Sort::BackendTLSPolicy, "shop/u", policy(json!({"known": "System", "section": "p8080"})));
    assert!(mesh.told(Sort::BackendTLSPolicy, "shop/u").starts_with("Accepted!Conflicted"));
    assert_eq!(of(&mesh)[1], json!([8080, "random", {"pem": "PEM"}]));
    mesh.delete(Sort::BackendTLSPolicy, "shop/t");
    assert_eq!(mesh.told(Sort::BackendTLSPolicy, "shop/u"), good);
    assert_eq!(of(&mesh)[1], json!([8080, "random", "system"]));
    mesh.put(Sort::BackendTLSPolicy, "shop/u", policy(json!({"known": "System", "section": "none"})));
    assert!(mesh.told(Sort::BackendTLSPolicy, "shop/u").starts_with("Accepted!TargetNotFound"));
    assert_eq!(of(&mesh).len(), 1);
}

#[test]
fn backends_are_spared() {
    let mut mesh = Mesh::new();
    let target = json!([{"group": "", "kind": "Service", "name": "orders"}]);
    mesh.put(Sort::XBackendTrafficPolicy, "shop/x", json!({
        "targetRefs": target, "retryConstraint": {"budget": {"percent": 30}}, "sessionPersistence": {"sessionName": "s", "type": "Header"},
    }));
    assert_eq!(mesh.told(Sort::XBackendTrafficPolicy, "shop/x"), "Accepted=Accepted");
    let wanted =
        json!({"traffic": {"retryBudget": {"percent": 30.0, "minimum": 10}, "session": {"name": "s", "header": true}}});
    assert_has(mesh.of(ORDERS)[0], &wanted, "spared");
    mesh.delete(Sort::XBackendTrafficPolicy, "shop/x");
    assert!(mesh.keys().is_empty());
}

#[test]
fn patterns_cover_hosts() {
    for (pattern, host, covered) in [
        ("*", "a", true),
        ("*.b.c", "a.b.c", true),
        ("*.b.c", "b.c", false),
        ("a.b", "a.b", true),
        ("a.b", "b", false),
        ("*.b.c", "x.a.b.c", true),
    ] {
        assert_eq!(covers(pattern, host), covered, "{pattern} {host}");
    }
}
