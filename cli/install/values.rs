//! What an operator can choose at installation: typed, defaulted, and every key known.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_yaml::{Mapping, Value};

use crate::error::Error;

/// All settings of an installation, as an overlay file or `--set` names them.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Values {
    /// Image of every component.
    pub image: Image,
    /// Trust domain of all identities.
    pub trust_domain: TrustDomain,
    /// Name of this cluster in a mesh of several.
    pub cluster_id: ClusterId,
    /// Network of this cluster in a mesh of several; empty is the one network.
    pub network: String,
    /// Level of all logs, as in RUST_LOG.
    pub log_level: LogLevel,
    /// `text` or `json`.
    pub log_format: LogFormat,
    /// Istio's MeshConfig, of which some fields have effect and the others are named in the agent's log: ConfigMap `istio`. Empty makes
    /// none, and leaves one of somebody else as it is.
    pub mesh_config: Mapping,
    /// Whether to make a quota that admits critical pods, as some providers ask for.
    pub resource_quotas: bool,
    /// Control plane.
    pub agent: Agent,
    /// Node agent.
    pub cni: Cni,
    /// Node proxy.
    pub ztunnel: Ztunnel,
    /// Waypoints, unless their Gateways say otherwise.
    pub waypoint: Waypoint,
}

/// Which image, and how it is pulled.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Image {
    /// Name without tag.
    pub repository: String,
    /// Tag.
    pub tag: String,
    /// When the node pulls it.
    pub pull_policy: PullPolicy,
    /// Names of the Secrets to pull with.
    pub pull_secrets: Vec<String>,
}

/// When a node pulls an image.
#[derive(Debug, Deserialize, Serialize)]
pub enum PullPolicy {
    /// At each start.
    Always,
    /// When it is absent.
    IfNotPresent,
    /// Never: it was put there.
    Never,
}

/// How log lines are written.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    #[default]
    Text,
}

/// Settings of the control plane.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Agent {
    /// Number of pods: without any, nobody gets a certificate.
    pub replicas: NonZeroU32,
    /// Whether it may read Secrets of all namespaces, for certificates that rules name.
    pub read_secrets: bool,
    /// Requests and limits.
    pub resources: Resources,
    /// Level of its log, if not the common one.
    pub log_level: String,
    /// More environment variables.
    pub env: BTreeMap<String, String>,
}

/// Settings of the node agent.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Cni {
    /// Namespaces whose pods are never enrolled.
    pub exclude_namespaces: Vec<String>,
    /// Folder of the runtime's network configuration, on the node.
    pub conf_dir: PathBuf,
    /// Folder of the network plugins, on the node.
    pub bin_dir: PathBuf,
    /// Requests and limits.
    pub resources: Resources,
    /// Level of its log, if not the common one.
    pub log_level: String,
    /// More environment variables.
    pub env: BTreeMap<String, String>,
}

/// Settings of the node proxy.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Ztunnel {
    /// How long an old proxy may serve its streams, in seconds.
    pub termination_grace_period_seconds: u32,
    /// Requests and limits.
    pub resources: Resources,
    /// Level of its log, if not the common one.
    pub log_level: String,
    /// More environment variables.
    pub env: BTreeMap<String, String>,
}

/// Settings of all waypoints. Their sizes are said by Gateways, and by ConfigMaps for a class.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Waypoint {
    /// How long an old waypoint may serve its streams, in seconds.
    pub termination_grace_period_seconds: u32,
    /// Level of its log, if not the common one.
    pub log_level: String,
    /// More environment variables.
    pub env: BTreeMap<String, String>,
}

/// What a container asks for and may use.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// What the scheduler sets aside.
    pub requests: BTreeMap<String, String>,
    /// What it may not exceed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, String>,
}

impl Resources {
    fn requests(cpu: &str, memory: &str) -> Self {
        let requests = [("cpu", cpu), ("memory", memory)].map(|(key, value)| (key.to_owned(), value.to_owned()));
        Self { requests: requests.into(), limits: BTreeMap::new() }
    }
}

impl Default for Image {
    fn default() -> Self {
        Self {
            // As `cargo xtask image` names it. A registry is never asked for by accident.
            repository: "localhost/ambient".into(),
            tag: env!("CARGO_PKG_VERSION").into(),
            pull_policy: PullPolicy::IfNotPresent,
            pull_secrets: Vec::new(),
        }
    }
}

