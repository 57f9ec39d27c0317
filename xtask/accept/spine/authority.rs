//! The certificate authority and discovery refuse whoever asks for what is not his; each way is tried.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use identity::{
    channel::ControlPlane,
    client::{Asking, Authority, RemoteAuthority},
};
use model::Identity;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use xds::proto::discovery::{
    DeltaDiscoveryRequest, Node, aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
};

use super::scene::{CLIENT, NEAR, SHOP, pod};
use crate::accept::{Lab, Report, lab::chain};

/// The local end of the forwarded port.
const PORT: u16 = 25012;

/// The way to the control plane, and files for its root and a token.
struct Door {
    forward: Child,
    folder: PathBuf,
}

impl Door {
    fn open(lab: &Lab) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("ambient-accept-{}-ca", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let root = lab.kubectl(&[
            "get",
            "configmap",
            "-n",
            SHOP,
            "istio-ca-root-cert",
            "-o",
            r"jsonpath={.data.root-cert\.pem}",
        ])?;
        std::fs::write(folder.join("root.pem"), root).map_err(|e| e.to_string())?;
        let mut command = lab.cluster.kubectl();
        command.args(["port-forward", "-n", "istio-system", "deployment/ambient-agent", &format!("{PORT}:15012")]);
        let forward = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(|e| e.to_string())?;
        thread::sleep(Duration::from_secs(2));
        Ok(Self { forward, folder })
    }

    fn control_plane(&self, token: &str) -> Result<ControlPlane, String> {
        let file = self.folder.join("token");
        std::fs::write(&file, token).map_err(|e| e.to_string())?;
        Ok(ControlPlane {
            host: "localhost".to_owned(),
            port: PORT,
            roots: self.folder.join("root.pem"),
            token: file,
            cluster: "Kubernetes".to_owned(),
        })
    }

    /// Asks for a certificate; the refusal as text.
    async fn ask(&self, token: &str, identity: &str) -> Result<(), String> {
        let identity: Identity = identity.parse().map_err(|e: model::identity::InvalidIdentity| e.to_string())?;
        let authority = RemoteAuthority::new(self.control_plane(token)?, Asking::ForPods).map_err(chain)?;
        let key = KeyPair::generate().map_err(chain)?;
        let csr = CertificateParams::default().serialize_request(&key).and_then(|r| r.pem()).map_err(chain)?;
        authority.sign(&identity, csr, Duration::from_secs(3600)).await.map(|_| ()).map_err(chain)
    }

