use std::collections::BTreeMap;

use model::workload::Destination;
use prost::Message;
use serde_json::{Value, json};
use source::object::{Namespace, ServicePort, Target};
use xds::{
    ADDRESS_TYPE,
    convert::{service_from_wire, workload_from_wire},
    proto::workload::{Address, address::Type},
};

use super::*;

mod bindings;
mod entries;
mod sparing;

/// A mesh, with what proxies and statuses were told so far.
struct Told {
    mesh: Mesh,
    waypoints: BTreeMap<String, Option<String>>,
    weights: BTreeMap<String, Vec<u32>>,
    statuses: BTreeMap<String, Wanted>,
    bindings: BTreeMap<Subject, Binding>,
    served: BTreeMap<ObjectKey, Option<Serves>>,
    services: BTreeMap<String, model::Service>,
    workloads: BTreeMap<String, model::Workload>,
    sparing: BTreeMap<String, usize>,
    /// How many resources the last change published.
    published: usize,
}

fn map(pairs: &[(&str, &str)]) -> Map {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey { namespace: namespace.into(), name: name.into() }
}

const USE: &str = labels::USE_WAYPOINT;

impl Told {
    fn new() -> Self {
        let settings = Settings {
            root: "istio-system".into(),
            cluster: "Kubernetes".into(),
            trust_domain: "cluster.local".into(),
            domain: "cluster.local".into(),
            network: String::new(),
            deploys: true,
        };
        let (waypoints, weights, statuses, bindings, served) = Default::default();
        let (services, workloads, sparing) = Default::default();
        let mesh = Mesh::new(settings);
        Self { mesh, waypoints, weights, statuses, bindings, served, services, workloads, sparing, published: 0 }
    }

    fn change(&mut self, change: Change) {
        let out = self.mesh.apply(change);
        self.take(out);
    }

