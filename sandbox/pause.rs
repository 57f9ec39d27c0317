//! The first process of a pod: gives it its own view of the files, starts its containers, and tells what becomes of them.
//! Everything of the pod ends with it.
//!
//! Started by [`crate::pod`]; the two speak in lines of JSON, [`Order`]s on standard input and [`News`] on standard output.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, BufRead, Write},
    os::{fd::AsFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal, kill},
        signalfd::{SfdFlags, SignalFd},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

use crate::files;

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
    /// Where its output goes, both kinds.
    pub log: Option<PathBuf>,
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
}

fn serve() -> Result<(), Error> {
    // Blocked before anything is started, so that no end of a process is missed.
    let mut ended = SigSet::empty();
    ended.add(Signal::SIGCHLD);
    ended.thread_block().map_err(Error::Signals)?;
    let ends = SignalFd::with_flags(&ended, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(Error::Signals)?;
    let mut orders = io::BufReader::new(io::stdin());
    let mut running: BTreeMap<i32, String> = BTreeMap::new();
    loop {
        if orders.buffer().is_empty() {
            let stdin = io::stdin();
            let mut both =
                [PollFd::new(stdin.as_fd(), PollFlags::POLLIN), PollFd::new(ends.as_fd(), PollFlags::POLLIN)];
            match poll(&mut both, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::Signals(errno)),
            }
            let (order, end) = (both[0].any().unwrap_or(true), both[1].any().unwrap_or(true));
            if end {
                let _ = ends.read_signal();
                reap(&mut running);
            }
            if !order {
                continue;
            }
        }
        let mut line = String::new();
        // Only whole lines are sent, so this does not wait.
        if orders.read_line(&mut line).map_err(Error::Read)? == 0 {
            return Ok(());
        }
        obey(serde_json::from_str(&line)?, &mut running)?;
    }
}

fn obey(order: Order, running: &mut BTreeMap<i32, String>) -> Result<(), Error> {
    match order {
        Order::Setup(view) => {
            files::set_up(&view)?;
            tell(&News::Ready);
        }
        Order::Start(name, program) => match start(&program) {
            Ok(pid) => {
                running.insert(pid, name.clone());
                tell(&News::Started(name));
            }
            Err(reason) => tell(&News::NotStarted(name, reason)),
        },
        Order::Signal(name, signal) => {
            let signal = Signal::try_from(signal).unwrap_or(Signal::SIGKILL);
            for (pid, _) in running.iter().filter(|(_, n)| **n == name) {
                // It leads a group of its own, which it may have filled.
                let _ = kill(Pid::from_raw(-pid), signal);
            }
        }
    }
    Ok(())
}

fn reap(running: &mut BTreeMap<i32, String>) {
    loop {
        let (pid, code) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => (pid, code),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, 128 + signal as i32),
            Err(Errno::EINTR) => continue,
            _ => return,
        };
        // Orphans end here as well, and interest nobody.
        if let Some(name) = running.remove(&pid.as_raw()) {
            // What it left behind in its group goes with it, as with a container.
            let _ = kill(Pid::from_raw(-pid.as_raw()), Signal::SIGKILL);
            tell(&News::Ended(name, code));
        }
    }
}

/// Starts a program as the leader of a process group of its own.
pub fn command(program: &Program) -> Result<Command, String> {
    let [name, arguments @ ..] = program.argv.as_slice() else { return Err("no command".to_owned()) };
    let path = find(name, program.env.get("PATH").map_or("", String::as_str)).ok_or_else(|| absent(name))?;
    let (out, err) = match &program.log {
        None => (Stdio::null(), Stdio::null()),
        Some(log) => {
            let open = || {
                let file = OpenOptions::new().create(true).append(true).open(log)?;
                Ok::<_, io::Error>((file.try_clone()?, file))
            };
            let (out, err) = open().map_err(|e| format!("cannot open the log: {e}"))?;
            (out.into(), err.into())
        }
    };
    let mut command = Command::new(path);
    command
        .arg0(name)
        .args(arguments)
        .env_clear()
        .envs(&program.env)
        .current_dir(program.directory.as_deref().unwrap_or(Path::new("/")))
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err);
    Ok(command)
}

fn start(program: &Program) -> Result<i32, String> {
    let mut command = command(program)?;
    let child = command.spawn().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => format!("directory {:?} does not exist", program.directory),
        _ => e.to_string(),
    })?;
    i32::try_from(child.id()).map_err(|e| e.to_string())
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
