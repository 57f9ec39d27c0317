//! Secrets that can be used or not, and the right to read them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};

use super::*;

/// An API server with one Secret, which may be read or not.
#[derive(Clone)]
struct Server {
    allowed: watch::Sender<bool>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    fn new(allowed: bool) -> Self {
        Self { allowed: watch::Sender::new(allowed), asked: Arc::default() }
    }

    /// Returns how often it was asked since the last time.
    fn asked(&self) -> usize {
        self.asked.swap(0, Relaxed)
    }

    fn answer(&self, query: &str) -> (u16, Value) {
        self.asked.fetch_add(1, Relaxed);
        let items = match query.contains("-cacert") {
            true => json!([]),
            false => json!([{"metadata": {"name": "client", "namespace": "shop"}, "data": {"ca.crt": ""}}]),
        };
        match *self.allowed.borrow() {
            false => (403, json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "forbidden"})),
            true if query.contains("watch=") => (200, Value::Null),
            true => (200, json!({"kind": "SecretList", "metadata": {"resourceVersion": "1"}, "items": items})),
        }
    }

    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let server = server.clone();
            async move {
                let query = request.uri().query().unwrap_or_default();
                let (code, body) = server.answer(query);
                if code == 200 && query.contains("watch=") {
                    // It lasts until the right is another.
                    let _ = server.allowed.subscribe().changed().await;
                }
                let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
                let answer = http::Response::builder().status(code).body(kube::client::Body::from(body));
                Ok::<_, std::convert::Infallible>(answer.unwrap())
            }
        });
        Client::new(service, "default")
    }
}

/// What is said of the Secret where it can be read.
const READ: &str = "ca.crt holds no certificates";

/// Waits until this is said of why the Secret cannot be used; returns all of it, and how long that took.
async fn until(secrets: &mut Secrets, news: &mut mpsc::Receiver<News>, words: &str) -> (String, Duration) {
    let begun = Instant::now();
    loop {
        let news = tokio::time::timeout(Duration::from_secs(120), news.recv()).await.expect(words).unwrap();
        let Some((_, found)) = secrets.hear(news).pop() else { continue };
        let why = found.unwrap().unwrap_err().to_string();
        if why.contains(words) {
            return (why, begun.elapsed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_missing_is_told_once_and_found_when_it_is_granted() {
    let server = Server::new(false);
    let (sender, mut news) = mpsc::channel(16);
    let mut secrets = Secrets::new(server.client(), sender);
    let key = ObjectKey { namespace: "shop".into(), name: "client".into() };
    secrets.follow(&BTreeSet::from([key]));
    let (why, took) = until(&mut secrets, &mut news, "get, list and watch secrets in namespace shop").await;
    assert!(why.contains("agent.readSecrets=true"), "{why}");
    assert!(took < Duration::from_secs(1) && secrets.is_complete(), "nothing else waits for it: {took:?}");
    assert_eq!(secrets.forbidden.len(), 1, "the log has it once for the namespace");
    server.asked();
    sleep(Duration::from_secs(600)).await;
    let asked = server.asked();
    assert!((2..=120).contains(&asked) && news.is_empty(), "{asked} questions in ten minutes");
    server.allowed.send_replace(true);
    let (_, took) = until(&mut secrets, &mut news, READ).await;
    assert!(took < Duration::from_secs(60), "{took:?}");
    assert!(secrets.forbidden.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_withdrawn_counts_after_a_while() {
    let server = Server::new(true);
    let (sender, mut news) = mpsc::channel(16);
    let mut secrets = Secrets::new(server.client(), sender);
    let key = ObjectKey { namespace: "shop".into(), name: "client".into() };
    secrets.follow(&BTreeSet::from([key]));
    until(&mut secrets, &mut news, READ).await;
    // For a moment, as an API server that starts refuses.
    server.allowed.send_replace(false);
    sleep(Duration::from_millis(900)).await;
    server.allowed.send_replace(true);
    sleep(Duration::from_secs(60)).await;
    while let Ok(news) = news.try_recv() {
        assert!(news.found.is_ok(), "the last good one stays");
        secrets.hear(news);
    }
    server.allowed.send_replace(false);
    let (_, took) = until(&mut secrets, &mut news, "lacks the right").await;
    assert!(took > Duration::from_secs(2), "{took:?}");
    server.allowed.send_replace(true);
    until(&mut secrets, &mut news, READ).await;
    server.allowed.send_replace(false);
    until(&mut secrets, &mut news, "lacks the right").await;
    secrets.follow(&BTreeSet::new());
    assert!(secrets.forbidden.is_empty(), "nothing is kept of what nobody names");
}

fn data(pairs: &[(&str, &str)]) -> Data {
    pairs.iter().map(|(key, text)| ((*key).to_owned(), ByteString((*text).into()))).collect()
}

#[test]
fn what_cannot_be_used_says_why_and_not_what() {
    let made = |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let (one, other) = (made("one"), made("other"));
    let (chain, key, wrong) = (one.cert.pem(), one.signing_key.serialize_pem(), other.signing_key.serialize_pem());
    let key_of = ObjectKey { namespace: "shop".into(), name: "client".into() };
    let there = |pairs: &[(&str, &str)]| Ok(Some(data(pairs)));
    let rows = [
        (Ok(None), Ok(None), "there is no Secret client"),
        (Ok(None), there(&[("ca.crt", &chain)]), ""),
        (there(&[("tls.crt", &chain), ("tls.key", &key)]), Ok(None), ""),
        (there(&[("cert", &chain), ("key", &key), ("cacert", &chain)]), Ok(None), ""),
        (there(&[("tls.crt", &chain), ("tls.key", &wrong)]), Ok(None), "tls.key is not the key"),
        (there(&[("tls.crt", &chain)]), Ok(None), "without its key"),
        (there(&[("tls.key", &key)]), Ok(None), "without its certificate"),
        (there(&[("tls.crt", &chain), ("tls.key", "PRIVATE")]), Ok(None), "tls.key holds no key"),
        (there(&[("tls.crt", "x"), ("tls.key", &key)]), Ok(None), "tls.crt holds no certificates"),
        (there(&[("ca.crt", "x")]), Ok(None), "ca.crt holds no certificates"),
        (there(&[("password", "x")]), Ok(None), "neither tls.crt"),
        (Err(Unread::Failed("no".into())), Ok(None), "Secret shop/client cannot be read: no"),
        (Err(Unread::Forbidden), Err(Unread::Forbidden), "Secret shop/client may not be read"),
        (there(&[("tls.crt", &chain), ("tls.key", &key)]), Err(Unread::Forbidden), ""),
        (Ok(None), Err(Unread::Forbidden), "there is no Secret client"),
    ];
    for (own, others, want) in rows {
        let found = judge(&key_of, &own, &others);
        match found {
            Ok(_) => assert_eq!(want, ""),
            Err(why) => {
                assert!(!want.is_empty() && why.contains(want), "{why}");
                assert!(!why.contains("PRIVATE"), "{why}");
            }
        }
    }
}
