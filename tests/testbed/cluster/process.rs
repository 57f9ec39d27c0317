//! Processes that outlive the one that started them, known by records on disk and ended by those records alone.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::cluster::command::{self, Error};

/// One process, told apart from a later one with the same number by its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did (field 22 of proc(5)'s stat).
    pub start: u64,
}

impl Process {
    /// Returns the living process with a number.
    pub fn of(pid: u32) -> Option<Self> {
        let (process, state) = parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        // A zombie is gone: only its parent has not asked yet.
        (state != 'Z' && state != 'X').then_some(process)
    }

    /// Returns whether this very process lives.
    pub fn alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Ends the process at once.
    fn kill(self) {
        if self.alive() {
            // It may have ended by itself in this instant.
            let _gone = kill(Pid::from_raw(i32::try_from(self.pid).unwrap_or(0)), Signal::SIGKILL);
        }
    }
}

/// The records of a cluster's processes.
pub struct Records(PathBuf);

impl Records {
    /// Returns the records in a folder, which need not exist yet.
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Starts a process that no terminal and no caller ends, with its output in a file.
    ///
    /// The process writes its record itself before it becomes the program, so that there is no moment at which it
    /// runs unknown. It is nobody's child: whoever called may end or stay, and no zombie remains in a test.
    pub fn start(&self, name: &str, log: &Path, program: &[&str]) -> Result<Process, Error> {
        command::folder(&self.0)?;
        let record = self.0.join(name);
        let file = |path: &Path| {
            path.parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| File::create(path))
                .map_err(|source| Error::File { path: path.to_owned(), action: "written", source })
        };
        let out = file(log)?;
        let err = out.try_clone().map_err(|source| Error::File { path: log.to_owned(), action: "shared", source })?;
        let script = "cat /proc/$$/stat >\"$0.new\" && mv \"$0.new\" \"$0\" && exec \"$@\"";
        let mut starter = command::command("setsid", &["--fork", "sh", "-c", script]);
        starter.arg(&record).args(program).current_dir("/").stdin(Stdio::null()).stdout(out).stderr(err);
        // A proxy or a kubeconfig of the caller means nothing inside.
        starter
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root");
        let status = starter.status().map_err(|source| Error::Start { command: "setsid".to_owned(), source })?;
        if !status.success() {
            return Err(Error::Failed {
                command: format!("setsid {name}"),
                status: status.to_string(),
                stderr: String::new(),
            });
        }
        command::wait(&format!("record of {name}"), Duration::from_secs(10), log, || read(&record))
    }

    /// Records a process that another one started.
    pub fn add(&self, name: &str, pid: u32) -> Result<(), Error> {
        let path = format!("/proc/{pid}/stat");
        let text = fs::read(&path).map_err(|source| Error::File { path: path.into(), action: "read", source })?;
        command::write(&self.0.join(name), text)
    }

    /// Returns all recorded processes, alive or not.
    pub fn all(&self) -> Vec<(String, Process)> {
        let mut all: Vec<_> = fs::read_dir(&self.0)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| Some((entry.file_name().to_string_lossy().into_owned(), read(&entry.path())?)))
            .collect();
        all.sort();
        all
    }

    /// Returns the process with a name.
    pub fn named(&self, name: &str) -> Option<Process> {
        read(&self.0.join(name))
    }

    /// Ends all recorded processes, and waits until they are gone.
    pub fn end(&self) -> Result<(), Error> {
        let all = self.all();
        // No SIGTERM first: the API server would keep its port for a minute, and nothing here needs to be saved.
        all.iter().for_each(|(_, process)| process.kill());
        for (name, process) in all {
            let what = format!("end of {name} (process {})", process.pid);
            command::wait(&what, Duration::from_secs(30), Path::new(""), || (!process.alive()).then_some(()))?;
        }
        Ok(())
    }
}

/// Returns the child of a process that is the first one in a PID namespace.
///
/// Not any child: the process may still be the shell that writes its own record, with a child for that.
pub fn first_inside(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let first = |child: &&str| {
        let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
        numbers.split_whitespace().skip(1).last() == Some("1")
    };
    children.split_whitespace().find(first)?.parse().ok()
}

fn read(record: &Path) -> Option<Process> {
    parse(&fs::read_to_string(record).ok()?).map(|(process, _)| process)
}

/// Reads a line of /proc/PID/stat. The program's name in it is in brackets and may itself hold brackets and blanks.
fn parse(stat: &str) -> Option<(Process, char)> {
    let (pid, rest) = stat.split_once(' ')?;
    let fields: Vec<&str> = rest.rsplit_once(')')?.1.split_whitespace().collect();
    let state = fields.first()?.chars().next()?;
    Some((Process { pid: pid.parse().ok()?, start: fields.get(19)?.parse().ok()? }, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_its_number_and_its_start() {
        let own = Process::of(std::process::id()).expect("this process lives");
        assert!(own.alive());
        assert!(!Process { start: own.start + 1, ..own }.alive(), "a recycled number is another process");
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1";
        assert_eq!(parse(stat), Some((Process { pid: 7, start: 4242 }, 'S')));
        assert_eq!(parse("nonsense"), None);
    }

    #[test]
    fn a_recorded_process_outlives_its_start_and_ends_by_its_record() {
        let folder = tempfile::tempdir().expect("a folder");
        let records = Records::new(folder.path().join("processes"));
        let started = records.start("sleep", &folder.path().join("log"), &["sleep", "600"]).expect("a start");
        assert!(started.alive());
        assert_eq!(records.all(), [("sleep".to_owned(), started)]);
        records.end().expect("an end");
        assert!(!started.alive());
    }
}
