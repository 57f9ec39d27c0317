use model::l7::external_auth::ExternalAuth;
use serde_json::{Value, json};

use crate::l7::{
    Providers, Sort,
    hosts::Audience,
    known::{Claim, Known, Lookup, Service},
    tests::{Mesh, assert_has, key},
};

/// A mesh with some services that may be asked.
fn lookup(providers: &Value, check: impl FnOnce(&Lookup<'_>)) {
    let providers = Providers::read(providers.as_array().expect("a list").clone()).expect("named");
    let mut known = Known::new("cluster.local".into(), "istio-system".into(), providers);
    let mut put = |namespace: &str, host: &str, native: bool, export: &[&str]| {
        let export: Vec<String> = export.iter().map(|namespace| (*namespace).to_owned()).collect();
        let service = Service {
            created: String::new(),
            ports: [(80, String::new())].into(),
            native,
            audience: Audience::of(&export, namespace),
        };
        let claim = Claim { entry: (!native).then(String::new), key: key(&format!("{namespace}/x")) };
        let service_key = model::workload::ServiceKey { namespace: namespace.into(), hostname: host.into() };
        known.set_service(&service_key, &claim, Some(service), &mut std::collections::BTreeSet::default());
    };
    put("a", "opa.a.svc.cluster.local", true, &[]);
    put("a", "opa.example", false, &[]);
    put("b", "opa.example", false, &["*"]);
    put("a", "both.example", true, &[]);
    put("b", "both.example", false, &[]);
    put("a", "own.example", false, &["."]);
    put("a", "others.example", false, &["b", "istio-system"]);
    put("b", "others.example", false, &["~"]);
    put("istio-system", "root.example", false, &["."]);
    check(&Lookup::new(&known));
}

fn ask(lookup: &Lookup<'_>) -> Result<ExternalAuth, String> {
    lookup.providers().authorizer("p").and_then(|found| found.ask(lookup).map_err(|why| why.to_string()))
}

fn grpc(fields: &Value) -> Value {
    let mut all = json!({"service": "opa.a.svc.cluster.local", "port": 80});
    all.as_object_mut().expect("fields").extend(fields.as_object().cloned().unwrap_or_default());
    json!([{"name": "p", "envoyExtAuthzGrpc": all}])
}

fn http(fields: &Value) -> Value {
    json!([{"name": "p", "envoyExtAuthzHttp": grpc(fields)[0]["envoyExtAuthzGrpc"]}])
}

#[test]
fn providers_say_who_is_asked_and_how() {
    let usual = json!({"grpc": {}});
    let to = |namespace: &str, host: &str| json!({"service": {"service": format!("{namespace}/{host}"), "port": 80}});
    let seconds = |secs: u64| json!({"secs": secs, "nanos": 0});
    let rows = [
        (
            grpc(&json!({})),
            json!({"target": to("a", "opa.a.svc.cluster.local"), "protocol": usual, "timeout": seconds(600), "failOpen": null,
                "statusOnError": null, "maxBody": null, "wholeBody": null}),
        ),
        (grpc(&json!({"service": "a/opa"})), json!({"target": to("a", "opa.a.svc.cluster.local")})),
        (grpc(&json!({"service": "b/opa.example"})), json!({"target": to("b", "opa.example")})),
        (grpc(&json!({"service": "both.example"})), json!({"target": to("a", "both.example")})),
        // What the mesh's configuration names is seen from the root namespace, and what that may not see does not count.
        (grpc(&json!({"service": "others.example"})), json!({"target": to("a", "others.example")})),
        (grpc(&json!({"service": "root.example"})), json!({"target": to("istio-system", "root.example")})),
        (
            grpc(&json!({"timeout": "2s", "failOpen": true, "clearRouteCache": true, "statusOnError": "503",
                "includeRequestBodyInCheck": {"maxRequestBytes": 10, "packAsBytes": true}})),
            json!({"timeout": seconds(2), "failOpen": true, "statusOnError": 503, "maxBody": 10, "wholeBody": true,
                "protocol": {"grpc": {"rawBody": true}}}),
        ),
        (
            http(
                &json!({"includeRequestBodyInCheck": {"maxRequestBytes": 10, "allowPartialMessage": true}, "statusOnError": 500}),
            ),
            json!({"maxBody": 10, "wholeBody": null, "statusOnError": 500, "protocol": {"http": {
                "path": null, "headers": null, "add": null, "responseHeaders": [], "clientHeaders": null, "refusalHeaders": null,
                "errorsFail": true}}}),
        ),
        (
            http(
                &json!({"pathPrefix": "/ask", "includeRequestHeadersInCheck": ["X-A", "x-b-*"], "includeHeadersInCheck": ["*-c"],
                "includeAdditionalHeadersInCheck": {"X-D": "1"}, "headersToUpstreamOnAllow": ["X-E"],
                "headersToDownstreamOnAllow": ["*"], "headersToDownstreamOnDeny": ["x-f"]}),
            ),
            json!({"protocol": {"http": {
                "path": "/ask", "headers": [{"exact": "x-a"}, {"prefix": "x-b-"}, {"suffix": "-c"}], "add": [["x-d", "1"]],
                "responseHeaders": [{"exact": "x-e"}], "clientHeaders": ["present"], "refusalHeaders": [{"exact": "x-f"}]}}}),
        ),
    ];
    for (providers, wanted) in rows {
        lookup(&providers, |lookup| {
            let ask = ask(lookup);
            let ask = ask.unwrap_or_else(|why| panic!("{providers}: {why}"));
            assert_has(&serde_json::to_value(&ask).expect("serialises"), &wanted, &providers.to_string());
        });
    }
}

#[test]
fn what_cannot_be_asked_says_why() {
    let rows = [
        (json!([]), "there is no provider p"),
        (json!([{"name": "p", "prometheus": {}}]), "none that is asked"),
        (json!([{"name": "p", "zipkin": {"service": "z", "port": 1}}]), "none that is asked"),
        (json!([{"name": "p", "envoyExtAuthzGrpc": {}, "zipkin": {}}]), "exactly one kind"),
        (grpc(&json!({"later": 1})), "unknown field `later`"),
        (grpc(&json!({"pathPrefix": "/a"})), "unknown field `pathPrefix`"),
        (grpc(&json!({"service": "a/b/c"})), "is no host and port"),
        (grpc(&json!({"port": 0})), "is no host and port"),
        (grpc(&json!({"port": 81})), "has no port 81; it has 80"),
        (grpc(&json!({"service": "none.example"})), "service none.example is not there: a Service or a ServiceEntry"),
        (grpc(&json!({"service": "c/opa.example"})), "is not there in namespace c"),
        (grpc(&json!({"service": "opa.example"})), "several namespaces have the host opa.example"),
        (
            grpc(&json!({"service": "own.example"})),
            "service own.example is not shown to namespace istio-system: the exportTo of its ServiceEntry",
        ),
        (grpc(&json!({"service": "b/others.example"})), "others.example is not shown to namespace istio-system"),
        (grpc(&json!({"statusOnError": "200"})), "statusOnError: 200 is no status of an error"),
        (grpc(&json!({"timeout": "0s"})), "timeout has to be more than 0"),
        (grpc(&json!({"timeout": "soon"})), "soon"),
        (grpc(&json!({"includeRequestBodyInCheck": {}})), "maxRequestBytes has to be more than 0"),
        (http(&json!({"pathPrefix": "a"})), "pathPrefix \"a\" has to begin with a slash"),
        (http(&json!({"pathPrefix": "/a?b"})), "neither query nor fragment"),
        (http(&json!({"headersToUpstreamOnAllow": ["a b"]})), "is no name of a header"),
        (http(&json!({"includeAdditionalHeadersInCheck": {"Host": "a"}})), "host cannot be set"),
        (http(&json!({"includeAdditionalHeadersInCheck": {"a": "\n"}})), "header a has no value"),
    ];
    for (providers, wanted) in rows {
        lookup(&providers, |lookup| {
            let why = ask(lookup).expect_err("it cannot be asked");
            assert!(why.contains(wanted), "{providers}: {why}");
        });
    }
    let asked = Providers::read(grpc(&json!({})).as_array().expect("a list").clone()).expect("named");
    assert_eq!(asked.named("p", true), Err("provider p is none for tracing".to_owned()));
}

#[test]
fn a_policy_is_told_with_whom_it_asks_as_its_service_comes_and_goes() {
    let mut mesh = Mesh::new();
    let targets = json!([{"kind": "Service", "group": "", "name": "orders"}]);
    let spec = |provider: &str, rules: Value| json!({"targetRefs": targets, "action": "CUSTOM", "provider": {"name": provider}, "rules": rules});
    let told = |mesh: &Mesh| {
        (mesh.told(Sort::AuthorizationPolicy, "shop/p"), mesh.messages(Sort::AuthorizationPolicy, "shop/p"))
    };
    let rules = json!([{"to": [{"operation": {"paths": ["/a"]}}]}]);
    let narrow = json!([{"to": [[{"attribute": "path"}]]}]);
    mesh.put(Sort::AuthorizationPolicy, "shop/p", spec("opa", rules.clone()));
    let (condition, message) = told(&mesh);
    assert_eq!(condition, "WaypointAccepted!Invalid");
    assert!(
        message.contains("opa.shop.svc.cluster.local is not there") && message.contains("its rules match"),
        "{message}"
    );
    let unasked = json!({"action": {"custom": {"provider": "opa", "ask": null}}, "rules": narrow});
    assert_has(mesh.of("authorization/")[0], &unasked, "nobody is there");

    mesh.service("shop/opa", &[9191]);
    assert_eq!(told(&mesh).0, "WaypointAccepted=Accepted");
    let target = json!({"service": {"service": "shop/opa.shop.svc.cluster.local", "port": 9191}});
    let asked = json!({"action": {"custom": {"ask": {"target": target}}}, "rules": narrow});
    assert_has(mesh.of("authorization/")[0], &asked, "it came");

    mesh.no_service("shop/opa");
    assert_has(mesh.of("authorization/")[0], &unasked, "it went");

    mesh.put(Sort::AuthorizationPolicy, "shop/p", spec("opb", rules));
    let message = told(&mesh).1;
    assert!(message.contains("provider opb: invalid type: integer") && message.contains("refused"), "{message}");
    for (rules, wanted) in [
        (json!([]), "without rules is about nothing"),
        (json!([{"from": [{"source": {"requestPrincipals": ["*"]}}]}]), "comes before tokens are read"),
        (json!([{"when": [{"key": "request.auth.claims[a]", "values": ["b"]}]}]), "comes before tokens are read"),
    ] {
        mesh.put(Sort::AuthorizationPolicy, "shop/p", spec("opa", rules));
        let message = told(&mesh).1;
        assert!(message.contains(wanted), "{message}");
        assert_has(mesh.of("authorization/")[0], &json!({"action": "deny", "rules": [{}]}), wanted);
    }
}
