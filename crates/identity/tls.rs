//! TLS settings of the mesh: version 1.3 only, both sides show a certificate, and names are SPIFFE identities.

use std::sync::Arc;

use model::Identity;
use rustls::{
    CipherSuite, ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    version::TLS13,
};
use serde::Serialize;

use crate::certificate::{describe, identity_of};

/// Tells why no TLS settings could be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key, chain or roots do not fit.
    #[error("invalid key, chain or roots")]
    Rustls(#[from] rustls::Error),
    /// No verifier could be made of the roots.
    #[error("invalid roots")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// Returns the cryptography of the mesh: the two AES-GCM suites that every Istio peer has.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    // AES-128 first: equal in strength for the lifetime of a session, and a third cheaper.
    provider.cipher_suites = [CipherSuite::TLS13_AES_128_GCM_SHA256, CipherSuite::TLS13_AES_256_GCM_SHA384]
        .into_iter()
        .filter_map(|wanted| provider.cipher_suites.iter().find(|s| s.suite() == wanted).copied())
        .collect();
    Arc::new(provider)
}

fn store(roots: &[CertificateDer<'static>]) -> Result<RootCertStore, rustls::Error> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone())?;
    }
    Ok(store)
}

/// Makes the settings for accepting connections: a client must show a certificate of our roots and our trust domain.
///
/// # Errors
/// A key, chain or roots that do not fit.
pub fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: &[CertificateDer<'static>],
) -> Result<ServerConfig, Error> {
    let provider = provider();
    let trust_domain = chain.first().and_then(identity_of).map(|id| id.trust_domain().to_owned());
    let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(store(roots)?), provider.clone()).build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(MeshClient { inner, trust_domain }))
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // No tickets: connections are long and pooled, and a resumed session would outlive a revoked certificate.
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Makes the settings for connections: the server must show a certificate of our roots; *which* identity it must have is
/// the caller's to check with [`Session::of`] before anything is sent, so that one set of settings serves all peers.
///
/// # Errors
/// A key, chain or roots that do not fit.
pub fn client(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: &[CertificateDer<'static>],
) -> Result<ClientConfig, Error> {
    let provider = provider();
    let verifier = MeshServer { roots: store(roots)?, algorithms: provider.signature_verification_algorithms };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(config)
}

/// What a finished handshake agreed on, and what the other side proved in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The other side's identity.
    #[serde(skip)]
    pub peer: Identity,
    /// The protocol, such as `TLSv1_3`.
    pub version: String,
    /// The cipher suite, such as `TLS13_AES_128_GCM_SHA256`.
    pub cipher_suite: String,
    /// The serial number of the other side's certificate, decimal.
    pub peer_serial: String,
    /// When that certificate ends (RFC 3339).
    pub peer_expires: String,
}

impl Session {
    /// Reads what a finished handshake proved; none if the other side has no identity of the mesh.
    #[must_use]
    pub fn of(connection: &rustls::CommonState) -> Option<Self> {
        let leaf = connection.peer_certificates()?.first()?;
        let described = describe(leaf)?;
        let name = |found: Option<String>| found.unwrap_or_default();
        Some(Self {
            peer: identity_of(leaf)?,
            version: name(connection.protocol_version().map(|v| format!("{v:?}"))),
            cipher_suite: name(connection.negotiated_cipher_suite().map(|s| format!("{:?}", s.suite()))),
            peer_serial: described.serial_number,
            peer_expires: described.expiration_time,
        })
    }
}

/// Accepts clients of our roots and trust domain.
#[derive(Debug)]
struct MeshClient {
    inner: Arc<dyn ClientCertVerifier>,
    trust_domain: Option<String>,
}

impl ClientCertVerifier for MeshClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.inner.verify_client_cert(leaf, intermediates, now)?;
        let identity = identity_of(leaf);
        if identity.as_ref().map(Identity::trust_domain) != self.trust_domain.as_deref() {
            return Err(rustls::Error::General(match identity {
                Some(identity) => format!("identity {identity} is of another trust domain"),
                None => "the client's certificate has no SPIFFE identity".to_owned(),
            }));
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Accepts servers of our roots; names are checked after the handshake.
#[derive(Debug)]
struct MeshServer {
    roots: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for MeshServer {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let parsed = ParsedCertificate::try_from(leaf)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, self.algorithms.all)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
