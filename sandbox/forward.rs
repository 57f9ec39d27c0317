//! Port forwarding and logs, as an API server and a kubelet give them.

use std::{
    io::SeekFrom,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use futures::{SinkExt, Stream, StreamExt};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use net::{
    netns::Netns,
    sockets::{self, ConnectOptions, Family},
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};

/// The sub-protocol of channels in one WebSocket.
const PROTOCOL: &str = "v4.channel.k8s.io";
/// How long a connection inside a pod may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a log is looked at for more.
const LOOK: Duration = Duration::from_millis(100);
/// How much is read at once.
const PIECE: usize = 32 << 10;

/// Answers a request to forward to a port of a pod: `Err` is the status and why.
///
/// # Errors
/// The request is no WebSocket's.
pub fn accept(headers: &HeaderMap) -> Result<Response<()>, (StatusCode, String)> {
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (Some(key), true) = (key, offered.split(',').any(|p| p.trim() == PROTOCOL)) else {
        return Err((StatusCode::BAD_REQUEST, format!("want a WebSocket with sub-protocol {PROTOCOL}")));
    };
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
        .map_err(|e| (StatusCode::BAD_REQUEST, e.to_string()))?;
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    Ok(response)
}

/// Forwards one port until one side ends.
pub async fn serve(upgrade: OnUpgrade, netns: Netns, port: u16) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    // The first message of each channel, data and errors, names the port (Kubernetes, remotecommand's port forwarding).
    for channel in [0, 1] {
        let [low, high] = port.to_le_bytes();
        if socket.send(Message::binary(vec![channel, low, high])).await.is_err() {
            return;
        }
    }
    let to = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let connect = async {
        let made = sockets::tcp_socket(Some(&netns), Family::from(to), &ConnectOptions::default());
        let made = made.map_err(|e| runtime::error::chain(&e))?;
        sockets::connect(made, to).await.map_err(|e| e.to_string())
    };
    let stream = match timeout(CONNECT, connect).await.unwrap_or_else(|_| Err("no answer".to_owned())) {
        Ok(stream) => stream,
        Err(reason) => {
            let text = format!("port {port} of the pod: {reason}");
            let _ = socket.send(Message::binary([&[1], text.as_bytes()].concat())).await;
            let _ = socket.close(None).await;
            return;
        }
    };
    let (mut sink, mut messages) = socket.split();
    let (mut from, mut to) = stream.into_split();
    let up = async {
        while let Some(Ok(message)) = messages.next().await {
            match message {
                Message::Binary(bytes) if bytes.first() == Some(&0) => to.write_all(&bytes[1..]).await?,
                Message::Close(_) => break,
                _ => {}
            }
        }
        to.shutdown().await
    };
    let down = async {
        let mut buffer = vec![0; PIECE];
        loop {
            let read = from.read(&mut buffer[1..]).await.unwrap_or(0);
            if read == 0 {
                break;
            }
            buffer[0] = 0;
            if sink.send(Message::binary(buffer[..=read].to_vec())).await.is_err() {
                return;
            }
        }
        let _ = sink.close().await;
    };
    // A client that ended its side may still wait for the answer; a pod that ended its own has said all.
    tokio::pin!(down);
    tokio::select! {
        () = &mut down => {}
        _ = up => down.await,
    }
}

/// What of a log is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The last lines alone.
    pub tail: Option<usize>,
    /// Whether to go on with what comes.
    pub follow: bool,
}

/// Reads a log.
///
/// # Errors
/// There is none.
pub async fn log(path: &Path, part: Part) -> std::io::Result<impl Stream<Item = std::io::Result<Bytes>> + use<>> {
    let mut file = File::open(path).await?;
    if let Some(lines) = part.tail {
        let start = tail(&mut file, lines).await?;
        file.seek(SeekFrom::Start(start)).await?;
    }
    let state = (file, path.to_owned(), part.follow);
    Ok(futures::stream::unfold(state, |(mut file, path, follow)| async move {
        let mut buffer = vec![0; PIECE];
        loop {
            match file.read(&mut buffer).await {
                Ok(0) if follow && path.exists() => {
                    tokio::time::sleep(LOOK).await;
                    shortened(&mut file).await;
                }
                Ok(0) => return None,
                Ok(read) => {
                    buffer.truncate(read);
                    return Some((Ok(Bytes::from(buffer)), (file, path, follow)));
                }
                Err(error) => return Some((Err(error), (file, PathBuf::new(), false))),
            }
        }
    }))
}

/// Begins again with a log that was cut because it grew too large.
async fn shortened(file: &mut File) {
    if let (Ok(at), Ok(meta)) = (file.stream_position().await, file.metadata().await)
        && meta.len() < at
    {
        let _ = file.rewind().await;
    }
}

/// Finds where the last lines begin.
async fn tail(file: &mut File, lines: usize) -> std::io::Result<u64> {
    let mut end = file.metadata().await?.len();
    let mut found = 0;
    let mut buffer = vec![0; PIECE];
    let whole = end;
    while end > 0 {
        let start = end.saturating_sub(PIECE as u64);
        let piece = usize::try_from(end - start).unwrap_or(PIECE);
        file.seek(SeekFrom::Start(start)).await?;
        file.read_exact(&mut buffer[..piece]).await?;
        for (at, _) in buffer[..piece].iter().enumerate().rev().filter(|(_, b)| **b == b'\n') {
            let behind = start + at as u64 + 1;
            // The last line's own end begins no other.
            if behind == whole {
                continue;
            }
            found += 1;
            if found == lines {
                return Ok(behind);
            }
        }
        end = start;
    }
    Ok(if lines == 0 { whole } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_lines() {
        let path = std::env::temp_dir().join(format!("sandbox-log-{}", std::process::id()));
        let long = "x".repeat(PIECE);
        std::fs::write(&path, format!("one\n{long}\nthree\nfour\n")).expect("written");
        for (lines, expected) in [(0, ""), (1, "four\n"), (2, "three\nfour\n")] {
            let part = Part { tail: Some(lines), follow: false };
            let pieces: Vec<_> = log(&path, part).await.expect("there").collect().await;
            let text: Vec<u8> = pieces.into_iter().flat_map(|p| p.expect("read").to_vec()).collect();
            assert_eq!(String::from_utf8(text).expect("text"), expected);
        }
        let all = log(&path, Part { tail: Some(9), follow: false }).await.expect("there");
        let size: usize = all.map(|p| p.expect("read").len()).collect::<Vec<_>>().await.iter().sum();
        assert_eq!(size, PIECE + 16);
        std::fs::remove_file(&path).expect("removed");
    }
}
