//! A stream of gRPC on which both sides speak in turn: each message waits for the answer to the last one.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use clap::Args;
use http::{Method, Request, Uri, header::CONTENT_TYPE, uri::Scheme};
use http_body_util::BodyExt;
use hyper::{
    body::{Body, Frame, Incoming},
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::mpsc;

use super::{ClientError, Report, connect, millis};
use crate::wire::Target;

/// What is to be sent, message by message.
struct Messages(mpsc::Receiver<Bytes>);

impl Body for Messages {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|message| message.map(|message| Ok(Frame::data(message))))
    }
}

/// The arguments of `talk`.
#[derive(Args)]
pub struct TalkArgs {
    /// HOST:PORT
    address: Target,
    /// How long
    #[arg(long, value_parser = crate::seconds)]
    seconds: Duration,
    /// Bytes of a message
    #[arg(long, default_value_t = 1024)]
    size: u32,
    /// Milliseconds from an answer to the next message
    #[arg(long, default_value_t = 0)]
    every_ms: u64,
}

/// Talks for as long as it was told; succeeds if every message came back as the next thing, and the stream ended in order.
pub async fn run(args: TalkArgs, limit: Duration, report: &mut Report) -> Result<bool, ClientError> {
    let failed = |what| move |e| ClientError::Http(what, e);
    let io = TokioIo::new(connect(&args.address).await?);
    let (mut sender, connection): (SendRequest<Messages>, _) =
        http2::handshake(TokioExecutor::new(), io).await.map_err(failed("opening HTTP"))?;
    tokio::spawn(connection);
    let (out, waiting) = mpsc::channel(1);
    let answer = sender.send_request(request(&args, Messages(waiting))?).await.map_err(failed("the request"))?;
    let mut body = answer.into_body();
    let (begun, mut exchanges, mut slowest) = (Instant::now(), 0_u32, Duration::ZERO);
    while begun.elapsed() < args.seconds {
        let message = message(exchanges, args.size);
        let sent = Instant::now();
        out.send(message.clone()).await.map_err(|_| ClientError::Closed("sending a message"))?;
        let back = tokio::time::timeout(limit, read(&mut body, message.len())).await;
        if back.map_err(|_| ClientError::Timeout(limit))?? != message {
            return Err(ClientError::Unexpected(format!("another message than number {exchanges}")));
        }
        slowest = slowest.max(sent.elapsed());
        exchanges += 1;
        report.set("exchanges", exchanges);
        tokio::time::sleep(Duration::from_millis(args.every_ms)).await;
    }
    drop(out);
    report.set("slowest_ms", millis(slowest));
    let rest = body.collect().await.map_err(failed("the end of the stream"))?;
    let status = rest.trailers().and_then(|t| t.get("grpc-status")).map(|v| v.as_bytes().to_vec());
    if status.as_deref() == Some(b"0") {
        Ok(true)
    } else {
        Err(ClientError::Unexpected(format!("grpc-status {status:?}")))
    }
}

fn request(args: &TalkArgs, body: Messages) -> Result<Request<Messages>, ClientError> {
    let usage = |e: http::Error| ClientError::Usage(e.to_string());
    let uri = Uri::builder().scheme(Scheme::HTTP).authority(args.address.to_string());
    let uri = uri.path_and_query("/echo.Echo/Stream").build().map_err(usage)?;
    let request = Request::builder().method(Method::POST).uri(uri).header("te", "trailers");
    request.header(CONTENT_TYPE, "application/grpc").body(body).map_err(usage)
}

/// Writes a message of a number: a flag, a length, and bytes that no other has (gRPC over HTTP/2, Length-Prefixed-Message).
fn message(number: u32, size: u32) -> Bytes {
    let mut message = BytesMut::with_capacity(size as usize + 5);
    message.put_u8(0);
    message.put_u32(size);
    message.extend((0..size).map(|at| (at ^ number) as u8));
    message.freeze()
}

async fn read(body: &mut Incoming, length: usize) -> Result<Bytes, ClientError> {
    let mut all = BytesMut::new();
    while all.len() < length {
        let frame = body.frame().await.ok_or(ClientError::Closed("waiting for an answer"))?;
        let frame = frame.map_err(|e| ClientError::Http("an answer", e))?;
        if let Ok(mut data) = frame.into_data() {
            all.extend_from_slice(&data.copy_to_bytes(data.remaining()));
        }
    }
    Ok(all.freeze())
}
