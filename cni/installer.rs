//! Keeps the plugin installed on the node: the executable, and its entry in the runtime's network
//! configuration, whoever rewrites it. Takes both out again without a trace.

use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use inotify::{Inotify, WatchMask};
use tracing::{info, warn};

use crate::config::{Config, NAME};
use crate::conflist;
use crate::plugin::Entry;

/// A single-plugin configuration is put aside under this ending, for its return.
const SAVED: &str = "ambient-saved";
/// Two writers that disagree must not keep the node busy.
const THROTTLE: Duration = Duration::from_secs(5);
/// Without any notice from the kernel the files are looked at this often.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// How much of two files is compared at once, bytes.
const PIECE: usize = 64 << 10;

/// An installation that is not possible now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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
    /// The runtime has no network yet.
    #[error("no CNI configuration in {}: is a network installed on the node?", .0.display())]
    NoConfiguration(PathBuf),
    /// The entry cannot be written as JSON.
    #[error("cannot write the plugin's settings")]
    Entry(#[from] serde_json::Error),
}

/// What one look at the node's files did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All was in place.
    Present,
    /// Something was written.
    Written,
}

/// Puts everything in place; call it as often as you like.
pub fn install(config: &Config) -> Result<Outcome, Error> {
    let binary = install_binary(Path::new("/proc/self/exe"), &config.bin_dir)?;
    let entry = serde_json::to_string(&entry(config))?;
    let configuration = install_entry(&config.net_dir, &entry)?;
    Ok(if binary || configuration { Outcome::Written } else { Outcome::Present })
}

/// Takes everything out; what is not there is no error.
pub fn uninstall(config: &Config) -> Result<(), Error> {
    for path in candidates(&config.net_dir)? {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let Ok(Some(clean)) = conflist::without_entry(&text) else {
            continue;
        };
        let saved = path.with_extension(SAVED);
        if saved.exists() {
            // Ours was a wrapping of a single configuration: put that back.
            fs::rename(&saved, path.with_extension("conf")).map_err(at("restore", &saved))?;
            fs::remove_file(&path).map_err(at("remove", &path))?;
        } else {
            replace(&path, clean.as_bytes(), mode(&path))?;
        }
    }
    let binary = config.bin_dir.join(NAME);
    match fs::remove_file(&binary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(at("remove", &binary)(e)),
        _ => Ok(()),
    }
}

/// Installs, then watches and heals until dropped; reports each success or failure.
pub async fn keep(config: Config, report: impl Fn(Result<Outcome, &Error>)) {
    loop {
        // Watch before looking, or a change in between is missed.
        let mut changes = watch(&config);
        let outcome = install(&config);
        match &outcome {
            Ok(Outcome::Written) => info!(dir = %config.net_dir.display(), "plugin installed"),
            Ok(Outcome::Present) => {}
            Err(e) => warn!(error = %runtime::error::chain(e), "the plugin is not installed"),
        }
        report(outcome.as_ref().copied());
        let change = async {
            match &mut changes {
                Some(stream) => drop(stream.next().await),
                None => std::future::pending().await,
            }
        };
        let written = matches!(outcome, Ok(Outcome::Written));
        let waited = tokio::time::timeout(LOOK_AGAIN, change).await;
        if written && waited.is_ok() && !matches!(install_needed(&config), Ok(false)) {
            warn!(
                "another program rewrote the CNI configuration or removed the plugin at once; \
                 with Cilium set cni.exclusive=false"
            );
            tokio::time::sleep(THROTTLE).await;
        }
    }
}

fn install_needed(config: &Config) -> Result<bool, Error> {
    let entry = serde_json::to_string(&entry(config))?;
    let (_, text) = first_valid(&config.net_dir)?;
    Ok(!config.bin_dir.join(NAME).exists() || !matches!(conflist::with_entry(&text, &entry), Ok(None)))
}

fn entry(config: &Config) -> Entry {
    let mut exclude_namespaces = config.excluded.clone();
    exclude_namespaces.insert(config.system_namespace.clone());
    Entry { kind: NAME.to_owned(), agent_socket: config.plugin_socket(), record: config.record(), exclude_namespaces }
}

fn watch(config: &Config) -> Option<inotify::EventStream<Vec<u8>>> {
    let mask =
        WatchMask::CREATE | WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO | WatchMask::MOVED_FROM | WatchMask::DELETE;
    let start = || {
        let inotify = Inotify::init()?;
        for dir in [&config.net_dir, &config.bin_dir] {
            inotify.watches().add(dir, mask)?;
        }
        inotify.into_event_stream(vec![0; 4096])
    };
    start().inspect_err(|error| warn!(%error, "cannot watch the CNI directories")).ok()
}

/// What a file looked like when it was last compared: while it looks the same it is not read again.
type Stamp = (u64, u64, i64, i64);

static COMPARED: Mutex<Option<(PathBuf, Stamp)>> = Mutex::new(None);

fn stamp(path: &Path) -> Option<Stamp> {
    let m = fs::metadata(path).ok()?;
    Some((m.ino(), m.len(), m.mtime(), m.mtime_nsec()))
}

/// Copies the executable unless the same is there; tells whether it wrote.
fn install_binary(from: &Path, dir: &Path) -> Result<bool, Error> {
    let to = dir.join(NAME);
    let executable = || mode(&to) & 0o111 == 0o111;
    let mut compared = COMPARED.lock().unwrap_or_else(PoisonError::into_inner);
    let looks = |to: &Path| stamp(to).map(|stamp| (to.to_owned(), stamp));
    if compared.is_some() && *compared == looks(&to) && executable() {
        return Ok(false);
    }
    let same = is_same(from, &to).unwrap_or(false) && executable();
    if !same {
        fs::create_dir_all(dir).map_err(at("create", dir))?;
        let temporary = to.with_file_name(format!(".{NAME}.ambient-new"));
        fs::copy(from, &temporary).map_err(at("write", &temporary))?;
        fs::set_permissions(&temporary, Permissions::from_mode(0o755)).map_err(at("set the mode of", &temporary))?;
        fs::rename(&temporary, &to).map_err(at("replace", &to))?;
    }
    *compared = looks(&to);
    Ok(!same)
}

