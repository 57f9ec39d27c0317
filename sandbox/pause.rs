//! The first process of a pod: gives it its own view of the files, starts its containers, and tells what becomes of them.
//! Everything of the pod ends with it.
//!
//! Started by [`crate::pod`]; the two speak in lines of JSON, [`Order`]s on standard input and [`News`] on standard output.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use net::process;
use nix::{
    errno::Errno,
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        prctl,
        signal::{SigSet, Signal, kill},
        signalfd::{SfdFlags, SignalFd},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, pipe2},
};
use serde::{Deserialize, Serialize};

use crate::{
    files,
    log::{Log, Logs},
};

/// The argument that starts a pod's first process; nobody types it.
pub const PAUSE: &str = "__sandbox-pod";

/// A program to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Where it starts; the root directory otherwise.
    pub directory: Option<PathBuf>,
    /// Whether its output, of both kinds, is kept under its name.
    pub logged: bool,
}

/// What the pod is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Comes first.
    Setup(files::View),
    /// Run a program under this name.
    Start(String, Program),
    /// Send a signal to the process group of this name.
    Signal(String, i32),
}

/// What the pod tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// The view of the files is in place.
    Ready,
    /// It cannot be.
    Failed(String),
    /// The program runs.
    Started(String),
    /// The program cannot be run.
    NotStarted(String, String),
    /// The program ended: with this code, or 128 and the signal.
    Ended(String, i32),
}

/// Runs until standard input ends; the process must have one thread.
pub fn run() -> i32 {
    match serve() {
        Ok(()) => 0,
        Err(error) => {
            tell(&News::Failed(runtime::error::chain(&error)));
            1
        }
    }
}

