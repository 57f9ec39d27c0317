//! Going over to another protocol, between all versions of HTTP.

use std::{
    convert::Infallible,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::Empty;
use hyper::{body::Incoming, client::conn, ext::Protocol, service::service_fn, upgrade::Upgraded};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use model::{
    l7::{
        Resource,
        destination::{DestinationPolicy, Pool, TrafficPolicy},
        external_auth::ExternalAuth,
        filter::{Abort, DirectResponse, Fault, Share},
        matching::Source,
        route::{Action, HttpRule},
    },
    service::TargetPort,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};

use super::{
    bench::{Bench, PORT, key},
    external_auth::{auth, http},
};
use crate::sniff::Spoken;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// RFC 6455 1.3
const SHOWN: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// How an endpoint answers.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Goes over from any version.
    Both,
    /// From HTTP/1.1 alone, though it speaks HTTP/2.
    OldOnly,
    /// As if it knew of nothing.
    Plain,
    /// Goes over without having read the key.
    Blind,
    /// Goes over though nobody asked.
    Eager,
}

/// Answers a request, and says how it came.
async fn answer(kind: Kind, mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut answer = Response::new(Empty::new());
    answer.headers_mut().insert("x-came", format!("{:?} {}", request.version(), request.method()).parse().unwrap());
    if kind == Kind::Plain {
        return Ok(answer);
    }
    if kind == Kind::Eager {
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        return Ok(answer);
    }
    let asked = request.headers();
    if request.version() == Version::HTTP_11 {
        assert!(asked["upgrade"] == "websocket" && asked["connection"] == "upgrade", "{asked:?}");
        let key = if kind == Kind::Blind { "other" } else { asked["sec-websocket-key"].to_str().unwrap() };
        let hash = [key, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, hash.as_bytes());
        let shown = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, hash);
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        for (name, value) in [("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-accept", &shown)] {
            answer.headers_mut().insert(name, value.parse().unwrap());
        }
    } else {
        assert_eq!(request.extensions().get::<Protocol>().map(AsRef::as_ref), Some(&b"websocket"[..]));
        assert!(["upgrade", "connection", "sec-websocket-key"].iter().all(|name| !asked.contains_key(*name)));
    }
    let going = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let (mut reader, mut writer) = tokio::io::split(TokioIo::new(going.await.unwrap()));
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
        let _ = writer.shutdown().await;
    });
    Ok(answer)
}

/// A waypoint of an endpoint whose port is declared as a protocol.
async fn bench(kind: Kind, protocol: i32) -> Bench {
    counting(kind, protocol).await.0
}

/// The same, and how many connections the endpoint had.
async fn counting(kind: Kind, protocol: i32) -> (Bench, Arc<AtomicUsize>) {
    let opened = Arc::new(AtomicUsize::new(0));
    let count = opened.clone();
    let bench = Bench::new();
    let listener = TcpListener::bind((Ipv4Addr::from([127, 0, 3, 9]), 0)).await.unwrap();
    bench.endpoint("web", listener.local_addr().unwrap());
    bench.shared.store.update(|world| {
        let mut service = (**world.services.get(&key("web")).unwrap()).clone();
        service.ports.insert(PORT, TargetPort { target_port: 0, app_protocol: protocol });
        world.insert_service(service);
    });
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let mut builder = auto::Builder::new(TokioExecutor::new());
            if kind == Kind::Both {
                builder.http2().enable_connect_protocol();
            }
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(kind, request));
                let _ = builder.serve_connection_with_upgrades(TokioIo::new(socket), service).await;
            });
        }
    });
    (bench, opened)
}

/// Asks for WebSocket; returns the answer, and the connection if it went over.
async fn ask(bench: &Bench, is_2: bool) -> (StatusCode, HeaderMap, Option<Upgraded>) {
    let request = Request::builder().header("sec-websocket-version", "13");
    ask_for(bench, is_2, "websocket", request).await
}