    fn take(&mut self, out: Output) {
        self.published = out.resources.iter().filter(|r| r.type_url == ADDRESS_TYPE).count();
        for resource in out.resources.into_iter().filter(|r| r.type_url == ADDRESS_TYPE) {
            let Some(bytes) = resource.value else {
                self.waypoints.remove(&*resource.name);
                self.services.remove(&*resource.name);
                self.workloads.remove(&*resource.name);
                continue;
            };
            let (name, waypoint) = match Address::decode(bytes).expect("decodes").r#type.expect("has a type") {
                Type::Service(wire) => {
                    let service = service_from_wire(wire).expect("a service");
                    let weights = service.weighted_waypoints.iter().map(|w| w.weight).collect();
                    self.weights.insert(service.name.to_string(), weights);
                    self.services.insert(service.key.to_string(), service.clone());
                    (service.name.to_string(), service.waypoint)
                }
                Type::Workload(wire) => {
                    let workload = workload_from_wire(wire).expect("a workload");
                    self.workloads.insert(workload.uid.to_string(), workload.clone());
                    (workload.name.to_string(), workload.waypoint)
                }
            };
            let place = waypoint.map(|w| match w.destination {
                Destination::Hostname(key) => key.to_string(),
                Destination::Address(address) => address.to_string(),
            });
            self.waypoints.insert(name, place);
        }
        self.bindings.extend(out.waypoints.bindings);
        self.served.extend(out.waypoints.served);
        for (service, waypoints) in out.waypoints.sparing {
            match waypoints.len() {
                0 => drop(self.sparing.remove(&service.to_string())),
                count => drop(self.sparing.insert(service.to_string(), count)),
            }
        }
        for wanted in out.statuses {
            self.statuses.insert(format!("{:?} {}", wanted.kind, wanted.key.name), wanted);
        }
    }

    fn namespace(&mut self, name: &str, labels: &[(&str, &str)]) {
        self.annotated_namespace(name, labels, &[]);
    }

    fn annotated_namespace(&mut self, name: &str, labels: &[(&str, &str)], annotations: &[(&str, &str)]) {
        let (labels, annotations) = (map(labels), map(annotations));
        let namespace = Namespace { name: name.into(), labels, annotations, ..Namespace::default() };
        self.change(Change::Apply(Object::Namespace(namespace)));
    }

    fn service(&mut self, namespace: &str, name: &str, labels: &[(&str, &str)]) {
        self.annotated_service(namespace, name, labels, &[]);
    }

    fn annotated_service(
        &mut self,
        namespace: &str,
        name: &str,
        labels: &[(&str, &str)],
        annotations: &[(&str, &str)],
    ) {
        let port = ServicePort { port: 80, target: Target::Number(8080), ..ServicePort::default() };
        self.change(Change::Apply(Object::Service(object::Service {
            key: key(namespace, name),
            labels: map(labels),
            annotations: map(annotations),
            selector: map(&[("app", name)]),
            addresses: vec![[10, 96, 0, 1].into()],
            ports: vec![port],
            ..object::Service::default()
        })));
    }

    fn pod(&mut self, namespace: &str, name: &str, ready: bool, labels: &[(&str, &str)]) {
        let labels = [&[("app", name)], labels].concat();
        self.change(Change::Apply(Object::Pod(Pod {
            key: key(namespace, name),
            labels: map(&labels),
            addresses: vec![[10, 0, 0, 1].into()],
            ready,
            ..Pod::default()
        })));
    }

    fn gateway_with(&mut self, namespace: &str, labels: &[(&str, &str)], change: impl FnOnce(&mut Custom)) {
        let listener = json!({"name": "mesh", "port": 15008, "protocol": "HBONE"});
        let mut gateway = Custom {
            key: key(namespace, "waypoint"),
            uid: "1".into(),
            labels: map(labels),
            spec: json!({"gatewayClassName": "istio-waypoint", "listeners": [listener]}),
            ..Custom::default()
        };
        change(&mut gateway);
        self.change(Change::Apply(Object::Custom(Kind::Gateway, gateway)));
    }

    fn gateway(&mut self, namespace: &str, labels: &[(&str, &str)]) {
        self.gateway_with(namespace, labels, |_| {});
    }

    /// Makes what the deployment of `NAMESPACE/waypoint` makes.
    fn deployed(&mut self, namespace: &str, ready: bool) {
        let own = [(labels::GATEWAY_NAME, "waypoint"), (labels::MANAGED, "istio.io-mesh-controller")];
        self.service(namespace, "waypoint", &own);
        self.pod(namespace, "waypoint", ready, &own);
    }

    fn waypoint(&self, name: &str) -> Option<&str> {
        self.waypoints[name].as_deref()
    }

    /// Returns status, reason and message of a condition.
    fn condition(&self, object: &str, kind: &str) -> (String, String, String) {
        let none = vec![];
        let all = self.statuses.get(object).and_then(|w| w.status["conditions"].as_array()).unwrap_or(&none);
        let text = |c: &Value, field: &str| c[field].as_str().unwrap_or_default().to_owned();
        let found = all.iter().find(|c| c["type"] == kind);
        found.map(|c| (text(c, "status"), text(c, "reason"), text(c, "message"))).unwrap_or_default()
    }

    fn reason(&self, object: &str) -> String {
        self.condition(object, "istio.io/WaypointBound").1
    }
}

const OF_SHOP: Option<&str> = Some("shop/waypoint.shop.svc.cluster.local");

