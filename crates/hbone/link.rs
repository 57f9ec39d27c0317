//! A connection at work: its socket, TLS and protocol under one lock, driven by one task and used by those of its streams.
//!
//! All of them run on the thread that the connection belongs to, so the lock is never waited for. What a stream sends is sealed
//! at once; small pieces wait until the tasks that are ready have had their turn, and leave in one call.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    net::{Shutdown, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf},
    net::{TcpStream, tcp::OwnedReadHalf},
    time::timeout,
};
use tracing::debug;

use crate::{
    HANDSHAKE_TIMEOUT,
    buffer::Buffer,
    fields::Fields,
    flow::{Flow, Remote},
    frame::{HEAD, Head, Violation, code, kind},
    protocol::{Protocol, Role},
    tls::{Standing, Tls},
};

/// How much is read from the peer at once, bytes.
const READ: usize = 64 << 10;
/// How much a stream may send at once, bytes: with the head of its frame it fills four TLS records (RFC 8446 5.1) to the byte.
const SEND: usize = (64 << 10) - HEAD;
/// From how many bytes on it does not pay to wait for more.
const FLUSH: usize = 16 << 10;
/// From how many bytes on a piece is sealed where it is: copied behind the head of its frame it would save a record, which costs less.
const DIRECT: usize = 8 << 10;
/// How much may wait for the socket, bytes: bytes of streams stop long before, answers to the peer's questions do not.
const MAX_OUT: usize = 1 << 20;
/// How much may wait to become a record, bytes.
const MAX_RECORD: usize = 128 << 10;
/// How many reads in a row before others have their turn.
const TURN: usize = 8;

