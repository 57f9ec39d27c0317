//! What rules say beside where a request goes.

use model::l7::{
    filter::{Cors, Filter, HeaderChange, Session},
    text::TextMatch,
};

use super::bench::{Bench, next};

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
    let mut endpoints = Vec::new();
    for last in 10..20 {
        endpoints.push(bench.peer("web", [127, 0, 3, last], OK).await);
    }
    bench.rule(|rule| rule.session = Some(Session { name: "stay".into(), header: false, lifetime: None }));
    let answer = bench.say("GET / HTTP/1.1\r\nhost: web\r\n\r\n").await;
    let cookie =
        answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")?.split(';').next()).expect("a cookie");
    let first = endpoints.iter_mut().position(|heard| heard.try_recv().is_ok()).expect("one of them");
    for _ in 0..20 {
        let answer = bench.say(format!("GET / HTTP/1.1\r\nhost: web\r\ncookie: {cookie}\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("set-cookie"), "{answer}");
        next(&mut endpoints[first]).await;
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
