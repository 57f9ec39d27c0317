//! The HTTP service: an answer that tells what arrived, `/healthz`, the gRPC health service, and what requests ask for by headers.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE},
    request::Parts,
};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};

use super::asked;
use crate::wire::{self, PAUSED, Pattern, Server};

/// `grpc.health.v1.HealthCheckResponse { status: SERVING }` behind gRPC's prefix: not compressed, two bytes long.
const SERVING: &[u8] = &[0, 0, 0, 0, 2, 0x08, 0x01];
/// What a server puts behind a key that it read (RFC 6455 1.3).
const WEBSOCKET: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// How many keys and paths are counted.
const COUNTED: usize = 10_000;
/// The largest head of a request over HTTP/1.1, bytes.
const HEAD: usize = 256 << 10;
/// The most headers of a request over HTTP/1.1.
const HEADERS: usize = 500;
/// What a generated body is sent in, bytes.
const PIECE: usize = 64 << 10;

/// Waits so many milliseconds before it answers.
const DELAY: &str = "x-echo-delay";
/// Answers with this status.
const STATUS: &str = "x-echo-status";
/// Answers so many of the first requests with 503, or with [`STATUS`]; those with the same [`KEY`] are counted together.
const FAIL: &str = "x-echo-fail";
/// Breaks the connection instead of an answer, as [`FAIL`] counts.
const BREAK: &str = "x-echo-break";
/// Only servers of this name heed [`STATUS`] and [`FAIL`].
const ONLY: &str = "x-echo-only";
/// What requests are counted under; else it is their path.
const KEY: &str = "x-echo-key";
/// NAME=VALUE of a header that the answer has; may be repeated.
const ADD: &str = "x-echo-add";
/// Milliseconds to wait after each MiB of the request's body.
const SLOW: &str = "x-echo-slow";

type Body = UnsyncBoxBody<Bytes, hyper::Error>;
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// How often was asked, by key.
#[derive(Debug, Default)]
pub struct Counts(Mutex<BTreeMap<String, u64>>);

impl Counts {
    /// Counts once more, and returns how often it was by then.
    pub fn next(&self, key: &str) -> u64 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= COUNTED && !all.contains_key(key) {
            all.clear();
        }
        let count = all.entry(key.to_owned()).or_default();
        *count += 1;
        *count
    }

    fn of(&self, key: &str) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied().unwrap_or_default()
    }
}

/// Serves one connection to its end, HTTP/1.1 or HTTP/2 as its first bytes tell.
pub async fn serve<S>(stream: S, peer: SocketAddr, server: Server)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let answer = service_fn(move |request| answer(request, peer, server.clone()));
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .max_buf_size(HEAD)
        .max_headers(HEADERS)
        .http2()
        .max_header_list_size(HEAD as u32)
        .enable_connect_protocol();
    let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), answer).await;
}

async fn answer(request: Request<Incoming>, peer: SocketAddr, server: Server) -> Result<Response<Body>, Failed> {
    let names = [("x-echo-name", server.name.clone()), ("x-echo-host", server.host.clone())];
    let mut response = respond(request, peer, server).await?;
    for (name, value) in names {
        response.headers_mut().insert(name, HeaderValue::from_str(&value)?);
    }
    Ok(response)
}

