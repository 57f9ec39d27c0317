//! `ambient token`: the token by which a component proves who it is, where a folder stands in for Kubernetes. In a cluster the
//! kubelet mounts it.

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    core::v1::{ConfigMap, Pod, ServiceAccount},
};
use kube::{Api, Client, api::PostParams};
use source::folder::{Folder, Settings};

use crate::{args::Global, error::Error, install::duration, screen::Screen};

/// Where the state is when nothing else is said.
const STATE: &str = "/var/lib/ambient/state";

/// Issue the token of a pod where a folder stands in for Kubernetes
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The token is bound to the pod and its service account: it is void when one of them is gone. It is a secret.
With --write it goes into a folder, beside the root certificate of the mesh, for AUTH_TOKEN, XDS_ROOT_CA and CA_ROOT_CA of ztunnel;
call it again before it ends, from a timer.

Examples:
  ambient -n istio-system token ztunnel-host-a --write /run/ztunnel
  ambient -n istio-system token ztunnel-host-a --state ./state --expires 1h"
)]
pub struct Args {
    /// Pod that it is for, in the namespace of -n, or the mesh's
    pod: String,
    /// State directory of the folder
    #[arg(long, value_name = "DIR", default_value = STATE)]
    state: PathBuf,
    /// How long it holds, 10m to 24h
    #[arg(long, default_value = "12h", value_parser = duration)]
    expires: Duration,
    /// Write `token` and `root-cert.pem` into this folder instead of printing the token
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(args: Args, global: &Global, screen: &Screen) -> Result<u8, Error> {
    // Opening makes it: one that is mistyped would be a new, empty world.
    if !args.state.is_dir() {
        return Err(Error::user(format!("there is no state directory {}", args.state.display()))
            .hint("name that of the control plane with --state; it is its SOURCE_STATE"));
    }
    let settings = Settings { state: args.state.clone(), ..Settings::default() };
    let folder = Folder::open(settings)
        .map_err(|error| Error::user(format!("cannot open {}", args.state.display())).caused_by(&error))?;
    let namespace = global.namespace.as_deref().unwrap_or(&global.istio_namespace);
    let token = issue(&folder.client(), namespace, &args.pod, args.expires).await?;
    let Some(directory) = &args.write else {
        screen.line(token)?;
        return Ok(0);
    };
    let root = root(&folder.client(), namespace).await?;
    for (name, text) in [("root-cert.pem", &root), ("token", &token)] {
        write(directory, name, text).map_err(|error| {
            Error::user(format!("cannot write {}", directory.join(name).display())).caused_by(&error)
        })?;
    }
    screen.say(format!("the token of {namespace}/{} and the root are in {}", args.pod, directory.display()));
    Ok(0)
}

async fn issue(client: &Client, namespace: &str, name: &str, expires: Duration) -> Result<String, Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pod = pods.get_opt(name).await.map_err(|error| refused("read the pod", &error))?;
    let pod = pod.ok_or_else(|| {
        Error::user(format!("there is no pod {name} in namespace {namespace}"))
            .hint("write a manifest for it: a token says who somebody is by a pod that is known")
    })?;
    let account = pod.spec.as_ref().and_then(|s| s.service_account_name.as_deref()).unwrap_or("default");
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec!["istio-ca".to_owned()],
            expiration_seconds: i64::try_from(expires.as_secs()).ok(),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
            }),
        },
        ..TokenRequest::default()
    };
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let answer = accounts.create_token_request(account, &PostParams::default(), &request).await;
    let answer = answer.map_err(|error| refused(&format!("issue a token of service account {account}"), &error))?;
    answer.status.map(|status| status.token).ok_or_else(|| Error::internal("the answer holds no token"))
}

async fn root(client: &Client, namespace: &str) -> Result<String, Error> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let map = maps.get_opt("istio-ca-root-cert").await.map_err(|error| refused("read the root certificate", &error))?;
    map.and_then(|map| map.data?.remove("root-cert.pem")).ok_or_else(|| {
        Error::user("the control plane has written no root certificate yet").hint("start `ambient --role agent` first")
    })
}

fn refused(what: &str, error: &kube::Error) -> Error {
    match error {
        kube::Error::Api(status) => Error::user(format!("cannot {what}")).because(status.message.clone()),
        error => Error::user(format!("cannot {what}")).caused_by(error),
    }
}

/// Writes beside and renames, for the owner alone: no reader sees half a file.
fn write(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let temporary = directory.join(format!(".{name}.new"));
    let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    fs::rename(&temporary, directory.join(name))
}
