//! The server behind the proxies.

use std::{convert::Infallible, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use hbone::server;
use http::{HeaderMap, HeaderValue, Request, Response};
use identity::certificate::Certified;
use model::Identity;
use runtime::Drain;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};

use crate::{
    http1::find,
    http2::{WINDOWS, framed, whole},
    wire::{Connection, certified},
};

/// The port of HTTP/1.1, inside of tunnels and in the clear.
const HTTP1: u16 = 8080;
/// The port of HTTP/2 and gRPC.
const HTTP2: u16 = 8082;
/// The port of tunnels.
const HBONE: u16 = 15008;
/// How often a body without end gets a piece.
const DRIP: Duration = Duration::from_millis(20);

/// Where it serves, and as whom.
#[derive(clap::Args)]
pub struct Args {
    /// The address
    #[arg(long)]
    on: std::net::IpAddr,
    /// Folder with its key and chain
    #[arg(long)]
    own: PathBuf,
    /// Who it is
    #[arg(long)]
    identity: Identity,
}

/// Serves until the process ends.
pub async fn run(args: Args) -> Result<(), String> {
    let own = certified(&args.own, &args.identity)?;
    let [one, two, tunnels] = [HTTP1, HTTP2, HBONE].map(|port| listen(SocketAddr::new(args.on, port)));
    let (one, two, tunnels) = (one?, two?, tunnels?);
    println!("ready");
    let one = accept(one, |socket, _| serve(Box::new(socket), HTTP1));
    let two = accept(two, |socket, _| serve(Box::new(socket), HTTP2));
    let tunnels = accept(tunnels, |socket, peer| tunnel(socket, peer, own.clone()));
    let (one, two, tunnels) = tokio::join!(one, two, tunnels);
    one.and(two).and(tunnels).map(|never: Infallible| match never {})
}

fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    let failed = |error: std::io::Error| format!("{address}: {error}");
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(failed)?;
    socket.set_reuseaddr(true).map_err(failed)?;
    socket.bind(address).map_err(failed)?;
    socket.listen(4096).map_err(failed)
}

async fn accept<F>(listener: TcpListener, work: impl Fn(TcpStream, SocketAddr) -> F) -> Result<Infallible, String>
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let (socket, peer) = listener.accept().await.map_err(|e| e.to_string())?;
        socket.set_nodelay(true).map_err(|e| e.to_string())?;
        tokio::spawn(work(socket, peer));
    }
}

async fn tunnel(socket: TcpStream, peer: SocketAddr, own: Arc<Certified>) {
    let shaken = match server::handshake(socket, &own).await {
        Ok((shaken, _)) => shaken,
        Err(error) => return eprintln!("{peer}: {error}"),
    };
    let served = server::serve(shaken, peer, Drain::new(), |connect| async move {
        let port = connect.authority.parse::<SocketAddr>().map_or(0, |to| to.port());
        if let Ok(stream) = connect.accept(HeaderMap::new()) {
            serve(Box::new(stream), port).await;
        }
    });
    if let Err(error) = served.await {
        eprintln!("{peer}: {}", runtime::error::chain(&error));
    }
}

async fn serve(connection: Connection, port: u16) {
    // A client that leaves in the middle is none of our trouble.
    if port == HTTP2 {
        let _ = http2(connection).await;
    } else {
        let _ = http1(connection).await;
    }
}

/// Returns how long the answer to a path is: its last part says so.
fn length(path: &str) -> usize {
    match path.rsplit('/').next() {
        Some("10k") => 10 << 10,
        Some("1m") => 1 << 20,
        _ => 1 << 10,
    }
}

async fn http1(mut connection: Connection) -> Result<(), std::io::Error> {
    let (mut buffer, mut filled) = (vec![0; 16 << 10], 0);
    let mut answer = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = find(&buffer[..filled]) {
                break end;
            }
            match connection.read(&mut buffer[filled..]).await? {
                0 => return Ok(()),
                count => filled += count,
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.copy_within(end..filled, 0);
        filled -= end;
        let path = head.split(' ').nth(1).unwrap_or_default();
        if path == "/drip" {
            return drip(connection).await;
        }
        let length = length(path);
        answer.clear();
        answer.extend_from_slice(
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n").as_bytes(),
        );
        answer.resize(answer.len() + length, b'x');
        connection.write_all(&answer).await?;
    }
}

/// Answers without end, a few bytes at a time.
async fn drip(mut connection: Connection) -> Result<(), std::io::Error> {
    connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n").await?;
    loop {
        connection.write_all(b"4\r\ndrip\r\n").await?;
        tokio::time::sleep(DRIP).await;
    }
}

async fn http2(connection: Connection) -> Result<(), h2::Error> {
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(WINDOWS.0).initial_connection_window_size(WINDOWS.1);
    let mut connection = builder.handshake(connection).await?;
    while let Some(request) = connection.accept().await {
        let (request, respond) = request?;
        tokio::spawn(async move {
            if let Err(error) = answer(request, respond).await {
                eprintln!("a request failed: {error}");
            }
        });
    }
    Ok(())
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Result<(), String> {
    let wrong = |error: h2::Error| error.to_string();
    let (parts, body) = request.into_parts();
    whole(body).await?;
    let grpc = parts.headers.get("content-type").is_some_and(|value| value == "application/grpc");
    let kind = HeaderValue::from_static(if grpc { "application/grpc" } else { "text/plain" });
    let mut head = Response::new(());
    head.headers_mut().insert("content-type", kind);
    let mut stream = respond.send_response(head, false).map_err(wrong)?;
    let length = length(parts.uri.path());
    let bytes = if grpc { framed(length) } else { Bytes::from(vec![b'x'; length]) };
    stream.send_data(bytes, !grpc).map_err(wrong)?;
    if grpc {
        let trailers =
            HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
        stream.send_trailers(trailers).map_err(wrong)?;
    }
    Ok(())
}
