//! How many requests pass.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use model::l7::{
    Resource, Target,
    authorization::{Action, Attribute, Authorization, Condition, Rule, Wanted},
    filter::{Abort, Fault, Share},
    rate_limit::{Descriptor, Entry, GlobalLimit, LocalLimit, RateLimit, RouteRef, Told},
    route::OriginKind,
    text::TextMatch,
};
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};

use super::bench::{Bench, key, target};
use crate::rate_limit_proto::{
    HeaderValue, RateLimitRequest, RateLimitResponse,
    rate_limit_response::{self, Code, DescriptorStatus, rate_limit::Unit},
    rate_limit_service_server::{RateLimitService, RateLimitServiceServer},
};

pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

pub fn limit(local: Vec<LocalLimit>, global: Option<GlobalLimit>) -> RateLimit {
    RateLimit {
        namespace: "shop".into(),
        name: "l".into(),
        targets: vec![Target::Service(key("web"))],
        routes: vec![],
        local,
        global,
        headers: Told::OnLimit,
        resource_exhausted: false,
        dry_run: false,
    }
}

fn two() -> LocalLimit {
    LocalLimit { matches: vec![], key: vec![], requests: 2, per: Duration::from_secs(3600), burst: 2 }
}

fn paths(prefix: &str) -> Vec<Rule> {
    let values = vec![Wanted::Text(TextMatch::Prefix(prefix.into()))];
    vec![Rule { when: vec![Condition { attribute: Attribute::Path, values, not_values: vec![] }], ..Rule::default() }]
}

pub fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: web\r\n{headers}\r\n")
}

/// Returns what is counted of limits.
fn limits_of(bench: &Bench) -> String {
    bench.metrics().lines().filter(|line| line.starts_with("ambient_rate_limit")).collect::<Vec<_>>().join("\n")
}

async fn statuses(bench: &Bench, requests: &[String]) -> Vec<u16> {
    let mut all = Vec::new();
    for request in requests {
        let answer = bench.say(request).await;
        all.push(answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default());
    }
    all
}

#[tokio::test]
async fn local_limits_count_what_they_are_about() {
    let user = || vec![Attribute::Header("x-user".into())];
    let same = |count: usize| vec![get("/a", ""); count];
    let users = ["x-user: a\r\n", "x-user: b\r\n", "x-user: a\r\n", "x-user: a\r\n", "x-user: b\r\n", "", "", ""];
    let users: Vec<String> = users.iter().map(|header| get("/a", header)).collect();
    let mixed = vec![get("/a", ""), get("/b", ""), get("/a", ""), get("/a", ""), get("/b", "")];
    let one = |kind, name: &str| vec![RouteRef { kind, name: name.into(), rule: None }];
    let rows: Vec<(RateLimit, Vec<String>, Vec<u16>)> = vec![
        (limit(vec![two()], None), same(3), vec![200, 200, 429]),
        (limit(vec![LocalLimit { burst: 1, ..two() }], None), same(2), vec![200, 429]),
        (limit(vec![LocalLimit { key: user(), ..two() }], None), users, vec![200, 200, 200, 429, 200, 200, 200, 429]),
        (limit(vec![LocalLimit { matches: paths("/a"), ..two() }], None), mixed.clone(), vec![200, 200, 200, 429, 200]),
        // What the second limit refuses is given back to the first.
        (
            limit(vec![two(), LocalLimit { matches: paths("/a"), burst: 1, ..two() }], None),
            mixed,
            vec![200, 200, 429, 429, 429],
        ),
        (RateLimit { dry_run: true, ..limit(vec![two()], None) }, same(3), vec![200; 3]),
        (
            RateLimit { routes: one(OriginKind::HTTPRoute, "rule"), ..limit(vec![two()], None) },
            same(3),
            vec![200, 200, 429],
        ),
        (RateLimit { routes: one(OriginKind::HTTPRoute, "other"), ..limit(vec![two()], None) }, same(3), vec![200; 3]),
    ];
    for (limit, requests, wanted) in rows {
        let bench = Bench::new();
        bench.rule(|_| {});
        bench.told(Resource::RateLimit(limit.clone()));
        let _heard = bench.peer("web", [127, 0, 3, 61], OK).await;
        assert_eq!(statuses(&bench, &requests).await, wanted, "{limit:?}");
        let limited = if limit.dry_run { 1 } else { wanted.iter().filter(|status| **status == 429).count() };
        let dry = if limit.dry_run { "true" } else { "false" };
        let line = format!(
            "ambient_rate_limit_requests_total{{policy=\"shop/l\",limit=\"local\",result=\"limited\",dry_run=\"{dry}\"}} {limited}"
        );
        // One that is about nothing here counts nothing.
        let about_it = limit.routes.iter().all(|route| &*route.name == "rule");
        assert_eq!(bench.metrics().contains(&line), about_it, "{line} of {}", limits_of(&bench));
    }
}

