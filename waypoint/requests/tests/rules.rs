//! What rules say beside where a request goes.

use std::time::Duration;

use model::l7::{
    filter::{Cors, Filter, HeaderChange, Session, Share},
    route::{Action, Backend, Mirror, Retry, RetryOn},
    text::TextMatch,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::bench::{Bench, next, target};
use crate::sniff::Spoken;

const OK: &str = "HTTP/1.1 200 OK\r\naccess-control-allow-origin: *\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn preflights_are_answered_and_answers_are_granted() {
    let bench = Bench::new();
    let mut heard = bench.peer("web", [127, 0, 3, 7], OK).await;
    bench.rule(|rule| {
        let origins = vec![TextMatch::Exact("https://a".into())];
        rule.cors = Some(Cors { allow_origins: origins, allow_methods: vec!["PUT".into()], ..Cors::default() });
    });
    let preflight =
        "OPTIONS / HTTP/1.1\r\nhost: web\r\norigin: https://a\r\naccess-control-request-method: PUT\r\n\r\n";
    let answer = bench.say(preflight).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\naccess-control-allow-origin: https://a\r\n"), "{answer}");
    assert!(heard.try_recv().is_err(), "the endpoint is not asked");
    let answer = bench.say("GET / HTTP/1.1\r\nhost: web\r\norigin: https://a\r\n\r\n").await;
    assert!(answer.contains("access-control-allow-origin: https://a\r\n") && answer.ends_with("ok"), "{answer}");
    assert!(!answer.contains("access-control-allow-origin: *"), "{answer}");
}

#[tokio::test]
async fn a_client_stays_with_its_endpoint() {
    let bench = Bench::new();
    bench.service("other");
    let mut endpoints = Vec::new();
    for last in 10..20 {
        endpoints.push(bench.peer(if last % 2 == 0 { "web" } else { "other" }, [127, 0, 3, last], OK).await);
    }
    bench.rule(|rule| {
        let backend = |name: &str| Backend { target: target(name), weight: 1, filters: vec![] };
        rule.action = Action::Forward(vec![backend("web"), backend("other")]);
        rule.session = Some(Session { name: "stay".into(), header: false, lifetime: None });
    });
    // Whichever of the backends the first request goes to.
    for _ in 0..4 {
        let answer = bench.say("GET / HTTP/1.1\r\nhost: web\r\n\r\n").await;
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")?.split(';').next());
        let cookie = cookie.expect("a cookie");
        let first = endpoints.iter_mut().position(|heard| heard.try_recv().is_ok()).expect("one of them");
        for _ in 0..10 {
            let answer = bench.say(format!("GET / HTTP/1.1\r\nhost: web\r\ncookie: {cookie}\r\n\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("set-cookie"), "{answer}");
            next(&mut endpoints[first]).await;
        }
    }
}

#[tokio::test]
async fn a_client_cannot_remove_what_a_rule_sets() {
    let bench = Bench::new();
    let mut heard = bench.peer("web", [127, 0, 3, 8], OK).await;
    bench.rule(|rule| {
        let set = vec![("x-tenant".into(), "shop".into())];
        rule.filters = vec![Filter::RequestHeaders(HeaderChange { set, ..HeaderChange::default() })];
    });
    bench.say("GET / HTTP/1.1\r\nhost: web\r\nconnection: x-tenant\r\nx-tenant: evil\r\n\r\n").await;
    let request = next(&mut heard).await;
    assert!(request.contains("x-tenant: shop\r\n") && !request.contains("evil"), "{request}");
}

#[tokio::test]
async fn copies_go_to_mirrors_and_nobody_waits_for_them() {
    let bench = Bench::new();
    bench.service("copy");
    bench.service("nobody");
    let mut heard = bench.peer("web", [127, 0, 3, 21], OK).await;
    let mut copies = bench.peer("copy", [127, 0, 3, 22], "HTTP/1.1 500 Bad\r\ncontent-length: 1\r\n\r\nx").await;
    bench.rule(|rule| {
        let mirror = |name: &str, share| Mirror { target: target(name), share };
        rule.mirrors = vec![mirror("copy", Share::ALL), mirror("copy", Share(0)), mirror("nobody", Share::ALL)];
    });
    let chunked = "transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    for (body, wanted) in [
        ("content-length: 3\r\n\r\nabc", "\r\n\r\nabc"),
        (chunked, "0\r\n\r\n"),
        ("\r\n", "\r\n\r\n"),
        ("content-length: 3\r\n\r\nabc", "\r\n\r\nabc"),
    ] {
        let answer = bench.say(format!("POST /x HTTP/1.1\r\nhost: web\r\n{body}")).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
        let (original, copy) = (next(&mut heard).await, next(&mut copies).await);
        assert!(copy.starts_with("POST /x HTTP/1.1\r\n") && copy.contains("host: web\r\n"), "{copy}");
        assert!(copy.ends_with(wanted), "{copy}");
        let id = |text: &str| text.lines().find(|line| line.starts_with("x-request-id")).map(str::to_owned);
        assert_eq!(id(&copy), id(&original));
    }
    assert!(copies.try_recv().is_err(), "one copy each");
    // Each is a request of its own, to the mirror; what it copies is counted as ever.
    tokio::time::timeout(Duration::from_secs(10), async {
        while bench.counted("copy", 500) < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("counted");
    assert_eq!((bench.counted("copy", 500), bench.counted("web", 200), bench.counted("web", 500)), (4, 4, 0));
    // Under way all at once, so that there is no room for more: what is copied passes all the same.
    let _held = bench.shared.mirrors.clone().acquire_many_owned(2).await.expect("open");
    assert!(bench.say("GET / HTTP/1.1\r\nhost: web\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    assert!(copies.try_recv().is_err(), "no copy");
}

#[tokio::test]
async fn a_mirror_that_falls_behind_is_cut() {
    let bench = Bench::new();
    bench.service("copy");
    let mut heard = bench.peer("web", [127, 0, 3, 23], OK).await;
    // It takes connections and reads nothing.
    let deaf = tokio::net::TcpListener::bind("127.0.3.24:0").await.expect("a port");
    bench.endpoint("copy", deaf.local_addr().expect("bound"));
    bench.rule(|rule| rule.mirrors = vec![Mirror { target: target("copy"), share: Share::ALL }]);
    let long = 32 << 20;
    let mut stream = bench.connect(Spoken::Http1);
    let head = format!("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: {long}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("taken");
    let piece = vec![b'a'; 1 << 20];
    for _ in 0..long >> 20 {
        stream.write_all(&piece).await.expect("taken");
    }
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    assert!(next(&mut heard).await.len() > long);
}

#[tokio::test]
async fn only_a_request_without_a_try_left_is_told_of_as_such() {
    let failing = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";
    let told = "response_flags=\"URX\"";
    for (well, attempts, status, exhausted) in [(true, 3, 200, 0), (false, 1, 500, 8), (false, 0, 500, 0)] {
        let bench = Bench::new();
        let _failing = bench.peer("web", [127, 0, 3, 21], failing).await;
        let _well = if well { Some(bench.peer("web", [127, 0, 3, 22], OK).await) } else { None };
        bench.rule(|rule| {
            let on = vec![RetryOn::ServerError];
            rule.retry = Some(Retry { attempts, on, backoff: Some(Duration::from_millis(1)), ..Retry::default() });
        });
        for _ in 0..8 {
            bench.say("GET / HTTP/1.1\r\nhost: web\r\n\r\n").await;
        }
        assert_eq!((bench.counted("web", status), bench.counted_as("web", told)), (8, exhausted), "{attempts}");
    }
}
