//! The packets between the cni agent and ztunnel (`istio.workload.zds`): which pods are enrolled, with
//! their network namespaces. The agent listens, ztunnel dials; each request is acknowledged before the next.
//!
//! Unix SOCK_SEQPACKET, one protobuf message a packet, at most [`MAX_PACKET`] bytes; a namespace
//! descriptor travels with `AddWorkload` only (SCM_RIGHTS, exactly one).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use prost::Message;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::netns::{self, Netns};

/// Largest packet of the protocol.
pub const MAX_PACKET: usize = 1024;

/// `SCM_MAX_FD` of the kernel: with room for all of them none can be lost and leak.
const MAX_DESCRIPTORS: usize = 253;

/// The messages; the field numbers are the contract.
pub mod proto {
    /// First packet, from ztunnel.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct ZdsHello {
        /// See [`Version`].
        #[prost(enumeration = "Version", tag = "1")]
        pub version: i32,
    }

    /// Protocol versions.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
    #[repr(i32)]
    pub enum Version {
        /// Never sent.
        NotUsed = 0,
        /// The only one.
        V1 = 1,
    }

    /// Who a pod is.
    #[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
    pub struct WorkloadInfo {
        /// Pod name.
        #[prost(string, tag = "1")]
        pub name: String,
        /// Namespace.
        #[prost(string, tag = "2")]
        pub namespace: String,
        /// Service account.
        #[prost(string, tag = "3")]
        pub service_account: String,
    }

    /// A pod to serve; its namespace descriptor is in the same packet.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct AddWorkload {
        /// Pod UID.
        #[prost(string, tag = "1")]
        pub uid: String,
        /// Required.
        #[prost(message, optional, tag = "2")]
        pub workload_info: Option<WorkloadInfo>,
    }

    /// A pod to keep, when the agent does not have its namespace at hand; only within a snapshot.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct KeepWorkload {
        /// Pod UID.
        #[prost(string, tag = "1")]
        pub uid: String,
    }

    /// A pod to forget.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct DelWorkload {
        /// Pod UID (field 2, not 1).
        #[prost(string, tag = "2")]
        pub uid: String,
    }

    /// All known pods were sent; ztunnel drops the others.
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct SnapshotSent {}

    /// One request of the agent.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct WorkloadRequest {
        /// Which.
        #[prost(oneof = "Payload", tags = "1, 2, 3, 5")]
        pub payload: Option<Payload>,
    }

    /// What a request asks for.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Payload {
        /// Serve a pod.
        #[prost(message, tag = "1")]
        Add(AddWorkload),
        /// Forget a pod.
        #[prost(message, tag = "2")]
        Del(DelWorkload),
        /// End of the snapshot.
        #[prost(message, tag = "3")]
        SnapshotSent(SnapshotSent),
        /// Keep a pod.
        #[prost(message, tag = "5")]
        Keep(KeepWorkload),
    }

    /// Answer to a request.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Ack {
        /// Empty on success.
        #[prost(string, tag = "1")]
        pub error: String,
    }

    /// Answer of ztunnel.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct WorkloadResponse {
        /// Which.
        #[prost(oneof = "Answer", tags = "1")]
        pub payload: Option<Answer>,
    }

    /// What an answer says.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Answer {
        /// The request was served, or not.
        #[prost(message, tag = "1")]
        Ack(Ack),
    }
}

pub use proto::WorkloadInfo;
use proto::{Answer, Payload};

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket failed.
    #[error("cannot {0}")]
    Io(&'static str, #[source] io::Error),
    /// The peer closed the connection.
    #[error("the peer closed the ZDS connection")]
    Closed,
    /// More than [`MAX_PACKET`] bytes, to be sent or received.
    #[error("the packet exceeds {MAX_PACKET} bytes")]
    TooLarge,
    /// The bytes are no message of the protocol.
    #[error("the packet is malformed")]
    Decode(#[from] prost::DecodeError),
    /// A well-formed message that the protocol does not allow here.
    #[error("protocol error: {0}")]
    Protocol(&'static str),
    /// The descriptor is not a network namespace.
    #[error("the descriptor of pod {uid} is unusable")]
    Netns {
        /// Pod UID.
        uid: String,
        /// Why.
        #[source]
        source: netns::Error,
    },
    /// The peer answered with an error.
    #[error("ztunnel refused: {0}")]
    Refused(String),
}

/// A request as ztunnel sees it: complete and checked.
#[derive(Debug)]
pub enum Request {
    /// Serve the pod in this namespace.
    Add {
        /// Pod UID.
        uid: String,
        /// Who it is.
        info: WorkloadInfo,
        /// Where it lives.
        netns: Netns,
    },
    /// Keep serving the pod (snapshot only).
    Keep {
        /// Pod UID.
        uid: String,
    },
    /// Stop serving the pod.
    Del {
        /// Pod UID.
        uid: String,
    },
    /// Pods that were not named before are to be dropped.
    SnapshotSent,
}

/// The listening end, held by the cni agent.
#[derive(Debug)]
pub struct Listener {
    socket: AsyncFd<Socket>,
}

impl Listener {
    /// Listens at `path`, replacing a socket that a predecessor left there.
    pub fn bind(path: &Path) -> Result<Self, Error> {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(Error::Io("remove the old ZDS socket", e));
            }
            _ => {}
        }
        let make = || {
            let socket = seqpacket()?;
            socket.bind(&SockAddr::unix(path)?)?;
            socket.listen(16)?;
            register(socket)
        };
        Ok(Self { socket: make().map_err(|e| Error::Io("listen on the ZDS socket", e))? })
    }

    /// Waits for the next ztunnel. Cancel-safe.
    pub async fn accept(&self) -> Result<Connection, Error> {
        let accepted = self.socket.async_io(Interest::READABLE, |s| s.accept()).await;
        let (socket, _) = accepted.map_err(|e| Error::Io("accept a ZDS connection", e))?;
        Connection::new(socket)
    }
}

