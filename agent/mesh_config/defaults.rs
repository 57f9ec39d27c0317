//! The fields of MeshConfig that say what is told of requests of which no Telemetry says anything.

use model::l7::telemetry::{Collector, Format};
use serde_json::Value;

use super::{Fields, Notes, take};
use crate::l7::{
    Providers,
    defaults::Defaults,
    providers::{format, zipkin},
};

/// Reads them; of one that is wrong what was said before stays. `providers` are those that count now.
pub(super) fn read(fields: &mut Fields, before: &Defaults, providers: &Providers, notes: &mut Notes) -> Defaults {
    let mut said = Defaults {
        file: counts(file(fields), &before.file, notes),
        format: counts(line(fields), &before.format, notes),
        traced: counts(take(fields, "enableTracing", "true or false"), &before.traced, notes),
        ..before.clone()
    };
    match object(fields, "defaultProviders", "defaultProviders") {
        Ok(named) => named_by_default(named, before, &mut said, providers, notes),
        Err(why) => notes.faults.push(why),
    }
    match traced(fields, notes) {
        Ok(tracing) => sampled(tracing, before, &mut said, notes),
        Err(why) => notes.faults.push(why),
    }
    if said.traced == Some(true) && said.collector.is_none() {
        notes.unread.push("enableTracing (defaultConfig.tracing.zipkin.address says no collector)".to_owned());
    }
    said
}

/// Returns what counts of a field of which the environment says nothing.
fn counts<T: Clone>(read: Result<Option<T>, String>, before: &Option<T>, notes: &mut Notes) -> Option<T> {
    super::counts(read.map(|said| said.map(Some)), &None, before, &mut notes.faults)
}

/// Reads where requests are logged. Empty is said by those who want no log (Istio, MeshConfig).
fn file(fields: &mut Fields) -> Result<Option<String>, String> {
    let path = take::<String>(fields, "accessLogFile", "a path")?;
    match path {
        Some(path) if !path.is_empty() && !path.starts_with('/') => {
            Err(format!("accessLogFile: {path:?} is neither absolute nor empty"))
        }
        path => Ok(path),
    }
}

/// Reads what a line of the log says. Two fields say it, and neither can be read without the other.
fn line(fields: &mut Fields) -> Result<Option<Format>, String> {
    let encoding = take::<String>(fields, "accessLogEncoding", "TEXT or JSON");
    let text = take::<String>(fields, "accessLogFormat", "a text, of an object in JSON too");
    let (encoding, text) = (encoding?, text?.filter(|text| !text.is_empty()));
    let read = match (encoding.as_deref(), &text) {
        (None, None) => return Ok(None),
        (None | Some("TEXT"), text) => format::text(text.as_deref().unwrap_or_default()),
        (Some("JSON"), text) => format::json(text.as_deref().unwrap_or_default()),
        (Some(other), _) => return Err(format!("accessLogEncoding: {other:?} is none of TEXT, JSON")),
    };
    read.map(Some).map_err(|why| format!("accessLogFormat: {why}"))
}

/// Takes an object out, which may be left out.
fn object(fields: &mut Fields, field: &str, name: &str) -> Result<Fields, String> {
    match fields.remove(field) {
        None | Some(Value::Null) => Ok(Fields::new()),
        Some(Value::Object(fields)) => Ok(fields),
        Some(_) => Err(format!("{name}: want an object")),
    }
}

/// Reads which providers count where no object names one: those alone that can be told.
fn named_by_default(
    mut named: Fields,
    before: &Defaults,
    said: &mut Defaults,
    providers: &Providers,
    notes: &mut Notes,
) {
    let mut read = |field: &str, check: &dyn Fn(&str) -> Result<(), String>| {
        let wrong = |why| format!("defaultProviders.{field}: {why}");
        let names = take::<Vec<String>>(&mut named, field, "a list of names")
            .map_err(|why| format!("defaultProviders.{why}"))?;
        names.iter().flatten().try_for_each(|name| check(name)).map_err(wrong)?;
        Ok(names)
    };
    let logging = read("accessLogging", &|name| providers.named(name, false).map(drop));
    let tracing = read("tracing", &|name| providers.named(name, true).map(drop));
    let metrics = read("metrics", &|name| match providers.measures(name) {
        true => Ok(()),
        false => Err(format!("provider {name} is none for metrics: waypoints are scraped by Prometheus")),
    });
    said.logging = counts(logging, &before.logging, notes);
    said.tracing = counts(tracing, &before.tracing, notes);
    said.metrics = counts(metrics, &before.metrics, notes);
    let more = said.tracing.iter().flatten().skip(1);
    notes.unread.extend(more.map(|name| format!("defaultProviders.tracing (of {name}: only the first counts)")));
    rest(named, "defaultProviders", notes);
}

