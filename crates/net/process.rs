//! Processes in namespaces of their own, and the way into those of others. Called by the sandbox, whose
//! nodes and pods are such processes, and by what it runs inside them.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

use crate::netns::Netns;

/// The network namespace of a new process.
#[derive(Clone, Copy, Debug)]
pub enum Network<'a> {
    /// A new one.
    New,
    /// That of the caller.
    Same,
    /// This one.
    Of(&'a Netns),
}

/// A process that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The thread that starts it failed.
    #[error("cannot start a process: its thread failed")]
    Thread,
    /// The kernel gave no namespaces (CAP_SYS_ADMIN is needed).
    #[error("cannot make the namespaces of a process")]
    Namespaces(#[source] io::Error),
    /// The command could not be started.
    #[error("cannot start {command}")]
    Command {
        /// The program.
        command: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Starts a command as the first process of new namespaces of processes, mounts, host name and IPC.
///
/// What it mounts is not seen outside. When it ends, the kernel kills every process that descends from it. As the first
/// process it must take up its orphans (wait for them), and signals without a handler do not reach it, except SIGKILL from
/// outside. `/proc` is still the caller's, until it calls [`mount_proc`].
///
/// A parent-death signal (`PR_SET_PDEATHSIG`) set in the command would come at once, since the thread that starts it ends.
pub fn start(command: &mut Command, network: Network<'_>) -> Result<Child, StartError> {
    // On a thread of its own: new namespaces are those of the thread, and of what it starts.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("start".into());
        let thread = thread.spawn_scoped(scope, || {
            isolate(network).map_err(|e| StartError::Namespaces(e.into()))?;
            let started = command.spawn();
            started.map_err(|source| {
                let command = command.get_program().to_string_lossy().into_owned();
                StartError::Command { command, source }
            })
        });
        thread.map_err(|_| StartError::Thread)?.join().map_err(|_| StartError::Thread)?
    })
}

fn isolate(network: Network<'_>) -> nix::Result<()> {
    let mut new =
        CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC;
    match network {
        Network::New => new |= CloneFlags::CLONE_NEWNET,
        Network::Same => {}
        Network::Of(netns) => setns(netns, CloneFlags::CLONE_NEWNET)?,
    }
    unshare(new)?;
    // Many systems share what is mounted with every copy of the tree.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
}

/// Mounts a `/proc` of the calling process's own namespace of processes, for a process that [`start`] started.
///
/// # Errors
/// In a user namespace inside a container that hides parts of `/proc` the kernel refuses (`EPERM`): the one that is there
/// stays, in which processes have the numbers of the outside.
pub fn mount_proc() -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    Ok(mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)?)
}

/// What the programs of a container may do as root, with the kernel's numbers (linux/capability.h): own files, be another
/// user, end processes, listen and send as they like. Nothing of it reaches beyond their own namespaces.
const KEPT: [u32; 13] = [
    0,  // CHOWN
    1,  // DAC_OVERRIDE
    3,  // FOWNER
    4,  // FSETID
    5,  // KILL
    6,  // SETGID
    7,  // SETUID
    8,  // SETPCAP
    10, // NET_BIND_SERVICE
    13, // NET_RAW
    18, // SYS_CHROOT
    29, // AUDIT_WRITE
    31, // SETFCAP
];

/// Takes from every program that this thread starts from now on the rights over the machine and over namespaces: mounts,
/// devices, other processes' memory, networks.
pub fn restrict() -> io::Result<()> {
    for capability in (0..64).filter(|c| !KEPT.contains(c)) {
        // SAFETY: PR_CAPBSET_READ and PR_CAPBSET_DROP take a number and touch no memory.
        let outcome = unsafe {
            match libc::prctl(libc::PR_CAPBSET_READ, libc::c_ulong::from(capability)) {
                1 => libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability)),
                // Dropped before, or unknown to this kernel.
                _ => 0,
            }
        };
        if outcome != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Closes every descriptor but the standard streams and this one.
///
/// For a process that has just begun: whatever its own code has open by then is closed under its feet.
pub fn close_all_but(kept: i32) -> io::Result<()> {
    let kept = libc::c_uint::try_from(kept).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    for (first, last) in [(3, kept.saturating_sub(1)), (kept.max(2) + 1, libc::c_uint::MAX)] {
        if first > last {
            continue;
        }
        // SAFETY: nothing in the process relies on these descriptors, as the contract says.
        if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Keeps a descriptor, known by its number alone, from programs that are started.
pub fn close_on_exec(fd: i32) -> io::Result<()> {
    // SAFETY: F_SETFD changes only a flag of the descriptor; one that is not open is an error.
    match unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Namespaces that cannot be entered.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// There is no such process, or it is somebody else's.
    #[error("cannot open the {namespace} namespace of process {pid}")]
    Open {
        /// Which, as in `/proc/PID/ns`.
        namespace: &'static str,
        /// The process.
        pid: u32,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kernel refused; `InvalidInput` means that this process has more than one thread.
    #[error("cannot enter the {namespace} namespace of process {pid}")]
    Enter {
        /// Which, as in `/proc/PID/ns`.
        namespace: &'static str,
        /// The process.
        pid: u32,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// In the user namespace the caller cannot become its root.
    #[error("cannot become root of the user namespace of process {pid}")]
    Root {
        /// The process.
        pid: u32,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The user namespace comes first: it gives the right to the others.
const NAMESPACES: [(&str, CloneFlags); 6] = [
    ("user", CloneFlags::CLONE_NEWUSER),
    ("ipc", CloneFlags::CLONE_NEWIPC),
    ("uts", CloneFlags::CLONE_NEWUTS),
    ("net", CloneFlags::CLONE_NEWNET),
    ("pid", CloneFlags::CLONE_NEWPID),
    ("mnt", CloneFlags::CLONE_NEWNS),
];

/// Moves the calling process for good into all namespaces of another one, as its root if the user namespace is another.
///
/// For a process with one thread that is about to start a command: the namespace of processes is that of its children.
/// The working directory becomes the root.
pub fn enter_namespaces(pid: u32) -> Result<(), EnterError> {
    // All are opened before the first is entered: with the mounts `/proc` changes.
    let mut namespaces = Vec::new();
    for (namespace, flag) in NAMESPACES {
        let open = |source| EnterError::Open { namespace, pid, source };
        let theirs = File::open(format!("/proc/{pid}/ns/{namespace}")).map_err(open)?;
        let ours = std::fs::metadata(format!("/proc/self/ns/{namespace}")).map_err(open)?;
        // To enter one's own user namespace is an error.
        let identity = theirs.metadata().map_err(open)?;
        if (identity.dev(), identity.ino()) != (ours.dev(), ours.ino()) {
            namespaces.push((namespace, flag, theirs));
        }
    }
    for (namespace, flag, file) in namespaces {
        setns(&file, flag).map_err(|e| EnterError::Enter { namespace, pid, source: e.into() })?;
        if flag == CloneFlags::CLONE_NEWUSER {
            become_root().map_err(|e| EnterError::Root { pid, source: e.into() })?;
        }
    }
    Ok(())
}

fn become_root() -> nix::Result<()> {
    match setgroups(&[]) {
        // Where the namespace was made without privileges groups cannot be dropped (user_namespaces(7)).
        Ok(()) | Err(nix::Error::EPERM) => {}
        Err(error) => return Err(error),
    }
    setgid(Gid::from_raw(0))?;
    setuid(Uid::from_raw(0))
}
