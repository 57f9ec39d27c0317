//! Attributes of mounts that no safe library sets, and mounts of open files. Called where a process gets its own view of
//! the machine's files; works on the calling thread's mount namespace.

use std::{
    ffi::CString,
    fs::File,
    io,
    os::{fd::AsRawFd, unix::ffi::OsStrExt},
    path::Path,
};

use nix::mount::{MsFlags, mount};

/// Makes a mount and everything below it read-only; mounts that are made later are not.
///
/// # Errors
/// The kernel refuses, or is older than 5.12.
pub fn protect(path: &Path) -> io::Result<()> {
    set(path, libc::AT_RECURSIVE as libc::c_uint, libc::MOUNT_ATTR_RDONLY, 0)
}

/// Lets one mount be written again.
///
/// # Errors
/// The kernel refuses.
pub fn unprotect(path: &Path) -> io::Result<()> {
    set(path, 0, 0, libc::MOUNT_ATTR_RDONLY)
}

/// Shows an open file or directory at `target`, whatever hides its own path by now.
///
/// # Errors
/// The kernel refuses, or `/proc` is not mounted.
pub fn bind(file: &File, target: &Path) -> io::Result<()> {
    let source = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(mount(Some(source.as_str()), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
}

fn set(path: &Path, flags: libc::c_uint, attr_set: u64, attr_clr: u64) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let attributes = libc::mount_attr { attr_set, attr_clr, propagation: 0, userns_fd: 0 };
    // SAFETY: the path ends with a zero, and the structure is that of the size given; both outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
