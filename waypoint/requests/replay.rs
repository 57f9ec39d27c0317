//! Bodies of requests, kept for as long as they may be sent again, and read along by copies.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{
    body::Error,
    copied::{Copied, Tap, copy},
    headers,
};
use crate::telemetry::Messages;

/// How much of a request's body is kept, bytes: what is longer is sent once only.
const KEPT: usize = 64 << 10;

/// The body of a request, which may be sent several times.
pub struct Replay {
    state: Mutex<State>,
    bytes: AtomicU64,
    /// It has none.
    empty: bool,
    hint: SizeHint,
}

struct State {
    incoming: Incoming,
    /// What was looked at before it passes.
    ahead: VecDeque<Frame<Bytes>>,
    /// Who reads along.
    taps: Vec<Tap>,
    kept: Vec<Bytes>,
    length: usize,
    /// How long it says it is.
    exact: Option<u64>,
    trailers: Option<HeaderMap>,
    ended: bool,
    /// What came is kept whole.
    whole: bool,
    /// Something was read.
    begun: bool,
    /// The client broke off, or what it sent is no body.
    broken: bool,
    /// Nobody waits for an answer any more.
    stopped: bool,
    /// Who waits for more of it.
    reader: Option<Waker>,
    messages: Messages,
}

impl Replay {
    /// Makes one of a client's body.
    #[must_use]
    pub fn new(incoming: Incoming) -> Arc<Self> {
        let (empty, hint) = (incoming.is_end_stream(), incoming.size_hint());
        let kept = hint.upper().is_none_or(|length| length <= KEPT as u64);
        let state = State {
            incoming,
            ahead: VecDeque::new(),
            taps: Vec::new(),
            kept: Vec::new(),
            length: 0,
            exact: hint.exact(),
            trailers: None,
            ended: empty,
            whole: kept,
            begun: false,
            broken: false,
            stopped: false,
            reader: None,
            messages: Messages::default(),
        };
        Arc::new(Self { state: Mutex::new(state), bytes: AtomicU64::new(0), empty, hint })
    }

