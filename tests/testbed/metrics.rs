//! Kubernetes' metrics server, built once from its Go module: what autoscalers know of processors.

use std::{fs, path::PathBuf};

use crate::{
    cache,
    cluster::{
        command::{Error, folder},
        components::lock,
        go::Go,
    },
    conformance::{build, place},
    image::{self, Image},
};

/// A module of ours pins all that the program is made of.
const FILES: [(&str, &str); 2] =
    [("go.mod", include_str!("metrics/go.mod.in")), ("go.sum", include_str!("metrics/go.sum.in"))];
const PACKAGE: &str = "sigs.k8s.io/metrics-server/cmd/metrics-server";
const IMAGE: &str = "localhost/metrics-server:0.8.0";

/// What a cluster needs.
pub struct MetricsServer {
    /// The image.
    pub image: PathBuf,
    /// The objects.
    pub manifests: String,
}

impl MetricsServer {
    /// Builds what is not there yet.
    ///
    /// # Errors
    /// No Go, modules that cannot be had, or a build that fails.
    pub fn ready() -> Result<Self, Error> {
        let cache = cache::cache_dir();
        folder(&cache)?;
        let _lock = lock(&cache.join(".metrics-server.lock"), "the metrics server")?;
        let go = Go::ready(&cache)?;
        let module = place(&cache, "metrics-server", &FILES)?;
        let program = module.join("metrics-server");
        let arguments = ["build", "-trimpath", "-ldflags=-s -w", "-o", "new", PACKAGE];
        build(&go, &module, &program, "the metrics server", &arguments)?;
        let image = module.join("image.tar");
        if !image.exists() {
            let unfinished = image.with_extension("new");
            let packed =
                Image { name: IMAGE, entrypoint: &["/metrics-server"], files: &[(program, "/metrics-server")] };
            let written = image::write(&unfinished, &packed).and_then(|()| fs::rename(&unfinished, &image));
            written.map_err(|source| Error::File { path: image.clone(), action: "written", source })?;
        }
        Ok(Self { image, manifests: include_str!("metrics/server.yaml").replace("IMAGE", IMAGE) })
    }
}