#[test]
fn labels_name_waypoints() {
    let elsewhere = [(USE, "waypoint"), (labels::USE_WAYPOINT_NAMESPACE, "infra")];
    let of_infra = Some("infra/waypoint.infra.svc.cluster.local");
    // Labels of the namespace, labels of the object, the waypoint of the service, that of the pod, the reason.
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a [(&'a str, &'a str)], Option<&'a str>, Option<&'a str>, &'a str);
    let rows: [Row<'_>; 11] = [
        (&[], &[], None, None, ""),
        (&[(USE, "waypoint")], &[], OF_SHOP, OF_SHOP, "WaypointAccepted"),
        (&[], &[(USE, "waypoint")], OF_SHOP, OF_SHOP, "WaypointAccepted"),
        (&[(USE, "waypoint")], &[(USE, "none")], None, None, ""),
        (&[(USE, "none")], &[(USE, "waypoint")], OF_SHOP, OF_SHOP, "WaypointAccepted"),
        (&[(USE, "other")], &[(USE, "")], None, None, "WaypointIsNotReady"),
        (&[(USE, "waypoint")], &[(USE, "other")], None, None, "WaypointIsNotReady"),
        (&elsewhere, &[], of_infra, of_infra, "WaypointAccepted"),
        (&elsewhere, &[(USE, "waypoint")], OF_SHOP, OF_SHOP, "WaypointAccepted"),
        (&[(USE, "waypoint")], &elsewhere, of_infra, of_infra, "WaypointAccepted"),
        (
            &[(USE, "waypoint")],
            &[(labels::GATEWAY_NAME, "other"), (labels::MANAGED, "istio.io-mesh-controller")],
            None,
            None,
            "",
        ),
    ];
    // In whatever order the objects are told.
    for gateways_first in [true, false] {
        for (of_namespace, own, of_service, of_pod, reason) in rows {
            let mut told = Told::new();
            let gateways = |told: &mut Told| {
                told.gateway("shop", &[(labels::WAYPOINT_FOR, "all")]);
                told.gateway_with("infra", &[(labels::WAYPOINT_FOR, "all")], |g| {
                    g.spec["listeners"][0]["allowedRoutes"] = json!({"namespaces": {"from": "All"}});
                });
                told.deployed("shop", true);
                told.deployed("infra", true);
            };
            if gateways_first {
                gateways(&mut told);
                told.namespace("shop", of_namespace);
            }
            told.service("shop", "web", own);
            told.pod("shop", "web-0", true, own);
            if !gateways_first {
                told.namespace("shop", of_namespace);
                gateways(&mut told);
            }
            let seen = (told.waypoint("web"), told.waypoint("web-0"), told.reason("Service web"));
            assert_eq!(seen, (of_service, of_pod, reason.to_owned()), "{of_namespace:?} {own:?}");
            assert_eq!(told.waypoint("waypoint"), None, "a waypoint has none before it");
        }
    }
}

#[test]
fn traffic_goes_to_a_waypoint_from_when_it_is_ready_until_it_is_deleted() {
    let mut told = Told::new();
    told.namespace("shop", &[(USE, "waypoint")]);
    told.service("shop", "web", &[]);
    let bound = |told: &Told| (told.waypoint("web").is_some(), told.reason("Service web"));
    let gateway = |told: &Told| told.condition("Gateway waypoint", "Programmed").1;
    let not_ready = "WaypointIsNotReady".to_owned();
    assert_eq!(bound(&told), (false, not_ready.clone()));
    told.gateway("shop", &[]);
    assert_eq!((bound(&told), gateway(&told)), ((false, not_ready.clone()), "Pending".into()));
    assert!(told.condition("Service web", "istio.io/WaypointBound").2.contains("was not ready yet"));
    told.deployed("shop", false);
    assert_eq!((bound(&told), gateway(&told)), ((false, not_ready.clone()), "Pending".into()));
    assert_eq!(told.statuses["Gateway waypoint"].status["addresses"], json!([]));
    told.deployed("shop", true);
    assert_eq!((bound(&told), gateway(&told)), ((true, "WaypointAccepted".into()), "Programmed".into()));
    let addresses = json!([
        {"type": "Hostname", "value": "waypoint.shop.svc.cluster.local"},
        {"type": "IPAddress", "value": "10.96.0.1"},
    ]);
    assert_eq!(told.statuses["Gateway waypoint"].status["addresses"], addresses);
    // Its pods are gone: nothing passes by its policies.
    told.pod("shop", "waypoint", false, &[]);
    assert_eq!((bound(&told), gateway(&told)), ((true, "WaypointAccepted".into()), "NoResources".into()));
    told.change(Change::Delete(Kind::Pod, key("shop", "waypoint")));
    told.change(Change::Delete(Kind::Service, key("shop", "waypoint")));
    told.gateway("shop", &[]);
    assert_eq!((bound(&told), gateway(&told)), ((true, "WaypointAccepted".into()), "NoResources".into()));
    assert_eq!(told.statuses["Gateway waypoint"].status["addresses"], json!([addresses[0]]));
    // Another of that name is another.
    told.gateway_with("shop", &[], |g| g.uid = "2".into());
    assert_eq!(bound(&told), (false, not_ready.clone()));
    told.deployed("shop", true);
    assert_eq!(bound(&told), (true, "WaypointAccepted".into()));
    told.gateway_with("shop", &[], |g| (g.uid, g.deleting) = ("2".into(), true));
    assert_eq!(bound(&told), (false, not_ready));
    assert!(told.condition("Service web", "istio.io/WaypointBound").2.contains("there is no Gateway shop/waypoint"));
}