/// Asks for a protocol with a request.
async fn ask_for(
    bench: &Bench,
    is_2: bool,
    protocol: &'static str,
    request: http::request::Builder,
) -> (StatusCode, HeaderMap, Option<Upgraded>) {
    let mut answer = if is_2 {
        let stream = TokioIo::new(bench.connect(Spoken::Http2));
        let (mut sender, connection) = conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        // What the waypoint can is known once its settings came.
        while !connection.is_extended_connect_protocol_enabled() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::spawn(connection);
        let request = request.method(Method::CONNECT).uri("http://web/chat").extension(Protocol::from_static(protocol));
        sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap()
    } else {
        let stream = TokioIo::new(bench.connect(Spoken::Http1));
        let (mut sender, connection) = conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        let request = request.uri("/chat").header("host", "web").header("connection", "upgrade");
        let request = request.header("upgrade", protocol).header("sec-websocket-key", KEY);
        sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap()
    };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let went = status == if is_2 { StatusCode::OK } else { StatusCode::SWITCHING_PROTOCOLS };
    let upgraded = if went { hyper::upgrade::on(&mut answer).await.ok() } else { None };
    (status, headers, upgraded)
}

#[tokio::test]
async fn websocket_goes_between_all_versions() {
    // Of the client, what the port is declared as, what the endpoint can, how it is asked.
    for (is_2, protocol, kind, came) in [
        (false, 0, Kind::Both, "HTTP/1.1 GET"),
        (false, 1, Kind::Both, "HTTP/1.1 GET"),
        (false, 2, Kind::Both, "HTTP/2.0 CONNECT"),
        (false, 2, Kind::OldOnly, "HTTP/1.1 GET"),
        (true, 0, Kind::Both, "HTTP/2.0 CONNECT"),
        (true, 0, Kind::OldOnly, "HTTP/1.1 GET"),
        (true, 1, Kind::Both, "HTTP/1.1 GET"),
    ] {
        let bench = bench(kind, protocol).await;
        let (status, headers, upgraded) = ask(&bench, is_2).await;
        assert_eq!(headers["x-came"], came, "{is_2} {protocol} {status}");
        let shown = (!is_2).then_some(SHOWN);
        assert_eq!(headers.get("sec-websocket-accept").map(|v| v.to_str().unwrap()), shown, "{is_2} {protocol}");
        let mut io = TokioIo::new(upgraded.expect("it goes over"));
        for text in ["hello", "again"] {
            io.write_all(text.as_bytes()).await.unwrap();
            io.flush().await.unwrap();
            let mut back = [0; 5];
            io.read_exact(&mut back).await.unwrap();
            assert_eq!(&back, text.as_bytes());
        }
        io.shutdown().await.unwrap();
        assert_eq!(io.read(&mut [0; 8]).await.unwrap(), 0, "an end is passed on");
        assert_eq!(bench.counted("web", status.as_u16()), 1, "{is_2} {protocol}");
    }
}

#[tokio::test]
async fn an_endpoint_is_asked_once_whether_it_goes_over_from_http2() {
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let (bench, opened) = counting(Kind::OldOnly, 2).await;
        let begun = Instant::now();
        for connections in [2, 3, 4] {
            let (status, _, upgraded) = ask(&bench, true).await;
            assert_eq!((status, upgraded.is_some()), (StatusCode::OK, true));
            assert_eq!(opened.load(Ordering::Relaxed), connections, "of which the first found out");
        }
        fastest = fastest.min(begun.elapsed());
    }
    assert!(fastest < Duration::from_millis(400), "its settings say it at once: {fastest:?}");
}

