//! A capture: clear text is seen, TLS is recognised.

use net::capture::{Capture, Error};
use net::netns::Netns;
use net::segment::Segment;
use net::sockets::{self, ListenOptions};
use net::wire::{self, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::pods::{Node, WAIT, connect};

/// Hello of a client as OpenSSL begins one, in a record of 4 bytes.
const CLIENT: &[u8] = &[22, 3, 1, 0, 4, 1, 0, 0, 0];
/// The choice of a server of TLS 1.3 without session and key share, and a record of data.
fn server_hello() -> Vec<u8> {
    let head = [22, 3, 3, 0, 50, 2, 0, 0, 46, 3, 3];
    [&head[..], &[7; 32], &[0, 0x13, 0x02, 0, 0, 6, 0, 43, 0, 2, 3, 4], &[23, 3, 3, 0, 3, 1, 2, 3]].concat()
}

/// One connection in which each side says something; returns what was seen of either.
async fn seen(capture: &mut Capture, pods: [&Netns; 2], to: &str, said: [Vec<u8>; 2]) -> [Stream; 2] {
    let listener = sockets::listen(Some(pods[1]), to.parse().unwrap(), &ListenOptions::default()).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let [question, answer] = said;
    let mut asked = vec![0; question.len()];
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut asked).await.unwrap();
        stream.write_all(&answer).await.unwrap();
    });
    let mut client = connect(pods[0], to).await.unwrap();
    client.write_all(&question).await.unwrap();
    client.read_to_end(&mut Vec::new()).await.unwrap();
    let from = client.local_addr().unwrap();
    drop(client);
    server.await.unwrap();

    let mut streams = [Stream::new(1 << 20), Stream::new(1 << 20)];
    let mut ended = [false; 2];
    while ended != [true; 2] {
        let segment: Segment = timeout(WAIT, capture.next()).await.expect("nothing seen").unwrap();
        // What is left of an earlier connection does not count.
        if ![segment.source, segment.destination].contains(&from) {
            continue;
        }
        let from_server = usize::from(segment.destination == from);
        streams[from_server].push(&segment);
        ended[from_server] |= segment.flags.fin();
    }
    assert!(streams.iter().all(Stream::is_whole));
    streams
}

#[tokio::test]
async fn clear_text_is_seen_and_tls_recognised() {
    let node = Node::new();
    let (one, two) = (node.pod("10.244.1.2", "fd01::2"), node.pod("10.244.1.3", "fd01::3"));
    let pods = [&one, &two];
    for (i, to) in ["10.244.1.3:80", "[fd01::3]:80"].into_iter().enumerate() {
        let mut capture = Capture::open(&node.netns, &format!("veth{i}")).unwrap();
        let long = "long ".repeat(100_000).into_bytes();
        let [question, answer] = seen(&mut capture, pods, to, [b"the marker".to_vec(), long.clone()]).await;
        assert_eq!((question.bytes(), wire::tls(question.bytes())), (&b"the marker"[..], None));
        assert!(answer.bytes() == long);

        let [question, answer] = seen(&mut capture, pods, to, [CLIENT.to_vec(), server_hello()]).await;
        assert_eq!(wire::tls(question.bytes()).unwrap().outside, 0);
        let tls = wire::tls(answer.bytes()).unwrap();
        assert_eq!((tls.records, tls.outside), (2, 0));
        assert_eq!(tls.server_hello.unwrap().to_string(), "TLS 1.3, TLS_AES_256_GCM_SHA384");
        assert_eq!(capture.drops().unwrap(), 0);
    }
    assert!(matches!(Capture::open(&one, "none"), Err(Error::Interface { .. })));
}

/// What nobody takes is counted, not kept; and an interface that goes away ends the capture.
#[tokio::test]
async fn drops_are_counted_and_the_end_is_told() {
    let node = Node::new();
    let (one, two) = (node.pod("10.244.1.2", "fd01::2"), node.pod("10.244.1.3", "fd01::3"));
    let mut capture = Capture::open(&node.netns, "veth0").unwrap();
    let to = "10.244.1.3:80";
    let listener = sockets::listen(Some(&two), to.parse().unwrap(), &ListenOptions::default()).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&vec![0; 32 << 20]).await.unwrap();
    });
    connect(&one, to).await.unwrap().read_to_end(&mut Vec::new()).await.unwrap();
    let drops = capture.drops().unwrap();
    assert!(drops > 0);
    assert_eq!(capture.drops().unwrap(), drops);
    node.netns.enter(|| net::links::delete("veth0").unwrap()).unwrap();
    let end = async { while capture.next().await.is_ok() {} };
    timeout(WAIT, end).await.expect("the capture goes on");
}
