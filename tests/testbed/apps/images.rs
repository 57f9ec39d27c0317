//! The images of the apps: which packages, which of their programs, and what else each needs to run.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};

use super::{
    App,
    debian::{DebianError, Packages},
};
use crate::image::{self, Config, Entry};

/// The target of the build of `echo`: with the C library linked in, it runs in an image without any other file.
const TARGET: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };
const ECHO: &str = "/usr/local/bin/echo";
/// Whoever needs no right runs as nobody.
const NOBODY: &str = "65534:65534";
/// etcd asks for this on processors it was not tested on; elsewhere it is not read.
const ETCD_ENV: &[&str] = &["ETCDCTL_API=3", "ETCD_UNSUPPORTED_ARCH=arm64"];

/// The home of nobody is the root folder, since OpenSMTPD refuses one that others may write to.
const USERS: &str = "root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
opensmtpd:x:101:101::/var/lib/opensmtpd/empty:/bin/false
opensmtpq:x:102:102::/var/lib/opensmtpd/empty:/bin/false
";
const GROUPS: &str = "root:x:0:\nnogroup:x:65534:\nopensmtpd:x:101:\nopensmtpq:x:102:\n";

/// What decides about the content of an image beside the versions: a change here makes new images.
const SOURCES: [&str; 6] = [
    include_str!("images.rs"),
    include_str!("debian.rs"),
    include_str!("mod.rs"),
    include_str!("nginx.conf"),
    include_str!("smtpd.conf"),
    include_str!("../image.rs"),
];

/// Why an image cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The build of `echo` failed; cargo has said why.
    #[error("the build of echo failed")]
    Build,
    /// A file cannot be read or written.
    #[error("{0} cannot be read or written")]
    File(PathBuf, #[source] io::Error),
    /// The packages cannot be had.
    #[error("the packages of {app} cannot be had")]
    Packages {
        /// The app.
        app: &'static str,
        /// Why.
        #[source]
        source: DebianError,
    },
}

struct Recipe {
    packages: &'static [&'static str],
    programs: &'static [&'static str],
    command: &'static [&'static str],
    env: &'static [&'static str],
    user: &'static str,
    entries: Vec<Entry<'static>>,
}

impl Recipe {
    fn of(app: App) -> Self {
        let nothing = Self { packages: &[], programs: &[], command: &[], env: &[], user: NOBODY, entries: Vec::new() };
        match app {
            // As root, so that a test can also look around.
            App::Client => Self {
                packages: &["wrk", "iperf3", "redis-tools", "etcd-client", "dash"],
                programs: &["/usr/bin/wrk", "/usr/bin/iperf3", "/usr/bin/redis-cli", "/usr/bin/etcdctl", "/bin/dash"],
                command: &[ECHO, "serve", "--name", "client"],
                env: ETCD_ENV,
                user: "",
                entries: vec![Entry::link("/bin/sh", "dash")],
            },
            App::Echo => Self { command: &[ECHO], ..nothing },
            App::Etcd => Self {
                packages: &["etcd-server", "etcd-client"],
                programs: &["/usr/bin/etcd", "/usr/bin/etcdctl"],
                command: &[
                    "/usr/bin/etcd",
                    "--data-dir=/tmp/etcd",
                    "--listen-client-urls=http://[::]:2379",
                    "--advertise-client-urls=http://localhost:2379",
                ],
                env: ETCD_ENV,
                ..nothing
            },
            App::Iperf => Self {
                packages: &["iperf3"],
                programs: &["/usr/bin/iperf3"],
                command: &["/usr/bin/iperf3", "--server"],
                ..nothing
            },
            App::Nginx => Self {
                packages: &["nginx"],
                programs: &["/usr/sbin/nginx"],
                // -e: before it reads its configuration it would open a log that is not there.
                command: &["/usr/sbin/nginx", "-e", "stderr", "-c", "/etc/nginx.conf"],
                entries: vec![
                    Entry::text("/etc/nginx.conf", include_str!("nginx.conf")),
                    Entry::text("/www/page", format!("{:.<1023}\n", "nginx: a page of 1 KiB ")),
                ],
                ..nothing
            },
            App::Redis => Self {
                packages: &["redis-server", "redis-tools"],
                programs: &["/usr/bin/redis-server", "/usr/bin/redis-cli"],
                // Without a list of addresses it takes all that there are.
                command: &["/usr/bin/redis-server", "--protected-mode", "no", "--save", "", "--dir", "/tmp"],
                ..nothing
            },
            // As root: it drops rights itself, and gives each of its processes another user.
            App::Smtp => Self {
                packages: &["opensmtpd", "dash"],
                programs: &[
                    "/usr/sbin/smtpd",
                    "/usr/libexec/opensmtpd/lockspool",
                    "/usr/libexec/opensmtpd/mail.maildir",
                    "/bin/dash",
                ],
                command: &["/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf"],
                user: "",
                entries: vec![
                    Entry::link("/bin/sh", "dash"),
                    Entry::text("/etc/smtpd.conf", include_str!("smtpd.conf")),
                    Entry::text("/etc/mailname", "smtp.test\n"),
                    Entry::folder("/var/lib/opensmtpd/empty"),
                    Entry::folder("/var/run"),
                    Entry::folder("/var/spool/smtpd").mode(0o711),
                ],
                ..nothing
            },
        }
    }
}

