use serde_json::json;

use super::*;
use crate::{Identity, l7::matching::tests::Plain};

#[test]
fn attributes_have_values_and_descriptors_without_one_are_left_out() {
    let alice: Identity = "spiffe://td/ns/a/sa/alice".parse().expect("valid");
    let claims = json!({"iss": "id", "sub": "alice", "aud": ["x"], "n": {"g": true}, "no": null});
    let mut get = Plain::new("GET", "Shop:80", "/items");
    get.headers = vec![("x-user", "u")];
    let asked = Asked {
        identity: Some(&alice),
        source: [10, 0, 0, 1].into(),
        remote: [10, 0, 0, 3].into(),
        destination: ([10, 0, 0, 2], 80).into(),
        server_name: None,
        request: Some(&get),
        claims: Some(&claims),
        trust_domains: &[],
    };
    let claim = |path: &[&str]| Attribute::Claim(path.iter().map(|name| (*name).into()).collect());
    let rows = [
        (Attribute::Principal, Some("td/ns/a/sa/alice")),
        (Attribute::Namespace, Some("a")),
        (Attribute::ServiceAccount, Some("a/alice")),
        (Attribute::TrustDomain, Some("td")),
        (Attribute::SourceIp, Some("10.0.0.1")),
        (Attribute::RemoteIp, Some("10.0.0.3")),
        (Attribute::DestinationIp, Some("10.0.0.2")),
        (Attribute::DestinationPort, Some("80")),
        (Attribute::Host, Some("shop:80")),
        (Attribute::Method, Some("GET")),
        (Attribute::Path, Some("/items")),
        (Attribute::RequestPrincipal, Some("id/alice")),
        (Attribute::RequestAudience, Some("[\"x\"]")),
        (Attribute::RequestPresenter, None),
        (claim(&["n", "g"]), Some("true")),
        (claim(&["no"]), None),
        (Attribute::Header("x-user".into()), Some("u")),
        (Attribute::Header("x-none".into()), None),
        (Attribute::ServerName, None),
    ];
    for (attribute, wanted) in rows {
        assert_eq!(value(&attribute, &asked).as_deref(), wanted, "{attribute:?}");
        let entry =
            |value: Option<&str>| Entry { key: "k".into(), of: Some(attribute.clone()), value: value.map(Into::into) };
        let fixed = Entry { key: "f".into(), of: None, value: Some("v".into()) };
        let of = |entry| Descriptor { matches: vec![], entries: vec![fixed.clone(), entry], limit: None }.of(&asked);
        let pairs = |value: &str| vec![("f".into(), "v".to_owned()), ("k".into(), value.to_owned())];
        assert_eq!(of(entry(None)), wanted.map(pairs), "{attribute:?}");
        assert_eq!(of(entry(Some("else"))), Some(pairs(wanted.unwrap_or("else"))), "{attribute:?}");
    }
}

#[test]
fn a_limit_is_about_its_routes_alone() {
    let origin = |kind, name: &str, rule: Option<&str>| Origin {
        created: "".into(),
        namespace: "shop".into(),
        name: name.into(),
        index: 0,
        kind,
        rule: rule.map(Into::into),
    };
    let route = |name: &str, rule: Option<&str>| RouteRef {
        kind: OriginKind::HTTPRoute,
        name: name.into(),
        rule: rule.map(Into::into),
    };
    let limit = |routes: &[RouteRef]| RateLimit {
        namespace: "shop".into(),
        name: "l".into(),
        targets: vec![],
        routes: routes.to_vec(),
        local: vec![],
        global: None,
        headers: Told::default(),
        resource_exhausted: false,
        dry_run: false,
    };
    let plain = origin(OriginKind::HTTPRoute, "r", None);
    let named = origin(OriginKind::HTTPRoute, "r", Some("a"));
    let other = origin(OriginKind::GRPCRoute, "r", Some("a"));
    let elsewhere = Origin { namespace: "other".into(), ..named.clone() };
    for (routes, covered) in [
        (vec![], [true, true, true, true, true]),
        (vec![route("r", None)], [false, true, true, false, false]),
        (vec![route("r", Some("a"))], [false, false, true, false, false]),
        (vec![route("q", None), route("r", Some("b"))], [false; 5]),
    ] {
        let found =
            [None, Some(&plain), Some(&named), Some(&other), Some(&elsewhere)].map(|o| limit(&routes).covers(o));
        assert_eq!(found, covered, "{routes:?}");
    }
}

#[test]
fn tokens_come_back_evenly() {
    let limit = |requests, per| LocalLimit { matches: vec![], key: vec![], requests, per, burst: 1 };
    for (requests, per, wanted) in [
        (1, Duration::from_secs(1), Duration::from_secs(1)),
        (10, Duration::from_secs(60), Duration::from_secs(6)),
        (u32::MAX, Duration::from_secs(1), SHORTEST),
        (0, Duration::from_secs(1), Duration::from_secs(1)),
    ] {
        assert_eq!(limit(requests, per).interval(), wanted, "{requests} {per:?}");
    }
}
