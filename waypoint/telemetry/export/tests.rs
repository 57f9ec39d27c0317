use std::{convert::Infallible, net::SocketAddr, sync::Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use model::l7::telemetry::Tracing;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::telemetry::{facts::Facts, log, span};

/// A connection to one address, whatever is asked for.
#[derive(Clone)]
pub(in crate::telemetry) struct To(pub SocketAddr);

impl Dial for To {
    async fn dial(&self, _: &Collector) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        TcpStream::connect(self.0).await
    }
}

type Heard = Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>;

/// A collector that keeps what it hears, in HTTP/1.1 or in HTTP/2.
async fn collector(two: bool, grpc: &'static str) -> (SocketAddr, Heard) {
    let heard = Heard::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (address, keep) = (listener.local_addr().expect("bound"), heard.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let keep = keep.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let keep = keep.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.expect("a body").to_bytes();
                    keep.lock().expect("alive").push((parts.uri.path().to_owned(), parts.headers, body));
                    let trailers = HeaderMap::from_iter([(
                        "grpc-status".parse().expect("a name"),
                        grpc.parse().expect("a value"),
                    )]);
                    let frames =
                        if two { vec![Ok::<_, Infallible>(Frame::<Bytes>::trailers(trailers))] } else { vec![] };
                    Ok::<_, Infallible>(Response::new(StreamBody::new(futures::stream::iter(frames))))
                }
            });
            let io = TokioIo::new(stream);
            if two {
                tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(io, service));
            } else {
                tokio::spawn(http1::Builder::new().serve_connection(io, service));
            }
        }
    });
    (address, heard)
}

