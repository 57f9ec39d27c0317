//! Runs a pod's programs: through the pod's own first process, or, for pods that see the sandbox's processes, directly.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use net::{
    netns::Netns,
    process::{self, Network},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::sync::mpsc;

use crate::{
    files::View,
    pause::{self, News, Order, PAUSE, Program},
};

/// Tells why a pod's processes cannot be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The first process.
    #[error("cannot start the pod's first process")]
    Start(#[source] io::Error),
    /// Its namespaces.
    #[error("cannot start the pod's first process")]
    Namespaces(#[from] process::StartError),
    /// A pipe.
    #[error("the pod's first process is gone")]
    Gone(#[source] io::Error),
}

/// Process groups by the name of the container.
pub type Processes = Arc<Mutex<BTreeMap<String, i32>>>;

/// Where a pod's programs run.
pub enum Runner {
    /// In the pod's own namespaces.
    Apart(Apart),
    /// Beside the supervisor, in this network namespace.
    Beside(Beside),
}

impl Runner {
    /// Makes namespaces for a pod, with its first process in them; `Ready` or `Failed` comes as news.
    ///
    /// # Errors
    /// The machine refuses.
    pub fn apart(netns: &Netns, program: &Path, view: View, news: mpsc::Sender<News>) -> Result<Self, Error> {
        let mut command = Command::new(program);
        command.arg(PAUSE).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = process::start(&mut command, Network::Of(netns))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(Error::Start(io::Error::from(io::ErrorKind::BrokenPipe)));
        };
        let pid = child.id();
        thread("pod", move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // What cannot be read is no news.
                if let Ok(told) = serde_json::from_str(&line)
                    && news.blocking_send(told).is_err()
                {
                    break;
                }
            }
            let _ = child.wait();
            let _ = news.blocking_send(News::Failed("the pod's first process ended".to_owned()));
        })
        .map_err(Error::Start)?;
        let mut apart = Apart { stdin, pid };
        apart.order(&Order::Setup(view))?;
        Ok(Self::Apart(apart))
    }

    /// Starts a program under a name; the outcome and its end come as news.
    ///
    /// # Errors
    /// The pod's first process is gone.
    pub fn start(&mut self, name: &str, program: Program) -> Result<(), Error> {
        match self {
            Self::Apart(apart) => apart.order(&Order::Start(name.to_owned(), program)),
            Self::Beside(beside) => {
                beside.start(name.to_owned(), program);
                Ok(())
            }
        }
    }

    /// Sends a signal to the program of this name.
    pub fn signal(&mut self, name: &str, signal: Signal) {
        match self {
            // Gone: then the program is as well.
            Self::Apart(apart) => drop(apart.order(&Order::Signal(name.to_owned(), signal as i32))),
            Self::Beside(beside) => beside.signal(name, signal),
        }
    }

    /// Returns the process that is first in the pod's namespaces, if it has its own.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        match self {
            Self::Apart(apart) => Some(apart.pid),
            Self::Beside(_) => None,
        }
    }

    /// Returns the process groups of programs beside the supervisor, kept up to date.
    #[must_use]
    pub fn processes(&self) -> Processes {
        match self {
            Self::Apart(_) => Processes::default(),
            Self::Beside(beside) => beside.running.clone(),
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        match self {
            // Of a PID namespace all processes end with the first.
            Self::Apart(apart) => drop(kill(Pid::from_raw(apart.pid.cast_signed()), Signal::SIGKILL)),
            Self::Beside(beside) => {
                for pid in lock(&beside.running).values() {
                    let _ = kill(Pid::from_raw(-pid), Signal::SIGKILL);
                }
            }
        }
    }
}

/// The first process of a pod.
pub struct Apart {
    stdin: ChildStdin,
    pid: u32,
}

impl Apart {
    fn order(&mut self, order: &Order) -> Result<(), Error> {
        let mut line = serde_json::to_vec(order).map_err(|e| Error::Gone(e.into()))?;
        line.push(b'\n');
        self.stdin.write_all(&line).and_then(|()| self.stdin.flush()).map_err(Error::Gone)
    }
}

/// Programs beside the supervisor.
pub struct Beside {
    netns: Netns,
    running: Processes,
    news: mpsc::Sender<News>,
}

impl Beside {
    /// Makes a runner in a network namespace.
    #[must_use]
    pub fn new(netns: Netns, news: mpsc::Sender<News>) -> Self {
        Self { netns, running: Arc::default(), news }
    }

    fn start(&self, name: String, program: Program) {
        let (netns, running, news) = (self.netns.clone(), self.running.clone(), self.news.clone());
        let begun = thread("container", move || match spawn(&netns, &program) {
            Err(reason) => drop(news.blocking_send(News::NotStarted(name, reason))),
            Ok(mut child) => {
                let pid = child.id().cast_signed();
                lock(&running).insert(name.clone(), pid);
                let _ = news.blocking_send(News::Started(name.clone()));
                let code = child.wait().map_or(1, |status| {
                    use std::os::unix::process::ExitStatusExt;
                    status.code().or(status.signal().map(|s| 128 + s)).unwrap_or(1)
                });
                lock(&running).remove(&name);
                let _ = kill(Pid::from_raw(-pid), Signal::SIGKILL);
                let _ = news.blocking_send(News::Ended(name, code));
            }
        });
        if let Err(error) = begun {
            tracing::error!(%error, "no thread for a container");
        }
    }

    fn signal(&self, name: &str, signal: Signal) {
        if let Some(pid) = lock(&self.running).get(name) {
            let _ = kill(Pid::from_raw(-pid), signal);
        }
    }
}

fn spawn(netns: &Netns, program: &Program) -> Result<Child, String> {
    let mut command = pause::command(program)?;
    match netns.run(|| command.spawn()) {
        Ok(Ok(child)) => Ok(child),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(runtime::error::chain(&error)),
    }
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    // Small: it only waits.
    std::thread::Builder::new().name(name.to_owned()).stack_size(128 << 10).spawn(work).map(drop)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
