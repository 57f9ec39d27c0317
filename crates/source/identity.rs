//! What a component of the mesh proves itself with, and checks the control plane against: a token of its pod, and the root.
//! In a cluster a kubelet mounts both; whoever plays one writes them with this.

use std::{fs, io, os::unix::fs::OpenOptionsExt, path::Path};

use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    core::v1::{ConfigMap, Pod, ServiceAccount},
};
use kube::{Api, Client, ResourceExt, api::PostParams};

/// The audience of the mesh's tokens.
const AUDIENCE: &str = "istio-ca";
/// The ConfigMap with the root, and its key, which is also the name of the file.
const ROOT: (&str, &str) = ("istio-ca-root-cert", "root-cert.pem");
/// The name of the file with the token.
const TOKEN: &str = "token";

/// Asks for a token of a pod's service account that is bound to the pod.
///
/// # Errors
/// The API refuses, as when the account is not there.
pub async fn token(client: &Client, pod: &Pod, seconds: u64) -> kube::Result<String> {
    let account = pod.spec.as_ref().and_then(|s| s.service_account_name.as_deref()).unwrap_or("default");
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![AUDIENCE.to_owned()],
            expiration_seconds: i64::try_from(seconds).ok(),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
            }),
        },
        ..TokenRequest::default()
    };
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let answer = accounts.create_token_request(account, &PostParams::default(), &request).await?;
    Ok(answer.status.map(|status| status.token).unwrap_or_default())
}

/// Returns the mesh's root certificate, if the control plane has written it in this namespace.
///
/// # Errors
/// The API refuses.
pub async fn root(client: &Client, namespace: &str) -> kube::Result<Option<String>> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    Ok(maps.get_opt(ROOT.0).await?.and_then(|map| map.data?.remove(ROOT.1)))
}

/// Writes both into a folder, as `token` and `root-cert.pem`, for the owner alone; no reader sees half a file.
///
/// # Errors
/// The folder cannot be made, or a file not be written.
pub fn write(directory: &Path, token: &str, root: &str) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for (name, text) in [(ROOT.1, root), (TOKEN, token)] {
        let temporary = directory.join(format!(".{name}.new"));
        let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        fs::rename(&temporary, directory.join(name))?;
    }
    Ok(())
}
