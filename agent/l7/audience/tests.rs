use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

/// The resources and what waypoints were told so far: by key, for whom.
#[derive(Default)]
struct Mesh {
    audiences: Audiences,
    told: BTreeMap<String, String>,
    /// What the last change told.
    last: Vec<String>,
}

impl Mesh {
    fn take(&mut self, told: Vec<Told>) {
        self.last = told.iter().map(|t| t.key.to_string()).collect();
        for Told { key, resource } in told {
            match resource {
                Some((resource, audience)) => {
                    assert_eq!(resource.key(), key);
                    self.told.insert(key.to_string(), names(&audience));
                }
                None => drop(self.told.remove(&*key)),
            }
        }
    }

    fn put(&mut self, resource: Value) {
        let resource: Resource = serde_json::from_value(resource).expect("a resource");
        let told = self.audiences.apply(Change::Put(Arc::new(resource)));
        self.take(told);
    }

    fn remove(&mut self, key: &str) {
        let told = self.audiences.apply(Change::Remove(key.into()));
        self.take(told);
    }

    /// Binds `shop/SERVICE` to waypoints of `shop`.
    fn bind(&mut self, service: &str, waypoints: &[&str]) {
        let key = ServiceKey { namespace: "shop".into(), hostname: service.into() };
        let of = |name: &&str| GatewayKey { namespace: "shop".into(), name: (*name).into() };
        let told = self.audiences.bind(&key, waypoints.iter().map(of).collect());
        self.take(told);
    }

    fn told(&self) -> Vec<(&str, &str)> {
        self.told.iter().map(|(key, audience)| (key.as_str(), audience.as_str())).collect()
    }
}

fn names(audience: &Audience) -> String {
    match audience {
        Audience::Everybody => "everybody".to_owned(),
        Audience::Waypoints => "all".to_owned(),
        Audience::These(these) => these.iter().map(|w| &*w.name).collect::<Vec<_>>().join(" "),
    }
}

fn target(service: &str) -> Value {
    json!({"service": {"service": format!("shop/{service}")}})
}

fn origin() -> Value {
    json!({"created": "", "namespace": "shop", "name": "r", "index": 0, "kind": "HTTPRoute"})
}

fn rule(name: &str, parent: &str, backends: &[&str]) -> Value {
    let backends: Vec<Value> = backends.iter().map(|b| json!({"target": target(b), "weight": 1})).collect();
    let parent = json!({"service": format!("shop/{parent}")});
    json!({"httpRule": {"name": name, "parent": parent, "origin": origin(), "action": {"forward": backends}}})
}

fn destination(service: &str) -> Value {
    json!({"destination": {"name": service, "service": format!("shop/{service}")}})
}

fn policy(name: &str, targets: Value) -> Value {
    json!({"authorization": {"namespace": "shop", "name": name, "targets": targets, "action": "deny", "rules": []}})
}

