//! The sandbox from its command line: the demo, a folder of manifests, and what is left afterwards.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// A sandbox of one test; it goes with the test.
pub struct Sandbox(String);

impl Sandbox {
    pub fn named(name: &str) -> Self {
        Self(format!("test-{name}-{}", std::process::id()))
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ambient"));
        command.arg(format!("--sandbox={}", self.0)).args(arguments).stdin(Stdio::null());
        command.output().expect("the binary starts")
    }

    /// Runs a command that has to succeed, and returns what it wrote.
    pub fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {out}{err}");
        out
    }

    /// Asks a service from a pod; returns the answer, or what was in the way.
    fn ask(&self, pod: &str, url: &str) -> Result<Value, String> {
        let output = self.run(&["sandbox", "exec", pod, "--", "ambient", "sandbox", "app", "get", url]);
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout).expect("the answer of `app serve`")),
            false => Err(text(&output.stderr)),
        }
    }

    fn directory(&self) -> String {
        format!("/run/ambient/sandbox/{}", self.0)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.run(&["sandbox", "down"]);
        if !std::thread::panicking() {
            assert!(!Path::new(&self.directory()).exists(), "files are left");
        }
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until something holds.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_demo_measures_what_it_tells() {
    for mode in [&["sandbox"][..], &["sandbox", "demo", "--rootless"]] {
        let sandbox = Sandbox::named(&format!("demo{}", mode.len()));
        let told = sandbox.good(mode);
        for claim in [
            "anyone between the nodes reads along",
            "4/4 pods captured",
            "a connection from before went on",
            "TLS 1.3, TLS_AES_128_GCM_SHA256; every byte is encrypted",
            "who asked:    spiffe://cluster.local/ns/shop/sa/frontend",
            "in mode STRICT it is refused",
            "an impostor with a certificate of its own making is refused",
            "error=\"policy rejection: explicitly denied by shop/stock-may-not-ask\"",
            "three hops, each in mutual TLS",
            "with the header orders-v2 answers",
            "out of order for everybody who asks, without a change of stock: 418",
            "stock is still kept out: a waypoint opens no door",
            "reason=\"policy shop/nobody-refunds refuses it\"",
            "all is well",
        ] {
            assert!(told.contains(claim), "{claim}: {told}");
        }
        assert!(!Path::new(&sandbox.directory()).exists(), "files are left");
    }
}

const WEB: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          command: [ambient, sandbox, app, serve, --name, FIRST]
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
";

#[test]
fn a_sandbox_keeps_to_a_folder_of_manifests() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("web.yaml", WEB);
    let sandbox = Sandbox::named("folder");
    let path = folder.path().display().to_string();
    sandbox.good(&["sandbox", "up", "-f", &path]);
    let server = |sandbox: &Sandbox| Some(sandbox.ask("web", "http://web/").ok()?["server"].as_str()?.to_owned());
    assert_eq!(server(&sandbox).as_deref(), Some("FIRST"));

    // A second sandbox of the same manifests is no trouble to the first.
    let other = Sandbox::named("other");
    other.good(&["sandbox", "up", "-f", &path]);
    drop(other);

    // An edit is in force without a command.
    write("web.yaml", &WEB.replace("FIRST", "SECOND"));
    eventually("the edit is in force", || server(&sandbox).filter(|s| s == "SECOND"));

    // What is wrong is told with its place; what was right stays.
    write("web.yaml", &WEB.replace("FIRST", "THIRD").replace("replicas: 2", "replicas: two"));
    write(
        "image.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - {name: a, image: nginx}\n",
    );
    let problems = eventually("both problems are told", || {
        let output = sandbox.run(&["sandbox", "status", "-o", "json"]);
        let status: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let problems = status[0]["problems"].as_array()?.clone();
        let all: Vec<String> = problems.iter().filter_map(|p| Some(p.as_str()?.to_owned())).collect();
        (all.iter().any(|p| p.contains("web.yaml:11:13")) && all.iter().any(|p| p.contains("image.yaml")))
            .then_some(all)
    });
    assert!(problems.iter().any(|p| p.contains("spec.replicas")), "{problems:?}");
    assert!(problems.iter().any(|p| p.contains("image.yaml:6") && p.contains("pulls no images")), "{problems:?}");
    assert_eq!(server(&sandbox).as_deref(), Some("SECOND"));

    // A bad file changes nothing.
    let bad = sandbox.run(&["sandbox", "apply", "-f", &format!("{path}/image.yaml")]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(text(&bad.stderr).contains("nothing was changed"), "{}", text(&bad.stderr));

    // Deleting the file deletes the objects.
    for name in ["image.yaml", "web.yaml"] {
        std::fs::remove_file(folder.path().join(name)).expect("removed");
    }
    eventually("the pods are gone", || {
        let pods: Value =
            serde_json::from_str(&sandbox.good(&["sandbox", "get", "pods", "-n", "default", "-o", "json"])).ok()?;
        pods["items"].as_array()?.is_empty().then_some(())
    });
    let exit = sandbox.run(&["sandbox", "exec", "istio-system/ambient-agent", "--", "sh", "-c", "exit 7"]);
    assert_eq!(exit.status.code(), Some(7));
}

const GUEST: &str = "
apiVersion: v1
kind: Pod
metadata: {name: guest}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - {name: guest, command: [sh, -c, 'echo hello; exec sleep 1000']}
";

#[test]
fn pods_have_no_rights_over_the_machine_and_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("guest.yaml");
    std::fs::write(&file, GUEST).expect("written");
    for mode in [&[][..], &["--rootless"]] {
        let sandbox = Sandbox::named(&format!("guest{}", mode.len()));
        let file = file.display().to_string();
        sandbox.good(&[&["sandbox", "up", "--nodes", "1", "-f", &file], mode].concat());
        let inside = |script: &str| sandbox.run(&["sandbox", "exec", "guest", "--", "sh", "-c", script]);
        for forbidden in [
            "mount -o remount,bind,rw /",
            "umount -l /run",
            "unshare -Urm mount -o remount,bind,rw /",
            "echo x > /usr/sandbox-was-here",
            "echo x > /proc/sys/kernel/core_pattern",
            "ip link delete eth0",
            "test -e /dev/vda -o -e /dev/sda",
            "ls /proc/1/fd/3",
            "ls /run/ambient/sandbox",
        ] {
            assert!(!inside(forbidden).status.success(), "{forbidden}");
        }
        assert!(inside("echo x > /tmp/own && echo x > /root/own && test $(hostname) = guest").status.success());
        assert_eq!(inside("exit 7").status.code(), Some(7));
        let nosuch = sandbox.run(&["sandbox", "exec", "guest", "--", "nosuch"]);
        assert_eq!(nosuch.status.code(), Some(127));
        assert_eq!(sandbox.good(&["sandbox", "logs", "guest"]), "hello\n");

        // Another command for the same name is no trouble to the first.
        let second = sandbox.run(&["sandbox", "up"]);
        assert!(text(&second.stderr).contains("is running already"), "{}", text(&second.stderr));

        // A container that is killed is started again, and counted.
        let _ = inside("kill -9 2");
        eventually("it runs again", || {
            let pod = sandbox.good(&["sandbox", "get", "pod", "guest", "-n", "default", "-o", "json"]);
            let pod: Value = serde_json::from_str(&pod).ok()?;
            let container = &pod["status"]["containerStatuses"][0];
            (container["restartCount"] == 1 && container["ready"] == true).then_some(())
        });
    }
}

