//! One byte stream of a tunnel.

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};

/// Both directions of a tunnelled connection.
pub struct Stream {
    /// What we send.
    pub send: SendStream<Bytes>,
    /// What the peer sends.
    pub recv: RecvStream,
}

impl Stream {
    /// Cuts both directions; the peer sees a broken connection, not an end of data.
    pub fn reset(&mut self) {
        self.send.send_reset(Reason::CANCEL);
    }
}
