//! Whole clusters, up and down. They need root and, the first time, minutes to build Kubernetes: `cargo xtask test`
//! runs them with `--ignored`.

use std::{fmt::Write, sync::Mutex, time::Duration};

use super::*;
use crate::apps::{App, prepare};

/// One after the other: each compares the host before and after.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
#[ignore = "needs root and the components of Kubernetes"]
fn a_cluster_serves_and_leaves_nothing() {
    comes_and_goes("check-4", Family::Ipv4);
}

#[test]
#[ignore = "needs root and the components of Kubernetes"]
fn a_cluster_without_ipv4_serves_and_leaves_nothing() {
    comes_and_goes("check-6", Family::Ipv6);
}

#[test]
#[ignore = "needs root and the components of Kubernetes"]
fn a_cluster_with_both_serves_and_leaves_nothing() {
    comes_and_goes("check-46", Family::Dual);
}

#[test]
#[ignore = "needs root and the components of Kubernetes"]
fn what_a_crash_left_is_taken_down_first() {
    let _alone = ALONE.lock();
    Components::ready().expect("components");
    let before = Snapshot::take();
    let options = Options { name: "check-crash".to_owned(), nodes: 1, family: Family::Ipv4 };
    let cluster = Cluster::up(&options).expect("a cluster");
    let first = cluster.nodes()[0].init;
    for (name, process) in records(cluster.state()).all() {
        if name == "etcd" || name == "node0" {
            command::run("kill", &["-KILL", &process.pid.to_string()]).expect("a kill");
        }
    }
    assert!(matches!(Cluster::find(&options.name), Err(Error::Broken { .. })), "half a cluster is none");
    let cluster = Cluster::up(&options).expect("a cluster again");
    assert_ne!(cluster.nodes()[0].init, first);
    cluster.down().expect("an end");
    assert_eq!(before.left_after(Duration::from_secs(30)), Vec::<String>::new());
}

fn comes_and_goes(name: &str, family: Family) {
    let _alone = ALONE.lock();
    // Built before the first look at the host, because a build leaves caches and servers of the compiler.
    let image = prepare(App::Echo, &cache_dir()).expect("an image of echo");
    Components::ready().expect("components");
    let before = Snapshot::take();
    let options = Options { name: name.to_owned(), nodes: 2, family };
    let cluster = Cluster::up(&options).expect("a cluster");

    let added = before.added(&Snapshot::take());
    for kind in ["process", "mount", "namespace", "link", "group", "route"] {
        assert!(added.iter().any(|one| one.starts_with(kind)), "a cluster shows as a new {kind}: {added:?}");
    }

    let start = Instant::now();
    let again = Cluster::up(&options).expect("the same cluster");
    assert_eq!(again.nodes(), cluster.nodes());
    assert!(start.elapsed() < Duration::from_secs(5), "a second start takes {:?}", start.elapsed());
    let other = Options { nodes: 1, ..options };
    assert!(matches!(Cluster::up(&other), Err(Error::Different { .. })));

    cluster.load(&image).expect("an image in the nodes");
    serves(&cluster);
    isolates(&cluster);
    cluster.down().expect("an end");
    assert_eq!(before.left_after(Duration::from_secs(30)), Vec::<String>::new());
    assert!(matches!(Cluster::find(name), Err(Error::Absent(_))));
}

/// A client on one node reaches a server on the other, by the name of a service and by each of its addresses.
fn serves(cluster: &Cluster) {
    let mut objects = String::new();
    for (name, node) in [("server", "node0"), ("client", "node1")] {
        writeln!(
            objects,
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {name}}}}}\nspec:\n  nodeName: {node}\n  \
             containers: [{{name: echo, image: {}, imagePullPolicy: Never, args: [serve, --name={name}, --http=8080],\n    \
             readinessProbe: {{httpGet: {{path: /healthz, port: 8080}}, periodSeconds: 1}}}}]\n---",
            App::Echo.image()
        )
        .expect("text takes text");
    }
    objects += "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: server}, ipFamilyPolicy: \
                PreferDualStack, ports: [{port: 80, targetPort: 8080}]}\n";
    // The account of the namespace, without which no pod is let in, is made a moment after the namespace.
    ask(cluster, &["wait", "--for=create", "serviceaccount/default", "--timeout=30s"], "");
    ask(cluster, &["apply", "-f", "-"], &objects);
    ask(cluster, &["wait", "--for=condition=Ready", "pod/server", "pod/client", "--timeout=60s"], "");

    reach(cluster, "http://web.default.svc.cluster.local/");
    let addresses = ask(cluster, &["get", "service", "web", "-o", "jsonpath={.spec.clusterIPs[*]}"], "");
    assert_eq!(addresses.split(' ').count(), cluster.plan.services().len(), "{addresses}");
    for address in addresses.split(' ') {
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        reach(cluster, &format!("http://{host}/"));
    }
    assert!(ask(cluster, &["logs", "server"], "").contains("8080"));
}

/// Asks until there is an answer: kube-proxy learns of a ready pod later than this test does.
fn reach(cluster: &Cluster, url: &str) {
    let mut last = String::new();
    let reached = command::wait_until(Duration::from_secs(20), || {
        let output = cluster
            .kubectl()
            .args(["exec", "client", "--", "/usr/local/bin/echo", "http", url])
            .output()
            .expect("kubectl");
        last = String::from_utf8_lossy(&output.stdout).into_owned();
        last.contains("\"host\":\"server\"").then_some(())
    });
    assert!(reached.is_some(), "{url}: {last}");
}

/// What a pod writes into a folder of its node is in no other node, and not on the host.
fn isolates(cluster: &Cluster) {
    let [first, second] = cluster.nodes() else { panic!("two nodes") };
    for folder in ["/run", "/etc/cni/net.d", "/opt/cni/bin", "/var/lib/cni", "/var/lib/kubelet"] {
        let file = format!("{folder}/only-here");
        assert!(cluster.exec_on_node(first, &["touch", &file]).expect("an answer").status.success());
        assert!(!cluster.exec_on_node(second, &["test", "-e", &file]).expect("an answer").status.success());
        assert!(!Path::new(&file).exists());
    }
    assert!(first.cni_config.join("only-here").exists() && first.cni_bin.join("only-here").exists());
}

fn ask(cluster: &Cluster, arguments: &[&str], input: &str) -> String {
    finish(cluster.kubectl().args(arguments), input.as_bytes(), READY).expect("kubectl")
}