#[test]
fn each_resource_is_for_those_that_need_it() {
    let mut stream = json!({"streamRule": {"name": "s", "parent": {"service": "shop/a"}, "origin": origin()}});
    stream["streamRule"]["backends"] = json!([{"target": target("b"), "weight": 1}]);
    let mut more = rule("r", "a", &[]);
    more["httpRule"]["mirrors"] = json!([{"target": target("b"), "share": 10}]);
    let mut asks = rule("r", "a", &[]);
    asks["httpRule"]["externalAuth"] = json!({"target": target("b"), "protocol": {"http": {}}});
    let settings = json!({"settings": {
        "waypoint": "shop/w", "traffic": "all", "rootNamespace": "r", "trustDomains": [], "normalization": "base",
    }});
    let tokens = json!({"authentication": {
        "namespace": "shop", "name": "t", "targets": [{"service": "shop/a"}], "rules": [],
    }});
    let custom = json!({"custom": {"provider": "p", "ask": {"target": target("b"), "protocol": {"grpc": {}}}}});
    let mut provided = policy("p", json!([{"service": "shop/a"}]));
    provided["authorization"]["action"] = custom;
    let mut provided_to_all = provided.clone();
    provided_to_all["authorization"]["targets"] = json!(["anyWaypoint"]);
    let limit = json!({"rateLimit": {"namespace": "shop", "name": "l", "targets": [{"service": "shop/a"}], "global": {
        "target": target("b"), "domain": "d", "timeout": {"secs": 1, "nanos": 0}, "failOpen": true, "descriptors": [],
    }}});
    // `a` is bound to `w`, `b` to `v` and a canary; nothing else is bound.
    let rows: [(&[Value], &[&str]); 19] = [
        (&[rule("r", "a", &["a"])], &["w"]),
        (&[rule("r", "b", &["a"])], &["c v"]),
        (&[rule("r", "none", &["a"])], &[]),
        (&[stream.clone()], &["w"]),
        (&[destination("b")], &["c v"]),
        (&[destination("none")], &[]),
        // Who connects to it because of a rule has to know how it is reached.
        (&[destination("b"), rule("r", "a", &["b"])], &["c v w", "w"]),
        (&[destination("b"), more], &["c v w", "w"]),
        (&[destination("b"), asks], &["c v w", "w"]),
        (&[provided, destination("b")], &["w", "c v w"]),
        (&[provided_to_all, destination("b")], &["all", "all"]),
        (&[destination("b"), limit], &["c v w", "w"]),
        (&[destination("b"), stream], &["c v w", "w"]),
        (&[destination("none"), rule("r", "b", &["none"])], &["c v", "c v"]),
        (&[json!({"labels": {"workload": "x", "labels": {}}})], &["all"]),
        (&[settings], &["w"]),
        (&[tokens], &["w"]),
        (&[policy("p", json!([{"service": "shop/a"}, {"waypoint": "web/x"}]))], &["w x"]),
        (&[policy("p", json!(["anyWaypoint", {"service": "shop/a"}]))], &["all"]),
    ];
    for (resources, want) in rows {
        let bind = |mesh: &mut Mesh| {
            mesh.bind("a", &["w"]);
            mesh.bind("b", &["v", "c"]);
        };
        let put = |mesh: &mut Mesh, reverse: bool| {
            let all: Vec<&Value> = if reverse { resources.iter().rev().collect() } else { resources.iter().collect() };
            all.into_iter().for_each(|resource| mesh.put(resource.clone()));
        };
        // In whatever order it comes.
        for (bound_first, reverse) in [(true, false), (true, true), (false, false), (false, true)] {
            let mut mesh = Mesh::default();
            if bound_first {
                bind(&mut mesh);
            }
            put(&mut mesh, reverse);
            if !bound_first {
                bind(&mut mesh);
            }
            let mut seen: Vec<&str> = mesh.told().into_iter().map(|(_, audience)| audience).collect();
            seen.sort_unstable();
            let mut want = want.to_vec();
            want.sort_unstable();
            assert_eq!(seen, want, "{resources:?}");
        }
    }
}

#[test]
fn a_change_tells_what_depends_on_it_alone() {
    let mut mesh = Mesh::default();
    mesh.bind("a", &["w"]);
    mesh.bind("b", &["v"]);
    for resource in [
        rule("ra", "a", &["b"]),
        rule("rb", "b", &["b"]),
        destination("a"),
        destination("b"),
        policy("pa", json!([{"service": "shop/a"}])),
    ] {
        mesh.put(resource);
    }
    let (a, b) = (("destination/a", "w"), ("destination/b", "v w"));
    assert_eq!(mesh.told(), [("authorization/shop/pa", "w"), a, b, ("http/ra", "w"), ("http/rb", "v")]);

    // A rule that leads elsewhere.
    mesh.put(rule("ra", "a", &["a"]));
    assert_eq!(
        (mesh.last.as_slice(), mesh.told["destination/b"].as_str()),
        (&["http/ra", "destination/b"].map(String::from)[..], "v")
    );
    mesh.put(rule("ra", "a", &["b"]));
    mesh.put(rule("ra", "a", &["b", "a"]));
    assert_eq!(mesh.last, ["http/ra"], "for the same as before");

    // Another waypoint.
    mesh.bind("a", &["x"]);
    assert_eq!(mesh.last, ["authorization/shop/pa", "destination/a", "destination/b", "http/ra"]);
    let (a, b) = (("destination/a", "x"), ("destination/b", "v x"));
    assert_eq!(mesh.told(), [("authorization/shop/pa", "x"), a, b, ("http/ra", "x"), ("http/rb", "v")]);
    mesh.bind("a", &["x"]);
    assert!(mesh.last.is_empty());

    // None, and nothing.
    mesh.bind("a", &[]);
    assert_eq!(mesh.told(), [("destination/b", "v"), ("http/rb", "v")]);
    for key in ["http/ra", "http/rb", "destination/a", "destination/b", "authorization/shop/pa", "labels/none"] {
        mesh.remove(key);
    }
    mesh.bind("b", &[]);
    let Audiences { waypoints, held, about, leading, namespaces: _, there: _, within, credentials } = &mesh.audiences;
    assert!(waypoints.is_empty() && held.is_empty() && about.is_empty() && leading.is_empty() && within.is_empty());
    assert!(credentials.is_empty());
    assert!(mesh.told.is_empty());
}

