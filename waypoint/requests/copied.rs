//! A copy of a body, read along as the body passes: it never holds the body up, and is cut when it falls behind.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::body::Error;

/// How many pieces a copy may be behind.
const BEHIND: usize = 16;

/// What passes.
enum Piece {
    Data(Bytes),
    /// The end, which a copy that was cut never sees: it must not be taken for whole.
    End(Option<HeaderMap>),
}

/// Where the pieces of a body go in.
pub struct Tap(mpsc::Sender<Piece>);

/// The copy that comes out.
pub struct Copied {
    pieces: mpsc::Receiver<Piece>,
    ended: bool,
}

/// Makes a copy.
#[must_use]
pub fn copy() -> (Tap, Copied) {
    let (sender, pieces) = mpsc::channel(BEHIND);
    (Tap(sender), Copied { pieces, ended: false })
}

impl Tap {
    /// Hands a piece on; tells whether the copy still follows.
    #[must_use]
    pub fn pass(&self, bytes: &Bytes) -> bool {
        self.0.try_send(Piece::Data(bytes.clone())).is_ok()
    }

    /// Ends the copy.
    pub fn end(self, trailers: Option<&HeaderMap>) {
        // If there is no room even for the end, the copy was too slow for all of it.
        let _ = self.0.try_send(Piece::End(trailers.cloned()));
    }
}

impl Copied {
    /// Returns the next piece.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(Pin::new(&mut self.pieces).poll_recv(context)) {
            Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End(trailers)) => {
                self.ended = true;
                trailers.map(|trailers| Ok(Frame::trailers(trailers)))
            }
            None => Some(Err(Error::Cut)),
        })
    }
}
