//! The certificate authority: signs the public keys of requests for identities that its caller has approved.

use std::{sync::Arc, time::Duration};

use model::Identity;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::client::{self, Signing};

/// The longest lifetime that is signed.
pub const MAX_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);
/// How long a root that this authority makes for itself holds.
const ROOT_LIFETIME: time::Duration = time::Duration::days(3650);
/// How far clocks of the mesh may differ.
const SKEW: time::Duration = time::Duration::minutes(2);

/// Tells why the authority cannot be made, or does not sign.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key or certificate of the authority is unusable.
    #[error("the authority's key or certificate is unusable")]
    Unusable(#[source] rcgen::Error),
    /// The certificate cannot be read.
    #[error("the authority's certificate cannot be read: {0}")]
    Certificate(String),
    /// The request is malformed, or not signed by the key it names.
    #[error("the certificate request is not valid")]
    Request(#[source] rcgen::Error),
    /// The lifetime is too long.
    #[error("a lifetime of {asked} s was asked for, at most {max} s are signed", max = MAX_LIFETIME.as_secs())]
    Lifetime {
        /// In seconds.
        asked: u64,
    },
    /// The authority's own certificate has ended.
    #[error("the authority's certificate ended at {0}")]
    Expired(OffsetDateTime),
    /// The certificate could not be made.
    #[error("the certificate could not be made")]
    Sign(#[source] rcgen::Error),
}

/// A new authority as PEM, to be kept.
pub struct Pem {
    /// The certificate.
    pub certificate: String,
    /// The private key, PKCS #8.
    pub key: String,
}

/// Signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    // What follows a leaf in an answer: the authority's own certificate if it is no root, intermediates, the roots.
    chain: Vec<String>,
    intermediates: Vec<CertificateDer<'static>>,
    root: String,
    expires: OffsetDateTime,
}

impl Authority {
    /// Makes a new root for a trust domain.
    ///
    /// # Errors
    /// A key or certificate that cannot be made.
    pub fn self_signed(trust_domain: &str) -> Result<(Self, Pem), Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(Error::Unusable)?;
        let now = OffsetDateTime::now_utc();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, trust_domain);
        params.distinguished_name.push(DnType::CommonName, "ambient root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial());
        (params.not_before, params.not_after) = (now - SKEW, now + ROOT_LIFETIME);
        let certificate = params.self_signed(&key).map_err(Error::Unusable)?;
        let pem = Pem { certificate: certificate.pem(), key: key.serialize_pem() };
        Ok((Self::load(&pem.certificate, &pem.key, None, None)?, pem))
    }

    /// Loads an authority: its certificate and key, the root above it if it is none itself, and the certificates between.
    ///
    /// # Errors
    /// Texts that are no such PEM.
    pub fn load(certificate: &str, key: &str, root: Option<&str>, chain: Option<&str>) -> Result<Self, Error> {
        let key = KeyPair::from_pem(key).map_err(Error::Unusable)?;
        let ders = |pem: &str| -> Result<Vec<CertificateDer<'static>>, Error> {
            CertificateDer::pem_slice_iter(pem.as_bytes())
                .collect::<Result<_, _>>()
                .map_err(|e| Error::Certificate(e.to_string()))
        };
        let missing = || Error::Certificate("there is none in the text".to_owned());
        let own = ders(certificate)?.into_iter().next().ok_or_else(missing)?;
        let (_, parsed) = X509Certificate::from_der(&own).map_err(|e| Error::Certificate(e.to_string()))?;
        let expires = parsed.validity().not_after.to_datetime();
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(Error::Certificate("it is not for the key beside it".to_owned()));
        }
        let self_signed = parsed.subject() == parsed.issuer();
        let root = root.unwrap_or(certificate).to_owned();
        let mut intermediates = Vec::new();
        if !self_signed {
            intermediates.push(own.clone());
            for der in ders(chain.unwrap_or_default())? {
                let (_, parsed) = X509Certificate::from_der(&der).map_err(|e| Error::Certificate(e.to_string()))?;
                let between = parsed.subject() != parsed.issuer();
                if between && der != own {
                    intermediates.push(der.clone());
                }
            }
        }
        let chain = intermediates.iter().map(pem).chain(ders(&root)?.iter().map(pem)).collect();
        let issuer = Issuer::from_ca_cert_der(&own, key).map_err(Error::Unusable)?;
        Ok(Self { issuer, chain, intermediates, root, expires })
    }

    /// Returns the roots that the mesh trusts, PEM.
    #[must_use]
    pub fn root_pem(&self) -> &str {
        &self.root
    }

    /// Returns when the authority's own certificate ends.
    #[must_use]
    pub fn expires(&self) -> OffsetDateTime {
        self.expires
    }

    /// Signs the public key of a request for an identity; nothing else of the request is taken over.
    ///
    /// # Errors
    /// A request that is malformed or not signed by its own key, or a lifetime that is too long.
    pub fn sign(&self, csr: &str, identity: &Identity, lifetime: Duration) -> Result<Vec<String>, Error> {
        let request = CertificateSigningRequestParams::from_pem(csr).map_err(Error::Request)?;
        let mut params = self.params(lifetime)?;
        // X.509-SVID 2: one URI name; 4.1: the subject stays empty, so that the name must be understood (critical).
        params.subject_alt_names = vec![SanType::URI(identity.to_string().try_into().map_err(Error::Sign)?)];
        let leaf = params.signed_by(&request.public_key, &self.issuer).map_err(Error::Sign)?;
        Ok(std::iter::once(leaf.pem()).chain(self.chain.iter().cloned()).collect())
    }

    /// Makes a certificate and key for a server of the control plane under these DNS names.
    ///
    /// # Errors
    /// A name that is none, or a lifetime that is too long.
    pub fn serving(
        &self,
        names: &[String],
        lifetime: Duration,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(Error::Sign)?;
        let mut params = self.params(lifetime)?;
        params.subject_alt_names = names
            .iter()
            .map(|n| n.as_str().try_into().map(SanType::DnsName))
            .collect::<Result<_, _>>()
            .map_err(Error::Sign)?;
        let leaf = params.signed_by(&key, &self.issuer).map_err(Error::Sign)?;
        let chain = std::iter::once(leaf.der().clone()).chain(self.intermediates.iter().cloned()).collect();
        Ok((chain, PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()))))
    }

    fn params(&self, lifetime: Duration) -> Result<CertificateParams, Error> {
        if lifetime > MAX_LIFETIME {
            return Err(Error::Lifetime { asked: lifetime.as_secs() });
        }
        let now = OffsetDateTime::now_utc();
        if self.expires <= now {
            return Err(Error::Expired(self.expires));
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial());
        params.not_before = now - SKEW;
        // A certificate that outlives its issuer would be refused by every peer.
        params.not_after = (now + lifetime).min(self.expires);
        Ok(params)
    }
}

