//! `cargo xtask conformance`: the suite of Gateway API, as it is, against the mesh on a real Kubernetes.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use testbed::conformance::Suite;

use crate::{
    accept::lab::{Lab, chain},
    root,
};

/// The name of the mesh that the suite asks about.
const MESH: &str = "ambient";
/// The namespaces of the suite.
const NAMESPACES: [&str; 2] = ["gateway-conformance-mesh", "gateway-conformance-mesh-consumer"];
/// What puts a namespace into the mesh, and behind its waypoint.
const LABELS: [(&str, &str); 2] = [("istio.io/dataplane-mode", "ambient"), ("istio.io/use-waypoint", "waypoint")];
/// The profiles that are reported.
const PROFILES: &str = "MESH-HTTP,MESH-GRPC";
/// Everything that the tests of a mesh ask for.
const FEATURES: [&str; 24] = [
    "Mesh",
    "MeshClusterIPMatching",
    "MeshConsumerRoute",
    "MeshHTTPRouteBackendRequestHeaderModification",
    "MeshHTTPRouteNamedRouteRule",
    "MeshHTTPRouteQueryParamMatching",
    "MeshHTTPRouteRedirectPath",
    "MeshHTTPRouteRedirectPort",
    "MeshHTTPRouteRewritePath",
    "MeshHTTPRouteSchemeRedirect",
    "HTTPRoute",
    "HTTPRoute303RedirectStatusCode",
    "HTTPRoute307RedirectStatusCode",
    "HTTPRoute308RedirectStatusCode",
    "HTTPRouteBackendRequestHeaderModification",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "HTTPRoutePathRedirect",
    "HTTPRoutePathRewrite",
    "HTTPRoutePortRedirect",
    "HTTPRouteQueryParamMatching",
    "HTTPRouteResponseHeaderModification",
    "HTTPRouteSchemeRedirect",
    "GRPCRoute",
];
/// How long the waypoints may take to start.
const READY: &str = "120s";

/// How the suite is run
#[derive(clap::Args)]
pub struct Args {
    /// Build profile of the image
    #[arg(long, default_value = "release")]
    profile: String,
    /// Only this test
    #[arg(long)]
    run: Option<String>,
    /// Leave the cluster up
    #[arg(long)]
    keep: bool,
}

/// Runs the suite; an error when a test does not pass.
pub fn run(args: &Args) -> Result<(), String> {
    let suite = Suite::ready().map_err(chain)?;
    let lab = Lab::up("conformance", 2, &args.profile)?;
    let done = on(&lab, &suite, args);
    if !args.keep {
        lab.cluster.down().map_err(chain)?;
    }
    done
}

fn on(lab: &Lab, suite: &Suite, args: &Args) -> Result<(), String> {
    lab.cluster.load(&suite.image).map_err(chain)?;
    lab.define(&suite.definitions)?;
    let installed = lab.install(&[])?;
    if !installed.ok() {
        return Err(format!("ambient install: {}", installed.all()));
    }
    for namespace in NAMESPACES {
        let labels: String = LABELS.iter().map(|(name, value)| format!("    {name}: {value}\n")).collect();
        let text = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {namespace}\n  labels:\n    gateway-conformance: mesh\n{labels}"
        );
        lab.apply(&text)?;
        let waypoint = ["waypoint", "apply", "-n", namespace, "--wait", "--timeout", READY];
        let made = lab.ambient(&waypoint)?;
        if !made.ok() {
            return Err(format!("ambient {}: {}", waypoint.join(" "), made.all()));
        }
    }
    let reports = root().join("docs/conformance");
    fs::create_dir_all(&reports).map_err(|e| format!("{}: {e}", reports.display()))?;
    let kept = reports.join(concat!("ambient-", env!("CARGO_PKG_VERSION"), ".yaml"));
    // That of an earlier run must not stand for this one's.
    let report = root().join("target/conformance.yaml");
    let _ = fs::remove_file(&report);
    let mut command = told(lab, suite, args, &report);
    eprintln!("+ {command:?}");
    let status = command.status().map_err(|e| format!("the suite does not start: {e}"))?;
    if !status.success() {
        return Err(format!("the suite failed: {status}"));
    }
    // A wait for the report to be on the disk: the suite writes it last.
    let (written, _) = crate::accept::lab::until(Duration::from_secs(5), || args.run.is_some() || report.exists());
    if !written {
        return Err("the suite wrote no report".to_owned());
    }
    match args.run {
        Some(_) => Ok(()),
        None => fs::copy(&report, &kept).map(drop).map_err(|e| format!("{}: {e}", kept.display())),
    }
}

fn told(lab: &Lab, suite: &Suite, args: &Args, report: &Path) -> Command {
    let mut command = Command::new(&suite.program);
    command.env("KUBECONFIG", lab.cluster.kubeconfig()).stdin(Stdio::null());
    command.current_dir(suite.program.parent().unwrap_or(&root()));
    command.args(["-test.run", "TestConformance", "-test.timeout", "45m", "-test.v"]);
    let labels: Vec<String> = LABELS.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let flags = [
        ("mesh-name", MESH.to_owned()),
        ("conformance-profiles", PROFILES.to_owned()),
        ("supported-features", FEATURES.join(",")),
        ("namespace-labels", labels.join(",")),
        ("organization", MESH.to_owned()),
        ("project", MESH.to_owned()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("url", format!("https://{MESH}.invalid")),
        ("contact", format!("https://{MESH}.invalid/issues")),
    ];
    command.args(flags.iter().map(|(name, value)| format!("--{name}={value}")));
    // The namespaces are ours, with what runs the waypoints.
    command.arg("--cleanup-base-resources=false");
    match &args.run {
        Some(test) => command.arg(format!("--run-test={test}")),
        None => command.arg(format!("--report-output={}", report.display())),
    };
    command
}
