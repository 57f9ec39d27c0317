//! Where a sandbox lives: its directory, its lock, and how to tell one that runs from what a dead one left.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::{
        fd::{AsRawFd, RawFd},
        unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::{
    fcntl::{FcntlArg, FdFlag, OFlag, fcntl},
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};
use serde::{Deserialize, Serialize};
use source::folder::make_below;

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
    #[error("{} does not belong to this user alone: remove it, or set XDG_RUNTIME_DIR to a directory that does", .0.display())]
    Foreign(PathBuf),
    /// It is not what a sandbox left.
    #[error("{} is no sandbox's directory, so nothing is removed: see what it is, and move it away", .0.display())]
    NotOurs(PathBuf),
    /// Sockets have no such long names.
    #[error("{} is too long for the path of a socket: set XDG_RUNTIME_DIR to a shorter one", .0.display())]
    TooLong(PathBuf),
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
}

/// The directory of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The sandbox's name.
    pub name: String,
    /// Its directory.
    pub dir: PathBuf,
}

/// Says that a sandbox runs, or is being made; the kernel lets go of it with the last process that has it.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Lets programs that are started from now on have it as well, under the number that is returned.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn share(&self) -> io::Result<RawFd> {
        fcntl(&self.0, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(self.0.as_raw_fd())
    }
}