#[tokio::test]
async fn silence_ends_what_went_over() {
    let silence = Duration::from_millis(800);
    for is_2 in [true, false] {
        let bench = bench(Kind::Both, 0).await;
        let pool = Pool { tcp_idle: Some(silence), ..Pool::default() };
        let traffic = TrafficPolicy { pool, ..TrafficPolicy::default() };
        let (name, service, source) = ("policy".into(), key("web"), Source::default());
        let policy = DestinationPolicy { name, service, source, port: None, subset: None, traffic };
        bench.told(Resource::Destination(policy));
        let (_, _, upgraded) = ask(&bench, is_2).await;
        let mut io = TokioIo::new(upgraded.expect("it goes over"));
        let begun = Instant::now();
        // What is said in time keeps it open.
        for _ in 0..12 {
            tokio::time::sleep(silence / 8).await;
            io.write_all(b"x").await.unwrap();
            io.flush().await.unwrap();
            assert_eq!(io.read_u8().await.unwrap(), b'x');
        }
        let ended = tokio::time::timeout(silence * 20, io.read_u8()).await.expect("an end");
        assert!(ended.is_err() && begun.elapsed() > silence * 2, "{is_2} {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn an_endpoint_that_does_not_go_over_misleads_nobody() {
    for (is_2, kind, wanted) in [(false, Kind::Plain, 200), (true, Kind::Plain, 502), (true, Kind::Blind, 502)] {
        let (status, _, upgraded) = ask(&bench(kind, 1).await, is_2).await;
        assert_eq!((status.as_u16(), upgraded.is_some()), (wanted, false), "{is_2}");
    }
    let answer = bench(Kind::Eager, 1).await.say("GET / HTTP/1.1\r\nhost: web\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

#[tokio::test]
async fn nobody_but_an_endpoint_opens() {
    let fault = |abort| Some(Fault { delay: None, abort: Some((Share::ALL, abort)) });
    let says = |status| Action::Respond(DirectResponse { status, body: "".into() });
    type Change<'c> = &'c dyn Fn(&mut HttpRule);
    // Who answers instead of the endpoint, what is asked for, and the status from HTTP/2 and from HTTP/1.1.
    let rows: [(&str, Change<'_>, &str, [u16; 2]); 8] = [
        ("a rule", &|rule| rule.action = says(200), "websocket", [501, 200]),
        ("a rule without a body", &|rule| rule.action = says(204), "websocket", [501, 204]),
        ("a rule that goes over", &|rule| rule.action = says(101), "websocket", [501, 501]),
        ("a rule that says no", &|rule| rule.action = says(403), "websocket", [403, 403]),
        ("a fault", &|rule| rule.fault = fault(Abort::Http(202)), "websocket", [501, 202]),
        ("a fault of gRPC", &|rule| rule.fault = fault(Abort::Grpc(5)), "websocket", [501, 200]),
        (
            "whom it asks",
            &|rule| {
                let auth = auth(http("", &[], &[]), None);
                rule.external_auth = Some(ExternalAuth { status_on_error: Some(200), ..auth });
            },
            "websocket",
            [501, 200],
        ),
        ("the protocol", &|rule| rule.action = says(200), "h2c", [501, 200]),
    ];
    for (name, change, protocol, wanted) in rows {
        for (is_2, wanted) in [true, false].into_iter().zip(wanted) {
            let bench = bench(Kind::Both, 0).await;
            bench.service("auth");
            bench.rule(change);
            for content in ["text/plain", "application/grpc"] {
                // As to a client of HTTP/1.1 nothing but 101 opens, gRPC has its way there.
                if content == "application/grpc" && !is_2 {
                    continue;
                }
                let request = Request::builder().header("content-type", content);
                let (status, _, upgraded) = ask_for(&bench, is_2, protocol, request).await;
                assert_eq!((status.as_u16(), upgraded.is_some()), (wanted, false), "{name} {is_2} {content}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_is_led_on_by_connect() {
    let bench = bench(Kind::Both, 0).await;
    bench.rule(|rule| rule.action = Action::Respond(DirectResponse { status: 200, body: "".into() }));
    let stream = TokioIo::new(bench.connect(Spoken::Http2));
    let (mut sender, connection) = conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    for authority in ["web:80", "other.example.com:443"] {
        let request = Request::connect(authority).body(Empty::<Bytes>::new()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED, "{authority}");
        let text = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n\x16\x03\x01");
        let answer = bench.say(text).await;
        assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("connection: close"), "{answer}");
    }
}
