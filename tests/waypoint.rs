//! `ambient waypoint` on a sandbox: what it writes, what it tells, what it refuses, and what is left afterwards.

use serde_json::Value;

use crate::sandbox::{Sandbox, eventually, text};

const SHOP: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: quiet, namespace: shop, labels: {istio.io/use-waypoint: none}}
spec: {selector: {app: quiet}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  containers: [{name: web, command: [ambient, sandbox, app, serve, --name, web]}]
---
apiVersion: v1
kind: Namespace
metadata: {name: far}
---
apiVersion: v1
kind: Service
metadata:
  name: guest
  namespace: far
  labels: {istio.io/use-waypoint: waypoint, istio.io/use-waypoint-namespace: shop}
spec: {selector: {app: guest}, ports: [{port: 80}]}
";

/// What stands in for the program of all waypoints: its server answers on the port of a proxy's administration, and is ready
/// while a file is there.
const PROGRAM: &str = "
apiVersion: v1
kind: ConfigMap
metadata:
  name: program
  namespace: istio-system
  labels: {gateway.istio.io/defaults-for-class: istio-waypoint}
data:
  deployment: |
    spec:
      template:
        spec:
          containers:
            - name: istio-proxy
              command: COMMAND
              args: []
              startupProbe: null
              readinessProbe: {httpGet: null, exec: {command: [test, -f, /tmp/ready]}, periodSeconds: 1}
";

fn program(sandbox: &Sandbox, folder: &tempfile::TempDir, command: &str) {
    let file = folder.path().join("program.yaml");
    std::fs::write(&file, PROGRAM.replace("COMMAND", command)).expect("written");
    sandbox.good(&["sandbox", "apply", "-f", &file.display().to_string()]);
}

fn started(name: &str) -> (Sandbox, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let shop = folder.path().join("shop.yaml");
    std::fs::write(&shop, SHOP).expect("written");
    let sandbox = Sandbox::named(name);
    sandbox.good(&["sandbox", "up", "--nodes", "1", "-f", &shop.display().to_string()]);
    (sandbox, folder)
}

/// Runs a command that fails with this code, and returns what it wrote.
fn bad(sandbox: &Sandbox, code: i32, arguments: &[&str]) -> String {
    let output = sandbox.run(arguments);
    let told = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    told
}

fn object(sandbox: &Sandbox, kind: &str, namespace: &str, name: &str) -> Value {
    let told = sandbox.good(&["sandbox", "get", kind, "-n", namespace, name, "-o", "json"]);
    serde_json::from_str(&told).expect("JSON")
}

fn use_waypoint(sandbox: &Sandbox, kind: &str, namespace: &str, name: &str) -> Value {
    object(sandbox, kind, namespace, name)["metadata"]["labels"]["istio.io/use-waypoint"].clone()
}

#[test]
fn a_namespace_gets_a_waypoint_and_loses_it_again() {
    let (sandbox, folder) = started("enrol");
    assert_eq!(sandbox.good(&["waypoint", "list", "-A"]), "No waypoints found.\n");
    bad(&sandbox, 2, &["waypoint", "status", "-n", "shop"]);
    program(&sandbox, &folder, "[sh, -c, 'echo no configuration; exit 3']");

    let apply = ["waypoint", "apply", "-n", "shop", "--enroll-namespace"];
    let plan = sandbox.good(&[&apply[..], &["--dry-run"]].concat());
    assert!(plan.contains("+kind: Gateway") && plan.contains("+    istio.io/use-waypoint: waypoint"), "{plan}");
    assert_eq!(sandbox.good(&["waypoint", "list", "-A"]), "No waypoints found.\n", "a dry run keeps nothing");

    // It does not start: the pod and its words are named, and the waypoint is there all the same.
    let told = bad(&sandbox, 1, &[&apply[..], &["--wait", "--timeout", "6s"]].concat());
    for part in ["waypoint shop/waypoint is not ready after 6 s", "Pending", "pod waypoint-", "no configuration"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(told.contains("these services stay as they are") && told.contains("quiet"), "{told}");
    assert_eq!(use_waypoint(&sandbox, "ns", "default", "shop"), "waypoint");
    let told = bad(&sandbox, 1, &["waypoint", "status", "-n", "shop"]);
    assert!(told.contains("service shop/web is not behind it yet: WaypointIsNotReady"), "{told}");

    // What is not asked for stays.
    sandbox.good(&["waypoint", "apply", "-n", "shop", "--replicas", "1"]);
    sandbox.good(&["waypoint", "apply", "-n", "shop", "--cpu", "50m"]);
    let annotations = object(&sandbox, "gateway", "shop", "waypoint")["metadata"]["annotations"].clone();
    assert_eq!(
        (&annotations["ambient.istio.io/replicas"], &annotations["ambient.istio.io/cpu"]),
        (&"1".into(), &"50m".into())
    );

    // It is mended, and everything goes on by itself.
    program(&sandbox, &folder, "[ambient, sandbox, app, serve, --name, w, --port, '15000']");
    let pods = || -> Vec<String> {
        let told = text(&sandbox.run(&["sandbox", "status"]).stdout);
        let rows = told.lines().filter(|line| line.contains("not ready"));
        let names = rows.filter_map(|line| line.split_whitespace().nth(1)).filter(|pod| pod.starts_with("waypoint-"));
        names.map(|pod| format!("shop/{pod}")).collect()
    };
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| sandbox.good(&[&apply[..], &["--wait", "--timeout", "40s"]].concat()));
        while !waiting.is_finished() {
            pods().iter().for_each(|pod| drop(sandbox.run(&["sandbox", "exec", pod, "--", "touch", "/tmp/ready"])));
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        waiting.join().expect("it does not panic")
    });
    assert!(waiting.contains("waypoint shop/waypoint is ready after"), "{waiting}");
    assert!(waiting.contains("1/1 pods; 1 services and 0 pods are behind it"), "{waiting}");

    // Another namespace names it, and may not: that is told with the reason, and is a failure.
    let list = sandbox.good(&["waypoint", "list", "-n", "shop"]);
    let row: Vec<&str> = list.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!(row, ["waypoint", "-", "service", "True", "1/1", "1", "0", "1"], "{list}");
    let told = bad(&sandbox, 1, &["waypoint", "status", "waypoint", "-n", "shop"]);
    assert!(told.contains("service far/guest is not behind it: AttachmentDenied"), "{told}");
    let json: Value =
        serde_json::from_slice(&sandbox.run(&["waypoint", "status", "-n", "shop", "-o", "json"]).stdout).expect("JSON");
    assert_eq!(json["waypoints"][0]["boundServices"], serde_json::json!(["shop/web"]));
    assert_eq!(json["waypoints"][0]["refused"][0]["reason"], "AttachmentDenied");

    // Something that is no waypoint answers: what is not known is told as that.
    let config = sandbox.good(&["waypoint", "config", "-n", "shop"]);
    assert!(config.starts_with("waypoint unknown\n") && config.contains("SERVICE   PORT   FROM"), "{config}");

    // Without a yes nothing is deleted; then nothing is left.
    let told = bad(&sandbox, 2, &["waypoint", "delete", "waypoint", "-n", "shop"]);
    assert!(told.contains("traffic to 1 services and 0 pods goes direct then"), "{told}");
    sandbox.good(&["waypoint", "delete", "waypoint", "nobody", "-n", "shop", "-y"]);
    assert_eq!(use_waypoint(&sandbox, "ns", "default", "shop"), Value::Null);
    assert_eq!(use_waypoint(&sandbox, "service", "far", "guest"), Value::Null);
    assert_eq!(use_waypoint(&sandbox, "service", "shop", "quiet"), "none");
    eventually("no waypoint is left", || {
        (sandbox.good(&["waypoint", "list", "-A"]) == "No waypoints found.\n").then_some(())
    });
}

