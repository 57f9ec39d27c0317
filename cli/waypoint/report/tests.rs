use std::collections::BTreeMap;

use serde_json::json;
use source::object::Custom;

use super::*;
use crate::waypoint::view::{Told, read};

/// A waypoint of namespace `shop`, as it is told of.
fn proxy(name: &str, traffic: &str, status: &Value) -> Proxy {
    let gateway = Custom {
        key: ObjectKey { namespace: "shop".into(), name: name.into() },
        labels: Map::from([(labels::WAYPOINT_FOR.to_owned(), traffic.to_owned())]),
        generation: 2,
        spec: json!({"gatewayClassName": "istio-waypoint",
            "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]}),
        status: status.clone(),
        ..Custom::default()
    };
    let waypoint = read(&gateway, &std::collections::HashMap::new()).expect("a waypoint");
    Proxy { gateway, waypoint, pods: Vec::new(), wanted: Some(2) }
}

fn programmed(status: &str, generation: i64) -> Value {
    let condition = json!({"type": "Programmed", "status": status, "reason": "R", "message": "m",
        "observedGeneration": generation});
    json!({"conditions": [condition], "addresses": [{"type": "IPAddress", "value": "10.0.0.9"}]})
}

fn member(kind: Kind, namespace: &str, name: &str, labels: &Value, told: Option<(bool, &str, &str)>) -> Member {
    let key = ObjectKey { namespace: namespace.into(), name: name.into() };
    let labels = serde_json::from_value(labels.clone()).expect("labels");
    let told = told.map(|(holds, reason, message)| Told { holds, reason: reason.into(), message: message.into() });
    Member { object: Labelled { kind, key, labels, version: None }, told }
}

fn view(proxies: Vec<Proxy>, members: Vec<Member>, shop: &Value) -> View {
    let shop: Map = serde_json::from_value(shop.clone()).expect("labels");
    let key = ObjectKey { namespace: "shop".into(), name: "shop".into() };
    let spaces = vec![Labelled { kind: Kind::Namespace, key, labels: shop.clone(), version: None }];
    let namespaces = BTreeMap::from([("shop".to_owned(), shop), ("other".to_owned(), Map::new())]);
    View { proxies, members, namespaces, spaces, ..View::default() }
}

#[test]
fn a_gateway_that_was_not_looked_at_again_says_nothing() {
    let rows = [
        (programmed("True", 2), false, State::Ready),
        (programmed("False", 2), false, State::NotReady),
        (programmed("True", 1), false, State::Unknown),
        (programmed("Unknown", 2), false, State::Unknown),
        (programmed("True", 2), true, State::NotReady),
        (json!(null), false, State::Unknown),
        (json!({"conditions": "none"}), false, State::Unknown),
        (json!({"conditions": [{"type": "Programmed"}]}), false, State::Unknown),
    ];
    for (status, deleting, state) in rows {
        let mut proxy = proxy("waypoint", "service", &status);
        proxy.gateway.deleting = deleting;
        let report = reports(&view(vec![proxy], vec![], &json!({}))).remove(0);
        assert_eq!(report.state, state, "{status} {deleting}");
        assert_eq!(report.count(), "0/2");
    }
}

/// Traffic of the waypoint, labels of namespace `shop`, who → what is said of him; nothing if he is not the waypoint's.
type Row = (&'static str, Value, Member, Option<Result<(), &'static str>>);

#[test]
fn who_is_behind_a_waypoint_and_who_is_not_and_why() {
    let (own, space, canary) = (labels::USE_WAYPOINT, labels::USE_WAYPOINT_NAMESPACE, labels::USE_CANARY);
    let names = json!({own: "waypoint"});
    let bound = Some((true, "WaypointAccepted", "bound to waypoint shop/waypoint"));
    let (service, entry, pod) = (Kind::Service, Kind::ServiceEntry, Kind::Pod);
    let cross = json!({own: "waypoint", space: "shop"});
    let tried = json!({own: "gate", canary: "waypoint"});
    let rows: Vec<Row> = vec![
        ("service", json!({}), member(service, "shop", "web", &json!({}), None), None),
        ("service", json!({}), member(service, "shop", "web", &names, bound), Some(Ok(()))),
        ("service", names.clone(), member(service, "shop", "web", &json!({}), bound), Some(Ok(()))),
        ("service", names.clone(), member(service, "shop", "web", &json!({own: "none"}), bound), None),
        ("service", names.clone(), member(service, "shop", "web", &json!({own: "gate"}), bound), None),
        // It still speaks of another one.
        (
            "service",
            json!({}),
            member(service, "shop", "web", &names, Some((true, "WaypointAccepted", "bound to waypoint shop/gate"))),
            Some(Err("Unknown: the control plane has said nothing of it yet")),
        ),
        ("service", json!({}), member(service, "shop", "web", &names, None), Some(Err("Unknown: "))),
        (
            "service",
            json!({}),
            member(service, "shop", "web", &names, Some((false, "WaypointIsNotReady", "was not ready yet"))),
            Some(Err("WaypointIsNotReady: was not ready yet")),
        ),
        // Where the control plane says nothing, we say what it would.
        (
            "service",
            json!({}),
            member(service, "other", "web", &cross, None),
            Some(Err("AttachmentDenied: Gateway shop/waypoint does not allow namespace other")),
        ),
        (
            "workload",
            json!({}),
            member(service, "shop", "web", &names, None),
            Some(Err("UnsupportedTrafficType: waypoint shop/waypoint takes no traffic to services")),
        ),
        // What a namespace's waypoint leaves alone is no refusal.
        (
            "workload",
            names.clone(),
            member(service, "shop", "web", &json!({}), Some((false, "UnsupportedTrafficType", "x"))),
            None,
        ),
        // ServiceEntries are services.
        ("service", names.clone(), member(entry, "shop", "pay", &json!({}), bound), Some(Ok(()))),
        ("service", names.clone(), member(entry, "shop", "pay", &json!({own: "none"}), bound), None),
        ("service", names.clone(), member(pod, "shop", "web", &json!({}), None), None),
        (
            "service",
            json!({}),
            member(pod, "shop", "web", &names, None),
            Some(Err("UnsupportedTrafficType: waypoint shop/waypoint takes no traffic to pods")),
        ),
        ("all", names.clone(), member(pod, "shop", "web", &json!({}), None), Some(Ok(()))),
        ("workload", json!({}), member(pod, "shop", "web", &names, None), Some(Ok(()))),
        ("all", json!({}), member(pod, "other", "web", &cross, None), Some(Err("AttachmentDenied: "))),
        // A canary.
        (
            "service",
            json!({}),
            member(
                service,
                "shop",
                "web",
                &tried,
                Some((
                    true,
                    "WaypointAccepted",
                    "bound to waypoint shop/gate, 5 % of new connections to shop/waypoint",
                )),
            ),
            Some(Ok(())),
        ),
        (
            "service",
            json!({}),
            member(
                service,
                "shop",
                "web",
                &tried,
                Some((
                    true,
                    "CanaryInvalidWeight",
                    "bound to waypoint shop/gate alone, and to no canary of shop/waypoint: 500",
                )),
            ),
            Some(Err("CanaryInvalidWeight: ")),
        ),
        ("all", json!({}), member(pod, "shop", "web", &tried, None), None),
    ];
    for (traffic, shop, member, wanted) in rows {
        let (told, kind) = (format!("{traffic} {shop} {member:?}"), member.object.kind);
        let view = view(vec![proxy("waypoint", traffic, &programmed("True", 2))], vec![member], &shop);
        let report = reports(&view).remove(0);
        let bound = match kind {
            Kind::Pod => &report.bound_pods,
            Kind::ServiceEntry => &report.bound_service_entries,
            _ => &report.bound_services,
        };
        let refused: Vec<String> = report.refused.iter().map(|r| format!("{}: {}", r.reason, r.message)).collect();
        match wanted {
            None => assert!(bound.is_empty() && refused.is_empty(), "{told}: {report:?}"),
            Some(Ok(())) => assert!(bound.len() == 1 && refused.is_empty(), "{told}: {report:?}"),
            Some(Err(why)) => {
                assert!(bound.is_empty() && refused.len() == 1 && refused[0].starts_with(why), "{told}: {refused:?}");
            }
        }
    }
}

#[test]
fn nobody_is_behind_a_waypoint_that_was_never_ready() {
    let names = json!({labels::USE_WAYPOINT: "waypoint"});
    let members = vec![
        member(Kind::Pod, "shop", "web", &names, None),
        member(
            Kind::Service,
            "shop",
            "web",
            &names,
            Some((true, "WaypointAccepted", "bound to waypoint shop/waypoint")),
        ),
    ];
    let report = reports(&view(vec![proxy("waypoint", "all", &json!(null))], members, &names)).remove(0);
    assert!(report.refused.len() == 2 && report.refused.iter().all(|refused| refused.pending), "{report:?}");
    assert_eq!(report.namespaces, ["shop"]);
}
