//! Streams and recorded handshakes.

use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::segment::Flags;

/// What OpenSSL 3 answered to a client of TLS 1.3: hello, change of cipher, the beginning of a record.
const SERVER_1_3: &[u8] = &[
    0x16, 0x03, 0x03, 0x00, 0x7a, 0x02, 0x00, 0x00, 0x76, 0x03, 0x03, 0xf9, 0x73, 0x65, 0x82, 0x94, 0xf2, 0x5d, 0x43,
    0x6d, 0x65, 0x91, 0x31, 0x05, 0x42, 0x3d, 0xb8, 0x44, 0xe0, 0x2b, 0x62, 0x59, 0x6c, 0x14, 0xc5, 0xcc, 0xa9, 0x84,
    0x44, 0xf2, 0xd9, 0x85, 0xab, 0x20, 0xa9, 0xcf, 0xe9, 0x55, 0xfc, 0x8e, 0x99, 0x4e, 0x73, 0xbb, 0x8f, 0x2a, 0x3b,
    0x30, 0x6e, 0x71, 0xa0, 0xe8, 0xea, 0xab, 0x71, 0x5f, 0x6a, 0x64, 0x34, 0x12, 0xb2, 0xb1, 0xc5, 0xfc, 0x6e, 0x1a,
    0x13, 0x02, 0x00, 0x00, 0x2e, 0x00, 0x2b, 0x00, 0x02, 0x03, 0x04, 0x00, 0x33, 0x00, 0x24, 0x00, 0x1d, 0x00, 0x20,
    0x05, 0xee, 0x57, 0x62, 0xa4, 0x01, 0x00, 0x17, 0xb8, 0x50, 0xe0, 0x7f, 0xe3, 0x93, 0x69, 0xe0, 0xa8, 0x9c, 0x4f,
    0xbd, 0xff, 0xb2, 0x52, 0x8c, 0xbf, 0x3a, 0xbd, 0xf3, 0x1a, 0x13, 0xda, 0x4a, 0x14, 0x03, 0x03, 0x00, 0x01, 0x01,
    0x17, 0x03, 0x03, 0x00, 0x17,
];
/// The same of TLS 1.2.
const SERVER_1_2: &[u8] = &[
    0x16, 0x03, 0x03, 0x00, 0x41, 0x02, 0x00, 0x00, 0x3d, 0x03, 0x03, 0x3b, 0xbf, 0x2e, 0xb0, 0xb6, 0x2a, 0xa4, 0x6b,
    0x20, 0x9a, 0x95, 0xeb, 0x77, 0x14, 0x8d, 0x92, 0x5c, 0x52, 0xa0, 0x63, 0x52, 0x0d, 0x96, 0x9b, 0x0d, 0xfa, 0x6a,
    0x98, 0xaa, 0xbe, 0x61, 0x09, 0x00, 0xc0, 0x2c, 0x00, 0x00, 0x15, 0xff, 0x01, 0x00, 0x01, 0x00, 0x00, 0x0b, 0x00,
    0x04, 0x03, 0x00, 0x01, 0x02, 0x00, 0x23, 0x00, 0x00, 0x00, 0x17, 0x00, 0x00,
];
const CLIENT: &[u8] = &[
    0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 0xae, 0xbc, 0x3f, 0x07, 0x35, 0x5c, 0xfc, 0x4f,
    0x9c, 0x2b, 0xbf, 0x50, 0x8a, 0xf1, 0x2a, 0xdb, 0x9d, 0x17, 0xd6, 0x5c, 0xf4, 0x74, 0xe9, 0xf1, 0xae, 0xd4, 0x61,
    0x98, 0xc6,
];

fn segment(sequence: u32, flags: u8, payload: &[u8]) -> Segment {
    let any = SocketAddr::from(([0; 4], 0));
    Segment { source: any, destination: any, sequence, flags: Flags(flags), payload: Bytes::copy_from_slice(payload) }
}

fn joined(limit: usize, segments: &[(u32, u8, &str)]) -> (String, bool) {
    let mut stream = Stream::new(limit);
    for (sequence, flags, payload) in segments {
        stream.push(&segment(*sequence, *flags, payload.as_bytes()));
    }
    (String::from_utf8_lossy(stream.bytes()).into_owned(), stream.is_whole())
}

