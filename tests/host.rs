//! The mesh's components on a plain host, without Kubernetes: a folder of manifests, a token, and discovery.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const MANIFESTS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: istio-system}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: ztunnel, namespace: istio-system}
---
apiVersion: v1
kind: Pod
metadata: {name: ztunnel-host-a, namespace: istio-system}
spec:
  nodeName: host-a
  serviceAccountName: ztunnel
  containers: [{name: ztunnel, image: none}]
";

/// A component, which ends with the test.
struct Role(Child);

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn role(name: &str, log: &Path, variables: &[(&str, String)]) -> Role {
    let out = File::create(log).expect("a log");
    let err = out.try_clone().expect("a log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ambient"));
    command.args(["--role", name]).env_clear().envs(variables.iter().cloned());
    Role(command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().expect("the binary starts"))
}

fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port().to_string()
}

fn token(state: &Path, pod: &str, more: &[&str]) -> (bool, String) {
    let state = state.display().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ambient"));
    command.args(["-n", "istio-system", "token", pod, "--state", &state]).args(more);
    let output = command.output().expect("the binary starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn eventually(what: &str, mut look: impl FnMut() -> Result<(), String>) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        match look() {
            Ok(()) => return,
            Err(seen) => assert!(Instant::now() < end, "never happened: {what}: {seen}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_node_proxy_is_let_in_by_its_token_and_by_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("manifests")).expect("made");
    fs::write(path("manifests/mesh.yaml"), MANIFESTS).expect("written");
    let text = |name: &str| path(name).display().to_string();
    let discovery = free_port();
    let _agent = role(
        "agent",
        &path("agent.log"),
        &[
            ("SOURCE_MANIFESTS", text("manifests")),
            ("SOURCE_STATE", text("state")),
            ("TLS_PORT", discovery.clone()),
            ("MONITORING_PORT", free_port()),
            ("READINESS_PORT", free_port()),
        ],
    );
    eventually("the token is issued", || {
        match token(&path("state"), "ztunnel-host-a", &["--write", &text("identity")]) {
            (true, _) => Ok(()),
            (false, told) => Err(told),
        }
    });
    let (good, told) = token(&path("state"), "nobody", &[]);
    assert!(!good && told.contains("there is no pod nobody"), "{told}");
    let (good, told) = token(&path("typo"), "ztunnel-host-a", &[]);
    assert!(!good && told.contains("there is no state directory") && !path("typo").exists(), "{told}");

    let proxy = |log: &str, token: &str| {
        role(
            "ztunnel",
            &path(log),
            &[
                ("XDS_ADDRESS", format!("localhost:{discovery}")),
                ("XDS_ROOT_CA", text("identity/root-cert.pem")),
                ("CA_ROOT_CA", text("identity/root-cert.pem")),
                ("AUTH_TOKEN", text(token)),
                ("INPOD_UDS", text("none.sock")),
                ("NODE_NAME", "host-a".into()),
                ("POD_NAME", "ztunnel-host-a".into()),
                ("POD_NAMESPACE", "istio-system".into()),
                ("ADMIN_PORT", free_port()),
                ("STATS_PORT", free_port()),
                ("READINESS_PORT", free_port()),
            ],
        )
    };
    let said = |log: &str, words: &str| {
        let text = fs::read_to_string(path(log)).unwrap_or_default();
        if text.contains(words) { Ok(()) } else { Err(text) }
    };
    let _good = proxy("good.log", "identity/token");
    eventually("discovery is complete", || said("good.log", "discovery complete"));
    fs::write(path("forged"), "eyJhbGciOiJIUzI1NiJ9.e30.AAAA").expect("written");
    let _bad = proxy("bad.log", "forged");
    eventually("a forged token is refused", || said("bad.log", "the token is not valid"));
    assert!(said("bad.log", "discovery complete").is_err());
}
