use serde_json::{Value, json};

use crate::l7::{
    Sort,
    tests::{Mesh, assert_has},
};

fn target(kind: &str, group: &str, name: &str) -> Value {
    json!({"kind": kind, "group": group, "name": name})
}

fn spec(fields: &Value) -> Value {
    let mut spec = json!({"targetRefs": [target("Service", "", "orders")]});
    spec.as_object_mut().expect("fields").extend(fields.as_object().cloned().unwrap_or_default());
    spec
}

fn of(fields: &Value) -> Mesh {
    let mut mesh = Mesh::new();
    mesh.put(Sort::RateLimit, "shop/l", spec(fields));
    mesh
}

fn local(fields: &Value) -> Value {
    let mut limit = json!({"requests": 10, "per": "minute"});
    limit.as_object_mut().expect("fields").extend(fields.as_object().cloned().unwrap_or_default());
    json!({"local": [limit]})
}

fn global(fields: &Value) -> Value {
    let mut limit = json!({"service": "orders-v2", "port": 80, "domain": "d", "descriptors": [{"entries": [{"key": "k", "value": "v"}]}]});
    limit.as_object_mut().expect("fields").extend(fields.as_object().cloned().unwrap_or_default());
    json!({"global": limit})
}

#[test]
fn limits() {
    let seconds = |secs: u64| json!({"secs": secs, "nanos": 0});
    let rows = [
        (
            local(&json!({})),
            json!({"local": [{"requests": 10, "per": seconds(60), "burst": 10, "key": null, "match": null}], "global": null, "headers": "onLimit"}),
        ),
        (local(&json!({"per": "10s", "burst": 3})), json!({"local": [{"per": seconds(10), "burst": 3}]})),
        (local(&json!({"per": "second"})), json!({"local": [{"per": seconds(1)}]})),
        (local(&json!({"per": "hour"})), json!({"local": [{"per": seconds(3600)}]})),
        (
            local(
                &json!({"key": ["source.principal", "source.namespace", "source.ip", "request.headers[X-User]", "request.path",
                "request.method", "request.host", "request.auth.claims[sub]", "request.auth.principal", "source.serviceAccount"]}),
            ),
            json!({"local": [{"key": ["principal", "namespace", "sourceIp", {"header": "x-user"}, "path", "method", "host",
                {"claim": ["sub"]}, "requestPrincipal", "serviceAccount"]}]}),
        ),
        (
            local(&json!({"match": [{"to": [{"operation": {"paths": ["/a*"]}}]}]})),
            json!({"local": [{"match": [{"to": [[{"attribute": "path", "values": [{"text": {"prefix": "/a"}}]}]]}]}]}),
        ),
        (
            global(&json!({})),
            json!({"local": null, "global": {
                "target": {"service": {"service": "shop/orders-v2.shop.svc.cluster.local", "port": 80}}, "domain": "d", "failOpen": true,
                "timeout": {"secs": 0, "nanos": 250_000_000}, "descriptors": [{"entries": [{"key": "k", "of": null, "value": "v"}]}]}}),
        ),
        (
            global(&json!({"service": "web/front", "failOpen": false, "timeout": "1s", "descriptors": [{
                "match": [{"from": [{"source": {"namespaces": ["a"]}}]}], "limit": {"requests": 5, "unit": "hour"},
                "entries": [{"key": "u", "from": "request.headers[x-user]", "value": "nobody"}]}]})),
            json!({"global": {
                "target": {"service": {"service": "web/front.web.svc.cluster.local"}}, "failOpen": false, "timeout": seconds(1),
                "descriptors": [{"match": [{}], "limit": {"requests": 5, "unit": "hour"},
                    "entries": [{"key": "u", "of": {"header": "x-user"}, "value": "nobody"}]}]}}),
        ),
    ];
    for (fields, wanted) in rows {
        let mesh = of(&fields);
        let told = mesh.told(Sort::RateLimit, "shop/l");
        let resolved = if fields.get("global").is_some() { " ResolvedRefs=ResolvedRefs" } else { "" };
        assert_eq!(
            told,
            format!("Accepted=Accepted{resolved}"),
            "{fields}: {}",
            mesh.messages(Sort::RateLimit, "shop/l")
        );
        assert_has(mesh.of("ratelimit/shop/l")[0], &wanted, &fields.to_string());
    }
    let mut all = local(&json!({}));
    all.as_object_mut().expect("fields").extend(
        json!({"dryRun": true, "headers": "Always", "rateLimitedAsResourceExhausted": true})
            .as_object()
            .cloned()
            .expect("fields"),
    );
    assert_has(
        of(&all).of("ratelimit/shop/l")[0],
        &json!({"dryRun": true, "headers": "always", "resourceExhausted": true}),
        "all",
    );
}

