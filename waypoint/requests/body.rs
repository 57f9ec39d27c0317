//! Bodies on their way: of requests, kept for as long as they may be sent again, and of answers, counted.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use crate::{
    telemetry::{Messages, Record},
    upstream::Checkout,
};

/// How much of a request's body is kept, bytes: what is longer is sent once only.
const KEPT: usize = 64 << 10;

/// Why a body broke.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The other side.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// What was sent already was not kept.
    #[error("the body cannot be sent again")]
    Gone,
    /// The request took too long.
    #[error("the request took too long")]
    TimedOut,
}

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
    kept: Vec<Bytes>,
    length: usize,
    messages: Messages,
    trailers: Option<HeaderMap>,
    ended: bool,
    /// What came is kept whole.
    whole: bool,
    /// Something was read.
    begun: bool,
}

impl Replay {
    /// Makes one of a client's body; without `keep` it can be sent once.
    #[must_use]
    pub fn new(incoming: Incoming, keep: bool) -> Arc<Self> {
        let (empty, hint) = (incoming.is_end_stream(), incoming.size_hint());
        let kept = hint.upper().is_none_or(|length| length <= KEPT as u64) && keep;
        let state = State {
            incoming,
            kept: Vec::new(),
            length: 0,
            messages: Messages::default(),
            trailers: None,
            ended: empty,
            whole: kept,
            begun: false,
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner).messages.count()
    }

    /// Tells whether it can be sent (again).
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.empty || state.whole || !state.begun
    }

    /// Returns a body that begins at the beginning.
    #[must_use]
    pub fn attempt(self: &Arc<Self>) -> Outgoing {
        Outgoing { replay: (!self.empty).then(|| self.clone()), next: 0, done: false }
    }

    fn poll(&self, next: &mut usize, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
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
        let Some(frame) = ready!(Pin::new(&mut state.incoming).poll_frame(context)) else {
            state.ended = true;
            return Poll::Ready(None);
        };
        state.begun = true;
        let frame = frame.map_err(Error::Http)?;
        match frame.into_data() {
            Ok(bytes) => {
                self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                *next += 1;
                state.length += bytes.len();
                state.messages.add(&bytes);
                if state.whole && state.length <= KEPT {
                    state.kept.push(bytes.clone());
                } else {
                    state.whole = false;
                    state.kept = Vec::new();
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Err(frame) => {
                state.ended = true;
                state.trailers = frame.into_trailers().ok();
                Poll::Ready(state.trailers.clone().map(|trailers| Ok(Frame::trailers(trailers))))
            }
        }
    }
}

/// The body of one try.
pub struct Outgoing {
    replay: Option<Arc<Replay>>,
    next: usize,
    done: bool,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let Some(replay) = this.replay.as_ref().filter(|_| !this.done) else { return Poll::Ready(None) };
        let frame = ready!(replay.poll(&mut this.next, context));
        this.done = frame.as_ref().is_none_or(|f| f.as_ref().is_ok_and(Frame::is_trailers));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.replay.is_none() || self.done
    }

    fn size_hint(&self) -> SizeHint {
        self.replay.as_ref().map_or_else(|| SizeHint::with_exact(0), |replay| replay.hint)
    }
}

/// The body of an answer. Its end, or its loss, is what is told of the request.
pub enum Answer {
    /// Made here.
    Own(Option<Bytes>),
    /// Passed on.
    Passed(Box<Passed>),
}

/// The body of an answer that is passed on.
pub struct Passed {
    incoming: Incoming,
    checkout: Option<Checkout>,
    deadline: Option<Pin<Box<Sleep>>>,
    record: Record,
}

impl Answer {
    /// Makes one here: it is told of whether the client reads it or not.
    #[must_use]
    pub fn own(bytes: Bytes, mut record: Record) -> Self {
        record.count(bytes.len());
        record.complete();
        Self::Own(Some(bytes))
    }

    /// Makes one that is not told of: what comes after it is.
    #[must_use]
    pub fn head() -> Self {
        Self::Own(None)
    }

    /// Makes one of an endpoint's.
    #[must_use]
    pub fn passed(
        incoming: Incoming,
        checkout: Checkout,
        deadline: Option<tokio::time::Instant>,
        record: Record,
    ) -> Self {
        let deadline = deadline.map(|at| Box::pin(tokio::time::sleep_until(at)));
        let mut passed = Passed { incoming, checkout: Some(checkout), deadline, record };
        if passed.incoming.is_end_stream() {
            passed.end();
        }
        Self::Passed(Box::new(passed))
    }
}

impl Passed {
    fn end(&mut self) {
        self.record.complete();
        if let Some(checkout) = self.checkout.take() {
            checkout.done();
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::Own(bytes) => {
                let bytes = bytes.take().filter(|bytes| !bytes.is_empty());
                Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Passed(passed) => {
                if let Some(deadline) = &mut passed.deadline
                    && deadline.as_mut().poll(context).is_ready()
                {
                    passed.record.failed("UT", "the request took too long");
                    return Poll::Ready(Some(Err(Error::TimedOut)));
                }
                match ready!(Pin::new(&mut passed.incoming).poll_frame(context)) {
                    Some(Ok(frame)) => {
                        if let Some(bytes) = frame.data_ref() {
                            passed.record.piece(bytes);
                        }
                        if let Some(trailers) = frame.trailers_ref() {
                            passed.record.trailers(trailers);
                        }
                        if passed.incoming.is_end_stream() {
                            passed.end();
                        }
                        Poll::Ready(Some(Ok(frame)))
                    }
                    Some(Err(error)) => {
                        passed.record.failed("UC", &runtime::error::chain(&error));
                        Poll::Ready(Some(Err(error.into())))
                    }
                    None => {
                        passed.end();
                        Poll::Ready(None)
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Passed(passed) => passed.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Passed(passed) => passed.incoming.size_hint(),
        }
    }
}
