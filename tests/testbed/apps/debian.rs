//! Packages of this machine's distribution, unpacked into a folder: apt and dpkg with all their state in the cache, so
//! that the machine itself is not changed, nothing is started, and no right beyond the cache is needed.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// The program that loads others and tells which libraries they need.
const LOADER: &str =
    if cfg!(target_arch = "aarch64") { "lib/ld-linux-aarch64.so.1" } else { "lib64/ld-linux-x86-64.so.2" };
/// The folder name of libraries, as Debian's multiarch specification has it.
const TRIPLET: &str = if cfg!(target_arch = "aarch64") { "aarch64-linux-gnu" } else { "x86_64-linux-gnu" };

/// Why packages cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DebianError {
    /// A program of the distribution failed.
    #[error("{program} failed: {message}")]
    Failed {
        /// Which one.
        program: String,
        /// What it said.
        message: String,
    },
    /// A file or folder cannot be made or read.
    #[error("{0} cannot be made or read")]
    File(PathBuf, #[source] io::Error),
    /// A program needs a library that no package brought.
    #[error("{program} needs {library}, which its packages do not bring")]
    Library {
        /// The program.
        program: String,
        /// The library.
        library: String,
    },
    /// The distribution has no such package.
    #[error("this distribution has no package {0}")]
    Package(String),
    /// A program of the distribution cannot be started.
    #[error("{0} does not start: it takes Debian or Ubuntu to make images of their programs")]
    Start(String, #[source] io::Error),
}

/// The packages that this machine's distribution offers.
pub struct Packages {
    state: PathBuf,
}

impl Packages {
    /// Keeps its state below the cache.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn open(cache: &Path) -> Result<Self, DebianError> {
        let state = cache.join("apt");
        folder(&state.join("lists/partial"))?;
        // Empty: with nothing installed, a package comes with all that it needs, down to the C library.
        let status = state.join("status");
        fs::write(&status, "").map_err(|e| DebianError::File(status, e))?;
        Ok(Self { state })
    }

    /// Fetches the lists of packages anew.
    ///
    /// # Errors
    /// No network, or an unwritable cache.
    pub fn update(&self) -> Result<(), DebianError> {
        run("apt-get", self.options("apt-get", &self.state).arg("update")).map(drop)
    }

    /// Returns the version that the lists know.
    ///
    /// The first call fetches the lists. Later ones do not, so that a machine without a network keeps its images;
    /// `update` is for when a version can no longer be fetched.
    ///
    /// # Errors
    /// An unknown package, or no lists.
    pub fn version(&self, package: &str) -> Result<String, DebianError> {
        if let Some(version) = self.candidate(package)? {
            return Ok(version);
        }
        self.update()?;
        self.candidate(package)?.ok_or_else(|| DebianError::Package(package.to_owned()))
    }

    fn candidate(&self, package: &str) -> Result<Option<String>, DebianError> {
        let text = run("apt-cache", self.options("apt-cache", &self.state).args(["policy", package]))?;
        let version = text.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
        Ok(version.filter(|version| *version != "(none)").map(str::to_owned))
    }

    /// Fetches the packages with all that they need, and unpacks them below `work`.
    ///
    /// # Errors
    /// No network, or packages that the server has replaced since `update`.
    pub fn unpack(&self, packages: &[&str], work: &Path) -> Result<Root, DebianError> {
        let root = work.join("root");
        folder(&root)?;
        folder(&work.join("archives/partial"))?;
        let mut fetch = self.options("apt-get", work);
        fetch.args(["install", "--download-only", "--yes", "--no-install-recommends"]).args(packages);
        run("apt-get", &mut fetch)?;
        let archives = work.join("archives");
        for archive in fs::read_dir(&archives).map_err(|e| DebianError::File(archives.clone(), e))?.flatten() {
            let archive = archive.path();
            if archive.extension() == Some(OsStr::new("deb")) {
                run("dpkg", Command::new("dpkg").arg("--extract").arg(&archive).arg(&root))?;
            }
        }
        Ok(Root(root))
    }

    /// Returns a package with all that it needs, unpacked in the cache; fetched if the cache has not this version.
    ///
    /// # Errors
    /// No network, or an unwritable cache.
    pub fn keep(&self, package: &str, cache: &Path) -> Result<Root, DebianError> {
        let version = self.version(package)?.replace([':', '/'], "_");
        let place = cache.join("packages").join(format!("{package}-{version}"));
        if place.exists() {
            return Ok(Root(place));
        }
        let failed = |error| DebianError::File(place.clone(), error);
        folder(&cache.join("packages"))?;
        let work = tempfile::tempdir_in(cache.join("packages")).map_err(failed)?;
        let root = match self.unpack(&[package], work.path()) {
            // A server keeps only the newest version of a package: the lists may be too old.
            Err(DebianError::Failed { .. }) => self.update().and_then(|()| self.unpack(&[package], work.path()))?,
            unpacked => unpacked?,
        };
        match fs::rename(&root.0, &place) {
            Err(error) if !place.exists() => Err(failed(error)),
            // Another run was first.
            _ => Ok(Root(place)),
        }
    }

    fn options(&self, program: &str, archives: &Path) -> Command {
        let mut command = Command::new(program);
        let folders = [
            ("Dir::State", self.state.clone()),
            ("Dir::State::lists", self.state.join("lists")),
            ("Dir::State::status", self.state.join("status")),
            ("Dir::Cache", self.state.clone()),
            ("Dir::Cache::archives", archives.join("archives")),
        ];
        for (name, path) in folders {
            let mut option = OsString::from(format!("{name}="));
            option.push(path);
            command.arg("-o").arg(option);
        }
        // As root, apt fetches as its own user, who may not write here. The signatures of the lists are checked anyway.
        command.args(["-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3"]);
        command.env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C.UTF-8");
        command
    }
}