#[test]
fn a_service_that_happens_to_have_the_name_is_no_waypoint() {
    let mut told = Told::new();
    told.namespace("shop", &[(USE, "waypoint")]);
    told.service("shop", "web", &[]);
    told.service("shop", "waypoint", &[]);
    told.pod("shop", "waypoint", true, &[]);
    told.gateway("shop", &[]);
    assert_eq!((told.waypoint("web"), told.condition("Gateway waypoint", "Programmed").1), (None, "Pending".into()));
}

#[test]
fn a_gateway_may_say_where_its_waypoint_is() {
    let at = |address: &str| {
        let mut told = Told::new();
        told.namespace("shop", &[(USE, "waypoint")]);
        told.service("shop", "web", &[]);
        let kind = if address.starts_with("10.") { "IPAddress" } else { "Hostname" };
        let addresses = json!([{"type": kind, "value": address}]);
        told.gateway_with("shop", &[], |g| g.spec["addresses"] = addresses);
        told
    };
    let mut told = at("own");
    assert_eq!(told.waypoint("web"), None);
    told.service("shop", "own", &[]);
    told.pod("shop", "own", true, &[]);
    assert_eq!(told.waypoint("web"), Some("shop/own.shop.svc.cluster.local"), "once a pod of it is ready");
    assert_eq!(at("far.infra").waypoint("web"), Some("infra/far.infra.svc.cluster.local"));
    assert_eq!(at("10.1.2.3").waypoint("web"), Some("/10.1.2.3"));
}

#[test]
fn what_was_bound_before_a_restart_is_bound_after_it() {
    let mut told = Told::new();
    told.namespace("shop", &[(USE, "waypoint")]);
    told.service("shop", "web", &[]);
    told.gateway_with("shop", &[], |g| {
        g.status = json!({"addresses": [{"type": "Hostname", "value": "waypoint.shop.svc.cluster.local"}]});
    });
    assert_eq!(told.waypoint("web"), OF_SHOP);
    assert_eq!(told.condition("Gateway waypoint", "Programmed").1, "NoResources");
}

