//! A capture of the TCP segments that pass an interface. Called by the sandbox, to show what is on the wire.

use std::io::{self, Read};
use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::netns::{self, Netns};
use crate::segment::{Segment, parse};
use crate::{links, netlink};

/// A capture that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The interface cannot be found.
    #[error("cannot capture at interface {interface}")]
    Interface {
        /// Its name.
        interface: String,
        /// Why.
        #[source]
        source: netlink::Error,
    },
    /// The namespace cannot be entered.
    #[error("cannot capture")]
    Netns(#[from] netns::Error),
    /// The kernel gave no socket (CAP_NET_RAW is needed).
    #[error("cannot open a packet socket at interface {interface}")]
    Socket {
        /// The interface.
        interface: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The largest frame: segments that were not cut for a wire come with up to 64 KiB.
const FRAME: usize = (1 << 16) + 64;
/// What the kernel keeps for us until it drops.
const BUFFER: usize = 4 << 20;

/// An open capture at one interface; dropped, it ends.
///
/// Both directions are seen; at loopback therefore every segment twice, which [`crate::wire::Stream`] does not mind.
#[derive(Debug)]
pub struct Capture {
    socket: AsyncFd<Socket>,
    frame: Box<[u8]>,
    drops: u64,
}

impl Capture {
    /// Opens a capture, which sees what passes from now on. Must be called within a runtime.
    pub fn open(netns: &Netns, interface: &str) -> Result<Self, Error> {
        let name = || interface.to_owned();
        let error = |source| Error::Socket { interface: name(), source };
        let (index, socket) = netns.enter(|| {
            // Without a protocol it receives nothing, so nothing of other interfaces, until it is bound.
            let socket = Socket::new_raw(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None);
            (links::index(interface), socket)
        })?;
        let index = index.map_err(|source| Error::Interface { interface: name(), source })?;
        let socket = socket.map_err(error)?;
        enlarge(&socket).map_err(error)?;
        bind(&socket, index).map_err(error)?;
        // SAFETY: the socket's descriptor is its own and stays the same; nothing takes the socket out of the `AsyncFd`.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
        let socket = socket.map_err(|e| error(e.into()))?;
        Ok(Self { socket, frame: vec![0; FRAME].into(), drops: 0 })
    }

    /// Waits for the next segment; frames that hold none are passed over.
    ///
    /// Cancelling loses nothing. An error means that the interface went away or down; the capture may go on after the latter.
    pub async fn next(&mut self) -> io::Result<Segment> {
        loop {
            let frame = &mut self.frame;
            let length = self.socket.async_io(Interest::READABLE, |mut socket| socket.read(frame)).await?;
            if let Some(segment) = self.frame.get(..length).and_then(parse) {
                return Ok(segment);
            }
        }
    }

    /// How many frames were lost since the beginning, because nobody took them in time.
    pub fn drops(&mut self) -> io::Result<u64> {
        let mut statistics = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
        let mut length = size_of_val(&statistics) as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes to `statistics`, which outlives the call; the fd is open, owned
        // by `self`.
        let outcome = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut statistics).cast(),
                &raw mut length,
            )
        };
        if outcome != 0 {
            return Err(io::Error::last_os_error());
        }
        // Reading sets the kernel's own count to zero.
        self.drops += u64::from(statistics.tp_drops);
        Ok(self.drops)
    }
}

/// Beyond the machine's limit only with privileges over the machine.
fn enlarge(socket: &Socket) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    match setsockopt(socket, sockopt::RcvBufForce, &BUFFER) {
        Err(nix::Error::EPERM) => Ok(setsockopt(socket, sockopt::RcvBuf, &BUFFER)?),
        other => Ok(other?),
    }
}

/// Receives all protocols at this interface.
fn bind(socket: &Socket, index: u32) -> io::Result<()> {
    let every = (libc::ETH_P_ALL as u16).to_be();
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: every,
        sll_ifindex: index as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: `address` outlives the call and its size is the one given; the fd is open, owned by `socket`.
    let outcome = unsafe {
        libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size_of_val(&address) as libc::socklen_t)
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