/// Takes `defaultConfig.tracing` out.
fn traced(fields: &mut Fields, notes: &mut Notes) -> Result<Fields, String> {
    let mut config = object(fields, "defaultConfig", "defaultConfig")?;
    let tracing = object(&mut config, "tracing", "defaultConfig.tracing");
    rest(config, "defaultConfig", notes);
    tracing
}

/// Reads how many requests are sampled, and who is told of them where no provider is.
fn sampled(mut tracing: Fields, before: &Defaults, said: &mut Defaults, notes: &mut Notes) {
    said.sampling = counts(sampling(&mut tracing), &before.sampling, notes);
    let collector = match object(&mut tracing, "zipkin", "defaultConfig.tracing.zipkin") {
        Ok(mut zipkin) => {
            let collector = collector(&mut zipkin);
            rest(zipkin, "defaultConfig.tracing.zipkin", notes);
            collector
        }
        Err(why) => Err(why),
    };
    said.collector = counts(collector, &before.collector, notes);
    rest(tracing, "defaultConfig.tracing", notes);
}

fn sampling(tracing: &mut Fields) -> Result<Option<f64>, String> {
    let share = take::<f64>(tracing, "sampling", "a number").map_err(|why| format!("defaultConfig.tracing.{why}"))?;
    match share {
        Some(share) if !(0.0..=100.0).contains(&share) => {
            Err(format!("defaultConfig.tracing.sampling: {share} is not from 0 to 100"))
        }
        share => Ok(share),
    }
}

fn collector(fields: &mut Fields) -> Result<Option<Collector>, String> {
    let address =
        take::<String>(fields, "address", "HOST:PORT").map_err(|why| format!("defaultConfig.tracing.zipkin.{why}"))?;
    let address = address.filter(|address| !address.is_empty());
    let wrong = |why| format!("defaultConfig.tracing.zipkin.address: {why}");
    address.map(|address| zipkin(&address)).transpose().map_err(wrong)
}

