//! One stream's part of a connection: windows, what waits to be read, who waits for it.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, atomic::Ordering},
    task::Waker,
};

use bytes::BytesMut;
use tokio::net::tcp::OwnedWriteHalf;

use crate::{
    STREAM_WINDOW,
    copy::{Counts, Side},
    fields::Fields,
    frame::code,
};

/// Up to which length pieces that wait are put together, bytes.
const PIECE: usize = 16 << 10;

/// What the peer's direction has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// More may come.
    Open,
    /// All has come.
    Ended,
    /// The peer, or the end of the connection, cut it; the error code (RFC 9113 7).
    Reset(u32),
}

/// Where bytes go that arrive for a stream: into this socket at once, if it takes them.
pub struct Sink {
    /// The socket.
    pub socket: OwnedWriteHalf,
    /// What is counted.
    pub counts: Arc<Counts>,
    /// Which direction this is.
    pub side: Side,
}

/// One stream.
pub struct Flow {
    /// How many bytes the peer still takes (RFC 9113 6.9); below zero after it changed its mind.
    pub send_window: i64,
    /// How many bytes the peer may still send.
    pub receive_window: i64,
    /// How far the peer may be ahead of who reads, bytes; grows while the reader keeps up.
    pub window: u32,
    /// How many bytes were passed on and not yet granted anew.
    pub consumed: u32,
    /// What came and was not passed on yet: bounded by the window.
    pub queue: VecDeque<BytesMut>,
    /// The peer's direction.
    pub remote: Remote,
    /// Our direction has ended.
    pub local_ended: bool,
    /// It ended with a head that says no.
    pub refused: bool,
    /// The peer has said all and wants to hear no more: no break.
    pub stopped: bool,
    /// The head that answers ours, until somebody took it.
    pub head: Option<Fields>,
    /// The answer was taken: what comes as a head now are trailers.
    pub answered: bool,
    /// Where bytes go.
    pub sink: Option<Sink>,
    /// Why the socket takes no more.
    pub broken: Option<io::Error>,
    /// Who waits for bytes, for the head, or for the end.
    pub reader: Option<Waker>,
    /// Who waits for a window.
    pub writer: Option<Waker>,
    /// Who sends, and must hear of a break even while it waits for something else.
    pub sender: Option<Waker>,
}

impl Flow {
    /// Makes a stream.
    #[must_use]
    pub fn new(send_window: i64) -> Self {
        Self {
            send_window,
            receive_window: i64::from(STREAM_WINDOW),
            window: STREAM_WINDOW,
            consumed: 0,
            queue: VecDeque::new(),
            remote: Remote::Open,
            local_ended: false,
            refused: false,
            stopped: false,
            head: None,
            answered: false,
            sink: None,
            broken: None,
            reader: None,
            writer: None,
            sender: None,
        }
    }

    /// Returns why the stream takes no more, as a code (RFC 9113 7).
    #[must_use]
    pub fn cut_code(&self) -> u32 {
        if let Remote::Reset(code) = self.remote { code } else { code::CANCEL }
    }

    /// Passes bytes on, or keeps them until the reader comes; returns how many were passed on.
    pub fn deliver(&mut self, mut bytes: &[u8]) -> usize {
        let mut passed = 0;
        if self.broken.is_some() {
            return bytes.len();
        }
        if let (Some(sink), true) = (&self.sink, self.queue.is_empty()) {
            while !bytes.is_empty() {
                match sink.write(bytes) {
                    Ok(count) => {
                        passed += count;
                        bytes = &bytes[count..];
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => {
                        self.broken = Some(error);
                        self.wake_reader();
                        return passed + bytes.len();
                    }
                }
            }
        }
        if !bytes.is_empty() {
            match self.queue.back_mut() {
                // Small pieces are put together: each by itself would cost many times its length.
                Some(last) if last.len() + bytes.len() <= PIECE => last.extend_from_slice(bytes),
                _ => self.queue.push_back(BytesMut::from(bytes)),
            }
            self.wake_reader();
        }
        passed
    }

    /// Marks the end of the peer's direction.
    pub fn end(&mut self, how: Remote) {
        // An end in order stays one: what was sent before it is whole.
        if self.remote == Remote::Open {
            self.remote = how;
        }
        self.wake_reader();
        if matches!(how, Remote::Reset(_)) {
            // Nothing that we send is taken any more.
            self.local_ended = true;
            self.wake_writer();
            if let Some(waker) = self.sender.take() {
                waker.wake();
            }
        }
    }

    /// Wakes who reads.
    pub fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    /// Wakes who writes.
    pub fn wake_writer(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }
}

impl Sink {
    /// Lets go of the socket so that its other end sees a broken connection, not an end of data.
    pub fn abandon(self) {
        let _ = self.socket.as_ref().set_zero_linger();
        self.socket.forget();
    }

    /// Writes what the socket takes, and counts it.
    ///
    /// # Errors
    /// `WouldBlock`, or a socket that broke.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.socket.try_write(bytes)?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.side.received(&self.counts).fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
