use serde_json::{Value, json};

use crate::l7::{Sort, tests::Mesh};

fn told(mesh: &Mesh, name: &str) -> String {
    mesh.told(Sort::Telemetry, name)
}

#[test]
fn objects_are_converted() {
    let rows = [
        (json!({}), json!({})),
        (
            json!({"accessLogging": [{"providers": [{"name": "file"}], "filter": {"expression": "response.code >= 400"}}, {"disabled": true}]}),
            json!({"logging": [{"providers": ["file"], "filter": "response.code >= 400"}, {"disabled": true}]}),
        ),
        (
            json!({"accessLogging": [{"match": {"mode": "CLIENT"}, "disabled": true}, {"providers": [{"name": "envoy"}]}]}),
            json!({"logging": [{"providers": ["envoy"]}]}),
        ),
        (
            json!({"metrics": [{"providers": [{"name": "prometheus"}], "overrides": [
                {"match": {"metric": "REQUEST_COUNT", "mode": "SERVER"}, "tagOverrides": {
                    "response_code": {"operation": "REMOVE"}, "host": {"value": "request.host"},
                }},
                {"match": {"metric": "ALL_METRICS"}, "disabled": true},
                {"match": {"metric": "REQUEST_SIZE", "mode": "CLIENT"}, "disabled": true},
            ]}]}),
            json!({"measured": true, "metrics": [
                {"metric": "requestCount", "tags": {"host": "request.host", "response_code": null}},
                {"disabled": true},
            ]}),
        ),
        (
            json!({"tracing": [{
                "providers": [{"name": "otel"}], "randomSamplingPercentage": 12.5, "disableSpanReporting": false,
                "customTags": {
                    "a": {"literal": {"value": "1"}},
                    "b": {"header": {"name": "X-B", "defaultValue": "2"}},
                    "c": {"environment": {"name": "C"}},
                },
            }]}),
            json!({"tracing": [{
                "provider": "otel", "sampling": 12.5, "disabled": false,
                "tags": {"a": {"literal": "1"}, "b": {"header": ["x-b", "2"]}, "c": {"environment": ["C", ""]}},
            }]}),
        ),
    ];
    for (spec, wanted) in rows {
        let mut mesh = Mesh::new();
        mesh.put(Sort::Telemetry, "shop/t", spec.clone());
        assert_eq!(told(&mesh, "shop/t"), "WaypointAccepted=Accepted", "{spec}");
        let mut whole = mesh.of("telemetry/shop/t")[0].clone();
        let fields = whole.as_object_mut().expect("fields");
        assert_eq!(fields.remove("scope"), Some("namespace".into()));
        fields.retain(|name, _| !["namespace", "name", "created"].contains(&&**name));
        assert_eq!(whole, wanted, "{spec}");
    }
}

#[test]
fn what_it_is_about_is_what_it_names() {
    let service = json!([{"kind": "Service", "group": "", "name": "orders"}]);
    let class = json!([{"kind": "GatewayClass", "group": "gateway.networking.k8s.io", "name": "istio-waypoint"}]);
    let missing = json!([{"kind": "ServiceEntry", "group": "networking.istio.io", "name": "none"}]);
    let rows = [
        ("istio-system/t", json!({}), json!("mesh"), "WaypointAccepted=Accepted"),
        ("shop/t", json!({}), json!("namespace"), "WaypointAccepted=Accepted"),
        (
            "shop/t",
            json!({"targetRefs": service}),
            json!({"targets": [{"service": "shop/orders.shop.svc.cluster.local"}]}),
            "WaypointAccepted=Accepted",
        ),
        (
            "istio-system/t",
            json!({"targetRefs": class}),
            json!({"targets": ["anyWaypoint"]}),
            "WaypointAccepted=Accepted",
        ),
        ("shop/t", json!({"targetRefs": missing}), json!(null), "WaypointAccepted!TargetNotFound"),
        ("shop/t", json!({"selector": {"matchLabels": {"a": "b"}}}), json!(null), "WaypointAccepted!Invalid"),
    ];
    for (name, spec, scope, wanted) in rows {
        let mut mesh = Mesh::new();
        mesh.put(Sort::Telemetry, name, spec.clone());
        assert_eq!(told(&mesh, name), wanted, "{name} {spec}");
        let found = mesh.of("telemetry/").first().map_or(Value::Null, |t| t["scope"].clone());
        assert_eq!(found, scope, "{name} {spec}");
    }
}

