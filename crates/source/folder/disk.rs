//! The state directory: one file for each object, written by one process at a time.
//!
//! `STATE/<plural[.group]>/<namespace or _>/<name>.yaml`. Who writes holds `STATE/.lock`; who reads needs no lock, since
//! files are put in place whole. Nothing is flushed to the medium: what a loss of power takes is written again by those
//! who know it, and a truncated file is told as a problem.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::folder::{
    kinds::{self, KINDS, Key},
    refusal::Refusal,
};

/// The longest wait for another process that writes.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How often the lock is tried.
const LOCK_EVERY: Duration = Duration::from_micros(500);
/// The largest file that is read.
pub const LARGEST: u64 = 16 << 20;
/// Stands for the namespace of objects that have none; no namespace is named so.
const NOWHERE: &str = "_";
/// What is written before it is put in place. One name is enough: only one process writes.
const NEW: &str = ".new";

/// An object as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// The object.
    pub object: Value,
    /// What each manager last applied.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub applied: BTreeMap<String, Value>,
    /// The manifest that it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Origin>,
}

/// Where an object comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The file.
    pub file: String,
    /// Whether the object was there before the manifest: then it outlives it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
}

/// Sets one state of a file apart from others. The time is that of the inode: nobody can set it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    changed: (i64, i64),
    size: u64,
}

/// How old a change must be before the next one surely has another time: the kernel's clock for files is coarse, and the
/// number of a replaced file is soon given to a new one.
pub const SETTLED: Duration = Duration::from_millis(100);

impl Stamp {
    /// Returns itself if a change from now on will have another stamp, none if it might have the same.
    #[must_use]
    pub fn settled(self) -> Option<Self> {
        let seconds = Duration::from_secs(u64::try_from(self.changed.0).ok()?);
        let changed = seconds + Duration::from_nanos(u64::try_from(self.changed.1).ok()?);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        // A change in the future is one from before the clock was set back.
        now.checked_sub(changed).is_none_or(|age| age > SETTLED).then_some(self)
    }
}

impl From<&fs::Metadata> for Stamp {
    fn from(file: &fs::Metadata) -> Self {
        Self { inode: file.ino(), changed: (file.ctime(), file.ctime_nsec()), size: file.size() }
    }
}

/// The right to write. Others wait until it is dropped.
pub struct Lock {
    _file: Flock<File>,
}

/// Makes a directory, with what leads to it from a root, which is never made anew: who has removed that wants nothing to come back from
/// a writer who has not heard of it yet.
///
/// # Errors
/// Those of the file system; the root is not there.
pub fn make_below(root: &Path, directory: &Path, mode: u32) -> io::Result<()> {
    let below: Vec<&Path> = directory.ancestors().take_while(|path| *path != root).collect();
    below.into_iter().rev().try_for_each(|path| match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    })
}

/// The directory.
#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
}

