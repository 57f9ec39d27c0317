//! Sockets inside a pod's namespace, with the marks and the transparency that redirection relies on.
//! Called by ztunnel for each listener and each new connection.
//!
//! A socket belongs for ever to the namespace its thread was in when it was created, so only the
//! creation happens inside ([`Netns::enter`]); binding, connecting and I/O happen anywhere.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::LazyLock;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt};
use rand::Rng;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use crate::netns::{self, Netns};

/// A socket that could not be made as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The namespace cannot be entered.
    #[error("cannot create a socket in another namespace")]
    Netns(#[from] netns::Error),
    /// A system call failed.
    #[error("cannot {step} (address {address})")]
    Socket {
        /// What was tried, such as `bind`.
        step: &'static str,
        /// The address concerned.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Whether the socket speaks IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl From<IpAddr> for Family {
    fn from(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

impl From<SocketAddr> for Family {
    fn from(address: SocketAddr) -> Self {
        address.ip().into()
    }
}

/// How a listener is made.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Accept connections whose destination is not a local address.
    pub transparent: bool,
    /// Share the port with other listeners of the same user (hand-over between processes).
    pub reuse_port: bool,
    /// `SO_MARK` of the listener and of every connection it accepts.
    pub mark: Option<u32>,
    /// The other ends are in the same namespace: see [`ConnectOptions::local`].
    pub local: bool,
    /// Length of the accept queue.
    pub backlog: i32,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { transparent: false, reuse_port: false, mark: None, local: false, backlog: 1024 }
    }
}

/// How a socket that will connect is made.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// `SO_MARK`: [`crate::rules::ZTUNNEL_MARK`] for ztunnel's own packets.
    pub mark: Option<u32>,
    /// Allow a source address that is not local (`IP_TRANSPARENT`).
    pub transparent: bool,
    /// The source address. Port 0 means one that clients do not choose themselves.
    pub bind: Option<SocketAddr>,
    /// Send small packets at once.
    pub nodelay: bool,
    /// Probe idle connections.
    pub keepalive: Option<Keepalive>,
    /// The other end is in the same namespace. Where the node's congestion control paces (BBR), this connection does without:
    /// loopback has nothing to be gentle with, and a timer for each burst costs a sixth of what it can carry.
    pub local: bool,
}

/// Keepalive probes of TCP.
#[derive(Clone, Copy, Debug)]
pub struct Keepalive {
    /// Idle time before the first probe.
    pub time: Duration,
    /// Time between probes.
    pub interval: Duration,
    /// Unanswered probes until the connection counts as dead.
    pub retries: u32,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { time: Duration::from_secs(180), interval: Duration::from_secs(180), retries: 9 }
    }
}

/// Listens in `netns` (in the caller's own namespace without one); the listener is non-blocking.
///
/// An unspecified IPv6 address takes both families; where the kernel has no IPv6 the call fails and
/// the caller may fall back to `0.0.0.0`. The listener can be handed to [`tokio::net::TcpListener::from_std`].
pub fn listen(netns: Option<&Netns>, address: SocketAddr, options: &ListenOptions) -> Result<TcpListener, Error> {
    let at = |step| move |source| Error::Socket { step, address: address.to_string(), source };
    let family = Family::from(address);
    let socket = create(netns, family).map_err(|e| or_netns(e, at("create a socket")))?;
    socket.set_reuse_address(true).map_err(at("set SO_REUSEADDR"))?;
    if options.reuse_port {
        socket.set_reuse_port(true).map_err(at("set SO_REUSEPORT"))?;
    }
    if let Some(mark) = options.mark {
        socket.set_mark(mark).map_err(at("set SO_MARK"))?;
    }
    if family == Family::V6 {
        socket.set_only_v6(!address.ip().is_unspecified()).map_err(at("set IPV6_V6ONLY"))?;
    }
    if options.transparent {
        transparent(&socket, family).map_err(at("set IP_TRANSPARENT"))?;
    }
    if options.local {
        unpaced(&socket).map_err(at("set TCP_CONGESTION"))?;
    }
    socket.bind(&SockAddr::from(address)).map_err(at("bind"))?;
    socket.listen(options.backlog).map_err(at("listen"))?;
    Ok(socket.into())
}

/// Where the source ports of connections under a client's address come from: below the range that clients take theirs from
/// (32768 to 60999 unless configured). In the pod's namespace the client's own connections exist as well, those older than
/// the enrolment and those in the clear; one of the proxy's with the same two ends would be taken for them.
const SPOOFED_PORTS: std::ops::Range<u16> = 10_000..32_768;
/// How many of these ports are tried.
const BIND_TRIES: usize = 16;

