//! Connections that an endpoint, a proxy itself, leads on to somebody else (RFC 9110 9.3.6).

use bytes::Bytes;
use futures::TryStreamExt;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header::HOST, uri::PathAndQuery};
use http_body_util::{BodyDataStream, BodyExt, Empty, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use model::l7::destination::Tunnel;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, split};
use tokio_util::io::{ReaderStream, StreamReader};
use tracing::debug;

use super::{dial::Duplex, pool::Version};

/// How much is held for each direction, bytes.
const BUFFER: usize = 64 << 10;

/// Why a proxy does not lead on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The names make no request.
    #[error("invalid target of a tunnel")]
    Target(#[from] http::Error),
    /// The connection broke.
    #[error("the proxy broke the connection: {0}")]
    Http(String),
    /// It refused.
    #[error("the proxy refused with {0}")]
    Refused(StatusCode),
}

impl From<hyper::Error> for Error {
    fn from(error: hyper::Error) -> Self {
        Self::Http(runtime::error::chain(&error))
    }
}

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Asks the proxy at the other end to lead a connection on.
///
/// # Errors
/// It breaks the connection, or refuses.
pub async fn lead<S>(io: S, version: Version, tunnel: &Tunnel) -> Result<Box<dyn Duplex>, Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    if tunnel.post {
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        let (reader, writer) = split(theirs);
        let sent = ReaderStream::new(reader).map_ok(Frame::data);
        let answer = send(io, version, request(tunnel, version, StreamBody::new(sent).boxed_unsync())?).await?;
        tokio::spawn(receive(answer, writer));
        return Ok(Box::new(ours));
    }
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let answer = send(io, version, request(tunnel, version, body)?).await?;
    Ok(Box::new(TokioIo::new(hyper::upgrade::on(answer).await?)))
}

async fn receive(answer: Response<Incoming>, mut writer: tokio::io::WriteHalf<DuplexStream>) {
    let mut reader = StreamReader::new(BodyDataStream::new(answer.into_body()).map_err(std::io::Error::other));
    if let Err(error) = tokio::io::copy_buf(&mut reader, &mut writer).await {
        debug!(%error, "a connection that was led on broke");
    }
    let _ = writer.shutdown().await;
}

fn request(tunnel: &Tunnel, version: Version, body: Body) -> Result<Request<Body>, Error> {
    let host = if tunnel.host.contains(':') { format!("[{}]", tunnel.host) } else { tunnel.host.to_string() };
    let authority = format!("{host}:{}", tunnel.port);
    let value = HeaderValue::from_str(&authority).map_err(http::Error::from)?;
    let mut uri = http::uri::Parts::default();
    if tunnel.post {
        uri.path_and_query = Some(PathAndQuery::from_static("/"));
    }
    if !tunnel.post || version == Version::Http2 {
        uri.authority = Some(authority.parse().map_err(http::Error::from)?);
    }
    if tunnel.post && version == Version::Http2 {
        uri.scheme = Some(http::uri::Scheme::HTTP);
    }
    let mut request = Request::new(body);
    *request.method_mut() = if tunnel.post { Method::POST } else { Method::CONNECT };
    *request.uri_mut() = Uri::from_parts(uri).map_err(http::Error::from)?;
    if version == Version::Http1 {
        request.headers_mut().insert(HOST, value);
    }
    Ok(request)
}

async fn send<S>(io: S, version: Version, request: Request<Body>) -> Result<Response<Incoming>, Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let ended = |outcome: Result<(), hyper::Error>| {
        if let Err(error) = outcome {
            debug!(error = runtime::error::chain(&error), "a connection to a proxy ended");
        }
    };
    let answer = match version {
        Version::Http1 => {
            let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await?;
            tokio::spawn(async move { ended(connection.with_upgrades().await) });
            sender.send_request(request).await?
        }
        Version::Http2 => {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await?;
            tokio::spawn(async move { ended(connection.await) });
            sender.send_request(request).await?
        }
    };
    if answer.status().is_success() { Ok(answer) } else { Err(Error::Refused(answer.status())) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is the test's result
mod tests {
    use http_body_util::Full;
    use hyper::{server::conn, service::service_fn};
    use tokio::io::AsyncReadExt;

    use super::*;

    /// A proxy that leads to an echo, and says what it was asked.
    async fn answer(mut request: Request<Incoming>) -> Result<Response<Body>, std::convert::Infallible> {
        let host = request.headers().get(HOST).and_then(|h| h.to_str().ok().map(str::to_owned));
        let asked = request.uri().authority().map(ToString::to_string).or(host);
        if asked.as_deref() != Some("db.example.com:5432") {
            let mut refusal = Response::new(Full::default().map_err(|never| match never {}).boxed_unsync());
            *refusal.status_mut() = StatusCode::FORBIDDEN;
            return Ok(refusal);
        }
        if request.method() == Method::CONNECT {
            let going = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let (mut reader, mut writer) = split(TokioIo::new(going.await.unwrap()));
                tokio::io::copy(&mut reader, &mut writer).await
            });
            return Ok(Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync()));
        }
        Ok(Response::new(request.into_body().map_err(std::io::Error::other).boxed_unsync()))
    }

    #[tokio::test]
    async fn both_directions_go_through() {
        for (post, version, host, wanted) in [
            (false, Version::Http1, "db.example.com", true),
            (false, Version::Http2, "db.example.com", true),
            (true, Version::Http1, "db.example.com", true),
            (true, Version::Http2, "db.example.com", true),
            (false, Version::Http1, "other.example.com", false),
            (true, Version::Http1, "not a name", false),
        ] {
            let (ours, theirs) = tokio::io::duplex(1 << 10);
            tokio::spawn(async move {
                let (io, service) = (TokioIo::new(theirs), service_fn(answer));
                match version {
                    Version::Http1 => {
                        let _ = conn::http1::Builder::new().serve_connection(io, service).with_upgrades().await;
                    }
                    Version::Http2 => {
                        let _ = conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await;
                    }
                }
            });
            let led = lead(ours, version, &Tunnel { host: host.into(), port: 5432, post }).await;
            assert_eq!(led.is_ok(), wanted, "{post} {version:?} {host}");
            let Ok(mut led) = led else { continue };
            for text in [&b"hello"[..], b"again"] {
                led.write_all(text).await.unwrap();
                led.flush().await.unwrap();
                let mut back = vec![0; text.len()];
                led.read_exact(&mut back).await.unwrap();
                assert_eq!(back, text, "{post} {version:?}");
            }
            led.shutdown().await.unwrap();
            assert_eq!(led.read(&mut [0; 8]).await.unwrap(), 0, "{post} {version:?}: an end is passed on");
        }
    }
}
