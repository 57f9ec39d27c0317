//! Images of one layer, written without a builder: what `docker load` and `ctr images import` take.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

/// The search path that every image is given.
const PATH: &str = "PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin";

/// An image of programs of this machine, and nothing else.
pub struct Image<'a> {
    /// Its name, with a tag.
    pub name: &'a str,
    /// The command it starts.
    pub entrypoint: &'a [&'a str],
    /// Files of this machine, with their places in the image.
    pub files: &'a [(PathBuf, &'a str)],
}

/// Writes an image of programs into a file.
///
/// # Errors
/// A file that cannot be read or written.
pub fn write(out: &Path, image: &Image<'_>) -> io::Result<()> {
    let config = Config { entrypoint: image.entrypoint, ..Config::default() };
    let entries = image.files.iter().map(|(source, target)| Entry::program(*target, source)).collect();
    write_tree(out, image.name, &config, entries)
}

/// How the processes of an image start.
#[derive(Default)]
pub struct Config<'a> {
    /// The command.
    pub entrypoint: &'a [&'a str],
    /// Variables as `NAME=VALUE`, beside the search path.
    pub env: &'a [&'a str],
    /// `UID[:GID]`; root if empty.
    pub user: &'a str,
}

/// One thing in an image: its place, its mode and owner, and what it is.
pub struct Entry<'a> {
    place: String,
    mode: u32,
    owner: (u64, u64),
    content: Content<'a>,
}

enum Content<'a> {
    Folder,
    Source(PathBuf),
    Link(String),
    Text(Cow<'a, str>),
}

impl<'a> Entry<'a> {
    /// A file of this machine, with mode 755. Links are followed: the image holds the file they lead to.
    pub fn program(place: impl Into<String>, source: impl Into<PathBuf>) -> Self {
        Self::new(place.into(), 0o755, Content::Source(source.into()))
    }

    /// A file of this text, with mode 644.
    pub fn text(place: impl Into<String>, text: impl Into<Cow<'a, str>>) -> Self {
        Self::new(place.into(), 0o644, Content::Text(text.into()))
    }

    /// A folder, with mode 755.
    pub fn folder(place: impl Into<String>) -> Self {
        Self::new(place.into(), 0o755, Content::Folder)
    }

    /// A symbolic link to another place in the image.
    pub fn link(place: impl Into<String>, to: impl Into<String>) -> Self {
        Self::new(place.into(), 0o777, Content::Link(to.into()))
    }

    /// Sets the mode.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the owner, by number: the names are those of the image's own `/etc/passwd`.
    #[must_use]
    pub fn owner(mut self, user: u64, group: u64) -> Self {
        self.owner = (user, group);
        self
    }

    fn new(place: String, mode: u32, content: Content<'a>) -> Self {
        Self { place: place.trim_matches('/').to_owned(), mode, owner: (0, 0), content }
    }
}

/// Writes an image of any content into a file.
///
/// Folders on the way to an entry are made as needed, and `/tmp` and `/etc` are always there. Of two entries at one
/// place the later one counts.
///
/// # Errors
/// A file that cannot be read or written.
pub fn write_tree(out: &Path, name: &str, config: &Config<'_>, entries: Vec<Entry<'_>>) -> io::Result<()> {
    let layer = layer(entries)?;
    let digest = hex(&layer);
    let env: Vec<&str> = [PATH].into_iter().chain(config.env.iter().copied()).collect();
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }, "os": "linux",
        "config": { "Entrypoint": config.entrypoint, "Env": env, "User": config.user },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] }, "history": [{}],
    });
    let config = serde_json::to_vec(&config)?;
    let config_name = format!("{}.json", hex(&config));
    let layer_name = format!("{digest}/layer.tar");
    let manifest = json!([{ "Config": config_name, "RepoTags": [name], "Layers": [layer_name] }]);
    if let Some(parent) = out.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut archive = Builder::new(File::create(out)?);
    let parts =
        [(config_name, config), (layer_name, layer), ("manifest.json".to_owned(), serde_json::to_vec(&manifest)?)];
    for (name, bytes) in parts {
        let mut header = header(EntryType::Regular, 0o644, bytes.len() as u64);
        archive.append_data(&mut header, name, &*bytes)?;
    }
    archive.finish()
}