/// One connection, either end.
#[derive(Debug)]
pub struct Connection {
    socket: AsyncFd<Socket>,
}

/// One packet as received.
#[derive(Debug)]
pub struct Packet {
    /// The message.
    pub bytes: Vec<u8>,
    /// The descriptor that came with it.
    pub fd: Option<OwnedFd>,
}

impl Connection {
    /// Dials the agent, as ztunnel does.
    pub async fn connect(path: &Path) -> Result<Self, Error> {
        let dial = || {
            let socket = seqpacket()?;
            // A unix connect either succeeds at once or fails; it never completes later.
            socket.connect(&SockAddr::unix(path)?)?;
            Ok(socket)
        };
        Self::new(dial().map_err(|e| Error::Io("connect to the ZDS socket", e))?)
    }

    fn new(socket: Socket) -> Result<Self, Error> {
        let prepare = || {
            socket.set_nonblocking(true)?;
            register(socket)
        };
        Ok(Self { socket: prepare().map_err(|e| Error::Io("register the ZDS connection", e))? })
    }

    // --- ztunnel's side

    /// Opens the exchange.
    pub async fn send_hello(&self) -> Result<(), Error> {
        let hello = proto::ZdsHello { version: proto::Version::V1.into() };
        self.send(&hello.encode_to_vec(), None).await
    }

    /// The next request; answer it with [`Connection::send_ack`] before asking for another. Cancel-safe.
    pub async fn next_request(&self) -> Result<Request, Error> {
        request(self.recv().await?)
    }

    /// Answers the last request; `error` is for the agent's log.
    pub async fn send_ack(&self, error: Option<&str>) -> Result<(), Error> {
        // An error text may be longer than a packet: what fits says enough.
        let error = error.unwrap_or_default();
        let end = (0..=error.len().min(MAX_PACKET / 2)).rev().find(|i| error.is_char_boundary(*i));
        let ack = proto::Ack { error: error[..end.unwrap_or(0)].to_owned() };
        let answer = proto::WorkloadResponse { payload: Some(Answer::Ack(ack)) };
        self.send(&answer.encode_to_vec(), None).await
    }

    // --- the agent's side

    /// Waits for ztunnel's first packet.
    pub async fn recv_hello(&self) -> Result<(), Error> {
        let packet = self.recv().await?;
        match proto::ZdsHello::decode(&*packet.bytes)?.version() {
            proto::Version::V1 => Ok(()),
            proto::Version::NotUsed => Err(Error::Protocol("unknown version in the hello")),
        }
    }

    /// Sends one request and waits for its answer; [`Error::Refused`] leaves the connection usable,
    /// every other error does not.
    ///
    /// The caller brings the time-out, and must drop the connection after one: a late answer would be
    /// taken for that of the next request.
    pub async fn request(&self, payload: Payload, netns: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        let message = proto::WorkloadRequest { payload: Some(payload) };
        self.send(&message.encode_to_vec(), netns).await?;
        let packet = self.recv().await?;
        match proto::WorkloadResponse::decode(&*packet.bytes)?.payload {
            Some(Answer::Ack(ack)) if ack.error.is_empty() => Ok(()),
            Some(Answer::Ack(ack)) => Err(Error::Refused(ack.error)),
            None => Err(Error::Protocol("an answer without ack")),
        }
    }

    /// Resolves when the peer is gone (or speaks out of turn); for noticing it between requests.
    pub async fn closed(&self) -> Error {
        match self.recv().await {
            Ok(_) => Error::Protocol("a packet that nobody asked for"),
            Err(e) => e,
        }
    }

    // --- packets

