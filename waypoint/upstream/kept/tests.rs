use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{server, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use model::l7::destination::Pool;
use tokio::task::JoinHandle;

use super::*;
use crate::upstream::limits::Kind;

fn key(host: usize, version: Version) -> Key {
    let address = SocketAddr::from(([192, 0, 2, 1], 443));
    let name = Some(format!("{host}.wild.test").into());
    Key { address, version, identity: None, connection: 0, name, client: None }
}

fn terms() -> Terms {
    let limits = Arc::new(Limits::default());
    let permit = limits.take(Kind::Connection, 1).unwrap();
    Terms::new(&Pool::default(), &limits, permit)
}

/// Makes a connection; the task ends with it.
async fn one() -> (Sender1, JoinHandle<()>) {
    let (ours, theirs) = tokio::io::duplex(1024);
    let service = service_fn(|_| async { Ok::<_, Infallible>(http::Response::new(Empty::<Bytes>::new())) });
    tokio::spawn(server::conn::http1::Builder::new().serve_connection(TokioIo::new(theirs), service));
    let (mut sender, connection) = http1::handshake(TokioIo::new(ours)).await.unwrap();
    let task = tokio::spawn(async { drop(connection.await) });
    sender.ready().await.unwrap();
    (sender, task)
}

/// The same of HTTP/2, with so many requests under way.
async fn many(streams: usize) -> (Many, JoinHandle<()>) {
    let (ours, theirs) = tokio::io::duplex(1024);
    let service = service_fn(|_| async { Ok::<_, Infallible>(http::Response::new(Empty::<Bytes>::new())) });
    let builder = server::conn::http2::Builder::new(TokioExecutor::new());
    tokio::spawn(builder.serve_connection(TokioIo::new(theirs), service));
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(ours)).await.unwrap();
    let task = tokio::spawn(async { drop(connection.await) });
    let (streams, limit) = (Arc::new(AtomicUsize::new(streams)), Arc::new(AtomicUsize::new(100)));
    (Many { sender, streams, limit, wanted: 100, used: Instant::now(), terms: terms() }, task)
}

#[tokio::test]
async fn the_longest_unused_is_closed_where_too_many_hosts_are_named() {
    let upstreams = Upstreams::new(16);
    let (busy, busy_task) = many(1).await;
    upstreams.share(&key(1000, Version::Http2), busy);
    let mut tasks = Vec::new();
    for host in 0..50 {
        if host % 2 == 0 {
            let (sender, task) = one().await;
            upstreams.keep(&key(host, Version::Http1), sender, terms());
            tasks.push(task);
        } else {
            let (many, task) = many(0).await;
            upstreams.share(&key(host, Version::Http2), many);
            tasks.push(task);
        }
        let known = upstreams.lock();
        assert!(known.count() <= 16 && known.idle.len() + known.shared.len() <= 16, "{host}: {}", known.count());
    }
    let kept: Vec<usize> = (0..50)
        .filter(|host| {
            upstreams.idle(&key(*host, Version::Http1)).is_some()
                || upstreams.many(&key(*host, Version::Http2)).is_some()
        })
        .collect();
    assert!(kept.len() >= 13 && kept.iter().rev().copied().eq((50 - kept.len()..50).rev()), "the last ones: {kept:?}");
    for (host, task) in tasks.into_iter().enumerate() {
        if host < 50 - kept.len() {
            tokio::time::timeout(Duration::from_secs(10), task).await.expect("it is closed").unwrap();
        }
    }
    assert!(!busy_task.is_finished() && upstreams.many(&key(1000, Version::Http2)).is_some(), "what is busy stays");
}

#[tokio::test]
async fn those_that_are_busy_are_not_closed() {
    let upstreams = Upstreams::new(8);
    for host in 0..20 {
        upstreams.share(&key(host, Version::Http2), many(1).await.0);
    }
    assert_eq!(upstreams.lock().count(), 20);
    upstreams.lock().shared.values().flatten().for_each(|many| many.streams.store(0, Ordering::Relaxed));
    for host in 20..22 {
        upstreams.share(&key(host, Version::Http2), many(1).await.0);
    }
    assert!(upstreams.lock().count() <= 8, "{}", upstreams.lock().count());
}
