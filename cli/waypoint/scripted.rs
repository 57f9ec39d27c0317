//! An API server of tests that follows a script: for what a sandbox does not do, such as refusing rights.

use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::cluster::{Cluster, Version};

/// What a server was asked: method, path with query, body.
pub type Heard = Arc<Mutex<Vec<(Method, String, Value)>>>;

/// Starts a server; returns a way to it, and what it hears.
pub async fn server(answer: impl FnMut(&Method, &str) -> (u16, Value) + Send + 'static) -> (Cluster, Heard) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let heard = Heard::default();
    let (asked, script) = (heard.clone(), Arc::new(Mutex::new(answer)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (asked, script) = (asked.clone(), script.clone());
            let reply = service_fn(move |request: Request<Incoming>| {
                let (asked, script) = (asked.clone(), script.clone());
                async move {
                    let (method, path) = (request.method().clone(), request.uri().to_string());
                    let body = request.into_body().collect().await.expect("a body").to_bytes();
                    let (code, answer) = (script.lock().expect("not poisoned"))(&method, &path);
                    let body = serde_json::from_slice(&body).unwrap_or_default();
                    asked.lock().expect("not poisoned").push((method, path, body));
                    let response = Response::builder().status(code).header("content-type", "application/json");
                    Ok::<_, hyper::Error>(
                        response.body(Full::new(Bytes::from(answer.to_string()))).expect("a response"),
                    )
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), reply));
        }
    });
    let client = kube::Client::try_from(kube::Config::new(url.parse().expect("an address"))).expect("a client");
    let version = Version { major: 1, minor: 34, full: "v1.34.0".to_owned() };
    (Cluster { client, url, system: "istio-system".to_owned(), is_sandbox: false, version }, heard)
}
