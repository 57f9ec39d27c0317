//! Keys that are elsewhere: a server that fails, is slow, tells nonsense and changes its keys.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, request::Parts};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use model::l7::{Resource, authentication::Authentication};
use runtime::Drain;
use rustls::{RootCertStore, ServerConfig, pki_types::PrivateKeyDer};
use tokio::{net::TcpListener, time::Instant};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::tokens::{Fetcher, Tokens, now};

/// What a server answers at a path.
#[derive(Clone)]
struct Says {
    status: StatusCode,
    location: Option<String>,
    body: Bytes,
    delay: Duration,
}

impl Says {
    fn new(status: u16, body: impl Into<Bytes>) -> Self {
        let status = StatusCode::from_u16(status).expect("a status");
        Self { status, location: None, body: body.into(), delay: Duration::ZERO }
    }

    fn elsewhere(location: &str) -> Self {
        Self { location: Some(location.to_owned()), ..Self::new(302, "") }
    }
}

/// A server of keys.
#[derive(Clone)]
struct Server {
    address: String,
    says: Arc<Mutex<HashMap<&'static str, Says>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://{}", listener.local_addr().expect("an address"));
        let this = Self { address, says: Arc::default(), asked: Arc::default() };
        let server = this.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a client");
                let (server, tls) = (server.clone(), tls.clone());
                tokio::spawn(async move {
                    let service = service_fn(|request| server.answer(request));
                    let _ = match tls {
                        None => http1::Builder::new().serve_connection(TokioIo::new(stream), service).await,
                        Some(tls) => match TlsAcceptor::from(tls).accept(stream).await {
                            Ok(stream) => http1::Builder::new().serve_connection(TokioIo::new(stream), service).await,
                            Err(_) => Ok(()),
                        },
                    };
                });
            }
        });
        this
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path().to_owned();
        let says = self.says.lock().expect("unpoisoned").get(&*path).cloned().unwrap_or_else(|| Says::new(404, ""));
        self.asked.lock().expect("unpoisoned").push(path);
        tokio::time::sleep(says.delay).await;
        let mut response = Response::builder().status(says.status);
        if let Some(location) = says.location {
            response = response.header("location", location);
        }
        Ok(response.body(Full::new(says.body)).expect("an answer"))
    }

    fn says(&self, path: &'static str, says: Says) {
        self.says.lock().expect("unpoisoned").insert(path, says);
    }

    fn asked(&self) -> usize {
        self.asked.lock().expect("unpoisoned").len()
    }

    fn rule(&self, change: &Value) -> JwtRule {
        rule(&Keys::Uri(format!("{}/keys", self.address).into()), change)
    }
}

fn no_roots() -> RootCertStore {
    RootCertStore::empty()
}

fn start(rule: &JwtRule) -> Tokens {
    let tokens = Tokens::new(Fetcher::new(no_roots));
    tokens.sync([&policy(rule)].into_iter());
    tokens
}

fn policy(rule: &JwtRule) -> Authentication {
    Authentication { namespace: "ns".into(), name: "p".into(), targets: vec![], rules: vec![rule.clone()] }
}

fn with(issuer: &Issuer, name: &str) -> Parts {
    let token = issuer.token(&json!({"iss": name, "sub": "alice", "exp": now() + 600}));
    Request::get("/").header("authorization", format!("Bearer {token}")).body(()).expect("a request").into_parts().0
}

async fn admit(tokens: &Tokens, rule: &JwtRule, issuer: &Issuer) -> Result<(), Fault> {
    let believed = tokens.admit(&[rule], &mut with(issuer, &rule.issuer)).await?;
    assert!(believed.is_some());
    Ok(())
}

/// Lets time pass for the proxy's clocks, and then what it leads to happen.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
    tokio::time::sleep(Duration::from_millis(100)).await;
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

