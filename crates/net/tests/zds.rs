//! The ZDS exchange over a real socket, both ends, and what a bad peer can send.
#![allow(clippy::unwrap_used)] // a failed step is the test's result

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use net::netns::Netns;
use net::zds::proto::{AddWorkload, DelWorkload, KeepWorkload, Payload, SnapshotSent};
use net::zds::{Connection, Error, Listener, MAX_PACKET, Request, WorkloadInfo};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect, sendmsg, socket,
};
use prost::Message;

fn add(uid: &str) -> Payload {
    let info = WorkloadInfo { name: "a".into(), namespace: "shop".into(), service_account: "till".into() };
    Payload::Add(AddWorkload { uid: uid.into(), workload_info: Some(info) })
}

#[tokio::test]
async fn a_whole_exchange() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ztunnel.sock");
    let listener = Listener::bind(&path).unwrap();
    let ztunnel = tokio::spawn({
        let path = path.clone();
        async move {
            let c = Connection::connect(&path).await.unwrap();
            c.send_hello().await.unwrap();
            let Request::Add { uid, info, netns } = c.next_request().await.unwrap() else { panic!() };
            assert_eq!((uid.as_str(), info.service_account.as_str()), ("u1", "till"));
            assert_eq!(netns, Netns::current().unwrap());
            assert!(is_cloexec(&netns));
            c.send_ack(None).await.unwrap();
            assert!(matches!(c.next_request().await.unwrap(), Request::Keep { uid } if uid == "u2"));
            c.send_ack(Some(&"é".repeat(2000))).await.unwrap();
            assert!(matches!(c.next_request().await.unwrap(), Request::SnapshotSent));
            c.send_ack(None).await.unwrap();
            assert!(matches!(c.next_request().await.unwrap(), Request::Del { uid } if uid == "u1"));
            c.send_ack(None).await.unwrap();
        }
    });
    let c = listener.accept().await.unwrap();
    c.recv_hello().await.unwrap();
    let netns = Netns::current().unwrap();
    c.request(add("u1"), Some(netns.as_fd())).await.unwrap();
    let keep = Payload::Keep(KeepWorkload { uid: "u2".into() });
    assert!(matches!(c.request(keep, None).await, Err(Error::Refused(e)) if e.starts_with('é')));
    c.request(Payload::SnapshotSent(SnapshotSent {}), None).await.unwrap();
    c.request(Payload::Del(DelWorkload { uid: "u1".into() }), None).await.unwrap();
    ztunnel.await.unwrap();
    assert!(matches!(c.closed().await, Error::Closed));
    // A successor takes over the path.
    Listener::bind(&path).unwrap();
}

#[test]
fn the_bytes_on_the_wire() {
    let wire = |payload| net::zds::proto::WorkloadRequest { payload: Some(payload) }.encode_to_vec();
    assert_eq!(wire(Payload::Del(DelWorkload { uid: "x".into() })), [0x12, 3, 0x12, 1, b'x']);
    assert_eq!(wire(Payload::Keep(KeepWorkload { uid: "x".into() })), [0x2a, 3, 0x0a, 1, b'x']);
    assert_eq!(wire(Payload::SnapshotSent(SnapshotSent {})), [0x1a, 0]);
    let mut expected = vec![0x0a, 4 + 2 + 15, 0x0a, 2, b'u', b'1', 0x12, 15];
    expected.extend_from_slice(b"\x0a\x01a\x12\x04shop\x1a\x04till");
    assert_eq!(wire(add("u1")), expected);
}

/// What the receiver makes of one raw packet.
async fn received(bytes: &[u8], fds: &[RawFd]) -> Result<Request, Error> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = Listener::bind(&path).unwrap();
    let peer = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::empty(), None).unwrap();
    connect(peer.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    let connection = listener.accept().await.unwrap();
    let rights = [ControlMessage::ScmRights(fds)];
    let control = if fds.is_empty() { &[][..] } else { &rights[..] };
    sendmsg::<()>(peer.as_raw_fd(), &[IoSlice::new(bytes)], control, MsgFlags::empty(), None).unwrap();
    tokio::time::timeout(Duration::from_secs(5), connection.next_request()).await.unwrap()
}

#[tokio::test]
async fn bad_packets_are_refused() {
    let request = |payload| net::zds::proto::WorkloadRequest { payload }.encode_to_vec();
    let good = request(Some(add("u")));
    let netns = Netns::current().unwrap();
    let fd = netns.as_fd().as_raw_fd();
    let null = std::fs::File::open("/dev/null").unwrap();
    assert!(received(&good, &[fd]).await.is_ok());
    assert!(matches!(received(&good, &[]).await, Err(Error::Protocol(_))));
    assert!(matches!(received(&good, &[fd, fd]).await, Err(Error::Protocol(_))));
    assert!(matches!(received(&good, &[fd; 253]).await, Err(Error::Protocol(_))));
    assert!(matches!(received(&good, &[null.as_raw_fd()]).await, Err(Error::Netns { .. })));
    assert!(matches!(received(&[0xff; 40], &[fd]).await, Err(Error::Decode(_))));
    assert!(matches!(received(&vec![0; MAX_PACKET + 1], &[fd]).await, Err(Error::TooLarge)));
    assert!(matches!(received(&[], &[]).await, Err(Error::Closed)));
    assert!(matches!(received(&[], &[fd]).await, Err(Error::Protocol(_))));
    let no_info = Payload::Add(AddWorkload { uid: "u".into(), workload_info: None });
    assert!(matches!(received(&request(Some(no_info)), &[fd]).await, Err(Error::Protocol(_))));
    let del = Payload::Del(DelWorkload { uid: "u".into() });
    assert!(matches!(received(&request(Some(del)), &[fd]).await, Err(Error::Protocol(_))));
    let path = std::path::Path::new("/nonexistent/ztunnel.sock");
    assert!(matches!(Connection::connect(path).await, Err(Error::Io(..))));
}

#[tokio::test]
async fn refused_descriptors_are_closed() {
    let (read, write) = nix::unistd::pipe().unwrap();
    let packet = net::zds::proto::WorkloadRequest { payload: Some(add("u")) }.encode_to_vec();
    let copies = [write.as_raw_fd(); 200];
    assert!(received(&packet, &copies).await.is_err());
    drop(write);
    // Only when no copy is left anywhere does the pipe end.
    nix::fcntl::fcntl(&read, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).unwrap();
    assert_eq!(nix::unistd::read(&read, &mut [0; 1]), Ok(0));
}

fn is_cloexec(fd: impl AsFd) -> bool {
    let flags = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFD).unwrap();
    flags & libc::FD_CLOEXEC != 0
}