#[test]
fn a_waypoint_says_what_and_whom_it_serves() {
    let mut told = Told::new();
    told.namespace("shop", &[(USE, "waypoint"), (labels::USE_WAYPOINT_NAMESPACE, "infra")]);
    told.service("shop", "web", &[]);
    told.pod("shop", "web-0", true, &[]);
    told.deployed("infra", true);
    let allow = |told: &mut Told, allowed: Value, labels: &[(&str, &str)]| {
        told.gateway_with("infra", labels, |g| {
            g.spec["listeners"][0]["allowedRoutes"] = json!({"namespaces": allowed})
        });
        (told.waypoint("web").is_some(), told.waypoint("web-0").is_some(), told.reason("Service web"))
    };
    let for_all = [(labels::WAYPOINT_FOR, "all")];
    let denied = (false, false, "AttachmentDenied".to_owned());
    let accepted = || "WaypointAccepted".to_owned();
    let select = json!({"from": "Selector", "selector": {"matchLabels": {"team": "web"}}});
    assert_eq!(allow(&mut told, json!({}), &for_all), denied);
    assert_eq!(allow(&mut told, json!({"from": "All"}), &for_all), (true, true, accepted()));
    assert_eq!(allow(&mut told, json!({"from": "All"}), &[]), (true, false, accepted()));
    let unsupported = "UnsupportedTrafficType".to_owned();
    let all = json!({"from": "All"});
    assert_eq!(
        allow(&mut told, all.clone(), &[(labels::WAYPOINT_FOR, "workload")]),
        (false, true, unsupported.clone())
    );
    assert_eq!(allow(&mut told, all.clone(), &[(labels::WAYPOINT_FOR, "none")]), (false, false, unsupported));
    assert_eq!(allow(&mut told, all, &[(labels::WAYPOINT_FOR, "typo")]), (true, true, accepted()));
    assert_eq!(told.condition("Gateway waypoint", "Accepted").1, "Invalid");
    assert_eq!(allow(&mut told, select, &for_all), denied);
    let labels = [(USE, "waypoint"), (labels::USE_WAYPOINT_NAMESPACE, "infra"), ("team", "web")];
    told.namespace("shop", &labels);
    assert_eq!((told.waypoint("web").is_some(), told.reason("Service web")), (true, accepted()));
}

#[test]
fn a_second_waypoint_is_tried_with_a_part() {
    let canary = |name: &'static str| [(USE, "waypoint"), (labels::USE_CANARY, name)];
    let mut told = Told::new();
    told.namespace("shop", &[]);
    told.deployed("shop", true);
    told.gateway("shop", &[]);
    told.gateway_with("shop", &[], |g| (g.key.name, g.uid) = ("next".into(), "2".into()));
    let own = [(labels::GATEWAY_NAME, "next"), (labels::MANAGED, "istio.io-mesh-controller")];
    let weights = |told: &mut Told, labels: &[(&str, &str)], weight: Option<&str>| {
        let annotations: Vec<_> = weight.map(|w| (labels::CANARY_WEIGHT, w)).into_iter().collect();
        told.annotated_service("shop", "web", labels, &annotations);
        assert_eq!(told.waypoint("web"), OF_SHOP, "the first one stays");
        let shares: Vec<u32> = told.weights["web"].clone();
        (shares, told.reason("Service web"))
    };
    let accepted = |shares: &[u32]| (shares.to_vec(), "WaypointAccepted".to_owned());
    let alone = |reason: &str| (vec![], reason.to_owned());
    assert_eq!(weights(&mut told, &canary("next"), Some("5")), alone("WaypointIsNotReady"));
    told.service("shop", "next", &own);
    told.pod("shop", "next", true, &own);
    assert_eq!(told.weights["web"], [95, 5], "as soon as it is ready");
    assert_eq!(weights(&mut told, &canary("next"), Some("100")), accepted(&[0, 100]));
    assert_eq!(weights(&mut told, &canary("next"), None), accepted(&[]));
    assert_eq!(weights(&mut told, &canary("next"), Some("0")), accepted(&[]));
    for wrong in ["101", "-1", "half", "5%", ""] {
        assert_eq!(weights(&mut told, &canary("next"), Some(wrong)), alone("CanaryInvalidWeight"), "{wrong}");
    }
    assert_eq!(weights(&mut told, &canary("waypoint"), Some("5")), alone("CanarySameAsPrimary"));
    assert_eq!(weights(&mut told, &canary("none"), Some("5")), alone("WaypointIsNotReady"));
    assert!(
        told.condition("Service web", "istio.io/WaypointBound").2.starts_with("bound to waypoint shop/waypoint alone")
    );

    // Of the namespace only with the namespace's own waypoint.
    let annotations = [(labels::CANARY_WEIGHT, "10")];
    told.annotated_namespace("shop", &canary("next"), &annotations);
    assert_eq!(weights(&mut told, &[], None), accepted(&[90, 10]));
    assert_eq!(weights(&mut told, &[(USE, "waypoint")], None), accepted(&[]));
    assert_eq!(weights(&mut told, &[], None), accepted(&[90, 10]));
    told.annotated_namespace("shop", &canary("next"), &[(labels::CANARY_WEIGHT, "20")]);
    assert_eq!(told.weights["web"], [80, 20]);
    told.change(Change::Delete(Kind::Gateway, key("shop", "next")));
    assert_eq!((told.weights["web"].len(), told.waypoint("web")), (0, OF_SHOP));
}

