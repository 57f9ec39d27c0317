//! Runs a pod's programs: through the pod's own first process, or, for pods that see the sandbox's processes, directly.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use net::{
    netns::Netns,
    process::{self, Network},
};
use nix::{
    fcntl::OFlag,
    sys::signal::{Signal, kill},
    unistd::{Pid, pipe2},
};
use tokio::sync::mpsc;

use crate::{
    files::View,
    log::Logs,
    pause::{self, News, Order, PAUSE, Program},
};

/// The longest line that a pod's first process may say, bytes: what is longer is not its own.
const LINE: u64 = 64 << 10;
/// The most orders that wait for it.
const ORDERS: usize = 64;
/// How much of a program's output is taken at once.
const PIECE: usize = 64 << 10;

/// Tells why a pod's processes cannot be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The first process.
    #[error("cannot start the pod's first process")]
    Start(#[source] io::Error),
    /// Its namespaces.
    #[error("cannot start the pod's first process")]
    Namespaces(#[from] process::StartError),
    /// It takes no orders.
    #[error("the pod's first process takes no orders")]
    Gone,
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
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Start(io::Error::from(io::ErrorKind::BrokenPipe)));
        };
        let (pid, alive) = (child.id(), Arc::new(AtomicBool::new(true)));
        let living = alive.clone();
        thread("pod", move || {
            listen(stdout, &news);
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
            living.store(false, Ordering::Release);
            let _ = child.wait();
            let _ = news.blocking_send(News::Failed("the pod's first process ended".to_owned()));
        })
        .map_err(Error::Start)?;
        // A thread writes: one that does not read must not hold up anybody else.
        let (orders, waiting) = mpsc::channel(ORDERS);
        thread("orders", move || write(stdin, waiting)).map_err(Error::Start)?;
        let mut apart = Apart { orders, pid, alive };
        apart.order(&Order::Setup(view))?;
        Ok(Self::Apart(apart))
    }

    /// Starts a program under a name; the outcome and its end come as news.
    ///
    /// # Errors
    /// The pod's first process takes no orders.
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
            Self::Beside(beside) => {
                if let Some(pid) = lock(&beside.running).get(name) {
                    let _ = kill(Pid::from_raw(-pid), signal);
                }
            }
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
            Self::Apart(apart) if apart.alive.load(Ordering::Acquire) => {
                let _ = kill(Pid::from_raw(apart.pid.cast_signed()), Signal::SIGKILL);
            }
            Self::Apart(_) => {}
            Self::Beside(beside) => {
                let running = lock(&beside.running);
                // Under the lock: a program that is just being started sees it, or is seen here.
                beside.closed.store(true, Ordering::Release);
                for pid in running.values() {
                    let _ = kill(Pid::from_raw(-pid), Signal::SIGKILL);
                }
            }
        }
    }
}

fn listen(stdout: impl Read, news: &mpsc::Sender<News>) {
    let mut reader = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        let read = (&mut reader).take(LINE).read_until(b'\n', &mut line);
        if !matches!(read, Ok(1..)) || line.last() != Some(&b'\n') {
            return;
        }
        // What cannot be read is no news.
        if let Ok(told) = serde_json::from_slice(&line)
            && news.blocking_send(told).is_err()
        {
            return;
        }
    }
}

fn write(mut stdin: ChildStdin, mut orders: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = orders.blocking_recv() {
        if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

/// The first process of a pod.
pub struct Apart {
    orders: mpsc::Sender<Vec<u8>>,
    pid: u32,
    alive: Arc<AtomicBool>,
}

impl Apart {
    fn order(&mut self, order: &Order) -> Result<(), Error> {
        let mut line = serde_json::to_vec(order).map_err(|_| Error::Gone)?;
        line.push(b'\n');
        self.orders.try_send(line).map_err(|_| Error::Gone)
    }
}

/// Programs beside the supervisor.
pub struct Beside {
    netns: Netns,
    logs: Logs,
    running: Processes,
    closed: Arc<AtomicBool>,
    news: mpsc::Sender<News>,
}

impl Beside {
    /// Makes a runner in a network namespace, which keeps what programs write in this directory.
    ///
    /// # Errors
    /// The directory cannot be opened.
    pub fn new(netns: Netns, logs: &Path, news: mpsc::Sender<News>) -> io::Result<Self> {
        Ok(Self { netns, logs: Logs::open(logs)?, running: Arc::default(), closed: Arc::default(), news })
    }

    fn start(&self, name: String, program: Program) {
        let (netns, running, closed) = (self.netns.clone(), self.running.clone(), self.closed.clone());
        let (logs, news) = (self.logs.clone(), self.news.clone());
        let begun = thread("container", move || match spawn(&netns, &logs, &name, &program) {
            Err(reason) => drop(news.blocking_send(News::NotStarted(name, reason))),
            Ok((mut child, pipe)) => {
                let pid = child.id().cast_signed();
                {
                    let mut running = lock(&running);
                    if closed.load(Ordering::Acquire) {
                        let _ = kill(Pid::from_raw(-pid), Signal::SIGKILL);
                    }
                    running.insert(name.clone(), pid);
                }
                let _ = news.blocking_send(News::Started(name.clone()));
                keep(&logs, &name, pipe);
                let code = child.wait().map_or(1, |status| {
                    use std::os::unix::process::ExitStatusExt;
                    status.code().or(status.signal().map(|s| 128 + s)).unwrap_or(1)
                });
                lock(&running).remove(&name);
                let _ = news.blocking_send(News::Ended(name, code));
            }
        });
        if let Err(error) = begun {
            tracing::error!(%error, "no thread for a container");
        }
    }
}

/// Writes a program's output to its log until it ends.
fn keep(logs: &Logs, name: &str, mut pipe: std::fs::File) {
    let Ok(mut log) = logs.log(name) else { return };
    let mut buffer = vec![0; PIECE];
    while let Ok(read @ 1..) = pipe.read(&mut buffer) {
        log.write(&buffer[..read]);
    }
}

fn spawn(netns: &Netns, logs: &Logs, name: &str, program: &Program) -> Result<(Child, std::fs::File), String> {
    // Before it starts: what cannot be kept would block it.
    logs.log(name).map_err(|e| format!("cannot open the log: {e}"))?;
    let mut command = pause::command(name, program)?;
    let (read, write) = pipe2(OFlag::O_CLOEXEC).map_err(|e| e.to_string())?;
    let both = write.try_clone().map_err(|e| e.to_string())?;
    command.stdout(write).stderr(both);
    match netns.run(|| command.spawn()) {
        Ok(Ok(child)) => Ok((child, read.into())),
        Ok(Err(error)) => Err(pause::unable(program, &error)),
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
