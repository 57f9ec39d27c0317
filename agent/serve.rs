//! The servers of the control plane: discovery and certificates in TLS, metrics, readiness.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use identity::{
    ca::{self, Authority},
    proto::istio_certificate_service_server::IstioCertificateServiceServer,
    tls::provider,
};
use prometheus_client::{
    metrics::{gauge::Gauge, info::Info},
    registry::Registry,
};
use runtime::{
    Drain, Readiness,
    http::{self as server, text},
};
use rustls::{ServerConfig, version::TLS13};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tracing::{debug, warn};
use xds::{proto::discovery::aggregated_discovery_service_server::AggregatedDiscoveryServiceServer, server::Server};

use crate::{Config, auth::Gate, issue::Issuer, secured::Secured};

/// How long the control plane's own certificate holds; it is renewed at half of that.
const CERTIFICATE: Duration = Duration::from_secs(24 * 3600);
/// How long a client's TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Tells why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A port is taken.
    #[error("cannot listen on port {0}")]
    Listen(u16, #[source] std::io::Error),
    /// No certificate of its own.
    #[error("the authority signs no certificate for the control plane")]
    Certificate(#[source] ca::Error),
    /// The certificate is unusable.
    #[error("the control plane's certificate is unusable")]
    Tls(#[from] rustls::Error),
}

/// Starts all servers.
///
/// # Errors
/// A port that is taken, or no certificate.
pub async fn start(
    config: &Config,
    discovery: Server<Gate>,
    issuer: Issuer,
    readiness: &Readiness,
    drain: &Drain,
) -> Result<(), Error> {
    let registry = Arc::new(registry(&issuer.authority));
    let metrics = move |request: Request<Incoming>| {
        let registry = registry.clone();
        async move {
            match request.uri().path() {
                "/metrics" => server::metrics(&registry),
                "/version" => text(StatusCode::OK, concat!(env!("CARGO_PKG_VERSION"), "\n")),
                _ => text(StatusCode::NOT_FOUND, "want /metrics or /version\n"),
            }
        }
    };
    let ready = readiness.clone();
    let ready = move |_: Request<Incoming>| {
        let ready = ready.clone();
        async move { server::readiness(&ready) }
    };
    tokio::spawn(server::serve(listen(config.monitoring_port).await?, drain.clone(), metrics));
    tokio::spawn(server::serve(listen(config.readiness_port).await?, Drain::new(), ready));

    let names = names(config);
    let tls = Arc::new(ArcSwap::from_pointee(own(&issuer.authority, &names)?));
    tokio::spawn(renew(issuer.authority.clone(), names, tls.clone()));
    let connections = accept(listen(config.tls_port).await?, tls, drain.clone());
    let router = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .max_concurrent_streams(1000)
        .add_service(AggregatedDiscoveryServiceServer::new(discovery))
        .add_service(IstioCertificateServiceServer::new(issuer));
    let stop = drain.clone();
    drain.spawn(async move {
        let served =
            router.serve_with_incoming_shutdown(ReceiverStream::new(connections), async move { stop.draining().await });
        if let Err(error) = served.await {
            warn!(%error, "the discovery server ended");
        }
    });
    Ok(())
}

/// Listens on a port, of both families where the kernel has both.
///
/// # Errors
/// The port is taken.
pub async fn listen(port: u16) -> Result<TcpListener, Error> {
    let both = SocketAddr::from(([0_u16; 8], port));
    match TcpListener::bind(both).await {
        Ok(listener) => Ok(listener),
        // A kernel without IPv6.
        Err(_) => TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], port))).await.map_err(|e| Error::Listen(port, e)),
    }
}

/// Returns the names of the control plane.
pub fn names(config: &Config) -> Vec<String> {
    let (namespace, domain) = (&config.namespace, &config.domain);
    let of = |service: &str| {
        [
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.{domain}"),
            format!("{service}.{namespace}"),
        ]
    };
    ["ambient-agent", "istiod"].into_iter().flat_map(of).chain(["localhost".to_owned()]).collect()
}

fn own(authority: &Authority, names: &[String]) -> Result<ServerConfig, Error> {
    let (chain, key) = authority.serving(names, CERTIFICATE).map_err(Error::Certificate)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        // Clients prove themselves by tokens, which Kubernetes reviews and revokes.
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

async fn renew(authority: Arc<Authority>, names: Vec<String>, tls: Arc<ArcSwap<ServerConfig>>) {
    loop {
        tokio::time::sleep(CERTIFICATE / 2).await;
        match own(&authority, &names) {
            Ok(config) => tls.store(Arc::new(config)),
            Err(error) => warn!(%error, "the control plane's certificate cannot be renewed"),
        }
    }
}

type Accepted = Result<Secured, std::io::Error>;

/// Accepts connections; each handshake in a task of its own, so that a slow client holds nobody up.
fn accept(listener: TcpListener, tls: Arc<ArcSwap<ServerConfig>>, drain: Drain) -> mpsc::Receiver<Accepted> {
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! { () = drain.draining() => return, accepted = listener.accept() => accepted };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (acceptor, sender) = (TlsAcceptor::from(tls.load_full()), sender.clone());
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                match timeout(HANDSHAKE, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => drop(sender.send(Ok(Secured(stream))).await),
                    Ok(Err(error)) => debug!(%peer, %error, "TLS handshake failed"),
                    Err(_) => debug!(%peer, "TLS handshake took too long"),
                }
            });
        }
    });
    receiver
}

fn registry(authority: &Authority) -> Registry {
    let mut registry = Registry::default();
    registry.register("pilot", "The version that runs", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
    let expiry = Gauge::<i64>::default();
    expiry.set(authority.expires().unix_timestamp());
    registry.register("citadel_server_root_cert_expiry_timestamp", "When the root ends, seconds since 1970", expiry);
    registry
}
