//! One byte stream of a tunnel.

use std::sync::Arc;

use crate::{flow::Sink, frame::code, link::Link};

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

impl Drop for Stream {
    fn drop(&mut self) {
        self.link.with(|protocol| protocol.drop_flow(self.id));
    }
}
