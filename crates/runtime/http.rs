//! Small HTTP/1 servers for operators: admin, metrics, readiness.

use std::{borrow::Cow, convert::Infallible, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::registry::Registry;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tracing::{debug, warn};

use crate::{drain::Drain, logging, readiness::Readiness};

/// An answer with its whole body.
pub type Answer = Response<Full<Bytes>>;

/// The most connections one of these servers holds.
const MAX_CONNECTIONS: usize = 128;
/// How long a client may take to send a request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves requests until the stop.
pub async fn serve<H, F>(listener: TcpListener, drain: Drain, handler: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Some((stream, permit)) = next(&listener, &free, &drain).await {
        let (handler, drain) = (handler.clone(), drain.clone());
        tokio::spawn(async move {
            connection(stream, HEADER_TIMEOUT, &drain, handler).await;
            drop(permit);
        });
    }
}

/// Waits for a place among so many connections, and for the next one; none after the stop.
pub async fn next(
    listener: &TcpListener,
    free: &Arc<Semaphore>,
    drain: &Drain,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let accepted = async {
        // It is never closed.
        let permit = free.clone().acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((stream, permit)),
                Err(error) => {
                    // Out of descriptors, usually: without a pause this loop would spin.
                    warn!(%error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    tokio::select! { () = drain.draining() => None, accepted = accepted => accepted }
}

/// Serves the requests of one connection; `idle` is how long it may be without, and a request's head take to arrive.
pub async fn connection<I, H, F>(stream: I, idle: Duration, drain: &Drain, handler: H)
where
    I: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Answer>,
{
    let service = service_fn(move |request| {
        let answer = handler(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_buf_size(8192)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        result = connection => if let Err(error) = result { debug!(%error, "connection ended") },
        () = drain.cutting() => {}
    }
}

/// Makes an answer of text.
#[must_use]
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    with_type(status, "text/plain; charset=utf-8", body)
}

/// Makes an answer of a given content type.
#[must_use]
pub fn with_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    answer
}

/// Answers a readiness probe: 200, or 500 with what is missing.
#[must_use]
pub fn readiness(readiness: &Readiness) -> Answer {
    let missing = readiness.missing();
    if missing.is_empty() {
        text(StatusCode::OK, "ready\n")
    } else {
        text(StatusCode::INTERNAL_SERVER_ERROR, format!("not ready, pending: {}\n", missing.join(", ")))
    }
}

/// Answers a scrape in the OpenMetrics text format.
#[must_use]
pub fn metrics(registry: &Registry) -> Answer {
    let mut body = String::new();
    match prometheus_client::encoding::text::encode(&mut body, registry) {
        Ok(()) => with_type(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", body),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

/// Finds a parameter of a query, decoded (URL standard, application/x-www-form-urlencoded).
#[must_use]
pub fn parameter<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    form_urlencoded::parse(query.as_bytes()).find_map(|(key, value)| (key == name).then_some(value))
}

/// Answers a question about the log level, or sets it: `level=LEVEL|scope:LEVEL,...`, `reset`.
#[must_use]
pub fn log_level(query: &str) -> Answer {
    let outcome = match parameter(query, "level").filter(|level| !level.is_empty()) {
        Some(level) => logging::set(Some(&level)),
        None if parameter(query, "reset").is_some() => logging::set(None),
        None => logging::current(),
    };
    match outcome {
        Ok(level) => text(StatusCode::OK, format!("current log level is {level}\n")),
        Err(error) => text(StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}
