//! The copy loops: bytes between a socket and a tunnel, or between two sockets, with half-close and resets carried over.
//!
//! Memory is bound to work, not to connections: a buffer exists only between a read and the write of what was read.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use h2::SendStream;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpStream, tcp::ReadHalf},
    time::timeout,
};
use tokio_util::io::poll_read_buf;

use crate::stream::Stream;

/// The smallest and largest read, bytes; a direction grows to the largest while reads fill the buffer, and shrinks again.
///
/// With the nine bytes of a frame's head (RFC 9113 4.1) the largest fills four TLS records (RFC 8446 5.1) and the buffer of TLS to
/// the byte: one byte more would travel as a record, a write and a packet of its own.
const READ: (usize, usize) = (4 << 10, (64 << 10) - 9);
/// How long a direction may rest when the other one has ended.
const HALF_CLOSED: Duration = Duration::from_secs(3600);

/// How many bytes went each way, readable while the copy runs.
#[derive(Debug, Default)]
pub struct Counts {
    /// From the client to the server.
    pub sent: AtomicU64,
    /// From the server to the client.
    pub received: AtomicU64,
}

/// Tells which side broke a connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A socket.
    #[error("the local connection broke")]
    Socket(#[from] io::Error),
    /// The tunnel.
    #[error("the tunnel broke")]
    Tunnel(#[from] h2::Error),
    /// Half closed and silent for too long.
    #[error("half closed and idle for {HALF_CLOSED:?}")]
    HalfClosed,
}

/// Copies between a socket and a tunnel until both directions have ended. `from_socket` counts what the socket sends.
///
/// # Errors
/// A side that broke; the other one is reset, so that a break never looks like an end of data.
pub async fn tunnel(
    socket: TcpStream,
    mut stream: Stream,
    from_socket: &AtomicU64,
    to_socket: &AtomicU64,
) -> Result<(), Error> {
    let mut socket = socket;
    let outcome = {
        let (mut read, mut write) = socket.split();
        let send = &mut stream.send;
        let recv = &mut stream.recv;
        let up = async {
            let mut size = READ.0;
            loop {
                let bytes = receive(&mut read, &mut size).await?;
                if bytes.is_empty() {
                    send.send_data(Bytes::new(), true)?;
                    return Ok::<_, Error>(());
                }
                from_socket.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                push(send, bytes).await?;
            }
        };
        let down = async {
            while let Some(bytes) = recv.data().await {
                let bytes = bytes?;
                write.write_all(&bytes).await?;
                to_socket.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                recv.flow_control().release_capacity(bytes.len())?;
            }
            write.shutdown().await?;
            Ok::<_, Error>(())
        };
        both(up, down).await
    };
    if outcome.is_err() {
        stream.reset();
        let _ = socket.set_zero_linger();
    }
    outcome
}

/// Copies between two sockets until both directions have ended.
///
/// # Errors
/// A side that broke; the other one is reset.
pub async fn sockets(mut client: TcpStream, mut server: TcpStream, counts: &Counts) -> Result<(), Error> {
    let outcome = {
        let (mut client_read, mut client_write) = client.split();
        let (mut server_read, mut server_write) = server.split();
        let up = relay(&mut client_read, &mut server_write, &counts.sent);
        let down = relay(&mut server_read, &mut client_write, &counts.received);
        both(up, down).await
    };
    if outcome.is_err() {
        let _ = client.set_zero_linger();
        let _ = server.set_zero_linger();
    }
    outcome
}

async fn relay(
    read: &mut ReadHalf<'_>,
    write: &mut tokio::net::tcp::WriteHalf<'_>,
    count: &AtomicU64,
) -> Result<(), Error> {
    let mut size = READ.0;
    loop {
        let bytes = receive(read, &mut size).await?;
        if bytes.is_empty() {
            write.shutdown().await?;
            return Ok(());
        }
        write.write_all(&bytes).await?;
        count.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}

/// Runs both directions; when one has ended, the other one may not rest for ever.
async fn both(
    up: impl Future<Output = Result<(), Error>>,
    down: impl Future<Output = Result<(), Error>>,
) -> Result<(), Error> {
    tokio::pin!(up, down);
    tokio::select! {
        first = &mut up => { first?; timeout(HALF_CLOSED, down).await.unwrap_or(Err(Error::HalfClosed)) }
        first = &mut down => { first?; timeout(HALF_CLOSED, up).await.unwrap_or(Err(Error::HalfClosed)) }
    }
}

/// Reads what is there into a buffer made for it; empty at the end of data.
///
/// Not `try_read_buf`: only `poll_read` takes a short read for the end of what is there, which saves a call that would say so.
async fn receive(socket: &mut ReadHalf<'_>, size: &mut usize) -> io::Result<Bytes> {
    poll_fn(|context| {
        ready!(socket.as_ref().poll_read_ready(context))?;
        let mut buffer = BytesMut::with_capacity(*size);
        let read = ready!(poll_read_buf(Pin::new(&mut *socket), context, &mut buffer))?;
        if read == *size {
            *size = (*size * 4).min(READ.1);
        } else if read < *size / 8 {
            *size = (*size / 4).max(READ.0);
        }
        Poll::Ready(Ok(buffer.freeze()))
    })
    .await
}

/// Sends bytes as the peer's window allows.
async fn push(send: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), Error> {
    while !bytes.is_empty() {
        send.reserve_capacity(bytes.len());
        let granted = std::future::poll_fn(|context| send.poll_capacity(context)).await;
        let granted = granted.ok_or_else(|| h2::Error::from(h2::Reason::CANCEL))??;
        send.send_data(bytes.split_to(granted.min(bytes.len())), false)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let near = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connects");
        (near, listener.accept().await.expect("accepts").0)
    }

    /// Without a pause the task's budget runs out in the middle: a copy that then spins instead of yielding never ends.
    #[tokio::test]
    async fn a_long_copy_yields_and_both_ends_close() {
        const BYTES: usize = 64 << 20;
        let ((mut client, near), (far, mut server)) = (pair().await, pair().await);
        let counts = Counts::default();
        let sent = async {
            client.write_all(&vec![7; BYTES]).await.expect("sends");
            client.shutdown().await.expect("half closes");
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.expect("an answer");
            answer
        };
        let received = async {
            let mut all = Vec::new();
            server.read_to_end(&mut all).await.expect("receives");
            server.write_all(b"got it").await.expect("answers");
            server.shutdown().await.expect("closes");
            all.len()
        };
        let all = async { tokio::join!(sockets(near, far, &counts), sent, received) };
        let (outcome, answer, received) = timeout(Duration::from_secs(60), all).await.expect("ends");
        outcome.expect("no side broke");
        assert_eq!((answer.as_slice(), received), (&b"got it"[..], BYTES));
        assert_eq!(counts.sent.load(Ordering::Relaxed), BYTES as u64);
    }
}
