//! Another protocol over a stream of HTTP/2 (RFC 8441): what is sent must come back.

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::{Method, Request, StatusCode, Uri, uri::Scheme};
use http_body_util::{BodyExt, Empty};
use hyper::{
    client::conn::http2::{self, SendRequest},
    ext::Protocol,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{ClientError, Report, connect};
use crate::wire::Target;

/// The arguments of `websocket`.
#[derive(Args)]
pub struct WebsocketArgs {
    /// HOST:PORT
    address: Target,
    /// How many messages, each sent when the one before came back
    #[arg(long, default_value_t = 3)]
    times: u32,
    /// Bytes of a message
    #[arg(long, default_value_t = 1024)]
    size: usize,
    /// Milliseconds between messages
    #[arg(long, default_value_t = 0)]
    every_ms: u64,
}

/// Succeeds if the server went over to the other protocol, all came back, and both directions ended in order.
pub async fn run(args: WebsocketArgs, report: &mut Report) -> Result<bool, ClientError> {
    let failed = |what| move |e| ClientError::Http(what, e);
    let io = TokioIo::new(connect(&args.address).await?);
    let (mut sender, connection): (SendRequest<Empty<Bytes>>, _) =
        http2::handshake(TokioExecutor::new(), io).await.map_err(failed("opening HTTP"))?;
    tokio::spawn(connection);
    // The server's settings are known after an answer; before, nobody may ask for another protocol.
    let first = request(&args.address, Method::GET)?;
    let first = sender.send_request(first).await.map_err(failed("the first request"))?;
    first.into_body().collect().await.map_err(failed("the first answer"))?;
    let mut wanted = request(&args.address, Method::CONNECT)?;
    wanted.extensions_mut().insert(Protocol::from_static("websocket"));
    let answer = sender.send_request(wanted).await.map_err(failed("asking for the protocol"))?;
    report.set("status", answer.status().as_u16());
    if answer.status() != StatusCode::OK {
        return Ok(false);
    }
    let upgraded = hyper::upgrade::on(answer).await.map_err(failed("going over"))?;
    let mut stream = TokioIo::new(upgraded);
    let io = |what| move |e| ClientError::Io(what, e);
    for number in 0..args.times {
        let message: Vec<u8> = (0..args.size).map(|at| (at ^ number as usize) as u8).collect();
        stream.write_all(&message).await.map_err(io("sending a message"))?;
        stream.flush().await.map_err(io("sending a message"))?;
        let mut back = vec![0; message.len()];
        stream.read_exact(&mut back).await.map_err(io("waiting for a message"))?;
        if back != message {
            return Err(ClientError::Unexpected(format!("another message than number {number}")));
        }
        report.set("messages", number + 1);
        tokio::time::sleep(Duration::from_millis(args.every_ms)).await;
    }
    stream.shutdown().await.map_err(io("ending"))?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.map_err(io("waiting for the end"))?;
    Ok(rest.is_empty())
}

fn request(address: &Target, method: Method) -> Result<Request<Empty<Bytes>>, ClientError> {
    let usage = |e: http::Error| ClientError::Usage(e.to_string());
    let uri = Uri::builder().scheme(Scheme::HTTP).authority(address.to_string()).path_and_query("/ws");
    let uri = uri.build().map_err(usage)?;
    Request::builder().method(method).uri(uri).body(Empty::new()).map_err(usage)
}
