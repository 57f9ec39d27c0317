//! Whom policies with the action CUSTOM ask.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use model::l7::{
    Resource, Target,
    authorization::{Action, Attribute, Authorization, Condition, Custom, Rule, Wanted},
    external_auth::{AuthProtocol, ExternalAuth, HttpAuth},
    text::TextMatch,
};
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};

use super::{
    bench::{Bench, key, next},
    external_auth::{Always, auth},
};
use crate::proto::{CheckResponse, Status, authorization_server::AuthorizationServer};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const ALLOW: &str = "HTTP/1.1 200 OK\r\nx-user: alice\r\nx-later: 1\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n";
const DENY: &str = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic\r\nx-later: 1\r\ncontent-length: 2\r\n\r\nno";
/// A no whose page does not come.
const CUT: &str = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic\r\ncontent-length: 9999999\r\n\r\nno";
const FAILS: &str = "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n";
const POST: &str = "POST /x HTTP/1.1\r\nhost: web\r\nx-user: evil\r\nx-b: 1\r\ncontent-length: 6\r\n\r\nabcdef";

/// A policy over paths that begin so.
fn policy(name: &str, action: Action, path: &str) -> Resource {
    let values = vec![Wanted::Text(TextMatch::Prefix(path.into()))];
    let condition = Condition { attribute: Attribute::Path, values, not_values: vec![] };
    Resource::Authorization(Authorization {
        namespace: "shop".into(),
        name: name.into(),
        targets: vec![Target::Service(key("web"))],
        action,
        rules: vec![Rule { when: vec![condition], ..Rule::default() }],
        dry_run: false,
    })
}

fn asks(ask: ExternalAuth) -> Action {
    Action::Custom(Box::new(Custom { provider: "p".into(), ask: Some(ask) }))
}

fn http() -> HttpAuth {
    let one = |name: &str| vec![TextMatch::Exact(name.into())];
    HttpAuth {
        path: "/ask".into(),
        headers: vec![TextMatch::Prefix("x-".into())],
        add: vec![("x-b".into(), "2".into())],
        response_headers: Some(one("x-user")),
        client_headers: one("set-cookie"),
        refusal_headers: Some(vec![]),
        errors_fail: true,
    }
}

fn usual() -> ExternalAuth {
    auth(AuthProtocol::Http(http()), None)
}

