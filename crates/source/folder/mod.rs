//! A folder as the place where objects come from: to agent, cni and the command line no different from a Kubernetes API.
//!
//! The *state directory* holds the truth, one file for each object; any number of processes share it. The *manifests*
//! are what an operator writes; one process imports them into the state. [`Folder::client`] returns a client whose
//! requests are answered in process.
//!
//! ```text
//! manifests ── import ──► store ◄── write ◄── api ◄── kube::Client, or a socket
//!                        │     ▲               ▲
//!                  files ▼     │ inotify       │ watches
//!                        disk ─┴── follow      └── store's events
//! ```

mod api;
pub(crate) mod decode;
mod delete;
mod disk;
mod follow;
mod import;
mod kinds;
pub mod manifests;
pub(crate) mod path;
mod problem;
mod refusal;
mod resources;
mod rules;
mod select;
mod store;
mod tokens;
mod watching;
mod write;

use std::{convert::Infallible, io, path::PathBuf, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use tokio::sync::watch;

pub use crate::folder::{
    api::Body,
    disk::make_below,
    kinds::{KINDS, Key, Kind},
    path::{FieldPath, Step},
    problem::Problem,
};
use crate::folder::{
    disk::Disk,
    follow::Follower,
    import::{Importer, Unsettled},
    manifests::Check,
    store::Store,
};

/// Where the objects are.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The state directory; made if it is not there.
    pub state: PathBuf,
    /// Files and directories with manifests, in the order in which they count.
    pub manifests: Vec<PathBuf>,
    /// Whether this process imports the manifests. At most one process of those that share a state may.
    pub import: bool,
    /// Whether somebody runs the pods: then a pod that is deleted goes when its programs have ended, and not before.
    pub kubelet: bool,
    /// What else is wrong with a manifest, such as what the caller's runtime cannot do.
    pub check: Option<Check>,
}

/// Tells why a folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state directory.
    #[error("cannot open the state folder {}", path.display())]
    State {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kernel does not tell of changes.
    #[error("cannot be told of changed files (see fs.inotify.max_user_instances and max_user_watches)")]
    Watch(#[source] io::Error),
    /// The state is no place for manifests.
    #[error("manifests cannot be in the state folder {}", .0.display())]
    Nested(PathBuf),
}

/// A folder that is open. Copies share it; it is followed until the last one, and the last client, is dropped.
#[derive(Clone)]
pub struct Folder {
    store: Arc<Store>,
    /// Its receiver is the task that follows the files.
    _open: Arc<watch::Sender<()>>,
}

impl Folder {
    /// Reads everything once, imports if it is to, and begins to follow changes. Only within a runtime.
    ///
    /// # Errors
    /// The state directory cannot be made or read, or not be watched. Files that are wrong are no errors but
    /// [problems](Self::problems).
    pub fn open(settings: Settings) -> Result<Self, Error> {
        let disk = Disk::open(&settings.state).map_err(|(path, source)| Error::State { path, source })?;
        for path in &settings.manifests {
            if path.canonicalize().is_ok_and(|path| path.starts_with(disk.root())) {
                return Err(Error::Nested(disk.root().to_owned()));
            }
        }
        let store = Arc::new(Store::open(disk, settings.kubelet));
        let importer = settings.import.then(|| Importer::new(settings.manifests, settings.check));
        let mut follower = Follower::new(store.clone(), importer).map_err(Error::Watch)?;
        // Once more: what was written between the first reading and the first watch.
        store.rescan();
        follower.import(Unsettled::Read);
        let (open, closed) = watch::channel(());
        tokio::spawn(follower.run(closed));
        Ok(Self { store, _open: Arc::new(open) })
    }

    /// Returns a client whose requests are answered here.
    #[must_use]
    pub fn client(&self) -> Client {
        let folder = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let folder = folder.clone();
            async move { Ok::<_, Infallible>(folder.handle(request).await) }
        });
        Client::new(service, "default")
    }

    /// Answers one request as a Kubernetes API does. Whoever may send one may do everything.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: BodyExt<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        api::handle(&self.store, request).await
    }

    /// Returns what is wrong with files of the state and, where they are imported, of the manifests.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        self.store.problems().borrow().clone()
    }

    /// Returns the same, and tells when it changes.
    #[must_use]
    pub fn watch_problems(&self) -> watch::Receiver<Vec<Problem>> {
        self.store.problems()
    }
}
