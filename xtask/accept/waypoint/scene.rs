//! The scene: a shop behind a waypoint with servers of several versions, and clients of three kinds.

use std::{fmt::Write, time::Duration};

use crate::accept::{
    Ended,
    lab::until,
    sandbox::lab::{Lab, Sandbox, write},
};

/// The client and server of the tests, as pods see it.
pub const ECHO: &str = "/srv/echo";
/// Asks from within the shop.
pub const CLIENT: &str = "shop/client";
/// How long what is needed may take to start.
const START: Duration = Duration::from_secs(40);

/// Namespaces, and what clients there run as.
const NAMESPACES: &str = "\
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: guest, labels: {istio.io/dataplane-mode: ambient}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: far, labels: {istio.io/dataplane-mode: ambient}}}
";
/// Who asks: namespace, name.
const CLIENTS: [(&str, &str); 3] = [("shop", "client"), ("shop", "other"), ("guest", "guest")];
/// Who serves: namespace, name, how many.
const SERVERS: [(&str, &str, usize); 5] =
    [("shop", "v1", 2), ("shop", "v2", 2), ("shop", "v3", 1), ("shop", "one", 1), ("far", "far", 1)];

/// The scene while it runs.
pub struct Scene<'a> {
    /// The sandbox.
    pub sandbox: Sandbox<'a>,
}

/// Writes a service of the namespace; `selects` are the labels of its pods.
pub fn service(namespace: &str, name: &str, selects: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  selector: {{{selects}}}\n  \
         ports:\n    - {{name: http, port: 80, targetPort: 8080}}\n    - {{name: http-alt, port: 81, targetPort: 8080}}\n    \
         - {{name: grpc, port: 82, targetPort: 8080, appProtocol: grpc}}\n    - {{name: tcp, port: 90, targetPort: 9090, appProtocol: tcp}}\n    \
         - {{name: first, port: 91, targetPort: 9091}}\n"
    )
}

fn deployment(namespace: &str, name: &str, replicas: usize) -> String {
    format!(
        "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: {namespace}}}\n---\napiVersion: apps/v1\nkind: Deployment\n\
         metadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  replicas: {replicas}\n  selector: {{matchLabels: {{version: {name}}}}}\n  \
         template:\n    metadata: {{labels: {{app: echo, version: {name}}}}}\n    spec:\n      serviceAccountName: {name}\n      \
         terminationGracePeriodSeconds: 2\n      containers:\n        - name: echo\n          \
         command: [{ECHO}, serve, --name, {name}, --http, \"8080\", --tcp, \"9090\", --first, \"9091\"]\n          \
         readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}\n"
    )
}

fn client(namespace: &str, name: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: {namespace}}}\n---\napiVersion: v1\nkind: Pod\n\
         metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}\nspec:\n  serviceAccountName: {name}\n  \
         nodeSelector: {{kubernetes.io/hostname: node-1}}\n  terminationGracePeriodSeconds: 1\n  containers:\n    - name: {name}\n      \
         command: [{ECHO}, serve, --name, {name}, --http, \"8080\"]\n"
    )
}

/// Starts the scene with further manifests, and its waypoint.
pub fn up<'a>(lab: &'a Lab, name: &str, more: &str) -> Result<Scene<'a>, String> {
    up_with(lab, name, more, &[])
}

/// The same with variables.
pub fn up_with<'a>(lab: &'a Lab, name: &str, more: &str, variables: &[(&str, &str)]) -> Result<Scene<'a>, String> {
    let folder = lab.folder(name)?;
    let mut text = NAMESPACES.to_owned();
    for (namespace, name, replicas) in SERVERS {
        text += &deployment(namespace, name, replicas);
        text += &service(namespace, name, &format!("version: {name}"));
    }
    text.extend(CLIENTS.map(|(namespace, name)| client(namespace, name)));
    let _ = write!(text, "{}{more}", service("shop", "all", "app: echo"));
    write(&folder.join("scene.yaml"), &text)?;
    let scene = Scene { sandbox: lab.sandbox(name) };
    scene.sandbox.up_well_with(&folder, variables)?;
    let arguments = ["waypoint", "apply", "-n", "shop", "--enroll-namespace", "--wait", "--timeout", "30s"];
    let made = scene.sandbox.run(&arguments)?;
    if !made.ok() {
        return Err(format!("no waypoint: {}", made.all()));
    }
    let (well, _) = until(START, || scene.ready());
    if well {
        Ok(scene)
    } else {
        Err(format!("not all pods are ready: {}", scene.sandbox.run(&["sandbox", "status"])?.all()))
    }
}

impl Scene<'_> {
    /// Runs the test program in a pod.
    pub fn echo(&self, pod: &str, arguments: &[&str]) -> Result<Ended, String> {
        self.sandbox.exec(pod, &[&[ECHO], arguments].concat())
    }

    fn ready(&self) -> bool {
        let all = |namespace: &str| self.sandbox.pods(namespace).unwrap_or_default();
        let pods = [all("shop"), all("guest"), all("far")].concat();
        pods.len() >= CLIENTS.len() + SERVERS.len() && pods.iter().all(|pod| pod["ready"] == true)
    }

    /// Applies manifests; an error when one is refused.
    pub fn apply(&self, manifests: &str) -> Result<(), String> {
        let applied = self.sandbox.feed("apply", manifests)?;
        if applied.ok() { Ok(()) } else { Err(applied.all()) }
    }

    /// Deletes what manifests name.
    pub fn delete(&self, manifests: &str) -> Result<(), String> {
        let deleted = self.sandbox.feed("delete", manifests)?;
        if deleted.ok() { Ok(()) } else { Err(deleted.all()) }
    }

    /// Lists the addresses of the waypoint's pods.
    pub fn waypoints(&self) -> Result<Vec<String>, String> {
        let pods = self.sandbox.pods("shop")?;
        let own = pods.iter().filter(|p| p["name"].as_str().is_some_and(|name| name.starts_with("waypoint-")));
        Ok(own.filter_map(|p| p["address"].as_str().map(str::to_owned)).collect())
    }
}