/// Unpacked packages.
pub struct Root(PathBuf);

impl Root {
    /// Returns the file of a path inside.
    ///
    /// Distributions differ in whether a package holds `/bin/x` or `/usr/bin/x`; the links that make them one place are
    /// not in any package, so both are tried.
    pub fn file(&self, path: &str) -> PathBuf {
        let path = path.trim_start_matches('/');
        let file = self.0.join(path);
        if file.exists() { file } else { self.0.join("usr").join(path) }
    }

    /// Returns the libraries that a program needs, each as its place and its file, and the loader.
    ///
    /// # Errors
    /// A library that is not among the packages.
    pub fn libraries(&self, program: &str) -> Result<Vec<(String, PathBuf)>, DebianError> {
        let loader = self.file(LOADER);
        let mut found = vec![(format!("/{LOADER}"), loader.clone())];
        let mut path = OsString::new();
        for folder in [format!("lib/{TRIPLET}"), format!("usr/lib/{TRIPLET}"), "lib".to_owned(), "usr/lib".to_owned()] {
            path.push(self.0.join(folder));
            path.push(":");
        }
        let mut list = Command::new(&loader);
        list.arg("--inhibit-cache").arg("--library-path").arg(path).arg("--list").arg(self.file(program));
        for line in run("the loader", &mut list)?.lines() {
            let Some((library, place)) = line.trim().split_once(" => ") else { continue };
            let file = Path::new(place.split(" (").next().unwrap_or(place));
            if library.starts_with('/') {
                continue; // the loader itself
            }
            let missing = || DebianError::Library { program: program.to_owned(), library: library.to_owned() };
            let inside = file.strip_prefix(&self.0).map_err(|_| missing())?;
            found.push((format!("/{}", inside.display()), file.to_owned()));
        }
        Ok(found)
    }
}

fn folder(path: &Path) -> Result<(), DebianError> {
    fs::create_dir_all(path).map_err(|e| DebianError::File(path.to_owned(), e))
}

fn run(program: &str, command: &mut Command) -> Result<String, DebianError> {
    let output = command.output().map_err(|e| DebianError::Start(program.to_owned(), e))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [&*output.stderr, &*output.stdout].concat();
    let message = String::from_utf8_lossy(&said).trim().to_owned();
    Err(DebianError::Failed { program: program.to_owned(), message })
}
