//! HBONE: a byte stream in an HTTP/2 CONNECT (RFC 9113 8.5) in mutual TLS, between proxies of the mesh.

pub mod baggage;
pub mod copy;
pub mod pool;
pub mod server;
pub mod stream;
pub mod tunnel;

use std::time::Duration;

/// The flow-control window of one stream, bytes: what one stream may have under way.
pub const STREAM_WINDOW: u32 = 4 << 20;
/// The flow-control window of one connection, bytes.
pub const CONNECTION_WINDOW: u32 = 16 << 20;
/// The largest frame that is accepted, bytes.
pub const FRAME_SIZE: u32 = 1 << 20;
/// How many streams a peer may have open on one connection.
pub const MAX_STREAMS: u32 = 200;
/// How long a TLS handshake and the HTTP/2 preface may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a connection is checked, and how long the answer may take.
pub const PING: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(20));
/// The buffer between TLS and the socket, bytes: TLS alone would read 4 KiB at a time.
pub const READ_BUFFER: usize = 64 << 10;

/// A TCP connection as TLS sees it.
pub type Socket = tokio::io::BufReader<tokio::net::TcpStream>;
