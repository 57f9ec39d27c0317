//! What is spoken through a waypoint: every HTTP there is, other protocols, large bodies, and what must be refused.

use std::{fs, thread, time::Duration};

use serde_json::Value;

use super::{
    ask::{self, Ask},
    scene::{self, CLIENT, ECHO, Scene},
};
use crate::accept::{
    Report,
    sandbox::lab::{Lab, Sandbox},
};

/// How much is sent to a server that reads at once, and to one that does not, bytes.
const LARGE: u64 = 1 << 30;
const SLOW: u64 = 128 << 20;
/// How long a stream of gRPC is talked on.
const TALK: Duration = Duration::from_secs(45);
/// How much memory a waypoint may take meanwhile, MB.
const MEMORY: f64 = 64.0;

/// Requests through the client's library, and what is wanted.
const ASKED: [(&str, &str, &str); 17] = [
    ("HTTP/1.1 with keep-alive", "x400 /", "200 one as=HTTP/1.1"),
    ("HTTP/1.1, a connection each", "x100 fresh /", "200 one"),
    ("HTTP/2 by prior knowledge", "h2 x400 /", "200 one as=HTTP/2.0"),
    ("HTTP/2 to a port of any protocol with a body", "h2 POST / body=abc", "200 body.body_bytes=3"),
    ("gRPC, one message each way", "grpc POST /grpc.health.v1.Health/Check", "200 one grpc=0"),
    (
        "gRPC, a stream that is echoed, its status in trailers",
        "grpc POST /echo.Echo/Stream body=abcdefgh",
        "200 grpc=0 body=abcdefgh",
    ),
    ("gRPC, a method that is not there", "grpc POST /a.B/C", "200 grpc=12"),
    ("HEAD has no body", "HEAD /", "200 body_bytes=0"),
    ("OPTIONS", "OPTIONS /", "200 method=OPTIONS"),
    ("an answer without a body", "/ x-echo-status:204", "204 body_bytes=0"),
    ("a status that is not registered", "/ x-echo-status:599", "599"),
    ("a header of 60 KiB", "/ x-large:$60", "200 one"),
    ("a header beyond the limit", "/ x-large:$100", "431"),
    ("a header beyond the limit, over HTTP/2", "h2 / x-large:$100", "431"),
    ("two hundred headers", "/ $200", "200 one"),
    ("headers beyond the number", "/ $300", "431"),
    ("headers beyond the number, over HTTP/2", "h2 / $300", "431"),
];

/// Bytes as they are, and what the answer has; [`CLOSED`] says that the connection must end.
struct Raw(&'static str, &'static str, &'static [&'static str]);

/// The end of a connection, as the client sees it.
const CLOSED: &str = "<closed>";

const RAW: [Raw; 8] = [
    Raw(
        "WebSocket: 101 and bytes both ways",
        "GET /ws HTTP/1.1\r\nHost: one.shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\nbytes-of-a-frame",
        &["HTTP/1.1 101", "bytes-of-a-frame"],
    ),
    Raw(
        "chunks both ways",
        "POST /echo HTTP/1.1\r\nHost: one.shop\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n",
        &["HTTP/1.1 200", "transfer-encoding: chunked", "you"],
    ),
    Raw(
        "trailers of a request",
        "POST / HTTP/1.1\r\nHost: one.shop\r\nTE: trailers\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 42\r\n\r\n",
        &["HTTP/1.1 200", "\"trailers\":{\"x-sum\":\"42\"}"],
    ),
    Raw(
        "100-continue",
        "PUT / HTTP/1.1\r\nHost: one.shop\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        &["HTTP/1.1 100", "HTTP/1.1 200", "\"body_bytes\":3"],
    ),
    Raw(
        "two requests in one go",
        "GET /first HTTP/1.1\r\nHost: one.shop\r\n\r\nGET /second HTTP/1.1\r\nHost: one.shop\r\n\r\n",
        &["\"path\":\"/first\"", "\"path\":\"/second\""],
    ),
    Raw(
        "Connection: close",
        "GET / HTTP/1.1\r\nHost: one.shop\r\nConnection: close\r\n\r\n",
        &["HTTP/1.1 200", CLOSED],
    ),
    Raw(
        "CONNECT leads to nobody",
        "CONNECT other.shop:80 HTTP/1.1\r\nHost: other.shop:80\r\n\r\n",
        &["HTTP/1.1 405", CLOSED],
    ),
    Raw("HTTP/1.0", "GET / HTTP/1.0\r\nHost: one.shop\r\n\r\n", &["200 OK", CLOSED]),
];

