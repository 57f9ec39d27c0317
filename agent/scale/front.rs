//! The server's TLS: it answers the API server alone, which has judged who asks (Kubernetes, configure the aggregation layer).

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use identity::tls::provider;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use runtime::http::{self as server, text};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, pem::PemObject},
    server::WebPkiClientVerifier,
    version::TLS13,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::{debug, warn};

use super::{Refusal, Scale, api};
use crate::serve;

/// Where the API server says how it proves itself.
const PROOF: (&str, &str) = ("kube-system", "extension-apiserver-authentication");
const AUTHORITY: &str = "requestheader-client-ca-file";
const NAMES: &str = "requestheader-allowed-names";
/// How long the certificate holds, and how often both are made anew.
const CERTIFICATE: Duration = Duration::from_secs(24 * 3600);
const FRESH: Duration = Duration::from_secs(60);
/// How long a handshake, and reading what the API server says of itself, may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a connection may be without requests.
const IDLE: Duration = Duration::from_secs(120);
/// How many connections there may be.
const CONNECTIONS: usize = 64;

/// Whom the server believes.
struct Trust {
    tls: Arc<ServerConfig>,
    /// The common names that may ask; none is anybody whom the authority knows.
    names: Vec<String>,
}

/// Why nobody is believed.
#[derive(Debug, thiserror::Error)]
enum Distrust {
    #[error("the API server does not say how it proves itself")]
    Unknown,
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error("ConfigMap {}/{} has no usable authority", PROOF.0, PROOF.1)]
    Authority(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("no certificate of its own")]
    Own(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer within {HANDSHAKE:?}")]
    Slow,
}

/// Starts the server.
///
/// # Errors
/// The port is taken.
pub async fn serve(scale: &Scale) -> Result<(), Refusal> {
    let listener = serve::listen(scale.settings.port).await.map_err(|error| Refusal::Serve(error.into()))?;
    let trust = Arc::new(ArcSwapOption::empty());
    tokio::spawn(renew(scale.clone(), trust.clone()));
    tokio::spawn(accept(scale.clone(), listener, trust));
    Ok(())
}

/// Keeps up whom the server believes. What held a minute ago holds until something else is known.
async fn renew(scale: Scale, trust: Arc<ArcSwapOption<Trust>>) {
    let renewing = async {
        loop {
            match timeout(HANDSHAKE, read(&scale)).await.unwrap_or(Err(Distrust::Slow)) {
                Ok(read) => trust.store(Some(Arc::new(read))),
                Err(error) => warn!(error = runtime::error::chain(&error), "whom custom metrics are told is unknown"),
            }
            sleep(FRESH).await;
        }
    };
    tokio::select! { () = scale.drain.draining() => {}, () = renewing => {} }
}

async fn accept(scale: Scale, listener: TcpListener, trust: Arc<ArcSwapOption<Trust>>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    while let Some((stream, permit)) = server::next(&listener, &free, &scale.drain).await {
        let Some(trust) = trust.load_full() else { continue };
        let scale = scale.clone();
        tokio::spawn(async move {
            answer(&scale, &trust, stream).await;
            drop(permit);
        });
    }
}

async fn answer(scale: &Scale, trust: &Trust, stream: TcpStream) {
    let acceptor = TlsAcceptor::from(trust.tls.clone());
    let stream = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return debug!(%error, "TLS handshake failed"),
        Err(_) => return debug!("TLS handshake took too long"),
    };
    let is_believed = named(&stream).is_some_and(|name| trust.names.is_empty() || trust.names.contains(&name));
    server::connection(stream, IDLE, &scale.drain, |request: Request<Incoming>| async move {
        match is_believed {
            true => api::answer(scale, &request).await,
            false => text(StatusCode::FORBIDDEN, "want the API server's proof\n"),
        }
    })
    .await;
}

/// Returns the common name of the client's certificate, which the handshake has checked.
fn named(stream: &TlsStream<TcpStream>) -> Option<String> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    identity::certificate::common_name(certificate)
}

async fn read(scale: &Scale) -> Result<Trust, Distrust> {
    let maps: Api<ConfigMap> = Api::namespaced(scale.client.clone(), PROOF.0);
    let data = maps.get_opt(PROOF.1).await?.and_then(|map| map.data).ok_or(Distrust::Unknown)?;
    let pem = data.get(AUTHORITY).ok_or(Distrust::Unknown)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| Distrust::Authority(error.into()))?;
        roots.add(certificate).map_err(|error| Distrust::Authority(error.into()))?;
    }
    let names = data.get(NAMES).map_or(Ok(Vec::new()), |names| serde_json::from_str(names));
    let names = names.map_err(|error| Distrust::Authority(error.into()))?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    let verifier = verifier.map_err(|error| Distrust::Authority(error.into()))?;
    let own = scale.authority.serving(&scale.settings.names, CERTIFICATE);
    let (chain, key) = own.map_err(|error| Distrust::Own(error.into()))?;
    let tls = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map(|builder| builder.with_client_cert_verifier(verifier))
        .and_then(|builder| builder.with_single_cert(chain, key))
        .map_err(|error| Distrust::Own(error.into()))?;
    Ok(Trust { tls: Arc::new(tls), names })
}