/// Tells which fields of an object have no effect.
fn rest(fields: Fields, of: &str, notes: &mut Notes) {
    notes.unread.extend(fields.into_iter().map(|(field, _)| format!("{of}.{field}")));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn providers() -> Providers {
        let list = json!([
            {"name": "file", "envoyFileAccessLog": {"path": "/dev/stdout"}},
            {"name": "otel", "opentelemetry": {"service": "o", "port": 1}},
            {"name": "zipkin", "zipkin": {"service": "z", "port": 1}},
            {"name": "far", "datadog": {"service": "a", "port": 1}},
        ]);
        Providers::read(serde_json::from_value(list).expect("a list")).expect("named")
    }

    fn read_after(before: &Defaults, text: &str) -> (Defaults, Notes) {
        let (mut fields, mut notes) = (serde_yaml::from_str(text).expect("fields"), Notes::default());
        let said = read(&mut fields, before, &providers(), &mut notes);
        notes.unread.extend(fields.into_iter().map(|(field, _)| field));
        (said, notes)
    }

    fn names(names: &[&str]) -> Option<Vec<String>> {
        Some(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn fields_are_read() {
        let none = Defaults::default();
        let text = |text| format::text(text).ok();
        let in_json = |text| format::json(text).ok();
        let rows = [
            ("{}", none.clone()),
            ("accessLogFile:\naccessLogEncoding:\ndefaultProviders:\ndefaultConfig: {tracing: null}", none.clone()),
            ("accessLogFile: ''", Defaults { file: Some(String::new()), ..none.clone() }),
            ("accessLogFile: /dev/stdout", Defaults { file: Some("/dev/stdout".to_owned()), ..none.clone() }),
            ("accessLogFormat: ''", none.clone()),
            ("accessLogFormat: '%PROTOCOL%'", Defaults { format: text("%PROTOCOL%\n"), ..none.clone() }),
            ("accessLogEncoding: TEXT", Defaults { format: text(""), ..none.clone() }),
            ("accessLogEncoding: JSON", Defaults { format: in_json(""), ..none.clone() }),
            (
                r#"{accessLogEncoding: JSON, accessLogFormat: '{"a": {"b": "%PROTOCOL%", "c": 1}}'}"#,
                Defaults { format: in_json(r#"{"a": {"b": "%PROTOCOL%", "c": 1}}"#), ..none.clone() },
            ),
            (
                "defaultProviders: {accessLogging: [file, envoy], tracing: [otel], metrics: []}",
                Defaults {
                    logging: names(&["file", "envoy"]),
                    tracing: names(&["otel"]),
                    metrics: names(&[]),
                    ..none.clone()
                },
            ),
            (
                "{enableTracing: false, defaultConfig: {tracing: {sampling: 10, zipkin: {address: 'z.obs:9411'}}}}",
                Defaults {
                    traced: Some(false),
                    sampling: Some(10.0),
                    collector: zipkin("z.obs:9411").ok(),
                    ..none.clone()
                },
            ),
        ];
        for (text, wanted) in rows {
            let (said, notes) = read_after(&none, text);
            assert_eq!((said, notes), (wanted, Notes::default()), "{text}");
        }
        let Some(Format::Json(fields)) = in_json("") else { panic!("Istio's own format can be read") };
        assert_eq!(
            (fields.len(), serde_json::to_value(&fields["method"]).expect("a text")),
            (24, json!("%REQ(:METHOD)%"))
        );
    }

    #[test]
    fn what_is_wrong_changes_nothing_of_itself_and_nothing_of_others() {
        let good = "accessLogFile: /dev/stdout\naccessLogFormat: '%PROTOCOL%'\nenableTracing: true\n\
                    defaultProviders: {accessLogging: [file], tracing: [otel], metrics: [prometheus]}\n\
                    defaultConfig: {tracing: {sampling: 5, zipkin: {address: 'z:9411'}}}\n";
        let (before, notes) = read_after(&Defaults::default(), good);
        assert_eq!(notes, Notes::default());
        type Keep = fn(&mut Defaults, &Defaults);
        let file: Keep = |said, before| said.file.clone_from(&before.file);
        let line: Keep = |said, before| said.format.clone_from(&before.format);
        let traced: Keep = |said, before| said.traced = before.traced;
        let logging: Keep = |said, before| said.logging.clone_from(&before.logging);
        let tracing: Keep = |said, before| said.tracing.clone_from(&before.tracing);
        let metrics: Keep = |said, before| said.metrics.clone_from(&before.metrics);
        let named: Keep = |said, before| {
            said.logging.clone_from(&before.logging);
            said.tracing.clone_from(&before.tracing);
            said.metrics.clone_from(&before.metrics);
        };
        let sampling: Keep = |said, before| said.sampling = before.sampling;
        let collector: Keep = |said, before| said.collector.clone_from(&before.collector);
        let sampled: Keep = |said, before| {
            said.sampling = before.sampling;
            said.collector.clone_from(&before.collector);
        };
        // What is wrong, why, and what of before stays.
        let rows = [
            ("accessLogFile: stdout", "accessLogFile: \"stdout\" is neither absolute nor empty", file),
            ("accessLogFile: 1", "accessLogFile: want a path", file),
            ("accessLogEncoding: XML", "accessLogEncoding: \"XML\" is none of TEXT, JSON", line),
            ("accessLogEncoding: 1", "accessLogEncoding: want TEXT or JSON", line),
            ("accessLogFormat: {a: b}", "accessLogFormat: want a text, of an object in JSON too", line),
            ("accessLogFormat: '%NOPE%'", "accessLogFormat: command %NOPE% of the format is not supported", line),
            ("accessLogFormat: '%REQ(a'", "accessLogFormat: a command of the format has no end", line),
            ("{accessLogEncoding: JSON, accessLogFormat: x}", "accessLogFormat: want an object in JSON", line),
            ("{accessLogEncoding: JSON, accessLogFormat: '[]'}", "accessLogFormat: want an object in JSON", line),
            (
                r#"{accessLogEncoding: JSON, accessLogFormat: '{"a": ["%NOPE%"]}'}"#,
                "accessLogFormat: command %NOPE% of the format is not supported",
                line,
            ),
            ("enableTracing: 1", "enableTracing: want true or false", traced),
            ("defaultProviders: []", "defaultProviders: want an object", named),
            (
                "defaultProviders: {accessLogging: file}",
                "defaultProviders.accessLogging: want a list of names",
                logging,
            ),
            (
                "defaultProviders: {accessLogging: [gone]}",
                "defaultProviders.accessLogging: there is no provider gone",
                logging,
            ),
            ("defaultProviders: {accessLogging: [otel]}", "provider otel is none for access logs", logging),
            (
                "defaultProviders: {tracing: [file]}",
                "defaultProviders.tracing: provider file is none for tracing",
                tracing,
            ),
            ("defaultProviders: {tracing: [far]}", "datadog is no kind of a provider", tracing),
            (
                "defaultProviders: {metrics: [otel]}",
                "defaultProviders.metrics: provider otel is none for metrics",
                metrics,
            ),
            ("defaultConfig: x", "defaultConfig: want an object", sampled),
            ("defaultConfig: {tracing: 1}", "defaultConfig.tracing: want an object", sampled),
            (
                "defaultConfig: {tracing: {sampling: 101}}",
                "defaultConfig.tracing.sampling: 101 is not from 0 to 100",
                sampling,
            ),
            ("defaultConfig: {tracing: {sampling: x}}", "defaultConfig.tracing.sampling: want a number", sampling),
            ("defaultConfig: {tracing: {zipkin: x}}", "defaultConfig.tracing.zipkin: want an object", collector),
            ("defaultConfig: {tracing: {zipkin: {address: z}}}", "zipkin.address: \"z\" is no HOST:PORT", collector),
            ("defaultConfig: {tracing: {zipkin: {address: 'z:x'}}}", "\"z:x\" is no HOST:PORT", collector),
            ("defaultConfig: {tracing: {zipkin: {address: '::1:9411'}}}", "\"::1:9411\" is no HOST:PORT", collector),
            ("defaultConfig: {tracing: {zipkin: {address: 'a b:9411'}}}", "a b:9411 is no host and port", collector),
        ];
        for (text, why, keep) in rows {
            let (said, notes) = read_after(&before, text);
            assert!(notes.faults.len() == 1 && notes.faults[0].contains(why), "{text}: {:?}", notes.faults);
            // What is not said is as if it had never been.
            let mut wanted = Defaults::default();
            keep(&mut wanted, &before);
            assert_eq!(said, wanted, "{text}");
        }
    }

    #[test]
    fn what_has_no_effect_is_named() {
        let rows: &[(&str, &[&str])] = &[
            ("enableTracing: true", &["enableTracing (defaultConfig.tracing.zipkin.address says no collector)"]),
            ("enableTracing: false", &[]),
            ("{enableTracing: true, defaultConfig: {tracing: {zipkin: {address: 'z:1'}}}}", &[]),
            (
                "defaultProviders: {tracing: [otel, zipkin], later: []}",
                &["defaultProviders.tracing (of zipkin: only the first counts)", "defaultProviders.later"],
            ),
            (
                "defaultConfig: {concurrency: 1, tracing: {customTags: {}, datadog: {}, zipkin: {later: 1}}}",
                &[
                    "defaultConfig.concurrency",
                    "defaultConfig.tracing.zipkin.later",
                    "defaultConfig.tracing.customTags",
                    "defaultConfig.tracing.datadog",
                ],
            ),
            ("outboundTrafficPolicy: {}", &["outboundTrafficPolicy"]),
        ];
        for (text, wanted) in rows {
            let (_, notes) = read_after(&Defaults::default(), text);
            assert_eq!(notes.unread, *wanted, "{text}");
            assert!(notes.faults.is_empty(), "{text}: {:?}", notes.faults);
        }
    }
}
