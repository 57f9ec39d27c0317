//! What passes between the nodes of a sandbox: captured by it, judged here.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::Engine;
use futures::{AsyncBufReadExt, StreamExt};
use http::Request;
use net::{
    segment::{Flags, Segment},
    wire::{self, Stream},
};
use serde::Deserialize;
use tokio::task::JoinHandle;

use crate::{cluster::Cluster, error::Error};

/// The most of one direction of a connection that is kept, bytes.
const LIMIT: usize = 1 << 20;
/// How long after an exchange its last segments may still come.
const LATE: Duration = Duration::from_secs(2);
/// How often they are looked for.
const EVERY: Duration = Duration::from_millis(10);

/// A capture at a node's link.
pub struct Wire {
    segments: Arc<Mutex<Vec<Segment>>>,
    task: JoinHandle<()>,
}

/// One direction of a connection, as it was on the wire.
pub struct Seen {
    /// Who sent.
    pub source: SocketAddr,
    /// Where to.
    pub destination: SocketAddr,
    /// What.
    pub stream: Stream,
}

#[derive(Deserialize)]
struct Line {
    source: SocketAddr,
    destination: SocketAddr,
    sequence: u32,
    flags: u8,
    payload: String,
}

impl Wire {
    /// Begins to capture.
    pub async fn at(cluster: &Cluster, node: &str) -> Result<Self, Error> {
        let request = Request::get(format!("/sandbox/v1/wire?node={node}")).body(Vec::new());
        let request = request.map_err(|e| Error::internal("cannot build the request").caused_by(&e))?;
        let lines = cluster.client.request_stream(request).await;
        let mut lines = lines.map_err(|e| cluster.failed("capture what is on the wire", &e))?.lines();
        let segments: Arc<Mutex<Vec<Segment>>> = Arc::default();
        let found = segments.clone();
        let task = tokio::spawn(async move {
            while let Some(Ok(line)) = lines.next().await {
                if let Some(segment) = read(&line) {
                    found.lock().unwrap_or_else(PoisonError::into_inner).push(segment);
                }
            }
        });
        Ok(Self { segments, task })
    }

    /// Returns each direction of each connection that was seen.
    pub fn streams(&self) -> Vec<Seen> {
        let segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        let mut streams: BTreeMap<(SocketAddr, SocketAddr), Stream> = BTreeMap::new();
        for segment in segments.iter() {
            let key = (segment.source, segment.destination);
            streams.entry(key).or_insert_with(|| Stream::new(LIMIT)).push(segment);
        }
        let seen = |((source, destination), stream)| Seen { source, destination, stream };
        streams.into_iter().map(seen).collect()
    }

    /// Waits for a direction that fits, for as long as its segments may be on their way.
    pub async fn find(&self, fits: impl Fn(&Seen) -> bool) -> Option<Seen> {
        let end = Instant::now() + LATE;
        loop {
            if let Some(seen) = self.streams().into_iter().find(&fits) {
                return Some(seen);
            }
            if Instant::now() > end {
                return None;
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn read(line: &str) -> Option<Segment> {
    let line: Line = serde_json::from_str(line).ok()?;
    let payload = base64::engine::general_purpose::STANDARD.decode(line.payload).ok()?;
    Some(Segment {
        source: line.source,
        destination: line.destination,
        sequence: line.sequence,
        flags: Flags(line.flags),
        payload: payload.into(),
    })
}

impl Seen {
    /// Whether it passes between these two, in this direction, to or from this port.
    pub fn is_between(&self, from: IpAddr, to: IpAddr) -> bool {
        self.source.ip() == from && self.destination.ip() == to
    }

    /// Returns the line of readable text around a marker, if it is there in the clear.
    pub fn readable(&self, marker: &str) -> Option<String> {
        let bytes = self.stream.bytes();
        let at = bytes.windows(marker.len()).position(|w| w == marker.as_bytes())?;
        let start = bytes[..at].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
        let end = bytes[at..].iter().position(|b| matches!(b, b'\r' | b'\n')).map_or(bytes.len(), |n| at + n);
        Some(String::from_utf8_lossy(&bytes[start..end]).into_owned())
    }

    /// Says what TLS it is, if all of it is inside TLS.
    pub fn tls(&self) -> Option<wire::Tls> {
        wire::tls(self.stream.bytes()).filter(|tls| tls.outside == 0)
    }
}