#[test]
fn a_class_says_whose_gateways_are_and_what_they_serve() {
    let mut told = Told::new();
    told.namespace("shop", &[]);
    told.service("shop", "web", &[(USE, "waypoint")]);
    told.pod("shop", "web-0", true, &[(USE, "waypoint")]);
    told.deployed("shop", true);
    told.gateway("shop", &[]);
    assert_eq!((told.waypoint("web"), told.waypoint("web-0")), (OF_SHOP, None));
    let class = |told: &mut Told, controller: &str, labels: &[(&str, &str)]| {
        let spec = json!({"controllerName": controller});
        let class = Custom { key: key("", "istio-waypoint"), labels: map(labels), spec, ..Custom::default() };
        told.change(Change::Apply(Object::Custom(Kind::GatewayClass, class)));
    };
    class(&mut told, crate::gateway::CONTROLLER, &[(labels::WAYPOINT_FOR, "workload")]);
    assert_eq!((told.waypoint("web"), told.waypoint("web-0")), (None, OF_SHOP));
    assert_eq!(told.condition("GatewayClass istio-waypoint", "Accepted").0, "True");
    class(&mut told, "example.com/another", &[]);
    assert_eq!((told.waypoint("web"), told.waypoint("web-0")), (None, None), "it says not where it is");
    let status = json!({"addresses": [{"type": "IPAddress", "value": "10.0.0.9"}]});
    told.gateway_with("shop", &[], |g| g.status = status);
    assert_eq!(told.waypoint("web"), Some("/10.0.0.9"));
}

#[test]
fn a_change_touches_what_depends_on_it_alone() {
    let mut told = Told::new();
    told.namespace("shop", &[(USE, "waypoint")]);
    told.namespace("other", &[]);
    for number in 0..20 {
        told.service("other", &format!("s{number}"), &[]);
        told.pod("other", &format!("p{number}"), true, &[]);
    }
    told.service("shop", "web", &[]);
    told.service("other", "far", &[(USE, "waypoint"), (labels::USE_WAYPOINT_NAMESPACE, "shop")]);
    told.deployed("shop", true);
    told.gateway("shop", &[]);
    // The two services, and the waypoint's own, which has no label of its own; no pod, since it takes services alone.
    assert_eq!(told.published, 3);
    told.gateway_with("shop", &[], |g| g.annotations = map(&[("a", "b")]));
    assert_eq!(told.published, 0, "nothing that decides about binding");
    told.pod("shop", "waypoint", false, &[(labels::GATEWAY_NAME, "waypoint")]);
    assert_eq!(told.published, 1, "the pod itself");
    told.service("other", "far", &[]);
    told.change(Change::Delete(Kind::Gateway, key("shop", "waypoint")));
    assert_eq!(told.published, 2, "what says it no longer is not touched");
}

#[test]
fn a_status_goes_with_the_label() {
    let mut told = Told::new();
    told.namespace("shop", &[]);
    told.service("shop", "web", &[(USE, "waypoint")]);
    let wanted = &told.statuses["Service web"];
    assert!(!wanted.is_said());
    let observed = wanted.status.clone();
    told.service("shop", "web", &[]);
    assert!(told.statuses["Service web"].is_said(), "there was none");
    let with_status = Wanted { observed, ..told.statuses["Service web"].clone() };
    assert!(!with_status.is_said(), "the old one has to go");
}
