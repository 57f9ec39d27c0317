//! `ambient token`: the token by which a component proves who it is, where a folder stands in for Kubernetes. In a cluster the
//! kubelet mounts it.

use std::{path::PathBuf, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use source::{
    STATE,
    folder::{Folder, Settings},
    identity,
};

use crate::{args::Global, error::Error, install::duration, screen::Screen};

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
    let client = folder.client();
    let namespace = global.namespace.as_deref().unwrap_or(&global.istio_namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pod = pods.get_opt(&args.pod).await.map_err(|error| refused("read the pod", &error))?;
    let pod = pod.ok_or_else(|| {
        Error::user(format!("there is no pod {} in namespace {namespace}", args.pod))
            .hint("write a manifest for it: a token says who somebody is by a pod that is known")
    })?;
    let token = identity::token(&client, &pod, args.expires.as_secs()).await;
    let token = token.map_err(|error| refused("issue a token", &error))?;
    let Some(directory) = &args.write else {
        screen.line(token)?;
        return Ok(0);
    };
    let root =
        identity::root(&client, namespace).await.map_err(|error| refused("read the root certificate", &error))?;
    let root = root.ok_or_else(|| {
        Error::user("the control plane has written no root certificate yet").hint("start `ambient --role agent` first")
    })?;
    identity::write(directory, &token, &root)
        .map_err(|error| Error::user(format!("cannot write into {}", directory.display())).caused_by(&error))?;
    screen.say(format!("the token of {namespace}/{} and the root are in {}", args.pod, directory.display()));
    Ok(0)
}

fn refused(what: &str, error: &kube::Error) -> Error {
    match error {
        kube::Error::Api(status) => Error::user(format!("cannot {what}")).because(status.message.clone()),
        error => Error::user(format!("cannot {what}")).caused_by(error),
    }
}
