use proptest::prelude::*;
use serde_json::{Value, json};

use crate::l7::{Sort, tests::Mesh};

fn route(to: &str) -> Value {
    json!({
        "parentRefs": [{"group": "", "kind": "Service", "name": "orders", "namespace": "shop"}],
        "rules": [{"backendRefs": [{"name": to, "port": 80}]}],
    })
}

#[test]
fn only_what_changed_is_told() {
    let mut mesh = Mesh::new();
    for number in 0..50 {
        mesh.put(Sort::HTTPRoute, &format!("shop/r{number}"), route("orders-v2"));
    }
    assert_eq!(mesh.keys().len(), 50);
    mesh.put(Sort::HTTPRoute, "shop/r7", route("orders"));
    assert_eq!(mesh.changed, 1);
    mesh.put(Sort::HTTPRoute, "shop/r7", route("orders"));
    assert_eq!(mesh.changed, 0, "the same again is no change");
    mesh.service("shop/orders", &[80, 8080]);
    assert_eq!(mesh.changed, 0);
    mesh.service("shop/orders-v2", &[80, 81]);
    assert_eq!(mesh.changed, 0, "a port that nobody asks for changes no route");
    mesh.service("shop/orders-v2", &[81]);
    assert_eq!(mesh.changed, 49, "those that lead to it");
    mesh.no_service("shop/orders");
    assert_eq!(mesh.changed, 50, "no route without its parent");
    assert!(mesh.keys().is_empty());
}

#[test]
fn statuses_are_told_when_they_change() {
    let mut mesh = Mesh::new();
    mesh.put(Sort::HTTPRoute, "shop/r", route("none"));
    let out = mesh.l7.service(&crate::l7::tests::key("web/front"), None);
    assert!(out.statuses.is_empty(), "of no concern");
    mesh.service("shop/none", &[80]);
    assert!(mesh.told(Sort::HTTPRoute, "shop/r").contains("ResolvedRefs=ResolvedRefs"));
    assert_eq!(mesh.statuses[&(Sort::HTTPRoute, "shop/r".to_owned())].generation, 1);
}

#[test]
fn beside_a_route_of_grpc_one_of_http_does_not_count_and_says_so() {
    let mut mesh = Mesh::new();
    let at = |port: Option<u16>, namespace: &str| {
        let mut route = route("orders-v2");
        route["parentRefs"][0]["port"] = json!(port);
        (format!("{namespace}/r"), route)
    };
    let (conflicted, good) = ("Accepted!Conflicted", "Accepted=Accepted");
    // HTTPRoute, GRPCRoute, what becomes of the first.
    let rows = [
        (at(None, "shop"), at(None, "shop"), conflicted),
        (at(Some(80), "shop"), at(None, "shop"), conflicted),
        (at(Some(80), "shop"), at(Some(80), "shop"), conflicted),
        (at(Some(80), "shop"), at(Some(8080), "shop"), good),
        // At other ports it counts.
        (at(None, "shop"), at(Some(80), "shop"), good),
        // The clients of a namespace that has a route of its own are others.
        (at(None, "web"), at(None, "shop"), good),
        (at(None, "web"), at(None, "web"), conflicted),
    ];
    mesh.service("shop/orders", &[80, 8080]);
    for ((http, http_spec), (grpc, grpc_spec), wanted) in rows {
        mesh.put(Sort::HTTPRoute, &http, http_spec.clone());
        assert!(mesh.told(Sort::HTTPRoute, &http).starts_with(good));
        mesh.put(Sort::GRPCRoute, &grpc, grpc_spec.clone());
        let told = mesh.told(Sort::HTTPRoute, &http);
        assert!(told.starts_with(wanted), "{http_spec} beside {grpc_spec}: {told}");
        let applied = mesh.keys().iter().any(|key| key.contains("HTTPRoute/"));
        assert_eq!(applied, wanted == good, "{http_spec} beside {grpc_spec}");
        mesh.delete(Sort::GRPCRoute, &grpc);
        assert!(mesh.told(Sort::HTTPRoute, &http).starts_with(good), "it is gone");
        mesh.delete(Sort::HTTPRoute, &http);
    }
}

/// One change of a small world.
#[derive(Clone, Debug)]
enum Step {
    Service(usize, Option<Vec<u16>>),
    Namespace(usize, usize),
    Object(usize, usize, Option<usize>),
    Entry(usize, Option<usize>),
    Grant(bool),
    Pod(usize, Option<usize>),
}

