//! Brings what operators write into the state, and takes out what they write no longer.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
};

use crate::folder::{
    delete::{self, Deletion},
    disk::Stamp,
    kinds::Key,
    manifests::{self, Check, Manifest, Parsed},
    problem::Problem,
    refusal::Refusal,
    store::{Entry, Store, Transaction},
    write::{self, Part, Patch},
};

/// Who applies what manifests hold.
pub const MANAGER: &str = "folder";
/// The largest manifest.
const LARGEST: u64 = 3 << 20;
/// The most files, and the most directories in each other.
const FILES: usize = 10_000;
const DEPTH: usize = 32;

/// Reads manifests, again and again; what did not change is not read again.
pub struct Importer {
    roots: Vec<PathBuf>,
    check: Option<Check>,
    read: HashMap<PathBuf, (Option<Stamp>, Parsed)>,
}

/// What to do with a file that changed a moment ago: it may be half written, and what it lacks must not be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsettled {
    /// Take it as it is: nothing was in force before.
    Read,
    /// Take it as it was, and look again.
    Wait,
}

/// What was found of the manifests.
#[derive(Default)]
struct Found {
    files: Vec<(PathBuf, Stamp)>,
    /// Directories, whose changes count.
    directories: BTreeSet<PathBuf>,
    /// Files and directories that cannot be read: what came from there stays.
    unread: Vec<PathBuf>,
    problems: Vec<Problem>,
    /// By their true names, against links in circles.
    seen: HashSet<PathBuf>,
}

/// What is to be in force.
#[derive(Default)]
struct Plan {
    /// The documents, and the files that they stand in.
    wanted: BTreeMap<Key, (String, Manifest)>,
    /// Objects that are named, validly or not, and by which file: they stay.
    named: BTreeMap<Key, String>,
    /// Files of which all objects stay.
    unclear: BTreeSet<String>,
    problems: Vec<Problem>,
    /// Whether a file is still being written, as far as can be told.
    again: bool,
}

impl Importer {
    /// Makes one for files and directories.
    #[must_use]
    pub fn new(roots: Vec<PathBuf>, check: Option<Check>) -> Self {
        Self { roots, check, read: HashMap::new() }
    }

    /// Returns the directories whose changes count.
    #[must_use]
    pub fn directories(&self, store: &Store) -> Vec<PathBuf> {
        let files = self.roots.iter().filter(|r| !r.is_dir()).filter_map(|r| r.parent());
        let own = |p: &Path| if p.as_os_str().is_empty() { PathBuf::from(".") } else { p.to_owned() };
        self.find(store).directories.into_iter().chain(files.map(own)).collect()
    }

    /// Brings the state to what the manifests hold now; tells whether to look again soon.
    pub fn run(&mut self, store: &Store, unsettled: Unsettled) -> bool {
        let mut found = self.find(store);
        let plan = self.plan(&mut found, unsettled);
        let mut problems = std::mem::take(&mut found.problems);
        problems.extend(plan.problems.iter().cloned());
        let known: BTreeMap<Key, std::sync::Arc<Entry>> = store.all().into_iter().collect();
        let known_root = |file: &str| self.roots.iter().any(|root| Path::new(file).starts_with(root));
        let stays = |key: &Key, file: &str| {
            // What is still being written may be where the object went.
            plan.again
                || plan.named.contains_key(key)
                || plan.unclear.contains(file)
                || found.unread.iter().any(|path| Path::new(file).starts_with(path))
                // Of a root that is no longer named: while one of those that are cannot be read, that one may be it, mistyped.
                || (!found.unread.is_empty() && !known_root(file))
        };
        let news: Vec<&Key> = order(
            plan.wanted
                .iter()
                .filter(|(key, (file, manifest))| {
                    known.get(key).is_none_or(|entry| !is_in_force(entry, file, manifest))
                })
                .map(|(key, _)| key),
            true,
        );
        let olds: Vec<&Key> = order(
            known
                .iter()
                .filter(|(key, entry)| {
                    let going = !entry.stored.object["metadata"]["deletionTimestamp"].is_null();
                    entry.stored.manifest.as_ref().is_some_and(|origin| !going && !stays(key, &origin.file))
                })
                .map(|(key, _)| key),
            false,
        );
        if !news.is_empty() || !olds.is_empty() {
            let done = store.transact(false, |tx| {
                for key in news {
                    let (file, manifest) = &plan.wanted[key];
                    problems.extend(bring(tx, key, file, manifest).err().map(|refusal| tell(file, manifest, &refusal)));
                }
                for key in olds {
                    if let Err(refusal) = take_out(tx, key) {
                        let file = known[key].stored.manifest.as_ref().map_or("", |origin| &origin.file);
                        let message = format!("cannot be taken out: {refusal}");
                        problems.push(Problem { object: Some(key.to_string()), ..Problem::of_file(file, message) });
                    }
                }
                Ok(())
            });
            if let Err(refusal) = done {
                let root = store.disk().root().display().to_string();
                problems.push(Problem::of_file(&root, refusal.message));
            }
        }
        store.refuse(problems);
        plan.again
    }

