//! Speaking to a collector: over HTTP, or over gRPC where its provider names no path.

use std::{io, sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use futures::future::{self, Either};
use http::{
    Request, Response, StatusCode,
    header::{CONTENT_TYPE, HOST, TE, USER_AGENT},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use model::{l7::telemetry::Collector, service::LoadBalancerMode, workload::ServiceKey};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::export::Dial;
use crate::{Shared, tokens::resolve, upstream};

/// How much of an answer is read, bytes.
const MAX_ANSWER: usize = 64 << 10;

/// Why a collector was not told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection.
    #[error("no connection to the collector")]
    Connect(#[from] io::Error),
    /// No answer.
    #[error("no answer of the collector")]
    Http(#[from] hyper::Error),
    /// No request can be made.
    #[error("no request can be made")]
    Request(#[from] http::Error),
    /// Another answer.
    #[error("the collector answers {0}")]
    Status(StatusCode),
    /// Another answer, in gRPC.
    #[error("the collector answers with gRPC status {0}")]
    Grpc(String),
    /// An answer without end.
    #[error("the collector's answer is too long or broken")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Too slow.
    #[error("not done within {0:?}")]
    Slow(Duration),
}

/// What a collector is told.
#[derive(Debug)]
pub struct Wire {
    content_type: &'static str,
    /// The signal of OTLP, which names the method of gRPC.
    signal: &'static str,
    body: Vec<u8>,
}

impl Wire {
    /// Makes one of OTLP; `signal` is `trace` or `logs`.
    #[must_use]
    pub fn protobuf(signal: &'static str, body: Vec<u8>) -> Self {
        Self { content_type: "application/x-protobuf", signal, body }
    }

    /// Makes one of JSON.
    #[must_use]
    pub fn json(body: Vec<u8>) -> Self {
        Self { content_type: "application/json", signal: "", body }
    }
}

/// Tells a collector over a connection.
///
/// # Errors
/// It was not told.
pub async fn tell<S>(io: S, collector: &Collector, wire: Wire) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    match &collector.path {
        Some(path) => over_http(io, collector, path, wire).await,
        None => over_grpc(io, collector, wire).await,
    }
}

fn request(collector: &Collector, target: &str, content_type: &str) -> http::request::Builder {
    let mut request = Request::post(target)
        .header(CONTENT_TYPE, content_type)
        .header(USER_AGENT, concat!("ambient/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &collector.headers {
        request = request.header(&**name, &**value);
    }
    request
}

async fn over_http<S>(io: S, collector: &Collector, path: &str, wire: Wire) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await?;
    let request = request(collector, path, wire.content_type);
    let request = request.header(HOST, format!("{}:{}", collector.host, collector.port));
    let request = request.body(Full::new(Bytes::from(wire.body)))?;
    let exchange = std::pin::pin!(async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        read(answer).await?;
        if status.is_success() { Ok(()) } else { Err(Error::Status(status)) }
    });
    // Driven here, so that it ends with the caller.
    match future::select(exchange, std::pin::pin!(connection)).await {
        Either::Left((told, _)) => told,
        Either::Right((_, exchange)) => exchange.await,
    }
}

async fn over_grpc<S>(io: S, collector: &Collector, wire: Wire) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await?;
    let service = if wire.signal == "trace" { "trace.v1.TraceService" } else { "logs.v1.LogsService" };
    let target = format!("http://{}:{}/opentelemetry.proto.collector.{service}/Export", collector.host, collector.port);
    // One message, not compressed (gRPC over HTTP/2, Length-Prefixed-Message).
    let mut body = BytesMut::with_capacity(wire.body.len() + 5);
    body.put_u8(0);
    body.put_u32(u32::try_from(wire.body.len()).unwrap_or(u32::MAX));
    body.extend_from_slice(&wire.body);
    let request = request(collector, &target, "application/grpc").header(TE, "trailers");
    let request = request.version(http::Version::HTTP_2).body(Full::new(body.freeze()))?;
    let exchange = std::pin::pin!(async {
        let answer = sender.send_request(request).await?;
        if answer.status() != StatusCode::OK {
            return Err(Error::Status(answer.status()));
        }
        let of_head = grpc_status(answer.headers());
        let of_trailers = read(answer).await?.as_ref().and_then(grpc_status);
        match of_trailers.or(of_head).as_deref() {
            Some("0") => Ok(()),
            other => Err(Error::Grpc(other.unwrap_or("missing").to_owned())),
        }
    });
    match future::select(exchange, std::pin::pin!(connection)).await {
        Either::Left((told, _)) => told,
        Either::Right((_, exchange)) => exchange.await,
    }
}

fn grpc_status(headers: &http::HeaderMap) -> Option<String> {
    headers.get("grpc-status").and_then(|v| v.to_str().ok()).map(str::to_owned)
}

async fn read(answer: Response<Incoming>) -> Result<Option<http::HeaderMap>, Error> {
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await.map_err(Error::Body)?;
    Ok(body.trailers().cloned())
}

/// Opens connections to collectors as to any endpoint: to one of the mesh through a tunnel, to any other in the clear.
#[derive(Clone)]
pub struct Mesh(pub Arc<Shared>);

impl Dial for Mesh {
    async fn dial(&self, collector: &Collector) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        let host = collector.host.trim_start_matches('[').trim_end_matches(']');
        if let Some(key) = self.service(host) {
            let endpoint = upstream::of_service(&self.0, &key, collector.port).map_err(io::Error::other)?;
            return upstream::dial(&self.0, &endpoint).await.map(Joined::Left).map_err(io::Error::other);
        }
        let mut opened = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
        for address in resolve(host).await.map_err(io::Error::other)? {
            opened = TcpStream::connect((address, collector.port)).await;
            if opened.is_ok() {
                break;
            }
        }
        opened.map(Joined::Right)
    }
}

impl Mesh {
    /// Finds the service of a host. One that passes connections on has no endpoints of its own, and is found by its name.
    fn service(&self, host: &str) -> Option<ServiceKey> {
        let world = self.0.store.world();
        let of_host = world.services.values().filter(|service| *service.key.hostname == *host);
        let found = of_host.min_by_key(|service| (!service.canonical, service.key.clone()))?;
        (found.load_balancer.mode != LoadBalancerMode::Passthrough).then(|| found.key.clone())
    }
}

type Joined = tokio_util::either::Either<upstream::Io, TcpStream>;
