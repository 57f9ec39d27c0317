//! What the configuration of the mesh says of requests of which no Telemetry says anything (Istio, MeshConfig).

use model::{
    l7::telemetry::{self, BUILT_IN, Collector, Format, Provider, ProviderKind},
    workload::Name,
};

use crate::l7::providers::{ACCESS_LOG_FILE, Providers, TRACING, format};

/// Where the provider that is always there writes, once anything is said of its lines (Istio, provider `envoy`).
const STDOUT: &str = "/dev/stdout";

/// What is said, field by field; nothing where a field is not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defaults {
    /// The file to which requests are logged; empty for none (`accessLogFile`).
    pub file: Option<String>,
    /// What a line says (`accessLogEncoding` and `accessLogFormat`).
    pub format: Option<Format>,
    /// Providers of logs (`defaultProviders.accessLogging`).
    pub logging: Option<Vec<String>>,
    /// Providers of spans (`defaultProviders.tracing`).
    pub tracing: Option<Vec<String>>,
    /// Providers of metrics (`defaultProviders.metrics`).
    pub metrics: Option<Vec<String>>,
    /// Whether spans go to the collector (`enableTracing`).
    pub traced: Option<bool>,
    /// How many requests are sampled, per cent (`defaultConfig.tracing.sampling`).
    pub sampling: Option<f64>,
    /// A collector of spans (`defaultConfig.tracing.zipkin.address`).
    pub collector: Option<Collector>,
}

impl Defaults {
    /// Returns the providers of waypoints, and what counts there where no Telemetry says anything.
    #[must_use]
    pub fn with(&self, known: &Providers) -> (Vec<Provider>, telemetry::Defaults) {
        let mut all = known.good.clone();
        self.shape(known, &mut all);
        let defaults = telemetry::Defaults {
            logging: self.logging(known, &mut all),
            tracing: self.tracing(known, &mut all),
            sampling: self.sampling,
            unmeasured: self.metrics.as_ref().is_some_and(Vec::is_empty),
        };
        (all, defaults)
    }

    /// Makes the lines of the built-in provider what is said of them. Where nothing is, they are those of the waypoint's own log;
    /// those of a file that says itself what they are stay.
    fn shape(&self, known: &Providers, all: &mut Vec<Provider>) {
        let Some(format) = self.line() else { return };
        match all.iter_mut().find(|provider| &*provider.name == BUILT_IN) {
            Some(Provider { kind: ProviderKind::File { format: own, .. }, .. }) if known.is_unformatted(BUILT_IN) => {
                *own = format;
            }
            Some(_) => {}
            None => {
                all.push(Provider { name: BUILT_IN.into(), kind: ProviderKind::File { path: STDOUT.into(), format } })
            }
        }
    }

    /// Returns what a line says, if anything is said of it or of where it goes.
    fn line(&self) -> Option<Format> {
        // Istio's own format is one that waypoints know: a test reads it.
        self.format.clone().or_else(|| self.file.as_ref().and_then(|_| format::text("").ok()))
    }

    /// Returns where requests are logged. Providers count over the file (Istio, the file is for those who name none).
    fn logging(&self, known: &Providers, all: &mut Vec<Provider>) -> Vec<Name> {
        let named = self.logging.iter().flatten().filter_map(|name| known.named(name, false).ok());
        let named: Vec<Name> = named.collect();
        if !named.is_empty() {
            return named;
        }
        match (self.file.as_deref(), self.line()) {
            (Some(""), _) => vec![],
            (Some(path), Some(format)) => {
                let kind = ProviderKind::File { path: path.into(), format };
                vec![place(Provider { name: ACCESS_LOG_FILE.into(), kind }, all)]
            }
            _ => vec![BUILT_IN.into()],
        }
    }

    /// Returns where spans go: to the first provider (as Istio), or else to the collector.
    fn tracing(&self, known: &Providers, all: &mut Vec<Provider>) -> Option<Name> {
        let first = self.tracing.iter().flatten().next();
        if let Some(name) = first.and_then(|name| known.named(name, true).ok()) {
            return Some(name);
        }
        let collector = self.collector.clone().filter(|_| self.traced != Some(false))?;
        Some(place(Provider { name: TRACING.into(), kind: ProviderKind::Zipkin(collector) }, all))
    }
}

