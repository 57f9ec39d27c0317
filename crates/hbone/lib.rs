//! HBONE: a byte stream in an HTTP/2 CONNECT (RFC 9113 8.5) in mutual TLS, between proxies of the mesh.

pub mod baggage;
mod buffer;
pub mod copy;
mod fields;
mod flow;
pub mod forwarded;
mod frame;
mod hpack;
mod link;
pub mod pool;
mod protocol;
pub mod server;
pub mod stream;
pub mod telemetry;
mod tls;
pub mod tunnel;
pub mod watch;

use std::time::Duration;

/// The flow-control window that a stream begins with, bytes: what one whose reader does not read may cost.
pub const STREAM_WINDOW: u32 = 512 << 10;
/// The flow-control window of one connection, bytes.
pub const CONNECTION_WINDOW: u32 = 16 << 20;
/// The largest frame that is accepted, bytes.
pub const FRAME_SIZE: u32 = 1 << 20;
/// How many streams a peer may have open on one connection.
pub const MAX_STREAMS: u32 = 200;
/// How long a TLS handshake and the HTTP/2 preface may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a silent connection is checked; one that has not answered by the next time is dropped.
pub const CHECK: Duration = Duration::from_secs(15);