#[tokio::test]
async fn failures_are_tried_again_and_nothing_is_believed_meanwhile() {
    let (server, issuer) = (Server::start(None).await, Issuer::new(Algorithm::ES256, "k"));
    let rule = server.rule(&json!({"timeout": {"secs": 0, "nanos": 300_000_000}}));
    let good = Says::new(200, set(&[&issuer]));
    let slow = Says { delay: seconds(60), ..good.clone() };
    let nonsense = ["", "<html>", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AAAA","kid":"k"}]}"#];
    let failures = [
        slow,
        Says::new(500, set(&[&issuer])),
        Says::new(204, ""),
        Says::new(200, vec![b' '; (1 << 20) + 1]),
        Says::elsewhere("/keys"),
        Says::elsewhere("gopher://x/"),
        Says::elsewhere("::"),
    ];
    let failures: Vec<Says> = failures.into_iter().chain(nonsense.map(|text| Says::new(200, text))).collect();
    server.says("/keys", failures[0].clone());
    let tokens = start(&rule);
    let wanted = Err(Fault::NoKeys(ISSUER.into(), format!("{}/keys", server.address)));
    let mut asked = 0;
    for says in failures {
        let status = says.status;
        server.says("/keys", says);
        // Asked by the first try, or by the pause that ends.
        let begun = Instant::now();
        assert_eq!(admit(&tokens, &rule, &issuer).await, wanted, "{status}");
        assert!(begun.elapsed() < seconds(2), "requests do not wait for longer than keys may take");
        pass(seconds(60)).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(admit(&tokens, &rule, &issuer).await, wanted, "{status}");
        assert!(server.asked() > asked, "{status}: it is tried again");
        asked = server.asked();
    }
    server.says("/keys", good);
    pass(seconds(60)).await;
    assert_eq!(admit(&tokens, &rule, &issuer).await, Ok(()));
    // Those without a token never wait.
    let mut parts = Request::get("/").body(()).expect("a request").into_parts().0;
    assert!(tokens.admit(&[&rule], &mut parts).await.expect("passes").is_none());
}

#[tokio::test]
async fn the_first_retry_is_soon() {
    let (server, issuer) = (Server::start(None).await, Issuer::new(Algorithm::ES256, "k"));
    let rule = server.rule(&json!({}));
    let tokens = start(&rule);
    assert!(admit(&tokens, &rule, &issuer).await.is_err());
    server.says("/keys", Says::new(200, set(&[&issuer])));
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(admit(&tokens, &rule, &issuer).await, Ok(()));
}

#[tokio::test]
async fn keys_change_and_the_last_good_ones_stay() {
    let server = Server::start(None).await;
    let (first, second) = (Issuer::new(Algorithm::ES256, "k1"), Issuer::new(Algorithm::RS256, "k2"));
    server.says("/keys", Says::new(200, set(&[&first])));
    let rule = server.rule(&json!({}));
    let tokens = start(&rule);
    // The first request waits for the first fetch.
    assert_eq!(admit(&tokens, &rule, &first).await, Ok(()));
    assert_eq!(server.asked(), 1);
    server.says("/keys", Says::new(200, set(&[&second])));
    let unknown = |kid: &str| Err(Fault::NoSuchKey(Some(kid.to_owned())));
    for _ in 0..20 {
        assert_eq!(admit(&tokens, &rule, &second).await, unknown("k2"));
    }
    assert_eq!(server.asked(), 1, "tokens that anybody can make do not make it ask at once");
    pass(seconds(10)).await;
    // A wrong token of another issuer asks for nothing, nor does a signature that is wrong.
    let mut other = with(&second, "https://other.example");
    assert!(tokens.admit(&[&rule], &mut other).await.is_err());
    assert_eq!(admit(&tokens, &rule, &Issuer::new(Algorithm::ES256, "k1")).await, Err(Fault::Signature));
    assert_eq!(server.asked(), 1);
    let all = futures::future::join_all((0..20).map(|_| admit(&tokens, &rule, &second))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(server.asked(), 2, "many wait for one fetch");
    assert_eq!(admit(&tokens, &rule, &first).await, unknown("k1"), "what was believed by the old keys no longer is");

    for says in [Says::new(500, ""), Says::new(200, "nonsense"), Says::new(200, r#"{"keys":[]}"#)] {
        let asked = server.asked();
        server.says("/keys", says);
        pass(seconds(20 * 60)).await;
        assert!(server.asked() > asked, "it is refreshed");
        assert_eq!(admit(&tokens, &rule, &second).await, Ok(()), "the last good keys stay");
    }
    server.says("/keys", Says::new(200, set(&[&first])));
    pass(seconds(60)).await;
    assert_eq!(admit(&tokens, &rule, &first).await, Ok(()));
    assert_eq!(admit(&tokens, &rule, &second).await, unknown("k2"));
}

#[tokio::test]
async fn an_issuer_tells_where_its_keys_are() {
    let (server, issuer) = (Server::start(None).await, Issuer::new(Algorithm::ES384, "k"));
    let configuration = json!({"issuer": server.address, "jwks_uri": format!("{}/certs", server.address)}).to_string();
    server.says("/realm/.well-known/openid-configuration", Says::elsewhere("/configuration"));
    server.says("/configuration", Says::new(200, configuration));
    server.says("/certs", Says::elsewhere(&format!("{}/certs2", server.address)));
    server.says("/certs2", Says::new(200, set(&[&issuer])));
    for name in ["/realm", "/realm/"] {
        let rule = rule(&Keys::Discovery, &json!({"issuer": format!("{}{name}", server.address)}));
        assert_eq!(admit(&start(&rule), &rule, &issuer).await, Ok(()), "{name}");
    }
    server.says("/configuration", Says::new(200, "{}"));
    let rule = rule(&Keys::Discovery, &json!({"issuer": format!("{}/realm", server.address)}));
    assert!(admit(&start(&rule), &rule, &issuer).await.is_err());
}

#[tokio::test]
async fn keys_are_fetched_for_as_long_as_a_rule_names_them() {
    let (server, issuer) = (Server::start(None).await, Issuer::new(Algorithm::ES256, "k"));
    server.says("/keys", Says::new(200, set(&[&issuer])));
    let rule = server.rule(&json!({}));
    let (store, drain) = (xds::client::Store::default(), Drain::new());
    let tokens = Arc::new(Tokens::new(Fetcher::new(no_roots)));
    let following = tokio::spawn(tokens.clone().follow(store.clone(), drain.clone()));
    // The rule is as new as can be: the request waits for it too.
    store.update_l7(|state| state.insert(Resource::Authentication(policy(&rule))));
    assert_eq!(admit(&tokens, &rule, &issuer).await, Ok(()));
    store.update_l7(|state| {
        let other = Authentication { name: "other".into(), ..policy(&rule) };
        state.insert(Resource::Authentication(other));
        state.remove("authentication/ns/p");
    });
    pass(seconds(20 * 60)).await;
    assert_eq!(server.asked(), 2, "two rules, one after the other, one task");
    store.update_l7(|state| assert!(state.remove("authentication/ns/other")));
    pass(seconds(20 * 60)).await;
    assert_eq!(server.asked(), 2, "nobody names it any more");
    assert!(admit(&tokens, &rule, &issuer).await.is_err());
    drain.start();
    drain.cut();
    tokio::time::timeout(seconds(5), following).await.expect("it ends").expect("it ends well");
}

#[tokio::test]
async fn a_server_with_tls_has_to_prove_itself() {
    static ROOT: std::sync::OnceLock<rustls::pki_types::CertificateDer<'static>> = std::sync::OnceLock::new();
    fn own_root() -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(ROOT.get().expect("made").clone()).expect("a root");
        roots
    }
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    ROOT.get_or_init(|| made.cert.der().clone());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate");
    let (server, issuer) = (Server::start(Some(Arc::new(config))).await, Issuer::new(Algorithm::ES256, "k"));
    let plain = Server::start(None).await;
    plain.says("/keys", Says::new(200, set(&[&issuer])));
    server.says("/keys", Says::new(200, set(&[&issuer])));
    let rule = server.rule(&json!({}));
    for (roots, wanted) in [(own_root as fn() -> _, true), (no_roots, false), (crate::tokens::public_roots, false)] {
        let tokens = Tokens::new(Fetcher::new(roots));
        tokens.sync([&policy(&rule)].into_iter());
        assert_eq!(admit(&tokens, &rule, &issuer).await.is_ok(), wanted);
    }
    // What is protected does not lead to what is not.
    server.says("/keys", Says::elsewhere(&format!("{}/keys", plain.address)));
    let tokens = Tokens::new(Fetcher::new(own_root));
    tokens.sync([&policy(&rule)].into_iter());
    assert!(admit(&tokens, &rule, &issuer).await.is_err());
    assert_eq!(plain.asked(), 0);
}

#[test]
fn places_are_shown_without_secrets() {
    use crate::tokens::remote::Place;
    for (text, wanted) in [
        ("https://id.example/keys", "https://id.example/keys"),
        ("https://user:secret@id.example:8443/a@b?key=secret", "https://id.example:8443/a@b"),
        ("https://u@id.example?key=secret", "https://id.example"),
        ("nonsense", "://nonsense"),
    ] {
        assert_eq!(Place::Uri(text.into()).to_string(), wanted);
    }
}
