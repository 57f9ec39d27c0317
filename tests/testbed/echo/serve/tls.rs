//! The HTTP service in TLS, with a certificate that is given, and asking clients for theirs if that is wanted.

use std::{io, sync::Arc};

use clap::Args;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

/// Who the server is, and whom it lets in; each PEM, as text.
#[derive(Args)]
pub struct TlsArgs {
    /// Serve HTTP in TLS
    #[arg(long, value_name = "PORT", requires_all = ["tls_certificate", "tls_key"])]
    pub tls: Vec<u16>,
    /// The certificate
    #[arg(long, value_name = "PEM")]
    tls_certificate: Option<String>,
    /// Its key
    #[arg(long, value_name = "PEM")]
    tls_key: Option<String>,
    /// The authority of clients; without it nobody is asked for a certificate
    #[arg(long, value_name = "PEM")]
    tls_clients: Option<String>,
}

impl TlsArgs {
    /// Makes what begins TLS.
    pub fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let wrong = |what: &str, why: &dyn std::fmt::Display| io::Error::other(format!("{what}: {why}"));
        let text = |given: &Option<String>| given.clone().unwrap_or_default();
        let chain = CertificateDer::pem_slice_iter(text(&self.tls_certificate).as_bytes()).collect::<Result<_, _>>();
        let chain: Vec<CertificateDer<'static>> = chain.map_err(|e| wrong("--tls-certificate", &e))?;
        let key = PrivateKeyDer::from_pem_slice(text(&self.tls_key).as_bytes()).map_err(|e| wrong("--tls-key", &e))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let builder = builder.map_err(io::Error::other)?;
        let builder = match &self.tls_clients {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for root in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    let root = root.map_err(|e| wrong("--tls-clients", &e))?;
                    roots.add(root).map_err(|e| wrong("--tls-clients", &e))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|e| wrong("--tls-clients", &e))?)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