/// RFC 5280 4.1.2.2: positive and unique, at most 20 octets.
fn serial() -> SerialNumber {
    let mut bytes: [u8; 16] = rand::random();
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

fn pem(der: &CertificateDer<'static>) -> String {
    crate::certificate::pem(der)
}

/// An authority in this process, for where there is no control plane to ask.
pub struct Local(pub Arc<Authority>);

impl client::Authority for Local {
    fn sign<'a>(&'a self, identity: &'a Identity, csr: String, lifetime: Duration) -> Signing<'a> {
        Box::pin(async move {
            self.0.sign(&csr, identity, lifetime).map_err(|error| client::Error::Status {
                code: tonic::Code::InvalidArgument,
                message: error.to_string(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;
    use crate::{certificate::Certified, tls::Session};

    fn certified(authority: &Authority, account: &str) -> Certified {
        let identity = Identity::new("cluster.local", "shop", account).expect("valid");
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let csr = CertificateParams::default().serialize_request(&key).expect("a request").pem().expect("text");
        let chain = authority.sign(&csr, &identity, Duration::from_secs(3600)).expect("signed");
        Certified::new(&identity, &key.serialize_der(), &chain).expect("usable")
    }

    async fn handshake(client: &Certified, server: &Certified) -> (Option<Identity>, Option<Identity>) {
        let (near, far) = tokio::io::duplex(16 << 10);
        let name = rustls::pki_types::ServerName::IpAddress(std::net::IpAddr::from([127, 0, 0, 1]).into());
        let connect = TlsConnector::from(client.client.clone()).connect(name, near);
        let accept = TlsAcceptor::from(server.server.clone()).accept(far);
        let (near, far) = tokio::join!(connect, accept);
        let peer = |state: &rustls::CommonState| Session::of(state).map(|s| s.peer);
        (near.ok().and_then(|s| peer(s.get_ref().1)), far.ok().and_then(|s| peer(s.get_ref().1)))
    }

    #[tokio::test]
    async fn both_sides_prove_their_identity_and_strangers_prove_nothing() {
        let (authority, _) = Authority::self_signed("cluster.local").expect("an authority");
        let (cart, till) = (certified(&authority, "cart"), certified(&authority, "till"));
        assert_eq!(handshake(&cart, &till).await, (Some(till.identity.clone()), Some(cart.identity.clone())));
        let (other, _) = Authority::self_signed("cluster.local").expect("an authority");
        let stranger = certified(&other, "cart");
        assert_eq!(handshake(&stranger, &till).await.1, None);
        assert_eq!(handshake(&cart, &certified(&other, "till")).await.0, None);
    }

    #[test]
    fn tampered_requests_and_long_lifetimes_are_refused() {
        let (authority, pem) = Authority::self_signed("cluster.local").expect("an authority");
        let identity = Identity::new("", "shop", "cart").expect("valid");
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let csr = CertificateParams::default().serialize_request(&key).expect("a request");
        let good = csr.pem().expect("text");
        assert!(authority.sign(&good, &identity, MAX_LIFETIME).is_ok());
        let long = MAX_LIFETIME + Duration::from_secs(1);
        assert!(matches!(authority.sign(&good, &identity, long), Err(Error::Lifetime { .. })));
        for bad in
            ["", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", &pem.certificate]
        {
            assert!(matches!(authority.sign(bad, &identity, Duration::from_secs(60)), Err(Error::Request(_))), "{bad}");
        }
        let mut der = csr.der().to_vec();
        let last = der.len() - 1;
        der[last] ^= 1;
        let text = crate::certificate::armour("CERTIFICATE REQUEST", &der);
        assert!(matches!(authority.sign(&text, &identity, Duration::from_secs(60)), Err(Error::Request(_))));
        let (other, _) = (Authority::self_signed("x").expect("an authority").1, 0);
        assert!(Authority::load(&pem.certificate, &other.key, None, None).is_err(), "a key of another authority");
    }
}
