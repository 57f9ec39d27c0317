//! The conformance suite of Gateway API, as it is, and the application that it asks for; both are built once, into the cache.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rcgen::{CertificateParams, KeyPair};
use sha2::{Digest, Sha256};

use crate::{
    cache,
    cluster::{
        command::{Error, finish, folder, progress, write},
        components::lock,
        go::{BUILD, Go},
    },
    image::{self, Config, Entry},
};

/// The module of the suite; its manifests name the image of the application.
const SUITE: &str = "sigs.k8s.io/gateway-api/conformance@v1.6.3";
/// The module of the definitions.
const DEFINITIONS: &str = "sigs.k8s.io/gateway-api@v1.6.3";
/// The suite is a test of a module of ours, which pins all that it is made of.
const SUITE_FILES: [(&str, &str); 3] = [
    ("go.mod", include_str!("conformance/suite/go.mod.in")),
    ("go.sum", include_str!("conformance/suite/go.sum.in")),
    ("conformance_test.go", include_str!("conformance/suite/conformance_test.go")),
];
/// The application is made of programs of a module of Istio, which the suite's own image has too.
const ECHO_FILES: [(&str, &str); 3] = [
    ("go.mod", include_str!("conformance/echo/go.mod.in")),
    ("go.sum", include_str!("conformance/echo/go.sum.in")),
    ("echo.go", include_str!("conformance/echo/echo.go")),
];
const ECHO: &str = "istio.io/istio/pkg/test/echo/cmd";

/// What a run needs.
pub struct Suite {
    /// The suite: a program of Go's tests.
    pub program: PathBuf,
    /// The image of the application.
    pub image: PathBuf,
    /// The definitions of Gateway API, of both channels.
    pub definitions: Vec<PathBuf>,
}

impl Suite {
    /// Builds what is not there yet.
    ///
    /// # Errors
    /// No Go, modules that cannot be had, or a build that fails.
    pub fn ready() -> Result<Self, Error> {
        let cache = cache::cache_dir();
        folder(&cache)?;
        let _lock = lock(&cache.join(".conformance.lock"), "the conformance suite")?;
        let go = Go::ready(&cache)?;
        let modules = cache.join("modules");
        let suite = place(&cache, "conformance", &SUITE_FILES)?;
        let program = suite.join("conformance.test");
        build(&go, &suite, &program, "the conformance suite", &["test", "-c", "-o", "new", "."])?;
        let echo = place(&cache, "conformance-echo", &ECHO_FILES)?;
        for name in ["server", "client"] {
            let package = format!("{ECHO}/{name}");
            let arguments = ["build", "-trimpath", "-ldflags=-s -w", "-o", "new", &package];
            build(&go, &echo, &echo.join(name), &format!("the suite's application ({name})"), &arguments)?;
        }
        let manifests = go.download(&modules, SUITE, "Dir")?.join("mesh/manifests.yaml");
        let image = echo.join("image.tar");
        if !image.exists() {
            let unwritten = |source| Error::File { path: image.clone(), action: "written", source };
            pack(&echo, &image, &named(&manifests)?).map_err(unwritten)?;
        }
        let definitions = found(&go, &modules)?;
        Ok(Self { program, image, definitions })
    }
}

/// Returns the files of the definitions of Gateway API, of both channels.
///
/// # Errors
/// No Go, or modules that cannot be had.
pub fn definitions() -> Result<Vec<PathBuf>, Error> {
    let cache = cache::cache_dir();
    found(&Go::ready(&cache)?, &cache.join("modules"))
}

fn found(go: &Go, modules: &Path) -> Result<Vec<PathBuf>, Error> {
    let definitions = go.download(modules, DEFINITIONS, "Dir")?.join("config/crd/experimental");
    let failed = |source| Error::File { path: definitions.clone(), action: "read", source };
    let mut files: Vec<PathBuf> =
        fs::read_dir(&definitions).map_err(failed)?.flatten().map(|file| file.path()).collect();
    files.retain(|file| file.file_name().is_some_and(|name| name != "kustomization.yaml"));
    files.sort();
    Ok(files)
}

/// Writes files into a folder of the cache that is named by what they say.
///
/// # Errors
/// A cache that cannot be written.
pub fn place(cache: &Path, name: &str, files: &[(&str, &str)]) -> Result<PathBuf, Error> {
    let mut hash = Sha256::new();
    files.iter().for_each(|(_, text)| hash.update(text));
    let sum: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let place = cache.join(format!("{name}-{sum}"));
    folder(&place)?;
    for (file, text) in files {
        write(&place.join(file), text)?;
    }
    Ok(place)
}

/// Builds a program, unless it is there.
///
/// # Errors
/// A build that fails.
pub fn build(go: &Go, place: &Path, out: &Path, what: &str, arguments: &[&str]) -> Result<(), Error> {
    if out.exists() {
        return Ok(());
    }
    progress(&format!("building {what} (once; minutes)"), || {
        finish(go.command(place, arguments).env("CGO_ENABLED", "0"), &[], BUILD)
    })?;
    fs::rename(place.join("new"), out).map_err(|source| Error::File { path: out.to_owned(), action: "made", source })
}

/// Returns the name of the image that the suite's manifests ask for.
fn named(manifests: &Path) -> Result<String, Error> {
    let unread = |source| Error::File { path: manifests.to_owned(), action: "read", source };
    let text = fs::read_to_string(manifests).map_err(unread)?;
    let name = text.lines().find_map(|line| line.trim().strip_prefix("image: "));
    let missing = || unread(io::Error::other("it names no image"));
    name.map(|name| name.trim().trim_matches('"').to_owned()).ok_or_else(missing)
}

/// Puts the application into an image, with a certificate of its own.
fn pack(programs: &Path, out: &Path, name: &str) -> io::Result<()> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let names = vec!["echo".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names).and_then(|p| p.self_signed(&key)).map_err(io::Error::other)?;
    let config = Config { entrypoint: &["/usr/local/bin/server"], env: &["PATH=/usr/local/bin"], user: "" };
    let entries = vec![
        Entry::program("/usr/local/bin/server", programs.join("server")),
        Entry::program("/usr/local/bin/client", programs.join("client")),
        Entry::text("/cert.crt", certificate.pem()),
        Entry::text("/key.pem", key.serialize_pem()),
        Entry::text("/cert.key", key.serialize_pem()),
        Entry::folder("/tmp").mode(0o1777),
    ];
    let unfinished = out.with_extension("new");
    image::write_tree(&unfinished, name, &config, entries)?;
    fs::rename(unfinished, out)
}
