//! What a cluster is made of: Kubernetes and CoreDNS, built once from their Go modules, and the images of a node.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use crate::{
    cache::cache_dir,
    cluster::{
        command::{self, Error, finish, progress, run},
        go::{BUILD, Go},
        packages,
    },
    image::{self, Image},
};

/// The release of Kubernetes.
pub const KUBERNETES: &str = "1.34.4";

/// The release of CoreDNS.
pub const COREDNS: &str = "1.14.7";

/// The name of CoreDNS's image in the nodes.
pub const COREDNS_IMAGE: &str = "localhost/coredns:1.14.7";

/// The name of the image that holds a pod's namespaces.
pub const PAUSE_IMAGE: &str = "localhost/pause:1";

/// The programs of Kubernetes.
const PROGRAMS: [&str; 6] =
    ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"];

/// Where the plugins of the Debian package are.
pub const CNI_PLUGINS: &str = "/usr/lib/cni";

/// The folders of the built programs and images.
pub struct Components {
    /// Holds the programs of Kubernetes.
    pub kubernetes: PathBuf,
    /// Holds `pause.tar` and `coredns.tar`.
    pub images: PathBuf,
}

impl Components {
    /// Returns the components, and installs and builds what is missing.
    pub fn ready() -> Result<Self, Error> {
        let cache = cache_dir();
        let lock = lock(&cache.join("build.lock"), "build of components")?;
        let result = Self::build(&cache);
        drop(lock);
        result
    }

    /// Returns the place of kubectl, built or not.
    pub fn kubectl() -> PathBuf {
        kubernetes(&cache_dir()).join("kubectl")
    }

    fn build(cache: &Path) -> Result<Self, Error> {
        packages::ready()?;
        let this = Self { kubernetes: kubernetes(cache), images: cache.join("images") };
        let missing: Vec<&str> =
            PROGRAMS.into_iter().filter(|program| !this.kubernetes.join(program).exists()).collect();
        let coredns = cache.join(format!("coredns-{COREDNS}")).join("coredns");
        if !missing.is_empty() || !coredns.exists() {
            let go = Go::ready(cache)?;
            build_kubernetes(&go, cache, &this.kubernetes, &missing)?;
            build_coredns(&go, cache, &coredns)?;
        }
        // The names of the images are the keys: a new release makes a new file.
        build_image(&this.images, "coredns", COREDNS_IMAGE, || Ok(coredns))?;
        build_image(&this.images, "pause", PAUSE_IMAGE, || pause(cache))?;
        Ok(this)
    }

    /// Returns the files of the images that every node has.
    pub fn image_files(&self) -> [PathBuf; 2] {
        [PAUSE_IMAGE, COREDNS_IMAGE].map(|name| image_file(&self.images, name))
    }
}

/// Takes a lock that other runs wait for; it is free again when it is dropped, or when its process ends.
pub fn lock(path: &Path, what: &str) -> Result<File, Error> {
    let failed = |source| Error::File { path: path.to_owned(), action: "locked", source };
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
    let file = File::create(path).map_err(failed)?;
    if file.try_lock().is_err() {
        eprintln!("another run holds the {what}; waiting for it");
        command::wait(&format!("lock {}", path.display()), BUILD, Path::new(""), || {
            file.try_lock().is_ok().then_some(())
        })?;
    }
    Ok(file)
}

fn kubernetes(cache: &Path) -> PathBuf {
    cache.join(format!("kubernetes-{KUBERNETES}"))
}

