//! Requests: read from a client's connection, decided over, passed on.

mod ask;
pub mod body;
mod check;
pub mod cookie;
mod copied;
mod cors;
mod exchange;
mod external_auth;
mod forward;
mod framing;
mod gone;
mod grpc_timeout;
mod guard;
mod headers;
mod mirror;
mod rate_limit;
mod refusal;
pub mod replay;
pub mod session;
mod upgrade;
mod view;

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use hbone::watch::Watch;
use http::{HeaderValue, Request, StatusCode, header::CONNECTION};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use runtime::Drain;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use self::{
    check::{MAX_HEAD, MAX_HEADERS},
    guard::Guard,
};
pub use self::{
    headers::{REQUEST_ID, introduction},
    mirror::MIRRORS,
    rate_limit::Limits,
    replay::Replay,
};
use crate::{inbound::Inbound, sniff::Spoken};

/// How many streams a client may have open on one connection of HTTP/2.
const STREAMS: u32 = 1000;
/// The flow-control windows of a stream and of a connection of HTTP/2, bytes.
const WINDOWS: (u32, u32) = (512 << 10, 4 << 20);
/// How long a connection may be without requests, and a head take to arrive.
const IDLE: Duration = Duration::from_secs(3600);
/// How long a connection of HTTP/1.1 stays after a stop, so that the answer to its next request can say that it ends. Ended between
/// two requests it might cross the second one.
const PARTING: Duration = Duration::from_secs(3);
/// How often a silent client of HTTP/2 is asked whether it lives, and how long it may take to say so.
const PING: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));

/// Serves the requests of a connection until the client leaves, which `watch` tells of; a stop lets those under way end.
pub async fn serve<S>(inbound: Arc<Inbound>, stream: S, watch: Option<Watch>, spoken: Spoken, drain: Drain)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    if spoken == Spoken::Http2 {
        return serve2(inbound, stream, drain).await;
    }
    let guard = Guard::new(stream);
    let told = guard.told();
    let Some(watch) = watch else { return serve1(inbound, guard, drain).await };
    tokio::select! {
        () = serve1(inbound, guard, drain) => {}
        // What it waits for is not waited for any more.
        () = gone::gone(&watch, &told) => {}
    }
}

async fn serve1<S>(inbound: Arc<Inbound>, guard: Guard<S>, drain: Drain)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (client, told) = (inbound.client.address, guard.told());
    // Shared: a copy of a stop costs more than one of a pointer to it.
    let stopping = Arc::new(drain.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (inbound, stopping, told) = (inbound.clone(), stopping.clone(), told.clone());
        // It is large, and what serves a connection moves it several times.
        Box::pin(async move {
            if let Some(fault) = told.take() {
                request.extensions_mut().insert(fault);
            }
            let mut answer = exchange::answer(inbound, request).await;
            if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                told.go_over();
            } else if stopping.is_draining() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        })
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        // A client may have said all and wait for the answer; one that is gone is found out by `gone`.
        .half_close(true)
        .serve_connection(TokioIo::new(guard), service)
        .with_upgrades();
    drive(pin!(connection), |connection| connection.graceful_shutdown(), last_words(&drain, Spoken::Http1), client)
        .await;
}

async fn serve2<S>(inbound: Arc<Inbound>, stream: S, drain: Drain)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let client = inbound.client.address;
    let service = service_fn(move |request: Request<Incoming>| {
        let inbound = inbound.clone();
        // As above.
        Box::pin(async move { Ok::<_, Infallible>(exchange::answer(inbound, request).await) })
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_header_list_size(MAX_HEAD as u32)
        // WebSocket without HTTP/1.1 (RFC 8441 3).
        .enable_connect_protocol()
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1)
        .serve_connection(TokioIo::new(stream), service);
    drive(pin!(connection), |connection| connection.graceful_shutdown(), last_words(&drain, Spoken::Http2), client)
        .await;
}

/// Serves a connection to its end; after its last words it takes no more requests than it has.
async fn drive<C>(
    mut connection: Pin<&mut C>,
    finish: fn(Pin<&mut C>),
    last: impl Future<Output = ()>,
    client: SocketAddr,
) where
    C: Future<Output = hyper::Result<()>>,
{
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = last => {
            finish(connection.as_mut());
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%client, error = runtime::error::chain(&error), "a client's connection ended");
    }
}

/// Waits for a stop, and for as long as a connection may go on after it; HTTP/2 tells its clients by itself (RFC 9113 6.8).
async fn last_words(drain: &Drain, spoken: Spoken) {
    drain.draining().await;
    if spoken != Spoken::Http2 {
        tokio::time::sleep(PARTING).await;
    }
}

#[cfg(test)]
mod stopping {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stop_leaves_time_to_say_so_where_the_protocol_has_no_word_for_it() {
        for (spoken, wanted) in [(Spoken::Http2, Duration::ZERO), (Spoken::Http1, PARTING)] {
            let (drain, begun) = (Drain::new(), Instant::now());
            drain.start();
            last_words(&drain, spoken).await;
            let took = begun.elapsed();
            assert!(took >= wanted && took < wanted + Duration::from_millis(10), "{took:?}");
        }
    }
}

#[cfg(test)]
mod tests;