/// Makes a non-blocking TCP socket in `netns`, ready for [`tokio::net::TcpSocket::from_std_stream`]
/// or a `connect` of its own.
///
/// The thread visits the namespace for `socket(2)` only: about 3 microseconds in all, no await.
pub fn tcp_socket(netns: Option<&Netns>, family: Family, options: &ConnectOptions) -> Result<Socket, Error> {
    let at = |step| {
        let address = options.bind.map(|a| a.to_string()).unwrap_or_else(|| "any".into());
        move |source| Error::Socket { step, address, source }
    };
    let socket = create(netns, family).map_err(|e| or_netns(e, at("create a socket")))?;
    if let Some(mark) = options.mark {
        socket.set_mark(mark).map_err(at("set SO_MARK"))?;
    }
    if options.nodelay {
        socket.set_tcp_nodelay(true).map_err(at("set TCP_NODELAY"))?;
    }
    if let Some(keepalive) = options.keepalive {
        set_keepalive(&socket, keepalive).map_err(at("set keepalive"))?;
    }
    if options.local {
        unpaced(&socket).map_err(at("set TCP_CONGESTION"))?;
    }
    if options.transparent {
        transparent(&socket, family).map_err(at("set IP_TRANSPARENT"))?;
    }
    if let Some(source) = options.bind {
        match family {
            Family::V4 => socket.set_freebind_v4(true),
            Family::V6 => socket.set_freebind_v6(true),
        }
        .map_err(at("set IP_FREEBIND"))?;
        bind(&socket, source).map_err(at("bind"))?;
    }
    Ok(socket)
}

/// Binds to an address; with port 0 to a port of [`SPOOFED_PORTS`].
fn bind(socket: &Socket, source: SocketAddr) -> io::Result<()> {
    if source.port() != 0 {
        return socket.bind(&SockAddr::from(source));
    }
    // Several connections to different destinations may have one source port, or a busy client would run out of them.
    socket.set_reuse_address(true)?;
    let mut left = BIND_TRIES;
    loop {
        let port = rand::rng().random_range(SPOOFED_PORTS);
        left -= 1;
        match socket.bind(&SockAddr::from(SocketAddr::new(source.ip(), port))) {
            // The application may listen there.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && left > 0 => {}
            outcome => return outcome,
        }
    }
}

/// Connects a socket of [`tcp_socket`]; cancellation closes it.
///
/// The caller brings the time-out. `AddrNotAvailable` means that another connection has the same two ends: with a new socket,
/// and so another source port, it may work.
pub async fn connect(socket: Socket, to: SocketAddr) -> io::Result<tokio::net::TcpStream> {
    let stream = std::net::TcpStream::from(socket);
    tokio::net::TcpSocket::from_std_stream(stream).connect(to).await
}

/// The destination a redirected connection had before the redirection.
///
/// Reads `SO_ORIGINAL_DST`, or `IP6T_SO_ORIGINAL_DST` for IPv6. A connection that was not redirected
/// yields an error (`ENOENT`), or its own local address where the kernel tracks it: compare with the
/// listener's address before forwarding, or the proxy calls itself.
pub fn original_dst(stream: &impl AsFd) -> io::Result<SocketAddr> {
    let local = SockRef::from(stream).local_addr()?.as_socket();
    let v4 = match local {
        Some(SocketAddr::V4(_)) => true,
        Some(SocketAddr::V6(a)) => a.ip().to_ipv4_mapped().is_some(),
        None => return Err(io::Error::from(io::ErrorKind::InvalidInput)),
    };
    if v4 {
        let a = getsockopt(&stream.as_fd(), sockopt::OriginalDst)?;
        let ip = std::net::Ipv4Addr::from(u32::from_be(a.sin_addr.s_addr));
        Ok(SocketAddr::from((ip, u16::from_be(a.sin_port))))
    } else {
        let a = getsockopt(&stream.as_fd(), sockopt::Ip6tOriginalDst)?;
        let ip = std::net::Ipv6Addr::from(a.sin6_addr.s6_addr);
        Ok(SocketAddr::from((ip, u16::from_be(a.sin6_port))))
    }
}

/// Sets keepalive on a connection that was accepted or connected.
pub fn set_keepalive(socket: &impl AsFd, keepalive: Keepalive) -> io::Result<()> {
    let settings =
        TcpKeepalive::new().with_time(keepalive.time).with_interval(keepalive.interval).with_retries(keepalive.retries);
    SockRef::from(socket).set_tcp_keepalive(&settings)
}

/// Raises the limit of open files to the hard limit and returns it.
pub fn raise_open_files() -> io::Result<u64> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}

enum CreateError {
    Netns(netns::Error),
    Io(io::Error),
}

fn or_netns(error: CreateError, at: impl FnOnce(io::Error) -> Error) -> Error {
    match error {
        CreateError::Netns(e) => Error::Netns(e),
        CreateError::Io(e) => at(e),
    }
}

fn create(netns: Option<&Netns>, family: Family) -> Result<Socket, CreateError> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    // Type with both flags: one system call instead of three.
    let kind = Type::STREAM.nonblocking().cloexec();
    let make = || Socket::new_raw(domain, kind, Some(Protocol::TCP));
    match netns {
        None => make(),
        Some(netns) => netns.enter(make).map_err(CreateError::Netns)?,
    }
    .map_err(CreateError::Io)
}

/// Takes a congestion control that does not pace, if the node's does; asked once, for it costs a call per connection.
fn unpaced(socket: &Socket) -> io::Result<()> {
    static PACED: LazyLock<bool> = LazyLock::new(|| {
        let name = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").unwrap_or_default();
        name.starts_with("bbr")
    });
    // The kernel always has this one, and lets everybody take it.
    if *PACED { socket.set_tcp_congestion(b"reno") } else { Ok(()) }
}

fn transparent(socket: &Socket, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => socket.set_ip_transparent_v4(true),
        // A dual-stack socket keeps one flag for both families.
        Family::V6 => set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_TRANSPARENT, 1),
    }
}

fn set_int(socket: &Socket, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: `value` outlives the call and its size is the one given; the fd is open, owned by `socket`.
    let rc = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
