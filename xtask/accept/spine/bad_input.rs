//! Input that is wrong: a clear error, the right exit code, nothing half done.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::PathBuf,
    process::Command,
    thread,
};

use crate::accept::{Ended, Lab, Report, lab::ended};

/// A file that goes away again.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str, text: &str) -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("ambient-accept-{}-{name}", std::process::id()));
        fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self(path))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn kubeconfig(name: &str, server: &str, user: &str) -> Result<Temporary, String> {
    Temporary::new(
        name,
        &format!(
            "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: \"{server}\", insecure-skip-tls-verify: true}}}}]\nusers: [{{name: u, user: {user}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\ncurrent-context: c\n"
        ),
    )
}

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let with = |file: &Temporary, arguments: &[&str]| {
        ended(Command::new(&lab.ambient).args(["--kubeconfig", file.path()]).args(arguments))
    };
    let mut expect = |name: &str, ended: Ended, code: i32, texts: &[&str]| {
        let missing: Vec<&&str> = texts.iter().filter(|text| !ended.err.contains(**text)).collect();
        let ok = ended.code == code && missing.is_empty() && ended.out.is_empty();
        report.row(
            name,
            format!("exit {}: {}", ended.code, ended.err.trim()),
            format!("exit {code}, names {texts:?}"),
            ok,
        );
    };

    let nowhere = kubeconfig("nowhere", "https://127.0.0.1:1", "{}")?;
    expect(
        "unreachable cluster",
        with(&nowhere, &["install"])?,
        1,
        &["cannot reach the cluster at https://127.0.0.1:1", "hint:"],
    );
    expect(
        "no such kubeconfig",
        ended(Command::new(&lab.ambient).args(["--kubeconfig", "/nonexistent", "install"]))?,
        1,
        &["/nonexistent"],
    );

    let old = old_server()?;
    let old = kubeconfig("old", &old, "{}")?;
    expect("unsupported Kubernetes version", with(&old, &["install"])?, 1, &["v1.20.3 is too old", "1.30"]);

    lab.apply("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: nobody, namespace: default}\n")?;
    let token = lab.kubectl(&["create", "token", "nobody"])?;
    let url = lab.kubectl(&["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"])?;
    let nobody = kubeconfig("nobody", &url, &format!("{{token: {}}}", token.trim()))?;
    let rights = [
        "rights are missing",
        "may not create namespaces",
        "may not create customresourcedefinitions.apiextensions.k8s.io",
        "may not patch daemonsets.apps in namespace istio-system",
    ];
    expect("missing rights, one by one", with(&nobody, &["install"])?, 1, &rights);
    lab.kubectl(&["delete", "serviceaccount", "nobody"])?;

    let ambient = |arguments: &[&str]| lab.ambient(arguments);
    expect(
        "unknown key in --set",
        ambient(&["install", "--set", "agent.replica=2"])?,
        2,
        &["agent.replica", "replicas"],
    );
    let unknown = Temporary::new("unknown.yaml", "agent:\n  replicas: 2\n  colour: red\n")?;
    expect(
        "unknown key in an overlay",
        ambient(&["install", "-f", unknown.path()])?,
        1,
        &["colour", ":3:3", "replicas"],
    );
    let broken = Temporary::new("broken.yaml", "agent:\n  replicas: [1\nztunnel: {}\n")?;
    expect("invalid YAML with line and column", ambient(&["install", "-f", broken.path()])?, 1, &["line 3", "column"]);
    let wrong = Temporary::new("wrong.yaml", "agent:\n  replicas: many\n")?;
    expect("a value of the wrong type", ambient(&["install", "-f", wrong.path()])?, 1, &["agent.replicas", "line 2"]);
    expect(
        "no such namespace",
        ambient(&["namespace", "add", "nonexistent"])?,
        1,
        &["there is no namespace nonexistent"],
    );
    expect("an unknown command", ambient(&["instal"])?, 2, &["install"]);
    for (role, variable, value) in [
        ("ztunnel", "STATS_PORT", "many"),
        ("ztunnel", "LOCAL_TRANSPORT", "carrier"),
        ("agent", "TLS_PORT", "-1"),
        ("agent", "CA_TRUSTED_NODE_ACCOUNTS", "x"),
        ("cni", "NODE_NAME", ""),
    ] {
        let ended =
            ended(Command::new(&lab.ambient).args(["--role", role]).env(variable, value).env_remove("KUBECONFIG"))?;
        let ok = ended.code == 2 && ended.all().contains(variable);
        report.row(
            format!("{role} with {variable}={value:?}"),
            format!("exit {}: {}", ended.code, ended.all()),
            "exit 2, names the variable",
            ok,
        );
    }
    report.holds("nothing was made by any of these", lab.kubectl(&["get", "namespace", "istio-system"]).is_err(), "");
    Ok(())
}

/// An API server that says it is old, and nothing else.
fn old_server() -> Result<String, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let body = r#"{"major":"1","minor":"20","gitVersion":"v1.20.3","gitCommit":"","gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":""}"#;
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    Ok(format!("http://{address}"))
}
