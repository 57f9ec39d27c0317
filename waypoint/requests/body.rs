//! Bodies on their way: of answers, counted; those of requests are in [`super::replay`].

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use super::refusal::DEADLINE_EXCEEDED;
use crate::{telemetry::Record, upstream::Checkout};

/// Why an answer ends that took too long.
pub const LATE: &str = "the request took too long";

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
    #[error("{LATE}")]
    TimedOut,
    /// Nobody waits for the answer any more; what its stream is reset with.
    #[error("nobody waits for the answer any more")]
    Stopped(#[source] h2::Error),
    /// A copy fell behind, or what it is a copy of broke.
    #[error("the copy of the body was cut")]
    Cut,
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

    /// Leaves the body out (RFC 9110 9.3.2), which some endpoints of HTTP/2 send all the same.
    #[must_use]
    pub fn bare(self) -> Self {
        if let Self::Passed(mut passed) = self {
            passed.end();
        }
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

    /// Ends it as one that took too long.
    fn late(&mut self) -> Result<Frame<Bytes>, Error> {
        // The rest of the request would hold its stream open.
        self.record.stop();
        self.record.failed("UT", LATE);
        if !self.record.hears_trailers() {
            return Err(Error::TimedOut);
        }
        self.record.grpc(DEADLINE_EXCEEDED);
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(DEADLINE_EXCEEDED));
        trailers.insert("grpc-message", HeaderValue::from_static("upstream request timeout"));
        Ok(Frame::trailers(trailers))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let answer = self.get_mut();
        match answer {
            Self::Own(bytes) => {
                let bytes = bytes.take().filter(|bytes| !bytes.is_empty());
                Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Passed(passed) => {
                if let Some(deadline) = &mut passed.deadline
                    && deadline.as_mut().poll(context).is_ready()
                {
                    let last = passed.late();
                    // With it goes the rest of the endpoint's answer.
                    *answer = Self::Own(None);
                    return Poll::Ready(Some(last));
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::{BodyExt, Empty};
    use hyper::{server::conn::http1, service::service_fn};
    use hyper_util::rt::TokioIo;
    use tokio::{io::AsyncWriteExt, sync::mpsc};

    use super::*;
    use crate::requests::Replay;

    #[tokio::test]
    async fn a_body_that_is_none_is_the_clients_fault_and_not_sent_again() {
        for (body, broken) in [("3\r\nabc\r\n0\r\n\r\n", false), ("zz\r\nabc\r\n", true)] {
            let (mut client, server) = tokio::io::duplex(1024);
            let (tell, mut told) = mpsc::channel(1);
            let service = service_fn(move |request: http::Request<Incoming>| {
                let tell = tell.clone();
                async move {
                    let replay = Replay::new(request.into_body());
                    let read = replay.attempt().collect().await.is_ok();
                    let _ = tell.send((read, replay.is_broken(), replay.is_whole())).await;
                    Ok::<_, Infallible>(http::Response::new(Empty::<Bytes>::new()))
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(server), service));
            let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
            client.write_all(format!("{head}{body}").as_bytes()).await.expect("it is read");
            assert_eq!(told.recv().await, Some((!broken, broken, !broken)), "{body:?}");
        }
    }
}