const NAMESPACES: [&str; 2] = ["shop", "web"];
const SERVICES: [&str; 3] = ["shop/orders", "shop/orders-v2", "web/front"];

/// The kinds of objects, and forms that one may have.
fn forms() -> Vec<(Sort, Vec<Value>)> {
    let target = json!([{"group": "", "kind": "Service", "name": "orders"}]);
    let host = "orders.shop.svc.cluster.local";
    let to = |host: &str| json!([{"destination": {"host": host, "subset": "v1"}}]);
    vec![
        (Sort::HTTPRoute, vec![route("orders-v2"), route("front"), json!({"parentRefs": 7})]),
        (Sort::GRPCRoute, vec![route("orders-v2"), route("front")]),
        (
            Sort::TCPRoute,
            vec![
                json!({"parentRefs": route("")["parentRefs"], "rules": [{"backendRefs": [{"name": "front", "namespace": "web", "port": 80}]}]}),
            ],
        ),
        (
            Sort::VirtualService,
            vec![
                json!({"hosts": [host], "http": [{"match": [{"sourceLabels": {"app": "x"}}], "route": to(host)}]}),
                json!({"hosts": ["*"], "exportTo": ["."], "http": [{"delegate": {"name": "b", "namespace": "web"}}], "tcp": [{"route": to("a.example.com")}]}),
                json!({"http": [{"route": to("front.web.svc.cluster.local")}]}),
                json!({"hosts": [host], "http": [{}]}),
            ],
        ),
        (
            Sort::DestinationRule,
            vec![
                json!({"host": host, "subsets": [{"name": "v1", "labels": {"version": "v1"}}]}),
                json!({"host": "*", "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}, "workloadSelector": {"matchLabels": {"app": "x"}}}),
                json!({"host": "*.com", "exportTo": ["web"]}),
                json!({"host": host, "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": -1}}}}),
            ],
        ),
        (
            Sort::BackendTLSPolicy,
            vec![json!({"targetRefs": target, "validation": {"hostname": "h", "wellKnownCACertificates": "System"}})],
        ),
        (Sort::XBackendTrafficPolicy, vec![json!({"targetRefs": target, "retryConstraint": {}})]),
        (
            Sort::AuthorizationPolicy,
            vec![
                json!({"targetRefs": target, "rules": [{}]}),
                json!({"targetRefs": target, "action": "DENY", "rules": [{"to": [{}]}]}),
            ],
        ),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let ports = prop::option::of(prop::sample::subsequence(vec![80u16, 81], 0..=2));
    prop_oneof![
        (0..SERVICES.len(), ports).prop_map(|(s, p)| Step::Service(s, p)),
        (0..2usize, 0..3usize).prop_map(|(n, w)| Step::Namespace(n, w)),
        (0..4usize, 0..forms().len(), prop::option::of(0..4usize)).prop_map(|(n, k, f)| Step::Object(n, k, f)),
        (0..2usize, prop::option::of(0..2usize)).prop_map(|(n, f)| Step::Entry(n, f)),
        any::<bool>().prop_map(Step::Grant),
        (0..2usize, prop::option::of(0..3usize)).prop_map(|(n, l)| Step::Pod(n, l)),
    ]
}

