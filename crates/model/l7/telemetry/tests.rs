use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn object(name: &str, fields: Value) -> Telemetry {
    let mut whole = json!({"namespace": "shop", "name": name, "created": name, "scope": "mesh"});
    whole.as_object_mut().expect("fields").extend(fields.as_object().cloned().unwrap_or_default());
    serde_json::from_value(whole).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn logging_adds_up() {
    let log = |rules: Value| json!({"logging": rules});
    let providers = |names: &[&str]| json!({"providers": names});
    // The objects from the widest to the narrowest, and what is in effect.
    let rows: &[(&[Value], &str)] = &[
        (&[], "envoy"),
        (&[log(json!([{"disabled": true}]))], ""),
        (&[log(json!([{"disabled": true}])), log(json!([{}]))], "envoy"),
        (&[log(json!([providers(&["a"])]))], "a"),
        (&[log(json!([providers(&["a", "envoy"])]))], "a envoy"),
        (&[log(json!([providers(&["a"])])), log(json!([providers(&["b"])]))], "b"),
        (&[log(json!([providers(&["a"])])), log(json!([{"disabled": true}]))], ""),
        (&[log(json!([providers(&["a"]), providers(&["b"])]))], "a b"),
        (&[log(json!([{"filter": "response.code >= 400"}]))], "envoy?response.code >= 400"),
        (&[log(json!([{"filter": "response.code >= 400"}])), log(json!([{}]))], "envoy"),
        (&[log(json!([{"providers": ["a"], "disabled": true}]))], ""),
        (&[json!({"metrics": [{"disabled": true}]})], "envoy"),
    ];
    for (objects, wanted) in rows {
        let objects: Vec<Telemetry> = objects.iter().map(|fields| object("o", fields.clone())).collect();
        let found = Effective::of(&Defaults::default(), &objects.iter().collect::<Vec<_>>()).logging;
        let filter = |l: &Logging| l.filter.clone().map(|f| format!("?{}", String::from(f))).unwrap_or_default();
        let found: Vec<String> = found.iter().map(|l| format!("{}{}", l.provider, filter(l))).collect();
        assert_eq!(found.join(" "), *wanted, "{objects:?}");
    }
}

#[test]
fn objects_add_to_the_defaults() {
    let names = |names: &[&str]| names.iter().map(|name| Name::from(*name)).collect::<Vec<_>>();
    let quiet = object("o", json!({"logging": [{"disabled": true}], "tracing": [{"disabled": true}]}));
    let filtered =
        object("o", json!({"logging": [{"filter": "response.code >= 400"}], "tracing": [{"sampling": 5.0}]}));
    let named =
        object("o", json!({"logging": [{"providers": ["b"]}], "tracing": [{"provider": "q"}], "measured": true}));
    let defaults =
        Defaults { logging: names(&["a", "z"]), tracing: Some("p".into()), sampling: Some(50.0), unmeasured: true };
    let rows = [
        (vec![], vec!["a", "z"], Some("p"), Some(50.0), false),
        (vec![&quiet], vec![], None, Some(50.0), false),
        (vec![&filtered], vec!["a", "z"], Some("p"), Some(5.0), false),
        (vec![&named], vec!["b"], Some("q"), Some(50.0), true),
        (vec![&named, &quiet], vec![], None, Some(50.0), true),
    ];
    for (objects, logged, traced, sampling, measured) in rows {
        let found = Effective::of(&defaults, &objects);
        assert_eq!(found.logging.iter().map(|l| l.provider.clone()).collect::<Vec<_>>(), names(&logged), "{objects:?}");
        let provider = found.tracing.provider.as_deref().filter(|_| !found.tracing.disabled);
        assert_eq!((provider, found.tracing.sampling), (traced, sampling), "{objects:?}");
        let disabled = Metric::ALL.iter().all(|metric| found.metrics.get(metric).is_some_and(|m| m.disabled));
        assert_eq!(disabled, !measured, "{objects:?}");
    }
    // Filters count for what is logged by default.
    let found = Effective::of(&defaults, &[&filtered]);
    assert!(found.logging.iter().all(|logging| logging.filter.is_some()));
    let nowhere = Defaults { logging: vec![], ..Defaults::default() };
    assert!(Effective::of(&nowhere, &[]).logging.is_empty());
    assert_eq!(Effective::of(&nowhere, &[&named]).logging[0].provider, Name::from("b"));
    // They travel as little as can be said.
    assert_eq!(serde_json::to_value(&nowhere).expect("serialises"), json!({"logging": []}));
    assert_eq!(serde_json::from_value::<Defaults>(json!({})).expect("right"), Defaults::default());
}

#[test]
fn metrics_and_tracing_add_up() {
    let wide = object(
        "wide",
        json!({
            "metrics": [{"tags": {"a": "'1'", "b": null}}, {"metric": "requestSize", "disabled": true}],
            "tracing": [{"provider": "p", "sampling": 10.0, "tags": {"t": {"literal": "1"}, "u": {"literal": "2"}}}],
        }),
    );
    let narrow = object(
        "narrow",
        json!({
            "metrics": [{"metric": "requestCount", "tags": {"a": "request.host"}}, {"metric": "requestSize", "disabled": false}],
            "tracing": [{"disabled": true, "sampling": 0.0, "istioTags": false, "tags": {"t": {"header": ["x", "-"]}}}],
        }),
    );
    let merged = Effective::of(&Defaults::default(), &[&wide, &narrow]);
    let text = |tag: &Option<Expression>| tag.clone().map(String::from);
    let tags = |metric| -> Vec<(String, Option<String>)> {
        merged.metrics[&metric].tags.iter().map(|(name, tag)| (name.to_string(), text(tag))).collect()
    };
    assert_eq!(tags(Metric::RequestCount), [("a".to_owned(), Some("request.host".to_owned())), ("b".to_owned(), None)]);
    assert_eq!(tags(Metric::ResponseSize)[0].1.as_deref(), Some("'1'"));
    assert!(!merged.metrics[&Metric::RequestSize].disabled);
    let Tracing { provider, sampling, disabled, silent, plain, tags } = merged.tracing;
    assert_eq!((provider.as_deref(), sampling, disabled, silent, plain), (Some("p"), Some(0.0), true, false, true));
    assert_eq!((&tags["t"], &tags["u"]), (&Tag::Header("x".into(), "-".into()), &Tag::Literal("2".into())));
    assert_eq!(Effective::default(), Effective::of(&Defaults::default(), &[&object("none", json!({}))]));
}

#[test]
fn formats_are_read() {
    let field = |field| Part::Operator(Operator::Field(field), None);
    let text = |text: &str| Part::Literal(text.into());
    let rows = [
        ("", vec![]),
        ("a 100%%", vec![text("a 100%")]),
        (
            "[%START_TIME%] %RESPONSE_CODE%\n",
            vec![
                text("["),
                Part::Operator(Operator::StartTime(None), None),
                text("] "),
                field(Field::ResponseCode),
                text("\n"),
            ],
        ),
        (
            "%START_TIME(%Y/%m/%dT%H:%M:%S.%3f)%",
            vec![Part::Operator(Operator::StartTime(Some("%Y/%m/%dT%H:%M:%S.%3f".into())), None)],
        ),
        (
            "%REQ(X-A?:AUTHORITY):10%%RESP(B)%",
            vec![
                Part::Operator(Operator::RequestHeader("x-a".into(), Some(":authority".into())), Some(10)),
                Part::Operator(Operator::ResponseHeader("b".into(), None), None),
            ],
        ),
        ("%UPSTREAM_TRANSPORT_FAILURE_REASON%", vec![field(Field::Absent)]),
    ];
    for (format, wanted) in rows {
        let line: Line = format.parse().unwrap_or_else(|error| panic!("{format}: {error}"));
        assert_eq!(line.parts(), wanted, "{format}");
        assert_eq!(line.to_string(), format);
    }
    let bad = [
        ("%NOPE%", "command %NOPE% of the format is not supported"),
        ("%DYNAMIC_METADATA(a:b)%", "is not supported"),
        ("%REQ%", "is not supported"),
        ("%REQ()%", "is not supported"),
        ("%REQ(a):x%", "is not supported"),
        ("%START_TIME(%Q)%", "is not supported"),
        ("50% of", "has no end"),
        ("%REQ(a", "has no end"),
    ];
    for (format, wanted) in bad {
        let error = format.parse::<Line>().expect_err(format).to_string();
        assert!(error.contains(wanted), "{format}: {error}");
    }
}

#[test]
fn an_object_of_a_format_is_read_as_it_is_written() {
    let written = json!({"json": {"a": "%PROTOCOL% x", "b": {"c": ["%RESPONSE_CODE%", 1.5, true, null, {}]}, "d": ""}});
    let read: Format = serde_json::from_value(written.clone()).expect("a format");
    let Format::Json(fields) = &read else { panic!("an object") };
    assert!(matches!(&fields["a"], Piece::Line(line) if line.parts().len() == 2));
    assert_eq!(serde_json::to_value(&read).expect("serialises"), written);
    // A text that is no line is nothing else.
    for wrong in [json!("%NOPE%"), json!(["%NOPE%"]), json!({"a": [{"b": "%NOPE%"}]})] {
        assert!(Piece::try_from(wrong.clone()).is_err(), "{wrong}");
        assert!(serde_json::from_value::<Format>(json!({"json": {"a": wrong}})).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn a_format_is_read_or_refused(text in "([%():?]|START_TIME|REQ|[a-z]|\\PC){0,20}") {
        if let Ok(line) = text.parse::<Line>() {
            prop_assert_eq!(line.to_string(), text);
        }
    }
}
