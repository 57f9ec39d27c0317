//! Tables over tokens, cookies and paths.

use std::time::Duration;

use model::l7::{
    matching::HttpMatch,
    route::{Action, Origin, OriginKind, Parent},
};

use super::*;

const NOW: u64 = 1_800_000_000;

fn workload(uid: &str) -> Workload {
    Workload { uid: uid.into(), ..Workload::default() }
}

fn session(header: bool, lifetime: Option<u64>) -> TrafficPolicy {
    let session = Session { name: "stay".into(), header, lifetime: lifetime.map(Duration::from_secs) };
    TrafficPolicy { session: Some(session), ..TrafficPolicy::default() }
}

fn keeper<'r>(headers: &'r HeaderMap, now: u64) -> Keeper<'r> {
    Keeper { rule: None, path: "/shop", headers, now }
}

fn map(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().expect("a value"))])
}

#[test]
fn what_was_told_is_found_again_for_as_long_as_it_lasts() {
    let all = ["a", "b", "c"].map(workload);
    let token = Token::new(&all[1], NOW).write();
    assert!(!token.contains('b') || token.len() == 32, "opaque");
    let cookie = format!("x=1; stay={token};y=2");
    // By header, lifetime, what comes, when: where it goes.
    let rows = [
        (false, None, "cookie", &*cookie, NOW, Some(1)),
        (true, None, "stay", &*token, NOW, Some(1)),
        (true, None, "cookie", &*cookie, NOW, None),
        (false, Some(60), "cookie", &*cookie, NOW + 59, Some(1)),
        (false, Some(60), "cookie", &*cookie, NOW + 60, None),
        (true, Some(60), "stay", &*token, NOW + 60, None),
        (false, Some(60), "cookie", &*cookie, NOW - SKEW, Some(1)),
        (false, Some(60), "cookie", &*cookie, NOW - SKEW - 1, None),
        (false, None, "cookie", "stay=", NOW, None),
        (false, None, "cookie", "stay=10.0.0.1:80", NOW, None),
        (false, None, "cookie", "stayed=a", NOW, None),
    ];
    for (header, lifetime, name, value, now, wanted) in rows {
        let headers = map(name, value);
        let found = keeper(&headers, now).find(&session(header, lifetime), all.iter());
        assert_eq!(found, wanted, "{header} {lifetime:?} {value} {now}");
    }
    let gone = keeper(&map("cookie", &cookie), NOW).find(&session(false, None), [workload("a")].iter());
    assert_eq!(gone, None, "an endpoint that is no candidate any more");
}

#[test]
fn a_client_is_told_once() {
    let (a, b) = (workload("a"), workload("b"));
    let token = Token::new(&a, NOW).write();
    let told = |traffic: &TrafficPolicy, endpoint: &Workload, headers: &HeaderMap, name: &str| {
        let mut answer = HeaderMap::new();
        keeper(headers, NOW).tell(traffic, endpoint, &mut answer);
        answer.get(name).map(|value| value.to_str().expect("text").to_owned())
    };
    let none = HeaderMap::new();
    let lasting = session(false, Some(60));
    let cookie = Some(format!("stay={token}; Path=/shop; Max-Age=60; HttpOnly"));
    assert_eq!(told(&lasting, &a, &none, "set-cookie"), cookie);
    assert_eq!(told(&session(true, None), &a, &none, "stay"), Some(token.clone()));
    assert_eq!(told(&TrafficPolicy::default(), &a, &none, "set-cookie"), None);
    let known = map("cookie", &format!("stay={token}"));
    assert_eq!(told(&lasting, &a, &known, "set-cookie"), None, "it stayed");
    assert!(told(&lasting, &b, &known, "set-cookie").is_some(), "it had to go elsewhere");
}

#[test]
fn a_cookie_is_for_the_path_of_the_match() {
    let rule = |path: Option<PathMatch>, ignore_case| HttpRule {
        name: "r".into(),
        parent: Parent {
            service: model::workload::ServiceKey { namespace: "n".into(), hostname: "h".into() },
            port: None,
        },
        consumer: None,
        origin: Origin {
            created: "".into(),
            namespace: "n".into(),
            name: "r".into(),
            index: 0,
            kind: OriginKind::HTTPRoute,
            rule: None,
        },
        matches: vec![HttpMatch { path, ignore_case, ..HttpMatch::default() }],
        filters: vec![],
        action: Action::Forward(vec![]),
        timeout: None,
        backend_timeout: None,
        retry: None,
        mirrors: vec![],
        fault: None,
        cors: None,
        session: None,
        external_auth: None,
    };
    let rows = [
        (Some(PathMatch::Exact("/a/b".into())), false, "/a/b", "/a/b"),
        (Some(PathMatch::segments("/a/")), false, "/a/b", "/a"),
        (Some(PathMatch::segments("/")), false, "/a/b", "/"),
        (Some(PathMatch::Prefix("/a/b".into())), false, "/a/bc", "/a"),
        (Some(PathMatch::Prefix("/ab".into())), false, "/abc", "/"),
        (Some(PathMatch::Regex("/a.*".parse().expect("valid"))), false, "/ab", "/"),
        (Some(PathMatch::segments("/A")), true, "/a", "/"),
        (Some(PathMatch::segments("/a;Domain=x")), false, "/a;Domain=x", "/"),
        (None, false, "/a", "/"),
    ];
    for (wanted, ignore_case, asked, found) in rows {
        assert_eq!(path(&rule(wanted.clone(), ignore_case), asked), found, "{wanted:?} {ignore_case}");
    }
}
