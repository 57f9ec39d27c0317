//! Where a sandbox lives: its directory, its lock, and how to tell one that runs from what a dead one left.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::{
    fcntl::{Flock, FlockArg},
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};
use serde::{Deserialize, Serialize};

/// The name of a sandbox for which none is given.
pub const DEFAULT: &str = "default";
/// Where this program is shown, in a sandbox's directory.
pub const PROGRAM: &str = "bin/ambient";
/// How long a sandbox may take to end by itself; the kernel takes what is left with its first process.
const END: Duration = Duration::from_secs(10);

/// Tells why a sandbox's directory is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name cannot be part of paths and host names.
    #[error("{0:?} cannot name a sandbox: want up to 32 lower-case letters, digits and `-`")]
    Name(String),
    /// A file operation failed.
    #[error("cannot {what} {}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody else could write there.
    #[error("{} does not belong to this user alone", .0.display())]
    Foreign(PathBuf),
    /// It is running.
    #[error("sandbox {0} is running")]
    Running(String),
    /// It does not end.
    #[error("sandbox {0} does not end")]
    Stuck(String),
}

/// What a sandbox is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// The name.
    pub name: String,
    /// How many nodes it has.
    pub nodes: usize,
    /// Files and folders of manifests that are watched, absolute.
    pub manifests: Vec<PathBuf>,
    /// Whether to run in a user namespace although root could do without.
    pub rootless: bool,
    /// Whether it ends with the process that holds the other end of its standard input.
    pub attached: bool,
}

/// The directory of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The sandbox's name.
    pub name: String,
    /// Its directory.
    pub dir: PathBuf,
}

/// Held by a sandbox for as long as it lives; the kernel lets go of it however the process ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, never read")] Flock<File>);

impl Place {
    /// Names the place of a sandbox; nothing is made.
    ///
    /// # Errors
    /// A name that is none.
    pub fn of(name: &str) -> Result<Self, Error> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let good = !name.is_empty() && name.len() <= 32 && name.bytes().all(inner) && !name.starts_with('-');
        if !good {
            return Err(Error::Name(name.to_owned()));
        }
        Ok(Self { name: name.to_owned(), dir: base().join(name) })
    }

    /// Lists the sandboxes of this user, running or left behind.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let entries = fs::read_dir(base()).into_iter().flatten().flatten();
        let mut all: Vec<Self> = entries.filter_map(|e| Self::of(e.file_name().to_str()?).ok()).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Lists those that run.
    #[must_use]
    pub fn running() -> Vec<Self> {
        Self::all().into_iter().filter(Self::is_running).collect()
    }

    /// Where objects are kept.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Where the API is served.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.join("api.sock")
    }

    /// Where the output of containers goes: `NAMESPACE/POD/CONTAINER.log`.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// What the sandbox itself writes.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.dir.join("sandbox.log")
    }

    /// Makes the directory anew, without what a dead sandbox left in it.
    ///
    /// # Errors
    /// A sandbox of this name runs, or the directory cannot be made.
    pub fn prepare(&self, settings: &Settings) -> Result<(), Error> {
        self.clear()?;
        let base = base();
        fs::create_dir_all(&base).map_err(at("make", &base))?;
        // In a directory for everybody somebody else may have been first.
        let found = fs::symlink_metadata(&base).map_err(at("look at", &base))?;
        if !found.is_dir() || found.uid() != geteuid().as_raw() {
            return Err(Error::Foreign(base));
        }
        fs::set_permissions(&base, Permissions::from_mode(0o700)).map_err(at("protect", &base))?;
        fs::create_dir(&self.dir).map_err(at("make", &self.dir))?;
        let path = self.dir.join("settings.json");
        let text = serde_json::to_vec(settings).map_err(|e| at("write", &path)(e.into()))?;
        fs::write(&path, text).map_err(at("write", &path))
    }

    /// Reads what [`Self::prepare`] wrote.
    ///
    /// # Errors
    /// The file is not there, or not whole.
    pub fn settings(&self) -> Result<Settings, Error> {
        let path = self.dir.join("settings.json");
        let text = fs::read(&path).map_err(at("read", &path))?;
        serde_json::from_slice(&text).map_err(|e| at("read", &path)(e.into()))
    }

    /// Takes the lock, which says that the sandbox runs.
    ///
    /// # Errors
    /// It is taken.
    pub fn lock(&self) -> Result<Lock, Error> {
        let path = self.lock_path();
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(at("open", &path))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Lock(lock)),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(Error::Running(self.name.clone())),
            Err((_, errno)) => Err(at("lock", &path)(errno.into())),
        }
    }

    /// Tells whether it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        // Without the file nobody can hold it, and looking must not make it.
        let Ok(file) = File::open(self.lock_path()) else { return false };
        matches!(Flock::lock(file, FlockArg::LockSharedNonblock), Err((_, nix::errno::Errno::EWOULDBLOCK)))
    }

    /// Writes down which process is the sandbox's first.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn record(&self, pid: u32) -> Result<(), Error> {
        let path = self.dir.join("pid");
        fs::write(&path, pid.to_string()).map_err(at("write", &path))
    }

    /// Returns the first process of a sandbox that runs, as the machine numbers it.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        let pid = fs::read_to_string(self.dir.join("pid")).ok()?.trim().parse().ok()?;
        // The number alone could be another's by now.
        self.is_running().then_some(pid)
    }

    /// Ends the sandbox and removes what is left of it; returns whether there was anything.
    ///
    /// # Errors
    /// It does not end, or files cannot be removed.
    pub fn end(&self) -> Result<bool, Error> {
        if !self.dir.exists() {
            return Ok(false);
        }
        for (signal, patience) in [(Signal::SIGTERM, END), (Signal::SIGKILL, END)] {
            let Some(pid) = self.pid() else { break };
            let _ = kill(Pid::from_raw(pid), signal);
            let end = Instant::now() + patience;
            while self.is_running() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        if self.is_running() {
            return Err(Error::Stuck(self.name.clone()));
        }
        self.clear()?;
        Ok(true)
    }

    /// Removes what is in the directory of a sandbox that is about to end, by its own hand; the lock comes last, since without
    /// it the sandbox counts as dead.
    pub fn empty(&self) {
        let _ = nix::mount::umount2(&self.dir.join(PROGRAM), nix::mount::MntFlags::MNT_DETACH);
        let lock = self.lock_path();
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten().filter(|e| e.path() != lock) {
            let _ =
                if entry.path().is_dir() { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        }
        let _ = fs::remove_file(lock).and_then(|()| fs::remove_dir(&self.dir));
        tidy();
    }

    fn lock_path(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// Removes what a sandbox left that no longer runs.
    fn clear(&self) -> Result<(), Error> {
        if self.is_running() {
            return Err(Error::Running(self.name.clone()));
        }
        match fs::remove_dir_all(&self.dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(at("remove", &self.dir)(e)),
            _ => {
                tidy();
                Ok(())
            }
        }
    }
}

/// Takes the common directory along with the last sandbox.
fn tidy() {
    let base = base();
    if fs::remove_dir(&base).is_ok() {
        let _ = base.parent().map(fs::remove_dir);
    }
}

/// The directory of all sandboxes of this user: it need not outlive a restart of the machine.
fn base() -> PathBuf {
    let uid = geteuid();
    if uid.is_root() {
        return PathBuf::from("/run/ambient/sandbox");
    }
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|d| Path::new(d).is_dir()) {
        Some(dir) => PathBuf::from(dir).join("ambient/sandbox"),
        None => PathBuf::from(format!("/tmp/ambient-{uid}/sandbox")),
    }
}

fn at(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { what, path, source }
}
