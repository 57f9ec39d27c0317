//! TLS of our own making: towards endpoints that want it, inside the mesh's tunnel or outside of the mesh.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use model::{
    l7::{
        Secret, State,
        destination::{ClientTls, Roots},
        secret::Content,
    },
    workload::Name,
};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// How many settings of one service are kept: those of its versions of HTTP, before and after a change.
const KEPT: usize = 6;
/// Of how many servers the sessions of one setting are kept, where clients name the server: rustls keeps up to 8 tickets of each.
const SERVERS: usize = 256;
const TICKETS: usize = 8;

/// What is spoken inside (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    /// Something that is passed on.
    Anything,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A Secret is needed, and none is known.
    #[error("Secret {0} is not known to the waypoint")]
    Secret(Name),
    /// A Secret lacks what is needed of it.
    #[error("Secret {0} has no {1}")]
    Lacks(Name, &'static str),
    /// A key cannot be read; what is wrong with it is not told, as it may tell of it.
    #[error("the key of Secret {0} cannot be read")]
    Key(Name),
    /// What was written cannot be used.
    #[error("{0}")]
    Invalid(Name),
    /// Nothing says whom the certificate should be of.
    #[error("neither a server name nor subjectAltNames say whose certificate is wanted")]
    NoName,
    /// A name is none.
    #[error("{0:?} is no name of a server")]
    Name(Name),
    /// The roots cannot be read.
    #[error("the roots cannot be read: {0}")]
    Pem(String),
    /// The settings do not fit together.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
    /// The handshake failed.
    #[error("the handshake failed: {0}")]
    Handshake(#[from] io::Error),
    /// HTTP/2 was asked for.
    #[error("the endpoint does not speak HTTP/2 in TLS")]
    NotHttp2,
}

impl Error {
    /// Tells whether another endpoint may do better.
    #[must_use]
    pub fn is_of_endpoint(&self) -> bool {
        matches!(self, Self::Handshake(_) | Self::NotHttp2)
    }
}

/// What is wanted of a connection.
pub struct Wish<'w> {
    /// How it begins.
    pub tls: &'w ClientTls,
    /// What is spoken inside.
    pub inside: Inside,
    /// The server, where the client named it.
    pub name: Option<&'w Name>,
    /// Its address.
    pub address: IpAddr,
    /// Where Secrets are known.
    pub state: &'w State,
}

type Secrets = [Option<Arc<Secret>>; 2];

/// Settings, and what they were made of. Which server is meant is no part of them: all hosts of a wildcard have the same ones.
#[derive(Debug)]
struct Made {
    tls: ClientTls,
    inside: Inside,
    named: bool,
    secrets: Secrets,
    config: Arc<ClientConfig>,
}

/// The settings of a service: what is the same is made once, so that sessions can be resumed (RFC 8446 2.2).
#[derive(Debug, Default)]
pub struct Cache(Mutex<Vec<Made>>);

impl Cache {
    /// Begins TLS on a connection to an address.
    ///
    /// # Errors
    /// Settings that cannot be used: nothing was sent. Or a handshake that failed.
    pub async fn start<S: AsyncRead + AsyncWrite + Unpin>(&self, io: S, wish: Wish<'_>) -> Result<TlsStream<S>, Error> {
        let config = self.config(&wish)?;
        // An address is not asked for by name (RFC 6066 3).
        let name = match wish.tls.server_name.as_ref().or(wish.name) {
            Some(name) => ServerName::try_from(name.to_string()).map_err(|_| Error::Name(name.clone()))?,
            None => ServerName::IpAddress(wish.address.into()),
        };
        let stream = TlsConnector::from(config).connect(name, io).await?;
        match (wish.inside, stream.get_ref().1.alpn_protocol()) {
            (Inside::Http2, Some(chosen)) if chosen != b"h2" => Err(Error::NotHttp2),
            _ => Ok(stream),
        }
    }

    fn config(&self, wish: &Wish<'_>) -> Result<Arc<ClientConfig>, Error> {
        let (tls, inside) = (wish.tls, wish.inside);
        let named = wish.name.is_some() && tls.server_name.is_none();
        let roots = match &tls.roots {
            Roots::Secret(name) => Some(name),
            _ => None,
        };
        // What changed is another one, even under the same name.
        let secrets = [tls.credential.as_ref(), roots].map(|name| wish.state.secret(name?).cloned());
        let same = |one: &Option<Arc<Secret>>, other: &Option<Arc<Secret>>| match (one, other) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        let fits = |made: &&Made| {
            let mut pairs = made.secrets.iter().zip(&secrets);
            made.inside == inside
                && made.named == named
                && made.tls == *tls
                && pairs.all(|(one, other)| same(one, other))
        };
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = known().iter().find(fits) {
            return Ok(made.config.clone());
        }
        // Nobody waits for it who needs others.
        let config = Arc::new(config(tls, inside, named, &secrets)?);
        let mut known = known();
        // Others may have made the same meanwhile: sessions are kept in one of them.
        if let Some(made) = known.iter().find(fits) {
            return Ok(made.config.clone());
        }
        if known.len() >= KEPT {
            known.remove(0);
        }
        known.push(Made { tls: tls.clone(), inside, named, secrets: secrets.clone(), config: config.clone() });
        Ok(config)
    }
}

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// Those that the public believes: all settings have the same ones. They are in the binary: its image has no files.
static SYSTEM: LazyLock<Arc<RootCertStore>> =
    LazyLock::new(|| Arc::new(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()));

