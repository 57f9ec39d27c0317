//! One byte stream of a tunnel.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    flow::Sink,
    frame::code,
    link::{Link, SendError},
};

/// Both directions of a tunnelled connection. Dropped before both have ended, it is cut: the peer sees a broken connection.
pub struct Stream {
    pub(crate) link: Arc<Link>,
    pub(crate) id: u32,
}

impl Stream {
    /// Has what arrives written into a socket from now on.
    pub(crate) fn lead_to(&self, sink: Sink) {
        self.link.with_flow(self.id, |flow| flow.sink = Some(sink));
    }

    /// Takes the socket back, to close it.
    pub(crate) fn take_sink(&self) -> Option<Sink> {
        self.link.with_flow(self.id, |flow| flow.sink.take()).flatten()
    }

    /// Ends our direction in order.
    pub(crate) fn finish(&self) {
        self.link.with(|protocol| protocol.finish(self.id));
    }

    /// Cuts both directions; the peer sees a broken connection, not an end of data.
    pub fn reset(&self) {
        self.link.with(|protocol| protocol.cut_flow(self.id, code::CANCEL));
    }
}

/// Who speaks a protocol itself reads and writes here; who only passes bytes on uses [`copy`](crate::copy), which copies less.
impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.link.poll_read(self.id, into, context).map_err(broken)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if pieces.iter().all(|piece| piece.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        Poll::Ready(match ready!(self.link.poll_write(self.id, pieces, context)) {
            // The peer has said all, and hears no more.
            Ok(0) => Err(io::ErrorKind::BrokenPipe.into()),
            Ok(count) => Ok(count),
            Err(error) => Err(broken(error)),
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// What was written is sealed already, and on its way.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}

fn broken(error: impl Into<SendError>) -> io::Error {
    match error.into() {
        SendError::Socket(error) => error,
        SendError::Cut(cut) => io::Error::new(io::ErrorKind::ConnectionReset, cut),
        SendError::Tunnel(broken) => io::Error::new(io::ErrorKind::ConnectionAborted, broken),
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.link.with(|protocol| protocol.drop_flow(self.id));
    }
}
