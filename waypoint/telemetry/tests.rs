//! Whole requests: what comes of Telemetry objects at the server, at the collector and in metrics.

use std::{net::SocketAddr, sync::Mutex, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1 as client, server::conn::http1 as server, service::service_fn};
use hyper_util::rt::TokioIo;
use identity::{
    channel::ControlPlane,
    client::{Asking, RemoteAuthority},
    manager::Manager,
};
use model::{Workload, l7::Resource, workload::Name};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{export::tests::To, *};
use crate::{
    Config,
    config::Measures,
    inbound::{Client, Inbound, Target},
    requests,
    sniff::Spoken,
};

type Heard = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A server that keeps what it hears and answers with a body.
async fn listening(body: &'static [u8]) -> (SocketAddr, Heard) {
    let heard = Heard::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (address, keep) = (listener.local_addr().expect("bound"), heard.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let keep = keep.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let keep = keep.clone();
                async move {
                    let (parts, asked) = request.into_parts();
                    let asked = asked.collect().await.expect("a body").to_bytes();
                    keep.lock().expect("alive").push((parts.headers, asked));
                    let answer = Response::builder().header("grpc-status", "0").header("x-answer", "yes");
                    answer.body(Full::new(Bytes::from_static(body)))
                }
            });
            tokio::spawn(server::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, heard)
}

fn shared() -> (Arc<Shared>, Registry) {
    let anywhere: SocketAddr = ([127, 0, 0, 1], 0).into();
    let text = |text: &str| text.to_owned();
    let config = Config {
        waypoint: "shop/w".to_owned().try_into().expect("a key"),
        pod_name: text("w"),
        service_account: text("w"),
        instance_ip: text("10.0.0.9"),
        node_name: text("n"),
        cluster_id: text("c"),
        network: text(""),
        trust_domain: text("cluster.local"),
        xds_address: text("x:1"),
        ca_address: text("x:1"),
        xds_roots: "none".into(),
        ca_roots: "none".into(),
        token: "none".into(),
        certificate_lifetime: Duration::from_secs(60),
        grace: Duration::from_secs(1),
        workers: 1,
        measures: Measures { durations: [1e6].into(), sizes: [64.0].into(), series: 100 },
        hbone: anywhere,
        admin: anywhere,
        stats: anywhere,
        readiness: anywhere,
    };
    let ca = ControlPlane { host: text("x"), port: 1, roots: "none".into(), token: "none".into(), cluster: text("c") };
    let authority = RemoteAuthority::new(ca, Asking::ForItself).expect("settings");
    let identity = config.identity().expect("an identity");
    let certificates = Manager::new(Arc::new(authority), config.certificate_lifetime);
    let (shared, registry) = Shared::new(config, identity, certificates).expect("a thread");
    (Arc::new(shared), registry)
}

fn observe(shared: &Shared, fields: &Value) {
    let mut object = json!({"namespace": "istio-system", "name": "t", "created": "", "scope": "mesh"});
    object.as_object_mut().expect("fields").extend(fields.as_object().cloned().unwrap_or_default());
    let resource: Resource = serde_json::from_value(json!({"telemetry": object})).expect("right");
    shared.store.update_l7(|state| state.insert(resource));
}

/// Sends a request through the waypoint to a server.
async fn send(shared: &Arc<Shared>, to: SocketAddr, request: Request<Full<Bytes>>) -> Response<Bytes> {
    let name = |name: &str| Name::from(name);
    let workload = Workload {
        name: name("orders"),
        uid: name("orders"),
        namespace: name("shop"),
        service_account: name("orders"),
        ..Workload::default()
    };
    let inbound = Inbound {
        shared: shared.clone(),
        client: Client {
            address: ([10, 0, 0, 1], 4000).into(),
            identity: "spiffe://cluster.local/ns/web/sa/front".parse().expect("an identity"),
            workload: None,
        },
        target: Target::Workload(Arc::new(workload), to),
        destination: to,
        at_hand: AtHand::default(),
        introduction: std::sync::OnceLock::new(),
    };
    let (near, far) = tokio::io::duplex(1 << 16);
    tokio::spawn(requests::serve(Arc::new(inbound), far, None, Spoken::Http1, Drain::new()));
    let (mut sender, connection) = client::handshake(TokioIo::new(near)).await.expect("a connection");
    tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await.expect("an answer").into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Response::from_parts(parts, body)
}

fn request(headers: &[(&str, &str)], body: &'static [u8]) -> Request<Full<Bytes>> {
    let mut request = Request::post("/a?b=1").version(Version::HTTP_11).header("host", "orders.shop");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(Bytes::from_static(body))).expect("a request")
}

