use super::*;
use crate::waypoint::config::dump::{Dump, differences, merged, resources};

/// What a waypoint's `/config_dump` answers.
fn data() -> Value {
    let service = |name: &str| format!("shop/{name}.shop.svc.cluster.local");
    let origin = |kind: &str, name: &str, index: u32, rule: Option<&str>| {
        let mut origin =
            json!({"created": "2026-01-01T00:00:00Z", "namespace": "shop", "name": name, "index": index, "kind": kind});
        if let Some(rule) = rule {
            origin["rule"] = rule.into();
        }
        origin
    };
    let backend = |name: &str, weight: u32| json!({"target": {"service": {"service": service(name), "port": 80}}, "weight": weight});
    json!({
        "waypoint": "shop/waypoint",
        "resources": [
            {"httpRule": {
                "name": "a", "parent": {"service": service("web"), "port": 80}, "origin": origin("HTTPRoute", "web", 0, Some("split")),
                "matches": [
                    {"path": {"segments": "/api"}, "method": {"exact": "GET"}},
                    {"path": {"exact": "/"}, "headers": [{"name": "x-user", "value": {"prefix": "a"}}],
                        "query": [{"name": "q", "value": "present"}], "source": {"namespace": "front"}},
                ],
                "action": {"forward": [backend("web", 9), backend("next", 1)]},
                "timeout": {"secs": 5, "nanos": 0},
                "mirrors": [{"target": {"service": {"service": service("copy")}}, "share": 1_000_000}],
            }},
            {"httpRule": {
                "name": "b", "parent": {"service": service("web"), "port": 80}, "consumer": "front",
                "origin": origin("VirtualService", "web", 1, None),
                "action": {"redirect": {"scheme": "https", "host": "a.example", "port": {"number": 8443}, "status": 301}},
            }},
            {"httpRule": {
                "name": "c", "parent": {"service": service("till")}, "origin": origin("GRPCRoute", "till", 2, None),
                "action": {"forward": [{"target": {"invalid": "no such service"}, "weight": 1}]},
            }},
            {"streamRule": {
                "name": "d", "parent": {"service": service("db")}, "origin": origin("TLSRoute", "db", 0, None),
                "matches": [{"serverNames": ["*.db"], "sources": [{"address": "10.0.0.0", "length": 8}]}],
                "backends": [backend("db", 1)],
            }},
            {"destination": {"name": "p", "service": service("web"), "traffic": {"balancer": "roundRobin", "outliers": {
                "consecutive5xx": 5, "consecutiveGateway": 0, "consecutiveLocal": 0, "interval": {"secs": 10, "nanos": 0},
                "ejection": {"secs": 30, "nanos": 0}, "maxPercent": 10, "minHealthPercent": 0}}}},
            {"destination": {"name": "s", "service": service("web"), "source": {"namespace": "front"},
                "subset": {"name": "v1", "labels": {"v": "1"}}}},
            {"authorization": {"namespace": "shop", "name": "only-get", "targets": [{"service": service("web")}],
                "action": "deny", "rules": [{}, {}], "dryRun": true}},
            {"authorization": {"namespace": "istio-system", "name": "ask", "targets": ["anyWaypoint"],
                "action": {"custom": {"provider": "opa"}}, "rules": []}},
            {"rateLimit": {"namespace": "shop", "name": "few", "targets": [{"service": "shop/web.shop.svc.cluster.local"}], "dryRun": true,
                "local": [{"requests": 1, "per": {"secs": 1, "nanos": 0}, "burst": 1}]}},
            {"authentication": {"namespace": "shop", "name": "jwt", "targets": [{"waypoint": "shop/waypoint"}], "rules": []}},
            {"settings": {"waypoint": "shop/waypoint", "traffic": "all", "rootNamespace": "istio-system",
                "trustDomains": ["cluster.local"], "normalization": "base"}},
            {"httpRule": {"name": "later", "colour": "blue"}},
            {"teleport": {"name": "new"}},
            17,
        ],
        "backends": [
            {"service": service("web"), "port": 80, "endpoints": [
                {"workload": "w1", "address": "10.0.0.1:8080", "healthy": true, "active": 2},
                {"workload": "w2", "address": "10.0.0.2:8080", "healthy": false, "active": 1}]},
            {"service": service("db"), "port": 5432, "endpoints": [{"address": "10.0.0.3:5432"}]},
            {},
        ],
    })
}

/// A table with single spaces between its columns.
fn squeezed(table: &crate::screen::table::Table) -> Vec<String> {
    table
        .to_string()
        .lines()
        .map(|line| line.split("   ").filter(|cell| !cell.is_empty()).map(str::trim).collect::<Vec<_>>().join(" | "))
        .collect()
}