    /// Asks for the mesh's configuration in the name of a pod.
    async fn discover(&self, token: &str, node: &str) -> Result<(), String> {
        let channel = self.control_plane(token)?.channel().map_err(chain)?;
        let request = DeltaDiscoveryRequest {
            node: Some(Node { id: node.to_owned(), ..Node::default() }),
            type_url: xds::ADDRESS_TYPE.to_owned(),
            ..DeltaDiscoveryRequest::default()
        };
        let mut request = tonic::Request::new(tokio_stream::iter([request]));
        let token = format!("Bearer {token}").parse().map_err(|_| "no header value")?;
        request.metadata_mut().insert("authorization", token);
        let mut client = AggregatedDiscoveryServiceClient::new(channel);
        let answers = client.delta_aggregated_resources(request).await.map_err(|s| s.message().to_owned())?;
        let answer = tokio::time::timeout(Duration::from_secs(5), answers.into_inner().message()).await;
        match answer {
            Ok(Ok(Some(_))) => Ok(()),
            Ok(Ok(None)) => Err("no answer".to_owned()),
            Ok(Err(status)) => Err(status.message().to_owned()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = self.forward.kill();
        let _ = self.forward.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    runtime.block_on(tried(lab, report))
}

async fn tried(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let door = Door::open(lab)?;
    let ztunnel = lab.pod("istio-system", "app=ztunnel", Some(NEAR))?;
    let token = |namespace: &str, account: &str, audience: &str, pod: &str| {
        let bound = ["--bound-object-kind", "Pod", "--bound-object-name", pod];
        let mut arguments = vec!["create", "token", "-n", namespace, account, "--audience", audience];
        arguments.extend(bound);
        lab.kubectl(&arguments).map(|t| t.trim().to_owned())
    };
    let good = token("istio-system", "ztunnel", "istio-ca", &ztunnel)?;
    let own = format!("spiffe://cluster.local/ns/{SHOP}/sa/client");
    let got = door.ask(&good, &own).await;
    report.row("a ztunnel gets a certificate of a pod on its node", format!("{got:?}"), "signed", got.is_ok());

    let client = pod(lab, CLIENT)?;
    let renewed = resigned(lab, &good, 600)?;
    let got = door.ask(&renewed, &own).await;
    report.row(
        "a token signed anew works (so that the next row is about its time alone)",
        format!("{got:?}"),
        "signed",
        got.is_ok(),
    );
    let bare = lab.kubectl(&["create", "token", "-n", "istio-system", "ztunnel", "--audience", "istio-ca"])?;
    let tries = [
        (
            "of a pod that runs on the other node only",
            good.clone(),
            format!("spiffe://cluster.local/ns/{SHOP}/sa/far"),
            "no pod of",
        ),
        ("of nobody", good.clone(), format!("spiffe://cluster.local/ns/{SHOP}/sa/nobody"), "no pod of"),
        (
            "of a foreign trust domain",
            good.clone(),
            format!("spiffe://example.org/ns/{SHOP}/sa/client"),
            "trust domain",
        ),
        ("with an expired token", resigned(lab, &good, -600)?, own.clone(), "not valid"),
        (
            "with a token for another audience",
            token("istio-system", "ztunnel", "somebody-else", &ztunnel)?,
            own.clone(),
            "not valid",
        ),
        (
            "with the token of an application",
            token(SHOP, "client", "istio-ca", &client)?,
            format!("spiffe://cluster.local/ns/{SHOP}/sa/near"),
            "may not ask for other identities",
        ),
        ("with a token that is bound to no pod", bare.trim().to_owned(), own.clone(), "not bound to a pod"),
        ("with nonsense for a token", "nonsense".to_owned(), own.clone(), "not valid"),
    ];
    for (name, token, identity, reason) in tries {
        let outcome = door.ask(&token, &identity).await;
        let refused = outcome.as_ref().is_err_and(|e| e.contains(reason));
        report.row(format!("a certificate {name}"), format!("{outcome:?}"), format!("refused: {reason}"), refused);
    }

    let mine = format!("ztunnel~1.1.1.1~{ztunnel}.istio-system~istio-system.svc.cluster.local");
    let got = door.discover(&good, &mine).await;
    report.row("discovery under the caller's own node id", format!("{got:?}"), "served", got.is_ok());
    let other = door.discover(&good, "ztunnel~1.1.1.1~ztunnel-other.istio-system~istio-system.svc.cluster.local").await;
    report.row(
        "discovery under another's node id",
        format!("{other:?}"),
        "refused",
        other.as_ref().is_err_and(|e| e.contains("node id names pod")),
    );
    let nobody = door.discover("nonsense", &mine).await;
    report.row(
        "discovery without a valid token",
        format!("{nobody:?}"),
        "refused",
        nobody.as_ref().is_err_and(|e| e.contains("not valid")),
    );
    Ok(())
}

/// Writes a token anew with another time, signed by the cluster's own key: all else is as Kubernetes made it.
fn resigned(lab: &Lab, token: &str, ends_in: i64) -> Result<String, String> {
    let mut parts = token.split('.');
    let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let claims = URL_SAFE_NO_PAD.decode(claims).map_err(chain)?;
    let mut claims: Value = serde_json::from_slice(&claims).map_err(chain)?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_err(chain)?.as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    for (claim, moment) in [("iat", now - 1200), ("nbf", now - 1200), ("exp", now + ends_in)] {
        claims[claim] = json!(moment);
    }
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let text = std::env::temp_dir().join(format!("ambient-accept-{}-claims", std::process::id()));
    std::fs::write(&text, &signed).map_err(|e| e.to_string())?;
    let key = lab.cluster.state().join("pki/sa.key");
    let output = Command::new("openssl").args(["dgst", "-sha256", "-sign"]).arg(key).arg(&text).output();
    let output = output.map_err(|e| format!("no openssl: {e}"))?;
    let _ = std::fs::remove_file(&text);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let signature = raw(&output.stdout).unwrap_or(output.stdout);
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Writes an ECDSA signature as tokens have it: both numbers in 32 bytes each (RFC 7518 3.4); none for one that is of RSA.
fn raw(der: &[u8]) -> Option<Vec<u8>> {
    let rest = der.strip_prefix(&[0x30])?.get(1..)?;
    let number = |from: &'_ [u8]| {
        let length = usize::from(*from.strip_prefix(&[2])?.first()?);
        let digits = from.get(2..2 + length)?;
        let digits = &digits[digits.iter().take_while(|d| **d == 0).count()..];
        let mut padded = vec![0; 32_usize.checked_sub(digits.len())?];
        padded.extend(digits);
        Some((padded, 2 + length))
    };
    let (mut all, used) = number(rest)?;
    all.extend(number(rest.get(used..)?)?.0);
    Some(all)
}
