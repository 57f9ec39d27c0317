//! `ambient version`: this program, and what runs in the cluster.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};
use serde::Serialize;

use crate::{
    args::{Format, Global},
    cluster::{Cluster, wait::Workload},
    error::Error,
    screen::Screen,
};

/// Show the versions of this program and of the mesh
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How to write the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
    /// Ask the cluster too
    #[arg(long, default_value_t = true, default_missing_value = "true", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    remote: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    client_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kubernetes_version: Option<String>,
    /// Component to version to number of pods.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    mesh: BTreeMap<&'static str, BTreeMap<String, usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Runs the command. A cluster that does not answer is told, and no failure: the program's own version is known.
pub async fn run(args: Args, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let mut versions = Versions {
        client_version: env!("CARGO_PKG_VERSION").to_owned(),
        kubernetes_version: None,
        mesh: BTreeMap::new(),
        error: None,
    };
    if args.remote
        && let Err(error) = ask(global, &mut versions).await
    {
        versions.error = Some(error.one_line());
    }
    if args.output != Format::Table {
        screen.data(args.output, &versions)?;
        return Ok(0);
    }
    screen.line(format!("client version: {}", versions.client_version))?;
    if let Some(version) = &versions.kubernetes_version {
        screen.line(format!("kubernetes version: {version}"))?;
        if versions.mesh.is_empty() && versions.error.is_none() {
            screen.line("the mesh is not present in the cluster")?;
        }
    }
    for (component, counts) in &versions.mesh {
        let counts: Vec<String> = counts.iter().map(|(version, pods)| format!("{version} ({pods} pods)")).collect();
        screen.line(format!("{component} version: {}", counts.join(", ")))?;
    }
    if let Some(error) = &versions.error {
        screen.line(error)?;
    }
    Ok(0)
}

async fn ask(global: &Global, versions: &mut Versions) -> Result<(), Error> {
    let cluster = Cluster::connect(global).await?;
    versions.kubernetes_version = Some(cluster.version.full.clone());
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.system);
    for workload in Workload::ALL {
        let params = ListParams::default().labels(workload.selector());
        let pods = api.list(&params).await.map_err(|error| cluster.failed("list pods", &error))?;
        let mut counts = BTreeMap::new();
        for pod in &pods.items {
            let container = pod.spec.as_ref().and_then(|spec| spec.containers.first());
            let image = container.and_then(|container| container.image.clone()).unwrap_or_default();
            let name = image.split('@').next().unwrap_or_default();
            let tag = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(_, tag)| tag);
            *counts.entry(tag.to_owned()).or_insert(0) += 1;
        }
        if !counts.is_empty() {
            versions.mesh.insert(workload.name(), counts);
        }
    }
    Ok(())
}
