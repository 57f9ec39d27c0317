//! What a pod's manifest asks for, as far as a sandbox can do it; the rest is refused by name.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    time::Duration,
};

use k8s_openapi::{api::core::v1 as core, apimachinery::pkg::util::intstr::IntOrString};

use crate::{files, pause::Program};

/// Whether a container that ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    #[default]
    Always,
    /// Unless it ended well.
    OnFailure,
    /// Never.
    Never,
}

/// A pod to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// The programs.
    pub containers: Vec<Container>,
    /// Whether it lives in its node's network namespace.
    pub host_network: bool,
    /// Whether it sees the sandbox's processes and the machine's files as they are.
    pub host_pid: bool,
    /// Whether containers that ended are started again.
    pub restart: Restart,
    /// How long containers may take to end.
    pub grace: Duration,
    /// The host name.
    pub hostname: String,
    /// Where it sees its identity: a token and the mesh's root.
    pub identity: Vec<PathBuf>,
}

/// A program and how to tell whether it is well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// The name.
    pub name: String,
    /// What runs.
    pub program: Program,
    /// Until this succeeds the others wait.
    pub startup: Option<Probe>,
    /// Whether it takes traffic.
    pub readiness: Option<Probe>,
    /// Whether it is to be started anew.
    pub liveness: Option<Probe>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What is tried.
    pub action: Action,
    /// Time before the first.
    pub delay: Duration,
    /// Time between two.
    pub period: Duration,
    /// Time that one may take.
    pub timeout: Duration,
    /// Successes in a row that count.
    pub successes: u32,
    /// Failures in a row that count.
    pub failures: u32,
}

/// How a check is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A connection.
    Tcp(u16),
    /// A request, answered with 200 to 399.
    Http {
        /// The port.
        port: u16,
        /// The path.
        path: String,
        /// The headers.
        headers: Vec<(String, String)>,
    },
    /// A program in the pod that ends with 0.
    Exec(Vec<String>),
}

/// What a field refers to that is known only when the pod runs.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The pod's addresses.
    pub addresses: Vec<String>,
    /// The node's address.
    pub node_address: String,
    /// More variables.
    pub env: BTreeMap<String, String>,
}

/// Reads a pod.
///
/// # Errors
/// What it asks for and cannot have, in a sentence.
pub fn read(pod: &core::Pod, facts: &Facts) -> Result<Spec, String> {
    let spec = pod.spec.as_ref().ok_or("the pod has no specification")?;
    let restart = match spec.restart_policy.as_deref() {
        None | Some("Always") => Restart::Always,
        Some("OnFailure") => Restart::OnFailure,
        Some("Never") => Restart::Never,
        Some(other) => return Err(format!("restartPolicy {other:?} is unknown")),
    };
    let name = pod.metadata.name.clone().unwrap_or_default();
    let grace = spec.termination_grace_period_seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or(30);
    let containers = spec.containers.iter().map(|c| container(pod, c, facts)).collect::<Result<_, _>>()?;
    Ok(Spec {
        containers,
        identity: if is_of_the_mesh(pod) { identity(spec)? } else { Vec::new() },
        host_network: spec.host_network.unwrap_or_default(),
        host_pid: spec.host_pid.unwrap_or_default(),
        restart,
        grace: Duration::from_secs(grace),
        // As long as the kernel takes it, and a label of DNS, as a kubelet does.
        hostname: spec.hostname.clone().unwrap_or(name).chars().take(63).collect(),
    })
}

/// The image of the mesh, which is this program; a sandbox has no other.
pub const IMAGE: &str = concat!("ambient:", env!("CARGO_PKG_VERSION"));

/// Tells whether a pod is of the mesh's own image, and so one that the control plane deployed.
#[must_use]
pub fn is_of_the_mesh(pod: &core::Pod) -> bool {
    let containers = pod.spec.iter().flat_map(|s| &s.containers);
    pod.spec.as_ref().is_some_and(|s| !s.host_pid.unwrap_or_default())
        && containers.into_iter().any(|c| c.image.as_deref() == Some(IMAGE))
}

