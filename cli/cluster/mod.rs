//! The cluster that a command talks to: connecting, applying, waiting, forwarding.

pub mod apply;
pub mod enrolment;
pub mod forward;
pub mod objects;
pub mod rights;
pub mod trouble;
pub mod wait;

use std::time::Duration;

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{utils::Backoff, watcher},
};

use ::sandbox::place::Place;

use crate::{args::Global, error::Error, sandbox, screen::progress::Progress};

/// A connection to the API server.
#[derive(Clone)]
pub struct Cluster {
    /// Sends requests.
    pub client: Client,
    /// Where the API server is, for messages.
    pub url: String,
    /// Namespace of the mesh.
    pub system: String,
    /// Whether it is a sandbox, which brings the mesh with it.
    pub is_sandbox: bool,
    /// Version that the server reports, such as `1.34` and `v1.34.2`.
    pub version: Version,
}

/// Version of a Kubernetes.
#[derive(Clone, Debug)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// As the server wrote it.
    pub full: String,
}

impl Cluster {
    /// Connects, and asks for the version to see that it works.
    pub async fn connect(global: &Global) -> Result<Self, Error> {
        if let Some(place) = sandbox_of(global)? {
            return Self::sandbox(&place, global).await;
        }
        let mut config = configuration(global).await?;
        config.connect_timeout = Some(Duration::from_secs(5));
        // A server that takes a request and says nothing more must not hold us for ever. Watches hear a bookmark every
        // minute at most, break, and are begun again.
        config.read_timeout = Some(READ_LIMIT);
        config.reset_reader_on_write = true;
        let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let client = Client::try_from(config)
            .map_err(|error| Error::user(format!("cannot use the credentials for {url}")).caused_by(&error))?;
        Self::greet(client, url, false, global).await
    }

    /// Refuses what is for clusters alone.
    pub fn unless_sandbox(&self, what: &str) -> Result<(), Error> {
        match self.is_sandbox {
            true => {
                Err(Error::usage(format!("{what} is for clusters: a sandbox has the mesh from its start to its end"))
                    .hint("give --kubeconfig FILE for a cluster"))
            }
            false => Ok(()),
        }
    }

    /// Connects to a sandbox on this machine.
    pub async fn sandbox(place: &Place, global: &Global) -> Result<Self, Error> {
        Self::greet(::sandbox::client::connect(place), format!("sandbox {}", place.name), true, global).await
    }

    async fn greet(client: Client, url: String, is_sandbox: bool, global: &Global) -> Result<Self, Error> {
        let answer = tokio::time::timeout(Duration::from_secs(15), client.apiserver_version()).await;
        let info = match answer {
            Ok(Ok(info)) => info,
            Ok(Err(error)) => return Err(unreachable(&url, &error)),
            Err(_) => {
                return Err(Error::user(format!("no answer from the cluster at {url} within 15 s")).hint(REACH_HINT));
            }
        };
        let number = |text: &str| text.trim_end_matches('+').parse().unwrap_or(0);
        let version = Version { major: number(&info.major), minor: number(&info.minor), full: info.git_version };
        Ok(Self { client, url, system: global.istio_namespace.clone(), is_sandbox, version })
    }

    /// Returns the failure of a request: what was tried, why the server refused.
    pub fn failed(&self, what: &str, error: &kube::Error) -> Error {
        failed(&self.url, what, error)
    }

    /// Judges the failure of a watch, which begins again by itself: a right that is missing does not come back; all else
    /// may, and is told.
    pub fn watch_again(&self, what: &str, error: &watcher::Error, progress: &Progress) -> Result<(), Error> {
        match error {
            watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => match error {
                kube::Error::Api(status) if matches!(status.code, 401 | 403) => return Err(self.failed(what, error)),
                kube::Error::Api(_) => {}
                _ => progress.note(&format!("! the cluster at {} does not answer; trying again", self.url)),
            },
            _ => {}
        }
        Ok(())
    }
}

/// How long to wait before a watch is begun again: always the same, since somebody sits before the screen.
pub struct EverySecond;

impl Iterator for EverySecond {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
}

impl Backoff for EverySecond {
    fn reset(&mut self) {}
}

/// Longest that the API server may say nothing.
const READ_LIMIT: Duration = Duration::from_secs(30);

const REACH_HINT: &str = "check --kubeconfig and --context, and that the API server is up (`kubectl cluster-info`)";

/// Returns the sandbox that a command is about: the one that is asked for, or, where nothing names a cluster, the only one
/// that runs. That it is one is said, since the operator may have meant a cluster.
fn sandbox_of(global: &Global) -> Result<Option<Place>, Error> {
    if let Some(name) = &global.sandbox {
        return sandbox::named(Some(name)).map(Some);
    }
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from).unwrap_or_default();
    let configured = global.kubeconfig.is_some()
        || global.context.is_some()
        || set("KUBECONFIG")
        || set("KUBERNETES_SERVICE_HOST")
        || home.join(".kube/config").exists();
    let mut running = if configured { vec![] } else { Place::running().unwrap_or_default() };
    match running.len() {
        1 => {
            let place = running.remove(0);
            eprintln!("target: sandbox {} (no kubeconfig is set)", place.name);
            Ok(Some(place))
        }
        0 => Ok(None),
        _ => sandbox::named(None).map(Some),
    }
}

async fn configuration(global: &Global) -> Result<Config, Error> {
    let options = KubeConfigOptions { context: global.context.clone(), ..KubeConfigOptions::default() };
    if let Some(path) = &global.kubeconfig {
        let file = Kubeconfig::read_from(path)
            .map_err(|error| Error::user(format!("cannot read kubeconfig {}", path.display())).caused_by(&error))?;
        return Config::from_custom_kubeconfig(file, &options)
            .await
            .map_err(|error| Error::user(format!("kubeconfig {} is of no use", path.display())).caused_by(&error));
    }
    if global.context.is_some() {
        return Config::from_kubeconfig(&options)
            .await
            .map_err(|error| Error::user("cannot use that context of the kubeconfig").caused_by(&error));
    }
    Config::infer().await.map_err(|error| {
        Error::user("no cluster is configured").caused_by(&error).hint("give --kubeconfig FILE, or set KUBECONFIG")
    })
}

fn unreachable(url: &str, error: &kube::Error) -> Error {
    match error {
        kube::Error::Api(_) => failed(url, "ask for the version", error),
        _ => Error::user(format!("cannot reach the cluster at {url}")).caused_by(error).hint(REACH_HINT),
    }
}

fn failed(url: &str, what: &str, error: &kube::Error) -> Error {
    match error {
        // The server's own sentence says it all; the library would print it twice, with the whole structure.
        kube::Error::Api(status) => {
            let failed = Error::user(format!("cannot {what}")).because(status.message.clone());
            match status.code {
                // The server forbids what cannot be done any more, too.
                403 if status.message.contains("being terminated") => {
                    failed.hint("wait until the namespace is gone, then try again")
                }
                401 => failed.hint("the credentials of the kubeconfig are not accepted: renew them"),
                403 => failed.hint("the account of the kubeconfig lacks this right: ask the cluster's administrator"),
                _ => failed,
            }
        }
        _ => Error::user(format!("cannot {what} at {url}")).caused_by(error),
    }
}
