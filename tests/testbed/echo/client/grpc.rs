//! The gRPC health check, by hand: one message of one field each way.

use bytes::{BufMut, Bytes, BytesMut};
use clap::Args;
use http::{HeaderMap, Method, Request, Uri, header::CONTENT_TYPE, uri::Scheme};
use http_body_util::{BodyExt, Full};

use super::{ClientError, Report, http::Sender};
use crate::wire::Target;

/// `grpc.health.v1.HealthCheckResponse.ServingStatus`, by number.
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/// The arguments of `grpc`.
#[derive(Args)]
pub struct GrpcArgs {
    /// HOST:PORT
    address: Target,
    /// The service to ask about; empty is the server as a whole
    #[arg(long, default_value = "")]
    service: String,
}

/// Asks for the health; succeeds if the answer is SERVING.
pub async fn run(args: GrpcArgs, report: &mut Report) -> Result<bool, ClientError> {
    let mut sender = Sender::open(&args.address, true, report).await?;
    let answer = sender.send(request(&args)?).await?;
    report.set("http_status", answer.status().as_u16());
    let head = answer.headers().clone();
    let body = answer.into_body().collect().await.map_err(|e| ClientError::Http("the answer's body", e))?;
    // Trailers, or the head where a failure has no body ("Trailers-Only", gRPC over HTTP/2, Responses).
    let status = |headers: &HeaderMap| headers.get("grpc-status").map(|v| String::from_utf8_lossy(v.as_bytes()).into());
    let grpc_status: Option<String> = body.trailers().and_then(status).or_else(|| status(&head));
    report.set("grpc_status", &grpc_status);
    let health = health(&body.to_bytes());
    report.set("health", health);
    match (grpc_status.as_deref(), health) {
        (Some("0"), Some("SERVING")) => Ok(true),
        (code, health) => Err(ClientError::Unexpected(format!("grpc-status {code:?}, health {health:?}"))),
    }
}

fn request(args: &GrpcArgs) -> Result<Request<Full<Bytes>>, ClientError> {
    let usage = |e: http::Error| ClientError::Usage(e.to_string());
    let too_long = |_| ClientError::Usage("the service's name is too long".to_owned());
    let name = args.service.as_bytes();
    let mut message = BytesMut::new();
    if !name.is_empty() {
        // Field 1, a string; a length below 128 is one byte.
        message.put_u8(0x0a);
        message.put_u8(u8::try_from(name.len()).ok().filter(|n| *n < 128).ok_or(()).map_err(too_long)?);
        message.put_slice(name);
    }
    let mut body = BytesMut::new();
    body.put_u8(0);
    body.put_u32(message.len() as u32);
    body.put(message);
    let uri = Uri::builder().scheme(Scheme::HTTP).authority(args.address.to_string());
    let uri = uri.path_and_query("/grpc.health.v1.Health/Check").build().map_err(usage)?;
    let request = Request::builder().method(Method::POST).uri(uri);
    let request = request.header(CONTENT_TYPE, "application/grpc").header("te", "trailers");
    request.body(Full::new(body.freeze())).map_err(usage)
}

/// An absent field is 0, and so UNKNOWN.
fn health(body: &[u8]) -> Option<&'static str> {
    let number = match body.get(5..)? {
        [] => 0,
        [0x08, number] => usize::from(*number),
        _ => return None,
    };
    STATUSES.get(number).copied()
}