/// Returns the image of an app, made now if the cache has none of these versions.
///
/// The first call for our own programs builds `echo`, which takes minutes where nothing is built yet; later ones take
/// about a second. Calls of several processes wait for each other.
///
/// # Errors
/// No Debian or Ubuntu, no network for packages that are not in the cache, or a failed build.
pub fn prepare(app: App, cache: &Path) -> Result<PathBuf, ImageError> {
    let images = cache.join("images");
    fs::create_dir_all(&images).map_err(|e| ImageError::File(images.clone(), e))?;
    let lock = images.join(".lock");
    let opened = File::create(&lock).map_err(|e| ImageError::File(lock.clone(), e))?;
    let _held = Flock::lock(opened, FlockArg::LockExclusive).map_err(|(_, e)| ImageError::File(lock, e.into()))?;
    let failed = |source| ImageError::Packages { app: app.name(), source };
    let echo = if matches!(app, App::Client | App::Echo) { Some(build_echo()?) } else { None };
    let packages = Packages::open(cache).map_err(failed)?;
    match make(app, &packages, &images, echo.as_deref()) {
        // A server keeps only the newest version of a package: the lists may be too old.
        Err(ImageError::Packages { source: DebianError::Failed { .. }, .. }) => {
            packages.update().map_err(failed)?;
            make(app, &packages, &images, echo.as_deref())
        }
        made => made,
    }
}

/// Returns the images of all apps, as `prepare` does.
///
/// # Errors
/// As `prepare`.
pub fn prepare_all(cache: &Path) -> Result<Vec<PathBuf>, ImageError> {
    App::ALL.into_iter().map(|app| prepare(app, cache)).collect()
}

fn make(app: App, packages: &Packages, images: &Path, echo: Option<&Path>) -> Result<PathBuf, ImageError> {
    let failed = |source| ImageError::Packages { app: app.name(), source };
    let recipe = Recipe::of(app);
    let versions: Result<Vec<_>, _> = recipe.packages.iter().map(|package| packages.version(package)).collect();
    let out = images.join(format!("{}-{}.tar", app.name(), key(&versions.map_err(failed)?, echo)?));
    if out.exists() {
        return Ok(out);
    }
    let unwritten = |e| ImageError::File(out.clone(), e);
    let work = tempfile::tempdir_in(images).map_err(unwritten)?;
    let mut files = BTreeMap::new();
    if !recipe.packages.is_empty() {
        let root = packages.unpack(recipe.packages, work.path()).map_err(failed)?;
        for program in recipe.programs {
            files.insert((*program).to_owned(), root.file(program));
            files.extend(root.libraries(program).map_err(failed)?);
        }
    }
    files.extend(echo.map(|echo| (ECHO.to_owned(), echo.to_owned())));
    let mut entries = vec![
        Entry::text("/etc/passwd", USERS),
        Entry::text("/etc/group", GROUPS),
        // wrk looks a port up by the name of the scheme.
        Entry::text("/etc/services", "http 80/tcp\n"),
        // For use outside of Kubernetes, which brings its own.
        Entry::text("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ];
    entries.extend(files.into_iter().map(|(place, file)| Entry::program(place, file)));
    entries.extend(recipe.entries);
    let config = Config { entrypoint: recipe.command, env: recipe.env, user: recipe.user };
    let unfinished = work.path().join("image.tar");
    image::write_tree(&unfinished, &app.image(), &config, entries).map_err(unwritten)?;
    forget_older(app, images).map_err(unwritten)?;
    fs::rename(&unfinished, &out).map_err(unwritten)?;
    Ok(out)
}

/// Names the content: the version of the program for people, and a checksum of all that decides.
fn key(versions: &[String], echo: Option<&Path>) -> Result<String, ImageError> {
    let mut hash = Sha256::new();
    SOURCES.into_iter().chain(versions.iter().map(String::as_str)).for_each(|part| hash.update(part));
    if let Some(echo) = echo {
        hash.update(fs::read(echo).map_err(|e| ImageError::File(echo.to_owned(), e))?);
    }
    let sum: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let version = versions.first().map(|version| version.replace([':', '/'], "_") + "-").unwrap_or_default();
    Ok(version + &sum)
}

/// Each build of `echo` makes a new image, and nobody asks for the old ones again.
fn forget_older(app: App, images: &Path) -> io::Result<()> {
    let prefix = format!("{}-", app.name());
    for file in fs::read_dir(images)?.flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if name.starts_with(&prefix) && name.ends_with(".tar") {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

/// Builds `echo` in the workspace's own build folder, wherever cargo has that.
fn build_echo() -> Result<PathBuf, ImageError> {
    // A folder of the workspace that cargo runs this in: what was compiled in may be of another that shares the build folder.
    let workspace = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let workspace = Path::new(&workspace);
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--package", "testbed", "--bin", "echo", "--release", "--target", TARGET]);
    cargo.args(["--message-format", "json-render-diagnostics"]).env("RUSTFLAGS", "-C target-feature=+crt-static");
    let output = cargo.current_dir(workspace).stderr(Stdio::inherit()).output();
    let output = output.map_err(|e| ImageError::File(workspace.to_owned(), e))?;
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let mut messages = messages.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let binary = messages.find_map(|message| message["executable"].as_str().map(PathBuf::from));
    binary.filter(|_| output.status.success()).ok_or(ImageError::Build)
}
