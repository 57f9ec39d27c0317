use proptest::prelude::*;
use serde_json::{Value, json};

use crate::l7::{
    Sort,
    tests::{Mesh, assert_has, custom, key},
};

fn service(name: &str) -> Value {
    json!([{"kind": "Service", "group": "", "name": name}])
}

/// Converts a policy for `orders`.
fn of(fields: &Value) -> Mesh {
    let mut spec = json!({"targetRefs": service("orders")});
    spec.as_object_mut().expect("fields").extend(fields.as_object().cloned().unwrap_or_default());
    let mut mesh = Mesh::new();
    mesh.put(Sort::AuthorizationPolicy, "shop/p", spec);
    mesh
}

fn told(mesh: &Mesh) -> String {
    mesh.told(Sort::AuthorizationPolicy, "shop/p")
}

#[test]
fn conditions() {
    let text = |attribute: Value, value: Value| json!({"attribute": attribute, "values": [{"text": value}]});
    let from = |source: Value| json!({"from": [{"source": source}]});
    let to = |operation: Value| json!({"to": [{"operation": operation}]});
    let when = |key: &str, value: &str| json!({"when": [{"key": key, "values": [value]}]});
    let block = json!([{"block": {"address": "10.0.0.0", "length": 8}}]);
    let rows = [
        (json!({}), json!({"from": null, "to": null, "when": null})),
        (
            from(json!({"principals": ["spiffe://td/ns/a/sa/b", "*"], "notPrincipals": ["*/sa/c", "td/*"]})),
            json!({"from": [[{
                "attribute": "principal",
                "values": [{"text": {"exact": "td/ns/a/sa/b"}}, {"text": "present"}],
                "notValues": [{"text": {"suffix": "/sa/c"}}, {"text": {"prefix": "td/"}}],
            }]]}),
        ),
        (from(json!({"namespaces": ["a"]})), json!({"from": [[text(json!("namespace"), json!({"exact": "a"}))]]})),
        (
            from(json!({"requestPrincipals": ["*"]})),
            json!({"from": [[text(json!("requestPrincipal"), json!("present"))]]}),
        ),
        (
            from(json!({"trustDomains": ["td"]})),
            json!({"from": [[text(json!("trustDomain"), json!({"exact": "td"}))]]}),
        ),
        (
            from(json!({"serviceAccounts": ["a", "b/c"]})),
            json!({"from": [[{"attribute": "serviceAccount", "values": [
                {"account": {"namespace": "shop", "serviceAccount": "a"}}, {"account": {"namespace": "b", "serviceAccount": "c"}},
            ]}]]}),
        ),
        (
            from(json!({"ipBlocks": ["10.0.0.0/8"], "remoteIpBlocks": ["10.0.0.0/8"]})),
            json!({"from": [[{"attribute": "sourceIp", "values": block}, {"attribute": "remoteIp", "values": block}]]}),
        ),
        (
            to(
                json!({"hosts": ["*.a"], "ports": ["80"], "methods": ["GET"], "paths": ["/a/{*}/b/{**}", "/c*"], "notPaths": ["/d"]}),
            ),
            json!({"to": [[
                {"attribute": "host", "values": [{"text": {"suffix": ".a"}}]},
                {"attribute": "destinationPort", "values": [{"port": 80}]},
                {"attribute": "method", "values": [{"text": {"exact": "GET"}}]},
                {"attribute": "path", "values": [{"template": "/a/{*}/b/{**}"}, {"text": {"prefix": "/c"}}], "notValues": [{"text": {"exact": "/d"}}]},
            ]]}),
        ),
        (when("request.headers[X-A]", "1"), json!({"when": [text(json!({"header": "x-a"}), json!({"exact": "1"}))]})),
        (when("request.headers[:method]", "GET"), json!({"when": [text(json!("method"), json!({"exact": "GET"}))]})),
        (
            when("request.auth.claims[a][b]", "1"),
            json!({"when": [text(json!({"claim": ["a", "b"]}), json!({"exact": "1"}))]}),
        ),
        (when("request.auth.audiences", "1"), json!({"when": [text(json!("requestAudience"), json!({"exact": "1"}))]})),
        (when("connection.sni", "*.a"), json!({"when": [text(json!("serverName"), json!({"suffix": ".a"}))]})),
        (when("remote.ip", "10.0.0.0/8"), json!({"when": [{"attribute": "remoteIp", "values": block}]})),
        (when("source.principal", "spiffe://a"), json!({"when": [text(json!("principal"), json!({"exact": "a"}))]})),
        (
            json!({"when": [{"key": "destination.port", "notValues": ["80"]}]}),
            json!({"when": [{"attribute": "destinationPort", "notValues": [{"port": 80}]}]}),
        ),
    ];
    for (rule, wanted) in rows {
        let mesh = of(&json!({"rules": [rule]}));
        assert_eq!(told(&mesh), "WaypointAccepted=Accepted", "{rule}");
        let policy = mesh.of("authorization/shop/p")[0];
        let whole = json!({"action": "allow", "targets": [{"service": "shop/orders.shop.svc.cluster.local"}], "rules": [wanted], "dryRun": null});
        assert_has(policy, &whole, &rule.to_string());
    }
}

