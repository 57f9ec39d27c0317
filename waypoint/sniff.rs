//! What a connection speaks, told by its first bytes; nothing of it is lost.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use rustls::server::Acceptor;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::{Instant, timeout_at},
};

/// How HTTP/2 begins (RFC 9113 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The longest method that counts as one of HTTP/1, bytes.
const METHOD: usize = 32;
/// How much is read before the question is decided, bytes.
const ENOUGH: usize = 64;

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// HTTP/1.
    Http1,
    /// HTTP/2, without TLS.
    Http2,
    /// TLS.
    Tls,
    /// Something else, or nothing yet.
    Other,
}

/// Tells what these first bytes are; none if more must come.
#[must_use]
pub fn judge(bytes: &[u8]) -> Option<Spoken> {
    let first = *bytes.first()?;
    // A TLS record with a handshake of any version (RFC 8446 5.1).
    if first == 0x16 {
        return match bytes.get(1) {
            None => None,
            Some(3) => Some(Spoken::Tls),
            Some(_) => Some(Spoken::Other),
        };
    }
    if bytes.len() >= PREFACE.len() && bytes.starts_with(PREFACE) {
        return Some(Spoken::Http2);
    }
    if PREFACE.starts_with(bytes) {
        return None;
    }
    // A method is a token (RFC 9110 9.1); only those in capitals are in use.
    match bytes.iter().position(|byte| !byte.is_ascii_uppercase() && *byte != b'-') {
        Some(at) if (1..=METHOD).contains(&at) && bytes[at] == b' ' => match bytes.get(at + 1) {
            None => None,
            // The path, an absolute form, an authority or `*` (RFC 9112 3.2).
            Some(next) if next.is_ascii_graphic() => Some(Spoken::Http1),
            Some(_) => Some(Spoken::Other),
        },
        None if bytes.len() <= METHOD => None,
        _ => Some(Spoken::Other),
    }
}

/// Reads until it is clear what a connection speaks, or until `patience` is over: then it counts as something else.
///
/// # Errors
/// A connection that broke.
pub async fn sniff<S: AsyncRead + Unpin>(mut stream: S, patience: Duration) -> io::Result<(Spoken, Prefixed<S>)> {
    let mut prefix = BytesMut::with_capacity(ENOUGH);
    let end = Instant::now() + patience;
    let spoken = loop {
        let Ok(read) = timeout_at(end, stream.read_buf(&mut prefix)).await else { break Spoken::Other };
        let ended = read? == 0;
        match judge(&prefix) {
            Some(spoken) => break spoken,
            None if ended || prefix.len() >= ENOUGH => break Spoken::Other,
            None => {}
        }
    };
    Ok((spoken, Prefixed { prefix, stream }))
}

/// The longest that a client's first message in TLS may be, bytes.
const HELLO: usize = 32 << 10;

/// Reads the server name that a client of TLS asks for (RFC 6066 3), in lower case; none if it names none, or what it says is no
/// TLS. Nothing of it is lost.
///
/// # Errors
/// A connection that broke.
pub async fn server_name<S: AsyncRead + Unpin>(
    stream: &mut Prefixed<S>,
    patience: Duration,
) -> io::Result<Option<String>> {
    let end = Instant::now() + patience;
    let mut acceptor = Acceptor::default();
    let mut seen = 0;
    loop {
        let mut new = &stream.prefix[seen..];
        while !new.is_empty() {
            if acceptor.read_tls(&mut new).is_err() {
                return Ok(None);
            }
        }
        seen = stream.prefix.len();
        match acceptor.accept() {
            Ok(Some(accepted)) => return Ok(accepted.client_hello().server_name().map(str::to_ascii_lowercase)),
            Ok(None) if seen < HELLO => {}
            Ok(None) | Err(_) => return Ok(None),
        }
        let Ok(read) = timeout_at(end, stream.stream.read_buf(&mut stream.prefix)).await else { return Ok(None) };
        if read? == 0 {
            return Ok(None);
        }
    }
}

