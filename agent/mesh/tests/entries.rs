//! What proxies are told of ServiceEntries and WorkloadEntries.

use model::service::{LoadBalancerMode, Visibility};

use super::*;

fn object((namespace, name): (&str, &str), created: &str, spec: &Value) -> Custom {
    Custom { key: key(namespace, name), created: created.into(), spec: spec.clone(), ..Custom::default() }
}

impl Told {
    fn entry(&mut self, namespace: &str, name: &str, spec: &Value) {
        self.entry_with(object((namespace, name), "", spec));
    }

    fn entry_with(&mut self, custom: Custom) {
        self.change(Change::Apply(Object::Custom(Kind::ServiceEntry, custom)));
    }

    fn external(&mut self, namespace: &str, name: &str, spec: &Value) {
        let custom = object((namespace, name), "", spec);
        self.change(Change::Apply(Object::Custom(Kind::WorkloadEntry, custom)));
    }

    /// Writes the addresses that a status is to tell, as whoever writes statuses does.
    fn write(&mut self, mut custom: Custom) {
        let wanted = &self.statuses[&format!("ServiceEntry {}", custom.key.name)];
        custom.status = wanted.status.clone();
        self.entry_with(custom);
    }

    /// Says where the workloads of a service are, and on which port they take its port 80.
    fn behind(&self, service: &str) -> Vec<String> {
        let key = ServiceKey::parse(service).expect("a name");
        let one = |w: &model::Workload| {
            let port = w.services.get(&key)?.get(&80)?;
            let at = w.addresses.first().map_or_else(|| w.hostname.to_string(), ToString::to_string);
            Some(format!("{at}:{port}"))
        };
        self.workloads.values().filter_map(one).collect()
    }

    fn addresses(&self, service: &str) -> Vec<String> {
        let found = self.services.get(service);
        let ranges = found.iter().flat_map(|s| &s.cidr_vips).map(|c| format!("{}/{}", c.address, c.length));
        found.iter().flat_map(|s| &s.vips).map(|v| v.address.to_string()).chain(ranges).collect()
    }
}

const PORT: (u16, &str, &str) = (80, "http", "HTTP");

fn spec(hosts: &[&str], resolution: &str, more: Value) -> Value {
    let (number, name, protocol) = PORT;
    let port = json!({"number": number, "name": name, "protocol": protocol, "targetPort": 8080});
    let mut spec = json!({"hosts": hosts, "resolution": resolution, "ports": [port]});
    if let (Some(spec), Value::Object(more)) = (spec.as_object_mut(), more) {
        spec.extend(more);
    }
    spec
}

#[test]
fn each_resolution_has_its_endpoints() {
    let endpoints = json!([
        {"address": "192.0.2.1", "ports": {"http": 9090}, "locality": "r/z/s", "weight": 3, "serviceAccount": "vm", "network": "far"},
        {"address": "out.test"},
        {"address": "unix:///run/socket"},
    ]);
    for (resolution, more, want, mode) in [
        (
            "STATIC",
            json!({"endpoints": endpoints}),
            &["192.0.2.1:9090", "out.test:8080"][..],
            LoadBalancerMode::Standard,
        ),
        ("DNS", json!({}), &["api.test:8080"], LoadBalancerMode::Standard),
        ("DNS", json!({"endpoints": [{"address": "Out.test"}]}), &["out.test:8080"], LoadBalancerMode::Standard),
        ("DYNAMIC_DNS", json!({}), &["api.test:8080"], LoadBalancerMode::Standard),
        ("NONE", json!({"addresses": ["198.51.100.0/24"]}), &[], LoadBalancerMode::Passthrough),
    ] {
        let mut told = Told::new();
        told.entry("shop", "e", &spec(&["API.test"], resolution, more));
        assert_eq!(told.behind("shop/api.test"), want, "{resolution}");
        let service = &told.services["shop/api.test"];
        assert_eq!((service.load_balancer.mode, &*service.name, service.canonical), (mode, "e", true), "{resolution}");
        assert_eq!(service.ports[&80].app_protocol, 1);
        if let Some(workload) = told.workloads.values().find(|w| &*w.service_account == "vm") {
            let uid = "Kubernetes/networking.istio.io/ServiceEntry/shop/e/192.0.2.1";
            let place = (&*workload.locality.region, &*workload.locality.zone, &*workload.locality.subzone);
            assert_eq!(
                (&*workload.uid, workload.capacity, &*workload.network, place),
                (uid, 3, "far", ("r", "z", "s"))
            );
        }
        told.change(Change::Delete(Kind::ServiceEntry, key("shop", "e")));
        assert!(told.services.is_empty() && told.workloads.is_empty(), "{resolution}");
    }
}

