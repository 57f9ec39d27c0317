//! Tunnels between real sockets, with ourselves and with another implementation of HTTP/2 at the other end.

use std::{
    future::poll_fn,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use hbone::{
    copy::{self, Counts, Side},
    server::{self, Connect},
    stream::Stream,
    tunnel::{Error, Tunnel},
    watch::Watch,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use identity::{ca::Authority, certificate::Certified};
use model::Identity;
use runtime::Drain;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};

const WAIT: Duration = Duration::from_secs(20);

fn identity(account: &str) -> Identity {
    Identity::new("cluster.local", "shop", account).expect("valid")
}

fn certified(authority: &Authority, account: &str) -> Arc<Certified> {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    let request = params.serialize_request(&key).expect("a request").pem().expect("text");
    let chain = authority.sign(&request, &identity(account), Duration::from_secs(600)).expect("signed");
    Arc::new(Certified::new(&identity(account), &key.serialize_der(), &chain).expect("usable"))
}

/// A client and a server of one mesh.
fn parties() -> (Arc<Certified>, Arc<Certified>) {
    let authority = Authority::self_signed("cluster.local").expect("an authority").0;
    (certified(&authority, "client"), certified(&authority, "server"))
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let near = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connects");
    (near, listener.accept().await.expect("accepts").0)
}

/// Two proxies with a tunnel between them; what is connected comes out at the application.
struct Mesh {
    tunnel: Tunnel,
    application: TcpListener,
    drain: Drain,
    served: JoinHandle<Result<(), server::Error>>,
}

async fn serve(connect: Connect, application: SocketAddr) {
    match connect.authority.as_str() {
        "echo:1" => {
            // Who speaks the protocol itself reads and writes the stream.
            let Ok(stream) = connect.accept(HeaderMap::new()) else { return };
            let (mut read, mut write) = tokio::io::split(stream);
            let _ = tokio::io::copy(&mut read, &mut write).await;
            let _ = write.shutdown().await;
            return;
        }
        "closing:1" => {
            let Ok(mut stream) = connect.accept(HeaderMap::new()) else { return };
            let _ = stream.write_all(b"bye").await;
            let _ = stream.shutdown().await;
            return;
        }
        "denied:1" => return connect.refuse(StatusCode::UNAUTHORIZED),
        "silent:1" => return std::future::pending().await,
        _ => {}
    }
    let socket = TcpStream::connect(application).await.expect("the application listens");
    let mut headers = HeaderMap::new();
    headers.insert("baggage", connect.headers.get("baggage").cloned().unwrap_or(HeaderValue::from_static("none")));
    let Ok(stream) = connect.accept(headers) else { return };
    let _ = copy::tunnel(socket, stream, &Arc::default(), Side::Server).await;
}

impl Mesh {
    async fn start() -> Self {
        let (client, server) = parties();
        let application = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = application.local_addr().expect("bound");
        let (near, far) = pair().await;
        let drain = Drain::new();
        let stop = drain.clone();
        let served = tokio::spawn(async move {
            let (shaken, session) = server::handshake(far, &server).await?;
            assert_eq!(session.peer, identity("client"));
            server::serve(shaken, ([127, 0, 0, 1], 1).into(), stop, move |connect| serve(connect, target)).await
        });
        let peer = ([127, 0, 0, 1], 15008).into();
        let tunnel = Tunnel::start(near, peer, &client, &[identity("server")]).await.expect("a tunnel");
        Self { tunnel, application, drain, served }
    }

    async fn open(&self) -> Stream {
        self.tunnel.open("10.0.0.1:80", HeaderMap::new()).await.expect("a stream").0
    }

    /// Returns both ends of a connection through the tunnel, and what the client's proxy makes of it.
    async fn connect(&self) -> (TcpStream, TcpStream, JoinHandle<Result<(), copy::Error>>, Arc<Counts>) {
        let (client, near) = pair().await;
        let stream = self.open().await;
        let counts = Arc::<Counts>::default();
        let told = counts.clone();
        let copied = tokio::spawn(async move { copy::tunnel(near, stream, &told, Side::Client).await });
        let server = timeout(WAIT, self.application.accept()).await.expect("in time").expect("accepts").0;
        (client, server, copied, counts)
    }
}

#[tokio::test]
async fn bytes_go_both_ways_and_each_way_ends_by_itself() {
    const BYTES: usize = 32 << 20;
    let mesh = Mesh::start().await;
    let (mut client, mut server, copied, counts) = mesh.connect().await;
    let pattern: Vec<u8> = (0..BYTES).map(|n| (n * 31 % 251) as u8).collect();
    let sending = async {
        client.write_all(&pattern).await.expect("sends");
        client.shutdown().await.expect("half closes");
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.expect("an answer");
        answer
    };
    let receiving = async {
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.expect("receives");
        assert!(all == pattern, "every byte, in order");
        server.write_all(b"got it").await.expect("answers");
        server.shutdown().await.expect("closes");
    };
    let (answer, ()) = timeout(WAIT, async { tokio::join!(sending, receiving) }).await.expect("in time");
    assert_eq!(answer, b"got it");
    timeout(WAIT, copied).await.expect("in time").expect("no panic").expect("in order");
    assert_eq!((counts.sent.load(Ordering::Relaxed), counts.received.load(Ordering::Relaxed)), (BYTES as u64, 6));
    timeout(WAIT, async {
        while mesh.tunnel.streams() > 0 {
            tokio::task::yield_now().await
        }
    })
    .await
    .expect("it is let go");
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_its_own_stream_up_and_no_other() {
    let mesh = Mesh::start().await;
    let (mut slow, mut unread, _copied, counts) = mesh.connect().await;
    let flood = tokio::spawn(async move {
        let chunk = vec![7; 1 << 20];
        for _ in 0..64 {
            slow.write_all(&chunk).await.expect("sends in the end");
        }
        slow.shutdown().await.expect("closes");
    });
    let mut last = u64::MAX;
    while last != counts.sent.load(Ordering::Relaxed) {
        last = counts.sent.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    // The stream's window, and what the kernel's buffers of four sockets take.
    assert!(last < (24 << 20), "{last} bytes are under way");
    let (mut client, mut server, ..) = mesh.connect().await;
    for _ in 0..100 {
        client.write_all(b"ping").await.expect("sends");
        timeout(WAIT, server.read_exact(&mut [0; 4])).await.expect("in time").expect("receives");
    }
    let mut all = Vec::new();
    timeout(WAIT, unread.read_to_end(&mut all)).await.expect("in time").expect("receives");
    assert_eq!(all.len(), 64 << 20);
    flood.await.expect("all was sent");
}

/// Windows are used up by streams that nobody reads: who waits for one must wait, not ask again and again.
#[tokio::test]
async fn a_connection_without_a_window_is_at_rest() {
    let mesh = Mesh::start().await;
    let mut held = Vec::new();
    for _ in 0..8 {
        let (mut client, server, copied, _) = mesh.connect().await;
        let flood = tokio::spawn(async move { client.write_all(&vec![7; 64 << 20]).await });
        held.push((server, copied, flood));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let used = || {
        use nix::sys::{resource, time::TimeValLike};
        let usage = resource::getrusage(resource::UsageWho::RUSAGE_THREAD).expect("known");
        usage.user_time().num_milliseconds() + usage.system_time().num_milliseconds()
    };
    let before = used();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(used() - before < 200, "{} ms of a second", used() - before);
    // Once somebody reads, all goes on.
    for (server, ..) in &mut held {
        let mut rest = vec![0; 64 << 20];
        timeout(WAIT * 2, server.read_exact(&mut rest)).await.expect("in time").expect("receives");
    }
}

#[tokio::test]
async fn an_end_of_the_connection_is_told_to_who_only_waits_to_send() {
    let mesh = Mesh::start().await;
    let (mut client, mut server, _copied, _) = mesh.connect().await;
    client.shutdown().await.expect("half closes");
    assert_eq!(timeout(WAIT, server.read(&mut [0; 8])).await.expect("in time").expect("an end in order"), 0);
    mesh.drain.cut();
    let broken = async {
        while server.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await
        }
    };
    timeout(WAIT, broken).await.expect("the server hears of it");
}

/// Without a pause the task's budget runs out in the middle: a copy that then spins instead of yielding never ends.
#[tokio::test]
async fn a_long_copy_yields_and_both_ends_close() {
    const BYTES: usize = 64 << 20;
    let ((mut client, near), (far, mut server)) = (pair().await, pair().await);
    let counts = Counts::default();
    let sent = async {
        client.write_all(&vec![7; BYTES]).await.expect("sends");
        client.shutdown().await.expect("half closes");
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.expect("an answer");
        answer
    };
    let received = async {
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.expect("receives");
        server.write_all(b"got it").await.expect("answers");
        server.shutdown().await.expect("closes");
        all.len()
    };
    let all = async { tokio::join!(copy::sockets(near, far, &counts), sent, received) };
    let (outcome, answer, received) = timeout(Duration::from_secs(60), all).await.expect("ends");
    outcome.expect("no side broke");
    assert_eq!((answer.as_slice(), received), (&b"got it"[..], BYTES));
    assert_eq!(counts.sent.load(Ordering::Relaxed), BYTES as u64);
}

#[tokio::test]
async fn a_copy_between_sockets_that_is_given_up_is_a_break_at_both_ends() {
    let ((mut client, near), (far, mut server)) = (pair().await, pair().await);
    let copied = tokio::spawn(async move { copy::sockets(near, far, &Counts::default()).await });
    client.write_all(b"half a mess").await.expect("sends");
    timeout(WAIT, server.read_exact(&mut [0; 11])).await.expect("in time").expect("receives");
    copied.abort();
    for end in [&mut client, &mut server] {
        let seen = timeout(WAIT, end.read(&mut [0; 8])).await.expect("in time");
        assert_eq!(seen.expect_err("no end of data").kind(), std::io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn a_break_on_either_side_is_a_break_on_the_other() {
    let mesh = Mesh::start().await;
    let (mut client, server, copied, _) = mesh.connect().await;
    server.set_zero_linger().expect("set");
    drop(server);
    let seen = timeout(WAIT, client.read(&mut [0; 8])).await.expect("in time");
    assert_eq!(seen.expect_err("no end of data").kind(), std::io::ErrorKind::ConnectionReset);
    assert!(matches!(copied.await.expect("no panic"), Err(copy::Error::Cut(_))));

    let (client, mut server, copied, _) = mesh.connect().await;
    client.set_zero_linger().expect("set");
    drop(client);
    let seen = timeout(WAIT, server.read(&mut [0; 8])).await.expect("in time");
    assert_eq!(seen.expect_err("no end of data").kind(), std::io::ErrorKind::ConnectionReset);
    assert!(copied.await.expect("no panic").is_err());

    // A copy that is given up in the middle.
    let (_client, mut server, copied, _) = mesh.connect().await;
    copied.abort();
    let seen = timeout(WAIT, server.read(&mut [0; 8])).await.expect("in time");
    assert_eq!(seen.expect_err("no end of data").kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_client_that_had_said_all_and_goes_is_a_break_at_the_server() {
    let mesh = Mesh::start().await;
    let (client, mut server, copied, _) = mesh.connect().await;
    // Closed in order, as by a client that has given up: only who sends it something learns that nobody hears it.
    drop(client);
    assert_eq!(timeout(WAIT, server.read(&mut [0; 8])).await.expect("in time").expect("an end in order"), 0);
    server.write_all(b"x").await.expect("taken");
    assert!(timeout(WAIT, copied).await.expect("in time").expect("no panic").is_err());
    let broken = async {
        while server.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await
        }
    };
    timeout(WAIT, broken).await.expect("the server hears of it");
}

/// A break behind an answer may take the answer with it: what came is thrown away by the kernel of who reads late.
#[tokio::test]
async fn a_server_that_says_all_and_hears_no_more_is_an_end_and_no_break() {
    let mesh = Mesh::start().await;
    let (mut client, near) = pair().await;
    let (stream, _) = mesh.tunnel.open("closing:1", HeaderMap::new()).await.expect("a stream");
    let copied = tokio::spawn(async move { copy::tunnel(near, stream, &Arc::default(), Side::Client).await });
    let mut said = Vec::new();
    timeout(WAIT, client.read_to_end(&mut said)).await.expect("in time").expect("an end in order");
    assert_eq!(said, b"bye");
    // Nothing of it waits for the client's own end.
    timeout(WAIT, copied).await.expect("in time").expect("no panic").expect("in order");
}

#[tokio::test]
async fn a_watch_tells_an_end_from_a_break() {
    let mesh = Mesh::start().await;
    let finished =
        |watch: Watch| async move { timeout(WAIT, poll_fn(|c| watch.poll_finished(c))).await.map(|()| watch) };
    for breaks in [false, true] {
        let stream = mesh.open().await;
        let watch = stream.watch();
        let mut server = timeout(WAIT, mesh.application.accept()).await.expect("in time").expect("accepts").0;
        assert!(poll_fn(|c| Poll::Ready(watch.poll_finished(c).is_pending() && watch.poll_cut(c).is_pending())).await);
        assert!(poll_fn(|c| Poll::Ready(watch.say(b"between", c))).await);
        server.read_exact(&mut [0; 7]).await.expect("it is heard");
        server.shutdown().await.expect("half closes");
        let watch = finished(watch).await.expect("in time");
        assert!(poll_fn(|c| Poll::Ready(watch.poll_cut(c).is_pending())).await, "an end is no break");
        if breaks {
            server.set_zero_linger().expect("set");
            drop(server);
        } else {
            drop(stream);
        }
        timeout(WAIT, poll_fn(|c| watch.poll_cut(c))).await.expect("nobody hears");
        assert!(!poll_fn(|c| Poll::Ready(watch.say(b"x", c))).await);
    }
}

#[tokio::test]
async fn a_refusal_has_its_status_and_a_wrong_identity_no_tunnel() {
    let mesh = Mesh::start().await;
    let refused = mesh.tunnel.open("denied:1", HeaderMap::new()).await.err();
    assert!(matches!(refused, Some(Error::Refused { status: StatusCode::UNAUTHORIZED, .. })), "{refused:?}");
    let mut headers = HeaderMap::new();
    headers.insert("baggage", HeaderValue::from_static("k8s.namespace.name=shop"));
    let (_stream, answer) = mesh.tunnel.open("10.0.0.1:80", headers).await.expect("a stream");
    assert_eq!(answer.get("baggage").map(HeaderValue::as_bytes), Some(&b"k8s.namespace.name=shop"[..]));

    let authority = Authority::self_signed("cluster.local").expect("an authority").0;
    let (client, server) = (certified(&authority, "client"), certified(&authority, "server"));
    let (near, far) = pair().await;
    tokio::spawn(async move { server::handshake(far, &server).await.map(drop) });
    let outcome = Tunnel::start(near, ([127, 0, 0, 1], 1).into(), &client, &[identity("other")]).await;
    assert!(matches!(outcome.err(), Some(Error::Identity { .. })));

    // Of another mesh altogether: both sides are told why.
    let stranger = certified(&Authority::self_signed("cluster.local").expect("an authority").0, "client");
    let (near, far) = pair().await;
    let server = certified(&authority, "server");
    let served = tokio::spawn(async move { server::handshake(far, &server).await.map(drop) });
    let outcome = Tunnel::start(near, ([127, 0, 0, 1], 1).into(), &stranger, &[identity("server")]).await;
    assert!(matches!(outcome.err(), Some(Error::Tls { .. })));
    let told = served.await.expect("no panic").expect_err("no handshake").to_string();
    assert!(told.contains("fatal alert"), "{told}");
}

#[tokio::test]
async fn many_streams_share_a_tunnel_and_one_too_many_is_told() {
    let mesh = Mesh::start().await;
    let echo = async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let mut socket = mesh.application.accept().await.expect("accepts").0;
            tasks.spawn(async move {
                let (mut read, mut write) = socket.split();
                tokio::io::copy(&mut read, &mut write).await.expect("echoes");
            });
        }
        tasks.join_all().await
    };
    let clients = async {
        let mut open = Vec::new();
        for _ in 0..200 {
            let (client, near) = pair().await;
            let stream = mesh.open().await;
            tokio::spawn(async move { copy::tunnel(near, stream, &Arc::default(), Side::Client).await });
            open.push(client);
        }
        let full = mesh.tunnel.open("10.0.0.1:80", HeaderMap::new()).await.err();
        assert!(matches!(full, Some(Error::Full(_))), "{full:?}");
        let mut tasks = tokio::task::JoinSet::new();
        for (number, mut client) in open.into_iter().enumerate() {
            tasks.spawn(async move {
                let sent = vec![number as u8; 100_000 + number];
                let (mut read, mut write) = client.split();
                let sending = async {
                    write.write_all(&sent).await.expect("sends");
                    write.shutdown().await.expect("closes");
                };
                let mut all = Vec::new();
                let ((), outcome) = tokio::join!(sending, read.read_to_end(&mut all));
                outcome.expect("receives");
                assert!(all == sent, "stream {number} has its own bytes");
            });
        }
        tasks.join_all().await;
    };
    timeout(WAIT * 2, async { tokio::join!(echo, clients) }).await.expect("in time");
}

#[tokio::test]
async fn a_stop_lets_streams_end_and_opens_no_more() {
    let mesh = Mesh::start().await;
    let (mut client, mut server, copied, _) = mesh.connect().await;
    mesh.drain.start();
    timeout(WAIT, async {
        while !mesh.tunnel.is_closed() {
            tokio::task::yield_now().await
        }
    })
    .await
    .expect("it is told");
    assert!(mesh.tunnel.open("10.0.0.1:80", HeaderMap::new()).await.is_err());
    for _ in 0..3 {
        client.write_all(b"still here").await.expect("sends");
        timeout(WAIT, server.read_exact(&mut [0; 10])).await.expect("in time").expect("receives");
    }
    drop(client);
    assert_eq!(timeout(WAIT, server.read(&mut [0; 8])).await.expect("in time").expect("an end in order"), 0);
    drop(server);
    copied.await.expect("no panic").expect("in order");
    timeout(WAIT, mesh.served).await.expect("in time").expect("no panic").expect("in order");
}

#[tokio::test]
async fn the_end_of_the_connection_is_a_break_of_its_streams() {
    let mesh = Mesh::start().await;
    let (mut client, _server, copied, _) = mesh.connect().await;
    let waiting = mesh.tunnel.clone();
    let unanswered = tokio::spawn(async move { waiting.open("silent:1", HeaderMap::new()).await.map(drop) });
    tokio::time::sleep(Duration::from_millis(50)).await;
    mesh.drain.cut();
    let seen = timeout(WAIT, client.read(&mut [0; 8])).await.expect("in time");
    assert_eq!(seen.expect_err("no end of data").kind(), std::io::ErrorKind::ConnectionReset);
    assert!(copied.await.expect("no panic").is_err());
    let outcome = timeout(WAIT, unanswered).await.expect("in time").expect("no panic");
    assert!(matches!(outcome, Err(Error::Http { .. })), "{outcome:?}");
}

/// h2 compresses heads with Huffman coding and a table, and has small frames and windows: what Istio's ztunnel does on the wire.
#[tokio::test]
async fn a_client_of_another_implementation_is_served() {
    let (client, server) = parties();
    let application = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = application.local_addr().expect("bound");
    tokio::spawn(async move {
        loop {
            let mut socket = application.accept().await.expect("accepts").0;
            tokio::spawn(async move {
                let (mut read, mut write) = socket.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    let (near, far) = pair().await;
    tokio::spawn(async move {
        let (shaken, _) = server::handshake(far, &server).await.expect("a handshake");
        server::serve(shaken, ([127, 0, 0, 1], 1).into(), Drain::new(), move |c| serve(c, target)).await
    });
    let connector = tokio_rustls::TlsConnector::from(client.client.clone());
    let name = ServerName::IpAddress(std::net::IpAddr::from([127, 0, 0, 1]).into());
    let tls = connector.connect(name, near).await.expect("a handshake");
    let (send, connection) = h2::client::handshake(tls).await.expect("HTTP/2");
    tokio::spawn(connection);
    for round in 0..20 {
        let mut send = send.clone().ready().await.expect("room");
        let mut request = Request::new(());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = format!("10.0.0.{round}:80").parse().expect("valid");
        request.headers_mut().insert("baggage", HeaderValue::from_static("k8s.namespace.name=shop"));
        request.headers_mut().insert("traceparent", HeaderValue::from_str(&format!("00-{round}")).expect("valid"));
        let (response, mut body) = send.send_request(request, false).expect("sends");
        let response = timeout(WAIT, response).await.expect("in time").expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["baggage"], "k8s.namespace.name=shop");
        let sent = vec![round; 300_000];
        let sending = async {
            let mut left = Bytes::from(sent.clone());
            while !left.is_empty() {
                body.reserve_capacity(left.len());
                let granted = std::future::poll_fn(|c| body.poll_capacity(c)).await.expect("open").expect("open");
                body.send_data(left.split_to(granted.min(left.len())), false).expect("sends");
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("done", HeaderValue::from_static("yes"));
            body.send_trailers(trailers).expect("sends");
        };
        let receiving = async {
            let (mut recv, mut all) = (response.into_body(), Vec::new());
            while let Some(bytes) = recv.data().await {
                let bytes = bytes.expect("open");
                recv.flow_control().release_capacity(bytes.len()).expect("open");
                all.extend_from_slice(&bytes);
            }
            all
        };
        let ((), all) = timeout(WAIT, async { tokio::join!(sending, receiving) }).await.expect("in time");
        assert!(all == sent);
    }
    // What is no CONNECT is refused, and the connection goes on.
    let mut send = send.ready().await.expect("room");
    let request = Request::get("http://10.0.0.1/").body(()).expect("valid");
    let (response, _) = send.send_request(request, true).expect("sends");
    assert_eq!(response.await.expect("an answer").status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_server_of_another_implementation_is_used() {
    let (client, server) = parties();
    let (near, far) = pair().await;
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(server.server.clone());
        let tls = acceptor.accept(far).await.expect("a handshake");
        let mut connection = h2::server::handshake(tls).await.expect("HTTP/2");
        while let Some(accepted) = connection.accept().await {
            let (request, mut respond) = accepted.expect("open");
            tokio::spawn(async move {
                let mut send = respond.send_response(Response::new(()), false).expect("answers");
                let mut recv = request.into_body();
                while let Some(bytes) = recv.data().await {
                    let bytes = bytes.expect("open");
                    let _ = recv.flow_control().release_capacity(bytes.len());
                    send.send_data(bytes, false).expect("sends");
                }
                send.send_data(Bytes::new(), true).expect("ends");
            });
        }
    });
    let peer = ([127, 0, 0, 1], 15008).into();
    let tunnel = Tunnel::start(near, peer, &client, &[identity("server")]).await.expect("a tunnel");
    for round in 0..5_u8 {
        let (client, near) = pair().await;
        let (stream, _) = tunnel.open("10.0.0.1:80", HeaderMap::new()).await.expect("a stream");
        let copied = tokio::spawn(async move { copy::tunnel(near, stream, &Arc::default(), Side::Client).await });
        let sent = vec![round; 1_000_000];
        let (mut read, mut write) = client.into_split();
        let sending = async {
            write.write_all(&sent).await.expect("sends");
            write.shutdown().await.expect("closes");
        };
        let mut all = Vec::new();
        let ((), outcome) =
            timeout(WAIT, async { tokio::join!(sending, read.read_to_end(&mut all)) }).await.expect("in time");
        outcome.expect("receives");
        assert!(all == sent);
        copied.await.expect("no panic").expect("in order");
    }
}

/// RFC 9113 8.1: what was answered before a reset without error counts.
#[tokio::test]
async fn a_whole_answer_survives_the_reset_behind_it() {
    let (client, server) = parties();
    let (near, far) = pair().await;
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(server.server.clone());
        let mut connection =
            h2::server::handshake(acceptor.accept(far).await.expect("a handshake")).await.expect("HTTP/2");
        while let Some(accepted) = connection.accept().await {
            let (_request, mut respond) = accepted.expect("open");
            let mut send = respond.send_response(Response::new(()), false).expect("answers");
            send.send_data(Bytes::from(vec![9; 40_000]), true).expect("sends");
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                send.send_reset(h2::Reason::NO_ERROR);
            });
        }
    });
    let peer = ([127, 0, 0, 1], 15008).into();
    let tunnel = Tunnel::start(near, peer, &client, &[identity("server")]).await.expect("a tunnel");
    let (mut client, near) = pair().await;
    let (stream, _) = tunnel.open("10.0.0.1:80", HeaderMap::new()).await.expect("a stream");
    let copied = tokio::spawn(async move { copy::tunnel(near, stream, &Arc::default(), Side::Client).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut all = Vec::new();
    timeout(WAIT, client.read_to_end(&mut all)).await.expect("in time").expect("an end in order");
    assert_eq!(all.len(), 40_000);
    copied.await.expect("no panic").expect("in order");
}

/// A client that has said all and drops the answer breaks it off: nothing of it may look whole to the server.
#[tokio::test]
async fn an_answer_that_is_dropped_was_not_taken_in_order() {
    let (client, server) = parties();
    let (near, far) = pair().await;
    let (told, heard) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(server.server.clone());
        let mut connection =
            h2::server::handshake(acceptor.accept(far).await.expect("a handshake")).await.expect("HTTP/2");
        let (_request, mut respond) = connection.accept().await.expect("a stream").expect("open");
        let mut send = respond.send_response(Response::new(()), false).expect("answers");
        send.send_data(Bytes::from(vec![9; 10]), false).expect("sends");
        tokio::spawn(async move { told.send(poll_fn(|context| send.poll_reset(context)).await.ok()) });
        while connection.accept().await.is_some() {}
    });
    let peer = ([127, 0, 0, 1], 15008).into();
    let tunnel = Tunnel::start(near, peer, &client, &[identity("server")]).await.expect("a tunnel");
    let (mut stream, _) = tunnel.open("10.0.0.1:80", HeaderMap::new()).await.expect("a stream");
    stream.shutdown().await.expect("ended");
    drop(stream);
    let reason = timeout(WAIT, heard).await.expect("in time").expect("told");
    assert_eq!(reason, Some(h2::Reason::CANCEL));
}

#[tokio::test]
async fn a_stream_is_read_and_written_without_a_socket() {
    let mesh = Mesh::start().await;
    let (stream, _) = mesh.tunnel.open("echo:1", HeaderMap::new()).await.expect("opens");
    let (mut read, mut write) = tokio::io::split(stream);
    // More than all windows: who writes has to wait for who reads.
    let sent: Vec<u8> = (0..24_u32 << 20).map(|i| (i % 251) as u8).collect();
    let expected = sent.clone();
    let writing = tokio::spawn(async move {
        for part in sent.chunks(100_000) {
            write.write_all(part).await.expect("written");
        }
        write.shutdown().await.expect("ended");
        write
    });
    let mut found = Vec::new();
    timeout(WAIT, read.read_to_end(&mut found)).await.expect("in time").expect("whole");
    assert!(found == expected, "{} of {} bytes", found.len(), expected.len());
    drop(writing.await.expect("no panic"));
    // One that is given up is broken, and does not look as if it had ended.
    let (mut stream, _) = mesh.tunnel.open("echo:1", HeaderMap::new()).await.expect("opens");
    stream.write_all(b"x").await.expect("written");
    let mut one = [0; 1];
    stream.read_exact(&mut one).await.expect("echoed");
    mesh.drain.cut();
    let broken = timeout(WAIT, stream.read(&mut one)).await.expect("in time").expect_err("not an end");
    assert_eq!(broken.kind(), std::io::ErrorKind::ConnectionReset);
}
