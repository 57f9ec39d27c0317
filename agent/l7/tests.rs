//! A mesh for the tests of layer 7: a few services, and what waypoints would have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use source::object::{self, Custom, ObjectKey, ServicePort};

use crate::l7::{Binding, Change, L7, Output, Providers, Settings, Sort, Subject, status::Status};

/// Where what is told of requests may go.
const PROVIDERS: &str = r#"[
    {"name": "otel", "opentelemetry": {"service": "otel.obs.svc.cluster.local", "port": 4317}},
    {"name": "file", "envoyFileAccessLog": {"path": "/dev/stdout"}},
    {"name": "odd", "envoyFileAccessLog": {"path": "/dev/stdout", "logFormat": {"text": "%NOPE%"}}},
    {"name": "opa", "envoyExtAuthzGrpc": {"service": "opa.shop.svc.cluster.local", "port": 9191}},
    {"name": "opb", "envoyExtAuthzHttp": {"service": "shop/opa", "port": 80, "failOpen": 1}},
    {"name": "far", "datadog": {"service": "a", "port": 1}}
]"#;

/// Names an object by `namespace/name`.
pub fn key(name: &str) -> ObjectKey {
    let (namespace, name) = name.split_once('/').expect("namespace/name");
    ObjectKey { namespace: namespace.to_owned(), name: name.to_owned() }
}

/// Makes an object.
pub fn custom(name: &str, generation: i64, spec: Value) -> Custom {
    Custom {
        key: key(name),
        // Names are made in the order of the alphabet.
        created: format!("2026-01-01T00:00:00Z {name}"),
        generation,
        spec,
        ..Custom::default()
    }
}

/// The index, and what its answers add up to.
pub struct Mesh {
    pub l7: L7,
    pub resources: BTreeMap<String, Value>,
    pub statuses: BTreeMap<(Sort, String), Status>,
    /// How many resources the last change put or removed.
    pub changed: usize,
    generation: i64,
    /// The waypoints that namespaces name, and who uses them.
    waypoints: BTreeMap<String, ObjectKey>,
    subjects: BTreeSet<Subject>,
}

impl Mesh {
    /// Makes one with `orders` (ports 80 and 8080) and `orders-v2` (port 80) in `shop`, where a waypoint is used, `front` in `web`,
    /// and `far` in `other`, which no waypoint serves.
    pub fn new() -> Self {
        let (cluster, domain, root) = ("c".into(), "cluster.local".into(), "istio-system".into());
        let providers = serde_json::from_str(PROVIDERS).and_then(Providers::read).expect("they are");
        let settings = Settings { cluster, domain, root, providers };
        let mut mesh = Self {
            l7: L7::new(settings),
            resources: BTreeMap::new(),
            statuses: BTreeMap::new(),
            changed: 0,
            generation: 0,
            waypoints: BTreeMap::new(),
            subjects: BTreeSet::new(),
        };
        mesh.namespace("shop", &[("istio.io/use-waypoint", "waypoint")]);
        mesh.namespace("web", &[("istio.io/use-waypoint", "waypoint"), ("istio.io/use-waypoint-namespace", "infra")]);
        mesh.service("shop/orders", &[80, 8080]);
        mesh.service("shop/orders-v2", &[80]);
        mesh.service("web/front", &[80]);
        mesh.service("other/far", &[80]);
        mesh
    }

    pub fn namespace(&mut self, name: &str, labels: &[(&str, &str)]) {
        let label = |label: &str| labels.iter().find(|(k, _)| *k == label).map(|(_, value)| (*value).to_owned());
        match label("istio.io/use-waypoint") {
            Some(waypoint) => {
                let namespace = label("istio.io/use-waypoint-namespace").unwrap_or_else(|| name.to_owned());
                self.waypoints.insert(name.to_owned(), ObjectKey { namespace, name: waypoint });
            }
            None => drop(self.waypoints.remove(name)),
        }
        let out = self.subjects.clone().into_iter().map(|subject| self.bind(subject)).reduce(joined);
        self.take(out.unwrap_or_default());
    }

    /// Binds an object as the mesh does: here by its namespace alone.
    fn bind(&mut self, subject: Subject) -> Output {
        self.subjects.insert(subject.clone());
        let (Subject::Service(key) | Subject::Entry(key)) = &subject;
        let binding = Binding { waypoint: self.waypoints.get(&key.namespace).cloned(), ..Binding::default() };
        self.l7.bind(subject, binding)
    }

    pub fn service(&mut self, name: &str, ports: &[u16]) {
        let port = |port: &u16| ServicePort { name: format!("p{port}"), port: *port, ..ServicePort::default() };
        let key = key(name);
        let ports = ports.iter().map(port).collect();
        let service = object::Service { key: key.clone(), ports, ..object::Service::default() };
        let out = self.l7.service(&key, Some(&service));
        let bound = self.bind(Subject::Service(key));
        self.take(joined(out, bound));
    }