#[test]
fn a_wildcard_is_a_service_only_of_who_asks_for_a_name() {
    for (resolution, there) in [("DYNAMIC_DNS", true), ("DNS", false), ("STATIC", false), ("NONE", false)] {
        let mut told = Told::new();
        told.entry("shop", "e", &spec(&["*.wild.test"], resolution, json!({})));
        assert_eq!(told.services.contains_key("shop/*.wild.test"), there, "{resolution}");
        assert!(told.workloads.is_empty());
        let missing = told.condition("ServiceEntry e", "istio.io/WaypointMissing").1;
        assert_eq!(missing, if there { "NoWaypointForWildcardService" } else { "" }, "{resolution}");
    }
}

#[test]
fn addresses_are_those_written_or_allotted() {
    let mut told = Told::new();
    let custom = object(("shop", "e"), "", &spec(&["a.test", "b.test"], "DNS", json!({})));
    told.entry_with(custom.clone());
    assert_eq!(told.statuses["ServiceEntry e"].status.get("addresses"), None, "what is taken is not known yet");
    told.change(Change::Synced(Kind::ServiceEntry));
    let wanted = told.statuses["ServiceEntry e"].status["addresses"].clone();
    assert_eq!(wanted.as_array().map(Vec::len), Some(4));
    assert!(told.addresses("shop/a.test").is_empty(), "what nobody wrote is told to nobody");
    told.write(custom.clone());
    let first = told.addresses("shop/a.test");
    assert!(first[0].starts_with("240.240.") && first[1].starts_with("2001:2::"), "{first:?}");
    assert_ne!(first, told.addresses("shop/b.test"));
    // Another control plane, which reads what this one wrote.
    let mut other = Told::new();
    other.entry_with(Custom { status: json!({"addresses": wanted}), ..custom.clone() });
    other.change(Change::Synced(Kind::ServiceEntry));
    assert_eq!(
        (other.addresses("shop/a.test"), &other.statuses["ServiceEntry e"].status["addresses"]),
        (first, &wanted)
    );
    // Whoever copies a status does not get the address of another.
    let copy = Custom { key: key("shop", "copy"), status: json!({"addresses": wanted}), ..custom.clone() };
    told.entry_with(copy);
    assert_ne!(told.statuses["ServiceEntry copy"].status["addresses"], wanted);
    told.change(Change::Delete(Kind::ServiceEntry, key("shop", "copy")));
    for (labels, more) in [
        (map(&[(labels::ALLOCATE, "false")]), spec(&["a.test"], "DNS", json!({}))),
        (Map::new(), spec(&["a.test"], "NONE", json!({}))),
        (
            Map::new(),
            spec(&["a.test"], "DNS", json!({"addresses": ["192.0.2.9", "192.0.2.0/28", "192.0.2.0/40", "x"]})),
        ),
    ] {
        let own = more.get("addresses").is_some();
        told.entry_with(Custom { labels, spec: more, ..custom.clone() });
        assert_eq!(told.statuses["ServiceEntry e"].status.get("addresses"), None);
        let want: &[&str] = if own { &["192.0.2.9", "192.0.2.0/28"] } else { &[] };
        assert_eq!(told.addresses("shop/a.test"), want);
    }
}