#[test]
fn what_is_wrong_never_widens_access() {
    let bad = [
        (json!({"from": [{}]}), "from.source is empty"),
        (json!({"from": [{"source": {}}]}), "from.source is empty"),
        (json!({"from": [{"source": {"principals": []}}]}), "from.source is empty"),
        (json!({"to": [{"operation": {"paths": []}}]}), "to.operation is empty"),
        (
            json!({"from": [{"source": {"ipBlocks": ["10.0.0.0/64"]}}]}),
            "ipBlocks: \\\"10.0.0.0/64\\\" is no address block",
        ),
        (json!({"from": [{"source": {"serviceAccounts": ["a/b/c"]}}]}), "is no service account"),
        (json!({"to": [{"operation": {"ports": ["http"]}}]}), "is no port"),
        (json!({"to": [{"operation": {"paths": ["/{**}/{*}"]}}]}), "is no template"),
        (json!({"to": [{"operation": {"paths": ["/a{*}"]}}]}), "is no template"),
        (json!({"when": [{"key": "experimental.envoy.filters.x", "values": ["a"]}]}), "is not known"),
        (json!({"when": [{"key": "request.headers[]", "values": ["a"]}]}), "is not known"),
        (json!({"when": [{"key": "request.headers[a b]", "values": ["a"]}]}), "a b"),
        (json!({"when": [{"key": "request.headers[:path]", "values": ["a"]}]}), ":path"),
        (json!({"when": [{"key": "source.ip"}]}), "one of values and notValues"),
        (json!({"when": [{"values": ["a"]}]}), "key: required field is missing"),
        (json!({"from": [{"source": {"principals": "a"}}]}), "principals: wrong type"),
        (json!({"from": [{"source": {"laterField": ["a"], "principals": ["b"]}}]}), "laterField: unknown field"),
    ];
    for (rule, message) in bad {
        for (action, wanted) in [
            (json!("ALLOW"), json!({"action": "allow", "rules": []})),
            (json!("DENY"), json!({"action": "deny", "rules": [{"from": null, "to": null, "when": null}]})),
            (json!("AUDIT"), json!({"action": "audit", "rules": []})),
            (json!("CUSTOM"), json!({"action": "deny", "rules": [{"from": null, "to": null, "when": null}]})),
        ] {
            let good = json!({"from": [{"source": {"principals": ["*"]}}]});
            let mesh = of(&json!({"action": action, "provider": {"name": "x"}, "rules": [good, rule]}));
            assert_eq!(told(&mesh), "WaypointAccepted!Invalid", "{action} {rule}");
            let messages = mesh.messages(Sort::AuthorizationPolicy, "shop/p");
            assert!(messages.contains(message) && messages.contains("until it is mended"), "{rule}: {messages}");
            // Of what cannot be read the action is not known: nothing is let in.
            let policy = mesh.of("authorization/")[0];
            let unread = message.contains("required field") || message.contains("wrong type");
            let wanted = if unread { json!({"action": "deny", "rules": [{}]}) } else { wanted };
            assert_has(policy, &wanted, &format!("{action} {rule}"));
        }
    }
    let mesh = of(&json!({"action": "CUSTOM", "rules": [{}]}));
    assert_has(mesh.of("authorization/")[0], &json!({"action": "deny", "rules": [{}]}), "nobody to ask");
    let mesh = of(&json!({"action": "CUSTOM", "provider": {"name": "x"}, "rules": [{}]}));
    assert_has(
        mesh.of("authorization/")[0],
        &json!({"action": {"custom": {"provider": "x", "ask": null}}, "rules": [{}]}),
        "nobody known",
    );
    let mesh = of(&json!({"action": "LATER", "rules": [{}]}));
    assert_has(mesh.of("authorization/")[0], &json!({"action": "deny", "rules": [{}]}), "an action of a later version");
}

