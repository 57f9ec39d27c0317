//! Whatever anybody sends: nothing panics, and nothing is believed.

use http::{HeaderValue, Request};
use proptest::prelude::*;

use super::*;
use crate::tokens::locate;

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![
            Just("RSA"),
            Just("EC"),
            Just("OKP"),
            Just("P-256"),
            Just("Ed25519"),
            Just("ES256"),
            Just("none"),
            Just(ISSUER)
        ]
        .prop_map(Value::from),
        "[A-Za-z0-9_-]{0,90}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 8, |inner| {
        let names = prop_oneof![
            Just("keys"),
            Just("kty"),
            Just("crv"),
            Just("n"),
            Just("e"),
            Just("x"),
            Just("y"),
            Just("alg"),
            Just("kid"),
            Just("use"),
            Just("iss"),
            Just("exp"),
            Just("nbf"),
            Just("aud"),
            Just("scope"),
            Just("crit"),
        ];
        let names = names.prop_map(str::to_owned);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map(names, inner, 0..8).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

fn token() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,80}",
        "[A-Za-z0-9_=.-]{0,200}",
        (json(), json(), "[A-Za-z0-9_-]{0,90}").prop_map(|(head, body, end)| format!(
            "{}.{}.{end}",
            encode(&head),
            encode(&body)
        )),
    ]
}

fn jwks() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        json().prop_map(|v| v.to_string().into_bytes()),
        proptest::collection::vec(json(), 0..4).prop_map(|keys| json!({ "keys": keys }).to_string().into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_a_token(token in token(), set in jwks()) {
        let rule = rule(&Keys::Discovery, &json!({}));
        let keys = KeySet::parse(&set).unwrap_or_else(|_| KeySet::none());
        prop_assert!(verify(&token, &rule, &keys, NOW).is_err());
    }

    #[test]
    fn no_request_is_a_surprise(header in proptest::collection::vec(any::<u8>(), 0..80), cookie in ".{0,80}", query in "[!-~]{0,80}") {
        let rule = rule(&Keys::Discovery, &json!({"fromHeaders": [["authorization", "Bearer "], ["x", ""]], "fromParams": ["a"], "fromCookies": ["a"]}));
        let mut request = Request::new(());
        if let Ok(uri) = format!("/?a=b&{query}").parse() {
            *request.uri_mut() = uri;
        }
        for (name, value) in [("authorization", &*header), ("x", &*header), ("cookie", cookie.as_bytes())] {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                request.headers_mut().append(name, value);
            }
        }
        let (mut parts, ()) = request.into_parts();
        let _ = locate::hidden([&rule].into_iter(), &parts);
        let path = parts.uri.path().to_owned();
        locate::take(&rule, &mut parts);
        prop_assert!(locate::find(&rule, &parts).is_empty(), "{parts:?}");
        prop_assert_eq!(parts.uri.path(), path);
    }

    #[test]
    fn one_changed_letter_is_no_token(at in any::<proptest::sample::Index>(), to in "[A-Za-z0-9_-]") {
        static ISSUED: std::sync::OnceLock<(Issuer, String)> = std::sync::OnceLock::new();
        let (issuer, token) = ISSUED.get_or_init(|| {
            let issuer = Issuer::new(Algorithm::ES256, "k");
            let token = issuer.token(&claims(&json!({})));
            (issuer, token)
        });
        let mut changed = token.clone();
        let at = at.index(token.len());
        changed.replace_range(at..=at, &to);
        let believed = verify(&changed, &rule(&Keys::Discovery, &json!({})), &keys(&set(&[issuer])), NOW);
        prop_assert!(changed == *token || believed.is_err(), "{changed}");
    }
}
