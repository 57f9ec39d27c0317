//! What a pod sees of the machine's files: all of them, none of which it can change.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use net::mounts;
use nix::{
    errno::Errno,
    mount::{MntFlags, MsFlags, mount, umount2},
    unistd::{AccessFlags, access, sethostname},
};
use serde::{Deserialize, Serialize};

use crate::log::Logs;

/// Where this program stands in every pod.
pub const PROGRAMS: &str = "/run/ambient/bin";
/// The name of this program.
pub const OWN: &str = "ambient";
/// Where programs are looked for.
pub const PATH: &str = "/run/ambient/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Directories in which programs write besides the temporary ones: changes go to the pod's memory.
const CHANGING: [&str; 4] = ["/etc", "/var", "/root", "/home"];
/// Directories that start empty.
pub const EMPTY: [&str; 2] = ["/tmp", "/run"];
/// Devices that a pod has; those of the machine's disks and terminals it has not.
const DEVICES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];
/// Parts of `/proc` that are the machine's and not the pod's.
const MACHINE: [&str; 5] = ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"];
/// How much a pod may write in each, before it is told that the disk is full.
const SIZE: &str = "size=256m,mode=1777";

/// What is particular to a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The host name.
    pub hostname: String,
    /// The text of `/etc/resolv.conf`.
    pub resolv: String,
    /// The text of `/etc/hosts`.
    pub hosts: String,
    /// A directory that is the pod's own.
    pub directory: PathBuf,
    /// Where the output of its containers goes.
    pub logs: PathBuf,
    /// This program.
    pub program: PathBuf,
    /// Directories that the pod sees elsewhere, and cannot write to.
    pub shown: Vec<Shown>,
}

/// A directory that a pod sees under another path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The directory.
    pub directory: PathBuf,
    /// Where the pod sees it.
    pub at: PathBuf,
}

/// Tells what failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A mount.
    #[error("cannot mount {}", .0.display())]
    Mount(PathBuf, #[source] Errno),
    /// The machine's files cannot be made read-only.
    #[error("cannot protect the machine's files")]
    Protect(#[source] io::Error),
    /// A file.
    #[error("cannot write {}", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// The host name.
    #[error("cannot set the host name")]
    Name(#[source] Errno),
}

/// Sets the view up, in a mount and UTS namespace of the pod's own; returns the directory of its logs, to which no path leads
/// any more.
///
/// # Errors
/// The step that failed.
pub fn set_up(view: &View) -> Result<Logs, Error> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(|e| Error::Mount("/".into(), e))?;
    // Kept open over what follows: the paths are hidden by then.
    let program = fs::File::open(&view.program).map_err(|e| Error::File(view.program.clone(), e))?;
    let open = |shown: &Shown| {
        let file = fs::File::open(&shown.directory).map_err(|e| Error::File(shown.directory.clone(), e))?;
        Ok((file, shown.at.clone()))
    };
    let shown: Vec<(fs::File, PathBuf)> = view.shown.iter().map(open).collect::<Result<_, Error>>()?;
    let make = |name: &str| {
        let path = view.directory.join(name);
        fs::create_dir_all(&path).map_err(|e| Error::File(path.clone(), e)).map(|()| path)
    };
    let (upper, dev) = (make("changes")?, make("dev")?);
    let logs = detached(&view.logs, &make("logs")?)?;
    mounts::protect(Path::new("/")).map_err(Error::Protect)?;
    tmpfs(&upper)?;
    for directory in CHANGING.into_iter().filter(|d| Path::new(d).is_dir()) {
        overlay(&upper, directory);
    }
    devices(&dev)?;
    for directory in EMPTY.into_iter().filter(|d| Path::new(d).is_dir()) {
        tmpfs(Path::new(directory))?;
    }
    let proc = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), proc, none).map_err(|e| Error::Mount("/proc".into(), e))?;
    for path in MACHINE.into_iter().map(Path::new).filter(|p| p.exists()) {
        mount(Some(path), path, none, MsFlags::MS_BIND, none).map_err(|e| Error::Mount(path.into(), e))?;
        mounts::protect(path).map_err(Error::Protect)?;
    }

    let own = Path::new(PROGRAMS).join(OWN);
    fs::create_dir_all(PROGRAMS).and_then(|()| fs::File::create(&own)).map_err(|e| Error::File(own.clone(), e))?;
    mounts::bind(&program, &own).map_err(|e| Error::File(own.clone(), e))?;
    for (directory, at) in shown {
        fs::create_dir_all(&at)
            .and_then(|()| mounts::bind(&directory, &at))
            .and_then(|()| mounts::protect(&at))
            .map_err(|e| Error::File(at, e))?;
    }
    sethostname(&view.hostname).map_err(Error::Name)?;
    let hostname = format!("{}\n", view.hostname);
    for (name, text) in [("resolv.conf", &view.resolv), ("hosts", &view.hosts), ("hostname", &hostname)] {
        write(name, text)?;
    }
    Ok(logs)
}