#[test]
fn what_is_wrong_leaves_the_last_good_version_and_others_alone() {
    let rows = [
        (json!({}), "one of local and global has to be there"),
        (local(&json!({"requests": 0})), "requests: wrong value, integer `0`"),
        (local(&json!({"per": "week"})), "want second, minute, hour, day or a duration"),
        (local(&json!({"per": "0s"})), "more than 0 and at most a day"),
        (local(&json!({"per": "25h"})), "more than 0 and at most a day"),
        (local(&json!({"burst": 0})), "burst"),
        (local(&json!({"requests": 2_000_000, "per": "second"})), "more than a million per second"),
        (local(&json!({"key": ["source.colour"]})), "local[0]: key: \\\"source.colour\\\" is not known"),
        (local(&json!({"key": ["request.headers[a b]"]})), "a b"),
        (local(&json!({"match": [{"from": [{}]}]})), "local[0]: match[0]: from.source is empty"),
        (local(&json!({"later": 1})), "later: unknown field"),
        (json!({"local": [{"per": "minute"}]}), "requests: required field is missing"),
        (global(&json!({"domain": ""})), "global: domain is empty"),
        (global(&json!({"descriptors": []})), "descriptors is empty"),
        (global(&json!({"descriptors": [{"entries": []}]})), "descriptors[0]: entries is empty"),
        (global(&json!({"descriptors": [{"entries": [{"key": "k"}]}]})), "entry k: one of from and value"),
        (
            global(&json!({"descriptors": [{"entries": [{"key": "k", "from": "x"}]}]})),
            "entry k: \\\"x\\\" is not known",
        ),
        (global(&json!({"timeout": "0s"})), "timeout has to be more than 0"),
        (global(&json!({"timeout": "1m"})), "at most 30s"),
        (global(&json!({"port": 0})), "port"),
        (
            json!({"local": [{"requests": 1, "per": "second"}], "targetRefs": [
                target("Service", "", "orders"), target("HTTPRoute", "gateway.networking.k8s.io", "r")]}),
            "routes and other targets are two objects",
        ),
        (
            json!({"local": [{"requests": 1, "per": "second"}], "targetRefs": [
                {"kind": "Service", "group": "", "name": "orders", "sectionName": "http"}]}),
            "Service orders has no sections",
        ),
    ];
    for (fields, message) in rows {
        let mut mesh = of(&fields);
        mesh.put(Sort::RateLimit, "shop/other", spec(&local(&json!({}))));
        assert!(mesh.of("ratelimit/shop/l").is_empty(), "{fields}");
        assert_eq!(mesh.told(Sort::RateLimit, "shop/other"), "Accepted=Accepted");
        // Of what cannot be read the targets are not known either, and neither is where to say so.
        let said = mesh.messages(Sort::RateLimit, "shop/l");
        assert!(said.is_empty() || said.contains(message) && said.contains("it has no effect"), "{fields}: {said}");
        mesh.put(Sort::RateLimit, "shop/l", spec(&local(&json!({"requests": 7}))));
        mesh.put(Sort::RateLimit, "shop/l", spec(&fields));
        let said = mesh.messages(Sort::RateLimit, "shop/l");
        assert!(said.contains(message) && said.contains("what generation 3 says stays in effect"), "{fields}: {said}");
        assert_has(mesh.of("ratelimit/shop/l")[0], &json!({"local": [{"requests": 7}]}), &fields.to_string());
        assert!(mesh.told(Sort::RateLimit, "shop/l").starts_with("Accepted!Invalid"), "{fields}");
    }
}

