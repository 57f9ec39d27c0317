//! The way into a sandbox's own namespaces, in two steps, each a process with one thread: the first leaves the machine's
//! namespaces, the second is the first process of the new ones. When it ends, however it ends, the kernel takes all
//! processes, mounts, links and rules of the sandbox along.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    unistd::{getegid, geteuid, setsid},
};

use crate::place::{self, Place};

/// The argument that starts the first step; nobody types it.
pub const ENTER: &str = "__sandbox-enter";
/// The argument that starts the second step.
pub const SUPERVISE: &str = "__sandbox-supervise";

/// Tells why this machine gives no namespaces.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory is of no use.
    #[error(transparent)]
    Place(#[from] place::Error),
    /// Neither root nor a user namespace.
    #[error("this machine gives no namespaces: as root {root}, as a user {user}")]
    Refused {
        /// Why not as root.
        root: String,
        /// Why not in a user namespace.
        user: String,
    },
    /// A step after that failed.
    #[error("cannot {0}")]
    Step(&'static str, #[source] io::Error),
}

impl Error {
    /// Says what the operator can do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Refused { .. } => Some(
                "run it as root; in a container give it --privileged (or --cap-add SYS_ADMIN,NET_ADMIN and no seccomp \
                 profile); for other users set the sysctls kernel.unprivileged_userns_clone=1 (Debian) or \
                 kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), and see that user.max_user_namespaces is not 0",
            ),
            Self::Step("mount /proc", _) => {
                Some("the machine hides parts of /proc, as containers do: run the container with --privileged")
            }
            _ => None,
        }
    }
}

/// The first step: leaves the machine's namespaces and starts the second step inside.
///
/// Must run while the process has one thread. Standard streams and the sandbox's lock are handed on, and nothing else of
/// whoever typed the command: neither files nor the terminal.
///
/// # Errors
/// The machine gives no namespaces.
pub fn enter(dir: &Path, lock: i32) -> Result<(), Error> {
    net::process::close_all_but(lock).map_err(|e| Error::Step("let go of open files", e))?;
    setsid().map_err(|e| Error::Step("leave the terminal", e.into()))?;
    std::env::set_current_dir("/").map_err(|e| Error::Step("leave the directory", e))?;
    let place = Place::at(dir);
    let settings = place.settings()?;
    let all = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC;
    let root = match geteuid().is_root() && !settings.rootless {
        true => unshare(all).map_err(|errno| errno.desc().to_owned()),
        false => Err(if settings.rootless { "not wanted" } else { "this is another user" }.to_owned()),
    };
    if let Err(root) = root {
        let (uid, gid) = (geteuid(), getegid());
        let user = || {
            unshare(CloneFlags::CLONE_NEWUSER)?;
            // A user may map only itself, and its group only once it has given up the others (user_namespaces(7)).
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
            fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
            unshare(all)?;
            Ok::<(), io::Error>(())
        };
        user().map_err(|error| Error::Refused { root, user: error.to_string() })?;
    }
    let program = std::env::current_exe().map_err(|e| Error::Step("find this program", e))?;
    let mut second = Command::new(program);
    second
        .arg(SUPERVISE)
        .arg(dir)
        .arg(lock.to_string())
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .stderr(Stdio::inherit());
    let child = second.spawn().map_err(|e| Error::Step("start the sandbox's first process", e))?;
    // It is the first process of the new namespace, and this number is the one by which the machine knows it.
    Ok(place.record(child.id())?)
}

/// The beginning of the second step: mounts of its own. The process must have one thread.
///
/// # Errors
/// The machine refuses a mount.
pub fn settle() -> Result<(), Error> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(|e| Error::Step("keep mounts private", e.into()))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, none).map_err(|e| Error::Step("mount /proc", e.into()))
}