#[test]
fn a_host_is_described_by_one() {
    let mut told = Told::new();
    let of =
        |address: &str| spec(&["web.shop.svc.cluster.local"], "STATIC", json!({"endpoints": [{"address": address}]}));
    let entry = |told: &mut Told, namespace: &str, name: &str, created: &str, address: &str| {
        told.entry_with(object((namespace, name), created, &of(address)));
    };
    let host = "web.shop.svc.cluster.local";
    let canonical =
        |told: &Told, namespace: &str| told.services.get(&format!("{namespace}/{host}")).map(|s| s.canonical);
    entry(&mut told, "shop", "new", "2026", "192.0.2.2");
    entry(&mut told, "shop", "old", "2025", "192.0.2.1");
    entry(&mut told, "guest", "oldest", "2024", "192.0.2.3");
    assert_eq!(told.behind(&format!("shop/{host}")), ["192.0.2.1:8080"], "the oldest of the namespace");
    assert_eq!((canonical(&told, "shop"), canonical(&told, "guest")), (Some(false), Some(true)));
    told.service("shop", "web", &[]);
    assert_eq!(told.services[&format!("shop/{host}")].name.as_ref(), "web", "a Service of Kubernetes comes first");
    assert!(told.behind(&format!("shop/{host}")).is_empty());
    assert_eq!((canonical(&told, "shop"), canonical(&told, "guest")), (Some(true), Some(false)));
    told.change(Change::Delete(Kind::Service, key("shop", "web")));
    told.change(Change::Delete(Kind::ServiceEntry, key("shop", "old")));
    told.change(Change::Delete(Kind::ServiceEntry, key("guest", "oldest")));
    assert_eq!(told.behind(&format!("shop/{host}")), ["192.0.2.2:8080"]);
    assert_eq!((canonical(&told, "shop"), canonical(&told, "guest")), (Some(true), None));
}

#[test]
fn nobody_takes_an_address_of_kubernetes_from_others() {
    let mut told = Told::new();
    let thief = spec(&["thief.test"], "STATIC", json!({"addresses": ["10.96.0.1"]}));
    told.entry("guest", "e", &thief);
    assert!(told.services["guest/thief.test"].canonical);
    told.service("shop", "web", &[]);
    assert!(!told.services["guest/thief.test"].canonical, "clients of other namespaces reach the service");
    told.change(Change::Delete(Kind::Service, key("shop", "web")));
    assert!(told.services["guest/thief.test"].canonical);
}

#[test]
fn an_entry_is_seen_by_whom_it_is_exported_to() {
    for (export, want) in [
        (json!([]), Some(Visibility::Public)),
        (json!(["*"]), Some(Visibility::Public)),
        (json!(["."]), Some(Visibility::Namespace)),
        (json!([".", "guest"]), Some(Visibility::Public)),
        (json!(["~"]), None),
    ] {
        let mut told = Told::new();
        told.entry("shop", "e", &spec(&["a.test"], "DNS", json!({"exportTo": export})));
        assert_eq!(told.services.get("shop/a.test").map(|s| s.visibility), want, "{export}");
    }
}

