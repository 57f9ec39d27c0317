//! What can be typed: the flags that every command takes, and the list of commands.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    completion, install, manifest, namespace, roles::Role, sandbox, status, token, uninstall, verify, version,
    waypoint, ztunnel_config,
};

/// An ambient service mesh for Kubernetes in one binary
#[derive(Debug, Parser)]
#[command(name = "ambient", version, arg_required_else_help = true, max_term_width = 120)]
#[command(after_help = "Examples:
  ambient sandbox                          see what the mesh does, on this machine, without Kubernetes
  ambient install                          install the mesh, or bring it up to date
  ambient namespace add shop               enrol every pod of a namespace, without restart
  ambient waypoint apply -n shop --enroll-namespace --wait   give it a proxy at layer 7
  ambient status                           see whether all is well
  ambient verify web.shop db.shop:5432     see evidence that traffic is mTLS

Exit codes: 0 done, 1 the cluster or the request failed, 2 wrong usage, 130 interrupted, 255 internal
fault. `status`, `waypoint status` and `verify` answer with their own: see their help.")]
pub struct Cli {
    /// Run as a component of the mesh instead of a command
    #[arg(long, value_enum, value_name = "ROLE")]
    pub role: Option<Role>,
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags that every command takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod's own account; without any of them the
    /// only sandbox that runs]
    #[arg(long, short = 'c', global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig to use
    #[arg(long, global = true)]
    pub context: Option<String>,
    /// Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        conflicts_with_all = ["kubeconfig", "context"]
    )]
    pub sandbox: Option<String>,
    /// Namespace that the command is about
    #[arg(long, short, global = true, value_parser = namespace_name)]
    pub namespace: Option<String>,
    /// Namespace that the mesh is installed in
    #[arg(
        long,
        short,
        global = true,
        value_name = "NAMESPACE",
        default_value = "istio-system",
        value_parser = namespace_name,
        alias = "istioNamespace"
    )]
    pub istio_namespace: String,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

/// Takes what can be the name of a namespace (RFC 1123 2.1): it becomes a part of addresses.
fn namespace_name(text: &str) -> Result<String, String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let good = text.len() <= 63 && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-');
    if good && !text.is_empty() {
        return Ok(text.to_owned());
    }
    Err("want lower-case letters, digits and `-`, such as istio-system".to_owned())
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How a result is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people
    #[default]
    #[value(alias = "short")]
    Table,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// The commands, one file each.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Install the mesh, or bring it up to date
    #[command(visible_alias = "apply")]
    Install(install::Args),
    /// Print the manifests that install applies
    Manifest(manifest::Args),
    /// Take the mesh out of the cluster again
    Uninstall(uninstall::Args),
    /// Enrol namespaces and pods, or take them out
    #[command(visible_alias = "ns")]
    Namespace(namespace::Args),
    /// Give namespaces, services and service accounts proxies at layer 7
    #[command(visible_alias = "wp")]
    Waypoint(waypoint::Args),
    /// Show whether the mesh is well
    Status(status::Args),
    /// Show what the ztunnels know: workloads, services, policies, certificates, connections
    #[command(visible_alias = "zc")]
    ZtunnelConfig(ztunnel_config::Args),
    /// Prove from live evidence whether traffic is mTLS
    Verify(verify::Args),
    /// Run the whole mesh on this machine, without Kubernetes
    Sandbox(sandbox::Args),
    /// Issue the token of a pod where a folder stands in for Kubernetes
    Token(token::Args),
    /// Show the versions of this program and of the mesh
    Version(version::Args),
    /// Print the completion script of a shell
    Completion(completion::Args),
}