impl Disk {
    /// Makes the directory, and one for each kind.
    ///
    /// # Errors
    /// Those of the file system, with the path.
    pub fn open(root: &Path) -> Result<Self, (PathBuf, io::Error)> {
        let make = |path: &Path| {
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| (path.to_owned(), error))
        };
        make(root)?;
        // As the kernel will name it in what it tells.
        let root = root.canonicalize().map_err(|error| (root.to_owned(), error))?;
        for kind in &KINDS {
            make(&root.join(kind.qualified()))?;
        }
        Ok(Self { root })
    }

    /// Returns where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Waits for the right to write.
    ///
    /// # Errors
    /// Another process keeps it for too long, or there can be no lock.
    pub fn lock(&self) -> Result<Lock, Refusal> {
        let path = self.root.join(".lock");
        let began = Instant::now();
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed("open", &path, &error))?;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => return Ok(Lock { _file: file }),
                Err((back, nix::errno::Errno::EWOULDBLOCK | nix::errno::Errno::EINTR)) => file = back,
                Err((_, error)) => return Err(failed("lock", &path, &error.into())),
            }
            if began.elapsed() > LOCK_WAIT {
                return Err(Refusal::busy());
            }
            std::thread::sleep(LOCK_EVERY);
        }
    }

    /// Returns the file of an object.
    #[must_use]
    pub fn path(&self, key: &Key) -> PathBuf {
        let namespace = if key.namespace.is_empty() { NOWHERE } else { &key.namespace };
        self.root.join(key.kind.qualified()).join(namespace).join(format!("{}.yaml", key.name))
    }

    /// Returns the object of a file; none for what is no object's.
    #[must_use]
    pub fn key(&self, path: &Path) -> Option<Key> {
        let mut parts = path.strip_prefix(&self.root).ok()?.iter().map(|p| p.to_str());
        let (plural, namespace, file) = (parts.next()??, parts.next()??, parts.next()??);
        let kind = KINDS.iter().find(|k| k.qualified() == plural)?;
        let name = file.strip_suffix(".yaml")?;
        let home = if kind.namespaced { kinds::is_label(namespace) } else { namespace == NOWHERE };
        let good = home && parts.next().is_none() && kind.bad_name(name).is_none();
        good.then(|| Key::new(kind, if kind.namespaced { namespace } else { "" }, name))
    }

    /// Returns the state of an object's file; none when there is none.
    pub fn stamp(&self, key: &Key) -> Option<Stamp> {
        fs::metadata(self.path(key)).ok().filter(fs::Metadata::is_file).map(|file| Stamp::from(&file))
    }

    /// Reads an object; none when it has no file. The stamp is none for one that changed a moment ago: then it is to be
    /// read again.
    ///
    /// # Errors
    /// Says why the file cannot be read.
    pub fn read(&self, key: &Key) -> Result<Option<(Stored, Option<Stamp>)>, String> {
        let mut file = match File::open(self.path(key)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot be read: {error}")),
        };
        let about = file.metadata().map_err(|error| format!("cannot be read: {error}"))?;
        if !about.is_file() || about.size() > LARGEST {
            return Err(format!("no file of at most {LARGEST} bytes"));
        }
        // Before the text is read: what comes after may be another.
        let stamp = Stamp::from(&about).settled();
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|error| format!("cannot be read: {error}"))?;
        let stored: Stored = serde_yaml::from_str(&text).map_err(|error| format!("no object of a state: {error}"))?;
        let meta = &stored.object["metadata"];
        let named = stored.object["kind"] == key.kind.name
            && meta["name"] == key.name.as_str()
            && meta["namespace"].as_str().unwrap_or_default() == key.namespace;
        if !named {
            return Err(format!("holds another object than {key}"));
        }
        Ok(Some((stored, stamp)))
    }

    /// Writes an object. Only with the lock.
    ///
    /// # Errors
    /// Those of the file system; the former object is then still there.
    pub fn write(&self, _: &Lock, key: &Key, stored: &Stored) -> Result<(), Refusal> {
        let path = self.path(key);
        let put = || -> io::Result<()> {
            let text = serde_yaml::to_string(stored).map_err(io::Error::other)?;
            let directory = path.parent().unwrap_or(&self.root);
            make_below(&self.root, directory, 0o700)?;
            let new = directory.join(NEW);
            let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(text.as_bytes())?;
            fs::rename(&new, &path)
        };
        put().map_err(|error| failed("write", &path, &error))
    }

    /// Removes an object, and the directory of its namespace when nothing else is in it. Only with the lock.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove(&self, _: &Lock, key: &Key) -> Result<(), Refusal> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &path, &error)),
            _ => {}
        }
        if let Some(directory) = path.parent() {
            // Refused by the kernel while files are in it.
            let _ = fs::remove_dir(directory);
        }
        Ok(())
    }

    /// Returns the directories whose changes are to be watched.
    #[must_use]
    pub fn directories(&self) -> Vec<PathBuf> {
        let kinds = KINDS.iter().map(|kind| self.root.join(kind.qualified()));
        kinds.flat_map(|kind| entries(&kind).into_iter().filter(|p| p.is_dir()).chain([kind])).collect()
    }

    /// Returns the objects that have a file, of one namespace or of all.
    #[must_use]
    pub fn keys(&self, namespace: Option<&str>) -> Vec<Key> {
        let kinds = KINDS.iter().map(|kind| self.root.join(kind.qualified()));
        let namespaces = kinds.flat_map(|kind| match namespace {
            Some(namespace) => vec![kind.join(namespace)],
            None => entries(&kind),
        });
        namespaces.flat_map(|n| entries(&n)).filter_map(|file| self.key(&file)).collect()
    }

    /// Returns the key that tokens are signed with, which is made once.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn token_key(&self) -> Result<Vec<u8>, Refusal> {
        const BYTES: usize = 32;
        let path = self.root.join(".token-key");
        let read = || fs::read(&path).ok().filter(|key| key.len() == BYTES);
        if let Some(key) = read() {
            return Ok(key);
        }
        let _lock = self.lock()?;
        if let Some(key) = read() {
            return Ok(key);
        }
        let key: [u8; BYTES] = rand::random();
        let put = || -> io::Result<()> {
            let new = self.root.join(NEW);
            OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?.write_all(&key)?;
            fs::rename(&new, &path)
        };
        put().map_err(|error| failed("write", &path, &error))?;
        Ok(key.to_vec())
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Refusal {
    Refusal::internal(format!("cannot {what} {}: {error}", path.display()))
}