thread_local! {
    /// Where the bytes of one frame are gathered before they are sealed.
    static PLAIN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// Where the bytes of one read are gathered before they are passed on.
    static GATHERED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The socket.
    #[error("the connection broke")]
    Socket(#[from] io::Error),
    /// TLS.
    #[error("TLS failed")]
    Tls(#[from] rustls::Error),
    /// HTTP/2.
    #[error(transparent)]
    Protocol(#[from] Violation),
    /// The peer left without a word.
    #[error("the peer is gone")]
    Gone,
}

/// A stream that was cut, by the peer or with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream was cut (HTTP/2 error {0})")]
pub struct Cut(pub u32);

/// A connection.
pub struct Link {
    /// The other end.
    pub peer: SocketAddr,
    state: Mutex<State>,
    closed: AtomicBool,
}

struct State {
    socket: TcpStream,
    tls: Tls,
    incoming: Buffer,
    out: Buffer,
    protocol: Protocol,
    driver: Option<Waker>,
    settled: Option<Waker>,
    gone: bool,
}

/// Makes the handshake; returns the connection's parts.
///
/// # Errors
/// A peer that fails it, or takes too long.
pub async fn handshake(mut socket: TcpStream, mut tls: Tls) -> Result<Shaken, Broken> {
    let (mut incoming, mut out, mut early) = (Buffer::default(), Buffer::default(), Vec::new());
    let shaking = async {
        loop {
            let standing = tls.receive(&mut incoming, &mut out, |bytes| early.extend_from_slice(bytes));
            if !out.is_empty() {
                // An alert says to the peer why; a peer that is gone does not hear it.
                let sent = socket.write_all(out.filled()).await;
                out.consume(out.len());
                if standing.is_ok() {
                    sent?;
                }
            }
            match standing? {
                Standing::Open => return Ok(()),
                Standing::Closed => return Err(Broken::Gone),
                Standing::Handshake => {}
            }
            let count = socket.read(incoming.room(READ)).await?;
            if count == 0 {
                return Err(Broken::Gone);
            }
            incoming.grow(count);
            if incoming.len() > MAX_RECORD {
                return Err(Violation { code: code::ENHANCE_YOUR_CALM, reason: "a handshake without end" }.into());
            }
        }
    };
    let late = |_| Broken::Socket(io::Error::new(io::ErrorKind::TimedOut, "no answer within 10 s"));
    timeout(HANDSHAKE_TIMEOUT, shaking).await.map_err(late)??;
    incoming.release();
    Ok(Shaken { socket, tls, incoming, out, early })
}

/// A connection behind its handshake.
pub struct Shaken {
    socket: TcpStream,
    /// What was agreed on.
    pub tls: Tls,
    incoming: Buffer,
    out: Buffer,
    early: Vec<u8>,
}

impl Shaken {
    /// Goes over to HTTP/2.
    ///
    /// # Errors
    /// A peer whose first bytes are none of it.
    pub fn link(self, peer: SocketAddr, role: Role) -> Result<Arc<Link>, Broken> {
        let Self { socket, tls, incoming, out, early } = self;
        let mut protocol = Protocol::new(role);
        protocol.take(&early)?;
        protocol.pass_on();
        let state = State { socket, tls, incoming, out, protocol, driver: None, settled: None, gone: false };
        Ok(Arc::new(Link { peer, state: Mutex::new(state), closed: AtomicBool::new(false) }))
    }
}

impl Link {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether no further streams can be opened.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Opens no further streams; those that are open go on.
    pub fn retire(&self) {
        self.closed.store(true, Ordering::Release);
        let mut state = self.lock();
        state.protocol.leaving = true;
        state.wake();
    }

    /// Returns how many streams are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.lock().protocol.flows.len()
    }

    /// Tells whether one more stream can be opened.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.lock().protocol.has_room()
    }

    /// Does something with the protocol, and has what comes of it sent.
    pub fn with<T>(&self, work: impl FnOnce(&mut Protocol) -> T) -> T {
        let mut state = self.lock();
        let outcome = work(&mut state.protocol);
        state.wake();
        outcome
    }

    /// Does something with a stream.
    pub fn with_flow<T>(&self, stream: u32, work: impl FnOnce(&mut Flow) -> T) -> Option<T> {
        self.lock().protocol.flows.get_mut(&stream).map(work)
    }

    /// Moves the connection on. Ends with it: with an error if it was not in order.
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if !state.driver.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            state.driver = Some(context.waker().clone());
        }
        let mut turns = TURN;
        let ended = loop {
            let read = state.poll_read(context);
            if state.protocol.is_settled()
                && let Some(waker) = state.settled.take()
            {
                waker.wake();
            }
            if state.protocol.leaving {
                self.closed.store(true, Ordering::Release);
            }
            match read {
                Poll::Ready(Err(Broken::Gone)) if state.protocol.flows.is_empty() => break Ok(()),
                Poll::Ready(Err(error)) => break Err(error),
                _ => {}
            }
            match state.poll_flush(context) {
                Poll::Ready(Err(error)) => break Err(error),
                Poll::Ready(Ok(())) if state.protocol.is_done() => break Ok(()),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            turns -= 1;
            if read.is_ready() && turns == 0 {
                context.waker().wake_by_ref();
            }
            if read.is_pending() || turns == 0 {
                return Poll::Pending;
            }
        };
        self.closed.store(true, Ordering::Release);
        state.end(&ended);
        Poll::Ready(ended)
    }

    /// Waits for the peer's SETTINGS; false if the connection ended before.
    pub fn poll_settled(&self, context: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.lock();
        if state.protocol.is_settled() || state.gone {
            return Poll::Ready(state.protocol.is_settled());
        }
        state.settled = Some(context.waker().clone());
        Poll::Pending
    }

    /// Waits for the head that answers a stream.
    ///
    /// # Errors
    /// A stream that was cut, or ended without one.
    pub fn poll_head(&self, stream: u32, context: &mut Context<'_>) -> Poll<Result<Fields, Cut>> {
        let mut state = self.lock();
        let Some(flow) = state.protocol.flows.get_mut(&stream) else { return Poll::Ready(Err(Cut(code::CANCEL))) };
        if let Some(fields) = flow.head.take() {
            return Poll::Ready(Ok(fields));
        }
        match flow.remote {
            Remote::Open => {
                flow.reader = Some(context.waker().clone());
                Poll::Pending
            }
            Remote::Ended => Poll::Ready(Err(Cut(code::PROTOCOL_ERROR))),
            Remote::Reset(code) => Poll::Ready(Err(Cut(code))),
        }
    }

    /// Takes a stream that the peer opened and nobody took yet.
    pub fn take_accepted(&self) -> Option<(u32, Fields)> {
        self.lock().protocol.accepted.pop_front()
    }

    /// Ends the connection at once.
    pub fn abort(&self) {
        self.closed.store(true, Ordering::Release);
        self.lock().end(&Ok(()));
    }

    /// Reads from a socket what the peer takes, and sends it on a stream; returns how many bytes, none at the end of data.
    ///
    /// # Errors
    /// A socket or a connection that broke, or a stream that was cut.
    pub fn poll_send(
        &self,
        stream: u32,
        from: &mut OwnedReadHalf,
        context: &mut Context<'_>,
    ) -> Poll<Result<usize, SendError>> {
        self.send(stream, context, |buffer, context| Pin::new(from).poll_read(context, buffer).map_ok(|()| &[][..]))
    }

    /// Sends of these pieces what the peer takes on a stream; returns how many bytes, none if it wants to hear no more.
    ///
    /// # Errors
    /// A connection that broke, or a stream that was cut.
    pub fn poll_write(
        &self,
        stream: u32,
        pieces: &[IoSlice<'_>],
        context: &mut Context<'_>,
    ) -> Poll<Result<usize, SendError>> {
        self.send(stream, context, |buffer, _| {
            for piece in pieces {
                let piece = &piece[..piece.len().min(buffer.remaining())];
                if piece.len() >= DIRECT {
                    return Poll::Ready(Ok(piece));
                }
                buffer.put_slice(piece);
            }
            Poll::Ready(Ok(&[]))
        })
    }

    /// Sends these bytes on a stream, or none of them if the peer does not take all now.
    ///
    /// # Errors
    /// A connection that broke, or a stream that was cut.
    pub fn poll_whole(&self, stream: u32, bytes: &[u8], context: &mut Context<'_>) -> Poll<Result<usize, SendError>> {
        self.send(stream, context, |buffer, _| {
            if buffer.remaining() < bytes.len() {
                return Poll::Pending;
            }
            buffer.put_slice(bytes);
            Poll::Ready(Ok(&[]))
        })
    }

    /// Sends on a stream what `fill` puts into a buffer of the size that the peer takes, and behind it what it returns, which
    /// still fits.
    fn send<'b>(
        &self,
        stream: u32,
        context: &mut Context<'_>,
        fill: impl FnOnce(&mut ReadBuf<'_>, &mut Context<'_>) -> Poll<io::Result<&'b [u8]>>,
    ) -> Poll<Result<usize, SendError>> {
        let mut guard = self.lock();
        let State { socket, tls, incoming, out, protocol, driver, .. } = &mut *guard;
        if out.len() >= FLUSH {
            flush(socket, out).map_err(SendError::Tunnel)?;
        }
        let Some(flow) = protocol.flows.get_mut(&stream) else {
            return Poll::Ready(Err(SendError::Cut(Cut(code::CANCEL))));
        };
        if flow.local_ended {
            return Poll::Ready(if flow.stopped { Ok(0) } else { Err(SendError::Cut(Cut(flow.cut_code()))) });
        }
        if !flow.sender.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            flow.sender = Some(context.waker().clone());
        }
        let window = flow.send_window.min(protocol.send_window).min(protocol.peer_frame.min(SEND) as i64);
        if window <= 0 || out.len() >= FLUSH {
            flow.writer = Some(context.waker().clone());
            protocol.blocked |= flow.send_window > 0;
            // A window that is used up alone gives the driver nothing to do.
            if !out.is_empty() {
                wake(driver.as_ref());
            }
            return Poll::Pending;
        }
        PLAIN.with_borrow_mut(|plain| {
            if plain.is_empty() {
                plain.resize(HEAD + SEND, 0);
            }
            let mut buffer = ReadBuf::new(&mut plain[HEAD..HEAD + window as usize]);
            let rest = ready!(fill(&mut buffer, context)).map_err(SendError::Socket)?;
            let filled = buffer.filled().len();
            let count = filled + rest.len();
            if count > 0 {
                let head = Head { length: count, kind: kind::DATA, flags: 0, stream };
                plain[..HEAD].copy_from_slice(&head.bytes());
                protocol.spend(stream, count);
                seal_control(protocol, tls, incoming, out).map_err(SendError::Tunnel)?;
                tls.encrypt(&plain[..HEAD + filled], incoming, out).map_err(|e| SendError::Tunnel(e.into()))?;
                if !rest.is_empty() {
                    tls.encrypt(rest, incoming, out).map_err(|e| SendError::Tunnel(e.into()))?;
                }
                if out.len() >= FLUSH {
                    flush(socket, out).map_err(SendError::Tunnel)?;
                }
                if !out.is_empty() {
                    wake(driver.as_ref());
                }
            }
            Poll::Ready(Ok(count))
        })
    }

    /// Reads what came for a stream; nothing at its end.
    ///
    /// # Errors
    /// A stream that was cut.
    pub fn poll_read(&self, stream: u32, into: &mut ReadBuf<'_>, context: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(flow) = state.protocol.flows.get_mut(&stream) else { return Poll::Ready(Err(Cut(code::CANCEL))) };
        let mut count = 0;
        while let Some(bytes) = flow.queue.front_mut() {
            let part = bytes.len().min(into.remaining());
            if part == 0 && !bytes.is_empty() {
                break;
            }
            into.put_slice(&bytes.split_to(part));
            count += part;
            if bytes.is_empty() {
                flow.queue.pop_front();
            }
        }
        if count == 0 && into.remaining() > 0 {
            return match flow.remote {
                Remote::Ended => Poll::Ready(Ok(())),
                Remote::Reset(code) => Poll::Ready(Err(Cut(code))),
                Remote::Open => {
                    flow.reader = Some(context.waker().clone());
                    Poll::Pending
                }
            };
        }
        state.protocol.consume(stream, count);
        if !state.protocol.control.is_empty() {
            state.wake();
        }
        Poll::Ready(Ok(()))
    }

    /// Passes what came for a stream on to its socket, to the end.
    ///
    /// # Errors
    /// A socket that broke, or a stream that was cut.
    pub fn poll_drain(&self, stream: u32, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let protocol = &mut state.protocol;
        let outcome = loop {
            let Some(flow) = protocol.flows.get_mut(&stream) else { break Poll::Ready(Err(SendError::Cut(Cut(0)))) };
            if let Some(error) = flow.broken.take() {
                break Poll::Ready(Err(SendError::Socket(error)));
            }
            let Some(sink) = &flow.sink else { break Poll::Ready(Ok(())) };
            let Some(bytes) = flow.queue.front_mut() else {
                break match flow.remote {
                    Remote::Ended => Poll::Ready(Ok(())),
                    Remote::Reset(code) => Poll::Ready(Err(SendError::Cut(Cut(code)))),
                    Remote::Open => {
                        flow.reader = Some(context.waker().clone());
                        Poll::Pending
                    }
                };
            };
            match sink.write(bytes) {
                Ok(count) => {
                    drop(bytes.split_to(count));
                    if bytes.is_empty() {
                        flow.queue.pop_front();
                    }
                    protocol.consume(stream, count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // The socket wakes when it takes more; an end of the stream must wake as well.
                    flow.reader = Some(context.waker().clone());
                    let writable = flow.sink.as_ref().map(|sink| sink.socket.as_ref().poll_write_ready(context));
                    match writable {
                        Some(Poll::Ready(Ok(()))) => {}
                        Some(Poll::Ready(Err(error))) => break Poll::Ready(Err(SendError::Socket(error))),
                        _ => break Poll::Pending,
                    }
                }
                Err(error) => break Poll::Ready(Err(SendError::Socket(error))),
            }
        };
        if !state.protocol.control.is_empty() {
            state.wake();
        }
        outcome
    }
}