impl Default for Agent {
    fn default() -> Self {
        let resources = Resources::requests("50m", "64Mi");
        Self {
            replicas: NonZeroU32::MIN,
            read_secrets: true,
            resources,
            log_level: String::new(),
            env: BTreeMap::new(),
        }
    }
}

impl Default for Cni {
    fn default() -> Self {
        Self {
            exclude_namespaces: vec!["kube-system".into()],
            conf_dir: "/etc/cni/net.d".into(),
            bin_dir: "/opt/cni/bin".into(),
            resources: Resources::requests("20m", "32Mi"),
            log_level: String::new(),
            env: BTreeMap::new(),
        }
    }
}

impl Default for Ztunnel {
    fn default() -> Self {
        Self {
            termination_grace_period_seconds: 3600,
            resources: Resources::requests("50m", "64Mi"),
            log_level: String::new(),
            env: BTreeMap::new(),
        }
    }
}

impl Default for Waypoint {
    fn default() -> Self {
        Self { termination_grace_period_seconds: 300, log_level: String::new(), env: BTreeMap::new() }
    }
}

/// A text with a default of its own.
macro_rules! text_setting {
    ($name:ident, $default:literal, $what:literal) => {
        #[doc = $what]
        #[derive(Debug, Deserialize, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl Default for $name {
            fn default() -> Self {
                Self($default.into())
            }
        }
    };
}
text_setting!(TrustDomain, "cluster.local", "Trust domain of all identities.");
text_setting!(ClusterId, "Kubernetes", "Name of this cluster.");
text_setting!(LogLevel, "info", "Level of a log.");

impl Values {
    /// Reads the overlay files in order, then the single settings; later ones win.
    pub fn read(files: &[PathBuf], sets: &[String]) -> Result<Self, Error> {
        let mut tree = Value::Mapping(Mapping::new());
        for file in files {
            merge(&mut tree, overlay(file)?);
        }
        for set in sets {
            tree = with_setting(tree, set)?;
        }
        let values =
            typed(tree).map_err(|error| Error::usage("the settings do not fit together").because(error.to_string()))?;
        values.check()?;
        Ok(values)
    }

    /// Refuses what no server checks before the pods are there.
    fn check(&self) -> Result<(), Error> {
        for (key, value) in [("image.repository", &self.image.repository), ("image.tag", &self.image.tag)] {
            if value.is_empty() || value.contains(char::is_whitespace) {
                return Err(Error::usage(format!("{key} is {value:?}, which names no image")));
            }
        }
        if !self.mesh_config.is_empty() {
            let text = serde_yaml::to_string(&self.mesh_config)
                .map_err(|error| Error::usage("meshConfig").caused_by(&error))?;
            let environment = self.agent.env.get("EXTENSION_PROVIDERS").map(String::as_str);
            agent::check_mesh_config(&text, environment)
                .map_err(|why| Error::usage("meshConfig cannot be used").because(why))?;
        }
        let folders = [("cni.confDir", &self.cni.conf_dir), ("cni.binDir", &self.cni.bin_dir)];
        for (key, folder) in folders {
            if !folder.is_absolute() {
                return Err(Error::usage(format!("{key} is {}, which is no absolute path", folder.display())));
            }
        }
        Ok(())
    }
}

fn typed(tree: Value) -> Result<Values, serde_yaml::Error> {
    match tree {
        Value::Mapping(map) if map.is_empty() => Ok(Values::default()),
        tree => serde_yaml::from_value(tree),
    }
}

fn overlay(file: &Path) -> Result<Value, Error> {
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::user(format!("cannot read overlay {name}")).caused_by(&error))?;
    let at = |error: &serde_yaml::Error| {
        error.location().map_or_else(|| name.to_string(), |place| format!("{name}:{}:{}", place.line(), place.column()))
    };
    let tree: Value = serde_yaml::from_str(&text)
        .map_err(|error| Error::user(format!("{}: not valid YAML", at(&error))).because(error.to_string()))?;
    match tree {
        Value::Null => Ok(Value::Mapping(Mapping::new())),
        tree => {
            // From the text and not from the tree, since only the text knows lines.
            serde_yaml::from_str::<Values>(&text).map_err(|error| rejected(Error::user, &at(&error), &error))?;
            Ok(tree)
        }
    }
}

