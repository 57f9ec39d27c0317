//! How the peer of a stream fares, seen without reading what it sent.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    flow::{Flow, Remote},
    link::Link,
    stream::Stream,
};

/// Sees what becomes of the peer of a stream while nobody reads: a server that works on an answer does not.
///
/// For the task that reads and writes the stream: who waits is woken where that one is.
pub struct Watch {
    link: Arc<Link>,
    id: u32,
}

impl Stream {
    /// Returns a watch over its peer.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch { link: self.link.clone(), id: self.id }
    }
}

impl Watch {
    /// Waits until the peer has said all that it will say, or broke.
    pub fn poll_finished(&self, context: &mut Context<'_>) -> Poll<()> {
        self.poll(|flow| {
            if flow.remote != Remote::Open {
                return Poll::Ready(());
            }
            flow.reader = Some(context.waker().clone());
            Poll::Pending
        })
    }

    /// Waits until the peer hears nothing any more: it, or the tunnel, broke. Before we ended our own direction.
    pub fn poll_cut(&self, context: &mut Context<'_>) -> Poll<()> {
        self.poll(|flow| {
            if flow.local_ended {
                return Poll::Ready(());
            }
            flow.sender = Some(context.waker().clone());
            Poll::Pending
        })
    }

    /// Says something between what the stream is written: all of it, or nothing where the peer takes less now.
    pub fn say(&self, bytes: &[u8], context: &mut Context<'_>) -> bool {
        matches!(self.link.poll_whole(self.id, bytes, context), Poll::Ready(Ok(_)))
    }

    fn poll(&self, look: impl FnOnce(&mut Flow) -> Poll<()>) -> Poll<()> {
        self.link.with_flow(self.id, look).unwrap_or(Poll::Ready(()))
    }
}