/// Unpacks the one layer of an image that was written here into a folder, to run its programs without a container, and
/// returns what the image says about how they start (`Entrypoint`, `Env`, `User`).
///
/// # Errors
/// A file that cannot be read or written, or is no image of one layer.
pub fn unpack(image: &Path, folder: &Path) -> io::Result<Value> {
    let mut archive = tar::Archive::new(File::open(image)?);
    let (mut config, mut unpacked) = (Value::Null, false);
    for entry in archive.entries()? {
        let entry = entry?;
        let name = entry.path()?.into_owned();
        if name.ends_with("layer.tar") {
            let mut layer = tar::Archive::new(entry);
            layer.set_preserve_permissions(true);
            layer.set_preserve_ownerships(nix::unistd::geteuid().is_root());
            layer.unpack(folder)?;
            unpacked = true;
        } else if name != Path::new("manifest.json") {
            config = serde_json::from_reader(entry)?;
        }
    }
    let missing = || io::Error::new(io::ErrorKind::InvalidData, format!("{} is no such image", image.display()));
    if unpacked && config["config"].is_object() { Ok(config["config"].take()) } else { Err(missing()) }
}

fn layer(entries: Vec<Entry<'_>>) -> io::Result<Vec<u8>> {
    let mut layer = Builder::new(Vec::new());
    let mut made = BTreeSet::new();
    let always = [Entry::folder("tmp").mode(0o1777), Entry::folder("etc")];
    // Folders first and in order, so that one that was asked for with a mode is not made as a parent with another.
    let (mut folders, others): (Vec<_>, Vec<_>) =
        always.into_iter().chain(entries).partition(|entry| matches!(entry.content, Content::Folder));
    folders.sort_by(|a, b| a.place.cmp(&b.place));
    for entry in folders.into_iter().chain(others) {
        let parents: Vec<&Path> = Path::new(&entry.place).ancestors().skip(1).collect();
        for parent in parents.iter().rev().filter(|p| !p.as_os_str().is_empty()) {
            if made.insert(parent.to_string_lossy().into_owned()) {
                append(&mut layer, &Entry::folder(parent.to_string_lossy()))?;
            }
        }
        made.insert(entry.place.clone());
        append(&mut layer, &entry)?;
    }
    layer.into_inner()
}

fn append(layer: &mut Builder<Vec<u8>>, entry: &Entry<'_>) -> io::Result<()> {
    let (kind, bytes) = match &entry.content {
        Content::Folder => (EntryType::Directory, Vec::new()),
        Content::Link(_) => (EntryType::Symlink, Vec::new()),
        Content::Text(text) => (EntryType::Regular, text.as_bytes().to_vec()),
        Content::Source(source) => {
            let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", source.display()));
            let mut bytes = Vec::new();
            File::open(source).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(named)?;
            (EntryType::Regular, bytes)
        }
    };
    let mut header = header(kind, entry.mode, bytes.len() as u64);
    header.set_uid(entry.owner.0);
    header.set_gid(entry.owner.1);
    match &entry.content {
        Content::Link(to) => layer.append_link(&mut header, &entry.place, to),
        _ => layer.append_data(&mut header, &entry.place, &*bytes),
    }
}

/// Times are fixed: the same files make the same image.
fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_image_unpacks_to_what_it_was_made_of() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("program"), "#!").expect("a file");
        let entries = || {
            vec![
                Entry::program("/usr/bin/program", at("program")),
                Entry::link("/bin", "usr/bin"),
                Entry::text("/var/run/kept/conf", "a"),
                Entry::text("/etc/secret", "s").mode(0o600),
                Entry::folder("/var/run").mode(0o1777),
            ]
        };
        let config = Config { entrypoint: &["/bin/program"], env: &["A=b"], user: "65534" };
        write_tree(&at("image.tar"), "localhost/x:1", &config, entries()).expect("it is written");
        write_tree(&at("again.tar"), "localhost/x:1", &config, entries()).expect("it is written");
        assert_eq!(fs::read(at("image.tar")).expect("a file"), fs::read(at("again.tar")).expect("a file"));
        let config = unpack(&at("image.tar"), &at("root")).expect("it unpacks");
        assert_eq!((&config["User"], &config["Env"][1]), (&"65534".into(), &"A=b".into()));
        let read = |place: &str| fs::read_to_string(at("root").join(place)).expect("a file");
        let mode =
            |place: &str| fs::metadata(at("root").join(place)).expect("it is there").permissions().mode() & 0o7777;
        assert_eq!((read("bin/program"), read("var/run/kept/conf")), ("#!".to_owned(), "a".to_owned()));
        let modes = ["usr/bin/program", "etc/secret", "var/run", "var/run/kept", "tmp"].map(mode);
        assert_eq!(modes, [0o755, 0o600, 0o1777, 0o755, 0o1777]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = [(PathBuf::from("/no/such/file"), "/file")];
        let image = Image { name: "localhost/x:1", entrypoint: &[], files: &files };
        let error = write(&folder.path().join("image.tar"), &image).expect_err("nothing to read");
        assert!(error.to_string().contains("/no/such/file"), "{error}");
    }
}
