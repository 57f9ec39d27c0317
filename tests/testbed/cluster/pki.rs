//! Who may do what in a cluster: its authority, the certificates that it signs, and kubeconfigs made of them.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use serde_json::json;
use time::{Duration, OffsetDateTime};

use crate::cluster::{
    command,
    plan::{Plan, node_name},
};

/// What goes wrong with certificates.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate that cannot be made.
    #[error("the certificate of {0} cannot be made")]
    Certificate(String, #[source] rcgen::Error),
    /// A file that cannot be written.
    #[error(transparent)]
    File(#[from] command::Error),
}

/// The folder of the certificates and kubeconfigs.
pub struct Pki(PathBuf);

/// One who has a certificate.
struct Party<'a> {
    file: &'a str,
    user: &'a str,
    group: Option<&'a str>,
    addresses: Vec<IpAddr>,
    kubeconfig: bool,
}

impl Pki {
    /// Returns the certificates in a folder, which need not exist yet.
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Returns a certificate, a key or a kubeconfig, as a flag takes it.
    pub fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Returns the place of a file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes everything anew.
    pub fn make(&self, plan: &Plan) -> Result<(), Error> {
        // Another one: who has its certificate may say in whose name he asks.
        let front = authority("front").map_err(|error| Error::Certificate("the front".to_owned(), error))?;
        let authority =
            authority("kubernetes").map_err(|error| Error::Certificate("the authority".to_owned(), error))?;
        self.write("ca.crt", &authority.pem())?;
        self.write("ca.key", &authority.key().serialize_pem())?;
        let accounts = KeyPair::generate().map_err(|error| Error::Certificate("service accounts".to_owned(), error))?;
        self.write("sa.key", &accounts.serialize_pem())?;
        self.write("sa.pub", &accounts.public_key_pem())?;

        let party = |file, user| Party { file, user, group: None, addresses: Vec::new(), kubeconfig: true };
        let local = [IpAddr::from([127, 0, 0, 1])];
        let api = [plan.control(), plan.kubernetes(), local.to_vec()].concat();
        self.sign(
            &authority,
            plan,
            &Party { addresses: api, kubeconfig: false, ..party("apiserver", "kube-apiserver") },
        )?;
        self.sign(&authority, plan, &Party { group: Some("system:masters"), ..party("admin", "admin") })?;
        self.sign(&authority, plan, &party("controller-manager", "system:kube-controller-manager"))?;
        self.sign(&authority, plan, &party("scheduler", "system:kube-scheduler"))?;
        self.sign(&authority, plan, &party("proxy", "system:kube-proxy"))?;
        self.write("front.crt", &front.pem())?;
        self.sign(&front, plan, &Party { kubeconfig: false, ..party("front-proxy", "front-proxy") })?;
        for node in 0..plan.options.nodes {
            let (name, user) = (node_name(node), format!("system:node:{}", node_name(node)));
            // The kubelet serves with the same certificate: hence its addresses.
            let addresses = plan.node(node);
            self.sign(
                &authority,
                plan,
                &Party { file: &name, user: &user, group: Some("system:nodes"), addresses, kubeconfig: true },
            )?;
        }
        Ok(())
    }

    fn sign(&self, authority: &CertifiedIssuer<'_, KeyPair>, plan: &Plan, party: &Party<'_>) -> Result<(), Error> {
        let failed = |error| Error::Certificate(party.file.to_owned(), error);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = leaf(party).map_err(failed)?.signed_by(&key, authority).map_err(failed)?;
        self.write(&format!("{}.crt", party.file), &certificate.pem())?;
        self.write(&format!("{}.key", party.file), &key.serialize_pem())?;
        if party.kubeconfig {
            let config = kubeconfig(&plan.url(), &authority.pem(), &certificate.pem(), &key.serialize_pem());
            self.write(&format!("{}.conf", party.file), &config)?;
        }
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), command::Error> {
        let path = self.path(name);
        command::write(&path, text)?;
        private(&path)
    }
}

/// Closes a file to others: it holds a key of somebody who may do anything in the cluster.
fn private(path: &Path) -> Result<(), command::Error> {
    use std::{fs, os::unix::fs::PermissionsExt};
    let failed = |source| command::Error::File { path: path.to_owned(), action: "closed to others", source };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = lasting(CertificateParams::default());
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn leaf(party: &Party<'_>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = lasting(CertificateParams::default());
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, party.user);
    if let Some(group) = party.group {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if !party.addresses.is_empty() {
        for name in [
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "localhost",
        ] {
            params.subject_alt_names.push(SanType::DnsName(name.try_into()?));
        }
        params.subject_alt_names.extend(party.addresses.iter().copied().map(SanType::IpAddress));
    }
    Ok(params)
}

/// From an hour ago, for clocks that differ, to a year ahead: longer than any cluster of a test lives.
fn lasting(mut params: CertificateParams) -> CertificateParams {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = OffsetDateTime::now_utc() - Duration::hours(1);
    params.not_after = OffsetDateTime::now_utc() + Duration::days(365);
    params
}

/// Writes a kubeconfig that refers to no other file, so that it can be copied. JSON is YAML.
fn kubeconfig(url: &str, authority: &str, certificate: &str, key: &str) -> String {
    let data = |pem: &str| STANDARD.encode(pem);
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "ambient",
        "clusters": [{ "name": "ambient", "cluster": { "server": url, "certificate-authority-data": data(authority) } }],
        "users": [{ "name": "ambient", "user": { "client-certificate-data": data(certificate), "client-key-data": data(key) } }],
        "contexts": [{ "name": "ambient", "context": { "cluster": "ambient", "user": "ambient" } }],
    });
    format!("{config:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::plan::Options;

    #[test]
    fn everybody_gets_a_certificate_and_a_kubeconfig_of_their_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let pki = Pki::new(folder.path().to_owned());
        pki.make(&Plan { options: Options::default(), index: 0 }).expect("certificates");
        for name in ["ca.crt", "sa.pub", "apiserver.key", "admin.conf", "node1.crt", "node1.conf", "proxy.conf"] {
            assert!(pki.path(name).exists(), "{name}");
        }
        let config: serde_json::Value =
            serde_json::from_slice(&std::fs::read(pki.path("admin.conf")).expect("a file")).expect("JSON");
        assert_eq!(config["clusters"][0]["cluster"]["server"], "https://172.30.0.1:6443");
    }
}