/// A connection of which something was read already.
pub struct Prefixed<S> {
    prefix: BytesMut,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, into);
        }
        let count = self.prefix.len().min(into.remaining());
        into.put_slice(&self.prefix[..count]);
        self.prefix.advance(count);
        if self.prefix.is_empty() {
            self.prefix = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[test]
    fn first_bytes_tell_the_protocol() {
        let rows: [(&[u8], Option<Spoken>); 15] = [
            (b"", None),
            (b"G", None),
            (b"GET ", None),
            (b"GET /", Some(Spoken::Http1)),
            (b"OPTIONS *", Some(Spoken::Http1)),
            (b"M-SEARCH * HTTP/1.1", Some(Spoken::Http1)),
            (b"PRI * HTTP/2.0\r\n\r\nS", None),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Spoken::Http2)),
            (b"PUT /", Some(Spoken::Http1)),
            (b"\x16", None),
            (b"\x16\x03\x01", Some(Spoken::Tls)),
            (b"\x16\x02", Some(Spoken::Other)),
            (b"EHLO\r\n", Some(Spoken::Other)),
            (b"*1\r\n$4\r\nPING", Some(Spoken::Other)),
            (b" GET / HTTP/1.1", Some(Spoken::Other)),
        ];
        for (bytes, spoken) in rows {
            assert_eq!(judge(bytes), spoken, "{:?}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(judge(&[b'A'; METHOD + 1]), Some(Spoken::Other));
    }

    /// A first message of TLS that asks for a name, as rustls makes it.
    fn hello(name: &'static str) -> Vec<u8> {
        let config = rustls::ClientConfig::builder_with_provider(identity::tls::provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let name = name.try_into().expect("a name");
        let mut connection = rustls::ClientConnection::new(std::sync::Arc::new(config), name).expect("a client");
        let mut bytes = Vec::new();
        connection.write_tls(&mut bytes).expect("written");
        bytes
    }

    #[tokio::test]
    async fn a_server_name_is_read_and_the_message_stays_whole() {
        let sent = hello("Shop.Example.com");
        for (cut, name) in [(5, Some("shop.example.com")), (sent.len(), Some("shop.example.com")), (0, None)] {
            let (mut client, server) = tokio::io::duplex(1 << 16);
            let (first, rest) = if cut == 0 { (&b"\x16\x03\x01\x00\x02no"[..], &b""[..]) } else { sent.split_at(cut) };
            client.write_all(first).await.expect("written");
            let (spoken, mut stream) = sniff(server, Duration::from_secs(5)).await.expect("reads");
            assert_eq!(spoken, Spoken::Tls);
            client.write_all(rest).await.expect("written");
            drop(client);
            assert_eq!(server_name(&mut stream, Duration::from_secs(5)).await.expect("reads").as_deref(), name);
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.expect("reads");
            assert!(all == [first, rest].concat());
        }
    }

    #[tokio::test]
    async fn nothing_that_was_looked_at_is_lost() {
        let (mut client, server) = tokio::io::duplex(64);
        client.write_all(b"PO").await.expect("written");
        let reading = tokio::spawn(sniff(server, Duration::from_secs(5)));
        tokio::task::yield_now().await;
        client.write_all(b"ST /a HTTP/1.1\r\n").await.expect("written");
        let (spoken, mut stream) = reading.await.expect("no panic").expect("reads");
        assert_eq!(spoken, Spoken::Http1);
        let mut all = [0; 18];
        stream.read_exact(&mut all).await.expect("all of it");
        assert_eq!(&all, b"POST /a HTTP/1.1\r\n");
        let (_silent, server) = tokio::io::duplex(64);
        let (spoken, _) = sniff(server, Duration::from_millis(10)).await.expect("reads");
        assert_eq!(spoken, Spoken::Other);
    }
}
