//! The real binary against itself and against peers that behave badly.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// A server on free ports, killed with its owner.
struct Server {
    child: Child,
    ports: Value,
}

impl Server {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_echo"));
        command
            .args(["serve", "--name", "b", "--http", "0", "--tcp", "0", "--first", "0", "--udp", "0", "--bulk", "0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the server tells its ports");
        Self { child, ports: serde_json::from_str(&line).expect("the ports are JSON") }
    }

    fn at(&self, host: &str, service: &str) -> String {
        format!("{host}:{}", self.ports[service][0])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn client(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo"));
    command.args(arguments);
    command
}

fn read(output: &Output) -> Value {
    let report: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
    assert_eq!(report["ok"], output.status.success(), "{report}");
    report
}

fn run(arguments: &[&str]) -> Value {
    read(&client(arguments).output().expect("the client starts"))
}

/// Serves each connection with the function, and returns the address.
fn peer(serve: impl Fn(std::net::TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || listener.incoming().flatten().for_each(serve));
    address
}

#[test]
fn every_service_answers_on_both_families() {
    let server = Server::start();
    let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();
    for host in ["127.0.0.1", "[::1]"].into_iter().take(1 + usize::from(has_ipv6)) {
        let at = |service: &str| server.at(host, service);
        let url = format!("http://{}/a?b=1", at("http"));
        for (arguments, version) in [(&["--count", "3"][..], "HTTP/1.1"), (&["--count", "3", "--http2"], "HTTP/2.0")] {
            let report = run(&[&["http", &url, "--header", "X-A: 1"], arguments].concat());
            assert_eq!(report["servers"]["b"], 3, "{report}");
            let body = &report["body"];
            assert_eq!((&body["version"], &body["path"]), (&version.into(), &"/a?b=1".into()));
            assert_eq!((&body["headers"]["x-a"], &body["peer"]), (&"1".into(), &report["local"]));
        }
        assert_eq!(run(&["http", &format!("http://{}/healthz", at("http"))])["body"], "ok\n");
        assert_eq!(run(&["grpc", &at("http"), "--service", "a.b.C"])["health"], "SERVING");
        for arguments in [&["--who"][..], &["--who", "--half-close"]] {
            let report = run(&[&["tcp", &at("tcp"), "--send", r"WHAT\n"], arguments].concat());
            assert_eq!((&report["received"], &report["server"]["name"]), (&"WHAT\n".into(), &"b".into()));
            assert_eq!(report["server"]["peer"], report["local"]);
        }
        assert_eq!(run(&["first", &at("first")])["banner"]["name"], "b");
        let dialogue = ["--send", r"a\n", "--expect", "a", "--send", r"b\n", "--expect", "b"];
        assert_eq!(run(&[&["first", &at("first")][..], &dialogue].concat())["received"], "b\n");
        assert_eq!(run(&[&["first", &at("first")][..], &dialogue[..6]].concat())["how"], "usage");
        assert_eq!(run(&["udp", &at("udp"), "--count", "3"])["answered"], 3);
        let report = run(&["bulk", &at("bulk"), "--bytes", "3000001"]);
        assert_eq!((&report["up"]["bytes"], &report["down"]["bytes"]), (&3_000_001.into(), &3_000_001.into()));
        assert_eq!(run(&["parallel", &at("tcp"), "--count", "200"])["succeeded"], 200);
    }
    let again = client(&["serve", "--name", "c", "--tcp", &server.ports["tcp"][0].to_string()]).output();
    let again = again.expect("the client starts");
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("cannot be opened"));
}

#[test]
fn the_answer_to_a_half_close_comes_after_it() {
    let server = Server::start();
    let mut stream = std::net::TcpStream::connect(server.at("127.0.0.1", "tcp")).expect("it connects");
    stream.write_all(b"HOLD\nabc").expect("it takes bytes");
    stream.set_read_timeout(Some(Duration::from_millis(500))).expect("a time-out");
    assert!(stream.read(&mut [0; 8]).is_err(), "answered before the half-close");
    stream.shutdown(std::net::Shutdown::Write).expect("it half-closes");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("it answers and closes");
    assert_eq!(rest, "abc");
}

#[test]
fn bad_peers_are_told_apart() {
    let closes = peer(drop);
    let silent = peer(|stream| {
        thread::sleep(Duration::from_secs(60));
        drop(stream);
    });
    let other = peer(|mut stream| {
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(b"hullo\n");
    });
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address").to_string()
    };
    let cases: [(&[&str], &str); 11] = [
        (&["tcp", &nobody], "refused"),
        (&["tcp", &silent, "--timeout", "0.3"], "timeout"),
        (&["tcp", &other], "unexpected"),
        (&["tcp", &other, "--expect", "nowhere"], "closed"),
        (&["first", &closes], "closed"),
        (&["first", &silent, "--timeout", "0.3"], "timeout"),
        (&["udp", &nobody, "--timeout", "0.3"], "refused"),
        (&["bulk", &other, "--bytes", "10", "--way", "up"], "unexpected"),
        (&["bulk", &other, "--bytes", "10", "--way", "down"], "unexpected"),
        (&["http", &format!("http://{nobody}/")], "refused"),
        (&["resolve", "no.such.name.invalid"], "name"),
    ];
    for (arguments, how) in cases {
        let report = run(arguments);
        assert_eq!((&report["ok"], &report["how"]), (&false.into(), &how.into()), "{arguments:?}: {report}");
    }
    assert_eq!(run(&["tcp", &other, "--expect", "ull"])["received"], "hullo\n");
    assert_eq!(client(&["tcp", "nowhere"]).output().expect("the client starts").status.code(), Some(2));
}

