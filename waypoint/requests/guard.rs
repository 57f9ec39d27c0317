//! The bytes of a client of HTTP/1, watched on their way to the parser: message by message, and none after one that has two
//! meanings.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::{Fault, Framing, Head};

/// What the guard of a connection and those who serve it tell each other.
#[derive(Debug, Default)]
pub struct Told {
    /// How many heads came whole.
    heads: AtomicU64,
    /// How many requests were taken up.
    taken: AtomicU64,
    /// Which request is the last, and what is wrong with it.
    fault: OnceLock<(u64, Fault)>,
    /// The connection went over to another protocol.
    over: AtomicBool,
    /// A head came, and nothing was said since.
    unanswered: AtomicBool,
    /// Something is half said.
    stuck: AtomicBool,
}

impl Told {
    /// Takes up the next request; returns what is wrong with it.
    pub fn take(&self) -> Option<Fault> {
        let number = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        self.fault.get().filter(|(faulty, _)| *faulty == number).map(|(_, fault)| *fault)
    }

    /// Tells that what follows is no HTTP.
    pub fn go_over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Tells whether the client waits for an answer of which nothing was sent, and knows what an interim one is.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) && !self.stuck.load(Ordering::Relaxed)
    }

    /// Takes note of what became of something that is said.
    fn said(&self, offered: usize, taken: &Poll<io::Result<usize>>) {
        self.unanswered.store(false, Ordering::Relaxed);
        let whole = matches!(taken, Poll::Ready(Ok(count)) if *count >= offered);
        self.stuck.store(!whole, Ordering::Relaxed);
    }

    fn head(&self, head: Head) {
        let number = self.heads.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(fault) = head.fault {
            let _ = self.fault.set((number, fault));
        }
        // A client of HTTP/1.0 knows no interim answers (RFC 9110 15.2).
        self.unanswered.store(!head.is_old, Ordering::Relaxed);
    }
}

/// A client's connection of HTTP/1.
pub struct Guard<S> {
    stream: S,
    framing: Framing,
    /// What came after the end of a message.
    rest: BytesMut,
    told: Arc<Told>,
}

impl<S> Guard<S> {
    /// Watches a connection.
    #[must_use]
    pub fn new(stream: S) -> Self {
        Self { stream, framing: Framing::default(), rest: BytesMut::new(), told: Arc::default() }
    }

    /// Returns what it tells.
    #[must_use]
    pub fn told(&self) -> Arc<Told> {
        self.told.clone()
    }

    /// Follows bytes; returns how many of them may be read now.
    fn follow(framing: &mut Framing, told: &Told, bytes: &[u8]) -> usize {
        let step = framing.follow(bytes);
        if let Some(head) = step.head {
            told.head(head);
        }
        step.used
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, framing, rest, told } = self.get_mut();
        let is_over = told.over.load(Ordering::Relaxed);
        if !rest.is_empty() {
            let most = rest.len().min(into.remaining());
            let count = if is_over { most } else { Self::follow(framing, told, &rest[..most]) };
            into.put_slice(&rest[..count]);
            rest.advance(count);
            if rest.is_empty() || framing.is_cut() {
                *rest = BytesMut::new();
            }
            return Poll::Ready(Ok(()));
        }
        if framing.is_cut() && !is_over {
            return Poll::Ready(Ok(()));
        }
        let before = into.filled().len();
        ready!(Pin::new(stream).poll_read(context, into))?;
        let new = &into.filled()[before..];
        if is_over || new.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let count = Self::follow(framing, told, new);
        if !framing.is_cut() {
            rest.extend_from_slice(&new[count..]);
        }
        into.set_filled(before + count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.told.said(bytes.len(), &taken);
        taken
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let taken = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.told.said(pieces.iter().map(|piece| piece.len()).sum(), &taken);
        taken
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