fn facts() -> Facts {
    let identity = "spiffe://cluster.local/ns/web/sa/front".parse().expect("an identity");
    let headers = [
        ("x-user", "a\nb"),
        ("user-agent", "curl"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ];
    let headers = headers.into_iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
    let headers: HeaderMap = headers.collect();
    let context =
        crate::telemetry::context::Context::of(&headers, crate::telemetry::context::Forms::of_new(false), || false);
    Facts {
        time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        duration: Duration::from_millis(42),
        method: http::Method::GET,
        path: "/a?b=1".to_owned(),
        authority: "orders".to_owned(),
        id: None,
        version: http::Version::HTTP_2,
        is_grpc: false,
        status: 503,
        grpc: None,
        flags: "UF,URX".to_owned(),
        reason: None,
        rule: None,
        client: ([10, 0, 0, 1], 4000).into(),
        identity,
        source: None,
        asked: ([10, 96, 0, 1], 80).into(),
        destination: None,
        service: None,
        address: Some(([10, 0, 0, 2], 8080).into()),
        received: 5,
        sent: 7,
        headers: Some(headers),
        answered: Some(HeaderMap::from_iter([("x-b".parse().expect("a name"), "c".parse().expect("a value"))])),
        context: Some(context),
    }
}

fn provider(kind: Value) -> Provider {
    serde_json::from_value(json!({"name": "p", "kind": kind})).expect("a provider")
}

async fn told(heard: &Heard) -> (String, HeaderMap, Bytes) {
    for _ in 0..500 {
        if let Some(one) = heard.lock().expect("alive").pop() {
            return one;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the collector heard nothing");
}

fn send(exporters: &Exporters) -> (u128, u64) {
    let facts = facts();
    let context = facts.context.as_ref().expect("begun");
    match exporters.sink("p").as_deref() {
        Some(Sink::Spans { .. }) => exporters.span("p", span::of(&facts, context, &Tracing::default())),
        Some(Sink::Log { format, labels, queue }) => {
            exporters.entry("p", queue, log::entry(&facts, format, labels));
        }
        None => panic!("there is none"),
    }
    (context.trace, context.span)
}

fn has(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn collectors_are_told() {
    let at = json!({"host": "c", "port": 1});
    let with = json!({"host": "c", "port": 1, "path": "/p", "headers": {"x-key": "k"}});
    let records = json!({"collector": at, "name": "log", "format": {"text": "%RESPONSE_CODE%"}, "labels": {"m": "%REQ(:METHOD)%"}});
    let rows = [
        (json!({"openTelemetry": with}), false, "/p", "application/x-protobuf"),
        (
            json!({"openTelemetry": at}),
            true,
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            "application/grpc",
        ),
        (json!({"zipkin": with}), false, "/p", "application/json"),
        (
            json!({"records": records}),
            true,
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            "application/grpc",
        ),
    ];
    for (kind, two, path, content_type) in rows {
        let (address, heard) = collector(two, "0").await;
        let exporters = Exporters::new(&mut Registry::default());
        exporters.sync(&[provider(kind.clone())], "w.shop", &To(address));
        let (trace, span) = send(&exporters);
        let (asked, headers, body) = told(&heard).await;
        assert_eq!((&*asked, headers["content-type"].as_bytes()), (path, content_type.as_bytes()), "{kind}");
        assert_eq!(headers.contains_key("x-key"), !two, "{kind}");
        if content_type == "application/json" {
            let spans: Value = serde_json::from_slice(&body).expect("JSON");
            let one = &spans[0];
            assert_eq!(
                (&one["traceId"], &one["id"]),
                (&format!("{trace:032x}").into(), &format!("{span:016x}").into())
            );
            assert_eq!((&one["parentId"], &one["kind"]), (&"00f067aa0ba902b7".into(), &"SERVER".into()));
            assert_eq!((&one["timestamp"], &one["duration"]), (&1_700_000_000_123_000_u64.into(), &42_000.into()));
            assert_eq!(one["localEndpoint"]["serviceName"], "w.shop");
            let tags = &one["tags"];
            assert_eq!((&tags["http.status_code"], &tags["error"]), (&"503".into(), &"true".into()));
            assert_eq!(tags["istio.source_principal"], "spiffe://cluster.local/ns/web/sa/front");
        } else {
            assert!(has(&body, &trace.to_be_bytes()) && has(&body, &span.to_be_bytes()), "{kind}");
            assert!(has(&body, b"service.name") && has(&body, b"w.shop"), "{kind}");
            let length = u32::try_from(body.len()).expect("short") - 5;
            assert!(!two || body[..5] == [&[0][..], &length.to_be_bytes()].concat(), "{kind}: one message");
        }
        assert_eq!(exporters.lost.get_or_create(&[("provider", "p".to_owned())]).get(), 0, "{kind}");
    }
}

#[tokio::test]
async fn what_is_lost_is_counted() {
    let nobody = To(([127, 0, 0, 1], 1).into());
    let (refusing, _) = collector(true, "14").await;
    let kind = json!({"openTelemetry": {"host": "c", "port": 1}});
    for dial in [nobody.clone(), To(refusing)] {
        let exporters = Exporters::new(&mut Registry::default());
        exporters.sync(&[provider(kind.clone())], "w", &dial);
        send(&exporters);
        send(&exporters);
        let lost = exporters.lost.get_or_create_owned(&[("provider", "p".to_owned())]);
        for _ in 0..500 {
            if lost.get() == 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(lost.get(), 2);
    }
    // A queue that nobody empties.
    let exporters = Exporters::new(&mut Registry::default());
    exporters.sync(&[provider(kind.clone())], "w", &nobody);
    (0..QUEUE + 3).for_each(|_| _ = send(&exporters));
    assert_eq!(exporters.lost.get_or_create(&[("provider", "p".to_owned())]).get(), 3);
    // One that is the same goes on, one that is gone is gone.
    let before = exporters.sink("p");
    exporters.sync(&[provider(kind)], "w", &nobody);
    assert!(before.zip(exporters.sink("p")).is_some_and(|(a, b)| Arc::ptr_eq(&a, &b)));
    exporters.sync(&[], "w", &nobody);
    assert!(exporters.sink("p").is_none());
}

#[tokio::test]
async fn lines_are_written_as_formats_say() {
    let rows = [
        (
            json!({"text": "[%START_TIME%] %REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%\n"}),
            "[2023-11-14T22:13:20.123Z] GET /a?b=1 HTTP/2\n",
        ),
        (json!({"text": "%START_TIME(%Y/%m/%d %H:%M:%S.%6f %s)%\n"}), "2023/11/14 22:13:20.123000 1700000000\n"),
        (
            json!({"text": "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_SENT% %BYTES_RECEIVED% %DURATION%\n"}),
            "503 UF,URX 7 5 42\n",
        ),
        (json!({"text": "%REQ(X-NONE?USER-AGENT):2% %RESP(X-B)% %REQ(X-NONE)%\n"}), "cu c -\n"),
        (
            json!({"text": "%UPSTREAM_HOST% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"}),
            "10.0.0.2:8080 10.0.0.1:4000 - -\n",
        ),
        (json!({"text": "%TRACE_ID%\n"}), "4bf92f3577b34da6a3ce929d0e0e4736\n"),
        (
            json!({"json": {"code": "%RESPONSE_CODE%", "none": "%ROUTE_NAME%", "both": "a %PROTOCOL%"}}),
            "{\"both\":\"a HTTP/2\",\"code\":503,\"none\":null}\n",
        ),
    ];
    let path = std::env::temp_dir().join(format!("waypoint-log-{}", std::process::id()));
    for (format, wanted) in rows {
        let exporters = Exporters::new(&mut Registry::default());
        let nobody = To(([127, 0, 0, 1], 1).into());
        exporters.sync(&[provider(json!({"file": {"path": path, "format": format}}))], "w", &nobody);
        send(&exporters);
        let begun = Instant::now();
        exporters.finish(PATIENCE).await;
        assert!(begun.elapsed() < PAUSE, "nothing more is waited for");
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        let _ = std::fs::remove_file(&path);
        assert_eq!(found, wanted, "{format}");
    }
}
