//! The Kubernetes objects of an app: a service account, a deployment, and three kinds of service.

use serde_json::{Value, json};

use super::{App, Port};

/// Where the pods run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// Where the scheduler puts them.
    Anywhere,
    /// On this node, past the scheduler.
    Node(&'a str),
    /// On nodes with this label.
    Labelled(&'a str, &'a str),
}

/// How the kubelet asks for the pod's health, once a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Not at all.
    None,
    /// A program in the pod that talks to the app.
    Exec,
    /// gRPC's health service.
    Grpc,
    /// An HTTP request.
    Http,
    /// A connection.
    Tcp,
}

/// One app in a namespace.
#[derive(Clone, Copy, Debug)]
pub struct Deployment<'a> {
    /// What runs.
    pub app: App,
    /// The name of all its objects, and of its service account: one app may run under several.
    pub name: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// Where.
    pub place: Place<'a>,
    /// How many pods.
    pub replicas: u32,
    /// Its probes.
    pub probe: Probe,
    /// Labels of its pods, beside `app`.
    pub labels: &'a [(&'a str, &'a str)],
}

impl<'a> Deployment<'a> {
    /// One pod under the app's own name, anywhere, without probes.
    pub fn new(app: App, namespace: &'a str) -> Self {
        Self { app, name: app.name(), namespace, place: Place::Anywhere, replicas: 1, probe: Probe::None, labels: &[] }
    }

    /// Returns its objects: service account, deployment, and for an app with ports the services `NAME` (target port by
    /// number), `NAME-named` (by name, on `Port::named`) and `NAME-headless` (on the container's ports).
    ///
    /// None if the app has nothing that the probe could ask.
    pub fn objects(&self) -> Option<Vec<Value>> {
        let probe = match self.probe {
            Probe::None => None,
            probe => Some(handler(self.app, probe)?),
        };
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": self.metadata("") });
        let mut objects = vec![account, self.deployment(probe)];
        if !self.app.ports().is_empty() {
            objects.push(self.service("", |port| (port.service, port.container.into()), None));
            objects.push(self.service("-named", |port| (port.named(), port.name.into()), None));
            objects.push(self.service("-headless", |port| (port.container, port.container.into()), Some("None")));
        }
        Some(objects)
    }

    fn metadata(&self, suffix: &str) -> Value {
        json!({
            "name": format!("{}{suffix}", self.name), "namespace": self.namespace, "labels": { "app": self.name },
        })
    }

    fn deployment(&self, probe: Option<Value>) -> Value {
        let mut labels = json!({ "app": self.name });
        for (key, value) in self.labels {
            labels[*key] = json!(value);
        }
        let ports = self.app.ports().iter();
        let ports: Vec<_> = ports
            .map(|port| json!({ "name": port.name, "containerPort": port.container, "protocol": protocol(*port) }))
            .collect();
        let mut container = json!({
            "name": self.app.name(), "image": self.app.image(), "imagePullPolicy": "IfNotPresent", "ports": ports,
        });
        if self.app == App::Echo {
            container["args"] = json!(self.echo_arguments());
        }
        if let Some(handler) = probe {
            // The first minute is for starting: a busy machine must not have its slow starters killed. After that, one
            // failure is seen in the pod's readiness, so that a test need not sample the kubelet's events.
            container["startupProbe"] = timed(&handler, 60);
            container["readinessProbe"] = timed(&handler, 1);
            container["livenessProbe"] = timed(&handler, 3);
        }
        let mut pod = json!({
            "serviceAccountName": self.name, "terminationGracePeriodSeconds": 1, "containers": [container],
        });
        match self.place {
            Place::Anywhere => {}
            Place::Node(name) => pod["nodeName"] = json!(name),
            Place::Labelled(key, value) => pod["nodeSelector"] = json!({ key: value }),
        }
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": self.metadata(""),
            "spec": {
                "replicas": self.replicas,
                "selector": { "matchLabels": { "app": self.name } },
                "template": { "metadata": { "labels": labels }, "spec": pod },
            },
        })
    }

    fn echo_arguments(&self) -> Vec<String> {
        let mut arguments = vec!["serve".to_owned(), "--name".to_owned(), self.name.to_owned()];
        for port in self.app.ports() {
            // The option is the last word of the port's name: `first` of `tcp-first`.
            let option = port.name.rsplit('-').next().unwrap_or(port.name);
            arguments.extend([format!("--{option}"), port.container.to_string()]);
        }
        arguments
    }

    fn service(&self, suffix: &str, port: impl Fn(Port) -> (u16, Value), cluster_ip: Option<&str>) -> Value {
        let ports = self.app.ports().iter().map(|each| {
            let (number, target) = port(*each);
            json!({ "name": each.name, "port": number, "targetPort": target, "protocol": protocol(*each) })
        });
        let mut service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": self.metadata(suffix),
            "spec": { "selector": { "app": self.name }, "ports": ports.collect::<Vec<_>>() },
        });
        if let Some(address) = cluster_ip {
            service["spec"]["clusterIP"] = json!(address);
        }
        service
    }
}

/// Returns the namespace, with labels.
pub fn namespace(name: &str, labels: &[(&str, &str)]) -> Value {
    let labels: serde_json::Map<_, _> = labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } })
}

/// Returns the objects as one, for `kubectl apply --filename -`.
pub fn list(objects: Vec<Value>) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": objects })
}

fn protocol(port: Port) -> &'static str {
    if port.udp { "UDP" } else { "TCP" }
}

fn timed(handler: &Value, failures: u32) -> Value {
    let mut probe = handler.clone();
    for (key, value) in [("periodSeconds", 1), ("timeoutSeconds", 5), ("failureThreshold", failures)] {
        probe[key] = json!(value);
    }
    probe
}

fn handler(app: App, probe: Probe) -> Option<Value> {
    let first = app.ports().first()?;
    Some(match (probe, app) {
        (Probe::Http, App::Echo) => json!({ "httpGet": { "path": "/healthz", "port": first.name } }),
        (Probe::Http, App::Etcd) => json!({ "httpGet": { "path": "/health", "port": first.name } }),
        (Probe::Http, App::Nginx) => json!({ "httpGet": { "path": "/", "port": first.name } }),
        // iperf3 serves one client at a time and takes a probe for one.
        (Probe::Tcp, App::Echo | App::Etcd | App::Nginx | App::Redis | App::Smtp) => {
            json!({ "tcpSocket": { "port": first.name } })
        }
        // The kubelet takes a number only.
        (Probe::Grpc, App::Echo | App::Etcd) => json!({ "grpc": { "port": first.container } }),
        (Probe::Exec, _) => json!({ "exec": { "command": command(app)? } }),
        _ => return None,
    })
}

fn command(app: App) -> Option<&'static [&'static str]> {
    Some(match app {
        App::Echo => &["/usr/local/bin/echo", "tcp", "localhost:9000", "--who"],
        App::Etcd => &["/usr/bin/etcdctl", "endpoint", "health"],
        App::Redis => &["/usr/bin/redis-cli", "ping"],
        App::Client | App::Iperf | App::Nginx | App::Smtp => return None,
    })
}