#[tokio::test]
async fn a_client_is_told_what_is_left() {
    for (headers, first, last) in
        [(Told::OnLimit, false, true), (Told::Always, true, true), (Told::Never, false, false)]
    {
        let bench = Bench::new();
        bench.told(Resource::RateLimit(RateLimit { headers, ..limit(vec![two()], None) }));
        let _heard = bench.peer("web", [127, 0, 3, 62], OK).await;
        let answer = bench.say(get("/", "")).await;
        let told = "ratelimit-limit: 2, 2;w=3600\r\nratelimit-remaining: 1\r\nratelimit-reset: 1800\r\n";
        assert_eq!(answer.contains(told), first, "{answer}");
        assert!(!answer.contains("retry-after") && !answer.contains("x-envoy-ratelimited"), "{answer}");
        bench.say(get("/", "")).await;
        let answer = bench.say(get("/", "")).await;
        assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("x-envoy-ratelimited: true\r\n"), "{answer}");
        assert!(answer.ends_with("local_rate_limited"), "{answer}");
        assert_eq!(answer.contains("ratelimit-remaining: 0\r\n"), last, "{answer}");
        assert_eq!(answer.contains("retry-after: 1800\r\n"), last, "{answer}");
    }
}

#[tokio::test]
async fn a_client_of_grpc_hears_a_status_of_grpc() {
    for (resource_exhausted, status) in [(false, 14), (true, 8)] {
        let bench = Bench::new();
        let limit = limit(vec![LocalLimit { burst: 1, ..two() }], None);
        bench.told(Resource::RateLimit(RateLimit { resource_exhausted, ..limit }));
        let _heard = bench.peer("web", [127, 0, 3, 63], OK).await;
        bench.say(get("/", "content-type: application/grpc\r\n")).await;
        let answer = bench.say(get("/", "content-type: application/grpc\r\n")).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains(&format!("grpc-status: {status}\r\n")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn limits_come_after_policies_and_before_faults_and_keep_their_tokens_when_others_change() {
    let bench = Bench::new();
    let abort = Abort::Http(418);
    bench.rule(|rule| rule.fault = Some(Fault { delay: None, abort: Some((Share::ALL, abort)) }));
    bench.told(Resource::RateLimit(limit(vec![two()], None)));
    bench.told(Resource::Authorization(Authorization {
        namespace: "shop".into(),
        name: "p".into(),
        targets: vec![Target::Service(key("web"))],
        action: Action::Deny,
        rules: paths("/no"),
        dry_run: false,
    }));
    let all = [get("/no", ""), get("/no", ""), get("/no", ""), get("/", ""), get("/", ""), get("/", "")];
    assert_eq!(statuses(&bench, &all).await, [403, 403, 403, 418, 418, 429]);
    // Another limit beside it; its own tokens stay taken.
    bench.told(Resource::RateLimit(limit(vec![LocalLimit { matches: paths("/x"), ..two() }, two()], None)));
    assert_eq!(statuses(&bench, &[get("/", "")]).await, [429]);
    bench.told(Resource::RateLimit(limit(vec![LocalLimit { requests: 3, ..two() }], None)));
    assert_eq!(statuses(&bench, &[get("/", "")]).await, [418]);
    // What is no longer told leaves nothing behind.
    bench.shared.store.update_l7(|state| assert!(state.remove("ratelimit/shop/l")));
    bench.shared.limits.sweep(&bench.shared.store.l7());
    assert_eq!(statuses(&bench, &[get("/", "")]).await, [418]);
    assert!(!limits_of(&bench).contains("policy=\"shop/l\""), "{}", limits_of(&bench));
}

/// A server that says always the same, or nothing in time.
pub struct Always(pub Option<RateLimitResponse>, pub Arc<Mutex<Vec<RateLimitRequest>>>);

#[tonic::async_trait]
impl RateLimitService for Always {
    async fn should_rate_limit(
        &self,
        request: tonic::Request<RateLimitRequest>,
    ) -> Result<tonic::Response<RateLimitResponse>, tonic::Status> {
        self.1.lock().expect("not poisoned").push(request.into_inner());
        match &self.0 {
            Some(answer) => Ok(tonic::Response::new(answer.clone())),
            None => std::future::pending().await,
        }
    }
}

pub fn global(fail_open: bool) -> GlobalLimit {
    let entry = |key: &str, of, value: Option<&str>| Entry { key: key.into(), of, value: value.map(Into::into) };
    let user = || Some(Attribute::Header("x-user".into()));
    let descriptor = |entries| Descriptor { matches: vec![], entries, limit: None };
    GlobalLimit {
        target: target("limiter"),
        domain: "d".into(),
        timeout: Duration::from_millis(500),
        fail_open,
        descriptors: vec![
            descriptor(vec![entry("path", Some(Attribute::Path), None), entry("fixed", None, Some("v"))]),
            descriptor(vec![entry("user", user(), None)]),
            descriptor(vec![entry("user", user(), Some("nobody"))]),
        ],
    }
}

pub fn says(code: Code) -> RateLimitResponse {
    let header = |key: &str| HeaderValue { key: key.into(), value: "1".into(), raw_value: vec![] };
    let current_limit =
        rate_limit_response::RateLimit { requests_per_unit: 5, unit: Unit::Minute.into(), name: String::new() };
    let reset = prost_types::Duration { seconds: 7, nanos: 1 };
    RateLimitResponse {
        overall_code: code.into(),
        statuses: vec![
            DescriptorStatus {
                code: Code::Ok.into(),
                current_limit: None,
                limit_remaining: 0,
                duration_until_reset: None,
            },
            DescriptorStatus {
                code: code.into(),
                current_limit: Some(current_limit),
                limit_remaining: 0,
                duration_until_reset: Some(reset),
            },
        ],
        response_headers_to_add: vec![header("x-answer"), header("content-length")],
        request_headers_to_add: vec![header("x-request"), header("host"), header(":path")],
        raw_body: if code == Code::OverLimit { b"enough".to_vec() } else { vec![] },
    }
}

#[tokio::test]
async fn a_server_is_asked_and_its_answer_counts() {
    // What the server says, or that it says nothing, or that there is none; what failures do; only tried; the status and the result.
    type Row = (Option<Option<RateLimitResponse>>, bool, bool, u16, &'static str);
    let rows: [Row; 9] = [
        (Some(Some(says(Code::Ok))), true, false, 200, "allowed"),
        (Some(Some(says(Code::OverLimit))), true, false, 429, "limited"),
        (Some(Some(says(Code::OverLimit))), true, true, 200, "limited"),
        (Some(Some(RateLimitResponse::default())), false, false, 200, "allowed"),
        (Some(None), true, false, 200, "error"),
        (Some(None), false, false, 500, "error"),
        (Some(None), false, true, 200, "error"),
        (None, true, false, 200, "error"),
        (None, false, false, 500, "error"),
    ];
    for (answer, fail_open, dry_run, status, result) in rows {
        let bench = Bench::new();
        bench.service("limiter");
        bench.told(Resource::RateLimit(RateLimit { dry_run, ..limit(vec![], Some(global(fail_open))) }));
        let mut heard = bench.peer("web", [127, 0, 3, 64], OK).await;
        let questions = Arc::new(Mutex::new(Vec::new()));
        if let Some(answer) = answer.clone() {
            let listener = TcpListener::bind("127.0.3.65:0").await.expect("a port");
            bench.endpoint("limiter", listener.local_addr().expect("bound"));
            let server = RateLimitServiceServer::new(Always(answer, questions.clone()));
            tokio::spawn(Server::builder().add_service(server).serve_with_incoming(TcpIncoming::from(listener)));
        }
        let got = bench.say(get("/x", "")).await;
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{answer:?}: {got}");
        let line = format!(
            "ambient_rate_limit_requests_total{{policy=\"shop/l\",limit=\"global\",result=\"{result}\",dry_run=\"{dry_run}\"}} 1"
        );
        assert!(bench.metrics().contains(&line), "{line} of {}", limits_of(&bench));
        let passed = heard.try_recv().ok();
        assert_eq!(passed.is_some(), status == 200, "{answer:?}");
        let spoke = matches!(&answer, Some(Some(said)) if !said.statuses.is_empty()) && !dry_run;
        assert_eq!(got.contains("x-answer: 1\r\n"), spoke, "{got}");
        if let Some(passed) = passed {
            assert_eq!(passed.contains("x-request: 1\r\n"), spoke, "{passed}");
            assert!(passed.contains("host: web\r\n") && passed.starts_with("GET /x "), "{passed}");
        }
        if status == 429 {
            assert!(got.contains("x-envoy-ratelimited: true\r\n") && got.ends_with("enough"), "{got}");
            let told =
                "ratelimit-limit: 5, 5;w=60\r\nratelimit-remaining: 0\r\nratelimit-reset: 8\r\nretry-after: 8\r\n";
            assert!(got.contains(told), "{got}");
        }
        if answer.is_some() {
            let question = questions.lock().expect("not poisoned").remove(0);
            let pairs = question.descriptors.iter().map(|descriptor| {
                descriptor.entries.iter().map(|e| format!("{}={}", e.key, e.value)).collect::<Vec<_>>().join(",")
            });
            // The one without a value is not asked about.
            assert_eq!(pairs.collect::<Vec<_>>(), ["path=/x,fixed=v", "user=nobody"]);
            assert_eq!((&*question.domain, question.hits_addend), ("d", 1));
        }
    }
}