#[test]
fn refused_is_what_ends_before_the_first_byte() {
    let closes = peer(|mut stream| {
        // Read first: closing with bytes unread would be a reset.
        let _ = stream.read(&mut [0; 64]);
    });
    let resets = peer(|stream| {
        let _ = stream.peek(&mut [0; 1]);
    });
    let silent = peer(|stream| {
        thread::sleep(Duration::from_secs(60));
        drop(stream);
    });
    assert_eq!(run(&["refused", &closes])["how"], "closed");
    assert_eq!(run(&["refused", &resets])["how"], "reset");
    let server = Server::start();
    for (address, how) in [(silent, "timeout"), (server.at("127.0.0.1", "first"), "unexpected")] {
        let report = run(&["refused", &address, "--timeout", "0.5"]);
        assert_eq!((&report["ok"], &report["how"]), (&false.into(), &how.into()), "{report}");
    }
}

/// Starts a stream command, waits until its streams are open, and returns what it reports after `act`.
fn stream(address: &str, seconds: &str, act: impl FnOnce(&mut Child)) -> Value {
    let arguments =
        ["stream", address, "--streams", "5", "--every-ms", "20", "--seconds", seconds, "--connect", address];
    let mut command = client(&arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the client starts");
    let mut told = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let mut line = String::new();
    told.read_line(&mut line).expect("it tells that its streams are open");
    assert_eq!(line, "open: 5 of 5 streams\n");
    thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
    thread::sleep(Duration::from_millis(300));
    act(&mut child);
    read(&child.wait_with_output().expect("the client ends"))
}

#[test]
fn streams_are_held_until_told_to_stop() {
    let server = Server::start();
    let address = server.at("127.0.0.1", "tcp");
    let say = |text: &'static str| {
        move |child: &mut Child| {
            let stdin = child.stdin.as_mut().expect("stdin is piped");
            stdin.write_all(text.as_bytes()).expect("it reads");
        }
    };
    let terminate = |child: &mut Child| {
        let pid = nix::unistd::Pid::from_raw(child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
    };
    let ends: [(&str, Value); 3] = [
        ("stop", stream(&address, "60", say("go on\nstop\n"))),
        ("signal", stream(&address, "60", terminate)),
        // The end of stdin is no order to stop: many who start it have none.
        ("time", stream(&address, "1", |child| drop(child.stdin.take()))),
    ];
    for (ended, report) in ends {
        assert_eq!((&report["ended"], &report["streams_lost"]), (&ended.into(), &0.into()), "{report}");
        assert_eq!(report["connects"]["failed"], 0, "{report}");
        assert!(report["exchanges"].as_u64() > Some(5) && report["connects"]["total"].as_u64() > Some(2), "{report}");
    }
}

#[test]
fn lost_streams_and_failed_connects_are_counted() {
    let mut server = Server::start();
    let report = stream(&server.at("127.0.0.1", "tcp"), "1", |_| server.child.kill().expect("it runs"));
    assert_eq!((&report["ok"], &report["streams_lost"]), (&false.into(), &5.into()), "{report}");
    assert_eq!(report["lost"].as_array().map(Vec::len), Some(5));
    assert!(report["connects"]["errors"]["refused"].as_u64() > Some(5), "{report}");
}

#[test]
fn sigterm_ends_the_server_at_once() {
    let mut server = Server::start();
    let _open = std::net::TcpStream::connect(server.at("127.0.0.1", "tcp")).expect("it connects");
    let pid = nix::unistd::Pid::from_raw(server.child.id() as i32);
    let started = Instant::now();
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
    assert!(server.child.wait().expect("it ends").success());
    assert!(started.elapsed() < Duration::from_secs(1));
}

/// Runs a client with something on its standard input.
fn feed(arguments: &[&str], input: &str) -> Value {
    let mut command = client(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the client starts");
    child.stdin.take().expect("stdin is piped").write_all(input.as_bytes()).expect("the client reads");
    read(&child.wait_with_output().expect("the client ends"))
}

#[test]
fn a_batch_counts_what_came_back() {
    let server = Server::start();
    let at = server.at("127.0.0.1", "http");
    let batch = serde_json::json!([
        { "to": at, "times": 10, "parallel": 3, "path": "/a", "headers": [["x-echo-add", "x-new=1"]] },
        { "to": at, "times": 4, "http2": true, "headers": [["x-echo-key", "k"], ["x-echo-fail", "3"]] },
        { "to": at, "limit_ms": 100, "headers": [["x-echo-delay", "1000"]] },
        { "to": at, "times": 2, "headers": [["x-echo-break", "1"], ["x-echo-key", "b"]] },
        { "to": at, "path": "/_count?k" },
        { "to": at, "path": "/echo.Echo/Stream", "http2": true, "body": "abc" },
    ]);
    let report = feed(&["batch"], &batch.to_string());
    let all = report["results"].as_array().expect("results").clone();
    assert_eq!((&all[0]["statuses"]["200"], &all[0]["servers"]["b"]), (&10.into(), &10.into()), "{report}");
    assert_eq!(all[0]["headers"]["x-new"], "1");
    assert_eq!((&all[1]["statuses"]["503"], &all[1]["statuses"]["200"]), (&3.into(), &1.into()));
    assert_eq!((&all[1]["failed"], &all[1]["version"]), (&3.into(), &"HTTP/2.0".into()));
    assert_eq!(all[2]["errors"]["timeout"], 1);
    assert_eq!((&all[3]["total"], &all[3]["failed"], &all[3]["statuses"]["200"]), (&2.into(), &1.into(), &1.into()));
    assert_eq!(all[4]["body"]["count"], 4);
    assert_eq!((&all[5]["grpc"]["0"], &all[5]["body"]), (&1.into(), &"abc".into()));
}

#[test]
fn raw_bytes_and_large_bodies() {
    let server = Server::start();
    let at = server.at("127.0.0.1", "http");
    let request = "GET /a HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n";
    let report = feed(&["raw", &at], request);
    assert_eq!(report["end"], "closed");
    assert!(report["received"].as_str().is_some_and(|text| text.starts_with("HTTP/1.1 200")), "{report}");
    let upgrade = "GET / HTTP/1.1\r\nHost: b\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\nbytes";
    let report = feed(&["raw", &at, "--half-close"], upgrade);
    assert!(report["received"].as_str().is_some_and(|text| text.ends_with("bytes")), "{report}");
    // RFC 6455 1.3
    let keyed = "GET / HTTP/1.1\r\nHost: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nbytes";
    let report = feed(&["raw", &at, "--half-close"], keyed);
    assert!(report["received"].as_str().is_some_and(|text| text.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")), "{report}");
    assert_eq!(run(&["websocket", &at])["messages"], 3);
    for more in [&[][..], &["--chunked"]] {
        let url = format!("http://{at}/");
        assert_eq!(run(&[&["upload", &url, "--bytes", "3000001"], more].concat())["body"]["body_bytes"], 3_000_001);
    }
}