/// Tells why a pod cannot be.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("cannot read orders")]
    Read(#[source] io::Error),
    #[error("an order makes no sense")]
    Order(#[from] serde_json::Error),
    #[error("cannot wait for processes")]
    Signals(#[source] Errno),
    #[error("the pod's files cannot be set up")]
    Files(#[from] files::Error),
    #[error("the pod's rights cannot be reduced")]
    Rights(#[source] io::Error),
}

/// The variable that marks the processes of a container, wherever they go.
pub const MARK: &str = "AMBIENT_CONTAINER";
/// How much output is taken at once.
const PIECE: usize = 64 << 10;

/// A program that runs.
struct Running {
    name: String,
    pipe: Option<File>,
    log: Option<Log>,
}

/// The pod as its first process knows it.
#[derive(Default)]
struct Pod {
    logs: Option<Logs>,
    running: BTreeMap<i32, Running>,
}

fn serve() -> Result<(), Error> {
    // Blocked before anything is started, so that no end of a process is missed.
    let mut ended = SigSet::empty();
    ended.add(Signal::SIGCHLD);
    ended.thread_block().map_err(Error::Signals)?;
    let ends = SignalFd::with_flags(&ended, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(Error::Signals)?;
    let mut orders = io::BufReader::new(io::stdin());
    let mut pod = Pod::default();
    loop {
        if orders.buffer().is_empty() {
            let stdin = io::stdin();
            let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
            let pids: Vec<i32> = pod.running.iter().filter(|(_, r)| r.pipe.is_some()).map(|(pid, _)| *pid).collect();
            let pipes = pod.running.values().filter_map(|r| r.pipe.as_ref()).map(|pipe| readable(pipe.as_fd()));
            let mut all: Vec<PollFd<'_>> =
                [readable(stdin.as_fd()), readable(ends.as_fd())].into_iter().chain(pipes).collect();
            match poll(&mut all, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::Signals(errno)),
            }
            let found: Vec<bool> = all.iter().map(|fd| fd.any().unwrap_or(true)).collect();
            drop(all);
            for (pid, _) in pids.iter().zip(&found[2..]).filter(|(_, found)| **found) {
                if let Some(running) = pod.running.get_mut(pid) {
                    running.take(1);
                }
            }
            if found[1] {
                let _ = ends.read_signal();
                pod.reap();
            }
            if !found[0] {
                continue;
            }
        }
        let mut line = String::new();
        // Only whole lines are sent, so this does not wait.
        if orders.read_line(&mut line).map_err(Error::Read)? == 0 {
            return Ok(());
        }
        pod.obey(serde_json::from_str(&line)?)?;
    }
}

impl Running {
    /// Takes up to so many pieces of what the program has written.
    fn take(&mut self, pieces: usize) {
        let mut buffer = vec![0; PIECE];
        for _ in 0..pieces {
            let Some(pipe) = &mut self.pipe else { return };
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(read) => drop(self.log.as_mut().map(|log| log.write(&buffer[..read]))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.pipe = None,
            }
        }
    }
}

impl Pod {
    fn obey(&mut self, order: Order) -> Result<(), Error> {
        match order {
            Order::Setup(view) => {
                self.logs = Some(files::set_up(&view)?);
                // Nobody in the pod is to look into this process, which has the logs open.
                prctl::set_dumpable(false).map_err(|e| Error::Rights(e.into()))?;
                process::restrict().map_err(Error::Rights)?;
                tell(&News::Ready);
            }
            Order::Start(name, program) => {
                match self.start(&name, &program) {
                    Ok(()) => tell(&News::Started(name)),
                    Err(reason) => tell(&News::NotStarted(name, reason)),
                }
                self.reap();
            }
            Order::Signal(name, signal) => {
                let signal = Signal::try_from(signal).unwrap_or(Signal::SIGKILL);
                for (pid, _) in self.running.iter().filter(|(_, r)| r.name == name) {
                    // It leads a group of its own, which it may have filled.
                    let _ = kill(Pid::from_raw(-pid), signal);
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, name: &str, program: &Program) -> Result<(), String> {
        let mut command = command(name, program)?;
        let mut running = Running { name: name.to_owned(), pipe: None, log: None };
        if let Some(logs) = self.logs.as_ref().filter(|_| program.logged) {
            running.log = Some(logs.log(name).map_err(|e| format!("cannot open the log: {e}"))?);
            let (read, write) = pipe2(OFlag::O_CLOEXEC).map_err(|e| e.to_string())?;
            // Only this end: programs expect their output to wait.
            let flags = nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK);
            nix::fcntl::fcntl(&read, flags).map_err(|e| e.to_string())?;
            let both: OwnedFd = write.try_clone().map_err(|e| e.to_string())?;
            command.stdout(write).stderr(both);
            running.pipe = Some(read.into());
        }
        // The program inherits what is blocked. A signal that is lost between is made up for by looking at the end.
        let mut ends = SigSet::empty();
        ends.add(Signal::SIGCHLD);
        ends.thread_unblock().map_err(|e| e.to_string())?;
        let child = command.spawn();
        ends.thread_block().map_err(|e| e.to_string())?;
        let child = child.map_err(|e| unable(program, &e))?;
        self.running.insert(child.id().cast_signed(), running);
        Ok(())
    }

    fn reap(&mut self) {
        loop {
            let (pid, code) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid.as_raw(), code),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid.as_raw(), 128 + signal as i32),
                Err(Errno::EINTR) => continue,
                _ => return,
            };
            // Orphans end here as well, and interest nobody.
            if let Some(mut running) = self.running.remove(&pid) {
                // What it left behind goes with it, as with a container.
                let _ = kill(Pid::from_raw(-pid), Signal::SIGKILL);
                if running.log.is_some() {
                    sweep(&running.name);
                }
                running.take(usize::MAX);
                tell(&News::Ended(running.name, code));
            }
        }
    }
}

/// Kills every process that bears the mark of a container, also those that left its group.
fn sweep(name: &str) {
    let mark = format!("{MARK}={name}");
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()).filter(|pid| *pid > 1) else {
            continue;
        };
        let env = fs::read(entry.path().join("environ")).unwrap_or_default();
        if env.split(|b| *b == 0).any(|variable| variable == mark.as_bytes()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Makes the command of a program that leads a process group of its own; its output goes nowhere yet.
pub fn command(name: &str, program: &Program) -> Result<Command, String> {
    let [first, arguments @ ..] = program.argv.as_slice() else { return Err("no command".to_owned()) };
    let path = find(first, program.env.get("PATH").map_or("", String::as_str)).ok_or_else(|| absent(first))?;
    let mut command = Command::new(path);
    command
        .arg0(first)
        .args(arguments)
        .env_clear()
        .envs(&program.env)
        .env(MARK, name)
        .current_dir(program.directory.as_deref().unwrap_or(Path::new("/")))
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(command)
}

/// Says why a program that is there does not start.
pub fn unable(program: &Program, error: &io::Error) -> String {
    match (error.kind(), &program.directory) {
        (io::ErrorKind::NotFound, Some(directory)) => format!("directory {} does not exist", directory.display()),
        _ => error.to_string(),
    }
}

/// Says that there is no such program, and where to look.
pub fn absent(name: &str) -> String {
    match files::EMPTY.iter().find(|hidden| Path::new(name).starts_with(hidden)) {
        Some(hidden) => format!("no program {name:?}: a pod has a {hidden} of its own, and does not see the machine's"),
        None => format!("this machine has no program {name:?}: a sandbox runs what is installed, and pulls no images"),
    }
}

/// Looks a program up as a shell would, in the environment that it will have.
pub fn find(name: &str, path: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|p| p.is_file());
    }
    path.split(':').map(|dir| Path::new(dir).join(name)).find(|p| fs::metadata(p).is_ok_and(|m| m.is_file()))
}

fn tell(news: &News) {
    let Ok(mut line) = serde_json::to_vec(news) else { return };
    line.push(b'\n');
    // Nobody is left to hear it when the supervisor is gone; then this process is as well.
    let _ = io::stdout().write_all(&line).and_then(|()| io::stdout().flush());
}