#[test]
fn targets() {
    let one = |kind: &str, group: &str, name: &str| json!([{"kind": kind, "group": group, "name": name}]);
    let gateway = "gateway.networking.k8s.io";
    let orders = json!({"service": "shop/orders.shop.svc.cluster.local"});
    let rows = [
        ("shop/p", json!({"targetRefs": service("orders")}), json!([orders]), "WaypointAccepted=Accepted"),
        ("shop/p", json!({"targetRef": service("orders")[0]}), json!([orders]), "WaypointAccepted=Accepted"),
        // Not there yet, and guarded all the same.
        (
            "shop/p",
            json!({"targetRefs": service("none")}),
            json!([{"service": "shop/none.shop.svc.cluster.local"}]),
            "WaypointAccepted!TargetNotFound",
        ),
        (
            "other/p",
            json!({"targetRefs": service("far")}),
            json!([{"service": "other/far.other.svc.cluster.local"}]),
            "WaypointAccepted!AncestorNotBound",
        ),
        (
            "shop/p",
            json!({"targetRefs": one("Gateway", gateway, "w")}),
            json!([{"waypoint": "shop/w"}]),
            "WaypointAccepted=Accepted",
        ),
        (
            "istio-system/p",
            json!({"targetRefs": one("GatewayClass", gateway, "istio-waypoint")}),
            json!(["anyWaypoint"]),
            "WaypointAccepted=Accepted",
        ),
        (
            "istio-system/p",
            json!({"targetRefs": one("GatewayClass", gateway, "other")}),
            json!(null),
            "WaypointAccepted!TargetNotFound",
        ),
        (
            "shop/p",
            json!({"targetRefs": one("GatewayClass", gateway, "istio-waypoint")}),
            json!(null),
            "WaypointAccepted!TargetNotFound",
        ),
        (
            "shop/p",
            json!({"targetRefs": one("ServiceEntry", "networking.istio.io", "e")}),
            json!([{"service": "shop/a.b"}, {"service": "shop/c.d"}]),
            "WaypointAccepted!AncestorNotBound",
        ),
        (
            "shop/p",
            json!({"targetRefs": [{"kind": "Service", "name": "orders", "namespace": "other"}]}),
            json!(null),
            "WaypointAccepted!TargetNotFound",
        ),
        (
            "shop/p",
            json!({"targetRefs": one("Deployment", "apps", "d")}),
            json!(null),
            "WaypointAccepted!TargetNotFound",
        ),
        // Those for pods are ztunnel's.
        ("shop/p", json!({"selector": {"matchLabels": {"a": "b"}}}), json!(null), ""),
        ("shop/p", json!({}), json!(null), ""),
    ];
    for (name, spec, targets, told) in rows {
        let mut mesh = Mesh::new();
        mesh.entry("shop/e", json!({"hosts": ["a.b", "c.d"]}));
        if spec["targetRefs"][0]["kind"] == "ServiceEntry" {
            mesh.namespace("shop", &[]);
        }
        for sort in [Sort::AuthorizationPolicy, Sort::RequestAuthentication] {
            mesh.put(sort, name, spec.clone());
            assert_eq!(mesh.told(sort, name), told, "{sort:?} {spec}");
        }
        let found: Vec<&Value> =
            ["authorization/", "authentication/"].iter().flat_map(|p| mesh.of(p)).map(|p| &p["targets"]).collect();
        let wanted = if targets.is_null() { vec![] } else { vec![&targets, &targets] };
        assert_eq!(found, wanted, "{name} {spec}");
    }
}

#[test]
fn a_policy_may_only_report() {
    let mut mesh = Mesh::new();
    let mut object = custom("shop/p", 1, json!({"targetRefs": service("orders"), "rules": [{}]}));
    object.annotations.insert("istio.io/dry-run".to_owned(), "true".to_owned());
    let out = mesh.l7.object(Sort::AuthorizationPolicy, &key("shop/p"), Some(&object));
    mesh.take(out);
    assert_eq!(mesh.of("authorization/")[0]["dryRun"], true);
}

