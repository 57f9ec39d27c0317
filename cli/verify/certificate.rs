//! The certificates that a ztunnel lists: whether each leads to a root, and whom it names.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::ztunnel_config::{
    dump::{items, text},
    tables::valid,
};

/// A chain that was verified.
pub struct Chain {
    /// The root that it leads to, as DER.
    pub root: Vec<u8>,
    /// When the certificate ends.
    pub until: String,
}

/// Verifies the chain that a ztunnel holds for an identity: each certificate signed by the next, the last by a root.
pub fn chain(data: &Value, identity: &str) -> Result<Chain, String> {
    let certificate = items(data, "certificates").into_iter().find(|c| text(c, "identity") == identity);
    let certificate = certificate.ok_or("the ztunnel holds none")?;
    let (listed, roots) = (items(certificate, "certChain"), items(certificate, "rootCerts"));
    let der = |item: &Value| pem(text(item, "pem")).ok_or("cannot be read");
    let chain = listed.iter().map(|c| der(c)).collect::<Result<Vec<_>, _>>()?;
    let roots = roots.iter().map(|c| der(c)).collect::<Result<Vec<_>, _>>()?;
    let (leaf, root) = (listed.first().ok_or("not there yet")?, roots.first().ok_or("without a root")?);
    let (from, until) = (text(leaf, "validFrom"), text(leaf, "expirationTime"));
    if !valid(from, until, OffsetDateTime::now_utc()) {
        return Err(format!("not valid now, but from {from} until {until}"));
    }
    let parsed = chain.iter().map(|der| X509Certificate::from_der(der).map(|(_, c)| c)).collect::<Result<Vec<_>, _>>();
    let parsed = parsed.map_err(|e| e.to_string())?;
    let anchors =
        roots.iter().filter_map(|der| X509Certificate::from_der(der).ok()).map(|(_, c)| c).collect::<Vec<_>>();
    for (index, certificate) in parsed.iter().enumerate() {
        let signed = match parsed.get(index + 1) {
            Some(issuer) => certificate.verify_signature(Some(issuer.public_key())).is_ok(),
            None => anchors.iter().any(|root| certificate.verify_signature(Some(root.public_key())).is_ok()),
        };
        if !signed {
            return Err("its signature does not lead to the root".to_owned());
        }
    }
    let names = parsed[0].subject_alternative_name().ok().flatten();
    let uri = names.iter().flat_map(|n| &n.value.general_names).find_map(|name| match name {
        x509_parser::extensions::GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    if uri != Some(identity) {
        return Err(format!("it names {}", uri.unwrap_or("nobody")));
    }
    Ok(Chain { root: root.clone(), until: until.to_owned() })
}

/// Decodes base64 of PEM of DER, as dumps hold certificates.
fn pem(encoded: &str) -> Option<Vec<u8>> {
    let text = STANDARD.decode(encoded).ok()?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(&text).ok()?;
    Some(pem.contents)
}