/// What would be the next request, for who reads on behind what was refused.
const NEXT: &str = "GET /smuggled HTTP/1.1\r\nHost: one.shop\r\n\r\n";

/// What an attacker would have read in two ways: refused, and the connection closed.
const REFUSED: [(&str, &str); 12] = [
    (
        "a length and chunks",
        "POST /smuggled HTTP/1.1\r\nHost: one.shop\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("two lengths", "POST /smuggled HTTP/1.1\r\nHost: one.shop\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde"),
    ("a length with a sign", "POST /smuggled HTTP/1.1\r\nHost: one.shop\r\nContent-Length: +4\r\n\r\nabcd"),
    (
        "a chunk's size that is none",
        "POST /smuggled HTTP/1.1\r\nHost: one.shop\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    ),
    ("an unknown coding", "POST /smuggled HTTP/1.1\r\nHost: one.shop\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (
        "chunks that are not the last coding",
        "POST /smuggled HTTP/1.1\r\nHost: one.shop\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    ),
    ("a folded header", "GET /smuggled HTTP/1.1\r\nHost: one.shop\r\nX-A: 1\r\n 2\r\n\r\n"),
    ("a blank before the colon", "GET /smuggled HTTP/1.1\r\nHost: one.shop\r\nContent-Length : 0\r\n\r\n"),
    ("lines that end in LF alone", "GET /smuggled HTTP/1.1\nHost: one.shop\nX-A: 1\n\n"),
    ("two hosts", "GET /smuggled HTTP/1.1\r\nHost: one.shop\r\nHost: v1.shop\r\n\r\n"),
    ("no host", "GET /smuggled HTTP/1.1\r\n\r\n"),
    ("a NUL in a header", "GET /smuggled HTTP/1.1\r\nHost: one.shop\r\nX-A: a\0b\r\n\r\n"),
];

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let scene = scene::up(lab, "protocols", "")?;
    for (what, line, wanted) in ASKED {
        let line = line.replace("$60", &"a".repeat(60 << 10)).replace("$100", &"a".repeat(100 << 10));
        let ask = Ask::read(&line.replace("$200", &headers(200)).replace("$300", &headers(300)), "one.shop")?;
        let fault =
            scene.batch(CLIENT, &[ask.part])?.first().map_or(Err("no result".to_owned()), |r| ask::fault(r, wanted));
        report.row(what, fault.as_ref().err().map_or("so", String::as_str), wanted, fault.is_ok());
    }
    for Raw(what, bytes, wanted) in RAW {
        let answer = raw(&scene, bytes)?;
        let received = answer["received"].as_str().unwrap_or_default();
        let good = wanted.iter().all(|w| if *w == CLOSED { answer["end"] != "open" } else { received.contains(w) });
        report.row(what, format!("{}: {received}", answer["end"]), wanted.join(", "), good);
    }
    refused(&scene, report)?;
    streams(&scene, report)?;
    talk(&scene, report)?;
    large(&scene, report)
}

/// Writes so many headers.
fn headers(count: usize) -> String {
    (0..count).map(|number| format!("x-{number}:a ")).collect()
}

fn raw(scene: &Scene<'_>, bytes: &str) -> Result<Value, String> {
    Ok(scene.feed(CLIENT, &["raw", "one.shop:80", "--read-ms", "1200"], bytes.as_bytes())?.json())
}

fn refused(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    for (what, bytes) in REFUSED {
        let answer = raw(scene, &format!("{bytes}{NEXT}"))?;
        let received = answer["received"].as_str().unwrap_or_default();
        let alone = received.matches("HTTP/1.1 ").count() == 1;
        let good = alone && received.starts_with("HTTP/1.1 400") && answer["end"] != "open";
        report.row(format!("refused: {what}"), format!("{}: {received}", answer["end"]), "400 alone, closed", good);
    }
    let ask = Ask::read("/_count?/smuggled", "one.shop")?;
    let results = scene.batch(CLIENT, &[ask.part])?;
    let count = &results.first().map_or(Value::Null, |r| r["body"]["count"].clone());
    report.row("of these the server got", count.to_string(), "0", *count == 0);
    Ok(())
}

fn streams(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    for (what, arguments) in [
        ("TCP on a port declared so", &["tcp", "one.shop:90", "--send", "hello"][..]),
        ("TCP, half closed", &["tcp", "one.shop:90", "--send", "hello", "--half-close"]),
        ("the server speaks first, on a port of unknown protocol", &["first", "one.shop:91"]),
        ("a thousand connections of TCP", &["parallel", "one.shop:90", "--count", "1000"]),
        (
            "WebSocket by HTTP/2, to an endpoint of HTTP/1.1",
            &["websocket", "one.shop:80", "--times", "20", "--size", "40000"],
        ),
        (
            "WebSocket by HTTP/2, to one that takes it so",
            &["websocket", "one.shop:82", "--times", "20", "--size", "40000"],
        ),
    ] {
        let ended = scene.echo(CLIENT, &[&["--timeout", "30"], arguments].concat())?;
        report.row(what, ended.all(), "exit 0", ended.ok());
    }
    Ok(())
}

/// Both sides of a stream of gRPC speak in turn, for a long time.
fn talk(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    let seconds = TALK.as_secs().to_string();
    for (what, every) in [("without a pause", "0"), ("with pauses", "700")] {
        let ended = scene.echo(CLIENT, &["talk", "one.shop:82", "--seconds", &seconds, "--every-ms", every])?;
        let told = ended.json();
        let measured =
            format!("{} exchanges, the slowest {} ms {}", told["exchanges"], told["slowest_ms"], told["error"]);
        let many = told["exchanges"].as_u64().is_some_and(|count| count >= TALK.as_secs());
        let required = format!("{seconds} s, every message back in its turn, status 0");
        report.row(format!("gRPC in both directions in turn, {what}"), measured, required, ended.ok() && many);
    }
    Ok(())
}

fn large(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    let (large, slow) = (LARGE.to_string(), SLOW.to_string());
    let upload = |bytes, slow| vec!["upload", "http://one.shop/", "--bytes", bytes, "--slow-ms", slow, "--chunked"];
    let download = |bytes, slow| vec!["download", "one.shop:80", "--bytes", bytes, "--slow-ms", slow];
    for (what, arguments) in [
        ("1 GiB of upload", upload(&large, "0")),
        ("128 MiB to a server that reads slowly", upload(&slow, "40")),
        ("1 GiB to a client that reads slowly", download(&large, "10")),
        ("1 GiB to a client of HTTP/2 that reads slowly", [download(&large, "10"), vec!["--http2"]].concat()),
    ] {
        let arguments = [vec!["--timeout", "240"], arguments].concat();
        let (ended, most) = thread::scope(|scope| {
            let upload = scope.spawn(|| scene.echo(CLIENT, &arguments));
            let mut most: f64 = 0.0;
            while !upload.is_finished() {
                most = most.max(resident(&scene.sandbox));
                thread::sleep(Duration::from_millis(100));
            }
            (upload.join().unwrap_or_else(|_| Err(format!("{ECHO} was not run"))), most)
        });
        let ended = ended?;
        let seconds = ended.took.as_secs_f64();
        report.row(what, format!("{seconds:.1} s, {}", ended.all()), "the same checksum", ended.ok());
        let said = format!("{most:.1} MB at most");
        report.figure(
            format!("{what}: memory of a waypoint"),
            said,
            format!("< {MEMORY} MB"),
            most > 0.0,
            most < MEMORY,
        );
    }
    Ok(())
}

/// Returns the resident memory of the largest waypoint, MB.
fn resident(sandbox: &Sandbox<'_>) -> f64 {
    let size = |pid: i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|l| l.starts_with("VmRSS"))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    let sizes = sandbox.role("waypoint").into_iter().filter_map(|p| size(p.pid));
    sizes.fold(0.0, f64::max) * 1024.0 / 1e6
}