/// Opens a directory through a mount that is nowhere: it can be written whatever becomes of the others, and has no path.
fn detached(directory: &Path, at: &Path) -> Result<Logs, Error> {
    let none: Option<&str> = None;
    mount(Some(directory), at, none, MsFlags::MS_BIND, none).map_err(|e| Error::Mount(at.into(), e))?;
    let logs = Logs::open(at).map_err(|e| Error::File(at.into(), e));
    umount2(at, MntFlags::MNT_DETACH).map_err(|e| Error::Mount(at.into(), e))?;
    logs
}

/// Gives the pod a `/dev` of its own.
fn devices(at: &Path) -> Result<(), Error> {
    let none: Option<&str> = None;
    let file = |path: &Path| {
        let path = path.to_owned();
        move |e| Error::File(path, e)
    };
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(Some("tmpfs"), at, Some("tmpfs"), flags, Some("size=64k,mode=755"))
        .map_err(|e| Error::Mount(at.into(), e))?;
    for name in DEVICES {
        let (theirs, ours) = (Path::new("/dev").join(name), at.join(name));
        fs::File::create(&ours).map_err(file(&ours))?;
        mount(Some(&theirs), &ours, none, MsFlags::MS_BIND, none).map_err(|e| Error::Mount(theirs, e))?;
    }
    for (link, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        std::os::unix::fs::symlink(target, at.join(link)).map_err(file(&at.join(link)))?;
    }
    let (pts, shm) = (at.join("pts"), at.join("shm"));
    fs::create_dir(&pts).and_then(|()| fs::create_dir(&shm)).map_err(file(&pts))?;
    let terminals = Some("newinstance,ptmxmode=0666,mode=620");
    mount(Some("devpts"), &pts, Some("devpts"), flags, terminals).map_err(|e| Error::Mount(pts.clone(), e))?;
    tmpfs(&shm)?;
    mount(Some(at), "/dev", none, MsFlags::MS_MOVE, none).map_err(|e| Error::Mount("/dev".into(), e))
}

/// Lets all processes of a mount namespace look names up in their own way, without changing the machine's file.
///
/// # Errors
/// There is no such file, and none can be made.
pub fn resolve_with(directory: &Path, text: &str) -> Result<(), Error> {
    let own = directory.join("resolv.conf");
    fs::write(&own, text).map_err(|e| Error::File(own.clone(), e))?;
    let path = Path::new("/etc/resolv.conf");
    if !path.exists() {
        let upper = directory.join("changes");
        fs::create_dir_all(&upper).map_err(|e| Error::File(upper.clone(), e))?;
        tmpfs(&upper)?;
        overlay(&upper, "/etc");
        // A link that leads nowhere is in the way.
        let _ = fs::remove_file(path);
        fs::write(path, "").map_err(|e| Error::File(path.into(), e))?;
    }
    mount(Some(&own), path, None::<&str>, MsFlags::MS_BIND, None::<&str>).map_err(|e| Error::Mount(path.into(), e))
}

fn tmpfs(path: &Path) -> Result<(), Error> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), path, Some("tmpfs"), flags, Some(SIZE)).map_err(|e| Error::Mount(path.into(), e))
}

/// Lets a directory be changed in memory. Where the kernel cannot do that it stays as it is, and cannot be written.
fn overlay(upper: &Path, directory: &str) {
    let changes = upper.join(directory.trim_start_matches('/'));
    let work = upper.join(format!("{}.work", directory.trim_start_matches('/')));
    if fs::create_dir(&changes).and_then(|()| fs::create_dir(&work)).is_err() {
        return;
    }
    // The upper directory gives the mode of the merged one.
    if let Ok(found) = fs::metadata(directory) {
        let _ = fs::set_permissions(&changes, found.permissions());
    }
    for more in ["", ",userxattr"] {
        let options = format!("lowerdir={directory},upperdir={},workdir={}{more}", changes.display(), work.display());
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        if mount(Some("overlay"), directory, Some("overlay"), flags, Some(options.as_str())).is_ok() {
            // Without privileges the machine's own may not even be looked into: a home is better empty than closed.
            if directory != "/etc" && access(directory, AccessFlags::W_OK | AccessFlags::X_OK).is_err() {
                let _ = tmpfs(Path::new(directory));
            }
            return;
        }
    }
}

/// Gives a pod its own file in `/etc`, however the machine has it: a file, a link into `/run`, or none.
fn write(name: &str, text: &str) -> Result<(), Error> {
    let path = Path::new("/etc").join(name);
    if let Some(target) = fs::read_link(&path).ok().map(|target| lexical(&Path::new("/etc").join(target))) {
        let _ = target.parent().map(fs::create_dir_all);
    }
    if fs::write(&path, text).is_ok() {
        return Ok(());
    }
    let own = Path::new("/run/ambient").join(name);
    fs::write(&own, text).map_err(|e| Error::File(own.clone(), e))?;
    let flags = MsFlags::MS_BIND;
    mount(Some(&own), &path, None::<&str>, flags, None::<&str>).map_err(|e| Error::Mount(path, e))
}

/// Removes `..` without asking the file system, which no longer has what the path passes.
fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_without_a_file_system() {
        for (path, expected) in [
            ("/etc/../run/systemd/resolve/stub-resolv.conf", "/run/systemd/resolve/stub-resolv.conf"),
            ("/etc/./a", "/etc/a"),
            ("/../../a", "/a"),
        ] {
            assert_eq!(lexical(Path::new(path)), Path::new(expected));
        }
    }
}