#[test]
fn telemetry_is_for_the_waypoints_of_its_namespace() {
    let object = |namespace: &str, name: &str, scope: Value| json!({"telemetry": {"namespace": namespace, "name": name, "created": "", "scope": scope}});
    let settings = |waypoint: &str| {
        json!({"settings": {
            "waypoint": waypoint, "traffic": "all", "rootNamespace": "r", "trustDomains": [], "normalization": "base",
        }})
    };
    let mut mesh = Mesh::default();
    mesh.put(object("r", "all", "mesh".into()));
    mesh.put(object("shop", "own", "namespace".into()));
    mesh.put(object("shop", "a", json!({"targets": [{"service": "shop/a"}]})));
    assert_eq!(mesh.told(), [("telemetry/r/all", "all")]);
    mesh.put(settings("shop/v"));
    mesh.put(settings("other/o"));
    let found = |mesh: &Mesh, key: &str| mesh.told.get(key).cloned();
    assert_eq!(found(&mesh, "telemetry/shop/own").as_deref(), Some("v"));
    mesh.bind("a", &["w"]);
    assert_eq!(found(&mesh, "telemetry/shop/own").as_deref(), Some("v w"));
    assert_eq!(found(&mesh, "telemetry/shop/a").as_deref(), Some("w"));
    mesh.bind("b", &["w"]);
    assert_eq!(mesh.last, Vec::<String>::new(), "another service of the same waypoint changes nothing");
    mesh.bind("a", &[]);
    assert_eq!(found(&mesh, "telemetry/shop/own").as_deref(), Some("v w"));
    mesh.bind("b", &[]);
    mesh.remove("settings/shop/v");
    assert_eq!(found(&mesh, "telemetry/shop/own"), None);
    mesh.put(settings("shop/v"));
    mesh.remove("telemetry/shop/own");
    assert_eq!(found(&mesh, "telemetry/shop/own"), None);
}

#[test]
fn a_secret_is_for_the_waypoints_that_use_it_in_its_namespace() {
    let destination = |service: &str, credential: Option<&str>| {
        let tls = credential.map(|c| json!({"roots": {"secret": c}, "credential": c}));
        json!({"destination": {"name": service, "service": format!("shop/{service}"), "traffic": {"tls": tls}}})
    };
    let secret = |namespace: &str| {
        let content = json!({"Ok": {"pair": {"chain": "c", "key": "k"}}});
        json!({"secret": {"namespace": namespace, "name": "s", "content": content}})
    };
    let mut mesh = Mesh::default();
    let wanted = |mesh: &Mesh| -> Vec<String> {
        mesh.audiences.secrets().iter().map(|k| format!("{}/{}", k.namespace, k.name)).collect()
    };
    mesh.put(destination("a", Some("s")));
    assert!(wanted(&mesh).is_empty(), "nobody is told of what names it");
    mesh.put(secret("shop"));
    mesh.put(secret("other"));
    assert!(mesh.told().is_empty(), "so nobody is told of it");
    mesh.bind("a", &["w"]);
    assert_eq!(wanted(&mesh), ["shop/s"]);
    assert_eq!(mesh.told(), [("destination/a", "w"), ("secret/shop/s", "w")]);
    mesh.bind("b", &["v"]);
    mesh.put(destination("b", None));
    assert_eq!(mesh.told.get("secret/shop/s").map(String::as_str), Some("w"), "another's key is nothing to it");
    mesh.put(rule("rb", "b", &["a"]));
    assert_eq!(mesh.told.get("secret/shop/s").map(String::as_str), Some("v w"), "its rule leads there");
    mesh.remove("http/rb");
    assert_eq!(mesh.told.get("secret/shop/s").map(String::as_str), Some("w"));
    mesh.put(destination("a", None));
    assert!(wanted(&mesh).is_empty());
    assert_eq!(mesh.told(), [("destination/a", "w"), ("destination/b", "v")]);
}