#[test]
fn segments_become_a_stream() {
    let whole = |text: &str| (text.to_owned(), true);
    let part = |text: &str| (text.to_owned(), false);
    assert_eq!(joined(99, &[(6, 2, ""), (7, 0, "ab"), (9, 0, "cd")]), whole("abcd"));
    assert_eq!(joined(99, &[(7, 0, "ab"), (9, 0, "cd")]), whole("abcd"));
    assert_eq!(joined(99, &[(6, 2, ""), (9, 0, "cd"), (7, 0, "ab")]), whole("abcd"));
    assert_eq!(joined(99, &[(6, 2, ""), (7, 0, "ab"), (6, 2, ""), (7, 0, "abc"), (8, 0, "b")]), whole("abc"));
    assert_eq!(joined(99, &[(6, 2, ""), (7, 0, "ab"), (11, 0, "ef")]), part("ab"));
    assert_eq!(joined(99, &[(u32::MAX - 1, 2, ""), (u32::MAX, 0, "ab"), (1, 0, "cd")]), whole("abcd"));
    assert_eq!(joined(3, &[(7, 0, "ab"), (9, 0, "cd"), (11, 0, "ef")]), part("abc"));
    assert_eq!(joined(3, &[(6, 2, ""), (8, 0, "bcde"), (7, 0, "a")]), part("a"));
}

#[test]
fn the_servers_choice_is_read() {
    let shown = |bytes| tls(bytes).and_then(|t| t.server_hello).map(|hello| hello.to_string());
    assert_eq!(shown(SERVER_1_3).as_deref(), Some("TLS 1.3, TLS_AES_256_GCM_SHA384"));
    assert_eq!(shown(SERVER_1_2).as_deref(), Some("TLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"));
    assert_eq!(tls(CLIENT).map(|t| (t.server_hello, t.outside)), Some((None, 0)));
    // One handshake in two records.
    let (head, body) = SERVER_1_3[..127].split_at(HEADER);
    let [first, second] = [&body[..50], &body[50..]].map(|part| {
        let mut record = head[..3].to_vec();
        record.extend((part.len() as u16).to_be_bytes());
        record.extend(part);
        record
    });
    assert_eq!(shown(&[first, second].concat()), shown(SERVER_1_3));
    assert_eq!(CipherSuite(0x1399).to_string(), "cipher suite 0x1399");
    assert_eq!(Version(0x7f1c).to_string(), "TLS version 0x7f1c");
}

#[test]
fn clear_text_is_seen_also_behind_a_handshake() {
    for clear in ["", "GET / HTTP/1.1\r\n", "\x16", "\x16\x02", "\x17\x03\x03\x00\x05hello", "\x16\x03\x01\x00\x00"] {
        assert_eq!(tls(clear.as_bytes()).is_some(), clear == "\x16", "{clear:?}");
    }
    let whole = [SERVER_1_3, &[0; 23]].concat();
    assert_eq!(tls(&whole).map(|t| (t.records, t.outside)), Some((3, 0)));
    let mixed = [&whole[..], b"hello"].concat();
    assert_eq!(tls(&mixed).map(|t| (t.records, t.outside)), Some((3, 5)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(random in proptest::collection::vec(any::<u8>(), 0..200), at in 0..127usize, byte: u8) {
        let _ = tls(&random);
        let mut hello = SERVER_1_3.to_vec();
        hello[at] = byte;
        let _ = tls(&hello);
        let _ = tls(&hello[..at]);
        hello.splice(at.., random);
        let _ = tls(&hello);
    }

    /// Whatever the order, what is shown is a beginning of what was sent.
    #[test]
    fn a_stream_is_a_beginning_of_what_was_sent(
        start: u32,
        pieces in proptest::collection::vec((0..300usize, 0..40usize), 0..60),
        limit in 0..400usize,
    ) {
        let sent: Vec<u8> = (0..400u16).map(|i| i as u8).collect();
        let mut stream = Stream::new(limit);
        stream.push(&segment(start.wrapping_sub(1), 2, &[]));
        for (at, length) in pieces {
            stream.push(&segment(start.wrapping_add(at as u32), 0, &sent[at..at + length]));
            prop_assert!(sent.starts_with(stream.bytes()));
            prop_assert!(stream.bytes().len() <= limit);
        }
    }

    #[test]
    fn random_segments_do_not_make_it_panic(
        segments in proptest::collection::vec((any::<u32>(), any::<u8>(), proptest::collection::vec(any::<u8>(), 0..20)), 0..50),
    ) {
        let mut stream = Stream::new(100);
        for (sequence, flags, payload) in &segments {
            stream.push(&segment(*sequence, *flags, payload));
        }
    }
}
