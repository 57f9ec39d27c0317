//! The way from the command line into a sandbox: its API over its socket, and its namespaces.

use std::{collections::BTreeMap, io, path::PathBuf, process::Command};

use http::{Request, Uri};
use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioIo},
};
use kube::client::{Body, middleware::BaseUriLayer};
use net::process;
use nix::sched::{CloneFlags, setns};
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tower::ServiceBuilder;

use crate::place::{PROGRAM, Place};

/// Tells why a sandbox cannot be entered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not running.
    #[error("sandbox {0} is not running")]
    NotRunning(String),
    /// The namespaces.
    #[error("cannot enter the pod")]
    Enter(#[from] process::EnterError),
    /// The network namespace of a pod that has no others.
    #[error("cannot enter the pod's network")]
    Network(#[source] io::Error),
    /// There is no such program in the pod.
    #[error("{0}")]
    Absent(String),
    /// The command.
    #[error("cannot run {0:?}")]
    Run(String, #[source] io::Error),
}

/// Where a pod's namespaces are, in the sandbox's own `/proc`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Inside {
    /// The first process of its namespaces, if it has its own.
    pub first: Option<u32>,
    /// Its network namespace.
    pub netns: PathBuf,
    /// The variables of its first container.
    pub env: BTreeMap<String, String>,
}

/// Makes a client of the sandbox's API; nothing is sent yet.
#[must_use]
pub fn connect(place: &Place) -> kube::Client {
    let socket = place.socket();
    let connector = tower::service_fn(move |_: Uri| {
        let socket = socket.clone();
        Box::pin(async move { Ok::<_, io::Error>(TokioIo::new(UnixStream::connect(socket).await?)) })
    });
    let client: legacy::Client<_, Body> = legacy::Client::builder(TokioExecutor::new()).build(connector);
    // The host is never looked up: the socket is the way.
    let base = Uri::from_static("http://sandbox");
    let service = ServiceBuilder::new().layer(BaseUriLayer::new(base)).service(client);
    kube::Client::new(service, "default")
}

/// Asks for one of the sandbox's own pages, below `/sandbox/v1/`.
///
/// # Errors
/// The sandbox does not answer, or refuses.
pub async fn page<T: serde::de::DeserializeOwned>(client: &kube::Client, path: &str) -> kube::Result<T> {
    let request = Request::get(format!("/sandbox/v1/{path}")).body(Vec::new()).map_err(kube::Error::HttpError)?;
    client.request(request).await
}

/// The argument that starts the second step of running a command in a pod; nobody types it.
pub const EXEC: &str = "__sandbox-exec";

/// What the second step is told.
#[derive(Debug, Deserialize, Serialize)]
struct Second {
    pod: Inside,
    argv: Vec<String>,
}

/// Runs a command in a pod, with this process's standard streams, and returns its exit code.
///
/// Must be called while the process has one thread: it leaves its own namespaces for good. The way has two steps, each a
/// process: what is inside a PID namespace can be named only by a process that is inside.
///
/// # Errors
/// The sandbox cannot be entered. What fails behind that is told on standard error.
pub fn run_inside(place: &Place, pod: Inside, argv: &[String]) -> Result<i32, Error> {
    let pid = place.pid().and_then(|p| u32::try_from(p).ok()).ok_or_else(|| Error::NotRunning(place.name.clone()))?;
    process::enter_namespaces(pid)?;
    // From here on `/proc` is the sandbox's.
    let program = place.dir.join(PROGRAM);
    let second = serde_json::to_string(&Second { pod, argv: argv.to_vec() }).unwrap_or_default();
    let status = Command::new(&program).arg(EXEC).arg(second).status();
    code(status.map_err(|e| Error::Run(program.display().to_string(), e))?)
}

/// The second step.
pub fn exec(second: &str) -> i32 {
    let outcome = serde_json::from_str::<Second>(second).map_err(|e| e.to_string());
    match outcome.and_then(|second| inside(&second).map_err(|e| runtime::error::chain(&e))) {
        Ok(code) => code,
        Err(reason) => {
            eprintln!("error: {reason}");
            // As a shell says that a command cannot be run.
            127
        }
    }
}

fn inside(second: &Second) -> Result<i32, Error> {
    match second.pod.first {
        Some(first) => process::enter_namespaces(first)?,
        None => {
            let file = std::fs::File::open(&second.pod.netns).map_err(Error::Network)?;
            setns(file, CloneFlags::CLONE_NEWNET).map_err(|e| Error::Network(e.into()))?;
        }
    }
    let [program, arguments @ ..] = second.argv.as_slice() else { return Ok(0) };
    let mut env = second.pod.env.clone();
    if let Some(term) = std::env::var_os("TERM").and_then(|t| t.into_string().ok()) {
        env.insert("TERM".to_owned(), term);
    }
    let path = crate::pause::find(program, env.get("PATH").map_or("", String::as_str));
    let failed = |e| Error::Run(program.clone(), e);
    let path = path.ok_or_else(|| Error::Absent(crate::pause::absent(program)))?;
    code(Command::new(path).args(arguments).env_clear().envs(env).current_dir("/").status().map_err(failed)?)
}

#[expect(clippy::unnecessary_wraps, reason = "ends two functions that can fail")]
fn code(status: std::process::ExitStatus) -> Result<i32, Error> {
    use std::os::unix::process::ExitStatusExt;
    Ok(status.code().or(status.signal().map(|s| 128 + s)).unwrap_or(1))
}