/// Makes settings; where clients name the server, for any server.
fn config(
    tls: &ClientTls,
    inside: Inside,
    named: bool,
    [credential, authorities]: &Secrets,
) -> Result<ClientConfig, Error> {
    // Without what it should show the connection would be somebody else's than was meant.
    let own = tls.credential.as_ref().map(|name| own(name, credential.as_deref())).transpose()?;
    let provider = PROVIDER.clone();
    let verifier = Verifier {
        roots: roots(&tls.roots, authorities.as_deref())?,
        names: names(tls),
        algorithms: provider.signature_verification_algorithms,
    };
    let is_asked = named || tls.server_name.is_some();
    if verifier.roots.is_some() && verifier.names.is_empty() && !is_asked {
        return Err(Error::NoName);
    }
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match own {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    if named {
        config.resumption = Resumption::in_memory_sessions(SERVERS * TICKETS);
    }
    config.alpn_protocols = match inside {
        Inside::Anything => Vec::new(),
        Inside::Http1 => vec![b"http/1.1".to_vec()],
        Inside::Http2 => vec![b"h2".to_vec()],
    };
    Ok(config)
}

/// A certificate with those that vouch for it, and its key.
type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Returns what is in a Secret.
fn content<'s>(name: &Name, secret: Option<&'s Secret>) -> Result<&'s Content, Error> {
    let secret = secret.ok_or_else(|| Error::Secret(name.clone()))?;
    secret.content.as_ref().map_err(|why| Error::Invalid(why.clone()))
}

/// Reads what is shown to a server.
fn own(name: &Name, secret: Option<&Secret>) -> Result<Own, Error> {
    let pair = content(name, secret)?.pair.as_ref();
    let pair = pair.ok_or_else(|| Error::Lacks(name.clone(), "certificate and key (tls.crt, tls.key)"))?;
    let chain = CertificateDer::pem_slice_iter(pair.chain.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| Error::Pem(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(pair.key.reveal().as_bytes()).map_err(|_| Error::Key(name.clone()))?;
    Ok((chain, key))
}

fn roots(roots: &Roots, secret: Option<&Secret>) -> Result<Option<Arc<RootCertStore>>, Error> {
    let read = |pem: &str| {
        let mut store = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            store.add(root.map_err(|error| Error::Pem(error.to_string()))?)?;
        }
        if store.is_empty() { Err(Error::Pem("there is no certificate".to_owned())) } else { Ok(Some(Arc::new(store))) }
    };
    match roots {
        Roots::System => Ok(Some(SYSTEM.clone())),
        Roots::Pem(pem) => read(pem),
        Roots::Secret(name) => {
            let pem = content(name, secret)?.roots.as_ref();
            read(pem.ok_or_else(|| Error::Lacks(name.clone(), "authorities (ca.crt)"))?)
        }
        Roots::Unchecked => Ok(None),
        Roots::Invalid(reason) => Err(Error::Invalid(reason.clone())),
    }
}

/// Returns the names of which one is wanted, where it is another one than that which is asked for.
fn names(tls: &ClientTls) -> Vec<Wanted> {
    let server = |name: &Name| ServerName::try_from(name.to_string()).map(Wanted::Server);
    tls.subject_alt_names.iter().map(|name| server(name).unwrap_or_else(|_| Wanted::Literal(name.clone()))).collect()
}

/// A name that a certificate may show.
#[derive(Debug)]
enum Wanted {
    /// A host or an address; a wildcard of the certificate may stand for it.
    Server(ServerName<'static>),
    /// What stands there as it is: a URI, or a wildcard.
    Literal(Name),
}

impl Wanted {
    fn is_in(&self, leaf: &CertificateDer<'_>, parsed: &ParsedCertificate<'_>) -> bool {
        match self {
            Self::Server(name) => verify_server_name(parsed, name).is_ok(),
            Self::Literal(wanted) => {
                let Ok((_, certificate)) = X509Certificate::from_der(leaf) else { return false };
                let Ok(Some(names)) = certificate.subject_alternative_name() else { return false };
                names.value.general_names.iter().any(|name| match name {
                    GeneralName::URI(uri) => *uri == &**wanted,
                    GeneralName::DNSName(host) => host.eq_ignore_ascii_case(wanted),
                    _ => false,
                })
            }
        }
    }
}

/// Believes certificates of some roots that show one of some names, or the name that is asked for.
#[derive(Debug)]
struct Verifier {
    /// None where nothing is to be checked.
    roots: Option<Arc<RootCertStore>>,
    /// None where the name that is asked for is wanted.
    names: Vec<Wanted>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        asked: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let parsed = ParsedCertificate::try_from(leaf)?;
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, self.algorithms.all)?;
            if self.names.is_empty() {
                verify_server_name(&parsed, asked)?;
            } else if !self.names.iter().any(|name| name.is_in(leaf, &parsed)) {
                return Err(CertificateError::NotValidForName.into());
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is the test's result
mod tests;