#[test]
fn a_selector_finds_pods_and_workload_entries() {
    let mut told = Told::new();
    let external =
        |app: &str| json!({"address": "192.0.2.7", "labels": {"app": app}, "ports": {"http": 7070}, "weight": 0});
    told.pod("shop", "web", true, &[]);
    told.pod("guest", "web", true, &[]);
    told.external("shop", "vm", &external("web"));
    let selector = json!({"workloadSelector": {"labels": {"app": "web"}}});
    told.entry("shop", "e", &spec(&["a.test"], "STATIC", selector));
    assert_eq!(told.behind("shop/a.test"), ["10.0.0.1:8080", "192.0.2.7:7070"]);
    let vm = &told.workloads["Kubernetes/networking.istio.io/WorkloadEntry/shop/vm"];
    assert_eq!((vm.capacity, &*vm.service_account, &*vm.canonical_name), (1, "default", "web"));
    told.external("shop", "vm", &external("other"));
    assert_eq!(told.behind("shop/a.test"), ["10.0.0.1:8080"]);
    told.external("shop", "vm", &external("web"));
    told.service("shop", "web", &[]);
    assert_eq!(told.behind("shop/web.shop.svc.cluster.local"), ["10.0.0.1:8080", "192.0.2.7:8080"]);
    told.change(Change::Delete(Kind::ServiceEntry, key("shop", "e")));
    assert!(told.behind("shop/a.test").is_empty());
    told.change(Change::Delete(Kind::WorkloadEntry, key("shop", "vm")));
    assert_eq!(told.behind("shop/web.shop.svc.cluster.local"), ["10.0.0.1:8080"]);
}

#[test]
fn entries_use_waypoints_as_services_do() {
    let mut told = Told::new();
    told.gateway("shop", &[]);
    told.deployed("shop", true);
    let custom = object(("shop", "e"), "", &spec(&["a.test"], "DNS", json!({})));
    let labelled = |pairs: &[(&str, &str)]| Custom { labels: map(pairs), ..custom.clone() };
    let waypoint = |told: &Told| told.services["shop/a.test"].waypoint.is_some();
    told.entry_with(labelled(&[]));
    assert_eq!((waypoint(&told), told.reason("ServiceEntry e").as_str()), (false, ""));
    told.entry_with(labelled(&[(USE, "waypoint")]));
    assert_eq!((waypoint(&told), told.reason("ServiceEntry e").as_str()), (true, "WaypointAccepted"));
    assert!(!told.services["shop/a.test"].ingress_use_waypoint);
    told.entry_with(labelled(&[(USE, "waypoint"), (labels::INGRESS_USE_WAYPOINT, "true")]));
    assert!(told.services["shop/a.test"].ingress_use_waypoint);
    told.entry_with(labelled(&[(USE, "none-such")]));
    assert_eq!((waypoint(&told), told.reason("ServiceEntry e").as_str()), (false, "WaypointIsNotReady"));
    told.entry_with(labelled(&[]));
    told.namespace("shop", &[(USE, "waypoint"), (labels::INGRESS_USE_WAYPOINT, "true")]);
    assert!(waypoint(&told) && told.services["shop/a.test"].ingress_use_waypoint);
    // The conditions of others stay.
    let theirs = json!({"type": "Reconciled", "status": "True"});
    told.entry_with(Custom { status: json!({"conditions": [theirs]}), ..custom });
    assert_eq!(told.statuses["ServiceEntry e"].status["conditions"][0], theirs);
    told.external("shop", "vm", &json!({"address": "192.0.2.7"}));
    assert_eq!(told.reason("WorkloadEntry vm"), "UnsupportedTrafficType");
    told.gateway("shop", &[(labels::WAYPOINT_FOR, "all")]);
    assert_eq!(told.reason("WorkloadEntry vm"), "WaypointAccepted");
    assert!(told.workloads["Kubernetes/networking.istio.io/WorkloadEntry/shop/vm"].waypoint.is_some());
}

