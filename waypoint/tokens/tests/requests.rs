//! Requests with tokens: where they are found, what becomes of them, what is remembered.

use std::sync::Arc;

use http::{Request, request::Parts};
use model::l7::authentication::Authentication;

use super::*;
use crate::tokens::{Believed, Fetcher, Tokens, cache, now, public_roots, rules};

fn tokens() -> Tokens {
    Tokens::new(Fetcher::new(public_roots))
}

fn request(target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::get(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request").into_parts().0
}

fn valid(change: &Value) -> Value {
    let mut claims = claims(change);
    claims["exp"] = (now() + 600).into();
    claims
}

async fn admit(tokens: &Tokens, rule: &JwtRule, parts: &mut Parts) -> Result<Option<Arc<Believed>>, Fault> {
    tokens.admit(&[rule], parts).await
}

/// Returns the headers of a request in their order, and its target.
fn seen(parts: &Parts) -> (Vec<String>, String) {
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    (parts.headers.iter().map(text).collect(), parts.uri.to_string())
}

#[tokio::test]
async fn tokens_are_found_at_the_places_of_a_rule_and_taken_out() {
    let issuer = Issuer::new(Algorithm::ES256, "k");
    let t = issuer.token(&valid(&json!({})));
    let inline = Keys::Inline(set(&[&issuer]).into());
    let usual = json!({});
    let nowhere = json!({"fromHeaders": [], "fromParams": []});
    let custom = json!({"fromHeaders": [["x-jwt", ""], ["x-pre", "jwt "]], "fromParams": [], "fromCookies": ["sid"]});
    let fmt = |text: &str| text.replace('T', &t);
    // Rule, target, headers; what is left, or none if the request has no token.
    type Case<'c> = (&'c Value, &'c str, &'c [(&'c str, &'c str)], Option<(&'c [&'c str], &'c str)>);
    let cases: &[Case] = &[
        (&usual, "/a?b=1", &[("authorization", "Bearer T")], Some((&[], "/a?b=1"))),
        (&usual, "/a", &[("authorization", "bearer   T")], Some((&[], "/a"))),
        (
            &usual,
            "/a",
            &[("authorization", "Basic eDp5"), ("authorization", "Bearer T")],
            Some((&["authorization: Basic eDp5"], "/a")),
        ),
        (&usual, "/a?access_token=T", &[], Some((&[], "/a"))),
        (&usual, "/a?x=%20&access_token=T&y&access%5Ftoken=T", &[], Some((&[], "/a?x=%20&y"))),
        (&nowhere, "/a", &[("authorization", "Bearer T")], Some((&[], "/a"))),
        (&nowhere, "/a?access_token=T", &[("x", "y")], Some((&["x: y"], "/a"))),
        (&usual, "/a", &[("authorization", "Basic eDp5")], None),
        (&usual, "/a", &[("authorization", "BearerT")], None),
        (&usual, "/a?Access_token=T&token=T", &[("x-jwt", "T"), ("cookie", "access_token=T")], None),
        (&custom, "/a", &[("x-jwt", " T "), ("authorization", "Bearer T")], Some((&["authorization: Bearer T"], "/a"))),
        (&custom, "/a", &[("x-pre", "jwt T")], Some((&[], "/a"))),
        (&custom, "/a?access_token=T", &[("x-pre", "JWT T"), ("authorization", "Bearer T")], None),
        (
            &custom,
            "/a",
            &[("cookie", "a=b; sid=T;c=d"), ("cookie", "sid=T"), ("cookie", "e=f")],
            Some((&["cookie: a=b; c=d", "cookie: e=f"], "/a")),
        ),
        (&custom, "/a", &[("cookie", "sid=\"T\"")], Some((&[], "/a"))),
        (&custom, "/a", &[("cookie", "n=\u{e9}; sid=T")], Some((&["cookie: n=\u{e9}"], "/a"))),
        (&custom, "/a", &[("cookie", "asid=T; Sid=T")], None),
    ];
    for (change, target, headers, wanted) in cases {
        let headers: Vec<(&str, String)> = headers.iter().map(|(name, value)| (*name, fmt(value))).collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        let before = request(&fmt(target), &headers);
        let mut parts = before.clone();
        let rule = rule(&inline, change);
        let tokens = tokens();
        let believed = admit(&tokens, &rule, &mut parts).await.expect("believed or none");
        assert_eq!(believed.is_some(), wanted.is_some(), "{target} {headers:?}");
        match wanted {
            Some((left, target)) => {
                let left: Vec<String> = left.iter().map(|header| fmt(header)).collect();
                assert_eq!(seen(&parts), (left, (*target).to_owned()), "{headers:?}");
            }
            None => assert_eq!(seen(&parts), seen(&before)),
        }
        let mut parts = before.clone();
        let forwarding = JwtRule { forward: true, ..rule.clone() };
        assert!(admit(&tokens, &forwarding, &mut parts).await.is_ok());
        assert_eq!(seen(&parts), seen(&before), "it is forwarded");
        // The same places with a token that is worth nothing.
        if wanted.is_some() {
            let bad = |text: &str| text.replace(&t, "not.a.token");
            let headers: Vec<(&str, String)> = headers.iter().map(|(name, value)| (*name, bad(value))).collect();
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
            let mut parts = request(&bad(&fmt(target)), &headers);
            assert!(admit(&tokens, &rule, &mut parts).await.is_err(), "{headers:?}");
        }
    }
}

#[tokio::test]
async fn nobody_but_the_proxy_says_what_a_token_says() {
    let issuer = Issuer::new(Algorithm::ES256, "k");
    let change = json!({"payloadHeader": "x-payload", "claimHeaders": [["x-sub", "sub"], ["x-deep", "a.b"], ["x-bad", "line"], ["x-none", "none"]]});
    let first = rule(&Keys::Inline(set(&[&issuer]).into()), &change);
    let second = rule(&Keys::Discovery, &json!({"issuer": "z", "claimHeaders": [["x-other", "sub"]]}));
    let claims = valid(&json!({"a": {"b": 7}, "line": "a\r\nx-admin: 1"}));
    let token = issuer.token(&claims);
    let forged: Vec<(&str, &str)> =
        ["x-payload", "x-sub", "x-deep", "x-bad", "x-none", "x-other", "X-Sub"].map(|name| (name, "forged")).to_vec();
    let tokens = tokens();

    let mut parts = request("/", &forged);
    assert!(tokens.admit(&[&first, &second], &mut parts).await.expect("no token").is_none());
    assert_eq!(seen(&parts).0, Vec::<String>::new());

    let bearer = format!("Bearer {token}");
    let mut parts = request("/", &[&forged[..], &[("authorization", &*bearer)]].concat());
    let believed = tokens.admit(&[&first, &second], &mut parts).await.expect("believed");
    assert_eq!(believed.expect("believed").claims(), &claims);
    let payload = token.split('.').nth(1).expect("parts");
    let wanted = vec![format!("x-payload: {payload}"), "x-sub: alice".to_owned(), "x-deep: 7".to_owned()];
    assert_eq!(seen(&parts).0, wanted);
}

#[tokio::test]
async fn rules_stand_beside_each_other() {
    let (a, b, c) =
        (Issuer::new(Algorithm::ES256, "a"), Issuer::new(Algorithm::ES256, "b"), Issuer::new(Algorithm::ES256, "c"));
    let of = |issuer: &Issuer, name: &str, change: Value| {
        let mut rule = rule(&Keys::Inline(set(&[issuer]).into()), &change);
        rule.issuer = name.into();
        rule
    };
    let policy = |name: &str, rules: Vec<JwtRule>| {
        Arc::new(Authentication { namespace: "ns".into(), name: name.into(), targets: vec![], rules })
    };
    let policies = [
        policy("two", vec![of(&b, "b", json!({})), of(&c, "b", json!({"audiences": ["x"]}))]),
        policy(
            "one",
            vec![of(&a, "a", json!({})), of(&c, "c", json!({"fromHeaders": [["x-c", ""]], "fromParams": []}))],
        ),
    ];
    let rules = rules(policies.iter());
    assert_eq!(rules.iter().map(|rule| &*rule.issuer).collect::<Vec<_>>(), ["a", "b", "b", "c"]);
    let by = |issuer: &Issuer, name: &str, change: Value| {
        let mut claims = valid(&change);
        claims["iss"] = name.into();
        issuer.token(&claims)
    };
    let bearer = |token: String| ("authorization", format!("Bearer {token}"));
    let unknown = |kid: &str| Err(Fault::NoSuchKey(Some(kid.to_owned())));
    let cases = [
        (vec![], Ok(None)),
        (vec![bearer(by(&a, "a", json!({})))], Ok(Some("a"))),
        (vec![bearer(by(&b, "b", json!({})))], Ok(Some("b"))),
        // Either rule of an issuer does.
        (vec![bearer(by(&c, "b", json!({"aud": "x"})))], Ok(Some("b"))),
        (vec![bearer(by(&c, "b", json!({})))], unknown("c")),
        (vec![bearer(by(&a, "b", json!({"aud": "x"})))], unknown("a")),
        (vec![bearer(by(&a, "d", json!({})))], Err(Fault::Issuer("d".to_owned()))),
        // That of another place only.
        (vec![bearer(by(&c, "c", json!({})))], Err(Fault::Issuer("c".to_owned()))),
        (vec![("x-c", by(&c, "c", json!({})))], Ok(Some("c"))),
        // One that is believed is enough, and the first is it.
        (vec![bearer(by(&a, "a", json!({}))), ("x-c", "bad".to_owned())], Ok(Some("a"))),
        (vec![bearer(by(&b, "b", json!({}))), ("x-c", by(&c, "c", json!({})))], Ok(Some("b"))),
        // But not beside another one at the places of the same rule.
        (
            vec![bearer(by(&a, "a", json!({}))), bearer("bad".to_owned())],
            Err(Fault::Malformed("it has no three parts")),
        ),
        (vec![bearer(by(&a, "a", json!({}))); 9], Err(Fault::Malformed("there are too many"))),
    ];
    let tokens = tokens();
    // Twice: what is remembered changes nothing.
    for _ in 0..2 {
        for (headers, wanted) in &cases {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
            let seen = tokens.admit(&rules, &mut request("/", &headers)).await;
            let seen = seen.map(|b| b.map(|b| b.claims()["iss"].as_str().expect("text").to_owned()));
            assert_eq!(seen, wanted.clone().map(|w| w.map(str::to_owned)), "{headers:?}");
        }
    }
}

#[tokio::test]
async fn what_is_remembered_holds_for_the_same_keys_and_the_same_moment_only() {
    let issuer = Issuer::new(Algorithm::ES256, "k");
    let tokens = tokens();
    let known = rule(&Keys::Inline(set(&[&issuer]).into()), &json!({}));
    let policy =
        Authentication { namespace: "ns".into(), name: "p".into(), targets: vec![], rules: vec![known.clone()] };
    tokens.sync([&policy].into_iter());
    let token = issuer.token(&claims(&json!({})));
    let first = tokens.believe(&known, &token, NOW).expect("believed");
    assert!(Arc::ptr_eq(&first, &tokens.believe(&known, &token, NOW).expect("believed")), "it is remembered");
    assert_eq!(tokens.believe(&known, &token, NOW + 661).map(|_| ()), Err(Fault::Expired));
    let aud = JwtRule { audiences: vec!["x".into()], ..known.clone() };
    assert_eq!(tokens.believe(&aud, &token, NOW).map(|_| ()), Err(Fault::Audience));
    let stranger = Issuer::new(Algorithm::ES256, "k");
    let others = JwtRule { keys: Keys::Inline(set(&[&stranger]).into()), ..known.clone() };
    assert_eq!(tokens.believe(&others, &token, NOW).map(|_| ()), Err(Fault::Signature));
    let nowhere = JwtRule { keys: Keys::Uri("http://127.0.0.1:1/keys".into()), ..known.clone() };
    let fault = Fault::NoKeys(ISSUER.into(), "http://127.0.0.1:1/keys".to_owned());
    assert_eq!(tokens.believe(&nowhere, &token, NOW).map(|_| ()), Err(fault));
    assert_eq!(tokens.believed.size(), (1, token.len()));
    tokens.believed.sweep(NOW + 661);
    assert_eq!(tokens.believed.size(), (0, 0));
}

#[test]
fn the_oldest_make_room() {
    let issuer = Issuer::new(Algorithm::ES256, "k");
    let rule = rule(&Keys::Discovery, &json!({}));
    let token = issuer.token(&claims(&json!({})));
    let believed = Arc::new(verify(&token, &rule, &keys(&set(&[&issuer])), NOW).expect("believed"));
    let cache = cache::Cache::default();
    for number in 0..10_000 {
        let text = format!("{number:01000}");
        cache.keep(cache::Digest::of(&text), &text, believed.clone());
        assert!(cache.find(&cache::Digest::of(&text)).is_some());
    }
    let (count, size) = cache.size();
    assert!(size <= 4 << 20 && count > 3500, "{count} {size}");
    let long = "x".repeat(9000);
    cache.keep(cache::Digest::of(&long), &long, believed);
    assert!(cache.find(&cache::Digest::of(&long)).is_none());
}

#[test]
fn logs_have_no_tokens_of_queries() {
    let rule = rule(&Keys::Discovery, &json!({"fromParams": ["access_token", "t"]}));
    let cases = [
        ("/a", None),
        ("/a?b=c", None),
        ("/a?access_token=x.y.z", Some("/a?access_token=***")),
        ("/a?b=1&t=x&access%5ftoken=y&t", Some("/a?b=1&t=***&access%5ftoken=***&t")),
    ];
    for (target, wanted) in cases {
        assert_eq!(crate::tokens::hidden(&[&rule], &request(target, &[])).as_deref(), wanted, "{target}");
    }
}