fn build_kubernetes(go: &Go, cache: &Path, out: &Path, missing: &[&str]) -> Result<(), Error> {
    if missing.is_empty() {
        return Ok(());
    }
    let source = cache.join("build").join(format!("kubernetes-{KUBERNETES}"));
    let imports: String = PROGRAMS.iter().map(|program| format!("\t_ \"k8s.io/kubernetes/cmd/{program}\"\n")).collect();
    command::write(&source.join("tools.go"), format!("//go:build tools\n\npackage tools\n\nimport (\n{imports})\n"))?;
    let module = format!("k8s.io/kubernetes@v{KUBERNETES}");
    progress("resolving the Go modules of Kubernetes", || {
        let upstream = go.download(&source, &module, "GoMod")?;
        let text =
            fs::read_to_string(&upstream).map_err(|source| Error::File { path: upstream, action: "read", source })?;
        command::write(&source.join("go.mod"), go_mod(&text))?;
        finish(&mut go.command(&source, &["mod", "tidy"]), &[], BUILD).map(drop)
    })?;
    let minor = KUBERNETES.split('.').nth(1).unwrap_or_default();
    let version = "-X k8s.io/component-base/version";
    let flags = format!("-s -w {version}.gitVersion=v{KUBERNETES} {version}.gitMajor=1 {version}.gitMinor={minor}");
    for program in missing {
        build(go, &source, &flags, &format!("k8s.io/kubernetes/cmd/{program}"), &out.join(program))?;
    }
    Ok(())
}

/// Kubernetes replaces its staging modules by folders; outside its tree they are the published v0.X.Y of its release.
fn go_mod(upstream: &str) -> String {
    let staging = format!("v0.{}", KUBERNETES.trim_start_matches("1."));
    let replaced = upstream
        .lines()
        .filter(|line| line.contains("=> ./staging/"))
        .filter_map(|line| line.split_whitespace().next());
    let replaces: String = replaced.map(|module| format!("\t{module} => {module} {staging}\n")).collect();
    format!("module components\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes v{KUBERNETES}\n\nreplace (\n{replaces})\n")
}

fn build_coredns(go: &Go, cache: &Path, out: &Path) -> Result<(), Error> {
    if out.exists() {
        return Ok(());
    }
    let source = cache.join("build").join(format!("coredns-{COREDNS}"));
    // CoreDNS is its own main module: its plugins and versions are those of its go.mod. The module cache is read-only.
    let origin = go.download(cache, &format!("github.com/coredns/coredns@v{COREDNS}"), "Dir")?;
    command::folder(&source)?;
    run("cp", &["-r", "--no-preserve=mode", &format!("{}/.", origin.display()), &source.display().to_string()])?;
    build(go, &source, "-s -w", ".", out)
}

/// Builds a program under another name first: one that is there is whole.
fn build(go: &Go, source: &Path, flags: &str, package: &str, out: &Path) -> Result<(), Error> {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = out.with_extension("new");
    out.parent().map_or(Ok(()), command::folder)?;
    progress(&format!("building {name} (once; minutes)"), || {
        let target = unfinished.display().to_string();
        finish(
            go.command(source, &["build", "-trimpath", "-ldflags", flags, "-o", &target, package])
                .env("CGO_ENABLED", "0"),
            &[],
            BUILD,
        )?;
        fs::rename(&unfinished, out).map_err(|source| Error::File { path: out.to_owned(), action: "written", source })
    })
}

fn image_file(images: &Path, name: &str) -> PathBuf {
    images.join(format!("{}.tar", name.trim_start_matches("localhost/").replace(':', "-")))
}

fn build_image(
    images: &Path,
    program: &str,
    name: &str,
    source: impl FnOnce() -> Result<PathBuf, Error>,
) -> Result<(), Error> {
    let out = image_file(images, name);
    if out.exists() {
        return Ok(());
    }
    let (inside, unfinished) = (format!("/{program}"), out.with_extension("new"));
    let image = Image { name, entrypoint: &[&inside], files: &[(source()?, &inside)] };
    let written = image::write(&unfinished, &image).and_then(|()| fs::rename(&unfinished, &out));
    written.map_err(|source| Error::File { path: out, action: "written", source })
}

/// Builds the program that keeps a pod's namespaces open: any static program that waits, and reaps what ends before it.
fn pause(cache: &Path) -> Result<PathBuf, Error> {
    let (source, out) = (cache.join("build/pause.c"), cache.join("build/pause"));
    command::write(&source, include_str!("pause.c"))?;
    run("gcc", &["-static", "-Os", "-s", "-o", &out.display().to_string(), &source.display().to_string()])?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staging_modules_become_published_ones() {
        let text =
            go_mod("module k8s.io/kubernetes\nreplace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n\tx => y v1\n)\n");
        assert!(text.contains("\tk8s.io/api => k8s.io/api v0.34.4\n"), "{text}");
        assert!(!text.contains("x => y"), "{text}");
    }
}
