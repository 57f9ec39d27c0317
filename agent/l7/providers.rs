//! The providers of the mesh's configuration (`MeshConfig.extensionProviders`), as far as waypoints can use them.

pub mod external_auth;
pub mod format;

use std::collections::BTreeMap;

use model::{
    l7::telemetry::{BUILT_IN, Collector, Format, Provider, ProviderKind},
    workload::Name,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use self::{
    external_auth::Authorizer,
    format::{line, lines},
};

/// The path of spans over OTLP's HTTP, and of Zipkin's (their documentation).
const OTLP_PATH: &str = "/v1/traces";
const ZIPKIN_PATH: &str = "/api/v2/spans";
/// The provider of metrics that is always there.
const METRICS: &str = "prometheus";
/// What is called by the fields of MeshConfig that say it, and can be nothing else: a log, and a collector of spans.
pub(in crate::l7) const ACCESS_LOG_FILE: &str = "accessLogFile";
pub(in crate::l7) const TRACING: &str = "defaultConfig.tracing";

/// The providers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Providers {
    /// Those that waypoints can use.
    pub good: Vec<Provider>,
    /// The others, and why.
    bad: BTreeMap<String, String>,
    /// Those that are asked whether requests may pass.
    authorizers: BTreeMap<String, Authorizer>,
    /// Those that metrics are scraped for.
    metrics: Vec<String>,
    /// Files of which nothing says what a line is.
    unformatted: Vec<Name>,
}