#[test]
fn targets() {
    let route_group = "gateway.networking.k8s.io";
    let orders = json!({"service": "shop/orders.shop.svc.cluster.local"});
    let section = |name: &str| json!({"kind": "HTTPRoute", "group": route_group, "name": "r", "sectionName": name});
    let rows = [
        (json!([target("Service", "", "orders")]), json!([orders]), json!(null), "Accepted=Accepted"),
        (
            json!([target("Gateway", route_group, "w")]),
            json!([{"waypoint": "shop/w"}]),
            json!(null),
            "Accepted=Accepted",
        ),
        (
            json!([target("Service", "", "none")]),
            json!([{"service": "shop/none.shop.svc.cluster.local"}]),
            json!(null),
            "Accepted!TargetNotFound",
        ),
        (json!([target("Pod", "", "orders")]), json!(null), json!(null), "Accepted!TargetNotFound"),
        (
            json!([target("HTTPRoute", route_group, "r")]),
            json!([orders]),
            json!([{"kind": "HTTPRoute", "name": "r", "rule": null}]),
            "Accepted=Accepted",
        ),
        (json!([section("a")]), json!([orders]), json!([{"rule": "a"}]), "Accepted=Accepted"),
        (json!([section("b")]), json!(null), json!(null), "Accepted!TargetNotFound"),
        (json!([target("GRPCRoute", route_group, "r")]), json!(null), json!(null), "Accepted!TargetNotFound"),
    ];
    for (references, wanted, routes, told) in rows {
        let mut mesh = Mesh::new();
        let limit = json!({"targetRefs": references, "local": [{"requests": 1, "per": "second"}]});
        mesh.put(Sort::RateLimit, "shop/l", limit);
        // The route comes after what limits it.
        let parent = json!([{"kind": "Service", "group": "", "name": "orders", "port": 80}]);
        let rule = json!({"name": "a", "backendRefs": [{"name": "orders", "port": 80}]});
        mesh.put(Sort::HTTPRoute, "shop/r", json!({"parentRefs": parent, "rules": [rule]}));
        assert_eq!(
            mesh.told(Sort::RateLimit, "shop/l"),
            told,
            "{references}: {}",
            mesh.messages(Sort::RateLimit, "shop/l")
        );
        let found = mesh.of("ratelimit/").first().map_or_else(|| json!({}), |limit| (*limit).clone());
        assert_has(&found, &json!({"targets": wanted, "routes": routes}), &references.to_string());
        mesh.delete(Sort::HTTPRoute, "shop/r");
        if !routes.is_null() {
            assert!(mesh.of("ratelimit/").is_empty(), "{references}: its route is gone");
        }
    }
}

#[test]
fn a_server_that_is_not_there_is_told_and_asked_when_it_comes() {
    let mut mesh = of(&global(&json!({"service": "limiter"})));
    assert_eq!(mesh.told(Sort::RateLimit, "shop/l"), "Accepted=Accepted ResolvedRefs!BackendNotFound");
    assert_has(
        &mesh.of("ratelimit/")[0]["global"]["target"],
        &json!({"invalid": "service limiter.shop.svc.cluster.local is not there: a Service or a ServiceEntry has to have this host"}),
        "missing",
    );
    mesh.service("shop/limiter", &[80]);
    assert_eq!(mesh.told(Sort::RateLimit, "shop/l"), "Accepted=Accepted ResolvedRefs=ResolvedRefs");
    let target = json!({"service": {"service": "shop/limiter.shop.svc.cluster.local", "port": 80}});
    assert_has(&mesh.of("ratelimit/")[0]["global"]["target"], &target, "it came");
}

