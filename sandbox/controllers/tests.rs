use serde_json::json;

use super::*;

fn object<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("an object")
}

fn deployment(replicas: i32, image: &str) -> apps::Deployment {
    object(json!({
        "metadata": { "name": "web", "namespace": "shop", "uid": "d-1", "generation": 1 },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "c", "command": [image] }] },
            },
        },
    }))
}

fn nodes() -> BTreeMap<String, BTreeMap<String, String>> {
    ["one", "two"].map(|n| (n.to_owned(), BTreeMap::from([("host".to_owned(), n.to_owned())]))).into()
}

/// A cluster that does what is planned: pods become ready when they have a node.
struct World {
    view: View,
    count: usize,
}

impl World {
    fn new(view: View) -> Self {
        Self { view: View { nodes: nodes(), ..view }, count: 0 }
    }

    /// Plans and applies until nothing is left to do; returns how many pods took traffic at the worst moment.
    fn settle(&mut self, ready: bool) -> usize {
        let mut least = usize::MAX;
        for _ in 0..50 {
            let steps = plan(&self.view);
            let active: Vec<&Step> = steps.iter().filter(|s| !matches!(s, Step::Status(..))).collect();
            if active.is_empty() {
                return least;
            }
            for step in active {
                self.apply(step);
            }
            for pod in self.view.pods.iter_mut().filter(|_| ready) {
                if pod.spec.as_ref().is_some_and(|s| s.node_name.is_some()) {
                    pod.status = Some(object(json!({ "conditions": [{ "type": "Ready", "status": "True" }] })));
                }
            }
            least = least.min(self.view.pods.iter().filter(|p| super::ready(p)).count());
        }
        panic!("the controllers never come to rest");
    }

    fn apply(&mut self, step: &Step) {
        let named = |pod: &&mut core::Pod, name: &str| pod.metadata.name.as_deref() == Some(name);
        match step {
            Step::Create(pod) => {
                let mut pod = pod.clone();
                self.count += 1;
                let begin = pod.metadata.generate_name.clone().expect("the API names it");
                pod.metadata.name = Some(format!("{begin}{}", self.count));
                pod.metadata.uid = pod.metadata.name.clone();
                self.view.pods.push(pod);
            }
            Step::Delete(_, name, uid) => self.view.pods.retain(|p| {
                assert!(!name.is_empty() && !uid.is_empty());
                p.metadata.name.as_ref() != Some(name)
            }),
            Step::Bind(_, name, node) => {
                let pod = self.view.pods.iter_mut().find(|p| named(p, name)).expect("a pod");
                pod.spec.get_or_insert_default().node_name = Some(node.clone());
            }
            Step::Address(_, name, address) => {
                let service = self.view.services.iter_mut().find(|s| s.metadata.name.as_ref() == Some(name));
                service.expect("a service").spec.get_or_insert_default().cluster_ip = Some(address.to_string());
            }
            Step::Status(..) => {}
        }
    }

    fn placed(&self) -> BTreeMap<String, usize> {
        let mut out = BTreeMap::new();
        for pod in &self.view.pods {
            *out.entry(pod.spec.clone().and_then(|s| s.node_name).unwrap_or_default()).or_default() += 1;
        }
        out
    }
}

#[test]
fn deployments_have_their_pods_on_all_nodes() {
    let mut world = World::new(View { deployments: vec![deployment(4, "a")], ..View::default() });
    world.settle(true);
    assert_eq!(world.placed(), [("one".to_owned(), 2), ("two".to_owned(), 2)].into());
    let owner = &world.view.pods[0].owner_references()[0];
    let (name, hash) = owner.name.rsplit_once('-').expect("a hash");
    assert_eq!((owner.kind.as_str(), name, hash.len()), ("ReplicaSet", "web", 10));

    world.view.deployments = vec![deployment(1, "a")];
    world.settle(true);
    assert_eq!(world.view.pods.len(), 1);
    world.view.deployments.clear();
    world.settle(true);
    assert!(world.view.pods.is_empty(), "pods without an owner go");
}

#[test]
fn a_new_template_is_made_before_the_old_one_goes() {
    let mut world = World::new(View { deployments: vec![deployment(3, "a")], ..View::default() });
    world.settle(true);
    world.view.deployments = vec![deployment(3, "b")];
    let least = world.settle(true);
    assert!(least >= 3, "{least} pods took traffic at the worst moment");
    assert_eq!(world.view.pods.len(), 3);
    // One that never becomes ready takes nobody's place.
    world.view.deployments = vec![deployment(3, "broken")];
    for pod in &mut world.view.pods {
        pod.metadata.name = pod.metadata.name.as_ref().map(|n| format!("old-{n}"));
    }
    world.settle(false);
    let old = world.view.pods.iter().filter(|p| super::ready(p)).count();
    assert_eq!((old, world.view.pods.len()), (3, 6));
}

#[test]
fn daemon_sets_have_one_pod_on_each_node() {
    let like = deployment(1, "a");
    let spec = like.spec.expect("a specification");
    let spec = apps::DaemonSetSpec { selector: spec.selector, template: spec.template, ..Default::default() };
    let set = apps::DaemonSet { metadata: like.metadata, spec: Some(spec), status: None };
    let mut world = World::new(View { daemon_sets: vec![set], ..View::default() });
    world.settle(true);
    assert_eq!(world.placed(), [("one".to_owned(), 1), ("two".to_owned(), 1)].into());
    let gone = world.view.pods.remove(0);
    world.settle(true);
    assert_eq!(world.view.pods.len(), 2);
    assert!(world.view.pods.iter().all(|p| p.metadata.name != gone.metadata.name));
}

#[test]
fn services_get_addresses_of_their_own() {
    let service = |name: &str, ip: Option<&str>| -> core::Service {
        object(json!({ "metadata": { "name": name }, "spec": { "clusterIP": ip } }))
    };
    let services =
        vec![service("a", Some("10.96.0.2")), service("b", None), service("c", Some("None")), service("d", None)];
    let mut world = World::new(View { services, ..View::default() });
    world.settle(true);
    let ips: Vec<&str> = world.view.services.iter().filter_map(|s| s.spec.as_ref()?.cluster_ip.as_deref()).collect();
    assert_eq!(ips, ["10.96.0.2", "10.96.0.3", "None", "10.96.0.4"]);
}

#[test]
fn selectors_of_nodes_are_obeyed() {
    let pod: core::Pod = object(json!({
        "metadata": { "name": "p", "uid": "p" }, "spec": { "containers": [], "nodeSelector": { "host": "two" } },
    }));
    let lost: core::Pod = object(json!({
        "metadata": { "name": "l", "uid": "l" }, "spec": { "containers": [], "nodeSelector": { "host": "none" } },
    }));
    let mut world = World::new(View { pods: vec![pod, lost], ..View::default() });
    world.settle(true);
    let on = |n: usize| world.view.pods[n].spec.clone().and_then(|s| s.node_name);
    assert_eq!((on(0).as_deref(), on(1)), (Some("two"), None));
}
