//! Bytes that others may read differently than we do (RFC 9112 11): each is refused, or passed on so that it has one meaning.

use super::bench::Bench;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const CHUNKED: &str = "POST / HTTP/1.1\r\nhost: web\r\ntransfer-encoding: chunked\r\n\r\n";
const GET: &str = "GET / HTTP/1.1\r\nhost: web\r\n";
const POST: &str = "POST / HTTP/1.1\r\nhost: web\r\n";

/// Says this on a connection of its own; returns the statuses that come, and what the endpoint heard, without what we add.
async fn said(text: &str) -> (Vec<u16>, Vec<String>) {
    let bench = Bench::new();
    let mut heard = bench.peer("web", [127, 0, 3, 2], OK).await;
    let answer = bench.say(text).await;
    let statuses = answer.split("HTTP/1.").skip(1).filter_map(|part| part.get(2..5)?.parse().ok()).collect();
    let added = ["x-forwarded-proto", "x-forwarded-client-cert", "x-request-id"];
    let mut all = Vec::new();
    while let Ok(request) = heard.try_recv() {
        let lines = request.split_inclusive("\r\n").filter(|line| !added.iter().any(|name| line.starts_with(name)));
        all.push(lines.collect());
    }
    (statuses, all)
}

#[tokio::test]
async fn what_is_ambiguous_is_refused() {
    let evil = "GET /evil HTTP/1.1\r\nhost: web\r\n\r\n";
    let rows: &[(&str, String, u16)] = &[
        (
            "a length and chunks",
            format!("{POST}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{evil}"),
            400,
        ),
        (
            "chunks and a length",
            format!("{POST}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n{evil}"),
            400,
        ),
        ("bare line feeds", format!("GET / HTTP/1.1\nhost: web\na: b\n\n{evil}"), 400),
        ("one bare line feed", format!("GET / HTTP/1.1\r\nhost: web\na: b\r\n\r\n{evil}"), 400),
        ("a head that ends in bare line feeds", format!("GET / HTTP/1.1\r\nhost: web\n\n{evil}"), 400),
        ("a bare line feed before the head", format!("\n{GET}\r\n{evil}"), 400),
        ("a trailer that ends in a bare line feed", format!("{CHUNKED}0\r\na: b\n\r\n{evil}"), 400),
        ("trailers that end in bare line feeds", format!("{CHUNKED}0\r\na: b\n\n{evil}\r\n\r\n"), 400),
        ("a blank behind a size", format!("{CHUNKED}1 \r\na\r\n0\r\n\r\n{evil}"), 400),
        ("a coding twice, and more", format!("{POST}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n{evil}"), 501),
        ("a tunnel, and more", format!("CONNECT web:80 HTTP/1.1\r\nhost: web:80\r\n\r\n{evil}"), 405),
        ("no host, and more", format!("GET / HTTP/1.1\r\n\r\n{evil}"), 400),
        ("two lengths", format!("{POST}content-length: 2\r\ncontent-length: 3\r\n\r\nabc"), 400),
        ("a list of lengths", format!("{POST}content-length: 2, 2\r\n\r\nab"), 400),
        ("a sign", format!("{POST}content-length: +2\r\n\r\nab"), 400),
        ("no number", format!("{POST}content-length: \r\n\r\nab"), 400),
        ("a coding of TE that is not last", format!("{POST}transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"), 400),
        ("a coding that is lost", format!("{POST}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 501),
        (
            "a coding twice",
            format!("{POST}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            501,
        ),
        ("a coding almost", format!("{POST}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"), 400),
        ("a coding behind a control", format!("{POST}transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n"), 400),
        (
            "chunks of HTTP/1.0",
            "POST / HTTP/1.0\r\nhost: web\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            400,
        ),
        ("a size that is none", format!("{CHUNKED}xyz\r\n\r\n"), 400),
        ("a size of 2^64", format!("{CHUNKED}10000000000000000\r\na\r\n0\r\n\r\n"), 400),
        ("a size with a prefix", format!("{CHUNKED}0x1\r\na\r\n0\r\n\r\n"), 400),
        ("an extension with a line feed", format!("{CHUNKED}1;a\nb\r\na\r\n0\r\n\r\n"), 400),
        ("chunks with bare line feeds", format!("{CHUNKED}1\na\n0\n\n"), 400),
        ("a chunk longer than it says", format!("{CHUNKED}1\r\nab\r\n0\r\n\r\n"), 400),
        ("a chunk shorter than it says", format!("{CHUNKED}5\r\nab"), 400),
        ("a body shorter than it says", format!("{POST}content-length: 10\r\n\r\nab"), 400),
        ("a folded line", format!("{GET}a: b\r\n c\r\n\r\n"), 400),
        ("a carriage return", format!("{GET}a: b\rc: d\r\n\r\n"), 400),
        ("a NUL", format!("{GET}a: b\0c\r\n\r\n"), 400),
        ("a control", format!("{GET}a: b\x01c\r\n\r\n"), 400),
        ("a space before the colon", format!("{GET}content-length : 2\r\n\r\nab"), 400),
        ("a space before the first name", "GET / HTTP/1.1\r\n host: web\r\n\r\n".into(), 400),
        ("a line without a colon", format!("{GET}abc\r\n\r\n"), 400),
        ("a line without a name", format!("{GET}: x\r\n\r\n"), 400),
        ("two hosts", format!("{GET}host: other\r\n\r\n"), 400),
        ("the same host twice", format!("{GET}host: web\r\n\r\n"), 400),
        ("no host", "GET / HTTP/1.1\r\n\r\n".into(), 400),
        ("an empty host", "GET / HTTP/1.1\r\nhost: \r\n\r\n".into(), 400),
        ("a host with a user", "GET / HTTP/1.1\r\nhost: a@web\r\n\r\n".into(), 400),
        ("a host with a path", "GET / HTTP/1.1\r\nhost: web/a\r\n\r\n".into(), 400),
        ("a target with a user", "GET http://u@web/x HTTP/1.1\r\nhost: web\r\n\r\n".into(), 400),
        ("a target of another scheme", "GET ftp://web/x HTTP/1.1\r\nhost: web\r\n\r\n".into(), 400),
        ("a target without a path", "GET web:80 HTTP/1.1\r\nhost: web\r\n\r\n".into(), 400),
        ("all of a server, got", "GET * HTTP/1.1\r\nhost: web\r\n\r\n".into(), 400),
        ("a tunnel", "CONNECT web:80 HTTP/1.1\r\nhost: web:80\r\n\r\n".into(), 405),
        ("another version", "GET / HTTP/1.2\r\nhost: web\r\n\r\n".into(), 400),
        ("no version", "GET /\r\n".into(), 400),
        ("a large header", format!("{GET}a: {}\r\n\r\n", "a".repeat(100 << 10)), 431),
        ("many headers", format!("{GET}{}\r\n", "a: b\r\n".repeat(300)), 431),
        ("a long target", format!("GET /{} HTTP/1.1\r\nhost: web\r\n\r\n", "a".repeat(100 << 10)), 414),
    ];
    for (name, text, wanted) in rows {
        let (statuses, heard) = said(text).await;
        // What follows on the connection is no request of anybody.
        assert_eq!(statuses, [*wanted], "{name}");
        assert!(heard.iter().all(|heard| heard.starts_with("CUT")), "{name}: {heard:?}");
    }
}

#[tokio::test]
async fn what_is_passed_on_has_one_meaning() {
    let chunked = |rest: &str| format!("POST / HTTP/1.1\r\n{rest}host: web\r\ntransfer-encoding: chunked\r\n\r\n");
    let get = |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let rows: &[(&str, String, &[String])] = &[
        (
            "the same length twice",
            format!("{POST}content-length: 2\r\ncontent-length: 2\r\n\r\nab"),
            &["POST / HTTP/1.1\r\ncontent-length: 2\r\nhost: web\r\n\r\nab".into()],
        ),
        (
            "a name in capitals",
            format!("{POST}Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n"),
            &[chunked("") + "0\r\n\r\n"],
        ),
        ("extensions of a chunk", format!("{CHUNKED}1;a=b\r\na\r\n0\r\n\r\n"), &[chunked("") + "1\r\na\r\n0\r\n\r\n"]),
        // RFC 9112 3.2.2: the target counts, and the Host is replaced.
        (
            "another host in the target",
            "GET http://other/x HTTP/1.1\r\nhost: web\r\n\r\n".into(),
            &[get("/x", "other")],
        ),
        ("a fragment", "GET /a#b HTTP/1.1\r\nhost: web\r\n\r\n".into(), &[get("/a", "web")]),
        (
            "all of a server",
            "OPTIONS * HTTP/1.1\r\nhost: web\r\n\r\n".into(),
            &["OPTIONS * HTTP/1.1\r\nhost: web\r\n\r\n".into()],
        ),
        (
            "an upgrade to h2c",
            format!(
                "{GET}connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"
            ),
            &[get("/", "web")],
        ),
        (
            "headers of the connection",
            format!("{GET}connection: a, host\r\na: 1\r\nkeep-alive: 5\r\n\r\n"),
            &[get("/", "web")],
        ),
        (
            "the length is named",
            format!("{POST}connection: content-length\r\ncontent-length: 2\r\n\r\nab"),
            &["POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 2\r\n\r\nab".into()],
        ),
        (
            "a body that nobody expects",
            format!("{GET}content-length: 2\r\n\r\nab{GET}\r\n"),
            &["GET / HTTP/1.1\r\ncontent-length: 2\r\nhost: web\r\n\r\nab".into(), get("/", "web")],
        ),
        (
            "trailers, and such as come too late",
            format!(
                "{POST}te: trailers\r\ntrailer: a, host\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: 1\r\nhost: evil\r\ncontent-length: 9\r\n\r\n"
            ),
            &[chunked("te: trailers\r\ntrailer: a, host\r\n") + "0\r\na: 1\r\n\r\n"],
        ),
    ];
    for (name, text, wanted) in rows {
        let (statuses, heard) = said(text).await;
        assert_eq!(heard, *wanted, "{name}");
        assert!(statuses.iter().all(|status| *status == 200) && statuses.len() == heard.len(), "{name}: {statuses:?}");
    }
}