#[derive(Deserialize)]
struct Written {
    name: String,
    #[serde(flatten)]
    kind: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OpenTelemetry {
    service: String,
    port: u16,
    http: Option<Http>,
    // What bounds a tag: ours are bounded anyway.
    #[serde(rename = "maxTagLength")]
    _max_tag_length: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Http {
    #[serde(default)]
    path: String,
    #[serde(default)]
    headers: Vec<Header>,
    // Every export has a limit of our own.
    #[serde(rename = "timeout")]
    _timeout: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Zipkin {
    service: String,
    port: u16,
    #[serde(default)]
    path: String,
    #[serde(rename = "maxTagLength")]
    _max_tag_length: Option<u32>,
    // Traces have 128 bits always.
    #[serde(rename = "enable64bitTraceId")]
    _short: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    path: String,
    #[serde(default)]
    log_format: LogFormat<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogFormat<L> {
    text: Option<String>,
    labels: Option<L>,
}

impl<L> Default for LogFormat<L> {
    fn default() -> Self {
        Self { text: None, labels: None }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Records {
    service: String,
    port: u16,
    #[serde(default)]
    log_name: String,
    #[serde(default)]
    log_format: LogFormat<BTreeMap<String, String>>,
}

impl Providers {
    /// Reads the list. A provider that waypoints cannot use is refused where it is named, not here.
    ///
    /// # Errors
    /// No list of objects with names.
    pub fn read(list: Vec<Value>) -> Result<Self, serde_json::Error> {
        let mut all = Self { metrics: vec![METRICS.to_owned()], ..Self::default() };
        for Written { name, kind } in list.into_iter().map(serde_json::from_value).collect::<Result<Vec<_>, _>>()? {
            if [ACCESS_LOG_FILE, TRACING].contains(&&*name) {
                all.bad.insert(name, "the name stands for a field of the mesh's configuration".to_owned());
                continue;
            }
            if kind.contains_key("prometheus") {
                all.metrics.push(name);
                continue;
            }
            let authorizer = kind.iter().find_map(|(name, value)| external_auth::read(name, value));
            if let Some(authorizer) = authorizer.filter(|_| kind.len() == 1) {
                match authorizer {
                    Ok(authorizer) => drop(all.authorizers.insert(name, authorizer)),
                    Err(why) => drop(all.bad.insert(name, why)),
                }
                continue;
            }
            if kind.get("envoyFileAccessLog").is_some_and(|file| file.get("logFormat").is_none_or(Value::is_null)) {
                all.unformatted.push((*name).into());
            }
            match self::kind(kind) {
                Ok(kind) => all.good.push(Provider { name: (*name).into(), kind }),
                Err(why) => drop(all.bad.insert(name, why)),
            }
        }
        Ok(all)
    }

    /// Finds a provider of spans or of logs by its name.
    ///
    /// # Errors
    /// There is none, or waypoints cannot use it, and why.
    pub fn named(&self, name: &str, traces: bool) -> Result<Name, String> {
        let wanted = if traces { "tracing" } else { "access logs" };
        match (self.good.iter().find(|p| &*p.name == name), self.bad.get(name)) {
            (Some(provider), _) if provider.kind.traces() == traces => Ok(provider.name.clone()),
            (Some(_), _) => Err(format!("provider {name} is none for {wanted}")),
            (None, Some(why)) => Err(format!("provider {name}: {why}")),
            (None, None) if name == BUILT_IN && !traces => Ok(name.into()),
            (None, None) if self.authorizers.contains_key(name) => Err(format!("provider {name} is none for {wanted}")),
            (None, None) => Err(missing(name)),
        }
    }

    /// Finds somebody who is asked whether requests may pass.
    ///
    /// # Errors
    /// There is no such provider, or waypoints cannot use it, and why.
    pub fn authorizer(&self, name: &str) -> Result<&Authorizer, String> {
        let other = || match self.bad.get(name) {
            Some(why) => format!("provider {name}: {why}"),
            None if self.good.iter().any(|p| &*p.name == name) || self.metrics.iter().any(|known| known == name) => {
                format!("provider {name} is none that is asked: envoyExtAuthzGrpc and envoyExtAuthzHttp are")
            }
            None => missing(name),
        };
        self.authorizers.get(name).ok_or_else(other)
    }

    /// Tells whether nothing says what a line of this file is.
    #[must_use]
    pub fn is_unformatted(&self, name: &str) -> bool {
        self.unformatted.iter().any(|known| **known == *name)
    }

    /// Tells whether metrics are scraped for a provider.
    #[must_use]
    pub fn measures(&self, name: &str) -> bool {
        name == METRICS || self.metrics.iter().any(|known| known == name)
    }
}

fn missing(name: &str) -> String {
    format!("there is no provider {name}: the mesh's extensionProviders name all")
}

fn kind(mut written: Map<String, Value>) -> Result<ProviderKind, String> {
    let mut names: Vec<String> = written.keys().cloned().collect();
    let (Some(name), None) = (names.pop(), names.pop()) else {
        return Err("it has to be of exactly one kind".to_owned());
    };
    let value = written.remove(&name).unwrap_or_default();
    match &*name {
        "opentelemetry" => {
            let read: OpenTelemetry = typed(value)?;
            let mut collector = collector(&read.service, read.port)?;
            if let Some(http) = read.http {
                collector.path = Some(path(&http.path, OTLP_PATH));
                collector.headers = http.headers.into_iter().map(header).collect::<Result<_, _>>()?;
            }
            Ok(ProviderKind::OpenTelemetry(collector))
        }
        "zipkin" => {
            let read: Zipkin = typed(value)?;
            let collector = collector(&read.service, read.port)?;
            Ok(ProviderKind::Zipkin(Collector { path: Some(path(&read.path, ZIPKIN_PATH)), ..collector }))
        }
        "envoyFileAccessLog" => {
            let read: File = typed(value)?;
            if !read.path.starts_with('/') {
                return Err(format!("path {:?} has to be absolute", read.path));
            }
            let format = match read.log_format {
                LogFormat { text: Some(text), labels: None } => format::text(&text)?,
                LogFormat { text: None, labels: Some(labels) } => format::object(labels)?,
                LogFormat { text: None, labels: None } => format::text("")?,
                LogFormat { text: Some(_), labels: Some(_) } => {
                    return Err("text and labels exclude each other".to_owned());
                }
            };
            Ok(ProviderKind::File { path: (*read.path).into(), format })
        }
        "envoyOtelAls" => {
            let read: Records = typed(value)?;
            let name = if read.log_name.is_empty() { "otel_envoy_accesslog" } else { &read.log_name };
            let text = read.log_format.text.as_deref().unwrap_or(format::TEXT);
            Ok(ProviderKind::Records {
                collector: collector(&read.service, read.port)?,
                name: name.into(),
                format: Format::Text(line(text)?),
                labels: lines(&read.log_format.labels.unwrap_or_default())?,
            })
        }
        _ => Err(format!("{name} is no kind of a provider that waypoints can use")),
    }
}

fn typed<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn path(written: &str, default: &str) -> Name {
    match written {
        "" => default.into(),
        path if path.starts_with('/') => path.into(),
        path => format!("/{path}").into(),
    }
}

/// Returns the collector of spans at an address.
///
/// # Errors
/// It is not `HOST:PORT`.
pub fn zipkin(address: &str) -> Result<Collector, String> {
    let wrong = || format!("{address:?} is no HOST:PORT");
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    // An address of IPv6 is one in brackets only: of others nobody knows where the port begins.
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(wrong());
    }
    let collector = collector(host, port.parse().map_err(|_| wrong())?)?;
    Ok(Collector { path: Some(ZIPKIN_PATH.into()), ..collector })
}

fn header(header: Header) -> Result<(Name, Name), String> {
    let name = crate::l7::text::header_name(&header.name)?;
    http::HeaderValue::from_str(&header.value).map_err(|_| format!("header {name} has no value of a header"))?;
    Ok((name, (*header.value).into()))
}

/// Reads `[NAMESPACE/]HOST`: the namespace tells apart services of one host, which by its address is one.
fn collector(service: &str, port: u16) -> Result<Collector, String> {
    let host = service.rsplit_once('/').map_or(service, |(_, host)| host);
    let right = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    if !right || port == 0 {
        return Err(format!("{service}:{port} is no host and port"));
    }
    Ok(Collector { host: host.into(), port, path: None, headers: BTreeMap::new() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn providers_are_read() {
        let rows = [
            (
                json!({"opentelemetry": {"service": "obs/otel.obs", "port": 4317}}),
                Ok(json!({"openTelemetry": {"host": "otel.obs", "port": 4317}})),
            ),
            (
                json!({"opentelemetry": {"service": "o", "port": 1, "http": {"path": "p", "headers": [{"name": "X-A", "value": "b"}]}}}),
                Ok(json!({"openTelemetry": {"host": "o", "port": 1, "path": "/p", "headers": {"x-a": "b"}}})),
            ),
            (
                json!({"zipkin": {"service": "z", "port": 9411, "maxTagLength": 10}}),
                Ok(json!({"zipkin": {"host": "z", "port": 9411, "path": "/api/v2/spans"}})),
            ),
            (
                json!({"envoyFileAccessLog": {"path": "/dev/stdout", "logFormat": {"labels": {"a": "%PROTOCOL%"}}}}),
                Ok(json!({"file": {"path": "/dev/stdout", "format": {"json": {"a": "%PROTOCOL%"}}}})),
            ),
            (
                json!({"envoyFileAccessLog": {"path": "/dev/stdout"}}),
                Ok(json!({"file": {"path": "/dev/stdout", "format": {"text": format!("{}\n", format::TEXT)}}})),
            ),
            (
                json!({"envoyFileAccessLog": {"path": "/dev/stdout", "logFormat": {"text": "%PROTOCOL%"}}}),
                Ok(json!({"file": {"path": "/dev/stdout", "format": {"text": "%PROTOCOL%\n"}}})),
            ),
            (
                json!({"envoyOtelAls": {"service": "o", "port": 1, "logFormat": {"text": "%PROTOCOL%", "labels": {"a": "b"}}}}),
                Ok(json!({"records": {
                    "collector": {"host": "o", "port": 1}, "name": "otel_envoy_accesslog",
                    "format": {"text": "%PROTOCOL%"}, "labels": {"a": "b"},
                }})),
            ),
            (
                json!({"envoyFileAccessLog": {"path": "/l", "logFormat": {"labels": {"a": {"b": ["%PROTOCOL%", 1, null]}}}}}),
                Ok(json!({"file": {"path": "/l", "format": {"json": {"a": {"b": ["%PROTOCOL%", 1, null]}}}}})),
            ),
            (
                json!({"envoyFileAccessLog": {"path": "/l", "logFormat": {"labels": {"a": ["%NOPE%"]}}}}),
                Err("%NOPE% of the format is not supported"),
            ),
            (json!({"zipkin": {"service": "z", "port": 1}, "datadog": {}}), Err("exactly one kind")),
            (json!({}), Err("exactly one kind")),
            (json!({"datadog": {"service": "z", "port": 1}}), Err("datadog is no kind")),
            (json!({"zipkin": {"service": "", "port": 1}}), Err("no host and port")),
            (json!({"zipkin": {"service": "z", "port": 1, "later": 1}}), Err("unknown field `later`")),
            (json!({"envoyFileAccessLog": {"path": "x"}}), Err("has to be absolute")),
            (
                json!({"envoyFileAccessLog": {"path": "/x", "logFormat": {"text": "%NOPE%"}}}),
                Err("%NOPE% of the format is not supported"),
            ),
        ];
        for (kind, wanted) in rows {
            let mut one = kind.clone();
            one["name"] = "p".into();
            let read = Providers::read(vec![one]).expect("named");
            match wanted {
                Ok(wanted) => {
                    let found = read.good.first().unwrap_or_else(|| panic!("{kind}: {:?}", read.bad));
                    assert_eq!(serde_json::to_value(&found.kind).expect("serialises"), wanted, "{kind}");
                }
                Err(wanted) => {
                    let why = read.named("p", true).expect_err("refused");
                    assert!(why.contains(wanted), "{kind}: {why}");
                }
            }
        }
        let two =
            vec![json!({"name": "p", "prometheus": {}}), json!({"name": "z", "zipkin": {"service": "z", "port": 1}})];
        let read = Providers::read(two).expect("named");
        assert!(read.measures("p") && read.measures("prometheus") && !read.measures("z"));
        assert_eq!((read.named("z", true), read.named("envoy", false)), (Ok("z".into()), Ok("envoy".into())));
        let reserved = Providers::read(vec![json!({"name": TRACING, "zipkin": {"service": "z", "port": 1}})]);
        let why = reserved.expect("named").named(TRACING, true).expect_err("refused");
        assert!(why.contains("stands for a field"), "{why}");
        assert!(
            read.named("z", false).is_err()
                && read.named("p", true).is_err()
                && Providers::read(vec![json!({})]).is_err()
        );
    }
}
