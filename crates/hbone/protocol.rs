//! The protocol of a connection without its socket: frames in, frames out, streams and their windows (RFC 9113).

use std::collections::{HashMap, VecDeque};

use crate::{
    CONNECTION_WINDOW, FRAME_SIZE, MAX_STREAMS, STREAM_WINDOW,
    fields::{self, Fields, Reader},
    flow::{Flow, Remote},
    frame::{self, FIRST_FRAME, FIRST_WINDOW, HEAD, Head, MAX_WINDOW, PREFACE, Violation, code, flag, kind, setting},
    hpack::TABLE,
};

/// How long a compressed head may be, bytes, and any other frame that is not DATA.
const MAX_PAYLOAD: usize = 16 << 10;
/// How much may wait to be told to the peer, bytes: one that asks and does not read is left.
const MAX_CONTROL: usize = 64 << 10;
/// How far the window of a stream grows, bytes.
const WINDOW_LIMIT: u32 = 8 << 20;
/// By how much the windows of a connection's streams may grow together, bytes.
const GROWTH: u32 = 64 << 20;
/// How many bytes are gathered before they are passed on.
pub const GATHERED: usize = 128 << 10;
/// What a stop sends as PING, to learn that the peer knows of it.
const LAST_CALL: [u8; 8] = *b"lastcall";
/// What the regular check sends.
const CHECK: [u8; 8] = *b"are you?";

/// Which side of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Opens streams.
    Client,
    /// Takes streams.
    Server,
}

enum Reading {
    /// This many bytes of the client's preface were right.
    Preface(usize),
    Head([u8; HEAD], usize),
    /// What is left of the bytes and of the padding of a DATA frame.
    Data {
        head: Head,
        left: usize,
        padding: usize,
    },
    /// DATA whose length of padding comes first.
    Padding(Head),
    Whole(Head, Vec<u8>),
    Skip(usize),
}

/// The state of a connection.
pub struct Protocol {
    role: Role,
    reading: Reading,
    /// A head that goes on in CONTINUATION: its stream, whether the stream ends with it, its bytes.
    open_head: Option<(u32, bool, Vec<u8>)>,
    reader: Reader,
    /// The streams.
    pub flows: HashMap<u32, Flow>,
    /// The next stream of a client.
    next: u32,
    /// The last stream that the peer opened.
    last: u32,
    /// How many bytes the peer still takes on the whole connection.
    pub send_window: i64,
    receive_window: i64,
    consumed: u32,
    /// By how much windows of open streams have grown.
    grown: u32,
    peer_window: i64,
    /// The largest frame that the peer takes.
    pub peer_frame: usize,
    peer_streams: usize,
    /// The peer keeps a smaller table of fields than everybody begins with, and has not heard that we know.
    table_shrunk: bool,
    settled: bool,
    /// Bytes of one stream that came in one read: passed on together, since a call of the kernel costs more than a copy.
    pub gathered: Vec<u8>,
    gathered_for: u32,
    /// Frames that wait to be sent.
    pub control: Vec<u8>,
    /// Streams that the peer opened and nobody took yet.
    pub accepted: VecDeque<(u32, Fields)>,
    /// Some stream waits for the connection's window, or for what was sent to leave.
    pub blocked: bool,
    /// The peer, or we, take no further streams.
    pub leaving: bool,
    /// The peer is asked to leave; whether it is known to have heard.
    stopping: Option<bool>,
    /// A check that is not answered.
    unanswered: bool,
    /// Something came since the last check.
    heard: bool,
}