/// Adds a provider, unless the built-in one is the same, and returns which it is.
fn place(provider: Provider, all: &mut Vec<Provider>) -> Name {
    let same = all.iter().find(|known| &*known.name == BUILT_IN && known.kind == provider.kind);
    if let Some(known) = same {
        return known.name.clone();
    }
    let name = provider.name.clone();
    all.push(provider);
    name
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn providers(list: Value) -> Providers {
        Providers::read(serde_json::from_value(list).expect("a list")).expect("named")
    }

    fn text(text: &str) -> Option<Format> {
        Some(format::text(text).expect("a format"))
    }

    /// Says the providers that are added, and what counts, in short words.
    fn told(said: &Defaults, known: &Providers) -> (Vec<Value>, Value) {
        let (all, defaults) = said.with(known);
        let new = all.into_iter().filter(|provider| !known.good.contains(provider));
        let new = new.map(|provider| serde_json::to_value(provider).expect("serialises")).collect();
        (new, serde_json::to_value(defaults).expect("serialises"))
    }

    #[test]
    fn logs_go_where_the_mesh_says() {
        let own = || format!("{}\n", format::TEXT);
        let file = |name: &str, path: &str, text: &str| json!({"name": name, "kind": {"file": {"path": path, "format": {"text": text}}}});
        let named = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        let known = providers(json!([
            {"name": "a", "envoyFileAccessLog": {"path": "/a"}},
            {"name": "otel", "opentelemetry": {"service": "o", "port": 1}},
        ]));
        let usual = Defaults::default();
        let stdout = Defaults { file: Some("/dev/stdout".to_owned()), ..usual.clone() };
        let rows = [
            (usual.clone(), vec![], vec!["envoy"]),
            (stdout.clone(), vec![file("envoy", "/dev/stdout", &own())], vec!["envoy"]),
            (
                Defaults { format: text("%PROTOCOL%"), ..stdout.clone() },
                vec![file("envoy", "/dev/stdout", "%PROTOCOL%\n")],
                vec!["envoy"],
            ),
            // Of a format alone it is the built-in log that takes it.
            (
                Defaults { format: text("%PROTOCOL%"), ..usual.clone() },
                vec![file("envoy", "/dev/stdout", "%PROTOCOL%\n")],
                vec!["envoy"],
            ),
            (
                Defaults { file: Some("/l".to_owned()), ..usual.clone() },
                vec![file("envoy", "/dev/stdout", &own()), file("accessLogFile", "/l", &own())],
                vec!["accessLogFile"],
            ),
            (
                Defaults { file: Some(String::new()), ..usual.clone() },
                vec![file("envoy", "/dev/stdout", &own())],
                vec![],
            ),
            (
                Defaults { logging: named(&["a"]), ..stdout.clone() },
                vec![file("envoy", "/dev/stdout", &own())],
                vec!["a"],
            ),
            (Defaults { logging: named(&["envoy", "a"]), ..usual.clone() }, vec![], vec!["envoy", "a"]),
            (Defaults { logging: named(&["gone", "otel"]), ..usual.clone() }, vec![], vec!["envoy"]),
            (
                Defaults { logging: named(&[]), file: Some(String::new()), ..usual.clone() },
                vec![file("envoy", "/dev/stdout", &own())],
                vec![],
            ),
        ];
        for (said, new, logging) in rows {
            let (found, defaults) = told(&said, &known);
            assert_eq!((found, &defaults["logging"]), (new, &json!(logging)), "{said:?}");
        }
        // A provider of the mesh that is called as the built-in one counts, in the format of the mesh unless it has its own.
        for (kind, new, logging) in [
            (
                json!({"envoyFileAccessLog": {"path": "/dev/stdout"}}),
                vec![file("envoy", "/dev/stdout", "%PROTOCOL%\n")],
                "envoy",
            ),
            (
                json!({"envoyFileAccessLog": {"path": "/b"}}),
                vec![file("envoy", "/b", "%PROTOCOL%\n"), file("accessLogFile", "/dev/stdout", "%PROTOCOL%\n")],
                "accessLogFile",
            ),
            (
                json!({"envoyFileAccessLog": {"path": "/dev/stdout", "logFormat": {"text": "x"}}}),
                vec![file("accessLogFile", "/dev/stdout", "%PROTOCOL%\n")],
                "accessLogFile",
            ),
        ] {
            let mut one = kind.clone();
            one["name"] = "envoy".into();
            let said = Defaults { format: text("%PROTOCOL%"), ..stdout.clone() };
            let (found, defaults) = told(&said, &providers(json!([one])));
            assert_eq!((found, &defaults["logging"]), (new, &json!([logging])), "{kind}");
        }
    }

    #[test]
    fn spans_and_metrics_go_where_the_mesh_says() {
        let known = providers(json!([
            {"name": "otel", "opentelemetry": {"service": "o", "port": 1}},
            {"name": "p", "prometheus": {}},
        ]));
        let named = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        let collector = crate::l7::providers::zipkin("z:9411").ok();
        let usual = Defaults::default();
        let rows = [
            (usual.clone(), json!({}), 0),
            (Defaults { traced: Some(true), sampling: Some(0.0), ..usual.clone() }, json!({"sampling": 0.0}), 0),
            (
                Defaults { collector: collector.clone(), sampling: Some(100.0), ..usual.clone() },
                json!({"tracing": "defaultConfig.tracing", "sampling": 100.0}),
                1,
            ),
            (Defaults { collector: collector.clone(), traced: Some(false), ..usual.clone() }, json!({}), 0),
            (
                Defaults {
                    collector: collector.clone(),
                    tracing: named(&["otel"]),
                    traced: Some(false),
                    ..usual.clone()
                },
                json!({"tracing": "otel"}),
                0,
            ),
            (
                Defaults { collector, tracing: named(&["gone"]), ..usual.clone() },
                json!({"tracing": "defaultConfig.tracing"}),
                1,
            ),
            (Defaults { metrics: named(&["p"]), ..usual.clone() }, json!({}), 0),
            (Defaults { metrics: named(&["prometheus"]), ..usual.clone() }, json!({}), 0),
            (Defaults { metrics: named(&[]), ..usual.clone() }, json!({"unmeasured": true}), 0),
        ];
        for (said, wanted, added) in rows {
            let (found, mut defaults) = told(&said, &known);
            defaults.as_object_mut().expect("fields").remove("logging");
            assert_eq!((defaults, found.len()), (wanted, added), "{said:?}");
        }
    }
}