    /// Sends one packet.
    pub async fn send(&self, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        if bytes.len() > MAX_PACKET {
            return Err(Error::TooLarge);
        }
        let write = |s: &Socket| send_packet(s.as_fd(), bytes, fd);
        let sent = self.socket.async_io(Interest::WRITABLE, write).await;
        sent.map_err(|e| match e.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Error::Closed,
            _ => Error::Io("send a ZDS packet", e),
        })
    }

    /// Receives one packet; more descriptors than one are closed and refused. Cancel-safe.
    pub async fn recv(&self) -> Result<Packet, Error> {
        let read = |s: &Socket| recv_packet(s.as_fd());
        match self.socket.async_io(Interest::READABLE, read).await {
            Ok(outcome) => outcome,
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => Err(Error::Closed),
            Err(e) => Err(Error::Io("receive a ZDS packet", e)),
        }
    }
}

fn request(packet: Packet) -> Result<Request, Error> {
    let message = proto::WorkloadRequest::decode(&*packet.bytes)?;
    let payload = message.payload.ok_or(Error::Protocol("a request without payload"))?;
    match (payload, packet.fd) {
        (Payload::Add(add), Some(fd)) => {
            let info = add.workload_info.ok_or(Error::Protocol("add without workload_info"))?;
            let uid = add.uid;
            match Netns::from_fd(fd) {
                Ok(netns) => Ok(Request::Add { uid, info, netns }),
                Err(source) => Err(Error::Netns { uid, source }),
            }
        }
        (Payload::Add(_), None) => Err(Error::Protocol("add without a namespace descriptor")),
        (_, Some(_)) => Err(Error::Protocol("a descriptor with a request that takes none")),
        (Payload::Del(del), None) => Ok(Request::Del { uid: del.uid }),
        (Payload::Keep(keep), None) => Ok(Request::Keep { uid: keep.uid }),
        (Payload::SnapshotSent(_), None) => Ok(Request::SnapshotSent),
    }
}

fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: a `Socket` owns its descriptor and names the same one until it is dropped; the `AsyncFd`
    // owns the socket and deregisters first.
    Ok(unsafe { AsyncFd::register(socket) }?)
}

fn seqpacket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::from(libc::SOCK_SEQPACKET), None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn send_packet(socket: BorrowedFd<'_>, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    let fds: Vec<RawFd> = fd.iter().map(|f| f.as_raw_fd()).collect();
    let rights = [ControlMessage::ScmRights(&fds)];
    let control = if fds.is_empty() { &[][..] } else { &rights[..] };
    let iov = [io::IoSlice::new(bytes)];
    sendmsg::<()>(socket.as_raw_fd(), &iov, control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Room for every descriptor one packet can carry, aligned as `cmsghdr` demands.
#[repr(C, align(8))]
struct Control([MaybeUninit<u8>; 16 + 4 * (MAX_DESCRIPTORS + 1)]);

/// The outer result is the system call's (may be `WouldBlock`), the inner one the packet's.
fn recv_packet(socket: BorrowedFd<'_>) -> io::Result<Result<Packet, Error>> {
    let mut bytes = vec![0u8; MAX_PACKET];
    let mut control = Control([MaybeUninit::uninit(); 16 + 4 * (MAX_DESCRIPTORS + 1)]);
    let mut iov = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: msghdr is a plain C struct for which all zeroes is a valid value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut iov;
    header.msg_iovlen = 1;
    header.msg_control = (&raw mut control).cast();
    header.msg_controllen = size_of::<Control>() as _;
    // SAFETY: `header` points to `iov`, `bytes` and `control`, which outlive the call, with their sizes.
    let n = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut header, libc::MSG_CMSG_CLOEXEC) };
    if n < 0 {
        return Err(io::Error::last_os_error());
    }
    // Owned before any check, so that every way out closes them.
    let mut fds = received_descriptors(&header);
    if header.msg_flags & libc::MSG_TRUNC != 0 {
        return Ok(Err(Error::TooLarge));
    }
    if header.msg_flags & libc::MSG_CTRUNC != 0 || fds.len() > 1 {
        return Ok(Err(Error::Protocol("more than one descriptor in a packet")));
    }
    if n == 0 && fds.is_empty() {
        return Ok(Err(Error::Closed));
    }
    bytes.truncate(n as usize);
    Ok(Ok(Packet { bytes, fd: fds.pop() }))
}

fn received_descriptors(header: &libc::msghdr) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    // SAFETY: the kernel filled `msg_control` with well-formed headers and set its length; the CMSG
    // functions stay within it. Each descriptor was created for this process by this recvmsg and is
    // taken exactly once, here.
    unsafe {
        let mut cmsg = libc::CMSG_FIRSTHDR(header);
        while !cmsg.is_null() {
            if (*cmsg).cmsg_level == libc::SOL_SOCKET && (*cmsg).cmsg_type == libc::SCM_RIGHTS {
                let data = libc::CMSG_DATA(cmsg).cast::<RawFd>();
                let length = (*cmsg).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                for i in 0..length / size_of::<RawFd>() {
                    fds.push(OwnedFd::from_raw_fd(data.add(i).read_unaligned()));
                }
            }
            cmsg = libc::CMSG_NXTHDR(header, cmsg);
        }
    }
    fds
}
