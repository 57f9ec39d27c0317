//! Tables over origins, preflights and answers.

use std::time::Duration;

use model::l7::text::TextMatch;

use super::*;

const SHOP: &str = "https://shop.example";

fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
    headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value"))).collect()
}

fn cors(methods: &[&str], headers: &[&str], credentials: bool) -> Cors {
    let names = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
    Cors {
        allow_origins: vec![TextMatch::Exact(SHOP.into())],
        allow_methods: names(methods),
        allow_headers: names(headers),
        allow_credentials: credentials,
        max_age: Some(Duration::from_secs(60)),
        ..Cors::default()
    }
}

/// Writes the headers of a preflight's answer, without what all of them say.
fn written(verdict: Verdict) -> Vec<String> {
    let Verdict::Preflight(headers) = verdict else { panic!("no preflight: {verdict:?}") };
    let short = |name: &HeaderName| name.as_str().replace("access-control-", "");
    let text = headers.iter().map(|(name, value)| format!("{}={}", short(name), value.to_str().expect("text")));
    text.filter(|text| text != "vary=origin").collect()
}

#[test]
fn preflights_are_told_what_is_allowed() {
    let asked = map(&[
        ("origin", SHOP),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "x-a, x-b"),
    ]);
    let origin = "allow-origin=https://shop.example";
    let rows: [(Cors, &[&str]); 5] = [
        (cors(&[], &[], false), &[origin, "max-age=60"]),
        (
            cors(&["GET", "PUT"], &["x-a"], false),
            &[origin, "allow-methods=GET, PUT", "allow-headers=x-a", "max-age=60"],
        ),
        (cors(&["*"], &["*"], false), &[origin, "allow-methods=*", "allow-headers=*", "max-age=60"]),
        (
            cors(&["*"], &["*"], true),
            &[origin, "allow-credentials=true", "allow-methods=PUT", "allow-headers=x-a, x-b", "max-age=60"],
        ),
        (
            cors(&["GET"], &["x-c"], true),
            &[origin, "allow-credentials=true", "allow-methods=GET", "allow-headers=x-c", "max-age=60"],
        ),
    ];
    for (cors, wanted) in rows {
        assert_eq!(written(judge(&cors, &Method::OPTIONS, &asked)), wanted, "{cors:?}");
    }
}

#[test]
fn only_a_preflight_is_answered() {
    let preflight = [("origin", SHOP), ("access-control-request-method", "PUT")];
    let other = [("origin", "https://evil.example"), ("access-control-request-method", "PUT")];
    let plain = cors(&["GET"], &[], false);
    let forward = Cors { forward_unmatched: true, ..plain.clone() };
    let any = Cors { allow_origins: vec![TextMatch::Present], ..plain.clone() };
    // Whether it is answered here, and whether the origin may read the answer.
    type Row<'r> = (&'r Cors, Method, &'r [(&'static str, &'r str)], bool, bool);
    let rows: [Row<'_>; 8] = [
        (&plain, Method::OPTIONS, &preflight, true, true),
        (&plain, Method::GET, &preflight, false, true),
        (&plain, Method::OPTIONS, &preflight[..1], false, true),
        (&plain, Method::OPTIONS, &preflight[1..], false, false),
        (&plain, Method::OPTIONS, &other, true, false),
        (&forward, Method::OPTIONS, &other, false, false),
        (&forward, Method::OPTIONS, &preflight, true, true),
        (&any, Method::GET, &other, false, true),
    ];
    for (cors, method, headers, is_answered, is_granted) in rows {
        let (answered, granted) = match judge(cors, &method, &map(headers)) {
            Verdict::Preflight(headers) => (true, headers.iter().any(|(name, _)| *name == ACCESS_CONTROL_ALLOW_ORIGIN)),
            Verdict::Pass(grant) => (false, grant.origin.is_some()),
        };
        assert_eq!((answered, granted), (is_answered, is_granted), "{cors:?} {method} {headers:?}");
    }
}

#[test]
fn an_answer_says_what_the_rule_says_and_not_what_the_endpoint_does() {
    let grant = |origin: Option<&'static str>, credentials, expose: &[&str]| Grant {
        origin: origin.map(HeaderValue::from_static),
        credentials,
        expose: expose.iter().map(|name| (*name).into()).collect(),
    };
    let said = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "x-own"),
        ("x-a", "1"),
        ("set-cookie", "a=b"),
    ];
    let rows: [(Grant, [Option<&str>; 3]); 5] = [
        (grant(Some(SHOP), false, &[]), [Some(SHOP), None, None]),
        (grant(Some(SHOP), true, &["x-b"]), [Some(SHOP), Some("true"), Some("x-b")]),
        (grant(Some(SHOP), false, &["*"]), [Some(SHOP), None, Some("*")]),
        (grant(Some(SHOP), true, &["*"]), [Some(SHOP), Some("true"), Some("x-a")]),
        (grant(None, false, &[]), [Some("*"), Some("true"), Some("x-own")]),
    ];
    for (grant, wanted) in rows {
        let mut headers = map(&said);
        grant.apply(&mut headers);
        let found = [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_EXPOSE_HEADERS]
            .map(|name| headers.get(name).map(|value| value.to_str().expect("text").to_owned()));
        assert_eq!(found.each_ref().map(Option::as_deref), wanted, "{grant:?}");
        assert_eq!(headers.get_all(VARY).iter().collect::<Vec<_>>(), ["origin"]);
    }
    let mut varies = map(&[("vary", "accept, Origin")]);
    grant(None, false, &[]).apply(&mut varies);
    assert_eq!(varies.get_all(VARY).iter().count(), 1, "it is said once");
}