async fn respond(mut request: Request<Incoming>, peer: SocketAddr, server: Server) -> Result<Response<Body>, Failed> {
    if let Some(protocol) = request.headers().get(UPGRADE).cloned() {
        tokio::spawn(upgraded(hyper::upgrade::on(&mut request)));
        return Ok(switching(protocol, request.headers().get(SEC_WEBSOCKET_KEY)));
    }
    // The same by HTTP/2 (RFC 8441).
    if request.extensions().get::<hyper::ext::Protocol>().is_some() {
        tokio::spawn(upgraded(hyper::upgrade::on(&mut request)));
        return Ok(text("text/plain", String::new()));
    }
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if path == "/_count" {
        let key = head.uri.query().unwrap_or_default();
        return Ok(text("application/json", format!("{}\n", json!({ "count": server.counts.of(key) }))));
    }
    let only = head.headers.get(ONLY).is_none_or(|only| only.as_bytes() == server.name.as_bytes());
    let number = |name: &str| head.headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
    let key = head.headers.get(KEY).and_then(|k| k.to_str().ok()).unwrap_or(path);
    let turn = server.counts.next(key);
    if let Some(delay) = number(DELAY) {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    if turn <= number(BREAK).unwrap_or(0) {
        return Err(Box::new(io::Error::from(io::ErrorKind::ConnectionReset)));
    }
    let status =
        number(STATUS).filter(|_| only).and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
    let status = match number(FAIL).filter(|_| only) {
        Some(first) if turn <= first => status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
        Some(_) => StatusCode::OK,
        None => status.unwrap_or(StatusCode::OK),
    };
    let grpc = head.headers.get(CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/grpc"));
    let mut response = match path {
        path if asked::is_question(path) => {
            let question = body.collect().await?.to_bytes();
            match asked::answer(path, &question, &server.counts).await {
                Some(answer) => grpc_answer(answer.into(), "0"),
                // 3 is INVALID_ARGUMENT.
                None => grpc_answer(Bytes::new(), "3"),
            }
        }
        // The body as it comes, with its trailers.
        "/echo" => with_type("application/octet-stream", body.boxed_unsync()),
        // As many generated bytes as the query says.
        "/bytes" => with_type("application/octet-stream", generated(head.uri.query())),
        "/echo.Echo/Stream" => {
            let status = async { Some(Ok(HeaderMap::from_iter([grpc_status("0")]))) };
            with_type("application/grpc", body.with_trailers(status).boxed_unsync())
        }
        _ => {
            let received = read(body, number(SLOW)).await?;
            match path {
                "/grpc.health.v1.Health/Check" => grpc_answer(Bytes::from_static(SERVING), "0"),
                // 12 is UNIMPLEMENTED: a gRPC client expects its answers in trailers, whatever they are.
                _ if grpc => grpc_answer(Bytes::new(), "12"),
                "/healthz" => text("text/plain", "ok\n".to_owned()),
                _ => text("application/json", told(&head, peer, &server, &received, turn)),
            }
        }
    };
    *response.status_mut() = status;
    for value in head.headers.get_all(ADD) {
        if let Some((name, value)) = value.to_str()?.split_once('=') {
            response.headers_mut().append(name.parse::<HeaderName>()?, value.parse()?);
        }
    }
    Ok(response)
}

/// A body of generated bytes.
struct Generated(Pattern);

impl hyper::body::Body for Generated {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut piece = vec![0; PIECE];
        let count = self.0.fill(&mut piece);
        piece.truncate(count);
        Poll::Ready((count > 0).then(|| Ok(Frame::data(piece.into()))))
    }
}

fn generated(query: Option<&str>) -> Body {
    let bytes = query.and_then(|bytes| bytes.parse().ok()).unwrap_or_default();
    Generated(Pattern::new(bytes)).map_err(none).boxed_unsync()
}

/// What a body was.
struct Received {
    bytes: usize,
    sha256: String,
    trailers: HeaderMap,
}

async fn read(mut body: Incoming, slow: Option<u64>) -> Result<Received, hyper::Error> {
    let (mut bytes, mut hash, mut trailers, mut paused) = (0, Sha256::new(), HeaderMap::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        if let Some(data) = frame.data_ref() {
            bytes += data.len();
            paused += data.len();
            hash.update(data);
        }
        if let Ok(last) = frame.into_trailers() {
            trailers = last;
        }
        if let (Some(slow @ 1..), PAUSED..) = (slow, paused) {
            paused = 0;
            tokio::time::sleep(Duration::from_millis(slow)).await;
        }
    }
    Ok(Received { bytes, sha256: wire::hex(hash), trailers })
}

fn told(head: &Parts, peer: SocketAddr, server: &Server, received: &Received, turn: u64) -> String {
    let path = head.uri.path_and_query().map_or("/", |p| p.as_str());
    let told = json!({
        "name": &*server.name, "host": &*server.host, "peer": peer, "method": head.method.as_str(), "version": format!("{:?}", head.version),
        "path": path, "headers": joined(&head.headers), "authority": head.uri.authority().map(|a| a.as_str()),
        "body_bytes": received.bytes, "body_sha256": received.sha256, "trailers": joined(&received.trailers), "turn": turn,
    });
    format!("{told}\n")
}

fn joined(headers: &HeaderMap) -> BTreeMap<&str, String> {
    let mut all: BTreeMap<&str, String> = BTreeMap::new();
    for (key, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        all.entry(key.as_str()).and_modify(|all| *all += &format!(", {value}")).or_insert(value.into());
    }
    all
}

/// Echoes the bytes of another protocol.
async fn upgraded(on: hyper::upgrade::OnUpgrade) {
    let Ok(upgraded) = on.await else { return };
    let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded));
    // How a connection ends is the client's affair.
    let _ = tokio::io::copy(&mut read, &mut write).await;
    let _ = tokio::io::AsyncWriteExt::shutdown(&mut write).await;
}

/// Agrees to another protocol; a client of WebSocket is shown that its key was read (RFC 6455 4.2.2).
fn switching(protocol: HeaderValue, key: Option<&HeaderValue>) -> Response<Body> {
    let mut response = text("text/plain", String::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, protocol);
    if let Some(key) = key {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), WEBSOCKET].concat());
        let accept = HeaderValue::from_str(&BASE64_STANDARD.encode(hash));
        response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept.expect("base64 is a header's value"));
    }
    response
}

fn text(kind: &'static str, text: String) -> Response<Body> {
    with_type(kind, Full::new(Bytes::from(text)).map_err(none).boxed_unsync())
}

fn grpc_status(status: &'static str) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static("grpc-status"), HeaderValue::from_static(status))
}

fn grpc_answer(message: Bytes, status: &'static str) -> Response<Body> {
    let trailers = HeaderMap::from_iter([grpc_status(status)]);
    let body = Full::new(message).map_err(none).with_trailers(async { Some(Ok(trailers)) });
    with_type("application/grpc", body.boxed_unsync())
}

fn none(never: Infallible) -> hyper::Error {
    match never {}
}

fn with_type(kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
