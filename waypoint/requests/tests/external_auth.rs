//! Whom a rule asks before a request passes.

use std::sync::{Arc, Mutex};

use model::l7::{
    external_auth::{AuthProtocol, ExternalAuth, HttpAuth},
    text::TextMatch,
};
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};

use super::bench::{Bench, next, target};
use crate::proto::{
    CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValue, HeaderValueOption, HttpStatus, OkHttpResponse,
    QueryParameter, Status,
    authorization_server::{Authorization, AuthorizationServer},
    check_response::HttpResponse,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const POST: &str = "POST /x?a=1 HTTP/1.1\r\nhost: web\r\nauthorization: me\r\nx-user: evil\r\nx-b: 1\r\nconnection: x-user\r\n\
    content-length: 6\r\n\r\nabcdef";

pub fn http(path: &str, headers: &[&str], taken: &[&str]) -> AuthProtocol {
    let names = |names: &[&str]| names.iter().map(|name| TextMatch::Exact((*name).into())).collect();
    let response_headers = (!taken.is_empty()).then(|| names(taken));
    AuthProtocol::Http(HttpAuth { path: path.into(), headers: names(headers), response_headers, ..HttpAuth::default() })
}

pub fn auth(protocol: AuthProtocol, max_body: Option<u32>) -> ExternalAuth {
    let (timeout, status_on_error) = (None, None);
    let target = target("auth");
    ExternalAuth { target, protocol, max_body, whole_body: false, timeout, fail_open: false, status_on_error }
}

fn asks(bench: &Bench, protocol: AuthProtocol, max_body: Option<u32>) {
    bench.service("auth");
    bench.rule(|rule| rule.external_auth = Some(auth(protocol, max_body)));
}

#[tokio::test]
async fn a_server_of_http_lets_requests_pass_or_answers_them() {
    let allow = "HTTP/1.1 200 OK\r\nx-user: alice\r\nx-other: 1\r\ncontent-length: 2\r\n\r\nok";
    let deny =
        "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic\r\ncontent-type: a/b\r\ncontent-length: 2\r\n\r\nno";
    // What is asked for and how it is answered; what the server hears, what the endpoint, and the status.
    type Row<'r> = (AuthProtocol, Option<u32>, &'static str, &'r str, &'r [&'r str], u16);
    let rows: [Row<'_>; 5] = [
        (
            http("", &[], &[]),
            None,
            allow,
            "POST /x?a=1 HTTP/1.1\r\nauthorization: me\r\n",
            &["x-user: alice", "x-other: 1"],
            200,
        ),
        (http("/ask/", &["x-b"], &["x-user"]), None, allow, "POST /ask/x?a=1 HTTP/1.1\r\n", &["x-user: alice"], 200),
        (http("", &[], &[]), Some(4), allow, "\r\n\r\nabcd", &["\r\n\r\nabcdef"], 200),
        (http("", &[], &[]), Some(100), allow, "\r\n\r\nabcdef", &["\r\n\r\nabcdef"], 200),
        (http("", &[], &[]), None, deny, "POST ", &[], 401),
    ];
    for (protocol, max_body, answer, asked, passed, status) in rows {
        let bench = Bench::new();
        asks(&bench, protocol.clone(), max_body);
        let mut heard = bench.peer("web", [127, 0, 3, 31], OK).await;
        let mut server = bench.peer("auth", [127, 0, 3, 32], answer).await;
        let got = bench.say(POST).await;
        assert!(got.starts_with(&format!("HTTP/1.1 {status}")), "{protocol:?}: {got}");
        let question = next(&mut server).await;
        assert!(question.contains(asked) && question.contains("host: web\r\n"), "{protocol:?}: {question}");
        assert_eq!(question.contains("x-b"), matches!(&protocol, AuthProtocol::Http(how) if !how.headers.is_empty()));
        assert_eq!(got.matches("content-type").count(), usize::from(status == 401), "{got}");
        assert!(!question.contains("x-user") && !question.contains("x-forwarded-client-cert"), "{question}");
        match heard.try_recv() {
            Ok(request) => {
                assert!(passed.iter().all(|part| request.contains(part)), "{protocol:?}: {request}");
                assert!(request.ends_with("abcdef") && !request.contains("evil"), "{request}");
            }
            Err(_) => assert!(
                passed.is_empty() && got.contains("www-authenticate: Basic\r\n") && got.ends_with("no"),
                "{got}"
            ),
        }
    }
}

#[tokio::test]
async fn who_cannot_be_asked_lets_nothing_pass() {
    for (protocol, answer) in [
        (http("", &[], &[]), None),
        (http("", &[], &[]), Some("nothing\r\n\r\n")),
        (AuthProtocol::Grpc { headers: vec![], raw_body: false }, None),
        (AuthProtocol::Grpc { headers: vec![], raw_body: false }, Some("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")),
    ] {
        let bench = Bench::new();
        asks(&bench, protocol.clone(), None);
        let mut heard = bench.peer("web", [127, 0, 3, 33], OK).await;
        if let Some(answer) = answer {
            bench.peer("auth", [127, 0, 3, 34], answer).await;
        }
        let got = bench.say(POST).await;
        assert!(got.starts_with("HTTP/1.1 403 "), "{protocol:?}: {got}");
        assert!(heard.try_recv().is_err());
    }
}

/// A server that says always the same.
pub struct Always(pub CheckResponse, pub Arc<Mutex<Vec<CheckRequest>>>);

#[tonic::async_trait]
impl Authorization for Always {
    async fn check(
        &self,
        request: tonic::Request<CheckRequest>,
    ) -> Result<tonic::Response<CheckResponse>, tonic::Status> {
        self.1.lock().expect("not poisoned").push(request.into_inner());
        Ok(tonic::Response::new(self.0.clone()))
    }
}

fn header(name: &str, value: &str, append: Option<bool>) -> HeaderValueOption {
    let header = Some(HeaderValue { key: name.into(), value: value.into(), raw_value: vec![] });
    HeaderValueOption { header, append, append_action: 0 }
}

#[tokio::test]
async fn a_server_of_grpc_lets_requests_pass_or_answers_them() {
    let status = |code| Some(Status { code, message: String::new() });
    let ok = OkHttpResponse {
        headers: vec![
            header("x-user", "alice", None),
            header("x-b", "2", Some(true)),
            header("host", "evil", None),
            header(":path", "/evil", None),
        ],
        headers_to_remove: vec!["authorization".into(), "host".into()],
        response_headers_to_add: vec![header("x-answer", "1", None)],
        query_parameters_to_set: vec![QueryParameter { key: "b".into(), value: "2".into() }],
        query_parameters_to_remove: vec!["a".into()],
    };
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: 401 }),
        headers: vec![header("www-authenticate", "Basic", None)],
        body: "no".into(),
    };
    let says = |code, response| CheckResponse { status: status(code), http_response: response };
    let allow = says(0, Some(HttpResponse::OkResponse(ok)));
    let rows: [(CheckResponse, &str, &[&str]); 6] = [
        (allow, "200", &["POST /x?b=2 HTTP/1.1\r\n", "x-user: alice\r\n", "x-b: 1\r\n", "x-b: 2\r\n", "host: web\r\n"]),
        (says(0, None), "200", &["POST /x?a=1 HTTP/1.1\r\n", "authorization: me\r\n"]),
        (says(7, None), "403", &[]),
        (says(7, Some(HttpResponse::DeniedResponse(denied.clone()))), "401", &[]),
        (says(0, Some(HttpResponse::DeniedResponse(denied))), "401", &[]),
        (CheckResponse::default(), "403", &[]),
    ];
    for (answer, status, passed) in rows {
        let bench = Bench::new();
        asks(&bench, AuthProtocol::Grpc { headers: vec![], raw_body: false }, Some(3));
        let mut heard = bench.peer("web", [127, 0, 3, 35], OK).await;
        let listener = TcpListener::bind("127.0.3.36:0").await.expect("a port");
        bench.endpoint("auth", listener.local_addr().expect("bound"));
        let questions = Arc::new(Mutex::new(Vec::new()));
        let server = AuthorizationServer::new(Always(answer.clone(), questions.clone()));
        tokio::spawn(Server::builder().add_service(server).serve_with_incoming(TcpIncoming::from(listener)));
        let got = bench.say(POST).await;
        assert!(got.starts_with(&format!("HTTP/1.1 {status}")), "{answer:?}: {got}");
        match heard.try_recv() {
            Ok(request) => assert!(passed.iter().all(|part| request.contains(part)), "{request}"),
            Err(_) => assert!(passed.is_empty(), "{answer:?}"),
        }
        assert_eq!(got.contains("x-answer: 1"), passed.len() > 2, "{got}");
        assert_eq!(got.contains("www-authenticate: Basic"), status == "401", "{got}");
        let question = questions.lock().expect("not poisoned").remove(0).attributes.expect("attributes");
        let http = question.request.and_then(|request| request.http).expect("a request");
        assert_eq!((&*http.method, &*http.path, &*http.host, &*http.body), ("POST", "/x?a=1", "web", "abc"));
        assert_eq!(http.headers.get("x-envoy-auth-partial-body").map(String::as_str), Some("true"));
        assert_eq!(http.headers.get("x-user"), None, "it was named in Connection");
        assert_eq!(question.source.expect("a source").principal, "spiffe://cluster.local/ns/shop/sa/client");
    }
}