async fn scraped(registry: &Registry, line: &str) {
    let mut text = String::new();
    for _ in 0..300 {
        text.clear();
        prometheus_client::encoding::text::encode(&mut text, registry).expect("encodes");
        if text.contains(line) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{line} is not in\n{text}");
}

#[tokio::test]
async fn a_request_is_traced_measured_and_logged_as_objects_say() {
    // Three messages of gRPC, and two in the request.
    let (to, seen) = listening(b"\0\0\0\0\x01a\0\0\0\0\0\0\0\0\0\0").await;
    let (collector, told) = listening(b"").await;
    let (shared, registry) = shared();
    let path = std::env::temp_dir().join(format!("waypoint-telemetry-{}", std::process::id()));
    let providers: Vec<Provider> = serde_json::from_value(json!([
        {"name": "zipkin", "kind": {"zipkin": {"host": "z", "port": 1, "path": "/"}}},
        {"name": "file", "kind": {"file": {"path": path, "format": {"text": "%REQ(X-USER)% %RESP(X-ANSWER)% %RESPONSE_CODE%\n"}}}},
    ]))
    .expect("providers");
    shared.exporters.sync(&providers, "w.shop", &To(collector));
    observe(
        &shared,
        &json!({
            "tracing": [{"provider": "zipkin", "sampling": 100.0, "tags": {"user": {"header": ["x-user", ""]}}}],
            "logging": [{"providers": ["file"], "filter": "request.headers['x-user'] != 'quiet'"}],
            "metrics": [{"metric": "requestCount", "tags": {"host": "request.host", "source_app": null}}],
        }),
    );
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let body = b"\0\0\0\0\0\0\0\0\0\x02ab";
    let headers = [("traceparent", &*parent), ("x-user", "me"), ("content-type", "application/grpc")];
    let answer = send(&shared, to, request(&headers, body)).await;
    assert_eq!((answer.status().as_u16(), answer.body().len()), (200, 16), "{:?}", answer.headers());
    send(&shared, to, request(&[("x-user", "quiet")], b"")).await;

    let (seen, _) = seen.lock().expect("alive")[0].clone();
    let went = seen["traceparent"].to_str().expect("text").to_owned();
    assert!(went.starts_with(&format!("00-{trace}-")) && went.ends_with("-01") && went != parent, "{went}");
    scraped(&registry, "host=\"orders.shop\"} 1").await;
    scraped(&registry, "request_protocol=\"grpc\"").await;
    let messages = |name: &str| {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
        text.lines().find(|l| l.starts_with(name)).and_then(|l| l.rsplit_once(' ')).map(|(_, n)| n.to_owned())
    };
    assert_eq!(messages("istio_request_messages_total").as_deref(), Some("2"));
    assert_eq!(messages("istio_response_messages_total").as_deref(), Some("3"));

    shared.exporters.finish(Duration::from_secs(5)).await;
    let heard: Vec<Value> = {
        let told = told.lock().expect("alive");
        told.iter().flat_map(|(_, body)| serde_json::from_slice::<Vec<Value>>(body).expect("spans")).collect()
    };
    let span = heard.iter().find(|span| span["traceId"] == trace).expect("it was told");
    assert_eq!((&span["parentId"], &span["tags"]["user"]), (&"00f067aa0ba902b7".into(), &"me".into()));
    assert!(went.contains(span["id"].as_str().expect("an id")), "the server's parent is our span");
    assert_eq!(heard.len(), 2, "the other began a trace of its own");
    assert_eq!(std::fs::read_to_string(&path).expect("a log"), "me yes 200\n");
    let _ = std::fs::remove_file(&path);
}

#[tokio::test]
async fn what_no_object_says_is_as_the_mesh_says() {
    let (to, seen) = listening(b"").await;
    let (collector, told) = listening(b"").await;
    let (shared, _) = shared();
    let path = std::env::temp_dir().join(format!("waypoint-defaults-{}", std::process::id()));
    let settings: Resource = serde_json::from_value(json!({"settings": {
        "waypoint": "shop/w", "traffic": "service", "rootNamespace": "istio-system", "trustDomains": [],
        "normalization": "base",
        "providers": [
            {"name": "envoy", "kind": {"file": {"path": path, "format": {"json": {
                "user": "%REQ(X-USER)%", "http": {"all": ["%RESPONSE_CODE%", "%REQ(X-NONE)%", "%REQ(:METHOD)% x", 1.5, null]},
            }}}}},
            {"name": "spans", "kind": {"zipkin": {"host": "z", "port": 1, "path": "/"}}},
        ],
        "defaults": {"tracing": "spans", "sampling": 100.0},
    }}))
    .expect("right");
    let Resource::Settings(said) = &settings else { panic!("they are settings") };
    shared.exporters.sync(&said.providers, "w", &To(collector));
    shared.store.update_l7(|state| state.insert(settings));
    send(&shared, to, request(&[("x-user", "me")], b"")).await;
    observe(&shared, &json!({"logging": [{"disabled": true}], "tracing": [{"disabled": true}]}));
    send(&shared, to, request(&[("x-user", "you")], b"")).await;
    {
        let seen = seen.lock().expect("alive");
        assert_eq!(
            (&seen[0].0["x-b3-sampled"], seen[1].0.contains_key("x-b3-sampled")),
            (&"1".parse().expect("a value"), false)
        );
    }
    shared.exporters.finish(Duration::from_secs(5)).await;
    assert_eq!(told.lock().expect("alive").len(), 1);
    assert_eq!(
        std::fs::read_to_string(&path).expect("a log"),
        concat!(r#"{"http":{"all":[200,null,"POST x",1.5,null]},"user":"me"}"#, "\n")
    );
    let _ = std::fs::remove_file(&path);
}

#[tokio::test]
async fn headers_of_traces_stay_where_no_span_is_reported() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    let rows = [
        json!({}),
        json!({"tracing": [{"provider": "none"}]}),
        json!({"tracing": [{"provider": "zipkin", "disabled": true}]}),
        json!({"tracing": [{"provider": "zipkin", "silent": true}]}),
    ];
    for fields in rows {
        let (to, seen) = listening(b"").await;
        let (shared, _) = shared();
        let providers: Vec<Provider> = serde_json::from_value(
            json!([{"name": "zipkin", "kind": {"zipkin": {"host": "z", "port": 1, "path": "/"}}}]),
        )
        .expect("providers");
        shared.exporters.sync(&providers, "w", &To(to));
        observe(&shared, &fields);
        send(&shared, to, request(&[("traceparent", parent)], b"")).await;
        send(&shared, to, request(&[], b"")).await;
        let seen = seen.lock().expect("alive");
        assert_eq!(seen[0].0["traceparent"], parent, "{fields}");
        assert!(!seen[1].0.contains_key("traceparent"), "{fields}");
    }
}
