//! What we do with a connection: open, answer and end streams, stop, check whether the peer is there.

use http::{HeaderMap, StatusCode};

use super::{CHECK, LAST_CALL, Protocol, Role};
use crate::{
    STREAM_WINDOW, fields,
    flow::{Flow, Remote},
    frame::{self, code, flag, kind},
};

impl Protocol {
    /// Takes what is sent off the windows.
    pub fn spend(&mut self, stream: u32, count: usize) {
        self.send_window -= count as i64;
        if let Some(flow) = self.flows.get_mut(&stream) {
            flow.send_window -= count as i64;
        }
    }

    /// Wakes the streams that wait for the connection, if it takes bytes.
    pub fn unblock(&mut self) {
        if self.send_window > 0 && std::mem::take(&mut self.blocked) {
            self.flows.values_mut().filter(|flow| flow.send_window > 0).for_each(Flow::wake_writer);
        }
    }

    /// Tells whether one more stream can be opened.
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.leaving && self.flows.len() < self.peer_streams && self.next <= 0x7fff_ffff
    }

    /// Opens a stream; none if there are as many as there may be, or no more are taken.
    pub fn open(&mut self, authority: &str, headers: &HeaderMap) -> Option<u32> {
        if !self.has_room() {
            return None;
        }
        let stream = self.next;
        self.next += 2;
        self.flows.insert(stream, Flow::new(self.peer_window));
        self.write_head(stream, false, &fields::connect(authority, headers));
        Some(stream)
    }

    /// Answers a stream.
    pub fn answer(&mut self, stream: u32, status: StatusCode, headers: &HeaderMap, ends: bool) {
        let Some(flow) = self.flows.get_mut(&stream).filter(|flow| !flow.local_ended) else { return };
        flow.local_ended = ends;
        flow.refused = ends;
        self.write_head(stream, ends, &fields::response(status, headers));
    }

    fn write_head(&mut self, stream: u32, ends: bool, block: &[u8]) {
        let mut flags = if ends { flag::END_STREAM } else { 0 };
        let mut kind = kind::HEADERS;
        let mut block = std::borrow::Cow::Borrowed(block);
        if std::mem::take(&mut self.table_shrunk) {
            // RFC 7541 4.2 and 6.3: a table that the peer made smaller is acknowledged; we keep none at all.
            block.to_mut().insert(0, 0x20);
        }
        let mut chunks = block.chunks(self.peer_frame).peekable();
        while let Some(chunk) = chunks.next() {
            if chunks.peek().is_none() {
                flags |= flag::END_HEADERS;
            }
            frame::write(&mut self.control, kind, flags, stream, chunk);
            (kind, flags) = (kind::CONTINUATION, 0);
        }
    }

    /// Ends our direction of a stream in order.
    pub fn finish(&mut self, stream: u32) {
        let Some(flow) = self.flows.get_mut(&stream) else { return };
        if !flow.local_ended && !matches!(flow.remote, Remote::Reset(_)) {
            flow.local_ended = true;
            frame::write(&mut self.control, kind::DATA, flag::END_STREAM, stream, &[]);
        }
    }

    pub(super) fn reset(&mut self, stream: u32, code: u32) {
        frame::write(&mut self.control, kind::RST_STREAM, 0, stream, &code.to_be_bytes());
    }

    /// Lets go of a stream; one that has not ended both ways is cut.
    pub fn drop_flow(&mut self, stream: u32) {
        let Some(flow) = self.flows.remove(&stream) else { return };
        match flow.remote {
            // RFC 9113 8.1: the answer is whole, the rest of the question is not needed. A client has no such word: whoever drops
            // an answer that still comes breaks it off.
            Remote::Open if flow.refused || (flow.local_ended && self.role == Role::Server) => {
                self.reset(stream, code::NO_ERROR)
            }
            Remote::Open => self.reset(stream, code::CANCEL),
            Remote::Ended if !flow.local_ended => self.reset(stream, code::CANCEL),
            Remote::Ended | Remote::Reset(_) => {}
        }
        if let Some(sink) = flow.sink {
            sink.abandon();
        }
        self.grown -= flow.window - STREAM_WINDOW;
    }

    /// Cuts a stream in disorder, even behind an end of the peer's, so that nobody takes it for an end.
    pub fn cut_flow(&mut self, stream: u32, code: u32) {
        let Some(flow) = self.flows.get_mut(&stream) else { return };
        if !matches!(flow.remote, Remote::Reset(_)) {
            flow.remote = Remote::Reset(code);
            flow.end(Remote::Reset(code));
            self.reset(stream, code);
        }
    }

    /// Asks the peer to open no further streams (RFC 9113 6.8): first without naming the last one, since some may be under way.
    pub fn stop(&mut self) {
        if self.stopping.is_none() {
            self.stopping = Some(false);
            self.goaway(0x7fff_ffff, code::NO_ERROR);
            frame::write(&mut self.control, kind::PING, 0, 0, &LAST_CALL);
        }
    }

    pub(super) fn heard_last_call(&mut self) {
        if self.stopping == Some(false) {
            self.stopping = Some(true);
            self.goaway(self.last, code::NO_ERROR);
        }
    }

    /// Tells whether nothing keeps the connection open.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.flows.is_empty()
            && match self.role {
                Role::Client => self.leaving,
                Role::Server => self.stopping == Some(true),
            }
    }

    /// Says farewell with a reason.
    pub fn farewell(&mut self, code: u32) {
        self.goaway(self.last, code);
    }

    fn goaway(&mut self, last: u32, code: u32) {
        let mut payload = [0; 8];
        payload[..4].copy_from_slice(&last.to_be_bytes());
        payload[4..].copy_from_slice(&code.to_be_bytes());
        frame::write(&mut self.control, kind::GOAWAY, 0, 0, &payload);
    }

    /// Asks whether the peer is there, if nothing was heard since the last time; false if it did not answer then.
    pub fn check(&mut self) -> bool {
        if std::mem::take(&mut self.heard) {
            self.unanswered = false;
            return true;
        }
        if self.unanswered {
            return false;
        }
        self.unanswered = true;
        frame::write(&mut self.control, kind::PING, 0, 0, &CHECK);
        true
    }

    /// Ends all streams: the connection is gone.
    pub fn end(&mut self) {
        self.leaving = true;
        self.accepted.clear();
        self.flows.values_mut().for_each(|flow| flow.end(Remote::Reset(code::CANCEL)));
    }
}
