//! The scene: a shop in the mesh with servers on both nodes, and somebody outside.

use std::path::PathBuf;

use super::lab::{Lab, Sandbox, write};

/// The namespace in the mesh.
pub const SHOP: &str = "shop";
/// Asks from within the mesh.
pub const CLIENT: &str = "shop/client";
/// Asks from outside of it.
pub const STRANGER: &str = "outside/stranger";
/// What they ask.
pub const WEB: &str = "http://web.shop/";

/// Namespaces, accounts and policy.
const BASE: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
---
apiVersion: v1
kind: Namespace
metadata: {name: outside}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: client, namespace: shop}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
";

/// Only the mesh gets in.
pub const STRICT: &str = "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec:
  mtls: {mode: STRICT}
";

/// Returns a server's Deployment; `mark` is a variable that makes its template another.
pub fn web(replicas: usize, mark: &str) -> String {
    format!(
        "\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: shop}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      serviceAccountName: web
      terminationGracePeriodSeconds: 5
      containers:
        - name: web
          command: [ambient, sandbox, app, serve, --name, web]
          env: [{{name: MARK, value: \"{mark}\"}}]
          ports: [{{containerPort: 8080}}]
          readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
"
    )
}

/// Returns a pod that serves, and from which is asked.
fn pod(namespace: &str, name: &str, account: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}
spec:
  serviceAccountName: {account}
  nodeSelector: {{kubernetes.io/hostname: node-1}}
  terminationGracePeriodSeconds: 2
  containers:
    - name: {name}
      command: [ambient, sandbox, app, serve, --name, {name}]
"
    )
}

/// Writes the scene into a folder of this name.
pub fn folder(lab: &Lab, name: &str, replicas: usize) -> Result<PathBuf, String> {
    let folder = lab.folder(name)?;
    for (file, text) in [
        ("base.yaml", BASE.to_owned()),
        ("strict.yaml", STRICT.to_owned()),
        ("web.yaml", web(replicas, "first")),
        ("client.yaml", pod(SHOP, "client", "client")),
        ("stranger.yaml", pod("outside", "stranger", "default")),
    ] {
        write(&folder.join(file), &text)?;
    }
    Ok(folder)
}

/// Starts a sandbox with the scene; an error unless all is well.
pub fn up<'a>(lab: &'a Lab, name: &str, replicas: usize) -> Result<(Sandbox<'a>, PathBuf), String> {
    let folder = folder(lab, name, replicas)?;
    let sandbox = lab.sandbox(name);
    sandbox.up_well(&folder)?;
    Ok((sandbox, folder))
}

/// Says what is wrong with the scene: within the mesh there are answers by mTLS, from outside none.
///
/// In mode STRICT only what came through the mesh is let in, which `verify` also proves by the certificates.
pub fn fault(sandbox: &Sandbox<'_>) -> Result<(), String> {
    let answer = sandbox.ask(CLIENT, WEB).map_err(|e| format!("no answer within the mesh: {e}"))?;
    let own = sandbox.pods(SHOP)?.into_iter().find(|p| p["name"] == "client").unwrap_or_default();
    if answer["client"] != own["address"] || answer["server"] != "web" {
        return Err(format!("the answer is not as it should be: {answer}"));
    }
    if let Ok(answer) = sandbox.ask(STRANGER, WEB) {
        return Err(format!("a stranger gets an answer: {answer}"));
    }
    let verify = sandbox.run(&["verify", "client.shop", "web.shop:80"])?;
    if verify.ok() { Ok(()) } else { Err(format!("verify: {}: {}", verify.verdict(), verify.all())) }
}