fn apply(mesh: &mut Mesh, step: &Step) {
    use crate::l7::tests::{custom, key};
    match step {
        Step::Service(at, Some(ports)) => mesh.service(SERVICES[*at], ports),
        Step::Service(at, None) => mesh.no_service(SERVICES[*at]),
        Step::Namespace(at, 0) => mesh.namespace(NAMESPACES[*at], &[]),
        Step::Namespace(at, 1) => mesh.namespace(NAMESPACES[*at], &[("istio.io/use-waypoint", "w")]),
        Step::Namespace(at, _) => {
            let labels = [("istio.io/use-waypoint", "w"), ("istio.io/use-waypoint-namespace", "web")];
            mesh.namespace(NAMESPACES[*at], &labels);
        }
        Step::Object(name, kind, form) => {
            let name = ["shop/a", "shop/b", "web/a", "web/b"][*name];
            let (sort, forms) = &forms()[*kind];
            match form {
                Some(form) => {
                    let out =
                        mesh.l7.object(*sort, &key(name), Some(&custom(name, 1, forms[form % forms.len()].clone())));
                    mesh.take(out);
                }
                None => mesh.delete(*sort, name),
            }
        }
        Step::Entry(at, form) => {
            // One of a namespace where a service of Kubernetes has the same host.
            let name = ["web/e", "shop/f"][*at];
            let hosts = ["a.example.com", "orders.shop.svc.cluster.local"];
            let spec = |from: usize| json!({"hosts": hosts[from..], "ports": [{"number": 80, "name": "http"}]});
            match form.map(spec) {
                Some(spec) => mesh.entry(name, spec),
                None => {
                    let out = mesh.l7.service_entry(&key(name), None);
                    mesh.take(out);
                }
            }
        }
        Step::Grant(there) => {
            let spec = json!({"from": [{"group": "gateway.networking.k8s.io", "kind": "TCPRoute", "namespace": "shop"}], "to": [{"group": "", "kind": "Service"}]});
            let grant = custom("web/g", 1, spec);
            let out = mesh.l7.reference_grant(&key("web/g"), there.then_some(&grant));
            mesh.take(out);
        }
        Step::Pod(at, labels) => {
            let name = ["shop/p", "web/p"][*at];
            let all = [("app".to_owned(), "x".to_owned()), ("version".to_owned(), "v1".to_owned())];
            let pod = labels
                .map(|n| source::object::Pod { labels: all[..n].iter().cloned().collect(), ..Default::default() });
            let out = mesh.l7.pod(&key(name), pod.as_ref());
            mesh.take(out);
        }
    }
}

/// What a step is about: of several about the same only the last one counts in the end.
fn about(step: &Step) -> (u8, usize, usize) {
    match step {
        Step::Service(at, _) => (0, *at, 0),
        Step::Namespace(at, _) => (1, *at, 0),
        Step::Object(name, kind, _) => (2, *name, *kind),
        Step::Entry(at, _) => (3, *at, 0),
        Step::Grant(_) => (4, 0, 0),
        Step::Pod(at, _) => (5, *at, 0),
    }
}

/// Tells whether a form is wrong: then what was before counts, which is another story.
fn is_wrong(step: &Step) -> bool {
    let Step::Object(_, kind, Some(form)) = step else { return false };
    let forms = &forms()[*kind].1;
    let form = &forms[form % forms.len()];
    form["parentRefs"] == 7 || form["http"][0] == json!({}) || form["trafficPolicy"]["connectionPool"].is_object()
}

proptest! {
    /// However one came to it, the same objects come to the same resources and statuses, and nothing else is left.
    #[test]
    fn changes_add_up_to_what_is(steps in prop::collection::vec(step(), 1..40)) {
        let steps: Vec<Step> = steps.into_iter().filter(|step| !is_wrong(step)).collect();
        let mut changed = Mesh::new();
        steps.iter().for_each(|step| apply(&mut changed, step));
        let mut at_once = Mesh::new();
        let last = |index: usize| steps[index + 1..].iter().all(|later| about(later) != about(&steps[index]));
        // In another order, too.
        for index in (0..steps.len()).rev().filter(|index| last(*index)) {
            apply(&mut at_once, &steps[index]);
        }
        prop_assert_eq!(&changed.resources, &at_once.resources);
        prop_assert_eq!(&changed.statuses, &at_once.statuses);
        // All of it can go again.
        for (kind, (sort, _)) in forms().iter().enumerate() {
            for name in 0..4 {
                apply(&mut changed, &Step::Object(name, kind, None));
            }
            prop_assert!(changed.l7.objects.keys().all(|(s, _)| s != sort));
        }
        prop_assert!(changed.resources.is_empty(), "{:?}", changed.keys());
        prop_assert!(changed.l7.published.is_empty() && changed.l7.watching.is_empty() && changed.l7.watched.is_empty());
        prop_assert!(changed.l7.certifying.is_empty());
        prop_assert!(changed.l7.statuses.is_empty() && changed.l7.dirty.is_empty());
    }

    /// Wrong objects among others: nothing panics, and every removal is of something that was there.
    #[test]
    fn wrong_objects_leave_others_alone(steps in prop::collection::vec(step(), 1..40)) {
        let mut mesh = Mesh::new();
        steps.iter().for_each(|step| apply(&mut mesh, step));
    }
}
