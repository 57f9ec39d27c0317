//! The way from the command line into a sandbox: its API over its socket, and its namespaces.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::Command,
};

use http::{Request, Uri};
use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioIo},
};
use kube::client::{Body, middleware::BaseUriLayer};
use net::process;
use nix::{
    sched::{CloneFlags, setns},
    sys::{
        prctl,
        signal::{SigSet, Signal, kill},
    },
    unistd::Pid,
};
use serde::Deserialize;
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
    /// The rights of the pod's programs.
    #[error("cannot take the rights that a pod has not")]
    Rights(#[source] io::Error),
    /// The command.
    #[error("cannot run {0:?}")]
    Run(String, #[source] io::Error),
}

/// Where a pod's namespaces are, in the sandbox's own `/proc`.
#[derive(Clone, Debug, Deserialize)]
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

/// Runs a command in a pod, with this process's standard streams, and returns its exit code.
///
/// Must be called while the process has one thread: it leaves its own namespaces for good. The way has two steps, each a
/// process: what is inside a PID namespace can be named only by a process that is inside.
///
/// # Errors
/// The sandbox cannot be entered. What fails behind that is told on standard error.
pub fn run_inside(place: &Place, pod: &Inside, argv: &[String]) -> Result<i32, Error> {
    let pid = place.pid().and_then(|p| u32::try_from(p).ok()).ok_or_else(|| Error::NotRunning(place.name.clone()))?;
    process::enter_namespaces(pid)?;
    // From here on `/proc` is the sandbox's.
    let program = place.dir.join(PROGRAM);
    let mut second = Command::new(&program);
    second
        .arg(EXEC)
        .arg(pod.first.map_or_else(|| "-".to_owned(), |first| first.to_string()))
        .arg(&pod.netns)
        .args(argv);
    // The variables are handed on as variables: arguments can be read by everybody.
    second.env_clear().envs(&pod.env);
    if let Some(term) = std::env::var_os("TERM") {
        second.env("TERM", term);
    }
    attend(&mut second).map_err(|e| Error::Run(program.display().to_string(), e))
}

/// The second step: with the first process of the pod or `-`, its network namespace, the command, and its variables as this
/// process's own.
pub fn exec(arguments: &[OsString]) -> i32 {
    // The first step may be killed; what it started is to hear of that.
    let _ = prctl::set_pdeathsig(Signal::SIGHUP);
    let [first, netns, program, rest @ ..] = arguments else { return 2 };
    let first = first.to_str().and_then(|f| f.parse().ok());
    match inside(first, Path::new(netns), &program.to_string_lossy(), rest) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", runtime::error::chain(&error));
            // As a shell says that a command cannot be run.
            127
        }
    }
}

fn inside(first: Option<u32>, netns: &Path, program: &str, arguments: &[OsString]) -> Result<i32, Error> {
    match first {
        Some(first) => {
            process::enter_namespaces(first)?;
            // As the pod's own programs.
            process::restrict().map_err(Error::Rights)?;
        }
        None => {
            let file = std::fs::File::open(netns).map_err(Error::Network)?;
            setns(file, CloneFlags::CLONE_NEWNET).map_err(|e| Error::Network(e.into()))?;
        }
    }
    let path = crate::pause::find(program, &std::env::var("PATH").unwrap_or_default());
    let path = path.ok_or_else(|| Error::Absent(crate::pause::absent(program)))?;
    let mut command = Command::new(path);
    command.args(arguments).current_dir("/");
    attend(&mut command).map_err(|e| Error::Run(program.to_owned(), e))
}

/// Runs a command to its end, and hands signals on to it. Those of the terminal it gets by itself, and decides about.
fn attend(command: &mut Command) -> io::Result<i32> {
    use std::os::unix::process::ExitStatusExt;
    let mut heard = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
        heard.add(signal);
    }
    // The program inherits what is blocked, so it is blocked only then; an end that comes between is seen by looking.
    let mut child = command.spawn()?;
    heard.thread_block()?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code().or(status.signal().map(|s| 128 + s)).unwrap_or(1));
        }
        match heard.wait()? {
            Signal::SIGCHLD | Signal::SIGINT | Signal::SIGQUIT => {}
            other => drop(kill(Pid::from_raw(child.id().cast_signed()), other)),
        }
    }
}
