//! Messages of all shapes: with bodies and without, in pieces, with trailers, asked for.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::bench::{Bench, next};
use crate::sniff::Spoken;

/// Returns an answer without the headers that say when.
fn steady(answer: &str) -> String {
    answer.split_inclusive("\r\n").filter(|line| !line.starts_with("date: ")).collect()
}

#[tokio::test]
async fn answers_of_all_shapes_come_as_they_are() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    let with_trailers =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n1\r\na\r\n0\r\nx-sum: 1\r\n\r\n";
    // Method, further headers, what the endpoint answers, what the client gets.
    let rows = [
        ("GET", "", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"),
        (
            "GET",
            "",
            "HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\ncontent-length: 9\r\n\r\n",
            // What the length of an answer that is not sent would be may be left out (RFC 9110 8.6).
            "HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n",
        ),
        ("HEAD", "", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"),
        ("GET", "", chunked, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
        ("HEAD", "", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
        (
            "GET",
            "te: trailers\r\n",
            with_trailers,
            "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-sum: 1\r\n\r\n",
        ),
        (
            "GET",
            "",
            "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "GET",
            "",
            "HTTP/1.1 200 OK\r\nconnection: x-a\r\nx-a: 1\r\ncontent-length: 1\r\n\r\na",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na",
        ),
    ];
    for (method, headers, answer, wanted) in rows {
        let bench = Bench::new();
        let _heard = bench.peer("web", [127, 0, 3, 3], answer).await;
        let got = bench.say(format!("{method} / HTTP/1.1\r\nhost: web\r\n{headers}\r\n")).await;
        assert_eq!(steady(&got), wanted, "{method} {answer}");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_not_passed_on() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\na: b\r\n c\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\0\r\n\r\n",
        "nothing\r\n\r\n",
    ] {
        let bench = Bench::new();
        let _heard = bench.peer("web", [127, 0, 3, 4], answer).await;
        let got = bench.say("GET / HTTP/1.1\r\nhost: web\r\n\r\n").await;
        assert!(got.starts_with("HTTP/1.1 503 "), "{answer:?}: {got}");
    }
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let bench = Bench::new();
    let mut heard = bench.peer("web", [127, 0, 3, 5], "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let mut stream = bench.connect(Spoken::Http1);
    let head = "POST / HTTP/1.1\r\nhost: web\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("taken");
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.expect("an answer");
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"ab").await.expect("taken");
    let request = next(&mut heard).await;
    assert!(request.ends_with("\r\n\r\nab"), "{request}");
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}
