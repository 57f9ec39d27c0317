//! h2spec, a test of servers of HTTP/2 that others wrote; built once, into the cache.

use std::path::PathBuf;

use crate::{
    cache,
    cluster::{
        command::{Error, folder},
        components::lock,
        go::Go,
    },
    conformance::{build, place},
};

/// A module of ours pins all that it is made of. A later release exists, but not as a module that could be had.
const FILES: [(&str, &str); 3] = [
    ("go.mod", include_str!("h2spec/go.mod.in")),
    ("go.sum", include_str!("h2spec/go.sum.in")),
    ("h2spec.go", include_str!("h2spec/h2spec.go")),
];
const PROGRAM: &str = "github.com/summerwind/h2spec/cmd/h2spec";

/// Returns the program; builds it if it is not there yet.
///
/// # Errors
/// No Go, modules that cannot be had, or a build that fails.
pub fn ready() -> Result<PathBuf, Error> {
    let cache = cache::cache_dir();
    folder(&cache)?;
    let _lock = lock(&cache.join(".h2spec.lock"), "h2spec")?;
    let go = Go::ready(&cache)?;
    let folder = place(&cache, "h2spec", &FILES)?;
    let program = folder.join("h2spec");
    build(&go, &folder, &program, "h2spec", &["build", "-trimpath", "-ldflags=-s -w", "-o", "new", PROGRAM])?;
    Ok(program)
}