impl Protocol {
    /// Begins a connection: what is to be sent first waits in [`Self::control`].
    #[must_use]
    pub fn new(role: Role) -> Self {
        let mut control = Vec::with_capacity(256);
        let mut settings = vec![
            (setting::INITIAL_WINDOW_SIZE, STREAM_WINDOW),
            (setting::MAX_FRAME_SIZE, FRAME_SIZE),
            (setting::MAX_HEADER_LIST_SIZE, fields::MAX_LIST as u32),
        ];
        match role {
            Role::Client => {
                control.extend_from_slice(PREFACE);
                settings.push((setting::ENABLE_PUSH, 0));
            }
            Role::Server => settings.push((setting::MAX_CONCURRENT_STREAMS, MAX_STREAMS)),
        }
        frame::write_settings(&mut control, &settings);
        let more = CONNECTION_WINDOW - FIRST_WINDOW as u32;
        frame::write(&mut control, kind::WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
        Self {
            role,
            reading: if role == Role::Server { Reading::Preface(0) } else { Reading::Head([0; HEAD], 0) },
            open_head: None,
            reader: Reader::default(),
            flows: HashMap::new(),
            next: 1,
            last: 0,
            send_window: FIRST_WINDOW,
            receive_window: i64::from(CONNECTION_WINDOW),
            consumed: 0,
            grown: 0,
            peer_window: FIRST_WINDOW,
            peer_frame: FIRST_FRAME,
            // RFC 9113 6.5.2: no limit until one is told; a bound of ours is better than none.
            peer_streams: MAX_STREAMS as usize,
            table_shrunk: false,
            settled: false,
            gathered: Vec::new(),
            gathered_for: 0,
            control,
            accepted: VecDeque::new(),
            blocked: false,
            leaving: false,
            stopping: None,
            unanswered: false,
            heard: false,
        }
    }

    /// Tells whether the peer's SETTINGS have come, with which every connection begins.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Takes in bytes, in pieces of any size; what they bring for a stream is with it after [`Self::pass_on`].
    ///
    /// # Errors
    /// A peer that breaks the protocol.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        self.heard = true;
        while !bytes.is_empty() {
            bytes = self.piece(bytes)?;
            if self.control.len() > MAX_CONTROL {
                return Err(Violation { code: code::ENHANCE_YOUR_CALM, reason: "it asks and does not read" });
            }
        }
        Ok(())
    }

    /// Takes in what belongs together; returns the rest.
    fn piece<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Violation> {
        match &mut self.reading {
            Reading::Preface(matched) => {
                let wanted = &PREFACE[*matched..];
                let (ours, rest) = bytes.split_at(wanted.len().min(bytes.len()));
                if ours != &wanted[..ours.len()] {
                    return Err(Violation::protocol("no preface of HTTP/2"));
                }
                *matched += ours.len();
                if *matched == PREFACE.len() {
                    self.reading = Reading::Head([0; HEAD], 0);
                }
                Ok(rest)
            }
            Reading::Head(head, have) => {
                let (ours, rest) = bytes.split_at((HEAD - *have).min(bytes.len()));
                head[*have..*have + ours.len()].copy_from_slice(ours);
                *have += ours.len();
                if *have == HEAD {
                    let head = Head::read(head);
                    self.reading = self.begin(head)?;
                    self.settle_empty()?;
                }
                Ok(rest)
            }
            Reading::Padding(head) => {
                let (head, (padding, rest)) = (*head, (usize::from(bytes[0]), &bytes[1..]));
                let left = head.length - 1;
                let data = left.checked_sub(padding).ok_or(Violation::protocol("padding is longer than the frame"))?;
                self.consume(head.stream, padding + 1);
                self.reading = Reading::Data { head, left: data, padding };
                self.settle_empty()?;
                Ok(rest)
            }
            Reading::Data { head, left, padding } => {
                let (stream, count) = (head.stream, (*left).min(bytes.len()));
                let (ours, rest) = bytes.split_at(count);
                *left -= count;
                let skipped = (*padding).min(rest.len());
                let rest = if *left == 0 {
                    *padding -= skipped;
                    &rest[skipped..]
                } else {
                    rest
                };
                if !ours.is_empty() {
                    self.data(stream, ours);
                }
                self.settle_empty()?;
                Ok(rest)
            }
            Reading::Whole(head, payload) => {
                let (ours, rest) = bytes.split_at((head.length - payload.len()).min(bytes.len()));
                payload.extend_from_slice(ours);
                self.settle_empty()?;
                Ok(rest)
            }
            Reading::Skip(left) => {
                let count = (*left).min(bytes.len());
                *left -= count;
                self.settle_empty()?;
                Ok(&bytes[count..])
            }
        }
    }