    fn find(&self, store: &Store) -> Found {
        let mut found = Found::default();
        // The state is no manifest, should it lie among them.
        found.seen.insert(store.disk().root().to_owned());
        for root in &self.roots {
            match fs::metadata(root) {
                Ok(about) if about.is_dir() => found.walk(root, 0),
                Ok(about) => found.file(root, &about),
                Err(error) => found.failed(root, &error),
            }
        }
        found
    }

    fn plan(&mut self, found: &mut Found, unsettled: Unsettled) -> Plan {
        let mut plan = Plan::default();
        let mut read = HashMap::new();
        for (path, stamp) in &found.files {
            let cached = self.read.remove(path);
            let file = path.display().to_string();
            if unsettled == Unsettled::Wait && stamp.settled().is_none() {
                plan.again = true;
                plan.unclear.insert(file.clone());
                if let Some((_, parsed)) = cached {
                    plan.add(&file, &parsed);
                    read.insert(path.clone(), (None, parsed));
                }
                continue;
            }
            let cached = cached.filter(|(old, _)| *old == Some(*stamp)).map(|(_, parsed)| parsed);
            let parsed = match cached.map_or_else(|| self.parse(path, &file), Ok) {
                Ok(parsed) => parsed,
                // Deleted a moment ago.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    found.problems.push(Problem::of_file(&file, format!("cannot be read: {error}")));
                    found.unread.push(path.clone());
                    continue;
                }
            };
            plan.add(&file, &parsed);
            read.insert(path.clone(), (stamp.settled(), parsed));
        }
        self.read = read;
        plan
    }

    fn parse(&self, path: &Path, file: &str) -> io::Result<Parsed> {
        let bytes = fs::read(path)?;
        Ok(match String::from_utf8(bytes) {
            Ok(text) => manifests::parse(file, &text, self.check),
            Err(_) => {
                let problems = vec![Problem::of_file(file, "not YAML: the text is not UTF-8")];
                Parsed { unclear: true, problems, ..Parsed::default() }
            }
        })
    }
}

