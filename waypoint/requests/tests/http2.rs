//! What a client of HTTP/2 may not say (RFC 9113 8.1.1, 8.2), written frame by frame: libraries do not say it.

use std::time::Duration;

use model::l7::{filter::DirectResponse, route::Action};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};

use super::bench::Bench;
use crate::sniff::Spoken;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// Writes fields literally, without any compression (RFC 7541 6.2.2).
fn fields(all: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    let text = |out: &mut Vec<u8>, text: &str| {
        assert!(text.len() < 127, "of one byte");
        out.push(text.len() as u8);
        out.extend(text.as_bytes());
    };
    for (name, value) in all {
        out.push(0);
        text(&mut out, name);
        text(&mut out, value);
    }
    out
}

/// What became of a stream.
#[derive(Debug, PartialEq)]
enum Became {
    /// Answered with the status whose place in the static table this is, or another one.
    Answered(u8),
    Reset,
    Closed,
}

/// The places of statuses in the static table (RFC 7541 A), as an indexed field.
const STATUS_200: u8 = 0x88;
const STATUS_400: u8 = 0x8c;

async fn became(stream: &mut DuplexStream) -> Became {
    let mut head = [0; 9];
    loop {
        if stream.read_exact(&mut head).await.is_err() {
            return Became::Closed;
        }
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        if stream.read_exact(&mut payload).await.is_err() {
            return Became::Closed;
        }
        match head[3] {
            1 => return Became::Answered(payload[0]),
            3 => return Became::Reset,
            7 => return Became::Closed,
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_a_client_may_not_say_is_refused() {
    let base = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "web")];
    let with = |more: &[(&'static str, &'static str)]| [&base[..], more].concat();
    let without = |name: &str| base.into_iter().filter(|(n, _)| *n != name).collect::<Vec<_>>();
    let rows = [
        ("nothing special", with(&[("a", "b")]), Became::Answered(STATUS_200)),
        ("te: trailers", with(&[("te", "trailers")]), Became::Answered(STATUS_200)),
        ("connection", with(&[("connection", "close")]), Became::Reset),
        ("keep-alive", with(&[("keep-alive", "1")]), Became::Reset),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")]), Became::Reset),
        ("upgrade", with(&[("upgrade", "h2c")]), Became::Reset),
        ("te", with(&[("te", "gzip")]), Became::Reset),
        ("the same host", with(&[("host", "WEB")]), Became::Answered(STATUS_200)),
        ("another host", with(&[("host", "other")]), Became::Answered(STATUS_400)),
        ("two hosts", with(&[("host", "web"), ("host", "web")]), Became::Answered(STATUS_400)),
        ("a host alone", [&without(":authority")[..], &[("host", "web")]].concat(), Became::Answered(STATUS_200)),
        ("no host", without(":authority"), Became::Answered(STATUS_400)),
        ("no path", without(":path"), Became::Reset),
        ("a user", [&without(":authority")[..], &[(":authority", "u@web")]].concat(), Became::Answered(STATUS_400)),
        ("a line feed", with(&[("a", "b\nc: d")]), Became::Closed),
        ("a carriage return", with(&[("a", "b\rc")]), Became::Closed),
        ("a NUL", with(&[("a", "b\0c")]), Became::Closed),
        (
            "a line feed in the path",
            [&without(":path")[..], &[(":path", "/ HTTP/1.1\r\na: b")]].concat(),
            Became::Reset,
        ),
        ("a path without root", [&without(":path")[..], &[(":path", "x")]].concat(), Became::Reset),
        ("a space in the method", [&without(":method")[..], &[(":method", "GET /x")]].concat(), Became::Closed),
        ("a capital", with(&[("A", "b")]), Became::Closed),
        ("a colon in a name", with(&[("a:b", "c")]), Became::Closed),
        ("a pseudo-header late", with(&[("a", "b"), (":path", "/x")]), Became::Reset),
        ("a length that lies", with(&[("content-length", "5")]), Became::Reset),
        ("two lengths", with(&[("content-length", "0"), ("content-length", "5")]), Became::Reset),
    ];
    for (name, said, wanted) in rows {
        let bench = Bench::new();
        bench.rule(|rule| rule.action = Action::Respond(DirectResponse { status: 200, body: "".into() }));
        let mut stream = bench.connect(Spoken::Http2);
        let mut all = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        all.extend(frame(4, 0, 0, &[]));
        // The end of the headers, and of the stream.
        all.extend(frame(1, 5, 1, &fields(&said)));
        stream.write_all(&all).await.expect("taken");
        let became = timeout(Duration::from_secs(10), became(&mut stream)).await.expect("in time");
        assert_eq!(became, wanted, "{name}");
    }
}

/// Some endpoints send a body to HEAD, and answers that are made here have one.
#[tokio::test]
async fn an_answer_to_head_ends_with_its_headers() {
    let bench = Bench::new();
    bench.rule(|rule| rule.action = Action::Respond(DirectResponse { status: 200, body: "abc".into() }));
    let mut stream = bench.connect(Spoken::Http2);
    let said = [(":method", "HEAD"), (":scheme", "http"), (":path", "/"), (":authority", "web")];
    let mut all = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    all.extend(frame(4, 0, 0, &[]));
    all.extend(frame(1, 5, 1, &fields(&said)));
    stream.write_all(&all).await.expect("taken");
    let mut head = [0; 9];
    loop {
        timeout(Duration::from_secs(10), stream.read_exact(&mut head)).await.expect("in time").expect("a frame");
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).await.expect("all of it");
        if head[3] == 1 {
            break;
        }
    }
    assert_eq!(head[4] & 1, 1, "the end of the stream");
}