/// Compares two files piece by piece: the whole of both would be most of this process's memory.
fn is_same(a: &Path, b: &Path) -> io::Result<bool> {
    let (mut a, mut b) = (fs::File::open(a)?, fs::File::open(b)?);
    if a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    loop {
        let read = a.read(&mut left)?;
        if read == 0 {
            return Ok(true);
        }
        b.read_exact(&mut right[..read])?;
        if left[..read] != right[..read] {
            return Ok(false);
        }
    }
}

fn install_entry(dir: &Path, entry: &str) -> Result<bool, Error> {
    let (path, text) = first_valid(dir)?;
    let changed = conflist::with_entry(&text, entry);
    let Ok(Some(new)) = changed else {
        return Ok(false);
    };
    if path.extension().is_some_and(|e| e == "conf") {
        // A list needs its own ending, and the original may not stay beside it: it would sort first.
        let saved = path.with_extension(SAVED);
        replace(&path.with_extension("conflist"), new.as_bytes(), mode(&path))?;
        fs::rename(&path, &saved).map_err(at("put aside", &path))?;
    } else {
        replace(&path, new.as_bytes(), mode(&path))?;
    }
    Ok(true)
}

/// The configuration that the runtime uses: the first valid one by name. A single-plugin file counts
/// with its text wrapped into a list.
fn first_valid(dir: &Path) -> Result<(PathBuf, String), Error> {
    for path in candidates(dir)? {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let list = match path.extension().is_some_and(|e| e == "conf") {
            true => conflist::wrapped(&text),
            false => Ok(text),
        };
        if let Ok(list) = list
            && conflist::with_entry(&list, "{}").is_ok()
        {
            return Ok((path, list));
        }
    }
    Err(Error::NoConfiguration(dir.to_owned()))
}

fn candidates(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir)
        .map_err(at("read", dir))?
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "conf" || e == "conflist"))
        .collect();
    paths.sort();
    Ok(paths)
}

/// Writes beside and renames: no reader sees half a file.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or(NAME);
    let temporary = path.with_file_name(format!(".{name}.ambient-new"));
    fs::write(&temporary, bytes).map_err(at("write", &temporary))?;
    fs::set_permissions(&temporary, Permissions::from_mode(mode)).map_err(at("set the mode of", &temporary))?;
    fs::rename(&temporary, path).map_err(at("replace", path))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).map_or(0o644, |m| m.permissions().mode() & 0o7777)
}

fn at<'a>(what: &'static str, path: &'a Path) -> impl Fn(io::Error) -> Error + 'a {
    move |source| Error::File { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path) -> Config {
        let mut config = Config::from_env(|n| (n == "NODE_NAME").then(|| "n".into())).expect("valid");
        (config.net_dir, config.bin_dir) = (dir.join("net.d"), dir.join("bin"));
        fs::create_dir(&config.net_dir).expect("fresh");
        config
    }

    #[test]
    fn install_and_uninstall_leave_the_files_as_before() {
        let dir = tempfile::tempdir().expect("tmp");
        let config = config(dir.path());
        assert!(matches!(install(&config), Err(Error::NoConfiguration(_))));
        let list = config.net_dir.join("10-kindnet.conflist");
        let before = "{ \"name\":\"k\",\n \"plugins\": [ {\"type\":\"ptp\"}\n ] }\n";
        fs::write(config.net_dir.join("05-broken.conflist"), "{").expect("write");
        fs::write(&list, before).expect("write");
        fs::set_permissions(&list, Permissions::from_mode(0o600)).expect("chmod");
        assert_eq!(install(&config).expect("possible"), Outcome::Written);
        assert_eq!(install(&config).expect("possible"), Outcome::Present);
        assert_eq!(mode(&list), 0o600);
        assert_eq!(mode(&config.bin_dir.join(NAME)), 0o755);
        assert!(fs::read_to_string(&list).expect("there").contains("plugin.sock"));
        // Somebody rewrites it.
        fs::write(&list, before).expect("write");
        assert_eq!(install(&config).expect("possible"), Outcome::Written);
        uninstall(&config).expect("possible");
        uninstall(&config).expect("possible");
        assert_eq!(fs::read_to_string(&list).expect("there"), before);
        assert_eq!(mode(&list), 0o600);
        assert_eq!(fs::read_dir(&config.net_dir).expect("there").count(), 2);
        assert_eq!(fs::read_dir(&config.bin_dir).expect("there").count(), 0);
    }

    #[test]
    fn a_single_configuration_comes_back() {
        let dir = tempfile::tempdir().expect("tmp");
        let config = config(dir.path());
        let single = config.net_dir.join("10-bridge.conf");
        fs::write(&single, "{\"type\":\"bridge\"}").expect("write");
        assert_eq!(install(&config).expect("possible"), Outcome::Written);
        assert_eq!(install(&config).expect("possible"), Outcome::Present);
        assert!(!single.exists());
        uninstall(&config).expect("possible");
        assert_eq!(fs::read_to_string(&single).expect("back"), "{\"type\":\"bridge\"}");
        assert_eq!(fs::read_dir(&config.net_dir).expect("there").count(), 1);
    }
}
