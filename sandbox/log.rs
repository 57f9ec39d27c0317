//! What containers write, kept within bounds: by the pod's first process, which alone has the directory open.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::Arc,
};

use nix::{
    fcntl::{OFlag, openat, renameat},
    sys::stat::Mode,
};

/// The size at which a log is put aside, bytes; one older part is kept.
const LARGEST: u64 = 16 << 20;

/// A directory of logs.
#[derive(Clone, Debug)]
pub struct Logs(Arc<OwnedFd>);

/// The log of one container.
#[derive(Debug)]
pub struct Log {
    logs: Logs,
    name: String,
    file: File,
    size: u64,
}

impl Logs {
    /// Opens a directory, which stays reachable here whatever hides its path.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(File::open(path)?.into())))
    }

    /// Opens the log of a container, at its end.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn log(&self, container: &str) -> io::Result<Log> {
        let name = format!("{container}.log");
        let file = self.file(&name)?;
        let size = file.metadata()?.len();
        Ok(Log { logs: self.clone(), name, file, size })
    }

    fn file(&self, name: &str) -> io::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(File::from(openat(self.0.as_fd(), name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?))
    }
}

impl Log {
    /// Appends; what cannot be written, on a full disk, is lost.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.size > LARGEST {
            // By renaming: a reader goes on with the old part to its end.
            let older = format!("{}.1", self.name);
            let _ = renameat(self.logs.0.as_fd(), self.name.as_str(), self.logs.0.as_fd(), older.as_str());
            if let Ok(file) = self.logs.file(&self.name) {
                (self.file, self.size) = (file, 0);
            }
        }
        if self.file.write_all(bytes).is_ok() {
            self.size += bytes.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_a_bound_and_one_older_part() {
        let dir = std::env::temp_dir().join(format!("sandbox-logs-{}", std::process::id()));
        std::fs::create_dir(&dir).expect("made");
        let logs = Logs::open(&dir).expect("open");
        let mut log = logs.log("web").expect("made");
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..40 {
            log.write(&piece);
        }
        let sizes: Vec<u64> =
            ["web.log", "web.log.1"].map(|n| std::fs::metadata(dir.join(n)).expect("there").len()).into();
        assert!(sizes.iter().all(|size| *size <= LARGEST + (1 << 20)), "{sizes:?}");
        // No link that somebody put there is followed.
        std::os::unix::fs::symlink("/dev/null", dir.join("evil.log")).expect("made");
        assert!(logs.log("evil").is_err());
        std::fs::remove_dir_all(dir).expect("removed");
    }
}
