//! What every client command needs: connecting, the one line of JSON, kinds of failure.

pub mod batch;
pub mod bulk;
pub mod download;
pub mod grpc;
pub mod http;
pub mod parallel;
pub mod raw;
pub mod stream;
pub mod talk;
pub mod tcp;
pub mod udp;
pub mod upload;
pub mod websocket;

use std::{
    collections::BTreeSet,
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::wire::{self, Target};

/// The longest line that a client waits for.
const LINE: usize = 64 * 1024;

/// Why a command did not achieve what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("the server closed while {0}")]
    Closed(&'static str),
    #[error("cannot connect to {0}")]
    Connect(SocketAddr, #[source] io::Error),
    #[error("{0} failed")]
    Http(&'static str, #[source] hyper::Error),
    #[error("{0} failed")]
    Io(&'static str, #[source] io::Error),
    #[error("{0} does not resolve")]
    Name(String, #[source] io::Error),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("not expected: {0}")]
    Unexpected(String),
    #[error("cannot be asked: {0}")]
    Usage(String),
}

impl ClientError {
    /// Returns the kind of failure in one word, the same however deep its cause lies.
    pub fn how(&self) -> &'static str {
        let kind = match self {
            Self::Closed(_) => return "closed",
            Self::Name(..) => return "name",
            Self::Timeout(_) => return "timeout",
            Self::Unexpected(_) => return "unexpected",
            Self::Usage(_) => return "usage",
            Self::Http(_, error) if error.is_incomplete_message() => return "closed",
            Self::Http(_, error) => error_kind(error),
            Self::Connect(_, error) | Self::Io(_, error) => Some(error.kind()),
        };
        match kind {
            Some(io::ErrorKind::ConnectionRefused) => "refused",
            Some(io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted) => "reset",
            Some(io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected | io::ErrorKind::UnexpectedEof) => "closed",
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => "unreachable",
            Some(io::ErrorKind::TimedOut) => "timeout",
            Some(_) => "io",
            None => "http",
        }
    }

    /// Writes the message with its causes.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        text
    }
}

fn error_kind(error: &hyper::Error) -> Option<io::ErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}

/// The line of JSON, filled while the command runs: a failure prints what was known until then.
#[derive(Default)]
pub struct Report(Map<String, Value>);

impl Report {
    /// Notes a value.
    pub fn set(&mut self, key: &str, value: impl Serialize) {
        self.0.insert(key.to_owned(), json!(value));
    }
}

/// Runs a command within its limit, prints its line and returns whether it achieved what was asked.
pub async fn report(
    command: &str,
    limit: Duration,
    run: impl AsyncFnOnce(&mut Report) -> Result<bool, ClientError>,
) -> bool {
    let mut report = Report::default();
    let started = Instant::now();
    let outcome = timeout(limit, run(&mut report)).await.unwrap_or(Err(ClientError::Timeout(limit)));
    report.set("command", command);
    report.set("ok", matches!(outcome, Ok(true)));
    report.set("total_ms", millis(started.elapsed()));
    if let Err(error) = &outcome {
        report.set("how", error.how());
        report.set("error", error.chain());
    }
    println!("{}", Value::from(report.0));
    matches!(outcome, Ok(true))
}

/// Milliseconds with microseconds behind the point.
pub fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

/// Returns all addresses of the target, in the order of the resolver.
pub async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, ClientError> {
    let found = lookup_host((&*target.host, target.port)).await;
    let found: Vec<_> = found.map_err(|e| ClientError::Name(target.host.clone(), e))?.collect();
    if found.is_empty() {
        let none = io::Error::new(io::ErrorKind::NotFound, "no address");
        return Err(ClientError::Name(target.host.clone(), none));
    }
    Ok(found)
}

/// Connects to the first address of the target that lets it.
pub async fn connect(target: &Target) -> Result<TcpStream, ClientError> {
    connect_any(&resolve(target).await?).await
}

/// Connects to the first of the addresses that lets it.
pub async fn connect_any(addresses: &[SocketAddr]) -> Result<TcpStream, ClientError> {
    let mut failed = ClientError::Usage("no address".to_owned());
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(|e| ClientError::Connect(*address, e))?;
                return Ok(stream);
            }
            Err(error) => failed = ClientError::Connect(*address, error),
        }
    }
    Err(failed)
}

/// Connects and notes both ends.
pub async fn connect_noted(target: &Target, report: &mut Report) -> Result<TcpStream, ClientError> {
    let addresses = resolve(target).await?;
    let started = Instant::now();
    let stream = connect_any(&addresses).await?;
    report.set("connect_ms", millis(started.elapsed()));
    note_ends(&stream, report)?;
    Ok(stream)
}

/// Notes both ends of a connection.
pub fn note_ends(stream: &TcpStream, report: &mut Report) -> Result<(), ClientError> {
    let failed = |e| ClientError::Io("reading the addresses", e);
    report.set("local", wire::plain(stream.local_addr().map_err(failed)?));
    report.set("remote", wire::plain(stream.peer_addr().map_err(failed)?));
    Ok(())
}

/// Reads a line, without its end.
pub async fn line(reader: &mut BufReader<impl AsyncRead + Unpin>, doing: &'static str) -> Result<String, ClientError> {
    let mut line = Vec::new();
    // Bounded by hand: the peer may be anything.
    while !line.ends_with(b"\n") {
        let available = reader.fill_buf().await.map_err(|e| ClientError::Io(doing, e))?;
        if available.is_empty() {
            return Err(ClientError::Closed(doing));
        }
        let count = available.iter().position(|b| *b == b'\n').map_or(available.len(), |end| end + 1);
        line.extend_from_slice(&available[..count]);
        reader.consume(count);
        if line.len() > LINE {
            return Err(ClientError::Unexpected(format!("a line of more than {LINE} bytes")));
        }
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// Returns the JSON in a text, or the text itself.
pub fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// Looks a name up.
pub async fn resolve_name(name: &str, report: &mut Report) -> Result<bool, ClientError> {
    let found = resolve(&Target { host: name.to_owned(), port: 0 }).await?;
    let addresses: BTreeSet<IpAddr> = found.iter().map(|address| address.ip()).collect();
    report.set("name", name);
    report.set("addresses", addresses);
    Ok(true)
}