#[test]
fn what_all_waypoints_need_a_secret_for_each_has_of_its_own_namespace() {
    let settings = |waypoint: &str| {
        json!({"settings": {
            "waypoint": waypoint, "traffic": "all", "rootNamespace": "r", "trustDomains": [], "normalization": "base",
        }})
    };
    let secret = |namespace: &str| {
        let content = json!({"Ok": {"pair": {"chain": "c", "key": "k"}}});
        json!({"secret": {"namespace": namespace, "name": "s", "content": content}})
    };
    let asked = json!({"target": target("auth"), "protocol": {"grpc": {}}});
    let mut custom = policy("p", json!(["anyWaypoint"]));
    custom["authorization"]["namespace"] = "r".into();
    custom["authorization"]["action"] = json!({"custom": {"provider": "p", "ask": asked}});
    let limit = json!({"rateLimit": {"namespace": "r", "name": "p", "targets": ["anyWaypoint"], "global": {
        "target": target("auth"), "domain": "d", "timeout": {"secs": 1, "nanos": 0}, "failOpen": true, "descriptors": [],
    }}});
    let tls = json!({"roots": {"secret": "s"}, "credential": "s"});
    let by_tls = json!({"destination": {"name": "auth", "service": "shop/auth", "traffic": {"tls": tls}}});
    let waypoints = ["shop/w", "web/v", "web/x"];
    // The Secrets of these are there, of them one where no waypoint is and one where the rule stands.
    let spaces = ["shop", "web", "other", "r"];
    let wanted = |mesh: &Mesh| -> Vec<String> {
        mesh.audiences.secrets().iter().map(|k| format!("{}/{}", k.namespace, k.name)).collect()
    };
    let told = |mesh: &Mesh| -> Vec<(String, String)> {
        mesh.told.clone().into_iter().filter(|(key, _)| key.starts_with("secret/")).collect()
    };
    let pair = |key: &str, names: &str| (key.to_owned(), names.to_owned());
    for (all, gone) in [(custom, "authorization/r/p"), (limit, "ratelimit/r/p")] {
        let steps: Vec<Value> = waypoints
            .iter()
            .map(|waypoint| settings(waypoint))
            .chain(spaces.iter().map(|space| secret(space)))
            .chain([by_tls.clone(), all])
            .collect();
        // In whatever order it comes.
        for turn in 0..steps.len() {
            let mut mesh = Mesh::default();
            steps.iter().cycle().skip(turn).take(steps.len()).for_each(|step| mesh.put(step.clone()));
            assert_eq!(wanted(&mesh), ["shop/s", "web/s"], "{turn}");
            assert_eq!(told(&mesh), [pair("secret/shop/s", "w"), pair("secret/web/s", "v x")], "{turn}");
            mesh.remove("settings/web/x");
            assert_eq!(told(&mesh), [pair("secret/shop/s", "w"), pair("secret/web/s", "v")], "{turn}");
            mesh.remove("settings/web/v");
            assert_eq!((wanted(&mesh), told(&mesh)), (vec!["shop/s".to_owned()], vec![pair("secret/shop/s", "w")]));
            mesh.remove(gone);
            assert_eq!((wanted(&mesh), told(&mesh)), (vec![], vec![]), "{turn}");
        }
    }
}