    /// Returns how many bytes came.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns how many messages came, if it is of gRPC.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.lock().messages.count()
    }

    /// Tells whether it can be sent (again).
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let state = self.lock();
        self.empty || !state.broken && (state.whole || !state.begun)
    }

    /// Says that it is sent once only.
    pub fn do_not_keep(&self) {
        self.lock().whole = false;
    }

    /// Breaks it off for whoever sends it: nobody waits for an answer any more. The end of the answer alone does not reset the stream
    /// of a request that goes on.
    pub fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        state.taps.clear();
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Returns a copy, read along as the body passes; before anything of it does.
    #[must_use]
    pub fn copy(&self) -> Outgoing {
        if self.empty {
            return Outgoing::own(Bytes::new());
        }
        let (tap, copied) = copy();
        self.lock().taps.push(tap);
        Outgoing(Source::Copy(copied, self.hint))
    }

    /// Returns its first bytes, which pass later all the same, and whether that is all of it.
    ///
    /// # Errors
    /// A client that broke off.
    pub async fn peek(&self, most: usize) -> Result<(Bytes, bool), Error> {
        poll_fn(|context| self.lock().poll_ahead(most, context)).await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether it broke on its way from the client.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.lock().broken
    }

    /// Returns a body that begins at the beginning.
    #[must_use]
    pub fn attempt(self: &Arc<Self>) -> Outgoing {
        if self.empty { Outgoing::own(Bytes::new()) } else { Outgoing(Source::Attempt(self.clone(), 0, false)) }
    }

    fn poll(&self, next: &mut usize, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut state = self.lock();
        if state.stopped {
            return Poll::Ready(Some(Err(Error::Stopped(h2::Reason::CANCEL.into()))));
        }
        if let Some(bytes) = state.kept.get(*next) {
            *next += 1;
            return Poll::Ready(Some(Ok(Frame::data(bytes.clone()))));
        }
        if state.ended {
            return Poll::Ready(state.trailers.clone().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        if state.begun && !state.whole && *next == 0 {
            return Poll::Ready(Some(Err(Error::Gone)));
        }
        let polled = state.poll_frame(context);
        if polled.is_pending() {
            state.waits(context.waker());
        }
        let Some(frame) = ready!(polled) else {
            state.end(None);
            return Poll::Ready(None);
        };
        state.begun = true;
        match frame?.into_data() {
            Ok(bytes) => {
                self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                *next += 1;
                state.messages.add(&bytes);
                state.pass(&bytes);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Err(frame) => {
                state.end(frame.into_trailers().ok());
                Poll::Ready(state.trailers.clone().map(|trailers| Ok(Frame::trailers(trailers))))
            }
        }
    }
}

impl State {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(frame) = self.ahead.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        self.poll_incoming(context)
    }

    fn poll_incoming(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.broken || self.incoming.is_end_stream() {
            return Poll::Ready(self.broken.then_some(Err(Error::Gone)));
        }
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(context));
        if let Some(Err(_)) = &frame {
            (self.whole, self.broken) = (false, true);
            self.taps.clear();
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Error::from)))
    }

    fn waits(&mut self, waker: &Waker) {
        match &mut self.reader {
            // It copies only if it is another one.
            Some(reader) => reader.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    fn poll_ahead(&mut self, most: usize, context: &mut Context<'_>) -> Poll<Result<(Bytes, bool), Error>> {
        let length =
            |ahead: &VecDeque<Frame<Bytes>>| ahead.iter().filter_map(Frame::data_ref).map(Bytes::len).sum::<usize>();
        let mut whole = self.ahead.back().is_some_and(Frame::is_trailers);
        while !whole && length(&self.ahead) <= most {
            match ready!(self.poll_incoming(context)) {
                Some(frame) => {
                    let frame = frame?;
                    whole = frame.is_trailers();
                    self.ahead.push_back(frame);
                }
                None => whole = true,
            }
        }
        let mut all = BytesMut::new();
        self.ahead.iter().filter_map(Frame::data_ref).for_each(|bytes| all.extend_from_slice(bytes));
        let is_all = whole && all.len() <= most;
        all.truncate(most);
        Poll::Ready(Ok((all.freeze(), is_all)))
    }

    /// Takes note of a piece that passes.
    fn pass(&mut self, bytes: &Bytes) {
        self.taps.retain(|tap| tap.pass(bytes));
        self.length += bytes.len();
        if self.whole && self.length <= KEPT {
            self.kept.push(bytes.clone());
        } else {
            self.whole = false;
            self.kept = Vec::new();
        }
        // Who knows the length does not ask whether more comes.
        if self.ahead.is_empty() && self.incoming.is_end_stream() {
            self.end(None);
        } else if self.exact == Some(self.length as u64) {
            self.taps.drain(..).for_each(|tap| tap.end(None));
        }
    }

    fn end(&mut self, trailers: Option<HeaderMap>) {
        self.ended = true;
        self.trailers = trailers;
        self.trailers.iter_mut().for_each(headers::of_trailers);
        self.taps.drain(..).for_each(|tap| tap.end(self.trailers.as_ref()));
    }
}

/// The body of one request to an endpoint.
pub struct Outgoing(Source);

enum Source {
    /// A try to send the client's: which piece is next, and whether all came.
    Attempt(Arc<Replay>, usize, bool),
    /// A copy of the client's.
    Copy(Copied, SizeHint),
    /// Made here.
    Own(Bytes),
}

impl Outgoing {
    /// Makes one here.
    #[must_use]
    pub fn own(bytes: Bytes) -> Self {
        Self(Source::Own(bytes))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.get_mut().0 {
            Source::Attempt(_, _, true) => Poll::Ready(None),
            Source::Attempt(replay, next, done) => {
                let frame = ready!(replay.poll(next, context));
                *done = frame.as_ref().is_none_or(|f| f.as_ref().is_ok_and(Frame::is_trailers));
                Poll::Ready(frame)
            }
            Source::Copy(copied, _) => copied.poll(context),
            Source::Own(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Attempt(_, _, done) => *done,
            Source::Copy(..) => false,
            Source::Own(bytes) => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Attempt(replay, ..) => replay.hint,
            Source::Copy(_, hint) => *hint,
            Source::Own(bytes) => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}