const WAYPOINT: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient, istio.io/use-waypoint: waypoint}}
---
apiVersion: v1
kind: Pod
metadata: {name: till, namespace: shop}
spec:
  containers: [{name: till, command: [ambient, sandbox, app, serve, --name, till]}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  containers:
    - name: web
      command: [ambient, sandbox, app, serve, --name, web]
      readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
";

/// A waypoint whose program is a server that is no waypoint: it is ready while it has a file, and takes no tunnels.
const GATEWAY: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: program, namespace: shop}
data:
  deployment: |
    spec:
      template:
        spec:
          containers:
            - name: istio-proxy
              command: [ambient, sandbox, app, serve, --name, no-waypoint]
              args: []
              startupProbe: null
              readinessProbe:
                httpGet: null
                exec: {command: [sh, -c, 'test -s /var/run/secrets/tokens/istio-token && test -f /tmp/ready']}
                periodSeconds: 1
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: shop}
spec:
  gatewayClassName: istio-waypoint
  infrastructure: {parametersRef: {group: '', kind: ConfigMap, name: program}}
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
";

#[test]
fn traffic_waits_for_a_waypoint_and_then_never_passes_it_by() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("shop.yaml", WAYPOINT);
    let sandbox = Sandbox::named("waypoint");
    sandbox.good(&["sandbox", "up", "-f", &folder.path().display().to_string()]);
    let asked = || sandbox.ask("shop/till", "http://web/").map(|answer| answer["server"].as_str().map(str::to_owned));
    let yaml = |kind: &str, name: &str| sandbox.good(&["sandbox", "get", kind, "-n", "shop", name, "-o", "yaml"]);
    let says = |kind: &str, name: &str, words: &str| {
        eventually(words, || yaml(kind, name).contains(words).then_some(()));
    };
    // Its exit code says that not all are ready.
    let status = || text(&sandbox.run(&["sandbox", "status"]).stdout);
    let pods = || -> Vec<String> {
        let told = status();
        let rows = told.lines().filter_map(|line| line.split_whitespace().nth(1));
        rows.filter(|pod| pod.starts_with("waypoint-")).map(|pod| format!("shop/{pod}")).collect()
    };
    let in_each = |program: &[&str]| {
        pods().iter().for_each(|pod| drop(sandbox.good(&[&["sandbox", "exec", pod, "--"], program].concat())));
    };
    says("service", "web", "there is no Gateway shop/waypoint");
    assert_eq!(asked(), Ok(Some("web".into())), "a waypoint that is not there is in nobody's way");

    write("gateway.yaml", GATEWAY);
    eventually("two pods of the waypoint run", || (pods().len() == 2).then_some(()));
    says("service", "web", "was not ready yet");
    assert_eq!(asked(), Ok(Some("web".into())), "it was not ready yet");

    eventually("both run", || (status().matches("not ready").count() == 2).then_some(()));
    in_each(&["touch", "/tmp/ready"]);
    says("gateway", "waypoint", "the waypoint is ready");
    says("service", "web", "bound to waypoint shop/waypoint");
    eventually("traffic goes to the waypoint, which takes none", || asked().err());
    in_each(&["rm", "/tmp/ready"]);
    says("gateway", "waypoint", "is refused until one is");
    assert!(asked().is_err(), "nothing passes by");

    std::fs::remove_file(folder.path().join("gateway.yaml")).expect("removed");
    eventually("traffic goes direct again", || asked().ok());
    eventually("nothing is left of the waypoint", || pods().is_empty().then_some(()));
}