#[test]
fn rules_for_tokens() {
    let of = |rule: &Value| {
        let mut mesh = Mesh::new();
        mesh.put(Sort::RequestAuthentication, "shop/p", json!({"targetRefs": service("orders"), "jwtRules": [rule]}));
        mesh
    };
    let rows = [
        (
            json!({"issuer": "i"}),
            json!({"issuer": "i", "keys": "discovery", "fromHeaders": [["authorization", "Bearer "]], "fromParams": ["access_token"], "forward": null}),
        ),
        (
            json!({
                "issuer": "i", "audiences": ["a"], "jwksUri": "https://i/keys", "fromHeaders": [{"name": "X-T", "prefix": "T "}], "fromCookies": ["c"],
                "outputPayloadToHeader": "X-P", "outputClaimToHeaders": [{"header": "X-C", "claim": "a.b"}], "forwardOriginalToken": true,
                "spaceDelimitedClaims": ["s"], "timeout": "3s",
            }),
            json!({
                "audiences": ["a"], "keys": {"uri": "https://i/keys"}, "fromHeaders": [["x-t", "T "]], "fromParams": null, "fromCookies": ["c"],
                "payloadHeader": "x-p", "claimHeaders": [["x-c", "a.b"]], "forward": true, "spaceDelimited": ["s"], "timeout": {"secs": 3},
            }),
        ),
        (json!({"issuer": "i", "jwks_uri": "http://i"}), json!({"keys": {"uri": "http://i"}})),
        (json!({"issuer": "i", "jwks": "{\"keys\": []}"}), json!({"keys": {"inline": "{\"keys\": []}"}})),
    ];
    for (rule, wanted) in rows {
        let mesh = of(&rule);
        assert_eq!(mesh.told(Sort::RequestAuthentication, "shop/p"), "WaypointAccepted=Accepted", "{rule}");
        assert_has(&mesh.of("authentication/")[0]["rules"][0], &wanted, &rule.to_string());
    }
    let none = json!({"inline": "{\"keys\":[]}"});
    for (rule, message) in [
        (json!({}), "issuer has to be there"),
        (json!({"issuer": "i", "jwks": "x"}), "jwks is no set"),
        (json!({"issuer": "i", "jwks": "{\"keys\": []}", "jwksUri": "http://i"}), "exclude each other"),
        (json!({"issuer": "i", "jwksUri": "ftp://i"}), "ftp://i"),
        (json!({"issuer": "i", "fromHeaders": [{"name": "a b"}]}), "a b"),
        (json!({"issuer": "i", "fromHeaders": "x"}), "fromHeaders"),
        (json!({"issuer": "i", "laterField": true}), "laterField"),
    ] {
        let mesh = of(&rule);
        assert_eq!(mesh.told(Sort::RequestAuthentication, "shop/p"), "WaypointAccepted!Invalid", "{rule}");
        assert!(mesh.messages(Sort::RequestAuthentication, "shop/p").contains(message), "{rule}");
        if message != "laterField" {
            assert_eq!(mesh.of("authentication/")[0]["rules"][0]["keys"], none, "no token is believed: {rule}");
        }
    }
}

/// Any JSON of a small depth, of words that the API has and others.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z*/{}.0-9]{0,6}".prop_map(Value::from),
        prop_oneof![Just("ALLOW"), Just("DENY"), Just("*"), Just("10.0.0.0/8"), Just("source.ip")]
            .prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "action",
        "rules",
        "from",
        "to",
        "when",
        "source",
        "operation",
        "principals",
        "notPrincipals",
        "ipBlocks",
        "paths",
        "key",
        "values",
        "later",
    ]);
    leaf.prop_recursive(6, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever stands beside the targets: there is a policy, and if something is wrong with it, it lets nobody in.
    #[test]
    fn no_specification_panics_or_lets_in(action in any_json(), rules in any_json(), more in any_json()) {
        let mesh = of(&json!({"action": action, "rules": rules, "later": more}));
        let policy = mesh.of("authorization/")[0];
        if told(&mesh) != "WaypointAccepted=Accepted" {
            let nothing = policy["action"] == "allow" && policy["rules"] == json!([]);
            let everything = policy["action"] == "deny" && policy["rules"] == json!([{}]);
            prop_assert!(nothing || everything || policy["action"] == "audit", "{policy}");
        } else {
            prop_assert!(more.is_null());
        }
    }
}