/// Why a stream could not go on.
#[derive(Debug)]
pub enum SendError {
    /// The local socket.
    Socket(io::Error),
    /// The connection.
    Tunnel(Broken),
    /// The stream.
    Cut(Cut),
}

impl From<Cut> for SendError {
    fn from(cut: Cut) -> Self {
        Self::Cut(cut)
    }
}

impl State {
    fn wake(&self) {
        wake(self.driver.as_ref());
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if self.gone {
            return Poll::Ready(Err(Broken::Gone));
        }
        ready!(self.socket.poll_read_ready(context))?;
        let mut buffer = ReadBuf::new(self.incoming.room(READ));
        let read = Pin::new(&mut self.socket).poll_read(context, &mut buffer);
        let count = buffer.filled().len();
        self.incoming.grow(count);
        if read.is_pending() {
            self.incoming.release();
            return Poll::Pending;
        }
        ready!(read)?;
        let Self { tls, incoming, out, protocol, .. } = self;
        let mut taken = Ok(());
        let standing = GATHERED.with_borrow_mut(|gathered| {
            debug_assert!(protocol.gathered.is_empty(), "all was passed on");
            std::mem::swap(&mut protocol.gathered, gathered);
            let standing = tls.receive(incoming, out, |bytes| {
                if taken.is_ok() {
                    taken = protocol.take(bytes);
                }
            });
            protocol.pass_on();
            std::mem::swap(&mut protocol.gathered, gathered);
            standing
        })?;
        taken?;
        if incoming.len() > MAX_RECORD {
            return Poll::Ready(
                Err(Violation { code: code::ENHANCE_YOUR_CALM, reason: "a record without end" }.into()),
            );
        }
        if count == 0 || standing == Standing::Closed {
            self.gone = true;
            return Poll::Ready(Err(Broken::Gone));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        seal_control(&mut self.protocol, &mut self.tls, &mut self.incoming, &mut self.out)?;
        if self.out.len() > MAX_OUT {
            let reason = "it asks and does not read";
            return Poll::Ready(Err(Violation { code: code::ENHANCE_YOUR_CALM, reason }.into()));
        }
        while !self.out.is_empty() {
            match self.socket.try_write(self.out.filled()) {
                Ok(0) => return Poll::Ready(Err(Broken::Gone)),
                Ok(count) => self.out.consume(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.socket.poll_write_ready(context))?;
                }
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        self.protocol.unblock();
        Poll::Ready(Ok(()))
    }

    /// Ends all streams, and tells the peer why if it can hear it.
    fn end(&mut self, how: &Result<(), Broken>) {
        if let Err(Broken::Protocol(violation)) = how {
            self.protocol.farewell(violation.code);
        }
        if seal_control(&mut self.protocol, &mut self.tls, &mut self.incoming, &mut self.out).is_ok() {
            self.tls.close(&mut self.incoming, &mut self.out);
        }
        if let Err(error) = flush(&self.socket, &mut self.out) {
            debug!(%error, "the last words did not reach the peer");
        }
        // The descriptor may be held for a while; the peer need not wait for that.
        let _ = SockRef::from(&self.socket).shutdown(Shutdown::Both);
        self.out.consume(self.out.len());
        self.incoming.consume(self.incoming.len());
        self.protocol.end();
        self.gone = true;
        if let Some(waker) = self.settled.take() {
            waker.wake();
        }
        self.wake();
    }
}

fn wake(driver: Option<&Waker>) {
    if let Some(waker) = driver {
        waker.wake_by_ref();
    }
}

fn seal_control(protocol: &mut Protocol, tls: &mut Tls, incoming: &mut Buffer, out: &mut Buffer) -> Result<(), Broken> {
    if !protocol.control.is_empty() {
        tls.encrypt(&protocol.control, incoming, out)?;
        protocol.control.clear();
        protocol.control.shrink_to(1 << 10);
    }
    Ok(())
}

/// Sends what the socket takes now; the driver sends the rest.
fn flush(socket: &TcpStream, out: &mut Buffer) -> Result<(), Broken> {
    while !out.is_empty() {
        match socket.try_write(out.filled()) {
            Ok(0) => return Err(Broken::Gone),
            Ok(count) => out.consume(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
