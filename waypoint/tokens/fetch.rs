//! Fetching keys: of an address, or of where an issuer's OpenID configuration says.

use std::{io, sync::Arc, sync::OnceLock, time::Duration};

use bytes::Bytes;
use futures::future::{self, Either};
use hickory_resolver::TokioResolver;
use http::{
    HeaderValue, Request, Response, StatusCode, Uri,
    header::{ACCEPT, HOST, LOCATION, USER_AGENT},
    uri::Authority,
};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{InvalidDnsNameError, ServerName},
};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tracing::debug;

use super::remote::Place;

/// The largest document that is read, bytes.
const MAX_SIZE: usize = 1 << 20;
/// How many times an answer may say that the document is elsewhere.
const REDIRECTS: usize = 3;
/// Where an issuer says what it is (OpenID Connect Discovery 1.0, 4).
const CONFIGURATION: &str = "/.well-known/openid-configuration";

type Io = tokio_util::either::Either<TcpStream, TlsStream<TcpStream>>;

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No address of HTTP.
    #[error("{0:?} is no address of http or https")]
    Address(String),
    /// From protected to unprotected.
    #[error("{0} is not protected by TLS, and what names it is")]
    Unprotected(String),
    /// No such host.
    #[error("host {0} cannot be resolved")]
    Resolve(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// No connection.
    #[error("no connection to {0}")]
    Connect(Authority, #[source] io::Error),
    /// A host that no certificate can name.
    #[error("host {0:?} has no name for TLS")]
    Name(String, #[source] InvalidDnsNameError),
    /// The library refuses the settings.
    #[error("invalid TLS settings")]
    Tls(#[from] rustls::Error),
    /// No answer.
    #[error("no answer")]
    Http(#[from] hyper::Error),
    /// No request can be made.
    #[error("no request can be made")]
    Request(#[from] http::Error),
    /// Another answer.
    #[error("the answer is {0}")]
    Status(StatusCode),
    /// Round and round.
    #[error("more than {REDIRECTS} redirections")]
    Redirects,
    /// Too large, or cut off.
    #[error("the document cannot be read, or has more than {MAX_SIZE} bytes")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No OpenID configuration.
    #[error("the OpenID configuration names no jwks_uri")]
    Configuration(#[source] serde_json::Error),
    /// No keys.
    #[error("the document is no set of keys")]
    Keys(#[from] super::keys::Invalid),
    /// Nothing of use.
    #[error("the set has no key that could be used")]
    NoKey,
    /// Too slow.
    #[error("not done within {0:?}")]
    Slow(Duration),
}

/// Fetches keys over HTTP/1.1.
pub struct Fetcher {
    roots: fn() -> RootCertStore,
    // Made when the first address of https is met: the roots take memory.
    tls: OnceLock<TlsConnector>,
}

impl Fetcher {
    /// Makes one that believes servers with certificates of these roots.
    #[must_use]
    pub fn new(roots: fn() -> RootCertStore) -> Self {
        Self { roots, tls: OnceLock::new() }
    }

    /// Fetches the keys of a place, as text. The caller bounds the time.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn keys(&self, place: &Place) -> Result<Bytes, Error> {
        let issuer = match place {
            Place::Uri(uri) => return self.document(parse(uri)?).await,
            Place::Discovery(issuer) => issuer,
        };
        /// OpenID Connect Discovery 1.0, 3. Whether its issuer is ours is left to the tokens, which have to name ours.
        #[derive(Deserialize)]
        struct Configuration {
            jwks_uri: String,
        }
        let at = parse(&format!("{}{CONFIGURATION}", issuer.trim_end_matches('/')))?;
        let found = self.document(at.clone()).await?;
        let found: Configuration = serde_json::from_slice(&found).map_err(Error::Configuration)?;
        self.document(follow(&at, parse(&found.jwks_uri)?)?).await
    }

    async fn document(&self, mut uri: Uri) -> Result<Bytes, Error> {
        for _ in 0..=REDIRECTS {
            match self.get(&uri).await? {
                Answer::Document(document) => return Ok(document),
                Answer::Elsewhere(location) => uri = elsewhere(&uri, &location)?,
            }
        }
        Err(Error::Redirects)
    }

    async fn get(&self, uri: &Uri) -> Result<Answer, Error> {
        let authority = uri.authority().ok_or_else(|| Error::Address(uri.to_string()))?;
        let io = self.connect(authority, is_protected(uri)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        // Without the user that an address may name.
        let host = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, host)| host);
        let request = Request::get(path)
            .header(HOST, host)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("ambient/", env!("CARGO_PKG_VERSION")))
            .body(Empty::<Bytes>::new())?;
        let exchange = std::pin::pin!(async { read(sender.send_request(request).await?).await });
        // The connection is driven here, not in a task of its own, so that it ends with the caller.
        match future::select(exchange, std::pin::pin!(connection)).await {
            Either::Left((answer, _)) => answer,
            Either::Right((_, exchange)) => exchange.await,
        }
    }

    /// Opens a connection. The one place that does, where hosts inside of the mesh can be told apart.
    async fn connect(&self, authority: &Authority, protected: bool) -> Result<Io, Error> {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = authority.port_u16().unwrap_or(if protected { 443 } else { 80 });
        let failed = |error| Error::Connect(bare(authority), error);
        let mut opened = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
        for address in resolve(host).await? {
            opened = TcpStream::connect((address, port)).await;
            if opened.is_ok() {
                break;
            }
        }
        let stream = opened.map_err(failed)?;
        if !protected {
            return Ok(Io::Left(stream));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|error| Error::Name(host.to_owned(), error))?;
        Ok(Io::Right(self.tls()?.connect(name, stream).await.map_err(failed)?))
    }

    fn tls(&self) -> Result<&TlsConnector, Error> {
        if let Some(known) = self.tls.get() {
            return Ok(known);
        }
        // Not the mesh's own cryptography: servers of others may know less.
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates((self.roots)())
            .with_no_client_auth();
        Ok(self.tls.get_or_init(|| TlsConnector::from(Arc::new(config))))
    }
}

/// What a server says.
enum Answer {
    Document(Bytes),
    Elsewhere(HeaderValue),
}

async fn read(response: Response<Incoming>) -> Result<Answer, Error> {
    let status = response.status();
    match response.headers().get(LOCATION) {
        Some(location) if status.is_redirection() => return Ok(Answer::Elsewhere(location.clone())),
        _ if status != StatusCode::OK => return Err(Error::Status(status)),
        _ => {}
    }
    let body = Limited::new(response.into_body(), MAX_SIZE).collect().await.map_err(Error::Body)?;
    Ok(Answer::Document(body.to_bytes()))
}

/// Returns the roots that the public trusts, and those that this system has: files of the image or of an operator
/// (`SSL_CERT_FILE`, `SSL_CERT_DIR`).
#[must_use]
pub fn public_roots() -> RootCertStore {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let found = rustls_native_certs::load_native_certs();
    let (added, passed_over) = roots.add_parsable_certificates(found.certs);
    debug!(added, passed_over, "root certificates of the system");
    roots
}

fn is_protected(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

fn parse(text: &str) -> Result<Uri, Error> {
    let parsed = text.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    parsed.ok_or_else(|| Error::Address(text.to_owned()))
}

/// Lets a document name another address, unless that gives up its protection.
fn follow(from: &Uri, to: Uri) -> Result<Uri, Error> {
    if is_protected(from) && !is_protected(&to) { Err(Error::Unprotected(to.to_string())) } else { Ok(to) }
}

/// Returns where a redirection leads (RFC 9110 10.2.2): an address, or a path of the same host.
fn elsewhere(from: &Uri, location: &HeaderValue) -> Result<Uri, Error> {
    let text = String::from_utf8_lossy(location.as_bytes());
    if !text.starts_with('/') || text.starts_with("//") {
        return follow(from, parse(&text)?);
    }
    let mut parts = from.clone().into_parts();
    parts.path_and_query = Some(text.parse().map_err(|_| Error::Address(text.clone().into_owned()))?);
    Uri::from_parts(parts).map_err(|_| Error::Address(text.into_owned()))
}

/// Returns an authority without the user that it may name, who is nobody's business.
fn bare(authority: &Authority) -> Authority {
    let text = authority.as_str().rsplit_once('@').map(|(_, host)| host);
    text.and_then(|host| host.parse().ok()).unwrap_or_else(|| authority.clone())
}

/// Finds the addresses of a host.
///
/// # Errors
/// It has none, or nobody who could tell answers.
pub async fn resolve(host: &str) -> Result<Vec<std::net::IpAddr>, Error> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Resolve(host.to_owned(), source);
    // Not the C library's resolver: in a static binary it would need files that the image does not have.
    let resolver = TokioResolver::builder_tokio().and_then(|b| b.build()).map_err(|e| failed(Box::new(e)))?;
    Ok(resolver.lookup_ip(host).await.map_err(|e| failed(Box::new(e)))?.iter().collect())
}