    pub fn no_service(&mut self, name: &str) {
        let out = self.l7.service(&key(name), None);
        self.take(out);
    }

    pub fn put(&mut self, sort: Sort, name: &str, spec: Value) {
        self.generation += 1;
        let out = self.l7.object(sort, &key(name), Some(&custom(name, self.generation, spec)));
        self.take(out);
    }

    pub fn delete(&mut self, sort: Sort, name: &str) {
        let out = self.l7.object(sort, &key(name), None);
        self.take(out);
    }

    pub fn entry(&mut self, name: &str, spec: Value) {
        let out = self.l7.service_entry(&key(name), Some(&custom(name, 1, spec)));
        let bound = self.bind(Subject::Entry(key(name)));
        self.take(joined(out, bound));
    }

    pub fn grant(&mut self, name: &str, spec: Value) {
        let out = self.l7.reference_grant(&key(name), Some(&custom(name, 1, spec)));
        self.take(out);
    }

    pub fn take(&mut self, out: Output) {
        self.changed = out.resources.len();
        for change in out.resources {
            match change {
                Change::Put(resource) => {
                    let text = serde_json::to_value(&*resource).expect("serialises");
                    let back: model::l7::Resource = serde_json::from_value(text.clone()).expect("is read again");
                    assert_eq!(back, *resource, "it travels as JSON");
                    let held = text.as_object().and_then(|o| o.values().next()).cloned().expect("one of its kind");
                    self.resources.insert(resource.key().to_string(), held);
                }
                Change::Remove(key) => {
                    assert!(self.resources.remove(&*key).is_some(), "{key} was there");
                }
            }
        }
        for (sort, status) in out.statuses {
            self.statuses.insert((sort, format!("{}/{}", status.key.namespace, status.key.name)), status);
        }
        let there = |(sort, name): &(Sort, String)| self.l7.has(*sort, &key(name));
        self.statuses.retain(|name, _| there(name));
    }

    /// Returns the resources whose key begins so, in order.
    pub fn of(&self, prefix: &str) -> Vec<&Value> {
        self.resources.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(_, value)| value).collect()
    }

    /// Returns the keys of all resources.
    pub fn keys(&self) -> Vec<&str> {
        self.resources.keys().map(String::as_str).collect()
    }

    /// Says what the status of an object says: `TYPE=REASON` of what holds, `TYPE!REASON` of what does not.
    pub fn told(&self, sort: Sort, name: &str) -> String {
        let Some(status) = self.statuses.get(&(sort, name.to_owned())) else { return String::new() };
        let json = status.to_json("ours", &Value::Null);
        let lists = ["parents", "ancestors"].iter().find_map(|list| json[*list].as_array());
        let all: Vec<&Value> = match lists {
            Some(list) => list.iter().flat_map(|entry| entry["conditions"].as_array().into_iter().flatten()).collect(),
            None => json["conditions"].as_array().into_iter().flatten().collect(),
        };
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let one = |c: &Value| {
            let sign = if c["status"] == "True" { "=" } else { "!" };
            format!("{}{sign}{}", text(&c["type"]), text(&c["reason"]))
        };
        all.into_iter().map(one).collect::<Vec<_>>().join(" ")
    }

    /// Returns all messages of the status of an object.
    pub fn messages(&self, sort: Sort, name: &str) -> String {
        let status = &self.statuses[&(sort, name.to_owned())];
        let json = status.to_json("ours", &Value::Null).to_string();
        json.split("\"message\":\"")
            .skip(1)
            .filter_map(|rest| rest.split("\",\"").next())
            .collect::<Vec<_>>()
            .join(" | ")
    }
}

fn joined(mut one: Output, other: Output) -> Output {
    one.resources.extend(other.resources);
    one.statuses.extend(other.statuses);
    one.bound.extend(other.bound);
    one
}

/// Asserts that a value has what another one has: of objects all fields of the other, of lists all items.
pub fn assert_has(value: &Value, wanted: &Value, what: &str) {
    fn has(value: &Value, wanted: &Value) -> bool {
        match (value, wanted) {
            // Null stands for a field that is not there.
            (Value::Object(value), Value::Object(wanted)) => {
                wanted.iter().all(|(k, w)| has(value.get(k).unwrap_or(&Value::Null), w))
            }
            (Value::Array(value), Value::Array(wanted)) => {
                value.len() == wanted.len() && value.iter().zip(wanted).all(|(v, w)| has(v, w))
            }
            _ => value == wanted,
        }
    }
    assert!(has(value, wanted), "{what}\n has {value:#}\nwant {wanted:#}");
}