impl Place {
    /// Names the place of a sandbox; nothing is made.
    ///
    /// # Errors
    /// A name that is none, or a place where others could write.
    pub fn of(name: &str) -> Result<Self, Error> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let good = !name.is_empty() && name.len() <= 32 && name.bytes().all(inner) && !name.starts_with('-');
        if !good {
            return Err(Error::Name(name.to_owned()));
        }
        let place = Self { name: name.to_owned(), dir: base()?.join(name) };
        // sockaddr_un of unix(7), with the closing zero.
        match place.socket().as_os_str().len() {
            0..=107 => Ok(place),
            _ => Err(Error::TooLong(place.socket())),
        }
    }

    /// Returns the place with this directory, which the command that made it has handed down.
    #[must_use]
    pub fn at(dir: &Path) -> Self {
        let name = dir.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        Self { name: name.to_owned(), dir: dir.to_owned() }
    }

    /// Lists the sandboxes of this user, running or left behind.
    ///
    /// # Errors
    /// Others could write where they are.
    pub fn all() -> Result<Vec<Self>, Error> {
        let entries = fs::read_dir(base()?).into_iter().flatten().flatten();
        let directories = entries.filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()));
        let mut all: Vec<Self> = directories.filter_map(|e| Self::of(e.file_name().to_str()?).ok()).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Lists those that run.
    ///
    /// # Errors
    /// Others could write where they are.
    pub fn running() -> Result<Vec<Self>, Error> {
        Ok(Self::all()?.into_iter().filter(Self::is_running).collect())
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

    /// Makes a directory of a sandbox that runs, with what leads to it from the sandbox's own.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make(&self, directory: &Path) -> io::Result<()> {
        make_below(&self.dir, directory, 0o777)
    }

    /// Takes the place for a new sandbox, or for the removal of a dead one.
    ///
    /// # Errors
    /// A sandbox of this name runs, or the lock cannot be made.
    pub fn claim(&self) -> Result<Lock, Error> {
        make_base()?;
        let path = self.lock_path();
        loop {
            let open = OpenOptions::new().create(true).append(true).mode(0o600).custom_flags(NOFOLLOW).open(&path);
            let file = open.map_err(at("open", &path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(Error::Running(self.name.clone())),
                Err(TryLockError::Error(error)) => return Err(at("lock", &path)(error)),
            }
            // Who had it before may have removed it: then this is no lock any more.
            let same = |named: &fs::Metadata| file.metadata().is_ok_and(|own| own.ino() == named.ino());
            if fs::symlink_metadata(&path).is_ok_and(|named| same(&named)) {
                return Ok(Lock(file));
            }
        }
    }

    /// Makes the directory anew, without what a dead sandbox left in it.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn prepare(&self, _: &Lock, settings: &Settings) -> Result<(), Error> {
        self.clear()?;
        DirBuilder::new().mode(0o700).create(&self.dir).map_err(at("make", &self.dir))?;
        let path = self.settings_path();
        let text = serde_json::to_vec(settings).map_err(|e| at("write", &path)(e.into()))?;
        fs::write(&path, text).map_err(at("write", &path))
    }

    /// Reads what [`Self::prepare`] wrote.
    ///
    /// # Errors
    /// The file is not there, or not whole.
    pub fn settings(&self) -> Result<Settings, Error> {
        let path = self.settings_path();
        let text = fs::read(&path).map_err(at("read", &path))?;
        serde_json::from_slice(&text).map_err(|e| at("read", &path)(e.into()))
    }

    /// Tells whether it runs, or is being made.
    #[must_use]
    pub fn is_running(&self) -> bool {
        // Without the file nobody can hold it, and looking must not make it.
        let Ok(file) = File::open(self.lock_path()) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
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
        if !self.dir.exists() && !self.is_running() {
            return Ok(false);
        }
        for (signal, patience) in [(Signal::SIGTERM, END), (Signal::SIGKILL, END)] {
            let end = Instant::now() + patience;
            let mut told = false;
            while self.is_running() && Instant::now() < end {
                // One that is just being made has no process yet.
                if let Some(pid) = self.pid().filter(|_| !told) {
                    told = kill(Pid::from_raw(pid), signal).is_ok();
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let lock = match self.claim() {
            Err(Error::Running(name)) => return Err(Error::Stuck(name)),
            lock => lock?,
        };
        self.clear()?;
        let _ = fs::remove_file(self.lock_path());
        drop(lock);
        tidy(&self.dir);
        Ok(true)
    }

    /// Removes the directory of a sandbox that is about to end, by its own hand; the lock comes last, since without it the
    /// sandbox counts as dead.
    pub fn empty(&self) {
        let _ = nix::mount::umount2(&self.dir.join(PROGRAM), nix::mount::MntFlags::MNT_DETACH);
        let _ = self.discard();
        let _ = fs::remove_file(self.lock_path());
        tidy(&self.dir);
    }

    fn settings_path(&self) -> PathBuf {
        self.dir.join("settings.json")
    }

    /// Where the settings are while the directory goes.
    fn aside(&self) -> PathBuf {
        self.dir.with_extension("settings")
    }

    /// Beside the directory, so that it outlives what is in it. No name of a sandbox has a dot.
    fn lock_path(&self) -> PathBuf {
        self.dir.with_extension("lock")
    }

    /// Removes what a sandbox left that no longer runs.
    fn clear(&self) -> Result<(), Error> {
        // Who had to put them back was killed before.
        if fs::rename(self.aside(), self.settings_path()).is_err() {
            let _ = fs::remove_file(self.aside());
        }
        let empty = fs::remove_dir(&self.dir);
        if empty.is_ok() || empty.is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            return Ok(());
        }
        // Whatever leads here by mistake, only what a sandbox made is removed.
        if !self.settings_path().is_file() {
            return Err(Error::NotOurs(self.dir.clone()));
        }
        // What a sandbox that is just ending still writes is soon at its end.
        let end = Instant::now() + END;
        loop {
            match self.discard() {
                Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
                outcome => return outcome.map_err(at("remove", &self.dir)),
            }
        }
    }

    /// Removes the directory; where that cannot be done it keeps the settings, by which it is known as a sandbox's.
    fn discard(&self) -> io::Result<()> {
        self.strip()?;
        let (settings, aside) = (self.settings_path(), self.aside());
        fs::rename(&settings, &aside)?;
        match fs::remove_dir(&self.dir) {
            Ok(()) => fs::remove_file(aside),
            Err(error) => fs::rename(aside, settings).and(Err(error)),
        }
    }

    /// Removes what is in the directory but the settings; tells the last thing that could not be.
    fn strip(&self) -> io::Result<()> {
        let settings = self.settings_path();
        let mut outcome = Ok(());
        for entry in fs::read_dir(&self.dir)?.flatten().filter(|e| e.path() != settings) {
            let directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let removed = if directory { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
            outcome = removed
                .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
                .and(outcome);
        }
        outcome
    }
}

/// A link in place of a lock would be somebody's trick.
const NOFOLLOW: i32 = OFlag::O_NOFOLLOW.bits();

/// Takes the common directories along with the last sandbox.
fn tidy(dir: &Path) {
    let _ = dir.ancestors().skip(1).take(2).try_for_each(fs::remove_dir);
}

/// Returns the directory of all sandboxes of this user, which need not outlive a restart of the machine; in places where
/// others may write as well, it has to be this user's alone.
fn base() -> Result<PathBuf, Error> {
    let uid = geteuid();
    let parent = match std::env::var_os("XDG_RUNTIME_DIR").filter(|d| !d.is_empty()) {
        _ if uid.is_root() => PathBuf::from("/run/ambient"),
        Some(dir) => {
            own(Path::new(&dir))?;
            PathBuf::from(dir).join("ambient")
        }
        None => PathBuf::from(format!("/tmp/ambient-{uid}")),
    };
    own(&parent)?;
    let base = parent.join("sandbox");
    own(&base)?;
    Ok(base)
}

/// Checks that a directory, if it is there, is this user's, and that nobody else can write to it.
fn own(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0 => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at("look at", path)(error)),
        Ok(_) => Err(Error::Foreign(path.to_owned())),
    }
}