#[test]
fn rules_are_shown_in_short_words() {
    let read = resources(&data());
    let wanted = [
        "SERVICE | PORT | FROM | MATCH | ACTION | ORIGIN",
        "shop/db.shop.svc.cluster.local | * | * | sni=*.db from=10.0.0.0/8 | db.shop.svc.cluster.local:80 | TLSRoute shop/db #0",
        "shop/till.shop.svc.cluster.local | * | * | any | answer 500 (no such service) | GRPCRoute shop/till #2",
        "shop/web.shop.svc.cluster.local | 80 | front | any | 301 to https://a.example:8443 | VirtualService shop/web #1",
        "shop/web.shop.svc.cluster.local | 80 | * | GET /api/... | web.shop.svc.cluster.local:80 90%, next.shop.svc.cluster.local:80 10% (timeout 5s; mirrored to copy.shop.svc.cluster.local) | HTTPRoute shop/web split",
        "shop/web.shop.svc.cluster.local | 80 | * | / x-user=a* ?q=* from=front | web.shop.svc.cluster.local:80 90%, next.shop.svc.cluster.local:80 10% (timeout 5s; mirrored to copy.shop.svc.cluster.local) | HTTPRoute shop/web split",
    ];
    assert_eq!(squeezed(&tables::routes(&read)), wanted);
    assert_eq!(
        words::heading(&data(), &read),
        "waypoint shop/waypoint, for services and workloads, trust domain cluster.local"
    );
}

#[test]
fn backends_are_shown_with_their_endpoints() {
    let (data, read) = (data(), resources(&data()));
    let backends = saved::items(&data, "backends");
    let wanted = [
        "SERVICE | PORT | SUBSET | FROM | BALANCER | SETTINGS | ENDPOINTS | ACTIVE",
        "shop/db.shop.svc.cluster.local | 5432 | - | * | default | - | 0/1 | 0",
        "shop/web.shop.svc.cluster.local | 80 | - | * | round robin | outliers | 1/2 | 3",
        "shop/web.shop.svc.cluster.local | 80 | v1 | front | least request | - | - | -",
        "unknown | ? | - | * | default | - | 0/0 | 0",
    ];
    assert_eq!(squeezed(&tables::backends(&read, &backends)), wanted);
    let wanted = [
        "SERVICE | PORT | WORKLOAD | ADDRESS | HEALTHY | ACTIVE",
        "shop/db.shop.svc.cluster.local | 5432 | unknown | 10.0.0.3:5432 | unknown | unknown",
        "shop/web.shop.svc.cluster.local | 80 | w1 | 10.0.0.1:8080 | yes | 2",
        "shop/web.shop.svc.cluster.local | 80 | w2 | 10.0.0.2:8080 | no | 1",
    ];
    assert_eq!(squeezed(&tables::endpoints(&backends)), wanted);
}

#[test]
fn policies_are_shown_and_what_is_not_understood_is_told() {
    let read = resources(&data());
    let wanted = [
        "KIND | NAMESPACE | NAME | ACTION | TARGET | RULES | DRY RUN",
        "AuthorizationPolicy | istio-system | ask | CUSTOM opa | every waypoint | 0 | no",
        "AuthorizationPolicy | shop | only-get | DENY | service web.shop.svc.cluster.local | 2 | yes",
        "RateLimit | shop | few | - | service web.shop.svc.cluster.local | 1 | yes",
        "RequestAuthentication | shop | jwt | - | waypoint shop/waypoint | 0 | -",
    ];
    assert_eq!(squeezed(&tables::policies(&read)), wanted);
    let names: Vec<&str> = read.unknown.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["httpRule later", "teleport new", "without a kind"]);
}

#[test]
fn what_is_no_dump_is_empty_tables() {
    for nothing in [json!(null), json!({}), json!([1]), json!({"resources": 1, "backends": "x"})] {
        let (read, backends) = (resources(&nothing), saved::items(&nothing, "backends"));
        let tables = [
            tables::routes(&read),
            tables::backends(&read, &backends),
            tables::endpoints(&backends),
            tables::policies(&read),
        ];
        tables.iter().for_each(|table| assert_eq!(squeezed(table).len(), 1, "{nothing}"));
        assert_eq!(words::heading(&nothing, &read), "waypoint unknown");
    }
}

#[test]
fn several_pods_are_seen_as_one() {
    let dump = |pod: &str, data: Value| Dump { pod: pod.into(), data };
    let endpoint = |healthy: bool, active: u64| json!([{"service": "shop/web", "port": 80, "endpoints": [{"workload": "w", "address": "a", "healthy": healthy, "active": active}]}]);
    let one = json!({"waypoint": "shop/w", "version": "1", "resources": [1, 2], "backends": endpoint(true, 3)});
    let two = json!({"waypoint": "shop/w", "version": "2", "resources": [2], "backends": endpoint(false, 4)});
    let dumps = [dump("a", one), dump("b", two)];
    let all = merged(&dumps).expect("a dump");
    assert_eq!(all["resources"], json!([1, 2]));
    assert_eq!(all["backends"], endpoint(false, 7));
    assert_eq!(differences(&dumps), ["pod b has 1 of the 2 resources that are shown"]);
    assert_eq!(merged(&dumps[..1]), Some(dumps[0].data.clone()));
    assert_eq!(merged(&[]), None);
}

#[test]
fn a_word_alone_may_be_a_topic() {
    let rows = [
        (None, None, (None, Topic::All)),
        (Some("routes"), None, (None, Topic::Routes)),
        (Some("gate"), None, (Some("gate"), Topic::All)),
        (Some("routes"), Some(Topic::Policies), (Some("routes"), Topic::Policies)),
    ];
    for (target, topic, wanted) in rows {
        assert_eq!(meant(target, topic), wanted, "{target:?} {topic:?}");
    }
}
