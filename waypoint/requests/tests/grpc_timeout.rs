//! How long a client of gRPC waits, said by itself and by rules, and what an endpoint is told of it.

use std::{net::Ipv4Addr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use model::l7::route::{HttpRule, Retry, RetryOn};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{Instant, timeout},
};

use super::bench::Bench;
use crate::sniff::Spoken;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(10);
/// A message of gRPC: not compressed, of one byte.
const MESSAGE: Bytes = Bytes::from_static(b"\0\0\0\0\x01a");

type Pieces = mpsc::Sender<Result<Frame<Bytes>, std::io::Error>>;
type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Returns a body, and where its pieces go in.
fn body() -> (Pieces, Body) {
    let (pieces, coming) = mpsc::channel(4);
    let all = futures::stream::unfold(coming, |mut coming| async { Some((coming.recv().await?, coming)) });
    (pieces, StreamBody::new(all).boxed_unsync())
}

/// How an endpoint answers.
#[derive(Clone, Copy)]
enum Kind {
    /// Not at all.
    Never,
    /// With a message, and then no end.
    Begins,
    /// That it cannot be asked now.
    Fails,
}

/// What an endpoint hears.
#[derive(Debug)]
enum Heard {
    /// A request, with this for a limit.
    Asked(Option<String>),
    /// It was broken off.
    Broken,
}

/// Answers a request and tells how its body ends.
async fn answer(kind: Kind, request: Request<Incoming>, tell: mpsc::UnboundedSender<Heard>) -> Response<Body> {
    let limit = request.headers().get("grpc-timeout").map(|v| v.to_str().unwrap().to_owned());
    tell.send(Heard::Asked(limit)).unwrap();
    let mut incoming = request.into_body();
    let (pieces, answered) = body();
    if matches!(kind, Kind::Fails) {
        return Response::builder().header("grpc-status", "14").body(Body::default()).unwrap();
    }
    let reading = async move {
        while let Some(frame) = incoming.frame().await {
            if frame.is_err() {
                let _ = tell.send(Heard::Broken);
                return;
            }
        }
    };
    if matches!(kind, Kind::Never) {
        reading.await;
        return std::future::pending().await;
    }
    pieces.send(Ok(Frame::data(MESSAGE))).await.unwrap();
    tokio::spawn(async move {
        reading.await;
        // It has no end of its own.
        pieces.closed().await;
    });
    Response::new(answered)
}

/// Adds an endpoint, and returns what it hears.
async fn endpoint(bench: &Bench, kind: Kind) -> mpsc::UnboundedReceiver<Heard> {
    let listener = TcpListener::bind((Ipv4Addr::from([127, 0, 3, 31]), 0)).await.unwrap();
    bench.endpoint("web", listener.local_addr().unwrap());
    let (tell, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let tell = tell.clone();
            let service = service_fn(move |request| {
                let answering = answer(kind, request, tell.clone());
                async move { Ok::<_, std::convert::Infallible>(answering.await) }
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(builder.serve_connection(TokioIo::new(socket), service));
        }
    });
    heard
}

/// What a client got.
struct Got {
    head: HeaderMap,
    bytes: Bytes,
    trailers: HeaderMap,
    took: Duration,
}