#[tokio::test]
async fn who_is_asked_lets_requests_pass_or_refuses_them() {
    let open = ExternalAuth { fail_open: true, ..usual() };
    let soon = |ask: ExternalAuth| ExternalAuth { timeout: Some(Duration::from_millis(200)), ..ask };
    let told = |max: u32, whole_body: bool| ExternalAuth { max_body: Some(max), whole_body, ..usual() };
    // Who is asked and what it answers, or none if nobody is there; the status, and whether the request passes.
    let rows: [(ExternalAuth, Option<&'static str>, u16); 16] = [
        (usual(), Some(ALLOW), 200),
        (usual(), Some(DENY), 401),
        (usual(), Some(FAILS), 403),
        (ExternalAuth { status_on_error: Some(503), ..usual() }, Some(FAILS), 503),
        (ExternalAuth { status_on_error: Some(503), ..usual() }, None, 503),
        (usual(), None, 403),
        (open.clone(), None, 200),
        (open.clone(), Some(FAILS), 200),
        (open.clone(), Some(DENY), 401),
        (open.clone(), Some(CUT), 401),
        (soon(open.clone()), Some(CUT), 401),
        (soon(usual()), Some(""), 403),
        (soon(open), Some(""), 200),
        (told(6, true), Some(ALLOW), 200),
        (told(5, true), Some(ALLOW), 413),
        (told(5, false), Some(ALLOW), 200),
    ];
    for (ask, answer, status) in rows {
        let bench = Bench::new();
        bench.service("auth");
        bench.told(policy("p", asks(ask.clone()), "/"));
        let mut heard = bench.peer("web", [127, 0, 3, 51], OK).await;
        let mut asked = match answer {
            Some(answer) => Some(bench.peer("auth", [127, 0, 3, 52], answer).await),
            None => None,
        };
        let got = bench.say(POST).await;
        assert!(got.starts_with(&format!("HTTP/1.1 {status}")), "{ask:?} {answer:?}: {got}");
        let passed = heard.try_recv().ok();
        assert_eq!(passed.is_some(), status == 200, "{ask:?} {answer:?}");
        let question = asked.as_mut().and_then(|asked| asked.try_recv().ok()).unwrap_or_default();
        assert_eq!(question.is_empty(), answer.is_none() || status == 413, "{ask:?} {answer:?}");
        if !question.is_empty() {
            assert!(question.starts_with("POST /ask/x ") && question.contains("x-b: 2\r\n"), "{question}");
            let partial = ask.max_body.map(|max| format!("x-envoy-auth-partial-body: {}\r\n", max < 6));
            assert!(partial.is_none_or(|partial| question.contains(&partial)), "{question}");
        }
        let allowed = answer == Some(ALLOW) && status == 200;
        assert_eq!(got.contains("set-cookie: a=b\r\n"), allowed, "{got}");
        assert_eq!(got.contains("www-authenticate: Basic\r\n"), status == 401, "{got}");
        assert!(!got.contains("x-later"), "{got}");
        if let Some(passed) = passed {
            assert_eq!(passed.contains("x-user: alice"), allowed, "{passed}");
            assert_eq!(passed.contains("x-user: evil"), !allowed, "{passed}");
            assert!(!passed.contains("x-later") && passed.ends_with("abcdef"), "{passed}");
        }
    }
}

#[tokio::test]
async fn all_are_asked_once_and_before_everything_else() {
    let allow = || Some(Action::Allow);
    // What is asked for, what stands beside, how often somebody is asked, and the status.
    let rows = [
        ("/a", None, 1, 200),
        ("/b", None, 0, 200),
        ("/a", Some(Action::Deny), 1, 403),
        ("/a", allow(), 1, 200),
        ("/b", allow(), 0, 403),
    ];
    for (path, beside, times, status) in rows {
        let bench = Bench::new();
        bench.service("auth");
        bench.told(policy("one", asks(usual()), "/a"));
        bench.told(policy("two", asks(usual()), "/a"));
        if let Some(action) = beside.clone() {
            bench.told(policy("three", action, "/a"));
        }
        let _heard = bench.peer("web", [127, 0, 3, 53], OK).await;
        let mut asked = bench.peer("auth", [127, 0, 3, 54], ALLOW).await;
        let got = bench.say(format!("GET {path} HTTP/1.1\r\nhost: web\r\n\r\n")).await;
        assert!(got.starts_with(&format!("HTTP/1.1 {status}")), "{path} {beside:?}: {got}");
        let count = std::iter::from_fn(|| asked.try_recv().ok()).count();
        assert_eq!(count, times, "{path} {beside:?}");
    }
}

#[tokio::test]
async fn two_that_are_asked_must_both_let_it_pass() {
    for (other, status) in [(ALLOW, 200), (DENY, 401)] {
        let bench = Bench::new();
        bench.service("auth");
        bench.service("other");
        bench.told(policy("one", asks(usual()), "/"));
        let second = ExternalAuth { target: super::bench::target("other"), ..usual() };
        bench.told(policy("two", asks(second), "/"));
        let _heard = bench.peer("web", [127, 0, 3, 55], OK).await;
        let mut first = bench.peer("auth", [127, 0, 3, 56], ALLOW).await;
        let mut second = bench.peer("other", [127, 0, 3, 57], other).await;
        let got = bench.say(POST).await;
        assert!(got.starts_with(&format!("HTTP/1.1 {status}")), "{other}: {got}");
        assert!(next(&mut first).await.contains("x-user: evil"));
        assert!(next(&mut second).await.contains("x-user: alice"), "it is asked about what the first one made of it");
    }
}

#[tokio::test]
async fn a_body_is_told_as_bytes_where_it_is_wanted() {
    for raw_body in [false, true] {
        let bench = Bench::new();
        bench.service("auth");
        bench.told(policy("p", asks(auth(AuthProtocol::Grpc { headers: vec![], raw_body }, Some(100))), "/"));
        let _heard = bench.peer("web", [127, 0, 3, 58], OK).await;
        let listener = TcpListener::bind("127.0.3.59:0").await.expect("a port");
        bench.endpoint("auth", listener.local_addr().expect("bound"));
        let questions = Arc::new(Mutex::new(Vec::new()));
        let status = Some(Status { code: 0, message: String::new() });
        let allow = CheckResponse { status, http_response: None };
        let server = AuthorizationServer::new(Always(allow, questions.clone()));
        tokio::spawn(Server::builder().add_service(server).serve_with_incoming(TcpIncoming::from(listener)));
        let got = bench.say(b"POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 2\r\n\r\n\xff\x00".as_slice()).await;
        assert!(got.starts_with("HTTP/1.1 200"), "{got}");
        let question = questions.lock().expect("not poisoned").remove(0).attributes.expect("attributes");
        let http = question.request.and_then(|request| request.http).expect("a request");
        let wanted = if raw_body { ("", &b"\xff\x00"[..]) } else { ("\u{fffd}\0", &b""[..]) };
        assert_eq!((&*http.body, &*http.raw_body), wanted);
    }
}