#[test]
fn nothing_is_changed_when_anything_is_refused() {
    let (sandbox, _folder) = started("refuse");
    let shop = |arguments: &[&'static str]| [&["waypoint", "apply", "-n", "shop"][..], arguments].concat();
    let rows: [(&[&'static str], &str); 6] = [
        (&["--enroll-service", "quiet"], "service shop/quiet says istio.io/use-waypoint: none already"),
        (&["--enroll-service", "nosuch"], "there is no service nosuch in namespace shop"),
        (&["--enroll-service", "web", "--enroll-service", "quiet"], "nothing was changed"),
        (&["--enroll-service-account", "nobody"], "no pod of namespace shop runs as service account nobody"),
        (&["--for", "workload", "--enroll-service", "web"], "it takes no traffic to services"),
        (&["--for", "none", "--enroll-namespace"], "it takes no traffic to anything"),
    ];
    for (arguments, part) in rows {
        let told = bad(&sandbox, 1, &shop(arguments));
        assert!(told.contains(part), "{part}: {told}");
    }
    bad(&sandbox, 1, &["waypoint", "apply", "-n", "nowhere"]);
    bad(&sandbox, 3, &["waypoint", "status", "--colour"]);
    assert_eq!(sandbox.good(&["waypoint", "list", "-A"]), "No waypoints found.\n");

    // A service account is its pods and their services; that the service was left out before is overwritten only when asked for.
    sandbox.good(&shop(&["--enroll-service-account", "default"]));
    assert_eq!(use_waypoint(&sandbox, "service", "shop", "web"), "waypoint");
    assert_eq!(use_waypoint(&sandbox, "pod", "shop", "web"), "waypoint");
    assert_eq!(object(&sandbox, "gateway", "shop", "waypoint")["metadata"]["labels"]["istio.io/waypoint-for"], "all");
    let told = bad(&sandbox, 1, &shop(&["--name", "gate", "--enroll-service", "web"]));
    assert!(told.contains("service shop/web says istio.io/use-waypoint: shop/waypoint already"), "{told}");
    sandbox.good(&shop(&["--name", "gate", "--enroll-service", "web", "--overwrite"]));
    assert_eq!(use_waypoint(&sandbox, "service", "shop", "web"), "gate");

    let told = sandbox.good(&["waypoint", "delete", "--all", "-n", "shop", "-y", "--keep-labels"]);
    assert!(told.contains("keep istio.io/use-waypoint of service shop/web"), "{told}");
    assert_eq!(use_waypoint(&sandbox, "service", "shop", "web"), "gate");
    assert_eq!(use_waypoint(&sandbox, "pod", "shop", "web"), "waypoint");
}