#[test]
fn the_work_of_a_change_is_what_changed() {
    let mut told = Told::new();
    told.change(Change::Synced(Kind::ServiceEntry));
    // Each host once, and each of what stands behind it: nothing but that ends in time at this size.
    let names: Vec<String> = (0..2000).map(|i| format!("h{i}.test")).collect();
    let hosts: Vec<&str> = names.iter().map(String::as_str).collect();
    told.entry("shop", "many", &spec(&hosts, "DNS", json!({})));
    assert_eq!(told.published, 2 * hosts.len());
    told.write(object(("shop", "many"), "", &spec(&hosts, "DNS", json!({}))));
    assert_eq!(told.published, 2 * hosts.len());
    assert_eq!((told.behind("shop/h7.test"), told.addresses("shop/h7.test").len()), (vec!["h7.test:8080".into()], 2));
    let addresses: Vec<Value> = (0..200).map(|i| json!({"address": format!("10.1.{}.{}", i / 100, i % 100)})).collect();
    told.entry("web", "fixed", &spec(&hosts[..64], "STATIC", json!({"endpoints": addresses})));
    assert_eq!(told.published, 64 + 200);

    for i in 0..2000 {
        told.pod("web", &format!("p{i}"), true, &[]);
        let selector = json!({"workloadSelector": {"labels": {"app": format!("p{i}")}}});
        told.entry("web", &format!("e{i}"), &spec(&[&format!("w{i}.test")], "STATIC", selector));
        assert_eq!(told.published, 2, "its service and its pod");
        told.entry(&format!("n{i}"), "e", &spec(&["same.test"], "DNS", json!({})));
        assert_eq!(told.published, 2, "and none of others of that host");
    }
    let selector =
        |port: u16| json!({"workloadSelector": {"labels": {"app": "p7"}}, "ports": [{"number": port, "name": "http"}]});
    told.entry("web", "e7", &spec(&["w7.test"], "STATIC", selector(80)));
    assert_eq!(told.published, 2);
    told.entry("web", "e7", &spec(&["w7.test"], "STATIC", selector(80)));
    assert_eq!(told.published, 1, "what is selected is told nothing new");
}

#[test]
fn who_describes_a_host_since_has_what_it_selects() {
    let mut told = Told::new();
    told.pod("shop", "one", true, &[]);
    told.pod("shop", "two", true, &[]);
    let select = |app: &str, port: u16| {
        let ports = json!([{"number": 80, "name": "http", "targetPort": port}]);
        spec(&["a.test"], "STATIC", json!({"workloadSelector": {"labels": {"app": app}}, "ports": ports}))
    };
    told.entry_with(object(("shop", "x"), "1", &select("one", 1001)));
    told.entry_with(object(("shop", "y"), "2", &select("two", 1002)));
    assert_eq!(told.behind("shop/a.test"), ["10.0.0.1:1001"]);
    told.entry_with(object(("shop", "older"), "0", &select("none", 1)));
    assert_eq!(told.behind("shop/a.test"), Vec::<String>::new());
    told.change(Change::Delete(Kind::ServiceEntry, key("shop", "older")));
    told.change(Change::Delete(Kind::ServiceEntry, key("shop", "x")));
    assert_eq!(told.behind("shop/a.test"), ["10.0.0.1:1002"]);
}

#[test]
fn the_first_that_everybody_sees_is_canonical() {
    let mut told = Told::new();
    let canonical = |told: &Told| {
        let found = told.services.values().filter(|s| s.canonical).map(|s| s.key.namespace.to_string());
        found.collect::<Vec<_>>().join(" ")
    };
    let put = |told: &mut Told, namespace: &str, created: &str, export: &str| {
        told.entry_with(object((namespace, "e"), created, &spec(&["a.test"], "DNS", json!({"exportTo": [export]}))));
    };
    for (namespace, created, export, wanted) in [
        ("b", "2", ".", "b"),
        ("c", "3", ".", "b c"),
        ("d", "4", "*", "d"),
        ("c", "3", "*", "c"),
        ("a", "1", ".", "c"),
        ("a", "1", "*", "a"),
        ("a", "1", "~", "c"),
        ("c", "3", ".", "d"),
        ("d", "4", ".", "b c d"),
    ] {
        put(&mut told, namespace, created, export);
        assert_eq!(canonical(&told), wanted, "{namespace} {export}");
    }
}