/// Says which key is wrong, where, and which one was probably meant.
fn rejected(kind: fn(String) -> Error, place: &str, error: &serde_yaml::Error) -> Error {
    let text = error.to_string();
    let mut quoted = text.split('`').skip(1).step_by(2);
    let (Some(key), true) = (quoted.next(), text.contains("unknown field")) else {
        return kind(format!("{place}: wrong setting")).because(text);
    };
    let known: Vec<&str> = quoted.collect();
    let failed = kind(format!("{place}: unknown key `{key}`"));
    let near = known.iter().map(|known| (strsim::damerau_levenshtein(known, key), known)).min();
    match near {
        Some((distance, near)) if distance <= key.len().div_ceil(2) => failed.hint(format!("did you mean `{near}`?")),
        _ => failed.hint(format!("known here: {}", known.join(", "))),
    }
}

fn with_setting(tree: Value, set: &str) -> Result<Value, Error> {
    let (path, text) = set
        .split_once('=')
        .ok_or_else(|| Error::usage(format!("--set {set}: want key=value, such as agent.replicas=2")))?;
    let read = serde_yaml::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let mut first = None;
    // A version such as 1.0 reads as a number, where a text is wanted.
    for value in [read, Value::String(text.to_owned())] {
        let mut attempt = tree.clone();
        let nested = path.rsplit('.').fold(value, |inner, key| {
            let mut map = Mapping::new();
            map.insert(key.into(), inner);
            Value::Mapping(map)
        });
        merge(&mut attempt, nested);
        match typed(attempt.clone()) {
            Ok(_) => return Ok(attempt),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.map_or_else(
        || Error::internal("no reading of a setting was tried"),
        |error| rejected(Error::usage, &format!("--set {set}"), &error),
    ))
}

/// Lays one tree over another: mappings merge, everything else replaces.
fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Mapping(under), Value::Mapping(over)) => {
            for (key, value) in over {
                match under.get_mut(&key) {
                    Some(old) => merge(old, value),
                    None => {
                        under.insert(key, value);
                    }
                }
            }
        }
        (under, over) => *under = over,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_win_over_defaults() {
        let values = Values::read(&[], &["agent.replicas=2".into(), "image.tag=1.0".into()]).expect("valid");
        assert_eq!((values.agent.replicas.get(), values.image.tag.as_str()), (2, "1.0"));
        assert_eq!(values.image.repository, "localhost/ambient");
    }

    #[test]
    fn what_no_server_checks_is_refused_here() {
        let table = [
            ("image.tag=", "which names no image"),
            ("image.repository='a b'", "which names no image"),
            ("cni.binDir=opt/cni/bin", "which is no absolute path"),
            ("meshConfig.pathNormalization.normalization=SOME", "\"SOME\" is none of DEFAULT, NONE"),
            ("meshConfig.accessLogFile=stdout", "accessLogFile: \"stdout\" is neither absolute nor empty"),
            ("meshConfig.accessLogEncoding=XML", "\"XML\" is none of TEXT, JSON"),
            ("meshConfig.accessLogFormat=%NOPE%", "command %NOPE% of the format is not supported"),
            ("meshConfig.defaultProviders.accessLogging=[otel]", "there is no provider otel"),
            ("meshConfig.defaultConfig.tracing.sampling=101", "101 is not from 0 to 100"),
            ("meshConfig.defaultConfig.tracing.zipkin.address=zipkin", "\"zipkin\" is no HOST:PORT"),
        ];
        for (set, expected) in table {
            let error = Values::read(&[], &[set.into()]).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        }
        for set in [
            "meshConfig.accessLogFile=/dev/stdout",
            "meshConfig.accessLogFormat=[%START_TIME%] %RESPONSE_CODE%",
            "meshConfig={accessLogEncoding: JSON, accessLogFormat: '{\"code\": \"%RESPONSE_CODE%\"}'}",
            "meshConfig.defaultConfig.tracing.sampling=12.5",
        ] {
            Values::read(&[], &[set.into()]).expect("it is right");
        }
        // The providers of the agent's environment can be defaults.
        let env =
            r#"agent.env={EXTENSION_PROVIDERS: '[{"name": "otel", "opentelemetry": {"service": "o", "port": 1}}]'}"#;
        let sets = [env.to_owned(), "meshConfig.defaultProviders.tracing=[otel]".to_owned()];
        Values::read(&[], &sets).expect("it is right");
    }

    #[test]
    fn an_unknown_key_names_its_neighbour() {
        let error = Values::read(&[], &["agent.replica=2".into()]).expect_err("unknown").to_string();
        assert_eq!(error, "error: --set agent.replica=2: unknown key `replica`\nhint: did you mean `replicas`?\n");
    }
}
