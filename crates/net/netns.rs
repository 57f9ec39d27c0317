//! Network namespaces: naming one, running code in one. Called by every part that touches a pod's network.
//!
//! A thread belongs to one namespace at a time and tokio moves tasks between threads, so no function
//! here leaves the calling thread in another namespace.

use std::cell::OnceCell;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sched::{CloneFlags, setns, unshare};

/// A failure to name or to enter a network namespace.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path cannot be opened.
    #[error("cannot open the network namespace {}", path.display())]
    Open {
        /// The path that was tried.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kernel made no namespace (CAP_SYS_ADMIN is needed, and `user.max_net_namespaces` not reached).
    #[error("cannot make a network namespace")]
    Create(#[source] io::Error),
    /// The descriptor is no namespace, or its identity cannot be read.
    #[error("the descriptor is not a network namespace")]
    NotANamespace(#[source] io::Error),
    /// The kernel refused the switch (CAP_SYS_ADMIN is needed).
    #[error("cannot enter the network namespace {id}")]
    Enter {
        /// The namespace.
        id: NetnsId,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No thread could be started, or the one that was started panicked.
    #[error("the thread for the network namespace {0} failed")]
    Thread(NetnsId),
}

/// What makes two descriptors the same namespace: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NetnsId {
    /// Device of the namespace file system.
    pub dev: u64,
    /// Inode: what `ls -l /proc/PID/ns/net` shows.
    pub inode: u64,
}

impl std::fmt::Display for NetnsId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "net:[{}]", self.inode)
    }
}

/// An open network namespace.
///
/// Cloning shares the descriptor. While a clone lives the namespace lives, even without processes.
#[derive(Clone, Debug)]
pub struct Netns {
    fd: Arc<OwnedFd>,
    id: NetnsId,
}

impl PartialEq for Netns {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Netns {}

thread_local! {
    /// The namespace this thread belongs to, remembered at its first excursion with [`Netns::enter`].
    static HOME: OnceCell<Netns> = const { OnceCell::new() };
}

impl Netns {
    /// Makes a namespace with nothing in it but loopback, which is down.
    ///
    /// It has no name and no process: it lives as long as a descriptor of it or a process inside.
    pub fn create() -> Result<Self, Error> {
        // On a thread of its own, as `unshare` moves the thread that calls it.
        let make = || {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|e| Error::Create(e.into()))?;
            Self::current()
        };
        let thread = std::thread::Builder::new().name("netns".into()).spawn(make).map_err(Error::Create)?;
        thread.join().map_err(|_| Error::Create(io::ErrorKind::Other.into()))?
    }

    /// Opens a namespace by path, such as `/var/run/netns/NAME` or `/proc/PID/ns/net`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let open = |source| Error::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(open)?;
        Self::from_fd(OwnedFd::from(file))
    }

    /// Takes a descriptor that somebody handed over.
    ///
    /// Anything but a network namespace is refused here, so that a wrong descriptor fails at its
    /// origin and not at the first connection.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, Error> {
        // SAFETY: NS_GET_NSTYPE takes no argument and only reads; `fd` is open, we own it.
        let kind = unsafe { libc::ioctl(fd.as_raw_fd(), libc::NS_GET_NSTYPE as _) };
        if kind < 0 {
            return Err(Error::NotANamespace(io::Error::last_os_error()));
        }
        if kind != libc::CLONE_NEWNET {
            return Err(Error::NotANamespace(io::Error::from(io::ErrorKind::InvalidInput)));
        }
        let stat = nix::sys::stat::fstat(&fd).map_err(|e| Error::NotANamespace(e.into()))?;
        // The widths of these two differ between targets.
        #[allow(clippy::unnecessary_cast)]
        let id = NetnsId { dev: stat.st_dev as u64, inode: stat.st_ino as u64 };
        Ok(Self { fd: Arc::new(fd), id })
    }

    /// Opens the namespace of the calling thread.
    pub fn current() -> Result<Self, Error> {
        Self::open("/proc/thread-self/ns/net")
    }

    /// The identity, equal for all descriptors of one namespace.
    pub fn id(&self) -> NetnsId {
        self.id
    }

    /// Runs `work` inside the namespace on a thread of its own and waits for it.
    ///
    /// For work that may block or starts threads or runtimes: all of it stays inside. Costs a thread
    /// start (tens of microseconds); for a single socket use [`crate::sockets`].
    pub fn run<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send,
        F: FnOnce() -> T + Send,
    {
        let inside = || {
            setns(self.as_fd(), CloneFlags::CLONE_NEWNET)
                .map_err(|e| Error::Enter { id: self.id, source: e.into() })?;
            Ok(work())
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .name("netns".into())
                .spawn_scoped(scope, inside)
                .map_err(|_| Error::Thread(self.id))?;
            thread.join().map_err(|_| Error::Thread(self.id))?
        })
    }

    /// Runs `work` inside the namespace on the calling thread and returns before anything else runs.
    ///
    /// Two system calls, about a microsecond each. `work` must not block, nor start threads: they
    /// would be born inside. The thread's own namespace is remembered at the first call, so a thread
    /// must not change it by other means afterwards.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> Result<T, Error> {
        let home = HOME.with(|home| match home.get() {
            Some(known) => Ok(known.clone()),
            None => {
                let current = Self::current()?;
                Ok(home.get_or_init(|| current).clone())
            }
        })?;
        if home.id == self.id {
            return Ok(work());
        }
        setns(self.as_fd(), CloneFlags::CLONE_NEWNET).map_err(|e| Error::Enter { id: self.id, source: e.into() })?;
        let back = Return(&home);
        let out = work();
        drop(back);
        Ok(out)
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Brings the thread home, also when the work panics.
struct Return<'a>(&'a Netns);

impl Drop for Return<'_> {
    fn drop(&mut self) {
        if setns(self.0.as_fd(), CloneFlags::CLONE_NEWNET).is_err() {
            // A worker left in a pod's namespace would open other pods' connections there.
            // The call cannot fail for a namespace this thread just left; if it does, stop.
            std::process::abort();
        }
    }
}
