//! The copy loops: bytes between a socket and a tunnel, or between two sockets, with half-close and resets carried over.
//!
//! Memory is bound to work, not to connections: a buffer exists only between a read and the write of what was read.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncWriteExt, Interest},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, ReadHalf},
    },
    time::timeout,
};
use tokio_util::io::poll_read_buf;

use crate::{
    flow::Sink,
    link::{Broken, Cut, SendError},
    stream::Stream,
};

/// The smallest and largest read, bytes; a direction grows to the largest while reads fill the buffer, and shrinks again.
const READ: (usize, usize) = (4 << 10, 64 << 10);
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
    Tunnel(#[source] Broken),
    /// The stream.
    #[error("the other end of the tunnel broke")]
    Cut(#[source] Cut),
    /// Half closed and silent for too long.
    #[error("half closed and idle for {HALF_CLOSED:?}")]
    HalfClosed,
}

/// Whose socket a tunnel leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client's.
    Client,
    /// The server's.
    Server,
}

impl Side {
    /// Returns the count of what the socket sends.
    pub(crate) fn sent(self, counts: &Counts) -> &AtomicU64 {
        if self == Self::Client { &counts.sent } else { &counts.received }
    }

    /// Returns the count of what the socket receives.
    pub(crate) fn received(self, counts: &Counts) -> &AtomicU64 {
        if self == Self::Client { &counts.received } else { &counts.sent }
    }
}

/// Copies between a socket and a tunnel until both directions have ended.
///
/// # Errors
/// A side that broke; the other one is reset, so that a break never looks like an end of data.
pub async fn tunnel(socket: TcpStream, stream: Stream, counts: &Arc<Counts>, side: Side) -> Result<(), Error> {
    let (mut read, write) = socket.into_split();
    // What arrives goes into the socket where it is unpacked; only what the socket does not take at once waits for us.
    stream.lead_to(Sink { socket: write, counts: counts.clone(), side });
    let from = &mut read;
    let up = async {
        while let count @ 1.. = poll_fn(|context| stream.link.poll_send(stream.id, from, context)).await? {
            side.sent(counts).fetch_add(count as u64, Ordering::Relaxed);
        }
        stream.finish();
        Ok(from)
    };
    let down = async {
        poll_fn(|context| stream.link.poll_drain(stream.id, context)).await?;
        if let Some(mut sink) = stream.take_sink() {
            sink.socket.shutdown().await?;
        }
        Ok(())
    };
    let outcome = joined(up, down, counts).await;
    if outcome.is_err() {
        stream.reset();
        let _ = read.as_ref().set_zero_linger();
    }
    outcome
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Socket(error) => Self::Socket(error),
            SendError::Tunnel(error) => Self::Tunnel(error),
            SendError::Cut(error) => Self::Cut(error),
        }
    }
}

/// Copies between two sockets until both directions have ended.
///
/// # Errors
/// A side that broke; the other one is reset.
pub async fn sockets(client: TcpStream, server: TcpStream, counts: &Counts) -> Result<(), Error> {
    let mut pair = Pair { client, server, whole: false };
    let outcome = {
        let (mut client_read, mut client_write) = pair.client.split();
        let (mut server_read, mut server_write) = pair.server.split();
        let up = relay(&mut client_read, &mut server_write, &counts.sent);
        let down = relay(&mut server_read, &mut client_write, &counts.received);
        both(up, down, counts).await
    };
    pair.whole = outcome.is_ok();
    outcome
}

/// Two sockets that are joined. Given up before both directions have ended, each end sees a broken connection.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    whole: bool,
}

impl Drop for Pair {
    fn drop(&mut self) {
        if !self.whole {
            let _ = self.client.set_zero_linger();
            let _ = self.server.set_zero_linger();
        }
    }
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

/// Runs both directions of a tunnel, as [`both`]. A socket that has said all is read no more: that it broke shows only in its state,
/// and the other end must hear of it before it has an answer to send.
async fn joined(
    up: impl Future<Output = Result<&mut OwnedReadHalf, Error>>,
    down: impl Future<Output = Result<(), Error>>,
    counts: &Counts,
) -> Result<(), Error> {
    tokio::pin!(up, down);
    tokio::select! {
        first = &mut up => {
            let socket: &TcpStream = (*first?).as_ref();
            tokio::select! {
                biased;
                left = unless_idle(down, counts) => left,
                _ = socket.ready(Interest::ERROR) => {
                    let why = socket.take_error().ok().flatten();
                    Err(why.unwrap_or_else(|| io::ErrorKind::ConnectionReset.into()).into())
                }
            }
        }
        first = &mut down => {
            first?;
            let up = async { up.await.map(drop) };
            tokio::pin!(up);
            unless_idle(up, counts).await
        }
    }
}

/// Runs both directions; when one has ended, the other one may not rest for ever.
async fn both(
    up: impl Future<Output = Result<(), Error>>,
    down: impl Future<Output = Result<(), Error>>,
    counts: &Counts,
) -> Result<(), Error> {
    tokio::pin!(up, down);
    tokio::select! {
        first = &mut up => { first?; unless_idle(down, counts).await }
        first = &mut down => { first?; unless_idle(up, counts).await }
    }
}

/// Runs the direction that is left for as long as something moves.
async fn unless_idle(left: Pin<&mut impl Future<Output = Result<(), Error>>>, counts: &Counts) -> Result<(), Error> {
    let moved = || counts.sent.load(Ordering::Relaxed) + counts.received.load(Ordering::Relaxed);
    let mut left = left;
    loop {
        let before = moved();
        match timeout(HALF_CLOSED, left.as_mut()).await {
            Ok(outcome) => return outcome,
            Err(_) if moved() == before => return Err(Error::HalfClosed),
            Err(_) => {}
        }
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