    /// Ends the frame that is being read, if nothing of it is left.
    fn settle_empty(&mut self) -> Result<(), Violation> {
        let next = Reading::Head([0; HEAD], 0);
        match &mut self.reading {
            Reading::Data { head, left: 0, padding: 0 } => {
                let (stream, ends) = (head.stream, head.has(flag::END_STREAM));
                self.reading = next;
                if ends {
                    self.pass_on();
                }
                if let (true, Some(flow)) = (ends, self.flows.get_mut(&stream)) {
                    flow.end(Remote::Ended);
                }
            }
            Reading::Whole(head, payload) if head.length == payload.len() => {
                let (head, payload) = (*head, std::mem::take(payload));
                self.reading = next;
                self.pass_on();
                self.whole(head, &payload)?;
            }
            Reading::Skip(0) => self.reading = next,
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, head: Head) -> Result<Reading, Violation> {
        if head.length > FRAME_SIZE as usize {
            return Err(Violation::size("a frame that is longer than what was allowed"));
        }
        if !self.settled && head.kind != kind::SETTINGS {
            return Err(Violation::protocol("no SETTINGS at the beginning"));
        }
        if self.open_head.is_some() && head.kind != kind::CONTINUATION {
            return Err(Violation::protocol("a frame inside a head"));
        }
        match head.kind {
            kind::DATA => {
                self.data_begins(&head)?;
                if head.has(flag::PADDED) {
                    if head.length == 0 {
                        return Err(Violation::size("padded DATA without a length of padding"));
                    }
                    return Ok(Reading::Padding(head));
                }
                Ok(Reading::Data { head, left: head.length, padding: 0 })
            }
            kind::PUSH_PROMISE => Err(Violation::protocol("a server that pushes")),
            kind::HEADERS | kind::RST_STREAM..=kind::CONTINUATION => {
                if head.length > MAX_PAYLOAD {
                    return Err(Violation { code: code::ENHANCE_YOUR_CALM, reason: "a frame that is too long" });
                }
                Ok(Reading::Whole(head, Vec::with_capacity(head.length)))
            }
            // RFC 9113 5.5: kinds that are not known are passed over; priorities are, too (5.3.2).
            _ => Ok(Reading::Skip(head.length)),
        }
    }

    /// Tells whether a stream was there once, or is.
    fn is_known(&self, stream: u32) -> bool {
        let ours = stream % 2 == 1;
        ours && match self.role {
            Role::Client => stream < self.next,
            Role::Server => stream <= self.last,
        }
    }

    fn data_begins(&mut self, head: &Head) -> Result<(), Violation> {
        let length = head.length as i64;
        if !self.is_known(head.stream) {
            return Err(Violation::protocol("DATA of a stream that is not open"));
        }
        let beyond = Violation { code: code::FLOW_CONTROL_ERROR, reason: "more than the window allows" };
        self.receive_window -= length;
        if self.receive_window < 0 {
            return Err(beyond);
        }
        // At once, whether the stream is read or not: one that is not must not hold the others up. Its own window bounds it.
        self.consumed += head.length as u32;
        if self.consumed >= CONNECTION_WINDOW / 4 {
            self.receive_window += i64::from(self.consumed);
            frame::write(&mut self.control, kind::WINDOW_UPDATE, 0, 0, &self.consumed.to_be_bytes());
            self.consumed = 0;
        }
        let Some(flow) = self.flows.get_mut(&head.stream) else { return Ok(()) };
        flow.receive_window -= length;
        if flow.receive_window < 0 {
            return Err(beyond);
        }
        if flow.remote == Remote::Ended {
            return Err(Violation { code: code::STREAM_CLOSED, reason: "DATA behind the end of its stream" });
        }
        Ok(())
    }

    fn data(&mut self, stream: u32, bytes: &[u8]) {
        // Who reads here himself saves no call of the kernel by it: gathering would be one more copy, and large pieces of memory.
        if let Some(flow) =
            self.flows.get_mut(&stream).filter(|flow| flow.sink.is_none() && flow.remote == Remote::Open)
        {
            let passed = flow.deliver(bytes);
            self.consume(stream, passed);
            return;
        }
        if self.gathered_for != stream || self.gathered.len() + bytes.len() > GATHERED {
            self.pass_on();
        }
        self.gathered_for = stream;
        self.gathered.extend_from_slice(bytes);
    }

    /// Passes on what was gathered.
    pub fn pass_on(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        let stream = self.gathered_for;
        let passed = match self.flows.get_mut(&stream) {
            Some(flow) if flow.remote == Remote::Open => flow.deliver(&self.gathered),
            // Nobody wants it any more.
            _ => self.gathered.len(),
        };
        self.gathered.clear();
        self.consume(stream, passed);
    }

    /// Grants the peer of a stream what was passed on, in large portions; and more with each of them while the reader keeps up.
    pub fn consume(&mut self, stream: u32, count: usize) {
        let Some(flow) = self.flows.get_mut(&stream) else { return };
        flow.consumed += count as u32;
        if flow.consumed < flow.window / 4 || flow.remote != Remote::Open {
            return;
        }
        let may_grow = flow.queue.is_empty() && flow.window < WINDOW_LIMIT && self.grown + flow.window <= GROWTH;
        let more = if may_grow { flow.window } else { 0 };
        self.grown += more;
        flow.window += more;
        let granted = flow.consumed + more;
        flow.receive_window += i64::from(granted);
        frame::write(&mut self.control, kind::WINDOW_UPDATE, 0, stream, &granted.to_be_bytes());
        flow.consumed = 0;
    }

    fn whole(&mut self, head: Head, payload: &[u8]) -> Result<(), Violation> {
        let on_stream = head.stream != 0;
        let length =
            |wanted| if payload.len() == wanted { Ok(()) } else { Err(Violation::size("a frame of a wrong length")) };
        match (head.kind, on_stream) {
            (kind::HEADERS, true) => {
                let block = frame::unpad(&head, payload)?;
                self.head(head.stream, head.has(flag::END_STREAM), head.has(flag::END_HEADERS), block.to_vec())
            }
            (kind::CONTINUATION, true) => {
                let (stream, ends, mut block) =
                    self.open_head.take().ok_or(Violation::protocol("CONTINUATION of nothing"))?;
                block.extend_from_slice(payload);
                if stream != head.stream {
                    return Err(Violation::protocol("CONTINUATION of another stream"));
                }
                if block.len() > MAX_PAYLOAD || payload.is_empty() {
                    return Err(Violation { code: code::ENHANCE_YOUR_CALM, reason: "a head that does not end" });
                }
                self.head(stream, ends, head.has(flag::END_HEADERS), block)
            }
            (kind::RST_STREAM, true) => {
                length(4)?;
                if !self.is_known(head.stream) {
                    return Err(Violation::protocol("RST_STREAM of a stream that is not open"));
                }
                let code = read_u32(payload);
                let waiting = self.accepted.len();
                self.accepted.retain(|(stream, _)| *stream != head.stream);
                if let Some(flow) = self.flows.get_mut(&head.stream) {
                    // RFC 9113 8.1: behind a whole answer it only says that no more is wanted, and the answer counts.
                    flow.stopped |= code == code::NO_ERROR && flow.remote == Remote::Ended;
                    flow.end(Remote::Reset(code));
                }
                if self.accepted.len() < waiting {
                    // Nobody has it who could let go of it.
                    self.drop_flow(head.stream);
                }
                Ok(())
            }
            (kind::SETTINGS, false) if head.has(flag::ACK) => length(0),
            (kind::SETTINGS, false) => self.settings(payload),
            (kind::PING, false) => {
                length(8)?;
                if !head.has(flag::ACK) {
                    frame::write(&mut self.control, kind::PING, flag::ACK, 0, payload);
                } else if payload == LAST_CALL {
                    self.heard_last_call();
                } else if payload == CHECK {
                    self.unanswered = false;
                }
                Ok(())
            }
            (kind::GOAWAY, false) => {
                if payload.len() < 8 {
                    return Err(Violation::size("GOAWAY that is too short"));
                }
                self.leaving = true;
                let last = read_u32(payload) & 0x7fff_ffff;
                if self.role == Role::Client {
                    // RFC 9113 6.8: streams above it were not looked at.
                    let beyond = self.flows.iter_mut().filter(|(stream, _)| **stream > last);
                    beyond.for_each(|(_, flow)| flow.end(Remote::Reset(code::REFUSED_STREAM)));
                }
                Ok(())
            }
            (kind::WINDOW_UPDATE, _) => {
                length(4)?;
                self.window(head.stream, i64::from(read_u32(payload) & 0x7fff_ffff))
            }
            _ => Err(Violation::protocol("a frame on the wrong stream")),
        }
    }

    fn head(&mut self, stream: u32, ends: bool, whole: bool, block: Vec<u8>) -> Result<(), Violation> {
        if !whole {
            self.open_head = Some((stream, ends, block));
            return Ok(());
        }
        // Always: the compression goes on from stream to stream.
        let fields = self.reader.read(&block)?;
        let is_new = self.role == Role::Server && stream % 2 == 1 && stream > self.last;
        if is_new {
            self.last = stream;
            let refused = self.flows.len() >= MAX_STREAMS as usize || self.stopping == Some(true);
            match fields {
                _ if refused => self.reset(stream, code::REFUSED_STREAM),
                Err(_) => self.reset(stream, code::PROTOCOL_ERROR),
                Ok(fields) => {
                    let mut flow = Flow::new(self.peer_window);
                    if ends {
                        flow.end(Remote::Ended);
                    }
                    self.flows.insert(stream, flow);
                    self.accepted.push_back((stream, fields));
                }
            }
            return Ok(());
        }
        if !self.is_known(stream) {
            return Err(Violation::protocol("a head of a stream that is not open"));
        }
        let role = self.role;
        let Some(flow) = self.flows.get_mut(&stream) else { return Ok(()) };
        if flow.remote == Remote::Ended {
            return Err(Violation { code: code::STREAM_CLOSED, reason: "a head behind the end of its stream" });
        }
        let trailers = role == Role::Server || flow.answered;
        match fields {
            Err(_) => self.cut_flow(stream, code::PROTOCOL_ERROR),
            Ok(_) if trailers && !ends => self.cut_flow(stream, code::PROTOCOL_ERROR),
            Ok(_) if trailers => flow.end(Remote::Ended),
            Ok(fields) => match fields.status {
                None => self.cut_flow(stream, code::PROTOCOL_ERROR),
                Some(status) if status.is_informational() && !ends => {}
                Some(_) => {
                    flow.answered = true;
                    flow.head = Some(fields);
                    if ends {
                        flow.end(Remote::Ended);
                    }
                    flow.wake_reader();
                }
            },
        }
        Ok(())
    }

    fn settings(&mut self, payload: &[u8]) -> Result<(), Violation> {
        let beyond = Violation { code: code::FLOW_CONTROL_ERROR, reason: "a window that is too large" };
        let mut window = None;
        for (name, value) in frame::read_settings(payload)? {
            match name {
                setting::HEADER_TABLE_SIZE => self.table_shrunk |= (value as usize) < TABLE,
                setting::ENABLE_PUSH if value > 1 => return Err(Violation::protocol("ENABLE_PUSH is neither 0 nor 1")),
                setting::MAX_CONCURRENT_STREAMS => self.peer_streams = (value as usize).min(MAX_STREAMS as usize),
                setting::INITIAL_WINDOW_SIZE => {
                    if i64::from(value) > MAX_WINDOW {
                        return Err(beyond);
                    }
                    window = Some(i64::from(value));
                }
                setting::MAX_FRAME_SIZE => {
                    if !(FIRST_FRAME as u32..=(1 << 24) - 1).contains(&value) {
                        return Err(Violation::protocol("MAX_FRAME_SIZE out of bounds"));
                    }
                    self.peer_frame = value as usize;
                }
                _ => {}
            }
        }
        // RFC 9113 6.9.2: the windows of open streams change by the difference; once, however often one frame changes its mind.
        if let Some(window) = window {
            let change = window - self.peer_window;
            self.peer_window = window;
            for flow in self.flows.values_mut() {
                flow.send_window += change;
                if flow.send_window > MAX_WINDOW {
                    return Err(beyond);
                }
                flow.wake_writer();
            }
        }
        self.settled = true;
        frame::write(&mut self.control, kind::SETTINGS, flag::ACK, 0, &[]);
        Ok(())
    }

    fn window(&mut self, stream: u32, more: i64) -> Result<(), Violation> {
        let beyond = Violation { code: code::FLOW_CONTROL_ERROR, reason: "a window that is too large" };
        if stream == 0 {
            if more == 0 {
                return Err(Violation::protocol("WINDOW_UPDATE of nothing"));
            }
            self.send_window += more;
            if self.send_window > MAX_WINDOW {
                return Err(beyond);
            }
            self.unblock();
            return Ok(());
        }
        if !self.is_known(stream) {
            return Err(Violation::protocol("WINDOW_UPDATE of a stream that is not open"));
        }
        let Some(flow) = self.flows.get_mut(&stream) else { return Ok(()) };
        flow.send_window += more;
        if more == 0 || flow.send_window > MAX_WINDOW {
            // RFC 9113 6.9 and 6.9.1: an error of the stream alone.
            self.cut_flow(stream, if more == 0 { code::PROTOCOL_ERROR } else { code::FLOW_CONTROL_ERROR });
        } else {
            flow.wake_writer();
        }
        Ok(())
    }
}

fn read_u32(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

mod streams;
#[cfg(test)]
mod tests;
