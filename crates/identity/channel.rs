//! The way to the control plane: gRPC in TLS, with the root of the mesh and the process's own token, both re-read as they change.

use std::{path::PathBuf, sync::Arc, time::Duration};

use hickory_resolver::TokioResolver;
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint, Uri};

use crate::tls::provider;

/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the control plane is, and how to trust it and be trusted.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    /// The host name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The file with the mesh's root certificates, PEM.
    pub roots: PathBuf,
    /// The file with the process's token.
    pub token: PathBuf,
    /// The cluster's name, sent along with the token.
    pub cluster: String,
}

/// Tells what is wrong on the way to the control plane.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is none.
    #[error("{0:?} is no address of a control plane: want host:port, with or without https://")]
    Address(String),
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file of roots has none that can be used.
    #[error("{0} holds no usable root certificate")]
    Roots(PathBuf),
    /// The name cannot be resolved.
    #[error("{host} cannot be resolved")]
    Resolve {
        /// The name.
        host: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No connection.
    #[error("no connection to {host}:{port}")]
    Connect {
        /// The name.
        host: String,
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It took too long.
    #[error("no connection to {host}:{port} within {timeout:?}")]
    Timeout {
        /// The name.
        host: String,
        /// The port.
        port: u16,
        /// The limit.
        timeout: Duration,
    },
    /// TLS refuses the settings.
    #[error("invalid TLS settings")]
    Tls(#[source] rustls::Error),
}

impl ControlPlane {
    /// Parses `[https://]host:port`.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse_address(text: &str) -> Result<(String, u16), Error> {
        let invalid = || Error::Address(text.to_owned());
        let rest = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
        let (host, port) = rest.rsplit_once(':').ok_or_else(invalid)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains('/') {
            return Err(invalid());
        }
        Ok((host.to_owned(), port.parse().map_err(|_| invalid())?))
    }

    /// Makes a channel that connects when it is first used, and again whenever it was lost.
    ///
    /// # Errors
    /// An address that cannot be written as a URI.
    pub fn channel(&self) -> Result<Channel, Error> {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        // The scheme says http because TLS is the connector's.
        let uri = format!("http://{host}:{}", self.port);
        let endpoint = Endpoint::from_shared(uri.clone())
            .map_err(|_| Error::Address(uri))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true)
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(4 << 20);
        let this = self.clone();
        Ok(endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
            let this = this.clone();
            async move {
                let limit = Error::Timeout { host: this.host.clone(), port: this.port, timeout: CONNECT_TIMEOUT };
                tokio::time::timeout(CONNECT_TIMEOUT, this.connect()).await.unwrap_or(Err(limit)).map(TokioIo::new)
            }
        })))
    }

    /// Reads the token that proves who this process is; Kubernetes renews the file.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn bearer(&self) -> Result<String, Error> {
        let source = |source| Error::File { path: self.token.clone(), source };
        let token = tokio::fs::read_to_string(&self.token).await.map_err(source)?;
        Ok(format!("Bearer {}", token.trim()))
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>, Error> {
        let connector = TlsConnector::from(Arc::new(self.tls().await?));
        let failed = |source| Error::Connect { host: self.host.clone(), port: self.port, source };
        let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        for address in self.resolve().await? {
            match TcpStream::connect((address, self.port)).await {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(failed)?;
                    let name =
                        ServerName::try_from(self.host.clone()).map_err(|_| Error::Address(self.host.clone()))?;
                    return connector.connect(name, stream).await.map_err(failed);
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    async fn resolve(&self) -> Result<Vec<std::net::IpAddr>, Error> {
        if let Ok(address) = self.host.parse() {
            return Ok(vec![address]);
        }
        // Not the C library's resolver: in a static binary it would need files that the image does not have.
        let failed =
            |source: Box<dyn std::error::Error + Send + Sync>| Error::Resolve { host: self.host.clone(), source };
        let resolver = TokioResolver::builder_tokio().and_then(|b| b.build()).map_err(|e| failed(Box::new(e)))?;
        let found = resolver.lookup_ip(&*self.host).await.map_err(|e| failed(Box::new(e)))?;
        Ok(found.iter().collect())
    }

    async fn tls(&self) -> Result<ClientConfig, Error> {
        let source = |source| Error::File { path: self.roots.clone(), source };
        let pem = tokio::fs::read(&self.roots).await.map_err(source)?;
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
        if store.is_empty() {
            return Err(Error::Roots(self.roots.clone()));
        }
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(Error::Tls)?
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}