impl Found {
    fn walk(&mut self, directory: &Path, depth: usize) {
        let listed = directory.canonicalize().and_then(|name| Ok((name, fs::read_dir(directory)?)));
        let (name, entries) = match listed {
            Ok(listed) => listed,
            Err(error) => return self.failed(directory, &error),
        };
        if depth > DEPTH || !self.seen.insert(name) {
            return;
        }
        self.directories.insert(directory.to_owned());
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if name.starts_with('.') || name.is_empty() {
                continue;
            }
            // What ends otherwise is no manifest: `x.yaml~`, `x.yaml.swp`, `#x.yaml#` of editors, notes of people.
            let manifest = path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
            match fs::metadata(&path) {
                Ok(about) if about.is_dir() => self.walk(&path, depth + 1),
                Ok(about) if manifest => self.file(&path, &about),
                Err(error) if manifest && error.kind() != io::ErrorKind::NotFound => self.failed(&path, &error),
                _ => {}
            }
        }
    }

    fn file(&mut self, path: &Path, about: &fs::Metadata) {
        if !about.is_file() || about.len() > LARGEST || self.files.len() >= FILES {
            let message = format!("not read: want a file of at most {LARGEST} bytes, and at most {FILES} files");
            self.problems.push(Problem::of_file(&path.display().to_string(), message));
            self.unread.push(path.to_owned());
        } else if !self.files.iter().any(|(known, _)| known == path) {
            self.files.push((path.to_owned(), Stamp::from(about)));
        }
    }

    fn failed(&mut self, path: &Path, error: &io::Error) {
        // A folder that vanished as a whole is more likely not mounted than emptied: what came from it stays.
        self.problems.push(Problem::of_file(&path.display().to_string(), format!("cannot be read: {error}")));
        self.unread.push(path.to_owned());
    }
}

impl Plan {
    fn add(&mut self, file: &str, parsed: &Parsed) {
        self.problems.extend(parsed.problems.iter().cloned());
        if parsed.unclear {
            self.unclear.insert(file.to_owned());
        }
        for manifest in &parsed.objects {
            let key = &manifest.key;
            if let Some(first) = self.named.get(key) {
                let message = format!("the same object is in {first}, which stays in force");
                self.problems.push(problem(file, manifest, message));
                continue;
            }
            self.named.insert(key.clone(), file.to_owned());
            self.wanted.insert(key.clone(), (file.to_owned(), manifest.clone()));
        }
        for key in &parsed.invalid {
            self.named.entry(key.clone()).or_insert_with(|| file.to_owned());
        }
    }
}

/// Orders objects so that namespaces are there before what is in them, and go after it.
fn order<'a>(keys: impl Iterator<Item = &'a Key>, spaces_first: bool) -> Vec<&'a Key> {
    let mut keys: Vec<&Key> = keys.collect();
    keys.sort_by_key(|key| (key.kind.name == "Namespace") != spaces_first);
    keys
}

fn is_in_force(entry: &Entry, file: &str, manifest: &Manifest) -> bool {
    let stored = &entry.stored;
    stored.manifest.as_ref().is_some_and(|origin| origin.file == file)
        && stored.applied.get(MANAGER) == Some(&write::applied(manifest.key.kind, manifest.object.clone()))
}

fn bring(tx: &Transaction<'_>, key: &Key, file: &str, manifest: &Manifest) -> Result<(), Refusal> {
    let origin = Some(file.to_owned());
    let patch = Patch::Apply { manager: MANAGER.to_owned(), wanted: manifest.object.clone(), origin };
    write::patch(tx, key, Part::Whole, patch, false).map(drop)
}

fn take_out(tx: &Transaction<'_>, key: &Key) -> Result<(), Refusal> {
    let Some(entry) = tx.read(key) else { return Ok(()) };
    if entry.stored.manifest.as_ref().is_none_or(|origin| origin.adopted) {
        return write::withdraw(tx, key, MANAGER);
    }
    delete::delete(tx, key, &Deletion::default()).map(drop)
}

fn tell(file: &str, manifest: &Manifest, refusal: &Refusal) -> Problem {
    let namespace = &manifest.key.namespace;
    match refusal.code {
        404 => {
            let message = format!("namespace {namespace} does not exist: write a manifest for it as well");
            problem(file, manifest, message)
        }
        _ => problem(file, manifest, refusal.message.clone()),
    }
}

fn problem(file: &str, manifest: &Manifest, message: String) -> Problem {
    Problem {
        line: manifest.line,
        column: manifest.column,
        object: Some(manifest.key.to_string()),
        ..Problem::of_file(file, message)
    }
}
