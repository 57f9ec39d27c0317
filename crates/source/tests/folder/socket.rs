//! The same answers on a Unix socket, as the sandbox serves them to the command line.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, server, service::service_fn};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};

use crate::{Here, make};

#[tokio::test]
async fn a_socket_can_be_served() {
    let here = Here::new();
    here.namespace("default").await;
    let listener = UnixListener::bind(here.path("socket")).expect("listens");
    let folder = here.folder.clone();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let answer = service_fn(move |request: http::Request<Incoming>| {
            let folder = folder.clone();
            async move { Ok::<_, std::convert::Infallible>(folder.handle(request).await) }
        });
        // That the client leaves in the middle of a watch is no fault.
        let _ = server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
    });
    let stream = UnixStream::connect(here.path("socket")).await.expect("connects");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("speaks HTTP");
    let connection = tokio::spawn(connection);
    let request = |path: &str| http::Request::get(path).body(Empty::<Bytes>::new()).expect("a request");
    let answer = sender.send_request(request("/version")).await.expect("an answer");
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(serde_json::from_slice::<Value>(&body).expect("JSON")["minor"], "34");

    let watch = "/api/v1/configmaps?watch=true&resourceVersion=0&allowWatchBookmarks=true";
    let mut lines = sender.send_request(request(watch)).await.expect("an answer").into_body();
    let _: ConfigMap = make(&here.client, Some("default"), &json!({"metadata": {"name": "m"}})).await;
    let line = lines.frame().await.expect("a line").expect("no error").into_data().expect("data");
    let event: Value = serde_json::from_slice(&line).expect("JSON");
    assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("ADDED"), &json!("m")));
    drop((lines, sender));
    connection.abort();
    serving.await.expect("ends when the client does");
}