#[test]
fn a_server_that_is_hidden_refuses_the_limit_and_what_was_right_stays() {
    let shown = |export: &[&str]| json!({"hosts": ["limits.example"], "ports": [{"number": 80, "name": "grpc"}], "resolution": "DNS", "exportTo": export});
    let limits = |service: &str| global(&json!({"service": service}));
    let hidden = "global: service limits.example is not shown to namespace shop: the exportTo of its ServiceEntry";
    let fine = "Accepted=Accepted ResolvedRefs=ResolvedRefs";
    let asked = json!({"service": {"service": "web/limits.example", "port": 80}});
    for (export, service, told, target) in [
        (&["*"][..], "limits.example", fine, asked.clone()),
        (&[], "web/limits.example", fine, asked.clone()),
        (&["shop"], "web/limits.example", fine, asked.clone()),
        (&[".", "shop"], "limits.example", fine, asked.clone()),
        (&["."], "limits.example", "Accepted!Invalid", json!(null)),
        (&["."], "web/limits.example", "Accepted!Invalid", json!(null)),
        (&["~"], "web/limits.example", "Accepted!Invalid", json!(null)),
        (&["other", "istio-system"], "web/limits.example", "Accepted!Invalid", json!(null)),
        // It is not there at all: it may come.
        (&["*"], "other/limits.example", "Accepted=Accepted ResolvedRefs!BackendNotFound", json!({})),
    ] {
        let mut mesh = Mesh::new();
        mesh.entry("web/e", shown(export));
        mesh.put(Sort::RateLimit, "shop/l", spec(&limits(service)));
        let said = mesh.messages(Sort::RateLimit, "shop/l");
        assert_eq!(mesh.told(Sort::RateLimit, "shop/l"), told, "{export:?} {service}: {said}");
        let found = mesh.of("ratelimit/").first().map_or(&Value::Null, |limit| &limit["global"]["target"]);
        assert_has(found, &target, &format!("{export:?} {service}"));
        assert_eq!(said.contains(hidden) && said.contains("it has no effect"), target.is_null(), "{said}");
    }

    // What named a service that may be seen stays when the next version names one that may not.
    let mut mesh = of(&global(&json!({"service": "orders-v2"})));
    mesh.entry("web/e", shown(&["."]));
    mesh.put(Sort::RateLimit, "shop/l", spec(&limits("limits.example")));
    let said = mesh.messages(Sort::RateLimit, "shop/l");
    assert!(said.contains(hidden) && said.contains("what generation 1 says stays in effect"), "{said}");
    let before = json!({"service": {"service": "shop/orders-v2.shop.svc.cluster.local", "port": 80}});
    assert_has(&mesh.of("ratelimit/")[0]["global"]["target"], &before, "stays");

    // And what is beside a server that was hidden since, with nobody asked any more.
    let mut both = limits("limits.example");
    both["local"] = local(&json!({}))["local"].clone();
    mesh.entry("web/e", shown(&["shop"]));
    mesh.put(Sort::RateLimit, "shop/l", spec(&both));
    assert_has(mesh.of("ratelimit/")[0], &json!({"local": [{}], "global": {"target": asked}}), "shown");
    mesh.entry("web/e", shown(&["."]));
    assert_eq!(mesh.told(Sort::RateLimit, "shop/l"), "Accepted!Invalid ResolvedRefs!RefNotPermitted");
    assert_has(mesh.of("ratelimit/")[0], &json!({"local": [{}]}), "hidden since");
    assert!(mesh.of("ratelimit/")[0]["global"]["target"]["invalid"].is_string(), "hidden since");
}