#[test]
fn what_is_wrong_is_refused_and_what_was_right_stays() {
    let over = |fields: Value| json!({"metrics": [{"overrides": [fields]}]});
    let tag = |name: &str, tag: Value| json!({"metrics": [{"overrides": [{"tagOverrides": {name: tag}}]}]});
    let traced = |fields: Value| json!({"tracing": [fields]});
    let logged = |fields: Value| json!({"accessLogging": [fields]});
    let providers = |names: &[&str]| -> Value { names.iter().map(|name| json!({"name": name})).collect() };
    let rows = [
        (
            tag("a", json!({"value": "request.nothing"})),
            "tagOverrides.a: \"request.nothing\": request.nothing is no attribute",
        ),
        (tag("a", json!({"value": "node"})), "node is no attribute"),
        (tag("a", json!({})), "value has to be there"),
        (tag("a-b", json!({"value": "'1'"})), "is no name of a label"),
        (over(json!({"match": {"customMetric": "m"}})), "customMetric is not supported"),
        (over(json!({"match": {"metric": "TCP_SENT_BYTES"}})), "metrics of connections cannot be changed"),
        (json!({"metrics": [{"providers": [{"name": "otel"}]}]}), "provider otel is none for metrics"),
        (json!({"metrics": [{"reportingInterval": "5s"}]}), "reportingInterval is not supported"),
        (logged(json!({"filter": {"expression": "response.code >="}})), "cannot be read"),
        (logged(json!({"providers": providers(&["none"])})), "there is no provider none"),
        (logged(json!({"providers": providers(&["otel"])})), "provider otel is none for access logs"),
        (logged(json!({"providers": providers(&["odd"])})), "command %NOPE% of the format is not supported"),
        (traced(json!({"providers": providers(&["far"])})), "datadog is no kind"),
        (traced(json!({"providers": providers(&["otel", "otel"])})), "only one provider"),
        (traced(json!({"randomSamplingPercentage": 101.0})), "from 0 to 100"),
        (traced(json!({"useRequestIdForTraceSampling": true})), "is not supported"),
        (traced(json!({"customTags": {"a": {}}})), "exactly one of"),
        (traced(json!({"customTags": {"a": {"formatter": {"value": "x"}}}})), "formatter is not supported"),
        (traced(json!({"later": 1})), "unknown field"),
        (traced(json!({"providers": "x"})), "spec.tracing[0].providers"),
    ];
    for (spec, message) in rows {
        let mut mesh = Mesh::new();
        mesh.put(Sort::Telemetry, "shop/t", spec.clone());
        assert_eq!(told(&mesh, "shop/t"), "WaypointAccepted!Invalid", "{spec}");
        let said = mesh.messages(Sort::Telemetry, "shop/t");
        assert!(said.contains(&message.replace('"', "\\\"")) && said.contains("it has no effect"), "{spec}: {said}");
        assert!(mesh.of("telemetry/").is_empty(), "{spec}");
        mesh.put(Sort::Telemetry, "shop/t", json!({"accessLogging": [{"disabled": true}]}));
        mesh.put(Sort::Telemetry, "shop/t", spec.clone());
        assert_eq!(mesh.of("telemetry/shop/t")[0]["logging"][0]["disabled"], true, "{spec}");
        assert!(mesh.messages(Sort::Telemetry, "shop/t").contains("what generation 2 says stays in effect"), "{spec}");
    }
}
