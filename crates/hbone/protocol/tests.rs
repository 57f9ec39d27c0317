use proptest::prelude::*;

use super::*;
use http::HeaderMap;

fn frames(frames: &[(u8, u8, u32, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    frames.iter().for_each(|(kind, flags, stream, payload)| frame::write(&mut out, *kind, *flags, *stream, payload));
    out
}

/// A server whose client has begun in order.
fn server() -> Protocol {
    let mut core = Protocol::new(Role::Server);
    core.take(PREFACE).expect("in order");
    core.take(&frames(&[(kind::SETTINGS, 0, 0, &[])])).expect("in order");
    core.control.clear();
    core
}

fn open(core: &mut Protocol, stream: u32) {
    let block = fields::connect("10.0.0.1:80", &HeaderMap::new());
    core.take(&frames(&[(kind::HEADERS, flag::END_HEADERS, stream, &block)])).expect("in order");
}

#[test]
fn what_breaks_the_protocol_ends_the_connection_with_its_code() {
    let long = vec![0; MAX_PAYLOAD + 1];
    let over = vec![0; STREAM_WINDOW as usize / 8];
    let cases: &[(&str, u32, Vec<u8>)] = &[
        ("DATA of nothing", code::PROTOCOL_ERROR, frames(&[(kind::DATA, 0, 3, b"x")])),
        ("DATA of the connection", code::PROTOCOL_ERROR, frames(&[(kind::DATA, 0, 0, b"x")])),
        ("a window of nothing", code::PROTOCOL_ERROR, frames(&[(kind::WINDOW_UPDATE, 0, 0, &[0; 4])])),
        (
            "too much of a window",
            code::FLOW_CONTROL_ERROR,
            frames(&[(kind::WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255])]),
        ),
        ("a short PING", code::FRAME_SIZE_ERROR, frames(&[(kind::PING, 0, 0, &[0; 7])])),
        ("PING of a stream", code::PROTOCOL_ERROR, frames(&[(kind::PING, 0, 1, &[0; 8])])),
        (
            "an answered SETTINGS with content",
            code::FRAME_SIZE_ERROR,
            frames(&[(kind::SETTINGS, flag::ACK, 0, &[0; 6])]),
        ),
        ("broken SETTINGS", code::FRAME_SIZE_ERROR, frames(&[(kind::SETTINGS, 0, 0, &[0; 5])])),
        ("a window beyond all", code::FLOW_CONTROL_ERROR, frames(&[(kind::SETTINGS, 0, 0, &[0, 4, 255, 0, 0, 0])])),
        ("a frame size of nothing", code::PROTOCOL_ERROR, frames(&[(kind::SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1])])),
        ("a push", code::PROTOCOL_ERROR, frames(&[(kind::PUSH_PROMISE, 0, 1, &[0; 4])])),
        ("a stream of the server's", code::PROTOCOL_ERROR, frames(&[(kind::HEADERS, flag::END_HEADERS, 2, &[])])),
        ("CONTINUATION of nothing", code::PROTOCOL_ERROR, frames(&[(kind::CONTINUATION, 0, 1, b"x")])),
        (
            "a head that is interrupted",
            code::PROTOCOL_ERROR,
            frames(&[(kind::HEADERS, 0, 3, b""), (kind::PING, 0, 0, &[0; 8])]),
        ),
        (
            "an empty CONTINUATION",
            code::ENHANCE_YOUR_CALM,
            frames(&[(kind::HEADERS, 0, 3, b""), (kind::CONTINUATION, 0, 3, b"")]),
        ),
        ("a head of one frame that is too long", code::ENHANCE_YOUR_CALM, frames(&[(kind::HEADERS, 0, 3, &long)])),
        ("broken compression", code::COMPRESSION_ERROR, frames(&[(kind::HEADERS, flag::END_HEADERS, 3, &[0xff])])),
        ("a reset of nothing", code::PROTOCOL_ERROR, frames(&[(kind::RST_STREAM, 0, 9, &[0; 4])])),
        ("padding beyond the frame", code::PROTOCOL_ERROR, frames(&[(kind::DATA, flag::PADDED, 1, &[9, 0])])),
        ("padding without a length", code::FRAME_SIZE_ERROR, frames(&[(kind::DATA, flag::PADDED, 1, &[])])),
        ("more than a frame may have", code::FRAME_SIZE_ERROR, vec![255, 255, 255, 0, 0, 0, 0, 0, 1]),
        ("more than the window", code::FLOW_CONTROL_ERROR, frames(&[(kind::DATA, 0, 1, over.as_slice()); 9])),
        (
            "DATA behind the end",
            code::STREAM_CLOSED,
            frames(&[(kind::DATA, flag::END_STREAM, 1, b""), (kind::DATA, 0, 1, b"x")]),
        ),
        ("questions without end", code::ENHANCE_YOUR_CALM, frames(&[(kind::PING, 0, 0, [0; 8].as_slice()); 5000])),
    ];
    for (name, code, bytes) in cases {
        let mut core = server();
        open(&mut core, 1);
        assert_eq!(core.take(bytes).expect_err(name).code, *code, "{name}");
    }
    assert!(Protocol::new(Role::Server).take(b"GET / HTTP/1.1\r\n").is_err());
    let mut core = Protocol::new(Role::Server);
    core.take(PREFACE).expect("in order");
    assert!(core.take(&frames(&[(kind::PING, 0, 0, &[0; 8])])).is_err(), "SETTINGS come first");
}

