//! Where the objects of the mesh come from: a Kubernetes API, or a folder that answers as one; told as one stream of
//! changes of slim, plain objects.
//!
//! The roles call [`connect`] once; the agent then sees only [`Change`].

pub mod api;
mod custom;
pub mod folder;
mod follow;
pub mod identity;
mod kind;
pub mod kubernetes;
pub mod labels;
pub mod merge;
pub mod object;

use std::{ffi::OsString, path::PathBuf};

use kube::Client;

use crate::folder::{Folder, Settings};
pub use custom::custom;
pub use kind::{Kind, Place};
pub use object::{Object, ObjectKey};

/// The state directory when nothing else is named.
pub const STATE: &str = "/var/lib/ambient/state";

/// Tells why there is no way to the objects.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is no Kubernetes API to ask.
    #[error("no way to the Kubernetes API")]
    Kubernetes(#[source] kube::Error),
    /// The folder cannot be opened.
    #[error("no way to the folder of SOURCE_STATE and SOURCE_MANIFESTS")]
    Folder(#[source] folder::Error),
}

/// Returns the way to the objects, as the environment says.
///
/// `SOURCE_STATE` names the state directory of a folder, `SOURCE_MANIFESTS` its manifests, parted by `:`, which this
/// process then imports. With neither it is the Kubernetes API of the process's account or kubeconfig.
///
/// # Errors
/// The folder cannot be opened, or no Kubernetes is configured.
pub async fn connect() -> Result<Client, ConnectError> {
    match settings(std::env::var_os("SOURCE_STATE"), std::env::var_os("SOURCE_MANIFESTS")) {
        Some(settings) => Ok(Folder::open(settings).map_err(ConnectError::Folder)?.client()),
        None => Client::try_default().await.map_err(ConnectError::Kubernetes),
    }
}

fn settings(state: Option<OsString>, manifests: Option<OsString>) -> Option<Settings> {
    let given = |value: Option<OsString>| value.filter(|v| !v.is_empty());
    let (state, manifests) = (given(state), given(manifests));
    if state.is_none() && manifests.is_none() {
        return None;
    }
    Some(Settings {
        state: state.map_or_else(|| PathBuf::from(STATE), PathBuf::from),
        import: manifests.is_some(),
        manifests: manifests.iter().flat_map(std::env::split_paths).filter(|p| !p.as_os_str().is_empty()).collect(),
        // Without Kubernetes nobody but the operator says what runs.
        kubelet: false,
        check: None,
    })
}

/// One change of the source.
#[expect(clippy::large_enum_variant, reason = "nearly every change is of the largest kind")]
#[derive(Clone, Debug)]
pub enum Change {
    /// The object is there, new or changed.
    Apply(Object),
    /// The object is gone.
    Delete(Kind, ObjectKey),
    /// The kind is installed, in this version: it is watched from now on.
    Served(Kind, &'static str),
    /// All objects of the kind that were there at the start have been told; none are, if the kind is not installed.
    Synced(Kind),
}
