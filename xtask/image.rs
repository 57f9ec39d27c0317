//! `cargo xtask image`: scratch and the one static binary, without a builder.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use testbed::image::{Image, write};

use crate::{cargo, root, run};

/// The name of the image, unless another is given: the one that `install` asks for.
pub const TAG: &str = concat!("localhost/ambient:", env!("CARGO_PKG_VERSION"));
/// The target that the binary is built for: with the C library linked in, it needs no file but itself.
pub const TARGET: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

/// What was built.
pub struct Built {
    /// The program.
    pub binary: PathBuf,
    /// The image, as `docker save` writes them.
    pub archive: PathBuf,
}

/// Builds the program, with all that it needs inside.
pub fn binary(profile: &str) -> Result<PathBuf, String> {
    program("ambient", "ambient", profile)
}

/// Builds a program of a package, with all that it needs inside.
pub fn program(package: &str, name: &str, profile: &str) -> Result<PathBuf, String> {
    let mut build = cargo(&["build", "--package", package, "--bin", name, "--profile", profile, "--target", TARGET]);
    // To measure again what was built before, while sources are being edited.
    if std::env::var_os("AMBIENT_NO_BUILD").is_none() {
        run(build.env("RUSTFLAGS", "-C target-feature=+crt-static"))?;
    }
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(target().join(TARGET).join(folder).join(name))
}

/// Returns the build folder, where cargo has it.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Builds the tests of a library as a program, with all that it needs inside.
pub fn tests(package: &str, profile: &str) -> Result<PathBuf, String> {
    let mut build =
        cargo(&["test", "--no-run", "--package", package, "--lib", "--profile", profile, "--target", TARGET]);
    build.arg("--message-format=json-render-diagnostics").env("RUSTFLAGS", "-C target-feature=+crt-static");
    let output = build.stderr(Stdio::inherit()).output().map_err(|e| format!("cargo cannot be started: {e}"))?;
    if !output.status.success() {
        return Err(format!("the tests of {package} are not built: {}", output.status));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut programs = messages.lines().rev().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_test = message["profile"]["test"] == true;
        message["executable"].as_str().filter(|_| is_test).map(PathBuf::from)
    });
    programs.next().ok_or_else(|| format!("cargo names no tests of {package}"))
}

/// Builds the image.
pub fn build(profile: &str, tag: &str) -> Result<Built, String> {
    let binary = binary(profile)?;
    let archive = target().join("image/ambient.tar");
    let image = Image {
        name: tag,
        entrypoint: &["/usr/local/bin/ambient"],
        files: &[(binary.clone(), "/usr/local/bin/ambient")],
    };
    write(&archive, &image).map_err(|e| format!("{} cannot be written: {e}", archive.display()))?;
    Ok(Built { binary, archive })
}

/// Builds the image and prints what came of it.
pub fn act(profile: &str, tag: &str) -> Result<(), String> {
    let built = build(profile, tag)?;
    let size = |path: &Path| path.metadata().map(|m| m.len() as f64 / 1e6).unwrap_or_default();
    println!("binary {:.1} MB  {}", size(&built.binary), built.binary.display());
    println!("image  {:.1} MB  {}  ({tag})", size(&built.archive), built.archive.display());
    Ok(())
}