/// Finds where a pod of the mesh wants its token and the mesh's root; there are no other volumes.
fn identity(spec: &core::PodSpec) -> Result<Vec<PathBuf>, String> {
    let mut paths = Vec::new();
    for mount in spec.containers.iter().flat_map(|c| c.volume_mounts.iter().flatten()) {
        let volume = spec.volumes.iter().flatten().find(|v| v.name == mount.name);
        let is_token = |v: &core::Volume| {
            let sources = v.projected.iter().flat_map(|p| p.sources.iter().flatten());
            let mut sources = sources.peekable();
            sources.peek().is_some() && sources.all(|source| source.service_account_token.is_some())
        };
        let is_root = |v: &core::Volume| v.config_map.as_ref().is_some_and(|map| map.name == ROOT);
        if !volume.is_some_and(|v| is_token(v) || is_root(v)) {
            let name = &mount.name;
            return Err(format!(
                "volume {name}: a sandbox gives a waypoint its token and the mesh's root, and no other"
            ));
        }
        // `/var/run` is another name of `/run` (FHS 5.13), which a machine with nothing on it lacks.
        let path = PathBuf::from(&mount.mount_path);
        let path = path.strip_prefix("/var/run").map(|rest| Path::new("/run").join(rest)).unwrap_or(path);
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// Where what the control plane deployed finds its token and the mesh's root: by the name that every machine has.
const MESH_FILES: [(&str, &str); 3] = [
    ("AUTH_TOKEN", "/run/secrets/tokens/istio-token"),
    ("XDS_ROOT_CA", "/run/secrets/istio/root-cert.pem"),
    ("CA_ROOT_CA", "/run/secrets/istio/root-cert.pem"),
];

/// The ConfigMap with the mesh's root.
const ROOT: &str = "istio-ca-root-cert";

fn container(pod: &core::Pod, container: &core::Container, facts: &Facts) -> Result<Container, String> {
    let mut env: BTreeMap<String, String> = BTreeMap::from([
        ("PATH".to_owned(), files::PATH.to_owned()),
        ("HOME".to_owned(), "/root".to_owned()),
        ("HOSTNAME".to_owned(), pod.metadata.name.clone().unwrap_or_default()),
    ]);
    env.extend(facts.env.clone());
    if container.image.as_deref() == Some(IMAGE) {
        env.extend(MESH_FILES.map(|(name, path)| (name.to_owned(), path.to_owned())));
    }
    for variable in container.env.iter().flatten() {
        let value = match (&variable.value, variable.value_from.as_ref().and_then(|v| v.field_ref.as_ref())) {
            (_, Some(field)) => lookup(pod, &field.field_path, facts)
                .ok_or_else(|| format!("env {}: field {} is unknown", variable.name, field.field_path))?,
            (Some(value), None) => expand(value, &env),
            (None, None) => String::new(),
        };
        env.insert(variable.name.clone(), value);
    }
    let own = container.image.as_deref() == Some(IMAGE);
    let entry = [files::OWN.to_owned()];
    let command = container.command.as_deref().filter(|c| !c.is_empty()).or_else(|| own.then_some(&entry[..]));
    let words = command.into_iter().flatten().chain(container.args.iter().flatten());
    let argv: Vec<String> = words.map(|w| expand(w, &env)).collect();
    if command.is_none() {
        return Err(format!("container {} has no command: a sandbox has no image to take one from", container.name));
    }
    let ports: HashMap<&str, u16> = container
        .ports
        .iter()
        .flatten()
        .filter_map(|p| Some((p.name.as_deref()?, u16::try_from(p.container_port).ok()?)))
        .collect();
    let check = |p: &Option<core::Probe>| p.as_ref().map(|p| probe(p, &ports)).transpose();
    Ok(Container {
        name: container.name.clone(),
        startup: check(&container.startup_probe)?,
        readiness: check(&container.readiness_probe)?,
        liveness: check(&container.liveness_probe)?,
        program: Program { argv, env, directory: container.working_dir.as_ref().map(PathBuf::from), logged: true },
    })
}

/// Replaces `$(NAME)` by the variable, `$$` by `$`; what is unknown stays, as Kubernetes has it.
fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        if let Some(behind) = behind.strip_prefix('$') {
            out.push('$');
            rest = behind;
        } else if let Some((name, after)) = behind.strip_prefix('(').and_then(|b| b.split_once(')')) {
            match env.get(name) {
                Some(value) => out.push_str(value),
                None => out.push_str(&format!("$({name})")),
            }
            rest = after;
        } else {
            out.push('$');
            rest = behind;
        }
    }
    out + rest
}