#[test]
fn what_a_stream_does_wrong_ends_the_stream_alone() {
    let mut core = server();
    open(&mut core, 1);
    open(&mut core, 3);
    core.take(&frames(&[(kind::WINDOW_UPDATE, 0, 1, &[0; 4])])).expect("goes on");
    assert_eq!(core.flows[&1].remote, Remote::Reset(code::PROTOCOL_ERROR));
    assert_eq!(core.flows[&3].remote, Remote::Open);
    let block = [0x00, 1, b'A', 0];
    core.take(&frames(&[(kind::HEADERS, flag::END_HEADERS, 5, &block)])).expect("goes on");
    assert!(!core.flows.contains_key(&5));
}

#[test]
fn a_table_that_the_peer_made_smaller_is_acknowledged_once() {
    let mut core = server();
    open(&mut core, 1);
    open(&mut core, 3);
    core.take(&frames(&[(kind::SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0])])).expect("in order");
    core.control.clear();
    for first in [0x20, 0x88] {
        let stream = core.accepted.pop_front().expect("a stream").0;
        core.answer(stream, http::StatusCode::OK, &HeaderMap::new(), false);
        assert_eq!(core.control[HEAD], first);
        core.control.clear();
    }
}

#[test]
fn bytes_in_any_pieces_are_the_same() {
    let mut bytes = PREFACE.to_vec();
    let block = fields::connect("10.0.0.1:80", &HeaderMap::new());
    bytes.extend(frames(&[
        (kind::SETTINGS, 0, 0, &[]),
        (77, 0, 9, b"of no known kind"),
        (kind::HEADERS, 0, 1, &block[..3]),
        (kind::CONTINUATION, flag::END_HEADERS, 1, &block[3..]),
        (kind::DATA, 0, 1, b"hello "),
        (kind::DATA, flag::PADDED, 1, b"\x03world\0\0\0"),
        (kind::DATA, flag::PADDED | flag::END_STREAM, 1, b"\x02\0\0"),
    ]));
    for size in [1, 2, 3, 7, 64, bytes.len()] {
        let mut core = Protocol::new(Role::Server);
        bytes.chunks(size).for_each(|piece| core.take(piece).expect("in order"));
        core.pass_on();
        let (stream, fields) = core.accepted.pop_front().expect("a stream");
        assert_eq!((stream, fields.authority.as_deref()), (1, Some("10.0.0.1:80")));
        let flow = &core.flows[&1];
        assert_eq!(flow.queue.iter().flatten().copied().collect::<Vec<u8>>(), b"hello world", "in pieces of {size}");
        assert_eq!(flow.remote, Remote::Ended);
    }
}

#[test]
fn streams_beyond_the_limit_are_refused_and_those_reset_at_once_forgotten() {
    let mut core = server();
    (0..MAX_STREAMS).for_each(|n| open(&mut core, 2 * n + 1));
    assert_eq!(core.flows.len(), MAX_STREAMS as usize);
    core.control.clear();
    open(&mut core, 2 * MAX_STREAMS + 1);
    let refused = Head::read(core.control[..HEAD].try_into().expect("a head"));
    assert_eq!((refused.kind, refused.stream), (kind::RST_STREAM, 2 * MAX_STREAMS + 1));
    core.take(&frames(&[(kind::RST_STREAM, 0, 1, &[0, 0, 0, 8])])).expect("in order");
    assert!(core.accepted.iter().all(|(stream, _)| *stream != 1));
    assert!(!core.flows.contains_key(&1), "its place is free");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_frames_make_it_panic(
        list in prop::collection::vec((0..12_u8, any::<u8>(), 0..8_u32, prop::collection::vec(any::<u8>(), 0..40)), 0..40),
        noise in prop::collection::vec(any::<u8>(), 0..60),
        client in any::<bool>(),
    ) {
        let mut core = if client { Protocol::new(Role::Client) } else { server() };
        if client {
            let _ = core.take(&frames(&[(kind::SETTINGS, 0, 0, &[])]));
            core.open("10.0.0.1:80", &HeaderMap::new());
        } else {
            open(&mut core, 1);
        }
        for (kind, flags, stream, payload) in &list {
            let mut bytes = Vec::new();
            frame::write(&mut bytes, *kind, *flags, *stream, payload);
            if core.take(&bytes).is_err() {
                core = server();
            }
            core.pass_on();
        }
        let _ = core.take(&noise);
        core.end();
    }
}