/// Asks with a request that never ends.
async fn ask(bench: &Bench, limit: &str) -> Got {
    let stream = TokioIo::new(bench.connect(Spoken::Http2));
    let (mut sender, connection) = http2::handshake::<_, _, Body>(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let (pieces, asked) = body();
    pieces.send(Ok(Frame::data(MESSAGE))).await.unwrap();
    let mut request = Request::post("http://web/a.B/C").header("content-type", "application/grpc");
    if !limit.is_empty() {
        request = request.header("grpc-timeout", limit);
    }
    let begun = Instant::now();
    let answer = timeout(LONG, sender.send_request(request.body(asked).unwrap())).await.expect("an answer").unwrap();
    let (head, incoming) = answer.into_parts();
    assert_eq!(head.status, 200);
    let whole = timeout(LONG, incoming.collect()).await.expect("an end").expect("no reset");
    let (took, trailers) = (begun.elapsed(), whole.trailers().cloned().unwrap_or_default());
    Got { head: head.headers, bytes: whole.to_bytes(), trailers, took }
}

async fn next(heard: &mut mpsc::UnboundedReceiver<Heard>) -> Heard {
    timeout(LONG, heard.recv()).await.expect("in time").expect("the endpoint is there")
}

/// Returns for how long an endpoint was told that it may work, in milliseconds.
async fn told(heard: &mut mpsc::UnboundedReceiver<Heard>) -> u64 {
    match next(heard).await {
        Heard::Asked(Some(limit)) => limit.strip_suffix('m').expect("milliseconds").parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn limited(millis: u64) -> impl FnOnce(&mut HttpRule) {
    move |rule| rule.timeout = Some(Duration::from_millis(millis))
}

#[tokio::test]
async fn the_earlier_of_two_limits_ends_a_request() {
    // What the client says, what the rule says, what the endpoint is told at most.
    for (said, rule, most) in [
        ("300m", None, 300),
        ("300m", Some(5_000), 300),
        ("300000u", Some(0), 300),
        ("1H", Some(300), 300),
        ("", Some(300), 300),
        ("x", Some(300), 300),
    ] {
        let bench = Bench::new();
        let mut heard = endpoint(&bench, Kind::Never).await;
        if let Some(millis) = rule {
            bench.rule(limited(millis));
        }
        let got = ask(&bench, said).await;
        assert_eq!(got.head["grpc-status"], "4", "{said} {rule:?}");
        let range = Duration::from_millis(280)..Duration::from_secs(3);
        assert!(range.contains(&got.took), "{said} {rule:?}: {:?}", got.took);
        let limit = told(&mut heard).await;
        assert!((1..=most).contains(&limit), "{said} {rule:?}: {limit}");
        assert!(matches!(next(&mut heard).await, Heard::Broken), "the endpoint's stream is reset");
        let counted = |label: &str| bench.counted_as("web", label);
        assert_eq!(
            (counted("response_flags=\"UT\""), counted("grpc_response_status=\"4\"")),
            (1, 1),
            "{said} {rule:?}"
        );
    }
}

#[tokio::test]
async fn a_stream_that_began_ends_with_the_status_and_resets_the_endpoint() {
    for (said, rule) in [("400m", None), ("", Some(400))] {
        let bench = Bench::new();
        let mut heard = endpoint(&bench, Kind::Begins).await;
        if let Some(millis) = rule {
            bench.rule(limited(millis));
        }
        let got = ask(&bench, said).await;
        assert_eq!((got.bytes, got.trailers["grpc-status"].as_bytes()), (MESSAGE, &b"4"[..]));
        assert!(got.took >= Duration::from_millis(380), "{:?}", got.took);
        told(&mut heard).await;
        assert!(matches!(next(&mut heard).await, Heard::Broken), "the endpoint's stream is reset");
        let counted = |label: &str| bench.counted_as("web", label);
        assert_eq!((counted("response_flags=\"UT\""), counted("grpc_response_status=\"4\"")), (1, 1));
    }
}

#[tokio::test]
async fn tries_share_the_limit() {
    let bench = Bench::new();
    let mut heard = endpoint(&bench, Kind::Fails).await;
    bench.rule(|rule| {
        let (on, backoff) = (vec![RetryOn::Grpc(14)], Some(Duration::from_millis(150)));
        rule.retry = Some(Retry { attempts: 50, on, backoff, ..Retry::default() });
    });
    // A pause between two of them lasts longer than the limit sooner or later.
    let got = ask(&bench, "600m").await;
    assert!(got.took < Duration::from_millis(1500), "{:?}", got.took);
    assert!(["4", "14"].iter().any(|status| got.head["grpc-status"] == **status), "{:?}", got.head);
    let (first, second) = (told(&mut heard).await, told(&mut heard).await);
    assert!(second + 50 < first && first <= 600, "{first} {second}");
}

#[tokio::test]
async fn what_means_nothing_is_passed_on_and_limits_nothing() {
    for said in ["5", "0m", "-1S", "1s"] {
        let bench = Bench::new();
        let mut heard = endpoint(&bench, Kind::Fails).await;
        let got = ask(&bench, said).await;
        assert_eq!(got.head["grpc-status"], "14");
        let Heard::Asked(told) = next(&mut heard).await else { panic!("broken off") };
        assert_eq!(told.as_deref(), Some(said));
    }
}

#[tokio::test]
async fn nothing_but_grpc_is_limited_by_it() {
    let bench = Bench::new();
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let mut heard = bench.peer("web", [127, 0, 3, 32], answer).await;
    let got = bench.say("GET / HTTP/1.1\r\nhost: web\r\ngrpc-timeout: 1n\r\n\r\n").await;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    assert!(super::bench::next(&mut heard).await.contains("grpc-timeout: 1n\r\n"));
}