fn make_base() -> Result<(), Error> {
    let base = base()?;
    let mut maker = DirBuilder::new();
    maker.mode(0o700).recursive(true);
    maker.create(&base).map_err(at("make", &base))?;
    // Somebody may have been faster.
    self::base().map(drop)
}

fn at(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(dir: &Path) -> Place {
        Place::at(&dir.join("one"))
    }

    #[test]
    fn names() {
        for name in ["", "a/b", "..", "A", "-a", "a.b", &"a".repeat(33)] {
            assert!(matches!(Place::of(name), Err(Error::Name(_))), "{name}");
        }
    }

    #[test]
    fn a_lock_goes_with_its_last_holder_and_only_what_is_ours_is_removed() {
        let base = std::env::temp_dir().join(format!("sandbox-place-{}", std::process::id()));
        fs::create_dir(&base).expect("made");
        let place = place(&base);
        assert!(!place.is_running());
        let lock = OpenOptions::new().create(true).append(true).open(place.lock_path()).expect("made");
        lock.try_lock().expect("free");
        assert!(place.is_running());
        drop(lock);
        assert!(!place.is_running());
        fs::create_dir(&place.dir).expect("made");
        fs::write(place.dir.join("precious"), "x").expect("written");
        assert!(matches!(place.clear(), Err(Error::NotOurs(_))));
        assert!(place.dir.join("precious").exists());
        fs::write(place.settings_path(), "{}").expect("written");
        place.clear().expect("removed");
        assert!(!place.dir.exists());
        fs::remove_dir_all(base).expect("removed");
    }

    #[test]
    fn a_directory_of_others_is_no_place() {
        let base = std::env::temp_dir().join(format!("sandbox-own-{}", std::process::id()));
        assert!(own(&base).is_ok(), "not there");
        DirBuilder::new().mode(0o700).create(&base).expect("made");
        assert!(own(&base).is_ok());
        let link = base.join("link");
        std::os::unix::fs::symlink("/", &link).expect("made");
        assert!(matches!(own(&link), Err(Error::Foreign(_))));
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(&base, open).expect("set");
        assert!(matches!(own(&base), Err(Error::Foreign(_))));
        fs::remove_dir_all(base).expect("removed");
    }
}
