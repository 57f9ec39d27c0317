//! Certificates of workloads: a key that never leaves the process, the chain that was signed for it, the roots it came with.

use std::{sync::Arc, time::Duration};

use model::Identity;
use rustls::{
    ClientConfig, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::tls;

/// What an operator may know of one certificate.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// The PEM text, in base64 as the `config_dump` of ztunnel has it.
    pub pem: String,
    /// The serial number, decimal.
    pub serial_number: String,
    /// RFC 3339.
    pub valid_from: String,
    /// RFC 3339.
    pub expiration_time: String,
}

/// A workload's certificate with the TLS settings that use it, made once and shared by all its connections.
pub struct Certified {
    /// Whom it names.
    pub identity: Identity,
    /// The chain, leaf first, without roots.
    pub chain: Vec<CertificateDer<'static>>,
    /// The roots that peers are checked against.
    pub roots: Vec<CertificateDer<'static>>,
    /// When it begins to hold.
    pub not_before: OffsetDateTime,
    /// When it ends.
    pub not_after: OffsetDateTime,
    /// For accepting connections.
    pub server: Arc<ServerConfig>,
    /// For making connections.
    pub client: Arc<ClientConfig>,
}

impl std::fmt::Debug for Certified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // No key and no chain: this may end in a log.
        f.debug_struct("Certified")
            .field("identity", &self.identity)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// Tells why an answer of the authority is no certificate for a workload.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The answer is empty or has no root.
    #[error("the certificate chain has {0} certificates, want a leaf and a root at least")]
    Short(usize),
    /// A text is no PEM certificate.
    #[error("the certificate chain is not PEM")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// A certificate cannot be read.
    #[error("a certificate cannot be parsed: {0}")]
    Parse(String),
    /// The certificate names somebody else.
    #[error("the certificate names {found}, not {wanted}")]
    WrongIdentity {
        /// Whom it names.
        found: String,
        /// Whom it should name.
        wanted: Identity,
    },
    /// No TLS settings can be made of it.
    #[error("the certificate cannot be used for TLS")]
    Tls(#[source] tls::Error),
}

impl Certified {
    /// Makes TLS settings of a key (PKCS #8) and the chain that the authority signed: PEM texts, leaf first, roots last.
    ///
    /// # Errors
    /// A chain that cannot be read, names another identity, or does not belong to the key.
    pub fn new(identity: &Identity, pkcs8: &[u8], pem: &[String]) -> Result<Self, Error> {
        let mut all = Vec::new();
        for text in pem {
            for der in CertificateDer::pem_slice_iter(text.as_bytes()) {
                all.push(der.map_err(Error::Pem)?);
            }
        }
        if all.len() < 2 {
            return Err(Error::Short(all.len()));
        }
        let mut chain = Vec::new();
        let mut roots = Vec::new();
        for (index, der) in all.into_iter().enumerate() {
            let parsed = parse(&der)?;
            // The last certificate is a root even when it was signed by another (a subordinate CA used as anchor).
            if index > 0 && parsed.subject() == parsed.issuer() {
                roots.push(der.clone())
            } else {
                chain.push(der.clone())
            }
        }
        if roots.is_empty() {
            roots.extend(chain.last().cloned());
        }
        let leaf = parse(&chain[0])?;
        let found = identity_of(&chain[0]);
        if found.as_ref() != Some(identity) {
            let found = found.map_or_else(|| "no identity".to_owned(), |f| f.to_string());
            return Err(Error::WrongIdentity { found, wanted: identity.clone() });
        }
        let (not_before, not_after) =
            (leaf.validity().not_before.to_datetime(), leaf.validity().not_after.to_datetime());
        let key = || PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pkcs8.to_vec()));
        let server = tls::server(chain.clone(), key(), &roots).map_err(Error::Tls)?;
        let client = tls::client(chain.clone(), key(), &roots).map_err(Error::Tls)?;
        Ok(Self {
            identity: identity.clone(),
            chain,
            roots,
            not_before,
            not_after,
            server: Arc::new(server),
            client: Arc::new(client),
        })
    }

    /// Tells how long the certificate still holds.
    #[must_use]
    pub fn left(&self, now: OffsetDateTime) -> Duration {
        Duration::try_from(self.not_after - now).unwrap_or_default()
    }

    /// Tells how long to wait until renewal: half of the lifetime, as long as that is ahead.
    #[must_use]
    pub fn renew_in(&self, now: OffsetDateTime) -> Duration {
        let half = self.not_before + (self.not_after - self.not_before) / 2;
        Duration::try_from(half - now).unwrap_or_default()
    }
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    X509Certificate::from_der(der).map(|(_, c)| c).map_err(|e| Error::Parse(e.to_string()))
}

/// Reads the one SPIFFE identity of a certificate (X.509-SVID section 2: exactly one URI name).
#[must_use]
pub fn identity_of(der: &CertificateDer<'_>) -> Option<Identity> {
    let certificate = parse(der).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    let uri = uris.next()?;
    uris.next().is_none().then(|| uri.parse().ok()).flatten()
}

/// Reads the common name of a certificate's subject (RFC 5280 4.1.2.6).
#[must_use]
pub fn common_name(der: &CertificateDer<'_>) -> Option<String> {
    let certificate = parse(der).ok()?;
    certificate.subject().iter_common_name().next()?.as_str().ok().map(str::to_owned)
}

/// Describes a certificate for operators.
#[must_use]
pub fn describe(der: &CertificateDer<'_>) -> Option<Description> {
    use base64::Engine as _;
    let certificate = parse(der).ok()?;
    let base64 = base64::engine::general_purpose::STANDARD;
    let pem = pem(der);
    let moment = |t: OffsetDateTime| t.format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
    Some(Description {
        pem: base64.encode(pem),
        serial_number: certificate.tbs_certificate.serial.to_string(),
        valid_from: moment(certificate.validity().not_before.to_datetime()),
        expiration_time: moment(certificate.validity().not_after.to_datetime()),
    })
}

/// Writes a certificate as PEM.
#[must_use]
pub fn pem(der: &CertificateDer<'_>) -> String {
    armour("CERTIFICATE", der.as_ref())
}

/// Writes bytes as PEM under a label (RFC 7468).
#[must_use]
pub fn armour(label: &str, bytes: &[u8]) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(bytes);
    let lines: Vec<&str> = body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