fn lookup(pod: &core::Pod, path: &str, facts: &Facts) -> Option<String> {
    let meta = &pod.metadata;
    let spec = pod.spec.as_ref()?;
    let entry = |map: &Option<BTreeMap<String, String>>, rest: &str| {
        let key = rest.strip_suffix("']")?;
        Some(map.as_ref().and_then(|m| m.get(key)).cloned().unwrap_or_default())
    };
    match path {
        "metadata.name" => meta.name.clone(),
        "metadata.namespace" => meta.namespace.clone(),
        "metadata.uid" => meta.uid.clone(),
        "spec.nodeName" => spec.node_name.clone(),
        "spec.serviceAccountName" => Some(spec.service_account_name.clone().unwrap_or_else(|| "default".to_owned())),
        "status.podIP" => facts.addresses.first().cloned(),
        "status.podIPs" => Some(facts.addresses.join(",")),
        "status.hostIP" => Some(facts.node_address.clone()),
        _ => match (path.strip_prefix("metadata.labels['"), path.strip_prefix("metadata.annotations['")) {
            (Some(rest), _) => entry(&meta.labels, rest),
            (_, Some(rest)) => entry(&meta.annotations, rest),
            _ => None,
        },
    }
}

fn probe(probe: &core::Probe, ports: &HashMap<&str, u16>) -> Result<Probe, String> {
    let port = |port: &IntOrString| match port {
        IntOrString::Int(n) => u16::try_from(*n).map_err(|_| format!("{n} is no port")),
        IntOrString::String(name) => ports
            .get(name.as_str())
            .copied()
            .ok_or_else(|| format!("a probe names port {name:?}, which is none of its")),
    };
    let action = if let Some(http) = &probe.http_get {
        let headers = http.http_headers.iter().flatten().map(|h| (h.name.clone(), h.value.clone())).collect();
        let path = http.path.clone().unwrap_or_else(|| "/".to_owned());
        Action::Http { port: port(&http.port)?, path, headers }
    } else if let Some(tcp) = &probe.tcp_socket {
        Action::Tcp(port(&tcp.port)?)
    } else if let Some(exec) = &probe.exec {
        Action::Exec(exec.command.clone().unwrap_or_default())
    } else {
        return Err("a probe says neither httpGet nor tcpSocket nor exec".to_owned());
    };
    let seconds = |value: Option<i32>, default: u64| {
        Duration::from_secs(value.and_then(|v| u64::try_from(v).ok()).unwrap_or(default))
    };
    let count = |value: Option<i32>, default: u32| value.and_then(|v| u32::try_from(v).ok()).unwrap_or(default).max(1);
    Ok(Probe {
        action,
        delay: seconds(probe.initial_delay_seconds, 0),
        period: seconds(probe.period_seconds, 10).max(Duration::from_secs(1)),
        timeout: seconds(probe.timeout_seconds, 1).max(Duration::from_secs(1)),
        successes: count(probe.success_threshold, 1),
        failures: count(probe.failure_threshold, 3),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(spec: serde_json::Value) -> core::Pod {
        let meta = serde_json::json!({ "name": "web-1", "namespace": "shop", "labels": { "app": "web" } });
        serde_json::from_value(serde_json::json!({ "metadata": meta, "spec": spec })).expect("a pod")
    }

    #[test]
    fn variables_are_filled_in() {
        let pod = pod(serde_json::json!({ "nodeName": "one", "containers": [{
            "name": "c",
            "command": ["serve", "$(WHO)", "$$(WHO)", "$(NOBODY)", "$"],
            "env": [
                { "name": "APP", "valueFrom": { "fieldRef": { "fieldPath": "metadata.labels['app']" } } },
                { "name": "WHO", "value": "$(APP)@$(NODE)" },
                { "name": "IP", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } },
            ],
        }]}));
        let facts = Facts {
            addresses: vec!["10.0.0.1".into()],
            env: BTreeMap::from([("NODE".into(), "one".into())]),
            ..Facts::default()
        };
        let spec = read(&pod, &facts).expect("readable");
        let program = &spec.containers[0].program;
        assert_eq!(program.argv, ["serve", "web@one", "$(WHO)", "$(NOBODY)", "$"]);
        assert_eq!(program.env["IP"], "10.0.0.1");
        assert_eq!((spec.hostname.as_str(), spec.grace), ("web-1", Duration::from_secs(30)));
    }

    #[test]
    fn the_meshs_own_image_is_this_program_with_a_token_and_the_root() {
        let with = |image: &str, volumes: serde_json::Value| {
            read(
                &pod(serde_json::json!({
                    "containers": [{
                        "name": "c", "image": image, "args": ["--role", "waypoint"],
                        "volumeMounts": [
                            { "name": "t", "mountPath": "/var/run/secrets/tokens" },
                            { "name": "r", "mountPath": "/var/run/secrets/istio" },
                        ],
                    }],
                    "volumes": volumes,
                })),
                &Facts::default(),
            )
        };
        let token = serde_json::json!({ "name": "t", "projected": { "sources": [
            { "serviceAccountToken": { "audience": "istio-ca", "path": "istio-token" } },
        ] } });
        let root = serde_json::json!({ "name": "r", "configMap": { "name": "istio-ca-root-cert" } });
        let spec = with(IMAGE, serde_json::json!([token, root])).expect("readable");
        assert_eq!(spec.containers[0].program.argv, ["ambient", "--role", "waypoint"]);
        assert_eq!(spec.containers[0].program.env["AUTH_TOKEN"], "/run/secrets/tokens/istio-token");
        let paths = ["/run/secrets/tokens", "/run/secrets/istio"];
        assert_eq!(spec.identity, paths.map(PathBuf::from));
        let other = serde_json::json!({ "name": "r", "hostPath": { "path": "/" } });
        let map = serde_json::json!({ "name": "r", "configMap": { "name": "mine" } });
        let secret = serde_json::json!({ "name": "t", "projected": { "sources": [{ "secret": { "name": "s" } }] } });
        for volumes in [vec![&token], vec![&token, &other], vec![&token, &map], vec![&secret, &root]] {
            let error = with(IMAGE, serde_json::json!(volumes)).expect_err("refused");
            assert!(error.contains("and no other"), "{error}");
        }
        let error = with("nginx", serde_json::json!([token, root])).expect_err("refused");
        assert!(error.contains("has no command"), "{error}");
    }

    #[test]
    fn probes_by_name_of_port() {
        let with = |probe: serde_json::Value| {
            read(
                &pod(serde_json::json!({ "containers": [{
                    "name": "c", "command": ["x"], "ports": [{ "name": "http", "containerPort": 8080 }],
                    "readinessProbe": probe,
                }]})),
                &Facts::default(),
            )
        };
        let good = with(serde_json::json!({ "httpGet": { "port": "http", "path": "/ready" }, "periodSeconds": 2 }));
        let probe = good.expect("readable").containers[0].readiness.clone().expect("there");
        assert_eq!(probe.action, Action::Http { port: 8080, path: "/ready".into(), headers: vec![] });
        assert_eq!((probe.period, probe.timeout, probe.failures), (Duration::from_secs(2), Duration::from_secs(1), 3));
        for (probe, complaint) in [
            (serde_json::json!({ "tcpSocket": { "port": "nope" } }), "\"nope\""),
            (serde_json::json!({ "tcpSocket": { "port": 70000 } }), "no port"),
            (serde_json::json!({}), "neither"),
        ] {
            let error = with(probe).expect_err("refused");
            assert!(error.contains(complaint), "{error}");
        }
    }
}
