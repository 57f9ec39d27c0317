//! The HTTP service: an answer that tells what arrived, `/healthz`, and the gRPC health service.

use std::{collections::BTreeMap, convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use serde_json::json;
use tokio::net::TcpStream;

use crate::wire::Server;

/// `grpc.health.v1.HealthCheckResponse { status: SERVING }` behind gRPC's prefix: not compressed, two bytes long.
const SERVING: &[u8] = &[0, 0, 0, 0, 2, 0x08, 0x01];

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves one connection to its end, HTTP/1.1 or HTTP/2 as its first bytes tell.
pub async fn serve(stream: TcpStream, peer: SocketAddr, server: Server) {
    let answer = service_fn(move |request| answer(request, peer, server.clone()));
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
}

async fn answer(request: Request<Incoming>, peer: SocketAddr, server: Server) -> Result<Response<Body>, hyper::Error> {
    let (head, mut body) = request.into_parts();
    let mut received = 0;
    while let Some(frame) = body.frame().await {
        received += frame?.data_ref().map_or(0, Bytes::len);
    }
    let path = head.uri.path();
    let grpc = head.headers.get(CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/grpc"));
    Ok(match path {
        "/grpc.health.v1.Health/Check" => grpc_answer(SERVING, "0"),
        // 12 is UNIMPLEMENTED: a gRPC client expects its answers in trailers, whatever they are.
        _ if grpc => grpc_answer(&[], "12"),
        "/healthz" => text("text/plain", "ok\n".to_owned()),
        _ => {
            let mut headers: BTreeMap<&str, String> = BTreeMap::new();
            for (key, value) in &head.headers {
                let value = String::from_utf8_lossy(value.as_bytes());
                headers.entry(key.as_str()).and_modify(|all| *all += &format!(", {value}")).or_insert(value.into());
            }
            let told = json!({
                "name": &*server.name, "host": &*server.host, "peer": peer, "method": head.method.as_str(), "version": format!("{:?}", head.version),
                "path": head.uri.path_and_query().map_or(path, |p| p.as_str()), "headers": headers,
                "authority": head.uri.authority().map(|a| a.as_str()), "body_bytes": received,
            });
            text("application/json", format!("{told}\n"))
        }
    })
}

fn text(kind: &'static str, text: String) -> Response<Body> {
    with_type(kind, Full::new(text.into()).boxed_unsync())
}

fn grpc_answer(message: &'static [u8], status: &'static str) -> Response<Body> {
    let trailers = HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from_static(status))]);
    let body = Full::new(Bytes::from_static(message)).with_trailers(async { Some(Ok(trailers)) });
    with_type("application/grpc", body.boxed_unsync())
}

fn with_type(kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
