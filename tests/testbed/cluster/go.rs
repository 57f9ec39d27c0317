//! A Go that is new enough to build the components: the machine's own, or one that an older Go fetches.

use std::{
    env, fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::cluster::{
    command::{self, Error, finish, progress, run},
    packages,
};

/// One build takes minutes on a small machine: the API server 226 s, cold, on two cores.
pub const BUILD: Duration = Duration::from_secs(3600);

/// The oldest that builds the components: CoreDNS asks for it.
const OLDEST: u32 = 25;

/// The release that is fetched where there is none.
const RELEASE: &str = "1.26.8";

/// A Go that is new enough.
pub struct Go(PathBuf);

impl Go {
    /// Returns the Go of this machine, or fetches one into the cache.
    ///
    /// A stable Debian has one that is too old to build Kubernetes, but not too old to fetch a newer one: toolchains are
    /// modules too (<https://go.dev/doc/toolchain>).
    pub fn ready(cache: &Path) -> Result<Self, Error> {
        let fetched = cache.join(format!("go-{RELEASE}/bin/go"));
        let known = [on_path(), Some("/usr/local/go/bin/go".into()), Some(fetched.clone())];
        if let Some(go) = known.into_iter().flatten().find(|go| minor(go).is_some_and(|minor| minor >= OLDEST)) {
            return Ok(Self(go));
        }
        if on_path().is_none() {
            packages::install(&["golang-go"])?;
        }
        let old = Self(on_path().unwrap_or_else(|| "/usr/bin/go".into()));
        progress(&format!("fetching Go {RELEASE}"), || old.fetch(cache, &cache.join(format!("go-{RELEASE}"))))?;
        Ok(Self(fetched))
    }

    /// Returns a `go` in a folder.
    pub fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut go = command::tied(&self.0, arguments);
        // The one that was chosen, and its own library.
        go.current_dir(folder).env("GOTOOLCHAIN", "local").env_remove("GOROOT");
        go
    }

    /// Downloads a module and returns one of the paths that describe it.
    pub fn download(&self, folder: &Path, module: &str, field: &str) -> Result<PathBuf, Error> {
        command::folder(folder)?;
        let text = finish(&mut self.command(folder, &["mod", "download", "-json", module]), &[], BUILD)?;
        let described: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        described[field].as_str().map(PathBuf::from).ok_or_else(|| Error::File {
            path: module.into(),
            action: "downloaded",
            source: io::Error::other(text),
        })
    }

    fn fetch(&self, cache: &Path, out: &Path) -> Result<(), Error> {
        let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let origin =
            self.download(cache, &format!("golang.org/toolchain@v0.0.1-go{RELEASE}.linux-{machine}"), "Dir")?;
        let unfinished = out.with_extension("new");
        command::folder(&unfinished)?;
        // A module has no executable files, and the cache of modules is read-only.
        run(
            "cp",
            &["-r", "--no-preserve=mode", &format!("{}/.", origin.display()), &unfinished.display().to_string()],
        )?;
        let failed = |source| Error::File { path: out.to_owned(), action: "made", source };
        for folder in ["bin", &format!("pkg/tool/linux_{machine}")] {
            for program in fs::read_dir(unfinished.join(folder)).map_err(failed)?.flatten() {
                fs::set_permissions(program.path(), fs::Permissions::from_mode(0o755)).map_err(failed)?;
            }
        }
        fs::rename(&unfinished, out).map_err(failed)
    }
}

fn on_path() -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join("go")).find(|go| go.is_file())
}

/// Returns the y of a Go 1.y.z.
fn minor(go: &Path) -> Option<u32> {
    let mut asked = command::command(go, &["env", "GOVERSION"]);
    asked.env("GOTOOLCHAIN", "local").env_remove("GOROOT");
    parse(&finish(&mut asked, &[], command::QUICK).ok()?)
}

fn parse(version: &str) -> Option<u32> {
    let rest = version.trim().strip_prefix("go1.")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_with_and_without_a_patch() {
        assert_eq!(parse("go1.26.8\n"), Some(26));
        assert_eq!(parse("go1.25rc1"), Some(25));
        assert_eq!(parse("devel"), None);
    }
}
